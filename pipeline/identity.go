package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
)

// config is config.json: what the bytes of the output depend on, and so what a resumed run must share.
type config struct {
	Program  string   `json:"program"` // a difference here is only warned of
	Identity string   `json:"identity"`
	Phases   int      `json:"phases,omitzero"` // follows from the stages; for who watches the run
	Step     identity `json:"step"`
	// Grown is what the directory was before it grew, the oldest first. It is no part of the identity: the parts are those of a
	// directory that was made of all files at once.
	Grown []generation `json:"grown,omitempty"`
}

// identity is what makes a step that step. Workers, memory, allowances and logging are not in it.
type identity struct {
	Stages    []stageIdentity   `json:"stages"`
	Manifest  string            `json:"manifest"` // sha256 of manifest.json
	SplitSize int64             `json:"split_size"`
	MaxRecord int               `json:"max_record"`
	Codec     string            `json:"input_format"`
	Fields    map[string]string `json:"fields"`
	Repair    string            `json:"repair,omitzero"`
	Outputs   map[string]string `json:"outputs"`         // format of each
	Result    string            `json:"result,omitzero"` // file that is there instead of kept records
}

type stageIdentity struct {
	Name    string         `json:"name"`
	Version int            `json:"version"`
	Config  jsontext.Value `json:"config"`
}

// canonical JSON has sorted keys and no space, so that equal values are equal bytes.
func canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	val := jsontext.Value(b)
	err = val.Canonicalize()
	return val, err
}

func (j *Job) identity(manifest []byte, maxRecord int) (config, error) {
	id := identity{
		SplitSize: j.splitSize(),
		MaxRecord: maxRecord,
		Codec:     j.Codec,
		Fields:    map[string]string{"text": j.TextField},
		Repair:    j.Repair.String(),
		Outputs:   map[string]string{},
		Stages:    []stageIdentity{},
	}
	for o, t := range j.targets() {
		if t != nil {
			id.Outputs[outputNames[o]] = t.Format.String()
		}
	}
	for _, m := range j.Stages {
		s := m.Spec()
		id.Result = s.Result
		c, err := canonical(s.Config)
		if err != nil {
			return config{}, fmt.Errorf("configuration of stage %s: %w", s.Name, err)
		}
		id.Stages = append(id.Stages, stageIdentity{s.Name, s.Version, c})
	}
	phs, err := j.phases()
	if err != nil {
		return config{}, err
	}
	c, err := identify(id, manifest)
	c.Program, c.Phases = j.Program, len(phs)
	return c, err
}

// compare says what the directory holds, if it was begun, and what this job would put there: in the directory's own order of files,
// where it goes on with what is there (d.goes).
func (d *runDir) compare(ctx context.Context) (old, now config, manifest []byte, err error) {
	j := d.job
	if manifest, err = marshalManifest(j.Manifest); err != nil {
		return old, now, nil, err
	}
	was, err := d.current(ctx, configFile)
	d.begun = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return old, now, nil, err
	}
	if d.begun && !j.Restart {
		if err := json.Unmarshal(was, &old); err != nil {
			return old, now, nil, &damagedConfig{path.Join(d.own, configFile), err}
		}
	}
	maxRecord := j.MaxRecord
	switch {
	case maxRecord == 0 && d.begun && !j.Restart:
		maxRecord = old.Step.MaxRecord // resolved at the first start, whatever this machine's memory is
	case maxRecord == 0:
		maxRecord = DefaultMaxRecord(j.Memory, j.recordCost())
	}
	if now, err = j.identity(manifest, maxRecord); err != nil {
		return old, now, nil, err
	}
	if d.begun && !j.Restart && (now.Identity != old.Identity || len(old.Grown) > 0) {
		if d.goes, err = d.continues(ctx, old, now); err != nil {
			return old, now, nil, err
		}
		if d.goes != nil {
			now, manifest = d.goes.config, d.goes.manifest
		}
	}
	return old, now, manifest, nil
}

// damagedConfig is a config.json that cannot be read.
type damagedConfig struct {
	path string
	err  error
}

func (e *damagedConfig) Error() string {
	return fmt.Sprintf("%s: %v; --restart begins anew", e.path, e.err)
}
func (e *damagedConfig) Unwrap() error { return e.err }

