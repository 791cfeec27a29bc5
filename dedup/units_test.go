package dedup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// unitLines are records whose texts share lines and sentences, within and among them, and bad ones.
func unitLines() [][]byte {
	rng := rand.New(rand.NewPCG(11, 11))
	line := func() string {
		return []string{
			"We use cookies to make this page better for you. Accept?", "WE USE cookies to make this page better for you. Accept?",
			fmt.Sprintf("Written on %d.%d. by somebody who is not named here.", rng.IntN(28)+1, rng.IntN(12)+1), "short", "",
			fmt.Sprintf("Only here: %d. One two. Three four. Five six.", rng.IntN(1e6)), "One two. Three four. Five six. And so on until the end.", "```",
		}[rng.IntN(8)]
	}
	var all [][]byte
	for i := range 120 {
		var doc []string
		for range rng.IntN(7) {
			doc = append(doc, line())
		}
		quoted, _ := json.Marshal(strings.Join(doc, "\n"))
		all = append(all, fmt.Appendf(nil, `{"id":%d,"text":%s}`, i, quoted))
	}
	for i, bad := range []string{`{}`, `{"text":7}`, `no json`, `{"text":"We use cookies to make this page better for you. Accept?","curate":7}`, `{"text":"once","curate":[]}`} {
		all = slices.Insert(all, 20*i+11, []byte(bad))
	}
	return all
}

func TestUnitsStage(t *testing.T) {
	for name, cfg := range map[string]UnitsConfig{
		"lines":               {Unit: Lines},
		"lines, verdicts":     {Unit: Lines, Verdicts: true, MinWords: 5},
		"lines, annotate":     {Unit: Lines, Annotate: true},
		"lines, none":         {Unit: Lines, Keep: "none", MinCount: 3, MinChars: 1},
		"paragraphs":          {Unit: Paragraphs},
		"sentences":           {Unit: Sentences},
		"sentences, annotate": {Unit: Sentences, Annotate: true, Span: 1},
	} {
		t.Run(name, func(t *testing.T) { stagetest.Reducer(t, mustUnits(t, cfg), unitLines()) })
	}
	t.Run("many ranges and spills", func(t *testing.T) {
		u := mustUnits(t, UnitsConfig{Unit: Lines})
		u.rangeSize, u.spillSize = 40*unitWidth, 3*pairWidth
		stagetest.Reducer(t, u, unitLines())
	})
}

func TestURLStage(t *testing.T) {
	var all [][]byte
	for i := range 60 {
		all = append(all, fmt.Appendf(nil, `{"url":"http%s://%sa.eu/%d","n":%d}`, strings.Repeat("s", i%2), strings.Repeat("www.", i/2%2), i%13, i))
	}
	all = append(all, []byte(`{"n":1}`), []byte(`{"url":""}`), []byte(`{"url":null}`), []byte(`{"url":""}`), []byte(`{"url":7}`), []byte(`x`), []byte(`{"url":"http://a.eu/1","curate":1}`))
	stagetest.Reducer(t, mustExact(t, ExactConfig{URL: true, Verdicts: true}), all)
	e := mustExact(t, ExactConfig{URL: true})
	if got, want := string(e.Spec().Config.(json.RawMessage)), `{"annotate":false,"field":"url","form":"url","id_field":"id","keep":"first","method":"url","source_field":"source"}`; got != want {
		t.Errorf("configuration %s", got)
	}
	if _, err := NewExact(ExactConfig{URL: true, Keep: "longest"}); err == nil || !strings.Contains(err.Error(), "method url") {
		t.Errorf("keep longest: %v", err)
	}
	if _, err := NewExact(ExactConfig{Form: "lowr"}); err == nil || !strings.Contains(err.Error(), `"lower"`) {
		t.Errorf("form lowr: %v", err)
	}
}

func TestUnitsConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  UnitsConfig
		want string
	}{
		{UnitsConfig{Unit: Lines}, `{"annotate":false,"field":"text","form":"ccnet","keep":"first","method":"lines","min_chars":31,"min_count":2,"min_words":0}`},
		{UnitsConfig{Unit: Sentences}, `{"annotate":false,"field":"text","form":"simplified","keep":"first","language":"en","method":"sentences","min_chars":1,"min_count":2,"min_words":0,"span":3}`},
	} {
		if got := string(mustUnits(t, c.cfg).Spec().Config.(json.RawMessage)); got != c.want {
			t.Errorf("configuration %s", got)
		}
	}
	for _, c := range []struct {
		cfg  UnitsConfig
		want string
	}{
		{UnitsConfig{Unit: "words"}, `a text has no "words"`},
		{UnitsConfig{Unit: Lines, Keep: "longest"}, `"first" and "none" are`},
		{UnitsConfig{Unit: Lines, MinCount: 1}, "between 2 and 65536"},
		{UnitsConfig{Unit: Lines, MinChars: -1}, "above 0"},
		{UnitsConfig{Unit: Lines, MinWords: -1}, "not below 0"},
		{UnitsConfig{Unit: Lines, Span: 3}, "span and language are of sentences"},
		{UnitsConfig{Unit: Lines, Form: "url"}, "form url is one of the values of a field"},
		{UnitsConfig{Unit: Sentences, Span: 101}, "between 1 and 100"},
		{UnitsConfig{Unit: Sentences, Language: "xy"}, `language "xy"`},
	} {
		if _, err := NewUnits(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}

// docs are records with these texts, at offsets 0, 1, 2… of file 1.
func docs(texts []string) *record.Batch {
	b := &record.Batch{}
	for i, s := range texts {
		quoted, _ := json.Marshal(s)
		b.Append(record.MakeID(1, int64(i)), int64(i+1), fmt.Appendf(nil, `{"text":%s}`, quoted))
	}
	b.Parse()
	return b
}

// cutOut runs the whole method on texts and says what is left of each, "RULE:REASON" of a dropped one, and the tallies.
func cutOut(t testing.TB, u *Units, texts []string) (left []string, tallies map[string]int64) {
	t.Helper()
	tallies = map[string]int64{}
	count := func(b *record.Batch) {
		for _, n := range b.TakeTallies() {
			tallies[n.Name] += n.N
		}
	}
	b := docs(texts)
	if err := u.Key().NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	count(b)
	p := u.NewPartial()
	if err := p.Add(b); err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := p.Seal(&sealed); err != nil {
		t.Fatal(err)
	}
	ws := stagetest.NewWorkspace(16<<20, 2)
	m, err := u.Finish(t.Context(), []stage.Sealed{{Size: int64(sealed.Len()), Data: inMemory{bytes.NewReader(sealed.Bytes())}}}, ws)
	if err != nil {
		t.Fatal(err)
	}
	if names := ws.Names(); !slices.Equal(names, []string{cutsFile}) {
		t.Errorf("files %v are left", names)
	}
	if err := m.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	count(b)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			left = append(left, r.Rule+":"+r.Reason)
			continue
		}
		var scratch []byte
		s, err := r.Text(record.MustPath("text"), &scratch)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, string(s))
	}
	return left, tallies
}

