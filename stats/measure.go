package stats

import (
	"curate/record"
	"curate/text"
)

// MeasureNames are what NewMeasure measures of a record: bytes of its decoded text in UTF-8, words as wc -w counts
// them, and tokens where it has been tokenized. The last is not measured before.
func MeasureNames() []string { return []string{"text_bytes", "words", "tokens"} }

// NewMeasure gives a function that makes measuring functions, one a goroutine, of the text at p. A record without text
// measures 0. Values that an earlier call has left stay where the text has not been edited since.
func NewMeasure(p record.Path) func() func(r *record.Record, values []int64, again bool) {
	return func() func(r *record.Record, values []int64, again bool) {
		var scratch []byte
		return func(r *record.Record, values []int64, again bool) {
			if !again || r.Edited(p) {
				values[0], values[1] = 0, 0
				if t, err := r.Text(p, &scratch); err == nil {
					values[0], values[1] = int64(len(t)), int64(text.WordsWC(t))
				}
				if cap(scratch) > scratchLimit {
					scratch = nil
				}
			}
			ids, _ := r.Tokens()
			values[2] = int64(len(ids))
		}
	}
}
