package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"curate/corpus/store"
	"curate/kernel"
	"curate/train"
	"curate/train/model"
)

// exportCase is a model of random numbers, as transformers' LlamaConfig says it, and whether curate's has µP.
type exportCase struct {
	name   string
	config string // config.json
	mup    bool
}

const exportShape = `"vocab_size":500,"hidden_size":64,"intermediate_size":160,"num_hidden_layers":3,"num_attention_heads":8,"max_position_embeddings":256,"bos_token_id":1,"eos_token_id":2`

var exportCases = []exportCase{
	{name: "untied", config: `{"model_type":"llama",` + exportShape + `,"rms_norm_eps":1e-5}`},
	{name: "gqa-tied", config: `{"model_type":"llama",` + exportShape + `,"num_key_value_heads":2,"tie_word_embeddings":true,"rope_theta":50000.0}`},
	{name: "llama3-wide-heads", config: `{"model_type":"llama",` + exportShape + `,"num_key_value_heads":4,"head_dim":12,"rope_theta":500000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":32}}`},
	{name: "mup-tied", mup: true, config: `{"model_type":"curate-llama-mup",` + exportShape + `,"num_key_value_heads":2,"tie_word_embeddings":true,"mup_embeddings_scale":14.6,"mup_output_alpha":2.22,"mup_width_scale":0.25,"mup_scale_qk_dot_by_d":true}`},
}

// Rows and tokens that are compared, and tokens of greedy text.
const (
	exportRows   = 3
	exportLength = 100
	exportGreedy = 40
	// exportTolerance is for the largest difference of two logits, of logits of up to 1: float32 in another order.
	exportTolerance = 1e-5
)

// transformersAnswer is what transformers_model.py read prints.
type transformersAnswer struct {
	Version    string    `json:"version"`
	Class      string    `json:"class"`
	Greedy     [][]int32 `json:"greedy"`
	BOS        int       `json:"bos"`
	EOS        int       `json:"eos"`
	Missing    []string  `json:"missing"`
	Unexpected []string  `json:"unexpected"`
	Mismatched []string  `json:"mismatched"`
	Tied       bool      `json:"tied"`
	Warnings   []string  `json:"warnings"`
}

type exportRun struct {
	*session
	v          *verdict
	bin, dir   string
	python     string
	script     string
	tokens     [][]int32
	tokensFile string
	st         store.Store
	pool       *kernel.Pool
}

// runExport has transformers load what curate export writes, and curate load what transformers saves, and compares logits and
// greedy text.
func runExport(s *session) error {
	fmt.Printf("\nexport: models of curate in transformers, and of transformers in curate\n")
	var pythons []string
	for _, p := range strings.Split(s.options.transformersPython, ",") {
		if p == "" {
			continue
		}
		if out, err := exec.Command(p, "-c", "import torch, transformers").CombinedOutput(); err != nil {
			fmt.Printf("SKIPPED %s: %s\n", p, lastLines(string(out), 1))
			continue
		}
		pythons = append(pythons, p)
	}
	if len(pythons) == 0 {
		fmt.Printf("SKIPPED export: -transformers-python names no Python with torch and transformers; README.md says how to make one\n")
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	script, err := filepath.Abs("transformers_model.py")
	if err != nil {
		return err
	}
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		return err
	}
	r := &exportRun{session: s, v: &verdict{Numbers: map[string]any{}}, bin: bin, dir: filepath.Join(s.dir, "export"), script: script, st: store.NewLocal(nil).Scratch(), pool: kernel.NewPool(set, 1)}
	defer r.pool.Close()
	if err := r.randomRows(); err != nil {
		return err
	}
	for k, python := range pythons {
		r.python = python
		for i, c := range exportCases {
			dir := filepath.Join(r.dir, fmt.Sprintf("%d-%s", k, c.name))
			if err := r.ours(c, dir, uint64(i)); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if !c.mup {
				if err := r.theirs(c, dir+"-theirs", i); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
			}
		}
	}
	return s.say("export", r.v)
}

