package tokenize

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/model"
	"curate/tokenize/postprocessor"
	"curate/tokenize/pretokenizer"
)

// encoding is what a file of tiktoken's ranks does not say: the regex and the special tokens.
type encoding struct {
	name    string
	scanner string
	// files are names by which the encoding is known, without an extension.
	files []string
	// ranks tells encodings apart whose files have no name of their own; 0 where it is not needed.
	ranks    int
	specials []Token
	nfc      bool // text is normalized
}

// encodings are sorted by name. The first four are OpenAI's (tiktoken_ext/openai_public.py), llama3 Meta's
// (llama_models/llama3/api/tokenizer.py), qwen2 Alibaba's (tokenization_qwen.py).
var encodings = []encoding{
	{name: "cl100k", scanner: "cl100k", files: []string{"cl100k_base"}, ranks: 100256, specials: []Token{
		{100257, "<|endoftext|>"}, {100258, "<|fim_prefix|>"}, {100259, "<|fim_middle|>"}, {100260, "<|fim_suffix|>"}, {100276, "<|endofprompt|>"}}},
	{name: "llama3", scanner: "cl100k", files: []string{"tokenizer"}, ranks: 128000, specials: llama3Specials()},
	{name: "o200k", scanner: "o200k", files: []string{"o200k_base"}, ranks: 199998, specials: []Token{{199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}}},
	{name: "p50k", scanner: "gpt2", files: []string{"p50k_base"}, ranks: 50280, specials: []Token{{50256, "<|endoftext|>"}}},
	{name: "qwen2", scanner: "qwen2", files: []string{"qwen", "qwen2"}, ranks: 151643, nfc: true, specials: []Token{
		{151643, "<|endoftext|>"}, {151644, "<|im_start|>"}, {151645, "<|im_end|>"}}},
	{name: "r50k", scanner: "gpt2", files: []string{"r50k_base", "gpt2"}, ranks: 50256, specials: []Token{{50256, "<|endoftext|>"}}},
}

// llama3Specials are the 256 of Llama 3.1 to 3.3: eleven with names, the others reserved.
func llama3Specials() []Token {
	names := []string{"<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>",
		"<|reserved_special_token_2|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"}
	tokens := make([]Token, 256)
	for i := range tokens {
		tokens[i].ID = uint32(128000 + i)
		if i < len(names) {
			tokens[i].Content = names[i]
		} else {
			tokens[i].Content = fmt.Sprintf("<|reserved_special_token_%d|>", i-len(names)+3)
		}
	}
	return tokens
}

// Encodings are the names of tiktoken encodings that Open knows. A file of ranks that has another name than its
// publisher gave it is opened as PATH#ENCODING.
func Encodings() []string {
	names := make([]string, len(encodings))
	for i := range encodings {
		names[i] = encodings[i].name
	}
	return names
}

// splitEncoding takes the name of an encoding from the end of a path.
func splitEncoding(path string) (file, name string) {
	if i := strings.LastIndexByte(path, '#'); i > 0 && slices.Contains(Encodings(), path[i+1:]) {
		return path[:i], path[i+1:]
	}
	return path, ""
}

// isRanks says whether data begins as a file of ranks does: base64, a space, a number.
func isRanks(data []byte) bool {
	line, _, _ := bytes.Cut(data[:min(len(data), 1024)], []byte{'\n'})
	token, rank, ok := bytes.Cut(bytes.TrimRight(line, "\r"), []byte{' '})
	if !ok || len(token) == 0 || len(token)%4 != 0 {
		return false
	}
	if _, err := base64.StdEncoding.AppendDecode(nil, token); err != nil {
		return false
	}
	_, ok = rankNumber(rank)
	return ok
}

func rankNumber(b []byte) (uint32, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	n := uint32(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint32(c-'0')
	}
	return n, true
}

// newTiktoken reads ranks: a token in base64 and its rank, a line each.
func newTiktoken(data []byte, name, want string) (*Tokenizer, error) {
	vocab := new(model.Vocabulary)
	lines := bytes.Count(data, []byte{'\n'}) + 1
	vocab.Grow(min(lines, model.MaxIDs), min(lines, model.MaxIDs), len(data)/4*3)
	var token []byte
	size := 0
	for no := 1; len(data) > 0; no++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
			continue
		}
		text, number, _ := bytes.Cut(line, []byte{' '})
		rank, ok := rankNumber(number)
		var err error
		if token, err = base64.StdEncoding.AppendDecode(token[:0], text); err != nil || !ok || len(token) == 0 {
			return nil, fmt.Errorf("line %d: %.40q; want a token in base64, a space and its rank", no, line)
		}
		if err := vocab.Add(rank, token); err != nil {
			return nil, fmt.Errorf("line %d: %w", no, err)
		}
		size = max(size, int(rank)+1)
	}
	enc, err := encodingFor(name, want, vocab.Len())
	if err != nil {
		return nil, err
	}
	scanner, err := pretokenizer.NewScanner(enc.scanner)
	if err != nil {
		return nil, err
	}
	t, err := newRanked(vocab, 0, size, scanner.Pattern(), enc.nfc, enc.specials)
	if err != nil {
		return nil, err
	}
	t.info.Format, t.encoding = "tiktoken, "+enc.name, enc.name
	return t, nil
}

// encodingFor is the encoding that is asked for, or the one that a file of this name and size is known to have.
func encodingFor(file, want string, ranks int) (*encoding, error) {
	base, _, _ := strings.Cut(file, ".")
	for i := range encodings {
		e := &encodings[i]
		if want == e.name || want == "" && slices.Contains(e.files, base) && e.ranks == ranks {
			return e, nil
		}
	}
	return nil, fmt.Errorf("%d ranks of tiktoken, which do not say by what regex text is cut, nor what special tokens there are; say PATH#ENCODING with one of %s",
		ranks, strings.Join(Encodings(), ", "))
}

// newRanked makes a tokenizer whose merges are ranks: those of the n ids of vocab from first on. pattern is the regex
// that cuts text.
func newRanked(vocab *model.Vocabulary, first, n int, pattern string, nfc bool, specials []Token) (*Tokenizer, error) {
	if n == 0 {
		return nil, errors.New("no ranks")
	}
	t := &Tokenizer{special: map[uint32]bool{}, vocab: vocab, post: new(postprocessor.PostProcessor)}
	quoted, err := jsontext.AppendQuote(nil, pattern)
	if err != nil {
		return nil, fmt.Errorf("the regex: %w", err)
	}
	err = t.readPreTokenizer("pattern", slices.Concat([]byte(`{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":`), quoted,
		[]byte(`},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}`)))
	if err == nil && nfc {
		err = t.readNormalizer("normalizer", []byte(`{"type":"NFC"}`))
	}
	if err == nil {
		err = t.readDecoder("decoder", []byte(`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`))
	}
	if err != nil {
		return nil, err
	}
	t.byteLevel = true
	bpe, err := model.NewRanks(vocab, first, n)
	if err != nil {
		return nil, err
	}
	t.useBPE(bpe)
	for _, s := range specials {
		if !vocab.Has(s.ID) {
			if err := vocab.AddOpaque(s.ID, []byte(s.Content)); err != nil {
				return nil, err
			}
		} else if string(vocab.Bytes(s.ID)) != s.Content {
			return nil, fmt.Errorf("id %d is %q, where %q is expected: this is another encoding", s.ID, vocab.Bytes(s.ID), s.Content)
		}
		t.special[s.ID] = true
		t.added = append(t.added, addedToken{id: s.ID, content: s.Content, special: true})
	}
	t.exact = newMatcher(t.added, false)
	t.describe()
	return t, nil
}
