package shards

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"curate/stage"
	"curate/stage/runs"
)

// A sealed file holds documents in the order of the shuffle, behind what is to be known of all of them:
//
//	┌──────────┬──────────┬─────────┬────────────────────────────┬───┬──────────────┐
//	│ magic 8B │ width u8 │ summary │ document, again and again  │ 0 │ documents uv │
//	└──────────┴──────────┴─────────┴────────────────────────────┴───┴──────────────┘
//	document:  tokens uv, at least 1 │ key u64 │ ID u64 │ copy uv │ source uv │ kind u8 │ kind's own │ tokens × width bytes
//	kind's own: 0 text: nothing │ 1 masked: runs of the mask │ 2 pair: ends of prompt and chosen answer, uv each
//
// uv is an unsigned varint of encoding/binary; key and ID are big-endian; tokens are as they will lie in the shard
// (little-endian, width 2 or 4), EOD included, so that they are only copied from here on. (key, ID, copy) rises. The
// last number is how many documents there were, and the file ends with it. Runs of a mask are uv, alternately of tokens
// that are not learnt and that are, beginning with those that are not; they add up to the tokens. source counts those of
// the summary.
const (
	sealedMagic  = "curshuf\x02"
	sealedHeader = len(sealedMagic) + 1
)

// kinds of documents.
const (
	kindText = iota
	kindMasked
	kindPair
	kinds
)

// maxSources is how many sources there may be: a field with more values names no sources.
const maxSources = 1 << 12

var errSources = fmt.Errorf("shards: more than %d sources, by which nothing can be mixed; name them by a field with fewer values, or by files", maxSources)

// summary is what must be known of documents before they are looked at one by one.
type summary struct {
	sources []sourceTotals // by name
	bins    [stage.Bins]bin
	longer  []int64 // documents with more tokens than a row of each stage of the schedule
}

type bin struct{ documents, tokens int64 }

// sourceTotals are a source's documents and pairs.
type sourceTotals struct {
	name              string
	documents, tokens int64 // text and chats
	masked            int64 // of the documents
	pairs, pairTokens int64
}

func (t *sourceTotals) numbers() [5]*int64 {
	return [5]*int64{&t.documents, &t.tokens, &t.masked, &t.pairs, &t.pairTokens}
}

func (t *sourceTotals) add(o *sourceTotals) {
	for k, n := range t.numbers() {
		*n += *o.numbers()[k]
	}
}

// source finds or makes the totals of a source; making one changes the numbers of those behind it.
func (s *summary) source(name string) int {
	i, ok := slices.BinarySearchFunc(s.sources, name, func(t sourceTotals, name string) int { return strings.Compare(t.name, name) })
	if !ok {
		s.sources = slices.Insert(s.sources, i, sourceTotals{name: name})
	}
	return i
}

// add takes in another summary.
func (s *summary) add(o *summary) {
	for _, t := range o.sources {
		s.sources[s.source(t.name)].add(&t)
	}
	for i, b := range o.bins {
		s.bins[i].documents += b.documents
		s.bins[i].tokens += b.tokens
	}
	for i, n := range o.longer {
		s.longer[i] += n
	}
}

