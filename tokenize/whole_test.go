package tokenize

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
)

// wholeEnv names a file of cases as testdata/whole has them, to be compared instead. There {"file": PATH} may stand for
// a tokenizer.
const wholeEnv = "CURATE_WHOLE"

// wholeLine is a line of the file: a tokenizer, or a text and what HF tokenizers 0.23.3 answers with the last one.
type wholeLine struct {
	Tokenizer json.RawMessage `json:"tokenizer"`
	File      string          `json:"file"`
	Error     string          `json:"error"` // it does not load there, or panics

	Text          string   `json:"text"`
	IDs           []uint32 `json:"ids"`
	Offsets       []int    `json:"off"`      // in characters
	With          []uint32 `json:"with"`     // with special tokens around, if that differs
	WithOffsets   []int    `json:"with_off"` // the same
	AsText        []uint32 `json:"as_text"`  // special tokens in the text are text, if that differs
	AsTextOffsets []int    `json:"as_text_off"`
	Decoded       string   `json:"decoded"`
	Skipped       *string  `json:"skipped"` // With decoded without special tokens, if that differs
}

// TestWhole compares whole tokenizers, put together by chance of all kinds of components, with HF tokenizers.
func TestWhole(t *testing.T) {
	file := os.Getenv(wholeEnv)
	if file == "" {
		file = filepath.Join("testdata", "whole", "whole.jsonl.zst")
	}
	var tok *Tokenizer
	var encoders [3]*Encoder
	tokenizers, cases, agreed, refused, line := 0, 0, 0, 0, 0
	name := ""
	eachLine(t, file, func(data []byte) {
		line++
		var c wholeLine
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		switch {
		case c.Tokenizer != nil || c.File != "":
			tokenizers++
			var err error
			if name = c.File; c.File != "" {
				tok, err = Open(c.File)
			} else {
				name = fmt.Sprintf("line %d", line)
				tok, err = read(c.Tokenizer, "", "")
			}
			if err != nil {
				tok = nil
				refused++
				if c.Error == "" {
					t.Errorf("%s: %v\n%.3000s", name, err, c.Tokenizer)
				}
				return
			}
			for i, o := range []Options{{}, {AddSpecialTokens: true}, {SpecialsAsText: true}} {
				encoders[i] = tok.NewEncoder(o)
			}
		case tok == nil:
		default:
			cases++
			if err := tok.compareWhole(encoders, &c); err != nil {
				t.Errorf("%s, line %d: %.200q: %v", name, line, c.Text, err)
				return
			}
			agreed++
		}
	})
	if agreed == 0 {
		t.Fatal("nothing was compared")
	}
	t.Logf("%d of %d texts as HF tokenizers, with %d tokenizers; %d more are refused", agreed, cases, tokenizers-refused, refused)
}

// compareWhole wants no panic above all.
func (t *Tokenizer) compareWhole(encoders [3]*Encoder, c *wholeLine) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if c.With == nil {
		c.With, c.WithOffsets = c.IDs, c.Offsets
	}
	if c.AsText == nil {
		c.AsText, c.AsTextOffsets = c.IDs, c.Offsets
	}
	if c.Skipped == nil {
		c.Skipped = &c.Decoded
	}
	for i, want := range []struct {
		ids     []uint32
		offsets []int
	}{{c.IDs, c.Offsets}, {c.With, c.WithOffsets}, {c.AsText, c.AsTextOffsets}} {
		e := encoders[i]
		ids, err := e.Append(nil, []byte(c.Text))
		again, spans, err2 := e.AppendOffsets(nil, nil, []byte(c.Text))
		if (err == nil) != (err2 == nil) || !slices.Equal(ids, again) {
			return fmt.Errorf("%+v: ids %v, %v\nwith offsets %v, %v", e.o, ids, err, again, err2)
		}
		t.Decode(ids, DecodeOptions{})
		if parts, err := inParts(e, c.Text); err == nil && !slices.Equal(parts, ids) {
			return fmt.Errorf("%+v: ids %v\nin parts %v", e.o, ids, parts)
		}
		if c.Error != "" {
			continue
		}
		if err != nil || !slices.Equal(ids, want.ids) {
			return fmt.Errorf("%+v: %v\n got %v\nwant %v", e.o, err, ids, want.ids)
		}
		if off := inCharacters(c.Text, spans); !slices.Equal(off, want.offsets) {
			return fmt.Errorf("%+v: offsets of %v\n got %v\nwant %v", e.o, ids, off, want.offsets)
		}
	}
	if c.Error != "" {
		return nil
	}
	if got := t.Decode(c.IDs, DecodeOptions{}); got != c.Decoded {
		return fmt.Errorf("decoded\n got %q\nwant %q", got, c.Decoded)
	}
	if got := t.Decode(c.With, DecodeOptions{SkipSpecialTokens: true}); got != *c.Skipped {
		return fmt.Errorf("decoded without special tokens\n got %q\nwant %q", got, *c.Skipped)
	}
	return nil
}

// inParts encodes a text that comes in parts of a few bytes.
func inParts(e *Encoder, text string) (ids []uint32, err error) {
	s := e.NewStream()
	for i := 0; i < len(text); i += 5 {
		if ids, err = s.Write(ids, []byte(text[i:min(len(text), i+5)])); err != nil {
			return nil, err
		}
	}
	return s.Close(ids)
}

// TestShared has goroutines encode with the same tokenizers at a time.
func TestShared(t *testing.T) {
	var tok *Tokenizer
	var texts []string
	tokenizers := 0
	check := func() {
		if tok == nil || len(texts) == 0 {
			return
		}
		answers := make([]string, 3)
		var all sync.WaitGroup
		for k := range answers {
			all.Go(func() {
				e := tok.NewEncoder(Options{AddSpecialTokens: true})
				for _, text := range texts {
					ids, spans, err := e.AppendOffsets(nil, nil, []byte(text))
					answers[k] += fmt.Sprint(ids, spans, err, tok.Decode(ids, DecodeOptions{SkipSpecialTokens: true}))
				}
			})
		}
		all.Wait()
		if answers[0] != answers[1] || answers[0] != answers[2] {
			t.Errorf("tokenizer %d: goroutines get different answers", tokenizers)
		}
		texts = nil
	}
	eachLine(t, filepath.Join("testdata", "whole", "whole.jsonl.zst"), func(data []byte) {
		var c wholeLine
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		if c.Tokenizer == nil {
			texts = append(texts, c.Text)
			return
		}
		check()
		if tokenizers++; tokenizers > 60 {
			tok = nil
			return
		}
		tok, _ = read(c.Tokenizer, "", "")
	})
}
