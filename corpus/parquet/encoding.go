package parquet

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// The encodings of values and levels (parquet-format, Encodings.md), each as a cursor that gives one value
// after another and holds none: a run of 2^31 nulls in twenty bytes needs no more memory than it takes in the file.

const (
	encodingPlain           = 0
	encodingPlainDictionary = 2
	encodingRLE             = 3
	encodingDelta           = 5
	encodingDeltaLength     = 6
	encodingDeltaBytes      = 7
	encodingDictionary      = 8
	encodingSplit           = 9
)

var errShort = errors.New("its values end too early")
var errCorrupt = errors.New("its values are not in their encoding")

// hybrid reads the RLE / bit-packing hybrid: levels, dictionary indices, booleans.
type hybrid struct {
	data   []byte
	width  int // bits, up to 32
	run    int64
	value  uint32 // of a run of equal values
	packed bool
	bit    int64 // in data, of the next value of a packed run
	next   int   // in data, after the packed run
}

func newHybrid(data []byte, width int) hybrid { return hybrid{data: data, width: width} }

// take gives the next value.
func (h *hybrid) take() (uint32, error) {
	if h.run == 0 {
		if err := h.head(); err != nil {
			return 0, err
		}
	}
	h.run--
	if !h.packed {
		return h.value, nil
	}
	v := uint32(unpack(h.data, h.bit, h.width))
	h.bit += int64(h.width)
	return v, nil
}

// head reads the heads of runs until one has values.
func (h *hybrid) head() error {
	for h.run == 0 {
		h.data, h.next = h.data[h.next:], 0
		u, n := binary.Uvarint(h.data)
		if n <= 0 || u > 1<<32 {
			return errShort
		}
		h.data = h.data[n:]
		if h.packed = u&1 == 1; h.packed {
			h.run = int64(u>>1) * 8
			size := int64(u>>1) * int64(h.width)
			if size > int64(len(h.data)) { // some writers leave out the unused end of the last group
				size = int64(len(h.data))
				h.run = size * 8 / int64(h.width)
			}
			h.bit, h.next = 0, int(size)
			continue
		}
		size := (h.width + 7) / 8
		if size > len(h.data) {
			return errShort
		}
		h.value = 0
		for i := range size {
			h.value |= uint32(h.data[i]) << (8 * i)
		}
		h.run, h.next = int64(u>>1), size
	}
	return nil
}

// unpack reads width bits at a bit position, least significant first. The caller has checked that they are there.
func unpack(b []byte, bit int64, width int) uint64 {
	i, shift := int(bit>>3), uint(bit&7)
	if len(b)-i >= 9 {
		v := binary.LittleEndian.Uint64(b[i:]) >> shift
		if shift > 0 {
			v |= uint64(b[i+8]) << (64 - shift)
		}
		return v & (1<<width - 1)
	}
	var v uint64
	for k, n := 0, (int(shift)+width+7)/8; k < n; k++ {
		if at := 8*k - int(shift); at < 0 {
			v |= uint64(b[i+k]) >> shift
		} else {
			v |= uint64(b[i+k]) << at
		}
	}
	return v & (1<<width - 1)
}

// delta reads DELTA_BINARY_PACKED.
type delta struct {
	data    []byte
	left    int64 // values not yet taken
	last    int64
	first   bool // last is itself the next value
	block   int64
	minis   int
	min     int64  // smallest delta of the block
	widths  []byte // of the block's miniblocks
	mini    int    // the next one
	inMini  int64  // values of the open miniblock not yet taken
	perMini int64
	width   int
	bit     int64 // in data
}

// newDelta reads the head. Values are padded to whole miniblocks, of which only the needed ones are there.
func newDelta(data []byte) (delta, error) {
	d := delta{data: data, first: true}
	block, err := d.uvarint()
	if err != nil {
		return d, err
	}
	minis, err := d.uvarint()
	if err != nil {
		return d, err
	}
	count, err := d.uvarint()
	if err != nil {
		return d, err
	}
	last, err := d.uvarint()
	if err != nil {
		return d, err
	}
	if block == 0 || block > 1<<31 || minis == 0 || minis > block || block%minis != 0 || (block/minis)%8 != 0 || count > 1<<31 {
		return d, errCorrupt
	}
	d.block, d.minis, d.left, d.perMini = int64(block), int(minis), int64(count), int64(block/minis)
	d.last = int64(last>>1) ^ -int64(last&1)
	d.mini = d.minis
	return d, nil
}

