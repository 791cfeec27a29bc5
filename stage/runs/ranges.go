package runs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
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

// Open reads the items of r in all runs, in order. Each run's part is found by binary search. space is as in
// NewIterator. Several ranges may be read at once; the caller closes the runs.
func Open(sealed []stage.Sealed, width int, r Range, space []byte) (*Iterator, error) {
	if _, err := count(sealed, width); err != nil {
		return nil, err
	}
	it := newIterator(len(sealed), width, space)
	probe := make([]byte, width)
	for i := range sealed {
		lo, hi := int64(0), sealed[i].Size
		var err error
		if r.From != nil {
			lo, err = search(&sealed[i], probe, r.From)
		}
		if r.To != nil && err == nil {
			hi, err = search(&sealed[i], probe, r.To)
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

// search returns the offset of the first item that is not below bound.
func search(s *stage.Sealed, probe, bound []byte) (int64, error) {
	var failed error
	w := int64(len(probe))
	i := sort.Search(int(s.Size/w), func(i int) bool {
		if failed == nil {
			failed = readAt(s.Data, probe, int64(i)*w)
		}
		return failed != nil || bytes.Compare(probe, bound) >= 0
	})
	return int64(i) * w, failed
}

// readAt fills b; a file that ends before is an error.
func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil // with or without io.EOF
	}
	if err == io.EOF || err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("at byte %d: %w", at, err)
}
