package shards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// tokenized is the stage with a Map side before it that takes the ids out of the line.
type tokenized struct{ *Builder }

func (b tokenized) Key() stage.Mapper { return tokenizedKey{b.Builder.Key()} }

type tokenizedKey struct{ stage.Mapper }

func (k tokenizedKey) NewWorker() stage.Worker { return tokenizedWorker{k.Mapper.NewWorker()} }

type tokenizedWorker struct{ stage.Worker }

func (w tokenizedWorker) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		v, _ := r.Value(record.MustPath("ids"))
		var ids []uint32
		if err := json.Unmarshal(v, &ids); err != nil {
			r.QuarantineFor(errors.New("no ids"))
			continue
		}
		r.SetTokens(ids)
	}
	return w.Worker.Map(ctx, b)
}

// lines of every kind: ordinary, empty, long, with ids that the vocabulary of 300 does not have, broken.
func lines() [][]byte {
	rng := rand.New(rand.NewPCG(7, 7))
	var all [][]byte
	for i := range 60 {
		switch {
		case i%13 == 5:
			all = append(all, []byte(`{"ids":[]}`))
		case i%17 == 6:
			all = append(all, []byte(`{"ids":[1,300]}`))
		case i%19 == 7:
			all = append(all, []byte(`{"ids":[1,`))
		default:
			ids := randomIDs(rng, 1+rng.IntN(30), 299)
			b, err := json.Marshal(ids)
			if err != nil {
				panic(err)
			}
			all = append(all, fmt.Appendf(nil, `{"ids":%s}`, b))
		}
	}
	return all
}

// randomIDs are n ids below size.
func randomIDs(rng *rand.Rand, n, size int) []uint32 {
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(rng.IntN(size))
	}
	return ids
}

func mustNew(t testing.TB, cfg Config) *Builder {
	t.Helper()
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStage(t *testing.T) {
	for name, cfg := range map[string]Config{
		"documents": {Vocabulary: Vocabulary{300, 299, "f"}, ShardSize: 200},
		"packed":    {Vocabulary: Vocabulary{300, 299, "f"}, ShardSize: 200, Pack: true, Schedule: []Length{{16, 1}}},
		"int32":     {Vocabulary: Vocabulary{70_000, NoEOD, ""}, ShardSize: 500, Seed: 9},
	} {
		t.Run(name, func(t *testing.T) {
			b := mustNew(t, cfg)
			b.packDocuments = 10
			stagetest.Reducer(t, tokenized{b}, lines())
		})
	}
}

// document with its record's ID.
type document struct {
	id  record.ID
	ids []uint32
}

// build runs the stage on documents, sealed in pieces of 1 to most, and gives the files of the set by name.
func build(t testing.TB, b *Builder, docs []document, most int, rng *rand.Rand) map[string][]byte {
	t.Helper()
	var sealed []stage.Sealed
	for left := docs; len(left) > 0; {
		n := 1 + rng.IntN(min(most, len(left)))
		batch := &record.Batch{}
		for _, d := range left[:n] {
			batch.Append(d.id, 1, []byte("{}")).SetTokens(d.ids)
		}
		left = left[n:]
		p := b.NewPartial()
		var out bytes.Buffer
		if err := errors.Join(b.Key().NewWorker().Map(t.Context(), batch), p.Add(batch), p.Seal(&out)); err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, stage.Sealed{Size: int64(out.Len()), Data: closer{bytes.NewReader(out.Bytes())}})
	}
	ws := stagetest.NewWorkspace(16<<20, 1)
	if m, err := b.Finish(t.Context(), sealed, ws); err != nil || m != nil {
		t.Fatalf("Finish: %v, %v", m, err)
	}
	files := map[string][]byte{}
	for _, name := range ws.Names() {
		f, size, err := ws.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(io.NewSectionReader(f, 0, size))
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		base, ok := strings.CutPrefix(name, stage.ResultDir+b.folder())
		if !ok {
			t.Fatalf("a file %q outside of the set", name)
		}
		files[base] = content
	}
	return files
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

// write puts files into a new folder.
func write(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "length-x")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.ToSlash(dir)
}

