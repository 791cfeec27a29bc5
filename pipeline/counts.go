package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/internal/human"
	"curate/record"
)

// Counts of what became of records. They add up: Read = Kept + the sum of Dropped + Quarantined. BlankLines
// are not in Read, Repaired is a part of the others, Annotated counts nothing again. In a ledger they are the
// whole run's, in a journal entry a split's.
type Counts struct {
	Read        int64            `json:"read"`
	Kept        int64            `json:"kept"`
	Dropped     map[string]int64 `json:"dropped"` // by "RULE:REASON"
	Quarantined int64            `json:"quarantined"`
	BlankLines  int64            `json:"blank_lines"`
	Repaired    int64            `json:"repaired"`
	Annotated   map[string]int64 `json:"annotated,omitzero"` // would-be drops of --annotate
	BytesIn     int64            `json:"bytes_in"`           // uncompressed, line feeds included
	BytesOut    int64            `json:"bytes_out"`
	Stages      []StageCounts    `json:"stages"`
}

// StageCounts are those of one stage: of what reached it, what it let through. The first is the reading
// itself, which quarantines what is no record.
type StageCounts struct {
	Name        string           `json:"name"`
	Version     int              `json:"version,omitzero"`
	Read        int64            `json:"read"`
	Kept        int64            `json:"kept"`
	Dropped     map[string]int64 `json:"dropped"`
	Quarantined int64            `json:"quarantined"`
	Annotated   map[string]int64 `json:"annotated,omitzero"`
	Measured    map[string]int64 `json:"measured,omitzero"` // sums over the records let through, by the name of the measure
	Tallies     map[string]int64 `json:"tallies,omitzero"`  // the stage's own counters
	// Spent are those of what the stage has spent. A journal has them, and timing.json; a ledger has not ([Counts.Ledger]).
	Spent map[string]int64 `json:"spent,omitzero"`
}

// Meter measures records for sums by stage: bytes, words, tokens. No decision depends on it.
type Meter struct {
	Names []string
	// New makes the measuring function of one goroutine. It fills in the values of a record, one a name. values are
	// what an earlier stage has left there; again says so.
	New func() func(r *record.Record, values []int64, again bool)
}

func addMap(dst *map[string]int64, src map[string]int64) {
	if *dst == nil {
		*dst = map[string]int64{}
	}
	for k, n := range src {
		(*dst)[k] += n
	}
}

// add sums up. o has the same stages, or none.
func (c *Counts) add(o *Counts) {
	c.Read += o.Read
	c.Kept += o.Kept
	c.Quarantined += o.Quarantined
	c.BlankLines += o.BlankLines
	c.Repaired += o.Repaired
	c.BytesIn += o.BytesIn
	c.BytesOut += o.BytesOut
	addMap(&c.Dropped, o.Dropped)
	addSome(&c.Annotated, o.Annotated)
	for i := range o.Stages {
		s, t := &c.Stages[i], &o.Stages[i]
		s.Read += t.Read
		s.Kept += t.Kept
		s.Quarantined += t.Quarantined
		addMap(&s.Dropped, t.Dropped)
		addSome(&s.Annotated, t.Annotated)
		addSome(&s.Measured, t.Measured)
		addSome(&s.Tallies, t.Tallies)
		addSome(&s.Spent, t.Spent)
	}
}

// addSome is addMap that leaves dst nil if there is nothing to add.
func addSome(dst *map[string]int64, src map[string]int64) {
	if len(src) > 0 {
		addMap(dst, src)
	}
}

// sumEntries are the counts of a phase of which these splits are finished.
func sumEntries(entries []Entry) Counts {
	var c Counts
	for i := range entries {
		e := &entries[i].Counts
		if c.Stages == nil {
			c.Dropped = map[string]int64{}
			for _, s := range e.Stages {
				c.Stages = append(c.Stages, StageCounts{Name: s.Name, Version: s.Version, Dropped: map[string]int64{}})
			}
		}
		c.add(e)
	}
	return c
}

// check finds sums that do not come out: a bug of ours that must not go unseen.
func (c *Counts) check() error {
	sum := func(kept, quarantined int64, dropped map[string]int64) int64 {
		n := kept + quarantined
		for _, d := range dropped {
			n += d
		}
		return n
	}
	if got := sum(c.Kept, c.Quarantined, c.Dropped); got != c.Read {
		return fmt.Errorf("the ledger does not add up: %d records read, %d accounted for; this is a bug of curate", c.Read, got)
	}
	next := c.Read
	for _, s := range c.Stages {
		if s.Read != next || sum(s.Kept, s.Quarantined, s.Dropped) != s.Read {
			return fmt.Errorf("the ledger of stage %q does not add up: %d records reached it, it read %d; this is a bug of curate", s.Name, next, s.Read)
		}
		next = s.Kept
	}
	if next != c.Kept {
		return fmt.Errorf("the ledger does not add up: the last stage kept %d records, %d were written; this is a bug of curate", next, c.Kept)
	}
	return nil
}

// Ledger are the counts that are the same for every run over the same records: those without what was spent.
func (c *Counts) Ledger() Counts {
	l := *c
	l.Stages = slices.Clone(c.Stages)
	for i := range l.Stages {
		l.Stages[i].Spent = nil
	}
	return l
}

