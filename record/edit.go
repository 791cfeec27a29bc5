package record

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// CurateKey is the one top-level key under which curate writes what it found out about a record.
const CurateKey = "curate"

var emptyObject = []byte("{}")

// edit is a staged value. The edits of a record are prefix-free: no edit's path leads through another's.
type edit struct {
	names []string
	val   [2]int // range in the batch's arena
	done  bool   // during a splice
}

func (e *edit) value(b *Batch) []byte { return b.arena[e.val[0]:e.val[1]:e.val[1]] }

func isPrefix(short, long []string) bool {
	if len(short) > len(long) {
		return false
	}
	for i := range short {
		if short[i] != long[i] {
			return false
		}
	}
	return true
}

// Set stages the JSON text value at p. The last Set of a path wins and later reads see it; objects on the
// way are made where they are missing, and the other members of those that exist stay as they are. A name
// on the way that holds something else than an object is a *FieldError. value is copied and must be valid.
func (r *Record) Set(p Path, value []byte) error {
	for i := 0; i < len(r.edits); i++ {
		e := &r.edits[i]
		if len(e.names) < len(p.names) && isPrefix(e.names, p.names) {
			// p lies inside a staged value: splice it in there, so that edits stay prefix-free.
			old := e.value(r.b)
			if err := checkObjects(old, p, len(e.names)); err != nil {
				return err
			}
			tmp := Record{Line: old, b: r.b}
			tmp.edits = []edit{{names: p.names, val: r.b.put(value)}}
			lo := len(r.b.text)
			r.b.text = tmp.splice(r.b.text, old, len(e.names), e.names, anyEdit)
			e.val = r.b.put(r.b.text[lo:])
			r.b.text = r.b.text[:lo]
			return nil
		}
		if isPrefix(p.names, e.names) {
			r.edits = append(r.edits[:i], r.edits[i+1:]...)
			i--
		}
	}
	for n := 1; n < len(p.names); n++ {
		if v, ok := r.original(p.names[:n]); ok {
			if v[0] != '{' {
				return notObject(p, n, v)
			}
		}
	}
	r.edits = append(r.edits, edit{names: p.names, val: r.b.put(value)})
	return nil
}

// Edited says whether an edit is staged that changes the value at p.
func (r *Record) Edited(p Path) bool {
	for i := range r.edits {
		if isPrefix(r.edits[i].names, p.names) || isPrefix(p.names, r.edits[i].names) {
			return true
		}
	}
	return false
}

// CanSet is the error that Set would give for a value at p.
func (r *Record) CanSet(p Path) error {
	for n := 1; n < len(p.names); n++ {
		if v, ok := r.Value(Path{names: p.names[:n]}); ok && v[0] != '{' {
			return notObject(p, n, v)
		}
	}
	return nil
}

// checkObjects looks for something else than an object on the way from value, which stands at depth, to p.
func checkObjects(value []byte, p Path, depth int) error {
	for ; depth < len(p.names); depth++ {
		if value[0] != '{' {
			return notObject(p, depth, value)
		}
		var ok bool
		if value, ok = member(value, p.names[depth]); !ok {
			return nil
		}
	}
	return nil
}

func notObject(p Path, depth int, v []byte) error {
	return &FieldError{joinNames(p.names[:depth]), "is " + kindName(v) + ", not an object, so \"" + p.text + "\" cannot be set"}
}

func joinNames(names []string) string {
	var b []byte
	for i, n := range names {
		if i > 0 {
			b = append(b, '.')
		}
		for j := range len(n) {
			if n[j] == '.' || n[j] == '\\' {
				b = append(b, '\\')
			}
			b = append(b, n[j])
		}
	}
	return string(b)
}

func (b *Batch) put(v []byte) [2]int {
	lo := len(b.arena)
	b.arena = append(b.arena, v...)
	return [2]int{lo, len(b.arena)}
}

func anyEdit(*edit) bool      { return true }
func curateEdit(e *edit) bool { return e.names[0] == CurateKey }

// Size is the most bytes that the record takes when it is written.
func (r *Record) Size() int {
	n := len(r.Line) + 1 + r.replaced[1] - r.replaced[0]
	for i := range r.edits {
		n += r.edits[i].val[1] - r.edits[i].val[0] + 8
		for _, name := range r.edits[i].names {
			n += 6*len(name) + 8 // escaped at worst, quotes, colon, comma, braces
		}
	}
	return n
}

