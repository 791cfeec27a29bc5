//go:build unix

package kernel

import "syscall"

// leastOutside is how many bytes are worth a mapping of their own.
const leastOutside = 1 << 16

// pages maps zeros, nil if there are none.
func pages(n int) []byte {
	if n < leastOutside {
		return nil
	}
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil // ordinary memory says better that there is none
	}
	return b
}

func unmap(b []byte) { _ = syscall.Munmap(b) }
