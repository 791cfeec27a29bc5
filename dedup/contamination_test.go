package dedup

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"curate/stage/stagetest"
)

// benchmarksOf makes a set of one benchmark, "b".
func benchmarksOf(t testing.TB, cfg BenchmarksConfig, items ...Item) *Benchmarks {
	t.Helper()
	b, err := NewBenchmarksBuilder(cfg, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Begin("b"); err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if err := b.Add(item); err != nil {
			t.Fatal(err)
		}
	}
	return b.Set()
}

func textItem(id, text string) Item { return Item{ID: id, Passages: []Passage{{Label: text}}} }

// foundIn are the ids with method and share.
func foundIn(set *Benchmarks, text string) (list []string) {
	m := matcher{set: set}
	for _, f := range m.match([]byte(text)) {
		list = append(list, fmt.Sprintf("%s %s %s", set.items[f.item].id, f.method, appendSimilarity(nil, f.share)))
	}
	return list
}

// TestContaminationDatatrove compares decisions, n-grams and tasks with datatrove's.
func TestContaminationDatatrove(t *testing.T) {
	lines := func(file string, f func(line []byte)) {
		b, err := os.ReadFile(filepath.Join("testdata", "contamination", file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f([]byte(line))
		}
	}
	type answer struct {
		QueryNgrams     bool `json:"query_ngrams"`
		ID, Ngram, Task string
	}
	want := map[bool]map[string]answer{false: {}, true: {}}
	lines("datatrove.jsonl", func(line []byte) {
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		want[a.QueryNgrams][a.ID] = a
	})
	for _, query := range []bool{false, true} {
		b, err := NewBenchmarksBuilder(BenchmarksConfig{Match: []string{MatchNgram}, Convention: DatatroveConvention, QueryNgrams: query}, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		task := ""
		lines("choices.jsonl", func(line []byte) {
			var row struct {
				Task, ID, Question string
				Choices            []string
			}
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			if row.Task != task {
				if err := b.Begin(row.Task); err != nil {
					t.Fatal(err)
				}
				task = row.Task
			}
			if err := b.Add(Item{row.ID, []Passage{{Query: []string{row.Question}, Label: row.Choices[1]}, {Label: row.Choices[0], Wrong: true}}}); err != nil {
				t.Fatal(err)
			}
		})
		m := matcher{set: b.Set()}
		documents, hits := 0, 0
		for _, language := range []string{"en", "eu"} {
			n := 0
			eachRow(t, filepath.Join("..", "examples", "pages", language+".jsonl.zst"), func(row *struct{ ID, Text string }) {
				if n++; n > 300 {
					return
				}
				documents++
				found := m.match([]byte(row.Text))
				w, drops := want[query][row.ID]
				if drops != (len(found) > 0) {
					t.Errorf("query %t: %s: dropped %t, datatrove says %t", query, row.ID, len(found) > 0, drops)
				}
				if !drops || len(found) == 0 {
					return
				}
				hits++
				if is := string(m.words(nil, &found[0])); is != w.Ngram || m.name(&found[0]) != w.Task {
					t.Errorf("query %t: %s: %s %q, datatrove says %s %q", query, row.ID, m.name(&found[0]), is, w.Task, w.Ngram)
				}
			})
		}
		if documents != 600 || hits != len(want[query]) || hits < 80 {
			t.Errorf("%d documents, %d hits, and datatrove has %d", documents, hits, len(want[query]))
		}
	}
}

// plainly are the words as plainWords has them, in the simplest way there is.
func plainly(s string) []string {
	var words []string
	for _, w := range strings.Fields(s) {
		w = strings.Map(func(r rune) rune {
			if unicode.IsPunct(r) || strings.ContainsRune("$+<=>^`|~", r) {
				return -1
			}
			return unicode.ToLower(r)
		}, w)
		if w != "" {
			words = append(words, w)
		}
	}
	return words
}

// gramsInCommon counts the different n-grams of a that b has, and those of both.
func gramsInCommon(a, b []string, n int) (common, ofA, ofB int) {
	grams := func(words []string) map[string]bool {
		g := map[string]bool{}
		for i := 0; i+n <= len(words); i++ {
			g[strings.Join(words[i:i+n], " ")] = true
		}
		return g
	}
	ga, gb := grams(a), grams(b)
	for g := range ga {
		if gb[g] {
			common++
		}
	}
	return common, len(ga), len(gb)
}

func contains(words, part []string) bool {
	return strings.Contains(" "+strings.Join(words, " ")+" ", " "+strings.Join(part, " ")+" ")
}

// expect says which of the items a document has, by comparing words.
func expect(cfg BenchmarksConfig, n int, items []Item, document string) map[string]string {
	doc := plainly(document)
	want := map[string]string{}
	for _, item := range items {
		for _, p := range item.Passages {
			words := plainly(p.Label)
			var method string
			common, all, _ := gramsInCommon(words, doc, n)
			nearCommon, nearAll, nearDoc := gramsInCommon(words, doc, nearWords)
			near := float64(nearCommon) / float64(max(1, nearAll))
			if cfg.Measure == Jaccard {
				near = float64(nearCommon) / float64(max(1, nearAll+nearDoc-nearCommon))
			}
			switch {
			case slices.Contains(cfg.Match, MatchExact) && len(words) > 0 && (slices.Equal(words, doc) || len(words) >= cfg.LeastWords && contains(doc, words)):
				method = MatchExact
			case slices.Contains(cfg.Match, MatchNgram) && common > 0 && float64(common) >= cfg.MinShare*float64(all):
				method = MatchNgram
			case slices.Contains(cfg.Match, MatchNear) && len(words) >= cfg.LeastWords && nearCommon > 0 && near >= cfg.Threshold:
				method = MatchNear
			}
			if method != "" {
				want[item.ID] = method
			}
		}
	}
	return want
}

// randomText is of few words, so that much repeats.
func randomText(r *rand.Rand, words int) string {
	var b strings.Builder
	for range words {
		w := []string{"a", "b", "c", "de", "D,e", "étude", "\"f\"", "g-h", "i", "—"}[r.IntN(10)]
		b.WriteString(w + []string{" ", "  ", "\n", "\u00a0"}[r.IntN(4)])
	}
	return b.String()
}

// TestContaminationAgainstWords compares all methods with what comparing words says.
func TestContaminationAgainstWords(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 0))
	hits := map[string]int{}
	for round := range 200 {
		cfg := BenchmarksConfig{
			Match: [][]string{{MatchExact}, {MatchNgram}, {MatchNear}, {MatchExact, MatchNgram, MatchNear}}[r.IntN(4)],
			Ngram: 2 + r.IntN(6), MinShare: []float64{0, 0.5, 1}[r.IntN(3)], LeastWords: 5 + r.IntN(5),
			Measure: []string{Containment, Jaccard}[r.IntN(2)], Threshold: []float64{0.3, 0.5, 0.8, 1}[r.IntN(4)],
		}
		var items []Item
		for i := range 1 + r.IntN(12) {
			items = append(items, textItem(fmt.Sprint(i), randomText(r, r.IntN(30))))
		}
		set := benchmarksOf(t, cfg, items...)
		m := matcher{set: set, spans: true}
		for range 8 {
			document := randomText(r, r.IntN(40))
			if r.IntN(3) > 0 {
				document += items[r.IntN(len(items))].Passages[0].Label + randomText(r, r.IntN(4))
			}
			is := map[string]string{}
			for _, f := range m.match([]byte(document)) {
				is[set.items[f.item].id] = f.method
				hits[f.method]++
			}
			if want := expect(cfg, cfg.Ngram, items, document); !reflect.DeepEqual(is, want) {
				t.Fatalf("seed %d, round %d: %+v\n%v\nin %q:\n%v, want %v", seed, round, cfg, items, document, is, want)
			}
		}
	}
	for _, method := range []string{MatchExact, MatchNgram, MatchNear} {
		if hits[method] < 100 {
			t.Errorf("%s found %d", method, hits[method])
		}
	}
}

