package tokenize

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// The folders of cases and of tokenizers: names of environment variables and what stands in for them. Tokenizers whose
// terms forbid to hand them on are in neither; bench/tokenizers.sh fetches them.
const (
	conformanceEnv = "CURATE_CONFORMANCE"
	tokenizersEnv  = "CURATE_TOKENIZERS"
)

func conformanceDir() string {
	if dir := os.Getenv(conformanceEnv); dir != "" {
		return filepath.Join(dir, "tokenize")
	}
	return filepath.Join("testdata", "tokenize")
}

func readFile(file string) ([]byte, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if !strings.HasSuffix(file, ".zst") {
		return io.ReadAll(in)
	}
	z, err := zstd.NewReader(in)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

func eachLine(t *testing.T, file string, f func(line []byte)) {
	t.Helper()
	data, err := readFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		f(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(file, err)
	}
}

// loaded holds each tokenizer once a test run.
var loaded sync.Map // file: func() (*Tokenizer, error)

// spmFiles are where the models of SentencePiece lie.
var spmFiles = map[string]string{
	"llama2_real_spm": "llama2_real/tokenizer.model", "mistral_v1_spm": "mistral/tokenizer.model.v1", "mistral_v3_spm": "mistral/mistral_instruct_tokenizer_240323.model.v3",
	"unigram_ja_spm": "test_ja_model.model", "unigram_test_spm": "test_model.model", "xlmr_spm": "xlmr/sentencepiece.model",
}

// findTokenizer is nil if there is no file for that name.
func findTokenizer(t testing.TB, name string) *Tokenizer {
	t.Helper()
	file := filepath.Join(name, FileName)
	if f, ok := spmFiles[name]; ok {
		file = f
	}
	return findFile(t, file)
}

func findFile(t testing.TB, name string) *Tokenizer {
	t.Helper()
	dirs := []string{filepath.Join(conformanceDir(), "models"), filepath.Join("testdata", "tokenize", "models")}
	if dir := os.Getenv(tokenizersEnv); dir != "" {
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		for _, ext := range []string{"", ".zst"} {
			file := filepath.Join(dir, filepath.FromSlash(name)+ext)
			if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			once, _ := loaded.LoadOrStore(file, sync.OnceValues(func() (*Tokenizer, error) {
				data, err := readFile(file)
				if err != nil {
					return nil, err
				}
				return load(bytes.NewReader(data), filepath.Base(name), "")
			}))
			tok, err := once.(func() (*Tokenizer, error))()
			if err != nil {
				t.Fatal(file, err)
			}
			return tok
		}
	}
	return nil
}

func gpt2(t testing.TB) *Tokenizer {
	t.Helper()
	tok := findTokenizer(t, "gpt2")
	if tok == nil {
		t.Fatal("no gpt2 in testdata")
	}
	return tok
}

type answer struct {
	ID          string   `json:"id"`
	IDs         []uint32 `json:"ids"`
	N           *int     `json:"n"`
	SHA         string   `json:"sha256_u32le"`
	AsText      []uint32 `json:"ids_specials_as_text"`
	WithSpecial json.RawMessage
	RoundTrip   bool    `json:"rt"`
	Offsets     []int   `json:"off"` // in characters: from, to, from, to, …
	Decoded     *string `json:"decoded"`
	DecodedSkip *string `json:"decoded_skip"`
}

func (a *answer) UnmarshalJSON(b []byte) error {
	type plain answer
	x := struct {
		*plain
		WithSpecial json.RawMessage `json:"with_special"`
	}{plain: (*plain)(a)}
	err := json.Unmarshal(b, &x)
	a.WithSpecial = x.WithSpecial
	return err
}

func sha(ids []uint32) string {
	var b []byte
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// sameIDs compares with a list that is cut after want if n says how many there are.
func sameIDs(got, want []uint32, n *int, sum string) bool {
	if n == nil {
		return slices.Equal(got, want)
	}
	return len(got) == *n && len(got) >= len(want) && slices.Equal(got[:len(want)], want) && (sum == "" || sha(got) == sum)
}

// supported are the tokenizers in the folder that this package must load; some come from elsewhere.
var supported = []string{"bert_minilm", "cl100k", "deepseekv3", "gemma3", "gpt2", "gpt4o", "gptoss", "llama2", "llama2_real_spm", "llama31",
	"mistral_v1_spm", "mistral_v3_spm", "qwen3", "unigram_ja_spm", "unigram_test_spm", "xlmr_spm"}

// TestConformanceTokenize compares with HF tokenizers 0.23.3: ids with special tokens in the text parsed and not, with
// those that the post-processor adds, offsets, and the text that ids decode to. The names in _spm are compared with
// sentencepiece 0.2.3: ids and the decoded text.
func TestConformanceTokenize(t *testing.T) {
	dir := conformanceDir()
	texts := map[string]string{}
	eachLine(t, filepath.Join(dir, "strings.jsonl.zst"), func(line []byte) {
		var s struct{ ID, Text string }
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		texts[s.ID] = s.Text
	})
	ran := 0
	for _, name := range supported {
		file := filepath.Join(dir, "tok."+name+".jsonl.zst")
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			t.Logf("%s: no cases in %s", name, dir)
			continue
		}
		tok := findTokenizer(t, name)
		if tok == nil {
			t.Logf("%s: NOT COMPARED: no tokenizer; %s can name a folder with %s/%s", name, tokenizersEnv, name, FileName)
			continue
		}
		plain, special, asText := tok.NewEncoder(Options{}), tok.NewEncoder(Options{AddSpecialTokens: true}), tok.NewEncoder(Options{SpecialsAsText: true})
		cases, agreed := 0, 0
		eachLine(t, file, func(line []byte) {
			var a answer
			if err := json.Unmarshal(line, &a); err != nil {
				t.Fatal(err)
			}
			text, ok := texts[a.ID]
			if !ok {
				t.Fatalf("%s: no string %s", file, a.ID)
			}
			cases++
			if err := tok.compare(plain, special, asText, text, &a); err != nil {
				t.Errorf("%s: %s: %.80q: %v", name, a.ID, text, err)
				return
			}
			agreed++
		})
		if cases == 0 {
			t.Errorf("%s: no cases in %s", name, file)
		}
		t.Logf("%s: %d of %d strings as the reference", name, agreed, cases)
		ran += cases
	}
	if ran == 0 {
		t.Fatal("nothing was compared")
	}
}

func (t *Tokenizer) compare(plain, special, asText *Encoder, text string, a *answer) error {
	ids := must(plain.Append(nil, []byte(text)))
	if !sameIDs(ids, a.IDs, a.N, a.SHA) {
		return fmt.Errorf("ids\n got %.20v\nwant %.20v", ids, a.IDs)
	}
	got, spans, err := plain.AppendOffsets(nil, nil, []byte(text))
	if err != nil || !slices.Equal(got, ids) {
		return fmt.Errorf("ids with offsets: %v\n got %.20v\nwant %.20v", err, got, ids)
	}
	if a.Offsets != nil {
		if off := inCharacters(text, spans); !slices.Equal(off, a.Offsets) {
			return fmt.Errorf("offsets\n got %v\nwant %v", off, a.Offsets)
		}
	}
	if t.spm != nil {
		return t.compareDecoded(text, t.Decode(ids, DecodeOptions{}), a)
	}
	want := a.AsText
	if got := must(asText.Append(nil, []byte(text))); want != nil && !slices.Equal(got, want) || want == nil && !slices.Equal(got, ids) {
		return fmt.Errorf("specials as text\n got %v\nwant %v", got, want)
	}
	got = must(special.Append(nil, []byte(text)))
	switch {
	case a.WithSpecial == nil:
		if !slices.Equal(got, ids) {
			return fmt.Errorf("with special tokens\n got %.20v\nwant %.20v", got, ids)
		}
	case a.WithSpecial[0] == '{':
		var w struct {
			Prefix []uint32
			N      int
		}
		if err := json.Unmarshal(a.WithSpecial, &w); err != nil {
			return err
		}
		if !sameIDs(got, w.Prefix, &w.N, "") {
			return fmt.Errorf("with special tokens\n got %.20v\nwant %.20v", got, w.Prefix)
		}
	default:
		var w []uint32
		if err := json.Unmarshal(a.WithSpecial, &w); err != nil {
			return err
		}
		if !slices.Equal(got, w) {
			return fmt.Errorf("with special tokens\n got %.20v\nwant %.20v", got, w)
		}
	}
	decoded := t.Decode(ids, DecodeOptions{})
	if err := t.compareDecoded(text, decoded, a); err != nil {
		return err
	}
	skipped := t.Decode(ids, DecodeOptions{SkipSpecialTokens: true})
	if a.DecodedSkip != nil && !sameText(skipped, *a.DecodedSkip) || a.DecodedSkip == nil && skipped != decoded {
		return fmt.Errorf("decoded without special tokens as %.80q", skipped)
	}
	return nil
}

func (t *Tokenizer) compareDecoded(text, decoded string, a *answer) error {
	switch {
	case a.RoundTrip && decoded != text:
		return fmt.Errorf("decoded as %.80q", decoded)
	case a.Decoded != nil && !sameText(decoded, *a.Decoded):
		return fmt.Errorf("decoded as %.80q, want %.80q", decoded, *a.Decoded)
	}
	return nil
}

// sameText compares with a text, or with the digest of one.
func sameText(got, want string) bool {
	sum := sha256.Sum256([]byte(got))
	return got == want || hex.EncodeToString(sum[:]) == want
}

// inCharacters are spans in characters, one behind the other.
func inCharacters(text string, spans []Span) (list []int) {
	at := make([]int, len(text)+1)
	n := 0
	for i := range text {
		at[i] = n
		n++
	}
	at[len(text)] = n
	for _, s := range spans {
		list = append(list, at[s.From], at[s.To])
	}
	return list
}

// TestConformanceUnreachable is about tokens of Llama 3.1 that no merges lead to: they are found as whole pieces alone
// (ignore_merges), and longest-match encoders put them inside longer words.
func TestConformanceUnreachable(t *testing.T) {
	file := filepath.Join(conformanceDir(), "unreachable.llama31.jsonl.zst")
	tok := findTokenizer(t, "llama31")
	if _, err := os.Stat(file); err != nil || tok == nil {
		t.Logf("NOT COMPARED: it needs %s and the tokenizer llama31", file)
		return
	}
	e := tok.NewEncoder(Options{})
	cases, agreed := 0, 0
	eachLine(t, file, func(line []byte) {
		var a struct {
			ID, Text string
			IDs      []uint32
		}
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		cases++
		if got := must(e.Append(nil, []byte(a.Text))); !slices.Equal(got, a.IDs) {
			t.Errorf("%s: %q:\n got %v\nwant %v", a.ID, a.Text, got, a.IDs)
			return
		}
		agreed++
	})
	if cases == 0 {
		t.Error("no cases in", file)
	}
	t.Logf("%d of %d strings as HF tokenizers", agreed, cases)
}

// TestConformanceGGML compares with the goldens of llama.cpp: ids of 46 strings for each vocabulary that
// bench/ggml_tokenizers.py makes tokenizers of.
func TestConformanceGGML(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(conformanceDir(), "ggml_vocab", "*.inp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "ggml-vocab-"), ".gguf.inp")
		tok := findTokenizer(t, "ggml-"+name)
		if tok == nil && name == "llama-spm" {
			tok = findTokenizer(t, "llama2_real_spm")
		}
		if tok == nil {
			t.Logf("%s: NOT COMPARED: no tokenizer; %s can name a folder with ggml-%s/%s", name, tokenizersEnv, name, FileName)
			continue
		}
		in, err := readFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out, err := readFile(strings.TrimSuffix(file, ".inp") + ".out")
		if err != nil {
			t.Fatal(err)
		}
		texts := strings.Split(string(in), "\n__ggml_vocab_test__\n")
		if last := len(texts) - 1; texts[last] == "" {
			texts = texts[:last]
		}
		wants := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(texts) != len(wants) {
			t.Errorf("%s: %d strings and %d answers", name, len(texts), len(wants))
			continue
		}
		e := tok.NewEncoder(Options{})
		agreed := 0
		for i, text := range texts {
			got := strings.Trim(fmt.Sprint(must(e.Append(nil, []byte(text)))), "[]")
			if want := strings.Join(strings.Fields(wants[i]), " "); got != want {
				t.Errorf("%s: %q:\n got %s\nwant %s", name, text, got, want)
				continue
			}
			agreed++
		}
		t.Logf("%s: %d of %d strings", name, agreed, len(texts))
	}
}
