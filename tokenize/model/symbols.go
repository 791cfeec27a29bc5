package model

import (
	"fmt"
	"unicode/utf8"
)

// Symbols is byte pair encoding over characters, as sentencepiece's BPE models are written in tokenizer.json: a piece
// begins as one symbol a character, or as the bytes of a character that has no token, and adjacent pairs become one in
// the order of the list of merges, the leftmost of their kind first (models/bpe/{model,word}.rs in HF tokenizers
// 0.23.3). It is immutable and may be shared.
type Symbols struct {
	vocab *Vocabulary
	o     SymbolsOptions
	merges
	runes   runeTable
	unk     uint32      // noID if there is none
	bytes   [256]uint32 // the token of each byte for ByteFallback, or noID
	special []uint64    // bits by id: bytes and unk
	longest int         // of the tokens, in bytes

	// affixed: symbols are not spelled as their characters, which the slow way alone can do.
	affixed bool
	// literal: a symbol that is no character takes part in no merge, and no two tokens share an id, so that a token is
	// spelled as what it stands for unless it is unk or a byte.
	literal bool
	// drops: characters that have no token are left out, and what comes behind them moves up.
	drops bool
	cut   cuts
	// first is the rank of two ASCII characters' symbols: what the first look at a word asks for.
	first []uint32
}

// SymbolsOptions are what tokenizer.json says about a [Symbols] besides vocabulary and merges.
type SymbolsOptions struct {
	Unk    string // unk_token: stands for a character that has no token
	HasUnk bool   // without it, such a character is left out
	// FuseUnk makes one token of adjacent unknown characters.
	FuseUnk bool
	// ByteFallback spells a character that has no token by the tokens <0x00> to <0xFF>, if there are all that it needs.
	ByteFallback bool
	Prefix       string // continuing_subword_prefix: what the symbols of a piece are written with, but the first
	Suffix       string // end_of_word_suffix: what the last symbol of a piece is written with
	IgnoreMerges bool   // a piece that is a token becomes that token
}

const noID = 1<<32 - 1

// NewSymbols makes a model. merges are as in [NewBPE].
func NewSymbols(v *Vocabulary, merges [][2]uint32, o SymbolsOptions) (*Symbols, error) {
	if len(merges) > MaxMerges {
		return nil, fmt.Errorf("%d merges; at most %d are possible", len(merges), MaxMerges)
	}
	list := make([]symbolMerge, len(merges))
	var both []byte
	for rank, p := range merges {
		if !v.Has(p[0]) || !v.Has(p[1]) {
			return nil, fmt.Errorf("merge %d: no token has id %d or %d", rank, p[0], p[1])
		}
		var err error
		list[rank].left, list[rank].right = p[0], p[1]
		if list[rank].made, both, err = joined(v, both, v.Bytes(p[0]), v.Bytes(p[1]), o.Prefix); err != nil {
			return nil, fmt.Errorf("merge %d: %w", rank, err)
		}
	}
	return newSymbols(v, list, o), nil
}

// symbolMerge says that left and right become made.
type symbolMerge struct{ left, right, made uint32 }

// joined is the token that a and b make: the prefix of b falls away, or what stands in its place. both is memory.
func joined(v *Vocabulary, both, a, b []byte, prefix string) (uint32, []byte, error) {
	if len(b) < len(prefix) {
		return 0, both, fmt.Errorf("%q is shorter than the prefix %q that it should begin with", excerpt(b), prefix)
	}
	both = append(append(both[:0], a...), b[len(prefix):]...)
	id, ok := v.Lookup(both)
	if !ok {
		return 0, both, fmt.Errorf("%q and %q make %q, which is no token", excerpt(a), excerpt(b), excerpt(both))
	}
	return id, both, nil
}

