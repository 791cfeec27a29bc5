package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/corpus/parquet"
	"curate/corpus/store"
	"curate/stage"
)

// Files of an output directory, below corpus.Dir. docs/formats/output-directory.md is their page.
const (
	manifestFile = "manifest.json"
	configFile   = "config.json"
	ledgerFile   = "ledger.json"
	timingFile   = "timing.json"
	journalFile  = "journal"
	lockFile     = "lock"
	resultsFile  = "results.json"
	clearingFile = "clearing" // while what was there is removed for a run that begins anew
)

// targets of the parts: the quarantine is always kept in a directory of its own.
func (j *Job) targets() [outputs]*Target {
	t := [outputs]*Target{outKept: &j.Out, outQuarantine: &j.Quarantine}
	if j.Dropped.Path != "" || j.KeepDropped {
		t[outDropped] = &j.Dropped
	}
	if j.Signals.Path != "" {
		t[outSignals] = &j.Signals
	}
	return t
}

// columnsOf are those that an output has as Parquet, whatever its records are.
func (j *Job) columnsOf(out int) []parquet.Column {
	switch out {
	case outSignals:
		return j.SignalColumns
	case outKept:
		return j.Columns
	}
	return nil
}

// runDir writes parts, journals each split, and goes on where an earlier attempt of the same command ended.
func (j *Job) runDir(ctx context.Context) (*Result, error) {
	d := j.dir()
	if err := d.mayUse(ctx); err != nil {
		return nil, err
	}
	l, err := takeLock(path.Join(d.own, lockFile), j.Out.Path, j.Log)
	if err != nil {
		return nil, err
	}
	res, err := d.run(ctx)
	l.release(!d.begun)
	if !d.begun {
		d.removeEmpty()
	}
	return res, err
}

func (j *Job) dir() *runDir {
	root := strings.TrimSuffix(path.Clean(j.Out.Path), "/")
	return &runDir{job: j, root: root, own: path.Join(root, corpus.Dir)}
}

// removeEmpty lets a command that was refused leave nothing behind; only empty folders can be removed.
func (d *runDir) removeEmpty() {
	if store.IsURL(d.root) {
		return // folders are but names there
	}
	_ = os.Remove(filepath.FromSlash(d.own))
	_ = os.Remove(filepath.FromSlash(d.root))
}

type runDir struct {
	job   *Job
	root  string
	own   string // root/_curate
	begun bool   // config.json is there

	goes   *continuation // how the job goes on with a directory that grows or has grown (compare); else nil
	whyNot string        // why it does not, where there is nothing but new files
}

// mayUse refuses a directory with somebody else's files in it.
func (d *runDir) mayUse(ctx context.Context) error {
	files, err := d.job.Store.List(ctx, d.root)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(files) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasPrefix(path.Clean(f.Name), d.own+"/") {
			return nil
		}
	}
	return usage("%s: the directory has files that no run of curate made (%s, …); give an empty or a new one", d.job.Out.Path, files[0].Name)
}

