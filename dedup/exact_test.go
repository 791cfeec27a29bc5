package dedup

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
	"curate/stage/stagetest"
)

func mustExact(t testing.TB, cfg ExactConfig) *Exact {
	t.Helper()
	e, err := NewExact(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// lines are records with duplicates far and near, in several spellings and kinds, and bad ones.
func lines() [][]byte {
	rng := rand.New(rand.NewPCG(7, 7))
	var all [][]byte
	for i := range 260 {
		switch i % 13 {
		case 0:
			all = append(all, fmt.Appendf(nil, `{"id":%d,"text":"caf\u00e9 %d"}`, i, rng.IntN(4)))
		case 1:
			all = append(all, fmt.Appendf(nil, `{"text" : "café %d", "id":"%d", "curate":{"filter":{"a":1e2}}}`, rng.IntN(4), i))
		case 2:
			all = append(all, fmt.Appendf(nil, `{"text":%d}`, rng.IntN(3)))
		case 3:
			all = append(all, fmt.Appendf(nil, `{"text":[%d,%s"a b" ]}`, rng.IntN(2), strings.Repeat(" ", i%3)))
		case 4:
			all = append(all, fmt.Appendf(nil, `{"text":"%d"}`, rng.IntN(3)))
		case 5:
			all = append(all, fmt.Appendf(nil, `{"text":"only once: %d"}`, i))
		case 6:
			all = append(all, fmt.Appendf(nil, `{"text":"%s"}`, strings.Repeat("long ", 50+rng.IntN(3))))
		case 7:
			all = append(all, fmt.Appendf(nil, `{"text":"","n":%d}`, i))
		default:
			all = append(all, fmt.Appendf(nil, `{"text":"one of many: %d","n":%d}`, rng.IntN(20), i))
		}
	}
	for i, bad := range []string{`{}`, `{"text":null}`, `no json`, `{"text":"a","text":"b"}`, `{"text":"one of many: 1","curate":7}`,
		`{"text":true}`, `{"text":"once","curate":[]}`, `{"text":{"a":{}}}`, `{"text": {"a" : { } } }`} {
		all = slices.Insert(all, 20*i+11, []byte(bad))
	}
	return all
}

// firstItem is how wide an item is where the first stays.
const firstItem = keyWidth + 8 + numberWidth

// small makes many ranges and spills of few records.
func small(e *Exact) *Exact {
	e.rangeSize, e.spillSize = int64(40*e.width), 3*exactPairWidth
	return e
}

func TestExactStage(t *testing.T) {
	for name, cfg := range map[string]ExactConfig{
		"normal":   {},
		"verdicts": {Verdicts: true},
		"annotate": {Annotate: true},
		"findings": {Keep: "best:n", Findings: Findings{Evidence: true, Clusters: true}},
	} {
		t.Run(name, func(t *testing.T) { stagetest.Reducer(t, mustExact(t, cfg), lines()) })
	}
	t.Run("many ranges and spills", func(t *testing.T) { stagetest.Reducer(t, small(mustExact(t, ExactConfig{})), lines()) })
}

func TestExactConfig(t *testing.T) {
	e := mustExact(t, ExactConfig{Field: record.MustPath("meta.url"), Verdicts: true})
	got, err := json.Marshal(e.Spec().Config)
	if want := `{"annotate":false,"field":"meta.url","id_field":"id","keep":"first","method":"exact","source_field":"source"}`; err != nil || string(got) != want {
		t.Errorf("configuration %s, error %v", got, err)
	}
	if _, err := NewExact(ExactConfig{Keep: "longest"}); err == nil || !strings.Contains(err.Error(), `"longest"`) || !strings.Contains(err.Error(), `"first"`) {
		t.Errorf("keep longest: %v", err)
	}
}

// keyed runs lines through Key as one batch of file 1, at offsets 0, 1, 2…
func keyed(t testing.TB, e *Exact, lines ...string) *record.Batch {
	t.Helper()
	b := &record.Batch{}
	for i, l := range lines {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), []byte(l))
	}
	b.Parse()
	if err := e.Key().NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

// finished is the Mapper that comes of all lines.
func finished(t testing.TB, e *Exact, lines ...string) stage.Mapper {
	t.Helper()
	p := e.NewPartial()
	if err := p.Add(keyed(t, e, lines...)); err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := p.Seal(&sealed); err != nil {
		t.Fatal(err)
	}
	ws := stagetest.NewWorkspace(16<<20, 2)
	m, err := e.Finish(t.Context(), []stage.Sealed{{Size: int64(sealed.Len()), Data: inMemory{bytes.NewReader(sealed.Bytes())}}}, ws)
	if err != nil {
		t.Fatal(err)
	}
	if names := withoutFindings(ws.Names()); !slices.Equal(names, []string{decisionsFile}) {
		t.Errorf("files %v are left", names)
	}
	return m
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// TestSame holds which values count as the same.
func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`"café"`, `"caf\u00e9"`, true},
		{`"a\/b"`, `"a/b"`, true},
		{`"😀"`, `"\ud83d\ude00"`, true},
		{`""`, `""`, true},
		{`"\u00e9"`, `"e\u0301"`, false}, // composed and decomposed
		{`"a"`, `"a "`, false},
		{`"a"`, `"A"`, false},
		{`"1"`, `1`, false},
		{`1`, `1`, true},
		{`1`, `1.0`, false},
		{`1e2`, `100`, false},
		{`true`, `"true"`, false},
		{`true`, `false`, false},
		{`[]`, `[ ]`, true},
		{`[]`, `{}`, false},
		{`{"a":1,"b":"x  \" y"}`, ` { "a" : 1 ,` + "\t" + `"b":"x  \" y" }`, true},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, false},
		{`["a b"]`, `["ab"]`, false},
		{`["é"]`, `["\u00e9"]`, false},
	} {
		b := keyed(t, mustExact(t, ExactConfig{}), `{"text":`+c.a+`}`, `{"x":0,"text":`+c.b+`}`)
		if got := bytes.Equal(b.Records[0].Key(), b.Records[1].Key()); got != c.same {
			t.Errorf("%s and %s: same %v, want %v", c.a, c.b, got, c.same)
		}
	}
}

