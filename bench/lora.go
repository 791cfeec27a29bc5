package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// loraRanks are those of the adapters that are measured; 0 trains all weights.
var loraRanks = []int{0, 8, 16, 64}

// runLoRA makes steps of a model with all its weights and with adapters of all linear layers, by turns, on one core.
func runLoRA(s *session) error {
	for _, name := range strings.Split(s.options.trainShapes, ",") {
		shape, err := trainShapeOf(name)
		if err != nil {
			return err
		}
		if err := s.loraOn(shape); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (s *session) loraOn(shape *trainShape) error {
	dir := filepath.Join(s.dir, "lora-"+shape.name)
	made, _, err := s.child(task{Name: "trainmodel", Arg: shape.name, N: s.options.trainSteps, Threshold: trainStd, Out: dir}, false)
	if err != nil {
		return err
	}
	rows := make([]*trainRow, len(loraRanks))
	first := make([]trainAnswer, len(loraRanks))
	for round := 1; round <= s.options.runs; round++ {
		for i, rank := range loraRanks {
			if rows[i] == nil {
				rows[i] = shape.newRow(fmt.Sprintf("adapters of rank %d", rank))
				if rank == 0 {
					rows[i].name = "all weights"
				}
			}
			var a trainAnswer
			res, u, err := s.child(task{Name: "train", Arg: shape.name, Files: []string{dir}, Precision: "f32", Workers: 1, N: s.options.trainSteps, Rank: rank}, true)
			if err == nil {
				err = json.Unmarshal(res.Answer, &a)
			}
			if err != nil {
				return err
			}
			if first[i].Losses == nil {
				first[i] = a
			}
			switch {
			case a.Losses[0] != first[0].Losses[0]:
				return fmt.Errorf("%w: the first loss is %v with adapters that are 0, and %v without", errOutput, a.Losses[0], first[0].Losses[0])
			case !slices.Equal(a.Losses, first[i].Losses) || !slices.Equal(a.Norms, first[i].Norms):
				return fmt.Errorf("%w: rank %d, round %d: losses are %v, and were %v", errOutput, rank, round, a.Losses, first[i].Losses)
			case len(a.Losses) >= 8 && !(a.Losses[len(a.Losses)-1] < a.Losses[0]):
				return fmt.Errorf("%w: rank %d: losses go from %v to %v", errOutput, rank, a.Losses[0], a.Losses[len(a.Losses)-1])
			}
			s.addSteps("lora", rows[i], round, &a, u)
		}
	}
	trainTable(fmt.Sprintf("lora: %s, %d parameters, steps of %d x %d tokens, kernels %s, one core", shape.name, made.Docs, shape.rows, shape.length, made.Digest), rows)
	return os.RemoveAll(dir)
}
