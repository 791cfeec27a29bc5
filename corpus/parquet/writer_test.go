package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sampleColumns has each type, plain and as a list where there is a method for it.
var sampleColumns = []Column{
	{Name: "input_ids", Type: Int32, List: true},
	{Name: "loss_mask", Type: Int8, List: true, Optional: true},
	{Name: "positions", Type: Int64, List: true, Optional: true},
	{Name: "tags", Type: String, List: true, Optional: true},
	{Name: "parts", Type: JSON, List: true},
	{Name: "tiny", Type: Int8, Optional: true},
	{Name: "small", Type: Int16},
	{Name: "int", Type: Int32, Optional: true},
	{Name: "id", Type: Int64},
	{Name: "score", Type: Float64, Optional: true},
	{Name: "good", Type: Boolean},
	{Name: "maybe", Type: Boolean, Optional: true},
	{Name: "text", Type: String},
	{Name: "lang", Type: String, Optional: true},
	{Name: "meta", Type: JSON, Optional: true},
	{Name: "izen \"berezia\"", Type: String, Optional: true},
}

// sampleRow writes a row of sampleColumns and gives the line that it must be read as.
func sampleRow(w *Writer, rnd *rand.Rand) string {
	var b bytes.Buffer
	for i, c := range sampleColumns {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		name, _ := jsontext.AppendQuote(nil, c.Name)
		fmt.Fprintf(&b, "%s%s:", sep, name)
		if c.Optional && rnd.IntN(4) == 0 {
			if rnd.IntN(2) == 0 {
				w.Null(i)
			}
			b.WriteString("null")
			continue
		}
		n := []int{0, 1, 2, 7, 8, 9, 40}[rnd.IntN(7)]
		text := func() string {
			switch {
			case c.Type == JSON:
				return fmt.Sprintf(`{"a":[%d,"ñ"]}`, rnd.IntN(100))
			case c.Name == "lang":
				return []string{"eu", "es", "fr"}[rnd.IntN(3)]
			}
			return strings.Repeat("kaixo\n\u00f1 ", rnd.IntN(9))
		}
		var items []string
		switch {
		case c.List && (c.Type == String || c.Type == JSON):
			var v [][]byte
			for range n {
				s := text()
				v = append(v, []byte(s))
				q, _ := jsontext.AppendQuote(nil, s)
				items = append(items, string(q))
			}
			w.Texts(i, v)
		case c.List:
			v8, v32, v64 := make([]byte, n), make([]int32, n), make([]int64, n)
			for k := range n {
				v64[k] = int64(rnd.Uint64()) >> rnd.IntN(64)
				v32[k], v8[k] = int32(v64[k]), byte(v64[k])
				switch c.Type {
				case Int8:
					items = append(items, strconv.Itoa(int(int8(v8[k]))))
				case Int32:
					items = append(items, strconv.Itoa(int(v32[k])))
				default:
					items = append(items, strconv.FormatInt(v64[k], 10))
				}
			}
			switch c.Type {
			case Int8:
				w.Bytes8(i, v8)
			case Int32:
				w.Ints(i, v32)
			default:
				w.Int64s(i, v64)
			}
		case c.Type == Float64:
			v := []float64{0, math.Copysign(0, -1), 0.1, -1e300, 12345, rnd.NormFloat64()}[rnd.IntN(6)]
			w.Float(i, v)
			b.Write(appendFloat(nil, v, 64))
		case c.Type == Boolean:
			v := rnd.IntN(2) == 0
			w.Bool(i, v)
			b.WriteString(strconv.FormatBool(v))
		case c.Type == String || c.Type == JSON:
			s := text()
			w.Text(i, []byte(s))
			q, _ := jsontext.AppendQuote(nil, s)
			b.Write(q)
		default:
			bits := 8 * storages[c.Type].raw
			v := int64(rnd.Uint64()) >> (64 - bits) >> rnd.IntN(bits)
			w.Int64(i, v)
			b.WriteString(strconv.FormatInt(v, 10))
		}
		if c.List {
			b.WriteString("[" + strings.Join(items, ",") + "]")
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func sample(t testing.TB, seed uint64, rows int, o WriterOptions) (file []byte, lines string) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 8))
	var b bytes.Buffer
	w, err := NewWriter(&b, sampleColumns, o)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for range rows {
		want.WriteString(sampleRow(w, rnd))
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), want.String()
}

