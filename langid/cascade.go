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
// lingua has no say about other languages. It divides the probability that fastText gives to its languages together;
// what fastText gives to any other stays. So a text that is probably Galician is not made Spanish, and one that
// fastText takes for Spanish or Portuguese, half each, is Galician if it gives that a third and lingua cannot
// decide between the two.
type cascadeEngine struct {
	fast   *fasttextEngine
	lingua Engine // nil where it could never change an answer

	once sync.Once
	// toLabel has, for each language of lingua, the label of fastText's model that has its probability.
	toLabel []int
}

// sharer is the part of lingua that the cascade needs.
type sharer interface {
	// shares appends, for each of the engine's languages, its share of the confidence, all together 1; nothing
	// if nothing can be said.
	shares(dst []float64, text []byte) []float64
}

func newCascade(cfg Config) (Engine, error) {
	e := &cascadeEngine{fast: fasttextOf(cfg)}
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

// Below these probabilities lingua is asked, for texts of fewer characters than shortText and for others
// (docs/langid.md has what each costs and gains).
const (
	shortText  = 200
	unsureIf   = 0.7
	unsureLong = 0.5
)

type cascadeIdentifier struct {
	e      *cascadeEngine
	fast   *fasttextIdentifier
	lingua Identifier // made for the first text in doubt
	shares []float64
	all    []float64
}

func (w *cascadeIdentifier) Identify(text []byte) Answer {
	label, p := w.fast.label(text)
	if label < 0 {
		return Answer{Language: Und}
	}
	codes := w.fast.e.model.codes
	first := Opinion{"fasttext", codes[label], rounded(p)}
	a := Answer{first.Language, first.Score, [2]Opinion{first}}
	if w.e.lingua == nil || p >= unsure(text) {
		return a
	}
	if w.lingua == nil {
		w.lingua = w.e.lingua.NewIdentifier()
	}
	w.shares = w.lingua.(sharer).shares(w.shares[:0], text)
	if len(w.shares) == 0 {
		a.Opinions[1] = Opinion{"lingua", Und, 0}
		return a
	}
	return w.together(a)
}

// unsure is the probability below which lingua is asked.
func unsure(text []byte) float64 {
	if len(text) >= shortText*utf8.UTFMax || utf8.RuneCount(text) >= shortText {
		return unsureLong
	}
	return unsureIf
}

// together weighs what both say of a text.
func (w *cascadeIdentifier) together(a Answer) Answer {
	codes := w.fast.e.model.codes
	w.all = w.fast.each(w.all[:0])
	best := 0
	for i, x := range w.shares {
		if x > w.shares[best] {
			best = i
		}
	}
	a.Opinions[1] = Opinion{"lingua", w.e.lingua.Languages()[best], rounded(w.shares[best])}

	common := 0.0 // what fastText gives to lingua's languages together
	for _, label := range w.e.toLabel {
		if label >= 0 {
			common += w.all[label]
			w.all[label] = 0
		}
	}
	for i, label := range w.e.toLabel {
		if label >= 0 {
			w.all[label] += float64(common * w.shares[i])
		}
	}
	label := 0
	for l, x := range w.all {
		if x > w.all[label] {
			label = l
		}
	}
	if codes[label] == Und || math.IsNaN(w.all[label]) {
		return a
	}
	a.Language, a.Score = codes[label], rounded(w.all[label])
	return a
}
