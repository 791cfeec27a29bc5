package shards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/shards/format"
)

// packedSet is a small set with rows of 6 tokens, ids below 300 and EOD 299.
func packedSet(t testing.TB) map[string][]byte {
	return setOf(t, "megatron", false)
}

// setOf is that in any format, perhaps with a mask.
func setOf(t testing.TB, name string, masked bool) map[string][]byte {
	b := mustNew(t, Config{Vocabulary: Vocabulary{300, 299, "f"}, Format: name, Packing: "best-fit", PadID: -1, Schedule: []Length{{6, 1}}, ShardSize: 40})
	rng := rand.New(rand.NewPCG(3, 3))
	docs := make([]document, 20)
	for i := range docs {
		docs[i] = document{id: id(i), ids: randomIDs(rng, 1+rng.IntN(12), 299)}
		if masked && i%2 == 0 {
			docs[i].mask = make([]byte, len(docs[i].ids))
			docs[i].mask[rng.IntN(len(docs[i].ids))] = 1
		}
	}
	return inSet(build(t, b, docs, 5, rng), "length-6/")
}

// inSet are the files of one set, as in its folder.
func inSet(files map[string][]byte, dir string) map[string][]byte {
	set := map[string][]byte{}
	for name, b := range files {
		if below, ok := strings.CutPrefix(name, dir); ok {
			set[below] = b
		}
	}
	return set
}

// verified is what Verify says about files.
func verified(t testing.TB, files map[string][]byte) error {
	t.Helper()
	_, err := Verify(t.Context(), store.NewLocal(nil), write(t, files))
	return err
}

// wantFault wants a *format.Fault that names the file, and the byte if at is not -2.
func wantFault(t *testing.T, what string, err error, file string, at int64) {
	t.Helper()
	var f *format.Fault
	switch {
	case !errors.As(err, &f):
		t.Errorf("%s: %v, want a fault", what, err)
	case !strings.HasSuffix(f.File, "/"+file):
		t.Errorf("%s: %v, want it in %s", what, err, file)
	case at != -2 && f.Offset != at:
		t.Errorf("%s: %v, want byte %d", what, err, at)
	}
}

// sealed again: as if the builder itself had written these bytes, so that digests say nothing.
func resealed(t testing.TB, files map[string][]byte) map[string][]byte {
	t.Helper()
	m, err := ParseManifest("m", files[ManifestFile])
	if err != nil {
		t.Fatal(err)
	}
	files = maps.Clone(files)
	for i := range m.Shards {
		for k := range m.Shards[i].Files {
			f := &m.Shards[i].Files[k]
			d := newDigests()
			d.add(files[f.Name])
			*f = d.record(f.Name)
		}
	}
	if files[ManifestFile], err = m.encode(); err != nil {
		t.Fatal(err)
	}
	files[DoneFile] = []byte(doneLine(files[ManifestFile]))
	return files
}

