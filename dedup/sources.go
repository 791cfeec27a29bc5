package dedup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"curate/record"
	"curate/stage"
)

// A record's source is the value of a field, such as "wiki", or, where it has none, its input: "input-3" for the third of
// the manifest. What a Reducer seals of a split begins with the split's sources, how many records they have, and how many
// bytes of text:
//
//	head     u32 bytes that follow, u32 number of sources, and for each
//	source   u64 number, u64 records, u64 bytes of text, u16 bytes of name, name
//
// little-endian, ascending by number. A source's number is a hash of its name, so that no record needs more than 8 bytes
// to say its source, and nobody needs to hand numbers out.
const (
	headWidth   = 4 + 4
	sourceWidth = 8 + 8 + 8 + 2
	// maxSources are told apart; of more, those with the least numbers are, and the others are one, otherSources. So
	// whatever is added up in whatever order has the same sources.
	maxSources = 1000
	// maxSource is the longest name, in bytes. What is longer is no source but a text.
	maxSource = 256
	maxHead   = headWidth + (maxSources+1)*(sourceWidth+maxSource)

	// otherSources is the number of all sources beyond maxSources. Numbers are even: the last bit of the 8 bytes is
	// unwritable.
	otherSources = math.MaxUint64 &^ 1
	// unwritable marks a record that cannot hold a verdict: where it should go, it is quarantined instead, and so is
	// counted there and has no evidence.
	unwritable = 1
)

// sourceNumber is the number of the source of that name.
func sourceNumber(name []byte) uint64 { return min(xxhash.Sum64(name)&^1, otherSources-2) }

// DefaultSourceField is where a record's source stands.
const DefaultSourceField = "source"

// appendSource appends the name of a record's source. The value of a field that is a string, a number or a boolean is
// one, as text.
func appendSource(dst []byte, r *record.Record, field record.Path, scratch *[]byte) []byte {
	if v, ok := r.Value(field); ok {
		switch {
		case v[0] == '"':
			if text, err := r.Text(field, scratch); err == nil && len(text) > 0 && len(text) <= maxSource && utf8.Valid(text) {
				return append(dst, text...)
			}
		case v[0] != 'n' && v[0] != '{' && v[0] != '[' && len(v) <= maxSource:
			return append(dst, v...)
		}
	}
	return strconv.AppendInt(append(dst, "input-"...), int64(r.ID.File()), 10)
}

// source is how much there is of one.
type source struct {
	name             []byte
	documents, bytes int64
}

// sources are those of some records, by number.
type sources map[uint64]*source

// errSources is an error that nobody will see: 1,000 names have the same 63 bits with a probability of 5e-14.
var errSources = errors.New("two sources have the same hash; rename one")

// add counts records.
func (s sources) add(number uint64, name []byte, documents, textBytes int64) error {
	have := s[number]
	switch {
	case have == nil:
		s[number] = &source{bytes.Clone(name), documents, textBytes}
		if len(s) > 2*maxSources {
			s.prune()
		}
		return nil
	case !bytes.Equal(have.name, name):
		return fmt.Errorf("%w: %q and %q", errSources, have.name, name)
	}
	have.documents += documents
	have.bytes += textBytes
	return nil
}

// numbers are in order.
func (s sources) numbers() []uint64 {
	list := make([]uint64, 0, len(s))
	for n := range s {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// prune leaves maxSources, and the sum of the others. One that is left was left wherever a part of it was counted, so its
// sums are whole.
func (s sources) prune() {
	list := s.numbers()
	if n := len(list); n > 0 && list[n-1] == otherSources {
		list = list[:n-1]
	}
	if len(list) <= maxSources {
		return
	}
	rest := s[otherSources]
	if rest == nil {
		rest = &source{}
		s[otherSources] = rest
	}
	for _, n := range list[maxSources:] {
		rest.documents += s[n].documents
		rest.bytes += s[n].bytes
		delete(s, n)
	}
}

// join adds those of others.
func (s sources) join(o sources) error {
	for n, src := range o {
		if err := s.add(n, src.name, src.documents, src.bytes); err != nil {
			return err
		}
	}
	return nil
}

// size is about what they take, in bytes.
func (s sources) size() int { return len(s) * 192 }

// appendHead appends them as the head of what is sealed.
func (s sources) appendHead(dst []byte) []byte {
	s.prune()
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
	for _, n := range s.numbers() {
		src := s[n]
		dst = binary.LittleEndian.AppendUint64(dst, n)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(src.documents))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(src.bytes))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(src.name)))
		dst = append(dst, src.name...)
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// decode adds what a head has behind its length.
func (s sources) decode(b []byte) error {
	damaged := fmt.Errorf("%w: its sources make no sense", ErrSets)
	le := binary.LittleEndian
	if len(b) < 4 {
		return damaged
	}
	n := le.Uint32(b)
	b = b[4:]
	last := uint64(0)
	for i := range n {
		if len(b) < sourceWidth {
			return damaged
		}
		number, documents, size, k := le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), int(le.Uint16(b[24:]))
		b = b[sourceWidth:]
		if k > maxSource || k > len(b) || i > 0 && number <= last || number&unwritable != 0 || documents > maxID || size > maxID {
			return damaged
		}
		name := b[:k]
		if b = b[k:]; number != otherSources && number != sourceNumber(name) || number == otherSources && k > 0 {
			return damaged
		}
		if err := s.add(number, name, int64(documents), int64(size)); err != nil {
			return err
		}
		last = number
	}
	if len(b) > 0 {
		return damaged
	}
	return nil
}

