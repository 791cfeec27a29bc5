package url

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// dots are the characters that IDNA takes for a dot between labels (RFC 3490, section 3.1), beside the dot.
var dots = [][]byte{[]byte("\u3002"), []byte("\uff0e"), []byte("\uff61")}

// hostOf is the host name of a URL, as tldextract takes it out of whatever stands there, and where its registered domain begins: one label
// before the public suffix (https://publicsuffix.org, its section of the registries alone). registered is -1 where the name ends with no
// known suffix, as an address in numbers does, or is one.
func (s *Scratch) hostOf(url []byte, fold bool) (host []byte, registered int) {
	host = netloc(url)
	if len(host) > 0 && host[0] == '[' {
		return host, -1
	}
	// One buffer for the name with dots of one kind, and behind it the name as the list of suffixes has it.
	s.host = append(s.host[:0], host...)
	for _, d := range dots {
		if bytes.Contains(s.host, d) {
			s.host = bytes.ReplaceAll(s.host, d, []byte("."))
		}
	}
	if fold {
		for i, c := range s.host {
			if c-'A' < 26 {
				s.host[i] = c | 0x20
			}
		}
	}
	n := len(s.host)
	s.host = appendASCII(s.host, s.host)
	suffix := s.suffixOf(s.host[n:])
	host = s.host[:n]
	if suffix == 0 {
		return host, -1
	}
	at := n + 1
	for range suffix + 1 { // both forms have the same number of labels
		if at == 0 {
			return host, -1 // the suffix alone
		}
		at = bytes.LastIndexByte(host[:at-1], '.') + 1
	}
	if at < n && host[at] == '.' { // an empty label before the suffix
		return host, -1
	}
	if at == 1 { // nothing before the first dot
		return host[1:], 0
	}
	return host, at
}

// schemeSigns are the characters of a scheme beside letters and digits (RFC 3986, section 3.1).
const schemeSigns = "+-."

// netloc is the host of a URL: after a scheme and //, and user and @, up to / ? # or a port; without dots at its end.
func netloc(url []byte) []byte {
	if i := bytes.Index(url, []byte("//")); i == 0 {
		url = url[2:]
	} else if i >= 2 && url[i-1] == ':' && isScheme(url[:i-1]) {
		url = url[i+2:]
	}
	for _, end := range [...]byte{'/', '?', '#'} {
		if i := bytes.IndexByte(url, end); i >= 0 {
			url = url[:i]
		}
	}
	if i := bytes.LastIndexByte(url, '@'); i >= 0 {
		url = url[i+1:]
	}
	if len(url) > 0 && url[0] == '[' {
		if i := bytes.IndexByte(url, ']'); i >= 0 {
			return url[:i+1]
		}
	}
	if i := bytes.IndexByte(url, ':'); i >= 0 {
		url = url[:i]
	}
	url = bytes.TrimSpace(url)
	for {
		n := len(url)
		url = bytes.TrimRight(url, ".")
		for _, d := range dots {
			url = bytes.TrimSuffix(url, d)
		}
		if len(url) == n {
			return url
		}
	}
}

func isScheme(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && strings.IndexByte(schemeSigns, c) < 0 {
			return false
		}
	}
	return true
}

// maxSuffixes is how many host names a Scratch remembers: documents of one host mostly come together.
const maxSuffixes = 4096

// suffixOf is suffixLabels, which allocates, for a name that may have been asked for before.
func (s *Scratch) suffixOf(name []byte) int {
	if n, ok := s.suffixes[string(name)]; ok {
		return n
	}
	if s.suffixes == nil {
		s.suffixes = map[string]int{}
	}
	if len(s.suffixes) == maxSuffixes {
		clear(s.suffixes)
	}
	n := suffixLabels(string(name))
	if len(name) <= maxDomain {
		s.suffixes[string(name)] = n
	}
	return n
}

// maxDomain is the length of the longest name of RFC 1035, section 2.3.4.
const maxDomain = 253

// suffixLabels is the number of labels of the public suffix of a name in lower-case ASCII, or 0 if none is known. Rules that
// private owners of domains have added to the list, such as github.io, do not count.
func suffixLabels(name string) int {
	rest := name
	for {
		suffix, icann := publicsuffix.PublicSuffix(rest)
		dots := 0
		for i := range len(suffix) {
			if suffix[i] == '.' {
				dots++
			}
		}
		if icann {
			return dots + 1
		}
		if dots == 0 {
			return 0 // the rule for names that have none
		}
		i := 0
		for suffix[i] != '.' {
			i++
		}
		rest = suffix[i+1:]
	}
}

// appendASCII appends a host name in lower case, each label that is not ASCII in Punycode (RFC 3492) behind "xn--". Nothing else of
// IDNA is done. dst and host may share memory.
func appendASCII(dst, host []byte) []byte {
	for len(host) > 0 {
		label, rest, more := bytes.Cut(host, []byte("."))
		ascii := true
		for _, c := range label {
			ascii = ascii && c < utf8.RuneSelf
		}
		if ascii {
			for _, c := range label {
				if c-'A' < 26 {
					c |= 0x20
				}
				dst = append(dst, c)
			}
		} else {
			dst = appendPunycode(append(dst, "xn--"...), bytes.ToLower(label))
		}
		if !more {
			break
		}
		dst = append(dst, '.')
		host = rest
	}
	return dst
}

// Parameters of Punycode (RFC 3492, section 5).
const (
	pcBase, pcMin, pcMax = 36, 1, 26
	pcSkew, pcDamp       = 38, 700
	pcBias, pcFirst      = 72, 128
)

// maxPunycode is more characters than a label can have; the encoding is quadratic in them.
const maxPunycode = 63

// appendPunycode encodes a label. One that is too long for the DNS is cut: it is no suffix.
func appendPunycode(dst, label []byte) []byte {
	var runes [maxPunycode]rune
	n, basic := 0, 0
	for i := 0; i < len(label) && n < len(runes); n++ {
		r, w := utf8.DecodeRune(label[i:])
		runes[n] = r
		i += w
		if r < utf8.RuneSelf {
			dst = append(dst, byte(r))
			basic++
		}
	}
	if basic > 0 {
		dst = append(dst, '-')
	}
	delta, bias, code := 0, pcBias, rune(pcFirst)
	for done := basic; done < n; {
		least := rune(utf8.MaxRune)
		for _, r := range runes[:n] {
			if r >= code && r < least {
				least = r
			}
		}
		delta += int(least-code) * (done + 1)
		code = least
		for _, r := range runes[:n] {
			if r < code {
				delta++
			}
			if r != code {
				continue
			}
			q := delta
			for k := pcBase; ; k += pcBase {
				t := min(max(k-bias, pcMin), pcMax)
				if q < t {
					break
				}
				dst = append(dst, digit(t+(q-t)%(pcBase-t)))
				q = (q - t) / (pcBase - t)
			}
			dst = append(dst, digit(q))
			bias = adapt(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		code++
	}
	return dst
}

func digit(d int) byte { return "abcdefghijklmnopqrstuvwxyz0123456789"[d] }

func adapt(delta, points int, first bool) int {
	if first {
		delta /= pcDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for delta > (pcBase-pcMin)*pcMax/2 {
		delta /= pcBase - pcMin
		k += pcBase
	}
	return k + (pcBase-pcMin+1)*delta/(delta+pcSkew)
}
