package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"slices"
	"strings"

	"curate/internal/human"
	"curate/stage"
)

// Shards is what a step has made for a trainer: the sets of its schedule, one a length, what came into them of each
// source, and how long the documents are. It is told from the files schedule.json and manifest.json of curate shards
// build.
type Shards struct {
	Format        string `json:"format"`
	Dtype         string `json:"dtype,omitzero"` // of the sets, where a manifest is there
	Vocabulary    int64  `json:"vocabulary_size"`
	TokensPerStep int64  `json:"tokens_per_step,omitzero"`
	// Of all sets; documents count as often as they are used.
	Documents int64 `json:"documents"`
	Sequences int64 `json:"sequences"`
	Tokens    int64 `json:"tokens"` // without padding
	Steps     int64 `json:"steps,omitzero"`

	Sets     []ShardSet `json:"sets"` // in the order of training
	SetsLeft int        `json:"sets_left_out,omitzero"`
	Pairs    *PairSet   `json:"preference,omitzero"`
	// Sources are those with the most tokens, in the order in which they were given.
	Sources     []ShardSource  `json:"sources"`
	SourcesLeft int            `json:"sources_left_out,omitzero"`
	Farthest    float64        `json:"largest_difference"` // of all sources: the share beside what was asked, without its sign
	Lengths     []DocumentBins `json:"document_lengths,omitzero"`
}

// ShardSet is a set of the schedule.
type ShardSet struct {
	Dir         string  `json:"dir"`
	Length      int64   `json:"length"` // tokens of a row
	ShareAsked  float64 `json:"share_asked"`
	Share       float64 `json:"share"` // of all tokens
	Documents   int64   `json:"documents"`
	Sequences   int64   `json:"sequences"`
	Tokens      int64   `json:"tokens"`
	RowsPerStep int64   `json:"rows_per_step,omitzero"`
	FirstStep   int64   `json:"first_step"`
	Steps       int64   `json:"steps"`
	Longer      int64   `json:"documents_longer"` // documents, each once, with more tokens than a row
	// What the manifest says, where it is there.
	Masked  bool        `json:"masked,omitzero"`        // it has a loss mask
	Learnt  int64       `json:"learnt_tokens,omitzero"` // that the mask has 1 for
	Padding int64       `json:"padding,omitzero"`
	Packing *SetPacking `json:"packing,omitzero"` // absent: a sequence is a document
	known   bool        // its manifest is there
}

// SetPacking is what came of packing documents into rows.
type SetPacking struct {
	Method string  `json:"method,omitzero"`
	Pieces int64   `json:"pieces"`
	Cuts   int64   `json:"cuts"` // how often a document was cut
	Full   int64   `json:"full_rows"`
	Fill   float64 `json:"fill"` // share of the rows' room that documents take
}

// PairSet is the set of preference pairs.
type PairSet struct {
	Dir   string `json:"dir"`
	Pairs int64  `json:"pairs"`
}

// ShardSource is a source of the mixture, asked for and realised.
type ShardSource struct {
	Name      string `json:"name"`
	Available struct {
		Documents int64 `json:"documents"`
		Tokens    int64 `json:"tokens"`
	} `json:"available"`
	Asked       AskedShare `json:"asked"`
	Wanted      int64      `json:"tokens_wanted"`
	ShareWanted float64    `json:"share_wanted"`
	Documents   int64      `json:"documents"` // as often as they are used
	Tokens      int64      `json:"tokens"`
	Epochs      float64    `json:"epochs"`
	Share       float64    `json:"share"` // of all tokens
	Difference  float64    `json:"difference"`
	BySet       []int64    `json:"tokens_by_set"` // in the order of Shards.Sets
	Pairs       int64      `json:"pairs,omitzero"`
}

// AskedShare is what the configuration asks of a source.
type AskedShare struct {
	Epochs float64 `json:"epochs,omitzero"`
	Tokens int64   `json:"tokens,omitzero"`
	Share  float64 `json:"share,omitzero"`
	Capped bool    `json:"capped,omitzero"` // a cap, and not what was asked, has decided
}

