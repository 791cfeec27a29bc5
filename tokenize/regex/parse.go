package regex

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a pattern may have at most. Real ones have a few hundred characters and three levels.
const (
	maxPattern = 1 << 16
	maxDepth   = 200
	maxRepeat  = 100_000 // ONIG_MAX_REPEAT_NUM (regint.h)
)

type kind uint8

const (
	kLiteral kind = iota // lit
	kSet                 // set
	kCat                 // kids
	kAlt                 // kids
	kGroup               // kids[0]: a group whose literal is not one with what stands beside it
	kRepeat              // kids[0], min, max, lazy
	kAtomic              // kids[0]
	kAhead               // kids[0], not
	kBehind              // kids[0], not
	kAnchor              // anchor
)

const infinite = -1

type node struct {
	kind     kind
	lit      []rune
	fold     bool // lit stands for all that differs from it in case
	set      ranges
	kids     []*node
	min, max int
	lazy     bool
	not      bool
	anchor   byte // b B A z Z ^ $
}

type parser struct {
	pattern string
	at      int
	behind  int // lookbehinds around
	groups  int // capturing ones so far
}

// flags are (?imx).
type flags struct{ fold, dotAll, extended bool }

// A SyntaxError is about a pattern that is wrong, or that has something that this engine does not know.
type SyntaxError struct {
	Pattern string
	At      int // byte
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("regex %q: at byte %d: %s", e.Pattern, e.At, e.Problem)
}

// fail is caught by parse.
func (p *parser) fail(format string, args ...any) {
	panic(&SyntaxError{p.pattern, p.at, fmt.Sprintf(format, args...)})
}

func parse(pattern string) (n *node, err error) {
	p := &parser{pattern: pattern}
	switch {
	case len(pattern) > maxPattern:
		return nil, &SyntaxError{pattern[:40] + "…", 0, fmt.Sprintf("more than %d bytes", maxPattern)}
	case !utf8.ValidString(pattern):
		return nil, &SyntaxError{pattern, 0, "not UTF-8"}
	}
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			if s.Pattern == "" {
				s.Pattern, s.At = pattern, p.at
			}
			n, err = nil, s
		}
	}()
	n = p.alternatives(flags{}, 0)
	if p.at < len(p.pattern) {
		p.fail("a ) without its (")
	}
	return n, nil
}

func (p *parser) more() bool { return p.at < len(p.pattern) }

func (p *parser) has(s string) bool { return strings.HasPrefix(p.pattern[p.at:], s) }

