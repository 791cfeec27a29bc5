package text

import (
	"bytes"
	"fmt"
	"regexp"
	"sort"
	"unicode"
	"unicode/utf8"
)

// Sentences appends the sentences of text as datatrove 0.10.1 cuts them (utils/text.py split_into_sentences
// for English): spaCy's rule-based Sentencizer (3.8.18, pipeline/sentencizer.pyx) on the tokens of its English
// rule tokenizer (tokenizer.pyx). A sentence ends after a token that is one character of sentenceEnds, and
// after the punctuation that follows it; white space of more than one blank is a token and begins the next
// sentence. The spans lie end to end and cover the text, so there is always at least one, and white space
// between two sentences belongs to the second.
//
// Only those tokens are cut that can end a sentence. What spaCy's tokenizer may do in its second pass over special
// cases that affixes or infixes have torn apart is done for a word with its full stop ("Foo-Co.", "Dr.No", "id."), not for
// emoticons and words with several stops.
func Sentences(dst []Span, text []byte) []Span {
	s := sentencizer{text: text, dst: dst}
	i := 0
	for i < len(text) {
		if !s.seen {
			// Nothing before the next end of a sentence matters, but where its chunk begins.
			n := nextEnd(text, i)
			if n == len(text) {
				break
			}
			i = chunkStart(text, i, n)
		}
		if n := spaceAt(text, i); n > 0 {
			lo := i
			for n > 0 {
				i += n
				n = spaceAt(text, i)
			}
			if text[lo] == ' ' && lo > 0 {
				lo++ // one blank belongs to the token before it
			}
			if lo < i {
				s.token(lo, i, word)
			}
			continue
		}
		lo := i
		for i < len(text) && spaceAt(text, i) == 0 {
			i++
			for i < len(text) && !utf8.RuneStart(text[i]) {
				i++
			}
		}
		s.chunk(lo, i)
	}
	return append(s.dst, Span{s.start, int32(len(text))})
}

// tokenClass is what a token is to the sentencizer.
type tokenClass uint8

const (
	word  tokenClass = iota // holds something else than punctuation
	punct                   // only characters of category P, as Token.is_punct
	end                     // one character of sentenceEnds
)

type sentencizer struct {
	text   []byte
	dst    []Span
	start  int32 // of the sentence
	before int32 // end of the last token
	seen   bool  // a token that ends the sentence
}

// token takes the next token.
func (s *sentencizer) token(lo, hi int, c tokenClass) {
	switch {
	case c == end:
		s.seen = true
	case c == word && s.seen:
		s.dst = append(s.dst, Span{s.start, s.before})
		s.start, s.seen = s.before, false
	}
	s.before = int32(hi)
}

// tokenClassOf looks at a token.
func tokenClassOf(t []byte) tokenClass {
	r, n := utf8.DecodeRune(t)
	if n == len(t) && unicode.Is(sentenceEnds, r) {
		return end
	}
	for i := 0; i < len(t); i += n {
		r, n = utf8.DecodeRune(t[i:])
		if !unicode.IsPunct(r) {
			return word
		}
	}
	return punct
}

// endLead marks the bytes with which a character of sentenceEnds may begin.
var endLead = func() (t [256]bool) {
	var b [utf8.UTFMax]byte
	for _, r := range sentenceEnds.R16 {
		for c := rune(r.Lo); c <= rune(r.Hi); c++ {
			utf8.EncodeRune(b[:], c)
			t[b[0]] = true
		}
	}
	t[0xF0] = true
	return t
}()

// nextEnd is where the next character of sentenceEnds stands from i on, or the text's length.
func nextEnd(text []byte, i int) int {
	for ; i < len(text); i++ {
		c := text[i]
		if !endLead[c] {
			continue
		}
		if c < utf8.RuneSelf {
			return i
		}
		if r, _ := utf8.DecodeRune(text[i:]); unicode.Is(sentenceEnds, r) {
			return i
		}
	}
	return len(text)
}

