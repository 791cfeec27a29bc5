package objects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"curate/corpus/store"
)

// Writer sends a file: in parts while it is written, or, if it stays below one, in one request when it is committed. It holds two
// parts at most, one being filled and one on its way.
type Writer struct {
	o      Object
	parts  *Parts
	ctx    context.Context // ends with Abort, and not with that of Create
	cancel context.CancelFunc
	name   string

	buf    []byte
	pooled bool       // buf has the size of a part, and is lent
	sent   int        // parts
	flying chan error // the answer to the part that is on its way; nil without one
	err    error
	done   bool
}

var _ store.Writer = (*Writer)(nil)

// Create begins the object, whose name is for messages. ctx does not end what was begun.
func Create(ctx context.Context, o Object, name string, parts *Parts) *Writer {
	w := &Writer{o: o, parts: parts, name: name}
	w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return w
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n := 0
	for len(p) > 0 {
		if len(w.buf) == w.parts.Size {
			if w.err = w.send(); w.err != nil {
				return n, w.err
			}
		}
		k := min(len(p), w.parts.Size-len(w.buf))
		if need := len(w.buf) + k; need > cap(w.buf) && (need > w.parts.Size/2 || w.sent > 0) {
			b := append((*w.parts.free.Get().(*[]byte))[:0], w.buf...)
			w.buf, w.pooled = b, true
		}
		w.buf = append(w.buf, p[:k]...)
		p, n = p[k:], n+k
	}
	return n, nil
}

// release gives a part's buffer back.
func (w *Writer) release(b []byte, pooled bool) {
	if pooled {
		w.parts.free.Put(&b)
	}
}

// send lets the buffer go as the next part, when the one before it has arrived.
func (w *Writer) send() error {
	if err := w.landed(); err != nil {
		return err
	}
	if w.sent == w.parts.Most {
		return &fs.PathError{Op: "write", Path: store.URL(w.name), Err: fmt.Errorf("has more than %d parts of %d MiB, the most that an object may have; write compressed, or a directory of parts", w.parts.Most, w.parts.Size>>20)}
	}
	w.sent++
	b, pooled := w.buf, w.pooled
	w.buf, w.pooled = nil, false
	w.flying = make(chan error, 1)
	go func(number int, answer chan<- error) {
		err := w.o.Part(w.ctx, number, b)
		w.release(b, pooled)
		answer <- err
	}(w.sent, w.flying)
	return nil
}

// landed waits for the part that is on its way.
func (w *Writer) landed() error {
	if w.flying == nil {
		return nil
	}
	err := <-w.flying
	w.flying = nil
	return err
}

// Commit implements store.Writer.
func (w *Writer) Commit() error {
	if w.err != nil {
		return errors.Join(w.err, w.Abort())
	}
	if err := w.commit(); err != nil {
		w.err = err
		return errors.Join(err, w.Abort())
	}
	w.release(w.buf, w.pooled)
	w.buf, w.done, w.err = nil, true, &fs.PathError{Op: "write", Path: store.URL(w.name), Err: fs.ErrClosed}
	w.cancel()
	return nil
}

func (w *Writer) commit() error {
	if w.sent == 0 {
		return w.o.Put(w.ctx, "write", w.buf)
	}
	if len(w.buf) > 0 {
		if err := w.send(); err != nil {
			return err
		}
	}
	if err := w.landed(); err != nil {
		return err
	}
	return w.o.Complete(w.ctx)
}

// Abort implements store.Writer.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	if w.err == nil {
		w.err = &fs.PathError{Op: "write", Path: store.URL(w.name), Err: fs.ErrClosed}
	}
	w.cancel()
	_ = w.landed() // it was cancelled; a part that lands behind the abort is removed with a later one
	if w.buf != nil {
		w.release(w.buf, w.pooled)
		w.buf = nil
	}
	if w.sent > 0 {
		// What was to be given up is so whoever is being interrupted.
		if err := w.o.Abort(context.WithoutCancel(w.ctx)); err != nil {
			return err
		}
	}
	w.done = true
	return nil
}
