package shards

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"curate/corpus"
	"curate/corpus/store"
	"curate/shards/format"
)

// Verified is what Verify has read and found right.
type Verified struct {
	Sets      []*Set
	Files     int
	Documents int64
	Sequences int64
	Tokens    int64
	Bytes     int64
}

// Verify reads all shard sets in dir and below it, every byte of them, and compares: the manifest with its done file,
// files with their sizes and digests, indices with the tokens they lead to, every token with the vocabulary, documents
// with their EOD, pieces of cut documents with one another, masks, padding, bounds with rows, the schedule with its sets,
// and all counts. The first thing that is wrong is a *format.Fault; what could not be read is another error. dir without
// any shard set is an error.
func Verify(ctx context.Context, st store.Store, dir string) (*Verified, error) {
	folders, err := find(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	v := &Verified{}
	for _, f := range folders {
		s, err := Open(ctx, st, f.dir)
		if err != nil {
			return nil, err
		}
		if err := s.verify(ctx, f, v); err != nil {
			return nil, err
		}
	}
	return v, verifySchedules(ctx, st, dir, v.Sets)
}

func (s *Set) verify(ctx context.Context, f folder, v *Verified) error {
	m := s.Manifest
	known := map[string]bool{}
	if m.Index != nil {
		known[m.Index.Name] = true
		v.Files++
		v.Bytes += m.Index.Size
	}
	for _, sh := range m.Shards {
		for _, file := range sh.Files {
			known[file.Name] = true
		}
	}
	var strange []string
	for name := range f.files {
		if (isNumbered(name) || strings.HasSuffix(name, format.BoundsSuffix)) && !known[name] {
			strange = append(strange, name)
		}
	}
	if len(strange) > 0 {
		return format.NewFault(path.Join(s.Dir, slices.Min(strange)), -1, "the manifest does not name this file; remove it, or build the shards again")
	}
	all := newSequenceCheck(m)
	var shards []format.Shard
	for k := range m.Shards {
		sh, err := s.verifyShard(ctx, k, all)
		if err != nil {
			return err
		}
		shards = append(shards, sh)
		for _, file := range m.Shards[k].Files {
			v.Files++
			v.Bytes += file.Size
		}
	}
	if err := s.verifyIndex(ctx, shards); err != nil {
		return err
	}
	if problem := all.compare(m); problem != "" {
		return format.NewFault(path.Join(s.Dir, ManifestFile), -1, "%s", problem)
	}
	v.Sets = append(v.Sets, s)
	v.Documents += m.Documents
	v.Sequences += m.Sequences
	v.Tokens += m.Tokens
	return nil
}

// verifyIndex makes the format's index of the set again and compares.
func (s *Set) verifyIndex(ctx context.Context, shards []format.Shard) (err error) {
	if s.Manifest.Index == nil {
		return nil
	}
	sh := &Shard{}
	defer func() { err = errors.Join(err, sh.Close()) }()
	file, err := s.openFile(ctx, *s.Manifest.Index, sh)
	if err != nil {
		return err
	}
	if err := checkDigests(ctx, file, *s.Manifest.Index); err != nil {
		return err
	}
	f, err := format.Named(s.Manifest.Format)
	if err != nil {
		return err
	}
	want, err := f.Index(s.Manifest.set(), shards)
	if err != nil {
		return err
	}
	got, err := readAll(ctx, s.st, file.Name, manifestLimit)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		return format.NewFault(file.Name, int64(at), "it does not say of the shards what they are")
	}
	return nil
}

// verifyShard reads the files of shard k twice: for their digests, and for what they say. A fault in what they say has the
// more exact place, but counts only if it is in a file that was changed, or none was.
func (s *Set) verifyShard(ctx context.Context, k int, all *sequenceCheck) (format.Shard, error) {
	changed := s.verifyFiles(ctx, k)
	var at *format.Fault
	if changed != nil && !errors.As(changed, &at) {
		return format.Shard{}, changed
	}
	sh, err := s.verifyContent(ctx, k, all)
	var f *format.Fault
	if changed != nil && (!errors.As(err, &f) || f.File != at.File) {
		return sh, changed
	}
	return sh, err
}

