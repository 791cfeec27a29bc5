package tokenize

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/model"
	"curate/tokenize/pretokenizer"
)

// The file, as serde in HF tokenizers 0.23.3 writes it (src/tokenizer/serialization.rs and each component's). A key
// that is not here is refused: it could mean anything.
type fileJSON struct {
	Version       jsontext.Value `json:"version"`
	Truncation    jsontext.Value `json:"truncation"`
	Padding       jsontext.Value `json:"padding"`
	AddedTokens   []addedJSON    `json:"added_tokens"`
	Normalizer    jsontext.Value `json:"normalizer"`
	PreTokenizer  jsontext.Value `json:"pre_tokenizer"`
	PostProcessor jsontext.Value `json:"post_processor"`
	Decoder       jsontext.Value `json:"decoder"`
	Model         jsontext.Value `json:"model"`
}

type addedJSON struct {
	ID         *uint32 `json:"id"`
	Content    string  `json:"content"`
	SingleWord bool    `json:"single_word"`
	LStrip     bool    `json:"lstrip"`
	RStrip     bool    `json:"rstrip"`
	Normalized bool    `json:"normalized"`
	Special    bool    `json:"special"`
}

type bpeJSON struct {
	Type                    string         `json:"type"` // files of early versions have none
	Dropout                 *float64       `json:"dropout"`
	UnkToken                *string        `json:"unk_token"` // never asked for: every byte has a token
	ContinuingSubwordPrefix *string        `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string        `json:"end_of_word_suffix"`
	FuseUnk                 bool           `json:"fuse_unk"` // as unk_token
	ByteFallback            bool           `json:"byte_fallback"`
	IgnoreMerges            bool           `json:"ignore_merges"`
	Vocab                   jsontext.Value `json:"vocab"`
	Merges                  jsontext.Value `json:"merges"`
}

type byteLevelJSON struct {
	Type           string `json:"type"`
	AddPrefixSpace *bool  `json:"add_prefix_space"`
	TrimOffsets    *bool  `json:"trim_offsets"` // of offsets, which nobody asks for here
	UseRegex       *bool  `json:"use_regex"`
}

type splitJSON struct {
	Type    string `json:"type"`
	Pattern struct {
		Regex  *string `json:"Regex"`
		String *string `json:"String"`
	} `json:"pattern"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`
}

// maxDepth is how deep Sequences may stand in one another. Real files have one; each level is read again with all that
// is in it, so that without a limit a small file could take minutes.
const maxDepth = 8

type sequenceJSON struct {
	Type          string           `json:"type"`
	Pretokenizers []jsontext.Value `json:"pretokenizers"`
	Processors    []jsontext.Value `json:"processors"`
	Normalizers   []jsontext.Value `json:"normalizers"`
}

// decode reads value, which stands at path in the file. Names that stand twice are looked for in the vocabulary alone,
// where they are many and matter.
func decode(path string, value []byte, out any) error {
	if err := json.Unmarshal(value, out, json.RejectUnknownMembers(true), jsontext.AllowDuplicateNames(true)); err != nil {
		if path == "" {
			return fmt.Errorf("not a tokenizer.json: %w", err)
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func isNull(v jsontext.Value) bool { return len(v) == 0 || v.Kind() == 'n' }

// typeOf is the type of the component at path.
func typeOf(path string, v jsontext.Value) (string, error) {
	var c struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(v, &c, jsontext.AllowDuplicateNames(true)); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return c.Type, nil
}

func parse(data []byte) (*Tokenizer, error) {
	var f fileJSON
	if err := decode("", data, &f); err != nil {
		return nil, err
	}
	if isNull(f.Model) {
		return nil, fmt.Errorf(`not a tokenizer.json: it has no "model"`)
	}
	t := &Tokenizer{special: map[uint32]bool{}}
	// The small components first: what is wrong with them is said at once.
	for _, part := range []struct {
		path  string
		value jsontext.Value
		read  func(path string, v jsontext.Value) error
	}{
		{"normalizer", f.Normalizer, func(path string, v jsontext.Value) error { return t.readNormalizer(path, v, 0) }},
		{"pre_tokenizer", f.PreTokenizer, t.readPreTokenizer},
		{"decoder", f.Decoder, t.readDecoder},
		{"model", f.Model, t.readModel},
	} {
		if err := part.read(part.path, part.value); err != nil {
			return nil, err
		}
	}
	if err := t.readAdded(f.AddedTokens); err != nil {
		return nil, err
	}
	if err := t.readPostProcessor("post_processor", f.PostProcessor, 0); err != nil { // its ids must exist
		return nil, err
	}
	if !isNull(f.Truncation) {
		t.info.Ignored = append(t.info.Ignored, "truncation (texts are encoded whole)")
	}
	if !isNull(f.Padding) {
		t.info.Ignored = append(t.info.Ignored, "padding (nothing is added to short texts)")
	}
	t.describe()
	return t, nil
}

func tooDeep(path string) error {
	return &UnsupportedError{path, fmt.Sprintf("more than %d Sequences in one another", maxDepth)}
}

func (t *Tokenizer) readNormalizer(path string, v jsontext.Value, depth int) error {
	if isNull(v) {
		return nil
	}
	kind, err := typeOf(path, v)
	if err != nil {
		return err
	}
	switch kind {
	case "NFC":
		t.nfc = true
	case "Sequence":
		if depth == maxDepth {
			return tooDeep(path)
		}
		var s sequenceJSON
		if err := decode(path, v, &s); err != nil {
			return err
		}
		for i, n := range s.Normalizers {
			if err := t.readNormalizer(fmt.Sprintf("%s.normalizers[%d]", path, i), n, depth+1); err != nil {
				return err
			}
		}
	default:
		return &UnsupportedError{path, fmt.Sprintf("normalizer %q; only NFC is known", kind)}
	}
	t.info.Normalizer = kind
	return nil
}

func (t *Tokenizer) readPreTokenizer(path string, v jsontext.Value) error {
	if isNull(v) {
		return &UnsupportedError{path, "no pre-tokenizer; only byte-level ones are known"}
	}
	kind, err := typeOf(path, v)
	if err != nil {
		return err
	}
	t.info.PreTokenizer = kind
	switch kind {
	case "ByteLevel":
		return t.readByteLevel(path, v)
	case "Sequence":
		var s sequenceJSON
		if err := decode(path, v, &s); err != nil {
			return err
		}
		for i, p := range s.Pretokenizers {
			at := fmt.Sprintf("%s.pretokenizers[%d]", path, i)
			kind, err := typeOf(at, p)
			if err != nil {
				return err
			}
			switch {
			case kind == "Split" && i == 0 && len(s.Pretokenizers) == 2:
				err = t.readSplit(at, p)
			case kind == "ByteLevel" && i == len(s.Pretokenizers)-1 && i <= 1:
				err = t.readByteLevel(at, p)
			default:
				return &UnsupportedError{at, fmt.Sprintf("pre-tokenizer %q here; only ByteLevel alone, or behind one Split, is known", kind)}
			}
			if err != nil {
				return err
			}
		}
		if len(s.Pretokenizers) == 0 {
			return &UnsupportedError{path, "an empty Sequence; only byte-level pre-tokenizers are known"}
		}
		return nil
	}
	return &UnsupportedError{path, fmt.Sprintf("pre-tokenizer %q; only ByteLevel, and Split with ByteLevel, are known", kind)}
}

func (t *Tokenizer) readByteLevel(path string, v jsontext.Value) error {
	var b byteLevelJSON
	if err := decode(path, v, &b); err != nil {
		return err
	}
	on := func(flag *bool) bool { return flag == nil || *flag } // the default of all three
	if on(b.UseRegex) {
		if t.scanner != nil {
			return &UnsupportedError{path, "use_regex behind a Split"}
		}
		t.scanner = scanner("gpt2")
	}
	if on(b.AddPrefixSpace) {
		if t.scanner != nil && t.scanner.Name() != "gpt2" || !on(b.UseRegex) {
			return &UnsupportedError{path, "add_prefix_space without ByteLevel's own regex"}
		}
		t.prefixSpace = true
	}
	return nil
}

// scanner is one of those that are known to exist.
func scanner(name string) *pretokenizer.Scanner {
	s, err := pretokenizer.NewScanner(name)
	if err != nil {
		panic(err)
	}
	return s
}

func (t *Tokenizer) readSplit(path string, v jsontext.Value) error {
	var s splitJSON
	if err := decode(path, v, &s); err != nil {
		return err
	}
	if s.Pattern.Regex == nil {
		return &UnsupportedError{path + ".pattern", "a Split by a string"}
	}
	// The known regexes match every text whole, so that there is nothing between two matches to keep or to remove.
	if s.Behavior == "Isolated" && !s.Invert || s.Behavior == "Removed" && s.Invert {
		if t.scanner = pretokenizer.ForPattern(*s.Pattern.Regex); t.scanner == nil {
			return &UnsupportedError{path + ".pattern", fmt.Sprintf("the regex %q; known are those of %v", *s.Pattern.Regex, pretokenizer.Names())}
		}
		return nil
	}
	return &UnsupportedError{path, fmt.Sprintf("a Split with behavior %q and invert %v", s.Behavior, s.Invert)}
}

func (t *Tokenizer) readModel(path string, v jsontext.Value) error {
	kind, err := typeOf(path, v)
	if err != nil {
		return err
	}
	if kind != "BPE" && kind != "" {
		return &UnsupportedError{path, fmt.Sprintf("model %q; only BPE is known", kind)}
	}
	var m bpeJSON
	if err := decode(path, v, &m); err != nil {
		return err
	}
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return &UnsupportedError{path + ".dropout", "merges left out at random"}
	case m.ContinuingSubwordPrefix != nil && *m.ContinuingSubwordPrefix != "":
		return &UnsupportedError{path + ".continuing_subword_prefix", "a prefix for tokens inside words"}
	case m.EndOfWordSuffix != nil && *m.EndOfWordSuffix != "":
		return &UnsupportedError{path + ".end_of_word_suffix", "a suffix for tokens at the end of words"}
	case m.ByteFallback:
		return &UnsupportedError{path + ".byte_fallback", "byte_fallback with a byte-level pre-tokenizer"}
	}
	if m.Vocab.Kind() != '{' {
		return fmt.Errorf("%s.vocab: want an object of tokens and ids", path)
	}
	if m.Merges.Kind() != '[' {
		return fmt.Errorf("%s.merges: want an array", path)
	}
	t.vocab = new(model.Vocabulary)
	if err := readVocab(path+".vocab", m.Vocab, t.vocab); err != nil {
		return err
	}
	merges, err := readMerges(path+".merges", m.Merges, t.vocab)
	if err != nil {
		return err
	}
	if t.bpe, err = model.NewBPE(t.vocab, merges, m.IgnoreMerges); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.info.Model = "BPE"
	return nil
}

func readVocab(path string, v jsontext.Value, vocab *model.Vocabulary) error {
	// A token takes at least `"x":0,`. The file has been read whole, so this is bounded by its size.
	count := bytes.Count(v, []byte{','}) + 1
	vocab.Grow(min(count, model.MaxIDs), min(count, model.MaxIDs), len(v))
	dec := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var name, token []byte
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
			return fmt.Errorf("%s: %q has the id %s; want a whole number below %d", path, name, excerpt(raw), model.MaxIDs)
		}
		if token, ok = appendBytes(token[:0], name); ok {
			err = vocab.Add(id, token)
		} else {
			err = vocab.AddOpaque(id, name)
		}
		if err != nil {
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
	return n, n < model.MaxIDs
}

// readMerges reads ["a b", …] or [["a", "b"], …]: the second form is newer and can hold tokens with spaces.
func readMerges(path string, v jsontext.Value, vocab *model.Vocabulary) ([][2]uint32, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := dec.ReadToken(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var merges [][2]uint32
	var text, token []byte
	lookup := func(name []byte) (uint32, error) {
		var ok bool
		if token, ok = appendBytes(token[:0], name); ok {
			if id, ok := vocab.Lookup(token); ok {
				return id, nil
			}
		}
		return 0, fmt.Errorf("%s[%d]: %q is not in the vocabulary", path, len(merges), name)
	}
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
			space := bytes.IndexByte(text, ' ')
			if err == nil && (space < 0 || bytes.IndexByte(text[space+1:], ' ') >= 0) {
				return nil, fmt.Errorf("%s[%d]: %q; want two tokens and a space between them", path, len(merges), text)
			}
			if err == nil {
				parts = [2][]byte{text[:space], text[space+1:]}
			}
		case '[':
			n := 0
			_, err = dec.ReadToken()
			for ; err == nil && dec.PeekKind() == '"' && n < 2; n++ {
				var raw jsontext.Value
				if raw, err = dec.ReadValue(); err == nil {
					text, err = jsontext.AppendUnquote(text, raw)
					lengths[n] = len(text)
				}
			}
			if err == nil && (n < 2 || dec.PeekKind() != ']') {
				return nil, fmt.Errorf("%s[%d]: want two tokens", path, len(merges))
			}
			if err == nil {
				_, err = dec.ReadToken()
			}
			parts = [2][]byte{text[:lengths[0]], text[lengths[0]:lengths[1]]}
		default:
			if _, err = dec.ReadValue(); err == nil {
				err = fmt.Errorf("[%d]: want a string or an array", len(merges))
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var pair [2]uint32
		for k := range parts {
			if pair[k], err = lookup(parts[k]); err != nil {
				return nil, err
			}
		}
		if merges = append(merges, pair); len(merges) > model.MaxMerges {
			return nil, fmt.Errorf("%s: more than %d", path, model.MaxMerges)
		}
	}
	return merges, nil
}

func (t *Tokenizer) readAdded(list []addedJSON) error {
	size := t.vocab.Len() // as HF counts: ids of new tokens follow the number of tokens
	largest, any := uint32(0), false
	seen := make(map[string]bool, len(list))
	var name []byte
	for i, a := range list {
		path := fmt.Sprintf("added_tokens[%d]", i)
		switch {
		case a.ID == nil:
			return fmt.Errorf("%s: no id", path)
		case a.Content == "":
			return fmt.Errorf("%s: no content", path)
		case a.SingleWord:
			return &UnsupportedError{path + ".single_word", fmt.Sprintf("%q counts only where it is a word", a.Content)}
		case seen[a.Content]:
			return fmt.Errorf("%s: %q stands twice", path, a.Content)
		}
		seen[a.Content] = true
		var known bool
		var id uint32
		token, plain := appendBytes(name[:0], []byte(a.Content))
		name = token
		if plain {
			id, known = t.vocab.Lookup(token)
		} else if known = t.vocab.Has(*a.ID) && string(t.vocab.Bytes(*a.ID)) == a.Content; known {
			id = *a.ID
		}
		if !known {
			// HF tokenizers number them themselves (added_vocabulary.rs, add_tokens): the id of the file does not
			// count there.
			id = uint32(size)
			if any && largest >= id {
				id = largest + 1
			}
		}
		if id != *a.ID {
			return fmt.Errorf("%s: %q has id %d, but it would be encoded as %d; the file has gaps or another order than its ids", path, a.Content, *a.ID, id)
		}
		if !known {
			if !plain {
				token = []byte(a.Content)
			}
			if err := t.vocab.AddOpaque(id, token); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		largest, any = max(largest, id), true
		if a.Special {
			t.special[id] = true
		}
		t.added = append(t.added, addedToken{id: id, content: a.Content, lstrip: a.LStrip, rstrip: a.RStrip, normalized: a.Normalized, special: a.Special})
	}
	t.exact = newMatcher(t.added, false, t.nfc)
	t.normalized = newMatcher(t.added, true, t.nfc)
	return nil
}
