package dedup

import (
	"fmt"
	"math"

	"curate/stage/runs"
)

// Overlap is what a plan assumes of how documents repeat one another, which a look at a part of a corpus cannot say: groups of
// documents that are edits of one text, each independently of the others.
type Overlap struct {
	Share      float64 // of all documents that stand in such a group, 0 to 1
	Group      int     // documents of a group, at least 2
	Similarity float64 // of two of a group, above 0 and at most 1
}

// UsualOverlap: 40 % of the documents, as in the corpus of nine languages of docs/dedup-array.md, in groups of three.
var UsualOverlap = Overlap{Share: 0.4, Group: 3, Similarity: 0.9}

// Check says what makes no sense.
func (o Overlap) Check() error {
	switch {
	case !(o.Share >= 0 && o.Share <= 1):
		return fmt.Errorf("dedup: a share of %v of the documents; it is 0 to 1", o.Share)
	case o.Group < 2:
		return fmt.Errorf("dedup: groups of %d; a group has at least 2 documents", o.Group)
	case !(o.Similarity > 0 && o.Similarity <= 1):
		return fmt.Errorf("dedup: similarity %v; it lies above 0 and is at most 1", o.Similarity)
	}
	return nil
}

// overlapped is what the documents of a group share in so many bands of so many rows.
type overlapped struct {
	candidates float64 // documents with another one in a bucket
	members    float64 // of all such buckets
	stars      float64 // members but for the first of each bucket
	pairs      float64 // distinct ones of those with the first
}

// shares: two documents have a band in common with probability s^rows (Broder 1997, "On the resemblance and containment of
// documents": a value of MinHash is common to two sets with the probability of their similarity), so each has the group's own
// value in it with q = sqrt(s^rows), independently. A bucket's members are binomial with k and q then; expectations are summed
// over one band and multiplied.
func (o Overlap) shares(bands, rows int) overlapped {
	k, b := float64(o.Group), float64(bands)
	q := math.Sqrt(math.Pow(o.Similarity, float64(rows)))
	none := math.Pow(1-q, k-1) // of the others has it
	s := overlapped{
		candidates: k * (1 - math.Pow(1-q*(1-none), b)),
		members:    b * k * q * (1 - none),
		stars:      b * (k*q - 1 + (1-q)*none),
	}
	for doc := 1; doc < o.Group; doc++ {
		for hub := range doc { // has it, as doc has, and no one before does
			s.pairs += 1 - math.Pow(1-q*q*math.Pow(1-q, float64(hub)), b)
		}
	}
	return s
}

// RanksStep is a step of Ranks in a plan.
type RanksStep struct {
	Name    string  // the verb of curate dedup
	Writes  int64   // bytes in the run's folder, of all parts together, that the ranks make for one another
	Held    int64   // bytes of memory of each process in proportion to the candidates
	Memory  int64   // what Workspace.Memory must be for that at least
	Peak    int64   // resident memory of each process with two workers; 0 where it is what --memory allows
	Seconds float64 // of one core, of all parts together
}

// RanksPlan is what Ranks take. All are estimates.
type RanksPlan struct {
	Candidates int64 // documents that share a bucket with another
	Compared   int64 // pairs
	Steps      []RanksStep
}

// What the steps take on one core, in seconds, as docs/scale.md has measured it (benchmark size-model, but for apply, which
// depends on how well a text compresses: there it is the copy of docs/performance.md, pages in zstd).
const (
	signByte      = 1 / 40e6  // of JSON Lines: decoded, parsed, signed
	pairsKey      = 275e-9    // of a band of a document: found, merged
	setsByte      = 1 / 200e6 // of JSON Lines: decoded, parsed
	setsSealed    = 1 / 95e6  // of a byte of sets: cut, hashed, sorted, written
	verifySealed  = 1 / 400e6 // of a byte of sets that is read to be compared
	comparerIndex = 100e-9    // of a candidate, in each process
	decideEach    = 5.5e-6    // of a candidate
	applyByte     = 1 / 100e6 // of JSON Lines: decoded, parsed, encoded
)

