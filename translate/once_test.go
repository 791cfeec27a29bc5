package translate

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/translate/backends"
	"curate/translate/memory"
	"curate/translate/rows"
)

func system(id, system, user string) string {
	q := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	return fmt.Sprintf(`{"id":%s,"messages":[{"role":"system","content":%s},{"role":"user","content":%s}]}`, q(id), q(system), q(user))
}

// echoed are answers that a check refuses.
func echoed(_ int, r *backends.Request) (*backends.Answer, error) {
	return &backends.Answer{Texts: r.Segments, Missing: make([]bool, len(r.Segments))}, nil
}

func fine(_ int, r *backends.Request) (*backends.Answer, error) { return good(r), nil }

func holds(r *backends.Request, word string) bool {
	return strings.Contains(strings.Join(r.Segments, "\n"), word)
}

// TestRetryFailedOnce: what an earlier run has given up is asked for again once, not once a row.
func TestRetryFailedOnce(t *testing.T) {
	_, opened := open(t, "")
	b := newScripted(echoed)
	s := newStage(t, Config{RetryFailed: true}, Parts{Backend: b, Memory: opened})
	n := 0
	for i := range 20 {
		out, err := mapped(t, t.Context(), s, chat(fmt.Sprint(i), "The old house stands near the river and is very quiet.", "7"))
		if err != nil || out.Records[0].Outcome != record.Quarantine {
			t.Fatal(err, out.Records[0].Outcome)
		}
		if i == 0 {
			n = len(b.asked)
		}
	}
	if len(b.asked) != n {
		t.Errorf("%d requests for 20 rows, the first took %d", len(b.asked), n)
	}
}

// TestPoisonedRowIsAlone: a text that the server does not answer takes along no row with which it shares another text.
func TestPoisonedRowIsAlone(t *testing.T) {
	const common = "You are a helpful assistant who always answers politely."
	for _, reason := range []string{"timeout", "connection", "rate_limit"} {
		for _, together := range []bool{true, false} {
			b := newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) {
				if holds(r, "poison") {
					return nil, &backends.Error{Class: backends.Failed, Reason: reason, Detail: "no answer in time"}
				}
				return good(r), nil
			})
			s := newStage(t, Config{}, Parts{Backend: b})
			lines := []string{system("p", common, "Tell me about the poison in the garden.")}
			for i, w := range words[:10] {
				lines = append(lines, system(fmt.Sprint(i), common, "Tell me about the "+w+"."))
			}
			batches := [][]string{lines}
			if !together {
				batches = [][]string{lines[:1], lines[1:]}
			}
			var outcomes []record.Outcome
			for _, l := range batches {
				out, err := mapped(t, t.Context(), s, l...)
				if err != nil {
					t.Fatal(err)
				}
				for i := range out.Records {
					outcomes = append(outcomes, out.Records[i].Outcome)
				}
			}
			if outcomes[0] != record.Quarantine || slices.Contains(outcomes[1:], record.Quarantine) {
				t.Errorf("%s, together %v: %v", reason, together, outcomes)
			}
		}
	}
}

// TestCutAfterHalving: requests that were too long as a group do not use up the attempts of their segments.
func TestCutAfterHalving(t *testing.T) {
	b := newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) {
		if len(strings.Join(r.Segments, "")) > 45 {
			return nil, &backends.Error{Class: backends.Split, Reason: "context_length", Detail: "too long"}
		}
		return good(r), nil
	})
	s := newStage(t, Config{}, Parts{Backend: b})
	var lines []string
	for _, w := range words {
		lines = append(lines, "Open the door of the "+w+". Close the window of the "+w+".")
	}
	out, err := mapped(t, t.Context(), s, chat("a", strings.Join(lines, "\n"), "7"))
	if err != nil {
		t.Fatal(err)
	}
	if r := &out.Records[0]; r.Outcome != record.Keep {
		t.Error(r.Err)
	}
}

// TestFallbackIsReached: the last rung has an attempt left, whatever was tried before.
func TestFallbackIsReached(t *testing.T) {
	noHoles := func(_ int, r *backends.Request) (*backends.Answer, error) {
		return &backends.Answer{Texts: make([]string, len(r.Segments)), Missing: make([]bool, len(r.Segments))}, nil
	}
	for _, attempts := range []int{2, 3, DefaultMaxAttempts} {
		b, fallback := newScripted(noHoles), newScripted(fine)
		s := newStage(t, Config{MaxAttempts: attempts}, Parts{Backend: b, Fallback: fallback})
		out, err := mapped(t, t.Context(), s, chat("a", "Open `a.txt` in the editor and `b.txt` beside it.", "7"))
		if err != nil {
			t.Fatal(err)
		}
		if r := &out.Records[0]; r.Outcome != record.Keep {
			t.Errorf("%d attempts, %d requests to the backend: %v", attempts, len(b.asked), r.Err)
		}
	}
}

