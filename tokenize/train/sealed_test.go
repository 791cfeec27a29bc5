package train

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"curate/stage"
	"curate/stage/runs"
)

// sealList seals counts in any order.
func sealList(t testing.TB, list []counted) []byte {
	t.Helper()
	p := newPartial(t)
	for _, c := range list {
		if err := p.counts.add([]byte(c.word), c.count); err != nil {
			t.Fatal(err)
		}
	}
	return seal(t, p)
}

func merged(sealed ...[]byte) ([]byte, error) {
	in := make([]io.Reader, len(sealed))
	for i, b := range sealed {
		in[i] = bytes.NewReader(b)
	}
	var out bytes.Buffer
	sw := newSealedWriter(&out)
	err := errors.Join(mergeSealed(in, 16, sw.put), sw.end())
	return out.Bytes(), err
}

func TestSealed(t *testing.T) {
	got := sealList(t, []counted{{" the", 7}, {"a", 300}, {" them", 1}, {" then", 2}, {"b", 1}})
	want := magic + "\x00\x04 the\x07" + "\x04\x01m\x01" + "\x04\x01n\x02" + "\x00\x01a\xac\x02" + "\x00\x01b\x01" + "\x00\x00\x05"
	if string(got) != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	if got := sealList(t, nil); string(got) != magic+"\x00\x00\x00" {
		t.Errorf("nothing is %q", got)
	}
}

// TestSealedGrouping: counts added up in any grouping are the same bytes.
func TestSealedGrouping(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		list := randomWords(rng)
		for range 3 {
			list = append(list, list[rng.IntN(len(list))])
		}
		want := sealList(t, list)
		var sealed [][]byte
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for rest := list; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			sealed = append(sealed, sealList(t, rest[:n]))
			rest = rest[n:]
		}
		for len(sealed) > 1 {
			n := 2 + rng.IntN(len(sealed)-1)
			m, err := merged(sealed[:n]...)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			sealed = append(sealed[n:], m)
		}
		if !bytes.Equal(sealed[0], want) {
			t.Fatalf("seed %d: %q\nwant %q", seed, sealed[0], want)
		}
	}
}

func TestSealedDamage(t *testing.T) {
	whole := sealList(t, []counted{{" the", 7}, {" them", 1}, {" then", 200}, {strings.Repeat("x", 300), 1}})
	for n := range whole { // cut short anywhere
		if _, err := merged(whole, whole[:n]); !isCorrupt(err, 1) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	const ab = "\x00\x02ab\x01"
	huge := magic + "\x00\x01a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x01"
	for _, c := range []struct{ file, want string }{
		{"", "too early"},
		{"bpewrds\x02\x00\x00\x00", "no sealed file"},
		{magic + "\x00\x00\x00x", "after the end"},
		{magic + "\x00\x00\x01", "tells of 1 pretokens and holds 0"},
		{magic + ab + ab + "\x00\x00\x02", "do not rise"},
		{magic + ab + "\x02\x00\x01\x00\x00\x02", "do not rise"},
		{magic + ab + "\x01\x01a\x01\x00\x00\x02", "do not rise"},
		{magic + ab + "\x00\x02ac\x01\x00\x00\x02", "share more"},
		{magic + ab + "\x03\x01a\x01\x00\x00\x02", "shares more than there was"},
		{magic + ab + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01a", "shares more than there was"},
		{magic + "\x00\x01a\x00\x00\x00\x01", "never occurred"},
		{magic + "\x00\x81\x80\x04", "too long"},
		{magic + "\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "too long"},
		{magic + "\x00\x81\x00a", "leading zeros"},
		{magic + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "above 2^63-1"},
	} {
		if _, err := merged([]byte(c.file)); !isCorrupt(err, 0) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want an error with %q", c.file, err, c.want)
		}
	}
	if _, err := merged([]byte(huge)); err != nil {
		t.Error(err)
	}
	if _, err := merged([]byte(huge), []byte(huge)); !isCorrupt(err, 0) && !isCorrupt(err, 1) {
		t.Errorf("sums above 2^63-1: %v", err)
	}
	// A disk that fails is no damage.
	broken := errors.New("broken disk")
	err := mergeSealed([]io.Reader{io.MultiReader(bytes.NewReader(whole[:20]), iotest.ErrReader(broken))}, 16, func([]byte, uint64) error { return nil })
	if !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

func isCorrupt(err error, input int) bool {
	ce := new(runs.CorruptError)
	return errors.As(err, &ce) && ce.Input == input
}

// FuzzSealed: what is read is refused, or it is exactly what merging it writes again, and can be trained on.
func FuzzSealed(f *testing.F) {
	f.Add(sealList(f, []counted{{" the", 7}, {"a", 300}, {" them", 1}, {" then", 2}, {"b", 1}}))
	f.Add(sealList(f, nil))
	f.Fuzz(func(t *testing.T, file []byte) {
		out, err := merged(file)
		if err != nil {
			if !isCorrupt(err, 0) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(out, file) {
			t.Fatalf("%q was read and is written as %q", file, out)
		}
		words, _, err := gather(t.Context(), []stage.Sealed{{Size: int64(len(file)), Data: memoryFile{bytes.NewReader(file)}}}, DefaultMaxWords, 1<<30)
		if errors.Is(err, errOverflow) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Train(words, Config{VocabSize: 300}, nil); err != nil {
			t.Fatal(err)
		}
	})
}
