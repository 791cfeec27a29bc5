package recipe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"slices"

	"curate/corpus"
	"curate/pipeline"
	"curate/stage"
)

// A step whose stages keep an index of what they have kept grows by directories (pipeline.AdditionDir): what has come to its inputs is read
// alone, and compared with the index. The directories are the truth: the index, in the run's own folder, has a generation for each
// of them, in order, and what it has beside that is cut off before it is used. So whatever is stopped when, or removed by hand, each
// directory is compared with what those before it have kept, and with nothing else.
//
// A directory that is not what it would be now (its inputs or the settings are others, the index lacks it) is made anew, and so are all
// behind it; where it is the first, the step is begun anew, of all its inputs.

// IndexKind is what a kind can do with an index.
type IndexKind struct {
	// Asked says whether the values ask for one.
	Asked func(v *Values) bool
	// Open makes the stages of one of the step's directories, in place of Build.
	Open func(ctx context.Context, v *Values, s Setting, a Addition) (*Index, error)
	// Cut leaves the first n generations of the index in dir; 0 removes it, whatever it was.
	Cut func(ctx context.Context, dir string, n int) error
	// Lock keeps others from writing to it.
	Lock func(ctx context.Context, dir string, log *slog.Logger) (release func(), err error)
	// Most is how many directories there may be.
	Most int
}

// Addition is one of the directories of a step that keeps an index.
type Addition struct {
	Index    string // the index's folder, in which there may be none yet
	Number   int    // from 1, the step's own folder
	Manifest *corpus.Manifest
	Look     bool // ask how things stand; nothing will be run
}

// Index is an index, opened for one directory.
type Index struct {
	// Problem is why the folder's index is not that of the step's directories, such as other settings. Number 1 has stages all the same: it
	// is compared with nothing.
	Problem string
	Stages  []stage.Stage
	// Has is how many generations there are; Already says that the directory's own is in its place among them, and Made that it
	// is whole, if only not among them yet.
	Has           int
	Already, Made bool
	// Commit adds the directory's generation, once that is whole.
	Commit func(ctx context.Context) error
	Close  func() error
}

// indexed is what in the step keeps an index; nil if nothing does.
func (s *Step) indexed() *Use {
	for i := range s.Uses {
		if x := s.Uses[i].Kind.Index; x != nil && x.Asked(s.Uses[i].Values) {
			return &s.Uses[i]
		}
	}
	return nil
}

// mayStandBeside refuses stages that would look at new documents as if there were no others.
func (u *Use) mayStandBeside(list []stage.Stage) error {
	for _, one := range list {
		if _, maps := one.(stage.Mapper); !maps {
			return u.at.errorf("%s looks at all documents together, and stands in a step with an index, which would show it new ones alone; make it a step of its own", u.Kind.Name)
		}
	}
	return nil
}

// indexDir is where a step keeps its index.
func (r *Runner) indexDir(s *Step) string {
	return path.Join(r.Recipe.Run, corpus.Dir, "index", s.Name)
}

// directory is one of a step's with an index.
type directory struct {
	dir      string
	number   int
	manifest *corpus.Manifest
	inputs   []Input
	standing pipeline.Standing
	changes  []string
	identity string
	index    *Index // as it was looked at, closed
	counts   pipeline.Counts
}

// survey is how such a step stands.
type survey struct {
	list     []*directory // those that stay, and at most one more that is to be made
	keep     int          // of them are there
	cut      int          // generations of the index that stay
	has      int          // generations that it has
	standing pipeline.Standing
	changes  []string
	gone     string // why directories that are there do not stay
	had      int    // files of those that stay
}

// added is the directory to be made of new files; nil without any.
func (v *survey) added() *directory {
	if last := v.list[len(v.list)-1]; len(v.list) > 1 && last.standing == pipeline.Absent {
		return last
	}
	return nil
}

// newDirectory is the nth of the step, with the files, which get the numbers that they have in it.
func (r *Runner) newDirectory(s *Step, n int, files []corpus.File, inputs []Input, of map[string]int) *directory {
	d := &directory{dir: s.Dir(), number: n, manifest: &corpus.Manifest{Files: slices.Clone(files)}, inputs: slices.Clone(inputs)}
	if n > 1 {
		d.dir = pipeline.AdditionDir(s.Dir(), n)
	}
	for i := range d.inputs {
		d.inputs[i].Files = 0
	}
	for i := range d.manifest.Files {
		f := &d.manifest.Files[i]
		f.Number = i + 1
		d.inputs[of[f.Path]].Files++
	}
	return d
}

