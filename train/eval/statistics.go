package eval

import "math"

// mean is the mean of numbers and its standard error, that of a sample: √(Σ(x-mean)² / (n-1)) / √n (mean_stderr in
// lm_eval/api/metrics.py).
type mean struct {
	n       int64
	at, dev float64 // the mean so far, and Σ(x-mean)² (Welford's recurrence)
}

func (m *mean) add(x float64) {
	m.n++
	d := x - m.at
	m.at += d / float64(m.n)
	m.dev += float64(d * (x - m.at))
}

// stderr is NaN of fewer than two numbers.
func (m *mean) stderr() float64 {
	if m.n < 2 {
		return math.NaN()
	}
	return math.Sqrt(m.dev/float64(m.n-1)) / math.Sqrt(float64(m.n))
}

// metric is the mean as one, without a value of no numbers.
func (m *mean) metric(name string) Metric {
	if m.n == 0 {
		return Metric{Name: name}
	}
	return metric(name, m.at, m.stderr())
}

// share is how many of n are right. Its standard error is that of a mean of zeros and ones: √(p(1-p)/(n-1)).
type share struct{ n, right int64 }

func (s *share) add(right bool) {
	s.n++
	if right {
		s.right++
	}
}

func (s *share) value() float64 { return float64(s.right) / float64(s.n) }

func (s *share) stderr() float64 {
	if s.n < 2 {
		return math.NaN()
	}
	p := s.value()
	return math.Sqrt(p * (1 - p) / float64(s.n-1))
}

// ratio is Σa / Σb of units that are drawn independently, such as documents. Its standard error is that of a ratio estimate:
// √(n/(n-1) · Σ(a - ratio·b)²) / Σb (Cochran, Sampling Techniques, 3rd edition, section 6.3).
type ratio struct {
	n                int64
	a, b, aa, ab, bb float64
}

func (r *ratio) add(a, b float64) {
	r.n++
	r.a += a
	r.b += b
	r.aa += float64(a * a)
	r.ab += float64(a * b)
	r.bb += float64(b * b)
}

// value is NaN if there is nothing to divide by.
func (r *ratio) value() float64 {
	if r.b == 0 {
		return math.NaN()
	}
	return r.a / r.b
}

func (r *ratio) stderr() float64 {
	if r.n < 2 || r.b == 0 {
		return math.NaN()
	}
	v := r.a / r.b
	square := r.aa - float64(2*v*r.ab) + float64(v*v*r.bb)
	return math.Sqrt(max(0, square)*float64(r.n)/float64(r.n-1)) / r.b
}

// finite is nil for what JSON has no number for.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
