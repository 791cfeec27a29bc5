package split

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"curate/record"
)

// row is a line as a reader of the whole file sees it.
type row struct {
	ID     record.ID
	LineNo int64
	Line   string
	Full   int64
	Split  int
}

type ending struct {
	Split      int
	End        int64
	Lines      int64
	Blank      int64
	EOF        bool
	FirstInRow int // index of the split's first row
}

// naive cuts the whole file the obvious way.
func naive(data []byte, o Options) (rows []row, ends []ending) {
	e := ending{Split: int(0)}
	off, no := int64(0), int64(0)
	for len(data) > 0 {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		size := int64(len(line))
		if found {
			size++
		}
		if s := int(off / o.SplitSize); s != e.Split {
			e.End = off
			ends = append(ends, e)
			e = ending{Split: s, FirstInRow: len(rows)}
		}
		no++
		e.Lines++
		if off == 0 {
			line = bytes.TrimPrefix(line, bom)
		}
		if len(bytes.Trim(line, " \t\r\v\f")) == 0 {
			e.Blank++
		} else {
			r := row{record.MakeID(o.File, off), no, string(line), int64(len(line)), e.Split}
			if r.Full > int64(o.MaxRecord) {
				r.Line = r.Line[:min(len(r.Line), KeepOfTruncated)]
			}
			rows = append(rows, r)
		}
		off += size
		data = rest
	}
	e.End, e.EOF = off, true
	return rows, append(ends, e)
}

func readAll(t *testing.T, src io.Reader, o Options) (rows []row, ends []ending) {
	t.Helper()
	l := NewLines(src, o)
	var c Chunk
	e := ending{}
	end := o.From.Offset
	line := o.From.Lines + 1
	for {
		err := l.Next(context.Background(), &c)
		if err == io.EOF {
			if !c.EOF {
				t.Fatal("io.EOF without a chunk that says so")
			}
			return rows, ends
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Offset != end || c.LineNo != line {
			t.Fatalf("chunk begins at byte %d, line %d; the one before ended at %d, %d", c.Offset, c.LineNo, end, line)
		}
		end, line = c.End, line+c.Lines
		e.Split = c.Split
		e.Lines += c.Lines
		for at := (Cursor{}); !c.Done(at); {
			n := at.Byte
			var blank int64
			at = EachLine(&c, at, func(id record.ID, no int64, line []byte, full int64) bool {
				rows = append(rows, row{id, no, string(line), full, c.Split})
				return len(rows)%3 != 0 // stop and go on, as batches do
			})
			if blank = at.Blank; c.Done(at) {
				e.Blank += blank
			}
			if at.Byte <= n {
				t.Fatal("no progress")
			}
		}
		if c.Last {
			e.End, e.EOF = c.End, c.EOF
			ends = append(ends, e)
			e = ending{FirstInRow: len(rows)}
		}
	}
}

func testFile(rng *rand.Rand) []byte {
	var b bytes.Buffer
	if rng.IntN(3) == 0 {
		b.Write(bom)
	}
	for range rng.IntN(40) {
		switch rng.IntN(8) {
		case 0:
			b.WriteString(strings.Repeat(" ", rng.IntN(3)))
		case 1:
			b.WriteString("\r")
		case 2:
			b.WriteString(strings.Repeat("long", rng.IntN(200)))
		default:
			fmt.Fprintf(&b, `{"n":%d}`, rng.IntN(1e9))
		}
		b.WriteByte('\n')
	}
	if rng.IntN(2) == 0 {
		b.WriteString("no line feed")
	}
	return b.Bytes()
}

// TestLines compares the reader with the obvious way for random files, sizes and sources, from the start and
// from every split border.
func TestLines(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 2))
	for i := range 2000 {
		data := testFile(rng)
		o := Options{File: 3, SplitSize: int64(1 + rng.IntN(400)), ChunkSize: 1 + rng.IntN(300), MaxRecord: 1 + rng.IntN(900)}
		wantRows, wantEnds := naive(data, o)
		var src io.Reader = bytes.NewReader(data)
		switch rng.IntN(3) {
		case 0:
			src = iotest.OneByteReader(src)
		case 1:
			src = iotest.DataErrReader(iotest.HalfReader(src))
		}
		rows, ends := readAll(t, src, o)
		if !reflect.DeepEqual(rows, wantRows) || !reflect.DeepEqual(ends, wantEnds) {
			t.Fatalf("seed %d, file %d %q, %+v:\n got %+v %+v\nwant %+v %+v", seed, i, data, o, rows, ends, wantRows, wantEnds)
		}
		lines := int64(0)
		for k, e := range wantEnds[:len(wantEnds)-1] {
			lines += e.Lines
			from := o
			from.From = Position{Offset: e.End, Lines: lines}
			rows, ends := readAll(t, bytes.NewReader(data[e.End:]), from)
			if first := wantEnds[k+1].FirstInRow; len(rows) != len(wantRows)-first || len(rows) > 0 && !reflect.DeepEqual(rows, wantRows[first:]) {
				t.Fatalf("seed %d, file %d %q, %+v: resumed behind split %d: %+v\nwant %+v", seed, i, data, o, e.Split, rows, wantRows[first:])
			}
			if last := ends[len(ends)-1]; last.End != int64(len(data)) || !last.EOF {
				t.Fatalf("seed %d: resumed run ends at %+v", seed, last)
			}
		}
	}
}

