package translate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/record"
	"curate/stage/stagetest"
	"curate/translate/backends"
	"curate/translate/memory"
	"curate/translate/rows"
	"curate/translate/translatetest"
)

// scripted is a backend in the process: answer says what it makes of a request's segments.
type scripted struct {
	mu       sync.Mutex
	answer   func(n int, r *backends.Request) (*backends.Answer, error)
	asked    []backends.Request
	segments map[string]int
	most     int
}

func newScripted(answer func(n int, r *backends.Request) (*backends.Answer, error)) *scripted {
	return &scripted{answer: answer, segments: map[string]int{}, most: 20}
}

func (s *scripted) Engine() string { return "scripted" }
func (s *scripted) Translate(ctx context.Context, r *backends.Request) (*backends.Answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	s.asked = append(s.asked, *r)
	n := len(s.asked)
	for _, g := range r.Segments {
		s.segments[g]++
	}
	s.mu.Unlock()
	a, err := s.answer(n, r)
	if a != nil {
		a.Spent.Requests++
	}
	return a, err
}
func (s *scripted) MaxSegments() int      { return s.most }
func (s *scripted) MaxTokens() int        { return 1500 }
func (s *scripted) Stats() backends.Stats { return backends.Stats{} }
func (s *scripted) Close() error          { return nil }

// pseudo is what a good server makes of segments.
var pseudo = func() *translatetest.Server {
	s, err := translatetest.NewServer("ok")
	if err != nil {
		panic(err)
	}
	s.Close()
	return s
}()

func good(r *backends.Request) *backends.Answer {
	a := &backends.Answer{Missing: make([]bool, len(r.Segments))}
	for _, g := range r.Segments {
		a.Texts = append(a.Texts, pseudo.Translate(g))
	}
	return a
}

func open(t testing.TB, dir string) (*memory.Store, func(context.Context) (*memory.Store, error)) {
	t.Helper()
	m, err := memory.Open(t.Context(), dir, memory.Options{MaxIndex: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, func(context.Context) (*memory.Store, error) { return m, nil }
}

func newStage(t testing.TB, cfg Config, p Parts) *Stage {
	t.Helper()
	if cfg.From == "" {
		cfg.From, cfg.To = "en", "eu"
	}
	if p.Memory == nil {
		_, p.Memory = open(t, "")
	}
	s, err := New(cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mapped runs lines through the stage as one batch.
func mapped(t testing.TB, ctx context.Context, s *Stage, lines ...string) (*record.Batch, error) {
	t.Helper()
	b := &record.Batch{}
	at := int64(0)
	for i, l := range lines {
		b.Append(record.MakeID(1, at), int64(i+1), []byte(l))
		at += int64(len(l)) + 1
	}
	b.Parse()
	return b, s.NewWorker().Map(ctx, b)
}

func written(b *record.Batch, i int) string {
	return strings.TrimSuffix(string(b.Records[i].AppendLine(nil)), "\n")
}

func chat(id, user, assistant string) string {
	q := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	return fmt.Sprintf(`{"id":%s,"messages":[{"role":"user","content":%s},{"role":"assistant","content":%s}]}`, q(id), q(user), q(assistant))
}

func TestOneSegmentIsAskedForOnce(t *testing.T) {
	b := newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) {
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
		return good(r), nil
	})
	s := newStage(t, Config{}, Parts{Backend: b})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			var lines []string
			for i := range 16 {
				lines = append(lines, chat(fmt.Sprint(i), fmt.Sprintf("Question number %s?", words[(w+i)%10]), fmt.Sprintf("An answer about the %s.\nThank you very much.", words[i%7])))
			}
			out, err := mapped(t, t.Context(), s, lines...)
			if err != nil {
				t.Error(err)
			}
			for i := range out.Records {
				if r := &out.Records[i]; r.Outcome != record.Keep {
					t.Error(r.Err)
				}
			}
		})
	}
	wg.Wait()
	if len(b.segments) != 10+7+1 {
		t.Errorf("%d distinct segments were asked for, want 18", len(b.segments))
	}
	for text, n := range b.segments {
		if n != 1 {
			t.Errorf("%q was asked for %d times", text, n)
		}
	}
}

