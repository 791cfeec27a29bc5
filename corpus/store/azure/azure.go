//go:build azure

// Package azure is a store.Store on containers of Azure Blob Storage and Data Lake Storage:
//
//	az://CONTAINER/PATH                                        of the account that the environment names
//	abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH        of that account
//
// Both are names that others write, so that a path may be copied: the first is adlfs', DuckDB's and Polars', the second is that of
// Hadoop and Spark and of Azure's own pages
// (https://learn.microsoft.com/azure/storage/blobs/data-lake-storage-introduction-abfs-uri). abfs:// is the same as abfss://, which
// says that the connection is encrypted; it always is. After the container any of them may have @ACCOUNT.HOST, with dfs or blob in
// the host; what is asked is the Blob service in any case.
//
// A blob appears whole, by one Put Blob or by the list of its blocks, so Commit needs no rename, and as in package s3 nothing uses a
// condition or a listing. A block's name is made of its number and MD5, so that two writers of the same bytes share
// blocks: whoever commits last finds them in the blob that the other has made. There is nothing to abort: blocks that are in no
// blob are gone after a week.
//
// Requests and signatures are azblob's, tokens azidentity's (credentials.go); their retries are switched off. What is tried again is
// in judge.go.
package azure

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
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"curate/corpus/store"
	"curate/corpus/store/objects"
	"curate/corpus/store/requests"
)

// Options say which account is meant and who asks.
type Options struct {
	Account  string // of names without one
	Endpoint string // URL of its Blob service; "" is that of Azure's public cloud
	// The first that is there says who asks: Key is the account's, in base64; SAS a shared access signature, as the query of a
	// URL; Anonymous asks as nobody in particular; Tokens are access tokens. The first two are Account's alone.
	Key, SAS  string
	Anonymous bool
	Tokens    requests.Tokens

	// PartSize is how much of a file is sent at once, in bytes, 8 MiB by default; a file has at most 50,000 parts.
	PartSize int
	// Attempts, Pause and Idle are those of package s3: 16, 50 ms and a minute by default.
	Attempts int
	Pause    time.Duration
	Idle     time.Duration
}

// maxBlocks is how many blocks a blob may have
// (https://learn.microsoft.com/azure/storage/blobs/scalability-targets).
const maxBlocks = 50_000

// Store is the containers of any number of accounts.
type Store struct {
	o         Options
	parts     *objects.Parts
	transport http.RoundTripper

	mu       sync.Mutex
	accounts map[string]*account // by endpoint
}

// account is the containers of one.
type account struct {
	endpoint string
	client   *service.Client
	bearer   *requests.Bearer // nil without tokens
	policy   requests.Policy
}

var _ store.Store = (*Store)(nil)