// What a process of a step by ranges has resident whatever its input, and decide more than others for what it finds, in
// bytes. Steps by files take what --memory lets them.
const (
	ranksBase  = 40 << 20
	decideMore = 28 << 20
)

// PlanRanks says what Ranks of so many ranges take for such an input, from the widths of what they write (docs/formats/ranks.md): in verify,
// rehub, components and decide every process holds something of all candidates.
func (m *MinHash) PlanRanks(s Sample, o Overlap, ranges int) (RanksPlan, error) {
	if err := o.Check(); err != nil {
		return RanksPlan{}, err
	}
	if ranges < 1 || ranges > MaxRanges {
		return RanksPlan{}, fmt.Errorf("dedup: %d ranges; there are 1 to %d", ranges, MaxRanges)
	}
	docs := float64(s.Documents)
	each := o.shares(m.scheme.Bands, m.scheme.Rows)
	groups := docs * o.Share / float64(o.Group)
	candidates, members, stars, pairs := groups*each.candidates, groups*each.members, groups*each.stars, groups*each.pairs
	similar := 0.0
	if o.Similarity >= float64(m.threshold)/million || m.cfg.Verify == VerifyNone {
		similar = pairs
	}
	values := s.Shingles
	if m.cfg.Verify == VerifySketch {
		values = float64(m.scheme.Values)
	}
	sealed := candidates*(entryHeader+values*float64(m.width)) + members*bucketWidth
	keys := docs * float64(m.scheme.Bands)
	held := (int64(candidates) + columnChunk) * m.documentBytes()
	links := (int64(candidates) + columnChunk) * 4
	compared := 2 * pairs * values * float64(m.width)
	all := []struct {
		name    string
		writes  float64
		held    int64
		seconds float64
	}{
		{"sign", keys * candidateWidth, 0, float64(s.Bytes) * signByte},
		{"pairs", members*pairWidth + stars*starWidth, 0, keys * pairsKey},
		{"sets", sealed + candidates*indexItem, 0, float64(s.Bytes)*setsByte + sealed*setsSealed},
		{"verify", pairs*verdictWidth + (pairs-similar)*memberWidth*float64(m.scheme.Bands), held, compared * verifySealed},
		{"rehub", 0, held, candidates * comparerIndex},
		{"components", similar * edgeWidth, links, candidates * comparerIndex},
		{"decide", 13 * candidates, held, candidates * decideEach}, // docs/formats/decisions.md: 9 to 13 bytes
		{"apply", 0, 0, float64(s.Bytes) * applyByte},
	}
	p := RanksPlan{Candidates: int64(candidates), Compared: int64(pairs)}
	for _, step := range all {
		r := RanksStep{Name: step.name, Writes: int64(step.writes), Held: step.held, Seconds: step.seconds}
		switch r.Name {
		case "pairs":
			// Two sorters, whose buffers grow by copies.
			sorted := min(float64(m.spillSize), members*pairWidth/float64(ranges)) + min(float64(m.spillSize), stars*starWidth/float64(ranges))
			r.Peak = ranksBase + int64(1.5*sorted)
		case "verify", "rehub", "components":
			r.Peak = ranksBase + r.Held
		case "decide":
			r.Peak = ranksBase + decideMore + r.Held
		}
		switch {
		case r.Name == "components":
			r.Memory = memoryFor(r.Held + int64(m.spillSize) + runs.FanIn*runBuffer + fewBuffers)
		case r.Held > 0: // with one goroutine that compares
			r.Memory = memoryFor(r.Held + int64(m.spillSize) + verifierBytes(m.largeSet) + MaxRanges*smallRunBuffer + fewBuffers + findingsBytes)
		}
		p.Steps = append(p.Steps, r)
	}
	return p, nil
}

// memoryFor is the Workspace.Memory of which three quarters are so much (finishMemory).
func memoryFor(n int64) int64 { return (n/3 + 1) * 4 }

// MaxCandidates are the most documents that may share a bucket with another in one run: they are numbered in 32 bits.
const MaxCandidates = math.MaxUint32