// AppendLine writes the record with its edits, or what stands in its place, and a line feed.
func (r *Record) AppendLine(dst []byte) []byte {
	if lo, hi := r.replaced[0], r.replaced[1]; lo < hi {
		return append(append(dst, r.b.arena[lo:hi]...), '\n')
	}
	return r.appendLine(dst, anyEdit)
}

// AppendDropped writes the record as it was read but for the key "curate", and a line feed.
func (r *Record) AppendDropped(dst []byte) []byte { return r.appendLine(dst, curateEdit) }

func (r *Record) appendLine(dst []byte, use func(*edit) bool) []byte {
	any := false
	for i := range r.edits {
		any = any || use(&r.edits[i])
	}
	if !any {
		return append(append(dst, r.Line...), '\n')
	}
	brace := skipSpace(r.Line, 0)
	end := len(r.Line)
	for end > brace+1 && r.Line[end-1] != '}' {
		end--
	}
	if end <= brace+1 { // no such text has passed parse
		return append(append(dst, r.Line...), '\n')
	}
	dst = append(dst, r.Line[:brace]...)
	dst = r.splice(dst, r.Line[brace:end], 0, nil, use)
	dst = append(dst, r.Line[end:]...)
	return append(dst, '\n')
}

// splice writes the object obj, which stands at the path prefix of the given depth, with the edits below it
// that use selects. Everything between the edited values is copied as it is; new members go to the end.
func (r *Record) splice(dst, obj []byte, depth int, prefix []string, use func(*edit) bool) []byte {
	for i := range r.edits {
		e := &r.edits[i]
		e.done = !use(e) || !isPrefix(prefix, e.names)
	}
	return r.spliceObject(dst, obj, depth, prefix)
}

func (r *Record) spliceObject(dst, obj []byte, depth int, prefix []string) []byte {
	pos, n, last := 0, 0, 0
	m := members(obj, 0)
	for m.next() {
		n++
		last = int(m.value.hi)
		e := r.editFor(obj[m.name.lo:m.name.hi], depth, prefix)
		if e == nil {
			continue
		}
		dst = append(dst, obj[pos:m.value.lo]...)
		if len(e.names) == depth+1 {
			dst = append(dst, e.value(r.b)...)
			e.done = true
		} else {
			dst = r.spliceObject(dst, obj[m.value.lo:m.value.hi], depth+1, e.names[:depth+1])
		}
		pos = last
	}
	if n == 0 {
		last = 1
	}
	dst = append(dst, obj[pos:last]...)
	for i := range r.edits {
		e := &r.edits[i]
		if e.done || !isPrefix(prefix, e.names) {
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		n++
		dst = appendQuoted(dst, e.names[depth])
		dst = append(dst, ':')
		if len(e.names) == depth+1 {
			dst = append(dst, e.value(r.b)...)
			e.done = true
		} else {
			dst = r.spliceObject(dst, emptyObject, depth+1, e.names[:depth+1])
		}
	}
	return append(dst, obj[last:]...)
}

// editFor finds an edit that is not yet written and leads to or through the member with this quoted name.
func (r *Record) editFor(quoted []byte, depth int, prefix []string) *edit {
	for i := range r.edits {
		e := &r.edits[i]
		if !e.done && isPrefix(prefix, e.names) && nameIs(quoted, e.names[depth]) {
			return e
		}
	}
	return nil
}

func appendQuoted(dst []byte, name string) []byte {
	plain := len(name) > 0
	for i := range len(name) {
		c := name[i]
		plain = plain && c >= 0x20 && c < 0x7f && c != '"' && c != '\\'
	}
	if plain {
		dst = append(dst, '"')
		dst = append(dst, name...)
		return append(dst, '"')
	}
	out, err := jsontext.AppendQuote(dst, name)
	if err != nil { // invalid UTF-8 in a name of our own making
		out, _ = jsontext.AppendQuote(dst, bytes.ToValidUTF8([]byte(name), []byte("\uFFFD")))
	}
	return out
}
