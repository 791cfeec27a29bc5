package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"curate/corpus/store"
)

// reader reads an object from pos on, over as many requests as that takes.
type reader struct {
	s           *Store
	ctx         context.Context
	op, name    string
	bucket, key string
	etag        string
	pos, end    int64 // end is where to stop; -1 before the first answer
	a           *attempts
	body        io.ReadCloser
	bodyCtx     context.Context
	stop        context.CancelCauseFunc // of the body
	late        *time.Timer
	closed      bool
}

// errIdle is a body that brings nothing.
var errIdle = errors.New("the server has gone silent")

// Open reads name from offset on.
func (s *Store) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	bucket, key, err := s.split("open", name)
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, &fs.PathError{Op: "open", Path: store.URL(name), Err: fmt.Errorf("negative offset %d", offset)}
	}
	if key == "" {
		return nil, s.absent(ctx, "open", name, bucket, key, fs.ErrNotExist)
	}
	r := &reader{s: s, ctx: ctx, op: "open", name: name, bucket: bucket, key: key, pos: offset, end: -1, a: s.attempts("open", name)}
	for {
		err := r.request(0)
		if err == nil {
			r.op, r.a = "read", s.attempts("read", name)
			return r, nil
		}
		if err := r.a.next(ctx, err); errors.Is(err, fs.ErrNotExist) {
			return nil, s.absent(ctx, "open", name, bucket, key, err)
		} else if err != nil {
			return nil, err
		}
	}
}

// request asks for the bytes from pos to r.end, or to the object's end; limit bounds them, 0 does not.
func (r *reader) request(limit int64) error {
	var o minio.GetObjectOptions
	last := int64(0)
	if limit > 0 {
		last = r.pos + limit - 1
	}
	ranged := r.pos > 0 || last > 0
	if ranged {
		o.Set("Range", fmt.Sprintf("bytes=%d-", r.pos))
		if last > 0 {
			o.Set("Range", fmt.Sprintf("bytes=%d-%d", r.pos, last))
		}
	}
	if r.etag != "" {
		o.Set("If-Match", `"`+r.etag+`"`)
	}
	ctx, stop := context.WithCancelCause(r.ctx)
	body, info, header, err := r.s.core.GetObject(ctx, r.bucket, r.key, o)
	if err != nil {
		stop(nil)
		var answer minio.ErrorResponse
		if errors.As(err, &answer) && answer.StatusCode == http.StatusRequestedRangeNotSatisfiable && r.end < 0 {
			r.end = r.pos // the object ends before: there is nothing to read
			return nil
		}
		return err
	}
	r.body, r.bodyCtx, r.stop = body, ctx, stop
	size := info.Size
	if ranged {
		var first, to, of int64
		n, _ := fmt.Sscanf(header.Get("Content-Range"), "bytes %d-%d/%d", &first, &to, &of)
		if n != 3 || first != r.pos {
			r.drop(nil)
			return fmt.Errorf("asked for the bytes from %d on, the server answers with the range %q; a store must know ranges", r.pos, header.Get("Content-Range"))
		}
		size = of
	}
	if size < 0 {
		r.drop(nil)
		return errors.New("the answer does not say how long the object is")
	}
	if r.end < 0 {
		r.etag, r.end = info.ETag, size
		if limit > 0 {
			r.end = min(size, r.pos+limit)
		}
	} else if info.ETag != r.etag {
		r.drop(nil)
		return store.ErrChanged
	}
	return nil
}

// drop ends the body.
func (r *reader) drop(why error) {
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
func (r *reader) Read(p []byte) (int, error) {
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
			err = r.request(r.end - r.pos)
		}
		if err == nil {
			var n int
			if n, err = r.fill(p[:min(int64(len(p)), r.end-r.pos)]); n > 0 {
				r.pos += int64(n)
				r.a.reset()
				return n, nil // an error that came with it comes again
			}
		}
		r.drop(nil)
		if errors.Is(err, store.ErrChanged) || r.changed(err) {
			return 0, &fs.PathError{Op: r.op, Path: store.URL(r.name), Err: store.ErrChanged}
		}
		if err := r.a.next(r.ctx, err); err != nil {
			return 0, err
		}
	}
}

// fill reads from the body, whose end before the object's is an error.
func (r *reader) fill(p []byte) (int, error) {
	stop := r.stop
	if r.late == nil {
		r.late = time.AfterFunc(r.s.o.Idle, func() { stop(errIdle) })
	} else {
		r.late.Reset(r.s.o.Idle)
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

// changed says whether a failed precondition, or an object that is gone, means that: a server under load answers so for
// other reasons, too, and what the object is now says its own answer.
func (r *reader) changed(err error) bool {
	var answer minio.ErrorResponse
	if r.etag == "" || !errors.As(err, &answer) || answer.StatusCode != http.StatusPreconditionFailed && answer.StatusCode != http.StatusNotFound {
		return false
	}
	info, err := r.s.core.StatObject(r.ctx, r.bucket, r.key, minio.StatObjectOptions{})
	if err == nil {
		return info.ETag != r.etag
	}
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// Close implements io.Closer.
func (r *reader) Close() error {
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
	s    *Store
	ctx  context.Context
	name string

	bucket, key, etag string
	size              int64

	mu    sync.Mutex // of what follows
	ahead *reader
	next  int64 // where the last read ended
	want  int64 // of the next body
	done  bool
}

// OpenAt opens name for reading at any place.
func (s *Store) OpenAt(ctx context.Context, name string) (store.ReaderAt, int64, error) {
	bucket, key, err := s.split("open", name)
	if err != nil {
		return nil, 0, err
	}
	info, err := s.Stat(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return &file{s: s, ctx: context.WithoutCancel(ctx), name: name, bucket: bucket, key: key, etag: info.Version, size: info.Size, next: -1, want: minAhead}, info.Size, nil
}

// span reads [off, end) of the object.
func (f *file) span(off, end int64) *reader {
	return &reader{s: f.s, ctx: f.ctx, op: "read", name: f.name, bucket: f.bucket, key: f.key, etag: f.etag, pos: off, end: end, a: f.s.attempts("read", f.name)}
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
