package shards

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"curate/corpus/store"
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
// files with their sizes and digests, indices with the tokens they lead to, every token with the vocabulary, ends of
// documents with the EOD token, bounds with rows, and all counts. The first thing that is wrong is a *Fault; what
// could not be read is another error. dir without any shard set is an error.
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
	return v, nil
}

func (s *Set) verify(ctx context.Context, f folder, v *Verified) error {
	m := s.Manifest
	known := map[string]bool{}
	for _, sh := range m.Shards {
		for _, file := range sh.Files {
			known[file.Name] = true
		}
	}
	var strange []string
	for name := range f.files {
		if shardFile.MatchString(name) && !known[name] {
			strange = append(strange, name)
		}
	}
	if len(strange) > 0 {
		return fault(path.Join(s.Dir, slices.Min(strange)), -1, "the manifest does not name this file; remove it, or build the shards again")
	}
	var all checked
	for k := range m.Shards {
		c, err := s.verifyShard(ctx, k)
		if err != nil {
			return err
		}
		all.add(c)
		for _, file := range m.Shards[k].Files {
			v.Files++
			v.Bytes += file.Size
		}
	}
	name := path.Join(s.Dir, ManifestFile)
	if m.EOD != nil && all.eods != m.Documents+m.EODInside {
		return fault(name, -1, "%d EOD tokens in the shards; %d documents and eod_inside %d make %d", all.eods, m.Documents, m.EODInside, m.Documents+m.EODInside)
	}
	if p := m.Packing; p != nil && (all.pieces != p.Pieces || all.continued != p.Cuts || all.full != p.Full) {
		return fault(name, -1, "packing has %d pieces, %d cuts and %d full rows; the shards have %d, %d and %d", p.Pieces, p.Cuts, p.Full, all.pieces, all.continued, all.full)
	}
	v.Sets = append(v.Sets, s)
	v.Documents += m.Documents
	v.Sequences += m.Sequences
	v.Tokens += m.Tokens
	return nil
}

// checked is what was counted.
type checked struct {
	tokens, eods            int64
	pieces, continued, full int64
}

func (c *checked) add(d checked) {
	c.tokens += d.tokens
	c.eods += d.eods
	c.pieces += d.pieces
	c.continued += d.continued
	c.full += d.full
}

func (s *Set) verifyShard(ctx context.Context, k int) (c checked, err error) {
	sh, err := s.OpenShard(ctx, k)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, sh.Close()) }()
	if err := sh.Check(); err != nil {
		return c, err
	}
	if sh.Bounds != nil {
		if err := sh.Bounds.Check(); err != nil {
			return c, err
		}
	}
	check := sequenceCheck{m: s.Manifest, sh: sh}
	var ids []uint32
	for i := range sh.Sequences() {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return c, err
			}
		}
		if ids, err = sh.AppendTokens(ids[:0], i); err != nil {
			return c, err
		}
		if err := check.sequence(i, ids); err != nil {
			return c, err
		}
	}
	// Before the counts: what does not add up because a file was changed is that file's fault.
	for i, f := range sh.Record.Files {
		if err := checkDigests(ctx, sh.files[i], f); err != nil {
			return c, err
		}
	}
	c = check.checked
	name := path.Join(s.Dir, ManifestFile)
	if c.tokens != sh.Record.Tokens {
		return c, fault(name, -1, "%s has %d tokens, and the manifest says %d", sh.Record.Name, c.tokens, sh.Record.Tokens)
	}
	if documents := c.pieces - c.continued; documents != sh.Record.Documents {
		return c, fault(name, -1, "%d documents begin in %s, and the manifest says %d", documents, sh.Record.Name, sh.Record.Documents)
	}
	return c, nil
}

// sequenceCheck looks at the tokens of one shard's sequences.
type sequenceCheck struct {
	checked
	m      *Manifest
	sh     *Shard
	pieces []Piece
}

func (c *sequenceCheck) sequence(i int64, ids []uint32) error {
	c.tokens += int64(len(ids))
	if len(ids) == 0 {
		file, at := c.sh.Place(i, 0)
		return fault(file, at, "sequence %d has no tokens", i)
	}
	if k := outside(ids, uint32(c.m.Vocabulary)); k >= 0 {
		file, at := c.sh.Place(i, int64(k))
		return fault(file, at, "token %d of sequence %d has id %d, and the vocabulary %d ids", k, i, ids[k], c.m.Vocabulary)
	}
	c.pieces = append(c.pieces[:0], Piece{})
	if b := c.sh.Bounds; b != nil {
		var err error
		if c.pieces, err = b.AppendPieces(c.pieces[:0], i); err != nil {
			return err
		}
		if len(ids) > b.Length() {
			file, at := c.sh.Place(i, int64(b.Length()))
			return fault(file, at, "row %d has %d tokens, and may have %d", i, len(ids), b.Length())
		}
		if last := c.pieces[len(c.pieces)-1]; last.Start >= len(ids) {
			return fault(b.start.Name, -1, "the last piece of row %d begins at token %d, and the row has %d", i, last.Start, len(ids))
		}
		if len(ids) == b.Length() {
			c.full++
		}
	}
	for k, p := range c.pieces {
		c.checked.pieces++
		if p.Continues {
			c.continued++
		}
		end := len(ids)
		if k+1 < len(c.pieces) {
			end = c.pieces[k+1].Start
		}
		if err := c.piece(i, ids, p.Start, end); err != nil {
			return err
		}
	}
	return nil
}

// piece looks for EOD in ids[start:end]. A document ends with one; a piece that fills a row may be any but the last
// of its document, a shorter one is the last.
func (c *sequenceCheck) piece(i int64, ids []uint32, start, end int) error {
	if c.m.EOD == nil {
		return nil
	}
	eod := uint32(*c.m.EOD)
	isLast := c.sh.Bounds == nil || end-start < c.m.Length
	if isLast && ids[end-1] != eod {
		file, at := c.sh.Place(i, int64(end-1))
		return fault(file, at, "token %d of sequence %d ends a document and has id %d, not %d (EOD)", end-1, i, ids[end-1], eod)
	}
	for k, id := range ids[start:end] {
		if id != eod {
			continue
		}
		c.eods++
		if k += start; c.m.EODInside == 0 && k != end-1 {
			file, at := c.sh.Place(i, int64(k))
			return fault(file, at, "token %d of sequence %d is EOD inside a document, and the manifest says that there is none", k, i)
		}
	}
	return nil
}

// checkDigests reads a whole file, block by block.
func checkDigests(ctx context.Context, f File, want FileRecord) error {
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
				return fault(f.Name, at+int64(n), "the file ends here; it had %d bytes when it was opened", f.Size)
			}
			return fmt.Errorf("%s (byte %d): %w", f.Name, at+int64(n), err)
		}
		d.add(block)
		if len(block) < blockSize {
			d.endBlock()
		}
		if d.blocks[k] != want.Blocks[k] {
			return fault(f.Name, at, "something in the %d bytes from here was changed after they were written; restore the file, or build the shards again", len(block))
		}
	}
	if got := hex.EncodeToString(d.sum.Sum(nil)); got != want.SHA256 {
		return fault(f.Name, -1, "its sha256 is %s, and the manifest says %s: bytes were changed after it was written; restore it, or build the shards again", got, want.SHA256)
	}
	return nil
}
