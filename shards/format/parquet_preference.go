package format

import (
	"io"

	"curate/corpus/parquet"
)

// ParquetPreference is a table of tokenized preference pairs, in the columns that TRL's DPOTrainer makes and its
// collator takes. docs/formats/token-parquet.md shows it. Source: trl/trainer/dpo_trainer.py at f2cd5771
// (DataCollatorForPreference, DPOTrainer._set_signature_columns_if_needed).
type ParquetPreference struct{}

var preferenceColumns = [...]parquet.Column{
	{Name: "prompt_ids", Type: parquet.Int32, List: true},
	{Name: "chosen_ids", Type: parquet.Int32, List: true},
	{Name: "rejected_ids", Type: parquet.Int32, List: true},
}

// Name implements Format.
func (ParquetPreference) Name() string { return "parquet-preference" }

// Doc implements Format.
func (ParquetPreference) Doc() string {
	return "a Parquet table of preference pairs, as TRL's DPOTrainer has it"
}

// Traits implements Format.
func (ParquetPreference) Traits() Traits {
	return Traits{Rows: true, Pairs: true, MaxTokens: parquetShard}
}

// Dtype implements Format.
func (ParquetPreference) Dtype(int) (Dtype, error) { return Int32, nil }

// Suffixes implements Format.
func (ParquetPreference) Suffixes() []string { return []string{".parquet"} }

// Index implements Format.
func (ParquetPreference) Index(Set, []Shard) ([]byte, error) { return nil, nil }

// NewWriter implements Format.
func (f ParquetPreference) NewWriter(Set) Writer {
	return &preferenceWriter{tableWriter{name: f.Name(), columns: preferenceColumns[:]}}
}

type preferenceWriter struct{ tableWriter }

// Append implements Writer.
func (w *preferenceWriter) Append(to io.Writer, s *Sequence) error {
	ids, err := w.row(to, s)
	if err != nil {
		return err
	}
	w.table.Ints(0, ids[:s.Prompt])
	w.table.Ints(1, ids[s.Prompt:s.Chosen])
	w.table.Ints(2, ids[s.Chosen:])
	return w.table.EndRow()
}

// Open implements Format.
func (ParquetPreference) Open(files []File, s Set, ends []int64) (Reader, error) {
	t, err := openTable(files[0], preferenceColumns[:], s, ends)
	if err != nil {
		return nil, err
	}
	return preferenceReader{t}, nil
}

type preferenceReader struct{ *tableReader }

// AppendTokens implements Reader.
func (r preferenceReader) AppendTokens(dst []uint32, i int64) ([]uint32, error) {
	for column := range preferenceColumns {
		ids, err := r.cell(column, i)
		if err != nil {
			return dst, err
		}
		dst = appendUint32s(dst, ids)
	}
	return dst, nil
}

// Pair implements PairReader.
func (r preferenceReader) Pair(i int64) (prompt, chosen int, err error) {
	p, err := r.cell(0, i)
	if err != nil {
		return 0, 0, err
	}
	c, err := r.cell(1, i)
	return len(p), len(p) + len(c), err
}

// Check implements Reader. There is nothing in a pair that the rest of it would have to fit.
func (r preferenceReader) Check() error {
	for i := range r.Sequences() {
		tokens := 0
		for column := range preferenceColumns {
			ids, err := r.cell(column, i)
			if err != nil {
				return err
			}
			tokens += len(ids)
		}
		if tokens == 0 {
			return r.fault(i, "it has no tokens")
		}
	}
	return nil
}
