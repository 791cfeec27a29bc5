package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"curate/shards"
	"curate/shards/format"
	"curate/shards/trainerconfig"
)

func newShardsExportConfig(environment) *cobra.Command {
	var out, tokenizer, trained string
	cmd := &cobra.Command{
		Use:   "export-config TRAINER [SHARDS]",
		Short: "Write run configurations with which a trainer reads shards",
		Long: `Write run configurations for another trainer, with the paths of the shard sets in SHARDS, their lengths, the
rows and steps of the schedule, seed and vocabulary: a file for each stage, in the order of training.
What the shards do not say, such as the size of the model, stands under "choose" in them. Files that
exist are an error: they may have been changed. Without -o a single file goes to standard output.

With --train the model and how it is trained are filled in, too: learning rate and its schedule, batch, length, optimizer,
objective of pairs, adapters, the model to begin with. They are those of a run (its folder or its train.json), or of a step of a
recipe, whose shards need not be built yet; SHARDS may be left out, and are then those of the run.

Trainers, and the formats of shards that they read:
` + trainerNames() + `
docs/trainers.md says what each of them makes of bounds, loss masks and the schedule.`,
		Example: `  curate shards export-config megatron -o run/ shards/
  curate shards export-config trl --train recipes/llama-eus.yaml:sft -o run/
  curate shards export-config nanotron --tokenizer models/gpt2 -o run/ nanotron/`,
		Args: func(cmd *cobra.Command, args []string) error {
			if trained != "" && len(args) == 1 {
				return nil
			}
			return twoArgs("TRAINER", "SHARDS")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			trainer, err := trainerconfig.Named(args[0])
			if err != nil {
				return usage("%s", strings.TrimPrefix(err.Error(), "shards: "))
			}
			if err := notEmpty(cmd, "output", "tokenizer", "train"); err != nil {
				return err
			}
			var in *trainerconfig.Input
			if len(args) > 1 {
				if err := localDir("shards export-config", args[1]); err != nil {
					return err
				}
			}
			if trained == "" {
				in, err = trainerInput(cmd.Context(), args[1])
			} else {
				var t *exportedTraining
				if t, err = openExportedTraining(cmd.Context(), trained); err != nil {
					return err
				}
				in, err = t.input(cmd.Context(), strings.Join(args[1:], ""), &trainer, cmd.ErrOrStderr())
			}
			if err != nil {
				return err
			}
			if tokenizer != "" {
				if in.Tokenizer, err = tokenizerFolder(tokenizer); err != nil {
					return err
				}
			}
			files, err := trainer.Export(in)
			if err != nil {
				return err
			}
			if out != "" {
				return writeConfigs(cmd, out, files)
			}
			if len(files) > 1 {
				return usage("shards export-config needs -o DIR: these are %d files, %s and others", len(files), files[0].Name)
			}
			_, err = cmd.OutOrStdout().Write(files[0].Text)
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&out, "output", "o", "", "`DIR` that gets the files")
	fs.StringVar(&trained, "train", "", "`RUN`, its train.json, or RECIPE.yaml:STEP: how the model is trained")
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of the tokenizer's folder, or of its tokenizer.json, for trainers that load it")
	return cmd
}

// trainerNames lists them for help.
func trainerNames() string {
	var b strings.Builder
	for _, t := range trainerconfig.Trainers() {
		fmt.Fprintf(&b, "  %-14s %s (%s)\n", t.Name, t.Doc, strings.Join(t.Formats, ", "))
	}
	return b.String()
}

// twoArgs is for a command that takes two arguments, of which its help speaks as first and second.
func twoArgs(first, second string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("%s and %s are missing", first, second)
		case 1:
			return fmt.Errorf("%s is missing", second)
		case 2:
			return nil
		}
		return fmt.Errorf("one %s and one %s, not %d: %s", first, second, len(args), strings.Join(args, " "))
	}
}

// trainerInput reads the schedule of a directory and the manifests of its sets. The folder of a set without a schedule
// beside it is a schedule of one stage.
func trainerInput(ctx context.Context, dir string) (*trainerconfig.Input, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	in := &trainerconfig.Input{Root: filepath.ToSlash(root)}
	st := storage()
	// The folders are opened by the name that the user gave: it is what messages have.
	open := func(name string) (*shards.Manifest, error) {
		set, err := shards.Open(ctx, st, path.Join(filepath.ToSlash(dir), name))
		if err != nil {
			return nil, err
		}
		return set.Manifest, nil
	}
	if in.Schedule, err = shards.OpenSchedule(ctx, st, filepath.ToSlash(dir)); err != nil {
		return nil, err
	}
	if in.Schedule == nil {
		return in, oneStage(in, dir, open)
	}
	for _, stage := range in.Schedule.Stages {
		m, err := open(stage.Dir)
		if err != nil {
			return nil, err
		}
		in.Manifests = append(in.Manifests, m)
	}
	if in.Schedule.Preference != "" {
		in.Preference, err = open(in.Schedule.Preference)
	}
	return in, err
}

func oneStage(in *trainerconfig.Input, dir string, open func(string) (*shards.Manifest, error)) error {
	if _, err := os.Stat(filepath.Join(dir, shards.ManifestFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is neither %s nor %s in it; name the directory that shards were built in, or the folder of a set",
			dir, shards.ScheduleFile, shards.ManifestFile)
	}
	m, err := open("")
	if err != nil {
		return err
	}
	folder := path.Base(in.Root)
	in.Root = path.Dir(in.Root)
	in.Schedule = &shards.Schedule{Format: m.Format, Vocabulary: m.Vocabulary, EOD: m.EOD, Tokenizer: m.Tokenizer, Seed: m.Seed}
	if f, err := format.Named(m.Format); err == nil && f.Traits().Pairs {
		in.Preference, in.Schedule.Preference, in.Schedule.Pairs = m, folder, m.Documents
		return nil
	}
	in.Manifests = []*shards.Manifest{m}
	in.Schedule.Stages = []shards.Stage{{
		Dir: folder, Length: m.Length, Share: 1, Documents: m.Documents, Tokens: m.Tokens, Sequences: m.Sequences,
	}}
	return nil
}

// tokenizerFolder is the absolute path of the folder that a trainer loads a tokenizer from.
func tokenizerFolder(name string) (string, error) {
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", usage("--tokenizer: %s: no such file", name)
	case err != nil:
		return "", err
	case !st.IsDir() && filepath.Base(name) != "tokenizer.json":
		return "", usage("--tokenizer: %s: trainers load a folder with a tokenizer.json; name that", name)
	case !st.IsDir():
		name = filepath.Dir(name)
	}
	name, err = filepath.Abs(name)
	return filepath.ToSlash(name), err
}

// writeConfigs writes all files or, if one of them exists, none.
func writeConfigs(cmd *cobra.Command, dir string, files []trainerconfig.File) error {
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		if _, err := os.Lstat(name); err == nil {
			return usage("%s exists; remove it, or name another directory", name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		_, err = w.Write(f.Text)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s\n", name)
	}
	return nil
}
