// Package s3 is a store.Store on buckets of Amazon S3 and of whatever speaks its protocol: MinIO, Ceph, R2, Google Cloud
// Storage's XML API.
//
// An object appears whole, by one PUT or by the end of a multipart upload, so Commit needs no rename. Nothing here uses a
// conditional write, which some servers accept and do not apply, and nothing is derived from a listing but the names
// that List is asked for. Two writers of one name are harmless if they write the same bytes: the last one stays.
//
// Each request is tried several times (retry.go says which). A reader (read.go) goes on inside the object after a connection
// broke, and only in the object that it began with, by its ETag. Files and logs are written as package objects has it
// (write.go). Where keys and endpoint come from is in environment.go. Requests, signatures and credentials are
// github.com/minio/minio-go's; its own retries are switched off. Google Cloud Storage takes access tokens in place of
// signatures, too (package requests), and google.go has what else differs.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"curate/corpus/store"
	"curate/corpus/store/objects"
	"curate/corpus/store/requests"
)

// Options say where the buckets are and who asks. The zero value is Amazon S3 with the credentials of this machine.
type Options struct {
	Scheme   string // of the names, "" is "s3"
	Endpoint string // URL of the server; "" is Amazon's
	Region   string // "" is asked for, bucket by bucket
	// AccessKey, SecretKey and SessionToken sign the requests. Without AccessKey that is done by the first of: the variables
	// AWS_ACCESS_KEY_ID and so on, the shared files of AWS (AWS_PROFILE), the role of the container or of the machine.
	AccessKey, SecretKey, SessionToken string
	// Anonymous requests are not signed.
	Anonymous bool
	// Tokens, if not nil, are put on the requests in place of a signature.
	Tokens requests.Tokens
	// NoMetadata leaves the machine's metadata service alone.
	NoMetadata bool

	// PartSize is how much of a file is sent at once, in bytes; at least 5 MiB for Amazon, 8 MiB by default. A file has at
	// most 10,000 parts. An open writer holds two parts.
	PartSize int
	// Attempts is how often a request is tried before its error is one, by default 16. Between them lies a random time up
	// to Pause, by default 50 ms, doubled each time up to a hundred times that: half a minute in all, 20 s of them on average.
	Attempts int
	Pause    time.Duration
	// Idle is how long a body may bring nothing before it is asked for anew, by default a minute.
	Idle time.Duration
	// Transport does the requests; nil is one like http.DefaultTransport.
	Transport http.RoundTripper
}

// The limits of a multipart upload, https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
const (
	maxParts        = 10_000
	defaultPartSize = store.PartSize
)

// Store is the buckets of one endpoint.
type Store struct {
	o      Options
	core   *minio.Core
	bearer *requests.Bearer // nil where requests are signed
	policy requests.Policy
	parts  *objects.Parts
}

var _ store.Store = (*Store)(nil)

// New returns the store of an endpoint. Nothing is asked of the server yet.
func New(o Options) (*Store, error) {
	o.Scheme = cmp.Or(o.Scheme, "s3")
	o.PartSize = cmp.Or(o.PartSize, defaultPartSize)
	o.Attempts = cmp.Or(o.Attempts, 16)
	o.Pause = cmp.Or(o.Pause, 50*time.Millisecond)
	o.Idle = cmp.Or(o.Idle, time.Minute)
	o.Endpoint = cmp.Or(o.Endpoint, "https://s3.amazonaws.com")
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("endpoint %q of %s://: give a URL such as https://storage.example.org, without a path", o.Endpoint, o.Scheme)
	}
	transport := o.Transport
	if transport == nil {
		t, err := minio.DefaultTransport(u.Scheme == "https")
		if err != nil {
			return nil, err
		}
		// As many as lanes and writers may have at once; a connection that is not kept costs a handshake a request.
		t.MaxIdleConnsPerHost = 64
		transport = t
	}
	if o.Scheme == "gs" {
		transport = asStored{transport}
	}
	var tokens *requests.Bearer
	if o.Tokens != nil {
		tokens = requests.NewBearer(transport, o.Tokens, u)
		transport = tokens
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: o.credentials(), Secure: u.Scheme == "https", Region: o.Region, Transport: transport, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint %q of %s://: %w", o.Endpoint, o.Scheme, err)
	}
	core.SetAppInfo("curate", "1")
	s := &Store{o: o, core: core, bearer: tokens, parts: objects.NewParts(o.PartSize, maxParts)}
	s.policy = requests.Policy{Attempts: o.Attempts, Pause: o.Pause, Judge: s.judge}
	return s, nil
}

// credentials are those of the options, or the first that this machine has.
func (o *Options) credentials() *credentials.Credentials {
	switch {
	case o.Anonymous, o.Tokens != nil:
		return credentials.NewStatic("", "", "", credentials.SignatureAnonymous)
	case o.AccessKey != "":
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken)
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if !o.NoMetadata {
		// Short: who is on no such machine has to wait for this once.
		chain = append(chain, &credentials.IAM{Client: &http.Client{Timeout: 5 * time.Second}})
	}
	return credentials.NewChainCredentials(chain)
}

// Endpoint is the server's URL.
func (s *Store) Endpoint() string { return s.o.Endpoint }

// split takes a name apart; a key ends in no slash.
func (s *Store) split(op, name string) (bucket, key string, err error) {
	scheme, rest, ok := store.SplitURL(name)
	if !ok || scheme != s.o.Scheme {
		return "", "", &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("is no name of a bucket: write %s://BUCKET/KEY", s.o.Scheme)}
	}
	bucket, key, _ = strings.Cut(rest, "/")
	if bucket == "" {
		return "", "", &fs.PathError{Op: op, Path: store.URL(name), Err: fmt.Errorf("has no bucket: write %s://BUCKET/KEY", s.o.Scheme)}
	}
	return bucket, strings.Trim(key, "/"), nil
}

