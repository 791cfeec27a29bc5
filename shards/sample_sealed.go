package shards

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// A sealed file of a Sampler holds the documents of each group in the order in which they are taken:
//
//	┌──────────┬─────────────────────────┬───┬───────────┐
//	│ magic 8B │ group, again and again  │ 0 │ groups uv │
//	└──────────┴─────────────────────────┴───┴───────────┘
//	group:     length+1 uv │ name │ documents uv │ measure uv │ document, again and again
//	document:  key u64 │ ID u64 │ measure u32
//
// uv is an unsigned varint of encoding/binary; the numbers of a document are big-endian. Names rise bytewise, and so do
// the documents of a group, of which there is one at least; the group's measure is the sum of theirs. The last number is
// how many groups there were, and the file ends with it.
const sampleMagic = "cursamp\x01"

// sampleWidth is what a document takes.
const sampleWidth = 8 + 8 + measureWidth

func appendSampleGroup(dst, name []byte, documents, measure uint64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(name))+1)
	dst = append(dst, name...)
	dst = binary.AppendUvarint(dst, documents)
	return binary.AppendUvarint(dst, measure)
}

var errSampleGroups = fmt.Errorf("sample: there are more than %d groups; group by a field of fewer values, such as the language or the source", maxSampleGroups)

// NewPartial implements stage.Reducer.
func (s *Sampler) NewPartial() stage.Partial {
	return &samplePartial{s: s, groups: map[string]*sampleBlocks{}}
}

type samplePartial struct {
	s      *Sampler
	groups map[string]*sampleBlocks
	bytes  int
}

// sampleBlocks are documents of a group as they came, a block a batch.
type sampleBlocks struct {
	blocks  [][]byte
	measure uint64
	open    []byte // of the batch at hand
}

// Add implements stage.Partial.
func (p *samplePartial) Add(b *record.Batch) error {
	last, g := []byte(nil), (*sampleBlocks)(nil)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		key := r.Key()
		if len(key) < measureWidth {
			return fmt.Errorf("sample: record %d has a key of %d bytes; Key must run before Add", r.ID, len(key))
		}
		if name := key[measureWidth:]; g == nil || !bytes.Equal(name, last) {
			var err error
			if g, err = p.group(name); err != nil {
				return err
			}
			last = name
		}
		measure := binary.BigEndian.Uint32(key)
		g.measure += uint64(measure)
		if g.open == nil {
			rest := len(b.Records) - i
			if len(p.groups) > 1 {
				rest = min(rest, 8)
			}
			g.open = make([]byte, 0, rest*sampleWidth)
		}
		g.open = binary.BigEndian.AppendUint64(g.open, ShuffleKey(p.s.cfg.Seed, uint64(r.ID)))
		g.open = binary.BigEndian.AppendUint64(g.open, uint64(r.ID))
		g.open = binary.BigEndian.AppendUint32(g.open, measure)
	}
	for _, g := range p.groups {
		if g.open != nil {
			p.bytes += cap(g.open) + 24
			g.blocks, g.open = append(g.blocks, g.open), nil
		}
	}
	return nil
}

// groupCost is about what the entry of a group takes beside its name, in bytes.
const groupCost = 128

func (p *samplePartial) group(name []byte) (*sampleBlocks, error) {
	g := p.groups[string(name)]
	if g == nil {
		if len(p.groups) == maxSampleGroups {
			return nil, errSampleGroups
		}
		g = &sampleBlocks{}
		p.groups[string(name)] = g
		p.bytes += len(name) + groupCost
	}
	return g, nil
}

// Join implements stage.Partial.
func (p *samplePartial) Join(next stage.Partial) error {
	n, ok := next.(*samplePartial)
	if !ok {
		return fmt.Errorf("sample: a %T cannot be joined", next)
	}
	for name, from := range n.groups {
		to, err := p.group([]byte(name))
		if err != nil {
			return err
		}
		for _, b := range from.blocks {
			p.bytes += cap(b) + 24
		}
		to.blocks = append(to.blocks, from.blocks...)
		to.measure += from.measure
	}
	n.groups, n.bytes = nil, 0
	return nil
}

// Size implements stage.Partial: Seal makes a second copy of a group.
func (p *samplePartial) Size() int { return 2 * p.bytes }

// Seal implements stage.Partial.
func (p *samplePartial) Seal(w io.Writer) error {
	sw := bufio.NewWriter(w)
	sw.WriteString(sampleMagic)
	names := slices.Sorted(maps.Keys(p.groups))
	var head []byte
	for _, name := range names {
		g := p.groups[name]
		items := runs.SortBlocks(g.blocks, sampleWidth)
		g.blocks = nil
		head = appendSampleGroup(head[:0], []byte(name), uint64(len(items)/sampleWidth), g.measure)
		sw.Write(head)
		sw.Write(items)
	}
	p.groups = nil
	sw.Write(binary.AppendUvarint([]byte{0}, uint64(len(names))))
	return sw.Flush()
}

