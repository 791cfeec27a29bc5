package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/report"
)

// TestDedupGolden compares all that is said of testdata/dedup: curate dedup --method minhash --format jsonl --split-size
// 16KiB --dropped made it, of 32 beginnings of the example's pages, and 42 copies of them with other words here and there.
func TestDedupGolden(t *testing.T) {
	html, numbers, _ := render(t, read(t, "testdata/dedup"))
	for name, got := range map[string]string{"dedup.html": html, "dedup.json": numbers} {
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

// texts are those of the lines of a file by id; of one without, by "".
func texts(t *testing.T, names ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("testdata/dedup", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			var r struct{ ID, Text string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			all[r.ID] = r.Text
		}
	}
	return all
}

// What is shown of the words stands in the texts, and numbers add up, counted another way.
func TestDedupAddsUp(t *testing.T) {
	s := read(t, "testdata/dedup").Steps[0]
	if len(s.Dedups) != 1 || s.Dedups[0].Note != "" {
		t.Fatalf("%+v", s.Dedups)
	}
	d := s.Dedups[0]
	dropped := texts(t, "_curate/dropped/part-00003-00000.jsonl", "_curate/dropped/part-00003-00001.jsonl")
	kept := texts(t, "part-00001-00000.jsonl", "part-00002-00000.jsonl", "part-00003-00000.jsonl", "part-00003-00001.jsonl")
	if d.DroppedDocuments != int64(len(dropped)) || s.Duplicates.Documents != d.DroppedDocuments || d.Documents != int64(len(dropped)+len(kept)) {
		t.Errorf("%d of %d dropped, there are %d and %d", d.DroppedDocuments, d.Documents, len(dropped), len(kept))
	}
	bins, flows, lost, clusters := int64(0), int64(0), int64(0), int64(0)
	for _, b := range d.Histogram {
		bins += b.Compared
	}
	for _, f := range d.Map {
		flows += f.Documents
	}
	for _, x := range d.Sources {
		lost += x.DroppedDocuments
	}
	for _, c := range d.Clusters.Sizes {
		clusters += c.Dropped
	}
	if bins+d.Pairs.Below != d.Pairs.Compared || flows != d.DroppedDocuments || lost != flows || clusters != flows {
		t.Errorf("%d pairs in bins, %+v; %d in the map, %d of sources, %d of clusters", bins, d.Pairs, flows, lost, clusters)
	}
	if len(d.Differences) != len(dropped) {
		t.Errorf("%d samples of %d", len(d.Differences), len(dropped))
	}
	shown := 0
	for _, w := range d.Differences {
		if w.Note != "" {
			t.Errorf("%s: %s", w.DroppedID, w.Note)
		}
		if _, there := dropped[w.DroppedID]; !there {
			t.Errorf("%s was not dropped", w.DroppedID)
		}
		if _, there := kept[w.KeptID]; !there {
			t.Errorf("%s was not kept", w.KeptID)
		}
		if equal := dropped[w.DroppedID] == kept[w.KeptID]; equal != w.Equal || equal != (w.OnlyDropped+w.OnlyKept == 0 && *w.Similarity == 1) {
			t.Errorf("%s: equal %v, %d and %d differ, similarity %v", w.DroppedID, equal, w.OnlyDropped, w.OnlyKept, *w.Similarity)
		}
		for _, x := range w.Stretches {
			in := map[string][]string{"same": {dropped[w.DroppedID], kept[w.KeptID]}, "dropped": {dropped[w.DroppedID]}, "kept": {kept[w.KeptID]}}[x.Kind]
			for _, text := range in {
				if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(x.Text), " ")) {
					t.Errorf("%s: %q is not in %q", w.DroppedID, x.Text, text)
				}
				shown++
			}
		}
	}
	if shown < 50 {
		t.Errorf("only %d stretches", shown)
	}
	if c := d.Chart(); c == nil || len(c.Curves) != 1 || len(c.Marks) != 1 {
		t.Errorf("%+v", c)
	}
}

