//go:build unix

package memory

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
)

// TestRealLimit lets the process write no further than to a limit, as a disk without room does.
func TestRealLimit(t *testing.T) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	small := old
	small.Cur = 20000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	var err error
	n := 0
	for ; err == nil && n < 100000; n++ {
		err = s.Put(answer(n))
	}
	closed := s.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EFBIG) || !errors.Is(closed, syscall.EFBIG) {
		t.Fatal(n, err, closed)
	}
	s = mustOpen(t, dir, Options{Note: func(text string) { t.Error(text) }}) // Put has cut its half frame itself
	if s.Len() < n/2 || s.Len() >= n {
		t.Errorf("%d keys of %d", s.Len(), n)
	}
	var out bytes.Buffer
	if err := s.Export(&out); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != s.Len() {
		t.Error(err)
	}
}
