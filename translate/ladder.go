package translate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"curate/translate/backends"
	"curate/translate/check"
	"curate/translate/protect"
	"curate/translate/segment"
)

// Rungs of the ladder, in the order in which they are tried, and what stands for one where nobody climbed.
const (
	RungFirst    = "first"    // with the row's other segments
	RungAgain    = "again"    // alone, warmer, another seed, told what was wrong
	RungForm     = "form"     // alone, holes in another form
	RungCut      = "cut"      // in pieces: sentences, halves, or what lies between holes
	RungFallback = "fallback" // by another backend

	RungCorrection = "correction" // a human's
	RungTM         = "tm"         // of a translation memory that was given
	RungImported   = "imported"   // into the memory, which says no more
)

// rung is one way to ask again.
type rung struct {
	name string
	// fits says whether it may help against what was wrong.
	fits func(t *translator, w *wanted) bool
	try  func(ctx context.Context, t *translator, r *rowWork, w *wanted) error
}

// rungs behind the first request.
func rungs() []rung {
	again := func(seed int) rung {
		return rung{RungAgain, func(t *translator, w *wanted) bool { return answered(w) && !isSplit(w) && !t.computed }, func(ctx context.Context, t *translator, r *rowWork, w *wanted) error {
			return t.alone(ctx, r, w, t.p.Backend, formFor(t.forms, w.template, 0), seed)
		}}
	}
	return []rung{
		again(1),
		{RungForm, func(t *translator, w *wanted) bool {
			return w.failure.Check == checkPlaceholders && !(t.computed && formFor(t.forms, w.template, 0) == formFor(t.forms, w.template, 1))
		}, func(ctx context.Context, t *translator, r *rowWork, w *wanted) error {
			return t.alone(ctx, r, w, t.p.Backend, formFor(t.forms, w.template, 1), 1)
		}},
		{RungCut, func(_ *translator, w *wanted) bool { return answered(w) || isSplit(w) }, cut},
		again(2),
		{RungFallback, func(t *translator, _ *wanted) bool { return t.p.Fallback != nil }, func(ctx context.Context, t *translator, r *rowWork, w *wanted) error {
			return t.alone(ctx, r, w, t.p.Fallback, formFor(t.fallbackForms, w.template, 0), 0)
		}},
	}
}

const (
	checkPlaceholders = "placeholders"
	checkMissing      = "missing"
	checkTruncated    = "truncated"
	checkContext      = "context_length"
	checkJudge        = "judge"
	checkNotInMemory  = "not_in_memory"
	checkNotFetched   = "not_fetched"
	checkUnfit        = "unfit" // for a memory
)

// maxSegment bounds a segment, so that it fits into an entry of the memory with its translation. A paragraph has some KB.
const maxSegment = 4 << 20

// answered says whether there was an answer that a check refused: another one may be better. A server that does not answer has
// been asked again by its client already, and a refusal stays one.
func answered(w *wanted) bool {
	switch w.failure.Check {
	case "content_filter", "refusal":
		return false
	}
	return !w.failure.passing
}

func isSplit(w *wanted) bool {
	return w.failure.Check == checkTruncated || w.failure.Check == checkContext
}

// fatal says whether the run cannot go on after an error of a backend: because of the error, or because somebody has stopped it.
func fatal(ctx context.Context, err error) bool {
	var e *backends.Error
	if !errors.As(err, &e) || ctx.Err() != nil {
		return true
	}
	switch e.Class {
	case backends.Down, backends.Denied, backends.Budget:
		return true
	}
	return false
}

// cause is what ends the run: the stop, where there is one, or the error.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// absent says whether an error is of a server that did not answer at all: to ask each segment alone would only multiply the wait.
func absent(e *backends.Error) bool {
	switch e.Reason {
	case "timeout", "connection", "rate_limit", "cancelled":
		return true
	}
	return false
}

// aRowAtOnce is how many requests of one row run at a time: a book of a row must not keep all the others waiting.
const aRowAtOnce = 8

