package main

import (
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"curate/contrib"
)

func newContrib(environment) *cobra.Command {
	return &cobra.Command{
		Use:   "contrib [FILE]",
		Short: "Write out the scripts for schedulers and engines that go with this version",
		Long: `Write FILE, one of the scripts that run curate on schedulers and engines of others, to standard output. They call
commands of this very version. Without FILE: their names, a line each. The README.md of a folder says how its scripts are used.`,
		Example: `  curate contrib
  curate contrib spark/dedup_spark.py > dedup_spark.py`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				var names strings.Builder
				err := fs.WalkDir(contrib.Files, ".", func(name string, d fs.DirEntry, err error) error {
					if err == nil && !d.IsDir() {
						names.WriteString(name + "\n")
					}
					return err
				})
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write([]byte(names.String()))
				return err
			}
			b, err := contrib.Files.ReadFile(args[0])
			if err != nil {
				return usage("%s: there is no such file; curate contrib lists them", args[0])
			}
			_, err = cmd.OutOrStdout().Write(b)
			return err
		},
	}
}