func TestQuarantine(t *testing.T) {
	b := keyed(t, mustExact(t, ExactConfig{Field: record.MustPath("meta.url")}), `{"meta":{}}`, `{"meta":{"url":null}}`, `{"meta":{"url":""}}`)
	for i, want := range []string{`field "meta.url" is missing`, `field "meta.url" is null, and nothing to compare`, ""} {
		r := &b.Records[i]
		if want == "" && r.Outcome != record.Keep || want != "" && (r.Outcome != record.Quarantine || r.Err.Error() != want) {
			t.Errorf("record %d: %v, error %v", i, r.Outcome, r.Err)
		}
	}
}

// TestDigest compares with what the reference implementation of XXH64 answers (python-xxhash): sealed files of other
// machines and versions hold these bytes.
func TestDigest(t *testing.T) {
	for _, c := range []struct {
		value    string
		isString bool
		want     string
	}{
		{"", true, "ef46db3751d8e999d5afba1336a3be4b"},
		{"", false, "5a68f3b1643c966f3a20f67fd6abb44e"},
		{"12.50", false, "f02e9b925e0e98928b15994bba8df598"},
		{"café", true, "9a40a9b974d85a6a18c0a2f29c34710b"},
		{"Nobody inspects the spammish repetition", true, "fbcea83c8a378bf143f425448d954db6"},
	} {
		if got := fmt.Sprintf("%x", Digest([]byte(c.value), c.isString)); got != c.want {
			t.Errorf("%q, %v: %s", c.value, c.isString, got)
		}
	}
}

