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
