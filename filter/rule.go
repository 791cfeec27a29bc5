package filter

import (
	"crypto/sha256"
	"errors"
	"fmt"
	stdhash "hash" // a function here is called hash
	"io"
	"io/fs"
	"strings"
)

// Rule is a list of tests on a document. Adding one is a file with a variable of this type, a line in the
// table of registry.go, and rows in the table of rules_test.go that meet each of its reasons.
type Rule struct {
	Name    string // as in a ledger's "RULE:REASON"
	Version int    // raised when the same document and parameters give another answer
	Summary string
	// Source is where the rule comes from: the peer's file@version, the paper.
	Source string
	Params []Param
	Texts  []Text
	Lists  []List
	Fields []Field
	// Prepare, if there is one, makes once what the tests of all goroutines share, such as a set of words or a
	// model: Values.Made. Lists and files can be read here alone. What it makes is never changed.
	Prepare func(Values) (any, error)
	// NewScratch, if there is one, makes what one goroutine needs besides: View.Scratch.
	NewScratch func(made any) any
	// Edit, if there is one, makes the text that the rule leaves of the document (View.edit), before its first
	// test. Where all tests of the rule pass, the rules after it and the stages after the filter see that text.
	Edit func(*View, Values)
	// Edits says what Edit does, for help.
	Edits string
	Tests []Test // in the order in which they are made
}

// Param is a threshold, or a number that says how a signal is computed or the text edited.
type Param struct {
	Name    string
	Default float64
	Unit    string // what 1 means: "words", "of all lines"; "1 on, 0 off" for a switch
	Source  string // of the default
	// Inside says that no signal is compared with it: a signal or an edit depends on it.
	Inside bool
}

// Text is a parameter that is no number.
type Text struct {
	Name    string
	Default string
	Choices []string // what it can be; none if it can be anything
	// File says that it names a file, which Prepare reads. The stage's identity has the file's digest instead of
	// its name.
	File bool
	// DigestBy names the text with the digest that the file has to have. Open is given it behind a URL: "URL#sha256:HEX".
	DigestBy string
	Required bool // there is no default, and a profile without it cannot be used
	Help     string
	Source   string // of the default
}

// List is a parameter that is a list of lines, such as words.
type List struct {
	Name     string
	Default  []string
	Required bool // there is no default, and a profile without it cannot be used
	Help     string
	Source   string // of the default
}

// Field is a string of the record, besides the text, that a rule looks at.
type Field struct {
	Name string // as in Config.Fields
	Path string // where it is by default
	Help string
}

// Values are a rule's parameters in force.
type Values struct {
	rule *Rule
	v    []float64 // by the order of rule.Params
	more *moreValues
}

// moreValues are what tests rarely ask for.
type moreValues struct {
	texts []string   // by the order of rule.Texts
	lists [][]string // by that of rule.Lists; nil once the rule is prepared
	open  func(name string) (io.ReadCloser, error)
	read  map[string]string // digests of the files that Prepare has read, by the texts that name them
	use   int               // of the rule in the profile
	made  any
}

// Text is the value of a text parameter that the rule has.
func (p Values) Text(name string) string {
	for i := range p.rule.Texts {
		if p.rule.Texts[i].Name == name {
			return p.more.texts[i]
		}
	}
	panic("filter: rule " + p.rule.Name + " asks for a text that it does not have: " + name) // met by rules_test.go
}

// List is the value of a list that the rule has, for Prepare.
func (p Values) List(name string) []string {
	for i := range p.rule.Lists {
		if p.rule.Lists[i].Name == name {
			return p.more.lists[i]
		}
	}
	panic("filter: rule " + p.rule.Name + " asks for a list that it does not have: " + name) // met by rules_test.go
}

// Open opens the file that a text parameter names, for Prepare. Close reads what is left of it, for its digest, which is
// part of the stage's identity: so the identity is that of what was read.
func (p Values) Open(name string) (io.ReadCloser, error) {
	if p.more.open == nil {
		return nil, fmt.Errorf("%s.%s names a file, and files cannot be read here", p.rule.Name, name)
	}
	path := p.Text(name)
	for i := range p.rule.Texts {
		if t := &p.rule.Texts[i]; t.Name == name && t.DigestBy != "" && strings.Contains(path, "://") && !strings.Contains(path, "#") {
			if digest := p.Text(t.DigestBy); digest != "" {
				path += "#" + digest
			}
		}
	}
	in, err := p.more.open(path)
	if err != nil {
		return nil, err
	}
	d := &digestFile{in: in, h: sha256.New(), note: func(digest string) {
		if p.more.read == nil {
			p.more.read = map[string]string{}
		}
		p.more.read[name] = digest
	}}
	if f, ok := in.(fs.File); ok {
		return digestFileOfSize{d, f}, nil
	}
	return d, nil
}

