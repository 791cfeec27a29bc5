package filter

import (
	"bytes"
	"strings"

	"curate/text"
)

const (
	dolmaC4Tagger = "dolma 1.2.1, python/dolma/taggers/c4.py"
	dolmaC4Mixer  = "dolma 1.2.1, configs/c4-replication/mixer.yaml"
	dolmaC4Lines  = "dolma 1.2.1, tests/config/c4-cleaned.json"
)

// The two versions of dolma's C4 tagger differ in what has_javascript is: a word "javascript" in v1, that string
// anywhere in v2. The mixer drops documents by the tags, then takes lines out.
var (
	dolmaC4V1 = dolmaC4("v1", `the word "javascript", between white space`, func(lower []byte) bool {
		for at := 0; ; {
			i := bytes.Index(lower[at:], javascript)
			if i < 0 {
				return false
			}
			at += i + len(javascript)
			if spaceless.holds(lower[:at-len(javascript)], lower[at:]) {
				return true
			}
		}
	})
	dolmaC4V2 = dolmaC4("v2", `"javascript"`, func(lower []byte) bool { return bytes.Contains(lower, javascript) })
)

// dolmaC4Found is what the Edit of the rules has seen.
type dolmaC4Found struct {
	lines, open, short int
	left               int // bytes of the text that is left, but for white space at its ends
	curly, lorem       bool
	script, naughty    bool
}

func dolmaC4(version, script string, holdsScript func(lower []byte) bool) Rule {
	found := func(v *View, p Values) *dolmaC4Found { return v.Scratch(p).(*dolmaC4Found) }
	tag := func(reason, measure, param string, value func(*dolmaC4Found) bool) Test {
		return Test{
			Reason: reason, Signal: "dolma_" + reason, Measure: measure, Compare: Found, Param: param,
			Value: func(v *View, p Values) (float64, bool) { return one(value(found(v, p))), true },
		}
	}
	lines := func(reason, measure, param string, value func(*dolmaC4Found) int) Test {
		return Test{
			Reason: reason, Signal: "dolma_" + reason, Measure: measure, Compare: Above, Param: param, ZeroOff: true,
			Value: func(v *View, p Values) (float64, bool) { return float64(value(found(v, p))), true },
		}
	}
	javaScript := tag("has_javascript", "1 if the text holds "+script+" in any case", "filter_javascript", func(f *dolmaC4Found) bool { return f.script })
	javaScript.Signal = "dolma_" + version + "_has_javascript"
	return Rule{
		Name:    "dolma_c4_" + version,
		Version: 1,
		Summary: "drops documents by the tags of dolma's C4 tagger (JavaScript is " + script + "), and takes lines out that do not end as a sentence does or have too few words",
		Source:  dolmaC4Tagger + " c4_" + version + "; " + dolmaC4Mixer,
		Params: []Param{
			{Name: "filter_curly_brace", Default: 1, Unit: c4Switch, Source: dolmaC4Mixer},
			{Name: "filter_lorem_ipsum", Default: 1, Unit: c4Switch, Source: dolmaC4Mixer},
			{Name: "filter_javascript", Default: 1, Unit: c4Switch, Source: dolmaC4Mixer},
			{Name: "filter_naughty_word", Default: 1, Unit: c4Switch, Source: dolmaC4Mixer},
			{Name: "max_lines_with_no_ending_punctuation", Default: 0, Unit: "lines; 0 is no limit", Source: "the mixer tests no limit"},
			{Name: "max_lines_with_too_few_words", Default: 0, Unit: "lines; 0 is no limit", Source: "the mixer tests no limit"},
			{Name: "max_line_count", Default: 0, Unit: "lines; 0 is no limit", Source: "the mixer tests no limit"},
			{Name: "min_text_length", Default: 0, Unit: "bytes of UTF-8 that are left, white space at the ends not counted; 0 is no limit", Source: "dolma 1.2.1, src/shard.rs"},
			{Name: "remove_lines_with_no_ending_punctuation", Default: 1, Unit: c4Switch, Source: dolmaC4Mixer, Inside: true},
			{Name: "remove_lines_with_too_few_words", Default: 1, Unit: c4Switch, Source: dolmaC4Mixer, Inside: true},
			{Name: "min_words_per_line", Default: 3, Unit: "words at white space", Source: dolmaC4Tagger, Inside: true},
		},
		Lists: []List{
			{Name: "naughty_words", Help: "words, and phrases with a blank, in lower case, since they are looked for in the lower case of the text: a word must stand between white space, a phrase need not. No list comes with the program; without one the test is not made"},
		},
		Prepare: func(p Values) (any, error) {
			return newPhrases(trimmed(p.List("naughty_words")), func(s string) bound {
				if strings.Contains(s, " ") {
					return unbound
				}
				return spaceless
			})
		},
		NewScratch: func(any) any { return new(dolmaC4Found) },
		Edit:       func(v *View, p Values) { dolmaC4Edit(v, p, found(v, p), holdsScript) },
		Edits: "lines (cut at each line feed) that end in none of . ? ! \" before white space go, and those with fewer than min_words_per_line words. " +
			"What stays keeps its line feeds. A document of which nothing is left is kept, with an empty text, unless min_text_length is set",
		Tests: []Test{
			tag("has_curly_brace", "1 if the text holds \"{\"", "filter_curly_brace", func(f *dolmaC4Found) bool { return f.curly }),
			tag("has_lorem_ipsum", "1 if the text holds \"lorem ipsum\" in any case", "filter_lorem_ipsum", func(f *dolmaC4Found) bool { return f.lorem }),
			javaScript,
			{
				Reason: "has_naughty_word", Signal: "dolma_has_naughty_word",
				Measure: "1 if the lower case of the text holds a word or phrase of naughty_words",
				Compare: Found, Param: "filter_naughty_word",
				Value: func(v *View, p Values) (float64, bool) {
					return one(found(v, p).naughty), !p.Made().(*phraseSet).empty()
				},
			},
			lines("lines_with_no_ending_punctuation", "number of lines that end in none of . ? ! \" before white space", "max_lines_with_no_ending_punctuation", func(f *dolmaC4Found) int { return f.open }),
			lines("lines_with_too_few_words", "number of lines with fewer than min_words_per_line words", "max_lines_with_too_few_words", func(f *dolmaC4Found) int { return f.short }),
			lines("line_count", "number of lines, cut at each line feed", "max_line_count", func(f *dolmaC4Found) int { return f.lines }),
			{
				Reason: "min_text_length", Signal: "dolma_text_length",
				Measure: "bytes that are left of the text, white space at its ends not counted",
				Compare: Below, Param: "min_text_length", ZeroOff: true,
				Value: func(v *View, p Values) (float64, bool) { return float64(found(v, p).left), true },
			},
		},
	}
}