// DocumentBins counts documents, each once, by their tokens: from From to the next edge (package stage, Bin).
type DocumentBins struct {
	From      int64 `json:"from"`
	Documents int64 `json:"documents"`
	Tokens    int64 `json:"tokens"`
}

const (
	scheduleName   = "schedule.json"
	shardSetLimit  = 50
	shardNameLimit = 80
	shardSources   = 60
	setColumns     = 8   // of the table of sources by set
	mostEpochs     = 1e6 // of a source, beyond which no schedule goes: copies are numbered in 16 bits
)

// scheduleFile is what is read of schedule.json.
type scheduleFile struct {
	Format        string `json:"format"`
	Vocabulary    int64  `json:"vocabulary_size"`
	TokensPerStep int64  `json:"tokens_per_step"`
	Stages        []struct {
		Dir         string  `json:"dir"`
		Length      int64   `json:"length"`
		ShareAsked  float64 `json:"share_asked"`
		Share       float64 `json:"share"`
		Documents   int64   `json:"documents"`
		Tokens      int64   `json:"tokens"`
		Sequences   int64   `json:"sequences"`
		RowsPerStep int64   `json:"rows_per_step"`
		FirstStep   int64   `json:"first_step"`
		Steps       int64   `json:"steps"`
	} `json:"stages"`
	Preference string `json:"preference"`
	Pairs      int64  `json:"pairs"`
	Sources    []struct {
		ShardSource
		ByStage []int64 `json:"tokens_by_stage"`
	} `json:"sources"`
	Lengths []DocumentBins `json:"document_lengths"`
	Longer  []int64        `json:"documents_longer"`
}

func readShards(ctx context.Context, in files, s *Step) error {
	if there, err := in.exists(ctx, scheduleName); err != nil || !there {
		return err
	}
	var f scheduleFile
	if err := in.json(ctx, scheduleName, &f); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return damaged(in.path(scheduleName), err)
	}
	sh := &Shards{Format: cut(f.Format, shardNameLimit), Vocabulary: f.Vocabulary, TokensPerStep: f.TokensPerStep, Sets: []ShardSet{}, Sources: []ShardSource{}}
	if f.Preference != "" {
		sh.Pairs = &PairSet{cut(f.Preference, shardNameLimit), f.Pairs}
	}
	for i, st := range f.Stages {
		sh.Documents, sh.Sequences, sh.Tokens, sh.Steps = sh.Documents+st.Documents, sh.Sequences+st.Sequences, sh.Tokens+st.Tokens, sh.Steps+st.Steps
		if i >= shardSetLimit {
			sh.SetsLeft++
			continue
		}
		set := ShardSet{
			Dir: cut(st.Dir, shardNameLimit), Length: st.Length, ShareAsked: rounded(st.ShareAsked), Share: rounded(st.Share),
			Documents: st.Documents, Sequences: st.Sequences, Tokens: st.Tokens,
			RowsPerStep: st.RowsPerStep, FirstStep: st.FirstStep, Steps: st.Steps,
		}
		if len(f.Longer) > 0 {
			set.Longer = f.Longer[i]
		}
		dtype, err := set.readManifest(ctx, in, st.Dir)
		if err != nil {
			return err
		}
		sh.Dtype = cmp.Or(sh.Dtype, cut(dtype, shardNameLimit))
		sh.Sets = append(sh.Sets, set)
	}
	for _, is := range f.Sources {
		src := is.ShardSource
		src.Name, src.BySet = cut(src.Name, shardNameLimit), is.ByStage[:len(sh.Sets)]
		src.Asked.Epochs, src.Asked.Share = rounded(src.Asked.Epochs), rounded(src.Asked.Share)
		src.Epochs, src.Share, src.ShareWanted = rounded(src.Epochs), rounded(src.Share), rounded(src.ShareWanted)
		src.Difference = rounded(src.Share - src.ShareWanted)
		sh.Farthest = max(sh.Farthest, math.Abs(src.Difference))
		sh.Sources = append(sh.Sources, src)
	}
	sh.SourcesLeft = max(0, len(sh.Sources)-shardSources)
	sh.Sources = largest(sh.Sources, shardSources)
	sh.Lengths = joined(f.Lengths)
	s.Shards = sh
	return nil
}