func TestContamination(t *testing.T) {
	const fox = "the quick brown fox jumps over the lazy dog"
	question := Item{"q", []Passage{{Query: []string{"Which animal is quick, brown, and jumps over dogs?"}, Label: "A fox."}}}
	exact := BenchmarksConfig{Match: []string{MatchExact}}
	ngram := BenchmarksConfig{Match: []string{MatchNgram}}
	for _, c := range []struct {
		about string
		cfg   BenchmarksConfig
		items []Item
		text  string
		want  []string
	}{
		{"case, punctuation and white space", exact, []Item{textItem("f", fox)}, "So: \"The  QUICK brown\nfox — jumps, over the lazy dog\"!", []string{"f exact 1"}},
		{"not across words", exact, []Item{textItem("f", fox)}, "So: the quick brown fox jumps over the lazy dogs", nil},
		{"an item of few words within a document", exact, []Item{textItem("s", "hello world")}, "he says hello world", nil},
		{"as the document", exact, []Item{textItem("s", "hello world")}, "Hello, world!", []string{"s exact 1"}},
		{"a question without its answer", exact, []Item{question}, "Asked: which animal is quick, brown and jumps over dogs? Nobody knew.", []string{"q exact 1"}},
		{"an answer of few words", exact, []Item{question}, "A fox.", nil},
		{"question and answer together", exact, []Item{{"t", []Passage{{Query: []string{"Who jumps over dogs"}, Label: "the quick brown fox jumps"}}}}, "Who jumps over dogs? The quick brown fox jumps.", []string{"t exact 1"}},
		{"a character of a script without spaces is a word", exact, []Item{textItem("z", "今天天气很好我们")}, "他说今天天气很好,我们走", []string{"z exact 1"}},
		{"n is the percentile, 9", ngram, []Item{textItem("f", fox)}, "a quick brown fox jumps over the lazy dog", nil},
		{"n is 8 at least", ngram, []Item{textItem("f", fox), textItem("s", "hello world")}, "a quick brown fox jumps over the lazy dog", []string{"f ngram 0.5"}},
		{"of words, one is enough", BenchmarksConfig{Match: []string{MatchNgram}, Ngram: 3}, []Item{textItem("f", fox)}, "a lazy brown fox jumps high", []string{"f ngram 0.142857"}},
		{"a share", BenchmarksConfig{Match: []string{MatchNgram}, Ngram: 3, MinShare: 0.3}, []Item{textItem("f", fox)}, "a lazy brown fox jumps high", nil},
		{"n-grams of question and answer", BenchmarksConfig{Match: []string{MatchNgram}, Ngram: 4}, []Item{question}, "jumps over dogs a", []string{"q ngram 0.125"}},
		{"near", BenchmarksConfig{Match: []string{MatchNear}, Threshold: 0.6}, []Item{textItem("f", fox)}, "I say: the quick brown fox jumps over the dog", []string{"f near 0.6"}},
		{"near, as a whole", BenchmarksConfig{Match: []string{MatchNear}, Threshold: 0.6, Measure: Jaccard}, []Item{textItem("f", fox)}, "I say: the quick brown fox jumps over the dog", nil},
		{"nothing", BenchmarksConfig{Match: []string{MatchExact, MatchNgram, MatchNear}}, []Item{textItem("e", ""), textItem("p", "—!?")}, "", nil},
	} {
		if is := foundIn(benchmarksOf(t, c.cfg, c.items...), c.text); !slices.Equal(is, c.want) {
			t.Errorf("%s: %v, want %v", c.about, is, c.want)
		}
	}
}

