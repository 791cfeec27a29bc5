package store

import (
	"context"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
)

// Summing passes on what is written to it, and knows how much that is and its XXH64: what a journal or manifest says of a
// file. It is for one goroutine.
type Summing struct {
	w    io.Writer
	n    int64
	hash xxhash.Digest
}

// NewSumming writes to w.
func NewSumming(w io.Writer) *Summing {
	s := &Summing{w: w}
	s.hash.Reset()
	return s
}

// Write implements io.Writer.
func (s *Summing) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	_, _ = s.hash.Write(p[:n]) // never fails
	return n, err
}

// Size is how many bytes were written.
func (s *Summing) Size() int64 { return s.n }

// XXH64 is their hash, 16 hex digits.
func (s *Summing) XXH64() string { return fmt.Sprintf("%016x", s.hash.Sum64()) }

// UntilDone is r, but that it ends with ctx, whose cause is then its error.
func UntilDone(ctx context.Context, r io.Reader) io.Reader { return untilDone{ctx, r} }

type untilDone struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (u untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}