func newSymbols(v *Vocabulary, merges []symbolMerge, o SymbolsOptions) *Symbols {
	m := &Symbols{vocab: v, o: o, unk: noID, affixed: o.Prefix != "" || o.Suffix != ""}
	m.special = make([]uint64, v.Size()/64+1)
	if o.HasUnk {
		if id, ok := v.Lookup([]byte(o.Unk)); ok {
			m.unk = id // without a token for it, the first text that needs it is an error
			m.setSpecial(id)
		}
	}
	complete := true // every byte has a token
	for b := range m.bytes {
		m.bytes[b] = noID
		if id, ok := v.Lookup(fmt.Appendf(nil, "<0x%02X>", b)); ok && o.ByteFallback {
			m.bytes[b] = id
			m.setSpecial(id)
		} else {
			complete = false
		}
	}
	m.drops = m.unk == noID && !complete
	for id := range uint32(v.Size()) {
		if v.Has(id) {
			m.longest = max(m.longest, len(v.Bytes(id)))
		}
	}
	for name := range v.aliases {
		m.longest = max(m.longest, len(name))
	}

	m.literal = v.aliases == nil && !m.affixed
	m.merges = newMerges(len(merges))
	for rank, p := range merges {
		m.merged[rank] = p.made
		m.put(p.left, p.right, uint32(rank))
		if m.isSpecial(p.left) || m.isSpecial(p.right) || len(v.Bytes(p.left)) == 0 || len(v.Bytes(p.right)) == 0 {
			m.literal = false
		}
	}
	m.runes = newRuneTable(v)
	if m.literal {
		m.first = make([]uint32, utf8.RuneSelf*utf8.RuneSelf)
		for i := range m.first {
			m.first[i] = noRank
			a, b := m.runes.ascii[i/utf8.RuneSelf], m.runes.ascii[i%utf8.RuneSelf]
			if a != noID && b != noID {
				m.first[i] = m.rank(a, b)
			}
		}
		m.cut = m.newCuts(merges, complete)
	}
	return m
}

// Type is BPE.
func (m *Symbols) Type() string { return "BPE" }

// Vocabulary are the model's tokens, as they are written.
func (m *Symbols) Vocabulary() *Vocabulary { return m.vocab }

// Merges is the number of merges.
func (m *Symbols) Merges() int { return len(m.merged) }

// Memory is what the model holds, in bytes.
func (m *Symbols) Memory() int64 {
	return m.vocab.Memory() + m.runes.memory() + int64(4*cap(m.first)+4*cap(m.merged)+8*cap(m.pairs)+8*cap(m.cut.joins))
}

// NewEncoder makes an encoder.
func (m *Symbols) NewEncoder() PieceEncoder {
	e := &symbolsEncoder{m: m}
	for b := range e.simple {
		e.simple[b] = noID
		if m.literal && b < utf8.RuneSelf {
			e.simple[b] = m.runes.ascii[b]
		}
	}
	return e
}

type symbolsEncoder struct {
	m      *Symbols
	memo   memo
	simple [256]uint32 // the token of a word of one byte, or noID: of ten words, three are a comma or the like
	s      symbolScratch
	ids    []uint32
}

// symbolScratch is what merging a word needs.
type symbolScratch struct {
	ids   []uint32
	ends  []int32 // where each symbol ends in the piece, if anybody asks
	spell []byte
	fair  fairText

	ranks [scanSymbols + 1]uint32

	prev, next []int32
	heap       []uint64 // rank<<32 | symbol, the smallest first
}

const (
	// scanSymbols is the largest number of symbols whose pairs are looked through one by one for the first merge; more
	// take a heap.
	scanSymbols = 32
	// scratchKept is the longest piece, in bytes, for which memory is kept: up to scratchMemory of it.
	scratchKept   = 1 << 16
	scratchMemory = 64 * scratchKept
)

// AppendPiece appends the ids of piece.
func (e *symbolsEncoder) AppendPiece(dst []uint32, piece []byte) ([]uint32, error) {
	if id, ok := e.m.whole(piece); ok {
		return append(dst, id), nil
	}
	var err error
	for i := 0; i < len(piece) && err == nil; {
		j := e.m.cut.next(piece, i)
		switch n := j - i; {
		case n == 1 && e.simple[piece[i]] != noID:
			dst = append(dst, e.simple[piece[i]])
		case n <= memoInline:
			lo, hi := packAt(piece, i, n)
			if x := e.memo.find(lo, hi); x != nil {
				dst = e.memo.tokens(dst, x.n, &x.ids)
				break
			}
			fallthrough
		default:
			dst, err = e.word(dst, piece[i:j])
		}
		i = j
	}
	return dst, err
}