// TestFallbackGetsWhatFailedWithout: failures of a run without a fallback say nothing about one with it.
func TestFallbackGetsWhatFailedWithout(t *testing.T) {
	_, opened := open(t, "")
	line := chat("a", "The old house stands near the river and is very quiet.", "7")
	for _, fallback := range []*scripted{nil, newScripted(fine)} {
		p := Parts{Backend: newScripted(echoed), Memory: opened}
		want := record.Quarantine
		if fallback != nil {
			p.Fallback, want = fallback, record.Keep
		}
		out, err := mapped(t, t.Context(), newStage(t, Config{}, p), line)
		if err != nil {
			t.Fatal(err)
		}
		if r := &out.Records[0]; r.Outcome != want {
			t.Errorf("fallback %v: %v", fallback != nil, r.Err)
		}
	}
}

// TestHugeTextIsOneRow: a text that no memory takes is the matter of its row.
func TestHugeTextIsOneRow(t *testing.T) {
	huge := strings.Repeat("the river and the mountain are old ", 17<<20/35)
	for name, answer := range map[string]func(int, *backends.Request) (*backends.Answer, error){"echo": echoed, "right": func(_ int, r *backends.Request) (*backends.Answer, error) {
		a := &backends.Answer{Missing: make([]bool, len(r.Segments))}
		for _, s := range r.Segments {
			if len(s) > 1<<20 {
				s = strings.Repeat("ibaia eta mendia oso zaharrak dira ", len(s)/35)
			} else {
				s = pseudo.Translate(s)
			}
			a.Texts = append(a.Texts, s)
		}
		return a, nil
	}} {
		s := newStage(t, Config{MaxAttempts: 1}, Parts{Backend: newScripted(answer)})
		out, err := mapped(t, t.Context(), s, chat("a", huge, "7"), chat("b", "7", "8"))
		if err != nil {
			t.Fatalf("%s: %.200s", name, err)
		}
		if out.Records[1].Outcome != record.Keep {
			t.Errorf("%s: %v", name, out.Records[1].Err)
		}
	}
}

// TestKeptAtOnce: an answer is in the memory before the next request of its row is sent, so that a kill loses nothing that was
// paid.
func TestKeptAtOnce(t *testing.T) {
	var lines []string
	for _, w := range words[:8] {
		lines = append(lines, "Tell me about the "+w+".")
	}
	for name, answer := range map[string]func(*backends.Request) (*backends.Answer, error){
		"halves": func(r *backends.Request) (*backends.Answer, error) {
			if len(r.Segments) > 2 {
				return nil, &backends.Error{Class: backends.Split, Reason: "context_length", Detail: "too long"}
			}
			return good(r), nil
		},
		"missing": func(r *backends.Request) (*backends.Answer, error) {
			a := good(r)
			for i := range a.Texts {
				a.Missing[i] = len(a.Texts) > 1 && i%2 == 1
			}
			return a, nil
		},
	} {
		m, opened := open(t, "")
		answered := 0
		b := newScripted(nil)
		b.answer = func(_ int, r *backends.Request) (*backends.Answer, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			a, err := answer(r)
			if have := m.Len(); have < answered && len(r.Segments) > 1 {
				t.Errorf("%s: %d of %d answered segments are in the memory when the next request is sent", name, have, answered)
			}
			if err == nil {
				for i := range a.Texts {
					if !a.Missing[i] {
						answered++
					}
				}
			}
			if len(r.Segments) == 1 && m.Len() < len(lines)/2 {
				t.Errorf("%s: %d segments are in the memory when those that are missing are asked for", name, m.Len())
			}
			return a, err
		}
		if _, err := mapped(t, t.Context(), newStage(t, Config{}, Parts{Backend: b, Memory: opened}), chat("a", strings.Join(lines, "\n"), "7")); err != nil {
			t.Fatal(err)
		}
	}
}

// judging is a judge in the process.
type judging struct {
	score  func(target string) (float64, error)
	scored []string
}

func (j *judging) Name() string { return "judging" }
func (j *judging) Close() error { return nil }
func (j *judging) Score(_ context.Context, _, _ string, sources, targets []string) ([]float64, backends.Spent, error) {
	var list []float64
	spent := backends.Spent{Requests: 1, Cost: 100}
	for i := range sources {
		j.scored = append(j.scored, targets[i])
		v, err := j.score(targets[i])
		if e, ok := err.(*backends.Error); ok {
			e.Spent = spent
		}
		if err != nil {
			return nil, spent, err
		}
		list = append(list, v)
	}
	return list, spent, nil
}

