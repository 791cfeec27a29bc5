package shards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/record"
	"curate/shards/format"
	"curate/shards/mix"
	"curate/shards/pack"
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
		switch mask := make([]byte, len(ids)); len(ids) % 5 {
		case 2: // a chat
			mask[1] = 1
			r.SetMask(mask)
		case 3: // a pair
			r.SetPair(1, 2)
		}
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
			all = append(all, fmt.Appendf(nil, `{"source":"s%d","ids":%s}`, i%3, b))
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
		"packed":    {Vocabulary: Vocabulary{300, 299, "f"}, ShardSize: 200, Packing: "best-fit", Schedule: []Length{{16, 1}}},
		"int32":     {Vocabulary: Vocabulary{70_000, NoEOD, ""}, ShardSize: 500, Seed: 9},
		"mixed": {Vocabulary: Vocabulary{300, 299, "f"}, ShardSize: 200, Packing: "concat", Schedule: []Length{{16, 0.7}, {32, 0}}, Format: "datatrove",
			By: record.MustPath("source"), Mix: mix.Spec{Sources: []mix.Source{{Name: "*", Epochs: 2.5}}}},
		"masked": {Vocabulary: Vocabulary{300, 299, "f"}, ShardSize: 300, Format: "litdata", Packing: "best-fit", Schedule: []Length{{16, 1}}, PadID: -1},
		"led":    {Vocabulary: Vocabulary{300, 299, "f"}, ShardSize: 200, Format: "mds"},
		"one":    {Vocabulary: Vocabulary{300, 299, "f"}, Format: "nanogpt", Packing: "document", Schedule: []Length{{16, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := mustNew(t, cfg)
			b.orderBytes, b.fanIn = 8000, 2 // several files, and files of those
			stagetest.Reducer(t, tokenized{b}, lines())
		})
	}
}

// document with its record's ID.
type document struct {
	id     record.ID
	ids    []uint32
	mask   []byte
	isPair bool
	prompt int // chosen is as long as it
}

// build runs the stage on documents, sealed in pieces of 1 to most, and gives the files by their names below the result.
func build(t testing.TB, b *Builder, docs []document, most int, rng *rand.Rand) map[string][]byte {
	t.Helper()
	files, err := tryBuild(t, b, docs, most, rng)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func tryBuild(t testing.TB, b *Builder, docs []document, most int, rng *rand.Rand) (map[string][]byte, error) {
	t.Helper()
	var sealed []stage.Sealed
	for left := docs; len(left) > 0; {
		n := 1 + rng.IntN(min(most, len(left)))
		batch := &record.Batch{}
		for _, d := range left[:n] {
			r := batch.Append(d.id, 1, []byte("{}"))
			r.SetTokens(d.ids)
			if d.mask != nil {
				r.SetMask(d.mask)
			}
			if d.isPair {
				r.SetPair(d.prompt, 2*d.prompt)
			}
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
		return nil, fmt.Errorf("%v, %w", m, err)
	}
	files := map[string][]byte{}
	for _, name := range ws.Names() {
		below, ok := strings.CutPrefix(name, stage.ResultDir)
		if !ok {
			if strings.HasPrefix(name, "spool-") {
				t.Errorf("%s is left", name)
			}
			continue
		}
		f, size, err := ws.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(io.NewSectionReader(f, 0, size))
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		files[below] = content
	}
	return files, nil
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

// write puts files into a new folder.
func write(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, b, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.ToSlash(dir)
}

// TestBytes computes a set's bytes by hand: with seed 1 the order of IDs 1, 2, 3 is taken from ShuffleKey.
func TestBytes(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{500, 499, "sha256:x"}, Seed: 1, Schedule: []Length{{8, 1}}})
	docs := []document{{id: 1, ids: []uint32{1, 2, 3}}, {id: 2, ids: []uint32{258}}, {id: 3, ids: []uint32{7, 8}}}
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
	le := func(ids ...uint32) string { return string(format.Int32.AppendBytes(nil, ids)) }
	want := map[string]string{
		"length-8/shard-00000.bin": "\x02\x01\xf3\x01" + "\x07\x00\x08\x00\xf3\x01" + "\x01\x00\x02\x00\x03\x00\xf3\x01",
		"length-8/shard-00000.idx": "MMIDIDX\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x08" +
			"\x03\x00\x00\x00\x00\x00\x00\x00" + "\x04\x00\x00\x00\x00\x00\x00\x00" +
			"\x02\x00\x00\x00" + "\x03\x00\x00\x00" + "\x04\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00" + "\x04\x00\x00\x00\x00\x00\x00\x00" + "\x0a\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x02\x00\x00\x00\x00\x00\x00\x00" + "\x03\x00\x00\x00\x00\x00\x00\x00",
		"length-8/shard-00000.bounds": "curbound" + le(2, 0, 3, 0, 3, 0) + le(1, 2, 1, 3, 1, 4) +
			le(1<<29, 0, 2, 0, 0) + le(1<<29, 0, 3, 0, 0) + le(1<<29, 0, 1, 0, 0),
	}
	for name, bytes := range want {
		if string(files[name]) != bytes {
			t.Errorf("%s: %q\nwant %q", name, files[name], bytes)
		}
	}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"length-8/done", "length-8/manifest.json", "length-8/shard-00000.bin", "length-8/shard-00000.bounds", "length-8/shard-00000.idx", "schedule.json"}) {
		t.Errorf("files %v", got)
	}
	m, err := ParseManifest("m", files["length-8/manifest.json"])
	if err != nil {
		t.Fatal(err)
	}
	if m.Documents != 3 || m.Sequences != 3 || m.Tokens != 9 || *m.EOD != 499 || m.EODInside != 0 || m.Dtype != "uint16" ||
		m.Length != 8 || m.Seed != 1 || m.Tokenizer != "sha256:x" || m.Packing != nil || m.ConfigSHA256 != b.digest {
		t.Errorf("manifest %+v", m)
	}
	if want := "MANIFEST  manifest.json\n"; len(files["length-8/done"]) != len(want)-len("MANIFEST")+64 {
		t.Errorf("done %q", files["length-8/done"])
	}
}

