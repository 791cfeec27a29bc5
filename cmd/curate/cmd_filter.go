package main

import (
	"strings"

	"github.com/spf13/cobra"

	"curate/corpus/parquet"
	"curate/filter"
	"curate/record"
	"curate/stage"
)

func newFilter(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept"}
	var profile, idField string
	cmd := &cobra.Command{
		Use:   "filter --profile NAME [INPUT…]",
		Short: "Keep the documents that pass a profile of quality rules",
		Long: `Keep the documents that pass a profile of quality rules, and say of each other one which rule it
failed, and why.

` + inputHelp + "\n\n" + profileHelp(),
		Example: `  zstd -dc pages.jsonl.zst | curate filter --profile gopher > kept.jsonl
  curate filter --profile gopher --dropped dropped.jsonl.zst -o clean/ raw/*.jsonl.zst
  curate filter --profile gopher --annotate pages.jsonl.zst | head -1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if profile == "" {
				return usage("filter needs --profile NAME; the profiles are:\n%s", strings.TrimRight(filter.ProfilesHelp(), "\n"))
			}
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				cfg := filter.Config{TextField: s.textField, Annotate: flags.annotate, Verdicts: flags.dropped != "", Signals: flags.signals != ""}
				var err error
				if cfg.IDField, err = record.ParsePath(idField); err != nil {
					return nil, usage("--id-field: %v", err)
				}
				f, err := filterNamed(profile, cfg)
				if err != nil {
					return nil, usage("--profile: %v", err)
				}
				flags.signalColumns = signalColumns(f)
				return []stage.Stage{f}, nil
			})
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "`NAME` of the profile (required)")
	flags.register(cmd)
	cmd.Flags().StringVar(&flags.signals, "signals", "", "`PATH` for the signals of every record, kept or dropped: a row each, in order (curate filter apply reads them)")
	cmd.Flags().StringVar(&idField, "id-field", "id", "dotted `PATH` of the id that those rows have besides the record's own")
	cmd.AddCommand(newFilterApply(env), newFilterCompare(env), newFilterFit(env))
	completeProfiles(cmd)
	return cmd
}

// filterNamed makes the filter of a profile.
func filterNamed(profile string, cfg filter.Config) (*filter.Filter, error) {
	cfg.Profile = profile
	return filter.New(cfg)
}

// signalColumns are those of a sidecar in Parquet.
func signalColumns(f *filter.Filter) []parquet.Column {
	columns := []parquet.Column{
		{Name: filter.RowRecord, Type: parquet.Int64, Optional: true},
		{Name: filter.RowBasis, Type: parquet.String, Optional: true},
		{Name: filter.RowWithout, Type: parquet.String, Optional: true},
	}
	for _, s := range f.Signals() {
		columns = append(columns, parquet.Column{Name: s, Type: parquet.Float64, Optional: true})
	}
	return columns
}

func completeProfiles(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, p := range filter.Profiles() {
			names = append(names, p.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}) // it fails only for a flag that is not there
}

// profileHelp describes every profile with its tests and thresholds, from the tables of package filter.
func profileHelp() string {
	var b strings.Builder
	for _, p := range filter.Profiles() {
		b.WriteString(p.Help())
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n")
}
