// Package runs sorts, cuts and merges runs, so that a Reducer can work on more than fits into memory.
//
// An item is a byte string of a fixed width, and items are ordered bytewise: numbers in them are big-endian, so
// that the order of bytes is the order of numbers. A run is a file of nothing but items in that order; equal
// items may repeat. A run may be read in a [Range] of its items.
//
// A Reducer keeps items in memory and sorts them when it seals ([Sort]); sealed runs are joined ([Merge]) and at
// the end looked at in order, one range a goroutine ([Uniform], then [Open]); what that finds is
// sorted in turn by a [Sorter], through the workspace.
//
// Read sort.go first, then merge.go, ranges.go, sorter.go.
package runs