// TestPackedBytes is the same for rows: 6 tokens in a row, documents of 8, 2 and 3 with their EOD.
func TestPackedBytes(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{65_500, 0, ""}, Packing: "best-fit", Schedule: []Length{{Length: 6}}})
	// In the order of the shuffle; IDs are found for it.
	lengths := [][]uint32{{1, 2, 3, 4, 5, 6, 7}, {8}, {9, 10}}
	docs := inOrder(0, lengths)
	files := build(t, b, docs, 1, rand.New(rand.NewPCG(1, 1)))
	// Row 0 is filled by the first document; its rest of 2, and 2, and 3: best fit decreasing has 3+2 and 2; the row
	// with the rest of 2 that came first stands first.
	le := func(ids ...uint32) string { return string(format.Int32.AppendBytes(nil, ids)) }
	le64 := func(ids ...uint32) (s string) {
		for _, v := range ids {
			s += le(v, 0)
		}
		return s
	}
	id := func(i int) string { return le(uint32(docs[i].id), uint32(docs[i].id>>32), 0) }
	want := map[string]string{
		"length-6/shard-00000.bin": le(1, 2, 3, 4, 5, 6) + le(8, 0) + le(7, 0, 9, 10, 0),
		"length-6/shard-00000.bounds": "curbound" + le(2, 6) + le64(3, 4) + le(1, 6, 1, 2, 2, 5) +
			le(0, 0) + id(0) + le(1<<29, 0) + id(1) + le(1<<31|1<<29, 6) + id(0) + le(1<<29|2, 0) + id(2),
		"length-6/shard-00000.idx": "MMIDIDX\x00\x00" + le64(1) + "\x04" + le64(3, 4) + le(6, 2, 5) + le64(0, 24, 32) +
			le64(0, 1, 2, 3),
	}
	for name, bytes := range want {
		if string(files[name]) != bytes {
			t.Errorf("%s: %q\nwant %q", name, files[name], bytes)
		}
	}
	m, err := ParseManifest("m", files["length-6/manifest.json"])
	if err != nil {
		t.Fatal(err)
	}
	if p := m.Packing; *p != (Packing{Method: "best-fit", Pieces: 4, Cuts: 1, Full: 1, Fill: 0.722222}) || m.Documents != 3 || m.Sequences != 3 {
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
		docs[i] = document{id: ids[i], ids: l}
	}
	return docs
}

