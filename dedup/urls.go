package dedup

import (
	"bytes"
	"unicode/utf8"

	"curate/text"
)

// AppendURL appends the form in which URLs of pages are compared. Two that RFC 3986 calls equivalent have the same
// (6.2.2, 6.2.3): scheme and host in lower case, percent-encoding only where it is needed and in capitals, dot segments
// resolved, no default port, "/" for an empty path. As in Common Crawl's index (SURT, its urlkey) neither the scheme,
// where it is http or https, nor "www." before a host makes another page; what SURT does besides can make one of two
// pages (path and query in lower case, parameters sorted or left out), and is not done. There is no fragment, since it
// never reaches the server (3.5). What is no URL with a scheme and a host stays as it is written, but for white space
// around it.
func AppendURL(dst, b []byte) []byte {
	b = text.TrimRight(text.TrimLeft(b))
	at := bytes.Index(b, []byte("://"))
	if at < 1 || !isScheme(b[:at]) {
		return append(dst, b...)
	}
	scheme, rest := b[:at], b[at+3:]
	if i := bytes.IndexByte(rest, '#'); i >= 0 {
		rest = rest[:i]
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	var user []byte
	if i := bytes.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	host, port := cutPort(authority)
	// A name has no colon, and an address that has some stands in brackets.
	if n := len(host); n == 0 || bytes.IndexByte(host, ':') >= 0 && (host[0] != '[' || host[n-1] != ']') {
		return append(dst, b...)
	}
	http, https := bytes.EqualFold(scheme, []byte("http")), bytes.EqualFold(scheme, []byte("https"))
	if http || https {
		dst = append(dst, "http"...)
	} else {
		dst = text.AppendLower(dst, scheme)
	}
	dst = append(dst, "://"...)
	dst = append(dst, user...)
	from := len(dst)
	dst = text.AppendLower(dst, host)
	for www := []byte("www."); bytes.HasPrefix(dst[from:], www) && bytes.IndexByte(dst[from+len(www):], '.') > 0; {
		dst = append(dst[:from], dst[from+len(www):]...)
	}
	// http and https become one, and so do their ports: else the form of https://a:80 would have another form.
	if len(port) > 0 && !((http || https) && (string(port) == "80" || string(port) == "443")) {
		dst = append(append(dst, ':'), port...)
	}
	query := []byte(nil)
	if i := bytes.IndexByte(rest, '?'); i >= 0 {
		rest, query = rest[:i], rest[i:]
	}
	from = len(dst)
	dst = appendPath(append(dst, '/'), from, rest)
	return appendEscaped(dst, query)
}

// isScheme: ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ), RFC 3986, 3.1.
func isScheme(b []byte) bool {
	for i, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return true
}

// cutPort cuts the port off; its colon goes, too, if nothing is behind it. An IPv6 address has colons in brackets.
func cutPort(authority []byte) (host, port []byte) {
	i := bytes.LastIndexByte(authority, ':')
	if i < 0 {
		return authority, nil
	}
	for _, c := range authority[i+1:] {
		if c < '0' || c > '9' {
			return authority, nil
		}
	}
	return authority[:i], authority[i+1:]
}

// appendPath appends a path to dst, whose root "/" at from is there already, without its dot segments (RFC 3986, 5.2.4).
func appendPath(dst []byte, from int, path []byte) []byte {
	path = bytes.TrimPrefix(path, []byte("/"))
	for {
		segment, more := path, false
		if i := bytes.IndexByte(path, '/'); i >= 0 {
			segment, path, more = path[:i], path[i+1:], true
		}
		at := len(dst) // behind a slash
		dst = appendEscaped(dst, segment)
		switch string(dst[at:]) {
		case ".":
			dst = dst[:at]
		case "..":
			dst = dst[:at]
			if at > from+1 {
				dst = dst[:from+1+bytes.LastIndexByte(dst[from:at-1], '/')]
			}
		default:
			if more {
				dst = append(dst, '/')
			}
		}
		if !more {
			return dst
		}
	}
}

const hexDigits = "0123456789ABCDEF"

// appendEscaped appends part of a URL with every character that has a percent-encoding in the one way that RFC 3986 makes
// the normal one: unreserved characters as they are, others as they are written, in capitals. Characters beyond ASCII are
// encoded (RFC 3987, 3.1), and so is white space.
func appendEscaped(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '%' && i+2 < len(b) && hexValue(b[i+1]) >= 0 && hexValue(b[i+2]) >= 0:
			v := byte(hexValue(b[i+1])<<4 | hexValue(b[i+2]))
			if isUnreserved(v) {
				dst = append(dst, v)
			} else {
				dst = append(dst, '%', hexDigits[v>>4], hexDigits[v&15])
			}
			i += 2
		case c <= ' ' || c == 0x7F || c >= utf8.RuneSelf:
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// isUnreserved: RFC 3986, 2.3.
func isUnreserved(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
