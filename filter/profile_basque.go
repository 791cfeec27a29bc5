package filter

var basqueProfile = Profile{
	Name:       "basque",
	Version:    1,
	Summary:    "Gopher's rules and FineWeb's rules of lines, with thresholds for Basque",
	Reproduces: "nobody's decisions: the rules are those of datatrove 0.10.1 on words cut at white space; the thresholds were proposed by the methods of curate filter fit, quantile and medianratio, from 2,272 Basque pages with the same pages in English as reference, and pages on both sides of each were looked at. Where they hold prose between the proposal and the value here, the proposal is overruled. gopher_quality comes first, so that a short page or one in another language is called so",
	Language:   "MADE FOR BASQUE. Its stop words are Basque: a text in another language is dropped for lack of them",
	Words:      "whitespace",
	Rules: []RuleUse{
		{Rule: "gopher_quality", Set: []Setting{
			{"stop_words", basqueStopWords, "the method proposes the 8 most frequent words (eta, bat, edo, du., da., ez, du, da): it drops 26 pages of Basque that hold one of them, and keeps 3 Italian ones (da, da.); these 38 drop none of the 26 and keep no page of 8 other languages. A text in another language is dropped for lack of them"},
			{"min_doc_words", 25, "medianratio proposes 38 for Gopher's 50 (the median page has 100 words, and 132 in English); 182 more pages lie between 25 and 37, whole paragraphs of prose; below 25 there are a sentence and its headings"},
			{"max_avg_word_length", 12, "quantile proposes 15 and medianratio 16; the 9 pages between 12 and 15 are words that have run together, and menus of two entries. An agglutinative language: prose about compound terms reaches 11.3"},
		}},
		{Rule: "gopher_repetition", Set: []Setting{
			{"top_3_gram", 0.2, "quantile proposes the same 0.2, medianratio 0.186. In a page of 30 words a single trigram of long words holds 0.18 of the characters; from 0.2 on there are lists of menu paths"},
			{"top_4_gram", 0.25, "quantile proposes 0.19; of the 104 pages between that and 0.25 those that were looked at are prose of 25 to 40 words, where a 4-gram that occurs once or twice holds 0.16 of the characters; from 0.25 on there are lists of one phrase"},
			{"dup_line_frac", 0.4, "quantile proposes 0.296, medianratio English's 0.3; the 110 pages between 0.296 and 0.4 are short ones whose heading stands at their start and their end: a third of their lines repeats. dup_line_char_frac still drops those whose lines are long"},
		}},
		{Rule: "fineweb_quality", Set: []Setting{
			{"short_line_thr", 0.8, "FineWeb-2 has no such test; the 98 pages above 0.8 are tables, syntax of functions and lists of names, up to 0.8 there are sentences between one-word headings"},
			{"char_duplicates_ratio", 0.2, "FineWeb-2's 0.1 for all languages drops 107 pages up to 0.2: prose with a heading to each step. FineWeb's 0.01 drops a page for one repeated heading; 0.2 is Gopher's value for lines"},
			{"new_line_ratio", 0.4, "medianratio proposes 0.392, as do English's 0.3 divided by the 0.76 words that Basque needs for one of English; quantile proposes 0.364, and the 13 pages between are descriptions of functions"},
		}},
	},
}
