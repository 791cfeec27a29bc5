package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"curate/corpus/store"
)

// Memory is a store of this process alone, for tests: nothing is on a disk, and the test says what time it is. Folders are but names.
// Like a store of objects, and unlike a disk, it gives an open file to its reader as it was then, whatever becomes of the name.
type Memory struct {
	// Now is the clock of ModTime; nil is time.Now. Set it before the first use.
	Now func() time.Time

	mu    sync.Mutex
	files map[string]memoryFile
}

type memoryFile struct {
	content []byte // is replaced or appended to, never changed
	written time.Time
}

var _ store.Sharable = (*Memory)(nil)

// NewMemory returns a store without files.
func NewMemory() *Memory { return &Memory{files: map[string]memoryFile{}} }

func (m *Memory) put(name string, content []byte) {
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	m.files[path.Clean(name)] = memoryFile{content, now()}
}

// begin is the beginning of each call: what the context says, and then m is locked.
func (m *Memory) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	return nil
}

// find is the file of a name, with m locked.
func (m *Memory) find(op, name string) (memoryFile, error) {
	clean := path.Clean(name)
	if f, ok := m.files[clean]; ok {
		return f, nil
	}
	if m.isDir(clean) {
		return memoryFile{}, &fs.PathError{Op: op, Path: name, Err: store.ErrIsDir}
	}
	return memoryFile{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func (m *Memory) isDir(clean string) bool {
	for n := range m.files {
		if strings.HasPrefix(n, clean+"/") {
			return true
		}
	}
	return false
}

// Stat implements store.Store.
func (m *Memory) Stat(ctx context.Context, name string) (store.Info, error) {
	if err := m.begin(ctx); err != nil {
		return store.Info{}, err
	}
	defer m.mu.Unlock()
	f, err := m.find("stat", name)
	if err != nil {
		return store.Info{}, err
	}
	return store.Info{Name: name, Size: int64(len(f.content)), ModTime: f.written}, nil
}

// List implements store.Store.
func (m *Memory) List(ctx context.Context, dir string) ([]store.Info, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	prefix, shown := path.Clean(dir)+"/", strings.TrimSuffix(dir, "/")+"/"
	if dir == "" {
		prefix, shown = "", ""
	}
	var list []store.Info
	for name, f := range m.files {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			list = append(list, store.Info{Name: shown + rest, Size: int64(len(f.content)), ModTime: f.written})
		}
	}
	if list == nil {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	slices.SortFunc(list, func(a, b store.Info) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Open implements store.Store.
func (m *Memory) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	f, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("offset %d", offset)}
	}
	return io.NopCloser(bytes.NewReader(f.content[min(offset, int64(len(f.content))):])), nil
}

type memoryReader struct{ *bytes.Reader }

func (memoryReader) Close() error { return nil }

// OpenAt implements store.Store.
func (m *Memory) OpenAt(ctx context.Context, name string) (store.ReaderAt, int64, error) {
	if err := m.begin(ctx); err != nil {
		return nil, 0, err
	}
	defer m.mu.Unlock()
	f, err := m.find("open", name)
	if err != nil {
		return nil, 0, err
	}
	return memoryReader{bytes.NewReader(f.content)}, int64(len(f.content)), nil
}

// Create implements store.Store.
func (m *Memory) Create(ctx context.Context, name string) (store.Writer, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if m.isDir(path.Clean(name)) {
		return nil, &fs.PathError{Op: "create", Path: name, Err: store.ErrIsDir}
	}
	return &memoryWriter{m: m, name: name}, nil
}

type memoryWriter struct {
	m       *Memory
	name    string
	content []byte
	ended   bool
}

var errEnded = errors.New("has ended")

func (w *memoryWriter) Write(p []byte) (int, error) {
	if w.ended {
		return 0, &fs.PathError{Op: "write", Path: w.name, Err: errEnded}
	}
	w.content = append(w.content, p...)
	return len(p), nil
}

func (w *memoryWriter) Commit() error {
	if w.ended {
		return &fs.PathError{Op: "commit", Path: w.name, Err: errEnded}
	}
	w.ended = true
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	w.m.put(w.name, w.content)
	return nil
}

func (w *memoryWriter) Abort() error {
	w.ended, w.content = true, nil
	return nil
}

// Remove implements store.Store.
func (m *Memory) Remove(ctx context.Context, name string) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.files, path.Clean(name))
	return nil
}

// OpenLog implements store.Store.
func (m *Memory) OpenLog(ctx context.Context, name string) (store.Log, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if _, err := m.find("open", name); errors.Is(err, fs.ErrNotExist) {
		m.put(name, nil)
	} else if err != nil {
		return nil, err
	}
	return &memoryLog{m: m, name: name}, nil
}

type memoryLog struct {
	m     *Memory
	name  string
	ended bool // m.mu guards it
}

// change calls f with the content and keeps what it returns.
func (l *memoryLog) change(op string, f func(content []byte) ([]byte, error)) error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.ended {
		return &fs.PathError{Op: op, Path: l.name, Err: errEnded}
	}
	file, err := l.m.find(op, l.name)
	if err != nil {
		return err
	}
	content, err := f(file.content)
	if err == nil && len(content) != len(file.content) {
		l.m.put(l.name, content)
	}
	return err
}

func (l *memoryLog) ReadAll() (raw []byte, err error) {
	err = l.change("read", func(content []byte) ([]byte, error) {
		raw = slices.Clone(content)
		return content, nil
	})
	return raw, err
}

func (l *memoryLog) Truncate(size int64) error {
	return l.change("truncate", func(content []byte) ([]byte, error) {
		if size < 0 || size > int64(len(content)) {
			return nil, &fs.PathError{Op: "truncate", Path: l.name, Err: fmt.Errorf("to %d of %d bytes", size, len(content))}
		}
		return slices.Clip(content[:size]), nil // what is appended must not be seen by who reads the old file
	})
}

func (l *memoryLog) Append(p []byte) error {
	return l.change("append", func(content []byte) ([]byte, error) { return append(content, p...), nil })
}

func (l *memoryLog) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.ended = true
	return nil
}

// Scratch implements store.Store.
func (m *Memory) Scratch() store.Store { return m }

// Shared implements store.Sharable: unfinished files have no names that could clash.
func (m *Memory) Shared(string) store.Store { return m }

// Sweep implements store.Store. What was not committed is with its writer alone.
func (m *Memory) Sweep(ctx context.Context, _ string) error { return ctx.Err() }
