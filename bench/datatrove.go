package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const pythonEnv = "CURATE_BENCH_PYTHON"

// python is the interpreter that has the peers. Where none is named it says what is skipped.
func python(what string) (string, bool) {
	name := os.Getenv(pythonEnv)
	if name == "" {
		fmt.Printf("\nSKIPPED %s: %s does not name a Python that has the peer; README.md says how to make one\n", what, pythonEnv)
	}
	return name, name != ""
}

func runDatatrove(s *session) error {
	return s.runFilterPeer("datatrove", "gopher", "GopherRepetitionFilter + GopherQualityFilter")
}

func runFilters(s *session) error {
	return s.runFilterPeer("filters", "fineweb", "Gopher repetition + Gopher quality + C4 + FineWeb quality")
}

// runFilterPeer measures a chain of datatrove's filters and the profile of that name on the same few documents: both
// read JSONL.zst, decide, and write nothing. Start-up is in neither.
func (s *session) runFilterPeer(bench, profile, chain string) error {
	python, ok := python(bench)
	if !ok {
		return nil
	}
	dir := filepath.Join(s.dir, "peer-"+profile)
	sample, _, err := s.child(task{Name: "sample", Files: s.corpus.Files, Out: filepath.Join(dir, "sample.jsonl.zst"), MB: int(s.corpus.Unique), N: s.options.docs}, false)
	if err != nil {
		return err
	}
	ours, _, err := s.child(task{Name: "verdicts", Files: sample.Files, N: 1, Arg: profile}, false)
	if err != nil {
		return err
	}
	script := filepath.Join("peers", "datatrove_filters.py")
	peer, curate := &row{name: "datatrove"}, &row{name: "curate, decode + parse + Map"}
	same, sameReason := 0, 0
	var version string
	for round := 1; round <= s.options.runs; round++ {
		res, u, err := s.child(task{Name: "map", Files: sample.Files, N: 1, Arg: profile}, true)
		if err != nil {
			return err
		}
		res.PeakRSS, res.Foreign = u.RSS, u.Foreign
		s.add(curate, measurement{Bench: bench, Name: curate.name, Round: round, Unit: "JSONL", result: res})

		if u, err = s.measure(command{argv: []string{python, script, profile, dir}, one: true}); err != nil {
			return err
		}
		var p struct {
			Verdict   []string
			CPU, Wall float64
			Startup   float64 `json:"startup_cpu"`
			Version   string
			Python    string
		}
		if err := json.Unmarshal(u.Out, &p); err != nil {
			return fmt.Errorf("%s: %w", script, err)
		}
		if len(p.Verdict) != len(ours.Verdict) || int64(len(p.Verdict)) != sample.Docs {
			return fmt.Errorf("%w: datatrove decided about %d documents, curate about %d", errOutput, len(p.Verdict), len(ours.Verdict))
		}
		same, sameReason = 0, 0
		kept := int64(0)
		for i, v := range p.Verdict {
			if (v == "") == (ours.Verdict[i] == "") {
				same++
			}
			if v == ours.Verdict[i] {
				sameReason++
			}
			if v == "" {
				kept++
			}
		}
		version = "datatrove " + p.Version + ", Python " + p.Python
		s.add(peer, measurement{Bench: bench, Name: peer.name, Round: round, Unit: "JSONL", result: result{
			Bytes: sample.Bytes, Docs: sample.Docs, Passes: 1, CPU: p.CPU, Wall: p.Wall, Kept: kept, Foreign: u.Foreign, PeakRSS: u.RSS,
		}, More: map[string]any{"version": version, "startup_cpu_s": p.Startup, "same_decision": same, "same_reason": sameReason}})
	}
	table(fmt.Sprintf("%s: %s, %d documents, %.3f MB, one core", bench, chain, sample.Docs, mb(sample.Bytes)), peer, curate)
	fmt.Printf("%s, English words by spaCy; curate is %.0f times as fast; datatrove keeps %d, curate %d\n",
		version, curate.median(speed)/peer.median(speed), peer.all[0].Kept, curate.all[0].Kept)
	fmt.Printf("same decision about %d of %d documents, same reason too %d\n", same, sample.Docs, sameReason)
	if float64(sameReason) < 0.995*float64(sample.Docs) {
		return fmt.Errorf("%w: the decisions differ", errOutput)
	}
	return nil
}
