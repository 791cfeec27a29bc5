package marian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"curate/kernel"
)

// Options are how a model is run.
type Options struct {
	Kernels   string // as kernel.Named has them; "" is the best with the bits of AVX2 (kernel.Set.Alike), as kernel.Auto is
	Workers   int    // batches at a time, each of one core; 0: GOMAXPROCS
	Beams     int    // 0: what the model's configuration says, or 1
	Precision string // "": as the weights are stored; "int8": quantised while they are read; "f32": refused if they are stored in 8 bits
}

// Precisions that Options may ask for, sorted.
var Precisions = []string{"f32", "int8"}

// Translation is what became of a text.
type Translation struct {
	Text         string
	LogProb      float64 // mean log-probability of the target's tokens, the end included
	SourceTokens int     // with the end
	TargetTokens int     // with the end
	// Cut says that the source has more tokens than the model has positions, and there is no translation; or that the target came
	// to its largest length without an end.
	Cut            bool
	Source, Target []Piece // tokens without the end, if alignment was asked for
}

// Engine translates. Its methods may be used from any goroutine.
type Engine struct {
	name, digest string
	m            *model
	t            *tokenizer
	q            search
	workers      int

	mu     sync.Mutex
	some   sync.Cond // there is something in the queue, or the end has come
	queue  []*text   // the first comes first
	closed bool
	done   sync.WaitGroup
}

// text is one that waits, or is being translated.
type text struct {
	call   *call
	i      int // in the call
	text   string
	ids    []int32
	pieces []Piece
	s      sentence
}

// call is one of Translate.
type call struct {
	ctx   context.Context
	out   []Translation
	align bool
	left  int // under the engine's lock
	over  chan struct{}
}

// Targets are at most so long: what transformers' max_new_tokens = 2.5·source + 8 allows. Translations into Basque have 0.7 to 1.6
// tokens for each of their source; what is longer repeats itself.
const (
	longestShare = 2.5
	longestExtra = 8
)

// Open reads a model's folder: config.json, model.safetensors or pytorch_model.bin, source.spm, target.spm and vocab.json, as Hugging
// Face's MarianMTModel and MarianTokenizer save them. Errors name the file.
func Open(dir string, o Options) (*Engine, error) {
	e := &Engine{name: filepath.Base(filepath.Clean(dir)), workers: cmp.Or(o.Workers, runtime.GOMAXPROCS(0))}
	e.some.L = &e.mu
	set, err := kernel.Named(cmp.Or(o.Kernels, kernel.Auto))
	if err != nil {
		return nil, err
	}
	if o.Kernels == "" || o.Kernels == kernel.Auto {
		set = set.Alike()
	}
	if o.Precision != "" && !slices.Contains(Precisions, o.Precision) {
		return nil, fmt.Errorf("precision %q: f32 or int8", o.Precision)
	}
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	if e.q, err = newSearch(c, o.Beams); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if e.t, err = readTokenizer(dir, c); err != nil {
		return nil, err
	}
	if e.m, err = openModel(dir, c, set, o.Precision); err != nil {
		return nil, err
	}
	if e.digest, err = digest(dir, e.precision(), e.q.beams); err != nil {
		return nil, err
	}
	for range e.workers {
		e.done.Go(func() { e.work() })
	}
	return e, nil
}

func openModel(dir string, c *Config, set *kernel.Set, precision string) (*model, error) {
	t, err := openTensors(dir)
	if err != nil {
		return nil, err
	}
	m, err := load(&loader{set: set, t: t, int8: precision == "int8", float: precision == "f32"}, c)
	if err := errors.Join(err, t.Close()); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // of the weights as they were read
	return m, nil
}

// newSearch is what generate() does for a configuration.
func newSearch(c *Config, beams int) (search, error) {
	g := &c.Generation
	q := search{beams: cmp.Or(beams, g.Beams, 1), penalty: g.LengthPenalty, stop: g.EarlyStopping, start: int32(c.DecoderStart)}
	if q.beams < 1 || q.beams > maxBeams {
		return q, fmt.Errorf("%d beams: from 1 to %d", q.beams, maxBeams)
	}
	if int64(q.beams)*int64(min(c.Positions, mostPlaces))*2*int64(c.Width) > math.MaxInt32 {
		return q, fmt.Errorf("%d beams of %d positions and a width of %d: keys and values are too many", q.beams, c.Positions, c.Width)
	}
	for _, e := range g.Ends {
		q.ends = append(q.ends, int32(e))
	}
	if len(q.ends) == 0 {
		q.ends = []int32{int32(c.End)}
	}
	q.rules = rules{repetition: float32(cmp.Or(g.RepetitionPenalty, 1)), ngram: g.NoRepeatNgram, least: g.MinLength, ends: q.ends, renormalize: g.Renormalize}
	if c.ForcedEnd >= 0 {
		q.rules.forced = []int32{int32(c.ForcedEnd)}
	}
	for _, w := range g.BadWords {
		if len(w) != 1 || !slices.Contains(q.ends, w[0]) { // NoBadWordsLogitsProcessor takes those out
			q.rules.bad = append(q.rules.bad, w)
		}
	}
	return q, nil
}

