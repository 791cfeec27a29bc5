package filter

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"curate/internal/human"
	"curate/stage"
)

// A profile for a new language is proposed as FineWeb-2's were made (Penedo et al. 2025, arXiv:2506.20920): FineWeb's
// rules without those of C4, its English thresholds carried over by what the signals are on texts of the language, and
// the words that are most frequent in them as stop words. Which thresholds those are, and how they are rounded, is what
// the 1,929 files in configs/ of huggingface/fineweb-2@d0defb2 have, and fineweb-2-pipeline.py there has the others.

// FitMethod is how a threshold is carried over.
type FitMethod string

const (
	FitEnglish     FitMethod = "english"     // as it is for English
	FitTenTail     FitMethod = "10tail"      // at the tail: it drops a tenth (FitConfig.Tail) of the texts
	FitQuantile    FitMethod = "quantile"    // where it drops the share that the English one drops of the reference
	FitMedianRatio FitMethod = "medianratio" // English times the ratio of the medians
	FitMeanStd     FitMethod = "meanstd"     // as many standard deviations from the mean
)

// FitMethods are all, sorted by name.
func FitMethods() []FitMethod {
	return []FitMethod{FitTenTail, FitEnglish, FitMeanStd, FitMedianRatio, FitQuantile}
}

// NeedsReference says whether the method compares with texts in English.
func (m FitMethod) NeedsReference() bool { return m != FitEnglish && m != FitTenTail }

// FitConfig says how a profile is proposed.
type FitConfig struct {
	Language string // the profile's name
	Words    string // how words are cut; "" is "whitespace"
	Method   FitMethod
	// Tail is the share of documents beyond a threshold of FitTenTail; 0 is 0.1.
	Tail float64
	// StopShare is the share of all words from which on a word is a stop word, and StopWords how many there are at
	// least; 0 is 0.008 and 8.
	StopShare float64
	StopWords int
}

const (
	tenTail = 0.1
	// None of the 1,929 lists of FineWeb-2 is shorter than 8 words. From eight of a thousand words on, lists come out as long
	// as they are there: of Spanish pages 15 words (there 16, 13 of them the same), of French ones 15 (18, 12).
	stopShare    = 0.008
	leastStop    = 8
	mostStop     = 64 // of stopWords
	fineweb2Repo = "huggingface/fineweb-2@d0defb2, fineweb-2-pipeline.py"
)

// fineweb2Rules are FineWeb-2's rules in its order, with what it sets for every language alike.
func fineweb2Rules() []RuleUse {
	return []RuleUse{
		{Rule: "gopher_repetition", Set: []Setting{
			{"dup_para_frac", 0, "off, as in " + fineweb2Repo + ": extracted pages have no paragraphs"},
			{"dup_para_char_frac", 0, "off, as in " + fineweb2Repo},
			{"dup_line_char_frac", 0, "off, as in " + fineweb2Repo + ": char_duplicates_ratio says the same"},
		}},
		{Rule: "fineweb_quality", Set: []Setting{
			{"short_line_thr", 999, "off, as in " + fineweb2Repo},
			{"char_duplicates_ratio", 0.1, "as in " + fineweb2Repo},
		}},
		{Rule: "gopher_quality"},
	}
}

// fittedParams are the thresholds that FineWeb-2 has for each language, in the order of the rules, and what they are
// rounded to, away from the texts.
var fittedParams = []struct {
	rule, param string
	step        int // parts of 1
}{
	{"gopher_repetition", "dup_line_frac", 1000},
	{"gopher_repetition", "top_2_gram", 1000},
	{"gopher_repetition", "top_3_gram", 1000},
	{"gopher_repetition", "top_4_gram", 1000},
	{"gopher_repetition", "dup_5_gram", 1000},
	{"gopher_repetition", "dup_6_gram", 1000},
	{"gopher_repetition", "dup_7_gram", 1000},
	{"gopher_repetition", "dup_8_gram", 1000},
	{"gopher_repetition", "dup_9_gram", 1000},
	{"gopher_repetition", "dup_10_gram", 1000},
	{"fineweb_quality", "line_punct_thr", 1000},
	{"fineweb_quality", "new_line_ratio", 1000},
	{"gopher_quality", "min_avg_word_length", 1},
	{"gopher_quality", "max_avg_word_length", 1},
	{"gopher_quality", "max_non_alpha_words_ratio", 1000},
}

