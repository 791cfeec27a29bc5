package format

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// MDS and LitData put the same table in front of their sequences. All of it is uint32, little-endian:
//
//	┌───┬───────────────────────────────────┬────────┬───────────┐
//	│ n │ n + 1 offsets                     │ config │ sequences │
//	└───┴───────────────────────────────────┴────────┴───────────┘
//
// Sequence i lies from byte offsets[i] to byte offsets[i+1] of the file. LitData has no config.

// offsetsWriter holds 4 bytes a sequence.
type offsetsWriter struct {
	format string
	config string
	ends   []uint32 // of each sequence, in bytes from where the first begins
}

// lead is how many bytes stand in front of the first of n sequences.
func (o *offsetsWriter) lead(n int) int64 { return 4*(1+int64(n)+1) + int64(len(o.config)) }

// end of the last sequence, in bytes from where the first begins.
func (o *offsetsWriter) end() int64 {
	if len(o.ends) == 0 {
		return 0
	}
	return int64(o.ends[len(o.ends)-1])
}

// size of the file with one more sequence of so many bytes.
func (o *offsetsWriter) size(sequence int64) int64 {
	return o.lead(len(o.ends)+1) + o.end() + sequence
}

// add notes the next sequence, of so many bytes.
func (o *offsetsWriter) add(sequence int64) error {
	if total := o.size(sequence); total > math.MaxUint32 {
		return fmt.Errorf("shards: a shard of %d bytes cannot be written in format %s, which counts bytes in 32 bits: leave out the document that is that long, or pack", total, o.format)
	}
	o.ends = append(o.ends, uint32(o.end()+sequence))
	return nil
}

// write writes the table and the config.
func (o *offsetsWriter) write(w io.Writer) error {
	bw := bufio.NewWriterSize(w, windowSize)
	var b [4]byte
	put := func(v uint32) {
		binary.LittleEndian.PutUint32(b[:], v)
		bw.Write(b[:]) // an error of the buffer is that of Flush
	}
	first := uint32(o.lead(len(o.ends)))
	put(uint32(len(o.ends)))
	put(first)
	for _, end := range o.ends {
		put(first + end)
	}
	bw.WriteString(o.config)
	return bw.Flush()
}

// offsets reads the table.
type offsets struct {
	table     window
	sequences int64
	config    int64 // byte behind the table
	first     int64 // byte of the first sequence
}

// openOffsets compares the table with the size of the file.
func openOffsets(f File) (offsets, error) {
	o := offsets{table: window{File: f}}
	if f.Size < 8 {
		return o, NewFault(f.Name, f.Size, "the file ends within its header of 8 bytes")
	}
	if f.Size > math.MaxUint32 {
		return o, NewFault(f.Name, -1, "the file has %d bytes, and its offsets count to %d", f.Size, uint32(math.MaxUint32))
	}
	n, err := o.table.uint32(0)
	if err != nil {
		return o, err
	}
	if int64(n) > (f.Size-8)/4 {
		return o, NewFault(f.Name, 0, "%d sequences need more than the %d bytes that follow", n, f.Size-4)
	}
	o.sequences, o.config = int64(n), 4*(1+int64(n)+1)
	first, err := o.table.uint32(4)
	if err != nil {
		return o, err
	}
	if o.first = int64(first); o.first < o.config || o.first > f.Size {
		return o, NewFault(f.Name, 4, "the first sequence begins at byte %d; the offsets end at %d, and the file at %d", first, o.config, f.Size)
	}
	return o, nil
}

// Sequences implements Reader.
func (o *offsets) Sequences() int64 { return o.sequences }

// span says where sequence i lies, in bytes.
func (o *offsets) span(i int64) (at, size int64, err error) {
	from, err := o.table.uint32(4 + 4*i)
	if err != nil {
		return 0, 0, err
	}
	to, err := o.table.uint32(8 + 4*i)
	if err != nil {
		return 0, 0, err
	}
	if int64(from) < o.first || to < from || int64(to) > o.table.Size {
		return 0, 0, NewFault(o.table.Name, 4+4*i, "sequence %d lies from byte %d to %d; the first begins at %d, and the file has %d", i, from, to, o.first, o.table.Size)
	}
	return int64(from), int64(to) - int64(from), nil
}

// checkEnd compares the last offset with the size of the file.
func (o *offsets) checkEnd() error {
	at := 4 + 4*o.sequences
	end, err := o.table.uint32(at)
	if err != nil {
		return err
	}
	if int64(end) != o.table.Size {
		return NewFault(o.table.Name, at, "the last sequence ends at byte %d, and the file has %d", end, o.table.Size)
	}
	return nil
}

// appendIDsAt appends the ids in size bytes of w.
func appendIDsAt(dst []uint32, w *window, d Dtype, at, size int64) ([]uint32, error) {
	for size > 0 {
		n := min(size, windowSize)
		b, err := w.bytes(at, int(n))
		if err != nil {
			return dst, err
		}
		dst = d.AppendIDs(dst, b)
		at, size = at+n, size-n
	}
	return dst, nil
}
