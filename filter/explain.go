package filter

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// Explanation is all that a profile has to say of a record: every test, those behind the first that fails, too.
type Explanation struct {
	Profile string `json:"profile"`
	Version int    `json:"profile_version,omitzero"`
	// Language whose thresholds are in force, "" if they are the profile's own.
	Language string `json:"language,omitzero"`
	Words    Words  `json:"words"`
	Verdict  string `json:"verdict"` // keep, drop or quarantine
	Rule     string `json:"rule,omitzero"`
	Reason   string `json:"reason,omitzero"`
	Error    string `json:"error,omitzero"` // of a record that is set aside
	// Rules in the order in which they are asked.
	Rules []ExplainedRule `json:"rules"`
}

// Words are a document's as the (first) profile cuts them.
type Words struct {
	Cut   string   `json:"cut"`
	Count int      `json:"count"`
	First []string `json:"first"` // at most firstWords
}

const firstWords = 20

// ExplainedRule is a rule with its tests.
type ExplainedRule struct {
	Rule  string          `json:"rule"`
	Edit  *ExplainedEdit  `json:"edit,omitzero"` // what it leaves of the text, if that is another
	Tests []ExplainedTest `json:"tests"`
}

// ExplainedEdit is what a rule makes of the text.
type ExplainedEdit struct {
	Made  bool         `json:"made"` // a test of the rule failed otherwise, and the text stays as it was
	Lines []LineChange `json:"lines"`
}

// Results of a test.
const (
	ResultPass          = "pass"
	ResultFail          = "fail"
	ResultOff           = "off"            // the profile does not make the test
	ResultNotApplicable = "not applicable" // and so passes
	ResultError         = "error"          // an expression could not be evaluated
)

// ExplainedTest is one comparison.
type ExplainedTest struct {
	Reason     string       `json:"reason"`
	Signal     string       `json:"signal"`
	Measure    string       `json:"measure"`
	Value      *float64     `json:"value"` // null if the signal does not apply
	FailsIf    Comparison   `json:"fails_if"`
	Threshold  float64      `json:"threshold"`
	Result     string       `json:"result"`
	Needed     string       `json:"needed"` // to pass
	Expression string       `json:"expression,omitzero"`
	Asked      []AskedValue `json:"asked,omitzero"` // what the expression asked for
	Error      string       `json:"error,omitzero"`
}

// AskedValue is a signal or a field with its value; null is none.
type AskedValue struct {
	Name  string         `json:"name"`
	Value jsontext.Value `json:"value"`
}

// Explain says what every test of the profile has to say of a record. An error is about the record: it has no text.
func (f *Filter) Explain(r *record.Record) (*Explanation, error) {
	v := f.NewView()
	var scratch []byte
	if err := f.look(v, r, &scratch, make([][]byte, len(f.fields))); err != nil {
		return nil, err
	}
	x := &Explanation{Profile: f.profile.Name, Version: f.profile.Version, Verdict: "keep", Words: Words{Cut: f.cuts[0].name, First: []string{}}, Rules: []ExplainedRule{}}
	if len(v.doc) == 0 {
		x.Verdict, x.Rule, x.Reason = "drop", EmptyRule, EmptyReason
		return x, nil
	}
	tests := f.testsFor(v)
	if l, ok := v.Field(languageField); ok && f.languages[string(l)] != nil {
		x.Language = string(l)
	}
	for _, w := range v.Words() {
		if x.Words.Count++; x.Words.Count <= firstWords {
			x.Words.First = append(x.Words.First, string(w.Of(v.doc)))
		}
	}
	failed := false
	var of *moreValues
	for i := range tests {
		c := &tests[i]
		if n := len(x.Rules); n == 0 || x.Rules[n-1].Rule != c.rule || of != c.params.more {
			x.Rules = append(x.Rules, ExplainedRule{Rule: c.rule, Tests: []ExplainedTest{}})
			of = c.params.more
		}
		rule := &x.Rules[len(x.Rules)-1]
		if c.recut != 0 {
			v.recut(c.recut - 1)
		}
		if c.edit != nil {
			c.edit(v, c.params)
			failed = false
		}
		if c.test != nil {
			t := f.explain(v, c)
			failed = failed || t.Result == ResultFail
			if t.Result == ResultFail && x.Verdict == "keep" {
				x.Verdict, x.Rule, x.Reason = "drop", c.rule, c.test.Reason
			}
			if t.Result == ResultError && x.Verdict == "keep" {
				x.Verdict, x.Error = "quarantine", t.Error
			}
			rule.Tests = append(rule.Tests, t)
		}
		if c.last {
			if left := v.edited[v.target]; v.fresh && !bytes.Equal(left, v.doc) {
				rule.Edit = &ExplainedEdit{Made: !failed, Lines: lineDiff(v.doc, left)}
			}
			if !failed {
				v.applyEdit()
			}
		}
	}
	return x, nil
}