// survey looks at the directories, the index and the inputs, and changes nothing.
func (r *Runner) survey(ctx context.Context, s *Step, identities map[*Step]string) (*survey, error) {
	m, inputs, err := r.manifest(ctx, s, identities)
	if err != nil {
		return nil, err
	}
	of := make(map[string]int, len(m.Files)) // which input a file is of
	at := 0
	for i, in := range inputs {
		for range in.Files {
			of[m.Files[at].Path] = i
			at++
		}
	}
	v := &survey{}
	known := make(map[string]bool, len(m.Files))
	for n := 1; ; n++ {
		d := r.newDirectory(s, n, nil, inputs, of)
		has, _, err := pipeline.Inputs(ctx, r.Store, d.dir)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil && !r.Restart {
			return nil, err
		}
		why := ""
		continued := (*corpus.Manifest)(nil)
		if err == nil {
			continued = has.Continued(m, nil)
		}
		if continued != nil {
			d = r.newDirectory(s, n, continued.Files[:len(has.Files)], inputs, of)
			why, err = r.look(ctx, s, d)
		} else {
			err = nil
			why = "its inputs have been changed or removed"
			if n == 1 { // the job finds which
				d = r.newDirectory(s, n, m.Files, inputs, of)
				_, err = r.look(ctx, s, d)
				why = brief(d.changes)
			}
		}
		if err != nil {
			return nil, err
		}
		if n == 1 && why != "" {
			whole := d.standing != pipeline.HalfWay
			if v.changes = d.changes; len(v.changes) == 0 {
				v.changes = []string{why}
			}
			return v, r.anew(ctx, s, v, r.newDirectory(s, n, m.Files, inputs, of), whole)
		}
		if why != "" {
			v.gone = fmt.Sprintf("%s is made anew, with all behind it: %s", d.dir, why)
			break
		}
		if v.list = append(v.list, d); d.index.Already && v.cut == n-1 {
			v.cut = n
		}
		v.has, v.keep, v.had = d.index.Has, n, v.had+len(d.manifest.Files)
		for _, f := range d.manifest.Files {
			known[f.Path] = true
		}
	}
	if v.keep == 0 {
		d := r.newDirectory(s, 1, m.Files, inputs, of)
		v.list, v.standing = []*directory{d}, pipeline.Absent
		_, err := r.look(ctx, s, d)
		v.has = d.index.has()
		return v, err
	}
	var more []corpus.File
	for _, f := range m.Files {
		if !known[f.Path] {
			more = append(more, f)
		}
	}
	if most := s.indexed().Kind.Index.Most; len(more) > 0 && v.keep == most {
		v.changes = []string{fmt.Sprintf("%s, in %d directories, which are the most", pipeline.Growth(len(more), v.had), most)}
		return v, r.anew(ctx, s, v, r.newDirectory(s, 1, m.Files, inputs, of), true)
	}
	v.standing = pipeline.Finished
	for _, d := range v.list {
		if d.standing != pipeline.Finished {
			v.standing = pipeline.Begun
		}
	}
	if v.gone != "" {
		v.standing = pipeline.Begun
	}
	if len(more) > 0 {
		v.standing, v.changes = pipeline.Grows, []string{pipeline.Growth(len(more), v.had)}
		v.list = append(v.list, r.newDirectory(s, v.keep+1, more, inputs, of)) // it is Absent
	}
	return v, nil
}

// anew makes the survey one of a step that is begun anew, of all its inputs. whole says that it was whole before, and may be without asking.
func (r *Runner) anew(ctx context.Context, s *Step, v *survey, d *directory, whole bool) error {
	v.list, v.keep, v.cut, v.had, v.gone = []*directory{d}, 0, 0, 0, ""
	_, err := r.look(ctx, s, d)
	d.standing, v.standing = pipeline.Changed, pipeline.Changed
	if !whole {
		d.standing, v.standing = pipeline.HalfWay, pipeline.HalfWay
	}
	return err
}

func (x *Index) has() int {
	if x == nil {
		return 0
	}
	return x.Has
}