func TestTooLong(t *testing.T) {
	data := `{"a":1}` + "\n" + strings.Repeat("x", 300_000) + "\n" + `{"b":2}` + "\n"
	grown := 0
	o := Options{File: 1, SplitSize: 1 << 30, ChunkSize: 100, MaxRecord: 200_000, Grow: func(context.Context) error { grown++; return nil }}
	rows, _ := readAll(t, strings.NewReader(data), o)
	if len(rows) != 3 || rows[1].Full != 300_000 || len(rows[1].Line) != KeepOfTruncated || rows[2].Line != `{"b":2}` {
		t.Fatalf("%d rows, %+v", len(rows), rows[len(rows)-1])
	}
	if grown != 1 {
		t.Errorf("asked %d times for memory, want once, for the whole", grown)
	}
	b := &record.Batch{}
	AppendTooLong(b, rows[1].ID, rows[1].LineNo, []byte(rows[1].Line), rows[1].Full)
	if r := &b.Records[0]; r.Outcome != record.Quarantine || r.Truncated != 300_000 {
		t.Errorf("%+v", r)
	}
}

func TestReadError(t *testing.T) {
	l := NewLines(io.MultiReader(strings.NewReader("{}\n{"), iotest.ErrReader(io.ErrClosedPipe)), Options{SplitSize: 100, ChunkSize: 10})
	var c Chunk
	if err := l.Next(context.Background(), &c); err != nil || string(c.Buf) != "{}\n" {
		t.Errorf("%q, %v; whole lines before an error are given first", c.Buf, err)
	}
	for range 2 {
		if err := l.Next(context.Background(), &c); err != io.ErrClosedPipe {
			t.Errorf("%v; the source's error comes through", err)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(io.ErrNoProgress)
	if err := NewLines(strings.NewReader("{}\n"), Options{SplitSize: 100, ChunkSize: 10}).Next(ctx, &c); err != io.ErrNoProgress {
		t.Errorf("%v; a cancelled reader says why", err)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("{}\n\n{\"a\":1}"), uint16(3), uint16(2), uint16(4))
	f.Add([]byte("\xef\xbb\xbf{}\r\n \n"), uint16(1), uint16(1), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, split, chunk, longest uint16) {
		o := Options{File: 1, SplitSize: int64(split) + 1, ChunkSize: int(chunk) + 1, MaxRecord: int(longest) + 1}
		wantRows, wantEnds := naive(data, o)
		rows, ends := readAll(t, bytes.NewReader(data), o)
		if !reflect.DeepEqual(rows, wantRows) || !reflect.DeepEqual(ends, wantEnds) {
			t.Fatalf("%q %+v:\n got %+v %+v\nwant %+v %+v", data, o, rows, ends, wantRows, wantEnds)
		}
	})
}
