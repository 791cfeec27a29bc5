package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"curate/corpus/store"
	"curate/kernel"
	"curate/safetensors"
	"curate/tokenize"
	"curate/train"
	"curate/train/export"
	"curate/train/model"
)

// Bars of the benchmark writing.
const (
	writingMemory = 3.0e9 // bytes of the whole process
	writingSize   = 0.03  // by which curate size may be off
	writingBehind = 1.5   // times as long as llama.cpp a token may take
	// writingTokens are timed, behind writingPrompt.
	writingTokens = 32
	writingPrompt = 16
)

// writingShape is BTLM-3B's (its config.json: n_embd, n_layer, n_head, n_inner, vocab_size).
func writingShape(layers int) (*model.Config, error) {
	s := model.Shape{Family: model.BTLM, Vocabulary: 50257, Width: 2560, Layers: layers, Heads: 32, FFN: 6826, BaseWidth: 256}
	c, err := s.New()
	if err == nil {
		c.Context = 8192
	}
	return c, err
}

// writingCases are ways to hold the model, and how long a text is written.
var writingCases = []struct {
	weights, cache string
	length         int
}{
	{"4bit", "f32", 2048},
	{"4bit", "int8", 2048},
	{"4bit", "int8", 8192},
}

// randomModelTask writes a checkpoint of the shape with t.N layers into t.Out, in bfloat16, with the tokenizer t.With beside it. A piece of a tensor is there at a
// time. Its numbers are uniform, with the standard deviation t.Threshold.
func randomModelTask(t task) (res result, err error) {
	c, err := writingShape(t.N)
	if err != nil {
		return res, err
	}
	if err := os.MkdirAll(t.Out, 0o755); err != nil {
		return res, err
	}
	config, err := export.WriteConfig(c, export.Extra{BOS: -1, EOS: c.Vocabulary - 1, Pad: -1, Dtype: safetensors.BF16})
	if err != nil {
		return res, err
	}
	tokenizer, err := os.ReadFile(t.With)
	if err != nil {
		return res, err
	}
	if err := os.WriteFile(filepath.Join(t.Out, "tokenizer.json"), tokenizer, 0o644); err != nil {
		return res, err
	}
	f, err := os.Create(filepath.Join(t.Out, train.WeightsFile))
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	layout := model.NewLayout(c)
	list := make([]safetensors.Tensor, len(layout.Tensors))
	for i := range layout.Tensors {
		list[i] = safetensors.Tensor{Name: layout.Tensors[i].Name, Dtype: safetensors.BF16, Shape: export.Shape(&layout.Tensors[i])}
	}
	w, err := safetensors.NewWriter(f, list, map[string]string{"format": "pt"})
	if err != nil {
		return res, err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	piece := make([]float32, 1<<20)
	step := float32(t.Threshold * 3.4641016 / (1 << 24)) // a uniform number of width w deviates by w/√12
	for i := range layout.Tensors {
		tensor := &layout.Tensors[i]
		for left := tensor.Len(); left > 0; {
			x := piece[:min(left, len(piece))]
			for j := 0; j < len(x); j += 2 {
				r := rng.Uint64()
				x[j] = float32(int32(r<<8)>>8) * step
				if j+1 < len(x) {
					x[j+1] = float32(int32(r>>24)>>8) * step
				}
				if tensor.Role == model.Norm {
					x[j] = 1
					x[min(j+1, len(x)-1)] = 1
				}
			}
			if err := w.Floats(x); err != nil {
				return res, err
			}
			left -= len(x)
		}
	}
	if err := w.Close(); err != nil {
		return res, err
	}
	return res, os.WriteFile(filepath.Join(t.Out, train.ModelConfigFile), config, 0o644)
}

// writingAnswer is what a measurement of speed says.
type writingAnswer struct {
	Wall    float64 `json:"wall"` // of writingTokens
	CPU     float64 `json:"cpu"`
	Prompt  float64 `json:"prompt_cpu"` // CPU seconds of a prompt of writingRead tokens
	Bytes   int64   `json:"bytes"`      // of the weights
	Memory  float64 `json:"memory"`     // bytes a second that the workers read from memory
	Kernels string  `json:"kernels"`
}

// writingRead are the tokens of the prompt whose time is taken.
const writingRead = 128

// writingTask writes with the model in t.Files[0], its weights in t.Arg, and times it.
func writingTask(t task) (res result, err error) {
	runtime.GOMAXPROCS(t.Workers)
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		return res, err
	}
	pool := kernel.NewPool(set, t.Workers)
	defer pool.Close()
	format, err := model.ParseWeightFormat(t.Arg)
	if err != nil {
		return res, err
	}
	l, err := train.LoadFor(context.Background(), store.NewLocal(nil), filepath.ToSlash(t.Files[0]), format, pool)
	if err != nil {
		return res, err
	}
	m, err := l.Model(l.Config, pool, kernel.F32)
	if err != nil {
		return res, err
	}
	a := writingAnswer{Kernels: set.Name(), Bytes: l.Config.WeightBytes(format)}
	prompt := make([]int32, writingRead)
	for i := range prompt {
		prompt[i] = int32(i*37) % int32(l.Config.Vocabulary)
	}
	cache := m.NewCache(writingRead + writingTokens)
	if _, err := m.Extend(cache, prompt); err != nil { // room grows
		return res, err
	}
	cache.Truncate(0)
	cpu := cpuSeconds()
	if _, err := m.Extend(cache, prompt); err != nil {
		return res, err
	}
	a.Prompt = cpuSeconds() - cpu
	cache.Truncate(writingPrompt)
	logits, err := m.Extend(cache, prompt[:1])
	if err != nil {
		return res, err
	}
	began := time.Now()
	cpu = cpuSeconds()
	for range writingTokens {
		if logits, err = m.Extend(cache, []int32{int32(set.Argmax(logits))}); err != nil {
			return res, err
		}
	}
	a.Wall, a.CPU = time.Since(began).Seconds(), cpuSeconds()-cpu
	a.Memory = readMemory(pool)
	res.Answer, err = json.Marshal(a)
	return res, err
}

