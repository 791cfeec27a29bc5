package jinja

import (
	"html"
	"math"
	"math/big"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// The filters of lists and of numbers.

// wholeOf is Python's int(f).
func wholeOf(f float64) (n Value, finite, isNaN bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}, false, math.IsNaN(f)
	}
	whole, _ := new(big.Float).SetFloat64(f).Int(nil)
	return bigInt(whole), true, false
}

// getter is jinja2's make_attrgetter: it looks up "a.b.0" in an item.
type getter struct {
	parts    []Value
	fallback Value
	fold     bool
}

func (r *run) getter(attribute, fallback Value, caseSensitive bool) getter {
	g := getter{fold: !caseSensitive}
	if fallback.k != kNone {
		g.fallback = fallback
	}
	switch attribute.k {
	case kMissing, kNone:
	case kString:
		r.roomFor(1+strings.Count(attribute.s, "."), bytesOfValue)
		g.parts = attributeParts(attribute.s)
	default:
		g.parts = []Value{attribute}
	}
	return g
}

func attributeParts(s string) []Value {
	var parts []Value
	for part := range strings.SplitSeq(s, ".") {
		v := text(part)
		if part != "" && strings.IndexFunc(part, func(c rune) bool { return !isDigit(c) }) < 0 {
			if n, ok := parseInt(part, 10); ok {
				v = n
			}
		}
		parts = append(parts, v)
	}
	return parts
}

func (g *getter) of(r *run, item Value) Value {
	for _, part := range g.parts {
		item = r.getitem(item, part)
		if g.fallback.k != kMissing && item.k == kUndefined {
			item = g.fallback
		}
	}
	if g.fold {
		return r.ignoreCase(item)
	}
	return item
}

func (r *run) ignoreCase(v Value) Value {
	if v.k == kString {
		return r.recased(v, toLower)
	}
	return v
}

func filterBatch(r *run, v Value, args []Value) Value {
	count, fill := args[0], or(args[1], none)
	return lazily(func(r *run) []Value {
		// A count that is no number is never reached.
		n := -1
		if count.isInt() || fill.k != kNone {
			n = r.index(count)
		}
		var batches, batch []Value
		for _, item := range r.items(v) {
			if len(batch) == n {
				batches = append(batches, listOf(batch))
				batch = nil
				r.room(2 * bytesOfValue)
			}
			r.room(bytesOfValue)
			batch = append(batch, item)
		}
		if len(batch) > 0 {
			if fill.k != kNone && len(batch) < n {
				r.roomFor(n-len(batch), bytesOfValue)
				for len(batch) < n {
					batch = append(batch, fill)
				}
			}
			batches = append(batches, listOf(batch))
		}
		return batches
	})
}

func filterSlice(r *run, v Value, args []Value) Value {
	slices, fill := args[0], or(args[1], none)
	return lazily(func(r *run) []Value {
		items := r.items(v)
		n := r.index(slices)
		if n == 0 {
			r.fail("integer division or modulo by zero")
		}
		if n < 0 {
			return nil
		}
		r.roomFor(n, 3*bytesOfValue)
		each, extra := len(items)/n, len(items)%n
		parts := make([]Value, 0, n)
		offset := 0
		for i := range n {
			start := offset + i*each
			if i < extra {
				offset++
			}
			end := offset + (i+1)*each
			part := items[start:end:end]
			if fill.k != kNone && i >= extra {
				r.roomFor(len(part)+1, bytesOfValue)
				part = append(part, fill)
			}
			parts = append(parts, listOf(part))
		}
		return parts
	})
}

// flag is an argument that Python takes as an integer.
func (r *run) flag(v Value) bool { return v.k != kMissing && r.index(v) != 0 }

// sortBy is Python's sorted(items, key=...): stable, also in reverse.
func (r *run) sortBy(items []Value, key func(Value) Value, reverse bool) []Value {
	type keyed struct{ key, item Value }
	r.roomFor(len(items), 3*bytesOfValue)
	all := make([]keyed, len(items))
	for i, item := range items {
		all[i] = keyed{key(item), item}
	}
	sort.SliceStable(all, func(i, j int) bool {
		if reverse {
			return r.holds("<", all[j].key, all[i].key)
		}
		return r.holds("<", all[i].key, all[j].key)
	})
	sorted := make([]Value, len(items))
	for i := range all {
		sorted[i] = all[i].item
	}
	return sorted
}