// whole is the token that piece is, where that counts.
func (m *Symbols) whole(piece []byte) (id uint32, ok bool) {
	if !m.o.IgnoreMerges || len(piece) > m.longest {
		return 0, false
	}
	return m.vocab.Lookup(piece)
}

// word appends the ids of what m.cut cuts from a piece.
func (e *symbolsEncoder) word(dst []uint32, word []byte) ([]uint32, error) {
	dst, ok := e.memo.append(dst, word)
	if ok {
		return dst, nil
	}
	was := len(dst)
	dst, err := e.m.append(dst, word, &e.s)
	if err != nil {
		return dst, err
	}
	e.memo.put(word, dst[was:])
	return dst, nil
}

// AppendTokens appends the tokens of piece.
func (e *symbolsEncoder) AppendTokens(dst []Token, piece []byte) ([]Token, error) {
	m := e.m
	if id, ok := m.whole(piece); ok {
		return append(dst, Token{id, 0, int32(len(piece))}), nil
	}
	if !m.literal || m.drops || !utf8.Valid(piece) { // a token of U+FFFD may stand for any byte
		return m.appendTokens(dst, piece, 0, &e.s)
	}
	var err error
	for i := 0; i < len(piece) && err == nil; {
		j := m.cut.next(piece, i)
		if e.ids, err = e.word(e.ids[:0], piece[i:j]); err != nil {
			break
		}
		was, at := len(dst), i
		for _, id := range e.ids {
			if m.isSpecial(id) {
				break
			}
			n := len(m.vocab.Bytes(id))
			dst = append(dst, Token{id, int32(at), int32(at + n)})
			at += n
		}
		if at != j { // not all of it is spelled as it stands
			dst, err = m.appendTokens(dst[:was], piece[i:j], i, &e.s)
		}
		i = j
	}
	if cap(e.ids) > scratchKept {
		e.ids = nil
	}
	return dst, err
}

// isSpecial says that a token may stand for something else than it is written as.
func (m *Symbols) isSpecial(id uint32) bool { return m.special[id/64]>>(id%64)&1 != 0 }

func (m *Symbols) setSpecial(id uint32) { m.special[id/64] |= 1 << (id % 64) }

// append encodes a word that is not empty.
func (m *Symbols) append(dst []uint32, word []byte, s *symbolScratch) ([]uint32, error) {
	defer s.shrink(len(word))
	if n, ok := m.quick(word, s); ok {
		return append(dst, s.ids[:m.scan(n, s)]...), nil
	}
	if !utf8.Valid(word) {
		word = s.fair.set(word)
	}
	if err := m.begin(word, s); err != nil {
		return dst, err
	}
	m.heapMerge(s)
	for i := int32(0); i < int32(len(s.ids)); i = s.next[i] {
		dst = append(dst, s.ids[i])
	}
	return dst, nil
}

// appendTokens encodes a word that stands at base in its piece.
func (m *Symbols) appendTokens(dst []Token, word []byte, base int, s *symbolScratch) ([]Token, error) {
	defer s.shrink(len(word))
	valid := utf8.Valid(word)
	if !valid {
		word = s.fair.set(word)
	}
	if err := m.begin(word, s); err != nil {
		return dst, err
	}
	m.heapMerge(s)
	was, from := len(dst), int32(0)
	for i := int32(0); i < int32(len(s.ids)); i = s.next[i] {
		to := s.ends[s.next[i]-1]
		dst = append(dst, Token{s.ids[i], from, to})
		from = to
	}
	if !valid {
		s.fair.original(dst[was:])
	}
	for i := was; i < len(dst); i++ {
		dst[i].From += int32(base)
		dst[i].To += int32(base)
	}
	return dst, nil
}