// verifyFiles compares the files of shard k with their digests.
func (s *Set) verifyFiles(ctx context.Context, k int) error {
	for _, rec := range s.Manifest.Shards[k].Files {
		sh := &Shard{}
		file, err := s.openFile(ctx, rec, sh)
		if err == nil {
			err = checkDigests(ctx, file, rec)
		}
		if err := errors.Join(err, sh.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) verifyContent(ctx context.Context, k int, all *sequenceCheck) (_ format.Shard, err error) {
	sh, err := s.OpenShard(ctx, k)
	if err != nil {
		return format.Shard{}, err
	}
	defer func() { err = errors.Join(err, sh.Close()) }()
	if err := sh.Check(); err != nil {
		return format.Shard{}, err
	}
	if err := sh.Bounds.Check(); err != nil {
		return format.Shard{}, err
	}
	before := all.checked
	all.sh = sh
	var r Row
	for i := range sh.Sequences() {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return format.Shard{}, err
			}
		}
		if err := sh.row(i, &r); err != nil {
			return format.Shard{}, err
		}
		if err := all.sequence(i, &r); err != nil {
			return format.Shard{}, err
		}
	}
	name := path.Join(s.Dir, ManifestFile)
	if got := all.tokens - before.tokens; got != sh.Record.Tokens {
		return format.Shard{}, format.NewFault(name, -1, "%s has %d tokens, and the manifest says %d", sh.Record.Name, got, sh.Record.Tokens)
	}
	if got := all.documents - before.documents; got != sh.Record.Documents {
		return format.Shard{}, format.NewFault(name, -1, "%d documents begin in %s, and the manifest says %d", got, sh.Record.Name, sh.Record.Documents)
	}
	out := format.Shard{Name: sh.Record.Name, Sequences: sh.Record.Sequences, Tokens: sh.Record.Tokens + sh.Record.Padding}
	for i := range len(sh.files) - 1 {
		out.Sizes = append(out.Sizes, sh.files[i].Size)
	}
	return out, nil
}

// checked is what was counted.
type checked struct {
	documents, tokens, padding, learnt int64
	eods, absent                       int64
	pieces, continued, full            int64
}

// copyOf is a copy of a document of which some pieces have come.
type copyOf struct {
	id   uint64
	copy uint16
}

// sequenceCheck looks at the sequences of a set, one after the other.
type sequenceCheck struct {
	checked
	m       *Manifest
	sh      *Shard
	sources []ManifestSource
	open    map[copyOf]uint32 // the token that the next piece of a cut document begins with
}

func newSequenceCheck(m *Manifest) *sequenceCheck {
	return &sequenceCheck{m: m, sources: make([]ManifestSource, len(m.Sources)), open: map[copyOf]uint32{}}
}

// compare says what the manifest has wrong.
func (c *sequenceCheck) compare(m *Manifest) string {
	for i, s := range m.Sources {
		if got := c.sources[i]; got.Documents != s.Documents || got.Tokens != s.Tokens {
			return fmt.Sprintf("source %q has %d documents and %d tokens; the shards have %d and %d", s.Name, s.Documents, s.Tokens, got.Documents, got.Tokens)
		}
	}
	inside := c.eods - (c.documents - c.absent)
	p := m.Packing
	switch {
	case len(c.open) > 0:
		return fmt.Sprintf("%d documents are cut, and what follows of them is in no sequence", len(c.open))
	case m.EOD != nil && (inside != m.EODInside || c.absent != m.EODAbsent):
		return fmt.Sprintf("%d EOD tokens are inside of documents and %d documents have none; eod_inside is %d, and eod_absent %d", inside, c.absent, m.EODInside, m.EODAbsent)
	case p != nil && (c.pieces != p.Pieces || c.continued != p.Cuts || c.full != p.Full):
		return fmt.Sprintf("packing has %d pieces, %d cuts and %d full rows; the shards have %d, %d and %d", p.Pieces, p.Cuts, p.Full, c.pieces, c.continued, c.full)
	case m.Masked && c.learnt != m.Learnt:
		return fmt.Sprintf("learnt_tokens is %d; the masks have %d", m.Learnt, c.learnt)
	case c.padding != m.Padding:
		return fmt.Sprintf("padding is %d; the shards have %d", m.Padding, c.padding)
	}
	return ""
}

