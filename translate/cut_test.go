package translate

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"curate/translate/protect"
)

// randomTemplate is made of sentences, clauses, lone holes and odd characters.
func randomTemplate(rng *rand.Rand) protect.Template {
	bits := []string{"Open it now. ", "The door, which is old, closes; ", "a", " ", "", "Nothing! ", "é ", "… ", "(see) ", "Dr. Who came. ", "3.14 ", "\u00a0", "x "}
	t := protect.Template{Text: []string{""}}
	for range rng.IntN(12) {
		if rng.IntN(3) == 0 {
			t.Holes = append(t.Holes, len(t.Holes))
			t.Text = append(t.Text, "")
		} else {
			t.Text[len(t.Text)-1] += bits[rng.IntN(len(bits))]
		}
	}
	return t
}

// TestCutsJoin: whatever the cut, the pieces as they are make the whole again, each begins its holes at 0, and those that are asked
// for have letters and no white space at their edges.
func TestCutsJoin(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	cuts := map[string]func(protect.Template) []piece{
		"whole": func(t protect.Template) []piece { return cutAt(t, nil) }, "sentences": sentences, "holes": aroundHoles, "halves": halves,
	}
	for range 3000 {
		tpl := randomTemplate(rng)
		for name, cut := range cuts {
			pieces := cut(tpl)
			targets := make([]protect.Template, len(pieces))
			for i, p := range pieces {
				targets[i] = p.template
				if len(p.holes) != len(p.template.Holes) || len(p.template.Text) != len(p.holes)+1 {
					t.Fatalf("seed %d, %s of %v: piece %d has %d holes and %d texts", seed, name, tpl, i, len(p.holes), len(p.template.Text))
				}
				for k, h := range p.template.Holes {
					if h != k {
						t.Fatalf("seed %d, %s of %v: piece %d has holes %v", seed, name, tpl, i, p.template.Holes)
					}
				}
				first, last := p.template.Text[0], p.template.Text[len(p.template.Text)-1]
				if p.ask && (strings.TrimSpace(first) != first && strings.TrimLeft(first, " ") != first || strings.TrimRight(last, " ") != last) {
					t.Fatalf("seed %d, %s of %v: piece %d is %v", seed, name, tpl, i, p.template)
				}
				if name == "holes" && p.ask && len(p.holes) > 0 {
					t.Fatalf("seed %d: %v has a hole", seed, p.template)
				}
			}
			if got := joined(pieces, targets); !reflect.DeepEqual(normal(got), normal(tpl)) {
				t.Fatalf("seed %d, %s of %v: joined %v", seed, name, tpl, got)
			}
		}
	}
}

func normal(t protect.Template) protect.Template {
	if len(t.Holes) == 0 {
		t.Holes = nil
	}
	return t
}

func TestCutsWhere(t *testing.T) {
	tpl := protect.Template{Text: []string{"Open ", ". Then close it, and go. See ", " for more."}, Holes: []int{0, 1}}
	texts := func(pieces []piece) (list []string) {
		for _, p := range pieces {
			s := p.before + p.template.Text[0]
			for i, h := range p.holes {
				s += "<" + string(rune('0'+h)) + ">" + p.template.Text[i+1]
			}
			list = append(list, s+p.after)
		}
		return list
	}
	for _, c := range []struct {
		name string
		got  []piece
		want []string
	}{
		{"sentences", sentences(tpl), []string{"Open <0>. ", "Then close it, and go. ", "See <1> for more."}},
		{"holes", aroundHoles(tpl), []string{"Open ", "<0>", ". Then close it, and go. See ", "<1>", " for more."}},
		{"halves", halves(tpl), []string{"Open <0>. Then close it,", " and go. See <1> for more."}},
	} {
		if got := texts(c.got); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
