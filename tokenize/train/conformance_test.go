package train

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/tokenize"
)

var update = flag.Bool("update", false, "rewrite testdata/eu-1000.*.json")

// eachLine calls f for each line of a .zst file.
func eachLine(t *testing.T, file string, f func(line []byte)) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for lines := bufio.NewReader(z); ; {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			f(line)
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// pageWords counts the pretokens of one of the sample corpora.
func pageWords(t *testing.T, corpus, preTokenizerName string) *Words {
	t.Helper()
	e := named(t, preTokenizerName).cutter.NewEncoder(tokenize.Options{})
	seen := map[string]uint64{}
	eachLine(t, "../../examples/pages/"+corpus+".jsonl.zst", func(line []byte) {
		var doc struct{ Text string }
		if err := json.Unmarshal(line, &doc); err != nil {
			t.Fatal(err)
		}
		if err := e.Pieces([]byte(doc.Text), func(p []byte) { seen[string(p)]++ }); err != nil {
			t.Fatal(err)
		}
	})
	words := &Words{}
	for w, n := range seen {
		if err := words.Add([]byte(w), n); err != nil {
			t.Fatal(err)
		}
	}
	return words
}

// TestConformanceHF compares with the merges that BpeTrainer of Hugging Face's tokenizers found in the pages of
// examples/pages (bench/peers/hf_bpe_train.py made the cases): all of them, in their order.
func TestConformanceHF(t *testing.T) {
	file := "testdata/hf_merges.jsonl.zst"
	if dir := os.Getenv("CURATE_CONFORMANCE"); dir != "" { // more cases on the same pages, if there are
		if more := filepath.Join(dir, "tokenize", "hf_merges.jsonl.zst"); exists(more) {
			file = more
		}
	}
	cases, agreed, compared := 0, 0, 0
	eachLine(t, file, func(line []byte) {
		var c struct {
			Corpus         string
			Tokenizers     string
			PreTokenizer   string `json:"pre_tokenizer"`
			VocabSize      int    `json:"vocab_size"`
			MinFrequency   uint64 `json:"min_frequency"`
			MaxTokenLength int    `json:"max_token_length"`
			Special        []string
			SeenBytes      bool `json:"seen_bytes"`
			LimitAlphabet  int  `json:"limit_alphabet"`
			Entries        int
			Merges         []string
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		cases++
		cfg := Config{VocabSize: c.VocabSize, MinFrequency: c.MinFrequency, MaxTokenLength: c.MaxTokenLength, Special: c.Special, SeenBytes: c.SeenBytes, LimitAlphabet: c.LimitAlphabet}
		m, err := Train(pageWords(t, c.Corpus, c.PreTokenizer), cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := mergesOf(m)
		compared += len(c.Merges)
		if slices.Equal(got, c.Merges) && len(m.Vocab) == c.Entries {
			agreed++
			return
		}
		at := 0
		for at < min(len(got), len(c.Merges)) && got[at] == c.Merges[at] {
			at++
		}
		t.Errorf("%s, %s, %+v: %d merges and %d entries, tokenizers %s has %d and %d; the first that differs is number %d",
			c.Corpus, c.PreTokenizer, cfg, len(got), len(m.Vocab), c.Tokenizers, len(c.Merges), c.Entries, at)
	})
	if cases == 0 {
		t.Fatal("no cases")
	}
	t.Logf("%d of %d cases agree, of %d merges", agreed, cases, compared)
}

// TestConformanceRustBPE compares with the ranks that rustbpe found in the Basque pages of examples/pages: the tokens in
// their order (bench/peers/rustbpe_train.py made the cases).
func TestConformanceRustBPE(t *testing.T) {
	raw, err := os.ReadFile("testdata/rustbpe.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	words := pageWords(t, "eu", "llama3")
	for line := range bytes.Lines(raw) {
		var c struct {
			Entries int
			SHA     string `json:"sha256"`
			Version string
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		m, err := Train(words, Config{VocabSize: c.Entries, Ties: "rustbpe"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		for _, s := range m.Vocab {
			fmt.Fprintf(sum, "%x\n", unspelled(s))
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != c.SHA {
			t.Errorf("%d entries: sha256 %s, rustbpe %s has %s", c.Entries, got, c.Version, c.SHA)
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestGolden: the whole file, of the Basque sample pages.
func TestGolden(t *testing.T) {
	for _, name := range PreTokenizers() {
		m, err := Train(pageWords(t, "eu", name), Config{VocabSize: 1000, MinFrequency: DefaultMinFrequency, Special: []string{DefaultSpecial, "<|pad|>"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.AppendJSON(nil, named(t, name))
		if err != nil {
			t.Fatal(err)
		}
		file := "testdata/eu-1000." + name + ".json"
		if *update {
			if err := os.WriteFile(file, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes that are not the %d there; go test ./tokenize/train -update, and read the diff", file, len(got), len(want))
		}
	}
}
