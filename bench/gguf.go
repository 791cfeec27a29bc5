package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"curate/corpus/store"
	"curate/kernel"
	"curate/safetensors"
	"curate/tokenize"
	"curate/train"
	"curate/train/model"
)

const ggufBTLM = `"model_type":"btlm","vocab_size":500,"n_embd":64,"n_inner":160,"n_layer":3,"n_head":8,"n_positions":256,"activation_function":"swiglu","position_embedding_type":"alibi","bos_token_id":1,"eos_token_id":2`

// ggufCases are those of export, and BTLMs: with heads that are no power of two, without µP, and with rows that are no whole blocks.
var ggufCases = append(slices.Clone(exportCases),
	exportCase{name: "btlm-mup-tied", config: `{` + ggufBTLM + `,"mup_embeddings_scale":14.6,"mup_output_alpha":2.22,"mup_width_scale":0.25,"mup_scale_qk_dot_by_d":true}`},
	exportCase{name: "btlm-untied", config: `{` + ggufBTLM + `,"tie_word_embeddings":false}`},
	exportCase{name: "btlm-12-heads", config: strings.NewReplacer(`"n_embd":64`, `"n_embd":96`, `"n_head":8`, `"n_head":12`, `160`, `170`).Replace(`{` + ggufBTLM + `,"mup_scale_qk_dot_by_d":true}`)},
)

// ggufTypes are the types of matrices with the largest difference of logits that is allowed, of logits of up to 1. llama.cpp computes with
// activations in 16 bits where matrices have them, and in blocks of 8 bits where matrices are in blocks; curate's numbers are those
// of the file in float32.
var ggufTypes = []struct {
	name      string
	tolerance float64
}{{"f32", 2e-5}, {"f16", 5e-3}, {"q8_0", 5e-2}, {"q4_0", 5e-2}}

// llamaAnswer is what llamacpp_model.py prints.
type llamaAnswer struct {
	Version    string    `json:"version"`
	Greedy     [][]int32 `json:"greedy"`
	Vocabulary int       `json:"vocabulary"`
	IDs        [][]int32 `json:"ids"`
	SpecialIDs [][]int32 `json:"special_ids"`
	BOS        int       `json:"bos"`
	EOS        int       `json:"eos"`
	Template   string    `json:"template"`
}

// ggufTexts are encoded by both: words, digits, spaces, other scripts, contractions, and special tokens' names, if there are any.
var ggufTexts = []string{
	"Kaixo, mundua! Euskara da gure hizkuntza.", "It's 12345 o'clock -- isn't it?  Two  spaces.\n\nAnd lines\n", "ñandú ЙОД 東京タワー 🙂👍🏽 ½ ²", "\tdef f(x):\n\t\treturn x**2\n", "", " ", "a", "   b",
}

