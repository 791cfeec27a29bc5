package recipe

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"curate/pipeline"
)

const overlaid = head + "steps:\n  - {name: a, read: [x, y], cut: {word: w, least: 2, deep: {er: 1}, list: [{length: 2}, {length: 3}]}}\n  - {name: b.c, from: a, count: }\n"

func parseWith(sets []string, overlays ...string) (*Recipe, error) {
	var with []Overlay
	for i, text := range overlays {
		with = append(with, Overlay{File: string('o'+rune(i)) + ".yaml", Text: []byte(text)})
	}
	return Parse("r.yaml", []byte(overlaid), with, sets, testKinds)
}

// TestOverlay compares the recipe that comes out with the one that --set makes of the same values.
func TestOverlay(t *testing.T) {
	tests := []struct {
		name     string
		overlays []string
		sets     []string // beside the overlays
		same     []string // alone
	}{
		{"a value", []string{"run: there\n"}, nil, []string{"run=there"}},
		{"nested", []string{"steps:\n  a:\n    cut: {word: v, also: [p]}\n"}, nil, []string{"steps.a.cut.word=v", "steps.a.cut.also=[p]"}},
		{"dots", []string{"steps.a.cut: {word: v, deep.er: 5}\n"}, nil, []string{"steps.a.cut.word=v", "steps.a.cut.deep.er=5"}},
		{"a list takes the place of a list", []string{"steps: {a: {read: z}}\n"}, nil, []string{"steps.a.read=z"}},
		{"an item of a list", []string{"steps: {a: {cut: {list: {1: {length: 9}}}}}\n"}, nil, []string{"steps.a.cut.list.1.length=9"}},
		{"no keys", []string{"steps: {a: {cut: {deep: {}}}}\n"}, nil, []string{"steps.a.cut.deep={}"}},
		{"null takes a key out", []string{"steps: {a: {cut: {deep: }}}\n", "steps.a.cut.deep: {}\n"}, nil, []string{"steps.a.cut.deep={}"}},
		{"a key that is a default", []string{"steps: {a: {cut: {least: null}}}\n"}, nil, []string{"steps.a.cut.least=1"}},
		{"and puts it back", []string{"run: ~\n", "run: two\n"}, nil, []string{"run=two"}},
		{"keys of what had none", []string{"steps: {b.c: {count: {label: l}}}\nquarantine.max: 5\n"}, nil, []string{"steps.1.count.label=l", "quarantine.max=5"}},
		{"later ones win", []string{"run: one\ntext_field: t\n", "run: two\n"}, nil, []string{"run=two", "text_field=t"}},
		{"--set wins", []string{"run: one\n"}, []string{"run=two"}, []string{"run=two"}},
		{"byte order mark", []string{"\ufeffrun: one\n"}, nil, []string{"run=one"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseWith(test.sets, test.overlays...)
			if err != nil {
				t.Fatal(err)
			}
			want, err := parseWith(test.same)
			if err != nil {
				t.Fatal(err)
			}
			var a, b bytes.Buffer
			if err := errors.Join(got.WriteConfig(&a), want.WriteConfig(&b)); err != nil {
				t.Fatal(err)
			}
			if a.String() != b.String() {
				t.Errorf("with the overlay it is\n%s\nand with --set\n%s", a.String(), b.String())
			}
			if len(got.With) != len(test.overlays) || len(want.With) != 0 {
				t.Errorf("overlays %q", got.With)
			}
		})
	}
}

