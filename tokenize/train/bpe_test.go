package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

type counted struct {
	word  string
	count uint64
}

func wordsOf(t testing.TB, list []counted) *Words {
	t.Helper()
	w := &Words{}
	for _, c := range list {
		if err := w.Add([]byte(c.word), c.count); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// mergesOf are the merges as tokenizer.json has them.
func mergesOf(m *Model) []string {
	s := []string{}
	for _, p := range m.Merges {
		s = append(s, m.Vocab[p[0]]+" "+m.Vocab[p[1]])
	}
	return s
}

func TestTrain(t *testing.T) {
	for _, c := range []struct {
		name  string
		words []counted
		cfg   Config // VocabSize is of merges
		want  string // merges, parted by commas
	}{
		{"nothing", nil, Config{VocabSize: 9}, ""},
		{"one byte", []counted{{"a", 100}}, Config{VocabSize: 9}, ""},
		// Sennrich et al., section 3.2: low lowest newer wider.
		{"paper", []counted{{"low_", 5}, {"lowest_", 2}, {"newer_", 6}, {"wider_", 3}}, Config{VocabSize: 4}, "e r,er _,l o,lo w"},
		{"the vocabulary is full", []counted{{"abc", 3}}, Config{VocabSize: 1}, "a b"},
		{"no room for merges", []counted{{"abc", 3}}, Config{}, ""},
		// ab and bc occur equally often: the lower left id goes first. Then xy and zy do, and xy is met last.
		{"tie on the left", []counted{{"abc", 2}, {"zy", 1}, {"xy", 1}}, Config{VocabSize: 9}, "a b,ab c,x y,z y"},
		{"tie on the right", []counted{{"ad", 1}, {"ac", 1}, {"ab", 1}}, Config{VocabSize: 9}, "a b,a c,a d"},
		// The order of ids is that of the characters that spell bytes: 0xFF (ÿ) is before a space (Ġ, U+0120).
		{"tie of spelled bytes", []counted{{"  ", 1}, {"\xff\xff", 1}, {"!!", 1}}, Config{VocabSize: 9}, "! !,ÿ ÿ,Ġ Ġ"},
		// A token made earlier has the lower id, whatever it spells.
		{"tie of tokens", []counted{{"yz", 9}, {"ab", 8}, {"abq", 2}, {"yzq", 2}}, Config{VocabSize: 4}, "y z,a b,yz q,ab q"},
		// aaaa has aa three times, aaa twice: overlapping ones count; aaaaa is merged from the left.
		{"runs count each position", []counted{{"aaaa", 1}, {"bc", 2}}, Config{VocabSize: 2}, "a a,b c"},
		{"runs merge from the left", []counted{{"aaaaa", 1}}, Config{VocabSize: 9}, "a a,aa a,aa aaa"},
		{"a run of eight", []counted{{"aaaaaaaa", 1}}, Config{VocabSize: 9}, "a a,aa aa,aaaa aaaa"},
		// bc loses what ab takes away.
		{"counts fall", []counted{{"ab", 5}, {"abc", 3}, {"bc", 2}, {"de", 4}}, Config{VocabSize: 9}, "a b,d e,ab c,b c"},
		{"frequency", []counted{{"ab", 3}, {"cd", 2}, {"ef", 1}}, Config{VocabSize: 9, MinFrequency: 2}, "a b,c d"},
		{"frequency of what is left", []counted{{"abc", 4}, {"ab", 1}, {"bc", 1}}, Config{VocabSize: 9, MinFrequency: 2}, "a b,ab c"},
		{"longest token", []counted{{"abcd", 3}, {"ab", 1}}, Config{VocabSize: 9, MaxTokenLength: 2}, "a b,c d"},
		{"longest token of three", []counted{{"abcd", 3}, {"ab", 1}}, Config{VocabSize: 9, MaxTokenLength: 3}, "a b,c d"},
		// The pair that spells a special token makes no entry, so there is room for another.
		{"special token in the text", []counted{{"ab", 3}, {"abab", 2}, {"cd", 1}}, Config{VocabSize: 2, Special: []string{"<s>", "ab"}}, "a b,ab ab,c d"},
		{"ties by value", []counted{{"  ", 1}, {"\xff\xff", 1}, {"!!", 1}}, Config{VocabSize: 9, Ties: "rustbpe"}, "Ġ Ġ,! !,ÿ ÿ"},
		// b is rarest, and where it stood, a and c are neighbours.
		{"limited alphabet", []counted{{"abc", 3}, {"ac", 1}, {"ca", 1}}, Config{VocabSize: 9, SeenBytes: true, LimitAlphabet: 2}, "a c,c a"},
		{"weights beyond 32 bits", []counted{{"ab", 3 << 40}, {"cd", 3<<40 + 1}}, Config{VocabSize: 9}, "c d,a b"},
	} {
		c.cfg.VocabSize += len(c.cfg.Special) + 256
		m, err := Train(wordsOf(t, c.words), c.cfg, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(mergesOf(m), ","); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
		if want := naive(c.words, c.cfg); !slices.Equal(mergesOf(m), want) {
			t.Errorf("%s: the naive way finds %s", c.name, want)
		}
	}
}

// naive is the definition: count every pair of neighbours anew, take the first by count and ids, merge from the left.
func naive(list []counted, cfg Config) []string {
	vocab := slices.Clone(cfg.Special)
	var seen [256]uint64
	for _, c := range list {
		for _, b := range []byte(c.word) {
			seen[b] += c.count
		}
	}
	order := alphabetOrder()
	if cfg.Ties == "rustbpe" {
		slices.Sort(order)
	}
	var ids [256]int
	for i, b := range order {
		more := 0 // bytes that go before it in the choice
		for k, c := range order {
			if seen[c] > seen[b] || seen[c] == seen[b] && k < i {
				more++
			}
		}
		if cfg.SeenBytes && seen[b] == 0 || cfg.LimitAlphabet > 0 && more >= cfg.LimitAlphabet {
			ids[b] = -1
			continue
		}
		ids[b] = len(vocab)
		vocab = append(vocab, spelling(b))
	}
	bytes := func(s string) int { return len([]rune(s)) }
	words := make([][]int, len(list))
	for i, c := range list {
		for _, b := range []byte(c.word) {
			if ids[b] >= 0 {
				words[i] = append(words[i], ids[b])
			}
		}
	}
	merges := []string{}
	for len(vocab) < cfg.VocabSize {
		counts := map[[2]int]uint64{}
		for i, w := range words {
			for k := 1; k < len(w); k++ {
				counts[[2]int{w[k-1], w[k]}] += list[i].count
			}
		}
		var best [2]int
		most := uint64(0)
		for p, n := range counts {
			if n < max(1, cfg.MinFrequency) || cfg.MaxTokenLength > 0 && bytes(vocab[p[0]])+bytes(vocab[p[1]]) > cfg.MaxTokenLength {
				continue
			}
			if n > most || n == most && slices.Compare(p[:], best[:]) < 0 {
				best, most = p, n
			}
		}
		if most == 0 {
			break
		}
		s := vocab[best[0]] + vocab[best[1]]
		merges = append(merges, vocab[best[0]]+" "+vocab[best[1]])
		id := slices.Index(cfg.Special, s)
		if id < 0 {
			id = len(vocab)
			vocab = append(vocab, s)
		}
		for i, w := range words {
			var out []int
			for k := 0; k < len(w); k++ {
				if k+1 < len(w) && w[k] == best[0] && w[k+1] == best[1] {
					out = append(out, id)
					k++
				} else {
					out = append(out, w[k])
				}
			}
			words[i] = out
		}
	}
	return merges
}

// randomWords draws distinct words over few letters, so that runs, overlaps and ties are common.
func randomWords(rng *rand.Rand) []counted {
	letters := []string{"ab", "a", "abc ", "aé\xff", "abcdefgh"}[rng.IntN(5)]
	seen := map[string]bool{}
	var list []counted
	for range 1 + rng.IntN(40) {
		var b []byte
		for range 1 + rng.IntN(14) {
			b = append(b, letters[rng.IntN(len(letters))])
		}
		if !seen[string(b)] {
			seen[string(b)] = true
			list = append(list, counted{string(b), 1 + uint64(rng.IntN(4))})
		}
	}
	return list
}

func TestTrainNaive(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 200 {
		list := randomWords(rng)
		cfg := Config{MinFrequency: uint64(rng.IntN(4)), MaxTokenLength: []int{0, 0, 2, 3, 5}[rng.IntN(5)], Ties: Ties()[rng.IntN(2)]}
		if cfg.SeenBytes = rng.IntN(3) == 0; cfg.SeenBytes {
			cfg.LimitAlphabet = rng.IntN(6)
		}
		if rng.IntN(3) == 0 {
			cfg.Special = []string{"<s>", "ab", "aab"}[:1+rng.IntN(3)]
		}
		cfg.VocabSize = 256 + len(cfg.Special) + rng.IntN(60)
		m, err := Train(wordsOf(t, list), cfg, nil)
		if err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, round, err)
		}
		got, want := mergesOf(m), naive(list, cfg)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d: %v with %+v:\n%q, want\n%q", seed, round, list, cfg, got, want)
		}
		// The order of words means nothing.
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		again, err := Train(wordsOf(t, list), cfg, nil)
		if err != nil || !slices.Equal(again.Merges, m.Merges) || !slices.Equal(again.Vocab, m.Vocab) {
			t.Fatalf("seed %d, round %d: other merges for words in another order: %v", seed, round, err)
		}
		seen := map[string]bool{}
		for _, s := range m.Vocab {
			if seen[s] {
				t.Fatalf("seed %d, round %d: %q is there twice", seed, round, s)
			}
			seen[s] = true
		}
	}
}