func TestVerdict(t *testing.T) {
	in := []string{`{"text":"a"}`, `{"text":"b"}`, `{"text":"\u0061"}`, `{"text":"b","curate":7}`, `{"text":"a","curate":{"dedup":{"old":1},"x":2}}`}
	const dup = `{"method":"exact","verdict":"drop","rule":"exact","reason":"exact_duplicate","duplicate_of":"`
	for name, c := range map[string]struct {
		cfg  ExactConfig
		want []string // outcome and what is written
	}{
		"normal": {ExactConfig{}, []string{"keep " + in[0], "keep " + in[1], "drop " + in[2],
			`quarantine field "curate" is a number, not an object, so "curate.dedup" cannot be set`, "drop " + in[4]}},
		"verdicts": {ExactConfig{Verdicts: true}, []string{"keep " + in[0], "keep " + in[1],
			`drop {"text":"\u0061","curate":{"dedup":` + dup + `1099511627776"}}}`,
			`quarantine field "curate" is a number, not an object, so "curate.dedup" cannot be set`,
			`drop {"text":"a","curate":{"dedup":` + dup + `1099511627776"},"x":2}}`}},
		"annotate": {ExactConfig{Annotate: true}, []string{
			`keep {"text":"a","curate":{"dedup":{"method":"exact","verdict":"keep"}}}`,
			`keep {"text":"b","curate":{"dedup":{"method":"exact","verdict":"keep"}}}`,
			`exact_duplicate {"text":"\u0061","curate":{"dedup":` + dup + `1099511627776"}}}`,
			`quarantine field "curate" is a number, not an object, so "curate.dedup" cannot be set`,
			`exact_duplicate {"text":"a","curate":{"dedup":` + dup + `1099511627776"},"x":2}}`}},
	} {
		t.Run(name, func(t *testing.T) {
			e := mustExact(t, c.cfg)
			m := finished(t, e, in...)
			b := keyed(t, e, in...)
			if err := m.NewWorker().Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for i := range b.Records {
				var got string
				switch r := &b.Records[i]; r.Outcome {
				case record.Keep:
					got = "keep " + string(r.AppendLine(nil))
					if r.Reason != "" {
						got = r.Reason + " " + string(r.AppendLine(nil))
					}
				case record.Drop:
					got = "drop " + string(r.AppendDropped(nil))
				default:
					got = "quarantine " + r.Err.Error()
				}
				if got = strings.TrimSuffix(got, "\n"); got != c.want[i] {
					t.Errorf("record %d:\n got %s\nwant %s", i, got, c.want[i])
				}
			}
		})
	}
}

// TestAgainstMap compares what becomes of small random inputs with a map of first places.
func TestAgainstMap(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 200 {
		var in []string
		first := map[string]int{}
		want := map[int]int{}
		for i := range rng.IntN(60) {
			v := fmt.Sprint("x", rng.IntN(1+rng.IntN(30)))
			in = append(in, `{"text":"`+v+`"}`)
			if k, ok := first[v]; ok {
				want[i] = k
			} else {
				first[v] = i
			}
		}
		e := mustExact(t, ExactConfig{})
		if round%2 == 0 {
			small(e)
		}
		d := finished(t, e, in...).(*exactApply).d
		if d.Len() != int64(len(want)) {
			t.Fatalf("seed %d, round %d: %d dropped, want %d", seed, round, d.Len(), len(want))
		}
		c := d.NewCursor()
		for i := range in {
			found, dropped, err := c.Lookup(record.MakeID(1, int64(i)))
			k, ok := want[i]
			if err != nil || dropped != ok || ok && found.Kept != record.MakeID(1, int64(k)) {
				t.Fatalf("seed %d, round %d: record %d of %q: %v, %v, %v; want %v, %v", seed, round, i, in, found.Kept, dropped, err, k, ok)
			}
		}
	}
}

func TestAddNeedsKey(t *testing.T) {
	b := &record.Batch{}
	b.Append(5, 1, []byte(`{"text":"a"}`))
	b.Parse()
	if err := mustExact(t, ExactConfig{}).NewPartial().Add(b); err == nil {
		t.Error("a record without a key was taken")
	}
}

