package text

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Spacy cuts words as the rule tokenizer of a blank language of spaCy 3.8 does (tokenizer.pyx), white space
// left out: what datatrove's SpaCyTokenizer.word_tokenize returns. It is immutable and may be shared.
//
// A run without white space is a chunk. One that is a special case ("don't", "e.g.", ":-)") is cut as the table
// says. From any other, prefixes and suffixes are cut off, one each in turn, until a special case or nothing more is
// left (spacy_cut.go, spacy_affixes.go); what remains is one word if it is a URL (spacy_url.go), and is cut at infixes
// otherwise. At last special cases are put together again that were cut before they could be seen, as "Co." in
// "Foo-Co." (spacy_special.go). spacy_languages.go is the table of languages.
type Spacy struct {
	rules spacyRule
	known knownTexts
	torn  tornCases
	marks [utf8.RuneSelf]chunkCut // what plainCut says of a mark behind a word
}

func newSpacy(rules spacyRule, own []string) *Spacy {
	s := &Spacy{rules: rules, known: newKnownTexts(spacyShared[:], own)}
	s.findTorn()
	for _, c := range []byte(".,;:!?)") {
		s.marks[c] = chunkCut(s.places([]byte{c})&mayBegin|2) << 8
	}
	return s
}

// SpacyScratch is the memory of one goroutine: lists that grow with the text, and a cache of how chunks are cut, which
// costs 128 KiB and changes no answer. Its zero value is ready.
type SpacyScratch struct {
	of       *Spacy // whose words the cache holds
	cache    []cachedChunk
	chunks   []Span
	joined   []Span // chunks that a special case may join
	tokens   []Span // of a chunk or of joined ones, before the special cases
	final    []Span // and after them
	suffixes []int32
	matches  []tornMatch
	seen     []bool
	side     []Span // tokens of chunks that stand side by side
	words    []Span // of a text whose sentences are looked for
}

// Size is the memory held, in bytes.
func (s *SpacyScratch) Size() int {
	const span = 8
	return len(s.cache)*cachedSize + span*(cap(s.chunks)+cap(s.joined)+cap(s.tokens)+cap(s.final)+cap(s.side)+cap(s.words)) +
		4*cap(s.suffixes) + 12*cap(s.matches) + cap(s.seen)
}

// Shrink gives back what an unusually long text needed, if it is above limit bytes.
func (s *SpacyScratch) Shrink(limit int) {
	if s.Size() > limit {
		*s = SpacyScratch{of: s.of, cache: s.cache}
	}
}

// cachedChunk says how a chunk of up to longestCached bytes is cut.
type cachedChunk struct {
	a, b, c uint64 // its bytes, then zeros
	cut     chunkCut
}

// chunkCut is a size in bytes, which is 0 in a free place of the cache; flags and number of words; and the words' ends.
//
//	size | (flags | words) << 8 | first end << 16 | second end << 24 ...
type chunkCut uint64

const (
	longestCached = 24
	mostCached    = 6 // words
	cachedSize    = 32
	cacheBits     = 12
)

// Flags beside a number of words.
const (
	mayBegin uint8 = 0x40 // the last token may begin a special case that goes on behind a blank
	mayGoOn  uint8 = 0x80 // the first token may go on with one
	notWords       = mayBegin | mayGoOn
)

func (c chunkCut) size() int    { return int(c & 0xFF) }
func (c chunkCut) flags() uint8 { return uint8(c >> 8) }
func (c chunkCut) words() int   { return int(uint8(c>>8) &^ notWords) }

const full = ^uint64(0)

// Words appends the words of doc.
func (s *Spacy) Words(dst []Span, doc []byte, scratch *SpacyScratch) []Span {
	scratch.chunks = Fields(scratch.chunks[:0], doc)
	return s.cutChunks(dst, doc, scratch)
}

// cutChunks appends the words of the chunks of doc, which are those of str.split.
func (s *Spacy) cutChunks(dst []Span, doc []byte, scratch *SpacyScratch) []Span {
	if scratch.of != s {
		scratch.of = s
		clear(scratch.cache)
	}
	if scratch.cache == nil {
		scratch.cache = make([]cachedChunk, 1<<cacheBits)
	}
	cache := (*[1 << cacheBits]cachedChunk)(scratch.cache)
	var (
		last       Span  // chunk
		before     uint8 // its flags
		lastAt, at int   // where its words and those of the first of scratch.joined begin in dst
		joined     = false
	)
	for _, c := range scratch.chunks {
		var cut chunkCut
		size := c.Len()
		if size <= longestCached {
			k0, k1, k2 := chunkKey(doc, int(c.Lo), size)
			if cut = s.plainCut(k0, k1, k2, doc[c.Lo:c.Hi]); cut == 0 {
				e := &cache[chunkHash(k0, k1, k2)>>(64-cacheBits)]
				cut = e.cut
				if e.a != k0 || e.b != k1 || e.c != k2 || cut.size() != size {
					if cut = s.cutChunk(doc, c, scratch); cut.size() > 0 {
						*e = cachedChunk{k0, k1, k2, cut}
					}
				}
			}
		} else {
			cut = s.cutChunk(doc, c, scratch)
		}
		if before<<1&cut.flags()&mayGoOn != 0 && s.joins(doc, last, c, scratch) {
			if !joined {
				joined, at = true, lastAt
				scratch.joined = append(scratch.joined[:0], last)
			}
			scratch.joined = append(scratch.joined, c)
		} else if joined {
			dst = s.joinChunks(dst[:at], doc, scratch)
			joined = false
		}
		last, before, lastAt = c, cut.flags(), len(dst)
		if cut.size() == 0 {
			dst = append(dst, scratch.final...)
			continue
		}
		if cap(dst)-len(dst) < mostCached {
			dst = slices.Grow(dst, mostCached)
		}
		// Nearly all chunks are one word or two: both are written, and the length says how many there are.
		n := cut.words()
		to := (*[mostCached]Span)(dst[len(dst) : len(dst)+mostCached])
		first, second := c.Lo+int32(cut>>16&0xFF), c.Lo+int32(cut>>24&0xFF)
		to[0], to[1] = Span{c.Lo, first}, Span{first, second}
		dst = dst[:len(dst)+n]
		if n > 2 {
			lo := second
			for i, ends := 2, cut>>32; i < n; i, ends = i+1, ends>>8 {
				hi := c.Lo + int32(ends&0xFF)
				to[i] = Span{lo, hi}
				lo = hi
			}
		}
	}
	if joined {
		dst = s.joinChunks(dst[:at], doc, scratch)
	}
	return dst
}

