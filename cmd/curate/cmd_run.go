package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"curate/corpus/store"
	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/report"
	"curate/stats"
)

func newRun(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept", whole: true}
	var with, sets []string
	var plan, schema bool
	var watch watchFlags
	cmd := &cobra.Command{
		Use:   "run RECIPE.yaml | --watch RUN_DIR",
		Short: "Run a whole pipeline from a recipe",
		Long: `Run a whole pipeline from a recipe: a YAML file of steps. Each step reads files or earlier steps, applies
the stages it names in the order in which they are written, and has a folder in the run directory.

Kill it at any moment and repeat the command: it goes on where it was. Steps that are done are left
alone; one that has changed since is made anew, and so is what depends on it. Dropped and quarantined
records are kept in each step's folder, with their reasons.

Many processes may share a run, as an array of jobs on one machine or on many that see the same run directory: with
--rank I --world-size N each does its share of what can be done now, and --finish, in one process, what comes between;
it writes "ranks" if there is work for ranks again, and "done" if all is:

  until [ "$(curate run recipe.yaml --finish)" = done ]; do
    for i in 0 1 2 3; do curate run recipe.yaml --rank $i --world-size 4 & done; wait
  done

An overlay is a YAML file of values that change the recipe's, as --set does: keys stand as in the recipe, and
steps below "steps" by their names. Of several, later ones win; --set wins over all.

--watch RUN_DIR shows how far a run is, or one command with -o DIR, on this machine or on others, and ends when it is
done. It reads journals and nothing else: it takes no lock and changes nothing, so it may be started and stopped at any time.

` + recipe.Help(recipeKinds),
		Example: `  curate run recipe.yaml
  curate run recipe.yaml --plan
  curate run recipes/btlm.yaml --with recipes/toy/btlm.yaml
  curate run recipe.yaml --set run=/scratch/basque --set steps.clean.filter.profile=gopher
  curate run --watch s3://corpora/runs/eu`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("watch") {
				if len(args) > 0 {
					return fmt.Errorf("--watch is given the run's directory; leave %s out", args[0])
				}
				return nil
			}
			if schema {
				if len(args) > 0 {
					return fmt.Errorf("--json-schema is of all recipes; leave %s out", args[0])
				}
				return nil
			}
			return oneArg("RECIPE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := watch.check(cmd); err != nil {
				return err
			}
			if watch.dir != "" {
				return watch.watch(cmd.Context(), cmd.OutOrStdout())
			}
			if schema {
				return recipe.WriteSchema(cmd.OutOrStdout(), recipeKinds)
			}
			return runRecipe(cmd.Context(), cmd, env, &flags, args[0], with, sets, plan)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.BoolVar(&plan, "plan", false, "say what there is to do, with estimates of time, disk and memory; run nothing")
	fs.StringArrayVar(&with, "with", nil, "`OVERLAY.yaml`: a file of values that change the recipe, again for each")
	fs.StringArrayVar(&sets, "set", nil, "`KEY=VALUE` that changes the recipe, such as run=DIR; a step stands below steps by its name")
	fs.BoolVar(&schema, "json-schema", false, "print the JSON schema of recipes, for editors, and end")
	fs.BoolVar(&flags.strict, "strict", false, "stop at the first record that has to be quarantined")
	fs.BoolVar(&flags.restart, "restart", false, "begin steps anew that another recipe has left half-way")
	flags.share.register(fs, "the run")
	watch.register(cmd)
	flags.registerMachine(cmd)
	return cmd
}

// readRecipe reads a recipe and what changes it.
func readRecipe(ctx context.Context, file string, with, sets []string) (*recipe.Recipe, error) {
	text, err := readAll(ctx, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("%s: no such recipe", file)
	}
	if err != nil {
		return nil, err
	}
	var overlays []recipe.Overlay
	for _, name := range with {
		o := recipe.Overlay{File: name}
		if o.Text, err = readAll(ctx, name); errors.Is(err, fs.ErrNotExist) {
			return nil, usage("--with %s: no such overlay", name)
		} else if err != nil {
			return nil, err
		}
		overlays = append(overlays, o)
	}
	return recipe.Parse(file, text, overlays, sets, recipeKinds)
}

func runRecipe(ctx context.Context, cmd *cobra.Command, env environment, f *stageFlags, file string, with, sets []string, plan bool) error {
	f.given = cmd.Flags().Changed
	f.textField, f.maxQuarantined = "text", "0" // the recipe says them
	if err := f.share.resolve(cmd); err != nil {
		return err
	}
	s, err := f.resolve()
	if err != nil {
		return err
	}
	r, err := readRecipe(ctx, file, with, sets)
	if err != nil {
		return err
	}
	if f.printConfig {
		return r.WriteConfig(cmd.OutOrStdout())
	}
	show := newDisplay(env.stderr, f)
	defer show.close()
	for _, n := range s.notes {
		show.log.Info(n)
	}
	s.onMachine()
	runner := &recipe.Runner{
		Recipe: r, Program: program(), Store: storage(), Workers: s.workers, Memory: s.memory,
		MaxRecord: int(s.maxRecord), SplitSize: s.splitSize, Strict: f.strict, Restart: f.restart,
		Meter: &pipeline.Meter{Names: stats.MeasureNames(), New: stats.NewMeasure(r.TextField)},
		Log:   show.log, Now: time.Now, Started: func(p *pipeline.Progress) { show.start(p, nil) }, Stopped: show.stop,
	}
	if plan {
		p, err := runner.Plan(ctx)
		if err != nil {
			return err
		}
		return p.Write(cmd.OutOrStdout())
	}
	switch {
	case f.share.isRank:
		runner.Rank = fmt.Sprint(f.share.rank)
		err = runner.RunRank(ctx, f.share.rank, f.share.world)
	case f.share.finish:
		var whole bool
		if _, whole, err = runner.FinishRanks(ctx); err == nil || whole {
			err = errors.Join(err, sayNext(env.stdout, whole))
		}
		if !whole {
			return repeatable(err)
		}
	default:
		_, err = runner.Run(ctx)
	}
	err = (&translating{dir: runMemory(r.Run)}).budgetHint(err)
	if errors.As(err, new(interrupted)) {
		return repeatable(err)
	}
	if err != nil && !errors.As(err, new(*pipeline.QuarantineError)) || f.quiet || f.share.isRank {
		return err
	}
	funnel, readErr := report.ReadFunnel(ctx, runner.Store, r.Run)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if f.logFormat == "text" { // events have its numbers
		if err := funnel.WriteFunnel(env.stderr); err != nil {
			return err
		}
	}
	show.log.Info(fmt.Sprintf("%s is done; curate report %s shows what was dropped, and why", store.URL(r.Run), store.URL(r.Run)))
	return err
}