const (
	emptyLedger = `{"read":2,"kept":1,"dropped":{"minhash:near_duplicate":1},"quarantined":0,"stages":[{"name":"read","read":2,"kept":2,"dropped":{},"quarantined":0},
		{"name":"dedup","version":1,"read":2,"kept":1,"dropped":{"minhash:near_duplicate":1},"quarantined":0}]}`
	dedupConfig = `{"program":"curate test","step":{"stages":[{"name":"dedup","version":1,"config":{"annotate":false}}],"fields":{"text":"text"},"split_size":100}}`
	// The dropped one is record 2^40+50, the kept one 2^40+250, so in the third split.
	oneSample = `{"version":1,"method":"minhash","threshold":0.8,"bands":20,"rows":5,"documents":2,"samples":[{"dropped":"1099511627826","kept":"1099511628026","similarity":0.9,"id_dropped":"d","id_kept":"k"}]}`
	oneDrop   = `{"id":"d","text":"a b c","curate":{"dedup":{"method":"minhash","verdict":"drop","rule":"minhash","reason":"near_duplicate","duplicate_of":"1099511628026","similarity":0.9}}}` + "\n"
	oneKept   = `{"id":"k","text":"a x c"}` + "\n"
)

// deduped are the files of a step with one dropped document, and others in their places; "" takes one away.
func deduped(others map[string]string) memory {
	m := memory{files: map[string]string{
		"out/_curate/done": "", "out/_curate/ledger.json": emptyLedger, "out/_curate/config.json": dedupConfig,
		"out/_curate/manifest.json": `{"files":[{"number":1,"path":"a.jsonl"}]}`, "out/_curate/dedup.json": oneSample,
		"out/_curate/dropped/part-00001-00000.jsonl": oneDrop, "out/part-00001-00000.jsonl": "", "out/part-00001-00002.jsonl": oneKept,
	}}
	maps.Copy(m.files, others)
	maps.DeleteFunc(m.files, func(name, content string) bool {
		return content == "" && others[name] == "" && name != "out/_curate/done"
	})
	return m
}