// spaceAt is the length of the white space of str.isspace that begins at i, or 0.
func spaceAt(text []byte, i int) int {
	if i >= len(text) {
		return 0
	}
	c := classes[text[i]]
	if c&pySpace != 0 {
		return 1
	}
	if c&leadWhite != 0 {
		return wideWhite(text, i)
	}
	return 0
}

// chunkStart is where the run without white space begins that holds the byte n, not before lo.
func chunkStart(text []byte, lo, n int) int {
	return lo + len(text[lo:n]) - len(lastChunk(text[lo:n]))
}

// lastChunk is what follows the last white space.
func lastChunk(text []byte) []byte {
	for i := len(text) - 1; i >= 0; i-- {
		if n := spaceAt(text, i); n > 0 {
			return text[i+n:]
		}
	}
	return text
}

// chunk cuts a run without white space into tokens, as far as they matter.
func (s *sentencizer) chunk(lo, hi int) {
	c := s.text[lo:hi]
	at := nextEnd(c, 0)
	switch {
	case at == len(c) && !s.seen:
		s.before = int32(hi) // no boundary is near
	case at == len(c):
		s.first(lo, hi)
	case at == len(c)-1 && at > 1 && plainWord(c[:at]) && (c[at] != '.' || !isTokenSpecial(c) && !isTorn(c[:at])):
		s.token(lo, hi-1, word)
		s.token(hi-1, hi, end)
	default:
		s.cut(lo, hi)
	}
}

// first takes a chunk without the end of a sentence that comes after one: punctuation at its start still belongs to
// the sentence before.
func (s *sentencizer) first(lo, hi int) {
	if r, _ := utf8.DecodeRune(s.text[lo:hi]); unicode.IsPunct(r) {
		s.cut(lo, hi)
	} else {
		s.token(lo, hi, word)
	}
}

