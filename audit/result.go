package audit

import (
	"cmp"
	"context"
	"io"
	"math"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
	"curate/stats"
)

// Result is what the stage finds out. Shares are of 1, to six decimals.
type Result struct {
	Version int    `json:"version"` // raised when a member changes its meaning
	By      string `json:"by,omitzero"`
	All     Counts `json:"all"`
	// Groups are sorted by name, as those of curate stats are.
	Groups      []Group     `json:"groups,omitzero"`
	Findings    []Finding   `json:"findings"` // all of them, sorted by name
	Boilerplate Boilerplate `json:"boilerplate"`
	Signals     []Signal    `json:"signals"`
	Languages   []Language  `json:"languages,omitzero"` // most first
}

// Counts are those of all documents, or of a group.
type Counts struct {
	Documents  int64 `json:"documents"`
	Bytes      int64 `json:"bytes"`
	Characters int64 `json:"characters"`
	Lines      int64 `json:"lines"`      // that are not blank
	LineBytes  int64 `json:"line_bytes"` // of those
	// Duplicate lines are those that were somewhere in the corpus before, in the order of the inputs.
	DuplicateLines     int64   `json:"duplicate_lines"`
	DuplicateLineShare float64 `json:"duplicate_line_share"`
	DuplicateBytes     int64   `json:"duplicate_bytes"`
	DuplicateByteShare float64 `json:"duplicate_byte_share"`
	BoilerplateLines   int64   `json:"boilerplate_lines"`
	BoilerplateBytes   int64   `json:"boilerplate_bytes"`
	BoilerplateShare   float64 `json:"boilerplate_byte_share"`
	// Findings are documents by finding; those that none has are left out.
	Findings  map[string]int64   `json:"findings"`
	Languages map[string]float64 `json:"languages,omitzero"` // shares of the lines
}

// Group is a value of the field that documents are grouped by.
type Group struct {
	Group  jsontext.Value `json:"group"`
	Counts `json:",inline"`
}

// Example is a document or a place in one.
type Example struct {
	File   string   `json:"file,omitzero"` // its name, where it is known
	Number int      `json:"number"`        // of the file in the manifest; 0 is standard input
	Offset int64    `json:"offset"`        // of the record's line in the uncompressed file, in bytes; a row's number in Parquet
	Line   int64    `json:"line,omitzero"` // of the record in its file, from 1
	Value  *float64 `json:"value,omitempty"`
	Text   string   `json:"text,omitzero"` // an excerpt
}

// Finding is something that documents should not have.
type Finding struct {
	Name        string    `json:"finding"`
	Documents   int64     `json:"documents"`
	Share       float64   `json:"share"`
	Occurrences int64     `json:"occurrences"`
	Examples    []Example `json:"examples,omitzero"`
}

// Boilerplate are the lines that at least Least documents have.
type Boilerplate struct {
	Least int64   `json:"least_documents"`
	Lines int64   `json:"distinct_lines"`
	Of    int64   `json:"of_distinct_lines"`
	Top   []Often `json:"top"` // those in most documents
}

// Often is a line that many documents have.
type Often struct {
	Text        string  `json:"text"` // its beginning
	Documents   int64   `json:"documents"`
	Share       float64 `json:"share"`
	Occurrences int64   `json:"occurrences"`
	Bytes       int64   `json:"bytes"` // of all of them together
	First       Example `json:"first"` // the record that has it first
}

// Signal is how documents are spread over one of their numbers, zeros left out. Quartiles and fences are known to an
// eighth of an octave: the least value of their bin (stage.BinEdge).
type Signal struct {
	Name      string    `json:"signal"`
	Documents int64     `json:"documents"`
	Zeros     int64     `json:"zeros"`
	Q1        float64   `json:"q1"`
	Median    float64   `json:"median"`
	Q3        float64   `json:"q3"`
	Low       float64   `json:"low,omitzero"`  // documents below are outliers
	High      float64   `json:"high,omitzero"` // documents from here on are
	Below     int64     `json:"below"`
	Above     int64     `json:"above"`
	Smallest  []Example `json:"smallest,omitzero"`
	Largest   []Example `json:"largest,omitzero"`
}

