package tokenize

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// DecodeConfig of the stage that decodes.
type DecodeConfig struct {
	// Tokenizer decodes; there is no default.
	Tokenizer *Tokenizer
	// IDs is where a record has its token ids, an array of numbers; "input_ids" by default.
	IDs record.Path
	// TextField is where the text is written; "text" by default.
	TextField record.Path
	DecodeOptions
}

// Decoding gives each record the text that its ids stand for. It drops nothing; a record without ids, or with an id
// that stands for nothing, is a bad record.
type Decoding struct {
	cfg  DecodeConfig
	spec stage.Spec
}

// NewDecoding makes the stage.
func NewDecoding(cfg DecodeConfig) (*Decoding, error) {
	if cfg.Tokenizer == nil {
		return nil, errors.New("no tokenizer")
	}
	if cfg.IDs.String() == "" {
		cfg.IDs = inputIDs
	}
	if cfg.TextField.String() == "" {
		cfg.TextField = record.MustPath("text")
	}
	if cfg.IDs.Names()[0] == cfg.TextField.Names()[0] {
		return nil, fmt.Errorf("the ids are in %q, where the text is to be written", cfg.IDs)
	}
	return &Decoding{cfg: cfg, spec: stage.Spec{
		Name: "decode", Version: 1,
		Config: struct {
			IDs               string `json:"ids"`
			SkipSpecialTokens bool   `json:"skip_special_tokens"`
			TextField         string `json:"text_field"`
			Tokenizer         string `json:"tokenizer"` // fingerprint
		}{cfg.IDs.String(), cfg.SkipSpecialTokens, cfg.TextField.String(), cfg.Tokenizer.info.Fingerprint},
		Needs: []record.Path{cfg.IDs},
	}}, nil
}

// Spec is the same at every call.
func (s *Decoding) Spec() stage.Spec { return s.spec }

// NewWorker implements stage.Mapper.
func (s *Decoding) NewWorker() stage.Worker { return &decodeWorker{cfg: &s.cfg} }

type decodeWorker struct {
	cfg  *DecodeConfig
	ids  []uint32
	json []byte
}

// Map implements stage.Worker.
func (w *decodeWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tokens := 0
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if err := w.one(r); err != nil {
			r.QuarantineFor(err)
			continue
		}
		tokens += len(w.ids)
		if 4*cap(w.ids) > scratchLimit || cap(w.json) > scratchLimit {
			w.ids, w.json = nil, nil
		}
	}
	b.Tally(Tally, int64(tokens))
	return nil
}

func (w *decodeWorker) one(r *record.Record) error {
	field := w.cfg.IDs.String()
	v, ok := r.Value(w.cfg.IDs)
	if !ok {
		return &record.FieldError{Field: field, Problem: "is missing"}
	}
	var problem string
	if w.ids, problem = readIDs(w.ids[:0], v, w.cfg.Tokenizer); problem != "" {
		return &record.FieldError{Field: field, Problem: problem}
	}
	var err error
	if w.json, err = jsontext.AppendQuote(w.json[:0], w.cfg.Tokenizer.Decode(w.ids, w.cfg.DecodeOptions)); err != nil {
		return err
	}
	return r.Set(w.cfg.TextField, w.json)
}

// readIDs appends the ids of an array. v is valid JSON. problem says what else it is, or which id is no token's.
func readIDs(dst []uint32, v []byte, t *Tokenizer) (ids []uint32, problem string) {
	if len(v) == 0 || v[0] != '[' {
		return dst, "is not an array of token ids"
	}
	number, digits := uint64(0), 0
	for i, c := range v[1:] {
		switch {
		case c >= '0' && c <= '9' && digits < 10:
			number = 10*number + uint64(c-'0')
			digits++
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		case c == ',' || c == ']':
			if digits == 0 {
				if c == ']' && len(dst) == 0 {
					return dst, ""
				}
				return dst, fmt.Sprintf("holds something else than token ids before its byte %d", i+1)
			}
			if number >= uint64(t.vocab.Size()) || !t.vocab.Has(uint32(number)) {
				return dst, fmt.Sprintf("holds the id %d, which is no token of the tokenizer", number)
			}
			dst = append(dst, uint32(number))
			number, digits = 0, 0
		default:
			return dst, fmt.Sprintf("holds something else than token ids at its byte %d", i+1)
		}
	}
	return dst, ""
}
