package decoder

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"
)

func unpack(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if data, err = z.DecodeAll(data, nil); err != nil {
		t.Fatal(file, err)
	}
	return data
}

// TestGolden compares with what HF tokenizers 0.23.3 made of hostile and random tokens; see testdata/README.md.
func TestGolden(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(string(unpack(t, "testdata/golden.jsonl.zst"))), "\n")
	var head struct{ Configs []jsontext.Value }
	if err := json.Unmarshal([]byte(lines[0]), &head); err != nil {
		t.Fatal(err)
	}
	all := make([]Decoder, len(head.Configs))
	for i, v := range head.Configs {
		var err error
		if all[i], err = New("decoder", v); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
	}
	bad := make([]int, len(all))
	for _, line := range lines[1:] {
		var row struct {
			T []string
			A []*string // null where the reference panics
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		for i, d := range all {
			got := strings.Join(d.Decode(slices.Clone(row.T)), "")
			if want := row.A[i]; want != nil && got != *want {
				if bad[i]++; bad[i] <= 5 {
					t.Errorf("%s: %+q: %+q, want %+q", head.Configs[i], row.T, got, *want)
				}
			}
		}
	}
	for i, n := range bad {
		if n > 5 {
			t.Errorf("%s: %d lists in all", head.Configs[i], n)
		}
	}
}