// Language is that of a share of the lines.
type Language struct {
	Code     string    `json:"language"`
	Asked    int64     `json:"asked"` // lines
	Share    float64   `json:"share"` // of all lines with enough letters: each that was asked stands for those of its document
	Examples []Example `json:"examples,omitzero"`
}

const (
	// topLines is how many lines of boilerplate are told of.
	topLines = 20
	// leastBoilerplate is how many documents a line has at least that is boilerplate: what two have is a duplicate.
	leastBoilerplate = 3
	version          = 1
)

// Finish implements stage.Reducer. The result is a [Result] as JSON.
func (a *Audit) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	// A quarter of the memory: heads, of which that of all files is there beside that of one, need the rest.
	buffer := int(min(ws.Memory()/4/int64(len(sealed)+1), mergeBuffer))
	return nil, ws.Make(ctx, stage.ResultFile, func(w io.Writer) error {
		in := make([]io.Reader, len(sealed))
		for i, f := range sealed {
			in[i] = io.NewSectionReader(f.Data, 0, f.Size)
		}
		m, err := a.open(in, buffer)
		if err != nil {
			return err
		}
		res, err := a.result(ctx, m)
		if err != nil {
			return err
		}
		out, err := json.Marshal(res, json.Deterministic(true), jsontext.WithIndent("  "))
		if err != nil {
			return err
		}
		_, err = w.Write(append(out, '\n'))
		return err
	})
}

// lineCounts are those of a group.
type lineCounts struct{ duplicates, duplicateBytes, boilerplate, boilerplateBytes int64 }

