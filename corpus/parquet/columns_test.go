package parquet

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readColumns reads all rows as lines "NUMBER INT JSON".
// readColumns reads up to most rows at a time. With a most below 0 it reads the columns of numbers of each row group before
// the others; the first of wanted is of Numbers then.
func readColumns(file []byte, wanted []Wanted, most int) (lines []string, err error) {
	c, err := OpenColumns(context.Background(), bytes.NewReader(file), int64(len(file)), wanted, 0)
	if err != nil {
		return nil, err
	}
	ahead := most < 0 // numbers column by column
	if ahead {
		most = -most
	}
	numbers := make([][]float64, len(wanted))
	for {
		if ahead && len(numbers[0]) == 0 {
			rows, err := c.NextGroup(context.Background())
			if rows == 0 || err != nil {
				return lines, err
			}
			for k, w := range wanted {
				if w.Kind == Numbers {
					if err := c.EachNumbers(k, most, func(values []float64) { numbers[k] = append(numbers[k], values...) }); err != nil {
						return lines, err
					}
				}
			}
		}
		n, err := c.Next(context.Background(), most)
		if n == 0 || err != nil {
			return lines, err
		}
		for k, w := range wanted {
			if w.Kind == Numbers && !ahead {
				numbers[k] = append(numbers[k][:0], c.Numbers(k)...)
			}
		}
		for i := range n {
			var b strings.Builder
			for k, w := range wanted {
				if k > 0 {
					b.WriteByte(' ')
				}
				switch w.Kind {
				case Numbers:
					b.WriteString(strconv.FormatFloat(numbers[k][i], 'g', -1, 64))
				case Ints:
					if v := c.Ints(k)[i]; v == NoInt {
						b.WriteByte('-')
					} else {
						b.WriteString(strconv.FormatInt(v, 10))
					}
				default:
					if v := c.Texts(k).Of(i); len(v) == 0 {
						b.WriteByte('-')
					} else {
						b.Write(v)
					}
				}
			}
			lines = append(lines, b.String())
		}
		for k := range numbers {
			numbers[k] = numbers[k][min(n, len(numbers[k])):]
		}
	}
}

// TestColumnRuns writes random rows, with nulls alone and in runs, and reads them by columns.
func TestColumnRuns(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, compression := range []Compression{Zstd, Snappy, Uncompressed} {
		var file bytes.Buffer
		columns := []Column{
			{Name: "x", Type: Float64, Optional: true}, {Name: "id", Type: Int64}, {Name: "same", Type: String, Optional: true},
			{Name: "other", Type: String}, {Name: "j", Type: JSON, Optional: true}, {Name: "ok", Type: Boolean, Optional: true}, {Name: "small", Type: Int8},
		}
		w, err := NewWriter(&file, columns, WriterOptions{RowGroupBytes: 64 << 10, Compression: compression})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		null := false
		for i := range 20_000 {
			if rng.IntN(1+i%500) == 0 {
				null = !null
			}
			x, ok, same, j := "NaN", "NaN", "-", "-"
			if !null && rng.IntN(20) > 0 {
				v := rng.NormFloat64()
				w.Float(0, v)
				x = strconv.FormatFloat(v, 'g', -1, 64)
			}
			id := rng.Int64() - rng.Int64()
			w.Int64(1, id)
			if null {
				v := fmt.Sprintf("v\"%d", i/3000)
				w.Text(2, []byte(v))
				same = strconv.Quote(v)
			}
			w.Text(3, fmt.Appendf(nil, "text %d", i))
			if i%3 == 0 {
				w.Text(4, []byte("[1, 2]"))
				j = "[1, 2]"
			}
			if i%2 == 0 {
				w.Bool(5, i%4 == 0)
				ok = fmt.Sprint((4 - i%4) / 4)
			}
			w.Int64(6, int64(i%5-2))
			if err := w.EndRow(); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%s %d %s %s %s NaN - - %d", x, id, same, j, ok, i%5-2))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		wanted := []Wanted{{"x", Numbers}, {"id", Ints}, {"same", JSONs}, {"j", JSONs}, {"ok", Numbers}, {"none", Numbers}, {"none", Ints}, {"none", JSONs}, {"small", Ints}}
		for _, most := range []int{1, 777, 1 << 20, -777} {
			got, err := readColumns(file.Bytes(), wanted, most)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) {
				t.Fatalf("%d rows, want %d", len(got), len(want))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("seed %d, row %d: %s\nwant %s", seed, i, got[i], want[i])
				}
			}
		}
	}
}