// Name is that of the model's folder.
func (e *Engine) Name() string { return e.name }

// Digest identifies all that a translation depends on: weights, vocabularies, configuration, beams, precision.
func (e *Engine) Digest() string { return e.digest }

// precision of most weights.
func (e *Engine) precision() string {
	if e.m.output.int8 != nil {
		return "int8"
	}
	return "f32"
}

// Memory is how many bytes weights and batches take at most.
func (e *Engine) Memory() int64 {
	c := e.m.cfg
	d := int64(c.Width)
	ffn := int64(max(c.EncoderFFN, c.DecoderFFN))
	rows := int64(max(batchRows, e.q.beams))
	batch := 4 * ((rows+encodeTokens)*(7*d+ffn) + rows*int64(e.m.output.n) + int64(c.DecoderLayers)*2*d*batchSlots)
	return e.m.bytes() + e.t.memory(e.workers) + int64(e.workers)*batch
}

// Unknown says whether a piece of a text is unknown to the source's vocabulary: it would be lost.
func (e *Engine) Unknown(text string) bool { return e.t.unknown(text) }

// Close ends the workers. Nobody may be in Translate.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.some.Broadcast()
	e.mu.Unlock()
	e.done.Wait()
	return nil
}

// Translate translates texts. They wait in one queue with those of other calls, the longest of a call first, so that cores end
// together; a batch takes what waits whenever there is room in it, and has no padding. What comes out for a text depends on it
// alone. When ctx is cancelled the rest is given up, and the error is ctx's cause.
func (e *Engine) Translate(ctx context.Context, texts []string, align bool) ([]Translation, error) {
	c := &call{ctx: ctx, out: make([]Translation, len(texts)), align: align, over: make(chan struct{})}
	var list []*text
	for i, s := range texts {
		t := &text{call: c, i: i, text: s}
		t.ids, t.pieces = e.t.encode(s)
		out := &c.out[i]
		out.SourceTokens = len(t.ids)
		if len(t.ids) > e.m.places {
			out.Cut = true
			continue
		}
		list = append(list, t)
	}
	if len(list) == 0 {
		return c.out, context.Cause(ctx)
	}
	slices.SortStableFunc(list, func(a, b *text) int { return len(b.ids) - len(a.ids) })
	c.left = len(list)
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, errors.New("marian: the engine is closed")
	}
	e.queue = append(e.queue, list...)
	e.some.Broadcast()
	e.mu.Unlock()
	<-c.over // after a cancel, too: workers write into c.out
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return c.out, nil
}

// finish says that a text is over.
func (e *Engine) finish(t *text) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.call.left--; t.call.left == 0 {
		close(t.call.over)
	}
}

const (
	// batchRows is how many hypotheses are decoded at a time: enough that the weights, which are read once for all of them, cost
	// less than the arithmetic.
	batchRows = 64
	// batchSlots is how many slots of the cache the texts of a batch may come to need, by need, but for a text that needs more alone.
	batchSlots = 6 << 10
	// encodeTokens is how many source tokens are encoded at a time, but for a text that has more.
	encodeTokens = 256
)

// worker is one goroutine of the engine.
type worker struct {
	e      *Engine
	room   *room
	cache  *cache
	picks  picks
	active []*text
	slots  int // that they may come to need
	rows   []row
}

func (e *Engine) work() {
	w := &worker{e: e, room: e.m.newRoom(max(batchRows, e.q.beams), encodeTokens), cache: newCache(len(e.m.decoder), e.m.cfg.Width)}
	most := max(1, batchRows/e.q.beams) // texts at a time
	for {
		if free := most - len(w.active); len(w.active) == 0 || free >= (most+3)/4 {
			more := e.take(free, batchSlots-w.slots, len(w.active) == 0)
			if len(more) == 0 && len(w.active) == 0 {
				return
			}
			w.begin(more)
		}
		w.step()
	}
}

