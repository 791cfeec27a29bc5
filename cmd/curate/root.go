package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"curate/pipeline"
	"curate/stage"
)

// version of the program. A release sets it with -ldflags "-X main.version=…".
var version = "0.1.0-dev"

// program is the version as config.json keeps it: bytes are promised for one version of one build.
func program() string { return "curate " + version }

// commands in the order of the pipeline; each is a file cmd_NAME.go.
func commands(env environment) []*cobra.Command {
	return []*cobra.Command{
		newLangid(env),
		newFilter(env),
		newAudit(env),
		newExec(env),
		newDedup(env),
		newDecontaminate(env),
		newSample(env),
		newSplit(env),
		newTranslate(env),
		newRun(env),
		newTokenize(env),
		newTokenizer(env),
		newShards(env),
		newExport(env),
		newMerge(env),
		newTrain(env),
		newEval(env),
		newGenerate(env),
		newServe(env),
		newSize(env),
		newStats(env),
		newReport(env),
		newStore(env),
		newContrib(env),
		newMan(env),
		newVersion(env),
	}
}

func newRoot(env environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "curate",
		Short: "Turn raw text into a language model's training diet",
		Long: `curate turns raw text into a language model's training diet.

Every stage is a Unix filter over JSON Lines: records in, kept records out, everything else on
standard error. With -o DIR a run can be killed at any moment and goes on when the command is repeated.`,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       cobra.NoArgs,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if log := eventLog(cmd, env); log != nil {
			log.Info("", pipeline.Event("run.started"), slog.String("command", cmd.CommandPath()), slog.String("program", program()), slog.Int("pid", os.Getpid()))
		}
	}
	root.Version = version
	root.SetVersionTemplate(versionLine() + "\n")
	root.Flags().Bool("version", false, "print the version, as curate version does")
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		problem := err.Error()
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
			var names []string
			cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
			problem = stage.UnknownName("flag", unknown.GetSpecifiedName(), names).Error()
		}
		var invalid *pflag.InvalidValueError
		if want := (map[string]string{"int": "a whole number", "int64": "a whole number", "uint64": "a whole number, 0 or more", "float64": "a number"}); errors.As(err, &invalid) && want[invalid.GetFlag().Value.Type()] != "" {
			f := invalid.GetFlag()
			problem = fmt.Sprintf("--%s %q: give %s", f.Name, invalid.GetValue(), want[f.Value.Type()])
		}
		return &pipeline.UsageError{Problem: fmt.Sprintf("%s\nSee %q", problem, cmd.CommandPath()+" --help")}
	})
	wrapped := strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 100")
	root.SetUsageTemplate(strings.TrimRight(wrapped, "\n") + "\n\n" + exitHelp + "\n")
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveDefault)
	for _, c := range commands(env) {
		root.AddCommand(c)
	}
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // as it comes, it greets a shell it does not know with exit code 0
			c.Args = cobra.NoArgs
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	wrapArgs(root)
	return root
}

// oneArg is for a command that takes one argument, of which its help speaks as name.
func oneArg(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("%s is missing", name)
		case 1:
			return nil
		}
		return fmt.Errorf("one %s, not %d: %s", name, len(args), strings.Join(args, " "))
	}
}

// wrapArgs makes usage errors of what cobra says about arguments and unknown commands.
func wrapArgs(c *cobra.Command) {
	if c.Args != nil {
		check := c.Args
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				problem := err.Error()
				if near := cmd.SuggestionsFor(strings.Join(args, " ")); len(args) > 0 && len(near) > 0 && cmd.HasAvailableSubCommands() {
					problem += "; did you mean " + near[0] + "?"
				}
				return &pipeline.UsageError{Problem: fmt.Sprintf("%s\nSee %q", problem, cmd.CommandPath()+" --help")}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

func newVersion(environment) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

func versionLine() string {
	rev := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				rev = ", revision " + s.Value
			}
		}
	}
	return fmt.Sprintf("%s (%s, %s/%s%s)", program(), runtime.Version(), runtime.GOOS, runtime.GOARCH, rev)
}
