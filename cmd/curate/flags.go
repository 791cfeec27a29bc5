package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"curate/corpus"
	"curate/corpus/parquet"
	"curate/corpus/store"
	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

const inputHelp = `INPUT is a file, a glob or a directory of JSON Lines or text, plain or compressed (zstd, gzip, bzip2,
xz), or of Parquet; none or - is standard input, which is JSON Lines, or text with --format text.`

// stageFlags are what every stage command takes: as typed, nothing opened.
type stageFlags struct {
	out, dropped, quarantine, ledger string
	signals                          string           // of a command that has them
	signalColumns                    []parquet.Column // of them, as Parquet
	findings                         []pipeline.Finding
	columns                          []parquet.Column // of the output, as Parquet, beside those that its first rows show
	formats                          []string
	textField                        string
	annotate                         bool
	maxQuarantined                   string
	repair                           []string
	strict, restart                  bool
	workers                          int
	memory, maxRecord, splitSize     string
	tmp                              string
	quiet, verbose                   bool
	logFormat                        string
	printConfig                      bool
	share                            sharing
	noRanks                          bool // the command has ranks of its own

	summary string // the command's word for what has come through: "kept"
	// reserved bytes of --memory are what the stages hold from beginning to end, such as models; the rest is the
	// engine's. reservedFor says what they are for.
	reserved    int64
	reservedFor string
	// chunkSize is how many bytes of input go from hand to hand, where a megabyte keeps a worker for long; 0 goes by
	// the memory.
	chunkSize int
	// recordCost is Job.RecordCost.
	recordCost int64
	fieldFlags map[string]string                          // Job.FieldFlags
	whole      bool                                       // the command has the machine for itself, as a run has
	result     bool                                       // the output is what the command has found, not records
	json       bool                                       // that is one JSON document, in a file .json
	say        func(log *slog.Logger)                     // what else there is to say of a run that came to its end; may be nil
	count      func(log *slog.Logger, c *pipeline.Counts) // the same of what was counted; may be nil
	finished   func(log *slog.Logger, c *pipeline.Counts) // the same where an earlier run had come to its end; may be nil
	live       func() string                              // what the progress says beside records; may be nil
	sees       func(m *corpus.Manifest)                   // is shown the inputs before the run; may be nil
	values     func() yaml.MapSlice                       // what --print-config shows beside the stages; may be nil
	dry        bool                                       // records are looked at, and go nowhere
	sink       bool                                       // records go nowhere, but what is said of them does
	given      func(flag string) bool                     // whether it is on the command line
}

// registerResult is for a command whose output is what it found, not records.
func (f *stageFlags) registerResult(cmd *cobra.Command) {
	f.result = true
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&f.out, "output", "o", "", "`PATH` of the result: a file by its data extension (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), else a directory in which the run can be resumed; default standard output")
	fs.StringSliceVar(&f.formats, "format", nil, "`FORMAT`: text reads every input as text, one document a line; jsonl, jsonl.gz or jsonl.zst is what standard output is written as")
	fs.StringVar(&f.textField, "text-field", "text", "dotted `PATH` of the text in a record")
	f.registerRun(cmd)
}

// registerJSON is for a command whose output is one JSON document.
func (f *stageFlags) registerJSON(cmd *cobra.Command) {
	f.registerResult(cmd)
	f.json = true
	fs := cmd.Flags()
	fs.Lookup("output").Usage = "`PATH` of the result: a file if its name ends with .json, else a directory in which the run can be resumed; default standard output"
	fs.Lookup("format").Usage = "`FORMAT`: text reads every input as text, one document a line"
}

// target says where -o goes.
func (f *stageFlags) target(parts corpus.Format) (pipeline.Target, error) {
	if f.json && f.out != "" && f.out != "-" {
		if strings.HasSuffix(strings.ToLower(f.out), ".json") {
			return pipeline.Target{Path: f.out, File: true}, nil
		}
		if _, isFile, err := corpus.OutputFormat(f.out); isFile || err != nil {
			return pipeline.Target{}, fmt.Errorf("%s: the result is one JSON document; name the file .json, or a directory", f.out)
		}
	}
	return pipeline.ParseTarget(f.out, parts)
}

