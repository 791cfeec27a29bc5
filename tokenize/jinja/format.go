package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// str is Python's str(v).
func (r *run) str(v Value) string {
	if v.k == kString {
		return v.s
	}
	mark := len(r.scratch)
	r.scratch = r.appendStr(r.scratch, v)
	s := string(r.scratch[mark:])
	r.scratch = r.scratch[:mark]
	r.room(len(s))
	return s
}

// appendStr appends str(v), as print statements do.
func (r *run) appendStr(b []byte, v Value) []byte {
	switch v.k {
	case kString:
		return append(b, v.s...)
	case kUndefined:
		return b
	}
	return r.appendRepr(b, v, 0)
}

// appendRepr appends Python's repr(v).
func (r *run) appendRepr(b []byte, v Value, depth int) []byte {
	r.step()
	if depth > maxDepth {
		r.fail("a value nested deeper than %d is printed", maxDepth)
	}
	if len(b) > r.maxValue {
		r.room(len(b))
	}
	switch v.k {
	case kNone:
		return append(b, "None"...)
	case kBool:
		if v.n != 0 {
			return append(b, "True"...)
		}
		return append(b, "False"...)
	case kInt:
		return strconv.AppendInt(b, v.n, 10)
	case kBig:
		return r.appendBig(b, v.big())
	case kFloat:
		return appendFloat(b, v.float())
	case kString:
		r.pay(len(v.s))
		if v.n != 0 {
			b = append(b, "Markup("...)
			return append(appendQuoted(b, v.s), ')')
		}
		return appendQuoted(b, v.s)
	case kList:
		return append(r.appendItems(append(b, '['), v.list().items, depth), ']')
	case kTuple:
		items := v.list().items
		b = r.appendItems(append(b, '('), items, depth)
		if len(items) == 1 {
			b = append(b, ',')
		}
		return append(b, ')')
	case kDict:
		return r.appendDict(b, v.dict(), depth)
	case kUndefined:
		return append(b, "Undefined"...)
	case kRange:
		p := v.o.(*pyRange)
		b = append(b, "range("...)
		b = strconv.AppendInt(b, p.start, 10)
		b = strconv.AppendInt(append(b, ", "...), p.stop, 10)
		if p.step != 1 {
			b = strconv.AppendInt(append(b, ", "...), p.step, 10)
		}
		return append(b, ')')
	case kView:
		b = append(append(b, v.typeName()...), "(["...)
		it := r.iterate(v)
		for i := 0; ; i++ {
			item, ok := it.next(r)
			if !ok {
				return append(b, "])"...)
			}
			if i > 0 {
				b = append(b, ", "...)
			}
			b = r.appendRepr(b, item, depth+1)
		}
	case kNamespace:
		b = append(b, "<Namespace "...)
		return append(r.appendDict(b, v.dict(), depth), '>')
	case kMacro:
		m := v.o.(*macro)
		if m.node.name == "" {
			return append(b, "<Macro anonymous>"...)
		}
		return append(appendQuoted(append(b, "<Macro "...), m.node.name), '>')
	case kLoop:
		l := v.o.(*loop)
		b = append(b, "<LoopContext "...)
		b = strconv.AppendInt(b, int64(l.index0+1), 10)
		b = strconv.AppendInt(append(b, '/'), int64(l.length(r)), 10)
		return append(b, '>')
	}
	// Python prints an address, which is another one each time.
	r.fail("a %s has no text; a generator needs |list or |join, a method needs ()", v.typeName())
	return b
}

func (r *run) appendItems(b []byte, items []Value, depth int) []byte {
	for i, item := range items {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = r.appendRepr(b, item, depth+1)
	}
	return b
}

func (r *run) appendDict(b []byte, d *dict, depth int) []byte {
	b = append(b, '{')
	for i, key := range d.keys {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(r.appendRepr(b, key, depth+1), ": "...)
		b = r.appendRepr(b, d.vals[i], depth+1)
	}
	return append(b, '}')
}

func (r *run) appendBig(b []byte, n *big.Int) []byte {
	r.printable(n)
	return n.Append(b, 10)
}

