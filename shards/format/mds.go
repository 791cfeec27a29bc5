package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MDS is MosaicML Streaming's shard as llm-foundry's StreamingTextDataset reads it: samples with a column "tokens", and
// in a masked set "loss_mask", behind a table of offsets and a config, and an index.json. docs/formats/mds.md shows both.
// Source: streaming/base/format/mds/writer.py (MDSWriter), reader.py (MDSReader), encodings.py (NDArray) and
// base/format/base/writer.py (Writer) at 89e7bb90; llmfoundry/data/text_data.py at 8c8dd48f.
type MDS struct{}

const (
	// mdsSizeLimit is Writer's size_limit.
	mdsSizeLimit = 1 << 26

	// mdsConfigMax is the longest config that is read, in bytes. Ours have about 200.
	mdsConfigMax = 1 << 14

	mdsTokens = "tokens"
	mdsMask   = "loss_mask"
)

var errMDSEmpty = errors.New("shards: a sequence without tokens cannot be written in format mds: its arrays have one element at least")

// Name implements Format.
func (MDS) Name() string { return "mds" }

// Doc implements Format.
func (MDS) Doc() string { return "MosaicML Streaming for llm-foundry: .mds and index.json" }

// Traits implements Format. MDSWriter too closes a shard before the sample with which the file would exceed its
// size_limit.
func (MDS) Traits() Traits {
	return Traits{Lead: true, MaxBytes: mdsSizeLimit, Index: "index.json"}
}

// Dtype implements Format. llm-foundry's own scripts write int32 whatever the vocabulary; its reader makes int64 of any
// array that PyTorch can take, and since PyTorch 2.3 that is uint16 too, in half the space.
func (MDS) Dtype(vocabulary int) (Dtype, error) {
	if vocabulary <= 1<<16 {
		return Uint16, nil
	}
	return Int32, nil
}

// Suffixes implements Format.
func (MDS) Suffixes() []string { return []string{".mds"} }

// mdsColumns is what config and index say of the columns, which are sorted by name, as the text of json.dumps with
// sort_keys: the members before "raw_data".
func mdsColumns(d Dtype, masked bool) string {
	encodings, names, sizes := `"ndarray:`+d.String()+`"`, `"`+mdsTokens+`"`, "null"
	if masked {
		encodings, names, sizes = `"ndarray:uint8", `+encodings, `"`+mdsMask+`", `+names, "null, null"
	}
	return `"column_encodings": [` + encodings + `], "column_names": [` + names + `], "column_sizes": [` + sizes +
		`], "compression": null, "format": "mds", "hashes": []`
}

// mdsConfig is the config of a shard.
func mdsConfig(d Dtype, masked bool) string {
	return "{" + mdsColumns(d, masked) + `, "size_limit": ` + strconv.Itoa(mdsSizeLimit) + `, "version": 2}`
}

// Index implements Format.
func (MDS) Index(s Set, shards []Shard) ([]byte, error) {
	columns := mdsColumns(s.Dtype, s.Masked)
	b := []byte(`{"shards": [`)
	for i, c := range shards {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, "{"+columns+`, "raw_data": {"basename": `...)
		var err error
		if b, err = jsontext.AppendQuote(b, c.Name+".mds"); err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, `, "bytes": %d, "hashes": {}}, "samples": %d, "size_limit": %d, "version": 2, "zip_data": null}`, c.Sizes[0], c.Sequences, mdsSizeLimit)
	}
	return append(b, `], "version": 2}`...), nil
}

// NewWriter implements Format.
func (MDS) NewWriter(s Set) Writer {
	return &mdsWriter{dtype: s.Dtype, masked: s.Masked, table: offsetsWriter{format: "mds", config: mdsConfig(s.Dtype, s.Masked)}}
}

type mdsWriter struct {
	NoExtras
	dtype  Dtype
	masked bool
	table  offsetsWriter
	head   []byte
	ones   []byte // mask of a sequence that is learnt as a whole
}

// mdsShape is how many bytes the shape of an array of n elements takes: a byte with 1 << 2 for one dimension and the
// logarithm of the bytes of n, and n.
func mdsShape(n int64) int64 {
	switch {
	case n < 1<<8:
		return 1 + 1
	case n < 1<<16:
		return 1 + 2
	}
	return 1 + 4
}

// appendMDSShape appends it; n fits into 32 bits.
func appendMDSShape(dst []byte, n int) []byte {
	switch mdsShape(int64(n)) {
	case 1 + 1:
		return append(dst, 1<<2, byte(n))
	case 1 + 2:
		return binary.LittleEndian.AppendUint16(append(dst, 1<<2|1), uint16(n))
	}
	return binary.LittleEndian.AppendUint32(append(dst, 1<<2|2), uint32(n))
}

