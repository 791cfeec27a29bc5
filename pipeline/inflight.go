package pipeline

import (
	"bytes"
	"context"

	"curate/corpus/split"
)

// A phase of an io-bound map: its time is spent waiting for a server. A lane cuts what it reads into batches as small as
// jobs; each is mapped by a goroutine that does nothing else, and those that are done wait in the window for a slow one
// before them. Batches are given up when the run is stopped: what is complete before them in their lane is committed.

const (
	// inFlightRecords is how many records one Map gets at most, so that a slow call holds up little.
	inFlightRecords = 16
	// queuedInFlight is how many batches of a lane may wait for one before them: a minute's at 250 a second.
	queuedInFlight = 16 << 10
	// keepInFlight is how much memory a batch may keep while nothing is in it.
	keepInFlight = 32 << 10
)

func (r *run) queuedJobs() int {
	if r.budget.InFlight > 0 {
		return queuedInFlight
	}
	return queued
}

func (r *run) batchRecords() int {
	if r.budget.InFlight > 0 {
		return inFlightRecords
	}
	return batchRecords
}

func (r *run) keepScratch() int {
	if r.budget.InFlight > 0 {
		return keepInFlight
	}
	return keepScratch
}

// mapInFlight maps a batch, unless the run has been asked to stop. An error of the stage asks it to.
func (w *worker) mapInFlight(j *job) error {
	r := w.run
	if r.stop.Err() != nil && len(j.chunk.Buf) > 0 { // the mark of a split's end costs nothing, and commits it
		return context.Cause(r.stop)
	}
	err := w.mapChunk(r.stop, j)
	if err != nil && r.stop.Err() == nil {
		r.stopNow(err)
	}
	return err
}

// handBatches cuts a chunk into batches and hands them on as jobs of their own.
func (l *lane) handBatches(whole *job) error {
	r := l.run
	giant := len(whole.chunk.Buf) > r.budget.ChunkSize // what it takes was granted before it was read
	rest := whole.chunk
	for {
		n, lines := batchEnd(rest.Buf)
		if n == len(whole.chunk.Buf) { // all of it is one batch
			return l.hand(whole)
		}
		last := n == len(rest.Buf)
		if last && whole.foreign {
			whole.chunk = rest
			return l.hand(whole)
		}
		j := l.newJob(whole.unit, whole.codec)
		ids := append(j.chunk.IDs[:0], rest.IDs[:min(lines, len(rest.IDs))]...)
		numbers := append(j.chunk.LineNos[:0], rest.LineNos[:min(lines, len(rest.LineNos))]...)
		j.chunk = cutChunk(&rest, n, lines)
		j.chunk.Buf, j.foreign = append(r.buffers.get(n), j.chunk.Buf...), false
		if j.chunk.IDs != nil {
			j.chunk.IDs = ids
		}
		if j.chunk.LineNos != nil {
			j.chunk.LineNos = numbers
		}
		j.skips = append(j.skips[:0], whole.skips...)
		want := r.budget.chunkCost(n)
		j.charge = min(want, whole.charge)
		if giant {
			j.charge = max(0, min(want, whole.charge-r.budget.chunkCost(len(rest.Buf))))
		}
		whole.charge -= j.charge
		if j.charge < want && !giant { // many short lines
			more, err := r.chunks.grow(r.stop, l.seq, j.charge, want)
			if j.charge += more; err != nil {
				return err
			}
		}
		if last {
			r.chunks.release(l.seq, whole.charge)
			l.giveBack(whole)
			r.jobs.Put(whole)
		}
		if err := l.hand(j); err != nil || last {
			return err
		}
		if r.stop.Err() != nil {
			return context.Cause(r.stop)
		}
	}
}

// batchEnd is where the first batch of lines ends, and how many lines it has.
func batchEnd(b []byte) (end, lines int) {
	for lines < inFlightRecords && end < min(len(b), batchBytes) {
		i := bytes.IndexByte(b[end:], '\n')
		if i < 0 {
			return len(b), lines + 1
		}
		end += i + 1
		lines++
	}
	return end, lines
}

// cutChunk takes the first n bytes, whole lines, off c.
func cutChunk(c *split.Chunk, n, lines int) split.Chunk {
	first := *c
	first.Buf, first.Lines = c.Buf[:n], int64(lines)
	c.Buf, c.Lines, c.BOM = c.Buf[n:], c.Lines-int64(lines), false
	if c.IDs != nil {
		first.IDs, c.IDs = c.IDs[:lines], c.IDs[lines:]
		if c.LineNos != nil {
			first.LineNos, c.LineNos = c.LineNos[:lines], c.LineNos[lines:]
		}
		return first // offsets are the IDs'
	}
	first.End = c.Offset + int64(n)
	c.Offset, c.LineNo = first.End, c.LineNo+int64(lines)
	return first
}
