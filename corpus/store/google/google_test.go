package google

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curate/corpus/store/storetest/googletest"
)

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// user is the file of gcloud's with the server's endpoint.
func user(server *googletest.Server) []byte {
	return bytes.Replace(server.User(), []byte("{"), []byte(`{"token_uri":"`+server.URL+`/token",`), 1)
}

// TestPlaces: each kind of credentials at its place, in their order.
func TestPlaces(t *testing.T) {
	server := googletest.New(t)
	dir := t.TempDir()
	key := write(t, dir+"/key.json", server.ServiceAccount())
	subject := write(t, dir+"/subject", server.Subject())
	external := write(t, dir+"/external.json", server.External(subject))
	write(t, dir+"/home/.config/gcloud/application_default_credentials.json", user(server))
	write(t, dir+"/home/gcloud/application_default_credentials.json", user(server)) // of APPDATA
	write(t, dir+"/sdk/application_default_credentials.json", server.ServiceAccount())
	home := dir + "/home"
	for _, c := range []struct {
		want string
		env  map[string]string
	}{
		{"service_account", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": key, "HOME": home, "APPDATA": home, "GCE_METADATA_HOST": server.Host()}},
		{"external", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": external}},
		{"user", map[string]string{"HOME": home, "APPDATA": home, "GCE_METADATA_HOST": server.Host()}},
		{"service_account", map[string]string{"CLOUDSDK_CONFIG": dir + "/sdk", "HOME": home, "APPDATA": home}},
		{"metadata", map[string]string{"HOME": dir, "APPDATA": dir, "GCE_METADATA_HOST": server.Host()}},
		{"metadata", map[string]string{"GCE_METADATA_HOST": server.Host(), "NO_GCE_CHECK": "true"}},
		{"", map[string]string{"NO_GCE_CHECK": "true"}},
	} {
		s := New(func(k string) string { return c.env[k] })
		before := server.Count(c.want)
		for range 2 { // a new one each time
			value, expires, err := s.Token(t.Context())
			if err != nil {
				t.Fatalf("%v: %v", c.env, err)
			}
			if c.want == "" {
				if value != "" {
					t.Errorf("%v: the token %q", c.env, value)
				}
				continue
			}
			if !server.Valid(value) {
				t.Errorf("%v: the token %q was not given", c.env, value)
			}
			if left := time.Until(expires); left < 30*time.Minute || left > time.Hour {
				t.Errorf("%v: it lives for %v", c.env, left)
			}
		}
		if got := server.Count(c.want) - before; got != 2 && c.want != "" {
			t.Errorf("%v: %d tokens of %s", c.env, got, c.want)
		}
	}
	server.WithoutAccount()
	s := New(func(k string) string { return map[string]string{"GCE_METADATA_HOST": server.Host()}[k] })
	if value, _, err := s.Token(t.Context()); value != "" || err != nil {
		t.Errorf("a machine without an account: %q, %v", value, err)
	}
}

// TestErrors say the source, the cause and what to do, and whether it passes.
func TestErrors(t *testing.T) {
	server := googletest.New(t)
	dead := googletest.New(t)
	dead.Close()
	dir := t.TempDir()
	key := write(t, dir+"/key.json", server.ServiceAccount())
	external := write(t, dir+"/external.json", server.External(dir+"/none"))
	exchange := write(t, dir+"/exchange.json", server.External(write(t, dir+"/subject", server.Subject())))
	unreachable := write(t, dir+"/dead.json", dead.ServiceAccount())
	other := write(t, dir+"/other.json", bytes.Replace(server.ServiceAccount(), []byte("curate@"), []byte("other@"), 1))
	for _, c := range []struct {
		name   string
		env    map[string]string
		refuse []int
		passes bool
		parts  []string
	}{
		{"no file", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": dir + "/absent"}, nil, false, []string{"GOOGLE_APPLICATION_CREDENTIALS: ", dir + "/absent", "unset the variable"}},
		{"no JSON", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": write(t, dir+"/x", []byte("key"))}, nil, false, []string{"no file of credentials", "make a new key"}},
		{"no kind", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": write(t, dir+"/y", []byte(`{"type":"quantum"}`))}, nil, false, []string{dir + "/y: ", "quantum"}},
		{"another's key", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": other}, nil, false, []string{other, server.URL + " gives no token", "400 invalid_grant Invalid claims", "make a new key"}},
		{"no subject", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": external}, nil, false, []string{external, dir + "/none"}},
		{"busy", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": key}, []int{503}, true, []string{key, "503", "repeat the command"}},
		{"exchange busy", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": exchange}, []int{503}, true, []string{exchange, "503", "repeat the command"}},
		{"unreachable", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": unreachable}, nil, true, []string{unreachable, dead.Host(), "can be reached"}},
		{"dead metadata server", map[string]string{"GCE_METADATA_HOST": dead.Host()}, nil, false, []string{"metadata server " + dead.Host(), "unset GCE_METADATA_HOST"}},
		{"metadata in trouble", map[string]string{"GCE_METADATA_HOST": server.Host()}, []int{500, 500}, false, []string{"says 500", "unset GCE_METADATA_HOST"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server.Refuse(c.refuse...)
			_, _, err := New(func(k string) string { return c.env[k] }).Token(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range c.parts {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v: no %q", err, part)
				}
			}
			var e *Error
			if !errors.As(err, &e) || e.Temporary() != c.passes || errors.Is(err, fs.ErrPermission) == c.passes {
				t.Errorf("%v: passes %v, want %v", err, e.Temporary(), c.passes)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, env := range []map[string]string{{"GOOGLE_APPLICATION_CREDENTIALS": key}, {"GCE_METADATA_HOST": server.Host()}} {
		if _, _, err := New(func(k string) string { return env[k] }).Token(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

// TestMetadataOutage: a metadata server that has given a token and is silent is waited for by who asks.
func TestMetadataOutage(t *testing.T) {
	server := googletest.New(t)
	s := New(func(k string) string { return map[string]string{"GCE_METADATA_HOST": server.Host()}[k] })
	server.Refuse(503) // the first answer may be one
	if _, _, err := s.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Refuse(503)
	_, _, err := s.Token(t.Context())
	if e := new(Error); !errors.As(err, &e) || !e.Temporary() {
		t.Errorf("%v", err)
	}
	if _, _, err := s.Token(t.Context()); err != nil {
		t.Error(err)
	}
}