// ask translates the segments of a row that nobody has translated. Every one has an outcome afterwards.
func (t *translator) ask(ctx context.Context, r *rowWork, list []*wanted) error {
	if len(list) == 0 {
		return nil
	}
	if t.p.Backend == nil {
		for _, w := range list {
			w.failure = w.fail(checkNotInMemory, "neither the memory nor a correction has it")
		}
		return nil
	}
	list = slices.DeleteFunc(list, func(w *wanted) bool {
		if n := 3 * tokensOf(w.template); n > maxSegment {
			w.failure = w.fail(checkUnfit, fmt.Sprintf("%d bytes without a line end, at most %d", n, maxSegment))
		}
		return w.failure != nil
	})
	if t.p.Offline && len(list) > 0 {
		for _, w := range list {
			w.failure = w.fail(checkNotFetched, "no memory has it")
		}
		if !t.p.SetAside {
			return &NotFetchedError{Row: r.rec.ID, Failure: list[0].failure}
		}
		return nil
	}
	groups := t.grouped(list)
	return parallel(ctx, len(groups), func(ctx context.Context, i int) error {
		before := ""
		if i > 0 {
			before = contextOf(groups[i-1])
		}
		fresh, err := t.unjudged(ctx, r, groups[i])
		if err == nil && len(fresh) > 0 {
			err = t.first(ctx, r, fresh, before)
		}
		for _, w := range groups[i] {
			if err != nil {
				return err
			}
			if w.failure == nil {
				continue
			}
			if err = t.climb(ctx, r, w); err == nil && w.failure != nil {
				err = t.giveUp(w)
			}
		}
		return err
	})
}

// unjudged takes translations that are in the memory but that this judge has not accepted to the judge, and returns the segments
// that have none.
func (t *translator) unjudged(ctx context.Context, r *rowWork, group []*wanted) (fresh []*wanted, err error) {
	if t.p.Judge == nil {
		return group, nil
	}
	var list []*wanted
	for _, w := range group {
		found, err := t.recall(w, t.engine)
		if err != nil {
			return nil, err
		}
		if w.score = nil; found {
			list = append(list, w)
		} else {
			fresh = append(fresh, w)
		}
	}
	return fresh, t.pass(ctx, r, list)
}

// pass keeps what has passed the checks, and after the judge, if there is one, what has passed it too.
func (t *translator) pass(ctx context.Context, r *rowWork, list []*wanted) error {
	if t.p.Judge != nil {
		if err := t.keepAll(list, t.engine); err != nil {
			return err
		}
		if err := t.judge(ctx, r, list); err != nil {
			return err
		}
	}
	if err := t.keepAll(list, t.final); err != nil {
		return err
	}
	for _, w := range list {
		if w.failure == nil && w.target.Text != nil {
			t.land(w, nil) // others need not wait for the rest of a long row
		}
	}
	return nil
}

// parallel calls f for 0…n-1, some at a time, and returns the first error; after one, what has not begun does not.
func parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	free := make(chan struct{}, aRowAtOnce)
	for i := range n {
		free <- struct{}{}
		if ctx.Err() != nil {
			once.Do(func() { first = context.Cause(ctx) })
			break
		}
		wg.Go(func() {
			defer func() { <-free }()
			if err := f(ctx, i); err != nil {
				once.Do(func() { first = err })
				cancel(err)
			}
		})
	}
	wg.Wait()
	return first
}

// grouped cuts a row's segments into requests. Of a backend that computes, those in one request have the form that each would have
// alone, so that an answer depends on nothing beside its segment, such as the rows that happened to come first.
func (t *translator) grouped(list []*wanted) (groups [][]*wanted) {
	if !t.computed {
		return t.groups(list)
	}
	var forms []protect.Form
	by := map[protect.Form][]*wanted{}
	for _, w := range list {
		f := formFor(t.forms, w.template, 0)
		if by[f] == nil {
			forms = append(forms, f)
		}
		by[f] = append(by[f], w)
	}
	for _, f := range forms {
		groups = append(groups, t.groups(by[f])...)
	}
	return groups
}

// groups cuts segments into requests.
func (t *translator) groups(list []*wanted) [][]*wanted {
	most, tokens := t.p.Backend.MaxSegments(), t.p.Backend.MaxTokens()
	var groups [][]*wanted
	sum := 0
	for _, w := range list {
		n := tokensOf(w.template)
		if k := len(groups); k == 0 || len(groups[k-1]) >= most || sum+n > tokens {
			groups, sum = append(groups, nil), 0
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], w)
		sum += n
	}
	return groups
}

