package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The name of an unfinished file: hidden from whoever lists the folder, and the same each time, so that the
// next run writes over what kill -9 left. Names are at most 255 bytes on most file systems, so the file's own
// name has 242, less the tag of a store that is shared.
const (
	tempPrefix = "."
	tempSuffix = ".curate-tmp"
)

func tempName(name, tag string) string {
	dir, base := filepath.Split(name)
	return dir + tempPrefix + base + tag + tempSuffix
}

func isTemp(base string) bool {
	return len(base) > len(tempPrefix)+len(tempSuffix) &&
		strings.HasPrefix(base, tempPrefix) && strings.HasSuffix(base, tempSuffix)
}

// Local is a Store on the file system. Files get mode 0666 and folders 0777, less the umask. Links in names are
// followed; List follows links to files and folders, once each way down.
type Local struct {
	disk Disk
	tag  string     // in the names of unfinished files: "" or "." and a name
	dirs sync.Mutex // held while folders are made, until they are durable
}

var (
	_ Sharable = (*Local)(nil)
	_ Syncer   = (*Local)(nil)
)

// NewLocal returns a store that writes through d; nil is the operating system.
func NewLocal(d Disk) *Local {
	if d == nil {
		d = OS()
	}
	return &Local{disk: d}
}

// Scratch returns a store that does not sync.
func (s *Local) Scratch() Store { return &Local{disk: unsynced{s.disk}, tag: s.tag} }

// Sync implements Syncer: each folder is synced once, behind its files.
func (s *Local) Sync(ctx context.Context, names ...string) error {
	var dirs []string
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.FromSlash(name)
		f, err := s.disk.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := s.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// Shared returns a store whose unfinished files have tag in their names, which no other process may have.
func (s *Local) Shared(tag string) Store { return &Local{disk: s.disk, tag: "." + tag} }

// fail names operation and file of an error that does not do so itself.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// describe turns what the system knows of name into an Info.
func describe(op, name string, fi fs.FileInfo) (Info, error) {
	if fi.IsDir() {
		return Info{}, fail(op, name, ErrIsDir)
	}
	size := int64(-1)
	if fi.Mode().IsRegular() {
		size = fi.Size()
	}
	return Info{Name: name, Size: size, ModTime: fi.ModTime()}, nil
}

// Stat describes name.
func (s *Local) Stat(ctx context.Context, name string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	fi, err := os.Stat(filepath.FromSlash(name))
	if err != nil {
		return Info{}, err
	}
	return describe("stat", name, fi)
}

// List returns the files in dir and below.
func (s *Local) List(ctx context.Context, dir string) ([]Info, error) {
	root, prefix := ".", ""
	if dir != "" {
		root, prefix = filepath.FromSlash(dir), strings.TrimRight(dir, "/")+"/"
	}
	fi, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	infos, err := list(ctx, root, prefix, []fs.FileInfo{fi}, nil)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(infos, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

// list appends the files of one folder and of those below it. above are the folders on the way down, this one
// last: a link back to one of them would never end.
func list(ctx context.Context, dir, prefix string, above []fs.FileInfo, infos []Info) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if isTemp(e.Name()) && e.Type().IsRegular() {
			continue
		}
		path, name := filepath.Join(dir, e.Name()), prefix+e.Name()
		fi, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			if e.Type()&fs.ModeSymlink != 0 {
				// Not %w: a file that is missing here is not an absent dir.
				return nil, fmt.Errorf("list %s: the link %s leads nowhere", dir, name)
			}
			continue // removed since ReadDir
		}
		if err != nil {
			return nil, err
		}
		switch {
		case fi.IsDir():
			if slices.ContainsFunc(above, func(up fs.FileInfo) bool { return os.SameFile(up, fi) }) {
				continue
			}
			infos, err = list(ctx, path, name+"/", append(above[:len(above):len(above)], fi), infos)
			if err != nil {
				return nil, err
			}
		case fi.Mode().IsRegular():
			infos = append(infos, Info{Name: name, Size: fi.Size(), ModTime: fi.ModTime()})
		}
	}
	return infos, nil
}

