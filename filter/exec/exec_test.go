package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// open makes a stage, closes it behind the test, and looks for what it leaves running. logs is what it has said.
func open(t *testing.T, cfg Config) (e *Exec, logs func() []string) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	cfg.Log = func(s string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, s)
	}
	if cfg.Command == nil && cfg.Shell == "" {
		cfg.Command = program(t)
	}
	before := runtime.NumGoroutine()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%d goroutines before, %d after: something keeps running", before, runtime.NumGoroutine())
				return
			}
		}
	})
	return e, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}
}

// lineOf is a record with that text.
func lineOf(id any, text string) []byte {
	b, err := json.Marshal(struct {
		ID   any    `json:"id"`
		Text string `json:"text"`
	}{id, text})
	if err != nil {
		panic(err)
	}
	return b
}

func batchOf(lines ...[]byte) *record.Batch {
	b := &record.Batch{}
	for i, l := range lines {
		b.Append(record.MakeID(1, int64(100*i)), int64(i+1), l)
	}
	b.Parse()
	return b
}

// texts are records with these texts, one a string.
func texts(list ...string) *record.Batch {
	var lines [][]byte
	for i, s := range list {
		lines = append(lines, lineOf(fmt.Sprintf("r%d", i), s))
	}
	return batchOf(lines...)
}

// outcomes are "keep", "drop RULE:REASON", "quarantine: ERROR".
func outcomes(b *record.Batch) (list []string) {
	for i := range b.Records {
		r := &b.Records[i]
		switch r.Outcome {
		case record.Drop:
			list = append(list, "drop "+r.Rule+":"+r.Reason)
		case record.Quarantine:
			list = append(list, "quarantine: "+r.Err.Error())
		default:
			list = append(list, "keep")
		}
	}
	return list
}

func manyLines() [][]byte {
	lines := [][]byte{
		[]byte(`{"id":1}`),
		[]byte(`{"id":2,"text":7}`),
		[]byte(`{"id":3,"text":"answer:no JSON"}`),
		[]byte(`{"id":4,"text":"answer:{\"keep\":true}"}`),
		[]byte(`{"id":5,"text":"a longer text that has spaces","curate":3}`),
		[]byte(`{"text":"no id"}`),
		[]byte(`not JSON`),
		[]byte("{\"id\":\r7 , \"text\" :\"blanks between tokens\",\"curate\":{\"x\":1}}\r"),
		[]byte(`{"id":8,"text":"answer:{\"score\":0.5,\"reason\":\"why not\"}"}`),
		[]byte(`{"id":9,"text":""}`),
	}
	for i := range 90 {
		lines = append(lines, lineOf(i, strings.Repeat("ab ", i)))
	}
	return lines
}

func TestMapper(t *testing.T) {
	for _, cfg := range []Config{
		{Min: []Threshold{{"score", 0.6}}, Max: []Threshold{{"spaces", 60}}, Verdicts: true},
		{Min: []Threshold{{"score", 0.6}}, Annotate: true},
		{Min: []Threshold{{"score", 0.6}}, Whole: true, Histograms: true},
	} {
		e, _ := open(t, cfg)
		stagetest.Mapper(t, e, manyLines())
	}
}

func TestWaiting(t *testing.T) {
	stagetest.Waiting(t, func(answer func(ctx context.Context)) (stage.Mapper, func()) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				serving.Go(func() {
					defer c.Close()
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					asked := make(chan byte)
					serving.Go(func() {
						defer cancel()
						defer close(asked)
						for b := []byte{0}; ; {
							if _, err := c.Read(b); err != nil {
								return
							}
							select {
							case asked <- b[0]:
							case <-ctx.Done():
								return
							}
						}
					})
					for range asked {
						if answer(ctx); ctx.Err() != nil {
							return
						}
						c.Write([]byte{1})
					}
				})
			}
		})
		e, err := New(Config{Command: program(t, "ask", l.Addr().String()), Processes: 3, Min: []Threshold{{"score", 0.6}}, Verdicts: true})
		if err != nil {
			t.Fatal(err)
		}
		return e, func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			l.Close()
			serving.Wait()
		}
	}, manyLines())
}