// Spent is what the stages have spent, by their names; nil if nothing.
func (c *Counts) Spent() map[string]map[string]int64 {
	var spent map[string]map[string]int64
	for _, s := range c.Stages {
		if len(s.Spent) == 0 {
			continue
		}
		if spent == nil {
			spent = map[string]map[string]int64{}
		}
		spent[s.Name] = sum(spent[s.Name], s.Spent)
	}
	return spent
}

// Marshal is the ledger as it is written to a file: indented, keys sorted.
func (c *Counts) Marshal() ([]byte, error) {
	b, err := json.Marshal(c.Ledger(), json.Deterministic(true), jsontext.WithIndent("  "))
	return append(b, '\n'), err
}

// Summary says it in words: "kept 8,412 of 10,000 (84.1 %); dropped 1,587: …; quarantined 1". kept is the word
// for what has come through.
func (c *Counts) Summary(kept string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s of %s", kept, human.Thousands(c.Kept), human.Thousands(c.Read))
	if c.Read > 0 {
		fmt.Fprintf(&b, " (%.1f %%)", 100*float64(c.Kept)/float64(c.Read))
	}
	say := func(word string, m map[string]int64) {
		if len(m) == 0 {
			return
		}
		type row struct {
			reason string
			n      int64
		}
		var rows []row
		total := int64(0)
		for k, n := range m {
			_, reason, _ := strings.Cut(k, ":")
			rows = append(rows, row{reason, n})
			total += n
		}
		slices.SortFunc(rows, func(a, b row) int {
			return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.reason, b.reason))
		})
		fmt.Fprintf(&b, "; %s %s:", word, human.Thousands(total))
		for i, r := range rows {
			if i == 5 && len(rows) > 6 {
				rest := int64(0)
				for _, r := range rows[i:] {
					rest += r.n
				}
				fmt.Fprintf(&b, ", %d other reasons %s", len(rows)-i, human.Thousands(rest))
				break
			}
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %s %s", r.reason, human.Thousands(r.n))
		}
	}
	say("dropped", c.Dropped)
	say("would drop", c.Annotated)
	if c.Quarantined > 0 {
		fmt.Fprintf(&b, "; quarantined %s", human.Thousands(c.Quarantined))
	}
	if c.Repaired > 0 {
		fmt.Fprintf(&b, "; repaired %s", human.Thousands(c.Repaired))
	}
	if c.BlankLines > 0 {
		noun := "blank lines"
		if c.BlankLines == 1 {
			noun = "blank line"
		}
		fmt.Fprintf(&b, "; %s %s", human.Thousands(c.BlankLines), noun)
	}
	return b.String()
}

// tally counts outcomes of one stage on one chunk. Reasons are few and constant, so a scan of a short list
// beats a map, and makes no garbage.
type tally struct {
	read, kept, quarantined int64
	dropped, annotated      []reasonCount
	measured                []int64
	own, spent              map[string]int64 // the stage's tallies, and what it has spent
}

type reasonCount struct {
	rule, reason string
	n            int64
}

func (t *tally) reset() {
	clear(t.measured)
	clear(t.own)
	clear(t.spent)
	*t = tally{dropped: t.dropped[:0], annotated: t.annotated[:0], measured: t.measured, own: t.own, spent: t.spent}
}

func count(rs []reasonCount, rule, reason string) []reasonCount {
	for i := range rs {
		if rs[i].rule == rule && rs[i].reason == reason {
			rs[i].n++
			return rs
		}
	}
	return append(rs, reasonCount{rule, reason, 1})
}

// take adds what a stage has tallied on a batch, and what it has spent.
func (t *tally) take(own, spent []record.Tally) {
	add := func(dst *map[string]int64, list []record.Tally) {
		if len(list) > 0 && *dst == nil {
			*dst = map[string]int64{}
		}
		for _, n := range list {
			(*dst)[n.Name] += n.N
		}
	}
	add(&t.own, own)
	add(&t.spent, spent)
}

// addTo adds it up into s. measures are the names of what was measured.
func (t *tally) addTo(s *StageCounts, measures []string) {
	for i, n := range t.measured {
		addSome(&s.Measured, map[string]int64{measures[i]: n})
	}
	addSome(&s.Tallies, t.own)
	addSome(&s.Spent, t.spent)
	s.Read += t.read
	s.Kept += t.kept
	s.Quarantined += t.quarantined
	for _, r := range t.dropped {
		s.Dropped[r.rule+":"+r.reason] += r.n
	}
	for _, r := range t.annotated {
		if s.Annotated == nil {
			s.Annotated = map[string]int64{}
		}
		s.Annotated[r.rule+":"+r.reason] += r.n
	}
}

// finish fills the totals from the stages.
func (c *Counts) finish() {
	c.Read, c.Kept, c.Quarantined = 0, 0, 0
	c.Dropped, c.Annotated = map[string]int64{}, nil
	for i, s := range c.Stages {
		if i == 0 {
			c.Read = s.Read
		}
		c.Kept = s.Kept
		c.Quarantined += s.Quarantined
		addMap(&c.Dropped, s.Dropped)
		addSome(&c.Annotated, s.Annotated)
	}
}
