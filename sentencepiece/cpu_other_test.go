//go:build !unix

package sentencepiece

func processorSeconds() float64 { return 0 }
