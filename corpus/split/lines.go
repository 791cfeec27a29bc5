package split

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"curate/record"
)

// KeepOfTruncated is how much of a line above MaxRecord is kept for the quarantine.
const KeepOfTruncated = 64 << 10

var bom = []byte("\xef\xbb\xbf")

// Lines cuts text into chunks at line ends. It is the Reader of the line formats.
type Lines struct {
	src   io.Reader
	o     Options
	carry []byte // read, but not yet in a chunk
	off   int64  // of carry[0], the first byte of a line
	line  int64  // number of that line, from 1
	split int    // the split that is open
	eof   bool   // src has ended
	err   error  // of src, for when the lines read before it are given
	ended bool   // the chunk with EOF has been given
}

// NewLines reads src, which stands at o.From.Offset.
func NewLines(src io.Reader, o Options) Reader {
	// A chunk ends with its split, so more would only be read to be carried over.
	o.ChunkSize = int(min(int64(o.ChunkSize), max(4<<10, o.SplitSize)))
	return &Lines{src: src, o: o, off: o.From.Offset, line: o.From.Lines + 1, split: int(o.From.Offset / o.SplitSize)}
}

// Next gives whole lines of one split, or the mark of its end.
func (l *Lines) Next(ctx context.Context, c *Chunk) error {
	if l.ended {
		return io.EOF
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	*c = Chunk{File: l.o.File, Split: l.split, Offset: l.off, End: l.off, LineNo: l.line, MaxRecord: l.o.MaxRecord, Buf: c.Buf[:0]}
	if cap(c.Buf) < l.o.ChunkSize {
		c.Buf = make([]byte, 0, l.o.ChunkSize)
	}
	c.Buf = append(c.Buf, l.carry...)
	l.carry = l.carry[:0]
	if err := l.fill(ctx, c); err != nil {
		return err
	}
	if l.err != nil && bytes.IndexByte(c.Buf, '\n') < 0 {
		return l.err
	}
	if len(c.Buf) == 0 { // the file has ended
		c.Last, c.EOF, l.ended = true, true, true
		return nil
	}
	limit := int64(l.split+1) * l.o.SplitSize
	if l.off >= limit {
		l.keep(c, 0)
		c.Last = true
		l.split = int(l.off / l.o.SplitSize)
		return nil
	}
	if l.off > record.MaxOffset {
		return fmt.Errorf("byte %d: files above 1 TiB of uncompressed bytes cannot be numbered; split the file", l.off)
	}
	cut := l.cut(c.Buf, limit-l.off)
	if cut == 0 {
		return l.long(ctx, c)
	}
	l.take(c, cut)
	return nil
}

// fill reads until the chunk is full, the source ends, or it pauses after a whole line.
func (l *Lines) fill(ctx context.Context, c *Chunk) error {
	for !l.eof && l.err == nil && len(c.Buf) < l.o.ChunkSize {
		n, err := l.src.Read(c.Buf[len(c.Buf):l.o.ChunkSize])
		c.Buf = c.Buf[:len(c.Buf)+n]
		if err == io.EOF {
			l.eof = true
		} else if err != nil {
			l.err = err
		}
		if p, ok := l.src.(Pauser); ok && bytes.IndexByte(c.Buf, '\n') >= 0 && p.Paused() {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// cut is where the last whole line ends that begins before the limit, 0 if there is none in b.
func (l *Lines) cut(b []byte, limit int64) int {
	if int64(len(b)) > limit {
		// The first line end at or after limit-1 ends the last line that begins before the limit.
		if i := bytes.IndexByte(b[limit-1:], '\n'); i >= 0 {
			return int(limit) + i
		}
	} else if l.eof {
		return len(b)
	}
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	if l.eof {
		return len(b)
	}
	return 0
}

// take ends the chunk at cut and carries the rest.
func (l *Lines) take(c *Chunk, cut int) {
	l.keep(c, cut)
	c.BOM = l.off == 0 && bytes.HasPrefix(c.Buf, bom)
	c.Lines = int64(bytes.Count(c.Buf, []byte("\n")))
	if c.Buf[cut-1] != '\n' {
		c.Lines++
	}
	l.off += int64(cut)
	l.line += c.Lines
	c.End = l.off
}

func (l *Lines) keep(c *Chunk, cut int) {
	l.carry = append(l.carry, c.Buf[cut:]...)
	c.Buf = c.Buf[:cut]
}

// long reads on for the end of a line that does not fit into a chunk.
func (l *Lines) long(ctx context.Context, c *Chunk) error {
	if l.o.Grow != nil {
		if err := l.o.Grow(ctx); err != nil {
			return err
		}
	}
	for {
		// Read in steps of a chunk, so that little is carried behind the line end.
		old := len(c.Buf)
		if want := old + l.o.ChunkSize; want > cap(c.Buf) {
			c.Buf = append(make([]byte, 0, min(max(want, 4*old), max(want, l.o.MaxRecord+l.o.ChunkSize+1))), c.Buf...)
		}
		n, err := l.src.Read(c.Buf[old : old+l.o.ChunkSize])
		c.Buf = c.Buf[:old+n]
		if err == io.EOF {
			l.eof = true
		} else if err != nil {
			return err
		}
		if i := bytes.IndexByte(c.Buf[old:], '\n'); i >= 0 {
			l.take(c, old+i+1)
			return nil
		}
		if l.eof {
			l.take(c, len(c.Buf))
			return nil
		}
		if len(c.Buf) > max(l.o.MaxRecord, KeepOfTruncated)+len(bom) {
			return l.skip(ctx, c)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// skip reads over the rest of a line above MaxRecord and holds only its start.
func (l *Lines) skip(ctx context.Context, c *Chunk) error {
	total := int64(len(c.Buf))
	end := total // offset after the line, line feed included
	buf := make([]byte, l.o.ChunkSize)
	for !l.eof {
		n, err := l.src.Read(buf)
		if err == io.EOF {
			l.eof = true
		} else if err != nil {
			return err
		}
		i := bytes.IndexByte(buf[:n], '\n')
		if i >= 0 {
			total += int64(i)
			end = total + 1
			l.carry = append(l.carry, buf[i+1:n]...)
			break
		}
		total += int64(n)
		end = total
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	c.BOM = l.off == 0 && bytes.HasPrefix(c.Buf, bom)
	c.Lines, c.Skipped = 1, total
	c.Buf = append(make([]byte, 0, KeepOfTruncated), c.Buf[:min(len(c.Buf), KeepOfTruncated)]...)
	l.off += end
	l.line++
	c.End = l.off
	return nil
}

// EachLine calls f for the lines of c from at on, without their line feeds and the byte order mark, blank
// ones left out, until f says stop. full is the length of the line in the file: above c.MaxRecord, line
// holds only its start. It is the common part of the line formats' Decode.
func EachLine(c *Chunk, at Cursor, f func(id record.ID, lineNo int64, line []byte, full int64) (more bool)) Cursor {
	for at.Byte < len(c.Buf) {
		start := at.Byte
		line := c.Buf[start:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 && c.Skipped == 0 {
			line = line[:i]
			at.Byte += i + 1
		} else {
			at.Byte = len(c.Buf)
		}
		no := at.Line
		at.Line++
		full := max(int64(len(line)), c.Skipped)
		if start == 0 && c.BOM {
			line = line[len(bom):]
			full -= int64(len(bom))
		}
		if c.Skipped == 0 && isBlank(line) {
			at.Blank++
			continue
		}
		if full > int64(c.MaxRecord) {
			line = line[:min(len(line), KeepOfTruncated)]
		}
		id, lineNo := record.MakeID(c.File, c.Offset+int64(start)), c.LineNo+no
		if c.IDs != nil {
			id, lineNo = c.IDs[no], 0
			if c.LineNos != nil {
				lineNo = c.LineNos[no]
			}
		}
		if !f(id, lineNo, line, full) {
			break
		}
	}
	return at
}

// DecodeLines is the Decode of formats whose chunks are lines of JSON.
func DecodeLines(c *Chunk, at Cursor, b *record.Batch, maxRecords, maxBytes int, _ string) Cursor {
	n := 0
	return EachLine(c, at, func(id record.ID, lineNo int64, line []byte, full int64) bool {
		if full > int64(c.MaxRecord) {
			AppendTooLong(b, id, lineNo, line, full)
		} else {
			b.Append(id, lineNo, line)
		}
		n += len(line) + 1
		return len(b.Records) < maxRecords && n < maxBytes
	})
}

func isBlank(line []byte) bool {
	for _, b := range line {
		if b != ' ' && b != '\t' && b != '\r' && b != '\v' && b != '\f' {
			return false
		}
	}
	return true
}

// ErrTooLong is the reason why a line above MaxRecord is quarantined.
var ErrTooLong = errors.New("the line is longer than --max-record allows")

// AppendTooLong adds the record of a line above MaxRecord, of which line is the start.
func AppendTooLong(b *record.Batch, id record.ID, lineNo int64, line []byte, full int64) {
	r := b.Append(id, lineNo, line)
	r.Truncated = full
	r.QuarantineFor(fmt.Errorf("%w: %d bytes", ErrTooLong, full))
}
