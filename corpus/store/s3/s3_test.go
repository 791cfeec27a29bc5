package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/corpus/store/storetest/faults"
	"curate/corpus/store/storetest/s3test"
)

// open returns a store with small parts and short pauses on a server that allows them.
func open(t *testing.T, change ...func(*Options)) (*Store, *s3test.Server) {
	t.Helper()
	server := s3test.New(t, "bucket")
	server.MinPart = 1 << 10
	o := Options{Endpoint: server.URL, Region: "us-east-1", AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey, PartSize: 1 << 10, Pause: time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, server
}

func put(t *testing.T, s store.Store, name string, content []byte) {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s store.Store, name string, from int64) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), name, from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// text is n bytes that differ from place to place.
func text(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestContract(t *testing.T) {
	for _, root := range []string{"s3://bucket", "s3://bucket/a b/ü+%25", "s3:/bucket/cleaned"} {
		t.Run(root, func(t *testing.T) {
			storetest.Store(t, func(t *testing.T) (store.Store, string) {
				s, _ := open(t)
				return s, root
			})
		})
	}
}

// TestContractInAStorm: the same, when a third of all requests fail.
func TestContractInAStorm(t *testing.T) {
	seed := uint64(0)
	storetest.Store(t, func(t *testing.T) (store.Store, string) {
		s, server := open(t, func(o *Options) { o.Attempts, o.PartSize = 40, 16<<10 })
		server.PageSize = 2
		seed++
		server.SetFaults(faults.Storm(seed))
		return s, "s3://bucket/storm"
	})
}

// TestStormLosesNothing: files of many parts, read whole, from the middle and in pieces, and a log with many writers.
func TestStormLosesNothing(t *testing.T) {
	s, server := open(t, func(o *Options) { o.Attempts, o.PartSize = 40, 4<<10 })
	server.SetFaults(faults.Storm(7))
	for _, size := range []int{0, 1, 4095, 4096, 4097, 20 << 10, 100_001} {
		name, content := fmt.Sprintf("s3://bucket/%d", size), text(size)
		put(t, s, name, content)
		if got, _ := server.Get("bucket", fmt.Sprint(size)); !bytes.Equal(got, content) {
			t.Fatalf("%d bytes: the server has %d others", size, len(got))
		}
		if got := read(t, s, name, 0); !bytes.Equal(got, content) {
			t.Errorf("%d bytes: read %d others", size, len(got))
		}
		if got := read(t, s, name, int64(size/3)); !bytes.Equal(got, content[size/3:]) {
			t.Errorf("%d bytes from a third on: read %d others", size, len(got))
		}
		f, n, err := s.OpenAt(t.Context(), name)
		if err != nil || n != int64(size) {
			t.Fatal(n, err)
		}
		rng := rand.New(rand.NewPCG(3, uint64(size)))
		for off := 0; off < size; {
			if rng.IntN(4) == 0 { // somewhere else
				off = rng.IntN(size)
			}
			p := make([]byte, 1+rng.IntN(5000))
			n, err := f.ReadAt(p, int64(off))
			want := content[off:min(size, off+len(p))]
			if !bytes.Equal(p[:n], want) || (err == io.EOF) != (n < len(p)) || err != nil && err != io.EOF {
				t.Fatalf("%d bytes: at %d: %d bytes, %v, want %d", size, off, n, err, len(want))
			}
			off += n
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	l, err := s.OpenLog(t.Context(), "s3://bucket/log")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if err := l.Append(fmt.Appendf(nil, "%02d;", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, _ := server.Get("bucket", "log")
	entries := strings.Split(strings.TrimSuffix(string(got), ";"), ";")
	slices.Sort(entries)
	if len(slices.Compact(entries)) != 40 || len(got) != 120 {
		t.Errorf("the log holds %q", got)
	}
	if server.Hurt() < 50 {
		t.Errorf("only %d requests were hurt: this was no storm", server.Hurt())
	}
	if n := server.Uploads(); n > 0 {
		t.Logf("%d uploads whose beginning was not heard of are left to the bucket's rule", n)
	}
}

// TestLostAnswers: what the server has done although nobody heard of it is neither an error nor done twice.
func TestLostAnswers(t *testing.T) {
	lost := faults.Fault{Lost: true}
	content := text(5000)
	for _, act := range []string{"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "DeleteObject"} {
		s, server := open(t)
		server.SetFaults(faults.On(act, lost, lost))
		if act == "PutObject" {
			put(t, s, "s3://bucket/x", content[:100])
		} else {
			put(t, s, "s3://bucket/x", content)
		}
		if got, _ := server.Get("bucket", "x"); !bytes.HasPrefix(content, got) || len(got) < 100 {
			t.Errorf("%s: %d bytes are there", act, len(got))
		}
		if err := s.Remove(t.Context(), "s3://bucket/x"); err != nil {
			t.Errorf("%s: %v", act, err)
		}
		if server.Hurt() != 2 && act != "CompleteMultipartUpload" {
			t.Errorf("%s: %d requests hurt", act, server.Hurt())
		}
	}
	// An upload that somebody else has ended is an error: its object is not this one.
	s, server := open(t)
	w, err := s.Create(t.Context(), "s3://bucket/y")
	if err != nil {
		t.Fatal(err)
	}
	w.Write(content)
	server.SetFaults(faults.On("CompleteMultipartUpload", lost))
	other := sync.OnceFunc(func() { server.Put("bucket", "y", []byte("another")) })
	server.SetRights(func(action, _, _ string) bool {
		if action == "HeadObject" {
			other()
		}
		return true
	})
	if err := w.Commit(); err == nil || !strings.Contains(err.Error(), "NoSuchUpload") {
		t.Errorf("Commit: %v", err)
	}
}

// TestResumes: a body that breaks is gone on with behind what has come, in the same object.
func TestResumes(t *testing.T) {
	s, server := open(t)
	content := text(10_000)
	server.Put("bucket", "x", content)
	server.SetFaults(faults.On("GetObject", faults.Fault{Cut: 0.5}, faults.Fault{Reset: true}, faults.Fault{Cut: 0.5}, faults.Fault{Status: 412}, faults.Fault{Status: 503}))
	if got := read(t, s, "s3://bucket/x", 0); !bytes.Equal(got, content) {
		t.Error("other bytes")
	}
	if n := server.Count("GetObject"); n != 6 {
		t.Errorf("%d requests, want 6", n)
	}
	// The object that is there now is another one: half of each is no file.
	server.SetFaults(faults.On("GetObject", faults.Fault{Cut: 0.5}))
	r, err := s.Open(t.Context(), "s3://bucket/x", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	server.Put("bucket", "x", text(10_001))
	if _, err := io.ReadAll(r); !errors.Is(err, store.ErrChanged) || !strings.Contains(err.Error(), "s3://bucket/x") {
		t.Errorf("of a changed object: %v", err)
	}
}

// TestSilence: a body that stops without an end is asked for anew.
func TestSilence(t *testing.T) {
	s, server := open(t, func(o *Options) { o.Idle = 50 * time.Millisecond })
	content := text(10_000)
	server.Put("bucket", "x", content)
	server.SetFaults(faults.On("GetObject", faults.Fault{Stall: true}, faults.Fault{Stall: true}))
	if got := read(t, s, "s3://bucket/x", 0); !bytes.Equal(got, content) {
		t.Error("other bytes")
	}
}

// TestGivesUp: an outage ends in an error that says who, what, how often and what to do; and leaves nothing behind.
func TestGivesUp(t *testing.T) {
	s, server := open(t, func(o *Options) { o.Attempts = 3 })
	w, err := s.Create(t.Context(), "s3://bucket/x")
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text(3000))
	server.SetFaults(func(action string, n int) faults.Fault {
		if action == "CompleteMultipartUpload" || action == "GetObject" {
			return faults.Fault{Status: 503}
		}
		return faults.Fault{}
	})
	err = w.Commit()
	for _, part := range []string{"write s3://bucket/x", server.URL, "503 SlowDown", "3 attempts", "repeat the command"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Commit: %v: no %q", err, part)
		}
	}
	if server.Uploads() != 0 || len(server.Keys("bucket", "")) != 0 {
		t.Errorf("%d uploads and %q are left", server.Uploads(), server.Keys("bucket", ""))
	}
	if _, err := s.Open(t.Context(), "s3://bucket/x", 0); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
	server.Close()
	if _, err := s.Stat(t.Context(), "s3://bucket/x"); err == nil || !strings.Contains(err.Error(), "3 attempts") {
		t.Errorf("without a server: %v", err)
	}
}

// TestAbort: a file that is given up leaves no parts, also one whose part is on its way.
func TestAbort(t *testing.T) {
	s, server := open(t)
	server.SetFaults(faults.On("UploadPart", faults.Fault{}, faults.Fault{Delay: time.Hour}))
	w, err := s.Create(t.Context(), "s3://bucket/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text(2500)); err != nil {
		t.Fatal(err)
	}
	if server.Uploads() != 1 {
		t.Errorf("%d uploads have begun", server.Uploads())
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if server.Uploads() != 0 || len(server.Keys("bucket", "")) != 0 {
		t.Errorf("%d uploads and %q are left", server.Uploads(), server.Keys("bucket", ""))
	}
}

// TestCommitOutlivesContext: what a signal finds nearly done is brought to its end.
func TestCommitOutlivesContext(t *testing.T) {
	s, server := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx, "s3://bucket/x")
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text(2000))
	cancel()
	w.Write(text(2000))
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, _ := server.Get("bucket", "x"); len(got) != 4000 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestSweepsOldUploads(t *testing.T) {
	s, server := open(t)
	server.PageSize = 1
	begin := func(key string, age time.Duration) {
		server.SetClock(func() time.Time { return time.Now().Add(-age) })
		w, err := s.Create(t.Context(), "s3://bucket/"+key)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(text(2100)) // two parts, so that the first has landed
	}
	begin("run/a", 25*time.Hour)
	begin("run/b", time.Hour)
	begin("run/c", 48*time.Hour)
	begin("runner", 48*time.Hour)
	if err := s.Sweep(t.Context(), "s3://bucket/run"); err != nil {
		t.Fatal(err)
	}
	if server.Uploads() != 2 {
		t.Errorf("%d uploads are left, want the young one and the one elsewhere", server.Uploads())
	}
	server.SetRights(func(action, _, _ string) bool { return action != "ListMultipartUploads" })
	if err := s.Sweep(t.Context(), "s3://bucket/run"); err != nil {
		t.Errorf("without the right to see uploads: %v", err)
	}
}

// TestRights: what is forbidden says so, and who may not list can read and write what they name.
func TestRights(t *testing.T) {
	s, server := open(t)
	server.SetRights(func(action, _, key string) bool { return action != "ListObjects" && key != "secret" })
	put(t, s, "s3://bucket/x", []byte("x"))
	if got := read(t, s, "s3://bucket/x", 0); string(got) != "x" {
		t.Errorf("%q", got)
	}
	if _, err := s.Stat(t.Context(), "s3://bucket/y"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat of what is absent: %v", err)
	}
	for _, err := range []error{
		func() error { _, err := s.Stat(t.Context(), "s3://bucket/secret"); return err }(),
		func() error { _, err := s.Open(t.Context(), "s3://bucket/secret", 0); return err }(),
		func() error { _, err := s.List(t.Context(), "s3://bucket/d"); return err }(),
	} {
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "curate store check s3://") {
			t.Errorf("%v", err)
		}
	}
	for _, name := range []string{"s3://none/x", "s3://none"} {
		if _, err := s.List(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "make the bucket") {
			t.Errorf("List %s: %v", name, err)
		}
	}
	for _, name := range []string{"s3://", "local/x", "gs://bucket/x"} {
		if _, err := s.Stat(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat %s: %v", name, err)
		}
	}
	for _, name := range []string{"s3://bucket", "s3://bucket/", "s3://bucket/d/"} {
		if _, err := s.Create(t.Context(), name); !errors.Is(err, store.ErrIsDir) {
			t.Errorf("Create %s: %v", name, err)
		}
	}
}

func TestTooManyParts(t *testing.T) {
	s, server := open(t)
	s.parts.Most = 3
	put(t, s, "s3://bucket/three", text(3*1024))
	w, err := s.Create(t.Context(), "s3://bucket/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text(5000)); err == nil || !strings.Contains(err.Error(), "more than 3 parts") {
		t.Errorf("%v", err)
	}
	if err := w.Commit(); err == nil {
		t.Error("committed")
	}
	if server.Uploads() != 0 {
		t.Error("its parts are left")
	}
}

// TestRequestsReadInOrder: who reads a file from its beginning in small pieces needs few requests.
func TestRequestsReadInOrder(t *testing.T) {
	s, server := open(t)
	content := text(5 << 20)
	server.Put("bucket", "x", content)
	f, size, err := s.OpenAt(t.Context(), "s3://bucket/x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if n := server.Count("GetObject"); n > 5 {
		t.Errorf("%d requests for 5 MiB", n)
	}
}

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("# of AWS\n[default]\nregion = eu-west-1\ns3 =\n  region = no\n[profile  work]\nregion=eu-south-2\nendpoint_url = http://work:9000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  map[string]string
		want Options
	}{
		{map[string]string{}, Options{Scheme: "s3"}},
		{map[string]string{"AWS_CONFIG_FILE": config}, Options{Scheme: "s3", Region: "eu-west-1"}},
		{map[string]string{"AWS_CONFIG_FILE": config, "AWS_PROFILE": "work"}, Options{Scheme: "s3", Region: "eu-south-2", Endpoint: "http://work:9000"}},
		{map[string]string{"AWS_CONFIG_FILE": config, "AWS_REGION": "x", "AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"}, Options{Scheme: "s3", Region: "x", Endpoint: "http://b"}},
		{map[string]string{"AWS_NO_SIGN_REQUEST": "YES", "AWS_DEFAULT_REGION": "y", "AWS_EC2_METADATA_DISABLED": "true"}, Options{Scheme: "s3", Region: "y", Anonymous: true, NoMetadata: true}},
	} {
		if got := Environment(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.env, got, c.want)
		}
	}
	g := GoogleEnvironment(func(k string) string {
		return map[string]string{"GS_ACCESS_KEY_ID": "a", "GS_SECRET_ACCESS_KEY": "b"}[k]
	})
	if g.Anonymous || g.AccessKey != "a" || g.SecretKey != "b" || g.Endpoint != "https://storage.googleapis.com" {
		t.Errorf("%+v", g)
	}
	if g := GoogleEnvironment(func(string) string { return "" }); g.Anonymous || g.AccessKey != "" {
		t.Errorf("%+v", g)
	}
	if g := GoogleEnvironment(func(k string) string { return map[string]string{"GS_NO_SIGN_REQUEST": "yes"}[k] }); !g.Anonymous {
		t.Errorf("%+v", g)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("[default]\nregion = eu-west-1\ns3 =\n  region = no\n", "")
	f.Add("[profile work]\nregion=x", "work")
	f.Fuzz(func(t *testing.T, text, profile string) {
		for key, value := range section(text, profile) {
			if !strings.Contains(text, key) || !strings.Contains(text, value) || strings.TrimSpace(value) != value {
				t.Errorf("%q = %q is not in the file", key, value)
			}
		}
	})
}

func TestBadEndpoint(t *testing.T) {
	for _, e := range []string{"storage.example.org", "ftp://x", "https://x/path", "http://", "http://[::1"} {
		if _, err := New(Options{Endpoint: e}); err == nil || !strings.Contains(err.Error(), "endpoint") {
			t.Errorf("%s: %v", e, err)
		}
	}
}

// TestNoRanges: a server that ignores ranges would give the beginning for the middle.
func TestNoRanges(t *testing.T) {
	s, server := open(t, func(o *Options) { o.Attempts = 1; o.Transport = withoutRange{} })
	server.Put("bucket", "x", text(100))
	if _, err := s.Open(t.Context(), "s3://bucket/x", 10); err == nil || !strings.Contains(err.Error(), "range") {
		t.Errorf("%v", err)
	}
}

type withoutRange struct{}

func (withoutRange) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Del("Range")
	return http.DefaultTransport.RoundTrip(r)
}
