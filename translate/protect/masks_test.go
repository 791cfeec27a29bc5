package protect

import (
	"slices"
	"strings"
	"testing"
)

// marked writes a text with ⟪ and ⟫ around its spans.
func marked(text string, o Options) (string, []string) {
	var b strings.Builder
	var kinds []string
	end := 0
	for _, p := range spans(nil, text, o) {
		b.WriteString(text[end:p.start] + "⟪" + text[p.start:p.end] + "⟫")
		kinds = append(kinds, table[p.kind].Name)
		end = p.end
	}
	return b.String() + text[end:], kinds
}

var unmark = strings.NewReplacer("⟪", "", "⟫", "")

func TestTable(t *testing.T) {
	if !slices.IsSortedFunc(table, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table is not sorted by name")
	}
	for _, k := range table {
		if k.Summary == "" || k.Source == "" {
			t.Errorf("%s: no summary or source", k.Name)
		}
		seen := k.word == nil && k.symbol == nil || k.Name == "number"
		for _, e := range k.Examples {
			got, kinds := marked(unmark.Replace(e), Options{})
			if got != e {
				t.Errorf("%s: %v\n got %s\nwant %s", k.Name, kinds, got, e)
			}
			seen = seen || slices.Contains(kinds, k.Name)
		}
		if !seen {
			t.Errorf("%s: no example is of this kind", k.Name)
		}
	}
}
