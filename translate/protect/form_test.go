package protect

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func form(t testing.TB, name string) Form {
	t.Helper()
	f, err := FormNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestForms(t *testing.T) {
	for _, f := range Forms() {
		if f.Hole(0) != f.Name {
			t.Errorf("hole 0 of %s is %s", f.Name, f.Hole(0))
		}
		// What looks like our holes is protected when it stands in a text.
		for _, n := range []int{0, 1, 23} {
			text := "They write " + f.Hole(n) + " here."
			if got, _ := marked(text, Options{}); got != "They write ⟪"+f.Hole(n)+"⟫ here." {
				t.Errorf("%s is not protected: %s", f.Hole(n), got)
			}
		}
	}
	if f, err := FormNamed("aligned"); err != nil || f != Aligned() || slices.Contains(Forms(), f) {
		t.Errorf("aligned is for those who ask for it: %v, %v", f, err)
	}
	if _, err := FormNamed("XQ1"); err == nil || !strings.Contains(err.Error(), "XQ0") {
		t.Errorf("no form XQ1: %v", err)
	}
}

// TestFakeServer: the fake server of the conformance cases copies only the forms that this expression finds; another would pass it
// unharmed in every mode, so that nothing is tested.
func TestFakeServer(t *testing.T) {
	ph := regexp.MustCompile(`\[\[\d+\]\]|\[?\[?[A-Z_]*[A-Z]_?\d+_*\]?\]?|⟦\d+⟧|〘\d+〙|<x[^>]*/>|\{\d+\}|@@\d+@@|§\d+§`)
	for _, f := range Forms() {
		for _, n := range []int{0, 7, 10, 123} {
			if got := ph.FindAllString("itzuli "+f.Hole(n)+" hau", -1); len(got) != 1 || got[0] != f.Hole(n) {
				t.Errorf("the server sees %q in %s", got, f.Hole(n))
			}
			// mangle_placeholders
			spaced := strings.Join(strings.Split(strings.ToLower(f.Hole(n)), ""), " ")
			got, fault := Parse("bat "+spaced+" bi", f, n+1)
			if f.Name == "X0" && n >= 10 {
				continue // "x 1 0" is 1 and a 0
			}
			if !fault.Repaired || !slices.Equal(got.Holes, []int{n}) || !slices.Equal(got.Text, []string{"bat ", " bi"}) {
				t.Errorf("%s: %q is read as %q %v, %v", f.Name, spaced, got.Text, got.Holes, fault)
			}
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		form, answer string
		n            int
		want         string // with holes as {0}
		fault        string
		repaired     bool
	}{
		{"[[P0]]", "Ireki [[P1]] eta [[P0]].", 2, "Ireki {1} eta {0}.", "", false},
		{"[[P0]]", "Ireki [[P0]]-ra", 1, "Ireki {0}-ra", "", false},
		{"[[P0]]", "Ireki [ [ p 0 ] ]", 1, "Ireki {0}", "", true},
		{"[[P0]]", "Ireki [[p0]] eta [[ P1 ]]", 2, "Ireki {0} eta {1}", "", true},
		{"[[P0]]", "Ireki [P0]", 1, "Ireki {0}", "", true},
		{"[[P0]]", `Ireki \[\[P0\]\].`, 1, "Ireki {0}.", "", true},
		{"[[P0]]", "打开［［Ｐ０］］。", 1, "打开{0}。", "", true},
		{"[[P0]]", "打开【【P0】】。", 1, "打开{0}。", "", true},
		{"[[P0]]", "افتح [[P٠]]", 1, "افتح {0}", "", true},
		{"[[P0]]", "[[[P0]] gida](x)", 1, "[{0} gida](x)", "", false},
		{"[[P0]]", "Ireki", 1, "Ireki", "placeholder 0 is lost", false},
		{"[[P0]]", "[[P0]] [[P0]] [[P3]]", 2, "{0} {0} [[P3]]", "placeholder 1 is lost; placeholder 0 is repeated; placeholder 3 is foreign", false},
		{"[[P0]]", "a", 3, "a", "placeholders 0, 1, 2 are lost", false},
		{"[[P0]]", "P0 eta [P] eta [[P00]]", 1, "P0 eta [P] eta [[P00]]", "placeholder 0 is lost", false},
		{"[[P0]]", "[[P12345678901234567890]]", 1, "[[P12345678901234567890]]", "placeholder 0 is lost", false},
		{"XQ0", "XQ0ren XQ1-era", 2, "{0}ren {1}-era", "", false},
		{"XQ0", "xq 0 eta Xq1.", 2, "{0} eta {1}.", "", true},
		{"XQ0", "AXQ0 MAXQ1 XQ0_a", 2, "AXQ0 MAXQ1 {0}_a", "placeholder 1 is lost", false},
		{"XQ0", "XQ1XQ0", 2, "{1}{0}", "", false},
		{"XQ0", "请打开XQ0吧", 1, "请打开{0}吧", "", false},
		{"XQ0", "XQ10", 2, "XQ10", "placeholders 0, 1 are lost; placeholder 10 is foreign", false},
		{"X0", "MAX10 eta EX0", 2, "MAX10 eta EX0", "placeholders 0, 1 are lost", false},
		{"X0", "X0 eta x1", 2, "{0} eta {1}", "", true},
		{"[CODE_0]", "[CODE 0], CODE_1, [code-2] eta [CODE\\_3]", 4, "{0}, {1}, {2} eta {3}", "", true},
		{"[CODE_0]", "[code 0 ] [ CODE_1]", 2, "{0} {1}", "", true},
		{"[CODE_0]", "BARCODE_0", 1, "BARCODE_0", "placeholder 0 is lost", false},
		{"PH_0", "PH_0ren PH 1 ph-2 GRAPH_3", 4, "{0}ren {1} {2} GRAPH_3", "placeholder 3 is lost", true},
		{"__PH_0__", "_PH_0__ eta __PH_1_ eta PH_2", 3, "{0} eta {1} eta {2}", "", true},
		{"⟦0⟧", "⟦ 0 ⟧-ra ⟦1⟧", 2, "{0}-ra {1}", "", true},
		{"⟦0⟧", "0 [0] (0)", 1, "0 [0] (0)", "placeholder 0 is lost", false},
		{`<x id="0"/>`, `<x id="0"> eta <X ID='1' /> eta <x id=“2”/>`, 3, "{0} eta {1} eta {2}", "", true},
		{"{0}", "{ 0 } eta {1}", 2, "{0} eta {1}", "", true},
		{"@@0@@", "@@ 0 @@ eta a@0", 1, "{0} eta a@0", "", true},
		{"[[0]]", "[[ 0 ]] eta [1]", 1, "{0} eta [1]", "", true},
	} {
		got, fault := Parse(c.answer, form(t, c.form), c.n)
		s := got.join(func(b []byte, hole int) []byte { return fmt.Appendf(b, "{%d}", hole) })
		if s != c.want || fault.String() != c.fault || fault.Repaired != c.repaired || fault.OK() != (c.fault == "") {
			t.Errorf("%s %q:\n got %s, %q, %v\nwant %s, %q, %v", c.form, c.answer, s, fault, fault.Repaired, c.want, c.fault, c.repaired)
		}
	}
}

func TestClashes(t *testing.T) {
	for _, c := range []struct {
		form string
		t    Template
		want bool
	}{
		{"[[P0]]", Template{Text: []string{"Open [[P1]]"}}, true},
		{"[[P0]]", Template{Text: []string{"Open [ p 1 ]"}}, true},
		{"[[P0]]", Template{Text: []string{"Open [P] ", " P0."}, Holes: []int{0}}, false},
		{"[[P0]]", Template{Text: []string{"[", " docs"}, Holes: []int{0}}, false},
		{"XQ0", Template{Text: []string{"foo", ""}, Holes: []int{0}}, true},
		{"XQ0", Template{Text: []string{"", "5"}, Holes: []int{0}}, true},
		{"XQ0", Template{Text: []string{"", "s are"}, Holes: []int{0}}, false},
		{"X0", Template{Text: []string{"MAX10 ", ""}, Holes: []int{0}}, false},
		{"X0", Template{Text: []string{"3 x 4 ", ""}, Holes: []int{0}}, true},
		{"{0}", Template{Text: []string{"{", "}"}, Holes: []int{0}}, false},
	} {
		if got := form(t, c.form).Clashes(c.t); got != c.want {
			t.Errorf("%s in %s: %v", c.form, c.t.Render(form(t, c.form)), got)
		}
	}
}

// TestRenderParse: where nothing clashes, what is rendered is read as itself, in any order of the holes.
func TestRenderParse(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	clean := map[string]int{}
	for range 4000 {
		m := Mask(randomText(r, 30), Options{})
		tm := m.Template
		if r.IntN(2) == 0 { // one that no Mask makes
			tm = Template{Text: []string{randomText(r, 4)}}
			for h := range r.IntN(13) {
				tm.Holes = append(tm.Holes, h)
				tm.Text = append(tm.Text, randomText(r, 4))
			}
		}
		for _, f := range append(Forms(), Aligned()) {
			if f.Clashes(tm) {
				continue
			}
			clean[f.Name]++
			if got := f.Read(tm.Render(f)); !slices.Equal(got.Text, tm.Text) || !slices.Equal(got.Holes, tm.Holes) {
				t.Fatalf("seed %d: %s: %q is taken for %q %v", seed, f.Name, tm.Render(f), got.Text, got.Holes)
			}
			got, fault := Parse(tm.Render(f), f, len(tm.Holes))
			if !fault.OK() || fault.Repaired || !slices.Equal(got.Text, tm.Text) || !slices.Equal(got.Holes, tm.Holes) {
				t.Fatalf("seed %d: %s: %q is read as %q %v, %v", seed, f.Name, tm.Render(f), got.Text, got.Holes, fault)
			}
			mixed := Template{Text: tm.Text, Holes: slices.Clone(tm.Holes)}
			r.Shuffle(len(mixed.Holes), func(a, b int) { mixed.Holes[a], mixed.Holes[b] = mixed.Holes[b], mixed.Holes[a] })
			got, fault = Parse(mixed.Render(f), f, len(tm.Holes))
			if !fault.OK() || !slices.Equal(got.Text, tm.Text) || !slices.Equal(got.Holes, mixed.Holes) {
				t.Fatalf("seed %d: %s, mixed: %q is read as %q %v, %v", seed, f.Name, mixed.Render(f), got.Text, got.Holes, fault)
			}
		}
	}
	for _, f := range append(Forms(), Aligned()) {
		if clean[f.Name] < 1000 {
			t.Errorf("%s: only %d templates of 4000 do not clash", f.Name, clean[f.Name])
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"[[P0]] a [ [ p 1 ] ]", "XQ0ren xq 1", "x 1 0", "[CODE\\_3]", "⟦0⟧", `<x id="0"/>`, "【P0】", "__PH_0__", "\uE0000\uE001 \uE000 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		for _, form := range append(Forms(), Aligned()) {
			if got := form.Read(answer); got.Render(form) != answer {
				t.Fatalf("%s: %q was read, and is %q again", form.Name, answer, got.Render(form))
			}
			for n := range 3 {
				got, fault := Parse(answer, form, n)
				if len(got.Text) != len(got.Holes)+1 {
					t.Fatalf("%s %q: %d texts, %d holes", form.Name, answer, len(got.Text), len(got.Holes))
				}
				if !fault.Repaired && got.Render(form) != answer {
					t.Fatalf("%s: %q is %q again", form.Name, answer, got.Render(form))
				}
				if fault.OK() && len(got.Holes) != n {
					t.Fatalf("%s %q: %v is said to be whole", form.Name, answer, got.Holes)
				}
			}
		}
	})
}

// TestParseLinear is TestLinear for answers.
func TestParseLinear(t *testing.T) {
	for _, s := range []string{"[", "[ ", "[[P", "[[P0", "[[P0]]", "XQ", "xq ", "x ", "X1", "_", "_ ", "__PH_", "<x id=", "< x ", "\\", "\\[", "@", "{", "{ 1 ", "⟦", "1"} {
		for _, f := range Forms() {
			begin := time.Now()
			Parse(strings.Repeat(s, (1<<16)/len(s)), f, 5)
			if d := time.Since(begin); d > 2*time.Second {
				t.Errorf("%s: %q takes %v", f.Name, s, d)
			}
		}
	}
}
