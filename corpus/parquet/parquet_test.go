package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"curate/corpus/split"
	"curate/record"
)

// whole are options under which a file is one split and nothing is too long.
var whole = split.Options{File: 3, SplitSize: 1 << 40, ChunkSize: 64 << 10, MaxRecord: 64 << 20}

// ending is what a mark of the end of a split says.
type ending struct {
	Split int
	End   int64
	EOF   bool
}

type result struct {
	lines  []string // with their line feeds, and without where cut
	ids    []record.ID
	splits []int // of each line
	full   []int64
	ends   []ending
}

func (r *result) text() string { return strings.Join(r.lines, "") }

// readAll reads to the end and holds the reader to its contract.
func readAll(data []byte, o split.Options) (*result, error) {
	return readFrom(bytes.NewReader(data), int64(len(data)), o)
}

func readFrom(src io.ReaderAt, size int64, o split.Options) (*result, error) {
	ctx := context.Background()
	r, err := Codec.OpenAt(ctx, src, size, o)
	if err != nil {
		return nil, err
	}
	got := &result{}
	var c split.Chunk
	var others [][]byte
	marked := map[*byte]bool{}
	end, eof, first := o.From.Offset, false, true
	for {
		// Each chunk gets other memory, and what it had belongs to somebody else then, as in the engine.
		given := make([]byte, 0, o.ChunkSize)
		if c.Buf != nil {
			others = append(others, c.Buf[:cap(c.Buf)])
		}
		c.Buf = given
		err := r.Next(ctx, &c)
		if cap(c.Buf) != cap(given) {
			others = append(others, given[:cap(given)])
		}
		for _, b := range others[max(0, len(others)-3):] {
			for i := range b {
				if b[i] != '#' && b[i] != 0 && marked[&b[0]] {
					return nil, errors.New("contract: the reader writes into memory that it was given earlier")
				}
				b[i] = '#'
			}
			if len(b) > 0 {
				marked[&b[0]] = true
			}
		}
		if err == io.EOF {
			if !eof {
				return nil, errors.New("contract: io.EOF without a chunk that says so")
			}
			return got, nil
		}
		if err != nil {
			return got, err
		}
		switch {
		case eof:
			return nil, errors.New("contract: a chunk after EOF")
		case c.File != o.File, c.MaxRecord != o.MaxRecord, c.LineNo != 0, c.IDs == nil, c.BOM:
			return nil, fmt.Errorf("contract: %+v", c)
		case c.Offset != end, c.End != c.Offset+c.Lines, c.Lines != int64(len(c.IDs)):
			return nil, fmt.Errorf("contract: after row %d, rows %d to %d in %d lines with %d IDs", end, c.Offset, c.End, c.Lines, len(c.IDs))
		case c.Last != (c.Lines == 0), c.Last != (len(c.Buf) == 0), c.EOF && !c.Last:
			return nil, fmt.Errorf("contract: last %t, EOF %t, %d lines, %d bytes", c.Last, c.EOF, c.Lines, len(c.Buf))
		case len(c.Buf) > o.ChunkSize && c.Lines > 1:
			return nil, fmt.Errorf("contract: %d lines in %d bytes", c.Lines, len(c.Buf))
		case first && o.From.Offset == 0 && c.Split != 0:
			return nil, fmt.Errorf("contract: begins with split %d", c.Split)
		}
		end, eof, first = c.End, c.EOF, false
		if c.Last {
			got.ends = append(got.ends, ending{c.Split, c.End, c.EOF})
			continue
		}
		if c.Skipped > 0 {
			if c.Lines != 1 || len(c.Buf) > split.KeepOfTruncated || c.Skipped <= int64(o.MaxRecord) {
				return nil, fmt.Errorf("contract: %d of %d bytes in %d lines", len(c.Buf), c.Skipped, c.Lines)
			}
		}
		for rest := c.Buf; len(rest) > 0; {
			i := bytes.IndexByte(rest, '\n') + 1
			if c.Skipped > 0 {
				i = len(rest)
			} else if i == 0 {
				return nil, errors.New("contract: no line feed")
			}
			got.lines = append(got.lines, string(rest[:i]))
			got.splits = append(got.splits, c.Split)
			got.full = append(got.full, max(c.Skipped, int64(i)-1))
			rest = rest[i:]
		}
		got.ids = append(got.ids, c.IDs...)
	}
}

