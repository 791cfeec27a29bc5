package main

import "github.com/spf13/cobra"

func newTokenizer(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokenizer",
		Short: "Train a vocabulary",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenizerTrain(env))
	return cmd
}
