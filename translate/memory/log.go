package memory

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// The log is a header and frames; docs/formats/translation-memory.md is its page. A frame holds a block of entries.
//
//	header  "curatetm", u32 version, u32 0
//	frame   u32 length of the payload, u32 check, u64 xxh64 of the payload, payload
//	payload u8 coding, u32 length of the block, block
//
// Integers are little-endian. The check is the low half of the xxh64 of the frame's offset (u64) and the length: so a frame can
// be told from chance in the middle of a file without reading its payload.
const (
	magic        = "curatetm"
	version      = 2 // 1 had no answers of what was given up; it is read, and becomes 2 when something is written
	headerSize   = 16
	frameHead    = 16
	payloadHead  = 5
	codingPlain  = 0
	codingZstd   = 1
	maxFrame     = frameHead + payloadHead + maxEntry + binary.MaxVarintLen64
	maxBlock     = maxEntry + binary.MaxVarintLen64
	blockTarget  = 4 << 10  // see the page: what a Get decodes against what the file takes
	maxUnsynced  = maxFrame // the writer syncs before more than this is at stake, so a torn tail is not longer
	readAhead    = 256 << 10
	scanBuffered = 64 << 10
)

// file is what the log needs of an os.File.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Sync() error
	Truncate(size int64) error
}

func header() []byte { return headerOf(version) }

func headerOf(version uint32) []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	return append(b, 0, 0, 0, 0)
}

// isOld says whether a log has the header of version 1.
func isOld(f file) (bool, error) {
	have := make([]byte, headerSize)
	_, err := f.ReadAt(have, 0)
	return bytes.Equal(have, headerOf(1)), err
}

// renew gives a log of version 1 the header of this one, durably before anything is written that only this one can read. One byte
// differs, so a crash leaves one of the two.
func renew(f file) error {
	if _, err := f.WriteAt(header(), 0); err != nil {
		return err
	}
	return f.Sync()
}

func frameCheck(at int64, length uint32) uint32 {
	var b [12]byte
	binary.LittleEndian.PutUint64(b[:], uint64(at))
	binary.LittleEndian.PutUint32(b[8:], length)
	return uint32(xxhash.Sum64(b[:]))
}

// coder packs blocks into frames, and unpacks them. unpack may be called from several goroutines.
type coder struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCoder() (*coder, error) {
	// The frame has a checksum. Fastest takes a twentieth more bytes of these short blocks than what is slower by half.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &coder{enc, dec}, nil
}

// appendFrame packs a block for the offset at.
func (c *coder) appendFrame(dst []byte, at int64, block []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, frameHead)...)
	dst = append(dst, codingZstd)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(block)))
	body := len(dst)
	dst = c.enc.EncodeAll(block, dst)
	if len(dst)-body >= len(block) {
		dst[start+frameHead] = codingPlain
		dst = append(dst[:body], block...)
	}
	frame := dst[start:]
	payload := frame[frameHead:]
	binary.LittleEndian.PutUint32(frame, uint32(len(payload)))
	binary.LittleEndian.PutUint32(frame[4:], frameCheck(at, uint32(len(payload))))
	binary.LittleEndian.PutUint64(frame[8:], xxhash.Sum64(payload))
	return dst
}

// unpack appends the block of a payload to dst.
func (c *coder) unpack(dst, payload []byte) ([]byte, error) {
	if len(payload) < payloadHead {
		return nil, errors.New("a frame without a block")
	}
	n := binary.LittleEndian.Uint32(payload[1:])
	body := payload[payloadHead:]
	switch {
	case n == 0 || n > maxBlock:
		return nil, fmt.Errorf("a block of %d bytes", n)
	case payload[0] == codingPlain && int64(len(body)) == int64(n):
		return append(dst, body...), nil
	case payload[0] == codingZstd:
		start := len(dst)
		if uint64(n) > uint64(len(body))<<15 { // zstd's densest block has 4 bytes for 128 KiB (RFC 8878, 3.1.1.2)
			return nil, fmt.Errorf("a block of %d bytes out of %d", n, len(body))
		}
		if cap(dst)-start < int(n) {
			dst = append(make([]byte, 0, start+int(n)), dst...)
		}
		dst, err := c.dec.DecodeAll(body, dst[:start:start+int(n)])
		if err != nil {
			return nil, err
		}
		if len(dst)-start != int(n) {
			return nil, fmt.Errorf("a block of %d bytes instead of %d", len(dst)-start, n)
		}
		return dst, nil
	}
	return nil, fmt.Errorf("coding %d of %d bytes is unknown", payload[0], len(body))
}

