package tokenize

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStream wants the ids of the whole text, however it comes.
func TestStream(t *testing.T) {
	data, err := readFile(filepath.Join("testdata", "tokenize", "strings.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var text []byte
	for line := range strings.Lines(string(data)) {
		if len(line) < 5000 && len(text) < 400_000 {
			text = append(text, strings.ReplaceAll(line, `\n`, "\n")...)
			text = append(text, "behind\n\n"[:rng.IntN(9)]...)
		}
	}
	for name, tok := range map[string]*Tokenizer{
		"gpt2":    gpt2(t),
		"o200k":   smallTokenizer(t, small(t, smallPre, splitPre(t, "o200k"))),
		"NFC":     smallTokenizer(t, small(t, smallPre, splitPre(t, "qwen2"), `"normalizer":null`, `"normalizer":{"type":"NFC"}`)),
		"no cuts": smallTokenizer(t, small(t, smallPre, `{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}`)),
	} {
		for _, o := range []Options{{}, {AddSpecialTokens: true, SpecialsAsText: true}} {
			want := must(tok.NewEncoder(o).Append(nil, text))
			s := tok.NewEncoder(o).NewStream()
			for round := range 3 {
				var got []uint32
				held := 0
				for rest := text; len(rest) > 0; {
					n := min(len(rest), 1+rng.IntN([]int{3, 300, 100_000}[round]))
					got = must(s.Write(got, rest[:n]))
					rest = rest[n:]
					held = max(held, len(s.text)-n)
				}
				got = must(s.Close(got))
				if !slices.Equal(got, want) {
					t.Errorf("%s: round %d: %d ids, want %d", name, round, len(got), len(want))
				}
				if name != "no cuts" && held > 20_000 {
					t.Errorf("%s: it held %d bytes of the text", name, held)
				}
			}
		}
	}
}

// TestCutsBehindLines holds what Stream takes for granted of every scanner: a text that is cut has the same pieces.
func TestCutsBehindLines(t *testing.T) {
	parts := []string{"\n", "\n", "a", "Z", " ", "\t", "\r", "1", "'", "s", "/", ".", "é", "\u00a0", "\u0301", "世", "{", "\u200d"}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range scannersAll(t) {
		for range 20_000 {
			var b strings.Builder
			for range 1 + rng.IntN(12) {
				b.WriteString(parts[rng.IntN(len(parts))])
			}
			text := []byte(b.String())
			ends := func(text []byte, base int) (list []int) {
				for i := 0; i < len(text); {
					i = s.Next(text, i)
					list = append(list, base+i)
				}
				return list
			}
			whole := ends(text, 0)
			for i := 2; i < len(text); i++ {
				if text[i-1] == '\n' && text[i-2] > ' ' && text[i-2] < 0x7f && isASCIILetter(text[i]) {
					if parts := append(ends(text[:i], 0), ends(text[i:], i)...); !slices.Equal(parts, whole) {
						t.Fatalf("%s: %q: pieces end at %v, and at %v if it is cut at %d", s.Name(), text, whole, parts, i)
					}
				}
			}
		}
	}
}
