package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"curate/stage"
	"curate/stats"
)

// tally is what is known of some documents, but for their lines. All of it depends on the set of the documents alone.
type tally struct {
	groups    map[string]*group
	signals   [numSignals]signalTally
	findings  [numFindings]choice
	languages map[string]*choice
}

// group counts the documents of a group.
type group struct {
	Name        string             `json:"name"` // as stats.AppendGroup has it
	Documents   int64              `json:"documents"`
	Bytes       int64              `json:"bytes"` // of the decoded text as UTF-8
	Characters  int64              `json:"characters"`
	Lines       int64              `json:"lines"`       // that are not blank
	LineBytes   int64              `json:"line_bytes"`  // of those, without the white space around them
	Found       [numFindings]int64 `json:"found"`       // documents that have it
	Occurrences [numFindings]int64 `json:"occurrences"` // how often they do
	Languages   []language         `json:"languages"`   // by code
	ordinal     uint32
}

// language counts the lines that were asked for their language.
type language struct {
	Code       string `json:"code"`
	Asked      int64  `json:"asked"`
	Thousandth int64  `json:"thousandths"` // of lines that they stand for
}

type signalTally struct {
	bins              [stage.Bins]int64
	largest, smallest choice
}

// example is a document, or a place in one.
type example struct {
	ID    uint64 `json:"id"`
	Line  int64  `json:"line"` // in its file; 0 where the reader cannot know it
	Value int64  `json:"value"`
	Text  string `json:"text"`
	rank  uint64
}

// choice are the examples with the smallest ranks, sorted by them and by ID.
type choice []example

// maxExamples is how many examples there are of a thing.
const maxExamples = 5

// place is where an example would stand, or -1 for one that does not come in.
func (c choice) place(rank, id uint64) int {
	at := len(c)
	for at > 0 && (c[at-1].rank > rank || c[at-1].rank == rank && c[at-1].ID > id) {
		at--
	}
	if at == maxExamples {
		return -1
	}
	return at
}

func (c *choice) put(at int, e example) {
	if len(*c) == maxExamples {
		*c = (*c)[:maxExamples-1]
	}
	*c = slices.Insert(*c, at, e)
}

func (c *choice) join(d choice) {
	for _, e := range d {
		if at := c.place(e.rank, e.ID); at >= 0 {
			c.put(at, e)
		}
	}
}

// rankOf is the rank of an example: of a sample, of the largest, of the smallest values.
func bySample(e *example) uint64   { return scrambled(e.ID) }
func byLargest(e *example) uint64  { return ^uint64(e.Value) }
func bySmallest(e *example) uint64 { return uint64(e.Value) }

// reranked gives examples that were read their ranks. They must be as a choice has them.
func (c choice) reranked(rank func(*example) uint64) error {
	if len(c) > maxExamples {
		return errors.New("too many examples")
	}
	for i := range c {
		e := &c[i]
		e.rank = rank(e)
		if e.Value < 0 || e.Line < 0 || len(e.Text) > maxExcerpt {
			return errors.New("an example that is none")
		}
		if i > 0 && (c[i-1].rank > e.rank || c[i-1].rank == e.rank && c[i-1].ID >= e.ID) {
			return errors.New("examples out of order")
		}
	}
	return nil
}

func newTally() *tally { return &tally{groups: map[string]*group{}, languages: map[string]*choice{}} }

// group finds a group, or makes it.
func (a *Audit) groupOf(t *tally, name []byte) (*group, error) {
	g := t.groups[string(name)]
	if g == nil {
		if len(t.groups) == maxGroups {
			return nil, a.tooMany()
		}
		g = &group{Name: string(name)}
		t.groups[g.Name] = g
	}
	return g, nil
}

func (g *group) language(code string) *language {
	at, ok := slices.BinarySearchFunc(g.Languages, code, func(l language, code string) int { return cmp.Compare(l.Code, code) })
	if !ok {
		g.Languages = slices.Insert(g.Languages, at, language{Code: code})
	}
	return &g.Languages[at]
}

func (t *tally) documents() (n int64) {
	for _, g := range t.groups {
		n += g.Documents
	}
	return n
}

func (g *group) add(o *group) error {
	for _, p := range [...][2]*int64{
		{&g.Documents, &o.Documents}, {&g.Bytes, &o.Bytes}, {&g.Characters, &o.Characters}, {&g.Lines, &o.Lines}, {&g.LineBytes, &o.LineBytes},
	} {
		*p[0] += *p[1]
	}
	for i := range findings {
		g.Found[i] += o.Found[i]
		g.Occurrences[i] += o.Occurrences[i]
	}
	for _, l := range o.Languages {
		m := g.language(l.Code)
		m.Asked += l.Asked
		m.Thousandth += l.Thousandth
	}
	if len(g.Languages) > maxLanguages {
		return fmt.Errorf("audit: an engine of more than %d languages", maxLanguages)
	}
	return nil
}

