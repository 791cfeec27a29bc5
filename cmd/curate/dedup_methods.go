package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/internal/human"
	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

// dedupMethod is what --method may name.
type dedupMethod struct {
	name  string
	flags []string // that say something to it, and not to all methods
	finds bool     // which documents go, and says so beside: see decidingFlags
	make  func(o *dedupOptions, name string) ([]stage.Stage, error)
	index func(o *dedupOptions, name string) (withIndex, error) // nil without one
}

var (
	unitFlags     = []string{"normalize", "min-count", "min-chars", "min-words"}
	indexedFlags  = []string{"index", "index-readonly"}
	decideFlags   = []string{"priority", "source-field", "id-field", "evidence", "clusters", "alarm"}
	sentenceFlags = append(slices.Clone(unitFlags), "span", "sentence-language")
)

// dedupMethods is sorted by name.
var dedupMethods = []dedupMethod{
	{"exact", slices.Concat([]string{"normalize"}, indexedFlags, decideFlags), true, (*dedupOptions).exact, indexOf((*dedupOptions).newExact)},
	{"lines", unitFlags, false, (*dedupOptions).units, nil},
	{"minhash", slices.Concat([]string{"threshold", "scheme", "bands", "rows", "permutations", "short", "verify"}, indexedFlags, decideFlags), true, (*dedupOptions).minhash, indexOf((*dedupOptions).newMinHash)},
	{"paragraphs", unitFlags, false, (*dedupOptions).units, nil},
	{"sentences", sentenceFlags, false, (*dedupOptions).units, nil},
	{"url", append([]string{"url-field", "normalize"}, decideFlags...), true, (*dedupOptions).url, nil},
}

// dedupMethodNamed is one of the table.
func dedupMethodNamed(name string) *dedupMethod {
	return &dedupMethods[slices.IndexFunc(dedupMethods, func(m dedupMethod) bool { return m.name == name })]
}

func dedupMethodNames() []string {
	var names []string
	for i := range dedupMethods {
		names = append(names, dedupMethods[i].name)
	}
	return names
}

// findingsName begins the names of the files that a method makes: in one rule, whatever its stages are called.
func findingsName(method string, several bool) string {
	if several {
		return dedup.SeveralName(method)
	}
	return ""
}

// dedupOptions are what flags say to methods.
type dedupOptions struct {
	methods            string // comma-separated
	keep, normalize    perMethod
	threshold          float64
	scheme             schemeFlags
	deciding           decidingFlags
	minCount, minChars int
	minWords, span     int
	language, urlField string
	textField          record.Path
	annotate, verdicts bool
	several            bool                 // methods are chosen
	online             *dedup.OnlineOptions // nil where all documents are known before the first is decided about
}

func (o *dedupOptions) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.methods, "method", "minhash", "`LIST` of methods, one or several behind each other: "+strings.Join(dedupMethodNames(), ", "))
	fs.Float64Var(&o.threshold, "threshold", dedup.DefaultThreshold, "minhash: `SIMILARITY` from which on documents are duplicates, above 0 and at most 1")
	o.keep.all = dedup.KeepFirst
	fs.Var(&o.keep, "keep", "`WHICH` of the duplicates stays: first; with exact, url and minhash also best:FIELD or source-order, with minhash longest, with lines, paragraphs and sentences none. METHOD=WHICH is for one of several methods")
	fs.Var(&o.normalize, "normalize", "`FORM` in which texts are compared: "+strings.Join(dedup.Forms(), ", ")+"; default none with exact, url with url, ccnet with lines and paragraphs, simplified with sentences. METHOD=FORM is for one of several methods")
	fs.StringVar(&o.urlField, "url-field", "url", "url: dotted `PATH` of the URL in a record")
	fs.IntVar(&o.minCount, "min-count", 2, "lines, paragraphs, sentences: `N` occurrences in all texts from which on one is cut")
	fs.IntVar(&o.minChars, "min-chars", 0, fmt.Sprintf("lines, paragraphs, sentences: `N` characters that it must have; default %d, and 1 with sentences", dedup.DefaultMinChars))
	fs.IntVar(&o.minWords, "min-words", 0, "lines, paragraphs, sentences: drop a document of which fewer than `N` words are left")
	fs.IntVar(&o.span, "span", dedup.DefaultSpan, "sentences: `N` in a row that are compared")
	fs.StringVar(&o.language, "sentence-language", "en", "sentences: `CODE` of the language by whose rules they end: ca, de, en, es, eu, it, pt, or xx for any other")
	o.deciding.register(cmd)
	o.scheme.register(cmd, false)
	_ = cmd.RegisterFlagCompletionFunc("method", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return dedupMethodNames(), cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("normalize", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return dedup.Forms(), cobra.ShellCompDirectiveNoFileComp
	})
}

