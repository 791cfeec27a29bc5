package filter

import (
	"encoding/json"
	"testing"
)

// TestConformanceFineWeb1 compares decisions, reasons and resulting texts with those of datatrove 0.2.0 and NLTK 3.8.1:
// each filter alone, and the four of FineWeb one after another.
func TestConformanceFineWeb1(t *testing.T) {
	docs, rows := conformanceDocs(t), peerRows(t, "nltk.jsonl.zst")
	nltk := func(rule string, set ...Setting) *Filter {
		f, err := build(Profile{Name: "only", Version: 1, Words: "nltk-en", Rules: []RuleUse{{rule, set}}}, Config{})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	sentences := Setting{Param: "sentences", Value: "nltk-en"}
	all, agreed := 0, 0
	for _, c := range []struct {
		key string
		f   *Filter
	}{
		{"gopher_rep", nltk("fineweb1_gopher_repetition")},
		{"gopher_qual", nltk("fineweb1_gopher_quality")},
		{"c4", nltk("c4_quality", sentences, Setting{Param: "filter_no_terminal_punct", Value: 0})},
		{"c4_default", nltk("c4_quality", sentences)},
		{"c4_sentences", nltk("c4_quality", sentences, Setting{Param: "split_paragraph", Value: 0})},
		{"fineweb", nltk("fineweb1_quality")},
		{"all", mustNew(t, Config{Profile: "fineweb@1"})},
	} {
		v := c.f.NewView()
		ran, same, kept, raised, empty := 0, 0, 0, 0, 0
		for _, d := range docs {
			row, ok := rows[d.ID]
			if !ok {
				continue
			}
			if d.Text == "" {
				empty++
				continue
			}
			var filters map[string]json.RawMessage
			if err := json.Unmarshal(row["filters"], &filters); err != nil {
				t.Fatal(err)
			}
			reason, _, sum := lineAnswer(t, d, filters[c.key])
			if len(reason) > 5 && reason[:5] == "ERROR" { // it divided by zero
				raised++
				continue
			}
			ran++
			_, got := c.f.Check(v, []byte(d.Text))
			if got == reason && (sum == "" || digest16(v.Text()) == sum) {
				same++
			} else {
				t.Errorf("%s: %s is %q, datatrove 0.2.0 %q", d.ID, c.key, got, reason)
			}
			if got == "" {
				kept++
			}
		}
		t.Logf("%-12s %5d of %5d agree, %d kept; %d where the reference raised, %d about empty text", c.key, same, ran, kept, raised, empty)
		all += ran
		agreed += same
	}
	t.Logf("%d answers compared, %d agree", all, agreed)
	if all == 0 {
		t.Error("nothing was compared")
	}
}
