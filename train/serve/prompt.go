package serve

import (
	"errors"
	"fmt"
	"slices"

	"curate/record"
	"curate/train/generate"
)

// prompt is what a completion goes on from.
type prompt struct {
	text   string // for echo
	isText bool   // or else token ids
	ids    []uint32
	head   int // of ids, those at the beginning that are not in the text, such as BOS
	most   int // tokens of a completion
}

// encode makes token ids of a request's prompts, of a chat one by the template, and makes sure that the model can go on from them.
func (s *Server) encode(a *request) error {
	if a.on == onChat {
		ids, err := s.chat(a)
		if err != nil {
			return &problem{param: "messages", code: "invalid_value", message: err.Error()}
		}
		a.prompts = []prompt{{ids: ids}}
	}
	for i := range a.prompts {
		p := &a.prompts[i]
		where := "prompt"
		switch {
		case a.on == onChat:
			where = "messages"
		case len(a.prompts) > 1:
			where = fmt.Sprintf("prompt[%d]", i)
		}
		if err := s.encodeOne(p, a.echo); err != nil {
			return &problem{param: where, code: "invalid_value", message: where + ": " + err.Error()}
		}
		room := s.Context - len(p.ids)
		if room < 0 || room == 0 && a.most != 0 {
			return &problem{param: where, code: "context_length_exceeded", message: fmt.Sprintf("%s: the model's maximum context length is %d tokens, and the prompt has %d, so that there is no room to write; shorten it", where, s.Context, len(p.ids))}
		}
		if p.most = room; a.most >= 0 {
			p.most = min(room, a.most)
		}
	}
	return nil
}

func (s *Server) encodeOne(p *prompt, echo bool) (err error) {
	if p.isText {
		s.encoder.Lock()
		p.ids, err = s.Prompts.Encode([]byte(p.text))
		s.encoder.Unlock()
		if err != nil {
			return err
		}
		if before, _ := s.Tokenizer.Around(); p.text == "" {
			p.head = len(p.ids)
		} else {
			p.head = len(before)
		}
		return nil
	}
	if len(p.ids) == 0 {
		return errors.New("it has no token, and a model goes on from one at least")
	}
	if i := slices.IndexFunc(p.ids, func(id uint32) bool { return int64(id) >= int64(s.Vocabulary) }); i >= 0 {
		return fmt.Errorf("token %d is %d, and the model knows %d", i, p.ids[i], s.Vocabulary)
	}
	if echo {
		x := generate.NewText(s.Tokenizer)
		x.Begin(nil)
		b := make([]byte, 0, 4*len(p.ids))
		for _, id := range p.ids {
			b = append(b, x.Add(id)...)
		}
		p.text = string(append(b, x.End()...))
	}
	return nil
}

// chat makes the tokens of messages, as of a row of training data.
func (s *Server) chat(a *request) ([]uint32, error) {
	line := append([]byte(`{"messages":`), a.messages...)
	if a.variables != nil {
		line = append(append(line, `,"chat_template_kwargs":`...), a.variables...)
	}
	var b record.Batch
	r := b.Append(0, 1, append(line, '}'))
	if b.Parse(); r.Err != nil {
		return nil, r.Err
	}
	s.encoder.Lock()
	defer s.encoder.Unlock()
	return s.Chats.Prompt(r)
}
