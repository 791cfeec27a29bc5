package compress

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// DefaultMaxWindow is MaxWindow where Options has none: what zstd(1) itself decodes without --memory or
// --long (ZSTD_WINDOWLOG_LIMIT_DEFAULT, 27), and twice the dictionary of xz -9.
const DefaultMaxWindow = 128 << 20

// readAhead is how much is asked of the reader at a time, in bytes.
const readAhead = 64 << 10

// Options bounds a reader.
type Options struct {
	// MaxWindow is the largest window (zstd) or dictionary (xz) in bytes that a decoder may allocate; 0 means
	// DefaultMaxWindow. A decoder needs little else: see NewReader. A file that needs more ends in a WindowError.
	// gzip and bzip2 have fixed windows, of 32 KiB and at most 900 kB.
	MaxWindow int64
}

// DamageError says that the compressed bytes are not what their format demands: cut off (then it wraps
// io.ErrUnexpectedEOF), changed, or followed by something else. All bytes decoded before were handed out, but
// the last frame's were not yet verified by its checksum.
type DamageError struct {
	Kind   Kind
	Offset int64 // compressed bytes that the decoder had taken when it noticed; the damage lies near and before
	Err    error
}

func (e *DamageError) Error() string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("%s data ends too early, at byte %d", e.Kind, e.Offset)
	}
	return fmt.Sprintf("%s data damaged near byte %d: %v", e.Kind, e.Offset, e.Err)
}

// Unwrap returns the decoder's own error.
func (e *DamageError) Unwrap() error { return e.Err }

// WindowError says that a stream needs a larger window than Options allow. Nothing is wrong with the stream:
// the remedy is more memory.
type WindowError struct {
	Kind Kind
	Need int64 // bytes the stream asks for; 0 if unknown
	Max  int64 // bytes allowed
}

func (e *WindowError) Error() string {
	if e.Need == 0 {
		return fmt.Sprintf("%s data needs more than the %d bytes allowed for its decoder: raise --memory", e.Kind, e.Max)
	}
	return fmt.Sprintf("%s data needs a window of %d bytes, %d are allowed for its decoder: raise --memory", e.Kind, e.Need, e.Max)
}

// NewReader returns a reader of the text in r, which is one or more frames of kind, one after the other. It
// reads nothing yet; an unknown kind is its only error. A nil error at the end of the text (io.EOF) means that
// the last frame was whole and r had nothing after it but what the format allows: skippable frames (zstd), zero
// bytes (gzip, as gzip(1) ignores them), padding to four bytes (xz). An r without a byte is damaged data, as it
// is for zstd, gzip, bzip2 and xz themselves; None alone may be empty.
//
// Read returns what it decoded before the damage, then a *DamageError, a *WindowError, or, for what the format
// allows and no decoder here knows (a dictionary of zstd, a filter of xz), an error that is
// errors.ErrUnsupported. An error of r itself comes through as it is. Errors repeat.
//
// The reader takes r in pieces of 64 KiB, so it reads that much further than it has decoded, at most; it starts
// no goroutine. Its memory is the window the stream asks for plus 0.6 MiB (zstd), plus 0.2 MiB (xz), 0.1 MiB
// (gzip) or 4 MiB (bzip2). Close frees it and does not close r; Read then fails. One goroutine at a time.
func NewReader(r io.Reader, kind Kind, o Options) (io.ReadCloser, error) {
	maxWindow := o.MaxWindow
	if maxWindow <= 0 {
		maxWindow = DefaultMaxWindow
	}
	maxWindow = max(maxWindow, zstd.MinWindowSize)
	src := &source{r: r}
	d := &reader{kind: kind, src: src, maxWindow: maxWindow, free: func() {}}
	if kind == None {
		d.dec = src
		return d, nil
	}
	src.buf = bufio.NewReaderSize(sourceReader{src}, readAhead)
	switch kind {
	case Zstd:
		// Concurrency 1 decodes on the caller's goroutine: no read-ahead that outlives an error, and the
		// fastest a core can do when several files are read side by side.
		z, err := zstd.NewReader(src,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(uint64(maxWindow)))
		if err != nil {
			return nil, err
		}
		d.dec, d.free = &zstdReader{z: z, src: src, maxWindow: maxWindow}, z.Close
	case Gzip:
		d.dec = &gzipReader{src: src}
	case Bzip2:
		d.dec = bzip2.NewReader(src.buf)
	case Xz:
		d.dec = &xzReader{src: src, maxWindow: maxWindow}
	default:
		return nil, fmt.Errorf("compress: no reader for %v", kind)
	}
	return d, nil
}

// source is the compressed side of a reader: it buffers, counts, and keeps the error of r apart from the
// decoders, some of which hide it.
type source struct {
	r   io.Reader
	buf *bufio.Reader // over sourceReader; nil for None
	n   int64         // bytes read from r
	eof bool
	err error // first error of r other than io.EOF; repeats

	// The last bytes that went to the zstd decoder, newest last: a frame header, when it refuses one.
	tail [zstd.HeaderMaxSize + 1]byte
}

// sourceReader is what buf reads from.
type sourceReader struct{ s *source }