// Fitting gathers the signals of texts. Its memory does not grow with their number. It is used by one goroutine; the
// same texts in the same order give the same proposal.
type Fitting struct {
	cfg       FitConfig
	f         *Filter
	view      *View
	texts     []spread // by signal
	reference []spread
	dropped   []int64 // of the reference, by test: texts that the English threshold drops
	words     frequentWords
	n, nRef   int64
}

// NewFitting begins a proposal.
func NewFitting(cfg FitConfig) (*Fitting, error) {
	cfg.Words = cmp.Or(cfg.Words, "whitespace")
	cfg.Tail = cmp.Or(cfg.Tail, tenTail)
	cfg.StopShare = cmp.Or(cfg.StopShare, stopShare)
	cfg.StopWords = cmp.Or(cfg.StopWords, leastStop)
	if !slices.Contains(FitMethods(), cfg.Method) {
		var names []string
		for _, m := range FitMethods() {
			names = append(names, string(m))
		}
		return nil, stage.UnknownName("method", string(cfg.Method), names)
	}
	switch {
	case !(cfg.Tail > 0 && cfg.Tail < 1):
		return nil, fmt.Errorf("a tail of %v: a share above 0 and below 1", cfg.Tail)
	case !(cfg.StopShare > 0 && cfg.StopShare < 1):
		return nil, fmt.Errorf("stop words from a share of %v on: a share above 0 and below 1", cfg.StopShare)
	case cfg.StopWords < 1 || cfg.StopWords > mostStop:
		return nil, fmt.Errorf("at least %d stop words: from 1 to %d", cfg.StopWords, mostStop)
	}
	f, err := build(Profile{Name: cfg.Language, Version: 1, Words: cfg.Words, Rules: fineweb2Rules()}, Config{})
	if err != nil {
		return nil, err
	}
	return &Fitting{
		cfg: cfg, f: f, view: f.NewView(),
		texts: make([]spread, len(f.names)), reference: make([]spread, len(f.names)), dropped: make([]int64, len(f.tests)),
	}, nil
}

// Add takes in a text of the language.
func (x *Fitting) Add(doc []byte) {
	if !x.look(doc, x.texts) {
		return
	}
	x.n++
	for _, w := range x.view.Words() {
		x.words.add(w.Of(doc))
	}
}

// AddReference takes in a text in English.
func (x *Fitting) AddReference(doc []byte) {
	if !x.look(doc, x.reference) {
		return
	}
	x.nRef++
	for i := range x.f.tests {
		c := &x.f.tests[i]
		if s := x.view.values[c.signal]; !c.off && s.ok && c.fails(s.v) {
			x.dropped[i]++
		}
	}
}

func (x *Fitting) look(doc []byte, into []spread) bool {
	if len(doc) == 0 {
		return false
	}
	x.view.Reset(doc)
	x.f.decide(x.view, true)
	for i, s := range x.view.values {
		if s.known && s.ok {
			into[i].add(s.v)
		}
	}
	return true
}

// StopWord is a word with its share of all words.
type StopWord struct {
	Word  string
	Share float64
}

// Proposal is a profile, and why it is as it is.
type Proposal struct {
	Profile   Profile
	StopWords []StopWord // by share
	Texts     int64
	Reference int64
	fitted    map[string]string // reason by "RULE.PARAM", before anything is measured
}

