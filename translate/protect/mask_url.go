package protect

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// url is scheme://…, www.…, and scheme:… of the schemes that have no slashes.
func url(s *scanner, i int, w word) int {
	if s.latinBefore(i) {
		return 0
	}
	start, host := 0, 0
	if at := s.next(&s.schemes, "://", i); at > i && at-i <= 32 && s.run(i, alnum, "+.-") == at && classes[s.text[i]]&letter != 0 {
		start, host = at+3, at+3
	} else if name := s.text[i:w.end]; s.at(w.end) == '.' && (name == "www" || name == "WWW") {
		start, host = w.end+1, i
	} else if s.at(w.end) == ':' && opaque(name) {
		if name == "data" {
			return s.dataURL(w.end + 1)
		}
		start, host = w.end+1, -1
	} else {
		return 0
	}
	if !s.letterAt(start) && strings.IndexByte("/[{$%<+", s.at(start)) < 0 {
		return 0
	}
	return s.urlEnd(start, host)
}

func opaque(scheme string) bool {
	switch scheme {
	case "data", "doi", "magnet", "mailto", "sms", "tel", "urn":
		return true
	}
	return false
}

// dataURL is the end of a data: URL (RFC 2397) whose scheme ends at i.
func (s *scanner) dataURL(i int) int {
	end := s.run(i, ident, "/+.;=-")
	if s.at(end) != ',' || end > i && strings.IndexByte(s.text[i:min(end, i+200)], '/') < 0 && s.at(i) != ';' {
		return 0
	}
	end = s.run(end+1, ident, `/+=%.-~!*'&$;:@?`)
	return s.trim(i, end)
}

// urlEnd is where the URL ends that reads well up to i: at white space, quotes, angles or an unpaired closing bracket, and without
// the punctuation that ends a sentence. host is where its host begins, -1 if it has none: there also letters of other scripts end
// it, and a hyphen in the last label, since no top-level domain has one: https://a.org-en is https://a.org with a suffix.
func (s *scanner) urlEnd(i, host int) int {
	inHost := host >= 0
	var depth [3]int
	end := i
scan:
	for end < len(s.text) {
		c := s.text[end]
		size := 1
		switch {
		case c <= ' ' || c == 0x7F || strings.IndexByte("<>\"`\\^|", c) >= 0:
			break scan
		case c == '(' || c == '[' || c == '{':
			depth[strings.IndexByte("([{", c)]++
		case c == ')' || c == ']' || c == '}':
			k := strings.IndexByte(")]}", c)
			if depth[k]--; depth[k] < 0 {
				break scan
			}
		case c == '/' || c == '?' || c == '#':
			inHost = false
		case c == '&' && (s.has(end, "&lt;") || s.has(end, "&gt;") || s.has(end, "&quot;")):
			break scan
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRuneInString(s.text[end:])
			if unicode.IsSpace(r) || unicode.IsPunct(r) || r == utf8.RuneError || inHost && !latin(r) {
				break scan
			}
		}
		end += size
	}
	end = s.trim(i, end)
	if host >= 0 && !strings.ContainsAny(s.text[i:end], "/?#") {
		end = host + len(withoutSuffix(s.text[host:end]))
	}
	if end <= i {
		return 0
	}
	return end
}

// trim is end without the punctuation that belongs to the sentence, or to the emphasis around.
func (s *scanner) trim(start, end int) int {
	for end > start && strings.IndexByte(`.,;:!?'"*_~([{`, s.text[end-1]) >= 0 {
		end--
	}
	return end
}

// withoutSuffix cuts what is glued with a hyphen to the last label of a host: Basque declines https://a.org-en.
func withoutSuffix(host string) string {
	dot := strings.LastIndexByte(host, '.')
	if dot < 0 {
		return host
	}
	last := host[dot+1:]
	if k := strings.IndexByte(last, '-'); k >= 2 && !strings.HasPrefix(strings.ToLower(last), "xn--") {
		return host[:dot+1+k]
	}
	return host
}

