package filter

import "curate/text"

// c4Badwords drops documents that hold a phrase of the user's list. No list comes with the program.
var c4Badwords = Rule{
	Name:    "c4_badwords",
	Version: 1,
	Summary: "drops documents that hold a word or phrase of a list",
	Source: "datatrove 0.10.1, pipeline/filters/c4_filters.py C4BadWordsFilter with keep_fraction 0; " + c4Paper +
		". Its lists (LDNOOBW, by language) are not part of this program; for Japanese it leaves sm, グロ and 女の子 out of them, for Chinese 性",
	Params: []Param{
		{Name: "whole_words", Default: 1, Unit: c4Switch + `: nothing of Python's \w stands beside the phrase; the reference has it off for Japanese, Thai and Chinese`, Source: c4Code, Inside: true},
		{Name: "filter_badwords", Default: 1, Unit: c4Switch, Source: c4Paper},
	},
	Lists: []List{
		{Name: "badwords", Required: true, Help: "words and phrases in lower case, since they are looked for in the lower case of the text: one with a capital letter is never found; white space at their ends and empty lines are ignored"},
	},
	Prepare: func(p Values) (any, error) {
		beside := unbound
		if p.On("whole_words") {
			beside = wordless
		}
		return newPhrases(trimmed(p.List("badwords")), func(string) bound { return beside })
	},
	Tests: []Test{{
		Reason: "document_removed_with_badwords", Signal: "badwords",
		Measure: "1 if the lower case of the text holds a phrase of the list",
		Compare: Found, Param: "filter_badwords",
		Value: func(v *View, p Values) (float64, bool) {
			v.lower = text.AppendLower(v.lower[:0], v.doc)
			return one(p.Made().(*phraseSet).in(v.lower)), true
		},
	}},
}
