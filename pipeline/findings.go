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

// Finding is a file that a stage makes below stage.FindingsDir and that somebody wants elsewhere, too: as one file.
type Finding struct {
	Name    string // in Spec().Findings
	Flag    string // that names the path, for messages
	To      Target
	Columns []parquet.Column // that it has as Parquet, whatever its rows
}

// findings are the names of all, which must differ: they lie in one folder.
func (j *Job) findings() ([]string, error) {
	var names []string
	for _, s := range j.Stages {
		for _, name := range s.Spec().Findings {
			if slices.Contains(names, name) {
				return nil, fmt.Errorf("two stages of one run make %s; this is a bug of curate", name)
			}
			names = append(names, name)
		}
	}
	for _, f := range j.Findings {
		if !slices.Contains(names, f.Name) {
			return nil, fmt.Errorf("%s %s: no stage makes %s; this is a bug of curate", f.Flag, f.To.Path, f.Name)
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

// writeFinding writes a finding, which lies at name, to w in the format of its target.
func writeFinding(ctx context.Context, st store.Store, name string, f Finding, w io.Writer) error {
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
	o := newStream(f.To.Format, w, f.Columns)
	if o.rows != nil {
		_, err := io.Copy(o.stream, in)
		return errors.Join(err, o.closeStream())
	}
	frames, err := newLineFrames(w, f.To.Format.Compression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(frames, in); err != nil {
		return err
	}
	return frames.close()
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
		if err := writeFinding(ctx, d.job.Store, path.Join(d.own, f.Name), f, w); err != nil {
			return err
		}
		if err := w.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// foundAll says whether all findings of a finished run are there.
func (d *runDir) foundAll(ctx context.Context) (bool, error) {
	names, err := d.job.findings()
	if err != nil {
		return false, err
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
