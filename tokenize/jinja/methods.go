package jinja

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// method is a method of a Python type. One without a function exists there, and is not supported here.
type method struct {
	name     string
	params   []string
	need     int // how many of them must be given
	keywords bool
	bound    func(r *run, of Value, args []Value) Value
	// call is for methods that take any number of arguments.
	call func(r *run, of Value, c call) Value
	// unsafe methods change what they belong to; a template sees them as undefined.
	unsafe bool
}

func (m *method) supported() bool { return m.bound != nil || m.call != nil }

type boundMethod struct {
	method *method
	of     Value
}

func (r *run) callMethod(m *method, of Value, c call) Value {
	if m.call != nil {
		return m.call(r, of, c)
	}
	if m.bound == nil {
		r.fail("the method '%s' of '%s' is not supported", m.name, of.typeName())
	}
	if len(c.named) > 0 && !m.keywords {
		r.fail("%s.%s() takes no keyword arguments", of.typeName(), m.name)
	}
	mark := len(r.args)
	v := m.bound(r, of, r.bind(m.name, m.params, m.need, c))
	r.args = r.args[:mark]
	return v
}

func findMethod(table []method, name string) *method {
	i := sort.Search(len(table), func(i int) bool { return table[i].name >= name })
	if i < len(table) && table[i].name == name {
		return &table[i]
	}
	return nil
}

// tables are what is looked up by name while a template runs.
type tables struct {
	strings, dicts, lists, tuples, ints, floats, ranges, views, generators, loops, cyclers []method
	filters, tests                                                                         []builtin
}

var everything = tables{
	strings: stringMethods, dicts: dictMethods, lists: listMethods, tuples: tupleMethods, ints: intMethods,
	floats: floatMethods, ranges: rangeMethods, views: viewMethods, generators: generatorMethods, loops: loopMethods,
	cyclers: cyclerMethods, filters: filters, tests: tests,
}

var stringMethods = []method{
	{name: "capitalize", bound: strCapitalize},
	{name: "casefold", bound: strCasefold},
	{name: "center", params: widthFill, need: 1, bound: strCenter},
	{name: "count", params: subStartEnd, need: 1, bound: strCount},
	{name: "encode"},
	{name: "endswith", params: subStartEnd, need: 1, bound: strEndswith},
	{name: "expandtabs", params: []string{"tabsize"}, keywords: true, bound: strExpandtabs},
	{name: "find", params: subStartEnd, need: 1, bound: strFind},
	{name: "format", call: strFormatMethod},
	{name: "format_map", params: []string{"mapping"}, need: 1, bound: strFormatMap},
	{name: "index", params: subStartEnd, need: 1, bound: strIndex},
	{name: "isalnum", bound: strIsalnum},
	{name: "isalpha", bound: strIsalpha},
	{name: "isascii", bound: strIsascii},
	{name: "isdecimal", bound: strIsdecimal},
	{name: "isdigit", bound: strIsdigit},
	{name: "isidentifier", bound: strIsidentifier},
	{name: "islower", bound: strIslower},
	{name: "isnumeric", bound: strIsnumeric},
	{name: "isprintable", bound: strIsprintable},
	{name: "isspace", bound: strIsspace},
	{name: "istitle", bound: strIstitle},
	{name: "isupper", bound: strIsupper},
	{name: "join", params: []string{"iterable"}, need: 1, bound: strJoin},
	{name: "ljust", params: widthFill, need: 1, bound: strLjust},
	{name: "lower", bound: strLower},
	{name: "lstrip", params: []string{"chars"}, bound: strLstrip},
	{name: "maketrans"},
	{name: "partition", params: []string{"sep"}, need: 1, bound: strPartition},
	{name: "removeprefix", params: []string{"prefix"}, need: 1, bound: strRemoveprefix},
	{name: "removesuffix", params: []string{"suffix"}, need: 1, bound: strRemovesuffix},
	{name: "replace", params: []string{"old", "new", "count"}, need: 2, bound: strReplace},
	{name: "rfind", params: subStartEnd, need: 1, bound: strRfind},
	{name: "rindex", params: subStartEnd, need: 1, bound: strRindex},
	{name: "rjust", params: widthFill, need: 1, bound: strRjust},
	{name: "rpartition", params: []string{"sep"}, need: 1, bound: strRpartition},
	{name: "rsplit", params: []string{"sep", "maxsplit"}, keywords: true, bound: strRsplit},
	{name: "rstrip", params: []string{"chars"}, bound: strRstrip},
	{name: "split", params: []string{"sep", "maxsplit"}, keywords: true, bound: strSplit},
	{name: "splitlines", params: []string{"keepends"}, keywords: true, bound: strSplitlines},
	{name: "startswith", params: subStartEnd, need: 1, bound: strStartswith},
	{name: "strip", params: []string{"chars"}, bound: strStrip},
	{name: "swapcase", bound: strSwapcase},
	{name: "title", bound: strTitle},
	{name: "translate"},
	{name: "upper", bound: strUpper},
	{name: "zfill", params: []string{"width"}, need: 1, bound: strZfill},
}

