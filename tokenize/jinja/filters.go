package jinja

import (
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// builtin is a filter or a test.
type builtin struct {
	name   string
	params []string
	need   int // how many of them must be given
	call   func(r *run, v Value, args []Value) Value
	// calls is for those that take any arguments.
	calls func(r *run, v Value, c call) Value
}

func findBuiltin(table []builtin, name string) *builtin {
	i := sort.Search(len(table), func(i int) bool { return table[i].name >= name })
	if i < len(table) && table[i].name == name {
		return &table[i]
	}
	return nil
}

// filters are those of jinja2's filters.py, with transformers' tojson.
var filters = []builtin{
	{name: "abs", call: filterAbs},
	{name: "attr", params: []string{"name"}, need: 1, call: filterAttr},
	{name: "batch", params: []string{"linecount", "fill_with"}, need: 1, call: filterBatch},
	{name: "capitalize", call: filterCapitalize},
	{name: "center", params: []string{"width"}, call: filterCenter},
	{name: "count", call: filterLength},
	{name: "d", params: []string{"default_value", "boolean"}, call: filterDefault},
	{name: "default", params: []string{"default_value", "boolean"}, call: filterDefault},
	{name: "dictsort", params: []string{"case_sensitive", "by", "reverse"}, call: filterDictsort},
	{name: "e", call: filterEscape},
	{name: "escape", call: filterEscape},
	{name: "filesizeformat", params: []string{"binary"}, call: filterFilesizeformat},
	{name: "first", call: filterFirst},
	{name: "float", params: []string{"default"}, call: filterFloat},
	{name: "forceescape", call: filterForceescape},
	{name: "format", calls: filterFormat},
	{name: "groupby", params: []string{"attribute", "default", "case_sensitive"}, need: 1, call: filterGroupby},
	{name: "indent", params: []string{"width", "first", "blank"}, call: filterIndent},
	{name: "int", params: []string{"default", "base"}, call: filterInt},
	{name: "items", call: filterItems},
	{name: "join", params: []string{"d", "attribute"}, call: filterJoin},
	{name: "last", call: filterLast},
	{name: "length", call: filterLength},
	{name: "list", call: filterList},
	{name: "lower", call: filterLower},
	{name: "map", calls: filterMap},
	{name: "max", params: []string{"case_sensitive", "attribute"}, call: filterMax},
	{name: "min", params: []string{"case_sensitive", "attribute"}, call: filterMin},
	{name: "pprint", call: filterRefused},
	{name: "random", call: filterRefused},
	{name: "reject", calls: filterReject},
	{name: "rejectattr", calls: filterRejectattr},
	{name: "replace", params: []string{"old", "new", "count"}, need: 2, call: filterReplace},
	{name: "reverse", call: filterReverse},
	{name: "round", params: []string{"precision", "method"}, call: filterRound},
	{name: "safe", call: filterSafe},
	{name: "select", calls: filterSelect},
	{name: "selectattr", calls: filterSelectattr},
	{name: "slice", params: []string{"slices", "fill_with"}, need: 1, call: filterSlice},
	{name: "sort", params: []string{"reverse", "case_sensitive", "attribute"}, call: filterSort},
	{name: "string", call: filterString},
	{name: "striptags", call: filterStriptags},
	{name: "sum", params: []string{"attribute", "start"}, call: filterSum},
	{name: "title", call: filterTitle},
	{name: "tojson", params: []string{"ensure_ascii", "indent", "separators", "sort_keys"}, call: filterTojson},
	{name: "trim", params: []string{"chars"}, call: filterTrim},
	{name: "truncate", params: []string{"length", "killwords", "end", "leeway"}, call: filterTruncate},
	{name: "unique", params: []string{"case_sensitive", "attribute"}, call: filterUnique},
	{name: "upper", call: filterUpper},
	{name: "urlencode", call: filterUrlencode},
	{name: "urlize", params: []string{"trim_url_limit", "nofollow", "target", "rel", "extra_schemes"}, call: filterRefused},
	{name: "wordcount", call: filterWordcount},
	{name: "wordwrap", params: []string{"width", "break_long_words", "wrapstring", "break_on_hyphens"}, call: filterWordwrap},
	{name: "xmlattr", params: []string{"autospace"}, call: filterXmlattr},
}

func filterRefused(r *run, _ Value, _ []Value) Value {
	r.fail("the filters pprint, random and urlize are not supported")
	return none
}

func or(v, otherwise Value) Value {
	if v.k == kMissing {
		return otherwise
	}
	return v
}

// soft is jinja2's soft_str: a string stays what it is, all else becomes one.
func (r *run) soft(v Value) Value {
	if v.k == kString {
		return v
	}
	return text(r.str(v))
}

func filterAbs(r *run, v Value, _ []Value) Value {
	switch {
	case v.isInt():
		if v.big().Sign() < 0 {
			return r.neg(v)
		}
		return r.pos(v)
	case v.k == kFloat:
		if f := v.float(); f < 0 || 1/f < 0 {
			return float(-f)
		}
		return v
	}
	r.fail("bad operand type for abs(): '%s'", v.typeName())
	return none
}

func filterAttr(r *run, v Value, args []Value) Value {
	name := r.wantString(args[0], "attribute name")
	if got, ok := r.attribute(v, name); ok {
		return got
	}
	return noAttribute(v, name)
}

func filterCapitalize(r *run, v Value, _ []Value) Value { return r.recased(r.soft(v), capitalize) }
func filterLower(r *run, v Value, _ []Value) Value      { return r.recased(r.soft(v), toLower) }
func filterUpper(r *run, v Value, _ []Value) Value      { return r.recased(r.soft(v), toUpper) }

func filterCenter(r *run, v Value, args []Value) Value {
	return r.justify(r.soft(v), []Value{or(args[0], integer(80)), {}}, '^')
}

func filterLength(r *run, v Value, _ []Value) Value {
	n, ok := r.length(v)
	if !ok {
		r.fail("object of type '%s' has no len()", v.typeName())
	}
	return integer(n)
}

func filterDefault(_ *run, v Value, args []Value) Value {
	if v.k == kUndefined || args[1].truth() && !v.truth() {
		return or(args[0], text(""))
	}
	return v
}

func escapeHTML(s string) string {
	if !strings.ContainsAny(s, `&<>'"`) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		switch s[i] {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '\'':
			b = append(b, "&#39;"...)
		case '"':
			b = append(b, "&#34;"...)
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// escaped is markupsafe's escape: Markup stays as it is.
func (r *run) escaped(v Value) Value {
	if v.k == kString && v.n != 0 {
		return v
	}
	s := r.str(v)
	r.room(5 * len(s))
	s = escapeHTML(s)
	return Value{k: kString, n: 1, s: s}
}

func filterEscape(r *run, v Value, _ []Value) Value { return r.escaped(v) }

func filterForceescape(r *run, v Value, _ []Value) Value { return r.escaped(text(r.str(v))) }

func filterSafe(r *run, v Value, _ []Value) Value { return Value{k: kString, n: 1, s: r.str(v)} }

func filterString(r *run, v Value, _ []Value) Value { return r.soft(v) }

func filterFilesizeformat(r *run, v Value, args []Value) Value {
	bytes, ok := r.parseFloat(v)
	if !ok {
		r.fail("could not convert %s to float", v.typeName())
	}
	base, prefixes := 1000.0, []string{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}
	if args[0].truth() {
		base, prefixes = 1024, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}
	}
	switch {
	case bytes == 1:
		return text("1 Byte")
	case bytes < base:
		return text(strconv.FormatFloat(math.Trunc(bytes), 'f', 0, 64) + " Bytes")
	}
	unit := base
	for i, prefix := range prefixes {
		unit *= base
		if bytes < unit || i == len(prefixes)-1 {
			return text(strconv.FormatFloat(base*bytes/unit, 'f', 1, 64) + " " + prefix)
		}
	}
	return none
}

func filterFormat(r *run, v Value, c call) Value {
	if len(c.args) > 0 && len(c.named) > 0 {
		r.fail("can't handle positional and keyword arguments at the same time")
	}
	if len(c.named) > 0 {
		d := &dict{}
		for _, named := range c.named {
			r.put(d, text(named.name), named.value)
		}
		return r.printf(r.soft(v), dictOf(d))
	}
	return r.printf(r.soft(v), tupleOf(c.args...))
}

func filterIndent(r *run, v Value, args []Value) Value {
	if v.k != kString {
		r.fail("indent wants a string, not %s", v.typeName())
	}
	indention := ""
	if w := or(args[0], integer(4)); w.k == kString {
		indention = w.s
	} else {
		n := max(0, r.index(w))
		r.room(n)
		indention = strings.Repeat(" ", n)
	}
	first, blank := args[1].truth(), args[2].truth()
	s := v.s + "\n"
	r.room(len(s))
	lines := splitLines(s, false)
	r.roomFor(len(lines), len(indention)+16)
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == 0 && first || i > 0 && (line != "" || blank) {
			b.WriteString(indention)
		}
		b.WriteString(line)
	}
	return sameKind(v, b.String())
}

// parseInt is Python's int(s, base).
func parseInt(s string, base int) (Value, bool) {
	s = strings.TrimFunc(s, isSpace)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	prefixed := false
	if len(s) > 2 && s[0] == '0' {
		if b := map[byte]int{'b': 2, 'o': 8, 'x': 16}[s[1]|0x20]; b != 0 && (base == 0 || base == b) {
			base, s, prefixed = b, s[2:], true
		}
	}
	if base == 0 {
		base = 10
		if len(s) > 1 && s[0] == '0' && strings.Trim(s, "0_") != "" {
			return Value{}, false
		}
	}
	if prefixed {
		s = strings.TrimPrefix(s, "_")
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") || len(s) > maxIntDigits {
		return Value{}, false
	}
	b := make([]byte, 0, len(s))
	for _, c := range strings.ReplaceAll(s, "_", "") {
		if c >= utf8.RuneSelf {
			if !isNd(c) {
				return Value{}, false
			}
			c = '0' + decimalValue(c)
		}
		b = append(b, byte(c))
	}
	n, ok := new(big.Int).SetString(string(b), base)
	if !ok || b[0] == '+' || b[0] == '-' {
		return Value{}, false
	}
	if negative {
		n.Neg(n)
	}
	return bigInt(n), true
}

// decimalValue is the value of a decimal digit. Those of one script stand in order, from a zero that is no digit's
// successor.
func decimalValue(c rune) rune {
	n := rune(0)
	for n < 10 && isNd(c-n-1) {
		n++
	}
	// The mathematical digits are five runs without a gap.
	if c >= 0x1d7ce && c <= 0x1d7ff {
		return (c - 0x1d7ce) % 10
	}
	return n % 10
}

func filterInt(r *run, v Value, args []Value) Value {
	// A base that is none is no error: the string is no integer in it.
	base := 10
	if args[1].k != kMissing {
		base = 1
		if args[1].isInt() {
			base = r.index(args[1])
		}
	}
	fallback := or(args[0], integer(0))
	switch {
	case v.isInt():
		return r.pos(v)
	case v.k == kUndefined:
		r.useOfUndefined(v)
	case v.k == kFloat:
		n, finite, isNaN := wholeOf(v.float())
		if isNaN {
			return fallback
		}
		if !finite {
			r.fail("cannot convert float infinity to integer")
		}
		return n
	case v.k == kString:
		r.pay(len(v.s))
		if base == 0 || base >= 2 && base <= 36 {
			if n, ok := parseInt(v.s, base); ok {
				return n
			}
		}
		if f, ok := parseFloat(v.s); ok {
			if n, finite, _ := wholeOf(f); finite {
				return n
			}
		}
	}
	return fallback
}

func filterFloat(r *run, v Value, args []Value) Value {
	if f, ok := r.parseFloat(v); ok {
		return float(f)
	}
	return or(args[0], float(0))
}

// parseFloat is Python's float(v).
func (r *run) parseFloat(v Value) (float64, bool) {
	switch {
	case v.isNumber():
		return r.toFloat(v), true
	case v.k == kUndefined:
		r.useOfUndefined(v)
	case v.k == kString:
		r.pay(len(v.s))
		return parseFloat(v.s)
	}
	return 0, false
}

func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if s == "" || strings.ContainsAny(s, "xXpP") {
		return 0, false
	}
	// Underscores may stand between digits.
	for i := range len(s) {
		if s[i] == '_' && (i == 0 || i == len(s)-1 || !isDecimal(s[i-1]) || !isDecimal(s[i+1])) {
			return 0, false
		}
	}
	if !isASCII(s) {
		s = strings.Map(func(c rune) rune {
			if c >= utf8.RuneSelf && isNd(c) {
				return '0' + decimalValue(c)
			}
			return c
		}, s)
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil && !isRange(err) {
		return 0, false
	}
	return f, true
}

func filterReplace(r *run, v Value, args []Value) Value {
	s := r.str(v)
	count := -1
	if args[2].k != kMissing && args[2].k != kNone {
		count = r.index(args[2])
	}
	return text(r.replace(s, r.str(args[0]), r.str(args[1]), count))
}

func filterTitle(r *run, v Value, _ []Value) Value {
	v = r.soft(v)
	r.room(3 * len(v.s))
	isBreak := func(c rune) bool { return isSpace(c) || strings.ContainsRune("-({[<", c) }
	b := make([]byte, 0, len(v.s))
	for s := v.s; s != ""; {
		// A run of breaks, or a word up to the next one.
		n := len(s)
		if c, _ := utf8.DecodeRuneInString(s); isBreak(c) {
			n -= len(strings.TrimLeftFunc(s, isBreak))
		} else if i := strings.IndexFunc(s, isBreak); i >= 0 {
			n = i
		}
		c, size := utf8.DecodeRuneInString(s[:n])
		b = append(appendUpper(b, c), toLower(s[size:n])...)
		s = s[n:]
	}
	return text(string(b))
}

func filterTrim(r *run, v Value, args []Value) Value {
	v = r.soft(v)
	return sameKind(v, r.trimmed(v.s, args[0], true, true))
}

func filterTruncate(r *run, v Value, args []Value) Value {
	length, end, leeway := 255, text("..."), 5
	if args[0].k != kMissing {
		length = r.index(args[0])
	}
	if args[2].k != kMissing {
		end = args[2]
	}
	if args[3].k != kMissing && args[3].k != kNone {
		leeway = r.index(args[3])
	}
	tail := utf8.RuneCountInString(r.wantString(end, "end"))
	if length < tail {
		r.fail("expected length >= %d, got %d", tail, length)
	}
	if leeway < 0 {
		r.fail("expected leeway >= 0, got %d", leeway)
	}
	n, ok := r.length(v)
	if !ok {
		r.fail("object of type '%s' has no len()", v.typeName())
	}
	if n <= length+leeway {
		return v
	}
	s := r.wantString(v, "truncate's value")
	s = s[:runeOffset(s, length-tail)]
	if !args[1].truth() {
		if i := strings.LastIndexByte(s, ' '); i >= 0 {
			s = s[:i]
		}
	}
	r.room(len(s) + len(end.s))
	return text(s + end.s)
}

const unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~"

func quoteURL(s string, query bool) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case strings.IndexByte(unreserved, c) >= 0 || c == '/' && !query:
			b = append(b, c)
		case c == ' ' && query:
			b = append(b, '+')
		default:
			b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return string(b)
}

