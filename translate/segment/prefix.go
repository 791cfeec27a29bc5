package segment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A prefix is what stands before the body of a line of prose: white space, quote marks, the marker of a heading or list
// item, a check box, the label of a footnote, tokens of a chat template, branches of a drawn tree. Markers are those of
// CommonMark 0.31 (4.2, 5.1, 5.2) and GitHub's check boxes, and of plain text those that hardly begin a sentence.

// prefixed is what is known of a prefix.
type prefixed struct {
	at     int  // where it ends
	column int  // the columns up to there, a tab going to the next multiple of four
	list   bool // it holds the marker of a list item
	head   bool // or of a heading
	marked bool // it holds more than white space and quote marks
}

// prefix finds the prefix of text[lo:hi]. lettered says that "A. " is a marker here.
func prefix(text string, lo, hi int, lettered bool) prefixed {
	p := prefixed{at: lo}
	for {
		p.advance(text, skipSpace(text, p.at, hi))
		if p.at == hi {
			return p
		}
		n, list := marker(text[p.at:hi], p, lettered && !p.list)
		if n == 0 {
			return p
		}
		if text[p.at] != '>' {
			p.marked = true
		}
		p.list = p.list || list
		p.head = p.head || text[p.at] == '#'
		p.advance(text, p.at+n)
	}
}

func (p *prefixed) advance(text string, to int) {
	for ; p.at < to; p.at++ {
		switch c := text[p.at]; {
		case c == '\t':
			p.column += 4 - p.column%4
		case utf8.RuneStart(c):
			p.column++
		}
	}
}

// bullets may stand before an item; those of the second kind need no space behind them.
const (
	bullets  = "-*+–—·"
	bullets2 = "•◦▪▫‣⁃●○■□►▶➤➢✓✔✗✘☐☑☒"
)

// directive is the length of what opens a block with a type: ":::warning" and "::: {.note}" (Pandoc, Docusaurus), "!!! note"
// (Python-Markdown), ".. note::" (reStructuredText), or 0. A title may follow.
func directive(s string) int {
	n := 0
	for n < len(s) && s[n] == s[0] {
		n++
	}
	word := n
	if word < len(s) && s[word] == ' ' {
		word++
	}
	end := word
	for end < len(s) && (s[end] >= 'a' && s[end] <= 'z' || s[end] == '-' || s[end] == '_' && s[0] == ':' || end > word && s[end]-'0' < 10) {
		end++
	}
	switch {
	case s[0] == ':' && n >= 3:
		if end == word && strings.HasPrefix(s[word:], "{") {
			if k := strings.IndexByte(s[word:min(len(s), word+200)], '}'); k > 0 {
				return word + k + 1
			}
		}
		if end > word && spaceOrEnd(s, end) {
			return end
		}
	case (s[0] == '!' || s[0] == '?') && n == 3 && end > word && word > n:
		if end == len(s) || strings.HasPrefix(s[end:], ` "`) {
			return end
		}
	case s[0] == '.' && n == 2 && end > word && word > n && strings.HasPrefix(s[end:], "::") && spaceOrEnd(s, end+2):
		return end + 2
	}
	return 0
}

// marker is the length of one marker at the start of s, without white space behind it, or 0.
func marker(s string, p prefixed, lettered bool) (n int, list bool) {
	c := s[0]
	switch {
	case c == '>':
		if !strings.HasPrefix(s, ">=") {
			return 1, false
		}
	case c == '#':
		for n < len(s) && s[n] == '#' {
			n++
		}
		if n <= 6 && !p.head && spaceOrEnd(s, n) {
			return n, false
		}
	case c == '[':
		if len(s) > 2 && s[2] == ']' && (s[1] == ' ' || s[1] == 'x' || s[1] == 'X') && spaceOrEnd(s, 3) {
			return 3, false
		}
		if !p.marked && strings.HasPrefix(s, "[^") {
			if n := strings.Index(s[:min(len(s), 40)], "]:"); n > 2 && !strings.ContainsAny(s[:n], " \t") && spaceOrEnd(s, n+2) {
				return n + 2, false
			}
		}
		return token(s), false
	case c == '<':
		return token(s), false
	case !p.marked && (c == ':' || c == '!' || c == '?' || c == '.') && directive(s) > 0:
		return directive(s), false
	case c == ':':
		if !p.marked && len(s) > 1 && spaceOrEnd(s, 1) {
			return 1, false
		}
	case c == '(':
		if n := label(s[1:]); n > 0 && n+1 < len(s) && s[n+1] == ')' && spaceOrEnd(s, n+2) {
			return n + 2, true
		}
	case c >= '0' && c <= '9':
		return number(s, p)
	case c < 0x80 && unicode.IsLetter(rune(c)):
		n := label(s)
		switch {
		case n == 0 || n >= len(s) || !spaceOrEnd(s, n+1):
		case s[n] == ')', s[n] == '.' && (lettered || n > 1):
			return n + 1, true
		}
	default:
		r, n := utf8.DecodeRuneInString(s)
		if strings.ContainsRune(bullets, r) && r != utf8.RuneError {
			if spaceOrEnd(s, n) {
				return n, true
			}
			return 0, false
		}
		if strings.ContainsRune(bullets2, r) && r != utf8.RuneError {
			for strings.HasPrefix(s[n:], "\uFE0F") {
				n += 3
			}
			return n, true
		}
		if r >= 0x2500 && r <= 0x257F {
			return n, false
		}
	}
	return 0, false
}

