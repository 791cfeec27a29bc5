package shards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"curate/corpus/store"
)

// Set is a finished shard set: its manifest was read and agrees with its done file. Nothing else was looked at.
type Set struct {
	Dir      string
	Manifest *Manifest

	st store.Store
}

// manifestLimit is the largest manifest that is read, in bytes: about a hundred thousand shards.
const manifestLimit = 64 << 20

// Find gives the folders of shard sets, finished or not: dir itself and those below it, sorted. Names that begin with
// "." or "_" are passed over. None at all is an error.
func Find(ctx context.Context, st store.Store, dir string) ([]string, error) {
	folders, err := find(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	dirs := make([]string, len(folders))
	for i, f := range folders {
		dirs[i] = f.dir
	}
	return dirs, nil
}

// folder is what lies in the folder of a shard set: sizes by name.
type folder struct {
	dir   string
	files map[string]int64
}

func find(ctx context.Context, st store.Store, dir string) ([]folder, error) {
	infos, err := st.List(ctx, dir)
	if err != nil {
		return nil, err
	}
	byDir := map[string]map[string]int64{}
	prefix := strings.TrimSuffix(dir, "/") + "/"
	for _, info := range infos {
		below := strings.TrimPrefix(info.Name, prefix)
		if slices.ContainsFunc(strings.Split(below, "/"), func(n string) bool { return n == "" || n[0] == '.' || n[0] == '_' }) {
			continue
		}
		d := strings.TrimSuffix(prefix+path.Dir(below), "/.")
		if byDir[d] == nil {
			byDir[d] = map[string]int64{}
		}
		byDir[d][path.Base(below)] = info.Size
	}
	var folders []folder
	for d, files := range byDir {
		_, hasManifest := files[ManifestFile]
		_, hasDone := files[DoneFile]
		isSet := hasManifest && hasDone
		for name := range files {
			isSet = isSet || shardFile.MatchString(name)
		}
		if isSet {
			folders = append(folders, folder{d, files})
		}
	}
	slices.SortFunc(folders, func(a, b folder) int { return strings.Compare(a.dir, b.dir) })
	if len(folders) == 0 {
		return nil, fmt.Errorf("%s: no shard set in this directory or below it", dir)
	}
	return folders, nil
}

// Open reads the manifest of the shard set in a folder. An error of the content is a *Fault.
func Open(ctx context.Context, st store.Store, dir string) (*Set, error) {
	doneName, manifestName := path.Join(dir, DoneFile), path.Join(dir, ManifestFile)
	done, err := readAll(ctx, st, doneName, 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(doneName, -1, "there is no such file: the shard set is not finished; repeat the command that builds it")
	}
	if err != nil {
		return nil, err
	}
	manifest, err := readAll(ctx, st, manifestName, manifestLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(manifestName, -1, "there is no such file")
	}
	if err != nil {
		return nil, err
	}
	if err := checkDone(doneName, done, manifest); err != nil {
		return nil, err
	}
	m, err := ParseManifest(manifestName, manifest)
	if err != nil {
		return nil, err
	}
	return &Set{dir, m, st}, nil
}

func readAll(ctx context.Context, st store.Store, name string, limit int64) ([]byte, error) {
	f, size, err := st.OpenAt(ctx, name)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, errors.Join(fault(name, limit, "the file has %d bytes; no such file has more than %d", size, limit), f.Close())
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF || n == len(b) {
		err = nil
	}
	return b[:n], errors.Join(err, f.Close())
}

// Shard is an open shard of a set, for one goroutine.
type Shard struct {
	FormatReader
	Bounds *Bounds // nil if the set is not packed
	Record ShardRecord

	files []File
	open  []io.Closer
}

// Close closes the shard's files.
func (s *Shard) Close() error {
	var errs []error
	for _, f := range s.open {
		errs = append(errs, f.Close())
	}
	s.open = nil
	return errors.Join(errs...)
}

// OpenShard opens shard k, from 0. Sizes and what headers say must agree with the manifest.
func (s *Set) OpenShard(ctx context.Context, k int) (_ *Shard, err error) {
	sh := &Shard{Record: s.Manifest.Shards[k]}
	defer func() {
		if err != nil {
			err = errors.Join(err, sh.Close())
		}
	}()
	for _, f := range sh.Record.Files {
		name := path.Join(s.Dir, f.Name)
		data, size, err := s.st.OpenAt(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fault(name, -1, "there is no such file, and the manifest names it")
		}
		if err != nil {
			return nil, err
		}
		sh.open = append(sh.open, data)
		sh.files = append(sh.files, File{name, data, size})
		if size != f.Size {
			return nil, fault(name, min(size, f.Size), "the file has %d bytes, and the manifest says %d", size, f.Size)
		}
	}
	format, err := FormatNamed(s.Manifest.Format)
	if err != nil {
		return nil, err
	}
	n := len(format.Suffixes())
	if sh.FormatReader, err = format.Open(sh.files[:n]); err != nil {
		return nil, err
	}
	index := sh.files[n-1].Name
	if got := sh.Dtype().String(); got != s.Manifest.Dtype {
		return nil, fault(index, -1, "ids are %s, and the manifest says %s", got, s.Manifest.Dtype)
	}
	if got := sh.Sequences(); got != sh.Record.Sequences {
		return nil, fault(index, -1, "%d sequences, and the manifest says %d", got, sh.Record.Sequences)
	}
	if s.Manifest.Packing == nil {
		return sh, nil
	}
	if sh.Bounds, err = OpenBounds(sh.files[n]); err != nil {
		return nil, err
	}
	if got := sh.Bounds.Rows(); got != sh.Record.Sequences {
		return nil, fault(sh.files[n].Name, 16, "%d rows, and the manifest says %d", got, sh.Record.Sequences)
	}
	if got := sh.Bounds.Length(); got != s.Manifest.Length {
		return nil, fault(sh.files[n].Name, 12, "rows of %d tokens, and the manifest says %d", got, s.Manifest.Length)
	}
	return sh, nil
}

// Each calls f for count sequences (all, if negative) from sequence from on, counted through all shards. ids are valid
// during the call. An error of f ends it.
func (s *Set) Each(ctx context.Context, from, count int64, f func(i int64, ids []uint32) error) error {
	first := int64(0)
	var ids []uint32
	for k, rec := range s.Manifest.Shards {
		if count == 0 {
			return nil
		}
		if from >= first+rec.Sequences {
			first += rec.Sequences
			continue
		}
		sh, err := s.OpenShard(ctx, k)
		if err != nil {
			return err
		}
		for i := max(0, from-first); i < rec.Sequences && count != 0; i++ {
			if err = ctx.Err(); err != nil {
				break
			}
			if ids, err = sh.AppendTokens(ids[:0], i); err != nil {
				break
			}
			if err = f(first+i, ids); err != nil {
				break
			}
			count--
		}
		if err := errors.Join(err, sh.Close()); err != nil {
			return err
		}
		first += rec.Sequences
	}
	return nil
}