// Open reads name from offset on.
func (s *Local) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fail("open", name, fmt.Errorf("negative offset %d", offset))
	}
	f, err := os.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil {
		_, err = describe("open", name, fi)
	}
	if err == nil && offset > 0 {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenAt opens name for reading at any place.
func (s *Local) OpenAt(ctx context.Context, name string) (ReaderAt, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fail("open", name, errors.New("cannot be read at any place, as a file can"))
		if info.IsDir() {
			err = fail("open", name, ErrIsDir)
		}
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// Remove deletes name.
func (s *Local) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.removeFile(filepath.FromSlash(name))
}

// removeFile deletes a file, never a folder, which Disk.Remove would if it is empty.
func (s *Local) removeFile(path string) error {
	fi, err := os.Lstat(path)
	if err == nil && fi.IsDir() {
		return fail("remove", path, ErrIsDir)
	}
	if err == nil {
		err = s.disk.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// mkdirAll makes dir and the folders above it, durably: a file is only as durable as the way to it.
func (s *Local) mkdirAll(dir string) error {
	s.dirs.Lock() // whoever finds a folder that is being made waits until it is durable
	defer s.dirs.Unlock()
	var missing []string // deepest first
	for {
		fi, err := os.Stat(dir)
		if err == nil && !fi.IsDir() {
			return fail("mkdir", dir, errors.New("not a directory"))
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, dir)
		up := filepath.Dir(dir)
		if up == dir {
			return err
		}
		dir = up
	}
	for _, path := range slices.Backward(missing) {
		err := s.disk.Mkdir(path, 0o777)
		made := err == nil
		if errors.Is(err, fs.ErrExist) {
			err = nil // another process was faster
		}
		if err == nil {
			err = s.disk.SyncDir(filepath.Dir(path))
		}
		if err != nil {
			if made {
				s.disk.Remove(path) // a later call must not take it for durable
			}
			return err
		}
	}
	return nil
}

// Create begins a file.
func (s *Local) Create(ctx context.Context, name string) (Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	final := filepath.FromSlash(name)
	// Told now rather than by the rename, after hours of work.
	if fi, err := os.Stat(final); err == nil && fi.IsDir() || strings.HasSuffix(name, "/") || name == "" {
		return nil, fail("create", name, ErrIsDir)
	}
	if err := s.mkdirAll(filepath.Dir(final)); err != nil {
		return nil, err
	}
	temp := tempName(final, s.tag)
	f, err := s.disk.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	return &localWriter{disk: s.disk, f: f, temp: temp, final: final}, nil
}

// localWriter is a file under its temporary name.
type localWriter struct {
	disk        Disk
	f           File // nil once closed
	temp, final string
	err         error // of the first call that failed, or fs.ErrClosed once done
	done        bool  // committed or aborted: nothing is left to do
}

func (w *localWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.f.Write(p)
	if err == nil && n < len(p) {
		err = fail("write", w.temp, io.ErrShortWrite)
	}
	w.err = err
	return n, err
}

func (w *localWriter) Commit() error {
	if w.err != nil {
		// Done already, or a write has failed: then what is there is not the file.
		return errors.Join(w.err, w.Abort())
	}
	err := w.f.Sync()
	if closing := w.f.Close(); err == nil {
		err = closing
	}
	w.f = nil
	if err == nil {
		err = w.disk.Rename(w.temp, w.final)
	}
	if err != nil {
		w.err = err
		return errors.Join(err, w.Abort())
	}
	if err = w.disk.SyncDir(filepath.Dir(w.final)); err != nil {
		// Visible but not durable: the one state nobody may see.
		w.done, w.err = true, err
		return errors.Join(err, w.disk.Remove(w.final))
	}
	w.done, w.err = true, fail("write", w.final, fs.ErrClosed)
	return nil
}

func (w *localWriter) Abort() error {
	if w.done {
		return nil
	}
	if w.err == nil {
		w.err = fail("write", w.final, fs.ErrClosed)
	}
	var closed error // its content is not wanted, but a disk that fails is worth knowing
	if w.f != nil {
		closed = w.f.Close()
		w.f = nil
	}
	if err := w.disk.Remove(w.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(closed, err)
	}
	w.done = true
	return closed
}

// OpenLog opens the log name.
func (s *Local) OpenLog(ctx context.Context, name string) (Log, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := filepath.FromSlash(name)
	if err := s.mkdirAll(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return nil, fail("open", name, ErrIsDir)
	}
	// Not O_APPEND: Windows then refuses to truncate.
	f, err := s.disk.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	// Also where the log was there: its maker may have been killed before this.
	err = s.disk.SyncDir(filepath.Dir(path))
	var fi fs.FileInfo
	if err == nil {
		fi, err = os.Stat(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &localLog{f: f, path: path, size: fi.Size()}, nil
}

// localLog is an open log. Its size is kept here: nobody else writes to it.
type localLog struct {
	mu   sync.Mutex
	f    File
	path string
	size int64 // where the next entry begins; with err set, where the whole entries end
	err  error // of the Append that failed, until Truncate
	done bool
}

func (l *localLog) ReadAll() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return nil, fail("read", l.path, fs.ErrClosed)
	}
	return os.ReadFile(l.path)
}

func (l *localLog) Truncate(size int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return fail("truncate", l.path, fs.ErrClosed)
	}
	fi, err := os.Stat(l.path) // not l.size: the torn tail lies beyond it
	if err == nil && (size < 0 || size > fi.Size()) {
		err = fail("truncate", l.path, fmt.Errorf("to %d bytes, there are %d", size, fi.Size()))
	}
	if err != nil {
		return err // the log is as it was
	}
	err = l.f.Truncate(size)
	if err == nil {
		err = l.f.Sync()
	}
	l.err = err
	if err == nil {
		l.size = size
	}
	return err
}

func (l *localLog) Append(p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return fail("append", l.path, fs.ErrClosed)
	}
	if l.err != nil {
		return l.err
	}
	n, err := l.f.WriteAt(p, l.size)
	if err == nil && n < len(p) {
		err = fail("append", l.path, io.ErrShortWrite)
	}
	if err == nil {
		// A sync that fails may have dropped what it did not write: only a truncated log is known again.
		err = l.f.Sync()
	}
	l.err = err
	if err == nil {
		l.size += int64(n)
	}
	return err
}

func (l *localLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return nil
	}
	l.done = true
	return l.f.Close()
}

// Sweep removes temporary files in dir and below.
func (s *Local) Sweep(ctx context.Context, dir string) error {
	root := "."
	if dir != "" {
		root = filepath.FromSlash(dir)
	}
	return s.sweep(ctx, root)
}

func (s *Local) sweep(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = s.sweep(ctx, path)
		case e.Type().IsRegular() && isTemp(e.Name()):
			err = s.removeFile(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
