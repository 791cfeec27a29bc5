package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/corpus/store"
)

// Cut says where the splits of a file are that can be read each by itself.
type Cut struct {
	// N is how many there are at most; 0 of a file that must be read from its beginning.
	N int
	// ByLines says that it is text: a split that no line begins in is not there (Start).
	ByLines bool
	rows    []int64 // where they begin, of a format with rows
}

// CutOf looks at a file: plain text, as JSON Lines are, and formats with rows can be read from any split on; compressed files and streams
// cannot.
func CutOf(ctx context.Context, st store.Store, f File, o OpenOptions) (_ Cut, err error) {
	if f.Stream {
		return Cut{}, nil
	}
	r, err := st.Open(ctx, f.Location(), 0)
	if err != nil {
		return Cut{}, err
	}
	head := make([]byte, compress.SniffLen)
	n, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return Cut{}, err
	}
	head = head[:n]
	byName, stem := compress.ByName(path.Base(f.Path))
	if compress.Sniff(head) != compress.None || byName != compress.None {
		return Cut{}, nil
	}
	codec, err := codecFor(o.Codec, stem, head)
	if err != nil {
		return Cut{}, fmt.Errorf("%s: %w", f.Name(), err)
	}
	if codec.OpenAt == nil {
		return Cut{N: int(max(1, (f.Size+o.SplitSize-1)/o.SplitSize)), ByLines: true}, nil
	}
	src, err := Open(ctx, st, f, o)
	if err != nil {
		return Cut{}, err
	}
	defer src.Close() // it was only read
	rows, ok := src.reader.(interface{ Starts() []int64 })
	if !ok {
		return Cut{}, nil
	}
	starts := rows.Starts()
	return Cut{N: len(starts), rows: starts}, nil
}

// Start is where split k begins. there is false where no record begins in it.
func (c *Cut) Start(ctx context.Context, st store.Store, f File, splitSize int64, k int) (from split.Position, there bool, err error) {
	if !c.ByLines {
		return split.Position{Offset: c.rows[k]}, true, nil
	}
	if k == 0 { // an empty file has it, too
		return split.Position{}, true, nil
	}
	at := int64(k)*splitSize - 1 // a line that ends here is the last of an earlier split
	r, err := st.Open(ctx, f.Location(), at)
	if err != nil {
		return from, false, err
	}
	defer r.Close() // it was only read
	buf := make([]byte, 64<<10)
	for limit := int64(k+1) * splitSize; at < limit; {
		n, err := r.Read(buf)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			from.Offset = at + int64(i) + 1
			return from, from.Offset < min(limit, f.Size), nil
		}
		at += int64(n)
		if err == io.EOF {
			return from, false, nil
		}
		if err != nil {
			return from, false, err
		}
		if ctx.Err() != nil {
			return from, false, context.Cause(ctx)
		}
	}
	return from, false, nil
}

// Unchanged compares the file with the manifest, as Next does at its end.
func (s *Source) Unchanged(ctx context.Context) error {
	if err := s.unchanged(ctx); err != nil {
		return fmt.Errorf("%s: %w", s.file.Path, err)
	}
	return nil
}
