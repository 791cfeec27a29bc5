package pipeline

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/corpus/store"
	"curate/stage"
)

// Shared is a Job with an output directory that many processes fill, on one machine or on many that see the same
// folder. A rank does a phase for some of the files; what ends a phase, somebody who knows the Reducers does (package
// dedup has Ranks), with files in Workspace; and one process finishes the directory, which is then that of Job.Run, byte
// by byte.
//
// No process waits for another, or keeps one out. What they make are the same bytes under the same names, whoever makes
// them and however often: each file appears whole, by a rename, from a temporary one that has the process' own tag. So a
// process may be killed at any moment, or run twice at once. One of a run that was started anew meanwhile renames nothing
// any more (fenced). A file of the manifest is done in a phase when its own
// journal is there (fileJournalName), and that is the unit of what is done again.
//
// docs/formats/ranks.md is the page of the folder.
type Shared struct {
	job *Job
	d   *runDir
	phs []phase
	max int
	// identity of the run, which a file's journal says.
	identity string
	cuts     map[int]*corpus.Cut // of files that are shared split by split (unit), by number; the steps of dedup have none
	store    store.Store         // whose unfinished files are this process' own
	fence    *fenced             // the same
	files    *openFiles
	temp     *tempFolder
	scratch  []*workspace
}

const (
	ranksFile   = "ranks.json"
	ranksDir    = "ranks"
	scratchDir  = "scratch"
	fileJournal = "file-%05d" // a file's journal in a phase
)

func (s *Shared) fileJournalName(n, file int) string {
	return path.Join(s.d.own, phaseDir(n), fmt.Sprintf(fileJournal, file))
}

// StartShared freezes the job in its directory. settings are what its processes make the job from (ReadShared). before
// says that it was started so already.
func (j *Job) StartShared(ctx context.Context, settings []byte) (before bool, err error) {
	if err := j.check(ctx); err != nil {
		return false, err
	}
	if j.Manifest.HasStream() {
		return false, usage("a stream is read once, by one process: name files")
	}
	d := j.dir()
	if err := d.mayUse(ctx); err != nil {
		return false, err
	}
	l, err := takeLock(path.Join(d.own, lockFile), j.Out.Path, j.Log)
	if err != nil {
		return false, err
	}
	defer func() {
		l.release(!d.begun)
		if !d.begun {
			d.removeEmpty()
		}
	}()
	old, now, manifest, err := d.compare(ctx)
	if err != nil {
		return false, err
	}
	if d.begun && !j.Restart {
		was, err := d.read(ctx, ranksFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return false, usage("%s was begun by a command that does it alone; repeat that, or give another directory", j.Out.Path)
		case err != nil:
			return false, err
		case old.Identity != now.Identity:
			return false, d.refuse(ctx, old, now, manifest)
		case !bytes.Equal(was, settings):
			return false, usage("%s was started with other settings:\n  %s\nGive another directory, or --restart to begin this one anew", j.Out.Path, strings.Join(differences("", was, settings), "\n  "))
		}
		return true, sameProgram(j, old)
	}
	phs, err := j.phases()
	if err != nil {
		return false, err
	}
	first, err := j.newRun(now.Step.MaxRecord, 1, phs[0], nil, &voice{log: j.Log})
	if err != nil {
		return false, err
	}
	if err := first.probe(ctx); err != nil {
		return false, err
	}
	if err := d.clear(ctx, nil); err != nil {
		return false, err
	}
	if err := d.write(ctx, manifestFile, manifest); err != nil {
		return false, err
	}
	if err := d.write(ctx, ranksFile, settings); err != nil {
		return false, err
	}
	if err := d.begin(ctx); err != nil {
		return false, err
	}
	if err := d.write(ctx, configFile, now); err != nil { // with it the run has begun
		return false, err
	}
	d.begun = true
	return false, nil
}

// sameProgram refuses to go on with what another version has begun: its ranks would not all make the same bytes.
func sameProgram(j *Job, c config) error {
	if c.Program == j.Program {
		return nil
	}
	return usage("%s was started by %s, and this is %s: all of a run must be one version. Use that one, or start another run", j.Out.Path, c.Program, j.Program)
}

// ReadShared reads what a shared run was started with: its settings and its inputs.
func ReadShared(ctx context.Context, st store.Store, dir string) (settings []byte, m *corpus.Manifest, err error) {
	j := &Job{Store: st, Out: Target{Path: dir}}
	d := j.dir()
	if d.missing(ctx, configFile) {
		return nil, nil, usage("%s: no run was started here", dir)
	}
	if settings, err = d.read(ctx, ranksFile); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usage("%s is the output of a command that does it alone, and no run for ranks", dir)
	} else if err != nil {
		return nil, nil, err
	}
	raw, err := d.read(ctx, manifestFile)
	if err != nil {
		return nil, nil, err
	}
	m = &corpus.Manifest{}
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path.Join(d.own, manifestFile), err)
	}
	return settings, m, nil
}

