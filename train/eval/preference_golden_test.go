package eval_test

import (
	"math"
	"os"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/record"
	"curate/tokenize/chat"
	"curate/train/eval"
)

// TestPreferenceReference compares with log-probabilities that transformers gives the same answers (testdata/README.md).
func TestPreferenceReference(t *testing.T) {
	b, err := os.ReadFile("testdata/preference.json")
	if err != nil {
		t.Fatal(err)
	}
	var want [][2][2]float64 // of each pair, chosen and rejected: log p, tokens
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	s := tiny(t, 0, 2)
	e := chat.NewEncoder(s.Tokenizer, nil, chat.Options{AddSpecialTokens: true, EOS: "<|endoftext|>"})
	n := 0
	task, err := eval.NewPreference(s, eval.PreferenceConfig{Encode: func(r *record.Record) (*eval.PairTokens, error) {
		row, err := chat.ReadPair(r)
		if err != nil {
			return nil, err
		}
		p, err := e.Encode(row)
		if err != nil {
			return nil, err
		}
		if got := [2]int{p.Chosen - p.Prompt, len(p.IDs) - p.Chosen}; got != [2]int{int(want[n][0][1]), int(want[n][1][1])} {
			t.Errorf("pair %d: answers of %v tokens, not %v", n, got, want[n])
		}
		n++
		return &eval.PairTokens{IDs: p.IDs, Prompt: p.Prompt, Chosen: p.Chosen}, nil
	}})
	res := measure(t, "testdata/preference.jsonl", task, err)
	right, rightToken, differ, differToken := 0., 0., 0., 0.
	for _, w := range want {
		a, b := w[0][0], w[1][0]
		c, d := a/w[0][1], b/w[1][1]
		if a > b {
			right++
		}
		if c > d {
			rightToken++
		}
		differ, differToken = differ+a-b, differToken+c-d
	}
	rows := float64(len(want))
	for name, w := range map[string]float64{"acc": right / rows, "acc_tokens": rightToken / rows, "log_p_difference": differ / rows, "log_p_difference_a_token": differToken / rows} {
		found := false
		for _, m := range res.Metrics {
			if m.Name == name {
				found = true
				if math.Abs(*m.Value-w) > 1e-4 {
					t.Errorf("%s is %v; transformers' log-probabilities give %v", name, *m.Value, w)
				}
			}
		}
		if !found {
			t.Errorf("%s is missing", name)
		}
	}
	if n != len(want) || res.Rows != int64(n) {
		t.Errorf("%d pairs, %d rows, of %d", n, res.Rows, len(want))
	}
}
