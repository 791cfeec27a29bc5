package ifeval

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/text"
)

var (
	placeholder = regexp.MustCompile(`\[.*?\]`)
	highlight   = regexp.MustCompile(`\*[^\n*]*\*`)
	bold        = regexp.MustCompile(`\*\*[^\n*]*\*\*`)
	angled      = regexp.MustCompile(`<<[^\n]+>>`)
)

// placeholders: the answer has so many of [this] kind, or more.
func placeholders(a *args) func(*answer) bool {
	least := a.number("num_placeholders", 1)
	return func(a *answer) bool { return len(placeholder.FindAllStringIndex(a.text, least)) >= least }
}

// highlights: the answer has so many parts *between asterisks*, or more. Bold ones count twice in the reference, and here.
func highlights(a *args) func(*answer) bool {
	least := a.number("num_highlights", 1)
	return func(a *answer) bool {
		n := 0
		for _, h := range highlight.FindAllString(a.text, -1) {
			if trim(strings.Trim(h, "*")) != "" {
				n++
			}
		}
		for _, h := range bold.FindAllString(a.text, -1) {
			if trim(h[2:len(h)-2]) != "" {
				n++
			}
		}
		return n >= least
	}
}

// title: the answer has one, <<like this>>.
func title(*args) func(*answer) bool {
	return func(a *answer) bool {
		for _, t := range angled.FindAllString(a.text, -1) {
			if trim(strings.TrimRight(strings.TrimLeft(t, "<"), ">")) != "" {
				return true
			}
		}
		return false
	}
}

// bullets: the answer has exactly so many points, which begin with * or - behind white space.
func bullets(a *args) func(*answer) bool {
	want := a.number("num_bullets", 1)
	return func(a *answer) bool { return points(a.text, '*')+points(a.text, '-') == want }
}

// points counts ^\s*-.*$ or, of asterisks, ^\s*\*[^*].*$, as Python's re.findall does: white space may reach over lines, and the
// character behind an asterisk be a line feed.
func points(s string, mark byte) int {
	n := 0
	for at := 0; at < len(s); {
		i := at
		for i < len(s) {
			r, size := utf8.DecodeRuneInString(s[i:])
			if !isSpace(r) {
				break
			}
			i += size
		}
		if i < len(s) && s[i] == mark {
			i++
			if mark != '*' {
				n++
			} else if i < len(s) && s[i] != '*' {
				n++
				i++
			}
		}
		end := strings.IndexByte(s[i:], '\n')
		if end < 0 {
			break
		}
		at = i + end + 1
	}
	return n
}

// sections: the answer has so many parts, or more, that begin with a word and a number.
func sections(a *args) func(*answer) bool {
	word, least := trim(a.text("section_spliter")), a.number("num_sections", 1)
	return func(a *answer) bool {
		n := 0
		for rest := a.text; ; {
			_, after, found := strings.Cut(rest, word)
			if !found || word == "" {
				return n >= least
			}
			rest = after
			if r, size := utf8.DecodeRuneInString(after); isSpace(r) {
				after = after[size:]
			}
			if r, _ := utf8.DecodeRuneInString(after); text.IsDigit(r) {
				n++
			}
		}
	}
}

// isJSON: the answer is JSON, also between three back ticks.
func isJSON(*args) func(*answer) bool {
	return func(a *answer) bool {
		s := trim(a.text)
		for _, fence := range []string{"```json", "```Json", "```JSON", "```"} {
			s = strings.TrimPrefix(s, fence)
		}
		s = trim(strings.TrimSuffix(s, "```"))
		return jsontext.Value(s).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	}
}

// constrained: the answer holds one of the options. In IFEval they are always the same three; "options" gives others.
func constrained(a *args) func(*answer) bool {
	options := []string{"My answer is yes.", "My answer is no.", "My answer is maybe."}
	if v, ok := a.value("options"); ok { // ours: other languages have other words
		options = a.list("options", v)
	}
	return func(a *answer) bool {
		for _, o := range options {
			if strings.Contains(a.text, o) {
				return true
			}
		}
		return false
	}
}

// postscript: the answer has a mark such as P.S. or P.P.S, of which blanks between the letters may be part.
func postscript(a *args) func(*answer) bool {
	mark := trim(a.text("postscript_marker"))
	pattern := regexp.MustCompile(regexp.QuoteMeta(lower(mark)))
	const blank = `[\s\x{85}\p{Z}\x1c-\x1f]?`
	switch mark {
	case "P.S.":
		pattern = regexp.MustCompile(`p\.` + blank + `s\.`)
	case "P.P.S":
		pattern = regexp.MustCompile(`p\.` + blank + `p\.` + blank + `s`)
	}
	return func(a *answer) bool { return pattern.MatchString(a.lowered()) }
}

// twoResponses: the answer is two that differ, with ****** between them.
func twoResponses(*args) func(*answer) bool {
	return func(a *answer) bool {
		var both []string
		list := strings.Split(a.text, "******")
		for i, r := range list {
			if trim(r) != "" {
				both = append(both, trim(r))
			} else if i > 0 && i < len(list)-1 {
				return false
			}
		}
		return len(both) == 2 && both[0] != both[1]
	}
}
