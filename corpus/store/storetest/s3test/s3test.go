// Package s3test is an S3 server for tests: in this process, on the loopback, with its objects in memory, and with the faults
// that servers and networks have. It knows what package s3 asks: objects whole and by range, with If-Match; listings by
// pages; multipart uploads; deletion. Signatures are not checked, but who signs has to be a key that it knows.
//
// It is stricter than some servers where a client could rely on kindness: parts below the least size are refused, an upload
// that has ended is unknown, a request without a body's checksum in its signature over plain HTTP is refused.
//
// With SetTokens it is Google Cloud Storage's XML API, where that differs.
package s3test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curate/corpus/store/storetest/faults"
)

// The key that signs requests; any other is refused.
const (
	AccessKey = "AKIATEST"
	SecretKey = "secret"
)

// Server is the endpoint of any number of buckets.
type Server struct {
	URL string
	// PageSize is the most that a listing has at once, MinPart the least size of a part but the last, in bytes.
	PageSize, MinPart int
	http              *httptest.Server
	mu                sync.Mutex
	faults            faults.Faults
	rights            func(action, bucket, key string) bool
	tokens            func(token string) bool
	buckets           map[string]map[string]*object
	uploads           map[string]*upload
	serial            int
	counts            map[string]int
	hurt              map[string]int
	clock             atomic.Pointer[func() time.Time]
}

type object struct {
	body  []byte
	etag  string
	time  time.Time
	plain []byte // of an object whose metadata says that it is gzip's: what it holds
}

type upload struct {
	bucket, key string
	parts       map[int]*object
	begun       time.Time
}

// New starts a server with the buckets, which ends with the test.
func New(t testing.TB, buckets ...string) *Server {
	s := Start(buckets...)
	t.Cleanup(s.Close)
	return s
}

// Start is New for who has no test; Close ends it.
func Start(buckets ...string) *Server {
	s := &Server{
		PageSize: 1000, MinPart: 5 << 20,
		buckets: map[string]map[string]*object{}, uploads: map[string]*upload{}, counts: map[string]int{}, hurt: map[string]int{},
	}
	for _, b := range buckets {
		s.buckets[b] = map[string]*object{}
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	return s
}

// Close ends the server.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Environment are the variables by which package s3 finds the server, each NAME=VALUE.
func (s *Server) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL, "AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey, "AWS_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "GS_ENDPOINT_URL=" + s.URL, "GS_ACCESS_KEY_ID=" + AccessKey, "GS_SECRET_ACCESS_KEY=" + SecretKey,
	}
}

// Put stores an object.
func (s *Server) Put(bucket, key string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[bucket][key] = s.object(slices.Clone(body))
}

// Get returns an object.
func (s *Server) Get(bucket, key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.buckets[bucket][key]
	if !ok {
		return nil, false
	}
	return o.body, true
}

// Keys are those of a bucket that begin with prefix, sorted.
func (s *Server) Keys(bucket, prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys(bucket, prefix)
}

