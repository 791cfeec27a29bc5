package normalizer

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"curate/tokenize/aligned"
)

// BenchmarkNormalize runs each kind over a text (CURATE_BENCH_TEXT names a file; otherwise the texts of the golden
// file), without and with offsets.
func BenchmarkNormalize(b *testing.B) {
	text := unpack(b, "testdata/golden.jsonl.zst")[:1<<16]
	if file := os.Getenv("CURATE_BENCH_TEXT"); file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			b.Fatal(err)
		}
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	for _, v := range kinds {
		n := mustNew(b, v)
		for _, offsets := range []bool{false, true} {
			name := n.Type() + strings.TrimPrefix(v, `{"type":"`+n.Type()+`"`)
			if offsets {
				name += ",offsets"
			}
			b.Run(name[:min(len(name), 60)], func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				var some aligned.Text
				for b.Loop() {
					for _, line := range lines {
						some.Set(line, 0, offsets)
						if err := n.Normalize(&some); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
