package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/corpus/store"
	"curate/record"
)

// TaskQuarantine keeps the rows that a [Task] cannot use, where and as a [Job] keeps its own: in _curate/quarantine/ of the directory,
// with file, line and reason. What a task does several times to its rows, such as measuring one model after the other, has parts of its
// own (Begin), whose number stands in the place of the file's. It is used by one goroutine at a time.
type TaskQuarantine struct {
	// Allowed is how many rows each may quarantine. Beyond it the task ends with a *QuarantineError, and its files are whole.
	Allowed Allowance
	By      string // what sets Allowed, for the message

	st     store.Store
	own    string
	parts  map[int]store.Writer // of what is begun, by their second number
	counts []taskRows
}

// taskRows is what a task has read of its rows, and could not use, in what it does once: a line of quarantined.json.
type taskRows struct {
	Of          string `json:"of"`
	Read        int64  `json:"read"`
	Quarantined int64  `json:"quarantined"`
}

// quarantinedFile has the counts, without which a finished task would not know of them.
const quarantinedFile = "quarantined.json"

// open forgets what an attempt before has set aside.
func (q *TaskQuarantine) open(ctx context.Context, d *runDir) error {
	q.st, q.own, q.counts, q.parts = d.job.Store, d.own, nil, map[int]store.Writer{}
	if err := q.st.Remove(ctx, path.Join(q.own, quarantinedFile)); err != nil {
		return err
	}
	files, err := q.st.List(ctx, path.Join(q.own, outputNames[outQuarantine]))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		err = errors.Join(err, q.st.Remove(ctx, f.Name))
	}
	return err
}

// Begin begins what is done next, which messages call of.
func (q *TaskQuarantine) Begin(of string) error {
	err := q.commit()
	q.counts = append(q.counts, taskRows{Of: of})
	return err
}

// Read counts rows that were read, those that are set aside included.
func (q *TaskQuarantine) Read(n int64) { q.counts[len(q.counts)-1].Read += n }

// Add sets a row aside, for the reason r.Err. Rows whose order is not that in which they are read come in a part of their own: its second number
// is part.
func (q *TaskQuarantine) Add(ctx context.Context, part int, file string, r *record.Record) (err error) {
	n := len(q.counts)
	w := q.parts[part]
	if w == nil {
		name := path.Join(q.own, outputNames[outQuarantine], fmt.Sprintf("part-%05d-%05d.jsonl", n, part))
		if w, err = q.st.Create(ctx, name); err != nil {
			return err
		}
		q.parts[part] = w
	}
	q.counts[n-1].Quarantined++
	_, err = w.Write(appendQuarantined(nil, file, r))
	return err
}

// commit brings the open parts into place.
func (q *TaskQuarantine) commit() (err error) {
	for part, w := range q.parts {
		err = errors.Join(err, w.Commit())
		delete(q.parts, part)
	}
	return err
}

// abort leaves nothing of the open parts.
func (q *TaskQuarantine) abort() (err error) {
	for part, w := range q.parts {
		err = errors.Join(err, w.Abort())
		delete(q.parts, part)
	}
	return err
}

// finish brings everything into place.
func (q *TaskQuarantine) finish(ctx context.Context, d *runDir) error {
	if err := q.commit(); err != nil {
		return err
	}
	if q.counts == nil {
		q.counts = []taskRows{}
	}
	return d.write(ctx, quarantinedFile, q.counts)
}

// judge is a *QuarantineError if a finished task has set more aside than is allowed now.
func (q *TaskQuarantine) judge(ctx context.Context, d *runDir) error {
	b, err := d.read(ctx, quarantinedFile)
	if errors.Is(err, fs.ErrNotExist) { // it was finished by a version that did not count
		return nil
	}
	if err != nil {
		return err
	}
	var counts []taskRows
	if err := json.Unmarshal(b, &counts); err != nil {
		return fmt.Errorf("%s: %w; the file is damaged: give --restart to do the work again", path.Join(d.own, quarantinedFile), err)
	}
	for _, c := range counts {
		if q.Allowed.Exceeded(c.Quarantined, c.Read) {
			return &QuarantineError{Quarantined: c.Quarantined, Read: c.Read, Allowed: q.Allowed, By: q.By, Kept: path.Join(d.root, corpus.Dir, outputNames[outQuarantine])}
		}
	}
	return nil
}