// New returns the store. Nothing is asked of a server yet.
func New(o Options) (*Store, error) {
	o.PartSize = cmp.Or(o.PartSize, store.PartSize)
	o.Attempts = cmp.Or(o.Attempts, 16)
	o.Pause = cmp.Or(o.Pause, 50*time.Millisecond)
	o.Idle = cmp.Or(o.Idle, time.Minute)
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true // blobs come as they are stored
	t.MaxIdleConnsPerHost = 64  // as many as lanes and writers may have at once
	s := &Store{o: o, parts: objects.NewParts(o.PartSize, maxBlocks), transport: t, accounts: map[string]*account{}}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" {
			return nil, fmt.Errorf("endpoint %q of az://: give the URL of a Blob service, such as https://ACCOUNT.blob.core.windows.net", o.Endpoint)
		}
	}
	if o.Endpoint != "" || o.Account != "" {
		if _, err := s.account(s.home()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// domains are those of Azure's clouds, in which accounts are, and of OneLake: what a name leads to elsewhere gets no token
// (https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-endpoints).
var domains = []string{"core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net", "fabric.microsoft.com"}

// home is the endpoint of the account that the options name.
func (s *Store) home() string {
	return strings.TrimRight(cmp.Or(s.o.Endpoint, "https://"+s.o.Account+".blob.core.windows.net"), "/")
}

// account is the client of an endpoint.
func (s *Store) account(endpoint string) (*account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.accounts[endpoint]; a != nil {
		return a, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	a := &account{endpoint: endpoint}
	a.policy = requests.Policy{Attempts: s.o.Attempts, Pause: s.o.Pause, Judge: a.judge}
	transport := s.transport
	if s.o.Key == "" && s.o.SAS == "" && !s.o.Anonymous && s.o.Tokens != nil {
		a.bearer = requests.NewBearer(transport, s.o.Tokens, u)
		transport = a.bearer
	}
	options := &service.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Retry:     policy.RetryOptions{MaxRetries: -1},
			Telemetry: policy.TelemetryOptions{ApplicationID: "curate"},
			Transport: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		},
		ExpectContinueBehavior: blob.ExpectContinueOptions{Mode: blob.ExpectContinueModeOff},
	}
	switch {
	case s.o.Key != "":
		key, err := service.NewSharedKeyCredential(s.o.Account, s.o.Key)
		if err != nil {
			return nil, fmt.Errorf("the key of the account %s is none: %w", s.o.Account, err)
		}
		a.client, err = service.NewClientWithSharedKeyCredential(endpoint, key, options)
		if err != nil {
			return nil, err
		}
	default:
		where := endpoint
		if s.o.SAS != "" {
			where += "/?" + s.o.SAS
		}
		a.client, err = service.NewClientWithNoCredential(where, options)
		if err != nil {
			return nil, err
		}
	}
	s.accounts[endpoint] = a
	return a, nil
}

// place is where a name leads.
type place struct {
	*account
	name      string // as the user wrote it
	container string
	key       string // of the blob or of the folder; "" is the container itself. It ends in no slash
}

// split takes a name apart.
func (s *Store) split(op, name string) (*place, error) {
	fail := func(err error) (*place, error) {
		return nil, &fs.PathError{Op: op, Path: store.URL(name), Err: err}
	}
	scheme, rest, ok := store.SplitURL(name)
	if !ok || scheme != "az" && scheme != "abfs" && scheme != "abfss" {
		return fail(errors.New("is no name of a container: write az://CONTAINER/PATH"))
	}
	p := &place{name: name}
	p.container, p.key, _ = strings.Cut(rest, "/")
	p.key = strings.Trim(p.key, "/")
	var host string
	p.container, host, ok = strings.Cut(p.container, "@")
	if p.container == "" {
		return fail(errors.New("has no container: write az://CONTAINER/PATH"))
	}
	endpoint := s.home()
	switch {
	case !ok && s.o.Account == "" && s.o.Endpoint == "":
		return fail(fmt.Errorf("whose container? Set AZURE_STORAGE_ACCOUNT, or write abfss://%s@ACCOUNT.dfs.core.windows.net/PATH", p.container))
	case ok:
		name, domain, _ := strings.Cut(host, ".")
		kind, domain, _ := strings.Cut(domain, ".")
		if name == "" || domain == "" || kind != "dfs" && kind != "blob" {
			return fail(fmt.Errorf("%q is no account: write CONTAINER@ACCOUNT.dfs.core.windows.net", host))
		}
		if name == s.o.Account {
			break
		}
		if s.o.Key != "" || s.o.SAS != "" {
			return fail(fmt.Errorf("the key or signature in the environment is the account %s's; ask for %s with another environment, or with an identity that both know", s.o.Account, name))
		}
		if s.o.Tokens != nil && !slices.Contains(domains, domain) {
			return fail(fmt.Errorf("no access token is sent to %s, which is none of Azure's domains; if it is yours, name it in AZURE_STORAGE_SERVICE_ENDPOINT, and its account in AZURE_STORAGE_ACCOUNT", host))
		}
		endpoint = "https://" + name + ".blob." + domain
	}
	var err error
	if p.account, err = s.account(endpoint); err != nil {
		return fail(err)
	}
	return p, nil
}

// object is split for what cannot be a folder.
func (s *Store) object(op, name string) (*place, error) {
	p, err := s.split(op, name)
	if err == nil && (p.key == "" || strings.HasSuffix(name, "/")) {
		err = &fs.PathError{Op: op, Path: store.URL(name), Err: store.ErrIsDir}
	}
	return p, err
}

func (p *place) blob() *blockblob.Client {
	return p.client.NewContainerClient(p.container).NewBlockBlobClient(p.key)
}

// try does a request until it succeeds or cannot.
func (p *place) try(ctx context.Context, op string, request func(ctx context.Context) error) error {
	return p.policy.Do(ctx, op, p.name, request)
}

// Scratch is the store itself: a blob that the server has taken is durable.
func (s *Store) Scratch() store.Store { return s }

// isFolder says whether a blob stands for a folder: accounts with a hierarchical namespace have such, and other programs
// make them (https://learn.microsoft.com/azure/storage/blobs/data-lake-storage-namespace).
func isFolder(metadata map[string]*string) bool {
	for k, v := range metadata {
		if strings.EqualFold(k, "hdi_isfolder") && v != nil && *v == "true" {
			return true
		}
	}
	return false
}

// Stat describes name. What is no blob, and has some below it, is a folder.
func (s *Store) Stat(ctx context.Context, name string) (store.Info, error) {
	p, err := s.split("stat", name)
	if err != nil {
		return store.Info{}, err
	}
	var info blob.GetPropertiesResponse
	err = fs.ErrNotExist // of the container itself
	if p.key != "" {
		err = p.try(ctx, "stat", func(ctx context.Context) (err error) {
			info, err = p.blob().GetProperties(ctx, nil)
			return err
		})
	}
	if errors.Is(err, fs.ErrNotExist) {
		return store.Info{}, p.absent(ctx, "stat", err)
	}
	if err != nil {
		return store.Info{}, err
	}
	if isFolder(info.Metadata) {
		return store.Info{}, &fs.PathError{Op: "stat", Path: store.URL(name), Err: store.ErrIsDir}
	}
	return store.Info{Name: name, Size: value(info.ContentLength), ModTime: value(info.LastModified), Version: version(info.ETag)}, nil
}

// value is what a pointer of the library points to.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// version is an ETag without its quotes.
func version(e *azcore.ETag) string { return strings.Trim(string(value(e)), `"`) }

// absent says what a name that is no blob is: a folder, if there are blobs below it.
func (p *place) absent(ctx context.Context, op string, err error) error {
	some := false
	listing := p.try(ctx, op, func(ctx context.Context) error {
		prefix, one := p.prefix(), int32(1)
		// A page may be empty and another follow.
		for pages := p.client.NewContainerClient(p.container).NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix, MaxResults: &one}); pages.More() && !some; {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			some = page.Segment != nil && len(page.Segment.BlobItems) > 0
		}
		return nil
	})
	switch {
	case some:
		return &fs.PathError{Op: op, Path: store.URL(p.name), Err: store.ErrIsDir}
	case listing == nil, p.key != "" && errors.Is(listing, fs.ErrPermission):
		// Who may not list can still read and write what they name.
		if err == fs.ErrNotExist {
			err = &fs.PathError{Op: op, Path: store.URL(p.name), Err: fs.ErrNotExist}
		}
		return err
	}
	return listing
}