func (a *Audit) result(ctx context.Context, m *merger) (*Result, error) {
	res := &Result{Version: version, Findings: []Finding{}, Signals: []Signal{}}
	if a.grouped {
		res.By = a.by.String()
	}
	groups := m.head.Groups
	counts := make([]lineCounts, len(groups))
	b := &res.Boilerplate
	b.Least = max(leastBoilerplate, (m.all+frequent-1)/frequent)
	b.Top = []Often{}
	err := m.each(ctx, func(e *entry) error {
		b.Of++
		docs, count := int64(0), int64(0)
		for _, s := range e.shares {
			docs += s.docs
			count += s.count
		}
		often := docs >= b.Least
		for _, s := range e.shares {
			c := &counts[s.group]
			again := s.count
			if s.group == e.owner {
				again--
			}
			c.duplicates += again
			c.duplicateBytes += again * e.length
			if often {
				c.boilerplate += s.count
				c.boilerplateBytes += s.count * e.length
			}
		}
		if often {
			b.Lines++
			b.add(e, docs, count)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range b.Top {
		l := &b.Top[i]
		l.Share = shareOf(l.Documents, m.all)
		a.locate(&l.First)
	}

	all := &group{}
	var lines lineCounts
	for i, g := range groups {
		if err := all.add(g); err != nil {
			return nil, err
		}
		c := counts[i]
		lines.duplicates += c.duplicates
		lines.duplicateBytes += c.duplicateBytes
		lines.boilerplate += c.boilerplate
		lines.boilerplateBytes += c.boilerplateBytes
		if a.grouped {
			value, err := stats.AppendGroupValue(nil, []byte(g.Name))
			if err != nil {
				return nil, err
			}
			res.Groups = append(res.Groups, Group{value, countsOf(g, c)})
		}
	}
	res.All = countsOf(all, lines)

	for i, f := range findings {
		res.Findings = append(res.Findings, Finding{
			Name: f.name, Documents: all.Found[i], Share: shareOf(all.Found[i], m.all), Occurrences: all.Occurrences[i],
			Examples: a.examples(m.tally.findings[i], nil),
		})
	}
	for i := range signals {
		res.Signals = append(res.Signals, a.signal(i, &m.tally.signals[i]))
	}
	weight := int64(0)
	for _, l := range all.Languages {
		weight += l.Thousandth
	}
	for _, l := range all.Languages {
		out := Language{Code: l.Code, Asked: l.Asked, Share: shareOf(l.Thousandth, weight)}
		if c := m.tally.languages[l.Code]; c != nil {
			out.Examples = a.examples(*c, nil)
		}
		res.Languages = append(res.Languages, out)
	}
	slices.SortStableFunc(res.Languages, func(a, b Language) int { return cmp.Compare(b.Share, a.Share) })
	return res, nil
}

// add takes in a line if it is one of those in most documents; of those in as many, the ones with more bytes.
func (b *Boilerplate) add(e *entry, docs, count int64) {
	size := count * e.length
	at := len(b.Top)
	for at > 0 && (b.Top[at-1].Documents < docs || b.Top[at-1].Documents == docs && b.Top[at-1].Bytes < size) {
		at-- // lines come in the order of their hashes, so equal ones stay in that
	}
	if at == topLines {
		return
	}
	if len(b.Top) == topLines {
		b.Top = b.Top[:topLines-1]
	}
	id := record.ID(e.first)
	b.Top = slices.Insert(b.Top, at, Often{
		Text: string(e.text), Documents: docs, Occurrences: count, Bytes: size,
		First: Example{Number: id.File(), Offset: id.Offset(), Line: e.number},
	})
}

func countsOf(g *group, c lineCounts) Counts {
	n := Counts{
		Documents: g.Documents, Bytes: g.Bytes, Characters: g.Characters, Lines: g.Lines, LineBytes: g.LineBytes,
		DuplicateLines: c.duplicates, DuplicateLineShare: shareOf(c.duplicates, g.Lines),
		DuplicateBytes: c.duplicateBytes, DuplicateByteShare: shareOf(c.duplicateBytes, g.LineBytes),
		BoilerplateLines: c.boilerplate, BoilerplateBytes: c.boilerplateBytes, BoilerplateShare: shareOf(c.boilerplateBytes, g.LineBytes),
		Findings: map[string]int64{},
	}
	for i, f := range findings {
		if g.Found[i] > 0 {
			n.Findings[f.name] = g.Found[i]
		}
	}
	weight := int64(0)
	for _, l := range g.Languages {
		weight += l.Thousandth
	}
	for _, l := range g.Languages {
		if n.Languages == nil {
			n.Languages = map[string]float64{}
		}
		n.Languages[l.Code] = shareOf(l.Thousandth, weight)
	}
	return n
}

// signal is what the histogram and the extremes say.
func (a *Audit) signal(i int, t *signalTally) Signal {
	s := spreadOf(&t.bins)
	out := Signal{Name: signals[i].name, Documents: s.documents, Zeros: s.zeros, Below: s.below, Above: s.above}
	if s.documents == s.zeros {
		return out
	}
	edge := func(bin int) float64 { return rounded(stage.BinEdge(bin)) }
	out.Q1, out.Median, out.Q3 = edge(s.q1), edge(s.median), edge(s.q3)
	// A fence beyond what there can be is none.
	if low := edge(s.low); s.low > 1 && (signals[i].ratio || low >= 1) {
		out.Low = low
	}
	if high := edge(s.high + 1); s.high < stage.Bins-1 && (!signals[i].ratio || high <= 1) {
		out.High = high
	}
	value := func(v int64) float64 { return real(i, v) }
	out.Largest = a.examples(t.largest, value)
	if !signals[i].ratio { // a document with few digits is nothing to look at
		out.Smallest = a.examples(t.smallest, value)
	}
	return out
}

func (a *Audit) examples(c choice, value func(int64) float64) []Example {
	var list []Example
	for _, e := range c {
		id := record.ID(e.ID)
		x := Example{Number: id.File(), Offset: id.Offset(), Line: e.Line, Text: e.Text}
		if value != nil {
			v := value(e.Value)
			x.Value = &v
		}
		a.locate(&x)
		list = append(list, x)
	}
	return list
}

// locate names the file.
func (a *Audit) locate(e *Example) {
	if a.cfg.File != nil {
		e.File = a.cfg.File(e.Number)
	}
}

// rounded is x to six decimals.
func rounded(x float64) float64 { return math.Round(float64(x*1e6)) / 1e6 }

// shareOf is n of all; 0 of nothing.
func shareOf(n, all int64) float64 {
	if all == 0 {
		return 0
	}
	return rounded(float64(n) / float64(all))
}
