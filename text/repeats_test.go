package text

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// Slow twins: the n-grams as strings in a map.

func slowMostFrequent(words []string, n int, sep string) (points, count int) {
	counts := map[string]int{}
	var order []string
	for i := 0; i+n <= len(words); i++ {
		g := strings.Join(words[i:i+n], sep)
		if counts[g] == 0 {
			order = append(order, g)
		}
		counts[g]++
	}
	for _, g := range order {
		if counts[g] > count {
			points, count = utf8.RuneCountInString(g), counts[g]
		}
	}
	return points, count
}

func slowRepeated(words []string, n int, sep string) (points int) {
	seen := map[string]bool{}
	for i := 0; i+n <= len(words); {
		g := strings.Join(words[i:i+n], sep)
		if seen[g] {
			points += utf8.RuneCountInString(g)
			i += n
		} else {
			seen[g] = true
			i++
		}
	}
	return points
}

func slowDuplicates(parts []string) (elements, points int) {
	seen := map[string]bool{}
	for _, p := range parts {
		if seen[p] {
			elements++
			points += utf8.RuneCountInString(p)
		}
		seen[p] = true
	}
	return elements, points
}

// checkRepeats compares all answers about a text that is cut into the given words.
func checkRepeats(t *testing.T, r *Repeats, s string, words []Span) {
	t.Helper()
	text := []byte(s)
	var parts []string
	for _, w := range words {
		parts = append(parts, string(w.Of(text)))
	}
	r.Words(text, words, CodePoints(text))
	checkBounds(t, r, parts)
	for n := 1; n <= 11; n++ {
		for _, join := range []Join{Space, Nothing, '\n'} {
			sep := ""
			if join != Nothing {
				sep = string(rune(join))
			}
			p, c := r.MostFrequent(n, join)
			if wp, wc := slowMostFrequent(parts, n, sep); p != wp || c != wc {
				t.Fatalf("MostFrequent(%d, %q) of %q = %d points, %d times; want %d, %d", n, sep, parts, p, c, wp, wc)
			}
			if p, want := r.Repeated(n, join), slowRepeated(parts, n, sep); p != want {
				t.Fatalf("Repeated(%d, %q) of %q = %d, want %d", n, sep, parts, p, want)
			}
		}
	}
	checkBounds(t, r, parts) // with memory that the answers have used
	e, p := r.Duplicates(text, words)
	if we, wp := slowDuplicates(parts); e != we || p != wp {
		t.Fatalf("Duplicates of %q = %d, %d; want %d, %d", parts, e, p, we, wp)
	}
}

// cutAnywhere makes words that touch, hold spaces, or lie far apart, as other splitters make them.
func cutAnywhere(rng *rand.Rand, s string) (words []Span) {
	for i := 0; i < len(s); {
		j := min(len(s), i+1+rng.IntN(4))
		for j < len(s) && !utf8.RuneStart(s[j]) {
			j++
		}
		if rng.IntN(5) > 0 {
			words = append(words, Span{int32(i), int32(j)})
		}
		i = j
	}
	return words
}

