// Package langid says in which language a text is written.
//
// An [Engine] answers for a set of languages that is stated and fixed when it is made; [Identifier.Identify] is
// the plain function below the stage. [Stage] is the stage "langid", a thin adapter around it. Engines stand in
// a sorted table below: fasttext (fasttext.go) reads the whole text; lingua (lingua.go) is asked about a bounded
// [Sample] of it, since its cost grows with the text and its answer does not get better; cascade (cascade.go) asks
// fastText, and lingua where fastText is unsure.
//
// Words: a code is a language by ISO 639-1 ("eu") where it has one, or [Und] where nothing can be said; neighbours
// are the languages that lingua must know too, or it would answer "eu" for them (neighbours.go).
//
// Read this file first, then fasttext.go, sample.go, lingua.go and cascade.go, then stage.go.
package langid

import (
	"fmt"
	"slices"
	"strings"

	"curate/stage"
)

// Und is the code of a text about which nothing can be said: it has no letters, or a single one (of an alphabet), none of a script that the
// engine's languages are written in, or no language fits it better than the others.
const Und = "und"

// Answer is what an engine says of a text.
type Answer struct {
	// Language is one of the engine's languages, or Und.
	Language string
	// Score is between 0 and 1, a multiple of 1e-4, and 0 with Und: how sure the engine is, by its own measure.
	// Scores of different engines, and of sets of different languages, do not compare.
	Score float64
	// Opinions are what the answer was made of, in the order in which they were asked for; those that were not
	// are zero.
	Opinions [2]Opinion
}

// Opinion is what one of several engines says of a text.
type Opinion struct {
	Engine   string // "fasttext"
	Language string
	Score    float64
}

// Engine identifies languages. Its laws:
//
//   - An engine is immutable but for Load, and any number of goroutines may use it.
//   - It answers for its languages and for no others: a text in another language gets the code of one of them,
//     with whatever score, or Und.
//   - The answer depends on the text and on the set of languages alone: the same text gets the same Language and
//     the same Score in every run, from any goroutine, in any order.
type Engine interface {
	// Languages are the codes it can answer, sorted, without Und.
	Languages() []string
	// Load reads the models that every text needs into memory, once for all goroutines, however often and from
	// wherever it is called; it returns when they are there. NewIdentifier calls it, so that only those who care
	// about the moment need to. There is no way back: models stay until the process ends.
	Load()
	// NewIdentifier makes the mutable half for one goroutine.
	NewIdentifier() Identifier
}

// Identifier is an engine's scratch for one goroutine.
type Identifier interface {
	// Identify says the language of a text, which is valid UTF-8, stays the caller's and is not kept. Any text
	// has an answer: there is no error.
	Identify(text []byte) Answer
}

// DefaultEngine is the engine where none is named.
const DefaultEngine = "cascade"

// defaultLanguages is lingua's set without Keep and Languages: those of the Iberian peninsula that
// lingua knows, and the languages of Western Europe that the web holds most of.
var defaultLanguages = []string{"ca", "de", "en", "es", "eu", "fr", "it", "pt"}

// engineKind is how an engine is made.
type engineKind struct {
	name             string
	fasttext, lingua bool // what it asks
	// known finds a language by its code; the error names the nearest.
	known func(c *Config, code string) (string, error)
	// make builds the engine for a resolved configuration. Nothing is loaded. It fails where this binary was built
	// without it.
	make func(cfg Config) (Engine, error)
}

// engines by name, sorted.
var engines = []engineKind{
	{"cascade", true, true, fasttextKnown, newCascade},
	{"fasttext", true, false, fasttextKnown, newFasttext},
	{"lingua", false, true, linguaKnown, newLingua},
}

// Engines are the names of all engines, sorted.
func Engines() []string {
	names := make([]string, len(engines))
	for i := range engines {
		names[i] = engines[i].name
	}
	return names
}

// Language is one that an engine knows.
type Language struct {
	Code  string // ISO 639-1
	Code3 string // ISO 639-3
	Name  string // in English
	// Heap is what its models take in memory, in MiB.
	Heap int64
}

