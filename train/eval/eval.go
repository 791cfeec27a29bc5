// Package eval measures models: bits a byte of texts and of shards, the loss by how much of a row a model has seen, choices
// among answers, minimal pairs, and whether they do what they are told: preference pairs, instructions that can be verified,
// answers that a judge compares. The formulas are those of EleutherAI's lm-evaluation-harness, version 0.4.13; where they
// differ, docs/eval.md says so.
//
// A Subject is a model that is measured. A Task takes records and gives a Result (result.go). bits.go, positions.go,
// choice.go, pairs.go and preference.go are tasks; shards.go measures shard sets, which are no records. encode.go says which tokens a model
// sees, queue.go runs them through it, many sequences at a time. instructions.go counts what ifeval/ says of answers, judge.go
// what a judge says; who writes and who asks is the caller's. table.go and summary.go put results side by side.
package eval

import (
	"context"
	"fmt"

	"curate/record"
	"curate/tokenize"
	"curate/train/model"
)

// Scorer gives the log-probabilities of targets, 0 where there is none; a token sees those of its row from its start on.
// *model.Model is one.
type Scorer interface {
	LogProbs(b *model.Batch, dst []float32) error
}

// DefaultBatch is how many tokens a model gets at once if nothing else is said.
const DefaultBatch = 4096

// Subject is a model that is measured.
type Subject struct {
	Scorer    Scorer
	Tokenizer *tokenize.Tokenizer
	// Prefix stands before a text that nothing else stands before, so that its first token can be predicted: BOS or EOD.
	Prefix uint32
	// EOD ends a document where several share a row.
	EOD uint32
	// Context is how many tokens the model is given at most; what is longer is cut from the left, or measured in windows.
	Context int
	// Batch is how many tokens the model gets at once, or a single sequence if that is longer; 0 is DefaultBatch.
	Batch int
	// Progress is told how many tokens the model has seen; nil: nobody is.
	Progress func(tokens int64)
}

// Task measures what is added to it.
type Task interface {
	// Add takes a record, which is valid during the call. A *RowError is about this record, which is then left out; any other
	// error ends the task.
	Add(ctx context.Context, r *record.Record) error
	// Finish gives the result. It is called once, at the end.
	Finish(ctx context.Context) (*Result, error)
}

// RowError is what is wrong with a record.
type RowError struct{ Err error }

func (e *RowError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *RowError) Unwrap() error { return e.Err }

func badRow(format string, args ...any) error { return &RowError{fmt.Errorf(format, args...)} }
