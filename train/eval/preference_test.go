package eval

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/record"
	"curate/train/model"
)

// idsOf reads pairs whose tokens stand in the record.
func idsOf(r *record.Record) (*PairTokens, error) {
	var row struct{ Prompt, Chosen, Rejected []uint32 }
	if err := json.Unmarshal(r.Line, &row, json.MatchCaseInsensitiveNames(true)); err != nil {
		return nil, err
	}
	if row.Chosen == nil {
		return nil, errors.New("no pair")
	}
	return &PairTokens{slices.Concat(row.Prompt, row.Chosen, row.Rejected), len(row.Prompt), len(row.Prompt) + len(row.Chosen)}, nil
}

// TestPreference: a token's log-probability is -token/8, and of the reference -1, so that all sums are exact.
func TestPreference(t *testing.T) {
	policy := scorerFunc(func(_ int, _, target int32) float32 { return -float32(target) / 8 })
	reference := scorerFunc(func(int, int32, int32) float32 { return -1 })
	lines := []string{
		`{"prompt":[5,6],"chosen":[1,2],"rejected":[8]}`,     // -3/8, -1; a token -3/16, -1. Rewards 2-3/8, 1-1
		`{"prompt":[5],"chosen":[4,4,4],"rejected":[8]}`,     // -12/8, -1; a token -1/2, -1. Rewards 3-12/8, 0
		`{"prompt":[],"chosen":[16],"rejected":[16]}`,        // equal
		`{"prompt":[7,7,7],"chosen":[24],"rejected":[8,16]}`, // -3, -3; a token -3, -3/2. Rewards 1-3, 2-3
	}
	of := func(c PreferenceConfig) map[string]Metric {
		s := subject(t, policy, 20, 40)
		c.Encode = idsOf
		p, err := NewPreference(s, c)
		r := finish(t, p, err, lines...)
		if r.Rows != 4 || r.Tokens != 12 || r.Kind != KindPreference {
			t.Errorf("%+v", r)
		}
		if want := map[bool]int64{true: 1, false: 2}[c.Reference != nil]; r.Ties != want {
			t.Errorf("%d ties, not %d", r.Ties, want)
		}
		metrics := map[string]Metric{}
		for _, m := range r.Metrics {
			metrics[m.Name] = m
		}
		return metrics
	}
	check := func(got map[string]Metric, name string, want, stderr float64) {
		t.Helper()
		m, ok := got[name]
		if !ok || math.Abs(*m.Value-want) > 1e-12 || math.Abs(*m.Stderr-stderr) > 1e-12 {
			t.Errorf("%s is %+v, not %v ± %v", name, m, want, stderr)
		}
	}
	// deviation is the standard error of a mean, written out.
	deviation := func(list ...float64) (mean, stderr float64) {
		for _, x := range list {
			mean += x / float64(len(list))
		}
		for _, x := range list {
			stderr += (x - mean) * (x - mean)
		}
		return mean, math.Sqrt(stderr / float64(len(list)*(len(list)-1)))
	}
	plain := of(PreferenceConfig{})
	check(plain, "acc", 0.25, math.Sqrt(.25*.75/3))
	check(plain, "acc_tokens", 0.5, math.Sqrt(.25/3))
	mean, stderr := deviation(5./8, -.5, 0, 0)
	check(plain, "log_p_difference", mean, stderr)
	mean, stderr = deviation(13./16, .5, 0, -1.5)
	check(plain, "log_p_difference_a_token", mean, stderr)
	if _, ok := plain["reward_acc"]; ok || !plain["acc"].AtChance || *plain["acc"].Chance != .5 {
		t.Errorf("%+v", plain)
	}
	for _, beta := range []float64{0, 0.5} {
		got := of(PreferenceConfig{Reference: reference, Beta: beta})
		if beta == 0 {
			beta = 0.1
		}
		margins := []float64{beta * 13. / 8, beta * 1.5, 0, beta * -1}
		var losses []float64
		for _, m := range margins {
			losses = append(losses, -math.Log(1/(1+math.Exp(-m))))
		}
		check(got, "reward_acc", 0.5, math.Sqrt(.25/3))
		mean, stderr = deviation(margins...)
		check(got, "reward_margin", mean, stderr)
		mean, stderr = deviation(losses...)
		check(got, "dpo_loss", mean, stderr)
		check(got, "acc", 0.25, math.Sqrt(.25*.75/3))
	}
	if _, err := NewPreference(subject(t, policy, 20, 40), PreferenceConfig{Beta: -1}); err == nil {
		t.Error("a negative beta is accepted")
	}
}

// TestPreferenceCut: what is too long loses the same tokens of both prompts.
func TestPreferenceCut(t *testing.T) {
	var seen [][2]int32 // how much a first token of an answer sees, and what it is
	look := lookerFunc(func(b *model.Batch, at int) {
		if b.Targets[at] >= 100 && b.Targets[at]%100 == 0 {
			seen = append(seen, [2]int32{int32(at%b.Length) - b.Starts[at] + 1, b.Targets[at]})
		}
	})
	p, err := NewPreference(subject(t, look, 5, 40), PreferenceConfig{Encode: idsOf})
	r := finish(t, p, err, `{"prompt":[1,2,3,4],"chosen":[100,101,102],"rejected":[200]}`)
	slices.SortFunc(seen, func(a, b [2]int32) int { return int(a[1] - b[1]) })
	if want := [][2]int32{{3, 100}, {3, 200}}; r.Cut != 1 || !slices.Equal(seen, want) {
		t.Errorf("%d prompts are cut, answers see %v, not %v", r.Cut, seen, want)
	}
	var row *RowError
	for _, line := range []string{`{"prompt":[1],"chosen":[1,2,3,4,5,6],"rejected":[2]}`, `{"prompt":[1],"chosen":[],"rejected":[2]}`, `{"prompt":[1]}`} {
		if err := put(t, p, line); !errors.As(err, &row) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// lookerFunc sees each place of a batch, and finds everything certain.
type lookerFunc func(b *model.Batch, at int)

func (f lookerFunc) LogProbs(b *model.Batch, dst []float32) error {
	for i := range dst {
		dst[i] = 0
		f(b, i)
	}
	return nil
}
