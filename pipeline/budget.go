package pipeline

import (
	"cmp"
	"fmt"

	"curate/corpus/store"
)

// What --memory (RSS of the process) is made of. The parts were measured with the RSS test of cmd/curate and
// are upper ends, because a spot machine that runs out of memory dies without a word.
const (
	MiB = 1 << 20
	// baseMemory: pages of the binary, the runtime, stacks, small things.
	baseMemory = 30 * MiB
	// NotHeap is the part of it that Go's memory limit does not see.
	NotHeap = 36 * MiB
	// workerMemory: an encoder (its history is 4 MiB), a batch of 256 KiB, the stages' scratch.
	workerMemory = 9 * MiB
	// laneMemory: the frames that are open for kept and dropped records; a quarantine is small.
	laneMemory = 10 * MiB
	// signalsMemory: the same for the rows of signals.
	signalsMemory = 5 * MiB
	// minWindow: what a decoder may at least ask for. 8 MiB is the largest window of zstd -1 to -19.
	minWindow = 8 * MiB
	maxWindow = 128 * MiB // zstd --long
	// maxPages is the same for a format that holds pages of all columns. DuckDB's pages have up to 100 MB.
	maxPages    = 1024 * MiB
	enoughPages = 128 * MiB // rather fewer files at once than less
	// uploadMemory: the parts that a file on a server holds while it is written.
	uploadMemory = 2 * store.PartSize
	// heapShare of the rest is for data in flight; garbage that is not yet collected has the others.
	heapShare = 0.6

	frameSize = 4 * MiB // of uncompressed output: docs/formats/part.md
	// maxChunk of input: a channel hop a chunk costs nothing beside its work. In the beginning of a run all workers wait for
	// the first chunks, and in the end for the last ones, which slow stages have in hand for tens of milliseconds at 1 MiB.
	maxChunk = 1 * MiB
	// maxReduceChunk is the same where each chunk has a Partial, which is joined with its split's.
	maxReduceChunk = 4 * MiB
	minChunk       = 64 << 10 // below it the hops begin to count
	maxLanes       = 16
	tails          = 2 // Budget.Tails, where nothing speaks against it
	maxRecordCap   = 256 * MiB

	// inFlightMemory: what somebody who waits takes beside his batch, such as a stack and the buffers of a connection.
	inFlightMemory = 64 << 10
	// batchCost: what a batch in flight takes however short it is: its job and the least buffers.
	batchCost = 16 << 10
	// lineCost: what a byte of a batch in flight takes: the line, its records, what is asked and what is answered, and
	// the rendered line with the answer.
	lineCost = 6

	// shortRecord is the mean length of a chunk's records, in bytes, down to which --memory holds where a Partial keeps
	// much of each: {"text":"a word"} in JSON.
	shortRecord = 16
)

// MinMemory is the least --memory for j workers.
func MinMemory(j int) int64 { return int64(64+32*j) * MiB }

// Budget says how a run divides its memory.
type Budget struct {
	Workers   int
	InFlight  int   // batches of an io-bound map at a time, if the phase has one
	Lanes     int   // files read at once
	Tails     int   // lanes for each of them: those behind it only write
	ChunkSize int   // bytes of input a chunk
	Window    int64 // what a decoder holds, or pages of Parquet
	// Shares of the two windows in bytes, see window: chunks (input and rendered output) and frames.
	ChunkShare, ChunkCommon int64
	FrameShare, FrameCommon int64
	// Partial is from how many bytes on a split's Partial is sealed before the split ends; 0 without a Reducer.
	Partial int64
	// Held is what a chunk's own Partial holds of each of its records.
	Held int
	// Buffers is the total for slices in use and waiting to be used again.
	Buffers int
}

// chunkCost is what n bytes of input take while they are worked on: the input, and the output about as long,
// with what append leaves over.
func chunkCost(n int) int64 { return int64(n) * 5 / 2 }