func TestTrainStep(t *testing.T) {
	list := []counted{{"abcdefgh", 5}, {"aaaaaaaaaa", 1}}
	stop := errors.New("enough")
	for at := range 5 {
		calls := 0
		_, err := Train(wordsOf(t, list), Config{VocabSize: 300}, func(merges int, bytes int64) error {
			if merges != calls {
				t.Errorf("call %d says %d merges", calls, merges)
			}
			if bytes < 18*nodeSize {
				t.Errorf("call %d says that %d bytes are held", calls, bytes)
			}
			if calls++; merges == at {
				return stop
			}
			return nil
		})
		if err != stop || calls != at+1 {
			t.Errorf("stopped at %d: %v after %d calls", at, err, calls)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{VocabSize: 255}, "no room for 0 special tokens and 256 bytes; at least 256"},
		{Config{VocabSize: 256, Special: []string{"<s>"}}, "no room for 1 special tokens and 256 bytes; at least 257"},
		{Config{VocabSize: math.MaxInt}, "larger than any model's"},
		{Config{VocabSize: 300, Special: []string{"<s>", "</s>", "<s>"}}, `"<s>" is given twice`},
		{Config{VocabSize: 300, Special: []string{""}}, "is empty"},
		{Config{VocabSize: 300, Special: []string{"\xff"}}, "not UTF-8"},
		{Config{VocabSize: 300, Special: []string{"a"}}, "spells the byte 0x61"},
		{Config{VocabSize: 300, Special: []string{"Ġ"}}, "spells the byte 0x20"},
		{Config{VocabSize: 300, MaxTokenLength: 1}, "at least 2"},
		{Config{VocabSize: 300, MaxTokenLength: -1}, "at least 2"},
	} {
		if _, err := Train(&Words{}, c.cfg, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

func TestWordsOverflow(t *testing.T) {
	w := &Words{}
	if err := w.Add([]byte("ab"), math.MaxInt64/2); err != nil {
		t.Fatal(err)
	}
	if err := w.Add([]byte("c"), 2); err != errOverflow {
		t.Errorf("2^63 bytes: %v", err)
	}
	if err := w.Add([]byte("d"), 1); err != nil {
		t.Errorf("2^63-1 bytes: %v", err)
	}
	if w.Add(nil, 4) != nil || w.Add([]byte("x"), 0) != nil || w.Len() != 2 || w.occurrences() != math.MaxInt64/2+1 {
		t.Errorf("%d words, %d occurrences", w.Len(), w.occurrences())
	}
}

func TestAlphabet(t *testing.T) {
	order := alphabetOrder()
	if len(order) != 256 {
		t.Fatalf("%d bytes", len(order))
	}
	spelled := ""
	for i, b := range order {
		s := spelling(b)
		if byteOf(s) != int(b) {
			t.Errorf("byte %#x is spelled %q, which spells %#x", b, s, byteOf(s))
		}
		if i > 0 && spelling(order[i-1]) >= s {
			t.Errorf("%q is not after %q", s, spelling(order[i-1]))
		}
		spelled += s
	}
	// The first and last of each range of encoder.py@openai/gpt-2.
	if !strings.HasPrefix(spelled, `!"#`) || !strings.Contains(spelled, "}~¡¢") || !strings.Contains(spelled, "«¬®¯") || !strings.HasSuffix(spelled, "łŃ") {
		t.Error(spelled)
	}
	for b, want := range map[byte]string{' ': "Ġ", '\n': "Ċ", 0: "Ā", 0x7F: "ġ", 0xAD: "Ń", 'z': "z"} {
		if got := spelling(b); got != want {
			t.Errorf("byte %#x is spelled %q, want %q", b, got, want)
		}
	}
	for _, s := range []string{"", "ab", " ", "\xff", "ń"} {
		if byteOf(s) >= 0 {
			t.Errorf("%q spells byte %#x", s, byteOf(s))
		}
	}
}

// BenchmarkTrain finds 8,192 merges; MB/s are of distinct words.
func BenchmarkTrain(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	seen := map[string]bool{}
	w := &Words{}
	syllables := []string{"ba", "ko", "ren", "tza", "i", "ak", "gar", "en", "du", "zi", "le", "ta"}
	for len(seen) < 50_000 {
		s := " "
		for range 1 + rng.IntN(5) {
			s += syllables[rng.IntN(len(syllables))] + fmt.Sprint(rng.IntN(3))
		}
		if !seen[s] {
			seen[s] = true
			if err := w.Add([]byte(s), 1+uint64(50_000/len(seen))); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.SetBytes(int64(len(w.text)))
	for b.Loop() {
		if _, err := Train(w, Config{VocabSize: 8192 + 256}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
