package tokenize

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"curate/sentencepiece"
	"curate/tokenize/component"
	"curate/tokenize/decoder"
	"curate/tokenize/model"
	"curate/tokenize/normalizer"
	"curate/tokenize/postprocessor"
	"curate/tokenize/pretokenizer"
)

// FileName is what the file is called in a model's folder.
const FileName = "tokenizer.json"

// maxFile bounds the file. The largest known have about 35 MB.
const maxFile = 512 << 20

// Tokenizer is a tokenizer's file made ready. It is immutable and serves any number of goroutines.
type Tokenizer struct {
	normalizer normalizer.Normalizer // nil without one
	pre        pretokenizer.PreTokenizer
	model      model.Model
	post       *postprocessor.PostProcessor
	decoder    decoder.Decoder
	vocab      *model.Vocabulary
	added      []addedToken // in the order of the file
	special    map[uint32]bool
	spellings  map[uint32]spelling // of added tokens whose entry in the vocabulary does not say it
	exact      *matcher            // added tokens that are looked for in the text as it is
	normalized *matcher            // added tokens that are looked for in normalized text
	byteLevel  bool                // the vocabulary has bytes, which its file spells in the alphabet of ByteLevel
	spelled    bool                // the normalizer has put the text into that alphabet

	// The short way: byte-level BPE behind a scanner and at most NFC.
	short       *model.BPE // nil where that is not all
	nfc         bool
	more        bool                  // the normalizer has more than NFC: no short way
	scanner     *pretokenizer.Scanner // nil: what lies between added tokens is one piece
	prefixSpace bool

	spm      *sentencepiece.Model // instead of all that
	encoding string               // of tiktoken's ranks
	info     Info
}

// spelling is what an added token is decoded to, and whether that is a special token's content.
type spelling struct {
	text    string
	bytes   []byte // that text is spelled for in the alphabet of ByteLevel, or text itself
	special bool
}

// Info is what a tokenizer says about itself.
type Info struct {
	// Format is the kind of file: tokenizer.json, tiktoken, tekken or SentencePiece.
	Format string `json:"format"`
	// The components' types, "" where there is none.
	Model         string `json:"model"`
	Normalizer    string `json:"normalizer"`
	PreTokenizer  string `json:"pre_tokenizer"`
	PostProcessor string `json:"post_processor"`
	Decoder       string `json:"decoder"`
	// Patterns are the pre-tokenizer's regexes, those that scanners run first.
	Patterns []Pattern `json:"patterns"`
	// VocabSize is the largest id + 1: the rows that a model's embedding needs at least.
	VocabSize int `json:"vocab_size"`
	Tokens    int `json:"tokens"` // ids that stand for something
	Merges    int `json:"merges"`
	Added     int `json:"added"` // added tokens, the special ones among them
	// Special are the special tokens, in the order of the file.
	Special []Token `json:"special"`
	// EOD are those of Special that models are known to end a document with, the likeliest first.
	EOD []Token `json:"eod"`
	// Fingerprint is the sha256 of the file, in hex; of a file of ranks, with # and the encoding's name behind it.
	Fingerprint string `json:"fingerprint"`
	// Ignored are parts of the file that do not count here, in words.
	Ignored []string `json:"ignored"`
}

// Pattern is a regex of a pre-tokenizer and how it runs.
type Pattern struct {
	Regex string `json:"regex"`
	// Scanner is the name of the scanner written by hand that runs it, which is fast; "" for one that package regex
	// runs, which is not.
	Scanner string `json:"scanner"`
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

// Open loads the tokenizer at path: a tokenizer.json, a SentencePiece model, a tekken.json, a file of tiktoken's ranks
// (see [Encodings]), or a folder that holds one of them; of several in a folder, that which stands first in this list.
func Open(path string) (*Tokenizer, error) {
	file, encoding := splitEncoding(path)
	if st, err := os.Stat(file); err != nil {
		return nil, err
	} else if st.IsDir() {
		if file, err = inFolder(file); err != nil {
			return nil, err
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := load(f, filepath.Base(file), encoding)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// inFolder is the tokenizer's file in a model's folder.
func inFolder(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, pattern := range []string{FileName, "tokenizer.model", "sentencepiece.model", "spiece.model", "tokenizer.model*", "tekken.json", "tekken*.json", "*.tiktoken"} {
		for _, e := range entries { // sorted
			if ok, err := filepath.Match(pattern, e.Name()); err == nil && ok && !e.IsDir() {
				return filepath.Join(dir, e.Name()), nil
			}
		}
	}
	return "", &fs.PathError{Op: "open", Path: filepath.Join(dir, FileName), Err: fs.ErrNotExist}
}

// Around are the ids that stand around a text whose special tokens are asked for ([Options.AddSpecialTokens]), such as BOS before
// it. They are not to be changed.
func (t *Tokenizer) Around() (before, after []uint32) { return t.post.Before, t.post.After }

// Load reads a tokenizer.json, a tekken.json or a SentencePiece model. Its errors name the place in the file; an
// *UnsupportedError is about a component that this version does not know.
func Load(r io.Reader) (*Tokenizer, error) { return load(r, "", "") }

func load(r io.Reader, name, encoding string) (*Tokenizer, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB: not a tokenizer's file", maxFile>>20)
	}
	t, err := read(data, name, encoding)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	h.Write(data)
	if t.encoding != "" { // the file alone does not say what its ids are
		io.WriteString(h, "#"+t.encoding)
	}
	t.info.Fingerprint = hex.EncodeToString(h.Sum(nil))
	return t, nil
}

// read tells the formats apart by what is in them.
func read(data []byte, name, encoding string) (*Tokenizer, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("not a tokenizer.json: the file is empty")
	case bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878, 3.1.1
		return nil, errors.New("the file is compressed; decompress it with zstd -d")
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}): // RFC 1952, 2.3.1
		return nil, errors.New("the file is compressed; decompress it with gzip -d")
	case encoding != "" || isRanks(data):
		return newTiktoken(data, name, encoding)
	case len(data) > 0 && data[0] == '\n': // the tag of a ModelProto's first piece
		return newSPM(data)
	case isTekken(data):
		return newTekken(data)
	}
	return parse(data)
}

