package store

import (
	"path"
	"strings"
)

// SplitURL takes a name of storage elsewhere apart: "s3://bucket/key" into "s3" and "bucket/key". For names of local files ok
// is false. "s3:/bucket/key" is the same name, since that is what package path makes of it; so a scheme has two letters
// or more, and a local folder of such a name is written "./s3:/…" and by no path that is cleaned.
func SplitURL(name string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(name, ":/")
	if !ok || len(scheme) < 2 {
		return "", "", false
	}
	for i, c := range []byte(scheme) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return "", "", false // RFC 3986, section 3.1
		}
	}
	return strings.ToLower(scheme), strings.TrimLeft(rest, "/"), true
}

// IsURL says whether a name leads to storage elsewhere.
func IsURL(name string) bool {
	_, _, ok := SplitURL(name)
	return ok
}

// URL is the name as users know it, for messages: with two slashes behind the scheme. Local names are as they were.
func URL(name string) string {
	if scheme, rest, ok := SplitURL(name); ok {
		return scheme + "://" + rest
	}
	return name
}

// Join is path.Join, of which a URL stays one.
func Join(elem ...string) string { return URL(path.Join(elem...)) }
