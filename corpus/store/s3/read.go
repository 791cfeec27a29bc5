package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/minio/minio-go/v7"

	"curate/corpus/store"
	"curate/corpus/store/ranged"
)

// object is a ranged.Object.
type object struct {
	s                 *Store
	name, bucket, key string
}

// Get implements ranged.Object.
func (b *object) Get(ctx context.Context, from, to int64, etag string) (ranged.Answer, error) {
	var o minio.GetObjectOptions
	isRange := from > 0 || to >= 0
	switch {
	case to >= 0:
		o.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
	case isRange:
		o.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	if etag != "" {
		o.Set("If-Match", `"`+etag+`"`)
	}
	body, info, header, err := b.s.core.GetObject(ctx, b.bucket, b.key, o)
	if err != nil {
		if statusIn(err) == http.StatusRequestedRangeNotSatisfiable {
			return ranged.Answer{}, nil
		}
		return ranged.Answer{}, err
	}
	a := ranged.Answer{Body: body, Size: info.Size, Version: info.ETag}
	if isRange {
		var first, last int64
		if n, _ := fmt.Sscanf(header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &a.Size); n != 3 || first != from {
			body.Close()
			return ranged.Answer{}, fmt.Errorf("asked for the bytes from %d on, the server answers with the range %q; a store must know ranges", from, header.Get("Content-Range"))
		}
	}
	return a, nil
}

// Changed implements ranged.Object: a server under load says 412 and 404 for other reasons, too, and what the object is now
// says its own answer.
func (b *object) Changed(ctx context.Context, etag string, err error) bool {
	if status := statusIn(err); status != http.StatusPreconditionFailed && status != http.StatusNotFound {
		return false
	}
	info, err := b.s.core.StatObject(ctx, b.bucket, b.key, minio.StatObjectOptions{})
	if err == nil {
		return info.ETag != etag
	}
	return statusIn(err) == http.StatusNotFound
}

// Next implements ranged.Object.
func (b *object) Next(ctx context.Context, op string, n int, err error) error {
	return b.s.policy.Next(ctx, op, b.name, n, err)
}

// statusIn is the status of an answer that the library made an error of, 0 without one.
func statusIn(err error) int {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// Open reads name from offset on.
func (s *Store) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	bucket, key, err := s.split("open", name)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, s.absent(ctx, "open", name, bucket, key, fs.ErrNotExist)
	}
	r, err := ranged.Open(ctx, &object{s, name, bucket, key}, name, offset, s.o.Idle)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.absent(ctx, "open", name, bucket, key, err)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// OpenAt opens name for reading at any place.
func (s *Store) OpenAt(ctx context.Context, name string) (store.ReaderAt, int64, error) {
	bucket, key, err := s.split("open", name)
	if err != nil {
		return nil, 0, err
	}
	info, err := s.Stat(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return ranged.OpenAt(context.WithoutCancel(ctx), &object{s, name, bucket, key}, name, info.Size, info.Version, s.o.Idle), info.Size, nil
}
