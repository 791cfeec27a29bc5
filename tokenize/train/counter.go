package train

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"

	"curate/record"
	"curate/stage"
	"curate/tokenize"
)

// maxPretoken is the longest pretoken that is counted, in bytes. What is longer is no word of any language but
// data, such as one letter a million times, and the limit bounds what merging sealed files holds.
const maxPretoken = 1 << 16

// counter is what stages that learn from pretokens have in common: all of a reducer but Finish. It is immutable.
type counter struct {
	spec   stage.Spec
	text   record.Path
	cutter *tokenize.Tokenizer
	weigh  *weigher
	seed   maphash.Seed
}

// Spec implements stage.Reducer.
func (c *counter) Spec() stage.Spec { return c.spec }

// Key implements stage.Reducer: the texts are cut in its workers.
func (c *counter) Key() stage.Mapper { return mapper{c} }

type mapper struct{ c *counter }

func (m mapper) Spec() stage.Spec { return m.c.spec }

func (m mapper) NewWorker() stage.Worker {
	w := &worker{c: m.c, cutter: m.c.cutter.NewEncoder(tokenize.Options{})}
	w.put = w.append
	return w
}

// scratchLimit is what a worker keeps between documents, in bytes.
const scratchLimit = 1 << 20

type worker struct {
	c      *counter
	cutter *tokenize.Encoder
	put    func(pretoken []byte)
	text   []byte // decoded
	value  []byte
	key    []byte
}

// Map notes the weight and the pretokens of each record as its key: the weight and the length of each pretoken,
// varints, and the pretoken's bytes behind its length. Those that are too long are left out.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		doc, err := r.Text(w.c.text, &w.text)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		weight, err := w.c.weigh.of(r, &w.value)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		w.key = binary.AppendUvarint(w.key[:0], weight)
		if weight > 0 {
			if err := w.cutter.Pieces(doc, w.put); err != nil {
				r.QuarantineFor(err)
				continue
			}
		}
		r.SetKey(w.key)
		if cap(w.text)+cap(w.key)+cap(w.value) > scratchLimit {
			w.text, w.key, w.value = nil, nil, nil
		}
	}
	return nil
}

func (w *worker) append(pretoken []byte) {
	if len(pretoken) <= maxPretoken {
		w.key = append(binary.AppendUvarint(w.key, uint64(len(pretoken))), pretoken...)
	}
}

// NewPartial implements stage.Reducer.
func (c *counter) NewPartial() stage.Partial { return &partial{counts{seed: c.seed}} }

type partial struct{ counts counts }

// Add implements stage.Partial.
func (p *partial) Add(b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		key := r.Key()
		weight, size := binary.Uvarint(key)
		if size <= 0 {
			return errUnmapped
		}
		for key = key[size:]; len(key) > 0; {
			n, size := uint64(key[0]), 1
			if n >= 0x80 {
				n, size = binary.Uvarint(key)
			}
			if size <= 0 || n > uint64(len(key)-size) {
				return errUnmapped
			}
			end := size + int(n)
			if err := p.counts.add(key[size:end], weight); err != nil {
				return err
			}
			key = key[end:]
		}
	}
	return nil
}

var errUnmapped = errors.New("tokenizer: a record whose key holds no pretokens: its batch was not mapped")

// Join implements stage.Partial.
func (p *partial) Join(next stage.Partial) error {
	q := next.(*partial)
	if len(q.counts.entries) > len(p.counts.entries) { // sums do not mind the order
		p.counts, q.counts = q.counts, p.counts
	}
	err := p.counts.addAll(&q.counts)
	q.counts = counts{}
	return err
}

// Size implements stage.Partial.
func (p *partial) Size() int { return p.counts.size() }

// Seal implements stage.Partial.
func (p *partial) Seal(w io.Writer) error {
	p.counts.sort()
	sw := newSealedWriter(w)
	for i := range p.counts.entries {
		e := &p.counts.entries[i]
		if err := sw.put(p.counts.bytes(e), e.count); err != nil {
			return err
		}
	}
	p.counts = counts{}
	return sw.end()
}

// mergeBuffer is what is read ahead of each sealed file, in bytes, if there is the memory.
const mergeBuffer = 64 << 10

// Merge implements stage.Reducer.
func (c *counter) Merge(w io.Writer, sealed []io.Reader) error {
	sw := newSealedWriter(w)
	if err := mergeSealed(sealed, mergeBuffer, sw.put); err != nil {
		return err
	}
	return sw.end()
}
