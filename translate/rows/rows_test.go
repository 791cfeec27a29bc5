package rows

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

var update = flag.Bool("update", false, "rewrite golden files")

// parse makes a record of a line.
func parse(t testing.TB, line string) *record.Record {
	t.Helper()
	var b record.Batch
	rec := b.Append(record.MakeID(1, 0), 1, []byte(line))
	b.Parse()
	if rec.Outcome != record.Keep {
		t.Fatalf("%.200s: %v", line, rec.Err)
	}
	return rec
}

func reader(t testing.TB, o Options) *Reader {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func lines(t testing.TB, name string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// place is where a string stands in a line.
type place struct {
	lo, hi int
	text   string
}

// places finds all string values of a line by their pointers, by another parser than the package's.
func places(t testing.TB, line string) map[string]place {
	t.Helper()
	found := map[string]place{}
	dec := jsontext.NewDecoder(bytes.NewBufferString(line))
	for {
		kind := dec.PeekKind()
		if kind != '"' {
			if _, err := dec.ReadToken(); err != nil {
				return found
			}
			continue
		}
		v, err := dec.ReadValue()
		if err != nil {
			t.Fatal(err)
		}
		if k, n := dec.StackIndex(dec.StackDepth()); k == '{' && n%2 == 1 {
			continue // a name
		}
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		hi := int(dec.InputOffset())
		found[string(dec.StackPointer())] = place{hi - len(v), hi, string(text)}
	}
}

// check reads a line and writes it: pointers resolve to the texts, equal targets change no byte, and others only the texts.
func check(t testing.TB, r *Reader, line string, targets func(n Node) string) (*Row, error) {
	t.Helper()
	var row Row
	rec := parse(t, line)
	if err := r.Read(rec, &row); err != nil {
		return nil, err
	}
	all := places(t, line)
	same, other := make([]string, len(row.Nodes)), make([]string, len(row.Nodes))
	type edit struct {
		place
		text string
	}
	var edits []edit
	seen := map[string]bool{}
	for i, n := range row.Nodes {
		p, ok := all[n.Path]
		if !ok || p.text != n.Text {
			t.Fatalf("%.300s\n%s holds %q, not %q", line, n.Path, p.text, n.Text)
		}
		if seen[n.Path] {
			t.Fatalf("%.300s\n%s twice", line, n.Path)
		}
		seen[n.Path] = true
		same[i], other[i] = n.Text, targets(n)
		if other[i] != n.Text {
			edits = append(edits, edit{p, other[i]})
		}
	}
	if err := row.Write(rec, same); err != nil {
		t.Fatal(err)
	}
	if got := string(rec.AppendLine(nil)); got != line+"\n" {
		t.Fatalf("equal targets have changed\n%s\nto\n%s", line, got)
	}
	for i := range row.members {
		if rec.Edited(row.members[i].path) {
			t.Fatalf("%.300s\nequal targets have left an edit", line)
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.lo - b.lo })
	var want []byte
	done := 0
	for _, e := range edits {
		want = append(want, line[done:e.lo]...)
		want, _ = jsontext.AppendQuote(want, e.text)
		done = e.hi
	}
	want = append(append(want, line[done:]...), '\n')
	if err := row.Write(rec, other); err != nil {
		t.Fatal(err)
	}
	if got := rec.AppendLine(nil); !bytes.Equal(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	return &row, nil
}

func upper(n Node) string { return strings.ToUpper(n.Text) + "\n\"\\\x01é\u2028" }

// TestGolden: what is found in the rows of each schema, and what in them with the options.
func TestGolden(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for _, line := range lines(t, filepath.Join("testdata", name+".jsonl")) {
				fmt.Fprintln(&got, line)
				found := ""
				for _, o := range []Options{{}, {ToolDescriptions: true, ToolResults: true}} {
					row, err := check(t, reader(t, o), line, upper)
					if err != nil {
						if name == toolsSchema && !o.ToolDescriptions {
							continue
						}
						t.Fatal(err)
					}
					if row.Schema != name {
						t.Errorf("%s\nis taken for %s", line, row.Schema)
					}
					var nodes strings.Builder
					for _, n := range row.Nodes {
						fmt.Fprintf(&nodes, "  %-25s %-11s %-8s %q\n", n.Path, n.Role, []string{"", "chosen", "rejected"}[n.Side], n.Text)
					}
					fmt.Fprintf(&nodes, "  asks %q\n", row.Instruction())
					if nodes.String() == found {
						continue
					}
					if found = nodes.String(); o.ToolResults {
						fmt.Fprintln(&got, "  with tools:")
					}
					got.WriteString(found)
				}
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("not as in %s (see -update):\n%s", golden, got.String())
			}
		})
	}
}