func (c *sequenceCheck) sequence(i int64, r *Row) error {
	if len(r.IDs) == 0 {
		file, at := c.sh.Place(i, 0)
		return format.NewFault(file, at, "sequence %d has no tokens", i)
	}
	if k := outside(r.IDs, uint32(c.m.Vocabulary)); k >= 0 {
		file, at := c.sh.Place(i, int64(k))
		return format.NewFault(file, at, "token %d of sequence %d has id %d, and the vocabulary %d ids", k, i, r.IDs[k], c.m.Vocabulary)
	}
	real := len(r.IDs)
	pieces := r.Pieces
	if last := pieces[len(pieces)-1]; last.Padding {
		real, pieces = last.Start, pieces[:len(pieces)-1]
		if err := c.padded(i, r, real); err != nil {
			return err
		}
	}
	if c.m.PadID != nil && len(r.IDs) != c.m.Width {
		file, at := c.sh.Bounds.Place(i)
		return format.NewFault(file, at, "row %d has %d tokens; rows are padded to %d", i, len(r.IDs), c.m.Width)
	}
	if r.IsPair && (r.Prompt > r.Chosen || r.Chosen > len(r.IDs)) {
		file, at := c.sh.Place(i, 0)
		return format.NewFault(file, at, "the prompt of pair %d ends at token %d and its chosen answer at %d of %d", i, r.Prompt, r.Chosen, len(r.IDs))
	}
	c.tokens += int64(real)
	c.learnt += int64(bytes.Count(r.Mask, []byte{1}))
	if real == c.m.Width {
		c.full++
	}
	for k, p := range pieces {
		end := real
		if k+1 < len(pieces) {
			end = pieces[k+1].Start
		}
		if err := c.piece(i, r.IDs, p, end); err != nil {
			return err
		}
	}
	return nil
}

// padded looks at what fills up a row.
func (c *sequenceCheck) padded(i int64, r *Row, from int) error {
	c.padding += int64(len(r.IDs) - from)
	for k := from; k < len(r.IDs); k++ {
		switch {
		case c.m.PadID == nil:
			file, at := c.sh.Bounds.Place(i)
			return format.NewFault(file, at, "sequence %d is padded, and the manifest says that nothing is", i)
		case r.IDs[k] != uint32(*c.m.PadID):
			file, at := c.sh.Place(i, int64(k))
			return format.NewFault(file, at, "token %d of row %d has id %d, and is padding, whose id is %d", k, i, r.IDs[k], *c.m.PadID)
		case r.Mask[k] != 0:
			file, at := c.sh.Place(i, int64(k))
			return format.NewFault(file, at, "token %d of row %d is padding, and its mask says that it is learnt", k, i)
		}
	}
	return nil
}

// piece looks at ids[p.Start:end].
func (c *sequenceCheck) piece(i int64, ids []uint32, p format.Piece, end int) error {
	c.pieces++
	file, at := c.sh.Bounds.Place(i)
	if int(p.Source) >= len(c.sources) {
		return format.NewFault(file, at, "a piece of sequence %d is of source %d, and the manifest has %d", i, p.Source, len(c.sources))
	}
	c.sources[p.Source].Tokens += int64(end - p.Start)
	which := copyOf{p.ID, p.Copy}
	if p.Continues {
		c.continued++
		if want, cut := c.open[which]; !cut || want != p.From {
			return format.NewFault(file, at, "a piece of sequence %d goes on with token %d of document %d; what comes before it ends elsewhere, or is not there", i, p.From, p.ID)
		}
		delete(c.open, which)
	} else {
		c.documents++
		c.sources[p.Source].Documents++
	}
	if !p.Last {
		c.open[which] = p.From + uint32(end-p.Start)
	}
	return c.ends(i, ids, p, end)
}

