package exchange

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
	"testing"

	"curate/corpus/parquet"
	"curate/dedup"
	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// sealedKeys are those of three documents, of which two are the same.
func sealedKeys(t testing.TB, m *dedup.MinHash) []stage.Sealed {
	t.Helper()
	r := m.Stages()[0].(stage.Reducer)
	b := &record.Batch{}
	for i, text := range []string{"one two three four five six seven", "eight nine ten eleven twelve thirteen", "One two, three four five six seven!"} {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), fmt.Appendf(nil, `{"text":%q}`, text))
	}
	b.Parse()
	if err := r.Key().NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	p := r.NewPartial()
	if err := p.Add(b); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Seal(&out); err != nil {
		t.Fatal(err)
	}
	return []stage.Sealed{{Size: int64(out.Len()), Data: inMemory{bytes.NewReader(out.Bytes())}}}
}

// table writes rows as an engine does: all columns may be null.
func table(t testing.TB, ws stage.Workspace, name string, columns []string, all [][]int64) {
	t.Helper()
	err := ws.Make(t.Context(), name, func(w io.Writer) error {
		var cols []parquet.Column
		for _, c := range columns {
			cols = append(cols, parquet.Column{Name: c, Type: parquet.Int64, Optional: true})
		}
		p, err := parquet.NewWriter(w, cols, parquet.WriterOptions{})
		if err != nil {
			return err
		}
		for _, row := range all {
			for i, v := range row {
				if v != parquet.NoInt {
					p.Int64(i, v)
				}
			}
			if err := p.EndRow(); err != nil {
				return err
			}
		}
		return p.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

var starColumns = []string{"bucket", "hub", "id", "alone", "xor"}

func TestKeysAndStars(t *testing.T) {
	m, err := dedup.NewMinHash(dedup.MinHashConfig{})
	if err != nil {
		t.Fatal(err)
	}
	const ranges = 4
	k, err := m.Ranks(ranges)
	if err != nil {
		t.Fatal(err)
	}
	scratch := func() stage.Workspace { return stagetest.NewWorkspace(64<<20, 1) }
	shared := stagetest.NewWorkspace(64<<20, 1)
	keys := sealedKeys(t, m)
	shared.FailMake(1, stagetest.AfterWrite) // the Parquet file is there, and the counts are not
	if err := Keys(t.Context(), k, ranges, 1, keys, shared, scratch()); err == nil {
		t.Error("it was not killed")
	}
	shared.Resume(64<<20, 1)
	if err := Keys(t.Context(), k, ranges, 1, keys, shared, scratch()); err != nil {
		t.Fatal(err)
	}
	tallies, err := k.Tallies(t.Context(), []int{1}, shared)
	if err != nil {
		t.Fatal(err)
	}
	byBucket, rangeOf := map[int64][]int64{}, map[int64]int64{}
	n := int64(0)
	err = rows(t.Context(), shared, []string{KeysFile(1)}, []string{"range", "bucket", "id"}, func(v []int64) error {
		byBucket[v[1]] = append(byBucket[v[1]], v[2])
		rangeOf[v[1]] = v[0]
		n++
		return nil
	})
	total := int64(0)
	for _, t := range tallies {
		total += t.Keys
	}
	if err != nil || n != 60 || total != n {
		t.Fatalf("%d keys, %d were counted: %v", n, total, err)
	}
	stars := make([][][]int64, ranges)
	null := int64(parquet.NoInt)
	for bucket, ids := range byBucket {
		r := rangeOf[bucket]
		if slices.Sort(ids); len(ids) == 1 {
			stars[r] = append(stars[r], []int64{null, null, null, 1, bucket ^ ids[0]})
		}
		for _, id := range ids[1:] {
			stars[r] = append(stars[r], []int64{bucket, ids[0], id, null, null})
		}
	}
	want := stagetest.NewWorkspace(64<<20, 1)
	for r := range ranges {
		half := len(stars[r]) / 2
		names := []string{RangeDir(r) + "/part-00000-uuid.snappy.parquet", RangeDir(r) + "/part-00001-uuid.snappy.parquet"}
		table(t, shared, names[0], starColumns, stars[r][:half])
		table(t, shared, names[1], starColumns, stars[r][half:])
		names = Files(append(names, RangeDir(r)+"/_SUCCESS", RangeDir(r)+"/.part-00000-uuid.snappy.parquet.crc"))
		if err := Stars(t.Context(), k, r, tallies[r], names[:1], shared, scratch()); len(stars[r])-half > 0 && !errors.Is(err, dedup.ErrIncomplete) {
			t.Errorf("range %d, one of two files: %v", r, err)
		}
		if err := Stars(t.Context(), k, r, tallies[r], names, shared, scratch()); err != nil {
			t.Fatal(err)
		}
		if err := k.Pairs(t.Context(), r, keys, want, scratch()); err != nil {
			t.Fatal(err)
		}
		if got, want := read(t, shared, dedup.PairsFile(r)), read(t, want, dedup.PairsFile(r)); got != want {
			t.Errorf("range %d: %d bytes that differ from %d", r, len(got), len(want))
		}
	}
}

func read(t testing.TB, ws stage.Workspace, name string) string {
	t.Helper()
	f, size, err := ws.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRefusals(t *testing.T) {
	m, err := dedup.NewMinHash(dedup.MinHashConfig{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.Ranks(1)
	if err != nil {
		t.Fatal(err)
	}
	null := int64(parquet.NoInt)
	for name, row := range map[string][]int64{
		"a hub that is larger":     {1, 5, 4, null, null},
		"a hub that is itself":     {1, 5, 5, null, null},
		"a negative hub":           {1, -5, 5, null, null},
		"a star that is alone":     {1, 4, 5, 1, 1},
		"no document":              {1, 4, null, null, null},
		"fewer than none":          {null, null, null, -1, 0},
		"nothing at all":           {null, null, null, null, null},
		"alone, and of a document": {null, null, 3, 1, 0},
	} {
		ws := stagetest.NewWorkspace(64<<20, 1)
		table(t, ws, "stars", starColumns, [][]int64{row})
		err := Stars(t.Context(), k, 0, dedup.KeyTally{}, []string{"stars"}, ws, stagetest.NewWorkspace(64<<20, 1))
		if !errors.Is(err, dedup.ErrIncomplete) || !strings.Contains(err.Error(), "stars: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, row := range map[string][]int64{
		"no component": {4, null}, "a larger one": {4, 5}, "no node": {null, 4}, "a node of 33 bits": {1 << 32, 1}, "a negative one": {4, -4},
	} {
		ws := stagetest.NewWorkspace(64<<20, 1)
		table(t, ws, "labels", []string{"node", "component"}, [][]int64{row})
		err := Labels(t.Context(), k, []string{"labels"}, ws, stagetest.NewWorkspace(64<<20, 1))
		if !errors.Is(err, dedup.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ws := stagetest.NewWorkspace(64<<20, 1)
	table(t, ws, "labels", []string{"id", "component"}, nil)
	if err := Labels(t.Context(), k, []string{"labels"}, ws, stagetest.NewWorkspace(64<<20, 1)); err == nil || !strings.Contains(err.Error(), `labels: it has no column "node"`) {
		t.Error(err)
	}
	if err := Labels(t.Context(), k, []string{"nowhere"}, ws, stagetest.NewWorkspace(64<<20, 1)); err == nil {
		t.Error("a file that is not there is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := rows(ctx, ws, []string{"labels"}, []string{"id"}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestSpark reads what Spark 3.5.6 wrote with contrib/spark's own statements of six keys: testdata/README.md.
func TestSpark(t *testing.T) {
	ws := stagetest.NewWorkspace(64<<20, 1)
	load := func(pattern string) (names []string) {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.ToSlash(file)
			if err := ws.Make(t.Context(), name, func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		return Files(names)
	}
	var got []string
	see := func(v []int64) error {
		got = append(got, strings.ReplaceAll(fmt.Sprint(v), fmt.Sprint(int64(parquet.NoInt)), "null"))
		return nil
	}
	if err := rows(t.Context(), ws, load("testdata/stars/range=3/*"), starColumns, see); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{"[-7 1099511627776 1099511627780 null null]", "[-7 1099511627776 2199023255568 null null]", "[null null null 2 1]"}
	if !slices.Equal(got, want) {
		t.Errorf("stars: %q", got)
	}
	got = nil
	if err := rows(t.Context(), ws, load("testdata/labels/*"), []string{"node", "component"}, see); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if want := []string{"[1 0]", "[2 0]", "[3 0]", "[9 7]"}; !slices.Equal(got, want) {
		t.Errorf("labels: %q", got)
	}
}

// FuzzImport takes any rows of numbers for an engine's: they are refused or make files, and of stars and labels that are
// taken in the sums and components hold.
func FuzzImport(f *testing.F) {
	m, err := dedup.NewMinHash(dedup.MinHashConfig{})
	if err != nil {
		f.Fatal(err)
	}
	k, err := m.Ranks(1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("\x01\x02\x03\xff\xff"), []byte("\x01\x00\x02\x00"), int64(2), uint64(1))
	f.Add([]byte("\x01\x02\x03\xff\xff\xff\xff\xff\x02\x05"), []byte("\x01\x01\x02\x01"), int64(4), uint64(4))
	f.Add([]byte{}, []byte("\x02\x01\x01\x00"), int64(0), uint64(0))
	f.Fuzz(func(t *testing.T, stars, labels []byte, n int64, xor uint64) {
		rowsOf := func(b []byte, width int) (all [][]int64) {
			for ; len(b) >= width && len(all) < 100; b = b[width:] {
				row := make([]int64, width)
				for i, v := range b[:width] {
					if row[i] = int64(int8(v)); v == 0xff {
						row[i] = parquet.NoInt
					}
				}
				all = append(all, row)
			}
			return all
		}
		ws := stagetest.NewWorkspace(64<<20, 1)
		table(t, ws, "stars", starColumns, rowsOf(stars, 5))
		want := dedup.KeyTally{Keys: n, Xor: xor}
		if err := Stars(t.Context(), k, 0, want, []string{"stars"}, ws, stagetest.NewWorkspace(64<<20, 1)); err == nil {
			got, distinct := dedup.KeyTally{}, map[[2]int64]bool{}
			for _, row := range rowsOf(stars, 5) {
				if row[1] == parquet.NoInt {
					got.Keys, got.Xor = got.Keys+row[3], got.Xor^uint64(row[4])
					continue
				}
				distinct[[2]int64{row[0], row[1]}], distinct[[2]int64{row[0], row[2]}] = true, true
			}
			for key := range distinct {
				got.Add(uint64(key[0]), record.ID(key[1]))
			}
			if got != want {
				t.Errorf("%+v was taken for %+v", got, want)
			}
		} else if !errors.Is(err, dedup.ErrIncomplete) {
			t.Error(err)
		}
		// Documents 0, 1 and 2 are similar in a chain.
		pair := "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x0f\x00\x00\x00\x0f\x00\x00\x00\x00\x00\x01"
		pairs := pair + strings.Replace(strings.Replace(pair, "\x01", "\x02", 1), "\x00\x00\x00\x00", "\x00\x00\x00\x01", 1)
		for name, b := range map[string]string{"verify-000-similar": pairs, "rehub-000-similar": ""} {
			if err := ws.Make(t.Context(), name, func(w io.Writer) error { _, err := io.WriteString(w, b); return err }); err != nil {
				t.Fatal(err)
			}
		}
		table(t, ws, "labels", []string{"node", "component"}, rowsOf(labels, 2))
		switch err := Labels(t.Context(), k, []string{"labels"}, ws, stagetest.NewWorkspace(64<<20, 1)); {
		case err == nil:
			if got := read(t, ws, dedup.ComponentsFile); len(got) != 32 || got[:4] != "\x00\x00\x00\x00" || got[16:20] != "\x00\x00\x00\x00" {
				t.Errorf("components are %x", got)
			}
		case !errors.Is(err, dedup.ErrIncomplete):
			t.Error(err)
		}
	})
}
