package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"curate/internal/human"
	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// GPT3Common is in how many documents of the corpus an n-gram may be: what is in more is a phrase of the language, such as a
// licence's or a menu's, and no contamination (Brown et al. 2020, appendix C).
const GPT3Common = 10

// CommonNgrams is a Decontaminator behind a count of the corpus: n-grams of the benchmarks that are in more than
// DecontaminatorConfig.MostDocuments documents find nothing. It is a Reducer, so all documents are read before any is decided
// about. It counts each n-gram once a document, and holds 16 bytes for each n-gram of the benchmarks that the corpus has.
type CommonNgrams struct{ d *Decontaminator }

// NewCommonNgrams makes the stage. Its config has MostDocuments.
func NewCommonNgrams(cfg DecontaminatorConfig) (*CommonNgrams, error) {
	if cfg.MostDocuments < 1 {
		return nil, fmt.Errorf("n-grams in more than %d documents find nothing: give 1 document at least", cfg.MostDocuments)
	}
	d, err := NewDecontaminator(cfg)
	if err != nil {
		return nil, err
	}
	return &CommonNgrams{d}, nil
}

// Decontaminator is what reports on its counts.
func (c *CommonNgrams) Decontaminator() *Decontaminator { return c.d }

// SummaryFile implements stage.Summarizer.
func (c *CommonNgrams) SummaryFile() string { return c.d.SummaryFile() }

// WriteSummary implements stage.Summarizer.
func (c *CommonNgrams) WriteSummary(w io.Writer, counted stage.Counted) error {
	return c.d.WriteSummary(w, counted)
}

// An item that is sealed: number of an n-gram, in how many documents it is; big-endian. Numbers run through all indexes of
// Benchmarks.grams.
const commonWidth = 4 + 8

// Spec implements stage.Reducer.
func (c *CommonNgrams) Spec() stage.Spec {
	spec := c.d.spec
	spec.Held = 64 // a few n-grams, where a document has any
	return spec
}

// Key implements stage.Reducer: a record's key is the numbers of the n-grams that it has, 4 bytes each, big-endian. Who cannot
// be looked at has none, and is quarantined by the Decontaminator.
func (c *CommonNgrams) Key() stage.Mapper { return commonKey{c} }

type commonKey struct{ c *CommonNgrams }

func (k commonKey) Spec() stage.Spec { return k.c.Spec() }

func (k commonKey) NewWorker() stage.Worker {
	return &commonKeyWorker{field: k.c.d.cfg.TextField, matcher: matcher{set: k.c.d.cfg.Benchmarks}}
}

type commonKeyWorker struct {
	field   record.Path
	matcher matcher
	numbers []uint32
	scratch []byte
	key     []byte
}

// Map implements stage.Worker.
func (w *commonKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		text, err := r.Text(w.field, &w.scratch)
		if err != nil {
			continue
		}
		w.numbers = w.matcher.gramNumbers(w.numbers[:0], text)
		w.key = w.key[:0]
		for _, n := range w.numbers {
			w.key = binary.BigEndian.AppendUint32(w.key, n)
		}
		if len(w.key) > 0 {
			r.SetKey(w.key)
		}
		w.matcher.shrink(text)
		w.matcher.plain.shrink()
		if cap(w.scratch)+cap(w.key)+4*cap(w.numbers) > scratchLimit {
			w.scratch, w.key, w.numbers = nil, nil, nil
		}
	}
	return nil
}

// gramNumbers appends the numbers of the n-grams that a text has, ascending.
func (m *matcher) gramNumbers(dst []uint32, text []byte) []uint32 {
	m.plain.cut(text)
	for k := range m.set.grams {
		g := &m.set.grams[k]
		power := gramPower(g.n)
		for i := 0; i+g.n <= len(m.plain.words); i++ {
			if key := g.index.find(m.plain.window(i, g.n, power)); key >= 0 {
				dst = append(dst, g.first+uint32(key))
			}
		}
	}
	slices.Sort(dst)
	return slices.Compact(dst)
}

// NewPartial implements stage.Reducer.
func (c *CommonNgrams) NewPartial() stage.Partial {
	return commonPartial{}
}

// commonPartial is in how many documents each n-gram is.
type commonPartial map[uint32]uint64

