package pipeline

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/record"
)

// FuzzCopy: a copy of any bytes is read or refused; a good one gives its lines and IDs back.
func FuzzCopy(f *testing.F) {
	good := func(lines string, ids ...origin) []byte {
		e, err := compress.NewEncoder(copyFormat.Compression)
		if err != nil {
			f.Fatal(err)
		}
		enc := e.AppendFrame(nil, []byte(lines))
		return append(appendIDs(nil, len(enc), len(lines), ids), enc...)
	}
	f.Add(good("{\"a\":1}\n{}\n", origin{5, 0}, origin{900, 0}))
	f.Add(append(good("{}\n", origin{record.MakeID(3, 7), 4}), good("{}\n", origin{record.MakeID(3, 17), 9})...))
	f.Add(good(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := memoryDir(t)
		st := store.NewLocal(nil).Scratch()
		if err := writeFile(t.Context(), st, filepath.ToSlash(filepath.Join(dir, "copy")), b); err != nil {
			t.Fatal(err)
		}
		s := &copySource{
			st: st, root: filepath.ToSlash(dir), usual: 1 << 30, consumed: func(int64) {},
			entries: []Entry{{File: 1, EOF: true, Parts: map[string]Part{"out": {Name: "copy"}}}},
		}
		defer s.Close()
		for {
			var c split.Chunk
			err := s.Next(t.Context(), &c)
			if err != nil {
				if err != io.EOF && !errors.Is(err, errCopy) {
					t.Fatalf("%v", err)
				}
				return
			}
			if n := bytes.Count(c.Buf, []byte("\n")); len(c.IDs) != n || n != len(c.LineNos) && !c.Last {
				t.Fatalf("%d IDs and %d line numbers of %q", len(c.IDs), len(c.LineNos), c.Buf)
			}
		}
	})
}