func TestUnits(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   UnitsConfig
		texts []string
		want  []string
	}{
		"first": {UnitsConfig{Unit: Lines, MinChars: 1}, []string{"a\nb", "b\nc\na", "A!\nC", "a"},
			[]string{"a\nb", "c", "A!", "lines:nothing_left"}},
		"none": {UnitsConfig{Unit: Lines, MinChars: 1, Keep: "none"}, []string{"a\nb", "b\nc\na", "A!\nC", "a"},
			[]string{"lines:nothing_left", "lines:nothing_left", "A!", "lines:nothing_left"}},
		"three times": {UnitsConfig{Unit: Lines, MinChars: 1, MinCount: 3}, []string{"a\nb", "b\nc\na", "a", "a\nd"},
			[]string{"a\nb", "b\nc", "lines:nothing_left", "d"}},
		"three times, none": {UnitsConfig{Unit: Lines, MinChars: 1, MinCount: 3, Keep: "none"}, []string{"a\nb", "b\nc\na", "a", "a\nd"},
			[]string{"b", "b\nc", "lines:nothing_left", "d"}},
		"as written":   {UnitsConfig{Unit: Lines, MinChars: 1, Form: "none"}, []string{"a\nA", "a \na\u0301", "A\ná"}, []string{"a\nA", "a\u0301", "á"}},
		"nfc":          {UnitsConfig{Unit: Lines, MinChars: 1, Form: "nfc"}, []string{"a\nA", "a \na\u0301", "A\ná\nb"}, []string{"a\nA", "a\u0301", "b"}},
		"short lines":  {UnitsConfig{Unit: Lines, MinChars: 3}, []string{"abc\nab", "abc\nab"}, []string{"abc\nab", "ab"}},
		"within a doc": {UnitsConfig{Unit: Lines, MinChars: 1}, []string{"a\nb\na\n"}, []string{"a\nb"}},
		"code":         {UnitsConfig{Unit: Lines, MinChars: 1}, []string{"a\n```\na\n```", "a\n```\na\n```"}, []string{"a\n```\na\n```", "```\na\n```"}},
		"few words":    {UnitsConfig{Unit: Lines, MinChars: 1, MinWords: 3}, []string{"a b", "a b\nc d", "a b\nc d e"}, []string{"a b", "lines:too_few_words", "c d e"}},
		"paragraphs":   {UnitsConfig{Unit: Paragraphs, MinChars: 1}, []string{"a\nb\n\nc", "b\n\na\nb\n\nc"}, []string{"a\nb\n\nc", "b"}},
		"sentences": {UnitsConfig{Unit: Sentences}, []string{"One two. Three four. Five six. End.", "Begin! One, two. Three four. Five six. Other."},
			[]string{"One two. Three four. Five six. End.", "Begin! Other."}},
		"two sentences": {UnitsConfig{Unit: Sentences, Span: 2}, []string{"One two. Three four.", "Three four. One two. Three four. Five six."},
			[]string{"One two. Three four.", "Three four. Five six."}},
		"nothing": {UnitsConfig{Unit: Sentences}, []string{"", " ", "A."}, []string{"", " ", "A."}},
	} {
		if got, _ := cutOut(t, mustUnits(t, c.cfg), c.texts); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestUnitsTallies(t *testing.T) {
	_, got := cutOut(t, mustUnits(t, UnitsConfig{Unit: Lines, MinChars: 2}), []string{"aa\nb\n", "aa\nbb\n\naa\nbb", "aa"})
	want := map[string]int64{"lines": 7, "lines_compared": 6, "lines_cut": 4, "text_bytes": 19, "text_bytes_cut": 12, "documents_cut": 2}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestOneOfEach: whatever is cut, one of each line and of each sentence is left somewhere, and nothing else goes.
func TestOneOfEach(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var texts []string
		for range 1 + rng.IntN(8) {
			var doc []string
			for range rng.IntN(9) {
				doc = append(doc, fmt.Sprintf("Word%c.", 'a'+rune(rng.IntN(5))))
			}
			texts = append(texts, strings.Join(doc, " "))
		}
		for span := 1; span <= 4; span++ {
			left, _ := cutOut(t, mustUnits(t, UnitsConfig{Unit: Sentences, Span: span}), texts)
			checkOneOfEach(t, seed, texts, left, " ", span)
		}
		for i := range texts {
			texts[i] = strings.ReplaceAll(texts[i], " ", "\n")
		}
		left, _ := cutOut(t, mustUnits(t, UnitsConfig{Unit: Lines, MinChars: 1}), texts)
		checkOneOfEach(t, seed, texts, left, "\n", 1)
	}
}

func checkOneOfEach(t *testing.T, seed uint64, texts, left []string, sep string, span int) {
	t.Helper()
	count := func(texts []string) map[string]int {
		n := map[string]int{}
		for _, s := range texts {
			for _, u := range strings.Split(s, sep) {
				if u != "" && !strings.Contains(u, ":") {
					n[u]++
				}
			}
		}
		return n
	}
	was, is := count(texts), count(left)
	for u := range was {
		if is[u] == 0 || span == 1 && is[u] != 1 {
			t.Fatalf("seed %d, span %d: %q: %d of %d are left\n%q\n%q", seed, span, u, is[u], was[u], texts, left)
		}
	}
	for i := range texts {
		if !strings.Contains(left[i], ":") && len(left[i]) > len(texts[i]) {
			t.Fatalf("seed %d: %q became %q", seed, texts[i], left[i])
		}
	}
}

func TestUnitsVerdict(t *testing.T) {
	u := mustUnits(t, UnitsConfig{Unit: Lines, MinChars: 1, Annotate: true})
	b := docs([]string{"é\nb", "x\né\nb", "é", "q"})
	if err := u.Key().NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	p := u.NewPartial()
	if err := p.Add(b); err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := p.Seal(&sealed); err != nil {
		t.Fatal(err)
	}
	m, err := u.Finish(t.Context(), []stage.Sealed{{Size: int64(sealed.Len()), Data: inMemory{bytes.NewReader(sealed.Bytes())}}}, stagetest.NewWorkspace(16<<20, 2))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`{"text":"é\nb","curate":{"dedup":{"method":"lines","verdict":"keep","lines":2,"lines_cut":0,"text_bytes_cut":0}}}`,
		`{"text":"x\né\nb","curate":{"dedup":{"method":"lines","verdict":"keep","lines":3,"lines_cut":2,"text_bytes_cut":5,"spans":[[2,4],[4,5]]}}}`,
		`{"text":"é","curate":{"dedup":{"method":"lines","verdict":"drop","rule":"lines","reason":"nothing_left","lines":1,"lines_cut":1,"text_bytes_cut":2,"spans":[[0,1]]}}}`,
		`{"text":"q","curate":{"dedup":{"method":"lines","verdict":"keep","lines":1,"lines_cut":0,"text_bytes_cut":0}}}`,
	} {
		if got := string(b.Records[i].AppendLine(nil)); got != want+"\n" || b.Records[i].Outcome != record.Keep {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestUnitsAllocateNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector lets pools forget")
	}
	texts := slices.Repeat([][]byte{bytes.Repeat([]byte("Hau da etxe bat – eta bestea. Hori ere bada! Zer ote da?\n"), 40)}, 20)
	for _, unit := range []string{Lines, Paragraphs, Sentences} {
		k := mustUnits(t, UnitsConfig{Unit: unit}).newCutter()
		var key []byte
		run := func() {
			for _, s := range texts {
				k.cut(s)
				key = k.appendKeys(key[:0], s)
			}
		}
		run()
		if n := testing.AllocsPerRun(5, run); n != 0 {
			t.Errorf("%s: %v allocations for %d texts", unit, n, len(texts))
		}
	}
}

func BenchmarkUnitsKey(b *testing.B) {
	texts, size := pageTexts(b, "en")
	for _, unit := range []string{Lines, Paragraphs, Sentences} {
		b.Run(unit, func(b *testing.B) {
			k := mustUnits(b, UnitsConfig{Unit: unit}).newCutter()
			var key []byte
			b.SetBytes(size)
			for b.Loop() {
				for _, s := range texts {
					k.cut(s)
					key = k.appendKeys(key[:0], s)
				}
			}
		})
	}
}
