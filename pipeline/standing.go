package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path"
	"strings"

	"curate/corpus"
)

// Standing is how far an output directory is with a job.
type Standing int

const (
	Absent   Standing = iota // nothing of it is there
	Begun                    // it goes on when the job runs
	Finished                 // it says that it is whole
	Changed                  // it is whole, and another job's
	HalfWay                  // it was begun by another job
	Grows                    // it is this job's, whole or not, but for new files, which alone will be read
)

// Standing looks at the output directory, and changes nothing. changes say in what the job differs from the one that
// began it, and identity is what the directory will have, as in config.json.
func (j *Job) Standing(ctx context.Context) (s Standing, changes []string, identity string, err error) {
	d := &runDir{job: j, root: strings.TrimSuffix(path.Clean(j.Out.Path), "/")}
	d.own = path.Join(d.root, corpus.Dir)
	old, now, manifest, err := d.compare(ctx)
	anew := func() (config, error) { // what the job is if it begins the directory anew, with limits of its own
		restart := *j
		restart.Restart = true
		_, c, _, err := (&runDir{job: &restart, root: d.root, own: d.own}).compare(ctx)
		return c, err
	}
	if damaged, ok := errors.AsType[*damagedConfig](err); ok {
		now, err := anew()
		return HalfWay, []string{damaged.Error()}, now.Identity, err
	}
	if err != nil || !d.begun {
		return Absent, nil, now.Identity, err
	}
	_, err = j.Store.Stat(ctx, path.Join(d.own, corpus.Done))
	whole := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Absent, nil, "", err
	}
	if d.goes != nil && d.goes.grows {
		if len(d.goes.added()) == 0 {
			return Begun, nil, now.Identity, nil // growing was given up before it began
		}
		return Grows, []string{d.goes.String()}, now.Identity, nil
	}
	if old.Identity == now.Identity && whole {
		if whole, err = d.allThere(ctx); err != nil {
			return Absent, nil, "", err
		}
	}
	switch {
	case old.Identity == now.Identity && whole:
		s = Finished
	case old.Identity == now.Identity:
		s = Begun
	default:
		if s = HalfWay; whole || !d.missing(ctx, clearingFile) { // it was whole, and clearing it was stopped
			s = Changed
		}
		changes = d.changes(ctx, old, now, manifest)
		if now, err = anew(); err != nil {
			return Absent, nil, "", err
		}
	}
	return s, changes, now.Identity, nil
}

// allThere says whether a directory that says that it is whole has all its parts or results, by name and size.
func (d *runDir) allThere(ctx context.Context) (bool, error) {
	quiet := *d.job
	quiet.Log = slog.New(slog.DiscardHandler) // the run tells what it makes again
	if d.goes != nil {
		quiet.Manifest = d.goes.files
	}
	look := &runDir{job: &quiet, root: d.root, own: d.own}
	phs, err := quiet.phases()
	if err != nil {
		return false, err
	}
	passes, err := look.journals(ctx, phs)
	if err != nil {
		return false, err
	}
	for _, es := range passes {
		if !whole(quiet.Manifest, es) {
			return false, nil
		}
	}
	red := result(phs)
	if red == nil {
		return look.foundAll(ctx)
	}
	_, there, err := look.resultSize(ctx, red)
	return there, err
}