func TestSealedTwice(t *testing.T) {
	e := mustExact(t, ExactConfig{})
	p := e.NewPartial()
	if err := p.Add(keyed(t, e, `{"text":"a"}`, `{"text":"b"}`)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Seal(&b); err != nil {
		t.Fatal(err)
	}
	s := stage.Sealed{Size: int64(b.Len()), Data: inMemory{bytes.NewReader(b.Bytes())}}
	_, err := e.Finish(t.Context(), []stage.Sealed{s, s}, stagetest.NewWorkspace(1<<20, 1))
	if err == nil || !strings.Contains(err.Error(), "sealed twice") {
		t.Errorf("the same split twice: %v", err)
	}
}

// pages are the example's English pages, and their size in bytes with line feeds.
func pages(t testing.TB) (lines [][]byte, size int64) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "examples", "pages", "en.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	for l := range bytes.Lines(b) {
		lines = append(lines, bytes.TrimSuffix(l, []byte{'\n'}))
	}
	return lines, int64(len(b))
}

// batches cuts lines as the engine does, at 256 KiB.
func batches(lines [][]byte) [][][]byte {
	var all [][][]byte
	size := 1 << 30
	for _, l := range lines {
		if size > 256<<10 {
			all, size = append(all, nil), 0
		}
		all[len(all)-1] = append(all[len(all)-1], l)
		size += len(l)
	}
	return all
}

