package dedup

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// annotated are the lines of a test, of which every third has been said to be a duplicate by a method before.
func annotated(all [][]byte) [][]byte {
	list := make([][]byte, len(all))
	for i, line := range all {
		list[i] = line
		if n := len(line); i%3 == 0 && n > 2 && line[n-1] == '}' {
			list[i] = fmt.Appendf(nil, `%s,"curate":{"dedup":{"method":"url","verdict":"drop","duplicate_of":"1"}}}`, line[:n-1])
		}
	}
	return list
}

func mustBehind(t testing.TB, s stage.Stage) stage.Reducer {
	t.Helper()
	list, err := Behind([]stage.Stage{s})
	if err != nil {
		t.Fatal(err)
	}
	return list[0].(stage.Reducer)
}

func TestBehindStage(t *testing.T) {
	t.Run("exact", func(t *testing.T) {
		stagetest.Reducer(t, mustBehind(t, mustExact(t, ExactConfig{Annotate: true})), annotated(lines()))
	})
	t.Run("lines", func(t *testing.T) {
		u, err := NewUnits(UnitsConfig{Unit: Lines, MinChars: 1, Annotate: true})
		if err != nil {
			t.Fatal(err)
		}
		stagetest.Reducer(t, mustBehind(t, u), annotated(lines()))
	})
}

// A record that an earlier method has annotated as a duplicate keeps that verdict and is nobody's twin; in the identity it
// stands that this is so.
func TestBehind(t *testing.T) {
	m, err := NewMinHash(MinHashConfig{Verdicts: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, stages := range map[string][]stage.Stage{"exact": {mustExact(t, ExactConfig{Verdicts: true})}, "minhash": m.Stages()} {
		t.Run(name, func(t *testing.T) {
			behind, err := Behind(stages)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range behind {
				if got, was := fmt.Sprintf("%s", s.Spec().Config), fmt.Sprintf("%s", stages[i].Spec().Config); got == was || s.Spec().Marks != stages[i].Spec().Marks {
					t.Errorf("%s: the configuration is %s behind another method, too", s.Spec().Name, got)
				}
			}
			text := `"text":"the quick brown fox jumps over the lazy dog"`
			var all []indexLine
			for i, more := range []string{`,"curate":{"dedup":{"verdict":"drop"}}`, `,"n":2`, `,"curate":{"dedup":{"verdict":"keep"}}`, `,"curate":{"dedup":{"verdict":"drop"}}`} {
				all = append(all, indexLine{record.MakeID(1, int64(i)), []byte("{" + text + more + "}")})
			}
			fates := runPhases(t, behind, all, rand.New(rand.NewPCG(1, 2)))
			for i, want := range []fate{{outcome: record.Keep}, {outcome: record.Keep}, {outcome: record.Drop, kept: fmt.Sprint(int64(all[1].id))}, {outcome: record.Keep}} {
				if fates[i].outcome != want.outcome || fates[i].kept != want.kept {
					t.Errorf("record %d: %v for %q, want %v for %q", i, fates[i].outcome, fates[i].kept, want.outcome, want.kept)
				}
			}
		})
	}
}
