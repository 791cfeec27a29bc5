package audit

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// firstLetter is an engine of languages.
func firstLetter() func(line []byte) string {
	return func(line []byte) string { return string(line[:1]) }
}

func mustBuild(t testing.TB, cfg Config) *Audit {
	t.Helper()
	a, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// corpus are records of random lines: some of them in many documents, some with something wrong.
func corpus(rng *rand.Rand, n int) (lines [][]byte, texts, groups []string) {
	often := []string{"Cookie policy", "Share this page", "  All rights reserved. ", "Read more"}
	odd := []string{"<b>bold</b>", "tambiÃ©n", "a\\u0000b", "&nbsp;", "class=\\\"x\\\"", "\\ufffd", strings.Repeat("9", 40), strings.Repeat("WORDS ", 20)}
	for range n {
		var doc []string
		for range rng.IntN(6) {
			switch rng.IntN(4) {
			case 0:
				doc = append(doc, often[rng.IntN(len(often))])
			case 1:
				doc = append(doc, odd[rng.IntN(len(odd))])
			default:
				doc = append(doc, fmt.Sprintf("%c line %d of many words in it", 'a'+rune(rng.IntN(3)), rng.IntN(4*n)))
			}
		}
		text := strings.Join(doc, "\\n")
		g := []string{`"eu"`, `"en"`, `7`, `null`}[rng.IntN(4)]
		lines = append(lines, fmt.Appendf(nil, `{"text":"%s","g":%s}`, text, g))
		var s string
		if err := json.Unmarshal([]byte(`"`+text+`"`), &s); err != nil {
			panic(err)
		}
		texts, groups = append(texts, s), append(groups, g)
	}
	return lines, texts, groups
}

func TestReducer(t *testing.T) {
	lines, _, _ := corpus(rand.New(rand.NewPCG(1, 2)), 40)
	for _, l := range []string{`{"text":7}`, `no`, `{}`, `{"text":"x","g":"` + strings.Repeat("g", 1100) + `"}`, `{"text":""}`, `{"text":"x","g":{"a": 1}}`} {
		lines = append(lines, []byte(l))
	}
	t.Run("grouped", func(t *testing.T) {
		stagetest.Reducer(t, mustBuild(t, Config{By: "g", LanguageLines: 2, Languages: firstLetter}), lines)
	})
	t.Run("all", func(t *testing.T) { stagetest.Reducer(t, mustBuild(t, Config{}), lines) })
}

// sealed are the lines as splits of random sizes, in batches. IDs are the numbers of the lines.
func sealed(t testing.TB, a *Audit, rng *rand.Rand, lines [][]byte) [][]byte {
	t.Helper()
	var files [][]byte
	w := a.Key().NewWorker()
	p := a.NewPartial()
	sealIt := func() {
		var b bytes.Buffer
		if err := p.Seal(&b); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
		p = a.NewPartial()
	}
	for i := 0; i < len(lines); {
		n := min(len(lines)-i, 1+rng.IntN(20))
		b := &record.Batch{}
		for k := range n {
			b.Append(record.MakeID(1, int64(i+k)), int64(i+k+1), lines[i+k])
		}
		i += n
		b.Parse()
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		q := a.NewPartial()
		if err := q.Add(b); err != nil {
			t.Fatal(err)
		}
		if err := p.Join(q); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(3) == 0 {
			sealIt()
		}
	}
	sealIt()
	return files
}

func merge(a *Audit, files ...[]byte) ([]byte, error) {
	var in []io.Reader
	for _, f := range files {
		in = append(in, bytes.NewReader(f))
	}
	var b bytes.Buffer
	err := a.Merge(&b, in)
	return b.Bytes(), err
}

// memory is a workspace that holds one result.
type memory struct {
	stage.Workspace
	result []byte
}

func (m *memory) Memory() int64 { return 1 << 20 }

func (m *memory) Make(_ context.Context, _ string, write func(w io.Writer) error) error {
	var b bytes.Buffer
	err := write(&b)
	m.result = b.Bytes()
	return err
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

func finish(t testing.TB, a *Audit, files ...[]byte) *Result {
	t.Helper()
	var in []stage.Sealed
	for _, f := range files {
		in = append(in, stage.Sealed{Size: int64(len(f)), Data: closer{bytes.NewReader(f)}})
	}
	var m memory
	if _, err := a.Finish(t.Context(), in, &m); err != nil {
		t.Fatal(err)
	}
	r := new(Result)
	if err := json.Unmarshal(m.result, r, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestResult compares lines with what a map of all of them says.
func TestResult(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{0, 1, 30, 3000} {
		a := mustBuild(t, Config{By: "g", LanguageLines: 2, Languages: firstLetter, File: func(n int) string { return fmt.Sprintf("in-%d", n) }})
		lines, texts, groups := corpus(rng, n)
		files := sealed(t, a, rng, lines)
		if len(files) > 4 { // as the engine does
			m, err := merge(a, files[:3]...)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files[3:], m)
		}
		r := finish(t, a, files...)

		type often struct {
			docs, times int64
			first       int
		}
		seen := map[string]*often{}
		want := map[string]*Counts{}
		for i, text := range texts {
			g := want[groups[i]]
			if g == nil {
				g = &Counts{}
				want[groups[i]] = g
			}
			g.Documents++
			g.Bytes += int64(len(text))
			own := map[string]bool{}
			for l := range strings.SplitSeq(text, "\n") {
				if l = strings.TrimSpace(l); l == "" {
					continue
				}
				g.Lines++
				g.LineBytes += int64(len(l))
				o := seen[l]
				if o == nil {
					o = &often{first: i}
					seen[l] = o
				} else {
					g.DuplicateLines++
					g.DuplicateBytes += int64(len(l))
				}
				o.times++
				if !own[l] {
					own[l] = true
					o.docs++
				}
			}
		}
		least := max(3, int64(n+999)/1000)
		var boilerplate int64
		for i, text := range texts {
			for l := range strings.SplitSeq(text, "\n") {
				if l = strings.TrimSpace(l); l != "" && seen[l].docs >= least {
					want[groups[i]].BoilerplateLines++
					want[groups[i]].BoilerplateBytes += int64(len(l))
				}
			}
		}
		for _, o := range seen {
			if o.docs >= least {
				boilerplate++
			}
		}
		if r.Boilerplate.Of != int64(len(seen)) || r.Boilerplate.Least != least || r.Boilerplate.Lines != boilerplate {
			t.Errorf("%d documents: %d distinct lines, %d that %d have; want %d, %d, %d", n, r.Boilerplate.Of, r.Boilerplate.Lines, r.Boilerplate.Least, len(seen), boilerplate, least)
		}
		if len(r.Groups) != len(want) {
			t.Fatalf("%d groups, want %d", len(r.Groups), len(want))
		}
		for _, g := range r.Groups {
			w := want[string(g.Group)]
			if w == nil || g.Documents != w.Documents || g.Bytes != w.Bytes || g.Lines != w.Lines || g.LineBytes != w.LineBytes ||
				g.DuplicateLines != w.DuplicateLines || g.DuplicateBytes != w.DuplicateBytes || g.BoilerplateLines != w.BoilerplateLines || g.BoilerplateBytes != w.BoilerplateBytes {
				t.Errorf("%d documents, group %s: %+v\nwant %+v", n, g.Group, g.Counts, w)
			}
		}
		for i, l := range r.Boilerplate.Top {
			o := seen[l.Text]
			if o == nil || l.Documents != o.docs || l.Occurrences != o.times || l.First.Offset != int64(o.first) || l.First.Line != int64(o.first+1) || l.First.File != "in-1" {
				t.Errorf("%d documents: %+v, want %+v", n, l, o)
			}
			if i > 0 && r.Boilerplate.Top[i-1].Documents < l.Documents {
				t.Error("lines are out of order")
			}
		}
		for _, f := range r.Findings {
			for _, e := range f.Examples {
				if !strings.Contains(texts[e.Offset], e.Text) {
					t.Errorf("%s: %q is not in %q", f.Name, e.Text, texts[e.Offset])
				}
			}
			if len(f.Examples) != int(min(f.Documents, maxExamples)) {
				t.Errorf("%s: %d examples of %d documents", f.Name, len(f.Examples), f.Documents)
			}
		}
		longest := slices.MaxFunc(append([]string{""}, texts...), func(a, b string) int { return cmp.Compare(len([]rune(a)), len([]rune(b))) })
		if s := r.Signals[sigCharacters]; longest != "" && (len(s.Largest) == 0 || *s.Largest[0].Value != float64(len([]rune(longest)))) {
			t.Errorf("the longest text is %+v, want %d characters", s.Largest, len([]rune(longest)))
		}
		var table bytes.Buffer
		if err := r.Table(&table); err != nil || table.Len() == 0 {
			t.Error(err)
		}
	}
}

// TestFrequent: a line keeps its text only while one document in a thousand has it, and a merge never needs one that the
// files do not have.
func TestFrequent(t *testing.T) {
	a := mustBuild(t, Config{})
	var lines [][]byte
	for i := range 5000 {
		text := fmt.Sprintf("only %d", i)
		if i%700 == 0 {
			text += `\nnow and then`
		}
		lines = append(lines, fmt.Appendf(nil, `{"text":"%s"}`, text))
	}
	rng := rand.New(rand.NewPCG(1, 1))
	whole := sealed(t, a, rng, lines)
	m, err := merge(a, whole...)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(m, []byte("only 17")) || !bytes.Contains(m, []byte("now and then")) {
		t.Error("texts of lines that are not frequent, or none of one that is")
	}
	if top := finish(t, a, m).Boilerplate.Top; len(top) != 1 || top[0].Text != "now and then" || top[0].Documents != 8 {
		t.Errorf("%+v", top)
	}
}

func TestSpread(t *testing.T) {
	var bins [stage.Bins]int64
	if s := spreadOf(&bins); s.documents != 0 || s.above != 0 {
		t.Errorf("of nothing: %+v", s)
	}
	b := stage.Bin(100)
	bins[0], bins[b], bins[b+7], bins[b-6], bins[b+6] = 50, 100, 1, 2, 4
	s := spreadOf(&bins)
	if s.documents != 157 || s.zeros != 50 || s.q1 != b || s.median != b || s.q3 != b || s.above != 1 || s.below != 0 {
		t.Errorf("%+v", s)
	}
	bins = [stage.Bins]int64{}
	bins[b], bins[b+1], bins[b+2], bins[b+3] = 1, 1, 1, 1
	if s := spreadOf(&bins); s.q1 != b || s.median != b+1 || s.q3 != b+2 {
		t.Errorf("quartiles of four: %+v", s)
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{TextField: "a..b"}, "audit: "},
		{Config{By: "."}, "audit: "},
		{Config{LanguageLines: 101, Languages: firstLetter}, "from 0 to 100"},
		{Config{LanguageLines: 1}, "nobody who answers"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
	a := mustBuild(t, Config{By: "g"})
	p := a.NewPartial()
	for i := range maxGroups + 1 {
		b := &record.Batch{}
		b.Append(record.ID(i), 1, fmt.Appendf(nil, `{"text":"x","g":%d}`, i))
		b.Parse()
		if err := a.Key().NewWorker().Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := p.Add(b); (err != nil) != (i == maxGroups) {
			t.Fatalf("group %d: %v", i, err)
		}
	}
}

// FuzzSealed merges what no Seal has written: it is an error or a file that stays as it is.
func FuzzSealed(f *testing.F) {
	a := mustBuild(f, Config{By: "g", LanguageLines: 1, Languages: firstLetter})
	lines, _, _ := corpus(rand.New(rand.NewPCG(3, 4)), 12)
	files := sealed(f, a, rand.New(rand.NewPCG(5, 6)), lines)
	for _, b := range files {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := merge(a, b)
		if err != nil {
			return
		}
		again, err := merge(a, m)
		if err != nil || !bytes.Equal(m, again) {
			t.Errorf("merged again: %v", err)
		}
		// What is whole in itself may still contradict another file, as by the same records twice; that is an error, too.
		if both, err := merge(a, m, files[0]); err == nil {
			in := []stage.Sealed{{Size: int64(len(both)), Data: closer{bytes.NewReader(both)}}}
			_, _ = a.Finish(t.Context(), in, &memory{})
		}
	})
}

// TestDamage cuts a file at each byte: none of it is taken for a whole one.
func TestDamage(t *testing.T) {
	a := mustBuild(t, Config{By: "g"})
	lines, _, _ := corpus(rand.New(rand.NewPCG(3, 4)), 10)
	whole, err := merge(a, sealed(t, a, rand.New(rand.NewPCG(5, 6)), lines)...)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n++ {
		if n > 100 && len(whole)-n > 200 { // what lies between is parsed anew each time
			n += 30
		}
		if _, err := merge(a, whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for a whole file", n, len(whole))
		}
	}
	if _, err := merge(a, append(whole, 0)); err == nil {
		t.Error("a byte more is not noticed")
	}
}
