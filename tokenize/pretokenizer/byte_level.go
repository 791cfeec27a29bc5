package pretokenizer

import (
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// byteLevel is ByteLevel (pre_tokenizers/byte_level.rs): the pieces of GPT-2's regex, if it is to use it, whose bytes
// are then spelled in its alphabet.
type byteLevel struct {
	prefixSpace, useRegex bool
	scanner               *Scanner
}

func readByteLevel(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type           string `json:"type"`
		AddPrefixSpace *bool  `json:"add_prefix_space"`
		TrimOffsets    *bool  `json:"trim_offsets"` // for post-processors
		UseRegex       *bool  `json:"use_regex"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	on := func(flag *bool) bool { return flag == nil || *flag } // the default of all three
	t := &byteLevel{prefixSpace: on(c.AddPrefixSpace), useRegex: on(c.UseRegex)}
	if t.useRegex {
		t.scanner = ForPattern(gpt2Pattern)
	}
	return t, nil
}

func (t *byteLevel) Type() string          { return "ByteLevel" }
func (t *byteLevel) Split(p *Pieces) error { return alone(t, p) }

func (t *byteLevel) split(p *Pieces, last bool) error {
	if t.prefixSpace {
		p.prefix(" ", everywhere)
	}
	if t.useRegex {
		if err := p.cut(t.scanner, isolated, false); err != nil {
			return err
		}
	}
	if !last {
		p.toAlphabet()
	} else {
		p.InAlphabet = false // if it is in it, it is as bytes that are to be spelled once more
	}
	return nil
}

func everywhere(int) bool { return true }

// find cuts text into the scanner's pieces.
func (s *Scanner) find(_ *Pieces, text []byte, found []span) ([]span, error) {
	for i := 0; i < len(text); {
		j := s.Next(text, i)
		found = append(found, part(i, j, true))
		i = j
	}
	return found, nil
}
