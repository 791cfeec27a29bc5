package report

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/record"
)

// A record's ID says where it stood in the input; where it stands in the parts it does not. But a part has the records of
// one split of one input (docs/formats/part.md), so the ID says in which part a record is, if it is anywhere, and there its
// own "id" finds it. A dropped record is found by the record that it went for, which its verdict names.

// readKeptTexts finds the texts of the kept documents of all samples, and compares those of a step that drops nothing.
func (s *Step) readKeptTexts(ctx context.Context, in files) error {
	if !slices.ContainsFunc(s.Dedups, func(d *Dedup) bool { return len(d.Differences) > 0 }) {
		return nil
	}
	text, err := s.textField()
	if err != nil {
		return damaged(in.path(configName), err)
	}
	var m corpus.Manifest
	if err := in.json(ctx, corpus.Dir+"/manifest.json", &m); err != nil {
		return err
	}
	rows := map[int]bool{} // inputs whose IDs hold the numbers of rows: they do not say the split
	for _, f := range m.Files {
		rows[f.Number] = strings.HasSuffix(f.Path, ".parquet")
	}
	note, err := in.noteOfDropped(ctx)
	if err != nil {
		return err
	}
	wanted := map[[2]int][]*sampled{} // by number of file and split, -1 for any
	for _, d := range s.Dedups {
		for i := range d.Differences {
			w := &d.Differences[i]
			w.Note = note
			for _, doc := range []*sampled{&w.kept, &w.dropped} {
				doc.path = d.stage.id
				if doc == &w.dropped && !d.stage.annotate || !doc.known {
					continue
				}
				split := -1
				if size := s.settings.Step.SplitSize; size > 0 && !rows[doc.id.File()] {
					split = int(doc.id.Offset() / size)
				}
				at := [2]int{doc.id.File(), split}
				wanted[at] = append(wanted[at], doc)
			}
		}
	}
	list, err := in.st.List(ctx, in.root)
	if err != nil {
		return err
	}
	var batch record.Batch
	for _, info := range list {
		name := path.Clean(info.Name)
		file, split, ok := partNumbers(path.Base(name))
		if !ok || path.Dir(name) != path.Clean(in.root) {
			continue
		}
		docs := slices.Concat(wanted[[2]int{file, split}], wanted[[2]int{file, -1}])
		if len(docs) == 0 {
			continue
		}
		take := func(r *record.Record) {
			for _, doc := range docs {
				if doc.is(r) {
					doc.take(r, text)
				}
			}
		}
		if strings.HasSuffix(name, ".parquet") {
			if err := in.reference(ctx, name, take); err != nil {
				return err
			}
			continue
		}
		err := in.partLines(ctx, name, place{}, func(_ place, line []byte) error {
			if !slices.ContainsFunc(docs, func(doc *sampled) bool { return doc.mayBe(line) }) {
				return nil
			}
			batch.Reset()
			batch.Append(0, 0, line)
			batch.Parse()
			defer batch.Shrink(16 << 20)
			if r := &batch.Records[0]; r.Outcome != record.Keep {
				return r.Err
			}
			take(&batch.Records[0])
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, d := range s.Dedups {
		for i := range d.Differences {
			w := &d.Differences[i]
			if !d.stage.annotate {
				continue
			}
			if w.Note = w.dropped.missing("the document that would be dropped"); w.Note == "" {
				w.compare()
			}
		}
	}
	return nil
}

// noteOfDropped says why a dropped document is not there, which is so until it has been found.
func (f files) noteOfDropped(ctx context.Context) (string, error) {
	list, err := f.st.List(ctx, f.path(corpus.Dir+"/dropped"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if len(list) == 0 {
		return "the dropped document is not there: the step did not keep what it dropped (--dropped)", nil
	}
	return "the dropped document is not among those that the step has kept for it, by its id and the one that it went for", nil
}

// dedupStage is what the configuration says of the stage that a summary is of.
type dedupStage struct {
	id       record.Path // where records have their own ids
	annotate bool        // duplicates are left where they are
}

// knowStage looks the summary's stage up.
func (s *Step) knowStage(d *Dedup) error {
	type config struct {
		Annotate bool    `json:"annotate"`
		Field    string  `json:"field"`
		Form     string  `json:"form"`
		IDField  string  `json:"id_field"`
		Method   *string `json:"method"`
	}
	is := config{IDField: "id"}
	for _, name := range []string{"dedup_" + d.Method, "dedup"} {
		c := s.stageConfig(name)
		if c == nil {
			continue
		}
		one := config{IDField: "id"}
		if err := json.Unmarshal(c, &one); err != nil {
			return err
		}
		if one.Method == nil || *one.Method == d.Method {
			is = one
			break
		}
	}
	var err error
	if d.stage.id, err = record.ParsePath(is.IDField); err != nil {
		return err
	}
	d.stage.annotate = is.Annotate
	text, err := s.textField()
	if err != nil {
		return err
	}
	if d.Method == "exact" && is.Form == "" && (is.Field == "" || is.Field == text.String()) {
		d.Differences = nil // the texts are equal, to the byte
	}
	for i := range d.Differences {
		d.Differences[i].named()
	}
	return nil
}

// partNumbers are the numbers of the file and of the split in the name of a part.
func partNumbers(name string) (file, split int, ok bool) {
	digits, ok := strings.CutPrefix(name, "part-")
	stem, _, _ := strings.Cut(digits, ".")
	first, second, both := strings.Cut(stem, "-")
	file, err := strconv.Atoi(first)
	split, err2 := strconv.Atoi(second)
	return file, split, ok && both && err == nil && err2 == nil
}

// mayBe says whether a line may be the document's, at little cost.
func (doc *sampled) mayBe(line []byte) bool {
	for _, c := range []byte(doc.own) {
		if c < ' ' || c > '~' || strings.IndexByte(`"\/<>&`, c) >= 0 {
			return true // may be written in more than one way
		}
	}
	return bytes.Contains(line, []byte(doc.own))
}

// is compares the record's own id, or that it has none.
func (doc *sampled) is(r *record.Record) bool {
	v, ok := r.Value(doc.path)
	own, known := "", false
	if ok {
		own, known = idOf(v)
	}
	return own == doc.own && known == doc.known
}

// take keeps the beginning of a record's text.
func (doc *sampled) take(r *record.Record, field record.Path) {
	if doc.found++; doc.found > 1 {
		return
	}
	var scratch []byte
	text, err := r.Text(field, &scratch)
	if err != nil {
		doc.found = 0
		return
	}
	doc.whole = len(text) <= dedupText
	doc.text = strings.ToValidUTF8(string(text[:min(len(text), dedupText)]), "")
}

// missing says why there is no text; empty if there is one.
func (doc *sampled) missing(what string) string {
	switch {
	case doc.found == 1:
		return ""
	case doc.found > 1:
		return "more than one record of that part has the id of " + what
	case !doc.known:
		return what + " has no id, by which it could be found in the parts"
	}
	return what + " is not in the parts by its id: a later stage has changed or dropped it, or the parts were taken away"
}

// takeSample compares a dropped record with the one that it went for, if that is a sample.
func (s *Step) takeSample(d *dropped, duplicateOf string) {
	for _, u := range s.Dedups {
		for i := range u.Differences {
			w := &u.Differences[i]
			if w.Kept != duplicateOf || w.dropped.id.File() != d.file || w.dropped.found > 0 {
				continue
			}
			if !w.dropped.is(d.rec) {
				continue // another one that went for the same
			}
			w.dropped.take(d.rec, s.text)
			if w.dropped.found == 1 {
				w.compare()
			}
		}
	}
}

// compare fills in the words, when both texts are there.
func (w *WordDiff) compare() {
	if w.Note = w.kept.missing("the kept document"); w.Note != "" {
		return
	}
	a, b := &w.dropped, &w.kept
	w.words(a.text, b.text, a.whole && b.whole)
	w.Equal = a.text == b.text && a.whole && b.whole
	a.text, b.text = "", ""
}
