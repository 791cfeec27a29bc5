package rows

import "slices"

// readChat: the turns of a conversation, as chat servers and TRL have them. Calls, names, ids and what tools answered are
// data; parts are text if their type says so. A prompt beside them is text where it repeats one of them, as UltraChat's
// does: it must not stay behind.
func readChat(w *walk) error {
	return first(
		func() error { return w.optional("system", w.content("system")) },
		func() error { return w.required("messages", w.messages) },
		w.repeatedPrompt,
	)
}

func (w *walk) repeatedPrompt() error {
	if !w.open("prompt") || kindAt(w.v, 0) != '"' {
		return nil
	}
	s, _, err := w.unquote(0)
	if err != nil {
		return err
	}
	nodes := w.row.Nodes
	if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Text == s }) {
		return nil
	}
	if err := w.text("prompt")(0); err != nil {
		return err
	}
	// The last turn asks, not the prompt, so it goes first.
	nodes = w.row.Nodes
	last := nodes[len(nodes)-1]
	copy(nodes[1:], nodes)
	nodes[0] = last
	return nil
}
