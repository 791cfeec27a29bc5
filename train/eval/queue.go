package eval

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"curate/train/model"
)

// sequence asks for Σ log p of the tokens ids[from:], each given those before it. from is at least 1.
type sequence struct {
	ids    []uint32
	from   int
	learnt []byte // of each token whether it counts; nil: all do
}

// inputs is how many tokens of it the model sees.
func (s *sequence) inputs() int { return len(s.ids) - 1 }

const (
	// leastRow is how long rows are at least, so that short sequences share one.
	leastRow = 128
	// ahead is how many batches' tokens are collected before they are sorted and run.
	ahead = 16
)

// queue collects sequences and runs them through a model: the longest first, several in a row, where each sees only itself.
// A row is as long as the longest sequence of its batch.
type queue struct {
	scorer   Scorer
	budget   int
	progress func(int64)

	seqs   []sequence
	sums   []float64
	tokens int
	seen   int64

	order []int
	rows  [][]int // of a batch: numbers of sequences
	used  []int
	batch model.Batch
	probs []float32
	at    []int // where in the batch a sequence begins
}

func newQueue(s *Subject) *queue {
	return &queue{scorer: s.Scorer, budget: cmp.Or(s.Batch, DefaultBatch), progress: s.Progress}
}

// add puts a sequence behind the others. It is kept until clear.
func (q *queue) add(s sequence) {
	q.seqs = append(q.seqs, s)
	q.tokens += s.inputs()
}

// full says that there is enough to run.
func (q *queue) full() bool { return q.tokens >= ahead*q.budget }

// clear forgets all sequences.
func (q *queue) clear() {
	clear(q.seqs)
	q.seqs, q.tokens = q.seqs[:0], 0
}

// score gives the sums of all sequences, in the order in which they were added. They are valid until the next call.
func (q *queue) score(ctx context.Context) ([]float64, error) {
	q.sums = append(q.sums[:0], make([]float64, len(q.seqs))...)
	q.at = append(q.at[:0], make([]int, len(q.seqs))...)
	q.order = q.order[:0]
	for i := range q.seqs {
		q.order = append(q.order, i)
	}
	slices.SortStableFunc(q.order, func(a, b int) int { return compare(&q.seqs[a], &q.seqs[b]) })
	// Equals are run once: in another place of a row rounding could tell them apart.
	distinct := q.order[:0:0]
	for k, i := range q.order {
		if k == 0 || compare(&q.seqs[q.order[k-1]], &q.seqs[i]) != 0 {
			distinct = append(distinct, i)
		}
	}
	for rest := distinct; len(rest) > 0; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n := q.fill(rest)
		if err := q.run(rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	first := 0
	for k, i := range q.order {
		if compare(&q.seqs[q.order[first]], &q.seqs[i]) != 0 {
			first = k
		}
		q.sums[i] = q.sums[q.order[first]]
	}
	return q.sums, nil
}

// compare orders sequences: the longest first.
func compare(a, b *sequence) int {
	return cmp.Or(cmp.Compare(len(b.ids), len(a.ids)), slices.Compare(a.ids, b.ids), cmp.Compare(a.from, b.from), bytes.Compare(a.learnt, b.learnt))
}

// fill gives the first sequences places in the rows of a batch, and says how many.
func (q *queue) fill(list []int) int {
	width := max(q.seqs[list[0]].inputs(), min(leastRow, q.budget))
	most := max(1, q.budget/width)
	q.rows, q.used = q.rows[:0], q.used[:0]
	n := 0
next:
	for ; n < len(list); n++ {
		need := q.seqs[list[n]].inputs()
		for r := range q.rows {
			if q.used[r]+need <= width {
				q.rows[r] = append(q.rows[r], list[n])
				q.used[r] += need
				continue next
			}
		}
		if len(q.rows) == most {
			break
		}
		if len(q.rows) < cap(q.rows) {
			q.rows = q.rows[:len(q.rows)+1]
			q.rows[len(q.rows)-1] = append(q.rows[len(q.rows)-1][:0], list[n])
		} else {
			q.rows = append(q.rows, []int{list[n]})
		}
		q.used = append(q.used, need)
	}
	length := slices.Max(q.used)
	b := &q.batch
	b.Rows, b.Length = len(q.rows), length
	b.Tokens, b.Targets, b.Starts = b.Tokens[:0], b.Targets[:0], b.Starts[:0]
	for _, row := range q.rows {
		begin := len(b.Tokens)
		for _, i := range row {
			s := &q.seqs[i]
			q.at[i] = len(b.Tokens)
			start := int32(len(b.Tokens) - begin)
			for k := range s.inputs() {
				target := int32(model.Ignore)
				if k+1 >= s.from && (s.learnt == nil || s.learnt[k+1] != 0) {
					target = int32(s.ids[k+1])
				}
				b.Tokens, b.Targets, b.Starts = append(b.Tokens, int32(s.ids[k])), append(b.Targets, target), append(b.Starts, start)
			}
		}
		for at := len(b.Tokens) - begin; at < length; at++ { // what fills the row sees itself alone
			b.Tokens, b.Targets, b.Starts = append(b.Tokens, 0), append(b.Targets, model.Ignore), append(b.Starts, int32(at))
		}
	}
	return n
}

// run runs the batch, and adds up what its sequences ask for.
func (q *queue) run(list []int) error {
	n := q.batch.Rows * q.batch.Length
	q.probs = slices.Grow(q.probs[:0], n)[:n]
	if err := q.scorer.LogProbs(&q.batch, q.probs); err != nil {
		return err
	}
	for _, i := range list {
		sum := 0.0
		for k := range q.seqs[i].inputs() {
			sum += float64(q.probs[q.at[i]+k]) // 0 where nothing is asked for
		}
		q.sums[i] = sum
	}
	q.seen += int64(n)
	if q.progress != nil {
		q.progress(q.seen)
	}
	return nil
}