func dolmaC4Edit(v *View, p Values, f *dolmaC4Found, holdsScript func(lower []byte) bool) {
	var (
		open, short = p.On("remove_lines_with_no_ending_punctuation"), p.On("remove_lines_with_too_few_words")
		minWords    = int(p.Of("min_words_per_line"))
		naughty     = p.Made().(*phraseSet)
		doc, fields = v.doc, v.Fields()
	)
	*f = dolmaC4Found{curly: bytes.IndexByte(doc, '{') >= 0}
	v.lower = appendLower(v.lower[:0], doc)
	f.lorem = bytes.Contains(v.lower, loremTail) && bytes.Contains(v.lower, loremIpsum)
	f.script = bytes.Contains(v.lower, scriptTail) && holdsScript(v.lower)
	if !naughty.empty() {
		v.lower = text.AppendLower(v.lower[:0], doc)
		f.naughty = naughty.in(v.lower)
	}
	out, next := v.edit(), 0
	for lo := 0; ; {
		hi, end := len(doc), len(doc) // of the line, and behind its line feed
		if i := bytes.IndexByte(doc[lo:], '\n'); i >= 0 {
			hi, end = lo+i, lo+i+1
		}
		f.lines++
		words := 0
		for next < len(fields) && int(fields[next].Lo) < hi {
			words++
			next++
		}
		few, unended := words < minWords, !endsAsDolmaSentence(text.TrimRight(doc[lo:hi]))
		if few {
			f.short++
		}
		if unended {
			f.open++
		}
		if !(few && short || unended && open) {
			out = append(out, doc[lo:end]...)
		}
		if end == hi {
			break
		}
		lo = end
	}
	f.left = len(bytes.TrimSpace(out))
	v.setEdit(out)
}

// endsAsDolmaSentence is EOL_PUNCTUATION.
func endsAsDolmaSentence(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	switch line[len(line)-1] {
	case '.', '?', '!', '"':
		return true
	}
	return false
}
