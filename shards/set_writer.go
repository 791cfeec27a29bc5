package shards

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"

	"curate/stage"
)

// maxPieces is how many pieces of documents a shard may have, packed or not: its index is made from what is held of
// each, at most 12 bytes. A constant of the stage, as bytes depend on it.
const maxPieces = 1 << 20

// setWriter makes the files of a shard set, in order, of sequences. A file that an earlier attempt has made is not
// written again; what would be written is made all the same, since the manifest must know it and the next file begins
// where it ends.
type setWriter struct {
	*settings
	ws     stage.Workspace
	dir    string // below the result, with a slash
	in     sequences
	ctx    context.Context // of the one call that the setWriter lives for
	held   sequence        // read and not yet written, if isHeld
	isHeld bool

	maxPieces int
	manifest  Manifest
	packing   Packing
}

// folder is what a shard set's folder is called.
func (s *settings) folder() string { return fmt.Sprintf("length-%d/", s.length) }

func (w *setWriter) run() error {
	m := &w.manifest
	m.Version, m.Format, m.Dtype, m.Length = manifestVersion, w.Format, w.dtype.String(), w.length
	m.Vocabulary, m.Tokenizer, m.Seed, m.ConfigSHA256 = w.Vocabulary.Size, w.Vocabulary.Fingerprint, w.Seed, w.digest
	if eod := w.Vocabulary.EOD; eod != NoEOD {
		m.EOD = &eod
	}
	for k := 0; ; k++ {
		more, err := w.peek()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		s, err := w.shard(shardName(k))
		if err != nil {
			return err
		}
		m.Shards = append(m.Shards, s)
		m.Documents += s.Documents
		m.Sequences += s.Sequences
		m.Tokens += s.Tokens
	}
	if w.Pack {
		p := w.packing
		p.Cuts = p.Pieces - m.Documents
		p.Fill = fillShare(m.Tokens, m.Sequences, w.length)
		m.Packing = &p
	}
	b, err := m.encode()
	if err != nil {
		return err
	}
	write := func(b []byte) func(io.Writer) error {
		return func(to io.Writer) error {
			_, err := to.Write(b)
			return err
		}
	}
	if _, err := w.make(ManifestFile, write(b)); err != nil {
		return err
	}
	_, err = w.make(DoneFile, write([]byte(doneLine(b))))
	return err
}

// fillShare is tokens / (rows × length), rounded to 6 digits.
func fillShare(tokens, rows int64, length int) float64 {
	if rows == 0 {
		return 1
	}
	share := float64(tokens) / (float64(rows) * float64(length))
	return math.Round(float64(share*1e6)) / 1e6
}

// peek reads the next sequence into held.
func (w *setWriter) peek() (more bool, err error) {
	if w.isHeld {
		return true, nil
	}
	if err := w.ctx.Err(); err != nil {
		return false, err
	}
	w.held, w.isHeld, err = w.in.next()
	return w.isHeld, err
}

func (w *setWriter) shard(name string) (ShardRecord, error) {
	s := ShardRecord{Name: name}
	out := w.format.NewWriter(w.dtype)
	bounds := &boundsWriter{length: w.length}
	suffixes := w.format.Suffixes()
	add := func(suffix string, write func(io.Writer) error) error {
		f, err := w.make(name+suffix, write)
		s.Files = append(s.Files, f)
		return err
	}
	err := add(suffixes[0], func(to io.Writer) error { return w.fill(&s, to, out, bounds) })
	for _, suffix := range suffixes[1:] {
		if err == nil {
			err = add(suffix, func(to io.Writer) error { return out.Side(suffix, to) })
		}
	}
	if err == nil && w.Pack {
		err = add(boundsSuffix, bounds.write)
	}
	return s, err
}

// fill writes sequences until the shard is full: the next one would take it above ShardSize tokens or maxPieces.
func (w *setWriter) fill(s *ShardRecord, to io.Writer, out FormatWriter, bounds *boundsWriter) error {
	pieces := 0
	for {
		more, err := w.peek()
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		seq := &w.held
		n := int64(len(seq.tokens) / w.dtype.Size())
		if s.Sequences > 0 && (s.Tokens+n > w.ShardSize || pieces+len(seq.pieces) > w.maxPieces) {
			return nil
		}
		if err := out.Append(to, seq.tokens); err != nil {
			return err
		}
		w.isHeld = false
		s.Sequences++
		s.Tokens += n
		pieces += len(seq.pieces)
		for _, p := range seq.pieces {
			if !p.continues {
				s.Documents++
			}
		}
		if eod := w.Vocabulary.EOD; eod != NoEOD {
			w.manifest.EODInside += w.dtype.count(seq.tokens, uint32(eod))
			for _, p := range seq.pieces { // each document has one that ends it, in some row
				if !p.continues {
					w.manifest.EODInside--
				}
			}
		}
		if w.Pack {
			bounds.add(seq.pieces)
			w.packing.Pieces += int64(len(seq.pieces))
			if n == int64(w.length) {
				w.packing.Full++
			}
		}
	}
}

// make makes a file of the set and says what the manifest will say of it.
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
	if err := w.ws.Make(w.ctx, stage.ResultDir+w.dir+name, hashed); err != nil {
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
