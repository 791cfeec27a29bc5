package audit

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"curate/stage/runs"
)

// A sealed file is a head and a list of distinct lines:
//
//	┌──────────┬───────────┬──────┬────────────────────────┬───┬──────────┐
//	│ magic 8B │ length uv │ head │ line, again and again  │ 0 │ lines uv │
//	└──────────┴───────────┴──────┴────────────────────────┴───┴──────────┘
//	line:  groups uv │ hash 8B │ length uv │ first uv │ number uv │ owner uv │ of each group: group uv, documents uv,
//	       occurrences uv │ text length uv │ text
//
// uv is an unsigned varint of encoding/binary. The head is a tally as JSON (tally.go). Lines rise by their hash, which is
// big-endian. first is the ID of the first record that has the line, number that record's line number (0 if unknown),
// owner its group; groups are numbers in the head's list and rise. The last number is how many lines there were.
//
// A line has its text, or the beginning of it, if and only if at least one in frequent of the documents has it. So a file
// that is merged from others needs no more texts than those have: a line that is frequent among all documents is frequent
// among those of one of the files at least.
const (
	magic = "audit\x00\x00\x01"
	// frequent: a line is worth its text from one document in so many on.
	frequent = 1000
	// maxHead is the longest head, in bytes: of maxGroups with maxLanguages each.
	maxHead = 1 << 28
)

// entry is a distinct line.
type entry struct {
	hash   uint64
	length int64
	first  uint64
	number int64
	owner  uint32
	shares []share
	text   []byte
}

// share is what documents of a group have of a line.
type share struct {
	group       uint32
	docs, count int64
}

type sealedWriter struct {
	w         *bufio.Writer
	buf       []byte
	documents int64
	lines     uint64
}

func newSealedWriter(w *bufio.Writer, h *head) (*sealedWriter, error) {
	s := &sealedWriter{w: w}
	for _, g := range h.Groups {
		s.documents += g.Documents
	}
	b, err := json.Marshal(h, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	w.WriteString(magic) // an error of the writer is that of end
	w.Write(binary.AppendUvarint(nil, uint64(len(b))))
	w.Write(b)
	return s, nil
}

func (s *sealedWriter) put(e *entry) error {
	b := binary.AppendUvarint(s.buf[:0], uint64(len(e.shares)))
	b = binary.BigEndian.AppendUint64(b, e.hash)
	b = binary.AppendUvarint(b, uint64(e.length))
	b = binary.AppendUvarint(b, e.first)
	b = binary.AppendUvarint(b, uint64(e.number))
	b = binary.AppendUvarint(b, uint64(e.owner))
	docs := int64(0)
	for _, p := range e.shares {
		b = binary.AppendUvarint(b, uint64(p.group))
		b = binary.AppendUvarint(b, uint64(p.docs))
		b = binary.AppendUvarint(b, uint64(p.count))
		docs += p.docs
	}
	text := e.text
	if !isFrequent(docs, s.documents) {
		text = nil
	}
	b = appendBytes(b, text)
	s.buf = b
	s.lines++
	_, err := s.w.Write(b)
	return err
}

// isFrequent says whether one in frequent of all documents has a line that docs have.
func isFrequent(docs, all int64) bool { return docs >= (all+frequent-1)/frequent }

func (s *sealedWriter) end() error {
	_, err := s.w.Write(binary.AppendUvarint([]byte{0}, s.lines))
	return err
}

// sum adds up what several documents or files have of one line.
type sum struct {
	e       entry
	shares  []share // by group
	touched []uint32
}

func newSum(groups int) *sum { return &sum{shares: make([]share, groups)} }

// begin turns to another line.
func (s *sum) begin(hash uint64, text string) {
	s.e = entry{hash: hash, first: 1<<64 - 1, shares: s.e.shares[:0], text: append(s.e.text[:0], text...)}
	for _, g := range s.touched {
		s.shares[g] = share{}
	}
	s.touched = s.touched[:0]
}

// add takes in documents of a group.
func (s *sum) add(group uint32, docs, count int64) {
	p := &s.shares[group]
	if p.docs == 0 {
		s.touched = append(s.touched, group)
	}
	p.docs += docs
	p.count += count
}

// from says which record is the first that has the line, as far as one knows: its ID, line number, group, and the
// length of the line there, should another have the same hash.
func (s *sum) from(id uint64, number int64, group uint32, length int64) {
	if id < s.e.first {
		s.e.first, s.e.number, s.e.owner, s.e.length = id, number, group, length
	}
}

// end is the sum, valid until begin.
func (s *sum) end() *entry {
	slices.Sort(s.touched)
	for _, g := range s.touched {
		p := s.shares[g]
		p.group = g
		s.e.shares = append(s.e.shares, p)
	}
	return &s.e
}

// sealedReader reads one file, a line at a time, and checks all that the format promises.
type sealedReader struct {
	*runs.Reader
	tally    *tally
	ordinals []uint32 // of its groups among those of all files
	all      int64    // documents
	e        entry
	lines    uint64
}

// openSealed reads the head.
func (a *Audit) openSealed(r io.Reader, buffer, input int) (*sealedReader, error) {
	s := &sealedReader{Reader: runs.NewReader(r, buffer, "audit", input)}
	if err := s.Magic(magic, "audit"); err != nil {
		return nil, err
	}
	n, err := s.Below(maxHead, "bytes are no head")
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(s.Reader, n))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) < n {
		return nil, s.Fail(io.ErrUnexpectedEOF)
	}
	h := new(head)
	if err := json.Unmarshal(b, h, json.RejectUnknownMembers(true)); err != nil {
		return nil, s.Corrupt(err.Error())
	}
	if slices.Contains(h.Groups, nil) {
		return nil, s.Corrupt("a group that is none")
	}
	if s.tally, err = a.tally(h); err != nil {
		return nil, s.Corrupt(err.Error())
	}
	s.all = s.tally.documents()
	s.ordinals = make([]uint32, len(h.Groups))
	return s, nil
}

