// Package objects writes to servers that keep objects, which appear whole and cannot be appended to: files in parts
// (writer.go), and logs that each entry writes anew (log.go). What the requests are, and which are tried again, is the store's to
// say (Object). Reading is package ranged's.
package objects

import (
	"context"
	"io"
	"sync"
)

// Object is what a store knows of one object that is written. Its methods try again themselves what passes; their errors name
// operation and object. One goroutine calls them at a time.
type Object interface {
	// Put writes the whole object in one request. op is for messages.
	Put(ctx context.Context, op string, b []byte) error
	// Part sends a part that is not seen before Complete; numbers begin at 1 and come in order. b is not kept.
	Part(ctx context.Context, number int, b []byte) error
	// Complete makes the object of the parts that were sent.
	Complete(ctx context.Context) error
	// Abort gives the parts up, if there are any. After an error it may be called again.
	Abort(ctx context.Context) error
	// Open reads the object from its beginning.
	Open(ctx context.Context) (io.ReadCloser, error)
}

// Parts is how a store cuts objects.
type Parts struct {
	Size int // of all parts but the last, in bytes
	Most int // of parts
	free sync.Pool
}

// NewParts returns parts of that size.
func NewParts(size, most int) *Parts {
	p := &Parts{Size: size, Most: most}
	p.free.New = func() any { b := make([]byte, 0, size); return &b }
	return p
}
