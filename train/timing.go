package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
)

// TimingFile lies in the folder of a run and holds how fast it was.
const TimingFile = "timing.json"

// Timing is what TimingFile holds.
type Timing struct {
	Segments []Segment `json:"segments"` // each time that the run was started
}

// Segment is the work of a process. One that was killed has what it had done by its last checkpoint.
type Segment struct {
	From            int64   `json:"from_step"`
	To              int64   `json:"to_step"`
	Tokens          int64   `json:"tokens"`
	Kernels         string  `json:"kernels"`
	Workers         int     `json:"workers"`
	Seconds         float64 `json:"seconds"`
	TokensPerSecond float64 `json:"tokens_per_second"` // of the steps: without checkpoints and validation
	Phases          Phases  `json:"phases"`
	// GFLOPS are 10⁹ operations a second in the steps, three times those of model.Config.FLOPs for each token.
	GFLOPS float64 `json:"gflops"`
	// PeakShare is GFLOPS by what the processor can do at most; 0: nobody knows.
	PeakShare float64 `json:"peak_share,omitzero"`
}

// Phases are seconds.
type Phases struct {
	Read       float64 `json:"read"` // waiting for data
	Compute    float64 `json:"compute"`
	Optimizer  float64 `json:"optimizer"`
	Validation float64 `json:"validation"`
	Checkpoint float64 `json:"checkpoint"`
}

// Progress is how far a run is.
type Progress struct {
	Step, Steps     int64 // done, in all
	Tokens          int64
	Loss            float64 // of the last step
	LearningRate    float64
	TokensPerSecond float64 // of the last steps
	Left            time.Duration
	GFLOPS          float64
	PeakShare       float64 // 0: nobody knows
	Stage, Length   int
}

// stopwatch measures a segment.
type stopwatch struct {
	before  []Segment // of earlier processes
	segment Segment
	started time.Time
	flops   float64 // done
	peak    float64 // GFLOP/s, 0: nobody knows
	speed   float64 // tokens a second, of the last steps
	rate    float64 // flops a second, of the last steps
}

// mark is a moment; lap gives the seconds since and sets it anew.
type mark time.Time

func (m *mark) lap() float64 {
	now := time.Now()
	d := now.Sub(time.Time(*m)).Seconds()
	*m = mark(now)
	return d
}

// smoothing is the weight of a step among the last ones.
const smoothing = 0.1

// step adds a step that took so many seconds.
func (w *stopwatch) step(tokens int64, flops, seconds float64) {
	w.segment.To++
	w.segment.Tokens += tokens
	w.flops += flops
	if seconds <= 0 {
		return
	}
	speed, rate := float64(tokens)/seconds, flops/seconds
	if w.speed == 0 {
		w.speed, w.rate = speed, rate
	}
	w.speed += smoothing * (speed - w.speed)
	w.rate += smoothing * (rate - w.rate)
}

func (w *stopwatch) timing() *Timing {
	s := w.segment
	s.Seconds = time.Since(w.started).Seconds()
	if steps := s.Phases.Read + s.Phases.Compute + s.Phases.Optimizer; steps > 0 {
		s.TokensPerSecond = float64(s.Tokens) / steps
		s.GFLOPS = w.flops / steps / 1e9
	}
	if w.peak > 0 {
		s.PeakShare = s.GFLOPS / w.peak
	}
	return &Timing{append(w.before[:len(w.before):len(w.before)], s)}
}

func readTiming(ctx context.Context, st store.Store, name string) (*Timing, error) {
	t := &Timing{}
	b, err := readFile(ctx, st, name, 64<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err == nil {
		err = json.Unmarshal(b, t)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; remove it: it holds only times", name, err)
	}
	return t, nil
}

func (w *stopwatch) write(ctx context.Context, st store.Store, name string) error {
	b, err := json.Marshal(w.timing(), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return writeFile(ctx, st, name, append(b, '\n'))
}
