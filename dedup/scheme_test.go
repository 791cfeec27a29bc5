package dedup

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func named(t *testing.T, name string) *Scheme {
	t.Helper()
	s, err := LookupScheme(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPermutationsOfPeers: what numpy's RandomState draws in each peer.
func TestPermutationsOfPeers(t *testing.T) {
	for _, c := range []struct {
		drawing string
		seed    uint32
		n       int
		a, b    []uint64
	}{
		// datasketch 2.0.0
		{"affine32", 1, 128, []uint64{3582191691, 4270784983, 1892572953, 3715639441}, []uint64{214548472, 3287733501, 2301657549, 194758406}},
		// datasketch 1.10.0
		{"mersenne61-pairs", 1, 128, []uint64{775169054918279404, 2109959069025162, 401325382989534145}, []uint64{1758426461858698312, 965365488286768773, 1703346441743126657}},
		// Data-Juicer 1.6.1
		{"mersenne61-pairs", 42, 256, []uint64{2297359619001564596, 1973689801170867272, 572192888165898362}, []uint64{1396682528897996046, 1819927849474927636, 571748048327668950}},
		// text-dedup 0.4.1
		{"mersenne61", 42, 200, []uint64{2297359619001564596, 1396682528897996047, 1973689801170867272}, []uint64{314178403250369139, 1552108319010047600, 675680440153806243}},
	} {
		for _, d := range drawings {
			if d.name != c.drawing {
				continue
			}
			p := d.draw(newMersenneTwister(c.seed), c.n)
			if len(p.a) != c.n || !slices.Equal(p.a[:len(c.a)], c.a) || !slices.Equal(p.b[:len(c.b)], c.b) {
				t.Errorf("%s, seed %d: a = %d, b = %d", c.drawing, c.seed, p.a[:4], p.b[:4])
			}
		}
	}
}

// TestSignaturesOfPeers: goldens of datatrove's four hashes of nine words, and datasketch's MinHash of {hello, world}.
func TestSignaturesOfPeers(t *testing.T) {
	const fox = "the quick brown fox jumps over the lazy dog"
	var sc Scratch
	for _, c := range []struct {
		scheme string
		first  uint64
		values []uint64
	}{
		{"datatrove", 7797000677988824208, []uint64{85330943174081874, 663359892825767826, 302227827184868053, 34440879854629237}},
		{"datatrove@xxh32", 1936900125, []uint64{125697124, 899546107, 441372471, 462256105, 1273034860, 339415584, 503557117, 99635522}},
		{"datatrove@sha1-64", 12313522834835307089, []uint64{585594454516184072, 284080765670708113, 594234408324153881}},
		{"datatrove@sha1-32", 1208285777, []uint64{727492965, 1312834104, 1177392338, 807274274, 1570412064, 121714251}},
	} {
		s := named(t, c.scheme)
		shingles := s.Shingles(nil, []byte(fox), &sc)
		if len(shingles) != 5 || shingles[0] != c.first {
			t.Fatalf("%s: shingles %d", c.scheme, shingles)
		}
		if sig := s.Signature(nil, shingles); !slices.Equal(sig[:len(c.values)], c.values) {
			t.Errorf("%s: signature %d", c.scheme, sig[:8])
		}
	}
	for scheme, want := range map[string][]uint64{
		"datasketch1": {228630785, 216833891, 617530111, 2362600675},
		"datasketch2": {839847764, 648138202, 612313153, 1523615450},
	} {
		s := named(t, scheme)
		if sig := s.Signature(nil, []uint64{s.hash([]byte("hello")), s.hash([]byte("world"))}); !slices.Equal(sig[:4], want) {
			t.Errorf("%s: signature %d, not %d", scheme, sig[:4], want)
		}
	}
}

// TestFamiliesAgainstDefinition compares each loop with its formula, for lengths around its steps.
func TestFamiliesAgainstDefinition(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 0))
	formulas := map[family]func(v uint64) uint64{
		mersenne61:    func(v uint64) uint64 { return v % mersenne },
		mersenne61Low: func(v uint64) uint64 { return v % mersenne & 0xFFFFFFFF },
		affine32:      func(v uint64) uint64 { return v & 0xFFFFFFFF },
		affine64:      func(v uint64) uint64 { return v },
		prime32:       func(v uint64) uint64 { return v & 0xFFFFFFFF % prime },
	}
	for _, d := range drawings {
		families := []family{d.family}
		if d.family == mersenne61 {
			families = append(families, mersenne61Low)
		}
		for _, f := range families {
			for _, n := range []int{1, 3, 4, 5, 117, 128} {
				for _, k := range []int{1, 2, 511, 512, 513, 1025} {
					p := d.draw(newMersenneTwister(rng.Uint32()), n)
					list := make([]uint64, k)
					for i := range list {
						if list[i] = rng.Uint64(); f == prime32 || f == affine32 {
							list[i] >>= 32
						}
					}
					mins := make([]uint64, n)
					f.minima(mins, p.a, p.b, list)
					for i := range mins {
						want := ^uint64(0)
						for _, h := range list {
							want = min(want, formulas[f](h*p.a[i]+p.b[i]))
						}
						if mins[i] != want {
							t.Fatalf("%s, family %d, %d functions, %d hashes: value %d is %d, not %d (seed %d)", d.name, f, n, k, i, mins[i], want, seed)
						}
					}
				}
			}
		}
	}
}

