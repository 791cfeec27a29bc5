package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"curate/kernel"
)

// gemmShape is a product; m is of C's rows.
type gemmShape struct {
	op      kernel.Op
	m, n, k int
	what    string
}

var gemmShapes = []gemmShape{
	{kernel.NN, 512, 512, 512, ""}, {kernel.NT, 512, 512, 512, ""}, {kernel.TN, 512, 512, 512, ""},
	{kernel.NN, 1024, 1024, 1024, ""}, {kernel.NT, 1024, 1024, 1024, ""}, {kernel.TN, 1024, 1024, 1024, ""},
	{kernel.NN, 2048, 2048, 2048, ""}, {kernel.NT, 2048, 2048, 2048, ""}, {kernel.TN, 2048, 2048, 2048, ""},
	// Training steps of 9M, 1,024 tokens, and of 134M, 512 tokens.
	{kernel.NT, 1024, 704, 256, "9M: gate"}, {kernel.NT, 1024, 768, 256, "9M: queries, keys, values"}, {kernel.NT, 1024, 256, 704, "9M: down"},
	{kernel.NT, 1024, 8192, 256, "9M: head"}, {kernel.NN, 1024, 256, 8192, "9M: head, back"}, {kernel.TN, 8192, 256, 1024, "9M: head, gradient"},
	{kernel.NT, 512, 2048, 768, "134M: gate"}, {kernel.NT, 512, 2304, 768, "134M: queries, keys, values"}, {kernel.NT, 512, 768, 2048, "134M: down"},
	{kernel.NN, 512, 768, 4096, "134M: gates, back"}, {kernel.TN, 4096, 768, 512, "134M: gates, gradient"},
}

func (g *gemmShape) String() string {
	return fmt.Sprintf("%s:%dx%dx%d", []string{"NN", "NT", "TN"}[g.op], g.m, g.n, g.k)
}

// Numbers that A and B of all shapes are made of: A begins at the first, B at number gemmA.
const (
	gemmA = 8 << 20
	gemmB = 4 << 20
	// gemmSeconds is how long a product is repeated in each round.
	gemmSeconds = 0.15
	// gemmTolerance is for the difference of two results, as a share of the lengths of A's row and B's column: some units of the last
	// place of float32, 6e-8, times what a sum of up to 8,192 gathers.
	gemmTolerance = 1e-6
)

// gemmAnswer is what ours and peers/numpy_gemm.py say: the least seconds of each shape.
type gemmAnswer struct {
	Wall    []float64 `json:"wall"`
	CPU     []float64 `json:"cpu"`
	Kernels string    `json:"kernels"`
	Version string    `json:"version,omitempty"`
	Peak    float64   `json:"peak,omitempty"` // operations a second of one core
}