// cutChunk says how a chunk is cut; if there is no room for that, the size is 0 and the words are in scratch.final.
func (s *Spacy) cutChunk(doc []byte, c Span, scratch *SpacyScratch) chunkCut {
	scratch.tokens = s.cut(scratch.tokens[:0], doc, int(c.Lo), int(c.Hi), scratch)
	t := scratch.tokens
	flags := s.places(t[len(t)-1].Of(doc))&mayBegin | s.places(t[0].Of(doc))&mayGoOn
	scratch.final = s.mend(scratch.final[:0], doc, t, scratch)
	if c.Len() > longestCached || len(scratch.final) > mostCached {
		return chunkCut(flags) << 8
	}
	cut := chunkCut(c.Len()) | chunkCut(flags|uint8(len(scratch.final)))<<8
	for i, w := range scratch.final {
		cut |= chunkCut(w.Hi-c.Lo) << (16 + 8*i)
	}
	return cut
}

// plainCut says how a chunk is cut that is made of ASCII letters, perhaps with one mark behind them, and whose word
// is in no table: most chunks of most texts, and all that is new in them. It is 0 of any other. The numbers are
// its key.
func (s *Spacy) plainCut(k0, k1, k2 uint64, chunk []byte) chunkCut {
	size := len(chunk)
	before := size - 1 // bytes before the last
	switch {
	case before <= 8:
		if notLetters(k0)&^(full<<(8*before)) != 0 {
			return 0
		}
	case notLetters(k0) != 0, before <= 16 && notLetters(k1)&^(full<<(8*before-64)) != 0:
		return 0
	case before > 16 && notLetters(k1)|notLetters(k2)&^(full<<(8*before-128)) != 0:
		return 0
	}
	last := chunk[before]
	if isASCIILetter(last) {
		if s.known.may(k0, size) {
			return 0
		}
		return chunkCut(size) | 1<<8 | chunkCut(size)<<16
	}
	if before == 0 || last >= utf8.RuneSelf || s.marks[last] == 0 {
		return 0
	}
	if last == '.' && chunk[before-1] < 'a' || s.known.may(k0, size) {
		return 0
	}
	if before < 8 {
		k0 &^= full << (8 * before)
	}
	if s.known.may(k0, before) {
		return 0
	}
	return s.marks[last] | chunkCut(size) | chunkCut(before)<<16 | chunkCut(size)<<24
}

// notLetters has the high bit of each of eight bytes that is no ASCII letter.
func notLetters(v uint64) uint64 {
	l := (v | 0x20*each) & low7
	return ^((l + (0x80-'a')*each) &^ (l + (0x80-'z'-1)*each) &^ v) & high
}

// chunkKey is a chunk's bytes, of which there are up to longestCached, then zeros.
func chunkKey(doc []byte, lo, size int) (k0, k1, k2 uint64) {
	if lo+longestCached > len(doc) {
		var b [longestCached]byte
		copy(b[:], doc[lo:lo+size])
		return binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	}
	b := doc[lo : lo+longestCached]
	k0 = binary.LittleEndian.Uint64(b)
	switch { // a shift by 64 is 0
	case size <= 8:
		return k0 &^ (full << (8 * size)), 0, 0
	case size <= 16:
		return k0, binary.LittleEndian.Uint64(b[8:]) &^ (full << (8*size - 64)), 0
	}
	return k0, binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]) &^ (full << (8*size - 128))
}

func chunkHash(k0, k1, k2 uint64) uint64 {
	h := (k0 ^ bits.RotateLeft64(k1, 29) ^ bits.RotateLeft64(k2, 47)) * golden
	return (h ^ h>>32) * golden
}

// joins says that the last token of a and the first of b stand side by side in a special case: a blank is no token.
func (s *Spacy) joins(doc []byte, a, b Span, scratch *SpacyScratch) bool {
	if b.Lo != a.Hi+1 || doc[a.Hi] != ' ' {
		return false
	}
	scratch.side = s.cut(scratch.side[:0], doc, int(a.Lo), int(a.Hi), scratch)
	x := scratch.side[len(scratch.side)-1]
	scratch.side = s.cut(scratch.side[:0], doc, int(b.Lo), int(b.Hi), scratch)
	return s.sideBySide(x.Of(doc), scratch.side[0].Of(doc))
}

// joinChunks appends the words of scratch.joined, whose tokens are looked at together.
func (s *Spacy) joinChunks(dst []Span, doc []byte, scratch *SpacyScratch) []Span {
	scratch.tokens = scratch.tokens[:0]
	for _, c := range scratch.joined {
		scratch.tokens = s.cut(scratch.tokens, doc, int(c.Lo), int(c.Hi), scratch)
	}
	return s.mend(dst, doc, scratch.tokens, scratch)
}