// anyConfig is a random configuration that New accepts.
func anyConfig(t *testing.T, rng *rand.Rand) Config {
	for {
		names := format.Names()
		vocabulary := []int{300, 65_499, 65_500, 200_000}[rng.IntN(4)]
		cfg := Config{
			Vocabulary: Vocabulary{vocabulary, vocabulary - 1 - rng.IntN(5), "f"}, Format: names[rng.IntN(len(names))],
			Seed: rng.Uint64(), ShardSize: int64(100 + rng.IntN(5000)),
			Schedule: []Length{{2 + rng.IntN(80), 1}},
		}
		if rng.IntN(2) == 0 {
			cfg.Packing = pack.Names()[rng.IntN(3)]
			cfg.Pad, cfg.PadID = rng.IntN(4) == 0, -1
		}
		if rng.IntN(2) == 0 {
			cfg.Schedule = []Length{{2 + rng.IntN(80), 0.6}, {100 + rng.IntN(80), 0}, {200, 0.1}}
		}
		if rng.IntN(4) == 0 {
			cfg.Vocabulary.EOD = NoEOD
		}
		if rng.IntN(2) == 0 {
			cfg.Sources = []FileSource{{"a", 1}, {"b", 1}, {"a", 1}, {"pairs", 1}}
			cfg.Mix.Sources = []mix.Source{{Name: "a", Epochs: float64(rng.IntN(12)) / 4}, {Name: "b", Epochs: float64(1+rng.IntN(12)) / 4}}
			if cfg.Mix.Sources[0].Epochs == 0 {
				cfg.Mix.Sources[0] = mix.Source{Name: "a", Share: 0.25, MaxEpochs: 100}
			}
		}
		if _, err := New(cfg); err == nil {
			return cfg
		}
	}
}

// anyDocuments are text, chats and, in file 4, pairs.
func anyDocuments(rng *rand.Rand, below int) []document {
	docs := make([]document, 1+rng.IntN(200))
	for i := range docs {
		d := document{id: record.MakeID(1+rng.IntN(3), int64(i)), ids: randomIDs(rng, 1+rng.IntN(1+rng.IntN(400)), below)}
		switch rng.IntN(6) {
		case 0:
			for range d.ids {
				d.mask = append(d.mask, byte(rng.IntN(2)))
			}
		case 1:
			d.id, d.isPair, d.prompt = record.MakeID(4, int64(i)), true, rng.IntN(len(d.ids)/2+1)
		}
		docs[i] = d
	}
	// Each source has something.
	docs = append(docs, document{id: record.MakeID(1, 1000), ids: randomIDs(rng, 3, below)}, document{id: record.MakeID(2, 1000), ids: randomIDs(rng, 3, below)})
	return docs
}

// TestRoundTrip builds sets of random documents under random configurations and reads them back: the sets are verified,
// each document is there exactly as often as the mixture says, in one set, whole, with its mask; in every other format
// that can hold it, too; and any grouping of the input gives the same files.
func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	converts := 0
	for round := range 25 {
		cfg := anyConfig(t, rng)
		b := mustNew(t, cfg)
		b.maxPieces, b.orderBytes, b.fanIn = 10+rng.IntN(200), 500+rng.IntN(20_000), 2+rng.IntN(9)
		below := cfg.Vocabulary.Size
		if rng.IntN(3) > 0 && cfg.Vocabulary.EOD > 0 { // without EOD inside of documents
			below = cfg.Vocabulary.EOD
		}
		docs := anyDocuments(rng, below)
		files, err := tryBuild(t, b, docs, 40, rng)
		if err != nil {
			t.Fatalf("round %d, %+v: %v", round, cfg, err)
		}
		rng.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		if again := build(t, b, docs, 7, rng); !maps.EqualFunc(files, again, bytes.Equal) {
			t.Fatalf("round %d, %+v: another grouping gives other files", round, cfg)
		}
		dir := write(t, files)
		st := store.NewLocal(nil)
		if _, err := Verify(t.Context(), st, dir); err != nil {
			t.Fatalf("round %d, %+v: %v", round, cfg, err)
		}
		checkContent(t, b, dir, docs)
		checkRatios(t, b, dir, docs)
		to := t.TempDir() + "/to"
		other := format.Names()[rng.IntN(len(format.Names()))]
		err = ConvertAll(t.Context(), st, dir, to, ConvertOptions{Format: other, ShardSize: int64(100 + rng.IntN(5000))}, func(string, *Manifest) {})
		if err != nil {
			if !strings.Contains(err.Error(), "format") && !strings.Contains(err.Error(), "uint16 only") {
				t.Fatalf("round %d, %+v to %s: %v", round, cfg, other, err)
			}
			if found, _ := os.ReadDir(to); len(found) > 0 {
				t.Fatalf("round %d: %s cannot hold it, and something was written: %v", round, other, found)
			}
			continue
		}
		converts++
		if _, err := Verify(t.Context(), st, to); err != nil {
			t.Fatalf("round %d, %+v as %s: %v", round, cfg, other, err)
		}
		checkContent(t, b, to, docs)
	}
	if converts < 8 {
		t.Errorf("only %d sets could be converted", converts)
	}
}

