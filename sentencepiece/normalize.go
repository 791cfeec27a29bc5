package sentencepiece

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"
)

// space is what a normalized text has for a space, U+2581 (kSpaceSymbol of normalizer.cc).
const space = "\u2581"

// normalizer does what Normalizer::Normalize of normalizer.cc does.
type normalizer struct {
	charsMap     *CharsMap // nil: none
	symbols      *trie     // user-defined symbols pass as they are; nil: none
	symbolStarts [256]bool // the bytes that they begin with

	mark          string // for a space
	prefix        bool   // a mark goes before the text
	suffix        bool   // a mark goes after it
	removeSpaces  bool   // at both ends, and all but the first of several
	passing       [256]bool
	spacesAsSpace bool // a space that an ASCII character follows is a space
}

func newNormalizer(where string, s normalizerSpec, suffix bool) (normalizer, error) {
	n := normalizer{mark: " ", removeSpaces: s.removeExtraWhitespaces}
	n.prefix, n.suffix = s.addDummyPrefix && !suffix, s.addDummyPrefix && suffix
	if s.escapeWhitespaces {
		n.mark = space
	}
	if len(s.charsMap) > 0 {
		var err error
		if n.charsMap, err = ReadCharsMap(s.charsMap); err != nil {
			return n, fmt.Errorf("%s.precompiled_charsmap: %w", where, err)
		}
	}
	n.setSymbols(nil)
	return n, nil
}

// setSymbols sets the user-defined symbols, and finds out which ASCII characters pass as they are if another one
// follows.
func (n *normalizer) setSymbols(symbols *trie) {
	n.symbols = symbols
	for b := range n.passing {
		n.symbolStarts[b] = false
		if symbols != nil {
			_, n.symbolStarts[b] = symbols.step(symbols.root(), byte(b))
		}
		n.passing[b] = b < utf8.RuneSelf && !n.symbolStarts[b] && (n.charsMap == nil || !n.charsMap.leads(byte(b)))
	}
	n.spacesAsSpace, n.passing[' '] = n.passing[' '], false
}

func (n *normalizer) memory() int64 {
	size := int64(1 << 10)
	if n.charsMap != nil {
		size += int64(4*len(n.charsMap.units) + len(n.charsMap.texts))
	}
	if n.symbols != nil {
		size += n.symbols.memory()
	}
	return size
}

// prefixMatches is how many of the symbols that a text begins with SentencePiece looks at (PrefixMatcher::PrefixMatch
// of normalizer.cc).
const prefixMatches = 64

// symbol is the length in bytes of the longest user-defined symbol that text begins with; 0 if there is none.
func (n *normalizer) symbol(text []byte) int {
	if len(text) == 0 || !n.symbolStarts[text[0]] {
		return 0
	}
	longest, found := 0, 0
	base := n.symbols.root()
	for i, b := range text {
		u, ok := n.symbols.step(base, b)
		if !ok {
			break
		}
		if u.id >= 0 {
			longest = i + 1
			if found++; found == prefixMatches {
				break
			}
		}
		base = u.link >> labelBits
	}
	return longest
}

// replacementChar is what a byte that is not UTF-8 becomes.
var replacementChar = []byte("\uFFFD")

// first is what stands for the begin of text, which is not empty, and how many bytes that is
// (Normalizer::NormalizePrefix).
func (n *normalizer) first(text []byte) (string []byte, size int) {
	if size := n.symbol(text); size > 0 {
		return text[:size], size
	}
	if n.charsMap != nil {
		if s, size := n.charsMap.Longest(text); size > 0 {
			return s, size
		}
	}
	if text[0] < utf8.RuneSelf {
		return text[:1], 1
	}
	r, size := utf8.DecodeRune(text)
	if r == utf8.RuneError && size == 1 {
		return replacementChar, 1
	}
	return text[:size], size
}

// normalizing is a text that is being normalized, block by block.
type normalizing struct {
	n      *normalizer
	text   []byte
	at     int // up to here, the text is done
	spaced bool
	begun  bool
}