// take takes s if it is next.
func (p *parser) take(s string) bool {
	if p.has(s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) rune() rune {
	r, n := utf8.DecodeRuneInString(p.pattern[p.at:])
	p.at += n
	return r
}

// alternatives reads up to ) or the end.
func (p *parser) alternatives(f flags, depth int) *node {
	if depth > maxDepth {
		p.fail("groups in more than %d others", maxDepth)
	}
	var alts []*node
	for {
		alts = append(alts, p.sequence(f, depth))
		if !p.take("|") {
			break
		}
	}
	if len(alts) == 1 {
		return alts[0]
	}
	return &node{kind: kAlt, kids: alts}
}

func (p *parser) sequence(f flags, depth int) *node {
	cat := &node{kind: kCat}
	for p.more() && !p.has("|") && !p.has(")") {
		if f.extended && p.blank() || p.comment() {
			continue
		}
		n, rest := p.atom(f, depth)
		if rest { // (?i) and all behind it
			cat.kids = append(cat.kids, n)
			break
		}
		n = p.quantifiers(n, f)
		cat.kids = append(cat.kids, n)
	}
	cat.join()
	if len(cat.kids) == 1 {
		return cat.kids[0]
	}
	return cat
}

// join makes literals that follow each other one.
func (n *node) join() {
	var out []*node
	for _, k := range n.kids {
		parts := []*node{k}
		if k.kind == kCat {
			parts = k.kids
		}
		for _, k := range parts {
			if last := len(out) - 1; last >= 0 && k.kind == kLiteral && out[last].kind == kLiteral && k.fold == out[last].fold {
				out[last] = &node{kind: kLiteral, fold: k.fold, lit: slices.Concat(out[last].lit, k.lit)}
				continue
			}
			out = append(out, k)
		}
	}
	n.kids = out
}

// blank takes what (?x) lets stand between: white space, and from # to the end of the line.
func (p *parser) blank() bool {
	switch c := p.pattern[p.at]; {
	case strings.IndexByte(" \t\n\v\f\r", c) >= 0:
		p.at++
	case c == '#':
		i := strings.IndexByte(p.pattern[p.at:], '\n')
		if i < 0 {
			i = len(p.pattern) - p.at - 1
		}
		p.at += i + 1
	default:
		return false
	}
	return true
}

// comment takes (?#…).
func (p *parser) comment() bool {
	if !p.has("(?#") {
		return false
	}
	for i := p.at + 3; i < len(p.pattern); i++ {
		switch p.pattern[i] {
		case '\\':
			i++
		case ')':
			p.at = i + 1
			return true
		}
	}
	p.fail("a comment without its end")
	return false
}

// atom reads what a quantifier may follow. rest says that it is options, and all that stands behind them.
func (p *parser) atom(f flags, depth int) (n *node, rest bool) {
	start := p.at
	switch c := p.rune(); c {
	case '(':
		return p.group(f, depth)
	case '[':
		return p.class(f), false
	case '.':
		if f.dotAll {
			return &node{kind: kSet, set: ranges{0, utf8.MaxRune}}, false
		}
		return &node{kind: kSet, set: ranges{'\n', '\n'}.not()}, false
	case '^', '$':
		return &node{kind: kAnchor, anchor: byte(c)}, false
	case '*', '+', '?':
		p.at = start
		p.fail("a quantifier with nothing before it")
	case '{':
		p.at = start
		if _, _, _, ok := p.interval(); ok {
			p.fail("a quantifier with nothing before it")
		}
		p.at = start + 1
		return literal(f, c), false
	case '\\':
		return p.escape(f), false
	default:
		return literal(f, c), false
	}
	panic("not reached")
}

func literal(f flags, r ...rune) *node { return &node{kind: kLiteral, lit: r, fold: f.fold} }

func (p *parser) group(f flags, depth int) (n *node, rest bool) {
	start := p.at - 1
	body := func(f flags) *node {
		n := p.alternatives(f, depth+1)
		if !p.take(")") {
			p.at = start
			p.fail("a ( without its )")
		}
		return n
	}
	look := func(k kind, not bool) *node {
		if k == kBehind {
			p.behind++
			defer func() { p.behind-- }()
		}
		return &node{kind: k, not: not, kids: []*node{body(f)}}
	}
	switch {
	case p.take("?:"):
		return body(f), false
	case p.take("?>"):
		return &node{kind: kAtomic, kids: []*node{body(f)}}, false
	case p.take("?="):
		return look(kAhead, false), false
	case p.take("?!"):
		return look(kAhead, true), false
	case p.take("?<="):
		return look(kBehind, false), false
	case p.take("?<!"):
		return look(kBehind, true), false
	case p.has("?<"), p.has("?'"):
		end := ">"
		if p.has("?'") {
			end = "'"
		}
		p.at += 2
		i := strings.Index(p.pattern[p.at:], end)
		if i <= 0 || strings.ContainsAny(p.pattern[p.at:p.at+i], "()|<>' ") {
			p.fail("a group's name without its end")
		}
		p.at += i + 1
		p.groups++
		return &node{kind: kGroup, kids: []*node{body(f)}}, false
	case p.take("?~"):
		p.fail("absent expressions, (?~…), are not known")
	case p.has("?("):
		p.fail("conditions, (?(…)…), are not known")
	case p.has("?{"), p.has("*"):
		p.fail("callouts are not known")
	case p.take("?"):
		on := true
		for {
			if !p.more() {
				p.fail("a ( without its )")
			}
			switch c := p.rune(); c {
			case '-':
				on = false
			case 'i':
				f.fold = on
			case 'm':
				f.dotAll = on
			case 'x':
				f.extended = on
			case ':':
				return &node{kind: kGroup, kids: []*node{body(f)}}, false
			case ')':
				return &node{kind: kGroup, kids: []*node{p.alternatives(f, depth+1)}}, true
			default:
				p.at -= utf8.RuneLen(c)
				p.fail("the group option %q is not known; there are i, m and x", c)
			}
		}
	}
	p.groups++
	return &node{kind: kGroup, kids: []*node{body(f)}}, false
}

// quantifiers reads the quantifiers behind n.
func (p *parser) quantifiers(n *node, f flags) *node {
	for p.more() {
		if f.extended && p.blank() || p.comment() {
			continue
		}
		start := p.at
		lo, hi, possessive, ok := 0, infinite, false, true
		interval, fixed := false, false
		switch p.pattern[p.at] {
		case '*':
			p.at++
		case '+':
			lo = 1
			p.at++
		case '?':
			hi = 1
			p.at++
		case '{':
			interval = true
			lo, hi, possessive, ok = p.interval()
			fixed = lo == hi && p.pattern[p.at-1] == '}' && !strings.Contains(p.pattern[start:p.at], ",")
		default:
			return n
		}
		if !ok {
			p.at = start
			return n
		}
		if n.kind == kAnchor || n.kind == kAhead || n.kind == kBehind {
			p.at = start
			p.fail("a quantifier behind something without width")
		}
		lazy := false
		// {n}? is an optional {n}, {n,m}+ is one or more {n,m}, and {m,n} with m > n is possessive.
		if !possessive && !fixed && p.take("?") {
			lazy = true
		} else if !possessive && !interval && p.take("+") {
			possessive = true
		}
		n = repeat(n, lo, hi, lazy)
		if possessive {
			n = &node{kind: kAtomic, kids: []*node{n}}
		}
	}
	return n
}

// interval reads {n}, {n,}, {,m} or {n,m}. If it is none, ok is false, and p may stand anywhere.
func (p *parser) interval() (lo, hi int, possessive, ok bool) {
	number := func() (n int, ok bool) {
		for p.more() && p.pattern[p.at] >= '0' && p.pattern[p.at] <= '9' {
			if n = 10*n + int(p.pattern[p.at]-'0'); n > maxRepeat {
				p.fail("more than %d times", maxRepeat)
			}
			ok = true
			p.at++
		}
		return n, ok
	}
	p.at++
	lo, some := number()
	hi = lo
	if p.take(",") {
		var most bool
		if hi, most = number(); !most {
			hi = infinite
		}
		some = some || most
	}
	if !some || !p.take("}") {
		return 0, 0, false, false
	}
	if hi != infinite && lo > hi {
		return hi, lo, true, true
	}
	return lo, hi, false, true
}

// repeat is n lo to hi times. A quantifier of a quantifier becomes one, as onig_reduce_nested_quantifier (regparse.c)
// has it: what a lazy one in a greedy one matches is not what one would think.
func repeat(n *node, lo, hi int, lazy bool) *node {
	if lo == 1 && hi == 1 {
		return n
	}
	p := &node{kind: kRepeat, min: lo, max: hi, lazy: lazy, kids: []*node{n}}
	if n.kind != kRepeat {
		return p
	}
	outer, inner := p.simple(), n.simple()
	if inner >= 0 && outer < 0 {
		if (inner == 1 || inner == 2) && hi != infinite && hi > 1 && !lazy { // (?:a*){n,m}
			p.max = max(lo, 1)
		}
		return p
	}
	if outer < 0 || inner < 0 {
		if lo == hi && n.min == n.max {
			if p.min = lo * n.min; p.min > maxRepeat {
				panic(&SyntaxError{"", 0, fmt.Sprintf("more than %d times", maxRepeat)})
			}
			p.max, p.kids = p.min, n.kids
		}
		return p
	}
	set := func(lo, hi int, lazy bool) *node {
		return &node{kind: kRepeat, min: lo, max: hi, lazy: lazy, kids: n.kids}
	}
	switch reduced[inner][outer] {
	case 'd':
		return n
	case '*':
		return set(0, infinite, false)
	case '+':
		return set(1, infinite, false)
	case 'A': // *?
		return set(0, infinite, true)
	case 'Q': // ??
		return set(0, 1, true)
	case 'P': // (?:+)??
		p.min, p.max, p.lazy = 0, 1, true
		p.kids = []*node{set(1, infinite, false)}
	}
	return p
}

// reduced is what a quantifier (row) in another (column) becomes; both in the order ? * + ?? *? +?. d is the inner one
// alone, and . both as they stand.
var reduced = [6]string{"d**QA.", "dddPPd", "**d.Pd", "dAAdAA", "dddddd", ".*+AAd"}

func (n *node) simple() int {
	i := -1
	switch {
	case n.min == 0 && n.max == 1:
		i = 0
	case n.min == 0 && n.max == infinite:
		i = 1
	case n.min == 1 && n.max == infinite:
		i = 2
	}
	if i >= 0 && n.lazy {
		i += 3
	}
	return i
}
