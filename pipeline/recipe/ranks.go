package recipe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"curate/corpus"
	"curate/pipeline"
	"curate/stage"
)

// RunRank does a rank's share of each step that can be done now: whose Needs are done, and of which there is Map work. What
// is not done then waits for other ranks, or for FinishRanks.
func (r *Runner) RunRank(ctx context.Context, rank, world int) error {
	if err := r.check(ctx); err != nil {
		return err
	}
	identities := map[*Step]string{}
	var waits []string
	for _, s := range r.Recipe.Steps {
		done, err := r.rankStep(ctx, s, identities, rank, world)
		if err != nil {
			return r.at(s, err)
		}
		if !done {
			waits = append(waits, s.Name)
		}
	}
	if len(waits) == 0 {
		r.Log.Info(fmt.Sprintf("%s is done already", r.Recipe.Run))
		return nil
	}
	r.Log.Info(fmt.Sprintf("rank %d of %d is done for now; then --finish goes on with %s", rank, world, strings.Join(waits, ", ")))
	return nil
}

// rankStep does a rank's share of one step. done says that all of the step is.
func (r *Runner) rankStep(ctx context.Context, s *Step, identities map[*Step]string, rank, world int) (done bool, err error) {
	if !s.ready(identities) {
		return false, nil
	}
	if s.task() != nil { // one process does it
		t, _, err := r.work(ctx, s, identities)
		if err != nil {
			return false, err
		}
		standing, _, identity, err := t.Standing(ctx)
		if standing == pipeline.Finished {
			identities[s] = identity
		}
		return standing == pipeline.Finished, err
	}
	if s.indexed() != nil {
		return r.rankIndexed(ctx, s, identities, rank, world)
	}
	j, err := r.job(ctx, s, identities)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, stage.Close(j.Stages)) }()
	standing, changes, identity, err := j.Standing(ctx)
	if err != nil {
		return false, err
	}
	switch standing {
	case pipeline.Finished:
		identities[s] = identity
		return true, nil
	case pipeline.Changed:
		r.Log.Info(fmt.Sprintf("step %s: has changed (%s); --finish begins it anew", s.Name, brief(changes)))
		return false, nil
	case pipeline.HalfWay:
		return false, halfWay(s, changes, "--finish --restart")
	}
	return false, r.share(ctx, s, j, rank, world)
}

// share does a rank's share of a job.
func (r *Runner) share(ctx context.Context, s *Step, j *pipeline.Job, rank, world int) error {
	if r.Started != nil {
		r.Started(j.Progress)
		defer r.Stopped()
	}
	share, err := j.RunRank(ctx, rank, world)
	if err != nil || share.Finished {
		return err
	}
	r.Log.Info(fmt.Sprintf("step %s: %s", s.Name, share.Say(rank, world)))
	return nil
}

// ready says whether all that the step reads from is done.
func (s *Step) ready(identities map[*Step]string) bool {
	for _, n := range s.Needs {
		if identities[n] == "" {
			return false
		}
	}
	return true
}

// FinishRanks does all that needs a whole step: Reducers, tasks, and what makes a step's directory whole, of each step that can be
// done now. whole says that all of them are; if not, there is Map work for ranks. Of a step whose ranks have not all done
// their files it says so (pipeline.UnfinishedError), behind what can be done of others.
func (r *Runner) FinishRanks(ctx context.Context) (done []Outcome, whole bool, err error) {
	if err := r.check(ctx); err != nil {
		return nil, false, err
	}
	release, err := r.lock()
	if err != nil {
		return nil, false, err
	}
	defer release()
	if _, err := r.Store.Stat(ctx, path.Join(r.Recipe.Run, corpus.Dir, runFile)); errors.Is(err, fs.ErrNotExist) {
		err = r.writeRun(ctx, nil)
		if err != nil {
			return nil, false, err
		}
	} else if err != nil {
		return nil, false, err
	}
	var judged, unfinished error
	identities := map[*Step]string{}
	for _, s := range r.Recipe.Steps {
		if !s.ready(identities) {
			continue
		}
		o, err := r.finishStep(ctx, s, identities)
		var q *pipeline.QuarantineError
		switch {
		case errors.As(err, new(*pipeline.UnfinishedError)):
			unfinished = errors.Join(unfinished, r.at(s, err))
			continue
		case errors.As(err, &q) && o != nil:
			err = r.at(s, err)
			r.Log.Error(err.Error())
			judged = cmpErr(judged, err)
		case err != nil:
			return done, false, r.at(s, err)
		case o == nil: // ranks have work
			continue
		}
		done = append(done, *o)
		identities[s] = o.Identity
		if err := r.writeProvenance(ctx, s, o, identities); err != nil {
			return done, false, err
		}
		if err := r.writeRun(ctx, done); err != nil {
			return done, false, err
		}
	}
	if unfinished != nil {
		return done, false, unfinished
	}
	if whole = len(done) == len(r.Recipe.Steps); whole {
		return done, true, judged
	}
	return done, false, nil // who ends the loop says what was quarantined
}

// finishStep does what is next of one step, and gives its outcome if the step is done then.
func (r *Runner) finishStep(ctx context.Context, s *Step, identities map[*Step]string) (_ *Outcome, err error) {
	if s.task() != nil {
		return r.doTask(ctx, s, identities)
	}
	if s.indexed() != nil {
		return r.doIndexed(ctx, s, identities, true)
	}
	j, err := r.job(ctx, s, identities)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stage.Close(j.Stages)) }()
	standing, changes, identity, err := j.Standing(ctx)
	if err != nil {
		return nil, err
	}
	if j.Restart, err = r.begin(s, standing, changes); err == nil {
		err = r.beginsWhole(ctx, s, j.Restart || standing == pipeline.Absent)
	}
	if err != nil {
		return nil, err
	}
	if standing != pipeline.Finished && r.Started != nil {
		r.Started(j.Progress)
	}
	res, err := j.FinishRanks(ctx)
	if standing != pipeline.Finished && r.Stopped != nil {
		r.Stopped()
	}
	if res == nil || err != nil && !errors.As(err, new(*pipeline.QuarantineError)) {
		return nil, err
	}
	r.tell(s, res.Before, &res.Counts)
	return &Outcome{Step: s, Identity: identity, Before: res.Before, Counts: res.Counts}, err
}
