package parquet

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"curate/corpus/split"
)

// BenchmarkRead reads the files named by CURATE_PARQUET_BENCH (a glob; bench/parquet_files.py --text makes some),
// else one of testdata. Its megabytes are those of the JSON made.
func BenchmarkRead(b *testing.B) {
	glob := os.Getenv("CURATE_PARQUET_BENCH")
	if glob == "" {
		glob = "testdata/arrow-v2-zstd-dict.parquet"
	}
	files, _ := filepath.Glob(glob)
	for _, name := range files {
		data := load(b, name)
		b.Run(filepath.Base(name), func(b *testing.B) {
			var c split.Chunk
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(drain(b, data, &c))
			}
		})
	}
}

func drain(b testing.TB, data []byte, c *split.Chunk) (made int64) {
	ctx := context.Background()
	r, err := Codec.OpenAt(ctx, bytes.NewReader(data), int64(len(data)), split.Options{SplitSize: 64 << 20, ChunkSize: 4 << 20, MaxRecord: 64 << 20})
	for err == nil {
		if err = r.Next(ctx, c); err == nil {
			made += int64(len(c.Buf))
		}
	}
	if err != io.EOF {
		b.Fatal(err)
	}
	return made
}

// TestAllocations: a row costs none.
func TestAllocations(t *testing.T) {
	const n = 20_000
	var ids, texts, lists []entry
	for i := range n {
		ids = append(ids, entry{0, 0, i64(int64(i))})
		texts = append(texts, entry{0, 1, str("kaixo \"mundua\"")})
		lists = append(lists, entry{0, 3, str("bat")}, entry{1, 2, ""})
	}
	file := handmade(n, leaf("id", required, typeInt64, none, ids...), leaf("text", optional, typeByteArray, convertedUTF8, texts...),
		group("tags", optional, convertedList, group("list", repeated, none, leaf("element", optional, typeByteArray, convertedUTF8, lists...))))
	var c split.Chunk
	drain(t, file, &c)
	if got := testing.AllocsPerRun(3, func() { drain(t, file, &c) }); got > 300 {
		t.Errorf("%v allocations for %d rows", got, n)
	}
}
