package stage

import (
	"context"

	"curate/record"
)

// Serial is a stage whose result for a record depends on the records before it, in the order of the inputs: it has seen
// them, and remembers. It needs one pass, and nothing is spooled, so it is for pipes: what it remembers is in memory and
// gone with the process, so no directory that a killed run goes on with is written. Where that matters there is a Reducer
// that does as much. A job has one Serial at most.
//
//  11. What becomes of the records depends on their sequence alone, not on the batches it was cut into.
type Serial interface {
	Spec() Spec

	// Key is the Map side, for any goroutine, and does the work: it gives each record that it keeps its key
	// (record.SetKey). It may set outcomes, but stages no edits.
	Key() Mapper

	// NewDecider makes what remembers, for one pass over the inputs.
	NewDecider() Decider
}

// Decider is the other half of a [Serial]. It is used by one goroutine at a time.
type Decider interface {
	// Decide looks at the records of b whose outcome is Keep, and sets outcomes and stages edits. It gets every batch once,
	// in the order of the inputs, behind Key. Nothing of b is valid afterwards. An error ends the run.
	Decide(ctx context.Context, b *record.Batch) error

	// End is called once, when all batches of a pass that was not cut short have been decided about. An error ends the run.
	End() error
}
