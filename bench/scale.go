package main

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// scaleMemory is what near-deduplication of any number of short documents is given.
const scaleMemory = 2 << 30

// runScale measures near-deduplication of many short documents in little memory, of a tenth of them and of all, and of
// documents that have most of their text in common, of a quarter and of all.
func runScale(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	all := &verdict{Numbers: map[string]any{}}
	for _, kind := range []struct {
		name   string
		n, of  int
		growth func(n float64) float64 // of time
	}{
		{"short", s.options.near, 10, func(n float64) float64 { return n * math.Log(n) }},
		{"boilerplate", 100_000, 4, func(n float64) float64 { return n }},
	} {
		var rows []*row
		var took [2]float64
		docs := [2]int{max(1, kind.n/kind.of), kind.n}
		for i, n := range docs {
			file := filepath.Join(s.dir, fmt.Sprintf("scale-%s-%d.jsonl", kind.name, n))
			in, _, err := s.child(task{Name: "scale", Out: file, N: n, Arg: kind.name}, false)
			if err != nil {
				return err
			}
			r := &row{name: fmt.Sprintf("%s, %d documents, -j 2, --memory 2GiB", kind.name, n), note: ", whole process"}
			rows = append(rows, r)
			spill := int64(0)
			for round := 1; round <= s.options.runs; round++ {
				tmp, out := filepath.Join(s.dir, "scale-tmp"), filepath.Join(s.dir, "scale-out.jsonl")
				if err := os.MkdirAll(tmp, 0o755); err != nil {
					return err
				}
				stop := watch(tmp, &spill)
				u, err := s.measure(command{argv: []string{bin, "dedup", "-q", "-j", "2", "--memory", strconv.Itoa(scaleMemory), "--tmp", tmp, "-o", out, file}})
				stop()
				if err != nil {
					return err
				}
				d, err := countLines(out)
				if err != nil {
					return err
				}
				if d != in.Kept {
					return fmt.Errorf("%w: %d documents kept instead of %d", errOutput, d, in.Kept)
				}
				if u.RSS > scaleMemory {
					return fmt.Errorf("%w: %d bytes of memory", errOutput, u.RSS)
				}
				s.add(r, measurement{Bench: "scale", Name: r.name, Round: round, Unit: "JSONL", Process: true, result: result{
					Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: d, PeakRSS: u.RSS,
				}, More: map[string]any{"spill": spill}})
				if err := os.Remove(out); err != nil {
					return err
				}
			}
			took[i] = mb(in.Bytes) / r.median(speed) // CPU seconds
			all.printf("%s, %d documents: kept %d, at most %.1f MB below --tmp", kind.name, n, in.Kept, mb(spill))
			if err := os.Remove(file); err != nil {
				return err
			}
		}
		table(fmt.Sprintf("scale: near-duplicates of %s documents", kind.name), rows...)
		expected := kind.growth(float64(docs[1])) / kind.growth(float64(docs[0]))
		all.printf("%s: %.1f times as many documents take %.2f times the CPU seconds; growth as asked would be %.2f", kind.name, float64(docs[1])/float64(docs[0]), took[1]/took[0], expected)
		all.Numbers[kind.name] = took[1] / took[0] / expected
	}
	return s.say("scale", all)
}

// scaleTask writes t.N documents of kind t.Arg. Kept is how many have no near-duplicate before them.
//
// A short one has 12 to 30 words. One in eight is an earlier one with a word more at its end, which is similar, and one in
// eight is one with another word in its middle, which is not. One of boilerplate has 60 words that all have, and 40 of
// its own: nine in ten pairs share a bucket, and no pair is similar.
func scaleTask(t task) (res result, err error) {
	f, err := os.Create(t.Out)
	if err != nil {
		return res, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	words := func(dst []byte, rng *rand.Rand, n int) []byte {
		for range n {
			// A vocabulary of 60,000 words, as frequent as Zipf has it, about.
			dst = append(dst, 'w')
			dst = strconv.AppendInt(dst, int64(math.Exp(rng.Float64()*11)), 36)
			dst = append(dst, ' ')
		}
		return dst
	}
	source := func(i int) *rand.Rand { return rand.New(rand.NewPCG(uint64(i), 11)) }
	var line []byte
	for i := range t.N {
		rng := source(i)
		line = fmt.Appendf(line[:0], `{"id":%d,"text":"`, i)
		switch kind := rng.IntN(8); {
		case t.Arg == "boilerplate":
			line = words(line, source(-1), 60)
			line = words(line, rng, 40)
			res.Kept++
		case kind < 2 && i > 0:
			from := rng.IntN(i)
			theirs := source(from)
			for theirs.IntN(8) < 2 && from > 0 { // a copy itself
				from = theirs.IntN(from)
				theirs = source(from)
			}
			n := 12 + theirs.IntN(19)
			if kind == 0 {
				line = words(line, theirs, n)
				line = fmt.Appendf(line, "copy%d ", i)
				break
			}
			line = words(line, theirs, n/2)
			line = fmt.Appendf(line, "other%d ", i)
			line = words(line, theirs, n-n/2)
			res.Kept++
		default:
			line = words(line, rng, 12+rng.IntN(19))
			res.Kept++
		}
		line = append(line, "\"}\n"...)
		res.Bytes += int64(len(line))
		if _, err := w.Write(line); err != nil {
			return res, errors.Join(err, f.Close())
		}
	}
	res.Docs = int64(t.N)
	return res, errors.Join(w.Flush(), f.Close())
}
