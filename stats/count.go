package stats

import (
	"bytes"
	"errors"
	"math"

	"curate/text"
)

// Counts are the numbers of a group.
type Counts struct {
	Documents  int64
	Bytes      int64 // of the decoded text as UTF-8
	Characters int64 // code points
	Words      int64 // as text.WordsWC
	Lines      int64 // line feeds, and one for a last line without
}

// names are the keys of the result and the heads of the table's columns, in the order of Counts.list.
var names = [...]string{"documents", "bytes", "characters", "words", "lines"}

func (c *Counts) list() [len(names)]int64 {
	return [...]int64{c.Documents, c.Bytes, c.Characters, c.Words, c.Lines}
}

func fromList(n [len(names)]int64) Counts { return Counts{n[0], n[1], n[2], n[3], n[4]} }

// Of counts one document. doc is valid UTF-8.
func Of(doc []byte) Counts {
	lines := bytes.Count(doc, lineFeed)
	if n := len(doc); n > 0 && doc[n-1] != '\n' {
		lines++
	}
	return Counts{1, int64(len(doc)), int64(text.CodePoints(doc)), int64(text.WordsWC(doc)), int64(lines)}
}

var lineFeed = []byte{'\n'}

var errOverflow = errors.New("counts add up to more than 2^63-1")

// add fails when a number would be above the largest int64, as only numbers of a damaged file can be.
func (c *Counts) add(d Counts) error {
	a, b := c.list(), d.list()
	for i := range a {
		if a[i] > math.MaxInt64-b[i] {
			return errOverflow
		}
		a[i] += b[i]
	}
	*c = fromList(a)
	return nil
}