// take takes up to n texts for which there are slots from the queue, and waits for the first if there is nothing else to do. None is
// left for a worker that has to end.
func (e *Engine) take(n, slots int, wait bool) []*text {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.queue) == 0 && wait && !e.closed {
		e.some.Wait()
	}
	n = min(n, (len(e.queue)+e.workers-1)/e.workers) // the others want some, too
	if n == 0 {
		return nil
	}
	tokens := 0
	for i, t := range e.queue[:n] {
		tokens += len(t.ids)
		slots -= e.need(t)
		if i > 0 && tokens > encodeTokens || slots < 0 && (i > 0 || !wait) {
			n = i
			break
		}
	}
	list := slices.Clone(e.queue[:n])
	clear(e.queue[:n])
	if e.queue = e.queue[n:]; len(e.queue) == 0 {
		e.queue = nil
	}
	return list
}

// need is how many slots a text may come to need: its source, a target that its hypotheses share, and their last tokens, which they
// do not.
func (e *Engine) need(t *text) int { return len(t.ids) + e.most(len(t.ids)) + 4*e.q.beams }

// begin encodes texts and puts them into the batch.
func (w *worker) begin(list []*text) {
	var ids []int32
	var ends []int
	fresh := list[:0]
	for _, t := range list {
		if t.call.ctx.Err() != nil {
			w.e.finish(t)
			continue
		}
		fresh = append(fresh, t)
		ids = append(ids, t.ids...)
		ends = append(ends, len(ids))
	}
	if len(fresh) == 0 {
		return
	}
	m, q := w.e.m, &w.e.q
	states := m.encode(w.room, ids, ends)
	slots := make([]int32, len(ids))
	for i := range slots {
		slots[i] = w.cache.take()
	}
	m.remember(w.room, w.cache, states, slots)
	from := 0
	for i, t := range fresh {
		t.s = sentence{source: slots[from:ends[i]:ends[i]], align: t.call.align, most: w.e.most(len(t.ids))}
		from = ends[i]
		q.begin(&t.s, w.cache)
		w.slots += w.e.need(t)
		w.active = append(w.active, t)
	}
}

// most is how long a target may become, its start included.
func (e *Engine) most(source int) int {
	n := 1 + int(longestShare*float64(source)) + longestExtra
	g := &e.m.cfg.Generation
	if g.MaxNewTokens > 0 {
		n = min(n, g.MaxNewTokens+1)
	} else if g.MaxLength > 0 {
		n = min(n, g.MaxLength)
	}
	return max(2, min(n, e.m.places))
}

// step gives every text of the batch its next token.
func (w *worker) step() {
	m, q := w.e.m, &w.e.q
	w.active = slices.DeleteFunc(w.active, func(t *text) bool {
		if t.call.ctx.Err() == nil {
			return false
		}
		w.leave(t)
		return true
	})
	if len(w.active) == 0 {
		return
	}
	w.rows = w.rows[:0]
	for _, t := range w.active {
		w.rows = q.rows(w.rows, &t.s)
	}
	logits := m.decode(w.room, w.cache, w.rows)
	vocab := m.output.n
	w.active = slices.DeleteFunc(w.active, func(t *text) bool {
		s := &t.s
		q.advance(m.set, s, w.cache, logits[s.first*vocab:(s.first+len(s.running))*vocab], &w.picks)
		if !s.over {
			return false
		}
		w.e.write(t)
		w.leave(t)
		return true
	})
}

// leave takes a text out of the batch.
func (w *worker) leave(t *text) {
	w.slots -= w.e.need(t)
	w.e.q.leave(&t.s, w.cache)
	w.e.finish(t)
}

// write makes the translation of a text that is over.
func (e *Engine) write(t *text) {
	out := &t.call.out[t.i]
	if len(t.s.done) == 0 { // nothing but NaN
		out.Cut = true
		return
	}
	best := t.s.done[0]
	n := len(best.tokens)
	var pieces []Piece
	out.Text, pieces = e.t.decode(best.tokens)
	out.TargetTokens = n
	out.LogProb = float64(best.sum) / float64(n)
	out.Cut = n+1 >= t.s.most
	if !t.call.align {
		return
	}
	out.Source = t.pieces[:len(t.pieces)-1]
	for i, p := range pieces {
		if !slices.Contains(e.q.ends, best.tokens[i]) {
			p.Source = min(int(best.aligned[i]), max(0, len(out.Source)-1))
			out.Target = append(out.Target, p)
		}
	}
}
