package shards

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/runs"
)

// TestShuffleKey has values of xxh64 computed with python-xxhash over struct.pack("<QQ", seed, id).
func TestShuffleKey(t *testing.T) {
	for _, c := range []struct{ seed, id, want uint64 }{
		{0, 0, 0xaf09f71516247c32},
		{1, 1 << 40, 0x1b8709edaf53e966},
		{42, 1<<40 | 12345, 0xc0f295821525ba84},
	} {
		if got := ShuffleKey(c.seed, c.id); got != c.want {
			t.Errorf("ShuffleKey(%d, %d) = %#x, want %#x", c.seed, c.id, got, c.want)
		}
	}
}

// TestShuffleMixes compares shuffles of ids as they are: rising in steps of a line. Neighbours must not stay so, and
// another seed must give another order.
func TestShuffleMixes(t *testing.T) {
	const n = 20_000
	place := func(seed uint64) []int {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int {
			if ShuffleKey(seed, uint64(record.MakeID(1, int64(a)*1500))) < ShuffleKey(seed, uint64(record.MakeID(1, int64(b)*1500))) {
				return -1
			}
			return 1
		})
		at := make([]int, n)
		for p, i := range order {
			at[i] = p
		}
		return at
	}
	a, b := place(1), place(2)
	same, rises := 0, 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
		if i > 0 && a[i] > a[i-1] {
			rises++
		}
	}
	// Of a random permutation: 1 fixed place is expected; rises are n/2 with a deviation of sqrt(n/12) = 41.
	if same > 10 || rises < n/2-250 || rises > n/2+250 {
		t.Errorf("%d places are the same under two seeds, %d rises of %d", same, rises, n)
	}
	flipped := 0
	for i := range 64 {
		flipped += bits.OnesCount64(ShuffleKey(5, 77) ^ ShuffleKey(5, 77^1<<i))
	}
	if flipped < 64*24 || flipped > 64*40 {
		t.Errorf("one bit of an ID changes %d of %d bits", flipped, 64*64)
	}
}

// sealedFile of n documents of all kinds.
func sealedFile(t testing.TB, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	all := &summary{longer: make([]int64, 1), sources: []sourceTotals{{name: "a", documents: 1, tokens: 2}, {name: "b", pairs: 3}}}
	all.bins[7] = bin{1, 2}
	w := newSealedWriter(&out, 2, all)
	for i := range n {
		size := 1 + i*70%300
		d := &sealedDocument{key: uint64(i / 2), id: uint64(i), kind: byte(i % 3)}
		switch d.kind {
		case kindMasked:
			d.own = appendRuns(nil, append(make([]byte, size-1), 1))
		case kindPair:
			d.own = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(size/3)), uint64(size/2))
		}
		if err := w.put(d, i%2, bytes.Repeat([]byte{byte(i), 0}, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func merged(width int, files ...[]byte) (out []byte, err error) {
	in := make([]io.Reader, len(files))
	for i, f := range files {
		in[i] = bytes.NewReader(f)
	}
	m, err := newMerger(in, 4096, width, 1)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = m.copyAll(context.Background(), &b, width)
	return b.Bytes(), err
}

// TestMask wants runs back as the mask that they were made of.
func TestMask(t *testing.T) {
	for _, mask := range [][]byte{{0}, {1}, {0, 0, 1}, {1, 1, 0, 1}, bytes.Repeat([]byte{1}, 1000)} {
		if got := appendMask(nil, appendRuns(nil, mask)); !bytes.Equal(got, mask) {
			t.Errorf("%v came back as %v", mask, got)
		}
	}
}

func TestSealedDamage(t *testing.T) {
	whole := sealedFile(t, 20)
	for n := range whole {
		if _, err := merged(2, whole[:n]); !errors.As(err, new(*runs.CorruptError)) {
			t.Fatalf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
	const head = sealedMagic + "\x02\x00\x00\x01\x00" // no sources, no bins, one length
	const sourced = sealedMagic + "\x02\x01\x01s\x00\x00\x00\x00\x00\x00\x01\x00"
	zeros := strings.Repeat("\x00", 16)
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{append(slices.Clone(whole), 0), "bytes after the end"},
		{append(whole[:len(whole)-1:len(whole)-1], 19), "tells of 19 documents and holds 20"},
		{[]byte(sealedMagic + "\x04\x00\x00"), "tokens of 4 bytes instead of 2"},
		{[]byte("curshuf\x01\x02\x00\x00"), "no sealed file of shards"},
		{[]byte(head + "\xff\xff\xff\xff\x7f"), "more than 2^31-1 tokens"},
		{[]byte(head + "\x81\x00"), "leading zeros"},
		{[]byte(head + strings.Repeat("\xff", 11)), "above 2^64-1"},
		{[]byte(head + "\x01" + zeros + "\x00\x00"), "0 is no source"},
		{[]byte(sealedMagic + "\x02\x00\x00\x02"), "knows 2 lengths instead of 1"},
		{[]byte(sealedMagic + "\x02\x81\x20"), "sources"},
		{[]byte(sourced + "\x01" + zeros + "\x00\x00\x00aa" + "\x01" + zeros + "\x00\x00\x00"), "not in order"},
		{[]byte(sourced + "\x01" + zeros + "\x00\x00\x07"), "of kind 7"},
		{[]byte(sourced + "\x01" + zeros + "\x00\x00\x01\x02"), "runs of a mask"},
		{[]byte(sourced + "\x02" + zeros + "\x00\x00\x02\x02\x01"), "within its prompt"},
	} {
		if _, err := merged(2, c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %q", c.b, err, c.want)
		}
	}
}

// FuzzSealed gives what is read back as it was written.
func FuzzSealed(f *testing.F) {
	f.Add(sealedFile(f, 3))
	f.Add(sealedFile(f, 0))
	f.Add([]byte(sealedMagic + "\x02\x00\x00\x01\x00\xff\xff\xff\xff\x07"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := merged(2, b); err == nil && !bytes.Equal(out, b) {
			t.Errorf("%q was read, and is written as %q", b, out)
		}
	})
}