// tokensOf is about how many tokens a model takes for a template: three bytes each, which is little for English.
func tokensOf(t protect.Template) int {
	n := 4 * len(t.Holes)
	for _, s := range t.Text {
		n += len(s)
	}
	return n/3 + 1
}

// contextBytes is how much of what stands before a request goes along with it.
const contextBytes = 300

func contextOf(before []*wanted) string {
	var text string
	for i := len(before) - 1; i >= 0 && len(text) < contextBytes; i-- {
		text = strings.TrimSpace(before[i].template.Fill(before[i].values) + " " + text)
	}
	if len(text) > contextBytes {
		text = text[len(text)-contextBytes:]
		for len(text) > 0 && !utf8.RuneStart(text[0]) {
			text = text[1:]
		}
	}
	return text
}

// first asks for a group at once, and again for what did not come: each alone, or in halves where it was too much.
func (t *translator) first(ctx context.Context, r *rowWork, group []*wanted, before string) error {
	form := formFor(t.forms, templateOf(group), 0)
	ans, err := t.send(ctx, r, t.p.Backend, group, form, &backends.Request{Context: before})
	if err != nil {
		if fatal(ctx, err) {
			return cause(ctx, err)
		}
		var e *backends.Error
		errors.As(err, &e)
		alone := len(group) > 1 && e.Class != backends.Split && !absent(e) // one of them may be the cause, and must not take the others with it
		if alone || e.Class == backends.Split && (before != "" || len(group) > 1) {
			for _, w := range group { // which had no chance
				w.attempts--
			}
		}
		switch {
		case e.Class == backends.Split && before != "":
			return t.first(ctx, r, group, "")
		case e.Class == backends.Split && len(group) > 1:
			if err := t.first(ctx, r, group[:len(group)/2], ""); err != nil {
				return err
			}
			return t.first(ctx, r, group[len(group)/2:], "")
		case alone:
			return parallel(ctx, len(group), func(ctx context.Context, i int) error { return t.first(ctx, r, group[i:i+1], "") })
		}
		for _, w := range group {
			w.failure = w.failBy(e)
			w.failure.shared = w.failure.passing && len(group) > 1
		}
		return nil
	}
	var again []*wanted
	for i, w := range group {
		if ans.Missing[i] {
			if len(group) > 1 {
				w.attempts-- // what else was in the request, which a killed run need not repeat, must not count
				again = append(again, w)
				continue
			}
			w.failure = w.fail(checkMissing, "the answer does not have it")
			continue
		}
		t.accept(w, ans.Texts[i], form, RungFirst)
	}
	if err := t.pass(ctx, r, group); err != nil {
		return err
	}
	return parallel(ctx, len(again), func(ctx context.Context, i int) error { return t.first(ctx, r, again[i:i+1], "") })
}

// climb tries the other rungs until one helps or none is left.
func (t *translator) climb(ctx context.Context, r *rowWork, w *wanted) error {
	for _, g := range rungs() {
		most := t.cfg.MaxAttempts
		if t.p.Fallback != nil && g.name != RungFallback {
			most-- // the last one is the fallback's
		}
		if w.failure == nil {
			return nil
		}
		if w.attempts >= most || !g.fits(t, w) {
			continue
		}
		had := w.failure
		if err := g.try(ctx, t, r, w); err != nil {
			return err
		}
		if w.failure == nil {
			w.rung = g.name
			if err := t.pass(ctx, r, []*wanted{w}); err != nil {
				return err
			}
		} else if w.failure.passing && !had.passing {
			w.failure = had // what the text did wrong says more than a server that was away for the last try
			w.failure.Attempts = w.attempts
		}
	}
	return nil
}

