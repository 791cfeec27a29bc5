package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/internal/human"
)

// Translation is what the stage "translate" of a step has done.
type Translation struct {
	From     string   `json:"from,omitzero"` // the languages
	To       string   `json:"to,omitzero"`
	Segments Segments `json:"segments"`
	// Lengths are histograms of the segments that were accepted, "length_ratio" above all: letters of the target for one
	// of the source. What counts as documents elsewhere are segments here.
	Lengths []Signal `json:"lengths,omitzero"`
	Limits  *Limits  `json:"length_ratio_limits,omitzero"`
	Checks  []Check  `json:"checks,omitzero"` // those that rejected most first
	Rows    Outcomes `json:"rows"`
	Bill    Bill     `json:"bill"`
	// Others are counters of a version of the stage that this program does not know.
	Others     map[string]int64 `json:"others,omitzero"`
	Reference  *ReferenceRows   `json:"reference,omitzero"`
	SideBySide []SideBySide     `json:"side_by_side,omitzero"`

	keeps bool           // the rows have their sources
	at    map[string]int // of Checks, until they are sorted
}

// Segments are the pieces of text that a translation was looked for, those that a row has more than once counted once a row.
type Segments struct {
	Segments int64   `json:"segments"`
	Known    int64   `json:"known"`             // of those accepted; nobody had to be asked
	Rungs    []Count `json:"accepted,omitzero"` // by the rung of the ladder on which the answer was accepted, most first
	GivenUp  int64   `json:"given_up"`
}

// Limits of the length ratio for segments of middle length.
type Limits struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

// Check is what a check, or another reason for which a text is given up, did.
type Check struct {
	Check    string    `json:"check"`
	GivenUp  int64     `json:"given_up"` // segments
	Rows     int64     `json:"rows"`     // that were quarantined for it
	Noted    int64     `json:"noted"`    // segments that were accepted all the same
	Examples []Refused `json:"examples,omitzero"`
}

// Refused is a row that was quarantined. The quarantine has all of it.
type Refused struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"` // of the line in the uncompressed input
	Line   int64  `json:"line,omitzero"`
	Error  string `json:"error"`
	hash   uint64
	place  place
}

// Outcomes are rows that have become something else than a translation.
type Outcomes struct {
	Copied     int64   `json:"copied"`      // their task is bound to the source language
	KeptSource int64   `json:"kept_source"` // could not be translated, and were let through as they are
	Tasks      []Count `json:"tasks,omitzero"`
}

// Bill is what was asked for, and what it cost.
type Bill struct {
	Requests   int64   `json:"requests"` // retries included
	Retries    []Count `json:"retries,omitzero"`
	Prompt     int64   `json:"prompt_tokens"`
	Completion int64   `json:"completion_tokens"`
	Cached     int64   `json:"cached_tokens"`  // of the prompt's
	Estimated  int64   `json:"estimated_rows"` // rows of which the server said no tokens, so that theirs are a guess
	Cost       int64   `json:"cost_micro"`     // millionths of the prices' currency; 0 without prices
}

// Count is a number with a name.
type Count struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

const (
	translateStage = "translate"
	timingName     = corpus.Dir + "/timing.json"
	ratioSignal    = "length_ratio"
	// translationError begins the errors for which the stage quarantines.
	translationError = "translation: "

	checkLimit   = 40 // checks and other reasons; names of any other kind, too
	refusedLimit = 3  // examples of a check
	refusedChars = 600
)

// translateSettings is what the section needs of the stage's configuration.
type translateSettings struct {
	From       string `json:"from"`
	To         string `json:"to"`
	KeepSource bool   `json:"keep_source"`
	Checks     struct {
		Least float64 `json:"length_ratio_min"`
		Most  float64 `json:"length_ratio_max"`
	} `json:"checks"`
}

