package translate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"curate/translate/backends"
	"curate/translate/marian"
	"curate/translate/protect"
)

// Engine is a translation model in this process. *marian.Engine is one; other families give the same.
type Engine interface {
	Name() string   // for people
	Digest() string // of all that a translation depends on, in hexadecimal digits
	Memory() int64  // bytes: weights and working memory at most
	// Unknown says whether the model has no piece for a part of text.
	Unknown(text string) bool
	// Translate gives one translation a text, with the pieces of source and target if align. Any goroutine may call it: texts
	// of all calls that are on their way are sorted by length and translated together, and what comes out for one depends on it
	// alone. An error is ctx's cause, or the engine can do no more.
	Translate(ctx context.Context, texts []string, align bool) ([]marian.Translation, error)
	Close() error
}

// Computed is what a Backend also is that runs in this process: the same segment in the same form has the same answer for ever, so that
// it is not asked again what a check has refused.
type Computed interface {
	backends.Backend
	// Forms are the names of the forms of placeholders in which it may be asked (protect.FormNamed), in the order in which they
	// are best tried.
	Forms() []string
}

// LocalOptions are what a Local is besides its engine.
type LocalOptions struct {
	Family  string // of models, for the identity: "marian"
	Workers int    // that the engine computes with; 1
}

// Local is a backend over an engine in this process. A segment is translated sentence by sentence, and what is too long for the
// model in parts. In the form protect.Aligned it takes the holes out and puts them back by the engine's alignment.
type Local struct {
	engine  Engine
	o       LocalOptions
	forms   []string
	mu      sync.Mutex
	sum     backends.Spent
	running int
	latency backends.Latencies
}

// localVersion is raised when the same engine's answers are made to other texts: by other sentences, parts or places of holes.
const localVersion = 1

// Bounds of a request. A row's segments go together, up to what makes several full batches: an answer comes when its last sentence
// is done, and what is done is lost in a kill until then.
const (
	localSegments = 256
	localTokens   = 16 << 10
)

// LocalInFlight is how many requests should be on their way for a number of workers, so that batches are full: the stage then has
// at least 2 + 4 batches of 16 rows for each worker in hand, some hundred sentences, which sorted by length fill batches of 16 to
// 96 with little between their lengths. More would only be lost in a kill.
func LocalInFlight(workers int) int { return 16 * max(1, workers) }

// NewLocal makes the backend. Its Close closes the engine.
func NewLocal(e Engine, o LocalOptions) *Local {
	o.Workers = max(1, o.Workers)
	l := &Local{engine: e, o: o}
	for _, f := range protect.Forms() {
		if !slices.ContainsFunc(numbers, func(n int) bool { return e.Unknown(f.Hole(n)) }) {
			l.forms = append(l.forms, f.Name)
		}
	}
	// Small models keep it best of all (see protect's table).
	if i := slices.Index(l.forms, "XQ0"); i > 0 {
		l.forms = slices.Insert(slices.Delete(l.forms, i, i+1), 0, "XQ0")
	}
	// What does not come back whole is not lost in the next try.
	l.forms = slices.Insert(l.forms, min(1, len(l.forms)), protect.Aligned().Name)
	return l
}

// numbers have every digit.
var numbers = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}

// Forms are those whose pieces the model knows, and protect.Aligned behind the first: characters without a piece vanish in a
// translation (in 200 sentences each form with one was lost 200 times).
func (l *Local) Forms() []string { return slices.Clone(l.forms) }

// Name of the model, for people.
func (l *Local) Name() string { return l.engine.Name() }

// Memory is what the engine takes, in bytes.
func (l *Local) Memory() int64 { return l.engine.Memory() }

// Engine holds no name and no folder: the same model is the same wherever it stands.
func (l *Local) Engine() string {
	return fmt.Sprintf("%s:%s %d", l.o.Family, l.engine.Digest(), localVersion)
}

// MaxSegments are many: a row is one request.
func (l *Local) MaxSegments() int { return localSegments }

// MaxTokens are many, too.
func (l *Local) MaxTokens() int { return localTokens }

