package stats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		doc  string
		want Counts
	}{
		{"", Counts{1, 0, 0, 0, 0}},
		{"\n", Counts{1, 1, 1, 0, 1}},
		{"a", Counts{1, 1, 1, 1, 1}},
		{"a b\n", Counts{1, 4, 4, 2, 1}},
		{"a\n\nb", Counts{1, 4, 4, 2, 3}},
		{"a\r\nb\r", Counts{1, 5, 5, 2, 2}},
		{"eta\u00a0ñandú 日本\u2028", Counts{1, 22, 13, 3, 1}},
	} {
		if got := Of([]byte(c.doc)); got != c.want {
			t.Errorf("Of(%q) = %v, want %v", c.doc, got, c.want)
		}
	}
}

// memory is a workspace that holds one result.
type memory struct {
	stage.Workspace
	name   string
	result []byte
}

func (m *memory) Memory() int64 { return 1 << 20 }

func (m *memory) Make(_ context.Context, name string, write func(w io.Writer) error) error {
	var b bytes.Buffer
	err := write(&b)
	m.name, m.result = name, b.Bytes()
	return err
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

func mustBuild(t testing.TB, cfg Config) *Stats {
	t.Helper()
	s, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mapped is a batch of lines after the stage's Map side.
func mapped(t testing.TB, s *Stats, lines []string) *record.Batch {
	t.Helper()
	b := &record.Batch{}
	for i, l := range lines {
		b.Append(record.MakeID(1, int64(i)), 0, []byte(l))
	}
	b.Parse()
	if err := s.Key().NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

func partialOf(t testing.TB, s *Stats, lines []string) stage.Partial {
	t.Helper()
	p := s.NewPartial()
	if err := p.Add(mapped(t, s, lines)); err != nil {
		t.Fatal(err)
	}
	return p
}

func seal(t testing.TB, p stage.Partial) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Seal(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func merge(s *Stats, sealed ...[]byte) ([]byte, error) {
	var in []io.Reader
	for _, f := range sealed {
		in = append(in, bytes.NewReader(f))
	}
	var b bytes.Buffer
	err := s.Merge(&b, in)
	return b.Bytes(), err
}

func finish(t testing.TB, s *Stats, sealed ...[]byte) (string, error) {
	t.Helper()
	var in []stage.Sealed
	for _, f := range sealed {
		in = append(in, stage.Sealed{Size: int64(len(f)), Data: closer{bytes.NewReader(f)}})
	}
	var m memory
	next, err := s.Finish(t.Context(), in, &m)
	if next != nil || m.name != stage.ResultFile {
		t.Errorf("Finish returns %v and makes %q", next, m.name)
	}
	return string(m.result), err
}

func result(t testing.TB, cfg Config, lines []string) string {
	t.Helper()
	s := mustBuild(t, cfg)
	got, err := finish(t, s, seal(t, partialOf(t, s, lines)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sample has every kind of value and every reason to be set aside.
var sample = []string{
	`{"text":"kaixo mundua\n","g":"eu"}`,
	`{"g":"eu","text":"ñ\ta"}`,
	`{"text":"x","g":"\u0065u"}`,
	`{"text":"x"}`,
	`{"text":"x","g":null}`,
	`{"text":"","g":true}`,
	`{"text":"x","g":false}`,
	`{"text":"x","g":10}`,
	`{"text":"x","g":9}`,
	`{"text":"x","g":9.0}`,
	`{"text":"x","g":[1, "a \"b\" ", {} ]}`,
	`{"text":"x","g":[1,"a \"b\" ",{}]}`,
	`{"text":"x","g": { "b" : [ ] } }`,
	`{"text":"x","g":"null"}`,
	`{"text":"x","g":""}`,
	`{"text":"x","g":"a\"\\\n\u2028\ud83d\ude00"}`,
	`{"text":"x","g":"` + strings.Repeat("ñ", 512) + `"}`,
	// Quarantined:
	`{"text":"x","g":"` + strings.Repeat("ñ", 512) + `y"}`,
	`{"text":"x","g":[` + strings.Repeat("1, ", 600) + `2]}`,
	`{"g":"eu"}`,
	`{"text":null,"g":"eu"}`,
	`{"text":7,"g":"eu"}`,
	`{"text":["x"],"g":"eu"}`,
	`{"text":"x"`,
}

func TestGroups(t *testing.T) {
	x := `"documents":1,"bytes":1,"characters":1,"words":1,"lines":1}` + "\n"
	want := `{"g":null,"documents":2,"bytes":2,"characters":2,"words":2,"lines":2}` + "\n" +
		`{"g":false,` + x +
		`{"g":true,"documents":1,"bytes":0,"characters":0,"words":0,"lines":0}` + "\n" +
		`{"g":10,` + x + `{"g":9,` + x + `{"g":9.0,` + x +
		`{"g":"",` + x +
		`{"g":"a\"\\\n` + "\u2028😀" + `",` + x +
		`{"g":"eu","documents":3,"bytes":18,"characters":17,"words":5,"lines":3}` + "\n" +
		`{"g":"null",` + x +
		`{"g":"` + strings.Repeat("ñ", 512) + `",` + x +
		`{"g":[1,"a \"b\" ",{}],"documents":2,"bytes":2,"characters":2,"words":2,"lines":2}` + "\n" +
		`{"g":{"b":[]},` + x
	if got := result(t, Config{By: "g"}, sample); got != want {
		t.Errorf("result\n%swant\n%s", got, want)
	}
	for line := range strings.Lines(want) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestResult(t *testing.T) {
	nested := `{"meta":{"a.b":"x"},"doc":{"body":"one two"}}`
	for _, c := range []struct {
		cfg   Config
		lines []string
		want  string
	}{
		{Config{}, nil, `{"documents":0,"bytes":0,"characters":0,"words":0,"lines":0}` + "\n"},
		{Config{By: "g"}, nil, ""},
		{Config{}, sample, `{"documents":19,"bytes":33,"characters":32,"words":20,"lines":18}` + "\n"},
		{Config{TextField: "doc.body", By: `meta.a\.b`}, []string{nested, `{"meta":7,"doc":{"body":""}}`},
			`{"meta.a\\.b":null,"documents":1,"bytes":0,"characters":0,"words":0,"lines":0}` + "\n" +
				`{"meta.a\\.b":"x","documents":1,"bytes":7,"characters":7,"words":2,"lines":1}` + "\n"},
	} {
		if got := result(t, c.cfg, c.lines); got != c.want {
			t.Errorf("%+v: result\n%swant\n%s", c.cfg, got, c.want)
		}
	}
	// No sealed file at all.
	s := mustBuild(t, Config{})
	if got, err := finish(t, s); err != nil || !strings.HasPrefix(got, `{"documents":0,`) {
		t.Errorf("nothing sealed: %s %v", got, err)
	}
}

func TestQuarantine(t *testing.T) {
	s := mustBuild(t, Config{By: "g"})
	b := mapped(t, s, sample)
	want := map[int]string{
		17: `field "g" is too long to be a group: more than 1024 bytes`,
		18: `field "g" is too long to be a group: more than 1024 bytes`,
		19: `field "text" is missing`,
		20: `field "text" is null, not a string`,
		21: `field "text" is a number, not a string`,
		22: `field "text" is an array, not a string`,
		23: `line ends inside the object at byte 11 of the line`,
	}
	for i, r := range b.Records {
		got := ""
		if r.Outcome == record.Quarantine {
			got = r.Err.Error()
			if fe := new(record.FieldError); i < 23 && !errors.As(r.Err, &fe) {
				t.Errorf("record %d: %T is no FieldError", i, r.Err)
			}
		}
		if got != want[i] {
			t.Errorf("record %d: %q, want %q", i, got, want[i])
		}
	}
}

// TestEdits: the group is what an earlier stage of the phase has written.
func TestEdits(t *testing.T) {
	s := mustBuild(t, Config{By: "language"})
	b := &record.Batch{}
	b.Append(1, 0, []byte(`{"text":"x","language":"xx"}`))
	b.Parse()
	if err := b.Records[0].Set(record.MustPath("language"), []byte(`"eu"`)); err != nil {
		t.Fatal(err)
	}
	if err := s.Key().NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	p := s.NewPartial()
	if err := p.Add(b); err != nil {
		t.Fatal(err)
	}
	if got, err := finish(t, s, seal(t, p)); err != nil || !strings.HasPrefix(got, `{"language":"eu",`) {
		t.Errorf("%s %v", got, err)
	}
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{TextField: "a..b"}, "empty name"},
		{Config{By: "a."}, "empty name"},
		{Config{By: "words"}, `cannot count by a field "words"`},
		{Config{By: "documents"}, `cannot count by a field "documents"`},
		{Config{By: "a\xff"}, "not UTF-8"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", c.cfg, err, c.want)
		}
	}
	s, err := New(Config{By: "words.n"})
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(s.Spec().Config)
	if err != nil || string(config) != `{"by":"words.n","text_field":"text"}` {
		t.Errorf("configuration %s, %v", config, err)
	}
}

func TestMapper(t *testing.T) {
	var lines [][]byte
	for _, l := range sample {
		lines = append(lines, []byte(l))
	}
	for _, by := range []string{"", "g"} {
		t.Run(by, func(t *testing.T) { stagetest.Mapper(t, mustBuild(t, Config{By: by}).Key(), lines) })
	}
}

// TestReducer holds the laws of a Reducer, grouping and merging among them.
func TestReducer(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var lines [][]byte
	for _, l := range sample {
		lines = append(lines, []byte(l))
	}
	for i := range 150 {
		lines = append(lines, fmt.Appendf(nil, `{"text":%q,"g":%d}`, strings.Repeat("hitz ", rng.IntN(9)), i*i%37))
	}
	for _, by := range []string{"", "g"} {
		stagetest.Reducer(t, mustBuild(t, Config{By: by}), lines)
	}
}

func numbered(lo, hi int) (lines []string) {
	for i := lo; i < hi; i++ {
		lines = append(lines, fmt.Sprintf(`{"text":"x","g":%d}`, i))
	}
	return lines
}

func TestTooManyGroups(t *testing.T) {
	s := mustBuild(t, Config{By: "g"})
	if s.maxGroups != 100_000 {
		t.Errorf("%d groups allowed", s.maxGroups)
	}
	s.maxGroups = 1000
	const want = `more than 1,000 groups by "g"; count by a field of few values, such as a language or a source`
	check := func(what string, err error) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	check("Add", s.NewPartial().Add(mapped(t, s, numbered(0, 1001))))
	p := partialOf(t, s, numbered(0, 600))
	check("Join", p.Join(partialOf(t, s, numbered(400, 1001))))
	a, b := seal(t, partialOf(t, s, numbered(0, 600))), seal(t, partialOf(t, s, numbered(400, 1001)))
	_, err := merge(s, a, b)
	check("Merge", err)
	_, err = finish(t, s, a, b)
	check("Finish", err)

	p = partialOf(t, s, numbered(0, 600))
	if err := p.Join(partialOf(t, s, numbered(0, 1000))); err != nil {
		t.Errorf("1,000 groups: %v", err)
	}
	if got, err := finish(t, s, seal(t, p), a); err != nil || strings.Count(got, "\n") != 1000 {
		t.Errorf("1,000 groups: %d, %v", strings.Count(got, "\n"), err)
	}
}

func TestPartialSize(t *testing.T) {
	s := mustBuild(t, Config{By: "g"})
	b := mapped(t, s, numbered(0, 50_000))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p := s.NewPartial()
	if err := p.Add(b); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := float64(after.HeapAlloc) - float64(before.HeapAlloc)
	if size := float64(p.Size()); size < 0.7*held || size > 1.5*held {
		t.Errorf("Size says %.0f bytes, the heap grew by %.0f", size, held)
	}
	runtime.KeepAlive(b)
}

func TestAllocs(t *testing.T) {
	for _, by := range []string{"", "g"} {
		s := mustBuild(t, Config{By: by})
		w, p := s.Key().NewWorker(), s.NewPartial()
		b := &record.Batch{}
		var lines [][]byte
		for _, l := range sample[:17] { // a quarantine makes an error
			lines = append(lines, []byte(l))
		}
		once := func() {
			b.Reset()
			for i, l := range lines {
				b.Append(record.ID(i), 0, l)
			}
			b.Parse()
			if err := w.Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if err := p.Add(b); err != nil {
				t.Fatal(err)
			}
		}
		once()
		if n := testing.AllocsPerRun(50, once); n > 0 {
			t.Errorf("by %q: %v allocations for %d records", by, n, len(lines))
		}
	}
}

// BenchmarkMap counts records of 3 KB, Map and Add; MB/s are of input lines, JSON parsing not included.
func BenchmarkMap(b *testing.B) {
	text := strings.Repeat(`El año pasado la comisión aprobó, después de una larga sesión, el presupuesto.\n`, 36)
	var lines []string
	bytes := 0
	for i := range 300 {
		l := fmt.Sprintf(`{"id":"%d","text":"%s","meta":{"lang":"%c"}}`, i, text, 'a'+i%9)
		bytes += len(l) + 1
		lines = append(lines, l)
	}
	s := mustBuild(b, Config{By: "meta.lang"})
	batch := mapped(b, s, lines)
	w, p := s.Key().NewWorker(), s.NewPartial()
	keys := &record.Batch{}
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		keys.Reset()
		for i := range batch.Records {
			keys.Append(0, 0, batch.Records[i].Line)
		}
		b.StopTimer()
		keys.Parse()
		b.StartTimer()
		if err := w.Map(context.Background(), keys); err != nil {
			b.Fatal(err)
		}
		if err := p.Add(keys); err != nil {
			b.Fatal(err)
		}
	}
}
