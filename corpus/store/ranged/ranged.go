// Package ranged reads objects that a server hands out by ranges, over as many requests as that takes: a body that breaks or falls
// silent is gone on with behind what has come, in the same version of the object. What a request is, and which errors pass,
// is the store's to say (Object).
package ranged

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"curate/corpus/store"
)

// Object is what a store knows of one object.
type Object interface {
	// Get asks for the bytes from "from" on, up to and without "to"; to < 0 is the end. With a version the answer is to be of
	// that one. Where the object ends at from or before, the answer has no Body. ctx ends the body, too.
	Get(ctx context.Context, from, to int64, version string) (Answer, error)
	// Changed says whether the error of a Get means that the object is not of that version any more.
	Changed(ctx context.Context, version string, err error) bool
	// Next waits for attempt n, from 1, at op and returns nil, or the error that err is in the end, with the object's name.
	Next(ctx context.Context, op string, n int, err error) error
}

// Answer is a body, the size of the whole object and what it is a version of.
type Answer struct {
	Body    io.ReadCloser
	Size    int64
	Version string
}

// Reader reads [pos, end) of an object. It is for one goroutine.
type Reader struct {
	o        Object
	ctx      context.Context
	op, name string
	idle     time.Duration
	version  string
	pos, end int64 // end is -1 before the first answer
	n        int   // attempts without a byte
	body     io.ReadCloser
	bodyCtx  context.Context
	stop     context.CancelCauseFunc // of the body
	late     *time.Timer
	closed   bool
}

// errIdle is a body that brings nothing.
var errIdle = errors.New("the server has gone silent")

// Open reads the object from offset on. A body that brings nothing for idle is given up. name is for messages.
func Open(ctx context.Context, o Object, name string, offset int64, idle time.Duration) (*Reader, error) {
	if offset < 0 {
		return nil, &fs.PathError{Op: "open", Path: store.URL(name), Err: fmt.Errorf("negative offset %d", offset)}
	}
	r := &Reader{o: o, ctx: ctx, op: "open", name: name, idle: idle, pos: offset, end: -1}
	for {
		err := r.request()
		if err == nil {
			r.op, r.n = "read", 0
			return r, nil
		}
		r.n++
		if err := o.Next(ctx, r.op, r.n, err); err != nil {
			return nil, err
		}
	}
}

// request asks for the bytes from pos on.
func (r *Reader) request() error {
	ctx, stop := context.WithCancelCause(r.ctx)
	a, err := r.o.Get(ctx, r.pos, r.end, r.version)
	if err != nil {
		stop(nil)
		return err
	}
	if a.Body == nil {
		stop(nil)
		if r.end >= 0 {
			return io.ErrUnexpectedEOF
		}
		r.end = r.pos
		return nil
	}
	r.body, r.bodyCtx, r.stop = a.Body, ctx, stop
	switch {
	case a.Size < 0:
		r.drop(nil)
		return errors.New("the answer does not say how long the object is")
	case r.version != "" && a.Version != r.version:
		r.drop(nil)
		return store.ErrChanged
	case r.end < 0:
		r.end = a.Size
	}
	r.version = a.Version
	return nil
}

// drop ends the body.
func (r *Reader) drop(why error) {
	if r.late != nil {
		r.late.Stop()
		r.late = nil
	}
	if r.body != nil {
		r.stop(why)
		r.body.Close()
		r.body = nil
	}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, &fs.PathError{Op: r.op, Path: store.URL(r.name), Err: fs.ErrClosed}
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if r.ctx.Err() != nil {
			return 0, context.Cause(r.ctx)
		}
		if r.pos >= r.end {
			r.drop(nil)
			return 0, io.EOF
		}
		var err error
		if r.body == nil {
			err = r.request()
		}
		if err == nil {
			var n int
			if n, err = r.fill(p[:min(int64(len(p)), r.end-r.pos)]); n > 0 {
				r.pos += int64(n)
				r.n = 0
				return n, nil // an error that came with it comes again
			}
		}
		r.drop(nil)
		if errors.Is(err, store.ErrChanged) || r.version != "" && r.o.Changed(r.ctx, r.version, err) {
			return 0, &fs.PathError{Op: r.op, Path: store.URL(r.name), Err: store.ErrChanged}
		}
		r.n++
		if err := r.o.Next(r.ctx, r.op, r.n, err); err != nil {
			return 0, err
		}
	}
}

