package generate

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/train/model"
)

// TestApart: what is written of jobs with options of their own, prompts of all lengths and tokens that are seen is what a writer
// with those options writes alone, in whatever order they end.
func TestApart(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 9))
	m, tok := tiny(t, 2)
	const context = 400
	ends := []uint32{0, 55}
	type sample struct {
		job     Job
		want    []Completion
		prompts int // tokens of the prompt that were seen
		tokens  []int
		put     []string
		done    int
	}
	var all []*sample
	for i := range 24 {
		own := Own{Sampling: Sampling{RepetitionPenalty: 1 + r.Float64()/4, Temperature: float64(r.IntN(3)) * 0.7, TopK: r.IntN(200), TopP: 1 - r.Float64()/3, Seed: r.Uint64()}, MaxTokens: r.IntN(30)}
		if i%3 == 0 {
			own.Stop = []string{"am", "%"}
		}
		s := &sample{job: Job{Own: &own, Record: r.Uint64N(5), Samples: 1 + r.IntN(3), Top: r.IntN(4)}}
		n := 1 + r.IntN(20)
		if i%5 == 0 {
			n = 200 + r.IntN(150)
		}
		for range n {
			s.job.Prompt = append(s.job.Prompt, uint32(r.IntN(m.Config.Vocabulary)))
		}
		alone := Options{Sampling: own.Sampling, MaxTokens: max(1, own.MaxTokens), Context: context, Ends: ends, Stop: own.Stop, Together: 1}
		var err error
		if s.want, err = writer(t, m, tok, alone).Write(t.Context(), s.job.Prompt, s.job.Record, s.job.Samples, nil); err != nil {
			t.Fatal(err)
		}
		if own.MaxTokens == 0 {
			for k := range s.want {
				s.want[k] = Completion{"", 0, EndLength}
			}
		}
		s.tokens, s.put = make([]int, s.job.Samples), make([]string, s.job.Samples)
		all = append(all, s)
	}
	ended := []int{}
	for i, s := range all {
		if i%2 == 0 {
			s.job.See = func(k int, c Scored) error {
				s.tokens[k]++
				if len(c.Top) != s.job.Top || len(c.Top) > 0 && c.Top[0].LogProb < c.LogProb || !slices.IsSortedFunc(c.Top, func(a, b Candidate) int { return int(math.Copysign(1, float64(b.LogProb-a.LogProb))) }) {
					t.Errorf("job %d: %+v", i, c)
				}
				if s.job.Own.Temperature == 0 && s.job.Own.RepetitionPenalty == 1 && len(c.Top) > 0 && c.Top[0] != c.Candidate {
					t.Errorf("job %d is greedy: %+v", i, c)
				}
				return nil
			}
			s.job.SeePrompt = func(number int, c Scored) error {
				if s.prompts++; number != s.prompts || c.Token != s.job.Prompt[number] {
					t.Errorf("job %d: token %d is number %d, %+v", i, s.prompts, number, c)
				}
				return nil
			}
		}
		if i%3 == 1 {
			s.job.Put = func(k int, text string) error { s.put[k] += text; return nil }
		}
		s.job.Done = func(list []Completion, err error) error {
			s.done++
			ended = append(ended, i)
			if err != nil || !slices.Equal(list, s.want) {
				t.Errorf("job %d is %+v, want %+v; %v", i, list, s.want, err)
			}
			for k, c := range list {
				if s.job.Put != nil && s.put[k] != c.Text {
					t.Errorf("job %d: %q came of %q", i, s.put[k], c.Text)
				}
				if s.job.See != nil && s.tokens[k] != c.Tokens {
					t.Errorf("job %d: %d tokens were seen of %d", i, s.tokens[k], c.Tokens)
				}
			}
			if s.job.SeePrompt != nil && s.prompts != len(s.job.Prompt)-1 {
				t.Errorf("job %d: %d tokens of the prompt were seen, of %d", i, s.prompts, len(s.job.Prompt))
			}
			return nil
		}
	}
	for _, room := range []int{0, 900} {
		w := writer(t, m, tok, Options{Sampling: Greedy(), MaxTokens: 1, Context: context, Ends: ends, Together: 5, Room: room, Apart: true})
		ended = ended[:0]
		given := 0
		err := w.Each(t.Context(), func(wait bool) (*Job, error) {
			if given == len(all) {
				return nil, io.EOF
			}
			if !wait && r.IntN(3) == 0 {
				return nil, nil
			}
			s := all[given]
			given++
			s.prompts, s.tokens, s.put = 0, make([]int, s.job.Samples), make([]string, s.job.Samples)
			return &s.job, nil
		})
		if err != nil || len(ended) != len(all) || slices.IsSorted(ended) {
			t.Errorf("they end in the order %v: %v", ended, err)
		}
	}
}

