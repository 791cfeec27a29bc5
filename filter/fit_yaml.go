package filter

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// YAML is the profile as a file: what it does in comments, each threshold with its reason.
func (p *Proposal) YAML(m Measured) []byte {
	y := yamlWriter{}
	y.line(0, "# Proposed by curate filter fit. Look at texts on both sides of each threshold before you trust it:")
	y.line(0, "#   curate filter --profile FILE --annotate TEXTS, or curate filter compare.")
	y.line(0, "# Of "+grouped(m.Texts)+" texts it keeps "+grouped(m.Kept)+" ("+part(m.Kept, m.Texts)+"). Dropped as the first test that fails:")
	for _, t := range m.Tests {
		if t.First > 0 {
			y.line(0, "#   "+t.Rule+":"+t.Reason+" "+grouped(t.First)+" ("+part(t.First, m.Texts)+")")
		}
	}
	y.text(0, "name", p.Profile.Name)
	y.line(0, "version: "+strconv.Itoa(p.Profile.Version))
	y.text(0, "summary", p.Profile.Summary)
	y.text(0, "reproduces", p.Profile.Reproduces)
	y.text(0, "made_for", p.Profile.Language)
	y.text(0, "words", p.Profile.Words)
	y.line(0, "rules:")
	for i := range p.Profile.Rules {
		u := &p.Profile.Rules[i]
		y.line(1, "- rule: "+u.Rule)
		y.line(2, "set:")
		for _, s := range u.Set {
			if v, ok := asNumber(s.Value); ok {
				y.line(3, s.Param+": "+number(v))
				continue
			}
			y.line(3, s.Param+":")
			list, _ := s.Value.([]string)
			for _, w := range list {
				y.line(4, "- "+quoted(w))
			}
		}
		y.line(2, "why:")
		for _, s := range u.Set {
			y.text(3, s.Param, s.Why)
		}
	}
	return y.b
}

type yamlWriter struct{ b []byte }

func (y *yamlWriter) line(depth int, s string) {
	for range depth {
		y.b = append(y.b, "  "...)
	}
	y.b = append(append(y.b, s...), '\n')
}

func (y *yamlWriter) text(depth int, key, s string) { y.line(depth, key+": "+quoted(s)) }

// quoted is a string of JSON, which is one of YAML.
func quoted(s string) string {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // not UTF-8, which no word of a record is
		return strconv.QuoteToASCII(s)
	}
	return string(b)
}
