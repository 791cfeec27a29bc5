package segment

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// dump shows the lines of a text: kind, and what is skeleton between ‹ and › of the units.
func dump(text string) string {
	var b strings.Builder
	units := Units(nil, text)
	n, k := 0, 0
	for _, l := range lex(text) {
		mark := " "
		if l.first {
			mark = "*"
		}
		fmt.Fprintf(&b, "%s%-11s ", mark, l.kind)
		at := l.start
		for n < len(units) && units[n].Lines[k].Start >= l.start && units[n].Lines[k].End <= l.end {
			s := units[n].Lines[k]
			joined := ""
			if len(units[n].Lines) > 1 {
				joined = fmt.Sprintf("%d/%d ", k+1, len(units[n].Lines))
			}
			fmt.Fprintf(&b, "%s‹%s%s›", quote(text[at:s.Start]), joined, quote(text[s.Start:s.End]))
			at = s.End
			if k++; k == len(units[n].Lines) {
				n, k = n+1, 0
			}
		}
		fmt.Fprintf(&b, "%s\n", quote(text[at:l.next]))
	}
	return b.String()
}

func quote(s string) string {
	q := fmt.Sprintf("%q", s)
	return strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`), `\\`, `\`)
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got := dump(string(b))
		golden := strings.TrimSuffix(f, ".txt") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
			for i := range g {
				if i >= len(w) || g[i] != w[i] {
					t.Errorf("%s: line %d is\n%s\nand not as in the golden file (-update writes it anew)", f, i+1, g[i])
					break
				}
			}
		}
	}
}
