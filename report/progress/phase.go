package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"time"

	"curate/corpus/store"
	"curate/pipeline"
)

// phase is what is known of one from its journals.
type phase struct {
	number  int
	main    journal // of the one process; made by ranks, it is there at the end
	steps   journal // what the phase's Reducer has made
	files   map[int]*file
	ofFiles map[string]*journal // by name, of a phase that is filled by ranks

	tally
	splits int
	ended  int // files that are done
	made   int
	// settled: by ranks, the next phase is theirs, though none has begun with it
	settled bool
}

// file is an input on its way through the phase.
type file struct {
	splits  []tally // by number
	there   int
	bytesIn int64
	last    int  // number of the last split, -1 as long as nobody knows
	apart   bool // its splits have journals of their own, so that the last one may be done before others
	done    bool
}

// tally is what a split counts. It is kept, since a split that is made again counts once.
type tally struct {
	there                                     bool
	read, kept, dropped, quarantined, bytesIn int64
}

func (t *tally) add(o *tally, sign int64) {
	t.read += sign * o.read
	t.kept += sign * o.kept
	t.dropped += sign * o.dropped
	t.quarantined += sign * o.quarantined
	t.bytesIn += sign * o.bytesIn
}

func newPhase(n int) *phase {
	return &phase{number: n, files: map[int]*file{}, ofFiles: map[string]*journal{}}
}

// begun says whether there is anything of it.
func (p *phase) begun() bool { return p.main.there || p.splits > 0 }

// mostSplits bounds the numbers of splits that are believed: of a file of 256 TiB in splits of 64 MiB.
const mostSplits = 1 << 22

// take counts an entry.
func (p *phase) take(e *pipeline.Entry, apart bool) error {
	if e.Split < 0 || e.Split > mostSplits {
		return fmt.Errorf("an entry is of split %d of file %d, which there cannot be", e.Split, e.File)
	}
	f := p.files[e.File]
	if f == nil {
		f = &file{last: -1}
		p.files[e.File] = f
	}
	f.apart = f.apart || apart
	c := &e.Counts
	t := tally{there: true, read: c.Read, kept: c.Kept, quarantined: c.Quarantined, bytesIn: c.BytesIn}
	for _, n := range c.Dropped {
		t.dropped += n
	}
	if n := e.Split + 1 - len(f.splits); n > 0 {
		f.splits = append(f.splits, make([]tally, n)...)
	}
	old := &f.splits[e.Split]
	if old.there {
		p.add(old, -1)
	} else {
		p.splits++
		f.there++
	}
	p.add(&t, 1)
	f.bytesIn += t.bytesIn - old.bytesIn
	*old = t
	if e.EOF {
		f.last = e.Split
	}
	done := f.last >= 0 && (!f.apart || f.there > f.last)
	switch {
	case done && !f.done:
		p.ended++
	case !done && f.done:
		p.ended--
	}
	f.done = done
	return nil
}

// journal is a log of framed entries that grows while it is read.
type journal struct {
	there   bool
	name    string
	info    store.Info
	good    int64 // whole entries end here
	changed time.Time
}

// piece is how much of a journal is read at a time, unless an entry is longer.
const piece = 1 << 20

// more reads what has come since the last time, and hands each entry to take. again says that the journal is not the one that was
// read: whatever was taken of it is to be forgotten.
func (j *journal) more(ctx context.Context, st store.Store, name string, take func(raw []byte) (good int, err error)) (again bool, err error) {
	info, err := st.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		again = j.there
		*j = journal{}
		return again, nil
	}
	if err != nil {
		return false, err
	}
	if j.there && info.Size < j.good {
		*j = journal{}
		return true, nil // the caller looks again
	}
	j.there, j.name, j.changed = true, name, info.ModTime
	if info.Size == j.good || info == j.info { // the same torn tail, too
		return false, nil
	}
	j.info = info
	f, err := st.Open(ctx, name, j.good)
	if errors.Is(err, fs.ErrNotExist) {
		*j = journal{}
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	var buf []byte
	for want := piece; ; {
		n := len(buf)
		buf = slices.Grow(buf, want)
		got, err := io.ReadFull(f, buf[n:n+want])
		buf = buf[:n+got]
		ended := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !ended {
			return false, err
		}
		good, err := take(buf)
		if err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
		j.good += int64(good)
		buf = append(buf[:0], buf[good:]...)
		if ended {
			return false, nil
		}
		if want = piece; good == 0 {
			want = len(buf) // an entry that is longer than that
		}
	}
}

// fileJournal is the name of a journal of one file, or of one split of it.
var fileJournal = regexp.MustCompile(`^file-\d{5,}(-\d{5,})?$`)

// look reads what the phase's journals have more than the last time. last says that it may be the run's last phase, whose journal lies
// beside those of the phases. ranks says that single files may have journals.
func (p *phase) look(ctx context.Context, st store.Store, own string, last, ranks bool) error {
	dir := path.Join(own, "phase"+strconv.Itoa(p.number))
	take := func(apart bool) func(raw []byte) (int, error) {
		return func(raw []byte) (int, error) {
			entries, good, err := pipeline.ReadJournal(raw)
			for i := range entries {
				err = errors.Join(err, p.take(&entries[i], apart))
			}
			return good, err
		}
	}
	for try := 0; ; try++ {
		names := []string{path.Join(dir, "journal")}
		if last {
			names = append(names, path.Join(own, "journal"))
		}
		again := false
		for i, name := range names {
			if i == 0 && len(names) == 2 && (p.main.name == names[1]) {
				continue // it is known which one it is
			}
			var err error
			if again, err = p.main.more(ctx, st, name, take(false)); err != nil {
				return err
			}
			if again || p.main.there {
				break
			}
		}
		if again {
			*p = *newPhase(p.number)
			if try == 0 {
				continue
			}
			return nil // it comes and goes: the next look says more
		}
		break
	}
	if ranks {
		infos, err := st.List(ctx, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, info := range infos {
			match := fileJournal.FindStringSubmatch(path.Base(info.Name))
			if match == nil {
				continue
			}
			j := p.ofFiles[info.Name]
			if j == nil {
				j = &journal{}
				p.ofFiles[info.Name] = j
			}
			if info == j.info {
				continue // it appears whole, and is not read again
			}
			if _, err := j.more(ctx, st, info.Name, take(match[1] != "")); err != nil {
				return err
			}
			j.info = info
		}
	}
	if _, err := st.Stat(ctx, path.Join(dir, "settled")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if p.begun() {
		p.settled = err == nil
	}
	again, err := p.steps.more(ctx, st, path.Join(dir, "steps"), func(raw []byte) (int, error) {
		n, good, err := pipeline.CountFrames(raw)
		p.made += n
		return good, err
	})
	if again {
		p.made = 0
	}
	return err
}

// changed is when the last entry came.
func (p *phase) changed() time.Time {
	t := p.main.changed
	for _, j := range p.ofFiles {
		if j.changed.After(t) {
			t = j.changed
		}
	}
	if p.steps.changed.After(t) {
		t = p.steps.changed
	}
	return t
}
