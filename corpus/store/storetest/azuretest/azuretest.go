// Package azuretest is a server of Azure's Blob service for tests: in this process, on the loopback, with its blobs in memory, and
// with the faults that servers and networks have. It knows what package azure asks: block blobs whole and by range, with
// If-Match; blocks and their lists; listings by pages; deletion. Signatures are not checked, but who signs has to be the
// account, who shows a shared access signature has to show the server's, and who bears a token one that it knows.
//
// It is as strict as the service where a client could rely on kindness
// (https://learn.microsoft.com/rest/api/storageservices/put-block): names of a blob's blocks have one length, a body's MD5 is
// compared, and whatever writes a blob discards the blocks that were sent for it and are not in it.
package azuretest

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/corpus/store/storetest/faults"
)

// Who may ask: the account with its key, in base64, or with a shared access signature.
const (
	Account = "testaccount"
	Key     = "a2V5"
	SAS     = "sv=2026-06-06&ss=b&sig=c2ln"
)

// Server is the endpoint of an account.
type Server struct {
	// URL is the endpoint, with the account in its path, as emulators have it.
	URL string
	// PageSize is the most that a listing has at once.
	PageSize int
	// Folders makes it an account with a hierarchical namespace: folders are entries of their own, and stay.
	Folders bool

	http       *httptest.Server
	mu         sync.Mutex
	faults     faults.Faults
	rights     func(action, container, name string) bool
	tokens     func(token string) bool
	containers map[string]map[string]*blob
	blocks     map[string]map[string][]byte // uncommitted, by container/name and by block
	serial     int
	counts     map[string]int
	hurt       int
}

type blob struct {
	body   []byte
	etag   string
	time   time.Time
	blocks map[string][]byte // that it was made of
	folder bool
}

// New starts a server with the containers, which ends with the test.
func New(t testing.TB, containers ...string) *Server {
	s := Start(containers...)
	t.Cleanup(s.Close)
	return s
}

// Start is New for who has no test; Close ends it.
func Start(containers ...string) *Server {
	s := &Server{PageSize: 5000, containers: map[string]map[string]*blob{}, blocks: map[string]map[string][]byte{}, counts: map[string]int{}}
	for _, c := range containers {
		s.containers[c] = map[string]*blob{}
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL + "/" + Account
	return s
}

// Close ends the server.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// ConnectionString leads to the server, with the account's key.
func (s *Server) ConnectionString() string {
	return "DefaultEndpointsProtocol=http;AccountName=" + Account + ";AccountKey=" + Key + ";BlobEndpoint=" + s.URL + ";"
}

// Put stores a blob.
func (s *Server) Put(container, name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(container, name, slices.Clone(body), nil)
}

func (s *Server) put(container, name string, body []byte, blocks map[string][]byte) *blob {
	s.serial++
	b := &blob{body: body, etag: fmt.Sprintf("0x8D%012X", s.serial), time: time.Now(), blocks: blocks}
	s.containers[container][name] = b
	delete(s.blocks, container+"/"+name)
	if s.Folders {
		for i, c := range name {
			if c == '/' {
				s.containers[container][name[:i]] = &blob{etag: "0x8D", time: time.Now(), folder: true}
			}
		}
	}
	return b
}

// Get returns a blob.
func (s *Server) Get(container, name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.containers[container][name]
	if !ok || b.folder {
		return nil, false
	}
	return b.body, true
}

// Keys are the names of a container's blobs that begin with prefix, sorted.
func (s *Server) Keys(container, prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, n := range slices.Sorted(maps.Keys(s.containers[container])) {
		if strings.HasPrefix(n, prefix) && !s.containers[container][n].folder {
			names = append(names, n)
		}
	}
	return names
}

// Uncommitted is how many blobs have blocks that were sent and are in none.
func (s *Server) Uncommitted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.blocks)
}

// Count is how many requests of an action came: GetBlob, GetBlobProperties, PutBlob, PutBlock, PutBlockList, DeleteBlob, ListBlobs.
func (s *Server) Count(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[action]
}

// Hurt is how many requests had a fault.
func (s *Server) Hurt() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hurt
}

