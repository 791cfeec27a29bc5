//go:build azure

package azure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/corpus/store/storetest/azuretest"
	"curate/corpus/store/storetest/faults"
)

// open returns a store with small parts and short pauses.
func open(t *testing.T, change ...func(*Options)) (*Store, *azuretest.Server) {
	t.Helper()
	server := azuretest.New(t, "bucket")
	o := Options{Account: azuretest.Account, Endpoint: server.URL, Key: azuretest.Key, PartSize: 4 << 10, Pause: time.Millisecond}
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
	for name, c := range map[string]struct {
		root    string
		folders bool
		change  func(*Options)
	}{
		"container":         {"az://bucket", false, func(*Options) {}},
		"folder":            {"abfss://bucket@" + azuretest.Account + ".dfs.core.windows.net/a b/ü+%25", false, func(*Options) {}},
		"cleaned":           {"abfs:/bucket@" + azuretest.Account + ".blob.core.windows.net/x", false, func(*Options) {}},
		"signature":         {"az://bucket/x", false, func(o *Options) { o.Key, o.SAS = "", azuretest.SAS }},
		"folders that stay": {"az://bucket/x", true, func(*Options) {}},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Store(t, func(t *testing.T) (store.Store, string) {
				s, server := open(t, c.change)
				server.Folders = c.folders
				return s, c.root
			})
		})
	}
}

// TestContractInAStorm: the same, when a third of all requests fail.
func TestContractInAStorm(t *testing.T) {
	seed := uint64(0)
	storetest.Store(t, func(t *testing.T) (store.Store, string) {
		s, server := open(t, func(o *Options) { o.Attempts, o.PartSize = 40, 64<<10 })
		server.PageSize = 2
		seed++
		server.SetFaults(faults.Storm(seed))
		return s, "az://bucket/storm"
	})
}

