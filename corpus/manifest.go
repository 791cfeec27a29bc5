package corpus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"curate/corpus/compress"
	"curate/corpus/store"
	"curate/record"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// Dir is the folder of a run's own files inside its output, and Done the file in it that says the run is whole.
const (
	Dir  = "_curate"
	Done = "done"
)

// File is one input as it was when the manifest was frozen.
type File struct {
	Number int    `json:"number"`   // from 1; standard input is 0
	Path   string `json:"path"`     // as given
	Size   int64  `json:"size"`     // bytes as stored; -1 for a stream
	MTime  int64  `json:"mtime_ns"` // 0 where Version stands for the content
	// Version is the store's name for the content: an ETag, a commit and a digest. "" for files of a disk.
	Version string `json:"version,omitempty"`
	// Stream is what can be read only once, such as standard input or a pipe: no resume from it.
	Stream bool `json:"stream,omitempty"`
	// Source is the identity of the run that has made the file, where that, and not the time of its writing, says
	// what is in it (MadeBy).
	Source string `json:"source,omitempty"`

	at          string // where Path is found, if not there
	seen        int64  // MTime, where Source stands for it
	seenVersion string // Version, likewise
}

// Location is the path by which the store knows the file.
func (f File) Location() string {
	if f.at != "" {
		return f.at
	}
	return f.Path
}

// Is says whether what the store says of the file now is what it said when the manifest was frozen.
func (f File) Is(now store.Info) bool {
	mtime, version := f.MTime, f.Version
	if f.Source != "" {
		mtime, version = f.seen, f.seenVersion
	}
	return now.Size == f.Size && now.Version == version && (version != "" || now.ModTime.UnixNano() == mtime)
}

// MadeBy says that a run has made the files of the manifest, below the folder root: they are the same files wherever root
// is, and whenever they were made. source is the identity that the run had when it made a file.
func (m *Manifest) MadeBy(source func(name string) string, root string) {
	for i := range m.Files {
		f := &m.Files[i]
		f.at, f.Path = f.Path, strings.TrimPrefix(strings.TrimPrefix(path.Clean(f.Path), path.Clean(root)), "/")
		f.seen, f.MTime, f.Source = f.MTime, 0, source(f.Path)
		f.seenVersion, f.Version = f.Version, ""
	}
}

// Join makes one manifest of several. The same file twice is an error.
func Join(ms ...*Manifest) (*Manifest, error) {
	all := &Manifest{}
	for _, m := range ms {
		all.Files = append(all.Files, m.Files...)
		all.Skipped = append(all.Skipped, m.Skipped...)
	}
	return all, all.number()
}

// Continued is the manifest of a run that goes on with the files of m, in their order, and with those of now that are not
// among them, in now's order, behind; nil where now lacks a file of m, or has another one of its name, or the files of m are in
// another order in now. ends are places in m from which the order begins again, ascending: there m was continued before.
func (m *Manifest) Continued(now *Manifest, ends []int) *Manifest {
	at := make(map[string]int, len(now.Files))
	for i, f := range now.Files {
		at[f.Path] = i
	}
	all := &Manifest{Files: make([]File, 0, len(now.Files)), Skipped: now.Skipped}
	had := make([]bool, len(now.Files))
	for i, last := 0, -1; i < len(m.Files); i++ {
		if len(ends) > 0 && ends[0] == i {
			ends, last = ends[1:], -1
		}
		k, ok := at[m.Files[i].Path]
		if !ok || k <= last || !now.Files[k].same(m.Files[i]) {
			return nil
		}
		last, had[k] = k, true
		all.Files = append(all.Files, now.Files[k])
	}
	for k, f := range now.Files {
		if !had[k] {
			all.Files = append(all.Files, f)
		}
	}
	for i := range all.Files {
		all.Files[i].Number = i + 1
	}
	return all
}

// same says whether both entries are of the same content, wherever they stand in their manifests.
func (f File) same(g File) bool {
	return f.Path == g.Path && f.Size == g.Size && f.MTime == g.MTime && f.Version == g.Version && f.Stream == g.Stream && f.Source == g.Source
}

// Manifest is the frozen list of a run's inputs, in the order given. Work is derived from it, never from a
// listing.
type Manifest struct {
	Files []File `json:"files"`
	// Skipped are files of given directories that have no data extension. They are named, not read.
	Skipped []string `json:"-"`
}

// InputError is an input that the command line should not have named.
type InputError struct{ Path, Problem string }

func (e *InputError) Error() string { return e.Path + ": " + e.Problem }

// Expand makes the manifest from the arguments of a command: files, globs, directories, "-".
func Expand(ctx context.Context, st store.Store, args []string) (*Manifest, error) {
	if len(args) == 0 || len(args) == 1 && args[0] == Stdin {
		return &Manifest{Files: []File{{Path: Stdin, Size: -1, Stream: true}}}, nil
	}
	m := &Manifest{}
	for _, arg := range args {
		if arg == Stdin {
			return nil, &InputError{Stdin, "standard input is an input of its own; it cannot stand beside files"}
		}
		if err := m.add(ctx, st, arg, true); err != nil {
			return nil, err
		}
	}
	return m, m.number()
}

// number gives each file its number, and finds one that is there twice.
func (m *Manifest) number() error {
	if len(m.Files) > record.MaxFile {
		return &InputError{m.Files[0].Path, fmt.Sprintf("%d input files are more than %d", len(m.Files), record.MaxFile)}
	}
	first := map[string]string{}
	for i := range m.Files {
		f := &m.Files[i]
		f.Number = i + 1
		key := RealPath(f.Location())
		if earlier, twice := first[key]; twice {
			return &InputError{f.Path, fmt.Sprintf("is given twice (first as %s); each file is read once", earlier)}
		}
		first[key] = f.Path
	}
	return nil
}

