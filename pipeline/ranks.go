package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/corpus/store"
	"curate/internal/human"
	"curate/stage"
)

// Any Job with an output directory may be done by ranks: RunRank does, in the process of one, the Map work of its files that
// can be done now; FinishRanks does, in one process, what needs all records: it lets the Reducers finish, with the functions
// of Job.Run, and makes the directory whole in the end. Whoever comes first begins the directory. See Shared for what lets
// any number of processes write there at once, and docs/ranks.md for how a scheduler calls them.
//
// Phases are done in groups: those up to the next that a Reducer ends. Within a group a file depends on nothing but itself,
// so a rank takes its files through all of it. FinishRanks notes what the Reducer has made (settledFile); the ranks of the
// next group let its Finish run again on that, which makes nothing any more and opens what is there.

// settledFile, in the folder of a phase that a Reducer ends, says that its Finish has come to its end. It is gone with the
// phase's other files when the directory is whole.
const settledFile = "settled"

// settled is what is in it.
type settled struct {
	Identity string          `json:"identity"` // of the run
	Made     []step          `json:"made"`     // by the Reducer, in the order in which it was
	Sealed   []settledSealed `json:"sealed"`   // what the Reducer has been shown
}

// settledSealed is a sealedFile.
type settledSealed struct {
	Name   string `json:"name"`
	Framed bool   `json:"framed"`
}

// Share says what a rank has done.
type Share struct {
	Parts    int  // files, and splits of large ones, that are the rank's
	Before   int  // of them were done before, in all phases that can be done now
	Phase    int  // the last one, from 1, that can be done now; of Phases. 0 if all is for FinishRanks
	Phases   int  //
	Finished bool // the directory is whole: there was nothing to do
	// Counts are those of the files that were done now, in the last phase.
	Counts Counts
}

// UnfinishedError says that FinishRanks came before ranks have done their files.
type UnfinishedError struct {
	Dir   string
	Phase int
	Files []corpus.File // that are not done, or not all splits of them
	Of    int           // files there are
	First int           // which rank of Of has the first part that is not done
}

// unfinished makes it of units, in order.
func (s *Shared) unfinished(n int, units []unit) error {
	e := &UnfinishedError{Dir: s.job.Out.name(), Phase: n, Of: len(s.job.Manifest.Files)}
	e.First = units[0].rank(e.Of)
	for _, u := range units {
		if k := len(e.Files); k == 0 || e.Files[k-1].Number != u.file.Number {
			e.Files = append(e.Files, u.file)
		}
	}
	return e
}

func (e *UnfinishedError) Error() string {
	const most = 3
	var names []string
	for _, f := range e.Files[:min(most, len(e.Files))] {
		names = append(names, f.Path)
	}
	more := ""
	if n := len(e.Files) - most; n > 0 {
		more = fmt.Sprintf(" and %s more", human.Thousands(int64(n)))
	}
	return fmt.Sprintf("%s: ranks are missing: phase %d is not done for %s of %s files: %s%s. Repeat the ranks that had them, I of N that of the I-th of every N files; the first of these is that of --rank %d --world-size %d",
		e.Dir, e.Phase, human.Thousands(int64(len(e.Files))), human.Thousands(int64(e.Of)), strings.Join(names, ", "), more, e.First, e.Of)
}

// forRanks finds what cannot be done by ranks.
func (j *Job) forRanks(ctx context.Context) error {
	if !j.intoDir() {
		return usage("ranks fill a directory that they all see: give one with -o DIR")
	}
	if j.Manifest.HasStream() {
		return usage("ranks cannot share a stream, which is read once, by one process: name files")
	}
	for _, s := range j.Stages {
		if _, serial := s.(stage.Serial); serial {
			return usage("%s decides about each record by those before it, in one process: leave --rank, --world-size and --finish out", s.Spec().Name)
		}
	}
	return j.check(ctx)
}