// printable makes sure that an integer has no more digits than Python prints.
func (r *run) printable(n *big.Int) {
	// log10(2) is 0.30103.
	digits := n.BitLen() * 30103 / 100000
	if digits == maxIntDigits {
		digits = len(new(big.Int).Abs(n).Text(10)) - 1
	}
	if digits >= maxIntDigits {
		r.fail("an integer of more than %d digits is printed", maxIntDigits)
	}
	r.pay(n.BitLen())
}

// appendFloat appends a float as Python's repr does: the shortest digits that give it back, with an exponent below
// 1e-4 and from 1e16.
func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	if a := math.Abs(f); f != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	mark := len(b)
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if !strings.Contains(string(b[mark:]), ".") {
		b = append(b, ".0"...)
	}
	return b
}

// appendQuoted appends Python's repr of a string.
func appendQuoted(b []byte, s string) []byte {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b = append(b, quote)
	b = appendEscaped(b, s, quote, false)
	return append(b, quote)
}

const lowerHex = "0123456789abcdef"

// appendEscaped appends s with what Python's repr escapes; ascii escapes all that is not ASCII too.
func appendEscaped(b []byte, s string, quote byte, ascii bool) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == quote || c == '\\':
				b = append(b, '\\', c)
			case c == '\n':
				b = append(b, `\n`...)
			case c == '\r':
				b = append(b, `\r`...)
			case c == '\t':
				b = append(b, `\t`...)
			case c < ' ' || c == 0x7f:
				b = append(b, '\\', 'x', lowerHex[c>>4], lowerHex[c&15])
			default:
				b = append(b, c)
			}
			continue
		}
		c1, n := utf8.DecodeRuneInString(s[i:])
		if !ascii && isPrintable(c1) {
			b = append(b, s[i:i+n]...)
		} else {
			b = appendRuneEscape(b, c1)
		}
		i += n
	}
	return b
}

// appendRuneEscape appends \xhh, \uhhhh or \Uhhhhhhhh.
func appendRuneEscape(b []byte, c rune) []byte {
	digits := 8
	switch {
	case c < 0x100:
		b, digits = append(b, `\x`...), 2
	case c < 0x10000:
		b, digits = append(b, `\u`...), 4
	default:
		b = append(b, `\U`...)
	}
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, lowerHex[c>>shift&15])
	}
	return b
}

// field is a format of a value: what stands behind the colon of str.format, or behind the % of printf.
type field struct {
	fill      rune
	align     byte // < > = ^, or 0
	sign      byte // + - space, or 0
	alternate bool
	zero      bool // a 0 in front of the width
	width     int
	grouping  byte // , or _, or 0
	precision int  // -1 if there is none
	verb      byte // 0 if there is none
}

// pad appends body, with sign or prefix in front of it, in the field's width.
func (r *run) pad(b []byte, f field, prefix, body string, align byte) []byte {
	width := utf8.RuneCountInString(prefix) + utf8.RuneCountInString(body)
	missing := f.width - width
	if missing <= 0 {
		return append(append(b, prefix...), body...)
	}
	fill := f.fill
	if fill == 0 {
		fill = ' '
	}
	r.roomFor(missing, utf8.RuneLen(fill))
	if f.align != 0 {
		align = f.align
	}
	left, inside, right := 0, 0, 0
	switch align {
	case '<':
		right = missing
	case '^':
		left = missing / 2
		right = missing - left
	case '=':
		inside = missing
	default:
		left = missing
	}
	b = appendRepeated(b, fill, left)
	b = append(b, prefix...)
	b = appendRepeated(b, fill, inside)
	b = append(b, body...)
	return appendRepeated(b, fill, right)
}

func appendRepeated(b []byte, c rune, n int) []byte {
	for range n {
		b = utf8.AppendRune(b, c)
	}
	return b
}

// appendInteger appends an integer in a field; the verb is one of d b o x X n.
func (r *run) appendInteger(b []byte, f field, n *big.Int) []byte {
	base, prefix := 10, ""
	switch f.verb {
	case 'b':
		base, prefix = 2, "0b"
	case 'o':
		base, prefix = 8, "0o"
	case 'x', 'X':
		base, prefix = 16, "0"+string(f.verb)
	}
	if !f.alternate {
		prefix = ""
	}
	if base == 10 {
		r.printable(n)
	}
	r.room(n.BitLen())
	digits := new(big.Int).Abs(n).Text(base)
	if f.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if f.grouping != 0 {
		every := 3
		if base != 10 {
			every = 4
		}
		digits = r.group(digits, f, every, len(signOf(n.Sign() < 0, f))+len(prefix))
	}
	return r.pad(b, f, signOf(n.Sign() < 0, f)+prefix, digits, '>')
}