// Add implements stage.Partial.
func (p commonPartial) Add(b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		key := r.Key()
		if len(key)%4 != 0 {
			return fmt.Errorf("decontaminate: record %d %w", r.ID, errKey)
		}
		for ; len(key) > 0; key = key[4:] {
			p[binary.BigEndian.Uint32(key)]++
		}
	}
	return nil
}

// Join implements stage.Partial.
func (p commonPartial) Join(next stage.Partial) error {
	n, err := nextPartial[commonPartial](next)
	if err != nil {
		return err
	}
	for gram, documents := range n {
		p[gram] += documents
	}
	return nil
}

// Size implements stage.Partial: of a map's entry, with the room that it leaves, and of the item in Seal.
func (p commonPartial) Size() int { return 48 * len(p) }

// Seal implements stage.Partial.
func (p commonPartial) Seal(w io.Writer) error {
	items := make([]byte, 0, commonWidth*len(p))
	for _, gram := range slices.Sorted(maps.Keys(p)) {
		items = appendCommon(items, gram, p[gram])
	}
	_, err := w.Write(items)
	return err
}

func appendCommon(dst []byte, gram uint32, documents uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(dst, gram), documents)
}

// Merge implements stage.Reducer.
func (c *CommonNgrams) Merge(w io.Writer, sealed []io.Reader) error {
	var items []byte
	err := c.eachGram(context.Background(), runs.NewIterator(sealed, commonWidth, nil), func(gram uint32, documents uint64) error {
		if items = appendCommon(items, gram, documents); len(items) < runBuffer {
			return nil
		}
		_, err := w.Write(items)
		items = items[:0]
		return err
	})
	if err == nil && len(items) > 0 {
		_, err = w.Write(items)
	}
	return err
}

// eachGram adds up what is said of each n-gram.
func (c *CommonNgrams) eachGram(ctx context.Context, items *runs.Iterator, do func(gram uint32, documents uint64) error) error {
	be := binary.BigEndian
	gram, sum := uint32(0), uint64(0)
	err := eachItem(ctx, items, func(item []byte) error {
		next, n := be.Uint32(item), be.Uint64(item[4:])
		if next >= c.d.cfg.Benchmarks.gramCount() || n == 0 || sum+n < n {
			return fmt.Errorf("the sealed counts have n-gram %d in %d documents: they are damaged; remove them and run again", next, n)
		}
		if sum > 0 && next != gram {
			if err := do(gram, sum); err != nil {
				return err
			}
			sum = 0
		}
		gram, sum = next, sum+n
		return nil
	})
	if err != nil || sum == 0 {
		return err
	}
	return do(gram, sum)
}

// commonFile has the numbers of the n-grams that find nothing, ascending.
const (
	commonFile      = "common-ngrams"
	commonFileWidth = 4
)

// Finish implements stage.Reducer. It holds a bit for each n-gram of the benchmarks, and a buffer for each sealed file.
func (c *CommonNgrams) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	be := binary.BigEndian
	err := ws.Make(ctx, commonFile, func(w io.Writer) error {
		items, err := runs.Open(sealed, commonWidth, runs.Range{}, make([]byte, len(sealed)*smallRunBuffer))
		if err != nil {
			return err
		}
		out := bufio.NewWriterSize(w, runBuffer)
		err = c.eachGram(ctx, items, func(gram uint32, documents uint64) error {
			if documents <= uint64(c.d.cfg.MostDocuments) {
				return nil
			}
			_, err := out.Write(be.AppendUint32(nil, gram))
			return err
		})
		if err != nil {
			return err
		}
		return out.Flush()
	})
	d, n := *c.d, int64(0)
	d.common = bitSet{}
	if err == nil {
		err = withRun(ctx, ws, commonFileWidth, nil, func(grams *runs.Iterator) error {
			return eachItem(ctx, grams, func(gram []byte) error {
				d.common.set(be.Uint32(gram))
				n++
				return nil
			})
		}, commonFile)
	}
	if err != nil {
		return nil, fmt.Errorf("decontaminate: %w", err)
	}
	ws.Tell(false, fmt.Sprintf("%s of the benchmarks' %s n-grams are in more than %s documents, and find nothing", human.Thousands(n), human.Thousands(int64(c.d.cfg.Benchmarks.gramCount())), human.Thousands(int64(c.d.cfg.MostDocuments))))
	return &d, nil
}
