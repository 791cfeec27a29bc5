package tokenize

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"curate/record"
	"curate/stage"
)

// Config of the stage.
type Config struct {
	// Tokenizer encodes; there is no default.
	Tokenizer *Tokenizer
	// TextField is where a record has its text; "text" by default.
	TextField record.Path
	Options
	// JSON writes the ids into the record, as the array "input_ids". Without it they are in the batch alone, for the
	// stages behind.
	JSON bool
}

// resolved is the configuration as the stage's identity has it: the tokenizer by what it is, not by where it lies.
type resolved struct {
	AddSpecialTokens bool   `json:"add_special_tokens"`
	JSON             bool   `json:"json"`
	SpecialsAsText   bool   `json:"specials_as_text"`
	TextField        string `json:"text_field"`
	Tokenizer        string `json:"tokenizer"` // fingerprint
}

// Tally is the ledger's name for the number of ids.
const Tally = "tokens"

// inputIDs is where the ids are written.
var inputIDs = record.MustPath("input_ids")

// Stage gives each record the ids of its text. It drops nothing; a record without text is a bad record.
type Stage struct {
	cfg  Config
	spec stage.Spec
}

// New makes the stage.
func New(cfg Config) (*Stage, error) {
	if cfg.Tokenizer == nil {
		return nil, errors.New("no tokenizer")
	}
	if cfg.TextField.String() == "" {
		cfg.TextField = record.MustPath("text")
	}
	if cfg.JSON && cfg.TextField.Names()[0] == "input_ids" {
		return nil, errors.New(`the text field lies in "input_ids", where the ids are to be written`)
	}
	return &Stage{cfg: cfg, spec: stage.Spec{
		Name: "tokenize", Version: 1,
		Config: resolved{cfg.AddSpecialTokens, cfg.JSON, cfg.SpecialsAsText, cfg.TextField.String(), cfg.Tokenizer.info.Fingerprint},
		Needs:  []record.Path{cfg.TextField},
	}}, nil
}

// Spec is the same at every call.
func (s *Stage) Spec() stage.Spec { return s.spec }

// NewWorker implements stage.Mapper.
func (s *Stage) NewWorker() stage.Worker {
	return &worker{cfg: &s.cfg, encoder: s.cfg.Tokenizer.NewEncoder(s.cfg.Options)}
}

type worker struct {
	cfg     *Config
	encoder *Encoder
	text    []byte // decoded
	ids     []uint32
	json    []byte
}

// Map implements stage.Worker.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tokens := 0
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		text, err := r.Text(w.cfg.TextField, &w.text)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		if w.ids, err = w.encoder.Append(w.ids[:0], text); err != nil {
			r.QuarantineFor(err)
			continue
		}
		n := len(w.ids)
		r.SetTokens(w.ids)
		w.shrink() // a giant document's ids as numbers, copied, and as JSON, copied, are too much at a time
		if w.cfg.JSON {
			ids, _ := r.Tokens()
			w.json = AppendJSON(slices.Grow(w.json[:0], SizeJSON(ids)), ids)
			err := r.Set(inputIDs, w.json)
			w.shrink()
			if err != nil {
				r.QuarantineFor(err)
				continue
			}
		}
		tokens += n
	}
	b.Tally(Tally, int64(tokens))
	return nil
}

// shrink lets go of what only giant documents need.
func (w *worker) shrink() {
	if cap(w.text) > scratchLimit || 4*cap(w.ids) > scratchLimit || cap(w.json) > scratchLimit {
		w.text, w.ids, w.json = nil, nil, nil
	}
}

// SizeJSON is how long AppendJSON makes ids.
func SizeJSON(ids []uint32) int {
	size := len("[]") + max(0, len(ids)-1)
	for _, id := range ids {
		size++
		for ; id > 9; id /= 10 {
			size++
		}
	}
	return size
}

// AppendJSON appends ids as a JSON array without spaces.
func AppendJSON(dst []byte, ids []uint32) []byte {
	dst = append(dst, '[')
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(id), 10)
	}
	return append(dst, ']')
}