// object is split for what cannot be a folder.
func (s *Store) object(op, name string) (bucket, key string, err error) {
	bucket, key, err = s.split(op, name)
	if err == nil && (key == "" || strings.HasSuffix(name, "/")) {
		err = &fs.PathError{Op: op, Path: store.URL(name), Err: store.ErrIsDir}
	}
	return bucket, key, err
}

// Scratch is the store itself: an object that the server has taken is durable.
func (s *Store) Scratch() store.Store { return s }

// Stat describes name. What is no object, and has some below it, is a folder.
func (s *Store) Stat(ctx context.Context, name string) (store.Info, error) {
	bucket, key, err := s.split("stat", name)
	if err != nil {
		return store.Info{}, err
	}
	var info minio.ObjectInfo
	err = fs.ErrNotExist // of the bucket itself
	if key != "" {
		err = s.try(ctx, "stat", name, func(ctx context.Context) (err error) {
			info, err = s.core.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
			return err
		})
	}
	if errors.Is(err, fs.ErrNotExist) {
		return store.Info{}, s.absent(ctx, "stat", name, bucket, key, err)
	}
	if err != nil {
		return store.Info{}, err
	}
	return store.Info{Name: name, Size: info.Size, ModTime: info.LastModified, Version: info.ETag}, nil
}

// absent says what a name that is no object is: a folder, if there are objects below it.
func (s *Store) absent(ctx context.Context, op, name, bucket, key string, err error) error {
	some := false
	listing := s.try(ctx, op, name, func(ctx context.Context) error {
		page, stop := context.WithCancel(ctx)
		defer stop()
		for o := range s.core.ListObjectsIter(page, bucket, minio.ListObjectsOptions{Prefix: prefixOf(key), Recursive: true, MaxKeys: 1}) {
			some = o.Err == nil
			return o.Err
		}
		return nil
	})
	switch {
	case some:
		return &fs.PathError{Op: op, Path: store.URL(name), Err: store.ErrIsDir}
	case listing == nil, key != "" && errors.Is(listing, fs.ErrPermission):
		// Who may not list can still read and write what they name.
		if err == fs.ErrNotExist {
			err = &fs.PathError{Op: op, Path: store.URL(name), Err: fs.ErrNotExist}
		}
		return err
	}
	return listing
}

func prefixOf(key string) string {
	if key == "" {
		return ""
	}
	return key + "/"
}

// List returns the objects below dir. Names that end in a slash, by which some programs mark folders, are none.
func (s *Store) List(ctx context.Context, dir string) ([]store.Info, error) {
	bucket, key, err := s.split("list", dir)
	if err != nil {
		return nil, err
	}
	prefix := prefixOf(key)
	root := strings.TrimRight(dir, "/") + "/"
	var infos []store.Info
	after := ""
	for a := s.policy.Begin("list", dir); ; {
		err := func() error {
			page, stop := context.WithCancel(ctx)
			defer stop()
			for o := range s.core.ListObjectsIter(page, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, StartAfter: after}) {
				if o.Err != nil {
					return o.Err
				}
				after = o.Key // the next attempt begins behind it
				a.Reset()
				if rel := strings.TrimPrefix(o.Key, prefix); rel != "" && !strings.HasSuffix(rel, "/") {
					infos = append(infos, store.Info{Name: root + rel, Size: o.Size, ModTime: o.LastModified, Version: strings.Trim(o.ETag, `"`)})
				}
			}
			return ctx.Err()
		}()
		if err == nil {
			break
		}
		if err := a.Next(ctx, err); err != nil {
			return nil, err
		}
	}
	if after == "" {
		return nil, &fs.PathError{Op: "list", Path: store.URL(dir), Err: fs.ErrNotExist}
	}
	slices.SortFunc(infos, func(a, b store.Info) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

// Remove deletes name.
func (s *Store) Remove(ctx context.Context, name string) error {
	bucket, key, err := s.object("remove", name)
	if err != nil {
		return err
	}
	err = s.try(ctx, "remove", name, func(ctx context.Context) error {
		return s.core.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// abandoned is how old an upload is that Sweep takes for one whose process was killed: longer than a file takes, since
// another attempt at the same work may be at it.
const abandoned = 24 * time.Hour

// Sweep aborts uploads below dir that were begun a day ago or earlier. Parts of younger ones cost storage until a later run's
// Sweep or a lifecycle rule of the bucket removes them. Who may not see uploads leaves them to the rule.
func (s *Store) Sweep(ctx context.Context, dir string) error {
	bucket, key, err := s.split("sweep", dir)
	if err != nil {
		return err
	}
	var old []minio.ObjectMultipartInfo
	keyMarker, idMarker := "", ""
	for more := true; more && err == nil; {
		err = s.try(ctx, "sweep", dir, func(ctx context.Context) error {
			page, err := s.core.ListMultipartUploads(ctx, bucket, prefixOf(key), keyMarker, idMarker, "", 0)
			if err != nil {
				return err
			}
			for _, u := range page.Uploads {
				if time.Since(u.Initiated) > abandoned {
					old = append(old, u)
				}
			}
			more = page.IsTruncated && (page.NextKeyMarker != keyMarker || page.NextUploadIDMarker != idMarker)
			keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
			return nil
		})
	}
	for _, u := range old {
		if err == nil {
			err = s.abort(ctx, dir, bucket, u.Key, u.UploadID)
		}
	}
	if status := requests.StatusOf(err); errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) ||
		status == http.StatusNotImplemented || status == http.StatusBadRequest || status == http.StatusMethodNotAllowed {
		return nil
	}
	return err
}
