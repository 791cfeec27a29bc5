package marian

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"
)

// unpacked is a file of testdata, decompressed.
func unpacked(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".zst") {
		return b
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if b, err = d.DecodeAll(b, nil); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

// tinyModel is a folder with the files of testdata/tiny, decompressed. It goes with the test.
func tinyModel(t testing.TB) string {
	t.Helper()
	return tinyFiles(t)
}

// tinyFiles is a folder with some of them; without names, with all.
func tinyFiles(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := os.ReadDir("testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".zst")
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), unpacked(t, "tiny/"+f.Name()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// golden is an entry of golden.json, which testdata/README.md describes.
type golden struct {
	Kw        map[string]any `json:"kw"`
	Src       string         `json:"src"`
	InputIDs  []int32        `json:"input_ids"`
	Sequences [][]int32      `json:"sequences"`
	Scores    []float64      `json:"scores"`
	Text      []string       `json:"text"`
}

// goldens are the results of generate() in golden.json, without the padded batch behind them.
func goldens(t testing.TB) []golden {
	t.Helper()
	var all []jsontext.Value
	if err := json.Unmarshal(unpacked(t, "tiny/golden.json.zst"), &all); err != nil {
		t.Fatal(err)
	}
	out := make([]golden, len(all)-1)
	for i := range out {
		if err := json.Unmarshal(all[i], &out[i]); err != nil {
			t.Fatal(err)
		}
	}
	if len(out) != 80 {
		t.Fatalf("%d entries", len(out))
	}
	return out
}