// ours exports a random model and has transformers read it.
func (r *exportRun) ours(c exportCase, dir string, seed uint64) error {
	l, from, err := r.random(c.config, dir, seed)
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "exported")
	argv := []string{r.bin, "export", "-o", to, from}
	if seed%2 == 1 {
		argv = append(argv, "--max-shard-size", "200kB")
	}
	if _, err := r.measure(command{argv: argv}); err != nil {
		return err
	}
	return r.compare(c, "curate's", l, to)
}

// theirs has transformers save a random model in bfloat16, which both read as float32.
func (r *exportRun) theirs(c exportCase, dir string, seed int) error {
	config := dir + ".json"
	if err := os.WriteFile(config, []byte(c.config), 0o644); err != nil {
		return err
	}
	shard := []string{"1000000000", "100000"}[seed%2]
	if _, err := r.measure(command{argv: []string{r.python, r.script, "make", config, dir, strconv.Itoa(seed), "bfloat16", shard}}); err != nil {
		return err
	}
	l, err := train.Load(context.Background(), r.st, filepath.ToSlash(dir))
	if err != nil {
		return err
	}
	return r.compare(c, "transformers'", l, dir)
}

// compare computes logits and greedy text with l and has transformers do so with the folder.
func (r *exportRun) compare(c exportCase, whose string, l *train.Loaded, dir string) error {
	logits, m, err := r.logits(l)
	if err != nil {
		return err
	}
	raw := dir + ".logits"
	u, err := r.measure(command{argv: []string{r.python, r.script, "read", dir, r.tokensFile, raw, strconv.Itoa(exportGreedy)}})
	if err != nil {
		return err
	}
	var a transformersAnswer
	if err := json.Unmarshal(u.Out, &a); err != nil {
		return fmt.Errorf("%s: %w", r.script, err)
	}
	what := fmt.Sprintf("%s %s in transformers %s", whose, c.name, a.Version)
	if a.Class != "LlamaForCausalLM" || a.BOS != 1 || a.EOS != 2 || a.Tied != (l.Config.Tied && !c.mup) {
		r.v.failf("%s: a %s, tied %v, that begins with %d and ends with %d", what, a.Class, a.Tied, a.BOS, a.EOS)
	}
	if complaints := slices.Concat(a.Missing, a.Unexpected, a.Mismatched, a.Warnings); len(complaints) > 0 {
		r.v.failf("%s: complaints: %q", what, complaints)
	}
	b, err := os.ReadFile(raw)
	if err != nil {
		return err
	}
	if len(b) != 4*len(logits) {
		r.v.failf("%s: %d bytes of logits, and %d of ours", what, len(b), 4*len(logits))
		return nil
	}
	worst, largest := 0.0, 0.0
	for i, v := range logits {
		theirs := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		worst = max(worst, math.Abs(float64(v)-float64(theirs)))
		largest = max(largest, math.Abs(float64(v)))
	}
	if !(worst <= exportTolerance*max(1, largest)) {
		r.v.failf("%s: logits of up to %.3g differ by %.2g", what, largest, worst)
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
	if same != exportRows {
		r.v.failf("%s: the greedy text of %d rows of %d is the same", what, same, exportRows)
	}
	r.v.printf("%s: logits of up to %.3g differ by %.2g; greedy text of %d tokens is the same in %d rows of %d", what, largest, worst, exportGreedy, same, exportRows)
	r.v.Numbers[what] = worst
	return nil
}

// greedyText goes on with the likeliest token n times.
func greedyText(m *model.Model, row []int32, n int) ([]int32, error) {
	c := m.NewCache(len(row) + n)
	var text []int32
	for next := row; len(text) < n; next = text[len(text)-1:] {
		logits, err := m.Extend(c, next)
		if err != nil {
			return nil, err
		}
		best := 0
		for i, v := range logits {
			if v > logits[best] {
				best = i
			}
		}
		text = append(text, int32(best))
	}
	return text, nil
}
