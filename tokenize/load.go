package tokenize

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
	"curate/tokenize/component"
	"curate/tokenize/decoder"
	"curate/tokenize/model"
	"curate/tokenize/normalizer"
	"curate/tokenize/postprocessor"
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

// parse reads a tokenizer.json.
func parse(data []byte) (*Tokenizer, error) {
	var f fileJSON
	if err := component.Decode("", data, &f); err != nil {
		return nil, err
	}
	if component.IsNull(f.Model) {
		return nil, fmt.Errorf(`not a tokenizer.json: it has no "model"`)
	}
	t := &Tokenizer{special: map[uint32]bool{}}
	t.info.Format = FileName
	// The small components first: what is wrong with them is said at once.
	for _, part := range []struct {
		path  string
		value jsontext.Value
		read  func(path string, v jsontext.Value) error
	}{
		{"normalizer", f.Normalizer, t.readNormalizer},
		{"pre_tokenizer", f.PreTokenizer, t.readPreTokenizer},
		{"decoder", f.Decoder, t.readDecoder},
		{"model", f.Model, t.readModel},
	} {
		if component.IsNull(part.value) && part.path != "model" {
			continue
		}
		if err := part.read(part.path, part.value); err != nil {
			return nil, err
		}
	}
	if err := t.readAdded(f.AddedTokens); err != nil {
		return nil, err
	}
	var err error
	if t.post, err = postprocessor.New("post_processor", f.PostProcessor, t.vocab.Has); err != nil { // its ids must exist
		return nil, err
	}
	t.info.PostProcessor = t.post.Type
	if !component.IsNull(f.Truncation) {
		t.info.Ignored = append(t.info.Ignored, "truncation (texts are encoded whole)")
	}
	if !component.IsNull(f.Padding) {
		t.info.Ignored = append(t.info.Ignored, "padding (nothing is added to short texts)")
	}
	t.describe()
	return t, nil
}

func (t *Tokenizer) readNormalizer(path string, v jsontext.Value) (err error) {
	if t.normalizer, err = normalizer.New(path, v); err != nil {
		return err
	}
	t.info.Normalizer = t.normalizer.Type()
	kinds, err := leaves(path, v, "normalizers")
	t.spelled = slices.Contains(kinds, "ByteLevel")
	t.byteLevel = t.spelled
	t.nfc = slices.Contains(kinds, "NFC")
	t.more = slices.ContainsFunc(kinds, func(k string) bool { return k != "NFC" })
	return err
}

func (t *Tokenizer) readPreTokenizer(path string, v jsontext.Value) (err error) {
	if t.pre, err = pretokenizer.New(path, v); err != nil {
		return err
	}
	t.info.PreTokenizer = t.pre.Type()
	kinds, err := leaves(path, v, "pretokenizers")
	byteLevel := slices.Contains(kinds, "ByteLevel")
	if byteLevel && t.spelled {
		return &UnsupportedError{Path: path, Problem: "ByteLevel in both the normalizer and the pre-tokenizer"}
	}
	if i := slices.Index(kinds, "ByteLevel"); i >= 0 && slices.Contains(kinds[i:], "Metaspace") {
		return &UnsupportedError{Path: path, Problem: "Metaspace behind ByteLevel, which has no such character"}
	}
	t.byteLevel = t.byteLevel || byteLevel
	return err
}

// leaves are the types of the component, or of those in its Sequence, which lists them under key.
func leaves(path string, v jsontext.Value, key string) (kinds []string, err error) {
	for todo := []jsontext.Value{v}; len(todo) > 0; {
		v := todo[0]
		todo = todo[1:]
		kind, err := component.Type(path, v)
		if err != nil {
			return nil, err
		}
		if kind != "Sequence" { // New has looked at how deep they are
			kinds = append(kinds, kind)
			continue
		}
		parts := map[string]jsontext.Value{}
		if err := component.Decode(path, v, &parts); err != nil {
			return nil, err
		}
		var list []jsontext.Value
		if err := component.Decode(path, parts[key], &list); err != nil {
			return nil, err
		}
		todo = append(todo, list...)
	}
	return kinds, nil
}

func (t *Tokenizer) readDecoder(path string, v jsontext.Value) (err error) {
	if t.decoder, err = decoder.New(path, v); err == nil {
		t.info.Decoder = t.decoder.Type()
	}
	return err
}

