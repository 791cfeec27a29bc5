// Package dedup finds records that say the same as another and lets one of each group stay.
//
// A method is a [stage.Reducer]. Its Map side makes a key of each record (a digest of a field); keys with the
// records' IDs are sealed split by split, sorted; Finish reads all keys in order, finds the groups and decides: in
// each group one record is kept and every other is dropped, with the kept one's ID as evidence. The decisions
// are one file, sorted by the IDs of the dropped ([Decisions]), and the last Mapper looks each record up in it.
// The text itself never moves, and nothing needs to fit into memory.
//
// The methods so far: exact, in exact.go, which is where to begin. Below it lie digest.go (what "the same" means),
// decisions.go (the file) and apply.go (the last Mapper).
package dedup
