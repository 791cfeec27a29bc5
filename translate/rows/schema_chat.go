package rows

// readChat: the turns of a conversation, as chat servers and TRL have them. Calls, names, ids and what tools answered are
// data; parts are text if their type says so.
func readChat(w *walk) error {
	return first(
		func() error { return w.optional("system", w.content("system")) },
		func() error { return w.required("messages", w.messages) },
	)
}
