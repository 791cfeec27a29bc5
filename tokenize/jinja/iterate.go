package jinja

import (
	"math"
	"unicode/utf8"
)

// iterator is Python's iterator over a value, and also what generators are: it can be used once.
type iterator struct {
	items []Value // of lists, tuples and dicts
	i     int
	pairs []Value // of items(): the values that belong to items
	s     string  // of strings
	rng   *pyRange
	// more is the next value of a generator; start makes items when the first is wanted.
	more  func(r *run) (Value, bool)
	start func(r *run) []Value
}

func (it *iterator) next(r *run) (Value, bool) {
	r.step()
	if it.start != nil {
		start := it.start
		it.start = nil
		it.items = start(r)
	}
	switch {
	case it.more != nil:
		return it.more(r)
	case it.i < len(it.items):
		v := it.items[it.i]
		it.i++
		if it.pairs != nil {
			r.room(3 * bytesOfValue)
			v = pair(v, it.pairs[it.i-1])
		}
		return v, true
	case it.s != "":
		_, n := utf8.DecodeRuneInString(it.s)
		c := it.s[:n]
		it.s = it.s[n:]
		return text(c), true
	case it.rng != nil && it.i < it.rng.len():
		it.i++
		return Value{k: kInt, n: it.rng.at(it.i - 1)}, true
	}
	return Value{}, false
}

func generator(more func(r *run) (Value, bool)) Value {
	return Value{k: kIter, o: &iterator{more: more}}
}

func lazily(start func(r *run) []Value) Value {
	return Value{k: kIter, o: &iterator{start: start}}
}

// iterable is false for what Python cannot iterate over.
func (v Value) iterable() bool {
	switch v.k {
	case kString, kList, kTuple, kDict, kUndefined, kRange, kView, kIter, kLoop:
		return true
	}
	return false
}

// iterate is Python's iter(v).
func (r *run) iterate(v Value) *iterator {
	switch v.k {
	case kList, kTuple:
		return &iterator{items: v.list().items}
	case kDict:
		return &iterator{items: v.dict().keys}
	case kView:
		d := v.dict()
		switch v.n {
		case viewKeys:
			return &iterator{items: d.keys}
		case viewValues:
			return &iterator{items: d.vals}
		}
		return &iterator{items: d.keys, pairs: d.vals}
	case kString:
		return &iterator{s: v.s}
	case kRange:
		return &iterator{rng: v.o.(*pyRange)}
	case kIter:
		return v.o.(*iterator)
	case kUndefined:
		return &iterator{}
	}
	r.fail("'%s' object is not iterable", v.typeName())
	return nil
}

// items are all items of a value. The slice must not be changed.
func (r *run) items(v Value) []Value {
	switch v.k {
	case kList, kTuple:
		return v.list().items
	case kDict:
		return v.dict().keys
	}
	return r.rest(r.iterate(v))
}

// rest are the items that an iterator still has.
func (r *run) rest(it *iterator) []Value {
	var items []Value
	for {
		v, ok := it.next(r)
		if !ok {
			return items
		}
		r.room(bytesOfValue)
		items = append(items, v)
	}
}

// reversed is Python's reversed(v); it is not ok for what has no order from behind.
func (r *run) reversed(v Value) (*iterator, bool) {
	switch v.k {
	case kList, kTuple, kDict, kString, kRange, kView:
	case kUndefined:
		// It has a length and __getitem__, which fails when it is called, and it never is.
		return &iterator{}, true
	default:
		return nil, false
	}
	return &iterator{start: func(r *run) []Value {
		items := r.items(v)
		r.roomFor(len(items), bytesOfValue)
		back := make([]Value, len(items))
		for i := range items {
			back[len(items)-1-i] = items[i]
		}
		return back
	}}, true
}

// pyRange is Python's range.
type pyRange struct{ start, stop, step int64 }

func (p *pyRange) len() int {
	// The differences are unsigned: start and stop may be far apart.
	switch {
	case p.step > 0 && p.start < p.stop:
		return clampLen((uint64(p.stop)-uint64(p.start)-1)/uint64(p.step) + 1)
	case p.step < 0 && p.start > p.stop:
		return clampLen((uint64(p.start)-uint64(p.stop)-1)/(-uint64(p.step)) + 1)
	}
	return 0
}

