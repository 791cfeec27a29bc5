package pipeline

import (
	"context"
	"errors"
	"io"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/parquet"
	"curate/corpus/store"
)

const (
	// tableMemory: what a Parquet file takes while it is written: a row group of 16 MiB as it grows, the records that
	// decide the columns, a page, an encoder.
	tableMemory = 48 * MiB
	// tableCost: what a byte of a long line takes there, beside what it takes on its way: the value, the page with it,
	// that page compressed.
	tableCost = 4
)

// tables are how many Parquet files the job has open at a time: for each file that it reads, and as streams.
func tables(out Target, others ...Target) (lanes, streams int) {
	if out.Format.Parquet && !out.File {
		lanes++
	}
	for _, t := range append(others, out) {
		if t.File && t.Format.Parquet {
			streams++
		}
	}
	return lanes, streams
}

// LeastMemory is the least Job.Memory for j workers and these outputs.
func LeastMemory(j int, out Target, others ...Target) int64 {
	lanes, streams := tables(out, others...)
	use := Use{LaneTables: lanes, Tables: streams}
	dir := out.Path != "" && out.Path != "-" && !out.File
	for i, t := range append([]Target{out}, others...) {
		switch {
		case dir && i > 0 && t.Path != "" && store.IsURL(out.Path): // its parts are there
			use.Uploads++
		case !dir || i == 0:
			if store.IsURL(t.Path) {
				use.Uploads++
			}
		}
	}
	n, _ := use.least()
	return MinMemory(j) + n
}

// uploads are how many files of a phase are written to a server at a time: by a lane, and by the run beside them.
func (j *Job) uploads(ph phase) (lane, run int) {
	if !j.intoDir() {
		for _, t := range []Target{j.Out, j.Dropped, j.Quarantine, j.Signals} {
			if ph.writes && store.IsURL(t.Path) {
				run++
			}
		}
		return 0, run
	}
	if !store.IsURL(j.Out.Path) {
		return 0, 0 // what lies elsewhere is brought there at the end
	}
	for o, t := range j.targets() { // a quarantine is small
		if t != nil && o != outQuarantine && (o != outKept || ph.writes || !ph.noCopy) {
			lane++
		}
	}
	if ph.reducer != nil {
		lane++
	}
	return lane, 0
}

// CostOf is a Job.RecordCost with what the outputs add to it.
func CostOf(cost int64, out Target, others ...Target) int64 {
	if cost == 0 {
		cost = DefaultRecordCost
	}
	if lanes, streams := tables(out, others...); lanes+streams > 0 {
		cost += tableCost
	}
	return cost
}

// parts is how parts are written of which one file will be made. Of Parquet none can be joined.
func (t *Target) parts() corpus.Format {
	if t.Format.Parquet {
		return corpus.DefaultFormat
	}
	return t.Format
}

// newStream is an output that goes to w. As Parquet, its lines become rows, with the columns given and
// others.
func newStream(f corpus.Format, w io.Writer, columns []parquet.Column) *output {
	o := &output{format: f, stream: w}
	if f.Parquet {
		o.rows = parquet.NewRecords(w, columns...)
		o.stream = o.rows
	}
	return o
}

// copyLines appends the lines of a compressed part to w.
func copyLines(ctx context.Context, st store.Store, w io.Writer, name string) error {
	f, err := st.Open(ctx, name, 0)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	r, err := compress.NewReader(store.UntilDone(ctx, f), corpus.DefaultFormat.Compression, compress.Options{})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}