// explain makes one test.
func (f *Filter) explain(v *View, c *check) ExplainedTest {
	t := ExplainedTest{Reason: c.test.Reason, Signal: f.names[c.signal], Measure: c.test.Measure, FailsIf: c.test.Compare, Threshold: c.threshold, Needed: c.needed(), Result: ResultPass}
	if t.FailsIf == Found {
		t.FailsIf = Above
	}
	if e := c.expression; e != nil {
		t.Expression, t.Needed = e.Expression, "the expression holds"
		if !e.Keep {
			t.Needed = "the expression does not hold"
		}
		for i, name := range e.signals {
			value := jsontext.Value("null")
			if s := v.values[e.from[i]]; s.known && s.ok && s.v-s.v == 0 {
				value = jsontext.Value(number(s.v))
			}
			t.Asked = append(t.Asked, AskedValue{name, value})
		}
		for _, path := range e.fields {
			value := jsontext.Value("null")
			if raw, ok := v.record.Value(path); ok {
				value = bytes.Clone(raw)
			}
			t.Asked = append(t.Asked, AskedValue{path.String(), value})
		}
	}
	s := &v.values[c.signal]
	if !s.known {
		before := v.problem
		v.problem = nil
		s.v, s.ok = c.test.Value(v, c.params)
		s.known = true
		if v.problem != nil {
			t.Result, t.Error = ResultError, v.problem.Error()
		}
		if before != nil {
			v.problem = before
		}
	}
	if value := s.v; s.ok && value-value == 0 { // JSON knows no infinity
		t.Value = &value
	}
	switch {
	case t.Result == ResultError:
	case c.off:
		t.Result = ResultOff
	case !s.ok:
		t.Result = ResultNotApplicable
	case c.fails(s.v):
		t.Result = ResultFail
	}
	return t
}

// needed says what passes.
func (c *check) needed() string {
	switch c.test.Compare {
	case Below:
		return "at least " + number(c.threshold)
	case AtOrAbove:
		return "less than " + number(c.threshold)
	case AtOrBelow:
		return "more than " + number(c.threshold)
	}
	return "at most " + number(c.threshold)
}

// WriteJSON writes the explanation as one JSON document. where are members that stand before it, such as the record's id.
func (x *Explanation) WriteJSON(w io.Writer, where map[string]any) error {
	all := struct {
		Record map[string]any `json:"record"`
		*Explanation
	}{where, x}
	b, err := json.Marshal(all, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Of a text for people: how many changed lines it shows, and how much of each.
const (
	shownChanges = 40
	shownLine    = 160 // characters
)

// WriteText writes the explanation for people.
func (x *Explanation) WriteText(w io.Writer) error {
	var b strings.Builder
	b.WriteString("profile " + x.Profile)
	if x.Version > 0 {
		fmt.Fprintf(&b, ", version %d", x.Version)
	}
	if x.Language != "" {
		fmt.Fprintf(&b, "; thresholds for language %q", x.Language)
	}
	fmt.Fprintf(&b, "\n%d words (%s)", x.Words.Count, x.Words.Cut)
	if len(x.Words.First) > 0 {
		first := shorten(strings.Join(x.Words.First, " "))
		if x.Words.Count > len(x.Words.First) && !strings.HasSuffix(first, "…") {
			first += " …"
		}
		b.WriteString(": " + first)
	}
	b.WriteString("\n")
	fails := 0
	for i := range x.Rules {
		r := &x.Rules[i]
		b.WriteString("\n" + r.Rule + "\n")
		for k := range r.Tests {
			if r.Tests[k].Result == ResultFail {
				fails++
			}
			r.Tests[k].write(&b)
		}
		if r.Edit != nil {
			r.Edit.write(&b)
		}
	}
	b.WriteString("\n")
	switch x.Verdict {
	case "keep":
		b.WriteString("kept\n")
	case "quarantine":
		b.WriteString("set aside: " + x.Error + "\n")
	default:
		fmt.Fprintf(&b, "dropped: %s:%s", x.Rule, x.Reason)
		if fails > 1 {
			fmt.Fprintf(&b, ", the first of %d tests that fail", fails)
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *ExplainedTest) write(b *strings.Builder) {
	mark := map[string]string{ResultPass: "pass", ResultFail: "FAIL", ResultOff: "off", ResultNotApplicable: "n/a", ResultError: "ERROR"}[t.Result]
	fmt.Fprintf(b, "  %-5s %-28s ", mark, t.Reason)
	if t.Expression != "" {
		b.WriteString(t.Expression)
		for i, a := range t.Asked {
			b.WriteString(map[bool]string{true: "\n        where ", false: ", "}[i == 0])
			b.WriteString(a.Name + " = " + shorten(string(a.Value)))
		}
		switch t.Result {
		case ResultFail:
			b.WriteString("\n        needed: " + t.Needed)
		case ResultError:
			b.WriteString("\n        " + t.Error)
		}
		b.WriteString("\n")
		return
	}
	if t.Value != nil {
		fmt.Fprintf(b, "%s = %s", t.Signal, number(*t.Value))
	} else {
		fmt.Fprintf(b, "%s does not apply", t.Signal)
	}
	if t.Result != ResultOff {
		fmt.Fprintf(b, ", fails if %s %s", t.FailsIf.sign(), number(t.Threshold))
	}
	if t.Result == ResultFail {
		b.WriteString("; needed: " + t.Needed)
	}
	b.WriteString("\n")
}

func (e *ExplainedEdit) write(b *strings.Builder) {
	if e.Made {
		b.WriteString("  edits the text:\n")
	} else {
		b.WriteString("  would edit the text, but for the test that fails:\n")
	}
	for i, l := range e.Lines {
		if i == shownChanges {
			fmt.Fprintf(b, "    … and %d more lines\n", len(e.Lines)-i)
			break
		}
		sign, text := "-", l.Old
		if l.Came {
			sign, text = "+", l.New
		}
		fmt.Fprintf(b, "    %s %d: %s\n", sign, l.Line, shorten(text))
	}
}

// shorten cuts a line for people. What a terminal would obey is shown as Go writes it.
func shorten(s string) string {
	if utf8.RuneCountInString(s) > shownLine {
		s = string([]rune(s)[:shownLine]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, s)
}