// SetFaults replaces the faults; nil has none.
func (s *Server) SetFaults(f faults.Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// SetRights lets allowed decide who may do what; nil allows all.
func (s *Server) SetRights(allowed func(action, container, name string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rights = allowed
}

// SetTokens lets valid decide which access tokens are good; "" is a request without credentials. Before, none is.
func (s *Server) SetTokens(valid func(token string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = valid
}

// action names what a request is for, as the service's documentation does.
func action(r *http.Request, name string) string {
	comp := r.URL.Query().Get("comp")
	switch {
	case name == "" && comp == "list" && r.Method == http.MethodGet:
		return "ListBlobs"
	case name == "":
		return ""
	case r.Method == http.MethodPut && comp == "block":
		return "PutBlock"
	case r.Method == http.MethodPut && comp == "blocklist":
		return "PutBlockList"
	case r.Method == http.MethodPut && comp == "" && r.Header.Get("X-Ms-Blob-Type") == "BlockBlob":
		return "PutBlob"
	case r.Method == http.MethodDelete:
		return "DeleteBlob"
	case r.Method == http.MethodHead:
		return "GetBlobProperties"
	case r.Method == http.MethodGet && comp == "":
		return "GetBlob"
	}
	return ""
}

// code names the status of a fault.
func code(status int) string {
	switch status {
	case http.StatusServiceUnavailable:
		return "ServerBusy"
	case http.StatusConflict:
		return "ContainerBeingDeleted"
	case http.StatusPreconditionFailed:
		return "ConditionNotMet"
	case http.StatusForbidden:
		return "AuthorizationFailure"
	}
	return "InternalError"
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	container, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"+Account+"/"), "/")
	act := action(r, name)
	s.mu.Lock()
	s.counts[act]++
	var fault faults.Fault
	if s.faults != nil {
		fault = s.faults(act, s.counts[act])
	}
	if fault != (faults.Fault{}) {
		s.hurt++
	}
	rights := s.rights
	_, there := s.containers[container]
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
		refuse(w, r, fault.Status, code(fault.Status), "a fault of the test")
		return
	case fault.Lost: // the request is done, and nobody hears of it
		defer faults.Reset(w)
		w = faults.Lost()
	}
	if r.Header.Get("X-Ms-Version") == "" {
		refuse(w, r, http.StatusBadRequest, "MissingRequiredHeader", "x-ms-version")
		return
	}
	if status, code := s.known(r); status != 0 {
		refuse(w, r, status, code, "who asks is unknown")
		return
	}
	if !there {
		refuse(w, r, http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
		return
	}
	if rights != nil && !rights(act, container, name) {
		refuse(w, r, http.StatusForbidden, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, r, http.StatusBadRequest, "InvalidInput", err.Error())
		return
	}
	if sum := r.Header.Get("Content-Md5"); sum != "" && sum != sumOf(body) {
		refuse(w, r, http.StatusBadRequest, "Md5Mismatch", "The MD5 value specified in the request did not match with the MD5 value calculated by the server.")
		return
	}
	switch act {
	case "GetBlob", "GetBlobProperties":
		s.get(w, r, container, name, fault)
	case "ListBlobs":
		s.list(w, container, r.URL.Query())
	case "PutBlob", "PutBlock", "PutBlockList":
		s.write(w, r, act, container, name, body)
	case "DeleteBlob":
		s.mu.Lock()
		_, there := s.containers[container][name]
		delete(s.containers[container], name)
		delete(s.blocks, container+"/"+name)
		s.mu.Unlock()
		if !there {
			refuse(w, r, http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
			return
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		refuse(w, r, http.StatusNotImplemented, "NotImplemented", "this server does not know that")
	}
}

// known decides about who asks: 0, or the status and code of a refusal.
func (s *Server) known(r *http.Request) (status int, code string) {
	s.mu.Lock()
	valid := s.tokens
	s.mu.Unlock()
	header := r.Header.Get("Authorization")
	token, bears := strings.CutPrefix(header, "Bearer ")
	switch {
	case strings.HasPrefix(header, "SharedKey "+Account+":"):
	case header == "" && r.URL.Query().Has("sig"):
		if q, err := url.ParseQuery(SAS); err != nil || r.URL.Query().Get("sig") != q.Get("sig") {
			return http.StatusForbidden, "AuthenticationFailed"
		}
	case bears && (valid == nil || !valid(token)):
		return http.StatusUnauthorized, "InvalidAuthenticationInfo"
	case header == "" && (valid == nil || !valid("")):
		return http.StatusUnauthorized, "NoAuthenticationInformation"
	case header != "" && !bears:
		return http.StatusForbidden, "AuthenticationFailed"
	}
	return 0, ""
}

func sumOf(body []byte) string {
	sum := md5.Sum(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, act, container, name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := container + "/" + name
	if b := s.containers[container][name]; b != nil && b.folder {
		refuse(w, r, http.StatusConflict, "ResourceTypeMismatch", "The specified resource is a folder.")
		return
	}
	switch act {
	case "PutBlob":
		b := s.put(container, name, body, nil)
		w.Header().Set("ETag", `"`+b.etag+`"`)
	case "PutBlock":
		id := r.URL.Query().Get("blockid")
		raw, err := base64.StdEncoding.DecodeString(id)
		bad := err != nil || len(raw) == 0 || len(raw) > 64
		for other := range s.blocks[place] {
			bad = bad || len(other) != len(id)
		}
		if bad {
			refuse(w, r, http.StatusBadRequest, "InvalidQueryParameterValue", "blockid")
			return
		}
		if s.blocks[place] == nil {
			s.blocks[place] = map[string][]byte{}
		}
		s.blocks[place][id] = body
	case "PutBlockList":
		var list struct {
			Latest []string
		}
		if err := xml.Unmarshal(body, &list); err != nil {
			refuse(w, r, http.StatusBadRequest, "InvalidXmlDocument", err.Error())
			return
		}
		var whole []byte
		blocks := map[string][]byte{}
		for _, id := range list.Latest {
			b, ok := s.blocks[place][id]
			if !ok && s.containers[container][name] != nil {
				b, ok = s.containers[container][name].blocks[id]
			}
			if !ok {
				refuse(w, r, http.StatusBadRequest, "InvalidBlockList", "The specified block list is invalid.")
				return
			}
			blocks[id] = b
			whole = append(whole, b...)
		}
		b := s.put(container, name, whole, blocks)
		w.Header().Set("ETag", `"`+b.etag+`"`)
	}
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusCreated)
}

// get answers GET and HEAD.
func (s *Server) get(w http.ResponseWriter, r *http.Request, container, name string, fault faults.Fault) {
	s.mu.Lock()
	b := s.containers[container][name]
	s.mu.Unlock()
	if b == nil {
		refuse(w, r, http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && strings.Trim(match, `"`) != b.etag {
		refuse(w, r, http.StatusPreconditionFailed, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
		return
	}
	body, status := b.body, http.StatusOK
	spec := r.Header.Get("X-Ms-Range")
	if spec == "" {
		spec = r.Header.Get("Range")
	}
	if spec, ok := strings.CutPrefix(spec, "bytes="); ok {
		from, to, _ := strings.Cut(spec, "-")
		first, err := strconv.Atoi(from)
		last := len(body) - 1
		if n, err := strconv.Atoi(to); err == nil && n < last {
			last = n
		}
		if err != nil || first > last {
			refuse(w, r, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The range specified is invalid for the current size of the resource.")
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(body)))
		body, status = body[first:last+1], http.StatusPartialContent
	}
	if b.folder {
		w.Header().Set("X-Ms-Meta-Hdi_isfolder", "true")
	}
	w.Header().Set("ETag", `"`+b.etag+`"`)
	w.Header().Set("Last-Modified", b.time.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Ms-Blob-Type", "BlockBlob")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	switch {
	case fault.Cut > 0:
		w.Write(body[:int(fault.Cut*float64(len(body)))])
		w.(http.Flusher).Flush()
		faults.Reset(w)
	case fault.Stall:
		w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	default:
		w.Write(body)
	}
}

// list answers List Blobs.
func (s *Server) list(w http.ResponseWriter, container string, q url.Values) {
	type properties struct {
		LastModified  string `xml:"Last-Modified"`
		Etag          string
		ContentLength int    `xml:"Content-Length"`
		ResourceType  string `xml:",omitempty"`
		BlobType      string
	}
	type metadata struct {
		Folder string `xml:"hdi_isfolder,omitempty"`
	}
	type one struct {
		Name       string
		Properties properties
		Metadata   metadata
	}
	res := struct {
		XMLName    xml.Name `xml:"EnumerationResults"`
		Prefix     string
		MaxResults int
		Blobs      struct{ Blob []one }
		NextMarker string
	}{Prefix: q.Get("prefix"), MaxResults: s.PageSize}
	if n, err := strconv.Atoi(q.Get("maxresults")); err == nil && n < res.MaxResults {
		res.MaxResults = n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(s.containers[container])) {
		if !strings.HasPrefix(n, q.Get("prefix")) || n < q.Get("marker") {
			continue
		}
		if len(res.Blobs.Blob) == res.MaxResults {
			res.NextMarker = n
			break
		}
		b := s.containers[container][n]
		entry := one{Name: n, Properties: properties{b.time.UTC().Format(http.TimeFormat), b.etag, len(b.body), "", "BlockBlob"}}
		if b.folder && strings.Contains(q.Get("include"), "metadata") {
			entry.Metadata.Folder = "true"
		}
		res.Blobs.Blob = append(res.Blobs.Blob, entry)
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	if err := xml.NewEncoder(&out).Encode(res); err != nil {
		panic(err) // of a type of this package
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Write(out.Bytes())
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Ms-Error-Code", code)
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: code, Message: message + "\nRequestId:00000000-0000-0000-0000-000000000000\nTime:2026-01-01T00:00:00.0000000Z"})
}
