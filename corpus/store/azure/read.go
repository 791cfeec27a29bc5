//go:build azure

package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"curate/corpus/store"
	"curate/corpus/store/ranged"
)

// Get implements ranged.Object.
func (p *place) Get(ctx context.Context, from, to int64, etag string) (ranged.Answer, error) {
	o := &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: from}}
	if to >= 0 {
		o.Range.Count = to - from
	}
	if etag != "" {
		match := azcore.ETag(`"` + etag + `"`)
		o.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &match}}
	}
	got, err := p.blob().DownloadStream(ctx, o)
	if err != nil {
		if statusIn(err) == http.StatusRequestedRangeNotSatisfiable {
			return ranged.Answer{}, nil
		}
		return ranged.Answer{}, err
	}
	a := ranged.Answer{Body: got.Body, Size: -1, Version: version(got.ETag)}
	if isFolder(got.Metadata) {
		got.Body.Close()
		return ranged.Answer{}, errFolder
	}
	if from == 0 && to < 0 {
		if got.ContentLength != nil {
			a.Size = *got.ContentLength
		}
		return a, nil
	}
	var first, last int64
	if n, _ := fmt.Sscanf(value(got.ContentRange), "bytes %d-%d/%d", &first, &last, &a.Size); n != 3 || first != from {
		got.Body.Close()
		return ranged.Answer{}, fmt.Errorf("asked for the bytes from %d on, the server answers with the range %q; a store must know ranges", from, value(got.ContentRange))
	}
	return a, nil
}

// errFolder is that a blob stands for a folder.
var errFolder = errors.New("stands for a folder")

// Changed implements ranged.Object: a server under load says 412 and 404 for other reasons, too, and what the blob is now says
// its own answer.
func (p *place) Changed(ctx context.Context, etag string, err error) bool {
	if status := statusIn(err); status != http.StatusPreconditionFailed && status != http.StatusNotFound {
		return false
	}
	info, err := p.blob().GetProperties(ctx, nil)
	if err == nil {
		return version(info.ETag) != etag
	}
	return statusIn(err) == http.StatusNotFound
}

// Next implements ranged.Object.
func (p *place) Next(ctx context.Context, op string, n int, err error) error {
	if err == errFolder {
		return &fs.PathError{Op: op, Path: store.URL(p.name), Err: store.ErrIsDir}
	}
	return p.policy.Next(ctx, op, p.name, n, err)
}

// Open reads name from offset on.
func (s *Store) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p, err := s.split("open", name)
	if err != nil {
		return nil, err
	}
	if p.key == "" {
		return nil, p.absent(ctx, "open", fs.ErrNotExist)
	}
	r, err := ranged.Open(ctx, p, name, offset, s.o.Idle)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, p.absent(ctx, "open", err)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// OpenAt opens name for reading at any place.
func (s *Store) OpenAt(ctx context.Context, name string) (store.ReaderAt, int64, error) {
	p, err := s.split("open", name)
	if err != nil {
		return nil, 0, err
	}
	info, err := s.Stat(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return ranged.OpenAt(context.WithoutCancel(ctx), p, name, info.Size, info.Version, s.o.Idle), info.Size, nil
}
