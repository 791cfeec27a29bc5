package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// naive is the digest of documents, all at once.
func naive(documents [][]uint32) sequenceDigest {
	var tokens, ends bytes.Buffer
	total := uint64(0)
	for _, d := range documents {
		for _, id := range d {
			tokens.Write(binary.LittleEndian.AppendUint32(nil, id))
		}
		total += uint64(len(d))
		ends.Write(binary.LittleEndian.AppendUint64(nil, total))
	}
	a, b := sha256.Sum256(tokens.Bytes()), sha256.Sum256(ends.Bytes())
	return sequenceDigest{len(documents), int64(total), hex.EncodeToString(a[:]), hex.EncodeToString(b[:])}
}

// TestViews compares the views of random shards with what slices give: documents cut behind each EOD, in front of each,
// and every length+1 tokens, none across two shards.
func TestViews(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		eod := 0
		m := &setManifest{Length: 1 + rng.IntN(9), EOD: &eod, EODFirst: rng.IntN(2) == 0, Sequences: 1 << 30}
		whole := newViewer(m)
		want := map[string][][]uint32{}
		for range 1 + rng.IntN(3) {
			shard := newViewer(m)
			here := map[string][][]uint32{}
			var stream []uint32
			for range 1 + rng.IntN(12) {
				ids := make([]uint32, 1+rng.IntN(12))
				for i := range ids {
					ids[i] = uint32(rng.IntN(5))
				}
				shard.add(ids)
				whole.add(ids)
				stream = append(stream, ids...)
				here[viewSequences] = append(here[viewSequences], slices.Clone(ids))
				switch {
				case m.EODFirst && ids[0] == 0:
					ids = ids[1:]
				case !m.EODFirst && ids[len(ids)-1] == 0:
					ids = ids[:len(ids)-1]
				}
				here[viewBare] = append(here[viewBare], slices.Clone(ids))
			}
			after, before := 0, 0
			for i, id := range stream {
				if id == 0 {
					here[viewAfter] = append(here[viewAfter], stream[after:i+1])
					after = i + 1
					if i > 0 {
						here[viewBefore] = append(here[viewBefore], stream[before:i])
						before = i
					}
				}
			}
			if after < len(stream) {
				here[viewAfter] = append(here[viewAfter], stream[after:])
			}
			here[viewBefore] = append(here[viewBefore], stream[before:])
			for i := 0; i+m.Length+1 <= len(stream); i += m.Length + 1 {
				here[viewWindows] = append(here[viewWindows], stream[i:i+m.Length+1])
			}
			shard.endShard()
			whole.endShard()
			for name, got := range shard.sums() {
				if got != naive(here[name]) {
					t.Fatalf("seed %d: %s of a shard: %v, want %v", seed, name, got, naive(here[name]))
				}
			}
			for name, list := range here {
				want[name] = append(want[name], list...)
			}
		}
		for name, got := range whole.sums() {
			if got != naive(want[name]) {
				t.Fatalf("seed %d: %s: %v, want %v", seed, name, got, naive(want[name]))
			}
		}
	}
}

func TestReadersPythons(t *testing.T) {
	t.Setenv(pythonEnv, "/env/python")
	got, err := readersPythons("mds=/a/python,/b/python,hf=/c/python")
	if err != nil || got[""] != "/b/python" || got["mds"] != "/a/python" || got["hf"] != "/c/python" || len(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := readersPythons(""); err != nil || got[""] != "/env/python" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := readersPythons("mosaic=/a/python"); err == nil {
		t.Error("a script that is not there has a Python")
	}
	for i := 1; i < len(readers); i++ {
		if readers[i-1].format > readers[i].format {
			t.Errorf("readers of %s stand behind those of %s", readers[i].format, readers[i-1].format)
		}
	}
}
