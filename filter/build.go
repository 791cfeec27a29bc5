package filter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// Compose puts profiles one behind the other, as one stage: what "--profile a,b" names. A document must pass them in
// order, and each sees the text that those before it have left.
func Compose(profiles ...Profile) Profile {
	if len(profiles) == 1 {
		return profiles[0]
	}
	var names []string
	all := Profile{}
	for _, p := range profiles {
		names = append(names, p.Name)
		if len(p.parts) > 0 {
			all.parts = append(all.parts, p.parts...)
		} else {
			all.parts = append(all.parts, p)
		}
	}
	all.Name = strings.Join(names, ",")
	return all
}

// languageField is the name of the field that says which thresholds a document meets.
const languageField = "language"

// What the stage's identity says. Keys in the order of their names.
type (
	ruleConfig struct {
		Name    string         `json:"name"`
		Params  map[string]any `json:"params"`
		Version int            `json:"version"`
	}
	// Whoever reads the configuration, as package report does, learns from tests which signal is compared with what.
	testConfig struct {
		Compare   Comparison `json:"compare"`
		Reason    string     `json:"reason"`
		Rule      string     `json:"rule"`
		Signal    string     `json:"signal"`
		Threshold float64    `json:"threshold"`
	}
	expressionConfig struct {
		Expression string `json:"expression"`
		Keep       bool   `json:"keep"`
		Name       string `json:"name"`
	}
	partConfig struct {
		Profile        string `json:"profile"`
		ProfileVersion int    `json:"profile_version"`
		Rules          int    `json:"rules"` // how many of the list are its
		Words          string `json:"words"`
	}
	config struct {
		Annotate       bool                    `json:"annotate"`
		Expressions    []expressionConfig      `json:"expressions,omitempty"`
		Fields         []string                `json:"fields"` // "NAME=PATH"
		Languages      map[string][]ruleConfig `json:"languages,omitempty"`
		Parts          []partConfig            `json:"parts,omitempty"` // of a composition
		Profile        string                  `json:"profile"`
		ProfileVersion int                     `json:"profile_version"`
		Rules          []ruleConfig            `json:"rules"`
		Tests          []testConfig            `json:"tests"` // in the order in which they are made
		TextField      string                  `json:"text_field"`
		Words          string                  `json:"words"`
	}
)

// builder makes a Filter.
type builder struct {
	f        *Filter
	cfg      Config
	resolved config

	signals map[string]int // by the name that a rule gives it, the latest
	named   map[string]int // how many signals have that name
	old     int            // signals below were computed from text or words that are others since
	// asked are rules since the words were cut anew, with what their signals depend on besides the document: a rule that
	// is asked again with something else must not find what the view has kept for the first.
	asked map[string]string
	cut   int // in f.cuts, in force
	recut int // for the next check, see check.recut

	behind string // digest of the rules so far that edit the text

	languages []string  // of all parts
	variants  [][]check // by language, beside f.tests
	inPart    map[string]int
}

func build(p Profile, cfg Config) (*Filter, error) {
	if cfg.TextField.String() == "" {
		cfg.TextField = record.MustPath("text")
	}
	if cfg.IDField.String() == "" {
		cfg.IDField = record.MustPath("id")
	}
	parts := p.parts
	if len(parts) == 0 {
		parts = []Profile{p}
	}
	f := &Filter{cfg: cfg, profile: p}
	b := &builder{f: f, cfg: cfg, signals: map[string]int{}, named: map[string]int{}, asked: map[string]string{}}
	b.resolved = config{Annotate: cfg.Annotate, Fields: []string{}, Profile: p.Name, ProfileVersion: p.Version, TextField: cfg.TextField.String(), Words: p.Words}
	for _, part := range parts {
		for _, l := range part.Languages {
			if !slices.Contains(b.languages, l.Language) {
				b.languages = append(b.languages, l.Language)
			}
		}
	}
	slices.Sort(b.languages)
	b.variants = make([][]check, len(b.languages))
	var words []string
	for i := range parts {
		from := len(b.resolved.Rules)
		if err := b.part(&parts[i], i == 0); err != nil {
			return nil, fmt.Errorf("profile %q: %w", parts[i].Name, err)
		}
		words = append(words, parts[i].Words)
		if len(parts) > 1 {
			b.resolved.Parts = append(b.resolved.Parts, partConfig{parts[i].Name, parts[i].Version, len(b.resolved.Rules) - from, parts[i].Words})
		}
	}
	if len(parts) > 1 {
		b.resolved.Words = strings.Join(slices.Compact(words), ",")
	}
	for name := range cfg.Fields {
		if !slices.ContainsFunc(f.fields, func(x field) bool { return x.name == name }) {
			return nil, fmt.Errorf("profile %q looks at no field %q besides the text", p.Name, name)
		}
	}
	f.signals = len(f.names)
	f.basis = strings.Join(f.bases, ",")
	if cfg.Signals {
		if err := f.checkSignals(); err != nil {
			return nil, err
		}
	}
	if len(b.languages) > 0 {
		f.languages = map[string][]check{}
		for i, l := range b.languages {
			f.languages[l] = b.variants[i]
		}
	}
	raw, err := json.Marshal(b.resolved)
	if err != nil {
		return nil, err
	}
	canonical := jsontext.Value(raw) // RFC 8785
	if err := canonical.Canonicalize(); err != nil {
		return nil, err
	}
	f.spec = stage.Spec{Name: "filter", Version: 1, Config: json.RawMessage(canonical), Needs: []record.Path{cfg.TextField}, Uses: b.uses()}
	name, err := jsontext.AppendQuote(nil, p.Name)
	if err != nil {
		return nil, err
	}
	f.head = append(append([]byte(`{"profile":`), name...), `,"verdict":"`...)
	return f, nil
}

