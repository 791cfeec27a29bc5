package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// strFormat is Python's str.format, as "Format String Syntax" in its library reference has it, with the fields looked
// up as jinja2's SandboxedFormatter does.
func (r *run) strFormat(format Value, c call) Value {
	f := formatter{run: r, call: c, markup: format.n != 0}
	b := f.format(nil, format.s, 2)
	r.room(len(b))
	return Value{k: kString, n: format.n, s: string(b)}
}

type formatter struct {
	*run
	call   call
	auto   int // the next number of {}
	manual bool
	markup bool
}

// format appends s with its fields replaced; depth is how many levels of fields may stand in fields.
func (f *formatter) format(b []byte, s string, depth int) []byte {
	if depth < 0 {
		f.fail("Max string recursion exceeded")
	}
	for s != "" {
		f.step()
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			return append(b, s...)
		}
		b = append(b, s[:i]...)
		if len(b) > f.maxValue {
			f.room(len(b))
		}
		c := s[i]
		s = s[i+1:]
		switch {
		case s != "" && s[0] == c:
			b = append(b, c)
			s = s[1:]
		case c == '}':
			f.fail("Single '}' encountered in format string")
		default:
			end := closing(s)
			if end < 0 {
				f.fail("expected '}' before end of string")
			}
			b = f.replace(b, s[:end], depth)
			s = s[end+1:]
		}
	}
	return b
}

