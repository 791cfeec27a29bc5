package tokenize

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/model"
)

// tekkenJSON is Mistral's tekken.json (tokens/tokenizers/tekken.py@mistral-common 1.13.1): tiktoken's ranks with their
// regex. Ids are special tokens first, then ranks. Keys about images and sound do not matter to text.
type tekkenJSON struct {
	Config struct {
		Pattern    string `json:"pattern"`
		VocabSize  int    `json:"default_vocab_size"`
		NumSpecial int    `json:"default_num_special_tokens"`
		Version    string `json:"version"`
	} `json:"config"`
	Vocab []struct {
		Rank  int    `json:"rank"`
		Bytes []byte `json:"token_bytes"`
	} `json:"vocab"`
	Special []struct {
		Rank    int    `json:"rank"`
		Content string `json:"token_str"`
	} `json:"special_tokens"`
}

// tekkenSpecials are those of files that do not list them (DEPRECATED_SPECIAL_TOKENS there).
var tekkenSpecials = []string{
	"<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]",
	"[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
}

// isTekken says whether data is an object with a config that has a pattern.
func isTekken(data []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return false
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return false
		}
		switch name.String() {
		case "model", "added_tokens", "pre_tokenizer":
			return false // tokenizer.json
		case "config":
			v, err := d.ReadValue()
			return err == nil && bytes.Contains(v, []byte(`"pattern"`))
		}
		if d.SkipValue() != nil {
			return false
		}
	}
	return false
}

// newTekken reads a tekken.json. As Mistral does, <s> is what is put before a text.
func newTekken(data []byte) (*Tokenizer, error) {
	var f tekkenJSON
	err := json.Unmarshal(data, &f, jsontext.AllowDuplicateNames(true), json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, b *[]byte) error {
		v, err := d.ReadToken()
		if err != nil {
			return err
		}
		if v.Kind() != '"' {
			return errors.New("want a string")
		}
		*b, err = base64.StdEncoding.DecodeString(v.String())
		return err
	})))
	if err != nil {
		return nil, fmt.Errorf("not a tekken.json: %w", err)
	}
	c := &f.Config
	ranks := c.VocabSize - c.NumSpecial
	switch {
	case c.Pattern == "":
		return nil, errors.New("config.pattern: missing")
	case c.NumSpecial < 0 || ranks <= 0 || ranks > len(f.Vocab) || c.VocabSize >= model.MaxIDs:
		return nil, fmt.Errorf("config: %d entries with %d special tokens, and vocab lists %d; they do not fit together", c.VocabSize, c.NumSpecial, len(f.Vocab))
	case len(f.Special) > c.NumSpecial:
		return nil, fmt.Errorf("special_tokens: %d, where config says at most %d", len(f.Special), c.NumSpecial)
	}
	specials := make([]Token, c.NumSpecial)
	for i := range specials {
		specials[i].ID = uint32(i)
		if len(f.Special) == 0 && i < len(tekkenSpecials) {
			specials[i].Content = tekkenSpecials[i]
		} else {
			specials[i].Content = fmt.Sprintf("<SPECIAL_%d>", i)
		}
	}
	for i, s := range f.Special {
		if s.Rank < 0 || s.Rank >= c.NumSpecial || s.Content == "" {
			return nil, fmt.Errorf("special_tokens[%d]: rank %d, %q; want a rank below %d and a content", i, s.Rank, s.Content, c.NumSpecial)
		}
		specials[s.Rank].Content = s.Content
	}
	vocab := new(model.Vocabulary)
	vocab.Grow(c.VocabSize, c.VocabSize, len(data)/8)
	for i, v := range f.Vocab[:ranks] {
		if v.Rank != i {
			return nil, fmt.Errorf("vocab[%d]: rank %d; want them in order", i, v.Rank)
		}
		if err := vocab.Add(uint32(c.NumSpecial+i), v.Bytes); err != nil {
			return nil, fmt.Errorf("vocab[%d]: %w", i, err)
		}
	}
	t, err := newRanked(vocab, c.NumSpecial, ranks, c.Pattern, false, specials)
	if err != nil {
		return nil, err
	}
	if id, ok := t.ID("<s>"); ok {
		t.post.Before = []uint32{id}
	}
	t.info.Format = "tekken " + c.Version
	return t, nil
}