var (
	widthFill   = []string{"width", "fillchar"}
	subStartEnd = []string{"sub", "start", "end"}
)

var dictMethods = []method{
	{name: "clear", unsafe: true},
	{name: "copy", bound: dictCopy},
	{name: "fromkeys", params: []string{"iterable", "value"}, need: 1, bound: dictFromkeys},
	{name: "get", params: []string{"key", "default"}, need: 1, bound: dictGet},
	{name: "items", bound: dictItems},
	{name: "keys", bound: dictKeys},
	{name: "pop", unsafe: true},
	{name: "popitem", unsafe: true},
	{name: "setdefault", unsafe: true},
	{name: "update", unsafe: true},
	{name: "values", bound: dictValues},
}

var listMethods = []method{
	{name: "append", unsafe: true},
	{name: "clear", unsafe: true},
	{name: "copy", bound: listCopy},
	{name: "count", params: []string{"value"}, need: 1, bound: listCount},
	{name: "extend", unsafe: true},
	{name: "index", params: []string{"value", "start", "stop"}, need: 1, bound: listIndex},
	{name: "insert", unsafe: true},
	{name: "pop", unsafe: true},
	{name: "remove", unsafe: true},
	{name: "reverse", unsafe: true},
	{name: "sort", unsafe: true},
}

var tupleMethods = []method{
	{name: "count", params: []string{"value"}, need: 1, bound: listCount},
	{name: "index", params: []string{"value", "start", "stop"}, need: 1, bound: listIndex},
}

var intMethods = []method{
	{name: "as_integer_ratio"}, {name: "bit_count", bound: intBitCount}, {name: "bit_length", bound: intBitLength},
	{name: "conjugate", bound: itself}, {name: "from_bytes"}, {name: "to_bytes"},
}

var floatMethods = []method{
	{name: "as_integer_ratio"}, {name: "conjugate", bound: itself}, {name: "fromhex"}, {name: "hex"},
	{name: "is_integer", bound: floatIsInteger},
}

var rangeMethods = []method{
	{name: "count", params: []string{"value"}, need: 1, bound: listCount},
	{name: "index", params: []string{"value"}, need: 1, bound: listIndex},
}

var viewMethods = []method{{name: "isdisjoint"}, {name: "mapping"}}

var generatorMethods = []method{{name: "close"}, {name: "send"}, {name: "throw"}}

var loopMethods = []method{{name: "changed", call: loopChanged}, {name: "cycle", call: loopCycle}}

var cyclerMethods = []method{{name: "next", bound: cyclerNext}, {name: "reset", bound: cyclerReset}}

func itself(r *run, of Value, _ []Value) Value { return r.pos(of) }

// sameKind is a string of the kind that of is: what is made of Markup is Markup.
func sameKind(of Value, s string) Value { return Value{k: kString, n: of.n, s: s} }

func (r *run) wantString(v Value, what string) string {
	if v.k != kString {
		r.fail("%s must be str, not %s", what, v.typeName())
	}
	return v.s
}