// TestStormLosesNothing: files of many blocks, read whole, from the middle and in pieces, and a log with many writers.
func TestStormLosesNothing(t *testing.T) {
	s, server := open(t, func(o *Options) { o.Attempts = 40 })
	server.SetFaults(faults.Storm(7))
	for _, size := range []int{0, 1, 4095, 4096, 4097, 50_001} {
		name, content := fmt.Sprintf("az://bucket/%d", size), text(size)
		put(t, s, name, content)
		if got, _ := server.Get("bucket", fmt.Sprint(size)); !bytes.Equal(got, content) {
			t.Fatalf("%d bytes: the server has %d others", size, len(got))
		}
		if got := read(t, s, name, int64(size/3)); !bytes.Equal(got, content[size/3:]) {
			t.Errorf("%d bytes from a third on: read %d others", size, len(got))
		}
		f, n, err := s.OpenAt(t.Context(), name)
		if err != nil || n != int64(size) {
			t.Fatal(n, err)
		}
		p := make([]byte, 3000)
		for off := 0; off < size; off += 2500 {
			n, err := f.ReadAt(p, int64(off))
			if want := content[off:min(size, off+len(p))]; !bytes.Equal(p[:n], want) || err != nil && err != io.EOF {
				t.Fatalf("%d bytes: at %d: %d bytes, %v, want %d", size, off, n, err, len(want))
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	l, err := s.OpenLog(t.Context(), "az://bucket/log")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
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
	if len(slices.Compact(entries)) != 20 || len(got) != 60 {
		t.Errorf("the log holds %q", got)
	}
	if server.Hurt() < 20 {
		t.Errorf("only %d requests were hurt: this was no storm", server.Hurt())
	}
}

// TestLostAnswers: what the server has done although nobody heard of it is neither an error nor done twice.
func TestLostAnswers(t *testing.T) {
	content := text(10_000)
	for _, act := range []string{"PutBlob", "PutBlock", "PutBlockList", "DeleteBlob"} {
		s, server := open(t)
		server.SetFaults(faults.On(act, faults.Fault{Lost: true}, faults.Fault{Lost: true}))
		want := content
		if act == "PutBlob" {
			want = content[:100]
		}
		put(t, s, "az://bucket/x", want)
		if got, _ := server.Get("bucket", "x"); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes are there", act, len(got))
		}
		if err := s.Remove(t.Context(), "az://bucket/x"); err != nil {
			t.Errorf("%s: %v", act, err)
		}
		// A deletion that is found done needs no second attempt.
		if want := 2; server.Hurt() != want && act != "DeleteBlob" {
			t.Errorf("%s: %d requests hurt, want %d", act, server.Hurt(), want)
		}
	}
}

// TestTwoWriters: whoever commits last finds the blocks that the other's commit has taken or discarded, if the bytes are the same;
// a blob of two writers' bytes there is never.
func TestTwoWriters(t *testing.T) {
	s, server := open(t)
	content := text(12_000)
	var writers []store.Writer
	for range 2 {
		w, err := s.Create(t.Context(), "az://bucket/x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content[:9000]); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	for _, w := range writers {
		if _, err := w.Write(content[9000:]); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if got, _ := server.Get("bucket", "x"); !bytes.Equal(got, content) {
			t.Errorf("%d other bytes", len(got))
		}
	}
	w, err := s.Create(t.Context(), "az://bucket/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	put(t, s, "az://bucket/x", text(12_001)) // discards what was sent
	if err := w.Commit(); err == nil || !strings.Contains(err.Error(), "InvalidBlockList") {
		t.Errorf("Commit over another's: %v", err)
	}
	if got, _ := server.Get("bucket", "x"); !bytes.Equal(got, text(12_001)) {
		t.Error("a mixture")
	}
}

// TestResumes: a body that breaks, or falls silent, is gone on with behind what has come, in the same blob.
func TestResumes(t *testing.T) {
	s, server := open(t, func(o *Options) { o.Idle = 100 * time.Millisecond })
	content := text(10_000)
	server.Put("bucket", "x", content)
	server.SetFaults(faults.On("GetBlob", faults.Fault{Cut: 0.5}, faults.Fault{Reset: true}, faults.Fault{Cut: 0.5}, faults.Fault{Status: 412}, faults.Fault{Stall: true}, faults.Fault{Status: 503}))
	if got := read(t, s, "az://bucket/x", 0); !bytes.Equal(got, content) {
		t.Error("other bytes")
	}
	if n := server.Count("GetBlob"); n != 7 {
		t.Errorf("%d requests, want 7", n)
	}
	server.SetFaults(faults.On("GetBlob", faults.Fault{Cut: 0.5}))
	r, err := s.Open(t.Context(), "az://bucket/x", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	server.Put("bucket", "x", text(10_001))
	if _, err := io.ReadAll(r); !errors.Is(err, store.ErrChanged) || !strings.Contains(err.Error(), "az://bucket/x") {
		t.Errorf("of a changed blob: %v", err)
	}
}

// TestGivesUp: an outage ends in an error that says who, what, how often and what to do.
func TestGivesUp(t *testing.T) {
	s, server := open(t, func(o *Options) { o.Attempts = 3 })
	w, err := s.Create(t.Context(), "az://bucket/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text(10_000)); err != nil {
		t.Fatal(err)
	}
	server.SetFaults(func(action string, n int) faults.Fault {
		if action == "PutBlockList" {
			return faults.Fault{Status: 503}
		}
		return faults.Fault{}
	})
	err = w.Commit()
	for _, part := range []string{"write az://bucket/x", server.URL, "503 ServerBusy (a fault of the test)", "3 attempts", "repeat the command"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Commit: %v: no %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("of several lines: %v", err)
	}
	if len(server.Keys("bucket", "")) != 0 {
		t.Errorf("%q are there", server.Keys("bucket", ""))
	}
	server.Close()
	if _, err := s.Stat(t.Context(), "az://bucket/x"); err == nil || !strings.Contains(err.Error(), "3 attempts") {
		t.Errorf("without a server: %v", err)
	}
}

// TestAbort: a file that is given up is not there, also one whose block is on its way.
func TestAbort(t *testing.T) {
	s, server := open(t)
	server.SetFaults(faults.On("PutBlock", faults.Fault{}, faults.Fault{Delay: time.Hour}))
	w, err := s.Create(t.Context(), "az://bucket/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text(10_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if len(server.Keys("bucket", "")) != 0 {
		t.Errorf("%q are there", server.Keys("bucket", ""))
	}
	if _, err := s.Stat(t.Context(), "az://bucket/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestRights: what is forbidden says so, and who may not list can read and write what they name.
func TestRights(t *testing.T) {
	s, server := open(t)
	server.SetRights(func(action, _, name string) bool { return action != "ListBlobs" && name != "secret" })
	put(t, s, "az://bucket/x", []byte("x"))
	if got := read(t, s, "az://bucket/x", 0); string(got) != "x" {
		t.Errorf("%q", got)
	}
	if _, err := s.Stat(t.Context(), "az://bucket/y"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat of what is absent: %v", err)
	}
	for _, err := range []error{
		func() error { _, err := s.Stat(t.Context(), "az://bucket/secret"); return err }(),
		func() error { _, err := s.Open(t.Context(), "az://bucket/secret", 0); return err }(),
		func() error { _, err := s.List(t.Context(), "az://bucket/d"); return err }(),
	} {
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "Storage Blob Data Contributor") {
			t.Errorf("%v", err)
		}
	}
	if _, err := s.List(t.Context(), "az://none/x"); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "make the container") {
		t.Errorf("List: %v", err)
	}
	other, err := New(Options{Account: azuretest.Account, Endpoint: server.URL, SAS: "sv=1&sig=none"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Stat(t.Context(), "az://bucket/x"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "AuthenticationFailed") || !strings.Contains(err.Error(), "curate store check az://") {
		t.Errorf("another's signature: %v", err)
	}
}

// TestNames: what is no name of a container says how one is written; a key is sent to its own account alone.
func TestNames(t *testing.T) {
	s, _ := open(t)
	for name, part := range map[string]string{
		"az://":                               "has no container",
		"local/x":                             "is no name of a container",
		"s3://bucket/x":                       "is no name of a container",
		"abfss://bucket@account/x":            "is no account",
		"abfss://bucket@account.file.x.net/x": "is no account",
		"abfss://bucket@other.dfs.core.windows.net/x": "is the account " + azuretest.Account + "'s",
	} {
		if _, err := s.Stat(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"az://bucket", "az://bucket/", "az://bucket/d/"} {
		if _, err := s.Create(t.Context(), name); !errors.Is(err, store.ErrIsDir) {
			t.Errorf("Create %s: %v", name, err)
		}
	}
	nobody, err := New(Options{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nobody.Stat(t.Context(), "az://bucket/x"); err == nil || !strings.Contains(err.Error(), "AZURE_STORAGE_ACCOUNT") {
		t.Errorf("%v", err)
	}
	p, err := nobody.split("stat", "abfss://bucket@other.dfs.core.chinacloudapi.cn/a//b/")
	if err != nil || p.endpoint != "https://other.blob.core.chinacloudapi.cn" || p.container != "bucket" || p.key != "a//b" {
		t.Errorf("%+v, %v", p, err)
	}
	known, err := New(Options{Tokens: &tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := known.split("stat", "abfss://bucket@other.dfs.core.windows.net/x"); err != nil {
		t.Error(err)
	}
	if _, err := known.split("stat", "abfss://bucket@other.dfs.core.windows.net.example.org/x"); err == nil || !strings.Contains(err.Error(), "no access token is sent to other.dfs.core.windows.net.example.org") {
		t.Errorf("%v", err)
	}
	for _, endpoint := range []string{"storage.example.org", "ftp://x", "http://", "https://x/?sig=1"} {
		if _, err := New(Options{Endpoint: endpoint}); err == nil || !strings.Contains(err.Error(), "endpoint") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// TestFolders: what stands for a folder is none of the files, and cannot be read.
func TestFolders(t *testing.T) {
	s, server := open(t)
	server.Folders = true
	put(t, s, "az://bucket/a/b/c", []byte("c"))
	for _, err := range []error{
		func() error { _, err := s.Stat(t.Context(), "az://bucket/a/b"); return err }(),
		func() error { _, err := s.Open(t.Context(), "az://bucket/a/b", 0); return err }(),
		func() error { _, _, err := s.OpenAt(t.Context(), "az://bucket/a/b"); return err }(),
	} {
		if !errors.Is(err, store.ErrIsDir) {
			t.Errorf("%v", err)
		}
	}
	infos, err := s.List(t.Context(), "az://bucket")
	if err != nil || len(infos) != 1 || infos[0].Name != "az://bucket/a/b/c" || infos[0].Version == "" {
		t.Errorf("%+v, %v", infos, err)
	}
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Options
		err  string
	}{
		{map[string]string{}, Options{Tokens: &identity{}}, ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_KEY": "k"}, Options{Account: "a", Key: "k"}, ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "k", "AZURE_STORAGE_ENDPOINT": "http://x"}, Options{Account: "a", Key: "k", Endpoint: "http://x"}, ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_SAS_TOKEN": "?sig=1"}, Options{Account: "a", SAS: "sig=1"}, ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "a", "AZURE_NO_SIGN_REQUEST": "YES"}, Options{Account: "a", Anonymous: true}, ""},
		{map[string]string{"AZURE_STORAGE_KEY": "k"}, Options{}, "set AZURE_STORAGE_ACCOUNT"},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "AccountName=b;AccountKey=a2V5==;EndpointSuffix=core.chinacloudapi.cn", "AZURE_STORAGE_ACCOUNT": "a"}, Options{Account: "b", Key: "a2V5==", Endpoint: "https://b.blob.core.chinacloudapi.cn"}, ""},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=https://c.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=2"}, Options{Account: "c", SAS: "sv=1&sig=2", Endpoint: "https://c.blob.core.windows.net"}, ""},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"}, Options{Account: "devstoreaccount1", Key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==", Endpoint: "http://127.0.0.1:10000/devstoreaccount1"}, ""},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "key"}, Options{}, "AZURE_STORAGE_CONNECTION_STRING: is no list"},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "AccountName=b"}, Options{}, "neither AccountName and AccountKey"},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=b"}, Options{}, "names neither"},
	} {
		got, err := Environment(func(k string) string { return c.env[k] })
		if (got.Tokens == nil) != (c.want.Tokens == nil) {
			t.Errorf("%v: tokens %v", c.env, got.Tokens)
		}
		got.Tokens, c.want.Tokens = nil, nil
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v: %+v, %v, want %+v, %q", c.env, got, err, c.want, c.err)
		}
	}
	if _, err := New(Options{Account: "a", Key: "not base 64!"}); err == nil || !strings.Contains(err.Error(), "the key of the account a") {
		t.Errorf("%v", err)
	}
}

// tokens are "1", "2", …, of which the last is good until it is revoked.
type tokens struct {
	mu      sync.Mutex
	n       int
	revoked bool
}

func (s *tokens) Token(context.Context) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.revoked = false
	return fmt.Sprint(s.n), time.Time{}, nil
}

func (s *tokens) valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.revoked && token == fmt.Sprint(s.n)
}

// TestTokenRefused: a token that ends in the middle of files is replaced; one that is never good is an error.
func TestTokenRefused(t *testing.T) {
	source := &tokens{}
	s, server := open(t, func(o *Options) { o.Key, o.Tokens = "", source })
	server.SetTokens(source.valid)
	requests := 0
	server.SetFaults(func(string, int) faults.Fault {
		if requests++; requests%3 == 0 {
			source.mu.Lock()
			source.revoked = true
			source.mu.Unlock()
		}
		return faults.Fault{}
	})
	content := text(20_000)
	put(t, s, "az://bucket/x", content)
	if got := read(t, s, "az://bucket/x", 0); !bytes.Equal(got, content) {
		t.Error("other bytes")
	}
	if source.n < 3 {
		t.Errorf("%d tokens", source.n)
	}
	server.SetTokens(func(string) bool { return false })
	if _, err := s.Stat(t.Context(), "az://bucket/x"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v", err)
	}
}

// TestManagedIdentity: the machine's identity, as App Service's endpoint gives it, is what DefaultAzureCredential finds here.
func TestManagedIdentity(t *testing.T) {
	n := 0
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Identity-Header") != "secret" || !strings.HasPrefix(r.URL.Query().Get("resource"), "https://storage.azure.com") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		n++
		json.NewEncoder(w).Encode(map[string]string{
			"access_token": fmt.Sprintf("token-%d", n), "expires_on": fmt.Sprint(time.Now().Add(time.Hour).Unix()), "resource": "https://storage.azure.com", "token_type": "Bearer",
		})
	}))
	defer endpoint.Close()
	for _, v := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"} {
		t.Setenv(v, "") // which restores it
		os.Unsetenv(v)
	}
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential") // and not whoever is logged in here
	t.Setenv("IDENTITY_ENDPOINT", endpoint.URL)
	t.Setenv("IDENTITY_HEADER", "secret")
	s, server := open(t, func(o *Options) { o.Key, o.Tokens = "", &identity{} })
	server.SetTokens(func(token string) bool { return token != "" && token == fmt.Sprintf("token-%d", n) })
	put(t, s, "az://bucket/x", text(10_000))
	if n != 1 {
		t.Errorf("%d tokens", n)
	}
	server.SetTokens(func(token string) bool { return token == "token-2" }) // the first has ended
	if got := read(t, s, "az://bucket/x", 0); !bytes.Equal(got, text(10_000)) || n != 2 {
		t.Errorf("%d bytes, %d tokens", len(got), n)
	}
	// A hitch of what has given tokens passes; of what has not it is an error.
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "WorkloadIdentityCredential") // of which there is none
	for known, again := range map[bool]bool{true: true, false: false} {
		_, _, err := (&identity{known: known}).Token(t.Context())
		e := new(identityError)
		if !errors.As(err, &e) || e.Temporary() != again || errors.Is(err, fs.ErrPermission) == again || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
		}
	}
}

// FuzzNames: what is taken for a connection string or a name says whose container it is, and a key is kept to its account.
func FuzzNames(f *testing.F) {
	f.Add("AccountName=b;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn", "az://bucket/x")
	f.Add("BlobEndpoint=https://c.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=2", "abfss://bucket@c.dfs.core.windows.net/a//b/")
	f.Add("UseDevelopmentStorage=true", "abfs:/bucket@other.blob.x")
	f.Fuzz(func(t *testing.T, connection, name string) {
		o, err := Environment(func(k string) string {
			if k == "AZURE_STORAGE_CONNECTION_STRING" {
				return connection
			}
			return ""
		})
		if err != nil {
			return
		}
		if connection != "" && (o.Endpoint == "" || o.Key == "" && o.SAS == "") {
			t.Fatalf("%q: %+v", connection, o)
		}
		s, err := New(o)
		if err != nil {
			return
		}
		p, err := s.split("stat", name)
		if err != nil {
			return
		}
		if p.container == "" || strings.Contains(p.container, "/") || strings.HasPrefix(p.key, "/") || strings.HasSuffix(p.key, "/") {
			t.Errorf("%q: %+v", name, p)
		}
		if connection != "" && p.endpoint != s.home() {
			t.Errorf("%q: the key of %s would go to %s", name, s.home(), p.endpoint)
		}
	})
}
