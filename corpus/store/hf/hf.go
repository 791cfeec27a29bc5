// Package hf is a store.Store on repositories of the Hugging Face Hub, for reading:
//
//	hf://datasets/ORG/NAME@REVISION/PATH   a data set's file or folder
//	hf://ORG/NAME@REVISION/PATH            a model's
//
// Without a revision it is that of the branch main. A slash in a revision is written %2F. The branch is resolved to its commit
// once, when a repository is first asked for, so that a run reads one commit; commit and digest are a file's Version.
//
// What it asks is the Hub's API (https://huggingface.co/docs/hub/api): revision, tree, and resolve, which answers with the file
// or with where it lies. Reading goes on after broken connections (package ranged).
package hf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/corpus/store/ranged"
)

// Options say where the Hub is and who asks.
type Options struct {
	Endpoint string // URL; "" is https://huggingface.co
	Token    string // "" asks as nobody in particular
	Attempts int    // at a request, 8 by default
	Pause    time.Duration
	Idle     time.Duration // without a byte, after which a body is asked for anew; a minute by default
}

// Environment are the options by the variables of the Hub's own tools, and the file in which they keep a token
// (https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables).
func Environment(getenv func(string) string) Options {
	o := Options{Endpoint: getenv("HF_ENDPOINT"), Token: getenv("HF_TOKEN")}
	if o.Token == "" {
		home := getenv("HF_HOME")
		if h := cmp.Or(getenv("HOME"), getenv("USERPROFILE")); home == "" && h != "" {
			home = filepath.Join(h, ".cache", "huggingface")
		}
		if name := getenv("HF_TOKEN_PATH"); name != "" || home != "" {
			b, err := os.ReadFile(cmp.Or(name, filepath.Join(home, "token")))
			if err == nil {
				o.Token = strings.TrimSpace(string(b))
			}
		}
	}
	return o
}

// Store is the Hub.
type Store struct {
	o      Options
	client *http.Client

	mu      sync.Mutex
	commits map[string]string // by repository and revision
	known   map[string]*entry // files that a tree had, by repository, commit and path: they do not change
}

var _ store.Store = (*Store)(nil)

// New returns the store. Nothing is asked yet.
func New(o Options) (*Store, error) {
	o.Endpoint = strings.TrimRight(cmp.Or(o.Endpoint, "https://huggingface.co"), "/")
	o.Attempts = cmp.Or(o.Attempts, 8)
	o.Pause = cmp.Or(o.Pause, 200*time.Millisecond)
	o.Idle = cmp.Or(o.Idle, time.Minute)
	if u, err := url.Parse(o.Endpoint); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("HF_ENDPOINT %q: give a URL such as https://huggingface.co", o.Endpoint)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = o.Idle
	t.DisableCompression = true // bytes as stored
	return &Store{o: o, client: &http.Client{Transport: t}, commits: map[string]string{}, known: map[string]*entry{}}, nil
}

// repository is one, at a revision.
type repository struct {
	kind     string // "datasets" or "models"
	id       string // ORG/NAME
	revision string
}

func (r repository) String() string { return r.kind + "/" + r.id + "@" + r.revision }

// split takes a name apart.
func split(op, name string) (repository, string, error) {
	bad := func(why string) (repository, string, error) {
		return repository{}, "", &fs.PathError{Op: op, Path: store.URL(name), Err: errors.New(why + ": write hf://datasets/ORG/NAME@REVISION/PATH")}
	}
	scheme, rest, ok := store.SplitURL(name)
	if !ok || scheme != "hf" {
		return bad("is no name of a file of the Hub")
	}
	r := repository{kind: "models"}
	if d, ok := strings.CutPrefix(rest, "datasets/"); ok {
		r.kind, rest = "datasets", d
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return bad("has no ORG/NAME")
	}
	repo, revision, given := strings.Cut(parts[1], "@")
	r.id, r.revision = parts[0]+"/"+repo, "main"
	if given {
		unescaped, err := url.PathUnescape(revision)
		if err != nil || unescaped == "" {
			return bad("has a revision that is none")
		}
		r.revision = unescaped
	}
	file := ""
	if len(parts) == 3 {
		file = strings.Trim(parts[2], "/")
	}
	return r, file, nil
}