// ends looks for EOD in a piece.
func (c *sequenceCheck) ends(i int64, ids []uint32, p format.Piece, end int) error {
	if c.m.EOD == nil {
		return nil
	}
	eod, place := uint32(*c.m.EOD), -1
	switch {
	case c.m.EODFirst && !p.Continues:
		place = p.Start
	case !c.m.EODFirst && p.Last:
		place = end - 1
	}
	if place >= 0 && ids[place] != eod {
		c.absent++
		if c.m.EODAbsent == 0 {
			file, at := c.sh.Place(i, int64(place))
			return format.NewFault(file, at, "token %d of sequence %d is where a document has its EOD and has id %d, not %d", place, i, ids[place], eod)
		}
	}
	for k, id := range ids[p.Start:end] {
		if id != eod {
			continue
		}
		c.eods++
		if k += p.Start; c.m.EODInside == 0 && k != place {
			file, at := c.sh.Place(i, int64(k))
			return format.NewFault(file, at, "token %d of sequence %d is EOD inside a document, and the manifest says that there is none", k, i)
		}
	}
	return nil
}

// besides groups sets by the folder that their folders lie in, where their schedule is; the one in dir itself is left
// out, since its schedule was not asked for.
func besides(dir string, sets []*Set) (roots []string, byRoot map[string]map[string]*Manifest) {
	byRoot = map[string]map[string]*Manifest{}
	for _, s := range sets {
		if path.Clean(s.Dir) == path.Clean(dir) {
			continue
		}
		root := path.Dir(path.Clean(s.Dir))
		if byRoot[root] == nil {
			byRoot[root] = map[string]*Manifest{}
			roots = append(roots, root)
		}
		byRoot[root][path.Base(s.Dir)] = s.Manifest
	}
	return roots, byRoot
}

// verifySchedules compares each schedule in dir or below it with the manifests of the sets beside it.
func verifySchedules(ctx context.Context, st store.Store, dir string, sets []*Set) error {
	roots, byRoot := besides(dir, sets)
	for _, root := range roots {
		s, err := OpenSchedule(ctx, st, root)
		if err != nil {
			return err
		}
		if s == nil {
			if _, err := st.Stat(ctx, path.Join(root, corpus.Dir, corpus.Done)); err == nil { // they were built there
				return format.NewFault(path.Join(root, ScheduleFile), -1, "there is no such file, which is made with the sets beside it; build the shards again")
			}
			continue
		}
		if problem := s.check(byRoot[root]); problem != "" {
			return format.NewFault(path.Join(root, ScheduleFile), -1, "%s", problem)
		}
	}
	return nil
}

// checkDigests reads a whole file, block by block.
func checkDigests(ctx context.Context, f format.File, want FileRecord) error {
	d := newDigests()
	buf := make([]byte, min(blockSize, f.Size))
	for k := 0; d.size < f.Size; k++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := d.size
		block := buf[:min(blockSize, f.Size-at)]
		n, err := f.Data.ReadAt(block, at)
		if n < len(block) {
			if err == io.EOF {
				return format.NewFault(f.Name, at+int64(n), "the file ends here; it had %d bytes when it was opened", f.Size)
			}
			return fmt.Errorf("%s (byte %d): %w", f.Name, at+int64(n), err)
		}
		d.add(block)
		if len(block) < blockSize {
			d.endBlock()
		}
		if d.blocks[k] != want.Blocks[k] {
			return format.NewFault(f.Name, at, "something in the %d bytes from here was changed after they were written; restore the file, or build the shards again", len(block))
		}
	}
	if got := hex.EncodeToString(d.sum.Sum(nil)); got != want.SHA256 {
		return format.NewFault(f.Name, -1, "its sha256 is %s, and the manifest says %s: bytes were changed after it was written; restore it, or build the shards again", got, want.SHA256)
	}
	return nil
}
