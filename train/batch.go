package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"curate/shards"
	"curate/train/model"
)

// stepBatch is what a step learns from.
type stepBatch struct {
	step    int64
	place   Place
	length  int           // of the stage's rows
	micro   []model.Batch // one after another
	counted int64         // targets, of all micro-batches
	tokens  int64         // without padding
	// positions is how many tokens are computed, without those that fill up a micro-batch.
	positions int64

	rows []span // of the step's sequences, in read, what is learnt of them
	read columns
	out  columns // padded; micro lies in it
}

// span of columns that is a row.
type span struct{ from, to int }

// columns are model.Batch's, one number a token.
type columns struct{ tokens, targets, starts []int32 }

func (c *columns) clear() { c.tokens, c.targets, c.starts = c.tokens[:0], c.targets[:0], c.starts[:0] }

func (c *columns) append(token, target, start int32) {
	c.tokens, c.targets, c.starts = append(c.tokens, token), append(c.targets, target), append(c.starts, start)
}

// rowReader reads rows, for one goroutine.
type rowReader struct {
	data  *Data
	micro int64 // tokens of a micro-batch
	stage int
	open  openShards
	row   shards.Row
}

func (d *Data) reader(micro int64) *rowReader { return &rowReader{data: d, micro: micro, stage: -1} }

func (r *rowReader) close() error { return r.open.close() }

// step reads the rows of a step into b.
func (r *rowReader) step(ctx context.Context, step int64, b *stepBatch) error {
	p := r.data.Place(step)
	b.step = step
	return r.place(ctx, p, b)
}

// place reads rows into b.
func (r *rowReader) place(ctx context.Context, p Place, b *stepBatch) error {
	s := &r.data.stages[p.Stage]
	if p.Stage != r.stage {
		if err := r.open.close(); err != nil {
			return err
		}
		r.stage, r.open = p.Stage, openShards{stage: s}
	}
	b.place, b.length = p, s.set.Manifest.Length
	b.counted, b.tokens, b.positions, b.rows = 0, 0, 0, b.rows[:0]
	b.read.clear()
	for i := range p.Rows {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sh, k, err := r.open.at(ctx, r.data.Row(p, i))
		if err != nil {
			return err
		}
		if err := r.read(sh, k, s.set.Manifest); err != nil {
			return err
		}
		b.add(&r.row, s.eod, r.data.across)
	}
	b.group(r.micro)
	return nil
}

// read reads sequence k of a shard.
func (r *rowReader) read(sh *shards.Shard, k int64, m *shards.Manifest) (err error) {
	row := &r.row
	if row.IDs, err = sh.AppendTokens(row.IDs[:0], k); err != nil {
		return err
	}
	if row.Mask = row.Mask[:0]; m.Masked {
		row.Mask, err = sh.AppendMask(row.Mask, k)
	} else {
		for range row.IDs {
			row.Mask = append(row.Mask, 1)
		}
	}
	if err != nil {
		return err
	}
	if row.Pieces, err = sh.Bounds.AppendPieces(row.Pieces[:0], k); err != nil {
		return err
	}
	fault := func(i int64, problem string) error {
		file, at := sh.Place(k, i)
		if at < 0 {
			return fmt.Errorf("%s: %s", file, problem)
		}
		return fmt.Errorf("%s (byte %d): %s", file, at, problem)
	}
	if from, to := sh.Bounds.Tokens(k); to-from != int64(len(row.IDs)) || len(row.Mask) != len(row.IDs) {
		return fault(0, fmt.Sprintf("sequence %d has %d tokens, and %d in its bounds", k, len(row.IDs), to-from))
	}
	for i, id := range row.IDs {
		if int64(id) >= int64(m.Vocabulary) {
			return fault(int64(i), fmt.Sprintf("id %d; the vocabulary has %d", id, m.Vocabulary))
		}
	}
	return nil
}