// at is what a file is known by.
func (r repository) at(commit, file string) string {
	return r.kind + "/" + r.id + "@" + commit + "/" + file
}

// escaped is a path as it stands in a URL.
func escaped(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// statusError is an answer that is none.
type statusError struct {
	status   int
	message  string
	endpoint string
	token    bool
}

func (e *statusError) Error() string {
	s := fmt.Sprintf("%s says %d %s", e.endpoint, e.status, http.StatusText(e.status))
	if e.message != "" {
		s += " (" + e.message + ")"
	}
	switch {
	case e.status == http.StatusUnauthorized && !e.token, e.status == http.StatusForbidden && !e.token:
		s += "; it is private, gated or not there: set HF_TOKEN to a token that may read it"
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden:
		s += "; the token in HF_TOKEN may not read it: accept the conditions on its page, or use another token"
	}
	return s
}

func (e *statusError) Unwrap() error {
	switch e.status {
	case http.StatusNotFound:
		return fs.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden:
		return fs.ErrPermission
	}
	return nil
}

// do sends one request. The token goes to the Hub alone, and not to where it sends us on.
func (s *Store) do(ctx context.Context, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "curate")
	if s.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.o.Token) // net/http drops it on the way to another host
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusPartialContent {
		res.Body.Close()
		return nil, &statusError{res.StatusCode, res.Header.Get("X-Error-Message"), s.o.Endpoint, s.o.Token != ""}
	}
	return res, nil
}

