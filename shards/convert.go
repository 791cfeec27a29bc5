package shards

import (
	"bufio"
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
	"curate/stage"
)

// ConvertOptions say what a set becomes.
type ConvertOptions struct {
	Format    string
	Name      string // of the shards; the format's own if empty
	ShardSize int64  // tokens; DefaultShardSize if 0
}

var (
	// ErrNotEmpty is a folder that a finished set lies in already.
	ErrNotEmpty = errors.New("a finished shard set lies there")
	// ErrUnfinished is a folder with files of a set that nobody has finished: what would be written need not have all of
	// their names, and the rest would stay.
	ErrUnfinished = errors.New("this is left of a shard set that was not finished; remove the folder and convert again")
)

// Convert writes the documents and rows of a set, in their order, as a set of another format in the folder dir. Sequences
// stay what they are, with their masks and bounds, but for padding, which goes or comes as the format has it, and the
// EOD of documents that are not packed, which changes its place if the format has it elsewhere. The set is verified
// first. What the format cannot hold is an error that says so, before anything is written, but for a sequence that is
// too long for it. What an error or a kill leaves in dir has no done file.
func Convert(ctx context.Context, st store.Store, from *Set, dir string, o ConvertOptions) (*Manifest, error) {
	w, err := converter(from.Manifest, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Dir, err)
	}
	if err := vacant(ctx, st, dir); err != nil {
		return nil, err
	}
	folders, err := find(ctx, st, from.Dir)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(folders, func(f folder) bool { return f.dir == path.Clean(from.Dir) })
	if i < 0 {
		return nil, fmt.Errorf("%s: there is no shard set any more", from.Dir)
	}
	if err := from.verify(ctx, folders[i], &Verified{}); err != nil {
		return nil, err
	}
	rows := from.rows(0)
	w.ctx, w.to, w.in = ctx, folderFiles{st, dir}, &converted{ctx: ctx, from: from.Manifest, to: &w.manifest, width: w.set.Dtype, rows: rows}
	if err := errors.Join(w.run(), rows.close()); err != nil {
		return nil, err
	}
	return &w.manifest, nil
}

