package rows

import "bytes"

// readPreference: a prompt, the better and the worse answer to it. Without a prompt the answers are whole conversations,
// which begin alike. Names beside prompt, chosen and rejected are those of UltraFeedback's and Orca's derivatives, and
// of LLaMA-Factory's rows; scores are data.
func readPreference(w *walk) error {
	err := first(
		func() error { return w.optional("system", w.content("system")) },
		func() error { return w.optional("prompt", w.turns("prompt")) },
		func() error { return w.optional("instruction", w.text("instruction")) },
		func() error { return w.optional("input", w.text("input")) },
		func() error { return w.optional("question", w.text("question")) },
		func() error { return w.optional("conversations", w.messages) },
		func() error { return w.optional("messages", w.messages) },
	)
	if err != nil {
		return err
	}
	suffixed := w.open("chosen_response") || w.open("rejected_response")
	if !suffixed || w.open("chosen") || w.open("rejected") {
		if err := w.pair("chosen", "rejected"); err != nil {
			return err
		}
	}
	if suffixed {
		return w.pair("chosen_response", "rejected_response")
	}
	return nil
}

func (w *walk) pair(chosen, rejected string) error {
	w.shared = 0
	if w.open(chosen) {
		a := w.v
		if w.open(rejected) {
			w.shared = commonMessages(a, w.v)
		}
	}
	w.side = Chosen
	if err := w.required(chosen, w.turns("answer")); err != nil {
		return err
	}
	w.side = Rejected
	if err := w.required(rejected, w.turns("answer")); err != nil {
		return err
	}
	w.side, w.shared = Shared, 0
	return nil
}

// commonMessages is how many leading elements two arrays have in common, byte for byte, but never all of either: the
// last one is the answer, as in TRL's extract_prompt.
func commonMessages(a, b []byte) int {
	if kindAt(a, 0) != '[' || kindAt(b, 0) != '[' {
		return 0
	}
	x, y := elementsOf(a, 0), elementsOf(b, 0)
	for n := 0; ; n++ {
		if more := x.next(); !y.next() || !more {
			return max(n-1, 0)
		}
		if !bytes.Equal(a[x.lo:x.hi], b[y.lo:y.hi]) {
			return n
		}
	}
}
