package check

// Knows says whether the tables of words and trigrams know a language: of another one they say nothing.
func Knows(language string) bool { return tableIndex(language) >= 0 }
