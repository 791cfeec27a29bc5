package langid

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// Rule is the rule by which the stage drops; its reasons are "language_XX" for the code XX that was found.
const Rule = "langid"

// Stage writes "language" and "language_score" into every record, and drops those whose language is not to be
// kept. It is immutable and serves any number of goroutines.
type Stage struct {
	cfg    Config // resolved
	text   record.Path
	engine Engine
	spec   stage.Spec
	found  []answerText // by language, in the order of engine.Languages, then Und
}

// answerText is what is written for a language, made once.
type answerText struct {
	code     string
	language []byte // "eu", as JSON
	keep     bool
	reason   string // "language_eu"
	verdict  []byte // of curate.langid, up to the score
}

// New makes the stage. No model is loaded yet: see Load.
func New(cfg Config) (*Stage, error) {
	cfg, err := cfg.Resolve()
	if err != nil {
		return nil, err
	}
	engine, err := NewEngine(cfg)
	if err != nil {
		return nil, err
	}
	return newStage(cfg, engine)
}

func newStage(cfg Config, engine Engine) (*Stage, error) {
	s := &Stage{cfg: cfg, engine: engine}
	var err error
	if s.text, err = record.ParsePath(cfg.TextField); err != nil {
		return nil, err
	}
	if first := s.text.Names()[0]; first == "language" || first == "language_score" {
		return nil, fmt.Errorf("the text is in %q, which the stage overwrites; move it to another field", cfg.TextField)
	}
	for _, code := range append(slices.Clone(engine.Languages()), Und) {
		a := answerText{code: code, language: strconv.AppendQuote(nil, code), reason: "language_" + code}
		a.keep = len(cfg.Keep) == 0 || slices.Contains(cfg.Keep, code)
		a.verdict = append(a.verdict, `{"engine":"`+cfg.Engine+`","verdict":"`...)
		if a.keep {
			a.verdict = append(a.verdict, `keep"`...)
		} else {
			a.verdict = append(a.verdict, `drop","rule":"`+Rule+`","reason":"`+a.reason+`"`...)
		}
		a.verdict = append(a.verdict, `,"language":"`+code+`","score":`...)
		s.found = append(s.found, a)
	}
	// Keys in the order of their names.
	raw, err := json.Marshal(struct {
		Annotate    bool     `json:"annotate"`
		Engine      string   `json:"engine"`
		Keep        []string `json:"keep"`
		Languages   []string `json:"languages"`
		SampleBytes int      `json:"sample_bytes"`
		TextField   string   `json:"text_field"`
	}{cfg.Annotate, cfg.Engine, append([]string{}, cfg.Keep...), cfg.Languages, cfg.SampleBytes, s.text.String()})
	if err != nil {
		return nil, err
	}
	canonical := jsontext.Value(raw) // RFC 8785
	if err := canonical.Canonicalize(); err != nil {
		return nil, err
	}
	s.spec = stage.Spec{Name: "langid", Version: 1, Config: json.RawMessage(canonical), Needs: []record.Path{s.text}}
	return s, nil
}

// Languages are the codes that can be found, sorted, without Und.
func (s *Stage) Languages() []string { return s.engine.Languages() }

// Load loads the engine's models, unless they are there. NewWorker does so, too.
func (s *Stage) Load() { s.engine.Load() }

// Spec is the same at every call.
func (s *Stage) Spec() stage.Spec { return s.spec }

// NewWorker implements stage.Mapper. The first call loads the engine's models, and the others wait for them.
func (s *Stage) NewWorker() stage.Worker { return &worker{s: s, id: s.engine.NewIdentifier()} }

// Where the stage writes.
var (
	languagePath = record.MustPath("language")
	scorePath    = record.MustPath("language_score")
	curateLangid = record.MustPath("curate.langid")
)

// scratchLimit is what a worker keeps of a decoded text between documents, in bytes.
const scratchLimit = 1 << 20

type worker struct {
	s    *Stage
	id   Identifier
	text []byte // decoded
	json []byte
}

// Map implements stage.Worker.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		// A batch takes up to a second here, so the context is asked for every document.
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.one(r); err != nil {
			r.QuarantineFor(err)
		}
		if cap(w.text) > scratchLimit {
			w.text = nil
		}
	}
	return ctx.Err()
}

// one sets the outcome of a record; an error is what is wrong with it.
func (w *worker) one(r *record.Record) error {
	s := w.s
	doc, err := r.Text(s.text, &w.text)
	if err != nil {
		return err
	}
	answer := w.id.Identify(doc)
	found := &s.found[len(s.found)-1]
	for i := range s.found {
		if s.found[i].code == answer.Language {
			found = &s.found[i]
		}
	}
	w.json = append(w.json[:0], found.verdict...)
	score := len(w.json)
	w.json = strconv.AppendFloat(w.json, answer.Score, 'f', -1, 64)
	drop := !found.keep && !s.cfg.Annotate
	if drop || s.cfg.Annotate {
		verdict := append(w.json, '}')
		if s.cfg.Annotate || s.cfg.Verdicts {
			err = r.Set(curateLangid, verdict)
		} else {
			err = r.CanSet(curateLangid) // whether somebody keeps dropped records decides nothing
		}
		if err != nil {
			return err
		}
	}
	if err := r.Set(languagePath, found.language); err != nil {
		return err
	}
	if err := r.Set(scorePath, w.json[score:]); err != nil {
		return err
	}
	switch {
	case found.keep:
	case s.cfg.Annotate:
		r.Flag(Rule, found.reason)
	default:
		r.DropFor(Rule, found.reason)
	}
	return nil
}