// columns are the bytes of mask (0 without) and tokens of a sample of n tokens, and size those of the sample: in front
// stands the size of each column, as uint32.
func (m *mdsWriter) columns(n int64) (mask, tokens, size int64) {
	tokens = mdsShape(n) + n*int64(m.dtype.Size())
	if m.masked {
		mask = mdsShape(n) + n
		return mask, tokens, 4 + 4 + mask + tokens
	}
	return 0, tokens, 4 + tokens
}

// Append implements Writer.
func (m *mdsWriter) Append(w io.Writer, s *Sequence) error {
	n := len(s.Tokens) / m.dtype.Size()
	if n == 0 {
		return errMDSEmpty
	}
	mask, tokens, size := m.columns(int64(n))
	if err := m.table.add(size); err != nil {
		return err
	}
	b := m.head[:0]
	if m.masked {
		b = binary.LittleEndian.AppendUint32(b, uint32(mask))
	}
	b = appendMDSShape(binary.LittleEndian.AppendUint32(b, uint32(tokens)), n)
	m.head = b
	if _, err := w.Write(b); err != nil {
		return err
	}
	if m.masked {
		if err := m.writeMask(w, s.Mask, n); err != nil {
			return err
		}
		m.head = appendMDSShape(b[:0], n)
		if _, err := w.Write(m.head); err != nil {
			return err
		}
	}
	_, err := w.Write(s.Tokens)
	return err
}

// writeMask writes n bytes; nil says that all tokens are learnt.
func (m *mdsWriter) writeMask(w io.Writer, mask []byte, n int) error {
	if mask == nil {
		if m.ones == nil {
			m.ones = slices.Repeat([]byte{1}, 4<<10)
		}
		for ; n > len(m.ones); n -= len(m.ones) {
			if _, err := w.Write(m.ones); err != nil {
				return err
			}
		}
		mask = m.ones[:n]
	}
	if len(mask) != n {
		return fmt.Errorf("shards: a loss mask of %d bytes for %d tokens", len(mask), n)
	}
	_, err := w.Write(mask)
	return err
}

// Lead implements Writer.
func (m *mdsWriter) Lead(w io.Writer) error { return m.table.write(w) }

// Size implements Writer.
func (m *mdsWriter) Size(tokens int) int64 {
	_, _, size := m.columns(int64(tokens))
	return m.table.size(size)
}

// Open implements Format. It reads what MDSWriter writes of these columns with any size limit and hashes; Check wants
// what this package writes.
func (MDS) Open(files []File, s Set, _ []int64) (Reader, error) {
	table, err := openOffsets(files[0])
	if err != nil {
		return nil, err
	}
	r := &mdsReader{offsets: table, set: s, tokens: window{File: files[0]}, mask: window{File: files[0]}}
	if err := r.readConfig(); err != nil {
		return nil, err
	}
	if s.Masked && !r.masked {
		return nil, NewFault(files[0].Name, r.config, "the set has a loss mask, and the shard no column %s", mdsMask)
	}
	return r, nil
}

type mdsReader struct {
	offsets
	set          Set
	dtype        Dtype
	masked       bool // there is a column of masks
	own          bool // the config is ours
	tokens, mask window
}

