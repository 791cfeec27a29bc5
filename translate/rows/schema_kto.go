package rows

// readKTO: a prompt, an answer, and whether it was liked (TRL's unpaired preference).
func readKTO(w *walk) error { return readPromptCompletion(w) }
