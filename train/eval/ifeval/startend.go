package ifeval

import (
	"strings"
	"unicode/utf8"
)

// endsWith: the answer ends with a phrase, whatever its case, and a quotation mark behind it at most.
func endsWith(a *args) func(*answer) bool {
	phrase := lower(trim(a.text("end_phrase")))
	return func(a *answer) bool { return strings.HasSuffix(lower(strings.Trim(trim(a.text), `"`)), phrase) }
}

// startsWith is endsWith at the other end.
func startsWith(a *args) func(*answer) bool {
	phrase := lower(trim(a.text("start_phrase")))
	return func(a *answer) bool { return strings.HasPrefix(lower(strings.Trim(trim(a.text), `"`)), phrase) }
}

// quotation: the answer stands between double quotation marks.
func quotation(*args) func(*answer) bool {
	return func(a *answer) bool {
		s := trim(a.text)
		return utf8.RuneCountInString(s) > 1 && s[0] == '"' && s[len(s)-1] == '"'
	}
}

// repeatPrompt: the answer begins with a request, whatever its case.
func repeatPrompt(a *args) func(*answer) bool {
	request := lower(trim(a.text("prompt_to_repeat")))
	return func(a *answer) bool { return strings.HasPrefix(trim(a.lowered()), request) }
}
