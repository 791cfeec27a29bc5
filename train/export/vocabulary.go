package export

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/gguf"
	"curate/sentencepiece"
	"curate/tokenize"
	"curate/tokenize/chat"
)

// Types of tokens in GGUF (llama_token_type).
const (
	tokenNormal      int32 = 1
	tokenUnknown     int32 = 2
	tokenControl     int32 = 3
	tokenUserDefined int32 = 4
	tokenUnused      int32 = 5
	tokenByte        int32 = 6
)

// preTokenizers are llama.cpp's names of what cuts text into the pieces of a byte-level BPE (tokenizer.ggml.pre, src/llama-vocab.cpp),
// by the scanner that runs the same regex here. A name also says whether a piece that is a token becomes that token, whatever the
// merges say (ignore_merges).
var preTokenizers = []struct {
	scanner      string
	ignoreMerges bool
	pre          string
}{
	{"cl100k", false, "dbrx"},
	{"cl100k", true, "llama-bpe"},
	{"deepseek3", false, "deepseek-v3"},
	{"digits_gpt2", false, "smollm"},
	{"gpt2", false, "gpt-2"},
	{"o200k", false, "gpt-4o"},
	{"qwen2", false, "qwen2"},
	{"qwen35", false, "qwen35"},
	{"tekken", true, "tekken"},
}

// Vocabulary gives the keys of GGUF for the tokenizer at path, a file or a folder, and its chat template: a byte-level BPE of a
// tokenizer.json, or a BPE of SentencePiece. rows are those of the model's embedding; what the tokenizer does not fill of them is
// unused. notes are differences that GGUF cannot say, for whoever exports.
func Vocabulary(path string, rows int, extra Extra) (pairs []gguf.Pair, notes []string, err error) {
	v := &vocabulary{extra: extra, tokens: make([]string, rows), types: make([]int32, rows), scores: make([]float32, rows)}
	for i := range v.tokens {
		v.tokens[i], v.types[i], v.scores[i] = fmt.Sprintf("[PAD%d]", i), tokenUnused, -10000 // as llama.cpp's converter fills up
	}
	if err := v.read(path); err != nil {
		return nil, nil, err
	}
	templates, err := chat.Open(path)
	if err != nil {
		return nil, nil, err
	}
	if source := templates.Default(); source != "" {
		v.add("tokenizer.chat_template", source)
	}
	return v.pairs, v.notes, nil
}

// vocabulary is a tokenizer on its way into GGUF.
type vocabulary struct {
	extra  Extra
	tokens []string
	types  []int32
	scores []float32 // of SentencePiece
	pairs  []gguf.Pair
	notes  []string
}

func (v *vocabulary) add(key string, value any) {
	v.pairs = append(v.pairs, gguf.Pair{Key: key, Value: value})
}

func (v *vocabulary) note(format string, args ...any) {
	v.notes = append(v.notes, fmt.Sprintf(format, args...))
}

