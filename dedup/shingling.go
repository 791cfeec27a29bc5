package dedup

import (
	"runtime"

	"curate/record"
)

// textOf is the text of a record that is to be compared. ok is false of a record that an earlier stage has settled, and of one
// that is quarantined here: it has no text, or annotate, which writes into every record, could not write into this one, and
// then nothing is to be a duplicate of it. scratch is as in Record.Text.
func textOf(r *record.Record, field record.Path, annotate bool, scratch *[]byte) (text []byte, ok bool) {
	if r.Outcome != record.Keep {
		return nil, false
	}
	var err error
	if annotate {
		err = r.CanSet(curateDedup)
	}
	if err == nil {
		text, err = r.Text(field, scratch)
	}
	if err != nil {
		r.QuarantineFor(err)
		return nil, false
	}
	return text, true
}

// shingling is what a worker holds of the text at work, and keeps from one to the next.
type shingling struct {
	text      []byte // scratch of textOf
	scratch   Scratch
	shingles  []uint64
	signature []uint64
	buckets   []uint64
	key       []byte
}

// cut makes the shingles of a text.
func (s *shingling) cut(scheme *Scheme, text []byte) {
	s.scratch.reserve(text)
	s.shingles = scheme.Shingles(s.shingles[:0], text, &s.scratch)
}

// sign makes the signature of the shingles, and its buckets.
func (s *shingling) sign(scheme *Scheme) {
	s.signature = scheme.Signature(s.signature[:0], s.shingles)
	s.buckets = scheme.AppendBuckets(s.buckets[:0], s.signature)
}

// large says whether the text at work has taken more than a worker keeps.
func (s *shingling) large(text []byte) bool {
	return len(text) > scratchLimit || 8*cap(s.shingles) > scratchLimit
}

// release gives up what a large text has taken; the text is used no more.
func (s *shingling) release(text []byte) {
	if s.large(text) {
		s.text, s.shingles, s.scratch = nil, nil, Scratch{}
	}
}

// collectFrom: a key of so many bytes is copied twice, and before that the garbage of making it is collected, as the
// engine does around a giant record. Beside the text's own work it costs nothing.
const collectFrom = 8 << 20

// setKey gives a record a key with its shingles in it, which is as large as the text; if that was large, nothing of either is
// kept.
func (s *shingling) setKey(r *record.Record, key []byte, large bool) {
	if large {
		s.shingles = nil
	}
	if len(key) > collectFrom {
		runtime.GC()
	}
	r.SetKey(key)
	if s.key = key; large {
		s.key = nil
	}
}
