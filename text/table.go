package text

// table finds earlier places of equal content: open addressing with linear probing, one uint64 a slot.
//
//	slot = 32 bits of the hash << 32 | base + place
//
// A slot whose low half is below base is left over from an earlier use and counts as empty, so a new use
// costs nothing: base moves up instead of the table being cleared. Whoever finds equal hash bits compares the
// content, so a collision costs time and never a wrong answer.
type table struct {
	slots []uint64
	next  uint64 // base of the next use; low halves in slots are below it
}

// start makes the table ready for up to n of the places 0 to limit-1.
func (t *table) start(n, limit int) (slots []uint64, base uint32) {
	// Small tables are a quarter full at most, so that the first probe nearly always decides; above 2^16
	// places memory counts more. What the sieve lets through there is mostly content that repeats, which
	// takes a slot for two places or more.
	size := 4*n + 1
	if n > 1<<16 {
		size = n + n/8
	}
	if size > cap(t.slots) {
		t.slots = make([]uint64, roomFor(size))
		t.next = 1
	}
	if t.next == 0 || t.next+uint64(limit) > 1<<32 {
		clear(t.slots[:cap(t.slots)])
		t.next = 1
	}
	base = uint32(t.next)
	t.next += uint64(limit)
	return t.slots[:size], base
}

// mix spreads a hash over all 64 bits: the low bits of a polynomial hash know only the low bits of the text.
func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0x9E3779B97F4A7C15 // 2^64 / golden ratio, odd (Knuth, TAOCP 3, section 6.4)
	return h ^ h>>29
}

// slotOf maps the upper half of a mixed hash to a slot of size without a division.
func slotOf(mixed uint64, size int) int { return int(mixed >> 32 * uint64(size) >> 32) }

// roomFor is a capacity for n elements: somewhat more while they are few, so that a growing sequence of texts
// seldom allocates.
func roomFor(n int) int {
	if n > 1<<16 {
		return n
	}
	return n + n/8
}