func (d *delta) uvarint() (uint64, error) {
	u, n := binary.Uvarint(d.data)
	if n <= 0 {
		return 0, errShort
	}
	d.data = d.data[n:]
	return u, nil
}

func (d *delta) take() (int64, error) {
	if d.left == 0 {
		return 0, errShort
	}
	d.left--
	if d.first {
		d.first = false
		return d.last, nil
	}
	if d.inMini == 0 {
		if err := d.open(); err != nil {
			return 0, err
		}
	}
	d.inMini--
	d.last += d.min
	if d.width > 0 {
		d.last += int64(unpack(d.data, d.bit, d.width))
		d.bit += int64(d.width)
	}
	return d.last, nil
}

// open begins the next miniblock.
func (d *delta) open() error {
	d.data, d.bit = d.data[d.bit/8:], 0 // a miniblock holds a multiple of 8 values, so it ends at a byte
	if d.mini == d.minis {
		u, err := d.uvarint()
		if err != nil {
			return err
		}
		d.min = int64(u>>1) ^ -int64(u&1)
		if len(d.data) < d.minis {
			return errShort
		}
		d.widths, d.data, d.mini = d.data[:d.minis], d.data[d.minis:], 0
	}
	d.width = int(d.widths[d.mini])
	d.mini++
	if d.width > 64 {
		return errCorrupt
	}
	if int64(len(d.data))*8 < int64(d.width)*d.perMini {
		return errShort
	}
	d.inMini = d.perMini
	return nil
}

// rest is what follows the values, found without decoding them.
func (d delta) rest() ([]byte, error) {
	for left := d.left - 1; left > 0; left -= d.perMini {
		if err := d.open(); err != nil {
			return nil, err
		}
		d.bit = int64(d.width) * d.perMini
	}
	return d.data[d.bit/8:], nil
}

// stream gives the values of one page. Of its cursors the page's encoding uses one or two.
type stream struct {
	encoding int32
	physical int32
	width    int    // bytes of a fixed value
	data     []byte // PLAIN, BYTE_STREAM_SPLIT, the bytes of DELTA_(LENGTH_)BYTE_ARRAY
	at       int    // number of the next BYTE_STREAM_SPLIT or boolean value
	count    int    // BYTE_STREAM_SPLIT: values in the page
	hybrid   hybrid
	delta    delta
	suffixes delta
	previous []byte // DELTA_BYTE_ARRAY, and the bytes of a BYTE_STREAM_SPLIT value
	dict     *dictionary
}

// open begins a page whose values are in data.
func (s *stream) open(encoding, physical int32, width int, data []byte, dict *dictionary) (err error) {
	*s = stream{encoding: encoding, physical: physical, width: width, data: data, previous: s.previous[:0], dict: dict}
	switch {
	case encoding == encodingPlain:
		return nil
	case encoding == encodingPlainDictionary || encoding == encodingDictionary:
		s.encoding = encodingDictionary
		if !dict.read {
			return errors.New("it refers to a dictionary, and there is none")
		}
		if len(data) == 0 { // a page of nulls
			return nil
		}
		if data[0] > 32 {
			return errCorrupt
		}
		s.hybrid = newHybrid(data[1:], int(data[0]))
		return nil
	case encoding == encodingRLE && physical == typeBoolean:
		if len(data) < 4 {
			return errShort
		}
		s.hybrid = newHybrid(data[4:], 1)
		return nil
	case encoding == encodingDelta && (physical == typeInt32 || physical == typeInt64):
		s.delta, err = newDelta(data)
		return err
	case encoding == encodingDeltaLength && physical == typeByteArray:
		if s.delta, err = newDelta(data); err == nil {
			s.data, err = s.delta.rest()
		}
		return err
	case encoding == encodingDeltaBytes && (physical == typeByteArray || physical == typeFixedLenByteArray):
		if s.delta, err = newDelta(data); err == nil {
			if data, err = s.delta.rest(); err == nil {
				if s.suffixes, err = newDelta(data); err == nil {
					s.data, err = s.suffixes.rest()
				}
			}
		}
		return err
	case encoding == encodingSplit && width > 0 && physical != typeInt96 && physical != typeBoolean:
		s.count = len(data) / width
		s.previous = atLeast(s.previous, width)
		return nil
	}
	return errUnknownEncoding
}

var errUnknownEncoding = errors.New("its encoding is not known for its type; write the file again with plain or dictionary encoding")

