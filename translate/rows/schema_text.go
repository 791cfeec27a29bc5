package rows

// readText: a document.
func readText(w *walk) error { return w.required("text", w.text("text")) }
