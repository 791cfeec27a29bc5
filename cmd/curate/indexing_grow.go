package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/internal/human"
	"curate/pipeline"
)

// An output directory of a run with an index grows by directories (pipeline.AdditionDir): what files that have come to its inputs keep beside
// all that the index has is an output directory of its own below it, with the files alone as inputs.

// growth is one of the directories, with its inputs.
type growth struct {
	out    string
	inputs []string
	whole  bool
}

// each calls one for every directory of the run, in order: for -o alone, unless files have come to its inputs.
// files are the paths, by flag, at which one file has all that a command finds.
func (x *indexFlags) each(ctx context.Context, env environment, f *stageFlags, args []string, files map[string]string, one func(f *stageFlags, args []string) error) error {
	list, err := x.growths(ctx, env, f, args, files)
	if err != nil {
		return err
	}
	for i, g := range list {
		own := *f
		if x.addition = 0; i > 0 {
			x.addition = i + 1
		}
		own.out = g.out
		own.quiet = f.quiet || g.whole && len(list) > 1 // of what is whole there is nothing to tell
		if err := one(&own, g.inputs); err != nil {
			return err
		}
	}
	return nil
}

func (x *indexFlags) growths(ctx context.Context, env environment, f *stageFlags, args []string, files map[string]string) ([]growth, error) {
	alone := []growth{{out: f.out, inputs: args}}
	to, err := f.target(corpus.DefaultFormat)
	if err != nil || x.dir == "" || to.File || f.out == "" || f.out == "-" || f.printConfig || f.restart || x.readonly {
		return alone, nil // what is wrong is told where it is read
	}
	inputs, err := corpus.Expand(ctx, storage(), args)
	if err != nil || inputs.HasStream() {
		return alone, nil
	}
	var list []growth
	known := map[string]bool{}
	for out := f.out; ; out = pipeline.AdditionDir(f.out, len(list)+1) {
		m, whole, err := pipeline.Inputs(ctx, storage(), out)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		if m.Continued(inputs, nil) == nil {
			if len(list) > 0 {
				return nil, usage("%s: its inputs have been changed or removed since; put them back, or give other -o and --index, since these have what was kept of them", out)
			}
			return alone, nil // and is refused with the difference
		}
		g := growth{out: out, whole: whole}
		for _, file := range m.Files {
			g.inputs, known[file.Path] = append(g.inputs, file.Path), true
		}
		list = append(list, g)
	}
	var more []string
	for _, file := range inputs.Files {
		if !known[file.Path] {
			more = append(more, file.Path)
		}
	}
	if len(list) == 0 || len(list) == 1 && len(more) == 0 {
		return alone, nil
	}
	for _, flag := range slices.Sorted(maps.Keys(files)) {
		if value := files[flag]; value != "" {
			return nil, usage("--%s %s: would have what is new alone, as files have come to the inputs of %s; leave it out, or give another -o with the new files", flag, value, f.out)
		}
	}
	show := newDisplay(env.stderr, f)
	defer show.close()
	switch out := pipeline.AdditionDir(f.out, len(list)+1); {
	case len(more) > 0:
		show.log.Info(fmt.Sprintf("%s: %s, %s done before; what they keep comes into %s", f.out, count(int64(len(more)), "new file"), human.Thousands(int64(len(known))), out))
		list = append(list, growth{out: out, inputs: more})
	case !slices.ContainsFunc(list, func(g growth) bool { return !g.whole }):
		show.log.Info(fmt.Sprintf("%s is finished already, with %s below it", f.out, count(int64(len(list)-1), "addition")))
	}
	return list, nil
}

// digestsFile, in the run's own folder, has the digests of its inputs, so that they are not read again for them.
const digestsFile = "digests.json"

// inputDigest is that of an input as it was.
type inputDigest struct {
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	MTime   int64  `json:"mtime_ns"`
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256"`
}

func digestOf(f *corpus.File, sum string) inputDigest {
	return inputDigest{Path: f.Path, Size: f.Size, MTime: f.MTime, Version: f.Version, SHA256: sum}
}

// knownDigests are those that an output directory has; none is no error, since they can be made again.
func knownDigests(ctx context.Context, out string) map[inputDigest]string {
	known := map[inputDigest]string{}
	raw, err := readAll(ctx, path.Join(out, corpus.Dir, digestsFile))
	var list []inputDigest
	if err == nil && json.Unmarshal(raw, &list) == nil {
		for _, d := range list {
			sum := d.SHA256
			d.SHA256 = ""
			known[d] = sum
		}
	}
	return known
}

// keepDigests writes them into an output directory that is whole.
func keepDigests(ctx context.Context, out string, list []inputDigest) error {
	b, err := json.Marshal(list, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	w, err := storage().Create(ctx, path.Join(out, corpus.Dir, digestsFile))
	if err != nil {
		return err
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}