func (s *summary) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.sources)))
	for i := range s.sources {
		t := &s.sources[i]
		dst = binary.AppendUvarint(dst, uint64(len(t.name)))
		dst = append(dst, t.name...)
		for _, n := range t.numbers() {
			dst = binary.AppendUvarint(dst, uint64(*n))
		}
	}
	used := 0
	for _, b := range s.bins {
		if b.documents > 0 {
			used++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(used))
	for i, b := range s.bins {
		if b.documents > 0 {
			dst = binary.AppendUvarint(dst, uint64(i))
			dst = binary.AppendUvarint(dst, uint64(b.documents))
			dst = binary.AppendUvarint(dst, uint64(b.tokens))
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.longer)))
	for _, n := range s.longer {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

// sealedDocument is one document of a sealed file.
type sealedDocument struct {
	key, id uint64
	copy    int
	source  int // of the file's summary
	kind    byte
	// own is what the kind has: runs of the mask, or the two ends, as they stand in the file.
	own    []byte
	tokens int64
}

type sealedWriter struct {
	w         *bufio.Writer
	width     int
	head      []byte
	documents uint64
}

// newSealedWriter begins a file; an error of the writer is that of end.
func newSealedWriter(w io.Writer, width int, s *summary) *sealedWriter {
	sw := &sealedWriter{w: bufio.NewWriterSize(w, windowSize), width: width}
	sw.w.WriteString(sealedMagic)
	sw.w.WriteByte(byte(width))
	sw.w.Write(s.append(nil))
	return sw
}

func (sw *sealedWriter) put(d *sealedDocument, source int, tokens []byte) error {
	b := binary.AppendUvarint(sw.head[:0], uint64(len(tokens)/sw.width))
	b = binary.BigEndian.AppendUint64(b, d.key)
	b = binary.BigEndian.AppendUint64(b, d.id)
	b = binary.AppendUvarint(b, uint64(d.copy))
	b = binary.AppendUvarint(b, uint64(source))
	b = append(b, d.kind)
	sw.w.Write(b)
	sw.head = b
	sw.w.Write(d.own)
	sw.documents++
	_, err := sw.w.Write(tokens)
	return err
}

func (sw *sealedWriter) end() error {
	sw.w.Write(binary.AppendUvarint([]byte{0}, sw.documents))
	return sw.w.Flush()
}

// sealedReader reads one file a document at a time: advance its head, then body or skip its tokens.
type sealedReader struct {
	*runs.Reader
	width     int
	summary   *summary // nil once a merger has it
	sources   int      // how many its summary has
	head      [16]byte
	doc       sealedDocument // in hand
	documents uint64
}

// openSealed reads the header and the summary. stages is how many lengths the schedule has.
func openSealed(r io.Reader, buffer, input, width, stages int) (*sealedReader, error) {
	s := &sealedReader{Reader: runs.NewReader(r, buffer, "shards", input), width: width, summary: &summary{}}
	if err := s.Magic(sealedMagic, "shards"); err != nil {
		return nil, err
	}
	switch stored, err := s.Byte(); {
	case err != nil:
		return nil, err
	case int(stored) != width:
		return nil, s.Corrupt(fmt.Sprintf("tokens of %d bytes instead of %d", stored, width))
	}
	return s, s.readSummary(stages)
}

func (s *sealedReader) readSummary(stages int) error {
	sources, err := s.Below(maxSources+1, "sources")
	if err != nil {
		return err
	}
	for range sources {
		n, err := s.Below(1<<16, "bytes of a source's name")
		if err != nil {
			return err
		}
		name := make([]byte, n)
		if err := s.Full(name); err != nil {
			return err
		}
		t := sourceTotals{name: string(name)}
		if k := len(s.summary.sources); k > 0 && s.summary.sources[k-1].name >= t.name {
			return s.Corrupt("sources are not in order")
		}
		for _, to := range t.numbers() {
			if *to, err = s.Below(math.MaxInt64, "documents or tokens"); err != nil {
				return err
			}
		}
		s.summary.sources = append(s.summary.sources, t)
	}
	s.sources = len(s.summary.sources)
	used, err := s.Below(stage.Bins+1, "bins")
	if err != nil {
		return err
	}
	last := int64(-1)
	for range used {
		i, err := s.Below(stage.Bins, "bins")
		if err != nil {
			return err
		}
		if i <= last {
			return s.Corrupt("bins are not in order")
		}
		last = i
		for _, to := range []*int64{&s.summary.bins[i].documents, &s.summary.bins[i].tokens} {
			if *to, err = s.Below(math.MaxInt64, "documents or tokens"); err != nil {
				return err
			}
		}
		if s.summary.bins[i].documents == 0 {
			return s.Corrupt("an empty bin")
		}
	}
	n, err := s.Number()
	if err != nil {
		return err
	}
	if n != uint64(stages) {
		return s.Corrupt(fmt.Sprintf("it knows %d lengths instead of %d", n, stages))
	}
	s.summary.longer = make([]int64, stages)
	for i := range s.summary.longer {
		if s.summary.longer[i], err = s.Below(math.MaxInt64, "documents"); err != nil {
			return err
		}
	}
	return nil
}

// advance reads the head of the next document. ok is false at the end of the file.
func (s *sealedReader) advance() (ok bool, err error) {
	n, err := s.Number()
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, s.End(s.documents, "documents")
	}
	if n > math.MaxInt32 {
		return false, s.Corrupt("a document of more than 2^31-1 tokens")
	}
	head := s.head[:]
	if err := s.Full(head); err != nil {
		return false, err
	}
	before := s.doc // its own is not looked at
	d := &s.doc
	d.tokens, d.key, d.id = int64(n), binary.BigEndian.Uint64(head[:8]), binary.BigEndian.Uint64(head[8:])
	copies, err := s.Below(1<<16, "copies")
	if err != nil {
		return false, err
	}
	source, err := s.Below(uint64(s.sources), "is no source")
	if err != nil {
		return false, err
	}
	d.copy, d.source = int(copies), int(source)
	if s.documents > 0 && !before.before(d) {
		return false, s.Corrupt("documents are not in order")
	}
	if d.kind, err = s.Byte(); err != nil {
		return false, err
	}
	s.documents++
	return true, s.own()
}

