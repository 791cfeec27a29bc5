package format

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Datatrove is what datatrove's DocumentTokenizer writes and nanotron's Nanoset reads: ids, where sequences end, and a
// text of three lines. docs/formats/datatrove.md shows them. Source: src/datatrove/pipeline/tokens/tokenizer.py
// (TokenizedFile) and src/datatrove/utils/dataset.py (DatatroveFileDataset) of datatrove 0.10.1.
type Datatrove struct{}

const (
	datatroveIndex    = ".ds.index"
	datatroveMetadata = ".ds.metadata"

	// datatroveNobody stands for a tokenizer without a name (write_final_metadata). datatrove writes the size of an id
	// twice behind it, which its DocumentTokenizerMerger and nanotron cannot read: both take the line apart at one "|".
	datatroveNobody = "Unknown Tokenizer"
)

// Name implements Format.
func (Datatrove) Name() string { return "datatrove" }

// Suffixes implements Format.
func (Datatrove) Suffixes() []string { return []string{".ds", datatroveIndex, datatroveMetadata} }

// Doc implements Format.
func (Datatrove) Doc() string {
	return "datatrove's tokenized files, which nanotron reads: .ds, .ds.index and .ds.metadata"
}

// Traits implements Format.
func (Datatrove) Traits() Traits { return Traits{Mask: ".ds.loss", Padded: true, Extra: 1} }

// Dtype implements Format. The limit is that of PipelineStepWithTokenizer.token_size (utils/tokenization.py).
func (Datatrove) Dtype(vocabulary int) (Dtype, error) {
	if vocabulary <= uint16IDs {
		return Uint16, nil
	}
	return Uint32, nil
}

// Index implements Format.
func (Datatrove) Index(Set, []Shard) ([]byte, error) { return nil, nil }

// NewWriter implements Format.
func (Datatrove) NewWriter(s Set) Writer { return &datatroveWriter{set: s} }

// datatroveWriter holds 8 bytes a sequence.
type datatroveWriter struct {
	NoExtras
	set    Set
	tokens int64
	ends   []int64
}

// Append implements Writer.
func (d *datatroveWriter) Append(w io.Writer, s *Sequence) error {
	d.tokens += int64(len(s.Tokens) / d.set.Dtype.Size())
	d.ends = append(d.ends, d.tokens)
	_, err := w.Write(s.Tokens)
	return err
}

// Side implements Writer.
func (d *datatroveWriter) Side(suffix string, w io.Writer) error {
	if suffix == datatroveMetadata {
		text, err := datatroveText(d.set, d.tokens)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, text)
		return err
	}
	bw := bufio.NewWriterSize(w, windowSize)
	var b [8]byte
	for _, end := range d.ends {
		binary.LittleEndian.PutUint64(b[:], uint64(end))
		bw.Write(b[:]) // an error of the buffer is that of Flush
	}
	return bw.Flush()
}

// datatroveText is the .ds.metadata of so many tokens.
func datatroveText(s Set, tokens int64) (string, error) {
	name := s.Tokenizer
	if name == "" {
		name = datatroveNobody
	}
	if strings.ContainsAny(name, "|\r\n") {
		return "", fmt.Errorf("shards: the tokenizer is called %q; format datatrove has its name in a line before a |, so that it cannot hold either", name)
	}
	return fmt.Sprintf("%s|%d\n%d\n%s", name, s.Dtype.Size(), tokens, datatroveMetric(tokens)), nil
}

