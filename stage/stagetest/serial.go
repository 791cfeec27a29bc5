package stagetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"curate/record"
	"curate/stage"
)

// Serial checks the laws of a Serial stage on the given lines (at least 20, some of them bad): those of its Key, as Mapper
// does, and its own.
func Serial(t *testing.T, s stage.Serial, lines [][]byte) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	ok := t.Run("key", func(t *testing.T) {
		m := s.Key()
		Mapper(t, m, lines)
		if got, want := m.Spec().Name, s.Spec().Name; got != want {
			t.Errorf("Key is named %q and the stage %q; they are one line of the ledger", got, want)
		}
		spec(t, s)
		rs, err := mapped(t.Context(), m.NewWorker(), lines, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range rs {
			if r.outcome != record.Quarantine && r.line != string(lines[i])+"\n" {
				t.Errorf("record %d: Key staged an edit: %s", i, r.line)
			}
		}
	})
	if !ok {
		return // nothing else would mean anything
	}
	// Each pass has a Decider of its own, so that one that shares what it remembers fails.
	pass := func(most int) ([]result, error) {
		w := &inTurn{s.Key(), s.NewDecider()}
		var all []result
		for lo := 0; lo < len(lines); {
			hi := min(len(lines), lo+1+rng.IntN(most))
			rs, err := mapped(t.Context(), w, lines[lo:hi], lo)
			if err != nil {
				return nil, err
			}
			all = append(all, rs...)
			lo = hi
		}
		return all, w.decider.End()
	}
	want, err := pass(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("outcomes", func(t *testing.T) { outcomes(t, want) })
	t.Run("any batching", func(t *testing.T) {
		for _, most := range []int{1, 2, 7, 30, len(lines)} {
			got, err := pass(most)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("record %d in batches of up to %d: %+v\nalone: %+v", i, most, got[i], want[i])
				}
			}
		}
	})
	t.Run("earlier outcomes stay", func(t *testing.T) {
		b := batch(lines, 0)
		b.Parse()
		for i := range b.Records {
			if i%2 == 0 {
				b.Records[i].DropFor("earlier", "because")
			} else {
				b.Records[i].QuarantineFor(errors.New("earlier"))
			}
		}
		if err := (&inTurn{s.Key(), s.NewDecider()}).Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			r := &b.Records[i]
			if i%2 == 0 && (r.Outcome != record.Drop || r.Rule != "earlier") || i%2 == 1 && (r.Outcome != record.Quarantine || r.Err.Error() != "earlier") {
				t.Errorf("record %d: the outcome of an earlier stage was changed to %v %s %s", i, r.Outcome, r.Rule, r.Reason)
			}
		}
	})
	t.Run("cancel", func(t *testing.T) {
		b := batch(lines, 0)
		b.Parse()
		if err := s.Key().NewWorker().Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if s.NewDecider().Decide(ctx, b) == nil {
			t.Error("Decide did not look at its cancelled context")
		}
	})
}

// inTurn is a Serial as one worker: every batch is keyed by a fresh one, as by another goroutine.
type inTurn struct {
	key     stage.Mapper
	decider stage.Decider
}

// Map implements stage.Worker.
func (w *inTurn) Map(ctx context.Context, b *record.Batch) error {
	if err := w.key.NewWorker().Map(ctx, b); err != nil {
		return err
	}
	return w.decider.Decide(ctx, b)
}
