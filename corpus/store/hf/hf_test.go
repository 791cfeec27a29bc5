package hf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"curate/corpus/store"
)

const sha = "0123456789abcdef0123456789abcdef01234567"

var content = bytes.Repeat([]byte("a line of the corpus\n"), 1000)

// hub is a Hub with one data set, which needs a token, and a content network that must not see it.
type hub struct {
	*httptest.Server
	cdn   *httptest.Server
	n     atomic.Int64 // requests
	fails func(n int64) bool
	cuts  atomic.Int64 // bodies to be cut from now on
	t     *testing.T
}

func newHub(t *testing.T) (*hub, *Store) {
	h := &hub{t: t, fails: func(int64) bool { return false }}
	h.cdn = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went to another host")
		}
		if h.cuts.Add(-1) >= 0 {
			w = &cutting{w, 1000}
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(h.cdn.Close)
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	s, err := New(Options{Endpoint: h.URL, Token: "hf_x", Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return h, s
}

// cutting writes n bytes and ends the connection.
type cutting struct {
	http.ResponseWriter
	n int
}

func (c *cutting) Write(p []byte) (int, error) {
	if len(p) > c.n {
		c.ResponseWriter.Write(p[:c.n])
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	c.n -= len(p)
	return c.ResponseWriter.Write(p)
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	if h.fails(h.n.Add(1)) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Header.Get("Authorization") != "Bearer hf_x" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	const api = "/api/datasets/org/set/"
	file := func(p string) string {
		return fmt.Sprintf(`{"type":"file","oid":"1234","size":%d,"path":%q,"lfs":{"oid":"abcd","size":%d,"pointerSize":132}}`, 132, p, len(content))
	}
	const small = `{"type":"file","oid":"5678","size":6,"path":"eu/small é.txt"}`
	switch p := r.URL.EscapedPath(); p {
	case api + "revision/main", api + "revision/refs%2Fconvert":
		fmt.Fprintf(w, `{"id":"org/set","sha":%q}`, sha)
	case api + "tree/" + sha:
		fmt.Fprint(w, `[{"type":"directory","oid":"1","size":0,"path":"eu"}`)
		if r.URL.Query().Get("recursive") == "true" {
			fmt.Fprintf(w, ",%s,%s", file("eu/b.jsonl"), small)
		}
		fmt.Fprint(w, "]")
	case api + "tree/" + sha + "/eu":
		if r.URL.Query().Get("cursor") == "" {
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=%s&cursor=x>; rel="next"`, h.URL, p, r.URL.Query().Get("recursive")))
			fmt.Fprintf(w, "[%s,%s]", file("eu/b.jsonl"), small)
			return
		}
		fmt.Fprintf(w, "[%s]", file("eu/a.jsonl"))
	case "/datasets/org/set/resolve/" + sha + "/eu/a.jsonl", "/datasets/org/set/resolve/" + sha + "/eu/b.jsonl":
		http.Redirect(w, r, strings.Replace(h.cdn.URL, "127.0.0.1", "localhost", 1)+"/blob", http.StatusFound)
	case "/datasets/org/set/resolve/" + sha + "/eu/small%20%C3%A9.txt":
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("small\n"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestReads(t *testing.T) {
	h, s := newHub(t)
	h.fails = func(n int64) bool { return n%3 == 1 }
	h.cuts.Store(3)
	for _, root := range []string{"hf://datasets/org/set", "hf:/datasets/org/set@main", "hf://datasets/org/set@refs%2Fconvert"} {
		all, err := s.List(t.Context(), root+"/eu/")
		if err != nil || len(all) != 3 {
			t.Fatalf("%v, %v", all, err)
		}
		a := store.Info{Name: root + "/eu/a.jsonl", Size: int64(len(content)), Version: sha + ":sha256:abcd"}
		if all[0] != a || all[1].Name != root+"/eu/b.jsonl" || all[2].Name != root+"/eu/small é.txt" || all[2].Version != sha+":5678" {
			t.Errorf("%+v", all)
		}
		if got, err := s.Stat(t.Context(), a.Name); got != a || err != nil {
			t.Errorf("%+v, %v", got, err)
		}
		for _, from := range []int64{0, 1500, int64(len(content)), 1 << 40} {
			r, err := s.Open(t.Context(), a.Name, from)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, content[min(from, int64(len(content))):]) {
				t.Errorf("from %d: %d bytes, %v", from, len(got), err)
			}
			r.Close()
		}
		f, size, err := s.OpenAt(t.Context(), root+"/eu/small é.txt")
		if err != nil || size != 6 {
			t.Fatal(size, err)
		}
		b := make([]byte, 3)
		if n, err := f.ReadAt(b, 2); n != 3 || err != nil || string(b) != "all" {
			t.Errorf("%q, %v", b[:n], err)
		}
		f.Close()
	}
	if h.cuts.Load() > 0 {
		t.Error("no body was cut")
	}
}

func TestAbsent(t *testing.T) {
	_, s := newHub(t)
	const root = "hf://datasets/org/set"
	for name, want := range map[string]error{root: store.ErrIsDir, root + "/eu": store.ErrIsDir, root + "/eu/none": fs.ErrNotExist, root + "/none/x": fs.ErrNotExist} {
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("Stat %s: %v", name, err)
		}
		if r, err := s.Open(t.Context(), name, 0); !errors.Is(err, want) {
			t.Errorf("Open %s: %v", name, err)
			if err == nil {
				r.Close()
			}
		}
	}
	if _, err := s.List(t.Context(), root+"/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List: %v", err)
	}
	// What is wrong with the repository is no absent file.
	for _, name := range []string{"hf://datasets/org/other/x", "hf://org/set/x", root + "@v2/x", "hf://datasets/org", "hf://x", root + "@/x", root + "@%/x"} {
		if _, err := s.Stat(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat %s: %v", name, err)
		}
	}
	s.o.Token = ""
	if _, err := s.Stat(t.Context(), root+"@refs%2Fconvert/x"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "set HF_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
	if _, err := s.Create(t.Context(), root+"/x"); err == nil || !strings.Contains(err.Error(), "read only") {
		t.Errorf("Create: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.List(ctx, root); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "token"), []byte("hf_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  map[string]string
		want Options
	}{
		{map[string]string{}, Options{}},
		{map[string]string{"HF_HOME": home}, Options{Token: "hf_file"}},
		{map[string]string{"HF_HOME": home, "HF_TOKEN": "hf_env", "HF_ENDPOINT": "http://hub"}, Options{Token: "hf_env", Endpoint: "http://hub"}},
		{map[string]string{"HF_TOKEN_PATH": filepath.Join(home, "token")}, Options{Token: "hf_file"}},
	} {
		if got := Environment(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %+v", c.env, got)
		}
	}
	if _, err := New(Options{Endpoint: "hub"}); err == nil {
		t.Error("an endpoint that is no URL")
	}
}