// check looks for what no schedule has: whoever reads a report takes its numbers for true.
func (f *scheduleFile) check() error {
	if len(f.Longer) != 0 && len(f.Longer) != len(f.Stages) {
		return fmt.Errorf("documents_longer has %d numbers, for %d stages", len(f.Longer), len(f.Stages))
	}
	if least := min(f.Vocabulary, f.TokensPerStep, f.Pairs); least < 0 {
		return fmt.Errorf("it has a negative number, %d", least)
	}
	ofSources := make([]int64, len(f.Stages)) // tokens, by stage
	for _, src := range f.Sources {
		what := fmt.Sprintf("source %q", cut(src.Name, shardNameLimit))
		least := min(src.Documents, src.Tokens, src.Wanted, src.Available.Documents, src.Available.Tokens, src.Asked.Tokens, src.Pairs)
		switch {
		case least < 0:
			return fmt.Errorf("%s has a negative number, %d", what, least)
		case len(src.ByStage) != len(f.Stages):
			return fmt.Errorf("%s has tokens_by_stage of %d stages, and there are %d", what, len(src.ByStage), len(f.Stages))
		case !within(1, src.Share, src.ShareWanted, src.Asked.Share):
			return fmt.Errorf("%s has a share that is not from 0 to 1", what)
		case !within(mostEpochs, src.Epochs, src.Asked.Epochs):
			return fmt.Errorf("%s has %v epochs, asked %v", what, src.Epochs, src.Asked.Epochs)
		}
		for i, n := range src.ByStage {
			if !count(&ofSources[i], n) {
				return fmt.Errorf("%s has %d tokens of stage %d; those do not add up", what, n, i)
			}
		}
	}
	var documents, sequences, tokens, steps int64
	for i, st := range f.Stages {
		what := fmt.Sprintf("stage %d", i)
		switch {
		case !fs.ValidPath(st.Dir):
			return fmt.Errorf("%s is in %q, which is no folder below the step's", what, cut(st.Dir, shardNameLimit))
		case !count(&documents, st.Documents) || !count(&sequences, st.Sequences) || !count(&tokens, st.Tokens) || !count(&steps, st.Steps) ||
			min(st.Length, st.RowsPerStep, st.FirstStep) < 0:
			return fmt.Errorf("%s has a negative number, or the stages add up to more than 2^63-1", what)
		case !within(1, st.Share, st.ShareAsked):
			return fmt.Errorf("%s has a share that is not from 0 to 1", what)
		case len(f.Sources) > 0 && ofSources[i] != st.Tokens:
			return fmt.Errorf("%s has %d tokens, and the sources have %d of it", what, st.Tokens, ofSources[i])
		case len(f.Longer) > 0 && f.Longer[i] < 0:
			return fmt.Errorf("documents_longer has %d", f.Longer[i])
		}
	}
	documents, tokens = 0, 0
	for _, b := range f.Lengths {
		if !count(&documents, b.Documents) || !count(&tokens, b.Tokens) || b.From < 0 {
			return errors.New("document_lengths has a negative number, or adds up to more than 2^63-1")
		}
	}
	return nil
}

// count adds to a sum, and says whether that is possible.
func count(sum *int64, n int64) bool {
	*sum += n
	return n >= 0 && *sum >= 0
}

func within(most float64, list ...float64) bool {
	return slices.Min(list) >= 0 && slices.Max(list) <= most
}

