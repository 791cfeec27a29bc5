package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"curate/record"
)

// DefaultBeta is how much an implicit reward weighs if nothing else is said: that of TRL's DPOConfig.
const DefaultBeta = 0.1

// PairTokens are the tokens of a preference pair: those of prompt and chosen answer, and behind them the rejected one's.
type PairTokens struct {
	IDs            []uint32
	Prompt, Chosen int // where these parts end
}

// PreferenceConfig says how preference pairs are read, and what they are compared with.
type PreferenceConfig struct {
	// Encode gives the tokens of a record's pair. Its error is about the record.
	Encode func(r *record.Record) (*PairTokens, error)
	// Reference is the model that implicit rewards are measured from; nil: there is none, and no rewards.
	Reference Scorer
	// Beta of the rewards; 0 is DefaultBeta.
	Beta float64
}

// Preference measures how often a model finds the chosen of two answers to a prompt likelier than the rejected one: by log p
// of the answer (acc) and by log p a token of it (acc_tokens), and by how much. With a reference the model's implicit reward
// of an answer is β·(log p - log p of the reference) (Rafailov et al. 2023, arXiv 2305.18290, section 4): how often that of
// the chosen one is greater (reward_acc), by how much (reward_margin), and DPO's loss, the mean of -log σ(margin). Two answers
// that are equally likely, or rewarded alike, count as wrong.
type Preference struct {
	c         PreferenceConfig
	s         *Subject
	queue     *queue
	reference *queue
	wait      [][2]int // tokens of both answers
	tokens    int64
	cut       int64
	acc       [3]share // summed, a token, rewards
	differ    [2]mean  // of log p, of log p a token
	margin    mean
	loss      mean
	ties      int64
}

// NewPreference makes the task.
func NewPreference(s *Subject, c PreferenceConfig) (*Preference, error) {
	if c.Beta == 0 {
		c.Beta = DefaultBeta
	}
	if !(c.Beta > 0) || math.IsInf(c.Beta, 0) {
		return nil, fmt.Errorf("a beta of %v; it is a number above 0", c.Beta)
	}
	p := &Preference{c: c, s: s, queue: newQueue(s)}
	if c.Reference != nil {
		p.reference = newQueue(s)
		p.reference.scorer = c.Reference
		if s.Progress != nil { // both have seen what they have seen
			p.queue.progress = func(n int64) { s.Progress(n + p.reference.seen) }
			p.reference.progress = func(n int64) { s.Progress(n + p.queue.seen) }
		}
	}
	return p, nil
}

// Add implements Task.
func (p *Preference) Add(ctx context.Context, r *record.Record) error {
	pair, err := p.c.Encode(r)
	if err != nil {
		return &RowError{err}
	}
	prompt := pair.IDs[:pair.Prompt]
	answers := [2][]uint32{pair.IDs[pair.Prompt:pair.Chosen], pair.IDs[pair.Chosen:]}
	if len(answers[0]) == 0 || len(answers[1]) == 0 {
		return badRow("an answer has no tokens")
	}
	if len(prompt) == 0 {
		prompt = []uint32{p.s.Prefix}
	}
	longest := max(len(answers[0]), len(answers[1]))
	if longest > p.s.Context {
		return badRow("an answer has %d tokens, and the model is given %d at most", longest, p.s.Context)
	}
	// Both answers follow the same tokens.
	if over := len(prompt) + longest - 1 - p.s.Context; over > 0 {
		prompt = prompt[over:]
		p.cut++
	}
	for _, a := range answers {
		s := sequence{ids: slices.Concat(prompt, a), from: len(prompt)}
		p.queue.add(s)
		if p.reference != nil {
			p.reference.add(s)
		}
		p.tokens += int64(len(a))
	}
	p.wait = append(p.wait, [2]int{len(answers[0]), len(answers[1])})
	if p.queue.full() {
		return p.flush(ctx)
	}
	return nil
}

func (p *Preference) flush(ctx context.Context) error {
	sums, err := p.queue.score(ctx)
	if err != nil {
		return err
	}
	var of []float64
	if p.reference != nil {
		if of, err = p.reference.score(ctx); err != nil {
			return err
		}
		p.reference.clear()
	}
	for i, n := range p.wait {
		chosen, rejected := sums[2*i], sums[2*i+1]
		tied := chosen == rejected
		p.acc[0].add(chosen > rejected)
		p.differ[0].add(chosen - rejected)
		a, b := chosen/float64(n[0]), rejected/float64(n[1])
		p.acc[1].add(a > b)
		p.differ[1].add(a - b)
		if of != nil {
			margin := p.c.Beta * ((chosen - of[2*i]) - (rejected - of[2*i+1]))
			tied = margin == 0
			p.acc[2].add(margin > 0)
			p.margin.add(margin)
			p.loss.add(math.Max(-margin, 0) + math.Log1p(math.Exp(-math.Abs(margin)))) // -log σ(margin), without overflow
		}
		if tied {
			p.ties++
		}
	}
	p.queue.clear()
	p.wait = p.wait[:0]
	return nil
}

// Finish implements Task.
func (p *Preference) Finish(ctx context.Context) (*Result, error) {
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	r := &Result{Kind: KindPreference, Rows: p.acc[0].n, Tokens: p.tokens, Context: p.s.Context, Cut: p.cut, Ties: p.ties}
	r.Metrics = []Metric{
		accuracy("acc", &p.acc[0], 0.5), accuracy("acc_tokens", &p.acc[1], 0.5),
		p.differ[0].metric("log_p_difference"), p.differ[1].metric("log_p_difference_a_token"),
	}
	if p.reference != nil {
		r.Beta = p.c.Beta
		r.Metrics = append(r.Metrics, accuracy("reward_acc", &p.acc[2], 0.5), p.margin.metric("reward_margin"), p.loss.metric("dpo_loss"))
	}
	return r, nil
}
