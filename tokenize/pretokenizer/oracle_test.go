package pretokenizer

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// oracle is a backtracking matcher of the regexes that tokenizer.json holds, read from the regex itself: the slow
// twin of the scanners. It knows alternatives, groups (?i:…), sets, \p{…}, \s, \S, the quantifiers ? * + {1,n}
// and (?!…), each as Perl defines it: the first alternative that lets the rest match, greedy, giving back one by one.
type oracle struct {
	pattern string
	at      int
	top     *alternatives
}

type alternatives struct {
	seqs [][]item
}

type item struct {
	set      func(rune) bool // one code point, or
	group    *alternatives   // a group
	not      bool            // (?!group)
	min, max int
}

func newOracle(pattern string) *oracle {
	o := &oracle{pattern: pattern}
	o.top = o.alternatives(false)
	if o.at != len(pattern) {
		panic(fmt.Sprintf("%s: stopped at %d", pattern, o.at))
	}
	return o
}

func (o *oracle) alternatives(fold bool) *alternatives {
	a := &alternatives{}
	for {
		var seq []item
		for o.at < len(o.pattern) && o.pattern[o.at] != '|' && o.pattern[o.at] != ')' {
			seq = append(seq, o.item(fold))
		}
		a.seqs = append(a.seqs, seq)
		if o.at == len(o.pattern) || o.pattern[o.at] == ')' {
			return a
		}
		o.at++
	}
}

func (o *oracle) item(fold bool) item {
	it := item{min: 1, max: 1}
	rest := o.pattern[o.at:]
	switch {
	case strings.HasPrefix(rest, "(?i:"), strings.HasPrefix(rest, "(?!"):
		it.not = rest[2] == '!'
		o.at += strings.IndexAny(rest, ":!") + 1
		it.group = o.alternatives(!it.not)
		o.at++ // )
	case rest[0] == '[':
		it.set = o.bracket()
	case rest[0] == '\\':
		it.set = o.escape()
	default:
		r, n := utf8.DecodeRuneInString(rest)
		o.at += n
		it.set = func(c rune) bool { return c == r }
		if fold {
			it.set = func(c rune) bool {
				for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
					if f == c {
						return true
					}
				}
				return c == r
			}
		}
	}
	if o.at < len(o.pattern) {
		switch o.pattern[o.at] {
		case '?':
			it.min = 0
			o.at++
		case '*':
			it.min, it.max = 0, 1<<30
			o.at++
		case '+':
			it.max = 1 << 30
			o.at++
		case '{':
			if _, err := fmt.Sscanf(o.pattern[o.at:], "{1,%d}", &it.max); err != nil {
				panic(err)
			}
			o.at += strings.IndexByte(o.pattern[o.at:], '}') + 1
		}
	}
	return it
}

func (o *oracle) bracket() func(rune) bool {
	o.at++
	not := o.pattern[o.at] == '^'
	if not {
		o.at++
	}
	var sets []func(rune) bool
	for o.pattern[o.at] != ']' {
		if o.pattern[o.at] == '\\' {
			sets = append(sets, o.escape())
			continue
		}
		b := rune(o.pattern[o.at])
		o.at++
		sets = append(sets, func(c rune) bool { return c == b })
	}
	o.at++
	return func(c rune) bool {
		for _, s := range sets {
			if s(c) {
				return !not
			}
		}
		return not
	}
}

func (o *oracle) escape() func(rune) bool {
	o.at += 2
	t := theClasses()
	switch e := o.pattern[o.at-1]; e {
	case 'r':
		return func(c rune) bool { return c == '\r' }
	case 'n':
		return func(c rune) bool { return c == '\n' }
	case 's':
		return func(c rune) bool { return t.rune(c)&isSpace != 0 }
	case 'S':
		return func(c rune) bool { return t.rune(c)&isSpace == 0 }
	case 'p':
		end := o.at + strings.IndexByte(o.pattern[o.at:], '}') + 1
		name := o.pattern[o.at+1 : end-1]
		o.at = end
		// Categories from the class of the table, which TestClasses compares with package unicode's.
		has := map[string][]class{
			"L": {upper, lower, caseless}, "N": {number}, "M": {mark},
			"Lu": {upper}, "Lt": {upper}, "Ll": {lower}, "Lm": {caseless}, "Lo": {caseless},
		}[name]
		if has == nil {
			panic("category " + name)
		}
		return func(c rune) bool {
			for _, h := range has {
				if t.rune(c).kind() == h {
					return true
				}
			}
			return false
		}
	default:
		panic("escape " + string(e))
	}
}

// next is where the match at text[i] ends, or -1.
func (o *oracle) next(text []byte, i int) int {
	return o.top.match(text, i, func(j int) int { return j })
}

func (a *alternatives) match(text []byte, i int, then func(int) int) int {
	for _, seq := range a.seqs {
		if j := matchSeq(seq, text, i, then); j >= 0 {
			return j
		}
	}
	return -1
}

func matchSeq(seq []item, text []byte, i int, then func(int) int) int {
	if len(seq) == 0 {
		return then(i)
	}
	it, rest := seq[0], seq[1:]
	if it.not {
		if it.group.match(text, i, func(j int) int { return j }) >= 0 {
			return -1
		}
		return matchSeq(rest, text, i, then)
	}
	if it.group != nil { // at most one of it
		if j := it.group.match(text, i, func(j int) int { return matchSeq(rest, text, j, then) }); j >= 0 {
			return j
		}
		if it.min > 0 {
			return -1
		}
		return matchSeq(rest, text, i, then)
	}
	ends := []int{i}
	for len(ends) <= it.max {
		j := ends[len(ends)-1]
		if j == len(text) {
			break
		}
		r, n := utf8.DecodeRune(text[j:])
		if !it.set(r) {
			break
		}
		ends = append(ends, j+n)
	}
	for k := len(ends) - 1; k >= it.min; k-- {
		if j := matchSeq(rest, text, ends[k], then); j >= 0 {
			return j
		}
	}
	return -1
}