func signOf(negative bool, f field) string {
	switch {
	case negative:
		return "-"
	case f.sign == '+' || f.sign == ' ':
		return string(f.sign)
	}
	return ""
}

// group puts separators between the digits; where zeros fill the width they are digits too.
func (r *run) group(digits string, f field, every, used int) string {
	whole, rest := digits, ""
	if i := strings.IndexAny(digits, ".e%"); i >= 0 {
		whole, rest = digits[:i], digits[i:]
	}
	if f.fill == '0' && f.align == '=' {
		// The digits with their separators and the rest are to fill the width.
		want := f.width - used - len(rest)
		n := len(whole)
		for n+(n-1)/every < want {
			n++
		}
		whole = strings.Repeat("0", n-len(whole)) + whole
	}
	b := make([]byte, 0, len(whole)*4/3+1)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%every == 0 {
			b = append(b, f.grouping)
		}
		b = append(b, whole[i])
	}
	return string(b) + rest
}

// appendReal appends a float in a field; the verb is one of e E f F g G n %, or 0, which is str.format without one.
func (r *run) appendReal(b []byte, f field, v float64) []byte {
	negative := math.Signbit(v) && !math.IsNaN(v)
	if f.precision > maxWidth {
		r.fail("a precision above %d", maxWidth)
	}
	r.room(max(0, f.precision) + 400)
	body := realDigits(f, math.Abs(v))
	prefix := signOf(negative, f)
	if f.grouping != 0 {
		body = r.group(body, f, 3, len(prefix))
	}
	if math.IsInf(v, 0) || math.IsNaN(v) {
		if f.verb == 'E' || f.verb == 'F' || f.verb == 'G' {
			body = strings.ToUpper(body)
		}
	}
	return r.pad(b, f, prefix, body, '>')
}

func realDigits(f field, v float64) string {
	percent := ""
	verb, precision := f.verb, f.precision
	switch verb {
	case 0:
		if precision < 0 {
			return string(appendFloat(nil, v))
		}
		verb = 'r'
	case '%':
		v, verb, percent = v*100, 'f', "%"
	case 'n':
		verb = 'g'
	case 'F':
		verb = 'f'
	}
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return string(appendFloat(nil, v)) + percent
	}
	if precision < 0 {
		precision = 6
	}
	var s string
	switch verb {
	case 'f':
		s = strconv.FormatFloat(v, 'f', precision, 64)
		if f.alternate && precision == 0 {
			s += "."
		}
	case 'e', 'E':
		s = strconv.FormatFloat(v, verb, precision, 64)
		if f.alternate && precision == 0 {
			s = s[:1] + "." + s[1:]
		}
	default: // g, G, and r: g that keeps a .0 and switches to the exponent one digit earlier
		precision = max(1, precision)
		e := strconv.FormatFloat(v, 'e', precision-1, 64)
		at := strings.IndexByte(e, 'e')
		exponent, _ := strconv.Atoi(e[at+1:])
		limit := precision
		if verb == 'r' {
			limit = precision - 1
		}
		if exponent < -4 || exponent >= limit {
			mantissa := e[:at]
			if !f.alternate {
				mantissa = trimZeros(mantissa)
			}
			s = mantissa + e[at:]
		} else {
			s = strconv.FormatFloat(v, 'f', precision-1-exponent, 64)
			if !f.alternate {
				s = trimZeros(s)
			}
			if verb == 'r' && !strings.Contains(s, ".") {
				s += ".0"
			}
		}
		if f.verb == 'G' {
			s = strings.ToUpper(s)
		}
	}
	return s + percent
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// appendText appends a string in a field.
func (r *run) appendText(b []byte, f field, s string) []byte {
	if f.precision >= 0 {
		s = s[:runeOffset(s, f.precision)]
	}
	return r.pad(b, f, "", s, '<')
}
