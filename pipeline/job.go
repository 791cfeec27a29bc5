package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"curate/corpus"
	"curate/corpus/parquet"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/internal/human"
	"curate/record"
	"curate/stage"
)

// Target is where an output goes: nowhere, to a stream (Path "-"), to one file, or to a directory of parts.
type Target struct {
	Path   string
	File   bool
	Format corpus.Format
}

// name is how messages call it.
func (t *Target) name() string { return strings.TrimSuffix(t.Path, "/") }

// ParseTarget reads what was given to -o, --dropped and the like. parts is the format of a directory;
// a stream is plain JSON Lines.
func ParseTarget(path string, parts corpus.Format) (Target, error) {
	if path == "" || path == "-" {
		return Target{Path: path}, nil
	}
	f, file, err := corpus.OutputFormat(path)
	if !file {
		f = parts
	}
	return Target{Path: path, File: file, Format: f}, err
}

// Job is one command's work: inputs through stages to outputs.
type Job struct {
	Program   string // "curate 0.1.0", for config.json
	Store     store.Store
	Manifest  *corpus.Manifest
	Codec     string // of the inputs, "" by their names
	TextField string // what the text of formats without names is called
	// FieldFlags are the flags that name fields, by field, where that is another than --text-field.
	FieldFlags map[string]string
	Repair     record.Repairs
	Stages     []stage.Stage
	Meter      *Meter // nil measures nothing

	Out, Dropped, Quarantine Target
	// Signals has a row for every record that is read, in order. A Job of more than one phase has none.
	Signals Target
	// SignalColumns are columns that they have as Parquet, whatever the first rows hold, and Columns those that Out has.
	SignalColumns, Columns []parquet.Column
	Ledger                 string // path
	// Findings of stages that are wanted elsewhere than in the output directory.
	Findings []Finding

	Workers   int
	Memory    int64 // bytes of RSS
	MaxRecord int   // bytes; 0 is the default, DefaultMaxRecord
	// RecordCost is how many bytes of memory a byte of a long line may take at a time, in all stages; 0 is
	// DefaultRecordCost. It bounds MaxRecord.
	RecordCost     int64
	SplitSize      int64 // bytes; 0 is the default, DefaultSplitSize
	ChunkSize      int   // bytes; 0 goes by Memory. The output does not depend on it
	MaxQuarantined Allowance
	AllowedBy      string // what MaxQuarantined is called to the user, if not --max-quarantined
	Strict         bool
	Restart        bool   // begin a directory anew
	KeepDropped    bool   // in the output directory, if Dropped names no other place
	Tmp            string // folder for what must be kept until the end of a run without a directory

	Stdin    io.Reader
	Stdout   io.Writer
	Log      *slog.Logger
	Progress *Progress
	Now      func() time.Time // for timing.json alone

	tune func(*Budget) // tests make windows tight with it
}

// Result of a job that came to its end.
type Result struct {
	Counts Counts
	// Phase is the one, of Phases, that a run which failed or was stopped was in.
	Phase, Phases int
	// Before says that an earlier run of the same command had already finished: nothing was done.
	Before bool
}

// UsageError is a command that cannot be meant: exit code 2.
type UsageError struct{ Problem string }

func (e *UsageError) Error() string { return e.Problem }

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// QuarantineError says that more records were quarantined than allowed: exit code 3. The outputs are whole.
type QuarantineError struct {
	Quarantined, Read int64
	Allowed           Allowance
	By                string // what sets it
	Kept              string // where they are, "" if nowhere
}

func (e *QuarantineError) Error() string {
	where := "; give --quarantine PATH to keep them"
	if e.Kept != "" {
		where = "; they are in " + e.Kept
	}
	return fmt.Sprintf("%s of %s records were quarantined, more than %s %s allows%s. Mend the input, or raise %[3]s", human.Thousands(e.Quarantined), human.Thousands(e.Read), e.By, e.Allowed, where)
}

// Allowance is how many records may be quarantined: a number, or a share of those read.
type Allowance struct {
	N       int64
	Percent float64
	isShare bool
}

// ParseAllowance reads "10" or "0.1%".
func ParseAllowance(s string) (Allowance, error) {
	if p, ok := strings.CutSuffix(s, "%"); ok {
		v, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil || !(v >= 0 && v <= 100) {
			return Allowance{}, fmt.Errorf("%q is no share from 0%% to 100%%", s)
		}
		return Allowance{Percent: v, isShare: true}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return Allowance{}, fmt.Errorf("%q is neither a number of records nor a share such as 0.1%%", s)
	}
	return Allowance{N: n}, nil
}