// Propose makes the profile.
func (x *Fitting) Propose() (*Proposal, error) {
	if x.n == 0 {
		return nil, fmt.Errorf("there is no text to learn from")
	}
	if x.cfg.Method.NeedsReference() && x.nRef == 0 {
		return nil, fmt.Errorf("the method %s compares with texts in English, and there are none; give a reference, or the method %s", x.cfg.Method, FitTenTail)
	}
	p := &Proposal{Texts: x.n, Reference: x.nRef, fitted: map[string]string{}}
	p.Profile = Profile{
		Name: x.cfg.Language, Version: 1, Words: x.cfg.Words, Rules: fineweb2Rules(),
		Summary:    "FineWeb-2's rules with thresholds and stop words for " + x.cfg.Language,
		Reproduces: fmt.Sprintf("nobody's decisions: proposed by curate filter fit, method %s, from %s texts", x.cfg.Method, human.Thousands(x.n)),
		Language:   "MADE FOR " + x.cfg.Language + ". Its stop words are of that language: a text in another one is dropped for lack of them",
	}
	if x.nRef > 0 {
		p.Profile.Reproduces += fmt.Sprintf(" and %s in English", human.Thousands(x.nRef))
	}
	for _, fp := range fittedParams {
		i := x.testOf(fp.rule, fp.param)
		v, why := x.threshold(i, fp.step)
		p.set(fp.rule, Setting{fp.param, v, why})
		p.fitted[fp.rule+"."+fp.param] = why
	}
	p.StopWords = x.words.above(x.cfg.StopShare, x.cfg.StopWords)
	list := make([]string, len(p.StopWords))
	for i, w := range p.StopWords {
		list[i] = w.Word
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no word has a letter: there are no stop words to propose; are words cut as the language wants it?")
	}
	why := fmt.Sprintf("words of %s of all words or more, at least %d: %s", asPercent(x.cfg.StopShare), x.cfg.StopWords, shares(p.StopWords))
	p.set("gopher_quality", Setting{"stop_words", list, why})
	p.fitted["gopher_quality.stop_words"] = why
	return p, nil
}

func (x *Fitting) testOf(rule, param string) int {
	for i := range x.f.tests {
		if c := &x.f.tests[i]; c.rule == rule && c.test.Param == param {
			return i
		}
	}
	panic("filter: no test compares " + rule + "." + param) // met by TestFit
}

func (p *Proposal) set(rule string, s Setting) {
	for i := range p.Profile.Rules {
		if u := &p.Profile.Rules[i]; u.Rule == rule {
			for k := range u.Set {
				if u.Set[k].Param == s.Param {
					u.Set[k] = s
					return
				}
			}
			u.Set = append(u.Set, s)
		}
	}
}

// threshold carries that of test i over, and says how it came about.
func (x *Fitting) threshold(i, step int) (v float64, why string) {
	c := &x.f.tests[i]
	own, ref := &x.texts[c.signal], &x.reference[c.signal]
	above := c.test.Compare != Below
	english := c.threshold
	keep := func(format string, args ...any) (float64, string) {
		return english, fmt.Sprintf("%s: English's %s stays, since %s", x.cfg.Method, number(english), fmt.Sprintf(format, args...))
	}
	if own.n == 0 {
		return keep("no text has %s", c.test.Signal)
	}
	if x.cfg.Method.NeedsReference() && ref.n == 0 {
		return keep("no text in English has %s", c.test.Signal)
	}
	round := func(v float64) float64 { // away from the texts
		k := float64(v * float64(step))
		if near := math.Round(k); math.Abs(k-near) < 1e-9*math.Max(1, math.Abs(k)) {
			return near / float64(step)
		}
		if above {
			return math.Ceil(k) / float64(step)
		}
		return math.Floor(k) / float64(step)
	}
	switch x.cfg.Method {
	case FitEnglish:
		return english, "english: as it is for English"
	case FitTenTail, FitQuantile:
		share, said := x.cfg.Tail, "the tail"
		if x.cfg.Method == FitQuantile {
			share = float64(x.dropped[i]) / float64(ref.n)
			said = fmt.Sprintf("what %s drops of %s texts in English", number(english), human.Thousands(ref.n))
		}
		at, beyond := own.tail(share, above)
		v = round(at)
		side := "above"
		if !above {
			side = "below"
		}
		why = fmt.Sprintf("%s: %s is %s; of %s texts %s are %s %s", x.cfg.Method, asPercent(share), said, human.Thousands(own.n), asPercent(float64(beyond)/float64(own.n)), side, number6(at))
	case FitMedianRatio:
		a, b := own.median(), ref.median()
		if b == 0 {
			return keep("the median in English is 0")
		}
		v = round(float64(english * (a / b)))
		why = fmt.Sprintf("medianratio: English's %s times %s / %s, the medians", number(english), number6(a), number6(b))
	case FitMeanStd:
		m, s := own.meanStd()
		mRef, sRef := ref.meanStd()
		if sRef == 0 {
			return keep("all texts in English have the same %s", c.test.Signal)
		}
		d := (english - mRef) / sRef
		v = round(m + float64(d*s))
		why = fmt.Sprintf("meanstd: %s standard deviations (%s) from the mean (%s), as English's %s from its own (%s, %s)", number3(d), number6(s), number6(m), number(english), number6(sRef), number6(mRef))
	}
	if !(v > 0) {
		return keep("%s would be 0, and that switches the test off or drops every text that has any", c.test.Param)
	}
	return v, why
}

