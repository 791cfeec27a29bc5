package pretokenizer

// deepSeek3Regexes are the three Splits of DeepSeek-V3, V3.1 and R1 (tokenizer.json@deepseek-ai/DeepSeek-V3).
var deepSeek3Regexes = []string{
	`\p{N}{1,3}`,
	"[一-龥\u3040-ゟ゠-ヿ]+",
	"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
}

// deepSeek3 cuts numbers out first, then runs of Chinese and Japanese, and what lies between those, and they, by the
// third regex. That sees no further than to the next cut: white space before a number stands at the end, for it. It
// does not match every text whole; what lies between two matches is a piece.
func deepSeek3(t *classes, text []byte, i int) int {
	c, n := t.at(text, i)
	if c&isNumber != 0 { // \p{N}{1,3}
		return t.number(text, i+n, 2)
	}
	// All code points of a part have the same of these bits.
	const ends = isNumber | isCJK
	part := c & ends

	next, m := ends, 0 // what follows in the part; ends, without other bits, if nothing does
	if i+n < len(text) {
		if d, k := t.at(text, i+n); d&ends == part {
			next, m = d, k
		}
	}
	// [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+
	if c&isSign != 0 && text[i] < 0x80 && m == 1 && next&isLetter != 0 {
		j := i + 2
		for j < len(text) && isASCIILetter(text[j]) {
			j++
		}
		return j
	}
	// [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
	if c&isLM != 0 {
		return t.runWithin(text, i+n, isLM, ends, part)
	}
	if c&(isSign|isNewline) == 0 && next&isLM != 0 {
		return t.runWithin(text, i+n+m, isLM, ends, part)
	}
	//  ?[\p{P}\p{S}]+[\r\n]*
	if text[i] == ' ' && next&isSign != 0 {
		c, n = next, 1+m
	}
	if c&isSign != 0 {
		j := t.runWithin(text, i+n, isSign, ends, part)
		if part == 0 {
			j = newlines(text, j)
		}
		return j
	}
	if c&isSpace != 0 {
		return t.linesWithin(text, i, ends)
	}
	// Nothing matches here: up to where something does, which is the next one of a class, or what stands before a letter.
	j := i + n
	for m > 0 && next&(isSign|isSpace) == 0 {
		before := j
		if j += m; j == len(text) {
			break
		}
		if next, m = t.at(text, j); next&ends != part {
			break
		}
		if next&isLM != 0 {
			return before
		}
	}
	return j
}

func isASCIILetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// runWithin is run up to the end of the part: where the bits of ends are no longer those of part.
func (t *classes) runWithin(text []byte, i int, bits, ends, part class) int {
	for i < len(text) {
		c, n := t.at(text, i)
		if c&bits == 0 || c&ends != part {
			break
		}
		i += n
	}
	return i
}

func startsDeepSeek3(b *block, text []byte, at int) (starts, stop uint64) {
	letter := b.letter | b.marks
	p := ^(letter | b.number | b.space)
	stop = b.stop | b.odd | b.controls(p, text, at)
	//  ?[\p{P}\p{S}]+[\r\n]*: the addition carries through the newlines, as in clLike.
	punct := p &^ (p << 1) &^ (b.blank << 1)
	behind := b.newline &^ (b.newline + b.newline&(p<<1))
	space, newline := b.space&^behind, b.newline&^behind
	blank := b.space &^ b.newline
	// What takes the letters behind it, if it is alone: white space, or a sign of ASCII, which takes no others.
	ascii := b.letter &^ b.high
	taken := punct &^ b.high << 1 & ascii
	starts = punct | letter&^(letter<<1)&^(blank<<1)&^taken
	starts |= (ascii + taken) &^ ascii & letter // the first one behind them, where the carry comes out
	// Parts begin.
	starts |= b.triples() | b.cjk&^(b.cjk<<1)
	starts |= (b.number << 1 &^ b.number) | (b.cjk << 1 &^ b.cjk)
	// \s*[\r\n]+|\s+(?!\S)|\s+, as in clLike, but that the last one of a run stays with it at the end of a part.
	after := blank & (newline << 1)
	starts |= space&^(space<<1) | blank&^(b.space>>1)&^((b.number|b.cjk)>>1) | after
	carried, out := carry(blank, after)
	if carried&^blank&b.newline != 0 {
		stop |= after
	}
	return starts, stop | out
}