// TestColumnsOfOthers reads what Arrow and others wrote, by rows and by columns.
func TestColumnsOfOthers(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.parquet")
	read := 0
	for _, name := range files {
		data := load(t, name)
		f, err := readFooter(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			continue
		}
		var wanted []Wanted
		depth := 0
		for _, e := range f.schema[1:] {
			if depth == 0 && e.physical >= 0 && e.repetition != repeated && !strings.ContainsAny(e.name, ".\\") && e.name != "" {
				wanted = append(wanted, Wanted{e.name, JSONs})
			}
			if depth > 0 {
				depth--
			}
			if e.physical < 0 {
				depth += int(e.children)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		got, err := readColumns(data, wanted, 100)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if int64(len(got)) != f.rows {
			t.Errorf("%s: %d rows of %d", name, len(got), f.rows)
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, ".parquet") + ".jsonl")
		if err != nil {
			continue
		}
		for i, line := range strings.Split(strings.TrimSuffix(string(want), "\n"), "\n") {
			if i >= len(got) {
				break
			}
			for _, v := range strings.Split(got[i], " ") {
				if v != "-" && v[0] != '{' && v[0] != '[' && !strings.Contains(line, v) { // JSON is a string in rows of others
					t.Errorf("%s, row %d: %s is not in %s", name, i, v, line)
				}
			}
		}
		read++
	}
	if read < 3 {
		t.Errorf("only %d files were compared", read)
	}
}

func TestColumnsRefused(t *testing.T) {
	file := written(t, `{"s":"a","l":[1],"n":1}`+"\n", 100)
	for _, c := range []struct {
		wanted Wanted
		err    string
	}{
		{Wanted{"s", Numbers}, `"s" is no number`}, {Wanted{"l", Numbers}, `"l" is no number`}, {Wanted{"l", JSONs}, `"l" is no plain value`},
		{Wanted{"n", Numbers}, ""}, {Wanted{"n", JSONs}, ""}, {Wanted{"none", Numbers}, ""},
	} {
		if _, err := readColumns(file, []Wanted{c.wanted}, 1); err == nil != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v: %v", c.wanted, err)
		}
	}
}

// TestGivenColumns: they are there, of the type given, whatever the records are.
func TestGivenColumns(t *testing.T) {
	var b bytes.Buffer
	r := NewRecords(&b, Column{Name: "x", Type: Float64, Optional: true}, Column{Name: "never", Type: Float64, Optional: true})
	if _, err := r.Write([]byte(`{"x":1,"id":"a"}` + "\n" + `{"x":0.5}` + "\n" + `{"x":"no"}` + "\n")); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(columnsOf(t, b.Bytes()), ", "); got != "x: double, never: double, id: string, _extra: JSON" {
		t.Error(got)
	}
	got, err := readColumns(b.Bytes(), []Wanted{{"x", Numbers}, {"never", Numbers}, {"id", JSONs}, {"_extra", JSONs}}, 10)
	if want := `1 NaN "a" -|0.5 NaN - -|NaN NaN - {"x":"no"}`; err != nil || strings.Join(got, "|") != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// FuzzColumns: whatever the bytes are, there is no panic, and no more memory than a small multiple of the file.
func FuzzColumns(f *testing.F) {
	var files [][]byte
	names, _ := filepath.Glob("testdata/*.parquet")
	for i, name := range names {
		files = append(files, load(f, name))
		f.Add(uint8(i), []byte{0, 0, 9, 1})
		f.Add(uint8(i), []byte{0, 9, 9, 0xff, 0, 4, 200, 0x40, 0, 40, 4, 7})
	}
	f.Fuzz(func(t *testing.T, file uint8, edits []byte) {
		data := bytes.Clone(files[int(file)%len(files)])
		whole, err := readFooter(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var wanted []Wanted
		for i, e := range whole.schema[1:] {
			if e.physical >= 0 && e.name != "" && !strings.ContainsAny(e.name, ".\\") {
				wanted = append(wanted, Wanted{e.name, Kind(i % 3)})
			}
		}
		for ; len(edits) >= 4; edits = edits[4:] {
			back := 1 + (int(edits[0])<<16|int(edits[1])<<8|int(edits[2]))%len(data)
			data[len(data)-back] ^= edits[3]
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := OpenColumns(context.Background(), bytes.NewReader(data), int64(len(data)), wanted, 64<<20)
		for n := 0; err == nil && n < 200; n++ { // a few bytes may hold 2^31 nulls
			var rows int
			if rows, err = c.Next(context.Background(), 100); rows == 0 {
				break
			}
		}
		if err != nil && strings.Contains(err.Error(), "bug in curate") {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(96<<20+2000*len(data)); got > limit {
			t.Fatalf("%d bytes allocated for a file of %d", got, len(data))
		}
		// The numbers alone, column by column: they are what Next says.
		wanted = slices.DeleteFunc(wanted, func(w Wanted) bool { return w.Kind != Numbers })
		f, err := readFooter(bytes.NewReader(data), int64(len(data)))
		if err != nil || len(wanted) == 0 || slices.ContainsFunc(f.groups, func(g rowGroup) bool { return g.rows > 1000 }) {
			return
		}
		want, wantErr := readColumns(data, wanted, 100)
		got, err := readColumns(data, wanted, -100)
		if err != nil && strings.Contains(err.Error(), "bug in curate") {
			t.Fatal(err)
		}
		if (err == nil) != (wantErr == nil) || err == nil && !slices.Equal(got, want) {
			t.Fatalf("%q, %v; by Next %q, %v", got, err, want, wantErr)
		}
	})
}

// BenchmarkColumns reads 30 columns of numbers, as a sidecar of signals has them.
func BenchmarkColumns(b *testing.B) {
	const rows = 200_000
	rng := rand.New(rand.NewPCG(1, 2))
	var columns []Column
	var wanted []Wanted
	for i := range 30 {
		columns = append(columns, Column{Name: fmt.Sprintf("c%d", i), Type: Float64, Optional: true})
		wanted = append(wanted, Wanted{columns[i].Name, Numbers})
	}
	var file bytes.Buffer
	w, err := NewWriter(&file, columns, WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for range rows {
		for k := range columns {
			w.Float(k, math.Round(rng.Float64()*1e6)/1e6)
		}
		if err := w.EndRow(); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := OpenColumns(b.Context(), bytes.NewReader(file.Bytes()), int64(file.Len()), wanted, 0)
		if err != nil {
			b.Fatal(err)
		}
		for {
			n, err := c.Next(b.Context(), 2048)
			if err != nil {
				b.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
