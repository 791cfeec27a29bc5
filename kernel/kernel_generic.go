//go:build noasm || !amd64

package kernel

func sets() []*Set { return []*Set{{name: "portable"}} }

// pause waits a moment, n times.
func pause(n int) {
	for range n {
	}
}