// alone asks for one segment.
func (t *translator) alone(ctx context.Context, r *rowWork, w *wanted, b backends.Backend, form protect.Form, seed int) error {
	req := &backends.Request{Problem: w.failure.Check, Seed: seed}
	if w.failure.Detail != "" {
		req.Problem += ": " + w.failure.Detail
	}
	if seed > 0 {
		req.Temperature = warmer
	}
	ans, err := t.send(ctx, r, b, []*wanted{w}, form, req)
	if err != nil {
		if fatal(ctx, err) {
			return cause(ctx, err)
		}
		var e *backends.Error
		errors.As(err, &e)
		w.failure = w.failBy(e)
		return nil
	}
	if ans.Missing[0] {
		w.failure = w.fail(checkMissing, "the answer does not have it")
		return nil
	}
	t.accept(w, ans.Texts[0], form, "")
	return nil
}

// warmer is the temperature of another try: enough for another answer, not for another meaning.
const warmer = 0.3

// maxHalvings bounds how often a text is halved that is still too long for the server.
const maxHalvings = 6

// cut asks for the pieces of a segment.
func cut(ctx context.Context, t *translator, r *rowWork, w *wanted) error {
	return t.cut(ctx, r, w, maxHalvings)
}

func (t *translator) cut(ctx context.Context, r *rowWork, w *wanted, depth int) error {
	var pieces []piece
	if w.failure.Check == checkPlaceholders {
		pieces = aroundHoles(w.template)
	} else if pieces = sentences(w.template); len(pieces) < 2 && (isSplit(w) || t.computed) {
		pieces = halves(w.template) // for what computes, only another text has another answer
	}
	if len(pieces) < 2 {
		return nil
	}
	had := w.failure
	targets := make([]protect.Template, len(pieces))
	w.attempts++
	for i, p := range pieces {
		if !p.ask {
			continue
		}
		part := &wanted{template: p.template, path: w.path, at: w.at, part: true}
		for _, h := range p.holes {
			part.values = append(part.values, w.values[h])
		}
		if err := t.first(ctx, r, []*wanted{part}, ""); err != nil {
			return err
		}
		if depth > 0 && t.divisible(w, part) {
			if err := t.cut(ctx, r, part, depth-1); err != nil {
				return err
			}
		}
		if f := part.failure; f != nil {
			w.failure = w.fail(f.Check, "in a piece: "+f.Detail)
			w.failure.passing = f.passing
			w.failure.Answer = f.Answer
			return nil
		}
		targets[i] = part.target
	}
	w.failure = had
	t.finish(w, joined(pieces, targets))
	return nil
}

// divisible says whether it may help to cut a piece of a segment, too.
func (t *translator) divisible(w, part *wanted) bool {
	switch f := part.failure; {
	case f == nil:
		return false
	case f.Check == checkPlaceholders:
		return true
	case isSplit(part):
		return smaller(part.template, w.template)
	}
	// A sentence in halves, and no halves in others: in crumbs nothing is translated.
	return t.computed && answered(part) && len(sentences(w.template)) > 1
}

func smaller(a, b protect.Template) bool { return tokensOf(a) < tokensOf(b) }

// send asks a backend for segments, and counts what it cost.
func (t *translator) send(ctx context.Context, r *rowWork, b backends.Backend, group []*wanted, form protect.Form, req *backends.Request) (*backends.Answer, error) {
	req.From, req.To = t.cfg.From, t.cfg.To
	for _, w := range group {
		req.Segments = append(req.Segments, w.template.Render(form))
		if len(w.template.Holes) > 0 {
			req.Placeholder = form.Hole(0)
		}
	}
	ans, err := b.Translate(ctx, req)
	if err != nil {
		var e *backends.Error
		if errors.As(err, &e) {
			r.spend(e.Spent)
		}
	} else {
		r.spend(ans.Spent)
		if len(ans.Texts) != len(group) || len(ans.Missing) != len(group) {
			err = fmt.Errorf("%d segments were asked for, and %d answered; this is a bug of curate", len(group), len(ans.Texts))
		}
	}
	for _, w := range group {
		w.attempts++
	}
	return ans, err
}

// templateOf is the group as one template, for the choice of a form that none of its texts clashes with.
func templateOf(group []*wanted) protect.Template {
	if len(group) == 1 {
		return group[0].template
	}
	var all protect.Template
	for _, w := range group {
		all.Text = append(all.Text, w.template.Text...)
	}
	for i := range len(all.Text) - 1 {
		all.Holes = append(all.Holes, i)
	}
	return all
}

