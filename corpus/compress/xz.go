package compress

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// The container of xz (https://tukaani.org/xz/xz-file-format.txt, 1.2.1): streams, each of
//
//	header 12 │ block … │ index │ footer 12 │ padding 4·k zeros
//
// and a block of header, LZMA2 data, padding to 4, check. The LZMA2 decoder is ulikunitz/xz/lzma. Its container
// (ulikunitz/xz v0.5.17) is not used: a file cut off between two blocks reads as whole there, a dictionary of up
// to 4 GiB is allocated because a header says so, and the index of a file is held.
const (
	xzMagic       = "\xfd7zXZ\x00"
	xzFooterMagic = "YZ"
	xzHeaderSize  = 12
	xzLZMA2       = 0x21 // section 5.3.1, the only filter known here
)

// xzChecks are the integrity checks by ID (section 2.1.1.2).
var xzChecks = map[byte]func() hash.Hash{
	0x00: func() hash.Hash { return nil },
	0x01: func() hash.Hash { return leHash{crc32.NewIEEE()} },
	0x04: func() hash.Hash { return leHash{crc64.New(crc64.MakeTable(crc64.ECMA))} },
	0x0a: sha256.New,
}

// leHash gives the sum of a CRC in little-endian order, as xz stores it; package hash has it big-endian.
type leHash struct{ hash.Hash }

func (h leHash) Sum(b []byte) []byte {
	start := len(b)
	b = h.Hash.Sum(b)
	for i, j := start, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return b
}

// xzReader decodes streams one after the other.
type xzReader struct {
	src       *source
	maxWindow int64

	streams int
	flags   [2]byte // of the stream; the footer repeats them
	inside  bool    // a stream
	// Number of the stream's blocks and a digest of their sizes: what the index must repeat. The sizes
	// themselves would be 16 bytes a block, without bound.
	blocks uint64
	sizes  hash.Hash

	block *lzma.Reader2 // nil between blocks
	// Of the current block:
	header       int64     // bytes of its header
	start        int64     // src.taken() where its data began
	n            int64     // bytes decoded
	compressed   int64     // sizes that the header promises; -1: none
	uncompressed int64     //
	check        hash.Hash // nil: the stream has none
}

