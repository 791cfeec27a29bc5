package train

import (
	"context"
	"fmt"
	"io"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"curate/stage"
)

// DefaultMaxWords is how many distinct pretokens are trained on at most by default. Ten million take about 3 GB, and
// come of some ten gigabytes of text; what is rarer than they are occurs once or twice.
const DefaultMaxWords = 10_000_000

// MemoryError is a corpus whose distinct pretokens need more memory than there is.
type MemoryError struct {
	Need, Have int64 // bytes of heap
	Fit        int   // how many of the most frequent pretokens fit; 0 for none, or if nobody knows
}

func (e *MemoryError) Error() string {
	s := fmt.Sprintf("training needs more than %d MiB for the distinct pretokens of this corpus, and --memory leaves %d MiB; raise --memory",
		e.Need>>20, e.Have>>20)
	if e.Fit > 0 {
		return s + fmt.Sprintf(", or train on the %d most frequent ones with --max-words %d", e.Fit, e.Fit)
	}
	return s + ", or train on a sample of the corpus"
}

// Left is what Settings.MaxWords has left out.
type Left struct {
	Words       int    // distinct
	Occurrences uint64 // of them, weighted
}

// choice is which words are trained on: those that occur most often. Of those that occur least among them, an order
// decides that favours no script, since the order of bytes would leave out all but Latin letters: first the lower
// rank, then the lower bytes.
type choice struct {
	least   uint64 // what occurs more often is in
	rank    uint32 // of what occurs as often: what has a lower rank is in
	ties    int    // and so many of those that have this rank, bytewise first
	words   int    // in all
	bytes   int64  // of them
	left    Left
	allowed int // how many words fit into the memory, if not all
}

const ranks = 1 << 16

// rankOf is the upper half of 32 bits of a word's XXH64, which are as good as random.
func rankOf(word []byte) uint32 { return uint32(xxhash.Sum64(word) >> 48) }

// amount is so many words of so many bytes.
type amount struct {
	words int64
	bytes int64
}

func (a *amount) add(n int) { a.words++; a.bytes += int64(n) }

// counts fall into buckets, which are exact up to exactCounts, and an eighth of a percent of an octave above.
const (
	countBits   = 9
	exactCounts = 1 << countBits
	buckets     = exactCounts + (64-countBits)*exactCounts/2
)

// bucketOf and bucketFloor: a number's upper countBits bits, and how many are below them.
func bucketOf(count uint64) int {
	below := max(0, bits.Len64(count)-countBits)
	return below*exactCounts/2 + int(count>>below)
}

func bucketFloor(bucket int) uint64 {
	if bucket < exactCounts {
		return uint64(bucket)
	}
	below := (bucket - exactCounts/2) / (exactCounts / 2)
	return uint64(bucket-below*exactCounts/2) << below
}

// passes reads what was sealed again and again.
type passes struct {
	ctx    context.Context
	sealed []stage.Sealed
	buffer int
}

func newPasses(ctx context.Context, sealed []stage.Sealed, memory int64) *passes {
	return &passes{ctx, sealed, int(min(memory/4/int64(len(sealed)+1), mergeBuffer))}
}

// each calls f for each word of all files, in the order of bytes, with the sum of its counts.
func (p *passes) each(f func(word []byte, count uint64) error) error {
	in := make([]io.Reader, len(p.sealed))
	for i, s := range p.sealed {
		in[i] = io.NewSectionReader(s.Data, 0, s.Size)
	}
	n := 0
	return mergeSealed(in, p.buffer, func(word []byte, count uint64) error {
		if n++; n%4096 == 0 {
			if err := p.ctx.Err(); err != nil {
				return err
			}
		}
		return f(word, count)
	})
}

