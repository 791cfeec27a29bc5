package pipeline

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/record"
	"curate/stage"
)

// The outputs of a run, and the keys of their parts in the journal.
const (
	outKept = iota
	outDropped
	outQuarantine
	outSignals // a row for every record that was read, in order
	outSealed  // of a phase that a Reducer ends; its bytes are not records
	outputs
)

var outputNames = [outputs]string{"out", "dropped", "quarantine", "signals", "sealed"}

const (
	// A batch is small enough that its lines stay in a core's cache from the check to the writing.
	batchBytes   = 256 << 10
	batchRecords = 4096
	// keepScratch is how much memory a worker's batch may keep after an unusual chunk.
	keepScratch = 4 * MiB
	maxMessages = 20 // told in a pipe; the rest is counted
)

// job is a chunk on its way: read, mapped, collected.
type job struct {
	chunk    split.Chunk
	foreign  bool // chunk.Buf is not from the buffers
	codec    *split.Codec
	file     string // for messages
	unit     string // of its offsets, for messages
	lane     int
	charge   int64 // of the chunk window
	out      [outputs][]byte
	records  [outputs]int64
	tallies  []tally // reading, then a stage each
	blank    int64
	repaired int64
	ids      []origin // of the kept records, where a copy carries them
	settled  settledRanges
	skips    []idRange     // records that an earlier phase has settled
	skipped  int           // of skips: those the batches so far are beyond
	partial  stage.Partial // of this chunk
	strict   bool          // mapping ended at a quarantined record
	turn     int64         // of the chunk, where a Serial decides
	last     bool          // the batch at work is the chunk's last
	messages []string      // of the first quarantined records, where no output takes them
	err      error
	done     chan struct{} // of capacity 1: a signal when the worker is through
}

// worker is one goroutine's share of the machine: it maps chunks and compresses frames.
type worker struct {
	run      *run
	batch    record.Batch
	stages   []stage.Worker
	live     []int32 // records that are still kept, during a batch
	measure  func(r *record.Record, values []int64, again bool)
	values   []int64 // measured, of each record of the batch
	encoders map[compress.Kind]*compress.Encoder
}

// newEncoder makes a worker that maps nothing.
func (r *run) newEncoder() *worker {
	return &worker{run: r, encoders: map[compress.Kind]*compress.Encoder{}}
}

func (r *run) newWorker() *worker {
	w := r.newEncoder()
	for _, m := range r.maps {
		w.stages = append(w.stages, m.NewWorker())
	}
	if m := r.job.Meter; m != nil {
		w.measure = m.New()
	}
	return w
}

// startWorkers starts the Job's number of workers; for an io-bound map these compress only, while those that wait for
// others are as many as it wants batches in flight.
func (r *run) startWorkers(wg *sync.WaitGroup) {
	for range r.budget.Workers {
		wg.Go(func() {
			if r.budget.InFlight > 0 {
				r.newEncoder().loop(nil, r.encodeQueue)
				return
			}
			r.newWorker().loop(r.mapQueue, r.encodeQueue)
		})
	}
	for range r.budget.InFlight {
		wg.Go(func() { r.newWorker().loop(r.mapQueue, nil) })
	}
}

// loop works until the run is done; a nil queue is somebody else's. Frames go first: what is finished frees memory.
func (w *worker) loop(jobs <-chan *job, frames <-chan *frame) {
	for {
		select {
		case f := <-frames:
			w.encode(f)
			continue
		default:
		}
		select {
		case f := <-frames:
			w.encode(f)
		case j := <-jobs:
			if w.run.budget.InFlight > 0 {
				j.err = w.mapInFlight(j)
			} else {
				j.err = w.mapChunk(w.run.hard, j)
			}
			j.done <- struct{}{}
		case <-w.run.allDone:
			return
		}
	}
}

