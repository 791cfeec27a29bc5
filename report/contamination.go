package report

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/internal/human"
	"curate/record"
)

// Contamination is what of benchmarks was found in the corpus, and what became of it: docs/formats/contamination.md, cut to what a
// page can hold, and some of the documents.
type Contamination struct {
	Note string `json:"note,omitzero"` // what is wrong with the file; then nothing else is known

	Mode       string                  `json:"mode,omitzero"`
	Documents  int64                   `json:"documents"` // that were looked at
	Benchmarks []ContaminatedBenchmark `json:"benchmarks,omitzero"`
	LeftOut    int                     `json:"benchmarks_left_out,omitzero"`

	examples int64 // bytes of kept records that are still looked at
}

// ContaminatedBenchmark is one of them.
type ContaminatedBenchmark struct {
	Name         string                 `json:"name"`
	Items        int64                  `json:"items"`
	Found        int64                  `json:"found"` // items in some document
	Share        float64                `json:"share"`
	Short        int64                  `json:"short,omitzero"`
	Ngram        int64                  `json:"ngram,omitzero"`
	Documents    int64                  `json:"documents"` // with an item
	Dropped      int64                  `json:"dropped"`
	BytesCut     int64                  `json:"bytes_cut"`
	FoundItems   []FoundItem            `json:"found_items,omitzero"` // in most documents first
	ItemsLeftOut int                    `json:"items_left_out,omitzero"`
	Examples     []ContaminatedDocument `json:"examples,omitzero"`

	name string // whole
}

// FoundItem is an item of a benchmark that is in the corpus.
type FoundItem struct {
	ID        string `json:"id"`
	Documents int64  `json:"documents"`
}

// ContaminatedDocument is a document with an item: the first that was found of the benchmark.
type ContaminatedDocument struct {
	Example
	Item  string  `json:"item"`
	Match string  `json:"match"`
	Share float64 `json:"item_share"`
	Words string  `json:"words"` // in the document
}

var contaminationPath = record.MustPath("curate.decontaminate")

const (
	contaminationName  = corpus.Dir + "/contamination.json"
	contaminationBytes = 64 << 20 // of the file: 30 bytes or so for an item that was found
	contaminationList  = 60       // benchmarks
	contaminationItems = 20       // of a benchmark
	contaminationDocs  = 5        // of a benchmark
	contaminationWords = 300      // characters
	// contaminationKept is how much of what annotate has kept is looked at for examples, in bytes of JSON lines.
	contaminationKept = 256 << 20
)

func readContamination(ctx context.Context, in files, s *Step) error {
	if there, err := in.exists(ctx, contaminationName); err != nil || !there {
		return err
	}
	content, err := in.start(ctx, contaminationName, contaminationBytes+1)
	if err != nil {
		return err
	}
	c := new(Contamination)
	if err := c.parse(content); err != nil {
		s.Contamination = &Contamination{Note: damaged(contaminationName, err).Error()}
		return nil
	}
	s.Contamination = c
	if s.text, err = s.textField(); err != nil {
		return damaged(in.path(configName), err)
	}
	if c.Mode == "annotate" {
		return s.annotatedItems(ctx, in)
	}
	return nil
}

