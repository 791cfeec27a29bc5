package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"curate/corpus"
	"curate/corpus/store"
	"curate/internal/human"
	"curate/stage"
)

// phase is a run of maps and the Reducer that ends it, if one does; or an io-bound map alone.
type phase struct {
	maps    []stage.Mapper
	reducer stage.Reducer
	// inFlight is how many batches the io-bound map wants in hand; 0 for a phase that computes.
	inFlight int
	// writes: what the phase keeps are the kept records of the run, not a copy for the next phase.
	writes bool
	// noCopy: the next phase reads what this one reads, not a copy of what this one kept.
	noCopy bool
}

// phases cuts the stages behind each Reducer, and before and behind each io-bound Mapper.
func (j *Job) phases() ([]phase, error) {
	if _, err := j.findings(); err != nil {
		return nil, err
	}
	var list []phase
	var open phase
	ended := ""
	// before is the Reducer whose decision begins the open phase, nil if none does.
	before := func() stage.Reducer {
		if len(list) == 0 {
			return nil
		}
		return list[len(list)-1].reducer
	}
	end := func() {
		list = append(list, open)
		open = phase{}
	}
	for i, s := range j.Stages {
		if ended != "" {
			return nil, fmt.Errorf("stage %s stands behind %s, which lets no records through; this is a bug of curate", s.Spec().Name, ended)
		}
		switch s := s.(type) {
		case stage.Mapper:
			wants := s.Spec().InFlight
			if wants > 0 && (len(open.maps) > 0 || before() != nil) {
				end()
			}
			open.maps = append(open.maps, s)
			if open.inFlight = wants; wants > 0 {
				end()
			}
		case stage.Serial:
			for k, other := range j.Stages {
				_, maps := other.(stage.Mapper)
				if k != i && (!maps || other.Spec().InFlight > 0) {
					return nil, fmt.Errorf("stage %s stands beside %s in a job, which must be one phase; this is a bug of curate", s.Spec().Name, other.Spec().Name)
				}
			}
			open.maps = append(open.maps, serialMap{s.Key(), s})
		case stage.Reducer:
			open.reducer = s
			// What other maps have done to the records must not be done again, and a stream is read only once.
			again := len(list) > 0 || !j.Manifest.HasStream()
			decided := before() != nil && !before().Spec().Marks
			// Nor is a line repaired twice.
			open.noCopy = len(open.maps) == 0 && again && !decided && j.Repair == 0
			end()
			if s.Spec().Result != "" {
				ended = s.Spec().Name
			}
		default:
			return nil, fmt.Errorf("stage %s neither maps nor reduces; this is a bug of curate", s.Spec().Name)
		}
	}
	if len(open.maps) > 0 || len(list) == 0 || ended == "" && before() != nil {
		end()
	}
	if ended == "" {
		list[len(list)-1].writes = true
	}
	if j.Signals.Path != "" && (len(list) > 1 || ended != "") {
		return nil, usage("--signals: a row for every record is written where records are read once and written, and %d phases do more; run the stage that has signals by itself", len(list))
	}
	return list, nil
}

// result is the Reducer whose finding is the output, nil if records are.
func result(phs []phase) stage.Reducer {
	if r := phs[len(phs)-1].reducer; r != nil && r.Spec().Result != "" {
		return r
	}
	return nil
}

// isSet says whether a result is a set of files and not one.
func isSet(result string) bool { return strings.HasSuffix(result, "/") }

// handover is what one phase leaves to the next.
type handover struct {
	noCopy  bool
	before  *handover       // with noCopy: what the phase itself was left
	root    string          // what the names of parts are below
	entries map[int][]Entry // of the phase's splits, by file, in order
	apply   stage.Mapper    // what its Reducer has decided; nil without one
	work    *workspace
}

// source is the handover whose copies are read, nil for the input.
func (h *handover) source() *handover {
	for h != nil && h.noCopy {
		h = h.before
	}
	return h
}

func (h *handover) close() error {
	if h == nil || h.work == nil {
		return nil
	}
	return h.work.close()
}

// phaseRunner takes a job through the phases before the last one.
type phaseRunner struct {
	job    *Job
	phs    []phase
	store  store.Store // of the phases' files
	first  *run        // of phase 1; the field check has read the beginning of its streams
	base   string      // the folder of the phases' folders
	root   string      // what the names of parts are below: base, or a folder above it
	resume bool        // base outlives the run
	began  bool        // in an earlier attempt
	max    int         // bytes of a record
	voice  *voice
	grows  bool         // now, which was told
	whole  map[int]bool // files of which nothing but what stays is asked for (runDir.wholeFiles)

	counts  []Counts // of the phases so far
	entries []Entry  // of the phases so far: their dropped and quarantined records
	in      *handover
}

func phaseDir(n int) string { return fmt.Sprintf("phase%d", n) }

