package model

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// kinds are the types that a model may have in tokenizer.json, sorted.
var kinds = []struct {
	name string
	read func(path string, v jsontext.Value) (Model, error)
}{
	{"BPE", readSymbols},
	{"Unigram", readUnigram},
	{"WordLevel", readWordLevel},
	{"WordPiece", readWordPiece},
}

// Read reads the component model, which stands at path in a tokenizer.json. If a component ByteLevel of the same file
// spells bytes in its alphabet, decode turns what a token is written as into its bytes (ok is false if it is not
// written in that alphabet): pieces are bytes then, and the vocabulary's tokens too; tokens not written in the alphabet
// stand there as written and are not looked up. Without such a component decode is nil. A BPE over bytes is a
// [ByteLevel]. An error is a *component.UnsupportedError where a part of the model is not known.
func Read(path string, v jsontext.Value, decode func(dst, name []byte) (out []byte, ok bool)) (Model, error) {
	kind, err := component.Type(path, v)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		if kind, err = guess(path, v); err != nil {
			return nil, err
		}
	}
	if kind == "BPE" && decode != nil {
		if m, err := readByteLevel(path, v, decode); m != nil || err != nil {
			return m, err
		}
	}
	i := slices.IndexFunc(kinds, func(k struct {
		name string
		read func(string, jsontext.Value) (Model, error)
	}) bool {
		return k.name == kind
	})
	if i < 0 {
		var names []string
		for _, k := range kinds {
			names = append(names, k.name)
		}
		return nil, &component.UnsupportedError{Path: path, Problem: fmt.Sprintf("model %q; known are %s", kind, strings.Join(names, ", "))}
	}
	m, err := kinds[i].read(path, v)
	if err != nil || decode == nil {
		return m, err
	}
	return newSpelled(path, m, decode)
}

// guess is the type of a model that says none, as files of early versions do: HF tokenizers takes the first whose keys
// are all there (ModelUntagged in models/mod.rs).
func guess(path string, v jsontext.Value) (string, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true))
	if v.Kind() != '{' {
		return "", fmt.Errorf("%s: want an object", path)
	}
	if _, err := dec.ReadToken(); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	kind := "WordLevel"
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		key := name.String()
		value := dec.PeekKind()
		if err := dec.SkipValue(); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		switch {
		case key == "merges":
			return "BPE", nil
		case key == "max_input_chars_per_word":
			kind = "WordPiece"
		case key == "vocab" && value == '[':
			kind = "Unigram"
		}
	}
	return kind, nil
}