// refuse says in what this command differs from the one that began the directory.
func (d *runDir) refuse(ctx context.Context, old, now config, manifest []byte) error {
	return usage("%s holds the output of another command or of other inputs:\n  %s\nGive another directory, or --restart to begin this one anew", d.job.Out.Path, strings.Join(d.changes(ctx, old, now, manifest), "\n  "))
}

// changes are those from what began the directory to this job.
func (d *runDir) changes(ctx context.Context, old, now config, manifest []byte) []string {
	if d.whyNot != "" {
		return []string{d.whyNot}
	}
	var diff []string
	if old.Step.Manifest != now.Step.Manifest {
		if was, err := d.current(ctx, manifestFile); err == nil {
			diff = append(diff, d.fileChanges(was, old.Grown)...)
		}
	}
	a, errA := canonical(old.Step)
	b, errB := canonical(now.Step)
	if errA == nil && errB == nil {
		for _, line := range differences("", a, b) {
			if !strings.HasPrefix(line, "manifest ") || len(diff) == 0 {
				diff = append(diff, line)
			}
		}
	}
	const most = 10
	if len(diff) > most {
		diff = append(diff[:most], fmt.Sprintf("and %d more", len(diff)-most))
	}
	return diff
}

// fileChanges are those from the manifest that the directory has: of files by their paths, since one that has come before others would
// else count as a change of all behind it.
func (d *runDir) fileChanges(manifest []byte, grown []generation) []string {
	var was corpus.Manifest
	if err := json.Unmarshal(manifest, &was); err != nil {
		return []string{fmt.Sprintf("%s cannot be read: %v", path.Join(d.own, manifestFile), err)}
	}
	at := map[string]int{}
	for i, f := range d.job.Manifest.Files {
		at[f.Path] = i
	}
	var diff []string
	for i, f := range was.Files {
		name := fmt.Sprintf("manifest.files.%d", i)
		k, there := at[f.Path]
		if !there {
			diff = append(diff, fmt.Sprintf("%s.path was %q, is gone", name, f.Path))
			continue
		}
		delete(at, f.Path)
		now := d.job.Manifest.Files[k]
		now.Number = f.Number
		x, errX := json.Marshal(f)
		y, errY := json.Marshal(now)
		if errX == nil && errY == nil {
			diff = append(diff, differences(name, x, y)...)
		}
	}
	if len(diff) == 0 && was.Continued(d.job.Manifest, ends(grown)) == nil {
		diff = append(diff, "manifest.files stood in another order")
	}
	if len(at) > 0 {
		diff = append(diff, "manifest.files has "+count64(len(at), "new file"))
	}
	return diff
}

// differences lists the leaves in which two JSON texts differ: "stages.0.config.profile: gopher -> c4".
func differences(prefix string, a, b []byte) []string {
	flat := func(text []byte) (map[string]string, error) {
		leaves := map[string]string{}
		var walk func(at string, v jsontext.Value) error
		walk = func(at string, v jsontext.Value) error {
			join := func(name string) string { return strings.TrimPrefix(at+"."+name, ".") }
			switch v.Kind() {
			case '{':
				var m map[string]jsontext.Value
				if err := json.Unmarshal(v, &m); err != nil {
					return err
				}
				for k, x := range m {
					if err := walk(join(k), x); err != nil {
						return err
					}
				}
			case '[':
				var l []jsontext.Value
				if err := json.Unmarshal(v, &l); err != nil {
					return err
				}
				for i, x := range l {
					if err := walk(join(fmt.Sprint(i)), x); err != nil {
						return err
					}
				}
			default:
				leaves[at] = string(v)
			}
			return nil
		}
		return leaves, walk(prefix, text)
	}
	x, errX := flat(a)
	y, errY := flat(b)
	if errX != nil || errY != nil {
		return nil
	}
	var diff []string
	for k, was := range x {
		if is, ok := y[k]; !ok {
			diff = append(diff, fmt.Sprintf("%s was %s, is gone", k, was))
		} else if is != was {
			diff = append(diff, fmt.Sprintf("%s was %s, is %s", k, was, is))
		}
	}
	for k, is := range y {
		if _, ok := x[k]; !ok {
			diff = append(diff, fmt.Sprintf("%s is new: %s", k, is))
		}
	}
	slices.Sort(diff)
	return diff
}