// choose finds the methods, in the order in which they run, and what is wrong with the flags.
func (o *dedupOptions) choose(cmd *cobra.Command) ([]*dedupMethod, error) {
	var chosen []*dedupMethod
	for name := range strings.SplitSeq(o.methods, ",") {
		i := slices.IndexFunc(dedupMethods, func(m dedupMethod) bool { return m.name == name })
		if i < 0 {
			return nil, usage("--method: %v", stage.UnknownName("method", name, dedupMethodNames()))
		}
		if slices.Contains(chosen, &dedupMethods[i]) {
			return nil, usage("--method %s: %s stands there twice", o.methods, name)
		}
		chosen = append(chosen, &dedupMethods[i])
	}
	var flags []string
	for i := range dedupMethods {
		for _, flag := range dedupMethods[i].flags {
			if !slices.Contains(flags, flag) {
				flags = append(flags, flag)
			}
		}
	}
	for _, flag := range flags {
		has := func(m *dedupMethod) bool { return slices.Contains(m.flags, flag) }
		if !cmd.Flags().Changed(flag) || slices.ContainsFunc(chosen, has) {
			continue
		}
		var owners []string
		for i := range dedupMethods {
			if has(&dedupMethods[i]) {
				owners = append(owners, dedupMethods[i].name)
			}
		}
		return nil, usage("--%s belongs to --method %s, and this is --method %s; leave one of them out", flag, strings.Join(owners, ", "), o.methods)
	}
	for _, f := range []struct {
		name string
		is   *perMethod
	}{{"keep", &o.keep}, {"normalize", &o.normalize}} {
		for _, m := range dedupMethodNames() {
			if v, ok := f.is.own[m]; ok && !slices.ContainsFunc(chosen, func(c *dedupMethod) bool { return c.name == m }) {
				return nil, usage("--%s %s=%s, and this is --method %s", f.name, m, v, o.methods)
			}
		}
	}
	if _, ok := o.normalize.own["minhash"]; ok {
		return nil, usage("--normalize minhash=%s: what minhash compares is the --scheme's", o.normalize.own["minhash"])
	}
	if cmd.Flags().Changed("threshold") && o.threshold == 0 {
		return nil, usage("--threshold 0: a similarity above 0, at most 1")
	}
	for _, f := range []struct {
		name  string
		value int
		least int
	}{{"min-count", o.minCount, 2}, {"min-chars", o.minChars, 1}, {"min-words", o.minWords, 0}, {"span", o.span, 1}} {
		if cmd.Flags().Changed(f.name) && f.value < f.least {
			return nil, usage("--%s %d: at least %d", f.name, f.value, f.least)
		}
	}
	if err := errors.Join(o.scheme.check(cmd), notEmpty(cmd, "url-field", "sentence-language")); err != nil {
		return nil, err
	}
	if _, err := record.ParsePath(o.urlField); err != nil {
		return nil, usage("--url-field: %v", err)
	}
	if o.several = len(chosen) > 1; o.several && cmd.Flags().Changed("priority") &&
		!slices.ContainsFunc(chosen, func(m *dedupMethod) bool { return o.keep.of(m.name) == dedup.KeepSourceOrder }) {
		return nil, usage("--priority says what --keep source-order keeps, and no method of --method %s keeps that", o.methods)
	}
	return chosen, nil
}

// recordCost is the highest of the methods.
func (o *dedupOptions) recordCost(chosen []*dedupMethod) int64 {
	var cost int64
	for _, m := range chosen {
		switch m.name {
		case "minhash":
			cost = max(cost, o.scheme.recordCost())
		case dedup.Lines, dedup.Paragraphs, dedup.Sentences:
			cost = max(cost, dedup.UnitsRecordCost(m.name, o.minChars))
		}
	}
	return cost
}

// stages are those of the methods.
func (o *dedupOptions) stages(chosen []*dedupMethod) ([]stage.Stage, error) {
	var all []stage.Stage
	for i, m := range chosen {
		stages, err := m.make(o, m.name)
		if err == nil && i > 0 && o.annotate {
			stages, err = dedup.Behind(stages)
		}
		if err != nil {
			return nil, usage("%v", err)
		}
		all = append(all, stages...)
	}
	return all, nil
}

func (o *dedupOptions) exact(name string) ([]stage.Stage, error) {
	return o.exactStages(o.newExact(name))
}

func (o *dedupOptions) newExact(name string) (*dedup.Exact, error) {
	cfg := o.exactConfig(name)
	if cfg.Field = o.textField; o.several {
		cfg.Name = "dedup_exact"
	}
	return dedup.NewExact(cfg)
}

func (o *dedupOptions) url(name string) ([]stage.Stage, error) {
	cfg := o.exactConfig(name)
	cfg.URL, cfg.Field = true, record.MustPath(o.urlField)
	return o.exactStages(dedup.NewExact(cfg))
}

func (o *dedupOptions) exactStages(d *dedup.Exact, err error) ([]stage.Stage, error) {
	if err == nil && o.online != nil {
		return stages(d.Online(*o.online))
	}
	return stages(d, err)
}

