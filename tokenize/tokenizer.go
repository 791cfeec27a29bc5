package tokenize

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"curate/tokenize/model"
	"curate/tokenize/pretokenizer"
)

// FileName is what the file is called in a model's folder.
const FileName = "tokenizer.json"

// maxFile bounds a tokenizer.json. The largest known have about 35 MB.
const maxFile = 512 << 20

// Tokenizer is a tokenizer.json made ready. It is immutable and serves any number of goroutines.
type Tokenizer struct {
	bpe            *model.BPE
	vocab          *model.Vocabulary
	added          []addedToken // in the order of the file
	special        map[uint32]bool
	exact          *matcher // added tokens that are looked for in the text as it is
	normalized     *matcher // added tokens that are looked for in normalized text
	nfc            bool
	scanner        *pretokenizer.Scanner // nil: what lies between added tokens is one piece
	prefixSpace    bool
	prefix, suffix []uint32 // what AddSpecialTokens puts around a text
	info           Info
}

// Info is what a tokenizer says about itself.
type Info struct {
	// The components' types, "" where there is none.
	Model         string `json:"model"`
	Normalizer    string `json:"normalizer"`
	PreTokenizer  string `json:"pre_tokenizer"`
	PostProcessor string `json:"post_processor"`
	Decoder       string `json:"decoder"`
	// Scanner is the name of the pre-tokenizer's regex; see package pretokenizer. "" if it has none.
	Scanner string `json:"scanner"`
	// HandWritten says that the regex is one of the scanners written by hand, which are fast.
	HandWritten bool `json:"hand_written"`
	// VocabSize is the largest id + 1: the rows that a model's embedding needs at least.
	VocabSize int `json:"vocab_size"`
	Tokens    int `json:"tokens"` // ids that stand for something
	Merges    int `json:"merges"`
	Added     int `json:"added"` // added tokens, the special ones among them
	// Special are the special tokens, in the order of the file.
	Special []Token `json:"special"`
	// EOD are those of Special that models are known to end a document with, the likeliest first.
	EOD []Token `json:"eod"`
	// Fingerprint is the sha256 of the file, in hex.
	Fingerprint string `json:"fingerprint"`
	// Ignored are parts of the file that do not count here, in words.
	Ignored []string `json:"ignored"`
}

// Token is an id and what it stands for.
type Token struct {
	ID      uint32 `json:"id"`
	Content string `json:"content"`
}

// endOfDocument are the tokens that public models end a document of their pre-training with, or have instead: the
// one that is found first is the likeliest.
var endOfDocument = []string{
	"<|endoftext|>",       // GPT-2, cl100k, o200k, Qwen, BTLM
	"<|end_of_text|>",     // Llama 3
	"<｜end▁of▁sentence｜>", // DeepSeek
	"</s>",                // Llama 2, Mistral
	"<eos>",               // Gemma
	"[SEP]",               // BERT
}

// Open loads the tokenizer at path: a tokenizer.json, or a folder that holds one.
func Open(path string) (*Tokenizer, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		path = filepath.Join(path, FileName)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := Load(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Load reads a tokenizer.json. Its errors name the place in the file; an *UnsupportedError is about a component
// that this version does not know.
func Load(r io.Reader) (*Tokenizer, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB: not a tokenizer.json", maxFile>>20)
	}
	t, err := parse(data)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	t.info.Fingerprint = hex.EncodeToString(sum[:])
	return t, nil
}

// UnsupportedError is about a part of tokenizer.json that is valid, and that this version does not know.
type UnsupportedError struct {
	Path    string // in the file: pre_tokenizer.pretokenizers[0]
	Problem string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: %s; this version cannot encode with such a tokenizer", e.Path, e.Problem)
}

// Info describes the tokenizer. The slices are shared and must not be written to.
func (t *Tokenizer) Info() Info { return t.info }

// Memory is about what the tokenizer holds, in bytes.
func (t *Tokenizer) Memory() int64 { return t.bpe.Memory() + int64(128*len(t.added)) }

// EncoderMemory is the most that an Encoder holds between texts, in bytes.
const EncoderMemory = model.EncoderMemory + 2*scratchLimit

// Special says whether id is a special token's.
func (t *Tokenizer) Special(id uint32) bool { return t.special[id] }

// ID is the id of the added token that has this content.
func (t *Tokenizer) ID(content string) (id uint32, ok bool) {
	for i := range t.added {
		if t.added[i].content == content {
			return t.added[i].id, true
		}
	}
	return 0, false
}

func (t *Tokenizer) describe() {
	in := &t.info
	in.VocabSize, in.Tokens, in.Merges, in.Added = t.vocab.Size(), t.vocab.Len(), t.bpe.Merges(), len(t.added)
	for _, a := range t.added {
		if a.special {
			in.Special = append(in.Special, Token{a.id, a.content})
		}
	}
	for _, name := range endOfDocument {
		for _, s := range in.Special {
			if s.Content == name {
				in.EOD = append(in.EOD, s)
			}
		}
	}
	if t.scanner != nil {
		in.Scanner, in.HandWritten = t.scanner.Name(), true
	}
}
