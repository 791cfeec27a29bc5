package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/record"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExpand(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, f := range []string{"a.jsonl", "b.jsonl.zst", "dir/z.txt", "dir/y.ndjson.gz", "dir/sub/part-0", "dir/readme.md", "dir/.x.jsonl", "dir/_tmp/x.jsonl", "we[i]rd.jsonl",
		"run/part-1.jsonl", "run/_curate/done", "half/part-1.jsonl", "half/_curate/journal"} {
		write(t, f, []byte("{}\n"))
	}
	for _, c := range []struct {
		args    []string
		want    []string
		skipped []string
		err     string
	}{
		{nil, []string{"-"}, nil, ""},
		{[]string{"-"}, []string{"-"}, nil, ""},
		{[]string{"b.jsonl.zst", "a.jsonl"}, []string{"b.jsonl.zst", "a.jsonl"}, nil, ""}, // in the order given
		{[]string{"*.jsonl*"}, []string{"a.jsonl", "b.jsonl.zst", "we[i]rd.jsonl"}, nil, ""},
		{[]string{"we[i]rd.jsonl"}, []string{"we[i]rd.jsonl"}, nil, ""}, // a file of that name comes before a glob
		{[]string{"dir"}, []string{"dir/sub/part-0", "dir/y.ndjson.gz", "dir/z.txt"}, []string{"dir/readme.md"}, ""},
		{[]string{"dir/"}, []string{"dir/sub/part-0", "dir/y.ndjson.gz", "dir/z.txt"}, []string{"dir/readme.md"}, ""},
		{[]string{"dir/*"}, []string{"dir/readme.md", "dir/sub/part-0", "dir/y.ndjson.gz", "dir/z.txt"}, nil, ""}, // named by the user
		{[]string{"run"}, []string{"run/part-1.jsonl"}, nil, ""},
		{[]string{"half"}, nil, nil, "has not finished"},
		{[]string{"."}, nil, nil, "half: is the output of a run that has not finished"},
		{[]string{"a.jsonl", "./a.jsonl"}, nil, nil, "is given twice"},
		{[]string{"dir", "dir/z.txt"}, nil, nil, "is given twice"},
		{[]string{"x*"}, nil, nil, "matches no file"},
		{[]string{"x.jsonl"}, nil, nil, "no such file"},
		{[]string{"a.jsonl", "-"}, nil, nil, "cannot stand beside files"},
	} {
		m, err := Expand(t.Context(), store.NewLocal(nil), c.args)
		if c.err != "" {
			var in *InputError
			if !errors.As(err, &in) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v; want an InputError with %q", c.args, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		var got []string
		for i, f := range m.Files {
			got = append(got, f.Path)
			if want := i + 1; f.Number != want && f.Path != Stdin || f.Path == Stdin && f.Number != 0 {
				t.Errorf("%q: %s has number %d", c.args, f.Path, f.Number)
			}
		}
		if !slices.Equal(got, c.want) || !slices.Equal(m.Skipped, c.skipped) {
			t.Errorf("%q: %q, skipped %q; want %q, %q", c.args, got, m.Skipped, c.want, c.skipped)
		}
	}
}

func TestOutputFormat(t *testing.T) {
	for _, c := range []struct {
		name, format string
		file         bool
		err          string
	}{
		{"o.jsonl", "jsonl", true, ""}, {"x/o.JSONL.ZST", "jsonl.zst", true, ""}, {"o.ndjson.gz", "jsonl.gz", true, ""}, {"o.json", "jsonl", true, ""},
		{"out", "", false, ""}, {"out.d", "", false, ""}, {"a.jsonl/out", "", false, ""},
		{"o.jsonl.xz", "", true, "xz is read, but not written"}, {"o.bz2", "", true, "bzip2 is read"},
		{"o.txt", "", true, "text is read"}, {"o.csv.gz", "", true, "is no output format"}, {"o.csv", "", true, "is no output format"}, {"o.parquet", "parquet", true, ""}, {"o.pq", "parquet", true, ""}, {"o.parquet.zst", "", true, "compresses its own pages"},
	} {
		f, file, err := OutputFormat(c.name)
		switch {
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v, want %s", c.name, err, c.err)
		case c.err == "" && (err != nil || file != c.file || file && f.String() != c.format):
			t.Errorf("%s: %s, file %v, %v", c.name, f, file, err)
		}
	}
	for _, name := range Formats() {
		if f, err := FormatNamed(name); err != nil || f.String() != name {
			t.Errorf("%s: %s, %v", name, f, err)
		}
	}
	if !slices.IsSortedFunc(Codecs, func(a, b split.Codec) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table of codecs is not sorted")
	}
}

// lines is every record of a source, and where its splits end.
func lines(t *testing.T, f File, from split.Position) (got []string, ends []split.Position, err error) {
	t.Helper()
	src, err := Open(t.Context(), store.NewLocal(nil), f, OpenOptions{
		Options: split.Options{SplitSize: 100, ChunkSize: 64, MaxRecord: 1000, From: from}, MaxWindow: 8 << 20,
	})
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	var c split.Chunk
	n := from.Lines
	for {
		err := src.Next(t.Context(), &c)
		if err == io.EOF {
			return got, ends, nil
		}
		if err != nil {
			return got, ends, err
		}
		n += c.Lines
		b := &record.Batch{}
		codec := src.Codec()
		for at := (split.Cursor{}); !c.Done(at); {
			at = codec.Decode(&c, at, b, 3, 50, "text")
			for i := range b.Records {
				got = append(got, fmt.Sprintf("%d:%d:%s", b.Records[i].ID.Offset(), b.Records[i].LineNo, b.Records[i].Line))
			}
			b.Reset()
		}
		if c.Last {
			ends = append(ends, split.Position{Offset: c.End, Lines: n})
		}
	}
}