func filterDictsort(r *run, v Value, args []Value) Value {
	if v.k != kDict {
		r.fail("dictsort wants a mapping, not %s", v.typeName())
	}
	at := 0
	if by := or(args[1], text("key")); by.k == kString && by.s == "value" {
		at = 1
	} else if by.k != kString || by.s != "key" {
		r.fail(`You can only sort by either "key" or "value"`)
	}
	sensitive := args[0].truth()
	items := r.items(dictView(v, viewItems))
	return listOf(r.sortBy(items, func(item Value) Value {
		if key := item.list().items[at]; sensitive {
			return key
		} else {
			return r.ignoreCase(key)
		}
	}, r.flag(args[2])))
}

func filterSort(r *run, v Value, args []Value) Value {
	attribute := or(args[2], none)
	var getters []getter
	if attribute.k == kString {
		for part := range strings.SplitSeq(attribute.s, ",") {
			getters = append(getters, r.getter(text(part), none, args[1].truth()))
		}
	} else {
		getters = append(getters, r.getter(attribute, none, args[1].truth()))
	}
	return listOf(r.sortBy(r.items(v), func(item Value) Value {
		r.roomFor(len(getters)+1, bytesOfValue)
		keys := make([]Value, len(getters))
		for i := range getters {
			keys[i] = getters[i].of(r, item)
		}
		return listOf(keys)
	}, r.flag(args[0])))
}

func filterUnique(r *run, v Value, args []Value) Value {
	g := r.getter(args[1], none, args[0].truth())
	seen := map[hashKey]bool{}
	var over *iterator
	return generator(func(r *run) (Value, bool) {
		if over == nil {
			over = r.iterate(v)
		}
		for {
			item, ok := over.next(r)
			if !ok {
				return item, false
			}
			key := g.of(r, item)
			r.pay(len(key.s))
			h, ok := hash(key)
			if !ok {
				r.fail("unhashable type: '%s'", key.typeName())
			}
			if !seen[h] {
				r.room(2 * bytesOfValue)
				seen[h] = true
				return item, true
			}
		}
	})
}

func filterMin(r *run, v Value, args []Value) Value { return r.extreme(v, args, "<") }
func filterMax(r *run, v Value, args []Value) Value { return r.extreme(v, args, ">") }

func (r *run) extreme(v Value, args []Value, op string) Value {
	g := r.getter(args[1], none, args[0].truth())
	it := r.iterate(v)
	best, ok := it.next(r)
	if !ok {
		return Value{k: kUndefined, n: undefinedHint, s: "No aggregated item, sequence was empty."}
	}
	key := g.of(r, best)
	for {
		item, ok := it.next(r)
		if !ok {
			return best
		}
		if k := g.of(r, item); r.holds(op, k, key) {
			best, key = item, k
		}
	}
}

func filterFirst(r *run, v Value, _ []Value) Value {
	first, ok := r.iterate(v).next(r)
	if !ok {
		return Value{k: kUndefined, n: undefinedHint, s: "No first item, sequence was empty."}
	}
	return first
}

func filterLast(r *run, v Value, _ []Value) Value {
	if v.k == kList || v.k == kTuple {
		if items := v.list().items; len(items) > 0 {
			return items[len(items)-1]
		}
	}
	it, ok := r.reversed(v)
	if !ok {
		r.fail("'%s' object is not reversible", v.typeName())
	}
	last, ok := it.next(r)
	if !ok {
		return Value{k: kUndefined, n: undefinedHint, s: "No last item, sequence was empty."}
	}
	return last
}

func filterReverse(r *run, v Value, _ []Value) Value {
	if v.k == kString {
		return r.slice(v, none, none, integer(-1))
	}
	it, ok := r.reversed(v)
	if !ok {
		if !v.iterable() || v.k == kLoop {
			r.fail("argument must be iterable")
		}
		items := slices.Clone(r.rest(r.iterate(v)))
		slices.Reverse(items)
		return listOf(items)
	}
	return Value{k: kIter, o: it}
}

func filterJoin(r *run, v Value, args []Value) Value {
	d := ""
	if args[0].k != kMissing {
		d = r.str(args[0])
	}
	var g getter
	if args[1].k != kMissing && args[1].k != kNone {
		g = r.getter(args[1], none, true)
	}
	it := r.iterate(v)
	b := []byte{}
	for i := 0; ; i++ {
		item, ok := it.next(r)
		if !ok {
			return text(string(b))
		}
		before := len(b)
		if i > 0 {
			b = append(b, d...)
		}
		b = r.appendStr(b, g.of(r, item))
		r.room(len(b) - before)
	}
}

