package filter

import (
	"bytes"

	"curate/text"
)

// Rules of NeMo-Curator about the lines and paragraphs of a document. Its "sentences" are lines that are not only
// white space, its paragraphs what lies between two line feeds.
var (
	nemoBoilerPlateString = Rule{
		Name:    "nemo_boiler_plate_string",
		Version: 1,
		Summary: "drops documents with placeholder text, and those with too many paragraphs about cookies, terms and privacy",
		Source:  nemoStrings + " BoilerPlateStringFilter",
		Params: []Param{
			{Name: "max_boilerplate_string_ratio", Default: 0.4, Unit: "of all paragraphs", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "boilerplate_string_ratio", Signal: "nemo_boiler_plate",
			Measure: "share of paragraphs (cut at two line feeds) that hold, in any case, one of 14 phrases about cookies, terms of use and privacy; 1 if one holds \"lorem ipsum\"",
			Compare: Above, Param: "max_boilerplate_string_ratio",
			Value: func(v *View, _ Values) (float64, bool) {
				n, lorem := v.nemoBoilerPlate()
				if lorem {
					return 1, true
				}
				return ratio(n, len(v.nemoParagraphs()))
			},
		}},
	}
	nemoBullets = Rule{
		Name:    "nemo_bullets",
		Version: 1,
		Summary: "drops documents with too many lines that begin with a bullet",
		Source:  nemoStrings + " BulletsFilter",
		Params: []Param{
			{Name: "max_bullet_lines_ratio", Default: 0.9, Unit: "of all lines", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "bullet_ratio", Signal: "nemo_bullet_lines",
			Measure: "share of lines that begin with one of • ‣ ⁃ ⁌ ⁍ ∙ ○ ● ◘ ◦ ⦾ ⦿ after white space (\"-\" and \"*\" are none)",
			Compare: Above, Param: "max_bullet_lines_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoLines().bullets, len(v.TextLines())) },
		}},
	}
	nemoEllipsis = Rule{
		Name:    "nemo_ellipsis",
		Version: 1,
		Summary: "drops documents with too many lines that end with an ellipsis",
		Source:  nemoStrings + " EllipsisFilter",
		Params: []Param{
			{Name: "max_num_lines_ending_with_ellipsis_ratio", Default: 0.3, Unit: "of all lines", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "ellipsis", Signal: "nemo_ellipsis_lines",
			Measure: "share of lines that end with ... [...] … (...) […] -» \"read more..\" or \"read more\", in any case, before white space",
			Compare: Above, Param: "max_num_lines_ending_with_ellipsis_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoLines().ellipses, len(v.TextLines())) },
		}},
	}
	nemoPunctuation = Rule{
		Name:    "nemo_punctuation",
		Version: 1,
		Summary: "drops documents with too many lines that do not end as a sentence does",
		Source:  nemoStrings + " PunctuationFilter",
		Params: []Param{
			{Name: "max_num_sentences_without_endmark_ratio", Default: 0.85, Unit: "of all lines", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "punctuation", Signal: "nemo_open_lines",
			Measure: `share of lines whose last character before white space is none of . ? ! " '`,
			Compare: Above, Param: "max_num_sentences_without_endmark_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoLines().open, len(v.TextLines())) },
		}},
	}
)

// nemoLineCounts is what one walk over the lines finds.
type nemoLineCounts struct{ bullets, open, ellipses, points int }

func (v *View) nemoLines() *nemoLineCounts {
	n := &v.nemo.lines
	if !v.first(haveNemoLines) {
		return n
	}
	*n = nemoLineCounts{}
	for _, l := range v.TextLines() {
		line := l.Of(v.doc)
		n.points += text.CodePoints(line)
		line = text.TrimRight(text.TrimLeft(line))
		if startsWithBullet(line) {
			n.bullets++
		}
		switch line[len(line)-1] {
		case '.', '?', '!', '"', '\'':
		default:
			n.open++
		}
		if endsInNemoEllipsis(line) {
			n.ellipses++
		}
	}
	return n
}

// startsWithBullet looks for bullet_list, whose characters have three bytes, 0xE2 first.
func startsWithBullet(line []byte) bool {
	if len(line) < 3 || line[0] != 0xE2 {
		return false
	}
	switch string(line[:3]) {
	case "•", "‣", "⁃", "⁌", "⁍", "∙", "○", "●", "◘", "◦", "⦾", "⦿":
		return true
	}
	return false
}

