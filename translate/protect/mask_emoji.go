package protect

import (
	"strings"
	"unicode/utf8"
)

// emoji is a sequence of emoji with what joins and modifies them (UTS #51 §1.4.9): skin tones, variation selectors, zero width
// joiners, flags, keycaps. A translation model has no piece for most of them and drops them.
func emoji(s *scanner, i int) int {
	at := i
	for at < len(s.text) {
		end := s.emojiAt(at)
		if end == 0 {
			break
		}
		at = end
		for s.has(at, "\u200d") {
			next := s.emojiAt(at + 3)
			if next == 0 {
				break
			}
			at = next
		}
	}
	return at
}

// emojiAt is the end of one emoji with its modifiers at i, without what is joined to it.
func (s *scanner) emojiAt(i int) int {
	r, size := utf8.DecodeRuneInString(s.text[i:])
	at := i + size
	switch {
	case r >= 0x1F1E6 && r <= 0x1F1FF: // two regional indicators are a flag
		if r, size := utf8.DecodeRuneInString(s.text[at:]); r >= 0x1F1E6 && r <= 0x1F1FF {
			return at + size
		}
		return at
	case isEmoji(r):
	case s.has(at, "\ufe0f") && r >= 0xA9: // ©️ is shown as an emoji, © is not
	default:
		return 0
	}
	for at < len(s.text) {
		r, size := utf8.DecodeRuneInString(s.text[at:])
		if r != 0xFE0F && r != 0x20E3 && (r < 0x1F3FB || r > 0x1F3FF) && (r < 0xE0020 || r > 0xE007F) {
			break
		}
		at += size
	}
	return at
}

// isEmoji says whether r is shown as an emoji by default or nearly always (blocks of Unicode 15.1).
func isEmoji(r rune) bool {
	switch {
	case r >= 0x1F300 && r <= 0x1FAFF:
		return true
	case r >= 0x2600 && r <= 0x27BF:
		return r != 0x2605 && r != 0x2606 && (r < 0x2768 || r > 0x2794) // stars, ornamental brackets and digits are text
	case r == 0x231A || r == 0x231B || r == 0x2B50 || r == 0x2B55 || r == 0x2B1B || r == 0x2B1C || r == 0x1F004 || r == 0x1F0CF:
		return true
	case r >= 0x23E9 && r <= 0x23F3 || r >= 0x1F170 && r <= 0x1F19A || r >= 0x1F201 && r <= 0x1F251:
		return true
	}
	return false
}

// keycap is a digit, # or * in a key: 1️⃣.
func keycap(s *scanner, i int, w word) int {
	if w.end != i+1 {
		return 0
	}
	return keycapAt(s, i)
}

func keycapAt(s *scanner, i int) int {
	for _, k := range [...]string{"\ufe0f\u20e3", "\u20e3"} {
		if s.has(i+1, k) {
			return i + 1 + len(k)
		}
	}
	return 0
}

// shortcode is :name:, as chats write emoji.
func shortcode(s *scanner, i int) int {
	if s.letterBefore(i) || i > 0 && s.text[i-1] == ':' || classes[s.at(i+1)]&(lower|digit) == 0 && s.at(i+1) != '+' && s.at(i+1) != '-' {
		return 0
	}
	end := s.run(i+1, ident, "+-")
	if s.at(end) != ':' || end-i < 3 || end-i > 40 || s.letterAt(end+1) || strings.IndexFunc(s.text[i:end], func(r rune) bool { return 'a' <= r && r <= 'z' }) < 0 && s.text[i+1] != '+' && s.text[i+1] != '-' {
		return 0
	}
	return end + 1
}
