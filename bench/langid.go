package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"curate/langid"
	"curate/record"
)

// pieceLength is the length of a piece in characters, where texts are cut.
const pieceLength = 2000

// runLangid measures the engines of langid on whole pages, and on pieces of 2,000 characters, fastText's reference beside
// ours. Checked: the reference has the same label for each piece, and probabilities to 5e-5.
func runLangid(s *session) error {
	dir := filepath.Join(s.dir, "langid")
	pages, _, err := s.child(task{Name: "langidtexts", Files: s.corpus.Files, Out: filepath.Join(dir, "pages.jsonl"), MB: s.options.langidMB}, false)
	if err != nil {
		return err
	}
	pieces, _, err := s.child(task{Name: "langidtexts", Files: s.corpus.Files, Out: filepath.Join(dir, "pieces.jsonl"), MB: s.options.langidMB, N: pieceLength}, false)
	if err != nil {
		return err
	}
	model, err := filepath.Abs(filepath.Join("..", "langid", "models", "lid.176.ftz"))
	if err != nil {
		return err
	}
	python, peers := python("fastText's reference")
	rows := map[string]*row{}
	var order []*row
	get := func(name string) *row {
		if rows[name] == nil {
			rows[name] = &row{name: name}
			order = append(order, rows[name])
		}
		return rows[name]
	}
	version, farthest := "", 0.0
	for round := 1; round <= s.options.runs; round++ {
		ours, err := s.section(get("fasttext, pieces of 2,000 characters"), "langid", "text", round, task{Name: "identify", With: pieces.Files[0], Arg: "fasttext"})
		if err != nil {
			return err
		}
		if peers {
			u, err := s.measure(command{argv: []string{python, filepath.Join("peers", "fasttext_langid.py"), model, pieces.Files[0]}, one: true})
			if err != nil {
				return err
			}
			var p struct {
				Labels        []string
				Probabilities []float64
				CPU, Wall     float64
				Version       string
			}
			if err := json.Unmarshal(u.Out, &p); err != nil {
				return err
			}
			var mine []langid.Answer
			if err := json.Unmarshal(ours.Answer, &mine); err != nil {
				return err
			}
			if len(mine) != len(p.Labels) {
				return fmt.Errorf("%w: %d answers, and the reference has %d", errOutput, len(mine), len(p.Labels))
			}
			for i, a := range mine {
				if a.Language != p.Labels[i] {
					return fmt.Errorf("%w: piece %d is %s, to the reference %s", errOutput, i, a.Language, p.Labels[i])
				}
				farthest = max(farthest, math.Abs(a.Score-min(p.Probabilities[i], 1)))
			}
			if farthest > 1e-4 { // scores are written with four digits
				return fmt.Errorf("%w: probabilities differ by %g", errOutput, farthest)
			}
			version = p.Version
			r := get("reference, pieces of 2,000 characters")
			s.add(r, measurement{Bench: "langid", Name: r.name, Round: round, Unit: "text", result: result{
				Bytes: pieces.Bytes, Docs: pieces.Docs, Passes: 1, CPU: p.CPU, Wall: p.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
			}, More: map[string]any{"version": p.Version}})
		}
		for _, engine := range []string{"fasttext", "cascade", "lingua"} {
			if _, err := s.section(get(engine+", pages"), "langid", "text", round, task{Name: "identify", With: pages.Files[0], Arg: engine}); err != nil {
				return err
			}
		}
	}
	table(fmt.Sprintf("langid: %d pages, %.1f MB of text, and %d pieces, one core; loading left out", pages.Docs, mb(pages.Bytes), pieces.Docs), order...)
	if peers {
		fmt.Printf("%s has the same labels, and probabilities within %.1g (ours have four digits)\n", version, farthest)
	}
	return nil
}

// langidTextsTask writes texts as JSON strings, a line each, up to t.MB megabytes: pages, or with t.N the first so many
// characters of those that are so long.
func langidTextsTask(t task) (res result, err error) {
	texts, err := allText(t.Files)
	if err != nil {
		return res, err
	}
	if err := os.MkdirAll(filepath.Dir(t.Out), 0o777); err != nil {
		return res, err
	}
	f, err := os.Create(t.Out)
	if err != nil {
		return res, err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	var b record.Batch
	var scratch []byte
	for _, text := range texts {
		err := eachBatch(&b, text, func(b *record.Batch) error {
			b.Parse()
			for i := range b.Records {
				if res.Bytes >= int64(t.MB)*1e6 {
					return nil
				}
				doc, err := b.Records[i].Text(textPath, &scratch)
				if err != nil {
					return err
				}
				if t.N > 0 {
					end, n := 0, 0
					for k := range string(doc) {
						if end = k; n == t.N {
							break
						}
						n++
					}
					if n < t.N {
						continue
					}
					doc = doc[:end]
				}
				if err := enc.Encode(string(doc)); err != nil {
					return err
				}
				res.Bytes += int64(len(doc))
				res.Docs++
			}
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	res.Files = []string{t.Out}
	return res, w.Flush()
}

// identifyTask asks an engine about the texts of a file. Its models are loaded before.
func identifyTask(t task) (res result, err error) {
	in, err := os.ReadFile(t.With)
	if err != nil {
		return res, err
	}
	var docs [][]byte
	for line := range bytes.Lines(in) {
		var s string
		if err := json.Unmarshal(line, &s); err != nil {
			return res, err
		}
		docs = append(docs, []byte(s))
	}
	cfg, err := langid.Config{Engine: t.Arg}.Resolve()
	if err != nil {
		return res, err
	}
	e, err := langid.NewEngine(cfg)
	if err != nil {
		return res, err
	}
	id := e.NewIdentifier()
	// The first texts load what is loaded late.
	id.Identify([]byte("ea"))
	for _, doc := range docs[:min(len(docs), 100)] {
		id.Identify(doc)
	}
	answers := make([]langid.Answer, len(docs))
	err = res.section(func() error {
		res.Bytes, res.Docs = 0, int64(len(docs))
		for i, doc := range docs {
			answers[i] = id.Identify(doc)
			res.Bytes += int64(len(doc))
		}
		return nil
	})
	if err != nil {
		return res, err
	}
	res.Answer, err = json.Marshal(answers)
	return res, err
}
