package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const content = "what the file holds\n"

func digestOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func serve(t *testing.T, handle http.HandlerFunc) (f *Files, address string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	return &Files{Cache: t.TempDir() + "/cache", client: s.Client(), pause: time.Millisecond}, s.URL + "/model.bin", asked
}

// left is what lies in the cache.
func left(t *testing.T, f *Files) (names []string) {
	t.Helper()
	list, err := os.ReadDir(f.Cache)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestOpen(t *testing.T) {
	f, address, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("User-Agent"); got != "curate" {
			t.Errorf("user agent %q", got)
		}
		io.WriteString(w, content)
	})
	var logs []string
	f.Log = func(s string) { logs = append(logs, s) }
	for _, form := range []string{"#sha256=", "#sha256:", "#sha256="} {
		d := digestOf(content)
		if form == "#sha256:" {
			d = strings.ToUpper(d)
		}
		r, err := f.Open(t.Context(), address+"?secret=7"+form+d)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if r.Close(); err != nil || string(b) != content {
			t.Errorf("%q %v", b, err)
		}
	}
	if asked.Load() != 1 || len(logs) != 1 || strings.Contains(logs[0], "secret") {
		t.Errorf("asked %d times, %q", asked.Load(), logs)
	}
	if got := left(t, f); len(got) != 1 || got[0] != "sha256-"+digestOf(content) {
		t.Errorf("%q", got)
	}
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		digest string
		want   string
		asked  int32
	}{
		"another file": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "something else") }, "#sha256=" + digestOf(content), "its digest is sha256:" + digestOf("something else"), 1},
		"not found":    {http.NotFound, "#sha256=" + digestOf(content), "the server says 404", 1},
		"failing":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "#sha256=" + digestOf(content), "the server says 503", attempts},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, content)
		}, "#sha256=" + digestOf(content), "unexpected EOF", attempts},
		"no digest":    {http.NotFound, "", "needs its digest", 0},
		"a wrong one":  {http.NotFound, "#sha256=abc", "64 hexadecimal digits", 0},
		"another kind": {http.NotFound, "#md5=abc", "needs its digest", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f, address, asked := serve(t, c.handle)
			_, err := f.Open(t.Context(), address+c.digest)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if asked.Load() != c.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), c.asked)
			}
			if got := left(t, f); len(got) != 0 {
				t.Errorf("left: %q", got)
			}
		})
	}
}

// TestAgain: a server that fails twice is asked a third time.
func TestAgain(t *testing.T) {
	var n atomic.Int32
	f, address, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < attempts {
			w.WriteHeader(502)
			return
		}
		io.WriteString(w, content)
	})
	r, err := f.Open(t.Context(), address+"#sha256="+digestOf(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}

func TestCancel(t *testing.T) {
	asked := errors.New("asked to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	f, address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "a")
		w.(http.Flusher).Flush()
		cancel(asked)
		<-r.Context().Done()
	})
	if _, err := f.Open(ctx, address+"#sha256="+digestOf(content)); !errors.Is(err, asked) {
		t.Errorf("%v", err)
	}
	if got := left(t, f); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func TestPath(t *testing.T) {
	var f Files
	name := t.TempDir() + "/a#sha256=b"
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := f.Open(t.Context(), name+"x"); err == nil || !strings.HasSuffix(err.Error(), "x: no such file") {
		t.Errorf("%v", err)
	}
	t.Setenv(CacheVariable, "/somewhere")
	if dir, err := f.folder(); dir != "/somewhere" || err != nil {
		t.Errorf("%s %v", dir, err)
	}
}

// TestChanged: a copy that has changed since it came is not used, however much of it is read.
func TestChanged(t *testing.T) {
	f, address, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, content) })
	name := address + "#sha256=" + digestOf(content)
	r, err := f.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	kept := f.Cache + "/sha256-" + digestOf(content)
	other := strings.Repeat("x", len(content))
	if err := os.WriteFile(kept, []byte(other), 0o666); err != nil {
		t.Fatal(err)
	}
	want := "the copy that is kept, " + kept + ", has the digest sha256:" + digestOf(other)
	for _, n := range []int64{0, 1, int64(len(content)), 1 << 20} {
		r, err := f.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if st, err := r.(fs.File).Stat(); err != nil || st.Size() != int64(len(content)) {
			t.Errorf("%v %v", st, err)
		}
		if _, err := io.CopyN(io.Discard, r, n); n > int64(len(content)) && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("read: %v", err)
		}
		if err := r.Close(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes read: %v", n, err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}
