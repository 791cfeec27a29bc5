package main

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A row is a line of an instruction or preference set.
type row struct {
	line  []byte
	id    string
	texts []string // of its messages, in order
}

// A pair is a paragraph in both languages.
type pair struct {
	ID string `json:"id,omitzero"`
	EN string `json:"en"`
	EU string `json:"eu"`
}

// translationSource is what the translation step's data are taken from.
type translationSource struct {
	parallel   []pair
	instruct   []row // English
	reference  []row // the same rows in Basque
	preference []row // English
	heldOut    map[string]bool
}

type translationPlan struct {
	rows  int // of either set
	extra int // lines of the memory that no row needs
}

func defaultTranslationPlan() translationPlan { return translationPlan{rows: 200, extra: 2400} }

// translation is what is written for the translation step.
type translation struct {
	instruct, reference, preference []row
	memory                          []pair // without ids
	counts                          map[string]int
}

// readTranslationSource reads DIR. Held-out is every line of a held-out page in either language: as the parallel file, the
// sets and the pages have it.
func readTranslationSource(dir string) (s translationSource, err error) {
	name := func(stem string) string { return filepath.Join(dir, stem+".jsonl.zst") }
	s.heldOut = map[string]bool{}
	lines, err := readLines(name("parallel.en-eu"))
	if err != nil {
		return s, err
	}
	for i, line := range lines {
		var p pair
		if err := json.Unmarshal(line, &p); err != nil {
			return s, fmt.Errorf("%s:%d: %w", name("parallel.en-eu"), i+1, err)
		}
		s.parallel = append(s.parallel, p)
		if heldOut(p.ID) {
			s.heldOut[p.EN], s.heldOut[p.EU] = true, true
		}
	}
	for _, set := range []struct {
		stem string
		rows *[]row
	}{
		{"instruct.en", &s.instruct}, {"instruct.eu-reference", &s.reference}, {"preference-hard.en", &s.preference},
		{"en", nil}, {basque, nil}, {"preference-hard.eu-reference", nil},
	} {
		rows, err := readRows(dir, set.stem)
		if err != nil {
			return s, err
		}
		if set.rows != nil {
			*set.rows = rows
		}
		for _, r := range rows {
			if heldOut(r.id) {
				for _, line := range r.lines() {
					s.heldOut[line] = true
				}
			}
		}
	}
	return s, nil
}

// readRows reads a set, or pages, of DIR.
func readRows(dir, stem string) ([]row, error) {
	name := filepath.Join(dir, stem+".jsonl.zst")
	lines, err := readLines(name)
	if err != nil {
		return nil, err
	}
	return parseRows(name, lines)
}

