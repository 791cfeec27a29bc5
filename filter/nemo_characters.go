package filter

import (
	"bytes"
)

const (
	nemoStrings = "NeMo-Curator 1.4.0, stages/text/filters/heuristic/string.py"
	nemoEnglish = "NeMo-Curator 1.4.0, config/text/heuristic_filter_english_pipeline.yaml"
)

// Rules of NeMo-Curator about the characters of a document. The reference gives each document a score and a
// filter's name; the reason is that name. All of them count code points, those of white space included.
var (
	nemoNonAlphaNumeric = Rule{
		Name:    "nemo_non_alpha_numeric",
		Version: 1,
		Summary: "drops documents with too many characters that are no ASCII letter, ASCII digit, line feed or one of ? ! , .",
		Source:  nemoStrings + " NonAlphaNumericFilter",
		Params: []Param{
			{Name: "max_non_alpha_numeric_to_text_ratio", Default: 0.25, Unit: "of all characters", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "alpha_numeric", Signal: "nemo_non_alpha_numeric",
			Measure: "share of characters other than a-z, A-Z, 0-9, line feed, ? ! , and . (blanks are such, and all letters beyond ASCII)",
			Compare: Above, Param: "max_non_alpha_numeric_to_text_ratio",
			Value: func(v *View, _ Values) (float64, bool) {
				return ratio(v.CodePoints()-v.nemoCharacters().plain, v.CodePoints())
			},
		}},
	}
	nemoNumbers = Rule{
		Name:    "nemo_numbers",
		Version: 1,
		Summary: "drops documents with too many digits",
		Source:  nemoStrings + " NumbersFilter",
		Params: []Param{
			{Name: "max_number_to_text_ratio", Default: 0.15, Unit: "of all characters", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "numbers_ratio", Signal: "nemo_numbers",
			Measure: "share of characters that are 0 to 9",
			Compare: Above, Param: "max_number_to_text_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoCharacters().digits, v.CodePoints()) },
		}},
	}
	nemoParentheses = Rule{
		Name:    "nemo_parentheses",
		Version: 1,
		Summary: "drops documents with too many brackets",
		Source:  nemoStrings + " ParenthesesFilter",
		Params: []Param{
			{Name: "max_parentheses_ratio", Default: 0.1, Unit: "of all characters", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "parentheses_ratio", Signal: "nemo_parentheses",
			Measure: "share of characters that are one of { } ⟨ ⟩ [ ] ( )",
			Compare: Above, Param: "max_parentheses_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoCharacters().brackets, v.CodePoints()) },
		}},
	}
	nemoWhiteSpace = Rule{
		Name:    "nemo_white_space",
		Version: 1,
		Summary: "drops documents with too much white space",
		Source:  nemoStrings + " WhiteSpaceFilter",
		Params: []Param{
			{Name: "max_white_space_ratio", Default: 0.25, Unit: "of all characters", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "white_space", Signal: "nemo_white_space",
			Measure: "share of characters that are blanks, tabs, line feeds, carriage returns or backspaces",
			Compare: Above, Param: "max_white_space_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoCharacters().white, v.CodePoints()) },
		}},
	}
	nemoURLs = Rule{
		Name:    "nemo_urls",
		Version: 1,
		Summary: "drops documents with too many URLs",
		Source:  nemoStrings + " UrlsFilter",
		Params: []Param{
			{Name: "max_url_to_text_ratio", Default: 0.2, Unit: "of all characters", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "urls_ratio", Signal: "nemo_urls",
			Measure: "share of characters in URLs: what begins with http:// or https:// and goes on with ASCII letters, digits, $ - _ @ . & + / : = ? # ~ ! * ( ) , and % before two hexadecimal digits",
			Compare: Above, Param: "max_url_to_text_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoURLs().characters, v.CodePoints()) },
		}},
	}
	nemoPornographicURLs = Rule{
		Name:    "nemo_pornographic_urls",
		Version: 1,
		Summary: `drops documents with "porn" in a URL`,
		Source:  nemoStrings + " PornographicUrlsFilter",
		Tests: []Test{{
			Reason: "pornographic_urls", Signal: "nemo_pornographic_urls",
			Measure: `1 if one of the URLs, as nemo_urls finds them, holds "porn"`,
			Compare: Above, Fixed: 0,
			Value: func(v *View, _ Values) (float64, bool) { return one(v.nemoURLs().porn), true },
		}},
	}
)

