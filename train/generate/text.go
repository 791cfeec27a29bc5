package generate

import (
	"strings"
	"unicode/utf8"

	"curate/tokenize"
)

// Text makes text of tokens as they come: whole characters, of which a tokenizer may have cut one into several tokens. It is
// for one sequence at a time.
type Text struct {
	t    *tokenize.Tokenizer
	held []uint32 // what has not been given yet

	// Of a tokenizer whose tokens are bytes: the last of those that are held.
	bytes bool
	tail  []byte

	// Of others, whose decoders look at neighbours: the tokens before, as far as they matter.
	before []uint32
}

// NewText makes text with a tokenizer.
func NewText(t *tokenize.Tokenizer) *Text {
	return &Text{t: t, bytes: t.Info().Decoder == "ByteLevel"}
}

// neighbours are as many tokens as a character has bytes, each of which may be a token; decoders look no further than one.
const neighbours = utf8.UTFMax

// Begin begins a text behind the tokens of prompt.
func (x *Text) Begin(prompt []uint32) {
	x.held, x.tail = x.held[:0], x.tail[:0]
	x.follow(prompt)
}

// follow makes the last of tokens those before. They begin with a character.
func (x *Text) follow(tokens []uint32) {
	if x.bytes {
		return
	}
	tokens = tokens[max(0, len(tokens)-neighbours):]
	for len(tokens) > 0 && strings.Contains(x.t.Decode(tokens, tokenize.DecodeOptions{}), "\uFFFD") {
		tokens = tokens[1:]
	}
	x.before = append(x.before[:0], tokens...)
}

// Add takes the next token, and gives the characters that are whole by now.
func (x *Text) Add(token uint32) string {
	x.held = append(x.held, token)
	if x.bytes {
		x.tail = x.t.AppendDecoded(x.tail, x.held[len(x.held)-1:])
		x.tail = x.tail[len(x.tail)-unfinished(x.tail):]
		if len(x.tail) > 0 {
			return ""
		}
		text := x.t.Decode(x.held, tokenize.DecodeOptions{})
		x.held = x.held[:0]
		return text
	}
	text := x.behind()
	// A character of which bytes are missing is U+FFFD, also one to each byte. No character has more of them than this.
	if len(x.held) < neighbours && strings.HasSuffix(text, "\uFFFD") {
		return ""
	}
	return x.give(text)
}

// End gives what was held back.
func (x *Text) End() string {
	if len(x.held) == 0 {
		return ""
	}
	if x.bytes {
		text := x.t.Decode(x.held, tokenize.DecodeOptions{})
		x.held, x.tail = x.held[:0], x.tail[:0]
		return text
	}
	return x.give(x.behind())
}

// behind is the text of what is held, behind that of the tokens before.
func (x *Text) behind() string {
	n := len(x.before)
	before := x.t.Decode(x.before, tokenize.DecodeOptions{})
	all := x.t.Decode(append(x.before, x.held...), tokenize.DecodeOptions{})
	x.before = x.before[:n]
	if text, ok := strings.CutPrefix(all, before); ok {
		return text
	}
	return x.t.Decode(x.held, tokenize.DecodeOptions{})
}

func (x *Text) give(text string) string {
	x.before = append(x.before, x.held...)
	x.follow(x.before)
	x.held = x.held[:0]
	return text
}

// unfinished is how many bytes at the end of b may be the beginning of a character.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if end := b[len(b)-n:]; utf8.RuneStart(end[0]) {
			if !utf8.FullRune(end) {
				return n
			}
			break
		}
	}
	return 0
}

// stopper passes a text on as it comes, up to the first of some texts that is found in it.
type stopper struct {
	stops []string
	held  string // may be the beginning of one of them
}

// add gives what may be passed on of held and text. Behind what it gives stands a stop if it is found.
func (s *stopper) add(text string) (out string, found bool) {
	s.held += text
	at := -1
	for _, stop := range s.stops {
		if i := strings.Index(s.held, stop); i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	if at >= 0 {
		return s.held[:at], true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				keep = n
				break
			}
		}
	}
	out, s.held = s.held[:len(s.held)-keep], s.held[len(s.held)-keep:]
	return out, false
}
