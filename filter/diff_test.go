package filter

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestLineDiff(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"", "", ""},
		{"a", "a", ""},
		{"a\nb\nc", "a\nc", "-2 b"},
		{"a\nc", "a\nb\nc", "+2 b"},
		{"Menu\nProse[1].\nCookies\nMore.", "Prose.\nMore.", "-1 Menu, -2 Prose[1]., -3 Cookies, +1 Prose."},
		{"a\nb", "", "-1 a, -2 b"},
		{"", "a\n", "+1 a, +2 "},
		{"a\na\na\nb", "a\na\nb", "-3 a"},
	} {
		var got []string
		for _, l := range lineDiff([]byte(c.a), []byte(c.b)) {
			if l.Gone {
				got = append(got, fmt.Sprintf("-%d %s", l.Line, l.Old))
			} else {
				got = append(got, fmt.Sprintf("+%d %s", l.Line, l.New))
			}
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%q to %q: %s, want %s", c.a, c.b, s, c.want)
		}
	}
}

// TestLineDiffApplies: taking lines out and putting lines in makes the second text of the first, with no more edits
// than the longest common subsequence leaves.
func TestLineDiffApplies(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := func() []string {
			var l []string
			for range r.IntN(12) {
				l = append(l, string(rune('a'+r.IntN(3))))
			}
			return l
		}
		x, y := text(), text()
		diff := lineDiff([]byte(strings.Join(x, "\n")), []byte(strings.Join(y, "\n")))
		gone, came := map[int]bool{}, map[int]string{}
		for _, d := range diff {
			if d.Gone {
				gone[d.Line] = true
				if x[d.Line-1] != d.Old {
					t.Fatalf("seed %d: line %d is %q, not %q", seed, d.Line, x[d.Line-1], d.Old)
				}
			} else {
				came[d.Line] = d.New
			}
		}
		var got []string
		next := 0
		for len(got) < len(y)+len(x) {
			if l, ok := came[len(got)+1]; ok {
				got = append(got, l)
				continue
			}
			for next < len(x) && gone[next+1] {
				next++
			}
			if next == len(x) {
				break
			}
			got = append(got, x[next])
			next++
		}
		if strings.Join(got, "\n") != strings.Join(y, "\n") {
			t.Fatalf("seed %d: %q and %v make %q, not %q", seed, x, diff, got, y)
		}
		if want := len(x) + len(y) - 2*common(x, y); len(diff) != want {
			t.Fatalf("seed %d: %q to %q in %d edits, not %d", seed, x, y, len(diff), want)
		}
	}
}

// common is the length of the longest common subsequence.
func common(x, y []string) int {
	row := make([]int, len(y)+1)
	for _, a := range x {
		diagonal := 0
		for j, b := range y {
			up := row[j+1]
			if a == b {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			diagonal = up
		}
	}
	return row[len(y)]
}

// TestLineDiffBounded: texts that have nothing in common are not compared for long.
func TestLineDiffBounded(t *testing.T) {
	var a, b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&a, "a%d\n", i)
		fmt.Fprintf(&b, "b%d\n", i)
	}
	if n := len(lineDiff([]byte(a.String()), []byte(b.String()))); n != 40_000 {
		t.Error(n)
	}
}
