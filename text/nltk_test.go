package text

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestNLTKTemp(t *testing.T) {
	docs := map[string]string{}
	eachLine(t, "/work/shared/conformance/filter-dedup/docs.jsonl.zst", func(l []byte) {
		var d struct{ ID, Text string }
		if err := json.Unmarshal(l, &d); err != nil {
			t.Fatal(err)
		}
		docs[d.ID] = d.Text
	})
	raw, err := os.ReadFile("/tmp/peers10_nltk.jsonl")
	if err != nil {
		t.Skip(err)
	}
	var k NLTK
	sOK, wOK, n, words, bad, sbad := 0, 0, 0, 0, 0, 0
	for _, l := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		var r struct {
			ID    string
			Sents [][2]int
			Words []string
		}
		if err := json.Unmarshal([]byte(l), &r); err != nil {
			t.Fatal(err)
		}
		text := docs[r.ID]
		n++
		at := []int{} // byte of code point
		for i := range text {
			at = append(at, i)
		}
		at = append(at, len(text))
		sents := k.Sentences(nil, []byte(text))
		same := len(sents) == len(r.Sents)
		for i := range sents {
			if i >= len(r.Sents) || int(sents[i].Lo) != at[r.Sents[i][0]] || int(sents[i].Hi) != at[r.Sents[i][1]] {
				same = false
				if sbad++; sbad < 15 {
					w := ""
					if i < len(r.Sents) {
						w = text[at[r.Sents[i][0]]:at[r.Sents[i][1]]]
					}
					t.Errorf("%s: sentence %.300q, want %.300q", r.ID, sents[i].Of([]byte(text)), w)
				}
				break
			}
		}
		if same {
			sOK++
		}
		spans := k.Words(nil, []byte(text))
		same = len(spans) == len(r.Words)
		words += len(r.Words)
		for i := range spans {
			got := string(spans[i].Of([]byte(text)))
			w := ""
			if i < len(r.Words) {
				w = r.Words[i]
			}
			if got == "\"" && (w == "``" || w == "''") || got == "''" && w == "``" {
				w = got
			}
			if got != w {
				same = false
				if bad++; bad < 15 {
					lo, hi := max(0, i-4), min(len(r.Words), i+4)
					t.Errorf("%s: word %d %q, want %q; %q", r.ID, i, got, w, r.Words[lo:hi])
				}
				break
			}
		}
		if same {
			wOK++
		}
	}
	t.Logf("%d documents: sentences of %d, words of %d (%d words)", n, sOK, wOK, words)
}