func spaceOrEnd(s string, n int) bool {
	if n >= len(s) {
		return true
	}
	r, _ := utf8.DecodeRuneInString(s[n:])
	return isSpace(r)
}

// number is the length of "1.", "12)", "1.2." at the start of s. Four digits are a year: "1984. urtean".
func number(s string, p prefixed) (int, bool) {
	n, parts := 0, 0
	for {
		d := n
		for d < len(s) && s[d]-'0' < 10 {
			d++
		}
		if d == n || d-n > 3 {
			break
		}
		n = d
		parts++
		if n < len(s) && (s[n] == '.' || s[n] == ')') {
			n++
			if s[n-1] == ')' {
				break
			}
		} else {
			break
		}
	}
	switch {
	case n == 0 || !spaceOrEnd(s, n):
		return 0, false
	case s[n-1] == '.' || s[n-1] == ')':
		return n, true
	case p.head && parts > 1: // "## 1.2 Title"
		return n, false
	}
	return 0, false
}

// label is the length of what may number an item beside numbers: a letter, small Roman numbers, up to three digits.
func label(s string) int {
	n := 0
	for n < len(s) && n < 6 && (s[n]|0x20) >= 'a' && s[n]|0x20 <= 'z' {
		n++
	}
	switch {
	case n == 1:
		return n
	case n > 1 && n < 6:
		if strings.Trim(s[:n], "ivx") == "" || strings.Trim(s[:n], "IVX") == "" {
			return n
		}
		return 0
	}
	for n < len(s) && n < 4 && s[n]-'0' < 10 {
		n++
	}
	if n > 3 {
		return 0
	}
	return n
}

// bareLetter is the letter of a line that begins "A. ", or 0; such a line is an item only next to one with the next or the
// previous letter, since "A. Smith" is a name.
func bareLetter(s string) byte {
	if len(s) < 2 || s[1] != '.' || s[0]|0x20 < 'a' || s[0]|0x20 > 'z' || !spaceOrEnd(s, 2) {
		return 0
	}
	return s[0]
}

// neighbours says whether two items of letters follow each other; "i." and "ii." do, too.
func neighbours(a, b string) bool {
	x, y := bareLetter(a), bareLetter(b)
	if x != 0 && y != 0 {
		return y == x+1
	}
	return x != 0 && x|0x20 == 'i' && len(b) > 2 && b[0] == x && b[1] == x && b[2] == '.'
}

// roles follow some tokens of chat templates.
var roles = [...]string{"assistant", "developer", "human", "ipython", "model", "system", "tool", "user"}

// token is the length of a token of a chat template at the start of s, or 0: <|im_end|>, <|im_start|>user, [INST],
// <<SYS>>, <s>, <start_of_turn>model. These are the forms of ChatML, Llama 2 and 3, Mistral, Gemma and Phi.
func token(s string) int {
	n := 0
	for _, t := range [...]string{"[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "<bos>", "<eos>", "<end_of_turn>",
		"<start_of_turn>"} {
		if strings.HasPrefix(s, t) {
			n = len(t)
		}
	}
	if strings.HasPrefix(s, "<|") {
		if e := strings.Index(s[:min(len(s), 48)], "|>"); e > 2 && !strings.ContainsAny(s[2:e], " <>\t") {
			n = e + 2
		}
	}
	if n == 0 || !strings.Contains(s[:n], "start") {
		return n
	}
	for _, r := range roles {
		if rest := s[n:]; strings.HasPrefix(rest, r) && (len(rest) == len(r) || !hasLetter(rest[len(r):len(r)+1])) {
			return n + len(r)
		}
	}
	return n
}

// suffix is where the suffix of text[lo:hi] begins: white space, the backslashes of a hard break, the closing marks of a
// heading, tokens of a chat template.
func suffix(text string, lo, hi int, head bool) int {
	at := trimSpace(text, lo, hi)
	for at > lo && text[at-1] == '\\' {
		at--
	}
	if at < hi && at > lo && text[at] == '\\' {
		at = trimSpace(text, lo, at)
	}
	if head {
		n := at
		for n > lo && text[n-1] == '#' {
			n--
		}
		if t := trimSpace(text, lo, n); n < at && (t < n || n == lo) {
			at = t
		}
	}
	for at > lo {
		n := lastToken(text[lo:at])
		if n == 0 {
			break
		}
		at = trimSpace(text, lo, at-n)
	}
	return at
}

// lastToken is the length of the token at the end of s, or 0.
func lastToken(s string) int {
	if c := s[len(s)-1]; c != '>' && c != ']' {
		return 0
	}
	tail := s[max(0, len(s)-48):]
	for i := len(tail) - 1; i >= 0; i-- {
		if tail[i] == '<' || tail[i] == '[' {
			if i > 0 && tail[i-1] == '<' && strings.HasSuffix(tail, "SYS>>") {
				continue
			}
			if token(tail[i:]) == len(tail)-i {
				return len(tail) - i
			}
			break
		}
	}
	return 0
}

// quoted is how many quote marks a line begins with, and where its content begins.
func quoted(text string, lo, hi int) (depth, at int) {
	at = lo
	for i := lo; ; {
		i = skipSpace(text, i, hi)
		if i == hi || text[i] != '>' || i+1 < hi && text[i+1] == '=' {
			return depth, at
		}
		i++
		depth++
		if at = i; at < hi && text[at] == ' ' {
			at++
		}
	}
}
