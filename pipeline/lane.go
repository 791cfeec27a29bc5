package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/cespare/xxhash/v2"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/corpus/store"
)

// lane is one file on its way through: a reader, a collector that takes results in read order, a writer.
type lane struct {
	run   *run
	seq   int // among the lanes; also its name in the windows
	file  corpus.File
	from  split.Position // where an earlier attempt got to
	whole bool           // an earlier attempt has finished the file

	jobs   chan *job
	queue  chan *frame
	entry  *Entry // of the open split
	open   [outputs]openPart
	broken bool // the collector takes no more
}

// openPart is an output's part of the open split, as far as it is collected.
type openPart struct {
	buf     []byte // of the open frame
	frames  int
	records int64
	bytes   int64 // uncompressed
	hash    xxhash.Digest
}

// frame is a piece of an output on its way to the writer; or, with end, the mark that a split is complete.
type frame struct {
	out    int
	split  int
	kind   compress.Kind
	raw    []byte
	enc    []byte
	charge int64 // of the frame window
	err    error
	done   chan struct{}
	end    *Entry
}

const queued = 64 // items a lane's channels hold; the windows bound their bytes

// work takes the file through and returns when its last part is committed.
func (l *lane) work() {
	r := l.run
	if l.whole {
		r.job.Progress.Consumed.Add(l.file.Size)
		return
	}
	if r.stop.Err() != nil {
		r.endsAt(l.seq)
		return
	}
	l.jobs = make(chan *job, queued)
	l.queue = make(chan *frame, queued)
	var wg sync.WaitGroup
	wg.Go(l.collect)
	wg.Go(l.write)
	err := l.read()
	if err != nil && r.stop.Err() != nil {
		r.endsAt(l.seq) // before anybody behind it can have its turn
	}
	close(l.jobs)
	wg.Wait()
	if err != nil && r.stop.Err() == nil {
		// A file that cannot be read ends the run badly, but the other files are finished.
		if len(r.job.Manifest.Files) > 1 {
			r.job.Log.Error(err.Error()) // now: the end, which says it again, may be hours away
		}
		r.mu.Lock()
		r.readErrs = append(r.readErrs, err)
		r.mu.Unlock()
		if r.job.Out.File {
			r.stopNow(err) // one file that appears whole or not at all: nothing more can come of it
		}
	}
}

// read cuts the file into chunks until it ends or the run stops.
func (l *lane) read() (err error) {
	r := l.run
	var j *job // in hand
	grow := func(ctx context.Context) error {
		more, err := r.chunks.grow(ctx, l.seq, j.charge, chunkCost(r.max))
		if j.charge += more; err != nil {
			return err
		}
		// What is on its way out must be gone, too, before so much comes in.
		all, err := r.frames.acquire(ctx, l.seq, math.MaxInt64)
		r.frames.release(l.seq, all)
		r.buffers.trim()
		return err
	}
	var src *corpus.Source
	replayed := r.replay[l.file.Number]
	if replayed != nil {
		src, replayed.grow = replayed.src, grow
	} else if src, err = corpus.Open(r.stop, r.job.Store, l.file, r.openOptions(l.from, grow)); err != nil {
		return err
	}
	defer src.Close()
	codec := src.Codec()
	for {
		j = r.jobs.Get().(*job)
		j.lane, j.file, j.codec, j.err = l.seq, l.file.Name(), &codec, nil
		if j.charge, err = r.chunks.acquire(r.stop, l.seq, chunkCost(r.budget.ChunkSize)); err != nil {
			return err
		}
		if replayed != nil && len(replayed.chunks) > 0 {
			j.chunk, j.foreign = replayed.chunks[0], true
			replayed.chunks[0] = split.Chunk{}
			replayed.chunks = replayed.chunks[1:]
			var more int64
			more, err = r.chunks.grow(r.stop, l.seq, j.charge, chunkCost(len(j.chunk.Buf)))
			j.charge += more
		} else if replayed != nil && replayed.err != nil {
			err = replayed.err
		} else {
			buf := r.buffers.get(r.budget.ChunkSize)
			j.chunk.Buf = buf
			err = src.Next(r.stop, &j.chunk)
			if j.foreign = cap(j.chunk.Buf) != cap(buf); j.foreign { // a long record
				r.buffers.put(buf)
			}
		}
		if err != nil {
			r.chunks.release(l.seq, j.charge)
			l.giveBack(j)
			if err == io.EOF {
				return nil
			}
			return err
		}
		if need := chunkCost(len(j.chunk.Buf)); need < j.charge {
			r.chunks.release(l.seq, j.charge-need)
			j.charge = need
		}
		select {
		case l.jobs <- j:
		case <-r.hard.Done():
			return context.Cause(r.hard)
		}
		select {
		case r.mapQueue <- j:
		case <-r.hard.Done():
			return context.Cause(r.hard)
		}
	}
}

