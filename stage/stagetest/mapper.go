// Package stagetest is the stage contract as a test suite: every stage's own test calls it on real records.
package stagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"curate/record"
	"curate/stage"
)

// result is everything a stage may do to a record, as bytes that outlive the batch.
type result struct {
	outcome      record.Outcome
	rule, reason string
	err          string
	line         string // as the kept output would hold it
	dropped      string // as the dropped output would hold it
}

// Mapper checks the laws of a Map stage on the given lines (at least 20, some of them bad).
func Mapper(t *testing.T, m stage.Mapper, lines [][]byte) {
	t.Helper()
	if len(lines) < 20 {
		t.Fatalf("%d lines show nothing; give at least 20", len(lines))
	}
	want := make([]result, len(lines))
	for i := range lines { // the reference: each record alone, with a fresh worker
		r, err := mapped(t.Context(), m.NewWorker(), lines[i:i+1], i)
		if err != nil {
			t.Fatalf("record %d: an error ends the run; a bad record is quarantined: %v", i, err)
		}
		want[i] = r[0]
	}
	t.Run("outcomes", func(t *testing.T) { outcomes(t, want) })
	t.Run("any batching and worker", func(t *testing.T) { batching(t, m, lines, want) })
	t.Run("earlier outcomes stay", func(t *testing.T) { earlier(t, m, lines) })
	t.Run("cancel", func(t *testing.T) { cancelled(t, m, lines) })
	t.Run("spec", func(t *testing.T) { spec(t, m) })
}

func outcomes(t *testing.T, rs []result) {
	for i, r := range rs {
		switch r.outcome {
		case record.Keep:
		case record.Drop:
			if r.rule == "" || r.reason == "" {
				t.Errorf("record %d: dropped by rule %q for reason %q; both must be said", i, r.rule, r.reason)
			}
		case record.Quarantine:
			if r.err == "" {
				t.Errorf("record %d: quarantined without an error", i)
			}
		}
		// What is written must be readable by the next stage.
		for _, line := range []string{r.line, r.dropped} {
			if r.outcome != record.Quarantine && !json.Valid([]byte(line)) {
				t.Errorf("record %d: written as %q, which is not JSON", i, line)
			}
		}
	}
}

func batching(t *testing.T, m stage.Mapper, lines [][]byte, want []result) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for range 8 { // eight workers at once, each with its own random cuts in its own order
		var cuts [][2]int
		for lo := 0; lo < len(lines); {
			hi := min(len(lines), lo+1+rng.IntN(12))
			cuts = append(cuts, [2]int{lo, hi})
			lo = hi
		}
		rng.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
		wg.Go(func() {
			w := m.NewWorker()
			for _, c := range cuts {
				got, err := mapped(t.Context(), w, lines[c[0]:c[1]], c[0])
				if err != nil {
					t.Errorf("seed %d, records %v: %v", seed, c, err)
					return
				}
				for k := range got {
					if got[k] != want[c[0]+k] {
						t.Errorf("seed %d: record %d in a batch: %+v\nalone: %+v", seed, c[0]+k, got[k], want[c[0]+k])
						return
					}
				}
			}
		})
	}
	wg.Wait()
	for range 50 { // a goroutine that is just ending may still be counted
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after: a worker keeps running", before, runtime.NumGoroutine())
}

// earlier checks that records which an earlier stage dropped or quarantined are left alone.
func earlier(t *testing.T, m stage.Mapper, lines [][]byte) {
	b := batch(lines, 0)
	b.Parse()
	for i := range b.Records {
		switch r := &b.Records[i]; i % 2 {
		case 0:
			r.DropFor("earlier", "because")
		case 1:
			r.QuarantineFor(fmt.Errorf("earlier"))
		}
	}
	if err := m.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i := range b.Records {
		r := &b.Records[i]
		if i%2 == 0 && (r.Outcome != record.Drop || r.Rule != "earlier") || i%2 == 1 && (r.Outcome != record.Quarantine || r.Err.Error() != "earlier") {
			t.Errorf("record %d: the outcome of an earlier stage was changed to %v %s %s", i, r.Outcome, r.Rule, r.Reason)
		}
	}
}

func cancelled(t *testing.T, m stage.Mapper, lines [][]byte) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mapped(ctx, m.NewWorker(), lines, 0); err == nil {
		t.Error("Map did not look at its cancelled context")
	}
}

func spec(t *testing.T, m stage.Stage) {
	s := m.Spec()
	if s.Name == "" || s.Version < 1 {
		t.Errorf("spec %+v: a stage has a name and a version from 1", s)
	}
	a, err := json.Marshal(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(m.Spec().Config)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("the configuration marshals to different bytes: %s, %s", a, b)
	}
}

func batch(lines [][]byte, first int) *record.Batch {
	b := &record.Batch{}
	for i, l := range lines {
		b.Append(record.MakeID(1, int64(first+i)), int64(first+i+1), slices.Clone(l))
	}
	return b
}

func mapped(ctx context.Context, w stage.Worker, lines [][]byte, first int) ([]result, error) {
	b := batch(lines, first)
	b.Parse()
	if err := w.Map(ctx, b); err != nil {
		return nil, err
	}
	if len(b.Records) != len(lines) {
		return nil, fmt.Errorf("%d records went in, %d came out", len(lines), len(b.Records))
	}
	rs := make([]result, len(lines))
	for i := range b.Records {
		r := &b.Records[i]
		if r.ID != record.MakeID(1, int64(first+i)) {
			return nil, fmt.Errorf("record %d: moved or its ID was changed", first+i)
		}
		if !bytes.Equal(r.Line, lines[i]) {
			return nil, fmt.Errorf("record %d: its line was changed; edits go through Set", first+i)
		}
		rs[i] = result{outcome: r.Outcome, rule: r.Rule, reason: r.Reason}
		if r.Outcome == record.Quarantine {
			rs[i].err = r.Err.Error()
			continue
		}
		rs[i].line = string(r.AppendLine(nil))
		rs[i].dropped = string(r.AppendDropped(nil))
	}
	return rs, nil
}
