package dedup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
)

// indexedMethod is a method that may have an index.
type indexedMethod interface {
	Stages() []stage.Stage
	StagesWithIndex(o IndexOptions) ([]stage.Stage, error)
}

// exactAlone is Exact as one.
type exactAlone struct{ *Exact }

func (e exactAlone) Stages() []stage.Stage { return []stage.Stage{e.Exact} }

// TestIndexFindings: with an index and any Keep the documents of the index stay, and the evidence, the clusters and the
// summary say what was decided, whether the index grows or not.
func TestIndexFindings(t *testing.T) {
	fromIndex, fromRun := 0, 0
	for n, keep := range []string{"first", "longest", "best:q.s", "source-order", "first", "best:q.s", "source-order"} {
		rng := rand.New(rand.NewPCG(uint64(n), 12))
		priority := []string{"books", "input-1"}
		if keep != KeepSourceOrder {
			priority = nil
		}
		all := Findings{Evidence: true, Clusters: true}
		var m indexedMethod
		width, exact := MinHashKeyWidth, n > 3
		if exact {
			width, m = ExactKeyWidth, exactAlone{small(mustExact(t, ExactConfig{Keep: keep, Priority: priority, Verdicts: true, Findings: all, Form: "simplified"}))}
		} else {
			m = loose(tight(mustMinHash(t, MinHashConfig{Keep: keep, Priority: priority, Verdicts: true, Findings: all, Threshold: 0.6})))
		}
		texts := corpus(rng, 140)
		var lines []indexLine
		for i, b := range describe(rng, texts).lines {
			lines = append(lines, indexLine{record.MakeID(1, int64(i)), b})
		}
		old, own := lines[:50], lines[50:]
		const name = "00000000000000aa"
		run := func(generations []*IndexGeneration, grow *Growth, lines []indexLine) ([]fate, map[string][]byte) {
			x, err := NewIndex("x", generations)
			if err != nil {
				t.Fatal(err)
			}
			stages, err := m.StagesWithIndex(IndexOptions{Index: x, Grow: grow})
			if err != nil {
				t.Fatal(err)
			}
			fates, spaces := runPhasesIn(t, stages, lines, rng)
			files := map[string][]byte{}
			for i, s := range stages {
				for _, name := range s.Spec().Findings {
					if files[name] != nil {
						t.Fatalf("two stages have %s", name)
					}
					files[name] = found(t, spaces[i], name)
				}
			}
			return fates, files
		}
		sink := &memorySink{}
		before, _ := run(nil, &Growth{Sink: sink}, old)
		g := sink.open(t, width, Origin{Generation: name, Documents: sink.counts.Documents, Sum: sink.counts.Sum, Files: []OriginFile{{1, "old.jsonl"}}})
		fates, files := run([]*IndexGeneration{g}, &Growth{Sink: &memorySink{}}, own)
		readonly, same := run([]*IndexGeneration{g}, nil, own)
		what := fmt.Sprintf("case %d, keep %s", n, keep)
		for i := range fates {
			if fates[i] != readonly[i] {
				t.Fatalf("%s: record %d: %+v when the index grows, and %+v when it does not", what, i, fates[i], readonly[i])
			}
		}
		if len(files) != 3 || len(same) != 3 {
			t.Fatalf("%s: findings %d and %d", what, len(files), len(same))
		}
		for name, b := range files {
			if !bytes.Equal(b, same[name]) {
				t.Errorf("%s: %s differs when the index does not grow", what, name)
			}
		}

		// Who went for whom, by the verdicts.
		type verdict struct {
			Similarity *float64 `json:"similarity"`
			Cluster    string   `json:"cluster"`
			Indexed    *struct {
				File string `json:"file"`
				ID   int    `json:"id"`
			} `json:"indexed"`
		}
		rows := rowsOf(t, files[EvidenceName("")])
		at := 0
		flows, sizes := map[string]int64{}, map[string]int64{}
		for i, f := range fates {
			if f.outcome != record.Drop {
				continue
			}
			var v verdict
			var parsed struct{ Source string }
			if err := json.Unmarshal([]byte(f.verdict), &v); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(own[i].text, &parsed); err != nil {
				t.Fatal(err)
			}
			if at == len(rows) {
				t.Fatalf("%s: the evidence has only %d rows", what, at)
			}
			row := rows[at]
			at++
			source := parsed.Source
			if source == "" {
				source = "input-1"
			}
			want := map[string]any{"dropped": fmt.Sprint(int64(own[i].id)), "kept": f.kept, "cluster": v.Cluster, "source_dropped": source, "id_dropped": float64(50 + i), "method": "minhash"}
			if exact {
				want["cluster"], want["method"] = f.kept, "exact"
			} else {
				want["similarity"] = *v.Similarity
			}
			origin, number, indexed := strings.Cut(f.kept, ":")
			if indexed {
				fromIndex++
				k := offsetOf(number)
				if origin != name || before[k].outcome != record.Keep || v.Indexed == nil || v.Indexed.File != "old.jsonl" || v.Indexed.ID != int(k) {
					t.Fatalf("%s: verdict %s", what, f.verdict)
				}
				want["file_kept"], want["id_kept"] = "old.jsonl", float64(k)
				flows[source+" index"]++
			} else {
				fromRun++
				k := int(offsetOf(f.kept)) - 50
				if fates[k].outcome != record.Keep || v.Indexed != nil {
					t.Fatalf("%s: %d goes for %d, which does not stay: %s", what, i, k, f.verdict)
				}
				want["id_kept"] = float64(50 + k)
				var kept struct{ Source string }
				if err := json.Unmarshal(own[k].text, &kept); err != nil {
					t.Fatal(err)
				}
				if kept.Source == "" {
					kept.Source = "input-1"
				}
				want["source_kept"] = kept.Source
				flows[source+" "+kept.Source]++
			}
			if a, b := fmt.Sprint(row), fmt.Sprint(want); a != b {
				t.Fatalf("%s: evidence %s, want %s", what, a, b)
			}
			sizes[fmt.Sprint(want["cluster"])]++
		}
		if at != len(rows) {
			t.Fatalf("%s: the evidence has %d rows, and %d are dropped", what, len(rows), at)
		}
		for _, row := range rowsOf(t, files[ClustersName("")]) {
			id := row["cluster"].(string)
			if row["dropped"] != float64(sizes[id]) || row["size"] != row["kept"].(float64)+row["dropped"].(float64) || row["kept"] == 0.0 {
				t.Errorf("%s: cluster %v, and %d of it are dropped", what, row, sizes[id])
			}
			delete(sizes, id)
		}
		for id := range sizes {
			t.Errorf("%s: no row for cluster %s", what, id)
		}
		var s summary
		if err := json.Unmarshal(files[SummaryName("")], &s); err != nil {
			t.Fatal(err)
		}
		for _, f := range s.Map {
			to := "index"
			if !f.Indexed {
				to = *f.Kept
			} else if f.Kept != nil {
				t.Errorf("%s: an indexed one of source %s", what, *f.Kept)
			}
			if key := *f.Dropped + " " + to; flows[key] != f.Documents {
				t.Errorf("%s: %s %d times in the map, want %d", what, key, f.Documents, flows[key])
			} else {
				delete(flows, key)
			}
		}
		if len(flows) > 0 || s.DroppedDocuments != int64(at) || s.Documents != int64(len(own)) {
			t.Errorf("%s: %v not in the map; %d of %d are dropped", what, flows, s.DroppedDocuments, s.Documents)
		}

		if !exact { // a candidate is one of the run's
			if *s.Candidates > int64(len(own)) {
				t.Errorf("%s: %d candidates of %d", what, *s.Candidates, len(own))
			}
			continue
		}
		// Exact: what the index has goes, and of the others those that go without an index.
		digests := map[string]bool{}
		form := func(i int) string { return string(simplified(t, texts[i])) }
		for i, f := range before {
			if f.outcome == record.Keep {
				digests[form(i)] = true
			}
		}
		plain := runPhases(t, m.Stages(), own, rng)
		for i, f := range fates {
			if indexed := strings.Contains(f.kept, ":"); indexed != digests[form(50+i)] || !indexed && (f.outcome != plain[i].outcome || f.kept != plain[i].kept) {
				t.Fatalf("%s: record %d: %+v, without an index %+v", what, i, f, plain[i])
			}
		}
	}
	if fromIndex < 50 || fromRun < 50 {
		t.Errorf("only %d went for one of the index, and %d for one of the run", fromIndex, fromRun)
	}
}

func simplified(t *testing.T, text string) []byte {
	t.Helper()
	f, err := checkForm("simplified", true)
	if err != nil {
		t.Fatal(err)
	}
	var scratch []byte
	return f.of([]byte(text), &scratch)
}

// TestIndexNeedsSets: an index has nothing for other ways to verify.
func TestIndexNeedsSets(t *testing.T) {
	x, err := NewIndex("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, verify := range []string{VerifySketch, VerifyNone} {
		if _, err := mustMinHash(t, MinHashConfig{Verify: verify}).StagesWithIndex(IndexOptions{Index: x}); err == nil || !strings.Contains(err.Error(), "verify "+verify) {
			t.Errorf("%s: %v", verify, err)
		}
	}
}