// whole is a copy of a document as sets hold it.
type whole struct {
	ids    []uint32
	mask   []byte
	set    string
	isDone bool
	ends   [2]int
}

// contentOf puts the copies of documents together that are in sets.
func contentOf(t *testing.T, dir string) map[copyOf]*whole {
	t.Helper()
	st := store.NewLocal(nil)
	dirs, err := Find(t.Context(), st, dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[copyOf]*whole{}
	for _, d := range dirs {
		s, err := Open(t.Context(), st, d)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Rows(t.Context(), 0, -1, func(r *Row) error {
			for k, p := range r.Pieces {
				if p.Padding {
					continue
				}
				end := len(r.IDs)
				if k+1 < len(r.Pieces) {
					end = r.Pieces[k+1].Start
				}
				key := copyOf{p.ID, p.Copy}
				w := all[key]
				if w == nil {
					w = &whole{set: path.Base(d)}
					all[key] = w
				}
				if w.isDone || int(p.From) != len(w.ids) || w.set != path.Base(d) {
					t.Fatalf("%+v of %s after %d tokens of %+v", p, d, len(w.ids), w)
				}
				w.ids, w.mask, w.isDone = append(w.ids, r.IDs[p.Start:end]...), append(w.mask, r.Mask[p.Start:end]...), p.Last
				w.ends = [2]int{r.Prompt, r.Chosen}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// checkContent wants every document that is in the sets as it went in: with EOD where the format has it, and its mask.
func checkContent(t *testing.T, b *Builder, dir string, docs []document) {
	t.Helper()
	all := contentOf(t, dir)
	sets := map[uint64]string{}
	byID := map[uint64]document{}
	for _, d := range docs {
		byID[uint64(d.id)] = d
	}
	for key, w := range all {
		d, ok := byID[key.id]
		if !ok || !w.isDone {
			t.Fatalf("document %v is not whole, or nobody's", key)
		}
		if before, again := sets[key.id]; again && before != w.set {
			t.Fatalf("document %d is in %s and %s", key.id, before, w.set)
		}
		sets[key.id] = w.set
		if d.isPair {
			if key.copy != 0 || w.set != "preference" || !slices.Equal(w.ids, d.ids) || w.ends != [2]int{d.prompt, 2 * d.prompt} {
				t.Fatalf("pair %v: %+v, want %+v", key, w, d)
			}
			continue
		}
		ids, mask := slices.Clone(d.ids), slices.Clone(d.mask)
		if mask == nil {
			mask = bytes.Repeat([]byte{1}, len(ids))
		}
		if extra := len(w.ids) - len(ids); extra == 1 && b.Vocabulary.EOD != NoEOD {
			eod, learnt := uint32(b.Vocabulary.EOD), byte(1)
			if d.mask != nil {
				learnt = 0
			}
			if w.ids[0] == eod && slices.Equal(w.ids[1:], ids) {
				ids, mask = slices.Insert(ids, 0, eod), slices.Insert(mask, 0, learnt)
			} else {
				ids, mask = append(ids, eod), append(mask, learnt)
			}
		} else if b.Vocabulary.EOD != NoEOD && d.mask == nil {
			t.Fatalf("document %v has %d tokens, and %d with its EOD", key, len(w.ids), len(ids)+1)
		}
		if !slices.Equal(w.ids, ids) || !slices.Equal(w.mask, mask) {
			t.Fatalf("document %v: %v %v\nwant %v %v", key, w.ids, w.mask, ids, mask)
		}
	}
	copies := map[uint64]int{}
	for key := range all {
		copies[key.id] = max(copies[key.id], int(key.copy)+1)
	}
	total := 0
	for _, n := range copies {
		total += n
	}
	if total != len(all) {
		t.Fatalf("copies of documents are not counted from 0: %d of %d", len(all), total)
	}
}

// checkRatios wants each document as often as its source's epochs say, and the tokens of each source as near to what is
// wanted as half a document in each set allows.
func checkRatios(t *testing.T, b *Builder, dir string, docs []document) {
	t.Helper()
	s, err := OpenSchedule(t.Context(), store.NewLocal(nil), dir)
	if err != nil {
		t.Fatal(err)
	}
	longest := map[string]int64{}
	copies := map[uint64]int{}
	for key := range contentOf(t, dir) {
		copies[key.id]++
	}
	epochs := map[string]float64{}
	for _, src := range s.Sources {
		epochs[src.Name] = float64(src.Wanted) / math.Max(1, float64(src.Available.Tokens))
	}
	for _, d := range docs {
		if d.isPair {
			if copies[uint64(d.id)] != 1 {
				t.Fatalf("pair %d is there %d times", d.id, copies[uint64(d.id)])
			}
			continue
		}
		name := b.sourceOf(d.id.File())
		longest[name] = max(longest[name], int64(len(d.ids)+1))
		if n, e := copies[uint64(d.id)], epochs[name]; n != int(math.Floor(e)) && n != int(math.Ceil(e)) {
			t.Fatalf("document %d of %s is there %d times, of %v epochs", d.id, name, n, e)
		}
	}
	for _, src := range s.Sources {
		slack := longest[src.Name] * int64(len(s.Stages)+1)
		if diff := src.Tokens - src.Wanted; diff > slack || diff < -slack || b.Mix.Sources == nil && diff != 0 {
			t.Fatalf("source %s gives %d tokens, wanted %d, longest document %d", src.Name, src.Tokens, src.Wanted, longest[src.Name])
		}
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
		{Config{Vocabulary: ok, Format: "megatrn"}, `no format is called "megatrn"; there are: `},
		{Config{Vocabulary: Vocabulary{70_000, 0, ""}, Format: "nanogpt"}, "nanoGPT reads uint16 only"},
		{Config{Vocabulary: ok, Format: "parquet-preference"}, "is for preference pairs"},
		{Config{Vocabulary: ok, Schedule: []Length{{2048, 0.75}, {8192, 0.2}}}, "make 0.95 of the tokens"},
		{Config{Vocabulary: ok, Schedule: []Length{{2048, 0}, {8192, 0}}}, "both have no share"},
		{Config{Vocabulary: ok, Schedule: []Length{{2048, 1}, {8192, 0}}}, "make 1 of the tokens"},
		{Config{Vocabulary: ok, Schedule: []Length{{64, 0.5}, {64, 0.5}}}, "has length 64 twice"},
		{Config{Vocabulary: ok, Schedule: []Length{{1, 1}}}, "a length of 1 tokens"},
		{Config{Vocabulary: ok, Schedule: []Length{{64, 0.5}}}, "make 0.5 of the tokens"},
		{Config{Vocabulary: ok, Schedule: []Length{{64, 1}}, TokensPerStep: 100}, "no whole number of rows of 64 tokens"},
		{Config{Vocabulary: ok, ShardSize: -1}, "shard size of -1 tokens"},
		{Config{Vocabulary: ok, Packing: "worst"}, `no way of packing is called "worst"`},
		{Config{Vocabulary: ok, Pad: true}, "only packed rows can be padded"},
		{Config{Vocabulary: ok, Packing: "concat", Pad: true, PadID: 100}, "token that pads has id 100"},
		{Config{Vocabulary: Vocabulary{100, NoEOD, ""}, Packing: "concat", Format: "olmo", PadID: -1}, "there is no EOD to do it with"},
		{Config{Vocabulary: ok, Name: "../x"}, "is no name for shards"},
		{Config{Vocabulary: ok, Sources: []FileSource{{"a", 1}}, By: record.MustPath("x")}, "not by both"},
		{Config{Vocabulary: ok, Mix: mix.Spec{Sources: []mix.Source{{Name: "a"}}}}, "a"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

// TestMixErrors are found when all documents are known.
func TestMixErrors(t *testing.T) {
	docs := []document{{id: record.MakeID(1, 0), ids: []uint32{1, 2}}, {id: record.MakeID(2, 0), ids: []uint32{1, 2, 3, 4}, isPair: true, prompt: 1}}
	for _, c := range []struct {
		mix  []mix.Source
		want string
	}{
		{[]mix.Source{{Name: "b", Epochs: 1}}, "only preference pairs"},
		{[]mix.Source{{Name: "c", Epochs: 1}}, "source c: is not there"},
		{[]mix.Source{{Name: "a", Tokens: 1000}}, "1,000"},
	} {
		b := mustNew(t, Config{Vocabulary: Vocabulary{100, 0, ""}, Sources: []FileSource{{"a", 1}, {"b", 1}}, Mix: mix.Spec{Sources: c.mix}})
		if _, err := tryBuild(t, b, docs, 2, rand.New(rand.NewPCG(1, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.mix, err, c.want)
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
	if files := build(t, b, nil, 1, nil); len(files) != 3 || !strings.Contains(string(files["length-2048/manifest.json"]), `"shards": []`) {
		t.Errorf("no documents: %q", files)
	} else if v, err := Verify(t.Context(), store.NewLocal(nil), write(t, files)); err != nil || v.Documents != 0 || len(v.Sets) != 1 {
		t.Errorf("no documents: %+v, %v", v, err)
	}
}

func id(i int) record.ID { return record.MakeID(1, int64(i)*37) }
