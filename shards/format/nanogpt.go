package format

import (
	"fmt"
	"io"
)

// NanoGPT is nanoGPT's train.bin: nothing but ids of two bytes. docs/formats/nanogpt.md shows it. Source: train.py
// (get_batch) and data/openwebtext/prepare.py at 3adf61e1.
type NanoGPT struct{}

// uint16IDs is how many ids two bytes can tell apart.
const uint16IDs = 1 << 16

// Name implements Format.
func (NanoGPT) Name() string { return "nanogpt" }

// Suffixes implements Format.
func (NanoGPT) Suffixes() []string { return []string{".bin"} }

// Doc implements Format.
func (NanoGPT) Doc() string { return "nanoGPT's train.bin: nothing but ids of two bytes" }

// Traits implements Format.
func (NanoGPT) Traits() Traits {
	return Traits{Unindexed: true, Mask: LossSuffix, Name: "train", Single: true}
}

// Dtype implements Format.
func (NanoGPT) Dtype(vocabulary int) (Dtype, error) {
	if vocabulary > uint16IDs {
		return 0, fmt.Errorf("shards: nanoGPT reads uint16 only, and the tokenizer has %d ids, which is more than %d; olmo and llmc hold them in four bytes", vocabulary, uint16IDs)
	}
	return Uint16, nil
}

// Index implements Format.
func (NanoGPT) Index(Set, []Shard) ([]byte, error) { return nil, nil }

// NewWriter implements Format.
func (NanoGPT) NewWriter(Set) Writer { return nanogptWriter{} }

type nanogptWriter struct{ NoExtras }

// Append implements Writer.
func (nanogptWriter) Append(w io.Writer, s *Sequence) error {
	_, err := w.Write(s.Tokens)
	return err
}

// Open implements Format.
func (NanoGPT) Open(files []File, s Set, ends []int64) (Reader, error) {
	f, err := newFlat(files[0], Uint16, 0)
	if err != nil {
		return nil, err
	}
	u, err := newUnindexed(f, s, false, ends)
	if err != nil {
		return nil, err
	}
	return u, nil
}