// fill reads from the body, whose end before the object's is an error.
func (r *Reader) fill(p []byte) (int, error) {
	stop := r.stop
	if r.late == nil {
		r.late = time.AfterFunc(r.idle, func() { stop(errIdle) })
	} else {
		r.late.Reset(r.idle)
	}
	n, err := r.body.Read(p)
	if r.late != nil {
		r.late.Stop() // what the caller does meanwhile is not the server's silence
	}
	if err != nil && context.Cause(r.bodyCtx) == errIdle {
		err = errIdle
	}
	if n == 0 && err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	return n, err
}

// Close implements io.Closer.
func (r *Reader) Close() error {
	r.closed = true
	r.drop(nil)
	return nil
}

// The bytes that a file read piece by piece, one behind the other, is asked for at once: doubled from request to request,
// so that who reads little pays little and who reads all has few requests.
const (
	minAhead = 1 << 20
	maxAhead = 64 << 20
)

// file is an object open for reading at any place. What is read in order comes out of one body, held open between reads; the
// rest is a request each.
type file struct {
	o       Object
	ctx     context.Context
	name    string
	idle    time.Duration
	version string
	size    int64

	mu    sync.Mutex // of what follows
	ahead *Reader
	next  int64 // where the last read ended
	want  int64 // of the next body
	done  bool
}

// OpenAt reads the object of that size and version at any place. ctx is that of all reads to come.
func OpenAt(ctx context.Context, o Object, name string, size int64, version string, idle time.Duration) store.ReaderAt {
	return &file{o: o, ctx: ctx, name: name, idle: idle, version: version, size: size, next: -1, want: minAhead}
}

// span reads [off, end) of the object.
func (f *file) span(off, end int64) *Reader {
	return &Reader{o: f.o, ctx: f.ctx, op: "read", name: f.name, idle: f.idle, version: f.version, pos: off, end: end}
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: store.URL(f.name), Err: fmt.Errorf("negative offset %d", off)}
	}
	n := int64(len(p))
	if off >= f.size {
		n = 0
	}
	n = min(n, max(f.size-off, 0))
	var eof error
	if n < int64(len(p)) {
		eof = io.EOF
	}
	if n == 0 {
		return 0, eof
	}
	if f.mu.TryLock() {
		defer f.mu.Unlock()
		if f.done {
			return 0, &fs.PathError{Op: "read", Path: store.URL(f.name), Err: fs.ErrClosed}
		}
		if inOrder := off == f.next; inOrder {
			got, err := f.read(p[:n], off)
			if err == nil {
				err = eof
			}
			return got, err
		}
		f.next = off + n
	}
	r := f.span(off, off+n)
	defer r.Close()
	got, err := io.ReadFull(r, p[:n])
	if err == nil {
		err = eof
	}
	return got, err
}

// read goes on where the last read ended.
func (f *file) read(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		if f.ahead == nil || f.ahead.pos != off+int64(n) || f.ahead.pos >= f.ahead.end {
			if f.ahead != nil {
				f.ahead.Close()
			}
			from := off + int64(n)
			f.ahead = f.span(from, min(f.size, from+max(f.want, int64(len(p)-n))))
			f.want = min(2*f.want, maxAhead)
		}
		got, err := f.ahead.Read(p[n:])
		n += got
		if err != nil && err != io.EOF {
			f.ahead.Close()
			f.ahead, f.next = nil, -1
			return n, err
		}
	}
	f.next = off + int64(n)
	return n, nil
}

// Close implements io.Closer.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
	if f.ahead != nil {
		f.ahead.Close()
		f.ahead = nil
	}
	return nil
}
