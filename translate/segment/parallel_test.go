package segment

import (
	"bytes"
	"os"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"
)

// TestParallel looks at texts that people have translated: the structure is the same but where they translated strings within
// code or began a line with an ordinal ("1. "), and nearly all sentences are.
func TestParallel(t *testing.T) {
	z, err := os.ReadFile("testdata/instruct.en-eu.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := d.DecodeAll(z, nil)
	if err != nil {
		t.Fatal(err)
	}
	texts, others, units, sentences := 0, 0, 0, 0
	for line := range bytes.Lines(b) {
		var r struct {
			ID string   `json:"id"`
			EN []string `json:"en"`
			EU []string `json:"eu"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		for i, en := range r.EN {
			eu := r.EU[i]
			texts++
			checkText(t, en)
			checkText(t, eu)
			if d := SameStructure(en, eu); d != "" {
				others++
				t.Logf("%s: %s", r.ID, d)
				continue
			}
			a, b := Units(nil, en), Units(nil, eu)
			if len(a) != len(b) {
				others++ // a line of nothing but signs of keys
				t.Logf("%s: %d units, %d in Basque", r.ID, len(a), len(b))
				continue
			}
			for k := range a {
				units++
				if len(Sentences(nil, a[k].Text(en))) == len(Sentences(nil, b[k].Text(eu))) {
					sentences++
				}
			}
		}
	}
	t.Logf("%d texts, %d of other structure; %d units, %d with as many sentences", texts, others, units, sentences)
	if texts < 1000 || others*200 > texts {
		t.Errorf("%d of %d texts have another structure than their translation", others, texts)
	}
	if sentences*100 < units*95 {
		t.Errorf("only %d of %d units have as many sentences as their translation", sentences, units)
	}
}
