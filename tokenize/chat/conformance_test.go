package chat

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"curate/record"
	"curate/tokenize"
)

// The folders of cases and of tokenizers, as in package tokenize.
const (
	conformanceEnv = "CURATE_CONFORMANCE"
	tokenizersEnv  = "CURATE_TOKENIZERS"
)

func conformanceDir() string {
	if dir := os.Getenv(conformanceEnv); dir != "" {
		return filepath.Join(dir, "tokenize")
	}
	return "testdata"
}

func readTest(file string) ([]byte, error) {
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

func eachLine(t testing.TB, file string, f func(line []byte)) {
	t.Helper()
	data, err := readTest(file)
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

// modelFile finds a file of a model: in the conformance folder, among fetched tokenizers, or beside package tokenize's
// own tests.
func modelFile(model, name string) string {
	for _, dir := range []string{filepath.Join(conformanceDir(), "models"), os.Getenv(tokenizersEnv), filepath.Join("..", "testdata", "tokenize", "models")} {
		for _, ending := range []string{"", ".zst"} {
			file := filepath.Join(dir, model, name+ending)
			if _, err := os.Stat(file); dir != "" && err == nil {
				return file
			}
		}
	}
	return ""
}

var loaded sync.Map // file: func() (*tokenize.Tokenizer, error)

// findTokenizer is nil if there is no file for that name.
func findTokenizer(t testing.TB, model string) *tokenize.Tokenizer {
	t.Helper()
	file := modelFile(model, tokenize.FileName)
	if file == "" {
		return nil
	}
	load, _ := loaded.LoadOrStore(file, sync.OnceValues(func() (*tokenize.Tokenizer, error) {
		data, err := readTest(file)
		if err != nil {
			return nil, err
		}
		return tokenize.Load(bytes.NewReader(data))
	}))
	tok, err := load.(func() (*tokenize.Tokenizer, error))()
	if err != nil {
		t.Log(model, err)
		return nil
	}
	return tok
}

func gpt2(t testing.TB) *tokenize.Tokenizer {
	t.Helper()
	tok := findTokenizer(t, "gpt2")
	if tok == nil {
		t.Fatal("no gpt2 in testdata")
	}
	return tok
}

// specials of models whose tokenizer_config.json is not at hand.
var specials = map[string][]special{
	"gemma3":  {{"bos_token", "<bos>"}, {"eos_token", "<eos>"}},
	"llama31": {{"bos_token", "<|begin_of_text|>"}, {"eos_token", "<|eot_id|>"}},
	"qwen3":   {{"eos_token", "<|im_end|>"}, {"pad_token", "<|endoftext|>"}},
}

// templatesOf are those of a conformance set: nil if they are not at hand.
func templatesOf(t *testing.T, model, template string) *Templates {
	dir := t.TempDir()
	if file := modelFile(model, "tokenizer_config.json"); file != "" {
		data, err := readTest(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), data, 0o666); err != nil {
			t.Fatal(err)
		}
	} else if template == "packaged" {
		return nil
	}
	own, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if own.special == nil {
		own.special = specials[model]
	}
	if template == "packaged" {
		return own
	}
	chosen, err := own.Choose(filepath.Join(conformanceDir(), "models", "templates", template+".jinja"))
	if err != nil {
		t.Fatal(err)
	}
	return chosen
}

type chatCase struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Messages jsontext.Value `json:"messages"`
	Kwargs   jsontext.Value `json:"kwargs"`
	Text     string         `json:"text"`
	IDs      []uint32       `json:"ids"`
	Spans    [][2]int       `json:"assistant_char_spans_prefix"`
	Mask     *string        `json:"assistant_mask_generation"`
	Error    jsontext.Value `json:"error"`
}

func (c *chatCase) row(t *testing.T) *Row {
	t.Helper()
	line := `{"messages":` + string(c.Messages) + `,"chat_template_kwargs":` + string(c.Kwargs) + `}`
	row, err := readLine(line)
	if err != nil {
		t.Fatalf("%s: %v", c.ID, err)
	}
	return row
}

