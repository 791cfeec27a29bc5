package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"curate/report"
)

// TestShardsGolden compares all that is said of testdata/shards: a mixture of four sources in two lengths, and a step
// with preference pairs whose other set was taken away.
func TestShardsGolden(t *testing.T) {
	html, numbers, _ := render(t, read(t, "testdata/shards"))
	for name, got := range map[string]string{"shards.html": html, "shards.json": numbers} {
		name = filepath.Join("testdata", name)
		if *update {
			write(t, name, got)
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs: run the test with -update and read the diff\n%s", name, difference(string(want), got))
		}
	}
}

// TestShardsAddUp compares the numbers with one another, counted another way.
func TestShardsAddUp(t *testing.T) {
	r := read(t, "testdata/shards")
	sh := r.Steps[0].Shards
	if sh == nil || len(sh.Sets) != 2 || len(sh.Sources) != 4 {
		t.Fatalf("%+v", sh)
	}
	var tokens, documents, steps, lengths, longer int64
	for i, set := range sh.Sets {
		inSources := int64(0)
		for _, s := range sh.Sources {
			inSources += s.BySet[i]
		}
		if inSources != set.Tokens {
			t.Errorf("%s has %d tokens, its sources %d", set.Dir, set.Tokens, inSources)
		}
		if set.FirstStep != steps {
			t.Errorf("%s begins with step %d, after %d", set.Dir, set.FirstStep, steps)
		}
		tokens, documents, steps = tokens+set.Tokens, documents+set.Documents, steps+set.Steps
		if p := set.Packing; p == nil || p.Pieces-p.Cuts != set.Documents || p.Method != "best-fit" {
			t.Errorf("%s: %+v", set.Dir, p)
		} else if fill := float64(set.Tokens) / float64(set.Sequences*set.Length); math.Abs(p.Fill-fill) > 1e-6 {
			t.Errorf("%s: fill %v, want %v", set.Dir, p.Fill, fill)
		}
	}
	if tokens != sh.Tokens || documents != sh.Documents || steps != sh.Steps || sh.Dtype != "uint16" {
		t.Errorf("%+v", sh)
	}
	shares, farthest := 0.0, 0.0
	for _, s := range sh.Sources {
		shares += s.Share
		if want := float64(s.Tokens) / float64(tokens); math.Abs(s.Share-want) > 1e-6 {
			t.Errorf("%s has share %v, want %v", s.Name, s.Share, want)
		}
		if math.Abs(s.Difference-(s.Share-s.ShareWanted)) > 1e-9 {
			t.Errorf("%s: difference %v of %v and %v", s.Name, s.Difference, s.Share, s.ShareWanted)
		}
		farthest = max(farthest, math.Abs(s.Difference))
	}
	if math.Abs(shares-1) > 1e-5 || farthest != sh.Farthest || farthest == 0 {
		t.Errorf("shares add up to %v; farthest %v, %v", shares, farthest, sh.Farthest)
	}
	for _, b := range sh.Lengths {
		lengths += b.Documents
		if b.From >= 8192 {
			longer += b.Documents
		}
	}
	if lengths != r.Steps[0].Funnel.Read || longer < sh.Sets[1].Longer {
		t.Errorf("%d documents have a length, %d from 8192 on; %d were read, %d are longer", lengths, longer, r.Steps[0].Funnel.Read, sh.Sets[1].Longer)
	}
	if pairs := r.Steps[1].Shards.Pairs; pairs == nil || pairs.Pairs != 320 || r.Steps[1].Shards.Sets[0].Packing != nil {
		t.Errorf("%+v", r.Steps[1].Shards)
	}
}

