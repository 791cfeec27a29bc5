package langid

import (
	"math"
	"slices"
	"sync"

	"curate/fasttext"
)

// fasttextEngine asks a fastText model about the whole text. It takes no sample: it is a hundred times as fast as
// lingua, and the mean over a text is what the model was trained for.
type fasttextEngine struct {
	given     *Model // nil: lid.176.ftz
	languages []string
	all       bool // languages are those of the model

	once  sync.Once
	model *Model
	among []int // labels, where not all
}

func newFasttext(cfg Config) (Engine, error) { return fasttextOf(cfg), nil }

func fasttextOf(cfg Config) *fasttextEngine {
	e := &fasttextEngine{given: cfg.Model, languages: cfg.Languages}
	if e.all = len(cfg.Languages) == 0; e.all {
		e.languages = lidLanguages
		if cfg.Model != nil {
			e.languages = cfg.Model.sorted
		}
	}
	return e
}

func (e *fasttextEngine) Languages() []string { return e.languages }

func (e *fasttextEngine) Load() {
	e.once.Do(func() {
		if e.model = e.given; e.model == nil {
			e.model = readLid()
		}
		for label, code := range e.model.codes {
			if _, ok := slices.BinarySearch(e.languages, code); ok && !e.all {
				e.among = append(e.among, label)
			}
		}
	})
}

func (e *fasttextEngine) NewIdentifier() Identifier { return e.newIdentifier() }

func (e *fasttextEngine) newIdentifier() *fasttextIdentifier {
	e.Load()
	return &fasttextIdentifier{e: e, p: e.model.ft.NewPredictor()}
}

type fasttextIdentifier struct {
	e    *fasttextEngine
	p    *fasttext.Predictor
	line []byte
	best []fasttext.Prediction
}

func (w *fasttextIdentifier) Identify(text []byte) Answer {
	label, p, _ := w.label(text)
	if label < 0 {
		return Answer{Language: Und}
	}
	return Answer{Language: w.e.model.codes[label], Score: rounded(p)}
}

// label is the most probable of the languages with its share of the probability of all of them, and its probability
// as the model has it, which is the same where the languages are all of the model's. The label is -1 of a text
// that tells nothing, and where the model has no number for it.
func (w *fasttextIdentifier) label(doc []byte) (label int, share, p float64) {
	if !tells(doc) {
		return -1, 0, 0
	}
	// As the reference is asked by others: datatrove 0.10.1, utils/lid.py.
	w.line = fasttext.AppendLine(w.line[:0], doc, fasttext.Spaces)
	some := w.p.Read(w.line)
	if cap(w.line) > scratchLimit {
		w.line = nil
	}
	if !some {
		return -1, 0, 0
	}
	label = -1
	if w.e.all {
		if w.best = w.p.Best(w.best[:0], 1, 0); len(w.best) > 0 {
			label, p = w.best[0].Label, float64(w.best[0].Probability)
			share = p
		}
	} else {
		var sum float64
		for _, l := range w.e.among {
			x := float64(w.p.Of(l))
			if sum += x; x > p {
				label, p = l, x
			}
		}
		share = p / sum
	}
	if label < 0 || math.IsNaN(share) || w.e.model.codes[label] == Und {
		return -1, 0, 0
	}
	return label, share, p
}

// rounded is a score as it is written. fastText's probabilities reach 1.00001.
func rounded(p float64) float64 { return math.Round(1e4*min(p, 1)) / 1e4 }

// each appends, for every label of the model, its share of the probability in the text that was asked about last,
// 0 for those that are not among the languages.
func (w *fasttextIdentifier) each(dst []float64) []float64 {
	sum := 0.0
	if w.e.all {
		for l := range w.e.model.codes {
			x := float64(w.p.Of(l))
			sum += x
			dst = append(dst, x)
		}
	} else {
		for range w.e.model.codes {
			dst = append(dst, 0)
		}
		for _, l := range w.e.among {
			x := float64(w.p.Of(l))
			sum += x
			dst[l] = x
		}
	}
	for i := range dst {
		dst[i] /= sum
	}
	return dst
}
