package format

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// LLMC is llm.c's .bin: ids behind a header of 256 numbers. docs/formats/llmc.md shows it. Source: dev/data/data_common.py
// (HEADERS_INFO, write_datafile) and llmc/dataloader.h (dataloader_load_shard_) at f1e2ace6.
type LLMC struct{}

const llmcHeader = 256 * 4 // int32: magic, version, tokens, zeros

// llmcKinds are the models of HEADERS_INFO: "gpt-2" and "llama-3".
var llmcKinds = [...]struct {
	magic, version uint32
	dtype          Dtype
}{
	{20240520, 1, Uint16},
	{20240801, 7, Uint32},
}

var errTooMany = errors.New("shards: a shard of more than 2^31-1 tokens cannot be written in format llmc")

// Name implements Format.
func (LLMC) Name() string { return "llmc" }

// Suffixes implements Format.
func (LLMC) Suffixes() []string { return []string{".bin"} }

// Doc implements Format.
func (LLMC) Doc() string {
	return "llm.c's .bin: ids behind a header, each document begins with its EOD"
}

// Traits implements Format.
func (LLMC) Traits() Traits {
	return Traits{
		Unindexed: true, EODFirst: true, Mask: LossSuffix, Lead: true, Padded: true,
		MaxTokens: math.MaxInt32, // write_datafile: the number is an int32
	}
}

// Dtype implements Format.
func (LLMC) Dtype(vocabulary int) (Dtype, error) {
	if vocabulary <= uint16IDs {
		return Uint16, nil
	}
	return Uint32, nil
}

// Index implements Format.
func (LLMC) Index(Set, []Shard) ([]byte, error) { return nil, nil }

// NewWriter implements Format.
func (LLMC) NewWriter(s Set) Writer { return &llmcWriter{dtype: s.Dtype} }

type llmcWriter struct {
	NoExtras
	dtype  Dtype
	tokens int64
}

// Append implements Writer.
func (l *llmcWriter) Append(w io.Writer, s *Sequence) error {
	n := int64(len(s.Tokens) / l.dtype.Size())
	if n > math.MaxInt32-l.tokens {
		return errTooMany
	}
	l.tokens += n
	_, err := w.Write(s.Tokens)
	return err
}

// Lead implements Writer.
func (l *llmcWriter) Lead(w io.Writer) error {
	kind := llmcKinds[0]
	if l.dtype != Uint16 {
		kind = llmcKinds[1]
	}
	var head [llmcHeader]byte
	binary.LittleEndian.PutUint32(head[:], kind.magic)
	binary.LittleEndian.PutUint32(head[4:], kind.version)
	binary.LittleEndian.PutUint32(head[8:], uint32(l.tokens))
	_, err := w.Write(head[:])
	return err
}

// Open implements Format.
func (LLMC) Open(files []File, s Set, ends []int64) (Reader, error) {
	bin := files[0]
	if bin.Size < llmcHeader {
		return nil, NewFault(bin.Name, bin.Size, "the file ends within its header of %d bytes", llmcHeader)
	}
	w := window{File: bin}
	head, err := w.bytes(0, llmcHeader)
	if err != nil {
		return nil, err
	}
	magic, version, tokens := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	kind := llmcKinds[0]
	if magic == llmcKinds[1].magic {
		kind = llmcKinds[1]
	}
	if magic != kind.magic {
		return nil, NewFault(bin.Name, 0, "this is no file of llm.c's tokens: it begins with %d and not with %d (uint16) or %d (uint32)", magic, llmcKinds[0].magic, llmcKinds[1].magic)
	}
	if version != kind.version {
		return nil, NewFault(bin.Name, 4, "version %d; after %d only %d is known", version, magic, kind.version)
	}
	f, err := newFlat(bin, kind.dtype, llmcHeader)
	if err != nil {
		return nil, err
	}
	if tokens > math.MaxInt32 || int64(tokens) != f.tokens {
		return nil, NewFault(bin.Name, 8, "the header says %d tokens, and %d follow", int32(tokens), f.tokens)
	}
	u, err := newUnindexed(f, s, true, ends)
	if err != nil {
		return nil, err
	}
	return &llmcReader{u}, nil
}

type llmcReader struct{ *unindexed }

// Check implements Reader.
func (r *llmcReader) Check() error {
	head, err := r.file.bytes(0, llmcHeader)
	if err != nil {
		return err
	}
	for k := 12; k < llmcHeader; k++ {
		if head[k] != 0 {
			return NewFault(r.file.Name, int64(k), "the header has %#x behind the number of tokens, where zeros are right", head[k])
		}
	}
	return nil
}