// TestSource reads the same bytes in every compression, from the start and from the end of each split.
func TestSource(t *testing.T) {
	var plain bytes.Buffer
	for i := range 60 {
		fmt.Fprintf(&plain, `{"n":%d,"text":"%s"}`+"\n", i, strings.Repeat("x", i%13))
	}
	dir := t.TempDir()
	files := map[string]string{"plain": write(t, dir+"/f.jsonl", plain.Bytes())}
	for _, kind := range []compress.Kind{compress.Zstd, compress.Gzip} {
		e, err := compress.NewEncoder(kind)
		if err != nil {
			t.Fatal(err)
		}
		two := e.AppendFrame(e.AppendFrame(nil, plain.Bytes()[:700]), plain.Bytes()[700:])
		files[kind.String()] = write(t, dir+"/f-"+kind.String(), two) // known by their magic numbers
	}
	var want []string
	for _, name := range []string{"plain", "zstd", "gzip"} {
		m, err := Expand(t.Context(), store.NewLocal(nil), []string{files[name]})
		if err != nil {
			t.Fatal(err)
		}
		got, ends, err := lines(t, m.Files[0], split.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) || len(got) != 60 {
			t.Errorf("%s: %d records, not those of the plain file", name, len(got))
		}
		for _, e := range ends[:len(ends)-1] {
			rest, _, err := lines(t, m.Files[0], e)
			first := slices.IndexFunc(want, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("%d:%d:", e.Offset, e.Lines+1)) })
			if err != nil || first < 0 || !slices.Equal(rest, want[first:]) {
				t.Errorf("%s from %+v: %d records, %v", name, e, len(rest), err)
			}
		}
		// A file that changes while it is read ends badly instead of mixing two states.
		changed := m.Files[0]
		changed.Size++
		if _, _, err := lines(t, changed, split.Position{}); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v, want %v", name, err, ErrChanged)
		}
		if name != "plain" {
			if _, _, err := lines(t, m.Files[0], split.Position{Offset: 1 << 20}); !errors.Is(err, ErrChanged) {
				t.Errorf("%s: resumed beyond its end: %v", name, err)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	e, err := compress.NewEncoder(compress.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	name := write(t, t.TempDir()+"/cut.jsonl.zst", e.AppendFrame(nil, bytes.Repeat([]byte("{\"a\":1}\n"), 1000))[:20])
	m, err := Expand(t.Context(), store.NewLocal(nil), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = lines(t, m.Files[0], split.Position{})
	var damage *compress.DamageError
	if !errors.As(err, &damage) || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), "replace the file and run again") {
		t.Errorf("%v; want the name, the damage and the remedy", err)
	}
}

// TestStream: a silent writer's records flow on, and a cancelled reader does not wait for it.
func TestStream(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	var consumed atomic.Int64
	ctx, cancel := context.WithCancelCause(t.Context())
	go w.Write([]byte("{\"a\":1}\n{\"b\""))
	src, err := Open(ctx, store.NewLocal(nil), File{Path: Stdin, Stream: true, Size: -1}, OpenOptions{
		Options: split.Options{SplitSize: 1 << 20, ChunkSize: 1 << 20, MaxRecord: 1000}, Stdin: r, Consumed: &consumed,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var c split.Chunk
	if err := src.Next(ctx, &c); err != nil || string(c.Buf) != "{\"a\":1}\n" {
		t.Fatalf("%q, %v", c.Buf, err)
	}
	go w.Write([]byte(":2}\n"))
	if err := src.Next(ctx, &c); err != nil || string(c.Buf) != "{\"b\":2}\n" || consumed.Load() != 16 {
		t.Fatalf("%q, %v, %d bytes", c.Buf, err, consumed.Load())
	}
	stopped := errors.New("stopped")
	time.AfterFunc(20*time.Millisecond, func() { cancel(stopped) })
	if err := src.Next(ctx, &c); !errors.Is(err, stopped) {
		t.Errorf("%v; want the cause of the cancel", err)
	}
}

// FuzzText: whatever a line of text holds, it becomes a record whose text is that line, or a bad record.
func FuzzText(f *testing.F) {
	f.Add([]byte("plain \"quoted\" \\ \t text\r\nnext \xff bad\n\n€\u2028"))
	codec, _ := CodecNamed("text")
	f.Fuzz(func(t *testing.T, data []byte) {
		c := split.Chunk{File: 1, LineNo: 1, Buf: data, MaxRecord: 1 << 20}
		b := &record.Batch{}
		var scratch []byte
		path := record.MustPath("text")
		for at := (split.Cursor{}); !c.Done(at); {
			b.Reset()
			at = codec.Decode(&c, at, b, 2, 100, "text")
			b.Parse()
			for i := range b.Records {
				r := &b.Records[i]
				line, _, _ := bytes.Cut(data[r.ID.Offset():], []byte("\n"))
				if r.Outcome == record.Quarantine {
					if !bytes.Equal(r.Line, line) {
						t.Fatalf("a bad line %q is kept as %q", line, r.Line)
					}
					continue
				}
				if got, err := r.Text(path, &scratch); err != nil || !bytes.Equal(got, line) {
					t.Fatalf("%q became %q: %v", line, got, err)
				}
			}
		}
	})
}
