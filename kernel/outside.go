package kernel

import (
	"runtime"
	"unsafe"
)

// Outside gives n zeros that the collector neither scans nor counts, as long as owner is in use: with weights in its heap, of which
// nothing ever becomes garbage, the collector would let as much garbage pile up as there are weights. Memory is taken when it is
// written. Whoever reads through the slice keeps owner alive (runtime.KeepAlive). Where the system has no such memory, it is ordinary.
func Outside[O any, T byte | int8 | int32 | float32](owner *O, n int) []T {
	var t T
	b := pages(n * int(unsafe.Sizeof(t)))
	if b == nil {
		return make([]T, n)
	}
	runtime.AddCleanup(owner, unmap, b)
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n)
}

// Room is zeros as of Outside, which can be given back at once.
type Room[T byte | int8 | int32 | float32] struct {
	X       []T
	pages   []byte // nil: ordinary memory
	cleanup runtime.Cleanup
}

// NewRoom makes room for n numbers. Whoever reads them keeps it alive.
func NewRoom[T byte | int8 | int32 | float32](n int) *Room[T] {
	var t T
	r := &Room[T]{pages: pages(n * int(unsafe.Sizeof(t)))}
	if r.pages == nil {
		r.X = make([]T, n)
		return r
	}
	r.cleanup = runtime.AddCleanup(r, unmap, r.pages)
	r.X = unsafe.Slice((*T)(unsafe.Pointer(&r.pages[0])), n)
	return r
}

// Free gives the memory back. The numbers are gone, and must not be read any more.
func (r *Room[T]) Free() {
	if r.pages != nil {
		r.cleanup.Stop()
		unmap(r.pages)
	}
	r.X, r.pages = nil, nil
}
