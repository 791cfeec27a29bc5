package main

import (
	"github.com/spf13/cobra"

	"curate/filter/exec"
	"curate/stage"
)

func newExec(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept"}
	var x execSettings
	cmd := &cobra.Command{
		Use:   "exec [INPUT…] -- PROGRAM [ARG…]",
		Short: "Keep the records that a program of yours says to keep",
		Long: `Keep the records that a program of yours says to keep: a classifier in whatever language.

The program reads a JSON object a line, {"id":…,"text":…}, and answers each with a JSON object a line, in
order, written out at once. It goes on until its input ends; its standard error is passed on. An answer may
hold "keep" (true or false), "score" (a number), "signals" (an object of numbers), "label" and "reason" (a
word each), and "id", which is then checked. A record is dropped if keep is false, if a signal is below its
--min or above its --max, or for its label. An answer that is no such object, or lacks what the thresholds
ask for, quarantines its record.

A process is started when there is work for it, and again if it crashes or does not answer; if it fails too often
at one record, or answers more or fewer lines than it was given, the run stops and says where. What the
program writes must depend on the record alone: curate cannot know what it does, and of its files only
those that --files names are part of what a resumed run is compared with.

` + inputHelp + `
No shell sees the program and its arguments; --shell LINE runs a line of one in their place.`,
		Example: `  curate exec pages.jsonl.zst --min score=0.5 -- python3 score.py > good.jsonl
  curate exec --fields url,meta.source --drop-labels spam --files model.bin -o clean/ raw/*.jsonl.zst -- ./classify model.bin
  zstd -dc pages.jsonl.zst | curate exec --annotate --shell 'python3 score.py 2>score.log'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				args, x.command = args[:at], args[at:]
			}
			if len(x.command) == 0 && x.shell == "" {
				return usage("exec needs a program behind --, as in: curate exec pages.jsonl -- python3 score.py")
			}
			if x.restarts < 0 {
				return usage("--restarts %d: give 0 or more", x.restarts)
			}
			if x.timeout <= 0 || x.startTimeout <= 0 {
				return usage("--timeout %v, --start-timeout %v: give times above 0, such as 90s or 2m", x.timeout, x.startTimeout)
			}
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				x.textField, x.annotate, x.verdicts = s.textField, flags.annotate, flags.dropped != ""
				x.log = func(line string) { s.log.Info(line) }
				if x.processes == 0 {
					x.processes = s.workers
				}
				cfg, err := x.config()
				if err != nil {
					return nil, usage("exec: %v", err)
				}
				e, err := exec.New(cfg)
				if err != nil {
					return nil, usage("exec: %v", err)
				}
				return []stage.Stage{e}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&x.shell, "shell", "", "`LINE` that sh -c runs (cmd /C on Windows), in place of a program")
	fs.StringSliceVar(&x.min, "min", nil, "`SIGNAL=NUMBER`: drop a record whose signal is below that, such as score=0.5")
	fs.StringSliceVar(&x.max, "max", nil, "`SIGNAL=NUMBER`: drop a record whose signal is above that")
	fs.StringSliceVar(&x.keep, "keep-labels", nil, "`LABELS` that stay; the others go")
	fs.StringSliceVar(&x.drop, "drop-labels", nil, "`LABELS` that go; the others stay")
	fs.StringSliceVar(&x.fields, "fields", nil, "`PATHS` of fields that are sent beside id and text")
	fs.BoolVar(&x.whole, "whole", false, "send the whole record in place of id, text and fields")
	fs.StringVar(&x.idField, "id-field", "id", "dotted `PATH` of a record's id, which it need not have")
	fs.StringSliceVar(&x.files, "files", nil, "`PATHS` of files that decide what the program answers: if one has changed, a run is not resumed")
	fs.StringVar(&x.name, "name", exec.DefaultName, "`NAME` in the ledger and before the names of signals")
	fs.IntVar(&x.processes, "processes", 0, "`N` processes at a time (default: as many as -j)")
	fs.DurationVar(&x.timeout, "timeout", exec.DefaultTimeout, "`TIME` that an answer may take")
	fs.DurationVar(&x.startTimeout, "start-timeout", exec.DefaultStartTimeout, "`TIME` that the first answer of a process may take")
	fs.IntVar(&x.restarts, "restarts", exec.DefaultRestarts, "`N` times at most that a process is started again for the same record")
	flags.register(cmd)
	return cmd
}
