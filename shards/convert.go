package shards

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
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

// ErrNotEmpty is a folder that a finished set lies in already.
var ErrNotEmpty = errors.New("a finished shard set lies there")

// Convert writes the documents and rows of a set, in their order, as a set of another format in the folder dir. Sequences
// stay what they are, with their masks and bounds, but for padding, which goes or comes as the format has it, and the
// EOD of documents that are not packed, which changes its place if the format has it elsewhere. The set is verified
// first. What the format cannot hold is an error that says so, before anything is written.
func Convert(ctx context.Context, st store.Store, from *Set, dir string, o ConvertOptions) (*Manifest, error) {
	w, err := converter(from.Manifest, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Dir, err)
	}
	switch _, err := st.Stat(ctx, path.Join(dir, DoneFile)); {
	case err == nil:
		return nil, fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	folders, err := find(ctx, st, from.Dir)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		if f.dir == path.Clean(from.Dir) {
			if err := from.verify(ctx, f, &Verified{}); err != nil {
				return nil, err
			}
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rows := &converted{from: from.Manifest, to: &w.manifest, width: w.set.Dtype}
	next, end := rows.pull(ctx, from)
	defer end()
	rows.next = next
	w.ctx, w.to, w.in = ctx, folderFiles{st, dir}, rows
	if err := w.run(); err != nil {
		return nil, err
	}
	return &w.manifest, nil
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
	if !shardNames.MatchString(w.name) {
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
	from, to *Manifest
	width    format.Dtype
	next     func() (*Row, bool, error)
	ids      []uint32
	tokens   []byte
	mask     []byte
	pieces   []format.Piece
}

// pull turns Set.Rows, which calls, into one that is called.
func (c *converted) pull(ctx context.Context, s *Set) (next func() (*Row, bool, error), end func()) {
	k, i := 0, int64(0)
	var sh *Shard
	var r Row
	closeShard := func() error {
		if sh == nil {
			return nil
		}
		err := sh.Close()
		sh = nil
		return err
	}
	next = func() (*Row, bool, error) {
		for {
			if sh != nil && i == sh.Sequences() {
				if err := closeShard(); err != nil {
					return nil, false, err
				}
				k++
			}
			if sh == nil {
				if k == len(s.Manifest.Shards) {
					return nil, false, nil
				}
				var err error
				if sh, err = s.OpenShard(ctx, k); err != nil {
					return nil, false, err
				}
				i = 0
				continue
			}
			err := sh.row(i, &r)
			i++
			return &r, err == nil, err
		}
	}
	return next, func() { _ = closeShard() } // after an error, which is told
}

// Next implements pack.Sequences.
func (c *converted) Next() (format.Sequence, bool, error) {
	r, ok, err := c.next()
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
	if err := errors.Join(write(b), b.Flush()); err != nil {
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

// ConvertAll converts every set in the directory from, and writes the schedule, if there is one, for the sets that come
// of it. Preference pairs stay in the format that they have. wrote is told of each set.
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
	root := path.Clean(from)
	stages := map[string]*Manifest{}
	for _, s := range sets {
		below := strings.TrimPrefix(strings.TrimPrefix(path.Clean(s.Dir), root), "/")
		m, err := Convert(ctx, st, s, path.Join(to, below), o.of(s.Manifest))
		if err != nil {
			return err
		}
		stages[below] = m
		wrote(path.Join(to, below), m)
	}
	schedule, err := OpenSchedule(ctx, st, from)
	if err != nil || schedule == nil {
		return err
	}
	schedule.Format = o.Format
	if problem := schedule.check(stages); problem != "" {
		return format.NewFault(path.Join(from, ScheduleFile), -1, "%s", problem)
	}
	b, err := schedule.encode()
	if err != nil {
		return err
	}
	return folderFiles{st, to}.Make(ctx, stage.ResultDir+ScheduleFile, writeBytes(b))
}

// of is what becomes of a set: pairs stay as they are.
func (o ConvertOptions) of(m *Manifest) ConvertOptions {
	if m.Format == PairFormat {
		o.Format, o.Name = PairFormat, ""
	}
	return o
}