// add appends a sequence: rows of at most b.length tokens, each with the next one as its target. A token's document begins
// where starts says. What is not counted at the end of a row is left out: nothing depends on it.
func (b *stepBatch) add(row *shards.Row, eod int64, across bool) {
	ids, pieces := row.IDs, row.Pieces
	base := len(b.read.tokens) // of the sequence
	start := 0
	for j := range pieces {
		p := &pieces[j]
		end := len(ids)
		if j+1 < len(pieces) {
			end = pieces[j+1].Start
		}
		if p.Padding {
			break
		}
		b.tokens += int64(end - p.Start)
		if j == 0 || !follows(row, j) {
			start = p.Start
		}
		for i := p.Start; i < min(end, len(ids)-1); i++ {
			target := int32(model.Ignore)
			learnt := row.Mask[i+1] != 0
			if i+1 == end {
				// The next piece has another document, or padding, of which the mask is 0, or goes on with this one.
				next := &pieces[j+1]
				ends := p.Last && int64(ids[end]) == eod
				learnt = learnt && !next.Padding && (across && p.Last || ends || follows(row, j+1))
			}
			if learnt {
				target = int32(ids[i+1])
			}
			b.read.append(int32(ids[i]), target, int32(start))
		}
	}
	for from := base; from < len(b.read.tokens); from += b.length {
		to := min(from+b.length, len(b.read.tokens))
		for i := from; i < to; i++ { // places in this row, not in the sequence
			b.read.starts[i] = max(0, b.read.starts[i]-int32(from-base))
		}
		last := to
		for last > from && b.read.targets[last-1] == model.Ignore {
			last--
		}
		if last > from {
			b.rows = append(b.rows, span{from, last})
		}
	}
}

// follows says whether piece j of a row, not its first, goes on where the one before it has ended.
func follows(row *shards.Row, j int) bool {
	before, p := &row.Pieces[j-1], &row.Pieces[j]
	return p.Continues && p.ID == before.ID && p.Copy == before.Copy && p.Source == before.Source && int64(p.From) == int64(before.From)+int64(p.Start-before.Start)
}

// group makes micro-batches of at most so many tokens: rows in their order, padded to the longest of their batch.
func (b *stepBatch) group(tokens int64) {
	b.micro = b.micro[:0]
	b.out.clear()
	need := 0
	b.groups(tokens, func(rows []span, length int) { need += len(rows) * length })
	for _, c := range []*[]int32{&b.out.tokens, &b.out.targets, &b.out.starts} {
		*c = slices.Grow(*c, need) // micro-batches lie in it: it must not move
	}
	b.groups(tokens, func(rows []span, length int) {
		from := len(b.out.tokens)
		starts := false
		for _, r := range rows {
			b.out.tokens = append(b.out.tokens, b.read.tokens[r.from:r.to]...)
			b.out.targets = append(b.out.targets, b.read.targets[r.from:r.to]...)
			b.out.starts = append(b.out.starts, b.read.starts[r.from:r.to]...)
			b.positions += int64(r.to - r.from)
			starts = starts || slices.ContainsFunc(b.read.starts[r.from:r.to], func(s int32) bool { return s > 0 })
			for i := r.to - r.from; i < length; i++ {
				b.out.append(0, model.Ignore, int32(i)) // it sees itself alone
				starts = true
			}
		}
		m := model.Batch{Rows: len(rows), Length: length, Tokens: b.out.tokens[from:], Targets: b.out.targets[from:], Starts: b.out.starts[from:]}
		if !starts {
			m.Starts = nil
		}
		for _, t := range m.Targets {
			if t != model.Ignore {
				b.counted++
			}
		}
		b.micro = append(b.micro, m)
	})
}

func (b *stepBatch) groups(tokens int64, f func(rows []span, length int)) {
	for from := 0; from < len(b.rows); {
		to, length := from, 0
		for to < len(b.rows) {
			longer := max(length, b.rows[to].to-b.rows[to].from)
			if to > from && int64(to+1-from)*int64(longer) > tokens {
				break
			}
			to, length = to+1, longer
		}
		f(b.rows[from:to], length)
		from = to
	}
}

// ahead reads steps in a goroutine before they are needed.
type ahead struct {
	steps  chan *stepBatch
	free   chan *stepBatch
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once steps is closed
}

// readAhead is how many steps are read, or learnt, at once: the memory that it takes is that of their tokens, 24 bytes each.
const readAhead = 3

func (d *Data) readAhead(ctx context.Context, from, to, micro int64) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{steps: make(chan *stepBatch), free: make(chan *stepBatch, readAhead), cancel: cancel, done: make(chan struct{})}
	for range readAhead {
		a.free <- &stepBatch{}
	}
	go func() {
		defer close(a.done)
		defer close(a.steps)
		r := d.reader(micro)
		defer func() { a.err = errors.Join(a.err, r.close()) }()
		for step := from; step < to; step++ {
			var b *stepBatch
			select {
			case b = <-a.free:
			case <-ctx.Done():
				return
			}
			if a.err = r.step(ctx, step, b); a.err != nil {
				return
			}
			select {
			case a.steps <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return a
}

// next gives the next step, until it is given back to free. After an error there is none.
func (a *ahead) next() (*stepBatch, error) {
	b, ok := <-a.steps
	if !ok {
		<-a.done
		if a.err == nil {
			return nil, context.Canceled // it was stopped
		}
		return nil, a.err
	}
	return b, nil
}

// close ends the goroutine.
func (a *ahead) close() {
	a.cancel()
	<-a.done
}