// formFor is the nth of forms, from 0, that the template's own text is not mistaken for.
func formFor(forms []protect.Form, tpl protect.Template, n int) protect.Form {
	for _, f := range forms {
		if f.Clashes(tpl) {
			continue
		}
		if n == 0 {
			return f
		}
		n--
	}
	return forms[0] // its answer will not parse, and the segment is cut at its holes
}

// accept looks at an answer: w has a target, or a failure, afterwards.
func (t *translator) accept(w *wanted, answer string, form protect.Form, rung string) {
	w.answer, w.rung = answer, rung
	text, _ := check.Repair(w.template.Render(form), answer)
	target, fault := protect.Parse(strings.TrimSpace(text), form, len(w.template.Holes))
	if !fault.OK() {
		w.failure = w.fail(checkPlaceholders, fault.String())
		return
	}
	t.finish(w, target)
}

// finish checks a target, and keeps it if nothing is wrong.
func (t *translator) finish(w *wanted, target protect.Template) {
	w.soft = nil
	pair := check.Pair{From: t.cfg.From, To: t.cfg.To, Source: w.template.Plain(), Target: target.Plain(), Values: w.values}
	for _, f := range t.checker.Segment(nil, pair) {
		if f.Hard {
			w.failure = w.fail(f.Check, f.Detail)
			return
		}
		if w.soft == nil {
			w.soft = map[string]float64{}
		}
		w.soft[f.Check] = round(f.Value)
	}
	// A link whose target stands before its text, or a line that now begins a list: told from the row's structure, too, but only
	// here another try may help.
	if d := segment.SameStructure(w.template.Fill(w.values), target.Fill(w.values)); d != "" {
		w.failure = w.fail("structure", d)
		if len(w.values) > 0 {
			w.failure.Check = checkPlaceholders // what helps is what helps against these
		}
		return
	}
	w.target, w.failure = target, nil
}

// round keeps scores the same on every machine.
func round(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// judge scores what was just accepted.
func (t *translator) judge(ctx context.Context, r *rowWork, group []*wanted) error {
	if t.p.Judge == nil {
		return nil
	}
	var list []*wanted
	var sources, targets []string
	for _, w := range group {
		if !w.part && w.failure == nil && w.target.Text != nil {
			list = append(list, w)
			sources = append(sources, w.template.Fill(w.values))
			targets = append(targets, w.target.Fill(w.values))
		}
	}
	if len(list) == 0 {
		return nil
	}
	scores, spent, err := t.p.Judge.Score(ctx, t.cfg.From, t.cfg.To, sources, targets)
	r.spend(spent) // after an error, too
	if err != nil {
		if fatal(ctx, err) {
			return cause(ctx, err)
		}
		var e *backends.Error
		errors.As(err, &e)
		for _, w := range list { // what nobody has judged is not good enough
			w.failure = w.failBy(e)
			w.failure.Check = checkJudge
		}
		return nil
	}
	for i, w := range list {
		if v := scores[i]; !math.IsNaN(v) {
			v = round(v)
			w.score = &v
		}
		if w.score == nil || *w.score < t.cfg.MinScore {
			why := "no score"
			if w.score != nil {
				why = fmt.Sprintf("scored %.2f, at least %.2f", *w.score, t.cfg.MinScore)
			}
			w.failure = w.fail(checkJudge, why)
		}
	}
	return nil
}

// fail is the failure of w, which keeps nothing of an answer beside it: a run that finds the failure in the memory knows no more.
func (w *wanted) fail(check, detail string) *Failure {
	w.target, w.soft, w.score = protect.Template{}, nil, nil
	return &Failure{
		Check: check, Detail: valid(detail), Path: w.path, Source: w.template.Fill(w.values), Answer: excerpt(valid(w.answer)), Attempts: w.attempts,
	}
}

// valid is a text as a memory takes it.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// failBy is the failure of a backend's error.
func (w *wanted) failBy(e *backends.Error) *Failure {
	w.answer = ""
	f := w.fail(e.Reason, e.Detail)
	f.passing = e.Class == backends.Failed && e.Reason != "invalid_answer" && e.Reason != "prompt_leak" && e.Reason != "empty"
	return f
}
