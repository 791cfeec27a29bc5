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
	at      Place // see Data.Places
	length  int   // of the rows there
	count   int64 // of rows and pairs
	micro   []microBatch
	counted int64 // targets of rows, of all micro-batches
	pairs   int64 // with a target
	cut     int64 // pairs with an answer that was cut
	tokens  int64 // without padding
	// positions is how many tokens are computed, without those that fill up a micro-batch.
	positions int64

	places []Place
	parts  []part
	rows   []row  // of the step's sequences, in read, what is learnt of them; two of each pair
	list   []pair // of all micro-batches
	read   columns
	out    columns // padded; micro lies in it
}

// microBatch is computed at once: rows, or pairs, both of whose answers are in it.
type microBatch struct {
	model.Batch
	pairs []pair // nil: rows
}

// pair of answers in a micro-batch.
type pair struct {
	number           int64 // in the reference
	chosen, rejected span  // of the batch's tokens
}

// part are the rows of a place.
type part struct {
	from, to     int // of stepBatch.rows
	dense, pairs bool
}

// row of a micro-batch, as it lies in columns.
type row struct {
	span
	pair int64 // number in the reference
}

// span of columns.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// columns are model.Batch's, one number a token.
type columns struct{ tokens, targets, starts []int32 }

func (c *columns) clear() { c.tokens, c.targets, c.starts = c.tokens[:0], c.targets[:0], c.starts[:0] }

func (c *columns) append(token, target, start int32) {
	c.tokens, c.targets, c.starts = append(c.tokens, token), append(c.targets, target), append(c.starts, start)
}

// rowReader reads rows, for one goroutine.
type rowReader struct {
	data  *Data
	micro int64        // tokens of a micro-batch
	open  []openShards // by stream, of the stage that it is at
	row   shards.Row
}

func (d *Data) reader(micro int64) *rowReader {
	return &rowReader{data: d, micro: micro, open: make([]openShards, len(d.streams))}
}

func (r *rowReader) close() error {
	var err error
	for k := range r.open {
		err = errors.Join(err, r.open[k].close())
	}
	return err
}

// step reads the rows of a step into b.
func (r *rowReader) step(ctx context.Context, step int64, b *stepBatch) error {
	b.step = step
	b.at, b.places = r.data.Places(b.places[:0], step)
	return r.places(ctx, b)
}

// place reads rows into b.
func (r *rowReader) place(ctx context.Context, p Place, b *stepBatch) error {
	b.at, b.places = p, append(b.places[:0], p)
	return r.places(ctx, b)
}

