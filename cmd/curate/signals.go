package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/parquet"
	"curate/corpus/store"
	"curate/filter"
	"curate/record"
)

// Reading sidecars: docs/formats/signals.md.

// signalRows are some rows of a sidecar, one behind the other.
type signalRows struct {
	file    string
	first   int64 // number of the first row in the file, from 0
	n       int
	records []int64 // IDs; parquet.NoInt for none
	ids     *parquet.Texts
	basis   *parquet.Texts
	without *parquet.Texts
	values  [][]float64 // by signal that was asked for; nil where decided says what they decide
	decided []int32
}

// errorf is an error of row i.
func (r *signalRows) errorf(i int, format string, args ...any) error {
	return fmt.Errorf("%s, row %d: %s", r.file, r.first+int64(i)+1, fmt.Sprintf(format, args...))
}

// signalBlock is how many rows are read at a time: their numbers fit in a core's cache.
const signalBlock = 2048

// signalInputs are the files behind arguments; an output directory stands for its signals.
func signalInputs(args []string) ([]string, error) {
	var list []string
	for _, arg := range args {
		dir := filepath.Join(arg, corpus.Dir, "signals")
		if st, err := os.Stat(dir); store.IsURL(arg) || err != nil || !st.IsDir() {
			list = append(list, arg)
			continue
		}
		if _, err := os.Stat(filepath.Join(arg, corpus.Dir, corpus.Done)); errors.Is(err, fs.ErrNotExist) {
			return nil, usage("%s: is the output of a run that has not finished; repeat its command to finish it", arg)
		}
		parts, err := filepath.Glob(filepath.Join(globQuoted(dir), "part-*"))
		if err != nil {
			return nil, err
		}
		slices.Sort(parts)
		list = append(list, parts...)
	}
	return list, nil
}