// TestVerifyFlips changes bytes of a set of each format, one at a time, and wants the file named.
func TestVerifyFlips(t *testing.T) {
	for _, f := range format.All() {
		if f.Traits().Pairs {
			continue
		}
		for _, masked := range []bool{false, true} {
			if !masked && f.Name() != DefaultFormat { // what has a mask has all there is
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", f.Name(), masked), func(t *testing.T) { flips(t, setOf(t, f.Name(), masked), f) })
		}
	}
	t.Run("pairs", func(t *testing.T) {
		b := mustNew(t, Config{Vocabulary: Vocabulary{300, 299, "f"}})
		var docs []document
		rng := rand.New(rand.NewPCG(4, 4))
		for i := range 20 {
			docs = append(docs, document{id: id(i), ids: randomIDs(rng, 8, 299), isPair: true, prompt: i % 4})
		}
		f, err := format.Named(PairFormat)
		if err != nil {
			t.Fatal(err)
		}
		flips(t, inSet(build(t, b, docs, 5, rng), pairDir), f)
	})
}

func flips(t *testing.T, files map[string][]byte, of format.Format) {
	if err := verified(t, files); err != nil {
		t.Fatal(err)
	}
	dir := write(t, files)
	n := 0
	total := 0
	for _, b := range files {
		total += len(b)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		step := 1 + total/120
		if of.Name() == DefaultFormat && total < 4000 {
			step = 1
		}
		if name == ManifestFile { // all of it is under one digest
			step *= 11
		}
		for i := 0; i < len(files[name]); i += step {
			b := slices.Clone(files[name])
			b[i] ^= 1 << (i % 8)
			n++
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := Verify(t.Context(), store.NewLocal(nil), dir)
			where := name
			if name == ManifestFile { // which of the two was changed nobody can know
				where = DoneFile
			}
			var f *format.Fault
			if !errors.As(err, &f) {
				t.Fatalf("%s, byte %d changed: %v", name, i, err)
			}
			// What stands in one file of a shard may show in what another leads to; it is the same shard.
			shard, _, _ := strings.Cut(where, ".")
			if where != DoneFile && where != of.Traits().Index {
				if !strings.Contains(f.File, "/"+shard+".") {
					t.Errorf("%s, byte %d changed: %v", name, i, err)
				}
			} else {
				wantFault(t, name, err, where, -2)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d bytes changed", n)
}

// TestVerifyPlaces wants the very byte.
func TestVerifyPlaces(t *testing.T) {
	files := packedSet(t)
	idx, bin, bounds := "shard-00001.idx", "shard-00001.bin", "shard-00001.bounds"
	m, err := ParseManifest("m", files[ManifestFile])
	if err != nil {
		t.Fatal(err)
	}
	rows := int(m.Shards[1].Sequences)
	for _, c := range []struct {
		what, file string
		at         int
		put        string
		wantFile   string
		wantAt     int64
	}{
		{"magic", idx, 3, "X", idx, 0},
		{"version", idx, 9, "\x02", idx, 9},
		{"dtype", idx, 17, "\x05", idx, 17},
		{"dtype that does not fit", idx, 17, "\x04", idx, -1},
		{"sequences", idx, 18, "\x01", idx, 18},
		{"sequences beyond any file", idx, 25, "\x7f", idx, 18},
		{"document indices", idx, 26, "\x00", idx, 26},
		{"document indices beyond any file", idx, 33, "\xff", idx, 26},
		{"a negative length", idx, 34 + 4*1 + 3, "\x80", idx, 34 + 4*1},
		{"another length", idx, 34, "\x05", idx, int64(34 + 4*rows + 8)},
		{"an offset beyond the tokens", idx, 34 + 4*rows + 8*2 + 6, "\x01", idx, int64(34 + 4*rows + 8*2)},
		{"another offset", idx, 34 + 4*rows + 8*2, "\x02", idx, int64(34 + 4*rows + 8*2)},
		{"a document index", idx, 34 + 12*rows + 8*3, "\x04", idx, int64(34 + 12*rows + 8*3)},
		{"an id above the vocabulary", bin, 2 * 3, "\x2c\x01", bin, 2 * 3},
		{"magic of bounds", bounds, 0, "x", bounds, 0},
		{"version of bounds", bounds, 8, "\x09", bounds, 8},
		{"width of bounds", bounds, 12, "\x07", bounds, 12},
		{"impossible width of bounds", bounds, 15, "\x07", bounds, 12},
		{"rows of bounds", bounds, 16, "\x00", bounds, 16},
		{"rows beyond any file", bounds, 23, "\xff", bounds, 16},
		{"pieces of bounds beyond any file", bounds, 31, "\xff", bounds, 24},
		{"a row without pieces", bounds, 32 + 8, "\x00", bounds, 32 + 8},
		{"a row without tokens", bounds, 32 + 8 + 4, "\x00", bounds, 32 + 8},
		{"a row of too many tokens", bounds, 32 + 8 + 4, "\x07", bounds, 32 + 8 + 4},
		{"a piece not at 0", bounds, 32 + 8*rows, "\x01", bounds, int64(32 + 8*rows)},
		{"a piece that continues and does not", bounds, 32 + 8*rows + 3, "\xa0", bounds, int64(32 + 8*rows)},
	} {
		b := slices.Clone(files[c.file])
		copy(b[c.at:], c.put)
		if bytes.Equal(b, files[c.file]) {
			t.Fatalf("%s: nothing is changed", c.what)
		}
		changed := maps.Clone(files)
		changed[c.file] = b
		wantFault(t, c.what, verified(t, changed), c.wantFile, c.wantAt)
		wantFault(t, c.what+", digests fitting", verified(t, resealed(t, changed)), c.wantFile, c.wantAt)
	}
}

// TestVerifyBlocks changes a token into another valid one, in a file of several blocks.
func TestVerifyBlocks(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{65_000, NoEOD, "f"}})
	rng := rand.New(rand.NewPCG(5, 5))
	files := inSet(build(t, b, inOrder(0, [][]uint32{randomIDs(rng, 3*blockSize/4, 65_000), randomIDs(rng, 3*blockSize/4+5, 65_000)}), 1, rng), "length-2048/")
	const bin = "shard-00000.bin"
	if err := verified(t, files); err != nil || len(files[bin]) != 3*blockSize+10 {
		t.Fatalf("%d bytes: %v", len(files[bin]), err)
	}
	for _, at := range []int{0, blockSize - 2, blockSize, 2*blockSize + 4, 3 * blockSize, 3*blockSize + 8} {
		changed := maps.Clone(files)
		changed[bin] = slices.Clone(files[bin])
		changed[bin][at] ^= 1
		wantFault(t, fmt.Sprintf("byte %d", at), verified(t, changed), bin, int64(at/blockSize*blockSize))
	}
}

// TestVerifyMeaning changes what no header tells, digests fitting.
func TestVerifyMeaning(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{300, 299, "f"}, Schedule: []Length{{6, 1}}})
	files := inSet(build(t, b, inOrder(0, [][]uint32{{1, 2}, {3}, {4, 5, 6}}), 3, rand.New(rand.NewPCG(1, 1))), "length-6/")
	const bin = "shard-00000.bin"
	put := func(at int, id uint16) map[string][]byte {
		changed := maps.Clone(files)
		changed[bin] = slices.Clone(files[bin])
		changed[bin][2*at], changed[bin][2*at+1] = byte(id), byte(id>>8)
		return resealed(t, changed)
	}
	wantFault(t, "a document without EOD", verified(t, put(4, 7)), bin, 8)
	wantFault(t, "an EOD inside", verified(t, put(6, 299)), bin, 12)
	edit := func(old, new string) map[string][]byte {
		changed := maps.Clone(files)
		changed[ManifestFile] = bytes.Replace(files[ManifestFile], []byte(old), []byte(new), 1)
		if bytes.Equal(changed[ManifestFile], files[ManifestFile]) {
			t.Fatalf("%q is not in the manifest: %s", old, files[ManifestFile])
		}
		changed[DoneFile] = []byte(doneLine(changed[ManifestFile]))
		return changed
	}
	for _, c := range [][3]string{
		{`"vocabulary_size": 300`, `"vocabulary_size": 299`, "eod is 299, and vocabulary_size 299"},
		{`"eod_inside": 0`, `"eod_inside": 1`, "0 EOD tokens are inside of documents"},
		{`"documents": 3`, `"documents": 4`, "documents is 4, and the shards have 3"},
		{`"tokens": 9`, `"tokens": 8`, "learnt_tokens is 9 of 8 tokens"},
		{`"version": 2`, `"version": 1`, "version 1; this program knows 2"},
		{`"width": 0`, `"width": 6`, "width is 6"},
		{`"masked": false`, `"masked": true`, "3 files instead of 4"},
		{`"learnt_tokens": 9`, `"learnt_tokens": 8`, "learnt_tokens is 8 of 9"},
		{`"name": "(none)"`, `"name": "(none)", "x": 1`, `unknown object member name "x"`},
		{`"seed"`, `"sed"`, `unknown object member name "sed"`},
		{`"dtype": "uint16"`, `"dtype": "int32"`, `dtype is "int32"`},
		{`shard-00000.idx`, `../elsewhere.idx`, `is named "../elsewhere.idx"`},
		{`"packing": null`, `"packing": {"method": "concat", "pieces": 3, "cuts": 0, "full_rows": 0, "fill": 0.5}`, "width is 0"},
	} {
		err := verified(t, edit(c[0], c[1]))
		wantFault(t, c[1], err, ManifestFile, -2)
		if err != nil && !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v, want %q", c[1], err, c[2])
		}
	}
	// A manifest and shards that both say so are right.
	inside := put(6, 299)
	inside[ManifestFile] = bytes.Replace(inside[ManifestFile], []byte(`"eod_inside": 0`), []byte(`"eod_inside": 1`), 1)
	inside[DoneFile] = []byte(doneLine(inside[ManifestFile]))
	if err := verified(t, inside); err != nil {
		t.Errorf("an EOD inside that the manifest tells of: %v", err)
	}
}

