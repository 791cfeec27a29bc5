package pretokenizer

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// nexts are the ends that Next gives one by one.
func nexts(s *Scanner, text []byte) (ends []int) {
	for i := 0; i < len(text); {
		i = s.Next(text, i)
		ends = append(ends, i)
	}
	return ends
}

func allEnds(s *Scanner, text []byte, room int) (ends []int) {
	buf := make([]int, room)
	for at := 0; at < len(text); {
		n := s.Ends(buf, text, at)
		if n == 0 {
			return append(ends, -1)
		}
		ends = append(ends, buf[:n]...)
		at = buf[n-1]
	}
	return ends
}

func compareEnds(t *testing.T, s *Scanner, text []byte, room int) {
	t.Helper()
	want, got := nexts(s, text), allEnds(s, text, room)
	if !slices.Equal(got, want) {
		i := 0
		for i < len(got) && i < len(want) && got[i] == want[i] {
			i++
		}
		from := 0
		if i > 0 {
			from = want[i-1]
		}
		t.Fatalf("%s: room %d: piece %d, from byte %d, differs from Next's\n got %v\nwant %v\n%q", s.Name(), room, i, from,
			got[i:min(len(got), i+8)], want[i:min(len(want), i+8)], text[max(0, from-80):min(len(text), from+80)])
	}
}

// asciis are all that fill in a block; those that this processor lacks are nil.
func asciis() map[string]func(*block, *[blockSize]byte) uint64 {
	m := map[string]func(*block, *[blockSize]byte) uint64{"generic": asciiGeneric, "avx2": nil}
	if hasAVX2 {
		m["avx2"] = asciiAVX2
	}
	return m
}

// TestASCII gives each of them every byte at every place, and looks at what lies around the block.
func TestASCII(t *testing.T) {
	const seed = 13
	rnd := rand.New(rand.NewPCG(seed, 14))
	for name, ascii := range asciis() {
		if ascii == nil {
			t.Logf("%s: NOT TESTED: this processor or build has it not", name)
			continue
		}
		for round := range 256 + 2000 {
			var text [blockSize]byte
			var want block
			var high uint64
			for i := range text {
				text[i] = byte(round + i)
				if round >= 256 {
					text[i] = byte(rnd.IntN(256))
				}
				set := func(word *uint64, yes bool) {
					if yes {
						*word |= 1 << i
					}
				}
				c := text[i]
				small := c >= 'a' && c <= 'z'
				capital := c >= 'A' && c <= 'Z'
				set(&want.letter, small || capital)
				set(&want.upper, capital)
				set(&want.number, c >= '0' && c <= '9')
				set(&want.blank, c == ' ')
				set(&want.newline, c == '\n' || c == '\r')
				set(&want.space, c == ' ' || c >= '\t' && c <= '\r')
				set(&want.quote, c == '\'')
				set(&want.slash, c == '/')
				set(&high, c >= 0x80)
			}
			const canary = 0x5a5a5a5a5a5a5a5a
			around := struct {
				before uint64
				b      block
				after  uint64
			}{canary, block{letter: canary, caseless: canary, wide: [3]uint64{canary, canary, canary}, marks: canary, stop: canary}, canary}
			if rest := ascii(&around.b, &text); around.b != want || rest != high || around.before != canary || around.after != canary {
				t.Fatalf("%s: seed %d, round %d: %q:\n got %x %x\nwant %x %x", name, seed, round, text, around, rest, want, high)
			}
		}
	}
}

// TestEnds compares what cuts blocks with what cuts pieces, on texts in which everything is as likely and on texts that
// are mostly words, so that blocks come to their ends.
func TestEnds(t *testing.T) {
	hostile := append(slices.Clone(hostileLetters), "\v", "\f")
	plain := []string{
		"word", "Word", "WORD", "it's", "DON'T", "l'été", "camelCase", " ", " ", " ", " ", ", ", ". ", ".\n", "\n", "\n\n", ".\n\n", "\n    ", "\n\t",
		"12", "1234567", "/", "://", "«", "» ", "…", "“x”", "日本", "слово", " Éa", "(", ")", "'", "'ll", "\n \n", "…foo", "’s", "x'LLa's'tb",
		"日本の", "カタカナ", "d'années", " (foo", "é)", "  12", " 日", "。", "\u0301",
	}
	const seed = 11
	rnd := rand.New(rand.NewPCG(seed, 12))
	for _, s := range everyScanner(t) {
		for _, letters := range [][]string{hostile, plain} {
			for range 4000 {
				var b strings.Builder
				for n := 1 + rnd.IntN(400); b.Len() < n; {
					k := rnd.IntN(len(letters))
					if rnd.IntN(3) == 0 {
						k = rnd.IntN(12)
					}
					for range 1 + rnd.IntN(40)/38*rnd.IntN(80) { // runs, now and then long ones
						b.WriteString(letters[k])
					}
				}
				compareEnds(t, s, []byte(b.String()), 128+rnd.IntN(300))
			}
		}
	}
	if t.Failed() {
		t.Log("seed", seed)
	}
}

// TestEndsOfFile is TestEnds on a text of one's own.
func TestEndsOfFile(t *testing.T) {
	file := os.Getenv("CURATE_TEXT")
	if file == "" {
		t.Skip("CURATE_TEXT names no file")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range everyScanner(t) {
		compareEnds(t, s, text, 512)
	}
}

func FuzzEnds(f *testing.F) {
	f.Add("Hello world's  end 'LL 12345\r\n\n x and much more than is in one block of sixty-four bytes, isn't it?")
	f.Add("\u0301ABCdef'ſ//\n/日本 \n \n\t x \u00a0 ½ ……foo (foo ((foo 1234567890123456789012345678901234567890")
	scanners := everyScanner(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range scanners {
			compareEnds(t, s, []byte(text), minEnds)
		}
	})
}

func BenchmarkEnds(b *testing.B) {
	text, err := os.ReadFile(os.Getenv("CURATE_TEXT"))
	if err != nil {
		b.Skip("CURATE_TEXT names no file")
	}
	for _, s := range everyScanner(b) {
		b.Run(s.Name(), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			ends := make([]int, 512)
			for b.Loop() {
				for at := 0; at < len(text); {
					at = ends[s.Ends(ends, text, at)-1]
				}
			}
		})
		b.Run(s.Name()+"/next", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				for at := 0; at < len(text); {
					at = s.Next(text, at)
				}
			}
		})
	}
}