// Measured is what the proposal does to texts.
type Measured struct {
	Texts, Kept int64
	Tests       []TestShare // in the order of the tests
}

// TestShare is how many texts fail a test: whatever the others say, and as the first.
type TestShare struct {
	Rule, Reason, Param string
	Fails, First        int64
}

// Measuring counts what a profile does to texts.
type Measuring struct {
	f    *Filter
	view *View
	m    Measured
}

// Measuring begins to count what the proposal does.
func (p *Proposal) Measuring() (*Measuring, error) {
	f, err := build(p.Profile, Config{})
	if err != nil {
		return nil, err
	}
	x := &Measuring{f: f, view: f.NewView()}
	for i := range f.tests {
		if c := &f.tests[i]; !c.off {
			x.m.Tests = append(x.m.Tests, TestShare{Rule: c.rule, Reason: c.test.Reason, Param: c.test.Param})
		}
	}
	return x, nil
}

// Add takes in a text.
func (x *Measuring) Add(doc []byte) {
	x.m.Texts++
	x.view.Reset(doc)
	if _, reason := x.f.decide(x.view, true); reason == "" {
		x.m.Kept++
	} else if reason == EmptyReason {
		return
	}
	n, first := 0, true
	for i := range x.f.tests {
		c := &x.f.tests[i]
		if c.off {
			continue
		}
		if s := x.view.values[c.signal]; s.known && s.ok && c.fails(s.v) {
			x.m.Tests[n].Fails++
			if first {
				x.m.Tests[n].First++
				first = false
			}
		}
		n++
	}
}

// Measured is what was counted so far.
func (x *Measuring) Measured() Measured { return x.m }

// Say writes into the reasons of the thresholds what they do.
func (p *Proposal) Say(m Measured) {
	p.Profile.Reproduces += fmt.Sprintf(", of which it keeps %s", part(m.Kept, m.Texts))
	for _, t := range m.Tests {
		for i := range p.Profile.Rules {
			u := &p.Profile.Rules[i]
			for k := range u.Set {
				param := u.Set[k].Param
				if u.Rule != t.Rule || param != t.Param && !(param == "stop_words" && t.Param == "min_stop_words") {
					continue
				}
				if u.Set[k].Why != "" {
					u.Set[k].Why += ". "
				}
				u.Set[k].Why += fmt.Sprintf("It drops %s of the texts, %s as the first", part(t.Fails, m.Texts), part(t.First, m.Texts))
			}
		}
	}
}

func part(n, of int64) string {
	if of == 0 {
		return "none"
	}
	return asPercent(float64(n) / float64(of))
}

func asPercent(v float64) string {
	return strconv.FormatFloat(math.Round(float64(v*1e4))/1e2, 'f', -1, 64) + " %"
}

func number6(v float64) string { return string(appendRounded(nil, v)) }

func number3(v float64) string {
	return strconv.FormatFloat(math.Round(float64(v*1e3))/1e3, 'f', -1, 64)
}

func shares(words []StopWord) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(w.Word + " " + asPercent(w.Share))
	}
	return b.String()
}
