//go:build azure

package azure

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"curate/corpus/store"
	"curate/corpus/store/objects"
)

// slowest is the rate below which sending is given up and tried anew, in bytes a second, on top of Idle.
const slowest = 64 << 10

// Create begins the blob name.
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
	s      *Store
	p      *place
	blocks []string // names of those that were sent
}

func (s *Store) upload(ctx context.Context, op, name string) (*upload, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p, err := s.object(op, name)
	return &upload{s: s, p: p}, err
}

// Open implements objects.Object.
func (u *upload) Open(ctx context.Context) (io.ReadCloser, error) { return u.s.Open(ctx, u.p.name, 0) }

// send tries a request with n bytes of body.
func (u *upload) send(ctx context.Context, op string, n int, request func(ctx context.Context) error) error {
	return u.p.try(ctx, op, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, u.s.o.Idle+time.Duration(n)*time.Second/slowest)
		defer cancel()
		return request(ctx)
	})
}

// Put implements objects.Object. The server compares the MD5.
func (u *upload) Put(ctx context.Context, op string, b []byte) error {
	sum := md5.Sum(b)
	return u.send(ctx, op, len(b), func(ctx context.Context) error {
		_, err := u.p.blob().Upload(ctx, streaming.NopCloser(bytes.NewReader(b)), &blockblob.UploadOptions{TransactionalValidation: blob.TransferValidationTypeMD5(sum[:])})
		return err
	})
}

// blockName names a block by its number and MD5, so that all names of a blob have one length, and equal names are equal bytes.
func blockName(number int, sum [md5.Size]byte) string {
	return base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, uint32(number)), sum[:]...))
}

// Part implements objects.Object.
func (u *upload) Part(ctx context.Context, number int, b []byte) error {
	sum := md5.Sum(b)
	name := blockName(number, sum)
	err := u.send(ctx, "write", len(b), func(ctx context.Context) error {
		_, err := u.p.blob().StageBlock(ctx, name, streaming.NopCloser(bytes.NewReader(b)), &blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeMD5(sum[:])})
		return err
	})
	if err == nil {
		u.blocks = append(u.blocks, name)
	}
	return err
}

// Complete implements objects.Object. The list takes the latest block of each name, sent or already in the blob, so that it may
// be repeated where an answer was lost.
func (u *upload) Complete(ctx context.Context) error {
	return u.send(ctx, "write", 0, func(ctx context.Context) error {
		_, err := u.p.blob().CommitBlockList(ctx, u.blocks, nil)
		return err
	})
}

// Abort implements objects.Object. Blocks cannot be taken back.
func (u *upload) Abort(context.Context) error { return nil }
