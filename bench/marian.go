package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"curate/translate/marian"
	"curate/translate/score"
)

// Bars of the benchmark marian and of its check.
const (
	marianFloatBar = 3.0 // times transformers' speed in f32
	marianInt8Bar  = 0.7 // of CTranslate2's in 8 bits
	marianQuality  = 0.5 // points of chrF++ that 8 bits may lose
	marianMemory   = 1.3 // most resident bytes for each of the weights'
	// marianForced is how many tokens the targets of random models have.
	marianForced = 24
)

// marianShapes are the random models, by the size of their vocabulary: of OPUS-MT's 75 million parameters, and a small one.
var marianShapes = []int{3600, 60000}

// marianWays are how CTranslate2 is asked to use one core and two: translators x threads x tokens a batch.
var marianWays = map[int]string{
	1: "1x1x512,1x1x1024,1x1x2048,1x1x4096",
	2: "2x1x512,2x1x1024,2x1x2048,1x2x1024,1x2x2048,1x2x4096",
}

// translated is what ours and peers/marian_*.py say.
type translated struct {
	Texts   []string           `json:"texts"`
	Tokens  []int              `json:"tokens"` // of each target, its end included
	Scores  []float64          `json:"scores"` // mean log-probabilities
	Wall    float64            `json:"wall"`
	CPU     float64            `json:"cpu"`
	Version string             `json:"version,omitempty"`
	Kernels string             `json:"kernels,omitempty"`
	Way     string             `json:"way,omitempty"`   // CTranslate2's fastest
	Walls   map[string]float64 `json:"walls,omitempty"` // and all of its ways
	Memory  int64              `json:"memory,omitempty"`
	Weights int64              `json:"weights,omitempty"` // bytes of their file
}

func (t *translated) tokens() (n int) {
	for _, k := range t.Tokens {
		n += k
	}
	return n
}

// marianPairsTask writes t.N sentences of held-out pages, spread evenly over the file of parallel lines {"id","en","eu"} in t.Files[0],
// and their translations into t.Out, as one JSON object: one line each, 4 to 40 words, no English one twice, and none whose Basque side is English
// still or of quite another length. The training script of the model leaves them out.
func marianPairsTask(t task) (res result, err error) {
	text, err := decodedFile(t.Files[0])
	if err != nil {
		return res, err
	}
	seen := map[string]bool{}
	var all marianPairs
	for i, line := range bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
		var p struct{ ID, EN, EU string }
		if err := json.Unmarshal(line, &p); err != nil {
			return res, fmt.Errorf("%s:%d: %w", t.Files[0], i+1, err)
		}
		page, _, _ := strings.Cut(p.ID, "#")
		en, eu := strings.TrimSpace(p.EN), strings.TrimSpace(p.EU)
		words, ratio := len(strings.Fields(en)), float64(len([]rune(eu)))/float64(max(1, len([]rune(en))))
		if lastDigit(page) != 0 || seen[en] || en == eu || words < 4 || words > 40 ||
			ratio < 0.5 || ratio > 2.2 || strings.Contains(en+eu, "\n") {
			continue
		}
		seen[en] = true
		all.Sources, all.References = append(all.Sources, en), append(all.References, eu)
	}
	n := len(all.Sources)
	if n < t.N {
		return res, fmt.Errorf("%s: %d sentences of held-out pages, and %d are wanted: -marian-sentences", t.Files[0], n, t.N)
	}
	for i := range t.N {
		all.Sources[i], all.References[i] = all.Sources[i*n/t.N], all.References[i*n/t.N]
	}
	all.Sources, all.References = all.Sources[:t.N], all.References[:t.N]
	return res, writeJSON(t.Out, all)
}

// lastDigit is that of the SHA-1 of a page's path, read as a big-endian number: 0 of held-out pages.
func lastDigit(page string) int {
	sum := sha1.Sum([]byte(page))
	return int(new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), big.NewInt(10)).Int64())
}

// marianPairs are sentences and what people made of them.
type marianPairs struct{ Sources, References []string }

// marianInput is what both benchmarks work on.
type marianInput struct {
	model, python string
	marianPairs
	dir, texts string // texts is the file of the sources
}

