package eval

import (
	"maps"
	"slices"

	"curate/train/eval/ifeval"
)

// Instructions counts how many verifiable instructions a model's answers follow: the four accuracies of IFEval (Zhou et al.
// 2023, arXiv 2311.07911, section 3), under the names that lm-eval gives them. A prompt is followed if all its instructions
// are. The standard error of the instructions' accuracies is that of a ratio, prompts being what is drawn at random.
type Instructions struct {
	Tokens  int64 // that the model has written
	prompts [2]share
	counts  [2]ratio // instructions that are followed, of those of a prompt
	byID    map[string]*InstructionCount
}

// InstructionCount says how often an instruction was asked for, and followed.
type InstructionCount struct {
	ID     string `json:"instruction"`
	Rows   int64  `json:"rows"`
	Strict int64  `json:"strict"`
	Loose  int64  `json:"loose"`
}

// Add counts an answer's verdicts.
func (t *Instructions) Add(p *ifeval.Prompt, strict, loose []bool) {
	if t.byID == nil {
		t.byID = map[string]*InstructionCount{}
	}
	for k, verdicts := range [2][]bool{strict, loose} {
		n := 0
		for _, v := range verdicts {
			if v {
				n++
			}
		}
		t.prompts[k].add(n == len(verdicts))
		t.counts[k].add(float64(n), float64(len(verdicts)))
	}
	for i, in := range p.Instructions {
		c := t.byID[in.ID]
		if c == nil {
			c = &InstructionCount{ID: in.ID}
			t.byID[in.ID] = c
		}
		c.Rows++
		if strict[i] {
			c.Strict++
		}
		if loose[i] {
			c.Loose++
		}
	}
}

// Result is what was counted.
func (t *Instructions) Result() *Result {
	r := &Result{Kind: KindInstructions, Rows: t.prompts[0].n, Tokens: t.Tokens}
	for k, way := range [2]string{"strict", "loose"} {
		prompt, inst := Metric{Name: "prompt_level_" + way + "_acc"}, metric("inst_level_"+way+"_acc", t.counts[k].value(), t.counts[k].stderr())
		if t.prompts[k].n > 0 {
			prompt = metric(prompt.Name, t.prompts[k].value(), t.prompts[k].stderr())
		}
		r.Metrics = append(r.Metrics, prompt, inst)
	}
	for _, id := range slices.Sorted(maps.Keys(t.byID)) {
		r.Instructions = append(r.Instructions, *t.byID[id])
	}
	return r
}
