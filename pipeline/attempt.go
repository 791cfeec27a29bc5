package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"curate/corpus/store"
)

// attemptFile, in the folder of ranks, names the attempt at a shared run: it is another one after each --restart, and gone when
// the directory is finished or cleared. A rank reads it when it begins, and again whenever it is about to rename a file into
// place (fenced): what was begun for an attempt that is over does not get into the next one.
//
// Between its look and its rename another process may clear the directory. That removes this file first, then what is
// unfinished, then all else (runDir.clear). A rank whose look came before has written its unfinished file before: so the
// rename was done by then, and is cleared with all else, or it finds nothing to rename.
const attemptFile = "attempt"

func (d *runDir) attemptName() string { return path.Join(d.own, ranksDir, attemptFile) }

// begin names a new attempt.
func (d *runDir) begin(ctx context.Context) error {
	return writeFile(ctx, d.job.Store, d.attemptName(), []byte(rand.Text()+"\n"))
}

// attempt is the name of the one that there is; "" without one.
func (d *runDir) attempt(ctx context.Context) (string, error) {
	raw, err := d.read(ctx, path.Join(ranksDir, attemptFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(raw)), err
}

// endAttempt keeps ranks that are still at work from bringing more into the directory.
func (d *runDir) endAttempt(ctx context.Context) error {
	if d.missing(ctx, path.Join(ranksDir, attemptFile)) {
		return nil
	}
	if err := d.job.Store.Remove(ctx, d.attemptName()); err != nil {
		return err
	}
	return d.job.Store.Sweep(ctx, d.root)
}

// fenced is a store whose files appear as long as the directory's attempt is the one that it was made for.
type fenced struct {
	store.Store
	d       *runDir
	attempt string
	next    string // what to do when it is over
}

// check is an error if the attempt is over.
func (f *fenced) check(ctx context.Context) error {
	now, err := f.d.attempt(ctx)
	if err == nil && now != f.attempt {
		how := "was started anew with --restart"
		if now == "" {
			how = "was finished, or is being started anew,"
		}
		err = fmt.Errorf("%s: the run %s since this rank began, and what the rank was at is not in it; %s", f.d.job.Out.Path, how, f.next)
	}
	return err
}

// explain is err, or what has led to it if the attempt is over.
func (f *fenced) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if over := f.check(ctx); over != nil {
		return over
	}
	return err
}

// Create implements store.Store.
func (f *fenced) Create(ctx context.Context, name string) (store.Writer, error) {
	if err := f.check(ctx); err != nil {
		return nil, err
	}
	w, err := f.Store.Create(ctx, name)
	if err != nil {
		return nil, f.explain(ctx, err)
	}
	return &fencedWriter{w, f}, nil
}

type fencedWriter struct {
	store.Writer
	f *fenced
}

// Commit implements store.Writer. What is written is renamed even if the context has ended meanwhile, as without a fence.
func (w *fencedWriter) Commit() error {
	ctx := context.Background()
	if err := w.f.check(ctx); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.f.explain(ctx, w.Writer.Commit())
}
