// Package googletest gives access tokens as Google does, for tests: in this process, on the loopback. It is the endpoint at
// which the key of a service account, what gcloud keeps of a user and an identity of elsewhere become tokens, and the
// metadata server of a machine. It checks what it is given: signatures, refresh tokens, the header that metadata wants.
package googletest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const (
	account   = "curate@project.iam.gserviceaccount.com"
	client    = "client"
	secret    = "secret"
	refresh   = "refresh"
	subject   = "subject"
	tokenType = "urn:ietf:params:oauth:token-type:jwt"
)

// Server is the endpoint and the metadata server.
type Server struct {
	URL string
	// Lifetime is that of tokens, in seconds. Set it before the first use.
	Lifetime int

	http     *httptest.Server
	key      *rsa.PrivateKey
	mu       sync.Mutex
	valid    map[string]bool
	counts   map[string]int
	statuses []int
	none     bool
}

// New starts a server, which ends with the test.
func New(t testing.TB) *Server {
	s := Start()
	t.Cleanup(s.Close)
	return s
}

// Start is New for who has no test; Close ends it.
func Start() *Server {
	key, err := rsa.GenerateKey(rand.Reader, 1024) // the least that the library takes
	if err != nil {
		panic(err)
	}
	s := &Server{Lifetime: 3600, key: key, valid: map[string]bool{}, counts: map[string]int{}}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	return s
}

// Close ends the server.
func (s *Server) Close() { s.http.Close() }

// Host is what GCE_METADATA_HOST names.
func (s *Server) Host() string { return strings.TrimPrefix(s.URL, "http://") }

// ServiceAccount is the file of a key.
func (s *Server) ServiceAccount() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		panic(err)
	}
	return file(map[string]any{
		"type": "service_account", "client_email": account, "private_key_id": "1", "token_uri": s.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
}

// User is the file that gcloud keeps.
func (s *Server) User() []byte {
	return file(map[string]any{"type": "authorized_user", "client_id": client, "client_secret": secret, "refresh_token": refresh})
}

// External is the description of an identity whose own token is in subjectFile, which must hold Subject.
func (s *Server) External(subjectFile string) []byte {
	return file(map[string]any{
		"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
		"subject_token_type": tokenType, "token_url": s.URL + "/sts", "credential_source": map[string]string{"file": subjectFile},
	})
}

// Subject is the token of elsewhere.
func (s *Server) Subject() []byte { return []byte(subject) }

func file(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Valid says whether a token was given and not taken back.
func (s *Server) Valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.valid[token]
}

// Revoke takes all tokens back.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.valid)
}

// Count is how many requests came: "service_account", "user", "external", "metadata".
func (s *Server) Count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[what]
}

// Refuse answers the next requests with these statuses.
func (s *Server) Refuse(statuses ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = statuses
}

// WithoutAccount makes the machine one that has no service account.
func (s *Server) WithoutAccount() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.none = true
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	what, refusal := s.judge(r)
	if what == "metadata" {
		w.Header().Set("Metadata-Flavor", "Google")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
	switch {
	case len(s.statuses) > 0:
		w.WriteHeader(s.statuses[0])
		s.statuses = s.statuses[1:]
	case what == "":
		http.NotFound(w, r)
	case what == "metadata" && s.none:
		http.NotFound(w, r)
	case refusal != "":
		w.WriteHeader(http.StatusBadRequest)
		w.Write(file(map[string]any{"error": "invalid_grant", "error_description": refusal}))
	default:
		token := fmt.Sprintf("ya29.%s-%d", what, s.counts[what])
		s.valid[token] = true
		w.Write(file(map[string]any{"access_token": token, "expires_in": s.Lifetime, "token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}))
	}
}

// judge says what a request is, and what is wrong with it.
func (s *Server) judge(r *http.Request) (what, refusal string) {
	switch r.URL.Path {
	case "/computeMetadata/v1/instance/service-accounts/default/token":
		if r.Header.Get("Metadata-Flavor") != "Google" {
			return "metadata", "the header Metadata-Flavor is missing"
		}
		return "metadata", ""
	case "/sts":
		if r.PostFormValue("subject_token") != subject || r.PostFormValue("subject_token_type") != tokenType {
			return "external", "unknown subject"
		}
		return "external", ""
	case "/token":
		if r.PostFormValue("grant_type") == "refresh_token" {
			if r.PostFormValue("refresh_token") != refresh {
				return "user", "Bad Request"
			}
			return "user", ""
		}
		return "service_account", s.assertion(r.PostFormValue("assertion"))
	}
	return "", ""
}

// assertion checks a signed claim (RFC 7523).
func (s *Server) assertion(jwt string) string {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return "no assertion"
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err == nil {
		err = rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, sum[:], signature)
	}
	if err != nil {
		return "Invalid JWT Signature."
	}
	var claims struct{ Iss, Scope, Aud string }
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil || claims.Iss != account || claims.Aud != s.URL+"/token" || !strings.Contains(claims.Scope, "devstorage.read_write") {
		return "Invalid claims"
	}
	return ""
}