// marianOpen says aloud what is missing, and gives nil.
func (s *session) marianOpen(bench string) (*marianInput, error) {
	o := &s.options
	if o.marian == "" || o.marianText == "" {
		fmt.Printf("\nSKIPPED %s: -marian names no model, or -marian-text no parallel lines\n", bench)
		return nil, nil
	}
	in := &marianInput{model: o.marian, dir: filepath.Join(s.dir, bench)}
	in.python, _ = python(bench + "'s peers")
	if err := os.MkdirAll(in.dir, 0o755); err != nil {
		return nil, err
	}
	pairs := filepath.Join(in.dir, "pairs.json")
	if _, _, err := s.child(task{Name: "marianpairs", Files: []string{o.marianText}, N: o.marianSentences, Out: pairs}, false); err != nil {
		return nil, err
	}
	if err := readJSON(pairs, &in.marianPairs); err != nil {
		return nil, err
	}
	in.texts = filepath.Join(in.dir, "texts.json")
	return in, writeJSON(in.texts, in.Sources)
}

func readJSON(name string, v any) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o644)
}

// marianOurs translates in a child.
func (s *session) marianOurs(model, precision, texts string, beams, workers int) (*translated, usage, error) {
	a := &translated{}
	res, u, err := s.child(task{Name: "marian", Files: []string{model}, With: texts, Precision: precision, N: beams, Workers: workers}, workers == 1)
	if err == nil {
		err = json.Unmarshal(res.Answer, a)
	}
	return a, u, err
}

func (s *session) marianPeer(python, script string, cores int, args ...string) (*translated, usage, error) {
	u, err := s.measure(command{argv: append([]string{python, filepath.Join("peers", script)}, args...), env: threadsEnv(cores), one: cores == 1})
	if err != nil {
		return nil, u, err
	}
	a := &translated{}
	if err := json.Unmarshal([]byte(lastLines(string(u.Out), 1)), a); err != nil {
		return nil, u, fmt.Errorf("%s: %w", script, err)
	}
	return a, u, nil
}

// marianTask translates the texts of the file t.With (a JSON list) with the model in t.Files[0], t.N beams, t.Workers batches at a
// time. Loading is not in the times; tokenizing and writing the texts is.
func marianTask(t task) (res result, err error) {
	var texts []string
	if err := readJSON(t.With, &texts); err != nil {
		return res, err
	}
	e, err := marian.Open(t.Files[0], marian.Options{Workers: t.Workers, Beams: t.N, Precision: t.Precision})
	if err != nil {
		return res, err
	}
	ctx := context.Background()
	if _, err := e.Translate(ctx, texts[:min(len(texts), 32)], false); err != nil { // buffers grow
		return res, err
	}
	a := translated{Memory: e.Memory()}
	cpu, began := cpuSeconds(), time.Now()
	out, err := e.Translate(ctx, texts, false)
	if err != nil {
		return res, err
	}
	a.Wall, a.CPU = time.Since(began).Seconds(), cpuSeconds()-cpu
	for _, o := range out {
		a.Texts, a.Tokens, a.Scores = append(a.Texts, o.Text), append(a.Tokens, o.TargetTokens), append(a.Scores, o.LogProb)
	}
	info, err := os.Stat(filepath.Join(t.Files[0], "model.safetensors"))
	if err != nil {
		return res, err
	}
	a.Weights = info.Size()
	if err := e.Close(); err != nil {
		return res, err
	}
	res.Answer, err = json.Marshal(a)
	return res, err
}

// marianQuantizeTask writes the model in t.Files[0] in 8 bits into the new folder t.Out.
func marianQuantizeTask(t task) (res result, err error) {
	return res, marian.Quantize(context.Background(), t.Files[0], t.Out)
}

