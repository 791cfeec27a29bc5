package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func one(t testing.TB, line string) (*Batch, *Record) {
	t.Helper()
	b := &Batch{}
	b.Append(MakeID(1, 0), 1, []byte(line))
	b.Parse()
	r := &b.Records[0]
	if r.Outcome != Keep {
		t.Fatalf("%s: %v", line, r.Err)
	}
	return b, r
}

func TestID(t *testing.T) {
	id := MakeID(MaxFile, MaxOffset)
	if id.File() != MaxFile || id.Offset() != MaxOffset || int64(id) < 0 {
		t.Errorf("the largest ID reads back as file %d, offset %d, int64 %d", id.File(), id.Offset(), int64(id))
	}
	if !(MakeID(1, MaxOffset) < MakeID(2, 0)) {
		t.Error("IDs do not order as the manifest does")
	}
}

// TestStrict holds what the references disagree on and curate refuses, with the words people will read.
func TestStrict(t *testing.T) {
	for _, c := range []struct{ line, err string }{
		{`{"text":"a"}`, ""},
		{` { "a" : [ 1 , {"b":null} ] } ` + "\r", ""},
		{`{"a":123456789012345678901234567890,"b":1e400}`, ""},
		{`{"a":"😀"}`, ""},
		{`{"a":{"x":1},"b":{"x":1}}`, ""},
		{`[1,2]`, "not a JSON object at byte 0 of the line"},
		{``, "not a JSON object at byte 0 of the line"},
		{`"text"`, "not a JSON object at byte 0 of the line"},
		{`{"a":1} x`, "bytes after the object at byte 8 of the line"},
		{`{"a":1}{"b":2}`, "bytes after the object at byte 7 of the line"},
		{`{"a":1`, "line ends inside the object at byte 6 of the line"},
		{`{"text":"ab`, `line ends inside the object in "text" at byte 11 of the line`},
		{`{"m":{"text":"a` + "\xff" + `b"}}`, `invalid UTF-8 in "m.text" at byte 15 of the line`},
		{`{"text":"a\ud800 b"}`, `lone surrogate in "text" at byte 10 of the line`},
		{`{"text":"a","text":"b"}`, `duplicate key in "text" at byte 12 of the line`},
		{`{"text":"a","t\u0065xt":"b"}`, `duplicate key in "text" at byte 12 of the line`},
		{`{"m":{"a":1,"a":2}}`, `duplicate key in "m.a" at byte 12 of the line`},
		{`{"a":NaN}`, `invalid character 'N' at start of value in "a" at byte 5 of the line`},
		{`{"a":01}`, `invalid character '1' after object value`},
		{"{\"a\":\"x\ty\"}", `invalid character '\t' in string`},
		{`{"a/b":nul}`, `in "a/b" at byte`},
	} {
		b := &Batch{}
		b.Append(MakeID(1, 0), 1, []byte(c.line))
		b.Parse()
		r := &b.Records[0]
		if c.err == "" {
			if r.Outcome != Keep {
				t.Errorf("%s: %v", c.line, r.Err)
			} else if got := r.AppendLine(nil); string(got) != c.line+"\n" {
				t.Errorf("%s: came out as %q", c.line, got)
			}
			continue
		}
		if r.Outcome != Quarantine {
			t.Errorf("%s: accepted", c.line)
		} else if !strings.Contains(r.Err.Error(), c.err) {
			t.Errorf("%s:\n got %v\nwant %s", c.line, r.Err, c.err)
		}
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		path  string
		names []string
	}{
		{"text", []string{"text"}},
		{"meta.source", []string{"meta", "source"}},
		{`a\.b.c\\d`, []string{"a.b", `c\d`}},
		{"", nil}, {"a.", nil}, {".a", nil}, {"a..b", nil}, {`a\x`, nil}, {`a\`, nil},
	} {
		p, err := ParsePath(c.path)
		if (err != nil) != (c.names == nil) || err == nil && !slices.Equal(p.Names(), c.names) {
			t.Errorf("%q: %q, %v; want %q", c.path, p.Names(), err, c.names)
		}
		if err == nil && joinNames(p.names) != c.path {
			t.Errorf("%q is written back as %q", c.path, joinNames(p.names))
		}
	}
}

func TestText(t *testing.T) {
	_, r := one(t, `{"plain":"héllo","esc":"a\n\u00e9\ud83d\ude00\"","m":{"d.e":{"t":"deep"}},"n":12,"z":null,"b":true,"o":{},"l":[],"t\u0065xt":"x"}`)
	var scratch []byte
	for _, c := range []struct{ path, want, err string }{
		{"plain", "héllo", ""},
		{"esc", "a\né😀\"", ""},
		{`m.d\.e.t`, "deep", ""},
		{"text", "x", ""},
		{"none", "", `field "none" is missing`},
		{"m.x", "", `field "m.x" is missing`},
		{"plain.x", "", `field "plain.x" is missing`},
		{"n", "", `field "n" is a number, not a string`},
		{"z", "", `field "z" is null, not a string`},
		{"b", "", `field "b" is a boolean, not a string`},
		{"o", "", `field "o" is an object, not a string`},
		{"l", "", `field "l" is an array, not a string`},
	} {
		got, err := r.Text(MustPath(c.path), &scratch)
		var fe *FieldError
		switch {
		case c.err == "" && (err != nil || string(got) != c.want):
			t.Errorf("%s: %q, %v; want %q", c.path, got, err, c.want)
		case c.err != "" && (err == nil || err.Error() != c.err || !errors.As(err, &fe)):
			t.Errorf("%s: %v; want %s", c.path, err, c.err)
		}
	}
	if r.Has(MustPath("z")) != true || r.Has(MustPath("q")) {
		t.Error("Has looks at presence, whatever the value")
	}
}

func TestOwnID(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"id":"a1"}`, `"a1"`},
		{`{"id":-1.5}`, `-1.5`},
		{`{"id":0}`, `0`},
		{`{"id":"12345"}`, ``}, // seven bytes
		{`{"id":true}`, ``},
		{`{"id":null}`, ``},
		{`{"id":[1]}`, ``},
		{`{"id":{}}`, ``},
		{`{"no":1}`, ``},
	} {
		_, r := one(t, c.line)
		got := r.OwnID(MustPath("id"), 6)
		if string(got) != c.want || (got == nil) != (c.want == "") {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestSet(t *testing.T) {
	type set struct{ path, value, err string }
	for _, c := range []struct {
		line    string
		sets    []set
		want    string
		dropped string // "" is the line itself
	}{
		{`{"text":"a"}`, []set{{"curate.filter", `1`, ""}}, `{"text":"a","curate":{"filter":1}}`, `{"text":"a","curate":{"filter":1}}`},
		{`{"text":"a","curate":{"translate":{"m":1}},"z":2}`, []set{{"curate.filter", `1`, ""}},
			`{"text":"a","curate":{"translate":{"m":1},"filter":1},"z":2}`, `{"text":"a","curate":{"translate":{"m":1},"filter":1},"z":2}`},
		{`{"c\u0075rate":{"f\u0069lter":9,"x":[1]}, "z":1}`, []set{{"curate.filter", `1`, ""}}, `{"c\u0075rate":{"f\u0069lter":1,"x":[1]}, "z":1}`, `{"c\u0075rate":{"f\u0069lter":1,"x":[1]}, "z":1}`},
		{` {"curate": { } } `, []set{{"curate.a", `1`, ""}, {"curate.b", `2`, ""}}, ` {"curate": {"a":1,"b":2 } } `, ` {"curate": {"a":1,"b":2 } } `},
		{`{"curate":7}`, []set{{"curate.a", `1`, `field "curate" is a number, not an object, so "curate.a" cannot be set`}}, `{"curate":7}`, ""},
		{`{}`, []set{{"a", `1`, ""}, {"a", `2`, ""}}, `{"a":2}`, `{}`},
		{`{"a":1,"text":"x"}`, []set{{"text", `"y"`, ""}, {"language", `"eu"`, ""}, {"curate.f", `1`, ""}},
			`{"a":1,"text":"y","language":"eu","curate":{"f":1}}`, `{"a":1,"text":"x","curate":{"f":1}}`},
		{`{"a":{"b":1}}`, []set{{"a.b", `2`, ""}, {"a", `{"c":3}`, ""}}, `{"a":{"c":3}}`, `{"a":{"b":1}}`},
		{`{"a":{"b":1}}`, []set{{"a", `{"c":3}`, ""}, {"a.b", `4`, ""}, {"a.c", `5`, ""}}, `{"a":{"c":5,"b":4}}`, `{"a":{"b":1}}`},
		{`{"a":1}`, []set{{"a", `2`, ""}, {"a.b", `3`, `field "a" is a number, not an object, so "a.b" cannot be set`}}, `{"a":2}`, `{"a":1}`},
		{`{"a":{"b":{"c":1}}}`, []set{{"a.b.d", `2`, ""}, {"a.x.y", `3`, ""}, {"q.r.s", `4`, ""}}, `{"a":{"b":{"c":1,"d":2},"x":{"y":3}},"q":{"r":{"s":4}}}`, `{"a":{"b":{"c":1}}}`},
		{`{"n":123456789012345678901234567890}` + "\r", []set{{"weird \"name\"", `1`, ""}}, `{"n":123456789012345678901234567890,"weird \"name\"":1}` + "\r", `{"n":123456789012345678901234567890}` + "\r"},
	} {
		_, r := one(t, c.line)
		for _, s := range c.sets {
			err := r.Set(MustPath(strings.ReplaceAll(s.path, `weird "name"`, `weird "name"`)), []byte(s.value))
			if fmt.Sprint(err) != s.err && !(err == nil && s.err == "") {
				t.Errorf("%s: Set %s: %v, want %q", c.line, s.path, err, s.err)
			}
			if err == nil {
				if v, ok := r.Value(MustPath(s.path)); !ok || string(v) != s.value {
					t.Errorf("%s: after Set %s a read sees %q", c.line, s.path, v)
				}
			}
		}
		if got := r.AppendLine(nil); string(got) != c.want+"\n" {
			t.Errorf("%s:\n got %s\nwant %s", c.line, got, c.want)
		}
		want := c.dropped
		if want == "" {
			want = c.line
		}
		if got := r.AppendDropped(nil); string(got) != want+"\n" {
			t.Errorf("%s: dropped\n got %s\nwant %s", c.line, got, want)
		}
	}
}

func TestReadThroughEdits(t *testing.T) {
	_, r := one(t, `{"curate":{"a":1},"x":2}`)
	if err := r.Set(MustPath("curate.b"), []byte(`{"c":3}`)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"curate": `{"a":1,"b":{"c":3}}`, "curate.b.c": "3", "curate.a": "1", "x": "2", "curate.b": `{"c":3}`} {
		if v, _ := r.Value(MustPath(path)); string(v) != want {
			t.Errorf("%s: %s, want %s", path, v, want)
		}
	}
	_, r = one(t, `{}`)
	if err := r.Set(MustPath("p.q"), []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	if v, _ := r.Value(MustPath("p")); string(v) != `{"q":1}` {
		t.Errorf("an object made by an edit reads as %s", v)
	}
}

// TestSetAgainstMaps compares random edits of random records with the same edits of decoded maps.
func TestSetAgainstMaps(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	names := []string{"a", "b", "c", "curate"}
	var value func(depth int) any
	value = func(depth int) any {
		if depth < 3 && rng.IntN(2) == 0 {
			m := map[string]any{}
			for _, n := range names {
				if rng.IntN(2) == 0 {
					m[n] = value(depth + 1)
				}
			}
			return m
		}
		return float64(rng.IntN(100))
	}
	put := func(m map[string]any, path []string, v any) bool {
		for _, n := range path[:len(path)-1] {
			next, ok := m[n]
			if !ok {
				next = map[string]any{}
				m[n] = next
			}
			if m, ok = next.(map[string]any); !ok {
				return false
			}
		}
		m[path[len(path)-1]] = v
		return true
	}
	clone := func(m map[string]any) (c map[string]any) {
		b, _ := json.Marshal(m)
		_ = json.Unmarshal(b, &c)
		return c
	}
	for range 3000 {
		m, _ := value(0).(map[string]any)
		if m == nil {
			m = map[string]any{}
		}
		line, _ := json.Marshal(m)
		_, r := one(t, string(line))
		var log []string
		for range rng.IntN(6) {
			path := make([]string, 1+rng.IntN(3))
			for i := range path {
				path[i] = names[rng.IntN(len(names))]
			}
			v := value(1)
			text, _ := json.Marshal(v)
			log = append(log, fmt.Sprint(path, string(text)))
			tried := clone(m)
			ok := put(tried, path, v)
			if err := r.Set(MustPath(strings.Join(path, ".")), text); (err == nil) != ok {
				t.Fatalf("seed %d: %s %v: Set says %v, a map %v", seed, line, log, err, ok)
			}
			if ok {
				m = clone(tried)
			}
		}
		var got map[string]any
		out := r.AppendLine(nil)
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("seed %d: %s %v: wrote %s: %v", seed, line, log, out, err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(m)
		if !bytes.Equal(a, b) {
			t.Fatalf("seed %d: %s %v:\n got %s\nwant %s", seed, line, log, a, b)
		}
	}
}

// FuzzRecord checks on any line: nothing panics, what is accepted is JSON to encoding/json too, unedited
// bytes come out as they went in, an edit can be read back and is written the same when done again.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{
		`{"text":"a","curate":{"x":1}}`, `{"te\u0078t":"\ud83d\ude00","n":123456789012345678901234567890}`,
		` { "curate" : { } } `, `{"a":[{"b":"]}"}]}`, `{"a":"\\\""}`, `{}`, `{"":{"":0}}`, "{\"a\":1}\r", `{"curate":{"curate":{"curate":{}}}}`,
		`{"a":"\n\r\t\b\f\/\\\"","b":"\u00e9\uABCD\u0000","c":"x\ud83d\ude00y\uDBFF\uDFFF\ud800\udc00"}`,
	} {
		f.Add([]byte(s))
	}
	paths := []Path{MustPath("curate.filter"), MustPath("text"), MustPath("a.b.c")}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		kept := slices.Clone(line)
		// Bytes that never passed Parse, as a file that changes between two phases may show: no panic, no endless loop.
		wild := &Batch{}
		wild.Append(MakeID(1, 0), 1, slices.Clone(line))
		wild.Checked()
		w, wildScratch := &wild.Records[0], []byte(nil)
		for _, n := range append(w.Names(), "text") {
			_, _ = w.Text(Path{names: []string{n}, text: n}, &wildScratch)
		}
		_ = w.CanSet(paths[0])
		_ = w.Set(paths[0], []byte("1"))
		_, _ = w.Value(paths[2])
		_ = w.AppendLine(nil)
		b := &Batch{}
		b.Append(MakeID(1, 0), 1, line)
		b.Parse()
		r := &b.Records[0]
		if !bytes.Equal(line, kept) {
			t.Fatalf("Parse changed the line: %q", kept)
		}
		if r.Outcome != Keep {
			return
		}
		if !json.Valid(line) {
			t.Fatalf("accepted: %q", line)
		}
		if got := r.AppendLine(nil); string(got) != string(line)+"\n" {
			t.Fatalf("%q came out as %q", line, got)
		}
		var scratch []byte
		for _, n := range r.Names() {
			p := Path{names: []string{n}, text: n}
			if !r.Has(p) {
				t.Fatalf("%q: name %q is there and is not found", line, n)
			}
			v, _ := r.Value(p)
			if text, err := r.Text(p, &scratch); err == nil {
				if want, err := jsontext.AppendUnquote(nil, v); err != nil || string(text) != string(want) {
					t.Fatalf("%s decodes to %q, want %q (%v)", v, text, want, err)
				}
			}
		}
		// Of a line known to be good, the fields are looked for late.
		late := &Batch{}
		late.Append(MakeID(1, 0), 1, line)
		late.Checked()
		if got := late.Records[0].AppendLine(nil); string(got) != string(line)+"\n" {
			t.Fatalf("%q came out as %q", line, got)
		}
		if got, want := late.Records[0].Names(), r.Names(); !slices.Equal(got, want) {
			t.Fatalf("%q: names %q, want %q", line, got, want)
		}
		for _, p := range paths {
			if r.Set(p, []byte(`{"v":[1]}`)) != nil {
				return
			}
			if v, ok := r.Value(p); !ok || string(v) != `{"v":[1]}` {
				t.Fatalf("%q: %s reads back as %q", line, p, v)
			}
		}
		out := r.AppendLine(nil)
		b2 := &Batch{}
		b2.Append(MakeID(1, 0), 1, out[:len(out)-1])
		b2.Parse()
		r2 := &b2.Records[0]
		if r2.Outcome != Keep {
			t.Fatalf("%q -> %q: %v", line, out, r2.Err)
		}
		for _, p := range paths {
			if err := r2.Set(p, []byte(`{"v":[1]}`)); err != nil {
				t.Fatal(err)
			}
		}
		if again := r2.AppendLine(nil); !bytes.Equal(again, out) {
			t.Fatalf("not idempotent: %q -> %q -> %q", line, out, again)
		}
	})
}

func TestNoAllocation(t *testing.T) {
	lines := make([][]byte, 50)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, `{"id":"d%d","text":"line one\nline two of %d","meta":{"lang":"eu","n":[1,2,{"x":null}]}}`, i, i)
	}
	b := &Batch{}
	text, verdict := MustPath("text"), MustPath("curate.filter")
	var scratch, out []byte
	work := func() {
		b.Reset()
		for i, l := range lines {
			b.Append(MakeID(1, int64(i)), int64(i), l)
		}
		b.Parse()
		out = out[:0]
		for i := range b.Records {
			r := &b.Records[i]
			if _, err := r.Text(text, &scratch); err != nil {
				t.Fatal(err)
			}
			if err := r.Set(verdict, []byte(`{"verdict":"keep"}`)); err != nil {
				t.Fatal(err)
			}
			out = r.AppendLine(out)
		}
	}
	work()
	if n := testing.AllocsPerRun(20, work); n > 0 {
		t.Errorf("%v allocations for %d records in steady state", n, len(lines))
	}
}