// next prepares phase n, from 1.
func (p *phaseRunner) next(n int) (*run, error) {
	p.job.expect(n, p.in)
	if n == 1 {
		r := p.first
		p.first = nil
		return r, nil
	}
	return p.job.newRun(p.max, n, p.phs[n-1], p.in, p.voice)
}

// run does phase n, from 1, which is not the last.
func (p *phaseRunner) run(ctx context.Context, n int) (err error) {
	j, ph := p.job, p.phs[n-1]
	dir := path.Join(p.base, phaseDir(n))
	r, err := p.next(n)
	if err != nil {
		return err
	}
	if p.resume {
		if err := p.goOn(ctx, r, path.Join(dir, journalFile)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.journal.close()) }()
		if j.Manifest.HasStream() && n == 1 && p.began && !whole(j.Manifest, flat(r.done)) {
			return usage("%s: was begun from a stream, which cannot be read again from its start; give another directory, or --restart with the whole stream", j.Out.Path)
		}
	}
	r.store = p.store
	p.outputs(r, dir)
	if read := whole(j.Manifest, flat(r.done)); j.Manifest.HasStream() && n == 1 && read {
		j.Log.Warn(fmt.Sprintf("the stream is not read: this run goes on with what was spooled in %s", dir))
	} else if j.Manifest.HasStream() && n == 1 && r.outputs[outKept] != nil {
		j.Log.Info(fmt.Sprintf("reading a stream: its records are spooled in %s", dir))
	}
	entries, err := r.start(ctx)
	total := r.total
	p.counts = append(p.counts, total)
	p.entries = append(p.entries, entries...)
	if err != nil {
		return err
	}
	if err := total.check(); err != nil {
		return err
	}
	h := &handover{noCopy: ph.noCopy, root: p.root, entries: map[int][]Entry{}}
	for _, e := range entries {
		h.entries[e.File] = append(h.entries[e.File], e)
	}
	before := p.in
	defer func() { err = errors.Join(err, before.close()) }()
	if h.noCopy {
		h.before = before
	}
	p.in = h
	if ph.reducer == nil {
		return nil
	}
	if h.work, err = openWorkspace(ctx, p.store, dir, p.root, p.base, p.resume, j.finishMemory(), j.Workers, j.Log); err != nil {
		return err
	}
	debug.FreeOSMemory() // what the pass held is Finish's now
	at := []slog.Attr{slog.Int("phase", n), slog.String("stage", ph.reducer.Spec().Name)}
	tell(j.Log, "decision.started", append(at, slog.Int("splits", len(entries)))...)
	if h.apply, err = p.finish(ctx, ph.reducer, entries, h.work); err == nil {
		tell(j.Log, "decision.finished", at...)
	}
	return err
}

// goOn opens a phase's journal and lets the phase begin behind the splits that are finished and in place.
func (p *phaseRunner) goOn(ctx context.Context, r *run, name string) error {
	j := p.job
	journal, entries, err := openJournal(ctx, p.store, name, j.Log)
	if err != nil {
		return err
	}
	kinds := func(file int, kind string) bool { return !p.whole[file] || staying(r.writes)(kind) }
	if entries, err = inPlace(ctx, p.store, p.root, entries, j.Log, kinds); err != nil {
		return errors.Join(err, journal.close())
	}
	if k := len(entries); k > 0 && !p.grows {
		where := ""
		if len(p.phs) > 1 {
			where = fmt.Sprintf(", phase %d", r.phase)
		}
		j.Log.Info(fmt.Sprintf("%s%s: going on behind %s finished splits", j.Out.Path, where, human.Thousands(int64(k))),
			Event("resumed"), slog.Int("phase", r.phase), slog.Int("splits_done", k))
	}
	for _, e := range entries {
		r.done[e.File] = append(r.done[e.File], e)
	}
	r.journal = journal
	return nil
}

// all are the kinds of parts.
func all(int, string) bool { return true }

// outputs are the phase's: parts for those that were asked for, and what the next phase needs.
func (p *phaseRunner) outputs(r *run, dir string) {
	rel := func(dir string) string { return strings.TrimPrefix(strings.TrimPrefix(dir, p.root), "/") }
	if r.reducer != nil {
		r.outputs[outSealed] = &output{prefix: "sealed", dir: dir, rel: rel(dir)}
	}
	if !r.noCopy && (r.reducer == nil || r.reducer.Spec().Result == "") {
		r.outputs[outKept] = &output{prefix: "copy", ext: copyFormat.Extension(), format: copyFormat, dir: dir, rel: rel(dir), ids: true}
	}
	for o, t := range r.job.targets() {
		if t != nil && o != outKept && (t.Path != "" || p.resume) {
			d := path.Join(p.base, outputNames[o], phaseDir(r.phase))
			r.outputs[o] = &output{prefix: "part", ext: t.parts().Extension(), format: t.parts(), dir: d, rel: rel(d)}
		}
	}
}

