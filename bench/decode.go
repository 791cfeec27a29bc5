package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Tokens of the prompt, and of the text behind it.
const (
	decodePrompt = 16
	decodeLength = 64
	// decodeStd is of first values: those of training would repeat few tokens.
	decodeStd = 0.08
	// decodeTolerance is for the logit of each token, as a share of it.
	decodeTolerance = 1e-4
)

// decodeAnswer is what ours and peers/torch_decode.py say. The times are of all tokens but the first.
type decodeAnswer struct {
	IDs     []int32   `json:"ids"`
	Logits  []float64 `json:"logits"`
	Wall    float64   `json:"wall"`
	CPU     float64   `json:"cpu"`
	Version string    `json:"version,omitempty"`
	Kernels string    `json:"kernels"`
}

// runDecode has curate and torch write the same text by turns, token by token, on one core.
func runDecode(s *session) error {
	shape, err := trainShapeOf(s.options.decodeShape)
	if err != nil {
		return err
	}
	python, hasPeer := python("torch's decoding")
	dir := filepath.Join(s.dir, "decode")
	if _, _, err := s.child(task{Name: "trainmodel", Arg: shape.name, N: 1, Threshold: decodeStd, Out: dir}, false); err != nil {
		return err
	}
	ours, theirs := &row{name: "curate"}, &row{name: "torch"}
	about := ""
	for round := 1; round <= s.options.runs; round++ {
		var a, p decodeAnswer
		res, u, err := s.child(task{Name: "decodetext", Files: []string{dir}, Workers: 1}, true)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(res.Answer, &a); err != nil {
			return err
		}
		if hasPeer {
			v, err := s.measure(command{argv: []string{python, filepath.Join("peers", "torch_decode.py"), dir, tokensFile(dir), strconv.Itoa(decodePrompt), strconv.Itoa(decodeLength), "1"}, env: threadsEnv(1), one: true})
			if err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(lastLines(string(v.Out), 1)), &p); err != nil {
				return fmt.Errorf("torch_decode.py: %w", err)
			}
			worst, err := compareText(&a, &p)
			if err != nil {
				return err
			}
			kinds := len(slices.Compact(slices.Sorted(slices.Values(a.IDs))))
			about = fmt.Sprintf("all %d ids are the same, %d of them different; their logits differ by %.1e of them; torch %s, %s; curate's kernels %s", len(a.IDs), kinds, worst, p.Version, p.Kernels, a.Kernels)
			s.addText(theirs, round, &p, v)
		}
		s.addText(ours, round, &a, u)
	}
	fmt.Printf("\ndecode: %s, f32, one core, %d tokens behind %d\n%-20s %14s %10s %10s %9s %9s\n", shape.name, decodeLength, decodePrompt, "", "tokens/CPU s", "best", "tokens/s", "peak MiB", "others s")
	rate := func(m measurement) float64 { return float64(m.Tokens) / m.CPU }
	for _, r := range []*row{ours, theirs} {
		if len(r.all) == 0 {
			continue
		}
		best := 0.0
		for _, m := range r.all {
			best = max(best, rate(m))
		}
		fmt.Printf("%-20s %14.2f %10.2f %10.2f %9.0f %9.2f\n", r.name, r.median(rate), best, r.median(func(m measurement) float64 { return float64(m.Tokens) / m.Wall }),
			r.median(func(m measurement) float64 { return float64(m.PeakRSS) / (1 << 20) }), r.median(func(m measurement) float64 { return m.Foreign }))
	}
	if about != "" {
		fmt.Println(about)
	}
	return os.RemoveAll(dir)
}

func (s *session) addText(r *row, round int, a *decodeAnswer, u usage) {
	s.add(r, measurement{Bench: "decode", Name: r.name, Round: round, Unit: "tokens", result: result{
		Passes: 1, Tokens: int64(len(a.IDs) - 1), CPU: a.CPU, Wall: a.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
	}, More: map[string]any{"version": a.Version, "kernels": a.Kernels}})
}

// compareText gives the largest difference of two logits of the same text, as a share.
func compareText(a, b *decodeAnswer) (worst float64, err error) {
	if len(a.IDs) == 0 || len(a.Logits) != len(a.IDs) || len(b.Logits) != len(b.IDs) || !slices.Equal(a.IDs, b.IDs) {
		return 0, fmt.Errorf("%w: the text is %v, and the peer's %v", errOutput, a.IDs, b.IDs)
	}
	for i := range a.Logits {
		worst = max(worst, math.Abs(a.Logits[i]/b.Logits[i]-1))
	}
	if !(worst <= decodeTolerance) {
		return 0, fmt.Errorf("%w: logits of the same text differ by %g of them", errOutput, worst)
	}
	return worst, nil
}

// decodeTextTask writes greedy text with the model in t.Files[0].
func decodeTextTask(t task) (res result, err error) {
	m, l, pool, err := loadTrained(t)
	if err != nil {
		return res, err
	}
	defer pool.Close()
	f, err := os.Open(tokensFile(t.Files[0]))
	if err != nil {
		return res, err
	}
	defer f.Close()
	next, err := readTokens(f, decodePrompt)
	if err != nil {
		return res, err
	}
	cache := m.NewCache(decodePrompt + decodeLength)
	a := decodeAnswer{Kernels: pool.Set().Name()}
	var began time.Time
	cpu := 0.0
	for i := range decodeLength {
		if i == 1 {
			began, cpu = time.Now(), cpuSeconds()
		}
		logits, err := m.Extend(cache, next)
		if err != nil {
			return res, err
		}
		best := pool.Set().Argmax(logits[:l.Config.Vocabulary])
		a.IDs, a.Logits = append(a.IDs, int32(best)), append(a.Logits, float64(logits[best]))
		next = a.IDs[i:]
	}
	a.Wall, a.CPU = time.Since(began).Seconds(), cpuSeconds()-cpu
	res.Answer, err = json.Marshal(a)
	return res, err
}
