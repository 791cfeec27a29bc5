package train

import (
	"fmt"
	"math"
)

// Kinds of schedules of the learning rate.
const (
	Linear   = "linear"   // down to End
	Cosine   = "cosine"   // down to End on half a wave (arXiv 1608.03983)
	WSD      = "wsd"      // constant, and down to End in the last Decay steps (arXiv 2404.06395)
	Constant = "constant" // after the warm-up
)

// Shapes of the decay of WSD.
const (
	OneMinusSqrt = "1-sqrt" // arXiv 2405.18392
	LinearDecay  = "linear"
)

// Rates is the schedule of the learning rate: one for the whole run, whatever lengths its rows have. Steps are counted from
// 0. Of N steps, of which the first W warm up, step s has the rate
//
//	peak · s/W                                      s < W: from 0, so that the first step only fills the moments
//	peak · (1 - (1-end)·t)                          linear, t = (s-W)/(N-W)
//	peak · (end + (1-end)·(1 + cos πt)/2)           cosine
//	peak                                            wsd, while s < N-D
//	peak · (1 - (1-end)·√u), peak · (1 - (1-end)·u) wsd after that, u = (s-(N-D))/D, by the shape of its decay
//
// This is how torch's LinearLR and transformers' get_linear_schedule_with_warmup count: end would be the rate of step N, which
// there is not.
type Rates struct {
	Kind string `json:"kind"`
	// Warmup and Decay are steps, or below 1 a share of all steps, rounded up.
	Warmup float64 `json:"warmup"`
	// End is a ratio of the highest rate: 0.0085 for BTLM-3B-8K.
	End        float64 `json:"end"`
	Decay      float64 `json:"decay"`       // wsd
	DecayShape string  `json:"decay_shape"` // wsd
}

func (r *Rates) check() error {
	count := func(x float64) bool { return x >= 0 && (x < 1 || x == math.Trunc(x) && x <= maxSteps) }
	switch {
	case r.Kind != Linear && r.Kind != Cosine && r.Kind != WSD && r.Kind != Constant:
		return fmt.Errorf("schedule.kind is %q: %s, %s, %s or %s", r.Kind, Linear, Cosine, WSD, Constant)
	case !count(r.Warmup):
		return fmt.Errorf("schedule.warmup is %v: a whole number of steps, or below 1 a share of them", r.Warmup)
	case !(r.End >= 0 && r.End <= 1):
		return fmt.Errorf("schedule.end is %v: a ratio of the highest learning rate, from 0 to 1", r.End)
	case r.Kind == WSD && !count(r.Decay):
		return fmt.Errorf("schedule.decay is %v: a whole number of steps, or below 1 a share of them", r.Decay)
	case r.Kind == WSD && r.DecayShape != OneMinusSqrt && r.DecayShape != LinearDecay:
		return fmt.Errorf("schedule.decay_shape is %q: %s or %s", r.DecayShape, OneMinusSqrt, LinearDecay)
	}
	return nil
}

// resolve makes steps of shares and drops what the kind does not use.
func (r *Rates) resolve(steps int64) {
	count := func(x float64) float64 {
		if x < 1 {
			x = math.Ceil(x*float64(steps) - 1e-6)
		}
		return max(0, x) // and no minus zero
	}
	r.Warmup = count(r.Warmup)
	if r.Kind != WSD {
		r.Decay, r.DecayShape = 0, ""
	} else {
		r.Decay = count(r.Decay)
	}
	if r.Kind == Constant {
		r.End = 1
	}
}

// Ratio of the highest rate at a step of steps, from 0. The schedule is resolved: Warmup and Decay are steps.
func (r *Rates) Ratio(step, steps int64) float64 {
	s, n, w := float64(step), float64(steps), r.Warmup
	if s < w {
		return s / w
	}
	t := (s - w) / (n - w) // s < n, so that w < n
	switch r.Kind {
	case Linear:
		return 1 - float64((1-r.End)*t)
	case Cosine:
		return r.End + float64((1-r.End)*(1+math.Cos(math.Pi*t))/2)
	case WSD:
		u := (s - (n - r.Decay)) / r.Decay
		if r.Decay == 0 || u < 0 {
			return 1
		}
		if r.DecayShape == OneMinusSqrt {
			u = math.Sqrt(u)
		}
		return 1 - float64((1-r.End)*u)
	}
	return 1
}
