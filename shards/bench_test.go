package shards

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"curate/record"
	"curate/stage"
)

// disk takes what is written, and keeps nothing.
type disk struct{ memory int64 }

func (d disk) Make(_ context.Context, _ string, write func(io.Writer) error) error {
	return write(io.Discard)
}

func (d disk) Open(context.Context, string) (stage.ReaderAt, int64, error) { panic("nothing is kept") }
func (d disk) Remove(context.Context, string) error                        { panic("nothing is kept") }
func (d disk) Tell(bool, string)                                           {}
func (d disk) Memory() int64                                               { return d.memory }
func (d disk) Workers() int                                                { return 1 }

// BenchmarkBuild has 48 MiB of tokens in documents of 1 to 2,000, packed for Megatron: batches are added and sealed, and
// the sets are made of what was sealed.
func BenchmarkBuild(b *testing.B) {
	const total, each = 24 << 20, 256 << 10 // tokens
	builder := mustNew(b, Config{Vocabulary: Vocabulary{50_000, 0, "f"}, Packing: "best-fit", Sources: []FileSource{{"a", 1}, {"b", 1}, {"c", 1}}})
	rng := rand.New(rand.NewPCG(1, 1))
	var batches []*record.Batch
	line := int64(0)
	for range total / each {
		batch := &record.Batch{}
		for n := 0; n < each; line++ {
			ids := randomIDs(rng, 1+rng.IntN(2000), 50_000)
			batch.Append(record.MakeID(1+rng.IntN(3), line), line, nil).SetTokens(ids)
			n += len(ids)
		}
		batches = append(batches, batch)
	}
	var sealed []stage.Sealed
	b.Run("Add", func(b *testing.B) {
		b.SetBytes(2 * total)
		b.ReportAllocs()
		for b.Loop() {
			p := builder.NewPartial()
			for _, batch := range batches {
				if err := p.Add(batch); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	seal := func(w func(i int) io.Writer) {
		for i := 0; i < len(batches); i += 24 {
			p := builder.NewPartial()
			for _, batch := range batches[i:min(i+24, len(batches))] {
				if err := p.Add(batch); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Seal(w(i)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("Seal", func(b *testing.B) { // with Add
		b.SetBytes(2 * total)
		b.ReportAllocs()
		for b.Loop() {
			seal(func(int) io.Writer { return io.Discard })
		}
	})
	var files []*bytes.Buffer
	seal(func(int) io.Writer {
		files = append(files, &bytes.Buffer{})
		return files[len(files)-1]
	})
	for _, f := range files {
		sealed = append(sealed, stage.Sealed{Size: int64(f.Len()), Data: closer{bytes.NewReader(f.Bytes())}})
	}
	b.Run("Finish", func(b *testing.B) {
		b.SetBytes(2 * total)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := builder.Finish(b.Context(), sealed, disk{64 << 20}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