// Config of the stage.
type Config struct {
	// Engine is a name of Engines; DefaultEngine by default.
	Engine string
	// Keep are the codes of the languages whose records stay, Und among them if it is wanted; empty keeps all.
	Keep []string
	// Languages is the set that the engine answers for. By default it is all that fastText's model knows, which is
	// left empty here; for lingua what Keep names with its neighbours, or the eight languages ca, de, en, es, eu,
	// fr, it and pt.
	Languages []string
	// Second is the set that lingua answers for in a cascade. Resolve makes it out of Languages and Keep.
	Second []string
	// Model is the model of fasttext and cascade; lid.176.ftz if nil.
	Model *Model
	// MinScore makes every answer with a lower score Und; from 0, which is the default, to 1.
	MinScore float64
	// Unit is what is asked about: Document, the default, Paragraph or Line. With one of the latter two a document's
	// language is the one that most of its letters are in, and its score the mean of the parts'.
	Unit string
	// MinShare, where Unit is no document, is how much of a document must be in the languages of Keep together, by
	// letters, for it to stay; half by default.
	MinShare float64
	// Cut, where Unit is no document, takes the parts in other languages than those of Keep out of the text.
	Cut bool
	// SampleBytes is the longest sample of a text that the engine is asked about, in bytes of letters, from
	// MinSample to MaxSample; DefaultSample by default. Costs: time grows with it.
	SampleBytes int
	// TextField is where a record has its text; "text" by default.
	TextField string
	// Annotate drops nothing: a verdict is written into every record.
	Annotate bool
	// Verdicts writes the verdict into dropped records. Ask for it when somebody keeps them; it changes no
	// decision, so it is no part of the stage's identity.
	Verdicts bool
}

// Resolve fills in what is left out and checks the names: lists come back sorted and without duplicates. It loads
// nothing and asks nothing of an engine, so it works in a binary without one, too.
func (c Config) Resolve() (Config, error) {
	if c.Engine == "" {
		c.Engine = DefaultEngine
	}
	kind, err := engineNamed(c.Engine)
	if err != nil {
		return c, err
	}
	if c.TextField == "" {
		c.TextField = "text"
	}
	if c.SampleBytes == 0 {
		c.SampleBytes = DefaultSample
	}
	if c.Model != nil && !kind.fasttext {
		return c, fmt.Errorf("the engine %s has models of its own; %s is for fasttext and cascade", kind.name, c.Model.name)
	}
	if c.Unit == "" {
		c.Unit = Document
	}
	if err := checkUnit(c.Unit); err != nil {
		return c, err
	}
	switch {
	case c.Unit == Document && (c.Cut || c.MinShare != 0):
		return c, fmt.Errorf("a document as a whole has one language; to cut it, or to ask for a share, name the unit %s or %s", Paragraph, Line)
	case !(c.MinShare >= 0 && c.MinShare <= 1):
		return c, fmt.Errorf("a least share of %v: from 0 to 1", c.MinShare)
	case c.Cut && len(c.Keep) == 0:
		return c, fmt.Errorf("to cut, name the languages to keep")
	case c.Unit != Document && c.MinShare == 0:
		c.MinShare = 0.5
	}
	if !(c.MinScore >= 0 && c.MinScore <= 1) {
		return c, fmt.Errorf("a least score of %v: from 0 to 1", c.MinScore)
	}
	if c.SampleBytes < MinSample || c.SampleBytes > MaxSample {
		return c, fmt.Errorf("a sample of %d bytes: from %d to %d", c.SampleBytes, MinSample, MaxSample)
	}
	if c.Keep, err = codes(kind, &c, c.Keep, true); err != nil {
		return c, err
	}
	if c.Languages, err = codes(kind, &c, c.Languages, false); err != nil {
		return c, err
	}
	c.Second = nil
	switch {
	case len(c.Languages) > 0:
		for _, code := range c.Keep {
			if code != Und && !slices.Contains(c.Languages, code) {
				return c, fmt.Errorf("%s is to be kept, but is not among the languages %s", code, strings.Join(c.Languages, ", "))
			}
		}
		if len(c.Languages) < 2 {
			return c, fmt.Errorf("%s alone: every text would be in it; name at least two languages", c.Languages[0])
		}
		// Without the other, one of this pair has no answer for the other's script (see scripts in sample.go).
		if zh, ja := slices.Contains(c.Languages, "zh"), slices.Contains(c.Languages, "ja"); zh != ja && !kind.fasttext {
			return c, fmt.Errorf("zh and ja (Chinese, Japanese) are told apart by the characters that both use; name both, or neither")
		}
	case kind.fasttext:
	case len(c.Keep) > 0 && !slices.Equal(c.Keep, []string{Und}):
		c.Languages = withNeighbours(c.Keep)
	default:
		c.Languages = slices.Clone(defaultLanguages)
	}
	if kind.fasttext && kind.lingua {
		c.Second = secondSet(c)
	}
	return c, nil
}

