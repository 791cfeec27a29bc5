// Package trainerconfig writes run configurations with which other people's trainers read our shards: each trainer is a
// file with a template, and a line of the table.
package trainerconfig

import "curate/shards"

// Input is what a configuration is made of.
type Input struct {
	// Root is the absolute path of the directory that holds ScheduleFile and the sets.
	Root       string
	Schedule   *shards.Schedule
	Manifests  []*shards.Manifest // by stage of the schedule
	Preference *shards.Manifest   // nil without
	// Tokenizer is its path, for trainers that need it; "" if it is not known.
	Tokenizer string
}

// File of a configuration.
type File struct {
	Name string // such as "pretrain-1-length-2048.yaml"
	Text []byte
}

// Trainer is a framework.
type Trainer struct {
	Name string // "megatron"
	Doc  string // a line for help
	// Formats are the shard formats that it reads.
	Formats []string
	Write   func(in *Input) ([]File, error)
}

// Trainers are the table, sorted by name.
func Trainers() []Trainer { panic("unwritten") }
