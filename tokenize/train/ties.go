package train

import "curate/stage"

// A rule for pairs that occur equally often is an order of ids: the pair with the lower id on the left goes first, then
// the one with the lower id on the right. Merged tokens have ids in the order in which they were found, above those of
// bytes; so rules differ in how bytes are numbered.
type tieRule struct {
	name  string
	bytes func() []byte // all 256, in the order of their ids
}

// tieRules are sorted by name.
var tieRules = []tieRule{
	// BpeTrainer of Hugging Face's tokenizers (tokenizers/src/models/bpe/trainer.rs@0082bc0, Merge::cmp, and
	// compute_alphabet, which sorts by the characters that spell bytes).
	{"huggingface", alphabetOrder},
	// rustbpe 0.1.0 (src/lib.rs, MergeJob::cmp) and bpeasy 0.1.6 (src/lib.rs, Merge::cmp): a byte's id is the byte, as
	// in tiktoken's ranks.
	{"rustbpe", func() []byte {
		order := make([]byte, 256)
		for b := range order {
			order[b] = byte(b)
		}
		return order
	}},
}

// DefaultTies is the rule of Hugging Face's tokenizers.
const DefaultTies = "huggingface"

// Ties are the names of the rules for pairs that occur equally often.
func Ties() []string {
	names := make([]string, len(tieRules))
	for i, r := range tieRules {
		names[i] = r.name
	}
	return names
}

func tiesNamed(name string) (*tieRule, error) {
	if name == "" {
		name = DefaultTies
	}
	for i := range tieRules {
		if tieRules[i].name == name {
			return &tieRules[i], nil
		}
	}
	return nil, stage.UnknownName("rule for ties", name, Ties())
}
