package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/dedup"
)

// Use is what a run does with an index.
type Use struct {
	folder *Folder
	// Index is compared with: what was there before the run's generation.
	Index *dedup.Index
	// ID is the run's generation, and Already says that the index has it. "" where nothing is added.
	ID      string
	Already bool
	origin  dedup.Origin
}

// Compare opens the index for a run that adds nothing.
func (f *Folder) Compare(ctx context.Context) (*Use, error) {
	return f.use(ctx, &Use{folder: f}, f.Manifest.Generations)
}

func (f *Folder) use(ctx context.Context, u *Use, before []Generation) (*Use, error) {
	list, err := f.open(ctx, before)
	if err != nil {
		return nil, err
	}
	return u, u.compareWith(f.Manifest.Settings, before, list)
}

// compareWith gives the run its index: generations, and their open files.
func (u *Use) compareWith(settings []byte, before []Generation, files []*dedup.IndexGeneration) error {
	sum, err := digest(settings, before)
	if err == nil {
		u.Index, err = dedup.NewIndex(sum, files)
	}
	return err
}

// Run is one that adds a generation.
type Run struct {
	Config []byte // of the deduplication, without the index: canonical JSON
	Inputs []byte // what they hold, in order
	Files  []dedup.OriginFile
	// Reading is how the inputs are read, where that changes which documents there are.
	Reading []byte
	// Stream says that Inputs does not say what one of them holds.
	Stream bool
}

// Grow opens the index for a run that adds what it keeps. The generation is known by what the run's inputs hold, and its configuration. If
// the index has it already, the run is compared with what was there before it, and so decides what it did.
func (f *Folder) Grow(ctx context.Context, r Run) (*Use, error) {
	gs := f.Manifest.Generations
	id, err := f.id(r)
	if err != nil {
		return nil, err
	}
	u := f.new(id, r)
	for i, g := range gs {
		if g.ID == u.ID {
			u.Already = true
			return f.use(ctx, u, gs[:i])
		}
		if slices.Contains(g.Origins, u.ID) {
			return nil, refuse("the index %s has the generation %s of these inputs already, merged with others into %s, so that what was there before it is not known any more; to compare the inputs with all of the index, add nothing", f.Dir, u.ID, g.ID)
		}
	}
	return f.use(ctx, u, gs)
}

