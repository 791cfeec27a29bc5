// Package protect takes out of a text what must survive its translation, such as code, URLs and formulas, and puts it back.
//
// Read protect.go first, then masks.go (the table of what is protected; the files mask_NAME.go hold its functions), scan.go (how
// a text is gone through), edges.go, form.go (placeholders), glossary.go.
package protect

// Template is a text with numbered holes in place of what is protected: Text[0] hole Holes[0] Text[1] …, so that
// len(Text) == len(Holes)+1. The holes of a source are 0, 1, …; a translation may have them in another order. Two texts that
// differ only in what is protected have the same Template.
type Template struct {
	Text  []string
	Holes []int
}

// Masked is a text taken apart: Before, the template with Values in its holes, After. What is protected at the edges, and
// white space there, is in Before and After. Before + Template.Fill(Values) + After is the text.
type Masked struct {
	Before, After string
	Template      Template
	Values        []string // one a hole
	Targets       []string // one a hole: what stands there in a translation. It is the value, but for terms with a translation
	Kinds         []string // of each value, a name of Kinds; of several that are one hole, the first
}

// Options say what is protected beside what always is.
type Options struct {
	Numbers  bool      // numbers of two digits or more
	Glossary *Glossary // terms
}

// Mask takes text apart. Adjacent protected spans are one hole, also with white space between, since nothing of the sentence is
// there: fewer holes survive better, and their order stays. Terms and numbers are words of the sentence, so they are holes of
// their own and do not go to the edges.
//
// It takes time linear in the text, whatever the text is.
func Mask(text string, o Options) Masked {
	var buf [16]span
	pieces := spans(buf[:0], text, o)
	from, to := edges(text, pieces)
	m := Masked{Before: text[:from], After: text[to:]}
	end := from
	for k := 0; k < len(pieces); {
		p := pieces[k]
		if p.start < from || p.end > to {
			k++
			continue
		}
		stop, target := p.end, o.target(text, p)
		for k++; k < len(pieces) && pieces[k].end <= to; k++ {
			q := pieces[k]
			gap := text[stop:q.start]
			if gap != "" && (!white(gap) || inSentence(p) || inSentence(q)) {
				break
			}
			target += gap + o.target(text, q)
			stop = q.end
		}
		m.Template.Text = append(m.Template.Text, text[end:p.start])
		m.Template.Holes = append(m.Template.Holes, len(m.Template.Holes))
		m.Values = append(m.Values, text[p.start:stop])
		m.Targets = append(m.Targets, target)
		m.Kinds = append(m.Kinds, table[p.kind].Name)
		end = stop
	}
	m.Template.Text = append(m.Template.Text, text[end:to])
	return m
}

// target is what stands in a translation for a span.
func (o Options) target(text string, p span) string {
	source := text[p.start:p.end]
	if p.kind == glossaryKind {
		if _, t, ok := o.Glossary.match(text, p.start); ok {
			return t.targetOf(source)
		}
	}
	return source
}
