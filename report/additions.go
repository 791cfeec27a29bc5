package report

import (
	"context"
	"fmt"
	"path"

	"curate/corpus/store"
	"curate/pipeline"
)

// gatherAdditions fills in the directories that the step has grown by. It has finished when all of them have.
func (s *Step) gatherAdditions(ctx context.Context, st store.Store, run string, sections []section) error {
	if !s.Finished || s.settings.task() {
		return nil
	}
	root := path.Join(run, s.Dir)
	dirs, err := pipeline.Additions(ctx, st, root)
	if err != nil {
		return err
	}
	all := []pipeline.Counts{s.accounts}
	for _, dir := range dirs {
		name := path.Base(dir)
		a := &Step{Name: path.Join(s.Name, name), Dir: path.Join(s.Dir, name), measure: s.measure}
		if err := a.gather(ctx, files{st, dir}, sections); err != nil {
			return err
		}
		if !a.Finished {
			*s = Step{Name: s.Name, Dir: s.Dir, From: s.From, Read: s.Read, measure: s.measure, reference: s.reference}
			return nil
		}
		s.Additions, all = append(s.Additions, a), append(all, a.accounts)
	}
	if len(dirs) == 0 {
		return nil
	}
	sum, err := pipeline.SumCounts(all...)
	if err != nil {
		return fmt.Errorf("%s: %w; begin it anew", root, err)
	}
	s.Funnel = funnelOf(&sum)
	return nil
}

// each are the step and its additions.
func (s *Step) each() []*Step { return append([]*Step{s}, s.Additions...) }

// titleOf is the step's title above a section.
func (s *Step) titleOf(section string) string {
	switch {
	case len(s.Additions) == 0:
		return s.Title()
	case section == "funnel" || section == "reasons":
		return s.Title() + ", with its additions"
	}
	return s.Title() + ", without its additions"
}
