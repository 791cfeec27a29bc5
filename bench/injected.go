package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
)

// truth is a line of examples/basque/truth.jsonl.zst, or of pairs.jsonl.zst of the labelled set.
type truth struct {
	A, B       string
	Similarity float64
	J          float64
	Set, Kind  string
}

func readTruth(name string) (pairs []truth, err error) {
	text, err := decodedFile(name)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var p truth
		if err := json.Unmarshal(line, &p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.Similarity = max(p.Similarity, p.J)
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// lowThreshold is below every injected pair (.28 and more), so that a pair is found exactly when it becomes a
// candidate.
const lowThreshold = 0.25

// runInjected checks near-deduplication of the raw example against the pairs that were injected into it: at a low
// threshold how many are found, at the default one that what goes has a twin that stays.
func runInjected(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	files, err := exampleFiles()
	if err != nil {
		return err
	}
	fmt.Printf("\ninjected: pairs of examples/basque, found by curate dedup\n")
	all := &verdict{Numbers: map[string]any{}}
	for _, run := range []struct {
		threshold float64
		keep      string
	}{{lowThreshold, "first"}, {0.8, "first"}, {0.8, "longest"}} {
		name := fmt.Sprintf("injected-%.2f-%s", run.threshold, run.keep)
		gone := filepath.Join(s.dir, name+"-dropped.jsonl")
		argv := append([]string{bin, "dedup", "-q", "--threshold", fmt.Sprint(run.threshold), "--keep", run.keep, "--max-quarantined", "1%",
			"--dropped", gone, "-o", filepath.Join(s.dir, name+".jsonl")}, files...)
		if _, err := s.measure(command{argv: argv}); err != nil {
			return err
		}
		pairs := filepath.Join(filepath.Dir(filepath.Dir(files[0])), "truth.jsonl.zst")
		res, _, err := s.child(task{Name: "injected", Files: files, With: gone, Out: pairs, Arg: run.keep, Threshold: run.threshold}, false)
		if err != nil {
			return err
		}
		all.Lines = append(all.Lines, res.Check.Lines...)
		all.Failures = append(all.Failures, res.Check.Failures...)
		for k, n := range res.Check.Numbers {
			all.Numbers[name+"/"+k] = n
		}
	}
	return s.say("injected", all)
}

// injectedTask compares what was dropped of the example, t.With, with the pairs in t.Out.
func injectedTask(t task) (res result, err error) {
	d, err := readDeduped(t.Files, t.With, "words")
	if err != nil {
		return res, err
	}
	pairs, err := readTruth(t.Out)
	if err != nil {
		return res, err
	}
	v := &verdict{Numbers: map[string]any{}}
	res.Check = v
	dropped := d.sound(v, t.Threshold)
	v.Numbers["dropped"] = dropped
	met := func(p truth) (a, b int, err error) {
		a, okA := d.byID[p.A]
		b, okB := d.byID[p.B]
		if !okA || !okB {
			return 0, 0, fmt.Errorf("no such pair: %s, %s", p.A, p.B)
		}
		return a, b, nil
	}
	if t.Threshold > lowThreshold {
		// Of a pair from .95 up at most one stays; below, what was not found may.
		similar, both, alike, bothAlike := 0, 0, 0, 0
		for _, p := range pairs {
			a, b, err := met(p)
			if err != nil {
				return res, err
			}
			stay := d.docs[a].twin < 0 && d.docs[b].twin < 0
			if p.Similarity >= t.Threshold {
				alike++
				if stay {
					bothAlike++
				}
			}
			if p.Similarity < 0.95 {
				continue
			}
			similar++
			if stay {
				both++
				v.failf("%s and %s are %.6f similar and stay both (--keep %s)", p.A, p.B, p.Similarity, t.Arg)
			}
		}
		v.printf("at %.2f, --keep %s: of %d injected pairs of .95 and more both stay of %d, of %d of %.2f and more of %d",
			t.Threshold, t.Arg, similar, both, alike, t.Threshold, bothAlike)
		return res, nil
	}

	type bin struct {
		N        int     `json:"n"`
		Found    int     `json:"found"`
		Expected float64 `json:"expected"`
		Sigma3   float64 `json:"three_sigma"`
		At       float64 `json:"similarity"`
	}
	bins := map[int]*bin{}
	for _, p := range pairs {
		a, b, err := met(p)
		if err != nil {
			return res, err
		}
		if s, _ := d.jaccard(a, b); math.Abs(s-p.Similarity) > millionth {
			v.failf("%s and %s: similarity %.6f, the truth file says %.6f", p.A, p.B, s, p.Similarity)
		}
		found := d.docs[a].twin == b || d.docs[b].twin == a
		if p.Set != "pair" {
			// A page's copies may go for each other.
			if p.Similarity >= 0.95 && d.docs[a].twin < 0 && d.docs[b].twin < 0 {
				v.failf("%s and %s are %.6f similar and stay both", p.A, p.B, p.Similarity)
			}
			continue
		}
		at := int(math.Round(p.Similarity * 20))
		if bins[at] == nil {
			bins[at] = &bin{At: float64(at) / 20}
		}
		c := bins[at]
		chance := 1 - math.Pow(1-math.Pow(p.Similarity, 5), 20)
		c.N++
		c.Expected += chance
		c.Sigma3 += chance * (1 - chance)
		if found {
			c.Found++
		} else if p.Similarity >= 0.95 {
			v.failf("%s and %s are %.6f similar and were not found", p.A, p.B, p.Similarity)
		}
	}
	v.printf("%10s %6s %6s %8s %9s %9s", "similarity", "pairs", "found", "share", "expected", "3 sigma")
	for at := range 21 {
		c := bins[at]
		if c == nil {
			continue
		}
		c.Sigma3 = 3 * math.Sqrt(c.Sigma3)
		n := float64(c.N)
		v.printf("%10.2f %6d %6d %8.3f %9.4f %9.4f", c.At, c.N, c.Found, float64(c.Found)/n, c.Expected/n, c.Sigma3/n)
		if x := math.Abs(float64(c.Found) - c.Expected); x > c.Sigma3+millionth {
			v.failf("similarity %.2f: %d of %d pairs found, expected %.2f ± %.2f", c.At, c.Found, c.N, c.Expected, c.Sigma3)
		}
		v.Numbers[fmt.Sprintf("bin_%.2f", c.At)] = c
	}
	if len(bins) < 10 {
		v.failf("the truth has pairs at %d similarities alone", len(bins))
	}
	return res, nil
}

// labelledDir is where the labelled near-duplicates lie below the folder of -conformance.
const labelledDir = "filter-dedup/labelled"

// runRecall prints precision and recall of curate dedup, as it is called without flags, on a set of near-duplicates in
// which the similarity of each pair is known; and those of datatrove, from its answer there.
func runRecall(s *session) error {
	if s.options.conformance == "" {
		fmt.Printf("\nSKIPPED recall: -conformance does not name a folder with %s\n", labelledDir)
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	dir := filepath.Join(s.options.conformance, filepath.FromSlash(labelledDir))
	in, gone := filepath.Join(dir, "labelled.jsonl.zst"), filepath.Join(s.dir, "recall-dropped.jsonl")
	if _, err := s.measure(command{argv: []string{bin, "dedup", "-q", "--dropped", gone, "-o", filepath.Join(s.dir, "recall.jsonl"), in}}); err != nil {
		return err
	}
	res, _, err := s.child(task{Name: "recall", Files: []string{in}, With: gone, Out: dir}, false)
	if err != nil {
		return err
	}
	fmt.Printf("\nrecall: labelled near-duplicates, at 0.8\n")
	return s.say("recall", res.Check)
}

// recallTask: precision is the share of what goes that is 0.8 similar to something that stays; recall the share of the
// pairs that are 0.8 similar of which one goes. Both by the labels.
func recallTask(t task) (res result, err error) {
	d, err := readDeduped(t.Files, t.With, "words")
	if err != nil {
		return res, err
	}
	pairs, err := readTruth(filepath.Join(t.Out, "pairs.jsonl.zst"))
	if err != nil {
		return res, err
	}
	v := &verdict{Numbers: map[string]any{}}
	res.Check = v
	dropped := d.sound(v, 0.8)
	ours := map[string]bool{}
	for i := range d.docs {
		ours[d.docs[i].id] = d.docs[i].twin < 0
	}
	score := func(kept map[string]bool) (precision, recall float64, gone, similar int) {
		twin, met := map[string]bool{}, 0
		for _, p := range pairs {
			if p.Similarity < 0.8 {
				continue
			}
			similar++
			if !kept[p.A] || !kept[p.B] {
				met++
			}
			if kept[p.A] {
				twin[p.B] = true
			}
			if kept[p.B] {
				twin[p.A] = true
			}
		}
		right := 0
		for id, stays := range kept {
			if !stays {
				gone++
				if twin[id] {
					right++
				}
			}
		}
		return float64(right) / float64(max(gone, 1)), float64(met) / float64(max(similar, 1)), gone, similar
	}
	precision, recall, gone, similar := score(ours)
	v.printf("curate dedup: %d of %d documents dropped, precision %.4f; %d pairs, recall %.4f", gone, len(d.docs), precision, similar, recall)
	v.Numbers["precision"], v.Numbers["recall"], v.Numbers["dropped"], v.Numbers["pairs"] = precision, recall, dropped, similar
	if similar < 100 || precision < 0.999 || recall < 0.99 {
		v.failf("precision %.4f, recall %.4f of %d pairs: 0.999 and 0.99 of at least 100 are promised", precision, recall, similar)
	}

	text, err := decodedFile(filepath.Join(t.Out, "datatrove", "minhash.default_14x8_xxh64.jsonl.zst"))
	if err != nil {
		return res, err
	}
	peer := map[string]bool{}
	for line := range bytes.Lines(text) {
		var doc struct {
			ID   string
			Kept bool
		}
		if err := json.Unmarshal(line, &doc); err != nil {
			return res, err
		}
		peer[doc.ID] = doc.Kept
	}
	precision, recall, gone, _ = score(peer)
	v.printf("datatrove 14x8: %d dropped, precision %.4f; recall %.4f", gone, precision, recall)
	v.Numbers["peer_precision"], v.Numbers["peer_recall"], v.Numbers["peer_dropped"] = precision, recall, gone
	return res, nil
}