// runGGUF has llama.cpp load what curate export --format gguf writes.
func runGGUF(s *session) error {
	fmt.Printf("\ngguf: models of curate in llama.cpp\n")
	python := s.options.llamaPython
	if python == "" {
		fmt.Printf("SKIPPED gguf: -llamacpp-python names no Python with llama-cpp-python; README.md says how to make one\n")
		return nil
	}
	if out, err := exec.Command(python, "-c", "import llama_cpp").CombinedOutput(); err != nil {
		fmt.Printf("SKIPPED gguf: %s: %s\n", python, lastLines(string(out), 1))
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	script, err := filepath.Abs("llamacpp_model.py")
	if err != nil {
		return err
	}
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		return err
	}
	r := &exportRun{session: s, v: &verdict{Numbers: map[string]any{}}, bin: bin, dir: filepath.Join(s.dir, "gguf"), python: python, script: script, st: store.NewLocal(nil).Scratch(), pool: kernel.NewPool(set, 1)}
	defer r.pool.Close()
	if err := r.randomRows(); err != nil {
		return err
	}
	for i, c := range ggufCases {
		if err := r.llama(c, filepath.Join(r.dir, c.name), uint64(i)); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for i, path := range s.options.ggufTokenizers {
		if err := r.llamaTokenizer(path, filepath.Join(r.dir, fmt.Sprintf("tokenizer-%d", i))); err != nil {
			r.v.failf("%s: %v", path, err)
		}
	}
	return s.say("gguf", r.v)
}

// llama exports a random model in each type.
func (r *exportRun) llama(c exportCase, dir string, seed uint64) error {
	l, from, err := r.random(c.config, dir, seed)
	if err != nil {
		return err
	}
	for _, t := range ggufTypes {
		name := filepath.Join(dir, t.name+".gguf")
		if _, err := r.measure(command{argv: []string{r.bin, "export", "--format", "gguf", "--type", t.name, "-o", name, from}}); err != nil {
			return err
		}
		is := l
		if t.name != "f32" { // as the file has it: what is compared is the computation, not what rounding costs
			if is, err = train.Load(context.Background(), r.st, filepath.ToSlash(name)); err != nil {
				return err
			}
		}
		a, raw, err := r.ask(name)
		if err != nil {
			return err
		}
		logits, m, err := r.logits(is)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s %s in llama.cpp (llama-cpp-python %s)", c.name, t.name, a.Version)
		worst, largest := differ(logits, raw)
		if len(raw) != len(logits) || !(worst <= t.tolerance*max(1, largest)) {
			r.v.failf("%s: %d logits of up to %.3g differ by %.2g", what, len(raw), largest, worst)
		}
		same := 0
		for i, row := range r.tokens {
			text, err := greedyText(m, row, exportGreedy)
			if err != nil {
				return err
			}
			if slices.Equal(text, a.Greedy[i]) {
				same++
			}
		}
		if same != exportRows && (t.name == "f32") {
			r.v.failf("%s: the greedy text of %d rows of %d is the same", what, same, exportRows)
		}
		r.v.printf("%s: logits of up to %.3g differ by %.2g; greedy text of %d tokens is the same in %d rows of %d", what, largest, worst, exportGreedy, same, exportRows)
		r.v.Numbers[what] = worst
	}
	return nil
}

// ask has llama.cpp compute with a file.
func (r *exportRun) ask(name string, more ...string) (*llamaAnswer, []float32, error) {
	raw := name + ".logits"
	u, err := r.measure(command{argv: append([]string{r.python, r.script, name, r.tokensFile, raw, fmt.Sprint(exportGreedy)}, more...)})
	if err != nil {
		return nil, nil, err
	}
	a := &llamaAnswer{}
	if err := json.Unmarshal(u.Out, a); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.script, err)
	}
	b, err := os.ReadFile(raw)
	if err != nil {
		return nil, nil, err
	}
	logits := make([]float32, len(b)/4)
	for i := range logits {
		logits[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return a, logits, nil
}

// differ is the largest difference of two lists, and the largest number of the first.
func differ(a, b []float32) (worst, largest float64) {
	for i, v := range a[:min(len(a), len(b))] {
		worst = max(worst, math.Abs(float64(v)-float64(b[i])))
		largest = max(largest, math.Abs(float64(v)))
	}
	return worst, largest
}

// llamaTokenizer exports a small random model with a tokenizer, and has llama.cpp encode texts with it.
func (r *exportRun) llamaTokenizer(path, dir string) error {
	t, err := tokenize.Open(path)
	if err != nil {
		return err
	}
	info := t.Info()
	config := fmt.Sprintf(`{"model_type":"llama","vocab_size":%d,"hidden_size":32,"intermediate_size":32,"num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":256}`, max(info.VocabSize, 500)+3)
	_, from, err := r.random(config, dir, 1)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "tokenizer.gguf")
	if _, err := r.measure(command{argv: []string{r.bin, "export", "--format", "gguf", "--tokenizer", path, "-o", name, from}}); err != nil {
		return err
	}
	texts := slices.Clone(ggufTexts)
	for i := range min(3, len(info.Special)) {
		if info.Format == "SentencePiece" {
			break // which looks for none in a text; llama.cpp does
		}
		texts = append(texts, "A "+info.Special[i].Content+" b")
	}
	b, err := json.Marshal(texts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".texts", b, 0o644); err != nil {
		return err
	}
	a, _, err := r.ask(name, name+".texts")
	if err != nil {
		return err
	}
	plain, special := t.NewEncoder(tokenize.Options{}), t.NewEncoder(tokenize.Options{AddSpecialTokens: true})
	same := 0
	for i, text := range texts {
		want, err := special.Append(nil, []byte(text))
		if err != nil {
			return err
		}
		ok := slices.Equal(asInts(want), a.SpecialIDs[i])
		if i < len(ggufTexts) { // without, special tokens are text to llama.cpp
			if want, err = plain.Append(nil, []byte(text)); err != nil {
				return err
			}
			ok = ok && slices.Equal(asInts(want), a.IDs[i])
		}
		if ok {
			same++
		} else {
			r.v.failf("%s: %q is %v and %v in llama.cpp, with special tokens; %v in curate", path, text, a.IDs[i], a.SpecialIDs[i], want)
		}
	}
	r.v.printf("%s in llama.cpp: %d texts of %d have the same ids; begins with %d, ends with %d; a chat template of %d bytes", path, same, len(texts), a.BOS, a.EOS, len(a.Template))
	return nil
}

