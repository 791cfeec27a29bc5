package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomSymbols is a literal model over a few characters, and the characters of texts for it.
func randomSymbols(t *testing.T, rnd *rand.Rand) (*Symbols, []string) {
	t.Helper()
	chars := []string{"a", "b", "c", ".", " ", "\n", "▁", "é", "漢", "🙂"}
	rnd.Shuffle(len(chars), func(i, j int) { chars[i], chars[j] = chars[j], chars[i] })
	known := chars[:2+rnd.IntN(len(chars)-2)]
	var tokens []string
	ids := map[string]uint32{}
	add := func(s string) {
		if _, ok := ids[s]; !ok {
			ids[s] = uint32(len(tokens))
			tokens = append(tokens, s)
		}
	}
	for _, c := range known {
		add(c)
	}
	live := slices.Clone(tokens)
	o := SymbolsOptions{FuseUnk: rnd.IntN(2) == 0, ByteFallback: rnd.IntN(2) == 0, IgnoreMerges: rnd.IntN(4) == 0}
	if o.HasUnk = rnd.IntN(3) > 0; o.HasUnk {
		o.Unk = "<unk>"
		add(o.Unk)
	}
	if o.ByteFallback {
		all := rnd.IntN(2) == 0
		for b := range 256 {
			if all || rnd.IntN(4) > 0 {
				add(fmt.Sprintf("<0x%02X>", b))
			}
		}
	}
	var merges [][2]uint32
	for range rnd.IntN(25) {
		a, b := live[rnd.IntN(len(live))], live[rnd.IntN(len(live))]
		if len(a)+len(b) <= 16 {
			if _, ok := ids[a+b]; !ok {
				live = append(live, a+b)
			}
			add(a + b)
			merges = append(merges, [2]uint32{ids[a], ids[b]})
		}
	}
	for range rnd.IntN(4) { // tokens that no merge makes
		add(known[rnd.IntN(len(known))] + known[rnd.IntN(len(known))] + known[rnd.IntN(len(known))])
	}
	v := new(Vocabulary)
	for id, s := range tokens {
		if err := v.Add(uint32(id), []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	m, err := NewSymbols(v, merges, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, append(chars, "<", "Ü", "\xff")
}

// TestCut compares pieces cut into words, remembered or not, with pieces that are merged whole.
func TestCut(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	cuts := 0
	for round := range 400 {
		m, chars := randomSymbols(t, rnd)
		if !m.cut.on {
			t.Fatal("no model of this kind is without cuts")
		}
		uncut := *m
		uncut.cut.on = false
		e := m.NewEncoder().(*symbolsEncoder)
		for range 30 {
			var b strings.Builder
			for range 1 + rnd.IntN(60) {
				b.WriteString(strings.Repeat(chars[rnd.IntN(len(chars))], 1+rnd.IntN(2)*rnd.IntN(4)))
			}
			piece := []byte(b.String())
			for i := 0; i < len(piece); cuts++ {
				i = m.cut.next(piece, i)
			}
			want, err := uncut.appendTokens(nil, piece, 0, new(symbolScratch))
			if id, ok := m.whole(piece); ok {
				want, err = []Token{{id, 0, int32(len(piece))}}, nil
			}
			if err != nil {
				t.Fatal(err)
			}
			var ids []uint32
			for _, tok := range want {
				ids = append(ids, tok.ID)
			}
			for range 2 {
				got, err := e.AppendPiece(nil, piece)
				if err != nil || !slices.Equal(got, ids) {
					t.Fatalf("seed %d, round %d: %q: %v %v, want %v; %+v", seed, round, piece, got, err, ids, m.o)
				}
			}
			got, err := e.AppendTokens(nil, piece)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("seed %d, round %d: %q: %v %v, want %v; %+v", seed, round, piece, got, err, want, m.o)
			}
		}
	}
	if cuts < 20*400*30/10 {
		t.Errorf("only %d words", cuts)
	}
}

// TestCutMark cuts where Gemma's and Mistral's vocabularies allow it.
func TestCutMark(t *testing.T) {
	v := new(Vocabulary)
	ids := map[string]uint32{}
	for i, s := range []string{"a", "b", "▁", "\n", "ab", "▁a", "▁ab", "▁▁", "\n\n", "<unk>", ">", "<", ">▁"} {
		ids[s] = uint32(i)
		if err := v.Add(uint32(i), []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	m, err := NewSymbols(v, [][2]uint32{{ids["a"], ids["b"]}, {ids["▁"], ids["ab"]}, {ids["▁"], ids["a"]}, {ids["▁"], ids["▁"]},
		{ids["\n"], ids["\n"]}, {ids[">"], ids["▁"]}}, SymbolsOptions{Unk: "<unk>", HasUnk: true, FuseUnk: true})
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("ab▁abb▁▁ab\n\n\nab>▁a>aéÜb")
	var words []string
	for i := 0; i < len(text); {
		j := m.cut.next(text, i)
		words = append(words, string(text[i:j]))
		i = j
	}
	want := []string{"ab", "▁ab", "b", "▁▁ab", "\n\n\n", "ab", ">▁a", ">", "a", "éÜ", "b"}
	if !slices.Equal(words, want) {
		t.Errorf("%q, want %q", words, want)
	}
}

func TestNewSymbols(t *testing.T) {
	v := func(tokens ...string) *Vocabulary {
		v := new(Vocabulary)
		for i, s := range tokens {
			if err := v.Add(uint32(i), []byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		return v
	}
	for _, c := range []struct {
		v      *Vocabulary
		merges [][2]uint32
		prefix string
		want   string
	}{
		{v("a", "b"), [][2]uint32{{0, 1}}, "", `merge 0: "a" and "b" make "ab", which is no token`},
		{v("a", "b", "ab"), [][2]uint32{{0, 1}, {0, 7}}, "", `merge 1: no token has id 0 or 7`},
		{v("a", "b"), [][2]uint32{{0, 1}}, "##", `merge 0: "b" is shorter than the prefix "##" that it should begin with`},
	} {
		if _, err := NewSymbols(c.v, c.merges, SymbolsOptions{Prefix: c.prefix}); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