// plainWord says that w is made of ASCII letters and that its last two are no capital after a small one, so that
// an end of a sentence behind it is a token.
func plainWord(w []byte) bool {
	for _, c := range w {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	n := len(w)
	return w[n-1] >= 'a' || w[n-2] < 'a'
}

// cut does what Tokenizer._tokenize does: prefixes and suffixes go off, one each in turn, until a special case or
// nothing more is left, and what remains is cut at infixes.
func (s *sentencizer) cut(lo, hi int) {
	var room [32]Span
	suffixes := room[:0] // from the end
	for last := 0; lo < hi && hi-lo != last; {
		c := s.text[lo:hi]
		if isTokenSpecial(c) {
			break
		}
		last = len(c)
		pre := prefix(c)
		if pre > 0 && isTokenSpecial(c[pre:]) {
			s.token(lo, lo+pre, tokenClassOf(c[:pre]))
			lo += pre
			break
		}
		suf := suffix(c[pre:])
		if suf > 0 && isTokenSpecial(c[:len(c)-suf]) {
			suffixes = append(suffixes, Span{int32(hi - suf), int32(hi)})
			hi -= suf
			break
		}
		if pre > 0 {
			s.token(lo, lo+pre, tokenClassOf(c[:pre]))
			lo += pre
		}
		if suf > 0 {
			suffixes = append(suffixes, Span{int32(hi - suf), int32(hi)})
			hi -= suf
		}
	}
	piece := s.core(lo, hi)
	for i := len(suffixes) - 1; i >= 0; i-- {
		f := suffixes[i]
		c := tokenClassOf(f.Of(s.text))
		if piece < int(f.Lo) && f.Lo == int32(hi) && c == end && (isTokenSpecial(s.text[piece:f.Hi]) || s.text[f.Lo] == '.' && piece == lo && isTorn(s.text[lo:hi])) {
			c = word // the second pass, _apply_special_cases, puts "Co" and "." together
		}
		s.token(int(f.Lo), int(f.Hi), c)
	}
}

// core cuts what is left between prefixes and suffixes at its infixes. It returns where the last piece begins.
func (s *sentencizer) core(lo, hi int) (last int) {
	c := s.text[lo:hi]
	if len(c) == 0 {
		return lo
	}
	if !s.seen && nextEnd(c, 0) == len(c) { // no infix makes an end of a sentence
		s.token(lo, hi, tokenClassOf(c))
		return lo + lastPiece(c)
	}
	if isTokenSpecial(c) {
		s.special(lo, hi)
		return lo
	}
	at, urlKnown := 0, false
	for i := 0; i < len(c); {
		n := infix(c, i)
		if n == 0 {
			_, w := utf8.DecodeRune(c[i:])
			i += w
			continue
		}
		if !urlKnown {
			urlKnown = true
			if isURL(c) {
				break
			}
		}
		if i > 0 {
			if i > at {
				s.token(lo+at, lo+i, tokenClassOf(c[at:i]))
			}
			class := tokenClassOf(c[i : i+n])
			if class == end && isTokenSpecial(c[at:i+n]) {
				class = word // "Dr.No"
			}
			s.token(lo+i, lo+i+n, class)
			at = i + n
		}
		i += n
	}
	if at < len(c) {
		s.token(lo+at, hi, tokenClassOf(c[at:]))
	}
	return lo + at
}

// lastPiece is where the last piece of c begins.
func lastPiece(c []byte) int {
	at := 0
	for i := 0; i < len(c); {
		n := infix(c, i)
		if n == 0 {
			_, w := utf8.DecodeRune(c[i:])
			i += w
			continue
		}
		if i > 0 {
			at = i + n
		}
		i += n
	}
	if at > 0 && isURL(c) {
		return 0
	}
	return at
}

// special takes a special case as its tokens: of those that hold the end of a sentence only "°C." has one of its
// own.
func (s *sentencizer) special(lo, hi int) {
	if s.text[lo] == 0xC2 { // °
		s.token(lo, hi-1, word)
		s.token(hi-1, hi, end)
		return
	}
	s.token(lo, hi, word)
}

// specials are the special cases of lang/tokenizer_exceptions.py and lang/en/tokenizer_exceptions.py that hold a
// character of sentenceEnds, sorted. The others make no difference to where sentences end.
var specials = []string{
	"(._.)", "._.", "0.0", "0.o", "10a.m.", "10p.m.", "11a.m.", "11p.m.", "12a.m.", "12p.m.", "1a.m.", "1p.m.",
	"2a.m.", "2p.m.", "3a.m.", "3p.m.", "4a.m.", "4p.m.", "5a.m.", "5p.m.", "6a.m.", "6p.m.", "7a.m.", "7p.m.",
	"8a.m.", "8p.m.", "9a.m.", "9p.m.", ">.<", ">.>", "Adm.", "Ak.", "Ala.", "Apr.", "Ariz.", "Ark.", "Aug.",
	"Bros.", "Calif.", "Co.", "Colo.", "Conn.", "Corp.", "D.C.", "Dec.", "Del.", "Dr.", "E.G.", "E.g.", "Feb.",
	"Fla.", "Ga.", "Gen.", "Gov.", "I.E.", "I.e.", "Ia.", "Id.", "Ill.", "Inc.", "Ind.", "Jan.", "Jr.", "Jul.",
	"Jun.", "Kan.", "Kans.", "Ky.", "La.", "Ltd.", "Mar.", "Mass.", "Md.", "Messrs.", "Mich.", "Minn.", "Miss.",
	"Mo.", "Mont.", "Mr.", "Mrs.", "Ms.", "Mt.", "N.C.", "N.D.", "N.H.", "N.J.", "N.M.", "N.Y.", "Neb.", "Nebr.",
	"Nev.", "Nov.", "O.O", "O.o", "Oct.", "Okla.", "Ore.", "Pa.", "Ph.D.", "Prof.", "Rep.", "Rev.", "S.C.",
	"Sen.", "Sep.", "Sept.", "St.", "Tenn.", "V.V", "Va.", "Wash.", "Wis.", "a.", "a.m.", "b.", "c.", "co.", "d.",
	"e.", "e.g.", "f.", "g.", "h.", "i.", "i.e.", "j.", "k.", "l.", "m.", "n.", "o.", "o.0", "o.O", "o.o", "p.",
	"p.m.", "q.", "r.", "s.", "t.", "u.", "v.", "v.s.", "v.v", "vs.", "w.", "x.", "y.", "z.", "°C.", "°F.", "°K.",
	"°c.", "°f.", "°k.", "ä.", "ö.", "ü.",
}

const longestSpecial = len("Messrs.")

func isTokenSpecial(t []byte) bool {
	if len(t) < 2 || len(t) > longestSpecial {
		return false
	}
	for _, s := range specials[specialsFrom[t[0]]:specialsFrom[int(t[0])+1]] {
		if s == string(t) {
			return true
		}
	}
	return false
}

// specialsFrom is where the specials with a first byte of at least c begin.
var specialsFrom = func() (from [257]uint8) {
	for c := range from {
		i := sort.Search(len(specials), func(i int) bool { return int(specials[i][0]) >= c })
		from[c] = uint8(i)
	}
	return from
}()

// torn are the special cases that end in a token of one letter, sorted: "id" is "i" and "d", so that "id." becomes
// "i" and the special case "d.", and its stop ends no sentence.
var torn = []string{
	"Hed", "Hes", "Howd", "Hows", "Id", "Im", "Ima", "Itd", "Shes", "Thatd", "Thats", "Thered", "Theres",
	"Thesed", "Theyd", "Thisd", "Thiss", "Thosed", "Wed", "Whatd", "Whats", "Whend", "Whens", "Whered", "Wheres",
	"Whod", "Whos", "Whyd", "Whys", "Youd", "hed", "hes", "howd", "hows", "id", "im", "ima", "itd", "shes",
	"thatd", "thats", "thered", "theres", "thesed", "theyd", "thisd", "thiss", "thosed", "wed", "whatd", "whats",
	"whend", "whens", "whered", "wheres", "whod", "whos", "whyd", "whys", "youd",
}

const longestTorn = len("whered")

func isTorn(t []byte) bool {
	if len(t) < 2 || len(t) > longestTorn {
		return false
	}
	switch t[len(t)-1] {
	case 'a', 'd', 'm', 's':
		i := sort.Search(len(torn), func(i int) bool { return torn[i] >= string(t) })
		return i < len(torn) && torn[i] == string(t)
	}
	return false
}

// spacyPunct and spacyQuotes are LIST_PUNCT and LIST_QUOTES of lang/char_classes.py, currency the single signs of
// LIST_CURRENCY.
const (
	spacyPunct  = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
	spacyQuotes = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧"
	currency    = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿"
)

// Classes of characters below U+0080 and a few more, by the rules of lang/punctuation.py.
const (
	isPunctOrQuote uint8 = 1 << iota // LIST_PUNCT, LIST_QUOTES
	isQuote
	isPrefix
	isBeforeStop // of the lookbehind of the full stop as a suffix, but for the letters
)

var spacyASCII = func() (t [utf8.RuneSelf]uint8) {
	set := func(chars string, bits uint8) {
		for _, r := range chars {
			if r < utf8.RuneSelf {
				t[r] |= bits
			}
		}
	}
	set(spacyPunct, isPunctOrQuote|isPrefix|isBeforeStop)
	set(spacyQuotes, isPunctOrQuote|isPrefix|isBeforeStop|isQuote)
	set("%=$", isPrefix)
	set("0123456789%-+|", isBeforeStop) // "|" comes of PUNCT's being joined by it
	return t
}()

func spacyClass(r rune) uint8 {
	if r < utf8.RuneSelf {
		return spacyASCII[r]
	}
	switch {
	case inString(spacyQuotes, r):
		return isPunctOrQuote | isPrefix | isBeforeStop | isQuote
	case inString(spacyPunct, r):
		return isPunctOrQuote | isPrefix | isBeforeStop
	case r == '§' || r == '—' || r == '–' || inString(currency, r) || unicode.Is(spacyIcons, r):
		return isPrefix
	case r == '²':
		return isBeforeStop
	}
	return 0
}

func inString(s string, r rune) bool {
	for _, c := range s {
		if c == r {
			return true
		}
	}
	return false
}

func isLower(r rune) bool { return unicode.Is(spacyLower, r) || unicode.Is(spacyUncased, r) }
func isUpper(r rune) bool { return unicode.Is(spacyUpper, r) || unicode.Is(spacyUncased, r) }
func isAlpha(r rune) bool {
	switch r {
	case 0x1BB, 0x1C5, 0x1C8, 0x1CB, 0x1F2: // in ALPHA alone
		return true
	}
	return unicode.In(r, spacyLower, spacyUpper, spacyUncased)
}
func isDigit(c byte) bool { return c-'0' < 10 }

// dots is the length of the run of full stops at the start of t.
func dots(t []byte) int {
	n := 0
	for n < len(t) && t[n] == '.' {
		n++
	}
	return n
}

// prefix is the length of TOKENIZER_PREFIXES' match, or 0.
func prefix(t []byte) int {
	if len(t) == 0 {
		return 0
	}
	switch t[0] {
	case '.':
		if n := dots(t); n > 1 {
			return n
		}
		return 0
	case '+':
		if len(t) > 1 && isDigit(t[1]) {
			return 0
		}
		return 1
	case 'U':
		if bytes.HasPrefix(t, usDollar) {
			return 3
		}
	case 'C', 'A':
		if len(t) > 1 && t[1] == '$' {
			return 2
		}
	}
	r, n := utf8.DecodeRune(t)
	if spacyClass(r)&isPrefix != 0 {
		return n
	}
	return 0
}

var (
	usDollar = []byte("US$")
	twoDots  = []byte("……")
)

// suffix is the length of the leftmost match of TOKENIZER_SUFFIXES, or 0. Units behind a digit are left out: they
// are no ends of sentences and stand behind none.
func suffix(t []byte) int {
	if len(t) == 0 {
		return 0
	}
	r, n := utf8.DecodeLastRune(t)
	rest := t[:len(t)-n]
	before, bn := utf8.DecodeLastRune(rest)
	switch r {
	case '.':
		if bn == 0 {
			return 0
		}
		if before == '.' {
			n := 2
			for n < len(t) && t[len(t)-n-1] == '.' {
				n++
			}
			return n
		}
		if spacyClass(before)&isBeforeStop != 0 || isLower(before) {
			return 1
		}
		b2, b2n := utf8.DecodeLastRune(rest[:len(rest)-bn])
		if b2n > 0 && isUpper(before) && isUpper(b2) {
			return 1
		}
		if b2 == '°' && inString("FfCcKk", before) {
			return 1
		}
		return 0
	case 's', 'S':
		if before == '\'' || before == '’' {
			return n + bn
		}
		return 0
	case '+':
		if bn == 1 && isDigit(byte(before)) {
			return 1
		}
		return 0
	case '…':
		if bytes.HasSuffix(t, twoDots) {
			return len(twoDots)
		}
		return n
	case '$':
		if bytes.HasSuffix(t, usDollar) && len(t) > 3 && isDigit(t[len(t)-4]) {
			return 3
		}
		if (before == 'C' || before == 'A') && len(rest) > 1 && isDigit(rest[len(rest)-2]) {
			return 2
		}
	}
	if inString(currency, r) {
		if bn == 1 && isDigit(byte(before)) {
			return n
		}
		return 0
	}
	if spacyClass(r)&isPunctOrQuote != 0 || r == '—' || r == '–' || unicode.Is(spacyIcons, r) {
		return n
	}
	return 0
}

// infix is the length of the match of English's TOKENIZER_INFIXES at i, or 0.
func infix(t []byte, i int) int {
	c := t[i]
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) {
		return 0
	}
	r, n := utf8.DecodeRune(t[i:])
	if c == '.' {
		if d := dots(t[i:]); d > 1 {
			return d
		}
	}
	if r == '…' || r >= utf8.RuneSelf && unicode.Is(spacyIcons, r) {
		return n
	}
	if i == 0 || i+n == len(t) {
		return 0
	}
	before, _ := utf8.DecodeLastRune(t[:i])
	after, _ := utf8.DecodeRune(t[i+n:])
	digit := before >= '0' && before <= '9'
	switch r {
	case '+', '*', '^':
		if digit && (after == '-' || after >= '0' && after <= '9') {
			return 1
		}
	case '.':
		quote := func(r rune) bool { return spacyClass(r)&isQuote != 0 }
		if (isLower(before) || quote(before)) && (isUpper(after) || quote(after)) {
			return 1
		}
	case ',':
		if isAlpha(before) && isAlpha(after) {
			return 1
		}
	case '-', '–', '—', '~':
		if r == '-' && digit && (after == '-' || after >= '0' && after <= '9') {
			return 1
		}
		if !digit && !isAlpha(before) {
			return 0
		}
		// HYPHENS holds one to three "-", one or two "—".
		most := 1
		switch r {
		case '-':
			most = 3
		case '—':
			most = 2
		}
		for k := 1; k <= most && i+k*n < len(t); k++ {
			a, w := utf8.DecodeRune(t[i+k*n:])
			if isAlpha(a) {
				return k * n
			}
			if a != r || w == 0 {
				break
			}
		}
	case ':', '<', '>', '=', '/':
		if (digit || isAlpha(before)) && isAlpha(after) {
			return 1
		}
	}
	return 0
}

