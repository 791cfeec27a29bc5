package filter

var basqueProfile = Profile{
	Name:       "basque",
	Version:    1,
	Summary:    "Gopher's rules and FineWeb's rules of lines, with thresholds for Basque",
	Reproduces: "nobody's decisions: the rules are those of datatrove 0.10.1 on words cut at white space; the thresholds that differ were chosen from the distributions of the signals on Basque pages, and pages on both sides of each were looked at. gopher_quality comes first, so that a short page or one in another language is called so",
	Language:   "MADE FOR BASQUE. Its stop words are Basque: a text in another language is dropped for lack of them",
	Words:      "whitespace",
	Rules: []RuleUse{
		{Rule: "gopher_quality", Set: []Setting{
			{"stop_words", basqueStopWords, "a text in another language is dropped for lack of them"},
			{"min_doc_words", 25, "Basque says with 100 words what takes 132 in English (median of the same pages): Gopher's 50 are 38; of the pages that were looked at, those from 25 on hold whole paragraphs, those below a sentence and its headings"},
			{"max_avg_word_length", 12, "an agglutinative language: prose about compound terms reaches 11.3; above 12 words have run together"},
		}},
		{Rule: "gopher_repetition", Set: []Setting{
			{"top_3_gram", 0.2, "in a page of 30 words a single trigram of long words holds 0.18 of the characters; from 0.2 on there are lists of menu paths"},
			{"top_4_gram", 0.25, "in a page of 25 to 40 words a 4-gram that occurs once or twice holds 0.16 of the characters; from 0.25 on there are lists of one phrase"},
			{"dup_line_frac", 0.4, "a short page whose heading stands at its start and its end repeats a third of its lines; dup_line_char_frac still drops it if the lines are long"},
		}},
		{Rule: "fineweb_quality", Set: []Setting{
			{"short_line_thr", 0.8, "up to 0.8 there are sentences between one-word headings, above there are tables and lists of names"},
			{"char_duplicates_ratio", 0.2, "0.01 drops a page for one repeated heading, and the paper's 0.1 still drops prose with a heading to each step; 0.2 is Gopher's value for lines"},
			{"new_line_ratio", 0.4, "0.3 divided by the 0.76 words that Basque needs for one of English"},
		}},
	},
}