// TestBytes computes a set's bytes by hand: with seed 1 the order of IDs 1, 2, 3 is taken from ShuffleKey.
func TestBytes(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{500, 499, "sha256:x"}, Seed: 1, Schedule: []Length{{8, 1}}})
	docs := []document{{1, []uint32{1, 2, 3}}, {2, []uint32{258}}, {3, []uint32{7, 8}}}
	files := build(t, b, docs, 3, rand.New(rand.NewPCG(1, 1)))
	slices.SortFunc(docs, func(x, y document) int {
		if ShuffleKey(1, uint64(x.id)) < ShuffleKey(1, uint64(y.id)) {
			return -1
		}
		return 1
	})
	if got := []record.ID{docs[0].id, docs[1].id, docs[2].id}; !slices.Equal(got, []record.ID{2, 3, 1}) {
		t.Fatalf("order %v", got)
	}
	want := map[string]string{
		"shard-00000.bin": "\x02\x01\xf3\x01" + "\x07\x00\x08\x00\xf3\x01" + "\x01\x00\x02\x00\x03\x00\xf3\x01",
		"shard-00000.idx": "MMIDIDX\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x08" +
			"\x03\x00\x00\x00\x00\x00\x00\x00" + "\x04\x00\x00\x00\x00\x00\x00\x00" +
			"\x02\x00\x00\x00" + "\x03\x00\x00\x00" + "\x04\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00" + "\x04\x00\x00\x00\x00\x00\x00\x00" + "\x0a\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x02\x00\x00\x00\x00\x00\x00\x00" + "\x03\x00\x00\x00\x00\x00\x00\x00",
	}
	for name, bytes := range want {
		if string(files[name]) != bytes {
			t.Errorf("%s: %q\nwant %q", name, files[name], bytes)
		}
	}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"done", "manifest.json", "shard-00000.bin", "shard-00000.idx"}) {
		t.Errorf("files %v", got)
	}
	m, err := ParseManifest("m", files["manifest.json"])
	if err != nil {
		t.Fatal(err)
	}
	if m.Documents != 3 || m.Sequences != 3 || m.Tokens != 9 || *m.EOD != 499 || m.EODInside != 0 || m.Dtype != "uint16" ||
		m.Length != 8 || m.Seed != 1 || m.Tokenizer != "sha256:x" || m.Packing != nil || m.ConfigSHA256 != b.digest {
		t.Errorf("manifest %+v", m)
	}
	if want := "MANIFEST  manifest.json\n"; len(files["done"]) != len(want)-len("MANIFEST")+64 {
		t.Errorf("done %q", files["done"])
	}
}

// TestPackedBytes is the same for rows: 6 tokens in a row, documents of 8, 2 and 3 with their EOD.
func TestPackedBytes(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{65_500, 0, ""}, Pack: true, Schedule: []Length{{Length: 6}}})
	// In the order of the shuffle; IDs are found for it.
	lengths := [][]uint32{{1, 2, 3, 4, 5, 6, 7}, {8}, {9, 10}}
	docs := inOrder(0, lengths)
	files := build(t, b, docs, 1, rand.New(rand.NewPCG(1, 1)))
	// Row 0 is filled by the first document; its rest of 2, and 2, and 3: best fit decreasing has 3+2 and 2; the row
	// with the rest of 2 that came first stands first.
	le := func(ids ...uint32) string { return string(Int32.AppendBytes(nil, ids)) }
	le64 := func(ids ...uint32) (s string) {
		for _, v := range ids {
			s += le(v, 0)
		}
		return s
	}
	want := map[string]string{
		"shard-00000.bin":    le(1, 2, 3, 4, 5, 6) + le(8, 0) + le(7, 0, 9, 10, 0),
		"shard-00000.bounds": "curbound" + le(1, 6) + le64(3, 4) + le64(0, 1, 2, 4) + le(0, 0, 1<<31, 2),
		"shard-00000.idx": "MMIDIDX\x00\x00" + le64(1) + "\x04" + le64(3, 4) + le(6, 2, 5) + le64(0, 24, 32) +
			le64(0, 1, 2, 3),
	}
	for name, bytes := range want {
		if string(files[name]) != bytes {
			t.Errorf("%s: %q\nwant %q", name, files[name], bytes)
		}
	}
	m, err := ParseManifest("m", files["manifest.json"])
	if err != nil {
		t.Fatal(err)
	}
	if p := m.Packing; *p != (Packing{Pieces: 4, Cuts: 1, Full: 1, Fill: 0.722222}) || m.Documents != 3 || m.Sequences != 3 {
		t.Errorf("manifest %+v, packing %+v", m, p)
	}
}