// exactConfig is what flags say to exact and url.
func (o *dedupOptions) exactConfig(name string) dedup.ExactConfig {
	return dedup.ExactConfig{
		Keep: o.keep.of(name), Form: o.normalize.of(name), Priority: o.priorityOf(name), SourceField: o.deciding.source,
		IDField: o.deciding.id, Findings: o.findings(name), Annotate: o.annotate, Verdicts: o.verdicts,
	}
}

// findings are what is asked for of a method.
func (o *dedupOptions) findings(name string) dedup.Findings {
	f := o.deciding.findings
	f.Name = findingsName(name, o.several)
	return f
}

// priorityOf is the priority of sources for a method that keeps by it.
func (o *dedupOptions) priorityOf(name string) []string {
	if o.several && o.keep.of(name) != dedup.KeepSourceOrder {
		return nil // choose has seen that another does
	}
	return o.deciding.priority
}

func (o *dedupOptions) units(name string) ([]stage.Stage, error) {
	cfg := dedup.UnitsConfig{Field: o.textField, Unit: name, Keep: o.keep.of(name), MinCount: o.minCount, MinChars: o.minChars, MinWords: o.minWords,
		Form: o.normalize.of(name), Annotate: o.annotate, Verdicts: o.verdicts}
	if name == dedup.Sentences {
		cfg.Span, cfg.Language = o.span, o.language
	}
	return stages(dedup.NewUnits(cfg))
}

func (o *dedupOptions) minhash(name string) ([]stage.Stage, error) {
	d, err := o.newMinHash(name)
	if err != nil {
		return nil, err
	}
	if o.online != nil {
		return stages(d.Online(*o.online))
	}
	return d.Stages(), nil
}

func (o *dedupOptions) newMinHash(name string) (*dedup.MinHash, error) {
	return dedup.NewMinHash(dedup.MinHashConfig{
		Field: o.textField, Scheme: o.scheme.name, Bands: o.scheme.bands, Rows: o.scheme.rows, Values: o.scheme.permutations, Short: o.scheme.short,
		Threshold: o.threshold, Verify: o.deciding.verify, Keep: o.keep.of(name), Priority: o.priorityOf(name), SourceField: o.deciding.source,
		IDField: o.deciding.id, Findings: o.findings(name), Annotate: o.annotate, Verdicts: o.verdicts,
	})
}

func stages[S stage.Stage](s S, err error) ([]stage.Stage, error) {
	if err != nil {
		return nil, err
	}
	return []stage.Stage{s}, nil
}

// sayCuts says how much was cut out of texts.
func sayCuts(log *slog.Logger, c *pipeline.Counts, annotate bool) {
	cut := "cut"
	if annotate {
		cut = "would cut"
	}
	for i := range c.Stages {
		s := &c.Stages[i]
		for _, unit := range []string{dedup.Lines, dedup.Paragraphs, dedup.Sentences} {
			if s.Name != "dedup_"+unit {
				continue
			}
			t := dedup.TalliesOf(unit)
			n := s.Tallies
			log.Info(fmt.Sprintf("%s %s of %s %s (%.1f %%) and %s of %s bytes of text (%.1f %%), out of %s of %s documents", cut,
				human.Thousands(n[t.Cut]), human.Thousands(n[t.Units]), unit, percent(n[t.Cut], n[t.Units]),
				human.Thousands(n[t.BytesCut]), human.Thousands(n[t.Bytes]), percent(n[t.BytesCut], n[t.Bytes]), human.Thousands(n[t.Documents]), human.Thousands(s.Read)))
		}
	}
}

// perMethod is a flag whose value may be one for all methods, VALUE, and others for some of them, METHOD=VALUE.
type perMethod struct {
	all   string
	own   map[string]string
	given bool // all is no default
}

// of is the value for a method.
func (p *perMethod) of(method string) string {
	if v, ok := p.own[method]; ok {
		return v
	}
	return p.all
}

// Set implements pflag.Value.
func (p *perMethod) Set(s string) error {
	for v := range strings.SplitSeq(s, ",") {
		method, value, own := strings.Cut(v, "=")
		if own = own && slices.Contains(dedupMethodNames(), method); !own {
			value = v
		}
		switch {
		case value == "":
			return errors.New("an empty value")
		case !own && p.given && p.all != value:
			return fmt.Errorf("%s and %s, each for all methods; give one, or METHOD=VALUE for one of them", p.all, value)
		case !own:
			p.all, p.given = value, true
		default:
			if was, twice := p.own[method]; twice && was != value {
				return fmt.Errorf("%s=%s and %s=%s; give one", method, was, method, value)
			}
			if p.own == nil {
				p.own = map[string]string{}
			}
			p.own[method] = value
		}
	}
	return nil
}

// String implements pflag.Value.
func (p *perMethod) String() string {
	list := []string{}
	if p.all != "" {
		list = append(list, p.all)
	}
	for _, m := range dedupMethodNames() {
		if v, ok := p.own[m]; ok {
			list = append(list, m+"="+v)
		}
	}
	return strings.Join(list, ",")
}

// Type implements pflag.Value.
func (p *perMethod) Type() string { return "string" }
