package sentencepiece

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Denormalizes says whether decoded text goes through a denormalizer of the file, so that it is not what its pieces spell.
func (m *Model) Denormalizes() bool { return m.denormalizer != nil }

// AppendDecoded appends the text that ids stand for, as SentencePieceProcessor.decode does. Ids that are no piece are an
// error.
func (m *Model) AppendDecoded(dst []byte, ids []uint32) ([]byte, error) {
	start := len(dst)
	atBegin := true // a ▁ here may be what the normalizer put before the text
	queued := -1    // where in dst bytes stand that are not known to be UTF-8 yet
	// SentencePieceProcessor::DecodeOptimized of sentencepiece_processor.cc
	for i, id := range ids {
		if int64(id) >= int64(len(m.pieces)) {
			return dst[:start], fmt.Errorf("sentencepiece: ids[%d] is %d, and there are %d pieces", i, id, len(m.pieces))
		}
		p := &m.pieces[id]
		if p.Type == Byte {
			b, _ := pieceByte(p.Text)
			if queued < 0 {
				queued = len(dst)
			}
			dst = append(dst, b)
			continue
		}
		if queued >= 0 {
			dst, queued = repair(dst, queued), -1
		}
		atBegin = atBegin && len(dst) == start
		if p.Type == Control {
			continue
		}
		text, stripped := p.Text, false
		if atBegin && m.stripBos && strings.HasPrefix(text, space) {
			text, stripped = text[len(space):], !m.stripAll
		}
		if p.Type == Unknown {
			dst = append(dst, m.unkSurface...)
		} else {
			for {
				before, after, found := strings.Cut(text, space)
				dst = append(dst, before...)
				if !found {
					break
				}
				dst, text = append(dst, ' '), after
			}
		}
		atBegin = atBegin && !stripped && len(dst) == start
	}
	if queued >= 0 {
		dst = repair(dst, queued)
	}
	if m.denormalizer != nil {
		all := bytes.Clone(dst[start:])
		dst = m.denormalizer.appendAll(dst[:start], all)
	}
	return dst, nil
}

// repair puts U+FFFD for each byte of dst[from:] that is not UTF-8.
func repair(dst []byte, from int) []byte {
	i := from
	for i < len(dst) {
		r, size := utf8.DecodeRune(dst[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	if i == len(dst) {
		return dst
	}
	rest := bytes.Clone(dst[i:])
	dst = dst[:i]
	for len(rest) > 0 {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, replacementChar...)
		} else {
			dst = append(dst, rest[:size]...)
		}
		rest = rest[size:]
	}
	return dst
}
