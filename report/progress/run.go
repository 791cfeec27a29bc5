package progress

import (
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Version of the JSON, raised when a member changes its meaning.
const Version = 1

// State is how far a run or a step is.
type State string

// The states. A process that was killed without a word leaves Begun: when something last changed says more.
const (
	Absent   State = "absent"   // nothing of it is there
	Begun    State = "begun"    // its inputs are frozen, and it is not whole
	Stopped  State = "stopped"  // its last attempt has said that it ended early, and nothing has come since
	Clearing State = "clearing" // what was whole is removed, to be made anew
	Done     State = "done"     // it is whole
)

// What a step that has begun is at.
const (
	Reading   = "reading"   // records go through the phase's stages
	Deciding  = "deciding"  // all have, and what decides over all of them is at work
	Finishing = "finishing" // all have in the last phase
	Training  = "training"
)

// Run is what is seen of a run directory.
type Run struct {
	Version int       `json:"version"`
	Dir     string    `json:"dir"`
	At      time.Time `json:"at"` // of the look
	State   State     `json:"state"`
	Program string    `json:"program,omitzero"`
	Recipe  string    `json:"recipe,omitzero"`
	Done    int       `json:"steps_done"`
	Steps   []*Step   `json:"steps"`
	Changed time.Time `json:"changed,omitzero"` // the last change that was seen
}

// Step is what is seen of a step. Counts are of the whole step where it is done, else of the phase that it is in; Quarantined is of
// all phases.
type Step struct {
	Name   string   `json:"name,omitzero"` // "" where the directory is no part of a run
	Dir    string   `json:"dir"`
	State  State    `json:"state"`
	Doing  string   `json:"doing,omitzero"`
	Stages []string `json:"stages,omitzero"`
	Phase  int      `json:"phase,omitzero"`  // that it is in
	Phases int      `json:"phases,omitzero"` // that there are; 0: not known

	Files       int    `json:"files"`      // of the inputs
	FilesDone   int    `json:"files_done"` // of them, in the phase
	Splits      int    `json:"splits_done"`
	Made        int    `json:"made,omitzero"` // files that what decides has made so far
	Records     int64  `json:"records"`
	Kept        int64  `json:"kept"`
	Dropped     int64  `json:"dropped"`
	Quarantined int64  `json:"quarantined"`
	BytesIn     int64  `json:"bytes_in"` // uncompressed
	Ranks       *Ranks `json:"ranks,omitzero"`
	Task        *Task  `json:"training,omitzero"`

	Share   *float64  `json:"share,omitempty"` // of the phase's work that is done, 0 to 1
	Rate    *Rate     `json:"rate,omitempty"`  // of the last minute
	Left    *float64  `json:"seconds_left,omitempty"`
	Changed time.Time `json:"changed,omitzero"`

	program, identity string
	settled           bool // this run has found it whole
}

// Rate is a mean.
type Rate struct {
	Records float64 `json:"records_per_second"`
	Bytes   float64 `json:"bytes_per_second"`
	Tokens  float64 `json:"tokens_per_second,omitzero"`
}

// Ranks is what is seen of a step that many processes share.
type Ranks struct {
	Missing int    `json:"missing"`         // files that are not done in the phase
	First   []int  `json:"first"`           // numbers of the first of them
	Parts   []Part `json:"parts,omitempty"` // of steps between the phases
}

// Part is work that is cut into ranges or files.
type Part struct {
	Name string `json:"name"`
	Done int    `json:"done"`
	Of   int    `json:"of"`
}

// Task is what is seen of training.
type Task struct {
	Step       int64    `json:"steps_done"`
	Steps      int64    `json:"steps,omitzero"` // in all; 0: not known
	Tokens     int64    `json:"tokens"`
	Loss       float64  `json:"loss"`
	Validation *float64 `json:"validation_loss,omitempty"`
}

// sum fills in what the steps say together.
func (r *Run) sum() {
	settled := len(r.Steps) > 0
	for _, s := range r.Steps {
		if s.State == Done {
			r.Done++
		}
		settled = settled && s.settled
		if s.Changed.After(r.Changed) {
			r.Changed = s.Changed
		}
	}
	switch {
	case settled:
		r.State = Done
		return
	case r.Recipe != "" || r.Done > 0:
		r.State = Begun // between two steps, too
	}
	for _, s := range r.Steps {
		if s.State != Absent && s.State != Done {
			r.State = s.State
			if s.State == Begun { // another one may have stopped before
				return
			}
		}
	}
}

// WriteJSON writes it as one object.
func (r *Run) WriteJSON(w io.Writer) error {
	b, err := json.Marshal(r, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
