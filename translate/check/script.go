package check

import (
	"fmt"
	"unicode"
)

// scripts of languages that are not written in Latin letters, or not only.
var scripts = map[string][]*unicode.RangeTable{
	"am": {unicode.Ethiopic}, "ar": {unicode.Arabic}, "as": {unicode.Bengali}, "be": {unicode.Cyrillic, unicode.Latin},
	"bg": {unicode.Cyrillic}, "bn": {unicode.Bengali}, "bo": {unicode.Tibetan}, "el": {unicode.Greek},
	"fa": {unicode.Arabic}, "gu": {unicode.Gujarati}, "he": {unicode.Hebrew}, "hi": {unicode.Devanagari},
	"hy": {unicode.Armenian}, "ja": {unicode.Han, unicode.Hiragana, unicode.Katakana, prolonged}, "ka": {unicode.Georgian},
	"kk": {unicode.Cyrillic, unicode.Latin}, "km": {unicode.Khmer}, "kn": {unicode.Kannada}, "ko": {unicode.Hangul, unicode.Han},
	"ky": {unicode.Cyrillic}, "lo": {unicode.Lao}, "mk": {unicode.Cyrillic}, "ml": {unicode.Malayalam},
	"mn": {unicode.Cyrillic, unicode.Mongolian}, "mr": {unicode.Devanagari}, "my": {unicode.Myanmar}, "ne": {unicode.Devanagari},
	"or": {unicode.Oriya}, "pa": {unicode.Gurmukhi, unicode.Arabic}, "ps": {unicode.Arabic}, "ru": {unicode.Cyrillic},
	"sd": {unicode.Arabic, unicode.Devanagari}, "si": {unicode.Sinhala}, "sr": {unicode.Cyrillic, unicode.Latin}, "ta": {unicode.Tamil},
	"te": {unicode.Telugu}, "tg": {unicode.Cyrillic}, "th": {unicode.Thai}, "ti": {unicode.Ethiopic}, "ug": {unicode.Arabic},
	"uk": {unicode.Cyrillic}, "ur": {unicode.Arabic}, "yi": {unicode.Hebrew}, "zh": {unicode.Han, unicode.Bopomofo},
}

// prolonged is the mark ー, a letter of no script of its own.
var prolonged = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x30fc, Hi: 0x30fc, Stride: 1}}}

var latin = []*unicode.RangeTable{unicode.Latin}

// latinLanguages are written in Latin letters alone. Of a language that is in neither table nothing is said.
const latinLanguages = "af az br ca co cs cy da de en eo es et eu fi fo fr fy ga gd gl ha hr ht hu id ig is it jv la lb lt lv mg mi ms mt nb nl nn no oc pl pt qu rm ro sk sl sm sn so sq st su sv sw tl tn tr vi wa wo xh yo zu"

func scriptsOf(language string) []*unicode.RangeTable {
	if s, ok := scripts[language]; ok {
		return s
	}
	if hasWord(latinLanguages, language) {
		return latin
	}
	return nil
}

const scriptLetters = 10

func script(c *Checker, v *view) (Finding, bool) {
	tables := scriptsOf(v.To)
	if tables == nil {
		return nothing, false
	}
	letters, own := 0, 0
	for _, w := range v.target {
		if v.copied(w) {
			continue
		}
		for _, r := range w.written {
			if !unicode.IsLetter(r) {
				continue
			}
			letters++
			if unicode.In(r, tables...) {
				own++
			}
		}
	}
	if letters < scriptLetters {
		return nothing, false
	}
	p := &c.profile
	share := float64(own) / float64(letters)
	switch {
	case share < p.ScriptMinHard:
		return hard(share, fmt.Sprintf("%.0f %% of the letters are of the script of %s, at least %.0f %%", 100*share, v.To, 100*p.ScriptMinHard))
	case share < p.ScriptMin:
		return soft(share, fmt.Sprintf("%.0f %% of the letters are of the script of %s, rarely below %.0f %%", 100*share, v.To, 100*p.ScriptMin))
	}
	return nothing, false
}