var words = strings.Fields("river mountain garden window market bridge forest school kitchen island village doctor engine teacher farmer castle harbour library")

// TestSecondRunAsksNobody: what is in the memory is not asked for again, and gives the same bytes.
func TestSecondRunAsksNobody(t *testing.T) {
	dir := t.TempDir()
	lines := []string{chat("a", "Tell me about the river.", "It is long.\n\n```go\nx := 1\n```\nUse `go run` now."), chat("b", "Tell me about the garden.", "It is green.")}
	var first []string
	for round := range 2 {
		m, err := memory.Open(t.Context(), dir, memory.Options{MaxIndex: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		b := newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) { return good(r), nil })
		s := newStage(t, Config{}, Parts{Backend: b, Memory: func(context.Context) (*memory.Store, error) { return m, nil }})
		out, err := mapped(t, t.Context(), s, lines...)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{written(out, 0), written(out, 1)}
		if round == 0 {
			first = got
		} else if len(b.asked) > 0 || !slices.Equal(got, first) {
			t.Errorf("asked %v; %q, want %q", b.asked, got, first)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLadder: what helps against what, and what a row that is given up says.
func TestLadder(t *testing.T) {
	long := "The old house stands near the river and nobody has lived there for years."
	twoSentences := "Open the door of the house. Close the window of the room."
	bad := func(text string) func(int, *backends.Request) (*backends.Answer, error) {
		return func(_ int, r *backends.Request) (*backends.Answer, error) {
			a := good(r)
			for i := range a.Texts {
				a.Texts[i] = text
			}
			return a, nil
		}
	}
	failing := func(class backends.Class, reason string) func(int, *backends.Request) (*backends.Answer, error) {
		return func(int, *backends.Request) (*backends.Answer, error) {
			return nil, &backends.Error{Class: class, Reason: reason, Detail: "said the server", Spent: backends.Spent{Requests: 1}}
		}
	}
	var until = func(k int, first, then func(int, *backends.Request) (*backends.Answer, error)) func(int, *backends.Request) (*backends.Answer, error) {
		return func(n int, r *backends.Request) (*backends.Answer, error) {
			if n <= k {
				return first(n, r)
			}
			return then(n, r)
		}
	}
	ok := func(_ int, r *backends.Request) (*backends.Answer, error) { return good(r), nil }
	onlyShort := func(_ int, r *backends.Request) (*backends.Answer, error) {
		if len(strings.Join(r.Segments, "")) > 40 {
			return nil, &backends.Error{Class: backends.Split, Reason: "context_length", Detail: "too long"}
		}
		return good(r), nil
	}
	noHoles := func(_ int, r *backends.Request) (*backends.Answer, error) {
		a := good(r)
		for i := range a.Texts {
			if r.Placeholder != "" {
				a.Texts[i] = strings.NewReplacer("[", "", "]", "", "P0", "", "P1", "", "XQ", "", "CODE", "").Replace(a.Texts[i])
			}
		}
		return a, nil
	}
	for _, c := range []struct {
		name, text string
		answer     func(int, *backends.Request) (*backends.Answer, error)
		fallback   func(int, *backends.Request) (*backends.Answer, error)
		rung       string // on which it is accepted; "" if it is given up
		reason     string
		most       int // requests to the backend
	}{
		{name: "at once", text: long, answer: ok, rung: RungFirst, most: 1},
		{name: "echo, then right", text: long, answer: until(1, func(_ int, r *backends.Request) (*backends.Answer, error) {
			return &backends.Answer{Texts: r.Segments, Missing: make([]bool, len(r.Segments))}, nil
		}, ok), rung: RungAgain, most: 2},
		{name: "always empty", text: long, answer: bad(""), reason: "empty", most: 5},
		{name: "placeholders lost", text: "Open `a.txt` in the editor and `b.txt` beside it.", answer: noHoles, rung: RungCut, most: 8},
		{name: "too long", text: twoSentences, answer: onlyShort, rung: RungCut, most: 4},
		{name: "too long, no sentences", text: long, answer: onlyShort, rung: RungCut, most: 12},
		{name: "truncated for ever", text: long, answer: failing(backends.Split, "truncated"), reason: "truncated", most: 12},
		{name: "refused", text: long, answer: failing(backends.Refused, "content_filter"), reason: "content_filter", most: 1},
		{name: "refused, with a fallback", text: long, answer: failing(backends.Refused, "content_filter"), fallback: ok, rung: RungFallback, most: 1},
		{name: "server errors", text: long, answer: failing(backends.Failed, "server_error"), reason: "server_error", most: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newScripted(c.answer)
			p := Parts{Backend: b}
			if c.fallback != nil {
				p.Fallback = newScripted(c.fallback)
			}
			m, opened := open(t, "")
			p.Memory = opened
			s := newStage(t, Config{Rows: rows.Options{Schema: "text"}}, p)
			line, _ := json.Marshal(map[string]string{"text": c.text})
			out, err := mapped(t, t.Context(), s, string(line))
			if err != nil {
				t.Fatal(err)
			}
			r := &out.Records[0]
			if len(b.asked) > c.most {
				t.Errorf("%d requests, at most %d", len(b.asked), c.most)
			}
			if c.rung == "" {
				var f *Failure
				if r.Outcome != record.Quarantine || !errors.As(r.Err, &f) || f.Check != c.reason || f.Path != "/text" || f.Source != c.text {
					t.Fatalf("%v: %v", r.Outcome, r.Err)
				}
				return
			}
			if r.Outcome != record.Keep {
				t.Fatal(r.Err)
			}
			if m.Len() == 0 {
				t.Fatal("the memory is empty")
			}
			rungs := map[string]int64{}
			for _, k := range out.TakeTallies() {
				rungs[k.Name] += k.N
			}
			if rungs[TallyRung+c.rung] != 1 {
				t.Errorf("tallies %v, want rung %s", rungs, c.rung)
			}
		})
	}
}

// TestRunEnds: errors that end the run come out of Map, and what was answered before is kept.
func TestRunEnds(t *testing.T) {
	for _, class := range []backends.Class{backends.Down, backends.Denied, backends.Budget} {
		b := newScripted(func(n int, r *backends.Request) (*backends.Answer, error) {
			if n > 3 {
				return nil, &backends.Error{Class: class, Reason: "over"}
			}
			return good(r), nil
		})
		m, opened := open(t, "")
		s := newStage(t, Config{}, Parts{Backend: b, Memory: opened})
		var lines []string
		for i, w := range words {
			lines = append(lines, chat(fmt.Sprint(i), "Tell me about the "+w+".", "The "+w+" is old and quiet."))
		}
		_, err := mapped(t, t.Context(), s, lines...)
		var e *backends.Error
		if !errors.As(err, &e) || e.Class != class {
			t.Fatalf("class %d: %v", class, err)
		}
		if m.Len() != 6 {
			t.Errorf("class %d: %d segments are kept of 3 requests with 2 each", class, m.Len())
		}
	}
}

func TestCancelStopsSending(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	b := newScripted(func(n int, r *backends.Request) (*backends.Answer, error) {
		if n == 2 {
			cancel(stop)
		}
		return good(r), nil
	})
	m, opened := open(t, "")
	s := newStage(t, Config{}, Parts{Backend: b, Memory: opened})
	var lines []string
	for i, w := range words {
		lines = append(lines, chat(fmt.Sprint(i), "Tell me about the "+w+".", "The "+w+" is old and quiet."))
	}
	_, err := mapped(t, ctx, s, lines...)
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if got, want := m.Len(), 2*len(b.asked); got != want {
		t.Errorf("%d segments are kept; %d were answered", got, want)
	}
}

// TestWholeRows: rows that a check of the row refuses, and what policies do with rows that are not translated.
func TestWholeRows(t *testing.T) {
	same := func(_ int, r *backends.Request) (*backends.Answer, error) {
		a := good(r)
		for i := range a.Texts {
			if strings.Contains(r.Segments[i], "fire") {
				a.Texts[i] = pseudo.Translate("Water falls from clouds.")
			}
		}
		return a, nil
	}
	pair := `{"prompt":"Explain rain.","chosen":"Water falls from clouds.","rejected":"Rain of fire falls."}`
	grammar := chat("g", "Correct the grammar: \"He go to school yesterday.\"", "He went to school yesterday.")
	translation := chat("t", "Translate into French: \"The cat sleeps.\"", "Le chat dort.")
	for _, c := range []struct {
		name, line  string
		cfg         Config
		outcome     record.Outcome
		reason      string
		has, hasNot []string
	}{
		{"a pair that has become one", pair, Config{}, record.Quarantine, "pair", nil, nil},
		{"kept as it is", pair, Config{OnFail: OnFailKeepSource}, record.Keep, "", []string{"Water falls from clouds.", `"kept_source":"translation: pair`}, nil},
		{"a bound task", grammar, Config{}, record.Drop, "grammar", nil, nil},
		{"a bound task, kept elsewhere", grammar, Config{}, record.Drop, "grammar", []string{`"curate":{"translate":{"verdict":"drop","rule":"language_task","reason":"grammar"}}`}, nil},
		{"translated all the same", grammar, Config{Tasks: []TaskAction{{"grammar", "translate"}}}, record.Keep, "", []string{`"tasks":["grammar"]`}, []string{"school"}},
		{"a task that is copied", translation, Config{}, record.Keep, "", []string{"The cat sleeps.", "Le chat dort.", `"action":"copy"`}, nil},
		{"with its source", chat("s", "Tell me about `the river`.", "It is long."), Config{KeepSource: true}, record.Keep, "", []string{`"text":"It is long."`, `"protected":[[14,25]]`}, nil},
		{"annotated", chat("n", "Tell me about it.", "It is long."), Config{Annotate: true}, record.Keep, "", []string{`"backend":"openai"`, `"schema":"chat"`, `"attempts":1`}, nil},
		{"a shape that is wrong", `{"messages":7}`, Config{}, record.Quarantine, "messages", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, c.cfg, Parts{Backend: newScripted(same), Kind: "openai"})
			out, err := mapped(t, t.Context(), s, c.line)
			if err != nil {
				t.Fatal(err)
			}
			r := &out.Records[0]
			if r.Outcome != c.outcome || c.outcome == record.Drop && r.Reason != c.reason || c.outcome == record.Quarantine && !strings.Contains(r.Err.Error(), c.reason) {
				t.Fatalf("%v, %s, %v", r.Outcome, r.Reason, r.Err)
			}
			if c.outcome == record.Quarantine {
				return
			}
			line := written(out, 0)
			if c.outcome == record.Drop {
				line = string(r.AppendDropped(nil))
			}
			for _, w := range c.has {
				if !strings.Contains(line, w) {
					t.Errorf("%s is not in %s", w, line)
				}
			}
			for _, w := range c.hasNot {
				if strings.Contains(line, w) {
					t.Errorf("%s is in %s", w, line)
				}
			}
		})
	}
}

