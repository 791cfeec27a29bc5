package tokenize

import (
	"slices"
	"testing"
)

// TestPieces: the pieces of a text, and that they encoded one by one are the text encoded, but for added tokens.
func TestPieces(t *testing.T) {
	const nfc = `"normalizer":{"type":"NFC"}`
	for _, c := range []struct {
		edits []string
		text  string
		want  []string
	}{
		{nil, "", nil},
		{nil, "low  lower", []string{"low", " ", " lower"}},
		{nil, "it's 12 x<|endoftext|>lo", []string{"it", "'s", " 12", " x", "lo"}},
		{[]string{`"normalizer":null`, nfc}, "cafe\u0301 au<|endoftext|>e\u0301", []string{"café", " au", "é"}},
		{[]string{smallPre, `{"type":"ByteLevel","add_prefix_space":true}`}, "low<|endoftext|> lo", []string{" low", " lo"}},
		{[]string{smallPre, `{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}`}, "low low", []string{"low low"}},
	} {
		tok := smallTokenizer(t, small(t, c.edits...))
		e := tok.NewEncoder(Options{})
		var got []string
		for range 2 { // a second time with what the first has left
			got = nil
			if err := e.Pieces([]byte(c.text), func(p []byte) { got = append(got, string(p)) }); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q: %q, want %q: %v", c.text, got, c.want, err)
			}
		}
		var ids []uint32
		for _, p := range got {
			ids = must(e.Append(ids, []byte(p)))
		}
		want := slices.DeleteFunc(must(e.Append(nil, []byte(c.text))), tok.Special)
		if !slices.Equal(ids, want) {
			t.Errorf("%q: the pieces have ids %v, the text %v", c.text, ids, want)
		}
	}
}
