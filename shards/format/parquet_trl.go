package format

import (
	"io"
	"slices"

	"curate/corpus/parquet"
)

// Parquet is a table of tokenized rows as TRL's SFTTrainer takes them: input_ids, completion_mask, assistant_masks and
// seq_lengths.
// docs/formats/token-parquet.md shows it. Source: trl/trainer/sft_trainer.py at f2cd5771 (SFTTrainer._prepare_dataset
// and _set_signature_columns_if_needed, DataCollatorForLanguageModeling).
type Parquet struct{}

// The columns, in their order. A mask is there under both names that TRL has for it: of assistant_masks it takes notice in
// any case, of completion_mask only with completion_only_loss, which it does not set by itself for rows that are
// tokenized. Both hold the same, so that either setting trains on the same tokens.
const (
	inputIDs       = "input_ids"
	completionMask = "completion_mask"
	assistantMasks = "assistant_masks"
	seqLengths     = "seq_lengths"
)

// Name implements Format.
func (Parquet) Name() string { return "parquet" }

// Doc implements Format.
func (Parquet) Doc() string { return "a Parquet table of token ids, as TRL's SFTTrainer takes it" }

// Traits implements Format.
func (Parquet) Traits() Traits { return Traits{Rows: true, MaxTokens: parquetShard} }

// Dtype implements Format.
func (Parquet) Dtype(int) (Dtype, error) { return Int32, nil }

// Suffixes implements Format.
func (Parquet) Suffixes() []string { return []string{".parquet"} }

// Index implements Format.
func (Parquet) Index(Set, []Shard) ([]byte, error) { return nil, nil }

// trlColumns are those of a set, and where its mask and its lengths stand among them; 0 if they do not.
func trlColumns(s Set) (columns []parquet.Column, mask, lengths int) {
	columns = []parquet.Column{{Name: inputIDs, Type: parquet.Int32, List: true}}
	if s.Masked {
		mask = len(columns)
		columns = append(columns, parquet.Column{Name: completionMask, Type: parquet.Int8, List: true}, parquet.Column{Name: assistantMasks, Type: parquet.Int8, List: true})
	}
	if s.Packed {
		lengths = len(columns)
		columns = append(columns, parquet.Column{Name: seqLengths, Type: parquet.Int32, List: true})
	}
	return columns, mask, lengths
}

// NewWriter implements Format.
func (f Parquet) NewWriter(s Set) Writer {
	w := &trlWriter{}
	w.name = f.Name()
	w.columns, w.mask, w.lengths = trlColumns(s)
	return w
}

type trlWriter struct {
	tableWriter
	mask, lengths int
	ones          []byte
	pieces        []int32
}

// Append implements Writer.
func (w *trlWriter) Append(to io.Writer, s *Sequence) error {
	ids, err := w.row(to, s)
	if err != nil {
		return err
	}
	w.table.Ints(0, ids)
	if w.mask > 0 {
		mask := s.Mask
		if mask == nil {
			w.ones = appendOnes(w.ones[:0], len(ids))
			mask = w.ones
		}
		w.table.Bytes8(w.mask, mask)
		w.table.Bytes8(w.mask+1, mask)
	}
	if w.lengths > 0 {
		w.pieces = w.pieces[:0]
		for k, p := range s.Pieces {
			w.pieces = append(w.pieces, int32(pieceEnd(s, k, len(ids))-p.Start))
		}
		w.table.Ints(w.lengths, w.pieces)
	}
	return w.table.EndRow()
}

// Open implements Format.
func (Parquet) Open(files []File, s Set, ends []int64) (Reader, error) {
	columns, mask, lengths := trlColumns(s)
	t, err := openTable(files[0], columns, s, ends)
	if err != nil {
		return nil, err
	}
	return &trlReader{t, mask, lengths}, nil
}

type trlReader struct {
	*tableReader
	mask, lengths int
}

// AppendMask implements MaskReader.
func (r *trlReader) AppendMask(dst []byte, i int64) ([]byte, error) {
	if r.mask == 0 {
		ids, err := r.cell(0, i)
		return appendOnes(dst, len(ids)), err
	}
	mask, err := r.cell(r.mask, i)
	for k, m := range mask {
		if m != 0 && m != 1 {
			return dst, r.fault(i, "token %d has the mask %d; 0 and 1 are right", k, m)
		}
		dst = append(dst, byte(m))
	}
	return dst, err
}

// AppendStarts implements StartsReader.
func (r *trlReader) AppendStarts(dst []int, i int64) ([]int, error) {
	if r.lengths == 0 {
		return append(dst, 0), nil
	}
	lengths, err := r.cell(r.lengths, i)
	at := 0
	for _, n := range lengths {
		dst = append(dst, at)
		at += int(n)
	}
	return dst, err
}

// Check implements Reader.
func (r *trlReader) Check() error {
	var mask []byte
	return r.rows(func(i int64, ids []int32) (err error) {
		if r.mask > 0 {
			if mask, err = r.AppendMask(mask[:0], i); err != nil {
				return err
			}
			if len(mask) != len(ids) {
				return r.fault(i, "it has %d tokens, and %s has %d", len(ids), completionMask, len(mask))
			}
			again, err := r.cell(r.mask+1, i)
			if err != nil {
				return err
			}
			if !slices.EqualFunc(mask, again, func(a byte, b int32) bool { return int32(a) == b }) {
				return r.fault(i, "%s and %s differ", completionMask, assistantMasks)
			}
		}
		if r.lengths == 0 {
			return nil
		}
		lengths, err := r.cell(r.lengths, i)
		if err != nil {
			return err
		}
		sum := 0
		for k, n := range lengths {
			if n < 1 {
				return r.fault(i, "piece %d has %d tokens", k, n)
			}
			sum += int(n)
		}
		if sum != len(ids) {
			return r.fault(i, "it has %d tokens, and %s has pieces of %d together", len(ids), seqLengths, sum)
		}
		return nil
	})
}
