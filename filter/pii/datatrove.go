package pii

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"curate/text"
)

// What datatrove 0.10.1 finds (formatters/pii.py, PIIFormatter), under CPython 3.11: where its two regular expressions match,
// one after another and none into another, and the leftmost of what could match.

// DatatroveEmailTexts and DatatroveIPTexts are what it puts in their place, in turn.
var (
	DatatroveEmailTexts = []string{"email@example.com", "firstname.lastname@example.org"}
	DatatroveIPTexts    = []string{"22.214.171.124", "126.96.36.199", "188.8.131.52", "184.108.40.206", "220.127.116.11", "18.104.22.168"}
)

// AppendDatatrove appends what its formatter makes of doc: e-mail addresses, then the IP addresses of what that leaves. Where the
// formatter goes on in its lists of replacements from document to document, which makes a text depend on the ones before
// it, each document begins anew here. found are the numbers of both.
func (f *Finder) AppendDatatrove(dst, doc []byte, emails, ips []string, public bool) (out []byte, found [2]int) {
	lo := len(dst)
	if len(emails) > 0 {
		f.part = DatatroveEmails(f.part[:0], doc)
		found[0] = len(f.part)
		dst = AppendCycled(dst, doc, f.part, emails)
	} else {
		dst = append(dst, doc...)
	}
	if len(ips) > 0 {
		if f.part = DatatroveIPs(f.part[:0], dst[lo:], public); len(f.part) > 0 {
			found[1] = len(f.part)
			hi := len(dst)
			dst = AppendCycled(dst, dst[lo:hi], f.part, ips)
			dst = append(dst[:lo], dst[hi:]...)
		}
	}
	return dst, found
}

// FindDatatrove is Find with what its expressions find in doc: IP addresses in the text as it is, not in what the formatter leaves.
func (f *Finder) FindDatatrove(doc []byte, kinds Set, public bool) []Span {
	f.all = f.all[:0]
	if kinds.Has(Email) {
		f.part = DatatroveEmails(f.part[:0], doc)
		f.add(Email)
	}
	if kinds.Has(IPv4) {
		f.part = DatatroveIPs(f.part[:0], doc, public)
		f.add(IPv4)
	}
	f.order()
	return f.all
}

// DatatroveEmails appends where its expression for e-mail addresses matches.
func DatatroveEmails(dst []text.Span, doc []byte) []text.Span {
	from := 0
	for at := 0; ; {
		i := bytes.IndexByte(doc[at:], '@')
		if i < 0 {
			return dst
		}
		i += at
		at = i + 1
		hi := datatroveDomain(doc, i+1)
		if hi < 0 {
			continue
		}
		if lo := datatroveLocal(doc, from, i); lo < i {
			dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(hi)})
			from, at = hi, hi
		}
	}
}

// atext are the characters of RFC 5322, section 3.2.3, beside letters and digits.
const atextSigns = "!#$%&'*+/=?^_`{|}~-"

func isAtext(c byte) bool { return isAlnum(c) || c < 0x80 && strings.IndexByte(atextSigns, c) >= 0 }

// datatroveLocal is the leftmost start, from from on, of atext with single dots between that begins at a word boundary and
// ends at i; or i.
func datatroveLocal(doc []byte, from, i int) int {
	if i == from || !isAtext(doc[i-1]) {
		return i
	}
	lo := i
	for lo > from && (isAtext(doc[lo-1]) || doc[lo-1] == '.' && doc[lo] != '.') {
		lo--
	}
	before := false // whether a \w stands before lo
	if lo > 0 {
		r, _ := utf8.DecodeLastRune(doc[:lo])
		before = text.IsWord(r)
	}
	for ; lo < i; lo++ {
		c := doc[lo]
		word := isAlnum(c) || c == '_'
		if word != before && c != '.' {
			return lo
		}
		before = word
	}
	return i
}

// datatroveDomain is the end of the domain that begins at i, or -1: labels with dots between, or what stands in brackets.
func datatroveDomain(doc []byte, i int) int {
	if i < len(doc) && doc[i] == '[' {
		return datatroveLiteral(doc, i+1)
	}
	end := -1
	for first := true; ; first = false {
		j := i
		for j < len(doc) && (isAlnum(doc[j]) || doc[j] == '-') {
			j++
		}
		hi := j
		for hi > i && doc[hi-1] == '-' {
			hi--
		}
		if hi == i || doc[i] == '-' {
			return end
		}
		if !first {
			end = hi
		}
		if hi < j || j >= len(doc) || doc[j] != '.' {
			return end
		}
		i = j + 1
	}
}