// readConfig reads what stands between offsets and samples.
func (r *mdsReader) readConfig() error {
	name, at, size := r.tokens.Name, r.config, r.first-r.config
	if size > mdsConfigMax {
		return NewFault(name, 4, "the config has %d bytes; at most %d are read", size, mdsConfigMax)
	}
	b, err := r.tokens.bytes(at, int(size))
	if err != nil {
		return err
	}
	var c struct {
		Encodings   []string       `json:"column_encodings"`
		Names       []string       `json:"column_names"`
		Compression jsontext.Value `json:"compression"`
		Format      string         `json:"format"`
		Version     int            `json:"version"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return NewFault(name, at, "the config is not right: %v", err)
	}
	if c.Format != "mds" || c.Version != 2 {
		return NewFault(name, at, "the config says format %q, version %d; \"mds\" and 2 are known", c.Format, c.Version)
	}
	if string(c.Compression) != "null" {
		return NewFault(name, at, "the config says that shards are compressed with %s; decompress them first", c.Compression)
	}
	r.masked = slices.Equal(c.Names, []string{mdsMask, mdsTokens})
	for _, d := range []Dtype{Uint16, Int32, Uint32} {
		encodings := []string{"ndarray:uint8", "ndarray:" + d.String()}
		if !r.masked {
			encodings = encodings[1:]
		}
		if slices.Equal(c.Encodings, encodings) && (r.masked || slices.Equal(c.Names, []string{mdsTokens})) {
			r.dtype, r.own = d, string(b) == mdsConfig(d, r.masked)
			return nil
		}
	}
	return NewFault(name, at, "the config has the columns %q, stored as %q; tokens as ndarray:uint16, ndarray:int32 or ndarray:uint32 are known, and beside it loss_mask as ndarray:uint8", c.Names, c.Encodings)
}

// Dtype implements Reader.
func (r *mdsReader) Dtype() Dtype { return r.dtype }

// columns says at which byte the mask (0 without) and the tokens of sequence i begin, and how many tokens it has. It
// reads through w.
func (r *mdsReader) columns(w *window, i int64) (mask, tokens, n int64, err error) {
	at, size, err := r.span(i)
	if err != nil {
		return 0, 0, 0, err
	}
	sizes := int64(4) // bytes of the columns' sizes
	if r.masked {
		sizes = 8
	}
	if size < sizes {
		return 0, 0, 0, NewFault(w.Name, at, "sequence %d has %d bytes, and the sizes of its columns take %d", i, size, sizes)
	}
	b, err := w.bytes(at, int(sizes))
	if err != nil {
		return 0, 0, 0, err
	}
	maskSize, tokensSize := int64(0), int64(binary.LittleEndian.Uint32(b[sizes-4:]))
	if r.masked {
		maskSize = int64(binary.LittleEndian.Uint32(b))
	}
	if sizes+maskSize+tokensSize != size {
		return 0, 0, 0, NewFault(w.Name, at, "the columns of sequence %d have %d and %d bytes, and %d follow their sizes", i, maskSize, tokensSize, size-sizes)
	}
	at += sizes
	if tokens, n, err = r.array(w, i, at+maskSize, tokensSize, int64(r.dtype.Size())); err != nil || !r.masked {
		return 0, tokens, n, err
	}
	mask, masked, err := r.array(w, i, at, maskSize, 1)
	if err == nil && masked != n {
		err = NewFault(w.Name, at, "sequence %d has %d tokens, and the mask of %d", i, n, masked)
	}
	return mask, tokens, n, err
}

// array reads the shape of an ndarray of size bytes with elements of so many: where they begin, and how many they are.
func (r *mdsReader) array(w *window, i, at, size, element int64) (values, n int64, err error) {
	if size < 1+1+1 {
		return 0, 0, NewFault(w.Name, at, "sequence %d has a column of %d bytes, too few for an array", i, size)
	}
	b, err := w.bytes(at, int(min(size, 1+4))) // 1+4 is the longest shape
	if err != nil {
		return 0, 0, err
	}
	var shape [1 + 4]byte
	copy(shape[:], b)
	switch shape[0] {
	case 1 << 2:
		n = int64(shape[1])
	case 1<<2 | 1:
		n = int64(binary.LittleEndian.Uint16(shape[1:]))
	case 1<<2 | 2:
		n = int64(binary.LittleEndian.Uint32(shape[1:]))
	default:
		return 0, 0, NewFault(w.Name, at, "sequence %d has an array of %d dimensions with sizes of %d bits; one of at most 32 is right", i, shape[0]>>2, 8<<(shape[0]&3))
	}
	head := int64(1 + 1<<(shape[0]&3))
	if n == 0 || head != mdsShape(n) || head+n*element != size {
		return 0, 0, NewFault(w.Name, at, "sequence %d has an array of %d elements of %d bytes, whose shape takes %d, in %d bytes", i, n, element, head, size)
	}
	return at + head, n, nil
}

// AppendTokens implements Reader.
func (r *mdsReader) AppendTokens(dst []uint32, i int64) ([]uint32, error) {
	_, at, n, err := r.columns(&r.tokens, i)
	if err != nil {
		return dst, err
	}
	return appendIDsAt(dst, &r.tokens, r.dtype, at, n*int64(r.dtype.Size()))
}

// AppendMask implements MaskReader. Without the column all tokens are learnt.
func (r *mdsReader) AppendMask(dst []byte, i int64) ([]byte, error) {
	at, _, n, err := r.columns(&r.mask, i)
	if err != nil {
		return dst, err
	}
	if !r.masked {
		for range n {
			dst = append(dst, 1)
		}
		return dst, nil
	}
	for k := int64(0); k < n; {
		b, err := r.mask.bytes(at+k, int(min(n-k, windowSize)))
		if err != nil {
			return dst, err
		}
		if above := indexAbove1(b); above >= 0 {
			return dst, NewFault(r.mask.Name, at+k+int64(above), "token %d of sequence %d has the mask %d; 0 and 1 are right", k+int64(above), i, b[above])
		}
		dst = append(dst, b...)
		k += int64(len(b))
	}
	return dst, nil
}

// Place implements Reader.
func (r *mdsReader) Place(i, k int64) (string, int64) {
	_, at, _, err := r.columns(&r.tokens, i)
	if err != nil {
		return r.tokens.Name, -1
	}
	return r.tokens.Name, at + k*int64(r.dtype.Size())
}

// Check implements Reader.
func (r *mdsReader) Check() error {
	if r.masked && !r.set.Masked {
		return NewFault(r.tokens.Name, r.config, "the shard has a column %s, and the set no loss mask", mdsMask)
	}
	if !r.own {
		return NewFault(r.tokens.Name, r.config, "the config is another than %s", mdsConfig(r.dtype, r.masked))
	}
	for i := range r.sequences {
		if _, _, _, err := r.columns(&r.tokens, i); err != nil {
			return err
		}
	}
	return r.checkEnd()
}
