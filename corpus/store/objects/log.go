package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"curate/corpus/store"
)

// log is an object that holds the whole log. Objects cannot be appended to, so each entry writes it anew, together with
// those that came while the one before was on its way: a journal has some 200 bytes a split, so that is small.
type log struct {
	o    Object
	ctx  context.Context
	name string

	sending sync.Mutex // held by who writes the object
	mu      sync.Mutex // of what follows
	durable []byte     // what the object holds
	queue   []*entry
	err     error // of the Append that failed, until Truncate
	done    bool
}

// entry is one that waits.
type entry struct {
	p    []byte
	sent bool
	err  error
}

// OpenLog opens the object as a log, and creates it if it is absent. name is for messages.
func OpenLog(ctx context.Context, o Object, name string) (store.Log, error) {
	l := &log{o: o, ctx: context.WithoutCancel(ctx), name: name}
	var err error
	l.durable, err = l.fetch(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		err = o.Put(ctx, "create", nil)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// fetch reads the object.
func (l *log) fetch(ctx context.Context) ([]byte, error) {
	r, err := l.o.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (l *log) closed(op string) error {
	return &fs.PathError{Op: op, Path: store.URL(l.name), Err: fs.ErrClosed}
}

// ReadAll implements store.Log.
func (l *log) ReadAll() ([]byte, error) {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return nil, l.closed("read")
	}
	return l.fetch(l.ctx)
}

// Truncate implements store.Log.
func (l *log) Truncate(size int64) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return l.closed("truncate")
	}
	b, err := l.fetch(l.ctx) // not durable: after an error the object may hold what was sent
	if err == nil && (size < 0 || size > int64(len(b))) {
		err = &fs.PathError{Op: "truncate", Path: store.URL(l.name), Err: fmt.Errorf("to %d bytes, there are %d", size, len(b))}
	}
	if err != nil {
		return err // the log is as it was
	}
	b = b[:size:size]
	l.err = l.o.Put(l.ctx, "truncate", b)
	if l.err == nil {
		l.durable = b
	}
	return l.err
}

// Append implements store.Log.
func (l *log) Append(p []byte) error {
	e := &entry{p: p}
	l.mu.Lock()
	if err := l.refuses(); err != nil {
		l.mu.Unlock()
		return err
	}
	l.queue = append(l.queue, e)
	l.mu.Unlock()

	l.sending.Lock() // the first to get here sends for all that wait
	defer l.sending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.sent {
		return e.err
	}
	batch := l.queue
	l.queue = nil
	err := l.refuses()
	if err == nil {
		whole := l.durable[:len(l.durable):len(l.durable)]
		for _, e := range batch {
			whole = append(whole, e.p...)
		}
		l.mu.Unlock()
		err = l.o.Put(l.ctx, "append", whole)
		l.mu.Lock()
		if l.err = err; err == nil {
			l.durable = whole
		}
	}
	for _, e := range batch {
		e.sent, e.err = true, err
	}
	return err
}

func (l *log) refuses() error {
	if l.done {
		return l.closed("append")
	}
	return l.err
}

// Close implements store.Log.
func (l *log) Close() error {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	return nil
}
