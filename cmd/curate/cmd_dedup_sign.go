package main

import (
	"github.com/spf13/cobra"

	"curate/corpus/parquet"
	"curate/dedup"
	"curate/record"
	"curate/stage"
)

func newDedupSign(env environment) *cobra.Command {
	flags := stageFlags{summary: "signed", noRanks: true, recordCost: characterRecordCost, columns: []parquet.Column{
		{Name: dedup.SignRecord, Type: parquet.Int64},
		{Name: dedup.SignScheme, Type: parquet.String},
		{Name: dedup.SignVersion, Type: parquet.Int64},
		{Name: dedup.SignShingles, Type: parquet.Int64},
		{Name: dedup.SignSignature, Type: parquet.String, Optional: true},
	}}
	var scheme schemeFlags
	var idField string
	var ranks rankFlags
	cmd := &cobra.Command{
		Use:   "sign [--scheme NAME] [INPUT…]",
		Short: "Write the MinHash signature of each document",
		Long: `Write the MinHash signature of each document: for each record one row
{"record","id","scheme","version","shingles","signature"}, in the order of the inputs. record is the record's
ID, id its own id if it has one, shingles how many there are, and signature the values in base64, little-endian,
4 or 8 bytes each (docs/formats/signatures.md). Signatures compare only within one scheme, its version, and the same
number of values. A document that has no shingles has no signature (--short, docs/dedup-schemes.md).

With --run DIR it is the first step of a run for ranks (curate dedup start): no rows are written, but the hashes of the
bands of all documents of this rank's files, sorted, into DIR.

` + inputHelp + "\n\nThe schemes:\n\n" + schemesHelp(),
		Example: `  zstd -dc pages.jsonl.zst | curate dedup sign --scheme datatrove > signatures.jsonl
  curate dedup sign --scheme slimpajama -o signatures.parquet raw/*.jsonl.zst
  curate dedup sign --run unique --rank 3 --world-size 16`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("run") {
				if len(args) > 0 {
					return usage("%s with --run: the run has its inputs from curate dedup start", args[0])
				}
				if err := ranks.only(cmd, "run", "rank", "world-size", "jobs", "memory", "tmp", "quiet", "verbose", "log"); err != nil {
					return err
				}
				ranks.stageFlags = flags
				return ranks.runRank(cmd, env, "sign")
			}
			for _, name := range []string{"rank", "world-size"} {
				if cmd.Flags().Changed(name) {
					return usage("--%s belongs to --run DIR; without it, -o DIR/ and globs part the work", name)
				}
			}
			if err := notEmpty(cmd, "id-field"); err != nil {
				return err
			}
			if err := scheme.check(cmd); err != nil {
				return err
			}
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				named, err := dedup.LookupScheme(scheme.name)
				if err != nil {
					return nil, usage("--scheme: %v", err)
				}
				if named, err = named.With(dedup.SchemeOptions{Values: scheme.permutations, Short: scheme.short}); err != nil {
					return nil, usage("--scheme %s: %v", scheme.name, err)
				}
				id, err := record.ParsePath(idField)
				if err != nil {
					return nil, usage("--id-field: %v", err)
				}
				st, err := dedup.NewSign(dedup.SignConfig{Field: s.textField, IDField: id, Scheme: named})
				if err != nil {
					return nil, usage("%v", err)
				}
				return []stage.Stage{st}, nil
			})
		},
	}
	scheme.register(cmd, true)
	cmd.Flags().StringVar(&idField, "id-field", "id", "dotted `PATH` of a record's id, which it need not have")
	flags.registerRows(cmd)
	ranks.registerDir(cmd)
	ranks.registerRank(cmd)
	return cmd
}
