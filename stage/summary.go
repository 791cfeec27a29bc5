package stage

import "io"

// Summarizer is a stage, a Mapper or a Reducer, that has a file to itself for what was counted of it: in the folder _curate of an output directory,
// once all records are through, and before the run counts as finished. Its bytes depend on the counts and the stage alone, so
// that they are the same for any number of workers, and it can be written again at any time.
type Summarizer interface {
	Stage
	// SummaryFile is the file's name. Those of a run's stages differ.
	SummaryFile() string
	// WriteSummary writes it.
	WriteSummary(w io.Writer, c Counted) error
}

// Counted is what was counted of a stage.
type Counted struct {
	Read, Kept, Quarantined int64            // records
	Dropped, Annotated      map[string]int64 // by "RULE:REASON"
	Tallies                 map[string]int64
}