// readHead adds the sources at the beginning of a stream, and leaves what follows.
func (s sources) readHead(r io.Reader) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return headError(err)
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > maxHead {
		return fmt.Errorf("%w: %d bytes of sources", ErrSets, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return headError(err)
	}
	return s.decode(b)
}

func headError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: ends inside its sources", ErrSets)
	}
	return err
}

// mergeHeads writes the head of streams that are merged, each of which is then behind its own.
func mergeHeads(w io.Writer, sealed []io.Reader) error {
	all := sources{}
	for i, r := range sealed {
		if err := all.readHead(r); err != nil {
			return fmt.Errorf("run %d: %w", i, err)
		}
	}
	_, err := w.Write(all.appendHead(nil))
	return err
}

// behindHead is an open file without its head. Who opened the file closes it.
type behindHead struct{ *io.SectionReader }

func (behindHead) Close() error { return nil }

// openHeads reads the heads of sealed files and gives the files without them.
func openHeads(sealed []stage.Sealed) ([]stage.Sealed, sources, error) {
	all := sources{}
	rest := make([]stage.Sealed, len(sealed))
	for i, f := range sealed {
		head := io.NewSectionReader(f.Data, 0, f.Size)
		if err := all.readHead(head); err != nil {
			return nil, nil, fmt.Errorf("run %d: %w", i, err)
		}
		at, _ := head.Seek(0, io.SeekCurrent) // never fails
		rest[i] = stage.Sealed{Size: f.Size - at, Data: behindHead{io.NewSectionReader(f.Data, at, f.Size-at)}}
	}
	all.prune()
	return rest, all, nil
}

// name is what a source is called in findings: nil for those that are not told apart.
func (s sources) name(number uint64) []byte {
	if src := s[number&^unwritable]; src != nil {
		return src.name
	}
	return nil
}

// fold is the number that a source has among those that are told apart.
func (s sources) fold(number uint64) uint64 {
	if number &^= unwritable; s[number] != nil {
		return number
	}
	return otherSources
}

// appendKeyHead begins a record's key: what the sources need to know of it.
func appendKeyHead(key []byte, number uint64, textBytes uint32, name []byte) []byte {
	key = binary.LittleEndian.AppendUint64(key, number)
	key = binary.LittleEndian.AppendUint32(key, textBytes)
	key = binary.LittleEndian.AppendUint16(key, uint16(len(name)))
	return append(key, name...)
}

const keyHead = 8 + 4 + 2

// takeKeyHead counts a record by its key, and returns what else that has.
func (s sources) takeKeyHead(key []byte) (number uint64, rest []byte, err error) {
	le := binary.LittleEndian
	if len(key) < keyHead || len(key) < keyHead+int(le.Uint16(key[12:])) {
		return 0, nil, errKey
	}
	number = le.Uint64(key)
	end := keyHead + int(le.Uint16(key[12:]))
	return number, key[end:], s.add(number&^unwritable, key[keyHead:end], 1, int64(le.Uint32(key[8:])))
}

// behindKeyHead is what a key has that takeKeyHead has counted.
func behindKeyHead(key []byte) []byte { return key[keyHead+int(binary.LittleEndian.Uint16(key[12:])):] }

var errKey = errors.New("has a key that is none of the stage's; Key must run before Add")
