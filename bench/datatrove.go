package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const pythonEnv = "CURATE_BENCH_PYTHON"

// runDatatrove measures datatrove's filters and profile gopher on the same few documents: both read JSONL.zst,
// decide, and write nothing. Start-up is in neither.
func runDatatrove(s *session) error {
	python := os.Getenv(pythonEnv)
	if python == "" {
		fmt.Printf("\nSKIPPED datatrove: %s does not name a Python that has it; README.md says how to make one\n", pythonEnv)
		return nil
	}
	dir := filepath.Join(s.dir, "peer")
	sample, _, err := s.child(task{Name: "sample", Files: s.corpus.Files, Out: filepath.Join(dir, "sample.jsonl.zst"), MB: int(s.corpus.Unique), N: s.options.docs}, false)
	if err != nil {
		return err
	}
	ours, _, err := s.child(task{Name: "verdicts", Files: sample.Files, N: 1}, false)
	if err != nil {
		return err
	}
	root := filepath.Join("peers", "datatrove_gopher.py")
	peer, curate := &row{name: "datatrove"}, &row{name: "curate, decode + parse + Map"}
	same, sameReason := 0, 0
	var version string
	for round := 1; round <= s.options.runs; round++ {
		res, u, err := s.child(task{Name: "map", Files: sample.Files, N: 1}, true)
		if err != nil {
			return err
		}
		res.PeakRSS, res.Foreign = u.RSS, u.Foreign
		s.add(curate, measurement{Bench: "datatrove", Name: curate.name, Round: round, Unit: "JSONL", result: res})

		if u, err = s.measure(command{argv: []string{python, root, dir}, one: true}); err != nil {
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
			return fmt.Errorf("%s: %w", root, err)
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
		s.add(peer, measurement{Bench: "datatrove", Name: peer.name, Round: round, Unit: "JSONL", result: result{
			Bytes: sample.Bytes, Docs: sample.Docs, Passes: 1, CPU: p.CPU, Wall: p.Wall, Kept: kept, Foreign: u.Foreign, PeakRSS: u.RSS,
		}, More: map[string]any{"version": version, "startup_cpu_s": p.Startup, "same_decision": same, "same_reason": sameReason}})
	}
	table(fmt.Sprintf("datatrove: GopherRepetitionFilter + GopherQualityFilter, %d documents, %.3f MB, one core", sample.Docs, mb(sample.Bytes)), peer, curate)
	fmt.Printf("%s, English words by spaCy; curate is %.0f times as fast; datatrove keeps %d, curate %d\n",
		version, curate.median(speed)/peer.median(speed), peer.all[0].Kept, curate.all[0].Kept)
	fmt.Printf("same decision about %d of %d documents (%.1f %%), same reason too %d: words are cut differently\n",
		same, sample.Docs, 100*float64(same)/float64(sample.Docs), sameReason)
	return nil
}
