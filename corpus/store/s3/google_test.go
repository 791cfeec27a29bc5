package s3

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/corpus/store/storetest/faults"
	"curate/corpus/store/storetest/s3test"
)

// issuer gives tokens "1", "2", … of which the server knows the last alone.
type issuer struct {
	mu      sync.Mutex
	n       int
	revoked bool
	none    bool
}

func (i *issuer) Token(ctx context.Context) (string, time.Time, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.none {
		return "", time.Time{}, nil
	}
	i.n++
	i.revoked = false
	return fmt.Sprint(i.n), time.Time{}, nil
}

func (i *issuer) valid(token string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return !i.revoked && token == fmt.Sprint(i.n)
}

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// openGoogle returns a store on a server that wants the issuer's tokens.
func openGoogle(t *testing.T, i *issuer, change ...func(*Options)) (*Store, *s3test.Server) {
	t.Helper()
	s, server := open(t, append(change, func(o *Options) {
		o.Scheme, o.Region, o.AccessKey, o.SecretKey, o.Tokens = "gs", "auto", "", "", i
	})...)
	server.SetTokens(i.valid)
	return s, server
}

func TestTokensContract(t *testing.T) {
	storetest.Store(t, func(t *testing.T) (store.Store, string) {
		s, _ := openGoogle(t, &issuer{})
		return s, "gs://bucket/a b/ü+%25"
	})
}

// TestTokensInAStorm: files of many parts and a log, when a third of all requests fail and every seventh finds its token gone.
func TestTokensInAStorm(t *testing.T) {
	i := &issuer{}
	s, server := openGoogle(t, i, func(o *Options) { o.Attempts, o.PartSize = 40, 4<<10 })
	storm := faults.Storm(14)
	requests := 0
	server.SetFaults(func(action string, n int) faults.Fault {
		if requests++; requests%7 == 0 {
			i.set(func() { i.revoked = true })
		}
		return storm(action, n)
	})
	for _, size := range []int{0, 4097, 50_001} {
		name, content := fmt.Sprintf("gs://bucket/%d", size), text(size)
		put(t, s, name, content)
		if got := read(t, s, name, int64(size/3)); !bytes.Equal(got, content[size/3:]) {
			t.Errorf("%d bytes from a third on: read %d others", size, len(got))
		}
	}
	l, err := s.OpenLog(t.Context(), "gs://bucket/log")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		if err := l.Append([]byte{byte('0' + n)}); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := server.Get("bucket", "log"); string(got) != "0123456789" {
		t.Errorf("the log holds %q", got)
	}
	if i.n < 5 || server.Hurt() < 10 {
		t.Errorf("%d tokens, %d requests hurt: this was no storm", i.n, server.Hurt())
	}
}

// TestTokenRefused: one that the server does not take any more, in the middle of a file, is replaced; and one in three in a
// row are not taken, that is the answer.
func TestTokenRefused(t *testing.T) {
	i := &issuer{}
	s, server := openGoogle(t, i)
	content := text(10_000)
	put(t, s, "gs://bucket/x", content)
	if i.n != 1 {
		t.Errorf("%d tokens", i.n)
	}
	revoke := func(string, int) faults.Fault {
		i.set(func() { i.revoked = true })
		return faults.Fault{}
	}
	cut := faults.On("GetObject", faults.Fault{Cut: 0.5})
	n := 0
	server.SetFaults(func(action string, k int) faults.Fault {
		if n++; n == 2 { // the request that goes on with the body
			return revoke(action, k)
		}
		return cut(action, k)
	})
	if got := read(t, s, "gs://bucket/x", 0); !bytes.Equal(got, content) {
		t.Error("other bytes")
	}
	if i.n != 2 {
		t.Errorf("%d tokens, want 2", i.n)
	}
	n = 0
	server.SetFaults(func(action string, k int) faults.Fault {
		if n++; n%3 == 0 {
			return revoke(action, k)
		}
		return faults.Fault{}
	})
	put(t, s, "gs://bucket/y", content)
	if got, _ := server.Get("bucket", "y"); !bytes.Equal(got, content) {
		t.Error("other bytes were written")
	}

	server.SetFaults(nil)
	server.SetTokens(func(string) bool { return false })
	before := i.n
	_, err := s.Stat(t.Context(), "gs://bucket/x")
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "curate store check gs://") {
		t.Errorf("%v", err)
	}
	if got := i.n - before; got < 2 || got > 3 {
		t.Errorf("%d further tokens", got)
	}
	server.SetTokens(i.valid) // who comes later may fare better
	if _, err := s.Stat(t.Context(), "gs://bucket/x"); err != nil {
		t.Error(err)
	}
	// What the token allows is another matter, and no token is got for it.
	server.SetRights(func(_, _, key string) bool { return key != "x" })
	before = i.n
	if _, err := s.Stat(t.Context(), "gs://bucket/x"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "403") || i.n != before {
		t.Errorf("%d tokens, %v", i.n-before, err)
	}
}

