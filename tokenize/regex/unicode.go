package regex

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"sync"
	"unicode"
)

// table is the table of properties, read on first use.
var table = sync.OnceValue(func() map[string]ranges {
	packed, err := base64.StdEncoding.DecodeString(properties)
	if err != nil {
		panic(err) // the table is a constant
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	number := func() int {
		n, w := binary.Uvarint(data)
		data = data[w:]
		return int(n)
	}
	out := map[string]ranges{}
	for len(data) > 0 {
		n := number()
		names := string(data[:n])
		data = data[n:]
		r := make(ranges, 0, 2*number())
		number() // bytes
		last := 0
		for len(r) < cap(r) {
			first := last + number()
			last = first + number()
			r = append(r, rune(first), rune(last))
		}
		for name := range strings.FieldsSeq(names) {
			out[name] = r
		}
	}
	return out
})

// property is the code points of a property as \p{name} names it. Large and small letters, "_", "-" and spaces do not
// count in names.
func property(name string) (ranges, bool) {
	key := strings.Map(func(r rune) rune {
		switch {
		case r == '_' || r == '-' || r == ' ':
			return -1
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, name)
	r, ok := table()[key]
	return r, ok
}

// known is a property that there is.
func known(name string) ranges {
	r, ok := property(name)
	if !ok {
		panic(name)
	}
	return r
}

// orbit is r and all code points that differ from it in case alone. laterPairs are what package unicode may not know
// yet; what a version of Unicode later than 16 adds is left out.
func orbit(r rune) []rune {
	out := []rune{r}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		if !known("cn").has(f) {
			out = append(out, f)
		}
	}
	if len(out) == 1 {
		for _, p := range laterPairs {
			switch {
			case r >= p[0] && r < p[0]+p[2]:
				return append(out, r-p[0]+p[1])
			case r >= p[1] && r < p[1]+p[2]:
				return append(out, r-p[1]+p[0])
			}
		}
	}
	return out
}

// laterPairs are pairs of letters, and how many of them follow each other.
var laterPairs = [...][3]rune{
	{0x019b, 0xa7dc, 1}, {0x0264, 0xa7cb, 1}, {0x0390, 0x1fd3, 1}, {0x03b0, 0x1fe3, 1}, {0x1c89, 0x1c8a, 1},
	{0xa7cc, 0xa7cd, 1}, {0xa7da, 0xa7db, 1}, {0xfb05, 0xfb06, 1}, {0x10d50, 0x10d70, 22},
}

// folded is r and what differs from it in case alone.
func (r ranges) folded() ranges {
	out := append(ranges(nil), r...)
	for _, c := range cased() {
		if !r.has(c) {
			continue
		}
		for _, f := range orbit(c) {
			out = append(out, f, f)
		}
	}
	return out.normal()
}

// cased are all code points with others that differ from them in case alone.
var cased = sync.OnceValue(func() []rune {
	var out []rune
	known := known("assigned")
	for i := 0; i < len(known); i += 2 {
		if known[i] > 0x1ffff { // planes without letters that have case
			break
		}
		for c := known[i]; c <= known[i+1]; c++ {
			if len(orbit(c)) > 1 {
				out = append(out, c)
			}
		}
	}
	return out
})

// multiFolds are the sequences that single characters fold to (CaseFolding.txt 16.0.0, status F), with these characters.
var multiFolds = [...]struct{ to, from string }{
	{"\u0066\u0066\u0069", "\ufb03"}, {"\u0066\u0066\u006c", "\ufb04"}, {"\u03b1\u0342\u03b9", "\u1fb7"},
	{"\u03b7\u0342\u03b9", "\u1fc7"}, {"\u03b9\u0308\u0300", "\u1fd2"}, {"\u03b9\u0308\u0301", "\u0390\u1fd3"},
	{"\u03b9\u0308\u0342", "\u1fd7"}, {"\u03c5\u0308\u0300", "\u1fe2"}, {"\u03c5\u0308\u0301", "\u03b0\u1fe3"},
	{"\u03c5\u0308\u0342", "\u1fe7"}, {"\u03c5\u0313\u0300", "\u1f52"}, {"\u03c5\u0313\u0301", "\u1f54"},
	{"\u03c5\u0313\u0342", "\u1f56"}, {"\u03c9\u0342\u03b9", "\u1ff7"}, {"\u0061\u02be", "\u1e9a"},
	{"\u0066\u0066", "\ufb00"}, {"\u0066\u0069", "\ufb01"}, {"\u0066\u006c", "\ufb02"}, {"\u0068\u0331", "\u1e96"}, {"\u0069\u0307", "\u0130"},
	{"\u006a\u030c", "\u01f0"}, {"\u0073\u0073", "\u00df\u1e9e"}, {"\u0073\u0074", "\ufb05\ufb06"},
	{"\u0074\u0308", "\u1e97"}, {"\u0077\u030a", "\u1e98"}, {"\u0079\u030a", "\u1e99"}, {"\u02bc\u006e", "\u0149"},
	{"\u03ac\u03b9", "\u1fb4"}, {"\u03ae\u03b9", "\u1fc4"}, {"\u03b1\u0342", "\u1fb6"},
	{"\u03b1\u03b9", "\u1fb3\u1fbc"}, {"\u03b7\u0342", "\u1fc6"}, {"\u03b7\u03b9", "\u1fc3\u1fcc"},
	{"\u03b9\u0342", "\u1fd6"}, {"\u03c1\u0313", "\u1fe4"}, {"\u03c5\u0313", "\u1f50"}, {"\u03c5\u0342", "\u1fe6"},
	{"\u03c9\u0342", "\u1ff6"}, {"\u03c9\u03b9", "\u1ff3\u1ffc"}, {"\u03ce\u03b9", "\u1ff4"},
	{"\u0565\u0582", "\u0587"}, {"\u0574\u0565", "\ufb14"}, {"\u0574\u056b", "\ufb15"}, {"\u0574\u056d", "\ufb17"},
	{"\u0574\u0576", "\ufb13"}, {"\u057e\u0576", "\ufb16"}, {"\u1f00\u03b9", "\u1f80\u1f88"},
	{"\u1f01\u03b9", "\u1f81\u1f89"}, {"\u1f02\u03b9", "\u1f82\u1f8a"}, {"\u1f03\u03b9", "\u1f83\u1f8b"},
	{"\u1f04\u03b9", "\u1f84\u1f8c"}, {"\u1f05\u03b9", "\u1f85\u1f8d"}, {"\u1f06\u03b9", "\u1f86\u1f8e"},
	{"\u1f07\u03b9", "\u1f87\u1f8f"}, {"\u1f20\u03b9", "\u1f90\u1f98"}, {"\u1f21\u03b9", "\u1f91\u1f99"},
	{"\u1f22\u03b9", "\u1f92\u1f9a"}, {"\u1f23\u03b9", "\u1f93\u1f9b"}, {"\u1f24\u03b9", "\u1f94\u1f9c"},
	{"\u1f25\u03b9", "\u1f95\u1f9d"}, {"\u1f26\u03b9", "\u1f96\u1f9e"}, {"\u1f27\u03b9", "\u1f97\u1f9f"},
	{"\u1f60\u03b9", "\u1fa0\u1fa8"}, {"\u1f61\u03b9", "\u1fa1\u1fa9"}, {"\u1f62\u03b9", "\u1fa2\u1faa"},
	{"\u1f63\u03b9", "\u1fa3\u1fab"}, {"\u1f64\u03b9", "\u1fa4\u1fac"}, {"\u1f65\u03b9", "\u1fa5\u1fad"},
	{"\u1f66\u03b9", "\u1fa6\u1fae"}, {"\u1f67\u03b9", "\u1fa7\u1faf"}, {"\u1f70\u03b9", "\u1fb2"},
	{"\u1f74\u03b9", "\u1fc2"}, {"\u1f7c\u03b9", "\u1ff2"},
}

// multiFold is the longest sequence that literal begins with, in whatever case, and that single characters fold to:
// its length and these characters.
func multiFold(literal []rune) (n int, from string) {
	for _, m := range multiFolds { // the longer ones first
		k := 0
		for _, to := range m.to {
			if k == len(literal) || !sameFold(literal[k], to) {
				k = -1
				break
			}
			k++
		}
		if k > 0 {
			return k, m.from
		}
	}
	return 0, ""
}

func sameFold(a, b rune) bool {
	if a == b {
		return true
	}
	for _, f := range orbit(a) {
		if f == b {
			return true
		}
	}
	return false
}

// unfold is the sequence that c folds to, if it is more than one code point.
func unfold(c rune) string {
	for _, m := range multiFolds {
		for _, f := range m.from {
			if f == c {
				return m.to
			}
		}
	}
	return ""
}