// uses are the fields of the record besides the text.
func (b *builder) uses() []record.Path {
	var list []record.Path
	for _, fd := range b.f.fields {
		list = append(list, fd.path)
	}
	for i := range b.f.tests {
		if c := b.f.tests[i].expression; c != nil {
			list = append(list, c.fields...)
		}
	}
	return list
}

// part adds the tests of one profile.
func (b *builder) part(p *Profile, first bool) error {
	cut, err := wordCutNamed(p.Words)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(b.f.cuts, func(c *wordCut) bool { return c.name == cut.name })
	if at < 0 {
		at = len(b.f.cuts)
		b.f.cuts = append(b.f.cuts, cut)
	}
	if at != b.cut && !first {
		b.cutAnew(at)
	}
	b.inPart = map[string]int{}
	if len(p.Languages) > 0 {
		if err := b.language(p); err != nil {
			return err
		}
	}

	var early, late []*program
	var asked []string
	for _, c := range p.Conditions {
		prog, err := compileCondition(c, signalNames())
		if err != nil {
			return err
		}
		if asked = append(asked, prog.signals...); len(prog.signals) > 0 {
			late = append(late, prog)
		} else {
			early = append(early, prog)
		}
		b.resolved.Expressions = append(b.resolved.Expressions, expressionConfig{c.Expression, c.Keep, c.Name})
	}
	for _, prog := range early {
		if err := b.condition(prog); err != nil {
			return err
		}
	}
	from := len(b.f.tests)
	for i := range p.Rules {
		if err := b.rule(&p.Rules[i], p, nil); err != nil {
			return err
		}
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	for _, signal := range asked {
		if _, ok := b.inPart[signal]; ok {
			continue
		}
		rule := ruleWithSignal(signal)
		if rule == nil {
			return noSignal(signal)
		}
		if err := b.rule(&RuleUse{Rule: rule.Name}, p, asked); err != nil {
			return err
		}
	}
	for _, signal := range asked {
		for _, tests := range append([][]check{b.f.tests}, b.variants...) {
			for i := range tests[from:] {
				c := &tests[from+i]
				c.asked = c.asked || c.signal == b.inPart[signal] && c.test != nil
			}
		}
	}
	for _, prog := range late {
		if err := b.condition(prog); err != nil {
			return err
		}
	}
	return nil
}

// cutAnew makes the view forget what it has cut before the next check.
func (b *builder) cutAnew(cut int) {
	b.cut, b.recut = cut, cut+1
	b.old = len(b.f.names)
	clear(b.asked)
}

// language adds the field that says which thresholds are in force.
func (b *builder) language(p *Profile) error {
	path := p.LanguageField
	if path == "" {
		path = languageField
	}
	return b.field(Field{Name: languageField, Path: path})
}

func (b *builder) field(fd Field) error {
	path, ok := b.cfg.Fields[fd.Name]
	if !ok {
		var err error
		if path, err = record.ParsePath(fd.Path); err != nil {
			return err
		}
	}
	for _, x := range b.f.fields {
		if x.name == fd.Name {
			if x.path.String() != path.String() {
				return fmt.Errorf("the field %q is looked for at %s and at %s; say where it is", fd.Name, x.path, path)
			}
			return nil
		}
	}
	b.f.fields = append(b.f.fields, field{fd.Name, path, "without_" + fd.Name})
	b.resolved.Fields = append(b.resolved.Fields, fd.Name+"="+path.String())
	return nil
}

// prepared are the parameters of a use of a rule, made ready, and what the identity says of them.
func (b *builder) prepared(u *RuleUse) (Values, ruleConfig, error) {
	params, err := u.values()
	if err == nil {
		err = params.missing()
	}
	if err != nil {
		return Values{}, ruleConfig{}, err
	}
	rule := params.rule
	params.more.open, params.more.use = b.cfg.Open, len(b.f.rules)
	if rule.Prepare != nil {
		if params.more.made, err = rule.Prepare(params); err != nil {
			return Values{}, ruleConfig{}, fmt.Errorf("%s: %w", rule.Name, err)
		}
	}
	identity, err := params.identity() // after that, which has read the files
	if err != nil {
		return Values{}, ruleConfig{}, err
	}
	params.more.lists, params.more.open = nil, nil
	b.f.rules = append(b.f.rules, params)
	return params, ruleConfig{rule.Name, identity, rule.Version}, nil
}

// rule adds the tests of a rule. Those of a rule that stands there for its signals alone (only) are off.
func (b *builder) rule(u *RuleUse, p *Profile, only []string) error {
	params, cfg, err := b.prepared(u)
	if err != nil {
		return err
	}
	rule := params.rule
	b.resolved.Rules = append(b.resolved.Rules, cfg)
	kept := keptFor(rule, cfg)
	all := []ruleConfig{cfg}
	byLanguage := make([]Values, len(b.languages))
	for i, l := range b.languages {
		byLanguage[i] = params
		other := languageUse(p, l, u.Rule)
		if other == nil {
			continue
		}
		var c ruleConfig
		if byLanguage[i], c, err = b.prepared(&RuleUse{u.Rule, mergeSettings(u.Set, other.Set)}); err != nil {
			return fmt.Errorf("language %q: %w", l, err)
		}
		if b.resolved.Languages == nil {
			b.resolved.Languages = map[string][]ruleConfig{}
		}
		b.resolved.Languages[l] = append(b.resolved.Languages[l], c)
		all = append(all, c)
		kept += "\x00" + l + "\x00" + keptFor(rule, c)
	}
	if was, ok := b.asked[rule.Name]; ok && was != kept {
		b.cutAnew(b.cut)
	}
	b.asked[rule.Name] = kept
	for _, fd := range rule.Fields {
		if err := b.field(fd); err != nil {
			return err
		}
	}
	if rule.Edit != nil {
		b.f.edits = true
	}
	basis := ruleBasis{Rule: rule.Name, Version: rule.Version, Kept: kept, Words: p.Words, Behind: b.behind}
	if len(rule.Tests) == 0 { // it only edits
		b.add(check{rule: rule.Name, params: params, off: true, signal: -1, edit: rule.Edit, last: true}, byLanguage)
	}
	for k := range rule.Tests {
		t := &rule.Tests[k]
		if _, ok := rule.param(t.Param); !ok && t.Param != "" {
			return fmt.Errorf("rule %q tests a parameter %q that it does not have", rule.Name, t.Param)
		}
		if only != nil && (!slices.Contains(only, t.Signal) || b.has(t.Signal)) {
			continue
		}
		c := check{rule: rule.Name, test: t, params: params, signal: b.signal(t.Signal), only: only != nil, basis: len(b.f.bases)}
		basis.Signals = append(basis.Signals, b.f.names[c.signal])
		if rule.Edit != nil && k == 0 {
			c.edit = rule.Edit
		}
		c.last = rule.Edit != nil && k == len(rule.Tests)-1
		b.add(c, byLanguage)
	}
	for _, fd := range rule.Fields {
		for _, x := range b.f.fields {
			if x.name == fd.Name {
				basis.Fields = append(basis.Fields, x.path.String())
			}
		}
	}
	if err := b.basis(&basis); err != nil {
		return err
	}
	if rule.Edit != nil {
		b.old = len(b.f.names)
		// Which text the rules behind it see depends on its thresholds, too.
		basis.All = all
		b.behind, err = basis.digest()
	}
	return err
}

func (b *builder) has(signal string) bool {
	_, ok := b.inPart[signal]
	return ok
}

// keptFor is what a rule's signals depend on besides the document.
func keptFor(rule *Rule, cfg ruleConfig) string {
	inside := map[string]any{}
	for name, v := range cfg.Params {
		if i, ok := rule.param(name); !ok || rule.Params[i].Inside {
			inside[name] = v
		}
	}
	raw, err := json.Marshal(inside) // by name
	if err != nil {
		return fmt.Sprint(inside) // as by name
	}
	return string(raw)
}

func languageUse(p *Profile, language, rule string) *RuleUse {
	for i := range p.Languages {
		if p.Languages[i].Language != language {
			continue
		}
		for k := range p.Languages[i].Rules {
			if u := &p.Languages[i].Rules[k]; u.Rule == rule {
				return u
			}
		}
	}
	return nil
}

// signal is the number of a signal. One that is asked for again of other text or words is another: its name is NAME@2.
func (b *builder) signal(name string) int {
	s, ok := b.signals[name]
	if !ok || s < b.old {
		s = len(b.f.names)
		b.signals[name] = s
		b.named[name]++
		shown := name
		if n := b.named[name]; n > 1 {
			shown += "@" + strconv.Itoa(n)
		}
		b.f.names = append(b.f.names, shown)
	}
	b.inPart[name] = s
	return s
}

// add appends a check, and its like for each language.
func (b *builder) add(c check, byLanguage []Values) {
	c.recut, b.recut = b.recut, 0
	c.settle()
	b.f.tests = append(b.f.tests, c)
	if c.test != nil && !c.off {
		compare := c.test.Compare
		if compare == Found { // the switch is on: that is above 0
			compare = Above
		}
		b.resolved.Tests = append(b.resolved.Tests, testConfig{compare, c.test.Reason, c.rule, b.f.names[c.signal], c.threshold})
	}
	for i := range b.variants {
		v := c
		if byLanguage != nil {
			v.params = byLanguage[i]
			v.settle()
		}
		b.variants[i] = append(b.variants[i], v)
	}
}

// settle takes the threshold from the parameters.
func (c *check) settle() {
	if c.test == nil {
		return
	}
	threshold, on := c.test.threshold(c.params)
	c.threshold, c.off = threshold, !on || c.only
}

// condition adds an expression as a test: its signal is 1 where the document is to go.
func (b *builder) condition(prog *program) error {
	c := &condition{prog, make([]int, len(prog.signals))}
	for i, s := range prog.signals {
		c.from[i] = b.inPart[s]
	}
	must := "does not hold"
	if !prog.Keep {
		must = "holds"
	}
	t := &Test{
		Reason: prog.Name, Signal: ExpressionRule + ":" + prog.Name,
		Measure: "1 if the expression " + must + ": " + prog.Expression,
		Compare: Above,
		Value: func(v *View, _ Values) (float64, bool) {
			holds, err := v.holds(c)
			if err != nil {
				if v.problem == nil {
					v.problem = err
				}
				return 0, false
			}
			return one(holds != prog.Keep), true
		},
	}
	b.f.conditions = true
	n := b.signal(t.Signal)
	basis := ruleBasis{Rule: ExpressionRule, Kept: fmt.Sprint(prog.Keep, " ", prog.Expression), Signals: []string{b.f.names[n]}, Behind: b.behind}
	for _, i := range c.from { // what they were computed by
		basis.Fields = append(basis.Fields, b.f.bases[b.basisOf(i)])
	}
	at := len(b.f.bases)
	if err := b.basis(&basis); err != nil {
		return err
	}
	b.add(check{rule: ExpressionRule, test: t, signal: n, expression: c, basis: at}, nil)
	return nil
}

// ruleWithSignal is a rule whose signal can be asked for without any setting, nil if there is none.
func ruleWithSignal(signal string) *Rule {
	for i := range rules {
		r := &rules[i]
		if r.Edit != nil || !slices.ContainsFunc(r.Tests, func(t Test) bool { return t.Signal == signal }) {
			continue
		}
		if p, err := (&RuleUse{Rule: r.Name}).values(); err == nil && p.missing() == nil {
			return r
		}
	}
	return nil
}

func noSignal(signal string) error {
	return fmt.Errorf("signal %q is of a rule that edits the text or needs to be set up; an expression can ask for it where that rule stands in the profile", signal)
}

// signalNames are those of all rules, sorted.
func signalNames() []string {
	var names []string
	for i := range rules {
		for k := range rules[i].Tests {
			names = append(names, rules[i].Tests[k].Signal)
		}
	}
	slices.SortFunc(names, cmp.Compare)
	return slices.Compact(names)
}
