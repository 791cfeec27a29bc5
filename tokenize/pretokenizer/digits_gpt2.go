package pretokenizer

// digitsGPT2Regexes are Digits with individual_digits and ByteLevel with its own regex (StarCoder, SmolLM, Command R,
// EXAONE).
var digitsGPT2Regexes = []string{numericPattern, gpt2Pattern}

// digitsGPT2 cuts each number out, and what lies between numbers by GPT-2's regex, which sees no further than to the
// next one.
func digitsGPT2(t *classes, text []byte, i int) int {
	b := text[i]
	if b == '\'' { // 's|'t|'re|'ve|'m|'ll|'d
		if n := contraction(text, i, 0); n > 0 {
			return i + n
		}
	}
	c, n := t.at(text, i)
	if numeric(text, i, c, n) {
		return i + n
	}
	j := i
	if b == ' ' && i+1 < len(text) { // " ?"
		j++
		c, n = t.at(text, j)
	}
	switch {
	case c&isLetter != 0:
		return t.run(text, j+n, isLetter)
	case c&isWord == 0 && !numeric(text, j, c, n):
		for j += n; j < len(text); j += n {
			if c, n = t.at(text, j); c&isWord != 0 || numeric(text, j, c, n) {
				break
			}
		}
		return j
	}
	// \s+(?!\S)|\s+
	last := i
	for j = i; j < len(text); j += n {
		if c, n = t.at(text, j); c&isSpace == 0 {
			if last > i && !numeric(text, j, c, n) {
				return last
			}
			break
		}
		last = j
	}
	return j
}

// numeric says whether the code point at text[i], which has class c and is n bytes wide, is in numericPattern: the
// table is of Unicode 16.0.0.
func numeric(text []byte, i int, c class, n int) bool {
	if c&isNumber != 0 {
		return true
	}
	if c != other || n != 4 {
		return false
	}
	switch string(text[i : i+3]) {
	case "\xf0\x91\xb7":
		return text[i+3] >= 0xa0 && text[i+3] <= 0xa9
	case "\xf0\x96\xbf":
		return text[i+3] >= 0xb4 && text[i+3] <= 0xb6
	}
	return false
}

func startsDigitsGPT2(b *block, text []byte, at int) (starts, stop uint64) {
	starts, stop = startsGPT2(b, text, at)
	// White space stays whole before a number.
	before := b.number >> 1 & b.space & (b.space << 1)
	return starts&^before | b.number | b.number<<1, stop | b.odd
}