// OpenShared opens the job's directory for one process; settings are those of ReadShared, which it was made from. It refuses a
// job that is not the one that was started, another version of the program, and inputs that have changed. When the run is
// started anew, nothing more of this process gets into it: that is an error. Close ends it.
func (j *Job) OpenShared(ctx context.Context, settings []byte) (*Shared, error) {
	d := j.dir()
	attempt, err := d.attempt(ctx) // before it is seen that the job is that attempt's
	if err != nil {
		return nil, err
	}
	s, err := j.LookShared(ctx)
	if err != nil {
		return nil, err
	}
	switch now, err := d.read(ctx, ranksFile); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case !bytes.Equal(now, settings), attempt == "" && !s.Finished(ctx):
		return nil, fmt.Errorf("%s: the run is being started anew; repeat the command when it has been", j.Out.Path)
	}
	for _, f := range j.Manifest.Files {
		info, err := j.Store.Stat(ctx, f.Location())
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: is not there any more, or this is not the folder that its path begins in; run this where the run was started", f.Path)
		}
		if err != nil {
			return nil, err
		}
		if !f.Is(info) {
			return nil, fmt.Errorf("%s: has changed since the run was started (%d bytes then, %d now); put it back as it was, with its time, or start another run", f.Path, f.Size, info.Size)
		}
	}
	return s, s.mayWrite(ctx, attempt, fmt.Sprintf("run what \"curate dedup status --run %s\" says comes next", j.Out.Path))
}

// mayWrite gives s a store that writes for the attempt. next is what to do when that is over.
func (s *Shared) mayWrite(ctx context.Context, attempt, next string) error {
	own, canShare := s.job.Store.(store.Sharable)
	if !canShare {
		return usage("ranks need files that they share; this store is none")
	}
	s.fence = &fenced{own.Shared(rand.Text()), s.d, attempt, next}
	s.store = s.fence
	s.files = newOpenFiles(ctx, s.store)
	return nil
}