// maxFanIn is how many sealed files a Reducer gets to see at once. It is a constant, since the files that are
// merged for it stay when a run goes on with other memory.
const maxFanIn = 128

// maxMerges is how many such merges run at once, for the sake of the number of open files.
const maxMerges = 4

// finish merges the sealed files until there are few enough, and lets the Reducer finish.
func (p *phaseRunner) finish(ctx context.Context, red stage.Reducer, entries []Entry, w *workspace) (stage.Mapper, error) {
	sealed, err := p.merge(ctx, len(p.counts), red, entries, w)
	if err != nil {
		return nil, err
	}
	return p.conclude(ctx, red, sealed, w)
}

// merge merges the sealed files of phase n until there are few enough.
func (p *phaseRunner) merge(ctx context.Context, n int, red stage.Reducer, entries []Entry, w *workspace) (_ []sealedFile, err error) {
	defer recovered(&err, red.Spec().Name)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j := p.job
	sealed := make([]sealedFile, 0, len(entries))
	for _, e := range entries {
		part := e.Parts[outputNames[outSealed]]
		sealed = append(sealed, sealedFile{name: path.Join(p.root, part.Name), framed: true})
	}
	j.Log.Debug(fmt.Sprintf("phase %d: %s splits are sealed", n, human.Thousands(int64(len(sealed)))))
	for level := 1; len(sealed) > maxFanIn; level++ {
		groups := (len(sealed) + maxFanIn - 1) / maxFanIn
		merged := make([]sealedFile, groups)
		var wg sync.WaitGroup
		next := make(chan int)
		for range min(j.Workers, groups, maxMerges) {
			wg.Go(func() {
				for g := range next {
					name := fmt.Sprintf("merge-%d-%05d", level, g)
					merged[g] = sealedFile{name: path.Join(w.dir, name)}
					in := sealed[g*len(sealed)/groups : (g+1)*len(sealed)/groups]
					err := w.Make(ctx, name, func(dst io.Writer) (err error) {
						defer recovered(&err, red.Spec().Name)
						return mergeSealed(ctx, p.store, red, dst, in)
					})
					if err != nil {
						cancel(err)
						return
					}
				}
			})
		}
		for g := range groups {
			select {
			case next <- g:
			case <-ctx.Done():
			}
		}
		close(next)
		wg.Wait()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for _, s := range sealed {
			if !s.framed { // of the level before; sealed files hold what the next phase must skip
				if err := w.Remove(ctx, path.Base(s.name)); err != nil {
					return nil, err
				}
			}
		}
		sealed = merged
	}
	return sealed, nil
}

// conclude lets the Reducer finish.
func (p *phaseRunner) conclude(ctx context.Context, red stage.Reducer, sealed []sealedFile, w *workspace) (_ stage.Mapper, err error) {
	defer recovered(&err, red.Spec().Name)
	var open []stage.Sealed
	defer func() {
		for _, s := range open {
			_ = s.Data.Close() // it was only read
		}
	}()
	for _, s := range sealed {
		f, err := s.open(ctx, p.store)
		if err != nil {
			return nil, err
		}
		open = append(open, f)
	}
	m, err := red.Finish(ctx, open, w)
	if err != nil {
		return nil, by(red, err)
	}
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	if (m == nil) != (red.Spec().Result != "") {
		return nil, fmt.Errorf("stage %s says that its result is %q, and does otherwise; this is a bug of the stage", red.Spec().Name, red.Spec().Result)
	}
	return m, nil
}

// sealedFile is a file that a Reducer wrote: alone, or between the ranges and the footer of a split's sealed file.
type sealedFile struct {
	name   string
	framed bool
}

type section struct {
	*io.SectionReader
	io.Closer
}