// readManifest fills in what the set's manifest says. A set that was taken away, since it was trained on or stands
// elsewhere, has none.
func (set *ShardSet) readManifest(ctx context.Context, in files, dir string) (dtype string, err error) {
	name := dir + "/manifest.json"
	if there, err := in.exists(ctx, name); err != nil || !there {
		return "", err
	}
	var m struct {
		Dtype     string      `json:"dtype"`
		Documents int64       `json:"documents"`
		Sequences int64       `json:"sequences"`
		Tokens    int64       `json:"tokens"`
		Padding   int64       `json:"padding"`
		Masked    bool        `json:"masked"`
		Learnt    int64       `json:"learnt_tokens"`
		Packing   *SetPacking `json:"packing"`
	}
	if err := in.json(ctx, name, &m); err != nil {
		return "", err
	}
	switch {
	case m.Documents != set.Documents || m.Sequences != set.Sequences || m.Tokens != set.Tokens:
		err = fmt.Errorf("it has %d documents in %d sequences, %d tokens, and %s has %d in %d, %d",
			m.Documents, m.Sequences, m.Tokens, scheduleName, set.Documents, set.Sequences, set.Tokens)
	case m.Padding < 0 || m.Learnt < 0 || m.Learnt > m.Tokens:
		err = fmt.Errorf("padding is %d, learnt_tokens %d of %d", m.Padding, m.Learnt, m.Tokens)
	case m.Packing != nil:
		p := m.Packing
		p.Method = cut(p.Method, shardNameLimit)
		if least := min(p.Pieces, p.Cuts, p.Full); least < 0 || p.Full > set.Sequences || p.Fill < 0 || p.Fill > 1 {
			err = fmt.Errorf("packing has %d pieces, %d cuts, %d full rows of %d and a fill of %v", p.Pieces, p.Cuts, p.Full, set.Sequences, p.Fill)
		}
		p.Fill = rounded(p.Fill)
	}
	if err != nil {
		return "", damaged(in.path(name), err)
	}
	set.known, set.Padding, set.Packing = true, m.Padding, m.Packing
	if set.Masked = m.Masked; m.Masked {
		set.Learnt = m.Learnt
	}
	return m.Dtype, nil
}

// largest are the n sources with the most tokens wanted or realised, in the order in which they stand.
func largest(list []ShardSource, n int) []ShardSource {
	if len(list) <= n {
		return list
	}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(max(list[b].Wanted, list[b].Tokens), max(list[a].Wanted, list[a].Tokens))
	})
	order = order[:n]
	slices.Sort(order)
	kept := make([]ShardSource, n)
	for k, i := range order {
		kept[k] = list[i]
	}
	return kept
}

// joined are the bins, ascending, one for each of package stage, however many the file has.
func joined(list []DocumentBins) []DocumentBins {
	bins := map[int]DocumentBins{}
	for _, b := range list {
		k := stage.Bin(float64(b.From))
		sum, there := bins[k]
		if !there || b.From < sum.From {
			sum.From = b.From
		}
		sum.Documents, sum.Tokens = sum.Documents+b.Documents, sum.Tokens+b.Tokens
		bins[k] = sum
	}
	var all []DocumentBins
	for _, b := range bins {
		if b.Documents > 0 {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b DocumentBins) int { return cmp.Compare(a.From, b.From) })
	return all
}

func hasShards(s *Step) bool { return s.Shards != nil }

// lengthPlots are the drawings of the documents' lengths: how many there are of each, and how many tokens those have.
func (sh *Shards) lengthPlots() []figure {
	if len(sh.Lengths) == 0 {
		return nil
	}
	documents, tokens := Signal{}, Signal{}
	for _, b := range sh.Lengths {
		k := stage.Bin(float64(b.From))
		documents.Bins = append(documents.Bins, Bin{stage.BinEdge(k), b.Documents, k})
		tokens.Bins = append(tokens.Bins, Bin{stage.BinEdge(k), b.Tokens, k})
		documents.Documents += b.Documents
		tokens.Documents += b.Tokens
	}
	var notes []string
	for _, set := range sh.Sets {
		if set.Length == 0 || slices.ContainsFunc(documents.Thresholds, func(t Threshold) bool { return t.Value == float64(set.Length) }) {
			continue
		}
		documents.Thresholds = append(documents.Thresholds, Threshold{Value: float64(set.Length)})
		notes = append(notes, fmt.Sprintf("longer than %s tokens: %s documents (%s)", human.Thousands(set.Length), human.Thousands(set.Longer), fine(share(set.Longer, documents.Documents))))
	}
	tokens.Thresholds = documents.Thresholds
	return []figure{
		{Name: "documents by length", Stage: "in tokens", Unit: "documents", Documents: documents.Documents, Plot: documents.Plot(), Tests: notes},
		{Name: "tokens by length of their document", Stage: "in tokens", Unit: "tokens", Documents: tokens.Documents, Plot: tokens.Plot()},
	}
}