func (r *run) recased(of Value, change func(string) string) Value {
	r.room(3 * len(of.s))
	return sameKind(of, change(of.s))
}

// strCasefold folds to the lower case of the upper case, which is what CaseFolding.txt has but for those below.
func strCasefold(r *run, of Value, _ []Value) Value {
	r.room(6 * len(of.s))
	if isASCII(of.s) {
		return sameKind(of, strings.ToLower(of.s))
	}
	b := make([]byte, 0, len(of.s))
	for _, c := range of.s {
		if to, ok := lookSpecial(specialUpper[:], c); ok {
			for _, c := range to {
				b = utf8.AppendRune(b, unicode.ToLower(c))
			}
			continue
		}
		switch c {
		case 'İ':
			b = append(b, "i\u0307"...)
			continue
		case 'ı':
			b = append(b, "ı"...)
			continue
		case 'ẞ':
			b = append(b, "ss"...)
			continue
		}
		if c >= 0x13a0 && c <= 0x13f5 || c >= 0xab70 && c <= 0xabbf || c >= 0x13f8 && c <= 0x13fd {
			b = utf8.AppendRune(b, unicode.ToUpper(c)) // Cherokee folds to upper case
			continue
		}
		b = utf8.AppendRune(b, unicode.ToLower(unicode.ToUpper(c)))
	}
	return sameKind(of, string(b))
}

func (r *run) justify(of Value, args []Value, align byte) Value {
	width := r.index(args[0])
	fill := ' '
	if args[1].k != kMissing {
		s := r.wantString(args[1], "The fill character")
		if utf8.RuneCountInString(s) != 1 {
			r.fail("The fill character must be exactly one character long")
		}
		fill, _ = utf8.DecodeRuneInString(s)
	}
	missing := width - utf8.RuneCountInString(of.s)
	if missing <= 0 {
		return of
	}
	r.roomFor(missing, utf8.RuneLen(fill))
	left, right := 0, missing
	switch align {
	case '>':
		left, right = missing, 0
	case '^':
		left = missing/2 + missing&width&1
		right = missing - left
	}
	b := appendRepeated(make([]byte, 0, len(of.s)+missing), fill, left)
	b = append(b, of.s...)
	return sameKind(of, string(appendRepeated(b, fill, right)))
}

func strCenter(r *run, of Value, args []Value) Value { return r.justify(of, args, '^') }
func strLjust(r *run, of Value, args []Value) Value  { return r.justify(of, args, '<') }
func strRjust(r *run, of Value, args []Value) Value  { return r.justify(of, args, '>') }

func strZfill(r *run, of Value, args []Value) Value {
	missing := r.index(args[0]) - utf8.RuneCountInString(of.s)
	if missing <= 0 {
		return of
	}
	r.room(missing)
	s, sign := of.s, ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign, s = s[:1], s[1:]
	}
	return sameKind(of, sign+strings.Repeat("0", missing)+s)
}

// window is the part of a string from rune start to end, and the rune at which it starts; it is not ok if start lies
// behind the string.
func (r *run) window(s string, start, end Value) (string, int, bool) {
	r.pay(len(s))
	given := func(v Value) bool { return v.k != kMissing && v.k != kNone }
	if !given(start) && !given(end) {
		return s, 0, true
	}
	n := utf8.RuneCountInString(s)
	clamp := func(v Value, absent int) int {
		if !given(v) {
			return absent
		}
		i := r.sliceIndex(v)
		if i < 0 {
			i = max(0, i+n)
		}
		return i
	}
	from, to := clamp(start, 0), min(n, clamp(end, n))
	if from > n || from > to {
		return "", from, false
	}
	a := runeOffset(s, from)
	return s[a : a+runeOffset(s[a:], to-from)], from, true
}

func strCount(r *run, of Value, args []Value) Value {
	sub := r.wantString(args[0], "argument")
	s, _, ok := r.window(of.s, args[1], args[2])
	if !ok {
		return integer(0)
	}
	return integer(strings.Count(s, sub))
}