// inOrder gives documents with IDs by which they stay in this order.
func inOrder(seed uint64, lists [][]uint32) []document {
	ids := make([]record.ID, len(lists))
	for i := range ids {
		ids[i] = record.MakeID(1, int64(i)*100)
	}
	slices.SortFunc(ids, func(a, b record.ID) int {
		if ShuffleKey(seed, uint64(a)) < ShuffleKey(seed, uint64(b)) {
			return -1
		}
		return 1
	})
	docs := make([]document, len(lists))
	for i, l := range lists {
		docs[i] = document{ids[i], l}
	}
	return docs
}

// TestRoundTrip builds sets of random documents under random configurations, reads them back, and wants each document
// once, whole and in order.
func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 25 {
		vocabulary := []int{300, 65_499, 65_500, 200_000}[rng.IntN(4)]
		cfg := Config{
			Vocabulary: Vocabulary{vocabulary, vocabulary - 1 - rng.IntN(5), "f"},
			Seed:       rng.Uint64(), ShardSize: int64(100 + rng.IntN(5000)), Pack: rng.IntN(2) == 0,
			Schedule: []Length{{2 + rng.IntN(80), 1}},
		}
		if rng.IntN(4) == 0 {
			cfg.Vocabulary.EOD = NoEOD
		}
		b := mustNew(t, cfg)
		b.packDocuments, b.packTokens = 1+rng.IntN(50), 1+rng.IntN(2000)
		b.maxPieces = 10 + rng.IntN(200)
		below := vocabulary
		if rng.IntN(3) > 0 && cfg.Vocabulary.EOD > 0 { // without EOD inside of documents
			below = cfg.Vocabulary.EOD
		}
		docs := make([]document, rng.IntN(200))
		for i := range docs {
			docs[i] = document{record.MakeID(1+rng.IntN(3), int64(i)), randomIDs(rng, 1+rng.IntN(1+rng.IntN(400)), below)}
		}
		files := build(t, b, docs, 40, rng)
		rng.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		if again := build(t, b, docs, 7, rng); !maps.EqualFunc(files, again, bytes.Equal) {
			t.Fatalf("round %d: another grouping gives other files", round)
		}
		dir := write(t, files)
		v, err := Verify(t.Context(), store.NewLocal(nil), dir)
		if err != nil {
			t.Fatalf("round %d, %+v: %v", round, cfg, err)
		}
		if v.Documents != int64(len(docs)) || len(v.Sets) != 1 || v.Sets[0].Dir != dir {
			t.Fatalf("round %d: verified %+v", round, v)
		}
		slices.SortFunc(docs, func(x, y document) int {
			a, b := ShuffleKey(cfg.Seed, uint64(x.id)), ShuffleKey(cfg.Seed, uint64(y.id))
			if a < b || a == b && x.id < y.id {
				return -1
			}
			return 1
		})
		for i := range docs {
			if cfg.Vocabulary.EOD != NoEOD {
				docs[i].ids = append(slices.Clone(docs[i].ids), uint32(cfg.Vocabulary.EOD))
			}
		}
		if cfg.Pack {
			checkPacked(t, v.Sets[0], docs)
			continue
		}
		n := 0
		err = v.Sets[0].Each(t.Context(), 0, -1, func(i int64, ids []uint32) error {
			if i != int64(n) || !slices.Equal(ids, docs[n].ids) {
				t.Fatalf("round %d: sequence %d (document %d) is %v, want %v", round, i, n, ids, docs[n].ids)
			}
			n++
			return nil
		})
		if err != nil || n != len(docs) {
			t.Fatalf("round %d: %d of %d documents, %v", round, n, len(docs), err)
		}
	}
}

