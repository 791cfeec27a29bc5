package text

import (
	"fmt"
	"strings"
	"testing"
)

// TestGolden holds what three functions of datatrove 0.10 (find_all_duplicate with n = 5, find_top_duplicate
// with n = 2, find_duplicates of the lines) answered on words of str.split().
func TestGolden(t *testing.T) {
	const prose = "The committee met on Tuesday to discuss the new budget. Members of the council said that they have to be careful with spending. In the end, the proposal was accepted and everyone went home with a sense of relief. It will be reviewed again next year, and the public is invited to comment."
	var items []string
	for i := range 60 {
		items = append(items, fmt.Sprintf("- item %d", i))
	}
	var r Repeats
	for _, c := range []struct {
		name, text                   string
		repeated, top, lines, points int
	}{
		{"A", prose, 0, 13, 0, 0},
		{"B", prose + "\n" + prose + "\n" + prose, 462, 39, 2, 574},
		{"C", strings.Join(items, "\n"), 0, 360, 0, 0},
		{"D", "hello world", 0, 11, 0, 0},
		{"E", strings.Repeat("# the # be # to # of and that have with ", 10), 240, 50, 0, 0},
		{"F", "\nfoo bar\n\nfoo bar\n\n\nbaz qux\n", 0, 14, 2, 7},
		{"G", "今天天气很好。我们去公园散步。", 0, 0, 0, 0},
		{"H", "This line has a brace { but no end\nThis one ends properly with words.\nlorem ipsum", 0, 9, 0, 0},
	} {
		text := []byte(c.text)
		r.Words(text, Words(nil, text), CodePoints(text))
		if got := r.Repeated(5, Nothing); got != c.repeated {
			t.Errorf("%s: Repeated(5) = %d, want %d", c.name, got, c.repeated)
		}
		if points, count := r.MostFrequent(2, Space); points*count != c.top {
			t.Errorf("%s: MostFrequent(2) = %d points, %d times; want %d in all", c.name, points, count, c.top)
		}
		if n, points := r.Duplicates(text, SplitNewlines(nil, text)); n != c.lines || points != c.points {
			t.Errorf("%s: Duplicates = %d, %d; want %d, %d", c.name, n, points, c.lines, c.points)
		}
	}
}