// register is for a command that records go through.
func (f *stageFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&f.out, "output", "o", "", "`PATH` of the kept records: a file by its data extension (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), else a directory that gets one part a split and can be resumed; default standard output")
	fs.StringSliceVar(&f.formats, "format", nil, "`FORMAT`: text reads every input as text, one document a line; jsonl, jsonl.gz, jsonl.zst or parquet is what standard output or the parts of a directory (default jsonl.zst) are written as; parquet is not for standard output")
	fs.StringVar(&f.textField, "text-field", "text", "dotted `PATH` of the text in a record")
	fs.BoolVar(&f.annotate, "annotate", false, "drop nothing; write verdict and signals into every record, under \"curate\"")
	fs.StringVar(&f.dropped, "dropped", "", "`PATH` for the dropped records, unchanged but for the key \"curate\" with the reason")
	f.registerRun(cmd)
}

func (f *stageFlags) registerRun(cmd *cobra.Command) {
	fs := cmd.Flags()
	defer f.registerMachine(cmd)
	fs.StringVar(&f.quarantine, "quarantine", "", "`PATH` for records that could not be read, with file, line, byte and error (in an output directory they are always kept)")
	fs.StringVar(&f.ledger, "ledger", "", "`PATH` for the counts, as JSON")
	fs.StringVar(&f.maxQuarantined, "max-quarantined", "0", "`N` or P%: more quarantined records than that end with exit code 3")
	fs.StringSliceVar(&f.repair, "repair", nil, "`LIST` of what is repaired in a line that is no strict JSON, and counted, instead of quarantined: nan (NaN, Infinity and -Infinity become null), surrogates (escapes of lone surrogates become \\ufffd)")
	fs.BoolVar(&f.strict, "strict", false, "stop at the first record that has to be quarantined")
	fs.BoolVar(&f.restart, "restart", false, "with -o DIR: remove what an earlier run left there and begin anew")
	if !f.noRanks {
		f.share.register(fs, "-o DIR")
	}
}

// registerRows is for a command that writes a row of its own for each record, and drops none.
func (f *stageFlags) registerRows(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&f.out, "output", "o", "", "`PATH` of the rows: a file by its data extension (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), else a directory that gets one part a split and can be resumed; default standard output")
	fs.StringSliceVar(&f.formats, "format", nil, "`FORMAT`: text reads every input as text, one document a line; jsonl, jsonl.gz, jsonl.zst or parquet is what standard output or the parts of a directory (default jsonl.zst) are written as; parquet is not for standard output")
	fs.StringVar(&f.textField, "text-field", "text", "dotted `PATH` of the text in a record")
	f.registerRun(cmd)
}

// recordShare is what of the memory the longest line may have, in words.
func (f *stageFlags) recordShare() string {
	switch {
	case f.whole:
		return "an eighth (1/64 where text becomes tokens)"
	case f.recordCost > 0:
		return fmt.Sprintf("1/%d", f.recordCost)
	}
	return "an eighth"
}

// registerMachine is for a command that uses the machine as the engine does.
func (f *stageFlags) registerMachine(cmd *cobra.Command) {
	fs := cmd.Flags()
	share := "a quarter"
	if f.whole {
		share = "three quarters"
	}
	fs.IntVarP(&f.workers, "jobs", "j", 0, "`N` workers; default one a core")
	fs.StringVar(&f.memory, "memory", "", "`SIZE` that the process may take (RSS), at least 64MiB + 32MiB a worker; default "+share+" of the machine or cgroup")
	fs.StringVar(&f.maxRecord, "max-record", "", "`SIZE` of the longest line; a longer one is quarantined; default the smaller of 256MiB and "+f.recordShare()+" of --memory")
	fs.StringVar(&f.splitSize, "split-size", "64MiB", "`SIZE` of input that becomes one part and is redone after a kill")
	if !f.whole { // a run keeps everything in its directory
		fs.StringVar(&f.tmp, "tmp", "", "`DIR` for what must be kept on disk until the end of a run without -o DIR; default the system's")
	}
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "warnings and errors only")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "say more")
	fs.StringVar(&f.logFormat, "log", "text", "`FORMAT` of messages: text or json")
	fs.BoolVar(&f.printConfig, "print-config", false, "print every value in force, as YAML, and end")
}

