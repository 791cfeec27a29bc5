package check

import (
	"slices"
	"strings"
)

// task is a kind of request whose answer is bound to the words of its language: translated, it is wrong or senseless.
type task struct {
	name string
	what string
	// any of these in what is asked
	asks []ask
}

// ask is an expression, and the words one of which stands in every text that it matches: looking for these first makes it
// twenty times as fast.
type ask struct {
	any string // separated by |
	re  *expression
}

var white = strings.NewReplacer(" ?", `\s*`, " ", `\s+`)

// expressions takes pairs of such words and an expression, in which a space is any white space, and " ?" any or none.
func expressions(list ...string) (out []ask) {
	for i := 0; i+1 < len(list); i += 2 {
		out = append(out, ask{list[i], express(`(?i)` + white.Replace(list[i+1]))})
	}
	return out
}

func (a *ask) in(text, lower string) bool {
	return hasAny(lower, a.any) && a.re.MatchString(text)
}

// Names of languages in English: a request for a translation says to or from which. Greek, Polish and such are adjectives of
// other things, too, so a name alone is no evidence.
const languageNames = `(?:english|spanish|french|german|italian|portuguese|basque|euskara|catalan|galician|dutch|swedish|norwegian|danish|finnish|icelandic|estonian|latvian|lithuanian|polish|czech|slovak|hungarian|romanian|bulgarian|greek|turkish|russian|ukrainian|serbian|croatian|arabic|hebrew|persian|farsi|hindi|urdu|bengali|tamil|telugu|marathi|punjabi|gujarati|chinese|mandarin|cantonese|japanese|korean|vietnamese|thai|indonesian|malay|tagalog|swahili|zulu|latin|esperanto|welsh|irish|gaelic)`

const ordinalWords = `(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|fifty|[a-z]*hundred|\d+)`