func (l *lane) giveBack(j *job) {
	if !j.foreign {
		l.run.buffers.put(j.chunk.Buf)
	}
	j.chunk.Buf, j.foreign = nil, false
}

// collect takes the results in read order and cuts them into frames.
func (l *lane) collect() {
	defer close(l.queue)
	r := l.run
	for j := range l.jobs {
		select {
		case <-j.done:
		case <-r.hard.Done():
			return
		}
		if j.err != nil {
			if r.hard.Err() == nil {
				r.fail(j.err)
			}
			return
		}
		if !l.broken {
			if err := l.apply(j); err != nil {
				return // the run has failed
			}
		}
		r.chunks.release(l.seq, j.charge)
		l.giveBack(j)
		r.jobs.Put(j)
	}
	// The open split will not be finished, but a stream gets what there is of it.
	if l.entry != nil && r.ordered && !r.job.Out.File && l.flushOpen() == nil {
		l.entry.Counts.finish()
		select {
		case l.queue <- &frame{end: l.entry}:
		case <-r.hard.Done():
		}
	}
}

// apply takes one result into the open split.
func (l *lane) apply(j *job) error {
	r := l.run
	c := &j.chunk
	if l.entry == nil {
		l.entry = &Entry{File: c.File, Split: c.Split, Parts: map[string]Part{}, Counts: r.newCounts()}
	}
	e := l.entry
	quarantined := int64(0)
	for i := range j.tallies {
		j.tallies[i].addTo(&e.Counts.Stages[i])
		quarantined += j.tallies[i].quarantined
	}
	e.Lines += c.Lines
	e.Counts.BlankLines += j.blank
	e.Counts.BytesIn += c.End - c.Offset
	if c.BOM {
		r.job.Log.Info(l.file.Name() + ": the byte order mark at its start was left out")
	}
	if quarantined > 0 {
		r.tell(j.messages, quarantined)
	}
	p := r.job.Progress
	if len(j.tallies) > 0 {
		p.Read.Add(j.tallies[0].read)
		p.Kept.Add(j.tallies[len(j.tallies)-1].kept)
		p.Quarantined.Add(quarantined)
		p.BytesIn.Add(c.End - c.Offset)
	}
	for o := range j.out {
		if len(j.out[o]) == 0 {
			r.buffers.put(j.out[o])
			continue
		}
		l.open[o].records += j.records[o]
		if err := l.add(o, j.out[o]); err != nil {
			return err
		}
		j.out[o] = nil
	}
	if r.job.Strict && quarantined > 0 {
		// Of a stream, the first in the order of the manifest is meant, whoever of the lanes met his first.
		if err := r.waitTurn(l.seq); err != nil {
			return err
		}
		l.broken = true
		r.endsAt(l.seq)
		r.stopNow(fmt.Errorf("%w: %s", errStrict, j.messages[0]))
		return nil
	}
	if c.Last {
		return l.endSplit(c)
	}
	return nil
}

// add puts rendered lines into the open frame of an output and sends off the frames that are full: each
// ends at the first line end after frameSize bytes, so that frames do not depend on how chunks were cut.
func (l *lane) add(o int, lines []byte) error {
	p := &l.open[o]
	if l.run.outputs[o].format.Compression == compress.None {
		p.buf = lines // nobody sees frames: send it as it is
		return l.send(o)
	}
	rest := lines
	for len(p.buf)+len(rest) >= frameSize {
		need := max(1, frameSize-len(p.buf))
		cut := need + bytes.IndexByte(rest[need-1:], '\n')
		p.grow(l.run, cut)
		p.buf = append(p.buf, rest[:cut]...)
		rest = rest[cut:]
		if err := l.send(o); err != nil {
			return err
		}
	}
	p.grow(l.run, len(rest))
	p.buf = append(p.buf, rest...)
	l.run.buffers.put(lines)
	return nil
}

// grow makes room for n more bytes: in small steps for a small output, for a whole frame once it has shown
// that it is larger.
func (p *openPart) grow(r *run, n int) {
	if len(p.buf)+n > cap(p.buf) && (p.frames > 0 || len(p.buf)+n > frameSize/4) {
		n = max(n, frameSize+frameSize/8-len(p.buf))
	}
	p.buf = r.buffers.room(p.buf, n)
}