// bytes gives the next value as its little-endian bytes, or those of a byte array. They stay as they are until
// the next call.
func (s *stream) bytes() ([]byte, error) {
	switch s.encoding {
	case encodingPlain:
		n := s.width
		if s.physical == typeByteArray {
			if len(s.data) < 4 {
				return nil, errShort
			}
			u := binary.LittleEndian.Uint32(s.data)
			s.data = s.data[4:]
			if uint64(u) > uint64(len(s.data)) {
				return nil, errShort
			}
			n = int(u)
		}
		return s.cut(n)
	case encodingDictionary:
		i, err := s.hybrid.take()
		if err != nil {
			return nil, err
		}
		return s.dict.value(i)
	case encodingDeltaLength:
		n, err := s.delta.take()
		if err != nil {
			return nil, err
		}
		if n < 0 || n > int64(len(s.data)) {
			return nil, errShort
		}
		return s.cut(int(n))
	case encodingDeltaBytes:
		p, err := s.delta.take()
		if err != nil {
			return nil, err
		}
		n, err := s.suffixes.take()
		if err != nil {
			return nil, err
		}
		if p < 0 || p > int64(len(s.previous)) || n < 0 || n > int64(len(s.data)) {
			return nil, errShort
		}
		s.previous = append(s.previous[:p], s.data[:n]...)
		s.data = s.data[n:]
		if s.physical == typeFixedLenByteArray && len(s.previous) != s.width {
			return nil, errCorrupt
		}
		return s.previous, nil
	case encodingSplit:
		if s.at >= s.count {
			return nil, errShort
		}
		for k := range s.width {
			s.previous[k] = s.data[k*s.count+s.at]
		}
		s.at++
		return s.previous, nil
	}
	return nil, errUnknownEncoding
}

func (s *stream) cut(n int) ([]byte, error) {
	if n > len(s.data) {
		return nil, errShort
	}
	v := s.data[:n:n]
	s.data = s.data[n:]
	return v, nil
}

// bits gives the next boolean, or the bits of the next number of 4 or 8 bytes.
func (s *stream) bits() (uint64, error) {
	if s.physical == typeBoolean {
		switch s.encoding {
		case encodingRLE:
			v, err := s.hybrid.take()
			return uint64(v), err
		case encodingPlain:
			if s.at>>3 >= len(s.data) {
				return 0, errShort
			}
			v := s.data[s.at>>3] >> (s.at & 7) & 1
			s.at++
			return uint64(v), nil
		}
	}
	if s.encoding == encodingDelta {
		v, err := s.delta.take()
		return uint64(v), err
	}
	b, err := s.bytes()
	switch {
	case err != nil:
		return 0, err
	case len(b) == 8:
		return binary.LittleEndian.Uint64(b), nil
	case len(b) == 4:
		return uint64(binary.LittleEndian.Uint32(b)), nil
	}
	return 0, errCorrupt
}

// dictionary is the decompressed dictionary page of a column chunk.
type dictionary struct {
	read    bool
	data    []byte
	width   int      // bytes of a value; 0: byte arrays, which lie between ends
	offsets []uint32 // of the length before each byte array; they are known to fit
	count   int
}

// open reads a dictionary page of count values from data, which it keeps.
func (d *dictionary) open(data []byte, physical int32, width, count int) error {
	d.read, d.data, d.width, d.count, d.offsets = true, data, width, count, d.offsets[:0]
	if physical != typeByteArray {
		if hi, need := bits.Mul64(uint64(count), uint64(width)); width == 0 || hi > 0 || need > uint64(len(data)) {
			return errShort
		}
		return nil
	}
	d.width = 0
	for at := uint64(0); len(d.offsets) < count; {
		if at+4 > uint64(len(data)) {
			return errShort
		}
		d.offsets = append(d.offsets, uint32(at))
		at += 4 + uint64(binary.LittleEndian.Uint32(data[at:]))
		if at > uint64(len(data)) {
			return errShort
		}
	}
	return nil
}

func (d *dictionary) value(i uint32) ([]byte, error) {
	if uint64(i) >= uint64(d.count) {
		return nil, errCorrupt
	}
	if d.width > 0 {
		lo := int(i) * d.width
		return d.data[lo : lo+d.width : lo+d.width], nil
	}
	lo := uint64(d.offsets[i])
	n := uint64(binary.LittleEndian.Uint32(d.data[lo:]))
	return d.data[lo+4 : lo+4+n : lo+4+n], nil
}
