// Package index keeps the index of a deduplication in a folder: generations of documents that were kept, each a folder
// of its own that its run has made, and a manifest that says which of them count. What is in their files, and what is
// done with them, is package dedup's. docs/formats/index.md is the page. Read Folder first, then grow.go.
package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/dedup"
	"curate/stage"
)

// Names in the folder.
const (
	ManifestFile   = "index.json"
	previousFile   = "index.previous.json" // the manifest before, while it is replaced
	LockFile       = "lock"
	originsFile    = "origins.json"
	generationFile = "generation.json" // the manifest's entry, until it is there
)

const (
	format  = "curate dedup index"
	version = 1
)

// Manifest is index.json. It is replaced as a whole, so that the index is what it was, or has one generation more.
type Manifest struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Settings are what all documents have in common (IndexSettings of a method).
	Settings    jsontext.Value `json:"settings"`
	Generations []Generation   `json:"generations"`
}

// Generation is an entry of the manifest. Its files are in the folder of its ID; without documents it has none.
type Generation struct {
	ID        string `json:"id"` // 16 hex digits
	Documents int64  `json:"documents"`
	Keys      int64  `json:"keys"`
	Shingles  int64  `json:"shingles"`
	Sum       string `json:"sum"` // xxh64 of its documents' record IDs, 16 hex digits
	// Origins are the IDs of what it was merged of; none where it is one run's.
	Origins []string        `json:"origins,omitempty"`
	Files   map[string]File `json:"files,omitempty"`
}

// File is a file of a generation.
type File struct {
	Size  int64  `json:"size"`
	XXH64 string `json:"xxh64"` // 16 hex digits
}

// Bytes is the size of all files.
func (g *Generation) Bytes() int64 {
	n := int64(0)
	for _, f := range g.Files {
		n += f.Size
	}
	return n
}

// dataFiles are a generation's files that hold documents.
var dataFiles = []string{dedup.IndexDocumentsFile, dedup.IndexIDsFile, dedup.IndexKeysFile, dedup.IndexSetsFile}

// Error is an index that cannot be used for what was asked, by its user's doing.
type Error struct{ Problem string }

func (e *Error) Error() string { return e.Problem }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Folder is an open index.
type Folder struct {
	Dir      string
	Manifest Manifest
	// Absent says that there is none yet.
	Absent bool

	st    store.Store
	raw   []byte // of the manifest, as it was read
	files []io.Closer
}

