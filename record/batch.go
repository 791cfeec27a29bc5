package record

// Batch is what flows through stages: consecutive records of one split. It is used by one goroutine at a
// time and owns the bytes behind its records.
type Batch struct {
	Records []Record
	// Repair is what Parse may mend. Reset keeps it.
	Repair Repairs

	scan   scanner
	fields []field
	arena  []byte // values of staged edits
	mended []byte // lines that were repaired
	text   []byte // splices made to answer a read
	keys   []byte // what SetKey was given
	tokens []uint32
	masks  []byte
	rows   []row

	tallies []Tally
	spent   []Tally
}

// Tally is a stage's counter, summed up over all batches into the stage's entry of the ledger.
type Tally struct {
	Name string
	N    int64
}

// Tally adds n to the counter name of the stage that maps the batch. Names are few, and constants or cached by the
// stage: each is a key of the ledger.
func (b *Batch) Tally(name string, n int64) { b.tallies = append(b.tallies, Tally{name, n}) }

// TakeTallies gives what was tallied since the last call, in order, names perhaps more than once. The slice is valid
// until the next Tally.
func (b *Batch) TakeTallies() []Tally {
	t := b.tallies
	b.tallies = b.tallies[:0]
	return t
}

// Spend adds n to a counter of what the stage has spent on the batch: requests, tokens, money. Unlike what is tallied it may differ from
// one run to the next over the same records, so it has no place in the ledger, and stands with the run's times.
func (b *Batch) Spend(name string, n int64) { b.spent = append(b.spent, Tally{name, n}) }

// TakeSpent is TakeTallies of what was spent.
func (b *Batch) TakeSpent() []Tally {
	t := b.spent
	b.spent = b.spent[:0]
	return t
}

// Reset empties the batch and keeps its memory, but not the lines, which are others'.
func (b *Batch) Reset() {
	for i := range b.Records {
		b.Records[i].Line, b.Records[i].read, b.Records[i].Err = nil, nil, nil
	}
	b.Records = b.Records[:0]
	b.fields = b.fields[:0]
	b.arena = b.arena[:0]
	b.mended = b.mended[:0]
	b.text = b.text[:0]
	b.keys = b.keys[:0]
	b.tokens = b.tokens[:0]
	b.masks = b.masks[:0]
	b.rows = b.rows[:0]
	b.tallies = b.tallies[:0]
	b.spent = b.spent[:0]
}

// Append adds a record for a line that stays valid until Reset. The pointer is valid until the next Append.
func (b *Batch) Append(id ID, lineNo int64, line []byte) *Record {
	n := len(b.Records)
	if n < cap(b.Records) {
		b.Records = b.Records[:n+1]
	} else {
		b.Records = append(b.Records, Record{})
	}
	r := &b.Records[n]
	*r = Record{ID: id, LineNo: lineNo, Line: line, b: b, edits: r.edits[:0]}
	return r
}

// Skip takes out the records for which skip is true, before Parse: those that an earlier phase has settled.
func (b *Batch) Skip(skip func(ID) bool) {
	kept := b.Records[:0]
	for i := range b.Records {
		if r := &b.Records[i]; !skip(r.ID) {
			if n := len(kept); n < i {
				b.Records[n], b.Records[i] = b.Records[i], b.Records[n] // each keeps its room for edits
			}
			kept = b.Records[:len(kept)+1]
		}
	}
	b.Records = kept
}

// Parse checks every kept record strictly and notes the spans of its fields; a bad line becomes a
// quarantined record, or is repaired as far as Repair says. It comes before any read of a field, and says how many were
// repaired.
func (b *Batch) Parse() (repaired int) {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != Keep {
			continue
		}
		if err := b.parse(r); err != nil {
			if b.Repair != 0 && b.repair(r) {
				repaired++
				continue
			}
			r.QuarantineFor(err)
		}
	}
	return repaired
}

// Checked is Parse for lines that an earlier phase has parsed: nothing is checked again, and the fields of a
// record are looked for when one is asked for.
func (b *Batch) Checked() {
	for i := range b.Records {
		b.Records[i].fields = [2]int32{-1, -1}
	}
}

// Size is the memory the batch holds on to, in bytes, without the lines.
func (b *Batch) Size() int {
	return cap(b.Records)*recordSize + cap(b.fields)*fieldSize + cap(b.arena) + cap(b.mended) + cap(b.text) + cap(b.keys) + 4*cap(b.tokens) + cap(b.masks) + 32*cap(b.rows)
}

// Shrink gives memory back that a batch of unusual records needed.
func (b *Batch) Shrink(limit int) {
	if b.Size() > limit {
		b.Records, b.fields, b.arena, b.mended, b.text, b.keys, b.tokens, b.masks, b.rows = nil, nil, nil, nil, nil, nil, nil, nil, nil
	}
}