func TestNoAllocation(t *testing.T) {
	all, _ := pages(t)
	all = append(all[:200:200], []byte(`{"text":[1, 2, {"a":"b"}]}`), []byte(`{"text":12}`))
	b := &record.Batch{}
	w := mustExact(t, ExactConfig{}).Key().NewWorker()
	work := func() {
		b.Reset()
		for i, l := range all {
			b.Append(record.MakeID(1, int64(i)), 0, l)
		}
		b.Parse()
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	work()
	if n := testing.AllocsPerRun(20, work); n > 0 {
		t.Errorf("%v allocations for %d records in steady state", n, len(all))
	}
}

// BenchmarkExactKey is the Map side of the Reduce on one core: parsed lines to a joined Partial. With "parse" the
// lines are parsed too, which the engine does for whatever stage comes first.
func BenchmarkExactKey(b *testing.B) {
	all, size := pages(b)
	cut := batches(all)
	e := mustExact(b, ExactConfig{})
	for _, parse := range []bool{false, true} {
		name := "parsed"
		if parse {
			name = "parse"
		}
		b.Run(name, func(b *testing.B) {
			w := e.Key().NewWorker()
			in := make([]record.Batch, len(cut))
			fill := func() {
				n := int64(0)
				for i := range in {
					in[i].Reset()
					for _, l := range cut[i] {
						in[i].Append(record.MakeID(1, n), 0, l)
						n++
					}
					in[i].Parse()
				}
			}
			fill()
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if parse {
					fill()
				} else {
					b.StopTimer()
					fill()
					b.StartTimer()
				}
				split := e.NewPartial()
				for i := range in {
					if err := w.Map(b.Context(), &in[i]); err != nil {
						b.Fatal(err)
					}
					p := e.NewPartial()
					if err := p.Add(&in[i]); err != nil {
						b.Fatal(err)
					}
					if err := split.Join(p); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkExactSeal asks which is less work: to sort a split's items at once, or a batch's in its worker and merge
// them. A split of 64 MiB has some 250 batches of about 60 records.
func BenchmarkExactSeal(b *testing.B) {
	const batches, records = 250, 60
	rng := rand.New(rand.NewPCG(1, 1))
	items := make([]byte, batches*records*firstItem)
	for i := range items {
		items[i] = byte(rng.Uint32())
	}
	work := make([]byte, len(items))
	b.Run("at_once", func(b *testing.B) {
		b.SetBytes(int64(len(items)))
		for b.Loop() {
			copy(work, items)
			runs.Sort(work, firstItem)
		}
	})
	b.Run("by_batch", func(b *testing.B) {
		b.SetBytes(int64(len(items)))
		for b.Loop() {
			copy(work, items)
			in := make([]io.Reader, batches)
			for i := range in {
				s := work[i*records*firstItem : (i+1)*records*firstItem]
				runs.Sort(s, firstItem)
				in[i] = bytes.NewReader(s)
			}
			if err := runs.Merge(io.Discard, firstItem, in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// folder is a Workspace on disk that looks at the live heap whenever a file is whole.
type folder struct {
	dir     string
	memory  int64
	workers int

	mu    sync.Mutex
	base  uint64 // live heap before Finish
	most  uint64
	files int
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (f *folder) Make(_ context.Context, name string, write func(io.Writer) error) error {
	name = filepath.Join(f.dir, name)
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	w, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	err = write(w)
	f.mu.Lock()
	f.files++
	f.most = max(f.most, live())
	f.mu.Unlock()
	if err2 := w.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

func (f *folder) Open(_ context.Context, name string) (stage.ReaderAt, int64, error) {
	file, err := os.Open(filepath.Join(f.dir, name))
	if err != nil {
		return nil, 0, err
	}
	st, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	return file, st.Size(), nil
}

func (f *folder) Remove(_ context.Context, name string) error {
	return os.Remove(filepath.Join(f.dir, name))
}
func (f *folder) Tell(bool, string) {}
func (f *folder) Memory() int64     { return f.memory }
func (f *folder) Workers() int      { return f.workers }

// sealedFiles makes n sealed files on disk of records with duplicates, and says how many of them are.
func sealedFiles(t testing.TB, n, records int) (sealed []stage.Sealed, duplicates int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 3))
	dir := t.TempDir()
	seen := make([]bool, records)
	items := make([]byte, 0, records/n*firstItem)
	for f := range n {
		items = items[:0]
		for i := range records / n {
			v := rng.IntN(records)
			if seen[v] {
				duplicates++
			}
			seen[v] = true
			var text [8]byte
			binary.BigEndian.PutUint64(text[:], uint64(v))
			d := Digest(text[:], true)
			items = append(items, d[:]...)
			items = append(items, 0, 0, 0, 8)
			items = binary.BigEndian.AppendUint64(items, uint64(record.MakeID(f+1, int64(i)*5000)))
			items = binary.LittleEndian.AppendUint64(items, sourceNumber([]byte("input-1")))
		}
		runs.Sort(items, firstItem)
		name := filepath.Join(dir, fmt.Sprint(f))
		content := headed(append(make([]byte, ownsWidth), items...)) // without own ids
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		sealed = append(sealed, stage.Sealed{Size: int64(len(content)), Data: file})
	}
	return sealed, duplicates
}

// TestMemory finishes a million records within 16 MiB, and wants the same bytes with any memory and workers.
func TestMemory(t *testing.T) {
	const memory = 16 << 20
	sealed, duplicates := sealedFiles(t, 100, 1_000_000)
	var want []byte
	for _, c := range []struct {
		memory    int64
		workers   int
		rangeSize int64
	}{{memory, 8, 0}, {1 << 30, 1, 0}, {1 << 30, 4, 0}, {memory, 2, 1 << 40}} {
		e := mustExact(t, ExactConfig{})
		if c.rangeSize > 0 {
			e.rangeSize = c.rangeSize // one range, which spills
		}
		ws := &folder{dir: t.TempDir(), memory: c.memory, workers: c.workers, base: live()}
		m, err := e.Finish(t.Context(), sealed, ws)
		if err != nil {
			t.Fatal(err)
		}
		d := m.(*exactApply).d
		if d.Len() != duplicates {
			t.Errorf("%d dropped, want %d", d.Len(), duplicates)
		}
		got, err := os.ReadFile(filepath.Join(ws.dir, decisionsFile))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("memory %d, %d workers: other decisions", c.memory, c.workers)
		}
		t.Logf("memory %4d MiB, %d workers: at most %5.1f MiB live in %d files; %.2f bytes a dropped record",
			c.memory>>20, c.workers, float64(ws.most-ws.base)/(1<<20), ws.files, float64(len(got))/float64(duplicates))
		if c.memory == memory && ws.most-ws.base > memory {
			t.Errorf("%d bytes live, more than %d", ws.most-ws.base, int64(memory))
		}
	}
}

func BenchmarkExactFinish(b *testing.B) {
	sealed, _ := sealedFiles(b, 100, 1_000_000)
	e := mustExact(b, ExactConfig{})
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) {
			b.SetBytes(1_000_000 * firstItem)
			for b.Loop() {
				ws := stagetest.NewWorkspace(256<<20, workers)
				if _, err := e.Finish(b.Context(), sealed, ws); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
