package check

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// repairs are made in this order. Each gives the target without what is surely no part of it, or says that there is nothing.
var repairs = []struct {
	name, what string
	mend       func(source, target string) (string, bool)
}{
	{"white space", "at either end, if the source has none there", trimSpace},
	{"code fence", "around the whole, with or without the name of a language", unfence},
	{"introduction", "a first line such as \"Sure! Here is the translation:\", if the source does not begin like that", dropIntroduction},
	{"label", "\"Itzulpena:\", \"Translation:\" and the like, if the source has as few colons without it", dropLabel},
	{"explanation", "a last paragraph such as \"Note: …\" or \"Let me know if …\"", dropExplanation},
	{"quotes", "around the whole, if the source neither begins nor ends with one", unquote},
	{"list marker", "a dash, star, heading mark or >, if the source begins with a letter or digit; numbers stay, since \"1. maila\" is Basque for first grade", dropMarker},
	{"line breaks", "of a text that was wrapped; paragraphs and lists stay, and are refused as newline", joinLines},
}

// repairRounds is how often the repairs are made over: an introduction may stand inside a fence, and quotes behind it.
const repairRounds = 4

// Repair mends what is surely no translation: chatter around it, quotes and fences that the source has not, a list marker that
// came along, line feeds. It names what it did. It comes before the placeholders are read, and touches none: nothing that holds
// a digit, as every placeholder does, is taken away.
func Repair(source, target string) (repaired string, did []string) {
	for range repairRounds {
		before := target
		for _, r := range repairs {
			mended, ok := r.mend(source, target)
			if !ok || mended == "" {
				continue
			}
			target = mended
			if !hasString(did, r.name) {
				did = append(did, r.name)
			}
		}
		if target == before {
			break
		}
	}
	return target, did
}