func TestAnswers(t *testing.T) {
	score := []Threshold{{"score", 0.5}}
	for _, r := range []struct {
		cfg          Config
		answer, want string
	}{
		{Config{}, `{"keep":true}`, "keep"},
		{Config{}, ` {"other":[1,{"keep":false}],"keep" : true } `, "keep"},
		{Config{}, `{"keep":false}`, "drop exec:keep_false"},
		{Config{Name: "edu"}, `{"keep":false,"reason":"not taught"}`, "drop edu:not taught"},
		{Config{}, `{"keep":false,"reason":null}`, "drop exec:keep_false"},
		{Config{}, `{"keep":false,"reason":""}`, "quarantine: the answer of exec has a reason that is no word"},
		{Config{}, `{"keep":false,"reason":"two\nlines"}`, "quarantine: the answer of exec has a reason that is no word"},
		{Config{}, `{"keep":1}`, `quarantine: the answer of exec has a "keep" that is not true or false`},
		{Config{}, `{"keep":"true"}`, `quarantine: the answer of exec has a "keep" that is not true or false`},
		{Config{}, `{}`, `quarantine: the answer of exec has no "keep", and no threshold`},
		{Config{}, `{"score":0.9}`, `quarantine: the answer of exec has no "keep", and no threshold`},
		{Config{}, ``, "quarantine: the answer of exec is an empty line"},
		{Config{}, `[true]`, "quarantine: the answer of exec is no JSON object"},
		{Config{}, `true`, "quarantine: the answer of exec is no JSON object"},
		{Config{}, `{"keep":true`, "quarantine: the answer of exec is no JSON object: unexpected EOF"},
		{Config{}, `{"keep":true}{"keep":true}`, "quarantine: the answer of exec is no JSON object: text behind it at byte 13"},
		{Config{}, `{"keep":true,"keep":true}`, "quarantine: the answer of exec is no JSON object: duplicate"},
		{Config{Min: score}, `{"score":NaN}`, "quarantine: the answer of exec is no JSON object: invalid character 'N'"},
		{Config{Min: score}, `{"score":1e999}`, `quarantine: the answer of exec has a signal "score" that is no number`},
		{Config{Min: score}, `{"score":"0.7"}`, `quarantine: the answer of exec has a signal "score" that is no number`},
		{Config{Min: score}, `{"score":0.5}`, "keep"},
		{Config{Min: score}, `{"score":0.49999}`, "drop exec:below_min_score"},
		{Config{Min: score}, `{"score":-3}`, "drop exec:below_min_score"},
		{Config{Max: score}, `{"score":5e-1}`, "keep"},
		{Config{Max: score}, `{"score":0.7}`, "drop exec:above_max_score"},
		{Config{Min: score}, `{"score":0.7,"keep":false}`, "drop exec:keep_false"},
		{Config{Min: score}, `{"score":0.1,"keep":true}`, "drop exec:below_min_score"},
		{Config{Min: score}, `{"score":0.1,"reason":"dull"}`, "drop exec:dull"},
		{Config{Min: score}, `{"score":0.9,"reason":"dull"}`, "keep"},
		{Config{Min: score}, `{"keep":true}`, `quarantine: the answer of exec has no signal "score"`},
		{Config{Min: []Threshold{{"fun", 1}}}, `{"signals":{"fun":1,"x":-0.5}}`, "keep"},
		{Config{Max: []Threshold{{"toxic", 0.2}}}, `{"signals":{"toxic":0.3}}`, "drop exec:above_max_toxic"},
		{Config{}, `{"keep":true,"signals":[1]}`, `quarantine: the answer of exec has "signals" that are no object`},
		{Config{}, `{"keep":true,"signals":{"a b":1}}`, `quarantine: the answer of exec has a signal named "a b"`},
		{Config{}, `{"keep":true,"signals":{"score":1},"score":1}`, `quarantine: the answer of exec has the signal "score" twice`},
		{Config{KeepLabels: []string{"good", "fair"}}, `{"label":"fair"}`, "keep"},
		{Config{KeepLabels: []string{"good"}}, `{"label":"bad"}`, "drop exec:label_bad"},
		{Config{KeepLabels: []string{"good"}}, `{"label":"g\u006fod"}`, "keep"},
		{Config{KeepLabels: []string{"good"}}, `{"keep":true}`, `quarantine: the answer of exec has no "label"`},
		{Config{KeepLabels: []string{"good"}}, `{"label":3}`, `quarantine: the answer of exec has a "label" that is no text`},
		{Config{DropLabels: []string{"spam"}}, `{"label":"spam"}`, "drop exec:label_spam"},
		{Config{DropLabels: []string{"spam"}}, `{"label":"ham"}`, "keep"},
		{Config{Annotate: true}, `{}`, "keep"},
		{Config{}, `{"keep":true,"id":"r0"}`, "keep"},
		{Config{}, `{"keep":true,"id":"\u00720"}`, "keep"},
	} {
		e, _ := open(t, r.cfg)
		b := texts("answer:" + r.answer)
		if err := e.NewWorker().Map(t.Context(), b); err != nil {
			t.Errorf("%s: %v", r.answer, err)
			continue
		}
		if got := outcomes(b)[0]; got != r.want && !(strings.HasPrefix(r.want, "quarantine") && strings.HasPrefix(got, r.want)) {
			t.Errorf("%s (min %v, max %v, labels %v, not %v):\n%s, want\n%s", r.answer, r.cfg.Min, r.cfg.Max, r.cfg.KeepLabels, r.cfg.DropLabels, got, r.want)
		}
		e.Close()
	}
}

