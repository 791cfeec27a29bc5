package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/stage"
)

// unit is what one rank does of a phase, and what is done again after a kill: a file, or a split of one that is large and can be
// read from its middle. A split is the same part of the output whoever does it.
//
// Who begins in the middle of a text does not know how many lines are before it. So the lines of such a split are counted from
// 1 within it, in the copies for later phases and in the quarantine, which goes into the phase's folder; FinishRanks knows
// the lines of all splits, and makes the quarantine's parts of it (placeQuarantine).
type unit struct {
	file  corpus.File
	split int // -1 for the whole file
}

// leastSplits is how many splits' bytes a file has at least that is not done as a whole.
const leastSplits = 2

// rank is whose the unit is.
func (u unit) rank(world int) int { return (u.file.Number - 1 + max(0, u.split)) % world }

// cutUp finds the files that are shared split by split.
func (s *Shared) cutUp(ctx context.Context) error {
	j := s.job
	s.cuts = map[int]*corpus.Cut{}
	if slices.ContainsFunc(j.Stages, func(st stage.Stage) bool { return st.Spec().Lines }) {
		return nil
	}
	o := corpus.OpenOptions{Options: split.Options{SplitSize: j.splitSize(), ChunkSize: minChunk, MaxRecord: s.max}, Codec: j.Codec, MaxWindow: minWindow}
	for _, f := range j.Manifest.Files {
		if f.Size < leastSplits*j.splitSize() {
			continue
		}
		cut, err := corpus.CutOf(ctx, j.Store, f, o)
		if err != nil {
			return err
		}
		if cut.N > 1 {
			s.cuts[f.Number] = &cut
		}
	}
	return nil
}

// units are all there are, in the order of the parts.
func (s *Shared) units() []unit {
	var list []unit
	for _, f := range s.job.Manifest.Files {
		list = append(list, s.unitsOf(f)...)
	}
	return list
}

func (s *Shared) unitsOf(f corpus.File) []unit {
	cut := s.cuts[f.Number]
	if cut == nil {
		return []unit{{f, -1}}
	}
	list := make([]unit, cut.N)
	for k := range list {
		list[k] = unit{f, k}
	}
	return list
}

func (s *Shared) unitJournalName(n int, u unit) string {
	name := s.fileJournalName(n, u.file.Number)
	if u.split >= 0 {
		name += fmt.Sprintf("-%05d", u.split)
	}
	return name
}

