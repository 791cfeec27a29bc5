package compress

import (
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The pinned settings. Outputs are promised to be the same bytes for one version of the program, so that a
// change here is visible to users: parts of an unfinished run cannot be mixed with older ones.
const (
	// zstdWindow is how far back matches reach, in bytes. An output frame holds 4 MiB and the rest of a line.
	zstdWindow = 4 << 20
	// gzipLevel is what gzip(1) does without a level.
	gzipLevel = 6
)

// Encoder makes independent frames of one format. It is for one goroutine at a time, and starts none. It needs
// no closing.
type Encoder struct {
	kind Kind
	zstd *zstd.Encoder
	gzip *gzip.Writer
	out  sink // what gzip writes to
}

// sink collects what a writer writes.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// NewEncoder returns an encoder of kind None, Zstd, ZstdFast or Gzip; the others are never written and an error. Its
// memory, taken at the first frame and kept, is 6 MiB (zstd) or 1.1 MiB (gzip).
func NewEncoder(kind Kind) (*Encoder, error) {
	e := &Encoder{kind: kind}
	var err error
	switch kind {
	case None:
	case Zstd, ZstdFast:
		level := zstd.SpeedDefault // about zstd -3
		if kind == ZstdFast {
			level = zstd.SpeedFastest
		}
		e.zstd, err = zstd.NewWriter(nil,
			zstd.WithEncoderLevel(level),
			zstd.WithEncoderConcurrency(1), // one state, on the caller's goroutine
			zstd.WithWindowSize(zstdWindow),
			zstd.WithEncoderCRC(true),
			zstd.WithZeroFrames(true), // an empty part is a frame, not an empty file
			zstd.WithLowerEncoderMem(true))
	case Gzip:
		// The header has no name, no time, and 255, "unknown", for the system: nothing of the machine.
		e.gzip, err = gzip.NewWriterLevel(&e.out, gzipLevel)
	default:
		err = fmt.Errorf("%v is read, but never written", kind)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// AppendFrame appends one whole frame that decodes to src to dst and returns it, like append. The frame's bytes
// depend on src alone, not on the encoder's past nor on the machine. An empty src gives an empty frame, not zero
// bytes; None appends src as it is. src and dst must not overlap; neither is kept.
func (e *Encoder) AppendFrame(dst, src []byte) []byte {
	switch e.kind {
	case Zstd, ZstdFast:
		return e.zstd.EncodeAll(src, dst)
	case Gzip:
		e.out.b = dst
		e.gzip.Reset(&e.out)
		e.gzip.Write(src) // to memory: cannot fail
		e.gzip.Close()
		dst, e.out.b = e.out.b, nil
		return dst
	}
	return append(dst, src...)
}

// FrameDecoder decodes single zstd frames that are in memory. It is for one goroutine at a time, and starts none.
type FrameDecoder struct{ zstd *zstd.Decoder }

// NewFrameDecoder returns a decoder. It needs no closing.
func NewFrameDecoder() (*FrameDecoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	return &FrameDecoder{z}, err
}

// AppendFrame appends what the frame src decodes to, and checks its checksum. What does not fit into the capacity of
// dst is an error.
func (d *FrameDecoder) AppendFrame(dst, src []byte) ([]byte, error) {
	return d.zstd.DecodeAll(src, dst)
}
