package jinja

import (
	"math"
	"math/big"
	"strconv"
)

// dict is an ordered mapping. Small ones are searched from the front, larger ones have an index.
type dict struct {
	keys  []Value
	vals  []Value
	index map[hashKey]int
}

const indexFrom = 9 // entries from which on the index pays

// hashKey is equal for keys that Python holds equal: 1, 1.0 and True are one key.
type hashKey struct {
	k kind
	n int64
	s string
	o any
}

// hash makes the key of a value; it is not ok for what Python cannot hash, nor for what would take long.
func hash(v Value) (hashKey, bool) {
	switch v.k {
	case kBool, kInt:
		return hashKey{k: kInt, n: v.n}, true
	case kFloat:
		f := v.float()
		if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
			return hashKey{k: kInt, n: int64(f)}, true
		}
		if f == math.Trunc(f) && !math.IsInf(f, 0) {
			n, _ := new(big.Float).SetFloat64(f).Int(nil)
			return hashKey{k: kBig, s: n.Text(62)}, true
		}
		return hashKey{k: kFloat, n: v.n}, true
	case kBig:
		n := v.o.(*big.Int)
		return hashKey{k: kBig, s: n.Text(62)}, n.BitLen() <= maxHashed
	case kString:
		return hashKey{k: kString, s: v.s}, true
	case kNone:
		return hashKey{k: kNone}, true
	case kUndefined:
		return hashKey{k: kUndefined}, true
	case kTuple:
		b, ok := appendHash(nil, v, 0)
		return hashKey{k: kTuple, s: string(b)}, ok
	case kList, kDict, kView:
		return hashKey{}, false
	}
	return hashKey{k: v.k, n: v.n, o: v.o}, true
}

// appendHash appends bytes that are equal for tuples that are equal.
func appendHash(b []byte, v Value, depth int) ([]byte, bool) {
	if depth > maxDepth || len(b) > maxHashed {
		return nil, false
	}
	if v.k == kTuple {
		b = append(b, '(')
		for _, item := range v.list().items {
			var ok bool
			if b, ok = appendHash(b, item, depth+1); !ok {
				return nil, false
			}
		}
		return append(b, ')'), true
	}
	h, ok := hash(v)
	if !ok || h.o != nil {
		return nil, false
	}
	b = append(b, byte(h.k))
	b = strconv.AppendInt(b, h.n, 36)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(len(h.s)), 36)
	b = append(b, ':')
	return append(b, h.s...), true
}

func (d *dict) len() int { return len(d.keys) }

// find is the place of a key, or -1; a key that cannot be hashed is not there.
func (d *dict) find(key Value) int {
	if d.index == nil {
		if key.k == kString {
			for i := range d.keys {
				if d.keys[i].k == kString && d.keys[i].s == key.s {
					return i
				}
			}
			return -1
		}
		h, ok := hash(key)
		if !ok {
			return -1
		}
		for i := range d.keys {
			if other, _ := hash(d.keys[i]); other == h {
				return i
			}
		}
		return -1
	}
	h, ok := hash(key)
	if !ok {
		return -1
	}
	if i, ok := d.index[h]; ok {
		return i
	}
	return -1
}

func (d *dict) get(key Value) (Value, bool) {
	if i := d.find(key); i >= 0 {
		return d.vals[i], true
	}
	return Value{}, false
}

// name is the value of a key that is a string.
func (d *dict) name(s string) (Value, bool) {
	return d.get(text(s))
}

// set is for those who make a dict, before anyone else sees it, and for namespaces.
func (d *dict) set(key, v Value) {
	if i := d.find(key); i >= 0 {
		d.vals[i] = v
		return
	}
	d.keys = append(d.keys, key)
	d.vals = append(d.vals, v)
	switch {
	case d.index != nil:
		h, _ := hash(key)
		d.index[h] = len(d.keys) - 1
	case len(d.keys) >= indexFrom:
		d.index = make(map[hashKey]int, 2*indexFrom)
		for i := range d.keys {
			h, _ := hash(d.keys[i])
			d.index[h] = i
		}
	}
}

// put is set for a template's own keys.
func (r *run) put(d *dict, key, v Value) {
	r.pay(len(key.s))
	if _, ok := hash(key); !ok {
		r.fail("unhashable type: '%s'", key.typeName())
	}
	r.room(2 * bytesOfValue)
	d.set(key, v)
}

// has is Python's key in d.
func (r *run) has(d *dict, key Value) bool {
	r.pay(len(key.s))
	if _, ok := hash(key); !ok {
		r.fail("unhashable type: '%s'", key.typeName())
	}
	return d.find(key) >= 0
}
