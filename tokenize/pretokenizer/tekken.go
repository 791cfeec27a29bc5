package pretokenizer

const tekkenPattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// tekken is the regex of Mistral's tekken.json: o200k's without contractions, and with digits one by one.
func tekken(t *classes, text []byte, i int) int {
	c, n := t.at(text, i)
	if c&isNumber != 0 { // \p{N}
		return i + n
	}
	if c&isNewline == 0 {
		if j := t.word(text, i, c, n); j > 0 {
			return j
		}
	}
	return t.noWord(text, i)
}