func (r *xzReader) Read(p []byte) (int, error) {
	for {
		if !r.inside {
			if err := r.nextStream(); err != nil {
				return 0, err
			}
		}
		if r.block == nil {
			if err := r.nextBlock(); err != nil {
				return 0, err
			}
			continue // a block was entered, or the stream has ended
		}
		n, err := r.block.Read(p)
		r.n += int64(n)
		if r.check != nil {
			r.check.Write(p[:n])
		}
		if err == io.EOF {
			err = r.endBlock()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// full reads len(p) bytes that must be there.
func (r *xzReader) full(p []byte) error {
	_, err := io.ReadFull(r.src.buf, p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// nextStream skips padding and enters the next stream. io.EOF is the end of the text.
func (r *xzReader) nextStream() error {
	if r.streams > 0 {
		padding := 0 // length modulo 4; only whole fours are allowed (section 2.2)
		for {
			b, err := r.src.buf.ReadByte()
			if err == io.EOF && padding != 0 {
				return io.ErrUnexpectedEOF
			}
			if err != nil {
				return err
			}
			if b != 0 {
				if padding != 0 {
					return errors.New("padding that is no multiple of 4 bytes")
				}
				r.src.buf.UnreadByte()
				break
			}
			padding = (padding + 1) & 3
		}
	}
	var h [xzHeaderSize]byte // magic 6, flags 2, CRC32 of the flags (section 2.1.1)
	if err := r.full(h[:len(xzMagic)]); err != nil {
		return err
	}
	if string(h[:len(xzMagic)]) != xzMagic {
		if r.streams > 0 {
			return errors.New("trailing bytes that are no xz stream")
		}
		return errors.New("not the magic bytes of xz")
	}
	if err := r.full(h[len(xzMagic):]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(h[8:]) != crc32.ChecksumIEEE(h[6:8]) {
		return errors.New("wrong checksum of the stream header")
	}
	r.flags = [2]byte(h[6:8])
	newCheck := xzChecks[r.flags[1]]
	if r.flags[0] != 0 || newCheck == nil {
		return fmt.Errorf("xz data has stream flags %#x: %w", r.flags, errors.ErrUnsupported)
	}
	r.check = newCheck()
	r.sizes = sha256.New()
	r.blocks = 0
	r.inside = true
	r.streams++
	return nil
}

// nextBlock enters the next block, or reads the index and the footer and leaves the stream.
func (r *xzReader) nextBlock() error {
	// Section 3.1: size/4-1, flags, sizes and filters as the flags say, padding, CRC32. Size 0 is the index.
	var buf [256 * 4]byte
	if err := r.full(buf[:1]); err != nil {
		return err
	}
	if buf[0] == 0 {
		return r.endStream()
	}
	h := buf[:(int(buf[0])+1)*4]
	if err := r.full(h[1:]); err != nil {
		return err
	}
	body, sum := h[:len(h)-4], h[len(h)-4:]
	if binary.LittleEndian.Uint32(sum) != crc32.ChecksumIEEE(body) {
		return errors.New("wrong checksum of a block header")
	}
	flags, rest := body[1], bytes.NewReader(body[2:])
	if flags&0x3c != 0 {
		return fmt.Errorf("xz data has block flags %#x: %w", flags, errors.ErrUnsupported)
	}
	size := func(present bool) (int64, error) {
		if !present {
			return -1, nil
		}
		n, err := xzInteger(rest)
		return int64(n), err
	}
	var err error
	if r.compressed, err = size(flags&0x40 != 0); err != nil {
		return err
	}
	if r.uncompressed, err = size(flags&0x80 != 0); err != nil {
		return err
	}
	filter, err := xzInteger(rest)
	if err != nil {
		return err
	}
	if filters := flags&3 + 1; filters != 1 || filter != xzLZMA2 {
		return fmt.Errorf("xz data was made with a filter besides LZMA2 (%d filters, the first %#x): %w", filters, filter, errors.ErrUnsupported)
	}
	props, err := xzInteger(rest)
	if err != nil {
		return err
	}
	code, err := rest.ReadByte()
	if props != 1 || err != nil {
		return errors.New("wrong properties of the LZMA2 filter")
	}
	dict, err := lzma.DecodeDictCap(code)
	if err != nil {
		return err
	}
	for rest.Len() > 0 {
		if b, _ := rest.ReadByte(); b != 0 {
			return errors.New("block header padding that is not zero")
		}
	}
	// No match reaches back beyond the block's beginning, so a block that says how long it is needs no more.
	if r.uncompressed >= 0 {
		dict = min(dict, r.uncompressed)
	}
	if dict > r.maxWindow {
		return &WindowError{Kind: Xz, Need: dict, Max: r.maxWindow}
	}
	r.header, r.start, r.n = int64(len(h)), r.src.taken(), 0
	if r.check != nil {
		r.check.Reset()
	}
	r.block, err = lzma.Reader2Config{DictCap: int(max(dict, lzma.MinDictCap))}.NewReader2(r.src.buf)
	return err
}

// endBlock verifies the block that has just ended and notes its sizes.
func (r *xzReader) endBlock() error {
	whole := r.block.EOS()
	r.block = nil
	if !whole {
		// The library also returns io.EOF where a chunk has no room, or r no bytes, for the range coder's first five.
		if _, err := r.src.buf.Peek(1); err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return errors.New("an LZMA2 chunk that is too short")
	}
	compressed := r.src.taken() - r.start
	if r.compressed >= 0 && r.compressed != compressed || r.uncompressed >= 0 && r.uncompressed != r.n {
		return errors.New("a block of another size than its header says")
	}
	var buf [3 + sha256.Size]byte
	if err := r.zeros(buf[:-compressed&3]); err != nil {
		return err
	}
	unpadded := r.header + compressed
	if r.check != nil {
		want := buf[:r.check.Size()]
		if err := r.full(want); err != nil {
			return err
		}
		var got [sha256.Size]byte
		if !bytes.Equal(want, r.check.Sum(got[:0])) {
			return errors.New("wrong checksum of a block")
		}
		unpadded += int64(len(want))
	}
	r.blocks++
	xzNote(r.sizes, uint64(unpadded), uint64(r.n))
	return nil
}

// xzNote adds the sizes of a block to a digest.
func xzNote(h hash.Hash, unpadded, uncompressed uint64) {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], unpadded)
	binary.LittleEndian.PutUint64(b[8:], uncompressed)
	h.Write(b[:])
}

// zeros reads len(p) bytes that must be zero.
func (r *xzReader) zeros(p []byte) error {
	if err := r.full(p); err != nil {
		return err
	}
	for _, b := range p {
		if b != 0 {
			return errors.New("padding that is not zero")
		}
	}
	return nil
}

// endStream reads the index (section 4), whose first byte has been read, and the footer (section 2.1.2).
func (r *xzReader) endStream() error {
	errIndex := errors.New("an index that does not agree with the blocks")
	start := r.src.taken() - 1
	in := &crcReader{r: r.src.buf}
	in.sum = crc32.Update(0, crc32.IEEETable, []byte{0})
	blocks, err := xzInteger(in)
	if err != nil {
		return err
	}
	if blocks != r.blocks {
		return errIndex
	}
	sizes := sha256.New()
	for range blocks {
		unpadded, err := xzInteger(in)
		if err != nil {
			return err
		}
		uncompressed, err := xzInteger(in)
		if err != nil {
			return err
		}
		xzNote(sizes, unpadded, uncompressed)
	}
	if !bytes.Equal(sizes.Sum(nil), r.sizes.Sum(nil)) {
		return errIndex
	}
	for (r.src.taken()-start)&3 != 0 {
		b, err := in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return errors.New("index padding that is not zero")
		}
	}
	var sum [4]byte
	if err := r.full(sum[:]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(sum[:]) != in.sum {
		return errors.New("wrong checksum of the index")
	}
	index := r.src.taken() - start

	var f [xzHeaderSize]byte // CRC32 of the next 6, index size/4-1, flags, magic
	if err := r.full(f[:]); err != nil {
		return err
	}
	switch {
	case string(f[10:]) != xzFooterMagic:
		return errors.New("not the magic bytes of an xz stream's end")
	case binary.LittleEndian.Uint32(f[:]) != crc32.ChecksumIEEE(f[4:10]):
		return errors.New("wrong checksum of the stream footer")
	case (int64(binary.LittleEndian.Uint32(f[4:]))+1)*4 != index:
		return errors.New("a stream footer that gives another size of the index")
	case [2]byte(f[8:10]) != r.flags:
		return errors.New("a stream footer with other flags than the header")
	}
	r.inside = false
	return nil
}

// crcReader sums the bytes it reads. The end is unexpected.
type crcReader struct {
	r   io.ByteReader
	sum uint32
	one [1]byte
}

func (c *crcReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		c.one[0] = b
		c.sum = crc32.Update(c.sum, crc32.IEEETable, c.one[:])
	}
	return b, err
}

// xzInteger reads a variable-length integer of at most 63 bits in the shortest form (section 1.2).
func xzInteger(r io.ByteReader) (uint64, error) {
	var v uint64
	for i := range 9 {
		b, err := r.ReadByte()
		if err == io.EOF { // of a block header: its size is checked, so this is its content
			err = errors.New("an integer that does not end")
		}
		if err != nil {
			return 0, err
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if b == 0 && i > 0 {
				break
			}
			return v, nil
		}
	}
	return 0, errors.New("an integer that is not well formed")
}