// TestBandsFor: what _optimal_param of datasketch 2.0.0 and optimal_param of text-dedup 0.4.1 answer.
func TestBandsFor(t *testing.T) {
	for _, c := range []struct {
		threshold    float64
		values, b, r int
	}{
		{.5, 128, 25, 5}, {.7, 128, 14, 9}, {.8, 128, 9, 13}, {.9, 128, 5, 25}, {.5, 200, 33, 6}, {.7, 200, 20, 10},
		{.5, 256, 42, 6}, {.7, 256, 25, 10}, {.8, 256, 17, 15}, {.85, 256, 13, 19}, {.7, 250, 25, 10}, {.8, 112, 9, 12}, {.7, 112, 12, 9},
	} {
		if b, r := BandsFor(c.threshold, c.values); b != c.b || r != c.r {
			t.Errorf("threshold %v, %d values: %d bands of %d, not %d of %d", c.threshold, c.values, b, r, c.b, c.r)
		}
	}
	for _, v := range []int{1, 2, 3} {
		if b, r := BandsFor(.8, v); b < 1 || r < 1 || b*r > v {
			t.Errorf("%d values: %d bands of %d", v, b, r)
		}
	}
	for _, s := range Schemes() {
		if b, r := BandsFor(DefaultThreshold, s.Values); s.ByThreshold && (b != s.Bands || r != s.Rows) {
			t.Errorf("%s: %d bands of %d, but the threshold says %d of %d", s.Name, s.Bands, s.Rows, b, r)
		}
	}
}

func TestSchemeWith(t *testing.T) {
	for _, c := range []struct {
		scheme  string
		options SchemeOptions
		b, r, v int
		problem string
	}{
		{"words", SchemeOptions{}, 20, 5, 100, ""},
		{"words", SchemeOptions{Threshold: .5}, 20, 5, 100, ""},
		{"words", SchemeOptions{Bands: 14, Rows: 8}, 14, 8, 112, ""},
		{"words", SchemeOptions{Values: 128}, 9, 13, 128, ""},
		{"words", SchemeOptions{Threshold: .5, Values: 200}, 33, 6, 200, ""},
		{"datasketch2", SchemeOptions{Threshold: .7}, 14, 9, 128, ""},
		{"datasketch2", SchemeOptions{Bands: 16, Rows: 4}, 16, 4, 128, ""},
		{"datasketch2", SchemeOptions{Bands: 20, Rows: 8}, 20, 8, 160, ""},
		{"text-dedup", SchemeOptions{Bands: 50, Rows: 4, Values: 200}, 50, 4, 200, ""},
		{"text-dedup", SchemeOptions{Threshold: .7}, 14, 8, 112, ""},
		{"words", SchemeOptions{Bands: 14}, 0, 0, 0, "both"},
		{"words", SchemeOptions{Bands: -1, Rows: -4}, 0, 0, 0, "up to 255 bands"},
		{"words", SchemeOptions{Bands: 300, Rows: 1}, 0, 0, 0, "up to 255 bands"},
		{"words", SchemeOptions{Bands: 1, Rows: 65}, 0, 0, 0, "up to 64 rows"},
		{"words", SchemeOptions{Bands: 200, Rows: 50}, 0, 0, 0, "1024 values"},
		{"words", SchemeOptions{Bands: 20, Rows: 5, Values: 99}, 0, 0, 0, "are 100 values, and a signature has 99"},
		{"words", SchemeOptions{Values: 2000}, 0, 0, 0, "1 to 1024"},
		{"words", SchemeOptions{Threshold: .99, Values: 1000}, 0, 0, 0, "up to 64 rows"},
		{"words", SchemeOptions{Short: "hole"}, 0, 0, 0, `did you mean "whole"`},
	} {
		s := named(t, c.scheme)
		w, err := s.With(c.options)
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s with %+v: error %v", c.scheme, c.options, err)
			}
			continue
		}
		if err != nil || w.Bands != c.b || w.Rows != c.r || w.Values != c.v || len(w.permutations().a) != c.v {
			t.Errorf("%s with %+v: %v, error %v", c.scheme, c.options, w, err)
		}
	}
	if s := named(t, "words"); s.Bands != 20 || s.Values != 100 {
		t.Error("With has changed the scheme")
	}
	if s, err := named(t, "words").With(SchemeOptions{Bands: 20, Rows: 5, Short: "whole"}); s != named(t, "words") || err != nil {
		t.Errorf("the same numbers are another scheme, or %v", err)
	}
}