func (s *Server) keys(bucket, prefix string) []string {
	var keys []string
	for k := range s.buckets[bucket] {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Uploads is how many multipart uploads were begun and have not ended.
func (s *Server) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// Count is how many requests of an action came: GetObject, HeadObject, PutObject, DeleteObject, ListObjects,
// CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload, ListMultipartUploads, GetBucketLocation.
func (s *Server) Count(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[action]
}

// SetFaults replaces the faults; nil has none.
func (s *Server) SetFaults(f faults.Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// SetRights lets allowed decide who may do what; nil allows all.
func (s *Server) SetRights(allowed func(action, bucket, key string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rights = allowed
}

// SetTokens makes the server Cloud Storage of Google: in place of a signature, requests may have an access token that valid
// knows; "" is a request without one. An object that was put together has no MD5 in its ETag, and answers have its CRC-32C.
func (s *Server) SetTokens(valid func(token string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = valid
}

// PutGzip stores an object whose metadata says that it is compressed, as "gsutil cp -Z" does: who does not take gzip is given what it holds.
func (s *Server) PutGzip(bucket, key string, body []byte) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		panic(err) // of a test
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.object(slices.Clone(body))
	o.plain = plain
	s.buckets[bucket][key] = o
}

// google says whether the server is Google's.
func (s *Server) google() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens != nil
}

// known decides about who asks: 0, or the status and code of a refusal.
func (s *Server) known(r *http.Request) (status int, code, message string) {
	s.mu.Lock()
	valid := s.tokens
	s.mu.Unlock()
	header := r.Header.Get("Authorization")
	switch token, bears := strings.CutPrefix(header, "Bearer "); {
	case strings.Contains(header, "Credential="+AccessKey+"/"):
	case valid == nil:
		return http.StatusForbidden, "InvalidAccessKeyId", "The key that signs the request is unknown"
	case header == "" && !valid(""):
		return http.StatusForbidden, "AccessDenied", "Anonymous caller does not have access"
	case header != "" && (!bears || !valid(token)):
		return http.StatusUnauthorized, "AuthenticationRequired", "Authentication required"
	}
	return 0, "", ""
}

// SetClock lets now stamp objects and uploads; else it is the time.
func (s *Server) SetClock(now func() time.Time) { s.clock.Store(&now) }

func (s *Server) now() time.Time {
	if c := s.clock.Load(); c != nil {
		return (*c)()
	}
	return time.Now()
}

func (s *Server) object(body []byte) *object {
	return &object{body: body, etag: fmt.Sprintf("%x", md5.Sum(body)), time: s.now()}
}

// action names what a request is for, as Amazon S3's documentation does.
func action(r *http.Request, key string) string {
	q := r.URL.Query()
	switch {
	case key == "" && q.Has("location"):
		return "GetBucketLocation"
	case key == "" && q.Has("uploads"):
		return "ListMultipartUploads"
	case key == "" && r.Method == http.MethodGet:
		return "ListObjects"
	case key == "":
		return ""
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost && q.Has("uploadId"):
		return "CompleteMultipartUpload"
	case r.Method == http.MethodPut && q.Has("uploadId"):
		return "UploadPart"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "AbortMultipartUpload"
	case r.Method == http.MethodPut:
		return "PutObject"
	case r.Method == http.MethodDelete:
		return "DeleteObject"
	case r.Method == http.MethodHead:
		return "HeadObject"
	case r.Method == http.MethodGet:
		return "GetObject"
	}
	return ""
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	act := action(r, key)
	s.mu.Lock()
	s.counts[act]++
	fault := faults.Fault{}
	if s.faults != nil {
		fault = s.faults(act, s.counts[act])
	}
	if fault != (faults.Fault{}) {
		s.hurt[act]++
	}
	rights := s.rights
	_, there := s.buckets[bucket]
	s.mu.Unlock()

	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case fault.Reset:
		faults.Reset(w)
		return
	case fault.Status != 0:
		refuse(w, r, fault.Status, codeOf(fault), "a fault of the test")
		return
	case fault.Lost: // the request is done, and nobody hears of it
		defer faults.Reset(w)
		w = faults.Lost()
	}
	if status, code, message := s.known(r); status != 0 {
		refuse(w, r, status, code, message)
		return
	}
	if !there {
		refuse(w, r, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	if rights != nil && !rights(act, bucket, key) {
		refuse(w, r, http.StatusForbidden, "AccessDenied", "Access Denied")
		return
	}
	var body []byte
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		var err error
		if body, err = payload(r); err != nil {
			refuse(w, r, http.StatusBadRequest, "IncompleteBody", err.Error())
			return
		}
	}
	q := r.URL.Query()
	switch act {
	case "GetObject", "HeadObject":
		s.get(w, r, bucket, key, fault)
	case "PutObject":
		s.mu.Lock()
		o := s.object(body)
		s.buckets[bucket][key] = o
		s.mu.Unlock()
		w.Header().Set("ETag", `"`+o.etag+`"`)
	case "DeleteObject":
		s.mu.Lock()
		delete(s.buckets[bucket], key)
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case "ListObjects":
		s.list(w, bucket, q)
	case "GetBucketLocation":
		answer(w, struct {
			XMLName xml.Name `xml:"LocationConstraint"`
		}{})
	case "ListMultipartUploads":
		s.listUploads(w, bucket, q)
	case "CreateMultipartUpload":
		s.mu.Lock()
		s.serial++
		id := fmt.Sprintf("upload-%d", s.serial)
		s.uploads[id] = &upload{bucket, key, map[int]*object{}, s.now()}
		s.mu.Unlock()
		answer(w, struct {
			XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
			Bucket, Key, UploadId string
		}{Bucket: bucket, Key: key, UploadId: id})
	case "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload":
		s.multipart(w, r, act, bucket, key, body)
	default:
		refuse(w, r, http.StatusNotImplemented, "NotImplemented", "this server does not know that")
	}
}

func (s *Server) multipart(w http.ResponseWriter, r *http.Request, act, bucket, key string, body []byte) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil || u.bucket != bucket || u.key != key {
		refuse(w, r, http.StatusNotFound, "NoSuchUpload", "The specified multipart upload does not exist")
		return
	}
	switch act {
	case "AbortMultipartUpload":
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
		return
	case "UploadPart":
		n, err := strconv.Atoi(q.Get("partNumber"))
		if err != nil || n < 1 || n > 10_000 {
			refuse(w, r, http.StatusBadRequest, "InvalidArgument", "Part number must be an integer between 1 and 10000")
			return
		}
		o := s.object(body)
		u.parts[n] = o
		w.Header().Set("ETag", `"`+o.etag+`"`)
		return
	}
	var complete struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &complete); err != nil || len(complete.Part) == 0 {
		refuse(w, r, http.StatusBadRequest, "MalformedXML", "no parts")
		return
	}
	var whole []byte
	sums := md5.New()
	last := 0
	for i, p := range complete.Part {
		o := u.parts[p.PartNumber]
		switch {
		case o == nil || strings.Trim(p.ETag, `"`) != o.etag || p.PartNumber <= last:
			refuse(w, r, http.StatusBadRequest, "InvalidPart", fmt.Sprintf("part %d is not there, or not in order", p.PartNumber))
			return
		case i < len(complete.Part)-1 && len(o.body) < s.MinPart:
			refuse(w, r, http.StatusBadRequest, "EntityTooSmall", fmt.Sprintf("part %d has %d bytes", p.PartNumber, len(o.body)))
			return
		}
		last = p.PartNumber
		whole = append(whole, o.body...)
		sum, _ := hex.DecodeString(o.etag)
		sums.Write(sum)
	}
	o := &object{body: whole, etag: fmt.Sprintf("%x-%d", sums.Sum(nil), len(complete.Part)), time: s.now()}
	if s.tokens != nil {
		s.serial++
		o.etag = fmt.Sprintf("-CK%dEAE=", s.serial)
	}
	s.buckets[bucket][key] = o
	delete(s.uploads, id)
	answer(w, struct {
		XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
		Bucket, Key, ETag string
	}{Bucket: bucket, Key: key, ETag: `"` + o.etag + `"`})
}

// get answers GET and HEAD.
func (s *Server) get(w http.ResponseWriter, r *http.Request, bucket, key string, fault faults.Fault) {
	s.mu.Lock()
	o := s.buckets[bucket][key]
	s.mu.Unlock()
	if o == nil {
		refuse(w, r, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && strings.Trim(match, `"`) != o.etag {
		refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	if s.google() {
		sum := crc32.Checksum(o.body, crc32.MakeTable(crc32.Castagnoli))
		w.Header().Set("X-Goog-Hash", "crc32c="+base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum)))
	}
	if o.plain != nil {
		if r.Header.Get("Accept-Encoding") != "gzip" { // no ranges, and no length
			w.Header().Set("ETag", `"`+o.etag+`"`)
			w.Header().Set("Last-Modified", o.time.UTC().Format(http.TimeFormat))
			w.(http.Flusher).Flush()
			w.Write(o.plain)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
	}
	body, status := o.body, http.StatusOK
	if spec, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		from, to, _ := strings.Cut(spec, "-")
		first, err := strconv.Atoi(from)
		last := len(body) - 1
		if n, err := strconv.Atoi(to); err == nil && n < last {
			last = n
		}
		if err != nil || first > last {
			refuse(w, r, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(body)))
		body, status = body[first:last+1], http.StatusPartialContent
	}
	w.Header().Set("ETag", `"`+o.etag+`"`)
	w.Header().Set("Last-Modified", o.time.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Accept-Ranges", "bytes")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	cut := int(fault.Cut * float64(len(body)))
	if fault.Cut > 0 {
		w.Write(body[:cut])
		w.(http.Flusher).Flush()
		faults.Reset(w)
		return
	}
	if fault.Stall {
		w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	w.Write(body)
}

// list answers ListObjectsV2.
func (s *Server) list(w http.ResponseWriter, bucket string, q url.Values) {
	type content struct {
		Key, LastModified, ETag string
		Size                    int
	}
	res := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		Name, Prefix          string
		EncodingType          string
		KeyCount, MaxKeys     int
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}{Name: bucket, Prefix: q.Get("prefix"), EncodingType: q.Get("encoding-type"), MaxKeys: s.PageSize}
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil && n < res.MaxKeys {
		res.MaxKeys = n
	}
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	s.mu.Lock()
	defer s.mu.Unlock()
	last := ""
	for _, k := range s.keys(bucket, q.Get("prefix")) {
		if k <= after {
			continue
		}
		if len(res.Contents) == res.MaxKeys {
			res.IsTruncated, res.NextContinuationToken = true, last
			break
		}
		last = k
		o, name := s.buckets[bucket][k], k
		if res.EncodingType == "url" {
			name = url.QueryEscape(k)
		}
		res.Contents = append(res.Contents, content{name, o.time.UTC().Format("2006-01-02T15:04:05.000Z"), `"` + o.etag + `"`, len(o.body)})
	}
	res.KeyCount = len(res.Contents)
	answer(w, res)
}

// listUploads answers ListMultipartUploads, in pages of PageSize.
func (s *Server) listUploads(w http.ResponseWriter, bucket string, q url.Values) {
	type one struct{ Key, UploadId, Initiated string }
	res := struct {
		XMLName                           xml.Name `xml:"ListMultipartUploadsResult"`
		Bucket                            string
		IsTruncated                       bool
		NextKeyMarker, NextUploadIdMarker string
		Upload                            []one
	}{Bucket: bucket}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []one
	for id, u := range s.uploads {
		if u.bucket == bucket && strings.HasPrefix(u.key, q.Get("prefix")) {
			all = append(all, one{u.key, id, u.begun.UTC().Format("2006-01-02T15:04:05.000Z")})
		}
	}
	less := func(a, b one) int { return strings.Compare(a.Key+"\x00"+a.UploadId, b.Key+"\x00"+b.UploadId) }
	slices.SortFunc(all, less)
	for _, u := range all {
		if m := (one{Key: q.Get("key-marker"), UploadId: q.Get("upload-id-marker")}); m.Key != "" && less(u, m) <= 0 {
			continue
		}
		if len(res.Upload) == s.PageSize {
			end := res.Upload[len(res.Upload)-1]
			res.IsTruncated, res.NextKeyMarker, res.NextUploadIdMarker = true, end.Key, end.UploadId
			break
		}
		res.Upload = append(res.Upload, u)
	}
	answer(w, res)
}

// payload reads a request's body, out of the chunks in which it is signed over plain HTTP
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html).
func payload(r *http.Request) ([]byte, error) {
	sum := r.Header.Get("X-Amz-Content-Sha256")
	if sum == "UNSIGNED-PAYLOAD" && r.ContentLength != 0 {
		return nil, fmt.Errorf("over plain HTTP a body is to be signed")
	}
	if !strings.HasPrefix(sum, "STREAMING-") {
		return io.ReadAll(r.Body)
	}
	size, err := strconv.Atoi(r.Header.Get("X-Amz-Decoded-Content-Length"))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Grow(size)
	for in := bufio.NewReaderSize(r.Body, 128<<10); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		digits, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(digits, 16, 64)
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(&out, in, n); err != nil {
			return nil, err
		}
		if _, err := in.Discard(2); err != nil && n > 0 {
			return nil, err
		}
		if n == 0 {
			break
		}
	}
	if out.Len() != size {
		return nil, fmt.Errorf("%d bytes came of %d", out.Len(), size)
	}
	return out.Bytes(), nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	io.WriteString(w, xml.Header)
	if err := xml.NewEncoder(w).Encode(v); err != nil {
		panic(err) // of a type of this package
	}
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName                   xml.Name `xml:"Error"`
		Code, Message, BucketName string
	}{Code: code, Message: message, BucketName: strings.Split(r.URL.Path+"/", "/")[1]})
}

// codeOf names the status of a fault.
func codeOf(f faults.Fault) string {
	switch f.Status {
	case http.StatusServiceUnavailable:
		return "SlowDown"
	case http.StatusConflict:
		return "OperationAborted"
	case http.StatusPreconditionFailed:
		return "PreconditionFailed"
	case http.StatusForbidden:
		return "AccessDenied"
	}
	return "InternalError"
}

// Hurt is how many requests had a fault.
func (s *Server) Hurt() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, k := range s.hurt {
		n += k
	}
	return n
}
