package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

var listColumns = []Column{
	{Name: "ids", Type: Int32, List: true},
	{Name: "mask", Type: Int8, List: true},
	{Name: "labels", Type: Int64, List: true},
	{Name: "length", Type: Int64},
}

// randomLists are rows of listColumns.
func randomLists(r *rand.Rand, rows int) [][4][]int32 {
	table := make([][4][]int32, rows)
	for i := range table {
		n := r.IntN(5)
		if r.IntN(4) == 0 {
			n = r.IntN(3 * listBlock)
		}
		same := r.IntN(2) == 0
		for range n {
			id := r.Int32() - r.Int32()
			if same {
				id = 7
			}
			table[i][0] = append(table[i][0], id)
			table[i][1] = append(table[i][1], int32(int8(r.Uint32())))
			table[i][2] = append(table[i][2], -id)
		}
		if r.IntN(3) == 0 {
			table[i][1] = nil
		}
		table[i][3] = []int32{int32(n)}
	}
	return table
}

func writeLists(t testing.TB, table [][4][]int32, o WriterOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, listColumns, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table {
		w.Ints(0, row[0])
		var mask []byte
		for _, m := range row[1] {
			mask = append(mask, byte(m))
		}
		w.Bytes8(1, mask)
		var labels []int64
		for _, l := range row[2] {
			labels = append(labels, int64(l))
		}
		w.Int64s(2, labels)
		w.Int64(3, int64(row[3][0]))
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is written is read, in whatever order rows and columns are asked for.
func TestListsRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		table := randomLists(r, r.IntN(60))
		o := WriterOptions{RowGroupBytes: 1 + r.IntN(100_000), Compression: Compression(r.IntN(3))}
		data := writeLists(t, table, o)
		l, err := OpenLists(bytes.NewReader(data), int64(len(data)), listColumns)
		if err != nil {
			t.Fatal(err)
		}
		if l.Rows() != int64(len(table)) {
			t.Fatalf("%d rows, and %d were written", l.Rows(), len(table))
		}
		check := func(row, column int) {
			got, err := l.Append([]int32{1}, column, int64(row), 3*listBlock)
			if err != nil {
				t.Fatal(err)
			}
			if want := table[row][column]; !slices.Equal(got[1:], want) {
				t.Fatalf("row %d, column %d: %d values, and %d were written", row, column, len(got)-1, len(want))
			}
		}
		for column := range 4 {
			for row := range table {
				check(row, column)
			}
		}
		for row := range table {
			for _, column := range r.Perm(4) {
				check(row, column)
			}
		}
		for range len(table) {
			check(r.IntN(len(table)), r.IntN(4))
		}
	}
}

// testdata/lists are files of pyarrow, whose rows follow from their numbers: bench/parquet_lists.py.
func TestListsOfArrow(t *testing.T) {
	files, err := os.ReadDir("testdata/lists")
	if err != nil || len(files) < 4 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile("testdata/lists/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		l, err := OpenLists(bytes.NewReader(data), int64(len(data)), listColumns)
		if err != nil {
			t.Fatal(f.Name(), err)
		}
		if l.Rows() != 200 {
			t.Fatalf("%s: %d rows", f.Name(), l.Rows())
		}
		for i := range int64(200) {
			n := i * i % 23
			if i == 77 {
				n = 1300
			}
			var want [4][]int32
			for k := range n {
				id := int32(i*1_000_003 + k*k*7919)
				want[0] = append(want[0], id)
				want[1] = append(want[1], int32((i+k)%3/2))
				want[2] = append(want[2], []int32{id, -100}[(i+k)%2])
			}
			want[3] = []int32{int32(n)}
			for column := range want {
				got, err := l.Append(nil, column, i, 1300)
				if err != nil || !slices.Equal(got, want[column]) {
					t.Fatalf("%s, row %d, column %d: %d, want %d (%v)", f.Name(), i, column, got, want[column], err)
				}
			}
		}
	}
}