// quick begins a word of few characters that all have a token, and finds the ranks of its pairs.
func (m *Symbols) quick(word []byte, s *symbolScratch) (n int, ok bool) {
	if !m.literal || len(word) > scanSymbols*utf8.UTFMax {
		return 0, false
	}
	if cap(s.ids) < scanSymbols {
		s.ids = make([]uint32, scanSymbols)
	}
	ids, ranks := s.ids[:scanSymbols], &s.ranks
	var before uint32
	last := rune(utf8.RuneSelf)
	for i := 0; i < len(word); n++ {
		if n == scanSymbols {
			return 0, false
		}
		r, size := decodeRune(word[i:])
		id := uint32(noID)
		if uint32(r) < utf8.RuneSelf {
			id = m.runes.ascii[r]
		} else if r > 0 {
			id = m.runes.id(r)
		}
		if id == noID {
			return 0, false
		}
		if n > 0 {
			if r < utf8.RuneSelf && last < utf8.RuneSelf {
				ranks[n-1] = m.first[last*utf8.RuneSelf+r]
			} else {
				ranks[n-1] = m.rank(before, id)
			}
		}
		ids[n] = id
		before, last = id, r
		i += size
	}
	return n, true
}

// scan merges the first n of s.ids and says how many are left. ranks[i] is the rank of symbols i and i+1.
func (m *Symbols) scan(n int, s *symbolScratch) int {
	ids, ranks := s.ids[:scanSymbols], &s.ranks
	for n > 1 {
		best, at := uint32(noRank), 0
		for i, r := range ranks[:n-1] {
			if r < best {
				best, at = r, i
			}
		}
		if best == noRank {
			break
		}
		ids[at] = m.merged[best]
		n--
		for i := at + 1; i < n; i++ {
			ids[i] = ids[i+1]
			ranks[i-1] = ranks[i]
		}
		// Now ranks[at-1] and ranks[at] are of pairs that no longer exist.
		if at+1 < n {
			ranks[at] = m.rank(ids[at], ids[at+1])
		}
		if at > 0 {
			ranks[at-1] = m.rank(ids[at-1], ids[at])
		}
	}
	return n
}

// begin makes the symbols of word, which is UTF-8: s.ids and s.ends.
func (m *Symbols) begin(word []byte, s *symbolScratch) error {
	ids, ends := s.ids[:0], s.ends[:0]
	at := int32(0)
	add := func(id uint32, n int) {
		at += int32(n)
		ids, ends = append(ids, id), append(ends, at)
	}
	// unknown is how many bytes the unknown characters have that wait for their token: it comes before the next
	// character that has one. Bytes of others that stand between go first, as they do in HF tokenizers.
	unknown := 0
	var err error
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRune(word[i:])
		spelled := word[i : i+n]
		var id uint32
		if m.affixed {
			s.spell = s.spell[:0]
			if i > 0 {
				s.spell = append(s.spell, m.o.Prefix...)
			}
			s.spell = append(s.spell, spelled...)
			if i+n == len(word) {
				s.spell = append(s.spell, m.o.Suffix...)
			}
			spelled = s.spell
			var ok bool
			if id, ok = m.vocab.Lookup(spelled); !ok {
				id = noID
			}
		} else {
			id = m.runes.id(r)
		}
		switch {
		case id != noID:
			if unknown > 0 {
				add(m.unk, unknown)
				unknown = 0
			}
			add(id, n)
		case m.o.ByteFallback && m.allBytes(spelled):
			for _, b := range spelled {
				add(m.bytes[b], 1)
			}
		case m.unk != noID:
			if unknown > 0 && !m.o.FuseUnk {
				add(m.unk, unknown)
				unknown = 0
			}
			unknown += n
		case m.o.HasUnk && err == nil:
			err = fmt.Errorf("%q has no token, and neither has unk_token %q", word[i:i+n], m.o.Unk)
		}
		i += n
	}
	if unknown > 0 {
		add(m.unk, unknown)
	}
	s.ids, s.ends = ids, ends
	return err
}

