package pretokenizer

// The functions here are the regexes written out. Each answers where the piece that starts at text[i] ends. The
// alternatives of a regex are tried in its order; comments name the one at hand. The regexes match every text
// whole, so that a piece is never empty.

const (
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	cl100kPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	o200kPattern  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// gpt2 is the regex of GPT-2 (encoder.py@openai/gpt-2), also what ByteLevel with use_regex means.
func gpt2(t *classes, text []byte, i int) int {
	b := text[i]
	if b == '\'' { // 's|'t|'re|'ve|'m|'ll|'d
		if n := contraction(text, i, 0); n > 0 {
			return i + n
		}
	}
	j := i
	if b == ' ' && i+1 < len(text) { // " ?"
		j++
	}
	c, n := t.at(text, j)
	switch {
	case c&isLetter != 0:
		return t.run(text, j+n, isLetter)
	case c&isNumber != 0:
		return t.run(text, j+n, isNumber)
	case c&isSpace == 0:
		return t.punctuation(text, j+n)
	}
	return t.spaces(text, i)
}

// cl100k is the regex of OpenAI's cl100k_base (tiktoken_ext/openai_public.py), which Llama 3 has too.
func cl100k(t *classes, text []byte, i int) int { return clLike(t, text, i, 3) }

// qwen2 is cl100k with digits one by one (Qwen2, Qwen2.5, Qwen3).
func qwen2(t *classes, text []byte, i int) int { return clLike(t, text, i, 1) }

func clLike(t *classes, text []byte, i, digits int) int {
	b := text[i]
	if b == '\'' { // (?i:'s|'t|'re|'ve|'m|'ll|'d)
		if n := contraction(text, i, 'a'-'A'); n > 0 {
			return i + n
		}
	}
	c, n := t.at(text, i)
	// [^\r\n\p{L}\p{N}]?\p{L}+
	if c&isLetter != 0 {
		return t.run(text, i+n, isLetter)
	}
	if c&isNumber != 0 { // \p{N}{1,digits}
		return t.number(text, i+n, digits-1)
	}
	next, m := other, 0
	if i+n < len(text) {
		next, m = t.at(text, i+n)
		if next&isLetter != 0 && c&isNewline == 0 {
			return t.run(text, i+n+m, isLetter)
		}
	}
	//  ?[^\s\p{L}\p{N}]+[\r\n]*
	if c&isSpace == 0 {
		return newlines(text, t.punctuation(text, i+n))
	}
	if b == ' ' && m > 0 && next&isWord == 0 {
		return newlines(text, t.punctuation(text, i+n+m))
	}
	return t.lines(text, i)
}

// o200k is the regex of OpenAI's o200k_base (tiktoken_ext/openai_public.py).
func o200k(t *classes, text []byte, i int) int {
	c, n := t.at(text, i)
	if c&isNumber != 0 { // \p{N}{1,3}
		return t.number(text, i+n, 2)
	}
	if c&isNewline == 0 {
		if j := t.word(text, i, c, n); j > 0 {
			if j < len(text) && text[j] == '\'' { // (?i:'s|'t|'re|'ve|'m|'ll|'d)?
				j += contraction(text, j, 'a'-'A')
			}
			return j
		}
	}
	return t.noWord(text, i)
}

// noWord is o200k's last alternatives, which no word and no number begins.
func (t *classes) noWord(text []byte, i int) int {
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

// word is o200k's first two alternatives without their last part, at text[i], which has class c, is n bytes wide,
// and is no number and no \r or \n: P?U*W+|P?U+W* with P = [^\r\n\p{L}\p{N}], U = upper and W = lower. It is 0 if
// neither matches.
func (t *classes) word(text []byte, i int, c class, n int) int {
	first := i
	if c&isLetter == 0 {
		first += n // P takes it
	}
	// U*W+: U* takes all it can and gives back until W+ has something.
	j, lower := first, 0
	var d class
	for j < len(text) {
		var m int
		d, m = t.at(text, j)
		if d&isUpper == 0 {
			break
		}
		j += m
		if d&isLower != 0 {
			lower = j
		}
	}
	switch {
	case j < len(text) && d&isLower != 0: // d is no U, so it is where W+ begins
		return t.run(text, j, isLower)
	case lower > 0:
		return lower
	case c.kind() == mark: // without P: U* and W+ have the mark alone, since nothing in W follows
		return i + n
	case j > first: // P?U+
		return j
	}
	return 0
}

// number is the end of at most more code points of \p{N} from i on.
func (t *classes) number(text []byte, i, more int) int {
	for ; more > 0 && i < len(text); more-- {
		c, n := t.at(text, i)
		if c&isNumber == 0 {
			break
		}
		i += n
	}
	return i
}

// contraction is how many bytes 's|'t|'re|'ve|'m|'ll|'d has at text[i], an apostrophe, or 0. fold is the bit that
// makes ASCII letters small, or 0 to compare them as they are; where case is ignored, ſ (U+017F) is an s too, by
// Unicode's simple case folding.
func contraction(text []byte, i int, fold byte) int {
	if i+1 >= len(text) {
		return 0
	}
	a := text[i+1]
	switch a | fold {
	case 's', 't', 'm', 'd':
		return 2
	}
	if i+2 >= len(text) {
		return 0
	}
	b := text[i+2]
	if a == 0xc5 && b == 0xbf && fold != 0 {
		return 3
	}
	switch a | fold {
	case 'r', 'v':
		if b|fold == 'e' {
			return 3
		}
	case 'l':
		if b|fold == 'l' {
			return 3
		}
	}
	return 0
}
