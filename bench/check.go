package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"

	"curate/dedup"
	"curate/record"
)

// errCheck is the end of a check that failed. The others still run.
var errCheck = errors.New("FAIL")

// verdict is what a check says: lines for the reader, and what did not hold.
type verdict struct {
	Lines    []string
	Failures []string
	Numbers  map[string]any // for the raw run
}

func (v *verdict) printf(format string, a ...any) {
	v.Lines = append(v.Lines, fmt.Sprintf(format, a...))
}
func (v *verdict) failf(format string, a ...any) {
	v.Failures = append(v.Failures, fmt.Sprintf(format, a...))
}

// say prints a check's verdict, keeps it in the raw run, and is an error if something did not hold.
func (s *session) say(bench string, v *verdict) error {
	for _, line := range v.Lines {
		fmt.Println(line)
	}
	more := map[string]any{"pass": len(v.Failures) == 0}
	if len(v.Failures) > 0 {
		more["failures"] = v.Failures
	}
	for k, n := range v.Numbers {
		more[k] = n
	}
	s.write(measurement{Bench: bench, Name: "check", Round: 1, result: result{}, Load: load(), More: more})
	if len(v.Failures) == 0 {
		fmt.Printf("PASS %s\n", bench)
		return nil
	}
	for _, f := range v.Failures[:min(len(v.Failures), 20)] {
		fmt.Printf("FAIL %s: %s\n", bench, f)
	}
	return fmt.Errorf("%w: %d things do not hold", errCheck, len(v.Failures))
}

// document is a readable record of the input.
type document struct {
	id, text string
	twin     int // place of the document that it duplicates, -1 if it is kept
	// What curate wrote about a dropped one.
	similarity float64
}

// deduped is an input and what `curate dedup` dropped of it.
type deduped struct {
	docs   []document // in the order of the input
	byID   map[string]int
	scheme *dedup.Scheme // nil: words, counted here
	shard  dedup.Scratch
}

