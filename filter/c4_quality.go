package filter

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"curate/text"
)

const (
	datatroveC4 = "datatrove 0.10.1, pipeline/filters/c4_filters.py C4QualityFilter"
	c4Paper     = "Raffel et al. 2020 (JMLR 21/140), section 2.2"
	c4Code      = "tensorflow/datasets, text/c4_utils.py"
	c4Switch    = "1 on, 0 off"
)

// c4Quality takes lines out of documents and drops those of which too little is left. It asks of the lines in turn
// and stops at the first that drops the document, so a later one that would drop it for another reason is not seen.
var c4Quality = Rule{
	Name:    "c4_quality",
	Version: 1,
	Summary: "takes out lines that are no prose, and drops documents with placeholder text, code or too few sentences",
	Source:  datatroveC4 + "; " + c4Paper,
	Params: []Param{
		{Name: "split_paragraph", Default: 1, Unit: c4Switch + ": lines (of Python's splitlines), else sentences", Source: c4Paper, Inside: true},
		{Name: "remove_citations", Default: 1, Unit: c4Switch + `: takes "[1]", "[]", "[edit]" and "[citation needed]" out of lines`, Source: c4Code, Inside: true},
		{Name: "filter_no_terminal_punct", Default: 1, Unit: c4Switch + `: a line ends in . ? ! " or ' and not in "..."`, Source: c4Paper, Inside: true},
		{Name: "min_num_sentences", Default: 5, Unit: "sentences of the lines that stay", Source: c4Code},
		{Name: "min_words_per_line", Default: 3, Unit: "words at white space", Source: c4Code, Inside: true},
		{Name: "max_word_length", Default: 1000, Unit: "characters of the longest word of a line; 0 is no limit", Source: c4Code, Inside: true},
		{Name: "filter_lorem_ipsum", Default: 1, Unit: c4Switch, Source: c4Paper},
		{Name: "filter_javascript", Default: 1, Unit: c4Switch + `: takes lines with "javascript" out`, Source: c4Paper, Inside: true},
		{Name: "filter_curly_bracket", Default: 1, Unit: c4Switch, Source: c4Paper},
		{Name: "filter_policy", Default: 1, Unit: c4Switch + ": takes lines with six phrases about cookies, terms and privacy out", Source: c4Code, Inside: true},
	},
	Texts: []Text{
		{Name: "sentences", Default: "spacy", Choices: []string{"nltk-en", "spacy"}, Help: "how sentences are cut: by spaCy's rules for the language whose words the profile has, else for English, or by NLTK's Punkt for English", Source: datatroveC4},
	},
	NewScratch: func(any) any { return new(text.NLTK) },
	Edit:       c4Edit,
	Edits: "lines lose the white space at their ends and their citations; a line goes that has a word longer than max_word_length, " +
		"does not end as a sentence does, has too few words, or holds \"javascript\" or one of the phrases \"terms of use\", \"privacy policy\", " +
		"\"cookie policy\", \"uses cookies\", \"use of cookies\", \"use cookies\" in any case. What stays is joined by line feeds",
	Tests: []Test{
		{
			Reason: "lorem_ipsum", Signal: "lorem_ipsum",
			Measure: `1 if a line that has not been taken out holds "lorem ipsum" in any case`,
			Compare: Found, Param: "filter_lorem_ipsum",
			Value: func(v *View, p Values) (float64, bool) { return one(v.c4.lorem), p.On("filter_lorem_ipsum") },
		}, {
			Reason: "curly_bracket", Signal: "curly_bracket",
			Measure: `1 if a line that has not been taken out holds "{"`,
			Compare: Found, Param: "filter_curly_bracket",
			Value: func(v *View, p Values) (float64, bool) { return one(v.c4.curly), p.On("filter_curly_bracket") },
		}, {
			Reason: "too_few_sentences", Signal: "sentences",
			Measure: "number of sentences of the lines that stay, each cut as sentences says",
			Compare: Below, Param: "min_num_sentences", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) {
				return float64(v.c4.sentences), !v.c4.lorem && !v.c4.curly
			},
		},
	},
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// c4Result is what the walk over the lines found.
type c4Result struct {
	lorem, curly bool // the line at which it stopped
	sentences    int  // in a brief view, no fewer than decide the test
}