// open opens the index for a directory, and makes that one's job. Both are to be closed.
func (r *Runner) open(ctx context.Context, s *Step, d *directory, look bool) (*Index, *pipeline.Job, error) {
	u := s.indexed()
	x, err := u.Kind.Index.Open(ctx, u.Values, r.setting(s, d.inputs), Addition{r.indexDir(s), d.number, d.manifest, look})
	if err != nil || x.Problem != "" && d.number > 1 {
		return x, nil, err
	}
	j, err := r.jobOf(ctx, s, d.dir, d.manifest, d.inputs, x)
	if err != nil {
		return nil, nil, errors.Join(err, x.Close())
	}
	if d.number > 1 && j.MaxRecord == 0 {
		if j.MaxRecord, err = pipeline.MaxRecord(ctx, r.Store, s.Dir()); err != nil {
			return nil, nil, errors.Join(err, stage.Close(j.Stages), x.Close())
		}
	}
	return x, j, nil
}

// indexDigest is a change that follows from others: of what the directory is compared with.
var indexDigest = regexp.MustCompile(`^stages\.\d+\.config\.index was `)

// look finds how a directory stands, and why it cannot stay if it is there.
func (r *Runner) look(ctx context.Context, s *Step, d *directory) (why string, err error) {
	x, j, err := r.open(ctx, s, d, true)
	if err != nil {
		return "", err
	}
	if d.index = x; j == nil {
		return x.Problem, nil
	}
	d.standing, d.changes, d.identity, err = j.Standing(ctx)
	if err = errors.Join(err, stage.Close(j.Stages), x.Close()); err != nil {
		return "", err
	}
	if own := slices.DeleteFunc(slices.Clone(d.changes), indexDigest.MatchString); len(own) > 0 {
		d.changes = own
	}
	switch d.standing {
	case pipeline.Changed, pipeline.HalfWay:
		return brief(d.changes), nil
	case pipeline.Finished:
		switch {
		case x.Problem != "":
			return x.Problem, nil
		case !x.Already && (x.Has != d.number-1 || !x.Made):
			return fmt.Sprintf("the index %s lacks what it has kept", r.indexDir(s)), nil
		}
		if d.counts, err = pipeline.ReadCounts(ctx, r.Store, d.dir); err != nil {
			d.standing = pipeline.Begun // the job makes again what is missing
		}
	}
	return "", nil
}

// standingIndexed is standing of a step that keeps an index.
func (r *Runner) standingIndexed(ctx context.Context, s *Step, identities map[*Step]string) (st pipeline.Standing, changes []string, identity string, files int, bytes int64, err error) {
	v, err := r.survey(ctx, s, identities)
	if err != nil {
		return 0, nil, "", 0, 0, err
	}
	var ids []string
	for _, d := range v.list {
		ids = append(ids, d.identity)
		if d.standing != pipeline.Finished || v.standing == pipeline.Finished {
			files += len(d.manifest.Files)
			bytes += max(0, d.manifest.Size())
		}
	}
	return v.standing, v.changes, pipeline.JoinIdentities(ids), files, bytes, nil
}

// doIndexed does a step that keeps an index, directory by directory. The outcome is nil unless the step is done; with finish it may be nil
// without an error, as ranks have work in the first directory. The others are for one process.
func (r *Runner) doIndexed(ctx context.Context, s *Step, identities map[*Step]string, finish bool) (_ *Outcome, err error) {
	kind := s.indexed().Kind.Index
	release, err := kind.Lock(ctx, r.indexDir(s), r.logOf(s))
	if err != nil {
		return nil, err
	}
	defer release()
	v, err := r.survey(ctx, s, identities)
	if err != nil {
		return nil, err
	}
	restart, err := r.begin(s, v.standing, v.changes)
	if err != nil {
		return nil, err
	}
	if v.gone != "" {
		r.logOf(s).Warn(v.gone)
	}
	if d := v.added(); d != nil {
		r.logOf(s).Info(fmt.Sprintf("%s: %s; what they keep comes into %s", s.Dir(), brief(v.changes), d.dir))
	}
	if err := pipeline.RemoveAdditions(ctx, r.Store, s.Dir(), max(1, v.keep), r.logOf(s)); err != nil {
		return nil, err
	}
	if v.keep == 0 || v.has > v.cut {
		if err := kind.Cut(ctx, r.indexDir(s), v.cut); err != nil {
			return nil, err
		}
	}
	var ids []string
	var counts []pipeline.Counts
	for _, d := range v.list {
		res, err := r.doDirectory(ctx, s, d, restart, finish)
		if err != nil || !res {
			return nil, err
		}
		ids, counts = append(ids, d.identity), append(counts, d.counts)
	}
	o := &Outcome{Step: s, Identity: pipeline.JoinIdentities(ids), Before: v.standing == pipeline.Finished}
	if o.Counts, err = pipeline.SumCounts(counts...); err != nil {
		return nil, err
	}
	r.tell(s, o.Before, &o.Counts)
	if s.Quarantine.Exceeded(o.Counts.Quarantined, o.Counts.Read) {
		err = &pipeline.QuarantineError{Quarantined: o.Counts.Quarantined, Read: o.Counts.Read, Allowed: s.Quarantine, By: allowedBy, Kept: path.Join(s.Dir(), corpus.Dir, "quarantine")}
	}
	return o, err
}