func BenchmarkParse(b *testing.B) {
	line := []byte(`{"id":"d1","text":"` + strings.Repeat(`word after word, and a line end\n`, 120) + `","meta":{"lang":"eu","source":"x","n":[1,2,3]},"score":0.123456}`)
	batch := &Batch{}
	text := MustPath("text")
	var scratch, out []byte
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		batch.Append(1, 1, line)
		batch.Parse()
		r := &batch.Records[0]
		if _, err := r.Text(text, &scratch); err != nil {
			b.Fatal(err)
		}
		out = r.AppendLine(out[:0])
	}
}

func TestKeys(t *testing.T) {
	var b Batch
	for i := range 4 {
		b.Append(MakeID(1, int64(i)), 0, []byte("{}"))
	}
	b.Parse()
	b.Records[2].SetKey([]byte("two"))
	b.Records[0].SetKey([]byte("zero"))
	b.Records[2].SetKey([]byte("2"))
	for i, want := range []string{"zero", "", "2", ""} {
		if got := string(b.Records[i].Key()); got != want {
			t.Errorf("record %d: key %q, want %q", i, got, want)
		}
	}
	b.Reset()
	if got := b.Append(1, 0, []byte("{}")).Key(); len(got) > 0 {
		t.Errorf("a new record has the key %q", got)
	}
}

