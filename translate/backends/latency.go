package backends

import (
	"math"
	"time"
)

// Latencies is a histogram whose buckets are 5 % wide, from a millisecond to above an hour: percentiles of any number of
// requests in 3 KB.
type Latencies struct {
	count [320]int64
	total int64
}

var logStep = math.Log(1.05)

// Add counts a request that took d.
func (l *Latencies) Add(d time.Duration) {
	i := int(math.Log(max(1, float64(d)/float64(time.Millisecond))) / logStep)
	l.count[min(i, len(l.count)-1)]++
	l.total++
}

// Percentile p from 0 to 1, as the middle of its bucket.
func (l *Latencies) Percentile(p float64) time.Duration {
	if l.total == 0 {
		return 0
	}
	rank := int64(math.Ceil(p * float64(l.total)))
	for i, n := range l.count {
		if rank -= n; rank <= 0 {
			return time.Duration(math.Exp((float64(i)+0.5)*logStep) * float64(time.Millisecond))
		}
	}
	return time.Duration(math.Exp(float64(len(l.count))*logStep) * float64(time.Millisecond))
}
