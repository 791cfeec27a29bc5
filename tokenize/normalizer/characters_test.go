package normalizer

import (
	"encoding/json"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"

	"curate/tokenize/aligned"
)

// TestCharacters compares every code point, as a text of its own, with what the reference makes of it: package unicode,
// package norm and uax29 have other versions of Unicode than its crates. It fails when one of them learns of newer
// characters; then the tables here need what is new.
func TestCharacters(t *testing.T) {
	var file struct {
		Characters []struct {
			Config              jsontext.Value
			Gone, Space, Spaced [][2]rune
			Other               map[string]string
		}
		Extend, Prepend [][2]rune
	}
	if err := json.Unmarshal(unpack(t, "testdata/characters.json.zst"), &file); err != nil {
		t.Fatal(err)
	}
	each := func(ranges [][2]rune, f func(r rune)) {
		for _, span := range ranges {
			for r := span[0]; r <= span[1]; r++ {
				f(r)
			}
		}
	}
	for _, c := range file.Characters {
		n, err := New("normalizer", c.Config)
		if err != nil {
			t.Fatal(err)
		}
		want := map[rune]string{}
		each(c.Gone, func(r rune) { want[r] = "" })
		each(c.Space, func(r rune) { want[r] = " " })
		each(c.Spaced, func(r rune) { want[r] = " " + string(r) + " " })
		for r, s := range c.Other {
			i, err := strconv.Atoi(r)
			if err != nil {
				t.Fatal(err)
			}
			want[rune(i)] = s
		}
		var text aligned.Text
		var b [utf8.UTFMax]byte
		bad := 0
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if !utf8.ValidRune(r) || 0x40000 <= r && r < 0xe0000 && r%0x101 != 0 { // planes with nothing in them
				continue
			}
			text.Set(b[:utf8.EncodeRune(b[:], r)], 0, false)
			if err := n.Normalize(&text); err != nil {
				t.Fatal(err)
			}
			w, ok := want[r]
			if !ok && string(text.B) != string(r) || ok && string(text.B) != w {
				if bad++; bad < 10 {
					t.Errorf("%s: %U: %+q, want %+q (changed: %v)", c.Config, r, text.B, w, ok)
				}
			}
		}
	}
	b := make([]byte, 0, 8)
	extend, prepend := map[rune]bool{}, map[rune]bool{}
	each(file.Extend, func(r rune) { extend[r] = true })
	each(file.Prepend, func(r rune) { prepend[r] = true })
	for r := rune(utf8.RuneSelf); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		text := append(utf8.AppendRune(append(b[:0], 'a'), r), 'a')
		if n, _, _ := graphemes.SplitFunc(text[:len(text)-1], true); (n == len(text)-1) != extend[r] {
			t.Errorf("%U behind a: one cluster: %v, want %v", r, !extend[r], extend[r])
		}
		if n, _, _ := graphemes.SplitFunc(text[1:], true); (n == len(text)-1) != prepend[r] {
			t.Errorf("%U before a: one cluster: %v, want %v", r, !prepend[r], prepend[r])
		}
	}
}

// TestPairs: outside of the ranges that pairs looks at there is nothing to compose.
func TestPairs(t *testing.T) {
	n := 0
	for r := rune(0xc0); r <= utf8.MaxRune; r++ {
		d := norm.NFD.PropertiesString(string(r)).Decomposition()
		if utf8.RuneCount(d) > 1 && norm.NFC.IsNormalString(string(r)) && !isLater(r) {
			n++
		}
	}
	if n == 0 || n != len(pairs()) {
		t.Errorf("%d pairs, want %d", len(pairs()), n)
	}
}