// TestNobodyEscapesTheJudge: what a judge has not seen, or has scored too low, is in no output, whoever has put it into the
// memory; and nothing is translated twice for it.
func TestNobodyEscapesTheJudge(t *testing.T) {
	line := chat("a", "The old house stands near the river and is very quiet.", "7")
	run := func(t *testing.T, opened func(context.Context) (*memory.Store, error), b *scripted, j *judging, min float64) (*record.Record, error) {
		t.Helper()
		p := Parts{Backend: b, Memory: opened}
		if j != nil {
			p.Judge = j
		}
		out, err := mapped(t, t.Context(), newStage(t, Config{MinScore: min}, p), line)
		return &out.Records[0], err
	}
	always := func(v float64) *judging {
		return &judging{score: func(string) (float64, error) { return v, nil }}
	}
	t.Run("a judge that is down", func(t *testing.T) {
		_, opened := open(t, "")
		b := newScripted(fine)
		down := &judging{score: func(string) (float64, error) {
			return 0, &backends.Error{Class: backends.Down, Reason: "connection"}
		}}
		if _, err := run(t, opened, b, down, 0.5); err == nil {
			t.Fatal("the run goes on")
		}
		low := always(0.1)
		if r, err := run(t, opened, b, low, 0.5); err != nil || r.Outcome != record.Quarantine {
			t.Errorf("after the judge came back: %v %v", r.Outcome, err)
		}
		if len(low.scored) == 0 {
			t.Error("the translation was never judged")
		}
	})
	t.Run("not paid twice", func(t *testing.T) {
		_, opened := open(t, "")
		b := newScripted(fine)
		down := &judging{score: func(string) (float64, error) {
			return 0, &backends.Error{Class: backends.Budget, Reason: "budget"}
		}}
		if _, err := run(t, opened, b, down, 0.5); err == nil {
			t.Fatal("the run goes on")
		}
		j := always(0.9)
		if r, err := run(t, opened, b, j, 0.5); err != nil || r.Outcome != record.Keep || len(b.asked) != 1 || len(j.scored) != 1 {
			t.Errorf("%v, %v; asked %d times, scored %d times", r.Outcome, err, len(b.asked), len(j.scored))
		}
		if _, err := run(t, opened, b, j, 0.5); err != nil || len(b.asked) != 1 || len(j.scored) != 1 {
			t.Errorf("once more: %v; asked %d times, scored %d times", err, len(b.asked), len(j.scored))
		}
	})
	t.Run("a memory without scores", func(t *testing.T) {
		_, opened := open(t, "")
		if r, err := run(t, opened, newScripted(fine), nil, 0); err != nil || r.Outcome != record.Keep {
			t.Fatal(r.Err, err)
		}
		if r, err := run(t, opened, newScripted(fine), always(0.1), 0.5); err != nil || r.Outcome != record.Quarantine {
			t.Errorf("%v %v", r.Outcome, err)
		}
	})
	t.Run("a higher least score", func(t *testing.T) {
		_, opened := open(t, "")
		if r, err := run(t, opened, newScripted(fine), always(0.6), 0.5); err != nil || r.Outcome != record.Keep {
			t.Fatal(r.Err, err)
		}
		if r, err := run(t, opened, newScripted(fine), always(0.6), 0.8); err != nil || r.Outcome != record.Quarantine {
			t.Errorf("%v %v", r.Outcome, err)
		}
		if r, err := run(t, opened, newScripted(fine), always(0.6), 0.5); err != nil || r.Outcome != record.Keep {
			t.Errorf("and as before: %v %v", r.Outcome, err)
		}
	})
	t.Run("no number", func(t *testing.T) {
		_, opened := open(t, "")
		if r, err := run(t, opened, newScripted(fine), always(math.NaN()), 0); err != nil || r.Outcome != record.Quarantine {
			t.Errorf("%v %v", r.Outcome, err)
		}
	})
}

// TestJudgesErrorIsCountedOnce: what a judge has spent in vain is in the ledger once.
func TestJudgesErrorIsCountedOnce(t *testing.T) {
	j := &judging{score: func(string) (float64, error) {
		return 0, &backends.Error{Class: backends.Failed, Reason: "server_error"}
	}}
	s := newStage(t, Config{Rows: rows.Options{Schema: "text"}}, Parts{Backend: newScripted(fine), Judge: j})
	out, err := mapped(t, t.Context(), s, `{"text":"The old house stands near the river."}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range out.TakeTallies() {
		if want := int64(100 * len(j.scored)); k.Name == TallyCost && k.N != want {
			t.Errorf("cost %d, want %d", k.N, want)
		}
	}
}
