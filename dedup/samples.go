package dedup

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"curate/record"
	"curate/stage"
)

// Exact holds no more of a record than a digest, so that the rows of its evidence do not have the records' own ids. Those of
// the few samples of its summary, by which the report finds their texts, are noted when the records come by again: as
// tallies, which the ledger adds up whatever was cut into splits, or killed.

// sampleTally begins the name of such a tally: the record's ID follows, a colon, and its own id as JSON.
const sampleTally = "sample_id:"

// samples are the record IDs of a summary's samples.
type samples map[record.ID]struct{}

// samples are those of the summary that was made.
func (f *findings) samples(ctx context.Context, ws stage.Workspace) (samples, error) {
	if f.None {
		return nil, nil
	}
	s, err := f.read(ctx, ws)
	if err != nil {
		return nil, err
	}
	list := samples{}
	for _, row := range s.Samples {
		var is struct {
			Dropped string `json:"dropped"`
			Kept    string `json:"kept"`
		}
		if err := json.Unmarshal(row, &is); err != nil {
			return nil, fmt.Errorf("%s: %w", SummaryName(f.Name), err)
		}
		list.add(is.Dropped)
		list.add(is.Kept)
	}
	return list, nil
}

// add takes an ID in decimal digits; that of a document of an index is none.
func (s samples) add(id string) {
	if n, err := strconv.ParseUint(id, 10, 63); err == nil {
		s[record.ID(n)] = struct{}{}
	}
}

// note tallies the own id of a record that is one of them.
func (s samples) note(b *record.Batch, r *record.Record, field record.Path) {
	if _, ok := s[r.ID]; !ok {
		return
	}
	if own := r.OwnID(field, maxSignID); own != nil {
		b.Tally(sampleTally+strconv.FormatInt(int64(r.ID), 10)+":"+string(own), 1)
	}
}
