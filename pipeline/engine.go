package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/parquet"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/internal/human"
	"curate/stage"
)

// output is where one of a run's outputs goes: parts below a directory, or one stream.
type output struct {
	prefix string // of the parts' names
	ext    string // of the parts' names
	format corpus.Format
	dir    string // of the parts, in the store; "" for a stream
	rel    string // the same below the run's directory, for the journal
	ids    bool   // each frame comes behind one with the IDs of its records
	stream io.Writer
	rows   *parquet.Records // what the stream is, as Parquet
	frames int              // written to the stream
}

// frameSize is the raw size from which a frame of the output ends.
func (o *output) frameSize() int {
	if o.ids {
		return copyFrame
	}
	return frameSize
}

// run is one phase: a pass over the inputs, or over what an earlier phase has copied of them.
type run struct {
	job     *Job
	store   store.Store // of what is written
	phase   int         // from 1
	maps    []stage.Mapper
	reducer stage.Reducer // ends the phase; its Map side is the last of maps
	turns   *turns        // of a Serial among the maps
	writes  bool          // the outputs of the job, not what the next phase reads
	noCopy  bool          // the next phase reads what this one reads, and wants to know what this one settled
	in      *handover     // of the phase before; nil in the first
	budget  Budget
	max     int // bytes of a record
	outputs [outputs]*output
	ordered bool   // the outputs are streams: results leave in the order of the manifest
	pieces  string // folder of what is sealed of a split before it ends; "" is that of the sealed files
	journal entryLog
	done    map[int][]Entry // finished splits of an earlier attempt, by file
	replay  map[int]*replay // streams of which the field check has read the beginning
	units   []unit          // where a lane takes no more than a split: that of each, the files of the manifest are theirs
	starts  []split.Position

	mapQueue    chan *job
	encodeQueue chan *frame
	allDone     chan struct{}
	buffers     *buffers
	jobs        sync.Pool
	chunks      *window
	frames      *window

	// Two ways to end early: stop reads no further and finishes what is in hand; hard gives everything up.
	stop, hard context.Context
	stopNow    context.CancelCauseFunc
	fail       context.CancelCauseFunc

	mu       sync.Mutex
	ended    []bool
	entries  []Entry // finished splits, where there is a journal; their counts are in total
	total    Counts
	readErrs []error
	voice    *voice
	first    atomic.Int64 // of the lanes that have not ended
	lastLane atomic.Int64 // after this one nothing more is written to streams: its file was not read to the end
	turn     chan struct{}
}

// replay is the beginning of a stream, already read.
type replay struct {
	src    *corpus.Source
	chunks []split.Chunk
	err    error                       // behind the chunks
	grow   func(context.Context) error // of the lane that goes on with it
}

var errStrict = errors.New("stopped at the first record that had to be quarantined (--strict)")

// start runs the pass. It returns the entries of all finished splits in the order of the manifest, those of
// earlier attempts included, and the error that ended it early, if any.
func (r *run) start(ctx context.Context) ([]Entry, error) {
	r.hard, r.fail = context.WithCancelCause(context.WithoutCancel(ctx))
	defer r.fail(nil)
	r.stop, r.stopNow = context.WithCancelCause(r.hard)
	defer context.AfterFunc(ctx, func() { r.stopNow(context.Cause(ctx)) })()

	b := r.budget
	r.mapQueue = make(chan *job, 2*b.Workers)
	r.encodeQueue = make(chan *frame, 2*b.Workers)
	r.allDone = make(chan struct{})
	r.turn = make(chan struct{})
	r.buffers = newBuffers(b.Buffers)
	r.jobs.New = func() any { return &job{done: make(chan struct{}, 1)} }
	mayUse := func(lane int) bool { return !r.ordered || int64(lane) == r.first.Load() }
	r.chunks = newWindow(b.ChunkShare, b.ChunkCommon, mayUse)
	r.frames = newWindow(b.FrameShare, b.FrameCommon, mayUse)

	files := r.job.Manifest.Files
	r.ended = make([]bool, len(files))
	r.lastLane.Store(math.MaxInt64)
	r.total = r.newCounts()
	done := 0
	for _, entries := range r.done {
		for _, e := range entries {
			r.keep(e)
			done++
		}
	}
	r.phaseBegins(done)

	var workers, lanes sync.WaitGroup
	r.startWorkers(&workers)
	// While a lane's last part is written and synced, another one takes its place: the wait for the disk would else
	// be seen in a run over many small files.
	reading, open := make(chan struct{}, b.Lanes), make(chan struct{}, b.Tails*b.Lanes)
	for i, f := range files {
		open <- struct{}{}
		reading <- struct{}{}
		l := &lane{run: r, seq: i, file: f, split: -1, collected: func() { <-reading }}
		if r.units != nil {
			l.split, l.from = r.units[i].split, r.starts[i]
		}
		for _, e := range r.done[f.Number] {
			l.from = split.Position{Offset: e.End, Lines: l.from.Lines + e.Lines}
			l.whole = e.EOF
		}
		lanes.Go(func() {
			l.work()
			r.laneEnded(i)
			<-open
		})
	}
	lanes.Wait()
	close(r.allDone)
	workers.Wait()

	slices.SortFunc(r.entries, compareEntries)
	switch {
	case r.hard.Err() != nil:
		return r.entries, context.Cause(r.hard)
	case r.stop.Err() != nil:
		return r.entries, context.Cause(r.stop)
	}
	if len(r.readErrs) == 0 {
		r.phaseEnds()
	}
	return r.entries, errors.Join(r.readErrs...)
}