func (r *run) find(of Value, args []Value, look func(s, sub string) int) int {
	sub := r.wantString(args[0], "argument")
	s, from, ok := r.window(of.s, args[1], args[2])
	if !ok {
		return -1
	}
	at := look(s, sub)
	if at < 0 {
		return -1
	}
	return from + utf8.RuneCountInString(s[:at])
}

func strFind(r *run, of Value, args []Value) Value {
	return integer(r.find(of, args, strings.Index))
}

func strRfind(r *run, of Value, args []Value) Value {
	return integer(r.find(of, args, strings.LastIndex))
}

func (r *run) mustFind(at int) Value {
	if at < 0 {
		r.fail("substring not found")
	}
	return integer(at)
}

func strIndex(r *run, of Value, args []Value) Value {
	return r.mustFind(r.find(of, args, strings.Index))
}

func strRindex(r *run, of Value, args []Value) Value {
	return r.mustFind(r.find(of, args, strings.LastIndex))
}

func (r *run) affix(of Value, args []Value, name string, has func(s, affix string) bool) Value {
	affixes := args[:1]
	if args[0].k == kTuple {
		affixes = args[0].list().items
	}
	s, _, ok := r.window(of.s, args[1], args[2])
	for _, affix := range affixes {
		r.step()
		if affix.k != kString {
			r.fail("%s first arg must be str or a tuple of str, not %s", name, affix.typeName())
		}
		r.pay(len(affix.s))
		if ok && has(s, affix.s) {
			return boolean(true)
		}
	}
	return boolean(false)
}

func strStartswith(r *run, of Value, args []Value) Value {
	return r.affix(of, args, "startswith", strings.HasPrefix)
}

func strEndswith(r *run, of Value, args []Value) Value {
	return r.affix(of, args, "endswith", strings.HasSuffix)
}

func strRemoveprefix(r *run, of Value, args []Value) Value {
	return sameKind(of, strings.TrimPrefix(of.s, r.wantString(args[0], "argument")))
}

func strRemovesuffix(r *run, of Value, args []Value) Value {
	return sameKind(of, strings.TrimSuffix(of.s, r.wantString(args[0], "argument")))
}

func strExpandtabs(r *run, of Value, args []Value) Value {
	size := 8
	if args[0].k != kMissing {
		size = r.index(args[0])
	}
	b := make([]byte, 0, len(of.s))
	column := 0
	for _, c := range of.s {
		switch {
		case c == '\t':
			if size > 0 {
				n := size - column%size
				r.room(n)
				b = appendRepeated(b, ' ', n)
				column += n
			}
			continue
		case c == '\n' || c == '\r':
			column = -1
		}
		column++
		b = utf8.AppendRune(b, c)
	}
	r.room(len(of.s))
	return sameKind(of, string(b))
}

func strFormatMethod(r *run, of Value, c call) Value { return r.strFormat(of, c) }

func strFormatMap(r *run, of Value, args []Value) Value {
	if args[0].k != kDict {
		r.fail("format_map() wants a mapping, not %s", args[0].typeName())
	}
	var c call
	d := args[0].dict()
	r.roomFor(d.len(), bytesOfValue)
	for i, key := range d.keys {
		if key.k == kString {
			c.named = append(c.named, namedValue{key.s, d.vals[i]})
		}
	}
	return r.strFormat(of, c)
}

// all is a test of all characters; an empty string fails it.
func (r *run) all(of Value, is func(rune) bool) Value {
	r.pay(len(of.s))
	for _, c := range of.s {
		if !is(c) {
			return boolean(false)
		}
	}
	return boolean(of.s != "")
}

func strCapitalize(r *run, of Value, _ []Value) Value { return r.recased(of, capitalize) }
func strLower(r *run, of Value, _ []Value) Value      { return r.recased(of, toLower) }
func strSwapcase(r *run, of Value, _ []Value) Value   { return r.recased(of, swapcase) }
func strTitle(r *run, of Value, _ []Value) Value      { return r.recased(of, title) }
func strUpper(r *run, of Value, _ []Value) Value      { return r.recased(of, toUpper) }
func strIsalnum(r *run, of Value, _ []Value) Value    { return r.all(of, isAlnum) }
func strIsalpha(r *run, of Value, _ []Value) Value    { return r.all(of, isLetter) }
func strIsdecimal(r *run, of Value, _ []Value) Value  { return r.all(of, isNd) }
func strIsdigit(r *run, of Value, _ []Value) Value    { return r.all(of, isDigit) }
func strIsnumeric(r *run, of Value, _ []Value) Value  { return r.all(of, isNumeric) }
func strIsspace(r *run, of Value, _ []Value) Value    { return r.all(of, isSpace) }

