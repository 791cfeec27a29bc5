package rows

// readShareGPT: the turns of a conversation, {"from", "value"} each; the newer {"role", "content"} under the same key,
// too.
func readShareGPT(w *walk) error {
	return first(
		func() error { return w.optional("system", w.content("system")) },
		func() error { return w.required("conversations", w.messages) },
	)
}
