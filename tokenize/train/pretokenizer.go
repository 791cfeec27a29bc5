package train

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/stage"
	"curate/tokenize"
	"curate/tokenize/pretokenizer"
)

// PreTokenizer is what happens to a text before the model sees it: a normalizer and a pre-tokenizer of tokenizer.json,
// the latter with a ByteLevel. It is immutable.
type PreTokenizer struct {
	name                     string
	normalizer, preTokenizer jsontext.Value
	cutter                   *tokenize.Tokenizer // of the 256 bytes
}

// preTokenizer is one that has a name.
type preTokenizer struct {
	name    string
	scanner string // the name in tokenize/pretokenizer
	split   bool   // it is a Split and a ByteLevel without a regex; else ByteLevel with its own
	nfc     bool
}

// preTokenizers are sorted by name.
var preTokenizers = []preTokenizer{
	{name: "gpt2", scanner: "gpt2"},
	{name: "llama3", scanner: "cl100k", split: true}, // cl100k_base too
	{name: "o200k", scanner: "o200k", split: true},
	{name: "qwen2", scanner: "qwen2", split: true, nfc: true}, // Qwen2 to Qwen3
}

// PreTokenizers are the names of those that a vocabulary can be trained with.
func PreTokenizers() []string {
	names := make([]string, len(preTokenizers))
	for i, p := range preTokenizers {
		names[i] = p.name
	}
	return names
}

// PreTokenizerNamed is one of [PreTokenizers].
func PreTokenizerNamed(name string) (*PreTokenizer, error) {
	for _, p := range preTokenizers {
		if p.name != name {
			continue
		}
		s, err := pretokenizer.NewScanner(p.scanner)
		if err != nil {
			return nil, err
		}
		n, t := "null", byteLevel(true)
		if p.nfc {
			n = `{"type":"NFC"}`
		}
		if p.split {
			pattern, err := jsontext.AppendQuote(nil, s.Pattern())
			if err != nil {
				return nil, err
			}
			t = fmt.Sprintf(`{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":%s},"behavior":"Isolated","invert":false},%s]}`, pattern, byteLevel(false))
		}
		return newPreTokenizer(name, jsontext.Value(n), jsontext.Value(t))
	}
	return nil, stage.UnknownName("pre-tokenizer", name, PreTokenizers())
}

// byteLevel is the component ByteLevel, which spells bytes in the alphabet and back.
func byteLevel(regex bool) string {
	return fmt.Sprintf(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":%v}`, regex)
}

// PreTokenizerOf takes the normalizer and the pre-tokenizer of a tokenizer.json, as they stand there.
func PreTokenizerOf(file []byte) (*PreTokenizer, error) {
	var f struct {
		Normalizer   jsontext.Value `json:"normalizer"`
		PreTokenizer jsontext.Value `json:"pre_tokenizer"`
		Model        jsontext.Value `json:"model"`
	}
	if err := json.Unmarshal(file, &f, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fmt.Errorf("not a tokenizer.json: %w", err)
	}
	for _, v := range []*jsontext.Value{&f.Normalizer, &f.PreTokenizer} {
		if len(*v) == 0 {
			*v = jsontext.Value("null")
		}
	}
	return newPreTokenizer("", f.Normalizer, f.PreTokenizer)
}

func newPreTokenizer(name string, normalizer, pre jsontext.Value) (*PreTokenizer, error) {
	p := &PreTokenizer{name: name, normalizer: normalizer, preTokenizer: pre}
	if !bytes.Contains(pre, []byte(`"ByteLevel"`)) {
		return nil, fmt.Errorf("pre_tokenizer has no ByteLevel: a vocabulary of bytes cannot be trained with it; take one of %s, or the file of a tokenizer such as GPT-2's or Llama 3's", strings.Join(PreTokenizers(), ", "))
	}
	bytesOnly := &Model{}
	for _, b := range alphabetOrder() {
		bytesOnly.Vocab = append(bytesOnly.Vocab, spelling(b))
	}
	file, err := bytesOnly.AppendJSON(nil, p)
	if err != nil {
		return nil, err
	}
	if p.cutter, err = tokenize.Load(bytes.NewReader(file)); err != nil {
		return nil, err
	}
	return p, nil
}

// identity is what the pre-tokenizer is known by in a run's identity: its name, or what it is.
func (p *PreTokenizer) identity() any {
	if p.name != "" {
		return p.name
	}
	return struct {
		Normalizer   jsontext.Value `json:"normalizer"`
		PreTokenizer jsontext.Value `json:"pre_tokenizer"`
	}{p.normalizer, p.preTokenizer}
}
