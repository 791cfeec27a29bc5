package pretokenizer

import (
	"sync"
	"unicode/utf8"

	"curate/tokenize/regex"
)

// characters finds each character of a set.
type characters struct{ set *regex.Set }

func (c *characters) find(_ *Pieces, text []byte, found []span) ([]span, error) {
	from := 0
	for i := 0; i < len(text); {
		n := c.set.Width(text, i)
		if n == 0 {
			if i++; text[i-1] >= utf8.RuneSelf {
				_, n := utf8.DecodeRune(text[i-1:])
				i += n - 1
			}
			continue
		}
		if from < i {
			found = append(found, part(from, i, false))
		}
		found = append(found, part(i, i+n, true))
		i += n
		from = i
	}
	if from < len(text) {
		found = append(found, part(from, len(text), false))
	}
	return found, nil
}

func set(pattern string) *regex.Set {
	s, err := regex.NewSet(pattern)
	if err != nil {
		panic(err) // the patterns are constants
	}
	return s
}

// whiteSpace is char::is_whitespace of Rust: White_Space.
var whiteSpace = sync.OnceValue(func() *characters { return &characters{set(`\s`)} })

// numericPattern is char::is_numeric of Rust: N of Unicode 17.0.0, two ranges more than in Unicode 16.0.0.
const numericPattern = `[\p{N}\x{11de0}-\x{11de9}\x{16ff4}-\x{16ff6}]`

var numericCharacters = sync.OnceValue(func() *characters { return &characters{set(numericPattern)} })

// wordCharacters is \w of the crate regex (Unicode Technical Standard #18, annex C).
var wordCharacters = sync.OnceValue(func() *regex.Set {
	return set(`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]`)
})

// punctuationMarks are the punctuation of ASCII and what the crate unicode_categories 0.1.1 calls so: the categories P
// of Unicode 8, without what came later, and two characters that have another category now.
var punctuationMarks = sync.OnceValue(func() *characters {
	return &characters{set(`[!-/:-@\[-` + "`" + `{-~\p{P}\x{166d}\x{111c9}&&[^` + laterMarks + `]]`)}
})

// laterMarks are the punctuation characters that Unicode got after version 8.
const laterMarks = `` +
	`\x{61d}\x{9fd}\x{a76}\x{c77}\x{c84}\x{1b4e}-\x{1b4f}\x{1b7d}-\x{1b7f}\x{2e43}-\x{2e4f}\x{2e52}-\x{2e5d}\x{10d6e}` +
	`\x{10ead}\x{10f55}-\x{10f59}\x{10f86}-\x{10f89}\x{113d4}-\x{113d5}\x{113d7}-\x{113d8}\x{1144b}-\x{1144f}` +
	`\x{1145a}-\x{1145b}\x{1145d}\x{11660}-\x{1166c}\x{116b9}\x{1183b}\x{11944}-\x{11946}\x{119e2}\x{11a3f}-\x{11a46}` +
	`\x{11a9a}-\x{11a9c}\x{11a9e}-\x{11aa2}\x{11b00}-\x{11b09}\x{11be1}\x{11c41}-\x{11c45}\x{11c70}-\x{11c71}` +
	`\x{11ef7}-\x{11ef8}\x{11f43}-\x{11f4f}\x{11fff}\x{12ff1}-\x{12ff2}\x{16d6d}-\x{16d6f}\x{16e97}-\x{16e9a}` +
	`\x{16fe2}\x{1e5ff}\x{1e95e}-\x{1e95f}`
