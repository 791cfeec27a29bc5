package langid

import (
	"math"
	"slices"
	"sync"
	"unicode/utf8"
)

// cascadeEngine asks fastText, and lingua where fastText is unsure. fastText is fast and knows many languages, but
// takes short Basque, Catalan or Galician for something else, and knows: its probability is low then. lingua
// is right there, among the few languages that it has loaded.
//
// lingua has no say about other languages. It divides what fastText gives to its languages together; what fastText
// gives to any other stays. So a text that is probably Galician is not made Spanish, and one that fastText takes
// for Spanish or Portuguese, half each, is Galician if it gives that a third and lingua cannot decide between the
// two. Only where lingua is certain do the others count for less: of texts in languages that it has not
// loaded it seldom is, and of Basque that fastText cannot place it mostly is. But it is certain of Galician, too: that
// it is Spanish.
type cascadeEngine struct {
	fast   *fasttextEngine
	lingua Engine // nil where it could never change an answer

	once sync.Once
	// toLabel has, for each language of lingua, the label of fastText's model that has its probability.
	toLabel []int
	kept    []bool // by label: in Keep
	keep    []string
	// galician is the label of that language, -1 if there is none, and likeIt has, for each language of lingua, whether
	// Galician is taken for it.
	galician int
	likeIt   []bool
}

// sharer is the part of lingua that the cascade needs.
type sharer interface {
	// take cuts the sample of a text, and says how many pieces it has.
	take(text []byte) int
	// shares asks about the ith piece, after those before it. It appends, for each of the engine's languages, its share
	// of the confidence in the pieces so far, all together 1; nothing if nothing can be said.
	shares(dst []float64, i int) []float64
}

func newCascade(cfg Config) (Engine, error) {
	e := &cascadeEngine{fast: fasttextOf(cfg), keep: cfg.Keep}
	second := cfg
	second.Languages = cfg.Second
	lingua, err := newLingua(second) // also where it would not be asked: a binary without it refuses all alike
	if err != nil {
		return nil, err
	}
	if len(cfg.Second) > 0 {
		e.lingua = lingua
	}
	return e, nil
}

func (e *cascadeEngine) Languages() []string { return e.fast.Languages() }

// Load reads fastText's model; lingua's are read when the first text is in doubt.
func (e *cascadeEngine) Load() {
	e.once.Do(func() {
		e.fast.Load()
		if e.lingua == nil {
			return
		}
		for _, code := range e.lingua.Languages() {
			e.toLabel = append(e.toLabel, slices.Index(e.fast.model.codes, fasttextCode(code)))
			e.likeIt = append(e.likeIt, code == "ca" || code == "es" || code == "pt")
		}
		e.galician = slices.Index(e.fast.model.codes, "gl")
		e.kept = make([]bool, len(e.fast.model.codes))
		for i, code := range e.fast.model.codes {
			e.kept[i] = slices.Contains(e.keep, code)
		}
	})
}

func (e *cascadeEngine) NewIdentifier() Identifier {
	e.Load()
	return &cascadeIdentifier{e: e, fast: e.fast.newIdentifier()}
}

// fasttextCode is the code of a language of lingua in lid.176.ftz, which has one Norwegian beside Nynorsk.
func fasttextCode(code string) string {
	if code == "nb" {
		return "no"
	}
	return code
}

// linguaCodes are lingua's languages for one of lid.176.ftz, none if lingua does not know it.
func linguaCodes(code string) []string {
	if code == "no" {
		return []string{"nb", "nn"}
	}
	if slices.ContainsFunc(linguaLanguages, func(l Language) bool { return l.Code == code }) {
		return []string{code}
	}
	return nil
}

// secondSet is the set of languages of lingua in a cascade: those of Languages, or by Keep as for lingua alone, or
// the default. It is nil if there are not two.
func secondSet(c Config) []string {
	var set []string
	for _, code := range append(slices.Clone(c.Languages), c.Keep...) {
		set = append(set, linguaCodes(code)...)
	}
	switch {
	case len(c.Languages) > 0:
		// Without the other, one of this pair has no answer for the other's script (see scripts in sample.go).
		if slices.Contains(set, "zh") != slices.Contains(set, "ja") {
			set = slices.DeleteFunc(set, func(code string) bool { return code == "zh" || code == "ja" })
		}
	case len(set) > 0:
		set = withNeighbours(set)
	default:
		set = slices.Clone(defaultLanguages)
	}
	slices.Sort(set)
	if set = slices.Compact(set); len(set) < 2 {
		return nil
	}
	return set
}

// unsureBelow has the probability below which lingua is asked, for texts of fewer characters. Of longer ones that
// fastText is not sure of, most are in several languages, or Galician, and lingua does not help.
var unsureBelow = [...]struct {
	chars int
	p     float64
}{{60, 0.95}, {120, 0.9}, {200, 0.7}, {500, 0.4}, {math.MaxInt, 0.2}}