// next waits for attempt n, or says what err is in the end.
func (s *Store) next(ctx context.Context, op, name string, n int, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var e *statusError
	passes := !errors.As(err, &e) || e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout || e.status == http.StatusPreconditionFailed
	if !passes || n >= s.o.Attempts {
		if n > 1 {
			err = fmt.Errorf("%w, the last of %d attempts", err, n)
		}
		return &fs.PathError{Op: op, Path: store.URL(name), Err: err}
	}
	t := time.NewTimer(rand.N(s.o.Pause*time.Duration(min(1<<min(n-1, 20), 100))) + time.Millisecond) // full jitter
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// api reads JSON, and the address of the next page.
func (s *Store) api(ctx context.Context, op, name, address string, v any) (next string, err error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	for n := 1; ; n++ {
		next, err := s.page(ctx, address, v)
		if err == nil {
			return next, nil
		}
		if err := s.next(ctx, op, name, n, err); err != nil {
			return "", err
		}
	}
}

// maxPage bounds an answer of the API.
const maxPage = 64 << 20

func (s *Store) page(ctx context.Context, address string, v any) (next string, err error) {
	res, err := s.do(ctx, address, nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return "", err
	}
	for _, link := range strings.Split(res.Header.Get("Link"), ",") { // RFC 8288
		target, params, ok := strings.Cut(link, ">")
		if target, is := strings.CutPrefix(strings.TrimSpace(target), "<"); ok && is && strings.Contains(params, `rel="next"`) {
			// On the same server, or the token would go elsewhere.
			base, err := url.Parse(address)
			if err != nil {
				return "", err
			}
			u, err := base.Parse(target)
			if err != nil || u.Host != base.Host {
				return "", fmt.Errorf("the next page is said to be at %s", target)
			}
			next = u.String()
		}
	}
	return next, nil
}

// commit resolves the revision.
func (s *Store) commit(ctx context.Context, op, name string, r repository) (string, error) {
	s.mu.Lock()
	sha := s.commits[r.String()]
	s.mu.Unlock()
	if sha != "" {
		return sha, nil
	}
	var is struct {
		SHA string `json:"sha"`
	}
	if _, err := s.api(ctx, op, name, s.o.Endpoint+"/api/"+r.kind+"/"+r.id+"/revision/"+url.PathEscape(r.revision), &is); err != nil {
		if errors.Is(err, fs.ErrNotExist) { // not of a file: the repository itself
			return "", &fs.PathError{Op: op, Path: store.URL(name), Err: fmt.Errorf("%s has no such repository or revision: %s", s.o.Endpoint, r)}
		}
		return "", err
	}
	if is.SHA == "" {
		return "", &fs.PathError{Op: op, Path: store.URL(name), Err: errors.New("the answer has no commit")}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits[r.String()] = cmp.Or(s.commits[r.String()], is.SHA) // whoever was first: one commit for the process
	return s.commits[r.String()], nil
}

// entry is one of a tree.
type entry struct {
	Type string `json:"type"` // "file" or "directory"
	OID  string `json:"oid"`  // of git
	Path string `json:"path"`
	Size int64  `json:"size"`
	LFS  *struct {
		OID  string `json:"oid"` // SHA-256 of the content
		Size int64  `json:"size"`
	} `json:"lfs"`
}

func (e *entry) info(name, commit string) store.Info {
	i := store.Info{Name: name, Size: e.Size, Version: commit + ":" + e.OID}
	if e.LFS != nil {
		i.Size, i.Version = e.LFS.Size, commit+":sha256:"+e.LFS.OID
	}
	return i
}

// tree lists what is in dir, and below it if deep. An absent dir is fs.ErrNotExist.
func (s *Store) tree(ctx context.Context, op, name string, r repository, commit, dir string, deep bool, each func(*entry)) error {
	address := s.o.Endpoint + "/api/" + r.kind + "/" + r.id + "/tree/" + commit
	if dir != "" {
		address += "/" + escaped(dir)
	}
	address += "?recursive=" + strconv.FormatBool(deep)
	for address != "" {
		var list []entry
		next, err := s.api(ctx, op, name, address, &list)
		if err != nil {
			return err
		}
		s.mu.Lock()
		for i := range list {
			if list[i].Type == "file" {
				s.known[r.at(commit, list[i].Path)] = &list[i]
			}
		}
		s.mu.Unlock()
		for i := range list {
			each(&list[i])
		}
		address = next
	}
	return nil
}

// find is the entry of a file.
func (s *Store) find(ctx context.Context, op, name string) (r repository, commit string, e *entry, err error) {
	r, file, err := split(op, name)
	if err != nil {
		return r, "", nil, err
	}
	if commit, err = s.commit(ctx, op, name, r); err != nil {
		return r, "", nil, err
	}
	if file == "" {
		return r, commit, nil, &fs.PathError{Op: op, Path: store.URL(name), Err: store.ErrIsDir}
	}
	s.mu.Lock()
	e = s.known[r.at(commit, file)]
	s.mu.Unlock()
	if e != nil {
		return r, commit, e, nil
	}
	dir := path.Dir(file)
	if dir == "." {
		dir = ""
	}
	err = s.tree(ctx, op, name, r, commit, dir, false, func(one *entry) {
		if one.Path == file {
			e = one
		}
	})
	switch {
	case err != nil:
	case e == nil:
		err = &fs.PathError{Op: op, Path: store.URL(name), Err: fs.ErrNotExist}
	case e.Type != "file":
		err = &fs.PathError{Op: op, Path: store.URL(name), Err: store.ErrIsDir}
	}
	return r, commit, e, err
}

// Stat describes name.
func (s *Store) Stat(ctx context.Context, name string) (store.Info, error) {
	_, commit, e, err := s.find(ctx, "stat", name)
	if err != nil {
		return store.Info{}, err
	}
	return e.info(name, commit), nil
}

// List returns the files below dir.
func (s *Store) List(ctx context.Context, dir string) ([]store.Info, error) {
	r, folder, err := split("list", dir)
	if err != nil {
		return nil, err
	}
	commit, err := s.commit(ctx, "list", dir, r)
	if err != nil {
		return nil, err
	}
	root, prefix := strings.TrimRight(dir, "/")+"/", folder+"/"
	if folder == "" {
		prefix = ""
	}
	var infos []store.Info
	err = s.tree(ctx, "list", dir, r, commit, folder, true, func(e *entry) {
		if rel, below := strings.CutPrefix(e.Path, prefix); below && e.Type == "file" {
			infos = append(infos, e.info(root+rel, commit))
		}
	})
	slices.SortFunc(infos, func(a, b store.Info) int { return cmp.Compare(a.Name, b.Name) })
	return infos, err
}

// object is a ranged.Object: a file at a commit does not change.
type object struct {
	s       *Store
	name    string
	address string
	size    int64
	version string
}

// Get implements ranged.Object.
func (o *object) Get(ctx context.Context, from, to int64, _ string) (ranged.Answer, error) {
	if from >= o.size {
		return ranged.Answer{}, nil
	}
	if to < 0 {
		to = o.size
	}
	// Always with a range, so that there is one kind of answer.
	res, err := o.s.do(ctx, o.address, http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", from, to-1)}})
	if err != nil {
		return ranged.Answer{}, err
	}
	var first, last, size int64
	n, _ := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size)
	switch {
	case res.StatusCode == http.StatusOK && from == 0: // the whole file
		size = res.ContentLength
	case n != 3 || first != from:
		res.Body.Close()
		return ranged.Answer{}, fmt.Errorf("asked for the bytes from %d on, the server answers with the range %q", from, res.Header.Get("Content-Range"))
	}
	if size != o.size {
		res.Body.Close()
		return ranged.Answer{}, fmt.Errorf("the file has %d bytes there, and %d by the repository's tree", size, o.size)
	}
	return ranged.Answer{Body: res.Body, Size: size, Version: o.version}, nil
}

// Changed implements ranged.Object.
func (o *object) Changed(context.Context, string, error) bool { return false }

// Next implements ranged.Object.
func (o *object) Next(ctx context.Context, op string, n int, err error) error {
	return o.s.next(ctx, op, o.name, n, err)
}

func (s *Store) object(ctx context.Context, name string) (*object, error) {
	r, commit, e, err := s.find(ctx, "open", name)
	if err != nil {
		return nil, err
	}
	i := e.info(name, commit)
	address := s.o.Endpoint + "/"
	if r.kind == "datasets" {
		address += "datasets/"
	}
	return &object{s, name, address + r.id + "/resolve/" + commit + "/" + escaped(e.Path), i.Size, i.Version}, nil
}

// Open reads name from offset on.
func (s *Store) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	o, err := s.object(ctx, name)
	if err != nil {
		return nil, err
	}
	r, err := ranged.Open(ctx, o, name, offset, s.o.Idle)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// OpenAt opens name for reading at any place.
func (s *Store) OpenAt(ctx context.Context, name string) (store.ReaderAt, int64, error) {
	o, err := s.object(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return ranged.OpenAt(context.WithoutCancel(ctx), o, name, o.size, o.version, s.o.Idle), o.size, nil
}

// refuse is the answer to whoever would write.
func refuse(op, name string) error {
	return &fs.PathError{Op: op, Path: store.URL(name), Err: errors.New("the Hub is read only here; write to a disk or a bucket, and upload with its own tools")}
}

// Create refuses.
func (s *Store) Create(_ context.Context, name string) (store.Writer, error) {
	return nil, refuse("create", name)
}

// Remove refuses.
func (s *Store) Remove(_ context.Context, name string) error { return refuse("remove", name) }

// OpenLog refuses.
func (s *Store) OpenLog(_ context.Context, name string) (store.Log, error) {
	return nil, refuse("open", name)
}

// Sweep has nothing to do.
func (s *Store) Sweep(context.Context, string) error { return nil }

// Scratch is the store itself.
func (s *Store) Scratch() store.Store { return s }