// join adds o, which is given up.
func (a *Audit) join(t, o *tally) error {
	for name, g := range o.groups {
		have, err := a.groupOf(t, []byte(name))
		if err != nil {
			return err
		}
		if err := have.add(g); err != nil {
			return err
		}
	}
	for i := range t.signals {
		s, p := &t.signals[i], &o.signals[i]
		for b, n := range p.bins {
			s.bins[b] += n
		}
		s.largest.join(p.largest)
		s.smallest.join(p.smallest)
	}
	for i := range t.findings {
		t.findings[i].join(o.findings[i])
	}
	for code, c := range o.languages {
		have := t.languages[code]
		if have == nil {
			have = new(choice)
			t.languages[code] = have
		}
		have.join(*c)
	}
	return nil
}

// tallySize is about what a tally takes, in bytes: histograms and examples.
const (
	tallySize = numSignals*stage.Bins*8 + (2*numSignals+numFindings)*maxExamples*exampleSize
	groupSize = 600
	// exampleSize is that of an example, with its text.
	exampleSize = 64 + maxExcerpt
)

func (t *tally) size() int {
	n := tallySize + len(t.languages)*(maxExamples*exampleSize+64)
	for name, g := range t.groups {
		n += len(name) + groupSize + len(g.Languages)*40
	}
	return n
}

// head is a tally as it is written: JSON, with everything sorted.
type head struct {
	Groups    []*group            `json:"groups"` // by name
	Signals   [numSignals]headOf  `json:"signals"`
	Findings  [numFindings]choice `json:"findings"`
	Languages []headLanguage      `json:"languages"` // by code
}

type headOf struct {
	Bins     [][2]int64 `json:"bins"` // number and documents of those that are not empty
	Largest  choice     `json:"largest"`
	Smallest choice     `json:"smallest"`
}

type headLanguage struct {
	Code     string `json:"code"`
	Examples choice `json:"examples"`
}

// head numbers the groups, too.
func (t *tally) head() *head {
	h := &head{Findings: t.findings}
	for _, g := range t.groups {
		h.Groups = append(h.Groups, g)
	}
	slices.SortFunc(h.Groups, func(a, b *group) int { return cmp.Compare(a.Name, b.Name) })
	for i, g := range h.Groups {
		g.ordinal = uint32(i)
	}
	for i := range t.signals {
		s := &t.signals[i]
		h.Signals[i].Largest, h.Signals[i].Smallest = s.largest, s.smallest
		for b, n := range s.bins {
			if n > 0 {
				h.Signals[i].Bins = append(h.Signals[i].Bins, [2]int64{int64(b), n})
			}
		}
	}
	for code, c := range t.languages {
		h.Languages = append(h.Languages, headLanguage{code, *c})
	}
	slices.SortFunc(h.Languages, func(a, b headLanguage) int { return cmp.Compare(a.Code, b.Code) })
	return h
}

// mostCount is more than any count of documents, lines or bytes of a split, and few enough that those of all sealed files
// do not overflow.
const mostCount = 1 << 53

// tally checks what was read.
func (a *Audit) tally(h *head) (*tally, error) {
	t := newTally()
	t.findings = h.Findings
	counts := func(list ...int64) error {
		for _, n := range list {
			if n < 0 || n > mostCount {
				return errors.New("a count that is none")
			}
		}
		return nil
	}
	for i, g := range h.Groups {
		if !stats.CheckGroup([]byte(g.Name), a.grouped) || i > 0 && h.Groups[i-1].Name >= g.Name || i == maxGroups {
			return nil, errors.New("groups that are none, or out of order")
		}
		list := append([]int64{g.Documents, g.Bytes, g.Characters, g.Lines, g.LineBytes}, append(g.Found[:], g.Occurrences[:]...)...)
		for k, l := range g.Languages {
			if l.Code == "" || len(l.Code) > maxCode || k > 0 && g.Languages[k-1].Code >= l.Code || k == maxLanguages {
				return nil, errors.New("languages that are none, or out of order")
			}
			list = append(list, l.Asked, l.Thousandth)
		}
		if err := counts(list...); err != nil {
			return nil, err
		}
		g.ordinal = uint32(i)
		t.groups[g.Name] = g
	}
	for i := range h.Signals {
		s, p := &t.signals[i], &h.Signals[i]
		for k, b := range p.Bins {
			if b[0] < 0 || b[0] >= stage.Bins || b[1] <= 0 || k > 0 && p.Bins[k-1][0] >= b[0] || counts(b[1]) != nil {
				return nil, errors.New("a histogram that is none")
			}
			s.bins[b[0]] = b[1]
		}
		s.largest, s.smallest = p.Largest, p.Smallest
		if err := errors.Join(s.largest.reranked(byLargest), s.smallest.reranked(bySmallest)); err != nil {
			return nil, err
		}
	}
	for i := range t.findings {
		if err := t.findings[i].reranked(bySample); err != nil {
			return nil, err
		}
	}
	for k, l := range h.Languages {
		if l.Code == "" || len(l.Code) > maxCode || k > 0 && h.Languages[k-1].Code >= l.Code || k == maxLanguages {
			return nil, errors.New("languages that are none, or out of order")
		}
		if err := l.Examples.reranked(bySample); err != nil {
			return nil, err
		}
		t.languages[l.Code] = &l.Examples
	}
	return t, nil
}
