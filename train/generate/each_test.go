package generate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

var errNoPrompt = errors.New("no prompt")

// TestEach: what is written of a job is the same whatever is written beside it, in whatever room; and jobs are done in order.
func TestEach(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 4))
	m, tok := tiny(t, 2)
	o := Options{Sampling: Sampling{RepetitionPenalty: 1.1, Temperature: 1.2, TopK: 90, TopP: 0.97, Seed: 3}, MaxTokens: 30, Context: 48, Ends: []uint32{0, 55, 120}, Stop: []string{"am", "%"}}
	type sample struct {
		prompt  []uint32
		samples int
		want    []Completion
	}
	var all []sample
	alone := o
	alone.Together = 1
	for i := range 30 {
		s := sample{samples: 1 + r.IntN(4)}
		for range r.IntN(3 * 16) {
			s.prompt = append(s.prompt, uint32(r.IntN(m.Config.Vocabulary)))
		}
		if len(s.prompt) > 0 { // and an empty one is an error
			var err error
			if s.want, err = writer(t, m, tok, alone).Write(t.Context(), s.prompt, uint64(i), s.samples, nil); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, s)
	}
	for _, c := range []struct{ together, room int }{{2, 0}, {3, 50}, {7, 200}, {32, 100}, {0, 0}} {
		o.Together, o.Room = c.together, c.room
		w := writer(t, m, tok, o)
		for range 2 { // the second time places are there
			given, done := 0, 0
			err := w.Each(t.Context(), func(wait bool) (*Job, error) {
				if given == len(all) {
					return nil, io.EOF
				}
				if !wait && r.IntN(3) == 0 {
					return nil, nil
				}
				i := given
				given++
				streamed := make([]string, all[i].samples)
				j := &Job{Prompt: all[i].prompt, Record: uint64(i), Samples: all[i].samples}
				if i == 11 {
					j.Err = errNoPrompt
				}
				if i%4 == 0 {
					last := 0
					j.Put = func(sample int, text string) error {
						if streamed[sample] += text; sample < last || text == "" {
							return fmt.Errorf("%q comes for sample %d after %d", text, sample, last)
						}
						last = sample
						return nil
					}
				}
				j.Done = func(list []Completion, err error) error {
					if i != done {
						return fmt.Errorf("%d is done after %d", i, done-1)
					}
					done++
					if i == 11 {
						if err != errNoPrompt || list != nil {
							return fmt.Errorf("a prompt that is none is %v, %w", list, err)
						}
						return nil
					}
					if len(all[i].prompt) == 0 {
						if !errors.As(err, new(*PromptError)) || list != nil {
							return fmt.Errorf("nothing to go on from is %v, %w", list, err)
						}
						return nil
					}
					if err != nil || !slices.Equal(list, all[i].want) {
						return fmt.Errorf("%d is %+v, want %+v; %w", i, list, all[i].want, err)
					}
					for k := range list {
						if j.Put != nil && streamed[k] != list[k].Text {
							return fmt.Errorf("%d: what comes is %q, and in the end it is %q", i, streamed[k], list[k].Text)
						}
					}
					return nil
				}
				return j, nil
			})
			if err != nil || done != len(all) {
				t.Fatalf("%+v: %d done: %v", c, done, err)
			}
			sum := 0
			for _, p := range w.places {
				sum += p.room
			}
			if c.room > 0 && sum > c.room || len(w.places) > w.o.Together {
				t.Errorf("%+v: %d places have room for %d tokens", c, len(w.places), sum)
			}
		}
	}
}

// TestEachErrors: those of next and Done end the writing; the first when what came before is done. A writer goes on afterwards.
func TestEachErrors(t *testing.T) {
	m, tok := tiny(t, 1)
	w := writer(t, m, tok, Options{Sampling: Greedy(), MaxTokens: 6, Context: 48})
	mine := errors.New("mine")
	jobs := func(n int, end error, done func(i int) error) func(bool) (*Job, error) {
		i := -1
		return func(bool) (*Job, error) {
			if i++; i == n {
				return nil, end
			}
			return &Job{Prompt: []uint32{5, 6}, Samples: 1, Done: func([]Completion, error) error { return done(i) }}, nil
		}
	}
	n := 0
	count := func(int) error { n++; return nil }
	if err := w.Each(t.Context(), jobs(3, mine, count)); !errors.Is(err, mine) || n != 3 {
		t.Error(n, err)
	}
	if err := w.Each(t.Context(), jobs(3, io.EOF, func(int) error { return mine })); !errors.Is(err, mine) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Each(ctx, jobs(3, io.EOF, count)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n = 0; w.Each(t.Context(), jobs(100, io.EOF, count)) != nil || n != 100 {
		t.Error(n)
	}
	if n = 0; w.Each(t.Context(), jobs(0, io.EOF, count)) != nil || n != 0 {
		t.Error(n)
	}
	got, err := w.Write(t.Context(), []uint32{5, 6}, 0, 40, nil)
	if err != nil || len(got) != 40 || got[39] != got[0] || got[0].Tokens != 6 {
		t.Error(got, err)
	}
}
