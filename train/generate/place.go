package generate

import (
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

	sample  int
	chooser *Chooser
	text    *Text
	stop    stopper
	out     strings.Builder
	written int       // tokens
	token   int32     // the last one
	first   []float32 // see scores
	scores  []float32 // behind the last token; Chooser.Next changes them
}

// place finds one for a sample of a job: one whose cache has its prompt, or room for it. It is nil if some text must end first.
func (w *Writer) place(j *job) *place {
	need, used := j.room(), 0
	var best *place
	for _, p := range w.places {
		used += p.room
		if p.live {
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
			if used+need > w.o.Room && !p.live && p != best {
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

// open begins a sample.
func (w *Writer) open(ctx context.Context, p *place, j *job) error {
	if p.job != j {
		if other := slices.IndexFunc(w.places, func(q *place) bool { return q.job == j }); other >= 0 {
			if err := p.cache.Copy(w.places[other].cache, len(j.prompt)); err != nil {
				return err
			}
		} else if err := w.read(ctx, p.cache, j); err != nil {
			return err
		}
	}
	p.cache.Truncate(len(j.prompt))
	p.job, p.live, p.sample, p.written = j, true, j.begun, 0
	p.first = append(p.first[:0], j.scores...)
	p.scores = p.first
	p.stop = stopper{stops: w.o.Stop}
	p.out.Reset()
	p.text.Begin(j.Prompt)
	p.chooser.Begin()
	for _, id := range j.prompt {
		p.chooser.See(id)
	}
	j.begun++
	j.live++
	return nil
}

// read has the model read a job's prompt: in parts, so that it can be stopped.
func (w *Writer) read(ctx context.Context, cache *model.Cache, j *job) error {
	cache.Truncate(0)
	for from := 0; from < len(j.prompt); from += PromptPart {
		if err := ctx.Err(); err != nil {
			return err
		}
		scores, err := w.m.Extend(cache, j.prompt[from:min(len(j.prompt), from+PromptPart)])
		if err != nil {
			return err
		}
		j.scores = append(j.scores[:0], scores[:w.known]...)
	}
	return nil
}

// next chooses the next token of a text, p.token, and passes on what is whole by now. If that ends it, p is no longer live.
func (w *Writer) next(p *place) error {
	j := p.job
	d := Draw{Seed: w.o.Seed, Record: j.Record, Sample: uint32(p.sample), Position: uint32(p.written)}
	token, err := p.chooser.Next(p.scores, d)
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
		if j.most < w.o.MaxTokens {
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
