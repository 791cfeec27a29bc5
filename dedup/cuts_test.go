package dedup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/runs"
)

// cutsOf writes a file of the cuts of records, whose numbers ascend.
func cutsOf(t testing.TB, ids []record.ID, units map[record.ID][]uint32) []byte {
	t.Helper()
	var pairs []byte
	for _, id := range ids {
		for _, u := range units[id] {
			pairs = binary.BigEndian.AppendUint64(pairs, uint64(id))
			pairs = binary.BigEndian.AppendUint64(pairs, uint64(u))
		}
	}
	var out bytes.Buffer
	if err := writeCuts(t.Context(), &out, runs.NewIterator([]io.Reader{bytes.NewReader(pairs)}, pairWidth, nil)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestCuts: every record has the cuts that were written, in any order of asking, also where they lie in several blocks.
func TestCuts(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, most := range []int{1, 3, 100, 3 * blockCuts} {
		var ids []record.ID
		units := map[record.ID][]uint32{}
		for total, id := 0, record.ID(0); total < 5*blockCuts && len(ids) < 3000; {
			id += 1 + record.ID(rng.IntN(5))
			at := uint32(0)
			for range 1 + rng.IntN(most) {
				at += 1 + uint32(rng.IntN(1<<rng.IntN(16)))
				units[id] = append(units[id], at)
			}
			total += len(units[id])
			ids = append(ids, id)
		}
		b := cutsOf(t, ids, units)
		c, err := OpenCuts(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		cursor := c.NewCursor()
		var got []uint32
		ask := func(id record.ID) {
			if got, err = cursor.Append(got[:0], id); err != nil || !slices.Equal(got, units[id]) {
				t.Fatalf("seed %d: record %d: %d cuts instead of %d, error %v", seed, id, len(got), len(units[id]), err)
			}
		}
		for id := range ids[len(ids)-1] + 3 {
			ask(id)
		}
		for range 1000 {
			ask(ids[rng.IntN(len(ids))])
		}
	}
	b := cutsOf(t, nil, nil)
	c, err := OpenCuts(bytes.NewReader(b), int64(len(b)))
	if err != nil || c.Len() != 0 || len(b) != cutsFooter {
		t.Fatalf("no cuts: %d bytes, error %v", len(b), err)
	}
	if got, err := c.NewCursor().Append(nil, 1); len(got) > 0 || err != nil {
		t.Errorf("no cuts: %v, %v", got, err)
	}
}

// TestCutsDamaged: no byte can be another.
func TestCutsDamaged(t *testing.T) {
	ids := []record.ID{1, 5, 1 << 40}
	good := cutsOf(t, ids, map[record.ID][]uint32{1: {0, 7}, 5: {3}, 1 << 40: {1, 2, 3}})
	read := func(b []byte) error {
		c, err := OpenCuts(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		cursor := c.NewCursor()
		for _, id := range ids {
			if _, err := cursor.Append(nil, id); err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if err := read(bad); err == nil || !errors.Is(err, ErrCuts) && !strings.Contains(err.Error(), "version") {
			t.Errorf("byte %d: %v", i, err)
		}
		if err := read(good[:i]); !errors.Is(err, ErrCuts) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}

func FuzzCuts(f *testing.F) {
	f.Add(cutsOf(f, nil, nil), uint64(0))
	f.Add(cutsOf(f, []record.ID{1, 5}, map[record.ID][]uint32{1: {0, 7}, 5: {3}}), uint64(5))
	f.Fuzz(func(t *testing.T, b []byte, id uint64) {
		c, err := OpenCuts(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		cursor := c.NewCursor()
		got, err := cursor.Append(nil, record.ID(id))
		if err == nil && int64(len(got)) > c.Len() {
			t.Errorf("%d cuts of %d", len(got), c.Len())
		}
	})
}
