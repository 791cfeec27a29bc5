package dedup

import (
	"io"
	"math/rand/v2"
	"testing"

	"curate/stage"
	"curate/stage/stagetest"
)

// FuzzRanks puts a damaged file in the place of one that a step has made: the steps behind it end, with or without an error.
func FuzzRanks(f *testing.F) {
	m := tight(loose(mustMinHash(f, MinHashConfig{Keep: "longest", Threshold: 0.6})))
	k, err := m.Ranks(1)
	if err != nil {
		f.Fatal(err)
	}
	files := [][][]byte{asLines(corpus(rand.New(rand.NewPCG(3, 3)), 40))}
	first, second := m.Stages()[0].(stage.Reducer), m.Stages()[1].(stage.Reducer)
	rng := rand.New(rand.NewPCG(4, 4))
	names := []string{PairsFile(0), candidatesRange(0), IndexFile(1), VerifyFile(0), verifiedFile(0), RehubFile(0), ComponentsFile}
	put := func(t testing.TB, ws stage.Workspace, name string, b []byte) {
		if err := ws.Make(t.Context(), name, func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
			t.Fatal(err)
		}
	}
	made := map[string][]byte{}
	run := func(t testing.TB, damaged string, with []byte) (*stagetest.Workspace, error) {
		shared := stagetest.NewWorkspace(64<<20, 1)
		if damaged != "" {
			if other := map[string]string{PairsFile(0): candidatesRange(0), VerifyFile(0): verifiedFile(0)}[damaged]; other != "" { // made by the same call
				put(t, shared, other, made[other])
			}
			put(t, shared, damaged, with)
		}
		if err := k.Pairs(t.Context(), 0, allSplits(filesSealed(t, first, files, rng, nil)), shared, stagetest.NewWorkspace(64<<20, 1)); err != nil {
			return shared, err
		}
		mark, err := k.Marks(t.Context(), []int{1}, shared, stagetest.NewWorkspace(64<<20, 1))
		if err != nil {
			return shared, err
		}
		sets := filesSealed(t, second, files, rng, func(int) stage.Mapper { return mark })
		if err := k.Index(t.Context(), sets[0], shared); err != nil {
			return shared, err
		}
		c, err := k.Comparer(t.Context(), sets, shared, stagetest.NewWorkspace(64<<20, 1))
		if err != nil {
			return shared, err
		}
		if err := c.Verify(t.Context(), 0); err != nil {
			return shared, err
		}
		if err := c.Rehub(t.Context(), 0); err != nil {
			return shared, err
		}
		if err := k.Components(t.Context(), []int{1}, shared, stagetest.NewWorkspace(64<<20, 1)); err != nil {
			return shared, err
		}
		return shared, c.Decide(t.Context())
	}
	whole, err := run(f, "", nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		r, size, err := whole.Open(f.Context(), name)
		if err != nil {
			f.Fatal(err)
		}
		b := make([]byte, size)
		if _, err := r.ReadAt(b, 0); err != nil && err != io.EOF {
			f.Fatal(err)
		}
		if err := r.Close(); err != nil {
			f.Fatal(err)
		}
		made[name] = b
	}
	for i, name := range names {
		b := made[name]
		f.Add(byte(i), b)
		if len(b) > 0 {
			b := append([]byte(nil), b...)
			b[len(b)/2] ^= 0x40
			f.Add(byte(i), b)
			b[0] = 0xff
			f.Add(byte(i), b[:len(b)-1])
			f.Add(byte(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, with []byte) {
		if _, err := run(t, names[int(which)%len(names)], with); err != nil {
			t.Logf("%s: %v", names[int(which)%len(names)], err)
		}
	})
}