// TestNobody: without credentials public objects can be read, and a refusal says what is missing.
func TestNobody(t *testing.T) {
	i := &issuer{none: true}
	s, server := openGoogle(t, i)
	server.SetTokens(func(token string) bool { return token == "" })
	server.Put("bucket", "x", []byte("public"))
	if got := read(t, s, "gs://bucket/x", 0); string(got) != "public" {
		t.Errorf("%q", got)
	}
	server.SetTokens(i.valid)
	_, err := s.Open(t.Context(), "gs://bucket/x", 0)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "no credentials were found") || !strings.Contains(err.Error(), "GOOGLE_APPLICATION_CREDENTIALS") {
		t.Errorf("%v", err)
	}
}

// TestLostAnswerOfGoogle: an object of several parts whose answer was lost is known by its checksum, since its ETag says nothing.
func TestLostAnswerOfGoogle(t *testing.T) {
	content := text(5000)
	lost := faults.Fault{Lost: true}
	s, server := openGoogle(t, &issuer{})
	server.SetFaults(faults.On("CompleteMultipartUpload", lost))
	put(t, s, "gs://bucket/x", content)
	if got, _ := server.Get("bucket", "x"); !bytes.Equal(got, content) || server.Hurt() != 1 {
		t.Errorf("%d bytes, %d requests hurt", len(got), server.Hurt())
	}
	// Somebody else's object of the same size is none of ours.
	server.SetFaults(faults.On("CompleteMultipartUpload", lost))
	other := sync.OnceFunc(func() { server.Put("bucket", "y", make([]byte, len(content))) })
	server.SetRights(func(action, _, _ string) bool {
		if action == "HeadObject" {
			other()
		}
		return true
	})
	w, err := s.Create(t.Context(), "gs://bucket/y")
	if err != nil {
		t.Fatal(err)
	}
	w.Write(content)
	if err := w.Commit(); err == nil || !strings.Contains(err.Error(), "NoSuchUpload") {
		t.Errorf("Commit: %v", err)
	}
}

// TestGzipMetadata: an object that Cloud Storage would decompress on its way comes as it is stored, whole and by ranges.
func TestGzipMetadata(t *testing.T) {
	s, server := openGoogle(t, &issuer{})
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(text(5000))
	z.Close()
	server.PutGzip("bucket", "x.gz", b.Bytes())
	info, err := s.Stat(t.Context(), "gs://bucket/x.gz")
	if err != nil || info.Size != int64(b.Len()) {
		t.Errorf("%+v, %v, want %d bytes", info, err, b.Len())
	}
	for _, from := range []int64{0, 100} {
		if got := read(t, s, "gs://bucket/x.gz", from); !bytes.Equal(got, b.Bytes()[from:]) {
			t.Errorf("from %d on: %d other bytes", from, len(got))
		}
	}
}

// TestTokenInTheOpen: no token goes over plain HTTP to another machine.
func TestTokenInTheOpen(t *testing.T) {
	s, err := New(Options{Scheme: "gs", Endpoint: "http://storage.example.invalid", Region: "auto", Tokens: &issuer{}, Attempts: 2, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), "gs://bucket/x"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "for all to read; use https://") {
		t.Errorf("%v", err)
	}
}
