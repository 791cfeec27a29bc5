// Command make builds the Basque example's corpus from the pages of LibreOffice's help, and the data of its translation step:
//
//	go run ./examples/basque/make -data DIR -o examples/basque
//
// DIR holds one {eu,en,…}.jsonl.zst a language, parallel.en-eu.jsonl.zst (aligned paragraphs), and the sets
// {instruct,preference-hard}.{en,eu-reference}.jsonl.zst. What it writes is committed, so nobody needs DIR to run the
// example; the same DIR, seed and Go module versions give the same bytes.
//
// Read corpus.go first: it says what is put together. edit.go holds the edits that make a near-duplicate of a
// page, similarity.go the measure they are aimed at. translation.go holds the rows to translate, and the memory;
// evaluation.go what the training example learns first, and what it is measured by; instructing.go the rows from which it learns to
// answer; sentences.go what a translation is measured by.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "make:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("make", flag.ContinueOnError)
	flags.SetOutput(stderr)
	data := flags.String("data", "", "folder with one `LANG.jsonl.zst` a language")
	out := flags.String("o", "examples/basque", "folder that receives raw/, training/, truth.jsonl.zst and the translation step's files")
	seed := flags.Uint64("seed", 20261126, "seed of the sample, the edits and the order")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *data == "" || flags.NArg() > 0 {
		return fmt.Errorf("usage: make -data DIR [-o DIR] [-seed N]")
	}
	pages := map[string][]page{}
	for _, lang := range append([]string{basque}, noiseLanguages...) {
		name := filepath.Join(*data, lang+".jsonl.zst")
		lines, err := readLines(name)
		if err != nil {
			return err
		}
		if pages[lang], err = parsePages(name, lines); err != nil {
			return err
		}
	}
	c, err := build(pages, defaultPlan(), *seed)
	if err != nil {
		return err
	}
	if err := write(*out, c); err != nil {
		return err
	}
	source, err := readTranslationSource(*data)
	if err != nil {
		return err
	}
	t, err := buildTranslation(source, defaultTranslationPlan(), *seed)
	if err != nil {
		return err
	}
	if err := writeTranslation(*out, t); err != nil {
		return err
	}
	digests := filepath.Join(*out, "make", "testdata", "held-out-lines.sha1")
	if err := os.MkdirAll(filepath.Dir(digests), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(digests, source.heldOutDigests(), 0o666); err != nil {
		return err
	}
	e, err := readEvaluation(*data, pages)
	if err != nil {
		return err
	}
	if err := writeEvaluation(*out, e); err != nil {
		return err
	}
	paths, err := heldOutPaths(e.heldOut)
	if err != nil {
		return err
	}
	chosen, err := chooseSentences(source.parallel, paths, sentences, rand.New(rand.NewPCG(*seed, 104))) // buildTranslation has parts 101 to 103
	if err != nil {
		return err
	}
	if err := writeSentences(*out, chosen); err != nil {
		return err
	}
	answers, err := readRows(*data, "preference-hard.eu-reference")
	if err != nil {
		return err
	}
	instructing, err := chooseInstructing(source, answers, paths, *seed)
	if err != nil {
		return err
	}
	if err := writeInstructing(*out, instructing); err != nil {
		return err
	}
	for _, counts := range []map[string]int{c.counts, t.counts, e.counts, instructing.counts} {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(stderr, "%-33s %6d\n", name, counts[name])
		}
	}
	return nil
}

// write puts the corpus below dir, in place of an earlier one.
func write(dir string, c corpus) error {
	raw := filepath.Join(dir, "raw")
	old, err := filepath.Glob(filepath.Join(raw, "*.jsonl.zst"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(raw, 0o777); err != nil {
		return err
	}
	for i, lines := range c.files {
		if err := writeLines(filepath.Join(raw, fmt.Sprintf("crawl-%02d.jsonl.zst", i)), lines); err != nil {
			return err
		}
	}
	return writeLines(filepath.Join(dir, "truth.jsonl.zst"), c.truthLines())
}

// readLines returns the lines of a zstd file, without their line feeds.
func readLines(name string) ([][]byte, error) {
	packed, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	b, err := d.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b, ended := bytes.CutSuffix(b, []byte("\n"))
	if !ended && len(b) > 0 {
		return nil, fmt.Errorf("%s: the last line does not end; the file is cut", name)
	}
	if len(b) == 0 {
		return nil, nil
	}
	return bytes.Split(b, []byte("\n")), nil
}

// writeLines writes one frame, at the best level, by one goroutine: its bytes depend on the lines alone.
func writeLines(name string, lines [][]byte) error {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err != nil {
		return err
	}
	var b []byte
	for _, line := range lines {
		b = append(append(b, line...), '\n')
	}
	packed := e.EncodeAll(b, nil)
	if err := e.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, packed, 0o666)
}