func (t *Tokenizer) readModel(path string, v jsontext.Value) (err error) {
	var decode func(dst, name []byte) ([]byte, bool)
	if t.byteLevel {
		decode = pretokenizer.AppendBytes
	}
	if t.model, err = model.Read(path, v, decode); err != nil {
		return err
	}
	t.vocab = t.model.Vocabulary()
	t.info.Model = t.model.Type()
	if m, ok := t.model.(interface{ Merges() int }); ok {
		t.info.Merges = m.Merges()
	}
	if bpe, ok := t.model.(model.ByteLevel); ok {
		t.useBPE(bpe.BPE)
	}
	return nil
}

// useBPE takes the short way, if the other components allow it.
func (t *Tokenizer) useBPE(bpe *model.BPE) {
	t.model = model.ByteLevel{BPE: bpe}
	t.info.Model, t.info.Merges = t.model.Type(), bpe.Merges()
	if t.pre == nil || t.more {
		return
	}
	var short bool
	if t.scanner, t.prefixSpace, short = pretokenizer.Fast(t.pre); short {
		t.short = bpe
	}
}

func (t *Tokenizer) readAdded(list []addedJSON) error {
	next := uint32(t.vocab.Len()) // of new tokens: HF counts the model's tokens, whatever their ids are
	renumbered := 0
	seen := make(map[string]addedJSON, len(list))
	for i, a := range list {
		path := fmt.Sprintf("added_tokens[%d]", i)
		if a.ID == nil {
			return fmt.Errorf("%s: no id", path)
		}
		if a.Content == "" { // found nowhere
			t.info.Ignored = append(t.info.Ignored, path+" (no content)")
			continue
		}
		id := *a.ID
		a.ID = nil
		if same, twice := seen[a.Content]; twice {
			if same != a {
				return fmt.Errorf("%s: %q stands twice, and not the same", path, a.Content)
			}
			continue
		}
		seen[a.Content] = a
		says := id
		id, known := t.named(a.Content, says)
		if !known {
			// HF tokenizers number them themselves (added_vocabulary.rs, add_tokens): the id of the file does not
			// count there.
			id = next
			next++
		}
		if id != says {
			if renumbered++; renumbered <= 3 {
				t.info.Ignored = append(t.info.Ignored, fmt.Sprintf("%s.id: %q has id %d in the file and is encoded as %d, as in HF tokenizers: the file has gaps or another order than its ids", path, a.Content, says, id))
			}
		}
		if !known && !t.vocab.Has(id) { // else a token of the model has that number, too: the added one is what it decodes to
			token, _ := t.asBytes(a.Content)
			if err := t.vocab.AddOpaque(id, token); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		if a.Special {
			t.special[id] = true
		}
		add := addedToken{id: id, content: a.Content, lstrip: a.LStrip, rstrip: a.RStrip, single: a.SingleWord, normalized: a.Normalized, special: a.Special}
		if a.Normalized && t.normalizer != nil {
			var text aligned.Text
			text.Set([]byte(a.Content), 0, false)
			if err := t.normalizer.Normalize(&text); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if string(text.B) != a.Content {
				if len(text.B) == 0 {
					return &UnsupportedError{Path: path, Problem: fmt.Sprintf("%q is nothing once it is normalized", a.Content)}
				}
				add.spelling = string(text.B)
			}
		}
		t.added = append(t.added, add)
	}
	if renumbered > 3 {
		t.info.Ignored = append(t.info.Ignored, fmt.Sprintf("ids of %d more added_tokens", renumbered-3))
	}
	t.exact = newMatcher(t.added, false)
	t.normalized = newMatcher(t.added, true)
	return nil
}

// asBytes is a token of the file as the vocabulary has it: the bytes it is spelled for where the alphabet of byte-level
// tokenizers spells them. ok is false where it does not: then the token is there as it is written, and no text becomes it.
func (t *Tokenizer) asBytes(name string) (token []byte, ok bool) {
	if !t.byteLevel {
		return []byte(name), true
	}
	if token, ok := pretokenizer.AppendBytes(nil, []byte(name)); ok {
		return token, true
	}
	return []byte(name), false
}

// named is the id that the model has for an added token, if it has one; id is what the file says.
func (t *Tokenizer) named(name string, id uint32) (uint32, bool) {
	token, ok := t.asBytes(name)
	if ok {
		if id, ok := t.vocab.Lookup(token); ok {
			return id, true
		}
	}
	if !t.vocab.Has(id) || string(t.vocab.Bytes(id)) != name {
		return id, false
	}
	same, found := t.vocab.Lookup(token)
	return id, !found || same != id // one that no text becomes, and not the bytes that look like it
}
