package text

import (
	"sort"
	"sync"
)

// spacyRule is a rule of affixes that not all languages have. What all of them have is in spacy_affixes.go.
type spacyRule uint32

const (
	prefixHyphen   spacyRule = 1 << iota // -
	prefixBackTick                       // ``
	prefixMoney                          // \w{1,3}\$
	prefixYear                           // '[0-9][0-9]
	prefixDegrees                        // [0-9]+°

	suffixDash     // — –
	suffixGenitive // 's ’s 'S ’S
	suffixHyphen   // -
	suffixSlash    // / ''
	suffixPercent  // % behind a digit
	stopAfterDigit // a full stop behind a digit
	stopAfterDash  // behind — –

	infixArithmetic   // + * ^ behind a digit and before a digit or -
	infixMinus        // - likewise
	infixRange        // - between digits
	infixStopQuote    // a full stop between a small and a capital letter, or quotes in their place; else between those letters
	infixDash         // — – are such quotes
	infixHyphen       // hyphens and dashes between letters
	infixHyphenDigit  // or behind a digit
	infixHyphenLower  // but only before a small letter
	infixRelation     // : < > = / before a letter and behind a letter or digit; else : < > = between letters
	infixSlash        // / between letters or digits
	infixMarks        // ! ? between letters, and quotes and brackets
	infixDoubleDash   // -- between letters
	infixElision      // nothing, behind a letter and ' or ’, before a letter or a digit
	infixElisionQuote // or before "
	infixClitic       // 'ls -la -l' and the like
	infixCompound     // \w+-\w+(-\w+)*
)

// Rules of lang/punctuation.py, which languages have whose own rules are others.
const (
	baseSuffix = suffixDash | suffixGenitive | suffixPercent | stopAfterDigit
	baseInfix  = infixArithmetic | infixMinus | infixStopQuote | infixHyphen | infixRelation
)

// spacyLanguages are blank languages of spaCy 3.8, sorted by code: their rules (lang/CODE/punctuation.py), and the
// special cases that they have besides spacyShared (testdata/spacy/tables.py writes them). xx is no language: it
// stands for all that have no rules of their own, and datatrove's WhitespaceTokenizer cuts words with it.
var spacyLanguages = [...]struct {
	code string
	load func() *Spacy
}{
	{"ca", spacyLanguage(prefixHyphen|suffixDash|suffixHyphen|stopAfterDigit|infixArithmetic|infixMinus|infixStopQuote|infixRelation|infixElision|infixClitic, spacyOwnCA[:])},
	{"de", spacyLanguage(prefixBackTick|suffixSlash|suffixPercent|infixRange|infixSlash|infixMarks|infixDoubleDash, spacyOwnDE[:])},
	{"en", spacyLanguage(baseSuffix|baseInfix|infixHyphenDigit, spacyOwnEN[:])},
	{"es", spacyLanguage(suffixDash|stopAfterDigit|stopAfterDash|infixArithmetic|infixStopQuote|infixDash|infixRelation, spacyOwnES[:])},
	{"eu", spacyLanguage(baseSuffix|baseInfix, nil)},
	{"it", spacyLanguage(prefixYear|prefixDegrees|baseSuffix|baseInfix|infixHyphenLower|infixElision|infixElisionQuote, spacyOwnIT[:])},
	{"pt", spacyLanguage(prefixMoney|baseSuffix|baseInfix|infixCompound, spacyOwnPT[:])},
	{"xx", spacyLanguage(baseSuffix|baseInfix, nil)},
}

// spacyLanguage makes a language when it is first asked for.
func spacyLanguage(rules spacyRule, specials []string) func() *Spacy {
	return sync.OnceValue(func() *Spacy { return newSpacy(rules, specials) })
}

// SpacyFor is the tokenizer of a language, by spaCy's code for it.
func SpacyFor(code string) (*Spacy, bool) {
	i := sort.Search(len(spacyLanguages), func(i int) bool { return spacyLanguages[i].code >= code })
	if i == len(spacyLanguages) || spacyLanguages[i].code != code {
		return nil, false
	}
	return spacyLanguages[i].load(), true
}
