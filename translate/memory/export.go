package memory

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"io"
	"os"
	"slices"

	"github.com/go-json-experiment/json"
)

// Export writes the entries as JSON Lines, one Entry a line, sorted by from, to, engine and source, each key once: what holds.
// So the same entries give the same bytes whatever the order in which they came. It holds some 32 MiB, and sorts the rest in a
// temporary file as large as the entries. Put waits while the log is read, not while w is written.
func (s *Store) Export(w io.Writer) error { return s.export(w, exportBuffer) }

// exportBuffer bounds the entries that are sorted at a time, and the buffers of what is merged.
const exportBuffer = 16 << 20

// order is that of an export. The holes of a source are 0, 1, …, so its texts say all.
func order(a, b *Entry) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Engine, b.Engine), slices.Compare(a.Source.Text, b.Source.Text))
}

// weight is about what an entry takes while it is sorted.
func (e *Entry) weight() int {
	n := 400 + len(e.Engine) + len(e.From) + len(e.To) + len(e.Rung) + len(e.Failed) + len(e.Answer) + 100*len(e.Checks)
	for _, s := range e.Source.Text {
		n += 24 + len(s)
	}
	for _, s := range e.Target.Text {
		n += 24 + len(s)
	}
	return n
}

func (s *Store) export(w io.Writer, buffer int) error {
	var x sorter
	defer x.close()
	s.mu.RLock()
	err := s.usable()
	if err == nil {
		err = s.each(func(e Entry) error { return x.add(e, buffer) })
	}
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	err = x.each(buffer, func(e *Entry) error {
		line, err := json.Marshal(e, json.Deterministic(true))
		if err != nil {
			return err
		}
		_, err = out.Write(append(line, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// each calls f for each entry that holds, in the order of the logs. The caller has s.mu.
func (s *Store) each(f func(Entry) error) error {
	for i := range s.others {
		o := &s.others[i]
		if err := s.eachIn(o.f, o.base, o.end, f); err != nil {
			return err
		}
	}
	if err := s.eachIn(s.f, s.base, s.end, f); err != nil {
		return err
	}
	return s.eachOf(s.base+s.end, s.pending, f)
}

// eachIn is each for the frames of one log.
func (s *Store) eachIn(in file, base, end int64, f func(Entry) error) error {
	var buf, block []byte
	for at := int64(headerSize); at < end; {
		payload, grown, err := readFrame(in, at, buf)
		if err == nil {
			block, err = s.coder.unpack(block[:0], payload)
		}
		if err != nil {
			return s.at(makeRef(base+at, 0, false), err)
		}
		buf = grown
		if err := s.eachOf(base+at, block, f); err != nil {
			return err
		}
		at += frameHead + int64(len(payload))
	}
	return nil
}

func (s *Store) eachOf(at int64, block []byte, f func(Entry) error) error {
	for rest := block; len(rest) > 0; {
		r := makeRef(at, len(block)-len(rest), false)
		coded, next, err := entryAt(rest)
		if err != nil {
			return s.at(r, err)
		}
		e, err := parseEntry(coded)
		if err != nil {
			return s.at(r, err)
		}
		if holds, ok := s.index.find(KeyOf(e.Engine, e.From, e.To, e.Source)); ok && holds|1 == r|1 {
			if err := f(e); err != nil {
				return err
			}
		}
		rest = next
	}
	return nil
}

// sorter sorts more entries than memory has: runs of sorted entries in a temporary file, coded as in the log, are merged.
type sorter struct {
	now    []Entry // not in a run yet
	weight int
	file   *os.File
	out    *bufio.Writer
	ends   []int64 // of the runs in the file
	at     int64
}

func (x *sorter) add(e Entry, buffer int) error {
	x.now = append(x.now, e)
	if x.weight += e.weight(); x.weight < buffer {
		return nil
	}
	if x.file == nil {
		f, err := os.CreateTemp("", "curate-export-*")
		if err != nil {
			return err
		}
		_ = os.Remove(f.Name()) // where this works, a killed process leaves nothing behind; close tries again
		x.file, x.out = f, bufio.NewWriterSize(f, 64<<10)
	}
	x.sort()
	var b []byte
	for i := range x.now {
		b = appendEntry(b[:0], &x.now[i])
		x.at += int64(len(b))
		if _, err := x.out.Write(b); err != nil {
			return err
		}
	}
	x.ends = append(x.ends, x.at)
	clear(x.now)
	x.now, x.weight = x.now[:0], 0
	return nil
}

func (x *sorter) sort() { slices.SortFunc(x.now, func(a, b Entry) int { return order(&a, &b) }) }

// each calls f for all entries in order.
func (x *sorter) each(buffer int, f func(*Entry) error) error {
	x.sort()
	runs := runHeap{{now: x.now}}
	if x.file != nil {
		if err := x.out.Flush(); err != nil {
			return err
		}
		start := int64(0)
		for _, end := range x.ends {
			size := max(buffer/len(x.ends), 4<<10)
			runs = append(runs, &run{in: bufio.NewReaderSize(io.NewSectionReader(x.file, start, end-start), size)})
			start = end
		}
	}
	for i := len(runs) - 1; i >= 0; i-- {
		switch ok, err := runs[i].next(); {
		case err != nil:
			return err
		case !ok:
			runs = slices.Delete(runs, i, i+1)
		}
	}
	heap.Init(&runs)
	for len(runs) > 0 {
		if err := f(&runs[0].first); err != nil {
			return err
		}
		switch ok, err := runs[0].next(); {
		case err != nil:
			return err
		case ok:
			heap.Fix(&runs, 0)
		default:
			heap.Pop(&runs)
		}
	}
	return nil
}

func (x *sorter) close() {
	if x.file != nil {
		_ = x.file.Close()
		_ = os.Remove(x.file.Name())
	}
}

// run is sorted entries, in memory or in a file.
type run struct {
	first Entry
	now   []Entry
	in    *bufio.Reader
	buf   []byte
}

// next makes first the next entry, and says whether there is one.
func (r *run) next() (bool, error) {
	if r.in == nil {
		if len(r.now) == 0 {
			return false, nil
		}
		r.first, r.now = r.now[0], r.now[1:]
		return true, nil
	}
	n, err := binary.ReadUvarint(r.in)
	if err == io.EOF {
		return false, nil
	}
	if err == nil {
		r.buf = slices.Grow(r.buf[:0], int(n))[:n]
		_, err = io.ReadFull(r.in, r.buf)
	}
	if err == nil {
		r.first, err = parseEntry(r.buf)
	}
	return err == nil, err
}

// runHeap is a heap of runs by their first entries.
type runHeap []*run

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return order(&h[i].first, &h[j].first) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(v any)        { *h = append(*h, v.(*run)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