// digestFile notes the digest of what is read of a file.
type digestFile struct {
	in   io.ReadCloser
	h    stdhash.Hash
	note func(digest string)
}

func (d *digestFile) Read(p []byte) (int, error) {
	n, err := d.in.Read(p)
	d.h.Write(p[:n])
	return n, err
}

func (d *digestFile) Close() error {
	_, err := io.Copy(io.Discard, d)
	if err == nil {
		d.note(fmt.Sprintf("sha256:%x", d.h.Sum(nil)))
	}
	return errors.Join(err, d.in.Close())
}

// digestFileOfSize is an fs.File.
type digestFileOfSize struct {
	*digestFile
	file fs.File
}

func (d digestFileOfSize) Stat() (fs.FileInfo, error) { return d.file.Stat() }

// Made is what Prepare has made.
func (p Values) Made() any { return p.more.made }

// Of is the value of a parameter that the rule has.
func (p Values) Of(name string) float64 {
	i, ok := p.rule.param(name)
	if !ok {
		panic("filter: rule " + p.rule.Name + " asks for a parameter that it does not have: " + name) // met by rules_test.go
	}
	return p.v[i]
}

// On is whether a switch is on.
func (p Values) On(name string) bool { return p.Of(name) != 0 }

// Comparison of a signal with its threshold.
type Comparison string

const (
	Above     Comparison = "above"       // fails above the threshold
	Below     Comparison = "below"       // fails below the threshold
	AtOrAbove Comparison = "at_or_above" // fails at the threshold, too
	AtOrBelow Comparison = "at_or_below" // fails at the threshold, too
	Found     Comparison = "found"       // fails above 0 if the parameter, a switch, is on
)

// fails compares a signal with a threshold.
func (c Comparison) fails(v, threshold float64) bool {
	switch c {
	case Below:
		return v < threshold
	case AtOrAbove:
		return v >= threshold
	case AtOrBelow:
		return v <= threshold
	}
	return v > threshold
}

// sign is the comparison as help writes it.
func (c Comparison) sign() string {
	switch c {
	case Below:
		return "<"
	case AtOrAbove:
		return ">="
	case AtOrBelow:
		return "<="
	}
	return ">"
}

// Test compares one signal with one parameter.
type Test struct {
	// Reason of the drop: the reference implementation's own word.
	Reason string
	// Signal is the name under which the value is written, snake_case. A name means one thing: tests that
	// share it have equal values.
	Signal  string
	Measure string // what the signal is, for help
	Compare Comparison
	Param   string
	// Fixed is the threshold of a test without a parameter.
	Fixed float64
	// ZeroOff says that a threshold of 0 switches the test off, as where the reference asks "if threshold
	// and value > threshold".
	ZeroOff bool
	// Value of the signal, exactly as the reference computes it. Without ok the test does not apply to the
	// document.
	Value func(*View, Values) (value float64, ok bool)
	// Passes, if there is one, knows of most documents that the test passes, at less cost than Value: false says that
	// Value has to be asked. It is asked where only the decision counts (View.brief).
	Passes func(v *View, threshold float64) bool
}

// threshold is what the signal is compared with, and whether the test is made at all.
func (t *Test) threshold(p Values) (threshold float64, on bool) {
	if t.Param == "" {
		return t.Fixed, true
	}
	threshold = p.Of(t.Param)
	if t.Compare == Found {
		return 0, threshold != 0
	}
	return threshold, !t.ZeroOff || threshold != 0
}

// Signal is a value that a rule computed.
type Signal struct {
	Name  string
	Value float64
}

func (r *Rule) param(name string) (int, bool) {
	for i := range r.Params {
		if r.Params[i].Name == name {
			return i, true
		}
	}
	return 0, false
}
