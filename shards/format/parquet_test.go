package format

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"curate/corpus/parquet"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// tableSets are the sets that each format of rows can have.
var tableSets = []Set{
	{Dtype: Int32, Vocabulary: 1000, EOD: 0, Length: 512},
	{Dtype: Int32, Vocabulary: 1000, EOD: 0, Length: 512, Masked: true},
	{Dtype: Int32, Vocabulary: 1000, EOD: 0, Length: 512, Packed: true},
	{Dtype: Int32, Vocabulary: 1<<31 - 1, EOD: 0, Length: 512, Packed: true, Masked: true},
}

func setName(s Set) string {
	name := ""
	if s.Packed {
		name += "-packed"
	}
	if s.Masked {
		name += "-masked"
	}
	return name
}

// randomRow is a sequence of 1 to n tokens of s.
func randomRow(r *rand.Rand, s Set, n int) Sequence {
	n = 1 + r.IntN(n)
	var q Sequence
	var ids []uint32
	for range n {
		ids = append(ids, uint32(r.IntN(s.Vocabulary)))
	}
	q.Tokens = s.Dtype.AppendBytes(nil, ids)
	if s.Masked && r.IntN(4) > 0 {
		for range n {
			q.Mask = append(q.Mask, byte(r.IntN(2)))
		}
	}
	q.Pieces = []Piece{{Last: true}}
	for at := 1; s.Packed && at < n; at++ {
		if r.IntN(8) == 0 {
			q.Pieces = append(q.Pieces, Piece{Start: at, Last: true})
		}
	}
	return q
}

func randomPair(r *rand.Rand, s Set, n int) Sequence {
	q := randomRow(r, s, n)
	n = len(q.Tokens) / 4
	q.Prompt = r.IntN(n + 1)
	q.Chosen = q.Prompt + r.IntN(n-q.Prompt+1)
	return q
}