// Asks is what was asked of the source, in words.
func (s *ShardSource) Asks() string {
	var parts []string
	if e := s.Asked.Epochs; e > 0 {
		unit := " epochs"
		if e == 1 {
			unit = " epoch"
		}
		parts = append(parts, number(e)+unit)
	}
	if n := s.Asked.Tokens; n > 0 {
		parts = append(parts, human.Thousands(n)+" tokens")
	}
	if x := s.Asked.Share; x > 0 {
		parts = append(parts, number(hundred(x))+" %")
	}
	if s.Asked.Capped {
		parts = append(parts, "capped")
	}
	return strings.Join(parts, ", ")
}

// Mixture is whether there is more than one source, so that it can be drawn.
func (sh *Shards) Mixture() bool { return len(sh.Sources) > 1 }

// Bar draws the asked share of a source above the realised one, against the largest of all.
func (sh *Shards) Bar(s ShardSource) template.HTML {
	most := 0.0
	for _, o := range sh.Sources {
		most = max(most, o.Share, o.ShareWanted)
	}
	if most == 0 {
		return ""
	}
	wide := func(x float64) string { return coordinate(mixWidth * x / most) }
	return template.HTML(fmt.Sprintf(`<svg class="bar" width="%d" height="18" role="img"><title>asked %s, realised %s</title><rect class="full" width="%[1]d" height="18"/><rect class="asked" y="1" width="%[4]s" height="7"/><rect class="part" y="10" width="%[5]s" height="7"/></svg>`,
		mixWidth, fine(s.ShareWanted), fine(s.Share), wide(s.ShareWanted), wide(s.Share)))
}

const mixWidth = 320

// Columns are the sets of the table of sources by set; none if it would be too wide or say nothing new.
func (sh *Shards) Columns() []ShardSet {
	if len(sh.Sets) < 2 || len(sh.Sets) > setColumns {
		return nil
	}
	return sh.Sets
}

// InSet is how many tokens of set i are the source's, and their share of the set.
func (sh *Shards) InSet(s ShardSource, i int) cell {
	return cell{human.Thousands(s.BySet[i]), fine(share(s.BySet[i], sh.Sets[i].Tokens))}
}

// Steps of a set in words: "12, from 30 on".
func (set ShardSet) StepsFrom() string {
	return fmt.Sprintf("%s, from %s on", human.Thousands(set.Steps), human.Thousands(set.FirstStep))
}

// LearntShare is how much of the tokens the loss mask has 1 for.
func (set ShardSet) LearntShare() float64 { return share(set.Learnt, set.Tokens) }

// Known says whether the set's manifest is there.
func (set ShardSet) Known() bool { return set.known }

