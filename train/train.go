// Package train trains the models of package model on shards: rows, steps, optimiser, schedule, checkpoints.
//
// The output of a run is a folder: train.json (everything that decides the result), metrics.jsonl (a line a step: the same
// bytes however often the run was killed), timing.json (tokens a second and share of the processor's peak: not the same
// bytes), checkpoints/step-NNNNNNNN/ (each a folder as Hugging Face has it, with the optimiser's state beside it), and done.
// docs/formats/training-run.md describes them.
//
// Read config.go for what a run is told, then run.go, which is the loop. data.go, order.go and mix.go say which rows a step has, batch.go
// what becomes of them; dpo.go and reference.go are for pairs of preferences; schedule.go and optimizer.go are the formulas of a step; checkpoint.go, metrics.go and timing.go
// write what is left of it. search.go makes many runs. load.go and save.go read and write the folder of a model.
package train