func TestLongAnswer(t *testing.T) {
	e, _ := open(t, Config{})
	b := texts("long:100000", fmt.Sprintf("long:%d", 3*maxAnswer), "answer:"+`{"keep":false}`)
	if err := e.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got, want := outcomes(b), []string{"keep", "quarantine: the answer of exec has more than 1048576 bytes", "drop exec:keep_false"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWritten(t *testing.T) {
	answer := `answer:{"score":0.2500000001,"signals":{"n":3},"label":"a\"b"}`
	cfg := Config{Name: "edu", Min: []Threshold{{"score", 0.5}}}
	for _, r := range []struct {
		change       func(*Config)
		line         string
		kept, tallys string
	}{
		{func(c *Config) { c.Annotate = true }, `{"text":%s,"curate":{"filter":{"profile":"gopher","signals":{"words":31}}},"z":1}`,
			`{"text":%s,"curate":{"filter":{"profile":"gopher","signals":{"words":31,"edu_score":0.2500000001,"edu_n":3}},"exec":{"verdict":"drop","rule":"edu","reason":"below_min_score","label":"a\"b"}},"z":1}`, ""},
		{func(c *Config) { c.Annotate = true; c.Min = nil }, `{"text":%s}`,
			`{"text":%s,"curate":{"filter":{"signals":{"edu_score":0.2500000001,"edu_n":3}},"exec":{"verdict":"keep","label":"a\"b"}}}`, ""},
		{func(c *Config) { c.Verdicts, c.Histograms = true, true }, `{"text":%s}`,
			`{"text":%s,"curate":{"filter":{"signals":{"edu_score":0.2500000001,"edu_n":3}},"exec":{"verdict":"drop","rule":"edu","reason":"below_min_score","label":"a\"b"}}}`,
			fmt.Sprintf("edu_score@%d 1", stage.Bin(0.2500000001))},
		{func(c *Config) {}, `{"text":%s}`, `{"text":%s}`, ""},
	} {
		c := cfg
		r.change(&c)
		e, _ := open(t, c)
		quoted, _ := json.Marshal(answer)
		b := batchOf(fmt.Appendf(nil, r.line, quoted))
		if err := e.NewWorker().Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		rec := &b.Records[0]
		got := string(rec.AppendDropped(nil))
		if want := fmt.Sprintf(r.kept, quoted) + "\n"; got != want {
			t.Errorf("written\n%swant\n%s", got, want)
		}
		if c.Annotate != (rec.Outcome == record.Keep) || c.Min != nil && rec.Reason != "below_min_score" {
			t.Errorf("%+v: %v %s", c, rec.Outcome, rec.Reason)
		}
		tallied := ""
		for _, x := range b.TakeTallies() {
			tallied += fmt.Sprintf("%s %d", x.Name, x.N)
		}
		if tallied != r.tallys {
			t.Errorf("tallied %q, want %q", tallied, r.tallys)
		}
	}
}

func TestSent(t *testing.T) {
	lines := [][]byte{
		[]byte(`{"id":7,"text":"answer:{\"keep\":true}","meta":{"source":"web"},"url":null,"big":12345678901234567890}`),
		[]byte("{ \"text\":\"answer:{\\\"keep\\\":true}\\u0041\",\r\"meta\":{ \"source\" : [1,\r2] } } "),
	}
	for _, r := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, `{"id":7,"text":"answer:{\"keep\":true}"}` + "\n" + `{"text":"answer:{\"keep\":true}\u0041"}` + "\n"},
		{Config{Fields: []record.Path{record.MustPath("meta.source"), record.MustPath("url"), record.MustPath("big")}},
			`{"id":7,"text":"answer:{\"keep\":true}","meta.source":"web","url":null,"big":12345678901234567890}` + "\n" +
				`{"text":"answer:{\"keep\":true}\u0041","meta.source":[1, 2]}` + "\n"},
		{Config{Whole: true}, string(lines[0]) + "\n" + `{ "text":"answer:{\"keep\":true}\u0041", "meta":{ "source" : [1, 2] } }` + "\n"},
		{Config{IDField: record.MustPath("big")}, `{"id":12345678901234567890,"text":"answer:{\"keep\":true}"}` + "\n" + `{"text":"answer:{\"keep\":true}\u0041"}` + "\n"},
	} {
		file := filepath.Join(t.TempDir(), "sent")
		r.cfg.Command = program(t, "tee", file)
		e, _ := open(t, r.cfg)
		b := batchOf(lines...)
		b.Records[1].Outcome = record.Keep
		if err := e.NewWorker().Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		e.Close()
		if got, err := os.ReadFile(file); err != nil || string(got) != r.want {
			t.Errorf("sent\n%swant\n%s%v", got, r.want, err)
		}
	}
}

