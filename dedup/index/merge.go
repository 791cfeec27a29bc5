package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/dedup"
)

// Merge makes an index in out, of one generation, of several with the same settings, or of one with several generations.
// All documents stay; a run that is in more than one of them is taken once. It says what the generation has.
//
// out is absent or empty, or what the same merge has left there when it was killed, which is begun anew, or has made, which
// stays. lock is called when it is known that there is something to do, and keeps others from writing into out until release.
func Merge(ctx context.Context, st store.Store, out string, dirs []string, lock func() (release func(), err error)) (Generation, error) {
	var settings []byte
	var all []*dedup.IndexGeneration
	h := sha256.New()
	for _, dir := range dirs {
		f, err := Existing(ctx, st, dir)
		if err != nil {
			return Generation{}, err
		}
		defer func() { _ = f.Close() }() // it was only read
		if settings == nil {
			settings = f.Manifest.Settings
		} else if err := f.Check(settings); err != nil {
			return Generation{}, err
		}
		sum, err := digest(settings, f.Manifest.Generations)
		if err != nil {
			return Generation{}, err
		}
		h.Write([]byte(sum))
		gs, err := f.open(ctx, f.Manifest.Generations)
		if err != nil {
			return Generation{}, err
		}
		all = append(all, gs...)
	}
	if len(all) == 0 {
		return Generation{}, refuse("there are no documents to merge")
	}
	m := &merged{st: st, out: out, id: hex.EncodeToString(h.Sum(nil)[:8])}
	if err := m.mayUse(ctx); err != nil {
		return Generation{}, err
	}
	release, err := lock()
	if err != nil {
		return Generation{}, err
	}
	defer release()
	if err := m.mayUse(ctx); err != nil { // now that nobody else writes there
		return Generation{}, err
	}
	if m.done != nil {
		return m.done.Manifest.Generations[0], m.done.tidy(ctx)
	}
	if err := st.Sweep(ctx, out); err != nil {
		return Generation{}, err
	}
	s := &sink{st: st, id: m.id, dir: path.Join(out, m.id), files: map[string]File{}, origins: dedup.MergeOrigins(all)}
	for _, o := range s.origins {
		s.merged = append(s.merged, o.Generation)
	}
	if _, err := dedup.MergeIndex(ctx, all, s); err != nil {
		return Generation{}, err
	}
	f := &Folder{Dir: out, Manifest: Manifest{Format: format, Version: version, Settings: settings, Generations: []Generation{s.done}}, st: st}
	if err := write(ctx, st, out, ManifestFile, f.Manifest); err != nil {
		return Generation{}, err
	}
	return s.done, f.tidy(ctx)
}

// merged is where a merge goes.
type merged struct {
	st   store.Store
	out  string
	id   string  // of its generation, by which it knows what is its own
	done *Folder // if it has been made before
}

// mayUse refuses a folder with anything in it that is not this merge's own.
func (m *merged) mayUse(ctx context.Context) error {
	files, err := m.st.List(ctx, m.out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		name := strings.TrimPrefix(strings.TrimPrefix(file.Name, strings.TrimRight(m.out, "/")), "/")
		switch id, _, deep := strings.Cut(name, "/"); {
		case name == LockFile:
		case deep && isID(id) && id == m.id:
		case name == ManifestFile:
			f, err := Open(ctx, m.st, m.out)
			if err != nil {
				return err
			}
			if gs := f.Manifest.Generations; len(gs) != 1 || gs[0].ID != m.id {
				return refuse("-o %s: is not empty; a merged index is a new one", m.out)
			}
			m.done = f
		default:
			return refuse("-o %s: is not empty; a merged index is a new one", m.out)
		}
	}
	return nil
}

// Existing opens an index that must be there.
func Existing(ctx context.Context, st store.Store, dir string) (*Folder, error) {
	f, err := Open(ctx, st, dir)
	if err == nil && f.Absent {
		err = refuse("%s: no index is there: it has no %s", dir, ManifestFile)
	}
	return f, err
}

// Verify reads every byte of the index, and says what is wrong: an error for each generation that is damaged.
func (f *Folder) Verify(ctx context.Context) error {
	m, err := f.method()
	if err != nil {
		return err
	}
	var all error
	for i := range f.Manifest.Generations {
		err := f.verify(ctx, &f.Manifest.Generations[i], m)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		all = errors.Join(all, err)
	}
	return all
}

// method is that of the settings; nil for exact.
func (f *Folder) method() (*dedup.MinHash, error) {
	if f.Method() != "minhash" {
		_, err := f.keyWidth()
		return nil, err
	}
	var s struct {
		Scheme    string  `json:"scheme"`
		Short     string  `json:"short"`
		Values    int     `json:"values"`
		Bands     int     `json:"bands"`
		Rows      int     `json:"rows"`
		Threshold float64 `json:"threshold"`
	}
	name := path.Join(f.Dir, ManifestFile)
	if err := json.Unmarshal(f.Manifest.Settings, &s); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, err, dedup.ErrIndex)
	}
	m, err := dedup.NewMinHash(dedup.MinHashConfig{Scheme: s.Scheme, Short: s.Short, Values: s.Values, Bands: s.Bands, Rows: s.Rows, Threshold: s.Threshold})
	if err != nil {
		return nil, fmt.Errorf("%s: its settings are none of this program's: %w", name, err)
	}
	is, err := m.IndexSettings()
	if err != nil {
		return nil, err
	}
	return m, f.Check(is)
}

func (f *Folder) verify(ctx context.Context, g *Generation, m *dedup.MinHash) error {
	for _, file := range dataFiles {
		if g.Documents == 0 {
			continue
		}
		if err := f.compare(ctx, g, file); err != nil {
			return err
		}
	}
	open, err := f.open(ctx, []Generation{*g})
	if err != nil || len(open) == 0 {
		return err
	}
	c, err := open[0].Verify(ctx, m)
	if err != nil {
		return err
	}
	if want := (dedup.IndexCounts{Documents: g.Documents, Keys: g.Keys, Shingles: g.Shingles, Sum: g.Sum}); c != want {
		return fmt.Errorf("%s: it has %+v, and %s says %+v: %w", path.Join(f.Dir, g.ID), c, ManifestFile, want, dedup.ErrIndex)
	}
	return nil
}

// compare reads a file, and compares it with the manifest.
func (f *Folder) compare(ctx context.Context, g *Generation, file string) (err error) {
	name := path.Join(f.Dir, g.ID, file)
	r, err := f.st.Open(ctx, name, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no such file: %w", name, dedup.ErrIndex)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := xxhash.New()
	n, err := io.CopyBuffer(h, store.UntilDone(ctx, r), make([]byte, 1<<20))
	if want := g.Files[file]; err == nil && (n != want.Size || fmt.Sprintf("%016x", h.Sum64()) != want.XXH64) {
		err = fmt.Errorf("%s: its %d bytes are not those that were written: %w", name, n, dedup.ErrIndex)
	}
	return err
}
