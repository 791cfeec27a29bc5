package train

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"curate/record"
	"curate/stage"
	"curate/tokenize/pretokenizer"
)

// Defaults of the stage.
const (
	// DefaultPreTokenizer is the one that cuts words of any script with marks and contractions of any case, and
	// numbers into at most three digits.
	DefaultPreTokenizer = "llama3"
	// DefaultMinFrequency is that of ByteLevelBPETokenizer.train in Hugging Face's tokenizers
	// (bindings/python/py_src/tokenizers/implementations/byte_level_bpe.py@v0.23.3); BpeTrainer's own is 0. A pair
	// that occurs once saves one token in the whole corpus.
	DefaultMinFrequency = 2
	// DefaultSpecial is GPT-2's and r50k_base's end of a document.
	DefaultSpecial = "<|endoftext|>"
)

// maxPretoken is the longest pretoken that is counted, in bytes. What is longer is no word of any language but
// data, such as one letter a million times, and the limit bounds what merging sealed files holds.
const maxPretoken = 1 << 16

// Settings of the stage.
type Settings struct {
	// TextField is the dotted path of the text; "text" if empty.
	TextField string
	// PreTokenizer is one of PreTokenizers; DefaultPreTokenizer if empty.
	PreTokenizer string
	Config
	// Report, if not nil, is called once a training that was not cut short, by whichever goroutine finishes.
	Report func(Report)
}

// Report says what a training found.
type Report struct {
	Distinct  int    // pretokens
	Pretokens uint64 // in all
	Asked     int    // entries that were asked for
	Entries   int    // of the vocabulary: fewer, where no pair was left that occurs often enough
	Merges    int
}

// MemoryError is a corpus whose distinct pretokens need more memory than there is.
type MemoryError struct{ Need, Have int64 } // bytes of heap

func (e *MemoryError) Error() string {
	return fmt.Sprintf("training needs more than %d MiB for the distinct pretokens of this corpus, and --memory leaves %d MiB; raise --memory, or train on a sample of the corpus",
		e.Need>>20, e.Have>>20)
}

// Trainer is the stage. It is immutable.
type Trainer struct {
	spec    stage.Spec
	text    record.Path
	cfg     Config
	form    *preTokenizer
	scanner *pretokenizer.Scanner
	report  func(Report)
	seed    maphash.Seed
}

// New makes the stage. An error names the setting that cannot be used.
func New(s Settings) (stage.Reducer, error) {
	if s.TextField == "" {
		s.TextField = "text"
	}
	if s.PreTokenizer == "" {
		s.PreTokenizer = DefaultPreTokenizer
	}
	s.MinFrequency = max(1, s.MinFrequency)
	s.Special = slices.Clone(s.Special)
	t := &Trainer{cfg: s.Config, report: s.Report, seed: maphash.MakeSeed()}
	var err error
	if t.text, err = record.ParsePath(s.TextField); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if t.form, err = preTokenizerNamed(s.PreTokenizer); err != nil {
		return nil, err
	}
	if t.scanner, err = pretokenizer.NewScanner(t.form.scanner); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	t.spec = stage.Spec{Name: "tokenizer", Version: 1, Needs: []record.Path{t.text}, Result: "tokenizer.json", Config: struct {
		Train          string   `json:"train"`
		VocabSize      int      `json:"vocab_size"`
		PreTokenizer   string   `json:"pre_tokenizer"`
		MinFrequency   uint64   `json:"min_frequency"`
		MaxTokenLength int      `json:"max_token_length"`
		Special        []string `json:"special"`
		TextField      string   `json:"text_field"`
	}{"bpe", s.VocabSize, s.PreTokenizer, s.MinFrequency, s.MaxTokenLength, append([]string{}, s.Special...), s.TextField}}
	return t, nil
}

// Spec implements stage.Reducer.
func (t *Trainer) Spec() stage.Spec { return t.spec }

// Key implements stage.Reducer: the texts are cut in its workers.
func (t *Trainer) Key() stage.Mapper { return mapper{t} }

