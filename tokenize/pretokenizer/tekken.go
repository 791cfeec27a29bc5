package pretokenizer

const tekkenPattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// tekken is the regex of Mistral's tekken.json: o200k's without contractions, and with digits one by one.
func tekken(t *classes, text []byte, i int) int {
	c, n := t.at(text, i)
	if c&isNumber != 0 { // \p{N}
		return i + n
	}
	if c&isNewline == 0 {
		if j := casedWord(t, text, i, c, n); j > 0 {
			return j
		}
	}
	//  ?[^\s\p{L}\p{N}]+[\r\n/]*
	j := i
	if text[i] == ' ' && i+1 < len(text) {
		j++
	}
	if c, n := t.at(text, j); c&isWord == 0 {
		j = t.punctuation(text, j+n)
		for j < len(text) && (text[j] == '\n' || text[j] == '\r' || text[j] == '/') {
			j++
		}
		return j
	}
	return t.lines(text, i)
}

// casedWord is the end of P?U*W+|P?U+W* at text[i], which has class c, is n bytes wide, and is no number and no \r or
// \n; P = [^\r\n\p{L}\p{N}], U = isUpper and W = isLower. It is 0 if neither matches.
func casedWord(t *classes, text []byte, i int, c class, n int) int {
	first := i
	if c&isLetter == 0 {
		first += n // P takes it
	}
	// U*W+: U* takes all it can and gives back until W+ has something.
	j, lower := first, 0
	var d class
	for j < len(text) {
		var m int
		if d, m = t.at(text, j); d&isUpper == 0 {
			break
		}
		if j += m; d&isLower != 0 {
			lower = j
		}
	}
	switch {
	case j < len(text) && d&isLower != 0: // d is no U, so it is where W+ begins
		return t.run(text, j, isLower)
	case lower > 0:
		return lower
	case c == mark: // without P: U* and W+ have the mark alone, since nothing in W follows
		return i + n
	case j > first: // P?U+
		return j
	}
	return 0
}