var (
	loremIpsum = []byte("lorem ipsum")
	javascript = []byte("javascript")
	termsOfUse = []byte("terms of use")
	cookie     = []byte("cookie")
	privacy    = []byte("privacy policy")
	c4Policies = [][]byte{termsOfUse, privacy, []byte("cookie policy"), []byte("uses cookies"), []byte("use of cookies"), []byte("use cookies")}
)

func c4Edit(v *View, p Values) {
	var (
		paragraphs  = p.On("split_paragraph")
		citations   = p.On("remove_citations")
		terminal    = p.On("filter_no_terminal_punct")
		minWords    = int(p.Of("min_words_per_line"))
		maxWord     = int(p.Of("max_word_length"))
		lorem       = p.On("filter_lorem_ipsum")
		scripts     = p.On("filter_javascript")
		curly       = p.On("filter_curly_bracket")
		policy      = p.On("filter_policy")
		doc, fields = v.doc, v.Fields()
	)
	v.c4 = c4Result{}
	var nltk *text.NLTK
	if p.Text("sentences") == "nltk-en" {
		nltk = v.Scratch(p).(*text.NLTK)
	}
	later := v.brief && paragraphs && nltk == nil // sentences are cut if lines alone decide nothing
	pieces, joint := v.Lines(), byte('\n')
	if !paragraphs {
		v.pieceSentences = v.c4Sentences(v.pieceSentences[:0], doc, nltk)
		pieces, joint = v.pieceSentences, ' '
	}
	// Most documents hold none of the phrases, and then no line need be looked at for one.
	v.lower = appendLower(v.lower[:0], doc)
	anyLorem, anyScript, anyPolicy := bytes.Contains(v.lower, loremTail), bytes.Contains(v.lower, scriptTail), mayHoldPolicy(v.lower)

	out, kept, next := v.edit(), 0, 0
	for _, l := range pieces {
		line := text.TrimRight(text.TrimLeft(l.Of(doc)))
		words, long := 0, false
		for next < len(fields) && fields[next].Hi <= l.Lo {
			next++
		}
		for k := next; k < len(fields) && fields[k].Lo < l.Hi; k++ {
			words++
			w := text.Span{Lo: max(fields[k].Lo, l.Lo), Hi: min(fields[k].Hi, l.Hi)} // a sentence may end inside
			long = long || maxWord > 0 && w.Len() > maxWord && text.CodePoints(w.Of(doc)) > maxWord
		}
		if long {
			continue
		}
		looked := false // for phrases that the document did not hold before citations went
		if citations {
			if i := bytes.IndexByte(line, '['); i >= 0 {
				v.line = appendUncited(v.line[:0], line)
				looked = len(v.line) < len(line)
				line = v.line
			}
		}
		if terminal && !endsAsSentence(line) || words < minWords {
			continue
		}
		if anyLorem || anyScript || anyPolicy || looked {
			v.lower = appendLower(v.lower[:0], line)
			if lorem && bytes.Contains(v.lower, loremIpsum) {
				v.c4.lorem = true
				v.keepMemory(out)
				return
			}
			if scripts && bytes.Contains(v.lower, javascript) {
				continue
			}
		}
		if curly && bytes.IndexByte(line, '{') >= 0 {
			v.c4.curly = true
			v.keepMemory(out)
			return
		}
		if policy && (anyPolicy || looked) && holdsPolicy(v.lower) {
			continue
		}
		switch {
		case later:
		case paragraphs:
			v.sentences = v.c4Sentences(v.sentences[:0], line, nltk)
			v.c4.sentences += len(v.sentences)
		default:
			v.c4.sentences++
		}
		if kept > 0 {
			out = append(out, joint)
		}
		out = append(out, line...)
		kept++
	}
	if later {
		v.c4.sentences = v.sentencesOfLines(out, kept, p.Of("min_num_sentences"))
	}
	lo := len(out) - len(text.TrimLeft(out))
	out = append(out[:0], text.TrimRight(out[lo:])...)
	v.setEdit(out)
}

// sentencesOfLines counts the sentences of n lines as spaCy cuts them, or says at once that there are enough: each line is
// one at least.
func (v *View) sentencesOfLines(lines []byte, n int, enough float64) int {
	if float64(n) >= enough {
		return n
	}
	count := 0
	for ; n > 0; n-- {
		line := lines
		if i := bytes.IndexByte(lines, '\n'); i >= 0 {
			line, lines = lines[:i], lines[i+1:]
		}
		v.sentences = v.spacy.sentences(v.sentences[:0], line)
		count += len(v.sentences)
	}
	return count
}

