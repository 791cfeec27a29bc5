// Package trainerconfig writes run configurations with which other people's trainers read our shards: each trainer is a
// file with a template, and a line of the table. docs/trainers.md says what each makes of them.
//
// What the shards determine is written: paths, length, rows a step, steps, seed, vocabulary. What a trainer cannot start
// without and the shards do not know, such as the size of the model, stands under "choose".
package trainerconfig

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"curate/shards"
)

// Input is what a configuration is made of.
type Input struct {
	// Root is the absolute path of the directory that holds ScheduleFile and the sets.
	Root       string
	Schedule   *shards.Schedule
	Manifests  []*shards.Manifest // by stage of the schedule
	Preference *shards.Manifest   // nil without
	// Tokenizer is the path of its folder, for trainers that need it; "" if it is not known.
	Tokenizer string
	// Training is how the model is trained, nil if only the shards are known.
	Training *Training
	// Planned says that the shards are not built yet: their manifests have a format and a length, and no shards.
	Planned bool
}

// model is the folder that the first run begins with.
func (in *Input) model() string {
	if in.Training != nil && in.Training.Model != "" {
		return in.Training.Model
	}
	return choose
}

// missing says whether a model is the first one, and not there yet.
func (in *Input) missing(model string) bool {
	return in.Training != nil && in.Training.Missing && model == in.Training.Model
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
	// Formats are the shard formats that it reads, the one to convert to first.
	Formats []string
	// Write makes the files, in the order of training. It believes that in is sound and of one of Formats: Export asks.
	Write func(in *Input) ([]File, error)
}

// Trainers are the table, sorted by name.
func Trainers() []Trainer {
	return []Trainer{
		axolotl,
		llamaFactory,
		megatron,
		nanotron,
		trl,
	}
}

// Names of the trainers.
func Names() []string {
	var names []string
	for _, t := range Trainers() {
		names = append(names, t.Name)
	}
	return names
}

// Named finds a trainer.
func Named(name string) (Trainer, error) {
	all := Trainers()
	i := sort.Search(len(all), func(i int) bool { return all[i].Name >= name })
	if i < len(all) && all[i].Name == name {
		return all[i], nil
	}
	return Trainer{}, fmt.Errorf("shards: no trainer is called %q; there are: %s", name, strings.Join(Names(), ", "))
}

// Export writes the files of t, or says why its reader would not take these shards.
func (t Trainer) Export(in *Input) ([]File, error) {
	if len(in.Manifests) != len(in.Schedule.Stages) {
		return nil, fmt.Errorf("shards: %s has %d stages, and %d sets were given", shards.ScheduleFile, len(in.Schedule.Stages), len(in.Manifests))
	}
	for i, m := range in.Manifests {
		stage := &in.Schedule.Stages[i]
		if m.Length != stage.Length || m.Length < 1 {
			return nil, fmt.Errorf("shards: %s has a length of %d, and its manifest one of %d", stage.Dir, stage.Length, m.Length)
		}
		if stage.RowsPerStep < 0 {
			return nil, fmt.Errorf("shards: %s has %d rows a step", stage.Dir, stage.RowsPerStep)
		}
		if !slices.Contains(t.Formats, m.Format) {
			return nil, fmt.Errorf("shards: %s is in format %s, which %s does not read; convert it: curate shards convert --to %s -o DIR SHARDS",
				stage.Dir, m.Format, t.Name, t.Formats[0])
		}
	}
	return t.Write(in)
}
