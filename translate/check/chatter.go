package check

import (
	"fmt"
	"strings"
)

// pattern is something that a model says around or instead of a translation, and the words (in lower case, separated by |) one of
// which stands in every such text: they are looked for first. Expressions are of RE2, so linear.
type pattern struct {
	name, any string
	re        *expression
}

// edge is how much of either end of a text is looked at: chatter stands at the beginning or the end.
const edge = 400 // bytes

func head(s string) string { return s[:min(edge, len(s))] }
func tail(s string) string { return s[max(0, len(s)-edge):] }

// chatterHead are looked for at the beginning of the target.
var chatterHead = []pattern{
	{"an introduction", `translat|here`, express(`(?i)^\W*(?:(?:sure|certainly|of course|okay|ok|absolutely|great|no problem)\b[\s,.!:-]*)?(?:here(?:'s|’s| is| are| you go| you have)\b.{0,40}\b(?:translat|version|basque|text)|the (?:basque |spanish |french |[a-z]+ )?translation (?:is|of|reads|would be)\b|(?:this is|below is) (?:the|a|my) (?:basque |[a-z]+ )?translation\b|translated (?:text|into|to)\b.{0,20}:|i(?:'ve|’ve| have) translated\b)`)},
	{"an introduction", `sure|certainly|of course|absolutely`, express(`(?i)^\W*(?:sure|certainly|of course|absolutely)\b[!,.:]\s.{0,60}(?:translat|itzul|traduc|traduct)`)},
	{"an introduction", `itzul|trad|übersetz`, express(`(?i)^\W*(?:hemen (?:duzu|dago|daukazu)\b.{0,40}\bitzul|hona (?:hemen )?.{0,40}\bitzul|aqu[ií] (?:tienes|est[aá])\b.{0,40}\btraducc|(?:esta|la) (?:es la )?traducci[oó]n(?: (?:es|sería|al?)\b.{0,30})?:|voici (?:la|une|ma) traduction|aquí (?:teniu|tens) la traducci|aquí tes a tradució|aqui está a tradução|hier ist die übersetzung|ecco la traduzione)`)},
	{"a label", `:`, express(`(?i)^\W*(?:itzulpena|euskarazko itzulpena|(?:basque |final |english |spanish |french )?translation|translated text|traducci[oó]n|traduction|traducció|tradución|tradução|übersetzung|traduzione) ?:`)},
}

// doubtfulLabel may also be the translation of a label that the source begins with.
var doubtfulLabel = []pattern{
	{"a label", `:`, express(`(?i)^\W*(?:euskaraz|euskara|basque|target|output|answer) ?:`)},
}

// chatterAnywhere are looked for in the whole target.
var chatterAnywhere = []pattern{
	{"JSON of the answer", `"|'`, express(`["']?translations["']?\s*:\s*\[|\{\s*["'](?:translation|translations|segments|text)["']\s*:|["']segments["']\s*:\s*\[|\{\s*["']id["']\s*:\s*\d+\s*,\s*["']text["']`)},
	{"a code fence", "```|~~~", express("```|~~~")},
	{"a token of a chat template", `<|[`, express(`<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|end_header_id|assistant|user|system|end)\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|</?think>`)},
}

// chatterTail are looked for at the end.
var chatterTail = []pattern{
	{"an offer", `let me know|hope|feel free|anything else|would you like`, express(`(?i)(?:let me know if you (?:need|have|would|want)|i hope (?:this|that) helps|feel free to ask|is there anything else i can|would you like me to (?:translate|explain))`)},
	{"a note on the translation", `note|oharra|nota|explanation|azalpena`, express(`(?i)[\n(]\s*(?:\*{0,2}(?:note|oharra|nota|explanation|azalpena)\*{0,2}\s*:).{0,300}(?:translat|itzul|traduc)`)},
}