func TestSkip(t *testing.T) {
	var b Batch
	for range 2 { // the second time with what the first left behind
		b.Reset()
		for i := range 6 {
			b.Append(ID(i), 0, []byte(`{"a":1}`))
		}
		b.Skip(func(id ID) bool { return id != 1 && id != 4 })
		b.Parse()
		if len(b.Records) != 2 || b.Records[0].ID != 1 || b.Records[1].ID != 4 {
			t.Fatalf("left: %+v", b.Records)
		}
		for i, want := range []string{"{\"a\":1,\"b\":10}\n", "{\"a\":1,\"b\":11}\n"} {
			r := &b.Records[i]
			if err := r.Set(MustPath("b"), []byte{'1', byte('0' + i)}); err != nil {
				t.Fatal(err)
			}
			if got := string(r.AppendLine(nil)); got != want {
				t.Errorf("record %d is written as %q, want %q", i, got, want)
			}
		}
	}
}

func TestTokensAndTallies(t *testing.T) {
	var b Batch
	for round := range 2 {
		b.Reset()
		for i := range 3 {
			b.Append(ID(i), 0, []byte(`{}`))
		}
		b.Parse()
		b.Records[0].SetTokens([]uint32{7, 1 << 20})
		b.Records[1].SetTokens(nil)
		b.Tally("a", 1)
		b.Tally("b", 2)
		b.Tally("a", 3)
		if ids, ok := b.Records[0].Tokens(); !ok || !slices.Equal(ids, []uint32{7, 1 << 20}) {
			t.Errorf("round %d: %v, %v", round, ids, ok)
		}
		if ids, ok := b.Records[1].Tokens(); !ok || len(ids) != 0 {
			t.Errorf("round %d: no ids: %v, %v", round, ids, ok)
		}
		if _, ok := b.Records[2].Tokens(); ok {
			t.Errorf("round %d: tokens that nobody set", round)
		}
		if got := b.TakeTallies(); !slices.Equal(got, []Tally{{"a", 1}, {"b", 2}, {"a", 3}}) {
			t.Errorf("round %d: %v", round, got)
		}
		if got := b.TakeTallies(); len(got) != 0 {
			t.Errorf("round %d: taken twice: %v", round, got)
		}
	}
}

func TestReplace(t *testing.T) {
	var b Batch
	for range 2 { // the second time in memory that was used
		b.Reset()
		b.Append(1, 1, []byte(`{"a":1}`))
		b.Append(2, 2, []byte(`{"a":2}`))
		b.Parse()
		r, s := &b.Records[0], &b.Records[1]
		if err := r.Set(MustPath("b"), []byte("3")); err != nil {
			t.Fatal(err)
		}
		object := []byte(`{"row":1}`)
		r.Replace(object)
		object[2] = 'x'
		if got, want := string(s.AppendLine(r.AppendLine(nil))), "{\"row\":1}\n{\"a\":2}\n"; got != want {
			t.Errorf("lines %q, not %q", got, want)
		}
		if v, ok := r.Value(MustPath("a")); !ok || string(v) != "1" {
			t.Errorf("the record reads %s", v)
		}
		if got, want := string(r.AppendDropped(nil)), "{\"a\":1}\n"; got != want {
			t.Errorf("dropped %q, not %q", got, want)
		}
		if n := len(r.AppendLine(nil)); n > r.Size() {
			t.Errorf("%d bytes of %d", n, r.Size())
		}
	}
}
