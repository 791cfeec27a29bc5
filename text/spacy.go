package text

import (
	"encoding/binary"
	"math/bits"
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
	rules    spacyRule
	specials spacySpecials
	torn     tornCases
}

func newSpacy(rules spacyRule, own []string) *Spacy {
	s := &Spacy{rules: rules}
	s.specials = newSpecials(spacyShared[:], own)
	s.torn = s.tornSpecials()
	return s
}

// SpacyScratch is the memory of one goroutine: lists that grow with the text, and a cache of how chunks are cut, which
// costs 256 KiB and changes no answer. Its zero value is ready.
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
	key   [3]uint64 // its bytes, then zeros
	size  uint8     // in bytes; 0 is a free place
	state uint8     // number of words, and mayBegin, mayGoOn
	ends  [mostCached]uint8
}

const (
	longestCached = 24
	mostCached    = 6 // words
	cachedSize    = 32
	cacheBits     = 13
)

// Flags beside a number of words.
const (
	mayBegin uint8 = 0x40 // the last token may begin a special case that goes on behind a blank
	mayGoOn  uint8 = 0x80 // the first token may go on with one
	notWords       = mayBegin | mayGoOn
)

// keyMasks keep the first n of 24 bytes.
var keyMasks = [longestCached + 1][3]uint64{
	{}, {0xFF}, {0xFFFF}, {0xFFFFFF}, {0xFFFFFFFF}, {0xFFFFFFFFFF}, {0xFFFFFFFFFFFF}, {0xFFFFFFFFFFFFFF}, {full},
	{full, 0xFF}, {full, 0xFFFF}, {full, 0xFFFFFF}, {full, 0xFFFFFFFF}, {full, 0xFFFFFFFFFF}, {full, 0xFFFFFFFFFFFF}, {full, 0xFFFFFFFFFFFFFF}, {full, full},
	{full, full, 0xFF}, {full, full, 0xFFFF}, {full, full, 0xFFFFFF}, {full, full, 0xFFFFFFFF}, {full, full, 0xFFFFFFFFFF}, {full, full, 0xFFFFFFFFFFFF}, {full, full, 0xFFFFFFFFFFFFFF}, {full, full, full},
}

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
		last       Span // chunk
		open       bool // it may begin a special case that goes on
		lastAt, at int  // where its words and those of the first of scratch.joined begin in dst
		joined     = false
	)
	for _, c := range scratch.chunks {
		var state uint8
		var e *cachedChunk
		size := c.Len()
		if size <= longestCached {
			k := chunkKey(doc, int(c.Lo), size)
			e = &cache[chunkHash(k)>>(64-cacheBits)]
			if e.key != k || int(e.size) != size {
				if state = s.cutChunk(doc, c, scratch); !e.set(k, c, scratch.final, state) {
					e = nil
				}
			}
			if e != nil {
				state = e.state
			}
		} else {
			state = s.cutChunk(doc, c, scratch)
		}
		if open && state&mayGoOn != 0 && s.joins(doc, last, c, scratch) {
			if !joined {
				joined, at = true, lastAt
				scratch.joined = append(scratch.joined[:0], last)
			}
			scratch.joined = append(scratch.joined, c)
		} else if joined {
			dst = s.joinChunks(dst[:at], doc, scratch)
			joined = false
		}
		last, open, lastAt = c, state&mayBegin != 0, len(dst)
		switch {
		case e == nil:
			dst = append(dst, scratch.final...)
		case state&^notWords == 1:
			dst = append(dst, c)
		default:
			lo := c.Lo
			for _, n := range e.ends[:state&^notWords] {
				hi := c.Lo + int32(n)
				dst = append(dst, Span{lo, hi})
				lo = hi
			}
		}
	}
	if joined {
		dst = s.joinChunks(dst[:at], doc, scratch)
	}
	return dst
}

// set remembers how the chunk c is cut, if there is room for it.
func (e *cachedChunk) set(key [3]uint64, c Span, words []Span, state uint8) bool {
	if len(words) > mostCached {
		return false
	}
	*e = cachedChunk{key: key, size: uint8(c.Len()), state: state | uint8(len(words))}
	for i, w := range words {
		e.ends[i] = uint8(w.Hi - c.Lo)
	}
	return true
}

func chunkKey(doc []byte, lo, size int) [3]uint64 {
	m := &keyMasks[size]
	if lo+longestCached <= len(doc) {
		b := doc[lo : lo+longestCached]
		return [3]uint64{binary.LittleEndian.Uint64(b) & m[0], binary.LittleEndian.Uint64(b[8:]) & m[1], binary.LittleEndian.Uint64(b[16:]) & m[2]}
	}
	var b [longestCached]byte
	copy(b[:], doc[lo:])
	return [3]uint64{binary.LittleEndian.Uint64(b[:]) & m[0], binary.LittleEndian.Uint64(b[8:]) & m[1], binary.LittleEndian.Uint64(b[16:]) & m[2]}
}

// chunkHash uses odd constants of no meaning: the golden ratio's and its products.
func chunkHash(k [3]uint64) uint64 {
	const golden = 0x9E3779B97F4A7C15
	h := (k[0] ^ bits.RotateLeft64(k[1], 29) ^ bits.RotateLeft64(k[2], 47)) * golden
	return (h ^ h>>32) * golden
}

// cutChunk puts the words of a chunk into scratch.final and returns its flags.
func (s *Spacy) cutChunk(doc []byte, c Span, scratch *SpacyScratch) (flags uint8) {
	scratch.tokens = s.cut(scratch.tokens[:0], doc, int(c.Lo), int(c.Hi), scratch)
	t := scratch.tokens
	flags = s.torn.places(t[len(t)-1].Of(doc))&mayBegin | s.torn.places(t[0].Of(doc))&mayGoOn
	scratch.final = s.mend(scratch.final[:0], doc, t, scratch)
	return flags
}

// joins says that the last token of a and the first of b stand side by side in a special case: a blank is no token.
func (s *Spacy) joins(doc []byte, a, b Span, scratch *SpacyScratch) bool {
	if b.Lo != a.Hi+1 || doc[a.Hi] != ' ' {
		return false
	}
	scratch.side = s.cut(scratch.side[:0], doc, int(a.Lo), int(a.Hi), scratch)
	x := scratch.side[len(scratch.side)-1]
	scratch.side = s.cut(scratch.side[:0], doc, int(b.Lo), int(b.Hi), scratch)
	return s.torn.sideBySide(x.Of(doc), scratch.side[0].Of(doc))
}

// joinChunks appends the words of scratch.joined, whose tokens are looked at together.
func (s *Spacy) joinChunks(dst []Span, doc []byte, scratch *SpacyScratch) []Span {
	scratch.tokens = scratch.tokens[:0]
	for _, c := range scratch.joined {
		scratch.tokens = s.cut(scratch.tokens, doc, int(c.Lo), int(c.Hi), scratch)
	}
	return s.mend(dst, doc, scratch.tokens, scratch)
}
