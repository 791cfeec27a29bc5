package recipe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/pipeline"
)

// Files that a run directory has beside its steps' own. docs/formats/run-directory.md is their page.
const (
	runFile        = "run.json"
	provenanceFile = "provenance.json"
)

// RunInfo is run.json: what there is in a run directory.
type RunInfo struct {
	Version int        `json:"version"`
	Program string     `json:"program"`
	Recipe  string     `json:"recipe"`
	With    []string   `json:"with,omitzero"` // overlays
	Steps   []StepInfo `json:"steps"`
}

// StepInfo is a step in run.json.
type StepInfo struct {
	Name     string   `json:"name"`
	Dir      string   `json:"dir"` // below the run directory
	Stages   []string `json:"stages"`
	Read     []string `json:"read,omitzero"`
	From     []string `json:"from,omitzero"`
	Identity string   `json:"identity,omitzero"` // "" until it is done
}

func (r *Runner) writeRun(ctx context.Context, done []Outcome) error {
	info := RunInfo{Version: Version, Program: r.Program, Recipe: r.Recipe.File, With: r.Recipe.With}
	for _, s := range r.Recipe.Steps {
		si := StepInfo{Name: s.Name, Dir: s.Name, Read: s.Read}
		for _, f := range s.From {
			si.From = append(si.From, f.Name)
		}
		for _, u := range s.Uses {
			si.Stages = append(si.Stages, u.Kind.Name)
		}
		for _, o := range done {
			if o.Step == s {
				si.Identity = o.Identity
			}
		}
		info.Steps = append(info.Steps, si)
	}
	return r.write(ctx, path.Join(r.Recipe.Run, corpus.Dir, runFile), info)
}

// provenance is where a step's output comes from.
type provenance struct {
	Program string            `json:"program"`
	Recipe  string            `json:"recipe"`
	With    []string          `json:"with,omitzero"`
	Step    string            `json:"step"`
	From    []origin          `json:"from,omitzero"`
	Read    []corpus.File     `json:"read,omitzero"`
	Stages  jsontext.Value    `json:"stages"` // name, version and configuration of each
	Config  string            `json:"config_sha256"`
	Seeds   map[string]uint64 `json:"seeds,omitzero"`
	Counts  pipeline.Counts   `json:"counts"`
	ID      string            `json:"identity"`
	// Additions are the directories below the step's that it has grown by, each with an identity and a configuration of its own.
	Additions []addition `json:"additions,omitzero"`
}

type addition struct {
	Dir      string `json:"dir"` // below the step's
	Identity string `json:"identity"`
}

type origin struct {
	Step     string `json:"step"`
	Identity string `json:"identity"`
}

// writeProvenance writes the sidecar of a step that is done.
func (r *Runner) writeProvenance(ctx context.Context, s *Step, o *Outcome, identities map[*Step]string) error {
	own := path.Join(s.Dir(), corpus.Dir)
	var config struct {
		Step struct {
			Stages jsontext.Value `json:"stages"`
		} `json:"step"`
	}
	var manifest corpus.Manifest
	for name, into := range map[string]any{"config.json": &config, "manifest.json": &manifest} {
		b, err := r.readFile(ctx, path.Join(own, name))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, into, json.RejectUnknownMembers(false)); err != nil {
			return err
		}
	}
	stages := config.Step.Stages.Clone()
	if err := stages.Canonicalize(); err != nil {
		return err
	}
	sum := sha256.Sum256(stages)
	p := provenance{
		Program: r.Program, Recipe: r.Recipe.File, With: r.Recipe.With, Step: s.Name, Stages: stages, Config: hex.EncodeToString(sum[:]),
		Counts: o.Counts.Ledger(), ID: o.Identity, Seeds: map[string]uint64{},
	}
	p.read(&manifest)
	additions, err := pipeline.Additions(ctx, r.Store, s.Dir())
	if err != nil {
		return err
	}
	for _, dir := range additions {
		m, _, err := pipeline.Inputs(ctx, r.Store, dir)
		if err != nil {
			return err
		}
		p.read(m)
		id, err := pipeline.Identity(ctx, r.Store, dir)
		if err != nil {
			return err
		}
		p.Additions = append(p.Additions, addition{path.Base(dir), id})
	}
	for _, f := range s.Needs {
		p.From = append(p.From, origin{f.Name, identities[f]})
	}
	var list []struct {
		Name   string         `json:"name"`
		Config map[string]any `json:"config"`
	}
	if err := json.Unmarshal(stages, &list); err != nil {
		return err
	}
	for _, st := range list {
		switch seed := st.Config["seed"].(type) {
		case float64:
			p.Seeds[st.Name] = uint64(seed)
		case string: // since JSON numbers lose bits above 2^53
			if n, err := strconv.ParseUint(seed, 10, 64); err == nil {
				p.Seeds[st.Name] = n
			}
		}
	}
	return r.write(ctx, path.Join(own, provenanceFile), p)
}

// read adds the files of a manifest that no step has made.
func (p *provenance) read(m *corpus.Manifest) {
	for _, f := range m.Files {
		if f.Source == "" {
			p.Read = append(p.Read, f)
		}
	}
}

func (r *Runner) readFile(ctx context.Context, name string) ([]byte, error) {
	f, err := r.Store.Open(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// write makes a JSON file, unless it is there as it should be.
func (r *Runner) write(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	b = append(b, '\n')
	old, err := r.readFile(ctx, name)
	if err == nil && bytes.Equal(old, b) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := r.Store.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort() // after Commit it does nothing
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Commit()
}
