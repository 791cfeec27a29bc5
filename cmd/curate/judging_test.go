package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// judgeServer is a judge that prefers what has "good" in it, and of equals the first; it refuses to judge what has
// "forbidden" in it.
type judgeServer struct {
	*httptest.Server
	asked atomic.Int64
	last  atomic.Pointer[string] // question
	each  func(n int64)          // before the answer; may be nil
}

func newJudgeServer(t *testing.T) *judgeServer {
	t.Helper()
	j := &judgeServer{}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, `{"data":[{"id":"judge","max_model_len":8192}]}`)
			return
		}
		var q struct{ Messages []struct{ Content string } }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || len(q.Messages) != 1 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if n := j.asked.Add(1); j.each != nil {
			j.each(n)
		}
		text := q.Messages[0].Content
		j.last.Store(&text)
		// The built-in templates, or that of the test.
		start := strings.Index(text, "[Answer A]")
		middle := strings.Index(text, "[Answer B]")
		if start < 0 {
			start, middle = strings.Index(text, "[A erantzuna]"), strings.Index(text, "[B erantzuna]")
		}
		if start < 0 || middle < start {
			start, middle = 0, strings.Index(text, "|")
		}
		answer := "I weighed [[B]] up. "
		switch a, b := strings.Contains(text[start:middle], "good"), strings.Contains(text[middle:], "good"); {
		case strings.Contains(text, "forbidden"):
			io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":null,"refusal":"I cannot judge that"},"finish_reason":"stop"}]}`)
			return
		case strings.Contains(text, "even"):
			answer += "[[C]]"
		case a == b || a:
			answer += "[[A]]"
		default:
			answer += "[[B]]"
		}
		fmt.Fprintf(w, `{"choices":[{"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":10}}`, answer)
	}))
	t.Cleanup(j.Close)
	return j
}

// judgeAnswers writes the answers of two models to n prompts: the model is good in three of four, the baseline in every other one.
func judgeAnswers(t *testing.T, n int) (baseline, model string) {
	t.Helper()
	dir := t.TempDir()
	var files [2]strings.Builder
	for i := range n {
		for k := range files {
			text := fmt.Sprintf("answer %d of %d", i, k)
			if k == 0 && i%2 == 0 || k == 1 && i%4 != 0 {
				text += ", good"
			}
			lang := []string{"en", "eu"}[i%2]
			fmt.Fprintf(&files[k], `{"key":%d,"lang":%q,"prompt":"prompt %d","response":%q,"tokens":3,"by":"x"}`+"\n", i, lang, i, text)
		}
	}
	for k, name := range []string{"base", "tuned"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "eu.jsonl"), []byte(files[k].String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "base"), filepath.Join(dir, "tuned")
}