func asInts(ids []uint32) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}

// randomRows are the rows that all models read.
func (r *exportRun) randomRows() error {
	random := rand.New(rand.NewPCG(9, 9))
	for range exportRows {
		row := make([]int32, exportLength)
		for i := range row {
			row[i] = random.Int32N(500)
		}
		r.tokens = append(r.tokens, row)
	}
	b, err := json.Marshal(r.tokens)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	r.tokensFile = filepath.Join(r.dir, "tokens.json")
	return os.WriteFile(r.tokensFile, b, 0o644)
}

// random writes a model of random numbers, in the folder from.
func (r *exportRun) random(text, dir string, seed uint64) (l *train.Loaded, from string, err error) {
	from = filepath.ToSlash(filepath.Join(dir, "model"))
	if err := os.MkdirAll(from, 0o755); err != nil {
		return nil, "", err
	}
	if err := os.WriteFile(from+"/"+train.ModelConfigFile, []byte(text), 0o644); err != nil {
		return nil, "", err
	}
	config, extra, _, err := train.ReadModelConfig(context.Background(), r.st, from)
	if err != nil {
		return nil, "", err
	}
	l = &train.Loaded{Config: config, Params: model.NewParams(model.NewLayout(config)), BOS: extra.BOS, EOS: extra.EOS, Pad: extra.Pad}
	l.Params.Init(config, 0.1, seed)
	random := rand.New(rand.NewPCG(seed, 2))
	for i := range l.Params.Layout.Tensors {
		if role := l.Params.Layout.Tensors[i].Role; role == model.Norm || role == model.Bias {
			for j := range l.Params.Of(i) {
				l.Params.Of(i)[j] += 0.2 * float32(random.NormFloat64())
			}
		}
	}
	return l, from, train.Save(context.Background(), r.st, from, l, train.SaveOptions{Dtype: safetensors.F32})
}

// logits of all rows.
func (r *exportRun) logits(l *train.Loaded) ([]float32, *model.Model, error) {
	m, err := model.New(l.Config, l.Params, r.pool, kernel.F32)
	if err != nil {
		return nil, nil, err
	}
	logits := make([]float32, exportRows*exportLength*l.Config.Vocabulary)
	return logits, m, m.Logits(&model.Batch{Rows: exportRows, Length: exportLength, Tokens: slices.Concat(r.tokens...)}, logits)
}
