package filter

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
)

// TestStepped: a signal stays on its side of every threshold of six decimals, and nearly where it was.
func TestStepped(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want string
	}{
		{0, "0"}, {1, "1"}, {0.25, "0.25"}, {31, "31"}, {1.0 / 3, "0.3333335"}, {2.0 / 3, "0.6666665"}, {1e-9, "0.0000005"}, {-1e-9, "-0.0000005"},
		{math.Nextafter(0.3, 1), "0.3000005"}, {0.3, "0.3"}, {123456.7, "123456.7"}, {1 << 60, "1152921504606847000"}, {math.Inf(1), "1.7976931348623157e+308"},
	} {
		if got := string(appendStep(nil, c.v)); got != c.want {
			t.Errorf("%v: %s, want %s", c.v, got, c.want)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	for range 200_000 {
		a, b := rng.IntN(5000), 1+rng.IntN(5000)
		v := float64(a) / float64(b)
		if rng.IntN(3) == 0 {
			v = math.Nextafter(v, float64(rng.IntN(2))*1e9)
		}
		s := stepped(v)
		k := math.Round(v*1e6) + float64(rng.IntN(3)-1)
		threshold := k / 1e6
		if (v < threshold) != (s < threshold) || (v > threshold) != (s > threshold) || math.Abs(s-v) > 1e-6 || stepped(s) != s {
			t.Fatalf("%v becomes %v, threshold %v", v, s, threshold)
		}
	}
}

// rowsOf are the sidecar's rows of texts under a profile.
func rowsOf(t testing.TB, f *Filter, texts []string) []map[string]any {
	t.Helper()
	b := &record.Batch{}
	var lines [][]byte
	for i, s := range texts {
		l, err := json.Marshal(map[string]any{"id": i, "text": s})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	for i := range lines {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), lines[i])
	}
	b.Parse()
	if err := f.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	for i := range b.Records {
		var row map[string]any
		if err := json.Unmarshal(b.Records[i].Signals(), &row); err != nil {
			t.Fatalf("%s: %v", b.Records[i].Signals(), err)
		}
		rows = append(rows, row)
	}
	return rows
}

// decisions applies thresholds to rows.
func decisions(th *Thresholds, rows []map[string]any) []int32 {
	columns := make([][]float64, len(th.Signals()))
	for i, s := range th.Signals() {
		for _, r := range rows {
			v, ok := r[s].(float64)
			if !ok {
				v = math.NaN()
			}
			columns[i] = append(columns[i], v)
		}
	}
	first, backwards := make([]int32, len(rows)), make([]int32, len(rows))
	th.Decide(first, columns)
	for i := range backwards {
		backwards[i] = Passes
	}
	for k := len(columns) - 1; k >= 0; k-- {
		th.DecideSignal(backwards, k, columns[k])
	}
	if !slices.Equal(first, backwards) {
		panic("what is decided depends on the order of the signals")
	}
	for i, r := range rows {
		if r[RowWithout] == WithoutText {
			first[i] = Empty
		}
	}
	return first
}

func textsOfDocs(t testing.TB) (texts []string) {
	for _, d := range testdata(t) {
		texts = append(texts, d.Text)
	}
	return append(texts, "", " \n", "a", "hello hello hello")
}