// undone are the units that are not done in phase n.
func (s *Shared) undone(ctx context.Context, n int, units []unit) ([]unit, error) {
	var list []unit
	for _, u := range units {
		_, err := s.job.Store.Stat(ctx, s.unitJournalName(n, u))
		if errors.Is(err, fs.ErrNotExist) {
			list = append(list, u)
		} else if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// unitEntries are those of a unit in phase n: of a split that is not there, none.
func (s *Shared) unitEntries(ctx context.Context, n int, u unit) ([]Entry, error) {
	if u.split < 0 {
		return s.entries(ctx, n, u.file.Number)
	}
	name := s.unitJournalName(n, u)
	entries, err := s.readJournal(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 || entries[0].Split != u.split || entries[0].File != u.file.Number {
		return nil, fmt.Errorf("%s: is damaged; remove it, and repeat what made it", name)
	}
	if len(entries[0].Parts) == 0 { // one that is there has a part at least
		return nil, nil
	}
	return entries, nil
}

// pass does phase n, from 1, for those of the units that are not done in it.
func (s *Shared) pass(ctx context.Context, n int, units []unit, apply stage.Mapper) (Counts, error) {
	var files []corpus.File
	var splits []unit
	for _, u := range units {
		if u.split < 0 {
			files = append(files, u.file)
		} else {
			splits = append(splits, u)
		}
	}
	total := Counts{}
	if len(files) > 0 {
		var err error
		if total, err = s.Pass(ctx, n, files, apply); err != nil {
			return total, err
		}
	}
	if len(splits) > 0 {
		counts, err := s.passSplits(ctx, n, splits, apply)
		if total.Stages == nil {
			total = counts
		} else if counts.Stages != nil {
			total.add(&counts)
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// passSplits does phase n for splits.
func (s *Shared) passSplits(ctx context.Context, n int, units []unit, apply stage.Mapper) (Counts, error) {
	if err := s.fence.check(ctx); err != nil {
		return Counts{}, err
	}
	todo, err := s.undone(ctx, n, units)
	if err != nil || len(todo) == 0 {
		return Counts{}, err
	}
	in, err := s.splitHandover(ctx, n-1, todo)
	if err != nil {
		return Counts{}, err
	}
	j := *s.job
	j.Manifest = &corpus.Manifest{}
	var at []split.Position
	var runs []unit
	bytes := int64(0)
	for _, u := range todo {
		from, there := split.Position{}, true
		if in != nil {
			there = slices.ContainsFunc(in.entries[u.file.Number], func(e Entry) bool { return e.Split == u.split })
		}
		if there && in.source() == nil {
			if from, there, err = s.cuts[u.file.Number].Start(ctx, s.store, u.file, j.splitSize(), u.split); err != nil {
				return Counts{}, err
			}
		}
		if !there {
			if err := s.noSplit(ctx, n, u); err != nil {
				return Counts{}, err
			}
			continue
		}
		runs, at = append(runs, u), append(at, from)
		j.Manifest.Files = append(j.Manifest.Files, u.file)
		bytes += u.file.Size / int64(s.cuts[u.file.Number].N)
	}
	if len(runs) == 0 {
		return Counts{}, nil
	}
	if in != nil {
		in.apply = apply
	}
	consumed := j.Progress.Consumed.Load()
	j.expect(n, in)
	if in.source() == nil {
		j.Progress.Total.Store(consumed + bytes)
	}
	r, err := j.newRun(s.max, n, s.phs[n-1], in, &voice{log: j.Log})
	if err != nil {
		return Counts{}, err
	}
	r.units, r.starts = runs, at
	if err := s.prepare(ctx, r, &j, n); err != nil {
		return Counts{}, err
	}
	if q := r.outputs[outQuarantine]; q != nil {
		q.dir, q.rel = path.Join(s.d.own, phaseDir(n), outputNames[outQuarantine]), path.Join(corpus.Dir, phaseDir(n), outputNames[outQuarantine])
	}
	r.journal = &splitJournals{ctx: ctx, s: s, phase: n}
	_, err = r.start(ctx)
	if err == nil {
		err = r.total.check()
	}
	return r.total, s.fence.explain(ctx, causeOf(ctx, err))
}

// splitHandover is handover for splits.
func (s *Shared) splitHandover(ctx context.Context, n int, units []unit) (*handover, error) {
	if n == 0 {
		return nil, nil
	}
	h := &handover{noCopy: s.phs[n-1].noCopy, root: s.d.root, entries: map[int][]Entry{}}
	for _, u := range units {
		es, err := s.unitEntries(ctx, n, u)
		if err != nil {
			return nil, err
		}
		h.entries[u.file.Number] = append(h.entries[u.file.Number], es...)
	}
	for _, es := range h.entries {
		slices.SortFunc(es, compareEntries)
	}
	var err error
	if h.noCopy {
		h.before, err = s.splitHandover(ctx, n-1, units)
	}
	return h, err
}

// noSplit notes that no record begins in a split.
func (s *Shared) noSplit(ctx context.Context, n int, u unit) error {
	b, err := appendEntry(nil, &Entry{File: u.file.Number, Split: u.split, Run: s.identity})
	if err != nil {
		return err
	}
	return writeFile(ctx, s.store, s.unitJournalName(n, u), b)
}

// splitJournals writes the journal of a split when that is done.
type splitJournals struct {
	ctx   context.Context
	s     *Shared
	phase int
}

func (l *splitJournals) append(e *Entry) error {
	said := *e
	said.Run = l.s.identity
	b, err := appendEntry(nil, &said)
	if err != nil {
		return err
	}
	// What was finished before a signal is not lost.
	return writeFile(context.WithoutCancel(l.ctx), l.s.store, l.s.unitJournalName(l.phase, unit{corpus.File{Number: e.File}, e.Split}), b)
}

func (l *splitJournals) close() error { return nil }

// place is where a split's entry is.
type place struct{ phase, file, split int }

// placeQuarantines makes the quarantine's parts of the splits that ranks have done each by itself, and gives what the
// journals say of them. all are the entries of all phases, which get it, too.
func (s *Shared) placeQuarantines(ctx context.Context, all []*gathered) (map[place]Part, error) {
	placed := map[place]Part{}
	before := map[[2]int]int64{} // lines, by file and split
	for i, e := range all[0].entries {
		if cut := s.cuts[e.File]; cut != nil && cut.ByLines && e.Split > 0 && i > 0 && all[0].entries[i-1].File == e.File {
			last := &all[0].entries[i-1]
			before[[2]int{e.File, e.Split}] = before[[2]int{e.File, last.Split}] + last.Lines
		}
	}
	for n, g := range all {
		for _, e := range g.entries {
			p, is := e.Parts[outputNames[outQuarantine]]
			if !is || s.cuts[e.File] == nil {
				continue
			}
			part, err := s.placeQuarantine(ctx, n+1, p, before[[2]int{e.File, e.Split}])
			if err != nil {
				return nil, err
			}
			e.Parts[outputNames[outQuarantine]] = part // the map is the entry's
			placed[place{n + 1, e.File, e.Split}] = part
		}
	}
	return placed, nil
}

// placeQuarantine makes the part of a split from what a rank has written of it: with so many lines before each.
func (s *Shared) placeQuarantine(ctx context.Context, n int, p Part, before int64) (_ Part, err error) {
	dir := path.Join(corpus.Dir, outputNames[outQuarantine])
	if !s.phs[n-1].writes {
		dir = path.Join(dir, phaseDir(n))
	}
	kind := s.job.Quarantine.parts().Compression
	f, err := s.store.Open(ctx, path.Join(s.d.root, p.Name), 0)
	if err != nil {
		return Part{}, err
	}
	defer f.Close() // it was only read
	r, err := compress.NewReader(store.UntilDone(ctx, f), kind, compress.Options{})
	if err != nil {
		return Part{}, err
	}
	defer r.Close()
	placed := Part{Name: path.Join(dir, path.Base(p.Name)), Records: p.Records}
	w, err := s.store.Create(ctx, path.Join(s.d.root, placed.Name))
	if err != nil {
		return Part{}, err
	}
	defer w.Abort() // after Commit it does nothing
	sum := store.NewSumming(w)
	frames, err := newLineFrames(sum, kind)
	if err != nil {
		return Part{}, err
	}
	hash := xxhash.New()
	lines := bufio.NewReaderSize(r, 64<<10)
	var out []byte
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil && err != io.EOF {
			return Part{}, err
		}
		if out, err = appendRenumbered(out[:0], line, before); err != nil {
			return Part{}, fmt.Errorf("%s: %w", p.Name, err)
		}
		_, _ = hash.Write(out) // never fails
		if _, err := frames.Write(out); err != nil {
			return Part{}, err
		}
	}
	if err := frames.close(); err != nil {
		return Part{}, err
	}
	if err := w.Commit(); err != nil {
		return Part{}, err
	}
	placed.Size, placed.XXH64 = sum.Size(), fmt.Sprintf("%016x", hash.Sum64())
	return placed, nil
}

// appendRenumbered appends a line of a quarantine (appendQuarantined) whose record has so many more lines before it.
func appendRenumbered(dst, line []byte, before int64) ([]byte, error) {
	bad := errors.New("a line of it is none of a quarantine; remove it, and repeat what made it")
	const head, key = `{"file":"`, `,"line":`
	if !bytes.HasPrefix(line, []byte(head)) {
		return dst, bad
	}
	at := len(head)
	for at < len(line) && line[at] != '"' { // the name is a JSON string
		if line[at] == '\\' {
			at++
		}
		at++
	}
	if at >= len(line) {
		return dst, bad
	}
	i := bytes.Index(line[at:], []byte(key)) // between them there is only the offset
	if i < 0 {
		return dst, bad
	}
	at += i + len(key)
	end := at
	for end < len(line) && line[end] >= '0' && line[end] <= '9' {
		end++
	}
	if end == at { // null: it has no number
		return append(dst, line...), nil
	}
	n, err := strconv.ParseInt(string(line[at:end]), 10, 64)
	if err != nil {
		return dst, bad
	}
	dst = append(dst, line[:at]...)
	dst = strconv.AppendInt(dst, n+before, 10)
	return append(dst, line[end:]...), nil
}
