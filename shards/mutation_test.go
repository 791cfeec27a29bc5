package shards

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/record"
	"curate/shards/format"
	"curate/shards/mix"
)

// mutants gives every document that differs from a JSON document in one value, and where it does: "shards.0.tokens".
func mutants(t *testing.T, doc []byte, f func(where string, changed []byte)) {
	t.Helper()
	d := stdjson.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var root any
	if err := d.Decode(&root); err != nil {
		t.Fatal(err)
	}
	give := func(where string) {
		b, err := stdjson.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		f(strings.TrimPrefix(where, "."), b)
	}
	var walk func(where string, v any, set func(any))
	walk = func(where string, v any, set func(any)) {
		var others []any
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(where+"."+k, e, func(to any) { v[k] = to })
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s.%d", where, i), e, func(to any) { v[i] = to })
			}
			if len(v) > 0 {
				others = []any{v[1:], append(append([]any{}, v...), v[0])}
			}
		case stdjson.Number:
			n, err := v.Int64()
			if err != nil {
				others = []any{stdjson.Number("0.123")}
				break
			}
			others = []any{n + 1, n - 1, 0, 1 << 40}
		case bool:
			others = []any{!v}
		case string:
			others = []any{v + "x", ""}
			if len(v) >= 16 { // a digest
				others = append(others, "0"+v[1:], "1"+v[1:])
			}
		case nil:
			others = []any{0, map[string]any{}}
		}
		for _, o := range others {
			set(o)
			give(where)
		}
		set(v)
	}
	walk("", root, func(any) {})
}

// TestVerifyMutants changes each value of manifests and schedules, with a done file that fits, and wants it found, but for
// what nothing in the folder can tell.
func TestVerifyMutants(t *testing.T) {
	masked := func(i int) []byte { return []byte{1, 0, byte(i % 2)} }
	rng := rand.New(rand.NewPCG(8, 8))
	for _, name := range []string{"packed", "documents", "padded"} {
		cfg := Config{Vocabulary: Vocabulary{300, 299, "f"}, Sources: []FileSource{{"a", 1}, {"b", 1}}, ShardSize: 40, TokensPerStep: 80, Schedule: []Length{{8, 0.5}, {16, 0}},
			Mix: mix.Spec{Sources: []mix.Source{{Name: "a", Epochs: 1.5}, {Name: "*", Epochs: 1}}}}
		switch name {
		case "packed":
			cfg.Packing = "best-fit"
		case "padded":
			cfg.Packing, cfg.Format, cfg.PadID = "concat", "litdata", -1
		}
		var docs []document
		for i := range 24 {
			docs = append(docs, document{id: record.MakeID(1+i%2, int64(i)), ids: randomIDs(rng, 3, 299), mask: masked(i)})
			docs = append(docs, document{id: record.MakeID(1+i%2, int64(i)+100), ids: randomIDs(rng, 1+i, 299)})
		}
		all := build(t, mustNew(t, cfg), docs, 40, rng)
		files := inSet(all, "length-8/")
		dir := write(t, files)
		var passed []string
		nothing := regexp.MustCompile(`^(length|seed|tokenizer|vocabulary_size|config_sha256|packing\.method|sources\.\d+\.name)$`)
		if cfg.Packing != "" {
			nothing = regexp.MustCompile(strings.Replace(nothing.String(), "length|", "", 1))
		}
		n := 0
		mutants(t, files[ManifestFile], func(where string, b []byte) {
			n++
			if m, err := ParseManifest("m", b); err == nil { // what is read back as it was is no change
				if same, err := m.encode(); err == nil && bytes.Equal(same, files[ManifestFile]) {
					return
				}
			} else {
				onlyFaults(t, err)
				return
			}
			if verifiedWith(t, dir, map[string][]byte{ManifestFile: b, DoneFile: []byte(doneLine(b))}) == nil && !nothing.MatchString(where) {
				passed = append(passed, where)
			}
		})
		sets := map[string]*Manifest{}
		for _, dir := range []string{"length-8", "length-16"} {
			m, err := ParseManifest("m", all[dir+"/"+ManifestFile])
			if err != nil {
				t.Fatal(err)
			}
			sets[dir] = m
		}
		nothing = regexp.MustCompile(`^(stages\.\d+\.share_asked|sources\.\d+\.(available.*|asked.*|tokens_wanted|share_wanted|pairs)|document_lengths.*|documents_longer.*|pairs)$`)
		mutants(t, all[ScheduleFile], func(where string, b []byte) {
			n++
			s, err := ParseSchedule("s", b)
			if err != nil {
				onlyFaults(t, err)
				return
			}
			if same, err := s.encode(); err == nil && bytes.Equal(same, all[ScheduleFile]) {
				return
			}
			if s.check(sets) == "" && !nothing.MatchString(where) {
				passed = append(passed, ScheduleFile+": "+where)
			}
		})
		t.Logf("%s: %d mutants", name, n)
		if len(passed) > 0 {
			t.Errorf("%s: not found: %q", name, passed)
		}
	}
}

// TestVerifyBoundsMutants changes each byte of the files of a shard, digests fitting. An ID, the number of a copy and a
// token that another could be are not found; all else is.
func TestVerifyBoundsMutants(t *testing.T) {
	files := setOf(t, "megatron", true)
	m, err := ParseManifest("m", files[ManifestFile])
	if err != nil {
		t.Fatal(err)
	}
	s, dir := m.Shards[1], write(t, files)
	for _, f := range s.Files {
		if strings.HasSuffix(f.Name, ".bin") {
			continue
		}
		pieces := int(f.Size)
		if strings.HasSuffix(f.Name, format.BoundsSuffix) {
			pieces = 32 + 8*int(s.Sequences)
		}
		for at := range int(f.Size) {
			if at >= pieces && (at-pieces)%20 >= 8 && (at-pieces)%20 != 16 && (at-pieces)%20 != 17 {
				continue // ID and copy
			}
			b := bytes.Clone(files[f.Name])
			b[at] ^= 1 << (at % 8)
			changed := maps.Clone(files)
			changed[f.Name] = b
			changed = resealed(t, changed)
			if verifiedWith(t, dir, map[string][]byte{f.Name: b, ManifestFile: changed[ManifestFile], DoneFile: changed[DoneFile]}) == nil {
				t.Errorf("%s: byte %d changed, and nobody notices", f.Name, at)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), files[f.Name], 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// verifiedWith is what Verify says once some files of a folder are others.
func verifiedWith(t *testing.T, dir string, changed map[string][]byte) error {
	t.Helper()
	for name, b := range changed {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Verify(t.Context(), store.NewLocal(nil), dir)
	return err
}