type bpeJSON struct {
	Type                    string         `json:"type"`
	Dropout                 *float64       `json:"dropout"`
	UnkToken                *string        `json:"unk_token"`
	ContinuingSubwordPrefix *string        `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string        `json:"end_of_word_suffix"`
	FuseUnk                 bool           `json:"fuse_unk"`
	ByteFallback            bool           `json:"byte_fallback"`
	IgnoreMerges            bool           `json:"ignore_merges"`
	Vocab                   jsontext.Value `json:"vocab"`
	Merges                  jsontext.Value `json:"merges"`
}

func (m *bpeJSON) read(path string, v jsontext.Value) error {
	if err := component.Decode(path, v, m); err != nil {
		return err
	}
	if m.Dropout != nil && *m.Dropout != 0 {
		return &component.UnsupportedError{Path: path + ".dropout", Problem: "merges left out at random"}
	}
	if m.Merges.Kind() != '[' {
		return fmt.Errorf("%s.merges: want an array", path)
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// readByteLevel is nil if the model is more than a [BPE] can be: if not every byte has a token, if tokens are written
// with a prefix or a suffix, if a token has two ids or an id two tokens.
func readByteLevel(path string, v jsontext.Value, decode func(dst, name []byte) ([]byte, bool)) (Model, error) {
	var f bpeJSON
	if err := f.read(path, v); err != nil {
		return nil, err
	}
	if text(f.ContinuingSubwordPrefix) != "" || text(f.EndOfWordSuffix) != "" {
		return nil, nil
	}
	vocab := new(Vocabulary)
	// A token takes at least `"x":0,`. The file has been read whole, so this is bounded by its size.
	count := min(bytes.Count(f.Vocab, []byte{','})+1, MaxIDs)
	vocab.Grow(count, count, len(f.Vocab))
	var token []byte
	twice := false // a token or an id
	err := eachToken(path+".vocab", f.Vocab, func(name []byte, id uint32) error {
		out, ok := decode(token[:0], name)
		token = out
		add := vocab.AddOpaque
		if ok {
			add, name = vocab.Add, token
		}
		err := add(id, name)
		if err != nil && id < MaxIDs {
			twice, err = true, nil
		}
		return err
	})
	if err != nil || twice {
		return nil, err
	}
	for b := range 256 {
		if _, ok := vocab.Lookup([]byte{byte(b)}); !ok {
			return nil, nil
		}
	}
	var merges [][2]uint32
	err = eachMerge(path+".merges", f.Merges, func(name []byte) (id uint32, ok bool) {
		if token, ok = decode(token[:0], name); ok {
			id, ok = vocab.Lookup(token)
		}
		return id, ok
	}, func(_ [2][]byte, ids [2]uint32) error {
		merges = append(merges, ids)
		return nil
	})
	if err != nil {
		return nil, err
	}
	m, err := NewBPE(vocab, merges, f.IgnoreMerges)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ByteLevel{m}, nil
}

func readSymbols(path string, v jsontext.Value) (Model, error) {
	var f bpeJSON
	if err := f.read(path, v); err != nil {
		return nil, err
	}
	vocab, err := readVocabulary(path+".vocab", f.Vocab)
	if err != nil {
		return nil, err
	}
	o := SymbolsOptions{
		Unk: text(f.UnkToken), HasUnk: f.UnkToken != nil, FuseUnk: f.FuseUnk, ByteFallback: f.ByteFallback,
		Prefix: text(f.ContinuingSubwordPrefix), Suffix: text(f.EndOfWordSuffix), IgnoreMerges: f.IgnoreMerges,
	}
	var list []symbolMerge
	var both []byte
	err = eachMerge(path+".merges", f.Merges, vocab.Lookup, func(names [2][]byte, ids [2]uint32) error {
		merge := symbolMerge{left: ids[0], right: ids[1]}
		var err error
		if merge.made, both, err = joined(vocab, both, names[0], names[1], o.Prefix); err != nil {
			return fmt.Errorf("%s: merge %d: %w", path, len(list), err)
		}
		list = append(list, merge)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return newSymbols(vocab, list, o), nil
}

type wordPieceJSON struct {
	Type     string         `json:"type"`
	UnkToken *string        `json:"unk_token"`
	Prefix   *string        `json:"continuing_subword_prefix"`
	MaxChars *uint64        `json:"max_input_chars_per_word"`
	Vocab    jsontext.Value `json:"vocab"`
}

func readWordPiece(path string, v jsontext.Value) (Model, error) {
	var f wordPieceJSON
	if err := component.Decode(path, v, &f); err != nil {
		return nil, err
	}
	switch {
	case f.UnkToken == nil:
		return nil, fmt.Errorf("%s: no unk_token", path)
	case f.Prefix == nil:
		return nil, fmt.Errorf("%s: no continuing_subword_prefix", path)
	case f.MaxChars == nil:
		return nil, fmt.Errorf("%s: no max_input_chars_per_word", path)
	}
	vocab, err := readVocabulary(path+".vocab", f.Vocab)
	if err != nil {
		return nil, err
	}
	m, err := NewWordPiece(vocab, *f.UnkToken, *f.Prefix, int(min(*f.MaxChars, 1<<31-1)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

type wordLevelJSON struct {
	Type     string         `json:"type"`
	UnkToken *string        `json:"unk_token"`
	Vocab    jsontext.Value `json:"vocab"`
}

func readWordLevel(path string, v jsontext.Value) (Model, error) {
	var f wordLevelJSON
	if err := component.Decode(path, v, &f); err != nil {
		return nil, err
	}
	if f.UnkToken == nil {
		return nil, fmt.Errorf("%s: no unk_token", path)
	}
	vocab, err := readVocabulary(path+".vocab", f.Vocab)
	if err != nil {
		return nil, err
	}
	return NewWordLevel(vocab, *f.UnkToken), nil
}

// readVocabulary reads tokens as they are written. As in HF tokenizers, of a token that stands there twice the later
// place counts, and two tokens may have the same id.
func readVocabulary(path string, v jsontext.Value) (*Vocabulary, error) {
	type entry struct{ to, id uint32 }
	var names []byte
	var list []entry
	size := uint32(0)
	err := eachToken(path, v, func(name []byte, id uint32) error {
		names = append(names, name...)
		list = append(list, entry{uint32(len(names)), id})
		size = max(size, id+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	vocab := new(Vocabulary)
	vocab.Grow(len(list), int(size), len(names))
	for i := len(list) - 1; i >= 0; i-- {
		from := uint32(0)
		if i > 0 {
			from = list[i-1].to
		}
		name, id := names[from:list[i].to], list[i].id
		if _, ok := vocab.Lookup(name); ok {
			continue
		}
		if vocab.Has(id) {
			vocab.addAlias(id, name)
		} else if err := vocab.Add(id, name); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return vocab, nil
}

// eachToken calls f for the tokens of an object of tokens and ids, in their order.
func eachToken(path string, v jsontext.Value, f func(name []byte, id uint32) error) error {
	if v.Kind() != '{' {
		return fmt.Errorf("%s: want an object of tokens and ids", path)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var name []byte
	for dec.PeekKind() != '}' {
		raw, err := dec.ReadValue()
		if err == nil {
			name, err = jsontext.AppendUnquote(name[:0], raw)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		raw, err = dec.ReadValue()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		id, ok := number(raw)
		if !ok {
			return fmt.Errorf("%s: %q has the id %s; want a whole number below %d", path, name, excerpt(raw), MaxIDs)
		}
		if err := f(name, id); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func excerpt(raw []byte) []byte { return raw[:min(len(raw), 40)] }

// number reads an id: digits alone.
func number(raw []byte) (uint32, bool) {
	if len(raw) == 0 || len(raw) > 9 {
		return 0, false
	}
	var n uint32
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint32(c-'0')
	}
	return n, n < MaxIDs
}

// eachMerge reads ["a b", …] or [["a", "b"], …]: the second form is newer and can hold tokens with spaces. Strings
// that begin with #version are the first line of a merges.txt, and no merges (convert_merges_to_hashmap in HF's
// models/bpe/model.rs).
//
// f is called for each pair, with the tokens as they are written and their ids.
func eachMerge(path string, v jsontext.Value, lookup func(name []byte) (uint32, bool), f func(names [2][]byte, ids [2]uint32) error) error {
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := dec.ReadToken(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	n := 0
	var text []byte
	for dec.PeekKind() != ']' {
		var parts [2][]byte
		var lengths [2]int
		text = text[:0]
		var err error
		switch dec.PeekKind() {
		case '"':
			var raw jsontext.Value
			if raw, err = dec.ReadValue(); err == nil {
				text, err = jsontext.AppendUnquote(text, raw)
			}
			if err == nil && bytes.HasPrefix(text, []byte("#version")) {
				continue
			}
			space := bytes.IndexByte(text, ' ')
			if err == nil && (space < 0 || bytes.IndexByte(text[space+1:], ' ') >= 0) {
				return fmt.Errorf("%s[%d]: %q; want two tokens and a space between them", path, n, excerpt(text))
			}
			if err == nil {
				parts = [2][]byte{text[:space], text[space+1:]}
			}
		case '[':
			k := 0
			_, err = dec.ReadToken()
			for ; err == nil && dec.PeekKind() == '"' && k < 2; k++ {
				var raw jsontext.Value
				if raw, err = dec.ReadValue(); err == nil {
					text, err = jsontext.AppendUnquote(text, raw)
					lengths[k] = len(text)
				}
			}
			if err == nil && (k < 2 || dec.PeekKind() != ']') {
				return fmt.Errorf("%s[%d]: want two tokens", path, n)
			}
			if err == nil {
				_, err = dec.ReadToken()
			}
			parts = [2][]byte{text[:lengths[0]], text[lengths[0]:lengths[1]]}
		default:
			if _, err = dec.ReadValue(); err == nil {
				err = fmt.Errorf("[%d]: want a string or an array", n)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		var pair [2]uint32
		for k, name := range parts {
			id, ok := lookup(name)
			if !ok {
				return fmt.Errorf("%s[%d]: %q is not in the vocabulary", path, n, excerpt(name))
			}
			pair[k] = id
		}
		if n++; n > MaxMerges {
			return fmt.Errorf("%s: more than %d", path, MaxMerges)
		}
		if err := f(parts, pair); err != nil {
			return err
		}
	}
	return nil
}