// email is local@domain.
func email(s *scanner, i int, w word) int {
	if s.latinBefore(i) {
		return 0
	}
	at := s.ats.at
	if fresh := s.next(&s.ats, "@", i); fresh != at || s.atStart < 0 {
		at = fresh
		s.atStart = at
		for k := at - 1; k >= i && (classes[s.text[k]] != 0 || strings.IndexByte("._%+-", s.text[k]) >= 0); k-- {
			if classes[s.text[k]] != 0 {
				s.atStart = k
			}
		}
	}
	if at < 0 || i != s.atStart || at == i {
		return 0
	}
	end := s.run(at+1, alnum, ".-")
	for end > at+1 && (s.text[end-1] == '.' || s.text[end-1] == '-') {
		end--
	}
	domain := withoutSuffix(s.text[at+1 : end])
	dot := strings.LastIndexByte(domain, '.')
	if dot <= 0 || len(domain)-dot < 3 || classes[domain[dot+1]]&letter == 0 {
		return 0
	}
	end = at + 1 + len(domain)
	if s.at(end) == ':' && (s.letterAt(end+1) || s.at(end+1) == '/' || s.at(end+1) == '~') { // git@host:path, as ssh writes it
		path := s.trim(end, s.pathEnd(end+1))
		if strings.IndexByte(s.text[end:path], '/') >= 0 {
			return path
		}
	}
	return end
}

// domain is a host name without a scheme, its last label a known one, with what follows of port, path and query.
func domain(s *scanner, i int, w word) int {
	if s.text[i:w.end] == "localhost" && s.at(w.end) == ':' && classes[s.at(w.end+1)]&digit != 0 && !s.latinBefore(i) {
		return s.urlEnd(w.end, -1)
	}
	if s.at(w.end) != '.' && s.at(w.end) != '-' || s.latinBefore(i) || i > 0 && (s.text[i-1] == '@' || s.text[i-1] == '.') {
		return 0
	}
	end := s.chunkAt(i)
	if end == 0 {
		return 0
	}
	host := withoutSuffix(s.text[i:end])
	dot := strings.LastIndexByte(host, '.')
	if dot <= 0 || strings.Contains(host, "..") || strings.IndexByte(host, '_') >= 0 {
		return 0
	}
	end = i + len(host)
	more := s.at(end) == '/' && !s.spaceAt(end+1) || s.at(end) == ':' && classes[s.at(end+1)]&digit != 0
	switch tld := host[dot+1:]; {
	case topLevel[tld] == sure:
	case topLevel[tld] == wordlike && (more || strings.Count(host, ".") > 1):
	default:
		return 0
	}
	if more {
		return s.urlEnd(end, -1)
	}
	return end
}

// chunkAt is the end of the run of letters, digits, dots and hyphens at i, without dots and hyphens at its end. Each run is
// looked at once, from its beginning.
func (s *scanner) chunkAt(i int) int {
	if i < s.chunk && i != s.chunkStart {
		return 0
	}
	if i >= s.chunk {
		s.chunkStart = i
		s.chunk = i
		for s.chunk < len(s.text) {
			c := s.text[s.chunk]
			if classes[c] == 0 && c != '.' && c != '-' {
				if c < utf8.RuneSelf {
					break
				}
				r, size := utf8.DecodeRuneInString(s.text[s.chunk:])
				if !latin(r) {
					break
				}
				s.chunk += size
				continue
			}
			s.chunk++
		}
	}
	end := s.chunk
	for end > i && (s.text[end-1] == '.' || s.text[end-1] == '-') {
		end--
	}
	return end
}

type certainty uint8

const (
	sure     certainty = iota + 1 // no word
	wordlike                      // also a word, so that a missing space between sentences would make a domain
)

// topLevel are the top-level domains that are taken without a scheme: the generic ones in wide use and those of countries whose
// sites are often cited (IANA root zone).
var topLevel = func() map[string]certainty {
	t := map[string]certainty{}
	for _, d := range strings.Fields(`ai app ar at au biz blog br ca cat ch cl cloud cn co com cz de dev dk edu ee es eu eus fi fr
		gal gov gr hk hr hu id ie il info int io ir jp ke kr lt lv ly mil museum mx name net ng nl nz online org pe ph pl pro pt
		qa ro rs ru se sh shop si site sk th tr tv tw ua uk vn wiki xyz za`) {
		t[d], t[strings.ToUpper(d)] = sure, sure
	}
	for _, d := range strings.Fields("am as at be by he id in is it la ma me mu my no so to us name online pro shop site blog cloud wiki app") {
		t[d] = wordlike
		delete(t, strings.ToUpper(d))
	}
	return t
}()