// settings are the flags as they are meant.
type settings struct {
	workers              int
	memory               int64
	maxRecord, splitSize int64 // 0 is the default
	codec                string
	parts, stdout        corpus.Format
	formatGiven          bool
	textField            record.Path
	allowance            pipeline.Allowance
	repair               record.Repairs
	out, drop, quar, sig pipeline.Target
	notes                []string // said once logging stands
	log                  *slog.Logger
}

func usage(format string, args ...any) error {
	return &pipeline.UsageError{Problem: fmt.Sprintf(format, args...)}
}

// notEmpty refuses a flag that is given without a value, as by a shell's variable that is not set.
func notEmpty(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return usage("--%s is empty; leave it out, or give it a value", name)
		}
	}
	return nil
}

func (f *stageFlags) resolve() (*settings, error) {
	s := &settings{parts: corpus.DefaultFormat}
	var err error
	for _, name := range f.formats {
		if name == "text" { // every other input is known by its first bytes
			s.codec = name
			continue
		}
		if f.json {
			return nil, usage("--format %s: the result is JSON; text, of the inputs, is all there is to say", name)
		}
		if s.parts, err = corpus.FormatNamed(name); err != nil {
			return nil, usage("--format: %v, text", err)
		}
		s.stdout, s.formatGiven = s.parts, true
	}
	if s.textField, err = record.ParsePath(f.textField); err != nil {
		return nil, usage("--text-field: %v", err)
	}
	if s.codec != "" && len(s.textField.Names()) > 1 {
		return nil, usage("--text-field %s: a line of text has no fields inside fields; give a name without a dot", f.textField)
	}
	if f.given("split-size") { // the default goes by the stages
		if s.splitSize, err = parseSize("--split-size", f.splitSize); err != nil {
			return nil, err
		}
	}
	if f.maxRecord != "" {
		if s.maxRecord, err = parseSize("--max-record", f.maxRecord); err != nil {
			return nil, err
		}
		if s.maxRecord > math.MaxInt32 {
			return nil, usage("--max-record %s: less than 2GiB", f.maxRecord)
		}
	}
	if s.allowance, err = pipeline.ParseAllowance(f.maxQuarantined); err != nil {
		return nil, usage("--max-quarantined: %v", err)
	}
	if s.repair, err = record.ParseRepairs(f.repair); err != nil {
		return nil, usage("--repair %v", err)
	}
	if f.annotate && f.dropped != "" {
		return nil, usage("--dropped with --annotate: nothing is dropped while annotating; leave one of them out")
	}
	if f.tmp != "" {
		if st, err := os.Stat(f.tmp); err != nil || !st.IsDir() {
			return nil, usage("--tmp %s: no such directory", f.tmp)
		}
	}
	if err := f.checkLog(); err != nil {
		return nil, err
	}
	for flag, value := range map[string]string{
		"output": f.out, "dropped": f.dropped, "quarantine": f.quarantine, "signals": f.signals, "ledger": f.ledger, "tmp": f.tmp, "memory": f.memory, "max-record": f.maxRecord,
	} {
		if f.given(flag) && value == "" {
			return nil, usage("--%s is empty; leave it out, or give it a value", flag)
		}
	}
	if s.out, err = f.target(s.parts); err != nil {
		return nil, usage("-o %v", err)
	}
	if s.out.File && s.formatGiven && s.out.Format != s.parts {
		return nil, usage("-o %s: the name says %s and --format says %s", f.out, s.out.Format, s.parts)
	}
	if f.out == "" || f.out == "-" {
		if s.out.Format = s.stdout; s.stdout.Parquet {
			return nil, usage("--format parquet: Parquet is not written to standard output, since it is read from its end; give -o FILE.parquet, or -o DIR")
		}
	} else if f.result && !s.out.File && s.formatGiven {
		return nil, usage("--format %s with -o %s: the result in a directory is plain JSON Lines; leave --format out, or name a file", s.parts, f.out)
	}
	others := s.parts // what was dropped and quarantined is for people, in parts as in one file by name
	if others.Parquet {
		others = corpus.DefaultFormat
	}
	if s.drop, err = pipeline.ParseTarget(f.dropped, others); err != nil {
		return nil, usage("--dropped %v", err)
	}
	if s.quar, err = pipeline.ParseTarget(f.quarantine, others); err != nil {
		return nil, usage("--quarantine %v", err)
	}
	if s.sig, err = pipeline.ParseTarget(f.signals, others); err != nil {
		return nil, usage("--signals %v", err)
	}
	return s, f.resolveMachine(s)
}

