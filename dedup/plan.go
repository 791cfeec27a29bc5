package dedup

// Sample is what a look at a part of an input says of the whole of it.
type Sample struct {
	Documents int64   // about how many
	Bytes     int64   // of JSON Lines, uncompressed, about
	Shingles  float64 // different ones of a document, in the mean
}

// Plan is what near-duplicate removal takes. All are estimates.
type Plan struct {
	Keys      int64   // bytes on disk that the first pass seals: the buckets of all documents
	Candidate int64   // bytes on disk that the second seals of each document that shares a bucket with another
	Held      int64   // bytes of memory that it holds of each of these
	Most      int64   // how many of these fit
	Seconds   float64 // of one core
}

const (
	// On one core of the machine of docs/performance.md pages take secondsPerByte, and what is to be said of short
	// documents is that each takes secondsPerDocument besides (benchmarks minhash and scale).
	secondsPerByte     = 1.0 / 25e6
	secondsPerDocument = 10e-6
)

// Plan says what the method takes for such an input, where Finish may hold memory bytes and compares in so many
// goroutines.
func (m *MinHash) Plan(s Sample, memory int64, workers int) Plan {
	held := m.documentBytes()
	memory, _ = m.finishMemory(memory, workers, usualSealed)
	return Plan{
		Keys:      s.Documents * int64(m.scheme.Bands) * candidateWidth,
		Candidate: entryHeader + int64(8*float64(m.scheme.Bands)+8*s.Shingles),
		Held:      held,
		Most:      max(0, memory/held-columnChunk),
		Seconds:   float64(s.Bytes)*secondsPerByte + float64(s.Documents)*secondsPerDocument,
	}
}

// usualSealed is as many sealed files as the engine leaves (maxFanIn of pipeline).
const usualSealed = 128

// CountShingles is how many different shingles the text has.
func (m *MinHash) CountShingles(text []byte, sc *Scratch) int {
	return len(Set(m.scheme.Shingles(nil, text, sc)))
}