// runGemm makes products by our kernels and by numpy's OpenBLAS by turns.
func runGemm(s *session) error {
	python, hasPeer := python("numpy's OpenBLAS")
	dir := filepath.Join(s.dir, "gemm")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	pool := filepath.Join(dir, "pool.f32")
	if _, _, err := s.child(task{Name: "gemmpool", Out: pool}, false); err != nil {
		return err
	}
	ours := func(threads int, seconds float64, out string) (a gemmAnswer, u usage, err error) {
		res, u, err := s.child(task{Name: "gemm", Files: []string{pool}, Workers: threads, Threshold: seconds, Out: out}, threads == 1)
		if err == nil {
			err = json.Unmarshal(res.Answer, &a)
		}
		return a, u, err
	}
	theirs := func(threads int, seconds float64, out string) (a gemmAnswer, u usage, err error) {
		argv := []string{python, filepath.Join("peers", "numpy_gemm.py"), pool, strconv.Itoa(gemmA), strconv.Itoa(threads), strconv.FormatFloat(seconds, 'g', -1, 64), out}
		for i := range gemmShapes {
			argv = append(argv, gemmShapes[i].String())
		}
		u, err = s.measure(command{argv: argv, env: threadsEnv(threads), one: threads == 1})
		if err == nil {
			err = json.Unmarshal([]byte(lastLines(string(u.Out), 1)), &a)
		}
		return a, u, err
	}
	// One run of each for the results, before time counts.
	worst := 0.0
	if hasPeer {
		for _, threads := range []int{1, 2} {
			x, y := filepath.Join(dir, "ours.f32"), filepath.Join(dir, "theirs.f32")
			if _, _, err := ours(threads, 0, x); err != nil {
				return err
			}
			if _, _, err := theirs(threads, 0, y); err != nil {
				return err
			}
			res, _, err := s.child(task{Name: "gemmcompare", Files: []string{pool, x, y}}, false)
			if err != nil {
				return err
			}
			var w float64
			if err := json.Unmarshal(res.Answer, &w); err != nil {
				return err
			}
			worst = max(worst, w)
		}
	}
	best := [2][2]gemmAnswer{} // by threads and side
	rows := [2][2]*row{}
	for round := 1; round <= s.options.runs; round++ {
		for t := range 2 {
			for side, run := range []func(int, float64, string) (gemmAnswer, usage, error){ours, theirs} {
				if side == 1 && !hasPeer {
					continue
				}
				a, u, err := run(t+1, gemmSeconds, "-")
				if err != nil {
					return err
				}
				b := &best[t][side]
				if round == 1 {
					rows[t][side] = &row{name: fmt.Sprintf("%s, %d threads", []string{"curate", "OpenBLAS"}[side], t+1)}
					*b = a
				}
				b.Peak = max(b.Peak, a.Peak)
				for i := range a.Wall {
					b.Wall[i], b.CPU[i] = min(b.Wall[i], a.Wall[i]), min(b.CPU[i], a.CPU[i])
				}
				s.add(rows[t][side], measurement{Bench: "gemm", Name: rows[t][side].name, Round: round, Unit: "products", result: result{Foreign: u.Foreign, PeakRSS: u.RSS},
					More: map[string]any{"shapes": gemmNames(), "wall_s": a.Wall, "cpu_s": a.CPU, "kernels": a.Kernels, "version": a.Version, "peak_flops": a.Peak}})
			}
		}
	}
	fmt.Printf("\ngemm: f32, best of %d rounds, GFLOP/s; one core by CPU seconds (its peak is %.1f), two threads by the clock\n%-22s %10s %10s %6s   %10s %10s %6s\n",
		s.options.runs, best[0][0].Peak/1e9, "", "curate, 1", "OpenBLAS", "ratio", "curate, 2", "OpenBLAS", "ratio")
	for i := range gemmShapes {
		g := &gemmShapes[i]
		flops := 2 * float64(g.m) * float64(g.n) * float64(g.k) / 1e9
		fmt.Printf("%-22s", g)
		for t := range 2 {
			var speed [2]float64
			for side := range 2 {
				if b := &best[t][side]; len(b.Wall) > 0 {
					speed[side] = flops / [2]float64{b.CPU[i], b.Wall[i]}[t]
				}
			}
			if hasPeer {
				fmt.Printf(" %10.1f %10.1f %6.2f  ", speed[0], speed[1], speed[0]/speed[1])
			} else {
				fmt.Printf(" %10.1f %10s %6s  ", speed[0], "", "")
			}
		}
		fmt.Printf(" %s\n", g.what)
	}
	for t := range 2 {
		fmt.Printf("others, %d threads: %.2f s beside ours", t+1, rows[t][0].median(func(m measurement) float64 { return m.Foreign }))
		if hasPeer {
			fmt.Printf(", %.2f s beside OpenBLAS", rows[t][1].median(func(m measurement) float64 { return m.Foreign }))
		}
		fmt.Println()
	}
	if hasPeer {
		p := best[0][1]
		fmt.Printf("curate's kernels %s; OpenBLAS %s, kernels %s; results differ by at most %.1e of |row|·|column|\n", best[0][0].Kernels, p.Version, p.Kernels, worst)
	}
	return os.RemoveAll(dir)
}

func gemmNames() (names []string) {
	for i := range gemmShapes {
		names = append(names, gemmShapes[i].String())
	}
	return names
}

