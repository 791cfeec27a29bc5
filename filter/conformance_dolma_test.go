package filter

import (
	"encoding/json"
	"math"
	"sort"
	"strings"
	"testing"
)

// dolmaSpans are [start, end, score] by span type.
type dolmaSpans map[string][][3]float64

func spansOf(t *testing.T, id string, raw json.RawMessage) dolmaSpans {
	t.Helper()
	var s dolmaSpans
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return s
}

// TestConformanceDolma compares every score of dolma's Gopher and C4 taggers, and what the mixer would do with them:
// documents dropped and text left.
func TestConformanceDolma(t *testing.T) {
	docs, rows := conformanceDocs(t), peerRows(t, "dolma.jsonl.zst")
	all, agreed, empty := 0, 0, 0
	for _, version := range []string{"v1", "v2"} {
		profile := "dolma/gopher-" + version
		f := mustNew(t, Config{Profile: profile})
		v := f.NewView()
		same, ran, decided, dropped := map[string]int{}, map[string]int{}, 0, 0
		for _, d := range docs {
			if d.Text == "" {
				empty++
				continue
			}
			spans := spansOf(t, d.ID, rows[d.ID]["gopher_"+version])
			signals, _, reason := f.Verdict(nil, v, []byte(d.Text), true)
			wantReason := ""
			for i := range f.tests {
				c := &f.tests[i]
				name := c.test.Reason
				scores, there := spans[name]
				got, ok := signalOf(signals, c.test.Signal)
				ran[name]++
				if ok == there && (!ok || math.Abs(got-scores[0][2]) <= 1e-6) {
					same[name]++
				} else {
					t.Errorf("%s: gopher_%s %s is %v (%v), dolma %v", d.ID, version, name, got, ok, scores)
				}
				if there && !c.off && c.fails(scores[0][2]) && wantReason == "" {
					wantReason = name
				}
			}
			if reason == wantReason {
				decided++
			} else {
				t.Errorf("%s: %s: %q, dolma %q", d.ID, profile, reason, wantReason)
			}
			if reason != "" {
				dropped++
			}
			for name := range spans {
				if ran[name] == 0 {
					t.Errorf("%s: gopher_%s %s is no signal", d.ID, version, name)
				}
			}
		}
		var names []string
		for name := range ran {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			t.Logf("gopher_%s %-46s %5d of %5d agree", version, name, same[name], ran[name])
			all += ran[name]
			agreed += same[name]
		}
		t.Logf("%s: %d decisions and reasons agree, %d documents dropped", profile, decided, dropped)
	}
	naughty := 0
	for _, version := range []string{"v1", "v2"} {
		f := only(t, "dolma_c4_"+version)
		v := f.NewView()
		ran, same, texts := 0, 0, 0
		for _, d := range docs {
			if d.Text == "" {
				continue
			}
			spans := spansOf(t, d.ID, rows[d.ID]["c4_"+version])
			signals, _, reason := f.Verdict(nil, v, []byte(d.Text), true)
			want := map[string]float64{
				"dolma_has_curly_brace":                  float64(len(spans["has_curly_brace"])),
				"dolma_has_lorem_ipsum":                  float64(len(spans["has_lorem_ipsum"])),
				"dolma_" + version + "_has_javascript":   float64(len(spans["has_javascript"])),
				"dolma_line_count":                       spans["line_count"][0][2],
				"dolma_lines_with_no_ending_punctuation": float64(len(spans["lines_with_no_ending_punctuation"])),
				"dolma_lines_with_too_few_words":         float64(len(spans["lines_with_too_few_words"])),
			}
			naughty += len(spans["has_naughty_word"]) // its list does not come with the program
			for name, w := range want {
				got, ok := signalOf(signals, name)
				ran++
				if ok && got == w {
					same++
				} else {
					t.Errorf("%s: c4_%s %s is %v (%v), dolma %v", d.ID, version, name, got, ok, w)
				}
			}
			if reason == "" {
				if got, w := string(v.Text()), mixed(d.Text, version, spans); got == w {
					texts++
				} else {
					t.Errorf("%s: c4_%s leaves %q, dolma %q", d.ID, version, got, w)
				}
			}
		}
		t.Logf("c4_%s: %d of %d scores agree, and %d of the texts left", version, same, ran, texts)
		all += ran
		agreed += same
	}
	t.Logf("%d documents, %d scores compared, %d agree; %d about empty text; %d naughty words not looked for", len(docs), all, agreed, empty, naughty/2)
	if all == 0 {
		t.Error("nothing was compared")
	}
}

// mixed is the text without the spans of lines. The offsets of c4_v2 are those of the text in lower case, where İ is
// two characters; they are taken back here.
func mixed(doc, version string, spans dolmaSpans) string {
	points := []rune(doc)
	if version == "v2" {
		points = []rune(strings.ReplaceAll(doc, "İ", "İ\x00"))
	}
	gone := make([]bool, len(points))
	for _, name := range []string{"lines_with_no_ending_punctuation", "lines_with_too_few_words"} {
		for _, s := range spans[name] {
			for i := int(s[0]); i < int(s[1]); i++ {
				gone[i] = true
			}
		}
	}
	var left strings.Builder
	for i, r := range points {
		if !gone[i] {
			left.WriteRune(r)
		}
	}
	if version == "v2" {
		return strings.ReplaceAll(left.String(), "İ\x00", "İ")
	}
	return left.String()
}