// URL_MATCH of lang/tokenizer_exceptions.py. Go's expressions have no lookahead: addresses of private networks are a
// pattern of their own.
var (
	urlHost    = regexp.MustCompile(urlHead + `(?:(?:[A-Za-z0-9\x{a1}-\x{ffff}][A-Za-z0-9\x{a1}-\x{ffff}_-]{0,62})?[A-Za-z0-9\x{a1}-\x{ffff}]\.)+` + urlTopLevel() + urlTail)
	urlAddress = regexp.MustCompile(urlHead + `(?:[1-9]\p{Nd}?|1\p{Nd}\p{Nd}|2[01]\p{Nd}|22[0-3])(?:\.(?:1?\p{Nd}{1,2}|2[0-4]\p{Nd}|25[0-5])){2}(?:\.(?:[1-9]\p{Nd}?|1\p{Nd}\p{Nd}|2[0-4]\p{Nd}|25[0-4]))` + urlTail)
	urlPrivate = regexp.MustCompile(urlHead + `(?:(?:10|127)(?:\.\p{Nd}{1,3}){3}|(?:169\.254|192\.168)(?:\.\p{Nd}{1,3}){2}|172\.(?:1[6-9]|2\p{Nd}|3[0-1])(?:\.\p{Nd}{1,3}){2})`)
)

