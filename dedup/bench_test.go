package dedup

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/text"
)

// pageTexts are the texts of the example's pages in a language, and their size in bytes.
func pageTexts(tb testing.TB, lang string) (texts [][]byte, size int64) {
	tb.Helper()
	f, err := os.Open(filepath.Join("..", "examples", "pages", lang+".jsonl.zst"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var d struct {
			Text string `json:"text"`
		}
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			tb.Fatal(err)
		}
		texts = append(texts, []byte(d.Text))
		size += int64(len(d.Text))
	}
	if err := lines.Err(); err != nil || size == 0 {
		tb.Fatalf("%s: %d bytes of text: %v", f.Name(), size, err)
	}
	return texts, size
}

// BenchmarkMinHash measures text per second on one core, up to and including each stage.
func BenchmarkMinHash(b *testing.B) {
	for _, lang := range []string{"en", "eu"} {
		texts, size := pageTexts(b, lang)
		run := func(name string, each func(t []byte)) {
			b.Run(lang+"/"+name, func(b *testing.B) {
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					for _, t := range texts {
						each(t)
					}
				}
			})
		}
		var buf, simple []byte
		var ends []int32
		var hashes, sig, set []uint64
		var sc Scratch
		run("lower words", func(t []byte) { buf, ends = text.AppendLowerWords(buf[:0], ends[:0], t) })
		run("simplify", func(t []byte) { simple = text.AppendSimplified(simple[:0], t) })
		run("simplify+words", func(t []byte) {
			simple = text.AppendSimplified(simple[:0], t)
			buf, ends = text.AppendSimplifiedWords(buf[:0], ends[:0], simple)
		})
		for _, s := range Schemes() {
			run(s.Name+"/shingles", func(t []byte) { hashes = s.Shingles(hashes[:0], t, &sc) })
			run(s.Name+"/shingles+set", func(t []byte) { set = Set(s.Shingles(set[:0], t, &sc)) })
			run(s.Name+"/signature", func(t []byte) {
				if hashes = s.Shingles(hashes[:0], t, &sc); len(hashes) > 0 {
					sig = s.Signature(sig[:0], hashes)
				}
			})
		}
	}
}

// BenchmarkSet measures it beside slices.Sort, in bytes of hashes.
func BenchmarkSet(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{16, 32, 48, 64, 128, 512, 4096, 32768} {
		from, v := make([]uint64, n), make([]uint64, n)
		for i := range from {
			from[i] = rng.Uint64()
		}
		for name, sort := range map[string]func([]uint64){"dealt": sortHashes, "slices.Sort": func(v []uint64) { slices.Sort(v) }} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				b.SetBytes(8 * int64(n))
				for b.Loop() {
					copy(v, from)
					sort(v)
				}
			})
		}
	}
}