func readTranslation(ctx context.Context, in files, s *Step) error {
	t := &Translation{at: map[string]int{}}
	found, quarantined := false, int64(0)
	tallies := map[string]int64{}
	for i := range s.Funnel.Stages {
		if l := &s.Funnel.Stages[i]; l.Name == translateStage {
			found = true
			quarantined += l.Quarantined
			for name, n := range l.Tallies {
				tallies[name] += n
			}
		}
	}
	if !found {
		if s.reference != "" {
			return fmt.Errorf("reference %s: %s translates nothing; name a step with a stage %q", s.reference, s.called(), translateStage)
		}
		return nil
	}
	if err := addSpent(ctx, in, tallies); err != nil {
		return err
	}
	if c := s.stageConfig(translateStage); c != nil {
		var cfg translateSettings
		if err := json.Unmarshal(c, &cfg); err != nil {
			return damaged(in.path(configName), fmt.Errorf("configuration of stage %s: %w", translateStage, err))
		}
		t.From, t.To, t.keeps = cut(cfg.From, 40), cut(cfg.To, 40), cfg.KeepSource
		if c := cfg.Checks; c.Most > 0 {
			t.Limits = &Limits{c.Least, c.Most}
		}
	}
	t.count(tallies)
	// The signals of this stage count segments, and are told here.
	s.Signals = slices.DeleteFunc(s.Signals, func(sig Signal) bool {
		if sig.Stage == translateStage {
			t.Lengths = append(t.Lengths, sig)
		}
		return sig.Stage == translateStage
	})
	if len(s.Signals) == 0 {
		s.Signals = nil
	}
	s.Translation = t
	if quarantined > 0 {
		if err := t.readRefused(ctx, in); err != nil {
			return err
		}
	}
	t.Checks = sortedChecks(t.Checks)
	if !t.keeps {
		if s.reference != "" {
			return fmt.Errorf("reference %s: %s kept no source texts, so there are no rows to set it beside; translate with keep_source (--keep-source)", s.reference, s.called())
		}
		return nil
	}
	return t.readSideBySide(ctx, in, s)
}

// addSpent adds what the stage has spent, of which the ledger says nothing: it may be another in each run. Ledgers of earlier versions
// have it themselves.
func addSpent(ctx context.Context, in files, tallies map[string]int64) error {
	there, err := in.exists(ctx, timingName)
	if err != nil || !there {
		return err
	}
	var timing struct {
		Spent map[string]map[string]int64 `json:"spent"`
	}
	if err := in.json(ctx, timingName, &timing); err != nil {
		return err
	}
	for name, n := range timing.Spent[translateStage] {
		tallies[name] += n
	}
	return nil
}

// called is the step in a message.
func (s *Step) called() string {
	if s.Name == "" {
		return "the command"
	}
	return fmt.Sprintf("step %q", s.Name)
}

// count sorts the stage's counters out.
func (t *Translation) count(tallies map[string]int64) {
	b := &t.Bill
	single := map[string]*int64{
		"segments": &t.Segments.Segments, "memory_hits": &t.Segments.Known, "copied": &t.Rows.Copied, "kept_source": &t.Rows.KeptSource,
		"requests": &b.Requests, "prompt_tokens": &b.Prompt, "completion_tokens": &b.Completion, "cached_tokens": &b.Cached,
		"estimated_tokens": &b.Estimated, "cost_micro": &b.Cost,
	}
	for name, n := range tallies {
		kind, what, _ := strings.Cut(name, ":")
		switch {
		case single[name] != nil:
			*single[name] = n
		case what == "":
			t.other(name, n)
		case kind == "rung":
			t.Segments.Rungs = append(t.Segments.Rungs, Count{what, n})
		case kind == "retries":
			b.Retries = append(b.Retries, Count{what, n})
		case kind == "task":
			t.Rows.Tasks = append(t.Rows.Tasks, Count{what, n})
		case kind == "failed":
			t.check(what).GivenUp += n
			t.Segments.GivenUp += n
		case kind == "noted":
			t.check(what).Noted += n
		default:
			t.other(name, n)
		}
	}
	t.Segments.Rungs, b.Retries, t.Rows.Tasks = most(t.Segments.Rungs), most(b.Retries), most(t.Rows.Tasks)
}

func (t *Translation) other(name string, n int64) {
	if t.Others == nil {
		t.Others = map[string]int64{}
	}
	t.Others[name] = n
}

// check is the line of that name, which is made if need be.
func (t *Translation) check(name string) *Check {
	i, ok := t.at[name]
	if !ok {
		if len(t.at) >= errorKinds {
			name = allOthers
		}
		if i, ok = t.at[name]; !ok {
			i = len(t.Checks)
			t.at[name] = i
			t.Checks = append(t.Checks, Check{Check: name})
		}
	}
	return &t.Checks[i]
}

