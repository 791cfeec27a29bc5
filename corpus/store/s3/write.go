package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"time"

	"github.com/minio/minio-go/v7"

	"curate/corpus/store"
	"curate/corpus/store/objects"
	"curate/corpus/store/requests"
)

// slowest is the rate below which sending is given up and tried anew, in bytes a second, on top of Idle.
const slowest = 64 << 10

// Create begins the object name.
func (s *Store) Create(ctx context.Context, name string) (store.Writer, error) {
	u, err := s.upload(ctx, "create", name)
	if err != nil {
		return nil, err
	}
	return objects.Create(ctx, u, name, s.parts), nil
}

// OpenLog opens the log name.
func (s *Store) OpenLog(ctx context.Context, name string) (store.Log, error) {
	u, err := s.upload(ctx, "open", name)
	if err != nil {
		return nil, err
	}
	return objects.OpenLog(ctx, u, name)
}

// upload is an objects.Object.
type upload struct {
	s                 *Store
	name, bucket, key string

	id    string // of the multipart upload; "" before there is one
	parts []minio.CompletePart
	size  int64 // of the parts, and their CRC-32C
	crc   uint32
}

func (s *Store) upload(ctx context.Context, op, name string) (*upload, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	bucket, key, err := s.object(op, name)
	return &upload{s: s, name: name, bucket: bucket, key: key}, err
}

// Open implements objects.Object.
func (u *upload) Open(ctx context.Context) (io.ReadCloser, error) { return u.s.Open(ctx, u.name, 0) }

// Put implements objects.Object.
func (u *upload) Put(ctx context.Context, op string, b []byte) error {
	return u.s.try(ctx, op, u.name, func(ctx context.Context) error {
		ctx, cancel := u.s.patience(ctx, len(b))
		defer cancel()
		_, err := u.s.core.PutObject(ctx, u.bucket, u.key, bytes.NewReader(b), int64(len(b)), "", "", minio.PutObjectOptions{})
		return err
	})
}

// Part implements objects.Object.
func (u *upload) Part(ctx context.Context, number int, b []byte) error {
	if u.id == "" {
		err := u.s.try(ctx, "write", u.name, func(ctx context.Context) (err error) {
			u.id, err = u.s.core.NewMultipartUpload(ctx, u.bucket, u.key, minio.PutObjectOptions{})
			return err
		})
		if err != nil {
			return err
		}
	}
	u.size += int64(len(b))
	u.crc = crc32.Update(u.crc, castagnoli, b)
	return u.s.try(ctx, "write", u.name, func(ctx context.Context) error {
		ctx, cancel := u.s.patience(ctx, len(b))
		defer cancel()
		sent, err := u.s.core.PutObjectPart(ctx, u.bucket, u.key, u.id, number, bytes.NewReader(b), int64(len(b)), minio.PutObjectPartOptions{})
		if err == nil {
			u.parts = append(u.parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
		}
		return err
	})
}

// patience bounds one attempt at sending n bytes.
func (s *Store) patience(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.o.Idle+time.Duration(n)*time.Second/slowest)
}

// Complete implements objects.Object.
func (u *upload) Complete(ctx context.Context) error {
	tries := 0
	err := u.s.try(ctx, "write", u.name, func(ctx context.Context) error {
		tries++
		// Putting many parts together may take minutes, as Google's page on it says
		// (https://cloud.google.com/storage/docs/xml-api/post-object-complete).
		ctx, cancel := context.WithTimeout(ctx, 5*u.s.o.Idle)
		defer cancel()
		_, err := u.s.core.CompleteMultipartUpload(ctx, u.bucket, u.key, u.id, u.parts, minio.PutObjectOptions{})
		return err
	})
	if err != nil && tries > 1 && requests.CodeOf(err) == minio.NoSuchUpload && u.arrived(ctx) {
		return nil // an attempt before had succeeded, and its answer was lost
	}
	return err
}

// castagnoli is the polynomial of CRC-32C, which processors compute.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// arrived says whether the object is the one that these parts make: then its ETag is made of theirs, as Amazon S3 and those
// that follow it compute it. Google Cloud Storage does not, and says the CRC-32C of the whole in place of it
// (https://cloud.google.com/storage/docs/xml-api/post-object-complete). Where a key of the user's encrypts objects neither is
// there, and the command is to be repeated.
func (u *upload) arrived(ctx context.Context) bool {
	info, err := u.s.Stat(ctx, u.name)
	if err != nil || info.Size != u.size {
		return false
	}
	sum := md5.New()
	for _, p := range u.parts {
		b, err := hex.DecodeString(p.ETag)
		if err != nil {
			break
		}
		sum.Write(b)
	}
	if info.Version == fmt.Sprintf("%x-%d", sum.Sum(nil), len(u.parts)) {
		return true
	}
	return u.s.o.Scheme == "gs" && u.sameSum(ctx, info.Version)
}

// Abort implements objects.Object.
func (u *upload) Abort(ctx context.Context) error {
	if u.id == "" {
		return nil
	}
	return u.s.abort(ctx, u.name, u.bucket, u.key, u.id)
}

// abort removes the parts of an upload.
func (s *Store) abort(ctx context.Context, name, bucket, key, upload string) error {
	err := s.try(ctx, "abort", name, func(ctx context.Context) error {
		ctx, cancel := s.patience(ctx, 0)
		defer cancel()
		return s.core.AbortMultipartUpload(ctx, bucket, key, upload)
	})
	if errors.Is(err, fs.ErrNotExist) { // NoSuchUpload
		return nil
	}
	return err
}