func filterList(r *run, v Value, _ []Value) Value {
	items := r.items(v)
	r.roomFor(len(items), bytesOfValue)
	return listOf(items)
}

func filterItems(r *run, v Value, _ []Value) Value {
	return lazily(func(r *run) []Value {
		if v.k == kUndefined {
			return nil
		}
		if v.k != kDict {
			r.fail("Can only get item pairs from a mapping.")
		}
		return r.items(dictView(v, viewItems))
	})
}

func filterSum(r *run, v Value, args []Value) Value {
	total := or(args[1], integer(0))
	if total.k == kString {
		r.fail("sum() can't sum strings [use ''.join(seq) instead]")
	}
	var g getter
	if args[0].k != kMissing && args[0].k != kNone {
		g = r.getter(args[0], none, true)
	}
	it := r.iterate(v)
	for {
		item, ok := it.next(r)
		if !ok {
			return total
		}
		total = r.add(total, g.of(r, item))
	}
}

func filterGroupby(r *run, v Value, args []Value) Value {
	sensitive := args[2].truth()
	g := r.getter(args[0], or(args[1], none), sensitive)
	exactly := r.getter(args[0], or(args[1], none), true)
	sorted := r.sortBy(r.items(v), func(item Value) Value { return g.of(r, item) }, false)
	var groups []Value
	for i := 0; i < len(sorted); {
		key := g.of(r, sorted[i])
		end := i + 1
		for end < len(sorted) && r.equal(key, g.of(r, sorted[end]), 0) {
			end++
		}
		if !sensitive {
			key = exactly.of(r, sorted[i])
		}
		r.room(4 * bytesOfValue)
		groups = append(groups, Value{k: kTuple, o: &list{
			items: []Value{key, listOf(sorted[i:end:end])},
			names: []string{"grouper", "list"},
		}})
		i = end
	}
	return listOf(groups)
}

func filterMap(r *run, v Value, c call) Value {
	c.args = slices.Clone(c.args)
	var over *iterator
	var each func(r *run, item Value) Value
	return generator(func(r *run) (Value, bool) {
		if over == nil {
			if !v.truth() {
				return Value{}, false
			}
			each = r.mapper(c)
			over = r.iterate(v)
		}
		item, ok := over.next(r)
		if !ok {
			return item, false
		}
		return each(r, item), true
	})
}

func (r *run) mapper(c call) func(r *run, item Value) Value {
	if len(c.args) == 0 {
		var attribute, fallback Value
		for _, named := range c.named {
			switch named.name {
			case "attribute":
				attribute = named.value
			case "default":
				fallback = named.value
			}
		}
		if attribute.k == kMissing {
			r.fail("map requires a filter argument")
		}
		for _, named := range c.named {
			if named.name != "attribute" && named.name != "default" {
				r.fail("Unexpected keyword argument '%s'", named.name)
			}
		}
		g := r.getter(attribute, or(fallback, none), true)
		return func(r *run, item Value) Value { return g.of(r, item) }
	}
	name, rest := c.args[0], call{c.args[1:], c.named}
	return func(r *run, item Value) Value {
		f := r.lookup(r.filters, name, "filter")
		return r.apply(f, item, rest)
	}
}

func (r *run) lookup(table []builtin, name Value, what string) *builtin {
	if name.k == kString {
		if b := findBuiltin(table, name.s); b != nil {
			return b
		}
	}
	r.fail("No %s named %s.", what, r.repr(name, false))
	return nil
}

func filterSelect(r *run, v Value, c call) Value     { return selectBy(v, c, true, false) }
func filterReject(r *run, v Value, c call) Value     { return selectBy(v, c, false, false) }
func filterSelectattr(r *run, v Value, c call) Value { return selectBy(v, c, true, true) }
func filterRejectattr(r *run, v Value, c call) Value { return selectBy(v, c, false, true) }

// selectBy takes the items for which a test, of them or of an attribute of theirs, says what is wanted.
func selectBy(v Value, c call, want, attribute bool) Value {
	c.args = slices.Clone(c.args)
	var over *iterator
	var g getter
	return generator(func(r *run) (Value, bool) {
		if over == nil {
			if !v.truth() {
				return Value{}, false
			}
			if attribute {
				if len(c.args) == 0 {
					r.fail("Missing parameter for attribute name")
				}
				g = r.getter(c.args[0], none, true)
				c.args = c.args[1:]
			}
			over = r.iterate(v)
		}
		for {
			item, ok := over.next(r)
			if !ok {
				return item, false
			}
			tested := g.of(r, item)
			holds := tested.truth()
			if len(c.args) > 0 {
				t := r.lookup(r.tests, c.args[0], "test")
				holds = r.apply(t, tested, call{c.args[1:], c.named}).truth()
			}
			if holds == want {
				return item, true
			}
		}
	})
}

