package rows

// readAlpaca: a task, perhaps with something to do it on, and its answer; a system prompt and the turns before, each an
// array of what the user and what the assistant said.
func readAlpaca(w *walk) error {
	return first(
		func() error { return w.optional("system", w.content("system")) },
		func() error { return w.optional("history", w.history) },
		func() error { return w.required("instruction", w.text("instruction")) },
		func() error { return w.optional("input", w.text("input")) },
		func() error { return w.required("output", w.text("answer")) },
	)
}

func (w *walk) history(at int) error {
	return w.each(at, "an array of turns", func(at int) error {
		n := 0
		return w.each(at, "an array of two strings", func(at int) error {
			n++
			if n%2 == 1 {
				return w.text("user")(at)
			}
			return w.text("assistant")(at)
		})
	})
}
