// Package chat makes token ids and loss masks of chats and preference pairs, with the template of a model.
//
// A row becomes a conversation or a pair (rows.go), a template makes text of it as transformers'
// apply_chat_template does (templates.go, render.go), spans of that text are what a model is to learn (spans.go), and the
// text is encoded once, without added special tokens (encode.go, pair.go). What is too long is cut by a policy that keeps
// ids, mask and both sides of a pair aligned (truncate.go). stage.go is the stage around it.
//
// The reference is transformers 5.24.0 (tokenization_utils_base.py: apply_chat_template; utils/chat_template_utils.py:
// render_jinja_template) and TRL 1.16.0 (trainer/dpo_trainer.py, trainer/sft_trainer.py, data_utils.py).
package chat

import (
	"fmt"
	"slices"
	"strings"
)

// TrainOn says which tokens of a row a model is to learn.
type TrainOn string

const (
	// Default is Completion for rows with a prompt and a completion, and Assistant for other chats.
	Default TrainOn = ""
	// Assistant is what the assistant says, in each of its turns: TRL's assistant_only_loss.
	Assistant TrainOn = "assistant"
	// Completion is what follows the prompt of a row that has one: TRL's completion_only_loss.
	Completion TrainOn = "completion"
	// Last is the last turn of the assistant alone.
	Last TrainOn = "last"
	// All is everything.
	All TrainOn = "all"
)

var trainOns = []TrainOn{All, Assistant, Completion, Last}

// ParseTrainOn reads the value of --train-on.
func ParseTrainOn(s string) (TrainOn, error) { return parseName(s, trainOns) }

// Policy is what is done to rows that are too long.
type Policy string

const (
	// None leaves them as they are.
	None Policy = "none"
	// Drop drops them.
	Drop Policy = "drop"
	// End cuts their end.
	End Policy = "end"
	// Start cuts their beginning, of a pair that of the prompt.
	Start Policy = "start"
	// Turns leaves out the oldest turns of a chat, or of a pair's prompt, whole.
	Turns Policy = "turns"
)

var policies = []Policy{Drop, End, None, Start, Turns}

// ParsePolicy reads the value of --truncate.
func ParsePolicy(s string) (Policy, error) { return parseName(s, policies) }

func parseName[T ~string](s string, known []T) (T, error) {
	if slices.Contains(known, T(s)) {
		return T(s), nil
	}
	var names []string
	for _, k := range known {
		names = append(names, string(k))
	}
	return "", fmt.Errorf("unknown %q; one of %s", s, strings.Join(names, ", "))
}
