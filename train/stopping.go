package train

import "fmt"

// stopping is what is known of the validations of a run that may end early. It is a function of the lines of MetricsFile, so that a
// run that was killed knows it again.
type stopping struct {
	c     *EarlyStopping // nil: the run has all its steps
	best  ValidationMetrics
	found bool // there is a best one
	since int  // validations that were not better, in a row
}

// see takes note of a validation, and says whether it is the best so far. The one before the first step does not count: its
// model is none of the run's.
func (s *stopping) see(v *ValidationMetrics) bool {
	if s.c == nil || v.Step == 0 {
		return false
	}
	if s.found && !(v.Loss < s.best.Loss-s.c.MinDelta) {
		s.since++
		return false
	}
	s.best, s.found, s.since = *v, true, 0
	return true
}

// enough says that the run is to end.
func (s *stopping) enough() bool { return s.c != nil && s.since >= s.c.Patience }

// keeps is the step of the checkpoint that stays, -1 for none.
func (s *stopping) keeps() int64 {
	if !s.found {
		return -1
	}
	return s.best.Step
}

// Stopped says why a run has ended as it has.
type Stopped struct {
	Best   int64 // steps of the model with the best validation: the run's
	Early  bool  // it has not made all its steps
	Reason string
}

// stopped is nil without early stopping. steps are those that were made.
func (s *stopping) stopped(steps, of int64) *Stopped {
	if s.c == nil || !s.found {
		return nil
	}
	b := &Stopped{Best: s.best.Step, Early: steps < of}
	b.Reason = fmt.Sprintf("the validation was best after %d steps, %.4f", s.best.Step, s.best.Loss)
	if b.Early {
		more := "was"
		if s.since > 1 {
			more = "were"
		}
		b.Reason += fmt.Sprintf(", and %d in a row %s not better", s.since, more)
	}
	return b
}