func (m *Manifest) add(ctx context.Context, st store.Store, arg string, mayGlob bool) error {
	name := filepath.ToSlash(arg)
	info, err := st.Stat(ctx, name)
	switch {
	case err == nil:
		m.append(info)
		return nil
	case errors.Is(err, store.ErrIsDir):
		return m.addDir(ctx, st, name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case !mayGlob || !strings.ContainsAny(name, "*?["):
		return &InputError{arg, "no such file"}
	}
	// A file of that very name would have been found above, so this is a glob.
	found, err := glob(ctx, st, name)
	if errors.Is(err, path.ErrBadPattern) || errors.Is(err, filepath.ErrBadPattern) {
		return &InputError{arg, "bad glob: " + err.Error()}
	}
	if err != nil {
		return err
	}
	slices.Sort(found)
	n := len(m.Files)
	for _, f := range found {
		if f = filepath.ToSlash(f); hidden(path.Base(f)) && !hidden(path.Base(name)) {
			continue
		}
		if err := m.add(ctx, st, f, false); err != nil {
			return err
		}
	}
	if len(m.Files) == n {
		return &InputError{arg, "the glob matches no file"}
	}
	return nil
}

// glob lists what a pattern matches, files and folders, in any order.
func glob(ctx context.Context, st store.Store, pattern string) ([]string, error) {
	if !store.IsURL(pattern) {
		return filepath.Glob(pattern)
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	// The folder above the first part with a wildcard is listed; names below a match are in a folder that matches.
	whole := strings.Split(pattern, "/")
	parts := slices.IndexFunc(whole, func(p string) bool { return strings.ContainsAny(p, "*?[") })
	all, err := st.List(ctx, strings.Join(whole[:parts], "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	matched := map[string]bool{}
	var found []string
	for _, f := range all {
		name := strings.Split(f.Name, "/")
		if len(name) < len(whole) {
			continue
		}
		head := strings.Join(name[:len(whole)], "/")
		if ok, err := path.Match(pattern, head); err == nil && ok && !matched[head] {
			matched[head] = true
			found = append(found, head)
		}
	}
	return found, nil
}

func (m *Manifest) append(info store.Info) {
	f := File{Path: info.Name, Size: info.Size, MTime: info.ModTime.UnixNano(), Version: info.Version, Stream: info.Size < 0}
	if f.Stream || f.Version != "" {
		f.MTime = 0
	}
	m.Files = append(m.Files, f)
}

func hidden(base string) bool {
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
}

func (m *Manifest) addDir(ctx context.Context, st store.Store, dir string) error {
	all, err := st.List(ctx, dir)
	if err != nil {
		return err
	}
	root := strings.TrimSuffix(dir, "/")
	names := map[string]bool{}
	for _, f := range all {
		names[path.Clean(f.Name)] = true
	}
	n := len(m.Files)
files:
	for _, f := range all {
		rel := strings.TrimPrefix(strings.TrimPrefix(f.Name, root), "/")
		parts := strings.Split(rel, "/")
		for i, p := range parts {
			if p == Dir && i < len(parts)-1 {
				out := path.Join(append([]string{root}, parts[:i]...)...)
				if !names[out+"/"+Dir+"/"+Done] {
					return &InputError{out, "is the output of a run that has not finished; repeat that run's command first"}
				}
			}
			if hidden(p) {
				continue files
			}
		}
		_, stem := compress.ByName(path.Base(f.Name))
		if _, known := codecByName(stem); !known && path.Ext(stem) != "" {
			m.Skipped = append(m.Skipped, f.Name)
			continue
		}
		m.append(f)
	}
	if len(m.Files) == n {
		return &InputError{dir, "no data file in this directory (names beginning with . or _ are not read)"}
	}
	return nil
}

// RealPath is the one name of a file, whatever links and dots lead to it; it need not exist. That of a URL is clean, as of
// package path.
func RealPath(name string) string {
	if store.IsURL(name) {
		return path.Clean(name)
	}
	abs, err := filepath.Abs(filepath.FromSlash(name))
	if err != nil {
		return filepath.Clean(name)
	}
	for dir, rest := abs, ""; ; {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return abs
		}
		dir, rest = up, filepath.Join(filepath.Base(dir), rest)
	}
}

// GlobTakesIn says whether a pattern matches a real path or a folder above it. A name without wildcards is no pattern.
func GlobTakesIn(pattern, real string) bool {
	if !strings.ContainsAny(pattern, "*?[") {
		return false
	}
	match, dir := filepath.Match, filepath.Dir
	if store.IsURL(pattern) {
		pattern, match, dir = path.Clean(pattern), path.Match, path.Dir
	} else {
		abs, err := filepath.Abs(pattern)
		if err != nil {
			return false
		}
		pattern = abs
	}
	for {
		if ok, err := match(pattern, real); err == nil && ok {
			return true
		}
		up := dir(real)
		if up == real {
			return false
		}
		real = up
	}
}

// Below says whether a real path is dir or lies in it.
func Below(name, dir string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// Size is what all files hold, in bytes as stored, or -1 if one of them is a stream.
func (m *Manifest) Size() int64 {
	n := int64(0)
	for _, f := range m.Files {
		if f.Size < 0 {
			return -1
		}
		n += f.Size
	}
	return n
}

// HasStream says whether an input can be read only once.
func (m *Manifest) HasStream() bool {
	return slices.ContainsFunc(m.Files, func(f File) bool { return f.Stream })
}
