// Package storetest holds the contract of a store.Store as a test suite, which every implementation runs, and
// Faulty, a disk that fails on purpose, for tests of whatever writes through store.Local; and Memory, a store without a disk.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"curate/corpus/store"
)

// Store runs the contract on the stores that open returns, a fresh one for each case, with the name of an empty
// or absent folder in it, which the case owns.
func Store(t *testing.T, open func(t *testing.T) (s store.Store, root string)) {
	cases := []struct {
		name string
		run  func(t *testing.T, s store.Store, root string)
	}{
		{"file", file},
		{"invisible before Commit", invisible},
		{"abort", abort},
		{"replace", replace},
		{"writer after its end", ended},
		{"absent", absent},
		{"folder", folder},
		{"offset", offset},
		{"list", listing},
		{"sweep", sweep},
		{"log", log},
		{"log with a torn tail", torn},
		{"log after its end", logEnded},
		{"cancelled", cancelled},
		{"many goroutines", many},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, root := open(t)
			c.run(t, s, root)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, s store.Store, name string) store.Writer {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	must(t, err)
	return w
}

func put(t *testing.T, s store.Store, name, content string) {
	t.Helper()
	w := create(t, s, name)
	_, err := io.WriteString(w, content)
	must(t, err)
	must(t, w.Commit())
}

// read returns the content of name, and false if it is absent.
func read(t *testing.T, s store.Store, name string, offset int64) (string, bool) {
	t.Helper()
	r, err := s.Open(t.Context(), name, offset)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	must(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	must(t, err)
	return string(b), true
}

func want(t *testing.T, s store.Store, name, content string) {
	t.Helper()
	if got, ok := read(t, s, name, 0); !ok || got != content {
		t.Errorf("%s holds %q (%v), want %q", name, got, ok, content)
	}
}

func wantAbsent(t *testing.T, s store.Store, name string) {
	t.Helper()
	if got, ok := read(t, s, name, 0); ok {
		t.Errorf("%s holds %q, want no such file", name, got)
	}
	if _, err := s.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat %s: %v, want fs.ErrNotExist", name, err)
	}
}

func names(t *testing.T, s store.Store, dir string) []string {
	t.Helper()
	infos, err := s.List(t.Context(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(t, err)
	var out []string
	for _, i := range infos {
		out = append(out, i.Name)
	}
	return out
}

func file(t *testing.T, s store.Store, root string) {
	for _, content := range []string{"", "a", "two\nlines\n", string(bytes.Repeat([]byte{0, 255}, 100_000))} {
		put(t, s, root+"/a/b/c", content)
		want(t, s, root+"/a/b/c", content)
		info, err := s.Stat(t.Context(), root+"/a/b/c")
		must(t, err)
		if info.Name != root+"/a/b/c" || info.Size != int64(len(content)) {
			t.Errorf("Stat says %+v of %d bytes", info, len(content))
		}
		if age := time.Since(info.ModTime); age < -time.Hour || age > time.Hour {
			t.Errorf("Stat says written at %v", info.ModTime)
		}
	}
	must(t, s.Remove(t.Context(), root+"/a/b/c"))
	wantAbsent(t, s, root+"/a/b/c")
}

func invisible(t *testing.T, s store.Store, root string) {
	w := create(t, s, root+"/x")
	_, err := io.WriteString(w, "half")
	must(t, err)
	wantAbsent(t, s, root+"/x")
	if got := names(t, s, root); len(got) != 0 {
		t.Errorf("listed before Commit: %q", got)
	}
	_, err = io.WriteString(w, " and half")
	must(t, err)
	must(t, w.Commit())
	want(t, s, root+"/x", "half and half")
	if got := names(t, s, root); !slices.Equal(got, []string{root + "/x"}) {
		t.Errorf("listed after Commit: %q", got)
	}
}

func abort(t *testing.T, s store.Store, root string) {
	put(t, s, root+"/old", "old")
	for _, name := range []string{"old", "new"} {
		w := create(t, s, root+"/"+name)
		_, err := io.WriteString(w, "given up")
		must(t, err)
		must(t, w.Abort())
		must(t, w.Abort())
		if err := w.Commit(); err == nil {
			t.Error("Commit after Abort: no error")
		}
	}
	want(t, s, root+"/old", "old")
	wantAbsent(t, s, root+"/new")
}

func replace(t *testing.T, s store.Store, root string) {
	put(t, s, root+"/x", "the older and longer one")
	w := create(t, s, root+"/x")
	_, err := io.WriteString(w, "newer")
	must(t, err)
	want(t, s, root+"/x", "the older and longer one")
	must(t, w.Commit())
	want(t, s, root+"/x", "newer")
}

func ended(t *testing.T, s store.Store, root string) {
	w := create(t, s, root+"/x")
	_, err := io.WriteString(w, "done")
	must(t, err)
	must(t, w.Commit())
	must(t, w.Abort()) // deferred by callers
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("Write after Commit: no error")
	}
	if err := w.Commit(); err == nil {
		t.Error("second Commit: no error")
	}
	must(t, w.Abort())
	want(t, s, root+"/x", "done")
}

func absent(t *testing.T, s store.Store, root string) {
	put(t, s, root+"/x", "x")
	wantAbsent(t, s, root+"/y")
	wantAbsent(t, s, root+"/y/z")
	if _, err := s.List(t.Context(), root+"/y"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List: %v, want fs.ErrNotExist", err)
	}
	must(t, s.Remove(t.Context(), root+"/y"))
	must(t, s.Remove(t.Context(), root+"/y/z"))
	must(t, s.Sweep(t.Context(), root+"/y"))
}

// folder: a store without folders may say that they are absent, but never that they are files.
func folder(t *testing.T, s store.Store, root string) {
	put(t, s, root+"/d/x", "x")
	ok := func(err error) bool { return errors.Is(err, store.ErrIsDir) || errors.Is(err, fs.ErrNotExist) }
	if _, err := s.Stat(t.Context(), root+"/d"); !ok(err) {
		t.Errorf("Stat: %v", err)
	}
	if r, err := s.Open(t.Context(), root+"/d", 0); !ok(err) {
		t.Errorf("Open: %v", err)
		if err == nil {
			r.Close()
		}
	}
	if r, _, err := s.OpenAt(t.Context(), root+"/d"); !ok(err) {
		t.Errorf("OpenAt: %v", err)
		if err == nil {
			r.Close()
		}
	}
	if err := s.Remove(t.Context(), root+"/d"); err == nil {
		want(t, s, root+"/d/x", "x")
	}
}

func offset(t *testing.T, s store.Store, root string) {
	put(t, s, root+"/x", "0123456789")
	for off, content := range map[int64]string{0: "0123456789", 1: "123456789", 9: "9", 10: "", 11: "", 1 << 40: ""} {
		if got, _ := read(t, s, root+"/x", off); got != content {
			t.Errorf("from %d: %q, want %q", off, got, content)
		}
	}
	if r, err := s.Open(t.Context(), root+"/x", -1); err == nil {
		r.Close()
		t.Error("Open at -1: no error")
	}
	f, size, err := s.OpenAt(t.Context(), root+"/x")
	must(t, err)
	defer f.Close()
	if size != 10 {
		t.Errorf("OpenAt: size %d, want 10", size)
	}
	for off := range int64(12) {
		b := make([]byte, 3)
		n, err := f.ReadAt(b, off)
		want := "0123456789"[min(off, 10):min(off+3, 10)]
		if string(b[:n]) != want || (err == nil) != (n == 3) || err != nil && err != io.EOF {
			t.Errorf("ReadAt %d: %q, %v, want %q", off, b[:n], err, want)
		}
	}
}

func listing(t *testing.T, s store.Store, root string) {
	// "a-b" is before "a/b" bytewise, and after it folder by folder.
	rel := []string{"B", "_x", ".hidden", "a-b", "a/b", "a/c/d", "a/c0", "a.x", "é", "z"}
	for _, name := range rel {
		put(t, s, root+"/"+name, name)
	}
	slices.Sort(rel)
	for _, dir := range []string{root, root + "/"} {
		infos, err := s.List(t.Context(), dir)
		must(t, err)
		if len(infos) != len(rel) {
			t.Fatalf("List %s: %d files, want %d: %v", dir, len(infos), len(rel), infos)
		}
		for i, info := range infos {
			if info.Name != root+"/"+rel[i] || info.Size != int64(len(rel[i])) {
				t.Errorf("List %s: %+v, want %s of %d bytes", dir, info, root+"/"+rel[i], len(rel[i]))
			}
		}
	}
	if got := names(t, s, root+"/a"); !slices.Equal(got, []string{root + "/a/b", root + "/a/c/d", root + "/a/c0"}) {
		t.Errorf("List a: %q", got)
	}
}

// sweep: the writers here are not ended, as if their process had been killed.
func sweep(t *testing.T, s store.Store, root string) {
	put(t, s, root+"/x", "x")
	put(t, s, root+"/.mine", "a name that begins with a dot")
	for _, name := range []string{"x", "y", "d/z"} {
		w := create(t, s, root+"/"+name)
		_, err := io.WriteString(w, "left behind, and longer than what follows")
		must(t, err)
	}
	// Whoever writes the same name next is not disturbed by what was left.
	put(t, s, root+"/y", "y")
	want(t, s, root+"/y", "y")
	must(t, s.Sweep(t.Context(), root))
	want(t, s, root+"/x", "x")
	want(t, s, root+"/y", "y")
	want(t, s, root+"/.mine", "a name that begins with a dot")
	wantAbsent(t, s, root+"/d/z")
	must(t, s.Sweep(t.Context(), root))
}

func openLog(t *testing.T, s store.Store, name string) store.Log {
	t.Helper()
	l, err := s.OpenLog(t.Context(), name)
	must(t, err)
	return l
}

func wantLog(t *testing.T, l store.Log, content string) {
	t.Helper()
	got, err := l.ReadAll()
	must(t, err)
	if string(got) != content {
		t.Errorf("the log holds %q, want %q", got, content)
	}
}

func log(t *testing.T, s store.Store, root string) {
	l := openLog(t, s, root+"/d/log")
	wantLog(t, l, "")
	must(t, l.Append([]byte("one ")))
	must(t, l.Append(nil))
	must(t, l.Append([]byte("two ")))
	wantLog(t, l, "one two ")
	want(t, s, root+"/d/log", "one two ")
	must(t, l.Close())
	l = openLog(t, s, root+"/d/log")
	must(t, l.Append([]byte("three")))
	wantLog(t, l, "one two three")
	must(t, l.Close())
}

func torn(t *testing.T, s store.Store, root string) {
	put(t, s, root+"/log", "whole|tor")
	l := openLog(t, s, root+"/log")
	wantLog(t, l, "whole|tor")
	for _, size := range []int64{-1, 10} {
		if err := l.Truncate(size); err == nil {
			t.Errorf("Truncate(%d) of 9 bytes: no error", size)
		}
	}
	wantLog(t, l, "whole|tor")
	must(t, l.Truncate(9))
	must(t, l.Truncate(6))
	wantLog(t, l, "whole|")
	must(t, l.Append([]byte("next|")))
	wantLog(t, l, "whole|next|")
	must(t, l.Close())
	want(t, s, root+"/log", "whole|next|")
}

func logEnded(t *testing.T, s store.Store, root string) {
	l := openLog(t, s, root+"/log")
	must(t, l.Append([]byte("x")))
	must(t, l.Close())
	must(t, l.Close())
	if l.Append([]byte("y")) == nil || l.Truncate(0) == nil {
		t.Error("a closed log was written to")
	}
	if _, err := l.ReadAll(); err == nil {
		t.Error("a closed log was read")
	}
	want(t, s, root+"/log", "x")
}

func cancelled(t *testing.T, s store.Store, root string) {
	put(t, s, root+"/x", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"Stat":    func() error { _, err := s.Stat(ctx, root+"/x"); return err },
		"List":    func() error { _, err := s.List(ctx, root); return err },
		"Open":    func() error { _, err := s.Open(ctx, root+"/x", 0); return err },
		"OpenAt":  func() error { _, _, err := s.OpenAt(ctx, root+"/x"); return err },
		"Create":  func() error { _, err := s.Create(ctx, root+"/y"); return err },
		"Remove":  func() error { return s.Remove(ctx, root+"/x") },
		"OpenLog": func() error { _, err := s.OpenLog(ctx, root+"/l"); return err },
		"Sweep":   func() error { return s.Sweep(ctx, root) },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	want(t, s, root+"/x", "x")
	wantAbsent(t, s, root+"/y")
	wantAbsent(t, s, root+"/l")
}

// many: writers in one new folder, readers of what is there, and one log.
func many(t *testing.T, s store.Store, root string) {
	const n = 8
	l := openLog(t, s, root+"/log")
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprintf("%s/d/e/%d", root, i)
			w, err := s.Create(t.Context(), name)
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(w, name)
			if err := w.Commit(); err != nil {
				t.Error(err)
			}
			if got, _ := read(t, s, name, 0); got != name {
				t.Errorf("%s holds %q", name, got)
			}
			if err := l.Append([]byte("entry;")); err != nil {
				t.Error(err)
			}
			if _, err := s.List(t.Context(), root); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantLog(t, l, string(bytes.Repeat([]byte("entry;"), n)))
	must(t, l.Close())
	if got := names(t, s, root+"/d"); len(got) != n {
		t.Errorf("listed %q", got)
	}
}
