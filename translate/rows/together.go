package rows

import (
	"fmt"
	"strings"
)

// squeeze makes white space count as nothing: texts that differ in it alone say the same.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// fell says whether two texts have become one: alike where their sources are not.
func fell(sourceA, sourceB, targetA, targetB string) bool {
	if targetA == targetB {
		return sourceA != sourceB
	}
	return squeeze(targetA) == squeeze(targetB) && squeeze(sourceA) != squeeze(sourceB)
}

// Verify says what the targets, one a node, have done to how the texts belong together: "" if nothing. A chosen text that
// equals the rejected one where their sources differ ("pair"), a textual answer that is not the choice that its source is
// ("answer"), two choices that have become one ("choices"), unless both are known to be wrong, an alpaca row's output that equals its input where their
// sources differ ("copy").
func (row *Row) Verify(targets []string) (check, detail string) {
	if d := row.verifyPair(targets); d != "" {
		return "pair", d
	}
	switch row.Schema {
	case "choice":
		return row.verifyChoice(targets)
	case "alpaca":
		input, output := -1, -1
		for i := range row.Nodes {
			switch row.Nodes[i].Role {
			case "input":
				input = i
			case "answer":
				output = i
			}
		}
		if input >= 0 && output >= 0 && fell(row.Nodes[input].Text, row.Nodes[output].Text, targets[input], targets[output]) {
			return "copy", "/output has become the same as /input"
		}
	}
	return "", ""
}

// verifyPair compares the n-th answer of one side with the n-th of the other. The nodes of a pair are those of the chosen side
// and then those of the rejected one.
func (row *Row) verifyPair(targets []string) string {
	var chosen, rejected []int
	compare := func() string {
		for k := range min(len(chosen), len(rejected)) {
			i, j := chosen[k], rejected[k]
			if a, b := &row.Nodes[i], &row.Nodes[j]; fell(a.Text, b.Text, targets[i], targets[j]) {
				return fmt.Sprintf("%s and %s have become the same", a.Path, b.Path)
			}
		}
		chosen, rejected = chosen[:0], rejected[:0]
		return ""
	}
	for i := range row.Nodes {
		n := &row.Nodes[i]
		if n.Role != "answer" && n.Role != "assistant" {
			continue
		}
		switch n.Side {
		case Chosen:
			if len(rejected) > 0 { // the next pair
				if d := compare(); d != "" {
					return d
				}
			}
			chosen = append(chosen, i)
		case Rejected:
			rejected = append(rejected, i)
		}
	}
	return compare()
}

func (row *Row) verifyChoice(targets []string) (check, detail string) {
	sources := map[string]int{} // by what a choice says, the first that says it
	became := map[string]int{}  // and by what it has become
	number := map[int]int{}     // of a choice, by its node
	right := map[int]bool{}
	for _, n := range row.right {
		right[n] = true
	}
	numbers, k := map[string][]int{}, 0 // of choices, by what they say
	for i := range row.Nodes {
		switch n := &row.Nodes[i]; n.Role {
		case "choice":
			numbers[squeeze(n.Text)] = append(numbers[squeeze(n.Text)], k)
			k++
		case "answer":
			for _, k := range numbers[squeeze(n.Text)] {
				right[k] = true
			}
			delete(numbers, squeeze(n.Text)) // they are noted
		}
	}
	// Of two wrong ones that have become the same, the question remains a question.
	mayBeRight := func(a, b int) bool {
		return len(right) == 0 || right[a] || right[b]
	}
	for i := range row.Nodes {
		n := &row.Nodes[i]
		s, t := squeeze(n.Text), squeeze(targets[i])
		switch n.Role {
		case "choice":
			number[i] = len(number)
			if j, ok := became[t]; !ok {
				became[t] = i
			} else if squeeze(row.Nodes[j].Text) != s && mayBeRight(number[i], number[j]) {
				return "choices", fmt.Sprintf("%s and %s have become the same", row.Nodes[j].Path, n.Path)
			}
			if _, ok := sources[s]; !ok {
				sources[s] = i
			}
		case "answer":
			if j, ok := sources[s]; !ok || squeeze(targets[j]) != t {
				return "answer", n.Path + " has become another text than its choice"
			}
		}
	}
	return "", ""
}

// Instruction is what the row asks for, for the recognition of tasks: the last user text, prompt, instruction or question
// that both halves of a preference row share; an input if there is none of these.
func (row *Row) Instruction() string {
	best, rank := "", 0
	for i := range row.Nodes {
		n := &row.Nodes[i]
		r := 0
		switch n.Role {
		case "user", "prompt", "instruction", "question":
			r = 3
			if n.Side != Shared {
				r = 1
			}
		case "input":
			r = 2
		}
		if r > 0 && r >= rank {
			best, rank = n.Text, r
		}
	}
	return best
}