// RunRank does the Map work of a rank's files that can be done now, and begins the directory if nobody has. It is harmless
// to be killed, to be repeated, and to be run twice at once.
func (j *Job) RunRank(ctx context.Context, rank, world int) (_ *Share, err error) {
	defer func() { err = causeOf(ctx, err) }()
	if err := j.forRanks(ctx); err != nil {
		return nil, err
	}
	if grows, err := j.growsAlone(ctx); err != nil {
		return nil, err
	} else if grows {
		return &Share{}, nil
	}
	s, err := j.join(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	share := &Share{Phases: len(s.phs)}
	if finished, err := s.d.has(ctx, corpus.Done); err != nil {
		return nil, err
	} else if finished {
		share.Finished = true
		return share, nil
	}
	mine := slices.DeleteFunc(s.units(), func(u unit) bool { return u.rank(world) != rank })
	share.Parts = len(mine)
	first, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	now := map[string]bool{} // what there was something to do for
	for n := first; n <= len(s.phs); n++ {
		share.Phase = n
		todo, err := s.undone(ctx, n, mine)
		if err != nil {
			return nil, err
		}
		if len(todo) > 0 {
			var apply stage.Mapper
			if n == first && n > 1 {
				if apply, err = s.decided(ctx, n-1); err != nil {
					return nil, err
				}
			}
			for _, u := range todo {
				now[s.unitJournalName(0, u)] = true
			}
			if share.Counts, err = s.pass(ctx, n, todo, apply); err != nil {
				return share, err
			}
		}
		if s.phs[n-1].reducer != nil {
			break
		}
	}
	share.Before = len(mine) - len(now)
	return share, nil
}

// causeOf is err, or what has stopped the run, which says more than that it was stopped.
func causeOf(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// FinishRanks does the global step that is next, and begins the directory if nobody has, or anew with Restart. The result
// is nil if there is Map work for ranks now, and else that of the directory, which is whole. An UnfinishedError says which
// files ranks have not done that the step needs; where they have not done any, it is their turn, as it was when an earlier
// FinishRanks was killed before it could say so.
func (j *Job) FinishRanks(ctx context.Context) (_ *Result, err error) {
	defer func() { err = causeOf(ctx, err) }()
	if err := j.forRanks(ctx); err != nil {
		return nil, err
	}
	if grows, err := j.growsAlone(ctx); err != nil {
		return nil, err
	} else if grows {
		return j.Run(ctx)
	}
	started := j.Now()
	d := j.dir()
	if err := d.mayUse(ctx); err != nil {
		return nil, err
	}
	l, err := takeLock(path.Join(d.own, lockFile), j.Out.Path, j.Log)
	if err != nil {
		return nil, err
	}
	defer func() {
		empty := d.missing(context.WithoutCancel(ctx), configFile)
		l.release(empty)
		if empty {
			d.removeEmpty()
		}
	}()
	if j.Restart {
		_, now, manifest, err := d.compare(ctx)
		if err != nil {
			return nil, err
		}
		if err := d.beginRanks(ctx, now, manifest, true); err != nil {
			return nil, err
		}
		j.Restart = false
	}
	s, err := j.join(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	was, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = s.overtaken(ctx, was, err) }()
	if finished, err := d.has(ctx, corpus.Done); err != nil {
		return nil, err
	} else if finished {
		res, err := d.finishedBefore(ctx, s.phs)
		if res == nil && err == nil {
			err = fmt.Errorf("%s: was finished, and something of it was changed or removed since; repeat the command without --finish, which makes that again", j.Out.Path)
		}
		return res, errors.Join(err, s.tidy(ctx))
	}
	for first := 1; first <= len(s.phs); {
		last := first // of the group
		for last < len(s.phs) && s.phs[last-1].reducer == nil {
			last++
		}
		red := s.phs[last-1].reducer
		if red == nil { // the last group, which ends the job
			wait, err := s.awaits(ctx, first, last)
			if err != nil {
				return nil, err
			}
			if wait {
				return nil, s.forNow(first)
			}
			break
		}
		made, err := s.settledAs(ctx, last)
		if err != nil {
			return nil, err
		}
		if made == nil {
			wait, err := s.awaits(ctx, first, last)
			if err != nil {
				return nil, err
			}
			if wait {
				return nil, s.forNow(first)
			}
			if err := s.settle(ctx, last); err != nil {
				return nil, s.fence.explain(ctx, err)
			}
			if last < len(s.phs) {
				return nil, s.forNow(last + 1)
			}
		}
		first = last + 1
	}
	return s.whole(ctx, started)
}

// overtaken is err, or that it came of another FinishRanks, where no lock keeps two apart: what one has done with it removes. was is
// the phase that was the ranks' when this one began.
func (s *Shared) overtaken(ctx context.Context, was int, err error) error {
	if err == nil || ctx.Err() != nil || !store.IsURL(s.d.root) {
		return err
	}
	lost := errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrChanged) // of what was being read
	if !lost && !errors.As(err, new(*UnfinishedError)) {
		return err
	}
	done, doneErr := s.d.has(ctx, corpus.Done)
	now, openErr := s.open(ctx)
	switch {
	case doneErr == nil && done, openErr == nil && now != was:
		return fmt.Errorf("%s: another process with --finish has got further meanwhile; repeat the command", s.job.Out.name())
	case lost:
		return fmt.Errorf("%w; another process with --finish is at work there, or the file was lost; repeat the command", err)
	}
	return err
}

// forNow says whose turn it is.
func (s *Shared) forNow(phase int) error {
	s.job.Log.Info(fmt.Sprintf("%s: phase %d of %d is for ranks now, %s files", s.job.Out.name(), phase, len(s.phs), human.Thousands(int64(len(s.job.Manifest.Files)))))
	return nil
}

// growsAlone says that the directory was whole and grows by new files, which one process reads: FinishRanks. There is little to share.
func (j *Job) growsAlone(ctx context.Context) (bool, error) {
	if j.Restart {
		return false, nil
	}
	d := j.dir()
	old, _, _, err := d.compare(ctx)
	if err != nil || d.goes == nil {
		return false, err
	}
	if d.goes.grows {
		return true, nil
	}
	whole, err := d.has(ctx, corpus.Done)
	return !whole && len(old.Grown) > 0, err
}

// join opens the directory for a rank, and begins it if nobody has.
func (j *Job) join(ctx context.Context) (*Shared, error) {
	d := j.dir()
	for try := 0; ; try++ {
		attempt, err := d.attempt(ctx) // before it is seen that the job is that attempt's
		if err != nil {
			return nil, err
		}
		old, now, manifest, err := d.compare(ctx)
		if err != nil {
			return nil, err
		}
		if !d.begun && try < 3 {
			if err := d.beginRanks(ctx, now, manifest, false); err != nil {
				return nil, err
			}
			continue // with what is there now: another rank may have come first, with another bound of its records
		}
		finished, err := d.has(ctx, corpus.Done)
		if err != nil {
			return nil, err
		}
		steps, err := d.has(ctx, ranksFile)
		if err != nil {
			return nil, err
		}
		switch {
		case !d.begun:
			return nil, fmt.Errorf("%s: the run is being started anew; repeat the command when it has been", j.Out.Path)
		case old.Identity != now.Identity:
			return nil, d.refuse(ctx, old, now, manifest)
		case finished:
		case steps:
			return nil, usage("%s was begun by curate dedup start; go on with the steps that curate dedup status --run %s says, or give another directory", j.Out.Path, j.Out.Path)
		case attempt == "" && try < 3:
			continue // another may have begun the directory between the two looks
		case attempt == "":
			return nil, usage("%s was begun by a command without ranks; repeat that, or give another directory. If it is being started anew by --finish --restart, repeat this command when it has been", j.Out.Path)
		}
		if err := sameProgram(j, old); err != nil && !finished {
			return nil, err
		}
		if d.goes != nil { // it has grown: its files have numbers of its own
			ordered := *j
			ordered.Manifest = d.goes.files
			j, d.job = &ordered, &ordered
		}
		phs, err := j.phases()
		if err != nil {
			return nil, err
		}
		if !finished && attempt != now.Identity && !strings.HasPrefix(attempt, now.Identity+" ") {
			// Of two that began it at once, with other bounds of records, one has named the attempt, and the other the
			// run. The run counts; who works for the other one finds the attempt over.
			attempt = now.Identity
			if err := d.nameAttempt(ctx, attempt); err != nil {
				return nil, err
			}
		}
		j.Progress.Phases.Store(int64(len(phs)))
		s := &Shared{job: j, d: d, phs: phs, max: now.Step.MaxRecord, identity: now.Identity}
		if err := s.mayWrite(ctx, attempt, "repeat the command"); err != nil {
			return nil, err
		}
		if finished {
			return s, nil
		}
		return s, s.cutUp(ctx)
	}
}

// beginRanks freezes the job in its directory. Whoever else does so at the same time writes the same: all begin the attempt
// that is named by the job's identity, and only one that starts it anew, which one process does, names another one.
func (d *runDir) beginRanks(ctx context.Context, now config, manifest []byte, anew bool) error {
	j := d.job
	if err := d.mayUse(ctx); err != nil {
		return err
	}
	phs, err := j.phases()
	if err != nil {
		return err
	}
	first, err := j.newRun(now.Step.MaxRecord, 1, phs[0], nil, &voice{log: j.Log})
	if err != nil {
		return err
	}
	if err := first.probe(ctx); err != nil {
		return err
	}
	attempt := now.Identity
	if anew {
		attempt += " " + rand.Text()
		if err := d.clear(ctx, nil); err != nil {
			return err
		}
	}
	own, canShare := j.Store.(store.Sharable)
	if !canShare {
		return usage("ranks need files that they share; this store is none")
	}
	begin := *j // with a store whose unfinished files are this process' own
	begin.Store = own.Shared(rand.Text())
	b := &runDir{job: &begin, root: d.root, own: d.own}
	// Without config.json there are no parts: clear removes it behind them.
	if err := j.Store.Remove(ctx, path.Join(d.own, clearingFile)); err != nil {
		return err
	}
	if err := b.write(ctx, manifestFile, manifest); err != nil {
		return err
	}
	if err := b.nameAttempt(ctx, attempt); err != nil {
		return err
	}
	return b.write(ctx, configFile, now) // with it the run has begun
}

// nameAttempt writes the attempt's name, which others may be doing, too.
func (d *runDir) nameAttempt(ctx context.Context, attempt string) error {
	st := d.job.Store
	if own, ok := st.(store.Sharable); ok {
		st = own.Shared(rand.Text())
	}
	return writeFile(ctx, st, d.attemptName(), []byte(attempt+"\n"))
}

func (s *Shared) phaseFile(n int, name string) string {
	return path.Join(s.d.own, phaseDir(n), name)
}

// settledAs is what the Reducer of phase n has made; nil if it has not finished.
func (s *Shared) settledAs(ctx context.Context, n int) (*settled, error) {
	raw, err := s.d.read(ctx, path.Join(phaseDir(n), settledFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	made := &settled{}
	if err := json.Unmarshal(raw, made); err != nil {
		return nil, fmt.Errorf("%s: %w; remove it, and repeat the command with --finish", s.phaseFile(n, settledFile), err)
	}
	if made.Identity != s.identity {
		return nil, nil
	}
	return made, nil
}

// open is the first phase that ranks may do now: the one behind the last that is settled.
func (s *Shared) open(ctx context.Context) (int, error) {
	first := 1
	for n, ph := range s.phs {
		if ph.reducer == nil {
			continue
		}
		made, err := s.settledAs(ctx, n+1)
		if err != nil {
			return 0, err
		}
		if made == nil {
			break
		}
		first = n + 2
	}
	return first, nil
}

// awaits says whether it is the ranks' turn in the phases from first to last: they have done no file there. If they have
// done some and not all, that is an error.
func (s *Shared) awaits(ctx context.Context, first, last int) (bool, error) {
	begun := false
	units := s.units()
	for n := first; n <= last; n++ {
		missing, err := s.undone(ctx, n, units)
		if err != nil {
			return false, err
		}
		begun = begun || len(missing) < len(units)
		if len(missing) > 0 {
			if !begun {
				return true, nil
			}
			return false, s.unfinished(n, missing)
		}
	}
	return false, nil
}

// gathered is a phase as its ranks have left it.
type gathered struct {
	entries []Entry // without counts, in order
	counts  Counts
}

// gather looks at all files of phase n: their journals must be of this run, and the parts that the kinds say in place. A
// file of which something is not is made to be done again, which an UnfinishedError says.
func (s *Shared) gather(ctx context.Context, n int, kinds func(kind string) bool) (*gathered, error) {
	g := &gathered{}
	var again []unit
	for _, f := range s.job.Manifest.Files {
		lost := len(again)
		for _, u := range s.unitsOf(f) {
			es, err := s.unitEntries(ctx, n, u)
			why := ""
			switch {
			case errors.Is(err, errOtherRun):
				why = "it is of a run that was begun at the same time with other settings"
			case errors.Is(err, fs.ErrNotExist):
				again = append(again, u)
				continue
			case err != nil:
				return nil, err
			}
			for _, e := range es {
				name, err := missingPart(ctx, s.store, s.d.root, e, kinds)
				if err != nil {
					return nil, err
				}
				if name != "" {
					why = name + " is not there as it was written"
					break
				}
			}
			if why != "" {
				s.job.Log.Warn(fmt.Sprintf("%s, phase %d: %s; a rank has to do it again", f.Path, n, why))
				if err := s.store.Remove(ctx, s.unitJournalName(n, u)); err != nil {
					return nil, err
				}
				again = append(again, u)
				continue
			}
			if len(es) == 0 { // a split in which no record begins
				continue
			}
			sum := sumEntries(es)
			if g.counts.Stages == nil {
				g.counts = sum
			} else {
				g.counts.add(&sum)
			}
			for i := range es {
				es[i].Counts = Counts{} // there may be millions of entries
			}
			g.entries = append(g.entries, es...)
		}
		if k := len(g.entries); len(again) == lost && (k == 0 || g.entries[k-1].File != f.Number || !g.entries[k-1].EOF) {
			return nil, fmt.Errorf("%s: %w", f.Path, corpus.ErrChanged)
		}
	}
	if len(again) > 0 {
		return nil, s.unfinished(n, again)
	}
	return g, nil
}

func (s *Shared) phaseRunner() *phaseRunner {
	return &phaseRunner{job: s.job, phs: s.phs, store: s.store, base: s.d.own, root: s.d.root, resume: true, max: s.max}
}

// settle lets the Reducer of phase n finish.
func (s *Shared) settle(ctx context.Context, n int) (err error) {
	g, err := s.gather(ctx, n, func(string) bool { return true })
	if err != nil {
		return err
	}
	if err := g.counts.check(); err != nil {
		return err
	}
	j, red := s.job, s.phs[n-1].reducer
	j.Progress.Phase.Store(int64(n))
	w, err := openWorkspace(ctx, s.store, path.Join(s.d.own, phaseDir(n)), s.d.root, s.d.own, true, j.finishMemory(), j.Workers, j.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	p := s.phaseRunner()
	sealed, err := p.merge(ctx, n, red, g.entries, w)
	if err != nil {
		return err
	}
	if _, err := p.conclude(ctx, red, sealed, w); err != nil {
		return err
	}
	made := settled{Identity: s.identity, Made: w.steps(), Sealed: []settledSealed{}}
	for _, f := range sealed {
		made.Sealed = append(made.Sealed, settledSealed{strings.TrimPrefix(f.name, s.d.root+"/"), f.framed})
	}
	b, err := json.Marshal(&made, json.Deterministic(true))
	if err != nil {
		return err
	}
	return writeFile(ctx, s.store, s.phaseFile(n, settledFile), append(b, '\n'))
}

// left is the workspace of phase n as its Reducer has left it, for reading. It is closed with s.
func (s *Shared) left(n int, made *settled) *workspace {
	w := &workspace{
		st: s.store, dir: path.Join(s.d.own, phaseDir(n)), out: s.d.root, found: s.d.own, memory: s.job.finishMemory(), workers: s.job.Workers,
		voice: slog.New(slog.DiscardHandler), // FinishRanks has told it
		made:  map[string]step{}, over: true,
	}
	for _, m := range made.Made {
		w.add(m)
	}
	s.scratch = append(s.scratch, w)
	return w
}

// decided is the Mapper by which phase n hands over to the next; nil if no Reducer ends it.
func (s *Shared) decided(ctx context.Context, n int) (stage.Mapper, error) {
	red := s.phs[n-1].reducer
	if red == nil {
		return nil, nil
	}
	made, err := s.settledAs(ctx, n)
	if err != nil {
		return nil, err
	}
	if made == nil {
		return nil, fmt.Errorf("%s: the run was started anew, or something of it was removed; repeat the command", s.job.Out.Path)
	}
	var sealed []sealedFile
	for _, f := range made.Sealed {
		sealed = append(sealed, sealedFile{path.Join(s.d.root, f.Name), f.Framed})
	}
	return s.phaseRunner().conclude(ctx, red, sealed, s.left(n, made))
}

// whole makes the directory that of Job.Run: results, journals, counts, and that it is whole.
func (s *Shared) whole(ctx context.Context, started time.Time) (*Result, error) {
	d := s.d
	switch found, err := d.foundAll(ctx); {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("%s: what was found there beside the decision has been removed since; start the run anew with --restart", d.own)
	}
	var counts []Counts
	var phases []*gathered
	for n, ph := range s.phs {
		g, err := s.gather(ctx, n+1, staying(ph.writes))
		if err != nil {
			return nil, err
		}
		counts, phases = append(counts, g.counts), append(phases, g)
	}
	placed, err := s.placeQuarantines(ctx, phases)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, g := range phases {
		entries = append(entries, g.entries...)
	}
	last := len(s.phs)
	if red := result(s.phs); red != nil {
		made, err := s.settledAs(ctx, last)
		if err == nil && made == nil {
			err = fmt.Errorf("%s has been removed since; repeat the command", s.phaseFile(last, settledFile))
		}
		if err != nil {
			return nil, err
		}
		w := s.left(last, made)
		if isSet(red.Spec().Result) { // its files are in place already
			results := w.results()
			for _, r := range results {
				counts[last-1].BytesOut += r.Size
			}
			if err := d.write(ctx, resultsFile, results); err != nil {
				return nil, err
			}
		} else {
			p := s.phaseRunner()
			p.in, p.counts = &handover{work: w}, counts
			if err := p.writeResult(ctx, path.Join(d.root, red.Spec().Result)); err != nil {
				return nil, err
			}
		}
	}
	total := combine(s.phs, counts)
	if err := total.check(); err != nil {
		return nil, err
	}
	for n := range s.phs {
		if err := s.writeJournal(ctx, n+1, placed); err != nil {
			return nil, err
		}
	}
	// The last rank has ended, or was told to: what is left of unfinished files is nobody's.
	if err := s.store.Sweep(ctx, d.root); err != nil {
		return nil, err
	}
	res, err := d.finish(ctx, entries, total, started, s.phs)
	if res == nil {
		return nil, err
	}
	return res, errors.Join(err, s.tidy(ctx))
}

// writeJournal makes the journal of phase n from those of its units, some of whose quarantines are elsewhere now.
func (s *Shared) writeJournal(ctx context.Context, n int, placed map[place]Part) error {
	name := journalFile
	if !s.phs[n-1].writes {
		name = path.Join(phaseDir(n), journalFile)
	}
	w, err := s.store.Create(ctx, path.Join(s.d.own, name))
	if err != nil {
		return err
	}
	defer w.Abort() // after Commit it does nothing
	var raw []byte
	for _, u := range s.units() {
		es, err := s.unitEntries(ctx, n, u)
		if err != nil {
			return err
		}
		slices.SortStableFunc(es, compareEntries)
		raw = raw[:0]
		for i := range es {
			es[i].Run = ""
			if p, ok := placed[place{n, es[i].File, es[i].Split}]; ok {
				es[i].Parts[outputNames[outQuarantine]] = p
			}
			if raw, err = appendEntry(raw, &es[i]); err != nil {
				return err
			}
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
	}
	return w.Commit()
}

// Say is the share in words.
func (s *Share) Say(rank, world int) string {
	if s.Finished {
		return "is finished already"
	}
	if s.Phase == 0 {
		return fmt.Sprintf("rank %d of %d has nothing to do before --finish", rank, world)
	}
	phase := ""
	if s.Phases > 1 {
		phase = fmt.Sprintf(", phase %d of %d", s.Phase, s.Phases)
	}
	noun := "parts" // files, and splits of large ones
	if s.Parts == 1 {
		noun = "part"
	}
	before := ""
	if s.Before > 0 {
		before = fmt.Sprintf(", %s of them before", human.Thousands(int64(s.Before)))
	}
	return fmt.Sprintf("rank %d of %d is done%s: %s %s%s", rank, world, phase, human.Thousands(int64(s.Parts)), noun, before)
}
