package memory

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/translate/protect"
)

var ticked = regexp.MustCompile("`[^`]*`")

// ticks masks what stands between backticks, as protect does with more.
func ticks(s string) (m protect.Masked) {
	var at [][]int
	at = ticked.FindAllStringIndex(s, -1)
	begin, end := 0, len(s)
	for begin < end && s[begin] == ' ' {
		begin++
	}
	if len(at) > 0 && at[0][0] == begin {
		begin = at[0][1]
		at = at[1:]
		for begin < end && s[begin] == ' ' {
			begin++
		}
	}
	if n := len(at); n > 0 && at[n-1][1] == end {
		end = at[n-1][0]
		at = at[:n-1]
	}
	for end > begin && s[end-1] == ' ' {
		end--
	}
	m.Before, m.After = s[:begin], s[end:]
	for i, a := range at {
		m.Template.Text = append(m.Template.Text, s[begin:a[0]])
		m.Template.Holes = append(m.Template.Holes, i)
		m.Values = append(m.Values, s[a[0]:a[1]])
		begin = a[1]
	}
	m.Template.Text = append(m.Template.Text, s[begin:end])
	return m
}

func export(t testing.TB, s *Store) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Export(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func sorted(lines string) []string {
	return slices.Sorted(strings.Lines(lines))
}

func TestImportLines(t *testing.T) {
	sentences := func(s string) []string { return strings.SplitAfter(s, ". ") }
	for name, c := range map[string]struct {
		in   string
		im   Importer
		want string // of the export, sorted; or of the error
		done Imported
	}{
		"entry": {
			in:   `{"engine":"e","from":"en","to":"eu","source":["Open ",0," now."],"target":["Ireki ",0,"."],"rung":"first","attempts":2,"checks":{"ratio":0.5},"score":0.25}`,
			want: `{"engine":"e","from":"en","to":"eu","source":["Open ",0," now."],"target":["Ireki ",0,"."],"rung":"first","attempts":2,"checks":{"ratio":0.5},"score":0.25}` + "\n",
			done: Imported{Read: 1, Kept: 1},
		},
		"entry that failed, members unknown, blank lines, byte order mark": {
			in:   "\ufeff\r\n  \n" + `{"note":{"a":[1]},"engine":"e","from":"en","to":"eu","source":"a","target":"","failed":"no answer"}` + "\r\n\n",
			want: `{"engine":"e","from":"en","to":"eu","source":"a","target":"","failed":"no answer"}` + "\n",
			done: Imported{Read: 1, Kept: 1},
		},
		"an array is a template even without an engine": {
			in:   `{"from":"en","to":"eu","source":["Open ",0],"target":[0," ireki"]}`,
			im:   Importer{Engine: "e"},
			want: `{"engine":"e","from":"en","to":"eu","source":["Open ",0],"target":[0," ireki"]}` + "\n",
			done: Imported{Read: 1, Kept: 1},
		},
		"texts by language": {
			in:   `{"id":"x","en":" Open ` + "`a` or `b`" + ` now. ","eu":"Ireki ` + "`b` edo `a`" + `.","tag":1}`,
			im:   Importer{From: "en", To: "eu", Mask: ticks},
			want: `{"engine":"","from":"en","to":"eu","source":["Open ",0," or ",1," now."],"target":["Ireki ",1," edo ",0,"."]}` + "\n",
			done: Imported{Read: 1, Kept: 1},
		},
		"texts by side, with languages of their own": {
			in: `{"source":"one","target":"bat","from":"en","to":"eu"}` + "\n" + `{"source":"one","target":"uno","to":"es"}` + "\n" + `{"source":"two","target":"bi"}`,
			im: Importer{From: "en", To: "eu", Engine: "e"},
			want: `{"engine":"e","from":"en","to":"es","source":"one","target":"uno"}` + "\n" +
				`{"engine":"e","from":"en","to":"eu","source":"one","target":"bat"}` + "\n" +
				`{"engine":"e","from":"en","to":"eu","source":"two","target":"bi"}` + "\n",
			done: Imported{Read: 3, Kept: 3},
		},
		"known": {
			in:   `{"source":"one","target":"bat"}` + "\n" + `{"source":"one","target":"bata"}`,
			im:   Importer{From: "en", To: "eu", Engine: "e"},
			want: `{"engine":"e","from":"en","to":"eu","source":"one","target":"bat"}` + "\n",
			done: Imported{Read: 2, Kept: 1, Known: 1},
		},
		"a later correction": {
			in:   `{"source":"one","target":"bat"}` + "\n" + `{"source":"one","target":"bata"}` + "\n" + `{"source":"one","target":"bata"}`,
			im:   Importer{From: "en", To: "eu"},
			want: `{"engine":"","from":"en","to":"eu","source":"one","target":"bata"}` + "\n",
			done: Imported{Read: 3, Kept: 2, Known: 1},
		},
		"an export, all of it as another engine's": {
			in: `{"engine":"e","from":"en","to":"eu","source":"one","target":"bat"}` + "\n" + `{"engine":"failed e","from":"en","to":"eu","source":"two","target":"","failed":"empty"}` + "\n" +
				`{"source":"three","target":"hiru"}`,
			im: Importer{From: "en", To: "eu", Engine: "tm 1", All: true},
			want: `{"engine":"tm 1","from":"en","to":"eu","source":"one","target":"bat"}` + "\n" +
				`{"engine":"tm 1","from":"en","to":"eu","source":"three","target":"hiru"}` + "\n",
			done: Imported{Read: 3, Kept: 2, Refused: map[string]int64{"failed": 1}},
		},
		"refused": {
			in: `{"source":"one","target":""}` + "\n" + `{"source":" ","target":"bat"}` + "\n" + `{"source":"one","target":null}` + "\n" +
				`{"source":"12 + 3","target":"15"}` + "\n" +
				`{"source":" the very same words","target":"the very same words "}` + "\n" +
				"{\"source\":\"`a` one\",\"target\":\"bat\"}\n" +
				"{\"source\":\"`a`one\",\"target\":\"`a` bat\"}\n" + // white space at the edge does not matter
				"{\"source\":\"one `a`\",\"target\":\"bat `b`\"}\n" +
				"{\"source\":\"one `a` two\",\"target\":\"bat `b` bi\"}\n" +
				"{\"source\":\"one `a` three\",\"target\":\"bat `a` `a` hiru\"}\n",
			im:   Importer{From: "en", To: "eu", Mask: ticks},
			want: `{"engine":"","from":"en","to":"eu","source":"one","target":"bat"}` + "\n",
			done: Imported{Read: 10, Kept: 1, Refused: map[string]int64{"empty": 4, "untranslated": 1, "edges": 2, "placeholders": 2}},
		},
		"the same three words": {
			in:   `{"source":"San Sebastián Film","target":"San Sebastián Film"}`,
			im:   Importer{From: "en", To: "eu"},
			want: `{"engine":"","from":"en","to":"eu","source":"San Sebastián Film","target":"San Sebastián Film"}` + "\n",
			done: Imported{Read: 1, Kept: 1},
		},
		"cut": {
			in: `{"source":"One. Two. ","target":"Bat. Bi. "}` + "\n" + `{"source":"Three. Four.","target":"Hiru, lau."}` + "\n" +
				`{"source":"Five. This is not translated, really. ","target":"Bost. This is not translated, really. "}`,
			im: Importer{From: "en", To: "eu", Cut: sentences, Mask: ticks},
			want: `{"engine":"","from":"en","to":"eu","source":"Five.","target":"Bost."}` + "\n" +
				`{"engine":"","from":"en","to":"eu","source":"One.","target":"Bat."}` + "\n" +
				`{"engine":"","from":"en","to":"eu","source":"Three. Four.","target":"Hiru, lau."}` + "\n" +
				`{"engine":"","from":"en","to":"eu","source":"Two.","target":"Bi."}` + "\n",
			done: Imported{Read: 3, Kept: 4, Refused: map[string]int64{"untranslated": 1, "empty": 2}},
		},
		"no languages":     {in: `{"source":"one","target":"bat"}`, want: `x.jsonl:1: the line does not say its languages`},
		"one language":     {in: `{"source":"one","target":"bat","from":"eu"}`, im: Importer{From: "en", To: "eu"}, want: `x.jsonl:1: "eu" is translated to itself`},
		"a side missing":   {in: "\n" + `{"en":"one","fr":"un"}`, im: Importer{From: "en", To: "eu"}, want: `x.jsonl:2: there is no "eu"`},
		"target missing":   {in: `{"source":"one"}`, im: Importer{From: "en", To: "eu"}, want: `x.jsonl:1: there is no "target"`},
		"a number":         {in: `{"source":"one","target":1}`, im: Importer{From: "en", To: "eu"}, want: `x.jsonl:1: "target" is no text`},
		"language no text": {in: `{"source":"one","target":"bat","from":7}`, im: Importer{From: "en", To: "eu"}, want: `x.jsonl:1: "from" is no text`},
		"not JSON":         {in: `{"source":"one","target":"bat","from":"en","to":"eu"}` + "\nsource\ttarget\n", want: `x.jsonl:2: jsontext: `},
		"not an object":    {in: `["a"]`, want: `x.jsonl:1: json: `},
		"null":             {in: `null`, want: `x.jsonl:1: null is no entry`},
		"name twice":       {in: `{"source":"one","source":"two"}`, want: `x.jsonl:1: jsontext: duplicate`},
		"entry, no target": {in: `{"engine":"e","from":"en","to":"eu","source":"a"}`, want: `x.jsonl:1: an entry has "from"`},
		"entry, no from":   {in: `{"engine":"e","to":"eu","source":"a","target":"b"}`, want: `x.jsonl:1: an entry has "from"`},
		"entry's holes":    {in: `{"engine":"e","from":"en","to":"eu","source":["a",0],"target":"b"}`, want: `x.jsonl:1: translation memory: hole 0 of the source is not in the target`},
		"failed by hand":   {in: `{"engine":"","from":"en","to":"eu","source":"a","target":"","failed":"x"}`, want: `x.jsonl:1: translation memory: a correction cannot have failed`},
		"a long line":      {in: `{"source":"` + strings.Repeat("a", maxLine), want: `x.jsonl:1: the line is longer than`},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, "", Options{})
			done, err := s.Import("x.jsonl", strings.NewReader(c.in), c.im)
			if strings.HasPrefix(c.want, "x.jsonl:") {
				if err == nil || !strings.HasPrefix(err.Error(), c.want) {
					t.Fatal(err)
				}
				return
			}
			if c.done.Refused == nil {
				c.done.Refused = map[string]int64{}
			}
			if got := strings.Join(sorted(export(t, s)), ""); err != nil || got != c.want || !reflect.DeepEqual(done, c.done) {
				t.Errorf("%v\n%swant\n%s%+v, want %+v", err, got, c.want, done, c.done)
			}
		})
	}
}

