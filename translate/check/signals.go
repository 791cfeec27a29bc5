package check

// Signal is one line of the table: something that can be measured of a pair.
type Signal struct {
	Name    string
	Measure string // what the number is
	Hard    string // when a translation is not accepted; "" if never
	Soft    string // when it is noted; "" if never
	Source  string // of the method; thresholds have their own

	segment func(*Checker, *view) (Finding, bool)
	row     func(*Checker, *view) (Finding, bool)
}

// signals is the table, sorted by name.
var signals = []Signal{
	{
		Name:    "chatter",
		Measure: "words around a translation that are none of it: \"Here is the translation\", \"Itzulpena:\", a code fence, JSON of a request or answer",
		Hard:    "the target has it and the source has not the like",
		Source:  "answers of instruction-tuned models; Repair takes away what it can, this finds what it left",
		segment: chatter,
	},
	{
		Name:    "chrf",
		Measure: "chrF of the target against the source, 0 to 100: a text that was left as it is has 100",
		Soft:    "above `chrf_max`, in texts of 20 letters or more",
		Source:  "Popović 2015; used on the source, it finds what was not translated",
		segment: chrfToSource,
	},
	{
		Name:    "copy_rate",
		Measure: "share of the target's lower-case words of 4 letters or more that the source has too, 0 to 1; words of protected spans are left out",
		Hard:    "above `copy_rate_max_hard`, of 5 words or more",
		Soft:    "above `copy_rate_max`, of 3 words or more",
		Source:  "1 % to 3 % of machine-translated instructions stay English (Aya's audits)",
		segment: copyRate,
	},
	{
		Name:    "echo",
		Measure: "number of lower-case words of a source that came back as it was, but for case, white space and punctuation",
		Hard:    "`echo_words` or more (in what looks like code, only with a function word of the source's language among them); or, in two words or more that do not look like code, a function word, or a sentence: a capital and a full stop. Names (LibreOffice Writer, Lord of the Rings) may stay",
		Source:  "tloen/alpaca-lora issue 180: look for entries whose input equals their output",
		segment: echo,
	},
	{
		Name:    "empty",
		Measure: "letters of the target",
		Hard:    "none, and the source has some",
		Soft:    "none, but a symbol or digit for a source of fewer than 20 letters: ↑ for Up Arrow",
		Source:  "NeMo-Curator writes \"\" for a segment that could not be translated",
		segment: empty,
	},
	{
		Name:    "final_mark",
		Measure: "1 if the target ends with another mark (full stop, question, exclamation, colon, ellipsis) than the source",
		Soft:    "it does",
		Source:  "OpusFilter's TerminalPunctuationFilter",
		segment: finalMark,
	},
	{
		Name:    "gale_church",
		Measure: "distance from the expected length in deviations, z = (letters of the target - c * letters of the source) / sqrt(variance * letters of the source); c is `gale_church_mean`, variance is `gale_church_variance`",
		Soft:    "|z| above `gale_church_max`, for a source of 20 letters or more",
		Source:  "Gale and Church 1993",
		segment: galeChurch,
	},
	{
		Name:    "language",
		Measure: "bits of evidence for the target's language above the best other; where these do not decide, probability of the target's language less that of the source's",
		Hard:    "`language_wrong_bits` or more against it in `language_letters_table` letters or more; or the engine thinks the source's language likelier by more than `language_margin`, in a segment of `language_letters_segment` letters or a row of `language_letters_row`",
		Soft:    "the engine thinks the source's language likelier, by less",
		Source:  "tables of words and trigrams from the LibreOffice help in nine languages; an engine costs milliseconds and is asked last",
		segment: segmentLanguage,
		row:     rowLanguage,
	},
	{
		Name:    "length_ratio",
		Measure: "letters of the target for one of the source",
		Hard:    "outside `length_ratio_min_short` to `length_ratio_max_short` for a source of 40 letters or more, outside `length_ratio_min_long` to `length_ratio_max_long` for one of 200 or more; a shorter one counts as 40 for the upper bound, and has no lower",
		Soft:    "outside `length_ratio_min` to `length_ratio_max`, for a source of 40 letters or more",
		Source:  "OpusFilter's LengthRatioFilter, Bicleaner's hard rules",
		segment: lengthRatio,
		row:     lengthRatio,
	},
	{
		Name:    "newline",
		Measure: "line breaks of the target beyond those of the source",
		Hard:    "one or more",
		Source:  "a unit is one line, and a line more would move all others",
		segment: newline,
	},
	{
		Name:    "numbers",
		Measure: "numbers that are lost, plus those that are new; separators between digits do not count, nor does the order",
		Hard:    "a number was replaced by another: one is lost and one is new that has as many digits, or both have `numbers_digits` or more; or one of `numbers_digits_alone` digits or more is lost, or one that stands at a letter (F11, Text1) is lost or repeated. 10:30 pm may be 22:30",
		Soft:    "any other difference",
		Source:  "Bicleaner's hard rules, OpusFilter's NonZeroNumeralsFilter",
		segment: numbers,
	},
	{
		Name:    "punctuation",
		Measure: "difference in the number of ? ! : ; ( ) \" taken together",
		Soft:    "above `punctuation_max`",
		Source:  "OpusFilter, Bicleaner's hard rules",
		segment: punctuation,
	},
	{
		Name:    "refusal",
		Measure: "an apology or a word about itself that a model gives in place of a translation",
		Hard:    "the target has it and the source has not the like",
		Source:  "Vanroy's filter of Dutch instruction sets; answers of instruction-tuned models",
		segment: refusal,
	},
	{
		Name:    "repetition",
		Measure: "how much more often the most frequent 4-gram of words stands in the target than that of the source does there",
		Hard:    "`repetition_excess` or more; or 2 or more, or a word of 60 bytes, in a target of 200 bytes that deflates below `compression_min` and a source that does not; or one sentence of two words and 10 letters 2 times more; or one word `repetition_run` times more in a row than in the source",
		Soft:    "2 or more",
		Source:  "loops of Marian and Gemma models; the zlib rule of LumiOpen's instruction collection",
		segment: repetition,
	},
	{
		Name:    "same_target",
		Measure: "different sources of a row that have one and the same target, each sentence of it once, of the units of two words and 10 letters or more",
		Hard:    "`same_target_sources` or more, which are more than half of these units and have less than 0.3 of their words in common; or 3 or more of all units, more than half of them, and the target has two words and 10 letters",
		Source:  "a server that answers everything with one sentence",
		row:     sameTarget,
	},
	{
		Name:    "script",
		Measure: "share of the target's letters that are of a script of its language, words of the source left out, 0 to 1",
		Hard:    "below `script_min_hard`, of 10 letters or more",
		Soft:    "below `script_min`, of 10 letters or more",
		Source:  "SmolKalam's script-consistency ratio; Vanroy's filter of non-Latin letters",
		segment: script,
	},
	{
		Name:    "truncated",
		Measure: "letters of the target for one of the source, if the source ends with a mark, the target with none, and the mark stands nowhere in it as often",
		Hard:    "below `length_ratio_min`, for a source of 20 letters or more",
		Source:  "answers cut at a limit of tokens: Easy-Translate's 256, Marian's 512 positions, Ollama's context",
		segment: truncated,
	},
}

// Signals are all of them, sorted by name.
func Signals() []Signal { return append([]Signal(nil), signals...) }