// tasks is the table, sorted by name. The expressions are those of English requests.
var tasks = []task{
	{"constraint", "letters, syllables, numbers of words or characters", expressions(
		"letter|vowel|consonant|syllab|charact|word|s ", `\b(?:count|number of|how many) (?:the )?(?:number of )?(?:letters?|vowels?|consonants?|syllables?|characters|words|times (?:the|does the) (?:letter|word|character)|['"“‘]?[a-z]['"”’]?s)\b.{0,30}\b(?:in|of|does|do|are|appear|occur)\b`,
		"many", `\bhow many (?:['"“‘]?[a-z]['"”’]?s|letters?|vowels?|consonants?|syllables?|characters|words) (?:are|does|do|is|in|has|can)\b`,
		"times", `\bhow many times (?:does|is|the) .{0,30}\b(?:letter|word|character|vowel)\b.{0,30}`,
		"start|begin|ending|ends", `\b(?:starts?|starting|begins?|beginning|ends?|ending) with (?:the (?:same )?)?(?:letters?|sound|vowel|consonant|prefix|suffix)\b`,
		"start|begin|end", `\b(?:words?|names?|animals?|countries|cities|fruits?|adjectives?|verbs?|nouns?|foods?|things|sentences?) (?:that|which)? ?(?:all )?(?:starts?|starting|begins?|beginning|ends?|ending) (?:with|in) ['"“‘]?[a-z]{1,4}['"”’]?(?:[.,;:!?]|$|\s*\n)`,
		"first|last|second|third|initial", `\b(?:first|last|second|third|initial) (?:letters?|word) of (?:each|every|the|all|a)\b`,
		"every|each", `\b(?:every|each) (?:word|line|sentence|verse)\b.{0,40}\b(?:start|begin|end|rhyme|contain|letter|syllable|word)s?\b`,
		"letter|vowel|consonant", `\b(?:without using|without|avoid(?:ing)?|not use|only us(?:e|ing)|don't use|containing|contains?|using only) (?:the |any )?(?:letters?|vowels?|consonants)\b`,
		"letter|word", `\b(?:letters?|word) ['"“‘][a-z]{1,4}['"”’]`,
		"exactly|precisely", `\bin (?:exactly|precisely) `+ordinalWords+` (?:words?|characters|letters|syllables)\b`,
		"exactly|precisely", `\b(?:exactly|precisely) `+ordinalWords+` (?:[a-z]+ )?(?:words?|characters|letters|syllables)\b`,
		"letter|syllab", `\b`+ordinalWords+`[- ](?:letters?|syllables?)[- ](?:words?|names?|long)\b`,
		"haiku|lipogram|twister|alliterat|iambic|pentameter|tanka", `\b(?:haiku|haikus|lipogram|tongue[- ]twister|alliterations?|alliterative|iambic|pentameter|tanka)\b`,
		"letters", `\b(?:all|in|with) (?:capital|upper-?case|lower-?case|block) letters\b`,
		"longest|shortest", `\b(?:longest|shortest) (?:word|sentence) (?:in|of|that|you)\b`,
		"alphabet", `\b(?:sort|arrange|order|put) .{0,60}\b(?:alphabetical(?:ly)?|alphabetic|alphabet)\b`,
		"alphabet", `\b(?:in )?alphabetical order\b`,
		"vowel|consonant|letter", `\bremove (?:all )?(?:the )?(?:vowels|consonants|letters?)\b`,
		"pangram|isogram", `\b(?:pangram|isogram)s?\b`,
	)},
	{"grammar", "errors to find or mend, parts of speech, forms of words", expressions(
		"gramma|punctuation|typo|tense|subject", `\b(?:correct|fix|check|improve|identify|find|edit|revise|spot|proofread|point out|detect|repair|analy[sz]e)\b.{0,60}\b(?:gramma(?:r|tical(?:ly)?)|punctuation|typos?|verb tenses?|subject[- ]verb|grammatical errors?)\b`,
		"gramma|punctuation", `\b(?:gramma(?:r|tical(?:ly)?)|punctuation)\b.{0,30}\b(?:mistakes?|errors?|correct(?:ly|ness|ed|ions?)?|incorrect|issues?|check)\b`,
		"gramma", `\bgrammatical(?:ly)? (?:in)?correct\b`,
		"error|mistake", `\b(?:correct|fix|edit|proofread|revise) (?:the )?(?:errors?|mistakes?) in (?:the|this|these|that|my)\b.{0,20}\b(?:sentence|text|paragraph|passage|essay|phrase|email|letter)s?\b`,
		"correct|proofread|fix", `\b(?:correct|proofread|fix) (?:the |this |these |my )?(?:following |given )?(?:sentence|text|paragraph|passage|phrase|essay)s?\b`,
		"tense|participle|past|present|future|perfect|continuous|progressive", `\b(?:past|present|future|perfect|continuous|progressive) (?:simple |perfect |continuous |participle )?(?:tense|participle)\b`,
		"voice|tense|form", `\b(?:convert|change|rewrite|transform|turn|put|rephrase|write)\b.{0,80}\b(?:(?:in|into|to|using|from) (?:the )?(?:active|passive|past|present|future)(?: perfect| simple| continuous)? (?:voice|tense|form))\b`,
		"voice", `\b(?:active|passive) voice\b`,
		"speech", `\b(?:reported|indirect|direct) speech\b`,
		"form|noun|version", `\b(?:plural|singular|comparative|superlative|possessive|infinitive|gerund|contracted) (?:form|noun|version)s? of\b`,
		"plural|tense|participle|comparative|superlative|punctuate", `\b(?:what(?:'s|’s| is) the (?:plural|past tense|past participle|comparative|superlative) of|change the (?:verb )?tense|punctuate (?:this|the|these))\b`,
		"speech", `\bparts? of speech\b`,
		"subject|predicate|object|verb|noun|adjective|preposition|conjunction|clause|article|determiner|interjection", `\b(?:identify|find|underline|list|name|label|extract|highlight|classify|tag|circle|pick out) (?:all )?(?:the )?(?:main )?(?:subject|predicate|object|verb|noun|adjective|adverb|pronoun|preposition|conjunction|clause|article|determiner|interjection)s? (?:and .{0,30} )?(?:in|of|from) (?:the|this|these|each|a)\b(?: (?:given|following|next|below|above|first|second|third))* ?(?:sentences?|phrases?|clauses?|texts?|paragraphs?|passages?|words?|lines?|poems?|quotes?|statements?|one|:|["“'‘…]|$|\n)`,
		"conjugat|declension", `\b(?:conjugate|conjugation|declension)\b`,
		"punctuation|comma|apostrophe|article|preposition", `\b(?:add|insert|fix|correct|missing) (?:the )?(?:correct |missing |proper |necessary )?(?:punctuation|commas?|apostrophes?|articles?|prepositions?)\b`,
		"run-on|splice|fragment|modifier", `\b(?:run-on|comma splice|sentence fragment|dangling modifier)s?\b`,
		"which|what", `\b(?:which|what) (?:article|preposition|pronoun|verb form|tense|conjunction) (?:should|is|goes|fits|would|completes)\b`,
		"blank", `\bfill in the blanks? with (?:the |a |an )?(?:correct |right |appropriate |proper |suitable )?(?:form|preposition|article|verb|tense|pronoun|conjunction|adverb)`,
		"form|tense|verb", `\buse (?:of )?(?:the )?(?:correct|right|proper) (?:form|tense|verb)\b`,
	)},
	{"language-id", "which language a text is in", expressions(
		"language", `\b(?:identify|detect|determine|guess|recogni[sz]e|tell me|classify|name|find out)\b.{0,30}\b(?:which|what|the) language\b(?:.{0,30}\b(?:text|sentence|phrase|word|passage|written|is|this|following)|[.?:]|$)`,
		"language", `\b(?:what|which) language (?:is|was|are|does) (?:this|the (?:following|text|sentence|phrase|word|passage|quote|above|below)|that|it|these|following|['"“‘])`,
		"language", `\b(?:what|which) language\b.{0,20}\bwritten in\b.{0,10}[?:"“]`,
		"language", `\bin (?:what|which) language (?:is|was|are)\b`,
		"language", `\blanguage (?:identification|detection) (?:of|for|task)\b`,
	)},
	{"rhyme", "words that sound alike", expressions(
		"rhym", `\brhym(?:e|es|ed|ing)\b`,
		"limerick|sonnet|couplet|villanelle|ballad", `\b(?:limerick|sonnet|couplet|villanelle|ballad stanza)s?\b`,
		"homophone|homonym|minimal pair", `\b(?:homophone|homonym|minimal pair)s?\b`,
		"sound", `\bsounds? (?:like|the same as) (?:the )?(?:word|letter)\b`,
	)},
	{"spelling", "how words are written", expressions(
		"spell", `\b(?:mis)?spell(?:ed|ing|ings|s)?\b.{0,40}\b(?:word|correct|incorrect|mistake|error|check|text|sentence|this|following|letters?|backwards?)`,
		"spell", `\b(?:correct|check|fix|find|identify|improve|proofread)\b.{0,40}\b(?:mis)?spell(?:ed|ing|ings|s)?\b`,
		"spell", `\bhow (?:do you|do i|to|is|would you|should i) spell\b`,
		"spell", `\bspell(?: out)? (?:the )?(?:word|following|name)\b`,
		"spell", `\bspell ['"“‘]`,
		"spell", `\b(?:british|american) (?:english )?spelling\b`,
		"hyphenat", `\bhyphenat(?:e|ion|ed) (?:the|of|this)\b`,
		"capitali", `\bcapitali[sz](?:e|ation)\b.{0,30}\b(?:words?|sentence|text|letters?|title|following|correctly)\b`,
	)},
	{"translation", "a text to bring into another language, or the word for something in it", expressions(
		"translat", `\b(?:re)?translat(?:e|es|ed|ing|ion|ions)\b.{0,400}\b(?:in ?to|to|from|in|of)\b.{0,40}\b`+languageNames+`\b`,
		"translation|equivalent", `\b`+languageNames+`(?:[- ](?:to|into)[- ]`+languageNames+`)? (?:translation|equivalent) (?:of|for)\b`,
		"translat", `\b(?:translate|translation of) (?:the |this |these |that |each |my |a )?(?:following|sentence|text|phrase|word|paragraph|passage|quote|poem|below|above|expression|line)s?\b`,
		"translat", `^\W*(?:please |can you |could you )?translate\b(?:$|:| ['"“‘])`,
		"say|what", `\b(?:how (?:do|would|can|should) (?:you|i|we|one) say|what(?:'s|’s| is)(?: the)?(?: word)?(?: for)?|say|what does|what do) .{1,80}\b(?:mean )?in `+languageNames+`\b(?:[?.!:]|$| (?:mean|language))`,
		"put|convert|render|rewrite|rephrase|turn|change|write", `\b(?:put|convert|render|rewrite|rephrase|turn|change|write) (?:the |this |these |that |it |following ).{0,80}\b(?:in ?to|in) `+languageNames+`\b`,
		"word|term|name", `\b(?:what(?:'s|’s| is)|give me|tell me) the `+languageNames+` (?:word|term|name|phrase|expression) for\b`,
		"what", `\bwhat (?:does|do|is the meaning of) (?:the )?`+languageNames+` (?:word|phrase|expression|sentence)\b`,
		"answer|respond|reply|write|speak", `\b(?:answer|respond|reply|write|speak) (?:only )?(?:to me )?(?:back )?in `+languageNames+`\b`,
	)},
	{"wordplay", "jokes and riddles made of the words themselves", expressions(
		"anagram|palindrome|acrostic|crossword|portmanteau|spoonerism|mnemonic|malapropism|oxymoron|acronym", `\b(?:anagram|palindrome|acrostic|crossword|portmanteau|spoonerism|mnemonic|malapropism|oxymoron|acronym)s?\b.{0,30}\b(?:for|of|from|is|that|using|about|with|poem|puzzle|clue|word|in|out)\b`,
		"anagram|palindrome|acrostic|pun|crossword|portmanteau|spoonerism|mnemonic|word", `\b(?:create|write|make|give|generate|come up with|tell|find|think of|compose|solve|form|suggest|construct|invent) (?:me )?(?:an?|some|the|any|\w+|of|up)? ?(?:\w+ )?(?:anagram|palindrome|acrostic|pun|crossword|portmanteau|spoonerism|mnemonic|wordplay|word play|word search)s?\b`,
		"pun|word|knock", `\b(?:puns?|punny|wordplay|word play|play on words|knock[- ]knock joke)\b`,
		"arrange|reorder|scramble|reverse|jumble|shuffle|swap", `\b(?:rearrange|reorder|unscramble|scramble|reverse|jumble|shuffle|swap)\b.{0,40}\b(?:letters?|word|characters|string|words)\b`,
		"palindrome|anagram|hangman|ladder|search|latin|cipher|morse", `\b(?:palindromes?|anagrams?|hangman|word ladder|word search|pig latin|caesar cipher|morse code)\b`,
		"backward|reverse", `\b(?:backwards?|in reverse)\b.{0,20}\b(?:letters?|word|spell)|\b(?:spell|write|say) .{0,40}\bbackwards?\b`,
		"make", `\bmake (?:a |as many )?words? (?:out of|from|using|with) (?:the |these )?(?:following )?letters\b`,
	)},
}

