package fasttext

import (
	"math"
	"math/bits"
)

const (
	eosToken    = "</s>"      // stands for the end of a line
	labelPrefix = "__label__" // the reference's default, which files do not hold
)

// dictionary turns words into rows.
type dictionary struct {
	text   []byte   // of all entries, one behind the other
	ends   []uint32 // of the entries in text
	nwords int      // entries that are words; the others are labels
	labels []string

	slots []slot // open addressing, a power of two
	shift uint

	minn, maxn int
	bucket     divisor
	pruned     int64 // -1: an n-gram has the row of its bucket; else how many of them have a row
	prune      pruneTable
	lastRow    int32 // the highest of prune
}

// slot is an entry of the dictionary by the hash of its text.
type slot struct {
	hash uint32
	id   int32 // plus one; 0 is an empty slot
}

func (t *dictionary) bytes() int64 {
	n := int64(len(t.text)) + int64(len(t.ends))*4 + int64(len(t.slots))*8 + t.prune.bytes()
	for _, l := range t.labels {
		n += int64(len(l)) + 16
	}
	return n
}

// word is the text of an entry.
func (t *dictionary) word(id int32) []byte {
	lo := uint32(0)
	if id > 0 {
		lo = t.ends[id-1]
	}
	return t.text[lo:t.ends[id]]
}

// index makes the table. Of entries that are equal, which no trainer writes, the first is found.
func (t *dictionary) index() {
	size := 2
	for size < 2*len(t.ends) {
		size *= 2
	}
	t.slots = make([]slot, size)
	t.shift = uint(bits.LeadingZeros32(uint32(size - 1)))
	for i := range t.ends {
		h := hashOf(t.word(int32(i)))
		at := t.start(h)
		for t.slots[at].id != 0 {
			at = (at + 1) & (size - 1)
		}
		t.slots[at] = slot{h, int32(i) + 1}
	}
}

// start is where the search for a hash begins. FNV's low bits are good enough for that, and a file can be made
// to collide whatever is chosen; the high bits are mixed in for the words that differ in the first letters.
func (t *dictionary) start(h uint32) int { return int((h * 0x9E3779B1) >> t.shift) }

// find finds an entry, a word or a label, with its hash.
func (t *dictionary) find(word []byte, h uint32) (int32, bool) {
	for at := t.start(h); ; at = (at + 1) & (len(t.slots) - 1) {
		s := t.slots[at]
		if s.id == 0 {
			return 0, false
		}
		if s.hash == h && string(t.word(s.id-1)) == string(word) {
			return s.id - 1, true
		}
	}
}

// subwords appends the rows of the character n-grams of word, which is in its brackets: "<kaixo>". The n-grams of
// one character do not count where that is a bracket (dictionary.cc computeSubwords).
func (t *dictionary) subwords(word []byte, rows []int32) []int32 {
	if t.pruned == 0 {
		return rows
	}
	for i := 0; i < len(word); i++ {
		if word[i]&0xC0 == 0x80 { // inside a character
			continue
		}
		h := uint32(hashStart)
		for n, j := 1, i; n <= t.maxn && j < len(word); n++ {
			h = hashByte(h, word[j])
			for j++; j < len(word) && word[j]&0xC0 == 0x80; j++ {
				h = hashByte(h, word[j])
			}
			if n < t.minn || n == 1 && (i == 0 || j == len(word)) {
				continue
			}
			if row, ok := t.row(t.bucket.mod(h)); ok {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// row is that of a bucket of n-grams, if it has one.
func (t *dictionary) row(bucket uint32) (int32, bool) {
	if t.pruned < 0 {
		return int32(t.nwords) + int32(bucket), true
	}
	row, ok := t.prune.get(bucket)
	return int32(t.nwords) + row, ok
}

// wordNgrams appends the rows of the n-grams of 2 to n words that begin with the first of hashes, those of the
// words of a text (dictionary.cc addWordNgrams: hashes are widened as signed numbers).
func (t *dictionary) wordNgrams(hashes []int32, n int, rows []int32) []int32 {
	if t.pruned == 0 {
		return rows
	}
	h := uint64(int64(hashes[0]))
	for _, next := range hashes[1:min(n, len(hashes))] {
		h = h*116049371 + uint64(int64(next))
		if row, ok := t.row(uint32(h % uint64(t.bucket.n))); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// pruneTable has the rows of the n-grams that pruning left. Most n-grams of a text have none, so a filter of one
// bit for each of sixteen keys stands before the table.
type pruneTable struct {
	filter []uint64
	slots  []pruneSlot
	shift  uint
}

type pruneSlot struct {
	key uint32 // plus one; 0 is an empty slot
	row int32
}

func (p *pruneTable) bytes() int64 { return int64(len(p.filter)+len(p.slots)) * 8 }

func (p *pruneTable) make(n int) {
	size := 64
	for size < 2*n {
		size *= 2
	}
	p.slots = make([]pruneSlot, size)
	p.filter = make([]uint64, size*8/64)
	p.shift = uint(bits.LeadingZeros32(uint32(size - 1)))
}

func (p *pruneTable) at(key uint32) int { return int((key * 0x9E3779B1) >> p.shift) }

// set makes row that of key; the last of several counts.
func (p *pruneTable) set(key uint32, row int32) {
	p.filter[key>>6&uint32(len(p.filter)-1)] |= 1 << (key & 63)
	at := p.at(key)
	for p.slots[at].key != 0 && p.slots[at].key != key+1 {
		at = (at + 1) & (len(p.slots) - 1)
	}
	p.slots[at] = pruneSlot{key + 1, row}
}

func (p *pruneTable) get(key uint32) (int32, bool) {
	if p.filter[key>>6&uint32(len(p.filter)-1)]>>(key&63)&1 == 0 {
		return 0, false
	}
	for at := p.at(key); ; at = (at + 1) & (len(p.slots) - 1) {
		switch s := p.slots[at]; s.key {
		case key + 1:
			return s.row, true
		case 0:
			return 0, false
		}
	}
}

// divisor makes remainders with two multiplications instead of a division (Lemire, Kaser and Kurz 2019, Faster
// remainder by direct computation, section 3: exact for 32-bit numbers).
type divisor struct {
	n     uint32
	magic uint64
}

func newDivisor(n uint32) divisor { return divisor{n, math.MaxUint64/uint64(n) + 1} }

func (d divisor) mod(a uint32) uint32 {
	hi, _ := bits.Mul64(d.magic*uint64(a), uint64(d.n))
	return uint32(hi)
}

// Hash constants of the reference's FNV-1a (dictionary.cc hash), which widens bytes as signed numbers.
const (
	hashStart = 2166136261
	hashPrime = 16777619
)

func hashByte(h uint32, b byte) uint32 { return (h ^ uint32(int32(int8(b)))) * hashPrime }

func hashOf[T []byte | string](s T) uint32 {
	h := uint32(hashStart)
	for i := range len(s) {
		h = hashByte(h, s[i])
	}
	return h
}
