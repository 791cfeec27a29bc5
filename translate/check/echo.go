package check

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// functionWords are words that hold sentences together, or that one says every day, and that are no names. A text that has one
// of them is in that language. Words that a neighbouring language has too may stand here: what counts is that the target's
// language has not.
var functionWords = map[string]string{
	"ca": "el la els les un una uns unes de del dels al als i o que amb per com no és són va han ha hi ho aquest aquesta això molt més però quan on qui què bon bona bones gràcies hola adéu sí",
	"de": "der die das den dem des ein eine einen einem einer und oder nicht ist sind war wird werden mit für von zu zum zur auf aus bei nach sich ich du er sie wir ihr es auch wie was wer wo wann warum aber wenn dass guten gute danke bitte ja nein",
	"en": "the of and to is are was were be been it its this that these those with for from by an as or not no you your he she we they his her their our my me us them do does did has have had can could will would should may must what which who whom whose where when why how there here if then than but at on in into about after before over under all some each every please thank thanks hello good welcome goodbye yes am see let get tell",
	"es": "el la los las un una unos unas de del al y o que con por para como no es son está están fue era ser estar haber hacer tener poder decir ver dar ir ha han hay se su sus lo le les me te nos mi tu yo él ella ellos nosotros este esta esto ese esa eso muy más menos mucho poco todo nada otro mismo cada siempre nunca también pero porque aunque sin sobre entre desde hasta hacia cuando donde quien qué cómo ya así bien ahora después antes entonces buenos buenas buen gracias hola adiós sí",
	"eu": "eta edo ez da dira du ditu dute zen ziren naiz zara gara bat batzuk hau hori hura hauek horiek ere baina nola zer nor non nora noiz zergatik egin esan izan behar nahi ahal dago daude dut dugu duzu egun gaur bihar atzo orain gero hemen hor han gabe arte bezala beste guzti asko gutxi lehen azken kaixo agur eskerrik mesedez bai oso nire zure gure bere",
	"fr": "le la les un une des du de et ou que qui dans pour par avec sur ne pas est sont était il elle nous vous ils elles je tu ce cette ces son sa ses mon ma au aux plus mais quand où comment pourquoi quoi bonjour bonsoir merci oui non",
	"gl": "o a os as un unha uns unhas de do da dos das e ou que con por para como non é son está foi ten se seu súa este esta isto moi máis pero cando onde quen bos boas bo grazas ola adeus si",
	"it": "il lo la gli le un una di del della dei delle e o che con per come non è sono era ha hanno si suo sua questo questa molto più ma quando dove chi cosa perché buon buona buono grazie ciao arrivederci sì nel nella",
	"pt": "o a os as um uma de do da dos das e ou que com por para como não é são está foi tem se seu sua este esta isto muito mais mas quando onde quem bom boa boas obrigado olá adeus sim",
}

// hasWord says that a list of words, separated by spaces, has w.
func hasWord(list, w string) bool {
	for len(list) > 0 {
		first, rest, _ := strings.Cut(list, " ")
		if first == w {
			return true
		}
		list = rest
	}
	return false
}

// sameText says that a and b are equal but for case and what is neither letter nor digit.
func sameText(a, b string) bool {
	next := func(s string) (rune, string) {
		for len(s) > 0 {
			r, n := utf8.DecodeRuneInString(s)
			s = s[n:]
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return unicode.ToLower(r), s
			}
		}
		return -1, ""
	}
	for {
		var ra, rb rune
		ra, a = next(a)
		rb, b = next(b)
		if ra != rb {
			return false
		}
		if ra < 0 {
			return true
		}
	}
}

// prose is what of a text are words of sentences: pieces between white space that are letters but for marks around them. What
// has other signs inside is code, an address or an identifier.
type prose struct {
	lower    []string // words without a capital, of two letters or more
	initial  string   // the first word in lower case, if only its first letter is a capital
	words    int
	others   int  // pieces that are none, such as identifiers
	sentence bool // begins with a capital and ends with . ! or ?
}

const proseMarks = `.,;:!?¿¡"'“”‘’«»()…-–—`

func proseOf(text string) prose {
	var p prose
	first := true
	for piece := range strings.FieldsSeq(text) {
		w := strings.Trim(piece, proseMarks)
		letters := 0
		for _, r := range w {
			if r != '\'' && r != '’' && r != '-' && !unicode.IsLetter(r) {
				letters = -1
				break
			}
			letters++
		}
		lower := strings.ToLower(w)
		switch {
		case w == "" || amount(w):
		case letters < 0 || piece[0] == '.' && piece != "..." || strings.ContainsAny(piece, "()") && !strings.HasPrefix(piece, "(") && !strings.HasSuffix(piece, ")"):
			p.others++
		case w == lower:
			p.words++
			if letters > 1 {
				p.lower = append(p.lower, w)
			}
		default:
			p.words++
			_, n := utf8.DecodeRuneInString(w)
			if first && w[n:] == lower[min(n, len(lower)):] {
				p.initial = lower
			}
		}
		if w != "" {
			first = false
		}
	}
	end := strings.TrimRight(text, " \t\"'”’»)")
	p.sentence = p.initial != "" && end != "" && strings.IndexByte(".!?", end[len(end)-1]) >= 0
	return p
}

// amount says that a piece is a number, with its separators, unit or currency: no word, and no code.
func amount(piece string) bool {
	digits := 0
	for _, r := range piece {
		switch {
		case digit(r) >= 0:
			digits++
		case !strings.ContainsRune(".,:’'%$€£-–", r):
			return false
		}
	}
	return digits > 0
}

// nameWords hold names together: Lord of the Rings, Rio de la Plata.
const nameWords = "of the and in for on to at a an de la le les el los las del do da dos das du des di della der die das und von y et e i"

func echo(c *Checker, v *view) (Finding, bool) {
	if v.From == v.To || v.sourceLetters == 0 || !sameText(v.Source, v.Target) {
		return nothing, false
	}
	p := proseOf(v.Source)
	n, unnamed, function := 0, 0, ""
	look := func(w string) {
		if !hasWord(nameWords, w) {
			unnamed++
			if function == "" && hasWord(functionWords[v.From], w) && !hasWord(functionWords[v.To], w) {
				function = w
			}
		}
	}
	for _, w := range p.lower {
		if _, kept := v.kept[w]; !kept {
			n++
			look(w)
		}
	}
	code := p.others > 0
	switch {
	case float64(n) >= c.profile.EchoWords && (!code || function != "" && n >= p.others):
		return hard(float64(n), fmt.Sprintf("the source as it was, %d words of it in lower case", n))
	case code || p.words < 2:
		return nothing, false
	case p.sentence && unnamed > 0:
		return hard(float64(n), "the source as it was, a sentence")
	}
	if p.initial != "" {
		look(p.initial)
	}
	if function != "" {
		return hard(float64(n), fmt.Sprintf("the source as it was, with the word %q", function))
	}
	return nothing, false
}