func TestRepeats(t *testing.T) {
	var r Repeats
	for _, s := range []string{
		"", "a", "a a", "a b a b a b", "ab c a bc ab c", "a b c d e f g h i j k a b c d e f g h i j k",
		"x y x y x y x y x y x y x y x y x y x y x y", strings.Repeat("bat bi hiru ", 30), "é è é è ü ü ü ü ü",
		strings.Repeat("w", 700) + " a b " + strings.Repeat("w", 700) + " a b", // powers beyond the table
	} {
		checkRepeats(t, &r, s, Words(nil, []byte(s)))
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for _, letters := range []int{2, 4, 26} { // long enough for several blocks of the sieve
		b := []byte{}
		for range 9000 {
			b = append(b, "  abcdefghijklmnopqrstuvwxyz"[rng.IntN(letters+2)])
		}
		s := string(b)
		checkRepeats(t, &r, s, Words(nil, b))
		checkRepeats(t, &r, s, cutAnywhere(rng, s))
	}
	for range 400 {
		letters := []rune("ab cé")[:1+rng.IntN(5)]
		var b strings.Builder
		for range rng.IntN(300) {
			b.WriteRune(letters[rng.IntN(len(letters))])
		}
		s := b.String()
		checkRepeats(t, &r, s, Words(nil, []byte(s)))
		checkRepeats(t, &r, s, cutAnywhere(rng, s))
	}
}

// TestTableReuse lets the bases of a table run over, where everything old must be forgotten.
func TestTableReuse(t *testing.T) {
	var r Repeats
	s := "a b a b c a b d a b"
	checkRepeats(t, &r, s, Words(nil, []byte(s)))
	for _, next := range []uint64{1<<32 - 1, 1<<32 - 5, 1<<32 - 9, 1<<32 - 10, 1<<32 - 30, 1 << 32} {
		r.table.next = next
		checkRepeats(t, &r, s, Words(nil, []byte(s)))
		if r.table.next > 1<<32 {
			t.Fatalf("base %d does not fit in a slot", r.table.next)
		}
	}
}

func TestPowers(t *testing.T) {
	if base*unbase != 1 {
		t.Fatalf("%#x is not the inverse of the base", unbase)
	}
	p := uint64(1)
	for n := range 5000 {
		if power(n) != p {
			t.Fatalf("power(%d) = %#x, want %#x", n, power(n), p)
		}
		p *= base
	}
}

// TestMemory: a long text needs about five times its own size, and gives it back.
func TestMemory(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b []byte
	n := 200_000
	for range n {
		for range 5 {
			b = append(b, byte('a'+rng.IntN(26)))
		}
		b = append(b, ' ')
	}
	words := Words(nil, b)
	if len(words) != n {
		t.Fatalf("%d words", len(words))
	}
	var r Repeats
	r.Words(b, words, len(b))
	for n := 2; n <= 4; n++ {
		r.MostFrequent(n, Space)
	}
	for n := 5; n <= 10; n++ {
		r.Repeated(n, Nothing)
	}
	if _, ok := r.FrequentAtMost(); ok {
		t.Error("so long a text has a bound")
	}
	if _, ok := r.RepeatedAtMost(); ok {
		t.Error("so long a text has bounds")
	}
	all := r.Size() + len(words)*8
	t.Logf("%.2f times the text", float64(all)/float64(len(b)))
	if float64(all) > 5.2*float64(len(b)) {
		t.Errorf("%d bytes of scratch for %d bytes of text", all, len(b))
	}
	r.Shrink(1 << 30)
	if r.Size() == 0 {
		t.Error("memory below the limit was given away")
	}
	r.Shrink(1 << 20)
	if r.Size() != 0 {
		t.Errorf("%d bytes are still held", r.Size())
	}
	s := "a b a b"
	checkRepeats(t, &r, s, Words(nil, []byte(s)))
}

func TestNoAllocation(t *testing.T) {
	text := []byte(strings.Repeat("Hiru urtez etxean egon zen, eta ez zuen inor ikusi…\n", 20))
	var words, lines []Span
	var r Repeats
	all := func() {
		words = Words(words[:0], text)
		lines = Lines(lines[:0], text)
		lines = SplitNewlines(lines[:0], text)
		lines = Paragraphs(lines[:0], text)
		r.Words(text, words, CodePoints(text))
		r.FrequentAtMost()
		r.RepeatedAtMost()
		r.MostFrequent(2, Space)
		r.Repeated(5, Nothing)
		r.Duplicates(text, lines)
	}
	all()
	if n := testing.AllocsPerRun(100, all); n != 0 {
		t.Errorf("%v allocations a text", n)
	}
}

func FuzzRepeats(f *testing.F) {
	f.Add("a b a b", uint64(0))
	f.Add("aa a aa a a aaa a", uint64(1))
	f.Add("\x00\x00 \x00 \x00\x00\x00", uint64(2))
	f.Add(strings.Repeat("ab ", 50), uint64(3))
	var r Repeats
	f.Fuzz(func(t *testing.T, s string, seed uint64) {
		s = strings.ToValidUTF8(s, "\u00a0")
		if len(s) > 500 {
			return // the twins are slow
		}
		checkRepeats(t, &r, s, Words(nil, []byte(s)))
		checkRepeats(t, &r, s, cutAnywhere(rand.New(rand.NewPCG(seed, 1)), s))
	})
}