// choose finds the most words that are allowed. It reads everything once where they are no more, and holds no words.
func (p *passes) choose(most int, memory int64) (*choice, error) {
	if err := p.ctx.Err(); err != nil {
		return nil, err
	}
	hist := make([]amount, buckets)
	occurrences := uint64(0)
	c := &choice{}
	err := p.each(func(word []byte, count uint64) error {
		hist[bucketOf(count)].add(len(word))
		c.words++
		c.bytes += int64(len(word))
		sum, carry := bits.Add64(occurrences, count, 0)
		if occurrences = sum; carry > 0 {
			return errOverflow
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.allowed = fitting(hist, memory)
	if c.words <= most {
		return c, nil
	}
	all := c.words
	*c = choice{allowed: c.allowed}
	// The count of the least frequent word that is in, closer and closer.
	floor, width := uint64(0), uint64(0)
	for b := buckets - 1; width == 0; b-- {
		if c.words+int(hist[b].words) > most || b == 0 {
			floor, width = bucketFloor(b), bucketFloor(b+1)-bucketFloor(b)
			break
		}
		c.words += int(hist[b].words)
		c.bytes += hist[b].bytes
	}
	for width > 1 {
		step := (width + 4095) / 4096
		part := make([]amount, 4096)
		err := p.each(func(word []byte, count uint64) error {
			if count-floor < width { // unsigned: and not below it
				part[(count-floor)/step].add(len(word))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		i := len(part) - 1
		for c.words+int(part[i].words) <= most {
			c.words += int(part[i].words)
			c.bytes += part[i].bytes
			i--
		}
		floor, width = floor+uint64(i)*step, min(step, width-uint64(i)*step)
	}
	c.least = floor
	// Of the words that occur just as often, some are in.
	byRank := make([]amount, ranks)
	err = p.each(func(word []byte, count uint64) error {
		if count == floor {
			byRank[rankOf(word)].add(len(word))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for c.words+int(byRank[c.rank].words) <= most {
		c.words += int(byRank[c.rank].words)
		c.bytes += byRank[c.rank].bytes
		c.rank++
	}
	c.ties = most - c.words
	c.words = most
	c.bytes += byRank[c.rank].bytes // of which some are left out
	c.left = Left{Words: all - most, Occurrences: occurrences}
	return c, nil
}

// fitting is how many of the most frequent words can be trained on within so much memory: about, and rather too few,
// with two digits.
func fitting(hist []amount, memory int64) int {
	var sum amount
	for b := len(hist) - 1; b >= 0; b-- {
		h := hist[b]
		next := amount{sum.words + h.words, sum.bytes + h.bytes}
		if trainBytes(next.words, next.bytes) <= memory {
			sum = next
			continue
		}
		lo, hi := int64(0), h.words // a part of the bucket
		for lo < hi {
			mid := (lo + hi + 1) / 2
			if trainBytes(sum.words+mid, sum.bytes+h.bytes*mid/h.words) <= memory {
				lo = mid
			} else {
				hi = mid - 1
			}
		}
		sum.words += lo
		break
	}
	unit := int64(1)
	for sum.words/unit >= 100 {
		unit *= 10
	}
	return int(sum.words / unit * unit)
}

// trainBytes is what training takes at its height, in bytes, on the safe side: more than at its beginning, by the pairs
// that it follows.
func trainBytes(words, text int64) int64 {
	return layBytes(int(words), int(text))*3/2 + 4<<20
}

// words reads the chosen words.
func (p *passes) words(c *choice, memory int64) (*Words, error) {
	if need := layBytes(c.words, int(c.bytes)); need > memory {
		return nil, &MemoryError{need, memory, c.allowed}
	}
	w := &Words{text: make([]byte, 0, c.bytes), ends: make([]uint32, 0, c.words), counts: make([]uint64, 0, c.words)}
	ties := c.ties
	kept := uint64(0)
	err := p.each(func(word []byte, count uint64) error {
		if count <= c.least {
			if count < c.least {
				return nil
			}
			switch rank := rankOf(word); {
			case rank > c.rank || rank == c.rank && ties == 0:
				return nil
			case rank == c.rank:
				ties--
			}
		}
		kept += count
		return w.Add(word, count)
	})
	if err != nil {
		return nil, err
	}
	if c.left.Words > 0 {
		c.left.Occurrences -= kept
	}
	return w, nil
}

// in gives the occurrences in whole ones, rounded up: units of weights mean nothing to users.
func (l Left) in(unit uint64) Left {
	l.Occurrences = (l.Occurrences + unit - 1) / unit
	return l
}