func clampLen(n uint64) int { return int(min(n, 1<<62)) }

func (p *pyRange) at(i int) int64 { return p.start + int64(i)*p.step }

func (p *pyRange) has(n int64) bool {
	if p.step > 0 {
		return n >= p.start && n < p.stop && (uint64(n)-uint64(p.start))%uint64(p.step) == 0
	}
	return n <= p.start && n > p.stop && (uint64(p.start)-uint64(n))%(-uint64(p.step)) == 0
}

// bounds are the indices of a slice of n items, as Python's slice.indices makes them, and how many
// it takes.
func (r *run) bounds(n int, start, stop, step Value) (from, to, by, count int) {
	by = 1
	if step.k != kNone && step.k != kMissing {
		by = r.sliceIndex(step)
		if by == 0 {
			r.fail("slice step cannot be zero")
		}
	}
	place := func(v Value, absent int) int {
		if v.k == kNone || v.k == kMissing {
			return absent
		}
		i := r.sliceIndex(v)
		low, high := 0, n
		if by < 0 {
			low, high = -1, n-1
		}
		if i < 0 {
			i += n
		}
		return max(low, min(i, high))
	}
	if by > 0 {
		from, to = place(start, 0), place(stop, n)
		if to > from {
			count = (to-from-1)/by + 1
		}
	} else {
		from, to = place(start, n-1), place(stop, -1)
		if to < from {
			count = (from-to-1)/(-by) + 1
		}
	}
	return from, to, by, count
}

func (r *run) sliceIndex(v Value) int {
	if !v.isInt() && v.k != kUndefined {
		r.fail("slice indices must be integers or None or have an __index__ method")
	}
	if v.k == kBig {
		// Beyond all items, whose number fits 32 bits.
		return v.big().Sign() * math.MaxInt32
	}
	return r.index(v)
}

// slice is Python's v[start:stop:step].
func (r *run) slice(v, start, stop, step Value) Value {
	switch v.k {
	case kList, kTuple:
		items := v.list().items
		from, _, by, count := r.bounds(len(items), start, stop, step)
		if by == 1 {
			// Values are immutable: both may have the same items.
			r.room(bytesOfValue)
			return Value{k: v.k, o: &list{items: items[from : from+count : from+count]}}
		}
		r.roomFor(count, bytesOfValue)
		taken := make([]Value, count)
		for i := range taken {
			taken[i] = items[from+i*by]
		}
		return Value{k: v.k, o: &list{items: taken}}
	case kString:
		r.pay(len(v.s))
		n := utf8.RuneCountInString(v.s)
		from, _, by, count := r.bounds(n, start, stop, step)
		if count == 0 {
			return Value{k: kString, n: v.n}
		}
		if by == 1 {
			if n != len(v.s) {
				a := runeOffset(v.s, from)
				return Value{k: kString, n: v.n, s: v.s[a : a+runeOffset(v.s[a:], count)]}
			}
			return Value{k: kString, n: v.n, s: v.s[from : from+count]}
		}
		if n == len(v.s) {
			r.room(count)
			b := make([]byte, count)
			for i := range b {
				b[i] = v.s[from+i*by]
			}
			return Value{k: kString, n: v.n, s: string(b)}
		}
		r.room(4 * n)
		runes := []rune(v.s)
		taken := make([]rune, count)
		for i := range taken {
			taken[i] = runes[from+i*by]
		}
		return Value{k: kString, n: v.n, s: string(taken)}
	case kRange:
		p := v.o.(*pyRange)
		from, to, by, _ := r.bounds(p.len(), start, stop, step)
		return Value{k: kRange, o: &pyRange{p.at(from), p.at(to), p.step * int64(by)}}
	case kUndefined:
		r.useOfUndefined(v)
	case kDict:
		r.fail("unhashable type: 'slice'")
	}
	r.fail("'%s' object is not subscriptable", v.typeName())
	return Value{}
}

// runeOffset is the byte at which rune n of s starts.
func runeOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}