// runMarianCheck compares translations with transformers', text for text, and 8 bits with f32.
func runMarianCheck(s *session) error {
	in, err := s.marianOpen("marian-check")
	if err != nil || in == nil {
		return err
	}
	quantized := filepath.Join(in.dir, "int8")
	if _, _, err := s.child(task{Name: "marianquantize", Files: []string{in.model}, Out: quantized}, false); err != nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{"sentences": len(in.Sources)}}
	fmt.Println()
	for _, beams := range []int{1, 4} {
		of := fmt.Sprintf("beam %d", beams)
		floats, _, err := s.marianOurs(in.model, "f32", in.texts, beams, 2)
		if err != nil {
			return err
		}
		if in.python != "" {
			// One thread: in batches as small as these two wait for each other.
			peer, _, err := s.marianPeer(in.python, "marian_transformers.py", 2, in.model, in.texts, strconv.Itoa(beams), "1", "equal")
			if err != nil {
				return err
			}
			if len(peer.Texts) != len(in.Sources) {
				return fmt.Errorf("%w: transformers has %d texts of %d", errOutput, len(peer.Texts), len(in.Sources))
			}
			differ, worst := 0, 0.0
			for i := range in.Sources {
				if floats.Texts[i] == peer.Texts[i] && floats.Tokens[i] == peer.Tokens[i] {
					worst = max(worst, math.Abs(floats.Scores[i]-peer.Scores[i]))
					continue
				}
				differ++
				v.failf("%s, sentence %d, %q: %q (%d tokens, mean log-probability %.6f), transformers %q (%d, %.6f)", of, i, in.Sources[i],
					floats.Texts[i], floats.Tokens[i], floats.Scores[i], peer.Texts[i], peer.Tokens[i], peer.Scores[i])
			}
			if !(worst <= 1e-3) {
				v.failf("%s: mean log-probabilities of the same text differ by %g", of, worst)
			}
			v.printf("%s, f32: %d of %d sentences as %s has them, in as many tokens; mean log-probabilities differ by at most %.1e", of, len(in.Sources)-differ, len(in.Sources), peer.Version, worst)
			v.Numbers["differ, "+of] = differ
		}
		eight, _, err := s.marianOurs(quantized, "", in.texts, beams, 2)
		if err != nil {
			return err
		}
		loaded, _, err := s.marianOurs(in.model, "int8", in.texts, beams, 2)
		if err != nil {
			return err
		}
		if !slices.Equal(eight.Texts, loaded.Texts) {
			v.failf("%s: the quantised folder and f32 quantised while it is read have other translations", of)
		}
		f, q := marianScores(floats.Texts, in.References), marianScores(eight.Texts, in.References)
		v.printf("%s, against people's translations: BLEU %.2f f32, %.2f in 8 bits; chrF++ %.2f and %.2f; %d of %d are the same", of,
			f["BLEU"], q["BLEU"], f["chrF++"], q["chrF++"], equalTexts(floats, eight), len(in.Sources))
		v.Numbers["f32, "+of], v.Numbers["int8, "+of] = f, q
		if !(q["chrF++"] >= f["chrF++"]-marianQuality) {
			v.failf("%s: 8 bits lose %.2f points of chrF++, more than %g", of, f["chrF++"]-q["chrF++"], marianQuality)
		}
	}
	return errors.Join(s.say("marian-check", v), os.RemoveAll(in.dir))
}

func marianScores(texts, references []string) map[string]float64 {
	scores := map[string]float64{}
	for _, m := range score.Metrics() {
		var sum []int64
		for i, text := range texts {
			n := m.Segment(text, []string{references[i]})
			if sum == nil {
				sum = make([]int64, len(n))
			}
			for k := range n {
				sum[k] += n[k]
			}
		}
		scores[m.Name()] = m.Score(sum)
	}
	return scores
}

func equalTexts(a, b *translated) (n int) {
	for i := range a.Texts {
		if a.Texts[i] == b.Texts[i] {
			n++
		}
	}
	return n
}