func hasString(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func hasDigit(s string) bool { return strings.ContainsFunc(s, unicode.IsDigit) }

func trimSpace(source, target string) (string, bool) {
	if strings.TrimSpace(source) != source {
		return "", false
	}
	t := strings.TrimSpace(target)
	return t, t != target
}

// unfence takes off ``` or ~~~ around the whole, with a word such as "text" behind the opening one.
func unfence(source, target string) (string, bool) {
	for _, fence := range []string{"```", "~~~"} {
		if !strings.HasPrefix(target, fence) || strings.Contains(source, fence) {
			continue
		}
		first, rest, ok := strings.Cut(target[len(fence):], "\n")
		if !ok || len(first) > 20 || hasDigit(first) || strings.Contains(strings.TrimSpace(first), " ") {
			continue
		}
		rest, ok = strings.CutSuffix(strings.TrimRight(rest, " \t\r\n"), fence)
		if ok && !strings.Contains(rest, fence) {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// dropIntroduction takes away a first line that ends with a colon (or is nothing but "Sure!") and speaks of a translation.
func dropIntroduction(source, target string) (string, bool) {
	first, rest, ok := strings.Cut(target, "\n")
	rest = strings.TrimSpace(rest)
	if !ok || rest == "" || len(first) > edge || hasDigit(first) || lineBreaks(source) > 0 {
		return "", false
	}
	first = strings.TrimRight(first, " \t\r*_")
	if !strings.HasSuffix(first, ":") && !agreement.MatchString(first) {
		return "", false
	}
	if agreement.MatchString(first) {
		return rest, !agreement.MatchString(source)
	}
	for _, p := range chatterHead {
		if p.re.MatchString(first) && !p.re.MatchString(head(source)) {
			return rest, true
		}
	}
	return "", false
}

var agreement = express(`(?i)^\W*(?:sure|certainly|of course|absolutely|noski|claro|por supuesto|bien sûr)(?: thing)?[!.,]?$`)

// label is the name of what follows on the same line.
var label = express(`(?i)^\s*[*_]{0,3}(?:itzulpena|euskarazko itzulpena|euskaraz|(?:basque |final |english |spanish |french )?translation|translated text|basque|traducci[oó]n|traduction|traducció|tradución|tradução|übersetzung|traduzione)[*_]{0,3} ?: ?[*_]{0,3}\s*`)

func dropLabel(source, target string) (string, bool) {
	m := label.FindString(head(target))
	if m == "" || hasDigit(m) || aboutTranslation.MatchString(head(source)) {
		return "", false
	}
	if strings.Count(target, ":") <= strings.Count(source, ":") { // it may be a label of the source's own
		return "", false
	}
	return strings.TrimSpace(target[len(m):]), true
}

// explanation is a paragraph at the end that speaks to the reader of the answer, not of the text.
var explanation = express(`(?i)^[\s(*_]*(?:(?:note|oharra|nota|explanation|azalpena|azalpenak|notes)[*_]{0,2} ?: ?|(?:i hope (?:this|that) helps|let me know if|feel free to|please note that|this translation|in this translation)\b)`)

func dropExplanation(source, target string) (string, bool) {
	if lineBreaks(source) > 0 {
		return "", false
	}
	i := strings.Index(target, "\n\n")
	if i <= 0 {
		return "", false
	}
	rest := target[i:]
	if hasDigit(rest) || !explanation.MatchString(head(strings.TrimSpace(rest))) || explanation.MatchString(head(source)) {
		return "", false
	}
	return strings.TrimSpace(target[:i]), true
}

// quotes that wrap a whole answer, by their opening ones.
var quotes = [][2]string{{`"`, `"`}, {"“", "”"}, {"«", "»"}, {"„", "“"}, {"'", "'"}, {"‘", "’"}, {"`", "`"}, {"**", "**"}}

func unquote(source, target string) (string, bool) {
	for _, q := range quotes {
		inner, ok := strings.CutPrefix(target, q[0])
		if !ok {
			continue
		}
		inner, ok = strings.CutSuffix(inner, q[1])
		if !ok || strings.TrimSpace(inner) == "" {
			continue
		}
		if n := quotesOf(inner, q); n > 0 && n != quotesOf(source, q) { // "…" and "…" are two, and "…" in quotes is one more
			continue
		}
		s := strings.TrimSpace(source)
		if begins(s) || ends(s) {
			return "", false
		}
		return strings.TrimSpace(inner), true
	}
	return "", false
}

func quotesOf(s string, q [2]string) int {
	if q[0] == q[1] {
		return strings.Count(s, q[0])
	}
	return strings.Count(s, q[0]) + strings.Count(s, q[1])
}

func begins(s string) bool {
	for _, q := range quotes {
		if strings.HasPrefix(s, q[0]) {
			return true
		}
	}
	return false
}

func ends(s string) bool {
	for _, q := range quotes {
		if strings.HasSuffix(s, q[1]) {
			return true
		}
	}
	return false
}

// marker opens a list item, heading or quotation. Numbers are left alone: "1. mailakoa" is a Basque ordinal.
var marker = express(`^(?:[-*+•–] |#{1,6} |> )\s*`)

func dropMarker(source, target string) (string, bool) {
	m := marker.FindString(target)
	if m == "" || marker.MatchString(strings.TrimSpace(source)) {
		return "", false
	}
	if r, _ := utf8.DecodeRuneInString(strings.TrimSpace(source)); !unicode.IsLetter(r) && !unicode.IsDigit(r) {
		return "", false
	}
	return target[len(m):], true
}

// joinLines puts a text that was wrapped on one line. Paragraphs and lists are left for the check of line breaks: they are
// more than the translation of one line.
func joinLines(source, target string) (string, bool) {
	if lineBreaks(source) > 0 || lineBreaks(target) == 0 || strings.Contains(target, "\n\n") || strings.ContainsAny(target, "\v\f\u0085\u2028\u2029") {
		return "", false
	}
	joined := make([]string, 0, 4)
	for line := range strings.SplitSeq(strings.ReplaceAll(target, "\r\n", "\n"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.Contains(line, "\r") || marker.MatchString(line) || strings.HasPrefix(line, "```") || numbered.MatchString(line) || explanation.MatchString(head(line)) {
			return "", false
		}
		joined = append(joined, line)
	}
	return strings.Join(joined, " "), true
}

var numbered = express(`^\(?[0-9a-zA-Z]{1,3}[.)] `)