// resolveMachine settles workers and memory: an explicit --memory that is too little is an error, a default
// one lowers the number of workers.
func (f *stageFlags) resolveMachine(s *settings) error {
	if f.workers < 0 || f.workers == 0 && f.given("jobs") {
		return usage("-j %d: at least 1", f.workers)
	}
	s.workers = f.workers
	if s.workers == 0 {
		s.workers = runtime.GOMAXPROCS(0)
	}
	minMemory := func(j int) int64 { return pipeline.LeastMemory(j, s.out, s.drop, s.quar, s.sig) + f.reserved }
	withReserved := ""
	if n := pipeline.LeastMemory(1, s.out, s.drop, s.quar, s.sig) - pipeline.MinMemory(1); n > 0 {
		withReserved = fmt.Sprintf(", of which %s are for writing Parquet", pipeline.FormatBytes(n))
	}
	if f.reserved > 0 {
		withReserved += fmt.Sprintf(", of which %s are for %s", pipeline.FormatBytes(f.reserved), f.reservedFor)
	}
	if f.memory != "" {
		var err error
		if s.memory, err = parseSize("--memory", f.memory); err != nil {
			return err
		}
		if least := minMemory(s.workers); s.memory < least {
			if f.workers == 0 {
				if j := int((s.memory - minMemory(0)) / (minMemory(1) - minMemory(0))); j >= 1 {
					s.notes = append(s.notes, fmt.Sprintf("--memory %s is enough for %d of %d workers", f.memory, j, s.workers))
					s.workers = j
					return nil
				}
			}
			return usage("--memory %s is too little for -j %d: at least %s%s", f.memory, s.workers, pipeline.FormatBytes(least), withReserved)
		}
		return nil
	}
	machine := machineMemory()
	share := "a quarter"
	if s.memory = machine / 4; f.whole {
		share, s.memory = "three quarters", machine/4*3
	}
	if least := minMemory(s.workers); s.memory < least {
		j := max(1, int((s.memory-minMemory(0))/(minMemory(1)-minMemory(0))))
		s.notes = append(s.notes, fmt.Sprintf("%s of %s of memory is enough for %d of %d workers; --memory allows more", share, pipeline.FormatBytes(machine), j, s.workers))
		s.workers = j
		s.memory = max(s.memory, minMemory(j))
	}
	return nil
}

