package regex

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// typeOf is the property that an escape of one letter stands for; a large letter is for what is not in it.
func typeOf(c byte) (r ranges, ok bool) {
	var name string
	switch c | 0x20 {
	case 's':
		name = "space"
	case 'd':
		name = "digit"
	case 'w':
		name = "word"
	case 'h':
		name = "xdigit"
	default:
		return nil, false
	}
	if r = known(name); c < 'a' {
		r = r.not()
	}
	return r, true
}

// wordOutside is \w where it does not stand in a class: the table for Latin-1 that Oniguruma asks there (the ctypes in
// src/unicode.c) has the superscripts and fractions, which are no word characters otherwise.
func wordOutside() ranges {
	return append(append(ranges(nil), known("word")...), 0xb2, 0xb3, 0xb9, 0xb9, 0xbc, 0xbe).normal()
}

// escape reads what follows a \ outside of classes.
func (p *parser) escape(f flags) *node {
	if !p.more() {
		p.fail(`a \ with nothing behind it`)
	}
	c := p.pattern[p.at]
	if r, ok := typeOf(c); ok {
		p.at++
		switch c {
		case 'w':
			r = wordOutside()
		case 'W':
			r = wordOutside().not()
		}
		return &node{kind: kSet, set: r}
	}
	switch c {
	case 'b', 'B', 'A', 'z', 'Z':
		p.at++
		return &node{kind: kAnchor, anchor: c}
	case 'p', 'P':
		start := p.at
		if r, ok := p.property(); ok {
			if word, _ := property("word"); slices.Equal(r, word) {
				r = wordOutside()
			} else if slices.Equal(r, word.not()) {
				r = wordOutside().not()
			}
			return &node{kind: kSet, set: r}
		}
		p.at = start
	case 'N':
		p.at++
		return &node{kind: kSet, set: ranges{'\n', '\n'}.not()}
	case 'O':
		p.at++
		return &node{kind: kSet, set: ranges{0, utf8.MaxRune}}
	case 'R':
		p.at++
		return &node{kind: kAtomic, kids: []*node{{kind: kAlt, kids: []*node{
			{kind: kLiteral, lit: []rune("\r\n")},
			{kind: kSet, set: ranges{'\n', '\r', 0x85, 0x85, 0x2028, 0x2029}},
		}}}}
	case 'k':
		p.fail("back-references are not known")
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		at := p.at
		if n, _ := p.digits(10, 4); n <= 9 || n <= p.groups {
			p.fail("back-references are not known")
		}
		p.at = at // in octal
	case 'g':
		p.fail("calls of groups are not known")
	case 'X', 'y', 'Y', 'K', 'G':
		p.fail(`\%c is not known`, c)
	}
	return literal(f, p.code())
}

// property reads p{…} or P{…}. ok is false if there are no braces: the letter stands for itself.
func (p *parser) property() (r ranges, ok bool) {
	start := p.at
	not := p.pattern[p.at] == 'P'
	p.at++
	if !p.take("{") {
		p.at = start
		return nil, false
	}
	if p.take("^") {
		not = !not
	}
	i := strings.IndexByte(p.pattern[p.at:], '}')
	if i < 0 {
		p.fail("a property without its }")
	}
	name := p.pattern[p.at : p.at+i]
	if r, ok = property(name); !ok {
		p.fail("the property %q is not known", name)
	}
	p.at += i + 1
	if not {
		r = r.not()
	}
	return r, true
}

// code reads the character that an escape stands for.
func (p *parser) code() rune {
	start := p.at
	switch c := p.rune(); c {
	case 't':
		return '\t'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	case 'v':
		return '\v'
	case 'a':
		return '\a'
	case 'e':
		return 0x1b
	case 'b':
		return '\b' // in classes
	case 'c', 'C', 'M':
		if c == 'c' || p.has("-") {
			p.at = start
			p.fail(`\%c is not known`, c)
		}
		return c
	case 'u':
		n, w := p.digits(16, 4)
		if w < 4 {
			p.fail(`\u wants four hexadecimal digits`)
		}
		return p.valid(n)
	case 'x', 'o':
		base := 16
		if c == 'o' {
			base = 8
		}
		if p.take("{") {
			n, w := p.digits(base, 11)
			switch {
			case w == 0:
				p.fail(`\%c{ wants digits`, c)
			case p.has(" "):
				p.fail(`several characters in one \%c{…} are not known`, c)
			case !p.take("}"):
				p.fail(`\%c{ without its }`, c)
			}
			return p.valid(n)
		}
		if c == 'o' {
			return c
		}
		return p.bytes(2, 16)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		p.at = start
		return p.bytes(3, 8)
	default:
		return c
	}
}

// digits reads at most most digits.
func (p *parser) digits(base, most int) (n, width int) {
	for ; width < most && p.more(); width++ {
		d := strings.IndexByte("0123456789abcdef", p.pattern[p.at]|0x20)
		if d < 0 || d >= base || p.pattern[p.at] < '0' {
			break
		}
		if n = n*base + d; n > 1<<24 {
			n = 1 << 24
		}
		p.at++
	}
	return n, width
}

func (p *parser) valid(n int) rune {
	if n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		p.fail("a number that is no character")
	}
	return rune(n)
}