// docs/langid.md says how these were chosen.
const (
	// certain is the share of lingua's best language from which on languages that it has not loaded count for
	// otherwise times less.
	certain   = 0.8
	otherwise = 0.25
	// doubt is how many times better another language has to be than one that is to be kept: of a text that lingua
	// was asked about, in which the two come close, the benefit of the doubt is for keeping. It counts also against
	// languages that lingua has not loaded, and then certainKept is certain enough.
	doubt       = 3
	certainKept = 0.5
	// decided is how many times better than the second the best has to be for the rest of the sample not to be asked
	// about.
	decided = 3
)

type cascadeIdentifier struct {
	e      *cascadeEngine
	fast   *fasttextIdentifier
	lingua Identifier // made for the first text in doubt
	shares []float64
	first  []float64 // fastText's shares, by label
	all    []float64 // those of both together
}

func (w *cascadeIdentifier) Identify(text []byte) Answer {
	label, share, p := w.fast.label(text)
	if label < 0 {
		return Answer{Language: Und}
	}
	first := Opinion{"fasttext", w.e.fast.model.codes[label], rounded(share)}
	a := Answer{first.Language, first.Score, [2]Opinion{first}}
	// Not the share: among two languages it is near 1 for one of them, whatever the text.
	if w.e.lingua == nil || p >= unsureBelow[0].p || p >= unsure(text) {
		return a
	}
	w.first = w.fast.each(w.first[:0])
	if w.hopeless(label) {
		return a
	}
	if w.lingua == nil {
		w.lingua = w.e.lingua.NewIdentifier()
	}
	second := w.lingua.(sharer)
	// Piece by piece, since most answers do not depend on the whole sample.
	answer := a
	answer.Opinions[1] = Opinion{"lingua", Und, 0}
	for i := range second.take(text) {
		w.shares = second.shares(w.shares[:0], i)
		if len(w.shares) == 0 {
			continue
		}
		lead := 0.0
		if answer, lead = w.together(a); lead >= decided {
			break
		}
	}
	return answer
}

// hopeless says whether fastText gives so much more to a language that lingua has not loaded than to all that it has
// that nothing lingua says could change the answer.
func (w *cascadeIdentifier) hopeless(label int) bool {
	if slices.Contains(w.e.toLabel, label) {
		return false
	}
	common := 0.0
	for _, l := range w.e.toLabel {
		if l >= 0 {
			common += w.first[l]
		}
	}
	least := w.first[label] * otherwise
	if len(w.e.keep) > 0 {
		least /= doubt
		common *= doubt
	}
	return least >= common
}

// unsure is the probability below which lingua is asked.
func unsure(text []byte) float64 {
	n, most := 0, unsureBelow[len(unsureBelow)-2].chars
	for i := 0; i < len(text) && n < most; n++ {
		_, size := utf8.DecodeRune(text[i:])
		i += size
	}
	for _, u := range unsureBelow {
		if n < u.chars {
			return u.p
		}
	}
	return 0
}

// together weighs what both say of a text. It says also how many times better than the second the answer is, 0 if
// lingua does not count.
func (w *cascadeIdentifier) together(a Answer) (Answer, float64) {
	codes := w.e.fast.model.codes
	w.all = append(w.all[:0], w.first...)
	best := 0
	for i, x := range w.shares {
		if x > w.shares[best] {
			best = i
		}
	}
	a.Opinions[1] = Opinion{"lingua", w.e.lingua.Languages()[best], rounded(w.shares[best])}
	less := 1.0
	switch l := w.e.toLabel[best]; {
	case l >= 0 && w.e.kept[l] && w.shares[best] >= certainKept:
		less = otherwise / doubt
	case w.shares[best] >= certain:
		less = otherwise
	}

	// Between lingua's languages fastText has a smaller vote: the fourth root of its probability.
	common, sum := 0.0, 0.0
	for i, label := range w.e.toLabel {
		if label < 0 {
			w.shares[i] = 0
			continue
		}
		common += w.all[label]
		w.shares[i] = max(w.shares[i], 1e-6) * math.Sqrt(math.Sqrt(w.all[label]))
		sum += w.shares[i]
	}
	if sum == 0 { // fastText gives them nothing
		return a, 0
	}
	for label := range w.all {
		if label != w.e.galician || !w.e.likeIt[best] {
			w.all[label] *= less
		}
	}
	for _, label := range w.e.toLabel {
		if label >= 0 {
			w.all[label] = 0
		}
	}
	for i, label := range w.e.toLabel {
		if label >= 0 {
			w.all[label] += float64(common * w.shares[i] / sum)
		}
	}
	label, most, second, all := -1, 0.0, 0.0, 0.0
	for l, x := range w.all {
		all += x
		if w.e.kept[l] {
			x *= doubt
		}
		switch {
		case x > most:
			label, most, second = l, x, most
		case x > second:
			second = x
		}
	}
	if label < 0 || codes[label] == Und || math.IsNaN(all) {
		return a, 0
	}
	a.Language, a.Score = codes[label], rounded(w.all[label]/all)
	return a, most / max(second, 1e-9)
}
