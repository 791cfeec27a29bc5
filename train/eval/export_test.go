package eval

// Sums are those of the sequences of a task that was run at once, in the order of its rows.
func Sums(t Task) []float64 {
	switch t := t.(type) {
	case *Choice:
		return t.queue.sums
	case *Pairs:
		return t.queue.sums
	}
	return nil
}
