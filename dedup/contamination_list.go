package dedup

import (
	"bufio"
	"io"
	"strconv"

	"curate/stage"
)

// What was found of each item, so that a benchmark can be scored on its clean and on its dirty items apart, as Brown et al. 2020
// (appendix C) do, who call an item dirty that has an n-gram of the training data. Others call it so from a share on: 70 % of
// its 8-grams (Chowdhery et al. 2022, section 8), or 80 % of its tokens, and clean below 20 % (Touvron et al. 2023, Llama 2,
// appendix A.6).

// Names of the stage's tallies behind which a benchmark, a colon, what is counted, a colon, and an item's id stand: documents in
// which this method found it, and documents of which so many tenths, rounded down, are the share of it that was found there.
const (
	tallyMethod = "item_match:"
	tallyTenths = "item_share:"
)

func itemTally(kind, benchmark, what, id string) string {
	return kind + benchmark + ":" + what + ":" + id
}

// WriteItems writes a row for each item of all benchmarks, in their order, as JSON Lines (docs/formats/contamination.md).
func (d *Decontaminator) WriteItems(w io.Writer, c stage.Counted) error {
	s := d.cfg.Benchmarks
	out := bufio.NewWriterSize(w, runBuffer)
	var row []byte
	for i := range s.items {
		item := &s.items[i]
		name := s.list[item.benchmark].name
		found := c.Tallies[item.tally]
		row = appendString(append(row[:0], `{"benchmark":`...), name)
		row = appendString(append(row, `,"item":`...), item.id)
		verdict := "clean"
		if found > 0 {
			verdict = "dirty"
		}
		row = append(append(append(row, `,"verdict":"`...), verdict...), `","documents":`...)
		row = strconv.AppendInt(row, found, 10)
		if found > 0 {
			row = append(row, `,"match":{`...)
			for _, method := range []string{MatchExact, MatchNgram, MatchNear} {
				n := c.Tallies[itemTally(tallyMethod, name, method, item.id)]
				if n == 0 {
					continue
				}
				if row[len(row)-1] != '{' {
					row = append(row, ',')
				}
				row = append(append(append(row, '"'), method...), `":`...)
				row = strconv.AppendInt(row, n, 10)
			}
			row = append(row, `},"share":`...)
			most := uint32(0)
			for tenths := range uint32(11) {
				if c.Tallies[itemTally(tallyTenths, name, strconv.Itoa(int(tenths)), item.id)] > 0 {
					most = tenths
				}
			}
			row = appendSimilarity(row, most*(million/10))
		}
		if item.short {
			row = append(row, `,"short":true`...)
		}
		if _, err := out.Write(append(row, '}', '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}
