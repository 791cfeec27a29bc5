package urls

import (
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
)

// TestContract: local names reach the file system through it, as without it.
func TestContract(t *testing.T) {
	views := map[string]func(*Store) store.Store{
		"store":   func(s *Store) store.Store { return s },
		"scratch": func(s *Store) store.Store { return s.Scratch() },
		"shared":  func(s *Store) store.Store { return s.Shared("a").Scratch() },
	}
	for name, view := range views {
		t.Run(name, func(t *testing.T) {
			storetest.Store(t, func(t *testing.T) (store.Store, string) { return view(New(nil)), t.TempDir() })
		})
	}
}

func TestSchemes(t *testing.T) {
	if !slices.IsSortedFunc(schemes, func(a, b scheme) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the table is not sorted")
	}
	s := New(func(string) string { return "" })
	for _, name := range []string{"ftp://host/x", "ftp:/host/x"} {
		if _, err := s.Stat(t.Context(), name); err == nil || !strings.Contains(err.Error(), "ftp://host/x: no store of URLs that begin with ftp://; there are abfs://, abfss://, az://, gs://, ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(func(string) string { return "no URL" }).At("s3://b/x"); err == nil || !strings.HasPrefix(err.Error(), "s3://b/x: ") {
		t.Errorf("an endpoint that is none: %v", err)
	}
}