// corpus are the files in testdata with what they must become.
func corpus(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	expected, _ := filepath.Glob("testdata/*.jsonl")
	m := map[string]string{}
	for _, f := range files {
		best := ""
		for _, e := range expected {
			if strings.HasPrefix(f, strings.TrimSuffix(e, ".jsonl")) && len(e) > len(best) {
				best = e
			}
		}
		b, err := os.ReadFile(best)
		if err != nil {
			t.Fatal(f, err)
		}
		m[f] = string(b)
	}
	return m
}

func load(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// same compares texts and shows the first line that differs.
func same(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g) || i >= len(w):
			t.Fatalf("%d lines, want %d", len(g), len(w))
		case g[i] != w[i]:
			k := 0
			for k < min(len(g[i]), len(w[i])) && g[i][k] == w[i][k] {
				k++
			}
			lo := max(0, k-40)
			t.Fatalf("line %d, byte %d:\n got …%s\nwant …%s", i, k, g[i][lo:min(len(g[i]), k+60)], w[i][lo:min(len(w[i]), k+60)])
		}
	}
}

func TestFiles(t *testing.T) {
	for file, want := range corpus(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data := load(t, file)
			for _, chunk := range []int{1, 700, 64 << 10, 4 << 20} {
				o := whole
				o.ChunkSize = chunk
				got, err := readAll(data, o)
				if err != nil {
					t.Fatal(err)
				}
				same(t, got.text(), want)
				for i, id := range got.ids {
					if id != record.MakeID(3, int64(i)) {
						t.Fatalf("row %d has ID %d", i, id)
					}
				}
				if want := []ending{{0, int64(len(got.ids)), true}}; !reflect.DeepEqual(got.ends, want) {
					t.Fatalf("ends %v, want %v", got.ends, want)
				}
			}
		})
	}
}

// TestRecords reads the lines with the strict parser: what is written is JSON.
func TestRecords(t *testing.T) {
	for file, want := range corpus(t) {
		data := load(t, file)
		ctx := context.Background()
		r, err := Codec.OpenAt(ctx, bytes.NewReader(data), int64(len(data)), whole)
		if err != nil {
			t.Fatal(file, err)
		}
		var c split.Chunk
		n := 0
		for r.Next(ctx, &c) == nil {
			for at := (split.Cursor{}); !c.Done(at); {
				var b record.Batch
				at = Codec.Decode(&c, at, &b, 7, 1<<20, "text")
				b.Parse()
				for i := range b.Records {
					if rec := &b.Records[i]; rec.Outcome != record.Keep || rec.ID != record.MakeID(3, int64(n)) {
						t.Fatalf("%s: row %d: %+v: %s", file, n, rec, rec.Line)
					}
					n++
				}
			}
		}
		if n != strings.Count(want, "\n") {
			t.Errorf("%s: %d records", file, n)
		}
	}
}

func TestResume(t *testing.T) {
	for file := range corpus(t) {
		data := load(t, file)
		for _, size := range []int64{1, 20000, 60000} {
			o := whole
			o.SplitSize, o.ChunkSize = size, 3000
			all, err := readAll(data, o)
			if err != nil {
				t.Fatal(file, err)
			}
			begin := 0
			for k, e := range all.ends {
				if e.Split != k || e.EOF != (k == len(all.ends)-1) {
					t.Fatalf("%s: ends %v", file, all.ends)
				}
				o.From = split.Position{Offset: int64(begin), Lines: int64(begin)}
				got, err := readAll(data, o)
				if err != nil {
					t.Fatal(file, err)
				}
				want := result{all.lines[begin:], all.ids[begin:], all.splits[begin:], all.full[begin:], all.ends[k:]}
				if len(got.lines) != len(want.lines) || len(got.lines) > 0 && !reflect.DeepEqual(*got, want) {
					t.Fatalf("%s: from split %d, row %d: another result", file, k, begin)
				}
				begin = int(e.End)
			}
			for _, off := range []int64{1, int64(len(all.lines)), int64(len(all.lines)) + 5} {
				if off == 0 || len(all.ends) > 1 && off == all.ends[0].End {
					continue
				}
				o.From = split.Position{Offset: off}
				if _, err := readAll(data, o); err == nil || !strings.Contains(err.Error(), "the file changed") {
					t.Errorf("%s: from row %d: %v", file, off, err)
				}
			}
		}
	}
	// Three row groups of about equal size: the sum decides.
	data := load(t, "testdata/arrow-v2-none-plain.parquet")
	o := whole
	f, err := readFooter(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	o.SplitSize = f.groups[0].bytes + f.groups[1].bytes
	got, err := readAll(data, o)
	if want := []ending{{0, 50, false}, {1, 60, true}}; err != nil || !reflect.DeepEqual(got.ends, want) {
		t.Errorf("%v %v, want %v", got.ends, err, want)
	}
	o.SplitSize--
	got, err = readAll(data, o)
	if want := []ending{{0, 25, false}, {1, 60, true}}; err != nil || !reflect.DeepEqual(got.ends, want) {
		t.Errorf("%v %v, want %v", got.ends, err, want)
	}
}

// counter counts the bytes read.
type counter struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ReaderAt.ReadAt(p, off)
}

