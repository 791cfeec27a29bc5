package shards

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"curate/shards/format"
	"curate/shards/pack"
	"curate/stage"
)

// maxPieces is how many pieces of documents a shard may have, packed or not: its index and bounds are made from what is
// held of each, some 40 bytes. A constant of the stage, as bytes depend on it.
const maxPieces = 1 << 20

// files is where a set is written: a stage.Workspace, or a folder.
type files interface {
	Make(ctx context.Context, name string, write func(w io.Writer) error) error
	Open(ctx context.Context, name string) (stage.ReaderAt, int64, error)
	Remove(ctx context.Context, name string) error
}

// setWriter makes the files of a shard set, in order, of sequences. A file that an earlier attempt has made is not
// written again; what would be written is made all the same, since the manifest must know it and the next file begins
// where it ends.
type setWriter struct {
	ctx    context.Context // of the one call that the setWriter lives for
	to     files
	dir    string // of the set, with a slash, below the result
	in     pack.Sequences
	format format.Format
	traits format.Traits
	set    format.Set
	name   string // of shards

	shardSize int64
	maxPieces int
	manifest  Manifest
	packing   Packing

	held   format.Sequence // read and not yet written, if isHeld
	isHeld bool
	shards []format.Shard
}

// run writes the set. The manifest is filled in by then with all but what is counted here.
func (w *setWriter) run() error {
	m := &w.manifest
	for k := 0; ; k++ {
		more, err := w.peek()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if k > 0 && w.traits.Single {
			return fmt.Errorf("shards: format %s is one file, which cannot hold more than %d tokens; choose another format", w.format.Name(), w.traits.MaxTokens)
		}
		s, err := w.shard(shardName(w.name, w.traits, k))
		if err != nil {
			return err
		}
		m.Shards = append(m.Shards, s)
		m.Documents += s.Documents
		m.Sequences += s.Sequences
		m.Tokens += s.Tokens
		m.Padding += s.Padding
	}
	if m.Packing != nil {
		p := w.packing
		p.Method = m.Packing.Method
		p.Cuts = p.Pieces - m.Documents
		p.Fill = fillShare(m.Tokens, m.Sequences, m.Width)
		m.Packing = &p
	}
	if !m.Masked {
		m.Learnt = m.Tokens
	}
	if w.traits.Index != "" {
		b, err := w.format.Index(w.set, w.shards)
		if err != nil {
			return err
		}
		f, err := w.make(w.traits.Index, writeBytes(b))
		if err != nil {
			return err
		}
		m.Index = &f
	}
	b, err := m.encode()
	if err != nil {
		return err
	}
	if len(b) > manifestLimit {
		return fmt.Errorf("shards: a set whose manifest takes %d bytes, and at most %d can be read; build it in several parts", len(b), manifestLimit)
	}
	if _, err := w.make(ManifestFile, writeBytes(b)); err != nil {
		return err
	}
	_, err = w.make(DoneFile, writeBytes([]byte(doneLine(b))))
	return err
}

func writeBytes(b []byte) func(io.Writer) error {
	return func(to io.Writer) error {
		_, err := to.Write(b)
		return err
	}
}

// fillShare is tokens / (rows × width), rounded to 6 digits.
func fillShare(tokens, rows int64, width int) float64 {
	if rows == 0 {
		return 1
	}
	return share(float64(tokens), float64(rows)*float64(width))
}

// share is a / b, rounded to 6 digits; 0 if b is.
func share(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return math.Round(float64(a/b*1e6)) / 1e6
}

// peek reads the next sequence into held.
func (w *setWriter) peek() (more bool, err error) {
	if w.isHeld {
		return true, nil
	}
	if err := w.ctx.Err(); err != nil {
		return false, context.Cause(w.ctx)
	}
	w.held, w.isHeld, err = w.in.Next()
	return w.isHeld, err
}

