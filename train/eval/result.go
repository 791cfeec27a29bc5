package eval

import "math"

// Kinds of results.
const (
	KindBits      = "bits"
	KindShards    = "shards"
	KindPositions = "positions"
	// KindShardPositions gives a result of KindPositions.
	KindShardPositions = "shard-positions"
	KindChoice         = "choice"
	KindPairs          = "pairs"
	KindPreference     = "preference"
	KindInstructions   = "instructions"
	KindJudge          = "judge"
)

// Result is what was measured of a model on one input. docs/formats/eval.md explains it.
type Result struct {
	Kind        string `json:"kind"`
	Name        string `json:"name"`  // what the user calls the input
	Input       string `json:"input"` // where it is
	Rows        int64  `json:"rows"`  // records, or sequences of shards, that count
	Quarantined int64  `json:"quarantined"`
	Tokens      int64  `json:"tokens"` // that were predicted, or those of choices and pairs
	// Context is how many tokens the model was given at most.
	Context int `json:"context"`
	// SlopeScale is what the slopes of ALiBi were multiplied by; 0 for models without.
	SlopeScale float64 `json:"alibi_slope_scale,omitzero"`

	Stride int     `json:"stride,omitzero"`    // bits, shards: tokens that a window after the first predicts
	Bounds bool    `json:"bounds,omitzero"`    // positions: a document sees only itself
	Shots  int     `json:"shots,omitzero"`     // choice
	Seed   *uint64 `json:"seed,omitzero"`      // choice with shots, instructions with a temperature; judge: of the bootstrap
	Cut    int64   `json:"cut,omitzero"`       // choice: contexts that lost tokens on the left; preference: prompts
	Ties   int64   `json:"ties,omitzero"`      // pairs, preference: rows whose two texts are equally likely, or rewarded alike; they count as wrong
	Beta   float64 `json:"beta,omitzero"`      // preference with a reference: of the rewards
	Left   int64   `json:"left_over,omitzero"` // positions: tokens at the end that fill no row

	// Of answers to instructions: how they were written.
	MaxTokens   int     `json:"max_tokens,omitzero"`
	Temperature float64 `json:"temperature,omitzero"`
	// Of judged answers: both verdicts prefer the model's, or the baseline's, or neither; and how often they differ.
	Baseline     string `json:"baseline,omitzero"`
	Judge        string `json:"judge,omitzero"`
	Wins         int64  `json:"wins,omitzero"`
	Losses       int64  `json:"losses,omitzero"`
	Even         int64  `json:"even,omitzero"`
	Inconsistent int64  `json:"inconsistent,omitzero"`

	Metrics []Metric `json:"metrics"`
	Groups  []Group  `json:"groups,omitzero"`    // bits, shards: all, then each group by its name
	Buckets []Bucket `json:"positions,omitzero"` // positions
	// Instructions are counted one by one, by name.
	Instructions []InstructionCount `json:"instructions,omitzero"`
}

// Metric is a number and what it is worth.
type Metric struct {
	Name   string   `json:"metric"`
	Value  *float64 `json:"value"`  // null: there is nothing to divide by, or it is beyond any number
	Stderr *float64 `json:"stderr"` // null: of fewer than two rows, or not known
	// Interval holds the value with 95 %; nil: there is none beside the standard error.
	Interval *[2]float64 `json:"ci95,omitzero"`
	// Chance is what guessing gives; null where there is no such thing.
	Chance *float64 `json:"chance"`
	// AtChance says that the value lies within two standard errors of chance.
	AtChance bool `json:"at_chance"`
}

// Group are the bits of texts that have something in common.
type Group struct {
	Group           *string  `json:"group"` // null: all of them
	Documents       int64    `json:"documents"`
	Tokens          int64    `json:"tokens"`
	Bytes           int64    `json:"bytes"`
	Words           int64    `json:"words,omitzero"`
	Bits            float64  `json:"bits"`
	BitsPerByte     *float64 `json:"bits_per_byte"`
	Stderr          *float64 `json:"stderr"`
	BytePerplexity  *float64 `json:"byte_perplexity"`
	WordPerplexity  *float64 `json:"word_perplexity,omitzero"`
	TokenPerplexity *float64 `json:"token_perplexity"`
}

// Bucket are the predictions from so many tokens.
type Bucket struct {
	From        int      `json:"from"` // tokens that a prediction sees, at least
	To          int      `json:"to"`   // at most
	Tokens      int64    `json:"tokens"`
	Bytes       int64    `json:"bytes"`
	Loss        *float64 `json:"loss"` // mean of -ln p
	Stderr      *float64 `json:"stderr"`
	BitsPerByte *float64 `json:"bits_per_byte"`
}

// metric is a mean without anything to compare it with.
func metric(name string, value, stderr float64) Metric {
	return Metric{Name: name, Value: finite(value), Stderr: finite(stderr)}
}

// accuracy is a share of rows. Where no standard error is known nothing sets it off from chance.
func accuracy(name string, s *share, chance float64) Metric {
	if s.n == 0 {
		return Metric{Name: name}
	}
	a := metric(name, s.value(), s.stderr())
	a.Chance = &chance
	a.AtChance = a.Stderr == nil || math.Abs(s.value()-chance) <= 2**a.Stderr
	return a
}
