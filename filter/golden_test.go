package filter

import (
	"fmt"
	"strings"
	"testing"
)

func itemLines() string {
	var l []string
	for i := range 60 {
		l = append(l, fmt.Sprintf("- item %d", i))
	}
	return strings.Join(l, "\n")
}

// TestGolden holds what datatrove 0.10's two filters answered, executed on words of str.split().
func TestGolden(t *testing.T) {
	repetition, quality := only(t, "gopher_repetition"), only(t, "gopher_quality")
	for _, c := range []struct{ name, text, repetition, quality string }{
		{"A", prose, "", ""},
		{"B", prose + "\n" + prose + "\n" + prose, "dup_line_frac", ""},
		{"C", itemLines(), "top_2_gram", "gopher_below_avg_threshold"},
		{"D", "hello world", "top_2_gram", "gopher_short_doc"},
		{"E", strings.Repeat("# the # be # to # of and that have with ", 10), "top_4_gram", "gopher_too_many_hashes"},
		{"F", "\nfoo bar\n\nfoo bar\n\n\nbaz qux\n", "dup_para_frac", "gopher_short_doc"},
		{"G", "今天天气很好。我们去公园散步。", "", "gopher_short_doc"},
		{"H", "This line has a brace { but no end\nThis one ends properly with words.\nlorem ipsum", "top_4_gram", "gopher_short_doc"},
	} {
		text := strings.TrimSuffix(c.text, " ")
		if _, got := repetition.Check(repetition.NewView(), []byte(text)); got != c.repetition {
			t.Errorf("%s: gopher_repetition says %q, datatrove %q", c.name, got, c.repetition)
		}
		if _, got := quality.Check(quality.NewView(), []byte(text)); got != c.quality {
			t.Errorf("%s: gopher_quality says %q, datatrove %q", c.name, got, c.quality)
		}
	}
}
