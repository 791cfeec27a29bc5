package shards

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/record"
)

// TestUnnamedSource has sources whose names come before and behind what one without a name is called.
func TestUnnamedSource(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{300, 299, "f"}, Sources: []FileSource{{"#a", 1}, {"", 1}, {"(none)", 1}, {"é", 1}}})
	var docs []document
	for i := range 6 {
		docs = append(docs, document{id: record.MakeID(1+i, 0), ids: []uint32{1}})
	}
	files := build(t, b, docs, 2, rand.New(rand.NewPCG(1, 1)))
	if _, err := Verify(t.Context(), store.NewLocal(nil), write(t, files)); err != nil {
		t.Fatal(err)
	}
	m, err := ParseManifest("m", files["length-2048/manifest.json"])
	if want := []ManifestSource{{"#a", 1, 2}, {"(none)", 4, 8}, {"é", 1, 2}}; err != nil || !slices.Equal(m.Sources, want) {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestTooManySources wants to hear of the sources, and not that a file is damaged.
func TestTooManySources(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{300, 299, "f"}, By: record.MustPath("s")})
	seal := func(from, n int) []byte {
		batch := &record.Batch{}
		for i := range n {
			r := batch.Append(record.MakeID(1, int64(from+i)), 1, fmt.Appendf(nil, `{"s":"s%d"}`, from+i))
			r.SetTokens([]uint32{1})
		}
		batch.Parse()
		p := b.NewPartial()
		var out bytes.Buffer
		if err := errors.Join(b.Key().NewWorker().Map(t.Context(), batch), p.Add(batch), p.Seal(&out)); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	first := seal(0, 3000)
	var out bytes.Buffer
	if err := b.Merge(&out, []io.Reader{bytes.NewReader(first), bytes.NewReader(seal(3000, 2000))}); !errors.Is(err, errSources) {
		t.Errorf("5,000 sources: %v", err)
	}
	out.Reset()
	if err := b.Merge(&out, []io.Reader{bytes.NewReader(seal(2000, 2096)), bytes.NewReader(first[:0:0])}); err == nil {
		t.Error("an empty file is none that was sealed")
	}
}

func TestSourceNames(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{300, 299, "f"}, By: record.MustPath("s")})
	for _, c := range []struct{ line, want string }{
		{`{"s":"a"}`, ""},
		{`{"s":"*"}`, "stands for those that are not named"},
		{`{"s":"` + strings.Repeat("x", maxSourceName+1) + `"}`, "201 bytes"},
	} {
		batch := &record.Batch{}
		batch.Append(1, 1, []byte(c.line)).SetTokens([]uint32{1})
		batch.Parse()
		if err := b.Key().NewWorker().Map(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if got := batch.Records[0].Err; (got == nil) != (c.want == "") || got != nil && !strings.Contains(got.Error(), c.want) {
			t.Errorf("%.30s: %v, want %q", c.line, got, c.want)
		}
	}
	if _, err := New(Config{Vocabulary: Vocabulary{300, 299, "f"}, Sources: []FileSource{{"a\xff", 1}}}); err == nil || !strings.Contains(err.Error(), "not UTF-8") {
		t.Errorf("a name that is not UTF-8: %v", err)
	}
}

// TestChatEnds puts the EOD to a chat only where it has none, and nobody is to learn what was put there.
func TestChatEnds(t *testing.T) {
	for _, c := range []struct {
		format   string
		ids      []uint32
		wantIDs  []uint32
		wantMask []byte
	}{
		{"megatron", []uint32{1, 2}, []uint32{1, 2, 299}, []byte{1, 1, 0}},
		{"megatron", []uint32{1, 299}, []uint32{1, 299}, []byte{1, 1}},
		{"megatron", []uint32{299, 2}, []uint32{299, 2, 299}, []byte{1, 1, 0}},
		{"llmc", []uint32{1, 299}, []uint32{299, 1, 299}, []byte{0, 1, 1}},
		{"llmc", []uint32{299, 2}, []uint32{299, 2}, []byte{1, 1}},
		{"parquet", []uint32{1, 2}, []uint32{1, 2}, []byte{1, 1}},
	} {
		cfg := Config{Vocabulary: Vocabulary{300, 299, "f"}, Format: c.format}
		if c.format == "llmc" { // it takes GPT-2's vocabulary, or Llama's
			cfg.Vocabulary.Size = 50_257
		}
		dir := write(t, build(t, mustNew(t, cfg), []document{{id: 1 << 40, ids: c.ids, mask: []byte{1, 1}}}, 1, rand.New(rand.NewPCG(1, 1))))
		if _, err := Verify(t.Context(), store.NewLocal(nil), dir); err != nil {
			t.Errorf("%s: %v", c.format, err)
		}
		for _, w := range contentOf(t, dir) {
			if !slices.Equal(w.ids, c.wantIDs) || !slices.Equal(w.mask, c.wantMask) {
				t.Errorf("%s, %v: %v %v, want %v %v", c.format, c.ids, w.ids, w.mask, c.wantIDs, c.wantMask)
			}
		}
	}
}