// nemoCharacters are counts of characters.
type nemoCharacters struct {
	plain    int // of regex_alphanum
	digits   int // of regex_digit: [[:digit:]] of Python's regex module is ASCII
	white    int // of white_space_list
	brackets int // of regex_paren
}

// Places of the four counts in a sum of at most 65,535 bytes.
const (
	nemoPlain = 1 << (16 * iota)
	nemoDigit
	nemoWhite
	nemoBracket
)

// nemoBytes are the characters of the sets in ASCII (stages/text/utils/constants.py).
var nemoBytes = func() (t [256]uint64) {
	for c := range 128 {
		switch b := byte(c); {
		case b|0x20 >= 'a' && b|0x20 <= 'z':
			t[c] = nemoPlain
		case b >= '0' && b <= '9':
			t[c] = nemoPlain | nemoDigit
		case b == '\n':
			t[c] = nemoPlain | nemoWhite
		case bytes.IndexByte([]byte("?!,."), b) >= 0:
			t[c] = nemoPlain
		case bytes.IndexByte([]byte("\t\r\b "), b) >= 0:
			t[c] = nemoWhite
		case bytes.IndexByte([]byte("{}[]()"), b) >= 0:
			t[c] = nemoBracket
		}
	}
	return t
}()

var angles = []byte("⟨") // and ⟩, which is the next code point

// countNemo counts in text of that many code points.
func countNemo(text []byte, points int) (n nemoCharacters) {
	all := text
	for len(text) > 0 {
		part := text[:min(len(text), 0xFFFF)]
		text = text[len(part):]
		var sum uint64
		for _, c := range part {
			sum += nemoBytes[c]
		}
		n.plain += int(sum & 0xFFFF)
		n.digits += int(sum >> 16 & 0xFFFF)
		n.white += int(sum >> 32 & 0xFFFF)
		n.brackets += int(sum >> 48)
	}
	if points < len(all) {
		for i := bytes.Index(all, angles[:2]); i >= 0; {
			if len(all) > i+2 && all[i+2]|1 == angles[2]|1 {
				n.brackets++
			}
			all = all[i+2:]
			i = bytes.Index(all, angles[:2])
		}
	}
	return n
}

func (v *View) nemoCharacters() *nemoCharacters {
	if v.first(haveNemoCharacters) {
		v.nemo.characters = countNemo(v.doc, v.CodePoints())
	}
	return &v.nemo.characters
}

// nemoFound is what is known of the URLs of a text.
type nemoFound struct {
	characters int // all of them are ASCII
	porn       bool
}

var (
	schemeEnd = []byte("://")
	http      = []byte("http")
	https     = []byte("https")
	porn      = []byte("porn")
)

// urlBytes has a bit for each byte that regex_url takes after the scheme, but for %.
var urlBytes = func() (t [4]uint64) {
	for c := range 128 {
		b := byte(c)
		if b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || bytes.IndexByte([]byte("$-_@.&+/:=?#~!*(),"), b) >= 0 {
			t[c>>6] |= 1 << (c & 63)
		}
	}
	return t
}()

func isHex(b byte) bool { return b-'0' < 10 || b|0x20 >= 'a' && b|0x20 <= 'f' }

// findNemoURLs finds what regex_url of stages/text/utils/constants.py matches.
func findNemoURLs(text []byte) (found nemoFound) {
	for lo := 0; ; {
		i := bytes.Index(text[lo:], schemeEnd)
		if i < 0 {
			return found
		}
		i += lo
		// Nothing before lo is part of another URL: it would have taken the "://" too.
		from := -1
		if bytes.HasSuffix(text[:i], http) {
			from = i - len(http)
		} else if bytes.HasSuffix(text[:i], https) {
			from = i - len(https)
		}
		end := i + len(schemeEnd)
		lo = end
		if from < 0 {
			continue
		}
		for end < len(text) {
			c := text[end]
			if urlBytes[c>>6]>>(c&63)&1 != 0 {
				end++
			} else if c == '%' && end+2 < len(text) && isHex(text[end+1]) && isHex(text[end+2]) {
				end += 3
			} else {
				break
			}
		}
		if end > lo {
			found.characters += end - from
			found.porn = found.porn || bytes.Contains(text[from:end], porn)
		}
		lo = end
	}
}

func (v *View) nemoURLs() *nemoFound {
	if v.first(haveNemoURLs) {
		v.nemo.urls = findNemoURLs(v.doc)
	}
	return &v.nemo.urls
}
