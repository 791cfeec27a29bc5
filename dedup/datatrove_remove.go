package dedup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"curate/record"
	"curate/stage"
)

// RemovalConfig of DatatroveRemoval.
type RemovalConfig struct {
	// Field holds the text; "text" by default.
	Field record.Path
	// Files has the .remove files in its root, or in a folder remove_ids there.
	Files fs.FS
	// Dir is what Files is called in messages.
	Dir string
	// Annotate drops nothing: the verdict is written into every record.
	Annotate bool
	// Verdicts writes the verdict into dropped records.
	Verdicts bool
}

// Rule of a record that DatatroveRemoval drops, and reasons: datatrove's file names it; or its text is empty, and the
// readers of datatrove pass over it in all steps, so that it is not in what they write either.
const (
	DatatroveRule   = "datatrove"
	DatatroveRemove = "remove"
)

// DatatroveRemoval does datatrove's fourth step (MinhashDedupFilter): of input file i, from 0, it drops the documents whose
// numbers are in file i of those to remove. Numbers count the documents of a file in order, so it is a stage.Serial. It is
// immutable.
type DatatroveRemoval struct {
	cfg  RemovalConfig
	dir  string // of the files, in Files
	spec stage.Spec
}

// NewDatatroveRemoval makes the stage. Errors are about cfg.
func NewDatatroveRemoval(cfg RemovalConfig) (*DatatroveRemoval, error) {
	if cfg.Field.String() == "" {
		cfg.Field = record.MustPath("text")
	}
	d := &DatatroveRemoval{cfg: cfg, dir: "."}
	if info, err := fs.Stat(cfg.Files, DatatroveRemoveIDs); err == nil && info.IsDir() {
		d.dir = DatatroveRemoveIDs
	}
	ranks, err := d.ranks()
	if err != nil {
		return nil, fmt.Errorf("dedup: %s: %w", cfg.Dir, err)
	}
	if len(ranks) == 0 {
		if err := d.noPairs(); err != nil {
			return nil, fmt.Errorf("dedup: %s: there is no file named as %s, here or in %s, and %w", cfg.Dir, RemoveName(0), DatatroveRemoveIDs, err)
		}
	}
	config, err := canonical(struct {
		Annotate bool   `json:"annotate"`
		Field    string `json:"field"`
		From     string `json:"from"`
		Method   string `json:"method"`
	}{cfg.Annotate, cfg.Field.String(), cfg.Dir, "datatrove"})
	if err != nil {
		return nil, err
	}
	d.spec = stage.Spec{Name: "dedup", Version: 1, Config: config, Needs: []record.Path{cfg.Field}}
	return d, nil
}

// ranks are those that have a file.
func (d *DatatroveRemoval) ranks() ([]int, error) {
	entries, err := fs.ReadDir(d.cfg.Files, d.dir)
	if err != nil {
		return nil, err
	}
	var ranks []int
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), RemoveExtension)
		rank, err := strconv.ParseUint(digits, 10, 31)
		if ok && err == nil && RemoveName(int(rank)) == e.Name() {
			ranks = append(ranks, int(rank))
		}
	}
	return ranks, nil
}

// noPairs says why it is not known that nothing goes. Where no documents are alike, or there are none, datatrove's cluster step
// writes no file at all (minhash.py opens one when it has something for it), as Datatrove does; then all pairs' files, which
// are there in any case, are empty.
func (d *DatatroveRemoval) noPairs() error {
	pairs, err := fs.Glob(d.cfg.Files, datatroveBuckets+"/*"+dupsExtension)
	if err != nil {
		return err
	}
	if len(pairs) == 0 {
		return fmt.Errorf("no pairs in %s; give the folder that datatrove's cluster step wrote, or, where it found nothing, the one above with %s", datatroveBuckets, datatroveBuckets)
	}
	for _, name := range pairs {
		info, err := fs.Stat(d.cfg.Files, name)
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			return fmt.Errorf("%s has pairs; run datatrove's cluster step", name)
		}
	}
	return nil
}

// Spec implements stage.Serial.
func (d *DatatroveRemoval) Spec() stage.Spec { return d.spec }