// readLine reads a row as the stage does.
func readLine(line string) (*Row, error) {
	b := &record.Batch{}
	b.Append(1, 1, []byte(line))
	b.Parse()
	r := &b.Records[0]
	if r.Outcome != record.Keep {
		return nil, r.Err
	}
	kind, err := kindOf(r, record.MustPath("text"))
	if err != nil {
		return nil, err
	}
	return read(r, kind)
}

// TestConformanceChat compares with transformers 5.24.0 on the templates of models: the text, its ids, the mask by
// {% generation %} marks, the spans by prefixes, and what must fail.
func TestConformanceChat(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(conformanceDir(), "chat.*.jsonl.zst"))
	if err != nil || len(files) == 0 {
		t.Fatal("no cases in ", conformanceDir(), err)
	}
	for _, file := range files {
		name := strings.Split(filepath.Base(file), ".")
		t.Run(name[1]+"."+name[2], func(t *testing.T) { conformanceChat(t, file, name[1], name[2]) })
	}
}

func conformanceChat(t *testing.T, file, model, template string) {
	templates := templatesOf(t, model, template)
	if templates == nil {
		t.Skipf("NOT COMPARED: no %s/tokenizer_config.json; %s can name a folder with it (bench/tokenizers.sh)", model, tokenizersEnv)
	}
	format, err := NewFormat(templates, nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	tok := findTokenizer(t, model)
	if tok == nil {
		t.Logf("ids and masks NOT COMPARED: no tokenizer %s that this version loads", model)
	}
	var counts struct{ texts, errors, ids, masks, spans int }
	eachLine(t, file, func(line []byte) {
		var c chatCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		row := c.row(t)
		got, err := format.Render(row.Prompt, &row.Params)
		if c.Error != nil {
			if err == nil {
				t.Errorf("%s (%s): rendered, and must fail with %s", c.ID, c.Name, c.Error)
			}
			counts.errors++
			return
		}
		if err != nil {
			t.Errorf("%s (%s): %v", c.ID, c.Name, err)
			return
		}
		if string(got.Text) != c.Text {
			t.Errorf("%s (%s):\n got %q\nwant %q", c.ID, c.Name, got.Text, c.Text)
			return
		}
		counts.texts++
		spans, err := format.prefixSpans(got.Text, row.Prompt, &row.Params, 0)
		for i, s := range spans {
			spans[i] = [2]int{utf8.RuneCount(got.Text[:s[0]]), utf8.RuneCount(got.Text[:s[1]])}
		}
		if err != nil != (c.Spans == nil) || err == nil && !slices.Equal(spans, c.Spans) {
			t.Errorf("%s (%s): spans %v %v, want %v", c.ID, c.Name, spans, err, c.Spans)
		}
		counts.spans++
		if got.Marked != (c.Mask != nil) && row.ContinueFinal == "" {
			t.Errorf("%s (%s): marked %v", c.ID, c.Name, got.Marked)
		}
		if tok == nil {
			return
		}
		all := NewEncoder(tok, format, Options{TrainOn: All})
		x, err := all.Encode(row)
		if err != nil || !slices.Equal(x.IDs, c.IDs) {
			t.Errorf("%s (%s): ids %v %v\nwant %v", c.ID, c.Name, x, err, c.IDs)
			return
		}
		counts.ids++
		if c.Mask == nil {
			return
		}
		x, err = NewEncoder(tok, format, Options{}).Encode(row)
		if err != nil {
			t.Errorf("%s (%s): %v", c.ID, c.Name, err)
			return
		}
		mask := make([]byte, len(x.Mask))
		for i, m := range x.Mask {
			mask[i] = '0' + m
		}
		if string(mask) != *c.Mask {
			t.Errorf("%s (%s): mask\n got %s\nwant %s", c.ID, c.Name, mask, *c.Mask)
		}
		counts.masks++
	})
	if counts.texts == 0 {
		t.Error("nothing was compared")
	}
	t.Logf("%+v", counts)
}