// chunkCost is the same in this phase, where chunks may be batches in flight, or have a Partial that is larger than they
// are.
func (b *Budget) chunkCost(n int) int64 {
	if b.InFlight > 0 {
		return int64(n)*lineCost + batchCost
	}
	return chunkCost(n) + int64(n)*int64(b.Held)/shortRecord
}

// frameCost is what a frame takes: raw bytes, and compressed ones while both are there.
func frameCost(n int) int64 { return int64(n) * 3 / 2 }

// Use is what a phase does with records beside mapping them.
type Use struct {
	Reduce bool  // Partials of them are held
	Held   int   // by a Partial, of each, in bytes
	NoCopy bool  // nearly none is written
	ByRows bool  // some are read from Parquet
	Chunk  int64 // bytes that a chunk must have room for
	// InFlight is how many batches an io-bound map wants in hand; 0 for a phase that computes.
	InFlight int
	Signals  bool // a row for every record is written, too
	// LaneTables and Tables are how many Parquet files each lane, and the run beside them, writes at a time.
	LaneTables, Tables int
	// LaneUploads and Uploads are how many files on a server they are.
	LaneUploads, Uploads int
}

// least is what --memory has to be at least beside MinMemory: what one lane writes, and the run beside it. why says what it is for.
func (u Use) least() (n int64, why string) {
	if k := u.LaneTables + u.Tables; k > 0 {
		n, why = int64(k)*tableMemory, fmt.Sprintf("Parquet as output: %s for each that is written at a time", FormatBytes(tableMemory))
	}
	if k := u.LaneUploads + u.Uploads; k > 0 {
		if n += int64(k) * uploadMemory; why != "" {
			why += ", and "
		}
		why += fmt.Sprintf("outputs on a server: %s for each that is written at a time", FormatBytes(uploadMemory))
	}
	return n, why
}

// NewBudget divides memory bytes among j workers and at most `files` lanes.
func NewBudget(memory int64, j, files, maxRecord int, use Use) (Budget, error) {
	if more, why := use.least(); memory < MinMemory(j)+more && memory >= MinMemory(j) {
		return Budget{}, fmt.Errorf("--memory %s is too little for -j %d and %s: at least %s", FormatBytes(memory), j, why, FormatBytes(MinMemory(j)+more))
	}
	if memory < MinMemory(j) {
		return Budget{}, fmt.Errorf("--memory %s is too little for -j %d: at least %s (64 MiB + 32 MiB a worker)", FormatBytes(memory), j, FormatBytes(MinMemory(j)))
	}
	b := Budget{Workers: j, Window: minWindow, Tails: tails, Held: use.Held}
	lane := int64(laneMemory + 2*MiB)
	if use.Signals {
		lane += signalsMemory
	}
	if use.LaneTables > 0 {
		b.Tails = 1 // what a file takes is more than the wait for the disk costs
		lane += int64(use.LaneTables) * tableMemory
	}
	if uploads := int64(use.LaneUploads) * uploadMemory; uploads > 0 {
		// A lane that only waits for the server's last answer holds its parts, too: worth it where there is much memory.
		if rest := memory - baseMemory - int64(j)*workerMemory; rest < int64(b.Tails)*8*(uploads+lane+b.Window) {
			b.Tails = 1
		}
		lane += int64(b.Tails) * uploads
	}
	b.Lanes = max(1, min(j+1, files, maxLanes))
	if use.InFlight > 0 {
		lane += max(minChunk, use.Chunk) // a chunk that is cut into batches
		b.Lanes = max(1, min(max(j+1, use.InFlight), files, maxLanes))
		rest := memory - baseMemory - int64(j)*workerMemory - lane - b.Window
		b.InFlight = int(min(int64(use.InFlight), max(1, rest/4/inFlightMemory)))
	}
	free := func() int64 {
		return memory - baseMemory - int64(j)*workerMemory - int64(b.InFlight)*inFlightMemory - int64(use.Tables)*tableMemory - int64(use.Uploads)*uploadMemory - int64(b.Lanes)*(lane+b.Window)
	}
	for b.Lanes > 1 && free() < memory/3 {
		b.Lanes--
	}
	wider := func() bool { return b.Window < maxWindow && free() > memory/2 }
	if use.ByRows {
		wider = func() bool { return b.Window < maxPages && free()-int64(b.Lanes)*b.Window > memory/6 }
	}
	widen := func() {
		for b.Window = minWindow; wider(); {
			b.Window *= 2
		}
	}
	for widen(); use.ByRows && b.Lanes > 1 && b.Window < enoughPages; widen() {
		b.Lanes--
	}
	for b.divide(free(), j, maxRecord, use); b.Lanes > 1 && b.ChunkShare < b.chunkCost(b.ChunkSize); b.divide(free(), j, maxRecord, use) {
		b.Lanes-- // a lane's share must hold a chunk, or two lanes with giant records wait for each other
	}
	return b, nil
}