// globQuoted keeps the characters of a name from meaning something.
func globQuoted(name string) string {
	if os.PathSeparator == '\\' {
		return name // there a backslash is no quote
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// signalsGC is the percentage for debug.SetGCPercent where signals are read. A page of each column is nearly all the
// memory, and is allocated in the beginning and kept, while at Go's 100 the collector runs after 4, 8, 16 and 32 MB of it:
// a twentieth of the time for 150,000 records, with nothing to find (3 MB more at the peak). The heap may grow to six times what is kept.
const signalsGC = 500

// eachSignals calls f for the rows of sidecars, in order. names are the signals that are wanted. With a decider, whose signals
// they are, f may be given decisions in their place.
func eachSignals(ctx context.Context, stdin io.Reader, args, names []string, d *decider, f func(*signalRows) error) error {
	defer debug.SetGCPercent(debug.SetGCPercent(signalsGC))
	args, err := signalInputs(args)
	if err != nil {
		return err
	}
	st := storage()
	m, err := corpus.Expand(ctx, st, args)
	if err != nil {
		return err
	}
	for _, file := range m.Files {
		_, stem := compress.ByName(path.Base(file.Path))
		if isParquet := slices.Contains(parquet.Codec.Extensions, strings.ToLower(path.Ext(stem))); isParquet && !file.Stream {
			err = eachColumn(ctx, st, file, names, d, f)
		} else {
			err = eachLine(ctx, st, stdin, file, names, f)
		}
		if err != nil {
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return err
		}
	}
	return nil
}

// eachColumn reads a sidecar in Parquet: the columns alone that are asked for. With a decider it reads the signals of a row
// group one behind the other and keeps what they decide, so that it holds a page of one of them and not of each.
func eachColumn(ctx context.Context, st store.Store, file corpus.File, names []string, d *decider, f func(*signalRows) error) error {
	r, size, err := st.OpenAt(ctx, file.Location())
	if err != nil {
		return err
	}
	defer r.Close() // it was only read
	wanted := []parquet.Wanted{
		{Name: filter.RowRecord, Kind: parquet.Ints}, {Name: filter.RowID, Kind: parquet.JSONs},
		{Name: filter.RowBasis, Kind: parquet.JSONs}, {Name: filter.RowWithout, Kind: parquet.JSONs},
	}
	head := len(wanted)
	for _, n := range names {
		wanted = append(wanted, parquet.Wanted{Name: n, Kind: parquet.Numbers})
	}
	c, err := parquet.OpenColumns(ctx, r, size, wanted, lookHeld)
	if err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	rows := signalRows{file: file.Name()}
	var decided []int32
	left := int64(0) // rows of the open row group
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if d != nil && left == 0 {
			if left, err = c.NextGroup(ctx); err != nil {
				return fmt.Errorf("%s: %w", file.Name(), err)
			}
			if left == 0 {
				return nil
			}
			if decided = nil; left <= decidedGroup {
				if decided, err = d.group(ctx, c, head, int(left)); err != nil {
					return fmt.Errorf("%s: %w", file.Name(), err)
				}
			}
		}
		if rows.n, err = c.Next(ctx, signalBlock); err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
		if rows.n == 0 {
			return nil
		}
		left -= int64(rows.n)
		rows.records, rows.ids, rows.basis, rows.without = c.Ints(0), c.Texts(1), c.Texts(2), c.Texts(3)
		if rows.values, rows.decided = rows.values[:0], nil; decided != nil {
			rows.decided, decided = decided[:rows.n], decided[rows.n:]
		} else {
			for i := range names {
				rows.values = append(rows.values, c.Numbers(head+i))
			}
		}
		if err := f(&rows); err != nil {
			return err
		}
		rows.first += int64(rows.n)
	}
}

// decidedGroup is the most rows of a row group of which all decisions are held, 4 bytes each: four times what curate writes.
const decidedGroup = 4 << 20

// lookHeld is how many bytes of pages are in memory.
const lookHeld = 1 << 30

// eachLine reads a sidecar in JSON Lines.
func eachLine(ctx context.Context, st store.Store, stdin io.Reader, file corpus.File, names []string, f func(*signalRows) error) error {
	rows := signalRows{file: file.Name(), ids: &parquet.Texts{}, basis: &parquet.Texts{}, without: &parquet.Texts{}, values: make([][]float64, len(names))}
	paths := make([]record.Path, len(names))
	for i, n := range names {
		paths[i] = record.NamePath(n)
	}
	head := [...]record.Path{record.MustPath(filter.RowRecord), record.MustPath(filter.RowID), record.MustPath(filter.RowBasis), record.MustPath(filter.RowWithout)}
	flush := func() error {
		if rows.n == 0 {
			return nil
		}
		err := f(&rows)
		rows.first += int64(rows.n)
		rows.n, rows.records = 0, rows.records[:0]
		rows.ids.Reset()
		rows.basis.Reset()
		rows.without.Reset()
		for i := range rows.values {
			rows.values[i] = rows.values[i][:0]
		}
		return err
	}
	err := looking{maxRecord: lookRecord, textField: "text"}.eachOf(ctx, st, stdin, file, func(_ string, r *record.Record) error {
		id := int64(parquet.NoInt)
		if v, ok := r.Value(head[0]); ok {
			n, err := strconv.ParseInt(string(v), 10, 64)
			if err != nil {
				return rows.errorf(rows.n, "%q is no record ID: %s", filter.RowRecord, v)
			}
			id = n
		}
		rows.records = append(rows.records, id)
		for k, to := range []*parquet.Texts{rows.ids, rows.basis, rows.without} {
			v, _ := r.Value(head[1+k])
			if string(v) == "null" {
				v = nil
			}
			to.Append(v)
		}
		for i := range paths {
			x := math.NaN()
			if v, ok := r.Value(paths[i]); ok && v[0] != 'n' {
				var err error
				if x, err = strconv.ParseFloat(string(v), 64); err != nil {
					return rows.errorf(rows.n, "%q is no number: %s", names[i], v)
				}
			}
			rows.values[i] = append(rows.values[i], x)
		}
		if rows.n++; rows.n < signalBlock {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// decider applies a profile's thresholds to rows of sidecars.
type decider struct {
	checked string // a basis that is right
	t       *filter.Thresholds
	columns []int // by signal of t: the number of the column among those that are read
	first   []int32
	decided []int32 // of a row group
	values  [][]float64
}

func newDecider(f *filter.Filter) (*decider, error) {
	t, err := f.Thresholds()
	if err != nil {
		return nil, err
	}
	return &decider{t: t}, nil
}

// reads makes the decider read its signals among names, to which it appends those that are not there.
func (d *decider) reads(names []string) []string {
	d.columns = d.columns[:0]
	for _, s := range d.t.Signals() {
		i := slices.Index(names, s)
		if i < 0 {
			i = len(names)
			names = append(names, s)
		}
		d.columns = append(d.columns, i)
	}
	d.values = make([][]float64, len(d.columns))
	return names
}

// quarantinedRow is no decision of a profile: the record has no signals.
const quarantinedRow = -3

// group decides about the n rows of a row group that has begun by their signals alone, which are the columns from head on.
func (d *decider) group(ctx context.Context, c *parquet.Columns, head, n int) ([]int32, error) {
	if cap(d.decided) < n {
		d.decided = make([]int32, n)
	}
	d.decided = d.decided[:n]
	for i := range d.decided {
		d.decided[i] = filter.Passes
	}
	for k, column := range d.columns {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		to := d.decided
		err := c.EachNumbers(head+column, signalBlock, func(values []float64) {
			d.t.DecideSignal(to[:len(values)], k, values)
			to = to[len(values):]
		})
		if err != nil {
			return nil, err
		}
	}
	return d.decided, nil
}

// decide gives a decision for each row.
func (d *decider) decide(rows *signalRows) ([]int32, error) {
	if cap(d.first) < rows.n {
		d.first = make([]int32, rows.n)
	}
	d.first = d.first[:rows.n]
	if rows.decided != nil {
		copy(d.first, rows.decided)
	} else {
		for i, c := range d.columns {
			d.values[i] = rows.values[c]
		}
		d.t.Decide(d.first, d.values)
	}
	for i := range rows.n {
		if w := rows.without.Of(i); len(w) > 0 {
			switch string(w) {
			case `"` + filter.WithoutText + `"`:
				d.first[i] = filter.Empty
			case `"` + record.Quarantine.String() + `"`:
				d.first[i] = quarantinedRow
				continue // its basis is not known
			default:
				return nil, rows.errorf(i, "there are no signals, for a reason that is not known: %s", w)
			}
		}
		if rows.basis.Same(i) && d.first[i-1] != quarantinedRow {
			continue
		}
		b := rows.basis.Of(i)
		if len(b) < 2 || b[0] != '"' {
			return nil, rows.errorf(i, "is no row of a sidecar: it does not say what its signals were computed by (%q). curate filter --signals PATH makes sidecars", filter.RowBasis)
		}
		if string(b) == d.checked {
			continue
		}
		if err := d.t.CheckBasis(string(b[1 : len(b)-1])); err != nil {
			return nil, rows.errorf(i, "%v", err)
		}
		d.checked = string(b)
	}
	return d.first, nil
}