// TestApartLongPrompt: while a long prompt is read, others are written on.
func TestApartLongPrompt(t *testing.T) {
	m, tok := tiny(t, 1)
	w := writer(t, m, tok, Options{Sampling: Greedy(), MaxTokens: 8, Context: 5000, Together: 3, Apart: true})
	var ended []string
	jobs := []*Job{{Prompt: make([]uint32, 1000), Name: "long"}, {Prompt: make([]uint32, 900), Name: "shorter"}, {Prompt: []uint32{5, 6}, Name: "short"}}
	given := 0
	err := w.Each(t.Context(), func(bool) (*Job, error) {
		if given == len(jobs) {
			return nil, io.EOF
		}
		j := jobs[given]
		given++
		j.Samples = 1
		j.Done = func([]Completion, error) error { ended = append(ended, j.Name); return nil }
		return j, nil
	})
	if err != nil || !slices.Equal(ended, []string{"short", "long", "shorter"}) {
		t.Error(ended, err)
	}
}

// TestScores: log-probabilities of a prompt and of what is written are those of the whole text at once.
func TestScores(t *testing.T) {
	m, tok := tiny(t, 1)
	prompt := make([]uint32, PromptPart+40)
	for i := range prompt {
		prompt[i] = uint32(i * 37 % m.Config.Vocabulary)
	}
	var seen []Candidate
	var top [][]Candidate
	note := func(s Scored) error {
		seen = append(seen, s.Candidate)
		top = append(top, slices.Clone(s.Top))
		return nil
	}
	w := writer(t, m, tok, Options{Sampling: Greedy(), MaxTokens: 10, Context: 400, Apart: true})
	given := false
	err := w.Each(t.Context(), func(bool) (*Job, error) {
		if given {
			return nil, io.EOF
		}
		given = true
		return &Job{
			Prompt: prompt, Samples: 1, Top: 3, Done: func(_ []Completion, err error) error { return err },
			Own:       &Own{Sampling: Sampling{RepetitionPenalty: 1.5, Temperature: 1.5, TopP: 0.5}, MaxTokens: 10}, // none of which matters
			SeePrompt: func(_ int, s Scored) error { return note(s) }, See: func(_ int, s Scored) error { return note(s) },
		}, nil
	})
	if err != nil || len(seen) != len(prompt)-1+10 {
		t.Fatal(len(seen), err)
	}
	b := &model.Batch{Rows: 1, Length: len(seen) + 1}
	for _, id := range prompt {
		b.Tokens = append(b.Tokens, int32(id))
	}
	for _, c := range seen[len(prompt)-1:] {
		b.Tokens = append(b.Tokens, int32(c.Token))
	}
	b.Targets = append(slices.Clone(b.Tokens[1:]), model.Ignore)
	want, logits := make([]float32, b.Length), make([]float32, b.Length*m.Config.Vocabulary)
	if err := errors.Join(m.LogProbs(b, want), m.Logits(b, logits)); err != nil {
		t.Fatal(err)
	}
	for i, c := range seen {
		if int32(c.Token) != b.Targets[i] || math.Abs(float64(c.LogProb-want[i])) > 1e-5 {
			t.Errorf("token %d: %+v, want %d with %v", i, c, b.Targets[i], want[i])
		}
		row := logits[i*m.Config.Vocabulary:][:m.Config.Vocabulary]
		best, _ := most(row)
		if len(top[i]) != 3 || int32(top[i][0].Token) != best {
			t.Errorf("token %d: %+v, and the likeliest is %d", i, top[i], best)
		}
		for _, c := range top[i] {
			if got := row[c.Token] - m.LogSumExp(row); math.Abs(float64(got-c.LogProb)) > 1e-5 {
				t.Errorf("token %d: %+v, want %v", i, c, got)
			}
		}
	}
}

func TestLikeliest(t *testing.T) {
	for _, v := range []struct {
		scores []float32
		n      int
		want   []uint32
	}{
		{nil, 3, nil},
		{[]float32{1, 2}, 0, nil},
		{[]float32{1, 2}, 3, []uint32{1, 0}},
		{[]float32{1, 3, 2, 3, 3, 0}, 2, []uint32{1, 3}},
		{[]float32{1, 3, 2, 3, 3, 0}, 4, []uint32{1, 3, 4, 2}},
	} {
		var got []uint32
		for _, c := range likeliest(v.scores, v.n, nil) {
			got = append(got, c.Token)
			if c.LogProb != v.scores[c.Token] {
				t.Errorf("%v: %+v", v.scores, c)
			}
		}
		if !slices.Equal(got, v.want) {
			t.Errorf("%d of %v: %v, want %v", v.n, v.scores, got, v.want)
		}
	}
}

