package storetest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
)

func TestLocal(t *testing.T) {
	storetest.Store(t, func(t *testing.T) (store.Store, string) {
		return store.NewLocal(nil), filepath.ToSlash(t.TempDir())
	})
}

func TestMemory(t *testing.T) {
	storetest.Store(t, func(*testing.T) (store.Store, string) { return storetest.NewMemory(), "root" })
}

// A store whose files others write, too, is no different for one of them.
func TestShared(t *testing.T) {
	storetest.Store(t, func(t *testing.T) (store.Store, string) {
		return store.NewLocal(nil).Shared("tag"), filepath.ToSlash(t.TempDir())
	})
}

// A disk that counts and does not fail is no different.
func TestLocalOnFaulty(t *testing.T) {
	storetest.Store(t, func(t *testing.T) (store.Store, string) {
		return store.NewLocal(storetest.NewFaulty(nil, 0, storetest.IO)), filepath.ToSlash(t.TempDir())
	})
}

// eachFault runs use on a disk whose nth operation fails, for every nth that use gets to and every fault, once
// and for good. use tells whether anything told it of an error; check looks at the folder with a sound disk.
func eachFault(t *testing.T, use func(s store.Store, dir string) error, check func(t *testing.T, dir string, err error)) (hits []string) {
	for _, fault := range storetest.Faults {
		for _, sticky := range []bool{false, true} {
			for nth := 1; ; nth++ {
				disk := storetest.NewFaulty(nil, nth, fault)
				disk.Sticky = sticky
				dir := filepath.ToSlash(t.TempDir())
				err := use(store.NewLocal(disk), dir)
				if !disk.Fired() {
					if err != nil {
						t.Fatalf("without a fault: %v", err)
					}
					break
				}
				hits = append(hits, disk.Hit())
				t.Run(fmt.Sprintf("%v at %d, %s, sticky %v", fault, nth, disk.Hit(), sticky), func(t *testing.T) {
					if err == nil {
						t.Fatal("the fault went unnoticed")
					}
					cause := map[storetest.Fault][]error{
						storetest.ShortWrite: {io.ErrShortWrite, syscall.EIO},
						storetest.NoSpace:    {syscall.ENOSPC},
						storetest.IO:         {syscall.EIO},
					}[fault]
					if !slices.ContainsFunc(cause, func(c error) bool { return errors.Is(err, c) }) {
						t.Errorf("the error hides its cause: %v", err)
					}
					check(t, dir, err)
				})
			}
		}
	}
	return hits
}

// tree is every file below dir, temporary ones included.
func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Whatever fails, a file is whole or absent, and an error is told.
func TestFaultyCreate(t *testing.T) {
	write := func(s store.Store, dir string) error {
		w, err := s.Create(t.Context(), dir+"/a/b/part")
		if err != nil {
			return err
		}
		defer w.Abort()
		for range 3 {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
				return err
			}
		}
		return w.Commit()
	}
	hits := eachFault(t, write, func(t *testing.T, dir string, err error) {
		if files := tree(t, dir); len(files) != 0 {
			t.Errorf("after %v these are left: %q", err, files)
		}
		if err := write(store.NewLocal(nil), dir); err != nil {
			t.Errorf("again on a sound disk: %v", err)
		}
		if b, err := os.ReadFile(dir + "/a/b/part"); err != nil || len(b) != 3000 {
			t.Errorf("again on a sound disk: %d bytes, %v", len(b), err)
		}
	})
	for _, op := range []string{"mkdir a", "mkdir b", "create .part.curate-tmp", "write .part.curate-tmp", "sync .part.curate-tmp",
		"close .part.curate-tmp", "rename part", "syncdir a", "syncdir b"} {
		if !slices.Contains(hits, op) {
			t.Errorf("%q was never failed; these were: %q", op, hits)
		}
	}
}

// A caller that does not heed an error of Write gets it again from Commit.
func TestFaultyWriteUnheeded(t *testing.T) {
	eachFault(t, func(s store.Store, dir string) error {
		w, err := s.Create(t.Context(), dir+"/part")
		if err != nil {
			return err
		}
		io.WriteString(w, "one")
		io.WriteString(w, "two")
		return w.Commit()
	}, func(t *testing.T, dir string, err error) {
		if files := tree(t, dir); len(files) != 0 {
			t.Errorf("after %v these are left: %q", err, files)
		}
	})
}

// An older file survives every fault before the rename.
func TestFaultyReplace(t *testing.T) {
	eachFault(t, func(s store.Store, dir string) error {
		if err := os.WriteFile(dir+"/part", []byte("old"), 0o666); err != nil {
			t.Fatal(err)
		}
		w, err := s.Create(t.Context(), dir+"/part")
		if err != nil {
			return err
		}
		defer w.Abort()
		if _, err := io.WriteString(w, "newer"); err != nil {
			return err
		}
		return w.Commit()
	}, func(t *testing.T, dir string, err error) {
		b, reading := os.ReadFile(dir + "/part")
		if strings.Contains(t.Name(), "syncdir") {
			if reading == nil {
				t.Errorf("%q is visible and may not be durable", b)
			}
		} else if reading != nil || string(b) != "old" {
			t.Errorf("the older file holds %q, %v", b, reading)
		}
	})
}

// A log after a fault holds the entries that were acknowledged, in order, and then a part of the one that was
// not. Truncate cuts that, and the log goes on.
func TestFaultyLog(t *testing.T) {
	entries := []string{"first|", "second|", "third|"}
	var acknowledged string
	var log store.Log
	hits := eachFault(t, func(s store.Store, dir string) error {
		acknowledged, log = "", nil
		l, err := s.OpenLog(t.Context(), dir+"/d/log")
		if err != nil {
			return err
		}
		log = l
		for _, e := range entries {
			if err := l.Append([]byte(e)); err != nil {
				again := l.Append([]byte("must be refused"))
				if again == nil {
					t.Error("an Append after one that failed was not refused")
				}
				return err
			}
			acknowledged += e
		}
		return l.Truncate(int64(len(acknowledged)))
	}, func(t *testing.T, dir string, _ error) {
		sound := store.NewLocal(nil)
		if log == nil { // could not be opened
			if l, err := sound.OpenLog(t.Context(), dir+"/d/log"); err != nil {
				t.Error(err)
			} else {
				log = l
			}
		}
		b, err := log.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.Join(entries, "")
		if got := string(b); !strings.HasPrefix(got, acknowledged) || !strings.HasPrefix(whole, got) {
			t.Fatalf("the log holds %q, acknowledged were %q", got, acknowledged)
		}
		if err := log.Truncate(int64(len(acknowledged))); err != nil {
			if strings.Contains(t.Name(), "sticky false") {
				t.Errorf("Truncate: %v", err)
			}
			// The disk stays broken: the next run opens the log.
			log.Close()
			if log, err = sound.OpenLog(t.Context(), dir+"/d/log"); err != nil {
				t.Fatal(err)
			}
			if err := log.Truncate(int64(len(acknowledged))); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Append([]byte("last")); err != nil && strings.Contains(t.Name(), "sticky false") {
			t.Fatal(err)
		} else if err == nil {
			if b, _ := os.ReadFile(dir + "/d/log"); string(b) != acknowledged+"last" {
				t.Errorf("the log goes on as %q after %q", b, acknowledged)
			}
		}
		log.Close()
	})
	for _, op := range []string{"mkdir d", "create log", "write log", "sync log", "truncate log", "syncdir d"} {
		if !slices.Contains(hits, op) {
			t.Errorf("%q was never failed; these were: %q", op, hits)
		}
	}
}
