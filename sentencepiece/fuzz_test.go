package sentencepiece

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"unicode/utf8"
)

// check encodes text in all ways and compares.
func check(t *testing.T, m *Model, text []byte) {
	t.Helper()
	e := m.NewEncoder()
	ids := e.Append(nil, text)
	if again := e.Append(nil, text); !slices.Equal(ids, again) {
		t.Fatalf("%q: %d, and the second time %d", text, ids, again)
	}
	if whole := alone(m).NewEncoder().Append(nil, text); !slices.Equal(ids, whole) {
		t.Fatalf("%q: %d, as one word %d", text, ids, whole)
	}
	tokens := e.AppendTokens(nil, text)
	if len(tokens) != len(ids) {
		t.Fatalf("%q: %d ids, %d tokens", text, len(ids), len(tokens))
	}
	if m.bytes == nil { // tokens are spelled as the normalized text
		spelled := make([][]byte, len(tokens))
		again := e.AppendSpelled(nil, text, func(at int, b []byte) { spelled[at] = append(spelled[at], b...) })
		for i, tok := range again {
			if p := m.Pieces()[tok.ID]; p.Type != Unknown {
				if spelled[i] != nil {
					t.Fatalf("%q: token %d is known, and spelled %q", text, i, spelled[i])
				}
				spelled[i] = []byte(p.Text)
			}
		}
		if all, want := bytes.Join(spelled, nil), m.AppendNormalized(nil, text); !slices.Equal(tokens, again) || !bytes.Equal(all, want) {
			t.Fatalf("%q: tokens %v, then %v; spelled %q, normalized %q", text, tokens, again, all, want)
		}
	}
	last := int32(0)
	for i, tok := range tokens {
		if tok.ID != ids[i] || int(tok.ID) >= len(m.Pieces()) || tok.From < last || tok.To < tok.From || int(tok.To) > len(text) {
			t.Fatalf("%q: token %d is %v, its id %d", text, i, tok, ids[i])
		}
		last = tok.From
	}
	if _, err := m.AppendDecoded(nil, ids); err != nil {
		t.Fatal(err)
	}
	if m.normalizer.charsMap == nil && m.denormalizer == nil && !utf8.Valid(m.AppendNormalized(nil, text)) && m.cuts.at != cutNowhere {
		t.Fatalf("%q: what is normalized is not UTF-8", text)
	}
}

func FuzzRead(f *testing.F) {
	eachReference(f, func(line int, r *reference) {
		if r.File == "" && len(r.Model) < 4000 && len(r.Cases) > 0 {
			f.Add([]byte(r.Model), []byte(r.Cases[0].Text))
		}
	})
	f.Fuzz(func(t *testing.T, model, text []byte) {
		if len(text) > 1000 {
			return
		}
		if m, err := Read(model); err == nil {
			check(t, m, text)
		}
	})
}

func FuzzReadCharsMap(f *testing.F) {
	for _, name := range []string{"test_model.model", "test_ja_model.model"} {
		c := anyModel(f, name).normalizer.charsMap
		blob := binary.LittleEndian.AppendUint32(nil, uint32(4*len(c.units)))
		for _, u := range c.units {
			blob = binary.LittleEndian.AppendUint32(blob, u)
		}
		f.Add(append(blob, c.texts...), []byte("ﬁ①e\u0301"))
	}
	f.Add(charsMap(map[int]uint32{0: 256 << 10, 256 ^ 'b': 'b'<<10 | 1<<8 | 'b', 256: leaf}, "a\x00"), []byte("b"))
	f.Fuzz(func(t *testing.T, blob, text []byte) {
		c, err := ReadCharsMap(blob)
		if err != nil {
			return
		}
		for len(text) > 0 {
			long, n := c.Longest(text)
			short, k := c.Shortest(text)
			if n > len(text) || k > n && n > 0 || len(long) > charsMapLongest || len(short) > charsMapLongest || n == 0 && long != nil || bytes.IndexByte(long, 0) >= 0 {
				t.Fatalf("%q: longest %q, %d, shortest %q, %d", text, long, n, short, k)
			}
			text = text[max(n, 1):]
		}
	})
}

func FuzzEncode(f *testing.F) {
	var models []*Model
	for _, name := range []string{"test_model.model", "test_ja_model.model", "unigram", "bpe"} {
		models = append(models, anyModel(f, name))
	}
	for _, s := range []string{"", " ", "The cat.", "abab ab\nab", "日本語 é e\u0301 ﬁ", "▁▁a", "\xff\xc3", "a\x00b", "1 000,00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range models {
			check(t, m, text)
		}
	})
}

func FuzzDecode(f *testing.F) {
	models := []*Model{anyModel(f, "test_model.model"), anyModel(f, "bpe")}
	eachReference(f, func(line int, r *reference) { // one with byte pieces
		if m, err := Read(r.Model); err == nil && m.bytes != nil && len(models) < 4 {
			models = append(models, m)
		}
	})
	f.Add([]byte{0, 1, 2, 3, 4, 200, 201, 202})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range models {
			var ids []uint32
			for _, x := range b {
				ids = append(ids, uint32(x)%uint32(len(m.Pieces())))
			}
			got, err := m.AppendDecoded([]byte("x"), ids)
			if err != nil || !bytes.HasPrefix(got, []byte("x")) {
				t.Fatalf("%d: %q, %v", ids, got, err)
			}
		}
	})
}
