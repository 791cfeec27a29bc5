package fasttext

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The format, little-endian and without padding (facebookresearch/fastText v0.9.2: fasttext.cc loadModel, args.cc
// load, dictionary.cc load, densematrix.cc load, quantmatrix.cc load, productquantizer.cc load). A .bin and a
// .ftz differ in the two bytes that say which matrices are quantised.
//
//	int32   magic, version
//	int32   dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate; float64 t
//	int32   size, nwords, nlabels; int64 ntokens, pruned (-1: n-grams were not pruned)
//	size    entries: bytes up to a 0, int64 count, int8 kind (0 word, 1 label), words first
//	pruned  pairs: int32 bucket, int32 row behind those of the words
//	uint8   input is quantised; the input matrix
//	uint8   output is quantised, if the input is; the output matrix
//
//	matrix  int64 rows, cols; rows*cols float32
//	or      uint8 norms; int64 rows, cols; int32 n; n codes; quantizer; if norms: rows codes, quantizer
//	quantizer  int32 dim, parts, width, width of the last part; dim*256 float32
const (
	magic      = 793712314
	maxVersion = 12
)

// Bounds of what a predictor can be asked to do for a byte of text; models in use have n-grams of up to ten.
const maxNgram = 255

type args struct {
	dim, wordNgrams, loss, bucket, minn, maxn int
}

const (
	lossHS      = 1
	lossNS      = 2
	lossSoftmax = 3
	lossOVA     = 4

	kindSupervised = 3
)

var (
	lossNames = [...]string{lossHS: "hs", lossNS: "ns", lossSoftmax: "softmax", lossOVA: "ova"}
	kindNames = [...]string{1: "cbow", 2: "skipgram"}
)

// FormatError says what is wrong with a file, and where.
type FormatError struct {
	Offset int64 // of the byte at which it was noticed
	What   string
}

func (e *FormatError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.What) }

// Read reads a model of size bytes. It takes no more memory than a small multiple of that, whatever the file
// says of itself. An error is r's or a *FormatError.
func Read(r io.Reader, size int64) (*Model, error) {
	d := &decoder{r: bufio.NewReaderSize(io.LimitReader(r, size), 1<<16), size: size}
	m := d.model()
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}

// decoder reads a file from beginning to end; after an error it reads zeros.
type decoder struct {
	r    *bufio.Reader
	at   int64
	size int64
	err  error
	buf  [1 << 13]byte
}

func (d *decoder) failf(at int64, format string, a ...any) {
	if d.err == nil {
		d.err = &FormatError{at, fmt.Sprintf(format, a...)}
	}
}

// bytes reads n bytes, at most len(buf), which are valid until the next call.
func (d *decoder) bytes(n int) []byte {
	b := d.buf[:n]
	if d.err == nil {
		got, err := io.ReadFull(d.r, b)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			d.failf(d.at+int64(got), "the file ends here, in the middle of a model")
		case err != nil:
			d.err = err
		}
		d.at += int64(got)
	}
	if d.err != nil {
		clear(b)
	}
	return b
}

func (d *decoder) uint8() byte  { return d.bytes(1)[0] }
func (d *decoder) int32() int   { return int(int32(binary.LittleEndian.Uint32(d.bytes(4)))) }
func (d *decoder) int64() int64 { return int64(binary.LittleEndian.Uint64(d.bytes(8))) }

// room says whether n values of width bytes are left in the file, and is an error if not.
func (d *decoder) room(what string, n, width int64) bool {
	if d.err != nil {
		return false
	}
	if n < 0 || n > (d.size-d.at)/width {
		d.failf(d.at, "%s: %d values of %d bytes, and %d bytes are left", what, n, width, max(d.size-d.at, 0))
		return false
	}
	return true
}

func (d *decoder) floats(what string, n int64) []float32 {
	if !d.room(what, n, 4) {
		return nil
	}
	out := make([]float32, n)
	for i := 0; i < len(out) && d.err == nil; {
		b := d.bytes(4 * min(len(out)-i, len(d.buf)/4))
		for ; len(b) > 0; b = b[4:] {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
			i++
		}
	}
	return out
}

func (d *decoder) codes(what string, n int64) []byte {
	if !d.room(what, n, 1) {
		return nil
	}
	out := make([]byte, 0, n)
	for len(out) < cap(out) && d.err == nil {
		out = append(out, d.bytes(min(cap(out)-len(out), len(d.buf)))...)
	}
	return out
}

func (d *decoder) model() *Model {
	m := &Model{}
	if n := d.int32(); n != magic {
		d.failf(0, "no fastText model: it would begin with the number %d", magic)
		return nil
	}
	version := d.int32()
	if version > maxVersion {
		d.failf(4, "version %d of the format; known are those up to %d", version, maxVersion)
	}
	d.args(&m.args, version)
	if d.err != nil {
		return nil
	}
	d.dictionary(m)
	quantised := d.flag("whether the input matrix is quantised")
	if d.err == nil && m.dict.pruned >= 0 && !quantised {
		// As in the reference, which calls it an invalid file.
		d.failf(d.at-1, "n-grams are pruned, and the input matrix is not quantised")
	}
	at := d.at
	m.input = d.matrix("input", quantised)
	if d.err != nil {
		return nil
	}
	rows, dim := m.input.rows, m.input.cols
	if dim != m.args.dim {
		d.failf(at, "the input matrix has %d columns, and the model %d dimensions", dim, m.args.dim)
		return nil
	}
	need := int64(m.dict.nwords)
	switch {
	case m.dict.pruned >= 0:
		need += int64(m.dict.lastRow) + 1
	case m.args.maxn > 0 || m.args.wordNgrams > 1:
		need += int64(m.args.bucket)
	}
	if int64(rows) < need || need > math.MaxInt32 {
		d.failf(at, "the input matrix has %d rows; words and n-grams refer to %d", rows, need)
		return nil
	}
	qout := d.flag("whether the output matrix is quantised")
	at = d.at
	m.output = d.matrix("output", quantised && qout)
	if d.err != nil {
		return nil
	}
	if m.output.rows != len(m.dict.labels) || m.output.cols != m.args.dim {
		d.failf(at, "the output matrix is %d x %d; %d labels of %d dimensions were expected", m.output.rows, m.output.cols, len(m.dict.labels), m.args.dim)
		return nil
	}
	if _, err := d.r.ReadByte(); err == nil { // a size that is too small is noticed before
		d.failf(d.at, "the model ends here, and the file does not")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.err = err
		return nil
	}
	m.sigmoids()
	m.sumWords()
	return m
}