// TestApartErrors: what goes wrong in a job ends that one alone.
func TestApartErrors(t *testing.T) {
	m, tok := tiny(t, 1)
	mine := errors.New("mine")
	gone, leave := context.WithCancelCause(t.Context())
	goneEarly, leaveEarly := context.WithCancelCause(t.Context())
	fails := func(int, string) error { return mine }
	own := func(o Own) *Own { return &o }
	jobs := []struct {
		job  Job
		want string
	}{
		{Job{Prompt: []uint32{5, 6}, Samples: 2, Put: fails}, "mine"},
		{Job{Prompt: []uint32{5, 6}, Samples: 3, See: func(k int, _ Scored) error {
			if k == 2 {
				return mine
			}
			return nil
		}}, "mine"},
		{Job{Prompt: make([]uint32, 600), Samples: 1, SeePrompt: func(number int, _ Scored) error {
			if number == 300 {
				return mine
			}
			return nil
		}}, "mine"},
		{Job{Prompt: []uint32{5, 6}, Samples: 1, Own: own(Own{Sampling: Greedy(), MaxTokens: 100}), Context: gone, Put: func(int, string) error { leave(mine); return nil }}, "mine"},
		{Job{Prompt: make([]uint32, 600), Samples: 1, Context: goneEarly, SeePrompt: func(int, Scored) error { leaveEarly(mine); return nil }}, "mine"},
		{Job{Prompt: []uint32{5, 6}, Samples: 1, Context: gone}, "mine"},
		{Job{Prompt: []uint32{5, 6}, Samples: 1, Own: own(Own{Sampling: Greedy(), MaxTokens: -1})}, "max tokens -1"},
		{Job{Prompt: []uint32{5, 6}, Samples: 1, Own: own(Own{Sampling: Greedy(), MaxTokens: 1, Stop: []string{""}})}, "must not be empty"},
		{Job{Prompt: []uint32{5, 6}, Samples: 1, Own: own(Own{MaxTokens: 1})}, "repetition_penalty 0"},
		{Job{Prompt: make([]uint32, 701), Samples: 1, Own: own(Own{Sampling: Greedy()})}, "the prompt has 701 tokens, and the context 700"},
		{Job{Prompt: make([]uint32, 700), Samples: 1}, "leaves no room to write"},
		{Job{Prompt: make([]uint32, 700), Samples: 1, Own: own(Own{Sampling: Greedy()})}, ""},
		{Job{Prompt: []uint32{5, 6}, Samples: 1}, ""},
	}
	w := writer(t, m, tok, Options{Sampling: Greedy(), MaxTokens: 6, Context: 700, Together: 3, Apart: true})
	given, done := 0, 0
	err := w.Each(t.Context(), func(bool) (*Job, error) {
		if given == len(jobs) {
			return nil, io.EOF
		}
		i := given
		given++
		j := jobs[i].job
		j.Done = func(list []Completion, err error) error {
			done++
			if want := jobs[i].want; want == "" && (err != nil || len(list) != j.Samples) || want != "" && (err == nil || list != nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("job %d: %+v, %v", i, list, err)
			}
			return nil
		}
		return &j, nil
	})
	if err != nil || done != len(jobs) {
		t.Error(done, err)
	}
	for _, p := range w.places {
		if p.busy() {
			t.Errorf("a place is still taken: %+v", p)
		}
	}
	// Numbers that are none are the job's own error, too.
	m.Params.Data[len(m.Params.Data)-1] = float32(nan())
	for _, see := range []bool{false, true} {
		given, done = 0, 0
		err = w.Each(t.Context(), func(bool) (*Job, error) {
			if given++; given > 2 {
				return nil, io.EOF
			}
			j := &Job{Prompt: []uint32{5, 6}, Samples: 1, Done: func(_ []Completion, err error) error {
				if done++; !errors.Is(err, errNotNumbers) {
					t.Error(err)
				}
				return nil
			}}
			if see {
				j.SeePrompt = func(int, Scored) error { return nil }
			}
			return j, nil
		})
		if err != nil || done != 2 {
			t.Error(done, err)
		}
	}
}
