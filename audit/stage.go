package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"curate/record"
	"curate/stage"
	"curate/stats"
)

// Config of the stage.
type Config struct {
	// TextField is the dotted path of the text; "text" if empty.
	TextField string
	// By is the dotted path of the field whose value is the group; all documents are one group if empty.
	By string
	// LanguageLines is how many lines of a document are asked for their language; 0 is none.
	LanguageLines int
	// Languages makes what answers in which language a line is, a short code, once for each goroutine. The answer
	// depends on the line alone. It is needed if LanguageLines is not 0.
	Languages func() func(line []byte) string
	// Engine tells one way of answering from others; it is a part of the stage's identity.
	Engine string
	// File names the inputs by their numbers in the manifest, for examples; without it they have no names. It is called
	// in Finish, and no part of the stage's identity: the manifest is one of the run's.
	File func(number int) string
}

const (
	// DefaultLanguageLines is how many lines of a document are asked for their language unless somebody says otherwise.
	DefaultLanguageLines = 3
	// MaxLanguageLines is the most.
	MaxLanguageLines = 100
	// ResultName is the result's file.
	ResultName = "audit.json"
	// maxGroups is how many groups there may be: more say nothing to a reader.
	maxGroups = 1000
	// maxLanguages is how many languages an engine may answer.
	maxLanguages = 1000
	// undetermined is the language of a line about which an engine can say nothing.
	undetermined = "und"
	// maxCode is the longest code of a language, in bytes.
	maxCode = 32
	// leastLetters is how many bytes of letters a line has at least that is asked for its language; of shorter ones no
	// engine knows much.
	leastLetters = 20
)

// Audit is the stage. It is immutable.
type Audit struct {
	spec     stage.Spec
	cfg      Config
	text, by record.Path
	grouped  bool
}

// New makes the stage. An error names the field that cannot be used.
func New(cfg Config) (stage.Reducer, error) { return build(cfg) }

func build(cfg Config) (*Audit, error) {
	if cfg.TextField == "" {
		cfg.TextField = "text"
	}
	a := &Audit{cfg: cfg, grouped: cfg.By != ""}
	var err error
	if a.text, err = record.ParsePath(cfg.TextField); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	if a.grouped {
		if a.by, err = record.ParsePath(cfg.By); err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
	}
	if n := cfg.LanguageLines; n < 0 || n > MaxLanguageLines {
		return nil, fmt.Errorf("audit: %d lines of a document to ask for their language: from 0 to %d", n, MaxLanguageLines)
	}
	if cfg.LanguageLines > 0 && cfg.Languages == nil {
		return nil, errors.New("audit: lines to ask for their language, and nobody who answers")
	}
	a.spec = stage.Spec{Name: "audit", Version: 1, Needs: []record.Path{a.text}, Result: ResultName, Lines: true, Config: struct {
		By            string `json:"by"`
		Engine        string `json:"engine"`
		LanguageLines int    `json:"language_lines"`
		TextField     string `json:"text_field"`
	}{cfg.By, cfg.Engine, cfg.LanguageLines, cfg.TextField}}
	if a.grouped {
		a.spec.Uses = []record.Path{a.by}
	}
	return a, nil
}

// Spec implements stage.Reducer.
func (a *Audit) Spec() stage.Spec { return a.spec }

func (a *Audit) tooMany() error {
	return fmt.Errorf("more than %d groups by %q; audit by a field of few values, such as a language or a source", maxGroups, a.by)
}

// Key implements stage.Reducer: the texts are looked at in its workers.
func (a *Audit) Key() stage.Mapper { return mapper{a} }

type mapper struct{ a *Audit }

func (m mapper) Spec() stage.Spec { return m.a.spec }

func (m mapper) NewWorker() stage.Worker {
	w := &worker{a: m.a}
	if m.a.cfg.LanguageLines > 0 {
		w.language = m.a.cfg.Languages()
	}
	return w
}

// scratchLimit is what a worker keeps between documents, in bytes.
const scratchLimit = 4 << 20

type worker struct {
	a        *Audit
	auditor  Auditor
	language func(line []byte) string
	sample   []sampled
	text     []byte // decoded
	group    []byte
	key      []byte
}

