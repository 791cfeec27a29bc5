package report

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"curate/internal/human"
)

// Overlap is what the tests of a stage have in common: which of them dropped documents fail, and not only the one for
// which they were dropped.
type Overlap struct {
	Stage string        `json:"stage"`
	Tests []OverlapTest `json:"tests"` // most first
	Pairs []OverlapPair `json:"pairs"` // of tests that some document fails both, most first
	both  map[[2]int]int64
}

// OverlapTest is one of the tests.
type OverlapTest struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
	Fails  int64  `json:"fails"` // dropped documents that fail it
	Alone  int64  `json:"alone"` // of those, the ones that fail no other
}

// OverlapPair are two tests.
type OverlapPair struct {
	First  string `json:"first"` // "RULE:REASON"
	Second string `json:"second"`
	Both   int64  `json:"both"`
	// Documents that fail one of them and not the other.
	FirstOnly  int64 `json:"first_only"`
	SecondOnly int64 `json:"second_only"`
}

const (
	overlapMark    = "&" // begins the names of the tallies (docs/formats/ledger.md)
	overlapColumns = 14  // tests of which the page has a column: those that most documents fail
	overlapPairs   = 200
)

// overlaps takes the tallies about tests that fail together out of a stage's.
func overlaps(tallies map[string]int64) (others, list map[string]int64) {
	others = map[string]int64{}
	for name, n := range tallies {
		if tests, ok := strings.CutPrefix(name, overlapMark); ok {
			if list == nil {
				list = map[string]int64{}
			}
			list[tests] = n
		} else {
			others[name] = n
		}
	}
	return others, list
}

func readOverlap(_ context.Context, _ files, s *Step) error {
	for _, l := range s.Funnel.Stages {
		o := &Overlap{Stage: l.Name, Tests: []OverlapTest{}, Pairs: []OverlapPair{}, both: map[[2]int]int64{}}
		fails := map[string]int64{}
		for name, n := range l.overlaps {
			if strings.Contains(name, overlapMark) {
				continue
			}
			rule, reason, _ := strings.Cut(name, ":")
			o.Tests = append(o.Tests, OverlapTest{rule, reason, n, l.overlaps[name+overlapMark]})
			fails[name] = n
		}
		if len(o.Tests) == 0 {
			continue
		}
		slices.SortFunc(o.Tests, func(a, b OverlapTest) int {
			return cmp.Or(cmp.Compare(b.Fails, a.Fails), cmp.Compare(a.key(), b.key()))
		})
		at := map[string]int{}
		for i, t := range o.Tests {
			at[t.key()] = i
		}
		for name, both := range l.overlaps {
			first, second, ok := strings.Cut(name, overlapMark)
			if !ok || second == "" {
				continue
			}
			o.Pairs = append(o.Pairs, OverlapPair{first, second, both, fails[first] - both, fails[second] - both})
			i, known := at[first]
			k, both2 := at[second]
			if known && both2 {
				o.both[[2]int{i, k}], o.both[[2]int{k, i}] = both, both
			}
		}
		slices.SortFunc(o.Pairs, func(a, b OverlapPair) int {
			return cmp.Or(cmp.Compare(b.Both, a.Both), cmp.Compare(a.First, b.First), cmp.Compare(a.Second, b.Second))
		})
		o.Pairs = o.Pairs[:min(len(o.Pairs), overlapPairs)]
		s.Overlaps = append(s.Overlaps, o)
	}
	return nil
}

func (t OverlapTest) key() string { return t.Rule + ":" + t.Reason }

func hasOverlap(s *Step) bool { return len(s.Overlaps) > 0 }

// overlapRow is a line of the table.
type overlapRow struct {
	Number int
	OverlapTest
	Cells []string // with each test that has a column
}

// Rows are those of the table, for the template.
func (o *Overlap) Rows() []overlapRow {
	var rows []overlapRow
	n := min(len(o.Tests), overlapColumns)
	for i, t := range o.Tests {
		r := overlapRow{Number: i + 1, OverlapTest: t}
		for k := range n {
			switch both := o.both[[2]int{i, k}]; {
			case i == k:
				r.Cells = append(r.Cells, "–")
			case both == 0:
				r.Cells = append(r.Cells, "")
			default:
				r.Cells = append(r.Cells, human.Thousands(both))
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// Columns are the numbers of the tests that have one.
func (o *Overlap) Columns() []int {
	var list []int
	for k := range min(len(o.Tests), overlapColumns) {
		list = append(list, k+1)
	}
	return list
}

const overlapAbout = `Which tests dropped documents fail, if all are made: how many fail a test, how many of those no other, and how many fail it and the test of the column, too. A test that hardly anything fails alone could go; one that is alone decides.`

const overlapPage = `
{{range .Overlaps}}<table><tr><th class="n"><th>rule<th>reason<th class="n">fail it<th class="n">alone{{range .Columns}}<th class="n">and {{.}}{{end}}
{{range .Rows}}<tr><td class="n">{{.Number}}<td>{{.Rule}}<td>{{.Reason}}<td class="n">{{group .Fails}}<td class="n">{{group .Alone}}{{range .Cells}}<td class="n">{{.}}{{end}}
{{end}}</table>{{end}}`
