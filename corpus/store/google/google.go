// Package google finds the credentials of Google Cloud where its own tools find them, and gets access tokens by them. In that
// order (https://cloud.google.com/docs/authentication/application-default-credentials):
//
//   - the file that GOOGLE_APPLICATION_CREDENTIALS names: the key of a service account, what "gcloud auth application-default
//     login" writes, or the description of an identity elsewhere (workload identity federation);
//   - that file of gcloud's, in CLOUDSDK_CONFIG or the user's folder of configurations;
//   - the metadata server of a machine of Google's, or of what GCE_METADATA_HOST names.
//
// Without any of them the token is empty, and who asks is nobody in particular: enough for public buckets. What the files
// mean is golang.org/x/oauth2's to know. Nothing is remembered here but where a token came from; who uses it knows when it
// needs another.
package google

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// scope is what a token is for: objects, and no rights over buckets (https://cloud.google.com/storage/docs/oauth-scopes).
const scope = "https://www.googleapis.com/auth/devstorage.read_write"

const (
	// metadataHost is the metadata server of any machine of Google's; an address, since elsewhere its name would be asked of
	// whatever resolves names there.
	metadataHost = "169.254.169.254"
	// probing is how long the first answer of a metadata server that nobody has named may take, and probes how often it is
	// asked: who is on no such machine waits for it once.
	probing = 2 * time.Second
	probes  = 2
	// patience is how long a token may take.
	patience = 30 * time.Second
)

// Source gets tokens. Its methods may be called from any goroutine.
type Source struct {
	getenv   func(string) string
	metadata *http.Client // which no proxy is asked for

	mu sync.Mutex
	// Of the metadata server: that it has given a token before, so that silence is an outage; or that there is none.
	known, none bool
}

// New returns the source that the environment says. Nothing is asked and no file opened yet.
func New(getenv func(string) string) *Source {
	return &Source{
		getenv: getenv,
		metadata: &http.Client{Timeout: patience, Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: probing}).DialContext,
		}},
	}
}

// Error is why there is no token.
type Error struct {
	source string // a file or a server
	err    error
	remedy string
	passes bool
}

func (e *Error) Error() string { return e.source + ": " + e.err.Error() + "; " + e.remedy }

// Unwrap is fs.ErrPermission where no later attempt would help. The cause stays inside: a key that is not there is not the
// object that is not there.
func (e *Error) Unwrap() error {
	if e.passes {
		return nil
	}
	return fs.ErrPermission
}

// Temporary says whether a later attempt may succeed.
func (e *Error) Temporary() bool { return e.passes }

// Token is a new token and when it expires, the zero time if nobody says. "" is that this machine has no credentials.
func (s *Source) Token(ctx context.Context) (value string, expires time.Time, err error) {
	const variable = "GOOGLE_APPLICATION_CREDENTIALS"
	if name := s.getenv(variable); name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", time.Time{}, &Error{source: variable, err: err, remedy: "name the file of a key, or unset the variable"}
		}
		return s.byFile(ctx, name, b)
	}
	if name := s.gcloudFile(); name != "" {
		switch b, err := os.ReadFile(name); {
		case err == nil:
			return s.byFile(ctx, name, b)
		case !errors.Is(err, fs.ErrNotExist):
			return "", time.Time{}, &Error{source: "credentials of gcloud", err: err, remedy: "make the file readable, or name another in " + variable}
		}
	}
	return s.byMetadata(ctx)
}

// gcloudFile is where gcloud keeps application default credentials, as
// https://cloud.google.com/docs/authentication/application-default-credentials#personal says; "" without a folder of the user's.
func (s *Source) gcloudFile() string {
	dir := s.getenv("CLOUDSDK_CONFIG")
	switch {
	case dir != "":
	case runtime.GOOS == "windows":
		if dir = s.getenv("APPDATA"); dir == "" {
			return ""
		}
		dir = filepath.Join(dir, "gcloud")
	default:
		if dir = s.getenv("HOME"); dir == "" {
			return ""
		}
		dir = filepath.Join(dir, ".config", "gcloud")
	}
	return filepath.Join(dir, "application_default_credentials.json")
}

