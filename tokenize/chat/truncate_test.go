package chat

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// ladder is a chat whose turns are told apart.
func ladder(turns int, system bool) string {
	var m []string
	if system {
		m = append(m, `{"role":"system","content":"S"}`)
	}
	for i := range turns {
		m = append(m, fmt.Sprintf(`{"role":"user","content":"q%d"},{"role":"assistant","content":"a%d"}`, i, i))
	}
	return "[" + strings.Join(m, ",") + "]"
}

func encode(t *testing.T, line string, o Options) *Encoded {
	t.Helper()
	x, err := NewEncoder(gpt2(t), builtinFormat(t, "chatml"), o).Encode(rowOf(t, line))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func decoded(t *testing.T, ids []uint32) string { return string(gpt2(t).AppendDecoded(nil, ids)) }

func TestTruncateChat(t *testing.T) {
	line := `{"messages":` + ladder(3, true) + `}`
	whole := encode(t, line, Options{})
	n := len(whole.IDs)
	for _, c := range []struct {
		o    Options
		drop string
		cut  Policy
		want []uint32
	}{
		{Options{MaxLength: n, Truncate: Drop}, "", "", whole.IDs},
		{Options{MaxLength: n - 1, Truncate: Drop}, ReasonTooLong, "", nil},
		{Options{MaxLength: n - 1}, "", "", whole.IDs},
		{Options{MaxLength: n - 1, Truncate: End}, "", End, whole.IDs[:n-1]},
		{Options{MaxLength: n - 1, Truncate: Start}, "", Start, whole.IDs[1:]},
		{Options{MaxLength: 5, Truncate: End}, ReasonNothing, End, nil},
		{Options{MaxLength: 4, Truncate: Turns}, ReasonTooLong, "", nil},
	} {
		x := encode(t, line, c.o)
		if x.Drop != c.drop || x.Cut != c.cut {
			t.Errorf("%+v: dropped %q, cut %q", c.o, x.Drop, x.Cut)
			continue
		}
		if c.drop == "" && (!slices.Equal(x.IDs, c.want) || len(x.Mask) != len(x.IDs)) {
			t.Errorf("%+v: %v, want %v", c.o, x.IDs, c.want)
		}
		if x.Long != (c.o.Truncate == "" && len(c.want) > c.o.MaxLength) {
			t.Errorf("%+v: long %v", c.o, x.Long)
		}
	}
	// Whole turns go, the system's words stay.
	two := encode(t, `{"messages":[{"role":"system","content":"S"},{"role":"user","content":"q1"},{"role":"assistant","content":"a1"},{"role":"user","content":"q2"},{"role":"assistant","content":"a2"}]}`, Options{})
	x := encode(t, line, Options{MaxLength: n - 1, Truncate: Turns})
	if x.Turns != 1 || x.Cut != Turns || !slices.Equal(x.IDs, two.IDs) || !slices.Equal(x.Mask, two.Mask) {
		t.Errorf("%d turns are gone: %q", x.Turns, decoded(t, x.IDs))
	}
}

// TestTruncateAligned: whatever is cut, mask and ids lose the same, and both sides of a pair keep the same prompt.
func TestTruncateAligned(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		system, turns := rng.IntN(2) == 0, 1+rng.IntN(5)
		messages := ladder(turns, system)
		line := `{"messages":` + messages + `}`
		pair := rng.IntN(2) == 0
		if pair {
			prompt := strings.TrimSuffix(messages, fmt.Sprintf(`,{"role":"assistant","content":"a%d"}]`, turns-1)) + "]"
			line = `{"prompt":` + prompt + `,"chosen":[{"role":"assistant","content":"` + strings.Repeat("yes ", rng.IntN(12)) + `A"}],"rejected":[{"role":"assistant","content":"` + strings.Repeat("yes ", rng.IntN(12)) + `B"}]}`
		}
		whole := encode(t, line, Options{})
		limit := 1 + rng.IntN(whole.longest()+3)
		policy := policies[rng.IntN(len(policies))]
		x := encode(t, line, Options{MaxLength: limit, Truncate: policy})
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("seed %d, %s at %d: %s: %s\n%q", seed, policy, limit, line, fmt.Sprintf(format, args...), decoded(t, x.IDs))
		}
		if whole.longest() <= limit {
			if x.Drop != "" || x.Cut != "" || !slices.Equal(x.IDs, whole.IDs) {
				fail("a row that is short enough is cut")
			}
			continue
		}
		if x.Drop != "" {
			continue
		}
		if policy != None && x.longest() > limit {
			fail("%d tokens", x.longest())
		}
		if x.nothing() {
			fail("nothing is learnt")
		}
		if !x.Pair {
			if len(x.Mask) != len(x.IDs) {
				fail("%d tokens, %d in the mask", len(x.IDs), len(x.Mask))
			}
			at := 0
			switch policy {
			case Start:
				at = len(whole.IDs) - limit
			case Turns:
				continue
			}
			if !slices.Equal(x.IDs, whole.IDs[at:at+len(x.IDs)]) || !slices.Equal(x.Mask, whole.Mask[at:at+len(x.IDs)]) {
				fail("not aligned")
			}
			continue
		}
		chosen, rejected := x.IDs[x.Prompt:x.Chosen], x.IDs[x.Chosen:]
		if !slices.Equal(chosen, whole.IDs[whole.Prompt:whole.Chosen][:len(chosen)]) || !slices.Equal(rejected, whole.IDs[whole.Chosen:][:len(rejected)]) {
			fail("the answers are cut elsewhere than at their end")
		}
		if policy == Start && !slices.Equal(x.IDs[:x.Prompt], whole.IDs[whole.Prompt-x.Prompt:whole.Prompt]) {
			fail("the prompt is cut elsewhere than at its beginning")
		}
		if x.Prompt == 0 {
			fail("no prompt")
		}
	}
}

func TestTruncatePair(t *testing.T) {
	const line = `{"prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"x y z one"}],"rejected":[{"role":"assistant","content":"x y z two"}]}`
	whole := encode(t, line, Options{})
	for _, c := range []struct {
		limit int
		o     Policy
		drop  string
	}{
		{whole.Prompt + 3, End, ReasonNoAnswers},
		{whole.Prompt + 4, End, ""},
		{whole.Prompt, End, ReasonNothing},
		{whole.longest() - 1, Start, ""},
		{whole.longest() - whole.Prompt, Start, ReasonTooLong},
		{whole.longest() - 1, Turns, ReasonTooLong},
		{whole.longest() - 1, Drop, ReasonTooLong},
	} {
		if x := encode(t, line, Options{MaxLength: c.limit, Truncate: c.o}); x.Drop != c.drop {
			t.Errorf("%d %s: %q, want %q", c.limit, c.o, x.Drop, c.drop)
		}
	}
}

func TestNames(t *testing.T) {
	if _, err := ParseTrainOn("user"); err == nil || !strings.Contains(err.Error(), "all, assistant, completion, last") {
		t.Error(err)
	}
	if p, err := ParsePolicy("turns"); p != Turns || err != nil {
		t.Error(p, err)
	}
}