// hfFile are the parts of a tokenizer.json that package tokenize, which has checked the whole, does not tell.
type hfFile struct {
	Added []struct {
		Content    string `json:"content"`
		Special    bool   `json:"special"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
	} `json:"added_tokens"`
	PreTokenizer jsontext.Value `json:"pre_tokenizer"`
	Model        struct {
		Vocab        map[string]int   `json:"-"`
		RawVocab     jsontext.Value   `json:"vocab"`
		Merges       []jsontext.Value `json:"merges"`
		IgnoreMerges bool             `json:"ignore_merges"`
	} `json:"model"`
}

// read finds the tokenizer's file. In a folder with both, a tokenizer.json that is a byte-level BPE goes before a tokenizer.model.
func (v *vocabulary) read(path string) error {
	hf, model := path, path
	if info, err := os.Stat(path); err != nil {
		return err
	} else if info.IsDir() {
		hf, model = filepath.Join(path, tokenize.FileName), filepath.Join(path, "tokenizer.model")
	} else if filepath.Ext(path) == ".model" {
		hf = ""
	} else {
		model = filepath.Join(filepath.Dir(path), "tokenizer.model")
	}
	var t *tokenize.Tokenizer
	if hf != "" {
		var err error
		if t, err = tokenize.Open(hf); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_, err := os.Stat(model)
	switch {
	case t != nil && t.Info().Format == tokenize.FileName && t.Info().Model == "BPE" && byteLevel(t.Info()):
		return v.bpe(hf, t)
	case err == nil:
		return v.sentencePiece(model, hf, t)
	case t == nil:
		return fmt.Errorf("%s: neither %s nor tokenizer.model; GGUF takes its tokenizer from one of them", path, tokenize.FileName)
	}
	i := t.Info()
	return fmt.Errorf("%s: a %s of the model %q; GGUF takes a byte-level BPE in %s, or a BPE of SentencePiece in tokenizer.model, which must lie beside it", hf, i.Format, i.Model, tokenize.FileName)
}

func byteLevel(i tokenize.Info) bool {
	return i.Decoder == "ByteLevel" || i.PreTokenizer == "ByteLevel"
}

// bpe is a byte-level BPE.
func (v *vocabulary) bpe(name string, t *tokenize.Tokenizer) error {
	f, err := readHF(name)
	if err != nil {
		return err
	}
	info := t.Info()
	if info.VocabSize > len(v.tokens) {
		return fmt.Errorf("%s: the tokenizer has ids up to %d, and the model's embedding %d rows", name, info.VocabSize-1, len(v.tokens))
	}
	switch info.Normalizer {
	case "":
	case "NFC":
		v.note("the tokenizer brings text into Unicode's form NFC first, and llama.cpp does not")
	default:
		return fmt.Errorf("%s: llama.cpp has no normalizer such as the tokenizer's, %s", name, info.Normalizer)
	}
	if f.prefixSpace() {
		return fmt.Errorf("%s: the tokenizer puts a space before each text (add_prefix_space), and llama.cpp's BPE does not", name)
	}
	pre, err := v.preTokenizer(info, f.Model.IgnoreMerges)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for token, id := range f.Model.Vocab {
		if id < 0 || id >= len(v.tokens) {
			return fmt.Errorf("%s: the token %q has id %d, and the model's embedding %d rows", name, token, id, len(v.tokens))
		}
		v.tokens[id], v.types[id] = token, tokenNormal
	}
	if err := v.addedTokens(f, t); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	merges := make([]string, len(f.Model.Merges))
	for i, m := range f.Model.Merges {
		var pair []string
		if m.Kind() == '"' {
			if err := json.Unmarshal(m, &merges[i]); err != nil {
				return fmt.Errorf("%s: merge %d: %w", name, i, err)
			}
			continue
		}
		if err := json.Unmarshal(m, &pair); err != nil || len(pair) != 2 {
			return fmt.Errorf("%s: merge %d is no pair", name, i)
		}
		merges[i] = pair[0] + " " + pair[1]
	}
	v.add("tokenizer.ggml.model", "gpt2")
	v.add("tokenizer.ggml.pre", pre)
	v.add("tokenizer.ggml.tokens", v.tokens)
	v.add("tokenizer.ggml.token_type", v.types)
	v.add("tokenizer.ggml.merges", merges)
	return v.special(name, t)
}

// preTokenizer is llama.cpp's name of how the tokenizer cuts text.
func (v *vocabulary) preTokenizer(info tokenize.Info, ignoreMerges bool) (string, error) {
	var scanners []string // a Sequence has a pattern for each of its parts
	for _, p := range info.Patterns {
		if !slices.Contains(scanners, p.Scanner) {
			scanners = append(scanners, p.Scanner)
		}
	}
	pre := ""
	var known []string
	for _, p := range preTokenizers {
		if len(scanners) == 1 && scanners[0] == p.scanner {
			if ignoreMerges == p.ignoreMerges {
				return p.pre, nil
			}
			pre = p.pre
		}
		known = append(known, p.scanner)
	}
	if pre != "" { // gpt-oss is such a one: texts got the same ids (docs/conformance.md)
		v.note("the tokenizer has ignore_merges: %v, and llama.cpp's %s not: a word that merges do not lead to, if there is one, gets other ids", ignoreMerges, pre)
		return pre, nil
	}
	var patterns []string
	for _, p := range info.Patterns {
		patterns = append(patterns, p.Regex)
	}
	return "", fmt.Errorf("llama.cpp has no name for how the tokenizer cuts text (%q); it has some for %s", patterns, strings.Join(slices.Compact(known), ", "))
}

// addedTokens are looked for in the text before all else.
func (v *vocabulary) addedTokens(f *hfFile, t *tokenize.Tokenizer) error {
	flags := 0
	for _, a := range f.Added {
		id, ok := t.ID(a.Content)
		if !ok { // no content
			continue
		}
		if int(id) >= len(v.tokens) {
			return fmt.Errorf("the added token %q has id %d, and the model's embedding %d rows", a.Content, id, len(v.tokens))
		}
		v.tokens[id], v.types[id], v.scores[id] = a.Content, tokenUserDefined, -1000
		if a.Special {
			v.types[id] = tokenControl
		}
		if a.SingleWord || a.LStrip || a.RStrip {
			flags++
		}
	}
	if flags > 0 {
		v.note("%d added tokens are found only as words of their own, or take spaces beside them (single_word, lstrip, rstrip); llama.cpp does not do that", flags)
	}
	return nil
}

// sentencePiece is a tokenizer.model; a tokenizer.json beside it may have added tokens.
func (v *vocabulary) sentencePiece(name, hf string, beside *tokenize.Tokenizer) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	m, err := sentencepiece.Read(b)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if m.Kind() != sentencepiece.BPE {
		return fmt.Errorf("%s: a Unigram model; llama.cpp encodes with it only for other architectures than llama and jais", name)
	}
	pieces := m.Pieces()
	if len(pieces) > len(v.tokens) {
		return fmt.Errorf("%s: the tokenizer has %d pieces, and the model's embedding %d rows", name, len(pieces), len(v.tokens))
	}
	// The types are SentencePiece's own numbers but for two.
	types := map[sentencepiece.Type]int32{sentencepiece.Normal: tokenNormal, sentencepiece.Unknown: tokenUnknown, sentencepiece.Control: tokenControl, sentencepiece.UserDefined: tokenUserDefined, sentencepiece.Unused: tokenUnused, sentencepiece.Byte: tokenByte}
	for id, p := range pieces {
		v.tokens[id], v.types[id], v.scores[id] = p.Text, types[p.Type], p.Score
		if p.Type == sentencepiece.UserDefined {
			v.tokens[id] = strings.ReplaceAll(p.Text, "▁", " ") // llama.cpp looks for them in the text as it is
		}
	}
	if beside != nil {
		f, err := readHF(hf)
		if err != nil {
			return err
		}
		if err := v.addedTokens(f, beside); err != nil {
			return fmt.Errorf("%s: %w", hf, err)
		}
	}
	prefix, suffix, removes, replaces := m.Normalization()
	if suffix {
		return fmt.Errorf("%s: the tokenizer puts a space behind each text, and llama.cpp's does not", name)
	}
	if removes || replaces {
		v.note("the tokenizer normalizes text (spaces at its ends and several in a row, or characters by a map), and llama.cpp does not")
	}
	t, err := tokenize.Open(name)
	if err != nil {
		return err
	}
	v.add("tokenizer.ggml.model", "llama")
	v.add("tokenizer.ggml.pre", "default")
	v.add("tokenizer.ggml.tokens", v.tokens)
	v.add("tokenizer.ggml.scores", v.scores)
	v.add("tokenizer.ggml.token_type", v.types)
	v.add("tokenizer.ggml.add_space_prefix", prefix)
	if id, ok := t.Unknown(); ok {
		v.add("tokenizer.ggml.unknown_token_id", id)
	}
	return v.special(name, t)
}

// special adds the special tokens. llama.cpp would choose ids of its own for the first two if they were missing: 11 in a BPE.
func (v *vocabulary) special(name string, t *tokenize.Tokenizer) error {
	before, after := t.Around()
	eos := v.extra.EOS
	if eos < 0 && len(t.Info().EOD) > 0 {
		eos = int(t.Info().EOD[0].ID)
	}
	if eos < 0 && len(after) == 1 {
		eos = int(after[0])
	}
	if eos < 0 {
		return fmt.Errorf("%s: neither config.json (eos_token_id) nor the tokenizer says which token ends a text, and GGUF must; give the former", name)
	}
	bos := v.extra.BOS
	if len(before) == 1 {
		bos = int(before[0])
	}
	if bos < 0 {
		bos = eos // as in GPT-2
	}
	for _, s := range []struct {
		key string
		id  int
	}{{"bos", bos}, {"eos", eos}, {"padding", v.extra.Pad}} {
		if s.id >= len(v.tokens) {
			return fmt.Errorf("%s: the special token %d (%s) is none of the model's %d", name, s.id, s.key, len(v.tokens))
		}
		if s.id >= 0 {
			v.add("tokenizer.ggml."+s.key+"_token_id", uint32(s.id))
		}
	}
	if len(v.extra.MoreEOS) > 0 { // the end of a turn
		v.add("tokenizer.ggml.eot_token_id", uint32(v.extra.MoreEOS[0]))
	}
	v.add("tokenizer.ggml.add_bos_token", len(before) > 0)
	v.add("tokenizer.ggml.add_eos_token", len(after) > 0)
	if len(before) > 1 || len(after) > 1 || len(after) == 1 && int(after[0]) != eos {
		v.note("the tokenizer puts other special tokens around a text than llama.cpp can: %d before and %d after it", len(before), len(after))
	}
	return nil
}

// readHF reads a tokenizer.json that package tokenize has passed.
func readHF(name string) (*hfFile, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := &hfFile{}
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.Model.RawVocab.Kind() == '{' { // Unigram has a list, which is not wanted here
		if err := json.Unmarshal(f.Model.RawVocab, &f.Model.Vocab); err != nil {
			return nil, fmt.Errorf("%s: model.vocab: %w", name, err)
		}
	}
	return f, nil
}

// prefixSpace says whether a ByteLevel of the pre-tokenizer puts a space before the text, which it does unless the file says no.
func (f *hfFile) prefixSpace() bool {
	type component struct {
		Type           string           `json:"type"`
		AddPrefixSpace *bool            `json:"add_prefix_space"`
		PreTokenizers  []jsontext.Value `json:"pretokenizers"`
	}
	for todo := []jsontext.Value{f.PreTokenizer}; len(todo) > 0; todo = todo[1:] {
		var c component
		if len(todo[0]) == 0 || json.Unmarshal(todo[0], &c) != nil {
			continue
		}
		if c.Type == "ByteLevel" && (c.AddPrefixSpace == nil || *c.AddPrefixSpace) {
			return true
		}
		todo = append(todo, c.PreTokenizers...)
	}
	return false
}