// TestThresholds: decisions from the signals are those from the text, for every profile of the table and for its
// thresholds changed at random, to values that occur among others.
func TestThresholds(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 5))
	texts := textsOfDocs(t)
	for _, p := range Profiles() {
		if needsMore(p) || len(p.Languages) > 0 {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			made, err := NewOf(p, Config{Signals: true})
			if err != nil {
				t.Fatal(err)
			}
			rows := rowsOf(t, made, texts)
			for round := range 20 {
				q := p
				q.Name, q.Rules = fmt.Sprintf("%s %d", p.Name, round), slices.Clone(p.Rules)
				behind := len(q.Rules) - 1 // the first rule that edits and has rules behind it keeps its thresholds
				for i := range q.Rules {
					rule, _ := ruleNamed(q.Rules[i].Rule)
					if round == 0 || rule.Edit != nil && i < behind {
						continue
					}
					q.Rules[i].Set = slices.Clone(q.Rules[i].Set)
					for k := range rule.Tests {
						test := &rule.Tests[k]
						at, ok := rule.param(test.Param)
						if !ok || rule.Params[at].Inside || test.Compare == Found || rng.IntN(2) == 0 {
							continue
						}
						v, ok := rows[rng.IntN(len(rows))][test.Signal].(float64)
						if !ok {
							continue
						}
						v = math.Round(v*1e6) / 1e6
						q.Rules[i].Set = mergeSettings(q.Rules[i].Set, []Setting{{test.Param, math.Max(0, v+float64(rng.IntN(3)-1)*1e-6*float64(rng.IntN(2))), ""}})
						for n := range q.Rules[i].Set { // on the grid again
							if x, ok := q.Rules[i].Set[n].Value.(float64); ok {
								q.Rules[i].Set[n].Value = math.Round(x*1e6) / 1e6
							}
						}
					}
				}
				f, err := NewOf(q, Config{})
				if err != nil {
					t.Fatal(err)
				}
				th, err := f.Thresholds()
				if err != nil {
					t.Fatal(err)
				}
				first := decisions(th, rows)
				v := f.NewView()
				for i, text := range texts {
					rule, reason := f.Check(v, []byte(text))
					gotRule, got := th.Reason(first[i])
					if gotRule != rule || got != reason {
						t.Fatalf("seed %d, round %d, text %d: %s:%s from the signals, %s:%s from the text", seed, round, i, gotRule, got, rule, reason)
					}
					if err := th.CheckBasis(rows[i][RowBasis].(string)); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// TestBasis: signals that the profile would compute otherwise are refused, and named.
func TestBasis(t *testing.T) {
	basisOf := func(rules ...RuleUse) string {
		return rowsOf(t, must(NewOf(Profile{Name: "made", Version: 1, Words: "whitespace", Rules: rules}, Config{Signals: true})), []string{"text"})[0][RowBasis].(string)
	}
	quality, lines := RuleUse{Rule: "gopher_quality"}, RuleUse{Rule: "fineweb_quality"}
	c4 := RuleUse{Rule: "c4_quality"}
	with := func(u RuleUse, param string, v any) RuleUse {
		u.Set = []Setting{{param, v, ""}}
		return u
	}
	for _, c := range []struct {
		name  string
		made  []RuleUse
		asked []RuleUse
		err   string
	}{
		{"the same", []RuleUse{quality}, []RuleUse{quality}, ""},
		{"fewer, in another order", []RuleUse{lines, quality}, []RuleUse{quality}, ""},
		{"other thresholds", []RuleUse{quality}, []RuleUse{with(quality, "min_doc_words", 3)}, ""},
		{"other stop words", []RuleUse{quality}, []RuleUse{with(quality, "stop_words", []string{"eta"})}, "the signals of gopher_quality (words, mean_word_length, "},
		{"an inner parameter", []RuleUse{lines}, []RuleUse{with(lines, "short_line_length", 20)}, "the signals of fineweb_quality (text_lines, line_punct, "},
		{"missing", []RuleUse{quality}, []RuleUse{quality, lines}, "it lacks the signals of fineweb_quality (text_lines, line_punct, "},
		{"an edit before it", []RuleUse{c4, lines}, []RuleUse{lines}, "the signals of fineweb_quality"},
		{"the same edit before it", []RuleUse{c4, lines}, []RuleUse{c4, lines}, ""},
		{"an edit with another threshold before it", []RuleUse{c4, lines}, []RuleUse{with(c4, "min_num_sentences", 2), lines}, "the signals of fineweb_quality"},
		{"an edit with another threshold behind it", []RuleUse{lines, c4}, []RuleUse{lines, with(c4, "min_num_sentences", 2)}, ""},
	} {
		f, err := NewOf(Profile{Name: "asked", Version: 1, Words: "whitespace", Rules: c.asked}, Config{})
		if err != nil {
			t.Fatal(err)
		}
		th, err := f.Thresholds()
		if err != nil {
			t.Fatal(err)
		}
		if err := th.CheckBasis(basisOf(c.made...)); (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	f := must(NewOf(Profile{Name: "fine", Version: 1, Words: "whitespace", Rules: []RuleUse{with(lines, "line_punct_thr", 0.1234567)}}, Config{}))
	if _, err := f.Thresholds(); err == nil || !strings.Contains(err.Error(), "fineweb_quality.line_punct_thr is 0.1234567") {
		t.Errorf("a threshold of seven decimals: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestRow holds what a row is.
func TestRow(t *testing.T) {
	f := must(NewOf(Profile{Name: "p", Version: 1, Words: "whitespace", Rules: []RuleUse{{Rule: "fineweb_quality"}}}, Config{Signals: true, IDField: record.MustPath("meta.id")}))
	basis := f.basis
	for _, c := range []struct{ line, want string }{
		{`{"meta":{"id":"a\"b"},"text":"One. Two\nthree"}`, `{"record":1,"id":"a\"b","basis":"` + basis + `","text_lines":2,"line_punct":0,"short_lines":1,"dup_text_line_chars":0,"lines_per_word":0.3333335}`},
		{`{"text":""}`, `{"record":1,"basis":"` + basis + `","without":"empty_text"}`},
		{`{"meta":{"id":[1]},"text":" "}`, `{"record":1,"basis":"` + basis + `","text_lines":0}`},
		{`{"meta":{"id":7},"text":5}`, ``},
	} {
		if got := string(mapOne(t, f, c.line).Signals()); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.line, got, c.want)
		}
	}
}

// TestNoAllocationForRows: a row costs none.
func TestNoAllocationForRows(t *testing.T) {
	f := mustNew(t, Config{Profile: "fineweb", Signals: true})
	w := f.NewWorker()
	b := &record.Batch{}
	all := lines(t)
	run := func() {
		b.Reset()
		for i, l := range all {
			b.Append(record.MakeID(1, int64(i)), int64(i+1), l)
		}
		b.Parse()
		for i := range b.Records {
			if b.Records[i].Outcome != record.Keep {
				continue
			}
		}
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	quarantined := func() float64 { // errors are allowed to allocate; the rows are not
		plain := mustNew(t, Config{Profile: "fineweb", Annotate: false})
		w = plain.NewWorker()
		run()
		return testing.AllocsPerRun(3, run)
	}()
	w = f.NewWorker()
	run()
	if got := testing.AllocsPerRun(3, run); got > quarantined+1 {
		t.Errorf("%v allocations with rows, %v without", got, quarantined)
	}
}

// TestComparing holds the counts and which examples are shown.
func TestComparing(t *testing.T) {
	a := must(NewOf(Profile{Name: "a", Version: 1, Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{"min_doc_words", 3, ""}, {"min_stop_words", 0, ""}}}}}, Config{}))
	b := must(NewOf(Profile{Name: "b", Version: 1, Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{"min_doc_words", 2, ""}, {"max_avg_word_length", 6, ""}, {"min_stop_words", 0, ""}}}}}, Config{}))
	c := Comparing{Examples: 1}
	da, db := a.NewDecider(), b.NewDecider()
	for i, text := range []string{"one two three", "one two", "four five", "incomprehensible words here", "one", "", "extraordinary"} {
		batch := &record.Batch{}
		r := batch.Append(1, 1, []byte(`{"text":`+quote(text)+`}`))
		batch.Parse()
		ga, gb := must(da.Record(r)), must(db.Record(r))
		c.Add(ga, gb, func() string { return fmt.Sprint(i) })
	}
	d := c.Differences()
	got := fmt.Sprintf("%d: %d %d %d %d;", d.Documents, d.BothKeep, d.OnlyA, d.OnlyB, d.BothDrop)
	for _, ch := range d.Changes {
		got += fmt.Sprintf(" %d %s -> %s", ch.Documents, ch.A, ch.B)
		for _, e := range ch.Examples {
			got += fmt.Sprintf(" [%s: %s %v %s, %s %v %s]", e.ID, e.A.Signal, e.A.Value, e.A.Condition(), e.B.Signal, e.B.Value, e.B.Condition())
		}
		got += ";"
	}
	want := "7: 1 1 2 3;" +
		" 2 gopher_quality:gopher_short_doc ->  [1: words 2 < 3,  0 > 0];" +
		" 1  -> gopher_quality:gopher_above_avg_threshold [3:  0 > 0, mean_word_length 8.3333335 > 6];"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func BenchmarkDecide(b *testing.B) {
	th := must(mustNew(b, Config{Profile: "fineweb"}).Thresholds())
	rng := rand.New(rand.NewPCG(1, 1))
	columns := make([][]float64, len(th.Signals()))
	for i := range columns {
		columns[i] = make([]float64, 2048)
		for k := range columns[i] {
			columns[i][k] = rng.Float64()
		}
	}
	first := make([]int32, 2048)
	b.ReportAllocs()
	for b.Loop() {
		th.Decide(first, columns)
	}
	b.ReportMetric(2048*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
