package main

import (
	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/pipeline"
)

// onlineFlags let dedup decide in one pass.
type onlineFlags struct {
	on     bool
	window int
}

// onlineLeast is what remembering gets of the least memory.
const onlineLeast = 16 * pipeline.MiB

func (o *onlineFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&o.on, "online", false, "decide about each document at first sight, in one pass: it goes if it is a duplicate of one before it that was kept (docs/dedup-online.md)")
	fs.IntVar(&o.window, "online-window", 0, "online: remember the last `N` documents that were kept, and forget older ones; default all, as far as --memory goes")
}

// check is what is wrong with the flags.
func (o *onlineFlags) check(cmd *cobra.Command, f *stageFlags, chosen []*dedupMethod, keep *perMethod) error {
	given := cmd.Flags().Changed
	first := chosen[0].name
	switch {
	case given("online-window") && !o.on:
		return usage("--online-window says what --online forgets; give --online, too")
	case given("online-window") && o.window < 1:
		return usage("--online-window %d: at least 1", o.window)
	case o.on && (len(chosen) > 1 || !chosen[0].finds):
		return usage("--online decides about each document by one method, exact, url or minhash; leave it out, or the others")
	case o.on && keep.of(first) != dedup.KeepFirst:
		return usage("--keep %s needs to know all documents, and --online decides at the first sight of each; leave one of them out", keep.of(first))
	}
	for _, name := range append([]string{"verify", "id-field"}, decideFlags...) {
		if o.on && given(name) {
			return usage("--%s is of what is decided when all documents are known, and --online decides at the first sight of each; leave one of them out", name)
		}
	}
	if o.on {
		f.reserved, f.reservedFor = onlineLeast, "what --online remembers"
	}
	return nil
}

// options gives what is remembered three quarters of the memory that nothing else needs.
func (o *onlineFlags) options(f *stageFlags, s *settings) *dedup.OnlineOptions {
	if free := s.memory - pipeline.LeastMemory(s.workers, s.out, s.drop, s.quar, s.sig) - onlineLeast; free > 0 {
		f.reserved += free / 4 * 3
	}
	return &dedup.OnlineOptions{Window: o.window, Memory: f.reserved}
}
