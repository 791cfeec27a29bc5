package dedup

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/text"
)

// conformanceDir is the folder filter-dedup of CURATE_CONFORMANCE, or else its committed selection.
func conformanceDir(t *testing.T) string {
	t.Helper()
	committed := filepath.Join("testdata", "filter-dedup")
	dir := os.Getenv("CURATE_CONFORMANCE")
	if dir == "" {
		t.Log("CURATE_CONFORMANCE is not set: running the copies under testdata/")
		return committed
	}
	dir = filepath.Join(dir, "filter-dedup")
	if _, err := os.Stat(filepath.Join(dir, "docs.jsonl.zst")); err != nil {
		t.Logf("%v: running the copies under testdata/", err)
		return committed
	}
	return dir
}

// eachRow decodes each line of a file of compressed JSON lines.
func eachRow[T any](t *testing.T, file string, f func(row *T)) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewReaderSize(z, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			row := new(T)
			if err := json.Unmarshal(line, row); err != nil {
				t.Fatalf("%s:%d: %v", file, n, err)
			}
			f(row)
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

type textRow struct{ ID, Text string }

// TestConformanceDatatroveMinHash compares the simplified text, the number of shingles and every value of the
// signature with datatrove's.
func TestConformanceDatatroveMinHash(t *testing.T) {
	dir := conformanceDir(t)
	texts := map[string]string{}
	eachRow(t, filepath.Join(dir, "docs.jsonl.zst"), func(d *textRow) { texts[d.ID] = d.Text })
	s, err := LookupScheme("datatrove")
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		ID        string
		Simplify  *string
		NShingles int `json:"n_shingles"`
		MinHash   struct{ XXHash64 []byte }
	}
	var sc Scratch
	ran, simplified, counts, signatures, none := 0, 0, 0, 0, 0
	eachRow(t, filepath.Join(dir, "datatrove.jsonl.zst"), func(want *answer) {
		doc, ok := texts[want.ID]
		if !ok || want.Simplify == nil {
			t.Errorf("%s: no text or no answer", want.ID)
			return
		}
		ran++
		if got := string(text.AppendSimplified(nil, []byte(doc))); got == *want.Simplify {
			simplified++
		} else {
			t.Errorf("%s: simplified text differs from byte %d on", want.ID, common(got, *want.Simplify))
		}
		shingles := s.Shingles(nil, []byte(doc), &sc)
		if len(shingles) == want.NShingles {
			counts++
		} else {
			t.Errorf("%s: %d shingles, not %d", want.ID, len(shingles), want.NShingles)
		}
		var sig []byte
		if len(shingles) == 0 {
			none++
		} else {
			for _, v := range s.Signature(nil, shingles) {
				sig = binary.LittleEndian.AppendUint64(sig, v)
			}
		}
		if bytes.Equal(sig, want.MinHash.XXHash64) {
			signatures++
		} else {
			t.Errorf("%s: another signature than %s", want.ID, base64.StdEncoding.EncodeToString(want.MinHash.XXHash64[:min(24, len(want.MinHash.XXHash64))]))
		}
	})
	if ran == 0 || none == ran {
		t.Fatalf("%s: %d cases, %d of them without a signature", dir, ran, none)
	}
	t.Logf("%d documents (%d without a shingle): %d simplified texts, %d numbers of shingles, %d signatures agree", ran, none, simplified, counts, signatures)
}

// common is the length of the common beginning.
func common(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}

// TestConformanceWordGrams compares the exact similarity of the default scheme's shingles with that of sets of
// strings, for each of the labelled pairs.
func TestConformanceWordGrams(t *testing.T) {
	dir := filepath.Join(conformanceDir(t), "labelled")
	s, err := LookupScheme("words")
	if err != nil {
		t.Fatal(err)
	}
	var sc Scratch
	sets := map[string][]uint64{}
	eachRow(t, filepath.Join(dir, "labelled.jsonl.zst"), func(d *textRow) {
		sets[d.ID] = Set(s.Shingles(nil, []byte(d.Text), &sc))
	})
	type pair struct {
		A, B          string
		J             float64
		Inter, NA, NB int
	}
	ran, agreed := 0, 0
	eachRow(t, filepath.Join(dir, "pairs.jsonl.zst"), func(p *pair) {
		ran++
		a, b := sets[p.A], sets[p.B]
		n := Intersection(a, b)
		j := strconv.FormatFloat(float64(n)/float64(len(a)+len(b)-n), 'f', 6, 64)
		if n == p.Inter && len(a) == p.NA && len(b) == p.NB && j == strconv.FormatFloat(p.J, 'f', 6, 64) {
			agreed++
		} else {
			t.Errorf("%s, %s: %d of %d and %d shingles in common, j = %s; not %d of %d and %d, %v", p.A, p.B, n, len(a), len(b), j, p.Inter, p.NA, p.NB, p.J)
		}
	})
	if ran == 0 {
		t.Fatalf("%s has no pairs", dir)
	}
	t.Logf("%d pairs, %d agree", ran, agreed)
}