func (a Allowance) String() string {
	if a.isShare {
		return strconv.FormatFloat(a.Percent, 'g', -1, 64) + "%"
	}
	return strconv.FormatInt(a.N, 10)
}

// Exceeded says whether n of read records are too many.
func (a Allowance) Exceeded(n, read int64) bool {
	if a.isShare {
		return float64(n)*100 > a.Percent*float64(read)
	}
	return n > a.N
}

// Run does the job. Cancelling ctx stops reading and finishes what is in hand; the error is then the
// context's cause.
func (j *Job) Run(ctx context.Context) (*Result, error) {
	if err := j.check(ctx); err != nil {
		return nil, err
	}
	run := j.runStream
	if j.intoDir() {
		run = j.runDir
	}
	res, err := run(ctx)
	if res != nil {
		res.Phase, res.Phases = int(j.Progress.Phase.Load()), int(j.Progress.Phases.Load())
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = context.Cause(ctx) // who stopped the run says more than that it was stopped
	}
	return res, err
}

func (j *Job) intoDir() bool { return j.Out.Path != "" && j.Out.Path != "-" && !j.Out.File }

// check looks at everything that can be wrong before a byte is written.
func (j *Job) check(ctx context.Context) error {
	if j.SplitSize < 0 {
		return usage("--split-size must be at least 1 byte")
	}
	intoDir := j.intoDir()
	if j.Out.Format.Parquet && !j.Out.File && !intoDir {
		return usage("Parquet is not written to standard output, since it is read from its end; give -o FILE.parquet, or -o DIR with --format parquet")
	}
	seen := map[string]string{}
	for _, f := range j.Manifest.Files {
		if f.Path == corpus.Stdin {
			continue
		}
		name := corpus.RealPath(f.Location())
		seen[name] = "an input"
		if intoDir && corpus.Below(name, corpus.RealPath(j.Out.Path)) {
			return usage("-o %s: the input %s lies in it; write elsewhere", j.Out.Path, f.Path)
		}
		if intoDir && !utf8.ValidString(f.Path) {
			return usage("%q: the name is not valid UTF-8, so the manifest of an output directory cannot hold it; rename the file", f.Path)
		}
	}
	type named struct{ flag, path string }
	paths := []named{
		{"-o", j.Out.Path}, {"--dropped", j.Dropped.Path}, {"--quarantine", j.Quarantine.Path}, {"--signals", j.Signals.Path}, {"--ledger", j.Ledger},
	}
	for _, f := range j.Findings {
		if !f.To.File {
			return usage("%s %s: is one file; name it .jsonl, .jsonl.gz, .jsonl.zst or .parquet", f.Flag, f.To.Path)
		}
		paths = append(paths, named{f.Flag, f.To.Path})
	}
	for _, o := range paths {
		if o.path == "" || o.path == "-" && o.flag == "-o" {
			continue
		}
		if o.path == "-" {
			return usage("%s: standard output is for the kept records; give a path", o.flag)
		}
		if info, err := j.Store.Stat(ctx, o.path); err == nil && info.Size < 0 {
			return usage("%s %s: is neither a regular file nor a directory; write to standard output and redirect that", o.flag, o.path)
		}
		name := corpus.RealPath(o.path)
		if other, twice := seen[name]; twice {
			return usage("%s %s: that path is %s already", o.flag, o.path, other)
		}
		seen[name] = o.flag
		if intoDir && o.flag != "-o" && corpus.Below(name, corpus.RealPath(j.Out.Path)) {
			return usage("%s %s: lies in the directory of the kept records, where a reader would take it for one of its parts; write beside it", o.flag, o.path)
		}
	}
	for _, s := range j.Stages {
		if _, serial := s.(stage.Serial); serial && intoDir {
			return usage("-o %s: %s decides by what it has seen and remembers, so a killed run cannot go on, as one with a directory does; give a file with -o, or leave it out", j.Out.Path, s.Spec().Name)
		}
	}
	if n := len(j.Stages); n > 0 && isSet(j.Stages[n-1].Spec().Result) && !intoDir {
		return usage("%s makes a folder of files: give a directory with -o", j.Stages[n-1].Spec().Name)
	}
	if j.Restart && !intoDir {
		return usage("--restart begins an output directory anew; without -o DIR there is none")
	}
	for _, t := range []Target{j.Dropped, j.Quarantine, j.Signals} {
		if t.Path != "" && !t.File && intoDir {
			if files, err := j.Store.List(ctx, t.Path); err == nil && len(files) > 0 && !j.Restart {
				return usage("%s: is not empty; its parts and this run's could not be told apart. Give another directory or a file", t.Path)
			}
		}
		if t.Path != "" && !t.File && !intoDir {
			if _, err := j.Store.Stat(ctx, t.Path); err == nil {
				return usage("%s is not the name of a data file; name it .jsonl, .jsonl.gz, .jsonl.zst or .parquet", t.Path)
			}
			return usage("%s: without -o DIR there are no parts, so this output is one file; name it .jsonl, .jsonl.gz, .jsonl.zst or .parquet", t.Path)
		}
	}
	return nil
}

