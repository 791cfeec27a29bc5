package format

import (
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// LitData is Lightning's litdata as its TokensLoader and litgpt read it: chunks of ids behind a table of offsets, and an
// index.json. docs/formats/litdata.md shows both. Source: src/litdata/streaming/writer.py (BinaryWriter._create_chunk,
// get_config), item_loader.py (TokensLoader) and constants.py (_TORCH_DTYPES_MAPPING) at 8805bae0; the members of the
// config are those of litdata 0.2.76.
type LitData struct{}

const (
	// litdataChunkBytes is what "64MB" says, which litdata's documents have everywhere (utilities/format.py).
	litdataChunkBytes = 64_000_000

	// Codes of _TORCH_DTYPES_MAPPING. The serializer inverts that table, so of two names for a dtype the last is written:
	// int32 is 16 and not 15.
	litdataInt32  = 16
	litdataUint16 = 20
)

// Name implements Format.
func (LitData) Name() string { return "litdata" }

// Doc implements Format.
func (LitData) Doc() string {
	return "litdata for litgpt: .bin chunks for TokensLoader, and index.json"
}

// Traits implements Format.
//
// litgpt takes blocks of its context and one token (litgpt/data/lit_data.py, LitData.connect), cut by counting tokens
// through a chunk (TokensLoader.load_item_from_chunk). The reader that limits a cache counts the files that are called
// chunk-*.bin (src/litdata/streaming/reader.py, _on_disk_chunk_count), so ours are.
func (LitData) Traits() Traits {
	return Traits{
		Mask: LossSuffix, Lead: true, Padded: true, Extra: 1, MaxBytes: litdataChunkBytes, Name: "chunk", Index: "index.json",
	}
}

// Dtype implements Format.
func (LitData) Dtype(vocabulary int) (Dtype, error) {
	if vocabulary <= 1<<16 {
		return Uint16, nil
	}
	return Int32, nil
}

// Suffixes implements Format.
func (LitData) Suffixes() []string { return []string{".bin"} }

// Index implements Format.
func (LitData) Index(s Set, shards []Shard) ([]byte, error) {
	b := []byte(`{"chunks": [`)
	for i, c := range shards {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, `{"chunk_bytes": %d, "chunk_size": %d, "dim": %d, "filename": `, c.Sizes[0], c.Sequences, c.Tokens)
		var err error
		if b, err = jsontext.AppendQuote(b, c.Name+".bin"); err != nil {
			return nil, err
		}
		b = append(b, '}')
	}
	code := litdataInt32
	if s.Dtype == Uint16 {
		code = litdataUint16
	}
	// "0" is what litdata itself takes updated_at for where an index has none: the set says nothing about a clock.
	return append(b, `], "config": {"chunk_bytes": `+strconv.Itoa(litdataChunkBytes)+`, "chunk_size": null, "compression": null, `+
		`"compression_batch_size": null, "compression_level": null, "data_format": ["no_header_tensor:`+strconv.Itoa(code)+`"], `+
		`"data_spec": "[1, {\"type\": null, \"context\": null, \"children_spec\": []}]", "encryption": null, "ipc_compression": null, `+
		`"item_loader": "TokensLoader", "types": "tensor"}, "updated_at": "0"}`...), nil
}

// NewWriter implements Format.
func (LitData) NewWriter(s Set) Writer {
	return &litdataWriter{dtype: s.Dtype, table: offsetsWriter{format: "litdata"}}
}

type litdataWriter struct {
	NoExtras
	dtype Dtype
	table offsetsWriter
}

// Append implements Writer.
func (l *litdataWriter) Append(w io.Writer, s *Sequence) error {
	if err := l.table.add(int64(len(s.Tokens))); err != nil {
		return err
	}
	_, err := w.Write(s.Tokens)
	return err
}

// Lead implements Writer.
func (l *litdataWriter) Lead(w io.Writer) error { return l.table.write(w) }

// Size implements Writer.
func (l *litdataWriter) Size(tokens int) int64 {
	return l.table.size(int64(tokens) * int64(l.dtype.Size()))
}

// Open implements Format. A chunk does not say how its ids are stored: s does.
func (LitData) Open(files []File, s Set, _ []int64) (Reader, error) {
	table, err := openOffsets(files[0])
	if err != nil {
		return nil, err
	}
	return &litdataReader{offsets: table, dtype: s.Dtype, tokens: window{File: files[0]}}, nil
}

type litdataReader struct {
	offsets
	dtype  Dtype
	tokens window
}

// Dtype implements Reader.
func (r *litdataReader) Dtype() Dtype { return r.dtype }

// span is that of offsets, of whole tokens.
func (r *litdataReader) span(i int64) (at, size int64, err error) {
	at, size, err = r.offsets.span(i)
	if err == nil && size%int64(r.dtype.Size()) != 0 {
		err = NewFault(r.tokens.Name, 4+4*i, "sequence %d has %d bytes, and a token of %v has %d", i, size, r.dtype, r.dtype.Size())
	}
	return at, size, err
}

// AppendTokens implements Reader.
func (r *litdataReader) AppendTokens(dst []uint32, i int64) ([]uint32, error) {
	at, size, err := r.span(i)
	if err != nil {
		return dst, err
	}
	return appendIDsAt(dst, &r.tokens, r.dtype, at, size)
}

// Place implements Reader.
func (r *litdataReader) Place(i, k int64) (string, int64) {
	at, _, err := r.span(i)
	if err != nil {
		return r.tokens.Name, -1
	}
	return r.tokens.Name, at + k*int64(r.dtype.Size())
}

// Check implements Reader.
func (r *litdataReader) Check() error {
	if r.first != r.config {
		return NewFault(r.tokens.Name, 4, "the first sequence begins at byte %d, and the offsets end at %d", r.first, r.config)
	}
	for i := range r.sequences {
		if _, _, err := r.span(i); err != nil {
			return err
		}
	}
	return r.checkEnd()
}
