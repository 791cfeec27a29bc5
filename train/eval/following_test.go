package eval

import (
	"math"
	"strings"
	"testing"

	"curate/train/eval/ifeval"
)

func promptWith(t *testing.T, n int) *ifeval.Prompt {
	t.Helper()
	ids, kwargs := strings.Repeat(`"punctuation:no_comma",`, n), strings.Repeat(`{},`, n)
	p, err := ifeval.Read([]byte(`{"prompt":"x","instruction_id_list":[` + ids[:len(ids)-1] + `],"kwargs":[` + kwargs[:len(kwargs)-1] + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestInstructions: four accuracies and their standard errors, written out.
func TestInstructions(t *testing.T) {
	var c Instructions
	yes, no := true, false
	c.Add(promptWith(t, 2), []bool{yes, no}, []bool{yes, yes})
	c.Add(promptWith(t, 1), []bool{yes}, []bool{yes})
	c.Add(promptWith(t, 3), []bool{no, no, yes}, []bool{no, yes, yes})
	c.Add(promptWith(t, 2), []bool{yes, yes}, []bool{yes, yes})
	c.Tokens = 9
	r := c.Result()
	if r.Kind != KindInstructions || r.Rows != 4 || r.Tokens != 9 || len(r.Instructions) != 1 || r.Instructions[0] != (InstructionCount{"punctuation:no_comma", 8, 5, 7}) {
		t.Errorf("%+v", r)
	}
	// A ratio's standard error is √(n/(n-1) Σ(a - ratio·b)²) / Σb.
	ratioError := func(ratio float64, a, b [4]float64) float64 {
		sum := 0.0
		for i := range a {
			sum += (a[i] - ratio*b[i]) * (a[i] - ratio*b[i])
		}
		return math.Sqrt(4./3*sum) / 8
	}
	b := [4]float64{2, 1, 3, 2}
	for _, want := range []struct {
		name          string
		value, stderr float64
	}{
		{"prompt_level_strict_acc", 2. / 4, math.Sqrt(.25 / 3)},
		{"inst_level_strict_acc", 5. / 8, ratioError(5./8, [4]float64{1, 1, 1, 2}, b)},
		{"prompt_level_loose_acc", 3. / 4, math.Sqrt(.75 * .25 / 3)},
		{"inst_level_loose_acc", 7. / 8, ratioError(7./8, [4]float64{2, 1, 2, 2}, b)},
	} {
		found := false
		for _, m := range r.Metrics {
			if m.Name == want.name {
				found = true
				if math.Abs(*m.Value-want.value) > 1e-12 || math.Abs(*m.Stderr-want.stderr) > 1e-12 || m.Chance != nil {
					t.Errorf("%+v, not %v ± %v", m, want.value, want.stderr)
				}
			}
		}
		if !found {
			t.Errorf("%s is missing", want.name)
		}
	}
	if r := (&Instructions{}).Result(); r.Rows != 0 || r.Metrics[0].Value != nil || r.Metrics[1].Value != nil {
		t.Errorf("of nothing: %+v", r.Metrics)
	}
}

func TestReadVerdict(t *testing.T) {
	for answer, want := range map[string]Verdict{
		"[[A]]": VerdictFirst, "At first I took [[A]], but: [[B]]": VerdictSecond, "Berdinak dira.\n[[C]]\n": VerdictTie, "[A]": "", "": "", "[[a]]": "",
	} {
		if v, ok := ReadVerdict(answer); v != want || ok != (want != "") {
			t.Errorf("%q is %q, %v", answer, v, ok)
		}
	}
}

func TestJudgeTemplate(t *testing.T) {
	for _, lang := range JudgeLanguages() {
		b, ok := BuiltinJudge(lang)
		if !ok {
			t.Fatal(lang)
		}
		if _, err := NewJudgeTemplate(b.text); err != nil {
			t.Errorf("%s: %v", lang, err)
		}
		// What looks like a part of the template is text.
		q := b.Question("do {answer_b}", "one {instruction}", "two {answer_a}")
		for _, part := range []string{"\ndo {answer_b}\n", "\none {instruction}\n", "\ntwo {answer_a}\n", "[[A]]", "[[B]]", "[[C]]"} {
			if strings.Count(q, part) != 1 {
				t.Errorf("%s: %q is %d times in\n%s", lang, part, strings.Count(q, part), q)
			}
		}
	}
	if _, ok := BuiltinJudge("fr"); ok {
		t.Error("there is a template of French")
	}
	if _, err := NewJudgeTemplate("{instruction} {answer_a}"); err == nil || !strings.Contains(err.Error(), "{answer_b}") {
		t.Error(err)
	}
}

func TestWinRate(t *testing.T) {
	const a, b, tie, none = VerdictFirst, VerdictSecond, VerdictTie, VerdictNone
	w := &WinRate{Seed: 7}
	for _, v := range [][2]Verdict{
		{a, b},     // won: 1
		{a, b},     // won: 1
		{b, a},     // lost: 0
		{a, a},     // the first each time: 1/2, inconsistent
		{tie, b},   // 3/4, inconsistent
		{tie, tie}, // 1/2
		{none, b},  // no pair
	} {
		w.Add(v[0], v[1], 0)
	}
	r := w.Result()
	scores := []float64{1, 1, 0, .5, .75, .5}
	mean, square := 0.0, 0.0
	for _, s := range scores {
		mean += s / 6
	}
	for _, s := range scores {
		square += (s - mean) * (s - mean)
	}
	m := r.Metrics[0]
	if r.Rows != 6 || r.Quarantined != 1 || r.Wins != 2 || r.Losses != 1 || r.Even != 3 || r.Inconsistent != 2 || m.Name != "win_rate" ||
		math.Abs(*m.Value-mean) > 1e-12 || math.Abs(*m.Stderr-math.Sqrt(square/30)) > 1e-12 || *m.Chance != .5 || !m.AtChance {
		t.Errorf("%+v %+v", r, m)
	}
	// Of the 9 verdicts that are no tie, 2 + 1 + 2 + 0 are for the first answer.
	if bias := r.Metrics[2]; bias.Name != "first_rate" || *bias.Value != 5./9 {
		t.Errorf("%+v", bias)
	}
	// Where no answer is longer, length changes nothing.
	if c := r.Metrics[1]; c.Name != "win_rate_length_controlled" || math.Abs(*c.Value-mean) > 1e-8 {
		t.Errorf("%+v, not %v", c, mean)
	}
	if again := w.Result(); *again.Metrics[0].Interval != *m.Interval || m.Interval[0] >= *m.Value || m.Interval[1] <= *m.Value {
		t.Errorf("%v and %v", *again.Metrics[0].Interval, *m.Interval)
	}
	if r := (&WinRate{}).Result(); r.Rows != 0 || r.Metrics[0].Value != nil || r.Metrics[0].Interval != nil {
		t.Errorf("of nothing: %+v", r)
	}
}

// TestWinRateInterval: of many pairs the bootstrap's interval is that of the normal distribution.
func TestWinRateInterval(t *testing.T) {
	w := &WinRate{Seed: 1}
	for i := range 1000 {
		if i%4 == 0 {
			w.Add(VerdictSecond, VerdictFirst, 0)
		} else {
			w.Add(VerdictFirst, VerdictSecond, 0)
		}
	}
	m := w.Result().Metrics[0]
	for i, z := range []float64{-1.96, 1.96} {
		if want := .75 + z*math.Sqrt(.75*.25/1000); math.Abs(m.Interval[i]-want) > 0.004 {
			t.Errorf("%v, not about %v", m.Interval[i], want)
		}
	}
	if m.AtChance {
		t.Error("three of four are at chance")
	}
}

// TestLengthControlled: where the longer answer wins, and nothing else counts, the model's long answers are worth a half.
func TestLengthControlled(t *testing.T) {
	w := &WinRate{}
	for i := range 400 {
		longer := i%40 - 10 // mostly longer
		p := 1 / (1 + math.Exp(-3*math.Tanh(float64(longer)/11.54)))
		if float64(i/40)+.5 < 10*p {
			w.Add(VerdictFirst, VerdictSecond, longer)
		} else {
			w.Add(VerdictSecond, VerdictFirst, longer)
		}
	}
	r := w.Result()
	if raw, controlled := *r.Metrics[0].Value, *r.Metrics[1].Value; raw < .6 || math.Abs(controlled-.5) > .05 {
		t.Errorf("%v, controlled %v", raw, controlled)
	}
	// Length alone tells all apart: a number all the same.
	w = &WinRate{}
	for i := range 20 {
		if i < 10 {
			w.Add(VerdictFirst, VerdictSecond, 5)
		} else {
			w.Add(VerdictSecond, VerdictFirst, -5)
		}
	}
	if c := *w.Result().Metrics[1].Value; math.Abs(c-.5) > 1e-6 {
		t.Error(c)
	}
	w = &WinRate{}
	for range 5 {
		w.Add(VerdictFirst, VerdictSecond, 5)
	}
	if c := *w.Result().Metrics[1].Value; c != 1 {
		t.Error(c)
	}
}

func TestMergeAndSummary(t *testing.T) {
	result := func(kind, name, metric string, value, stderr float64) *Result {
		return &Result{Kind: kind, Name: name, Rows: 10, Metrics: []Metric{{Name: metric, Value: &value, Stderr: &stderr}}}
	}
	one := &Report{Version: 1, Program: "p", Kernels: "portable", Precision: "f32", Models: []Model{
		{Name: "base", Dir: "b", Results: []*Result{result(KindChoice, "eu/one", "acc", .4, .03), result(KindChoice, "eu/two", "acc", .6, .04), result(KindChoice, "en", "acc", .5, .1)}},
		{Name: "sft", Dir: "s", Results: []*Result{result(KindInstructions, "eu", "prompt_level_strict_acc", .25, .01)}},
	}}
	two := &Report{Version: 1, Models: []Model{{Name: "sft", Results: []*Result{result(KindJudge, "eu", "win_rate", .75, .02)}}, {Name: "new", Results: nil}}}
	r, err := Merge([]*Report{one, two})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Models) != 3 || len(r.Models[1].Results) != 2 || r.Models[1].Dir != "s" || r.Program != "p" || len(one.Models[1].Results) != 1 {
		t.Errorf("%+v", r)
	}
	var b strings.Builder
	r.Summarize()
	writeTable(&b, r.summaryTable(), 2)
	const want = `               choice acc  instructions strict         win rate
base  eu  50.00 ± 2.50 %
base  en 50.00 ± 10.00 %
sft   eu                       25.00 ± 1.00 %  75.00 ± 2.00 %
`
	if got := strings.Join(strings.Fields(b.String()), " "); got != strings.Join(strings.Fields(want), " ") {
		t.Errorf("%s", b.String())
	}
	if v := r.Summary[0].Values[0]; v.Kind != KindChoice || v.Metric != "acc" || v.Value != .5 || math.Abs(*v.Stderr-.025) > 1e-15 {
		t.Errorf("%+v", v)
	}
	for models, want := range map[int]bool{1: false, 2: true} {
		part := &Report{Models: one.Models[:models]}
		if part.Summarize(); (part.Summary != nil) != want {
			t.Errorf("of %d models: %+v", models, part.Summary)
		}
	}
	if back, err := Merge([]*Report{two, one}); err != nil || back.Models[0].Dir != "s" || len(back.Models[0].Results) != 2 {
		t.Errorf("%+v %v", back, err)
	}
	if _, err := Merge([]*Report{one, one}); err == nil || !strings.Contains(err.Error(), "there twice") {
		t.Error(err)
	}
	if _, err := Merge([]*Report{one, {Version: 1, Models: []Model{{Name: "sft", Dir: "other"}}}}); err == nil || !strings.Contains(err.Error(), "two models are called") {
		t.Error(err)
	}
}

// FuzzReport: whatever a file holds, it is refused or printed.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"version":1,"models":[{"name":"a","results":[{"kind":"judge","name":"eu","rows":1,"metrics":[{"metric":"win_rate","value":0.5,"ci95":[0,1]}]},{"kind":"pairs","name":"eu/x","metrics":[{"metric":"acc","value":1e308,"stderr":-1}]}]}]}`))
	f.Add([]byte(`{"version":1,"models":[{"name":"a","results":[{"kind":"bits","name":"","groups":[{"group":""}]},{"kind":"positions","positions":[{}]},null]}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadReport(b)
		if err != nil {
			return
		}
		all, err := Merge([]*Report{r})
		if err != nil {
			return
		}
		var out strings.Builder
		if err := all.Table(&out); err != nil {
			t.Fatal(err)
		}
		if len(all.Models) > len(r.Models) {
			t.Errorf("%d models of %d", len(all.Models), len(r.Models))
		}
	})
}
