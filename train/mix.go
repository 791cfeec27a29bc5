package train

import (
	"context"
	"fmt"
	"math"
	"math/bits"

	"curate/corpus/store"
)

// Mix is a stream of rows beside those of Config.Shards: corpus rows, masked rows of chats, or pairs of preferences.
type Mix struct {
	Shards string `json:"shards"` // a folder as Config.Shards
	// Share of the tokens of each step, to six digits; Config.Shards has what all leave.
	Share float64 `json:"share"`

	Data []DataSet `json:"data"` // filled in by Run
}

// stream are the sets of a folder, one after another and again from the beginning. It has a share of the tokens of every step. A
// row begins where those before it end, counted as its stage counts rows, and a step has the rows that begin in what is the
// stream's of the step. So over any number of steps a stream is off its share by less than one row.
type stream struct {
	from, to int   // stages
	share    int64 // of the tokens of a step, in millionths
	tokens   int64 // of an epoch
}

const millionths = 1_000_000

// OpenTraining opens the shards of a Config that was Check'ed, with those of its mix.
func OpenTraining(ctx context.Context, st store.Store, c *Config) (*Data, error) {
	if len(c.Mix) == 0 {
		return OpenData(ctx, st, c.Shards, c.TokensPerStep, c.Seed, c.Across)
	}
	d := newData(c.TokensPerStep, c.Seed, c.Across)
	if err := d.open(ctx, st, c.Shards, 0, false); err != nil {
		return nil, err
	}
	own := int64(millionths)
	for i := range c.Mix {
		x := &c.Mix[i]
		share := int64(math.Round(x.Share * millionths))
		if own -= share; own < 1 {
			return nil, fmt.Errorf("mix: the shares leave nothing to the rows of %s", c.Shards)
		}
		if err := d.open(ctx, st, x.Shards, share, false); err != nil {
			return nil, fmt.Errorf("mix: %w", err)
		}
	}
	d.streams[0].share = own
	for k := range d.streams {
		x := &d.streams[k]
		for i := x.from; i < x.to; i++ {
			if s := &d.stages[i]; s.rows() > 0 && d.upTo(k, 1) < s.tokens {
				what := map[bool]string{false: "row", true: "pair"}[s.pairs]
				return nil, fmt.Errorf("%s: %.6g of the %d tokens of a step are less than one %s of %d; give tokens_per_step more, or the shards a larger share",
					s.set.Dir, float64(x.share)/millionths, d.tokensPerStep, what, s.tokens)
			}
		}
	}
	d.perEpoch = d.epoch()
	return d, nil
}

// epoch is how many steps of a mix it takes until the last row of the first stream has begun.
func (d *Data) epoch() int64 {
	x := &d.streams[0]
	last := int64(0)
	for i := x.from; i < x.to; i++ {
		if s := &d.stages[i]; s.rows() > 0 {
			last = x.tokens - s.tokens
		}
	}
	n := int64(math.Ceil(float64(last+1) / float64(d.tokensPerStep) / float64(x.share) * millionths)) // but for rounding
	for d.upTo(0, n) <= last {
		n++
	}
	for d.upTo(0, n-1) > last {
		n--
	}
	return n
}

// upTo is how many tokens of a stream are in the first n steps. The streams' together are those of the steps.
func (d *Data) upTo(k int, n int64) int64 {
	part := func(share int64) int64 {
		high, low := bits.Mul64(uint64(n)*uint64(d.tokensPerStep), uint64(share)) // below 2^55 times 2^20
		q, _ := bits.Div64(high, low, millionths)
		return int64(q)
	}
	if k > 0 {
		return part(d.streams[k].share)
	}
	rest := n * d.tokensPerStep
	for _, x := range d.streams[1:] {
		rest -= part(x.share)
	}
	return rest
}

// mixed is Places of several streams.
func (d *Data) mixed(dst []Place, step int64) (at Place, all []Place) {
	for k := range d.streams {
		from, to := d.upTo(k, step), d.upTo(k, step+1)
		if k == 0 {
			at = d.standing(from)
		}
		dst = d.between(dst, k, from, to)
	}
	return at, dst
}

// between appends where the rows are that begin in tokens [from, to) of a stream.
func (d *Data) between(dst []Place, k int, from, to int64) []Place {
	x := &d.streams[k]
	for epoch := from / x.tokens; epoch*x.tokens < to; epoch++ {
		base := epoch * x.tokens
		for i := x.from; i < x.to; i++ {
			s := &d.stages[i]
			row := func(token int64) int64 { // the first that begins there or later
				return min(max(0, token-base+s.tokens-1)/s.tokens, s.rows())
			}
			if first, end := row(from), row(to); first < end {
				dst = append(dst, Place{Epoch: epoch, Stage: i, From: first, Rows: end - first})
			}
			base += s.rows() * s.tokens
		}
	}
	return dst
}

// standing is the place of the row of the first stream in which a token lies.
func (d *Data) standing(token int64) Place {
	x := &d.streams[0]
	p := Place{Epoch: token / x.tokens}
	token %= x.tokens
	for p.Stage = x.from; token >= d.stages[p.Stage].rows()*d.stages[p.Stage].tokens; p.Stage++ {
		token -= d.stages[p.Stage].rows() * d.stages[p.Stage].tokens
	}
	p.From = token / d.stages[p.Stage].tokens
	return p
}

// reached is how many rows of each stage are seen in the first n steps, all of those that are seen in a second epoch.
func (d *Data) reached(n int64) []int64 {
	rows := make([]int64, len(d.stages))
	for k := range d.streams {
		x := &d.streams[k]
		end := d.upTo(k, n)
		if len(d.streams) == 1 { // steps end where stages do
			end = 0
			last := d.place(n - 1)
			for i := range last.Stage {
				end += d.stages[i].rows() * d.stages[i].tokens
			}
			end += last.Epoch*x.tokens + (last.From+last.Rows)*d.stages[last.Stage].tokens
		}
		for _, p := range d.between(nil, k, 0, min(end, x.tokens)) {
			rows[p.Stage] = p.Rows
		}
	}
	return rows
}

// weights of the loss of rows and of that of pairs: the shares of the tokens that they have.
func (d *Data) weights() (rows, pairs float64) {
	n := int64(0)
	for _, x := range d.streams {
		if d.stages[x.from].pairs {
			n += x.share
		}
	}
	return float64(millionths-n) / millionths, float64(n) / millionths
}

// HasPairs says whether there are pairs of preferences among the rows.
func (d *Data) HasPairs() bool {
	_, pairs := d.weights()
	return pairs > 0
}

// pairDir is the folder of the first set of pairs, "" without.
func (d *Data) pairDir() string {
	for i := range d.stages {
		if d.stages[i].pairs {
			return d.stages[i].set.Dir
		}
	}
	return ""
}
