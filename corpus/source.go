package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync/atomic"

	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/corpus/store"
)

// OpenOptions say how a file is read.
type OpenOptions struct {
	split.Options
	Codec     string        // the format, by name; "" goes by the file's name
	MaxWindow int64         // memory for a decoder, in bytes
	Stdin     io.Reader     // what "-" reads
	Consumed  *atomic.Int64 // counts the bytes taken from storage
}

// Source is one open file.
type Source struct {
	file   File
	store  store.Store
	codec  split.Codec
	reader split.Reader
	closes []func() error
	pump   *pump // of a stream
}

// paused is a decoder that pauses with the stream below it.
type paused struct {
	io.Reader
	p *pump
}

func (p paused) Paused() bool { return p.p.Paused() }

// ErrChanged is a file that is no longer what the manifest says.
var ErrChanged = store.ErrChanged

// Open begins to read a file at o.From.
func Open(ctx context.Context, st store.Store, f File, o OpenOptions) (_ *Source, err error) {
	s := &Source{file: f, store: st}
	defer func() {
		if err != nil {
			s.Close()
			var path *fs.PathError
			if !errors.As(err, &path) || path.Path != f.Location() { // else it names the file already
				err = fmt.Errorf("%s: %w", f.Name(), err)
			}
		}
	}()
	if err := s.unchanged(ctx); err != nil {
		return nil, err
	}
	raw, err := s.open(ctx, 0, o)
	if err != nil {
		return nil, err
	}
	if f.Stream {
		// Below everything else, so that nothing waits for a silent writer in a way that cannot be ended. Its
		// goroutine may outlive the source in a blocked read, so it frees what it reads from.
		s.pump = newPump(ctx, raw, s.closes)
		s.closes = []func() error{s.pump.Close}
		raw = s.pump
	}
	head := make([]byte, compress.SniffLen)
	n, err := io.ReadFull(raw, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	head = head[:n]
	kind := compress.Sniff(head)
	byName, stem := compress.ByName(path.Base(f.Path))
	if kind == compress.None && byName != compress.None {
		return nil, fmt.Errorf("is named as %s, but does not begin as %s does; it is damaged or misnamed", byName, byName)
	}
	if s.codec, err = codecFor(o.Codec, stem, head); err != nil {
		return nil, err
	}
	o.File, o.MaxHeld = f.Number, o.MaxWindow
	if s.codec.OpenAt != nil {
		return s, s.openAt(ctx, kind, head, o)
	}
	var plain io.Reader
	switch {
	case kind == compress.None && o.From.Offset > 0:
		if plain, err = s.open(ctx, o.From.Offset, o); err != nil {
			return nil, err
		}
	case kind == compress.None:
		plain = io.MultiReader(bytes.NewReader(head), raw)
	default:
		d, err := compress.NewReader(io.MultiReader(bytes.NewReader(head), raw), kind, compress.Options{MaxWindow: o.MaxWindow})
		if err != nil {
			return nil, err
		}
		s.closes = append(s.closes, d.Close)
		plain = d
		if o.From.Offset > 0 {
			if n, err := io.Copy(io.Discard, io.LimitReader(&cancelReader{ctx, d}, o.From.Offset)); err != nil {
				return nil, err
			} else if n < o.From.Offset {
				return nil, fmt.Errorf("ends after %d bytes, before the place from which the run goes on (%d): %w", n, o.From.Offset, ErrChanged)
			}
		}
	}
	if s.pump != nil {
		plain = paused{plain, s.pump}
	}
	s.reader = s.codec.Open(plain, o.Options)
	return s, nil
}

// openAt opens a format that is not read from front to back.
func (s *Source) openAt(ctx context.Context, kind compress.Kind, head []byte, o OpenOptions) error {
	name := s.codec.Name
	switch {
	case s.file.Stream:
		return fmt.Errorf("is %s, which cannot be read from a stream; give the file's name", name)
	case kind != compress.None:
		return fmt.Errorf("is %s compressed with %s as a whole; decompress it (its columns are compressed already)", name, kind)
	case !bytes.HasPrefix(head, []byte(s.codec.Magic)):
		return fmt.Errorf("is named as %s, but does not begin as such a file does; it is damaged or misnamed", name)
	}
	if err := s.Close(); err != nil { // what the head was read from
		return err
	}
	f, size, err := s.store.OpenAt(ctx, s.file.Location())
	if err != nil {
		return err
	}
	s.closes = append(s.closes, f.Close)
	var r io.ReaderAt = f
	if o.Consumed != nil {
		r = &countReaderAt{f, o.Consumed}
	}
	if size != s.file.Size {
		return fmt.Errorf("%w: %d bytes in the manifest, %d now", ErrChanged, s.file.Size, size)
	}
	s.reader, err = s.codec.OpenAt(ctx, r, size, o.Options)
	return err
}

type countReaderAt struct {
	r io.ReaderAt
	n *atomic.Int64
}

func (c *countReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

// codecFor finds a file's format: the one asked for, the one that its first bytes show, the one of its name.
func codecFor(name, stem string, head []byte) (split.Codec, error) {
	for _, c := range Codecs {
		if c.Magic != "" && bytes.HasPrefix(head, []byte(c.Magic)) && (name == "" || name == "jsonl") {
			return c, nil
		}
	}
	if name != "" {
		if c, ok := CodecNamed(name); ok {
			return c, nil
		}
		return split.Codec{}, fmt.Errorf("%q is no input format", name)
	}
	if c, ok := codecByName(stem); ok {
		return c, nil
	}
	c, _ := CodecNamed("jsonl") // whatever it is called, JSON Lines is what is piped around
	return c, nil
}

func (s *Source) open(ctx context.Context, offset int64, o OpenOptions) (io.Reader, error) {
	var r io.Reader = o.Stdin
	if s.file.Path != Stdin {
		f, err := s.openFile(ctx, offset)
		if err != nil {
			return nil, err
		}
		if offset > 0 && o.Consumed != nil {
			o.Consumed.Add(offset)
		}
		s.closes = append(s.closes, f.Close)
		r = f
	}
	if o.Consumed != nil {
		r = &countReader{r, o.Consumed}
	}
	return r, nil
}

// openFile opens the file; a pipe without a writer blocks in that, so a cancel does not wait for it.
func (s *Source) openFile(ctx context.Context, offset int64) (io.ReadCloser, error) {
	if !s.file.Stream {
		return s.store.Open(ctx, s.file.Location(), offset)
	}
	type opened struct {
		f   io.ReadCloser
		err error
	}
	got := make(chan opened, 1)
	go func() {
		f, err := s.store.Open(ctx, s.file.Location(), offset)
		got <- opened{f, err}
	}()
	select {
	case o := <-got:
		return o.f, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Codec is the file's format.
func (s *Source) Codec() split.Codec { return s.codec }

// Next gives the next chunk, and io.EOF after the last. Its errors name the file.
func (s *Source) Next(ctx context.Context, c *split.Chunk) error {
	if s.pump != nil {
		s.pump.ctx = ctx // the source may have been opened for another one's sake
	}
	err := s.reader.Next(ctx, c)
	if err != nil && err != io.EOF {
		var damage *compress.DamageError
		if errors.As(err, &damage) {
			return fmt.Errorf("%s: %w; replace the file and run again (an output directory with --restart)", s.file.Name(), err)
		}
		return fmt.Errorf("%s: %w", s.file.Name(), err)
	}
	if err == nil && c.EOF {
		if err := s.unchanged(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.file.Path, err)
		}
	}
	return err
}

// unchanged compares the file with the manifest.
func (s *Source) unchanged(ctx context.Context) error {
	if s.file.Stream {
		return nil
	}
	info, err := s.store.Stat(ctx, s.file.Location())
	if err != nil {
		return err
	}
	if !s.file.Is(info) {
		return fmt.Errorf("%w: %d bytes in the manifest, %d now", ErrChanged, s.file.Size, info.Size)
	}
	return nil
}

// Close frees decoder and file.
func (s *Source) Close() error {
	var err error
	for i := len(s.closes) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closes[i]())
	}
	s.closes = nil
	return err
}

// Name is how messages call a file: standard input has a name, too.
func (f File) Name() string {
	if f.Path == Stdin {
		return "(standard input)"
	}
	return f.Path
}

type countReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