// The lengths of the schedule are drawn where they are: at 2,048 between the bins left and right of it, and none is shaded.
func TestShardsLines(t *testing.T) {
	html, _, _ := render(t, read(t, "testdata/shards"))
	section := html[strings.Index(html, `<section id="shards">`):]
	section = section[:strings.Index(section, "</section>")]
	figures := strings.Split(section, "<figure>")[1:]
	if len(figures) != 4 { // documents and tokens, of two steps
		t.Fatalf("%d figures", len(figures))
	}
	for i, f := range figures {
		want := []string{"2,048", "8,192"}
		if i >= 2 {
			want = []string{"131,072 →"} // beyond all documents of that step
		}
		var labels []string
		last := 0.0
		for _, m := range regexp.MustCompile(`<span style="left:([0-9.]+)%">([^<]*)</span>`).FindAllStringSubmatch(f, -1) {
			at, err := strconv.ParseFloat(m[1], 64)
			if err != nil || at <= last || at > 97 {
				t.Errorf("figure %d: label %q at %s", i, m[2], m[1])
			}
			labels, last = append(labels, m[2]), at
		}
		if !slices.Equal(labels, want) {
			t.Errorf("figure %d: labels %q, want %q", i, labels, want)
		}
		if n := strings.Count(f, "<line "); n != len(want) {
			t.Errorf("figure %d: %d lines", i, n)
		}
		if strings.Contains(f, `class="out"`) {
			t.Errorf("figure %d: a side is shaded, and nothing is dropped", i)
		}
	}
	if strings.Contains(section, "<b>docs") || !strings.Contains(section, "&lt;b&gt;docs") {
		t.Error("the name of a source is markup")
	}
}

// scheduled is the directory of a command with a schedule, as a store.
func scheduled(schedule, manifest string) memory {
	return memory{files: map[string]string{
		"out/_curate/done": "", "out/_curate/ledger.json": ledger(1, "r:short", ""), "out/_curate/config.json": "{}",
		"out/_curate/manifest.json": `{"files":[{"number":1,"path":"a"}]}`,
		"out/schedule.json":         schedule, "out/length-8/manifest.json": manifest,
	}}
}

const (
	smallSchedule = `{"format":"f","vocabulary_size":9,"stages":[{"dir":"length-8","length":8,"share_asked":1,"share":1,"documents":2,"tokens":9,"sequences":2}],
		"sources":[{"name":"s","documents":2,"tokens":9,"epochs":1,"share":1,"share_wanted":1,"tokens_by_stage":[9]}],
		"document_lengths":[{"from":4,"documents":2,"tokens":9}],"documents_longer":[1]}`
	smallManifest = `{"dtype":"uint16","documents":2,"sequences":2,"tokens":9,"packing":{"pieces":3,"cuts":1,"full_rows":1,"fill":0.5625}}`
)

func TestShardsErrors(t *testing.T) {
	if r, err := report.Read(t.Context(), scheduled(smallSchedule, smallManifest), "out"); err != nil || r.Steps[0].Shards.Sets[0].Longer != 1 {
		t.Fatal(r, err)
	}
	for _, c := range []struct{ name, was, is, want string }{
		{"no JSON", smallSchedule, "{", "out/schedule.json"},
		{"folder elsewhere", `"dir":"length-8"`, `"dir":"../../etc"`, `stage 0 is in "../../etc"`},
		{"folder of the root", `"dir":"length-8"`, `"dir":"/etc"`, `stage 0 is in "/etc"`},
		{"tokens of sources", `"tokens_by_stage":[9]`, `"tokens_by_stage":[8]`, "the sources have 8"},
		{"stages of sources", `"tokens_by_stage":[9]`, `"tokens_by_stage":[9,0]`, `source "s" has tokens_by_stage of 2`},
		{"negative tokens of a stage", `"tokens_by_stage":[9]`, `"tokens_by_stage":[-9]`, `source "s" has -9`},
		{"negative", `"vocabulary_size":9`, `"vocabulary_size":-9`, "-9"},
		{"negative documents", `"name":"s","documents":2`, `"name":"s","documents":-2`, `source "s" has a negative number, -2`},
		{"share", `"share_wanted":1`, `"share_wanted":1e308`, `source "s" has a share`},
		{"share of a stage", `"share_asked":1`, `"share_asked":-0.1`, "stage 0 has a share"},
		{"epochs", `"epochs":1`, `"epochs":1e300`, "1e+300 epochs"},
		{"longer", `"documents_longer":[1]`, `"documents_longer":[1,2]`, "documents_longer has 2 numbers"},
		{"negative longer", `"documents_longer":[1]`, `"documents_longer":[-1]`, "documents_longer has -1"},
		{"lengths", `"from":4,"documents":2`, `"from":4,"documents":-2`, "document_lengths"},
		{"large lengths", `[{"from":4,`, `[{"from":5,"documents":9223372036854775807},{"from":4,`, "document_lengths"},
		{"manifest of another schedule", `"sequences":2,"tokens":9,"packing"`, `"sequences":2,"tokens":10,"packing"`, "out/length-8/manifest.json: it has 2 documents in 2 sequences, 10 tokens"},
		{"fill", `0.5625`, `-1`, "fill of -1"},
		{"learnt", `"dtype"`, `"learnt_tokens":10,"dtype"`, "learnt_tokens 10 of 9"},
		{"full rows", `"full_rows":1`, `"full_rows":3`, "3 full rows of 2"},
		{"manifest", smallManifest, `[]`, "out/length-8/manifest.json"},
	} {
		schedule, manifest := strings.Replace(smallSchedule, c.was, c.is, 1), strings.Replace(smallManifest, c.was, c.is, 1)
		if schedule == smallSchedule && manifest == smallManifest {
			t.Fatalf("%s: nothing is changed", c.name)
		}
		_, err := report.Read(t.Context(), scheduled(schedule, manifest), "out")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v\nwant %q", c.name, err, c.want)
		}
	}
}