func (d *decoder) args(a *args, version int) {
	var v [12]int
	at := d.at
	for i := range v {
		v[i] = d.int32()
	}
	d.bytes(8) // the sampling threshold of training
	*a = args{dim: v[0], wordNgrams: v[5], loss: v[6], bucket: v[8], minn: v[9], maxn: v[10]}
	where := func(i int) int64 { return at + 4*int64(i) }
	switch kind := v[7]; {
	case d.err != nil:
	case kind > 0 && kind < len(kindNames):
		d.failf(where(7), "a model of word vectors (%s), which has no labels; a supervised one is needed", kindNames[kind])
	case kind != kindSupervised:
		d.failf(where(7), "a model of kind %d; a supervised one is %d", kind, kindSupervised)
	case a.dim < 1:
		d.failf(where(0), "%d dimensions", a.dim)
	case a.loss < lossHS || a.loss > lossOVA:
		d.failf(where(6), "loss %d; known are %d to %d", a.loss, lossHS, lossOVA)
	case a.wordNgrams > maxNgram:
		d.failf(where(5), "n-grams of %d words; at most %d", a.wordNgrams, maxNgram)
	case a.maxn > maxNgram:
		d.failf(where(10), "n-grams of %d characters; at most %d", a.maxn, maxNgram)
	}
	if version == 11 {
		a.maxn = 0 // such models have no character n-grams, whatever they say (fasttext.cc loadModel)
	}
	if d.err == nil && a.bucket < 1 && (a.maxn > 0 || a.wordNgrams > 1) {
		d.failf(where(8), "n-grams, and %d buckets for them", a.bucket)
	}
}

func (d *decoder) flag(what string) bool {
	b := d.uint8()
	if b > 1 {
		d.failf(d.at-1, "%s: 0 or 1, not %d", what, b)
	}
	return b == 1
}

func (d *decoder) dictionary(m *Model) {
	t := &m.dict
	at := d.at
	size, nwords, nlabels := d.int32(), d.int32(), d.int32()
	d.int64() // tokens of the training text
	t.pruned = d.int64()
	switch {
	case d.err != nil:
	case size < 0 || nwords < 0 || nlabels < 0 || nwords+nlabels != size:
		d.failf(at, "%d entries, of which %d are words and %d labels", size, nwords, nlabels)
	case nlabels == 0:
		d.failf(at+8, "no labels")
	}
	// The least entry is an empty text: a 0, a count and a kind.
	if !d.room("entries of the dictionary", int64(size), 10) {
		return
	}
	t.nwords = nwords
	t.ends = make([]uint32, 0, size)
	var counts []int64
	var sum int64
	for i := range size {
		at := d.at
		for d.err == nil {
			part, err := d.r.ReadSlice(0)
			t.text = append(t.text, part...)
			d.at += int64(len(part))
			if err == nil {
				t.text = t.text[:len(t.text)-1]
				break
			}
			if errors.Is(err, io.EOF) {
				d.failf(d.at, "the file ends here, in the middle of a word")
			} else if !errors.Is(err, bufio.ErrBufferFull) {
				d.err = err
			}
		}
		if len(t.text) > math.MaxUint32 {
			d.failf(at, "more than 4 GiB of words")
		}
		t.ends = append(t.ends, uint32(len(t.text)))
		count := d.int64()
		kind := d.uint8()
		if d.err != nil {
			return
		}
		if label := i >= nwords; kind > 1 || (kind == 1) != label {
			d.failf(d.at-1, "entry %d is of kind %d; %d words (kind 0) come first, then labels (1)", i, kind, nwords)
			return
		} else if label {
			if sum += count; count < 0 || sum < 0 || sum >= unborn {
				d.failf(d.at-9, "a label that was seen %d times", count)
				return
			}
			counts = append(counts, count)
			t.labels = append(t.labels, string(t.word(int32(i))))
		}
	}
	if m.args.loss == lossHS {
		m.tree = newTree(counts)
	}
	t.index()
	t.bucket = newDivisor(uint32(max(m.args.bucket, 1)))
	t.minn, t.maxn = m.args.minn, m.args.maxn
	t.lastRow = -1
	if t.pruned <= 0 {
		return
	}
	if !d.room("n-grams", t.pruned, 8) {
		return
	}
	t.prune.make(int(t.pruned))
	for range t.pruned {
		at := d.at
		key, row := d.int32(), d.int32()
		if d.err != nil {
			return
		}
		if key < 0 || row < 0 {
			d.failf(at, "n-gram %d has row %d", key, row)
			return
		}
		t.prune.set(uint32(key), int32(row))
		t.lastRow = max(t.lastRow, int32(row))
	}
}