// TestContaminationN checks the 5th percentile.
func TestContaminationN(t *testing.T) {
	for _, c := range []struct{ lengths, want int }{{3, 8}, {10, 10}, {40, 13}} {
		var items []Item
		for i := range 40 {
			n := 20
			if i < 2 { // of 40 passages, the second is the 5th percentile
				n = c.lengths
			}
			items = append(items, textItem("", strings.Repeat("w ", n)))
		}
		if c.lengths > 20 {
			items = items[:1]
		}
		if n := benchmarksOf(t, BenchmarksConfig{}, items...).list[0].ngram; n != c.want {
			t.Errorf("two of %d words: n is %d, want %d", c.lengths, n, c.want)
		}
	}
}

func TestContaminationCut(t *testing.T) {
	a, b, c := strings.Repeat("a ", 50), strings.Repeat("ß ", 50), strings.Repeat("c ", 50)
	item := "one two three four five six seven eight"
	for _, x := range []struct {
		about  string
		cfg    CutConfig
		text   string
		want   string
		pieces int
	}{
		{"with a window of characters", CutConfig{Window: 4, LeastPiece: 10}, a + item + " " + b, strings.TrimSpace(a[:96]) + "\n\n" + strings.TrimSpace(strings.Repeat("ß ", 48)), 2},
		{"without one", CutConfig{Window: -1, LeastPiece: 10}, a + item + " " + b, strings.TrimSpace(a) + "\n\n" + strings.TrimSpace(b), 2},
		{"pieces that are short go", CutConfig{Window: -1, LeastPiece: 100}, a + "a " + item + " and " + item + " " + c, strings.TrimSpace(a + "a"), 3},
		{"too many pieces", CutConfig{Window: -1, LeastPiece: 1, MostPieces: 2}, "x " + item + " y " + item + " z", "", 3},
		{"nothing is left", CutConfig{}, "x " + item + " y", "", 0},
		{"windows that meet", CutConfig{Window: 10, LeastPiece: 1}, a + item + " short " + item + " " + c, strings.TrimSpace(a[:90]) + "\n\n" + strings.TrimSpace(c[10-1:]), 2},
	} {
		m := matcher{set: benchmarksOf(t, BenchmarksConfig{Match: []string{MatchExact, MatchNgram}}, textItem("i", item)), spans: true}
		x.cfg.resolve()
		m.match([]byte(x.text))
		is, pieces := x.cfg.appendPieces(nil, []byte(x.text), m.plain.words, m.stretches)
		if string(is) != x.want || pieces != x.pieces {
			t.Errorf("%s: %d pieces\n%q, want %d\n%q", x.about, pieces, is, x.pieces, x.want)
		}
	}
}

