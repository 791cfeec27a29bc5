// Package langid says in which language a text is written.
//
// An [Engine] answers for a set of languages that is stated and fixed when it is made; [Identifier.Identify] is
// the plain function below the stage. [Stage] is the stage "langid", a thin adapter around it. Engines stand in
// a sorted table below. lingua (lingua.go) is the only one so far: it is asked about a bounded [Sample] of the
// text, since its cost grows with the text and its answer does not get better.
//
// Words: a code is a language by ISO 639-1 ("eu"), or [Und] where nothing can be said; neighbours are the
// languages that an engine must know too, or it would answer "eu" for them (neighbours.go).
//
// Read this file first, then sample.go, then lingua.go, then stage.go.
package langid

import (
	"fmt"
	"slices"
	"strings"

	"curate/stage"
)

// Und is the code of a text about which nothing can be said: it has no letters, none of a script that the
// engine's languages are written in, or no language fits it better than the others.
const Und = "und"

// Answer is what an engine says of a text.
type Answer struct {
	// Language is one of the engine's languages, or Und.
	Language string
	// Score is between 0 and 1, a multiple of 1e-4, and 0 with Und: how sure the engine is, by its own measure.
	// Scores of different engines, and of sets of different languages, do not compare.
	Score float64
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
	// Load reads the models into memory, once for all goroutines, however often and from wherever it is called;
	// it returns when they are there. NewIdentifier calls it, so that only those who care about the moment need
	// to. There is no way back: models stay until the process ends.
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
const DefaultEngine = "lingua"

// defaultLanguages is the set of languages without Keep and Languages: those of the Iberian peninsula that
// lingua knows, and the languages of Western Europe that the web holds most of.
var defaultLanguages = []string{"ca", "de", "en", "es", "eu", "fr", "it", "pt"}

// engineKind is how an engine is made.
type engineKind struct {
	name string
	// known finds a language by its code; the error names the nearest.
	known func(code string) (Language, error)
	// make builds the engine for languages that are known, sorted and without duplicates. Nothing is loaded. It
	// fails where this binary was built without it.
	make func(cfg Config) (Engine, error)
}

// engines by name, sorted.
var engines = []engineKind{
	{"lingua", linguaLanguage, newLingua},
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
	// Languages is the set that the engine answers for. By default it is what Keep names with its neighbours, or
	// the eight languages ca, de, en, es, eu, fr, it and pt.
	Languages []string
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
	if c.SampleBytes < MinSample || c.SampleBytes > MaxSample {
		return c, fmt.Errorf("a sample of %d bytes: from %d to %d", c.SampleBytes, MinSample, MaxSample)
	}
	if c.Keep, err = codes(kind, c.Keep, true); err != nil {
		return c, err
	}
	if c.Languages, err = codes(kind, c.Languages, false); err != nil {
		return c, err
	}
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
		if zh, ja := slices.Contains(c.Languages, "zh"), slices.Contains(c.Languages, "ja"); zh != ja {
			return c, fmt.Errorf("zh and ja (Chinese, Japanese) are told apart by the characters that both use; name both, or neither")
		}
	case len(c.Keep) > 0 && !slices.Equal(c.Keep, []string{Und}):
		c.Languages = withNeighbours(c.Keep)
	default:
		c.Languages = slices.Clone(defaultLanguages)
	}
	return c, nil
}

// codes checks, sorts and compacts a list of languages.
func codes(kind *engineKind, list []string, und bool) ([]string, error) {
	var out []string
	for _, code := range list {
		if und && code == Und {
			out = append(out, code)
			continue
		}
		l, err := kind.known(code)
		if err != nil {
			return nil, err
		}
		out = append(out, l.Code)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Memory is what the models of a resolved configuration take, in bytes of heap, with room for the garbage that
// the collector leaves beside them at the percentage of GCPercent.
func (c Config) Memory() int64 {
	kind, err := engineNamed(c.Engine)
	if err != nil {
		return 0
	}
	var sum int64
	for _, code := range c.Languages {
		if l, err := kind.known(code); err == nil {
			sum += l.Heap << 20
		}
	}
	return sum + sum*GCPercent/100
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
	return kind.make(c)
}

func engineNamed(name string) (*engineKind, error) {
	for i := range engines {
		if engines[i].name == name {
			return &engines[i], nil
		}
	}
	return nil, stage.UnknownName("engine", name, Engines())
}