// byFile is the token of a file's credentials. The file is read for each token: a key that was replaced is used from then on.
func (s *Source) byFile(ctx context.Context, name string, b []byte) (string, time.Time, error) {
	remedy := "make a new key, or run \"gcloud auth application-default login\""
	var kind struct {
		Type google.CredentialsType `json:"type"`
	}
	if err := json.Unmarshal(b, &kind); err != nil {
		return "", time.Time{}, &Error{source: name, err: fmt.Errorf("is no file of credentials: %w", err), remedy: remedy}
	}
	// Its own cache would give a token that the server has refused once more, so there is a new source each time.
	last := &lastAnswer{}
	client := &http.Client{Timeout: patience, Transport: last}
	credentials, err := google.CredentialsFromJSONWithType(context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, client), b, kind.Type, scope)
	if err != nil {
		return "", time.Time{}, &Error{source: name, err: err, remedy: remedy}
	}
	type answer struct {
		token *oauth2.Token
		err   error
	}
	got := make(chan answer, 1)
	go func() { // the library's call knows no context
		token, err := credentials.TokenSource.Token()
		got <- answer{token, err}
	}()
	var a answer
	select {
	case a = <-got:
	case <-ctx.Done():
		return "", time.Time{}, context.Cause(ctx)
	}
	if a.err != nil {
		e := &Error{source: name, err: a.err, remedy: remedy, passes: last.err != nil || passes(last.status)}
		var refusal *oauth2.RetrieveError
		if errors.As(a.err, &refusal) {
			e.err = fmt.Errorf("%s gives no token for these credentials: %d %s", last.server, last.status, said(refusal))
		}
		if e.passes {
			e.remedy = "see whether the server can be reached from here, and repeat the command"
		}
		return "", time.Time{}, e
	}
	return a.token.AccessToken, a.token.Expiry, nil
}

// lastAnswer knows how the last request went, which the library's errors do not say of all kinds of credentials. One goroutine
// uses it.
type lastAnswer struct {
	server string
	status int // 0 before an answer
	err    error
}

// RoundTrip implements http.RoundTripper.
func (l *lastAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	l.server, l.status = r.URL.Scheme+"://"+r.URL.Host, 0
	answer, err := http.DefaultTransport.RoundTrip(r)
	if l.err = err; err == nil {
		l.status = answer.StatusCode
	}
	return answer, err
}

// passes says whether an answer of that status may be another later.
func passes(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// said is what an endpoint of tokens answered (RFC 6749, section 5.2), in a line.
func said(e *oauth2.RetrieveError) string {
	text := string(e.Body[:min(len(e.Body), 200)])
	var refusal struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(e.Body, &refusal) == nil && refusal.Code != "" {
		text = refusal.Code + " " + refusal.Description
	}
	return strings.Join(strings.Fields(text), " ")
}

// byMetadata is the token of the machine's service account
// (https://cloud.google.com/compute/docs/access/authenticate-workloads#applications).
func (s *Source) byMetadata(ctx context.Context) (string, time.Time, error) {
	named := s.getenv("GCE_METADATA_HOST")
	s.mu.Lock()
	known, none := s.known, s.none
	s.mu.Unlock()
	if named == "" && (none || isTrue(s.getenv("NO_GCE_CHECK"))) { // the variable is that of google-auth
		return "", time.Time{}, nil
	}
	host := cmp.Or(named, metadataHost)
	var err error
	for n := range probes {
		limit := patience
		if named == "" && !known {
			limit = probing
		}
		var value string
		var expires time.Time
		value, expires, err = s.askMetadata(ctx, host, limit)
		if ctx.Err() != nil {
			return "", time.Time{}, context.Cause(ctx)
		}
		if err == nil {
			s.mu.Lock()
			s.known, s.none = value != "", value == ""
			s.mu.Unlock()
			return value, expires, nil
		}
		if known || n == probes-1 {
			break
		}
	}
	if named == "" && !known {
		s.mu.Lock()
		s.none = true
		s.mu.Unlock()
		return "", time.Time{}, nil
	}
	e := &Error{source: "metadata server " + host, err: err, passes: known, remedy: "see whether the metadata server is up, and repeat the command"}
	if named != "" {
		e.remedy = "start it, mend or unset GCE_METADATA_HOST, or name a key in GOOGLE_APPLICATION_CREDENTIALS"
	}
	return "", time.Time{}, e
}

// askMetadata asks once. A server that is there, and whose machine has no service account, gives "".
func (s *Source) askMetadata(ctx context.Context, host string, limit time.Duration) (string, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/computeMetadata/v1/instance/service-accounts/default/token", nil)
	if err != nil {
		return "", time.Time{}, err
	}
	r.Header.Set("Metadata-Flavor", "Google")
	asked := time.Now()
	answer, err := s.metadata.Do(r)
	if err != nil {
		return "", time.Time{}, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return "", time.Time{}, err
	}
	switch {
	case answer.Header.Get("Metadata-Flavor") != "Google":
		return "", time.Time{}, fmt.Errorf("says %s, and is none of Google's", answer.Status)
	case answer.StatusCode == http.StatusNotFound:
		return "", time.Time{}, nil
	case answer.StatusCode != http.StatusOK:
		return "", time.Time{}, fmt.Errorf("says %s", answer.Status)
	}
	var token struct {
		Value   string `json:"access_token"`
		Seconds int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(b, &token); err != nil || token.Value == "" {
		return "", time.Time{}, errors.New("its answer holds no token")
	}
	return token.Value, asked.Add(time.Duration(token.Seconds) * time.Second), nil
}

func isTrue(v string) bool {
	switch strings.ToLower(v) {
	case "1", "true", "yes":
		return true
	}
	return false
}
