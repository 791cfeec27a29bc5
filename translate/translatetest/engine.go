package translatetest

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"curate/translate/marian"
)

// Engine is a model in this process that computes nothing: it translates word by word as a Server of mood "ok" does, and aligns. The
// zero value is one; set its fields before the first call. It may be used from any goroutine.
type Engine struct {
	Longest   int           // words of a text, beyond which it is cut; 0 no limit
	Endless   string        // a text that holds it has no end; "" none has
	Empty     string        // a text that holds it has an empty translation
	Broken    string        // a text that holds it is translated to itself
	Reverse   bool          // words come in the opposite order
	Loses     string        // is lost from a text, as what a model keeps not: "XQ"
	Strange   string        // characters without a piece
	Scrambled *rand.Rand    // alignments are random, and nonsense among them; only from one goroutine
	Pause     time.Duration // before each text

	mu    sync.Mutex
	texts []string
	calls int
}

// Name is that of no folder.
func (e *Engine) Name() string { return "pseudo" }

// Digest goes by what the translations depend on.
func (e *Engine) Digest() string {
	if e.Reverse {
		return "5eed01"
	}
	return "5eed00"
}

// Memory is a megabyte.
func (e *Engine) Memory() int64 { return 1 << 20 }

// Unknown says whether one of Strange is in text.
func (e *Engine) Unknown(text string) bool { return strings.ContainsAny(text, e.Strange) }

// Close does nothing.
func (e *Engine) Close() error { return nil }

// Seen is how often it was called, and the texts in the order in which they came.
func (e *Engine) Seen() (calls int, texts []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls, append([]string(nil), e.texts...)
}

// Translate translates texts one by one.
func (e *Engine) Translate(ctx context.Context, texts []string, align bool) ([]marian.Translation, error) {
	e.mu.Lock()
	e.calls++
	e.mu.Unlock()
	out := make([]marian.Translation, len(texts))
	for i, text := range texts {
		if e.Pause > 0 {
			select {
			case <-time.After(e.Pause):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		e.mu.Lock()
		e.texts = append(e.texts, text)
		e.mu.Unlock()
		out[i] = e.one(text, align)
	}
	return out, nil
}

func (e *Engine) one(text string, align bool) marian.Translation {
	holds := func(what string) bool { return what != "" && strings.Contains(text, what) }
	pieces := piecesOf(text)
	words := 0
	for _, p := range pieces {
		if r, _ := utf8.DecodeRuneInString(text[p.From:]); unicode.IsLetter(r) {
			words++
		}
	}
	t := marian.Translation{SourceTokens: len(pieces) + 1, Cut: e.Longest > 0 && words > e.Longest || holds(e.Endless)}
	order := make([]int, 0, len(pieces))
	for i := range pieces {
		order = append(order, i)
	}
	if e.Reverse { // words; marks stay where they are
		var at []int
		for i, p := range pieces {
			if r, _ := utf8.DecodeRuneInString(text[p.From:]); unicode.IsLetter(r) || unicode.IsDigit(r) {
				at = append(at, i)
			}
		}
		for k, i := range at {
			order[i] = at[len(at)-1-k]
		}
	}
	var s Server
	var b strings.Builder
	end := 0
	for i, from := range order {
		b.WriteString(text[end:pieces[i].From]) // white space stays, too
		end = pieces[i].To
		word := text[pieces[from].From:pieces[from].To]
		if e.Loses != "" && strings.HasPrefix(word, e.Loses) {
			continue
		}
		begin := b.Len()
		if holds(e.Broken) {
			b.WriteString(word)
		} else {
			b.WriteString(s.Translate(word))
		}
		t.Target = append(t.Target, marian.Piece{From: begin, To: b.Len(), Source: from})
	}
	b.WriteString(text[end:])
	t.Text = b.String()
	if holds(e.Empty) {
		t.Text, t.Target = "", nil
	}
	t.Source = append(pieces, marian.Piece{From: len(text), To: len(text)})
	t.Target = append(t.Target, marian.Piece{From: len(t.Text), To: len(t.Text), Source: len(pieces)})
	t.TargetTokens, t.LogProb = len(t.Target), -float64(len(t.Target))/100
	if r := e.Scrambled; r != nil {
		for k := range t.Target {
			t.Target[k] = marian.Piece{From: r.IntN(len(t.Text)+4) - 2, To: r.IntN(len(t.Text)+4) - 2, Source: r.IntN(len(t.Source)+2) - 1}
		}
		for k := range t.Source {
			t.Source[k] = marian.Piece{From: r.IntN(len(text)+4) - 2, To: r.IntN(len(text)+4) - 2}
		}
	}
	if !align {
		t.Source, t.Target = nil, nil
	}
	return t
}

// piecesOf are runs of letters and digits, and every other character that is no white space.
func piecesOf(text string) (list []marian.Piece) {
	for i := 0; i < len(text); {
		from := i
		for i < len(text) {
			r, n := utf8.DecodeRuneInString(text[i:])
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' {
				break
			}
			i += n
		}
		if i == from {
			r, n := utf8.DecodeRuneInString(text[i:])
			i += n
			if unicode.IsSpace(r) {
				continue
			}
		}
		list = append(list, marian.Piece{From: from, To: i})
	}
	return list
}
