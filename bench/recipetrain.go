package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// recipeMinutes is what examples/basque/recipe.train.yaml may take on two cores.
const recipeMinutes = 15

// runRecipeTrain runs examples/basque/recipe.train.yaml as it stands and checks that each step has done to the model what it is
// there for: Basque is learnt from Basque, and English is kept.
func runRecipeTrain(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	dir, err := root()
	if err != nil {
		return err
	}
	run := filepath.Join(s.dir, "recipe-train")
	u, err := s.measure(command{argv: []string{bin, "run", "-q", "--set", "run=" + run, "examples/basque/recipe.train.yaml"}, dir: dir})
	if err != nil {
		return err
	}
	table, err := os.ReadFile(filepath.Join(run, "measured", "eval.txt"))
	if err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(run, "measured", "eval.json"))
	if err != nil {
		return err
	}
	var ev evaluation
	if err := json.Unmarshal(b, &ev); err != nil {
		return err
	}
	values := map[string]float64{}
	for _, m := range ev.Models {
		for _, r := range m.Results {
			for _, x := range r.Metrics {
				if x.Value != nil {
					values[m.Name+" "+r.Kind+" "+r.Name+" "+x.Metric] = *x.Value
				}
			}
		}
	}
	fmt.Printf("\nrecipe-train: %.1f minutes, %.0f CPU seconds, others %.0f\n\n%s", u.Wall/60, u.CPU, u.Foreign, table)
	check := &verdict{Numbers: map[string]any{"wall_s": u.Wall, "cpu_s": u.CPU, "other_s": u.Foreign, "peak_rss": u.RSS, "values": values}}
	fail := func(ok bool, format string, args ...any) {
		if !ok {
			check.Failures = append(check.Failures, fmt.Sprintf(format, args...))
		}
	}
	fail(u.Foreign > 60 || u.Wall < 60*recipeMinutes, "the recipe took %.1f minutes, and may take %d", u.Wall/60, recipeMinutes)
	before, after := values["base pairs eu acc"], values["basque pairs eu acc"]
	fail(before < .6 && after > .8, "pairs in Basque: %.3f before, and %.3f after", before, after)
	before, after = values["base bits eu bits_per_byte"], values["basque bits eu bits_per_byte"]
	fail(after < before-.5, "bits a byte of Basque: %.3f before, and %.3f after", before, after)
	fail(values["basque pairs en acc"] > .8, "pairs in English: %.3f after", values["basque pairs en acc"])
	return s.say("recipe-train", check)
}