// bytes reads a character in digits of its bytes: \xe2\x96\x81.
func (p *parser) bytes(most, base int) rune {
	n, _ := p.digits(base, most)
	if n < utf8.RuneSelf {
		return rune(n)
	}
	b := []byte{byte(n)}
	for len(b) < utf8.UTFMax && !utf8.FullRune(b) && n < 256 {
		if base == 16 && !p.take(`\x`) || base == 8 && !p.take(`\`) {
			break
		}
		n, _ = p.digits(base, most)
		b = append(b, byte(n))
	}
	r, w := utf8.DecodeRune(b)
	if w != len(b) || w == 1 || n > 255 {
		p.fail("bytes that are not UTF-8")
	}
	return r
}

// class reads a class behind its [.
func (p *parser) class(f flags) *node {
	r, not := p.classRanges(0)
	if !f.fold {
		if not {
			r = r.not()
		}
		return &node{kind: kSet, set: r}
	}
	var alts []*node
	if !not && p.behind == 0 { // [ß] is ss too
		for _, m := range multiFolds {
			if strings.ContainsFunc(m.from, r.has) {
				seq := &node{kind: kCat}
				for _, c := range m.to {
					seq.kids = append(seq.kids, &node{kind: kSet, set: ranges{c, c}.folded()})
				}
				alts = append(alts, seq)
			}
		}
	}
	if r = r.folded(); not {
		r = r.not()
	}
	set := &node{kind: kSet, set: r}
	if alts == nil {
		return set
	}
	return &node{kind: kAlt, kids: append([]*node{set}, alts...)}
}

// classRanges reads a class behind its [, and says whether it has a ^ before it.
func (p *parser) classRanges(depth int) (out ranges, not bool) {
	start := p.at - 1
	if depth > maxDepth {
		p.fail("classes in more than %d others", maxDepth)
	}
	not = p.take("^")
	var (
		now     ranges // since the last &&
		and     ranges // what stands before it
		anded   bool
		pending rune = -1 // a character that a - may follow
		isType  bool      // in its place, something that none may
		from    rune = -1 // what stands before a -
		done    bool      // a range has just ended
	)
	single := func(c rune) {
		switch {
		case from >= 0:
			if c < from {
				p.fail("a range from %q down to %q", from, c)
			}
			now = append(now, from, c)
			from, done = -1, true
			return
		case pending >= 0:
			now = append(now, pending, pending)
		}
		pending, isType, done = c, false, false
	}
	whole := func(r ranges) {
		if from >= 0 {
			p.fail("a range to something that is no character")
		}
		if pending >= 0 {
			now = append(now, pending, pending)
		}
		now = append(now, r...)
		pending, isType, done = -1, true, false
	}
	flush := func() {
		if pending >= 0 {
			now = append(now, pending, pending)
		}
		pending, from, isType, done = -1, -1, false, false
	}
	first := true
	for ; ; first = false {
		if !p.more() {
			p.at = start
			p.fail("a [ without its ]")
		}
		switch {
		case p.has("]") && first && p.closes():
			p.at++
			single(']')
		case p.take("]"):
			if first {
				p.at = start
				p.fail("an empty class")
			}
			flush()
			if now = now.normal(); anded {
				now = and.and(now)
			}
			return now, not
		case p.take("&&"):
			flush()
			if now = now.normal(); anded {
				now = and.and(now)
			}
			and, now, anded = now, nil, true
		case p.has("[:"):
			if r, ok := p.posix(); ok {
				whole(r)
				continue
			}
			fallthrough
		case p.has("["):
			p.at++
			if from >= 0 {
				p.fail("a range to something that is no character")
			}
			flush()
			done = true
			r, inner := p.classRanges(depth + 1)
			if inner {
				r = r.not()
			}
			now = append(now, r...)
		case p.has("-"):
			p.at++
			switch {
			case from >= 0: // [!--]
				single('-')
			case p.has("]") || p.has("&&") || done || pending < 0 && !isType:
				done = false
				single('-')
			case isType:
				p.fail("a range from something that is no character")
			default:
				from, pending = pending, -1
			}
		case p.take(`\`):
			if !p.more() {
				p.fail(`a \ with nothing behind it`)
			}
			c := p.pattern[p.at]
			if r, ok := typeOf(c); ok {
				p.at++
				whole(r)
				continue
			}
			if c == 'p' || c == 'P' {
				if r, ok := p.property(); ok {
					whole(r)
					continue
				}
			}
			single(p.code())
		default:
			single(p.rune())
		}
	}
}

// closes says whether a ] stands behind the one that is next.
func (p *parser) closes() bool {
	for i := p.at + 1; i < len(p.pattern); i++ {
		switch p.pattern[i] {
		case '\\':
			i++
		case ']':
			return true
		}
	}
	return false
}

// posix reads [:name:] or [:^name:]. ok is false if it is a class that begins with a colon.
func (p *parser) posix() (r ranges, ok bool) {
	at := p.at + 2
	not := strings.HasPrefix(p.pattern[at:], "^")
	if not {
		at++
	}
	end := at
	for end < len(p.pattern) && p.pattern[end] >= 'a' && p.pattern[end] <= 'z' {
		end++
	}
	if !strings.HasPrefix(p.pattern[end:], ":]") {
		return nil, false
	}
	name := p.pattern[at:end]
	switch name {
	case "punct":
		name = "posixpunct" // \p{Punct} is P alone
	case "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "space", "upper", "word", "xdigit":
	default:
		p.fail("the class [:%s:] is not known", name)
	}
	r, ok = property(name)
	if !ok {
		p.fail("the class [:%s:] is not known", name)
	}
	p.at = end + 2
	if not {
		r = r.not()
	}
	return r, true
}
