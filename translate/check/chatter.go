package check

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern is something that a model says around or instead of a translation. Expressions are of RE2, so linear.
type pattern struct {
	name string
	re   *regexp.Regexp
}

// edge is how much of either end of a text is looked at: chatter stands at the beginning or the end.
const edge = 400 // bytes

func head(s string) string { return s[:min(edge, len(s))] }
func tail(s string) string { return s[max(0, len(s)-edge):] }

// chatterHead are looked for at the beginning of the target.
var chatterHead = []pattern{
	{"an introduction", regexp.MustCompile(`(?i)^\W*(?:(?:sure|certainly|of course|okay|ok|absolutely|great|no problem)\b[\s,.!:-]*)?(?:here(?:'s|’s| is| are| you go| you have)\b.{0,40}\b(?:translat|version|basque|text)|the (?:basque |spanish |french |[a-z]+ )?translation (?:is|of|reads|would be)\b|(?:this is|below is) (?:the|a|my) (?:basque |[a-z]+ )?translation\b|translated (?:text|into|to)\b.{0,20}:|i(?:'ve|’ve| have) translated\b)`)},
	{"an introduction", regexp.MustCompile(`(?i)^\W*(?:sure|certainly|of course|absolutely)\b[!,.:]\s.{0,60}(?:translat|itzul|traduc|traduct)`)},
	{"an introduction", regexp.MustCompile(`(?i)^\W*(?:hemen (?:duzu|dago|daukazu)\b.{0,40}\bitzul|hona (?:hemen )?.{0,40}\bitzul|aqu[ií] (?:tienes|est[aá])\b.{0,40}\btraducc|(?:esta|la) (?:es la )?traducci[oó]n(?: (?:es|sería|al?)\b.{0,30})?:|voici (?:la|une|ma) traduction|aquí (?:teniu|tens) la traducci|aquí tes a tradució|aqui está a tradução|hier ist die übersetzung|ecco la traduzione)`)},
	{"a label", regexp.MustCompile(`(?i)^\W*(?:itzulpena|euskarazko itzulpena|euskaraz|euskara|(?:basque |final |english |spanish |french )?translation|basque(?: translation)?|translated text|traducci[oó]n|traduction|traducció|tradución|tradução|übersetzung|traduzione|target|output|answer) ?:`)},
}

// chatterAnywhere are looked for in the whole target.
var chatterAnywhere = []pattern{
	{"JSON of the answer", regexp.MustCompile(`["']?translations["']?\s*:\s*\[|\{\s*["'](?:translation|translations|segments|text)["']\s*:|["']segments["']\s*:\s*\[|\{\s*["']id["']\s*:\s*\d+\s*,\s*["']text["']`)},
	{"a code fence", regexp.MustCompile("```|~~~")},
	{"a token of a chat template", regexp.MustCompile(`<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|end_header_id|assistant|user|system|end)\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|</?think>`)},
}

// chatterTail are looked for at the end.
var chatterTail = []pattern{
	{"an offer", regexp.MustCompile(`(?i)(?:let me know if you (?:need|have|would|want)|i hope (?:this|that) helps|feel free to ask|is there anything else i can|would you like me to (?:translate|explain))`)},
	{"a note on the translation", regexp.MustCompile(`(?i)[\n(]\s*(?:\*{0,2}(?:note|oharra|nota|explanation|azalpena)\*{0,2}\s*:).{0,300}(?:translat|itzul|traduc)`)},
}

// refusals are what a model says that will not.
var refusals = []pattern{
	{"a refusal", regexp.MustCompile(`(?i)\b(?:as an ai\b|as a (?:large )?language model|i(?:'m| am|’m) (?:just )?an ai\b|i(?:'m|’m| am) (?:sorry|afraid)\b.{0,40}\b(?:can(?:'t|’t|not)|unable|not able)|i (?:can(?:'t|’t|not)|am unable to|am not able to|won(?:'t|’t)) (?:assist|help|translate|provide|comply|fulfil|process|continue)|i apologi[sz]e,? but)`)},
	{"a refusal", regexp.MustCompile(`(?i)\b(?:barkatu,? baina\b.{0,40}\b(?:ezin|ez naiz)|sentitzen dut,? baina\b.{0,40}\b(?:ezin|ez naiz)|adimen artifizial(?:eko)? (?:bat naiz|eredu|laguntzaile)|hizkuntza[ -]eredu (?:bat|gisa) |ezin (?:dut|dizut) (?:itzuli|lagundu))`)},
	{"a refusal", regexp.MustCompile(`(?i)(?:lo siento,? (?:pero )?(?:no puedo|no me es posible)|como (?:un )?modelo de lenguaje|como (?:una )?(?:ia|inteligencia artificial)\b|no puedo (?:ayudarte|traducir|ayudar con|proporcionar)|je suis désolé,? mais je ne (?:peux|puis)|en tant qu['’](?:ia|intelligence|modèle de langage)|ho sento,? però no puc|sinto moito,? pero non podo|desculpe,? mas não posso|es tut mir leid,? aber ich kann|als ki-|mi dispiace,? ma non posso)`)},
}

// askedFor say that a source speaks of translations, refusals or models itself, so that its translation will, too.
var (
	aboutTranslation = regexp.MustCompile(`(?i)\b(?:translat|traduc|traduct|itzul|übersetz|traduz|basque|euskara)`)
	aboutModels      = regexp.MustCompile(`(?i)\b(?:as an ai|language model|an ai\b|artificial intelligence|modelo de lenguaje|inteligencia artificial|sorry|apologi|afraid|can(?:'t|’t|not)|unable|lo siento|barkatu|désolé|ho sento|sinto moito|desculpe|mi dispiace|tut mir leid)`)
)

// marked says that the source has one of the signs that the expression found in the target.
func foundNew(re *regexp.Regexp, source, target string) (string, bool) {
	m := re.FindString(target)
	if m == "" || strings.Contains(source, m) || re.MatchString(source) {
		return "", false
	}
	return m, true
}

func chatter(_ *Checker, v *view) (Finding, bool) {
	for _, p := range chatterAnywhere {
		if m, ok := foundNew(p.re, v.Source, v.Target); ok {
			return hard(1, fmt.Sprintf("%s: %q", p.name, short(m)))
		}
	}
	if aboutTranslation.MatchString(v.Source) {
		return nothing, false
	}
	for _, p := range chatterHead {
		if m, ok := foundNew(p.re, head(v.Source), head(v.Target)); ok {
			return hard(1, fmt.Sprintf("%s: %q", p.name, short(m)))
		}
	}
	for _, p := range chatterTail {
		if m, ok := foundNew(p.re, tail(v.Source), tail(v.Target)); ok {
			return hard(1, fmt.Sprintf("%s: %q", p.name, short(m)))
		}
	}
	return nothing, false
}

func refusal(_ *Checker, v *view) (Finding, bool) {
	if aboutModels.MatchString(v.Source) {
		return nothing, false
	}
	for _, p := range refusals {
		if m, ok := foundNew(p.re, head(v.Source), head(v.Target)); ok {
			return hard(1, fmt.Sprintf("%s: %q", p.name, short(m)))
		}
	}
	return nothing, false
}

// short cuts a quotation at 60 bytes, between characters.
func short(s string) string {
	for i := range s {
		if i > 60 {
			return s[:i] + "…"
		}
	}
	return s
}