// runMarian measures translation beside transformers in f32 and CTranslate2 in 8 bits, with the model and with random ones.
func runMarian(s *session) error {
	in, err := s.marianOpen("marian")
	if err != nil || in == nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{}}
	if err := s.marianOn(in, v, filepath.Base(filepath.Clean(in.model)), in.model, in.texts, 0); err != nil {
		return err
	}
	// Their targets may have so many tokens only behind sources that are long enough, as marian's bound on lengths has it.
	texts := filepath.Join(in.dir, "long.json")
	long := slices.DeleteFunc(slices.Clone(in.Sources), func(t string) bool { return len(strings.Fields(t)) < 8 })
	if len(long) == 0 {
		return errors.New("none of the sentences has 8 words; raise -marian-sentences")
	}
	if err := writeJSON(texts, long[:min(len(long), s.options.marianTexts)]); err != nil {
		return err
	}
	for _, vocabulary := range marianShapes {
		if in.python == "" || !slices.Contains(strings.Split(s.options.marianVocabularies, ","), strconv.Itoa(vocabulary)) {
			continue
		}
		dir := filepath.Join(in.dir, strconv.Itoa(vocabulary))
		u, err := s.measure(command{argv: []string{in.python, filepath.Join("peers", "marian_model.py"), in.model, dir, strconv.Itoa(vocabulary), strconv.Itoa(marianForced)}})
		if err != nil {
			return err
		}
		var made struct{ Parameters int }
		if err := json.Unmarshal([]byte(lastLines(string(u.Out), 1)), &made); err != nil {
			return fmt.Errorf("marian_model.py: %w", err)
		}
		name := fmt.Sprintf("random, %.0fM parameters, vocabulary of %d", float64(made.Parameters)/1e6, vocabulary)
		if err := s.marianOn(in, v, name, dir, texts, marianForced); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return errors.Join(s.say("marian", v), os.RemoveAll(in.dir))
}

// marianRow is a line of the table.
type marianRow struct {
	*row
	rates, perCPU []float64 // tokens a second of each round
}