// TestDecontaminatorStage runs the laws of stages, in all modes.
func TestDecontaminatorStage(t *testing.T) {
	items := []Item{textItem("fox", "the quick brown fox jumps over the lazy dog"), textItem("dog", "a dog that is lazy does not jump over any fox")}
	long := strings.Repeat("word after word ", 20)
	lines := [][]byte{
		[]byte(`{"text":"The quick brown fox jumps over the lazy dog."}`),
		[]byte(`{"text":"` + long + `the quick brown fox jumps over the lazy dog ` + long + `","n":1}`),
		[]byte(`{"text":"` + long + `"}`),
		[]byte(`{"n":1}`),
		[]byte(`{"text":null}`),
		[]byte(`{"text":"A dog that is lazy\ndoes not jump over any fox","curate":3}`),
		[]byte(`{"text":"","curate":{"x":1}}`),
		[]byte(`{"text":"a dog that is lazy does not jump, nor over any fox"}`),
	}
	for i := range 16 {
		lines = append(lines, fmt.Appendf(nil, `{"text":"%sdocument %d","id":%d}`, []string{"", long, "so the quick brown fox jumps over the lazy dog "}[i%3], i, i))
	}
	for _, mode := range []string{DropMode, CutMode, AnnotateMode} {
		for _, match := range [][]string{{MatchExact, MatchNgram}, {MatchNear}} {
			d, err := NewDecontaminator(DecontaminatorConfig{
				Benchmarks: benchmarksOf(t, BenchmarksConfig{Match: match, Threshold: 0.4}, items...), Mode: mode, Verdicts: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			stagetest.Mapper(t, d, lines)
		}
	}
}

// TestBenchmarksMemory checks that the limit is one.
func TestBenchmarksMemory(t *testing.T) {
	b, err := NewBenchmarksBuilder(BenchmarksConfig{}, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Begin("b"); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err = b.Add(textItem("", strings.Repeat("w ", 10))); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "take more than") {
		t.Error(err)
	}
	if err := b.Begin("b"); err == nil {
		t.Error("two benchmarks have one name")
	}
	if err := b.Begin("a:b"); err == nil {
		t.Error("a colon in a name")
	}
}

// TestContaminationNoAllocations: none per document once the worker has its memory.
func TestContaminationNoAllocations(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	r := rand.New(rand.NewPCG(1, 0))
	var items []Item
	for range 20 {
		items = append(items, textItem("", randomText(r, 20)))
	}
	set := benchmarksOf(t, BenchmarksConfig{Match: []string{MatchExact, MatchNgram, MatchNear}, Ngram: 3}, items...)
	m := matcher{set: set, spans: true}
	text := []byte(randomText(r, 500))
	m.match(text)
	if n := testing.AllocsPerRun(50, func() { m.match(text) }); n > 0 {
		t.Errorf("%v allocations a document", n)
	}
}

// FuzzContamination compares words, and what is found, with the simple way; places lie in the text.
func FuzzContamination(f *testing.F) {
	f.Add("The quick brown fox", "a quick, BROWN fox\u00a0jumps")
	f.Add("今天天气很好我们", "x今天天气很好,我们y")
	f.Add("ΟΔΟΣ a\u0301 —", "\x1c don't İ")
	f.Fuzz(func(t *testing.T, item, document string) {
		item, document = strings.ToValidUTF8(item, "?"), strings.ToValidUTF8(document, "?")
		cfg := BenchmarksConfig{Match: []string{MatchExact, MatchNgram, MatchNear}, Ngram: 2, LeastWords: 3, Threshold: 0.5}
		set := benchmarksOf(t, cfg, textItem("i", item))
		m := matcher{set: set, spans: true}
		found := m.match([]byte(document))
		last := int32(0)
		for _, w := range m.plain.words {
			if w.lo < last || w.hi <= w.lo || int(w.hi) > len(document) {
				t.Fatalf("a word from %d to %d behind %d", w.lo, w.hi, last)
			}
			last = w.hi
		}
		for i := range found {
			if len(m.words([]byte(document), &found[i])) == 0 {
				t.Fatal("nothing was found, and said to be")
			}
		}
		cut := CutConfig{}
		cut.resolve()
		if len(m.stretches) > 0 != (len(found) > 0) {
			t.Fatalf("%d items and %d places", len(found), len(m.stretches))
		}
		if out, _ := cut.appendPieces(nil, []byte(document), m.plain.words, m.stretches); len(out) > len(document) {
			t.Fatal("a cut made it longer")
		}
		// An item is in itself, unless it has no words.
		if is := m.match([]byte(item)); len(is) != min(1, len(m.plain.words)) {
			t.Fatalf("%q is %d times in itself", item, len(is))
		}
	})
}
