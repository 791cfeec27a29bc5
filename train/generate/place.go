package generate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"curate/train/model"
)

// PromptPart is how many tokens of a prompt run through the model at once, for which it needs room.
const PromptPart = 256

// place is where a sample is written.
type place struct {
	cache *model.Cache
	room  int  // tokens that the cache has room for
	job   *job // whose prompt is in the cache; nil: nobody's
	live  bool // something is being written
	// The prompt is being read, for the first sample: nothing else has the place.
	reading bool

	sample  int
	chooser *Chooser
	text    *Text
	stop    stopper
	out     strings.Builder
	written int       // tokens
	token   int32     // the last one
	first   []float32 // see behind
	behind  behind    // the last token; Chooser.Next changes the scores
	raw     []float32 // the scores that it was given
}

// busy says that the place is not to be had.
func (p *place) busy() bool { return p.live || p.reading }

// free makes it so, and forgets whose prompt it holds.
func (p *place) free() { p.job, p.live, p.reading = nil, false, false }

// place finds one for a sample of a job: one whose cache has its prompt, or room for it. It is nil if some text must end first.
func (w *Writer) place(j *job) *place {
	need, used := j.room(), 0
	var best *place
	for _, p := range w.places {
		used += p.room
		if p.busy() {
			continue
		}
		if p.job == j {
			return p
		}
		// The smallest that is large enough, or else the largest.
		if best == nil || p.room >= need && (best.room < need || p.room < best.room) || p.room > best.room && best.room < need {
			best = p
		}
	}
	if best != nil && best.room >= need {
		return best
	}
	if len(w.places) < w.o.Together {
		best = &place{chooser: NewChooser(w.o.Sampling, w.m.Config.Vocabulary), text: NewText(w.t)}
		w.places = append(w.places, best)
	}
	if best == nil {
		return nil
	}
	room := need + need/4 // jobs vary
	if w.o.Room > 0 {
		used -= best.room
		for _, p := range w.places {
			if used+need > w.o.Room && !p.busy() && p != best {
				used -= p.room
				p.leave()
			}
		}
		if used+need > w.o.Room {
			return nil
		}
		room = min(room, w.o.Room-used)
	}
	if w.o.Context > 0 {
		room = min(room, w.o.Context)
	}
	best.leave()
	best.cache, best.room = w.m.NewCache(room), room
	return best
}

// leave gives the memory of a place's cache back.
func (p *place) leave() {
	if p.cache != nil {
		p.cache.Free()
	}
	p.cache, p.room, p.job = nil, 0, nil
}

// open begins a sample, or to read its prompt.
func (w *Writer) open(p *place, j *job) error {
	if p.job != j {
		other := slices.IndexFunc(w.places, func(q *place) bool { return q.job == j })
		if other < 0 {
			p.cache.Truncate(0)
			p.job, p.reading, j.reading = j, true, true
			return nil
		}
		if err := p.cache.Copy(w.places[other].cache, len(j.prompt)); err != nil {
			return err
		}
	}
	w.start(p, j)
	return nil
}

// start begins a sample behind a prompt that has been read.
func (w *Writer) start(p *place, j *job) {
	p.cache.Truncate(len(j.prompt))
	p.job, p.live, p.sample, p.written = j, true, j.begun, 0
	p.first = append(p.first[:0], j.behind.scores...)
	p.behind = behind{p.first, j.behind.all}
	p.stop = stopper{stops: j.own.Stop}
	p.out.Reset()
	p.text.Begin(j.Prompt)
	p.chooser.Sampling = j.own.Sampling
	p.chooser.Begin()
	for _, id := range j.prompt {
		p.chooser.See(id)
	}
	j.begun++
	j.live++
	if j.most == 0 {
		p.end(EndLength)
	}
}