// gemmPoolTask writes random numbers.
func gemmPoolTask(t task) (res result, err error) {
	random := rand.New(rand.NewPCG(11, 11))
	x := make([]float32, gemmA+gemmB)
	for i := range x {
		x[i] = float32(random.NormFloat64())
	}
	return res, os.WriteFile(t.Out, floatBytes(x), 0o644)
}

func floatBytes(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func readFloats(name string) ([]float32, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	x := make([]float32, len(b)/4)
	return x, binary.Read(bytes.NewReader(b), binary.LittleEndian, x)
}

// gemmTask makes each product for t.Threshold seconds, and at least five times, or once.
func gemmTask(t task) (res result, err error) {
	pool, err := readFloats(t.Files[0])
	if err != nil {
		return res, err
	}
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		return res, err
	}
	p := kernel.NewPool(set, t.Workers)
	defer p.Close()
	a := gemmAnswer{Kernels: set.Name()}
	var out io.WriteCloser
	if t.Out != "-" {
		if out, err = os.Create(t.Out); err != nil {
			return res, err
		}
		defer out.Close()
	}
	for i := range gemmShapes {
		g := &gemmShapes[i]
		lda, ldb := g.k, g.n
		switch g.op {
		case kernel.NT:
			ldb = g.k
		case kernel.TN:
			lda = g.m
		}
		x, y, c := pool[:g.m*g.k], pool[gemmA:gemmA+g.n*g.k], make([]float32, g.m*g.n)
		wall, cpu := math.Inf(1), math.Inf(1)
		for began, n := time.Now(), 0; ; {
			start, from := time.Now(), cpuSeconds()
			p.Gemm(kernel.F32, g.op, g.m, g.n, g.k, x, lda, y, ldb, false, c, g.n)
			wall, cpu = min(wall, time.Since(start).Seconds()), min(cpu, cpuSeconds()-from)
			if n++; t.Threshold == 0 || n >= 5 && time.Since(began).Seconds() >= t.Threshold {
				break
			}
		}
		a.Wall, a.CPU = append(a.Wall, wall), append(a.CPU, cpu)
		if out != nil {
			if _, err := out.Write(floatBytes(c)); err != nil {
				return res, err
			}
		}
	}
	if t.Threshold > 0 && t.Workers == 1 {
		a.Peak = set.Peak(200 * time.Millisecond)
	}
	res.Answer, err = json.Marshal(a)
	return res, err
}

// gemmCompareTask compares two files of results: t.Files are the pool and they.
func gemmCompareTask(t task) (res result, err error) {
	var in [3][]float32
	for i := range in {
		if in[i], err = readFloats(t.Files[i]); err != nil {
			return res, err
		}
	}
	worst := 0.0
	for i := range gemmShapes {
		g := &gemmShapes[i]
		a, b := lengths(in[0], g.m, g.k, g.op == kernel.TN), lengths(in[0][gemmA:], g.n, g.k, g.op != kernel.NT)
		if len(in[1]) < g.m*g.n || len(in[2]) < g.m*g.n {
			return res, fmt.Errorf("%w: %s is missing", errOutput, g)
		}
		for y := range g.m {
			for x := range g.n {
				d := math.Abs(float64(in[1][y*g.n+x])-float64(in[2][y*g.n+x])) / (a[y] * b[x])
				if !(d <= gemmTolerance) {
					return res, fmt.Errorf("%w: %s: number (%d, %d) is %v, and OpenBLAS has %v", errOutput, g, y, x, in[1][y*g.n+x], in[2][y*g.n+x])
				}
				worst = max(worst, d)
			}
		}
		in[1], in[2] = in[1][g.m*g.n:], in[2][g.m*g.n:]
	}
	res.Answer, err = json.Marshal(worst)
	return res, err
}

// lengths are those of n vectors of k numbers: rows, or columns with across.
func lengths(x []float32, n, k int, across bool) []float64 {
	sums := make([]float64, n)
	for i, v := range x[:n*k] {
		if across {
			i %= n
		} else {
			i /= k
		}
		sums[i] += float64(v) * float64(v)
	}
	for i := range sums {
		sums[i] = math.Sqrt(sums[i])
	}
	return sums
}