// frameLength is the length of the payload of the frame whose head is at the offset at, if the head is one.
func frameLength(head []byte, at, size int64) (int64, bool) {
	n := binary.LittleEndian.Uint32(head)
	if n < payloadHead || n > maxFrame-frameHead || int64(n) > size-at-frameHead || binary.LittleEndian.Uint32(head[4:]) != frameCheck(at, n) {
		return 0, false
	}
	return int64(n), true
}

// readFrame gives the payload of the frame at the offset at; buf is scratch.
func readFrame(f file, at int64, buf []byte) (payload, scratch []byte, err error) {
	// Most frames are shorter than what is read at first.
	const first = frameHead + blockTarget
	if cap(buf) < first {
		buf = make([]byte, first)
	}
	buf = buf[:first]
	n, err := f.ReadAt(buf, at)
	if err != nil && err != io.EOF {
		return nil, buf, err
	}
	if n < frameHead {
		return nil, buf, errChanged
	}
	length, ok := frameLength(buf, at, maxFileSize)
	if !ok {
		return nil, buf, errChanged
	}
	if need := frameHead + int(length); need > n {
		if n < first {
			return nil, buf, errChanged
		}
		buf = append(buf, make([]byte, need-first)...)
		if _, err := f.ReadAt(buf[first:], at+first); err != nil {
			return nil, buf, err
		}
	}
	payload = buf[frameHead:][:length]
	if xxhash.Sum64(payload) != binary.LittleEndian.Uint64(buf[8:]) {
		return nil, buf, errChanged
	}
	return payload, buf, nil
}

var errChanged = errors.New("the file has changed since it was opened; end what else writes there, and start again")

// openLog reads the whole log and calls block for each block with the offset of its frame. It returns where the log ends: what
// follows there is what a crash has left of frames that were not durable yet, and is to be cut. A new file gets its header.
func openLog(ctx context.Context, f file, name string, c *coder, block func(at int64, raw []byte) error) (end, size int64, err error) {
	size, err = f.Size()
	if err != nil {
		return 0, 0, err
	}
	made, err := checkHeader(f, name, size)
	if made || err != nil {
		return headerSize, max(size, headerSize), err
	}
	if size > maxFileSize {
		return 0, size, fmt.Errorf("%s: %d bytes are more than a translation memory can have", name, size)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f, headerSize, size-headerSize), readAhead)
	var head [frameHead]byte
	var payload, raw []byte
	for at := int64(headerSize); ; {
		if err := ctx.Err(); err != nil {
			return 0, size, context.Cause(ctx)
		}
		if size-at < frameHead {
			return at, size, nil
		}
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return 0, size, fmt.Errorf("%s: byte %d: %w", name, at, err)
		}
		length, ok := frameLength(head[:], at, size)
		next := at + 1 // where another frame may begin
		if ok {
			if int64(cap(payload)) < length {
				payload = make([]byte, length)
			}
			payload = payload[:length]
			if _, err := io.ReadFull(in, payload); err != nil {
				return 0, size, fmt.Errorf("%s: byte %d: %w", name, at, err)
			}
			next = at + frameHead + length
			ok = xxhash.Sum64(payload) == binary.LittleEndian.Uint64(head[8:])
		}
		if !ok {
			return at, size, tornAt(f, name, at, next, size)
		}
		if raw, err = c.unpack(raw[:0], payload); err == nil {
			err = block(at, raw)
		}
		if _, full := err.(*FullError); full {
			return 0, size, err
		}
		if err != nil {
			return 0, size, fmt.Errorf("%s: byte %d: %w; it was written by another version of curate, or is damaged: put a copy in its place, or move it away", name, at, err)
		}
		at = next
	}
}