// datatroveLiteral is the end of an address in brackets whose inside begins at i, or -1. Its fourth part is a number or a word
// with a colon behind it, as the expression has it.
func datatroveLiteral(doc []byte, i int) int {
	for range 3 {
		j := i
		for j < len(doc) && isDigit(doc[j]) && j-i < 4 {
			j++
		}
		if !isOctet(doc[i:j]) || j >= len(doc) || doc[j] != '.' {
			return -1
		}
		i = j + 1
	}
	j := i
	for j < len(doc) && (isAlnum(doc[j]) || doc[j] == '-') {
		j++
	}
	switch {
	case isOctet(doc[i:j]) && j < len(doc) && doc[j] == ']':
		return j + 1
	case j > i && doc[j-1] != '-' && j+1 < len(doc) && doc[j] == ':' && doc[j+1] == ']':
		return j + 2
	}
	return -1
}

// isOctet says whether b is a number up to 255 of one to three digits, zeros before it included.
func isOctet(b []byte) bool {
	if len(b) == 0 || len(b) > 3 {
		return false
	}
	v := 0
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
		v = v*10 + int(c-'0')
	}
	return v <= 255
}

// DatatroveIPs appends where its expression for IPv4 addresses matches and, with public, ipaddress.ip_address(match).is_global
// holds: in CPython 3.11.7, which calls multicast addresses global.
func DatatroveIPs(dst []text.Span, doc []byte, public bool) []text.Span {
	lo := len(dst)
	dst = dottedQuads(dst, doc)
	kept := dst[:lo]
	for _, s := range dst[lo:] {
		ip, ok := parseQuad(s.Of(doc)) // a number with zeros before it is no address
		if ok && (!public || !inRanges(pythonPrivate, ip)) {
			kept = append(kept, s)
		}
	}
	return kept
}

// parseQuad is parseIPv4 for text that ends with the address.
func parseQuad(b []byte) (ip uint32, ok bool) {
	ip, hi, ok := parseIPv4(b, 0)
	return ip, ok && hi == len(b)
}

// dottedQuads appends where four numbers up to 255 stand with dots between, each of up to three digits, zeros before them
// included. A match may begin and end inside a longer number: it begins as far left as it can, and its last number is the
// longest that is possible.
func dottedQuads(dst []text.Span, doc []byte) []text.Span {
	from := 0
	for at := 0; ; {
		i := bytes.IndexByte(doc[at:], '.')
		if i < 0 {
			return dst
		}
		i += at
		at = i + 1
		lo := i
		for lo > from && i-lo < 3 && isDigit(doc[lo-1]) {
			lo--
		}
		for lo < i && !isOctet(doc[lo:i]) {
			lo++
		}
		if lo == i {
			continue
		}
		j := at
		ok := true
		for range 2 {
			k := j
			for k < len(doc) && isDigit(doc[k]) && k-j < 4 {
				k++
			}
			if ok = isOctet(doc[j:k]) && k < len(doc) && doc[k] == '.'; !ok {
				break
			}
			j = k + 1
		}
		if !ok {
			continue
		}
		hi := j
		for hi < len(doc) && isDigit(doc[hi]) && isOctet(doc[j:hi+1]) {
			hi++
		}
		if hi == j {
			continue
		}
		dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(hi)})
		from, at = hi, hi
	}
}

// pythonPrivate are the networks that CPython 3.11.7 (Lib/ipaddress.py, _IPv4Constants) does not call global.
var pythonPrivate = []ipRange{
	{0x00000000, 0x00FFFFFF}, // 0.0.0.0/8
	{0x0A000000, 0x0AFFFFFF}, // 10.0.0.0/8
	{0x64400000, 0x647FFFFF}, // 100.64.0.0/10
	{0x7F000000, 0x7FFFFFFF}, // 127.0.0.0/8
	{0xA9FE0000, 0xA9FEFFFF}, // 169.254.0.0/16
	{0xAC100000, 0xAC1FFFFF}, // 172.16.0.0/12
	{0xC0000000, 0xC0000007}, // 192.0.0.0/29
	{0xC00000AA, 0xC00000AB}, // 192.0.0.170/31
	{0xC0000200, 0xC00002FF}, // 192.0.2.0/24
	{0xC0A80000, 0xC0A8FFFF}, // 192.168.0.0/16
	{0xC6120000, 0xC613FFFF}, // 198.18.0.0/15
	{0xC6336400, 0xC63364FF}, // 198.51.100.0/24
	{0xCB007100, 0xCB0071FF}, // 203.0.113.0/24
	{0xF0000000, 0xFFFFFFFF}, // 240.0.0.0/4
}
