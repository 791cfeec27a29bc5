// Package stage is the contract of every processing step; package pipeline is the engine that runs it.
//
// Three kinds of stage exist. A [Mapper] decides about each record from that record and the configuration
// alone, so any goroutine on any machine may run it, twice if need be. A [Reducer] needs to know all records
// before it can decide about one (duplicates) or has something to say only then (statistics). A [Serial] has
// seen the records before, in their order, and decides by them.
//
// The laws, each a case of stagetest:
//
//  1. The domain core below a stage is a plain function: no batch, goroutine, clock, environment, file or
//     global. The stage is a thin adapter.
//  2. A stage value is immutable after construction and safe to share; scratch lives in its workers.
//  3. A stage sets outcomes and stages edits. It never removes, adds or reorders records, and leaves alone
//     what an earlier stage has decided.
//  4. A bad record is a Quarantine of that record. An error means that the run cannot go on.
//  5. The same input and configuration give the same bytes for every worker count and batch size.
//  6. All rules on a document are one stage, so that words and lines are cut once a document.
//  7. The context is checked at least once a batch; after an error or a cancel nothing keeps running.
package stage

import (
	"context"

	"curate/record"
)

// Spec is the one place for what a stage is called and how it is set. The identity of a run's step is made
// from Name, Version and Config; help and docs come from the domain package's own tables.
type Spec struct {
	Name    string // the command and the recipe key: "filter"
	Version int    // raised when the same configuration gives other results
	// Config is the resolved configuration: every value in force, defaults filled in. It marshals to JSON.
	Config any
	// Needs are the fields a record must have for the stage to work on it.
	Needs []record.Path
	// Accepts takes the place of Needs for a stage that knows records by one of several shapes: nil for a record that
	// it can work on, else what that lacks. A run of whose first records none is accepted is refused. It may be nil.
	Accepts func(r *record.Record) error
	// Uses are the other fields it looks at, of the records that have them.
	Uses []record.Path
	// Result is what the file is called that a Reducer has to say, in an output directory: "stats.jsonl". Such a
	// Reducer is the last stage, and records end with it. "" for a stage that records go through. A name that ends
	// in "/" says that it makes a set of files, under ResultDir, and the output can only be a directory.
	Result string
	// Findings are the names of the files that a Reducer makes below FindingsDir. Those of a run's stages differ.
	Findings []string
	// Marks says of a Reducer that the Mapper of its Finish decides nothing: it sets no outcome and stages no edit, but
	// only keys, for the Reducer that stands right behind. Nothing is copied between the two.
	Marks bool
	// Held is how many bytes a Reducer's Partial holds of a record of a few bytes, about; 0 where that is little beside
	// the record.
	Held int
	// Lines says that what it finds names the lines of its inputs (record.Record.LineNo). Who reads a file from its middle
	// on does not know them, so processes share the files of such a job, and not their splits.
	Lines bool
	// InFlight is how many batches a Mapper wants in hand at a time because it waits for others, such as a server, and
	// not for the processor: it is io-bound. 0 for one that computes.
	//
	// An io-bound Mapper runs in a phase of its own, with a Worker for each of these batches, which have at most 16
	// records. The context of its Map is cancelled when the run is asked to stop, or when another of its batches has
	// ended in an error. Map then gives up what it waits for and returns the context's cause: that batch is done again
	// when the run goes on.
	InFlight int
	// Growing says of a Reducer how new files could be taken in without the others, where there is a way: it is told where one is
	// the reason that all are read.
	Growing string
}

// Mapper is a stage whose result for a record depends on that record and the configuration alone.
type Mapper interface {
	Spec() Spec
	// NewWorker makes the mutable half of the stage for one goroutine. The engine calls it from any goroutine, a few
	// times a run, or InFlight times.
	NewWorker() Worker
}

// Worker maps batches, one at a time, from one goroutine.
type Worker interface {
	// Map looks at the records of b whose outcome is Keep. The batch and its bytes belong to the engine
	// again when Map returns. An error ends the run.
	Map(ctx context.Context, b *record.Batch) error
}