func filterRound(r *run, v Value, args []Value) Value {
	method := or(args[1], text("common"))
	precision := 0
	toInt := args[0].k == kNone && method.s == "common"
	if args[0].k != kMissing && !toInt {
		precision = r.index(args[0])
	}
	if !v.isNumber() {
		r.fail("type %s doesn't define __round__ method", v.typeName())
	}
	if precision > 400 || precision < -400 {
		r.fail("a precision of %d", precision)
	}
	if method.k == kString {
		switch method.s {
		case "common":
			if precision < 0 {
				r.pay(1000 * bytesPerStep)
			}
			r.pay(10 * bytesPerStep)
			if v.k == kFloat && toInt {
				n, finite, _ := wholeOf(roundFloat(v.float(), 0))
				if !finite {
					r.fail("cannot convert float %s to integer", r.str(v))
				}
				return n
			}
			if v.k == kFloat {
				return float(roundFloat(v.float(), precision))
			}
			return r.roundInt(v, precision)
		case "ceil", "floor":
			power := r.pow(integer(10), integer(precision))
			product := r.mul(v, power)
			if product.k == kFloat {
				f := math.Floor(product.float())
				if method.s == "ceil" {
					f = math.Ceil(product.float())
				}
				n, finite, _ := wholeOf(f)
				if !finite {
					r.fail("cannot convert float to integer")
				}
				product = n
			}
			return r.div(product, power)
		}
	}
	r.fail("method must be common, ceil or floor")
	return none
}

// roundFloat is Python's round(f, n): the nearest, to even on a tie, of the exact value.
func roundFloat(f float64, n int) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	if n >= 0 {
		rounded, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', n, 64), 64)
		return rounded
	}
	whole := new(big.Float).SetFloat64(f)
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-n)), nil)
	q, _ := new(big.Rat).SetString(whole.Text('f', 1080))
	q.Quo(q, new(big.Rat).SetInt(power))
	n2, _ := new(big.Int).SetString(q.FloatString(0), 10)
	// FloatString rounds ties away from zero.
	if tie := new(big.Rat).Sub(q, new(big.Rat).SetInt(n2)); tie.Abs(tie).Cmp(big.NewRat(1, 2)) == 0 && n2.Bit(0) == 1 {
		if n2.Sign() > 0 {
			n2.Sub(n2, big.NewInt(1))
		} else {
			n2.Add(n2, big.NewInt(1))
		}
	}
	rounded, _ := new(big.Float).SetInt(n2.Mul(n2, power)).Float64()
	return math.Copysign(rounded, f)
}

// roundInt rounds to 10**-n, to even on a tie.
func (r *run) roundInt(v Value, n int) Value {
	if n >= 0 {
		return r.pos(v)
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-n)), nil)
	q, m := new(big.Int).DivMod(v.big(), power, new(big.Int))
	switch twice := new(big.Int).Lsh(m, 1); twice.Cmp(power) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		if q.Bit(0) == 1 {
			q.Add(q, big.NewInt(1))
		}
	}
	return r.limited(q.Mul(q, power))
}

// filterStriptags is markupsafe's Markup.striptags: it takes out comments and tags, makes one space of all whitespace
// and puts characters for entities.
func filterStriptags(r *run, v Value, _ []Value) Value {
	s := r.str(v)
	r.room(2 * len(s))
	var b strings.Builder
	for {
		start := strings.IndexByte(s, '<')
		if start < 0 {
			break
		}
		end := -1
		if strings.HasPrefix(s[start:], "<!--") {
			if i := strings.Index(s[start+4:], "-->"); i >= 0 {
				end = start + 4 + i + 3
			}
		} else if i := strings.IndexByte(s[start:], '>'); i >= 0 {
			end = start + i + 1
		}
		if end < 0 {
			break
		}
		b.WriteString(s[:start])
		s = s[end:]
	}
	b.WriteString(s)
	return text(html.UnescapeString(strings.Join(strings.FieldsFunc(b.String(), isSpace), " ")))
}