// readMemory is how many bytes a second the pool's workers read from memory, at best of five times: sums of products of a GB, piece by piece.
func readMemory(pool *kernel.Pool) (best float64) {
	const pieces, length = 64, 1 << 22
	x := kernel.NewRoom[float32](pieces * length)
	defer x.Free()
	for i := 0; i < len(x.X); i += 1024 {
		x.X[i] = 1
	}
	sums := make([]float32, pieces)
	for range 5 {
		began := time.Now()
		pool.Each(pieces, func(i, _ int) {
			for at := 0; at < length; at += 4096 {
				y := x.X[i*length+at:][:4096]
				sums[i] += pool.Set().Dot(y, y)
			}
		})
		best = max(best, 4*pieces*length/time.Since(began).Seconds())
	}
	return best
}

// runWriting measures a random model of BTLM-3B's shape: the memory of the command at full contexts beside what curate size says, and the tokens a
// second of one and two workers beside llama.cpp's with as many random weights in the same format.
func runWriting(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	dir := s.options.writing
	if dir == "" {
		dir = filepath.Join(s.dir, "writing")
	}
	source, err := root()
	if err != nil {
		return err
	}
	tokenizer := filepath.Join(source, "train", "eval", "testdata", "tiny", "tokenizer.json")
	if _, err := os.Stat(filepath.Join(dir, train.ModelConfigFile)); err != nil {
		if _, _, err := s.child(task{Name: "randommodel", N: s.options.writingLayers, Threshold: 0.02, With: tokenizer, Out: dir}, false); err != nil {
			return err
		}
	}
	v := &verdict{Numbers: map[string]any{}}
	fail := func(ok bool, format string, args ...any) {
		if !ok {
			v.Failures = append(v.Failures, fmt.Sprintf(format, args...))
		}
	}
	fmt.Printf("\nwriting: random weights of BTLM-3B's shape, %d layers\n%-14s %8s %12s %14s %8s %9s\n", s.options.writingLayers, "weights+cache", "tokens", "peak MB", "curate size", "CPU s", "others s")
	for _, c := range writingCases {
		if c.length > s.options.writingLength {
			continue
		}
		prompt, err := writingText(tokenizer, c.length-writingTokens)
		if err != nil {
			return err
		}
		u, err := s.measure(command{argv: []string{bin, "generate", dir, "-q", "--temperature", "0", "--weights", c.weights, "--cache", c.cache, "--length", strconv.Itoa(c.length), "--prompt", prompt}})
		if err != nil {
			return err
		}
		said, err := s.writingSaid(bin, dir, c.weights, c.cache, c.length)
		if err != nil {
			return err
		}
		name := c.weights + "+" + c.cache
		fmt.Printf("%-14s %8d %12.0f %14.0f %8.0f %9.0f\n", name, c.length, mb(u.RSS), mb(said), u.CPU, u.Foreign)
		v.Numbers[fmt.Sprintf("%s %d", name, c.length)] = map[string]any{"peak_rss": u.RSS, "said": said, "cpu_s": u.CPU, "wall_s": u.Wall, "other_s": u.Foreign}
		fail(float64(u.RSS) <= writingMemory, "%s, %d tokens: %.0f MB", name, c.length, mb(u.RSS))
		off := float64(said)/float64(u.RSS) - 1
		fail(off < writingSize && off > -writingSize, "%s, %d tokens: curate size is off by %.1f %%", name, c.length, 100*off)
	}
	return errors.Join(s.writingSpeed(dir, v, fail), s.say("writing", v))
}

