//go:build !nolingua

package langid

import (
	"math"
	"strings"
	"sync"

	"github.com/pemistahl/lingua-go"
)

// linguaEngine is lingua-go (v1.4.0) made usable for bulk work. As it comes, it loads models when they are first
// needed, once for every goroutine that needs them at that moment; its cost grows with the text; above 120
// letters its confidence says nothing; and it sums in the order of Go maps, so that the last bits of a
// confidence differ from run to run.
//
// Here all models are loaded at one moment; it is asked about the pieces of a sample, each short enough for its
// confidence to mean something; and confidences become integers before anything is compared or summed.
type linguaEngine struct {
	languages []string
	limit     int
	once      sync.Once
	detector  lingua.LanguageDetector
	at        []int // index in languages by lingua.Language, -1 for others
}

// newLingua makes the engine for a resolved configuration.
func newLingua(cfg Config) (Engine, error) {
	return &linguaEngine{languages: cfg.Languages, limit: cfg.SampleBytes}, nil
}

func (e *linguaEngine) Languages() []string { return e.languages }

// Load reads the models of two languages at a time: lingua would read those of all at once, and hold the
// unpacked files of all beside the tables made of them. Models are globals of package lingua, so the detector
// that is kept finds them loaded.
func (e *linguaEngine) Load() {
	e.once.Do(func() {
		all := lingua.AllLanguages()
		e.at = make([]int, int(lingua.Unknown)+1)
		for i := range e.at {
			e.at[i] = -1
		}
		var set []lingua.Language
		for i, code := range e.languages {
			for _, l := range all {
				if strings.EqualFold(l.IsoCode639_1().String(), code) {
					set = append(set, l)
					e.at[l] = i
				}
			}
		}
		for i := 0; i < len(set); i += 2 {
			pair := set[max(0, min(i, len(set)-2)):min(i+2, len(set))]
			lingua.NewLanguageDetectorBuilder().FromLanguages(pair...).WithPreloadedLanguageModels().Build()
		}
		e.detector = lingua.NewLanguageDetectorBuilder().FromLanguages(set...).WithPreloadedLanguageModels().Build()
	})
}

func (e *linguaEngine) NewIdentifier() Identifier {
	e.Load()
	return &linguaIdentifier{e: e, sums: make([]int64, len(e.languages))}
}

// majority is the least score, in ten-thousandths, of a text of more than one piece: a text that long in one of
// the languages gives it more confidence than all others have together. What falls below are texts in a language
// that is not in the set, and mixtures. Of 200 translated pages in each of eight languages it takes
// two (docs/langid.md). A shorter text may have little to go by and still the right answer.
const majority = 5000

type linguaIdentifier struct {
	e      *linguaEngine
	sample Sample
	sums   []int64 // by language, in millionths times bytes
}

// Identify averages lingua's confidences over the pieces of the sample, by their length. So a text half in
// another language scores about a half, and one in a language that lingua does not know scores lower than one in
// a language that it does.
//
// A confidence is rounded to 1e-6 and the average to 1e-4: the bits that vary between runs are those below
// 1e-13 or so.
func (w *linguaIdentifier) Identify(text []byte) Answer {
	if !tells(text) {
		return Answer{Language: Und}
	}
	weight := w.ask(text)
	best, second := 0, int64(-1)
	for i := 1; i < len(w.sums); i++ {
		switch v := w.sums[i]; {
		case v > w.sums[best]:
			best, second = i, w.sums[best]
		case v > second:
			second = v
		}
	}
	// In ten-thousandths, as it is written: a lead that does not show is none.
	score := func(sum int64) int64 { return (2*sum + 100*weight) / (200 * weight) }
	if weight == 0 || score(w.sums[best]) <= score(max(second, 0)) {
		return Answer{Language: Und}
	}
	if w.sample.Pieces() > 1 && score(w.sums[best]) < majority {
		return Answer{Language: Und}
	}
	return Answer{Language: w.e.languages[best], Score: float64(score(w.sums[best])) / 1e4}
}

// ask fills sums. It returns the bytes of the sample.
func (w *linguaIdentifier) ask(text []byte) (weight int64) {
	for i := range w.take(text) {
		weight += w.askPiece(i)
	}
	return weight
}

// take is for the cascade, as shares is.
func (w *linguaIdentifier) take(text []byte) int {
	w.sample.Take(text, w.e.limit)
	clear(w.sums)
	return w.sample.Pieces()
}

// askPiece adds to sums what lingua says of a piece, and returns its bytes.
func (w *linguaIdentifier) askPiece(i int) int64 {
	piece := w.sample.Piece(i)
	for _, c := range w.e.detector.ComputeLanguageConfidenceValues(string(piece)) {
		w.sums[w.e.at[c.Language()]] += int64(len(piece)) * int64(math.Round(float64(c.Value()*1e6)))
	}
	return int64(len(piece))
}

func (w *linguaIdentifier) shares(dst []float64, i int) []float64 {
	w.askPiece(i)
	var all int64
	for _, x := range w.sums {
		all += x
	}
	if all == 0 {
		return dst
	}
	for _, x := range w.sums {
		dst = append(dst, float64(x)/float64(all))
	}
	return dst
}
