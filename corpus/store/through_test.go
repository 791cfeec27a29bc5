package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// short takes two bytes at most and then fails.
type short struct{ bytes.Buffer }

func (s *short) Write(p []byte) (int, error) {
	if len(p) > 2 {
		n, _ := s.Buffer.Write(p[:2])
		return n, io.ErrShortWrite
	}
	return s.Buffer.Write(p)
}

func TestSumming(t *testing.T) {
	var out short
	s := NewSumming(&out)
	// xxHash's own test vector: XXH64 of "abc", seed 0.
	for _, p := range []string{"a", "", "bc"} {
		if _, err := s.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if s.Size() != 3 || s.XXH64() != "44bc2cf5ad770999" || out.String() != "abc" {
		t.Errorf("%d bytes, %s, %q", s.Size(), s.XXH64(), out.String())
	}
	n, err := s.Write([]byte("defg"))
	want := NewSumming(io.Discard)
	_, _ = want.Write([]byte("abcde"))
	if n != 2 || !errors.Is(err, io.ErrShortWrite) || s.Size() != 5 || s.XXH64() != want.XXH64() {
		t.Errorf("of four bytes, two written: %d, %v, %d bytes, %s", n, err, s.Size(), s.XXH64())
	}
}

func TestUntilDone(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	r := UntilDone(ctx, strings.NewReader("abcd"))
	var b [2]byte
	if n, err := r.Read(b[:]); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	why := errors.New("enough")
	cancel(why)
	if n, err := r.Read(b[:]); n != 0 || !errors.Is(err, why) {
		t.Error(n, err)
	}
}
