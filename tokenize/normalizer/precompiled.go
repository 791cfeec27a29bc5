package normalizer

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/go-json-experiment/json/jsontext"

	"curate/sentencepiece"
	"curate/tokenize/aligned"
	"curate/tokenize/component"
)

// Precompiled is the normalizer of a SentencePiece model (normalizers/precompiled.rs). It is not quite SentencePiece's
// own: it looks at grapheme clusters of fewer than 6 bytes, then at single characters, and where the beginning of one
// has a replacement, takes it for the whole.
type Precompiled struct {
	charsMap *sentencepiece.CharsMap
	ascii    [utf8.RuneSelf]bool // which characters have a replacement
}

func readPrecompiled(path string, v jsontext.Value) (Normalizer, error) {
	var c struct {
		Type     string  `json:"type"`
		CharsMap *string `json:"precompiled_charsmap"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	if c.CharsMap == nil {
		return nil, component.Missing(path, "precompiled_charsmap")
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(*c.CharsMap)
	if err != nil {
		return nil, fmt.Errorf("%s.precompiled_charsmap: %w", path, err)
	}
	m, err := sentencepiece.ReadCharsMap(blob)
	if err != nil {
		return nil, fmt.Errorf("%s.precompiled_charsmap: %w", path, err)
	}
	p := &Precompiled{charsMap: m}
	for i := range p.ascii {
		_, n := m.Shortest([]byte{byte(i)})
		p.ascii[i] = n > 0
	}
	return p, nil
}

// Type is "Precompiled".
func (*Precompiled) Type() string { return "Precompiled" }

// maxCluster: longer clusters are looked at character by character.
const maxCluster = 5

// Normalize implements [Normalizer].
func (p *Precompiled) Normalize(t *aligned.Text) error {
	text := t.B
	s := substitution{e: edit{t: t}, text: text}
	for i := 0; i < len(text); {
		// ASCII before ASCII is a cluster of its own, but for \r\n.
		j := i
		for ; j < len(text) && text[j] < utf8.RuneSelf && !p.ascii[text[j]] && text[j] != '\r'; j++ {
		}
		if j > i && j < len(text) && text[j] >= utf8.RuneSelf {
			j--
		}
		if j > i {
			s.keep(i, j)
			i = j
			continue
		}
		n, _, _ := graphemes.SplitFunc(text[i:], true)
		cluster := text[i : i+n]
		i += n
		if n <= maxCluster {
			if by, m := p.charsMap.Shortest(cluster); m > 0 {
				s.replace(cluster, by)
				continue
			}
		}
		for len(cluster) > 0 {
			_, n := utf8.DecodeRune(cluster)
			if by, m := p.charsMap.Shortest(cluster[:n]); m > 0 {
				s.replace(cluster[:n], by)
			} else {
				s.put(cluster[:n], 1)
			}
			cluster = cluster[n:]
		}
	}
	return s.end()
}

// substitution counts characters as precompiled.rs does: what a replacement has more than what it replaces is new,
// what it has less is gone behind its last character, or, if it is empty, behind the character before it. At the
// beginning of a text there is none: then those characters are not counted, and what follows is off by them.
type substitution struct {
	e    edit
	text []byte
	at   int    // in text: what is consumed
	last []byte // the character put last; not yet in e, as it may come to stand for more
	of   int    // the characters that it stands for
}

// keep is put for the characters of text[i:j], which are ASCII.
func (s *substitution) keep(i, j int) {
	s.flush()
	if s.at != i { // off
		for ; i < j; i++ {
			s.put(s.text[i:i+1], 1)
		}
		return
	}
	s.e.keep(j - 1 - i)
	s.at = j - 1
	s.last, s.of = s.text[j-1:j], 1
}

// put puts the character c for the next of characters.
func (s *substitution) put(c []byte, of int) {
	s.flush()
	s.last, s.of = c, of
}

func (s *substitution) replace(old, by []byte) {
	n := utf8.RuneCount(old)
	for len(by) > 0 {
		_, size := utf8.DecodeRune(by)
		s.put(by[:size], min(n, 1))
		n -= min(n, 1)
		by = by[size:]
	}
	if s.last != nil {
		s.of += n
	}
}

func (s *substitution) flush() {
	if s.last == nil {
		return
	}
	n := 0
	for range s.of {
		_, size := utf8.DecodeRune(s.text[s.at+n:])
		n += size
	}
	switch {
	case s.of == 0:
		s.e.insert(string(s.last))
	case s.of == 1 && string(s.last) == string(s.text[s.at:s.at+n]):
		s.e.keep(n)
	default:
		s.e.replace(n, string(s.last))
	}
	s.at += n
	s.last = nil
}

func (s *substitution) end() error {
	s.flush()
	if s.at < len(s.text) {
		s.e.skip(len(s.text) - s.at)
	}
	s.e.end()
	return nil
}