// divide gives out what is free.
func (b *Budget) divide(free int64, j, maxRecord int, use Use) {
	data := int64(float64(free) * heapShare)
	chunks := data * 11 / 20
	frames := data - chunks
	switch {
	case use.Reduce && use.NoCopy:
		chunks, frames = data*8/20, data*3/20
	case use.Reduce:
		chunks, frames = data*9/20, data*6/20
	case b.InFlight > 0:
		frames = data * 5 / 20
	}
	if use.Reduce {
		// Each lane holds one that grows, which does not need the half of its Size yet, and one that is being
		// sealed; so may the one that has left its place to it. What a chunk's own Partial takes is in the chunk's
		// cost.
		b.Partial = (data - chunks - frames) * 2 / 5 / int64(b.Lanes)
	}
	frames = min(frames, int64(2*(j+b.Lanes))*frameCost(frameSize+maxRecord))
	if b.InFlight > 0 {
		// A chunk is cut into batches as it comes. All there is may be taken by batches that are done and wait for a
		// slow one before them.
		b.ChunkSize = int(max(minChunk, use.Chunk))
		chunks = data - frames
	} else {
		// Enough chunks that every worker has one, one waits for it and each lane reads one.
		per := 2*j + b.Lanes
		most := max(maxChunk, use.Chunk)
		if use.Reduce {
			most = maxReduceChunk
		}
		b.ChunkSize = int(min(most, max(minChunk, use.Chunk, chunks/(int64(per)*b.chunkCost(2)))))
		// More than twice what keeps everybody busy only makes the wait longer.
		chunks = min(chunks, 2*int64(per)*b.chunkCost(b.ChunkSize)+b.chunkCost(maxRecord))
	}
	b.ChunkShare = chunks / 2 / int64(b.Lanes)
	b.ChunkCommon = chunks - b.ChunkShare*int64(b.Lanes)
	b.FrameShare = frames / 2 / int64(b.Tails*b.Lanes)
	b.FrameCommon = frames - b.FrameShare*int64(b.Tails*b.Lanes)
	b.Buffers = int(chunks + frames + int64(b.Lanes)*laneMemory)
}

// DefaultRecordCost is what a byte of a long line takes: the line, its batch, an edit, and the rendered line.
const DefaultRecordCost = 8

func (j *Job) recordCost() int64 {
	return CostOf(j.RecordCost, j.Out, j.Dropped, j.Quarantine, j.Signals)
}

// DefaultMaxRecord is min(256 MiB, memory/cost), where a cost of 0 is DefaultRecordCost.
func DefaultMaxRecord(memory, cost int64) int {
	return int(min(maxRecordCap, memory/cmp.Or(cost, DefaultRecordCost)))
}

// FormatBytes writes a size for people: "96 MiB".
func FormatBytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d %s", int64(v), units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