func strIsascii(_ *run, of Value, _ []Value) Value { return boolean(isASCII(of.s)) }

func strIsidentifier(_ *run, of Value, _ []Value) Value { return boolean(isIdentifier(of.s)) }

func strIsprintable(r *run, of Value, _ []Value) Value {
	r.pay(len(of.s))
	for _, c := range of.s {
		if !isPrintable(c) {
			return boolean(false)
		}
	}
	return boolean(true)
}

// allCased says whether s has cased characters and none that is of the other case.
func allCased(s string, other func(rune) bool) bool {
	found := false
	for _, c := range s {
		if other(c) || unicode.IsTitle(c) {
			return false
		}
		found = found || isCased(c)
	}
	return found
}

func strIslower(r *run, of Value, _ []Value) Value {
	r.pay(len(of.s))
	return boolean(allCased(of.s, isUpper))
}

func strIsupper(r *run, of Value, _ []Value) Value {
	r.pay(len(of.s))
	return boolean(allCased(of.s, isLower))
}

func strIstitle(r *run, of Value, _ []Value) Value {
	r.pay(len(of.s))
	found, inWord := false, false
	for _, c := range of.s {
		switch {
		case isUpper(c) || unicode.IsTitle(c):
			if inWord {
				return boolean(false)
			}
			found, inWord = true, true
		case isLower(c):
			if !inWord {
				return boolean(false)
			}
			found = true
		default:
			inWord = false
		}
	}
	return boolean(found)
}

func strJoin(r *run, of Value, args []Value) Value {
	items := r.items(args[0])
	b := []byte{}
	for i, item := range items {
		if item.k != kString && of.n == 0 {
			r.fail("sequence item %d: expected str instance, %s found", i, item.typeName())
		}
		if of.n != 0 {
			item = r.escaped(item)
		}
		if i > 0 {
			b = append(b, of.s...)
		}
		b = append(b, item.s...)
		r.room(len(of.s) + len(item.s))
	}
	return sameKind(of, string(b))
}

// stripper is the set of characters that strip takes away.
func (r *run) stripper(chars string) func(rune) bool {
	r.room(4 * len(chars))
	set := make(map[rune]bool, len(chars))
	for _, c := range chars {
		set[c] = true
	}
	return func(c rune) bool { return set[c] }
}

func strStrip(r *run, of Value, args []Value) Value {
	return sameKind(of, r.trimmed(of.s, args[0], true, true))
}

func strLstrip(r *run, of Value, args []Value) Value {
	return sameKind(of, r.trimmed(of.s, args[0], true, false))
}

func strRstrip(r *run, of Value, args []Value) Value {
	return sameKind(of, r.trimmed(of.s, args[0], false, true))
}

func (r *run) trimmed(s string, chars Value, left, right bool) string {
	r.pay(len(s))
	is := isSpace
	switch {
	case chars.k == kMissing || chars.k == kNone:
	case chars.k != kString:
		r.fail("strip arg must be None or str")
	case len(chars.s) <= 16:
		if left {
			s = strings.TrimLeft(s, chars.s)
		}
		if right {
			s = strings.TrimRight(s, chars.s)
		}
		return s
	default:
		is = r.stripper(chars.s)
	}
	if left {
		s = strings.TrimLeftFunc(s, is)
	}
	if right {
		s = strings.TrimRightFunc(s, is)
	}
	return s
}

func (r *run) partition(of Value, args []Value, look func(s, sub string) int) (a, sep, b string, found bool) {
	sep = r.wantString(args[0], "argument")
	if sep == "" {
		r.fail("empty separator")
	}
	r.room(3*bytesOfValue + len(of.s)/8)
	at := look(of.s, sep)
	if at < 0 {
		return "", "", "", false
	}
	return of.s[:at], sep, of.s[at+len(sep):], true
}