// shard makes the files of one shard. Those that are written while its sequences go by are nested in one another.
func (w *setWriter) shard(name string) (ShardRecord, error) {
	s := ShardRecord{Name: name}
	out := w.format.NewWriter(w.set)
	bounds := &format.BoundsWriter{Width: w.manifest.Width}
	suffixes := w.format.Suffixes()
	fill := func(tokens, mask io.Writer) error {
		if err := w.fill(&s, tokens, mask, out, bounds); err != nil {
			return err
		}
		return out.End(tokens)
	}
	var records []FileRecord
	add := func(f FileRecord, err error) error {
		records = append(records, f)
		return err
	}
	var tokens FileRecord
	body := func(mask io.Writer) (err error) {
		if w.traits.Lead {
			tokens, err = w.led(name, suffixes[0], out, func(to io.Writer) error { return fill(to, mask) })
			return err
		}
		tokens, err = w.make(name+suffixes[0], func(to io.Writer) error { return fill(to, mask) })
		return err
	}
	var mask *FileRecord
	masked := func() error {
		if !w.set.Masked || w.traits.Mask == "" {
			return body(io.Discard)
		}
		f, err := w.make(name+w.traits.Mask, body)
		mask = &f
		return err
	}
	rest := func() error {
		records = append(records, tokens)
		for _, suffix := range suffixes[1:] {
			if err := add(w.make(name+suffix, func(to io.Writer) error { return out.Side(suffix, to) })); err != nil {
				return err
			}
		}
		if mask != nil {
			records = append(records, *mask)
		}
		sizes := make([]int64, len(suffixes))
		for i := range suffixes {
			sizes[i] = records[i].Size
		}
		w.shards = append(w.shards, format.Shard{Name: name, Sequences: s.Sequences, Tokens: s.Tokens + s.Padding, Sizes: sizes})
		return nil
	}
	var err error
	if w.traits.Single {
		err = w.spooledBounds(name, bounds, masked, rest, add)
	} else if err = masked(); err == nil {
		if err = rest(); err == nil {
			err = add(w.make(name+format.BoundsSuffix, bounds.Write))
		}
	}
	s.Files = records
	return s, err
}

// spool is the name of a file that is only there while a shard is made.
func (w *setWriter) spool(name, what string) string {
	return "spool-" + strings.ReplaceAll(w.dir, "/", "-") + name + what
}

// led makes a file of tokens that begins with what is known only at its end: the rest is put aside first.
func (w *setWriter) led(name, suffix string, out format.Writer, fill func(io.Writer) error) (FileRecord, error) {
	spool := w.spool(name, suffix)
	if err := w.once(spool, fill); err != nil {
		return FileRecord{}, err
	}
	return w.joined(name+suffix, out.Lead, spool)
}

// joined makes a file of what head writes and of spools, which are removed.
func (w *setWriter) joined(name string, head func(io.Writer) error, spools ...string) (FileRecord, error) {
	d := newDigests()
	made := false
	err := w.to.Make(w.ctx, stage.ResultDir+w.dir+name, func(to io.Writer) error {
		made = true
		b := bufio.NewWriterSize(hashing{to, d}, windowSize)
		if err := head(b); err != nil {
			return err
		}
		for _, spool := range spools {
			if err := w.copyOf(b, spool); err != nil {
				return err
			}
		}
		return b.Flush()
	})
	if err == nil && !made { // by an earlier attempt, and the spools may be gone
		err = w.copyOf(hashing{io.Discard, d}, stage.ResultDir+w.dir+name)
	}
	for _, spool := range spools {
		if err == nil {
			err = remove(w.ctx, w.to, spool)
		}
	}
	return d.record(name), err
}