func judgeCommand(t *testing.T, srv *judgeServer, verdicts string, args ...string) *exec.Cmd {
	t.Helper()
	return curate(t, append([]string{"eval", "judge", "--base-url", srv.URL + "/v1", "--model", "judge", "--verdicts", verdicts}, args...)...)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEvalJudge(t *testing.T) {
	t.Parallel()
	srv := newJudgeServer(t)
	base, model := judgeAnswers(t, 8)
	dir := t.TempDir()
	verdicts, out := filepath.Join(dir, "verdicts.jsonl"), filepath.Join(dir, "judge.json")
	cmd := judgeCommand(t, srv, verdicts, base, model, "-o", out)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	code, said := exitCode(t, cmd)
	if code != 0 {
		t.Fatal(code, said)
	}
	// i%4: 0 is lost, 1 and 3 are won, 2 is even: the judge takes the first each time. 1/2·8 wins are 4, and 2 halves: 5/8.
	var report struct {
		Models []struct {
			Name    string
			Results []struct {
				Kind, Name, Baseline, Judge string
				Rows, Wins, Losses, Even    int
				Inconsistent                int
				Metrics                     []struct {
					Metric string
					Value  float64
					CI95   []float64
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, out)), &report); err != nil {
		t.Fatal(err)
	}
	r := report.Models[0].Results[0]
	if report.Models[0].Name != "tuned" || r.Kind != "judge" || r.Name != "eu" || r.Baseline != "base" || r.Judge != "judge" || r.Rows != 8 || r.Wins != 4 || r.Losses != 2 || r.Even != 2 ||
		r.Inconsistent != 2 || r.Metrics[0].Metric != "win_rate" || r.Metrics[0].Value != 0.625 || len(r.Metrics[0].CI95) != 2 {
		t.Errorf("%+v", report)
	}
	for _, part := range []string{"judge win rate", "62.50 ±", "against base, by judge: 4 won, 2 lost, 2 even", "2 pairs were judged otherwise with their sides swapped"} {
		if !strings.Contains(stdout.String(), part) {
			t.Errorf("no %q in\n%s", part, stdout.String())
		}
	}
	if n := srv.asked.Load(); n != 16 || !strings.Contains(said, "16 verdicts, 16 requests, 1,600 tokens in and 160 tokens out") {
		t.Errorf("%d requests; %s", n, said)
	}
	whole, result := readFile(t, verdicts), readFile(t, out)
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	if len(lines) != 16 || !strings.HasPrefix(lines[0], `{"model":"tuned","baseline":"base","set":"eu","key":0,"first":"tuned","verdict":"second","answer":"I weighed [[B]] up. [[B]]","by":"`) ||
		!strings.HasPrefix(lines[1], `{"model":"tuned","baseline":"base","set":"eu","key":0,"first":"base","verdict":"first",`) {
		t.Errorf("%d lines\n%s", len(lines), whole)
	}

	// Wherever it was cut, only what is missing is asked for.
	for _, keep := range []int{len(whole), len(whole) - 1, len(lines[0]) + 5, 0} {
		if err := os.WriteFile(verdicts, []byte(whole[:keep]), 0o666); err != nil {
			t.Fatal(err)
		}
		srv.asked.Store(0)
		if code, said := exitCode(t, judgeCommand(t, srv, verdicts, base, model, "-o", out, "-q")); code != 0 || said != "" {
			t.Fatal(code, said)
		}
		if missing := int64(16 - strings.Count(whole[:keep], "\n")); srv.asked.Load() != missing {
			t.Errorf("cut to %d: %d requests, of %d", keep, srv.asked.Load(), missing)
		}
		if readFile(t, verdicts) != whole || readFile(t, out) != result {
			t.Errorf("cut to %d: the verdicts differ", keep)
		}
	}

	// A budget ends the run, and the next one goes on.
	small := filepath.Join(dir, "small.jsonl")
	srv.asked.Store(0)
	code, said = exitCode(t, judgeCommand(t, srv, small, base, model, "--max-requests", "5", "--max-concurrency", "1"))
	if code != exitFailed || srv.asked.Load() != 5 || !strings.Contains(said, "all 5 requests are sent; repeat the command to go on: limits count from 0 in each run; verdicts are kept in ") {
		t.Errorf("%d, %d requests, %s", code, srv.asked.Load(), said)
	}
	if code, said := exitCode(t, judgeCommand(t, srv, small, base, model, "-q")); code != 0 || readFile(t, small) != whole {
		t.Errorf("%d, %s", code, said)
	}

	// Verdicts of another judge, or about other answers, are none of these.
	if code, said := exitCode(t, judgeCommand(t, srv, verdicts, base, model, "--verdict-tokens", "99")); code != exitFailed || !strings.Contains(said, "verdicts.jsonl:1: the verdict is not that of this judge about these answers") {
		t.Errorf("%d, %s", code, said)
	}
	if code, said := exitCode(t, judgeCommand(t, srv, verdicts, model, base)); code != exitFailed || !strings.Contains(said, "the verdict is not that of this judge") {
		t.Errorf("%d, %s", code, said)
	}
	if err := os.WriteFile(small, []byte(whole+lines[0]), 0o666); err != nil {
		t.Fatal(err)
	}
	if code, said := exitCode(t, judgeCommand(t, srv, small, base, model)); code != exitFailed || !strings.Contains(said, "small.jsonl:17: there are more verdicts than answers") {
		t.Errorf("%d, %s", code, said)
	}

	// A table of both.
	table := curate(t, "eval", "table", out)
	stdout.Reset()
	table.Stdout = &stdout
	if code, said := exitCode(t, table); code != 0 || !strings.Contains(stdout.String(), "judge win rate") {
		t.Errorf("%d, %s, %s", code, said, stdout.String())
	}
}

// TestEvalJudgeRefused: what a judge says nothing about does not count, and equal answers are not asked about.
func TestEvalJudgeRefused(t *testing.T) {
	t.Parallel()
	srv := newJudgeServer(t)
	dir := t.TempDir()
	write := func(name string, lines ...string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	base := write("base.jsonl", `{"prompt":"one","response":"forbidden"}`, `{"prompt":"two","response":"same"}`, `{"prompt":"three","response":"even"}`, `{"prompt":"four","response":"x","error":"too long"}`)
	model := write("model.jsonl", `{"prompt":"one","response":"b"}`, `{"prompt":"two","response":"same"}`, `{"prompt":"three","response":"longer"}`, `{"prompt":"four","response":"x"}`)
	template := write("template.txt", "{instruction}? {answer_a}|{answer_b}")
	verdicts := filepath.Join(dir, "v.jsonl")
	cmd := judgeCommand(t, srv, verdicts, "b="+base, "m="+model, "--template", template, "--json")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	code, said := exitCode(t, cmd)
	if code != 0 || !strings.Contains(said, "key null: no verdict: refusal (HTTP 200): I cannot judge that") {
		t.Fatal(code, said)
	}
	for _, part := range []string{`"rows": 2`, `"quarantined": 2`, `"even": 2`, `"value": 0.5`} {
		if !strings.Contains(stdout.String(), part) {
			t.Errorf("no %s in %s", part, stdout.String())
		}
	}
	if n := srv.asked.Load(); n != 4 {
		t.Errorf("%d requests", n)
	}
	if q := *srv.last.Load(); !strings.HasPrefix(q, "one? ") && !strings.HasPrefix(q, "three? ") {
		t.Errorf("%q", q)
	}
	if v := readFile(t, verdicts); strings.Count(v, `"verdict":"none"`) != 2 || strings.Count(v, `"verdict":"tie"`) != 4 {
		t.Error(v)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"b=" + base, "m=" + write("short.jsonl", `{"prompt":"one","response":"b"}`)}, exitFailed, "have different numbers of answers"},
		{[]string{"b=" + base, "m=" + write("other.jsonl", `{"prompt":"1","response":"b"}`)}, exitFailed, "base.jsonl:1 and "},
		{[]string{"b=" + base, "m=" + write("broken.jsonl", `{"text":"one"}`)}, exitFailed, `broken.jsonl:1: this is no answer`},
		{[]string{"b=" + base, "m=" + dir}, exitUsage, "two files of answers, or two folders"},
		{[]string{"b=" + base, "m=nowhere"}, exitFailed, "nowhere: no such file or folder"},
		{[]string{"b=" + base}, exitUsage, "give the answers of a baseline"},
		{[]string{"b=" + base, "m=" + model, "--template", base}, exitUsage, "has no {instruction} in it"},
		{[]string{"b=" + base, "m=" + model, "--judge-language", "fr"}, exitUsage, "built-in templates are in en, eu"},
		{[]string{"b=" + base, "m=" + model, "--base-url", "localhost"}, exitUsage, "not of the form http"},
		{[]string{"b=" + base, "m=" + model, "--body", "[]"}, exitUsage, "give a JSON object"},
		{[]string{"b=" + base, "m=" + model, "--max-concurrency", "0"}, exitUsage, "--max-concurrency 0: at least 1"},
	} {
		if code, said := exitCode(t, judgeCommand(t, srv, filepath.Join(dir, "u.jsonl"), c.args...)); code != c.code || !strings.Contains(said, c.want) {
			t.Errorf("%v: %d, %s", c.args, code, said)
		}
	}
	if code, said := exitCode(t, curate(t, "eval", "judge", "--base-url", srv.URL, "--model", "m", base, model)); code != exitUsage || !strings.Contains(said, "--verdicts FILE") {
		t.Errorf("%d, %s", code, said)
	}
}

// TestEvalJudgeInterrupted: who stops a judge keeps the verdicts that were on their way, but for those behind one that was not
// sent any more; and the same command goes on.
func TestEvalJudgeInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted there")
	}
	t.Parallel()
	srv := newJudgeServer(t)
	base, model := judgeAnswers(t, 20)
	verdicts := filepath.Join(t.TempDir(), "verdicts.jsonl")
	cmd := judgeCommand(t, srv, verdicts, base, model, "--max-concurrency", "3")
	var once sync.Once
	srv.each = func(n int64) {
		if n >= 7 {
			once.Do(func() {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(100 * time.Millisecond) // it is on its way while the interrupt comes
		}
	}
	code, said := exitCode(t, cmd)
	asked, lines := srv.asked.Load(), strings.Count(readFile(t, verdicts), "\n")
	if code != exitInterrupted || int64(lines) > asked || int64(lines) <= asked-3 || lines < 6 || asked >= 40 {
		t.Errorf("%d, %d verdicts of %d requests, %s", code, lines, asked, said)
	}
	srv.each = nil
	srv.asked.Store(0)
	if code, said := exitCode(t, judgeCommand(t, srv, verdicts, base, model)); code != 0 || srv.asked.Load() != int64(40-lines) {
		t.Errorf("%d, %d requests, %s", code, srv.asked.Load(), said)
	}
}

// TestEvalJudgeRecipe: a step that measures has its answers judged, and its table has all.
func TestEvalJudgeRecipe(t *testing.T) {
	t.Parallel()
	srv := newJudgeServer(t)
	dir := t.TempDir()
	tiny, err := filepath.Abs("../../train/eval/testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"prompts.jsonl": `{"key":1,"prompt":"Kaixo","lang":"eu","instruction_id_list":["punctuation:no_comma"],"kwargs":[{}]}` + "\n" +
			`{"key":2,"prompt":"Agur","lang":"eu","instruction_id_list":["startend:quotation"],"kwargs":[{}]}` + "\n",
		"template.txt": "{instruction}: {answer_a}|{answer_b}",
		"recipe.yaml": fmt.Sprintf(`version: 1
run: run
steps:
  - name: measured
    eval:
      models: [{name: one, model: %[1]s}, {name: two, model: %[1]s}]
      tokenizer: %[1]s
      instructions: [{name: eu, path: prompts.jsonl}]
      pairs: [{name: eu/syntax, path: %[1]s/../pairs.jsonl}]
      plain_prompts: true
      max_tokens: 6
      temperature: 1
      judge: {base_url: %[2]s/v1, model: judge, baseline: two, template: template.txt, max_requests: 100}
`, filepath.ToSlash(tiny), srv.URL),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	run := func() (int, string) {
		cmd := curate(t, "run", "recipe.yaml")
		cmd.Dir = dir
		return exitCode(t, cmd)
	}
	if code, said := run(); code != 0 {
		t.Fatal(code, said)
	}
	// Both models are the same one, with the same seed: there is nothing to ask.
	table := readFile(t, filepath.Join(dir, "run/measured/eval.txt"))
	for _, part := range []string{"judge win rate", "50.00 ± 0.00 % ~", "one: judge: against two, by judge: 0 won, 0 lost, 2 even", "instructions strict", "win rate\n"} {
		if !strings.Contains(table, part) {
			t.Errorf("no %q in\n%s", part, table)
		}
	}
	if n, v := srv.asked.Load(), readFile(t, filepath.Join(dir, "run/measured/verdicts.jsonl")); n != 0 || strings.Count(v, "\n") != 4 {
		t.Errorf("%d requests\n%s", n, v)
	}
	if code, said := run(); code != 0 || !strings.Contains(said, "step measured: is done already") {
		t.Errorf("%d, %s", code, said)
	}
}