// parse takes the file over. Members that it does not know are those of a later program.
func (c *Contamination) parse(content []byte) error {
	if len(content) > contaminationBytes {
		return fmt.Errorf("more than %s bytes", human.Thousands(contaminationBytes))
	}
	var file struct {
		Mode       string `json:"mode"`
		Documents  int64  `json:"documents"`
		Benchmarks []struct {
			ContaminatedBenchmark
			Examples []struct{} `json:"examples"` // the page's own
		} `json:"benchmarks"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return err
	}
	c.Mode, c.Documents = cut(file.Mode, 40), file.Documents
	if err := counts(c.Documents); err != nil {
		return err
	}
	for i := range file.Benchmarks {
		b := file.Benchmarks[i].ContaminatedBenchmark
		if err := counts(b.Items, b.Found, b.Items-b.Found, b.Short, b.Ngram, b.Documents, b.Dropped, b.BytesCut, c.Documents-b.Documents); err != nil {
			return err
		}
		if !(b.Share >= 0 && b.Share <= 1) {
			return fmt.Errorf("a share of %v", b.Share)
		}
		for _, item := range b.FoundItems {
			if err := counts(item.Documents); err != nil {
				return err
			}
		}
		slices.SortStableFunc(b.FoundItems, func(a, b FoundItem) int { return cmp.Compare(b.Documents, a.Documents) })
		b.ItemsLeftOut = max(0, len(b.FoundItems)-contaminationItems)
		b.FoundItems = b.FoundItems[:len(b.FoundItems)-b.ItemsLeftOut]
		for k := range b.FoundItems {
			b.FoundItems[k].ID = cut(b.FoundItems[k].ID, 200)
		}
		b.name, b.Name, b.Examples = b.Name, cut(b.Name, 80), nil
		c.Benchmarks = append(c.Benchmarks, b)
	}
	// Those in most documents; equal ones as they were given.
	slices.SortStableFunc(c.Benchmarks, func(a, b ContaminatedBenchmark) int { return cmp.Compare(b.Documents, a.Documents) })
	c.LeftOut = max(0, len(c.Benchmarks)-contaminationList)
	c.Benchmarks = c.Benchmarks[:len(c.Benchmarks)-c.LeftOut]
	c.examples = contaminationKept
	return nil
}

// annotatedItems finds examples among what was kept, which says what it has.
func (s *Step) annotatedItems(ctx context.Context, in files) error {
	c := s.Contamination
	var batch record.Batch
	err := in.kept(ctx, func(p place, line []byte) error {
		if c.examples -= int64(len(line)); c.examples < 0 {
			return errEnough
		}
		if !bytes.Contains(line, []byte("decontaminate")) {
			return nil
		}
		batch.Reset()
		batch.Append(0, 0, line)
		batch.Parse()
		defer batch.Shrink(16 << 20)
		d := &dropped{place: p, rec: &batch.Records[0]}
		if d.rec.Outcome != record.Keep {
			return d.rec.Err
		}
		value, ok := d.rec.Value(contaminationPath)
		if !ok || value[0] != '{' {
			return nil
		}
		d.verdict, d.hash = value, xxhash.Sum64(line)
		s.takeContaminated(d)
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func takeContamination(s *Step) func(*dropped) {
	if s.Contamination != nil { // now the inputs' names are known
		for _, b := range s.Contamination.Benchmarks {
			for i := range b.Examples {
				b.Examples[i].File = s.input(b.Examples[i].place.file)
			}
		}
	}
	return func(d *dropped) {
		if s.Contamination != nil && d.stage == "decontaminate" {
			s.takeContaminated(d)
		}
	}
}

// foundMatch is one of those that a verdict tells.
type foundMatch struct {
	Benchmark string  `json:"benchmark"`
	Item      string  `json:"item"`
	Match     string  `json:"match"`
	Share     float64 `json:"share"`
	Words     string  `json:"words"`
}

// takeContaminated takes a document for an example of each benchmark that its verdict names, if its hash is among the least.
func (s *Step) takeContaminated(d *dropped) {
	var is struct {
		Verdict string       `json:"verdict"`
		Matches []foundMatch `json:"matches"`
	}
	if json.Unmarshal(d.verdict, &is) != nil || is.Verdict != "drop" {
		return
	}
	list := s.Contamination.Benchmarks
	for i, m := range is.Matches {
		k := slices.IndexFunc(list, func(b ContaminatedBenchmark) bool { return b.name == m.Benchmark })
		if k < 0 || !(m.Share >= 0 && m.Share <= 1) {
			continue
		}
		if slices.ContainsFunc(is.Matches[:i], func(o foundMatch) bool { return o.Benchmark == m.Benchmark }) {
			continue
		}
		b := &list[k]
		at, _ := slices.BinarySearchFunc(b.Examples, d, func(e ContaminatedDocument, d *dropped) int {
			if c := cmp.Compare(e.hash, d.hash); c != 0 {
				return c
			}
			if e.place.before(d.place) {
				return -1
			}
			return 1
		})
		if at == contaminationDocs {
			continue
		}
		doc := ContaminatedDocument{Example: s.example(d), Item: cut(m.Item, 200), Match: cut(m.Match, 40), Share: m.Share, Words: cut(m.Words, contaminationWords)}
		doc.Verdict = nil // it is told in full
		b.Examples = slices.Insert(b.Examples, at, doc)[:min(len(b.Examples)+1, contaminationDocs)]
	}
}

func hasContamination(s *Step) bool { return s.Contamination != nil }

// Did says what became of a benchmark's documents.
func (b *ContaminatedBenchmark) Did(mode string) string {
	switch mode {
	case "drop":
		return human.Thousands(b.Dropped) + " dropped"
	case "cut":
		return human.Thousands(b.BytesCut) + " bytes of text cut, " + human.Thousands(b.Dropped) + " dropped"
	case "annotate":
		return "annotated"
	}
	return ""
}

const contaminationAbout = `Which items of benchmarks are in the corpus, in how many documents, and what became of these. A document with items of several benchmarks counts for each, and as dropped for the one whose item comes first. Examples are chosen by the hash of their lines; of what was cut there are none, since it is gone.`

const contaminationPage = `{{with .Contamination}}{{$c := .}}{{if .Note}}<p>{{.Note}}. This section is without it.</p>{{else}}
<p>{{group .Documents}} documents were looked at{{with .Mode}}; mode {{.}}{{end}}.</p>
<table><tr><th>benchmark<th class="n">items<th class="n">found<th class="n"><th><span class="said">as a bar</span><th class="n">documents with one<th>what became of them
{{range .Benchmarks}}<tr><td><bdi>{{.Name}}</bdi><td class="n">{{group .Items}}<td class="n">{{group .Found}}<td class="n">{{of .Found .Items}}<td>{{bar .Found .Items}}<td class="n">{{group .Documents}}<td>{{.Did $c.Mode}}
{{end}}</table>{{if .LeftOut}}<p>{{.LeftOut}} benchmarks are in fewer documents.</p>{{end}}
{{range .Benchmarks}}{{if .Found}}<details><summary><bdi>{{.Name}}</bdi>: items that were found</summary>
{{if .Ngram}}<p>N-grams of {{group .Ngram}} words.{{if .Short}} {{group .Short}} items are too short to be looked for within documents.{{end}}</p>{{end}}
<table><tr><th>item<th class="n">documents
{{range .FoundItems}}<tr><td><bdi>{{.ID}}</bdi><td class="n">{{group .Documents}}
{{end}}</table>{{if .ItemsLeftOut}}<p>{{.ItemsLeftOut}} items more were found.</p>{{end}}
{{range .Examples}}<p>item <bdi>{{.Item}}</bdi>, {{.Match}}, share {{short .Share}}: <q dir="auto">{{.Words}}</q></p>
{{template "example" .Example}}{{end}}</details>
{{end}}{{end}}{{end}}{{end}}`
