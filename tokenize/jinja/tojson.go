package jinja

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// encoder writes JSON as Python's json.dumps does.
type encoder struct {
	*run
	ascii     bool
	sorted    bool
	pretty    bool
	indent    string // of one level
	item, key string // separators
}

func filterTojson(r *run, v Value, args []Value) Value {
	e := encoder{run: r, ascii: args[0].truth(), sorted: args[3].truth(), item: ", ", key: ": "}
	switch indent := or(args[1], none); {
	case indent.k == kNone:
	case indent.k == kString:
		e.pretty, e.indent, e.item = true, indent.s, ","
	default:
		n := max(0, r.index(indent))
		r.room(n)
		e.pretty, e.indent, e.item = true, strings.Repeat(" ", n), ","
	}
	if separators := or(args[2], none); separators.k != kNone {
		two := r.unpack(separators, 2)
		e.item, e.key = r.wantString(two[0], "a separator"), r.wantString(two[1], "a separator")
	}
	mark := len(r.scratch)
	r.scratch = e.value(r.scratch, v, 0)
	s := string(r.scratch[mark:])
	r.scratch = r.scratch[:mark]
	r.room(len(s))
	return text(s)
}

func (e *encoder) value(b []byte, v Value, depth int) []byte {
	e.step()
	if len(b) > e.maxValue {
		e.room(len(b))
	}
	if depth > maxDepth {
		e.fail("a value nested deeper than %d as JSON", maxDepth)
	}
	switch v.k {
	case kNone, kBool, kInt, kBig, kFloat:
		return e.scalar(b, v)
	case kString:
		return e.quoted(b, v.s)
	case kList, kTuple:
		items := v.list().items
		if len(items) == 0 {
			return append(b, "[]"...)
		}
		b = append(b, '[')
		for i, item := range items {
			b = e.newItem(b, i, depth+1)
			b = e.value(b, item, depth+1)
		}
		return append(e.newLine(b, depth), ']')
	case kDict:
		d := v.dict()
		if d.len() == 0 {
			return append(b, "{}"...)
		}
		var order []Value // places in d
		if e.sorted {
			e.roomFor(d.len(), bytesOfValue)
			order = make([]Value, d.len())
			for i := range order {
				order[i] = integer(i)
			}
			order = e.sortBy(order, func(i Value) Value { return d.keys[i.n] }, false)
		}
		b = append(b, '{')
		for i := range d.keys {
			b = e.newItem(b, i, depth+1)
			at := i
			if e.sorted {
				at = int(order[i].n)
			}
			key := d.keys[at]
			switch key.k {
			case kString:
				b = e.quoted(b, key.s)
			case kNone, kBool, kInt, kBig, kFloat:
				b = append(e.scalar(append(b, '"'), key), '"')
			default:
				e.fail("keys must be str, int, float, bool or None, not %s", key.typeName())
			}
			b = append(b, e.key...)
			b = e.value(b, d.vals[at], depth+1)
		}
		return append(e.newLine(b, depth), '}')
	}
	e.fail("Object of type %s is not JSON serializable", v.typeName())
	return b
}

func (e *encoder) newItem(b []byte, i, depth int) []byte {
	if i > 0 {
		b = append(b, e.item...)
	}
	return e.newLine(b, depth)
}

func (e *encoder) newLine(b []byte, depth int) []byte {
	if !e.pretty {
		return b
	}
	e.roomFor(depth, len(e.indent))
	b = append(b, '\n')
	for range depth {
		b = append(b, e.indent...)
	}
	return b
}

func (e *encoder) scalar(b []byte, v Value) []byte {
	switch v.k {
	case kNone:
		return append(b, "null"...)
	case kBool:
		return strconv.AppendBool(b, v.n != 0)
	case kInt:
		return strconv.AppendInt(b, v.n, 10)
	case kBig:
		return e.appendBig(b, v.big())
	}
	mark := len(b)
	b = appendFloat(b, v.float())
	switch string(b[mark:]) {
	case "nan":
		return append(b[:mark], "NaN"...)
	case "inf":
		return append(b[:mark], "Infinity"...)
	case "-inf":
		return append(b[:mark], "-Infinity"...)
	}
	return b
}

func (e *encoder) quoted(b []byte, s string) []byte {
	e.pay(len(s))
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && (!e.ascii || c < 0x7f) {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		if c < utf8.RuneSelf {
			b = appendJSONEscape(b, c)
			i++
		} else {
			c, n := utf8.DecodeRuneInString(s[i:])
			i += n
			if c >= 0x10000 {
				c -= 0x10000
				b = appendUnit(appendUnit(b, 0xd800+c>>10), 0xdc00+c&0x3ff)
			} else {
				b = appendUnit(b, c)
			}
		}
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

func appendJSONEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	case '\f':
		return append(b, `\f`...)
	case '\b':
		return append(b, `\b`...)
	}
	return appendUnit(b, rune(c))
}

func appendUnit(b []byte, c rune) []byte {
	return append(b, '\\', 'u', lowerHex[c>>12&15], lowerHex[c>>8&15], lowerHex[c>>4&15], lowerHex[c&15])
}
