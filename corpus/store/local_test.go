package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func put(t *testing.T, s Store, name, content string) {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, s Store, dir string) (out []string) {
	t.Helper()
	infos, err := s.List(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		out = append(out, i.Name)
	}
	return out
}

// The contract is in storetest; here is what is so on a file system only.

func TestNamesAsWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	s := NewLocal(nil)
	put(t, s, "top", "")
	put(t, s, "raw/eu/x", "")
	for dir, want := range map[string][]string{
		"":          {"raw/eu/x", "top"},
		".":         {"./raw/eu/x", "./top"},
		"./":        {"./raw/eu/x", "./top"},
		"raw":       {"raw/eu/x"},
		"raw//":     {"raw/eu/x"},
		"./raw/":    {"./raw/eu/x"},
		"raw/../ra": nil,
	} {
		if want == nil {
			if _, err := s.List(t.Context(), dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("List %q: %v", dir, err)
			}
		} else if got := names(t, s, dir); !slices.Equal(got, want) {
			t.Errorf("List %q: %q, want %q", dir, got, want)
		}
	}
	if _, err := s.List(t.Context(), "top"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List of a file: %v", err)
	}
	for _, name := range []string{"", "raw", "raw/", "new/"} {
		if w, err := s.Create(t.Context(), name); !errors.Is(err, ErrIsDir) {
			t.Errorf("Create %q: %v", name, err)
			if err == nil {
				w.Abort()
			}
		}
	}
	if _, err := s.Create(t.Context(), "top/x"); err == nil || !strings.Contains(err.Error(), "top") {
		t.Errorf("Create below a file: %v", err)
	}
	if _, err := s.OpenLog(t.Context(), "raw"); !errors.Is(err, ErrIsDir) {
		t.Errorf("OpenLog of a folder: %v", err)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	dir := t.TempDir()
	// What the system gives a file and a folder of ours, whatever the umask of whoever runs this.
	plain, err := os.OpenFile(dir+"/plain", os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	plain.Close()
	if err := os.Mkdir(dir+"/plaindir", 0o777); err != nil {
		t.Fatal(err)
	}
	s := NewLocal(nil)
	put(t, s, dir+"/d/part", "x")
	l, err := s.OpenLog(t.Context(), dir+"/d/log")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	mode := func(name string) fs.FileMode {
		fi, err := os.Stat(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return fi.Mode()
	}
	for got, want := range map[string]string{"d/part": "plain", "d/log": "plain", "d": "plaindir"} {
		if mode(got) != mode(want) {
			t.Errorf("%s has mode %v, want %v", got, mode(got), mode(want))
		}
	}
}

func TestTemporaryName(t *testing.T) {
	dir := t.TempDir()
	s := NewLocal(nil)
	w, err := s.Create(t.Context(), dir+"/part.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(dir, ".part.jsonl.zst.curate-tmp")
	if _, err := os.Stat(temp); err != nil {
		t.Error(err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(temp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Abort: %v", err)
	}
	for base, want := range map[string]bool{
		".x.curate-tmp": true, "x.curate-tmp": false, ".curate-tmp": false, "..curate-tmp": false, ".x": false, ".x.curate-tmp.gz": false,
	} {
		if isTemp(base) != want {
			t.Errorf("isTemp(%q) = %v", base, !want)
		}
	}
}

// TestSharedWriters: two processes that write one file at once have an unfinished file each.
func TestSharedWriters(t *testing.T) {
	dir := t.TempDir()
	a, b := NewLocal(nil).Shared("a"), NewLocal(nil).Shared("b")
	first, err := a.Create(t.Context(), dir+"/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(first, "wh"); err != nil {
		t.Fatal(err)
	}
	put(t, b, dir+"/x", "whole")
	if got, err := os.ReadFile(dir + "/x"); string(got) != "whole" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := io.WriteString(first, "ole"); err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(dir + "/x"); string(got) != "whole" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := b.Scratch().Create(t.Context(), dir+"/killed"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + "/.killed.b.curate-tmp"); err != nil {
		t.Error(err)
	}
	if err := a.Sweep(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if got := names(t, a, dir); !slices.Equal(got, []string{dir + "/x"}) {
		t.Errorf("%v are left", got)
	}
}

func TestLinks(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	s := NewLocal(nil)
	put(t, s, dir+"/blobs/1", "one")
	put(t, s, dir+"/raw/plain", "")
	for name, target := range map[string]string{"/raw/file": "../blobs/1", "/raw/sub": "../blobs", "/raw/loop": "..", "/link": "raw"} {
		if err := os.Symlink(target, dir+name); err != nil {
			if runtime.GOOS != "windows" { // where links need a privilege
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	want := []string{"/file", "/loop/blobs/1", "/plain", "/sub/1"}
	for _, root := range []string{"/raw", "/link"} {
		var got []string
		for _, n := range names(t, s, dir+root) {
			// Below loop all is there once more, to the next loop.
			if n = strings.TrimPrefix(n, dir+root); !strings.HasPrefix(n, "/loop/") || n == "/loop/blobs/1" {
				got = append(got, n)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("List %s: %q, want %q", root, got, want)
		}
	}
	// Sweep stays in its folder.
	w, err := s.Create(t.Context(), dir+"/blobs/2")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), dir+"/raw"); err != nil {
		t.Error(err)
	}
	if err := w.Commit(); err != nil {
		t.Errorf("swept through a link: %v", err)
	}
	if err := os.Symlink("nowhere", dir+"/raw/dangling"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(t.Context(), dir+"/raw"); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "dangling") {
		t.Errorf("a link that leads nowhere: %v", err)
	}
}

// noSync is a file system that cannot sync folders, or a disk that breaks then.
type noSync struct {
	Disk
	err error
}

func (d noSync) SyncDir(string) error { return d.err }

func TestFolderThatCannotBeSynced(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	if err := OS().SyncDir(dir); err != nil {
		t.Error(err)
	}
	if err := OS().SyncDir(dir + "/absent"); runtime.GOOS != "windows" && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	_, err := NewLocal(noSync{OS(), syscall.EIO}).OpenLog(t.Context(), dir+"/d/log")
	if !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if _, err := os.Stat(dir + "/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder is left that may not survive a crash: %v", err)
	}
}

// syncing tells what is synced.
type syncing struct {
	Disk
	told *[]string
}

type syncingFile struct {
	File
	name string
	told *[]string
}

func (d syncing) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	return syncingFile{f, filepath.Base(name), d.told}, err
}

func (d syncing) SyncDir(name string) error {
	*d.told = append(*d.told, filepath.Base(name)+"/")
	return d.Disk.SyncDir(name)
}

func (f syncingFile) Sync() error {
	*f.told = append(*f.told, f.name)
	return f.File.Sync()
}

// TestSyncLater: what Scratch has committed is synced when it is asked for, and each folder once.
func TestSyncLater(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	for _, sub := range []string{"/a", "/b"} {
		if err := os.Mkdir(dir+sub, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	s := NewLocal(syncing{OS(), &told})
	names := []string{dir + "/a/1", dir + "/b/2", dir + "/a/3"}
	for _, name := range names {
		put(t, s.Scratch(), name, "x")
	}
	if len(told) > 0 {
		t.Fatalf("%v are synced at once", told)
	}
	if err := s.Sync(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
	if want := []string{"1", "2", "3", "a/", "b/"}; !slices.Equal(told, want) {
		t.Errorf("%v are synced, want %v", told, want)
	}
	if err := s.Sync(t.Context(), dir+"/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}
