package dedup

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// TestBoilerplate: 100,000 documents that one is like and that are not like each other, longest first, are compared
// with at most maxExtra each.
func TestBoilerplate(t *testing.T) {
	const n = 100_000
	for _, hubRank := range []int{0, n / 2, n} { // of 0 to n
		compared := 0
		c := cluster{
			order: func(doc uint32) uint64 {
				if doc == 0 {
					return math.MaxUint32 - uint64(2*(n-hubRank))
				}
				return math.MaxUint32 - uint64(2*(n-doc)+1)
			},
			similar: func(uint32, uint32) (uint32, error) {
				compared++
				return 0, nil
			},
		}
		for i := range uint32(n) {
			c.edges = append(c.edges, edge{0, i + 1, 900_000})
		}
		verdicts, err := c.decide(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, v := range verdicts {
			if v.kept == v.doc {
				kept++
			}
		}
		// The hub goes if one before it stays, and those behind it are like no other then.
		want := n
		if hubRank == 0 {
			want = 1
		}
		if len(verdicts) != n+1 || kept != want {
			t.Errorf("hub at %d: %d of %d stay, want %d", hubRank, kept, len(verdicts), want)
		}
		if compared > maxExtra*n || hubRank > 0 && compared < n {
			t.Errorf("hub at %d: %d comparisons", hubRank, compared)
		}
		t.Logf("hub at %d: %d comparisons, %d bytes a pair", hubRank, compared,
			(12*cap(c.edges)+8*cap(c.links)+8*cap(c.lists)+12*cap(c.verdicts)+4*(cap(c.docs)+cap(c.byDoc)+cap(c.ends)+cap(c.rank)+cap(c.nearKept))+cap(c.kept)+cap(c.near))/n)
	}
}

// TestMinHashMemory finishes within 16 MiB, and wants the same bytes with any memory and workers.
func TestMinHashMemory(t *testing.T) {
	const (
		memory = 16 << 20
		docs   = 60_000
		files  = 30
	)
	rng := rand.New(rand.NewPCG(8, 8))
	dir := t.TempDir()
	var sealed []stage.Sealed
	for f := range files {
		var b []byte
		for i := range docs / files {
			group := uint64(rng.IntN(docs / 3))
			set := randomSet(rand.New(rand.NewPCG(group, 1)), 40) // as its group's, but for the last ones
			for k := range 1 + rng.IntN(8) {
				set[len(set)-1-k] = 1<<40 - uint64(k)
			}
			// In eight buckets of its group, and in one of many groups.
			var buckets []uint64
			buckets = append(buckets, group%1000)
			for k := range uint64(8) {
				buckets = append(buckets, 1<<32+group*8+k)
			}
			b = appendEntry(b, record.MakeID(f+1, int64(i)*3000), uint32(rng.IntN(5000)), buckets, set)
		}
		name := filepath.Join(dir, fmt.Sprint(f))
		if err := os.WriteFile(name, headed(b), 0o666); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		sealed = append(sealed, stage.Sealed{Size: int64(len(headed(b))), Data: file})
	}
	var want []byte
	for _, c := range []struct {
		memory  int64
		workers int
	}{{memory, 8}, {1 << 30, 3}} {
		m := mustMinHash(t, MinHashConfig{Keep: "longest"})
		m.spillSize = 1 << 20
		ws := &folder{dir: t.TempDir(), memory: c.memory, workers: c.workers, base: live()}
		apply, err := (&verification{m}).Finish(t.Context(), sealed, ws)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(ws.dir, decisionsFile))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("memory %d, %d workers: other decisions", c.memory, c.workers)
		}
		d := apply.(minhashApply).d
		t.Logf("memory %4d MiB, %d workers: at most %5.1f MiB live in %d files; %d of %d documents in clusters, %.2f bytes each",
			c.memory>>20, c.workers, float64(ws.most-ws.base)/(1<<20), ws.files, d.Len(), docs, float64(len(got))/float64(d.Len()))
		if c.memory == memory && ws.most-ws.base > memory {
			t.Errorf("%d bytes live, more than %d", ws.most-ws.base, int64(memory))
		}
		if d.Len() < docs/2 {
			t.Errorf("only %d documents in clusters", d.Len())
		}
	}
}

// TestClusterTooLarge: a cluster that does not fit is an error with the remedy.
func TestClusterTooLarge(t *testing.T) {
	var b []byte
	for i := range 40_000 {
		b = appendEntry(b, record.MakeID(1, int64(i)), 1, []uint64{7}, []uint64{1, 2, 3})
	}
	m := mustMinHash(t, MinHashConfig{Keep: "longest"})
	m.spillSize = 1 << 20
	ws := stagetest.NewWorkspace(10<<20, 1)
	_, err := (&verification{m}).Finish(t.Context(), []stage.Sealed{sealedBytes(headed(b))}, ws)
	want := "dedup: a cluster has 39999 similar pairs, and to hold them takes 4MiB: give --memory at least "
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("in 10 MiB: %v", err)
	}
	ws.Resume(64<<20, 2) // as the message says
	apply, err := (&verification{m}).Finish(t.Context(), []stage.Sealed{sealedBytes(headed(b))}, ws)
	if err != nil || apply.(minhashApply).d.Len() != 40_000 {
		t.Fatalf("in 64 MiB: %v", err)
	}
}
