package dedup

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

func mustMinHash(t testing.TB, cfg MinHashConfig) *MinHash {
	t.Helper()
	m, err := NewMinHash(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tight makes many ranges, spills and pieces of sets of few records.
func tight(m *MinHash) *MinHash {
	m.rangeSize, m.spillSize, m.largeSet = 60*candidateWidth, 10*pairWidth, 7
	return m
}

// loose finds candidates that have little in common, so that hubs fail.
func loose(m *MinHash) *MinHash {
	s := *m.scheme
	s.Bands, s.Rows = 6, 1
	p := drawPermutations(1, s.Bands*s.Rows)
	s.permutations = func() permutations { return p }
	m.scheme = &s
	return m
}

// corpus are texts of n documents: some alone, some edited more or less from earlier ones, some equal, in chains and
// stars, some short or empty.
func corpus(rng *rand.Rand, n int) []string {
	word := func() string { return fmt.Sprintf("w%d", rng.IntN(400)) }
	var texts []string
	for len(texts) < n {
		switch k := rng.IntN(10); {
		case k < 3 || len(texts) == 0:
			words := make([]string, rng.IntN(60))
			for i := range words {
				words[i] = word()
			}
			texts = append(texts, strings.Join(words, " "))
		case k < 5: // equal, but for what no shingle sees
			texts = append(texts, strings.ToUpper(texts[rng.IntN(len(texts))])+"!")
		default: // a chain ends, or a star grows, where it is the first or the last one
			from := texts[rng.IntN(len(texts))]
			if rng.IntN(2) == 0 {
				from = texts[len(texts)-1]
			}
			words := strings.Fields(from)
			for range rng.IntN(4) {
				if len(words) == 0 {
					break
				}
				switch i := rng.IntN(len(words)); rng.IntN(3) {
				case 0:
					words[i] = word()
				case 1:
					words = slices.Delete(words, i, i+1)
				case 2:
					words = slices.Insert(words, i, word())
				}
			}
			texts = append(texts, strings.Join(words, " "))
		}
	}
	return texts
}

func asLines(texts []string) [][]byte {
	var lines [][]byte
	for i, s := range texts {
		lines = append(lines, fmt.Appendf(nil, `{"id":%d,"text":%q}`, i, s))
	}
	return lines
}

// mixed are lines of a corpus and bad ones.
func mixed() [][]byte {
	lines := asLines(corpus(rand.New(rand.NewPCG(5, 5)), 120))
	for i, bad := range []string{`{}`, `{"text":null}`, `no json`, `{"text":"a","text":"b"}`, `{"text":7}`, `{"text":"","curate":7}`,
		`{"text":"w1 w2 w3 w4 w5 w6","curate":[]}`, `{"text":"w1 w2 w3 w4 w5 w6","curate":{"dedup":{"old":1},"x":2}}`, `{"text":"w1 W2\nw3 w4 w5 w6."}`} {
		lines = slices.Insert(lines, 9*i+5, []byte(bad))
	}
	return lines
}

// marked is the second Reducer with the marks of the first before its Key, as phases run them.
type marked struct {
	*verification
	marks stage.Mapper
}

func (m marked) Key() stage.Mapper { return markedKey(m) }

type markedKey marked

func (k markedKey) Spec() stage.Spec { return k.spec() }

func (k markedKey) spec() stage.Spec { return k.verification.Spec() }

func (k markedKey) NewWorker() stage.Worker {
	return bothWorkers{k.marks.NewWorker(), k.verification.Key().NewWorker()}
}

type bothWorkers [2]stage.Worker

// sealedOf runs lines through a Reducer, in batches and splits at random.
func sealedOf(t testing.TB, r stage.Reducer, lines [][]byte, rng *rand.Rand) []stage.Sealed {
	t.Helper()
	parts := []stage.Partial{r.NewPartial()}
	for lo := 0; lo < len(lines); {
		hi := min(len(lines), lo+1+rng.IntN(40))
		b := &record.Batch{}
		for i := lo; i < hi; i++ {
			b.Append(record.MakeID(1, int64(i)), int64(i+1), slices.Clone(lines[i]))
		}
		b.Parse()
		if err := r.Key().NewWorker().Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		p := r.NewPartial()
		if err := p.Add(b); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(3) == 0 {
			parts = append(parts, p)
		} else if err := parts[len(parts)-1].Join(p); err != nil {
			t.Fatal(err)
		}
		lo = hi
	}
	var sealed []stage.Sealed
	for _, p := range parts {
		sealed = append(sealed, inSealed(t, p))
	}
	rng.Shuffle(len(sealed), func(i, j int) { sealed[i], sealed[j] = sealed[j], sealed[i] })
	return sealed
}

// inSealed is what p seals.
func inSealed(t testing.TB, p stage.Partial) stage.Sealed {
	t.Helper()
	var out bytes.Buffer
	if err := p.Seal(&out); err != nil {
		t.Fatal(err)
	}
	return stage.Sealed{Size: int64(out.Len()), Data: inMemory{bytes.NewReader(out.Bytes())}}
}

// markedBy is the second Reducer behind what the first made of lines.
func markedBy(t testing.TB, m *MinHash, lines [][]byte, rng *rand.Rand) (marked, *stagetest.Workspace) {
	t.Helper()
	stages := m.Stages()
	first := stages[0].(stage.Reducer)
	ws := stagetest.NewWorkspace(64<<20, 1+rng.IntN(4))
	marks, err := first.Finish(t.Context(), sealedOf(t, first, lines, rng), ws)
	if err != nil {
		t.Fatal(err)
	}
	if names := ws.Names(); !slices.Equal(names, []string{candidatesFile}) {
		t.Errorf("files %v are left", names)
	}
	return marked{stages[1].(*verification), marks}, ws
}

// decisionsOf is what both phases come to.
func decisionsOf(t testing.TB, m *MinHash, lines [][]byte, rng *rand.Rand) *Decisions {
	t.Helper()
	d, _ := finishedOf(t, m, lines, rng)
	return d
}

// finishedOf is decisionsOf with the workspace, which has the findings.
func finishedOf(t testing.TB, m *MinHash, lines [][]byte, rng *rand.Rand) (*Decisions, *stagetest.Workspace) {
	t.Helper()
	second, _ := markedBy(t, m, lines, rng)
	ws := stagetest.NewWorkspace(64<<20, 1+rng.IntN(4))
	apply, err := second.Finish(t.Context(), sealedOf(t, second, lines, rng), ws)
	if err != nil {
		t.Fatal(err)
	}
	if names := withoutFindings(ws.Names()); !slices.Equal(names, []string{decisionsFile}) {
		t.Errorf("files %v are left", names)
	}
	return apply.(minhashApply).d, ws
}

func withoutFindings(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, stage.FindingsDir) })
}