// before is the order of documents.
func (d *sealedDocument) before(o *sealedDocument) bool {
	return d.key < o.key || d.key == o.key && (d.id < o.id || d.id == o.id && d.copy < o.copy)
}

// own reads what the document's kind has.
func (s *sealedReader) own() error {
	d := &s.doc
	d.own = d.own[:0]
	switch d.kind {
	case kindText:
		return nil
	case kindMasked:
		for left, k := uint64(d.tokens), 0; left > 0; k++ {
			n, err := s.Number()
			if err != nil {
				return err
			}
			if n > left || n == 0 && k > 0 {
				return s.Corrupt("runs of a mask that are not its document's")
			}
			left -= n
			d.own = binary.AppendUvarint(d.own, n)
		}
		return nil
	case kindPair:
		prompt, err := s.Below(uint64(d.tokens)+1, "tokens of a prompt")
		if err != nil {
			return err
		}
		chosen, err := s.Below(uint64(d.tokens)+1, "tokens up to an answer's end")
		if err != nil {
			return err
		}
		if prompt > chosen {
			return s.Corrupt("an answer that ends within its prompt")
		}
		d.own = binary.AppendUvarint(binary.AppendUvarint(d.own, uint64(prompt)), uint64(chosen))
		return nil
	}
	return s.Corrupt(fmt.Sprintf("a document of kind %d", d.kind))
}

// body appends the tokens of the document in hand. Memory grows with what is there, not with what is claimed.
func (s *sealedReader) body(dst []byte) ([]byte, error) {
	for left := s.doc.tokens * int64(s.width); left > 0; {
		n := int(min(left, windowSize))
		at := len(dst)
		dst = append(dst, make([]byte, n)...)
		if err := s.Full(dst[at:]); err != nil {
			return dst[:at], err
		}
		left -= int64(n)
	}
	return dst, nil
}

// skip passes over the tokens of the document in hand.
func (s *sealedReader) skip() error {
	return s.Skip(s.doc.tokens * int64(s.width))
}

// appendRuns appends a mask's runs.
func appendRuns(dst, mask []byte) []byte {
	for at, learnt := 0, byte(0); at < len(mask); learnt ^= 1 {
		n := 0
		for at+n < len(mask) && mask[at+n] == learnt {
			n++
		}
		dst = binary.AppendUvarint(dst, uint64(n))
		at += n
	}
	return dst
}

