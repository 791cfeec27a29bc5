package shards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"curate/corpus/store"
	"curate/shards/format"
)

// Set is a finished shard set: its manifest was read and agrees with its done file. Nothing else was looked at.
type Set struct {
	Dir      string
	Manifest *Manifest

	st store.Store
}

// manifestLimit is the largest manifest that is written and read, in bytes. Each MiB of a set's files is a line of 44
// bytes, so that this is about ten trillion tokens of two bytes.
const manifestLimit = 1 << 30

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

// isPairShard says whether a file in a folder called as the pairs' set is may be one of its shards, and no part of records,
// such as a step of that name makes.
func isPairShard(name string) bool {
	return isNumbered(name) && strings.HasSuffix(name, ".parquet") && !strings.HasPrefix(name, "part-")
}

// isSetDir says whether a folder is called as a set's is: one that a killed run has left may hold nothing else to know it
// by.
func isSetDir(name string) bool {
	length, ok := strings.CutPrefix(name, "length-")
	return ok && isDigits(length)
}

// folder is what lies in the folder of a shard set: sizes by name.
type folder struct {
	dir   string
	files map[string]int64
}

func find(ctx context.Context, st store.Store, dir string) ([]folder, error) {
	dir = path.Clean(dir) // "", "./x" and "x//", too
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
		d := path.Join(dir, path.Dir(below))
		if byDir[d] == nil {
			byDir[d] = map[string]int64{}
		}
		byDir[d][path.Base(below)] = info.Size
	}
	var folders []folder
	for d, files := range byDir {
		_, hasManifest := files[ManifestFile]
		_, hasDone := files[DoneFile]
		isSet := hasManifest && hasDone || isSetDir(path.Base(d))
		for name := range files {
			isSet = isSet || strings.HasSuffix(name, format.BoundsSuffix) || path.Base(d) == path.Clean(pairDir) && isPairShard(name)
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
		return nil, format.NewFault(doneName, -1, "there is no such file: the shard set is not finished; repeat the command that builds it")
	}
	if err != nil {
		return nil, err
	}
	manifest, err := readAll(ctx, st, manifestName, manifestLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, format.NewFault(manifestName, -1, "there is no such file")
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
		return nil, errors.Join(format.NewFault(name, limit, "the file has %d bytes; no such file has more than %d", size, limit), f.Close())
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
	format.Reader
	Bounds *format.Bounds
	Record ShardRecord

	loss   *format.Loss // nil if the mask has no file
	masked bool
	files  []format.File
	open   []io.Closer
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

// AppendMask appends the loss mask of sequence i, one byte a token: 1 for those that are learnt. A set without a mask
// has 1 for all.
func (s *Shard) AppendMask(dst []byte, i int64) ([]byte, error) {
	from, to := s.Bounds.Tokens(i)
	if !s.masked {
		return append(dst, bytes.Repeat([]byte{1}, int(to-from))...), nil
	}
	if s.loss != nil {
		return s.loss.Append(dst, from, to)
	}
	m, ok := s.Reader.(format.MaskReader)
	if !ok {
		return dst, fmt.Errorf("shards: the format of %s has no place for the mask that its manifest tells of", s.Record.Name)
	}
	return m.AppendMask(dst, i)
}

// Pair is where prompt and chosen answer end in sequence i of a set of pairs; ok is false for other sets.
func (s *Shard) Pair(i int64) (prompt, chosen int, ok bool, err error) {
	p, ok := s.Reader.(format.PairReader)
	if !ok {
		return 0, 0, false, nil
	}
	prompt, chosen, err = p.Pair(i)
	return prompt, chosen, true, err
}

// OpenShard opens shard k, from 0. Sizes and what headers say must agree with the manifest.
func (s *Set) OpenShard(ctx context.Context, k int) (_ *Shard, err error) {
	sh := &Shard{Record: s.Manifest.Shards[k], masked: s.Manifest.Masked}
	defer func() {
		if err != nil {
			err = errors.Join(err, sh.Close())
		}
	}()
	for _, f := range sh.Record.Files {
		file, err := s.openFile(ctx, f, sh)
		if err != nil {
			return nil, err
		}
		sh.files = append(sh.files, file)
	}
	f, err := format.Named(s.Manifest.Format)
	if err != nil {
		return nil, err
	}
	n := len(f.Suffixes())
	bounds := sh.files[len(sh.files)-1]
	if sh.Bounds, err = format.OpenBounds(bounds); err != nil {
		return nil, err
	}
	if got := sh.Bounds.Sequences(); got != sh.Record.Sequences {
		return nil, format.NewFault(bounds.Name, 16, "%d sequences, and the manifest says %d", got, sh.Record.Sequences)
	}
	if got := sh.Bounds.Width(); got != s.Manifest.Width {
		return nil, format.NewFault(bounds.Name, 12, "rows of %d tokens, and the manifest says %d", got, s.Manifest.Width)
	}
	tokens := sh.Record.Tokens + sh.Record.Padding
	if ends := sh.Bounds.Ends(); ends[len(ends)-1] != tokens {
		return nil, format.NewFault(bounds.Name, -1, "%d tokens, and the manifest says %d", ends[len(ends)-1], tokens)
	}
	if sh.Reader, err = f.Open(sh.files[:n], s.Manifest.set(), sh.Bounds.Ends()); err != nil {
		return nil, err
	}
	index := sh.files[n-1].Name
	if got := sh.Dtype().String(); got != s.Manifest.Dtype {
		return nil, format.NewFault(index, -1, "ids are %s, and the manifest says %s", got, s.Manifest.Dtype)
	}
	if got := sh.Sequences(); got != sh.Record.Sequences {
		return nil, format.NewFault(index, -1, "%d sequences, and the manifest says %d", got, sh.Record.Sequences)
	}
	if n+1 < len(sh.files) {
		sh.loss, err = format.OpenLoss(sh.files[n], tokens)
	}
	return sh, err
}

// openFile opens a file of the set, which sh closes.
func (s *Set) openFile(ctx context.Context, f FileRecord, sh *Shard) (format.File, error) {
	name := path.Join(s.Dir, f.Name)
	data, size, err := s.st.OpenAt(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return format.File{}, format.NewFault(name, -1, "there is no such file, and the manifest names it")
	}
	if err != nil {
		return format.File{}, err
	}
	sh.open = append(sh.open, data)
	if size != f.Size {
		return format.File{}, format.NewFault(name, min(size, f.Size), "the file has %d bytes, and the manifest says %d", size, f.Size)
	}
	return format.File{Name: name, Data: data, Size: size}, nil
}

// Row is a sequence of a set as a trainer sees it.
type Row struct {
	I              int64    // counted through all shards
	IDs            []uint32 // with padding
	Mask           []byte   // one byte a token
	Pieces         []format.Piece
	Prompt, Chosen int // of a pair
	IsPair         bool
}

// Text are the ids of a sequence that stand for text: without padding and, of a document that is not packed, without its
// EOD.
func (m *Manifest) Text(r *Row) []uint32 {
	ids := r.IDs
	if last := r.Pieces[len(r.Pieces)-1]; last.Padding {
		ids = ids[:last.Start]
	}
	if m.Packing != nil || m.EOD == nil || r.IsPair {
		return ids
	}
	eod := uint32(*m.EOD)
	switch n := len(ids); {
	case m.EODFirst && ids[0] == eod:
		return ids[1:]
	case !m.EODFirst && ids[n-1] == eod:
		return ids[:n-1]
	}
	return ids
}

// Rows calls f for count sequences (all, if negative) from sequence from on, counted through all shards. The row is
// valid during the call. An error of f ends it.
func (s *Set) Rows(ctx context.Context, from, count int64, f func(r *Row) error) error {
	rows := s.rows(from)
	for ; count != 0; count-- {
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), rows.close())
		}
		r, ok, err := rows.next(ctx)
		if ok && err == nil {
			err = f(r)
		}
		if !ok || err != nil {
			return errors.Join(err, rows.close())
		}
	}
	return rows.close()
}

