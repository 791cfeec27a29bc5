// Package protect takes out of a text what must survive its translation, such as code, URLs and formulas, and puts it back.
//
// Read protect.go first, then masks.go (the table of what is protected; one file mask_NAME.go a kind that needs more than
// an expression), form.go (placeholders), glossary.go.
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
	Kinds         []string // of each value, a name of Kinds
}

// Options say what is protected beside what always is.
type Options struct {
	Numbers  bool      // numbers of two digits or more
	Glossary *Glossary // terms
}

// Mask takes text apart. Adjacent protected spans are one hole.
func Mask(text string, o Options) Masked { panic("unwritten") }

// Fill puts values into the holes. A hole that has no value is a bug of the caller.
func (t Template) Fill(values []string) string { panic("unwritten") }

// Letters says whether the template holds a letter outside its holes: if not, there is nothing to translate.
func (t Template) Letters() bool { panic("unwritten") }

// Plain is the template's text with each hole replaced by a space, for checks that look at language.
func (t Template) Plain() string { panic("unwritten") }

// AppendText writes the template unambiguously, for hashing: equal bytes exactly for equal templates.
func (t Template) AppendText(dst []byte) ([]byte, error) { panic("unwritten") }

// MarshalJSON writes it as an array of strings and numbers: ["Open ",0," now."], a template without holes as one string.
func (t Template) MarshalJSON() ([]byte, error) { panic("unwritten") }

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Template) UnmarshalJSON(b []byte) error { panic("unwritten") }

// Locate makes the template of a translation whose protected spans are known: each of values must occur in text exactly as
// often as in values. It says so if they do not. It is for parallel corpora and corrections.
func Locate(text string, values []string) (Template, bool) { panic("unwritten") }

// Form is how a hole is written for a backend: "[[P0]]", "XQ0".
type Form struct {
	Name        string // "[[P0]]": how hole 0 is written
	open, close string
}

// Forms are the known ones, the first is the default for language models.
func Forms() []Form { panic("unwritten") }

// FormNamed finds one.
func FormNamed(name string) (Form, error) { panic("unwritten") }

// Hole is how hole n is written.
func (f Form) Hole(n int) string { panic("unwritten") }

// Clashes says whether a text without holes holds something that Parse would take for a hole of this form.
func (f Form) Clashes(t Template) bool { panic("unwritten") }

// Render writes the template with its holes in form f.
func (t Template) Render(f Form) string { panic("unwritten") }

// Fault is what is wrong with the holes of an answer.
type Fault struct {
	Lost, Repeated, Foreign []int // holes
	Repaired                bool  // white space or case inside a hole was mended: no fault
}

// OK says whether each hole stands there exactly once, and no other.
func (f Fault) OK() bool { return len(f.Lost)+len(f.Repeated)+len(f.Foreign) == 0 }

// String says it in words: "placeholder 1 is lost".
func (f Fault) String() string { panic("unwritten") }

// Parse reads an answer in form f to a template with n holes. Holes that were written with other case or white space inside
// are recognised.
func Parse(answer string, f Form, n int) (Template, Fault) { panic("unwritten") }

// Glossary is terms that stay, or that have one translation.
type Glossary struct{}

// ReadGlossary reads lines "term TAB translation", or "term" alone for one that stays; # begins a comment. name is for errors,
// which say name:line.
func ReadGlossary(name string, text []byte) (*Glossary, error) { panic("unwritten") }

// Digest identifies its content.
func (g *Glossary) Digest() string { panic("unwritten") }
