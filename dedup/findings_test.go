package dedup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// described are lines of texts that have sources and scores, some of them none.
type described struct {
	lines  [][]byte
	source []string
	score  []float64 // NaN without
}

func describe(rng *rand.Rand, texts []string) described {
	var d described
	for i, text := range texts {
		source, score := []string{"web", "wiki", "books", ""}[rng.IntN(4)], float64(rng.IntN(7)-3)/2
		line := fmt.Appendf(nil, `{"id":%d,"text":%q`, i, text)
		if source == "" {
			source = "input-1"
		} else {
			line = fmt.Appendf(line, `,"source":%q`, source)
		}
		switch rng.IntN(5) {
		case 0:
			score = math.NaN()
		case 1:
			line, score = append(line, `,"q":{"s":"2"}`...), math.NaN()
		default:
			line = fmt.Appendf(line, `,"q":{"s":%v}`, score)
		}
		d.lines, d.source, d.score = append(d.lines, append(line, '}')), append(d.source, source), append(d.score, score)
	}
	return d
}

// found reads a file of findings.
func found(t testing.TB, ws *stagetest.Workspace, name string) []byte {
	t.Helper()
	f, size, err := ws.Open(context.Background(), stage.FindingsDir+name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rowsOf(t testing.TB, b []byte) []map[string]any {
	t.Helper()
	var rows []map[string]any
	for line := range bytes.Lines(b) {
		var row map[string]any
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rows = append(rows, row)
	}
	return rows
}

// TestKeepAndVerify: with any Keep and Verify the decisions are the oracle's, what goes is similar to one that stays, and
// the findings say the same.
func TestKeepAndVerify(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	priority := []string{"books", "input-1"}
	dropped := map[string]int{}
	for round := range 96 {
		keep, verify := []string{"first", "longest", "best:q.s", "source-order"}[round%4], []string{VerifyExact, VerifySketch, VerifyNone}[round%3]
		what := fmt.Sprintf("seed %d, round %d, keep %s, verify %s", seed, round, keep, verify)
		cfg := MinHashConfig{Keep: keep, Verify: verify, Threshold: []float64{0.8, 0.6}[rng.IntN(2)], Findings: Findings{Evidence: true, Clusters: true}}
		if keep == "source-order" {
			cfg.Priority = priority
		}
		if rng.IntN(3) == 0 {
			cfg.Scheme = "datasketch1" // another width of a value
		}
		m := mustMinHash(t, cfg)
		if cfg.Scheme == "" && rng.IntN(2) == 0 {
			loose(m)
		}
		if rng.IntN(3) == 0 {
			tight(m)
		}
		texts := corpus(rng, 1+rng.IntN(150))
		lines := describe(rng, texts)
		o := &oracle{m: m, texts: texts}
		var signatures [][]uint64
		for _, text := range texts {
			var signature []uint64
			if s := m.scheme.Shingles(nil, []byte(text), &Scratch{}); len(s) > 0 {
				signature = m.scheme.Signature(nil, s)
			}
			signatures = append(signatures, signature)
		}
		sets := make([][]uint64, len(texts))
		for i, text := range texts {
			sets[i] = Set(m.scheme.Shingles(nil, []byte(text), &Scratch{}))
		}
		shared := func(i, j int) (n int) {
			for b := range m.scheme.Bands {
				if r := m.scheme.Rows; slices.Equal(signatures[i][b*r:(b+1)*r], signatures[j][b*r:(b+1)*r]) {
					n++
				}
			}
			return n
		}
		measure := func(i, j int) float64 { // as a share
			switch verify {
			case VerifyNone:
				return float64(min(shared(i, j), 1))
			case VerifySketch:
				equal := 0
				for k, v := range signatures[i] {
					if v == signatures[j][k] {
						equal++
					}
				}
				return float64(equal) / float64(len(signatures[i]))
			}
			n := Intersection(sets[i], sets[j])
			return float64(n) / float64(len(sets[i])+len(sets[j])-n)
		}
		o.other = func(i, j int) uint32 {
			s := uint32(math.Floor(1e6*measure(i, j) + 0.5))
			if s < m.threshold && verify != VerifyNone {
				return 0
			}
			return s
		}
		switch keep {
		case "best:q.s":
			o.order = func(i int) uint64 {
				if math.IsNaN(lines.score[i]) {
					return 1000
				}
				return uint64(100 - 2*lines.score[i])
			}
		case "source-order":
			o.order = func(i int) uint64 {
				if k := slices.Index(priority, lines.source[i]); k >= 0 {
					return uint64(k)
				}
				return 2
			}
		}
		want := o.decideBy()
		d, ws := finishedOf(t, m, lines.lines, rng)
		evidence, clusters := rowsOf(t, found(t, ws, "dedup.evidence.jsonl.zst")), rowsOf(t, found(t, ws, "dedup.clusters.jsonl.zst"))
		var sum summary
		if err := json.Unmarshal(found(t, ws, "dedup.json"), &sum); err != nil {
			t.Fatal(err)
		}
		c := d.NewCursor()
		row, unordered, lost, lostBytes := 0, int64(0), map[string]int64{}, map[string]int64{}
		size, gone := map[string]float64{}, map[string]float64{}
		for i := range texts {
			id := record.MakeID(1, int64(i))
			found, known, err := c.Lookup(id)
			if err != nil {
				t.Fatal(err)
			}
			w, ok := want[i]
			if verify == VerifyNone {
				w.similarity = 0
			}
			if ok != known || ok && found != (Decision{record.MakeID(1, int64(w.kept)), w.similarity, record.MakeID(1, int64(w.cluster))}) {
				t.Fatalf("%s: document %d: %v, %+v; want %v, %+v", what, i, known, found, ok, w)
			}
			if known {
				size[fmt.Sprint(int64(found.Cluster))]++
			}
			if !known || found.Kept == id {
				continue
			}
			dropped[keep]++
			dropped[verify]++
			if keep == "best:q.s" && math.IsNaN(lines.score[i]) {
				unordered++
			}
			lost[lines.source[i]]++
			lostBytes[lines.source[i]] += int64(len(texts[i]))
			gone[fmt.Sprint(int64(found.Cluster))]++
			k := int(found.Kept.Offset())
			if stays, _, err := d.NewCursor().Lookup(found.Kept); err != nil || stays.Kept != found.Kept {
				t.Fatalf("%s: document %d goes for %d, which goes itself (error %v)", what, i, k, err)
			}
			if s := measure(i, k); verify != VerifyNone && math.Round(1e6*s) < math.Round(1e6*cfg.Threshold) || s == 0 {
				t.Fatalf("%s: document %d goes for %d, and their similarity is %v", what, i, k, s)
			}
			if row == len(evidence) {
				t.Fatalf("%s: only %d rows of evidence", what, row)
			}
			expect := map[string]any{
				"dropped": fmt.Sprint(int64(id)), "kept": fmt.Sprint(int64(found.Kept)), "cluster": fmt.Sprint(int64(found.Cluster)), "source_dropped": lines.source[i],
				"source_kept": lines.source[k], "id_dropped": float64(i), "id_kept": float64(k), "method": "minhash",
			}
			if verify != VerifyNone {
				expect["similarity"] = float64(found.Similarity) / 1e6
			}
			if got := evidence[row]; fmt.Sprint(got) != fmt.Sprint(expect) {
				t.Fatalf("%s: row %d is %v, want %v", what, row, got, expect)
			}
			row++
		}
		if row != len(evidence) || int64(row) != sum.DroppedDocuments || unordered != sum.Unordered || len(sum.Samples) != min(row, maxSamples) {
			t.Fatalf("%s: %d rows of evidence, %d dropped, %d in the summary, %d samples", what, len(evidence), row, sum.DroppedDocuments, len(sum.Samples))
		}
		if len(clusters) != len(size) || sum.Clusters.Count != int64(len(size)) {
			t.Fatalf("%s: %d rows of clusters and %d in the summary, want %d", what, len(clusters), sum.Clusters.Count, len(size))
		}
		for _, r := range clusters {
			if id := r["cluster"].(string); r["size"] != size[id] || r["dropped"] != gone[id] || r["kept"] != size[id]-gone[id] {
				t.Fatalf("%s: cluster %v, want size %v, dropped %v", what, r, size[id], gone[id])
			}
		}
		all, allBytes := map[string]int64{}, map[string]int64{}
		for i, s := range lines.source {
			all[s]++
			allBytes[s] += int64(len(texts[i]))
		}
		for _, s := range sum.Sources {
			n := *s.Source
			if s.Documents != all[n] || s.Bytes != allBytes[n] || s.DroppedDocuments != lost[n] || s.DroppedBytes != lostBytes[n] {
				t.Fatalf("%s: source %s: %+v, want %d, %d, %d, %d", what, n, s, all[n], allBytes[n], lost[n], lostBytes[n])
			}
		}
		flows := int64(0)
		for _, f := range sum.Map {
			flows += f.Documents
		}
		if len(sum.Sources) != len(all) || flows != int64(row) {
			t.Fatalf("%s: %d sources, want %d; the map has %d documents, want %d", what, len(sum.Sources), len(all), flows, row)
		}
		if verify != VerifyNone {
			var compared, similar int64
			for _, b := range sum.Histogram {
				compared += b.Compared
				similar += b.Similar
			}
			if compared+sum.Pairs.Below != sum.Pairs.Compared || similar != sum.Pairs.Similar || int(similar) != len(o.edges) {
				t.Fatalf("%s: pairs %+v, the histogram has %d and %d; %d edges", what, *sum.Pairs, compared, similar, len(o.edges))
			}
		}
	}
	t.Log(dropped)
	for _, k := range []string{"first", "longest", "best:q.s", "source-order", VerifyExact, VerifySketch, VerifyNone} {
		if dropped[k] < 100 {
			t.Errorf("%s: only %d dropped, too few to show anything", k, dropped[k])
		}
	}
}

// TestFoundChance recovers the chance from the bands that found pairs share.
func TestFoundChance(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, p := range []float64{0.01, 0.05, 0.2, 0.6, 0.95, 1} {
		const bands, trials = 20, 200_000
		n, sum := 0, 0
		for range trials {
			k := 0
			for range bands {
				if rng.Float64() < p {
					k++
				}
			}
			if k > 0 {
				n++
				sum += k
			}
		}
		got, want := foundChance(float64(sum)/float64(n), bands), float64(n)/trials
		if math.Abs(got-want) > 0.02 {
			t.Errorf("a band's chance %v: %v, want %v", p, got, want)
		}
	}
	for _, c := range []struct{ mean, want float64 }{{1, 0}, {20, 1}, {25, 1}} {
		if got := foundChance(c.mean, 20); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("mean %v: %v, want %v", c.mean, got, c.want)
		}
	}
}

// TestSourcesJoin: however records of many sources are grouped, the same sources are told apart, with the same sums.
func TestSourcesJoin(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	var want []byte
	for round := range 12 {
		parts := make([]sources, 1+rng.IntN(20))
		for i := range parts {
			parts[i] = sources{}
		}
		for _, i := range rng.Perm(5 * maxSources) {
			name := fmt.Appendf(nil, "s%d", i)
			for k := range 1 + i%3 {
				if err := parts[rng.IntN(len(parts))].add(sourceNumber(name), name, int64(k+1), int64(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		all := parts[0]
		for i, p := range parts[1:] {
			if i%2 == 0 { // over a file
				q := sources{}
				if err := q.readHead(bytes.NewReader(p.appendHead(nil))); err != nil {
					t.Fatal(err)
				}
				p = q
			}
			if err := all.join(p); err != nil {
				t.Fatal(err)
			}
		}
		got := all.appendHead(nil)
		if want == nil {
			want = got
			documents, sum := int64(0), int64(0)
			for i := range 5 * maxSources {
				sum += []int64{1, 1 + 2, 1 + 2 + 3}[i%3]
			}
			for _, s := range all {
				documents += s.documents
			}
			if len(all) != maxSources+1 || documents != sum {
				t.Fatalf("%d sources, %d documents", len(all), documents)
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: another head", round)
		}
	}
}

// TestAlarm: what is said of sources.
func TestAlarm(t *testing.T) {
	name := func(s string) *string { return &s }
	s := summary{
		Sources: []sourceRates{{name("a"), 10, 1000, 6, 200}, {name("b"), 1000, 5000, 500, 1}, {nil, 4, 8, 4, 8}},
		Map:     []flow{{name("a"), name("a"), false, 1}, {name("a"), name("b"), false, 4}, {name("a"), nil, true, 1}, {name("b"), name("b"), false, 500}, {nil, name("a"), false, 4}},
	}
	for _, c := range []struct {
		f    findings
		want []string
	}{
		{findings{Findings: Findings{Alarm: 0.5}}, []string{
			`source "b": dropped 500 of 1,000 documents (50.0 %) and 1 of 5,000 bytes (0.0 %)`,
			`source "a": dropped 6 of 10 documents (60.0 %) and 200 of 1,000 bytes (20.0 %)`,
			`the group of all other sources: dropped 4 of 4 documents (100.0 %) and 8 of 8 bytes (100.0 %)`,
			`! source "a" loses 60.0 % of its documents (6 of 10), more than the alarm's 50.0 %: 4 for documents of source "b", 1 for others of its own, 1 for documents of the index`,
			`! the group of all other sources loses 100.0 % of its documents (4 of 4), more than the alarm's 50.0 %: 4 for documents of source "a"`,
		}},
	} {
		var got []string
		c.f.lines(&s, func(warning bool, line string) {
			if warning {
				line = "! " + line
			}
			got = append(got, line)
		})
		if !slices.Equal(got, c.want) {
			t.Errorf("said:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
	s.Sources = []sourceRates{{name("a"), 10, 1000, 4, 200}}
	s.DroppedDocuments, s.Unordered = 4, 4
	f := findings{Findings: Findings{Alarm: 0.39}, annotate: true, keep: keepOrder{priority: []string{"a", "c"}, field: record.MustPath("q.s")}}
	var got []string
	f.lines(&s, func(warning bool, line string) { got = append(got, fmt.Sprint(warning, " ", line)) })
	want := []string{
		`true the priority names the source "c", and no document has it`,
		"true none of the 4 duplicates has a number at q.s, so that the first stays; is that the field?",
		`true source "a" would lose 40.0 % of its documents (4 of 10), more than the alarm's 39.0 %: 4 for documents of source "b", 1 for others of its own, 1 for documents of the index`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
}

// TestGreatestFirst orders numbers as their values say, and no number behind them.
func TestGreatestFirst(t *testing.T) {
	numbers := []float64{math.Inf(1), 1e300, 2, 1, 5e-324, 0, -5e-324, -1, -2, -1e300, math.Inf(-1)}
	for i, a := range numbers {
		for j, b := range numbers {
			if x, y := greatestFirst(a), greatestFirst(b); (x < y) != (i < j) || x >= lastOrder {
				t.Errorf("%v has %x, %v has %x", a, x, b, y)
			}
		}
	}
	if greatestFirst(math.Copysign(0, -1)) != greatestFirst(0) {
		t.Error("-0 is not 0")
	}
}

// TestExactKeep: who stays of a group, and the findings.
func TestExactKeep(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for round, keep := range []string{"first", "best:q.s", "source-order", "first", "best:q.s", "source-order"} {
		cfg := ExactConfig{Keep: keep, Findings: Findings{Evidence: true, Clusters: true, Name: "dedup-exact"}}
		if keep == "source-order" {
			cfg.Priority = []string{"books", "wiki"}
		}
		e := mustExact(t, cfg)
		if round > 2 {
			small(e)
		}
		var texts []string
		for range 300 {
			texts = append(texts, fmt.Sprintf("text %d", rng.IntN(80)))
		}
		lines := describe(rng, texts)
		order := func(i int) float64 {
			switch keep {
			case "best:q.s":
				if math.IsNaN(lines.score[i]) {
					return 1000
				}
				return -lines.score[i]
			case "source-order":
				if k := slices.Index(cfg.Priority, lines.source[i]); k >= 0 {
					return float64(k)
				}
				return 2
			}
			return 0
		}
		best := map[string]int{}
		for i, text := range texts {
			if k, ok := best[text]; !ok || order(i) < order(k) {
				best[text] = i
			}
		}
		ws := stagetest.NewWorkspace(64<<20, 2)
		apply, err := e.Finish(t.Context(), sealedOf(t, e, lines.lines, rng), ws)
		if err != nil {
			t.Fatal(err)
		}
		evidence := rowsOf(t, found(t, ws, "dedup-exact.evidence.jsonl.zst"))
		c, row := apply.(*exactApply).d.NewCursor(), 0
		for i, text := range texts {
			found, known, err := c.Lookup(record.MakeID(1, int64(i)))
			k := best[text]
			if err != nil || known != (k != i) || known && found.Kept != record.MakeID(1, int64(k)) {
				t.Fatalf("keep %s: document %d: %v %+v, error %v; want %d", keep, i, known, found, err, k)
			}
			if !known {
				continue
			}
			want := map[string]any{
				"dropped": fmt.Sprint(int64(record.MakeID(1, int64(i)))), "kept": fmt.Sprint(int64(found.Kept)), "cluster": fmt.Sprint(int64(found.Kept)), "method": "exact",
				"source_dropped": lines.source[i], "source_kept": lines.source[k], "id_dropped": float64(i), "id_kept": float64(k),
			}
			if fmt.Sprint(evidence[row]) != fmt.Sprint(want) {
				t.Fatalf("keep %s: row %d is %v, want %v", keep, row, evidence[row], want)
			}
			row++
		}
		var sum summary
		if err := json.Unmarshal(found(t, ws, "dedup-exact.json"), &sum); err != nil {
			t.Fatal(err)
		}
		clusters := rowsOf(t, found(t, ws, "dedup-exact.clusters.jsonl.zst"))
		if row != len(evidence) || sum.DroppedDocuments != int64(row) || sum.Documents != 300 || sum.Clusters.Count != int64(len(clusters)) || row < 200 {
			t.Errorf("keep %s: %d dropped, %d rows, %d clusters, %+v", keep, row, len(evidence), len(clusters), sum)
		}
		size := 0.0
		for _, c := range clusters {
			size += c["dropped"].(float64)
			if c["size"] != c["dropped"].(float64)+1 || c["kept"] != 1.0 {
				t.Errorf("cluster %v", c)
			}
		}
		if int(size) != row {
			t.Errorf("clusters drop %v, want %d", size, row)
		}
	}
}
