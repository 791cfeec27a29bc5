package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// Compression codecs by their number in the format (Compression.md).
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecLZO    = 3
	codecBrotli = 4
	codecLZ4    = 5 // deprecated: its framing was never specified
	codecZstd   = 6
	codecLZ4Raw = 7
)

var errPageLength = errors.New("decompressed, it has not the length that its header says")

func checkCodec(c int32) error {
	switch c {
	case codecNone, codecSnappy, codecGzip, codecBrotli, codecZstd, codecLZ4Raw:
		return nil
	case codecLZO, codecLZ4:
		name := map[int32]string{codecLZO: "LZO", codecLZ4: "LZ4 (the deprecated one)"}[c]
		return fmt.Errorf("is compressed with %s, which is not read; write it again with zstd or snappy", name)
	}
	return damaged("compression codec %d does not exist", c)
}

// inflater decompresses pages; its decoders are made when they are first needed.
type inflater struct {
	whole  *zstd.Decoder // of pages decompressed in one go
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	brotli *brotli.Reader
	src    bytes.Reader
}

// inflate decompresses src into dst's memory. size is what the page's header claims. A header may lie, so
// memory grows with what is really there, or is bounded by the best ratio the codec can reach.
func (d *inflater) inflate(dst, src []byte, codec int32, size int) ([]byte, error) {
	switch codec {
	case codecNone:
		return src, lengthIs(len(src), size)
	case codecSnappy:
		// At best 3 bytes copy 64.
		n, err := snappy.DecodedLen(src)
		if err != nil {
			return dst, err
		}
		if n != size || n > 32*len(src)+64 {
			return dst, errPageLength
		}
		return snappy.Decode(atLeast(dst, size), src)
	case codecLZ4Raw:
		if size > 255*len(src)+64 { // a byte adds at most 255 to a length
			return dst, errPageLength
		}
		return unLZ4(atLeast(dst, size)[:0], src, size)
	case codecZstd:
		// In one go it needs no window of its own; but only what an honest page can become is allocated for it.
		if size <= max(1<<20, 256*len(src)) {
			return d.unzstd(atLeast(dst, size)[:0], src, size)
		}
	}
	d.src.Reset(src)
	r, err := d.stream(codec)
	if err != nil {
		return dst, err
	}
	dst = dst[:0]
	for len(dst) < size {
		if len(dst) == cap(dst) {
			// By doubling, beginning with what an ordinary ratio gives.
			more := atLeast(nil, min(size, max(2*len(dst), 8*len(src), 64<<10)))
			dst = more[:copy(more, dst)]
		}
		n, err := r.Read(dst[len(dst):min(size, cap(dst))])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return dst, err
		}
	}
	if len(dst) == size {
		var one [1]byte
		if n, _ := io.ReadFull(r, one[:]); n > 0 {
			return dst, errPageLength
		}
	}
	return dst, lengthIs(len(dst), size)
}

func (d *inflater) unzstd(dst, src []byte, size int) ([]byte, error) {
	if d.whole == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<31), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return dst, err
		}
		d.whole = z
	}
	dst, err := d.whole.DecodeAll(src, dst[:0:size])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = errPageLength
	}
	if err == nil {
		err = lengthIs(len(dst), size)
	}
	return dst, err
}

func (d *inflater) stream(codec int32) (io.Reader, error) {
	switch codec {
	case codecGzip:
		if d.gzip == nil {
			z, err := gzip.NewReader(&d.src)
			d.gzip = z
			return z, err
		}
		return d.gzip, d.gzip.Reset(&d.src)
	case codecBrotli:
		if d.brotli == nil {
			d.brotli = brotli.NewReader(&d.src)
			return d.brotli, nil
		}
		return d.brotli, d.brotli.Reset(&d.src)
	}
	if d.zstd == nil {
		// One goroutine: files are read side by side.
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		d.zstd = z
	}
	return d.zstd, d.zstd.Reset(&d.src)
}

func lengthIs(n, size int) error {
	if n != size {
		return errPageLength
	}
	return nil
}

// atLeast gives n bytes, in b's memory if they fit.
func atLeast(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

var errLZ4 = errors.New("it is no LZ4 block")

// unLZ4 appends the size bytes of an LZ4 block: github.com/lz4/lz4, doc/lz4_Block_format.md.
func unLZ4(dst, src []byte, size int) ([]byte, error) {
	for i := 0; ; {
		if i >= len(src) {
			return dst, errLZ4
		}
		token := int(src[i])
		i++
		n, i2, ok := lz4Length(src, i, token>>4)
		if i = i2; !ok || n > len(src)-i || n > size-len(dst) {
			return dst, errLZ4
		}
		dst = append(dst, src[i:i+n]...)
		if i += n; i == len(src) { // a block ends with literals
			return dst, lengthIs(len(dst), size)
		}
		if len(src)-i < 2 {
			return dst, errLZ4
		}
		back := int(src[i]) | int(src[i+1])<<8
		n, i2, ok = lz4Length(src, i+2, token&15)
		if i, n = i2, n+4; !ok || back == 0 || back > len(dst) || n > size-len(dst) {
			return dst, errLZ4
		}
		for n > 0 { // a match may overlap what it makes
			k := min(n, back)
			dst = append(dst, dst[len(dst)-back:len(dst)-back+k]...)
			n -= k
		}
	}
}

// lz4Length adds the bytes that follow a length of 15.
func lz4Length(src []byte, i, n int) (int, int, bool) {
	if n < 15 {
		return n, i, true
	}
	for i < len(src) {
		c := int(src[i])
		i++
		if n += c; c < 255 {
			return n, i, true
		}
	}
	return 0, i, false
}
