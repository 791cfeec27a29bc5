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
	"strings"

	"curate/corpus/compress"
	"curate/corpus/parquet"
	"curate/corpus/store"
	"curate/stage"
)

// Finding is what stages make below stage.FindingsDir and somebody wants elsewhere, too: as one file.
type Finding struct {
	Names   []string // in Spec().Findings: files of lines, one behind the other
	Flag    string   // that names the path, for messages
	To      Target
	Columns []parquet.Column // that it has as Parquet, whatever its rows
}

// findings are the names of all, which must differ: they lie in one folder.
func (j *Job) findings() ([]string, error) {
	var names []string
	for _, s := range j.Stages {
		list := s.Spec().Findings
		if z, ok := s.(stage.Summarizer); ok {
			list = append(slices.Clone(list), z.SummaryFile())
		}
		for _, name := range list {
			if slices.Contains(names, name) {
				return nil, fmt.Errorf("two stages of one run make %s; this is a bug of curate", name)
			}
			names = append(names, name)
		}
	}
	for _, f := range j.Findings {
		for _, name := range f.Names {
			if !slices.Contains(names, name) {
				return nil, fmt.Errorf("%s %s: no stage makes %s; this is a bug of curate", f.Flag, f.To.Path, name)
			}
		}
	}
	return names, nil
}

// lineFrames compresses lines, in pieces of any size, in frames that each end with the first line end after frameSize
// bytes.
type lineFrames struct {
	w    io.Writer
	e    *compress.Encoder
	open []byte
	enc  []byte
	any  bool // a frame is written
}

func newLineFrames(w io.Writer, kind compress.Kind) (*lineFrames, error) {
	e, err := compress.NewEncoder(kind)
	return &lineFrames{w: w, e: e}, err
}

func (l *lineFrames) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			l.open = append(l.open, p...)
			break
		}
		l.open, p = append(l.open, p[:end]...), p[end:]
		if len(l.open) >= frameSize {
			if err := l.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (l *lineFrames) flush() error {
	l.enc = l.e.AppendFrame(l.enc[:0], l.open)
	l.open, l.any = l.open[:0], true
	_, err := l.w.Write(l.enc)
	return err
}

// close writes what is left, and one empty frame where there was nothing.
func (l *lineFrames) close() error {
	if len(l.open) == 0 && l.any {
		return nil
	}
	return l.flush()
}

// compressed lets write's lines go through frames to w, where the finding's name says so.
func compressed(name string, w io.Writer, write func(io.Writer) error) error {
	if !strings.HasPrefix(name, stage.FindingsDir) || path.Ext(name) != ".zst" {
		return write(w)
	}
	frames, err := newLineFrames(w, compress.Zstd)
	if err != nil {
		return err
	}
	if err := write(frames); err != nil {
		return err
	}
	return frames.close()
}

// writeFinding writes a finding, whose files lie in folder, to w in the format of its target.
func writeFinding(ctx context.Context, st store.Store, folder string, f Finding, w io.Writer) error {
	o := newStream(f.To.Format, w, f.Columns)
	if o.rows != nil {
		for _, name := range f.Names {
			if err := copyFinding(ctx, st, path.Join(folder, name), o.stream); err != nil {
				return err
			}
		}
		return o.closeStream()
	}
	frames, err := newLineFrames(w, f.To.Format.Compression)
	if err != nil {
		return err
	}
	for _, name := range f.Names {
		if err := copyFinding(ctx, st, path.Join(folder, name), frames); err != nil {
			return err
		}
	}
	return frames.close()
}

// copyFinding writes the lines of one file.
func copyFinding(ctx context.Context, st store.Store, name string, w io.Writer) error {
	file, err := st.Open(ctx, name, 0)
	if err != nil {
		return err
	}
	defer file.Close() // it was only read
	kind := compress.None
	if path.Ext(name) == ".zst" {
		kind = compress.Zstd
	}
	in, err := compress.NewReader(bufio.NewReaderSize(store.UntilDone(ctx, file), 64<<10), kind, compress.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}

// deliverFindings writes those that were asked for; of a run that had finished before, those that are not there.
func (d *runDir) deliverFindings(ctx context.Context, missing bool) error {
	for _, f := range d.job.Findings {
		if missing {
			if _, err := d.job.Store.Stat(ctx, f.To.Path); !errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		w, err := d.job.Store.Create(ctx, f.To.Path)
		if err != nil {
			return err
		}
		defer w.Abort() // after Commit it does nothing
		if err := writeFinding(ctx, d.job.Store, d.own, f, w); err != nil {
			return err
		}
		if err := w.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// summarize writes what stages say of their counts; of a run that had finished before, what is not there.
func (d *runDir) summarize(ctx context.Context, total *Counts, missing bool) error {
	for i, s := range d.job.Stages {
		z, ok := s.(stage.Summarizer)
		if !ok {
			continue
		}
		if missing {
			if _, err := d.job.Store.Stat(ctx, path.Join(d.own, z.SummaryFile())); !errors.Is(err, fs.ErrNotExist) {
				if err != nil {
					return err
				}
				continue
			}
		}
		if 1+i >= len(total.Stages) || total.Stages[1+i].Name != z.Spec().Name { // the first is the reading
			return fmt.Errorf("the ledger has no stage %s where it stands; this is a bug of curate", z.Spec().Name)
		}
		c := &total.Stages[1+i]
		var b bytes.Buffer
		if err := z.WriteSummary(&b, stage.Counted{Read: c.Read, Kept: c.Kept, Quarantined: c.Quarantined, Dropped: c.Dropped, Annotated: c.Annotated, Tallies: c.Tallies}); err != nil {
			return by(z, err)
		}
		if err := d.write(ctx, z.SummaryFile(), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// foundAll says whether all findings of a finished run are there, but for those that are made of counts.
func (d *runDir) foundAll(ctx context.Context) (bool, error) {
	var names []string
	for _, s := range d.job.Stages {
		names = append(names, s.Spec().Findings...)
	}
	for _, name := range names {
		_, err := d.job.Store.Stat(ctx, path.Join(d.own, name))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}