// readDeduped reads the input, in the order in which the command got it, and its --dropped file. Lines that are not
// records are left out, as the command leaves them out. Ids must differ.
func readDeduped(files []string, dropped, scheme string) (*deduped, error) {
	d := &deduped{byID: map[string]int{}}
	if scheme != "words" {
		var err error
		if d.scheme, err = dedup.LookupScheme(scheme); err != nil {
			return nil, err
		}
	}
	byPlace := map[int64]int{}
	for i, name := range files {
		text, err := decodedFile(name)
		if err != nil {
			return nil, err
		}
		err = eachRecord(i+1, text, func(r *record.Record) error {
			var doc struct{ ID, Text string }
			if err := json.Unmarshal(r.Line, &doc); err != nil {
				return err
			}
			if _, twice := d.byID[doc.ID]; twice {
				return fmt.Errorf("%s: the id %q stands twice", name, doc.ID)
			}
			d.byID[doc.ID] = len(d.docs)
			byPlace[int64(r.ID)] = len(d.docs)
			d.docs = append(d.docs, document{id: doc.ID, text: doc.Text, twin: -1})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	text, err := decodedFile(dropped)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var drop struct {
			ID     string
			Curate struct {
				Dedup struct {
					Of         string `json:"duplicate_of"`
					Similarity float64
				}
			}
		}
		if err := json.Unmarshal(line, &drop); err != nil {
			return nil, err
		}
		place, err := strconv.ParseInt(drop.Curate.Dedup.Of, 10, 64)
		if err != nil {
			return nil, err
		}
		i, there := d.byID[drop.ID]
		twin, also := byPlace[place]
		if !there || !also || i == twin {
			return nil, fmt.Errorf("%w: %q is said to duplicate record %d; there is no such record", errOutput, drop.ID, place)
		}
		d.docs[i].twin, d.docs[i].similarity = twin, drop.Curate.Dedup.Similarity
	}
	return d, nil
}

// eachRecord calls do for each line of a file's text that is a record, with its ID.
func eachRecord(file int, text []byte, do func(*record.Record) error) error {
	var b record.Batch
	at, no := int64(0), int64(0)
	for line := range bytes.Lines(text) {
		no++
		b.Reset()
		if body := bytes.TrimSuffix(line, []byte{'\n'}); len(bytes.TrimSpace(body)) > 0 {
			b.Append(record.MakeID(file, at), no, body)
			b.Parse()
			if r := &b.Records[0]; r.Outcome == record.Keep {
				if err := do(r); err != nil {
					return err
				}
			}
		}
		at += int64(len(line))
	}
	return nil
}

// wordsOf are the runs of \w of the lower-cased text, as Python's re has them: str.isalnum or the underscore.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
}

// gramsOf is the set of the text's word 5-grams, as strings, so that it owes nothing to what it checks; one gram of
// all words where they are fewer.
func gramsOf(text string) map[string]bool {
	w := wordsOf(text)
	grams := map[string]bool{}
	if 0 < len(w) && len(w) < 5 {
		grams[strings.Join(w, " ")] = true
	}
	for i := 0; i+5 <= len(w); i++ {
		grams[strings.Join(w[i:i+5], " ")] = true
	}
	return grams
}

// jaccard of two documents, and whether each has shingles at all. Those of scheme words are counted by gramsOf; for
// others the scheme's own are taken, whose signatures are held against datatrove's in curate's conformance tests.
func (d *deduped) jaccard(a, b int) (similarity float64, any bool) {
	na, nb, common := 0, 0, 0
	if d.scheme == nil {
		ga, gb := gramsOf(d.docs[a].text), gramsOf(d.docs[b].text)
		na, nb = len(ga), len(gb)
		for g := range ga {
			if gb[g] {
				common++
			}
		}
	} else {
		ga := dedup.Set(d.scheme.Shingles(nil, []byte(d.docs[a].text), &d.shard))
		gb := dedup.Set(d.scheme.Shingles(nil, []byte(d.docs[b].text), &d.shard))
		na, nb, common = len(ga), len(gb), dedup.Intersection(ga, gb)
	}
	if na == 0 || nb == 0 {
		return 0, false
	}
	return float64(common) / float64(na+nb-common), true
}

// millionth is how exact a similarity is: six digits count.
const millionth = 1e-6

// sound checks what must hold of any deduplication at a threshold: what goes has a kept twin that is as similar as
// is said, and no text stays twice.
func (d *deduped) sound(v *verdict, threshold float64) (dropped int) {
	least := 1.0
	for i := range d.docs {
		doc := &d.docs[i]
		if doc.twin < 0 {
			continue
		}
		dropped++
		if d.docs[doc.twin].twin >= 0 {
			v.failf("%s went for %s, which went itself", doc.id, d.docs[doc.twin].id)
		}
		s, _ := d.jaccard(i, doc.twin)
		least = min(least, s)
		if s < threshold-millionth/2 {
			v.failf("%s went for %s, and their similarity is %.6f", doc.id, d.docs[doc.twin].id, s)
		}
		if x := s - doc.similarity; x > millionth || x < -millionth {
			v.failf("%s and %s: similarity %.6f, reported as %.6f", doc.id, d.docs[doc.twin].id, s, doc.similarity)
		}
	}
	first := map[string]int{}
	for i := range d.docs {
		if d.docs[i].twin >= 0 {
			continue
		}
		if j, twice := first[d.docs[i].text]; !twice {
			first[d.docs[i].text] = i
		} else if _, any := d.jaccard(i, j); any {
			v.failf("%s and %s have the same text and stay both", d.docs[j].id, d.docs[i].id)
		}
	}
	if dropped > 0 {
		v.printf("at %.2f: %d of %d documents dropped, each has a kept twin; the least similarity, counted again, is %.6f", threshold, dropped, len(d.docs), least)
	}
	return dropped
}

// soundTask is sound on its own: of the files t.Files and the dropped ones t.With.
func soundTask(t task) (res result, err error) {
	d, err := readDeduped(t.Files, t.With, t.Arg)
	if err != nil {
		return res, err
	}
	var v verdict
	dropped := d.sound(&v, t.Threshold)
	res.Docs, res.Kept, res.Check = int64(len(d.docs)), int64(len(d.docs)-dropped), &v
	return res, nil
}

// readableTask writes the lines of the files that are records, as one file of plain JSON Lines.
func readableTask(t task) (res result, err error) {
	f, err := os.Create(t.Out)
	if err != nil {
		return res, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	defer func() { err = errors.Join(err, w.Flush(), f.Close()) }()
	for _, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		err = eachRecord(1, text, func(r *record.Record) error {
			line := append(bytes.TrimRight(r.Line, "\r"), '\n')
			res.Docs++
			res.Bytes += int64(len(line))
			_, err := w.Write(line)
			return err
		})
		if err != nil {
			return res, err
		}
	}
	res.Files = []string{t.Out}
	return res, nil
}
