package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"

	"github.com/go-json-experiment/json"

	"curate/dedup"
	"curate/dedup/index"
	"curate/pipeline"
	"curate/pipeline/recipe"
)

// stepIndexMethod is the method of a step that keeps an index; "" if none does.
func stepIndexMethod(v *recipe.Values) string {
	for _, name := range dedupOrder {
		if m := v.Object(name); m != nil && dedupMethodNamed(name).index != nil && m.Boolean("index") {
			return name
		}
	}
	return ""
}

// checkStepIndex finds what cannot stand beside an index.
func checkStepIndex(v *recipe.Values) error {
	name := stepIndexMethod(v)
	if name == "" {
		return nil
	}
	for _, other := range dedupOrder {
		if other != name && v.Object(other) != nil {
			return v.Errorf(other, "%s looks at all documents together, and %s has an index, which would show it new ones alone; make it a step of its own", other, name)
		}
	}
	if m := v.Object(name); name == "minhash" && m.Text("verify") != dedup.VerifyExact {
		return m.Errorf("verify", "an index has sets of shingles, which are compared exactly; leave out verify, or index")
	}
	return nil
}

// stepIndex is a step's method with its index.
func stepIndex(v *recipe.Values, s recipe.Setting) (withIndex, dedup.Growth, error) {
	name := stepIndexMethod(v)
	values := v.Object(name)
	var wrong error
	var m withIndex
	var err error
	if name == "minhash" {
		m, err = minhashOf(name, values, s, false, &wrong)
	} else {
		m, err = exactOf(name, values, s, false, &wrong)
	}
	return m, dedup.Growth{IDField: dedupPath(values, "id_field", &wrong)}, errors.Join(wrong, err)
}

// openStepIndex is a recipe.IndexKind's Open. The generation of a directory is known by its manifest, as the directory itself is, so that
// nothing is read for it: with settings that change, all of them are made anew.
func openStepIndex(ctx context.Context, v *recipe.Values, s recipe.Setting, a recipe.Addition) (*recipe.Index, error) {
	if n := len(a.Manifest.Files); n > dedup.MaxIndexFiles {
		return nil, v.Errorf(stepIndexMethod(v), "an index, and %d inputs, which are more than %d; let the step begin with a part of them", n, dedup.MaxIndexFiles)
	}
	plain, err := dedupStages(v, s)
	if err != nil {
		return nil, err
	}
	m, grow, err := stepIndex(v, s)
	if err != nil {
		return nil, err
	}
	settings, err := m.IndexSettings()
	if err != nil {
		return nil, err
	}
	x := &recipe.Index{}
	folder, err := index.Open(ctx, storage(), a.Index)
	if err == nil {
		x.Has = len(folder.Manifest.Generations)
		err = folder.Check(settings)
	}
	if !isIndexProblem(err) && err != nil {
		return nil, err
	}
	if err != nil {
		x.Has, x.Problem = max(1, x.Has), err.Error() // something is there that has to go
		if a.Number > 1 {
			return x, nil
		}
		folder = index.Fresh(storage(), a.Index, settings)
	}
	run := index.Run{}
	if run.Config, err = json.Marshal(plain[len(plain)-1].Spec().Config, json.Deterministic(true)); err != nil {
		return nil, err
	}
	if run.Inputs, err = json.Marshal(a.Manifest, json.Deterministic(true)); err != nil {
		return nil, err
	}
	if run.Reading, err = json.Marshal(a.Number); err != nil {
		return nil, err
	}
	for _, f := range a.Manifest.Files {
		run.Files = append(run.Files, dedup.OriginFile{Number: f.Number, Path: f.Path})
	}
	var use *index.Use
	if a.Look {
		use, err = folder.LookAt(run, a.Number-1)
	} else {
		use, err = folder.At(ctx, run, a.Number-1)
	}
	if errors.Is(err, dedup.ErrIndex) {
		err = fmt.Errorf("%w; remove %s, and repeat the command, which makes the step anew", err, a.Index)
	}
	if errors.As(err, new(*index.Error)) {
		x.Problem = err.Error()
		return x, folder.Close()
	}
	if err == nil {
		x.Already = use.Already
		x.Made, err = use.Made(ctx)
	}
	if err == nil {
		grow.Sink = use.Sink()
		x.Stages, err = m.StagesWithIndex(dedup.IndexOptions{Index: use.Index, Grow: &grow})
	}
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	x.Close = folder.Close
	x.Commit = func(ctx context.Context) error {
		_, err := use.Commit(ctx)
		return err
	}
	return x, nil
}

// isIndexProblem says whether an index is another one, or damaged.
func isIndexProblem(err error) bool {
	return errors.As(err, new(*index.Error)) || errors.Is(err, dedup.ErrIndex)
}

func cutStepIndex(ctx context.Context, dir string, n int) error {
	return index.Cut(ctx, storage(), dir, n)
}

func lockStepIndex(ctx context.Context, dir string, log *slog.Logger) (release func(), err error) {
	release, err = pipeline.Lock(path.Join(dir, index.LockFile), "the index "+dir, log)
	if err != nil {
		return nil, err
	}
	if err := storage().Sweep(ctx, dir); err != nil {
		release()
		return nil, err
	}
	return release, nil
}