// TestWritten: what is written is read as it was given, in any compression and cut, and twice the same bytes.
func TestWritten(t *testing.T) {
	for _, o := range []WriterOptions{
		{}, {Compression: Snappy}, {Compression: Uncompressed}, {RowGroupBytes: 1}, {RowGroupBytes: 3000}, {RowGroupBytes: 20_000, Compression: Uncompressed},
	} {
		for _, rows := range []int{0, 1, 9, 300} {
			seed := rand.Uint64()
			t.Run(fmt.Sprintf("%+v, %d rows, seed %d", o, rows, seed), func(t *testing.T) {
				file, want := sample(t, seed, rows, o)
				again, _ := sample(t, seed, rows, o)
				if !bytes.Equal(file, again) {
					t.Error("the bytes differ the second time")
				}
				got, err := readAll(file, whole)
				if err != nil {
					t.Fatal(err)
				}
				same(t, got.text(), want)
				foot, err := readFooter(bytes.NewReader(file), int64(len(file)))
				if err != nil {
					t.Fatal(err)
				}
				if n := len(foot.groups); o.RowGroupBytes == 1 && n != rows || o.RowGroupBytes == 3000 && rows == 300 && n < 10 {
					t.Errorf("%d row groups", n)
				}
				if rows == 300 && o.RowGroupBytes == 0 {
					for i, c := range sampleColumns {
						if hasDict := foot.groups[0].columns[i].dictionaryOffset > 0; hasDict != (c.Name == "lang" || c.Type == JSON || c.Name == "tags" || c.Name == "text" || c.Name == "izen \"berezia\"") {
							t.Errorf("%s: dictionary %t", c.Name, hasDict)
						}
					}
				}
			})
		}
	}
}

