package pii

import (
	"bytes"
	"sort"

	"curate/text"
)

// IPv4s appends the addresses of the public internet in four decimal numbers, found by their first dot. Neither side touches a
// letter, a digit, a dot with a digit behind it, or - or _ ; numbers have no leading zeros. What the registries keep for special
// uses is no person's (privateIPv4), nor is an address whose four numbers are all below 32: those are nearly always numbers of
// versions and sections, and one address in 4,096 is so.
func IPv4s(dst []text.Span, doc []byte) []text.Span {
	for at := 0; ; {
		i := bytes.IndexByte(doc[at:], '.')
		if i < 0 {
			return dst
		}
		i += at
		at = i + 1
		if i == 0 || !isDigit(doc[i-1]) || at >= len(doc) || !isDigit(doc[at]) {
			continue
		}
		lo := i
		for lo > 0 && i-lo < 4 && isDigit(doc[lo-1]) {
			lo--
		}
		ip, hi, ok := parseIPv4(doc, lo)
		if !ok {
			continue
		}
		at = hi
		if edgeBefore(doc, lo) && edgeAfter(doc, hi) && !isPrivateIPv4(ip) && ip&0xE0E0E0E0 != 0 {
			dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(hi)})
		}
	}
}

// edgeBefore says whether an address may begin at i.
func edgeBefore(doc []byte, i int) bool {
	if i == 0 {
		return true
	}
	c := doc[i-1]
	return c != '_' && c != '-' && c != '.' && c != ':' && !letterBefore(doc, i) ||
		c == ':' && (i < 2 || !isAlnum(doc[i-2]) || doc[i-2]|0x20 > 'f') // "IP:192.…", not a part of an IPv6 address
}

// edgeAfter says whether an address may end at i.
func edgeAfter(doc []byte, i int) bool {
	if i == len(doc) {
		return true
	}
	c := doc[i]
	if c == '.' || c == '-' { // the end of a sentence, or more
		return i+1 == len(doc) || !letterAt(doc, i+1)
	}
	return c != '_' && !letterAt(doc, i)
}

// parseIPv4 reads four numbers from i on: up to 255, no leading zeros.
func parseIPv4(doc []byte, i int) (ip uint32, end int, ok bool) {
	for part := range 4 {
		if part > 0 {
			if i >= len(doc) || doc[i] != '.' {
				return 0, 0, false
			}
			i++
		}
		v, n := uint32(0), 0
		for ; i+n < len(doc) && isDigit(doc[i+n]); n++ {
			if n == 3 {
				return 0, 0, false
			}
			v = v*10 + uint32(doc[i+n]-'0')
		}
		if n == 0 || v > 255 || n > 1 && doc[i] == '0' {
			return 0, 0, false
		}
		ip = ip<<8 | v
		i += n
	}
	return ip, i, true
}

// ipRange is a range of addresses, both ends included.
type ipRange struct{ lo, hi uint32 }

// privateIPv4 are the blocks that are not globally reachable in IANA's IPv4 Special-Purpose Address Registry (RFC 6890 and those
// after it), and multicast (RFC 5771).
var privateIPv4 = []ipRange{
	{0x00000000, 0x00FFFFFF}, // 0.0.0.0/8
	{0x0A000000, 0x0AFFFFFF}, // 10.0.0.0/8
	{0x64400000, 0x647FFFFF}, // 100.64.0.0/10
	{0x7F000000, 0x7FFFFFFF}, // 127.0.0.0/8
	{0xA9FE0000, 0xA9FEFFFF}, // 169.254.0.0/16
	{0xAC100000, 0xAC1FFFFF}, // 172.16.0.0/12
	{0xC0000000, 0xC00000FF}, // 192.0.0.0/24
	{0xC0000200, 0xC00002FF}, // 192.0.2.0/24
	{0xC0586300, 0xC05863FF}, // 192.88.99.0/24
	{0xC0A80000, 0xC0A8FFFF}, // 192.168.0.0/16
	{0xC6120000, 0xC613FFFF}, // 198.18.0.0/15
	{0xC6336400, 0xC63364FF}, // 198.51.100.0/24
	{0xCB007100, 0xCB0071FF}, // 203.0.113.0/24
	{0xE0000000, 0xFFFFFFFF}, // 224.0.0.0/4, 240.0.0.0/4
}

func isPrivateIPv4(ip uint32) bool { return inRanges(privateIPv4, ip) }

func inRanges(ranges []ipRange, ip uint32) bool {
	i := sort.Search(len(ranges), func(i int) bool { return ranges[i].hi >= ip })
	return i < len(ranges) && ranges[i].lo <= ip
}

// IPv6s appends the addresses of 2000::/3, the part of IPv6 that is assigned to the public internet (RFC 4291), found by their
// first colon: the first group is written with four digits, of which the first is 2 or 3. Not those for documentation
// (2001:db8::/32, 3fff::/20) and for protocols (2001::/23).
func IPv6s(dst []text.Span, doc []byte) []text.Span {
	for at := 0; ; {
		i := bytes.IndexByte(doc[at:], ':')
		if i < 0 {
			return dst
		}
		i += at
		at = i + 1
		lo := i - 4
		if lo < 0 || doc[lo] != '2' && doc[lo] != '3' || lo > 0 && (doc[lo-1] == ':' || doc[lo-1] == '.' || doc[lo-1] == '_' || letterBefore(doc, lo)) {
			continue
		}
		prefix, hi, ok := parseIPv6(doc, lo)
		if !ok || hi <= i { // the first group has other signs among its four
			continue
		}
		at = hi
		if hi < len(doc) && (letterAt(doc, hi) || doc[hi] == '_' || doc[hi] == ':' && hi+1 < len(doc) && (doc[hi+1] == ':' || isAlnum(doc[hi+1]))) {
			continue
		}
		if prefix == 0x20010DB8 || prefix>>12 == 0x3FFF0 || prefix>>9 == 0x20010000>>9 {
			continue
		}
		dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(hi)})
	}
}

// parseIPv6 reads an address from i on (RFC 4291, section 2.2: eight groups, of which one :: stands for those that are zero).
// prefix is its first two groups.
func parseIPv6(doc []byte, i int) (prefix uint32, end int, ok bool) {
	groups, gap := 0, -1
	for {
		v, n := uint32(0), 0
		for ; n < 4 && i+n < len(doc); n++ {
			d, isHex := hexDigit(doc[i+n])
			if !isHex {
				break
			}
			v = v<<4 | d
		}
		if n == 0 {
			break
		}
		switch groups {
		case 0:
			prefix = v << 16
		case 1:
			if gap != 1 {
				prefix |= v
			}
		}
		groups++
		i += n
		end = i
		if groups == 8 {
			break
		}
		if i >= len(doc) || doc[i] != ':' {
			break
		}
		i++
		if i < len(doc) && doc[i] == ':' {
			if gap >= 0 {
				break
			}
			gap = groups
			i++
			end = i
		}
	}
	return prefix, end, groups == 8 && gap < 0 || gap >= 0 && groups < 8
}

func hexDigit(c byte) (v uint32, ok bool) {
	switch {
	case isDigit(c):
		return uint32(c - '0'), true
	case c|0x20-'a' < 6:
		return uint32(c|0x20-'a') + 10, true
	}
	return 0, false
}