func (w *worker) encode(f *frame) {
	defer func() { f.done <- struct{}{} }()
	e := w.encoders[f.kind]
	if e == nil {
		if e, f.err = compress.NewEncoder(f.kind); f.err != nil {
			return
		}
		w.encoders[f.kind] = e
	}
	enc := w.run.buffers.get(len(f.raw) / 2) // text shrinks to a third or less
	f.enc = w.run.buffers.adopt(enc, e.AppendFrame(enc, f.raw))
}

func (w *worker) mapChunk(ctx context.Context, j *job) (err error) {
	defer func() {
		if p := recover(); p != nil { // elsewhere than in main's goroutine it would end the process with exit code 2
			err = fmt.Errorf("%s, bytes %d to %d: this is a bug of curate, please report it: %v\n%s", j.file, j.chunk.Offset, j.chunk.End, p, debug.Stack())
		}
		if t := w.run.turns; t != nil {
			t.leave(ctx, j, err)
		}
	}()
	for i := range j.tallies {
		j.tallies[i].reset()
	}
	if len(j.tallies) == 0 {
		j.tallies = make([]tally, 1+len(w.stages))
	}
	j.messages, j.blank, j.repaired, j.strict = j.messages[:0], 0, 0, false
	j.ids, j.partial, j.skipped = j.ids[:0], nil, 0
	j.settled.reset()
	for o := range j.out {
		j.out[o], j.records[o] = nil, 0
	}
	if len(j.chunk.Buf) == 0 {
		return nil
	}
	w.run.giant(j)
	if !j.foreign && w.run.outputs[outKept] != nil {
		// With room for what an annotation adds, most chunks are rendered without growing. A chunk of one
		// long record waits until the stages have given their scratch back.
		j.out[outKept] = w.run.buffers.get(len(j.chunk.Buf) + len(j.chunk.Buf)/16)
	}
	for at := (split.Cursor{}); !j.chunk.Done(at); {
		w.batch.Reset()
		at = j.codec.Decode(&j.chunk, at, &w.batch, w.run.batchRecords(), batchBytes, w.run.job.TextField)
		j.blank, j.last = at.Blank, j.chunk.Done(at)
		if err := w.mapBatch(ctx, j); err != nil {
			return err
		}
		if j.strict {
			break
		}
	}
	w.batch.Reset()
	w.batch.Shrink(w.run.keepScratch())
	if j.foreign {
		w.batch = record.Batch{} // its decoder still knows the line
	}
	w.run.giant(j)
	return nil
}

// giant collects the garbage of a record that takes much of the memory there is, now: the collector alone
// would let it pile up to the limit and, with the next such record, beyond. Beside the record's own work it
// costs little.
func (r *run) giant(j *job) {
	if j.foreign && 16*int64(cap(j.chunk.Buf)) > r.job.Memory {
		debug.FreeOSMemory()
	}
}

func (w *worker) mapBatch(ctx context.Context, j *job) error {
	b := &w.batch
	if w.run.in == nil {
		b.Repair = w.run.job.Repair
		j.repaired += int64(b.Parse())
	} else {
		w.skip(j)
		b.Checked()
	}
	w.live = w.live[:0]
	for i := range b.Records {
		w.live = append(w.live, int32(i))
	}
	w.tally(&j.tallies[0])
	w.meter(&j.tallies[0], false)
	for s, m := range w.stages {
		n := len(b.Records)
		if err := m.Map(ctx, b); err != nil {
			return by(w.run.maps[s], err)
		}
		if t := w.run.turns; t != nil && t.at == s {
			switch err := w.decide(ctx, j); {
			case err == errStrict: // no failure of this chunk: whoever collects the one before says that the run ends there
				j.strict = true
				return nil
			case err != nil:
				return err
			}
		}
		if len(b.Records) != n {
			return fmt.Errorf("stage %s changed the number of records from %d to %d; this is a bug of the stage", w.run.maps[s].Spec().Name, n, len(b.Records))
		}
		w.tally(&j.tallies[s+1])
		w.meter(&j.tallies[s+1], true)
		j.tallies[s+1].take(b.TakeTallies(), b.TakeSpent())
	}
	if w.run.noCopy {
		j.settled.note(b.Records)
	}
	w.render(j)
	if w.run.reducer == nil || j.strict {
		return nil
	}
	if j.partial == nil {
		j.partial = w.run.reducer.NewPartial()
	}
	if err := j.partial.Add(b); err != nil {
		return by(w.run.reducer, err)
	}
	return nil
}

