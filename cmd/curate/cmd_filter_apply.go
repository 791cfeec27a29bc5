package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/parquet"
	"curate/filter"
	"curate/pipeline"
	"curate/record"
)

func newFilterApply(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept"}
	var profile string
	cmd := &cobra.Command{
		Use:   "apply --profile NAME [SIGNALS…]",
		Short: "Apply a profile's thresholds to signals, without reading text",
		Long: `Apply the thresholds of a profile to signals that curate filter --signals has written, without reading any
text: decisions and reasons are those of curate filter with the same profile on the text.

For each row it writes {"record","id","verdict","rule","reason"}: record is the record's ID, id the
user's own if there is one, verdict keep, drop or, of a record without signals, quarantine.

The signals must hold everything that the profile compares, computed as the profile computes it: with
the same words, the same lists and the same parameters that are no thresholds. Where a rule edits the text
for the rules behind it (c4_quality in fineweb), all its parameters must be the same.

SIGNALS is files, directories or globs, JSON Lines or Parquet, which is faster by far since only the
columns needed are read; or an output directory, whose signals are meant. None or - is standard input.`,
		Example: `  curate filter --profile gopher --signals signals.parquet raw/*.jsonl.zst > kept.jsonl
  curate filter apply --profile strict.yaml signals.parquet > decisions.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if profile == "" {
				return usage("filter apply needs --profile NAME")
			}
			if err := errors.Join(notEmpty(cmd, "output", "ledger"), flags.checkLog()); err != nil {
				return err
			}
			target, err := pipeline.ParseTarget(flags.out, corpus.DefaultFormat)
			if err != nil {
				return usage("-o %v", err)
			}
			if flags.out != "" && flags.out != "-" && !target.File {
				return usage("-o %s is not the name of a data file; name it .jsonl, .jsonl.gz, .jsonl.zst or .parquet", flags.out)
			}
			f, err := filterNamed(profile, filterConfig(cmd.Context(), record.Path{}))
			if err != nil {
				return usage("--profile: %v", err)
			}
			if args, err = inputsOr(env.stdin, args, "the signals are"); err != nil {
				return err
			}
			d, err := newDecider(f)
			if err != nil {
				return usage("--profile: %v", err)
			}
			show := newDisplay(env.stderr, &flags)
			defer show.close()
			var counts *pipeline.Counts
			write := func(w io.Writer) (err error) {
				counts, err = applyThresholds(cmd.Context(), env.stdin, args, f, d, w)
				return err
			}
			if target.File {
				err = writeWhole(cmd.Context(), flags.out, func(w io.Writer) error { return writeLines(w, target.Format, write) })
			} else {
				err = writeLines(env.stdout, corpus.Format{}, write)
			}
			if err != nil {
				return err
			}
			if flags.ledger != "" {
				b, err := counts.Marshal()
				if err != nil {
					return err
				}
				if err := writeWhole(cmd.Context(), flags.ledger, func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
					return err
				}
			}
			show.log.Info(counts.Summary(flags.summary))
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&profile, "profile", "", "`NAME` of the profile (required)")
	fs.StringVarP(&flags.out, "output", "o", "", "`PATH` of the decisions: a file by its data extension (.jsonl, .jsonl.gz, .jsonl.zst, .parquet); default standard output")
	fs.StringVar(&flags.ledger, "ledger", "", "`PATH` for the counts, as JSON")
	fs.BoolVarP(&flags.quiet, "quiet", "q", false, "warnings and errors only")
	fs.BoolVarP(&flags.verbose, "verbose", "v", false, "say more")
	fs.StringVar(&flags.logFormat, "log", "text", "`FORMAT` of messages: text or json")
	completeProfiles(cmd, "profile")
	return cmd
}

// decisionBytes is how many bytes of decisions are gathered for a write: more than a buffer behind it has, which would copy them.
const decisionBytes = writeBuffer + 1

// writeBuffer is the size of what gathers lines for a file.
const writeBuffer = 256 << 10

// applyThresholds writes a line for each row and counts as a ledger does.
func applyThresholds(ctx context.Context, stdin *os.File, args []string, f *filter.Filter, d *decider, w io.Writer) (*pipeline.Counts, error) {
	spec := f.Spec()
	stage := pipeline.StageCounts{Name: spec.Name, Version: spec.Version, Dropped: map[string]int64{}}
	read := pipeline.StageCounts{Name: "read", Dropped: map[string]int64{}}
	tails := make([][]byte, d.t.Tests()+3) // of the lines, by decision
	counts := make([]int64, len(tails))
	for i := range tails {
		tails[i] = appendVerdict(nil, d.t, int32(i)-3)
	}
	var line []byte
	err := eachSignals(ctx, stdin, args, d.reads(nil), d, func(rows *signalRows) error {
		first, err := d.decide(rows)
		if err != nil {
			return err
		}
		for i, n := range first {
			counts[n+3]++
			line = append(line, `{"`+filter.RowRecord+`":`...)
			if id := rows.records[i]; id == parquet.NoInt {
				line = append(line, "null"...)
			} else {
				line = strconv.AppendInt(line, id, 10)
			}
			if id := rows.ids.Of(i); len(id) > 0 {
				line = append(line, `,"`+filter.RowID+`":`...)
				line = append(line, id...)
			}
			line = append(line, tails[n+3]...)
		}
		if len(line) < decisionBytes {
			return nil
		}
		_, err = w.Write(line)
		line = line[:0]
		return err
	})
	if err == nil && len(line) > 0 {
		_, err = w.Write(line)
	}
	if err != nil {
		return nil, err
	}
	for i, n := range counts {
		read.Read += n
		switch decision := int32(i) - 3; decision {
		case quarantinedRow:
			read.Quarantined = n
		case filter.Passes:
			stage.Kept = n
		default:
			if rule, reason := d.t.Reason(decision); n > 0 {
				stage.Dropped[rule+":"+reason] += n
			}
		}
	}
	read.Kept = read.Read - read.Quarantined
	stage.Read = read.Kept
	return &pipeline.Counts{
		Read: read.Read, Kept: stage.Kept, Dropped: stage.Dropped, Quarantined: read.Quarantined, Stages: []pipeline.StageCounts{read, stage},
	}, nil
}

// appendVerdict is the end of a line of decisions.
func appendVerdict(dst []byte, t *filter.Thresholds, decision int32) []byte {
	switch decision {
	case quarantinedRow:
		return append(dst, `,"verdict":"quarantine"}`+"\n"...)
	case filter.Passes:
		return append(dst, `,"verdict":"keep"}`+"\n"...)
	}
	rule, reason := t.Reason(decision)
	dst = append(dst, `,"verdict":"drop","rule":`...)
	dst = strconv.AppendQuote(dst, rule) // letters and digits
	dst = append(dst, `,"reason":`...)
	dst = strconv.AppendQuote(dst, reason)
	return append(dst, "}\n"...)
}

// frameBytes is from how many bytes of lines on a compressed frame ends, with a line: as in a part (docs/formats/part.md).
const frameBytes = 4 << 20

// writeLines writes lines in a format. write gives whole lines in each Write.
func writeLines(w io.Writer, format corpus.Format, write func(w io.Writer) error) error {
	switch {
	case format.Parquet:
		r := parquet.NewRecords(w)
		if err := write(r); err != nil {
			return err
		}
		return r.Close()
	case format.Compression == compress.None:
		b := bufio.NewWriterSize(w, writeBuffer)
		err := write(b)
		if e := b.Flush(); err == nil {
			err = e
		}
		return err
	}
	f, err := newFramer(w, format.Compression)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return err
	}
	return f.flush(true)
}

// framer compresses lines into frames.
type framer struct {
	w      io.Writer
	enc    *compress.Encoder
	raw    []byte
	out    []byte
	frames int
}

func newFramer(w io.Writer, kind compress.Kind) (*framer, error) {
	enc, err := compress.NewEncoder(kind)
	return &framer{w: w, enc: enc}, err
}

func (f *framer) Write(lines []byte) (int, error) {
	f.raw = append(f.raw, lines...)
	return len(lines), f.flush(false)
}

// flush writes the frames that are full, at the end all there is.
func (f *framer) flush(end bool) error {
	for len(f.raw) >= frameBytes || end && (len(f.raw) > 0 || f.frames == 0) {
		n := min(len(f.raw), frameBytes)
		for n > 0 && n < len(f.raw) && f.raw[n-1] != '\n' {
			n++
		}
		f.out = f.enc.AppendFrame(f.out[:0], f.raw[:n])
		f.raw = append(f.raw[:0], f.raw[n:]...)
		f.frames++
		if _, err := f.w.Write(f.out); err != nil {
			return err
		}
	}
	return nil
}
