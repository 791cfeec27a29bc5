package main

import (
	"strings"

	"github.com/spf13/cobra"

	"curate/filter"
	"curate/record"
	"curate/stage"
)

func newFilter(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept"}
	var profile, printProfile string
	var explain explaining
	cmd := &cobra.Command{
		Use:   "filter --profile NAME [INPUT…]",
		Short: "Keep the documents that pass a profile of quality rules",
		Long: `Keep the documents that pass a profile of quality rules, and say of each other one which rule it
failed, and why.

A profile is one of those below, a file of yours (a path with a slash, or one that ends in .yaml or .yml:
docs/formats/profile.md), or several of them with commas between, in the order in which documents must pass
them. --print-profile writes any of them as a file to begin from. --explain says of one record what every test
of the profile makes of it, and what it would take to pass.

` + inputHelp + "\n\n" + profileHelp(),
		Example: `  zstd -dc pages.jsonl.zst | curate filter --profile gopher > kept.jsonl
  curate filter --profile gopher --dropped dropped.jsonl.zst -o clean/ raw/*.jsonl.zst
  curate filter --profile gopher --annotate pages.jsonl.zst | head -1
  curate filter --print-profile gopher > mine.yaml
  curate filter --profile c4,mine.yaml pages.jsonl.zst > kept.jsonl
  curate filter --profile mine.yaml --explain page-17 pages.jsonl.zst`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "profile", "print-profile", "explain", "id-field"); err != nil {
				return err
			}
			if printProfile != "" {
				if profile != "" || len(args) > 0 {
					return usage("--print-profile NAME writes that profile and ends: give neither --profile nor inputs")
				}
				return writeProfile(cmd, printProfile)
			}
			if profile == "" {
				return usage("filter needs --profile NAME; the profiles are:\n%s", strings.TrimRight(filter.ProfilesHelp(), "\n"))
			}
			p, err := profilesNamed(profile)
			if err != nil {
				return usage("--profile: %v", err)
			}
			if explain.id != "" {
				for _, name := range []string{"output", "dropped", "quarantine", "ledger", "annotate", "print-config", "restart", "format"} {
					if cmd.Flags().Changed(name) {
						return usage("--%s with --explain: one record is looked at, and nothing else is written", name)
					}
				}
				path, err := record.ParsePath(flags.textField)
				if err != nil {
					return usage("--text-field: %v", err)
				}
				f, err := filter.NewOf(p, filterConfig(path))
				if err != nil {
					return usage("--profile: %v", err)
				}
				return explain.run(cmd.Context(), f, env, path.Names()[0], args)
			}
			if explain.json || cmd.Flags().Changed("id-field") {
				return usage("--json and --id-field belong to --explain ID")
			}
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				cfg := filterConfig(s.textField)
				cfg.Annotate, cfg.Verdicts = flags.annotate, flags.dropped != ""
				f, err := filter.NewOf(p, cfg)
				if err != nil {
					return nil, usage("--profile: %v", err)
				}
				return []stage.Stage{f}, nil
			})
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "`NAME` of the profile, path of one, or several with commas between (required)")
	cmd.Flags().StringVar(&explain.id, "explain", "", "say what every test makes of the record with this `ID` (or FILE:LINE), and end")
	cmd.Flags().StringVar(&explain.idField, "id-field", "id", "with --explain: dotted `PATH` of a record's id")
	cmd.Flags().BoolVar(&explain.json, "json", false, "with --explain: write JSON")
	cmd.Flags().StringVar(&printProfile, "print-profile", "", "write the profile `NAME` as YAML, and end")
	flags.register(cmd)
	for _, flag := range []string{"profile", "print-profile"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, p := range filter.Profiles() {
				names = append(names, p.Name)
			}
			return names, cobra.ShellCompDirectiveDefault
		}) // it fails only for a flag that is not there
	}
	return cmd
}

// writeProfile is --print-profile.
func writeProfile(cmd *cobra.Command, name string) error {
	p, err := profileNamed(name)
	if err != nil {
		return usage("--print-profile: %v", err)
	}
	out, err := p.YAML()
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(out)
	return err
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