// datatroveMetric is the number for people, as humanize.metric(n, unit="T") of humanize 4.17 writes it: three digits of
// it, and a letter for the power of thousand. It divides as that does, in float64, and in the same order.
func datatroveMetric(n int64) string {
	power := len(strconv.FormatInt(n, 10)) - 1
	value := float64(n) / float64(pow10(power/3*3))
	text := strconv.FormatFloat(value, 'f', 2-power%3, 64)
	// What is rounded up to a power of thousand gets the next letter: 999,999 is 1.00 M.
	if rounded, _ := strconv.ParseFloat(text, 64); rounded >= float64(pow10(power%3+1)) {
		if power++; power%3 == 0 {
			value /= 1000
		}
		text = strconv.FormatFloat(value, 'f', 2-power%3, 64)
	}
	unit := "T"
	if power >= 3 {
		unit = "kMGTPE"[power/3-1:power/3] + unit
	}
	return text + " " + unit
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}

// Open implements Format.
func (Datatrove) Open(files []File, s Set, _ []int64) (Reader, error) {
	d := Uint16
	if s.Dtype != Uint16 {
		d = Uint32
	}
	ds, index := files[0], files[1]
	f, err := newFlat(ds, d, 0)
	if err != nil {
		return nil, err
	}
	if rest := index.Size % 8; rest != 0 {
		return nil, NewFault(index.Name, index.Size-rest, "the file ends with %d bytes of a number that has 8", rest)
	}
	return &datatroveReader{flat: f, index: window{File: index}, metadata: window{File: files[2]}, set: s}, nil
}

type datatroveReader struct {
	flat
	index, metadata window
	set             Set
}

// Dtype implements Reader.
func (r *datatroveReader) Dtype() Dtype { return r.dtype }

// Sequences implements Reader.
func (r *datatroveReader) Sequences() int64 { return r.index.Size / 8 }

// span says where sequence i begins and ends, in tokens.
func (r *datatroveReader) span(i int64) (from, to int64, err error) {
	if i > 0 {
		if from, err = r.end(i - 1); err != nil {
			return 0, 0, err
		}
	}
	if to, err = r.end(i); err != nil {
		return 0, 0, err
	}
	if to < from {
		return 0, 0, NewFault(r.index.Name, 8*i, "sequence %d ends at token %d, and the one before at %d", i, to, from)
	}
	return from, to, nil
}

func (r *datatroveReader) end(i int64) (int64, error) {
	v, err := r.index.uint64(8 * i)
	if err != nil {
		return 0, err
	}
	if v > uint64(r.tokens) {
		return 0, NewFault(r.index.Name, 8*i, "sequence %d ends at token %d, and %s has %d", i, v, r.file.Name, r.tokens)
	}
	return int64(v), nil
}

// AppendTokens implements Reader.
func (r *datatroveReader) AppendTokens(dst []uint32, i int64) ([]uint32, error) {
	from, to, err := r.span(i)
	if err != nil {
		return dst, err
	}
	return r.appendTokens(dst, from, to)
}

// Place implements Reader.
func (r *datatroveReader) Place(i, k int64) (string, int64) {
	from, _, err := r.span(i)
	if err != nil {
		return r.file.Name, -1
	}
	return r.file.Name, r.at(from + k)
}

// Check implements Reader.
func (r *datatroveReader) Check() error {
	last := int64(0)
	for i := range r.Sequences() {
		_, to, err := r.span(i)
		if err != nil {
			return err
		}
		last = to
	}
	if last != r.tokens {
		return NewFault(r.file.Name, r.at(last), "the file has %d tokens, and the sequences of %s take %d", r.tokens, r.index.Name, last)
	}
	return r.checkText()
}

// checkText wants the text that belongs to the set and the tokens, and names the line that differs.
func (r *datatroveReader) checkText() error {
	want, err := datatroveText(r.set, r.tokens)
	if err != nil {
		return err
	}
	size := r.metadata.Size
	got, err := r.metadata.bytes(0, int(min(size, int64(len(want))+1)))
	if err != nil {
		return err
	}
	if string(got) == want {
		return nil
	}
	k := 0
	for k < min(len(got), len(want)) && got[k] == want[k] {
		k++
	}
	line := strings.Count(want[:k], "\n")
	return NewFault(r.metadata.Name, int64(k), "line %d differs; %q is right", line+1, strings.Split(want, "\n")[line])
}