// Key implements stage.Serial. The key is one byte: whether the record is a document of datatrove's.
func (d *DatatroveRemoval) Key() stage.Mapper { return removalKey{d} }

type removalKey struct{ d *DatatroveRemoval }

func (k removalKey) Spec() stage.Spec { return k.d.spec }

func (k removalKey) NewWorker() stage.Worker { return &removalKeyWorker{cfg: &k.d.cfg} }

type removalKeyWorker struct {
	cfg  *RemovalConfig
	text []byte
}

// Map implements stage.Worker.
func (w *removalKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		text, ok := textOf(r, w.cfg.Field, false, &w.text)
		if !ok {
			continue
		}
		if len(text) > 0 {
			r.SetKey([]byte{1})
		}
		if len(text) > scratchLimit {
			w.text = nil
		}
	}
	return nil
}

// NewDecider implements stage.Serial.
func (d *DatatroveRemoval) NewDecider() stage.Decider {
	return &removal{d: d, rank: -1, seen: map[int]bool{}}
}

// removal goes through files and numbers side by side. It holds a few KiB of the file at work.
type removal struct {
	d      *DatatroveRemoval
	rank   int
	number int64 // of the next document
	file   fs.File
	in     *RemoveReader
	next   int64 // number to remove; -1 if there are no more
	seen   map[int]bool
}

// Decide implements stage.Decider.
func (w *removal) Decide(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		rank := r.ID.File() - 1
		if rank != w.rank {
			if err := w.open(rank); err != nil {
				return err
			}
		}
		reason := ""
		switch {
		case len(r.Key()) == 0:
			reason = DatatroveEmpty
		case w.number == w.next:
			reason = DatatroveRemove
			if err := w.advance(); err != nil {
				return err
			}
			fallthrough
		default:
			w.number++
		}
		verdict := func() ([]byte, error) { return removalVerdict(reason), nil }
		if err := settle(r, reason != "", w.d.cfg.Annotate, w.d.cfg.Verdicts, DatatroveRule, reason, verdict); err != nil {
			return err
		}
	}
	return nil
}

func removalVerdict(reason string) []byte {
	if reason == "" {
		return []byte(`{"method":"datatrove","verdict":"keep"}`)
	}
	return []byte(`{"method":"datatrove","verdict":"drop","rule":"` + DatatroveRule + `","reason":"` + reason + `"}`)
}

// name is a rank's file in messages.
func (w *removal) name(rank int) string { return path.Join(w.d.cfg.Dir, w.d.dir, RemoveName(rank)) }

// open goes on with the next input file. A rank without a file loses no document.
func (w *removal) open(rank int) error {
	if err := w.close(); err != nil {
		return err
	}
	w.rank, w.number, w.next = rank, 0, -1
	w.seen[rank] = true
	f, err := w.d.cfg.Files.Open(path.Join(w.d.dir, RemoveName(rank)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	w.file, w.in = f, NewRemoveReader(f)
	return w.advance()
}

func (w *removal) advance() error {
	number, ok, err := w.in.Next()
	if err != nil {
		return fmt.Errorf("%s: %w; copy it anew, or let datatrove make it again", w.name(w.rank), err)
	}
	if w.next = int64(number); !ok {
		w.next = -1
	}
	return nil
}

// close ends an input file, all of whose documents have passed.
func (w *removal) close() error {
	if w.file == nil {
		return nil
	}
	var err error
	if w.next >= 0 {
		err = fmt.Errorf("%s: is to remove document %d, and input %d has %d: these are not the files that it was made for, in the same order, or some records of them were quarantined", w.name(w.rank), w.next, w.rank+1, w.number)
	}
	err = errors.Join(err, w.file.Close())
	w.file = nil
	return err
}

// End implements stage.Decider.
func (w *removal) End() error {
	if err := w.close(); err != nil {
		return err
	}
	ranks, err := w.d.ranks()
	if err != nil {
		return err
	}
	for _, rank := range ranks {
		if !w.seen[rank] {
			return fmt.Errorf("%s: is for input %d, which is not there or has no documents: give all the files that datatrove had, in the same order", w.name(rank), rank+1)
		}
	}
	return nil
}
