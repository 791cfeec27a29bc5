package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/tokenize/pretokenizer"
)

// random makes a model with merges that random pairs of tokens were found for, ids and ranks in different orders.
func random(t testing.TB, rnd *rand.Rand, letters string, merges int, ignoreMerges bool) (*BPE, [][2]uint32) {
	t.Helper()
	tokens := make([]string, 256)
	for b := range 256 {
		tokens[b] = string([]byte{byte(b)})
	}
	known := map[string]bool{}
	var live []string // tokens over letters
	for _, c := range letters {
		live = append(live, string(c))
	}
	var pairs [][2]string
	seen := map[[2]string]bool{}
	for len(pairs) < merges {
		p := [2]string{live[rnd.IntN(len(live))], live[rnd.IntN(len(live))]}
		if both := p[0] + p[1]; !seen[p] && len(both) <= 12 {
			if !known[both] {
				known[both] = true
				tokens = append(tokens, both)
				live = append(live, both)
			}
			seen[p] = true
			pairs = append(pairs, p)
		}
	}
	rnd.Shuffle(len(tokens), func(i, j int) { tokens[i], tokens[j] = tokens[j], tokens[i] })
	v := new(Vocabulary)
	ids := map[string]uint32{}
	for i, tok := range tokens {
		ids[tok] = uint32(i)
		if err := v.Add(uint32(i), []byte(tok)); err != nil {
			t.Fatal(err)
		}
	}
	var list [][2]uint32
	for _, p := range pairs {
		list = append(list, [2]uint32{ids[p[0]], ids[p[1]]})
	}
	m, err := NewBPE(v, list, ignoreMerges)
	if err != nil {
		t.Fatal(err)
	}
	return m, list
}

// slowly is the definition: again and again, the leftmost of the pairs that stand first in the list.
func slowly(m *BPE, merges [][2]uint32, piece string) []uint32 {
	if id, ok := m.vocab.Lookup([]byte(piece)); ok && m.ignoreMerges {
		return []uint32{id}
	}
	var ids []uint32
	for i := range len(piece) {
		id, _ := m.vocab.Lookup([]byte(piece[i : i+1]))
		ids = append(ids, id)
	}
	for {
		best, at := len(merges), 0
		for i := range len(ids) - 1 {
			if r := slices.Index(merges, [2]uint32{ids[i], ids[i+1]}); r >= 0 && r < best {
				best, at = r, i
			}
		}
		if best == len(merges) {
			return ids
		}
		both := string(m.vocab.Bytes(ids[at])) + string(m.vocab.Bytes(ids[at+1]))
		ids[at], _ = m.vocab.Lookup([]byte(both))
		ids = slices.Delete(ids, at+1, at+2)
	}
}

func TestBPE(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for round := range 40 {
		m, merges := random(t, rnd, "ab c", 1+rnd.IntN(60), round%2 == 1)
		e := m.NewEncoder()
		for range 100 {
			n := 1 + rnd.IntN(20)
			if rnd.IntN(4) == 0 {
				n = rnd.IntN(200) + 1
			}
			piece := make([]byte, n)
			for i := range piece {
				piece[i] = "ab cx"[rnd.IntN(5)]
				if rnd.IntN(2) == 0 {
					piece[i] = 'a' // long runs of one pair
				}
			}
			want := slowly(m, merges, string(piece))
			for _, how := range []string{"first", "remembered"} {
				if got := e.Append(nil, piece, nil); !slices.Equal(got, want) {
					t.Fatalf("round %d, %s: %q: %v, want %v", round, how, piece, got, want)
				}
			}
			if m.ignoreMerges {
				continue
			}
			var s scratch
			if got := m.heapMerge(nil, piece, &s); !slices.Equal(got, want) {
				t.Fatalf("round %d, heap: %q: %v, want %v", round, piece, got, want)
			}
			if got := string(decode(m, want)); got != string(piece) {
				t.Fatalf("%q decodes to %q", piece, got)
			}
		}
	}
}

func decode(m *BPE, ids []uint32) (text []byte) {
	for _, id := range ids {
		text = append(text, m.vocab.Bytes(id)...)
	}
	return text
}