// appendMask appends the mask that runs were made of.
func appendMask(dst, runs []byte) []byte {
	for learnt := byte(0); len(runs) > 0; learnt ^= 1 {
		n, k := binary.Uvarint(runs)
		runs = runs[k:]
		at := len(dst)
		dst = slices.Grow(dst, int(n))[:at+int(n)]
		for i := range dst[at:] {
			dst[at+i] = learnt
		}
	}
	return dst
}

// scratchLimit is what is kept between documents, in bytes. Nearly all need less.
const scratchLimit = 4 << 20

// merger gives the documents of several sealed files in their order. It holds a buffer of each file, and no document.
type merger struct {
	heap    []*sealedReader // the file with the next document is at the root
	summary summary         // of all
	number  [][]uint16      // by input: which source of summary each of its own is
	begun   bool
}

// newMerger begins to read sealed files. What summaries say is added up, and none is kept: with thousands of sources in
// hundreds of files they would take more than the buffers.
func newMerger(in []io.Reader, buffer, width, stages int) (*merger, error) {
	m := &merger{summary: summary{longer: make([]int64, stages)}}
	arrived := map[string]uint16{} // sources as they came, numbered until all are known
	for i, r := range in {
		size := buffer
		if sized, ok := r.(interface{ Size() int64 }); ok {
			size = int(min(int64(buffer), max(512, sized.Size())))
		}
		s, err := openSealed(r, size, i, width, stages)
		if err != nil {
			return nil, err
		}
		m.summary.add(s.summary)
		if len(m.summary.sources) > maxSources {
			return nil, errSources
		}
		numbers := make([]uint16, s.sources)
		for k, t := range s.summary.sources {
			n, known := arrived[t.name]
			if !known {
				n = uint16(len(arrived))
				arrived[t.name] = n
			}
			numbers[k] = n
		}
		m.number, s.summary = append(m.number, numbers), nil
		ok, err := s.advance()
		if err != nil {
			return nil, err
		}
		if ok {
			m.heap = append(m.heap, s)
		}
	}
	final := make([]uint16, len(arrived))
	for name, n := range arrived {
		final[n] = uint16(m.summary.source(name))
	}
	for _, numbers := range m.number {
		for k, n := range numbers {
			numbers[k] = final[n]
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// next moves to the next document, whose tokens are read by s.body, or passed over by s.skip, before the call after.
// s is nil at the end.
func (m *merger) next() (s *sealedReader, err error) {
	if m.begun {
		s := m.heap[0]
		more, err := s.advance()
		if err != nil {
			return nil, err
		}
		if !more {
			last := len(m.heap) - 1
			m.heap[0] = m.heap[last]
			m.heap = m.heap[:last]
		}
		m.sink(0)
	}
	if m.begun = len(m.heap) > 0; !m.begun {
		return nil, nil
	}
	return m.heap[0], nil
}

// source is which of the summary's the document in hand of s has.
func (m *merger) source(s *sealedReader) int { return int(m.number[s.Input()][s.doc.source]) }

// sink moves element i down to where it is not above its children.
func (m *merger) sink(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(m.heap); c++ {
			if m.heap[c].doc.before(&m.heap[least].doc) {
				least = c
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

// copyAll writes all that is left to one file.
func (m *merger) copyAll(ctx context.Context, w io.Writer, width int) error {
	sw := newSealedWriter(w, width, &m.summary)
	var tokens []byte
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s, err := m.next()
		if err != nil {
			return err
		}
		if s == nil {
			return sw.end()
		}
		if cap(tokens) > scratchLimit && s.doc.tokens*int64(width) < scratchLimit {
			tokens = nil
		}
		if tokens, err = s.body(tokens[:0]); err != nil {
			return err
		}
		if err := sw.put(&s.doc, m.source(s), tokens); err != nil {
			return err
		}
	}
}