func (r *rowReader) places(ctx context.Context, b *stepBatch) error {
	b.length = r.data.stages[b.at.Stage].set.Manifest.Length
	b.count, b.cut, b.tokens, b.rows, b.parts = 0, 0, 0, b.rows[:0], b.parts[:0]
	b.read.clear()
	for _, p := range b.places {
		s := &r.data.stages[p.Stage]
		k := 0
		for p.Stage >= r.data.streams[k].to {
			k++
		}
		open := &r.open[k]
		if open.stage != s {
			if err := open.close(); err != nil {
				return err
			}
			*open = openShards{stage: s}
		}
		first := len(b.rows)
		for i := range p.Rows {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n := r.data.Row(p, i)
			sh, k, err := open.at(ctx, n)
			if err != nil {
				return err
			}
			if err := r.read(sh, k, s.set.Manifest); err != nil {
				return err
			}
			if s.pairs {
				b.addPair(&r.row, s.reference+n, s.set.Manifest.Length)
			} else {
				b.add(&r.row, s.eod, r.data.across, s.set.Manifest.Length)
			}
		}
		b.count += p.Rows
		b.parts = append(b.parts, part{first, len(b.rows), s.dense(), s.pairs})
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
	if row.Prompt, row.Chosen, row.IsPair, err = sh.Pair(k); err != nil {
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

// addPair appends two rows: the prompt with the chosen answer, and with the rejected one. What is learnt are the tokens of
// the answers, up to as many tokens of prompt and answer as a row has targets for: the rest of longer ones is cut off, as TRL's
// max_length does (keep_start). A pair of which nothing is left to learn is passed over.
func (b *stepBatch) addPair(r *shards.Row, number int64, length int) {
	prompt := r.IDs[:r.Prompt]
	base := len(b.rows)
	targets := 0
	for _, answer := range [][]uint32{r.IDs[r.Prompt:r.Chosen], r.IDs[r.Chosen:]} {
		from := len(b.read.tokens)
		n := min(len(prompt)+len(answer), length+1)
		id := func(i int) int32 {
			if i < len(prompt) {
				return int32(prompt[i])
			}
			return int32(answer[i-len(prompt)])
		}
		if n > max(len(prompt), 1) { // the first token of all has nothing that it could be told from
			for i := range n - 1 {
				target := int32(model.Ignore)
				if i+1 >= len(prompt) {
					target = id(i + 1)
					targets++
				}
				b.read.append(id(i), target, 0)
			}
		}
		b.rows = append(b.rows, row{span{from, len(b.read.tokens)}, number})
		b.tokens += int64(n)
	}
	if targets == 0 {
		b.rows = b.rows[:base]
	}
	if max(r.Chosen, len(r.IDs)-r.Chosen+r.Prompt) > length+1 {
		b.cut++
	}
}

// add appends a sequence: rows of at most length tokens, each with the next one as its target. A token's document begins
// where starts says. What is not counted at the end of a row is left out: nothing depends on it.
func (b *stepBatch) add(r *shards.Row, eod int64, across bool, length int) {
	ids, pieces := r.IDs, r.Pieces
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
		if j == 0 || !follows(r, j) {
			start = p.Start
		}
		for i := p.Start; i < min(end, len(ids)-1); i++ {
			target := int32(model.Ignore)
			learnt := r.Mask[i+1] != 0
			if i+1 == end {
				// The next piece has another document, or padding, of which the mask is 0, or goes on with this one.
				next := &pieces[j+1]
				ends := p.Last && int64(ids[end]) == eod
				learnt = learnt && !next.Padding && (across && p.Last || ends || follows(r, j+1))
			}
			if learnt {
				target = int32(ids[i+1])
			}
			b.read.append(int32(ids[i]), target, int32(start))
		}
	}
	for from := base; from < len(b.read.tokens); from += length {
		to := min(from+length, len(b.read.tokens))
		for i := from; i < to; i++ { // places in this row, not in the sequence
			b.read.starts[i] = max(0, b.read.starts[i]-int32(from-base))
		}
		last := to
		for last > from && b.read.targets[last-1] == model.Ignore {
			last--
		}
		if last > from {
			b.rows = append(b.rows, row{span: span{from, last}})
		}
	}
}

// follows says whether piece j of a row, not its first, goes on where the one before it has ended.
func follows(row *shards.Row, j int) bool {
	before, p := &row.Pieces[j-1], &row.Pieces[j]
	return p.Continues && p.ID == before.ID && p.Copy == before.Copy && p.Source == before.Source && int64(p.From) == int64(before.From)+int64(p.Start-before.Start)
}

// group makes micro-batches of at most so many tokens: rows in their order, padded to the longest of their batch. Rows that are as
// long as their documents are not padded: they lie one behind the other in a single row of the micro-batch, each with its own
// beginning, so that nothing is computed for nothing. A pair's answers are in one micro-batch. One row, or pair, may be longer.
func (b *stepBatch) group(tokens int64) {
	b.micro, b.list = b.micro[:0], b.list[:0]
	b.counted, b.pairs, b.positions = 0, 0, 0
	b.out.clear()
	need := 0
	b.groups(tokens, func(_ *part, rows []row, length, lines int) { need += lines * length })
	for _, c := range []*[]int32{&b.out.tokens, &b.out.targets, &b.out.starts} {
		*c = slices.Grow(*c, need) // micro-batches lie in it: it must not move
	}
	b.groups(tokens, func(p *part, rows []row, length, lines int) {
		from := len(b.out.tokens)
		starts := false
		for k, r := range rows {
			at := int32(0)
			if p.dense {
				at = int32(len(b.out.tokens) - from)
			}
			b.out.tokens = append(b.out.tokens, b.read.tokens[r.from:r.to]...)
			b.out.targets = append(b.out.targets, b.read.targets[r.from:r.to]...)
			for _, s := range b.read.starts[r.from:r.to] {
				b.out.starts = append(b.out.starts, at+s)
				starts = starts || at+s > 0
			}
			b.positions += int64(r.len())
			if p.pairs {
				if here := (span{int(at), int(at) + r.len()}); k%2 == 0 {
					b.list = append(b.list, pair{number: r.pair, chosen: here})
				} else {
					b.list[len(b.list)-1].rejected = here
				}
			}
			for i := r.len(); i < length && !p.dense; i++ {
				b.out.append(0, model.Ignore, int32(i)) // it sees itself alone
				starts = true
			}
		}
		m := microBatch{Batch: model.Batch{Rows: lines, Length: length, Tokens: b.out.tokens[from:], Targets: b.out.targets[from:], Starts: b.out.starts[from:]}}
		if !starts {
			m.Starts = nil
		}
		if p.pairs {
			m.pairs = b.list[len(b.list)-len(rows)/2:]
			b.pairs += int64(len(m.pairs))
		} else {
			for _, t := range m.Targets {
				if t != model.Ignore {
					b.counted++
				}
			}
		}
		b.micro = append(b.micro, m)
	})
}

// groups calls f for the rows of each micro-batch, which has so many lines of a length.
func (b *stepBatch) groups(tokens int64, f func(p *part, rows []row, length, lines int)) {
	for i := range b.parts {
		p := &b.parts[i]
		each := 1
		if p.pairs {
			each = 2
		}
		for from := p.from; from < p.to; {
			to, longest, sum := from, 0, 0
			for to < p.to {
				longer, all := longest, sum
				for _, r := range b.rows[to : to+each] {
					longer, all = max(longer, r.len()), all+r.len()
				}
				size := int64(to+each-from) * int64(longer)
				if p.dense {
					size = int64(all)
				}
				if to > from && size > tokens {
					break
				}
				to, longest, sum = to+each, longer, all
			}
			if p.dense {
				f(p, b.rows[from:to], sum, 1)
			} else {
				f(p, b.rows[from:to], longest, to-from)
			}
			from = to
		}
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