func TestRecognise(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"prompt":1,"chosen":2,"rejected":3,"messages":4,"text":5}`, "preference"},
		{`{"chosen":1,"messages":[]}`, "chat"},
		{`{"chosen_response":1,"rejected_response":2,"instruction":3,"output":4}`, "preference"},
		{`{"prompt":1,"completion":2,"label":3}`, "kto"},
		{`{"prompt":1,"completion":2}`, "prompt_completion"},
		{`{"prompt":1,"completion":2,"messages":3}`, "chat"},
		{`{"question":1,"choices":2,"messages":3}`, "choice"},
		{`{"question":1,"options":2}`, "choice"},
		{`{"conversations":1,"messages":2}`, "chat"},
		{`{"conversations":1,"text":2}`, "sharegpt"},
		{`{"instruction":1,"output":2,"text":3}`, "alpaca"},
		{`{"text":1,"instruction":2,"response":3}`, "text"},
		{`{"tools":1,"text":2}`, "text"},
		{`{"tools":[]}`, "tools"},
		{`{"mess\u0061ges":[]}`, "chat"},
	} {
		got, err := reader(t, Options{ToolDescriptions: true}).Recognise(parse(t, c.line))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %s", c.line, got, err, c.want)
		}
	}
	_, err := reader(t, Options{}).Recognise(parse(t, `{"id":1,"instruction":"a","response":"b","c d\n":2,"tools":[]}`))
	for _, want := range []string{`"id", "instruction", "response", "c d\n", "tools"`, "--fields", "alpaca (instruction, output)", "question, choices; or question, options"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, `,"%s%d":0`, strings.Repeat("k", 100), i)
	}
	if _, err = reader(t, Options{}).Recognise(parse(t, "{"+many.String()[1:]+"}")); err == nil || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "and 980 more") {
		t.Errorf("a record of many keys: %v", err)
	}
	if _, err = reader(t, Options{}).Recognise(parse(t, "{}")); err == nil || !strings.Contains(err.Error(), "no keys") {
		t.Error(err)
	}
	if s, err := reader(t, Options{Schema: "text"}).Recognise(parse(t, `{"messages":[]}`)); s != "text" || err != nil {
		t.Error(s, err)
	}
	if s, err := reader(t, Options{Fields: []string{"/a"}}).Recognise(parse(t, `{"messages":[]}`)); s != FieldsSchema || err != nil {
		t.Error(s, err)
	}
}

func TestNew(t *testing.T) {
	if !slices.IsSorted(Names()) || len(Names()) != len(schemas) {
		t.Error("the table is not sorted")
	}
	ranks := map[int]bool{}
	for _, s := range schemas {
		ranks[s.rank] = true
	}
	if len(ranks) != len(schemas) {
		t.Error("two schemas have the same rank")
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Schema: "chta"}, "chat"},
		{Options{Schema: "tools"}, "descriptions"},
		{Options{Schema: "chat", Fields: []string{"/a"}}, "leave out"},
		{Options{Fields: []string{"a"}}, "slash"},
		{Options{Fields: []string{""}}, "slash"},
		{Options{Fields: []string{"/"}}, "empty name"},
		{Options{Fields: []string{"/a~2"}}, "~"},
		{Options{Fields: []string{"/a/b~"}}, "~"},
	} {
		if _, err := New(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}

// TestShapes: a known key of the wrong shape is an error that names it.
func TestShapes(t *testing.T) {
	const m = `{"messages":[{"role":"user","content":"a"},`
	for _, c := range []struct{ schema, line, field, problem string }{
		{"", `{"messages":"hi"}`, "/messages", "is a string, not an array of messages"},
		{"", `{"messages":{}}`, "/messages", "is an object"},
		{"", `{"messages":null}`, "/messages", "is null"},
		{"", m + `7]}`, "/messages/1", "is a number, not an object"},
		{"", m + `{"role":"user","content":7}]}`, "/messages/1/content", "is a number"},
		{"", m + `{"role":"user","content":{"type":"text"}}]}`, "/messages/1/content", "is an object"},
		{"", m + `{"role":7,"content":"a"}]}`, "/messages/1/role", "is a number, not a string"},
		{"", m + `{"role":null,"content":"a"}]}`, "/messages/1/role", "is null"},
		{"", m + `{"content":"a"}]}`, "/messages/1/role", "is missing"},
		{"", m + `{"role":"user"}]}`, "/messages/1/content", "is missing"},
		{"", m + `{"role":"critic","content":"a"}]}`, "/messages/1/role", `is "critic", no speaker`},
		{"", m + `{"role":"user","content":["a"]}]}`, "/messages/1/content/0", "is a string, not an object"},
		{"", m + `{"role":"user","content":[{"text":"a"}]}]}`, "/messages/1/content/0/type", "is missing"},
		{"", m + `{"role":"user","content":[{"type":1}]}]}`, "/messages/1/content/0/type", "is a number"},
		{"", m + `{"role":"user","content":[{"type":"text"}]}]}`, "/messages/1/content/0/text", "is missing"},
		{"", m + `{"role":"user","content":[{"type":"text","text":null}]}]}`, "/messages/1/content/0/text", "is null"},
		{"", `{"messages":[],"system":3}`, "/system", "is a number"},
		{"", `{"conversations":[{"from":true,"value":"a"}]}`, "/conversations/0/from", "is a boolean"},
		{"", `{"conversations":[{"from":"gpt","value":[1]}]}`, "/conversations/0/value/0", "is a number"},
		{"", `{"conversations":[{"from":"gpt"}]}`, "/conversations/0/value", "is missing"},
		{"", `{"text":["a"]}`, "/text", "is an array, not a string"},
		{"", `{"instruction":"a","output":null}`, "/output", "is null"},
		{"", `{"instruction":"a","output":"b","input":3}`, "/input", "is a number"},
		{"", `{"instruction":"a","output":"b","history":"c"}`, "/history", "is a string"},
		{"", `{"instruction":"a","output":"b","history":[["c","d"],["e",1]]}`, "/history/1/1", "is a number"},
		{"", `{"prompt":3,"completion":"b"}`, "/prompt", "is a number"},
		{"", `{"prompt":"a","completion":[3],"label":true}`, "/completion/0", "is a number"},
		{"", `{"prompt":"a","chosen":"b","rejected":true}`, "/rejected", "is a boolean"},
		{"", `{"prompt":"a","chosen":"b","rejected":"c","messages":1}`, "/messages", "is a number"},
		{"", `{"question":1,"choices":["a"]}`, "/question", "is a number"},
		{"", `{"question":"a","choices":3}`, "/choices", "is a number, not an array or an object"},
		{"", `{"question":"a","choices":["a",3]}`, "/choices/1", "is a number"},
		{"", `{"question":"a","options":{"A":"a","x/y":3}}`, "/options/x~1y", "is a number"},
		{"", `{"question":"a","choices":{"text":["a",null]}}`, "/choices/text/1", "is null"},
		{"", `{"question":"a","choices":[{"label":"A"}]}`, "/choices/0/text", "is missing"},
		{"", `{"question":"a","choices":["red","blue"],"answer":"Red one"}`, "/answer", `is "Red one", neither a label nor one of the choices`},
		{"", `{"question":"a","choices":["red","blue"],"answer":"IT"}`, "/answer", "neither"},
		{"", `{"question":"a","choices":["red","blue"],"answer":["A","green"]}`, "/answer/1", "neither"},
		{"", `{"question":"a","choices":["red"],"answer":{}}`, "/answer", "is an object"},
		{"", `{"question":"a","choices":["red"],"answer":[[]]}`, "/answer/0", "is an array"},
		{"", `{"text":"a","tools":"[]"}`, "/tools", "is a string, not an array of tools"},
		{"", `{"text":"a","tools":["b"]}`, "/tools/0", "is a string, not an object"},
		{"", `{"text":"a","tools":[{"function":{"description":[]}}]}`, "/tools/0/function/description", "is an array"},
		{"chat", `{"text":"a"}`, "/messages", "is missing"},
		{"preference", `{"chosen":"a"}`, "/rejected", "is missing"},
		{"preference", `{"chosen_response":"a"}`, "/rejected_response", "is missing"},
		{"choice", `{"question":"a"}`, "/choices", "is missing"},
	} {
		var row Row
		err := reader(t, Options{Schema: c.schema, ToolDescriptions: true}).Read(parse(t, c.line), &row)
		var fe *record.FieldError
		if !errors.As(err, &fe) || fe.Field != c.field || !strings.Contains(fe.Problem, c.problem) {
			t.Errorf("%s: %v; want %s %s", c.line, err, c.field, c.problem)
		}
	}
	// Without the option nobody looks at tools or at what they answer.
	if _, err := check(t, reader(t, Options{}), `{"text":"a","tools":"[]"}`, upper); err != nil {
		t.Error(err)
	}
	if _, err := check(t, reader(t, Options{ToolResults: true}), `{"messages":[{"role":"tool","content":[1,{"a":2},{"type":"text","text":"b"}]},{"role":"tool"},{"role":"tool","content":7}]}`, upper); err != nil {
		t.Error(err)
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		line   string
		fields []string
		want   []string // paths, or one that begins with !: the error
	}{
		{`{"messages":[{"content":"a"},{"content":null},{"x":1}]}`, []string{"/messages/*/content"}, []string{"/messages/0/content"}},
		{`{"messages":[{"content":"a"},{"content":3}]}`, []string{"/messages/*/content"}, []string{"!/messages/1/content"}},
		{`{"a":{"b":"x","c":"y"},"d":"z"}`, []string{"/*/b", "/d", "/nothing/*", "/d/e", "/a/b/c"}, []string{"/a/b", "/d"}},
		{`{"a":{"b":{}}}`, []string{"/a/*"}, []string{"!/a/b"}},
		{`{"a":"x","b":"y","curate":{"a":"z"}}`, []string{"/*"}, []string{"/a", "/b"}},
		{`{"a":"x","curate":{"a":"z"}}`, []string{"/*/*", "/curate/a"}, []string{"/curate/a"}},
		{`{"a/b":{"~":"x"},"c.d\\e":"y"}`, []string{"/a~1b/~0", `/c.d\e`}, []string{"/a~1b/~0", `/c.d\e`}},
		{`{"a":["x","y","z"]}`, []string{"/a/1", "/a/01", "/a/-", "/a/+2"}, []string{"/a/1"}},
		{`{"a":{"1":"x","01":"y","":"z"}}`, []string{"/a/01", "/a/"}, []string{"/a/01", "/a/"}},
		{`{"a":"x"}`, []string{"/a", "/a", "/*"}, []string{"/a"}},
		{`{"":"x"}`, []string{"/*"}, []string{"!/"}},
		{`{"a":[["x"],"y",[]]}`, []string{"/a/*/*"}, []string{"/a/0/0"}},
	} {
		row, err := check(t, reader(t, Options{Fields: c.fields}), c.line, upper)
		if strings.HasPrefix(c.want[0], "!") {
			var fe *record.FieldError
			if !errors.As(err, &fe) || fe.Field != c.want[0][1:] {
				t.Errorf("%s %q: %v", c.line, c.fields, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", c.line, c.fields, err)
			continue
		}
		var got []string
		for _, n := range row.Nodes {
			got = append(got, n.Path)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %q: %q", c.line, c.fields, got)
		}
	}
}

// TestEdited: texts are those that earlier stages have left, and what they have added is seen too.
func TestEdited(t *testing.T) {
	rec := parse(t, `{"id":1,"text":"old","meta":{"title":"T","n":1}}`)
	for p, v := range map[string]string{"text": `"new"`, "meta.title": `"U"`, "more": `{"t":"V"}`} {
		if err := rec.Set(record.MustPath(p), []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	var row Row
	if err := reader(t, Options{}).Read(rec, &row); err != nil || row.Nodes[0].Text != "new" {
		t.Fatal(row, err)
	}
	if err := reader(t, Options{Fields: []string{"/*/title", "/more/t", "/text"}}).Read(rec, &row); err != nil {
		t.Fatal(err)
	}
	if err := row.Write(rec, []string{"berria", "Titulua", "b"}); err != nil {
		t.Fatalf("%v: %+v", err, row.Nodes)
	}
	want := `{"id":1,"text":"berria","meta":{"title":"Titulua","n":1},"more":{"t":"b"}}` + "\n"
	if got := string(rec.AppendLine(nil)); got != want {
		t.Error(got)
	}

	if err := row.Write(rec, []string{"x", "y", "z"}); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Error("spans of another value were used:", err)
	}
	if err := row.Write(rec, []string{"x"}); err == nil {
		t.Error("too few targets")
	}
	if got := string(rec.AppendLine(nil)); got != want {
		t.Error("an error has left edits:", got)
	}
	rec = parse(t, `{"text":"a","x":1}`)
	if err := reader(t, Options{}).Read(rec, &row); err != nil {
		t.Fatal(err)
	}
	if err := row.Write(rec, []string{"\xff"}); err == nil || rec.Edited(record.MustPath("text")) {
		t.Error("a target that is not UTF-8:", err)
	}
}

func TestVerify(t *testing.T) {
	pref := `{"prompt":"p","chosen":"c","rejected":"r"}`
	list := `{"chosen":[{"role":"user","content":"u"},{"role":"assistant","content":"a"},{"role":"user","content":"v"},{"role":"assistant","content":"b"}],"rejected":[{"role":"user","content":"u"},{"role":"assistant","content":"x"},{"role":"user","content":"w"},{"role":"assistant","content":"y"}]}`
	two := `{"chosen":[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}],"rejected":[{"role":"assistant","content":"c"}],"chosen_response":"d","rejected_response":"e"}`
	ch := `{"question":"q","choices":["red","green","blue"],"answer":"green"}`
	for _, c := range []struct {
		line    string
		targets []string
		want    string
	}{
		{pref, []string{"p", "C", "R"}, ""},
		{pref, []string{"p", "X", "X"}, "pair"},
		{pref, []string{"p", "X", " X\n"}, "pair"},
		{pref, []string{"p", "p", "X"}, ""},
		{`{"prompt":"p","chosen":"c","rejected":"c"}`, []string{"p", "X", "X"}, ""},
		{`{"prompt":"p","chosen":"c","rejected":"c "}`, []string{"p", "X", "X "}, ""},
		{`{"prompt":"p","chosen":"c","rejected":"c "}`, []string{"p", "X", "X"}, "pair"},
		{list, []string{"u", "A", "V", "B", "u", "X", "V", "Y"}, ""},
		{list, []string{"u", "A", "V", "B", "u", "X", "V", "B"}, "pair"},
		{two, []string{"A", "B", "C", "D", "E"}, ""},
		{two, []string{"A", "B", "C", "D", "D"}, "pair"},
		{two, []string{"A", "B", "C", "C", "B"}, ""},
		{ch, []string{"q", "gorri", "berde", "urdin", "berde"}, ""},
		{ch, []string{"q", "gorri", "berde", "urdin", "gorri"}, "answer"},
		{ch, []string{"q", "gorri", "berde", "berde", "berde"}, "choices"},
		{ch, []string{"q", "gorri", "berde", "gorri", "berde"}, ""},
		{`{"question":"q","choices":["a","b","c"],"answer":"A"}`, []string{"q", "X", "Y", "Y"}, ""},
		{`{"question":"q","choices":["a","b","c"],"answer":"(b)"}`, []string{"q", "X", "Y", "Y"}, "choices"},
		{`{"question":"q","choices":["a","b","c","d"],"answer":0}`, []string{"q", "X", "Z", "Y", "Y"}, ""},
		{`{"question":"q","choices":["a","b","c","d"],"answer":3}`, []string{"q", "X", "Z", "Y", "Y"}, "choices"},
		{`{"question":"q","choices":["a","b","c"]}`, []string{"q", "X", "Y", "Y"}, "choices"},
		{`{"question":"q","choices":["red","red"],"answer":" red"}`, []string{"q", "G", "G", " G"}, ""},
		{`{"question":"q","choices":["a","b"],"answer":["a","b"]}`, []string{"q", "X", "Y", "X", "X"}, "answer"},
		{`{"instruction":"i","input":"he go","output":"he goes"}`, []string{"i", "doa", "doa"}, "copy"},
		{`{"instruction":"i","input":"he go","output":"he go"}`, []string{"i", "doa", "doa"}, ""},
		{`{"instruction":"i","output":"he go"}`, []string{"doa", "doa"}, ""},
		{`{"messages":[{"role":"user","content":"Hello!"},{"role":"assistant","content":"Hi!"}]}`, []string{"Kaixo!", "Kaixo!"}, ""},
	} {
		var row Row
		if err := reader(t, Options{}).Read(parse(t, c.line), &row); err != nil {
			t.Fatal(err)
		}
		got, detail := row.Verify(c.targets)
		if got != c.want || (detail == "") != (got == "") {
			t.Errorf("%s %q: %q %q, want %q", c.line, c.targets, got, detail, c.want)
		}
	}
}

func random(r *rand.Rand) func(n Node) string {
	alphabet := []rune("ab \"\\/\n\t\x00\x1f\u007fé€\u2028😀~.")
	return func(n Node) string {
		if r.IntN(4) == 0 {
			return n.Text
		}
		out := make([]rune, r.IntN(12))
		for i := range out {
			out[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(out)
	}
}

// TestRandomTargets: whatever the targets, only the texts change.
func TestRandomTargets(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, name := range Names() {
		for _, line := range lines(t, filepath.Join("testdata", name+".jsonl")) {
			for range 50 {
				o := Options{ToolDescriptions: true, ToolResults: rng.IntN(2) == 0}
				if _, err := check(t, reader(t, o), line, random(rng)); err != nil {
					t.Fatal(err)
				}
			}
			for _, fields := range [][]string{{"/*/*/content", "/*/*/content/*/text"}, {"/text", "/prompt/0/content", "/*/0/value"}} {
				check(t, reader(t, Options{Fields: fields}), line, random(rng))
			}
		}
	}
}

// TestLarge: rows of a few MB that are made to be slow or to take memory beyond their size.
func TestLarge(t *testing.T) {
	const n = 100_000
	list := func(f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(f(i))
		}
		return b.String()
	}
	word := func(i int) string { return fmt.Sprintf(`"w%d"`, i) }
	key := func(i int) string { return fmt.Sprintf(`"k%d":"v"`, i) }
	deep := strings.Repeat(`{"a":[`, 4900) + strings.Repeat("]}", 4900)
	long := strings.Repeat("n", 500_000)
	for _, c := range []struct {
		name, line string
		o          Options
		fails      string
	}{
		{"messages", `{"messages":[` + list(func(i int) string { return `{"role":"user","content":"a"}` }) + `]}`, Options{}, ""},
		{"choices and answers", `{"question":"q","choices":[` + list(word) + `],"answer":[` + list(word) + `]}`, Options{}, ""},
		{"options", `{"question":"q","options":{` + list(key) + `}}`, Options{}, ""},
		{"common messages", `{"chosen":[` + list(func(int) string { return `{"role":"user","content":"a"}` }) + `],"rejected":[` + list(func(int) string { return `{"role":"user","content":"a"}` }) + `]}`, Options{}, ""},
		{"keys of a message", `{"messages":[{"role":"user","content":"a",` + list(key) + `}]}`, Options{}, ""},
		{"keys", `{"text":"a",` + list(key) + `}`, Options{}, ""},
		{"keys, any", `{` + list(key) + `}`, Options{Fields: []string{"/*"}}, "more than 4096"},
		{"keys, few of them texts", `{"a":["x"],` + list(key) + `}`, Options{Fields: []string{"/*/*"}}, ""},
		{"backslashes", `{"text":"` + strings.Repeat(`\\\"`, 1_000_000) + `"}`, Options{}, ""},
		{"deep tools", `{"tools":[` + deep + `]}`, Options{ToolDescriptions: true}, ""},
		{"deep parts", `{"messages":[{"role":"user","content":"a","x":` + deep + `}]}`, Options{}, ""},
		{"many below a long name", `{"` + long + `":[` + list(word) + `]}`, Options{Fields: []string{"/*/*"}}, "too long"},
		{"many descriptions below a long name", `{"tools":[{"` + long + `":[` + list(func(int) string { return `{"description":"a"}` }) + `]}]}`, Options{ToolDescriptions: true}, "too long"},
		{"empty strings", `{"a":[` + list(func(int) string { return `""` }) + `]}`, Options{Fields: []string{"/*/*"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var row Row
			rec := parse(t, c.line)
			err := reader(t, c.o).Read(rec, &row)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || len(err.Error()) > 2000 {
					t.Errorf("%.300v", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%.300v", err)
			}
			targets := make([]string, len(row.Nodes))
			for i := range targets {
				targets[i] = row.Nodes[i].Text + "!"
			}
			row.Verify(targets)
			row.Instruction()
			if err := row.Write(rec, targets); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestUnchecked: a file that has changed between two phases gives broken records. Nothing panics or runs on.
func TestUnchecked(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	readers := []*Reader{reader(t, Options{ToolDescriptions: true, ToolResults: true}), reader(t, Options{Fields: []string{"/*", "/*/*", "/*/*/*"}})}
	for _, name := range Names() {
		for _, line := range lines(t, filepath.Join("testdata", name+".jsonl")) {
			for range 300 {
				broken := []byte(line)[:rng.IntN(len(line)+1)]
				for range rng.IntN(4) {
					if len(broken) > 0 {
						broken[rng.IntN(len(broken))] = `{}[]",:\n 1`[rng.IntN(11)]
					}
				}
				unchecked(readers, broken)
			}
		}
	}
}

