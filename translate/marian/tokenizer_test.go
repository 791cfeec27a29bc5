package marian

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func tinyTokenizer(t testing.TB) *tokenizer {
	t.Helper()
	return tokenizerOf(t, tinyModel(t))
}

func tokenizerOf(t testing.TB, dir string) *tokenizer {
	t.Helper()
	c, err := readConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := readTokenizer(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// checkPieces checks what holds of all pieces of a text: that they stand in order and within it.
func checkPieces(t *testing.T, text string, ids []int32, pieces []Piece) {
	t.Helper()
	if len(ids) != len(pieces) {
		t.Fatalf("%q: %d ids, %d pieces", text, len(ids), len(pieces))
	}
	last := 0
	for i, p := range pieces {
		if p.From < last || p.To < p.From || p.To > len(text) || p.Source != 0 {
			t.Fatalf("%q: piece %d is %v, behind one from %d", text, i, p, last)
		}
		last = p.From
	}
}

// checkTarget checks that the pieces of a decoded text follow one another and make all of it.
func checkTarget(t *testing.T, text string, ids []int32, pieces []Piece) {
	t.Helper()
	checkPieces(t, text, ids, pieces)
	at := 0
	for i, p := range pieces {
		if p.From != at {
			t.Fatalf("%q: piece %d is %v, and the one before ends at %d", text, i, p, at)
		}
		if at = p.To; at < len(text) && !utf8.RuneStart(text[at]) {
			t.Fatalf("%q: piece %d ends within a character", text, i)
		}
	}
	if at != len(text) {
		t.Fatalf("%q: the pieces end at %d", text, at)
	}
}

// TestGolden compares with what transformers made of the tiny model's sources and outputs.
func TestGolden(t *testing.T) {
	tok := tinyTokenizer(t)
	for _, g := range goldens(t) {
		ids, pieces := tok.encode(g.Src)
		if !slices.Equal(ids, g.InputIDs) {
			t.Errorf("%q: %d, want %d", g.Src, ids, g.InputIDs)
		}
		checkPieces(t, g.Src, ids, pieces)
		for i, s := range g.Sequences {
			text, pieces := tok.decode(s)
			if text != g.Text[i] {
				t.Errorf("%d: %q, want %q", s, text, g.Text[i])
			}
			checkTarget(t, text, s, pieces)
		}
	}
}

// setKeys writes keys of a JSON file.
func setKeys(t testing.TB, file string, values map[string]jsontext.Value) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]jsontext.Value{}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for k, v := range values {
		all[k] = v
	}
	if b, err = json.Marshal(all, json.Deterministic(true)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestReference compares with MarianTokenizer: testdata/tokenizer.py.
func TestReference(t *testing.T) {
	var tok *tokenizer
	variants, encoded, decoded := 0, 0, 0
	lines := bufio.NewScanner(bytes.NewReader(unpacked(t, "tokenizer.jsonl.zst")))
	lines.Buffer(nil, 1<<20)
	name := ""
	for lines.Scan() {
		var c struct {
			Variant string                    `json:"variant"`
			Files   map[string]*string        `json:"files"`
			Binary  map[string][]byte         `json:"binary"`
			Config  map[string]jsontext.Value `json:"config"`
			Text    string                    `json:"text"`
			IDs     []int32                   `json:"ids"`
			Decode  []int32                   `json:"decode"`
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		switch {
		case c.Variant != "":
			variants++
			name = c.Variant
			dir := tinyFiles(t, "source.spm", "target.spm", "vocab.json", "tokenizer_config.json", "config.json")
			for file, content := range c.Files {
				file = filepath.Join(dir, file)
				err := os.Remove(file)
				if content != nil {
					err = os.WriteFile(file, []byte(*content), 0o666)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for file, content := range c.Binary {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if len(c.Config) > 0 {
				setKeys(t, filepath.Join(dir, "config.json"), c.Config)
			}
			tok = tokenizerOf(t, dir)
		case c.IDs != nil:
			encoded++
			ids, pieces := tok.encode(c.Text)
			if !slices.Equal(ids, c.IDs) {
				t.Errorf("%s: %q: %d, want %d", name, c.Text, ids, c.IDs)
			}
			checkPieces(t, c.Text, ids, pieces)
			if last := pieces[len(pieces)-1]; last.From != len(c.Text) {
				t.Errorf("%s: %q: the end stands at %v", name, c.Text, last)
			}
			if got, want := tok.unknown(c.Text), slices.Contains(c.IDs, tok.unk); got != want {
				t.Errorf("%s: %q: unknown is %v", name, c.Text, got)
			}
		default:
			decoded++
			text, pieces := tok.decode(c.Decode)
			if text != c.Text {
				t.Errorf("%s: %d: %q, want %q", name, c.Decode, text, c.Text)
			}
			checkTarget(t, text, c.Decode, pieces)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if variants != 8 || encoded < 2000 || decoded < 700 {
		t.Errorf("%d variants, %d texts, %d sequences", variants, encoded, decoded)
	}
}

// TestEncodePieces checks where tokens stand.
func TestEncodePieces(t *testing.T) {
	tok := tinyTokenizer(t)
	for _, c := range []struct {
		text string
		want []string // what each token stands for, the end left out
	}{
		{"", nil},
		{"Moves one  sheet", []string{"Move", "s", " one", "  sheet"}},
		{">>eu<< Moves", []string{">>eu<<", "Move", "s"}},
		{"a</s>漢字 b", []string{"a", "</s>", "", "漢字", " b"}},
	} {
		ids, pieces := tok.encode(c.text)
		var got []string
		for _, p := range pieces[:len(pieces)-1] {
			got = append(got, c.text[p.From:p.To])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q (%d), want %q", c.text, got, ids, c.want)
		}
	}
}

// TestOwnVocabularies decodes with a target vocabulary in which special tokens have other ids than in the source's.
func TestOwnVocabularies(t *testing.T) {
	dir := tinyFiles(t, "source.spm", "target.spm", "config.json")
	for name, content := range map[string]string{
		"vocab.json":            `{"<unk>": 0, "</s>": 1, "<pad>": 2, "▁a": 3, ">>eu<<": 4}`,
		"target_vocab.json":     `{"</s>": 0, "▁bat": 1, "▁eta": 2, "<pad>": 3, "<unk>": 4}`,
		"tokenizer_config.json": `{"separate_vocabs": true}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	tok := tokenizerOf(t, dir)
	if ids, _ := tok.encode(">>eu<< a b"); !slices.Equal(ids, []int32{4, 3, 0, 1}) {
		t.Errorf("%d", ids)
	}
	text, pieces := tok.decode([]int32{3, 1, 4, 2, 0})
	if want := []Piece{{}, {From: 0, To: 3}, {From: 3, To: 3}, {From: 3, To: 7}, {From: 7, To: 7}}; text != "bat eta" || !slices.Equal(pieces, want) {
		t.Errorf("%q %v", text, pieces)
	}
}

// TestEncodeTogether checks that goroutines do not disturb one another.
func TestEncodeTogether(t *testing.T) {
	tok := tinyTokenizer(t)
	all := goldens(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for _, g := range all {
				if ids, _ := tok.encode(g.Src); !slices.Equal(ids, g.InputIDs) {
					t.Errorf("%q: %d", g.Src, ids)
				}
				if text, _ := tok.decode(g.Sequences[0]); text != g.Text[0] {
					t.Errorf("%q", text)
				}
			}
		})
	}
	wait.Wait()
}

// TestTokenizerErrors checks that a folder which cannot work is refused with file and reason.
func TestTokenizerErrors(t *testing.T) {
	for _, c := range []struct{ name, file, content, want string }{
		{"no source.spm", "source.spm", "", "source.spm"},
		{"no vocabulary", "vocab.json", "", "vocab.json"},
		{"a list", "vocab.json", "[1]", "vocab.json (byte 1): it is no JSON object of pieces and ids: it does not begin with {"},
		{"cut", "vocab.json", `{"</s>": 0, `, "it is no JSON object"},
		{"twice", "vocab.json", `{"</s>": 0, "</s>": 1}`, "duplicate"},
		{"a text for an id", "vocab.json", `{"</s>": "0"}`, "it is no JSON object of pieces and ids"},
		{"more behind", "vocab.json", `{"</s>": 0, "<unk>": 1, "<pad>": 2} {}`, "something stands behind it"},
		{"another model's", "vocab.json", `{"</s>": 0, "<unk>": 3599}`, `"<unk>" has id 3599, and config.json says vocab_size 3599`},
		{"below 0", "vocab.json", `{"</s>": -1}`, `"</s>" has id -1`},
		{"no unknown", "vocab.json", `{"</s>": 0, "<pad>": 2}`, `"<unk>", the token for what is unknown, is not in it`},
		{"no end", "vocab.json", `{"<unk>": 0, "<pad>": 2}`, ""}, // added_tokens_decoder has it
		{"special beyond", "tokenizer_config.json", `{"added_tokens_decoder": {"3599": {"content": "<x>"}}}`, `the special token "<x>" has id 3599, and the model has 3599`},
		{"special unknown", "tokenizer_config.json", `{"additional_special_tokens": ["<x>"]}`, `the special token "<x>" is not in `},
		{"stripping", "tokenizer_config.json", `{"eos_token": {"content": "</s>", "rstrip": true}}`, "eos_token: the token \"</s>\" asks for lstrip"},
		{"an empty end", "tokenizer_config.json", `{"eos_token": ""}`, `eos_token is "", and a text needs an end`},
		{"no token", "tokenizer_config.json", `{"eos_token": 7}`, "eos_token: 7 is no token"},
		{"another class", "tokenizer_config.json", `{"tokenizer_class": "NllbTokenizer"}`, "tokenizer_class: it is NllbTokenizer, and should be MarianTokenizer"},
		{"sampling", "tokenizer_config.json", `{"sp_model_kwargs": {"enable_sampling": true}}`, "sp_model_kwargs"},
		{"no target vocabulary", "tokenizer_config.json", `{"separate_vocabs": true}`, "target_vocab.json"},
		{"a token of its own", "tokenizer_config.json", `{"x_token": "<x>"}`, `the special token "<x>" is not in `},
		{"no model", "source.spm", "x", "source.spm: sentencepiece"},
	} {
		dir := tinyFiles(t, "source.spm", "target.spm", "vocab.json", "tokenizer_config.json", "config.json")
		file := filepath.Join(dir, c.file)
		err := os.Remove(file)
		if c.content != "" {
			err = os.WriteFile(file, []byte(c.content), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		config, err := readConfig(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = readTokenizer(dir, config)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir)):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// FuzzTokenizer gives a hostile vocabulary and configuration to a usual SentencePiece model.
func FuzzTokenizer(f *testing.F) {
	f.Add([]byte(`{"</s>": 0, "<unk>": 1, "▁a": 2, "b": 3, "<pad>": 4, ">>eu<<": 5}`), []byte(`{"separate_vocabs": false, "clean_up_tokenization_spaces": true}`), ">>eu<< a</s>b 漢字 .", []byte{2, 3, 4, 0, 1, 9})
	f.Add([]byte(`{"</s>": 0, "<unk>": 1, "<pad>": 1}`), []byte(`{"added_tokens_decoder": {"0": {"content": "</s>"}, "2": {"content": "x"}}, "additional_special_tokens": ["x", {"content": "x"}]}`), "xx \xff", []byte{2})
	f.Add([]byte(`{`), []byte(`{"extra_special_tokens": {"a": "b"}}`), "", []byte{})
	m := tinyTokenizer(f).source
	f.Fuzz(func(t *testing.T, vocab, config []byte, text string, sequence []byte) {
		if len(text) > 1000 || len(sequence) > 100 {
			return
		}
		v, err := readVocabulary("vocab.json", vocab, 100, "vocab_size")
		if err != nil {
			return
		}
		k, err := readKeys("tokenizer_config.json", config)
		if err != nil {
			return
		}
		o := k.tokenizer(&keys{}, &keys{})
		if k.err != nil {
			return
		}
		tok, err := newTokenizer(o, m, m, v, v)
		if err != nil {
			return
		}
		ids, pieces := tok.encode(text)
		checkPieces(t, text, ids, pieces)
		for _, id := range ids {
			if id < 0 || id >= 100 {
				t.Fatalf("%q: id %d", text, id)
			}
		}
		targets := make([]int32, len(sequence))
		for i, b := range sequence {
			targets[i] = int32(b) - 2
		}
		decoded, pieces := tok.decode(targets)
		checkTarget(t, decoded, targets, pieces)
	})
}
