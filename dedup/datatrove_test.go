package dedup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

func mustDatatrove(t testing.TB, cfg DatatroveConfig) *Datatrove {
	t.Helper()
	d, err := NewDatatrove(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDatatroveStage(t *testing.T) {
	ranks := func() int { return 2 } // one of them without a record
	for name, cfg := range map[string]DatatroveConfig{
		"64 bits": {Bands: 2, Rows: 2, Ranks: ranks},
		"32 bits": {Scheme: "datatrove@xxh32", Bands: 3, Rows: 1, Workers: 2, Grams: 2, Ranks: func() int { return 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustDatatrove(t, cfg)
			d.spillSize, d.fanIn = 40*d.layout.signature(), 2
			stagetest.Reducer(t, d, mixed()[:70])
		})
	}
}

func TestDatatroveConfig(t *testing.T) {
	seed := uint32(7)
	d := mustDatatrove(t, DatatroveConfig{Scheme: "datatrove@sha1-32", Bands: 9, Rows: 5, Grams: 3, Seed: &seed})
	got := fmt.Sprintf("%s", d.Spec().Config)
	if want := `{"datatrove":"0.10","field":"text","hashes_per_bucket":5,"n_grams":3,"num_buckets":9,"scheme":"datatrove@sha1-32","scheme_version":1,"seed":7,"workers_per_bucket":1}`; got != want {
		t.Errorf("configuration %s", got)
	}
	for says, cfg := range map[string]DatatroveConfig{
		"schemes named datatrove": {Scheme: "words"},
		"did you mean":            {Scheme: "datatrov"},
		"workers a bucket":        {Workers: 101},
		"65-grams":                {Grams: 65},
		"both bands and rows":     {Bands: 3},
	} {
		if _, err := NewDatatrove(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v does not say %q", cfg, err, says)
		}
	}
}

// datatroveFiles runs the Reducer on documents of several input files, a split each, and returns the result's files.
func datatroveFiles(t testing.TB, d *Datatrove, ranks [][][]byte) map[string][]byte {
	t.Helper()
	var sealed []stage.Sealed
	for rank, lines := range ranks {
		for lo := 0; lo < len(lines); lo += 100 { // several splits
			b := &record.Batch{}
			for i, l := range lines[lo:min(len(lines), lo+100)] {
				b.Append(record.MakeID(rank+1, int64(lo+i)), int64(lo+i+1), l)
			}
			b.Parse()
			p := d.NewPartial()
			var out bytes.Buffer
			if err := errors.Join(d.Key().NewWorker().Map(t.Context(), b), p.Add(b), p.Seal(&out)); err != nil {
				t.Fatal(err)
			}
			sealed = append(sealed, stage.Sealed{Size: int64(out.Len()), Data: inMemory{bytes.NewReader(out.Bytes())}})
		}
	}
	ws := stagetest.NewWorkspace(16<<20, 2)
	if m, err := d.Finish(t.Context(), sealed, ws); m != nil || err != nil {
		t.Fatalf("%v, error %v", m, err)
	}
	files := map[string][]byte{}
	for _, name := range ws.Names() {
		below, ok := strings.CutPrefix(name, stage.ResultDir)
		if !ok {
			continue
		}
		f, size, err := ws.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		files[below] = b
	}
	return files
}

// TestConformanceDatatroveFiles compares every file of datatrove's MinHash deduplication, and the documents that it keeps,
// with what it made itself of the same inputs (testdata/datatrove_minhash.py).
func TestConformanceDatatroveFiles(t *testing.T) {
	dir := filepath.Join("testdata", "datatrove-minhash")
	ranks := make([][][]byte, 4)
	ids := make([][]string, 4)
	eachLine(t, filepath.Join(dir, "inputs.jsonl.zst"), func(line []byte) {
		var d struct {
			Rank int
			ID   string
		}
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		ranks[d.Rank], ids[d.Rank] = append(ranks[d.Rank], line), append(ids[d.Rank], d.ID)
	})
	large := uint32(1<<32 - 1)
	answer := uint32(42)
	for name, cfg := range map[string]DatatroveConfig{
		"xxh64":   {},
		"xxh32":   {Scheme: "datatrove@xxh32"},
		"sha1-64": {Scheme: "datatrove@sha1-64", Workers: 3},
		"sha1-32": {Scheme: "datatrove@sha1-32", Grams: 3, Bands: 9, Rows: 5, Seed: &answer, Workers: 2},
		"loose":   {Grams: 2, Bands: 20, Rows: 2, Seed: &large},
	} {
		t.Run(name, func(t *testing.T) {
			want := digests(t, filepath.Join(dir, name+".sha256"))
			cfg.Ranks = func() int { return len(ranks) }
			d := mustDatatrove(t, cfg)
			if name == "xxh32" { // the same files by other ways
				d.spillSize, d.fanIn = 5000, 2
			}
			files := datatroveFiles(t, d, ranks)
			got := map[string]string{}
			fsys := fstest.MapFS{}
			for name, b := range files {
				got[name] = fmt.Sprintf("%x", sha256.Sum256(b))
				fsys[name] = &fstest.MapFile{Data: b}
			}
			removal, err := NewDatatroveRemoval(RemovalConfig{Files: fsys, Dir: "files"})
			if err != nil {
				t.Fatal(err)
			}
			decider, removed := removal.NewDecider(), 0
			for rank, lines := range ranks {
				var kept strings.Builder
				b := &record.Batch{}
				for i, l := range lines {
					b.Append(record.MakeID(rank+1, int64(i)), int64(i+1), l)
				}
				b.Parse()
				if err := errors.Join(removal.Key().NewWorker().Map(t.Context(), b), decider.Decide(t.Context(), b)); err != nil {
					t.Fatal(err)
				}
				for i := range b.Records {
					if b.Records[i].Outcome == record.Keep {
						kept.WriteString(ids[rank][i] + "\n")
					} else {
						removed++
					}
				}
				got[fmt.Sprint("kept/", rank)] = fmt.Sprintf("%x", sha256.Sum256([]byte(kept.String())))
			}
			if err := decider.End(); err != nil {
				t.Error(err)
			}
			equal := 0
			for name, digest := range want {
				if got[name] == digest {
					equal++
				} else {
					t.Errorf("%s differs: %d bytes", name, len(files[name]))
				}
			}
			for name := range got {
				if _, ok := want[name]; !ok {
					t.Errorf("%s: datatrove makes no such file", name)
				}
			}
			t.Logf("%d of %d files equal; %d documents removed", equal, len(want), removed)
		})
	}
}

// digests reads what sha256sum writes.
func digests(t testing.TB, file string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(b)) {
		digest, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		m[name] = digest
	}
	if len(m) < 20 {
		t.Fatalf("%s: %d files", file, len(m))
	}
	return m
}

// TestForest compares roots and sizes with those of datatrove's own rule, written down as it has it, with maps.
func TestForest(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	for range 200 {
		n := 2 + rng.IntN(60)
		var nodes []uint64
		for i := range n {
			nodes = append(nodes, uint64(i/9)<<32|uint64(i))
		}
		f := newForest(nodes)
		parents, sizes := map[uint64]uint64{}, map[uint64]uint32{}
		var parent func(x uint64) uint64
		parent = func(x uint64) uint64 {
			if p, ok := parents[x]; !ok || p == x {
				parents[x] = x
				return x
			}
			parents[x] = parent(parents[x])
			return parents[x]
		}
		size := func(x uint64) uint32 { return max(1, sizes[x]) }
		for range rng.IntN(3 * n) {
			a, b := nodes[rng.IntN(n)], nodes[rng.IntN(n)]
			if err := f.join(a, b); err != nil {
				t.Fatal(err)
			}
			ra, rb := parent(a), parent(b)
			if ra == rb {
				continue
			}
			sum := size(ra) + size(rb)
			if size(ra) < size(rb) {
				ra, rb = rb, ra
			}
			parents[rb] = ra
			sizes[ra] = sum
			delete(sizes, rb)
		}
		for i, x := range nodes {
			root := f.root(int32(i))
			if f.nodes[root] != parent(x) || f.size(root) != size(parent(x)) {
				t.Fatalf("node %x: root %x of %d, want %x of %d", x, f.nodes[root], f.size(root), parent(x), size(parent(x)))
			}
		}
	}
	if err := newForest([]uint64{1, 2}).join(1, 3); err == nil {
		t.Error("a node that is none")
	}
}

// discarding is a workspace whose results nobody looks at.
type discarding struct{ stage.Workspace }

// Make implements stage.Workspace.
func (w discarding) Make(ctx context.Context, name string, write func(io.Writer) error) error {
	if strings.HasPrefix(name, stage.ResultDir) {
		return write(io.Discard)
	}
	return w.Workspace.Make(ctx, name, write)
}

// TestDatatroveClustersMemory: the files of clusters are made in the memory that was asked for, of one rank as of many, and what
// does not fit is an error before it is taken.
func TestDatatroveClustersMemory(t *testing.T) {
	const n = 1 << 18 // documents, in pairs
	d := mustDatatrove(t, DatatroveConfig{})
	ws := stagetest.NewWorkspace(n*nodeBytes/3*4+4, 1)
	f := &datatroveFinish{d: d, ws: discarding{ws}, ranks: 1}
	name := stage.ResultDir + DupsName(0, 0)
	err := ws.Make(t.Context(), name, func(w io.Writer) error {
		for i := range uint32(n / 2) {
			if _, err := w.Write(numbers(0, 2*i, 0, 2*i+1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	trees, err := f.forest(t.Context(), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := f.writeClusters(t.Context(), trees); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	held := uint64(8*cap(trees.nodes) + 4*cap(trees.parents))
	if took := held + after.TotalAlloc - before.TotalAlloc; took > n*nodeBytes+4*runBuffer+64<<10 {
		t.Errorf("%d documents took %d bytes, and %d are asked for", n, took, n*nodeBytes)
	}
	ws.Resume(n*nodeBytes/3*4-8, 1)
	if _, err := f.forest(t.Context(), []string{name}); err == nil || !strings.Contains(err.Error(), "to join them takes 4 MiB of memory") {
		t.Errorf("with less memory: error %v", err)
	}
}

// TestDatatroveWorkers: too many for the first file is an error that says so.
func TestDatatroveWorkers(t *testing.T) {
	d := mustDatatrove(t, DatatroveConfig{Workers: 5, Ranks: func() int { return 1 }})
	ws := stagetest.NewWorkspace(16<<20, 1)
	if _, err := d.Finish(t.Context(), nil, ws); err == nil || !strings.Contains(err.Error(), "ask for fewer workers") {
		t.Error(err)
	}
	d = mustDatatrove(t, DatatroveConfig{Ranks: func() int { return 100001 }})
	if _, err := d.Finish(t.Context(), nil, ws); err == nil || !strings.Contains(err.Error(), "more ranks") {
		t.Error(err)
	}
}

func numbers(list ...uint32) []byte {
	var b []byte
	for _, v := range list {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

var removeCases = []struct {
	name string
	file []byte
	says string // of the error; "" for none
}{
	{"none", nil, ""},
	{"some", numbers(0, 1, 7, 1<<32-1), ""},
	{"repeated", numbers(3, 3), "at byte 4 number 3 comes behind 3"},
	{"descending", numbers(3, 9, 2), "at byte 8 number 2 comes behind 9"},
	{"cut off", numbers(3, 9)[:7], "at byte 4 end 3 bytes"},
}

func readRemove(r io.Reader) (all []uint32, err error) {
	in := NewRemoveReader(r)
	for {
		n, ok, err := in.Next()
		if err != nil || !ok {
			return all, err
		}
		all = append(all, n)
	}
}

func TestRemoveReader(t *testing.T) {
	for _, c := range removeCases {
		all, err := readRemove(iotest.HalfReader(bytes.NewReader(c.file)))
		if c.says == "" && (err != nil || !bytes.Equal(numbers(all...), c.file)) {
			t.Errorf("%s: %v, error %v", c.name, all, err)
		}
		if c.says != "" && (!errors.Is(err, ErrRemove) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
	var many []uint32
	for i := range uint32(5000) {
		many = append(many, 3*i)
	}
	if all, err := readRemove(bytes.NewReader(numbers(many...))); err != nil || !slices.Equal(all, many) {
		t.Errorf("%d numbers, error %v", len(all), err)
	}
	broken := errors.New("broken")
	if _, err := readRemove(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.Is(err, ErrRemove) {
		t.Errorf("a reader that fails: %v", err)
	}
}

func FuzzRemove(f *testing.F) {
	for _, c := range removeCases {
		f.Add(c.file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		all, err := readRemove(bytes.NewReader(file))
		if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
			t.Fatalf("%v do not ascend", all)
		}
		got := numbers(all...)
		if err == nil && !bytes.Equal(got, file) || err != nil && (!errors.Is(err, ErrRemove) || len(file) < smallRunBuffer && file != nil && !bytes.HasPrefix(file, got)) {
			t.Fatalf("%d bytes: %v, error %v", len(file), all, err)
		}
	})
}

func removalOf(t testing.TB, cfg RemovalConfig, files fstest.MapFS) *DatatroveRemoval {
	t.Helper()
	cfg.Files, cfg.Dir = files, "dir"
	d, err := NewDatatroveRemoval(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDatatroveRemovalStage(t *testing.T) {
	files := fstest.MapFS{"000000.remove": {Data: numbers(0, 3, 4, 60)}, "000000.sizes": {}, "x.remove": {}}
	for _, annotate := range []bool{false, true} {
		t.Run(fmt.Sprint("annotate ", annotate), func(t *testing.T) {
			stagetest.Serial(t, removalOf(t, RemovalConfig{Annotate: annotate, Verdicts: !annotate}, files), mixed())
		})
	}
}

// TestDatatroveRemoval: which documents have a number, and what is wrong with files that are for others.
func TestDatatroveRemoval(t *testing.T) {
	pass := func(files fstest.MapFS, lines ...string) (kept []int, err error) {
		d := removalOf(t, RemovalConfig{}, files)
		b := &record.Batch{}
		for i, l := range lines {
			b.Append(record.MakeID(2, int64(i)), int64(i+1), []byte(l))
		}
		b.Parse()
		w := d.NewDecider()
		err = errors.Join(d.Key().NewWorker().Map(context.Background(), b))
		if err == nil {
			err = w.Decide(t.Context(), b)
		}
		if err == nil {
			err = w.End()
		}
		for i := range b.Records {
			if b.Records[i].Outcome == record.Keep {
				kept = append(kept, i)
			}
		}
		return kept, err
	}
	lines := []string{`{"text":"a"}`, `{"text":""}`, `no json`, `{"text":"b"}`, `{"n":1}`, `{"text":" "}`, `{"text":"c"}`}
	kept, err := pass(fstest.MapFS{"remove_ids/000001.remove": {Data: numbers(1, 3)}}, lines...)
	if err != nil || !slices.Equal(kept, []int{0, 5}) {
		t.Errorf("kept %v, error %v", kept, err)
	}
	for says, files := range map[string]fstest.MapFS{
		"remove_ids/000001.remove: is to remove document 4, and input 2 has 4": {"remove_ids/000001.remove": {Data: numbers(1, 4)}},
		"000007.remove: is for input 8, which is not there":                    {"000001.remove": {Data: numbers(1)}, "000007.remove": {Data: numbers(1)}},
		"dir/000001.remove: the file of documents to remove is damaged":        {"000001.remove": {Data: numbers(1)[:3]}},
	} {
		if _, err := pass(files, lines...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	if _, err := NewDatatroveRemoval(RemovalConfig{Files: fstest.MapFS{"1.remove": {}}, Dir: "d"}); err == nil || !strings.Contains(err.Error(), "000000.remove") {
		t.Error(err)
	}
}