func TestCandidatesStage(t *testing.T) {
	for name, m := range map[string]*MinHash{
		"normal":   mustMinHash(t, MinHashConfig{}),
		"annotate": mustMinHash(t, MinHashConfig{Annotate: true}),
		"tight":    tight(mustMinHash(t, MinHashConfig{})),
	} {
		lines := mixed()
		if name == "tight" { // it makes many files, and is killed at each
			lines = lines[:60]
		}
		t.Run(name, func(t *testing.T) { stagetest.Reducer(t, m.Stages()[0].(stage.Reducer), lines) })
	}
}

func TestVerificationStage(t *testing.T) {
	for name, m := range map[string]*MinHash{
		"normal":   mustMinHash(t, MinHashConfig{}),
		"verdicts": mustMinHash(t, MinHashConfig{Verdicts: true, Keep: "longest", Threshold: 0.6}),
		"annotate": mustMinHash(t, MinHashConfig{Annotate: true}),
		"none":     mustMinHash(t, MinHashConfig{Verify: VerifyNone, Verdicts: true, Keep: "best:n", Findings: Findings{Evidence: true, Clusters: true}}),
		"sketch":   mustMinHash(t, MinHashConfig{Verify: VerifySketch, Keep: "source-order", Priority: []string{"b", "c"}, Threshold: 0.6}),
		"tight":    tight(loose(mustMinHash(t, MinHashConfig{Keep: "longest", Threshold: 0.6}))),
	} {
		t.Run(name, func(t *testing.T) {
			lines := mixed()
			if name == "tight" {
				lines = lines[:60]
			}
			second, _ := markedBy(t, m, lines, rand.New(rand.NewPCG(1, 1)))
			stagetest.Reducer(t, second, lines)
		})
	}
}

