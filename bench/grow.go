package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"curate/record"
)

const (
	growFiles = 200
	growMore  = 2 // new ones: 1 %
	growShare = 0.03
)

// runGrow measures what a run costs when 1 % of new files have come to those that it has done, as a share of the first run's CPU
// seconds: of a filter, and of near-deduplication with an index, as a command and as a step of a recipe. The filter's parts must be those of a run over all files at once, in the
// order in which they came; of the second's documents, none of which is like another, all must be there.
func runGrow(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{}}
	if err := growFilter(s, bin, v); err != nil {
		return err
	}
	in, _, err := s.child(task{Name: "pieces", Files: s.corpus.Files, Out: filepath.Join(s.dir, "grow-distinct"), N: growFiles + growMore, Arg: "distinct"}, false)
	if err != nil {
		return err
	}
	err = growIndex(s, v, in, "dedup --index", func(dir string, files []string) ([]string, string, error) {
		out := filepath.Join(dir, "unique")
		return append([]string{bin, "dedup", "-q", "-j", "2", "--index", filepath.Join(dir, "seen"), "-o", out}, files...), out, nil
	})
	if err != nil {
		return err
	}
	err = growIndex(s, v, in, "recipe with dedup's index", func(dir string, files []string) ([]string, string, error) {
		list, err := json.Marshal(files)
		if err != nil {
			return nil, "", err
		}
		recipe, run := filepath.Join(dir, "recipe.yaml"), filepath.Join(dir, "run")
		text := fmt.Sprintf("version: 1\nrun: %s\nsteps:\n  - {name: unique, read: %s, dedup: {minhash: {index: true}}}\n", run, list)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, "", err
		}
		return []string{bin, "run", recipe, "-q", "-j", "2"}, filepath.Join(run, "unique"), os.WriteFile(recipe, []byte(text), 0o644)
	})
	if err != nil {
		return err
	}
	return s.say("grow", v)
}

func growFilter(s *session, bin string, v *verdict) error {
	in, _, err := s.child(task{Name: "pieces", Files: s.corpus.Files, Out: filepath.Join(s.dir, "grow-in"), N: growFiles + growMore}, false)
	if err != nil {
		return err
	}
	old, all := in.Files[growMore:], in.Files // the new ones sort before them
	first := &row{name: fmt.Sprintf("filter --profile gopher, %d files, -j 2", growFiles), note: ", whole process"}
	more := &row{name: fmt.Sprintf("the same with %d more", growMore), note: ", whole process"}
	var shares []float64
	for round := 1; round <= s.options.runs; round++ {
		out := filepath.Join(s.dir, fmt.Sprintf("grow-%d", round))
		var cpu [2]float64
		for i, way := range []struct {
			row   *row
			files []string
		}{{first, old}, {more, all}} {
			u, err := s.measure(command{argv: append([]string{bin, "filter", "--profile", "gopher", "-q", "--max-quarantined", "1%", "-j", "2", "-o", out}, way.files...)})
			if err != nil {
				return err
			}
			cpu[i] = u.CPU
			s.add(way.row, measurement{Bench: "grow", Name: way.row.name, Round: round, Unit: "JSONL", Process: true, result: result{
				Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
			}})
		}
		shares = append(shares, cpu[1]/cpu[0])
		if round > 1 {
			continue
		}
		once := filepath.Join(s.dir, "grow-once")
		if _, err := s.measure(command{argv: append(append([]string{bin, "filter", "--profile", "gopher", "-q", "--max-quarantined", "1%", "-j", "2", "-o", once}, old...), all[:growMore]...)}); err != nil {
			return err
		}
		if err := sameFiles(once, out); err != nil {
			return err
		}
	}
	table(fmt.Sprintf("grow: %d files of %.1f MB, and %d more", growFiles, mb(in.Bytes), growMore), first, more)
	v.growth("filter", shares)
	return nil
}

// growth judges the shares of the rounds.
func (v *verdict) growth(what string, shares []float64) {
	worst := slices.Max(shares)
	v.Numbers[what+"_shares"] = shares
	v.printf("%s: 1 %% of new files costs at most %.2f %% of the CPU seconds of the first run", what, 100*worst)
	if worst > growShare {
		v.failf("%s: more than %.0f %%", what, 100*growShare)
	}
}