// refusals are what a model says that will not.
var refusals = []pattern{
	{"a refusal", `an ai|language model|sorry|afraid|can't|can’t|cannot|unable|not able|won't|won’t|apologi`, express(`(?i)\b(?:as an ai\b|as a (?:large )?language model|i(?:'m| am|’m) (?:just )?an ai\b|i(?:'m|’m| am) (?:sorry|afraid)\b.{0,40}\b(?:can(?:'t|’t|not)|unable|not able)|i (?:can(?:'t|’t|not)|am unable to|am not able to|won(?:'t|’t)) (?:assist|help|translate|provide|comply|fulfil|process|continue)|i apologi[sz]e,? but)`)},
	{"a refusal", `barkatu|sentitzen|adimen|hizkuntza|ezin`, express(`(?i)\b(?:barkatu,? baina\b.{0,40}\b(?:ezin|ez naiz)|sentitzen dut,? baina\b.{0,40}\b(?:ezin|ez naiz)|adimen artifizial(?:eko)? (?:bat naiz|eredu|laguntzaile)|hizkuntza[ -]eredu (?:bat|gisa) |ezin (?:dut|dizut) (?:itzuli|lagundu))`)},
	{"a refusal", `siento|modelo|como una|no puedo|désolé|en tant|sento|sinto|desculpe|leid|als ki|dispiace`, express(`(?i)(?:lo siento,? (?:pero )?(?:no puedo|no me es posible)|como (?:un )?modelo de lenguaje|como (?:una )?(?:ia|inteligencia artificial)\b|no puedo (?:ayudarte|traducir|ayudar con|proporcionar)|je suis désolé,? mais je ne (?:peux|puis)|en tant qu['’](?:ia|intelligence|modèle de langage)|ho sento,? però no puc|sinto moito,? pero non podo|desculpe,? mas não posso|es tut mir leid,? aber ich kann|als ki-|mi dispiace,? ma non posso)`)},
}

// askedFor say that a source speaks of translations, refusals or models itself, so that its translation will, too.
var (
	aboutTranslation = express(`(?i)\b(?:translat|traduc|traduct|itzul|übersetz|traduz|basque|euskara)`)
	aboutModels      = express(`(?i)\b(?:as an ai|language model|an ai\b|artificial intelligence|modelo de lenguaje|inteligencia artificial|sorry|apologi|afraid|can(?:'t|’t|not)|unable|lo siento|barkatu|désolé|ho sento|sinto moito|desculpe|mi dispiace|tut mir leid)`)
)

// find gives what the target has of the first pattern that it has and the source has not.
func find(patterns []pattern, source, target string) (Finding, bool) {
	lower := strings.ToLower(target)
	for i := range patterns {
		p := &patterns[i]
		if !hasAny(lower, p.any) {
			continue
		}
		if m := p.re.FindString(target); m != "" && !p.re.MatchString(source) {
			return hard(1, fmt.Sprintf("%s: %q", p.name, short(strings.TrimSpace(m))))
		}
	}
	return nothing, false
}

// hasAny says that text has one of a list of strings, separated by |.
func hasAny(text, list string) bool {
	for list != "" {
		first, rest, _ := strings.Cut(list, "|")
		if strings.Contains(text, first) {
			return true
		}
		list = rest
	}
	return false
}

func chatter(_ *Checker, v *view) (Finding, bool) {
	if f, ok := find(chatterAnywhere, v.Source, v.Target); ok {
		return f, ok
	}
	f, ok := find(chatterHead, head(v.Source), head(v.Target))
	if !ok && strings.Count(v.Target, ":") > strings.Count(v.Source, ":") {
		f, ok = find(doubtfulLabel, head(v.Source), head(v.Target))
	}
	if !ok {
		f, ok = find(chatterTail, tail(v.Source), tail(v.Target))
	}
	if ok && aboutTranslation.MatchString(v.Source) {
		return nothing, false
	}
	return f, ok
}

func refusal(_ *Checker, v *view) (Finding, bool) {
	f, ok := find(refusals, head(v.Source), head(v.Target))
	if ok && aboutModels.MatchString(v.Source) {
		return nothing, false
	}
	return f, ok
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