// TestConvertPlaces has directories in any spelling, several builds below one, what is left of a conversion, and a set
// that was changed.
func TestConvertPlaces(t *testing.T) {
	b := mustNew(t, Config{Vocabulary: Vocabulary{300, 299, "f"}, Schedule: []Length{{8, 0.5}, {16, 0}}})
	var docs []document
	for i := range 9 {
		docs = append(docs, document{id: id(i), ids: []uint32{1, 2, uint32(i)}})
	}
	files := build(t, b, docs, 3, rand.New(rand.NewPCG(1, 1)))
	two := map[string][]byte{}
	for name, c := range files {
		two["a/"+name], two["b/c/"+name] = c, c
	}
	dir := write(t, two)
	st := store.NewLocal(nil)
	convert := func(from, to string) error {
		return ConvertAll(t.Context(), st, from, to, ConvertOptions{Format: "mds"}, func(string, *Manifest) {})
	}
	t.Chdir(dir)
	to := t.TempDir()
	for i, from := range []string{dir, ".", "", "./", "b/..", dir + "//"} {
		to := fmt.Sprintf("%s/%d", to, i)
		if err := convert(from, to); err != nil {
			t.Errorf("from %q: %v", from, err)
		}
		if v, err := Verify(t.Context(), st, to); err != nil || len(v.Sets) != 4 {
			t.Errorf("from %q: %+v, %v", from, v, err)
		}
		for _, name := range []string{"a", "b/c"} {
			if s, err := OpenSchedule(t.Context(), st, to+"/"+name); err != nil || s == nil || s.Format != "mds" {
				t.Errorf("from %q: schedule of %s: %+v, %v", from, name, s, err)
			}
		}
	}
	if err := convert(".", to+"/0"); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("twice: %v", err)
	}
	if err := errors.Join(os.RemoveAll(to+"/0/a"), os.Remove(to+"/0/b/c/length-16/"+DoneFile), os.Remove(to+"/0/b/c/length-8/"+DoneFile)); err != nil {
		t.Fatal(err)
	}
	if err := convert(".", to+"/0"); !errors.Is(err, ErrUnfinished) {
		t.Errorf("over an unfinished set: %v", err)
	}
	if found, _ := os.ReadDir(to + "/0/a"); len(found) > 0 {
		t.Errorf("one set was written, and the next cannot be: %v", found)
	}
	name := filepath.Join(dir, "a/length-8/shard-00000.bin")
	bin, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	bin[0] ^= 1
	if err := os.WriteFile(name, bin, 0o666); err != nil {
		t.Fatal(err)
	}
	wantFault(t, "a set that was changed", convert(".", to+"/9"), "shard-00000.bin", 0)
	if found, _ := os.ReadDir(to + "/9/a/length-8"); len(found) > 0 {
		t.Errorf("a set that was changed is converted: %v", found)
	}
}

// TestScheduleLength has a schedule that nobody has built.
func TestScheduleLength(t *testing.T) {
	for _, c := range []string{`"length":0`, `"length":8,"sequences":-5`, `"length":8,"sequences":3,"tokens":1`} {
		_, err := ParseSchedule("d/x", []byte(`{"version":1,"stages":[{"dir":"length-8",`+c+`}]}`))
		wantFault(t, c, err, "x", -1)
	}
}
