package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/record"
	"curate/train/eval"
	"curate/translate/backends"
)

// judging is what a command line or a recipe says about a judge of answers.
type judging struct {
	api          backends.OpenAI
	keyEnv, body string
	template     string // file; "": built in
	language     string // of the built-in template; "": that of each prompt
	policy       backends.Policy
	verdicts     string // file
	seed         uint64 // of the bootstrap
	name         setting
}

// judgeConcurrency is how many verdicts are asked for at a time unless something else is said: those behind one that a kill has
// stopped are asked for again.
const judgeConcurrency = 16

// check finds what is wrong before anything is asked.
func (j *judging) check() error {
	if j.api.BaseURL == "" || j.api.Model == "" {
		return usage("who judges? Give %s, such as http://localhost:8000/v1, and %s", j.name("base_url"), j.name("model"))
	}
	if u, err := url.Parse(j.api.BaseURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("%s is not of the form http://localhost:8000/v1", j.name("base_url"))
	}
	for _, n := range []struct {
		name string
		n    float64
	}{
		{"verdict_tokens", float64(j.api.MaxTokens)}, {"max_requests", float64(j.policy.MaxRequests)}, {"max_tokens", float64(j.policy.MaxTokens)},
		{"max_concurrency", float64(j.policy.MaxConcurrency)}, {"timeout", j.policy.Timeout.Seconds()},
	} {
		if n.n < 0 {
			return usage("%s %v: not below 0", j.name(n.name), n.n)
		}
	}
	if j.language != "" && !slices.Contains(eval.JudgeLanguages(), j.language) {
		return usage("%s %q: built-in templates are in %s; name a file of your own with %s", j.name("judge_language"), j.language, strings.Join(eval.JudgeLanguages(), ", "), j.name("template"))
	}
	_, err := j.templates()
	return err
}

// templates gives what the judge is asked, by the language of the prompt.
func (j *judging) templates() (func(lang string) eval.JudgeTemplate, error) {
	if j.template != "" {
		b, err := smallFile(j.template)
		if err != nil {
			return nil, err
		}
		t, err := eval.NewJudgeTemplate(string(b))
		if err != nil {
			return nil, usage("%s: %s: %v", j.name("template"), j.template, err)
		}
		return func(string) eval.JudgeTemplate { return t }, nil
	}
	return func(lang string) eval.JudgeTemplate {
		if j.language != "" {
			lang = j.language
		}
		t, ok := eval.BuiltinJudge(lang)
		if !ok {
			t, _ = eval.BuiltinJudge("en")
		}
		return t
	}, nil
}

// judge is one that can be asked.
type judge struct {
	*judging
	asker *backends.Asker
	of    func(lang string) eval.JudgeTemplate
	st    store.Store
	kept  *keptLines
	log   *slog.Logger
	done  atomic.Int64 // verdicts
	told  int
}

// open opens the file of verdicts, too.
func (j *judging) open(ctx context.Context, st store.Store, log *slog.Logger) (*judge, error) {
	of, err := j.templates()
	if err != nil {
		return nil, err
	}
	api := j.api
	api.Policy, api.Key = j.policy, os.Getenv(j.keyEnv)
	api.Log = func(format string, args ...any) { log.Warn(fmt.Sprintf(format, args...)) }
	if api.Policy.MaxConcurrency == 0 {
		api.Policy.MaxConcurrency = judgeConcurrency
	}
	if j.body != "" {
		if err := json.Unmarshal([]byte(j.body), &api.Extra); err != nil || api.Extra == nil {
			return nil, usage("%s %s: give a JSON object of more fields for each request, such as {\"top_k\":1}", j.name("body"), j.body)
		}
	}
	asker, err := backends.NewAsker(api)
	if err != nil {
		return nil, usage("%v", err)
	}
	kept, err := openKept(ctx, st, j.verdicts)
	if err != nil {
		return nil, errors.Join(err, asker.Close())
	}
	return &judge{judging: j, asker: asker, of: of, st: st, kept: kept, log: log}, nil
}