// checkPacked puts pieces together again: each document comes whole, its pieces in order, and all but its last fill
// a row.
func checkPacked(t *testing.T, s *Set, docs []document) {
	t.Helper()
	want := map[string]int{}
	tokens := 0
	for _, d := range docs {
		want[fmt.Sprint(d.ids)]++
		tokens += len(d.ids)
	}
	length := s.Manifest.Length
	// A document's pieces that fill rows come one after the other; its rest, in a later row, cannot be told from
	// other rests by the bounds, so the multiset of (rows that fill, then any rest) is compared token by token.
	var open [][]uint32
	got := 0
	for k := range s.Manifest.Shards {
		sh, err := s.OpenShard(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		for i := range sh.Sequences() {
			ids, err := sh.AppendTokens(nil, i)
			if err != nil {
				t.Fatal(err)
			}
			pieces, err := sh.Bounds.AppendPieces(nil, i)
			if err != nil {
				t.Fatal(err)
			}
			got += len(ids)
			for j, p := range pieces {
				end := len(ids)
				if j+1 < len(pieces) {
					end = pieces[j+1].Start
				}
				part := ids[p.Start:end]
				if !p.Continues {
					if key := fmt.Sprint(part); want[key] > 0 {
						want[key]--
						continue
					}
					if len(part) != length {
						t.Fatalf("a piece of %d tokens is cut from its document", len(part))
					}
					open = append(open, slices.Clone(part))
					continue
				}
				at := -1
				for o, begun := range open {
					whole := fmt.Sprint(append(slices.Clone(begun), part...))
					if want[whole] > 0 {
						want[whole]--
						open = slices.Delete(open, o, o+1)
						at = o
						break
					}
				}
				if at < 0 { // in the middle of the document that was begun last
					if len(part) != length || len(open) == 0 {
						t.Fatalf("a piece of %d tokens continues nothing", len(part))
					}
					open[len(open)-1] = append(open[len(open)-1], part...)
				}
			}
		}
		if err := sh.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for key, n := range want {
		if n != 0 {
			t.Fatalf("document %s is lacking", key)
		}
	}
	if got != tokens || len(open) > 0 {
		t.Fatalf("%d tokens of %d; %d documents without an end", got, tokens, len(open))
	}
}

func TestConfigErrors(t *testing.T) {
	ok := Vocabulary{100, 0, ""}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "a vocabulary of 0 ids"},
		{Config{Vocabulary: Vocabulary{100, 100, ""}}, "EOD token has id 100"},
		{Config{Vocabulary: Vocabulary{100, -2, ""}}, "EOD token has id -2"},
		{Config{Vocabulary: ok, Format: "megatrn"}, `no format is called "megatrn"; there are: megatron`},
		{Config{Vocabulary: ok, Schedule: []Length{{2048, 0.75}, {8192, 0.25}}}, "a schedule of 2 lengths"},
		{Config{Vocabulary: ok, Schedule: []Length{{1, 1}}}, "a length of 1 tokens"},
		{Config{Vocabulary: ok, Schedule: []Length{{64, 0.5}}}, "share of 0.5"},
		{Config{Vocabulary: ok, ShardSize: -1}, "shard size of -1 tokens"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

func TestNoTokens(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{100, 0, ""}})
	batch := &record.Batch{}
	batch.Append(5, 1, []byte("{}"))
	if err := b.Key().NewWorker().Map(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "record 5 has no token ids") {
		t.Errorf("a record without ids: %v", err)
	}
	if files := build(t, b, nil, 1, nil); len(files) != 2 || !strings.Contains(string(files["manifest.json"]), `"shards": []`) {
		t.Errorf("no documents: %q", files)
	} else if v, err := Verify(t.Context(), store.NewLocal(nil), write(t, files)); err != nil || v.Documents != 0 || len(v.Sets) != 1 {
		t.Errorf("no documents: %+v, %v", v, err)
	}
}

func id(i int) record.ID { return record.MakeID(1, int64(i)*37) }