// However many sources and sets, the page is for people, and says what it leaves out.
func TestShardsBounds(t *testing.T) {
	const sources, sets = 3000, 200
	var b strings.Builder
	b.WriteString(`{"format":"f","stages":[`)
	for i := range sets {
		if i > 0 {
			b.WriteString(",")
		}
		tokens := 0
		if i == 0 {
			tokens = sources * (sources - 1) / 2
		}
		fmt.Fprintf(&b, `{"dir":"length-%d","length":%[1]d,"tokens":%d}`, i+1, tokens)
	}
	b.WriteString(`],"sources":[`)
	for i := range sources {
		if i > 0 {
			b.WriteString(",")
		}
		n := i * 7 % sources // each once
		fmt.Fprintf(&b, `{"name":"%s","tokens":%d,"tokens_by_stage":[%[2]d%s]}`, strings.Repeat("x", 500), n, strings.Repeat(",0", sets-1))
	}
	b.WriteString(`]}`)
	st := scheduled(b.String(), "")
	delete(st.files, "out/length-8/manifest.json")
	r, err := report.Read(t.Context(), st, "out")
	if err != nil {
		t.Fatal(err)
	}
	sh := r.Steps[0].Shards
	if len(sh.Sources)+sh.SourcesLeft != sources || len(sh.Sets)+sh.SetsLeft != sets {
		t.Errorf("%d and %d sources, %d and %d sets", len(sh.Sources), sh.SourcesLeft, len(sh.Sets), sh.SetsLeft)
	}
	for _, s := range sh.Sources {
		if s.Tokens < int64(sources-len(sh.Sources)) {
			t.Errorf("a source of %d tokens is among the %d largest", s.Tokens, len(sh.Sources))
		}
	}
	html, _, _ := render(t, r)
	if len(html) > 256<<10 || !strings.Contains(html, fmt.Sprintf("%d smaller sources", sh.SourcesLeft)) || !strings.Contains(html, fmt.Sprintf("%d further sets", sh.SetsLeft)) {
		t.Errorf("a page of %d bytes", len(html))
	}
}

// FuzzShards gives it schedules and manifests as nobody wrote them: an error that names the file, or a page without
// markup of theirs.
func FuzzShards(f *testing.F) {
	for _, step := range []string{"pretrain", "align"} {
		schedule, err := os.ReadFile("testdata/shards/" + step + "/schedule.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(schedule), smallManifest)
	}
	f.Add(smallSchedule, smallManifest)
	f.Add(strings.ReplaceAll(smallSchedule, `"s"`, `"<script>"`), smallManifest[:40])
	f.Add(`{"stages":null,"preference":"<script>","document_lengths":[{"from":9223372036854775807,"documents":1}]}`, `{"masked":true,"learnt_tokens":1}`)
	f.Fuzz(func(t *testing.T, schedule, manifest string) {
		r, err := report.Read(t.Context(), scheduled(schedule, manifest), "out")
		if err != nil {
			if !strings.Contains(err.Error(), "out/") && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		var html, other bytes.Buffer
		if err := errors.Join(r.WriteHTML(&html), r.WriteJSON(&other), r.WriteFunnel(&other)); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"<script", "<img"} {
			if strings.Contains(strings.ToLower(html.String()), bad) {
				t.Errorf("%s on the page", bad)
			}
		}
	})
}
