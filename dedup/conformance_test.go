package dedup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
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

// TestConformanceSchemes compares every signature with those of datatrove, datasketch and text-dedup. Where a peer has none,
// or one that all documents without shingles share, there is none here.
func TestConformanceSchemes(t *testing.T) {
	dir := conformanceDir(t)
	texts := map[string][]byte{}
	eachRow(t, filepath.Join(dir, "docs.jsonl.zst"), func(d *textRow) { texts[d.ID] = []byte(d.Text) })
	// answer is a peer's: the digest of a signature, "" for none, and how many shingles it is of, -1 if that is not told.
	type answer struct {
		digest   string
		shingles int
	}
	answers := map[string]map[string]answer{} // by the peer's name of the scheme, and by document
	say := func(peer, id string, a answer) {
		if answers[peer] == nil {
			answers[peer] = map[string]answer{}
		}
		answers[peer][id] = a
	}
	eachRow(t, filepath.Join(dir, "datatrove.jsonl.zst"), func(r *struct {
		ID      string
		MinHash map[string]string
	}) {
		for name, v := range r.MinHash {
			if name == "xxhash64" && v != "" {
				raw, err := base64.StdEncoding.DecodeString(v)
				if err != nil {
					t.Fatal(err)
				}
				v = fmt.Sprintf("%x", sha256.Sum256(raw))[:16]
			}
			say("datatrove "+name, r.ID, answer{v, -1})
		}
	})
	type sketch struct {
		N      int
		SHA256 string `json:"sha256_16"`
		Passes *bool  `json:"passes_min_length"`
	}
	eachRow(t, filepath.Join(dir, "datasketch.jsonl.zst"), func(r *struct {
		ID       string
		N        int
		Affine32 sketch `json:"affine32-1"`
		Seed42   sketch `json:"affine32-42"`
		Affine64 sketch `json:"affine64-1"`
		Legacy   sketch `json:"legacy-1"`
	}) {
		for name, v := range map[string]sketch{"affine32-1": r.Affine32, "affine32-42": r.Seed42, "affine64-1": r.Affine64, "legacy-1": r.Legacy} {
			if r.N == 0 {
				v.SHA256 = ""
			}
			say("datasketch "+name, r.ID, answer{v.SHA256, r.N})
		}
	})
	eachRow(t, filepath.Join(dir, "textdedup.jsonl.zst"), func(r *struct {
		ID   string
		N5   sketch `json:"p112_14x8_n5"`
		N2   sketch `json:"p200_50x4_n2"`
		N1   sketch `json:"p128_opt0.7_n1"`
		SHA1 sketch `json:"p112_14x8_n5_32bit_sha1"`
	}) {
		for name, v := range map[string]sketch{"n5": r.N5, "n2": r.N2, "n1": r.N1, "32bit_sha1": r.SHA1} {
			if v.Passes == nil || *v.Passes != (v.N > 0) {
				t.Fatalf("%s: %+v", r.ID, v)
			}
			if v.N == 0 {
				v.SHA256 = ""
			}
			say("text-dedup "+name, r.ID, answer{v.SHA256, v.N})
		}
	})
	little, big := binary.LittleEndian, binary.BigEndian
	for _, c := range []struct {
		peer, scheme string
		seed         uint32 // 0 is the scheme's
		options      SchemeOptions
		order        interface {
			binary.ByteOrder
			binary.AppendByteOrder
		}
		bits int
	}{
		{peer: "datatrove xxhash64", scheme: "datatrove", order: little, bits: 64},
		{peer: "datatrove xxhash32", scheme: "datatrove@xxh32", order: little, bits: 32},
		{peer: "datatrove sha1_64", scheme: "datatrove@sha1-64", order: little, bits: 64},
		{peer: "datatrove sha1_32", scheme: "datatrove@sha1-32", order: little, bits: 32},
		{peer: "datasketch affine32-1", scheme: "datasketch2", order: little, bits: 32},
		{peer: "datasketch affine32-42", scheme: "datasketch2", seed: 42, order: little, bits: 32},
		{peer: "datasketch affine64-1", scheme: "datasketch2@affine64", order: little, bits: 64},
		{peer: "datasketch legacy-1", scheme: "datasketch1", order: little, bits: 64},
		{peer: "text-dedup n5", scheme: "text-dedup", order: big, bits: 64},
		{peer: "text-dedup n2", scheme: "text-dedup@2-grams", order: big, bits: 64},
		{peer: "text-dedup n1", scheme: "text-dedup@1-gram", options: SchemeOptions{Threshold: .7}, order: big, bits: 64},
		{peer: "text-dedup 32bit_sha1", scheme: "text-dedup@sha1-32", order: big, bits: 32},
	} {
		s, err := named(t, c.scheme).With(c.options)
		if err != nil {
			t.Fatal(err)
		}
		if c.seed != 0 {
			seeded := *s
			seeded.Seed = c.seed
			s = seeded.resolve()
		}
		var sc Scratch
		agreed, none := 0, 0
		for id, text := range texts {
			want, ok := answers[c.peer][id]
			if !ok {
				t.Errorf("%s: no answer of %s", id, c.peer)
				continue
			}
			digest, shingles := "", s.Shingles(nil, text, &sc)
			if len(shingles) > 0 {
				sig := s.Signature(nil, shingles)
				if c.order == big {
					sig = sig[:s.Bands*s.Rows] // bands are what there is
				}
				var raw []byte
				for _, v := range sig {
					if c.bits == 32 {
						raw = c.order.AppendUint32(raw, uint32(v))
					} else {
						raw = c.order.AppendUint64(raw, v)
					}
				}
				digest = fmt.Sprintf("%x", sha256.Sum256(raw))[:16]
			} else {
				none++
			}
			if digest != want.digest {
				t.Errorf("%s: %s has %q for %s, not %q", id, c.scheme, digest, c.peer, want.digest)
				continue
			}
			if n := len(Set(shingles)); want.shingles >= 0 && n != want.shingles {
				t.Errorf("%s: %s has %d distinct shingles, not %d", id, c.scheme, n, want.shingles)
				continue
			}
			agreed++
		}
		if agreed == 0 || none == len(texts) {
			t.Errorf("%s: %d documents agree, %d have no signature", c.peer, agreed, none)
		}
		t.Logf("%-24s %-22s %4d of %d documents agree, %d of them without a signature", c.peer, c.scheme, agreed, len(texts), none)
	}
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