// closing is where the } stands that ends a field, or -1.
func closing(s string) int {
	depth, inIndex := 1, false
	for i := range len(s) {
		switch s[i] {
		case '[':
			inIndex = depth == 1
		case ']':
			inIndex = false
		case '{':
			if !inIndex {
				depth++
			}
		case '}':
			if inIndex {
				continue
			}
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// replace appends what belongs to the field {text}.
func (f *formatter) replace(b []byte, field string, depth int) []byte {
	name, spec := field, ""
	end := len(field)
	for i, inIndex := 0, false; i < len(field); i++ {
		switch field[i] {
		case '[':
			inIndex = true
		case ']':
			inIndex = false
		}
		if !inIndex && (field[i] == ':' || field[i] == '!') {
			end = i
			break
		}
	}
	name = field[:end]
	conversion := byte(0)
	if end < len(field) && field[end] == '!' {
		rest := field[end+1:]
		if rest == "" || len(rest) > 1 && rest[1] != ':' {
			f.fail("expected ':' after conversion specifier")
		}
		conversion = rest[0]
		if len(rest) > 1 {
			spec = rest[2:]
		}
	} else if end < len(field) {
		spec = field[end+1:]
	}
	v := f.lookup(name)
	if strings.ContainsAny(spec, "{}") {
		spec = string(f.format(nil, spec, depth-1))
	}
	switch conversion {
	case 0:
	case 's':
		v = text(f.str(v))
	case 'r':
		v = text(f.repr(v, false))
	case 'a':
		v = text(f.repr(v, true))
	default:
		f.fail("Unknown conversion specifier %q", conversion)
	}
	if !f.markup || v.k == kString && v.n != 0 {
		return f.appendFormatted(b, v, spec)
	}
	mark := len(b)
	b = f.appendFormatted(b, v, spec)
	return append(b[:mark], escapeHTML(string(b[mark:]))...)
}

// lookup is the value of a field's name, with its attributes and indices.
func (f *formatter) lookup(name string) Value {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	first, rest := name[:end], name[end:]
	var v Value
	n, err := strconv.Atoi(first)
	switch {
	case first == "":
		if f.manual {
			f.fail("cannot switch from manual field specification to automatic field numbering")
		}
		n = f.auto
		f.auto++
		v = f.argument(n)
	case err == nil && n >= 0 && first[0] != '+' && first[0] != '-':
		if f.auto > 0 {
			f.fail("cannot switch from automatic field numbering to manual field specification")
		}
		f.manual = true
		v = f.argument(n)
	default:
		f.pay(len(f.call.named) * bytesOfValue)
		for _, kw := range f.call.named {
			if kw.name == first {
				v = kw.value
			}
		}
		if v.k == kMissing {
			f.fail("the format names %q, which is not given", first)
		}
	}
	for rest != "" {
		if rest[0] == '.' {
			rest = rest[1:]
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				f.fail("Empty attribute in format string")
			}
			v = f.getattr(v, rest[:end])
			rest = rest[end:]
			continue
		}
		end := strings.IndexByte(rest, ']')
		if rest[0] != '[' || end < 0 {
			f.fail("Missing ']' in format string")
		}
		if end == 1 {
			f.fail("Empty attribute in format string")
		}
		key := text(rest[1:end])
		if n, err := strconv.Atoi(key.s); err == nil && key.s[0] != '+' && key.s[0] != '-' {
			key = integer(n)
		}
		v = f.getitem(v, key)
		rest = rest[end+1:]
		if rest != "" && rest[0] != '.' && rest[0] != '[' {
			f.fail("Only '.' or '[' may follow ']' in format field specifier")
		}
	}
	return v
}

func (f *formatter) argument(n int) Value {
	if n >= len(f.call.args) {
		f.fail("Replacement index %d out of range for positional args tuple", n)
	}
	return f.call.args[n]
}

// appendFormatted appends Python's format(v, spec).
func (r *run) appendFormatted(b []byte, v Value, spec string) []byte {
	if spec == "" {
		return r.appendStr(b, v)
	}
	if !v.isNumber() && v.k != kString {
		r.fail("unsupported format string passed to %s.__format__", v.typeName())
	}
	f := r.parseField(spec)
	if v.k == kString {
		if f.verb != 0 && f.verb != 's' {
			r.fail("Unknown format code '%c' for object of type 'str'", f.verb)
		}
		if f.sign != 0 || f.alternate || f.grouping != 0 || f.align == '=' && !f.zero {
			r.fail("a sign, '#', ',' or '=' is not allowed in the format of a string")
		}
		if f.align == '=' {
			f.align = '<'
		}
		return r.appendText(b, f, v.s)
	}
	if v.k == kBool && f.verb == 0 {
		v = Value{k: kInt, n: v.n}
	}
	switch f.verb {
	case 0, 'd', 'b', 'o', 'x', 'X', 'n', 'c':
		if v.k == kFloat {
			if f.verb != 0 && f.verb != 'n' {
				r.fail("Unknown format code '%c' for object of type 'float'", f.verb)
			}
			return r.appendReal(b, f, v.float())
		}
		if f.precision >= 0 {
			r.fail("Precision not allowed in integer format specifier")
		}
		if f.verb == 'c' {
			if v.k == kBig || v.n < 0 || v.n > utf8.MaxRune || v.n >= 0xd800 && v.n < 0xe000 {
				r.fail("%%c arg not in range(0x110000)")
			}
			return r.pad(b, f, "", string(rune(v.n)), '<')
		}
		if f.grouping == ',' && f.verb != 0 && f.verb != 'd' {
			r.fail("Cannot specify ',' with '%c'.", f.verb)
		}
		return r.appendInteger(b, f, new(big.Int).Set(v.big()))
	case 'e', 'E', 'f', 'F', 'g', 'G', '%':
		return r.appendReal(b, f, r.toFloat(v))
	}
	r.fail("Unknown format code '%c' for object of type '%s'", f.verb, v.typeName())
	return b
}

// parseField reads [[fill]align][sign][z][#][0][width][grouping][.precision][type].
func (r *run) parseField(spec string) field {
	f := field{precision: -1}
	isAlign := func(c byte) bool { return c == '<' || c == '>' || c == '=' || c == '^' }
	fill, n := utf8.DecodeRuneInString(spec)
	switch {
	case len(spec) > n && isAlign(spec[n]):
		f.fill, f.align = fill, spec[n]
		spec = spec[n+1:]
	case isAlign(spec[0]):
		f.align = spec[0]
		spec = spec[1:]
	}
	take := func(set string) byte {
		if spec != "" && strings.IndexByte(set, spec[0]) >= 0 {
			c := spec[0]
			spec = spec[1:]
			return c
		}
		return 0
	}
	number := func() (int, bool) {
		n, any := 0, false
		for spec != "" && spec[0] >= '0' && spec[0] <= '9' {
			any = true
			if n = n*10 + int(spec[0]-'0'); n > maxWidth {
				r.fail("a width above %d in a format", maxWidth)
			}
			spec = spec[1:]
		}
		return n, any
	}
	f.sign = take("+- ")
	f.alternate = take("#") != 0
	if f.fill == 0 && take("0") != 0 {
		f.fill = '0'
		if f.align == 0 {
			f.align, f.zero = '=', true
		}
	}
	f.width, _ = number()
	f.grouping = take(",_")
	if take(".") != 0 {
		var any bool
		if f.precision, any = number(); !any {
			r.fail("Format specifier missing precision")
		}
	}
	f.verb = take("bcdeEfFgGnosxX%")
	if spec != "" {
		r.fail("Invalid format specifier")
	}
	return f
}
