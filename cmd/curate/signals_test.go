package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"curate/corpus/parquet"
	"curate/filter"
	"curate/record"
)

// sidecarOf writes rows of random signals of a profile as Parquet: where a signal is a share of what repeats, four
// documents of five have none.
func sidecarOf(tb testing.TB, f *filter.Filter, rows int) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "signals.parquet")
	out, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	w := parquet.NewRecords(out, signalColumns(f)...)
	rng := rand.New(rand.NewPCG(1, 1))
	basis := f.Basis()
	var line bytes.Buffer
	for i := range rows {
		line.Reset()
		fmt.Fprintf(&line, `{"record":%d,"id":"https://example.org/page/%d","basis":%q`, record.MakeID(1, int64(i)*1700), i, basis)
		for k, s := range f.Signals() {
			line.WriteString(`,"` + s + `":`)
			switch {
			case s == "words":
				line.WriteString(strconv.Itoa(20 + rng.IntN(2000)))
			case k%5 > 0 && rng.IntN(5) > 0:
				line.WriteByte('0')
			default:
				line.WriteString(strconv.FormatFloat(float64(rng.IntN(2_000_000))/1e6, 'f', -1, 64))
			}
		}
		line.WriteString("}\n")
		if _, err := w.Write(line.Bytes()); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return name
}

// TestDecidedGroups: decisions by row groups are those of the rows' own signals.
func TestDecidedGroups(t *testing.T) {
	f, err := filterNamed("fineweb", filterConfig(t.Context(), record.Path{}))
	if err != nil {
		t.Fatal(err)
	}
	name := sidecarOf(t, f, 100_000) // more than one row group
	var decisions [2][]int32
	for k := range decisions {
		d, err := newDecider(f)
		if err != nil {
			t.Fatal(err)
		}
		names, by := d.reads(nil), d
		if k == 0 {
			by = nil
		}
		err = eachSignals(t.Context(), nil, []string{name}, names, by, func(rows *signalRows) error {
			if (rows.decided != nil) != (k == 1) {
				t.Fatal("the rows are decided about in the other way")
			}
			first, err := d.decide(rows)
			decisions[k] = append(decisions[k], first...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(decisions[0]) != 100_000 || !slices.Equal(decisions[0], decisions[1]) {
		t.Errorf("%d and %d decisions, or others", len(decisions[0]), len(decisions[1]))
	}
}

// BenchmarkApply applies Gopher's thresholds to a sidecar in Parquet and writes the decisions as JSON Lines.
func BenchmarkApply(b *testing.B) {
	for _, profile := range []string{"gopher", "fineweb"} {
		b.Run(profile, func(b *testing.B) {
			const rows = 300_000
			f, err := filterNamed(profile, filterConfig(b.Context(), record.Path{}))
			if err != nil {
				b.Fatal(err)
			}
			name := sidecarOf(b, f, rows)
			b.ReportAllocs()
			for b.Loop() {
				d, err := newDecider(f)
				if err != nil {
					b.Fatal(err)
				}
				counts, err := applyThresholds(b.Context(), nil, []string{name}, f, d, io.Discard)
				if err != nil || counts.Read != rows || counts.Kept == rows {
					b.Fatal(counts, err)
				}
			}
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// TestNoAllocationForDecisions: a row costs none.
func TestNoAllocationForDecisions(t *testing.T) {
	f, err := filterNamed("gopher", filterConfig(t.Context(), record.Path{}))
	if err != nil {
		t.Fatal(err)
	}
	allocs := func(rows int) float64 {
		name := sidecarOf(t, f, rows)
		d, err := newDecider(f)
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(1, func() {
			if _, err := applyThresholds(t.Context(), nil, []string{name}, f, d, io.Discard); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocs(3000), allocs(30_000); many-few > 2000 {
		t.Errorf("%v allocations for 3,000 rows, %v for 30,000", few, many)
	}
}
