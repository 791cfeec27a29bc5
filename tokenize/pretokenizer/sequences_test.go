package pretokenizer

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/tokenize/regex"
)

// everyScanner are those of one regex and those of Sequences.
func everyScanner(t testing.TB) []*Scanner {
	t.Helper()
	out := all(t)
	for _, s := range sequences {
		out = append(out, s.ready())
	}
	return out
}

// slow cuts by the scanner's regexes, one behind the other, through the engine.
type slow struct {
	regexes []*regex.Regex
	p       Pieces
}

func newSlow(t testing.TB, s *Scanner) *slow {
	t.Helper()
	o := &slow{}
	for _, expr := range s.Regexes() {
		r, err := regex.Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		o.regexes = append(o.regexes, r)
	}
	return o
}

func (o *slow) ends(t testing.TB, text string) []int {
	t.Helper()
	o.p.set(text, false)
	for _, r := range o.regexes {
		if err := o.p.cut(engine{r}, isolated, false); err != nil {
			t.Fatal(err)
		}
	}
	return o.p.Ends
}

func compareSlow(t *testing.T, s *Scanner, o *slow, text string) {
	t.Helper()
	if got, want := nexts(s, []byte(text)), o.ends(t, text); !slices.Equal(got, want) {
		t.Fatalf("%s: %q:\n got %q\nwant %q", s.Name(), text, pieces(text, got), pieces(text, want))
	}
}

func pieces(text string, ends []int) (out []string) {
	from := 0
	for _, end := range ends {
		out = append(out, text[from:end])
		from = end
	}
	return out
}

func TestSequenceNames(t *testing.T) {
	names := Names()
	for _, s := range sequences {
		if got := forRegexes(s.regexes); got == nil || got.Name() != s.name {
			t.Errorf("%s: not found by its regexes", s.name)
		}
		if got, err := NewScanner(s.name); err != nil || !slices.Equal(got.Regexes(), s.regexes) {
			t.Errorf("%s: %v", s.name, err)
		}
		if slices.Contains(names, s.name) {
			t.Errorf("%s stands twice", s.name)
		}
	}
	if !sort.SliceIsSorted(sequences, func(i, j int) bool { return sequences[i].name < sequences[j].name }) {
		t.Error("not sorted")
	}
}

func TestSequences(t *testing.T) {
	for _, c := range []struct{ scanner, text, want string }{
		{"deepseek3", "Hello (world's)  12345 a", "Hello| (|world|'s|)|  |123|45| a"},
		{"deepseek3", "x  日本の 漢字・かな", "x|  |日本の| |漢字|・|かな"},
		{"deepseek3", "l'été d'années ¿qué", "l|'|été| d|'ann|ées| ¿|qué"},
		{"deepseek3", "\x00\x00a\u200d\u200d.\n\n b", "\x00|\x00a|\u200d\u200d|.\n\n| b"},
		{"deepseek3", "a\u0301b \u0301 😀😀x", "a\u0301b| \u0301| 😀😀|x"},
		{"deepseek3", "1\n2 \n3", "1|\n|2| \n|3"},
		{"digits_gpt2", "it's 2024 (ab12)   x  1", "it|'s| |2|0|2|4| (|ab|1|2|)|  | x|  |1"},
		{"digits_gpt2", "a\U00011de0 \U00016ff4!", "a|\U00011de0| |\U00016ff4|!"},
	} {
		s, err := NewScanner(c.scanner)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cut(c.text, s.Next), "|"); got != c.want {
			t.Errorf("%s %q:\n got %q\nwant %q", c.scanner, c.text, got, c.want)
		}
		compareSlow(t, s, newSlow(t, s), c.text)
	}
}

// hostileLetters are those that regexes tell apart.
var hostileLetters = []string{
	"a", "b", "S", "s", "T", "t", "l", "L", "r", "e", "v", "m", "d", "'", "'", "'s", " ", " ", "  ", "\n", "\r", "\t",
	"\u00a0", "\u2028", "\u0085", "1", "2", "٣", "½", ".", "!", "/", "-", "_", "$", "+", "ſ", "é", "É", "ǅ", "ʰ", "日", "本", "の", "カ", "ー",
	"・", "゠", "\u3099", "゛", "\u3040", "龥", "龦", "〇", "、", "한", "\u0301", "\u0903", "’", "€", "\u00ad", "\u0378", "\U00011de0", "\U00016ff4",
	"😀", "\u200d", "\u1c89", "\U00010d40", "\ufffd", "\xff", "\xe2\x80", "\x00", "\x7f",
}

// TestSequencesRandom compares short and long random texts with what the engine makes of the regexes.
func TestSequencesRandom(t *testing.T) {
	const seed = 21
	rnd := rand.New(rand.NewPCG(seed, 22))
	for _, s := range sequences {
		s := s.ready()
		o := newSlow(t, s)
		for i := range 20000 {
			var b strings.Builder
			n := 1 + rnd.IntN(12)
			if i%50 == 0 {
				n = 200
			}
			for range n {
				b.WriteString(hostileLetters[rnd.IntN(len(hostileLetters))])
			}
			compareSlow(t, s, o, b.String())
		}
	}
}

// TestSequencesConformance compares the strings that the reference was asked for.
func TestSequencesConformance(t *testing.T) {
	dir := os.Getenv("CURATE_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "tokenize")
	}
	f, err := os.Open(filepath.Join(dir, "strings.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<24)
	n := 0
	for lines.Scan() {
		var r struct{ Text string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		for _, s := range sequences {
			s := s.ready()
			compareSlow(t, s, newSlow(t, s), r.Text)
			compareEnds(t, s, []byte(r.Text), minEnds)
		}
		n++
	}
	if lines.Err() != nil || n == 0 {
		t.Fatal(n, lines.Err())
	}
}

func FuzzSequences(f *testing.F) {
	f.Add("Hello (world's)  12345 日本の・\x00a 12 l'été.\n\n b")
	var scanners []*Scanner
	var oracles []*slow
	for _, s := range sequences {
		scanners = append(scanners, s.ready())
		oracles = append(oracles, newSlow(f, &s))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, s := range scanners {
			compareSlow(t, s, oracles[i], text)
			compareEnds(t, s, []byte(text), minEnds)
		}
	})
}