// UnsupportedError is about a part of a tokenizer's file that is valid, and that this version does not know.
type UnsupportedError = component.UnsupportedError

// Info describes the tokenizer. The slices are shared and must not be written to.
func (t *Tokenizer) Info() Info { return t.info }

// Memory is about what the tokenizer holds, in bytes.
func (t *Tokenizer) Memory() int64 {
	size := int64(128 * len(t.added))
	if t.spm != nil {
		return size + t.spm.Memory()
	}
	return size + t.model.Memory()
}

const (
	// EncoderMemory is the most that an Encoder holds between texts if nothing else is said, in bytes.
	EncoderMemory = 80 << 20
	// LeastEncoderMemory is what it takes at least: models other than byte-level BPE always take up to that.
	LeastEncoderMemory = 28 << 20
)

// What encoders keep fits: this does not compile otherwise.
const (
	_ = uint(EncoderMemory/4*3 - model.EncoderMemory)
	_ = uint(LeastEncoderMemory - model.PieceEncoderMemory - 4*scratchLimit)
	_ = uint(LeastEncoderMemory - sentencepiece.EncoderMemory)
)

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
	in.VocabSize, in.Tokens, in.Added = t.vocab.Size(), t.vocab.Len(), len(t.added)
	special := map[string]bool{}
	for _, a := range t.added {
		if a.special {
			special[a.content] = true
		}
	}
	for _, a := range t.added {
		if a.special {
			in.Special = append(in.Special, Token{a.id, a.content})
		}
		text := a.content
		if a.spelling != "" {
			text = a.spelling
		}
		token, _ := t.asBytes(text)
		if a.spelling != "" || t.byteLevel && in.Decoder != "ByteLevel" || !bytes.Equal(token, t.vocab.Bytes(a.id)) {
			if t.spellings == nil {
				t.spellings = map[uint32]spelling{}
			}
			t.spellings[a.id] = spelling{text, token, special[text]}
		}
	}
	if in.Model == "Unigram" && len(special) > 0 { // its list may have a token twice: HF goes by what it says
		for id := range uint32(t.vocab.Size()) {
			if t.vocab.Has(id) && special[string(t.vocab.Bytes(id))] {
				t.special[id] = true
			}
		}
	}
	for _, name := range endOfDocument {
		for _, s := range in.Special {
			if s.Content == name {
				in.EOD = append(in.EOD, s)
			}
		}
	}
	if t.pre != nil {
		names, others := pretokenizer.Scanners(t.pre)
		for _, name := range names {
			if s, err := pretokenizer.NewScanner(name); err == nil {
				for _, regex := range s.Regexes() {
					in.Patterns = append(in.Patterns, Pattern{regex, name})
				}
			}
		}
		for _, regex := range others {
			in.Patterns = append(in.Patterns, Pattern{Regex: regex})
		}
	}
}

// Unknown is the id of the token for what the tokenizer does not know; ok is false if it has none.
func (t *Tokenizer) Unknown() (id uint32, ok bool) {
	if t.spm != nil {
		unk, _, _, _ := t.spm.Special()
		return uint32(unk), unk >= 0
	}
	if m, is := t.model.(interface{ Unknown() (uint32, bool) }); is {
		return m.Unknown()
	}
	return 0, false
}