// rows gives the sequences of a set one by one. It is closed by whoever has made it.
type rows struct {
	set *Set
	k   int    // shard
	i   int64  // the next of its sequences
	sh  *Shard // nil if it is not open
	row Row
}

// rows begins at sequence from, counted through all shards.
func (s *Set) rows(from int64) *rows {
	r := &rows{set: s, i: max(0, from), row: Row{I: max(0, from) - 1}}
	for ; r.k < len(s.Manifest.Shards) && r.i >= s.Manifest.Shards[r.k].Sequences; r.k++ {
		r.i -= s.Manifest.Shards[r.k].Sequences
	}
	return r
}

// next gives the next sequence, valid until the call after; ok is false at the end.
func (r *rows) next(ctx context.Context) (_ *Row, ok bool, err error) {
	if r.sh != nil && r.i == r.sh.Sequences() {
		if err := r.close(); err != nil {
			return nil, false, err
		}
		r.k, r.i = r.k+1, 0
	}
	if r.k == len(r.set.Manifest.Shards) {
		return nil, false, nil
	}
	if r.sh == nil {
		if r.sh, err = r.set.OpenShard(ctx, r.k); err != nil {
			return nil, false, err
		}
	}
	if err := r.sh.row(r.i, &r.row); err != nil {
		return nil, false, err
	}
	r.i++
	r.row.I++
	return &r.row, true, nil
}

func (r *rows) close() error {
	if r.sh == nil {
		return nil
	}
	err := r.sh.Close()
	r.sh = nil
	return err
}

// row reads sequence i of the shard.
func (s *Shard) row(i int64, r *Row) (err error) {
	if r.IDs, err = s.AppendTokens(r.IDs[:0], i); err != nil {
		return err
	}
	if r.Mask, err = s.AppendMask(r.Mask[:0], i); err != nil {
		return err
	}
	if r.Pieces, err = s.Bounds.AppendPieces(r.Pieces[:0], i); err != nil {
		return err
	}
	if from, to := s.Bounds.Tokens(i); to-from != int64(len(r.IDs)) {
		file, at := s.Place(i, 0)
		return format.NewFault(file, at, "sequence %d has %d tokens, and %d in its bounds", i, len(r.IDs), to-from)
	}
	r.Prompt, r.Chosen, r.IsPair, err = s.Pair(i)
	return err
}