// parseRows reads the lines of name: rows, or pages.
func parseRows(name string, lines [][]byte) ([]row, error) {
	type message struct {
		Content string `json:"content"`
	}
	var rows []row
	for i, line := range lines {
		var r struct {
			ID       string    `json:"id"`
			Text     string    `json:"text"`
			Messages []message `json:"messages"`
			Prompt   []message `json:"prompt"`
			Chosen   []message `json:"chosen"`
			Rejected []message `json:"rejected"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		texts := []string{r.Text}
		for _, m := range slices.Concat(r.Messages, r.Prompt, r.Chosen, r.Rejected) {
			texts = append(texts, m.Content)
		}
		rows = append(rows, row{line, r.ID, slices.DeleteFunc(texts, func(t string) bool { return t == "" })})
	}
	return rows, nil
}

// lines are those lines of the row's texts that have a letter: what a translation memory is asked for.
func (r row) lines() (lines []string) {
	for _, text := range r.texts {
		for line := range strings.SplitSeq(text, "\n") {
			if strings.ContainsFunc(line, unicode.IsLetter) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// The user turns of the sets ask for what the help says under a heading.
var question = pair{EN: `What does the LibreOffice help say about "%s"?`, EU: `Zer dio LibreOffice laguntzak honi buruz: "%s"?`}

// heading is what a question made from the form asks for.
func heading(form, text string) (string, bool) {
	before, after, _ := strings.Cut(form, "%s")
	text, begins := strings.CutPrefix(text, before)
	text, ends := strings.CutSuffix(text, after)
	return text, begins && ends
}

// untranslated tells a pair whose Basque side is English still: the same but for case and white space, or with more than half of
// its lower-case words of four letters and more, if there are four such words, taken from the English.
func untranslated(p pair) bool {
	if strings.EqualFold(strings.Join(strings.Fields(p.EN), " "), strings.Join(strings.Fields(p.EU), " ")) {
		return true
	}
	lower := func(text string) (words []string) {
		for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) }) {
			if len(w) >= 4 && w == strings.ToLower(w) {
				words = append(words, w)
			}
		}
		return words
	}
	english, words, copied := lower(p.EN), lower(p.EU), 0
	for _, w := range words {
		if slices.Contains(english, w) {
			copied++
		}
	}
	return len(words) >= 4 && 2*copied > len(words)
}

// buildTranslation draws rows of the sets, without regard to what of them can be translated, and fills the memory: with every
// line that the rows need and may have, and others. Neither has anything of held-out pages; what the memory lacks is missing
// because it stands in such a page, too, or has not been translated.
func buildTranslation(s translationSource, p translationPlan, seed uint64) (translation, error) {
	t := translation{counts: map[string]int{}}
	generator := func(part uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, part)) } // build has parts 1 to 3
	if len(s.instruct) != len(s.reference) {
		return t, fmt.Errorf("%d rows of instruct.en, %d of instruct.eu-reference; both must have the same rows", len(s.instruct), len(s.reference))
	}
	drawn, err := draw(s.instruct, p.rows, generator(101))
	if err != nil {
		return t, fmt.Errorf("instruct.en: %w", err)
	}
	for _, k := range drawn {
		en, eu := s.instruct[k], s.reference[k]
		if en.id != eu.id || len(en.texts) != len(eu.texts) {
			return t, fmt.Errorf("row %d: %s of instruct.en stands beside %s of instruct.eu-reference", k+1, en.id, eu.id)
		}
		t.instruct, t.reference = append(t.instruct, en), append(t.reference, eu)
	}
	if drawn, err = draw(s.preference, p.rows, generator(102)); err != nil {
		return t, fmt.Errorf("preference-hard.en: %w", err)
	}
	for _, k := range drawn {
		t.preference = append(t.preference, s.preference[k])
	}
	needed := map[string]bool{}
	for _, r := range slices.Concat(t.instruct, t.preference) {
		for _, line := range r.lines() {
			needed[line] = true
		}
	}

	// Of several translations of a line the first one counts, as when a memory is filled.
	known := map[string]bool{}
	fit := func(p pair) bool {
		return !known[p.EN] && !untranslated(p) && !s.heldOut[p.EN] && !s.heldOut[p.EU] && strings.ContainsFunc(p.EN, unicode.IsLetter)
	}
	var others []pair
	at := map[string]int{} // places in the parallel file
	for i, pair := range s.parallel {
		if heldOut(pair.ID) || !fit(pair) {
			continue
		}
		known[pair.EN] = true
		at[pair.EN] = i
		if pair.ID = ""; needed[pair.EN] {
			t.memory = append(t.memory, pair)
		} else {
			others = append(others, pair)
		}
	}
	t.counts["memory: lines that rows need"] = len(t.memory)
	rng := generator(103)
	for _, k := range rng.Perm(len(others))[:min(p.extra, len(others))] {
		t.memory = append(t.memory, others[k])
		t.counts["memory: other lines"]++
	}
	slices.SortFunc(t.memory, func(a, b pair) int { return at[a.EN] - at[b.EN] })
	// A question is in the memory if its heading might be.
	for i, en := range s.instruct {
		eu := s.reference[i]
		if heldOut(en.id) || en.id != eu.id || len(en.texts) == 0 || len(eu.texts) == 0 || !needed[en.texts[0]] {
			continue
		}
		x, isQuestion := heading(question.EN, en.texts[0])
		y, isAlso := heading(question.EU, eu.texts[0])
		of := pair{EN: x, EU: y}
		turn := pair{EN: en.texts[0], EU: eu.texts[0]}
		if !isQuestion || !isAlso || untranslated(of) || s.heldOut[x] || s.heldOut[y] || !fit(turn) {
			continue
		}
		known[turn.EN] = true
		t.memory = append(t.memory, turn)
		t.counts["memory: questions"]++
	}
	t.cover()
	return t, nil
}

// draw takes n rows, in their order, whose page is not held out and whose id no other row has.
func draw(rows []row, n int, rng *rand.Rand) ([]int, error) {
	times := map[string]int{}
	for _, r := range rows {
		times[r.id]++
	}
	var fit []int
	for k, r := range rows {
		if !heldOut(r.id) && times[r.id] == 1 {
			fit = append(fit, k)
		}
	}
	if len(fit) < n {
		return nil, fmt.Errorf("%d rows may be taken, %d are wanted", len(fit), n)
	}
	rng.Shuffle(len(fit), func(i, j int) { fit[i], fit[j] = fit[j], fit[i] })
	fit = fit[:n]
	slices.Sort(fit)
	return fit, nil
}

// cover counts what of the rows the memory has.
func (t *translation) cover() {
	known := map[string]bool{}
	for _, p := range t.memory {
		known[p.EN] = true
	}
	for _, set := range []struct {
		name string
		rows []row
	}{{"instruct", t.instruct}, {"preference", t.preference}} {
		for _, r := range set.rows {
			whole := true
			for _, line := range r.lines() {
				t.counts[set.name+": lines"]++
				if known[line] {
					t.counts[set.name+": lines in memory"]++
				} else {
					whole = false
				}
			}
			t.counts[set.name+": rows"]++
			if whole {
				t.counts[set.name+": rows wholly in memory"]++
			}
		}
	}
}

// memoryLines are the memory's lines in the source's style.
func (t *translation) memoryLines() (lines [][]byte, err error) {
	for _, p := range t.memory {
		b := []byte(`{"en": `)
		if b, err = jsontext.AppendQuote(b, p.EN); err != nil {
			return nil, err
		}
		b = append(b, `, "eu": `...)
		if b, err = jsontext.AppendQuote(b, p.EU); err != nil {
			return nil, err
		}
		lines = append(lines, append(b, '}'))
	}
	return lines, nil
}

// digestSize is how many bytes of a held-out line's SHA-1 are kept: that one of the memory's lines has the digest of a line it
// does not equal has a probability of one in ten thousand.
const digestSize = 5

func digest(line string) []byte {
	sum := sha1.Sum([]byte(line))
	return sum[:digestSize]
}

// heldOutDigests are the digests of the held-out lines, sorted, one behind the other. With them a test can tell that nothing of
// these lines is in the committed files, without having the lines.
func (s *translationSource) heldOutDigests() []byte {
	var all [][]byte
	for line := range s.heldOut {
		if strings.ContainsFunc(line, unicode.IsLetter) {
			all = append(all, digest(line))
		}
	}
	slices.SortFunc(all, bytes.Compare)
	return bytes.Join(all, nil)
}

// translationFiles are what writeTranslation writes.
var translationFiles = []string{"instruct.en.jsonl.zst", "instruct.eu-reference.jsonl.zst", "memory.en-eu.jsonl.zst", "preference.en.jsonl.zst"}

// writeTranslation puts the files into dir.
func writeTranslation(dir string, t translation) error {
	memory, err := t.memoryLines()
	if err != nil {
		return err
	}
	raw := func(rows []row) (lines [][]byte) {
		for _, r := range rows {
			lines = append(lines, r.line)
		}
		return lines
	}
	for k, lines := range [][][]byte{raw(t.instruct), raw(t.reference), memory, raw(t.preference)} {
		if err := writeLines(filepath.Join(dir, translationFiles[k]), lines); err != nil {
			return err
		}
	}
	return nil
}
