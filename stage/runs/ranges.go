package runs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"sort"

	"curate/stage"
)

// Range is the items x with From <= x < To, compared bytewise; a bound is shorter than an item where it cuts by a
// prefix. A nil bound is no bound.
type Range struct{ From, To []byte }

func cut(bounds [][]byte) []Range {
	rs := make([]Range, len(bounds)+1)
	for i, b := range bounds {
		rs[i].To, rs[i+1].From = b, b
	}
	return rs
}

// Uniform cuts the key space into n ranges of equal width by the first 8 bytes: equal work where items begin with
// a digest. It depends on n alone.
func Uniform(n int) []Range {
	var bounds [][]byte
	for i := 1; i < n; i++ {
		at, _ := bits.Div64(uint64(i), 0, uint64(n)) // i/n of 2^64
		bounds = append(bounds, binary.BigEndian.AppendUint64(nil, at))
	}
	return cut(bounds)
}

// count is the number of items in all runs.
func count(sealed []stage.Sealed, width int) (items int64, err error) {
	for i := range sealed {
		if n := sealed[i].Size; n < 0 || n%int64(width) != 0 {
			return 0, fmt.Errorf("run %d: its %d bytes are no whole items of %d bytes", i, n, width)
		}
		items += sealed[i].Size / int64(width)
	}
	return items, nil
}

// Open reads the items of r in all runs, in order. Each run's part is found by search. space is as in
// NewIterator. Several ranges may be read at once; the caller closes the runs.
func Open(sealed []stage.Sealed, width int, r Range, space []byte) (*Iterator, error) {
	if _, err := count(sealed, width); err != nil {
		return nil, err
	}
	it := newIterator(len(sealed), width, space)
	var block []byte
	if r.From != nil || r.To != nil {
		block = make([]byte, max(searchBlock, width))
	}
	for i := range sealed {
		lo, hi := int64(0), sealed[i].Size
		var err error
		if r.From != nil {
			lo, err = search(&sealed[i], width, block, r.From)
		}
		if r.To != nil && err == nil {
			hi, err = search(&sealed[i], width, block, r.To)
		}
		if err == nil && lo > hi { // both bounds lie in a run that is not sorted
			err = fmt.Errorf("the item at byte %d is out of order", hi)
		}
		if err != nil {
			return nil, fmt.Errorf("run %d: %w", i, err)
		}
		// Items are checked against the one before. Search has looked at both sides of each bound, so a run that is
		// out of order anywhere is found by whoever reads all ranges.
		it.in[i].r, it.in[i].left = io.NewSectionReader(sealed[i].Data, lo, hi-lo), hi-lo
	}
	return it, nil
}

// searchBlock is what a search reads at a time, in bytes. Where the first bytes of items are a digest, the place of one in n
// items is known but for sqrt(n)/2 items: so a block or two find it, in up to a million items of 16 bytes, and a run that
// is an object of a bucket is asked a few times, not once for every halving.
const searchBlock = 16 << 10

// search returns the offset of the first item that is not below bound. It reads blocks where the bound would lie if items were
// evenly spread between those it has seen, and in every third one the middle, so that it ends soon whatever they are.
func search(s *stage.Sealed, width int, block, bound []byte) (int64, error) {
	w := int64(width)
	lo, hi := int64(0), s.Size/w // items below lo are below bound, those from hi on are not
	from, to, want := uint64(0), uint64(math.MaxUint64), first8(bound)
	for try := 1; lo < hi; try++ {
		n := min(hi-lo, int64(len(block))/w)
		at := (hi - lo) / 2
		if try%3 > 0 && from < to {
			at = int64(float64(hi-lo) * min(1, float64(max(want, from)-from)/float64(to-from)))
		}
		at = lo + max(0, min(at-n/2, hi-lo-n))
		items := block[:n*w]
		if err := readAt(s.Data, items, at*w, w); err != nil {
			return 0, err
		}
		i := int64(sort.Search(int(n), func(i int) bool { return bytes.Compare(items[int64(i)*w:int64(i+1)*w], bound) >= 0 }))
		if i > 0 {
			lo, from = at+i, first8(items[(i-1)*w:i*w])
		}
		if i < n {
			hi, to = at+i, first8(items[i*w:(i+1)*w])
		}
	}
	return lo * w, nil
}

// readAt fills b with items of so many bytes; a file that ends before is an error.
func readAt(r io.ReaderAt, b []byte, at, width int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil // with or without io.EOF
	}
	if err == io.EOF || err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("at byte %d: %w", at+int64(n)/width*width, err)
}