// sampleGroup is what a sealed file says of a group in front of its documents.
type sampleGroup struct {
	name               []byte
	documents, measure uint64
}

// sampleReader reads the heads of a sealed file; whoever uses it reads the documents between them.
type sampleReader struct {
	*runs.Reader
	grouped bool
	last    []byte
	groups  uint64
	sampleGroup
}

func (s *Sampler) openSealed(r io.Reader, buffer, input int) (*sampleReader, error) {
	sr := &sampleReader{Reader: runs.NewReader(r, buffer, "sample", input), grouped: s.cfg.By.String() != ""}
	return sr, sr.Magic(sampleMagic, "sample")
}

// next reads the head of the next group, behind the documents of the one before. ok is false at the end of the file.
func (s *sampleReader) next() (ok bool, err error) {
	n, err := s.Number()
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, s.End(s.groups, "groups")
	}
	if n--; n > 1+maxGroupName {
		return false, s.Corrupt("the name of a group is too long")
	}
	s.last, s.name = s.name, make([]byte, n)
	if err := s.Full(s.name); err != nil {
		return false, err
	}
	if !checkGroup(s.name, s.grouped) {
		return false, s.Corrupt("the name is none of a group")
	}
	if s.groups > 0 && bytes.Compare(s.name, s.last) <= 0 {
		return false, s.Corrupt("names do not rise")
	}
	if s.documents, err = s.Number(); err != nil {
		return false, err
	}
	if s.measure, err = s.Number(); err != nil {
		return false, err
	}
	if s.groups++; s.groups > maxSampleGroups || s.documents == 0 || s.documents > math.MaxInt64/sampleWidth || s.measure > math.MaxInt64 {
		return false, s.Corrupt("no such number of groups, documents or tokens can be")
	}
	return true, nil
}

const (
	// sampleBuffer is what Merge reads of a file at a time, in bytes: heads and documents, and the same again where groups
	// are merged.
	sampleBuffer = 16 << 10
	sampleWindow = 64 << 10
)

// Merge implements stage.Reducer.
func (s *Sampler) Merge(w io.Writer, sealed []io.Reader) error {
	in := make([]*sampleReader, len(sealed))
	more := make([]bool, len(sealed))
	var err error
	for i, r := range sealed {
		if in[i], err = s.openSealed(r, sampleBuffer, i); err != nil {
			return err
		}
		if more[i], err = in[i].next(); err != nil {
			return err
		}
	}
	out := bufio.NewWriterSize(w, sampleWindow)
	out.WriteString(sampleMagic)
	space := make([]byte, len(in)*sampleBuffer)
	groups := uint64(0)
	for ; ; groups++ {
		var name []byte
		found := false
		for i := range in {
			if more[i] && (!found || bytes.Compare(in[i].name, name) < 0) {
				name, found = in[i].name, true
			}
		}
		if !found {
			break
		}
		if groups == maxSampleGroups {
			return errSampleGroups
		}
		// Readers of the files that have the group, and none of the others, so that errors have the files' numbers.
		documents := make([]io.Reader, len(in))
		var sum sampleGroup
		for i, f := range in {
			documents[i] = bytes.NewReader(nil)
			if more[i] && bytes.Equal(f.name, name) {
				documents[i] = io.LimitReader(f, int64(f.documents)*sampleWidth)
				sum.documents += f.documents
				sum.measure += f.measure
			}
		}
		if sum.measure > math.MaxInt64 {
			return fmt.Errorf("sample: the documents of group %q have more than 2^63-1 %s", groupLabel(string(name)), s.unit())
		}
		out.Write(appendSampleGroup(nil, name, sum.documents, sum.measure))
		items := runs.NewIterator(documents, sampleWidth, space)
		n := uint64(0)
		for ; items.Next(); n++ {
			if _, err := out.Write(items.Item()); err != nil {
				return err
			}
		}
		if err := items.Err(); err != nil {
			return fmt.Errorf("sample: sealed files: %w", err)
		}
		if n != sum.documents {
			return fmt.Errorf("sample: sealed files end %d documents too early in group %q; remove them and run again", sum.documents-n, groupLabel(string(name)))
		}
		for i, f := range in {
			if more[i] && bytes.Equal(f.name, name) {
				if more[i], err = f.next(); err != nil {
					return err
				}
			}
		}
	}
	out.Write(binary.AppendUvarint([]byte{0}, groups))
	return out.Flush()
}
