package pipeline

import "sync/atomic"

// Progress is what a job has done so far, for whoever draws it. All fields may be read at any time.
type Progress struct {
	Read, Kept, Quarantined atomic.Int64
	BytesIn                 atomic.Int64 // uncompressed
	Handed                  atomic.Int64 // uncompressed bytes given to workers: the difference to BytesIn is in hand
	Consumed                atomic.Int64 // bytes taken from storage, in all phases
	Total                   atomic.Int64 // bytes there are to take from storage; -1 if unknown
	Phase, Phases           atomic.Int64 // the counts above, but for Consumed and Total, are those of this phase
	// Tell says how far a [Task] is, in words, where there are no records to speak of; nil for a job. Consumed and Total
	// are then in units of its own.
	Tell func() string

	begun  atomic.Int64 // Consumed when the phase began
	behind atomic.Int64 // Consumed when something was last handed: what was taken since is on its way to a chunk
	most   atomic.Int64 // that Done has said
}

// Done is how much of what there is to take from storage has gone all the way, in bytes: what is in hand, which may take long, is
// not counted. Where it is compressed that is an estimate; it never falls. total is -1 if unknown, and grows when a phase begins.
func (p *Progress) Done() (done, total int64) {
	total = p.Total.Load()
	if p.Tell != nil || p.Phase.Load() == 0 {
		return p.Consumed.Load(), total
	}
	out, begun := p.BytesIn.Load(), p.begun.Load()
	done = p.behind.Load()
	if handed := p.Handed.Load(); handed > out {
		stored := min(1, float64(done-begun)/float64(handed)) // of a byte, compressed
		done -= int64(float64(handed-out) * stored)
	}
	// Read-ahead is a part of it that comes and goes, and a compressed file may be taken whole before it is handed.
	return raise(&p.most, max(done, begun)), total
}

// DoneOfPhase is Done of the phase alone.
func (p *Progress) DoneOfPhase() (done, total int64) {
	done, total = p.Done()
	begun := p.begun.Load()
	if total < 0 {
		return max(0, done-begun), total
	}
	return max(0, done-begun), max(0, total-begun)
}

// begin begins a phase of size bytes as stored, -1 if unknown.
func (p *Progress) begin(phase int, size int64) {
	consumed := p.Consumed.Load()
	if size >= 0 {
		size += consumed
	}
	p.Total.Store(size)
	p.Phase.Store(int64(phase))
	p.Read.Store(0)
	p.Kept.Store(0)
	p.Quarantined.Store(0)
	p.BytesIn.Store(0)
	p.Handed.Store(0)
	p.begun.Store(consumed)
	raise(&p.behind, consumed)
}

// hand counts n uncompressed bytes that are given to workers; 0 says that there are no more, or that what was taken is nobody's.
func (p *Progress) hand(n int64) {
	p.Handed.Add(n) // first: who looks in between finds too little
	raise(&p.behind, p.Consumed.Load())
}

// raise makes v n, unless it is more, and is what it is then.
func raise(v *atomic.Int64, n int64) int64 {
	for {
		have := v.Load()
		if have >= n {
			return have
		}
		if v.CompareAndSwap(have, n) {
			return n
		}
	}
}
