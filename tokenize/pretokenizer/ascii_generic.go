//go:build noasm || !amd64

package pretokenizer

const hasAVX2 = false

func asciiAVX2(*block, *[blockSize]byte) uint64 { panic("not here") }
