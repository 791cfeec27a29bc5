// Package translate is the room of translation: row schemas, segments, masks, backends, memory, checks.
// It has no code yet.
package translate
