package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/dedup"
	"curate/internal/human"
	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/record"
)

// A plan looks at so many files, spread evenly, and at so many bytes of JSON Lines of them together: two seconds.
const (
	planFiles = 8
	planBytes = 64 << 20
)

var errEnough = errors.New("enough")

// planDedup says what near-duplicate removal of the inputs takes, from a look at a few of them.
func planDedup(ctx context.Context, w io.Writer, cmd *cobra.Command, env environment, f *stageFlags, o *dedupOptions, args []string) error {
	f.given = cmd.Flags().Changed
	s, err := f.resolve()
	if err != nil {
		return err
	}
	show := newDisplay(env.stderr, f)
	defer show.close()
	s.log = show.log
	o.textField = s.textField
	m, err := o.newMinHash("minhash")
	if err != nil {
		return usage("%v", err)
	}
	if s.splitSize == 0 {
		s.splitSize = pipeline.DefaultSplitSize(nil)
	}
	look, err := lookAtInputs(ctx, s, m, args)
	if err != nil {
		return err
	}
	sample := look.sample
	p := m.Plan(sample, pipeline.FinishMemory(s.memory), s.workers)
	splits := max(int64(len(look.manifest.Files)), sample.Bytes/s.splitSize)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("input", "%s, %s; about %s of JSON Lines, %s documents of %.0f shingles", plural(len(look.manifest.Files), "file", "files"), pipeline.FormatBytes(look.manifest.Size()),
		pipeline.FormatBytes(sample.Bytes), human.Thousands(sample.Documents), sample.Shingles)
	line("runs", "about %s of sorted keys, one a split; three readings of the input", human.Thousands(splits))
	line("disk", "%s for keys, twice that while they are sorted, and %s for each document that shares a bucket with another: %s if one in ten does", pipeline.FormatBytes(p.Keys),
		pipeline.FormatBytes(p.Candidate), pipeline.FormatBytes(p.Candidate*sample.Documents/10))
	line("memory", "within %s (--memory); %d bytes for each document that shares a bucket with another, and %s of them fit", pipeline.FormatBytes(s.memory), p.Held, human.Thousands(p.Most))
	line("time", "about %s with %s", recipe.About(p.Seconds/float64(max(1, s.workers))), plural(s.workers, "worker", "workers"))
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "estimates, from %s documents of %s and the speeds in docs/performance.md; nothing was run\n", human.Thousands(look.docs), plural(look.files, "file", "files"))
	return err
}

// inputLook is what was seen of the inputs.
type inputLook struct {
	manifest *corpus.Manifest
	sample   dedup.Sample
	docs     int64 // that were looked at
	files    int   // the same
}

// lookAtInputs looks at a part of the inputs as m would.
func lookAtInputs(ctx context.Context, s *settings, m *dedup.MinHash, args []string) (*inputLook, error) {
	manifest, err := expand(ctx, s.log, args)
	if err != nil {
		return nil, err
	}
	if manifest.HasStream() {
		return nil, usage("--plan looks at the inputs before they are read, and standard input can be read once; name files")
	}
	if len(manifest.Files) == 0 {
		return nil, usage("--plan: there is no file to look at")
	}
	var (
		stored, lines, docs, shingles int64 // of what was looked at
		sc                            dedup.Scratch
		text                          []byte
		st                            = storage()
	)
	files := min(planFiles, len(manifest.Files))
	for i := range files {
		file := manifest.Files[i*len(manifest.Files)/files]
		var consumed atomic.Int64
		seen := int64(0)
		look := looking{maxRecord: s.recordLimit(), textField: s.textField.Names()[0], consumed: &consumed, bad: func(string, *record.Record) error { return nil }}
		err := look.eachOf(ctx, st, nil, file, func(_ string, r *record.Record) error {
			t, err := r.Text(s.textField, &text)
			if err != nil {
				return nil //nolint:nilerr // the run quarantines it
			}
			docs++
			seen += int64(len(r.Line)) + 1
			shingles += int64(m.CountShingles(t, &sc))
			if seen >= planBytes/int64(files) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, err
		}
		stored += consumed.Load()
		lines += seen
	}
	if docs == 0 {
		return nil, fmt.Errorf("there is no document in %s; see --text-field", plural(files, "file that was looked at", "files that were looked at"))
	}
	scale := float64(max(0, manifest.Size())) / float64(max(1, stored))
	return &inputLook{manifest, dedup.Sample{Documents: int64(float64(docs) * scale), Bytes: int64(float64(lines) * scale), Shingles: float64(shingles) / float64(docs)}, docs, files}, nil
}

// rankPlanFlags are those of a plan for ranks.
type rankPlanFlags struct {
	on             bool
	size, overlaps string
}

func (f *rankPlanFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.on, "plan", false, "look at a part of the inputs, say what each step would take (CPU, disk, memory), and start nothing")
	fs.StringVar(&f.size, "plan-size", "", "with --plan: as if the inputs had `SIZE` of JSON Lines, such as 10TiB")
	fs.StringVar(&f.overlaps, "plan-duplicates", fmt.Sprintf("%.0f%%", 100*dedup.UsualOverlap.Share), "with --plan: `SHARE` of the documents that have near-duplicates, which no look says")
}