func TestVerifyFiles(t *testing.T) {
	files := packedSet(t)
	for name, b := range files {
		for _, n := range []int{0, 1, len(b) / 2, len(b) - 1} {
			cut := maps.Clone(files)
			cut[name] = b[:n]
			at := int64(n)
			where := name
			switch name {
			case ManifestFile:
				where, at = DoneFile, -1
			case DoneFile:
				at = -1
			}
			wantFault(t, name+" cut", verified(t, cut), where, at)
			if !strings.HasPrefix(name, "shard") || strings.HasSuffix(name, ".bin") {
				continue
			}
			// What is cut, and told of as it is, does not fit its own header.
			if err := verified(t, resealed(t, cut)); !errors.As(err, new(*format.Fault)) {
				t.Errorf("%s of %d bytes, digests fitting: %v", name, n, err)
			}
		}
		longer := maps.Clone(files)
		longer[name] = append(slices.Clone(b), 0)
		if err := verified(t, longer); !errors.As(err, new(*format.Fault)) {
			t.Errorf("%s with a byte more: %v", name, err)
		}
		gone := maps.Clone(files)
		delete(gone, name)
		wantFault(t, name+" gone", verified(t, gone), name, -1)
	}
	more := maps.Clone(files)
	more["shard-00099.bin"] = nil
	wantFault(t, "another shard", verified(t, more), "shard-00099.bin", -1)
}

