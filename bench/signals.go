package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// runSignals writes the signals of a profile beside what it keeps and applies the profile to them again, without text. Checked:
// the counts of both ledgers are the same. What reading costs grows with the columns that the profile compares.
func runSignals(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	for _, profile := range []string{"gopher", "fineweb"} {
		var rates []float64
		var kept int64
		var first usage
		for round := 1; round <= s.options.runs; round++ {
			dir := filepath.Join(s.dir, fmt.Sprintf("signals-%s-%d", profile, round))
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return err
			}
			file := func(name string) string { return filepath.Join(dir, name) }
			argv := append([]string{bin, "filter", "--profile", profile, "-q", "--signals", file("signals.parquet"), "--ledger", file("ledger.json"), "-o", file("kept.jsonl")}, s.corpus.Files...)
			u, err := s.measure(command{argv: argv})
			if err != nil {
				return err
			}
			if round == 1 {
				first = u
			}
			u, err = s.measure(command{argv: []string{bin, "filter", "apply", "--profile", profile, "-q", "--ledger", file("applied.json"), "-o", file("decisions.jsonl"), file("signals.parquet")}, one: true})
			if err != nil {
				return err
			}
			var of, applied ledgerCounts
			for name, l := range map[string]*ledgerCounts{"ledger.json": &of, "applied.json": &applied} {
				b, err := os.ReadFile(file(name))
				if err != nil {
					return err
				}
				if err := json.Unmarshal(b, l); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			if of.Read != applied.Read || of.Kept != applied.Kept || fmt.Sprint(of.Dropped) != fmt.Sprint(applied.Dropped) {
				return fmt.Errorf("%w: filter says %+v, apply %+v", errOutput, of, applied)
			}
			kept = of.Kept
			rates = append(rates, float64(of.Read)/u.CPU)
			s.add(&row{name: "apply " + profile}, measurement{Bench: "signals", Name: "curate filter apply --profile " + profile, Round: round, Unit: "records", Process: true, result: result{
				Docs: of.Read, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: of.Kept, PeakRSS: u.RSS,
			}})
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
		fmt.Printf("\nsignals: profile %s, %d records, %d kept; written beside the filter in %.1f CPU seconds; applied again from Parquet, one core, whole process: %.0f records a CPU second (%.0f–%.0f)\n",
			profile, s.corpus.Docs, kept, first.CPU, median(rates), slices.Min(rates), slices.Max(rates))
	}
	return nil
}

// ledgerCounts is what of a ledger is compared.
type ledgerCounts struct {
	Read, Kept int64
	Dropped    map[string]int64
}