// Stats count a request for each call, and no cost.
func (l *Local) Stats() backends.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.sum
	sum.Retries = map[string]int64{}
	return backends.Stats{Spent: sum, InFlight: l.running, Limit: LocalInFlight(l.o.Workers), P50: l.latency.Percentile(0.5), P95: l.latency.Percentile(0.95)}
}

// Close closes the engine.
func (l *Local) Close() error { return l.engine.Close() }

// Translate translates the segments of a request. What is asked for alone and has no end in the model is an Error of class Split,
// as of a server that cut its answer off; among others it is missing. After a cancel what has not begun is not translated.
// Temperature, seed, context and problem are nothing to it.
func (l *Local) Translate(ctx context.Context, r *backends.Request) (*backends.Answer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	form, holes := protect.Form{}, r.Placeholder != ""
	if holes {
		var err error
		if form, err = formWritten(r.Placeholder); err != nil {
			return nil, &backends.Error{Class: backends.Failed, Reason: "bad_request", Detail: err.Error(), Err: err}
		}
	}
	l.mu.Lock()
	l.running++
	l.mu.Unlock()
	began := time.Now()
	q := question{form: form, holes: holes, aligned: form == protect.Aligned()}
	for _, s := range r.Segments {
		q.add(s)
	}
	err := q.resolve(ctx, l.engine)
	spent := backends.Spent{Requests: 1, Retries: map[string]int64{}, Prompt: q.prompt, Completion: q.completion}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.sum.Add(spent)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &backends.Error{Class: backends.Down, Reason: "engine", Detail: err.Error(), Spent: spent, Err: err}
	}
	l.latency.Add(time.Since(began))
	a := &backends.Answer{Spent: spent, Texts: make([]string, len(q.segments)), Missing: make([]bool, len(q.segments)), LogProb: make([]float64, len(q.segments))}
	for i, s := range q.segments {
		text, p, fault := q.answer(s)
		if fault == unending && len(q.segments) == 1 {
			return nil, &backends.Error{Class: backends.Split, Reason: checkTruncated, Detail: "the model comes to its greatest length without an end", Spent: spent}
		}
		if a.Texts[i], a.Missing[i] = text, fault != whole; p.tokens > 0 {
			a.LogProb[i] = p.sum / float64(p.tokens)
		}
	}
	return a, nil
}

// formWritten is the form in which hole 0 is written so.
func formWritten(hole string) (protect.Form, error) {
	if f := protect.Aligned(); f.Hole(0) == hole {
		return f, nil
	}
	return protect.FormNamed(hole)
}

// question is a request on its way through an engine.
type question struct {
	form       protect.Form
	holes      bool // there are some, in form
	aligned    bool
	segments   []segmentWork
	open       []*clause // to be translated
	prompt     int64     // tokens
	completion int64
}

// segmentWork is a segment in sentences: the segment is joined(pieces).
type segmentWork struct {
	pieces  []piece
	clauses []*clause // one a piece, nil where there is nothing to translate
}

// clause is a sentence or a part of one.
type clause struct {
	template protect.Template
	names    []int // by which the request knows each hole of template
	inside   bool  // a part with more of its sentence behind it
	depth    int   // how often it was halved because the model did not come to an end

	// The outcome: parts of which it is made, or a target.
	parts  segmentWork
	target protect.Template
	p      probability
	fault  fault
}

// probability is the sum of the log-probabilities of so many tokens.
type probability struct {
	sum    float64
	tokens int
}

type fault uint8

const (
	whole    fault = iota
	unending       // the model has found no end, or not read all
	nothing        // an empty translation of something
)

// Lengths of texts, in bytes. A position of a model holds a piece, of which few are longer than 8 bytes, and models have 512
// positions, so that nothing beyond longestClause fits, and it is not tried. What has no end though it is shorter than shortClause was
// not too long to read: the model turns in a circle, and would do so with each half.
const (
	longestClause = 4096
	shortClause   = 100
)

// add cuts a segment into sentences. A hole neither begins nor ends one.
func (q *question) add(text string) {
	t := protect.Template{Text: []string{text}}
	if q.holes {
		t = q.form.Read(text)
	}
	q.segments = append(q.segments, q.cut(sentences(t), nil))
}