func (f *rankPlanFlags) check(cmd *cobra.Command) error {
	for _, name := range []string{"plan-size", "plan-duplicates"} {
		if !f.on && cmd.Flags().Changed(name) {
			return usage("--%s belongs to --plan", name)
		}
	}
	return nil
}

// planRanks says what the steps of a run for ranks take.
func (f *rankPlanFlags) planRanks(ctx context.Context, w io.Writer, s *settings, m *dedup.MinHash, ranges int, args []string) error {
	o := dedup.UsualOverlap
	var err error
	if o.Share, err = parseShare("--plan-duplicates", f.overlaps); err != nil {
		return err
	}
	size := int64(0)
	if f.size != "" {
		if size, err = parseSize("--plan-size", f.size); err != nil {
			return err
		}
	}
	look, err := lookAtInputs(ctx, s, m, args)
	if err != nil {
		return err
	}
	sample := look.sample
	files := fmt.Sprintf("%s, %s", plural(len(look.manifest.Files), "file", "files"), pipeline.FormatBytes(look.manifest.Size()))
	if size > 0 {
		times := float64(size) / float64(max(1, sample.Bytes))
		sample.Bytes, sample.Documents = size, int64(float64(sample.Documents)*times)
		files = "as if it were " + pipeline.FormatBytes(size)
	}
	p, err := m.PlanRanks(sample, o, ranges)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "input    %s; about %s of JSON Lines, %s documents of %.0f shingles\n", files, pipeline.FormatBytes(sample.Bytes), human.Thousands(sample.Documents), sample.Shingles)
	fmt.Fprintf(w, "assumed  %.0f %% of them in groups of %d, %g similar: %s share a bucket with another, %s pairs are compared\n",
		100*o.Share, o.Group, o.Similarity, human.Thousands(p.Candidates), human.Thousands(p.Compared))
	if p.Candidates > dedup.MaxCandidates {
		fmt.Fprintf(w, "refused  a run has at most %s that share a bucket: part the corpus, or give less common --bands\n", human.Thousands(dedup.MaxCandidates))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "step\tat most\tCPU\twrites\t--memory of each")
	writes, seconds := int64(0), 0.0
	for _, step := range p.Steps {
		parts, memory := "1 process", ""
		switch rankSteps[stepOf(step.Name)].unit {
		case "files":
			parts = "a rank a file"
		case "ranges":
			parts = plural(ranges, "rank", "ranks")
		}
		if step.Memory > 0 {
			memory = pipeline.FormatBytes(pipeline.MemoryFor(step.Memory))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", step.Name, parts, coreTime(step.Seconds), pipeline.FormatBytes(step.Writes), memory)
		writes, seconds = writes+step.Writes, seconds+step.Seconds
	}
	fmt.Fprintf(t, "all\t\t%s\t%s\t\n", coreTime(seconds), pipeline.FormatBytes(writes))
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "estimates, from %s documents of %s and what docs/scale.md has measured; nothing was run\n", human.Thousands(look.docs), plural(look.files, "file", "files"))
	return err
}

// coreTime says seconds of one core; above an hour in hours, which cores are billed in.
func coreTime(seconds float64) string {
	if seconds < 3600 {
		return recipe.About(seconds)
	}
	return human.Thousands(int64(seconds/3600+0.5)) + " h"
}