// skip takes out the records that an earlier phase has settled. Batches come in the order of the ranges.
func (w *worker) skip(j *job) {
	if len(j.skips) == 0 {
		return
	}
	w.batch.Skip(func(id record.ID) bool {
		for j.skipped < len(j.skips) && j.skips[j.skipped].hi < id {
			j.skipped++
		}
		return j.skipped < len(j.skips) && j.skips[j.skipped].lo <= id
	})
}

// tally counts what the records that were kept before became, and keeps the kept ones in w.live.
func (w *worker) tally(t *tally) {
	t.read += int64(len(w.live))
	kept := w.live[:0]
	for _, i := range w.live {
		r := &w.batch.Records[i]
		switch r.Outcome {
		case record.Keep:
			kept = append(kept, i)
			if r.Rule != "" {
				t.annotated = count(t.annotated, r.Rule, r.Reason)
				r.Rule, r.Reason = "", ""
			}
		case record.Drop:
			t.dropped = count(t.dropped, r.Rule, r.Reason)
		case record.Quarantine:
			t.quarantined++
		}
	}
	t.kept += int64(len(kept))
	w.live = kept
}

// meter sums up the measures of the records that are still kept.
func (w *worker) meter(t *tally, again bool) {
	if w.measure == nil {
		return
	}
	k := len(w.run.job.Meter.Names)
	if !again {
		w.values = append(w.values[:0], make([]int64, k*len(w.batch.Records))...)
	}
	if len(t.measured) < k {
		t.measured = make([]int64, k)
	}
	for _, i := range w.live {
		values := w.values[int(i)*k : int(i+1)*k]
		w.measure(&w.batch.Records[i], values, again)
		for m, v := range values {
			t.measured[m] += v
		}
	}
}

func (w *worker) render(j *job) {
	for i := range w.batch.Records {
		r := &w.batch.Records[i]
		if w.run.outputs[outSignals] != nil {
			j.out[outSignals] = appendSignals(w.run.buffers.room(j.out[outSignals], len(r.Signals())+signalsRoom), r)
			j.records[outSignals]++
		}
		switch r.Outcome {
		case record.Keep:
			if w.run.outputs[outKept] != nil {
				j.out[outKept] = r.AppendLine(w.run.buffers.room(j.out[outKept], r.Size()))
				j.records[outKept]++
				if w.run.outputs[outKept].ids {
					j.ids = append(j.ids, origin{r.ID, r.LineNo})
				}
			}
		case record.Drop:
			if w.run.outputs[outDropped] != nil {
				j.out[outDropped] = r.AppendDropped(w.run.buffers.room(j.out[outDropped], r.Size()))
				j.records[outDropped]++
			}
		case record.Quarantine:
			if w.run.outputs[outQuarantine] != nil {
				q := w.run.buffers.room(j.out[outQuarantine], 2*len(r.Raw())+1<<10) // escaped it may be longer
				j.out[outQuarantine] = w.run.buffers.adopt(q, appendQuarantined(q, j.file, r))
				j.records[outQuarantine]++
			}
			if len(j.messages) < maxMessages {
				j.messages = append(j.messages, quarantineMessage(j.file, j.unit, r))
			}
			if w.run.job.Strict { // nothing behind it is written
				j.strict = true
				return
			}
		}
	}
}
