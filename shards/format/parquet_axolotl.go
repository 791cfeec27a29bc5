package format

import (
	"io"

	"curate/corpus/parquet"
)

// ParquetAxolotl is a table of tokenized rows as axolotl takes them, in the types that its own prepared datasets have,
// so that it can join the two. docs/formats/token-parquet.md shows it. Source: axolotl 0.18.0 at 067b021c,
// src/axolotl/utils/data/wrappers.py (_is_dataset_already_tokenized) and src/axolotl/utils/trainer.py
// (add_position_ids, calculate_total_num_steps).
type ParquetAxolotl struct{}

const (
	axolotlIDs = iota
	axolotlAttention
	axolotlLabels
	axolotlPositions // packed rows only
	axolotlLength
)

// ignored is the label of a token that is not learnt: the default of torch's cross_entropy (ignore_index).
const ignored = -100

var axolotlColumns = [...]parquet.Column{
	axolotlIDs:       {Name: inputIDs, Type: parquet.Int32, List: true},
	axolotlAttention: {Name: "attention_mask", Type: parquet.Int8, List: true},
	axolotlLabels:    {Name: "labels", Type: parquet.Int64, List: true},
	axolotlPositions: {Name: "position_ids", Type: parquet.Int64, List: true},
	axolotlLength:    {Name: "length", Type: parquet.Int64},
}

func columnsOfAxolotl(s Set) []parquet.Column {
	if s.Packed {
		return axolotlColumns[:]
	}
	return axolotlColumns[:axolotlPositions]
}

// Name implements Format.
func (ParquetAxolotl) Name() string { return "parquet-axolotl" }

// Doc implements Format.
func (ParquetAxolotl) Doc() string {
	return "a Parquet table of token ids and labels, as axolotl takes it"
}

// Traits implements Format.
func (ParquetAxolotl) Traits() Traits { return Traits{Rows: true, MaxTokens: parquetShard} }

// Dtype implements Format.
func (ParquetAxolotl) Dtype(int) (Dtype, error) { return Int32, nil }

// Suffixes implements Format.
func (ParquetAxolotl) Suffixes() []string { return []string{".parquet"} }

// Index implements Format.
func (ParquetAxolotl) Index(Set, []Shard) ([]byte, error) { return nil, nil }

// NewWriter implements Format.
func (f ParquetAxolotl) NewWriter(s Set) Writer {
	w := &axolotlWriter{packed: s.Packed}
	w.name, w.columns = f.Name(), columnsOfAxolotl(s)
	return w
}

type axolotlWriter struct {
	tableWriter
	packed            bool
	ones              []byte
	labels, positions []int64
}

// Append implements Writer.
func (w *axolotlWriter) Append(to io.Writer, s *Sequence) error {
	ids, err := w.row(to, s)
	if err != nil {
		return err
	}
	w.table.Ints(axolotlIDs, ids)
	w.ones = appendOnes(w.ones[:0], len(ids))
	w.table.Bytes8(axolotlAttention, w.ones)
	w.labels = w.labels[:0]
	for k, id := range ids {
		if s.Mask != nil && s.Mask[k] == 0 {
			id = ignored
		}
		w.labels = append(w.labels, int64(id))
	}
	w.table.Int64s(axolotlLabels, w.labels)
	if w.packed {
		w.positions = w.positions[:0]
		for k, p := range s.Pieces {
			for n := range pieceEnd(s, k, len(ids)) - p.Start {
				w.positions = append(w.positions, int64(n))
			}
		}
		w.table.Int64s(axolotlPositions, w.positions)
		w.table.Int64(axolotlLength, int64(len(ids)))
	}
	return w.table.EndRow()
}

// Open implements Format.
func (ParquetAxolotl) Open(files []File, s Set, ends []int64) (Reader, error) {
	t, err := openTable(files[0], columnsOfAxolotl(s), s, ends)
	if err != nil {
		return nil, err
	}
	return axolotlReader{t}, nil
}

type axolotlReader struct{ *tableReader }

// AppendMask implements MaskReader.
func (r axolotlReader) AppendMask(dst []byte, i int64) ([]byte, error) {
	labels, err := r.cell(axolotlLabels, i)
	for _, l := range labels {
		m := byte(1)
		if l == ignored {
			m = 0
		}
		dst = append(dst, m)
	}
	return dst, err
}

// AppendStarts implements StartsReader.
func (r axolotlReader) AppendStarts(dst []int, i int64) ([]int, error) {
	if !r.set.Packed {
		return append(dst, 0), nil
	}
	positions, err := r.cell(axolotlPositions, i)
	for k, p := range positions {
		if p == 0 {
			dst = append(dst, k)
		}
	}
	return dst, err
}

// Check implements Reader.
func (r axolotlReader) Check() error {
	return r.rows(func(i int64, ids []int32) error {
		attention, err := r.column(axolotlAttention, i, len(ids))
		if err != nil {
			return err
		}
		labels, err := r.column(axolotlLabels, i, len(ids))
		if err != nil {
			return err
		}
		for k, id := range ids {
			if attention[k] != 1 {
				return r.fault(i, "token %d has the attention mask %d; only padding would not have 1", k, attention[k])
			}
			if l := labels[k]; l != id && (l != ignored || !r.set.Masked) {
				return r.fault(i, "token %d is %d, and its label %d", k, id, l)
			}
		}
		if !r.set.Packed {
			return nil
		}
		positions, err := r.column(axolotlPositions, i, len(ids))
		if err != nil {
			return err
		}
		for k, p := range positions {
			if p != 0 && (k == 0 || p != positions[k-1]+1) {
				return r.fault(i, "token %d has the position %d, which neither follows the one before nor begins a piece", k, p)
			}
		}
		length, err := r.cell(axolotlLength, i)
		if err != nil {
			return err
		}
		if len(length) != 1 || int(length[0]) != len(ids) {
			return r.fault(i, "it has %d tokens, and its length is %d", len(ids), length)
		}
		return nil
	})
}

// column gives a column of row i, which must have a value for each of its tokens.
func (r axolotlReader) column(column int, i int64, tokens int) ([]int32, error) {
	v, err := r.cell(column, i)
	if err == nil && len(v) != tokens {
		err = r.fault(i, "it has %d tokens, and %s has %d", tokens, r.columns[column].Name, len(v))
	}
	return v, err
}
