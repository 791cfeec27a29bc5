package runs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"curate/stage"
)

// FanIn is the most runs that are open at once.
const FanIn = 128

// Sorter sorts more items than fit into memory: it fills a buffer of limit bytes, and each time it is full it
// sorts it into a file of the workspace; FanIn files of one level are merged into one of the next. A Sorter
// belongs to one goroutine, and holds limit bytes and a buffer for output.
//
// A file that an earlier attempt made before the run was killed is used again (Workspace.Make). That is right only
// if the same items come again in the same order and are cut at the same places: limit is a constant of the stage
// and never follows the memory or the number of workers, which a user may change between attempts.
type Sorter struct {
	ws     stage.Workspace
	width  int
	limit  int // bytes, a multiple of width
	buf    []byte
	out    []byte
	prefix string
	levels [][]string // files that hold what was added, by level
	made   []int      // files ever made, by level
}

// NewSorter makes a sorter of items of width bytes, with a buffer of limit bytes. Reset comes before Add.
func NewSorter(ws stage.Workspace, width, limit int) *Sorter {
	mustFit(0, width)
	return &Sorter{ws: ws, width: width, limit: max(1, limit/width) * width}
}

// firstBuffer is what a sorter begins with, in bytes: most have little to sort.
const firstBuffer = 64 << 10

// Reset empties the sorter for other items. Its files' names are prefix, a level and a number.
func (s *Sorter) Reset(prefix string) {
	s.prefix, s.buf, s.levels, s.made = prefix, s.buf[:0], nil, nil
}

// Add takes in an item, which is copied.
func (s *Sorter) Add(ctx context.Context, item []byte) error {
	if len(s.buf) == s.limit {
		if err := s.spill(ctx); err != nil {
			return err
		}
	}
	if len(s.buf)+s.width > cap(s.buf) { // append would go beyond limit
		s.buf = append(make([]byte, 0, min(s.limit, max(firstBuffer, 4*cap(s.buf)))), s.buf...)
	}
	s.buf = append(s.buf, item...)
	return nil
}

// Merge writes all items in order. It is called once, after the last Add.
func (s *Sorter) Merge(ctx context.Context, w io.Writer) error {
	if len(s.levels) == 0 {
		Sort(s.buf, s.width)
		_, err := w.Write(s.buf)
		return err
	}
	// The buffer is emptied so that the runs can be read through it.
	if len(s.buf) > 0 {
		if err := s.spill(ctx); err != nil {
			return err
		}
	}
	for level := 0; ; level++ {
		var all []string
		for _, names := range s.levels {
			all = append(all, names...)
		}
		if len(all) <= FanIn {
			return s.merge(ctx, w, all)
		}
		if err := s.collapse(ctx, level); err != nil { // fewer than FanIn are left of each, so a few levels do
			return err
		}
	}
}

// Remove deletes the files. It comes after what Merge wrote is safe from a kill.
func (s *Sorter) Remove(ctx context.Context) error {
	var errs []error
	for _, names := range s.levels {
		for _, name := range names {
			errs = append(errs, s.ws.Remove(ctx, name))
		}
	}
	s.levels = nil
	return errors.Join(errs...)
}

func (s *Sorter) spill(ctx context.Context) error {
	err := s.make(ctx, 0, func(w io.Writer) error {
		Sort(s.buf, s.width)
		_, err := w.Write(s.buf)
		return err
	})
	if err != nil {
		return err
	}
	s.buf = s.buf[:0]
	for level := 0; len(s.levels[level]) == FanIn; level++ {
		if err := s.collapse(ctx, level); err != nil {
			return err
		}
	}
	return nil
}

// collapse merges the files of a level into one of the next. The buffer is empty.
func (s *Sorter) collapse(ctx context.Context, level int) error {
	in := s.levels[level]
	if len(in) < 2 {
		return nil
	}
	now := false
	err := s.make(ctx, level+1, func(w io.Writer) error {
		now = true
		return s.merge(ctx, w, in)
	})
	if err != nil {
		return err
	}
	s.levels[level] = nil
	if !now { // an earlier attempt did it, and may have removed them
		return nil
	}
	for _, name := range in {
		if err := s.ws.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sorter) make(ctx context.Context, level int, write func(io.Writer) error) error {
	for len(s.levels) <= level {
		s.levels, s.made = append(s.levels, nil), append(s.made, 0)
	}
	name := fmt.Sprintf("%s-%d-%05d", s.prefix, level, s.made[level])
	if err := s.ws.Make(ctx, name, write); err != nil {
		return err
	}
	s.levels[level] = append(s.levels[level], name)
	s.made[level]++
	return nil
}

// merge writes the items of files in order, reading them through the empty buffer.
func (s *Sorter) merge(ctx context.Context, w io.Writer, names []string) (err error) {
	sealed := make([]stage.Sealed, 0, len(names))
	defer func() {
		for _, f := range sealed {
			err = errors.Join(err, f.Data.Close())
		}
	}()
	for _, name := range names {
		data, size, err := s.ws.Open(ctx, name)
		if err != nil {
			return err
		}
		sealed = append(sealed, stage.Sealed{Size: size, Data: data})
	}
	it, err := Open(sealed, s.width, Range{}, s.buf[:cap(s.buf)])
	if err != nil {
		return err
	}
	if s.out == nil {
		s.out = make([]byte, 0, max(bufferSize, s.width))
	}
	return copyItems(stopping{ctx, w}, it, s.out)
}

// stopping is a writer that a cancelled context stops.
type stopping struct {
	ctx context.Context
	w   io.Writer
}

func (s stopping) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}
