package main

import (
	"strings"

	"github.com/spf13/cobra"

	"curate/filter"
	"curate/stage"
)

func newFilter(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept"}
	var profile string
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
				f, err := filter.New(filter.Config{Profile: profile, TextField: s.textField, Annotate: flags.annotate, Verdicts: flags.dropped != ""})
				if err != nil {
					return nil, usage("--profile: %v", err)
				}
				return []stage.Stage{f}, nil
			})
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "`NAME` of the profile (required)")
	flags.register(cmd)
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, p := range filter.Profiles() {
			names = append(names, p.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}) // it fails only for a flag that is not there
	return cmd
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
