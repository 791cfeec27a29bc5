//go:build noasm || !amd64

package kernel

func sets() []*Set { return []*Set{{name: "portable"}} }

// pause waits a moment, n times.
func pause(n int) {
	for range n {
	}
}

// Alike is the set itself: this processor, or this build, has no other.
func (s *Set) Alike() *Set { return s }