// LookShared is OpenShared for who only looks (Missing, Made, Finished).
func (j *Job) LookShared(ctx context.Context) (*Shared, error) {
	d := j.dir()
	old, now, manifest, err := d.compare(ctx)
	if err != nil {
		return nil, err
	}
	if err := sameProgram(j, old); err != nil {
		return nil, err
	}
	if old.Identity != now.Identity {
		return nil, d.refuse(ctx, old, now, manifest)
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
	j.Progress.Phases.Store(int64(len(phs)))
	return &Shared{job: j, d: d, phs: phs, max: now.Step.MaxRecord, identity: now.Identity, store: j.Store}, nil
}

// Close ends the use of everything that was opened.
func (s *Shared) Close() error {
	var err error
	for _, w := range s.scratch {
		err = errors.Join(err, w.close())
	}
	if s.files != nil {
		err = errors.Join(err, s.files.close())
	}
	if s.temp != nil {
		s.temp.remove()
	}
	return err
}

// Finished says whether the directory is whole.
func (s *Shared) Finished(ctx context.Context) bool { return !s.d.missing(ctx, corpus.Done) }

// Phases is how many there are.
func (s *Shared) Phases() int { return len(s.phs) }

// Files are those of the manifest that are a rank's.
func (s *Shared) Files(rank, world int) []corpus.File {
	var mine []corpus.File
	for _, f := range s.job.Manifest.Files {
		if (f.Number-1)%world == rank {
			mine = append(mine, f)
		}
	}
	return mine
}

// Missing are the files that are not done in phase n, from 1.
func (s *Shared) Missing(ctx context.Context, n int, files []corpus.File) ([]corpus.File, error) {
	var missing []corpus.File
	for _, f := range files {
		_, err := s.job.Store.Stat(ctx, s.fileJournalName(n, f.Number))
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, f)
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// entries are those of a file in phase n.
func (s *Shared) entries(ctx context.Context, n, file int) ([]Entry, error) {
	name := s.fileJournalName(n, file)
	entries, err := s.readJournal(ctx, name)
	if err == nil && !entries[len(entries)-1].EOF {
		err = fmt.Errorf("%s: is damaged; remove it, and repeat what made it", name)
	}
	return entries, err
}

// readJournal reads a journal that a rank has written: one or more entries, the last of which says the run's identity.
func (s *Shared) readJournal(ctx context.Context, name string) ([]Entry, error) {
	f, err := s.store.Open(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	entries, good, err := readFrames[Entry](raw)
	if err == nil && (good < len(raw) || len(entries) == 0) {
		err = errors.New("is damaged; remove it, and repeat what made it")
	}
	if err == nil && entries[len(entries)-1].Run != s.identity {
		err = errOtherRun
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return entries, nil
}

// errOtherRun is a file's journal that is not this run's: of two ranks that began a directory at once, with other settings.
var errOtherRun = errors.New("is of another run; remove it, and repeat what made it")

// handover is what phase n leaves to the next, of these files; nil of phase 0.
func (s *Shared) handover(ctx context.Context, n int, files []corpus.File) (*handover, error) {
	if n == 0 {
		return nil, nil
	}
	h := &handover{noCopy: s.phs[n-1].noCopy, root: s.d.root, entries: map[int][]Entry{}}
	for _, f := range files {
		es, err := s.entries(ctx, n, f.Number)
		if err != nil {
			return nil, err
		}
		h.entries[f.Number] = es
	}
	var err error
	if h.noCopy {
		h.before, err = s.handover(ctx, n-1, files)
	}
	return h, err
}

// Pass does phase n, from 1, for those of the files that are not done in it. apply is the Mapper by which the Reducer before
// would hand over; nil where there is none.
func (s *Shared) Pass(ctx context.Context, n int, files []corpus.File, apply stage.Mapper) (Counts, error) {
	if err := s.fence.check(ctx); err != nil {
		return Counts{}, err
	}
	todo, err := s.Missing(ctx, n, files)
	if err != nil || len(todo) == 0 {
		return Counts{}, err
	}
	j := *s.job
	j.Manifest = &corpus.Manifest{Files: todo}
	in, err := s.handover(ctx, n-1, todo)
	if err != nil {
		return Counts{}, err
	}
	if in != nil {
		in.apply = apply
	}
	j.expect(n, in)
	r, err := j.newRun(s.max, n, s.phs[n-1], in, &voice{log: j.Log})
	if err != nil {
		return Counts{}, err
	}
	if err := s.prepare(ctx, r, &j, n); err != nil {
		return Counts{}, err
	}
	r.journal = &fileJournals{ctx: ctx, s: s, phase: n, open: map[int][]byte{}}
	if _, err = r.start(ctx); err == nil {
		err = r.total.check()
	}
	return r.total, s.fence.explain(ctx, causeOf(ctx, err))
}

// prepare gives a run of phase n its store and its outputs.
func (s *Shared) prepare(ctx context.Context, r *run, j *Job, n int) (err error) {
	r.store = s.store
	if s.phs[n-1].writes {
		s.d.outputs(r)
	} else {
		p := &phaseRunner{job: j, phs: s.phs, store: s.store, base: s.d.own, root: s.d.root, resume: true}
		p.outputs(r, path.Join(s.d.own, phaseDir(n)))
	}
	if r.reducer != nil {
		r.pieces, err = s.tempDir()
	}
	return err
}

// fileJournals writes the journal of a file when that is done.
type fileJournals struct {
	ctx   context.Context
	s     *Shared
	phase int

	mu   sync.Mutex
	open map[int][]byte // entries so far, by file
}

func (l *fileJournals) append(e *Entry) error {
	l.mu.Lock()
	said := *e
	if e.EOF {
		said.Run = l.s.identity
	}
	b, err := appendEntry(l.open[e.File], &said)
	l.open[e.File] = b
	if e.EOF {
		delete(l.open, e.File)
	}
	l.mu.Unlock()
	if err != nil || !e.EOF {
		return err
	}
	// What was finished before a signal is not lost.
	return writeFile(context.WithoutCancel(l.ctx), l.s.store, l.s.fileJournalName(l.phase, e.File), b)
}

func (l *fileJournals) close() error { return nil }

// Sealed is what the Reducer of phase n sealed of a file, split by split.
func (s *Shared) Sealed(ctx context.Context, n int, f corpus.File) ([]stage.Sealed, error) {
	es, err := s.entries(ctx, n, f.Number)
	if err != nil {
		return nil, err
	}
	var list []stage.Sealed
	for _, e := range es {
		part := e.Parts[outputNames[outSealed]]
		name := path.Join(s.d.root, part.Name)
		one, err := s.files.sealed(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, one)
	}
	return list, nil
}

// tempDir is a folder of this process alone.
func (s *Shared) tempDir() (string, error) {
	if s.temp == nil {
		dir := s.job.Tmp
		if dir == "" && !store.IsURL(s.d.own) { // else it is the system's
			dir = filepath.FromSlash(path.Join(s.d.own, scratchDir))
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return "", err
			}
		}
		var err error
		if s.temp, err = newTempFolder(dir, s.job.Log); err != nil {
			return "", err
		}
	}
	return s.temp.name, nil
}

// Scratch is a workspace of this process alone, which is gone with it.
func (s *Shared) Scratch(ctx context.Context) (stage.Workspace, error) {
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	w, err := openWorkspace(ctx, s.store.Scratch(), dir, "", "", false, s.job.finishMemory(), s.job.Workers, s.job.Log)
	if err == nil {
		s.scratch = append(s.scratch, w)
	}
	return w, err
}

// Workspace is what all processes share. What is there was made whole, by whichever of them, and is not made again.
func (s *Shared) Workspace() stage.Workspace { return sharedWorkspace{s} }

type sharedWorkspace struct{ s *Shared }

// path is where a file is: among those that ranks make for one another, or, of findings, where they stay.
func (w sharedWorkspace) path(name string) string {
	if finding, ok := strings.CutPrefix(name, stage.FindingsDir); ok {
		return path.Join(w.s.d.own, finding)
	}
	return path.Join(w.s.d.own, ranksDir, name)
}

// Make implements stage.Workspace.
func (w sharedWorkspace) Make(ctx context.Context, name string, write func(w io.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	switch made, err := w.s.Made(ctx, name); {
	case err != nil:
		return err
	case made:
		return nil
	}
	f, err := w.s.store.Create(ctx, w.path(name))
	if err != nil {
		return err
	}
	defer f.Abort() // after Commit it does nothing
	if err := compressed(name, f, write); err != nil {
		return w.s.fence.explain(ctx, err)
	}
	return f.Commit()
}

// Open implements stage.Workspace.
func (w sharedWorkspace) Open(ctx context.Context, name string) (stage.ReaderAt, int64, error) {
	return w.s.store.OpenAt(ctx, w.path(name))
}

// Remove implements stage.Workspace. Another process may want the file, so it stays until Finish.
func (w sharedWorkspace) Remove(context.Context, string) error { return nil }

// Tell implements stage.Workspace.
func (w sharedWorkspace) Tell(warning bool, line string) {
	if warning {
		w.s.job.Log.Warn(line)
	} else {
		w.s.job.Log.Info(line)
	}
}

// Memory implements stage.Workspace.
func (w sharedWorkspace) Memory() int64 { return w.s.job.finishMemory() }

// Workers implements stage.Workspace.
func (w sharedWorkspace) Workers() int { return w.s.job.Workers }

// Made says whether a file of Workspace is there.
func (s *Shared) Made(ctx context.Context, name string) (bool, error) {
	_, err := s.job.Store.Stat(ctx, sharedWorkspace{s}.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Finish makes the directory whole when all files are done in all phases: counts must add up, parts must be there. Then come
// journals, ledger, times and done, and what ranks made for one another goes.
func (s *Shared) Finish(ctx context.Context) (*Result, error) {
	j, d := s.job, s.d
	started := j.Now()
	l, err := takeLock(path.Join(d.own, lockFile), j.Out.Path, j.Log)
	if err != nil {
		return nil, err
	}
	defer l.release(false)
	res, err := d.finishedBefore(ctx, s.phs)
	if res != nil || err != nil {
		return res, errors.Join(err, s.tidy(ctx))
	}
	if s.fence.attempt == "" {
		return nil, fmt.Errorf("%s: was finished, and something of it was changed or removed since; start the run anew with --restart", j.Out.Path)
	}
	return s.whole(ctx, started)
}

// staying are the kinds of parts that stay: of a phase that writes all, of others what was settled there.
func staying(writes bool) func(kind string) bool {
	return func(kind string) bool {
		return writes || kind == outputNames[outDropped] || kind == outputNames[outQuarantine]
	}
}

// tidy removes what ranks made for one another: first the attempt's name, so that one who is still at work adds nothing.
func (s *Shared) tidy(ctx context.Context) error {
	err := s.d.endAttempt(ctx)
	st, last := s.job.Store, path.Join(s.d.own, phaseDir(len(s.phs)))
	if s.phs[len(s.phs)-1].writes { // what is in other phases' folders is runDir.tidy's
		err = errors.Join(err, removeBelow(ctx, st, last))
	}
	if store.IsURL(s.d.own) { // where folders are but names
		return errors.Join(err, removeBelow(ctx, st, path.Join(s.d.own, ranksDir)))
	}
	for n := range s.phs { // empty folders
		_ = os.Remove(filepath.FromSlash(path.Join(s.d.own, phaseDir(n+1), outputNames[outQuarantine])))
		_ = os.Remove(filepath.FromSlash(path.Join(s.d.own, phaseDir(n+1))))
	}
	for _, dir := range []string{ranksDir, scratchDir} {
		err = errors.Join(err, os.RemoveAll(filepath.FromSlash(path.Join(s.d.own, dir))))
	}
	return err
}

// removeBelow removes all files below dir.
func removeBelow(ctx context.Context, st store.Store, dir string) error {
	files, err := st.List(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		err = errors.Join(err, st.Remove(ctx, f.Name))
	}
	return err
}
