package stage

import (
	"context"
	"io"

	"curate/record"
)

// Stage is a [Mapper], a [Reducer] or a [Serial].
type Stage interface{ Spec() Spec }

// Reducer is a stage whose result depends on the set of all records, not on their order or grouping. It ends
// a phase: its Map side runs fused with the maps before it, what it learns of each split is sealed to a file,
// and when all splits are sealed, Finish looks at them together. Its laws, on top of those above:
//
//  8. Sealed bytes depend on the set of records of the split alone: any cutting into batches, any grouping of
//     Joins (in read order), and Merge of what was sealed in pieces give the same bytes.
//  9. Finish gives the same result, whatever sealed files the same records are spread over.
//  10. Memory is bounded: Size tells the engine when to seal what there is, Merge streams, and Finish keeps
//     within Workspace.Memory.
type Reducer interface {
	Spec() Spec

	// Key is the Map side. It gives each record that it keeps its key (record.SetKey), in an encoding that is
	// the Reducer's own. It may set outcomes, but stages no edits: where the input can be read again, the next
	// phase reads the records from there.
	Key() Mapper

	// NewPartial makes an empty accumulator. The engine calls it from any goroutine.
	NewPartial() Partial

	// Merge streams sealed accumulators, each as Partial.Seal or Merge wrote it, into one, and holds no more
	// than a buffer of each. The engine bounds how many there are.
	Merge(w io.Writer, sealed []io.Reader) error

	// Finish looks at everything that was sealed: at most a few hundred files, since the engine has merged
	// them if there were more. The Mapper it returns begins the next phase and applies what was decided; a
	// Reducer with Spec().Result returns nil and makes ResultFile in the workspace. Finish is called again
	// when a killed run goes on; what Workspace.Make has made by then is not made again.
	Finish(ctx context.Context, sealed []Sealed, w Workspace) (Mapper, error)
}

// Partial accumulates what a Reducer must know of some records. It is used by one goroutine at a time.
type Partial interface {
	// Add takes in the records of b whose outcome is Keep. Nothing of b is valid afterwards. An error ends the
	// run.
	Add(b *record.Batch) error
	// Join takes in next, made of the records that follow; next must not be used afterwards.
	Join(next Partial) error
	// Size is about how much memory it will need until it is sealed, in bytes: what it holds and, where that is
	// more, as much again for Seal.
	Size() int
	// Seal writes it: sorted, and the same bytes on every machine. The Partial is given up with it.
	Seal(w io.Writer) error
}

// Sealed is a file of what Partial.Seal or Merge wrote. The engine closes it.
type Sealed struct {
	Size int64 // bytes
	Data ReaderAt
}

// ReaderAt is an open file of a workspace. It may be read from several goroutines at once.
type ReaderAt interface {
	io.ReaderAt
	io.Closer
}

// ResultDir is where a Reducer whose Spec().Result ends in "/" makes its files: Workspace.Make(ctx, ResultDir+NAME, …)
// makes NAME in the output directory itself. It makes the file by which readers know that the set is whole last.
const ResultDir = "result/"

// FindingsDir is where a Reducer puts what it has found out beside its decision, such as evidence: Workspace.Make(ctx,
// FindingsDir+NAME, …) makes NAME in the folder _curate of the output directory, where it stays. Without a directory it
// goes with the run, unless a path was asked for. NAME stands in Spec().Findings, and what ends in ".zst" are lines, which
// the workspace compresses on their way: it is not opened again. All are there before Finish returns.
const FindingsDir = "findings/"

// ResultFile is the workspace's file that holds what a Reducer without a Mapper has found out.
const ResultFile = "result"

// Workspace is where Finish puts what does not fit into memory, and what must survive a kill.
type Workspace interface {
	// Make makes the file name by calling write, unless an earlier attempt at the same run has made it. The file
	// appears whole or not at all. It is durable at the latest when Finish has ended, and before anything is removed: a
	// run that goes on after a kill may make a little again. write must be deterministic, and may call Make itself.
	// Several files may be made at once.
	Make(ctx context.Context, name string, write func(w io.Writer) error) error
	// Open opens a file that was made, and says its size in bytes. A Mapper may keep it open.
	Open(ctx context.Context, name string) (ReaderAt, int64, error)
	// Remove deletes a file for which nothing will ask again. When a killed run goes on, Make knows that it was made;
	// but if any file that was not removed is lost by then, the workspace is begun anew, from the sealed files.
	Remove(ctx context.Context, name string) error
	// Tell says something to who runs this, now, as a warning or not: a line without an end. A run that goes on may say
	// it again.
	Tell(warning bool, line string)
	// Memory is how many bytes of heap Finish may hold at a time.
	Memory() int64
	// Workers is how many goroutines may work at a time.
	Workers() int
}