// TestFailuresAreRemembered: what a text has done wrong is not paid for again, unless somebody asks for it.
func TestFailuresAreRemembered(t *testing.T) {
	echo := func(_ int, r *backends.Request) (*backends.Answer, error) {
		return &backends.Answer{Texts: r.Segments, Missing: make([]bool, len(r.Segments))}, nil
	}
	m, opened := open(t, "")
	line := chat("a", "The old house stands near the river and is very quiet.", "7")
	asked := func(cfg Config, answer func(int, *backends.Request) (*backends.Answer, error)) (int, record.Outcome) {
		b := newScripted(answer)
		out, err := mapped(t, t.Context(), newStage(t, cfg, Parts{Backend: b, Memory: opened}), line)
		if err != nil {
			t.Fatal(err)
		}
		return len(b.asked), out.Records[0].Outcome
	}
	if n, o := asked(Config{}, echo); n < 2 || o != record.Quarantine {
		t.Fatal(n, o)
	}
	if n, o := asked(Config{}, echo); n != 0 || o != record.Quarantine {
		t.Errorf("asked %d times for what was given up: %v", n, o)
	}
	ok := func(_ int, r *backends.Request) (*backends.Answer, error) { return good(r), nil }
	if n, o := asked(Config{RetryFailed: true}, ok); n != 1 || o != record.Keep {
		t.Errorf("asked %d times, %v", n, o)
	}
	if n, o := asked(Config{}, echo); n != 0 || o != record.Keep {
		t.Errorf("asked %d times for what is known: %v", n, o)
	}
	if m.Len() == 0 {
		t.Error("nothing is remembered")
	}
}

