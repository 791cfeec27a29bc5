package train

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/record"
	"curate/shards"
	"curate/stage"
	"curate/stage/stagetest"
)

// testDocument is one of a set that a test makes.
type testDocument struct {
	ids  []uint32
	mask []byte // nil: all are learnt
	pair [2]int // where prompt and chosen answer end; 0, 0: no pair
}

// testPairs are n pairs: the chosen answer counts on from the prompt, the rejected one counts down.
func testPairs(seed uint64, n int) []testDocument {
	rng := rand.New(rand.NewPCG(seed, 2))
	docs := make([]testDocument, n)
	for i := range docs {
		d := &docs[i]
		id := 20 + rng.Uint32N(20)
		for k := range uint32(1 + rng.IntN(5)) {
			d.ids = append(d.ids, id+k)
		}
		id = d.ids[len(d.ids)-1]
		d.pair[0] = len(d.ids)
		for k := range uint32(1 + rng.IntN(6)) {
			d.ids = append(d.ids, id+k+1)
		}
		d.pair[1] = len(d.ids)
		for k := range uint32(1 + rng.IntN(6)) {
			d.ids = append(d.ids, id-k-1)
		}
	}
	return docs
}

// testChats are documents of which only the second half is learnt.
func testChats(seed uint64, n, length int) []testDocument {
	docs := testDocuments(seed, n, length)
	for i := range docs {
		d := &docs[i]
		d.mask = make([]byte, len(d.ids))
		for k := len(d.ids) / 2; k < len(d.ids); k++ {
			d.mask[k] = 1
		}
	}
	return docs
}

// testDocuments are n of up to length tokens below 60: each token is likely to be followed by the next number.
func testDocuments(seed uint64, n, length int) []testDocument {
	rng := rand.New(rand.NewPCG(seed, 1))
	docs := make([]testDocument, n)
	for i := range docs {
		id := rng.Uint32N(60)
		for range 1 + rng.IntN(length) {
			docs[i].ids = append(docs[i].ids, id)
			if id = (id + 1) % 60; rng.IntN(4) == 0 {
				id = rng.Uint32N(60)
			}
		}
	}
	return docs
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

// makeShards builds the sets of a schedule in a new folder. The vocabulary has 64 ids, and 63 is the EOD.
func makeShards(t testing.TB, cfg shards.Config, docs []testDocument) string {
	t.Helper()
	cfg.Vocabulary = shards.Vocabulary{Size: 64, EOD: 63, Fingerprint: cmp.Or(cfg.Vocabulary.Fingerprint, "test")}
	b, err := shards.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	batch := &record.Batch{}
	for i, d := range docs {
		r := batch.Append(record.MakeID(1, int64(i)*100), 1, []byte("{}"))
		r.SetTokens(d.ids)
		if d.mask != nil {
			r.SetMask(d.mask)
		}
		if d.pair != [2]int{} {
			r.SetPair(d.pair[0], d.pair[1])
		}
	}
	p := b.NewPartial()
	var sealed bytes.Buffer
	if err := errors.Join(b.Key().NewWorker().Map(t.Context(), batch), p.Add(batch), p.Seal(&sealed)); err != nil {
		t.Fatal(err)
	}
	ws := stagetest.NewWorkspace(16<<20, 1)
	in := []stage.Sealed{{Size: int64(sealed.Len()), Data: closer{bytes.NewReader(sealed.Bytes())}}}
	if _, err := b.Finish(t.Context(), in, ws); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range ws.Names() {
		below, ok := strings.CutPrefix(name, stage.ResultDir)
		if !ok {
			continue
		}
		f, size, err := ws.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(io.NewSectionReader(f, 0, size))
		path := filepath.Join(dir, filepath.FromSlash(below))
		if err := errors.Join(err, f.Close(), os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, content, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.ToSlash(dir)
}

// twoStages is a schedule of lengths 16 and 32, rows packed, 64 tokens a step.
func twoStages(format string) shards.Config {
	return shards.Config{Format: format, Packing: "best-fit", Schedule: []shards.Length{{Length: 16, Share: 0.5}, {Length: 32}}, TokensPerStep: 64, Seed: 3}
}
