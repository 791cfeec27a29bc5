package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// Disk is all that Local asks of the operating system to change what is stored, so that a test can watch every
// step and let any one fail. Reading goes to package os directly. Names are in the system's own form, errors are
// those of package os. Any method may be called from any goroutine.
type Disk interface {
	// OpenFile opens a file for writing, as os.OpenFile.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Rename moves a file within its folder, over an older one.
	Rename(from, to string) error
	// Remove deletes a file or an empty folder.
	Remove(name string) error
	// Mkdir makes one folder.
	Mkdir(name string, perm fs.FileMode) error
	// SyncDir makes the entries of a folder durable: files created in it, renamed, removed.
	SyncDir(name string) error
}

// File is a file open for writing. It is for one goroutine.
type File interface {
	io.Writer
	io.WriterAt
	// Sync makes content and size durable.
	Sync() error
	Truncate(size int64) error
	Close() error
}

// OS is the Disk of the operating system.
func OS() Disk { return osDisk{} }

type osDisk struct{}

func (osDisk) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // not f: a nil *os.File in a File is not nil
	}
	return f, nil
}

func (osDisk) Rename(from, to string) error              { return os.Rename(from, to) }
func (osDisk) Remove(name string) error                  { return os.Remove(name) }
func (osDisk) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(name, perm) }

// SyncDir does nothing on Windows, where a folder cannot be flushed and the file system journals its entries.
// Some file systems (FUSE, network) have nothing to sync and say so with EINVAL or ENOTSUP: more cannot be done.
func (osDisk) SyncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	for _, none := range []error{syscall.EINVAL, syscall.ENOTSUP, syscall.EOPNOTSUPP} {
		if errors.Is(err, none) {
			return nil
		}
	}
	return err
}

// unsynced is a Disk that leaves the moment of writing to the system.
type unsynced struct{ Disk }

type unsyncedFile struct{ File }

func (d unsynced) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

func (unsynced) SyncDir(string) error { return nil }
func (unsyncedFile) Sync() error      { return nil }