func TestFind(t *testing.T) {
	st := store.NewLocal(nil)
	dir := t.TempDir()
	if _, err := Verify(t.Context(), st, dir); err == nil || !strings.Contains(err.Error(), "no shard set") {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"b/length-8/manifest.json", "b/length-8/done", "a/shard-00000.bounds", "e/part-00000-00000.jsonl.zst", "preference/part-00000-00000.jsonl.zst", "f/preference/part-00000-00000.parquet", "_curate/manifest.json", "_curate/done", ".x/shard-00000.bin", "c/manifest.json", "c/part.jsonl"} {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, nil, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	base := filepath.ToSlash(dir)
	for _, from := range []string{base, base + "/"} {
		got, err := Find(t.Context(), st, from)
		if want := []string{base + "/a", base + "/b/length-8"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("from %s: %v, %v; want %v", from, got, err, want)
		}
	}
	if got, err := Find(t.Context(), st, base+"/a"); err != nil || !slices.Equal(got, []string{base + "/a"}) {
		t.Errorf("the folder itself: %v, %v", got, err)
	}
}

func TestVerifyStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	dir := write(t, packedSet(t))
	stop()
	if _, err := Verify(ctx, store.NewLocal(nil), dir); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRows(t *testing.T) {
	dir := write(t, packedSet(t))
	s, err := Open(t.Context(), store.NewLocal(nil), dir)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]uint32
	collect := func(from, count int64) (got [][]uint32) {
		first := int64(-1)
		err := s.Rows(t.Context(), from, count, func(r *Row) error {
			if first < 0 {
				first = r.I
			}
			if r.I != first+int64(len(got)) {
				t.Fatalf("sequence %d after %d from %d", r.I, len(got), first)
			}
			got = append(got, slices.Clone(r.IDs))
			return nil
		})
		if err != nil || first >= 0 && first != from {
			t.Fatalf("from %d: began with %d, %v", from, first, err)
		}
		return got
	}
	all = collect(0, -1)
	if int64(len(all)) != s.Manifest.Sequences || len(s.Manifest.Shards) < 3 {
		t.Fatalf("%d sequences of %d in %d shards", len(all), s.Manifest.Sequences, len(s.Manifest.Shards))
	}
	for from := range len(all) + 1 {
		for _, n := range []int{0, 1, 5, 100} {
			want := all[from:min(len(all), from+n)]
			if got := collect(int64(from), int64(n)); !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%d from %d: %v, want %v", n, from, got, want)
			}
		}
	}
}