// TestMany sends more than a group holds, with earlier outcomes between.
func TestMany(t *testing.T) {
	e, _ := open(t, Config{Max: []Threshold{{"spaces", 500}}, Processes: 2})
	b := &record.Batch{}
	n := 5*groupRecords + 3
	for i := range n {
		b.Append(record.MakeID(1, int64(i)), 0, lineOf(i, strings.Repeat(" ", i*4)+strings.Repeat("x", i%7*20000)))
	}
	b.Parse()
	for i := 0; i < n; i += 10 {
		b.Records[i].DropFor("earlier", "because")
	}
	if err := e.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, got := range outcomes(b) {
		want := "keep"
		if i%10 == 0 {
			want = "drop earlier:because"
		} else if i*4 > 500 {
			want = "drop exec:above_max_spaces"
		}
		if got != want {
			t.Fatalf("record %d: %s, want %s", i, got, want)
		}
	}
}

func TestFailures(t *testing.T) {
	for _, r := range []struct {
		name  string
		cfg   Config
		texts []string
		want  []string // all in the error
	}{
		{"too many", Config{}, []string{"a", "two:", "b"}, []string{"more lines than it was given", "one line for each"}},
		{"too few and an end", Config{}, []string{"answer:{\"keep\":true}", "exit:0", "b"}, []string{"answered 1 of 3 lines and ended (exit status 0)", `id "r1" (line 2, byte 100 of input 1)`, `cannot go on with "0"`}},
		{"out of order", Config{}, []string{`answer:{"id":"r1","keep":true}`, "b"}, []string{`answered about id "r1" where the next was "r0"`}},
		{"a crash", Config{Restarts: -1}, []string{"answer:{\"keep\":true}", "exit:7"}, []string{"ended with exit status 7", `id "r1"`, `cannot go on with "7"`}},
		{"crashes", Config{Restarts: 2}, []string{"answer:{\"keep\":true}", "exit:7"}, []string{"exit status 7", "the last of 3 times", `id "r1"`, `cannot go on with "7"`}},
		{"no answer", Config{Restarts: -1, Timeout: 50 * time.Millisecond}, []string{"answer:{\"keep\":true}", "sleep:"}, []string{"did not answer within 50ms", "flush", `id "r1"`, "nothing on standard error"}},
		{"no first answer", Config{Restarts: -1, Timeout: 50 * time.Millisecond, StartTimeout: 70 * time.Millisecond}, []string{"sleep:"}, []string{"did not answer within 70ms", `id "r0"`}},
	} {
		t.Run(r.name, func(t *testing.T) {
			e, logs := open(t, r.cfg)
			err := e.NewWorker().Map(t.Context(), texts(r.texts...))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range append(r.want, asProgram) {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v\ndoes not say %q", err, w)
				}
			}
			if r.cfg.Restarts > 0 {
				if again := slices.DeleteFunc(logs(), func(s string) bool { return !strings.Contains(s, "started again") }); len(again) != r.cfg.Restarts {
					t.Errorf("%q", again)
				}
			}
		})
	}
}

