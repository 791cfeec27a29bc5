// Package pipeline is the engine that runs stages; package stage is the contract it runs.
//
// A run reads its inputs in lanes, one file each: a reader cuts the file into chunks, workers map them, and
// a collector takes the results in read order, cuts them into frames and hands these to a writer that
// makes parts. Memory is bounded by windows in bytes. A finished split is journalled, so that a run that was
// killed goes on behind it; the bytes are the same for any number of workers and any kill.
//
// Read job.go first (what a run is), then engine.go and lane.go (how it flows), rundir.go and journal.go
// (what survives). It knows no domain package: stages come as values.
package pipeline
