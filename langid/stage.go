package langid

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
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
	found  map[string]*answerText
}

// answerText is what is written for a language, made once.
type answerText struct {
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
	s := &Stage{cfg: cfg, engine: engine, found: map[string]*answerText{}}
	var err error
	if s.text, err = record.ParsePath(cfg.TextField); err != nil {
		return nil, err
	}
	if first := s.text.Names()[0]; first == "language" || first == "language_score" {
		return nil, fmt.Errorf("the text is in %q, which the stage overwrites; move it to another field", cfg.TextField)
	}
	for _, code := range append(slices.Clone(engine.Languages()), Und) {
		quoted, err := jsontext.AppendQuote(nil, code)
		if err != nil {
			return nil, err
		}
		a := &answerText{language: quoted, reason: "language_" + code}
		a.keep = len(cfg.Keep) == 0 || slices.Contains(cfg.Keep, code)
		a.verdict = append(a.verdict, `{"engine":"`+cfg.Engine+`","verdict":"`...)
		if a.keep {
			a.verdict = append(a.verdict, `keep"`...)
		} else {
			a.verdict = append(a.verdict, `drop","rule":"`+Rule+`","reason":"language_`...)
			a.verdict = append(a.verdict, quoted[1:]...)
		}
		a.verdict = append(append(a.verdict, `,"language":`...), quoted...)
		a.verdict = append(a.verdict, `,"score":`...)
		s.found[code] = a
	}
	// Keys in the order of their names.
	spec := struct {
		Annotate    bool     `json:"annotate"`
		Cut         bool     `json:"cut,omitempty"`
		Engine      string   `json:"engine"`
		Keep        []string `json:"keep"`
		Languages   []string `json:"languages"` // none: all of the model
		MinScore    float64  `json:"min_score"`
		MinShare    float64  `json:"min_share,omitempty"`
		Model       string   `json:"model,omitempty"`
		SampleBytes int      `json:"sample_bytes,omitempty"`
		Second      []string `json:"second,omitempty"`
		TextField   string   `json:"text_field"`
		Unit        string   `json:"unit,omitempty"` // none: document
	}{
		Annotate: cfg.Annotate, Cut: cfg.Cut, MinShare: cfg.MinShare, Engine: cfg.Engine, Keep: append([]string{}, cfg.Keep...), Languages: append([]string{}, cfg.Languages...),
		MinScore: cfg.MinScore, Second: cfg.Second, TextField: s.text.String(),
	}
	if kind, err := engineNamed(cfg.Engine); err == nil && kind.fasttext {
		spec.Model = "sha256:" + lidDigest
		if cfg.Model != nil {
			spec.Model = "sha256:" + cfg.Model.digest
		}
	}
	if cfg.Unit != Document {
		spec.Unit = cfg.Unit
	}
	if cfg.Lingua() {
		spec.SampleBytes = cfg.SampleBytes
	}
	raw, err := json.Marshal(spec)
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
func (s *Stage) NewWorker() stage.Worker {
	id := s.engine.NewIdentifier()
	return &worker{s: s, id: id, mixed: NewMixed(id)}
}

// Where the stage writes.
var (
	languagePath = record.MustPath("language")
	scorePath    = record.MustPath("language_score")
	curateLangid = record.MustPath("curate.langid")
)

// scratchLimit is what a worker keeps of a decoded text between documents, in bytes.
const scratchLimit = 1 << 20

type worker struct {
	s     *Stage
	id    Identifier
	text  []byte // decoded
	json  []byte
	mixed *Mixed
	left  []byte // of a text that is cut
	cut   int64  // documents of this batch
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
		one := w.one
		if w.s.cfg.Unit != Document {
			one = w.parts
		}
		if err := one(r); err != nil {
			r.QuarantineFor(err)
		}
		if cap(w.text) > scratchLimit {
			w.text, w.left = nil, nil
			w.mixed = NewMixed(w.id)
		}
	}
	if w.cut > 0 {
		b.Tally(CutTally, w.cut)
		w.cut = 0
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
	found := s.found[answer.Language]
	w.json = append(w.json[:0], found.verdict...)
	start := len(w.json)
	w.json = strconv.AppendFloat(w.json, answer.Score, 'f', -1, 64)
	end := len(w.json)
	drop := !found.keep && !s.cfg.Annotate
	if drop || s.cfg.Annotate {
		for _, o := range answer.Opinions {
			if o.Engine != "" {
				w.json = append(append(append(w.json, `,"`...), o.Engine...), `":{"language":`...)
				w.json, _ = jsontext.AppendQuote(w.json, o.Language) // codes are valid UTF-8
				w.json = append(w.json, `,"score":`...)
				w.json = append(strconv.AppendFloat(w.json, o.Score, 'f', -1, 64), '}')
			}
		}
		w.json = append(w.json, '}')
		if s.cfg.Annotate || s.cfg.Verdicts {
			err = r.Set(curateLangid, w.json)
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
	if err := r.Set(scorePath, w.json[start:end]); err != nil {
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

// MixedReason is that of a document of which too little is in the languages to keep, though most is in one of them.
const MixedReason = "mixed"

// CutTally counts the kept documents of which parts were cut out.
const CutTally = "cut"

// parts sets the outcome of a record by its paragraphs or lines.
func (w *worker) parts(r *record.Record) error {
	s := w.s
	doc, err := r.Text(s.text, &w.text)
	if err != nil {
		return err
	}
	shares := w.mixed.Identify(doc, s.cfg.Unit)
	all, kept := 0, 0
	for _, x := range shares {
		all += x.Letters
		if s.found[x.Language].keep {
			kept += x.Letters
		}
	}
	is := shares[0]
	keep := s.found[is.Language].keep // of a text without letters
	if all > 0 {
		keep = float64(kept) >= s.cfg.MinShare*float64(all) && kept > 0
	}
	cut := s.cfg.Cut && keep && kept < all && !s.cfg.Annotate
	for _, x := range shares {
		if s.found[x.Language].keep && keep {
			if cut || x.Letters == is.Letters { // the language of what is left, and of two that have as much the one to keep
				is = x
			}
			break
		}
	}
	found := s.found[is.Language]
	reason := found.reason
	if found.keep {
		reason = MixedReason
	}

	w.json = append(append(w.json[:0], `{"engine":"`...), s.cfg.Engine...)
	if keep {
		w.json = append(w.json, `","verdict":"keep`...)
	} else {
		w.json = append(append(w.json, `","verdict":"drop","rule":"`+Rule+`","reason":"`...), jsonInside(reason)...)
	}
	w.json = append(append(w.json, `","language":`...), found.language...)
	w.json = append(w.json, `,"score":`...)
	start := len(w.json)
	w.json = appendRounded(w.json, is.Score)
	end := len(w.json)
	w.json = append(append(append(w.json, `,"unit":"`...), s.cfg.Unit...), `","shares":{`...)
	for i, x := range shares {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.json = append(append(w.json, s.found[x.Language].language...), ':')
		share := 1.0
		if all > 0 {
			share = float64(x.Letters) / float64(all)
		}
		w.json = appendRounded(w.json, share)
	}
	w.json = append(w.json, `}}`...)
	if keep || s.cfg.Annotate || s.cfg.Verdicts {
		err = r.Set(curateLangid, w.json)
	} else {
		err = r.CanSet(curateLangid) // whether somebody keeps dropped records decides nothing
	}
	if err != nil {
		return err
	}
	if err := r.Set(languagePath, found.language); err != nil {
		return err
	}
	if err := r.Set(scorePath, w.json[start:end]); err != nil {
		return err
	}
	switch {
	case keep && cut:
		w.left = w.mixed.appendKept(w.left[:0], doc, func(code string) bool { return s.found[code].keep })
		if w.json, err = jsontext.AppendQuote(w.json[:0], w.left); err != nil {
			return err // invalid UTF-8, which no record holds
		}
		w.cut++
		return r.Set(s.text, w.json)
	case keep:
	case s.cfg.Annotate:
		r.Flag(Rule, reason)
	default:
		r.DropFor(Rule, reason)
	}
	return nil
}

// appendRounded writes a share or a score as scores are written.
func appendRounded(dst []byte, v float64) []byte {
	return strconv.AppendFloat(dst, math.Round(float64(v*1e4))/1e4, 'f', -1, 64)
}

// jsonInside is a reason between its quotes. Those that hold a label of somebody's model may need escapes.
func jsonInside(s string) []byte {
	q, err := jsontext.AppendQuote(nil, s)
	if err != nil || len(q) < 2 {
		return nil // labels are valid UTF-8
	}
	return q[1 : len(q)-1]
}