func strPartition(r *run, of Value, args []Value) Value {
	a, sep, b, ok := r.partition(of, args, strings.Index)
	if !ok {
		a = of.s
	}
	return tupleOf(sameKind(of, a), sameKind(of, sep), sameKind(of, b))
}

func strRpartition(r *run, of Value, args []Value) Value {
	a, sep, b, ok := r.partition(of, args, strings.LastIndex)
	if !ok {
		b = of.s
	}
	return tupleOf(sameKind(of, a), sameKind(of, sep), sameKind(of, b))
}

func strReplace(r *run, of Value, args []Value) Value {
	before, after := r.wantString(args[0], "replace() argument 1"), args[1]
	if of.n != 0 {
		after = r.escaped(after)
	}
	count := -1
	if args[2].k != kMissing {
		count = r.index(args[2])
	}
	return sameKind(of, r.replace(of.s, before, r.wantString(after, "replace() argument 2"), count))
}

func (r *run) replace(s, before, after string, count int) string {
	r.pay(len(s))
	n := strings.Count(s, before)
	if count >= 0 {
		n = min(n, count)
	}
	if n == 0 {
		return s
	}
	if len(after) > 0 && n > r.maxValue/len(after) {
		r.room(r.maxValue + 1)
	}
	r.room(len(s) + n*len(after))
	return strings.Replace(s, before, after, count)
}

func strSplit(r *run, of Value, args []Value) Value  { return r.split(of, args, false) }
func strRsplit(r *run, of Value, args []Value) Value { return r.split(of, args, true) }

func (r *run) split(of Value, args []Value, fromEnd bool) Value {
	limit := -1
	if args[1].k != kMissing {
		limit = r.index(args[1])
	}
	r.pay(len(of.s))
	var parts []Value
	add := func(s string) {
		r.room(bytesOfValue)
		parts = append(parts, sameKind(of, s))
	}
	s := of.s
	if args[0].k == kMissing || args[0].k == kNone {
		if fromEnd {
			for s = strings.TrimRightFunc(s, isSpace); s != "" && limit != 0; limit-- {
				at := strings.LastIndexFunc(s, isSpace)
				if at < 0 {
					break
				}
				_, n := utf8.DecodeRuneInString(s[at:])
				add(s[at+n:])
				s = strings.TrimRightFunc(s[:at], isSpace)
			}
		} else {
			for s = strings.TrimLeftFunc(s, isSpace); s != "" && limit != 0; limit-- {
				at := strings.IndexFunc(s, isSpace)
				if at < 0 {
					break
				}
				add(s[:at])
				s = strings.TrimLeftFunc(s[at:], isSpace)
			}
		}
		if s != "" {
			add(s)
		}
	} else {
		sep := r.wantString(args[0], "must be str or None; the separator")
		if sep == "" {
			r.fail("empty separator")
		}
		if n := strings.Count(s, sep); limit < 0 || n < limit {
			r.roomFor(n+1, bytesOfValue)
			parts = make([]Value, 0, n+1)
		}
		for ; limit != 0; limit-- {
			if fromEnd {
				at := strings.LastIndex(s, sep)
				if at < 0 {
					break
				}
				add(s[at+len(sep):])
				s = s[:at]
				continue
			}
			at := strings.Index(s, sep)
			if at < 0 {
				break
			}
			add(s[:at])
			s = s[at+len(sep):]
		}
		add(s)
	}
	if fromEnd {
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
	}
	return listOf(parts)
}

func strSplitlines(r *run, of Value, args []Value) Value {
	keep := args[0].k != kMissing && r.index(args[0]) != 0
	r.pay(len(of.s))
	lines := splitLines(of.s, keep)
	r.roomFor(len(lines), bytesOfValue)
	parts := make([]Value, len(lines))
	for i, line := range lines {
		parts[i] = sameKind(of, line)
	}
	return listOf(parts)
}
