package pipeline

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"curate/corpus/store"
)

// TestWorkspaceForgets: a file that whoever opened it has closed is held no longer, and others are closed with the workspace.
func TestWorkspaceForgets(t *testing.T) {
	w, err := openWorkspace(t.Context(), store.NewLocal(nil), t.TempDir(), "", "", false, 1<<20, 1, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Make(t.Context(), "a", func(w io.Writer) error { _, err := w.Write([]byte("abc")); return err }); err != nil {
		t.Fatal(err)
	}
	left, _, err := w.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		f, size, err := w.Open(t.Context(), "a")
		if err != nil || size != 3 {
			t.Fatal(size, err)
		}
		for range 2 {
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.files) != 1 {
			t.Fatalf("%d files are held, and one is open", len(w.files))
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := left.ReadAt(make([]byte, 1), 0); err == nil || len(w.files) > 0 {
		t.Errorf("%d files are open behind the end, error %v", len(w.files), err)
	}
}

// TestWorkspaceSettles: what was not settled is made again by a run that goes on, from what is still there; what was settled
// is not, and the file that it was made from goes no sooner.
func TestWorkspaceSettles(t *testing.T) {
	for _, c := range []struct {
		name   string
		size   int
		settle bool // before the removal
		made   int  // again
	}{
		{"killed before", 10, false, 2},
		{"killed behind", 10, true, 0},
		{"large", unsettledBytes + 1, false, 0},
	} {
		dir := filepath.ToSlash(t.TempDir())
		open := func() *workspace {
			w, err := openWorkspace(t.Context(), store.NewLocal(nil), dir, "", "", true, 1<<20, 1, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		made := 0
		work := func(w *workspace) {
			err := w.Make(t.Context(), "from", func(w io.Writer) error {
				made++
				_, err := w.Write(make([]byte, c.size))
				return err
			})
			if err == nil {
				err = w.Make(t.Context(), "to", func(to io.Writer) error {
					made++
					f, size, err := w.Open(t.Context(), "from")
					if err != nil {
						return err
					}
					_, err = io.Copy(to, io.NewSectionReader(f, 0, size))
					return err
				})
			}
			if err == nil && c.settle {
				err = w.settle(t.Context())
			}
			if err == nil {
				err = w.Remove(t.Context(), "from")
			}
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		w := open()
		work(w)
		if _, err := os.Stat(dir + "/from"); (err == nil) != c.settle {
			t.Errorf("%s: what was noted goes when its removal is noted, and else at once: %v", c.name, err)
		}
		if err := w.log.Close(); err != nil { // as after a kill
			t.Fatal(err)
		}
		made = 0
		w = open()
		work(w)
		if made != c.made {
			t.Errorf("%s: %d files are made again, want %d", c.name, made, c.made)
		}
		if err := w.settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir + "/from"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a removed file is there: %v", c.name, err)
		}
		if info, err := os.Stat(dir + "/to"); err != nil || info.Size() != int64(c.size) {
			t.Errorf("%s: %v, %v", c.name, info, err)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		made = 0
		w = open()
		work(w)
		if made != 0 {
			t.Errorf("%s: %d files are made in the end", c.name, made)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
}