// Open reads the manifest of the index in dir. One that is absent or empty is an index without generations.
func Open(ctx context.Context, st store.Store, dir string) (*Folder, error) {
	f := &Folder{Dir: dir, st: st}
	var err error
	var name string
	if name, f.raw, err = f.current(ctx); err == nil {
		f.Manifest, err = parse(path.Join(dir, name), f.raw)
		return f, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f.Absent = true
	f.Manifest = Manifest{Format: format, Version: version}
	files, err := st.List(ctx, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, file := range files { // what a killed run has left is welcome
		name := strings.TrimPrefix(strings.TrimPrefix(file.Name, strings.TrimRight(dir, "/")), "/")
		if base, _, deep := strings.Cut(name, "/"); name != LockFile && !(deep && isID(base)) {
			return nil, refuse("%s is no index, and not empty: it has %s; give another directory", dir, name)
		}
	}
	return f, nil
}

// current reads the manifest, or the one before where replacing it has failed and it is gone (store.Writer.Commit).
func (f *Folder) current(ctx context.Context) (name string, raw []byte, err error) {
	for _, name = range []string{ManifestFile, previousFile} {
		if raw, err = readAll(ctx, f.st, path.Join(f.Dir, name)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return name, raw, err
}

func readAll(ctx context.Context, st store.Store, name string) ([]byte, error) {
	r, err := st.Open(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func isID(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// parse reads a manifest.
func parse(name string, raw []byte) (Manifest, error) {
	var m Manifest
	damaged := func(what string) error { return fmt.Errorf("%s: %s: %w", name, what, dedup.ErrIndex) }
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, damaged(err.Error())
	}
	if m.Format != format {
		return m, damaged(fmt.Sprintf("its format is %q, and not %q", m.Format, format))
	}
	if m.Version != version {
		return m, fmt.Errorf("%s: version %d of the format; this program reads version %d", name, m.Version, version)
	}
	if len(m.Settings) == 0 || m.Settings.Kind() != '{' {
		return m, damaged("it has no settings")
	}
	seen := map[string]bool{}
	for _, g := range m.Generations {
		switch {
		case !isID(g.ID) || seen[g.ID]:
			return m, damaged(fmt.Sprintf("the generation %q is no ID of 16 hex digits, or is there twice", g.ID))
		case g.Documents < 0 || (g.Documents > 0) != (len(g.Files) > 0):
			return m, damaged(fmt.Sprintf("generation %s has %d documents and %d files", g.ID, g.Documents, len(g.Files)))
		}
		for _, name := range append(slices.Clone(dataFiles), originsFile) {
			if _, ok := g.Files[name]; !ok && g.Documents > 0 {
				return m, damaged(fmt.Sprintf("generation %s has no file %s", g.ID, name))
			}
		}
		seen[g.ID] = true
	}
	return m, nil
}

// Method is that of the index's documents.
func (f *Folder) Method() string {
	var s struct {
		Method string `json:"method"`
	}
	_ = json.Unmarshal(f.Manifest.Settings, &s) // no method is "", and told where one is wanted
	return s.Method
}

func (f *Folder) keyWidth() (int, error) {
	switch m := f.Method(); m {
	case "minhash":
		return dedup.MinHashKeyWidth, nil
	case "exact":
		return dedup.ExactKeyWidth, nil
	default:
		return 0, fmt.Errorf("%s: method %q is none of this program's: %w", path.Join(f.Dir, ManifestFile), m, dedup.ErrIndex)
	}
}

// Check says in what settings differ from the index's. One that is absent takes them.
func (f *Folder) Check(settings []byte) error {
	if f.Absent {
		f.Manifest.Settings = settings
		return nil
	}
	was, err := members(f.Manifest.Settings)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", path.Join(f.Dir, ManifestFile), err, dedup.ErrIndex)
	}
	is, err := members(settings)
	if err != nil {
		return err
	}
	var diff []string
	for name, value := range was {
		switch v, ok := is[name]; {
		case !ok:
			diff = append(diff, fmt.Sprintf("%s is %s there, and nothing here", name, value))
		case v != value:
			diff = append(diff, fmt.Sprintf("%s is %s there, and %s here", name, value, v))
		}
	}
	for name, value := range is {
		if _, ok := was[name]; !ok {
			diff = append(diff, fmt.Sprintf("%s is nothing there, and %s here", name, value))
		}
	}
	if len(diff) == 0 {
		return nil
	}
	slices.Sort(diff)
	return refuse("the index %s has other settings:\n  %s\nGive the same, or another directory", f.Dir, strings.Join(diff, "\n  "))
}

func members(object []byte) (map[string]string, error) {
	var m map[string]jsontext.Value
	if err := json.Unmarshal(object, &m); err != nil {
		return nil, err
	}
	flat := map[string]string{}
	for k, v := range m {
		if err := v.Canonicalize(); err != nil {
			return nil, err
		}
		flat[k] = string(v)
	}
	return flat, nil
}

// digest stands for generations: those of an index before a run are an input of it.
func digest(settings []byte, gs []Generation) (string, error) {
	type entry struct {
		ID        string          `json:"id"`
		Documents int64           `json:"documents"`
		Sum       string          `json:"sum"`
		Files     map[string]File `json:"files"`
	}
	list := []entry{}
	for _, g := range gs {
		if g.Documents > 0 { // one without any is no other index
			list = append(list, entry{g.ID, g.Documents, g.Sum, g.Files})
		}
	}
	b, err := json.Marshal(struct {
		Settings    jsontext.Value `json:"settings"`
		Generations []entry        `json:"generations"`
	}{settings, list}, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	v := jsontext.Value(b)
	if err := v.Canonicalize(); err != nil {
		return "", err
	}
	sum := sha256.Sum256(v)
	return hex.EncodeToString(sum[:16]), nil
}

// open opens the files of generations. They stay open until Close.
func (f *Folder) open(ctx context.Context, gs []Generation) ([]*dedup.IndexGeneration, error) {
	width, err := f.keyWidth()
	if err != nil {
		return nil, err
	}
	var list []*dedup.IndexGeneration
	for i := range gs {
		g := &gs[i]
		if g.Documents == 0 {
			continue
		}
		name := path.Join(f.Dir, g.ID)
		files := dedup.IndexFiles{Name: name}
		for file, to := range map[string]*stage.Sealed{
			dedup.IndexDocumentsFile: &files.Documents, dedup.IndexIDsFile: &files.IDs, dedup.IndexKeysFile: &files.Keys, dedup.IndexSetsFile: &files.Sets,
		} {
			r, size, err := f.st.OpenAt(ctx, path.Join(name, file))
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%s: there is no such file: %w", path.Join(name, file), dedup.ErrIndex)
			}
			if err != nil {
				return nil, err
			}
			f.files = append(f.files, r)
			if want := g.Files[file].Size; size != want {
				return nil, fmt.Errorf("%s: it has %d bytes, and %s says %d: %w", path.Join(name, file), size, ManifestFile, want, dedup.ErrIndex)
			}
			*to = stage.Sealed{Size: size, Data: r}
		}
		if files.Origins, err = f.whole(ctx, g, originsFile); err != nil {
			return nil, err
		}
		o, err := dedup.OpenIndexGeneration(files, width)
		if err != nil {
			return nil, err
		}
		if o.Documents() != g.Documents {
			return nil, fmt.Errorf("%s: it has %d documents, and %s says %d: %w", name, o.Documents(), ManifestFile, g.Documents, dedup.ErrIndex)
		}
		list = append(list, o)
	}
	return list, nil
}

// whole reads a small file of a generation, and compares it with the manifest.
func (f *Folder) whole(ctx context.Context, g *Generation, file string) ([]byte, error) {
	name := path.Join(f.Dir, g.ID, file)
	b, err := readAll(ctx, f.st, name)
	if err == nil && (int64(len(b)) != g.Files[file].Size || sumOf(b) != g.Files[file].XXH64) {
		err = fmt.Errorf("%s: its checksum is wrong: %w", name, dedup.ErrIndex)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: there is no such file: %w", name, dedup.ErrIndex)
	}
	return b, err
}

// Close closes all files.
func (f *Folder) Close() error {
	var err error
	for _, c := range f.files {
		err = errors.Join(err, c.Close())
	}
	f.files = nil
	return err
}

// changed says whether the manifest is another than the one that was read.
func (f *Folder) changed(ctx context.Context) (bool, error) {
	_, now, err := f.current(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return !f.Absent, nil
	}
	return !bytes.Equal(now, f.raw), err
}
