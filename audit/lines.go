package audit

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// line is a distinct line of a document.
type line struct {
	hash       uint64 // xxh64
	start, end int32  // where it first is
	count      int32  // how often it is there
}

// eachLine calls take for each line of doc that is not blank, without the white space around it.
func eachLine(doc []byte, take func(start, end int)) {
	for at := 0; at < len(doc); {
		end := bytes.IndexByte(doc[at:], '\n')
		if end < 0 {
			end = len(doc)
		} else {
			end += at
		}
		left := bytes.TrimLeftFunc(doc[at:end], isSpace)
		if whole := bytes.TrimRightFunc(left, isSpace); len(whole) > 0 {
			start := end - len(left)
			take(start, start+len(whole))
		}
		at = end + 1
	}
}

func isSpace(r rune) bool { return kindOf(r)&isWhite != 0 }

// hashOf is the hash of a line. Two lines with the same are taken for the same.
func hashOf(line []byte) uint64 { return xxhash.Sum64(line) }

// distinct sorts lines by hash and counts those that are the same.
func distinct(lines []line) []line {
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.start, b.start))
	})
	kept := lines[:0]
	for _, l := range lines {
		if n := len(kept); n > 0 && kept[n-1].hash == l.hash {
			kept[n-1].count += l.count
			continue
		}
		kept = append(kept, l)
	}
	return kept
}

// scrambled spreads numbers that follow each other over all of 64 bits (the finalizer of MurmurHash3, fmix64, public
// domain): what is chosen by it is a sample.
func scrambled(n uint64) uint64 {
	n ^= n >> 33
	n *= 0xff51afd7ed558ccd
	n ^= n >> 33
	n *= 0xc4ceb9fe1a85ec53
	n ^= n >> 33
	return n
}
