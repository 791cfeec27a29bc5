package pipeline

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/parquet"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/stage"
)

// lane is one file on its way through: a reader, a collector that takes results in read order, a writer.
type lane struct {
	run   *run
	seq   int // among the lanes; also its name in the windows
	file  corpus.File
	from  split.Position // where an earlier attempt got to, or its split begins
	split int            // the one that it takes; -1 for all
	whole bool           // an earlier attempt has finished the file

	jobs    chan *job
	queue   chan *frame
	entry   *Entry // of the open split
	open    [outputs]openPart
	settled rangeWriter   // of the open split
	partial stage.Partial // of the open split, or of what came after a piece of it was sealed
	sealing chan struct{} // taken while a Partial is on its way to the writer: a lane holds two at most
	broken  bool          // the collector takes no more

	collected func() // called once, when nothing but writing is left to do
}

// openPart is an output's part of the open split, as far as it is collected.
type openPart struct {
	buf     []byte // of the open frame
	ids     []origin
	frames  int
	records int64
	bytes   int64 // uncompressed
	hash    xxhash.Digest
}

// frame is a piece of an output on its way to the writer; or a Partial to be sealed; or, with end, the mark that
// a split is complete.
type frame struct {
	out    int
	split  int
	kind   compress.Kind
	raw    []byte
	enc    []byte
	charge int64 // of the frame window
	ids    []origin
	err    error
	done   chan struct{}

	partial stage.Partial
	end     *Entry
}

// Items a lane's channels hold; the windows bound their bytes.
const queued = 64

// work takes the file through and returns when its last part is committed.
func (l *lane) work() {
	r := l.run
	if l.whole {
		r.job.Progress.Consumed.Add(r.size(l.file))
		r.job.Progress.hand(0)
		l.collected()
		return
	}
	if r.stop.Err() != nil {
		r.endsAt(l.seq)
		l.collected()
		return
	}
	tell(r.job.Log, "file.started", l.of(slog.String("path", l.file.Name()))...)
	l.jobs = make(chan *job, r.queuedJobs())
	l.queue = make(chan *frame, queued)
	l.sealing = make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer l.collected()
		l.collect()
	})
	wg.Go(l.write)
	err := l.read()
	r.job.Progress.hand(0)
	if err != nil && r.stop.Err() != nil {
		r.endsAt(l.seq) // before anybody behind it can have its turn
	}
	close(l.jobs)
	wg.Wait()
	if err == nil && !l.broken && r.hard.Err() == nil {
		tell(r.job.Log, "file.finished", l.of(slog.String("path", l.file.Name()))...)
	}
	if err != nil && r.stop.Err() == nil {
		// A file that cannot be read ends the run badly, but the other files are finished.
		if len(r.job.Manifest.Files) > 1 {
			r.job.Log.Error(err.Error()) // now: the end, which says it again, may be hours away
		}
		r.mu.Lock()
		r.readErrs = append(r.readErrs, err)
		r.mu.Unlock()
		if r.job.Out.File || !r.writes && r.journal == nil {
			r.stopNow(err) // one file that appears whole or not at all: nothing more can come of it
		}
	}
}