func (j *judge) close() error { return errors.Join(j.asker.Close(), j.kept.close()) }

// answerRow is an answer that is judged, or the end of all.
type answerRow struct {
	file string
	line int64
	answerLine
	end error // io.EOF, or why they cannot be read
}

// answers sends those of a file.
func (j *judge) answers(ctx context.Context, path string, to chan<- answerRow) {
	send := func(row answerRow) error {
		select {
		case to <- row:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := eachRecord(ctx, nil, []string{path}, func(file string, rec *record.Record) error {
		row := answerRow{file: file, line: rec.LineNo}
		if err := json.Unmarshal(rec.Line, &row.answerLine); err != nil || row.Prompt == "" {
			return fmt.Errorf(`%s:%d: this is no answer, {"prompt","response"}, as curate eval --instructions --answers DIR writes them`, file, rec.LineNo)
		}
		row.Key = slices.Clone(row.Key)
		if row.Key == nil {
			row.Key = jsontext.Value("null")
		}
		return send(row)
	})
	if err == nil {
		err = io.EOF
	}
	_ = send(answerRow{end: err})
}

// verdictLine is a verdict as it is kept: docs/formats/eval.md.
type verdictLine struct {
	Model    string         `json:"model"`
	Baseline string         `json:"baseline"`
	Set      string         `json:"set"`
	Key      jsontext.Value `json:"key"`
	First    string         `json:"first"` // whose answer is A
	Verdict  eval.Verdict   `json:"verdict"`
	Answer   string         `json:"answer"` // of the judge
	Error    string         `json:"error,omitzero"`
	By       string         `json:"by"` // digest of judge and question
}

// maxVerdictAnswer is how many bytes of a judge's answer are kept.
const maxVerdictAnswer = 16 << 10

// contest is a file of answers that is compared with another.
type contest struct {
	set, model, baseline string // names
	answers, base        string // files
}

// verdictTask is a verdict that is being waited for.
type verdictTask struct {
	line   verdictLine
	longer int
	second bool // of its pair
	kept   bool
	done   chan error
	end    error // behind all
	bad    bool  // no pair
}

// contest asks for all verdicts about a pair of files, both ways round, and writes those that are new down in order.
func (j *judge) contest(ctx context.Context, c contest) (*eval.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	tasks := make(chan *verdictTask, max(1, j.concurrency()))
	go j.questions(ctx, c, tasks)
	rate := &eval.WinRate{Seed: j.seed}
	var first eval.Verdict
	unusable := int64(0)
	for {
		t, ok := <-tasks
		if !ok { // what was on its way has been written down, as far as it is in order
			return nil, context.Cause(ctx)
		}
		if t.end == io.EOF {
			break
		} else if t.end != nil {
			return nil, t.end
		}
		if t.bad {
			unusable++
			continue
		}
		if err := <-t.done; err != nil {
			return nil, whoStopped(ctx, j.hint(err))
		}
		if t.line.Error != "" {
			if j.told++; j.told <= 20 {
				j.log.Warn(fmt.Sprintf("%s, key %s: no verdict: %s", c.set, t.line.Key, t.line.Error))
			} else if j.told == 21 {
				j.log.Warn("more questions have no verdict; they are counted")
			}
		}
		if !t.kept {
			if err := j.kept.add(ctx, &t.line); err != nil {
				return nil, err
			}
		}
		j.done.Add(1)
		if !t.second {
			first = t.line.Verdict
		} else {
			rate.Add(first, t.line.Verdict, t.longer)
		}
	}
	r := rate.Result()
	r.Name, r.Input, r.Baseline, r.Judge = c.set, c.answers, c.baseline, j.api.Model
	r.Quarantined += unusable
	if r.Rows == 0 {
		return nil, fmt.Errorf("%s and %s: no pair of answers has a verdict", c.base, c.answers)
	}
	return r, nil
}

func (j *judge) concurrency() int {
	if n := j.policy.MaxConcurrency; n > 0 {
		return n
	}
	return judgeConcurrency
}

// questions sends tasks in order, of which as many run as fit into the channel, and closes it. Those whose lines are there are
// done.
func (j *judge) questions(ctx context.Context, c contest, to chan<- *verdictTask) {
	defer close(to)
	send := func(t *verdictTask) error {
		select {
		case to <- t:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	base, model := make(chan answerRow), make(chan answerRow)
	go j.answers(ctx, c.base, base)
	go j.answers(ctx, c.answers, model)
	all := func() error {
		exhausted := false // the file of verdicts is another goroutine's from then on
		for {
			var b, m answerRow
			for _, of := range []struct {
				from chan answerRow
				to   *answerRow
			}{{base, &b}, {model, &m}} {
				select {
				case *of.to = <-of.from:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			switch {
			case b.end == io.EOF && m.end == io.EOF:
				return io.EOF
			case b.end != nil && b.end != io.EOF:
				return b.end
			case m.end != nil && m.end != io.EOF:
				return m.end
			case b.end != nil || m.end != nil:
				return fmt.Errorf("%s and %s have different numbers of answers; let both models answer the same prompts", c.base, c.answers)
			case b.Prompt != m.Prompt || string(b.Key) != string(m.Key):
				return fmt.Errorf("%s:%d and %s:%d answer different prompts; let both models answer the same prompts, in the same order", b.file, b.line, m.file, m.line)
			case b.Error != "" || m.Error != "":
				if err := send(&verdictTask{bad: true}); err != nil {
					return err
				}
				continue
			}
			template := j.of(m.Lang)
			for k := range 2 {
				t := &verdictTask{second: k == 1, longer: utf8.RuneCountInString(m.Response) - utf8.RuneCountInString(b.Response), done: make(chan error, 1)}
				t.line = verdictLine{Model: c.model, Baseline: c.baseline, Set: c.set, Key: m.Key, First: c.model}
				question := template.Question(m.Prompt, m.Response, b.Response)
				if t.second {
					t.line.First = c.baseline
					question = template.Question(m.Prompt, b.Response, m.Response)
				}
				sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", j.asker.Name(), question))
				t.line.By = hex.EncodeToString(sum[:8])
				var old []byte
				if !exhausted {
					var err error
					if old, err = j.kept.next(); err != nil {
						return err
					}
					exhausted = old == nil
				}
				if old != nil {
					was := t.line
					if err := json.Unmarshal(old, &t.line); err != nil {
						return fmt.Errorf("%s:%d: this is no verdict: %w; remove the file", j.kept.name, j.kept.line, err)
					}
					now := t.line
					if was.By != now.By || was.Model != now.Model || was.Baseline != now.Baseline || was.Set != now.Set || was.First != now.First {
						return fmt.Errorf("%s:%d: the verdict is not that of this judge about these answers (%s:%d); remove the file, or name another with %s", j.kept.name, j.kept.line, m.file, m.line, j.name("verdicts"))
					}
					t.kept = true
					t.done <- nil
				} else {
					go func() { t.done <- j.ask(ctx, t, question, m.Response == b.Response) }()
				}
				if err := send(t); err != nil {
					return err
				}
			}
		}
	}
	_ = send(&verdictTask{end: all()}) // or nobody waits for it any more
}

// ask asks for a verdict, but where the answers are the same. An error is one that ends the run.
func (j *judge) ask(ctx context.Context, t *verdictTask, question string, same bool) error {
	if same {
		t.line.Verdict = eval.VerdictTie
		return nil
	}
	_, err := j.asker.Ask(ctx, question, func(answer string) error {
		v, ok := eval.ReadVerdict(answer)
		if !ok {
			return errors.New("the judge's answer has no verdict [[A]], [[B]] or [[C]]")
		}
		if len(answer) > maxVerdictAnswer {
			answer = strings.ToValidUTF8(answer[len(answer)-maxVerdictAnswer:], "")
		}
		t.line.Verdict, t.line.Answer = v, strings.ToValidUTF8(answer, "\uFFFD")
		return nil
	})
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*backends.Error](err); ok && e.Err == nil && slices.Contains([]backends.Class{backends.Failed, backends.Split, backends.Refused}, e.Class) {
		t.line.Verdict, t.line.Error = eval.VerdictNone, e.Error()
		return nil
	}
	return err
}

// hint says how to go on.
func (j *judge) hint(err error) error {
	e, ok := errors.AsType[*backends.Error](err)
	if !ok {
		return err
	}
	hint := ""
	if e.Status == http.StatusUnauthorized {
		hint = "; the key is that of " + j.keyEnv
		if os.Getenv(j.keyEnv) == "" {
			hint = "; the environment has no key in " + j.keyEnv
		}
	}
	if e.Class == backends.Budget {
		hint += "; repeat the command to go on: limits count from 0 in each run"
	}
	return fmt.Errorf("%w%s; verdicts are kept in %s", err, hint, j.kept.name)
}

// summary says what was asked.
func (j *judge) summary() string {
	s := j.asker.Stats()
	text := fmt.Sprintf("%s, %s, %s in and %s out", count(j.done.Load(), "verdict"), count(s.Requests, "request"), count(s.Prompt, "token"), count(s.Completion, "token"))
	if s.Estimated {
		text += " (estimated)"
	}
	return text
}

// whole says whether the file of verdicts ends behind the last one that was asked for.
func (j *judge) whole() error {
	line, err := j.kept.next()
	if err == nil && line != nil {
		err = fmt.Errorf("%s:%d: there are more verdicts than answers; remove the file, or name another with %s", j.kept.name, j.kept.line, j.name("verdicts"))
	}
	return err
}

// contests are the files of answers of a model, each against that of the baseline. A folder's files are sets, called as they are;
// a file is one.
func contests(ctx context.Context, st store.Store, baseline, model namedPath) ([]contest, error) {
	list := func(n namedPath) (dir bool, files map[string]string, err error) {
		files = map[string]string{}
		info, err := os.Stat(n.path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil, fmt.Errorf("%s: no such file or folder; answers are what curate eval --instructions --answers DIR writes", n.path)
		} else if err != nil {
			return false, nil, err
		}
		if !info.IsDir() {
			files[strings.TrimSuffix(filepath.Base(n.path), ".jsonl")] = n.path
			return false, files, nil
		}
		all, err := st.List(ctx, filepath.ToSlash(n.path))
		for _, f := range all {
			if set, ok := strings.CutSuffix(strings.TrimPrefix(f.Name, strings.TrimSuffix(filepath.ToSlash(n.path), "/")+"/"), ".jsonl"); ok {
				files[set] = f.Name
			}
		}
		return true, files, err
	}
	baseDir, base, err := list(baseline)
	if err != nil {
		return nil, err
	}
	dir, files, err := list(model)
	if err != nil {
		return nil, err
	}
	if dir != baseDir {
		return nil, usage("%s and %s: give two files of answers, or two folders of them", baseline.path, model.path)
	}
	var out []contest
	if !dir {
		for set, file := range files {
			for _, b := range base {
				out = append(out, contest{set, model.name, baseline.name, file, b})
			}
		}
		return out, nil
	}
	for set, b := range base {
		file, ok := files[set]
		if !ok {
			return nil, fmt.Errorf("%s has answers to %s, and %s has none", baseline.path, set, model.path)
		}
		out = append(out, contest{set, model.name, baseline.name, file, b})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no answers (.jsonl) in this folder", baseline.path)
	}
	slices.SortFunc(out, func(a, b contest) int { return strings.Compare(a.set, b.set) })
	return out, nil
}