func filterUrlencode(r *run, v Value, _ []Value) Value {
	if v.k == kString || !v.iterable() {
		s := r.str(v)
		r.room(3 * len(s))
		return text(quoteURL(s, false))
	}
	if v.k == kDict {
		v = dictView(v, viewItems)
	}
	var b strings.Builder
	it := r.iterate(v)
	for i := 0; ; i++ {
		item, ok := it.next(r)
		if !ok {
			return text(b.String())
		}
		if i > 0 {
			b.WriteByte('&')
		}
		two := r.unpack(item, 2)
		for i, part := range two {
			s := r.str(part)
			r.room(3 * len(s))
			b.WriteString(quoteURL(s, true))
			if i == 0 {
				b.WriteByte('=')
			}
		}
	}
}

// unpack are the n items that a value must have.
func (r *run) unpack(v Value, n int) []Value {
	items := r.items(v)
	if len(items) != n {
		r.fail("%d values where %d are wanted", len(items), n)
	}
	return items
}

func filterWordcount(r *run, v Value, _ []Value) Value {
	s := r.soft(v).s
	r.pay(len(s))
	n, inWord := 0, false
	for _, c := range s {
		is := c == '_' || isAlnum(c)
		if is && !inWord {
			n++
		}
		inWord = is
	}
	return integer(n)
}

func filterXmlattr(r *run, v Value, args []Value) Value {
	if v.k != kDict {
		r.fail("xmlattr wants a mapping, not %s", v.typeName())
	}
	var b strings.Builder
	d := v.dict()
	for i, key := range d.keys {
		v := d.vals[i]
		if v.k == kNone || v.k == kUndefined {
			continue
		}
		name := r.wantString(key, "attribute name")
		if strings.ContainsAny(name, " \t\n\r\f\v/>=") {
			r.fail("Invalid character in attribute name: %q", name)
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.escaped(key).s + `="` + r.escaped(v).s + `"`)
	}
	if b.Len() > 0 && (args[0].k == kMissing || args[0].truth()) {
		return text(" " + b.String())
	}
	return text(b.String())
}