func unchecked(readers []*Reader, line []byte) {
	for _, r := range readers {
		var b record.Batch
		rec := b.Append(record.MakeID(1, 0), 1, line)
		b.Checked()
		var row Row
		if r.Read(rec, &row) != nil {
			continue
		}
		targets := make([]string, len(row.Nodes))
		row.Verify(targets)
		row.Instruction()
		row.Write(rec, targets)
	}
}

func FuzzLine(f *testing.F) {
	for _, name := range Names() {
		for _, line := range lines(f, filepath.Join("testdata", name+".jsonl")) {
			f.Add([]byte(line), uint64(1))
		}
	}
	f.Add([]byte(` { "\u0074ext" : "\u0061\/" , "" : [ ] } `), uint64(2))
	f.Fuzz(func(t *testing.T, line []byte, seed uint64) {
		readers := []*Reader{
			reader(t, Options{}),
			reader(t, Options{ToolDescriptions: true, ToolResults: true}),
			reader(t, Options{Fields: []string{"/*", "/*/*", "/messages/*/content"}}),
			reader(t, Options{Fields: []string{"/*/*/content", "/text"}}),
		}
		unchecked(readers, line)
		var b record.Batch
		rec := b.Append(record.MakeID(1, 0), 1, line)
		if b.Parse(); rec.Outcome != record.Keep {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 2))
		for _, r := range readers {
			check(t, r, string(line), random(rng))
		}
	})
}

