package train

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/stage"
	"curate/stage/stagetest"
)

func TestBuckets(t *testing.T) {
	for _, n := range []uint64{0, 1, 2, 255, 511, 512, 513, 514, 1023, 1024, 1027, 1028, 65535, 1 << 40, math.MaxInt64, math.MaxUint64} {
		b := bucketOf(n)
		if b < 0 || b >= buckets || bucketFloor(b) > n || b+1 < buckets && bucketFloor(b+1) <= n {
			t.Errorf("%d is in bucket %d, which begins at %d", n, b, bucketFloor(b))
		}
	}
	for b := 1; b < buckets; b++ {
		if bucketOf(bucketFloor(b)) != b || bucketOf(bucketFloor(b)-1) != b-1 {
			t.Fatalf("bucket %d begins at %d", b, bucketFloor(b))
		}
	}
}

// sealedIn seals words spread over so many files, in any way.
func sealedIn(t testing.TB, rng *rand.Rand, list []counted, files int) []stage.Sealed {
	t.Helper()
	parts := make([]*partial, files)
	for i := range parts {
		parts[i] = newPartial(t)
	}
	for _, c := range list {
		for left := c.count; left > 0; {
			n := min(left, 1+rng.Uint64N(c.count))
			if err := parts[rng.IntN(files)].counts.add([]byte(c.word), n); err != nil {
				t.Fatal(err)
			}
			left -= n
		}
	}
	var in []stage.Sealed
	for _, p := range parts {
		b := seal(t, p)
		in = append(in, stage.Sealed{Size: int64(len(b)), Data: memoryFile{bytes.NewReader(b)}})
	}
	return in
}

// TestChoose: what is chosen is what sorting all words says, however they lie in files.
func TestChoose(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 200 {
		var list []counted
		spread := []uint64{1, 3, 1000, 100_000, 1 << 50}[rng.IntN(5)]
		for i := range 1 + rng.IntN(300) {
			list = append(list, counted{fmt.Sprintf("%x", i*7919), 1 + rng.Uint64N(spread)})
			if rng.IntN(3) == 0 {
				list[i].count = list[rng.IntN(i+1)].count // ties, also of large counts
			}
		}
		most := 1 + rng.IntN(len(list)+10)
		in := sealedIn(t, rng, list, 1+rng.IntN(5))
		words, c, err := gather(t.Context(), in, most, 1<<30)
		if err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, round, err)
		}
		slices.SortFunc(list, func(a, b counted) int {
			return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(rankOf([]byte(a.word)), rankOf([]byte(b.word))), cmp.Compare(a.word, b.word))
		})
		want, rest := list[:min(most, len(list))], list[min(most, len(list)):]
		left := Left{Words: len(rest)}
		for _, w := range rest {
			left.Occurrences += w.count
		}
		if c.left != left {
			t.Fatalf("seed %d, round %d: left %+v, want %+v", seed, round, c.left, left)
		}
		slices.SortFunc(want, func(a, b counted) int { return cmp.Compare(a.word, b.word) })
		var got []counted
		for i := range uint32(words.Len()) {
			got = append(got, counted{string(words.word(i)), words.counts[i]})
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d, at most %d of %d:\n%v, want\n%v", seed, round, most, len(list), got, want)
		}
		if int64(cap(words.text)) > c.bytes+16 || cap(words.ends) != words.Len() {
			t.Fatalf("seed %d, round %d: memory for more than there is", seed, round)
		}
	}
}

// TestMaxWordsFits: the number that a MemoryError names fits, and what comes of it depends on the number alone.
func TestMaxWordsFits(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 0))
	var list []counted
	for i := range 60_000 {
		list = append(list, counted{strings.Map(func(r rune) rune { return r - '0' + 'k' }, fmt.Sprint(i*7919*31)), 1 + 100_000/uint64(i+1)})
	}
	in := sealedIn(t, rng, list, 3)
	run := func(s *Trainer, memory int64) (string, error) {
		ws := stagetest.NewWorkspace(memory, 1)
		if _, err := s.Finish(t.Context(), in, ws); err != nil {
			return "", err
		}
		f, size, err := ws.Open(t.Context(), stage.ResultFile)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, size)
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		return string(b), nil
	}
	const memory = 9 << 20
	cfg := Config{VocabSize: 4000, MinFrequency: 1}
	_, err := run(mustNew(t, Settings{Config: cfg}), memory)
	me := new(MemoryError)
	if !errors.As(err, &me) || me.Fit < 1000 || !strings.Contains(err.Error(), fmt.Sprintf("--max-words %d", me.Fit)) {
		t.Fatalf("%v, %+v", err, me)
	}
	var said Report
	fits := mustNew(t, Settings{Config: cfg, Counting: Counting{MaxWords: me.Fit}, Report: func(r Report) { said = r }})
	got, err := run(fits, memory)
	if err != nil {
		t.Fatalf("%d words, which was said to fit: %v", me.Fit, err)
	}
	if said.Distinct != me.Fit || said.Left.Words != len(list)-me.Fit || said.Left.Occurrences == 0 {
		t.Errorf("%+v", said)
	}
	if want, err := run(fits, 1<<30); err != nil || got != want {
		t.Errorf("another result with more memory, or %v", err)
	}
}