type mapper struct{ t *Trainer }

func (m mapper) Spec() stage.Spec        { return m.t.spec }
func (m mapper) NewWorker() stage.Worker { return &worker{t: m.t} }

// scratchLimit is what a worker keeps between documents, in bytes.
const scratchLimit = 1 << 20

type worker struct {
	t    *Trainer
	text []byte // decoded
	key  []byte
}

// Map notes the pretokens of each record as its key: the length of each, a varint, and its bytes.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		doc, err := r.Text(w.t.text, &w.text)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		w.key = appendPretokens(w.key[:0], w.t.scanner, doc)
		r.SetKey(w.key)
		if cap(w.text)+cap(w.key) > scratchLimit {
			w.text, w.key = nil, nil
		}
	}
	return nil
}

// appendPretokens appends the pretokens of a text, each behind its length as a varint, but for those that are too
// long.
func appendPretokens(dst []byte, s *pretokenizer.Scanner, doc []byte) []byte {
	for at := 0; at < len(doc); {
		end := s.Next(doc, at)
		if end-at <= maxPretoken {
			dst = append(binary.AppendUvarint(dst, uint64(end-at)), doc[at:end]...)
		}
		at = end
	}
	return dst
}

// NewPartial implements stage.Reducer.
func (t *Trainer) NewPartial() stage.Partial { return &partial{counts{seed: t.seed}} }

type partial struct{ counts counts }

// Add implements stage.Partial.
func (p *partial) Add(b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		for key := r.Key(); len(key) > 0; {
			n, size := uint64(key[0]), 1
			if n >= 0x80 {
				n, size = binary.Uvarint(key)
			}
			if size <= 0 || n > uint64(len(key)-size) {
				return errors.New("tokenizer: a record whose key holds no pretokens: its batch was not mapped")
			}
			end := size + int(n)
			if err := p.counts.add(key[size:end], 1); err != nil {
				return err
			}
			key = key[end:]
		}
	}
	return nil
}

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
func (t *Trainer) Merge(w io.Writer, sealed []io.Reader) error {
	sw := newSealedWriter(w)
	if err := mergeSealed(sealed, mergeBuffer, sw.put); err != nil {
		return err
	}
	return sw.end()
}

// Finish implements stage.Reducer. The result is a tokenizer.json. It does not depend on the memory: a corpus whose
// distinct pretokens do not fit is a MemoryError.
func (t *Trainer) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	return nil, ws.Make(ctx, stage.ResultFile, func(w io.Writer) error {
		in := make([]io.Reader, len(sealed))
		for i, f := range sealed {
			in[i] = io.NewSectionReader(f.Data, 0, f.Size)
		}
		words, err := gather(ctx, in, ws.Memory())
		if err != nil {
			return err
		}
		m, err := Train(words, t.cfg, func(_ int, bytes int64) error { return enough(ctx, bytes, ws.Memory()) })
		if err != nil {
			return err
		}
		json, err := m.AppendJSON(nil, t.form.name)
		if err != nil {
			return err
		}
		if _, err := w.Write(json); err != nil {
			return err
		}
		if t.report != nil {
			t.report(Report{
				Distinct: words.Len(), Pretokens: words.occurrences(), Asked: t.cfg.VocabSize, Entries: len(m.Vocab), Merges: len(m.Merges),
			})
		}
		return nil
	})
}

func enough(ctx context.Context, need, have int64) error {
	if need > have {
		return &MemoryError{need, have}
	}
	return ctx.Err()
}

// gather adds up what was sealed.
func gather(ctx context.Context, in []io.Reader, memory int64) (*Words, error) {
	words := &Words{}
	buffer := int(min(memory/4/int64(len(in)+1), mergeBuffer))
	err := mergeSealed(in, buffer, func(pretoken []byte, count uint64) error {
		if words.Len()%1024 == 0 {
			if err := enough(ctx, words.Bytes(), memory); err != nil {
				return err
			}
		}
		return words.Add(pretoken, count)
	})
	if err != nil {
		return nil, err
	}
	return words, nil
}