// TestPage: the rows of docs/formats/rows.md have the schema of their section, and the page tells the order of recognition.
func TestPage(t *testing.T) {
	section, block := "", false
	var seen, order []string
	for _, line := range lines(t, "../../docs/formats/rows.md") {
		switch {
		case strings.HasPrefix(line, "## "):
			section = line[3:]
		case strings.HasPrefix(line, "```"):
			block = line == "```json"
		case strings.HasPrefix(line, "| ["):
			name, _, _ := strings.Cut(line[3:], "]")
			order = append(order, name)
		case block:
			row, err := check(t, reader(t, Options{ToolDescriptions: true}), line, upper)
			if err != nil || row.Schema != section || len(row.Nodes) == 0 {
				t.Errorf("%s: %v, %+v", line, err, row)
			}
			if !slices.Contains(seen, section) {
				seen = append(seen, section)
			}
		}
	}
	if slices.Sort(seen); !slices.Equal(seen, Names()) {
		t.Errorf("the page has rows of %q", seen)
	}
	if len(order) != len(schemas) {
		t.Fatalf("the page's table has %q", order)
	}
	for i := range schemas {
		if order[schemas[i].rank] != schemas[i].name {
			t.Errorf("%s has rank %d; the page's table: %q", schemas[i].name, schemas[i].rank, order)
		}
	}
}