// laneEnded lets the next lane of an ordered run write.
func (r *run) laneEnded(i int) {
	r.mu.Lock()
	r.ended[i] = true
	first := int(r.first.Load())
	for first < len(r.ended) && r.ended[first] {
		first++
	}
	r.first.Store(int64(first))
	close(r.turn)
	r.turn = make(chan struct{})
	r.mu.Unlock()
	r.chunks.changed()
	r.frames.changed()
}

// waitTurn blocks until the lane's results may be written to the streams.
func (r *run) waitTurn(lane int) error {
	for {
		r.mu.Lock()
		turn := r.turn
		r.mu.Unlock()
		if !r.ordered || r.first.Load() == int64(lane) {
			return nil
		}
		select {
		case <-turn:
		case <-r.hard.Done():
			return context.Cause(r.hard)
		}
	}
}

// finished takes note of a split that is committed, or written to the streams.
func (r *run) finished(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(e)
}

// keep adds up the counts and holds of an entry only what is asked for later: there may be millions.
func (r *run) keep(e Entry) {
	r.total.add(&e.Counts)
	if !r.ordered {
		e.Counts = Counts{}
		r.entries = append(r.entries, e)
	}
}

// voice says which records were quarantined, where no output takes them: the first ones of all phases.
type voice struct {
	mu     sync.Mutex
	log    *slog.Logger
	told   int
	untold int64
}

// tell takes the messages of some of n records.
func (v *voice) tell(messages []string, n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range messages {
		if v.told == maxMessages {
			break
		}
		v.told++
		n--
		v.log.Warn(m+".", Event("quarantine.record"))
	}
	v.untold += n
}

// tellRest says how many were not told.
func (v *voice) tellRest() {
	if v.untold > 0 {
		v.log.Warn(fmt.Sprintf("%s more records were quarantined; give --quarantine PATH to keep them all", human.Thousands(v.untold)), Event("quarantine.record"))
	}
}

func (r *run) newCounts() Counts {
	c := Counts{Dropped: map[string]int64{}, Stages: []StageCounts{{Name: "read", Dropped: map[string]int64{}}}}
	for _, m := range r.maps {
		s := m.Spec()
		c.Stages = append(c.Stages, StageCounts{Name: s.Name, Version: s.Version, Dropped: map[string]int64{}})
	}
	return c
}

// endsAt notes that a stop has cut the lane's file short.
func (r *run) endsAt(lane int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastLane.Store(min(r.lastLane.Load(), int64(lane)))
}

// create opens the part of a split in an output.
func (o *output) create(ctx context.Context, st store.Store, file, split int) (store.Writer, string, error) {
	name := fmt.Sprintf("%s-%05d-%05d%s", o.prefix, file, split, o.ext)
	w, err := st.Create(ctx, o.dir+"/"+name)
	if o.rel != "" {
		name = o.rel + "/" + name
	}
	return w, name, err
}

// closeStream gives a compressed stream that got nothing its one empty frame, so that it is a valid file, and Parquet
// its end.
func (o *output) closeStream() error {
	if o.rows != nil {
		return o.rows.Close()
	}
	if o.stream == nil || o.frames > 0 || o.format.Compression == compress.None {
		return nil
	}
	e, err := compress.NewEncoder(o.format.Compression)
	if err != nil {
		return err
	}
	_, err = o.stream.Write(e.AppendFrame(nil, nil))
	return err
}
