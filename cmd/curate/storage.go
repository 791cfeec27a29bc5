package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"curate/corpus/store"
	"curate/corpus/store/urls"
)

// storage is where all names lead: files of this machine, and URLs of the stores that there are. One for the process, so
// that connections are shared.
var storage = sync.OnceValue(func() *urls.Store { return urls.New(nil) })

// readAll reads a file that is small.
func readAll(ctx context.Context, name string) ([]byte, error) {
	r, err := storage().Open(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// nearby is where a small file or folder can be read as files of this machine: its own path, or, of a URL, that of a copy, of
// a folder with those of its files that are wanted. remove ends the copy.
func nearby(name string, wanted func(rel string) bool) (local string, remove func(), err error) {
	if !store.IsURL(name) {
		return name, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "curate-near-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	if local, err = bring(context.Background(), storage(), name, dir, wanted); err != nil {
		remove()
		return "", nil, err
	}
	return local, remove, nil
}

// bring copies what nearby asks for into dir, and says where it is there.
func bring(ctx context.Context, st store.Store, name, dir string, wanted func(rel string) bool) (string, error) {
	fetch := func(name, rel string) error {
		r, err := st.Open(ctx, name, 0)
		if err != nil {
			return err
		}
		defer r.Close()
		to := filepath.Join(dir, filepath.FromSlash(rel))
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		f, err := os.Create(to)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	}
	switch _, err := st.Stat(ctx, name); {
	case err == nil:
		return filepath.Join(dir, path.Base(name)), fetch(name, path.Base(name))
	case !errors.Is(err, store.ErrIsDir):
		return "", err
	}
	files, err := st.List(ctx, name)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		rel := strings.TrimPrefix(f.Name, strings.TrimRight(name, "/")+"/")
		if !filepath.IsLocal(filepath.FromSlash(rel)) || !wanted(rel) {
			continue
		}
		if err := fetch(f.Name, rel); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// removeAll removes a file, or a folder with all that is in it.
func removeAll(ctx context.Context, name string) error {
	if !store.IsURL(name) {
		return os.RemoveAll(name)
	}
	st := storage()
	files, err := st.List(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = st.Remove(ctx, name)
	for _, f := range files {
		err = errors.Join(err, st.Remove(ctx, f.Name))
	}
	return err
}

// localOnly refuses a URL where only files of this machine will do. what is the flag or command.
func localOnly(what, name string) error {
	if store.IsURL(name) {
		return usage("%s %s: has to be on a disk of this machine; copy it there, or write there", what, name)
	}
	return nil
}