// TestStage is the contract, given a memory that has everything.
func TestStage(t *testing.T) {
	_, opened := open(t, "")
	var lines [][]byte
	for i, w := range words {
		lines = append(lines,
			[]byte(chat(fmt.Sprint(i), "Tell me about the "+w+".", "The "+w+" is `old` and quiet.\n\n- one point\n- another point")),
			fmt.Appendf(nil, `{"prompt":"Explain the %s.","chosen":"It is the %s of all.","rejected":"It is fire."}`, w, w))
	}
	lines = append(lines, []byte(`{"messages":[{"role":1}]}`), []byte(`{"nothing":"known"}`), []byte(`{"text":"cut`), []byte(chat("g", "Correct the grammar of this sentence: he go.", "He goes.")))
	filler := newStage(t, Config{Annotate: false}, Parts{Backend: newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) { return good(r), nil }), Memory: opened})
	for _, l := range lines {
		if _, err := mapped(t, t.Context(), filler, string(l)); err != nil {
			t.Fatal(err)
		}
	}
	full := newStage(t, Config{}, Parts{Backend: newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) {
		t.Errorf("asked for %q, which the memory has", r.Segments)
		return good(r), nil
	}), Memory: opened})
	stagetest.Mapper(t, full, lines)
}

func TestConfigRefuses(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{From: "en"}, "missing"},
		{Config{From: "en", To: "en"}, "two languages"},
		{Config{From: "en", To: "eu", Placeholder: "??"}, "??"},
		{Config{From: "en", To: "eu", OnFail: "cry"}, "keep-source"},
		{Config{From: "en", To: "eu", Tasks: []TaskAction{{"dance", "drop"}}}, "dance"},
		{Config{From: "en", To: "eu", Tasks: []TaskAction{{"grammar", "eat"}}}, "eat"},
		{Config{From: "en", To: "eu", Annotate: true, Tasks: []TaskAction{{"grammar", "drop"}}}, "annotating"},
		{Config{From: "en", To: "eu", MinScore: 2}, "score"},
		{Config{From: "en", To: "eu", MaxAttempts: -1}, "attempts"},
		{Config{From: "en", To: "eu", Rows: rows.Options{Schema: "cat"}}, "cat"},
	} {
		if _, err := c.cfg.Resolve(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	cfg, err := Config{From: "en", To: "eu"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	again, err := cfg.Resolve()
	if err != nil || !reflect.DeepEqual(cfg, again) {
		t.Errorf("resolved twice: %+v, %+v (%v)", cfg, again, err)
	}
}
