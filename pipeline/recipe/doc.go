// Package recipe runs a whole pipeline from one YAML file: steps that read files or earlier steps, each a job of
// package pipeline with a folder of its own in the run directory. It knows no stage: what a step may name is given to
// it as a list of [Kind].
//
// node.go reads strict YAML and keeps every value's place; kind.go says what keys a stage has and checks values
// against them; recipe.go makes a [Recipe] of it; plan.go and run.go look at the run directory and do what is missing;
// schema.go is the same list of keys as a JSON schema for editors.
package recipe