// TestRoundTrip holds that Export, Import and Export give the same bytes, whatever the order of what was put.
func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := mustOpen(t, "", Options{})
	for range 3000 {
		mustPut(t, s, random(rnd))
	}
	first := export(t, s)
	if n := strings.Count(first, "\n"); n != s.Len() || n < 500 {
		t.Fatalf("%d lines of %d keys", n, s.Len())
	}
	lines := slices.Collect(strings.Lines(first))
	for range 2 {
		again := mustOpen(t, "", Options{})
		done, err := again.Import("first", strings.NewReader(strings.Join(lines, "")), Importer{Engine: "not this one"})
		if err != nil || done.Kept != int64(s.Len()) || done.Read != int64(s.Len()) {
			t.Fatal(done, err)
		}
		if export(t, again) != first {
			t.Fatal("not the same bytes")
		}
		done, err = again.Import("first", strings.NewReader(first), Importer{})
		if err != nil || done.Known != int64(s.Len()) || done.Kept != 0 || export(t, again) != first {
			t.Fatal("a second time something was kept:", done, err)
		}
		rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	}
}

// TestParallel imports 2,000 real pairs.
func TestParallel(t *testing.T) {
	f, err := os.Open("testdata/parallel.en-eu.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	s := mustOpen(t, t.TempDir(), Options{})
	done, err := s.Import("parallel.en-eu.jsonl", z, Importer{From: "en", To: "eu", Engine: "human", Mask: ticks})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", done)
	if want := "{Read:1985 Kept:1923 Known:0 Refused:map[empty:31 untranslated:31]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if int64(s.Len()) != done.Kept || done.Kept < 1500 {
		t.Errorf("%d keys", s.Len())
	}
}