// fine writes a share to a hundredth of a percent.
func fine(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

func hundred(share float64) float64 { return rounded(100 * share) }

// points writes a difference of shares in percentage points, with its sign.
func points(difference float64) string {
	if difference == 0 {
		return "0"
	}
	return fmt.Sprintf("%+.4f", 100*difference)
}

const shardsAbout = `What a trainer gets: a set of shards for each length, in the order of training, and what came into them of each source, beside what was asked. Tokens include those that end documents, and no padding; a document that is used several times counts as often, but for the lengths, in which each counts once. Fill is the share of the rows' room that documents take; a document is cut where it does not fit a row, and nothing of it is lost. Differences are in percentage points. The scale of lengths is logarithmic; red lines are the lengths of the sets.`

const shardsPage = `{{$sh := .Shards}}
<p>{{$sh.Format}}{{if $sh.Dtype}}, {{$sh.Dtype}}{{end}}, {{group $sh.Vocabulary}} ids: {{group $sh.Documents}} documents in {{group $sh.Sequences}} sequences, {{group $sh.Tokens}} tokens
{{- if $sh.TokensPerStep}}, {{group $sh.TokensPerStep}} a step: {{group $sh.Steps}} steps{{end}}.
{{- with $sh.Pairs}} {{group .Pairs}} preference pairs in {{.Dir}}.{{end}}</p>
{{if $sh.Sets}}<h4>sets</h4>
<table><tr><th>set<th class="n">length<th class="n">share asked<th class="n">share<th class="n">documents<th class="n">sequences<th class="n">tokens<th class="n">padding<th>packing<th class="n">fill<th class="n">cuts{{if $sh.TokensPerStep}}<th class="n">rows a step<th class="n">steps{{end}}
{{range $sh.Sets}}<tr><td>{{.Dir}}{{if .Masked}}, with a loss mask: {{fine .LearntShare}} learnt{{end}}<td class="n">{{group .Length}}<td class="n">{{fine .ShareAsked}}<td class="n">{{fine .Share}}<td class="n">{{group .Documents}}<td class="n">{{group .Sequences}}<td class="n">{{group .Tokens}}
{{- if .Known}}<td class="n">{{group .Padding}}{{with .Packing}}<td>{{or .Method "packed"}}<td class="n">{{fine .Fill}}<td class="n">{{group .Cuts}}{{else}}<td>a document a sequence<td class="n">–<td class="n">–{{end}}
{{- else}}<td class="n">–<td>no manifest there<td class="n">–<td class="n">–{{end}}
{{- if $sh.TokensPerStep}}<td class="n">{{group .RowsPerStep}}<td class="n">{{.StepsFrom}}{{end}}
{{end}}</table>
{{if $sh.SetsLeft}}<p>{{$sh.SetsLeft}} further sets are not shown.</p>
{{end}}{{end}}{{if $sh.Mixture}}<h4>mixture</h4>
<table><tr><th>source<th>asked above, realised below<th class="n">asked<th class="n">realised
{{range $sh.Sources}}<tr><td><bdi>{{.Name}}</bdi><td>{{$sh.Bar .}}<td class="n">{{fine .ShareWanted}}<td class="n">{{fine .Share}}
{{end}}</table>
{{end}}{{if $sh.Sources}}<h4>sources</h4>
<table><tr><th>source<th>asked<th class="n">documents there<th class="n">tokens there<th class="n">documents used<th class="n">tokens wanted<th class="n">tokens<th class="n">epochs<th class="n">share wanted<th class="n">share<th class="n">difference{{if $sh.Pairs}}<th class="n">pairs{{end}}
{{range $sh.Sources}}<tr><td><bdi>{{.Name}}</bdi><td>{{or .Asks "–"}}<td class="n">{{group .Available.Documents}}<td class="n">{{group .Available.Tokens}}<td class="n">{{group .Documents}}<td class="n">{{group .Wanted}}<td class="n">{{group .Tokens}}<td class="n">{{number .Epochs}}<td class="n">{{fine .ShareWanted}}<td class="n">{{fine .Share}}<td class="n">{{points .Difference}}{{if $sh.Pairs}}<td class="n">{{group .Pairs}}{{end}}
{{end}}</table>
<p>No source is farther from what was asked than {{number (hundred $sh.Farthest)}} percentage points.{{if $sh.SourcesLeft}} {{$sh.SourcesLeft}} smaller sources are not shown.{{end}}</p>
{{with $sh.Columns}}<table><tr><th>source{{range .}}<th class="n">tokens in {{.Dir}}<th class="n">share of it{{end}}
{{range $s := $sh.Sources}}<tr><td><bdi>{{.Name}}</bdi>{{range $i, $n := .BySet}}{{with $sh.InSet $s $i}}<td class="n">{{.Number}}<td class="n">{{.Share}}{{end}}{{end}}
{{end}}</table>
{{end}}{{end}}{{with lengthPlots $sh}}<h4>lengths of the documents</h4>
<div class="whole">{{template "plots" .}}</div>{{end}}`
