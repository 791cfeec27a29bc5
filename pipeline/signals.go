package pipeline

import (
	"strconv"

	"curate/record"
)

// signalsRoom is what a row takes that no stage has made.
const signalsRoom = 96

// appendSignals writes the record's row in the output that has one for every record: what a stage has noted with
// record.SetSignals, or why there is nothing: the record was quarantined, or dropped by a stage before that one.
// docs/formats/signals.md is its page.
func appendSignals(dst []byte, r *record.Record) []byte {
	row := r.Signals()
	if r.Outcome != record.Quarantine && len(row) > 0 {
		return append(append(dst, row...), '\n')
	}
	dst = append(dst, `{"record":`...)
	dst = strconv.AppendUint(dst, uint64(r.ID), 10)
	dst = append(dst, `,"without":"`...)
	dst = append(dst, r.Outcome.String()...)
	return append(dst, "\"}\n"...)
}