const (
	urlHead = `^(?s:(?:[\pL\pN_+\-.]{2,}://)?(?:.+@)?)` // "\S+(:\S*)?@": t has no white space
	urlTail = `(?::\p{Nd}{2,5})?(?s:[/?#].*)?$`
)

// urlTopLevel is ALPHA_LOWER, two to 63 times.
func urlTopLevel() string {
	b := []byte{'['}
	for _, t := range []*unicode.RangeTable{spacyLower, spacyUncased} {
		add := func(lo, hi, stride uint32) {
			for c := lo; c <= hi; c += stride {
				last := c
				if stride == 1 {
					last = hi
				}
				b = fmt.Appendf(b, `\x{%x}-\x{%x}`, c, last)
				if stride == 1 {
					break
				}
			}
		}
		for _, r := range t.R16 {
			add(uint32(r.Lo), uint32(r.Hi), uint32(r.Stride))
		}
		for _, r := range t.R32 {
			add(r.Lo, r.Hi, r.Stride)
		}
	}
	return string(append(b, "]{2,63}"...))
}

// isURL says whether t is one token as a URL.
func isURL(t []byte) bool {
	if bytes.IndexByte(t, '.') < 0 {
		return false
	}
	return urlHost.Match(t) || urlAddress.Match(t) && !urlPrivate.Match(t)
}