// advance reads the next line. ok is false at the end of the file.
func (s *sealedReader) advance() (ok bool, err error) {
	n, err := s.Number()
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, s.End(s.lines, "lines")
	}
	if n > uint64(len(s.ordinals)) {
		return false, s.Corrupt("a line of more groups than there are")
	}
	var hash [8]byte
	if err := s.Full(hash[:]); err != nil {
		return false, err
	}
	e, before := &s.e, s.e.hash
	if e.hash = binary.BigEndian.Uint64(hash[:]); s.lines > 0 && e.hash <= before {
		return false, s.Corrupt("lines do not rise")
	}
	s.lines++
	var first, owner int64
	for _, f := range [...]struct {
		to    *int64
		limit uint64
	}{{&e.length, 1 << 31}, {&first, 1 << 63}, {&e.number, mostCount}, {&owner, uint64(len(s.ordinals))}} {
		if *f.to, err = s.Below(f.limit, "is too much"); err != nil {
			return false, err
		}
	}
	e.first = uint64(first)
	e.shares = e.shares[:0]
	owned, docs := false, int64(0)
	for i := range n {
		g, err := s.Below(uint64(len(s.ordinals)), "is no group")
		if err != nil {
			return false, err
		}
		var p share
		if p.docs, err = s.Below(mostCount, "are too many documents"); err != nil {
			return false, err
		}
		if p.count, err = s.Below(mostCount, "are too many lines"); err != nil {
			return false, err
		}
		// The files' groups are sorted by name, as those of all are.
		if p.group = s.ordinals[g]; i > 0 && p.group <= e.shares[i-1].group || p.docs == 0 || p.count < p.docs {
			return false, s.Corrupt("a line's groups are out of order, or have nothing of it")
		}
		owned = owned || g == owner
		docs += p.docs
		e.shares = append(e.shares, p)
	}
	if !owned {
		return false, s.Corrupt("a line whose first document is in none of its groups")
	}
	e.owner = s.ordinals[owner]
	size, err := s.Below(maxExcerpt+1, "bytes are no beginning of a line")
	if err != nil {
		return false, err
	}
	e.text = append(e.text[:0], make([]byte, size)...)
	if err := s.Full(e.text); err != nil {
		return false, err
	}
	if (size > 0) != isFrequent(docs, s.all) || !utf8.Valid(e.text) {
		return false, s.Corrupt("a line without its text, or with another")
	}
	return true, nil
}

// merger reads several files as one.
type merger struct {
	a     *Audit
	in    []*sealedReader
	tally *tally
	head  *head
	all   int64
}

// open reads the heads.
func (a *Audit) open(in []io.Reader, buffer int) (*merger, error) {
	m := &merger{a: a, tally: newTally()}
	names := make([][]string, len(in))
	for i, r := range in {
		s, err := a.openSealed(r, buffer, i)
		if err != nil {
			return nil, err
		}
		names[i] = make([]string, len(s.ordinals))
		for name, g := range s.tally.groups {
			names[i][g.ordinal] = name
		}
		if err := a.join(m.tally, s.tally); err != nil {
			return nil, err
		}
		s.tally = nil
		m.in = append(m.in, s)
	}
	m.head = m.tally.head()
	m.all = m.tally.documents()
	for i, s := range m.in {
		for k, name := range names[i] {
			s.ordinals[k] = m.tally.groups[name].ordinal
		}
	}
	return m, nil
}

// each calls put for each distinct line, in order, with the sums. The entry is valid during the call.
func (m *merger) each(ctx context.Context, put func(e *entry) error) error {
	heap := make([]*sealedReader, 0, len(m.in)) // the least hash is at its root
	for _, s := range m.in {
		ok, err := s.advance()
		if err != nil {
			return err
		}
		if ok {
			heap = append(heap, s)
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	sum := newSum(len(m.head.Groups))
	for n := 0; len(heap) > 0; n++ {
		if n&0xFFF == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sum.begin(heap[0].e.hash, "")
		for len(heap) > 0 && heap[0].e.hash == sum.e.hash {
			s := heap[0]
			e := &s.e
			if len(sum.e.text) == 0 {
				sum.e.text = append(sum.e.text, e.text...)
			}
			for _, p := range e.shares {
				sum.add(p.group, p.docs, p.count)
			}
			sum.from(e.first, e.number, e.owner, e.length)
			ok, err := s.advance()
			if err != nil {
				return err
			}
			if !ok {
				last := len(heap) - 1
				heap[0] = heap[last]
				heap = heap[:last]
			}
			sink(heap, 0)
		}
		if err := put(sum.end()); err != nil {
			return err
		}
	}
	return nil
}

// sink moves element i down to where it is not above its children.
func sink(heap []*sealedReader, i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(heap); c++ {
			if heap[c].e.hash < heap[least].e.hash {
				least = c
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}

// mergeBuffer is what is read ahead of each sealed file, in bytes, if there is the memory.
const mergeBuffer = 64 << 10

// Merge implements stage.Reducer.
func (a *Audit) Merge(w io.Writer, sealed []io.Reader) error {
	m, err := a.open(sealed, mergeBuffer)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	sw, err := newSealedWriter(out, m.head)
	if err != nil {
		return err
	}
	if err := m.each(context.Background(), sw.put); err != nil {
		return err
	}
	if err := sw.end(); err != nil {
		return err
	}
	return out.Flush()
}
