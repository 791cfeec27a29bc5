// Package report says what a run has done: one HTML file that needs no network and no script, the same numbers as
// JSON, and a table for a terminal. It reads the files of a run directory and nothing else, so it can be made on any
// machine that has them, and again at any time with the same bytes.
//
// A run has steps, each an output directory (docs/formats/output-directory.md); a step has stages. What is told of a
// step is cut into sections. Read the table in sections.go first: a section is a file with its data, how they are
// gathered, and its piece of the page.
package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/corpus/store"
	"curate/pipeline"
	"curate/record"
)

// Version of the JSON, raised when a member changes its meaning.
const Version = 1

// RunFile names the steps of a run directory, in order. A directory without it is a single step.
const RunFile = corpus.Dir + "/run.json"

// Run is what is told of a run directory.
type Run struct {
	Version int     `json:"version"`
	Program string  `json:"program"`         // that began the run
	Recipe  string  `json:"recipe,omitzero"` // its name
	Steps   []*Step `json:"steps"`
}

// Step is an output directory and what the sections tell of it.
type Step struct {
	Name     string   `json:"name,omitzero"` // empty where the directory is no part of a run
	Dir      string   `json:"dir"`           // below the run directory
	From     []string `json:"from,omitzero"` // earlier steps it reads
	Read     []string `json:"read,omitzero"` // files it reads
	Finished bool     `json:"finished"`      // nothing else is known of a step that is not

	Program string `json:"program,omitzero"`

	// Additions are the directories that the step has grown by, each told of by itself. The funnel is then the sum of all, and the other
	// sections are of the first directory.
	Additions []*Step `json:"additions,omitzero"`

	Funnel        *Funnel            `json:"funnel,omitzero"`
	Results       *Results           `json:"results,omitzero"`
	Signals       []Signal           `json:"signals,omitzero"`
	Overlaps      []*Overlap         `json:"overlaps,omitzero"`
	Nearest       []Nearest          `json:"nearest,omitzero"`
	Audit         *Audit             `json:"audit,omitzero"`
	Translation   *Translation       `json:"translation,omitzero"`
	Scores        *TranslationScores `json:"translation_scores,omitzero"`
	Tokenizers    *Tokenizers        `json:"tokenizers,omitzero"`
	Shards        *Shards            `json:"shards,omitzero"`
	Training      *Training          `json:"training,omitzero"`
	Evaluation    *Evaluation        `json:"evaluation,omitzero"`
	Examples      []Examples         `json:"examples,omitzero"`
	Dedups        []*Dedup           `json:"dedup,omitzero"`
	Duplicates    *Duplicates        `json:"duplicates,omitzero"`
	Contamination *Contamination     `json:"contamination,omitzero"`
	Quarantine    *Quarantine        `json:"quarantine,omitzero"`
	Configuration *Configuration     `json:"configuration,omitzero"`

	settings  settings
	text      record.Path // where the records have their text
	reference string      // file to set beside what was translated
	measure   Measure     // may be nil
	keptCut   bool        // not all of what was kept was measured
	accounts  pipeline.Counts
}

// Title is the name of a step, or what it does.
func (s *Step) Title() string {
	if s.Name != "" {
		return s.Name
	}
	if s.Configuration == nil || len(s.Configuration.Stages) == 0 {
		return "output"
	}
	var names []string
	for _, c := range s.Configuration.Stages {
		names = append(names, c.Name)
	}
	return strings.Join(names, " → ")
}

// Finished says whether all steps are.
func (r *Run) Finished() bool {
	for _, s := range r.Steps {
		if !s.Finished {
			return false
		}
	}
	return true
}

// RunInfo is what RunFile says.
type RunInfo struct {
	Program string
	Recipe  string // "" where it has none
	Steps   []RunStep
}

// RunStep is a step in RunFile.
type RunStep struct {
	Name     string   `json:"name"`
	Dir      string   `json:"dir"` // below the run directory
	From     []string `json:"from"`
	Read     []string `json:"read"`
	Stages   []string `json:"stages"`
	Identity string   `json:"identity"` // "" until it is done
}

// ReadSteps reads RunFile. Its absence is fs.ErrNotExist.
func ReadSteps(ctx context.Context, st store.Store, dir string) (*RunInfo, error) {
	var file struct {
		Version int            `json:"version"`
		Program string         `json:"program"`
		Recipe  jsontext.Value `json:"recipe"`
		Steps   []RunStep      `json:"steps"`
	}
	in := files{st, dir}
	if err := in.json(ctx, RunFile, &file); err != nil {
		return nil, err
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("%s: version %d; this program knows version 1", in.path(RunFile), file.Version)
	}
	info := &RunInfo{Program: file.Program, Steps: file.Steps}
	if file.Recipe.Kind() == '"' && json.Unmarshal(file.Recipe, &info.Recipe) != nil {
		info.Recipe = ""
	}
	for _, s := range file.Steps {
		if !fs.ValidPath(s.Dir) {
			return nil, fmt.Errorf("%s: step %q is in %q, which is no folder below the run directory", in.path(RunFile), s.Name, s.Dir)
		}
	}
	return info, nil
}