func TestListsRefuse(t *testing.T) {
	ids := []Column{{Name: "ids", Type: Int32, List: true}}
	list := func(repetition int32, element field) field {
		return group("ids", repetition, convertedList, group("list", repeated, none, element))
	}
	element := func(entries ...entry) field { return leaf("element", optional, typeInt32, none, entries...) }
	one := i32(5)
	for _, c := range []struct {
		name string
		data []byte
		open bool   // it can be opened
		want string // in the message
	}{
		{"no Parquet", []byte("PAR1"), false, "too few"},
		{"another column", handmade(1, group("toks", required, convertedList, group("list", repeated, none, element(entry{0, 2, one})))), false, `its columns are "toks", and "ids" are expected`},
		{"a column more", handmade(1, list(required, element(entry{0, 2, one})), leaf("x", required, typeInt32, none, entry{0, 0, one})), false, `"ids", "x"`},
		{"no list", handmade(1, leaf("ids", required, typeInt32, none, entry{0, 0, one})), false, "is not a list of int32"},
		{"repeated without a list", handmade(1, leaf("ids", repeated, typeInt32, none, entry{0, 1, one})), false, "is not a list of int32"},
		{"lists of lists", handmade(1, group("ids", required, convertedList, group("list", repeated, none, group("element", required, convertedList, group("list", repeated, none, leaf("element", required, typeInt32, none, entry{0, 2, one})))))), false, "is not a list"},
		{"lists of structs", handmade(1, list(required, group("element", required, none, leaf("a", required, typeInt32, none, entry{0, 1, one}), leaf("b", required, typeInt32, none, entry{0, 1, one})))), false, "is not a list"},
		{"64 bits", handmade(1, list(required, leaf("element", optional, typeInt64, none, entry{0, 2, i64(5)}))), false, "is not a list of int32"},
		{"dates", handmade(1, list(required, leaf("element", optional, typeInt32, 6, entry{0, 2, one}))), false, "is not a list of int32"},
		{"int8", handmade(1, list(required, leaf("element", optional, typeInt32, 15, entry{0, 2, one}))), false, "is not a list of int32"},
		{"unsigned", handmade(1, list(required, leaf("element", optional, typeInt32, 13, entry{0, 2, one}))), false, "is not a list of int32"},
		{"a null", handmade(1, list(required, element(entry{0, 1, ""}))), true, "a null"},
		{"a null list", handmade(1, list(optional, element(entry{0, 0, ""}))), true, "a null"},
		{"a null in the middle", handmade(1, list(required, element(entry{0, 2, one}, entry{1, 1, ""}))), true, "a null"},
		{"an empty list that goes on", handmade(1, list(required, element(entry{0, 0, ""}, entry{1, 2, one}))), true, "do not go with"},
		{"empty within a list", handmade(1, list(required, element(entry{0, 2, one}, entry{1, 0, ""}))), true, "a null"},
		{"a first row without begin", handmade(1, list(required, element(entry{1, 2, one}))), true, "no begin"},
		{"too few entries", handmade(2, list(required, element(entry{0, 2, one}))), true, "fewer entries"},
		{"too many entries", handmade(1, list(required, element(entry{0, 2, one}, entry{0, 2, one}))), true, "more entries"},
		{"too many values", handmade(1, list(required, element(entry{0, 2, one}, entry{1, 2, one}))), true, "more than 1 values"},
		{"values that end early", handmade(1, list(required, element(entry{0, 2, "\x05\x00"}))), true, "end too early"},
		{"levels of 3", handmade(1, list(required, element(entry{0, 3, one}))), true, "definition levels"},
		{"damage", handmadeWith(handmadeOptions{checksum: 1}, 1, list(required, element(entry{0, 2, one}))), true, "checksum"},
	} {
		l, err := OpenLists(bytes.NewReader(c.data), int64(len(c.data)), ids)
		if (err == nil) != c.open {
			t.Errorf("%s: opened with %v", c.name, err)
			continue
		}
		if err == nil {
			for i := range l.Rows() {
				if _, err = l.Append(nil, 0, i, 1); err != nil {
					break
				}
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want something with %q", c.name, err, c.want)
		}
	}
	// A number that an int32 cannot hold, in an int64 that may.
	data := handmade(1, leaf("n", required, typeInt64, none, entry{0, 0, i64(1 << 31)}))
	l, err := OpenLists(bytes.NewReader(data), int64(len(data)), []Column{{Name: "n", Type: Int64}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(nil, 0, 0, 1); !errors.Is(err, errTooFar) {
		t.Error(err)
	}
}

// After an error other rows can still be read.
func TestListsAfterError(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	table := randomLists(r, 40)
	data := writeLists(t, table, WriterOptions{RowGroupBytes: 10_000, Compression: Uncompressed})
	failing := &failingReader{r: bytes.NewReader(data)}
	l, err := OpenLists(failing, int64(len(data)), listColumns)
	if err != nil {
		t.Fatal(err)
	}
	for i := range table {
		failing.fail = i%2 == 0
		if _, err := l.Append(nil, 0, int64(i), 1<<20); err != nil && !errors.Is(err, errFailing) {
			t.Fatal(err)
		}
		failing.fail = false
		got, err := l.Append(nil, 0, int64(i), 1<<20)
		if err != nil || !slices.Equal(got, table[i][0]) {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	if !failing.failed {
		t.Error("nothing failed")
	}
	if _, err := l.Append(nil, 0, 40, 1); err == nil {
		t.Error("row 40 of 40 was read")
	}
}

var errFailing = errors.New("the disk is gone")

type failingReader struct {
	r            io.ReaderAt
	fail, failed bool
}

func (f *failingReader) ReadAt(p []byte, at int64) (int, error) {
	if f.fail {
		f.failed = true
		return 0, errFailing
	}
	return f.r.ReadAt(p, at)
}

// FuzzLists reads what it can of edited files: no panic, no more values than asked for, and what was not changed is read
// as it was.
func FuzzLists(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	var files [][]byte
	for i := range 3 {
		files = append(files, writeLists(f, randomLists(r, 12), WriterOptions{RowGroupBytes: 5000, Compression: Compression(i)}))
	}
	for i := range files {
		f.Add(uint8(i), []byte{0, 0, 9, 1})
		f.Add(uint8(i), []byte{0, 9, 9, 0xff, 0, 4, 200, 0x40, 0, 40, 4, 7})
	}
	f.Fuzz(func(t *testing.T, file uint8, edits []byte) {
		data := edits
		if file < 255 {
			data = bytes.Clone(files[int(file)%len(files)])
			for ; len(edits) >= 4; edits = edits[4:] {
				back := 1 + (int(edits[0])<<16|int(edits[1])<<8|int(edits[2]))%len(data)
				data[len(data)-back] ^= edits[3]
			}
		}
		l, err := OpenLists(bytes.NewReader(data), int64(len(data)), listColumns)
		if err == nil {
			var dst []int32
			for i := range min(l.Rows(), 50) {
				for column := range listColumns {
					if dst, err = l.Append(dst[:0], column, i, 1<<16); len(dst) > 1<<16 {
						t.Fatalf("%d values", len(dst))
					}
					if err != nil && strings.Contains(err.Error(), "bug in curate") {
						t.Fatal(err)
					}
				}
			}
		} else if strings.Contains(err.Error(), "bug in curate") {
			t.Fatal(err)
		}
	})
}

// FuzzListPage reads a list whose one page is the fuzzer's, in every type, encoding and codec. Each byte of levels is the
// levels of an entry.
func FuzzListPage(f *testing.F) {
	row := []byte{4, 5, 5} // three entries of one row
	f.Add(row, []byte(i32(1)+i32(2)+i32(3)), uint8(typeInt32), uint8(encodingPlain), uint8(codecNone), uint32(0))
	f.Add([]byte{4, 0, 5}, []byte(i64(-1)+i64(2)+i64(3)), uint8(typeInt64), uint8(encodingPlain), uint8(codecNone), uint32(0))
	f.Add(row, []byte("\x80\x01\x04\x03\x02\x02\x00\x00\x00\x00"), uint8(typeInt32), uint8(encodingDelta), uint8(codecNone), uint32(0))
	f.Add(row, []byte("\x01\x06\x01"), uint8(typeInt32), uint8(100+encodingDictionary), uint8(codecNone), uint32(0))
	f.Add(row, []byte("\x00\x06"), uint8(typeInt64), uint8(100+encodingDictionary), uint8(codecNone), uint32(0))
	f.Add([]byte{4, 2, 4, 5, 0, 4}, []byte(i64(1)+i64(2)+i64(3)), uint8(typeInt64+32), uint8(encodingSplit), uint8(codecNone), uint32(1<<31-1))
	f.Fuzz(func(t *testing.T, levels, page []byte, physical, encoding, codec uint8, values uint32) {
		want := []Column{{Name: "ids", Type: Int32, List: true}}
		kind := int32(typeInt32)
		if physical%2 == typeInt64%2 {
			want[0].Type, kind = Int64, typeInt64
		}
		o := handmadeOptions{codec: int32(codec % 8), encoding: int32(encoding % 100), values: int64(values >> 1), size: int64(len(page)) * int64(codec>>4)}
		if encoding >= 100 {
			o.dictionary, o.dictValues = i64(5)+i64(-7)+i64(1<<40), 3
		}
		var entries []entry
		for i, b := range levels {
			e := entry{int(b & 1), int(b >> 1 & 3), ""}
			if i == 0 {
				e.plain = string(page)
			}
			entries = append(entries, e)
		}
		data := handmadeWith(o, int64(1+physical>>4), group("ids", required, convertedList, group("list", repeated, none, leaf("element", optional, kind, none, entries...))))
		l, err := OpenLists(bytes.NewReader(data), int64(len(data)), want)
		var dst []int32
		for i := int64(0); err == nil && i < l.Rows(); i++ {
			if dst, err = l.Append(dst[:0], 0, i, 1<<12); len(dst) > 1<<12 {
				t.Fatalf("%d values", len(dst))
			}
		}
		if err != nil && strings.Contains(err.Error(), "bug in curate") {
			t.Fatal(err)
		}
	})
}

func BenchmarkLists(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, kind := range []string{"few", "all"} {
		var file bytes.Buffer
		w, _ := NewWriter(&file, listColumns[:1], WriterOptions{})
		row := make([]int32, 2048)
		for range 2000 {
			for k := range row {
				row[k] = r.Int32N(50_000)
				if kind == "few" {
					row[k] = r.Int32N(50)
				}
			}
			w.Ints(0, row)
			if err := w.EndRow(); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s ids", kind), func(b *testing.B) {
			b.SetBytes(4 * 2048 * 2000)
			b.ReportAllocs()
			for range b.N {
				l, err := OpenLists(bytes.NewReader(file.Bytes()), int64(file.Len()), listColumns[:1])
				if err != nil {
					b.Fatal(err)
				}
				for i := range l.Rows() {
					if row, err = l.Append(row[:0], 0, i, 4096); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