// TestNormals: what is shingled of a text.
func TestNormals(t *testing.T) {
	var sc Scratch
	for _, c := range []struct {
		normal, text, want string
		words              int
	}{
		{"slimpajama", "  Hello,\t\n WORLD!  (a.b)_c \x1c", "hello world abc", 0},
		{"slimpajama", "«É»\u00a0Ü .", "«é» ü", 0},
		{"slimpajama", " .-. \n", "", 0},
		{"slimpajama", "İ", "i\u0307", 0},
		{"text-dedup", "", "", 0},
		{"text-dedup", "A b_c, D-E 4½", "a b_c d e 4", 5},
		{"text-dedup", "नमस्ते cafe\u0301", "नमस्ते cafe\u0301", 2}, // marks are inside of words
		{"lower", "नमस्ते", "नमस त", 2},                             // and here they are not
	} {
		i := slices.IndexFunc(normals, func(n normal) bool { return n.name == c.normal })
		normals[i].cut(&sc, []byte(c.text))
		if string(sc.words) != c.want || len(sc.ends) != c.words {
			t.Errorf("%s of %q: %q, %d words", c.normal, c.text, sc.words, len(sc.ends))
		}
	}
}

// TestShort: no policy gives documents that have nothing in common a signature in common.
func TestShort(t *testing.T) {
	var sc Scratch
	texts := []string{"", " ", "?!", "a", "a b", "c d e f", "one two three", "今天天气很好。我们去公园散步。", "明日は雨が降るでしょう、多分。", "วันนี้อากาศดีมาก", "ab"}
	for _, s := range Schemes() {
		for _, policy := range ShortPolicies() {
			w, err := s.With(SchemeOptions{Short: policy})
			if err != nil {
				t.Fatal(err)
			}
			seen := map[uint64]string{}
			for _, text := range texts {
				shingles := w.Shingles(nil, []byte(text), &sc)
				if len(shingles) == 0 {
					continue
				}
				v := xxhash.Sum64String(sha(w.Signature(nil, shingles)))
				if other, ok := seen[v]; ok {
					t.Errorf("%s, short %s: %q and %q have one signature", s.Name, policy, text, other)
				}
				seen[v] = text
			}
		}
	}
	grams := func(policy, text string) int {
		s, err := named(t, "words").With(SchemeOptions{Short: policy})
		if err != nil {
			t.Fatal(err)
		}
		return len(s.Shingles(nil, []byte(text), &sc))
	}
	for _, c := range []struct {
		text                    string
		characters, none, whole int
	}{
		{"今天天气很好。我们去公园散步。", 14 - 4, 0, 1},             // two words, with a space between: 14 characters
		{"今, 天, 天, 气, 很, 好, 我", 13 - 4, 3, 3},         // seven of them, without spaces all the same
		{"one two three four five six", 2, 2, 2},      // words are enough
		{"one two three four", 18 - 4, 0, 1},          // and here they are not
		{"ab c", 1, 0, 1},                             // nor are characters
		{"curate の one two three four five", 3, 3, 3}, // one of many
		{"", 0, 0, 0}, {"...", 0, 0, 0}, {"\u0301\u0301", 0, 0, 0}, // nothing
	} {
		if a, b, d := grams("characters", c.text), grams("none", c.text), grams("whole", c.text); a != c.characters || b != c.none || d != c.whole {
			t.Errorf("%q: %d, %d, %d shingles, not %d, %d, %d", c.text, a, b, d, c.characters, c.none, c.whole)
		}
	}
	for _, name := range []string{"text-dedup", "text-dedup@1-gram", "text-dedup@2-grams"} {
		if n := len(named(t, name).Shingles(nil, []byte("one two three four"), &sc)); n != 0 {
			t.Errorf("%s: four words have %d shingles", name, n)
		}
	}
}

// TestCharacterGrams: grams are of code points, and their number is the text's less those that begin none.
func TestCharacterGrams(t *testing.T) {
	s := named(t, "slimpajama@6-grams")
	var sc Scratch
	got := s.Shingles([]uint64{1}, []byte("Kaixo, ñandú!"), &sc)
	want := []uint64{1}
	for _, g := range []string{"kaixo ", "aixo ñ", "ixo ña", "xo ñan", "o ñand", " ñandú"} {
		want = append(want, sha1Low32([]byte(g)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d grams, not %d", len(got), len(want))
	}
}

// TestXXH32 has the values of the specification's reference implementation (xxhsum -H32).
func TestXXH32(t *testing.T) {
	for text, want := range map[string]uint32{
		"":    0x02CC5D05,
		"a":   0x550D7456,
		"abc": 0x32D153FF,
		"Nobody inspects the spammish repetition": 0xE2293B2F,
	} {
		if got := xxh32([]byte(text)); got != want {
			t.Errorf("%q: %08x, not %08x", text, got, want)
		}
	}
}

// TestSchemesAreDocumented: the page has a line for each.
func TestSchemesAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "dedup-schemes.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Schemes() {
		if !strings.Contains(string(page), "\n| `"+s.Name+"` ") {
			t.Errorf("docs/dedup-schemes.md has no line of %s", s.Name)
		}
	}
}
