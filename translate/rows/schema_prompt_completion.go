package rows

// readPromptCompletion: a prompt and its answer, strings or lists of messages.
func readPromptCompletion(w *walk) error {
	return first(
		func() error { return w.optional("system", w.content("system")) },
		func() error { return w.required("prompt", w.turns("prompt")) },
		func() error { return w.required("completion", w.turns("answer")) },
	)
}
