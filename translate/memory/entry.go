package memory

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"curate/translate/protect"
)

// How an entry is written, in a block of the log and to be hashed. Numbers are uvarints, a string is its length and its bytes,
// a template the number of its holes, its first text, and for each hole its number and the text behind it.

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendTemplate(dst []byte, t protect.Template) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(t.Holes)))
	if len(t.Text) == 0 { // the zero value is the empty text
		return append(dst, 0)
	}
	for i, s := range t.Text {
		if i > 0 {
			dst = binary.AppendUvarint(dst, uint64(t.Holes[i-1]))
		}
		dst = appendString(dst, s)
	}
	return dst
}

// KeyOf hashes a question: the first half of the SHA-256 of engine, from, to and source, written as in the log. engine is ""
// for what holds for every engine: human corrections.
func KeyOf(engine, from, to string, source protect.Template) Key {
	buf := make([]byte, 0, 512)
	buf = appendString(buf, engine)
	buf = appendString(buf, from)
	buf = appendString(buf, to)
	buf = appendTemplate(buf, source)
	sum := sha256.Sum256(buf)
	return Key(sum[:16])
}

// maxEntry bounds a coded entry. Segments have some hundred bytes; this is so that a damaged length asks for no memory.
const maxEntry = 16 << 20

// fit says why an entry cannot be kept.
func (e *Entry) fit() error {
	for _, s := range []string{e.Engine, e.From, e.To, e.Rung, e.Failed, e.Answer} {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%q is not UTF-8", s)
		}
	}
	for _, t := range []protect.Template{e.Source, e.Target} {
		if len(t.Text) != len(t.Holes)+1 && len(t.Text)+len(t.Holes) > 0 {
			return fmt.Errorf("a template of %d texts and %d holes", len(t.Text), len(t.Holes))
		}
		for _, s := range t.Text {
			if !utf8.ValidString(s) {
				return fmt.Errorf("%q is not UTF-8", s)
			}
		}
	}
	for i, h := range e.Source.Holes {
		if h != i {
			return fmt.Errorf("hole %d of the source has the number %d", i, h)
		}
	}
	switch {
	case e.Failed != "" && e.Engine == "":
		return errors.New("a correction cannot have failed")
	case e.Failed != "" && (len(e.Target.Holes) > 0 || len(e.Target.Text) > 0 && e.Target.Text[0] != ""):
		return errors.New("an entry that failed has a target")
	case e.Failed == "" && e.Answer != "":
		return errors.New("an answer beside a target")
	case e.Failed == "":
		seen := make([]bool, len(e.Source.Holes))
		for _, h := range e.Target.Holes {
			if h < 0 || h >= len(seen) || seen[h] {
				return fmt.Errorf("hole %d of the target is not one of the source, or there twice", h)
			}
			seen[h] = true
		}
		if i := slices.Index(seen, false); i >= 0 {
			return fmt.Errorf("hole %d of the source is not in the target", i)
		}
	}
	if e.Attempts < 0 {
		return errors.New("attempts below 0")
	}
	finite := func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
	if e.Score != nil && !finite(*e.Score) {
		return errors.New("a score that is no number")
	}
	for name, f := range e.Checks {
		if !utf8.ValidString(name) || !finite(f) {
			return fmt.Errorf("check %q is no number", name)
		}
	}
	return nil
}

// appendEntry writes an entry behind its length.
func appendEntry(dst []byte, e *Entry) []byte {
	b := make([]byte, 0, 512)
	b = appendString(b, e.Engine)
	b = appendString(b, e.From)
	b = appendString(b, e.To)
	b = appendTemplate(b, e.Source)
	b = appendTemplate(b, e.Target)
	b = appendString(b, e.Rung)
	b = binary.AppendUvarint(b, uint64(e.Attempts))
	b = appendString(b, e.Failed)
	if e.Score == nil {
		b = append(b, 0)
	} else {
		b = append(b, 1)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(*e.Score))
	}
	b = binary.AppendUvarint(b, uint64(len(e.Checks)))
	for _, name := range slices.Sorted(maps.Keys(e.Checks)) {
		b = appendString(b, name)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(e.Checks[name]))
	}
	if e.Failed != "" {
		b = appendString(b, e.Answer)
	}
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

var errEntry = errors.New("an entry makes no sense")

// entryAt is the entry at the beginning of block, without its length, and what follows it.
func entryAt(block []byte) (entry, rest []byte, err error) {
	n, k := binary.Uvarint(block)
	if k <= 0 || n > uint64(len(block)-k) {
		return nil, nil, errEntry
	}
	return block[k:][:n], block[k:][n:], nil
}

// reader takes an entry apart. Its strings share one copy of the bytes. After a fault it gives zeros.
type reader struct {
	s   string
	bad bool
}

func (r *reader) number(limit int) int {
	var n uint64
	for shift := 0; shift < 64 && shift/7 < len(r.s); shift += 7 {
		c := r.s[shift/7]
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if n > uint64(limit) {
				break
			}
			r.s = r.s[shift/7+1:]
			return int(n)
		}
	}
	*r = reader{bad: true}
	return 0
}

func (r *reader) string() string {
	n := r.number(len(r.s))
	if n > len(r.s) {
		*r = reader{bad: true}
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

func (r *reader) float() float64 {
	if len(r.s) < 8 {
		*r = reader{bad: true}
		return 0
	}
	f := math.Float64frombits(binary.LittleEndian.Uint64([]byte(r.s[:8])))
	r.s = r.s[8:]
	return f
}

func (r *reader) template() protect.Template {
	n := r.number(len(r.s) / 2) // a hole takes two bytes at least
	t := protect.Template{Text: make([]string, 1, n+1)}
	t.Text[0] = r.string()
	if n > 0 {
		t.Holes = make([]int, 0, n)
	}
	for range n {
		t.Holes = append(t.Holes, r.number(math.MaxInt32))
		t.Text = append(t.Text, r.string())
	}
	return t
}

// parseEntry reads what appendEntry has written behind the length.
func parseEntry(b []byte) (Entry, error) {
	r := reader{s: string(b)}
	e := Entry{Engine: r.string(), From: r.string(), To: r.string(), Source: r.template(), Target: r.template(), Rung: r.string()}
	e.Attempts = r.number(math.MaxInt32)
	e.Failed = r.string()
	if r.number(1) == 1 {
		score := r.float()
		e.Score = &score
	}
	if n := r.number(len(r.s) / 9); n > 0 {
		e.Checks = make(map[string]float64, n)
		for range n {
			name := r.string()
			e.Checks[name] = r.float()
		}
	}
	if e.Failed != "" && r.s != "" { // version 1 ends here
		e.Answer = r.string()
	}
	if r.bad || r.s != "" {
		return Entry{}, errEntry
	}
	if err := e.fit(); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", errEntry, err)
	}
	return e, nil
}
