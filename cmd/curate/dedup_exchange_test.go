//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/parquet"
)

// integers are the rows of Parquet files.
func integers(t *testing.T, files []string, columns ...string) (rows [][]int64) {
	t.Helper()
	var wanted []parquet.Wanted
	for _, name := range columns {
		wanted = append(wanted, parquet.Wanted{Name: name, Kind: parquet.Ints})
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := parquet.OpenColumns(context.Background(), bytes.NewReader(b), int64(len(b)), wanted, 0)
		if err != nil {
			t.Fatal(err)
		}
		for {
			n, err := c.Next(context.Background(), 100)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			for i := range n {
				row := make([]int64, len(columns))
				for k := range columns {
					row[k] = c.Ints(k)[i]
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// putIntegers writes rows as a Parquet file.
func putIntegers(t *testing.T, file string, rows [][]int64, columns ...string) {
	t.Helper()
	var cols []parquet.Column
	for _, name := range columns {
		cols = append(cols, parquet.Column{Name: name, Type: parquet.Int64, Optional: true})
	}
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, cols, parquet.WriterOptions{Compression: parquet.Snappy})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for i, v := range row {
			if v != parquet.NoInt {
				w.Int64(i, v)
			}
		}
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestDedupExchange has this test do the shuffles that an engine would, from exported files to imported ones. The directory is
// that of one process, and what is lost between is refused.
func TestDedupExchange(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := nearDuplicates(t, rng, 4, 200)
	flags := []string{"--split-size", "16KiB", "--max-record", "1MiB", "--threshold", "0.7"}
	base := t.TempDir()
	code, said := exitCode(t, curate(t, append(append([]string{"dedup", "-q", "--max-quarantined", "50%", "-o", filepath.Join(base, "out"), "--dropped", filepath.Join(base, "dropped.jsonl.zst")}, flags...), in...)...))
	if code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	want := tree(t, filepath.Join(base, "out"))

	dir := filepath.Join(t.TempDir(), "run")
	run := func(args ...string) string {
		t.Helper()
		cmd := curate(t, append([]string{"dedup"}, args...)...)
		var out bytes.Buffer
		cmd.Stdout = &out
		if code, said := exitCode(t, cmd); code != 0 {
			t.Fatalf("seed %d: dedup %v: exit %d: %s", seed, args, code, said)
		}
		return out.String()
	}
	ranks := func(verb string, n int) {
		t.Helper()
		for _, rank := range rng.Perm(n) {
			run(append(strings.Fields(verb), "-q", "--run", dir, "--rank", fmt.Sprint(rank), "--world-size", fmt.Sprint(n))...)
		}
	}
	refused := func(message string, verb ...string) {
		t.Helper()
		code, said := exitCode(t, curate(t, append(append([]string{"dedup"}, verb...), "--run", dir)...))
		if code != 1 || !strings.Contains(said, message) {
			t.Fatalf("seed %d: dedup %v: exit %d: %s", seed, verb, code, said)
		}
	}
	exported := func(what string) (files []string) {
		t.Helper()
		for _, name := range strings.Fields(run("export", what, "--list", "--run", dir)) {
			files = append(files, filepath.Join(dir, name))
		}
		return files
	}
	null := int64(parquet.NoInt)

	const ranges = 3
	run(append(append([]string{"start", "-q", "--run", dir, "--ranges", fmt.Sprint(ranges)}, flags...), in...)...)
	refused("sign comes before pairs", "export", "keys")
	ranks("sign", 1)
	ranks("export keys", 3)
	ranks("export keys", 1) // all were there
	type key struct{ r, bucket int64 }
	keys := map[key][]int64{}
	for _, row := range integers(t, exported("keys"), "range", "bucket", "id") {
		keys[key{row[0], row[1]}] = append(keys[key{row[0], row[1]}], row[2])
	}
	stars := make([][][]int64, ranges)
	shared := 0
	for k, ids := range keys { // in any order
		slices.Sort(ids)
		if len(ids) == 1 {
			stars[k.r] = append(stars[k.r], []int64{null, null, null, 1, k.bucket ^ ids[0]})
			continue
		}
		shared++
		for _, id := range ids[1:] {
			stars[k.r] = append(stars[k.r], []int64{k.bucket, ids[0], id, null, null})
		}
	}
	exchange := filepath.Join(dir, "_curate", "ranks", "exchange")
	starFile := func(r, n int) string {
		return filepath.Join(exchange, "stars", fmt.Sprintf("range=%d", r), fmt.Sprintf("part-%05d-7c1d.c000.snappy.parquet", n))
	}
	refused("0 came back; remove "+dir+"/_curate/ranks/exchange/stars and have the engine write it again", "import", "stars")
	for r, rows := range stars {
		half := rng.IntN(len(rows))
		putIntegers(t, starFile(r, 0), rows[:half], "bucket", "hub", "id", "alone", "xor")
		if r == 1 {
			refused("what was written elsewhere is not what it was made of: range 1 has", "import", "stars", "--rank", "1", "--world-size", "3")
		}
		putIntegers(t, starFile(r, 1), rows[half:], "bucket", "hub", "id", "alone", "xor")
	}
	ranks("import stars", 2)
	ranks("sets", 2)
	ranks("verify", 2)
	refused("rehub comes before components", "export", "edges")
	ranks("rehub", 2)
	refused("and in no component; remove "+dir+"/_curate/ranks/exchange/labels and have the engine write it again", "import", "labels")
	ranks("export edges", 2)
	parents := map[int64]int64{}
	find := func(doc int64) int64 {
		for {
			p, ok := parents[doc]
			if !ok || p == doc {
				return doc
			}
			doc = p
		}
	}
	edges := integers(t, exported("edges"), "a", "b")
	for _, e := range edges {
		a, b := find(e[0]), find(e[1])
		parents[max(a, b)] = min(a, b)
	}
	var labels [][]int64
	for doc := range parents {
		labels = append(labels, []int64{doc, find(doc)})
	}
	putIntegers(t, filepath.Join(exchange, "labels", "part-00000.parquet"), labels, "node", "component")
	run("import", "labels", "-q", "--run", dir)
	run("decide", "-q", "--run", dir)
	ranks("apply", 2)
	run("apply", "-q", "--finish", "--max-quarantined", "50%", "--run", dir)
	got := tree(t, dir)
	delete(got, "_curate/ranks.json")
	sameTree(t, fmt.Sprintf("seed %d", seed), got, want)
	if shared < 100 || len(edges) < 100 || len(labels) < 100 {
		t.Errorf("%d shared buckets, %d similar pairs, %d labels: this shows nothing", shared, len(edges), len(labels))
	}
}
