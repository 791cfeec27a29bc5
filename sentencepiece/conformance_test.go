package sentencepiece

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
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// The folders of cases and of models that are not in testdata: names of environment variables. bench/tokenizers.sh and
// bench/sentencepiece_models.py fill the second.
const (
	conformanceEnv = "CURATE_CONFORMANCE"
	tokenizersEnv  = "CURATE_TOKENIZERS"
)

func readFile(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil || !strings.HasSuffix(file, ".zst") {
		return data, err
	}
	z, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

func eachLine(t testing.TB, file string, f func(line []byte)) {
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

// findModel is nil if none of the files is in testdata or in the folders of the environment.
func findModel(t testing.TB, file string) *Model {
	t.Helper()
	dirs := []string{"testdata"}
	if dir := os.Getenv(conformanceEnv); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "tokenize", "models"))
	}
	if dir := os.Getenv(tokenizersEnv); dir != "" {
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		for _, name := range []string{file, file + ".zst"} {
			data, err := readFile(filepath.Join(dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := Read(data)
			if err != nil {
				t.Fatal(name, err)
			}
			return m
		}
	}
	return nil
}

type answer struct {
	ID      string   `json:"id"`
	IDs     []uint32 `json:"ids"`
	N       *int     `json:"n"` // IDs are the first of so many
	SHA     string   `json:"sha256_u32le"`
	Same    bool     `json:"rt"` // decoding gives the text
	Decoded *string  `json:"decoded"`
}

func (a *answer) compare(m *Model, e *Encoder, text string) error {
	got := e.Append(nil, []byte(text))
	want, n := a.IDs, len(a.IDs)
	if a.N != nil {
		n = *a.N
	}
	if len(got) != n || !slices.Equal(got[:len(want)], want) {
		return fmt.Errorf("%d ids %v, want %d: %v", len(got), got[:min(len(got), 50)], n, want[:min(len(want), 50)])
	}
	if a.N != nil {
		h := sha256.New()
		for _, id := range got {
			h.Write(binary.LittleEndian.AppendUint32(nil, id))
		}
		if sum := hex.EncodeToString(h.Sum(nil)); sum != a.SHA {
			return fmt.Errorf("the first %d ids are right, not all: their SHA-256 is %s, want %s", len(want), sum, a.SHA)
		}
	}
	decoded, err := m.AppendDecoded(nil, got)
	if err != nil {
		return err
	}
	if (string(decoded) == text) != a.Same {
		return fmt.Errorf("decoded %.100q, which is the text: %v", decoded, !a.Same)
	}
	if a.Decoded != nil && string(decoded) != *a.Decoded {
		if sum := sha256.Sum256(decoded); hex.EncodeToString(sum[:]) != *a.Decoded { // stands for a long text
			return fmt.Errorf("decoded %.100q, want %.100q", decoded, *a.Decoded)
		}
	}
	tokens := e.AppendTokens(nil, []byte(text))
	if len(tokens) != len(got) {
		return fmt.Errorf("%d tokens, want %d", len(tokens), len(got))
	}
	for i, tok := range tokens {
		if tok.ID != got[i] {
			return fmt.Errorf("tokens[%d] is %d, want %d", i, tok.ID, got[i])
		}
	}
	return nil
}

// TestConformance compares with sentencepiece 0.2.3: ids, and the text that they decode to.
func TestConformance(t *testing.T) {
	dir := os.Getenv(conformanceEnv)
	if dir == "" {
		t.Skipf("%s names no folder of cases; TestReference has some of them", conformanceEnv)
	}
	dir = filepath.Join(dir, "tokenize")
	texts := map[string]string{}
	eachLine(t, filepath.Join(dir, "strings.jsonl.zst"), func(line []byte) {
		var s struct{ ID, Text string }
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		texts[s.ID] = s.Text
	})
	for _, set := range []struct{ name, model string }{
		{"llama2_real_spm", "llama2_real/tokenizer.model"},
		{"mistral_v1_spm", "mistral/tokenizer.model.v1"},
		{"mistral_v3_spm", "mistral/mistral_instruct_tokenizer_240323.model.v3"},
		{"unigram_ja_spm", "test_ja_model.model"},
		{"unigram_test_spm", "test_model.model"},
		{"xlmr_spm", "xlmr/sentencepiece.model"},
	} {
		m := findModel(t, set.model)
		if m == nil {
			t.Logf("%s: NOT COMPARED: no %s; %s can name a folder with it (bench/sentencepiece_models.py makes it)", set.name, set.model, tokenizersEnv)
			continue
		}
		e := m.NewEncoder()
		cases, agreed := 0, 0
		eachLine(t, filepath.Join(dir, "tok."+set.name+".jsonl.zst"), func(line []byte) {
			var a answer
			if err := json.Unmarshal(line, &a); err != nil {
				t.Fatal(err)
			}
			text, ok := texts[a.ID]
			if !ok {
				t.Fatalf("%s: no string %s", set.name, a.ID)
			}
			cases++
			if err := a.compare(m, e, text); err != nil {
				t.Errorf("%s: %s: %.80q: %v", set.name, a.ID, text, err)
				return
			}
			agreed++
		})
		if cases == 0 {
			t.Errorf("%s: no cases", set.name)
		}
		t.Logf("%s: %d of %d", set.name, agreed, cases)
	}
}

// TestConformanceLlama compares with llama.cpp's own answers for Llama 2.
func TestConformanceLlama(t *testing.T) {
	dir := os.Getenv(conformanceEnv)
	m := findModel(t, "llama2_real/tokenizer.model")
	if dir == "" || m == nil {
		t.Skipf("%s and %s name no folders with cases and llama2_real/tokenizer.model", conformanceEnv, tokenizersEnv)
	}
	file := filepath.Join(dir, "tokenize", "ggml_vocab", "ggml-vocab-llama-spm.gguf")
	in, err := os.ReadFile(file + ".inp")
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(file + ".out")
	if err != nil {
		t.Fatal(err)
	}
	texts := strings.Split(string(in), "\n__ggml_vocab_test__\n")
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if texts[len(texts)-1] == "" {
		texts = texts[:len(texts)-1]
	}
	if len(texts) != len(lines) {
		t.Fatalf("%d texts, %d answers", len(texts), len(lines))
	}
	e := m.NewEncoder()
	for i, text := range texts {
		var want []uint32
		for _, s := range strings.Fields(lines[i]) {
			id, err := strconv.ParseUint(s, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, uint32(id))
		}
		if got := e.Append(nil, []byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	t.Logf("%d strings", len(texts))
}