// marianOn measures one model. With forced every target has so many tokens.
func (s *session) marianOn(in *marianInput, v *verdict, name, model, texts string, forced int) error {
	quantized := filepath.Join(in.dir, "int8")
	if _, _, err := s.child(task{Name: "marianquantize", Files: []string{model}, Out: quantized}, false); err != nil {
		return err
	}
	converted := filepath.Join(in.dir, "converted")
	var rows []*marianRow
	about := map[string]bool{}
	for _, cores := range []int{1, 2} {
		for _, beams := range []int{1, 4} {
			of := fmt.Sprintf(", beam %d, %d core%s", beams, cores, []string{"", "s"}[cores-1])
			floats, torch := &marianRow{row: &row{name: "curate f32" + of}}, &marianRow{row: &row{name: "transformers f32" + of}}
			eight, ct := &marianRow{row: &row{name: "curate int8" + of}}, &marianRow{row: &row{name: "CTranslate2 int8" + of}}
			ways := marianWays[cores]
			var first, firstEight *translated
			for round := 1; round <= s.options.runs; round++ {
				f, fu, err := s.marianOurs(model, "f32", texts, beams, cores)
				if err != nil {
					return err
				}
				q, qu, err := s.marianOurs(quantized, "", texts, beams, cores)
				if err != nil {
					return err
				}
				first, firstEight = cmp.Or(first, f), cmp.Or(firstEight, q)
				if !slices.Equal(f.Texts, first.Texts) || !slices.Equal(q.Texts, firstEight.Texts) {
					return fmt.Errorf("%w: %s%s: round %d has other texts than the first", errOutput, name, of, round)
				}
				all := []*translated{f, q}
				var t, c *translated
				var tu, cu usage
				if in.python != "" {
					if t, tu, err = s.marianPeer(in.python, "marian_transformers.py", cores, model, texts, strconv.Itoa(beams), strconv.Itoa(cores), "sorted"); err != nil {
						return err
					}
					if c, cu, err = s.marianPeer(in.python, "marian_ctranslate2.py", cores, model, converted, texts, strconv.Itoa(beams), strconv.Itoa(cores), ways); err != nil {
						return err
					}
					ways = c.Way // later rounds take the fastest
					all = append(all, t, c)
				}
				for _, a := range all {
					if len(a.Texts) != len(f.Texts) || forced > 0 && a.tokens() != forced*len(a.Texts) {
						return fmt.Errorf("%w: %s%s: %d texts of %d tokens", errOutput, name, of, len(a.Texts), a.tokens())
					}
				}
				if t != nil {
					// Padding changes the rounding, and the longest of a batch how long the others may become.
					if n := equalTexts(f, t); n < len(f.Texts)*95/100 {
						return fmt.Errorf("%w: %s%s: only %d of %d texts are as transformers has them", errOutput, name, of, n, len(f.Texts))
					} else if round == 1 {
						about[fmt.Sprintf("%s: %d of %d texts as transformers has them; %d of 8 bits as of f32, CTranslate2's %d", strings.TrimPrefix(of, ", "), n, len(f.Texts), equalTexts(f, q), equalTexts(f, c))] = true
						about[fmt.Sprintf("%s: CTranslate2's ways: %v s", strings.TrimPrefix(of, ", "), c.Walls)] = true
						about[fmt.Sprintf("%s, %s; %s", t.Version, t.Kernels, c.Version)] = true
					}
				}
				s.addTranslated(floats, name, round, f, fu)
				s.addTranslated(eight, name, round, q, qu)
				if t != nil {
					s.addTranslated(torch, name, round, t, tu)
					s.addTranslated(ct, name, round, c, cu)
				}
				if round == 1 && beams == 4 {
					marianRSS(v, name+", f32"+of, fu.RSS, f)
					marianRSS(v, name+", int8"+of, qu.RSS, q)
				}
			}
			if in.python != "" {
				marianRatio(v, name+of, "transformers in f32", floats, torch, marianFloatBar, cores)
				marianRatio(v, name+of, "CTranslate2 in 8 bits", eight, ct, marianInt8Bar, cores)
			}
			rows = append(rows, floats, torch, eight, ct)
		}
	}
	fmt.Printf("\nmarian: %s\n%-38s %12s %10s %10s %10s %9s %9s\n", name, "", "tokens/CPU s", "best", "tokens/s", "best", "peak MiB", "others s")
	for _, r := range rows {
		if len(r.all) > 0 {
			fmt.Printf("%-38s %12.1f %10.1f %10.1f %10.1f %9.0f %9.2f\n", r.name, median(r.perCPU), slices.Max(r.perCPU), median(r.rates), slices.Max(r.rates),
				r.median(func(m measurement) float64 { return float64(m.PeakRSS) / (1 << 20) }), r.median(func(m measurement) float64 { return m.Foreign }))
		}
	}
	lines := make([]string, 0, len(about))
	for line := range about {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
	return errors.Join(os.RemoveAll(quantized), os.RemoveAll(converted))
}

func (s *session) addTranslated(r *marianRow, name string, round int, a *translated, u usage) {
	n := float64(a.tokens())
	r.rates, r.perCPU = append(r.rates, n/a.Wall), append(r.perCPU, n/a.CPU)
	s.add(r.row, measurement{Bench: "marian", Name: name + ": " + r.name, Round: round, Unit: "tokens", result: result{
		Passes: 1, Docs: int64(len(a.Texts)), Tokens: int64(n), CPU: a.CPU, Wall: a.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
	}, More: map[string]any{"version": a.Version, "kernels": a.Kernels, "way": a.Way, "walls": a.Walls, "weights": a.Weights, "memory": a.Memory}})
}

// marianRatio compares by CPU seconds on one core, by the clock on two.
func marianRatio(v *verdict, name, peer string, ours, theirs *marianRow, bar float64, cores int) {
	a, b, by := median(ours.perCPU), median(theirs.perCPU), "a CPU second"
	if cores > 1 {
		a, b, by = median(ours.rates), median(theirs.rates), "a second"
	}
	v.printf("%s: %.2f times the tokens %s of %s", name, a/b, by, peer)
	v.Numbers[name+", of "+peer] = a / b
	if !(a >= bar*b) {
		v.failf("%s: %.2f times %s, less than %g", name, a/b, peer, bar)
	}
}

func marianRSS(v *verdict, name string, rss int64, a *translated) {
	share := float64(rss) / float64(a.Weights)
	v.printf("%s: at most %.1f MiB resident, %.2f times the weights' %.1f MiB; Memory says %.1f MiB", name, float64(rss)/(1<<20), share, float64(a.Weights)/(1<<20), float64(a.Memory)/(1<<20))
	v.Numbers["memory, "+name] = share
	// A model of a few MB weighs less than the program.
	if share > marianMemory && a.Weights > 40<<20 {
		v.failf("%s: %.2f times the weights are resident, more than %g", name, share, marianMemory)
	}
}