// SplitParts are the names of the parts that curate split makes in a directory, as its first part has them; none where it has made
// nothing.
func SplitParts(ctx context.Context, st store.Store, dir string) ([]string, error) {
	const first = "train"
	var is settings
	in := files{st, path.Join(dir, first)}
	if err := in.json(ctx, configName, &is); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	names := []string{first}
	for _, s := range is.Step.Stages {
		var c struct {
			HeldOut jsontext.Value `json:"held_out"`
			Parts   []struct {
				Name  string  `json:"name"`
				Share float64 `json:"share"` // without one it only keeps its place
			} `json:"parts"`
		}
		if json.Unmarshal(s.Config, &c) != nil {
			continue
		}
		for _, p := range c.Parts {
			if p.Share > 0 && fs.ValidPath(p.Name) {
				names = append(names, p.Name)
			}
		}
		if len(c.HeldOut) > 0 && c.HeldOut.Kind() != 'n' {
			names = append(names, "held_out")
		}
	}
	return names, nil
}

// IsRun says whether dir is a run directory, of several steps; otherwise it is the output of one command.
func IsRun(ctx context.Context, st store.Store, dir string) (bool, error) {
	_, err := st.Stat(ctx, path.Join(dir, RunFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Read gathers what the files of a run directory, or of the output directory of one command, say. Steps that have not
// finished are listed as such; a directory with no finished step is an error. References are set beside what their steps
// have translated.
func Read(ctx context.Context, st store.Store, dir string, references ...Reference) (*Run, error) {
	return ReadWith(ctx, st, dir, Options{References: references})
}

// Options are what else there is to read with.
type Options struct {
	References []Reference
	Measure    Measure // may be nil
}

// ReadWith is Read with more than references.
func ReadWith(ctx context.Context, st store.Store, dir string, o Options) (*Run, error) {
	return read(ctx, st, dir, sections, o)
}

// ReadFunnel gathers what WriteFunnel tells, which takes no look at records.
func ReadFunnel(ctx context.Context, st store.Store, dir string) (*Run, error) {
	return read(ctx, st, dir, sections[:1], Options{})
}

func read(ctx context.Context, st store.Store, dir string, sections []section, o Options) (*Run, error) {
	run := &Run{Version: Version}
	several, err := IsRun(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	if several {
		info, err := ReadSteps(ctx, st, dir)
		if err != nil {
			return nil, err
		}
		run.Program, run.Recipe = info.Program, info.Recipe
		for _, s := range info.Steps {
			run.Steps = append(run.Steps, &Step{Name: s.Name, Dir: s.Dir, From: s.From, Read: s.Read})
		}
	} else {
		run.Steps = []*Step{{Dir: "."}}
	}
	if err := run.refer(dir, o.References); err != nil {
		return nil, err
	}
	finished := 0
	for _, s := range run.Steps {
		s.measure = o.Measure
		if err := s.gather(ctx, files{st, path.Join(dir, s.Dir)}, sections); err != nil {
			return nil, err
		}
		if err := s.gatherAdditions(ctx, st, dir, sections); err != nil {
			return nil, err
		}
		if s.Finished {
			finished++
		} else if several && s.reference != "" {
			return nil, fmt.Errorf("reference %s: %s has not finished; repeat its command first", s.reference, s.called())
		}
	}
	switch {
	case finished == 0 && several:
		return nil, fmt.Errorf("%s: no step of this run has finished yet; repeat its command first", dir)
	case finished == 0:
		_, err := st.Stat(ctx, path.Join(dir, corpus.Dir, "config.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: neither a run directory nor the output directory of a command: it has no %s/config.json", dir, corpus.Dir)
		} else if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: its run has not finished; repeat that run's command first", dir)
	}
	if !several {
		run.Program = run.Steps[0].Program
	}
	return run, nil
}

// refer notes the references with their steps.
func (r *Run) refer(dir string, references []Reference) error {
	for _, ref := range references {
		var step *Step
		var names []string
		for _, s := range r.Steps {
			names = append(names, s.Name)
			if s.Name == ref.Step {
				step = s
			}
		}
		switch {
		case step == nil && len(names) == 1 && names[0] == "":
			return fmt.Errorf("reference %s: %s is the directory of a single command, which has no steps; leave out %q", ref.File, dir, ref.Step+"=")
		case step == nil:
			return fmt.Errorf("reference %s: %s has no step %q; its steps are %s", ref.File, dir, ref.Step, strings.Join(names, ", "))
		case step.reference != "":
			return fmt.Errorf("reference %s: %s has another one already, %s; give one a step", ref.File, step.called(), step.reference)
		}
		step.reference = ref.File
	}
	return nil
}

// gather fills the step in, if it has finished.
func (s *Step) gather(ctx context.Context, in files, sections []section) error {
	done, err := in.exists(ctx, corpus.Dir+"/"+corpus.Done)
	if err != nil || !done {
		return err
	}
	s.Finished = true
	if err := s.readSettings(ctx, in); err != nil {
		return err
	}
	for i := range sections {
		if sections[i].read == nil || s.settings.task() && !sections[i].tasks {
			continue
		}
		if err := sections[i].read(ctx, in, s); err != nil {
			return err
		}
	}
	if s.settings.task() {
		return nil
	}
	if s.Audit != nil {
		s.Audit.locate(s)
	}
	var wanted []func(*dropped)
	for i := range sections {
		if sections[i].drops != nil {
			wanted = append(wanted, sections[i].drops(s))
		}
	}
	if wanted == nil {
		return nil
	}
	err = in.dropped(ctx, s, func(d *dropped) {
		for _, take := range wanted {
			take(d)
		}
	})
	s.Nearest = slices.DeleteFunc(s.Nearest, Nearest.isEmpty)
	return err
}

// WriteJSON writes the numbers, indented, with sorted keys where there is no order.
func (r *Run) WriteJSON(w io.Writer) error {
	b, err := json.Marshal(r, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
