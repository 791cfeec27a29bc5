package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
)

// otherLog is the log of a memory that is only read.
type otherLog struct {
	name string
	f    file
	base int64 // where it begins, as refs count
	end  int64 // of what is read of it: what its owner writes afterwards is not seen
}

// LogName is the file of a memory's folder that holds its entries.
const LogName = "memory.log"

// Folders are the memories that dir holds: itself, if it is one, and the folders in it that are, sorted bytewise. So ranks that
// have a memory each, side by side in one folder, are read by that folder's name.
func Folders(dir string) ([]string, error) {
	list := []string{}
	is := func(dir string) (bool, error) {
		st, err := os.Stat(filepath.Join(dir, LogName))
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return err == nil && st.Mode().IsRegular(), err
	}
	own, err := is(dir)
	if err != nil {
		return nil, err
	}
	if own {
		list = append(list, dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries { // sorted
		name := filepath.Join(dir, e.Name())
		if st, err := os.Stat(name); err != nil || !st.IsDir() { // a link to a folder is one
			continue
		}
		there, err := is(name)
		if err != nil {
			return nil, err
		}
		if there {
			list = append(list, name)
		}
	}
	return list, nil
}

// better says whether of two answers to one question that stand in different memories the first is taken: one that has not failed,
// and of two the bytewise smaller one. So it does not matter who asked first, or how many ranks did.
func better(a []byte, aFailed bool, b []byte, bFailed bool) bool {
	if aFailed != bFailed {
		return bFailed
	}
	return bytes.Compare(a, b) < 0
}

// loadOthers reads the logs of the memories in folders into the index. They are read in the order of their names, each once.
func (s *Store) loadOthers(ctx context.Context, folders []string, note func(string)) error {
	folders = slices.Clone(folders)
	for i, dir := range folders {
		folders[i] = filepath.Clean(dir)
	}
	slices.Sort(folders)
	for _, dir := range slices.Compact(folders) {
		name := filepath.Join(dir, LogName)
		if name == s.name {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		o := otherLog{name: name, f: readOnly{osFile{f}}, base: s.base}
		s.others = append(s.others, o)
		end, size, err := openLog(ctx, o.f, name, s.coder, func(at int64, block []byte) error { return s.enter(o.base, at, block) })
		if err != nil {
			return err
		}
		if end < size {
			note(fmt.Sprintf("%s: the last %d bytes, behind byte %d, are not whole: they are still being written, or a crash has left them; they are not read", name, size-end, end))
		}
		s.others[len(s.others)-1].end = end
		if s.base += end; s.base > maxFileSize {
			return fmt.Errorf("%s: with the translation memories before it, more than %d bytes", name, int64(maxFileSize))
		}
	}
	return nil
}

// logAt is the log that has the offset at, as refs count, and the offset in it.
func (s *Store) logAt(at int64) (f file, name string, offset int64) {
	if at >= s.base {
		return s.f, s.name, at - s.base
	}
	// The last one that begins at it or before: none is empty, since each has a header.
	o := &s.others[sort.Search(len(s.others), func(i int) bool { return s.others[i].base > at })-1]
	return o.f, o.name, at - o.base
}

func (s *Store) closeOthers() error {
	var errs []error
	for i := range s.others {
		errs = append(errs, s.others[i].f.Close())
	}
	s.others = nil
	return errors.Join(errs...)
}

// readOnly is the file of another process: nothing is written to it, not even a header.
type readOnly struct{ osFile }

func (readOnly) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (readOnly) Truncate(int64) error                   { return nil }
func (readOnly) Sync() error                            { return nil }