func writeTable(t testing.TB, f Format, s Set, rows []Sequence) []byte {
	t.Helper()
	w := f.NewWriter(s)
	var b bytes.Buffer
	for i := range rows {
		if err := w.Append(&b, &rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openBytes(f Format, s Set, data []byte, ends []int64) (Reader, error) {
	return f.Open([]File{{Name: "shard-00000.parquet", Data: bytes.NewReader(data), Size: int64(len(data))}}, s, ends)
}

// checkRow compares all that a reader says of row i with what was written.
func checkRow(r Reader, s Set, i int64, q *Sequence) error {
	ids, err := r.AppendTokens([]uint32{9}, i)
	if err != nil {
		return err
	}
	if got := Int32.AppendBytes(nil, ids[1:]); ids[0] != 9 || !bytes.Equal(got, q.Tokens) {
		return fmt.Errorf("row %d has other tokens", i)
	}
	if p, ok := r.(PairReader); ok {
		if prompt, chosen, err := p.Pair(i); err != nil || prompt != q.Prompt || chosen != q.Chosen {
			return fmt.Errorf("row %d: pair %d %d %v; %d %d were written", i, prompt, chosen, err, q.Prompt, q.Chosen)
		}
		return nil
	}
	mask, err := r.(MaskReader).AppendMask([]byte{9}, i)
	if err != nil {
		return err
	}
	want := q.Mask
	if want == nil {
		want = bytes.Repeat([]byte{1}, len(q.Tokens)/4)
	}
	if mask[0] != 9 || !bytes.Equal(mask[1:], want) {
		return fmt.Errorf("row %d has another mask", i)
	}
	starts, err := r.(StartsReader).AppendStarts([]int{9}, i)
	if err != nil {
		return err
	}
	var begins []int
	for _, p := range q.Pieces {
		begins = append(begins, p.Start)
	}
	if starts[0] != 9 || !slices.Equal(starts[1:], begins) {
		return fmt.Errorf("row %d has pieces at %d; %d were written", i, starts, begins)
	}
	return nil
}

// What is written is read, in whatever order; the same rows are the same bytes; and Check accepts them.
func TestParquetRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, f := range []Format{Parquet{}, ParquetAxolotl{}, ParquetPreference{}} {
		for _, s := range tableSets {
			for _, n := range []int{0, 1, 30, 150} {
				var rows []Sequence
				var ends []int64
				for range n {
					if f.Traits().Pairs {
						rows = append(rows, randomPair(r, s, 300))
					} else {
						rows = append(rows, randomRow(r, s, 300))
					}
				}
				total := int64(0)
				for _, q := range rows {
					total += int64(len(q.Tokens) / 4)
					ends = append(ends, total)
				}
				data := writeTable(t, f, s, rows)
				if !bytes.Equal(data, writeTable(t, f, s, rows)) {
					t.Fatalf("%s%s: other bytes the second time", f.Name(), setName(s))
				}
				if r.IntN(2) == 0 {
					ends = nil
				}
				reader, err := openBytes(f, s, data, ends)
				if err != nil {
					t.Fatal(err)
				}
				if reader.Sequences() != int64(n) || reader.Dtype() != Int32 {
					t.Fatalf("%d sequences of %s", reader.Sequences(), reader.Dtype())
				}
				if err := reader.Check(); err != nil {
					t.Fatalf("%s%s: %v", f.Name(), setName(s), err)
				}
				for k := range 2 * n {
					i := k
					if k >= n {
						i = r.IntN(n)
					}
					if err := checkRow(reader, s, int64(i), &rows[i]); err != nil {
						t.Fatalf("%s%s: %v", f.Name(), setName(s), err)
					}
				}
				if file, at := reader.Place(0, 0); file != "shard-00000.parquet" || at != -1 {
					t.Errorf("place %s %d", file, at)
				}
			}
		}
	}
}

// goldenRows are a few rows that a person can look through.
func goldenRows(f Format, s Set) []Sequence {
	row := func(ids []uint32, mask []byte, starts ...int) Sequence {
		q := Sequence{Tokens: Int32.AppendBytes(nil, ids)}
		if s.Masked {
			q.Mask = mask
		}
		for _, at := range starts {
			q.Pieces = append(q.Pieces, Piece{Start: at})
			if !s.Packed {
				break
			}
		}
		return q
	}
	rows := []Sequence{
		row([]uint32{11, 12, 13, 0, 21, 22, 0}, []byte{0, 0, 1, 1, 0, 1, 1}, 0, 4),
		row([]uint32{31}, []byte{1}, 0),
		row([]uint32{41, 42, 0, 51, 0, 61, 62, 63}, nil, 0, 3, 5),
	}
	if f.Traits().Pairs {
		rows[0].Prompt, rows[0].Chosen = 2, 4
		rows[1].Prompt, rows[1].Chosen = 0, 1
		rows[2].Prompt, rows[2].Chosen = 5, 7
	}
	return rows
}

func TestParquetGolden(t *testing.T) {
	for _, f := range []Format{Parquet{}, ParquetAxolotl{}, ParquetPreference{}} {
		for _, s := range tableSets {
			if f.Traits().Pairs && (s.Packed || s.Masked) {
				continue
			}
			rows := goldenRows(f, s)
			name := "testdata/" + f.Name() + setName(s) + ".parquet"
			got := writeTable(t, f, s, rows)
			if *update {
				if err := os.WriteFile(name, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is another one now; look at what changed, then run with -update", name)
			}
			r, err := openBytes(f, s, want, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Check(); err != nil {
				t.Error(err)
			}
			for i := range rows {
				if err := checkRow(r, s, int64(i), &rows[i]); err != nil {
					t.Error(name, err)
				}
			}
		}
	}
}

// A table whose columns do not go with one another, or with the set.
func TestParquetFaults(t *testing.T) {
	packed := Set{Dtype: Int32, Vocabulary: 100, Length: 512, Packed: true, Masked: true}
	masked := Set{Dtype: Int32, Vocabulary: 100, Length: 512, Masked: true}
	plain := Set{Dtype: Int32, Vocabulary: 100, Length: 512}
	trl, _, _ := trlColumns(packed)
	for _, c := range []struct {
		name    string
		f       Format
		set     Set
		columns []parquet.Column
		row     []any
		want    string
	}{
		{"mask too short", Parquet{}, packed, trl, []any{[]int32{1, 2}, []byte{1}, []byte{1}, []int32{2}}, "row 1: it has 2 tokens, and completion_mask has 1"},
		{"mask of 2", Parquet{}, packed, trl, []any{[]int32{1, 2}, []byte{1, 2}, []byte{1, 2}, []int32{2}}, "row 1: token 1 has the mask 2"},
		{"masks that differ", Parquet{}, packed, trl, []any{[]int32{1, 2}, []byte{1, 0}, []byte{1, 1}, []int32{2}}, "row 1: completion_mask and assistant_masks differ"},
		{"pieces too short", Parquet{}, packed, trl, []any{[]int32{1, 2}, []byte{1, 0}, []byte{1, 0}, []int32{1}}, "row 1: it has 2 tokens, and seq_lengths has pieces of 1 together"},
		{"empty piece", Parquet{}, packed, trl, []any{[]int32{1, 2}, []byte{1, 0}, []byte{1, 0}, []int32{2, 0}}, "row 1: piece 1 has 0 tokens"},
		{"negative piece", Parquet{}, packed, trl, []any{[]int32{1, 2}, []byte{1, 0}, []byte{1, 0}, []int32{3, -1}}, "row 1: piece 1 has -1 tokens"},
		{"no tokens", Parquet{}, packed, trl, []any{[]int32{}, []byte{}, []byte{}, []int32{}}, "row 1: it has no tokens"},
		{"no mask", Parquet{}, packed, trl[:1], []any{[]int32{1}}, `its columns are "input_ids", and "input_ids", "completion_mask", "assistant_masks", "seq_lengths" are expected`},
		{"a mask too many", Parquet{}, plain, trl, []any{[]int32{1}, []byte{1}, []byte{1}, []int32{1}}, `and "input_ids" are expected`},
		{"attention", ParquetAxolotl{}, masked, axolotlColumns[:3], []any{[]int32{1, 2}, []byte{1, 0}, []int64{1, 2}}, "row 1: token 1 has the attention mask 0"},
		{"attention too short", ParquetAxolotl{}, masked, axolotlColumns[:3], []any{[]int32{1, 2}, []byte{1}, []int64{1, 2}}, "row 1: it has 2 tokens, and attention_mask has 1"},
		{"labels too long", ParquetAxolotl{}, masked, axolotlColumns[:3], []any{[]int32{1, 2}, []byte{1, 1}, []int64{1, 2, 3}}, "row 1, column \"labels\": it has more than 2 values"},
		{"another label", ParquetAxolotl{}, masked, axolotlColumns[:3], []any{[]int32{1, 2}, []byte{1, 1}, []int64{1, 3}}, "row 1: token 1 is 2, and its label 3"},
		{"a huge label", ParquetAxolotl{}, masked, axolotlColumns[:3], []any{[]int32{1, 2}, []byte{1, 1}, []int64{1, 2 + 1<<32}}, "does not fit"},
		{"a mask in a set without", ParquetAxolotl{}, plain, axolotlColumns[:3], []any{[]int32{1, 2}, []byte{1, 1}, []int64{1, -100}}, "row 1: token 1 is 2, and its label -100"},
		{"positions", ParquetAxolotl{}, packed, axolotlColumns[:], []any{[]int32{1, 2}, []byte{1, 1}, []int64{1, 2}, []int64{0, 2}, int64(2)}, "row 1: token 1 has the position 2"},
		{"first position", ParquetAxolotl{}, packed, axolotlColumns[:], []any{[]int32{1, 2}, []byte{1, 1}, []int64{1, 2}, []int64{1, 2}, int64(2)}, "row 1: token 0 has the position 1"},
		{"length", ParquetAxolotl{}, packed, axolotlColumns[:], []any{[]int32{1, 2}, []byte{1, 1}, []int64{1, 2}, []int64{0, 1}, int64(3)}, "row 1: it has 2 tokens, and its length is [3]"},
		{"no pair", ParquetPreference{}, plain, preferenceColumns[:], []any{[]int32{}, []int32{}, []int32{}}, "row 1: it has no tokens"},
	} {
		var b bytes.Buffer
		w, err := parquet.NewWriter(&b, c.columns, parquet.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		right := []any{[]int32{5, 6}, []byte{1, 1}, []int64{5, 6}, []int64{0, 1}, int64(2)}
		switch c.f.(type) {
		case Parquet:
			right = []any{[]int32{5, 6}, []byte{1, 1}, []byte{1, 1}, []int32{1, 1}}
		case ParquetPreference:
			right = []any{[]int32{5}, []int32{}, []int32{6}}
		}
		for _, row := range [][]any{right, c.row, right} {
			for k := range c.columns {
				switch v := row[k].(type) {
				case []int32:
					w.Ints(k, v)
				case []byte:
					w.Bytes8(k, v)
				case []int64:
					w.Int64s(k, v)
				case int64:
					w.Int64(k, v)
				}
			}
			if err := w.EndRow(); err != nil {
				t.Fatal(c.name, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := openBytes(c.f, c.set, b.Bytes(), []int64{2, 4, 6})
		if err == nil {
			err = r.Check()
		}
		var fault *Fault
		if !errors.As(err, &fault) || fault.File != "shard-00000.parquet" || !strings.Contains(fault.Problem, c.want) {
			t.Errorf("%s: %v; want a fault with %q", c.name, err, c.want)
		}
	}
}

// A disk that fails is no fault of the file.
func TestParquetDisk(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s := tableSets[0]
	var rows []Sequence
	for range 50 {
		rows = append(rows, randomRow(r, s, 300))
	}
	data := writeTable(t, Parquet{}, s, rows)
	disk := &brokenDisk{ReaderAt: bytes.NewReader(data), left: 3}
	reader, err := Parquet{}.Open([]File{{Name: "a", Data: disk, Size: int64(len(data))}}, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = reader.AppendTokens(nil, 0)
	var fault *Fault
	if !errors.Is(err, errBroken) || errors.As(err, &fault) || !strings.HasPrefix(err.Error(), "a: byte ") {
		t.Fatal(err)
	}
	disk.left = 100
	if err := checkRow(reader, s, 0, &rows[0]); err != nil {
		t.Fatal(err)
	}
	// One that was cut since it was opened has a fault.
	if reader, err = openBytes(Parquet{}, s, data, nil); err != nil {
		t.Fatal(err)
	}
	reader.(*trlReader).data.ReaderAt = bytes.NewReader(data[:10])
	if _, err = reader.AppendTokens(nil, 0); !errors.As(err, &fault) {
		t.Fatal(err)
	}
}

var errBroken = errors.New("the disk is gone")

type brokenDisk struct {
	io.ReaderAt
	left int
}

func (d *brokenDisk) ReadAt(p []byte, at int64) (int, error) {
	if d.left--; d.left < 0 {
		return 0, errBroken
	}
	return d.ReaderAt.ReadAt(p, at)
}

// Nothing is allocated per row, once the row group has been as long as it gets.
func TestParquetWriterAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s := tableSets[3]
	for _, f := range []Format{Parquet{}, ParquetAxolotl{}, ParquetPreference{}} {
		q := randomPair(r, s, 300)
		for len(q.Tokens) < 1000 {
			q = randomPair(r, s, 300)
		}
		w := f.NewWriter(s)
		for range 9_000 { // more than a row group
			if err := w.Append(io.Discard, &q); err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(1000, func() {
			if err := w.Append(io.Discard, &q); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %.1f allocations a row", f.Name(), n)
		}
	}
}

// FuzzParquetRows reads edited tables of rows with each set that they might be of; where Check accepts one, its columns
// do go with one another.
func FuzzParquetRows(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 7))
	formats := []Format{Parquet{}, ParquetAxolotl{}}
	var files [][]byte
	for _, format := range formats {
		for _, s := range tableSets {
			var rows []Sequence
			for range 5 {
				rows = append(rows, randomRow(r, s, 60))
			}
			files = append(files, writeTable(f, format, s, rows))
			f.Add(uint8(len(files)-1), []byte{0, 40, 4, 7})
			f.Add(uint8(len(files)-1), []byte{0, 2, 2, 1, 0, 1, 200, 0x40})
		}
	}
	f.Fuzz(func(t *testing.T, file uint8, edits []byte) {
		at := int(file) % len(files)
		format, s := formats[at/len(tableSets)], tableSets[at%len(tableSets)]
		reader, err := openBytes(format, s, edited(files[at], edits), nil)
		if err != nil {
			noBug(t, err)
			return
		}
		rows := min(reader.Sequences(), 20)
		checked := error(nil)
		if rows == reader.Sequences() {
			checked = reader.Check()
			noBug(t, checked)
		}
		for i := range rows {
			ids, err := reader.AppendTokens(nil, i)
			noBug(t, err)
			mask, merr := reader.(MaskReader).AppendMask(nil, i)
			noBug(t, merr)
			starts, serr := reader.(StartsReader).AppendStarts(nil, i)
			noBug(t, serr)
			if checked == nil && rows == reader.Sequences() {
				if err != nil || merr != nil || serr != nil {
					t.Fatal("checked, and then: ", err, merr, serr)
				}
				if len(mask) != len(ids) || len(starts) == 0 || starts[0] != 0 || starts[len(starts)-1] >= len(ids) || !slices.IsSorted(starts) {
					t.Fatalf("row %d: %d tokens, %d masks, pieces at %d", i, len(ids), len(mask), starts)
				}
			}
		}
	})
}

// FuzzParquetPairs is the same of pairs.
func FuzzParquetPairs(f *testing.F) {
	r := rand.New(rand.NewPCG(8, 8))
	s := tableSets[0]
	var rows []Sequence
	for range 5 {
		rows = append(rows, randomPair(r, s, 60))
	}
	file := writeTable(f, ParquetPreference{}, s, rows)
	f.Add([]byte{0, 40, 4, 7})
	f.Add([]byte{0, 2, 2, 1, 0, 1, 200, 0x40})
	f.Fuzz(func(t *testing.T, edits []byte) {
		reader, err := openBytes(ParquetPreference{}, s, edited(file, edits), nil)
		if err != nil {
			noBug(t, err)
			return
		}
		if reader.Sequences() <= 20 {
			noBug(t, reader.Check())
		}
		for i := range min(reader.Sequences(), 20) {
			ids, err := reader.AppendTokens(nil, i)
			noBug(t, err)
			prompt, chosen, perr := reader.(PairReader).Pair(i)
			noBug(t, perr)
			if err == nil && (perr != nil || prompt > chosen || chosen > len(ids)) {
				t.Fatalf("row %d: %d tokens, pair %d %d %v", i, len(ids), prompt, chosen, perr)
			}
		}
	})
}

// edited is a file with changes: three bytes say where, from the end, and one what is changed there.
func edited(file, edits []byte) []byte {
	file = bytes.Clone(file)
	for ; len(edits) >= 4; edits = edits[4:] {
		back := 1 + (int(edits[0])<<16|int(edits[1])<<8|int(edits[2]))%len(file)
		file[len(file)-back] ^= edits[3]
	}
	return file
}

func noBug(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var fault *Fault
	if !errors.As(err, &fault) || strings.Contains(err.Error(), "bug in curate") {
		t.Fatalf("no fault: %v", err)
	}
}