func (s sealedFile) open(ctx context.Context, st store.Store) (stage.Sealed, error) {
	f, size, err := st.OpenAt(ctx, s.name)
	if err != nil {
		return stage.Sealed{}, err
	}
	off := int64(0)
	if s.framed {
		if off, size, err = readSealedFooter(f, size); err != nil {
			f.Close()
			return stage.Sealed{}, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return stage.Sealed{Size: size, Data: section{io.NewSectionReader(f, off, size), f}}, nil
}

func mergeSealed(ctx context.Context, st store.Store, red stage.Reducer, dst io.Writer, in []sealedFile) error {
	var readers []io.Reader
	for _, s := range in {
		f, err := s.open(ctx, st)
		if err != nil {
			return err
		}
		defer f.Data.Close()
		readers = append(readers, store.UntilDone(ctx, io.NewSectionReader(f.Data, 0, f.Size)))
	}
	return red.Merge(dst, readers)
}

// finishMemory is what a Reducer may hold while nothing else runs.
func (j *Job) finishMemory() int64 { return FinishMemory(j.Memory) }

// FinishMemory is what a Reducer's Finish may hold of so many bytes for a run.
func FinishMemory(memory int64) int64 { return max(0, int64(float64(memory-baseMemory)*heapShare)) }

// MemoryFor is the least Job.Memory that leaves finish bytes to a Reducer's Finish: the other way round.
func MemoryFor(finish int64) int64 { return baseMemory + int64(math.Ceil(float64(finish)/heapShare)) }

// combine adds the counts of the first phases up to the job's. What reached a phase is what the one before has kept,
// and the two halves of a Reducer are one stage.
func combine(phs []phase, counts []Counts) Counts {
	total := counts[0]
	total.Stages = slices.Clone(total.Stages)
	for n, c := range counts[1:] {
		last := &total.Stages[len(total.Stages)-1]
		if len(c.Stages) > 1 {
			own := c.Stages[1:]
			if phs[n].reducer != nil { // of the phase before: its decision is the first
				d := own[0]
				last.Kept = d.Kept
				last.Quarantined += d.Quarantined
				last.Dropped = sum(last.Dropped, d.Dropped)
				last.Annotated = sumSome(last.Annotated, d.Annotated)
				last.Tallies = sumSome(last.Tallies, d.Tallies)
				last.Spent = sumSome(last.Spent, d.Spent)
				last.Measured = d.Measured
				own = own[1:]
			}
			total.Stages = append(total.Stages, own...)
		}
		total.Kept, total.BytesOut = c.Kept, c.BytesOut
		total.Quarantined += c.Quarantined
		total.Dropped = sum(total.Dropped, c.Dropped)
		total.Annotated = sumSome(total.Annotated, c.Annotated)
	}
	return total
}

func sum(a, b map[string]int64) map[string]int64 {
	c := map[string]int64{}
	for _, m := range []map[string]int64{a, b} {
		for k, n := range m {
			c[k] += n
		}
	}
	return c
}

func sumSome(a, b map[string]int64) map[string]int64 {
	if len(a)+len(b) == 0 {
		return nil
	}
	return sum(a, b)
}

// size is how much of a file there is to read, in bytes as stored: of its copies, where those are read.
func (h *handover) size(f corpus.File) (n int64) {
	for _, e := range h.entries[f.Number] {
		n += e.Parts[outputNames[outKept]].Size
	}
	return n
}

func (r *run) size(f corpus.File) int64 {
	if src := r.in.source(); src != nil {
		return src.size(f)
	}
	return f.Size
}

// whole says whether the entries, in order, cover all files to their ends.
func whole(m *corpus.Manifest, entries []Entry) bool {
	ended := map[int]bool{}
	for _, e := range entries {
		if e.EOF {
			ended[e.File] = true
		}
	}
	return len(ended) == len(m.Files)
}

func flat(done map[int][]Entry) []Entry {
	var list []Entry
	for _, es := range done {
		list = append(list, es...)
	}
	slices.SortFunc(list, compareEntries)
	return list
}

// expect begins the counts of phase n.
func (j *Job) expect(n int, in *handover) {
	total := j.Manifest.Size()
	if src := in.source(); src != nil {
		total = 0
		for _, f := range j.Manifest.Files {
			total += src.size(f)
		}
	}
	j.Progress.begin(n, total)
}

// writeResult makes the file name of what the last Reducer has found.
func (p *phaseRunner) writeResult(ctx context.Context, name string) error {
	w, err := p.job.Store.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort() // after Commit it does nothing
	if err := p.copyResult(ctx, w, corpus.Format{}); err != nil {
		return err
	}
	return w.Commit()
}

// copyResult writes what the last Reducer has found to w.
func (p *phaseRunner) copyResult(ctx context.Context, w io.Writer, f corpus.Format) error {
	r, size, err := p.in.work.Open(ctx, stage.ResultFile)
	if err != nil {
		return err
	}
	defer r.Close()
	p.counts[len(p.counts)-1].BytesOut = size
	frames, err := newLineFrames(w, f.Compression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(frames, store.UntilDone(ctx, io.NewSectionReader(r, 0, size))); err != nil {
		return err
	}
	return frames.close()
}

// by names the stage of an error that does not do so itself.
func by(s stage.Stage, err error) error {
	if name := s.Spec().Name + ": "; err != nil && !strings.HasPrefix(err.Error(), name) {
		return fmt.Errorf("%s%w", name, err)
	}
	return err
}

// recovered turns a panic of a stage into an error: elsewhere than in main's goroutine it would end the process
// with exit code 2.
func recovered(err *error, where string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: this is a bug of curate, please report it: %v\n%s", where, p, debug.Stack())
	}
}