var readMore = []byte("read more")

// endsInNemoEllipsis looks for ellipsis_marks. No character beyond ASCII has a lower case that is a letter of
// "read more".
func endsInNemoEllipsis(line []byte) bool {
	n := len(line)
	switch line[n-1] {
	case '.':
		return bytes.HasSuffix(line, dots) || n >= 2 && line[n-2] == '.' && endsInReadMore(line[:n-2])
	case ']':
		return bytes.HasSuffix(line, []byte("[...]")) || bytes.HasSuffix(line, []byte("[…]"))
	case ')':
		return bytes.HasSuffix(line, []byte("(...)"))
	case 'e', 'E':
		return endsInReadMore(line)
	case "…"[2]:
		return bytes.HasSuffix(line, ellipsis)
	case "»"[1]:
		return bytes.HasSuffix(line, []byte("-»"))
	}
	return false
}

func endsInReadMore(line []byte) bool {
	n := len(line) - len(readMore)
	return n >= 0 && bytes.EqualFold(line[n:], readMore)
}

// nemoParagraphs are the document's, cut at each two line feeds, as Python's split("\n\n"): there is always one.
func (v *View) nemoParagraphs() []text.Span {
	if v.first(haveNemoParagraphs) {
		v.nemo.paragraphs = splitParagraphs(v.nemo.paragraphs[:0], v.doc)
	}
	return v.nemo.paragraphs
}

var twoFeeds = []byte("\n\n")

func splitParagraphs(dst []text.Span, doc []byte) []text.Span {
	lo := 0
	for {
		i := bytes.Index(doc[lo:], twoFeeds)
		if i < 0 {
			return append(dst, text.Span{Lo: int32(lo), Hi: int32(len(doc))})
		}
		dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(lo + i)})
		lo += i + len(twoFeeds)
	}
}

// nemoPhrases are policy_substrings of stages/text/utils/constants.py, but for two long ones that hold "uses
// cookies" anyway.
var nemoPhrases = [][]byte{
	termsOfUse,
	privacy,
	[]byte("cookie policy"),
	[]byte("uses cookies"),
	[]byte("privacy overview"),
	[]byte("use of cookies"),
	[]byte("use cookies"),
	[]byte("privacy & cookies policy"),
	[]byte("privacy and cookies policy"),
	[]byte("necessary cookies are absolutely essential for the website to function properly. this category only includes cookies that " +
		"ensures basic functionalities and security features of the website. these cookies do not store any personal information."),
	[]byte("any cookies that may not be particularly necessary for the website to function and is used specifically to collect user personal data " +
		"via analytics, ads, other embedded contents are termed as non-necessary cookies. it is mandatory to procure user consent prior to running these " +
		"cookies on your website."),
	[]byte("if you continue to browse this site without changing your cookie settings, you agree to this use. acceptread more"),
}

// nemoBoilerPlate counts the paragraphs that hold one of the phrases, unless one holds "lorem ipsum". No phrase
// holds a line feed, so most documents need no look at their paragraphs.
func (v *View) nemoBoilerPlate() (paragraphs int, lorem bool) {
	v.lower = appendLower(v.lower[:0], v.doc)
	if bytes.Contains(v.lower, loremTail) && bytes.Contains(v.lower, loremIpsum) {
		return 0, true
	}
	if !mayHoldNemoPhrase(v.lower) {
		return 0, false
	}
	for rest, more := v.lower, true; more; {
		var p []byte
		p, rest, more = bytes.Cut(rest, twoFeeds)
		if holdsNemoPhrase(p) {
			paragraphs++
		}
	}
	return paragraphs, false
}

func mayHoldNemoPhrase(lower []byte) bool {
	return bytes.Contains(lower, cookieTail) || bytes.Contains(lower, termsTail) || bytes.Contains(lower, privacyWord)
}

var privacyWord = []byte("vacy ") // of privacy, before policy and overview

func holdsNemoPhrase(lower []byte) bool {
	if !mayHoldNemoPhrase(lower) {
		return false
	}
	for _, p := range nemoPhrases {
		if bytes.Contains(lower, p) {
			return true
		}
	}
	return false
}
