package model

import (
	"errors"
	"strings"
	"testing"

	"curate/tokenize/component"
)

func TestRead(t *testing.T) {
	for _, c := range []struct{ model, want string }{
		{`{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}`, "model.dropout: merges left out at random"},
		{`{"type":"Other"}`, `model: model "Other"; known are BPE, Unigram, WordLevel, WordPiece`},
		{`{"type":"BPE","vocab":{"a":0},"merges":[],"more":1}`, "more"},
		{`{"type":"BPE","merges":[]}`, "model.vocab: want an object of tokens and ids"},
		{`{"type":"BPE","vocab":{}}`, "model.merges: want an array"},
		{`{"type":"BPE","vocab":{"a":-1},"merges":[]}`, `model.vocab: "a" has the id -1; want a whole number below 2097151`},
		{`{"type":"BPE","vocab":{"a":0},"merges":["a"]}`, `model.merges[0]: "a"; want two tokens and a space`},
		{`{"type":"BPE","vocab":{"a":0,"aa":1},"merges":["a a",["a"]]}`, "model.merges[1]: want two tokens"},
		{`{"type":"BPE","vocab":{"a":0,"aa":1},"merges":["a a","a b"]}`, `model.merges[1]: "b" is not in the vocabulary`},
		{`{"type":"BPE","vocab":{"a":0},"merges":["#version: 0.2","a a"]}`, `merge 0: "a" and "a" make "aa", which is no token`},
		{`{"type":"BPE","vocab":{"a":0},"merges":[7]}`, "model.merges: [0]: want a string or an array"},
		{`{"type":"WordPiece","unk_token":"a","continuing_subword_prefix":"##","vocab":{"a":0}}`, "model: no max_input_chars_per_word"},
		{`{"type":"WordPiece","unk_token":"a","max_input_chars_per_word":1,"vocab":{"a":0}}`, "model: no continuing_subword_prefix"},
		{`{"type":"WordPiece","vocab":{"a":0}}`, "model: no unk_token"},
		{`{"type":"WordLevel","vocab":{"a":0}}`, "model: no unk_token"},
		{`{"type":"Unigram","unk_id":0,"vocab":[]}`, "model: the vocabulary is empty"},
		{`{"type":"Unigram","unk_id":1,"vocab":[["a",0]]}`, "model: unk_id 1; there are 1 tokens"},
		{`{"type":"Unigram","vocab":[["a",0],["b"]]}`, `model.vocab[1]: "[\"b\"]"; want a token and its score`},
		{`{"type":"Unigram","vocab":[["a",0],["b","c"]]}`, `model.vocab[1]`},
		{`{"type":"Unigram","vocab":[["a",0],["b",1,2]]}`, `model.vocab[1]`},
		{`{"type":"Unigram","vocab":[["a",1e999]]}`, `model.vocab[0]: the score 1e999 is too large`},
		{`{"type":"Unigram","vocab":{"a":1}}`, `model.vocab: want an array of tokens and scores`},
		{`[]`, "model"},
		{`7`, "model"},
		{`{"type":7}`, "model"},
	} {
		_, err := Read("model", []byte(c.model), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "model") {
			t.Errorf("%s: %v, want %s", c.model, err, c.want)
		}
	}
	var unsupported *component.UnsupportedError
	if _, err := Read("model", []byte(`{"type":"Other"}`), nil); !errors.As(err, &unsupported) || unsupported.Path != "model" {
		t.Error(err)
	}
	for _, c := range []struct{ model, want string }{
		{`{"vocab":{"a":0},"merges":[]}`, "BPE"},
		{`{"vocab":{"a":0},"unk_token":"a"}`, "WordLevel"},
		{`{"vocab":{"a":0},"unk_token":"a","continuing_subword_prefix":"##","max_input_chars_per_word":100}`, "WordPiece"},
		{`{"vocab":[["a",0]],"unk_id":0}`, "Unigram"},
	} {
		m, err := Read("model", []byte(c.model), nil)
		if err != nil || m.Type() != c.want {
			t.Errorf("%s: %v, want %s", c.model, err, c.want)
		}
	}
}

// FuzzRead reads models and encodes with them. Of tokens, places follow each other and end with the piece's end, unless
// characters are left out.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"<unk>":3,"<0x41>":4},"merges":["a b"],"unk_token":"<unk>","fuse_unk":true,"byte_fallback":true}`,
		`{"type":"BPE","vocab":{"a":0,"#b":1,"ab</w>":2,"#b</w>":2},"merges":[["a","#b</w>"]],"continuing_subword_prefix":"#","end_of_word_suffix":"</w>","ignore_merges":true}`,
		`{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"a":0,"##b":1,"[UNK]":7}}`,
		`{"type":"WordLevel","unk_token":"u","vocab":{"a":0,"u":1}}`,
		`{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["u",0],["a",-1.5],["ab",-2e0],["",0],["<0x41>",1]]}`,
		`{"vocab":[],"merges":[]}`,
	} {
		f.Add(s, "abAé\xffb ab", false)
		f.Add(s, "ab", true)
	}
	decode := letters()
	f.Fuzz(func(t *testing.T, text, piece string, level bool) {
		d := decode
		if !level {
			d = nil
		}
		m, err := Read("model", []byte(text), d)
		if err != nil || piece == "" {
			return
		}
		e := m.NewEncoder()
		first, err1 := e.AppendPiece(nil, []byte(piece))
		again, err2 := e.AppendPiece(nil, []byte(piece))
		tokens, err3 := e.AppendTokens(nil, []byte(piece))
		if (err1 != nil) != (err2 != nil) || (err1 != nil) != (err3 != nil) {
			t.Fatalf("%v, %v, %v", err1, err2, err3)
		}
		if err1 != nil {
			return
		}
		if len(first) != len(tokens) || len(again) != len(tokens) {
			t.Fatalf("%v, %v, %v", first, again, tokens)
		}
		for i, tok := range tokens {
			if first[i] != tok.ID || again[i] != tok.ID {
				t.Fatalf("%v, %v, %v", first, again, tokens)
			}
			if !m.Vocabulary().Has(tok.ID) || tok.From < 0 || tok.To < tok.From {
				t.Fatalf("%v of %q", tok, piece)
			}
		}
	})
}
