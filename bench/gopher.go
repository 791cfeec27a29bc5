package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"curate/filter"
	"curate/record"
)

// profileOf is the filter of a task; gopher unless it names another profile.
func profileOf(t task) (*filter.Filter, error) {
	p, err := profileNamed(cmp.Or(t.Arg, "gopher"))
	if err != nil {
		return nil, err
	}
	return filter.NewOf(p, filter.Config{})
}

// runGopher measures the profile three times: the plain function on decoded documents, the stage on lines with
// their JSON, and the command from files to files.
func runGopher(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	check, lines := &row{name: "Check, documents in memory"}, &row{name: "parse + Map, lines in memory"}
	cli := [2]*row{
		{name: "curate filter -j 1, 1 core", note: ", whole process"},
		{name: "curate filter -j 2", note: ", whole process"},
	}
	want, _, err := s.child(task{Name: "verdicts", Files: s.corpus.Files}, false)
	if err != nil {
		return err
	}
	for round := 1; round <= s.options.runs; round++ {
		c, err := s.section(check, "gopher", "text", round, task{Name: "check", Files: s.inMemory()})
		if err != nil {
			return err
		}
		m, err := s.section(lines, "gopher", "JSONL", round, task{Name: "map", Files: s.inMemory()})
		if err != nil {
			return err
		}
		if c.Kept != m.Kept || c.Docs != m.Docs {
			return fmt.Errorf("%w: Check kept %d of %d documents, Map %d of %d", errOutput, c.Kept, c.Docs, m.Kept, m.Docs)
		}
		for j, r := range cli {
			out := filepath.Join(s.dir, fmt.Sprintf("gopher-%d-%d", round, j+1))
			argv := append([]string{bin, "filter", "--profile", "gopher", "-q", "-j", strconv.Itoa(j + 1), "-o", out}, s.corpus.Files...)
			if _, err := s.toParts(r, "gopher", round, command{argv: argv, one: j == 0}, out, s.corpus, want); err != nil {
				return err
			}
			if err := os.RemoveAll(out); err != nil {
				return err
			}
		}
	}
	table("gopher: profile gopher", check, lines, cli[0], cli[1])
	fmt.Printf("kept %d of %d documents; the outputs of 1 and 2 workers and of Map are equal (sha256 %.12s…); %s\n",
		want.Kept, want.Docs, want.Digest, scaling(cli[0], cli[1]))
	return nil
}

// toParts measures a command that writes the directory out, which must hold what want says, and returns its digest.
func (s *session) toParts(r *row, bench string, round int, c command, out string, in, want result) (result, error) {
	u, err := s.measure(c)
	if err != nil {
		return result{}, err
	}
	d, _, err := s.child(task{Name: "digest", Out: out}, false)
	if err != nil {
		return d, err
	}
	if d.Digest != want.Digest {
		return d, fmt.Errorf("%w: %s: kept %d documents instead of %d, or others", errOutput, r.name, d.Docs, want.Kept)
	}
	s.add(r, measurement{Bench: bench, Name: r.name, Round: round, Unit: "JSONL", Process: true, result: result{
		Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: d.Docs, Digest: d.Digest, PeakRSS: u.RSS,
	}})
	return d, nil
}

// checkTask asks Check about documents that were decoded before.
func checkTask(t task) (res result, err error) {
	f, err := profileOf(t)
	if err != nil {
		return res, err
	}
	texts, err := allText(t.Files)
	if err != nil {
		return res, err
	}
	var docs [][]byte
	var b record.Batch
	var scratch []byte
	for i, text := range texts {
		err := eachBatch(&b, text, func(b *record.Batch) error {
			b.Parse()
			for i := range b.Records {
				doc, err := b.Records[i].Text(textPath, &scratch)
				if err != nil {
					return err
				}
				docs = append(docs, bytes.Clone(doc))
			}
			return nil
		})
		if err != nil {
			return res, err
		}
		texts[i] = nil
	}
	v := f.NewView()
	pass := func() error {
		res.Bytes, res.Docs, res.Kept = 0, int64(len(docs)), 0
		for _, doc := range docs {
			if _, reason := f.Check(v, doc); reason == "" {
				res.Kept++
			}
			res.Bytes += int64(len(doc))
		}
		return nil
	}
	if err := res.section(pass); err != nil {
		return res, err
	}
	return res, res.countAllocs(pass)
}

// mapTask parses lines and maps their batches. With t.N it decodes the files in each pass, too.
func mapTask(t task) (res result, err error) {
	f, err := profileOf(t)
	if err != nil {
		return res, err
	}
	texts, err := allText(t.Files)
	if err != nil {
		return res, err
	}
	w := f.NewWorker()
	var b record.Batch
	ctx := context.Background()
	pass := func() error {
		if t.N > 0 {
			if texts, err = allText(t.Files); err != nil {
				return err
			}
		}
		res.Bytes, res.Docs, res.Kept = 0, 0, 0
		for _, text := range texts {
			res.Bytes += int64(len(text))
			err := eachBatch(&b, text, func(b *record.Batch) error {
				b.Parse()
				if err := w.Map(ctx, b); err != nil {
					return err
				}
				for i := range b.Records {
					switch b.Records[i].Outcome {
					case record.Keep:
						res.Kept++
					case record.Quarantine:
						return b.Records[i].Err
					}
				}
				res.Docs += int64(len(b.Records))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := res.section(pass); err != nil || t.N > 0 {
		return res, err
	}
	return res, res.countAllocs(pass)
}

// countAllocs makes one further pass, by now in steady state, and counts what it allocates.
func (r *result) countAllocs(pass func() error) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := pass(); err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	n := float64(after.Mallocs-before.Mallocs) / float64(max(r.Docs, 1))
	r.Allocs = &n
	return nil
}

// verdictsTask decides about each document of the files, in one thread and without the engine. The digest is of
// the lines that are kept; with t.N it lists the decisions.
func verdictsTask(t task) (res result, err error) {
	f, err := profileOf(t)
	if err != nil {
		return res, err
	}
	texts, err := allText(t.Files)
	if err != nil {
		return res, err
	}
	w := f.NewWorker()
	sum := sha256.New()
	var b record.Batch
	for _, text := range texts {
		err := eachBatch(&b, text, func(b *record.Batch) error {
			b.Parse()
			if err := w.Map(context.Background(), b); err != nil {
				return err
			}
			for i := range b.Records {
				r := &b.Records[i]
				if r.Outcome == record.Keep {
					sum.Write(r.Line)
					sum.Write([]byte{'\n'})
					res.Kept++
				}
				if t.N > 0 {
					res.Verdict = append(res.Verdict, r.Reason)
				}
			}
			res.Docs += int64(len(b.Records))
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	res.Digest = hex.EncodeToString(sum.Sum(nil))
	return res, nil
}
