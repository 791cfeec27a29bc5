package dedup

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"

	"curate/record"
	"curate/stage"
)

// SignConfig says what is signed, and how.
type SignConfig struct {
	// Field holds the text; "text" by default. A record where it is no string is quarantined.
	Field record.Path
	// IDField is where a record has an id of its own; "id" by default.
	IDField record.Path
	// Scheme makes the signatures; see Schemes and Scheme.With.
	Scheme *Scheme
}

// Names of the members of a row, in their order (docs/formats/signatures.md).
const (
	SignRecord    = "record"
	SignID        = "id"
	SignScheme    = "scheme"
	SignVersion   = "version"
	SignShingles  = "shingles"
	SignSignature = "signature"
)

// maxSignID is the longest JSON text of an id that a row has.
const maxSignID = 1 << 10

// Sign replaces each record by a row that has its signature. It is a stage, immutable, and drops nothing.
type Sign struct {
	cfg  SignConfig
	spec stage.Spec
	same []byte // of all rows: scheme and version
}

// NewSign makes the stage.
func NewSign(cfg SignConfig) (*Sign, error) {
	if cfg.Field.String() == "" {
		cfg.Field = record.MustPath("text")
	}
	if cfg.IDField.String() == "" {
		cfg.IDField = record.MustPath("id")
	}
	s := cfg.Scheme
	config, err := canonical(struct {
		Field   string `json:"field"`
		IDField string `json:"id_field"`
		Scheme  string `json:"scheme"`
		Version int    `json:"scheme_version"`
		Short   string `json:"short"`
		Values  int    `json:"values"`
	}{cfg.Field.String(), cfg.IDField.String(), s.Name, s.Version, s.Short, s.Values})
	if err != nil {
		return nil, err
	}
	return &Sign{cfg: cfg, same: fmt.Appendf(nil, `,"`+SignScheme+`":%q,"`+SignVersion+`":%d`, s.Name, s.Version), spec: stage.Spec{
		Name: "dedup_sign", Version: 1, Config: config, Needs: []record.Path{cfg.Field}, Uses: []record.Path{cfg.IDField},
	}}, nil
}

// Spec implements stage.Mapper.
func (s *Sign) Spec() stage.Spec { return s.spec }

// NewWorker implements stage.Mapper.
func (s *Sign) NewWorker() stage.Worker { return &signWorker{s: s} }

type signWorker struct {
	s *Sign
	shingling
	raw, row []byte
}

// Map implements stage.Worker.
func (w *signWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	scheme := w.s.cfg.Scheme
	for i := range b.Records {
		r := &b.Records[i]
		text, ok := textOf(r, w.s.cfg.Field, false, &w.text)
		if !ok {
			continue
		}
		w.cut(scheme, text)
		row := append(w.row[:0], `{"`+SignRecord+`":`...)
		row = strconv.AppendUint(row, uint64(r.ID), 10)
		if id := r.OwnID(w.s.cfg.IDField, maxSignID); id != nil {
			row = append(row, `,"`+SignID+`":`...)
			row = append(row, id...)
		}
		row = append(row, w.s.same...)
		row = append(row, `,"`+SignShingles+`":`...)
		row = strconv.AppendInt(row, int64(len(w.shingles)), 10)
		if len(w.shingles) > 0 {
			w.signature = scheme.Signature(w.signature[:0], w.shingles)
			w.raw = scheme.AppendBytes(w.raw[:0], w.signature)
			row = append(row, `,"`+SignSignature+`":"`...)
			row = base64.StdEncoding.AppendEncode(row, w.raw)
			row = append(row, '"')
		}
		w.row = append(row, '}')
		r.Replace(w.row)
		w.release(text)
	}
	return nil
}

// AppendBytes appends the values of a signature, little-endian, each of Precision bits.
func (s *Scheme) AppendBytes(dst []byte, signature []uint64) []byte {
	for _, v := range signature {
		if s.Precision == 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
		} else {
			dst = binary.LittleEndian.AppendUint64(dst, v)
		}
	}
	return dst
}