func (r sourceReader) Read(p []byte) (int, error) { return r.s.take(p) }

// take reads from r. Errors and the end are kept and repeat: a decoder may ask again after either.
func (s *source) take(p []byte) (int, error) {
	switch {
	case s.err != nil:
		return 0, s.err
	case s.eof:
		return 0, io.EOF
	}
	for range 100 { // as bufio: a reader that gives nothing for ever is broken
		n, err := s.r.Read(p)
		s.n += int64(n)
		if err == io.EOF {
			s.eof = true
		} else if err != nil {
			s.err = err
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
	s.err = io.ErrNoProgress
	return 0, s.err
}

// Read hands bytes to the decoder, and remembers the last ones.
func (s *source) Read(p []byte) (int, error) {
	if s.buf == nil {
		return s.take(p)
	}
	n, err := s.buf.Read(p)
	if got := p[:n]; n >= len(s.tail) {
		copy(s.tail[:], got[n-len(s.tail):])
	} else {
		copy(s.tail[:], s.tail[n:])
		copy(s.tail[len(s.tail)-n:], got)
	}
	return n, err
}

// taken is how many compressed bytes the decoder has consumed.
func (s *source) taken() int64 {
	if s.buf == nil {
		return s.n
	}
	return s.n - int64(s.buf.Buffered())
}

// reader turns the errors of the decoders into ours, and makes them repeat.
type reader struct {
	kind      Kind
	src       *source
	maxWindow int64
	dec       io.Reader
	free      func()
	err       error
}

func (d *reader) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := d.dec.Read(p)
	if err != nil {
		d.err = d.explain(err)
	}
	return n, d.err
}

func (d *reader) explain(err error) error {
	switch need := (*WindowError)(nil); {
	case d.src.err != nil: // before all else: what follows from a failed read is not damage
		return d.src.err
	case err == io.EOF:
		return io.EOF
	case d.kind == None, errors.As(err, &need), errors.Is(err, errors.ErrUnsupported):
		return err
	}
	return &DamageError{Kind: d.kind, Offset: d.src.taken(), Err: err}
}

// Close frees the decoder.
func (d *reader) Close() error {
	d.free()
	d.free, d.dec = func() {}, nil
	d.err = fs.ErrClosed
	return nil
}

// zstdReader is the library's decoder with what it lacks: an end that is no frame at all is not an end, and the
// need of a frame it refuses.
type zstdReader struct {
	z         *zstd.Decoder
	src       *source
	maxWindow int64
}

func (r *zstdReader) Read(p []byte) (int, error) {
	n, err := r.z.Read(p)
	switch {
	case err == io.EOF && r.src.n == 0:
		return n, io.ErrUnexpectedEOF
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		// The library says the same of a block larger than its frame's window, which is damage.
		if need := r.refused(); need > r.maxWindow {
			return n, &WindowError{Kind: Zstd, Need: need, Max: r.maxWindow}
		}
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return n, fmt.Errorf("zstd data needs the dictionary it was made with: %w", errors.ErrUnsupported)
	}
	return n, err
}

// refused returns the window asked for by the frame header that the decoder has just read to its last byte, 0 if
// what it has just read is no frame header.
func (r *zstdReader) refused() int64 {
	tail := r.src.tail[:]
	for size := zstdHeaderMin; size <= len(tail); size++ {
		var h zstd.Header
		if h.Decode(tail[len(tail)-size:]) != nil || h.Skippable || h.HeaderSize != size {
			continue
		}
		need := h.WindowSize
		if h.SingleSegment { // no window: the whole content must be held
			need = h.FrameContentSize
		}
		return int64(min(need, 1<<62))
	}
	return 0
}

// zstdHeaderMin is the shortest frame header: magic, descriptor, and one byte of window or content size
// (RFC 8878 section 3.1.1.1).
const zstdHeaderMin = 6

var (
	errPaddingEnds   = errors.New("data after the zero bytes that end it")
	errTrailingBytes = errors.New("trailing bytes that are no gzip member")
)

// gzipReader reads member by member: left to itself the library takes zeros after the last one for a broken
// header, and a file without any member for an empty text.
type gzipReader struct {
	src     *source
	z       gzip.Reader
	inside  bool
	members int
}

func (r *gzipReader) Read(p []byte) (int, error) {
	for {
		if !r.inside {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.z.Read(p)
		if err == io.EOF {
			r.inside, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next enters the next member. io.EOF is the end of the text.
func (r *gzipReader) next() error {
	br := r.src.buf // the decoder's own fast path is for *bufio.Reader, and takes no byte beyond a member
	if r.members > 0 {
		head, err := br.Peek(1)
		if err != nil {
			return err
		}
		if head[0] == 0 {
			return r.zeros()
		}
	}
	if err := r.z.Reset(br); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err == gzip.ErrHeader && r.members > 0 {
			err = errTrailingBytes
		}
		return err
	}
	r.z.Multistream(false)
	r.inside = true
	r.members++
	return nil
}

// zeros accepts zero bytes up to the end, as tapes and block devices leave them.
func (r *gzipReader) zeros() error {
	for {
		b, err := r.src.buf.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return errPaddingEnds
		}
	}
}
