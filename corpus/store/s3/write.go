package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"curate/corpus/store"
)

// slowest is the rate below which sending is given up and tried anew, in bytes a second, on top of Idle.
const slowest = 64 << 10

// writer sends a file: in parts while it is written, or, if it stays below one, in one request when it is committed.
type writer struct {
	s           *Store
	ctx         context.Context // ends with Abort, and not with that of Create
	cancel      context.CancelFunc
	name        string
	bucket, key string

	buf    []byte
	pooled bool // buf has the size of a part, and is lent
	upload string
	parts  []minio.CompletePart
	size   int64 // of what was sent as parts, and its CRC-32C
	crc    uint32
	flying chan error // the answer to the part that is on its way; nil without one
	err    error
	done   bool
}

// Create begins the object name.
func (s *Store) Create(ctx context.Context, name string) (store.Writer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	bucket, key, err := s.object("create", name)
	if err != nil {
		return nil, err
	}
	w := &writer{s: s, name: name, bucket: bucket, key: key}
	w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return w, nil
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n := 0
	for len(p) > 0 {
		if len(w.buf) == w.s.o.PartSize {
			if w.err = w.send(); w.err != nil {
				return n, w.err
			}
		}
		k := min(len(p), w.s.o.PartSize-len(w.buf))
		if need := len(w.buf) + k; need > cap(w.buf) && (need > w.s.o.PartSize/2 || w.upload != "") {
			b := append((*w.s.free.Get().(*[]byte))[:0], w.buf...)
			w.buf, w.pooled = b, true
		}
		w.buf = append(w.buf, p[:k]...)
		p, n = p[k:], n+k
	}
	return n, nil
}

// release gives a part's buffer back.
func (w *writer) release(b []byte, pooled bool) {
	if pooled {
		w.s.free.Put(&b)
	}
}

// send lets the buffer go as the next part, when the one before it has arrived.
func (w *writer) send() error {
	if err := w.landed(); err != nil {
		return err
	}
	number := len(w.parts) + 1
	if number > maxParts {
		return &fs.PathError{Op: "write", Path: store.URL(w.name), Err: fmt.Errorf("has more than %d parts of %d MiB, the most that an object may have; write compressed, or a directory of parts", maxParts, w.s.o.PartSize>>20)}
	}
	if w.upload == "" {
		err := w.s.try(w.ctx, "write", w.name, func(ctx context.Context) (err error) {
			w.upload, err = w.s.core.NewMultipartUpload(ctx, w.bucket, w.key, minio.PutObjectOptions{})
			return err
		})
		if err != nil {
			return err
		}
	}
	b, pooled := w.buf, w.pooled
	w.buf, w.pooled = nil, false
	w.size += int64(len(b))
	w.crc = crc32.Update(w.crc, castagnoli, b)
	w.parts = append(w.parts, minio.CompletePart{PartNumber: number})
	w.flying = make(chan error, 1)
	go func(part *minio.CompletePart, answer chan<- error) {
		err := w.s.try(w.ctx, "write", w.name, func(ctx context.Context) error {
			ctx, cancel := w.s.patience(ctx, len(b))
			defer cancel()
			sent, err := w.s.core.PutObjectPart(ctx, w.bucket, w.key, w.upload, number, bytes.NewReader(b), int64(len(b)), minio.PutObjectPartOptions{})
			part.ETag = sent.ETag
			return err
		})
		w.release(b, pooled)
		answer <- err
	}(&w.parts[number-1], w.flying)
	return nil
}

// landed waits for the part that is on its way.
func (w *writer) landed() error {
	if w.flying == nil {
		return nil
	}
	err := <-w.flying
	w.flying = nil
	return err
}

// patience bounds one attempt at sending n bytes.
func (s *Store) patience(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.o.Idle+time.Duration(n)*time.Second/slowest)
}

// put writes an object in one request.
func (s *Store) put(ctx context.Context, op, name, bucket, key string, b []byte) error {
	return s.try(ctx, op, name, func(ctx context.Context) error {
		ctx, cancel := s.patience(ctx, len(b))
		defer cancel()
		_, err := s.core.PutObject(ctx, bucket, key, bytes.NewReader(b), int64(len(b)), "", "", minio.PutObjectOptions{})
		return err
	})
}

// Commit implements store.Writer.
func (w *writer) Commit() error {
	if w.err != nil {
		return errors.Join(w.err, w.Abort())
	}
	if err := w.commit(); err != nil {
		w.err = err
		return errors.Join(err, w.Abort())
	}
	w.release(w.buf, w.pooled)
	w.buf, w.done, w.err = nil, true, &fs.PathError{Op: "write", Path: store.URL(w.name), Err: fs.ErrClosed}
	w.cancel()
	return nil
}

func (w *writer) commit() error {
	if w.upload == "" {
		return w.s.put(w.ctx, "write", w.name, w.bucket, w.key, w.buf)
	}
	if len(w.buf) > 0 {
		if err := w.send(); err != nil {
			return err
		}
	}
	if err := w.landed(); err != nil {
		return err
	}
	tries := 0
	err := w.s.try(w.ctx, "write", w.name, func(ctx context.Context) error {
		tries++
		// Putting many parts together may take minutes, as Google's page on it says
		// (https://cloud.google.com/storage/docs/xml-api/post-object-complete).
		ctx, cancel := context.WithTimeout(ctx, 5*w.s.o.Idle)
		defer cancel()
		_, err := w.s.core.CompleteMultipartUpload(ctx, w.bucket, w.key, w.upload, w.parts, minio.PutObjectOptions{})
		return err
	})
	if err != nil && tries > 1 && codeOf(err) == minio.NoSuchUpload && w.arrived() {
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
func (w *writer) arrived() bool {
	info, err := w.s.Stat(w.ctx, w.name)
	if err != nil || info.Size != w.size {
		return false
	}
	sum := md5.New()
	for _, p := range w.parts {
		b, err := hex.DecodeString(p.ETag)
		if err != nil {
			break
		}
		sum.Write(b)
	}
	if info.Version == fmt.Sprintf("%x-%d", sum.Sum(nil), len(w.parts)) {
		return true
	}
	if w.s.o.Scheme != "gs" {
		return false
	}
	var header http.Header
	err = w.s.try(w.ctx, "write", w.name, func(ctx context.Context) error {
		var o minio.GetObjectOptions
		o.Set("If-Match", `"`+info.Version+`"`)
		body, _, h, err := w.s.core.GetObject(ctx, w.bucket, w.key, o)
		if err != nil {
			return err
		}
		header = h
		return body.Close()
	})
	if err != nil {
		return false
	}
	want := "crc32c=" + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, w.crc))
	for _, line := range header.Values("X-Goog-Hash") { // one a digest, or all in one
		for one := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(one) == want {
				return true
			}
		}
	}
	return false
}

// Abort implements store.Writer.
func (w *writer) Abort() error {
	if w.done {
		return nil
	}
	if w.err == nil {
		w.err = &fs.PathError{Op: "write", Path: store.URL(w.name), Err: fs.ErrClosed}
	}
	w.cancel()
	_ = w.landed() // it was cancelled; a part that lands behind the abort is removed with a later one
	if w.buf != nil {
		w.release(w.buf, w.pooled)
		w.buf = nil
	}
	if w.upload != "" {
		// What was to be given up is so whoever is being interrupted.
		if err := w.s.abort(context.WithoutCancel(w.ctx), w.name, w.bucket, w.key, w.upload); err != nil {
			return err
		}
	}
	w.done = true
	return nil
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
