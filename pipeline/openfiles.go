package pipeline

import (
	"context"
	"errors"
	"io"
	"sync"

	"curate/corpus/store"
	"curate/stage"
)

// maxOpenFiles is how many of the files of a shared run a process has open at a time: well below the 1,024 that a process
// may have by default.
const maxOpenFiles = 256

// openFiles reads from more files than may be open at once: those that were used last stay open.
type openFiles struct {
	ctx context.Context
	st  store.Store

	mu    sync.Mutex
	files map[string]*openFile
	tick  int64
}

type openFile struct {
	f     store.ReaderAt
	users int
	used  int64 // tick of the last use
}

func newOpenFiles(ctx context.Context, st store.Store) *openFiles {
	return &openFiles{ctx: ctx, st: st, files: map[string]*openFile{}}
}

// pooledFile is a file of openFiles.
type pooledFile struct {
	pool *openFiles
	name string
}

// ReadAt implements io.ReaderAt.
func (p pooledFile) ReadAt(b []byte, off int64) (int, error) {
	f, err := p.pool.take(p.name)
	if err != nil {
		return 0, err
	}
	defer p.pool.giveBack(f)
	return f.f.ReadAt(b, off)
}

// Close implements io.Closer; the pool closes files.
func (p pooledFile) Close() error { return nil }

func (o *openFiles) take(name string) (*openFile, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.files[name]
	if f == nil {
		if err := o.makeRoom(); err != nil {
			return nil, err
		}
		r, _, err := o.st.OpenAt(o.ctx, name)
		if err != nil {
			return nil, err
		}
		f = &openFile{f: r}
		o.files[name] = f
	}
	o.tick++
	f.users, f.used = f.users+1, o.tick
	return f, nil
}

func (o *openFiles) giveBack(f *openFile) {
	o.mu.Lock()
	f.users--
	o.mu.Unlock()
}

// makeRoom closes the file that was not used for longest.
func (o *openFiles) makeRoom() error {
	if len(o.files) < maxOpenFiles {
		return nil
	}
	last := ""
	for name, f := range o.files {
		if f.users == 0 && (last == "" || f.used < o.files[last].used) {
			last = name
		}
	}
	if last == "" {
		return nil // all are at work, one a goroutine
	}
	err := o.files[last].f.Close()
	delete(o.files, last)
	return err
}

// sealed is the Reducer's part of a split's sealed file.
func (o *openFiles) sealed(name string) (stage.Sealed, error) {
	f, size, err := o.st.OpenAt(o.ctx, name)
	if err != nil {
		return stage.Sealed{}, err
	}
	off, n, err := readSealedFooter(f, size)
	if err = errors.Join(err, f.Close()); err != nil {
		return stage.Sealed{}, err
	}
	p := pooledFile{o, name}
	return stage.Sealed{Size: n, Data: section{io.NewSectionReader(p, off, n), p}}, nil
}

func (o *openFiles) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	for name, f := range o.files {
		err = errors.Join(err, f.f.Close())
		delete(o.files, name)
	}
	return err
}