// c4Sentences are NLTK's, or without it spaCy's.
func (v *View) c4Sentences(dst []text.Span, doc []byte, nltk *text.NLTK) []text.Span {
	if nltk != nil {
		return nltk.Sentences(dst, doc)
	}
	return v.spacy.sentences(dst, doc)
}

// endsAsSentence is datatrove's END_PUNCTUATION without ELLIPSIS.
func endsAsSentence(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	switch line[len(line)-1] {
	case '?', '!', '"', '\'':
		return true
	case '.':
		return !bytes.HasSuffix(line, dots)
	}
	return false
}

// mayHoldPolicy is true where holdsPolicy is, and soon decided.
func mayHoldPolicy(lower []byte) bool {
	return bytes.Contains(lower, cookieTail) || bytes.Contains(lower, termsTail) || bytes.Contains(lower, privacyTail)
}

// Tails of the phrases that begin with a rare letter: bytes.Index looks for the first byte.
var (
	loremTail   = loremIpsum[4:] // "m ipsum"
	scriptTail  = javascript[2:] // "vascript"
	cookieTail  = cookie[3:]     // "kie"
	termsTail   = termsOfUse[7:] // "f use"
	privacyTail = privacy[3:]    // "vacy policy"
)

// holdsPolicy looks for POLICY_SUBSTRINGS in lower-cased text.
func holdsPolicy(lower []byte) bool {
	if !bytes.Contains(lower, cookie) {
		return bytes.Contains(lower, termsOfUse) || bytes.Contains(lower, privacy)
	}
	for _, p := range c4Policies {
		if bytes.Contains(lower, p) {
			return true
		}
	}
	return false
}

// appendLower lower-cases as far as phrases of ASCII letters care: A to Z, and U+212A, the one other character whose
// lower-case form is such a letter, k.
func appendLower(dst, s []byte) []byte {
	lo := len(dst)
	dst = append(dst, s...)
	b := dst[lo:]
	kelvin := false
	for len(b) >= 8 { // as in package text: sums carry into the high bit of their own byte and no further
		x := binary.LittleEndian.Uint64(b)
		l := x & 0x7F7F7F7F7F7F7F7F
		upper := (l + (0x80-'A')*ones) &^ (l + (0x80-'Z'-1)*ones) &^ x & (0x80 * ones)
		binary.LittleEndian.PutUint64(b, x|upper>>2)
		kelvin = kelvin || x&(0x80*ones) != 0
		b = b[8:]
	}
	for i, c := range b {
		if c-'A' < 26 {
			b[i] = c | 0x20
		}
		kelvin = kelvin || c >= utf8.RuneSelf
	}
	if kelvin {
		// One pass, however many there are: what is kept moves down once.
		end := lo
		for at := lo; ; {
			i := bytes.Index(dst[at:], kelvinSign)
			if i < 0 {
				return dst[:end+copy(dst[end:], dst[at:])]
			}
			end += copy(dst[end:], dst[at:at+i])
			dst[end] = 'k'
			end++
			at += i + len(kelvinSign)
		}
	}
	return dst
}

const ones = 0x0101010101010101

var (
	kelvinSign     = []byte("\u212a")
	editMark       = []byte("edit]")
	citationNeeded = []byte("citation needed]")
)

// appendUncited copies line without what CITATION_REGEX matches: "[" and digits (of category Nd) and "]", "[edit]",
// "[citation needed]".
func appendUncited(dst, line []byte) []byte {
	for {
		i := bytes.IndexByte(line, '[')
		if i < 0 {
			return append(dst, line...)
		}
		dst = append(dst, line[:i]...)
		line = line[i:]
		n := 1
		for n < len(line) {
			r, w := utf8.DecodeRune(line[n:])
			if !unicode.Is(unicode.Nd, r) {
				break
			}
			n += w
		}
		switch {
		case n < len(line) && line[n] == ']':
			n++
		case bytes.HasPrefix(line[1:], editMark):
			n = 1 + len(editMark)
		case bytes.HasPrefix(line[1:], citationNeeded):
			n = 1 + len(citationNeeded)
		default:
			dst = append(dst, '[')
			n = 1
		}
		line = line[n:]
	}
}
