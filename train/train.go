// Package train trains the models of package model on shards: data, steps, optimiser, schedule, checkpoints.
//
// The output of a run is a folder: train.json (everything that decides the result), metrics.jsonl (a line a step: the same
// bytes however often the run was killed), timing.json (tokens a second and share of the processor's peak: not the same
// bytes), checkpoints/step-NNNNNNNN/ (each a folder as Hugging Face has it, with the optimiser's state beside it), and done.
package train
