package main

import (
	"github.com/spf13/cobra"
)

// rankVerb makes the command of a step, whose Long is completed.
func rankVerb(env environment, verb, short, long string, shared bool) (*cobra.Command, *rankFlags) {
	flags := &rankFlags{}
	use := verb + " --run DIR"
	if shared {
		use += " [--rank I --world-size N]"
		long += `

Rank I of N does the I-th of every N parts. A part that is done already is not done again; one that two processes do
at once has the same bytes whoever is last.`
	} else {
		flags.world = 1
	}
	cmd := &cobra.Command{
		Use:     use,
		Short:   short,
		Long:    long + "\n\nIt is a step of a run for ranks: see curate dedup start.",
		Example: "  curate dedup " + verb + " --run unique",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return flags.runRank(cmd, env, verb) },
	}
	flags.registerDir(cmd)
	if shared {
		cmd.Example += " --rank 3 --world-size 16"
		flags.registerRank(cmd)
	}
	flags.registerMachine(cmd)
	return cmd, flags
}

func newDedupPairs(env environment) *cobra.Command {
	cmd, _ := rankVerb(env, "pairs", "Find the documents that share a band of their signatures with another", `Find the documents that share a bucket (a band of their signatures) with another, in a range of the
buckets' hashes, and pair each with the first of its bucket, in the order of the inputs.

Parts are ranges (curate dedup start --ranges). Memory goes to sorting, 8 MiB, and to reading.`, true)
	return cmd
}

func newDedupSets(env environment) *cobra.Command {
	cmd, _ := rankVerb(env, "sets", "Write the shingles of the documents that are to be compared", `Write the set of shingles of each document that shares a bucket with another, and its length, source and own id.

Parts are files, which are read for a second time. A set takes 8 bytes a shingle, on disk; a signature (start --verify
sketch) 4 or 8 a value.`, true)
	return cmd
}

func newDedupVerify(env environment) *cobra.Command {
	cmd, _ := rankVerb(env, "verify", "Compare documents with the first of each of their buckets", `Compare documents, by Jaccard's similarity of their sets of shingles, with the first document of each bucket
that they are in (start --verify says how). Those below the threshold go on to rehub.

Parts are shares of those first documents, so that a pair is compared once however many buckets it shares. It holds 20
bytes of --memory for each document that is to be compared in the whole run, 24 with --keep longest or source-order, 28
with best; if they do not fit, the error says how much it takes.`, true)
	return cmd
}

func newDedupRehub(env environment) *cobra.Command {
	cmd, _ := rankVerb(env, "rehub", "Compare documents that are not similar to their bucket's first among themselves", `Compare, in each bucket, the documents that are not similar to its first one with the first of them, and those
that are not similar to that one among themselves again, three times in all.

Parts are ranges of buckets, whose rounds need nothing of each other. Memory is that of verify.`, true)
	return cmd
}

func newDedupComponents(env environment) *cobra.Command {
	cmd, _ := rankVerb(env, "components", "Bring similar pairs together to clusters", `Bring all similar pairs together to clusters, by union and find. One process does it; it holds 4 bytes of --memory
for each document that was to be compared.`, false)
	return cmd
}

func newDedupDecide(env environment) *cobra.Command {
	cmd, _ := rankVerb(env, "decide", "Decide who is kept, cluster by cluster", `Decide in each cluster who is kept: a document goes only for one that is kept and that it is similar to. One process
does it; it holds what verify holds, and the pairs of one cluster. It also writes what is found beside the decision,
dedup.json, dedup.evidence.jsonl.zst and dedup.clusters.jsonl.zst in _curate/, and says which sources lose much.`, false)
	return cmd
}

func newDedupApply(env environment) *cobra.Command {
	cmd, flags := rankVerb(env, "apply", "Write the kept documents, or finish a run for ranks", `Write the parts of the kept documents of this rank's files, and those of the dropped ones with their reasons.

With --finish, when all ranks are through: see that the counts of all steps add up and that all parts are there, write
journal, ledger and "done", and remove what the ranks made for one another. Then DIR is an output directory as any
other, and --max-quarantined decides on the exit code.`, true)
	var finish bool
	cmd.Flags().BoolVar(&finish, "finish", false, "make the directory whole, when all ranks are through")
	cmd.Flags().StringVar(&flags.maxQuarantined, "max-quarantined", "0", "with --finish: `N` or P%: more quarantined records than that end with exit code 3")
	cmd.Example += "\n  curate dedup apply --run unique --finish"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case !finish && cmd.Flags().Changed("max-quarantined"):
			return usage("--max-quarantined belongs to --finish, which counts what all ranks have quarantined")
		case finish && (cmd.Flags().Changed("rank") || cmd.Flags().Changed("world-size")):
			return usage("--finish is for one process, when all ranks are through; leave --rank and --world-size out")
		case finish:
			return flags.runRank(cmd, env, "apply --finish")
		}
		return flags.runRank(cmd, env, "apply")
	}
	return cmd
}