// id is that of the generation which the run adds.
func (f *Folder) id(r Run) (string, error) {
	h := sha256.New()
	parts := [][]byte{r.Config, r.Inputs}
	if len(r.Reading) > 0 {
		parts = append(parts, r.Reading)
	}
	if r.Stream { // the same command may add another stream, behind others
		sum, err := digest(f.Manifest.Settings, f.Manifest.Generations)
		if err != nil {
			return "", err
		}
		parts = append(parts, []byte(sum))
	}
	for _, b := range parts {
		fmt.Fprintf(h, "%d:", len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

func (f *Folder) new(id string, r Run) *Use {
	return &Use{folder: f, ID: id, origin: dedup.Origin{Generation: id, Files: r.Files, Config: r.Config}}
}

// Sweep removes what a killed run has left of a file. Whoever calls it keeps others from writing (LockFile).
func (f *Folder) Sweep(ctx context.Context) error { return f.st.Sweep(ctx, f.Dir) }

// Sink takes the files of the run's generation.
func (u *Use) Sink() dedup.IndexSink {
	if u.Already {
		return discard{}
	}
	return &sink{st: u.folder.st, dir: path.Join(u.folder.Dir, u.ID), id: u.ID, origins: []dedup.Origin{u.origin}, files: map[string]File{}}
}

// discard is for a generation that is there.
type discard struct{}

func (discard) Make(_ context.Context, _ string, write func(io.Writer) error) error {
	return write(io.Discard)
}
func (discard) Done(context.Context, dedup.IndexCounts) error { return nil }

// sink makes a generation's folder.
type sink struct {
	st      store.Store
	dir, id string
	origins []dedup.Origin
	merged  []string

	mu    sync.Mutex
	files map[string]File
	done  Generation
}

// Make implements dedup.IndexSink.
func (s *sink) Make(ctx context.Context, name string, write func(io.Writer) error) error {
	f, err := s.st.Create(ctx, path.Join(s.dir, name))
	if err != nil {
		return err
	}
	defer f.Abort() // after Commit it does nothing
	sum := store.NewSumming(f)
	if err := write(sum); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = File{Size: sum.Size(), XXH64: sum.XXH64()}
	return nil
}

func sumOf(b []byte) string { return fmt.Sprintf("%016x", xxhash.Sum64(b)) }

// Done implements dedup.IndexSink.
func (s *sink) Done(ctx context.Context, c dedup.IndexCounts) error {
	if len(s.merged) == 0 {
		s.origins[0].Documents, s.origins[0].Sum = c.Documents, c.Sum
	}
	if err := s.json(ctx, originsFile, s.origins); err != nil {
		return err
	}
	s.done = Generation{ID: s.id, Documents: c.Documents, Keys: c.Keys, Shingles: c.Shingles, Sum: c.Sum, Origins: s.merged, Files: maps.Clone(s.files)}
	return s.json(ctx, generationFile, s.done)
}

func (s *sink) json(ctx context.Context, name string, v any) error {
	return s.Make(ctx, name, func(w io.Writer) error { return writeJSON(w, v) })
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Commit adds the run's generation, which is then durable, and says how many documents it has. Without it, or if a kill
// comes before its end, the index is what it was. What earlier runs have left unfinished goes.
func (u *Use) Commit(ctx context.Context) (int64, error) {
	f := u.folder
	if u.Already {
		i := slices.IndexFunc(f.Manifest.Generations, func(g Generation) bool { return g.ID == u.ID })
		return f.Manifest.Generations[i].Documents, nil
	}
	changed, err := f.changed(ctx)
	if err != nil {
		return 0, err
	}
	if changed {
		return 0, fmt.Errorf("%s: another run has changed the index meanwhile, and nothing was added to it; repeat the command", f.Dir)
	}
	name := path.Join(f.Dir, u.ID, generationFile)
	raw, err := readAll(ctx, f.st, name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: the index lacks what this run has found, which another run or hand has removed; repeat the command with another output, or with --restart", name)
	}
	if err != nil {
		return 0, err
	}
	var g Generation
	if err := json.Unmarshal(raw, &g); err != nil || g.ID != u.ID {
		return 0, fmt.Errorf("%s: it is no generation: %v: %w", name, err, dedup.ErrIndex)
	}
	for file, want := range g.Files {
		info, err := f.st.Stat(ctx, path.Join(f.Dir, u.ID, file))
		if err == nil && info.Size != want.Size {
			err = fmt.Errorf("%s: it has %d bytes instead of %d: %w", path.Join(f.Dir, u.ID, file), info.Size, want.Size, dedup.ErrIndex)
		}
		if err != nil {
			return 0, err
		}
	}
	if g.Documents == 0 {
		g.Files = nil
	}
	m := f.Manifest
	m.Generations = append(slices.Clone(m.Generations), g)
	if !f.Absent {
		if err := write(ctx, f.st, f.Dir, previousFile, f.Manifest); err != nil {
			return 0, err
		}
	}
	if err := write(ctx, f.st, f.Dir, ManifestFile, m); err != nil {
		return 0, err
	}
	f.Manifest, f.Absent, u.Already = m, false, true
	return g.Documents, f.tidy(ctx)
}

// write makes a manifest.
func write(ctx context.Context, st store.Store, dir, name string, m Manifest) error {
	w, err := st.Create(ctx, path.Join(dir, name))
	if err != nil {
		return err
	}
	if err := writeJSON(w, m); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

// tidy removes what is no part of the index.
func (f *Folder) tidy(ctx context.Context) error {
	if err := f.st.Remove(ctx, path.Join(f.Dir, previousFile)); err != nil {
		return err
	}
	files, err := f.st.List(ctx, f.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, file := range files {
		id, rest, deep := strings.Cut(strings.TrimPrefix(file.Name, strings.TrimRight(f.Dir, "/")+"/"), "/")
		if !deep || !isID(id) {
			continue
		}
		i := slices.IndexFunc(f.Manifest.Generations, func(g Generation) bool { return g.ID == id })
		if i >= 0 {
			if _, listed := f.Manifest.Generations[i].Files[rest]; listed {
				continue
			}
		}
		if err := f.st.Remove(ctx, file.Name); err != nil {
			return err
		}
		f.removeEmpty(id)
	}
	return nil
}
