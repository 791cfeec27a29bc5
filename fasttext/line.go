package fasttext

import (
	"bytes"
	"unicode/utf8"
)

// LineRule is how a text of several lines becomes the one that a model is asked about.
type LineRule int

const (
	// Spaces puts a space for every \n: datatrove 0.10.1, utils/lid.py (the language filter).
	Spaces LineRule = iota
	// Joined takes every \n away, so that the words on both sides become one: datatrove 0.10.1,
	// pipeline/filters/fasttext_filter.py with its default newline_replacement.
	Joined
	// Stripped takes white space, as Python knows it, from both ends and puts a space for every \n: NeMo-Curator
	// 1.0, stages/text/filters/fasttext_filter.py FastTextLangId.
	Stripped
	// Unlabelled puts a space for every \n and for every "__label__": FastTextQualityFilter of the same file.
	Unlabelled
)

// AppendLine appends to dst the line of text that rule makes.
func AppendLine(dst, text []byte, rule LineRule) []byte {
	if rule == Stripped {
		text = bytes.TrimFunc(text, pythonSpace)
	}
	began := len(dst)
	if rule == Joined {
		for len(text) > 0 {
			i := bytes.IndexByte(text, '\n')
			if i < 0 {
				return append(dst, text...)
			}
			dst, text = append(dst, text[:i]...), text[i+1:]
		}
		return dst
	}
	if rule == Unlabelled {
		for {
			i := bytes.Index(text, labelText)
			if i < 0 {
				break
			}
			dst, text = append(append(dst, text[:i]...), ' '), text[i+len(labelText):]
		}
	}
	dst = append(dst, text...)
	line := dst[began:]
	for {
		i := bytes.IndexByte(line, '\n')
		if i < 0 {
			return dst
		}
		line[i] = ' '
		line = line[i+1:]
	}
}

// pythonSpace are the characters that str.strip takes away: those of Unicode 15 with the bidirectional class WS, B
// or S, or the category Zs.
func pythonSpace(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r == ' ' || r >= 0x09 && r <= 0x0D || r >= 0x1C && r <= 0x1F
	case r >= 0x2000 && r <= 0x200A:
		return true
	}
	switch r {
	case 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
		return true
	}
	return false
}
