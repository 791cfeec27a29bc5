package normalizer

import (
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
	"curate/tokenize/component"
)

// BertNormalizer does what BERT's own tokenizer does first (normalizers/bert.rs), in this order.
type BertNormalizer struct {
	CleanText          bool // takes out control characters, makes white space spaces
	HandleChineseChars bool // puts a space on either side of ideographs
	StripAccents       bool // in NFD
	Lowercase          bool
}

func readBert(path string, v jsontext.Value) (Normalizer, error) {
	var c struct {
		Type               string `json:"type"`
		CleanText          *bool  `json:"clean_text"`
		HandleChineseChars *bool  `json:"handle_chinese_chars"`
		StripAccents       *bool  `json:"strip_accents"` // null: as lowercase
		Lowercase          *bool  `json:"lowercase"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	switch {
	case c.CleanText == nil:
		return nil, component.Missing(path, "clean_text")
	case c.HandleChineseChars == nil:
		return nil, component.Missing(path, "handle_chinese_chars")
	case c.Lowercase == nil:
		return nil, component.Missing(path, "lowercase")
	case c.StripAccents == nil:
		c.StripAccents = c.Lowercase
	}
	return BertNormalizer{*c.CleanText, *c.HandleChineseChars, *c.StripAccents, *c.Lowercase}, nil
}

// Type is "BertNormalizer".
func (BertNormalizer) Type() string { return "BertNormalizer" }

// Normalize implements [Normalizer].
func (n BertNormalizer) Normalize(t *aligned.Text) error {
	if n.CleanText {
		cleanText(t)
	}
	if n.HandleChineseChars {
		spaceIdeographs(t)
	}
	if n.StripAccents {
		if err := NFD.Normalize(t); err != nil {
			return err
		}
		stripMarks(t, nonspacing)
	}
	if n.Lowercase {
		return Lowercase{}.Normalize(t)
	}
	return nil
}

func cleanText(t *aligned.Text) {
	text := t.B
	e := edit{t: t}
	for i := 0; i < len(text); {
		if n := visible(text[i:]); n > 0 {
			e.keep(n)
			i += n
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			e.replace(n, " ")
		case unicode.Is(unclean, r):
			e.skip(n)
		case unicode.IsSpace(r):
			e.replace(n, " ")
		default:
			e.keep(n)
		}
		i += n
	}
	e.end()
}

// isIdeograph is is_chinese_char of normalizers/bert.rs: 2B820-2B91F are left out there.
func isIdeograph(r rune) bool {
	switch {
	case r < 0x3400:
		return false
	case r <= 0x4dbf, 0x4e00 <= r && r <= 0x9fff, 0xf900 <= r && r <= 0xfaff,
		0x20000 <= r && r <= 0x2a6df, 0x2a700 <= r && r <= 0x2b81f, 0x2b920 <= r && r <= 0x2ceaf,
		0x2f800 <= r && r <= 0x2fa1f:
		return true
	}
	return false
}

func spaceIdeographs(t *aligned.Text) {
	text := t.B
	e := edit{t: t}
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			n := ascii(text[i:])
			e.keep(n)
			i += n
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if isIdeograph(r) {
			e.replace(n, " ")
			e.insertRune(r)
			e.insert(" ")
		} else {
			e.keep(n)
		}
		i += n
	}
	e.end()
}
