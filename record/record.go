package record

import "fmt"

// ID of a record: file number in the manifest << 40 | byte offset of its line in the uncompressed file.
// Files count from 1; standard input is 0. IDs order records as the manifest and the files do, and stay
// positive as int64.
type ID uint64

const offsetBits = 40

// MaxOffset is the largest byte offset an ID can hold: a file may have 1 TiB of uncompressed bytes.
const MaxOffset = 1<<offsetBits - 1

// MaxFile is the largest file number an ID can hold and stay positive as int64.
const MaxFile = 1<<(63-offsetBits) - 1

func MakeID(file int, offset int64) ID { return ID(file)<<offsetBits | ID(offset) }

// File is the file's number in the manifest.
func (id ID) File() int { return int(id >> offsetBits) }

// Offset is the byte offset of the record's line in the uncompressed file.
func (id ID) Offset() int64 { return int64(id & MaxOffset) }

// Outcome of a record. It is set by a stage and final in the phase that set it.
type Outcome uint8

const (
	Keep       Outcome = iota
	Drop               // a decision: Rule and Reason say whose and why
	Quarantine         // the record could not be read or processed: Err says why
)

func (o Outcome) String() string {
	switch o {
	case Keep:
		return "keep"
	case Drop:
		return "drop"
	case Quarantine:
		return "quarantine"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Record is one line of a batch. Its memory belongs to the batch and is used again for the next one:
// whoever wants to keep anything of it makes a copy.
type Record struct {
	ID     ID
	LineNo int64 // 1 is the file's first line; 0 where the reader cannot know it
	// Line is the line as read, without its line feed; a carriage return before it stays. One that Parse has repaired is
	// another (see Raw).
	Line []byte
	// Truncated is the full length of a line above the allowed size, of which Line holds only the start.
	// Such a record is always quarantined. 0 otherwise.
	Truncated int64

	Outcome Outcome
	// Rule and Reason of a Drop. On a kept record they are the drop that a stage would have made while it
	// annotates (see Flag); the engine counts and clears them after that stage.
	Rule, Reason string
	Err          error // of a Quarantine

	b      *Batch
	read   []byte   // the line before it was repaired; nil if it was not
	fields [2]int32 // range in b.fields; from -1 if they are still to be noted
	key    [2]int32 // range in b.keys
	tokens [2]int32 // range in b.tokens
	isTok  bool     // SetTokens was called
	row    int32    // in b.rows, plus 1; 0 for none
	edits  []edit
	// replaced is the range in b.arena of what stands in the place of the line; empty for the line itself.
	replaced [2]int
}

// Replace notes a JSON object that a stage has made of the record and that is written in the place of it and its edits
// where it is kept. What is read of the record stays as it is. object is copied.
func (r *Record) Replace(object []byte) { r.replaced = r.b.put(object) }

// SetTokens notes the token ids of the record's text. ids is copied.
func (r *Record) SetTokens(ids []uint32) {
	lo := len(r.b.tokens)
	r.b.tokens = append(r.b.tokens, ids...)
	r.tokens, r.isTok = [2]int32{int32(lo), int32(len(r.b.tokens))}, true
}

// Tokens are what SetTokens noted, valid until the batch is reset. ok is false if nothing was.
func (r *Record) Tokens() (ids []uint32, ok bool) {
	return r.b.tokens[r.tokens[0]:r.tokens[1]:r.tokens[1]], r.isTok
}

// row is what few records have beside their tokens.
type row struct {
	mask           [2]int32 // range in b.masks
	prompt, chosen int32    // SetPair; prompt is -1 without
	signals        [2]int   // range in b.arena
}

// row is the record's in b.rows, made if it has none.
func (r *Record) ownRow() *row {
	if r.row == 0 {
		r.b.rows = append(r.b.rows, row{prompt: -1})
		r.row = int32(len(r.b.rows))
	}
	return &r.b.rows[r.row-1]
}

// SetMask notes which of the record's tokens a model is to learn, one byte each: 1 for those, 0 for the others. mask is
// copied and as long as the tokens.
func (r *Record) SetMask(mask []byte) {
	lo := len(r.b.masks)
	r.b.masks = append(r.b.masks, mask...)
	r.ownRow().mask = [2]int32{int32(lo), int32(len(r.b.masks))}
}

// Mask is what SetMask noted, valid until the batch is reset; empty if nothing was: then all tokens count.
func (r *Record) Mask() []byte {
	if r.row == 0 {
		return nil
	}
	m := r.b.rows[r.row-1].mask
	return r.b.masks[m[0]:m[1]:m[1]]
}

// SetPair says that the tokens are a preference pair's: the prompt's, the chosen answer's, and from chosen on the
// rejected answer's, both behind the same prompt.
func (r *Record) SetPair(prompt, chosen int) {
	w := r.ownRow()
	w.prompt, w.chosen = int32(prompt), int32(chosen)
}

// Pair is where the tokens of prompt and chosen answer end; ok is false if they are no pair's.
func (r *Record) Pair() (prompt, chosen int, ok bool) {
	if r.row == 0 {
		return 0, 0, false
	}
	w := &r.b.rows[r.row-1]
	if w.prompt < 0 {
		return 0, 0, false
	}
	return int(w.prompt), int(w.chosen), true
}

// SetSignals notes what a stage has computed of the record, as a JSON object, for the output that has a row for every
// record, whatever its outcome. row is copied; the last one counts.
func (r *Record) SetSignals(row []byte) { r.ownRow().signals = r.b.put(row) }

// Signals is what SetSignals noted, valid until the batch is reset; empty if nothing was.
func (r *Record) Signals() []byte {
	if r.row == 0 {
		return nil
	}
	s := r.b.rows[r.row-1].signals
	return r.b.arena[s[0]:s[1]:s[1]]
}

// SetKey notes what a stage's Map side has made of the record for its Reduce side, such as a digest. key is
// copied.
func (r *Record) SetKey(key []byte) {
	lo := len(r.b.keys)
	r.b.keys = append(r.b.keys, key...)
	r.key = [2]int32{int32(lo), int32(len(r.b.keys))}
}

// Key is what SetKey noted; empty if nothing was.
func (r *Record) Key() []byte { return r.b.keys[r.key[0]:r.key[1]:r.key[1]] }

// DropFor decides that the record goes. Rule and reason are constants of the stage: they become the
// ledger's key "RULE:REASON".
func (r *Record) DropFor(rule, reason string) {
	r.Outcome, r.Rule, r.Reason = Drop, rule, reason
}

// Flag notes a drop that is only annotated: the record stays.
func (r *Record) Flag(rule, reason string) { r.Rule, r.Reason = rule, reason }

// QuarantineFor sets the record aside because of err, which names the field and the byte.
func (r *Record) QuarantineFor(err error) {
	r.Outcome, r.Rule, r.Reason, r.Err = Quarantine, "", "", err
}

// FieldError says which field a stage could not use, and why.
type FieldError struct {
	Field   string // dotted path
	Problem string // "is missing", "is null, not a string"
}

func (e *FieldError) Error() string { return fmt.Sprintf("field %q %s", e.Field, e.Problem) }
