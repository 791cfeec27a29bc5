package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"curate/corpus/store"
	"curate/kernel"
	"curate/train"
	"curate/train/model"
)

// trainShape is a model to train, and the batch of a step.
type trainShape struct {
	name                                  string
	width, layers, heads, ffn, vocabulary int
	rows, length                          int
}

var trainShapes = []trainShape{
	{"9M", 256, 6, 4, 704, 8192, 4, 256},
	{"42M", 512, 8, 8, 1408, 16384, 2, 256},
	{"134M", 768, 12, 12, 2048, 32000, 2, 256},
	// The batch of llm.c's program.
	{"134M-64", 768, 12, 12, 2048, 32000, 4, 64},
}

func trainShapeOf(name string) (*trainShape, error) {
	i := slices.IndexFunc(trainShapes, func(s trainShape) bool { return s.name == name })
	if i < 0 {
		return nil, fmt.Errorf("-train-shapes: no such shape: %q", name)
	}
	return &trainShapes[i], nil
}

func (s *trainShape) config() (*model.Config, error) {
	return (&model.Shape{Family: model.Llama, Vocabulary: s.vocabulary, Width: s.width, Layers: s.layers, Heads: s.heads, FFN: s.ffn, Context: s.length}).New()
}

// perToken is 6N: what a step does for each token, with N the parameters of matrices that are multiplied. The embedding is
// none, and attention's products of activations are not counted.
func (s *trainShape) perToken() float64 {
	return 6 * float64(s.layers*(4*s.width*s.width+3*s.width*s.ffn)+s.vocabulary*s.width)
}

// What both sides train with; peers/torch_train.py has the same.
const (
	trainStd     = 0.02
	trainRate    = 1e-3
	trainBeta1   = 0.9
	trainBeta2   = 0.95
	trainEpsilon = 1e-8
	trainDecay   = 0.1
	trainClip    = 1
	// The first steps, in which memory comes in, are not counted.
	trainWarm = 2
	// The losses of so many steps must agree.
	trainCompared = 5
)

// trainTolerance is how far the losses may differ, which are 6 to 10: of float32 in another order, and of bfloat16, which torch
// also keeps between the products.
var trainTolerance = map[string]float64{"f32": 1e-4, "bf16": 1e-2}

// trainAnswer is what a trainer says: ours, peers/torch_train.py, and peers/llmc_steps.c without norms. All are by step.
type trainAnswer struct {
	Losses  []float64 `json:"losses"`
	Norms   []float64 `json:"norms,omitempty"`
	Wall    []float64 `json:"wall"`
	CPU     []float64 `json:"cpu"`
	Version string    `json:"version,omitempty"`
	Kernels string    `json:"kernels,omitempty"`
}

// trainRow is a line of the table: one trainer on so many threads.
type trainRow struct {
	*row
	tokens, flops float64 // of a step
	wall, cpu     []float64
}

