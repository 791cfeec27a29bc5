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
	text := []byte(strings.ReplaceAll(string(data), `\n`, "\n")[:400_000])
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

// TestCutsBehindLines holds what Stream takes for granted of every scanner: a piece ends between a line feed and a
// letter, and what stands before makes no difference.
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
			ends := map[int]bool{}
			for i := 0; i < len(text); {
				i = s.Next(text, i)
				ends[i] = true
			}
			for i := 1; i < len(text); i++ {
				if text[i-1] == '\n' && (text[i]|0x20) >= 'a' && (text[i]|0x20) <= 'z' && !ends[i] {
					t.Fatalf("%s: no piece ends at %d of %q", s.Name(), i, text)
				}
			}
		}
	}
}