// codes checks, sorts and compacts a list of languages.
func codes(kind *engineKind, c *Config, list []string, und bool) ([]string, error) {
	var out []string
	for _, code := range list {
		if und && code == Und {
			out = append(out, code)
			continue
		}
		known, err := kind.known(c, code)
		if err != nil {
			return nil, err
		}
		out = append(out, known)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Memory is what the models of a resolved configuration take, in bytes of heap, with room for the garbage that
// the collector leaves beside lingua's at the percentage of GCPercent. Those of a cascade count from the beginning,
// since any text may need them.
func (c Config) Memory() int64 {
	kind, err := engineNamed(c.Engine)
	if err != nil {
		return 0
	}
	var sum int64
	set := c.Languages
	if kind.fasttext {
		set = c.Second
	}
	if kind.lingua {
		for _, code := range set {
			if l, err := linguaLanguage(code); err == nil {
				sum += l.Heap << 20
			}
		}
		sum += sum * GCPercent / 100
	}
	switch {
	case kind.fasttext && c.Model != nil:
		sum += c.Model.ft.Bytes() + lidMemory
	case kind.fasttext:
		sum += lidMemory
	}
	return sum
}

// Lingua says whether lingua's models may be loaded, for which GCPercent is meant.
func (c Config) Lingua() bool {
	kind, err := engineNamed(c.Engine)
	return err == nil && kind.lingua && (!kind.fasttext || len(c.Second) > 0)
}

// GCPercent is the percentage for debug.SetGCPercent that suits a process with models: at Go's 100 the garbage
// would grow to the size of the models, which are live as long as the process is.
const GCPercent = 25

// NewEngine makes the engine of a resolved configuration. No model is loaded yet: see Engine.Load.
func NewEngine(c Config) (Engine, error) {
	kind, err := engineNamed(c.Engine)
	if err != nil {
		return nil, err
	}
	e, err := kind.make(c)
	if err == nil && c.MinScore > 0 {
		e = gated{e, kind.name, c.MinScore}
	}
	return e, err
}

func engineNamed(name string) (*engineKind, error) {
	for i := range engines {
		if engines[i].name == name {
			return &engines[i], nil
		}
	}
	return nil, stage.UnknownName("engine", name, Engines())
}

// gated makes answers with low scores Und.
type gated struct {
	Engine
	name string
	min  float64
}

func (g gated) NewIdentifier() Identifier { return gatedIdentifier{g.Engine.NewIdentifier(), g} }

type gatedIdentifier struct {
	Identifier
	g gated
}

func (w gatedIdentifier) Identify(text []byte) Answer {
	a := w.Identifier.Identify(text)
	if a.Language == Und || a.Score >= w.g.min {
		return a
	}
	if a.Opinions[0].Engine == "" { // what was said should not be lost
		a.Opinions[0] = Opinion{w.g.name, a.Language, a.Score}
	}
	a.Language, a.Score = Und, 0
	return a
}
