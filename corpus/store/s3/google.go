package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"
)

// asStored asks for objects as they are stored. Of one whose metadata says that it is compressed, Cloud Storage decompresses
// the bytes for who does not take gzip, of a length that nobody knows and without ranges
// (https://cloud.google.com/storage/docs/transcoding); compression is found by the bytes here.
type asStored struct{ under http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a asStored) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		r = r.Clone(r.Context())
		r.Header.Set("Accept-Encoding", "gzip") // no part of a signature
	}
	return a.under.RoundTrip(r)
}

// sameSum says whether the object of that ETag has the CRC-32C of the parts that were sent, in the header x-goog-hash of its
// answer (https://cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash).
func (u *upload) sameSum(ctx context.Context, etag string) bool {
	var header http.Header
	err := u.s.try(ctx, "write", u.name, func(ctx context.Context) error {
		var o minio.GetObjectOptions
		o.Set("If-Match", `"`+etag+`"`)
		body, _, h, err := u.s.core.GetObject(ctx, u.bucket, u.key, o)
		if err != nil {
			return err
		}
		header = h
		return body.Close()
	})
	if err != nil {
		return false
	}
	want := "crc32c=" + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, u.crc))
	for _, line := range header.Values("X-Goog-Hash") { // one a digest, or all in one
		for one := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(one) == want {
				return true
			}
		}
	}
	return false
}
