//go:build !unix

package kernel

func pages(int) []byte { return nil }
func unmap([]byte)     {}
