package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
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
	if err := errors.Join(s.writingSpeed(dir, v, fail), s.writingQuality(v)); err != nil {
		return err
	}
	return s.say("writing", v)
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

// writingSpeed writes by turns with llama.cpp. Speeds are by the clock and by CPU seconds: on a machine that others use, the latter of one worker is what
// can be compared, since workers that wait for each other look for work meanwhile.
func (s *session) writingSpeed(dir string, v *verdict, fail func(bool, string, ...any)) error {
	gguf, python := "", s.options.writingPython
	if python == "" {
		fmt.Println("\nSKIPPED llama.cpp's speed: -writing-python names no Python")
	} else {
		gguf = filepath.Join(s.dir, "random.gguf")
		defer os.Remove(gguf)
		if _, err := s.measure(command{argv: []string{python, filepath.Join("peers", "gguf_random.py"), gguf, strconv.Itoa(s.options.writingLayers)}}); err != nil {
			return err
		}
	}
	c, err := writingShape(s.options.writingLayers)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-22s %8s %10s %13s %8s %12s %14s %9s\n", "", "workers", "tokens/s", "tokens/CPU s", "GB/CPU s", "memory GB/s", "prompt t/CPU s", "others s")
	for _, workers := range []int{1, 2} {
		var best [3]writingBest
		for round := 1; round <= s.options.runs; round++ {
			for i, weights := range []string{"4bit", "int8", ""} {
				var a writingAnswer
				var u usage
				name := "curate " + weights
				if weights != "" {
					var res result
					if res, u, err = s.child(task{Name: "writing", Files: []string{dir}, Arg: weights, Workers: workers}, workers == 1); err != nil {
						return err
					}
					if err := json.Unmarshal(res.Answer, &a); err != nil {
						return err
					}
				} else {
					if gguf == "" {
						continue
					}
					name = "llama.cpp q4_0"
					u, err = s.measure(command{argv: []string{python, filepath.Join("peers", "llamacpp_speed.py"), gguf, strconv.Itoa(workers), strconv.Itoa(writingRead), strconv.Itoa(writingTokens)}, one: workers == 1})
					if err != nil {
						return err
					}
					if err := json.Unmarshal([]byte(lastLines(string(u.Out), 1)), &a); err != nil {
						return fmt.Errorf("llamacpp_speed.py: %w", err)
					}
					a.Bytes = c.WeightBytes(model.Weights4Bit)
				}
				s.write(measurement{Bench: "writing", Name: fmt.Sprintf("%s, %d workers", name, workers), Round: round, Unit: "tokens", result: result{
					Passes: 1, Tokens: writingTokens, Bytes: a.Bytes, CPU: a.CPU, Wall: a.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
				}, Load: load(), More: map[string]any{"kernels": a.Kernels, "memory_bytes_per_s": a.Memory, "prompt_tokens": writingRead, "prompt_cpu_s": a.Prompt}})
				best[i].add(name, &a, &u)
			}
		}
		for _, b := range best {
			if b.name != "" {
				fmt.Printf("%-22s %8d %10.2f %13.2f %8.1f %12.1f %14.1f %9.1f\n", b.name, workers, b.clock, b.cpu, b.bytes*b.cpu/1e9, b.memory/1e9, b.prompt, b.foreign)
				v.Numbers[fmt.Sprintf("%s, %d workers", b.name, workers)] = map[string]any{"tokens_per_s": b.clock, "tokens_per_cpu_s": b.cpu, "prompt_tokens_per_cpu_s": b.prompt, "memory_bytes_per_s": b.memory}
			}
		}
		ours, theirs := best[0].clock, best[2].clock
		if workers == 1 {
			ours, theirs = best[0].cpu, best[2].cpu
		}
		fail(ours*writingBehind >= theirs, "%d workers: %.2f tokens/s, and llama.cpp %.2f", workers, ours, theirs)
	}
	return nil
}

// writingBest is the best of several rounds.
type writingBest struct {
	name                              string
	clock, cpu, bytes, memory, prompt float64
	foreign                           float64 // the least
}

func (b *writingBest) add(name string, a *writingAnswer, u *usage) {
	if b.name == "" || u.Foreign < b.foreign {
		b.foreign = u.Foreign
	}
	b.name, b.bytes = name, float64(a.Bytes)
	b.clock, b.cpu = max(b.clock, writingTokens/a.Wall), max(b.cpu, writingTokens/a.CPU)
	b.memory, b.prompt = max(b.memory, a.Memory), max(b.prompt, writingRead/a.Prompt)
}

// writingQuality prints what each way to hold a model costs: bits a byte of the beginnings of texts, token by token, as they are written.
func (s *session) writingQuality(v *verdict) error {
	if s.options.writingQuality == "" {
		fmt.Println("\nSKIPPED quality: -writing-quality names no model")
		return nil
	}
	fmt.Printf("\nquality of %s, %d tokens\n%-14s %12s\n", s.options.writingQuality, s.options.writingTokens, "weights+cache", "bits a byte")
	for _, weights := range []string{"f32", "int8", "4bit"} {
		for _, cache := range []string{"f32", "int8"} {
			res, _, err := s.child(task{Name: "writingquality", Files: []string{s.options.writingQuality}, With: s.options.writingText, Arg: weights, Precision: cache, N: s.options.writingTokens, Workers: 2}, false)
			if err != nil {
				return err
			}
			var bits float64
			if err := json.Unmarshal(res.Answer, &bits); err != nil {
				return err
			}
			fmt.Printf("%-14s %12.4f\n", weights+"+"+cache, bits)
			v.Numbers["bits a byte, "+weights+"+"+cache] = bits
		}
	}
	return nil
}

// writingQualityTask measures t.N tokens of texts in t.With, JSON Lines, with the model in t.Files[0], weights as t.Arg and a cache as t.Precision says.
// Each text is measured from its second token on, as far as the model's context goes.
func writingQualityTask(t task) (res result, err error) {
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
	m.Int8Cache = t.Precision == "int8"
	tok, err := tokenize.Open(l.Tokenizer)
	if err != nil {
		return res, err
	}
	text, err := decodedFile(t.With)
	if err != nil {
		return res, err
	}
	e := tok.NewEncoder(tokenize.Options{})
	cache := m.NewCache(l.Config.Context)
	nats, size, left := 0.0, 0, t.N
	for line := range strings.Lines(string(text)) {
		var r struct{ Text string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return res, fmt.Errorf("%s: %w", t.With, err)
		}
		ids, err := e.Append(nil, []byte(r.Text))
		if err != nil {
			return res, err
		}
		ids = ids[:min(len(ids), l.Config.Context, left)]
		left -= len(ids)
		cache.Truncate(0)
		for i := 1; i < len(ids); i++ {
			logits, err := m.Extend(cache, []int32{int32(ids[i-1])})
			if err != nil {
				return res, err
			}
			nats += float64(set.LogSumExp(logits) - logits[ids[i]])
		}
		if len(ids) > 1 {
			size += len(tok.Decode(ids[1:], tokenize.DecodeOptions{}))
		}
		if left <= 1 {
			break
		}
	}
	res.Answer, err = json.Marshal(nats / math.Ln2 / float64(size))
	return res, err
}