// sampled is a line that is asked for its language.
type sampled struct {
	rank       uint64
	start, end int
}

// Map notes what there is to know of each record as its key; take in partial.go reads it.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if err := ctx.Err(); err != nil { // an engine of languages may take its time
			return err
		}
		if err := w.one(r); err != nil {
			r.QuarantineFor(err)
		}
		if cap(w.text)+cap(w.key)+24*cap(w.auditor.lines) > scratchLimit {
			w.text, w.key, w.auditor.lines = nil, nil, nil
		}
	}
	w.auditor.doc = nil // the batch's bytes are the engine's again
	return ctx.Err()
}

func (w *worker) one(r *record.Record) error {
	w.group = w.group[:0]
	var err error
	if w.a.grouped {
		if w.group, err = stats.AppendGroup(w.group, r, w.a.by, &w.text); err != nil {
			w.group = nil
			return err
		}
	}
	doc, err := r.Text(w.a.text, &w.text)
	if err != nil {
		return err
	}
	a := &w.auditor
	a.Look(doc)
	k := appendBytes(w.key[:0], w.group)
	for _, n := range [...]int64{int64(len(doc)), a.characters.all, a.count, a.lineBytes} {
		k = binary.AppendUvarint(k, uint64(n))
	}
	for _, v := range a.values {
		k = binary.AppendUvarint(k, uint64(v+1))
	}
	for i, n := range a.found {
		k = binary.AppendUvarint(k, uint64(n))
		if n > 0 {
			k = appendBytes(k, excerpt(doc, a.at[i]))
		}
	}
	k = appendBytes(k, excerpt(doc, 0))
	k = appendBytes(k, excerpt(doc[a.longest[0]:a.longest[1]], 0))
	k = w.appendLanguages(k, r)
	k = binary.AppendUvarint(k, uint64(len(a.lines)))
	for _, l := range a.lines {
		k = binary.LittleEndian.AppendUint64(k, l.hash)
		k = binary.AppendUvarint(k, uint64(l.end-l.start))
		k = binary.AppendUvarint(k, uint64(l.count))
		k = appendBytes(k, excerpt(doc[l.start:l.end], 0))
	}
	r.SetKey(k)
	w.key = k
	return nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// appendLanguages asks some of the document's lines for their language. Which ones they are depends on the record's ID and
// on their numbers alone, so that a line that stands in many documents is asked as often as others.
func (w *worker) appendLanguages(k []byte, r *record.Record) []byte {
	limit := w.a.cfg.LanguageLines
	if limit == 0 {
		return binary.AppendUvarint(k, 0)
	}
	w.sample = w.sample[:0]
	doc := w.auditor.doc
	lines := 0
	eachLine(doc, func(start, end int) {
		if !wordy(doc[start:end]) {
			return
		}
		s := sampled{scrambled(scrambled(uint64(r.ID)) + uint64(lines)), start, end}
		lines++
		at := len(w.sample)
		for at > 0 && w.sample[at-1].rank > s.rank {
			at--
		}
		if at < limit {
			if len(w.sample) == limit {
				w.sample = w.sample[:limit-1]
			}
			w.sample = slices.Insert(w.sample, at, s)
		}
	})
	k = binary.AppendUvarint(k, uint64(len(w.sample)))
	for _, s := range w.sample {
		l := doc[s.start:s.end]
		code := w.language(l)
		if len(code) > maxCode || code == "" {
			code = undetermined
		}
		k = append(binary.AppendUvarint(k, uint64(len(code))), code...)
		// In thousandths of a line: what one of them says for all of the document's.
		k = binary.AppendUvarint(k, uint64(lines)*1000/uint64(len(w.sample)))
		k = appendBytes(k, excerpt(l, 0))
	}
	return k
}

// wordy says whether a line has enough letters to be asked for its language.
func wordy(line []byte) bool {
	n := 0
	for _, c := range line {
		if c >= 0x80 || ascii(c)&isLetter != 0 {
			if n++; n == leastLetters {
				return true
			}
		}
	}
	return false
}