// TestEncoderForgets gives an encoder more pieces than it can remember, and some of them again.
func TestEncoderForgets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	m, _ := random(t, rnd, "abcdefgh", 200, false)
	s, err := pretokenizer.NewScanner("gpt2")
	if err != nil {
		t.Fatal(err)
	}
	e := m.NewEncoder()
	forgot := false
	for round := range 60 {
		var b strings.Builder
		for range 10000 {
			for range 1 + rnd.IntN(24) {
				b.WriteByte("abcdefgh"[rnd.IntN(8)])
			}
			b.WriteByte(' ')
		}
		before := e.shorts + e.longs
		text := []byte(b.String())
		got := e.Append(nil, text, s)
		forgot = forgot || e.shorts+e.longs < before
		if !slices.Equal(got, m.NewEncoder().Append(nil, text, s)) {
			t.Fatalf("round %d: an encoder that has seen much gives other tokens", round)
		}
		if string(decode(m, got)) != string(text) {
			t.Fatalf("round %d: decoded to another text", round)
		}
		if n := 32*(2*len(e.short)+len(e.long)) + len(e.keys) + 4*len(e.results); n > EncoderMemory {
			t.Fatalf("round %d: it holds %d bytes, above %d", round, n, EncoderMemory)
		}
		if forgot {
			break
		}
	}
	if !forgot {
		t.Error("it never forgot")
	}
	text, out := []byte("abc def"), make([]uint32, 0, 16)
	if n := testing.AllocsPerRun(10, func() { out = e.Append(out[:0], text, s) }); n > 0 {
		t.Errorf("%v allocations for a text that came before", n)
	}
}

func TestNewBPE(t *testing.T) {
	bytes := func() *Vocabulary {
		v := new(Vocabulary)
		for b := range 256 {
			if err := v.Add(uint32(b), []byte{byte(b)}); err != nil {
				t.Fatal(err)
			}
		}
		return v
	}
	for _, c := range []struct {
		merges [][2]uint32
		want   string
	}{
		{[][2]uint32{{'a', 'b'}}, `merge 0: "a" and "b" make "ab", which is no token`},
		{[][2]uint32{{'a', 999}}, `merge 0: no token has id 97 or 999`},
	} {
		if _, err := NewBPE(bytes(), c.merges, false); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if _, err := NewBPE(new(Vocabulary), nil, false); err == nil || !strings.Contains(err.Error(), "no token for the byte 0x00") {
		t.Error(err)
	}
	// Of a pair that stands there twice, the later place counts.
	v := bytes()
	for i, tok := range []string{"ab", "bc"} {
		if err := v.Add(uint32(256+i), []byte(tok)); err != nil {
			t.Fatal(err)
		}
	}
	m, err := NewBPE(v, [][2]uint32{{'a', 'b'}, {'b', 'c'}, {'a', 'b'}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.NewEncoder().Append(nil, []byte("abc"), nil); !slices.Equal(got, []uint32{'a', 257}) {
		t.Error(got)
	}
}

func TestVocabulary(t *testing.T) {
	v := new(Vocabulary)
	if _, ok := v.Lookup([]byte("x")); ok {
		t.Error("found in an empty vocabulary")
	}
	for i := range 1000 {
		if err := v.Add(uint32(3*i), fmt.Appendf(nil, "token %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.AddOpaque(1, []byte("token 7")); err != nil { // not looked up
		t.Fatal(err)
	}
	for _, c := range []struct {
		id    uint32
		token string
		want  string
	}{
		{3, "new", `id 3 stands for both "token 1" and "new"`},
		{4, "token 2", `"token 2" has both id 6 and 4`},
		{MaxIDs, "new", "above 2097150"},
	} {
		if err := v.Add(c.id, []byte(c.token)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if id, ok := v.Lookup([]byte("token 7")); !ok || id != 21 {
		t.Error(id, ok)
	}
	if v.Len() != 1001 || v.Size() != 2998 || v.Has(2) || string(v.Bytes(2997)) != "token 999" || v.Bytes(5000) != nil {
		t.Error(v.Len(), v.Size())
	}
}
