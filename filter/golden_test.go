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
// Its C4 filters were run on sentences that are matches of [^.!?]+[.!?]*; on these texts spaCy's count decides the same.
func TestGolden(t *testing.T) {
	filters := []*Filter{only(t, "gopher_repetition"), only(t, "gopher_quality"), only(t, "fineweb_quality"), only(t, "c4_quality"),
		only(t, "c4_quality", Setting{Param: "filter_no_terminal_punct"})}
	for _, c := range []struct {
		name, text string
		reasons    [5]string // gopher_repetition, gopher_quality, fineweb_quality, c4_quality, c4_quality without terminal punctuation
	}{
		{"A", prose, [5]string{"", "", "", "too_few_sentences", "too_few_sentences"}},
		{"B", prose + "\n" + prose + "\n" + prose, [5]string{"dup_line_frac", "", "char_dup_ratio", "", ""}},
		{"C", itemLines(), [5]string{"top_2_gram", "gopher_below_avg_threshold", "line_punct_ratio", "too_few_sentences", ""}},
		{"D", "hello world", [5]string{"top_2_gram", "gopher_short_doc", "line_punct_ratio", "too_few_sentences", "too_few_sentences"}},
		{"E", strings.Repeat("# the # be # to # of and that have with ", 10), [5]string{"top_4_gram", "gopher_too_many_hashes", "line_punct_ratio", "too_few_sentences", "too_few_sentences"}},
		{"F", "\nfoo bar\n\nfoo bar\n\n\nbaz qux\n", [5]string{"dup_para_frac", "gopher_short_doc", "line_punct_ratio", "too_few_sentences", "too_few_sentences"}},
		{"G", "今天天气很好。我们去公园散步。", [5]string{"", "gopher_short_doc", "short_line_ratio", "too_few_sentences", "too_few_sentences"}},
		{"H", "This line has a brace { but no end\nThis one ends properly with words.\nlorem ipsum", [5]string{"top_4_gram", "gopher_short_doc", "", "too_few_sentences", "curly_bracket"}},
	} {
		text := strings.TrimSuffix(c.text, " ")
		for i, f := range filters {
			if _, got := f.Check(f.NewView(), []byte(text)); got != c.reasons[i] {
				t.Errorf("%s: %s says %q, datatrove %q", c.name, f.profile.Rules[0].Rule, got, c.reasons[i])
			}
		}
	}
}
