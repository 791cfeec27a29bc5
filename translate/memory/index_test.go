package memory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func numbered(n uint64) Key {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, n))
	return Key(sum[:16])
}

// holdsWhat compares the index with a map: every key, none other, and the order.
func holdsWhat(t *testing.T, x *index, want map[Key]ref) {
	t.Helper()
	if x.used != len(want) {
		t.Fatalf("%d keys instead of %d", x.used, len(want))
	}
	for k, r := range want {
		if got, ok := x.find(k); !ok || got != r {
			t.Fatalf("%x: %v %v, want %v", k, got, ok, r)
		}
	}
	keys := slices.SortedFunc(maps.Keys(want), func(a, b Key) int { return bytes.Compare(a[:], b[:]) })
	place := 0
	for i := range x.slots() {
		s := x.at(i)
		if s.ref == 0 {
			continue
		}
		if hi, lo := keyWords(keys[place]); s.hi != hi || s.lo != lo || s.ref != want[keys[place]] {
			t.Fatalf("place %d: %x %x, want %x", place, s.hi, s.lo, keys[place])
		}
		place++
	}
	if place != len(keys) {
		t.Fatalf("%d keys in order instead of %d", place, len(keys))
	}
}

func TestIndexIsAMap(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	kinds := map[string]func() Key{
		"hashes": func() Key { return numbered(rnd.Uint64N(20000)) },
		"low":    func() (k Key) { binary.BigEndian.PutUint64(k[8:], rnd.Uint64N(3000)); return k },
		"high": func() (k Key) {
			k = Key(bytes.Repeat([]byte{255}, 16))
			k[15], k[14] = byte(rnd.Uint64()), byte(rnd.Uint64N(10))
			return k
		},
		"in order": func() func() Key {
			n := uint64(0)
			return func() (k Key) { n += 1 << 50; binary.BigEndian.PutUint64(k[:], n); return k }
		}(),
	}
	for name, key := range kinds {
		t.Run(name, func(t *testing.T) {
			x, err := newIndex(0)
			if err != nil {
				t.Fatal(err)
			}
			want := map[Key]ref{}
			for i := range 12000 {
				k, r := key(), ref(rnd.Uint64()|2)
				if err := x.set(k, r, 0); err != nil {
					t.Fatal(err)
				}
				want[k] = r
				if _, ok := want[numbered(uint64(i))]; !ok {
					if _, ok := x.find(numbered(uint64(i))); ok {
						t.Fatal("a key that is not there is found")
					}
				}
				if i%3000 == 10 {
					holdsWhat(t, &x, want)
				}
			}
			holdsWhat(t, &x, want)
		})
	}
}

func TestIndexBytes(t *testing.T) {
	x, err := newIndex(0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(200000) {
		if err := x.set(numbered(n), 2, 0); err != nil {
			t.Fatal(err)
		}
		if b := x.bytes(); n > 10000 && float64(b-2*chunkBytes) > 31.5*float64(n+1) {
			t.Fatalf("%d keys take %d bytes", n+1, b)
		}
	}
}

func TestIndexFull(t *testing.T) {
	const limit = 10 * chunkBytes
	x, err := newIndex(limit)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Key]ref{}
	for n := uint64(0); ; n++ {
		err := x.set(numbered(n), ref(n+2), limit)
		if err == nil {
			want[numbered(n)] = ref(n + 2)
			continue
		}
		var full *FullError
		if !errors.As(err, &full) || full.Max != limit || full.Need <= limit {
			t.Fatal(err)
		}
		if x.bytes() > limit || n < limit/40 {
			t.Fatalf("full at %d keys and %d bytes", n, x.bytes())
		}
		break
	}
	for k := range want { // what is there may still change
		if err := x.set(k, 7, limit); err != nil {
			t.Fatal(err)
		}
		want[k] = 7
	}
	holdsWhat(t, &x, want)
	if _, err := newIndex(1000); err == nil {
		t.Error("an index of 1000 bytes was made")
	}
}
