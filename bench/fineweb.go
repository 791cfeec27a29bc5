package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"curate/filter"
)

// onWhitespace after a profile's name cuts its words at white space.
const onWhitespace = "+whitespace"

// runFineWeb measures the four filters of FineWeb with the words that the reference has, spaCy's, and with words at white space:
// parse and decide, no output; then the command from files to files with one worker and two.
func runFineWeb(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	spacy, spaces := &row{name: "words by spaCy, parse + Map"}, &row{name: "words at white space, parse + Map"}
	cli := [2]*row{
		{name: "curate filter -j 1, 1 core", note: ", whole process"},
		{name: "curate filter -j 2", note: ", whole process"},
	}
	want, _, err := s.child(task{Name: "verdicts", Files: s.corpus.Files, Arg: "fineweb"}, false)
	if err != nil {
		return err
	}
	for round := 1; round <= s.options.runs; round++ {
		m, err := s.section(spacy, "fineweb", "JSONL", round, task{Name: "map", Files: s.inMemory(), Arg: "fineweb"})
		if err != nil {
			return err
		}
		if m.Allocs != nil && *m.Allocs > 0.01 {
			return fmt.Errorf("%w: %.2f allocations a document", errOutput, *m.Allocs)
		}
		if _, err := s.section(spaces, "fineweb", "JSONL", round, task{Name: "map", Files: s.inMemory(), Arg: "fineweb" + onWhitespace}); err != nil {
			return err
		}
		for j, r := range cli {
			out := filepath.Join(s.dir, fmt.Sprintf("fineweb-%d-%d", round, j+1))
			argv := append([]string{bin, "filter", "--profile", "fineweb", "-q", "-j", strconv.Itoa(j + 1), "-o", out}, s.corpus.Files...)
			if _, err := s.toParts(r, "fineweb", round, command{argv: argv, one: j == 0}, out, s.corpus, want); err != nil {
				return err
			}
			if err := os.RemoveAll(out); err != nil {
				return err
			}
		}
	}
	table("fineweb: profile fineweb, Gopher repetition + Gopher quality + C4 + FineWeb quality", spacy, spaces, cli[0], cli[1])
	fmt.Printf("kept %d of %d documents with spaCy's words, %d at white space; the outputs of 1 and 2 workers are equal (sha256 %.12s…); %s\n",
		want.Kept, want.Docs, spaces.all[0].Kept, want.Digest, scaling(cli[0], cli[1]))
	return nil
}

// profileNamed is a profile of the table, with words at white space if its name says so.
func profileNamed(name string) (filter.Profile, error) {
	whole := name
	if n := len(name) - len(onWhitespace); n > 0 && name[n:] == onWhitespace {
		name = name[:n]
	}
	p, err := filter.Lookup(name)
	if name != whole {
		p.Words = "whitespace"
	}
	return p, err
}