// TestLate is a line too many that comes when nobody looks for one.
func TestLate(t *testing.T) {
	e, _ := open(t, Config{})
	w := e.NewWorker()
	for range surplusChecks {
		if err := w.Map(t.Context(), texts(`answer:{"keep":true}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Map(t.Context(), texts("late:")); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err == nil || !strings.Contains(err.Error(), "more lines than it was given records (1 at") {
		t.Errorf("closing says %v", err)
	}
	if err := w.Map(t.Context(), texts("a")); !errors.Is(err, errClosed) {
		t.Errorf("when closed: %v", err)
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	e, logs := open(t, Config{Min: []Threshold{{"score", 0.02}}, Restarts: 1})
	b := texts("abc", "once:"+dir+"/1", "a", "once:"+dir+"/2", "once:"+dir+"/3", "abcd")
	if err := e.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got, want := outcomes(b), []string{"keep", "keep", "drop exec:below_min_score", "keep", "keep", "keep"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if l := logs(); len(l) != 3 || !strings.Contains(l[0], `ended with exit status 3, at the record with id "r1"`) || !strings.Contains(l[0], "started again (1 of 1)") {
		t.Errorf("%q", l)
	}
}

func TestNoise(t *testing.T) {
	e, logs := open(t, Config{})
	if err := e.NewWorker().Map(t.Context(), texts("noise:1000", `answer:{"keep":true}`)); err != nil {
		t.Fatal(err)
	}
	e.Close()
	l := logs()
	if len(l) < logBurst+1 || len(l) > logBurst+10 || l[0] != "exec: line 0" || !strings.Contains(l[len(l)-1], "lines of its standard error are not shown") {
		t.Errorf("%d lines, from %q to %q", len(l), l[0], l[len(l)-1])
	}
}

func TestWords(t *testing.T) {
	e, _ := open(t, Config{})
	w := e.NewWorker()
	for i := range maxWords {
		if err := w.Map(t.Context(), texts(fmt.Sprintf(`answer:{"keep":false,"reason":"reason %d"}`, i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Map(t.Context(), texts(`answer:{"keep":false,"reason":"reason 7"}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Map(t.Context(), texts(`answer:{"keep":false,"reason":"one more"}`)); err == nil || !strings.Contains(err.Error(), "more than 1000 different") {
		t.Errorf("%v", err)
	}
}

func TestIdentity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	config := func(c Config) string {
		e, _ := open(t, c)
		b, err := json.Marshal(e.Spec().Config)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	write("a")
	c := Config{Command: program(t), Files: []string{file}, Min: []Threshold{{"score", 0.5}}}
	first := config(c)
	same := c
	same.Processes, same.Timeout, same.Restarts, same.Verdicts, same.Histograms = 7, time.Second, 9, true, true
	if got := config(same); got != first {
		t.Errorf("how the program is run is in the identity:\n%s\n%s", first, got)
	}
	for _, want := range []string{`"sha256":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"`, `"signal":"exec_score"`, asProgram} {
		if !strings.Contains(first, want) {
			t.Errorf("%s\nlacks %s", first, want)
		}
	}
	write("b")
	for name, change := range map[string]func(*Config){
		"file":    func(*Config) {},
		"command": func(c *Config) { c.Command = program(t, "x") },
		"min":     func(c *Config) { c.Min = []Threshold{{"score", 0.6}} },
		"fields":  func(c *Config) { c.Fields = []record.Path{record.MustPath("url")} },
		"whole":   func(c *Config) { c.Whole = true },
		"name":    func(c *Config) { c.Name = "other" },
		"labels":  func(c *Config) { c.KeepLabels = []string{"a"} },
	} {
		other := c
		if change(&other); config(other) == first {
			t.Errorf("%s is not in the identity", name)
		}
	}
}

func TestWrong(t *testing.T) {
	exe := program(t)
	for want, c := range map[string]Config{
		"no command is named":    {},
		"give one of them":       {Command: exe, Shell: "cat"},
		"cannot be run":          {Command: []string{"/no/such/program"}},
		"processes is -1":        {Command: exe, Processes: -1},
		"no such file":           {Command: exe, Files: []string{"/no/such/file"}},
		"sent already":           {Command: exe, Fields: []record.Path{record.MustPath("text")}},
		"named twice":            {Command: exe, Fields: []record.Path{record.MustPath("a"), record.MustPath("a")}},
		"two thresholds":         {Command: exe, Min: []Threshold{{"a", 1}, {"a", 2}}},
		"whole record":           {Command: exe, Whole: true, Fields: []record.Path{record.MustPath("a")}},
		"labels to keep":         {Command: exe, KeepLabels: []string{"a"}, DropLabels: []string{"b"}},
		`label ""`:               {Command: exe, DropLabels: []string{""}},
		"letters, digits":        {Command: exe, Name: "a b"},
		"timeout":                {Command: exe, Timeout: -1},
		"the name of a signal":   {Command: exe, Min: []Threshold{{"a b", 1}}},
		"cannot be run: ":        {Command: []string{"no-such-program-anywhere"}},
		"give letters, digits a": {Command: exe, Name: strings.Repeat("x", maxName+1)},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for s, want := range map[string]string{"score": "SIGNAL=NUMBER", "=1": "SIGNAL=NUMBER", "a=x": "no number", "a=NaN": "no number", "a=0x1": "no number", "a=": "no number"} {
		if _, err := ParseThreshold(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if got, err := ParseThreshold("score= -0.5"); err != nil || got != (Threshold{"score", -0.5}) {
		t.Errorf("%v %v", got, err)
	}
}
