package eval

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/go-json-experiment/json"

	"curate/record"
)

// maxGroups is how many groups there may be: they are counted in memory and printed in a table.
const maxGroups = 1000

// tally are the bits of a group.
type tally struct {
	documents, tokens, bytes, words int64
	ratio                           ratio // bits and bytes by document
}

func (t *tally) add(logProb float64, tokens, bytes, words int64) {
	t.documents++
	t.tokens += tokens
	t.bytes += bytes
	t.words += words
	t.ratio.add(-logProb/math.Ln2, float64(bytes))
}

func (t *tally) group(name *string) Group {
	per := func(n int64) *float64 {
		if n == 0 {
			return nil
		}
		return finite(math.Exp2(t.ratio.a / float64(n)))
	}
	return Group{
		Group: name, Documents: t.documents, Tokens: t.tokens, Bytes: t.bytes, Words: t.words,
		Bits: t.ratio.a, BitsPerByte: finite(t.ratio.value()), Stderr: finite(t.ratio.stderr()),
		BytePerplexity: per(t.bytes), WordPerplexity: per(t.words), TokenPerplexity: per(t.tokens),
	}
}

// tallies are those of all and of each group.
type tallies struct {
	all    tally
	groups map[string]*tally
}

// of is the tally of a group, made if there is none.
func (t *tallies) of(name string) (*tally, error) {
	g := t.groups[name]
	if g == nil {
		if len(t.groups) == maxGroups {
			return nil, fmt.Errorf("there are more than %d groups; group by a field with fewer values", maxGroups)
		}
		if t.groups == nil {
			t.groups = map[string]*tally{}
		}
		g = &tally{}
		t.groups[name] = g
	}
	return g, nil
}

// put puts them into a result.
func (t *tallies) put(r *Result) {
	r.Tokens = t.all.tokens
	r.Groups = []Group{t.all.group(nil)}
	for _, name := range slices.Sorted(maps.Keys(t.groups)) {
		r.Groups = append(r.Groups, t.groups[name].group(&name))
	}
	all := &r.Groups[0]
	r.Metrics = []Metric{
		{Name: "bits_per_byte", Value: all.BitsPerByte, Stderr: all.Stderr},
		{Name: "byte_perplexity", Value: all.BytePerplexity},
	}
	if t.all.words > 0 {
		r.Metrics = append(r.Metrics, Metric{Name: "word_perplexity", Value: all.WordPerplexity})
	}
}

// BitsConfig says how texts are measured.
type BitsConfig struct {
	Text record.Path // "text" if it is zero
	By   record.Path // the field whose value is the group; zero: none
	// Stride is how many tokens each window of a text after the first predicts, from 1 to the context; 0 is the context.
	Stride int
}

// Bits measures the bits a byte of texts: Σ -log2 p(token) / Σ bytes of UTF-8. A text is measured by itself, in windows of
// the context if it is longer; before its first token stands the prefix (loglikelihood_rolling of lm-eval).
type Bits struct {
	c      BitsConfig
	s      *Subject
	encode *encoding
	queue  *queue
	wait   []waiting
	tallies
	scratch []byte
}

// waiting is a text whose sequences are in the queue.
type waiting struct {
	group                           *tally // nil: none
	sequences, tokens, bytes, words int64
}

// NewBits makes the task.
func NewBits(s *Subject, c BitsConfig) (*Bits, error) {
	if err := strideWithin(c.Stride, s.Context); err != nil {
		return nil, err
	}
	c.Stride = cmp.Or(c.Stride, s.Context)
	if len(c.Text.Names()) == 0 {
		c.Text = record.MustPath("text")
	}
	e, err := newEncoding(s)
	if err != nil {
		return nil, err
	}
	return &Bits{c: c, s: s, encode: e, queue: newQueue(s)}, nil
}

func strideWithin(stride, context int) error {
	if stride < 0 || stride > context {
		return fmt.Errorf("a stride of %d is none of 1 to the context, %d", stride, context)
	}
	return nil
}

// Add implements Task.
func (b *Bits) Add(ctx context.Context, r *record.Record) error {
	text, err := r.Text(b.c.Text, &b.scratch)
	if err != nil {
		return &RowError{err}
	}
	ids, err := b.encode.text(text)
	if err != nil {
		return err
	}
	w := waiting{tokens: int64(len(ids) - 1), bytes: int64(len(text)), words: words(text)}
	if len(b.c.By.Names()) > 0 {
		name, err := groupOf(r, b.c.By)
		if err != nil {
			return err
		}
		if w.group, err = b.of(name); err != nil {
			return err
		}
	}
	windows(ids, nil, b.s.Context, b.c.Stride, func(s sequence) {
		b.queue.add(s)
		w.sequences++
	})
	b.wait = append(b.wait, w)
	if b.queue.full() {
		return b.flush(ctx)
	}
	return nil
}

// groupOf is the value of a field as the name of a group: a string is its own, what is missing is null.
func groupOf(r *record.Record, by record.Path) (string, error) {
	v, ok := r.Value(by)
	if !ok {
		return "null", nil
	}
	var s string
	switch v[0] {
	case '{', '[':
		return "", badRow("field %q is an object or an array, and no group's name", by)
	case '"':
		if err := json.Unmarshal(v, &s); err != nil {
			return "", &RowError{err}
		}
	default:
		s = string(v)
	}
	if len(s) > 256 {
		return "", badRow("field %q has %d bytes; a group's name has 256 at most", by, len(s))
	}
	return s, nil
}

func (b *Bits) flush(ctx context.Context) error {
	sums, err := b.queue.score(ctx)
	if err != nil {
		return err
	}
	b.settle(sums, b.wait)
	b.queue.clear()
	b.wait = b.wait[:0]
	return nil
}

// settle counts texts whose sequences' sums are known.
func (t *tallies) settle(sums []float64, list []waiting) {
	for i := range list {
		w := &list[i]
		sum := 0.0
		for _, x := range sums[:w.sequences] {
			sum += x
		}
		sums = sums[w.sequences:]
		t.all.add(sum, w.tokens, w.bytes, w.words)
		if w.group != nil {
			w.group.add(sum, w.tokens, w.bytes, w.words)
		}
	}
}

// Finish implements Task.
func (b *Bits) Finish(ctx context.Context) (*Result, error) {
	if err := b.flush(ctx); err != nil {
		return nil, err
	}
	r := &Result{Kind: KindBits, Rows: b.all.documents, Context: b.s.Context, Stride: b.c.Stride}
	b.put(r)
	return r, nil
}