// An instruction is asked for at its beginning or its end; between them stands what it is about.
const (
	taskHead = 600 // bytes
	taskTail = 300
)

// program asks for a program: what it does to letters and words it does to those of its input, in any language.
var program = expressions(
	"python|script|typescript|java|c++|c#|golang|rust|kotlin|php|ruby|perl|sql|bash|haskell|regex|regular expression", `(?:\b(?:python|javascript|typescript|java|golang|kotlin|php|ruby|perl|sql|bash|haskell|regex|regular expression)\b|\bc(?:\+\+|#)|\bin rust\b)`,
	"function|program|script|algorithm|class|method|code", `\b(?:write|implement|create|develop|design|code|debug|fix|test|build|complete|make|translate|convert)\b.{0,40}\b(?:functions?|programs?|scripts?|algorithms?|class|methods?|(?:source|pseudo) ?code|code to)\b`,
)

// boundPrograms are tasks that a request for a program may have all the same.
var boundPrograms = []string{"grammar", "language-id", "translation"}

var languageName = express(`(?i)\b` + languageNames + `\b`)

// weakGrammar asks for a better text, which may be one that says the same in better grammar: then it has most words of the old.
var weakGrammar = expressions("correct|fix|improve|edit|rewrite|revise|polish", `^\W*(?:please |can you |could you )?(?:correct|fix|improve|edit|rewrite|revise|polish)\b.{0,40}\b(?:sentences?|text|paragraph|passage|phrase|essay|e-?mail|writing|this)\b`)

