package chat

import (
	"bytes"
	"errors"
	"fmt"

	"curate/tokenize"
)

// Prefix rendering makes the text of a chat twice for each turn of the assistant, so that it takes time by the square of
// their number. These bounds are half a second of it, about: 900 messages, or of 2,000 bytes each 250.
const (
	maxPrefixMessages = 400_000
	maxPrefixBytes    = 128 << 20 // of messages and text
)

// Spans is the text of a chat and what of it a model is to learn.
type Spans struct {
	Rendered
	// Trained has the bytes [from, to) that are learnt, in order; nil with All for everything.
	Trained [][2]int
	All     bool
	// Overlap says that a token counts if it overlaps a span, else if it begins in one.
	Overlap bool
}

// Spans renders a chat and finds what on says.
//
// If the template has {% generation %} marks, what they enclose is the assistant's, as with transformers'
// return_assistant_tokens_mask: a token counts if it overlaps a span. Otherwise the spans are found by rendering: a
// turn of the assistant is what the chat up to and with it has more than the chat before it with the generation prompt,
// so the end of the turn belongs to it, and a line feed behind that if the template writes one. A token counts if it
// begins there. Both texts must be the beginning of the whole chat's: where they are not, as with Qwen3's, which
// leaves out earlier thoughts, or where the chat begins with the assistant, there is no safe mask, and an error.
func (f *Format) Spans(messages []Message, p *Params, on TrainOn) (*Spans, error) {
	full, err := f.Render(messages, p)
	if err != nil {
		return nil, err
	}
	s := &Spans{Rendered: full}
	switch on {
	case All:
		s.All = true
		return s, nil
	case Completion:
		return nil, errors.New(`train on completion: the row has no "prompt" and "completion"; train on assistant, last or all`)
	}
	said := 0
	for _, m := range messages {
		if m.Role == "assistant" {
			said++
		}
	}
	switch {
	case full.Marked && on != Last:
		s.Trained, s.Overlap = full.Generated, true
		return s, nil
	case full.Marked && len(full.Generated) == said && said > 0:
		s.Trained, s.Overlap = full.Generated[said-1:], true
		return s, nil
	}
	first := 0
	if on == Last {
		first = said - 1
	}
	s.Trained, err = f.prefixSpans(full.Text, messages, p, first)
	return s, err
}

// prefixSpans finds the turns of the assistant from the one numbered first on.
func (f *Format) prefixSpans(full []byte, messages []Message, p *Params, first int) ([][2]int, error) {
	var spans [][2]int
	before, with := *p, *p
	before.AddGenerationPrompt, before.ContinueFinal = true, ""
	with.AddGenerationPrompt, with.ContinueFinal = false, ""
	said, rendered, size, bytesRendered := 0, 0, 0, 0
	for i, m := range messages {
		size += len(m.JSON)
		if m.Role != "assistant" {
			continue
		}
		if said++; said <= first {
			continue
		}
		if i == 0 {
			return nil, unsafe(0, "nothing comes before it")
		}
		if rendered += 2 * i; rendered > maxPrefixMessages || bytesRendered > maxPrefixBytes {
			return nil, unsafe(i, "the chat has too many turns to render them one by one")
		}
		a, err := f.Render(messages[:i], &before)
		if err != nil {
			return nil, unsafe(i, "what comes before it alone: "+err.Error())
		}
		b, err := f.Render(messages[:i+1], &with)
		if err != nil {
			return nil, unsafe(i, "the chat up to it: "+err.Error())
		}
		if !bytes.HasPrefix(b.Text, a.Text) || !bytes.HasPrefix(full, b.Text) {
			return nil, unsafe(i, "the template writes what comes before it otherwise with it than without, or with what follows")
		}
		spans = append(spans, [2]int{len(a.Text), len(b.Text)})
		bytesRendered += 2*size + len(a.Text) + len(b.Text)
	}
	return spans, nil
}

func unsafe(i int, why string) error {
	return fmt.Errorf("no safe loss mask for messages[%d]: %s; use a template with {%% generation %%}, or train on all", i, why)
}

// AppendMask appends 1 for each token that is learnt and 0 for the others; tokens are the bytes of the text that each
// stands for.
func (s *Spans) AppendMask(dst []byte, tokens []tokenize.Span) []byte {
	k := 0
	for _, t := range tokens {
		for k < len(s.Trained) && int(t.From) >= s.Trained[k][1] {
			k++
		}
		learnt := s.All
		if k < len(s.Trained) {
			if s.Overlap {
				learnt = learnt || int(t.To) > s.Trained[k][0]
			} else {
				learnt = learnt || int(t.From) >= s.Trained[k][0]
			}
		}
		dst = append(dst, bit(learnt))
	}
	return dst
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
