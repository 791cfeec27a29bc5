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

	"curate/train/model"
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

// decodeTexts are how many are written at once.
var decodeTexts = []int{1, 32}

// decodeAnswer is what ours and peers/torch_decode.py say, one text behind the other. The times are of all tokens but the first of
// each.
type decodeAnswer struct {
	IDs     []int32   `json:"ids"`
	Logits  []float64 `json:"logits"`
	Wall    float64   `json:"wall"`
	CPU     float64   `json:"cpu"`
	Version string    `json:"version,omitempty"`
	Kernels string    `json:"kernels"`
}

// runDecode has curate and torch write the same texts by turns, token by token, on one core.
func runDecode(s *session) error {
	shape, err := trainShapeOf(s.options.decodeShape)
	if err != nil {
		return err
	}
	python, hasPeer := python("torch's decoding")
	dir := filepath.Join(s.dir, "decode")
	if _, _, err := s.child(task{Name: "trainmodel", Arg: shape.name, N: 2, Threshold: decodeStd, Out: dir}, false); err != nil {
		return err
	}
	var rows []*row
	about := []string{}
	for _, texts := range decodeTexts {
		of := ", 1 text"
		if texts > 1 {
			of = fmt.Sprintf(", %d texts", texts)
		}
		ours, theirs := &row{name: "curate" + of}, &row{name: "torch" + of}
		for round := 1; round <= s.options.runs; round++ {
			var a, p decodeAnswer
			res, u, err := s.child(task{Name: "decodetext", Files: []string{dir}, Workers: 1, N: texts}, true)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(res.Answer, &a); err != nil {
				return err
			}
			if hasPeer {
				v, err := s.measure(command{argv: []string{python, filepath.Join("peers", "torch_decode.py"), dir, tokensFile(dir), strconv.Itoa(decodePrompt), strconv.Itoa(decodeLength), "1", strconv.Itoa(texts)},
					env: threadsEnv(1), one: true})
				if err != nil {
					return err
				}
				if err := json.Unmarshal([]byte(lastLines(string(v.Out), 1)), &p); err != nil {
					return fmt.Errorf("torch_decode.py: %w", err)
				}
				worst, same, err := compareTexts(&a, &p, texts)
				if err != nil {
					return err
				}
				if round == 1 {
					kinds := len(slices.Compact(slices.Sorted(slices.Values(a.IDs))))
					about = append(about, fmt.Sprintf("%s: %d of %d ids are the same, %d of them different; their logits differ by %.1e of them; torch %s, %s; curate's kernels %s",
						theirs.name, same, len(a.IDs), kinds, worst, p.Version, p.Kernels, a.Kernels))
				}
				s.addText(theirs, texts, round, &p, v)
			}
			s.addText(ours, texts, round, &a, u)
		}
		rows = append(rows, ours, theirs)
	}
	fmt.Printf("\ndecode: %s, f32, one core, %d tokens behind %d\n%-20s %14s %10s %10s %9s %9s\n", shape.name, decodeLength, decodePrompt, "", "tokens/CPU s", "best", "tokens/s", "peak MiB", "others s")
	rate := func(m measurement) float64 { return float64(m.Tokens) / m.CPU }
	for _, r := range rows {
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
	for _, line := range about {
		fmt.Println(line)
	}
	return os.RemoveAll(dir)
}

func (s *session) addText(r *row, texts, round int, a *decodeAnswer, u usage) {
	s.add(r, measurement{Bench: "decode", Name: r.name, Round: round, Unit: "tokens", result: result{
		Passes: 1, Tokens: int64(len(a.IDs) - texts), CPU: a.CPU, Wall: a.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
	}, More: map[string]any{"version": a.Version, "kernels": a.Kernels}})
}

// compareTexts gives the largest difference of two logits, as a share, and how many ids are the same. Of several texts one may
// part where two tokens are as likely as each other but for rounding; what follows there is another text.
func compareTexts(a, b *decodeAnswer, texts int) (worst float64, same int, err error) {
	if len(a.IDs) != texts*decodeLength || len(a.Logits) != len(a.IDs) || len(b.IDs) != len(a.IDs) || len(b.Logits) != len(b.IDs) {
		return 0, 0, fmt.Errorf("%w: %d ids with %d logits, and the peer's %d with %d", errOutput, len(a.IDs), len(a.Logits), len(b.IDs), len(b.Logits))
	}
	for from := 0; from < len(a.IDs); from += decodeLength {
		for i := from; i < from+decodeLength; i++ {
			d := math.Abs(a.Logits[i]/b.Logits[i] - 1)
			if !(d <= decodeTolerance) {
				return 0, 0, fmt.Errorf("%w: text %d, token %d: logits of the same text differ by %g of them", errOutput, from/decodeLength, i-from, d)
			}
			worst = max(worst, d)
			if a.IDs[i] != b.IDs[i] {
				break
			}
			same++
		}
	}
	if texts == 1 && same < len(a.IDs) || same < len(a.IDs)*4/5 {
		return 0, 0, fmt.Errorf("%w: only %d of %d ids are the same: %v and %v", errOutput, same, len(a.IDs), a.IDs, b.IDs)
	}
	return worst, same, nil
}

// decodeTextTask writes t.N greedy texts with the model in t.Files[0].
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
	prompts, err := readTokens(f, t.N*decodePrompt)
	if err != nil {
		return res, err
	}
	a := decodeAnswer{Kernels: pool.Set().Name(), IDs: make([]int32, t.N*decodeLength), Logits: make([]float64, t.N*decodeLength)}
	v := l.Config.Vocabulary
	caches, next, scores := make([]*model.Cache, t.N), make([]int32, t.N), make([]float32, t.N*v)
	for k := range caches {
		caches[k] = m.NewCache(decodePrompt + decodeLength)
		first, err := m.Extend(caches[k], prompts[k*decodePrompt:(k+1)*decodePrompt])
		if err != nil {
			return res, err
		}
		copy(scores[k*v:], first)
	}
	var began time.Time
	cpu := 0.0
	for i := range decodeLength {
		for k := range next {
			row := scores[k*v : (k+1)*v]
			best := pool.Set().Argmax(row)
			next[k] = int32(best)
			a.IDs[k*decodeLength+i], a.Logits[k*decodeLength+i] = next[k], float64(row[best])
		}
		if i == 0 {
			began, cpu = time.Now(), cpuSeconds()
		}
		if i+1 < decodeLength {
			if err := m.ExtendEach(caches, next, scores); err != nil {
				return res, err
			}
		}
	}
	a.Wall, a.CPU = time.Since(began).Seconds(), cpuSeconds()-cpu
	res.Answer, err = json.Marshal(a)
	return res, err
}
