package store

import (
	"path"
	"strings"
	"testing"
)

func TestSplitURL(t *testing.T) {
	for name, want := range map[string][2]string{
		"s3://bucket/a//b": {"s3", "bucket/a//b"},
		"s3:/bucket/a":     {"s3", "bucket/a"},
		"S3:///bucket":     {"s3", "bucket"},
		"hf://a":           {"hf", "a"},
		"https://a/b":      {"https", "a/b"},
		"":                 {},
		"-":                {},
		"dir/x":            {},
		"./s3:/x":          {},
		"dir/s3://x":       {},
		"a:b/c":            {},
		`C:\x`:             {},
		"C:/x":             {},
		"://x":             {},
		"3s://x":           {},
		"what is this:/x":  {},
	} {
		scheme, rest, ok := SplitURL(name)
		if scheme != want[0] || rest != want[1] || ok != (want[0] != "") || IsURL(name) != ok {
			t.Errorf("%q: %q, %q, %v, want %q", name, scheme, rest, ok, want)
		}
		if u := URL(name); !ok && u != name || ok && u != want[0]+"://"+want[1] {
			t.Errorf("%q as a URL: %q", name, u)
		}
	}
	if got := Join("s3://bucket/run", "../x", "y"); got != "s3://bucket/x/y" {
		t.Error(got)
	}
}

func FuzzSplitURL(f *testing.F) {
	for _, name := range []string{"s3://bucket/a//b", "s3:/bucket", "dir/x", "a:b/c", "hf://datasets/o/n@r/x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		scheme, rest, ok := SplitURL(name)
		if !ok {
			if URL(name) != name {
				t.Errorf("%q is no URL, and becomes %q", name, URL(name))
			}
			return
		}
		// The name for messages, and what package path makes of it, are the same object.
		if s, r, ok := SplitURL(URL(name)); !ok || s != scheme || r != rest {
			t.Errorf("%q: %q, %q, and of its URL %q, %q, %v", name, scheme, rest, s, r, ok)
		}
		outOfIt := strings.Contains(rest, "..") || strings.Trim(rest, "./") == ""
		if s, _, ok := SplitURL(path.Clean(name)); !outOfIt && (!ok || s != scheme) {
			t.Errorf("%q, cleaned: %q, %v", name, s, ok)
		}
	})
}