// remove deletes a file, which an earlier attempt may have done.
func remove(ctx context.Context, ws files, name string) error {
	if err := ws.Remove(ctx, name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// copyOf copies a file that was made.
func (w *setWriter) copyOf(to io.Writer, name string) error {
	f, size, err := w.to.Open(w.ctx, name)
	if err != nil {
		return err
	}
	buf := make([]byte, min(size, windowSize))
	for at := int64(0); at < size && err == nil; at += int64(len(buf)) {
		if w.ctx.Err() != nil {
			err = context.Cause(w.ctx)
			break
		}
		buf = buf[:min(size-at, windowSize)]
		if n, readErr := f.ReadAt(buf, at); n < len(buf) {
			err = fmt.Errorf("%s (byte %d): %w", name, at+int64(n), readErr)
			break
		}
		_, err = to.Write(buf)
	}
	return errors.Join(err, f.Close())
}

// once makes a file that is nobody's but ours. write is called in any case.
func (w *setWriter) once(name string, write func(io.Writer) error) error {
	called := false
	err := w.to.Make(w.ctx, name, func(to io.Writer) error {
		called = true
		b := bufio.NewWriterSize(to, windowSize)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	})
	if err == nil && !called {
		err = write(io.Discard)
	}
	return err
}

// spooledBounds makes a shard that may have any number of pieces: what the bounds say of each is put aside.
func (w *setWriter) spooledBounds(name string, bounds *format.BoundsWriter, masked, rest func() error, add func(FileRecord, error) error) error {
	rows, pieces := w.spool(name, ".rows"), w.spool(name, ".pieces")
	err := w.once(rows, func(r io.Writer) error {
		return w.once(pieces, func(p io.Writer) error {
			bounds.Rows, bounds.Pieces = r, p
			return masked()
		})
	})
	if err == nil {
		err = rest()
	}
	if err != nil {
		return err
	}
	return add(w.joined(name+format.BoundsSuffix, bounds.Head, rows, pieces))
}

// fill writes sequences until the shard is full: the next one would take it above its limits.
func (w *setWriter) fill(s *ShardRecord, tokens, mask io.Writer, out format.Writer, bounds *format.BoundsWriter) error {
	pieces := 0
	width := w.set.Dtype.Size()
	for {
		more, err := w.peek()
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		seq := &w.held
		n := int64(len(seq.Tokens) / width)
		if s.Sequences > 0 && w.full(s, n, pieces+len(seq.Pieces), out) {
			return nil
		}
		if err := out.Append(tokens, seq); err != nil {
			return err
		}
		if seq.Mask != nil && w.traits.Mask != "" {
			if _, err := mask.Write(seq.Mask); err != nil {
				return err
			}
		}
		if err := bounds.Add(seq.Pieces, int(n)); err != nil {
			return err
		}
		w.isHeld = false
		pieces += len(seq.Pieces)
		w.count(s, seq, n)
	}
}

// full says whether the next sequence, of n tokens, belongs to the next shard.
func (w *setWriter) full(s *ShardRecord, n int64, pieces int, out format.Writer) bool {
	tokens := s.Tokens + s.Padding + n
	return w.traits.MaxTokens > 0 && tokens > w.traits.MaxTokens ||
		w.traits.MaxBytes > 0 && out.Size(int(n)) > w.traits.MaxBytes ||
		!w.traits.Single && (tokens > w.shardSize || pieces > w.maxPieces)
}

// count takes a sequence of n tokens into the numbers of its shard and of the set.
func (w *setWriter) count(s *ShardRecord, seq *format.Sequence, n int64) {
	m := &w.manifest
	s.Sequences++
	real, pieces := n, int64(len(seq.Pieces))
	if last := seq.Pieces[pieces-1]; last.Padding {
		real, pieces = int64(last.Start), pieces-1
		s.Padding += n - real
	}
	s.Tokens += real
	if m.Masked && seq.Mask != nil {
		m.Learnt += int64(bytes.Count(seq.Mask, []byte{1}))
	}
	if m.Packing != nil {
		w.packing.Pieces += pieces
		if real == int64(m.Width) {
			w.packing.Full++
		}
	}
	var eod uint32
	if m.EOD != nil {
		eod = uint32(*m.EOD)
		m.EODInside += w.set.Dtype.Count(seq.Tokens[:int(real)*w.set.Dtype.Size()], eod)
	}
	for k, p := range seq.Pieces[:pieces] {
		end := int(real)
		if k+1 < int(pieces) {
			end = seq.Pieces[k+1].Start
		}
		m.Sources[p.Source].Tokens += int64(end - p.Start)
		if !p.Continues {
			s.Documents++
			m.Sources[p.Source].Documents++
		}
		if m.EOD == nil {
			continue
		}
		at := -1 // where the document has its EOD
		switch {
		case m.EODFirst && !p.Continues:
			at = p.Start
		case !m.EODFirst && p.Last:
			at = end - 1
		}
		switch {
		case at < 0:
		case w.set.Dtype.At(seq.Tokens, at) == eod:
			m.EODInside--
		default:
			m.EODAbsent++
		}
	}
}

// make makes a file of the set and says what the manifest will say of it. write is called exactly once.
func (w *setWriter) make(name string, write func(io.Writer) error) (FileRecord, error) {
	var d *digests
	hashed := func(to io.Writer) error {
		d = newDigests()
		b := bufio.NewWriterSize(hashing{to, d}, windowSize)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	}
	if err := w.to.Make(w.ctx, stage.ResultDir+w.dir+name, hashed); err != nil {
		return FileRecord{}, err
	}
	if d == nil { // an earlier attempt made it
		if err := hashed(io.Discard); err != nil {
			return FileRecord{}, err
		}
	}
	return d.record(name), nil
}

// hashing is a writer that digests what passes.
type hashing struct {
	w io.Writer
	d *digests
}

func (h hashing) Write(b []byte) (int, error) {
	n, err := h.w.Write(b)
	h.d.add(b[:n])
	return n, err
}