// errorAfter is a reader that breaks.
type errorAfter struct{ io.Reader }

func (r errorAfter) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestImportBreaks(t *testing.T) {
	s := mustOpen(t, "", Options{})
	in := errorAfter{strings.NewReader(`{"en":"one","eu":"bat"}` + "\n" + `{"en":"two"`)}
	done, err := s.Import("x", in, Importer{From: "en", To: "eu"})
	if err == nil || !strings.HasPrefix(err.Error(), "x:2: unexpected EOF") || done.Kept != 1 || s.Len() != 1 {
		t.Error(done, err)
	}
}

// FuzzImport reads any lines: what is taken comes back to the byte.
func FuzzImport(f *testing.F) {
	for _, in := range []string{
		`{"engine":"e","from":"en","to":"eu","source":["Open ",0," now."],"target":["Ireki ",0,"."],"rung":"first","attempts":2,"checks":{"ratio":0.5},"score":0.25}`,
		`{"engine":"e","from":"en","to":"eu","source":"a","target":"","failed":"x"}`,
		"\ufeff" + `{"en":"one ` + "`a`" + ` two. Three","eu":"bat ` + "`a`" + ` bi. Hiru"}` + "\r\n\n{}",
		`{"source":"one","target":"bat","from":"en","to":"es"}`,
		`{"source":["a",0,0],"target":[1,"b"],"from":"en","to":"es"}`,
		`{"source":["",0,"",1,""],"target":[1,"b",0],"from":"en","to":"es"}`,
		`{"source":[],"target":[],"from":"en","to":"es"}`,
		`{"engine":null,"from":"\u0000","to":"eu","source":"\ud800","target":"b"}`,
		`{"engine":"x","from":"en","to":"eu","source":"a","target":"b","attempts":1e3,"checks":{"":-0.0},"score":null}`,
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s := mustOpen(t, "", Options{})
		done, err := s.Import("in", strings.NewReader(in), Importer{From: "en", To: "eu", Mask: ticks, Cut: func(s string) []string { return strings.SplitAfter(s, ". ") }})
		if err != nil && !strings.HasPrefix(err.Error(), "in:") {
			t.Fatal(err)
		}
		if done.Kept < int64(s.Len()) {
			t.Fatalf("%+v, and %d keys", done, s.Len())
		}
		first := export(t, s)
		again := mustOpen(t, "", Options{})
		done, err = again.Import("first", strings.NewReader(first), Importer{})
		if err != nil || done.Kept != int64(s.Len()) || export(t, again) != first {
			t.Fatalf("%v %+v\n%s%s", err, done, first, export(t, again))
		}
		mustClose(t, s)
		mustClose(t, again)
	})
}