// checkHeader looks at the header, and writes it to a file that has none: a new one, or one that a crash has kept from getting
// it. Nothing is written behind a header before it is durable.
func checkHeader(f file, name string, size int64) (made bool, err error) {
	want := header()
	have := make([]byte, min(size, headerSize))
	if _, err := f.ReadAt(have, 0); err != nil && err != io.EOF {
		return false, err
	}
	switch {
	case bytes.Equal(have, want), bytes.Equal(have, headerOf(1)):
		return false, nil
	case size <= headerSize && (bytes.HasPrefix(want, bytes.TrimRight(have, "\x00")) || bytes.HasPrefix(headerOf(1), bytes.TrimRight(have, "\x00"))):
		if _, err := f.WriteAt(want, 0); err != nil {
			return false, err
		}
		return true, f.Sync()
	case bytes.HasPrefix(have, []byte(magic)) && len(have) == headerSize && binary.LittleEndian.Uint32(have[8:]) > version:
		return false, fmt.Errorf("%s: format %d is newer than this curate's %d; use a newer curate, or export the memory with the one that wrote it and import it here",
			name, binary.LittleEndian.Uint32(have[8:]), version)
	}
	return false, fmt.Errorf("%s: byte 0: this is no translation memory, or its header is damaged; put a copy in its place, or move it away", name)
}

// tornAt decides what the bytes at the offset at are that make no frame: nil if they are what a crash leaves, which is less
// than maxUnsynced bytes and zeros behind them, and no frame from next on. Anything else is damage.
func tornAt(f file, name string, at, next, size int64) error {
	damage := func(why string) error {
		return fmt.Errorf("%s: byte %d: the translation memory is damaged: %s. Put a copy of the file in its place; or cut it to its first %d bytes, which are whole, and what was behind them is translated again",
			name, at, why, at)
	}
	last, err := lastNonZero(f, at, size)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if last-at > maxUnsynced {
		return damage(fmt.Sprintf("the %d bytes from there on are more than a crash leaves behind", last-at))
	}
	found, err := findFrame(f, next, size)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if found >= 0 {
		return damage(fmt.Sprintf("the frame there does not fit its checksum, the one at byte %d does", found))
	}
	return nil
}

// lastNonZero is the offset behind the last byte from the offset at on that is not zero, or at.
func lastNonZero(f file, at, size int64) (int64, error) {
	buf := make([]byte, scanBuffered)
	for end := size; end > at; {
		b := buf[:min(end-at, int64(len(buf)))]
		if _, err := f.ReadAt(b, end-int64(len(b))); err != nil && err != io.EOF {
			return 0, err
		}
		if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
			return end - int64(len(b)) + int64(n), nil
		}
		end -= int64(len(b))
	}
	return at, nil
}

// findFrame is the offset of the first whole frame from the offset from on, or -1. A head that fits but whose payload does not
// is passed over with its payload, so no byte is hashed twice.
func findFrame(f file, from, size int64) (int64, error) {
	buf := make([]byte, scanBuffered)
	var scratch []byte
	for at := from; size-at >= frameHead+payloadHead; {
		b := buf[:min(size-at, int64(len(buf)))]
		if _, err := f.ReadAt(b, at); err != nil && err != io.EOF {
			return 0, err
		}
		if len(bytes.TrimRight(b, "\x00")) == 0 && len(b) == len(buf) { // zeros are no head
			at += int64(len(b) - frameHead + 1)
			continue
		}
		i := 0
		for ; i+frameHead <= len(b); i++ {
			length, ok := frameLength(b[i:], at+int64(i), size)
			if !ok {
				continue
			}
			_, s, err := readFrame(f, at+int64(i), scratch)
			if err == nil {
				return at + int64(i), nil
			}
			if err != errChanged {
				return 0, err
			}
			scratch = s
			i += frameHead + int(length) - 1
		}
		at += int64(i)
	}
	return -1, nil
}