// growIndex measures one way of deduplicating with an index; argv is a command that has the files as inputs, all it writes below dir, and
// what it keeps in out.
func growIndex(s *session, v *verdict, in result, what string, argv func(dir string, files []string) (command []string, out string, err error)) error {
	first := &row{name: fmt.Sprintf("%s, %d files, -j 2", what, growFiles), note: ", whole process"}
	more := &row{name: fmt.Sprintf("%s, %d more files", what, growMore), note: ", whole process"}
	var shares []float64
	for round := 1; round <= s.options.runs; round++ {
		dir, out := filepath.Join(s.dir, fmt.Sprintf("grow-%s-%d", strings.Fields(what)[0], round)), ""
		var cpu [2]float64
		for i, way := range []struct {
			row   *row
			files []string
		}{{first, in.Files[growMore:]}, {more, in.Files}} {
			args, to, err := argv(dir, way.files)
			if err != nil {
				return err
			}
			u, err := s.measure(command{argv: args})
			if err != nil {
				return err
			}
			out, cpu[i] = to, u.CPU
			s.add(way.row, measurement{Bench: "grow", Name: way.row.name, Round: round, Unit: "JSONL", Process: true, result: result{
				Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
			}})
		}
		shares = append(shares, cpu[1]/cpu[0])
		kept := int64(0)
		for _, dir := range []string{out, filepath.Join(out, "parts-00002")} {
			d, _, err := s.child(task{Name: "digest", Out: dir}, false)
			if err != nil {
				return err
			}
			kept += d.Docs
		}
		if kept != in.Docs {
			return fmt.Errorf("%w: %d of %d documents are there, none of which is like another", errOutput, kept, in.Docs)
		}
	}
	table(fmt.Sprintf("grow: near-duplicates of %d files of %.1f MB, and %d more", growFiles, mb(in.Bytes), growMore), first, more)
	v.growth(what, shares)
	return nil
}

// sameFiles compares the parts below two directories, kept, dropped and quarantined, and the ledgers.
func sameFiles(a, b string) error {
	n := 0
	err := filepath.WalkDir(a, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasPrefix(e.Name(), "part") && e.Name() != "ledger.json" {
			return err
		}
		rel, err := filepath.Rel(a, name)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		n++
		if got, err := os.ReadFile(filepath.Join(b, rel)); err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("%w: %s has %d other bytes (%v)", errOutput, rel, len(got), err)
		}
		return nil
	})
	if err == nil && n <= growFiles {
		err = fmt.Errorf("%w: there are only %d parts", errOutput, n)
	}
	return err
}

// piecesTask writes the lines of the files anew, in order, as t.N files of about as many bytes each. With t.Arg "distinct" they are readable
// documents of which none is like another: texts that have been there get other words.
func piecesTask(t task) (res result, err error) {
	var text []byte
	times := map[[sha256.Size]byte]int{}
	var scratch []byte
	for _, name := range t.Files {
		b, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		if t.Arg != "distinct" {
			text = append(text, b...)
			continue
		}
		err = eachRecord(1, b, func(r *record.Record) error {
			raw, err := r.Text(record.MustPath("text"), &scratch)
			words := strings.Fields(string(raw))
			if err != nil || len(words) < 20 {
				return nil // it has no text, or too little of it
			}
			sum := sha256.Sum256(raw)
			times[sum]++
			for i := range words { // the document's number in each makes all shingles its own
				words[i] = fmt.Sprintf("%s%x%d", words[i], sum[:3], times[sum])
			}
			line, err := json.Marshal(map[string]string{"text": strings.Join(words, " ")})
			text = append(append(text, line...), '\n')
			return err
		})
		if err != nil {
			return res, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := os.MkdirAll(t.Out, 0o755); err != nil {
		return res, err
	}
	res.Bytes, res.Docs = int64(len(text)), int64(bytes.Count(text, []byte("\n")))
	for i, rest := 0, text; i < t.N; i++ {
		n := len(rest) / (t.N - i)
		if i < t.N-1 {
			n += bytes.IndexByte(rest[n:], '\n') + 1
		}
		packed, err := encoded(rest[:n])
		if err != nil {
			return res, err
		}
		rest = rest[n:]
		name := filepath.Join(t.Out, fmt.Sprintf("%05d.jsonl.zst", i))
		if err := os.WriteFile(name, packed, 0o644); err != nil {
			return res, err
		}
		res.Files = append(res.Files, name)
	}
	return res, nil
}
