package pipeline

import (
	"path/filepath"
	"slices"
	"testing"

	"curate/corpus/store"
	"curate/record"
)

// FuzzSealedRanges: ranges of any bytes are read or refused, and what was written is read back.
func FuzzSealedRanges(f *testing.F) {
	f.Add([]byte{0, 0, 5, 3}, uint16(9))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, step uint16) {
		dir := memoryDir(t)
		st := store.NewLocal(nil).Scratch()
		name := filepath.ToSlash(filepath.Join(dir, "sealed"))
		if err := writeFile(t.Context(), st, name, appendSealedFooter(b, int64(len(b)), 0)); err != nil {
			t.Fatal(err)
		}
		r, err := openRanges(t.Context(), st, name, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		all, err := r.upTo(nil, record.MaxOffset)
		if err != nil {
			return
		}
		last := int64(-1)
		var again []byte
		var w rangeWriter
		for _, x := range all {
			if x.lo.Offset() < last || x.hi < x.lo || x.lo.File() != 1 {
				t.Fatalf("ranges %v", all)
			}
			last = x.hi.Offset()
			again = w.add(again, &settledRanges{ranges: []idRange{x}, any: true})
		}
		again = w.flush(again)
		// Read once more, in steps: a range that crosses a border comes twice.
		if err := writeFile(t.Context(), st, name, appendSealedFooter(again, int64(len(again)), 0)); err != nil {
			t.Fatal(err)
		}
		r2, err := openRanges(t.Context(), st, name, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer r2.Close()
		var stepped []idRange
		for end := int64(step) + 1; len(all) > 0 && end <= last+int64(step)+1 && last < 1<<19; end += int64(step) + 1 {
			var got []idRange
			if got, err = r2.upTo(nil, end); err != nil {
				t.Fatal(err)
			}
			for _, g := range got {
				if g.lo.Offset() >= end-int64(step)-1 { // else it was seen before
					stepped = append(stepped, g)
				}
			}
		}
		if last < 1<<19 && !slices.Equal(stepped, all) {
			t.Fatalf("in steps of %d: %v, want %v", step, stepped, all)
		}
	})
}
