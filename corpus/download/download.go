// Package download brings files of the net onto this machine, once: a model that a rule asks for. What is brought has
// the digest that was asked for, or is not used.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// CacheVariable names the folder that files are kept in; without it that is "curate" in the user's folder for caches.
const CacheVariable = "CURATE_CACHE"

const (
	attempts = 3
	idle     = time.Minute     // without a byte, after which a connection is given up
	again    = 2 * time.Second // before the second attempt, doubled before the third
)

// Files opens files by path, and by URL those with a digest. The zero value is ready for use.
type Files struct {
	// Cache is the folder that files are kept in, by their digests; "" is the one of CacheVariable.
	Cache string
	// Log takes a line about each file that is brought; it may be nil.
	Log func(line string)
	// client and pause are for tests.
	client *http.Client
	pause  time.Duration
}

// IsURL says whether a name is a URL that Open would bring.
func IsURL(name string) bool {
	return strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://")
}

// Split takes the digest off a URL: "https://…/model.bin#sha256=HEX" or "#sha256:HEX". Without one digest is "".
func Split(name string) (address, digest string) {
	address, fragment, _ := strings.Cut(name, "#")
	for _, prefix := range []string{"sha256=", "sha256:"} {
		if d, ok := strings.CutPrefix(fragment, prefix); ok {
			return address, "sha256:" + strings.ToLower(d)
		}
	}
	return address, ""
}

// CheckDigest is the error of a text that is no "sha256:" and 64 hexadecimal digits.
func CheckDigest(digest string) error {
	h, ok := strings.CutPrefix(digest, "sha256:")
	if _, err := hex.DecodeString(h); !ok || err != nil || len(h) != 2*sha256.Size {
		return fmt.Errorf("digest %q: give sha256: and 64 hexadecimal digits, as sha256sum prints them", digest)
	}
	return nil
}

// Open opens a file by its path, or by a URL that ends in "#sha256=HEX": the copy that is kept, or else one that is
// brought now. Such a copy has had its digest when it came, and may have changed since: its last Read, or Close, which reads
// what is left, is an error if it has another one. So nothing that was read counts before Close has said nil.
func (f *Files) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if !IsURL(name) {
		file, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: no such file", name)
		}
		return file, err
	}
	address, digest := Split(name)
	if digest == "" {
		return nil, fmt.Errorf("%s: a file of the net needs its digest: sha256: and what sha256sum says of the file that is meant", shown(address))
	}
	if err := CheckDigest(digest); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(address), err)
	}
	dir, err := f.folder()
	if err != nil {
		return nil, err
	}
	kept := filepath.Join(dir, strings.ReplaceAll(digest, ":", "-"))
	file, err := os.Open(kept)
	if err == nil {
		return &keptFile{File: file, digest: digest, h: sha256.New()}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for try := 1; ; try++ {
		err := f.bring(ctx, address, digest, kept)
		if err == nil {
			return os.Open(kept)
		}
		if lasting := new(lastingError); try == attempts || ctx.Err() != nil || errors.As(err, &lasting) {
			return nil, fmt.Errorf("%s: %w", shown(address), err)
		}
		if err := f.wait(ctx, try); err != nil {
			return nil, err
		}
	}
}

// keptFile computes its digest while it is read. It is an fs.File, for its size.
type keptFile struct {
	fs.File
	digest string // that it has to have
	h      hash.Hash
	err    error // of the end
}

func (k *keptFile) Read(p []byte) (int, error) {
	if k.err != nil {
		return 0, k.err
	}
	n, err := k.File.Read(p)
	k.h.Write(p[:n])
	if err == io.EOF {
		if got := "sha256:" + hex.EncodeToString(k.h.Sum(nil)); got != k.digest {
			name := ""
			if file, ok := k.File.(*os.File); ok {
				name = ", " + file.Name() + ","
			}
			err = fmt.Errorf("the copy that is kept%s has the digest %s, not %s: it has changed since it came; remove it", name, got, k.digest)
		}
	}
	k.err = err
	return n, err
}

func (k *keptFile) Close() error {
	_, err := io.Copy(io.Discard, struct{ io.Reader }{k})
	return errors.Join(err, k.File.Close())
}

func (f *Files) wait(ctx context.Context, try int) error {
	d := again
	if f.pause > 0 {
		d = f.pause
	}
	t := time.NewTimer(d << (try - 1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lastingError is one that another attempt would meet again.
type lastingError struct{ error }

func (e *lastingError) Unwrap() error { return e.error }

// bring writes the file into a temporary one beside its place, and moves it there when its digest is right.
func (f *Files) bring(ctx context.Context, address, digest, kept string) (err error) {
	dir := filepath.Dir(kept)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return &lastingError{err}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return &lastingError{err}
	}
	req.Header.Set("User-Agent", "curate")
	late := time.AfterFunc(idle, func() { cancel(fmt.Errorf("nothing came for %v", idle)) })
	defer late.Stop()
	client := f.client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return because(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		err := fmt.Errorf("the server says %s", res.Status)
		if res.StatusCode == http.StatusRequestTimeout || res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 {
			return err
		}
		return &lastingError{err}
	}
	if f.Log != nil {
		size := ""
		if res.ContentLength > 0 {
			size = fmt.Sprintf(" (%.1f MB)", float64(res.ContentLength)/1e6)
		}
		f.Log(fmt.Sprintf("%s is brought%s, and kept as %s", shown(address), size, kept))
	}
	tmp, err := os.CreateTemp(dir, ".coming-*")
	if err != nil {
		return &lastingError{err}
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, h), &alive{res.Body, late})
	if err != nil {
		if pathErr := new(fs.PathError); errors.As(err, &pathErr) {
			return &lastingError{err} // the disk
		}
		return because(ctx, err)
	}
	if res.ContentLength >= 0 && n != res.ContentLength {
		return fmt.Errorf("it broke off behind %d of %d bytes", n, res.ContentLength)
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != digest {
		return &lastingError{fmt.Errorf("its digest is %s, not %s: it is another file, or it has been changed; nothing of it is used", got, digest)}
	}
	if err = errors.Join(tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), kept)
	}
	if err != nil {
		return &lastingError{err}
	}
	return nil
}

// alive puts the end of patience off with each read.
type alive struct {
	r    io.Reader
	late *time.Timer
}

func (a *alive) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.late.Reset(idle)
	return n, err
}

// because says why the context ended, if it did.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (f *Files) folder() (string, error) {
	if f.Cache != "" {
		return f.Cache, nil
	}
	if dir := os.Getenv(CacheVariable); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder to keep files in; set %s: %w", CacheVariable, err)
	}
	return filepath.Join(dir, "curate"), nil
}

// shown is a URL for a message, without what may be secret.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the URL"
	}
	u.RawQuery, u.User = "", nil
	return u.String()
}
