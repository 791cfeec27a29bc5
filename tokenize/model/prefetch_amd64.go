//go:build !noasm

package model

// prefetch asks memory for lines[slots[i]] for the first n slots, without waiting for it. A load would wait: the
// processor does not look further than a few pieces ahead while one is missing.
//
//go:noescape
func prefetch(lines *line, slots *uint32, n int)
