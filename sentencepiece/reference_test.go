package sentencepiece

import "testing"

func referenceTexts(t testing.TB) [][]byte { return nil }