// send hands the open frame of an output to the workers and the writer.
func (l *lane) send(o int) error {
	r := l.run
	p := &l.open[o]
	kind := r.outputs[o].format.Compression
	f := &frame{out: o, split: l.entry.Split, kind: kind, raw: p.buf}
	p.buf = nil
	p.frames++
	p.bytes += int64(len(f.raw))
	if !r.ordered {
		if p.frames == 1 {
			p.hash.Reset()
		}
		_, _ = p.hash.Write(f.raw) // never fails
	}
	var err error
	if f.charge, err = r.frames.acquire(r.hard, l.seq, frameCost(len(f.raw))); err != nil {
		return err
	}
	if kind != compress.None {
		f.done = make(chan struct{}, 1)
		select {
		case r.encodeQueue <- f:
		case <-r.hard.Done():
			return context.Cause(r.hard)
		}
	}
	select {
	case l.queue <- f:
		return nil
	case <-r.hard.Done():
		return context.Cause(r.hard)
	}
}

// endSplit closes the open split: the kept output always has a part, the others only if they have records.
func (l *lane) endSplit(c *split.Chunk) error {
	e := l.entry
	e.End, e.EOF = c.End, c.EOF
	if err := l.flushOpen(); err != nil {
		return err
	}
	for o := range l.open {
		if p := &l.open[o]; p.frames > 0 {
			part := Part{Records: p.records}
			if !l.run.ordered {
				part.XXH64 = fmt.Sprintf("%016x", p.hash.Sum64())
			}
			e.Parts[outputNames[o]] = part
		}
		l.open[o] = openPart{}
	}
	e.Counts.finish()
	l.entry = nil
	select {
	case l.queue <- &frame{end: e}:
		return nil
	case <-l.run.hard.Done():
		return context.Cause(l.run.hard)
	}
}

// flushOpen sends the open frames.
func (l *lane) flushOpen() error {
	for o := range l.open {
		p := &l.open[o]
		out := l.run.outputs[o]
		empty := o == outKept && p.frames == 0 && out != nil && out.format.Compression != compress.None
		if !l.run.ordered {
			empty = o == outKept && p.frames == 0 // an empty part is a file, too
		}
		if len(p.buf) > 0 || empty {
			if err := l.send(o); err != nil {
				return err
			}
		}
	}
	l.entry.Counts.BytesOut = l.open[outKept].bytes
	return nil
}

// write puts frames where they belong, in order, and commits splits.
func (l *lane) write() {
	r := l.run
	w := partWriters{lane: l}
	defer w.abort()
	myTurn := false
	for f := range l.queue {
		if f.done != nil {
			select {
			case <-f.done:
			case <-r.hard.Done():
				return
			}
		}
		if !myTurn {
			if r.waitTurn(l.seq) != nil {
				return
			}
			myTurn = true
		}
		if err := errors.Join(f.err, w.take(f)); err != nil {
			r.fail(err)
			return
		}
		r.frames.release(l.seq, f.charge)
		r.buffers.put(f.raw)
		if f.done != nil {
			r.buffers.put(f.enc)
		}
	}
}

// partWriters are the parts of the split that is being written.
type partWriters struct {
	lane  *lane
	split [outputs]store.Writer
	names [outputs]string
	sizes [outputs]int64
}

func (w *partWriters) take(f *frame) error {
	r := w.lane.run
	switch {
	case r.ordered && int64(w.lane.seq) > r.lastLane.Load():
		return nil // the rest of an earlier file is missing; what follows must not be glued to it
	case f.end == nil && r.ordered:
		out := r.outputs[f.out]
		out.frames++
		_, err := out.stream.Write(f.bytes())
		return err
	case f.end == nil:
		return w.writePart(f)
	case r.ordered:
		r.finished(*f.end)
		return nil
	}
	return w.commit(f.end)
}

func (f *frame) bytes() []byte {
	if f.kind == compress.None {
		return f.raw
	}
	return f.enc
}

func (w *partWriters) writePart(f *frame) (err error) {
	l := w.lane
	if w.split[f.out] == nil {
		if w.split[f.out], w.names[f.out], err = l.run.outputs[f.out].create(l.run.hard, l.run.job.Store, l.file.Number, f.split); err != nil {
			return err
		}
		w.sizes[f.out] = 0
	}
	n, err := w.split[f.out].Write(f.bytes())
	w.sizes[f.out] += int64(n)
	return err
}

// commit makes the split's parts appear, then journals it.
func (w *partWriters) commit(e *Entry) error {
	r := w.lane.run
	for o, part := range w.split {
		if part == nil {
			continue
		}
		if err := part.Commit(); err != nil {
			return err
		}
		w.split[o] = nil
		p := e.Parts[outputNames[o]]
		p.Name, p.Size = w.names[o], w.sizes[o]
		e.Parts[outputNames[o]] = p
	}
	if err := r.journal.append(e); err != nil {
		return err
	}
	r.finished(*e)
	return nil
}

func (w *partWriters) abort() {
	for _, part := range w.split {
		if part != nil {
			_ = part.Abort() // the run ends with a better error than this one's
		}
	}
}
