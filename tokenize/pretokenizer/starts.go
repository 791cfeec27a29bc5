package pretokenizer

import (
	"encoding/binary"
	"math/bits"
)

// A scheme is a regex that blocks can be cut by. (Not a function's pointer, for which every block would be an
// allocation.)
type scheme uint8

const (
	schemeCL100K scheme = 1 + iota
	schemeDeepSeek3
	schemeDigitsGPT2
	schemeGPT2
	schemeO200K
	schemeQwen2
)

func (s scheme) starts(b *block, text []byte, at int) (starts, stop uint64) {
	switch s {
	case schemeCL100K:
		return startsCL100K(b, text, at)
	case schemeDeepSeek3:
		return startsDeepSeek3(b, text, at)
	case schemeDigitsGPT2:
		return startsDigitsGPT2(b, text, at)
	case schemeGPT2:
		return startsGPT2(b, text, at)
	case schemeO200K:
		return startsO200K(b, text, at)
	case schemeQwen2:
		return startsQwen2(b, text, at)
	}
	panic("unknown scheme")
}

// The functions here are the scanners of scanners.go for a block at once. A piece begins at the block's first byte. Each
// gives the bits where pieces begin, and those where it does not know.

func startsGPT2(b *block, text []byte, at int) (starts, stop uint64) {
	punct := b.punctuation()
	// A run of one class begins a piece, unless a blank has begun it.
	run := b.letter&^(b.letter<<1) | b.number&^(b.number<<1) | punct&^(punct<<1)
	run &^= b.blank << 1
	// So does white space: all of a run but its last character, and that.
	starts = run | b.space&^(b.space<<1) | b.space&^(b.space>>1)
	for q := starts & b.quote; q != 0; q &= q - 1 { // 's|'t|'re|'ve|'m|'ll|'d
		i := bits.TrailingZeros64(q)
		if n := contraction(text, at+i, 0); n > 0 {
			starts = starts&^(1<<(i+1)) | 1<<(i+n)
		}
	}
	return starts, b.stop
}

func startsCL100K(b *block, text []byte, at int) (starts, stop uint64) {
	run, starts, stop := b.clLike(0)
	return b.contractions(starts|b.triples(), run, text, at), stop
}

func startsQwen2(b *block, text []byte, at int) (starts, stop uint64) {
	run, starts, stop := b.clLike(0)
	return b.contractions(starts|b.number, run, text, at), stop
}

// clLike is what the regexes since cl100k have in common: where pieces begin but numbers, of those punct the ones that
// are punctuation's. tail is what may stand among the newlines behind punctuation.
func (b *block) clLike(tail uint64) (punct, starts, stop uint64) {
	stop = b.stop
	p := b.punctuation()
	//  ?[^\s\p{L}\p{N}]+
	punct = p &^ (p << 1) &^ (b.blank << 1)
	// [\r\n]*: the addition carries through a run of them that begins behind punctuation, and clears it.
	behind := b.newline &^ (b.newline + b.newline&(p<<1))
	stop |= tail & (behind << 1)
	space, newline := b.space&^behind, b.newline&^behind
	blank := b.space &^ b.newline
	// [^\r\n\p{L}\p{N}]?\p{L}+: what stands before the letters, if it is alone.
	alone := blank<<1 | punct<<1
	if w := b.wide[0] | b.wide[1] | b.wide[2]; w != 0 {
		alone = blank<<1 | punct&^w<<1 | punct&b.wide[0]<<2 | punct&b.wide[1]<<3 | punct&b.wide[2]<<4
	}
	letters := b.letter &^ (b.letter << 1) &^ alone
	// \s*[\r\n]+ goes up to the last newline of a run; what comes behind it begins a piece. Of that and other runs,
	// the last character begins one too: \s+(?!\S)|\s+.
	after := blank & (newline << 1)
	starts = punct | letters | space&^(space<<1) | blank&^(b.space>>1) | after
	// If another newline ends that, it was not the last one.
	carried, out := carry(blank, after)
	if carried&^blank&b.newline != 0 {
		stop |= after
	}
	return punct, starts, stop | out
}

// carry is the bits behind the runs of blank that begin in after, among others. out is the last of after if its run's
// end is not in sight.
func carry(blank, after uint64) (carried, out uint64) {
	carried, over := bits.Add64(blank, after, 0)
	if over != 0 {
		out = 1 << (bits.Len64(after) - 1)
	}
	return carried, out
}

// controls are those of p, in ASCII, that are neither signs nor white space.
func (b *block) controls(p uint64, text []byte, at int) uint64 {
	var c uint64
	t := text[at : at+blockSize]
	for k := 0; k < blockSize; k += 8 {
		w := binary.LittleEndian.Uint64(t[k:])
		x := w &^ high
		c |= gather(^from(x, ' ')|from(x, 0x7f)) << k
	}
	return c & p &^ b.high
}

// triples is where \p{N}{1,3} begins.
func (b *block) triples() uint64 {
	n := b.number
	first := n &^ (n << 1)
	three := n & (n << 1) & (n << 2)
	for next := first << 3 & three; next != 0; next = next << 3 & three {
		first |= next
	}
	return first
}

// contractions adds where pieces begin behind (?i:'s|'t|'re|'ve|'m|'ll|'d), which is tried first.
func (b *block) contractions(starts, punct uint64, text []byte, at int) uint64 {
	for q := punct & b.quote; q != 0; q &= q - 1 {
		i := bits.TrailingZeros64(q)
		if n := contraction(text, at+i, 'a'-'A'); n > 0 {
			starts |= 1 << (i + n)
		}
	}
	return starts
}

func startsO200K(b *block, text []byte, at int) (starts, stop uint64) {
	punct, starts, stop := b.clLike(b.slash)
	// P?U*W+|P?U+W*: behind a small letter, a capital begins the next. Letters of neither case are both U and W: alone or
	// behind capitals they are as small ones, and before capitals it depends on what follows.
	lower := b.letter &^ b.upper
	starts |= b.triples() | b.upper&(lower<<1)
	stop |= b.upper&(b.caseless<<1) | b.marks
	// (?i:'s|'t|'re|'ve|'m|'ll|'d)? belongs to the word before it, but to no other such ending.
	end := 0
	for q := punct & b.quote & (b.letter << 1); q != 0; q &= q - 1 {
		i := bits.TrailingZeros64(q)
		if i == end {
			continue
		}
		if n := contraction(text, at+i, 'a'-'A'); n > 0 {
			end = i + n
			starts = starts&^((1<<n-1)<<i) | 1<<end
		}
	}
	return starts, stop
}