// next appends to dst until it has size bytes or more, and says whether that was all. What is in dst is what earlier
// calls appended, the end of it at least as far back as the last thing that is no space. If from is not nil, it gets
// for each byte of dst where in the text it comes from, and when all is done where the text ends.
func (s *normalizing) next(dst []byte, from *[]int32, size int) (_ []byte, done bool) {
	n := s.n
	if !s.begun {
		s.begun = true
		s.spaced = n.removeSpaces
		if len(s.text) == 0 {
			return dst, true
		}
		for n.removeSpaces {
			first, size := n.first(s.text[s.at:])
			if string(first) != " " {
				break
			}
			if s.at += size; s.at == len(s.text) {
				return dst, true
			}
		}
		if n.prefix {
			dst = s.append(dst, from, n.mark, s.at)
		}
	}
	text := s.text
	for s.at < len(text) {
		if len(dst) >= size {
			return dst, false
		}
		b := text[s.at]
		if n.passing[b] {
			end := s.at + 1
			for end < len(text) && n.passing[text[end]] {
				end++
			}
			// With what follows, the last one may be replaced.
			if n.charsMap != nil && end < len(text) && text[end] >= utf8.RuneSelf {
				end--
			}
			if end > s.at {
				dst = append(dst, text[s.at:end]...)
				if from != nil {
					for i := s.at; i < end; i++ {
						*from = append(*from, int32(i))
					}
				}
				s.at, s.spaced = end, false
				continue
			}
		}
		if b == ' ' && n.spacesAsSpace && (n.charsMap == nil || s.at+1 == len(text) || text[s.at+1] < utf8.RuneSelf) {
			if !s.spaced {
				dst = s.append(dst, from, n.mark, s.at)
				s.spaced = n.removeSpaces
			}
			s.at++
			continue
		}
		first, size := n.first(text[s.at:])
		for s.spaced && len(first) > 0 && first[0] == ' ' {
			first = first[1:]
		}
		if len(first) > 0 {
			s.spaced = n.removeSpaces && first[len(first)-1] == ' '
			if bytes.IndexByte(first, ' ') < 0 {
				dst = append(dst, first...)
				if from != nil {
					for range first {
						*from = append(*from, int32(s.at))
					}
				}
			} else {
				for i := range first {
					if first[i] == ' ' {
						dst = s.append(dst, from, n.mark, s.at)
					} else {
						dst = s.append(dst, from, string(first[i:i+1]), s.at)
					}
				}
			}
		}
		s.at += size
	}
	end := s.at
	for n.removeSpaces && bytes.HasSuffix(dst, []byte(n.mark)) {
		dst = dst[:len(dst)-len(n.mark)]
		if from != nil {
			end = int((*from)[len(dst)])
			*from = (*from)[:len(dst)]
		}
	}
	if n.suffix {
		dst = s.append(dst, from, n.mark, end)
	}
	if from != nil {
		*from = append(*from, int32(end))
	}
	return dst, true
}

// append appends s, which stands for the text at a place.
func (s *normalizing) append(dst []byte, from *[]int32, str string, at int) []byte {
	if from != nil {
		for range len(str) {
			*from = append(*from, int32(at))
		}
	}
	return append(dst, str...)
}

// appendAll appends text as it is normalized.
func (n *normalizer) appendAll(dst, text []byte) []byte {
	s := normalizing{n: n, text: text}
	all, _ := s.next(dst[len(dst):], nil, math.MaxInt)
	return append(dst, all...)
}

// Normalization says what the model does with a text before it looks for pieces: it puts a ▁ in front (or behind), it takes away
// spaces at both ends and all but the first of several, and it replaces characters by a map.
func (m *Model) Normalization() (prefix, suffix, removesSpaces, replaces bool) {
	n := &m.normalizer
	return n.prefix, n.suffix, n.removeSpaces, n.charsMap != nil
}
