package dedup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"curate/stage"
)

// The files of an index are blocks with checksums, so that each read finds damage, wherever it begins. docs/formats/
// index.md is the page; the constants here are the page's.
const (
	checkedMagic   = "curindex"
	checkedVersion = 1
	checkedBlock   = 4096 // bytes of content in a block; the last may have fewer
	checkedSum     = 8    // xxh64 of them, with the block's number as seed
	checkedFooter  = 8 + 4 + 4 + 8 + len(checkedMagic)
	// checkedAtOnce is how many blocks are read at a time.
	checkedAtOnce = 16
)

// checkedKind says what a file holds.
type checkedKind uint32

const (
	checkedDocuments checkedKind = 1 + iota
	checkedIDs
	checkedKeys
	checkedSets
)

// ErrIndex is in every error about an index that is not as it was written.
var ErrIndex = errors.New("the index is damaged")

// checkedWriter writes such a file. Nothing is whole before close.
type checkedWriter struct {
	w      io.Writer
	kind   checkedKind
	buf    []byte // of the open block, with room for its checksum
	blocks uint64
	size   int64 // of the content
}

func newCheckedWriter(w io.Writer, kind checkedKind) *checkedWriter {
	return &checkedWriter{w: w, kind: kind, buf: make([]byte, 0, checkedBlock+checkedSum)}
}

// Write implements io.Writer.
func (c *checkedWriter) Write(b []byte) (int, error) {
	n := len(b)
	c.size += int64(n)
	for len(b) > 0 {
		k := min(len(b), checkedBlock-len(c.buf))
		c.buf = append(c.buf, b[:k]...)
		b = b[k:]
		if len(c.buf) == checkedBlock {
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (c *checkedWriter) flush() error {
	c.buf = binary.LittleEndian.AppendUint64(c.buf, sum64(c.buf, c.blocks))
	_, err := c.w.Write(c.buf)
	c.buf = c.buf[:0]
	c.blocks++
	return err
}

// close writes the last block and the footer.
func (c *checkedWriter) close() error {
	if len(c.buf) > 0 {
		if err := c.flush(); err != nil {
			return err
		}
	}
	le := binary.LittleEndian
	f := le.AppendUint64(nil, uint64(c.size))
	f = le.AppendUint32(f, uint32(c.kind))
	f = le.AppendUint32(f, checkedVersion)
	f = le.AppendUint64(f, sum64(f, 0))
	_, err := c.w.Write(append(f, checkedMagic...))
	return err
}

// checkedFile is the content of an open file of an index. It serves any number of goroutines.
type checkedFile struct {
	name string // for errors
	r    io.ReaderAt
	size int64 // of the content
}

// openChecked reads the footer of a file.
func openChecked(name string, f stage.Sealed, kind checkedKind) (*checkedFile, error) {
	damaged := func(what string) error { return fmt.Errorf("%s: %s: %w", name, what, ErrIndex) }
	at := f.Size - int64(checkedFooter)
	if at < 0 {
		return nil, damaged(fmt.Sprintf("it has only %d bytes", f.Size))
	}
	var footer [checkedFooter]byte
	if n, err := f.Data.ReadAt(footer[:], at); n < len(footer) {
		if err == nil || err == io.EOF {
			err = damaged(fmt.Sprintf("it ends at byte %d", at+int64(n)))
		}
		return nil, err
	}
	le := binary.LittleEndian
	if string(footer[24:]) != checkedMagic {
		return nil, damaged("it does not end with its magic number")
	}
	if sum64(footer[:16], 0) != le.Uint64(footer[16:]) {
		return nil, damaged("the checksum of its footer is wrong")
	}
	if v := le.Uint32(footer[12:]); v != checkedVersion {
		return nil, fmt.Errorf("%s: version %d of the format; this program reads version %d", name, v, checkedVersion)
	}
	size := le.Uint64(footer[:])
	if checkedKind(le.Uint32(footer[8:])) != kind || size > uint64(at) || int64(size)+checkedSum*((int64(size)+checkedBlock-1)/checkedBlock) != at {
		return nil, damaged("it is another file, or has another size than its footer says")
	}
	return &checkedFile{name: name, r: f.Data, size: int64(size)}, nil
}

var checkedBuffers = sync.Pool{New: func() any { return new([checkedAtOnce * (checkedBlock + checkedSum)]byte) }}

// ReadAt implements io.ReaderAt.
func (c *checkedFile) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 {
		return 0, fmt.Errorf("%s: read at byte %d", c.name, at)
	}
	buf := checkedBuffers.Get().(*[checkedAtOnce * (checkedBlock + checkedSum)]byte)
	defer checkedBuffers.Put(buf)
	n := 0
	for n < len(b) && at < c.size {
		first := at / checkedBlock
		last := min((at+int64(len(b)-n)-1)/checkedBlock, (c.size-1)/checkedBlock, first+checkedAtOnce-1)
		end := min((last+1)*checkedBlock, c.size) // of the content that is read
		raw := buf[:end-first*checkedBlock+(last-first+1)*checkedSum]
		from := first * (checkedBlock + checkedSum)
		if k, err := c.r.ReadAt(raw, from); k < len(raw) {
			if err == nil || err == io.EOF {
				err = fmt.Errorf("%s: it ends at byte %d: %w", c.name, from+int64(k), ErrIndex)
			}
			return n, err
		}
		for i := first; i <= last; i++ {
			size := min(checkedBlock, c.size-i*checkedBlock)
			block := raw[:size]
			if sum64(block, uint64(i)) != binary.LittleEndian.Uint64(raw[size:]) {
				return n, fmt.Errorf("%s: the checksum of the block at byte %d is wrong: %w", c.name, i*(checkedBlock+checkedSum), ErrIndex)
			}
			k := copy(b[n:], block[at-i*checkedBlock:])
			n += k
			at += int64(k)
			raw = raw[size+checkedSum:]
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// section reads a part of the content from its beginning.
func (c *checkedFile) section(from, to int64) *io.SectionReader {
	return io.NewSectionReader(c, from, to-from)
}