// read cuts the file into chunks until it ends or the run stops.
func (l *lane) read() (err error) {
	r := l.run
	var j *job // in hand
	grow := func(ctx context.Context) error {
		more, err := r.chunks.grow(ctx, l.seq, j.charge, r.budget.chunkCost(r.max))
		if j.charge += more; err != nil {
			return err
		}
		// What is on its way out must be gone, too, before so much comes in.
		all, err := r.frames.acquire(ctx, l.seq, math.MaxInt64)
		r.frames.release(l.seq, all)
		r.buffers.trim()
		return err
	}
	var src source
	replayed := r.replay[l.file.Number]
	if replayed != nil && replayed.src == nil {
		return replayed.err
	} else if replayed != nil {
		src, replayed.grow = replayed.src, grow
	} else if src, err = r.open(l, grow); err != nil {
		return err
	}
	defer src.Close()
	codec := src.Codec()
	unit := "byte"
	switch {
	case codec.OpenAt != nil:
		unit = "row"
	case r.in.source() != nil:
		unit = "offset" // of a copy's record, whose file may have bytes or rows
	}
	var skip skipper
	defer skip.close()
	for {
		j = l.newJob(unit, &codec)
		if j.charge, err = r.chunks.acquire(r.stop, l.seq, r.budget.chunkCost(r.budget.ChunkSize)); err != nil {
			return err
		}
		if replayed != nil && len(replayed.chunks) > 0 {
			j.chunk, j.foreign = replayed.chunks[0], true
			replayed.chunks[0] = split.Chunk{}
			replayed.chunks = replayed.chunks[1:]
			var more int64
			more, err = r.chunks.grow(r.stop, l.seq, j.charge, r.budget.chunkCost(len(j.chunk.Buf)))
			j.charge += more
		} else if replayed != nil && replayed.err != nil {
			err = replayed.err
		} else {
			buf := r.buffers.get(r.budget.ChunkSize)
			j.chunk.Buf = buf
			if err = src.Next(r.stop, &j.chunk); err == nil {
				j.skips, err = skip.of(r, &j.chunk, j.skips[:0])
			}
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
		r.job.Progress.hand(j.chunk.Bytes())
		last := l.split >= 0 && j.chunk.Last
		if r.budget.InFlight > 0 {
			err = l.handBatches(j)
		} else {
			err = l.hand(j)
		}
		if err != nil {
			return err
		}
		if last {
			if s, ok := src.(*corpus.Source); ok {
				return s.Unchanged(r.stop)
			}
			return nil
		}
	}
}

func (l *lane) newJob(unit string, codec *split.Codec) *job {
	j := l.run.jobs.Get().(*job)
	j.lane, j.file, j.unit, j.codec, j.err = l.seq, l.file.Name(), unit, codec, nil
	return j
}

// hand gives a chunk to the collector and to the workers.
func (l *lane) hand(j *job) error {
	r := l.run
	if need := r.budget.chunkCost(len(j.chunk.Buf)); need < j.charge {
		r.chunks.release(l.seq, j.charge-need)
		j.charge = need
	}
	if r.turns != nil {
		j.turn = r.turns.handed
		r.turns.handed++
	}
	for _, queue := range []chan *job{l.jobs, r.mapQueue} {
		select {
		case queue <- j:
		case <-r.hard.Done():
			return context.Cause(r.hard)
		}
	}
	return nil
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
	defer l.bug()
	for j := range l.jobs {
		select {
		case <-j.done:
		case <-r.hard.Done():
			return
		}
		switch {
		case j.err == nil:
		case r.budget.InFlight > 0 && r.stop.Err() != nil: // what is complete before it is committed
			l.broken = true
			r.endsAt(l.seq)
		default:
			if r.hard.Err() == nil {
				r.fail(j.err)
			}
			return
		}
		if !l.broken {
			if err := l.apply(j); err != nil {
				if r.hard.Err() == nil {
					r.fail(err)
				}
				return
			}
		}
		j.partial = nil
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

// bug ends the run for a panic, of a Reducer most likely.
func (l *lane) bug() {
	if p := recover(); p != nil {
		var err error
		func() {
			defer recovered(&err, l.file.Name())
			panic(p)
		}()
		l.run.fail(err)
	}
}

// apply takes one result into the open split.
func (l *lane) apply(j *job) error {
	r := l.run
	c := &j.chunk
	if l.entry == nil {
		l.entry = &Entry{File: c.File, Split: c.Split, Parts: map[string]Part{}, Counts: r.newCounts()}
		tell(r.job.Log, "split.started", l.of(slog.Int("split", c.Split))...)
	}
	e := l.entry
	quarantined := int64(0)
	var measures []string
	if m := l.run.job.Meter; m != nil {
		measures = m.Names
	}
	for i := range j.tallies {
		j.tallies[i].addTo(&e.Counts.Stages[i], measures)
		quarantined += j.tallies[i].quarantined
	}
	e.Lines += c.Lines
	e.Counts.BlankLines += j.blank
	e.Counts.Repaired += j.repaired
	e.Counts.BytesIn += c.Bytes()
	if c.BOM && r.phase == 1 {
		r.job.Log.Info(l.file.Name() + ": the byte order mark at its start was left out")
	}
	if quarantined > 0 && r.outputs[outQuarantine] == nil && !r.job.Strict { // its error says the first
		r.voice.tell(j.messages, quarantined)
	}
	p := r.job.Progress
	if len(j.tallies) > 0 {
		p.Read.Add(j.tallies[0].read)
		p.Kept.Add(j.tallies[len(j.tallies)-1].kept)
		p.Quarantined.Add(quarantined)
		p.BytesIn.Add(c.Bytes())
	}
	if r.noCopy {
		l.open[outSealed].buf = l.settled.add(r.buffers.room(l.open[outSealed].buf, rangeSize*(len(j.settled.ranges)+1)), &j.settled)
		if len(l.open[outSealed].buf) >= sealedPiece {
			if err := l.send(outSealed); err != nil {
				return err
			}
		}
	}
	l.open[outKept].ids = append(l.open[outKept].ids, j.ids...)
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
	if err := l.join(j.partial); err != nil {
		return err
	}
	if c.Last {
		return l.endSplit(c)
	}
	return nil
}

// join takes a chunk's Partial into the split's, and has that sealed when it is as large as it may be.
func (l *lane) join(p stage.Partial) error {
	switch {
	case p == nil:
		return nil
	case l.partial == nil:
		l.partial = p
	default:
		if err := l.partial.Join(p); err != nil {
			return by(l.run.reducer, err)
		}
	}
	if int64(l.partial.Size()) < l.run.budget.Partial {
		return nil
	}
	return l.seal(&frame{partial: l.partial})
}

// seal hands a Partial to the writer.
func (l *lane) seal(f *frame) error {
	l.partial = nil
	for _, send := range []func() bool{
		func() bool {
			select {
			case l.sealing <- struct{}{}:
				return true
			case <-l.run.hard.Done():
				return false
			}
		},
		func() bool {
			select {
			case l.queue <- f:
				return true
			case <-l.run.hard.Done():
				return false
			}
		},
	} {
		if !send() {
			return context.Cause(l.run.hard)
		}
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
	size := l.run.outputs[o].frameSize()
	for len(p.buf)+len(rest) >= size {
		need := max(1, size-len(p.buf))
		cut := need + bytes.IndexByte(rest[need-1:], '\n')
		p.grow(l.run, cut, size)
		p.buf = append(p.buf, rest[:cut]...)
		rest = rest[cut:]
		if err := l.send(o); err != nil {
			return err
		}
	}
	p.grow(l.run, len(rest), size)
	p.buf = append(p.buf, rest...)
	l.run.buffers.put(lines)
	return nil
}

// grow makes room for n more bytes: in small steps for a small output, for a whole frame once it has shown
// that it is larger.
func (p *openPart) grow(r *run, n, size int) {
	if len(p.buf)+n > cap(p.buf) && (p.frames > 0 || len(p.buf)+n > size/4) {
		n = max(n, size+size/8-len(p.buf))
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
	if r.outputs[o].ids {
		n := bytes.Count(f.raw, []byte("\n"))
		f.ids = slices.Clone(p.ids[:n])
		p.ids = slices.Delete(p.ids, 0, n)
	}
	p.frames++
	p.bytes += int64(len(f.raw))
	if !r.ordered && o != outSealed { // what is sealed is written piecewise, and hashed there
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
		if p := &l.open[o]; p.frames > 0 && o != outSealed {
			part := Part{Records: p.records}
			if !l.run.ordered {
				part.XXH64 = fmt.Sprintf("%016x", p.hash.Sum64())
			}
			e.Parts[outputNames[o]] = part
		}
		l.open[o] = openPart{}
	}
	e.Counts.finish()
	l.entry, l.settled = nil, rangeWriter{}
	if l.run.reducer != nil {
		if l.partial == nil {
			l.partial = l.run.reducer.NewPartial()
		}
		return l.seal(&frame{end: e, partial: l.partial})
	}
	select {
	case l.queue <- &frame{end: e}:
		return nil
	case <-l.run.hard.Done():
		return context.Cause(l.run.hard)
	}
}

// flushOpen sends the open frames.
func (l *lane) flushOpen() error {
	if l.run.noCopy {
		l.open[outSealed].buf = l.settled.flush(l.run.buffers.room(l.open[outSealed].buf, rangeSize))
	}
	for o := range l.open {
		p := &l.open[o]
		out := l.run.outputs[o]
		empty := o == outKept && p.frames == 0 && out != nil && out.format.Compression != compress.None
		if !l.run.ordered {
			empty = o == outKept && p.frames == 0 && out != nil // an empty part is a file, too
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
	defer l.bug()
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
		err := errors.Join(f.err, w.take(f))
		if f.partial != nil {
			<-l.sealing
		}
		if err != nil {
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
	lane   *lane
	split  [outputs]store.Writer
	names  [outputs]string
	sizes  [outputs]int64
	sealed xxhash.Digest    // of the sealed file's bytes
	rows   *parquet.Records // what the part of the kept records is, as Parquet
	digest xxhash.Digest    // of that part's bytes
	pieces []piece          // Partials of the split that were sealed before it ended
	named  int              // pieces so far
}

// piece is a file that holds a part of the open split's Partial, or several of the level below merged.
type piece struct {
	name  string
	level int
}

func (w *partWriters) take(f *frame) error {
	r := w.lane.run
	switch {
	case r.ordered && int64(w.lane.seq) > r.lastLane.Load():
		return nil // the rest of an earlier file is missing; what follows must not be glued to it
	case f.end == nil && f.partial != nil:
		return w.sealPiece(f.partial)
	case f.end == nil && r.ordered:
		out := r.outputs[f.out]
		out.frames++
		_, err := out.stream.Write(f.bytes())
		return err
	case f.end == nil:
		return w.writePart(f)
	case r.ordered:
		r.finished(*f.end)
		w.lane.splitEnds(f.end)
		return nil
	}
	if f.partial != nil {
		if err := w.seal(f.end, f.partial); err != nil {
			return err
		}
	}
	return w.commit(f.end)
}

func (f *frame) bytes() []byte {
	if f.kind == compress.None {
		return f.raw
	}
	return f.enc
}

func (w *partWriters) writePart(f *frame) error {
	if err := w.create(f.out, f.split); err != nil {
		return err
	}
	if w.lane.run.outputs[f.out].format.Parquet {
		_, err := w.rows.Write(f.raw)
		return err
	}
	if w.lane.run.outputs[f.out].ids {
		if err := w.write(f.out, appendIDs(nil, len(f.enc), len(f.raw), f.ids)); err != nil {
			return err
		}
	}
	return w.write(f.out, f.bytes())
}

// create begins the split's part in an output, if it has not begun.
func (w *partWriters) create(o, split int) (err error) {
	if w.split[o] != nil {
		return nil
	}
	r := w.lane.run
	w.sizes[o] = 0
	if o == outSealed {
		w.sealed.Reset()
	}
	if r.outputs[o].format.Parquet {
		w.digest.Reset()
		w.rows = parquet.NewRecords(writerFunc(func(p []byte) (int, error) {
			_, _ = w.digest.Write(p) // never fails
			return len(p), w.write(o, p)
		}))
	}
	w.split[o], w.names[o], err = r.outputs[o].create(r.hard, r.store, w.lane.file.Number, split)
	return err
}

func (w *partWriters) write(o int, b []byte) error {
	n, err := w.split[o].Write(b)
	w.sizes[o] += int64(n)
	if o == outSealed {
		_, _ = w.sealed.Write(b) // never fails
	}
	return err
}

// sealPiece seals what there is of the open split into a file of its own, since memory for it is used up.
func (w *partWriters) sealPiece(p stage.Partial) error {
	if err := w.addPiece(0, p.Seal); err != nil {
		return err
	}
	// Many of one level become one of the next, so that no more are read at once than that.
	for n := len(w.pieces); n >= maxPieces && w.pieces[n-maxPieces].level == w.pieces[n-1].level; n = len(w.pieces) {
		many := slices.Clone(w.pieces[n-maxPieces:])
		w.pieces = w.pieces[:n-maxPieces]
		if err := w.addPiece(many[0].level+1, func(dst io.Writer) error { return w.mergePieces(dst, many) }); err != nil {
			return err
		}
	}
	return nil
}

// addPiece makes a file of the pieces.
func (w *partWriters) addPiece(level int, write func(io.Writer) error) error {
	r := w.lane.run
	name := fmt.Sprintf("%s/%s%05d-%d", cmp.Or(r.pieces, r.outputs[outSealed].dir), piecePrefix, w.lane.file.Number, w.named)
	if w.lane.split >= 0 {
		name += fmt.Sprintf("-of-%05d", w.lane.split)
	}
	w.named++
	f, err := r.store.Scratch().Create(r.hard, name)
	if err != nil {
		return err
	}
	defer f.Abort() // after Commit it does nothing
	b := bufio.NewWriterSize(f, 64<<10)
	if err := write(b); err != nil {
		return by(r.reducer, err)
	}
	if err := errors.Join(b.Flush(), f.Commit()); err != nil {
		return err
	}
	w.pieces = append(w.pieces, piece{name, level})
	return nil
}

// mergePieces merges pieces into dst and removes them.
func (w *partWriters) mergePieces(dst io.Writer, pieces []piece) error {
	r := w.lane.run
	var in []io.Reader
	for _, p := range pieces {
		f, err := r.store.Open(r.hard, p.name, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		in = append(in, f)
	}
	if err := r.reducer.Merge(dst, in); err != nil {
		return err
	}
	for _, p := range pieces {
		if err := r.store.Remove(r.hard, p.name); err != nil {
			return err
		}
	}
	return nil
}

// seal completes the split's sealed file: behind the ranges come the Reducer's bytes, in one piece.
func (w *partWriters) seal(e *Entry, p stage.Partial) error {
	r := w.lane.run
	if err := w.create(outSealed, e.Split); err != nil {
		return err
	}
	ranges := w.sizes[outSealed]
	b := bufio.NewWriterSize(writerFunc(func(p []byte) (int, error) { return len(p), w.write(outSealed, p) }), 64<<10)
	err := func() error {
		if len(w.pieces) == 0 {
			return p.Seal(b)
		}
		if err := w.sealPiece(p); err != nil {
			return err
		}
		return w.mergePieces(b, w.pieces)
	}()
	if err != nil {
		return by(r.reducer, err)
	}
	if err := b.Flush(); err != nil {
		return err
	}
	w.pieces, w.named = nil, 0
	if err := w.write(outSealed, appendSealedFooter(nil, ranges, w.sizes[outSealed]-ranges)); err != nil {
		return err
	}
	e.Parts[outputNames[outSealed]] = Part{Records: e.Counts.Kept, XXH64: fmt.Sprintf("%016x", w.sealed.Sum64())}
	return nil
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// commit makes the split's parts appear, then journals it.
func (w *partWriters) commit(e *Entry) error {
	r := w.lane.run
	for o, part := range w.split {
		if part == nil {
			continue
		}
		p := e.Parts[outputNames[o]]
		if r.outputs[o].format.Parquet {
			if err := w.rows.Close(); err != nil {
				return err
			}
			p.XXH64 = fmt.Sprintf("%016x", w.digest.Sum64())
			w.rows = nil
		}
		if err := part.Commit(); err != nil {
			return err
		}
		w.split[o] = nil
		p.Name, p.Size = w.names[o], w.sizes[o]
		e.Parts[outputNames[o]] = p
	}
	if r.journal != nil {
		if err := r.journal.append(e); err != nil {
			return err
		}
	}
	r.finished(*e)
	w.lane.splitEnds(e)
	return nil
}

func (w *partWriters) abort() {
	for _, part := range w.split {
		if part != nil {
			_ = part.Abort() // the run ends with a better error than this one's
		}
	}
}
