package dedup

import (
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/stage"
)

// ContaminationReport is what was found in a corpus, benchmark by benchmark (docs/formats/contamination.md).
type ContaminationReport struct {
	Mode       string            `json:"mode"`      // what became of a document with an item: drop, cut, annotate
	Documents  int64             `json:"documents"` // that were looked at
	Benchmarks []BenchmarkReport `json:"benchmarks"`
}

// BenchmarkReport is that of one.
type BenchmarkReport struct {
	Name      string      `json:"name"`
	Items     int         `json:"items"`          // rows
	Short     int         `json:"short"`          // of which no passage has as many words as are looked for within documents
	Ngram     int         `json:"ngram,omitzero"` // words
	Found     int         `json:"found"`          // items in some document
	Share     float64     `json:"share"`          // of the items
	Documents int64       `json:"documents"`      // in which an item was found
	Dropped   int64       `json:"dropped"`        // documents in which one of its items came first; of several benchmarks one is the reason
	BytesCut  int64       `json:"bytes_cut"`      // of text, in the same way
	FoundItem []FoundItem `json:"found_items"`    // in the order of the benchmark
}

// FoundItem is an item that is in the corpus.
type FoundItem struct {
	ID        string `json:"id"`
	Documents int64  `json:"documents"`
}

// ContaminationFile is where an output directory has it, in its folder _curate.
const ContaminationFile = "contamination.json"

// SummaryFile implements stage.Summarizer.
func (d *Decontaminator) SummaryFile() string { return ContaminationFile }

// WriteSummary implements stage.Summarizer.
func (d *Decontaminator) WriteSummary(w io.Writer, c stage.Counted) error {
	return d.Report(c).Write(w)
}

// Report is made of the stage's counts.
func (d *Decontaminator) Report(c stage.Counted) *ContaminationReport {
	s, tallies, dropped := d.cfg.Benchmarks, c.Tallies, c.Dropped
	r := &ContaminationReport{Mode: d.cfg.Mode, Documents: c.Read - c.Quarantined, Benchmarks: make([]BenchmarkReport, len(s.list))}
	for i := range s.list {
		b := &s.list[i]
		r.Benchmarks[i] = BenchmarkReport{
			Name: b.name, Items: b.items, Short: b.short, Documents: tallies[b.documents],
			Dropped: dropped[ContaminationRule+":"+b.name], BytesCut: tallies[b.cutBytes], FoundItem: []FoundItem{},
		}
		if s.cfg.has(MatchNgram) {
			r.Benchmarks[i].Ngram = b.ngram
		}
	}
	for i := range s.items {
		item := &s.items[i]
		if n := tallies[item.tally]; n > 0 {
			b := &r.Benchmarks[item.benchmark]
			b.Found++
			b.FoundItem = append(b.FoundItem, FoundItem{item.id, n})
		}
	}
	for i := range r.Benchmarks {
		if b := &r.Benchmarks[i]; b.Items > 0 {
			b.Share = float64(int64(float64(b.Found)/float64(b.Items)*million+0.5)) / million
		}
	}
	return r
}

// Write writes it as indented JSON.
func (r *ContaminationReport) Write(w io.Writer) error {
	if err := json.MarshalWrite(w, r, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return err
	}
	_, err := w.Write([]byte("\n"))
	return err
}
