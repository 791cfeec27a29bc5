package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/dedup"
	"curate/pipeline"
	"curate/record"
	"curate/translate/rows"
)

// against is a benchmark that documents are compared with.
type against struct{ name, path string }

// againstNamed reads "PATH" and "NAME=PATH". A file's name stands for the benchmark, without what says how it is packed.
func againstNamed(value string) against {
	if name, file, ok := strings.Cut(value, "="); ok && !strings.ContainsAny(name, `/\`) {
		return against{name, file}
	}
	return against{benchmarkName(value), value}
}

func benchmarkName(file string) string {
	name := path.Base(filepath.ToSlash(filepath.Clean(file)))
	for _, ext := range []string{".zst", ".gz", ".bz2", ".xz", ".jsonl", ".ndjson", ".json", ".parquet", ".txt"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

// readBenchmarks makes ready what of the benchmarks is looked for. more says what raises the limit.
func readBenchmarks(ctx context.Context, cfg dedup.BenchmarksConfig, list []against, text record.Path, maxRecord int, limit int64, more string) (*dedup.Benchmarks, int64, error) {
	b, err := dedup.NewBenchmarksBuilder(cfg, limit)
	if err != nil {
		return nil, 0, usage("%v", err)
	}
	reader, err := newItemReader(text)
	if err != nil {
		return nil, 0, err
	}
	look := looking{maxRecord: maxRecord, textField: text.Names()[0]}
	for _, a := range list {
		if a.path == corpus.Stdin {
			return nil, 0, usage("standard input is for the documents; name a file")
		}
		if err := b.Begin(a.name); err != nil {
			return nil, 0, usage("%v; name it by NAME=PATH", err)
		}
		rows := 0
		err := look.each(ctx, nil, []string{a.path}, func(file string, r *record.Record) error {
			rows++
			item, err := reader.read(r)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", file, r.LineNo, err)
			}
			if err := b.Add(item); err != nil {
				return usage("%s:%d: %v; raise %s, or look for less at a time", file, r.LineNo, err, more)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		if rows == 0 { // nothing is found of it, and that would pass for clean
			return nil, 0, usage("the benchmark %s (%s) has no item; is that the file?", a.name, a.path)
		}
	}
	size := b.Size()
	return b.Set(), size, nil
}

// itemReader knows benchmarks' rows: pairs, choices as evaluations have them, and the rows of translate/rows.
type itemReader struct {
	text record.Path
	rows *rows.Reader
	row  rows.Row
}

func newItemReader(text record.Path) (*itemReader, error) {
	r, err := rows.New(rows.Options{})
	return &itemReader{text: text, rows: r}, err
}

// Keys of the rows that are read here, the first that a record has. ctx and endings are HellaSwag's, goal and sol1 PIQA's, sentence_good
// and sentence_bad BLiMP's.
var (
	itemID      = fieldsOf("id", "_id", "ind", "idx", "question_id", "uid")
	itemGood    = fieldsOf("good", "sentence_good")
	itemBad     = fieldsOf("bad", "sentence_bad")
	itemContext = fieldsOf("context", "passage", "article", "ctx")
	itemAsks    = fieldsOf("question", "query", "goal", "question_stem")
	itemChoices = fieldsOf("choices", "options", "endings")
	itemAnswer  = fieldsOf("answer", "label", "gold", "answerKey", "correct_answer")
)

func fieldsOf(names ...string) (list []record.Path) {
	for _, n := range names {
		list = append(list, record.NamePath(n))
	}
	return list
}

// firstText is the first of the fields that holds a string.
func firstText(r *record.Record, fields []record.Path) (string, bool) {
	for _, f := range fields {
		if s, ok := textOf(r, f); ok {
			return s, true
		}
	}
	return "", false
}

func firstValue(r *record.Record, fields []record.Path) []byte {
	for _, f := range fields {
		if v, ok := r.Value(f); ok && !bytes.Equal(v, []byte("null")) {
			return v
		}
	}
	return nil
}

// read makes the item of a row.
func (x *itemReader) read(r *record.Record) (dedup.Item, error) {
	item := dedup.Item{}
	for _, f := range itemID {
		if id, ok := idOf(r, f); ok {
			item.ID = id
			break
		}
	}
	good, isGood := firstText(r, itemGood)
	bad, isBad := firstText(r, itemBad)
	if isGood && isBad {
		item.Passages = []dedup.Passage{{Label: good}, {Label: bad, Wrong: true}}
		return item, nil
	}
	context, hasContext := firstText(r, itemContext)
	question, hasQuestion := firstText(r, itemAsks)
	if choices := firstValue(r, itemChoices); choices != nil && (hasContext || hasQuestion) {
		if err := errors.Join(texts(r, itemContext), texts(r, itemAsks)); err != nil { // an item without it is another one
			return item, err
		}
		var query []string
		if hasContext {
			query = append(query, context)
		}
		if hasQuestion {
			query = append(query, question)
		}
		labels, err := rightChoices(choices, firstValue(r, itemAnswer))
		if err != nil {
			return item, err
		}
		for _, l := range labels {
			item.Passages = append(item.Passages, dedup.Passage{Query: query, Label: l})
		}
		return item, nil
	}
	if _, err := x.rows.Recognise(r); err != nil {
		if s, ok := textOf(r, x.text); ok {
			item.Passages = []dedup.Passage{{Label: s}}
			return item, nil
		}
		return item, fmt.Errorf("the record has the keys %s, which is no benchmark's row that is known here: texts (text), choices (question, choices, answer), pairs (good, bad), chats (messages), preferences (prompt, chosen, rejected), instructions (instruction, output)",
			strings.Join(r.Names(), ", "))
	}
	if err := x.rows.Read(r, &x.row); err != nil {
		return item, err
	}
	item.Passages = passagesOf(x.row.Nodes)
	return item, nil
}

// texts says which of the fields holds something else than a string.
func texts(r *record.Record, fields []record.Path) error {
	for _, f := range fields {
		if v, ok := r.Value(f); ok && v[0] != '"' && v[0] != 'n' {
			return fmt.Errorf("%s is no string: %s; mend the row, or take it out", f, shortened(string(v), mostOfValue))
		}
	}
	return nil
}

// mostOfValue is how many characters of a value are in a message.
const mostOfValue = 60

// rightChoices are the texts of the choices that the answer points to: by their number from 0, their label, a letter from A on, or
// their own text. Where no answer is known, as in the test sets of leaderboards, each may be it: it is missing, null, "", or -1 (labels of
// test sets on the Hugging Face Hub). Any other that points to none is an error: which text is looked for would be a guess.
func rightChoices(raw, answer []byte) ([]string, error) {
	var texts, labels []string
	var object struct {
		Text  []string `json:"text"`
		Label []string `json:"label"`
	}
	if json.Unmarshal(raw, &texts) != nil {
		if err := json.Unmarshal(raw, &object); err != nil || len(object.Text) == 0 {
			return nil, fmt.Errorf(`the choices are neither an array of strings nor an object with "text" and "label"`)
		}
		texts, labels = object.Text, object.Label
	}
	switch {
	case len(texts) == 0:
		return nil, errors.New("there are no choices; mend the row, or take it out")
	case len(labels) > 0 && len(labels) != len(texts):
		return nil, fmt.Errorf("the choices have %d texts and %d labels; mend the row, or take it out", len(texts), len(labels))
	case len(answer) == 0, slices.Contains([]string{`""`, "-1", `"-1"`}, string(answer)):
		return texts, nil
	}
	var s string
	if json.Unmarshal(answer, &s) != nil {
		s = string(answer)
	}
	for _, list := range [][]string{labels, texts} {
		for i, v := range list {
			if v == s {
				return texts[i : i+1], nil
			}
		}
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < len(texts) {
		return texts[n : n+1], nil
	}
	if len(s) == 1 && s[0] >= 'A' && int(s[0]-'A') < len(texts) {
		n := int(s[0] - 'A')
		return texts[n : n+1], nil
	}
	return nil, fmt.Errorf("the answer %s is none of the %d choices: give its number from 0, its label, its letter or its text, and null where none is known", shortened(string(answer), mostOfValue), len(texts))
}

// passagesOf are those of a row's texts: what was said before, and what each half of a preference, or the last turn, answers.
// What a system is told stands in many rows, and is no part of an item.
func passagesOf(nodes []rows.Node) []dedup.Passage {
	var shared, chosen, rejected []string
	answered := false // the last of shared is an answer
	for i := range nodes {
		n := &nodes[i]
		if n.Role == "system" {
			continue
		}
		switch n.Side {
		case rows.Chosen:
			chosen = append(chosen, n.Text)
		case rows.Rejected:
			rejected = append(rejected, n.Text)
		default:
			shared, answered = append(shared, n.Text), n.Role != "user" && n.Role != "prompt" && n.Role != "instruction" && n.Role != "input" && n.Role != "question"
		}
	}
	passage := func(more []string, wrong bool) dedup.Passage {
		all := append(append([]string{}, shared...), more...)
		if len(more) == 0 && !answered {
			return dedup.Passage{Query: all, Wrong: wrong}
		}
		return dedup.Passage{Query: all[:len(all)-1], Label: all[len(all)-1], Wrong: wrong}
	}
	switch {
	case len(chosen) > 0 || len(rejected) > 0:
		return []dedup.Passage{passage(chosen, false), passage(rejected, true)}
	case len(shared) > 0:
		return []dedup.Passage{passage(nil, false)}
	}
	return nil
}

// contaminationNote says what is looked for.
func contaminationNote(b *dedup.Benchmarks, size int64) string {
	return fmt.Sprintf("benchmarks: %s of %s (%s of memory)", count(int64(b.Len()), "item"), strings.Join(b.Names(), ", "), pipeline.FormatBytes(size))
}
