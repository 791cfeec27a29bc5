package parquet

import (
	"encoding/binary"
	"math/bits"
)

const (
	// dictionaryValues is how many different strings a dictionary has at most: what languages, sources and licences
	// need, and little enough to give up on anything else early.
	dictionaryValues = 1024
	dictionaryBytes  = 64 << 10
)

// dictionaryWriter finds out whether the strings of a column chunk repeat, and numbers them.
type dictionaryWriter struct {
	page    []byte // PLAIN
	ends    []int  // of its values, in page
	slots   []uint16
	indices []uint16 // of the chunk's values
}

// build makes the dictionary of a chunk. It says no where one would not be small, or not shorter than the values.
func (d *dictionaryWriter) build(c *writtenColumn) bool {
	if c.storage.raw != 0 || len(c.raw) == 0 {
		return false
	}
	if d.slots == nil {
		d.slots = make([]uint16, 4*dictionaryValues)
	}
	clear(d.slots)
	d.page, d.ends, d.indices = d.page[:0], d.ends[:0], d.indices[:0]
	for raw := c.raw; len(raw) > 0; {
		n := 4 + int(binary.LittleEndian.Uint32(raw))
		i := d.find(raw[:n])
		if i < 0 {
			return false
		}
		d.indices = append(d.indices, uint16(i))
		raw = raw[n:]
	}
	return len(d.page)+len(d.indices)*d.width()/8 < len(c.raw)/2
}

// find gives the number of a string, with its length before it; -1 if it is one too many. Slots hold numbers from 1.
func (d *dictionaryWriter) find(v []byte) int {
	h := uint64(14695981039346656037) // FNV-1a, 64 bits
	if len(v) > dictionaryBytes/8 {
		return -1
	}
	for _, c := range v {
		h = (h ^ uint64(c)) * 1099511628211
	}
	for at := h ^ h>>32; ; at++ {
		slot := &d.slots[at%uint64(len(d.slots))]
		if *slot == 0 {
			if len(d.ends) == dictionaryValues || len(d.page)+len(v) > dictionaryBytes {
				return -1
			}
			d.page = append(d.page, v...)
			d.ends = append(d.ends, len(d.page))
			*slot = uint16(len(d.ends))
			return len(d.ends) - 1
		}
		i := int(*slot) - 1
		from := 0
		if i > 0 {
			from = d.ends[i-1]
		}
		if string(d.page[from:d.ends[i]]) == string(v) {
			return i
		}
	}
}

// width of an index in bits. It is never 0: some readers do not expect that.
func (d *dictionaryWriter) width() int { return max(1, bits.Len(uint(len(d.ends)-1))) }

// append appends the indices of the values from..to: their width, then the hybrid.
func (d *dictionaryWriter) append(dst []byte, from, to int) []byte {
	var h hybridWriter
	h.begin(append(dst, byte(d.width())), d.width())
	for _, i := range d.indices[from:to] {
		h.put(uint32(i), 1)
	}
	return h.end()
}