// parseSize reads "64MiB", "1GB", "4096".
func parseSize(flag, text string) (int64, error) {
	units := []struct {
		suffix string
		size   float64
	}{
		{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
		{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
		{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1},
	}
	num, unit := strings.ToLower(strings.TrimSpace(text)), 1.0
	for _, u := range units {
		if n, ok := strings.CutSuffix(num, u.suffix); ok {
			num, unit = strings.TrimSpace(n), u.size
			break
		}
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || !(v*unit >= 1) || v*unit > math.MaxInt64/2 {
		return 0, usage("%s %q: give a size such as 64MiB, 1GB or 4096", flag, text)
	}
	return int64(v * unit), nil
}

// onMachine keeps the runtime to what is left of s.memory beside the pages that are no heap.
func (s *settings) onMachine() { debug.SetMemoryLimit(s.memory - pipeline.NotHeap) }

// runStages is the body of a stage command: build the stages, open the inputs, run, say what happened.
func runStages(ctx context.Context, cmd *cobra.Command, env environment, f *stageFlags, args []string, build func(s *settings) ([]stage.Stage, error)) (err error) {
	f.given = cmd.Flags().Changed
	if !f.noRanks {
		if err := f.share.resolve(cmd); err != nil {
			return err
		}
	}
	s, err := f.resolve()
	if err != nil {
		return err
	}
	if f.share.on() && (s.out.Path == "" || s.out.Path == "-" || s.out.File) {
		return usage("--rank and --finish are for a directory that all ranks see: give one with -o DIR")
	}
	show := newDisplay(env.stderr, f)
	defer show.close()
	s.log = show.log
	stages, err := build(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close(stages)) }()
	if s.splitSize == 0 {
		s.splitSize = pipeline.DefaultSplitSize(stages)
	}
	if f.printConfig {
		return printConfig(cmd.OutOrStdout(), f, s, stages)
	}
	if err := f.mayUse(env, args); err != nil {
		return err
	}
	for _, n := range s.notes {
		show.log.Info(n)
	}
	manifest, err := expand(ctx, show.log, args)
	if err != nil {
		return err
	}
	if f.sees != nil {
		f.sees(manifest)
	}
	s.onMachine()
	job := f.job(env, s, manifest, stages)
	if f.dry {
		job.Out, job.Dropped, job.Quarantine, job.Signals, job.Ledger, job.Stdout = pipeline.Target{}, pipeline.Target{}, pipeline.Target{}, pipeline.Target{}, "", io.Discard
	}
	if f.sink {
		job.Stdout = io.Discard
	}
	var res *pipeline.Result
	if f.share.on() {
		res, err = f.share.runShared(ctx, env, f, show, job)
	} else {
		show.start(job.Progress, f.live)
		res, err = job.Run(ctx)
		show.stop()
	}
	if res != nil {
		switch {
		case res.Before:
			pipeline.TellCounts(show.log, "counts", fmt.Sprintf("%s is finished already: %s", f.out, res.Counts.Summary(f.summary)), &res.Counts)
			if f.finished != nil {
				f.finished(show.log, &res.Counts)
			}
		case err == nil || errors.As(err, new(*pipeline.QuarantineError)):
			pipeline.TellCounts(show.log, "counts", res.Counts.Summary(f.summary), &res.Counts)
			if f.count != nil {
				f.count(show.log, &res.Counts)
			}
			if f.say != nil {
				f.say(show.log)
			}
		case errors.Is(err, syscall.EPIPE) || res.Counts.Read == 0:
		case res.Phase < res.Phases:
			pipeline.TellCounts(show.log, "counts", fmt.Sprintf("so far: %d records read; nothing is decided yet", res.Counts.Read), &res.Counts)
		default:
			pipeline.TellCounts(show.log, "counts", "so far: "+res.Counts.Summary(f.summary), &res.Counts)
		}
	}
	if s.out.Path != "" && s.out.Path != "-" && !s.out.File && !manifest.HasStream() && !f.share.on() {
		switch {
		case errors.As(err, new(interrupted)):
			err = fmt.Errorf("%w; repeat the command to go on", err)
		case errors.Is(err, syscall.ENOSPC):
			err = fmt.Errorf("%w; make room, and repeat the command to go on", err)
		}
	}
	return err
}

// mayUse looks at the paths and streams that the command line names.
func (f *stageFlags) mayUse(env environment, args []string) error {
	outs := []string{f.out, f.dropped, f.quarantine, f.signals, f.ledger}
	for _, found := range f.findings {
		outs = append(outs, found.To.Path)
	}
	for _, p := range slices.Concat(args, outs) {
		if scheme, rest, ok := store.SplitURL(p); ok && strings.Trim(rest, "./") == "" { // a cleaned one would be local
			return usage("%s: names no bucket: write %s://BUCKET/KEY", p, scheme)
		}
	}
	if len(args) == 0 && term.IsTerminal(int(env.stdin.Fd())) {
		return usage("no input: name files, or pipe records in (\"-\" reads them from this terminal)")
	}
	if (len(args) == 0 || args[0] == corpus.Stdin) && closedAtStart(env.stdin) {
		return usage("no input: standard input is closed")
	}
	if out, isFile := env.stdout.(*os.File); isFile && (f.out == "" || f.out == "-") && closedAtStart(out) {
		return errors.New("standard output is closed: what is kept would be lost; redirect it, or give -o PATH")
	}
	for _, out := range outs {
		if err := outsideInputs(out, args); err != nil {
			return err
		}
	}
	return nil
}

// expand makes the manifest of the inputs.
func expand(ctx context.Context, log *slog.Logger, args []string) (*corpus.Manifest, error) {
	manifest, err := corpus.Expand(ctx, storage(), args)
	if err != nil {
		return nil, err
	}
	if n := len(manifest.Skipped); n > 0 {
		log.Warn(fmt.Sprintf("%s not read: %s", plural(n, "file without a data extension is", "files without a data extension are"), strings.Join(manifest.Skipped[:min(n, 5)], ", ")))
	}
	return manifest, nil
}

// job is the one that the flags describe.
func (f *stageFlags) job(env environment, s *settings, manifest *corpus.Manifest, stages []stage.Stage) *pipeline.Job {
	return &pipeline.Job{
		Program: program(), Store: storage(), Manifest: manifest, Codec: s.codec, TextField: s.textField.Names()[0], FieldFlags: f.fieldFlags, Repair: s.repair, Stages: stages,
		Out: s.out, Dropped: s.drop, Quarantine: s.quar, Signals: s.sig, SignalColumns: f.signalColumns, Columns: f.columns, Ledger: f.ledger, Findings: f.findings,
		Workers: s.workers, Memory: s.memory - f.reserved, ChunkSize: f.chunkSize, RecordCost: f.recordCost, MaxRecord: int(s.maxRecord), SplitSize: s.splitSize,
		MaxQuarantined: s.allowance, Strict: f.strict, Restart: f.restart, Tmp: f.tmp,
		Stdin: env.stdin, Stdout: env.stdout, Log: s.log, Progress: &pipeline.Progress{}, Now: time.Now,
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (f *stageFlags) checkLog() error {
	if f.logFormat != "text" && f.logFormat != "json" {
		return usage("--log %s: text or json", f.logFormat)
	}
	return nil
}

// apart refuses an output directory in which an input lies, since --restart removes what is there, or that is one.
func apart(out string, inputs ...string) error {
	real := corpus.RealPath(out)
	for _, in := range inputs {
		if in != "" && corpus.Below(corpus.RealPath(in), real) {
			return usage("%s lies in the output directory, %s: to begin anew would remove it; write elsewhere", in, out)
		}
	}
	return nil
}

// outsideInputs refuses an output that the same arguments would name as an input the next time.
func outsideInputs(out string, args []string) error {
	if out == "" || out == "-" {
		return nil
	}
	real := corpus.RealPath(out)
	for _, arg := range args {
		isDir := store.IsURL(arg) && real != corpus.RealPath(arg) // nothing lies below an object
		if st, err := os.Stat(arg); !isDir && err == nil {
			isDir = st.IsDir()
		}
		if isDir && corpus.Below(real, corpus.RealPath(arg)) {
			return usage("the output %s lies in the input directory %s: the next run would read it; write elsewhere", out, arg)
		}
		if corpus.GlobTakesIn(arg, real) {
			if st, err := os.Stat(out); err != nil || st.IsDir() {
				return usage("the input %s takes in the output %s: the next run would read it; write elsewhere", arg, out)
			}
		}
	}
	return nil
}

// printConfig shows every value in force.
func printConfig(w io.Writer, f *stageFlags, s *settings, stages []stage.Stage) error {
	maxRecord := int(s.maxRecord)
	if maxRecord == 0 {
		maxRecord = pipeline.DefaultMaxRecord(s.memory-f.reserved, pipeline.CostOf(f.recordCost, s.out, s.drop, s.quar, s.sig))
	}
	format := s.out.Format.String()
	if f.json {
		format = "json"
	}
	var list yaml.MapSlice
	for _, m := range stages {
		spec := m.Spec()
		b, err := json.Marshal(spec.Config, json.Deterministic(true))
		if err != nil {
			return err
		}
		var c yaml.MapSlice
		if err := yaml.UnmarshalWithOptions(b, &c, yaml.UseOrderedMap()); err != nil {
			return err
		}
		list = append(list, yaml.MapItem{Key: spec.Name, Value: append(yaml.MapSlice{{Key: "version", Value: spec.Version}}, c...)})
	}
	if f.values != nil {
		list = append(list, f.values()...)
	}
	out, err := yaml.Marshal(append(list,
		yaml.MapItem{Key: "output", Value: f.out},
		yaml.MapItem{Key: "format", Value: format},
		yaml.MapItem{Key: "text_field", Value: s.textField.String()},
		yaml.MapItem{Key: "repair", Value: s.repair.Names()},
		yaml.MapItem{Key: "max_quarantined", Value: s.allowance.String()},
		yaml.MapItem{Key: "strict", Value: f.strict},
		yaml.MapItem{Key: "split_size", Value: s.splitSize},
		yaml.MapItem{Key: "max_record", Value: maxRecord},
		yaml.MapItem{Key: "memory", Value: s.memory},
		yaml.MapItem{Key: "jobs", Value: s.workers},
	))
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}
