package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"curate/dedup"
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
	manifest, err := expand(ctx, s.log, args)
	if err != nil {
		return err
	}
	if manifest.HasStream() {
		return usage("--plan looks at the inputs before they are read, and standard input can be read once; name files")
	}
	if len(manifest.Files) == 0 {
		return usage("--plan: there is no file to look at")
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
			return err
		}
		stored += consumed.Load()
		lines += seen
	}
	if docs == 0 {
		return fmt.Errorf("there is no document in %s; see --text-field", plural(files, "file that was looked at", "files that were looked at"))
	}
	scale := float64(max(0, manifest.Size())) / float64(max(1, stored))
	sample := dedup.Sample{Documents: int64(float64(docs) * scale), Bytes: int64(float64(lines) * scale), Shingles: float64(shingles) / float64(docs)}
	p := m.Plan(sample, pipeline.FinishMemory(s.memory), s.workers)
	splits := max(int64(len(manifest.Files)), sample.Bytes/s.splitSize)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("input", "%s, %s; about %s of JSON Lines, %s documents of %.0f shingles", plural(len(manifest.Files), "file", "files"), pipeline.FormatBytes(manifest.Size()),
		pipeline.FormatBytes(sample.Bytes), grouped(sample.Documents), sample.Shingles)
	line("runs", "about %s of sorted keys, one a split; three readings of the input", grouped(splits))
	line("disk", "%s for keys, twice that while they are sorted, and %s for each document that shares a bucket with another: %s if one in ten does", pipeline.FormatBytes(p.Keys),
		pipeline.FormatBytes(p.Candidate), pipeline.FormatBytes(p.Candidate*sample.Documents/10))
	line("memory", "within %s (--memory); %d bytes for each document that shares a bucket with another, and %s of them fit", pipeline.FormatBytes(s.memory), p.Held, grouped(p.Most))
	line("time", "about %s with %s", recipe.About(p.Seconds/float64(max(1, s.workers))), plural(s.workers, "worker", "workers"))
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "estimates, from %s documents of %s and the speeds in docs/performance.md; nothing was run\n", grouped(docs), plural(files, "file", "files"))
	return err
}
