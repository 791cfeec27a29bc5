package train

import (
	"bytes"
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

func mustNew(t testing.TB, s Settings) *Trainer {
	t.Helper()
	if s.VocabSize == 0 {
		s.VocabSize = 400
	}
	r, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return r.(*Trainer)
}

func named(t testing.TB, name string) *PreTokenizer {
	t.Helper()
	p, err := PreTokenizerNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func weight(t testing.TB, s string) Weight {
	t.Helper()
	w, err := ParseWeight(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newPartial(t testing.TB) *partial { return mustNew(t, Settings{}).NewPartial().(*partial) }

func seal(t testing.TB, p stage.Partial) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := p.Seal(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func mapped(t testing.TB, m stage.Mapper, lines []string) *record.Batch {
	t.Helper()
	b := &record.Batch{}
	for i, l := range lines {
		b.Append(record.ID(i), int64(i), []byte(l))
	}
	b.Parse()
	if err := m.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

func partialOf(t testing.TB, s *Trainer, lines []string) stage.Partial {
	t.Helper()
	p := s.NewPartial()
	if err := p.Add(mapped(t, s.Key(), lines)); err != nil {
		t.Fatal(err)
	}
	return p
}

func finish(t testing.TB, s *Trainer, ws stage.Workspace, sealed ...[]byte) (string, error) {
	t.Helper()
	var in []stage.Sealed
	for _, b := range sealed {
		in = append(in, stage.Sealed{Size: int64(len(b)), Data: memoryFile{bytes.NewReader(b)}})
	}
	if m, err := s.Finish(t.Context(), in, ws); m != nil || err != nil {
		return "", err
	}
	f, size, err := ws.Open(t.Context(), stage.ResultFile)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b), nil
}

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

var sample = []string{
	`{"text":"Kaixo, mundua! Hau da testua. Hau ere testua da.\n\nBeste lerro bat."}`,
	`{"text":"caf\u00e9 2026 12345"}`,
	`{"text":""}`,
	`{"text":7}`,
	`{"n":"no text"}`,
	`no JSON`,
	`{"text":"it's  we'll   x\t\ty","curate":{"a":1}}`,
	`{"text":"\ud83d\ude00 日本語のテキスト"}`,
}

func TestStage(t *testing.T) {
	var lines [][]byte
	for _, l := range sample {
		lines = append(lines, []byte(l))
	}
	rng := rand.New(rand.NewPCG(3, 0))
	for i := range 60 {
		lines = append(lines, fmt.Appendf(nil, `{"text":%q,"id":%d}`, strings.Repeat("hitz berri ", rng.IntN(5))+fmt.Sprint("etxe", i*i%23), i))
	}
	for _, s := range []Settings{
		{PreTokenizer: named(t, "llama3"), Config: Config{VocabSize: 330, MinFrequency: 2, Special: []string{DefaultSpecial}}},
		{PreTokenizer: named(t, "gpt2"), Config: Config{VocabSize: 5000}},
		{PreTokenizer: named(t, "qwen2"), Config: Config{VocabSize: 300, Ties: "rustbpe", SeenBytes: true, LimitAlphabet: 20}, Counting: Counting{MaxWords: 9, Weights: []Weight{weight(t, "id=7:3"), weight(t, "id=8:0"), weight(t, "id=9:0.25")}}},
		{Config: Config{VocabSize: 300}, Counting: Counting{Weights: []Weight{weight(t, "id=7:3"), weight(t, "id=9:0.25")}, OtherWeight: RefuseOthers}},
	} {
		stagetest.Reducer(t, mustNew(t, s), lines)
	}
}

func TestResult(t *testing.T) {
	var said []Report
	s := mustNew(t, Settings{
		Config: Config{VocabSize: 500, MinFrequency: 2, Special: []string{DefaultSpecial, `<"\n>` + "\n"}},
		Report: func(r Report) { said = append(said, r) },
	})
	got, err := finish(t, s, stagetest.NewWorkspace(16<<20, 1), seal(t, partialOf(t, s, sample)))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Added []struct {
			ID      int
			Content string
			Special bool
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int
			Merges []string
		}
	}
	if err := json.Unmarshal([]byte(got), &file); err != nil {
		t.Fatalf("%v in\n%s", err, got)
	}
	m := file.Model
	if len(file.Added) != 2 || file.Added[1].ID != 1 || file.Added[1].Content != "<\"\\n>\n" || !file.Added[0].Special || m.Vocab[DefaultSpecial] != 0 {
		t.Errorf("special tokens: %+v", file.Added)
	}
	if len(m.Vocab) != 258+len(m.Merges) || len(m.Merges) < 10 || m.Vocab["ĠHau"] == 0 {
		t.Errorf("%d entries, %d merges: %q", len(m.Vocab), len(m.Merges), m.Merges)
	}
	// Kaixo , Ġmundua ! ĠHau Ġda Ġtestua . ĠHau Ġere Ġtestua Ġda .ĊĊ Beste Ġlerro Ġbat . | café Ġ 202 6 Ġ 123 45 |
	// it 's Ġ Ġwe 'll ĠĠ Ġx ĉ ĉy | 😀 Ġ日本語のテキスト
	if want := (Report{Distinct: 29, Pretokens: 35, Asked: 500, Entries: len(m.Vocab), Merges: len(m.Merges), Bytes: 256}); len(said) != 1 || said[0] != want {
		t.Errorf("reported %+v, want %+v", said, want)
	}
	empty, err := finish(t, s, stagetest.NewWorkspace(16<<20, 1))
	if err != nil || !strings.HasSuffix(empty, `"merges": []`+"\n  }\n}\n") {
		t.Errorf("of no text: %v\n%s", err, empty[max(0, len(empty)-100):])
	}
}

func TestLongPretokens(t *testing.T) {
	s := mustNew(t, Settings{})
	long := strings.Repeat("a", maxPretoken)
	p := partialOf(t, s, []string{`{"text":"` + long + `"}`, `{"text":"` + long + `a b"}`}).(*partial)
	if n := len(p.counts.entries); n != 2 { // the first, and " b"
		t.Errorf("%d pretokens", n)
	}
}

func TestMemory(t *testing.T) {
	s := mustNew(t, Settings{})
	var lines []string
	for i := range 20_000 {
		lines = append(lines, fmt.Sprintf(`{"text":"%s"}`, strings.Map(func(r rune) rune { return r - '0' + 'k' }, fmt.Sprint(i*7919))))
	}
	sealed := seal(t, partialOf(t, s, lines))
	for _, memory := range []int64{1 << 10, 300 << 10, 1 << 20} {
		_, err := finish(t, s, stagetest.NewWorkspace(memory, 1), sealed)
		if me := new(MemoryError); !errors.As(err, &me) || !strings.Contains(err.Error(), "raise --memory") || me.Need <= memory || me.Have != memory {
			t.Errorf("with %d bytes: %v", memory, err)
		}
	}
	want, err := finish(t, s, stagetest.NewWorkspace(1<<30, 8), sealed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := finish(t, s, stagetest.NewWorkspace(8<<20, 1), sealed); err != nil || got != want {
		t.Errorf("with 8 MiB: another result, or %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		s    Settings
		want string
	}{
		{Settings{Counting: Counting{TextField: "a..b"}, Config: Config{VocabSize: 999}}, "a..b"},
		{Settings{Counting: Counting{MaxWords: -1}, Config: Config{VocabSize: 999}}, "at least 1"},
		{Settings{Config: Config{VocabSize: 999, Ties: "rustbp"}}, `no rule for ties is called "rustbp"; did you mean "rustbpe"?`},
		{Settings{Config: Config{VocabSize: 999, LimitAlphabet: 9}}, "all 256 are asked for"},
		{Settings{Config: Config{VocabSize: 999, SeenBytes: true, LimitAlphabet: 257}}, "1 to 256"},
		{Settings{Config: Config{VocabSize: 999, MinFrequency: 1 << 41}}, "at most"},
		{Settings{Config: Config{VocabSize: 99, SeenBytes: true, LimitAlphabet: 100}}, "no room for 0 special tokens and 100 bytes"},
		{Settings{Counting: Counting{OtherWeight: "2"}, Config: Config{VocabSize: 999}}, "no source has one"},
		{Settings{}, "no room"},
	} {
		if _, err := New(c.s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.s, err, c.want)
		}
	}
	if _, err := PreTokenizerNamed("llama2"); err == nil || err.Error() != `no pre-tokenizer is called "llama2"; did you mean "llama3"?` {
		t.Error(err)
	}
}

// TestAdd: a batch that was not mapped has no pretokens, and a key that is none is an error.
func TestAdd(t *testing.T) {
	b := &record.Batch{}
	b.Append(1, 1, []byte("{}")).SetKey([]byte("\x01\x05abc"))
	b.Parse()
	if err := newPartial(t).Add(b); err == nil {
		t.Error("a damaged key was taken")
	}
	p := newPartial(t)
	if err := errors.Join(p.counts.add([]byte("a"), 1<<62), p.counts.add([]byte("a"), 1<<62)); err != errOverflow && !errors.Is(err, errOverflow) {
		t.Errorf("2^63: %v", err)
	}
}

func TestPartialSize(t *testing.T) {
	s := mustNew(t, Settings{})
	var lines []string
	for i := range 50_000 {
		lines = append(lines, fmt.Sprintf(`{"text":"%x"}`, i*7919*7919))
	}
	b := mapped(t, s.Key(), lines)
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
	if size := float64(p.Size()); size < 0.9*held || size > 1.3*held {
		t.Errorf("Size says %.0f bytes, the heap grew by %.0f", size, held)
	}
	runtime.KeepAlive(b)
	runtime.KeepAlive(s)
}

func TestAllocs(t *testing.T) {
	s := mustNew(t, Settings{})
	w, p := s.Key().NewWorker(), s.NewPartial()
	b := &record.Batch{}
	lines := [][]byte{[]byte(sample[0]), []byte(sample[1]), []byte(sample[6]), []byte(sample[7])}
	once := func() {
		b.Reset()
		for i, l := range lines {
			b.Append(record.ID(i), 0, l)
		}
		b.Parse()
		if err := errors.Join(w.Map(t.Context(), b), p.Add(b)); err != nil {
			t.Fatal(err)
		}
	}
	once()
	if n := testing.AllocsPerRun(50, once); n > 0 {
		t.Errorf("%v allocations for %d records", n, len(lines))
	}
}
