package tokenize

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

type templateJSON struct {
	Type          string                 `json:"type"`
	Single        []pieceJSON            `json:"single"`
	Pair          jsontext.Value         `json:"pair"` // of two texts: not ours
	SpecialTokens map[string]specialJSON `json:"special_tokens"`
}

type pieceJSON struct {
	SpecialToken *struct {
		ID     string `json:"id"`
		TypeID int    `json:"type_id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID     string `json:"id"`
		TypeID int    `json:"type_id"`
	} `json:"Sequence"`
}

type specialJSON struct {
	ID     string   `json:"id"`
	IDs    []uint32 `json:"ids"`
	Tokens []string `json:"tokens"`
}

// maxAround is how many ids AddSpecialTokens may put around a text. Real files have three at most; they come with every
// text, and a template that names a token of many ids again and again would make a small file into billions.
const maxAround = 1 << 12

// readPostProcessor learns what AddSpecialTokens puts around a text.
func (t *Tokenizer) readPostProcessor(path string, v jsontext.Value, depth int) error {
	if isNull(v) {
		return nil
	}
	kind, err := typeOf(path, v)
	if err != nil {
		return err
	}
	t.info.PostProcessor = kind
	switch kind {
	case "ByteLevel": // it trims offsets, and has no say in ids
		return nil
	case "TemplateProcessing":
		return t.readTemplate(path, v)
	case "Sequence":
		if depth == maxDepth {
			return tooDeep(path)
		}
		var s sequenceJSON
		if err := decode(path, v, &s); err != nil {
			return err
		}
		for i, p := range s.Processors {
			if err := t.readPostProcessor(fmt.Sprintf("%s.processors[%d]", path, i), p, depth+1); err != nil {
				return err
			}
		}
		t.info.PostProcessor = kind
		return nil
	}
	return &UnsupportedError{path, fmt.Sprintf("post-processor %q; only ByteLevel and TemplateProcessing are known", kind)}
}

func (t *Tokenizer) readTemplate(path string, v jsontext.Value) error {
	var tpl templateJSON
	if err := decode(path, v, &tpl); err != nil {
		return err
	}
	if t.prefix != nil || t.suffix != nil {
		return &UnsupportedError{path, "a second TemplateProcessing"}
	}
	seen := false
	for i, p := range tpl.Single {
		at := fmt.Sprintf("%s.single[%d]", path, i)
		switch {
		case p.Sequence != nil && p.SpecialToken == nil:
			if p.Sequence.ID != "A" || seen {
				return &UnsupportedError{at, "a template that does not have the text once"}
			}
			seen = true
		case p.SpecialToken != nil && p.Sequence == nil:
			s, ok := tpl.SpecialTokens[p.SpecialToken.ID]
			if !ok {
				return fmt.Errorf("%s: %q is not among special_tokens", at, p.SpecialToken.ID)
			}
			if len(t.prefix)+len(t.suffix)+len(s.IDs) > maxAround {
				return &UnsupportedError{at, fmt.Sprintf("a template with more than %d ids", maxAround)}
			}
			for _, id := range s.IDs {
				if !t.vocab.Has(id) {
					return fmt.Errorf("%s.special_tokens: %q has id %d, which is no token", path, p.SpecialToken.ID, id)
				}
			}
			if seen {
				t.suffix = append(t.suffix, s.IDs...)
			} else {
				t.prefix = append(t.prefix, s.IDs...)
			}
		default:
			return fmt.Errorf("%s: want SpecialToken or Sequence", at)
		}
	}
	if !seen {
		return &UnsupportedError{path + ".single", "a template that does not have the text once"}
	}
	return nil
}
