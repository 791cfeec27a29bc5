package pretokenizer

const qwen35Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// isLM is [\p{L}\p{M}]: each has one of these bits, and nothing else has.
const isLM = isLetter | isUpper | isLower

// qwen35 is qwen2 with marks as letters (Qwen3.5).
func qwen35(t *classes, text []byte, i int) int {
	b := text[i]
	if b == '\'' { // (?i:'s|'t|'re|'ve|'m|'ll|'d)
		if n := contraction(text, i, 'a'-'A'); n > 0 {
			return i + n
		}
	}
	// [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+
	c, n := t.at(text, i)
	if c&isLM != 0 {
		return t.run(text, i+n, isLM)
	}
	if c&isNumber != 0 { // \p{N}
		return i + n
	}
	next, m := other, 0
	if i+n < len(text) {
		next, m = t.at(text, i+n)
		if next&isLM != 0 && c&isNewline == 0 {
			return t.run(text, i+n+m, isLM)
		}
	}
	//  ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*
	j := i + n
	switch {
	case c&isSpace == 0:
	case b == ' ' && m > 0 && next&(isLM|isNumber|isSpace) == 0:
		j += m
	default:
		return t.lines(text, i)
	}
	for j < len(text) {
		c, n := t.at(text, j)
		if c&(isLM|isNumber|isSpace) != 0 {
			break
		}
		j += n
	}
	return newlines(text, j)
}