// cut notes the pieces of a segment, or of a clause, its parent.
func (q *question) cut(pieces []piece, parent *clause) segmentWork {
	s := segmentWork{pieces: pieces, clauses: make([]*clause, len(pieces))}
	for i, p := range pieces {
		if !p.ask {
			continue
		}
		c := &clause{template: p.template, names: p.holes}
		if parent != nil {
			c.depth, c.inside = parent.depth, parent.inside || i < len(pieces)-1
			c.names = nil
			for _, h := range p.holes {
				c.names = append(c.names, parent.names[h])
			}
		}
		s.clauses[i] = c
		switch {
		case tokensOf(c.template) < longestClause/3:
			q.open = append(q.open, c)
		case !q.halve(c):
			c.fault = unending
		}
	}
	return s
}

// halve cuts a clause in two, if there is a place for that.
func (q *question) halve(c *clause) bool {
	pieces := halves(c.template)
	if len(pieces) < 2 {
		return false
	}
	c.parts = q.cut(pieces, c)
	return true
}

// resolve asks the engine for what is open, and for the halves of what is too long, until nothing is.
func (q *question) resolve(ctx context.Context, e Engine) error {
	for len(q.open) > 0 {
		list := q.open
		q.open = nil
		texts := make([]string, len(list))
		atoms := make([][]atom, len(list))
		for i, c := range list {
			switch {
			case q.aligned:
				texts[i], atoms[i] = takeOut(c.template)
			case len(c.names) > 0:
				texts[i] = protect.Template{Text: c.template.Text, Holes: c.names}.Render(q.form)
			default:
				texts[i] = c.template.Text[0]
			}
		}
		out, err := e.Translate(ctx, texts, q.aligned)
		if err != nil {
			return err
		}
		if len(out) != len(list) {
			return fmt.Errorf("%d texts were asked for, and %d answered; this is a bug of curate", len(list), len(out))
		}
		for i, c := range list {
			t := &out[i]
			q.prompt += int64(t.SourceTokens)
			q.completion += int64(t.TargetTokens)
			if t.Cut {
				c.depth++
				if len(texts[i]) < shortClause || c.depth > maxHalvings || !q.halve(c) {
					c.fault = unending
				}
				continue
			}
			c.p = probability{t.LogProb * float64(t.TargetTokens), t.TargetTokens}
			if c.inside {
				t.Text = unstopped(texts[i], t.Text)
			}
			switch {
			case strings.TrimSpace(t.Text) == "":
				c.fault = nothing
			case len(atoms[i]) > 0:
				c.target = putBack(t, texts[i], atoms[i])
			default:
				c.target = protect.Template{Text: []string{strings.TrimSpace(t.Text)}}
			}
		}
	}
	return nil
}

// unstopped takes the full stop away with which a model ends what is not the end of a sentence.
func unstopped(source, target string) string {
	end := strings.TrimRightFunc(target, unicode.IsSpace)
	stop, n := utf8.DecodeLastRuneInString(end)
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRightFunc(source, unicode.IsSpace))
	if (stop == '.' || stop == '。') && last != '.' && last != '。' && !strings.HasSuffix(end, "..") {
		return end[:len(end)-n]
	}
	return target
}

// answer puts a segment together as it was asked for. It is empty where something is not whole.
func (q *question) answer(s segmentWork) (text string, p probability, f fault) {
	t, p, f := s.join()
	if f != whole {
		return "", p, f
	}
	if !q.holes {
		return t.Text[0], p, whole
	}
	return t.Render(q.form), p, whole
}

// join puts pieces together.
func (s segmentWork) join() (t protect.Template, p probability, f fault) {
	targets := make([]protect.Template, len(s.pieces))
	for i, c := range s.clauses {
		if c == nil {
			continue
		}
		one, q, of := c.target, c.p, c.fault
		if c.parts.pieces != nil {
			one, q, of = c.parts.join()
		}
		if of != whole {
			return t, p, of
		}
		targets[i] = one
		p.sum += q.sum
		p.tokens += q.tokens
	}
	return joined(s.pieces, targets), p, whole
}
