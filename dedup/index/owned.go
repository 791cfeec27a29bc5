package index

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"curate/corpus/store"
)

// An index that one output directory alone has, such as that of a step of a recipe, has a generation for each directory that this has grown
// by, in their order. So a run knows by its place what it is compared with, and what no directory has any more can be cut off.

// Fresh is an index without generations, in whose place dir may have another one: what is there is not looked at.
func Fresh(st store.Store, dir string, settings []byte) *Folder {
	return &Folder{Dir: dir, st: st, Absent: true, Manifest: Manifest{Format: format, Version: version, Settings: settings}}
}

// At opens the index for the run that adds, or has added, the nth generation, from 0: it is compared with those before that.
func (f *Folder) At(ctx context.Context, r Run, n int) (*Use, error) {
	u, before, err := f.at(r, n)
	if err != nil {
		return nil, err
	}
	return f.use(ctx, u, before)
}

// LookAt is At for who asks how things stand: no file is opened, so that nothing can be compared with the index.
func (f *Folder) LookAt(r Run, n int) (*Use, error) {
	u, before, err := f.at(r, n)
	if err != nil {
		return nil, err
	}
	return u, u.compareWith(f.Manifest.Settings, before, nil)
}

func (f *Folder) at(r Run, n int) (*Use, []Generation, error) {
	gs := f.Manifest.Generations
	if n > len(gs) {
		return nil, nil, refuse("the index %s has %d generations, and there should be %d before this one", f.Dir, len(gs), n)
	}
	id, err := f.id(r)
	if err != nil {
		return nil, nil, err
	}
	u := f.new(id, r)
	u.Already = n < len(gs) && gs[n].ID == id
	return u, gs[:n], nil
}

// Made says whether the run's generation is whole in its folder, whether or not the index has it yet.
func (u *Use) Made(ctx context.Context) (bool, error) {
	if u.Already {
		return true, nil
	}
	_, err := u.folder.st.Stat(ctx, path.Join(u.folder.Dir, u.ID, generationFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Cut leaves the first n generations of the index in dir, and no trace of others. With n = 0 nothing is left of it, whatever it was; what says
// that there is an index goes first. Whoever calls it keeps others from writing (LockFile).
func Cut(ctx context.Context, st store.Store, dir string, n int) error {
	if n == 0 {
		f := &Folder{Dir: dir, st: st}
		for _, name := range []string{previousFile, ManifestFile} { // the former would take the latter's place
			if err := st.Remove(ctx, path.Join(dir, name)); err != nil {
				return err
			}
		}
		return f.tidy(ctx)
	}
	f, err := Open(ctx, st, dir)
	if err != nil {
		return err
	}
	if len(f.Manifest.Generations) > n {
		if err := write(ctx, st, dir, previousFile, f.Manifest); err != nil {
			return err
		}
		f.Manifest.Generations = f.Manifest.Generations[:n]
		if err := write(ctx, st, dir, ManifestFile, f.Manifest); err != nil {
			return err
		}
	}
	return f.tidy(ctx)
}

// removeEmpty removes a generation's folder, once it is empty.
func (f *Folder) removeEmpty(id string) {
	if !store.IsURL(f.Dir) { // folders are but names there
		_ = os.Remove(filepath.Join(filepath.FromSlash(f.Dir), id))
	}
}