// writingText is a text of about so many tokens, and not more.
func writingText(tokenizer string, tokens int) (string, error) {
	t, err := tokenize.Open(tokenizer)
	if err != nil {
		return "", err
	}
	e := t.NewEncoder(tokenize.Options{})
	const words = "Kaixo, mundua! "
	for n := tokens / 4; n > 0; n -= max(1, n/100) {
		text := strings.Repeat(words, n)
		ids, err := e.Append(nil, []byte(text))
		if err != nil {
			return "", err
		}
		if len(ids) <= tokens {
			return text, nil
		}
	}
	return "", fmt.Errorf("%s makes more than %d tokens of %q", tokenizer, tokens, words)
}

// writingSaid is what curate size has in its table.
func (s *session) writingSaid(bin, dir, weights, cache string, length int) (int64, error) {
	u, err := s.measure(command{argv: []string{bin, "size", dir, "--json", "--length", strconv.Itoa(length)}})
	if err != nil {
		return 0, err
	}
	var z struct {
		Lengths []struct {
			Length  int
			Writing []struct {
				Weights, Cache string
				Bytes          int64
			}
		}
	}
	if err := json.Unmarshal(u.Out, &z); err != nil {
		return 0, err
	}
	for _, l := range z.Lengths {
		for _, w := range l.Writing {
			if l.Length == length && w.Weights == weights && w.Cache == cache {
				return w.Bytes, nil
			}
		}
	}
	return 0, fmt.Errorf("curate size has no line of %d tokens with %s and %s", length, weights, cache)
}