// Tasks are what binds a request to its language: "translation", "grammar", "spelling", "constraint" (letters, syllables,
// word counts), "rhyme", "wordplay", "language-id", sorted. instruction and the texts that answer it are in the source language;
// the expressions are those of English requests, so that others have none.
func Tasks(instruction string, answers []string) []string {
	asked := instruction
	if len(asked) > taskHead+taskTail {
		asked = asked[:taskHead] + "\n" + asked[len(asked)-taskTail:]
	}
	asked = unquoted(asked)
	lower := strings.ToLower(asked)
	var found []string
	programs := slices.ContainsFunc(program, func(a ask) bool { return a.in(asked, lower) })
	for _, t := range tasks {
		if programs && (!slices.Contains(boundPrograms, t.name) || t.name == "translation" && !languageName.MatchString(asked)) {
			continue
		}
		for i := range t.asks {
			if t.asks[i].in(asked, lower) {
				found = append(found, t.name)
				break
			}
		}
	}
	if !slices.Contains(found, "grammar") && weakGrammar[0].in(asked, lower) && slices.ContainsFunc(answers, func(a string) bool { return mended(instruction, a) }) {
		found = append(found, "grammar")
		slices.Sort(found)
	}
	return found
}

// quoted is a text in quotes of more than four letters: it is what the request is about, and says nothing of what is asked.
// One letter or suffix may be asked for in quotes.
var quoted = express(`"[^"\n]{5,}"|“[^“”\n]{5,}”`)

func unquoted(s string) string {
	if out := quoted.ReplaceAllString(s, `"…"`); 5*len(out) > len(s) {
		return out
	}
	return s // all of it is in quotes
}

// mended says that an answer is a sentence of the instruction with a few words changed: three quarters of its words stand there,
// in the same order.
func mended(instruction, answer string) bool {
	words := appendWords(nil, answer)
	if len(words) < 4 {
		return false
	}
	next := make(map[string][]int)
	for i, w := range appendWords(nil, instruction) {
		next[w.lower] = append(next[w.lower], i)
	}
	at, kept := -1, 0
	for _, w := range words {
		places := next[w.lower]
		i, _ := slices.BinarySearch(places, at+1)
		if i < len(places) && (at < 0 || places[i]-at <= 4) {
			at = places[i]
			kept++
		}
	}
	return 4*kept >= 3*len(words)
}

// TaskNames are all of them, sorted.
func TaskNames() []string {
	names := make([]string, len(tasks))
	for i, t := range tasks {
		names[i] = t.name
	}
	return names
}