// runTrain makes steps of curate and of torch by turns, from the same weights and on the same tokens.
func runTrain(s *session) error {
	python, hasPeer := python("torch")
	for _, name := range strings.Split(s.options.trainShapes, ",") {
		shape, err := trainShapeOf(name)
		if err != nil {
			return err
		}
		if err := s.trainOn(shape, python, hasPeer); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (s *session) trainOn(shape *trainShape, python string, hasPeer bool) error {
	dir := filepath.Join(s.dir, "train-"+shape.name)
	steps := s.options.trainSteps
	made, _, err := s.child(task{Name: "trainmodel", Arg: shape.name, N: steps, Threshold: trainStd, Out: dir}, false)
	if err != nil {
		return err
	}
	var rows []*trainRow
	agree := []string{}
	for _, precision := range strings.Split(s.options.trainPrecision, ",") {
		if trainTolerance[precision] == 0 {
			return fmt.Errorf("-train-precision: %q is neither f32 nor bf16", precision)
		}
		var one trainAnswer // ours on one thread
		for _, threads := range []int{1, 2} {
			about := fmt.Sprintf(", %s, %d thread%s", precision, threads, []string{"", "s"}[threads-1])
			ours := shape.newRow("curate" + about)
			theirs := []*trainRow{shape.newRow("torch" + about)}
			if s.options.trainCompile {
				theirs = append(theirs, shape.newRow("torch.compile"+about))
			}
			for round := 1; round <= s.options.runs; round++ {
				u, a, err := s.trainOurs(shape, dir, precision, threads)
				if err != nil {
					return err
				}
				if err := sane(&a, shape.vocabulary); err != nil {
					return err
				}
				if one.Losses == nil {
					one = a
				}
				if !slices.Equal(a.Losses, one.Losses) || !slices.Equal(a.Norms, one.Norms) {
					return fmt.Errorf("%w: losses on %d threads, round %d, are %v, and on one %v", errOutput, threads, round, a.Losses, one.Losses)
				}
				var peers []trainAnswer
				var usages []usage
				for i := range theirs {
					if !hasPeer {
						break
					}
					argv := []string{python, filepath.Join("peers", "torch_train.py"), dir, tokensFile(dir), strconv.Itoa(shape.rows), strconv.Itoa(shape.length),
						strconv.Itoa(steps), strconv.Itoa(threads), precision}
					if i == 1 {
						argv = append(argv, "compile")
					}
					u, err := s.measure(command{argv: argv, env: threadsEnv(threads), one: threads == 1})
					if err != nil {
						return err
					}
					var p trainAnswer
					if err := json.Unmarshal([]byte(lastLines(string(u.Out), 1)), &p); err != nil {
						return fmt.Errorf("torch_train.py: %w", err)
					}
					worst, err := compareLosses(&a, &p, trainTolerance[precision])
					if err != nil {
						return fmt.Errorf("%s: %w", theirs[i].name, err)
					}
					if round == 1 {
						agree = append(agree, fmt.Sprintf("%s: losses of the first %d steps differ by %.1e (%.5f to %.5f); torch %s, %s", theirs[i].name, min(steps, trainCompared), worst,
							a.Losses[0], a.Losses[min(len(a.Losses), trainCompared)-1], p.Version, p.Kernels))
					}
					peers, usages = append(peers, p), append(usages, u)
				}
				// Only now do times count.
				s.addSteps("train", ours, round, &a, u)
				for i := range peers {
					s.addSteps("train", theirs[i], round, &peers[i], usages[i])
				}
			}
			rows = append(rows, ours)
			rows = append(rows, theirs...)
		}
	}
	trainTable(fmt.Sprintf("train: %s, %d parameters, steps of %d x %d tokens, kernels %s", shape.name, made.Docs, shape.rows, shape.length, made.Digest), rows)
	for _, line := range agree {
		fmt.Println(line)
	}
	return os.RemoveAll(dir)
}

func (s *trainShape) newRow(name string) *trainRow {
	tokens := float64(s.rows * s.length)
	return &trainRow{row: &row{name: name}, tokens: tokens, flops: tokens * s.perToken()}
}

// threadsEnv is for OpenMP, which numpy's and torch's libraries use. measure gives a process on one core the same.
func threadsEnv(n int) []string {
	return []string{"OMP_NUM_THREADS=" + strconv.Itoa(n), "MKL_NUM_THREADS=" + strconv.Itoa(n)}
}

func (s *session) trainOurs(shape *trainShape, dir, precision string, threads int) (usage, trainAnswer, error) {
	var a trainAnswer
	res, u, err := s.child(task{Name: "train", Arg: shape.name, Files: []string{dir}, Precision: precision, Workers: threads, N: s.options.trainSteps}, threads == 1)
	if err == nil {
		err = json.Unmarshal(res.Answer, &a)
	}
	return u, a, err
}

// sane finds out whether losses begin where random weights do, and come down, once there are enough of them to tell.
func sane(a *trainAnswer, vocabulary int) error {
	first, last := a.Losses[0], a.Losses[len(a.Losses)-1]
	if ln := math.Log(float64(vocabulary)); math.Abs(first-ln) > 0.5 || len(a.Losses) >= 8 && !(last < first) {
		return fmt.Errorf("%w: losses go from %.4f to %.4f; they should begin at %.2f and fall", errOutput, first, last, ln)
	}
	return nil
}

// compareLosses gives the largest difference among the first losses. Norms are compared as ratios, the first two strictly: after
// that Adam, which divides by the root of the second moment, has made steps of one size of gradients that are all rounding.
func compareLosses(a, b *trainAnswer, tolerance float64) (worst float64, err error) {
	if len(a.Losses) != len(b.Losses) || len(a.Norms) != len(b.Norms) {
		return 0, fmt.Errorf("%w: %d steps and %d", errOutput, len(a.Losses), len(b.Losses))
	}
	for i := range min(len(a.Losses), trainCompared) {
		d := math.Abs(a.Losses[i] - b.Losses[i])
		loose := 10 * tolerance
		if i >= 2 {
			loose *= 10
		}
		if ratio := a.Norms[i] / b.Norms[i]; !(d <= tolerance) || !(math.Abs(ratio-1) <= loose) {
			return 0, fmt.Errorf("%w: step %d has the loss %.6f and the norm %.6f, and the peer's %.6f and %.6f", errOutput, i, a.Losses[i], a.Norms[i], b.Losses[i], b.Norms[i])
		}
		worst = max(worst, d)
	}
	return worst, nil
}

// addSteps keeps the times of a child's steps.
func (s *session) addSteps(bench string, r *trainRow, round int, a *trainAnswer, u usage) {
	from := 0
	if len(a.Wall) > 2*trainWarm {
		from = trainWarm
	}
	sum := func(x []float64) (s float64) {
		for _, v := range x {
			s += v
		}
		return s
	}
	wall, cpu := a.Wall[from:], a.CPU[from:]
	r.wall, r.cpu = append(r.wall, wall...), append(r.cpu, cpu...)
	s.add(r.row, measurement{Bench: bench, Name: r.name, Round: round, Unit: "steps", result: result{
		Passes: len(wall), Tokens: int64(r.tokens), CPU: sum(cpu), Wall: sum(wall), Foreign: u.Foreign, PeakRSS: u.RSS,
	}, More: map[string]any{"wall_s": a.Wall, "cpu_s": a.CPU, "losses": a.Losses, "norms": a.Norms, "version": a.Version, "kernels": a.Kernels, "flops_6n": r.flops}})
}

// trainTable prints what steps took: for one core look at tokens a CPU second, for two at tokens a second.
func trainTable(title string, rows []*trainRow) {
	fmt.Printf("\n%s\n%-32s %10s %10s %12s %12s %11s %10s %9s %9s\n", title, "", "tok/s", "best", "tok/CPU s", "best", "6N GFLOP/s", "s/step", "peak MiB", "others s")
	for _, r := range rows {
		if len(r.wall) == 0 {
			continue
		}
		wall, cpu := median(r.wall), median(r.cpu)
		fmt.Printf("%-32s %10.1f %10.1f %12.1f %12.1f %11.1f %10.3f %9.0f %9.2f\n", r.name, r.tokens/wall, r.tokens/slices.Min(r.wall), r.tokens/cpu, r.tokens/slices.Min(r.cpu),
			r.flops/wall/1e9, wall, r.median(func(m measurement) float64 { return float64(m.PeakRSS) / (1 << 20) }), r.median(func(m measurement) float64 { return m.Foreign }))
	}
}

func median(x []float64) float64 {
	v := slices.Sorted(slices.Values(x))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func tokensFile(dir string) string { return filepath.Join(dir, "tokens.i32") }

// trainModelTask writes a shape's random model, with first values of the standard deviation t.Threshold, into the folder t.Out, as Hugging Face has it, and the tokens of t.N steps beside
// it: for each row one more than it is long. Small ids are frequent, so that there is something to learn.
func trainModelTask(t task) (res result, err error) {
	shape, err := trainShapeOf(t.Arg)
	if err != nil {
		return res, err
	}
	c, err := shape.config()
	if err != nil {
		return res, err
	}
	p := model.NewParams(model.NewLayout(c))
	p.Init(c, t.Threshold, 1)
	res.Docs = int64(p.Layout.Len)
	if err := os.MkdirAll(t.Out, 0o755); err != nil {
		return res, err
	}
	if err := train.Save(context.Background(), store.NewLocal(nil).Scratch(), filepath.ToSlash(t.Out), &train.Loaded{Config: c, Params: p, BOS: -1, EOS: -1, Pad: -1}, train.SaveOptions{}); err != nil {
		return res, err
	}
	random := rand.New(rand.NewPCG(9, 9))
	raw := make([]byte, 0, 4*t.N*shape.rows*(shape.length+1))
	for range cap(raw) / 4 {
		u := random.Float64()
		raw = binary.LittleEndian.AppendUint32(raw, uint32(u*u*u*float64(shape.vocabulary)))
	}
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		return res, err
	}
	res.Digest = set.Name()
	return res, os.WriteFile(tokensFile(t.Out), raw, 0o644)
}

// loadTrained reads what trainModelTask wrote.
func loadTrained(t task) (m *model.Model, l *train.Loaded, pool *kernel.Pool, err error) {
	if l, err = train.Load(context.Background(), store.NewLocal(nil).Scratch(), filepath.ToSlash(t.Files[0])); err != nil {
		return nil, nil, nil, err
	}
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		return nil, nil, nil, err
	}
	precision := kernel.F32
	if t.Precision == "bf16" {
		precision = kernel.BF16
	}
	pool = kernel.NewPool(set, t.Workers)
	m, err = model.New(l.Config, l.Params, pool, precision)
	return m, l, pool, err
}

// readTokens reads n tokens.
func readTokens(r io.Reader, n int) ([]int32, error) {
	tokens := make([]int32, n)
	return tokens, binary.Read(r, binary.LittleEndian, tokens)
}

// trainTask makes t.N steps with the model in t.Files[0].
func trainTask(t task) (res result, err error) {
	shape, err := trainShapeOf(t.Arg)
	if err != nil {
		return res, err
	}
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
	in := bufio.NewReader(f)
	n := shape.rows * shape.length
	b := &model.Batch{Rows: shape.rows, Length: shape.length, Tokens: make([]int32, n), Targets: make([]int32, n)}
	if t.Rank > 0 {
		adapters, err := model.NewAdapters(model.LoRA{Rank: t.Rank, Alpha: float64(2 * t.Rank)}, l.Params)
		if err != nil {
			return res, err
		}
		adapters.Init(1)
		if err := m.Adapt(adapters); err != nil {
			return res, err
		}
	}
	o := newAdam(pool, m.Trained())
	a := trainAnswer{Kernels: pool.Set().Name()}
	for step := range t.N {
		tokens, err := readTokens(in, shape.rows*(shape.length+1))
		if err != nil {
			return res, err
		}
		began, cpu := time.Now(), cpuSeconds()
		for r := range shape.rows {
			row := tokens[r*(shape.length+1) : (r+1)*(shape.length+1)]
			copy(b.Tokens[r*shape.length:], row[:shape.length])
			copy(b.Targets[r*shape.length:], row[1:])
		}
		sum, counted, err := m.Loss(b, 1/float32(n), o.grads)
		if err != nil {
			return res, err
		}
		norm := o.norm()
		o.step(step, norm)
		if t.Rank > 0 {
			m.Merge()
		}
		a.Wall, a.CPU = append(a.Wall, time.Since(began).Seconds()), append(a.CPU, cpuSeconds()-cpu)
		a.Losses, a.Norms = append(a.Losses, sum/float64(counted)), append(a.Norms, norm)
	}
	res.Answer, err = json.Marshal(a)
	return res, err
}

// adam is the step that train/optimizer.go makes, with its pieces, without µP.
type adam struct {
	pool                *kernel.Pool
	params, grads, m, v *model.Params
	pieces              []adamPiece
	sums                []float64
}

type adamPiece struct {
	from, to int
	decay    float32
}

func newAdam(pool *kernel.Pool, p *model.Params) *adam {
	o := &adam{pool: pool, params: p, grads: model.NewParams(p.Layout), m: model.NewParams(p.Layout), v: model.NewParams(p.Layout)}
	const length = 1 << 15
	for i := range p.Layout.Tensors {
		t := &p.Layout.Tensors[i]
		decay := float32(trainDecay)
		if t.Vector {
			decay = 0
		}
		for from := t.Offset; from < t.Offset+t.Len(); from += length {
			o.pieces = append(o.pieces, adamPiece{from, min(from+length, t.Offset+t.Len()), decay})
		}
	}
	o.sums = make([]float64, len(o.pieces))
	return o
}

// norm of all gradients together.
func (o *adam) norm() float64 {
	o.pool.Each(len(o.pieces), func(i, _ int) {
		o.sums[i] = o.pool.Set().SumSquares(o.grads.Data[o.pieces[i].from:o.pieces[i].to])
	})
	sum := 0.0
	for _, s := range o.sums {
		sum += s
	}
	return math.Sqrt(sum)
}

// step number n, from 0. The gradients are zeros afterwards.
func (o *adam) step(n int, norm float64) {
	base := kernel.AdamW{
		Rate: trainRate, Beta1: trainBeta1, Beta2: trainBeta2, Epsilon: trainEpsilon, Scale: float32(min(1, trainClip/(norm+1e-6))),
		Correction1: float32(1 - math.Pow(trainBeta1, float64(n+1))), Correction2: float32(1 - math.Pow(trainBeta2, float64(n+1))),
	}
	o.pool.Each(len(o.pieces), func(i, _ int) {
		p := &o.pieces[i]
		a := base
		a.Decay = p.decay
		g := o.grads.Data[p.from:p.to]
		o.pool.Set().AdamW(&a, o.params.Data[p.from:p.to], g, o.m.Data[p.from:p.to], o.v.Data[p.from:p.to])
		clear(g)
	})
}
