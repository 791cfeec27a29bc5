package pipeline

import (
	"io"
	"log/slog"
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