// vacant says why no set can be written into a folder.
func vacant(ctx context.Context, st store.Store, dir string) error {
	dir = path.Clean(dir)
	infos, err := st.List(ctx, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	left := ""
	for _, info := range infos {
		name := path.Base(info.Name)
		switch {
		case path.Dir(info.Name) != dir:
		case name == DoneFile:
			return fmt.Errorf("%s: %w", dir, ErrNotEmpty)
		case isNumbered(name) || strings.HasSuffix(name, format.BoundsSuffix):
			left = info.Name
		}
	}
	if left != "" {
		return fmt.Errorf("%s: %w", left, ErrUnfinished)
	}
	return nil
}

// converter makes the writer of a set, all but where its sequences come from and go to.
func converter(m *Manifest, o ConvertOptions) (*setWriter, error) {
	f, err := format.Named(o.Format)
	if err != nil {
		return nil, err
	}
	of, err := format.Named(m.Format)
	if err != nil {
		return nil, err
	}
	t, was := f.Traits(), of.Traits()
	if t.Pairs != was.Pairs {
		return nil, fmt.Errorf("format %s cannot hold what format %s does: one is for preference pairs, the other for documents", f.Name(), of.Name())
	}
	dtype, err := f.Dtype(m.Vocabulary)
	if err != nil {
		return nil, err
	}
	w := &setWriter{format: f, traits: t, name: o.Name, shardSize: o.ShardSize, maxPieces: maxPieces}
	if w.shardSize == 0 {
		w.shardSize = DefaultShardSize
	}
	if w.name == "" {
		if w.name = t.Name; w.name == "" {
			w.name = "shard"
		}
	}
	if !isShardName(w.name) {
		return nil, fmt.Errorf("%q is no name for shards: letters, digits, - and _, a letter first", w.name)
	}
	w.manifest = *m
	to := &w.manifest
	to.Format, to.Dtype = f.Name(), dtype.String()
	to.EODInside, to.EODAbsent, to.Learnt, to.Documents, to.Sequences, to.Tokens, to.Padding = 0, 0, 0, 0, 0, 0, 0
	to.Index, to.Shards, to.PadID = nil, nil, nil
	to.Sources = nil
	for _, s := range m.Sources {
		to.Sources = append(to.Sources, ManifestSource{Name: s.Name})
	}
	to.Masked = m.Learnt < m.Tokens // a mask that only padding needed goes with it
	if m.Packing == nil {
		if m.EOD != nil {
			to.EODFirst = t.EODFirst
		}
	} else {
		to.Packing = &Packing{Method: m.Packing.Method}
		if to.Width = m.Length + t.Extra; to.Width < m.Width && m.Packing.Full > 0 {
			return nil, fmt.Errorf("%d rows have %d tokens, and format %s takes %d at a time; build the shards in that format", m.Packing.Full, m.Width, f.Name(), to.Width)
		}
		if t.Padded {
			if to.PadID = m.PadID; to.PadID == nil {
				to.PadID = m.EOD
			}
			if to.PadID == nil {
				return nil, fmt.Errorf("rows of format %s are padded, and the set has neither EOD nor a token that pads", f.Name())
			}
			to.Masked = true
		}
	}
	w.set = to.set()
	return w, nil
}

// converted are the rows of a set as sequences of another.
type converted struct {
	ctx      context.Context // of the one call that it lives for
	from, to *Manifest
	width    format.Dtype
	rows     *rows
	ids      []uint32
	tokens   []byte
	mask     []byte
	pieces   []format.Piece
}

// Next implements pack.Sequences.
func (c *converted) Next() (format.Sequence, bool, error) {
	r, ok, err := c.rows.next(c.ctx)
	if !ok || err != nil {
		return format.Sequence{}, false, err
	}
	c.ids, c.mask, c.pieces = append(c.ids[:0], r.IDs...), append(c.mask[:0], r.Mask...), append(c.pieces[:0], r.Pieces...)
	if last := c.pieces[len(c.pieces)-1]; last.Padding {
		c.ids, c.mask, c.pieces = c.ids[:last.Start], c.mask[:last.Start], c.pieces[:len(c.pieces)-1]
	}
	if c.from.EODFirst != c.to.EODFirst {
		c.turn()
	}
	if n := len(c.ids); c.to.PadID != nil && n < c.to.Width {
		c.pieces = append(c.pieces, format.Piece{Start: n, Padding: true})
		for len(c.ids) < c.to.Width {
			c.ids, c.mask = append(c.ids, uint32(*c.to.PadID)), append(c.mask, 0)
		}
	}
	c.tokens = c.width.AppendBytes(c.tokens[:0], c.ids)
	s := format.Sequence{Tokens: c.tokens, Pieces: c.pieces, Prompt: r.Prompt, Chosen: r.Chosen}
	if c.to.Masked {
		s.Mask = c.mask
	}
	return s, true, nil
}

// turn moves the EOD of a document from its end to its begin, or back. A document without one stays as it is.
func (c *converted) turn() {
	eod, n := uint32(*c.from.EOD), len(c.ids)
	switch {
	case c.to.EODFirst && c.ids[n-1] == eod:
		mask := c.mask[n-1]
		copy(c.ids[1:], c.ids[:n-1])
		copy(c.mask[1:], c.mask[:n-1])
		c.ids[0], c.mask[0] = eod, mask
	case !c.to.EODFirst && c.ids[0] == eod:
		mask := c.mask[0]
		copy(c.ids, c.ids[1:])
		copy(c.mask, c.mask[1:])
		c.ids[n-1], c.mask[n-1] = eod, mask
	}
}

// folderFiles makes the files of a set in a folder. What was there is replaced.
type folderFiles struct {
	st  store.Store
	dir string
}

func (f folderFiles) path(name string) string {
	if result, ok := strings.CutPrefix(name, stage.ResultDir); ok {
		return path.Join(f.dir, result)
	}
	return path.Join(f.dir, "."+name)
}

func (f folderFiles) Make(ctx context.Context, name string, write func(io.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	w, err := f.st.Create(ctx, f.path(name))
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, windowSize)
	err = write(b)
	if err == nil {
		err = b.Flush() // what write has met on the way it returns itself
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

func (f folderFiles) Open(ctx context.Context, name string) (stage.ReaderAt, int64, error) {
	return f.st.OpenAt(ctx, f.path(name))
}

func (f folderFiles) Remove(ctx context.Context, name string) error {
	return f.st.Remove(ctx, f.path(name))
}

// ConvertAll converts every set in the directory from, and writes the schedules that there are for the sets that come
// of them. Preference pairs stay in the format that they have. wrote is told of each set.
func ConvertAll(ctx context.Context, st store.Store, from, to string, o ConvertOptions, wrote func(dir string, m *Manifest)) error {
	dirs, err := Find(ctx, st, from)
	if err != nil {
		return err
	}
	var sets []*Set
	for _, d := range dirs {
		s, err := Open(ctx, st, d)
		if err != nil {
			return err
		}
		if _, err := converter(s.Manifest, o.of(s.Manifest)); err != nil { // before any is written
			return fmt.Errorf("%s: %w", d, err)
		}
		sets = append(sets, s)
	}
	target := func(dir string) string {
		return path.Join(to, strings.TrimPrefix(strings.TrimPrefix(path.Clean(dir), path.Clean(from)), "/"))
	}
	for _, s := range sets {
		if err := vacant(ctx, st, target(s.Dir)); err != nil {
			return err
		}
	}
	for i, s := range sets {
		m, err := Convert(ctx, st, s, target(s.Dir), o.of(s.Manifest))
		if err != nil {
			return err
		}
		sets[i] = &Set{s.Dir, m, st}
		wrote(target(s.Dir), m)
	}
	roots, beside := besides(from, sets)
	for _, root := range roots {
		schedule, err := OpenSchedule(ctx, st, root)
		if err != nil {
			return err
		}
		if schedule == nil {
			continue
		}
		schedule.Format = o.Format
		if problem := schedule.check(beside[root]); problem != "" {
			return format.NewFault(path.Join(root, ScheduleFile), -1, "%s", problem)
		}
		b, err := schedule.encode()
		if err != nil {
			return err
		}
		if err := (folderFiles{st, target(root)}).Make(ctx, stage.ResultDir+ScheduleFile, writeBytes(b)); err != nil {
			return err
		}
	}
	return nil
}

// of is what becomes of a set: pairs stay as they are.
func (o ConvertOptions) of(m *Manifest) ConvertOptions {
	if m.Format == PairFormat {
		o.Format, o.Name = PairFormat, ""
	}
	return o
}
