package stats

import (
	"bytes"
	"curate/stage/runs"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSealedDamage(t *testing.T) {
	s := mustBuild(t, Config{By: "g"})
	whole := seal(t, partialOf(t, s, sample))
	for n := range whole { // cut short anywhere
		if _, err := merge(s, whole, whole[:n]); !isCorrupt(err, 1) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	group := func(name string, numbers ...byte) string { return string(rune(len(name)+1)) + name + string(numbers) }
	ok := "\x01\x01\x01\x01\x01"
	for _, c := range []struct{ file, want string }{
		{"", "too early"},
		{"stats\x00\x00\x02\x00\x00", "no sealed file"},
		{magic + "\x00\x00x", "after the end"},
		{magic + "\x00\x01", "tells of 1 groups and holds 0"},
		{magic + group("3eu") + ok + group("3eu") + ok + "\x00\x02", "do not rise"},
		{magic + group("3eu") + ok + group("3es") + ok + "\x00\x02", "do not rise"},
		{magic + group("3eu") + "\x00\x01\x01\x01\x01\x00\x01", "without documents"},
		{magic + group("3eu") + "\x80\x00", "leading zeros"},
		{magic + group("3eu") + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "above 2^63-1"},
		{magic + "\xff\xff\xff\xff\x7f", "too long"},
		{magic + group("") + ok, "none of a group"},
		{magic + group("0null") + ok, "none of a group"},
		{magic + group("1null") + ok, "none of a group"},
		{magic + group("2 1") + ok, "none of a group"},
		{magic + group("3\xff") + ok, "none of a group"},
		{magic + group("4[1") + ok, "none of a group"},
		{magic + group("7x") + ok, "none of a group"},
	} {
		_, err := merge(s, []byte(c.file))
		if !isCorrupt(err, 0) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want an error with %q", c.file, err, c.want)
		}
	}
	// Sums of damaged numbers.
	huge := []byte(magic + group("3eu") + "\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x01\x01\x00\x01")
	if _, err := merge(s, huge); err != nil {
		t.Error(err)
	}
	if _, err := merge(s, huge, huge); !isCorrupt(err, 1) && !isCorrupt(err, 0) {
		t.Errorf("sums above 2^63-1: %v", err)
	}
	// A grouped file under a stage without a field, and the other way round.
	all := mustBuild(t, Config{})
	if _, err := merge(all, whole); !isCorrupt(err, 0) {
		t.Errorf("grouped: %v", err)
	}
	if _, err := merge(s, seal(t, partialOf(t, all, sample))); !isCorrupt(err, 0) {
		t.Errorf("not grouped: %v", err)
	}
	// A disk that fails is no damage.
	broken := errors.New("broken disk")
	if err := s.Merge(io.Discard, []io.Reader{io.MultiReader(bytes.NewReader(whole[:40]), iotest.ErrReader(broken))}); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

func isCorrupt(err error, input int) bool {
	ce := new(runs.CorruptError)
	return errors.As(err, &ce) && ce.Input == input
}

// FuzzSealed: what is read is refused, or it is exactly what merging it writes again, and makes a result.
func FuzzSealed(f *testing.F) {
	grouped, all := mustBuild(f, Config{By: "g"}), mustBuild(f, Config{})
	f.Add(seal(f, partialOf(f, grouped, sample)))
	f.Add(seal(f, partialOf(f, grouped, numbered(0, 9))))
	f.Add(seal(f, partialOf(f, all, sample)))
	f.Add(seal(f, all.NewPartial()))
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, s := range []*Stats{grouped, all} {
			again, err := merge(s, file)
			if err != nil {
				if !isCorrupt(err, 0) {
					t.Fatalf("%T %v", err, err)
				}
				continue
			}
			if !bytes.Equal(again, file) {
				t.Fatalf("read %q, written %q", file, again)
			}
			result, err := finish(t, s, file)
			if err != nil {
				t.Fatal(err)
			}
			if err := Table(io.Discard, []byte(result)); err != nil && !strings.Contains(err.Error(), errOverflow.Error()) {
				t.Fatalf("%v: %s", err, result)
			}
		}
	})
}
