package jinja

import (
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// printf is Python's format % args: the % operator and the format filter. Conversions are those of "printf-style
// String Formatting" in Python's library reference.
func (r *run) printf(format, args Value) Value {
	p := printer{run: r, args: args, single: args.k != kTuple, markup: format.n != 0}
	s := format.s
	b := []byte{}
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			b = append(b, s...)
			break
		}
		b = append(b, s[:i]...)
		s = s[i+1:]
		b, s = p.conversion(b, s)
		if len(b) > r.maxValue {
			r.room(len(b))
		}
	}
	if !p.named {
		left := p.used == 0
		if !p.single {
			left = p.used < len(args.list().items)
		}
		// A mapping, a list or a range need not be used: Python lets pass all that has __getitem__ and is no string.
		if left && !(p.single && (args.k == kDict || args.k == kList || args.k == kRange || args.k == kUndefined)) {
			r.fail("not all arguments converted during string formatting")
		}
	}
	r.room(len(b))
	return Value{k: kString, n: format.n, s: string(b)}
}

type printer struct {
	*run
	args   Value
	single bool // args is the one argument
	used   int
	named  bool
	markup bool
}

func (p *printer) next() Value {
	if p.single {
		if p.used == 0 {
			p.used++
			return p.args
		}
	} else if items := p.args.list().items; p.used < len(items) {
		p.used++
		return items[p.used-1]
	}
	p.fail("not enough arguments for format string")
	return Value{}
}

// conversion does what stands behind a %.
func (p *printer) conversion(b []byte, s string) ([]byte, string) {
	p.step()
	f := field{precision: -1}
	var arg Value
	if strings.HasPrefix(s, "(") {
		depth, end := 0, -1
		for i := range len(s) {
			if s[i] == '(' {
				depth++
			} else if s[i] == ')' {
				if depth--; depth == 0 {
					end = i
					break
				}
			}
		}
		if end < 0 {
			p.fail("incomplete format key")
		}
		if p.args.k != kDict {
			p.fail("format requires a mapping")
		}
		key := s[1:end]
		v, ok := p.args.dict().name(key)
		if !ok {
			p.fail("no key %q for the format", key)
		}
		arg, p.named = v, true
		s = s[end+1:]
	}
	for s != "" && strings.IndexByte("#0- +", s[0]) >= 0 {
		switch s[0] {
		case '#':
			f.alternate = true
		case '0':
			f.zero = true
		case '-':
			f.align = '<'
		case '+':
			f.sign = '+'
		case ' ':
			if f.sign == 0 {
				f.sign = ' '
			}
		}
		s = s[1:]
	}
	star := func() int {
		v := p.next()
		if v.k != kInt && v.k != kBool && v.k != kBig {
			p.fail("* wants int")
		}
		return p.index(v)
	}
	if strings.HasPrefix(s, "*") {
		f.width = star()
		if f.width < 0 {
			f.align, f.width = '<', -f.width
		}
		s = s[1:]
	} else {
		f.width, s = p.digits(s)
	}
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if strings.HasPrefix(s, "*") {
			f.precision = max(0, star())
			s = s[1:]
		} else {
			f.precision, s = p.digits(s)
		}
	}
	if f.width > maxWidth || f.precision > maxWidth {
		p.fail("a width above %d", maxWidth)
	}
	if s != "" && strings.IndexByte("hlL", s[0]) >= 0 {
		s = s[1:]
	}
	if s == "" {
		p.fail("incomplete format")
	}
	c, n := utf8.DecodeRuneInString(s)
	s = s[n:]
	if c == '%' {
		return append(b, '%'), s
	}
	if arg.k == kMissing {
		arg = p.next()
	}
	return p.convert(b, f, c, arg), s
}

func (p *printer) digits(s string) (int, string) {
	n := 0
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		if n = n*10 + int(s[0]-'0'); n > maxWidth {
			p.fail("a width above %d", maxWidth)
		}
		s = s[1:]
	}
	return n, s
}

func (p *printer) convert(b []byte, f field, c rune, arg Value) []byte {
	if arg.k == kUndefined && strings.ContainsRune("diuoxXeEfFgG", c) {
		p.useOfUndefined(arg)
	}
	if f.zero && f.align == 0 && !strings.ContainsRune("sra", c) {
		f.fill, f.align = '0', '='
	}
	if f.align == 0 {
		f.align = '>'
	}
	switch c {
	case 's', 'r', 'a':
		var t string
		if c == 's' {
			t = p.str(arg)
			if p.markup && arg.n == 0 {
				t = escapeHTML(t)
			}
		} else {
			t = p.repr(arg, c == 'a')
			if p.markup {
				t = escapeHTML(t)
			}
		}
		return p.appendText(b, f, t)
	case 'c':
		if arg.k == kString && utf8.RuneCountInString(arg.s) == 1 {
			return p.appendText(b, f, arg.s)
		}
		if arg.k != kInt && arg.k != kBool {
			p.fail("%%c requires int or char")
		}
		if arg.n < 0 || arg.n > utf8.MaxRune || arg.n >= 0xd800 && arg.n < 0xe000 {
			p.fail("%%c arg not in range(0x110000)")
		}
		return p.appendText(b, f, string(rune(arg.n)))
	case 'd', 'i', 'u', 'o', 'x', 'X':
		n := p.whole(arg, c)
		f.verb = byte(c)
		if c == 'i' || c == 'u' {
			f.verb = 'd'
		}
		if f.precision > 0 {
			// The precision is the least number of digits.
			digits := field{verb: f.verb, precision: -1}
			body := string(p.appendInteger(nil, digits, new(big.Int).Abs(n)))
			if missing := f.precision - len(body); missing > 0 {
				body = strings.Repeat("0", missing) + body
			}
			prefix := signOf(n.Sign() < 0, f)
			if f.alternate && c != 'd' && c != 'i' && c != 'u' {
				prefix += "0" + string(c)
			}
			return p.pad(b, f, prefix, body, '>')
		}
		return p.appendInteger(b, f, n)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		if !arg.isNumber() {
			p.fail("must be real number, not %s", arg.typeName())
		}
		f.verb = byte(c)
		return p.appendReal(b, f, p.toFloat(arg))
	}
	p.fail("unsupported format character '%c' (0x%x)", c, c)
	return b
}

// whole is the integer that %d and its like print.
func (p *printer) whole(arg Value, c rune) *big.Int {
	if arg.isInt() {
		return arg.big()
	}
	if arg.k == kFloat && (c == 'd' || c == 'i' || c == 'u') {
		v := arg.float()
		if math.IsNaN(v) || math.IsInf(v, 0) {
			p.fail("cannot convert float %s to integer", p.str(arg))
		}
		n, _ := new(big.Float).SetFloat64(v).Int(nil)
		return n
	}
	p.fail("%%%c format: a number is required, not %s", c, arg.typeName())
	return nil
}

// repr is Python's repr(v), or ascii(v).
func (r *run) repr(v Value, ascii bool) string {
	b := r.appendRepr(nil, v, 0)
	if ascii {
		// repr has escaped the quotes and control characters already.
		t := make([]byte, 0, len(b))
		for _, c := range string(b) {
			if c < utf8.RuneSelf {
				t = append(t, byte(c))
			} else {
				t = appendRuneEscape(t, c)
			}
		}
		b = t
	}
	r.room(len(b))
	return string(b)
}
