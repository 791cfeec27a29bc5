package storetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"curate/corpus/store"
)

// Fault is a way for an operation to fail.
type Fault int

// The faults. All but ShortWrite happen before the operation has done anything.
const (
	// ShortWrite writes the first half of the bytes and returns io.ErrShortWrite. Operations that write no
	// bytes fail as IO.
	ShortWrite Fault = iota
	// NoSpace is a full disk: ENOSPC.
	NoSpace
	// IO is a broken disk: EIO.
	IO
)

// Faults are all of them, to be ranged over.
var Faults = []Fault{ShortWrite, NoSpace, IO}

func (f Fault) String() string { return [...]string{"short write", "no space", "I/O error"}[f] }

// Faulty is a Disk over another that lets one of its operations fail. The operations, counted from 1 in the
// order in which they begin, are those that change something: mkdir, create (a file opened, new or old), write,
// sync, truncate, close, rename, syncdir. Removing is never failed and not counted: it is how a store cleans up.
// Closing closes the file in any case. Safe for any number of goroutines.
type Faulty struct {
	// Sticky lets every operation from the nth on fail: a disk that stays full. Set it before the first use.
	Sticky bool

	under store.Disk
	nth   int
	fault Fault

	mu  sync.Mutex
	ops int
	hit string
}

var _ store.Disk = (*Faulty)(nil)

// NewFaulty returns a Disk over under (nil: the operating system) whose nth operation fails with f. With nth 0
// none does: such a disk counts.
func NewFaulty(under store.Disk, nth int, f Fault) *Faulty {
	if under == nil {
		under = store.OS()
	}
	return &Faulty{under: under, nth: nth, fault: f}
}

// Ops is how many operations have begun.
func (f *Faulty) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Fired tells whether an operation was made to fail.
func (f *Faulty) Fired() bool { return f.Hit() != "" }

// Hit is the first operation that was made to fail, with the base name of its file: "sync .part.curate-tmp".
// It is empty before.
func (f *Faulty) Hit() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hit
}

// begin counts an operation and returns the error it must fail with, if any.
func (f *Faulty) begin(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops++
	if f.nth == 0 || f.ops != f.nth && !(f.Sticky && f.ops > f.nth) {
		return nil
	}
	if f.hit == "" {
		f.hit = fmt.Sprintf("%s %s", op, filepath.Base(name))
	}
	var cause error = syscall.EIO
	switch {
	case f.fault == NoSpace:
		cause = syscall.ENOSPC
	case f.fault == ShortWrite && op == "write":
		cause = io.ErrShortWrite
	}
	return &fs.PathError{Op: op, Path: name, Err: cause}
}

// OpenFile counts as create.
func (f *Faulty) OpenFile(name string, flag int, perm fs.FileMode) (store.File, error) {
	if err := f.begin("create", name); err != nil {
		return nil, err
	}
	file, err := f.under.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultyFile{disk: f, file: file, name: name}, nil
}

// Rename counts under the name it moves to.
func (f *Faulty) Rename(from, to string) error {
	if err := f.begin("rename", to); err != nil {
		err := err.(*fs.PathError)
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err.Err}
	}
	return f.under.Rename(from, to)
}

// Remove is not counted.
func (f *Faulty) Remove(name string) error { return f.under.Remove(name) }

// Mkdir counts as mkdir.
func (f *Faulty) Mkdir(name string, perm fs.FileMode) error {
	if err := f.begin("mkdir", name); err != nil {
		return err
	}
	return f.under.Mkdir(name, perm)
}

// SyncDir counts as syncdir.
func (f *Faulty) SyncDir(name string) error {
	if err := f.begin("syncdir", name); err != nil {
		return err
	}
	return f.under.SyncDir(name)
}

type faultyFile struct {
	disk *Faulty
	file store.File
	name string
}

func (f *faultyFile) write(p []byte, write func([]byte) (int, error)) (int, error) {
	err := f.disk.begin("write", f.name)
	if err == nil {
		return write(p)
	}
	if f.disk.fault != ShortWrite {
		return 0, err
	}
	n, under := write(p[:len(p)/2])
	if under != nil {
		err = under
	}
	return n, err
}

func (f *faultyFile) Write(p []byte) (int, error) { return f.write(p, f.file.Write) }

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	return f.write(p, func(p []byte) (int, error) { return f.file.WriteAt(p, off) })
}

func (f *faultyFile) Sync() error {
	if err := f.disk.begin("sync", f.name); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.disk.begin("truncate", f.name); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func (f *faultyFile) Close() error {
	err := f.disk.begin("close", f.name)
	return errors.Join(err, f.file.Close())
}