func TestDedupTexts(t *testing.T) {
	const part, summary, drops = "out/part-00001-00002.jsonl", "out/_curate/dedup.json", "out/_curate/dropped/part-00001-00000.jsonl"
	const config, manifest = "out/_curate/config.json", "out/_curate/manifest.json"
	without := func(from, what string) string { return strings.Replace(from, what, "", 1) }
	for name, c := range map[string]struct {
		files map[string]string
		note  string // empty: the words are there
	}{
		"as it is":               {nil, ""},
		"nothing kept":           {map[string]string{drops: ""}, "did not keep what it dropped"},
		"in another split":       {map[string]string{part: "", "out/part-00001-00001.jsonl": oneKept}, "not in the parts by its id"},
		"in any split":           {map[string]string{part: "", "out/part-00001-00001.jsonl": oneKept, config: without(dedupConfig, `,"split_size":100`)}, ""},
		"rows have no splits":    {map[string]string{part: "", "out/part-00001-00001.jsonl": oneKept, manifest: `{"files":[{"number":1,"path":"a.parquet"}]}`}, ""},
		"of another file":        {map[string]string{part: "", "out/part-00002-00002.jsonl": oneKept}, "not in the parts by its id"},
		"changed":                {map[string]string{part: `{"id":"k2","text":"a x c"}` + "\n"}, "not in the parts by its id"},
		"no text":                {map[string]string{part: `{"id":"k","text":5}` + "\n"}, "not in the parts by its id"},
		"two of that id":         {map[string]string{part: oneKept + oneKept}, "more than one record"},
		"no id":                  {map[string]string{summary: without(oneSample, `,"id_kept":"k"`)}, "has no id"},
		"id of another kind":     {map[string]string{summary: strings.Replace(oneSample, `"id_kept":"k"`, `"id_kept":7.0`, 1), part: `{"text":"a x c","id":7.0}` + "\n"}, ""},
		"id elsewhere":           {map[string]string{config: strings.Replace(dedupConfig, `"annotate"`, `"id_field":"m.k","annotate"`, 1), drops: strings.Replace(oneDrop, `"id":"d"`, `"m":{"k":"d"}`, 1), part: `{"m":{"k":"k"},"text":"a x c"}` + "\n"}, ""},
		"escaped id":             {map[string]string{summary: strings.Replace(oneSample, `"id_kept":"k"`, `"id_kept":"\u003c\u00e9"`, 1), part: `{"id":"<é","text":"a x c"}` + "\n"}, ""},
		"dropped without id":     {map[string]string{summary: without(oneSample, `,"id_dropped":"d"`), drops: without(oneDrop, `"id":"d",`)}, ""},
		"dropped of another id":  {map[string]string{drops: strings.Replace(oneDrop, `"id":"d"`, `"id":"e"`, 1)}, "not among those that the step has kept"},
		"dropped for another":    {map[string]string{drops: strings.Replace(oneDrop, `628026`, `628027`, 1)}, "not among those that the step has kept"},
		"dropped in its phase":   {map[string]string{drops: "", "out/_curate/dropped/phase1/part-00001-00000.jsonl": oneDrop}, ""},
		"annotated":              {map[string]string{drops: "", config: strings.Replace(dedupConfig, "false", "true", 1), "out/part-00001-00000.jsonl": oneDrop}, ""},
		"annotated, not there":   {map[string]string{drops: "", config: strings.Replace(dedupConfig, "false", "true", 1)}, "the document that would be dropped is not in the parts by its id"},
		"parts that are not his": {map[string]string{"out/part-x.jsonl": "nonsense", "out/other-00001-00002.jsonl": "nonsense", "out/x/part-00001-00002.jsonl": "nonsense"}, ""},
	} {
		r, err := report.Read(t.Context(), deduped(c.files), "out")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w := r.Steps[0].Dedups[0].Differences[0]
		if c.note != "" {
			if !strings.Contains(w.Note, c.note) || w.Stretches != nil {
				t.Errorf("%s: %q, want %q", name, w.Note, c.note)
			}
			continue
		}
		if w.Note != "" || w.OnlyDropped != 1 || w.OnlyKept != 1 || len(w.Stretches) != 4 {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// A summary that nobody has written so is a note; whatever else there is to say is said.
func TestDedupNotes(t *testing.T) {
	const name = "out/_curate/dedup.json"
	for _, c := range []struct{ content, want string }{
		{"{", "_curate/dedup.json: "},
		{"[]", "damaged"},
		{`{"version":2}`, "_curate/dedup.json: version 2; this program knows version 1"},
		{`{"version":1,"threshold":1.5}`, "threshold of 1.5"},
		{`{"version":1,"documents":-1}`, "count of -1"},
		{`{"version":1,"bytes":1e30}`, "damaged"},
		{`{"version":1,"histogram":[{"from":0.5,"to":0.4,"compared":1,"similar":0}]}`, "width of a bin"},
		{`{"version":1,"histogram":[{"from":0.5,"to":0.6,"compared":1,"similar":2}]}`, "count of -1"},
		{`{"version":1,"scurve":{"points":[{"similarity":0.5,"pairs":1,"expected":2,"found":0}]}}`, "expected chance of 2"},
		{`{"version":1,"clusters":{"count":1,"sizes":[{"size":0,"clusters":1,"dropped":0}]}}`, "clusters of a size"},
		{`{"version":1,"clusters":{"count":1,"sizes":[{"size":4000000000000000,"clusters":4000000000000000,"dropped":0}]}}`, "clusters of a size"},
		{`{"version":1,"sources":[{"source":"a","documents":1,"dropped_documents":2}]}`, "count of -1"},
		{`{"version":1,"samples":[{"dropped":"x","kept":"1"}]}`, `record "x"`},
		{`{"version":1,"samples":[{"dropped":"1","kept":"99999999999999999999"}]}`, "999999"},
		{`{"version":1,"keep":"` + strings.Repeat("x", 33<<20) + `"}`, "more than"},
	} {
		r, err := report.Read(t.Context(), deduped(map[string]string{name: c.content}), "out")
		if err != nil {
			t.Errorf("%.80s: %v", c.content, err)
			continue
		}
		if d := r.Steps[0].Dedups[0]; !strings.Contains(d.Note, c.want) || d.Documents != 0 || r.Steps[0].Duplicates.Documents != 1 {
			t.Errorf("%.80s: %+v\nwant %q", c.content, d, c.want)
		}
		if html, _, _ := render(t, r); !strings.Contains(html, "This section is without it.") || !strings.Contains(html, "1 duplicates (minhash 1") {
			t.Errorf("%.80s: the page does not say so", c.content)
		}
	}
	// Without one, all is as it was before there were any.
	st := deduped(nil)
	delete(st.files, name)
	r, err := report.Read(t.Context(), st, "out")
	if err != nil || r.Steps[0].Dedups != nil {
		t.Fatal(r, err)
	}
	html, numbers, _ := render(t, r)
	if strings.Contains(html, `class="dedup"`) || strings.Contains(numbers, `"dedup": [`) || !strings.Contains(html, "1 duplicates (minhash 1") {
		t.Error("something is said of a summary that is not there")
	}
	// What is damaged elsewhere is an error, as it always was.
	if _, err := report.Read(t.Context(), deduped(map[string]string{"out/part-00001-00002.jsonl": `{"id":"k"`}), "out"); err == nil || !strings.Contains(err.Error(), "part-00001-00002.jsonl:1") {
		t.Error(err)
	}
}

// Several methods of one run have a summary each.
func TestDedupSeveral(t *testing.T) {
	r, err := report.Read(t.Context(), deduped(map[string]string{"out/_curate/dedup-2.json": `{"version":1,"method":"exact","documents":5}`}), "out")
	if err != nil || len(r.Steps[0].Dedups) != 2 || r.Steps[0].Dedups[0].Method != "exact" {
		t.Fatalf("%v %v", r, err)
	}
	if html, _, _ := render(t, r); !strings.Contains(html, "exact (dedup-2.json): of 5 documents") || !strings.Contains(html, "minhash: of 2 documents") {
		t.Error("one of them is not on the page")
	}
}

func TestDedupDrawings(t *testing.T) {
	summary := `{"version":1,"method":"minhash","threshold":0.805,"bands":9,"rows":13,"histogram":[
		{"from":0.4,"to":0.41,"compared":7,"similar":0},{"from":0.8,"to":0.81,"compared":10,"similar":4},{"from":0.99,"to":1,"compared":1000,"similar":1000}],
		"scurve":{"points":[{"similarity":0.805,"pairs":10,"expected":0.43,"found":0.5},{"similarity":0.995,"pairs":1000,"expected":1,"found":1}],"few_pairs":5,"skipped":1},
		"map":[{"dropped":"a","kept":"b","documents":9},{"dropped":"a","kept":"a","documents":1},{"dropped":null,"kept":"b","documents":3}],
		"clusters":{"count":6,"sizes":[{"size":1,"clusters":1,"dropped":0},{"size":2,"clusters":2,"dropped":2},{"size":3,"clusters":1,"dropped":2},{"size":4,"clusters":1,"dropped":3},{"size":1000000,"clusters":1,"dropped":999999}]}}`
	r, err := report.Read(t.Context(), deduped(map[string]string{"out/_curate/dedup.json": summary}), "out")
	if err != nil {
		t.Fatal(err)
	}
	d := r.Steps[0].Dedups[0]
	p := d.Plot()
	// The bin with the threshold has a bar on both sides of it: 0.805 of the axis from 0.4 to 1 is 675 thousandths.
	if p.Most != 1000 || p.Line != "432" || strings.Count(p.Below, "M") != 2 || strings.Count(p.Above, "M") != 2 || !strings.HasPrefix(p.Above, "M432 ") {
		t.Errorf("%+v", p)
	}
	c := d.Chart()
	if len(c.Curves) != 2 || len(c.Curves[0].Points) != 101 || c.Curves[0].Points[0].Y != 0 || c.Curves[0].Points[100].Y != 1 || len(c.Curves[1].Points) != 2 {
		t.Errorf("%+v", c)
	}
	// 1 - (1 - 0.8^13)^9, from another program.
	if y := c.Curves[0].Points[80].Y; y != 0.398844 {
		t.Errorf("at 0.8: %v", y)
	}
	html, _, _ := render(t, r)
	for _, want := range []string{
		`class="curve other dots"`, `class="curve" d="M0 196`, "; points: found", "threshold 0.805", "The largest has 1,000,000 documents; 999,999 of 1,000,000 are dropped.",
		`<td class="n">3 to 4<td class="n">2<td>`, `<td class="n">524,289 to 1,048,576<td class="n">1<td>`,
		`<tr><th><bdi>a</bdi><td class="n">10<td class="n shade1">1<td class="n shade5">9`, `<tr><th><bdi>others</bdi><td class="n">3<td class="n shade0"><span class="said">0</span><td class="n shade5">3`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("%s is not on the page", want)
		}
	}
}

// Nothing in a name, an ID or a text becomes markup, and a large summary makes no large page.
func TestDedupEscapingAndBounds(t *testing.T) {
	evil := `<script>alert(1)</script></pre></del>"'><img src=x onerror=alert(2)>{{.}}`
	quoted, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	q := string(quoted)
	var sources, flows, bins, sizes []string
	for i := range 1000 {
		sources = append(sources, fmt.Sprintf(`{"source":"%d %s,"documents":9,"bytes":9,"dropped_documents":5,"dropped_bytes":5}`, i, q[1:]))
		flows = append(flows, fmt.Sprintf(`{"dropped":"%d %s,"kept":"%d %[2]s,"documents":5}`, i, q[1:], i%97))
		bins = append(bins, `{"from":0.5,"to":0.51,"compared":3,"similar":0}`)
		sizes = append(sizes, fmt.Sprintf(`{"size":%d,"clusters":1,"dropped":1}`, i+2))
	}
	list := func(l []string) string { return "[" + strings.Join(l, ",") + "]" }
	summary := fmt.Sprintf(`{"version":1,"method":%s,"keep":%[1]s,"verify":%[1]s,"priority":[%[1]s],"documents":9,"histogram":%s,"clusters":{"count":1000,"sizes":%s},"sources":%s,"map":%s,
		"samples":[{"dropped":"1099511627826","kept":"1099511628026","similarity":0.9,"source_dropped":%[1]s,"source_kept":%[1]s,"id_dropped":%[1]s,"id_kept":%[1]s}]}`,
		q, list(bins), list(sizes), list(sources), list(flows))
	r, err := report.Read(t.Context(), deduped(map[string]string{
		"out/_curate/dedup.json":                     summary,
		"out/_curate/dropped/part-00001-00000.jsonl": strings.Replace(strings.Replace(oneDrop, `"d"`, q, 1), "a b c", "a b c "+q[1:len(q)-1], 1),
		"out/part-00001-00002.jsonl":                 `{"id":` + q + `,"text":` + q + "}\n",
	}), "out")
	if err != nil {
		t.Fatal(err)
	}
	if w := r.Steps[0].Dedups[0].Differences[0]; w.OnlyDropped != 3 || w.OnlyKept != 0 {
		t.Errorf("%+v", w)
	}
	html, numbers, _ := render(t, r)
	for _, bad := range []string{"<script", "<img", "</pre></del>\"", "ZgotmplZ"} {
		if strings.Contains(html, bad) {
			t.Errorf("%s got through", bad)
		}
	}
	if !strings.Contains(html, "<del><span class=\"said\">only in the dropped one: </span>a b c</del> &lt;script&gt;") && !strings.Contains(html, "a b c</del>&lt;script&gt;") {
		t.Error("the words are not on the page")
	}
	if !strings.Contains(html, "940 sources lose less than these.") || len(html) > 300<<10 || len(numbers) > 300<<10 || !json.Valid([]byte(numbers)) {
		t.Errorf("%d bytes of page, %d of numbers", len(html), len(numbers))
	}
}

// FuzzDedup: whatever the files say, they are read or named, and the page is written without any markup of theirs.
func FuzzDedup(f *testing.F) {
	real, err := os.ReadFile("testdata/dedup/_curate/dedup.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(real), oneDrop, oneKept)
	f.Add(oneSample, oneDrop, oneKept)
	f.Add(`{"version":1,"threshold":1e-300,"bands":2147483647,"rows":2147483647,"histogram":[{"from":1,"to":1,"compared":1,"similar":1}],"scurve":{"points":[]},"map":[{"documents":0}]}`, oneDrop, "{}\n")
	f.Add(`{"version":1,"clusters":{"count":1,"sizes":[{"size":4503599627370496,"clusters":1,"dropped":1}]},"sources":[{"source":null}]}`, "", "")
	f.Add(`{"version":1,"samples":[{"dropped":"0","kept":"0","id_kept":{}}]}`, `{"text":"<script"}`+"\n", "")
	f.Fuzz(func(t *testing.T, summary, dropped, kept string) {
		st := deduped(map[string]string{"out/_curate/dedup.json": summary, "out/_curate/dropped/part-00001-00000.jsonl": dropped, "out/part-00001-00002.jsonl": kept})
		r, err := report.Read(t.Context(), st, "out")
		if err != nil {
			if !strings.Contains(err.Error(), "out") && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		var html, other bytes.Buffer
		if err := errors.Join(r.WriteHTML(&html), r.WriteJSON(&other)); err != nil {
			t.Fatal(err)
		}
		if page := html.String(); strings.Contains(strings.ToLower(page), "<script") || strings.Contains(page, "NaN") && !strings.Contains(summary+dropped+kept, "NaN") {
			t.Error("a script or NaN on the page")
		}
	})
}

// Of what was not verified nobody says that it is equal.
func TestDuplicatesNotVerified(t *testing.T) {
	drops := oneDrop + strings.Replace(oneDrop, `,"similarity":0.9`, "", 1) + strings.NewReplacer(`,"similarity":0.9`, "", `"method":"minhash"`, `"method":"exact"`).Replace(oneDrop)
	r, err := report.Read(t.Context(), deduped(map[string]string{"out/_curate/dropped/part-00001-00000.jsonl": drops}), "out")
	if err != nil {
		t.Fatal(err)
	}
	u := r.Steps[0].Duplicates
	if u.Documents != 3 || u.Unknown != 1 || u.Similarities[18] != 1 || u.Similarities[20] != 1 || len(u.Closest) != 2 {
		t.Errorf("%+v", u)
	}
	if html, _, _ := render(t, r); !strings.Contains(html, `<tr><td>not known<td class="n">1`) {
		t.Error("the page does not say so")
	}
}
