package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
)

// keptLines is a file of JSON lines that are dear to make, in an order that is known before. A killed run goes on with it: the
// lines that are there are given out, and then others appended, each of them durable.
type keptLines struct {
	name string
	st   store.Store
	old  io.ReadCloser // nil behind the last line that is there
	read *bufio.Reader
	line int64 // number of the last one that was given out
	size int64 // bytes up to its end
	log  store.Log
}

// openKept opens a file, which need not be there.
func openKept(ctx context.Context, st store.Store, name string) (*keptLines, error) {
	k := &keptLines{name: filepath.ToSlash(name), st: st}
	old, err := st.Open(ctx, k.name, 0)
	if err == nil {
		k.old, k.read = old, bufio.NewReaderSize(old, 64<<10)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return k, nil
}

// next is a line that is there, and nil behind the last one. A line without an end was cut by a kill, and is none.
func (k *keptLines) next() ([]byte, error) {
	if k.old == nil {
		return nil, nil
	}
	var line []byte
	for {
		part, err := k.read.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			k.line++
			k.size += int64(len(line))
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case err == bufio.ErrBufferFull && len(line) <= lookRecord:
		case err == bufio.ErrBufferFull:
			return nil, fmt.Errorf("%s:%d: the line has more than %d bytes: this is no file of this command", k.name, k.line+1, lookRecord)
		case err == io.EOF:
			err := k.old.Close()
			k.old = nil
			return nil, err
		default:
			return nil, err
		}
	}
}

// add appends a line behind those that next has given.
func (k *keptLines) add(ctx context.Context, line any) error {
	if k.log == nil {
		if k.old != nil {
			if err := k.old.Close(); err != nil {
				return err
			}
			k.old = nil
		}
		log, err := k.st.OpenLog(ctx, k.name)
		if err != nil {
			return err
		}
		k.log = log
		if err := log.Truncate(k.size); err != nil {
			return err
		}
	}
	b, err := json.Marshal(line, json.Deterministic(true))
	if err != nil {
		return err
	}
	return k.log.Append(append(b, '\n'))
}

func (k *keptLines) close() error {
	var errs []error
	if k.old != nil {
		errs = append(errs, k.old.Close())
	}
	if k.log != nil {
		errs = append(errs, k.log.Close())
	}
	k.old, k.log = nil, nil
	return errors.Join(errs...)
}
