// Package memory is the translation memory: every segment that was translated, once, in an append-only file that survives
// a crash.
//
// Read memory.go first, then log.go (the file), exchange.go (JSON Lines in and out). The format is docs/formats/translation-memory.md.
package memory

import (
	"context"
	"io"

	"curate/translate/protect"
)

// Key identifies a question: the engine, the languages, the source template.
type Key [16]byte

// KeyOf hashes a question. engine is "" for what holds for every engine: human corrections.
func KeyOf(engine, from, to string, source protect.Template) Key { panic("unwritten") }

// Entry is an answer.
type Entry struct {
	Engine   string             `json:"engine"` // "" for a human correction
	From     string             `json:"from"`
	To       string             `json:"to"`
	Source   protect.Template   `json:"source"`
	Target   protect.Template   `json:"target"`
	Rung     string             `json:"rung,omitempty"`     // of the ladder, on which it was accepted
	Attempts int                `json:"attempts,omitempty"` // requests it took
	Checks   map[string]float64 `json:"checks,omitempty"`   // soft findings
	Score    *float64           `json:"score,omitempty"`    // of a judge, 0 to 1
	Failed   string             `json:"failed,omitempty"`   // given up, and why: Target is empty. Asked again by another run unless it says otherwise
}

// Options of Open.
type Options struct {
	MaxIndex int64              // bytes that the index may take; Put and Open fail with *FullError beyond it
	Waiting  func(owner string) // called once if another process has the memory; Open then waits for it until ctx ends
}

// Store is an open memory. It may be used from any goroutine.
type Store struct{}

// FullError says that the index would take more than MaxIndex bytes.
type FullError struct{ Need, Max int64 }

func (e *FullError) Error() string { panic("unwritten") }

// Open opens the memory in dir, which it makes if need be; "" is one in a temporary file that is gone after Close. What a
// crash has torn off the end of the file is cut; a damaged file is an error that names file and byte.
func Open(ctx context.Context, dir string, o Options) (*Store, error) { panic("unwritten") }

// Get looks for an answer.
func (s *Store) Get(k Key) (e Entry, ok bool, err error) { panic("unwritten") }

// Put keeps an answer: the first one of a key that did not fail is final, later ones are ignored, unless they are corrections
// or the one that stands has failed. It is durable within a second, and after Sync.
func (s *Store) Put(e Entry) error { panic("unwritten") }

// Sync waits until everything that was Put is durable.
func (s *Store) Sync() error { panic("unwritten") }

// Len is how many keys there are.
func (s *Store) Len() int { panic("unwritten") }

// IndexBytes is what the index takes of memory.
func (s *Store) IndexBytes() int64 { panic("unwritten") }

// Close syncs and gives the memory free.
func (s *Store) Close() error { panic("unwritten") }

// Export writes the entries as JSON Lines, one Entry a line, sorted by from, to, engine and source, each key once: what holds.
func (s *Store) Export(w io.Writer) error { panic("unwritten") }

// Imported counts what Import did.
type Imported struct {
	Read, Kept, Known int64            // Known: of which the memory had a final answer
	Refused           map[string]int64 // by reason: "placeholders", "empty", "untranslated"
}

// Importer says how lines are read.
type Importer struct {
	From, To string // languages; with them lines such as {"en":"…","eu":"…"} and {"source":"…","target":"…"} are read as texts, masked by Mask
	Engine   string // for lines that name none; "" makes them corrections
	Mask     func(text string) protect.Masked
	Cut      func(text string) []string // the units of a text, nil takes it whole. Used where both sides have as many
}

// Import reads JSON Lines: what Export writes, or texts in two languages. name is for errors, which say name:line; a bad line is
// an error.
func (s *Store) Import(name string, r io.Reader, im Importer) (Imported, error) { panic("unwritten") }