func (d *runDir) read(ctx context.Context, name string) ([]byte, error) {
	f, err := d.job.Store.Open(ctx, path.Join(d.own, name), 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// has says whether a file is there.
func (d *runDir) has(ctx context.Context, name string) (bool, error) {
	_, err := d.job.Store.Stat(ctx, path.Join(d.own, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ofRanks says whether ranks are at work here: they have begun it, and it is not whole yet.
func (d *runDir) ofRanks(ctx context.Context) (bool, error) {
	begun, err := d.has(ctx, path.Join(ranksDir, attemptFile))
	if err != nil || !begun {
		return false, err
	}
	whole, err := d.has(ctx, corpus.Done)
	return !whole, err
}

func (d *runDir) missing(ctx context.Context, name string) bool {
	_, err := d.job.Store.Stat(ctx, path.Join(d.own, name))
	return errors.Is(err, fs.ErrNotExist)
}

func (d *runDir) write(ctx context.Context, name string, v any) error {
	b, ok := v.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
			return err
		}
		b = append(b, '\n')
	}
	return writeFile(ctx, d.job.Store, path.Join(d.own, name), b)
}

func (d *runDir) run(ctx context.Context) (*Result, error) {
	j := d.job
	started := j.Now()
	old, now, manifest, err := d.compare(ctx)
	if err != nil {
		return nil, err
	}
	if d.goes != nil {
		ordered := *j
		ordered.Manifest = d.goes.files
		j, d.job = &ordered, &ordered
	}
	fresh := !d.begun || j.Restart
	byRanks := false
	if !fresh {
		if byRanks, err = d.ofRanks(ctx); err != nil {
			return nil, err
		}
	}
	maxRecord := now.Step.MaxRecord
	phs, err := j.phases()
	if err != nil {
		return nil, err
	}
	j.Progress.Phases.Store(int64(len(phs)))
	first, err := j.newRun(maxRecord, 1, phs[0], nil, &voice{log: j.Log})
	if err != nil {
		return nil, err
	}
	switch {
	case fresh:
		if err := first.probe(ctx); err != nil {
			return nil, err
		}
		// Nothing of an earlier run may be taken for this one's. With config.json the run has begun.
		if err := d.clear(ctx, nil); err != nil {
			return nil, err
		}
		if err := d.write(ctx, manifestFile, manifest); err != nil {
			return nil, err
		}
		if err := d.write(ctx, configFile, now); err != nil {
			return nil, err
		}
		d.begun = true
	case byRanks:
		return nil, usage("%s was begun by ranks; go on with them (--rank I --world-size N, and --finish), or give another directory, or --restart to begin this one anew", j.Out.Path)
	case d.goes != nil && d.goes.grows:
		if err := d.grow(ctx, phs, maxRecord); err != nil {
			return nil, err
		}
	case old.Identity != now.Identity:
		return nil, d.refuse(ctx, old, now, manifest)
	case j.Manifest.HasStream() && len(phs) == 1:
		return nil, usage("%s: was begun from a stream, which cannot be read again from its start; give another directory, or --restart with the whole stream", j.Out.Path)
	}
	if !fresh && old.Program != j.Program {
		j.Log.Warn(fmt.Sprintf("%s was begun by %s; this is %s. Bytes are promised for one version only", j.Out.Path, old.Program, j.Program))
	}
	if !fresh { // a run that goes on after all
		if err := errors.Join(d.settle(ctx), j.Store.Remove(ctx, path.Join(d.own, clearingFile))); err != nil {
			return nil, err
		}
	}
	if d.missing(ctx, manifestFile) {
		if err := d.write(ctx, manifestFile, manifest); err != nil {
			return nil, err
		}
	}
	if res, err := d.finishedBefore(ctx, phs); res != nil || err != nil {
		return res, err
	}
	if err := errors.Join(d.reachable(ctx), j.Store.Sweep(ctx, d.root)); err != nil {
		return nil, err
	}
	p := &phaseRunner{
		job: j, store: j.Store, phs: phs, first: first, base: d.own, root: d.root, resume: true, began: !fresh, grows: d.goes != nil && d.goes.grows,
		max: maxRecord, voice: first.voice,
	}
	if !fresh && len(phs) > 1 {
		if p.whole, err = d.wholeFiles(ctx, phs); err != nil {
			return nil, err
		}
	}
	runErr := d.phases(ctx, p)
	runErr = errors.Join(runErr, p.in.close())
	if runErr != nil {
		res := &Result{}
		if len(p.counts) > 0 {
			res.Counts = combine(phs, p.counts)
		}
		return res, errors.Join(runErr, d.timing(context.WithoutCancel(ctx), started, "stopped", nil))
	}
	total := combine(phs, p.counts)
	if err := total.check(); err != nil {
		return nil, err
	}
	return d.finish(ctx, p.entries, total, started, phs)
}

// phases takes the job through all its phases.
func (d *runDir) phases(ctx context.Context, p *phaseRunner) (err error) {
	j, last := d.job, len(p.phs)
	for n := 1; n < last; n++ {
		if err := p.run(ctx, n); err != nil {
			return err
		}
	}
	if red := result(p.phs); red != nil {
		if err := p.run(ctx, last); err != nil {
			return err
		}
		if isSet(red.Spec().Result) { // its files are in place already
			made := p.in.work.results()
			for _, s := range made {
				p.counts[len(p.counts)-1].BytesOut += s.Size
			}
			return d.write(ctx, resultsFile, made)
		}
		return p.writeResult(ctx, path.Join(d.root, red.Spec().Result))
	}
	r, err := p.next(last)
	if err != nil {
		return err
	}
	d.outputs(r)
	if err := p.goOn(ctx, r, path.Join(d.own, journalFile)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.journal.close()) }()
	if j.Manifest.HasStream() && last == 1 {
		j.Log.Info("reading a stream: if this run is interrupted it cannot be resumed")
	}
	entries, err := r.start(ctx)
	p.counts = append(p.counts, r.total)
	p.entries = append(p.entries, entries...)
	if err != nil {
		return err
	}
	return r.total.check()
}

// outputs are those of the last phase.
func (d *runDir) outputs(r *run) {
	for o, t := range d.job.targets() {
		if t == nil {
			continue
		}
		out := &output{prefix: "part", ext: t.Format.Extension(), format: t.Format, dir: d.root}
		if o != outKept {
			out.ext, out.format = t.parts().Extension(), t.parts()
			out.rel = path.Join(corpus.Dir, outputNames[o])
			out.dir = path.Join(d.root, out.rel)
		}
		r.outputs[o] = out
	}
}

// journalOf is the name of phase n's journal in the run's own folder.
func journalOf(n int, ph phase) string {
	if ph.writes {
		return journalFile
	}
	return path.Join(phaseDir(n), journalFile)
}

// journals reads what the journals of all phases say, without opening them for writing.
func (d *runDir) journals(ctx context.Context, phs []phase) (entries [][]Entry, err error) {
	for n, ph := range phs {
		name := journalOf(n+1, ph)
		raw, err := d.read(ctx, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		es, _, err := readFrames[Entry](raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(d.own, name), err)
		}
		// Copies and sealed files were removed when the run had finished.
		es, err = inPlace(ctx, d.job.Store, d.root, es, d.job.Log, func(_ int, kind string) bool { return staying(ph.writes)(kind) })
		if err != nil {
			return nil, err
		}
		entries = append(entries, es)
	}
	return entries, nil
}

// finishedBefore answers for a run that is whole already. One that says so and is not goes on.
func (d *runDir) finishedBefore(ctx context.Context, phs []phase) (*Result, error) {
	_, err := d.job.Store.Stat(ctx, path.Join(d.own, corpus.Done))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	passes, err := d.journals(ctx, phs)
	if err != nil {
		return nil, err
	}
	isWhole := true
	var counts []Counts
	for _, es := range passes {
		isWhole = isWhole && whole(d.job.Manifest, es)
		counts = append(counts, sumEntries(es))
	}
	var total Counts
	if isWhole {
		total = combine(phs, counts)
	}
	if red := result(phs); red != nil {
		size, there, err := d.resultSize(ctx, red)
		if err != nil {
			return nil, err
		}
		isWhole = isWhole && there
		total.BytesOut = size // the ledger knows what it was
	}
	found, err := d.foundAll(ctx)
	if err != nil {
		return nil, err
	}
	isWhole = isWhole && found
	b, err := d.read(ctx, ledgerFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	is, err := total.Marshal()
	if err != nil {
		return nil, err
	}
	if !isWhole || string(b) != string(is) || total.check() != nil {
		d.job.Log.Warn(d.job.Out.Path + ": says that it is finished, but parts, journal or ledger are not as they were written; what is missing is made again")
		return nil, d.job.Store.Remove(ctx, path.Join(d.own, corpus.Done))
	}
	if d.job.Manifest.HasStream() { // this one may be another, and would be lost
		return nil, usage("%s: is finished, and its stream cannot be compared with this one; give another directory, or --restart", d.job.Out.Path)
	}
	if d.job.Ledger != "" {
		if err := writeFile(ctx, d.job.Store, d.job.Ledger, b); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(d.deliverAgain(ctx, slices.Concat(passes...)), d.deliverFindings(ctx, true), d.summarize(ctx, &total, true)); err != nil {
		return nil, err
	}
	if err := d.tidy(ctx, phs); err != nil {
		return nil, err
	}
	res, err := d.job.judge(total)
	res.Before = true
	return res, err
}

// resultSize is how many bytes a Reducer's result has, and whether all of it is there.
func (d *runDir) resultSize(ctx context.Context, red stage.Reducer) (size int64, there bool, err error) {
	name := red.Spec().Result
	if !isSet(name) {
		info, err := d.job.Store.Stat(ctx, path.Join(d.root, name))
		if errors.Is(err, fs.ErrNotExist) {
			return 0, false, nil
		}
		return info.Size, err == nil, err
	}
	var made []step
	if b, err := d.read(ctx, resultsFile); err != nil || json.Unmarshal(b, &made) != nil {
		return 0, false, nil
	}
	there = true
	for _, s := range made {
		info, err := d.job.Store.Stat(ctx, path.Join(d.root, s.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, false, err
		}
		there = there && err == nil && info.Size == s.Size
		size += s.Size
	}
	return size, there, nil
}

// deliverAgain makes those files of a finished run that were asked for and are not there, from its parts.
func (d *runDir) deliverAgain(ctx context.Context, entries []Entry) error {
	for o, t := range d.job.targets() {
		if t == nil || o == outKept || t.Path == "" {
			continue
		}
		if _, err := d.job.Store.Stat(ctx, t.Path); errors.Is(err, fs.ErrNotExist) {
			if err := d.deliver(ctx, *t, o, entries); err != nil {
				return err
			}
		}
	}
	return nil
}

func compareEntries(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Split, b.Split))
}

// reachable tries the paths that are written at the end, so that one that cannot be is not found out after
// hours.
func (d *runDir) reachable(ctx context.Context) error {
	type target struct {
		path string
		file bool
	}
	paths := []target{{d.job.Ledger, true}, {d.job.Dropped.Path, d.job.Dropped.File}, {d.job.Quarantine.Path, d.job.Quarantine.File}}
	for _, f := range d.job.Findings {
		paths = append(paths, target{f.To.Path, true})
	}
	for _, p := range paths {
		if p.path == "" || !p.file {
			continue
		}
		w, err := d.job.Store.Create(ctx, p.path)
		if err != nil {
			return err
		}
		if err := w.Abort(); err != nil {
			return err
		}
	}
	return nil
}

// inPlace takes the entries whose parts are all there, in each file up to the first that are not. Of two for
// one split the later counts: it was made because the earlier one's parts were not trusted.
// kinds says which of a file's parts must be there.
func inPlace(ctx context.Context, st store.Store, root string, entries []Entry, log *slog.Logger, kinds func(file int, kind string) bool) ([]Entry, error) {
	slices.SortStableFunc(entries, compareEntries)
	var good []Entry
	for i, e := range entries {
		if i+1 < len(entries) && compareEntries(e, entries[i+1]) == 0 {
			continue
		}
		good = append(good, e)
	}
	lost := map[int]bool{}
	var missing error
	good = slices.DeleteFunc(good, func(e Entry) bool {
		if missing == nil && !lost[e.File] {
			var name string
			if name, missing = missingPart(ctx, st, root, e, func(kind string) bool { return kinds(e.File, kind) }); name != "" {
				lost[e.File] = true
				log.Warn(name + ": the journal knows this part, but it is not there as it was written; it is made again")
			}
		}
		return lost[e.File]
	})
	return good, missing
}

func missingPart(ctx context.Context, st store.Store, root string, e Entry, kinds func(string) bool) (string, error) {
	for kind, p := range e.Parts {
		if !kinds(kind) {
			continue
		}
		name := root + "/" + p.Name
		info, err := st.Stat(ctx, name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size != p.Size {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// finish joins what was asked for as one file, writes the ledger, and says that the run is whole, in this order.
func (d *runDir) finish(ctx context.Context, entries []Entry, total Counts, started time.Time, phs []phase) (*Result, error) {
	j := d.job
	for o, t := range j.targets() {
		if t == nil || o == outKept || t.Path == "" {
			continue
		}
		if err := d.deliver(ctx, *t, o, entries); err != nil {
			return nil, err
		}
	}
	if err := d.deliverFindings(ctx, false); err != nil {
		return nil, err
	}
	if err := d.summarize(ctx, &total, false); err != nil {
		return nil, err
	}
	ledger, err := total.Marshal()
	if err != nil {
		return nil, err
	}
	if err := d.write(ctx, ledgerFile, ledger); err != nil {
		return nil, err
	}
	if j.Ledger != "" {
		if err := writeFile(ctx, j.Store, j.Ledger, ledger); err != nil {
			return nil, err
		}
	}
	if err := d.timing(ctx, started, "finished", total.Spent()); err != nil {
		return nil, err
	}
	if err := d.write(ctx, corpus.Done, []byte{}); err != nil {
		return nil, err
	}
	if err := d.tidy(ctx, phs); err != nil {
		return nil, err
	}
	return j.judge(total)
}

// tidy removes what the phases wrote for one another, once the run is whole. Their journals hold counts.
func (d *runDir) tidy(ctx context.Context, phs []phase) error {
	for n, ph := range phs {
		if ph.writes {
			continue
		}
		dir := path.Join(d.own, phaseDir(n+1))
		files, err := d.job.Store.List(ctx, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := d.job.Store.Remove(ctx, path.Join(dir, stepsFile)); err != nil { // before the files that it names
			return err
		}
		for _, f := range files {
			if path.Base(f.Name) != journalFile {
				if err := d.job.Store.Remove(ctx, f.Name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// deliver brings the parts of an output to the path that was asked for: joined to one file, or one by one.
func (d *runDir) deliver(ctx context.Context, t Target, out int, entries []Entry) error {
	kind, columns := outputNames[out], d.job.columnsOf(out)
	st := d.job.Store
	if t.File {
		w, err := st.Create(ctx, t.Path)
		if err != nil {
			return err
		}
		defer w.Abort() // after Commit it does nothing
		o := newStream(t.Format, w, columns)
		if err := o.join(ctx, st, d.root, kind, entries); err != nil {
			return err
		}
		if err := o.closeStream(); err != nil {
			return err
		}
		return w.Commit()
	}
	for _, e := range entries {
		p, ok := e.Parts[kind]
		if !ok {
			continue
		}
		name := strings.TrimPrefix(p.Name, path.Join(corpus.Dir, kind)+"/")
		w, err := st.Create(ctx, path.Join(t.Path, name))
		if err != nil {
			return err
		}
		defer w.Abort() // after Commit it does nothing
		if err := copyPart(ctx, st, w, d.root+"/"+p.Name); err != nil {
			return err
		}
		if err := w.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// join appends the parts of a kind to the stream.
func (o *output) join(ctx context.Context, st store.Store, root, kind string, entries []Entry) error {
	for _, e := range entries {
		if p, ok := e.Parts[kind]; ok {
			copyTo := copyPart
			if o.rows != nil {
				copyTo = copyLines
			}
			if err := copyTo(ctx, st, o.stream, root+"/"+p.Name); err != nil {
				return err
			}
			o.frames++
		}
	}
	return nil
}

func copyPart(ctx context.Context, st store.Store, w io.Writer, name string) error {
	f, err := st.Open(ctx, name, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, store.UntilDone(ctx, f))
	return errors.Join(err, f.Close())
}

// timing holds everything about a run that differs from one run to the next.
type timing struct {
	Attempts []attempt `json:"attempts"`
	// Spent is what stages have spent on what is in the directory, by their names, once it is whole.
	Spent map[string]map[string]int64 `json:"spent,omitzero"`
}

type attempt struct {
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Seconds float64   `json:"seconds"`
	How     string    `json:"how"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Workers int       `json:"workers"`
	Memory  int64     `json:"memory"`
}

func (d *runDir) timing(ctx context.Context, started time.Time, how string, spent map[string]map[string]int64) error {
	var t timing
	if b, err := d.read(ctx, timingFile); err == nil {
		_ = json.Unmarshal(b, &t) // a damaged history is begun anew
	}
	t.Spent = spent
	host, _ := os.Hostname()
	now := d.job.Now()
	t.Attempts = append(t.Attempts, attempt{
		Started: started.UTC(), Ended: now.UTC(), Seconds: now.Sub(started).Seconds(), How: how,
		Host: host, PID: os.Getpid(), Workers: d.job.Workers, Memory: d.job.Memory,
	})
	return d.write(ctx, timingFile, t)
}

// setFiles are the files of a set of results that a run has made, finished or not.
func (d *runDir) setFiles(ctx context.Context, files []store.Info) ([]string, error) {
	var made []step
	if b, err := d.read(ctx, resultsFile); err == nil {
		_ = json.Unmarshal(b, &made) // damaged, it names nothing
	}
	for _, f := range files {
		if path.Base(f.Name) != stepsFile || !strings.HasPrefix(path.Clean(f.Name), d.own+"/") {
			continue
		}
		r, err := d.job.Store.Open(ctx, f.Name, 0)
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		steps, _, err := readFrames[step](raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		made = append(made, resultsOf(steps)...)
	}
	var names []string
	for i := len(made) - 1; i >= 0; i-- { // what says that the set is whole was made last
		if fs.ValidPath(made[i].Name) {
			names = append(names, path.Join(d.root, made[i].Name))
		}
	}
	return names, nil
}

var partName = regexp.MustCompile(`^\.?part-\d{5,}-\d{5,}\.`)

// clear removes what runs of curate have written in the directory, and nothing else. patterns name what a task makes there (Task.Makes),
// beside those of an earlier one.
func (d *runDir) clear(ctx context.Context, patterns []string) error {
	if err := d.endAttempt(ctx); err != nil {
		return err
	}
	files, err := d.job.Store.List(ctx, d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if dir, _, below := strings.Cut(strings.TrimPrefix(path.Clean(f.Name), d.root+"/"), "/"+corpus.Dir+"/"); below && dir != corpus.Dir {
			return usage("%s: has an output directory below it, %s, which is part of what there is; remove that first, or give another directory", d.job.Out.Path, dir)
		}
	}
	// done first, so that the directory is never taken for a whole one; journal and configuration last, so that a
	// kill in between leaves a run that knows its parts are missing, and never parts that no run knows.
	own := func(name string) string { return path.Join(d.own, name) }
	names, last := []string{own(corpus.Done)}, []string{own(journalFile), own(manifestFile), own(configFile), own(clearingFile)}
	if _, err := d.job.Store.Stat(ctx, own(corpus.Done)); err == nil {
		// A kill in between leaves something that was whole, and not somebody's half-way run (Standing).
		if err := d.write(ctx, clearingFile, []byte{}); err != nil {
			return err
		}
	}
	var old struct { // a job's or a task's
		Step struct {
			Result string            `json:"result"`
			Inputs map[string]string `json:"inputs"`
		} `json:"step"`
		Makes []string `json:"makes"`
	}
	if b, err := d.read(ctx, configFile); err == nil && json.Unmarshal(b, &old) == nil && old.Step.Result == path.Base(old.Step.Result) && old.Step.Result != "" {
		names = append(names, path.Join(d.root, old.Step.Result))
	}
	patterns = slices.Concat(patterns, old.Makes)
	if old.Step.Inputs == nil || old.Makes != nil { // a task that did not say what it makes has listed all that was there, whoever had put it there
		set, err := d.setFiles(ctx, files)
		if err != nil {
			return err
		}
		names = append(names, set...)
	}
	for _, f := range files {
		if path.Base(f.Name) == stepsFile { // before the files that it names
			names = append(names, f.Name)
		}
	}
	for _, f := range files {
		name := path.Clean(f.Name)
		inOwn := strings.HasPrefix(name, d.own+"/") && name != own(lockFile) && !slices.Contains(last, name)
		inRoot := path.Dir(name) == d.root && partName.MatchString(path.Base(name))
		if inOwn || inRoot || makes(patterns, strings.TrimPrefix(name, d.root+"/")) {
			names = append(names, f.Name)
		}
	}
	for _, n := range append(names, last...) {
		if err := d.job.Store.Remove(ctx, n); err != nil {
			return err
		}
	}
	return d.job.Store.Sweep(ctx, d.root)
}