// readPrompts reads prompts: all of them, or, where jobs are apart, as much as does not hold up what is being written. That is
// a part of the first job's, so that it comes to an end, and so much of the others', the shortest first.
func (w *Writer) readPrompts(ctx context.Context) error {
	var list []*place
	for _, j := range w.jobs {
		if j.reading {
			list = append(list, w.places[slices.IndexFunc(w.places, func(p *place) bool { return p.job == j && p.reading })])
		}
	}
	if w.o.Apart && len(list) > 0 {
		if _, err := w.read(list[0]); err != nil {
			return err
		}
		list = list[1:]
		slices.SortStableFunc(list, func(p, q *place) int { return cmp.Compare(p.unread(), q.unread()) })
	}
	read := 0
	for _, p := range list {
		for p.reading && !(w.o.Apart && read >= PromptPart) {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := w.read(p)
			if err != nil {
				return err
			}
			read += n
		}
	}
	return nil
}

func (p *place) unread() int { return len(p.job.prompt) - p.cache.Len() }

// read has the model read a part of a job's prompt. Parts are the same whatever happens beside it, so that the numbers are.
func (w *Writer) read(p *place) (n int, err error) {
	j, from := p.job, p.cache.Len()
	part := j.prompt[from:min(len(j.prompt), from+PromptPart)]
	var see func(at int, logits []float32)
	if j.SeePrompt != nil && !j.seen {
		see = func(at int, logits []float32) {
			// What stands behind a token is about the next one.
			if number := from + at + 1; number < len(j.prompt) && err == nil {
				var s Scored
				if s, err = w.scored(j, logits, w.m.LogSumExp(logits), j.prompt[number]); err == nil {
					err = j.SeePrompt(number, s)
				}
			}
		}
	}
	logits, broken := w.m.ExtendSeen(p.cache, part, see)
	if broken != nil {
		return 0, broken
	}
	if err != nil {
		return len(part), w.fail(j, err)
	}
	if from+len(part) == len(j.prompt) {
		b := w.behind(j, logits)
		j.behind = behind{append(j.behind.scores[:0], b.scores...), b.all}
		j.seen, j.reading, p.reading = true, false, false
		w.start(p, j)
	}
	return len(part), nil
}

// next chooses the next token of a text, p.token, and passes on what is whole by now. If that ends it, p is no longer live.
func (w *Writer) next(p *place) error {
	j := p.job
	d := Draw{Seed: j.own.Seed, Record: j.Record, Sample: uint32(p.sample), Position: uint32(p.written)}
	if j.See != nil {
		p.raw = append(p.raw[:0], p.behind.scores...)
	}
	token, err := p.chooser.Next(p.behind.scores, d)
	if err == nil && j.See != nil {
		var s Scored
		if s, err = w.scored(j, p.raw, p.behind.all, token); err == nil {
			err = j.See(p.sample, s)
		}
	}
	if err != nil {
		err = fmt.Errorf("token %d: %w", p.written, err)
		if j.Name != "" {
			err = fmt.Errorf("%s: %w", j.Name, err)
		}
		return err
	}
	p.chooser.See(token)
	p.token = token
	p.written++
	end := ""
	if slices.Contains(w.o.Ends, uint32(token)) {
		end = EndToken
	} else {
		found, err := p.pass(p.text.Add(uint32(token)))
		if err != nil {
			return err
		}
		switch {
		case found:
			p.end(EndStop)
			return nil
		case p.written < j.most:
			return nil
		}
		end = EndLength
		if j.most < j.own.MaxTokens {
			end = EndContext
		}
	}
	// What was held back is the text's end, unless it makes a stop whole.
	found, err := p.pass(p.text.End())
	if err != nil {
		return err
	}
	if found {
		end = EndStop
	} else if err := p.put(p.stop.held); err != nil {
		return err
	}
	p.end(end)
	return nil
}

// pass takes more text, and puts what no stop can begin with.
func (p *place) pass(more string) (found bool, err error) {
	text, found := p.stop.add(more)
	return found, p.put(text)
}

func (p *place) put(text string) error {
	p.out.WriteString(text)
	if p.job.Put == nil || text == "" {
		return nil
	}
	return p.job.Put(p.sample, text)
}

func (p *place) completion(end string) Completion { return Completion{p.out.String(), p.written, end} }

func (p *place) end(why string) {
	p.live = false
	p.job.list[p.sample] = p.completion(why)
	p.job.live--
	p.job.ended++
}