const (
	usualSplit    = 64 * MiB
	inFlightSplit = 1 * MiB // where each record has cost a question to a server, little is to be done again
)

// DefaultSplitSize is the default size of a split in bytes, for a job with these stages.
func DefaultSplitSize(stages []stage.Stage) int64 {
	if slices.ContainsFunc(stages, func(s stage.Stage) bool { return s.Spec().InFlight > 0 }) {
		return inFlightSplit
	}
	return usualSplit
}

func (j *Job) splitSize() int64 { return cmp.Or(j.SplitSize, DefaultSplitSize(j.Stages)) }

func (j *Job) openOptions(budget Budget, maxRecord int, from split.Position, grow func(context.Context) error) corpus.OpenOptions {
	return corpus.OpenOptions{
		Options: split.Options{
			SplitSize: j.splitSize(), ChunkSize: budget.ChunkSize, MaxRecord: maxRecord, From: from, Grow: grow, Columns: j.columns(),
		},
		Codec: j.Codec, MaxWindow: budget.Window, Stdin: j.Stdin, Consumed: &j.Progress.Consumed,
	}
}

func (r *run) openOptions(from split.Position, grow func(context.Context) error) corpus.OpenOptions {
	return r.job.openOptions(r.budget, r.max, from, grow)
}

// columns are the fields that the job reads, where it writes no records; nil for all.
func (j *Job) columns() []record.Path {
	if len(j.Stages) != 1 || j.Stages[0].Spec().Result == "" {
		return nil
	}
	s := j.Stages[0].Spec()
	return slices.Concat(s.Needs, s.Uses)
}

// newRun prepares phase n, from 1, of the job.
func (j *Job) newRun(maxRecord, n int, ph phase, in *handover, v *voice) (*run, error) {
	if need := j.recordCost() * int64(maxRecord); j.Memory < need && maxRecord > maxReduceChunk {
		return nil, usage("lines of up to %s (--max-record) need --memory %s at least, %d times as much", FormatBytes(int64(maxRecord)), FormatBytes(need), j.recordCost())
	}
	// A later phase without a copy has a Partial that weighs more than the records, and so no more than its share.
	use := Use{Reduce: ph.reducer != nil, NoCopy: ph.noCopy && in == nil, InFlight: ph.inFlight, Signals: j.Signals.Path != ""}
	if use.Reduce {
		use.Held = ph.reducer.Spec().Held
	}
	if in.source() == nil {
		use.ByRows = slices.ContainsFunc(j.Manifest.Files, corpus.File.ByRows)
	} else {
		use.Chunk = copyFrame + copyFrame/4
	}
	if lanes, streams := tables(j.Out, j.Dropped, j.Quarantine, j.Signals); ph.writes || !j.intoDir() {
		use.LaneTables, use.Tables = lanes, streams
	}
	use.LaneUploads, use.Uploads = j.uploads(ph)
	turns, files := newTurns(ph.maps), len(j.Manifest.Files)
	if turns != nil {
		files = min(files, 1) // at a time
	}
	budget, err := NewBudget(j.Memory, j.Workers, files, maxRecord, use)
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	if turns != nil {
		budget.ChunkSize = min(budget.ChunkSize, batchBytes)
	}
	if j.ChunkSize > 0 {
		budget.ChunkSize = max(j.ChunkSize, int(use.Chunk)) // copies come in frames
	}
	if j.tune != nil {
		j.tune(&budget)
	}
	r := &run{
		job: j, store: j.Store, phase: n, maps: ph.maps, reducer: ph.reducer, writes: ph.writes, noCopy: ph.noCopy, in: in, voice: v, turns: turns,
		budget: budget, max: maxRecord, done: map[int][]Entry{}, replay: map[int]*replay{},
	}
	if in != nil && in.apply != nil {
		r.maps = append([]stage.Mapper{in.apply}, r.maps...)
	}
	if ph.reducer != nil {
		r.maps = append(slices.Clip(r.maps), ph.reducer.Key())
	}
	return r, nil
}

const (
	probeRecords = 1000 // readable ones that may lack a field before a run is refused
	probeNames   = 20   // fields that the refusal lists
)