// writingSpeed writes by turns with llama.cpp.
func (s *session) writingSpeed(dir string, v *verdict, fail func(bool, string, ...any)) error {
	gguf := ""
	if s.options.llamaBench == "" {
		fmt.Println("\nSKIPPED llama.cpp's speed: -llama-bench names no program")
	} else if python, ok := python("a GGUF file for llama.cpp"); ok {
		gguf = filepath.Join(s.dir, "random.gguf")
		if _, err := s.measure(command{argv: []string{python, filepath.Join("peers", "gguf_random.py"), gguf, strconv.Itoa(s.options.writingLayers)}}); err != nil {
			return err
		}
		defer os.Remove(gguf)
	}
	fmt.Printf("\n%-9s %8s %12s %12s %8s %12s %12s %14s\n", "weights", "workers", "tokens/s", "tokens/CPU s", "GB/s", "memory GB/s", "prompt/CPU s", "llama.cpp t/s")
	for _, weights := range []string{"4bit", "int8"} {
		for _, workers := range []int{1, 2} {
			var ours, theirs, perCPU, memory, read []float64
			for round := 1; round <= s.options.runs; round++ {
				res, u, err := s.child(task{Name: "writing", Files: []string{dir}, Arg: weights, Workers: workers}, workers == 1)
				if err != nil {
					return err
				}
				var a writingAnswer
				if err := json.Unmarshal(res.Answer, &a); err != nil {
					return err
				}
				m := measurement{Bench: "writing", Name: fmt.Sprintf("%s, %d workers", weights, workers), Round: round, Unit: "tokens", result: result{
					Passes: 1, Tokens: writingTokens, Bytes: a.Bytes, CPU: a.CPU, Wall: a.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
				}, More: map[string]any{"kernels": a.Kernels, "memory_bytes_per_s": a.Memory, "prompt_tokens": writingRead, "prompt_cpu_s": a.Prompt}}
				ours, perCPU = append(ours, writingTokens/a.Wall), append(perCPU, writingTokens/a.CPU)
				memory, read = append(memory, a.Memory/1e9), append(read, writingRead/a.Prompt)
				if gguf != "" && weights == "4bit" {
					speed, err := s.llamaSpeed(gguf, workers)
					if err != nil {
						return err
					}
					theirs = append(theirs, speed)
					m.More["llama_cpp_tokens_per_s"] = speed
				}
				s.write(m)
			}
			best, peer := slices.Max(ours), "-"
			if len(theirs) > 0 {
				peer = fmt.Sprintf("%.2f (%.2f)", slices.Max(theirs), best/slices.Max(theirs))
				fail(best*writingBehind >= slices.Max(theirs), "%s, %d workers: %.2f tokens/s, and llama.cpp %.2f", weights, workers, best, slices.Max(theirs))
			}
			c, err := writingShape(s.options.writingLayers)
			if err != nil {
				return err
			}
			format, _ := model.ParseWeightFormat(weights)
			fmt.Printf("%-9s %8d %12.2f %12.2f %8.1f %12.1f %12.1f %14s\n", weights, workers, best, slices.Max(perCPU), best*float64(c.WeightBytes(format))/1e9, slices.Max(memory), slices.Max(read), peer)
			v.Numbers[fmt.Sprintf("%s %d workers", weights, workers)] = map[string]any{"tokens_per_s": ours, "tokens_per_cpu_s": perCPU, "llama_cpp": theirs, "memory_gb_per_s": memory, "prompt_tokens_per_cpu_s": read}
		}
	}
	return nil
}

// llamaSpeed is llama-bench's tokens a second.
func (s *session) llamaSpeed(gguf string, threads int) (float64, error) {
	u, err := s.measure(command{argv: []string{s.options.llamaBench, "-m", gguf, "-t", strconv.Itoa(threads), "-p", "0", "-n", strconv.Itoa(writingTokens), "-r", "1", "-o", "json"}, one: threads == 1})
	if err != nil {
		return 0, err
	}
	var runs []struct {
		Speed float64 `json:"avg_ts"`
	}
	if err := json.Unmarshal(u.Out, &runs); err != nil || len(runs) != 1 {
		return 0, fmt.Errorf("llama-bench said %q: %v", lastLines(string(u.Out), 5), err)
	}
	return runs[0].Speed, nil
}