func TestMinHashConfig(t *testing.T) {
	m := mustMinHash(t, MinHashConfig{Field: record.MustPath("meta.body"), Threshold: 0.7500001, Keep: "longest", Verdicts: true})
	for i, want := range []string{
		`{"annotate":false,"bands":20,"field":"meta.body","rows":5,"scheme":"words","scheme_version":1,"short":"whole","values":100}`,
		`{"annotate":false,"bands":20,"extra_comparisons":16,"field":"meta.body","id_field":"id","keep":"longest","method":"minhash","rehubs":3,"rows":5,"scheme":"words","scheme_version":1,"short":"whole","source_field":"source","threshold":0.75,"values":100,"verify":"exact"}`,
	} {
		if got, err := json.Marshal(m.Stages()[i].Spec().Config); err != nil || string(got) != want {
			t.Errorf("configuration %s, error %v", got, err)
		}
	}
	for want, cfg := range map[string]MinHashConfig{
		`"longest"`:                    {Keep: "shortest"},
		"at most 1":                    {Threshold: 1.01},
		"above 0":                      {Threshold: -1},
		"similarity;":                  {Threshold: math.NaN()},
		`"words"`:                      {Scheme: "word"},
		"exact, sketch or none":        {Verify: "jaccard"},
		"names no field":               {Keep: "best:"},
		"needs the sources":            {Keep: "source-order"},
		"belongs to keep source-order": {Priority: []string{"a"}},
		`has the source "a" twice`:     {Keep: "source-order", Priority: []string{"a", "b", "a"}},
		"no record can have":           {Keep: "source-order", Priority: []string{"a", ""}},
		"is no share":                  {Findings: Findings{Alarm: 1.5}},
	} {
		if _, err := NewMinHash(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestMillionths(t *testing.T) {
	for _, c := range []struct {
		common, a, b int
		want         string
	}{
		{1, 1, 1, "1"}, {0, 3, 4, "0"}, {1, 2, 2, "0.333333"}, {2, 3, 2, "0.666667"}, {1, 1, 2, "0.5"}, {91, 100, 91, "0.91"},
		{1 << 28, 1 << 28, 1 << 28, "1"}, {1, 1 << 28, 1, "0"}, {1, 1, 100_000, "0.00001"}, {1, 1, 2_000_000, "0.000001"}, {1, 1, 2_000_001, "0"},
		{99_999_999, 100_000_000, 99_999_999, "1"}, // rounded
	} {
		if got := string(appendSimilarity(nil, millionths(c.common, c.a, c.b))); got != c.want {
			t.Errorf("%d common of %d and %d: %s, want %s", c.common, c.a, c.b, got, c.want)
		}
	}
}

// oracle does what docs and DESIGN define in the plainest way, with grams as strings.
type oracle struct {
	m     *MinHash
	texts []string
	order func(i int) uint64    // nil: as Keep says, of first and longest
	other func(i, j int) uint32 // in place of the true similarity
	grams []map[string]bool
	edges map[[2]int]uint32 // verified, smaller first
}

var wordRE = regexp.MustCompile(`[\p{L}\p{N}_]+`) // which is Python's \w+ but for rare characters

func gramsOf(text string) map[string]bool {
	words := wordRE.FindAllString(strings.ToLower(text), -1)
	set := map[string]bool{}
	if n := len(words); 0 < n && n < 5 {
		set[strings.Join(words, " ")] = true
	}
	for i := 0; i+5 <= len(words); i++ {
		set[strings.Join(words[i:i+5], " ")] = true
	}
	return set
}

// similarity is 0 below the threshold.
func (o *oracle) similarity(i, j int) uint32 {
	if o.other != nil {
		return o.other(i, j)
	}
	a, b := o.grams[i], o.grams[j]
	common := 0
	for g := range a {
		if b[g] {
			common++
		}
	}
	s := uint32(math.Floor(1e6*float64(common)/float64(len(a)+len(b)-common) + 0.5))
	if s < o.m.threshold {
		return 0
	}
	return s
}

func (o *oracle) bucket(members []int, hubs int) {
	if len(members) < 2 || hubs == 0 {
		return
	}
	var unlike []int
	for _, d := range members[1:] {
		if s := o.similarity(members[0], d); s > 0 {
			o.edges[[2]int{members[0], d}] = s
		} else {
			unlike = append(unlike, d)
		}
	}
	o.bucket(unlike, hubs-1)
}

type outcome struct {
	kept       int
	similarity uint32
	cluster    int
}

// decide returns what becomes of each document in a cluster.
func (o *oracle) decide() map[int]outcome {
	for i, text := range o.texts {
		o.grams = append(o.grams, gramsOf(text))
		if shingles := o.m.scheme.Shingles(nil, []byte(text), &Scratch{}); (len(shingles) == 0) != (len(o.grams[i]) == 0) {
			panic(text)
		}
	}
	return o.decideBy()
}

// decideBy is decide without a look at the grams.
func (o *oracle) decideBy() map[int]outcome {
	o.edges = map[[2]int]uint32{}
	buckets := map[string][]int{}
	for i, text := range o.texts {
		shingles := o.m.scheme.Shingles(nil, []byte(text), &Scratch{})
		if len(shingles) == 0 {
			continue
		}
		sig := o.m.scheme.Signature(nil, shingles)
		for b := range o.m.scheme.Bands {
			key := fmt.Sprint(b, sig[b*o.m.scheme.Rows:(b+1)*o.m.scheme.Rows])
			buckets[key] = append(buckets[key], i)
		}
	}
	for _, members := range buckets {
		o.bucket(members, 1+3)
	}
	neighbours := map[int][]int{}
	for e := range o.edges {
		neighbours[e[0]] = append(neighbours[e[0]], e[1])
		neighbours[e[1]] = append(neighbours[e[1]], e[0])
	}
	result := map[int]outcome{}
	done := map[int]bool{}
	for first := range o.texts {
		if done[first] || len(neighbours[first]) == 0 {
			continue
		}
		done[first] = true
		members := []int{first}
		for k := 0; k < len(members); k++ {
			for _, n := range neighbours[members[k]] {
				if !done[n] {
					done[n] = true
					members = append(members, n)
				}
			}
		}
		o.cluster(result, first, members, neighbours)
	}
	return result
}

func (o *oracle) cluster(result map[int]outcome, first int, members []int, neighbours map[int][]int) {
	slices.Sort(members)
	if o.m.cfg.Keep == "longest" {
		slices.SortStableFunc(members, func(a, b int) int { return len(o.texts[b]) - len(o.texts[a]) })
	}
	if o.order != nil {
		slices.SortStableFunc(members, func(a, b int) int { return cmp.Compare(o.order(a), o.order(b)) })
	}
	var kept []int // in keep order
	linked := func(a, b int) bool { return slices.Contains(neighbours[a], b) }
next:
	for _, d := range members {
		for _, k := range kept {
			if linked(d, k) {
				result[d] = outcome{k, o.edges[[2]int{min(d, k), max(d, k)}], first}
				continue next
			}
		}
		var try []int
		for _, k := range kept { // those near it
			// A neighbour knows only its first 16 kept ones.
			if len(try) < 16 && slices.ContainsFunc(neighbours[d], func(n int) bool {
				near := 0
				for _, k2 := range kept {
					if linked(n, k2) {
						if near++; k2 == k {
							return near <= 16
						}
					}
				}
				return false
			}) {
				try = append(try, k)
			}
		}
		for i, k := range kept {
			if i < 16 && len(try) < 16 && !slices.Contains(try, k) {
				try = append(try, k)
			}
		}
		for _, k := range try {
			if s := o.similarity(k, d); s > 0 {
				result[d] = outcome{k, s, first}
				continue next
			}
		}
		kept = append(kept, d)
		result[d] = outcome{d, million, first}
	}
}

// TestMinHashAgainstOracle compares small random corpora, cut at random, with the oracle, and what was decided with
// the law: nothing goes but for what is similar and stays.
func TestMinHashAgainstOracle(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	dropped, extra, clusters := 0, 0, 0
	for round := range 150 {
		cfg := MinHashConfig{Keep: []string{"first", "longest"}[round%2], Threshold: []float64{0.8, 0.5, 0.65, 0.9, 1}[rng.IntN(5)]}
		m := mustMinHash(t, cfg)
		if rng.IntN(2) == 0 {
			loose(m)
		}
		if rng.IntN(3) == 0 {
			tight(m)
		}
		texts := corpus(rng, 1+rng.IntN(200))
		o := &oracle{m: m, texts: texts}
		want := o.decide()
		d := decisionsOf(t, m, asLines(texts), rng)
		if d.Len() != int64(len(want)) {
			t.Errorf("seed %d, round %d: %d decisions, want %d", seed, round, d.Len(), len(want))
		}
		c := d.NewCursor()
		for i := range texts {
			found, known, err := c.Lookup(record.MakeID(1, int64(i)))
			if err != nil {
				t.Fatal(err)
			}
			w, ok := want[i]
			if ok != known || ok && found != (Decision{record.MakeID(1, int64(w.kept)), w.similarity, record.MakeID(1, int64(w.cluster))}) {
				t.Fatalf("seed %d, round %d %+v: document %d: %v, %+v; want %v, %+v", seed, round, cfg, i, known, found, ok, w)
			}
			if !ok {
				continue
			}
			k := int(found.Kept.Offset())
			if k == i {
				clusters++
				continue
			}
			dropped++
			if o.edges[[2]int{min(i, k), max(i, k)}] == 0 {
				extra++
			}
			if s := o.similarity(i, k); s == 0 || s != found.Similarity {
				t.Fatalf("seed %d, round %d: document %d goes for %d, and their similarity is %d", seed, round, i, k, s)
			}
			if stays, _, err := d.NewCursor().Lookup(found.Kept); err != nil || stays.Kept != found.Kept {
				t.Fatalf("seed %d, round %d: document %d goes for %d, which goes itself (error %v)", seed, round, i, k, err)
			}
		}
	}
	t.Logf("%d dropped, %d of them for documents they had no edge to; %d kept of clusters", dropped, extra, clusters)
	if dropped < 1000 || extra < 10 || clusters < 1000 {
		t.Error("too few cases to show anything")
	}
}

// TestStar has one document that hundreds are like that are not like each other: all of them go for it where it is
// looked at first, and where not, it goes and those stay that nothing kept is like.
func TestStar(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	var base []string
	for i := range 120 {
		base = append(base, fmt.Sprintf("w%d", i))
	}
	texts := []string{strings.Join(base, " ")}
	for i := range 300 {
		words := slices.Clone(base)
		for range 4 {
			words[rng.IntN(len(words))] = fmt.Sprintf("longer%d", rng.IntN(1<<30))
		}
		texts = append(texts, strings.Join(words, " ")+strings.Repeat("!", i))
	}
	for _, keep := range []string{"first", "longest"} {
		m := mustMinHash(t, MinHashConfig{Keep: keep, Threshold: 0.7})
		want := (&oracle{m: m, texts: texts}).decide()
		d := decisionsOf(t, m, asLines(texts), rng)
		c, kept := d.NewCursor(), 0
		for i := range texts {
			found, known, err := c.Lookup(record.MakeID(1, int64(i)))
			if w := want[i]; err != nil || !known || int(found.Kept.Offset()) != w.kept || found.Similarity != w.similarity {
				t.Fatalf("%s: document %d: %+v, error %v; want %+v", keep, i, found, err, w)
			}
			if int(found.Kept.Offset()) == i {
				kept++
			}
		}
		if least := map[string]int{"first": 1, "longest": maxExtra + 1}[keep]; kept < least || kept > 300 {
			t.Errorf("%s: %d kept", keep, kept)
		}
		t.Logf("keep %s: %d of %d stay", keep, kept, len(texts))
	}
}

// TestSCurve injects pairs at similarities from 0.3 to 1 and looks at the share that becomes candidates.
func TestSCurve(t *testing.T) {
	const bins, pairs = 14, 220
	rng := rand.New(rand.NewPCG(3, 3))
	var texts []string
	word := func() string { return fmt.Sprintf("w%d", rng.IntN(1<<40)) }
	for bin := range bins {
		for range pairs {
			// Two blocks of words in another place share no gram but those within: n-4 of the first n words are common.
			common := 40 + rng.IntN(40)
			s := 0.3 + 0.7*(float64(bin)+rng.Float64())/bins
			other := int(float64(common-4) * (1 - s) / (2 * s))
			shared := make([]string, common)
			for i := range shared {
				shared[i] = word()
			}
			for range 2 {
				words := slices.Clone(shared)
				for range other {
					words = append(words, word())
				}
				texts = append(texts, strings.Join(words, " "))
			}
		}
	}
	m := mustMinHash(t, MinHashConfig{Threshold: 0.000001})
	d := decisionsOf(t, m, asLines(texts), rng)
	o := &oracle{m: m}
	for _, text := range texts {
		o.grams = append(o.grams, gramsOf(text))
	}
	var n, found, expect, variance [bins]float64
	c := d.NewCursor()
	for i := 0; i < len(texts); i += 2 {
		s := float64(o.similarity(i, i+1)) / million
		got, known, err := c.Lookup(record.MakeID(1, int64(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		hit := known && got.Kept == record.MakeID(1, int64(i))
		if s >= 0.95 && !hit {
			t.Errorf("a pair of similarity %v is no candidate", s)
		}
		p := 1 - math.Pow(1-math.Pow(s, 5), 20)
		b := min(bins-1, max(0, int((s-0.3)/0.7*bins)))
		n[b]++
		expect[b] += p
		variance[b] += p * (1 - p)
		if hit {
			found[b]++
		}
	}
	for b := range bins {
		lo := 0.3 + 0.7*float64(b)/bins
		t.Logf("similarity from %.2f: %.3f of %.0f pairs found, %.3f expected", lo, found[b]/n[b], n[b], expect[b]/n[b])
		if off := math.Abs(found[b] - expect[b]); n[b] < 20 || off > 3*math.Sqrt(variance[b])+1e-9 && off > 0.5 {
			t.Errorf("similarity from %.2f: %.0f of %.0f found, %.1f expected: more than 3 sigma off", lo, found[b], n[b], expect[b])
		}
	}
}

// Map implements stage.Worker.
func (w bothWorkers) Map(ctx context.Context, b *record.Batch) error {
	for _, one := range w {
		if err := one.Map(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// TestMinHashNoAllocation: the Map sides and the last Mapper allocate nothing for a record.
func TestMinHashNoAllocation(t *testing.T) {
	if underRace {
		t.Skip("pools forget under the race detector")
	}
	all, _ := pages(t)
	all = all[:200:200]
	m := mustMinHash(t, MinHashConfig{Verdicts: true})
	rng := rand.New(rand.NewPCG(1, 1))
	second, _ := markedBy(t, m, all, rng)
	apply := minhashApply{m, decisionsOf(t, m, all, rng)}
	if apply.d.Len() == 0 {
		t.Fatal("nothing is like anything")
	}
	for name, mapper := range map[string]stage.Mapper{"candidates": m.Stages()[0].(stage.Reducer).Key(), "verification": second.Key(), "apply": apply} {
		b, w := &record.Batch{}, mapper.NewWorker()
		work := func() {
			b.Reset()
			for i, l := range all {
				b.Append(record.MakeID(1, int64(i)), 0, l)
			}
			b.Parse()
			if err := w.Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		work()
		if n := testing.AllocsPerRun(20, work); n > 0 {
			t.Errorf("%s: %v allocations for %d records in steady state", name, n, len(all))
		}
	}
}

// BenchmarkMinHashKey is the Map side of each Reducer on one core, with the parsing of lines; "sets" makes the sets of
// all documents that share a bucket.
func BenchmarkMinHashKey(b *testing.B) {
	all, size := pages(b)
	cut := batches(all)
	m := mustMinHash(b, MinHashConfig{})
	second, _ := markedBy(b, m, all, rand.New(rand.NewPCG(1, 1)))
	for name, mapper := range map[string]stage.Mapper{"signatures": m.Stages()[0].(stage.Reducer).Key(), "sets": second.Key()} {
		b.Run(name, func(b *testing.B) {
			w := mapper.NewWorker()
			batch := &record.Batch{}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				n := int64(0)
				for _, lines := range cut {
					batch.Reset()
					for _, l := range lines {
						batch.Append(record.MakeID(1, n), 0, l)
						n++
					}
					batch.Parse()
					if err := w.Map(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
