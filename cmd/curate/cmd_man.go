package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan(environment) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages into a directory",
		Long:  "Write a man page for each command into DIR, such as /usr/local/share/man/man1.",
		Args:  oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // a date would make the pages differ from build to build
			header := &doc.GenManHeader{Title: "CURATE", Section: "1", Source: program(), Manual: "curate"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "curate: wrote the man pages to %s\n", args[0])
			return err
		},
	}
}