// TestWrittenGolden: the bytes do not change from version to version unawares. bench/parquet_written.py compares
// what pyarrow, DuckDB and Polars read from the same file with the lines.
func TestWrittenGolden(t *testing.T) {
	file, lines := sample(t, 1, 40, WriterOptions{RowGroupBytes: 6000, Compression: Uncompressed, KeyValue: []KV{{"a", "ñ"}}})
	for name, b := range map[string]string{"written.parquet": string(file), "written.jsonl": lines} {
		if *update {
			if err := os.WriteFile("testdata/"+name, []byte(b), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if string(load(t, "testdata/"+name)) != b {
			t.Errorf("%s is another one now; look at what changed, then run with -update", name)
		}
	}
}

func TestManyPages(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, []Column{{Name: "ids", Type: Int32, List: true}, {Name: "text", Type: String}, {Name: "none", Type: Int64, Optional: true}}, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	huge := strings.Repeat("luze ", 1<<19)
	var want strings.Builder
	ids := make([]int32, 2500)
	for row := range 500 {
		for i := range ids[:row*5] {
			ids[i] = rnd.Int32N(50_000)
		}
		text := strconv.Itoa(row)
		if row == 250 {
			text = huge
		}
		w.Ints(0, ids[:row*5])
		w.Text(1, []byte(text))
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, `{"ids":%s,"text":"%s","none":null}`+"\n", strings.ReplaceAll(fmt.Sprint(ids[:row*5]), " ", ","), text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(b.Bytes(), whole)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.text(), want.String())
}

func TestHybridWriter(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		width := 1 + rnd.IntN(10)
		var h hybridWriter
		h.begin(nil, width)
		var want []uint32
		for range rnd.IntN(60) {
			v, n := rnd.Uint32N(1<<width), 1+rnd.IntN([]int{2, 9, 30, 2000}[rnd.IntN(4)])
			h.put(v, n)
			for range n {
				want = append(want, v)
			}
		}
		b := h.end()
		r := newHybrid(b, width)
		for i, v := range want {
			if got, err := r.take(); got != v || err != nil {
				t.Fatalf("seed %d, width %d: value %d is %d, %v; want %d", seed, width, i, got, err, v)
			}
		}
		if limit := (len(want)/8+1)*(width+1) + 8; len(b) > limit+len(want)/8 {
			t.Errorf("seed %d: %d bytes for %d values of %d bits", seed, len(b), len(want), width)
		}
	}
}

func TestStatistics(t *testing.T) {
	var b bytes.Buffer
	w, _ := NewWriter(&b, sampleColumns, WriterOptions{})
	for _, n := range []int64{-3, 100, 7} {
		w.Ints(0, nil)
		w.Texts(4, nil)
		w.Int64(6, n)
		w.Int64(8, n<<40)
		w.Float(9, float64(n)*0)
		w.Bool(10, true)
		w.Text(12, []byte(strings.Repeat("z", int(n)+4)))
		w.Text(13, []byte{byte('f' - n/50)})
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
	}
	w.flush()
	for _, c := range []struct {
		col      int
		min, max string
		nulls    int64
	}{
		{5, "", "", 3}, {6, i32(-3), i32(100), 0}, {8, i64(-3 << 40), i64(100 << 40), 0}, {9, i64(math.MinInt64), i64(0), 0},
		{10, "\x01", "\x01", 0}, {12, "", "", 0}, {13, "d", "f", 0}, {14, "", "", 3},
	} {
		k := w.groups[0].chunks[c.col]
		if string(k.min) != c.min || string(k.max) != c.max || k.nulls != c.nulls || k.statistics != (c.max != "") {
			t.Errorf("%s: %q to %q, %d nulls, %t", sampleColumns[c.col].Name, k.min, k.max, k.nulls, k.statistics)
		}
	}
}

func TestWriterErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		row  func(*Writer)
		want string
	}{
		{"missing", func(w *Writer) {}, `row 1, column "a": it is null, and the column has no nulls`},
		{"null", func(w *Writer) { w.Null(0) }, "has no nulls"},
		{"twice", func(w *Writer) { w.Int64(0, 1); w.Int64(0, 2) }, "it has a value already"},
		{"type", func(w *Writer) { w.Text(0, nil) }, "of another type than the column's, int8"},
		{"list", func(w *Writer) { w.Bytes8(0, nil) }, "of another type than the column's, int8"},
		{"no list", func(w *Writer) { w.Int64(0, 1); w.Int64(1, 1) }, `column "b": the value is of another type than the column's, a list of int32`},
		{"range", func(w *Writer) { w.Int64(0, 128) }, "128 does not fit in an int8"},
		{"UTF-8", func(w *Writer) { w.Int64(0, 1); w.Text(2, []byte("a\xff")) }, `column "c": the text is not UTF-8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := NewWriter(io.Discard, []Column{{Name: "a", Type: Int8}, {Name: "b", Type: Int32, List: true, Optional: true}, {Name: "c", Type: String, Optional: true}}, WriterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			w.Int64(0, -128)
			if err := w.EndRow(); err != nil {
				t.Fatal(err)
			}
			c.row(w)
			for range 2 {
				if err := w.EndRow(); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q in it", err, c.want)
				}
			}
			if w.Close() == nil {
				t.Error("it closes in spite of an error")
			}
		})
	}
	if _, err := NewWriter(io.Discard, []Column{{Name: "a"}, {Name: "a"}}, WriterOptions{}); err == nil {
		t.Error("two columns of one name")
	}
	w, _ := NewWriter(&limited{100}, sampleColumns, WriterOptions{})
	if err := w.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWriterAllocations(t *testing.T) {
	w, err := NewWriter(io.Discard, []Column{{Name: "ids", Type: Int32, List: true}, {Name: "mask", Type: Int8, List: true}, {Name: "text", Type: String, Optional: true}}, WriterOptions{RowGroupBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	ids, mask, text := make([]int32, 2048), make([]byte, 2048), []byte("kaixo")
	row := func() {
		w.Ints(0, ids)
		w.Bytes8(1, mask)
		w.Text(2, text)
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
	}
	for range 400 {
		row()
	}
	// A row group is 64 rows and leaves its entry for the footer.
	if n := testing.AllocsPerRun(1000, row); n > 0.5 {
		t.Errorf("%v allocations a row", n)
	}
}

func BenchmarkWriter(b *testing.B) {
	ids := make([]int32, 2048)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range ids {
		ids[i] = int32(rnd.ExpFloat64() * 3000)
	}
	w, err := NewWriter(io.Discard, []Column{{Name: "input_ids", Type: Int32, List: true}}, WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(binary.Size(ids)))
	for b.Loop() {
		w.Ints(0, ids)
		if err := w.EndRow(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(w.at)/float64(max(1, w.total))/2048, "B/id")
}
