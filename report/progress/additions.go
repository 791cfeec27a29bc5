package progress

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"time"

	"curate/corpus"
	"curate/pipeline"
)

// look looks at a step, with the directories that it has grown by (pipeline.Additions). Where all are whole it has what they have counted
// together; else it is the one that is at work, by whose folder the step is known then.
func (w *Watcher) look(ctx context.Context, dir string, at time.Time) (*Step, error) {
	first := w.step(dir)
	s, err := first.look(ctx, at)
	if err != nil {
		return nil, err
	}
	s.Dir = dir
	if s.State != Done || first.config.Step.Inputs != nil {
		return s, nil
	}
	ids := []string{s.identity}
	for n := 2; ; n++ {
		below := path.Join(dir, path.Base(pipeline.AdditionDir(dir, n)))
		add := w.step(below)
		if _, err := w.st.Stat(ctx, path.Join(w.dir, below, corpus.Dir, configName)); errors.Is(err, fs.ErrNotExist) {
			s.identity = pipeline.JoinIdentities(ids)
			return s, nil
		} else if err != nil {
			return nil, err
		}
		a, err := add.look(ctx, at)
		if err != nil {
			return nil, err
		}
		if a.Dir = below; a.State != Done {
			return a, nil
		}
		ids = append(ids, a.identity)
		s.Files, s.FilesDone = s.Files+a.Files, s.FilesDone+a.FilesDone
		s.Records, s.Kept, s.Dropped, s.Quarantined, s.BytesIn = s.Records+a.Records, s.Kept+a.Kept, s.Dropped+a.Dropped, s.Quarantined+a.Quarantined, s.BytesIn+a.BytesIn
		if a.Changed.After(s.Changed) {
			s.Changed = a.Changed
		}
	}
}
