package ifeval

// rule makes the check of an instruction from its parameters. An answer that is checked holds more than white space.
type rule struct {
	id   string
	make func(a *args) func(*answer) bool
}

// rules are all instructions, sorted by name. Those without a comment are IFEval's (instructions_registry.py); in its data no
// other occurs.
var rules = [...]rule{
	{"change_case:all_capital", allCapital}, // ours: english_capital in any language
	{"change_case:all_lowercase", allLower}, // ours
	{"change_case:capital_word_frequency", capitalWords},
	{"change_case:english_capital", englishCapital},
	{"change_case:english_lowercase", englishLower},
	{"combination:repeat_prompt", repeatPrompt},
	{"combination:two_responses", twoResponses},
	{"detectable_content:number_placeholders", placeholders},
	{"detectable_content:postscript", postscript},
	{"detectable_format:constrained_response", constrained},
	{"detectable_format:json_format", isJSON},
	{"detectable_format:multiple_sections", sections},
	{"detectable_format:number_bullet_lists", bullets},
	{"detectable_format:number_highlighted_sections", highlights},
	{"detectable_format:title", title},
	{"keywords:existence", existence},
	{"keywords:forbidden_words", forbidden},
	{"keywords:frequency", frequency},
	{"keywords:letter_frequency", letterFrequency},
	{"language:response_language", responseLanguage},
	{"length_constraints:nth_paragraph_first_word", firstWord},
	{"length_constraints:number_paragraphs", paragraphs},
	{"length_constraints:number_sentences", sentences},
	{"length_constraints:number_words", words},
	{"punctuation:no_comma", noComma},
	{"startend:end_checker", endsWith},
	{"startend:quotation", quotation},
	{"startend:start_checker", startsWith}, // ours
}