func TestColumns(t *testing.T) {
	data := load(t, "testdata/arrow-v1-snappy-dict.parquet")
	f, err := readFooter(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	footer := int64(len(data)) - f.start
	read := func(paths ...string) (string, int64) {
		o := whole
		for _, p := range paths {
			o.Columns = append(o.Columns, record.MustPath(p))
		}
		c := &counter{ReaderAt: bytes.NewReader(data)}
		got, err := readFrom(c, int64(len(data)), o)
		if err != nil {
			t.Fatal(err)
		}
		return got.text(), c.n.Load() - footer
	}
	all, n := read()
	if n < int64(len(data))*9/10-footer {
		t.Errorf("all columns: %d bytes of %d read", n, len(data))
	}
	some, n := read("nested.lang", "i8")
	if n > 4000 {
		t.Errorf("two columns: %d bytes of %d read", n, len(data))
	}
	for i, line := range strings.Split(strings.TrimSuffix(some, "\n"), "\n") {
		if !strings.HasPrefix(line, `{"nested":`) || strings.Contains(line, "u8") {
			t.Fatalf("row %d: %s", i, line)
		}
	}
	if none, _ := read("absent"); none != all { // so that a message can name the fields that there are
		t.Error("a field that is not there: not all were read")
	}
}

func TestMaxRecord(t *testing.T) {
	data := load(t, "testdata/arrow-v1-snappy-dict.parquet")
	all, err := readAll(data, whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []split.Options{
		{SplitSize: 1, ChunkSize: 100, MaxRecord: 850},
		{SplitSize: 1 << 30, ChunkSize: 64 << 10, MaxRecord: 850},
		{SplitSize: 1 << 30, ChunkSize: 64 << 10, MaxRecord: 0},
	} {
		grown := 0
		o.Grow = func(context.Context) error { grown++; return nil }
		got, err := readAll(data, o)
		if err != nil {
			t.Fatal(err)
		}
		long := 0
		for i, line := range all.lines {
			want := line
			if len(line)-1 > o.MaxRecord {
				long++
				want = line[:min(len(line)-1, split.KeepOfTruncated)]
			}
			if got.lines[i] != want || got.full[i] != int64(len(line)-1) {
				t.Fatalf("row %d: %d of %d bytes", i, len(got.lines[i]), got.full[i])
			}
		}
		if long == 0 || o.ChunkSize == 100 && grown != len(all.lines) || o.ChunkSize > 100 && grown > 0 {
			t.Errorf("%d long rows, %d times grown", long, grown)
		}
	}
	o := whole
	o.ChunkSize = 100
	stop := errors.New("no memory")
	o.Grow = func(context.Context) error { return stop }
	if _, err := readAll(data, o); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	data := load(t, "testdata/arrow-v1-snappy-dict.parquet")
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(context.Background())
	r, err := Codec.OpenAt(ctx, bytes.NewReader(data), int64(len(data)), whole)
	if err != nil {
		t.Fatal(err)
	}
	cancel(why)
	if err := r.Next(ctx, &split.Chunk{}); !errors.Is(err, why) {
		t.Error(err)
	}
}
