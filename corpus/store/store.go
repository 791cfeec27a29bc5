// Package store is where every byte that must survive a crash is written: parts, journals, manifests,
// sealed runs. Nothing else in the module renames, syncs or appends, so that a test with a failing disk
// sees every write.
//
// A Store holds named files. A file appears whole or not at all (Create, Commit), or grows by whole durable
// entries (OpenLog, Append). Local keeps them on the file system; below it is Disk, the few operations it
// asks of the operating system. Stores elsewhere are in folders of their own (s3, hf); urls has one for every name that a
// user may write. Package storetest holds the contract as a suite and a Disk that fails on purpose. Read Store first,
// then local.go.
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// PartSize is how many bytes of a file that is written to a server are sent at once. While one part is filled another may be on its way, so
// that an open file holds two; one that stays short holds less.
const PartSize = 8 << 20

// ErrIsDir is what Stat, Open, Create and OpenLog return (wrapped) for a name that is a folder.
var ErrIsDir = errors.New("is a directory")

// ErrChanged is what a reader returns (wrapped) when the file is no longer the one that it began to read.
var ErrChanged = errors.New("the file changed while it was read")

// Info describes a stored file.
type Info struct {
	Name    string    // as it was asked for; from List: below the dir that was asked for
	Size    int64     // bytes; -1 for what has no size, such as a pipe or a terminal
	ModTime time.Time // of the last write, as exact as the store keeps it
	// Version stands for the content, where the store has such a thing: an ETag, a digest. Then size and Version are the
	// file's identity, and ModTime only informs. "" for files of a disk.
	Version string
}

// Store is a set of named files.
//
// Names are slash-separated paths as the user wrote them: for Local absolute or relative to the working
// directory, on every system with "/". Nothing is cleaned or resolved in the names handed back.
//
// Any method may be called from any goroutine at any time. Two writers of one name at once, or two open logs
// of one name, are a bug of the caller: they share a temporary file and the result is undefined. Who may
// write where is settled above the store (a lock on the run directory, deterministic names a rank).
//
// Errors name the operation and the file and keep their cause: errors.Is(err, fs.ErrNotExist) is an absent
// file, fs.ErrPermission a forbidden one, syscall.ENOSPC a full disk. Every other error means that the store
// cannot do its work now; a caller gives up or tries again later, it never carries on as if nothing was.
// A cancelled ctx ends a call with ctx.Err() where the store can be interrupted; it never leaves half a file.
type Store interface {
	// Stat describes the file name. A folder is ErrIsDir, absence fs.ErrNotExist.
	Stat(ctx context.Context, name string) (Info, error)

	// List returns the regular files in dir and below, sorted bytewise by name, each name prefixed with dir
	// and a slash ("raw" and "raw/" both give "raw/x"; "" gives "x"). Files whose Commit has not returned are not
	// listed; every other name is, those beginning with "." or "_" too. An absent dir is fs.ErrNotExist. A
	// listing may be stale where storage is: correctness must not rest on it.
	List(ctx context.Context, dir string) ([]Info, error)

	// Open reads name from byte offset on; beyond the end it reads as empty. An offset other than 0 needs
	// something that can be sought in: not a pipe. The caller closes the reader, which is for one goroutine; where it waits
	// for a server it ends with ctx.
	Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error)

	// OpenAt opens name for reading at any place, from any number of goroutines, and says its size. Something that
	// has no size is an error. The caller closes it; ctx is for the call alone.
	OpenAt(ctx context.Context, name string) (ReaderAt, int64, error)

	// Create begins the file name, making missing folders. Nothing is visible under name before Commit has
	// succeeded; an older file of that name stays until then. The caller ends with Commit or Abort. ctx is for the call
	// alone: a file that was begun can be brought to its end after it.
	Create(ctx context.Context, name string) (Writer, error)

	// Remove deletes the file name. An absent file is no error. The removal need not survive a crash.
	Remove(ctx context.Context, name string) error

	// OpenLog opens the log name for appending, and creates it, durably, if it is absent.
	OpenLog(ctx context.Context, name string) (Log, error)

	// Scratch is a view of the same store for files that nobody wants any more after a power cut: Commit and Append
	// return without waiting for the medium, where that makes a difference.
	Scratch() Store

	// Sweep removes, in dir and below, what Create left when its process was killed: temporary files, whose
	// names begin with "."; uploads that nobody can still be at. No writer may be at work there. An absent dir is no error. Links are not followed.
	Sweep(ctx context.Context, dir string) error
}

// Syncer is a store in which what was written by its Scratch can be made durable later, many files at once.
type Syncer interface {
	Store
	// Sync makes files durable that a Writer of Scratch has committed, and their names. An absent one is an error.
	Sync(ctx context.Context, names ...string) error
}

// Sharable is a store that several processes may write to at once.
type Sharable interface {
	Store
	// Shared returns a store for one of several processes that may write the same file at the same time, each the same
	// bytes: whoever commits last is the one whose file stays. tag is the process's own name. Logs are not for sharing.
	Shared(tag string) Store
}

// ReaderAt is an open file.
type ReaderAt interface {
	io.ReaderAt
	io.Closer
}

// Writer writes one file that appears whole or not at all. It is for one goroutine.
type Writer interface {
	// Write appends to the file. After an error only Abort is useful.
	io.Writer

	// Commit makes the file durable and visible under its name, in that order, replacing an older one. When
	// it returns nil both survive a power cut. When it fails nothing of this writer is left under the name
	// (an older file may be gone, too) and the call need not be followed by Abort. One exception is beyond a store's
	// reach: where the answer of a server was lost, the whole file may be there.
	Commit() error

	// Abort gives the file up and removes what was written. After Commit, or a second time, it does nothing.
	Abort() error
}

// Log is an append-only file of small entries, such as a journal. It knows nothing of where an entry ends:
// its owner frames entries, finds a torn tail by reading, and cuts it before the first Append. Its methods may
// be called from any goroutine; entries are then in the order in which Append was granted.
type Log interface {
	// ReadAll returns the whole log, a torn tail included. The caller owns the slice.
	ReadAll() ([]byte, error)

	// Truncate durably cuts the log to size bytes, and allows Append again after an error. A size below 0 or
	// beyond the end is an error.
	Truncate(size int64) error

	// Append adds p at the end; p is not kept. When it returns nil, p is whole and durable. After an error
	// the tail may hold any part of p, and further Appends return that error until Truncate has succeeded.
	Append(p []byte) error

	// Close releases the log. Nothing is written by it: what was appended is already durable.
	Close() error
}