// wanted is what a run must find among its first readable records: a field, or a record that a stage accepts.
type wanted struct {
	field   record.Path
	accepts func(*record.Record) error // nil for a field
	found   bool
	first   error // why it does not accept the first record
}

func (w *wanted) look(r *record.Record) (found bool) {
	switch {
	case w.found:
	case w.accepts == nil:
		w.found = r.Has(w.field)
	default:
		err := w.accepts(r)
		if w.found = err == nil; w.first == nil {
			w.first = err
		}
	}
	return w.found
}

// probe refuses a run of whose records none has a field that a stage needs, or is accepted by a stage: a wrong
// --text-field would else quarantine the whole corpus. What it reads of a stream is kept for the run.
func (r *run) probe(ctx context.Context) error {
	var needs []wanted
	for _, s := range r.job.Stages {
		spec := s.Spec()
		for _, p := range spec.Needs {
			needs = append(needs, wanted{field: p})
		}
		if spec.Accepts != nil {
			needs = append(needs, wanted{accepts: spec.Accepts})
		}
	}
	if len(needs) == 0 {
		return nil
	}
	records, names := 0, []string(nil)
	known := map[string]bool{}
	b := record.Batch{Repair: r.job.Repair}
	look := func(c *split.Chunk, codec split.Codec) (enough bool) {
		for at := (split.Cursor{}); !c.Done(at) && records < probeRecords; {
			b.Reset()
			at = codec.Decode(c, at, &b, 100, batchBytes, r.job.TextField)
			b.Parse()
			for i := range b.Records {
				rec := &b.Records[i]
				if rec.Outcome != record.Keep || records == probeRecords {
					continue
				}
				records++
				all := true
				for k := range needs {
					all = needs[k].look(rec) && all
				}
				if all {
					return true
				}
				for _, n := range rec.Names() {
					if !known[n] && len(names) < probeNames {
						known[n] = true
						names = append(names, n)
					}
				}
			}
		}
		return records >= probeRecords
	}
	for _, f := range r.job.Manifest.Files {
		enough, err := r.probeFile(ctx, f, look)
		if errors.Is(err, errUndecided) {
			return nil
		}
		if err != nil {
			return err
		}
		if enough {
			break
		}
	}
	for _, w := range needs {
		switch {
		case w.found || records == 0:
		case w.accepts != nil && records == 1:
			return usage("the only readable record cannot be used: %v", w.first)
		case w.accepts != nil:
			return usage("none of the first %d readable records can be used; of the first: %v", records, w.first)
		case records == 1:
			return usage("the only readable record has no field %q; it has %s. Name the field with %s", w.field, strings.Join(names, ", "), r.job.fieldFlag(w.field.String()))
		default:
			return usage("none of the first %d readable records has the field %q; they have %s. Name the field with %s", records, w.field, strings.Join(names, ", "), r.job.fieldFlag(w.field.String()))
		}
	}
	return nil
}

// errUndecided ends a probe that would have to read or hold too much: the run decides record by record.
var errUndecided = errors.New("undecided")

const probeBytes = 64 * MiB // of a file

func (r *run) probeFile(ctx context.Context, f corpus.File, look func(*split.Chunk, split.Codec) bool) (enough bool, err error) {
	rep := &replay{}
	o := r.openOptions(split.Position{}, func(ctx context.Context) error {
		if rep.grow == nil {
			return nil // nothing else is in memory yet
		}
		return rep.grow(ctx)
	})
	limit := int64(probeBytes)
	if f.Stream {
		limit = r.budget.ChunkShare / 2 // what is read of a stream is held
	} else {
		o.Consumed = nil // the run will read these bytes again
	}
	src, err := corpus.Open(ctx, r.job.Store, f, o)
	if err != nil { // the run says so in its place; of a stream, whose first bytes are gone, it cannot find out again
		if rep.err = err; f.Stream {
			r.replay[f.Number] = rep
		}
		return false, nil
	}
	rep.src = src
	if f.Stream {
		r.replay[f.Number] = rep
	} else {
		defer src.Close()
	}
	for size := int64(0); size < limit; {
		var c split.Chunk
		if err := src.Next(ctx, &c); err == io.EOF {
			return false, nil
		} else if err != nil {
			rep.err = err
			return false, ctx.Err()
		}
		if f.Stream {
			rep.chunks = append(rep.chunks, c)
		}
		if look(&c, src.Codec()) {
			return true, nil
		}
		size += int64(len(c.Buf))
	}
	return false, errUndecided
}

func (j *Job) fieldFlag(field string) string { return cmp.Or(j.FieldFlags[field], "--text-field") }