func (m *Symbols) allBytes(text []byte) bool {
	for _, b := range text {
		if m.bytes[b] == noID {
			return false
		}
	}
	return true
}

// heapMerge merges s.ids in O(n log n). A pair enters the heap when it comes into being; when it is taken out, it
// counts only if what stands there still makes the same token: the test is HF's own (Word::merge_all), and for odd
// vocabularies not the same as that the pair is the same. What is left are the symbols from 0 on along s.next.
func (m *Symbols) heapMerge(s *symbolScratch) {
	n := int32(len(s.ids))
	if cap(s.next) < int(n) {
		s.prev, s.next = make([]int32, n), make([]int32, n)
	}
	ids, prev, next, heap := s.ids, s.prev[:n], s.next[:n], s.heap[:0]
	for i := range n {
		prev[i], next[i] = i-1, i+1
		if i+1 < n {
			if r := m.rank(ids[i], ids[i+1]); r != noRank {
				heap = append(heap, uint64(r)<<32|uint64(i))
			}
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		down(heap, i)
	}
	for len(heap) > 0 {
		r, at := uint32(heap[0]>>32), int32(uint32(heap[0]))
		last := len(heap) - 1
		heap[0] = heap[last]
		heap = heap[:last]
		down(heap, 0)

		if ids[at] == noID || next[at] == n {
			continue
		}
		right := next[at]
		if now := m.rank(ids[at], ids[right]); now == noRank || m.merged[now] != m.merged[r] {
			continue
		}
		id := m.merged[r]
		ids[at], ids[right] = id, noID
		next[at] = next[right]
		if after := next[at]; after < n {
			prev[after] = at
			if r := m.rank(id, ids[after]); r != noRank {
				heap = push(heap, uint64(r)<<32|uint64(at))
			}
		}
		if before := prev[at]; before >= 0 {
			if r := m.rank(ids[before], id); r != noRank {
				heap = push(heap, uint64(r)<<32|uint64(before))
			}
		}
	}
	s.next, s.heap = next, heap
}

// shrink lets go of the memory that a word of size bytes has taken.
func (s *symbolScratch) shrink(size int) {
	if size > scratchKept {
		*s = symbolScratch{}
	}
}

// runeTable is the tokens of single characters.
type runeTable struct {
	ascii [utf8.RuneSelf]uint32
	pages []uint16 // by r>>8: one more than the place in ids; 0 where there are none
	ids   [][256]uint32
}

func newRuneTable(v *Vocabulary) runeTable {
	t := runeTable{pages: make([]uint16, (utf8.MaxRune+1)>>8)}
	for i := range t.ascii {
		t.ascii[i] = noID
	}
	add := func(name []byte, id uint32) {
		r, n := utf8.DecodeRune(name)
		if n == 0 || n != len(name) || r == utf8.RuneError && n == 1 {
			return
		}
		if r < utf8.RuneSelf {
			t.ascii[r] = id
		}
		page := &t.pages[r>>8]
		if *page == 0 {
			t.ids = append(t.ids, [256]uint32{})
			*page = uint16(len(t.ids))
			for i := range t.ids[len(t.ids)-1] {
				t.ids[len(t.ids)-1][i] = noID
			}
		}
		t.ids[*page-1][r&0xff] = id
	}
	for id := range uint32(v.Size()) {
		if v.Has(id) {
			if found, ok := v.Lookup(v.Bytes(id)); ok && found == id {
				add(v.Bytes(id), id)
			}
		}
	}
	for name, id := range v.aliases {
		add([]byte(name), id)
	}
	return t
}

// id is the token of r, or noID.
func (t *runeTable) id(r rune) uint32 {
	if page := t.pages[r>>8]; page != 0 {
		return t.ids[page-1][r&0xff]
	}
	return noID
}

func (t *runeTable) memory() int64 { return int64(2*len(t.pages) + 1024*cap(t.ids)) }