const allOthers = "all others"

// most sorts by number, and sums up what is beyond the limit.
func most(list []Count) []Count {
	slices.SortFunc(list, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	if len(list) <= checkLimit {
		return list
	}
	rest := Count{Name: allOthers}
	for _, c := range list[checkLimit-1:] {
		rest.Count += c.Count
	}
	return append(list[:checkLimit-1:checkLimit-1], rest)
}

// sortedChecks does the same for checks.
func sortedChecks(list []Check) []Check {
	slices.SortFunc(list, func(a, b Check) int {
		return cmp.Or(cmp.Compare(b.GivenUp, a.GivenUp), cmp.Compare(b.Rows, a.Rows), cmp.Compare(b.Noted, a.Noted), cmp.Compare(a.Check, b.Check))
	})
	if len(list) <= checkLimit {
		return list
	}
	rest := Check{Check: allOthers}
	for _, c := range list[checkLimit-1:] {
		rest.GivenUp, rest.Rows, rest.Noted = rest.GivenUp+c.GivenUp, rest.Rows+c.Rows, rest.Noted+c.Noted
	}
	return append(list[:checkLimit-1:checkLimit-1], rest)
}

// failedCheck is the check of an error of the stage, "translation: CHECK in /path: …".
func failedCheck(err string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(err, translationError)
	if end := strings.IndexAny(rest, " :;"); end >= 0 {
		rest = rest[:end]
	}
	return cut(rest, 60), ok && rest != ""
}

// readRefused counts the rows that were quarantined, and chooses examples as takeExamples does.
func (t *Translation) readRefused(ctx context.Context, in files) error {
	return in.lines(ctx, "quarantine", func(p place, line []byte) error {
		var is struct {
			File   string `json:"file"`
			Offset int64  `json:"offset"`
			Line   *int64 `json:"line"`
			Error  string `json:"error"`
		}
		if err := json.Unmarshal(line, &is); err != nil {
			return err
		}
		name, ok := failedCheck(is.Error)
		if !ok {
			return nil
		}
		c := t.check(name)
		c.Rows++
		one := Refused{File: cut(is.File, 200), Offset: is.Offset, Error: cut(is.Error, refusedChars), hash: xxhash.Sum64(line), place: p}
		if is.Line != nil {
			one.Line = *is.Line
		}
		k, _ := slices.BinarySearchFunc(c.Examples, one, func(a, b Refused) int {
			if d := cmp.Compare(a.hash, b.hash); d != 0 {
				return d
			}
			if a.place.before(b.place) {
				return -1
			}
			return 1
		})
		if k < refusedLimit {
			c.Examples = slices.Insert(c.Examples, k, one)[:min(len(c.Examples)+1, refusedLimit)]
		}
		return nil
	})
}

func hasTranslation(s *Step) bool { return s.Translation != nil }

// segmentRow is one of the things that became of segments.
type segmentRow struct {
	Name  string
	Count int64
	Share float64
}

func (t *Translation) segmentRows() []segmentRow {
	g := &t.Segments
	var list []segmentRow
	for _, r := range g.Rungs {
		list = append(list, segmentRow{Name: "accepted, rung " + r.Name, Count: r.Count})
	}
	list = append(list, segmentRow{Name: "given up", Count: g.GivenUp})
	rest := g.Segments
	for i := range list {
		rest -= list[i].Count
	}
	if rest > 0 && rest == g.Known { // of a version that counted by rung only what was asked for
		list = append(list, segmentRow{Name: "known: in memory, or asked for by another row", Count: rest})
	}
	for i := range list {
		list[i].Share = share(list[i].Count, g.Segments)
	}
	return list
}

// rowRows are the rows that were not translated, and those whose task is bound to a language.
func (t *Translation) rowRows() []Count {
	var list []Count
	add := func(name string, n int64) {
		if n != 0 {
			list = append(list, Count{name, n})
		}
	}
	add("kept as they are, since their task is bound to the language", t.Rows.Copied)
	add("kept as they are, since a text could not be translated", t.Rows.KeptSource)
	for _, c := range t.Rows.Tasks {
		add("with the task "+c.Name, c.Count)
	}
	return list
}

// billRows are the numbers of the bill that are not zero.
func (t *Translation) billRows() [][2]string {
	b := &t.Bill
	var rows [][2]string
	add := func(name string, n int64) {
		if n != 0 {
			rows = append(rows, [2]string{name, human.Thousands(n)})
		}
	}
	add("requests", b.Requests)
	for _, c := range b.Retries {
		add("of them repeated: "+c.Name, c.Count)
	}
	add("tokens of prompts", b.Prompt)
	add("of them cached by the server", b.Cached)
	add("tokens of answers", b.Completion)
	add("rows of which tokens are a guess", b.Estimated)
	if b.Cost != 0 {
		rows = append(rows, [2]string{"cost, in the prices' currency", money(b.Cost)})
	}
	return rows
}

// money writes millionths as units: 1,234.50, and all six decimals of less than one.
func money(micro int64) string {
	sign := ""
	if micro < 0 {
		sign, micro = "-", -max(micro, -1<<62)
	}
	if micro < 1e6 {
		return fmt.Sprintf("%s0.%06d", sign, micro)
	}
	cents := (micro + 5000) / 10000
	return fmt.Sprintf("%s%s.%02d", sign, human.Thousands(cents/100), cents%100)
}

// figures are the drawings of the histograms.
func (t *Translation) figures() []figure {
	list := figures(t.Lengths)
	for i := range list {
		f := &list[i]
		f.Unit = "segments"
		if f.Name == ratioSignal && t.Limits != nil {
			sig := t.Lengths[i]
			sig.Thresholds = append(slices.Clone(sig.Thresholds), Threshold{Compare: "below", Value: t.Limits.Least}, Threshold{Compare: "above", Value: t.Limits.Most})
			f.Plot = sig.Plot()
			f.Tests = []string{fmt.Sprintf("below %s or above %s a segment is noted; only what is far outside is refused", number(t.Limits.Least), number(t.Limits.Most))}
		}
	}
	return list
}

const translationAbout = `What became of the segments that a translation was wanted for, which checks refused or only noted, what was asked for and at which price; and some rows beside their source: those of a reference first, then some with masks, chosen by the hash of their lines. What was masked, and had to come through as it is, is coloured in the source, and wherever it stands in the target. Rows are there only if the stage kept the source (--keep-source). The length ratio is that of accepted segments: letters of the target for one of the source.`

const translationPage = `{{$t := .Translation}}
<p>{{if $t.From}}From {{$t.From}} to {{$t.To}}: {{end}}{{group $t.Segments.Segments}} segments, each counted once a row.</p>
<table><tr><th>what became of them<th class="n">segments<th class="n">share<th>
{{range segmentRows $t}}<tr><td>{{.Name}}<td class="n">{{group .Count}}<td class="n">{{percentOf .Share}}<td>{{bar .Count $t.Segments.Segments}}
{{end}}</table>
{{with $t.Segments.Known}}<p>{{group .}} of those accepted were in memory, or asked for by another row.</p>
{{end}}{{with rowRows $t}}<h4>rows</h4>
<table><tr><th>what became of them<th class="n">rows
{{range .}}<tr><td>{{.Name}}<td class="n">{{group .Count}}
{{end}}</table>
{{end}}{{with $t.Checks}}<h4>checks</h4>
<table><tr><th>check, or other reason<th class="n">segments given up<th class="n">only noted<th class="n">rows quarantined
{{range .}}<tr><td>{{.Check}}<td class="n">{{group .GivenUp}}<td class="n">{{group .Noted}}<td class="n">{{group .Rows}}
{{end}}</table>
{{range .}}{{if .Examples}}<details><summary>{{.Check}}: {{len .Examples}} of {{group .Rows}} quarantined rows</summary>
{{range .Examples}}<div class="example"><p><bdi>{{.File}}</bdi>{{if .Line}}:{{.Line}}{{end}} <span>byte {{group .Offset}}</span></p>
<pre dir="auto">
{{.Error}}</pre></div>
{{end}}</details>
{{end}}{{end}}{{end}}{{with billRows $t}}<h4>requests and tokens</h4>
<table>{{range .}}<tr><td>{{index . 0}}<td class="n">{{index . 1}}
{{end}}</table>
{{end}}{{if $t.Others}}<p>Counted, too:{{range $k, $n := $t.Others}} {{$k}} {{group $n}};{{end}}</p>
{{end}}{{with lengthFigures $t}}{{template "plots" .}}
{{end}}{{template "side by side" $t}}`
