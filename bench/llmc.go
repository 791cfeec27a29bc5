package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// GPT-2's smallest, as llm.c's checkpoints have it: the vocabulary is padded to a multiple of 128.
const (
	gpt2Context    = 1024
	gpt2Vocabulary = 50257
	gpt2Padded     = 50304
	gpt2Layers     = 12
	gpt2Heads      = 12
	gpt2Width      = 768
)

// llmcShape is what of ours has about its size, with its batch.
const llmcShape = "134M-64"

// runLLMC makes steps of llm.c's train_gpt2.c and of curate by turns, each with its own model, and compares operations a second.
func runLLMC(s *session) error {
	if s.options.llmc == "" {
		fmt.Printf("\nSKIPPED llmc: -llmc does not name the folder of llm.c's sources; README.md says how to get them\n")
		return nil
	}
	if _, err := os.Stat(filepath.Join(s.options.llmc, "train_gpt2.c")); err != nil {
		return fmt.Errorf("-llmc: %w", err)
	}
	shape, err := trainShapeOf(llmcShape)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "llmc")
	if _, _, err := s.child(task{Name: "trainmodel", Arg: shape.name, N: s.options.trainSteps, Threshold: trainStd, Out: dir}, false); err != nil {
		return err
	}
	if _, _, err := s.child(task{Name: "llmcfiles", Out: dir, N: s.options.trainSteps * shape.rows * shape.length}, false); err != nil {
		return err
	}
	bin := filepath.Join(dir, "llmc_steps")
	if out, err := exec.Command("gcc", "-Ofast", "-march=native", "-fopenmp", "-DOMP", "-I", s.options.llmc, "-o", bin, filepath.Join("peers", "llmc_steps.c"), "-lm").CombinedOutput(); err != nil {
		return fmt.Errorf("gcc: %w\n%s", err, lastLines(string(out), 15))
	}
	// 6N, as trainShape.perToken counts.
	tokens := float64(shape.rows * shape.length)
	flops := 6 * tokens * (gpt2Layers*12*gpt2Width*gpt2Width + gpt2Padded*gpt2Width)
	var rows []*trainRow
	for _, threads := range []int{1, 2} {
		about := fmt.Sprintf(", %d thread%s", threads, []string{"", "s"}[threads-1])
		ours := shape.newRow("curate, llama 134M" + about)
		theirs := &trainRow{row: &row{name: "llm.c, GPT-2 124M" + about}, tokens: tokens, flops: flops}
		for round := 1; round <= s.options.runs; round++ {
			u, a, err := s.trainOurs(shape, dir, "f32", threads)
			if err != nil {
				return err
			}
			v, err := s.measure(command{argv: []string{bin, filepath.Join(dir, "gpt2.bin"), filepath.Join(dir, "tokens.bin"), strconv.Itoa(shape.rows), strconv.Itoa(shape.length),
				strconv.Itoa(s.options.trainSteps)}, env: threadsEnv(threads), one: threads == 1})
			if err != nil {
				return err
			}
			var p trainAnswer
			if err := json.Unmarshal([]byte(lastLines(string(v.Out), 1)), &p); err != nil {
				return fmt.Errorf("llmc_steps: %w", err)
			}
			if err := errors.Join(sane(&a, shape.vocabulary), sane(&p, gpt2Vocabulary)); err != nil {
				return err
			}
			s.addSteps("llmc", ours, round, &a, u)
			s.addSteps("llmc", theirs, round, &p, v)
		}
		rows = append(rows, ours, theirs)
	}
	trainTable(fmt.Sprintf("llmc: steps of %d x %d tokens, f32", shape.rows, shape.length), rows)
	return os.RemoveAll(dir)
}

// llmcFilesTask writes a random model and t.N tokens, and one more, for llm.c into t.Out: what gpt2_build_from_checkpoint of
// train_gpt2.c and llmc/dataloader.h read.
func llmcFilesTask(t task) (res result, err error) {
	random := rand.New(rand.NewPCG(10, 10))
	err = written(filepath.Join(t.Out, "gpt2.bin"), []int32{20240326, 3, gpt2Context, gpt2Vocabulary, gpt2Layers, gpt2Heads, gpt2Width, gpt2Padded}, func(w io.Writer) error {
		return gpt2Weights(w, random)
	})
	if err != nil {
		return res, err
	}
	n := t.N + 1
	err = written(filepath.Join(t.Out, "tokens.bin"), []int32{20240520, 1, int32(n)}, func(w io.Writer) error {
		for range n {
			u := random.Float64()
			if err := binary.Write(w, binary.LittleEndian, uint16(u*u*u*gpt2Vocabulary)); err != nil {
				return err
			}
		}
		return nil
	})
	return res, err
}

// written writes a header of 256 numbers, of which the first are given, and what follows.
func written(name string, header []int32, follow func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var all [256]int32
	copy(all[:], header)
	err = binary.Write(w, binary.LittleEndian, all[:])
	if err == nil {
		err = follow(w)
	}
	return errors.Join(err, w.Flush(), f.Close())
}

// gpt2Weights writes the tensors in llm.c's order: all layers of one, then the next. First values are GPT-2's.
func gpt2Weights(w io.Writer, random *rand.Rand) error {
	const c, l = gpt2Width, gpt2Layers
	residual := 0.02 / math.Sqrt(2*l)
	for _, t := range []struct {
		len       int
		mean, std float64
	}{
		{gpt2Padded * c, 0, 0.02}, {gpt2Context * c, 0, 0.02},
		{l * c, 1, 0}, {l * c, 0, 0}, {l * 3 * c * c, 0, 0.02}, {l * 3 * c, 0, 0}, {l * c * c, 0, residual}, {l * c, 0, 0}, // attention
		{l * c, 1, 0}, {l * c, 0, 0}, {l * 4 * c * c, 0, 0.02}, {l * 4 * c, 0, 0}, {l * 4 * c * c, 0, residual}, {l * c, 0, 0}, // the layers behind it
		{c, 1, 0}, {c, 0, 0},
	} {
		var b [4]byte
		for range t.len {
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(float32(t.mean+t.std*random.NormFloat64())))
			if _, err := w.Write(b[:]); err != nil {
				return err
			}
		}
	}
	return nil
}