// prefix is how names of what is below the folder begin.
func (p *place) prefix() string {
	if p.key == "" {
		return ""
	}
	return p.key + "/"
}

// List returns the blobs below dir, without those that stand for folders.
func (s *Store) List(ctx context.Context, dir string) ([]store.Info, error) {
	p, err := s.split("list", dir)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	prefix := p.prefix()
	root := strings.TrimRight(dir, "/") + "/"
	var infos []store.Info
	some := false
	o := container.ListBlobsFlatOptions{Prefix: &prefix, Include: container.ListBlobsInclude{Metadata: true}}
	for a, more := p.policy.Begin("list", dir), true; more; {
		// A pager that has failed once says that there is nothing more, so each page has its own.
		page, err := p.client.NewContainerClient(p.container).NewListBlobsFlatPager(&o).NextPage(ctx)
		if err != nil {
			if err := a.Next(ctx, err); err != nil {
				return nil, err
			}
			continue
		}
		o.Marker = page.NextMarker
		more = value(page.NextMarker) != ""
		a.Reset()
		if page.Segment == nil {
			continue
		}
		for _, b := range page.Segment.BlobItems {
			some = true
			rel := strings.TrimPrefix(value(b.Name), prefix)
			if rel == "" || strings.HasSuffix(rel, "/") || b.Properties == nil || isFolder(b.Metadata) || value(b.Properties.ResourceType) == "directory" {
				continue
			}
			infos = append(infos, store.Info{Name: root + rel, Size: value(b.Properties.ContentLength), ModTime: value(b.Properties.LastModified), Version: version(b.Properties.ETag)})
		}
	}
	if !some {
		return nil, &fs.PathError{Op: "list", Path: store.URL(dir), Err: fs.ErrNotExist}
	}
	slices.SortFunc(infos, func(a, b store.Info) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

// Remove deletes name.
func (s *Store) Remove(ctx context.Context, name string) error {
	p, err := s.object("remove", name)
	if err != nil {
		return err
	}
	err = p.try(ctx, "remove", func(ctx context.Context) error {
		_, err := p.blob().Delete(ctx, nil)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Sweep has nothing to do: the service removes blocks that are in no blob after a week
// (https://learn.microsoft.com/rest/api/storageservices/put-block#remarks).
func (s *Store) Sweep(ctx context.Context, dir string) error {
	_, err := s.split("sweep", dir)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}
