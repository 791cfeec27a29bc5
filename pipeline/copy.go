package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/jsonl"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/record"
)

// A copy is a part that a phase writes for the next one: JSON Lines in zstd frames, each behind a skippable
// frame with the IDs and line numbers of its records, so that a record keeps its original place. Frames say how long
// they are: a record is fetched by decoding one. docs/formats/copy.md is the page.
//
//	u32 magic, u32 bytes that follow; little-endian (RFC 8878 section 3.1.2)
//	uvarint bytes of the zstd frame behind, uvarint bytes that it decodes to, uvarint number of records
//	uvarint first ID, and for each other record uvarint its ID less the one before
//	uvarint first line number, 0 where there is none, and for each other record uvarint its number less the one before
const skippableMagic = 0x184D2A5C

// copyFormat is cheap to write and to read: it lives as long as the run.
var copyFormat = corpus.Format{Compression: compress.ZstdFast}

// copyFrame is the raw size from which a frame ends with its line: a chunk of the next phase.
const copyFrame = 1 * MiB

// origin is where a record stood.
type origin struct {
	id   record.ID
	line int64 // its number; 0 in a file of rows, of which no record has one
}

// appendIDs writes the skippable frame before enc. IDs ascend, and so do the numbers of lines.
func appendIDs(dst []byte, enc, raw int, ids []origin) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, n := range []int{enc, raw, len(ids)} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	last := origin{}
	for _, o := range ids {
		dst = binary.AppendUvarint(dst, uint64(o.id-last.id))
		last.id = o.id
	}
	for _, o := range ids {
		dst = binary.AppendUvarint(dst, uint64(o.line-last.line))
		last.line = o.line
	}
	binary.LittleEndian.PutUint32(dst[at:], skippableMagic)
	binary.LittleEndian.PutUint32(dst[at+4:], uint32(len(dst)-at-8))
	return dst
}

// copySource reads what an earlier phase has copied of one file: its splits one after the other, with the
// records' own IDs.
type copySource struct {
	st       store.Store
	root     string  // what the names of parts are below
	entries  []Entry // of the splits that are still to be read
	grow     func(ctx context.Context) error
	consumed func(n int64)
	usual    int // bytes that a chunk may have without grow

	f    io.Closer
	r    *bufio.Reader
	name string
	dec  *compress.FrameDecoder
	head []byte
	enc  []byte
}

var errCopy = errors.New("is not as it was written; remove it and repeat the command")

func (s *copySource) Codec() split.Codec { return jsonl.Codec }

func (s *copySource) Close() error {
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	return err
}

// Next gives the lines of one frame, or the mark of a split's end.
func (s *copySource) Next(ctx context.Context, c *split.Chunk) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if len(s.entries) == 0 {
		return io.EOF
	}
	e := &s.entries[0]
	*c = split.Chunk{File: e.File, Split: e.Split, MaxRecord: math.MaxInt, Buf: c.Buf[:0], IDs: c.IDs[:0], LineNos: c.LineNos[:0]}
	if s.f == nil {
		s.name = path.Join(s.root, e.Parts[outputNames[outKept]].Name)
		f, err := s.st.Open(ctx, s.name, 0)
		if err != nil {
			return err
		}
		s.f, s.r = f, bufio.NewReaderSize(f, 64<<10)
	}
	err := s.frame(ctx, c)
	if err == io.EOF {
		*c = split.Chunk{File: e.File, Split: e.Split, Buf: c.Buf, Offset: e.End, End: e.End, Last: true, EOF: e.EOF}
		s.entries = s.entries[1:]
		return s.Close()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// frame reads and decodes the next frame, and is io.EOF behind the last.
func (s *copySource) frame(ctx context.Context, c *split.Chunk) error {
	damaged := func(err error) error { return fmt.Errorf("%w (%v)", errCopy, err) }
	s.head = append(s.head[:0], 0, 0, 0, 0, 0, 0, 0, 0)
	if _, err := io.ReadFull(s.r, s.head); err == io.EOF {
		return err
	} else if err != nil {
		return damaged(err)
	}
	n := binary.LittleEndian.Uint32(s.head[4:])
	if binary.LittleEndian.Uint32(s.head) != skippableMagic || n > math.MaxInt32 {
		return damaged(errors.New("no frame of IDs"))
	}
	var err error
	if s.head, err = readN(s.r, s.head[:0], int64(n)); err != nil {
		return damaged(err)
	}
	ids := bytes.NewReader(s.head)
	var sizes [3]uint64 // of the frame, decoded, in records
	for i := range sizes {
		if sizes[i], err = binary.ReadUvarint(ids); err != nil {
			return damaged(err)
		}
		if sizes[i] > math.MaxInt32*2 {
			return damaged(errors.New("impossible size"))
		}
	}
	if int(sizes[1]) > s.usual && s.grow != nil {
		if err := s.grow(ctx); err != nil {
			return err
		}
	}
	if s.enc, err = readN(s.r, s.enc[:0], int64(sizes[0])); err != nil {
		return damaged(err)
	}
	if s.dec == nil {
		if s.dec, err = compress.NewFrameDecoder(); err != nil {
			return err
		}
	}
	if cap(c.Buf) < int(sizes[1]) && int64(sizes[1]) <= 1<<16*int64(sizes[0]) { // a corrupt size allocates nothing absurd
		c.Buf = make([]byte, 0, sizes[1])
	}
	if c.Buf, err = s.dec.AppendFrame(c.Buf[:0], s.enc); err != nil {
		return damaged(err)
	}
	c.Lines = int64(bytes.Count(c.Buf, []byte("\n")))
	if uint64(len(c.Buf)) != sizes[1] || uint64(c.Lines) != sizes[2] || len(c.Buf) > 0 && c.Buf[len(c.Buf)-1] != '\n' {
		return damaged(errors.New("its length or number of records is another"))
	}
	last := record.ID(0)
	for range c.Lines {
		d, err := binary.ReadUvarint(ids)
		if err != nil {
			return damaged(err)
		}
		last += record.ID(d)
		c.IDs = append(c.IDs, last)
	}
	line := int64(0)
	for range c.Lines {
		d, err := binary.ReadUvarint(ids)
		if err != nil {
			return damaged(err)
		}
		line += int64(d)
		c.LineNos = append(c.LineNos, line)
	}
	s.consumed(8 + int64(n) + int64(sizes[0]))
	if cap(s.enc) > 2*copyFrame { // after a giant record
		s.enc = nil
	}
	return nil
}

// readN reads n bytes, in steps, so that a corrupt n allocates no more than there is to read.
func readN(r io.Reader, dst []byte, n int64) ([]byte, error) {
	const step = 4 * MiB
	for n > 0 {
		k := int(min(n, step))
		at := len(dst)
		if cap(dst)-at < k {
			dst = append(make([]byte, 0, max(2*at, at+k)), dst...)
		}
		dst = dst[:at+k]
		if _, err := io.ReadFull(r, dst[at:]); err != nil {
			return dst, err
		}
		n -= int64(k)
	}
	return dst, nil
}
