// Package urls is the store of every name that a user may write: the scheme of a URL says which store it is in, and a name
// without one is a file of this machine. schemes.go is the table of schemes.
package urls

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"curate/corpus/store"
)

// Store sends each name to its store. Those of URLs are opened when they are first asked for, and know what the environment
// says then.
type Store struct {
	local  *store.Local
	under  store.Store // of local names: local, or a view of it
	remote *remote
}

// remote are the stores of schemes, which all views share.
type remote struct {
	getenv func(string) string
	mu     sync.Mutex
	open   map[string]store.Store
}

var _ store.Sharable = (*Store)(nil)

// New returns the store of this machine's files and of all that its environment leads to. getenv may be nil: os.Getenv.
func New(getenv func(string) string) *Store {
	if getenv == nil {
		getenv = os.Getenv
	}
	local := store.NewLocal(nil)
	return &Store{local, local, &remote{getenv: getenv, open: map[string]store.Store{}}}
}

// At is the store that name is in.
func (s *Store) At(name string) (store.Store, error) {
	scheme, _, ok := store.SplitURL(name)
	if !ok {
		return s.under, nil
	}
	r := s.remote
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.open[scheme]; st != nil {
		return st, nil
	}
	for _, k := range schemes {
		if k.name != scheme {
			continue
		}
		st, err := k.open(r.getenv)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store.URL(name), err)
		}
		r.open[scheme] = st
		return st, nil
	}
	return nil, fmt.Errorf("%s: no store of URLs that begin with %s://; there are %s", store.URL(name), scheme, strings.Join(Schemes(), ", "))
}

// Schemes are those that there are, as "s3://".
func Schemes() []string {
	var list []string
	for _, k := range schemes {
		list = append(list, k.name+"://")
	}
	return list
}

// Stat implements store.Store.
func (s *Store) Stat(ctx context.Context, name string) (store.Info, error) {
	st, err := s.At(name)
	if err != nil {
		return store.Info{}, err
	}
	return st.Stat(ctx, name)
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, dir string) ([]store.Info, error) {
	st, err := s.At(dir)
	if err != nil {
		return nil, err
	}
	return st.List(ctx, dir)
}

// Open implements store.Store.
func (s *Store) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	st, err := s.At(name)
	if err != nil {
		return nil, err
	}
	return st.Open(ctx, name, offset)
}

// OpenAt implements store.Store.
func (s *Store) OpenAt(ctx context.Context, name string) (store.ReaderAt, int64, error) {
	st, err := s.At(name)
	if err != nil {
		return nil, 0, err
	}
	return st.OpenAt(ctx, name)
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, name string) (store.Writer, error) {
	st, err := s.At(name)
	if err != nil {
		return nil, err
	}
	return st.Create(ctx, name)
}

// Remove implements store.Store.
func (s *Store) Remove(ctx context.Context, name string) error {
	st, err := s.At(name)
	if err != nil {
		return err
	}
	return st.Remove(ctx, name)
}

// OpenLog implements store.Store.
func (s *Store) OpenLog(ctx context.Context, name string) (store.Log, error) {
	st, err := s.At(name)
	if err != nil {
		return nil, err
	}
	return st.OpenLog(ctx, name)
}

// Sweep implements store.Store.
func (s *Store) Sweep(ctx context.Context, dir string) error {
	st, err := s.At(dir)
	if err != nil {
		return err
	}
	return st.Sweep(ctx, dir)
}

// Scratch implements store.Store. Elsewhere there is no difference.
func (s *Store) Scratch() store.Store { return &Store{s.local, s.under.Scratch(), s.remote} }

// Sync implements store.Syncer. Elsewhere everything is durable when it is there.
func (s *Store) Sync(ctx context.Context, names ...string) error {
	under, ok := s.under.(store.Syncer)
	if !ok {
		return nil
	}
	var own []string
	for _, name := range names {
		st, err := s.At(name)
		if err != nil {
			return err
		}
		if st == store.Store(s.under) {
			own = append(own, name)
		}
	}
	return under.Sync(ctx, own...)
}

// Shared implements store.Sharable. Elsewhere unfinished files have no names that could clash.
func (s *Store) Shared(tag string) store.Store {
	return &Store{s.local, s.local.Shared(tag), s.remote}
}
