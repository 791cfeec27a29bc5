package shards

import (
	"bytes"
	"errors"
	"io"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"curate/record"
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

// sealedFile of documents 1 to n.
func sealedFile(t testing.TB, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := newSealedWriter(&out, 2)
	for i := range n {
		if err := w.put(uint64(i/2), uint64(i), bytes.Repeat([]byte{byte(i), 0}, 1+i*70%300)); err != nil {
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
	m, err := newMerger(in, 4096, width)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := newSealedWriter(&b, width)
	for {
		key, id, tokens, ok, err := m.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			err := w.end()
			return b.Bytes(), err
		}
		if err := w.put(key, id, tokens); err != nil {
			return nil, err
		}
	}
}

func TestSealedDamage(t *testing.T) {
	whole := sealedFile(t, 20)
	for n := range whole {
		if _, err := merged(2, whole[:n]); !errors.As(err, new(*CorruptError)) {
			t.Fatalf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{append(slices.Clone(whole), 0), "bytes after the end"},
		{append(whole[:len(whole)-1:len(whole)-1], 19), "tells of 19 documents and holds 20"},
		{[]byte(sealedMagic + "\x04\x00\x00"), "tokens of 4 bytes instead of 2"},
		{[]byte("curshuf\x02\x02\x00\x00"), "does not begin as such a file"},
		{[]byte(sealedMagic + "\x02\xff\xff\xff\xff\x7f"), "more than 2^31-1 tokens"},
		{[]byte(sealedMagic + "\x02\x81\x00"), "leading zeros"},
		{[]byte(sealedMagic + "\x02" + strings.Repeat("\xff", 11)), "above 2^64-1"},
		{[]byte(sealedMagic + "\x02" + "\x01" + strings.Repeat("\x00", 16) + "aa" + "\x01" + strings.Repeat("\x00", 16)), "not in order"},
	} {
		if _, err := merged(2, c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.b, err, c.want)
		}
	}
}

// FuzzSealed gives what is read back as it was written.
func FuzzSealed(f *testing.F) {
	f.Add(sealedFile(f, 3))
	f.Add(sealedFile(f, 0))
	f.Add([]byte(sealedMagic + "\x02\xff\xff\xff\xff\x07"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := merged(2, b); err == nil && !bytes.Equal(out, b) {
			t.Errorf("%q was read, and is written as %q", b, out)
		}
	})
}
