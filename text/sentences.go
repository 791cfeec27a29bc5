package text

// Sentences appends the sentences of text as datatrove 0.10.1 cuts them (utils/text.py split_into_sentences):
// spaCy's rule-based Sentencizer (3.8, pipeline/sentencizer.pyx) on the tokens of the language. A sentence ends after
// a token that is one character of default_punct_chars, and after the punctuation that follows it; white space of
// more than one blank is a token and begins the next sentence. The spans lie end to end and cover the text, so there
// is always at least one, and white space between two sentences belongs to the second.
func (s *Spacy) Sentences(dst []Span, text []byte, scratch *SpacyScratch) []Span {
	scratch.words = s.Words(scratch.words[:0], text, scratch)
	var (
		start  int32 // of the sentence
		before int32 // end of the last token
		ended  bool  // by a token
	)
	for _, w := range scratch.words {
		if ended && isSpaceToken(text, before, w.Lo) {
			dst = append(dst, Span{start, before})
			start, ended = before, false
		}
		word := w.Of(text)
		switch {
		case isSentenceEnd(word):
			ended = true
		case ended && !isPunctToken(word):
			dst = append(dst, Span{start, before})
			start, ended = before, false
		}
		before = w.Hi
	}
	if ended && isSpaceToken(text, before, int32(len(text))) {
		dst = append(dst, Span{start, before})
		start = before
	}
	return append(dst, Span{start, int32(len(text))})
}

// isSpaceToken says that the white space between two words, of which one blank belongs to the first, is a token.
func isSpaceToken(text []byte, lo, hi int32) bool {
	return hi-lo > 1 || hi-lo == 1 && text[lo] != ' '
}

func isSentenceEnd(word []byte) bool {
	if len(word) == 1 {
		return word[0] == '.' || word[0] == '!' || word[0] == '?'
	}
	if word[0] < 0x80 {
		return false
	}
	r, n := runeAt(word, 0)
	return n == len(word) && spacyClassOf(r)&spacyEnd != 0
}

// isPunctToken is Token.is_punct.
func isPunctToken(word []byte) bool {
	for i := 0; i < len(word); {
		r, n := runeAt(word, i)
		if spacyClassOf(r)&spacyP == 0 {
			return false
		}
		i += n
	}
	return true
}
