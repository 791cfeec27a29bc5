package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"golang.org/x/term"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/record"
)

// What commands that look at records, and change none, read at a time.
const (
	lookChunk  = 256 << 10
	lookRecord = 64 << 20
	lookBatch  = 64
)

// eachRecord calls f for every record of inputs, in order; - is stdin. A record is valid until the next call. A bad line is an error.
func eachRecord(ctx context.Context, stdin io.Reader, inputs []string, f func(file string, r *record.Record) error) error {
	return looking{maxRecord: lookRecord, textField: "text"}.each(ctx, stdin, inputs, f)
}

// looking is how records are looked at.
type looking struct {
	maxRecord int                                       // bytes; a longer one is a bad line
	textField string                                    // what the text of formats without names is called
	bad       func(file string, r *record.Record) error // takes bad lines; nil: they are errors
	consumed  *atomic.Int64                             // counts the bytes taken from storage; may be nil
}

// each is eachRecord.
func (l looking) each(ctx context.Context, stdin io.Reader, inputs []string, f func(file string, r *record.Record) error) error {
	st := storage()
	m, err := corpus.Expand(ctx, st, inputs)
	if err != nil {
		return err
	}
	for _, file := range m.Files {
		if err := l.eachOf(ctx, st, stdin, file, f); err != nil {
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				err = context.Cause(ctx) // who stopped it says more than that it was stopped
			}
			return err
		}
	}
	return nil
}

func (l looking) eachOf(ctx context.Context, st store.Store, stdin io.Reader, file corpus.File, f func(string, *record.Record) error) error {
	src, err := corpus.Open(ctx, st, file, corpus.OpenOptions{Options: split.Options{
		File: file.Number, SplitSize: 1 << 40, ChunkSize: lookChunk, MaxRecord: l.maxRecord,
	}, MaxWindow: 128 << 20, Stdin: stdin, Consumed: l.consumed})
	if err != nil {
		return err
	}
	defer src.Close()
	codec := src.Codec()
	var b record.Batch
	for {
		var c split.Chunk
		c.Buf = make([]byte, 0, lookChunk)
		if err := src.Next(ctx, &c); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for at := (split.Cursor{}); !c.Done(at); {
			b.Reset()
			at = codec.Decode(&c, at, &b, lookBatch, lookChunk, l.textField)
			b.Parse()
			for i := range b.Records {
				r := &b.Records[i]
				if r.Outcome == record.Quarantine {
					if l.bad != nil {
						if err := l.bad(file.Name(), r); err != nil {
							return err
						}
						continue
					}
					return fmt.Errorf("%s:%d: %w", file.Name(), r.LineNo, r.Err)
				}
				if err := f(file.Name(), r); err != nil {
					return err
				}
			}
		}
	}
}

// decompressed reads what r holds, whatever it is compressed with.
func decompressed(r io.Reader) (io.ReadCloser, error) {
	buf := bufio.NewReaderSize(r, 64<<10)
	head, err := buf.Peek(8)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return compress.NewReader(buf, compress.Sniff(head), compress.Options{MaxWindow: 128 << 20})
}

// inputsOr are what a command that looks at records reads: its arguments, or standard input.
func inputsOr(stdin *os.File, args []string, what string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	if term.IsTerminal(int(stdin.Fd())) || closedAtStart(stdin) {
		return nil, usage("%s missing: name files, or pipe records in", what)
	}
	return []string{corpus.Stdin}, nil
}

// smallFile reads a file that a flag or key names.
func smallFile(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such file", name)
	}
	return b, err
}

// isThere says what is wrong with a file that will be read later.
func isThere(name string) error {
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: no such file", name)
	case err != nil:
		return err
	case st.IsDir():
		return fmt.Errorf("%s: is a directory, and must be a file", name)
	}
	return nil
}

// textOf is a string member of a record.
func textOf(r *record.Record, name record.Path) (string, bool) {
	v, ok := r.Value(name)
	if !ok {
		return "", false
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return "", false
	}
	return s, true
}

// writeWhole makes a file that appears whole or not at all.
func writeWhole(ctx context.Context, name string, write func(w io.Writer) error) error {
	w, err := storage().Create(ctx, name)
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(w, 64<<10)
	if err := errors.Join(write(buf), buf.Flush()); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}