// TestOverlayErrors: they say the overlay's line, also where only the recipe's keys tell that the value is wrong.
func TestOverlayErrors(t *testing.T) {
	tests := []struct{ overlay, want string }{
		{"", "o.yaml:1:1: is empty"},
		{"- a\n", "o.yaml:1:1: an overlay is keys of the recipe with their values, not a list"},
		{"run: [\n", "o.yaml:1:"},
		{"run: one\nrun: two\n", `o.yaml:2:1: mapping key "run" already defined`},
		{"\nsteps:\n  claen: {read: x}\n", `o.yaml:3:11: below steps: no step is called "claen"`},
		{"steps:\n  - {name: a, read: x}\n", "o.yaml:1:1: an overlay changes steps and cannot list them"},
		{"steps:\n  a:\n    cut:\n      wrod: x\n", `o.yaml:4:7: no key is called "wrod"; did you mean "word"?`},
		{"steps:\n  a:\n    cut:\n      least: x\n", `o.yaml:4:14: "least" is a whole number`},
		{"steps:\n  a:\n    cut:\n      list: {4: {length: 3}}\n", "below steps.a.cut.list: no step is called"},
		{"run: null\n", `r.yaml:1:1: the key "run" is missing`},
		{"steps: {a: null}\n", `r.yaml:5:23: no earlier step is called "a"`},
		{"steps: {a: {cut: {mode: }}}\n", "o.yaml:1:19: there is no steps.a.cut.mode to take out"},
		{"steps: {a: {dedup: {x: }}}\n", "o.yaml:1:21: there is no steps.a.dedup to take out"},
		{"runn: x\n", `o.yaml:1:1: no key is called "runn"; did you mean "run"?`},
		{"run.x: 1\n", "o.yaml:1:1: run is a value and has no keys"},
		{"run: &a b\n", "o.yaml:1:6: a recipe is plain YAML"},
	}
	for _, test := range tests {
		_, err := parseWith(nil, test.overlay)
		var u *pipeline.UsageError
		if !errors.As(err, &u) || !strings.HasPrefix(err.Error(), test.want) && !strings.Contains(err.Error(), ": "+test.want) {
			t.Errorf("%q: %v\nwant %s", test.overlay, err, test.want)
		}
	}
}

// TestInputs: {inputs} is what the recipe, an overlay or --set says, in all values of steps and nowhere else.
func TestInputs(t *testing.T) {
	text := "version: 1\nrun: \"{inputs}/run\"\ninputs: /data/\nsteps:\n  - {name: a, read: [\"{inputs}/x\", y], cut: {word: \"{inputs}\", beside: \"{inputs}/z/{inputs}\"}}\n"
	for _, test := range []struct {
		with []Overlay
		sets []string
		want string
	}{
		{nil, nil, "/data"},
		{[]Overlay{{File: "o.yaml", Text: []byte("inputs: there\n")}}, nil, "there"},
		{[]Overlay{{File: "o.yaml", Text: []byte("inputs: there\n")}}, []string{"inputs=42"}, "42"},
		{[]Overlay{{File: "o.yaml", Text: []byte("inputs: null\n")}}, nil, "{inputs}"},
	} {
		r, err := Parse("r.yaml", []byte(text), test.with, test.sets, testKinds)
		if err != nil {
			t.Fatal(err)
		}
		s := r.Steps[0]
		v := s.Uses[0].Values
		got := strings.Join(append(append(s.Read, v.Text("word")), v.Paths("beside")...), " ")
		if want := strings.ReplaceAll("@/x y @ @/z/@", "@", test.want); got != want || r.Run != "{inputs}/run" {
			t.Errorf("%s, in %s; want %s", got, r.Run, want)
		}
	}
}

// FuzzOverlay: whatever an overlay says, the recipe with it is refused or written and read again.
func FuzzOverlay(f *testing.F) {
	for _, s := range []string{"run: a\n", "steps: {a: {cut: {word: v}}}\n", "steps.a.cut: {deep.er: 5}\n", "steps: {b.c: {count: {label: l}}}\n", "steps: {a: {cut: {list: {1: {length: 9}}}}}\n", ".: x\n", "steps: {}\n", "steps: {0: {}}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseWith(nil, text)
		var usage *pipeline.UsageError
		if err != nil && !errors.As(err, &usage) {
			t.Fatalf("not an error of usage: %v", err)
		}
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := r.WriteConfig(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := parseTest(b.String()); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
	})
}