// doDirectory makes a directory whole, and brings what it keeps into the index. done is false where ranks have work.
func (r *Runner) doDirectory(ctx context.Context, s *Step, d *directory, restart, finish bool) (done bool, err error) {
	whole := d.standing == pipeline.Finished && d.index.Already
	x, j, err := r.open(ctx, s, d, whole)
	if err != nil {
		return false, err
	}
	if j == nil || x.Problem != "" {
		return false, fmt.Errorf("%s: %s, since another process has changed it; repeat the command", r.indexDir(s), x.Problem)
	}
	defer func() { err = errors.Join(err, stage.Close(j.Stages), x.Close()) }()
	if whole {
		return true, j.Tidy(ctx)
	}
	j.MaxQuarantined = everything // of the step as a whole there are limits
	j.Restart = restart
	run := j.Run
	if finish && d.number == 1 {
		run = j.FinishRanks
	}
	if d.standing != pipeline.Finished && r.Started != nil { // it may only lack the index's commit
		r.Started(j.Progress)
		defer r.Stopped()
	}
	res, err := run(ctx)
	if err != nil || res == nil {
		return false, err
	}
	if err := x.Commit(ctx); err != nil {
		return false, err
	}
	d.counts = res.Counts
	d.identity, err = pipeline.Identity(ctx, r.Store, d.dir)
	return true, err
}

// everything may be quarantined.
var everything = func() pipeline.Allowance {
	a, err := pipeline.ParseAllowance("100%")
	if err != nil {
		panic(err)
	}
	return a
}()

// rankIndexed does a rank's share of a step that keeps an index: of its first directory. done says that all of the step is.
func (r *Runner) rankIndexed(ctx context.Context, s *Step, identities map[*Step]string, rank, world int) (done bool, err error) {
	v, err := r.survey(ctx, s, identities)
	if err != nil {
		return false, err
	}
	d := v.list[0]
	switch {
	case v.standing == pipeline.Finished:
		var ids []string
		for _, d := range v.list {
			ids = append(ids, d.identity)
		}
		identities[s] = pipeline.JoinIdentities(ids)
		return true, nil
	case v.standing == pipeline.Changed:
		r.Log.Info(fmt.Sprintf("step %s: has changed (%s); --finish begins it anew", s.Name, brief(v.changes)))
		return false, nil
	case v.standing == pipeline.HalfWay:
		return false, halfWay(s, v.changes, "--finish --restart")
	case d.standing == pipeline.Finished:
		r.Log.Info(fmt.Sprintf("step %s: --finish reads what is new", s.Name))
		return false, nil
	}
	x, j, err := r.open(ctx, s, d, false)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, stage.Close(j.Stages), x.Close()) }()
	return false, r.share(ctx, s, j, rank, world)
}

// beginsWhole removes what a step of the same folder has had beside it when it kept an index, if anew.
func (r *Runner) beginsWhole(ctx context.Context, s *Step, anew bool) error {
	if !anew {
		return nil
	}
	if err := pipeline.RemoveAdditions(ctx, r.Store, s.Dir(), 1, r.logOf(s)); err != nil {
		return err
	}
	files, err := r.Store.List(ctx, r.indexDir(s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		err = errors.Join(err, r.Store.Remove(ctx, f.Name))
	}
	return err
}
