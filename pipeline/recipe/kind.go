package recipe

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

// Kind is what a step may name: a stage, or a few that belong together. The keys below its name are its
// configuration.
type Kind struct {
	Name    string
	Summary string
	Keys    []Key // in the order in which they are explained
	// Short, if there is one, is the key whose value may stand in place of all keys: "exec: CMD" for "exec: {command: CMD}".
	Short string
	// Result says that its output is what it found, not records: it is the last of its step, and no step reads from
	// it but by a StepOrPath key.
	Result bool
	// Check finds what the types of the keys cannot, before anything runs. It may be nil.
	Check func(v *Values) error
	// CheckInputs is the same for what the values say of the step's inputs, which are named as in Setting.Inputs. It may
	// be nil.
	CheckInputs func(v *Values, inputs []string) error
	// Build makes the stages, once the steps before have run. It opens nothing that waits or costs: that
	// comes with the first record, and those that are io.Closers are closed behind the step.
	Build func(ctx context.Context, v *Values, s Setting) ([]stage.Stage, error)
	// Index is of a kind whose stages may keep an index of what they have kept (indexed.go); nil of others.
	Index *IndexKind
	// Task makes the work of a step that reads no records, in place of Build: what it needs are StepOrPath and RecordsOf keys.
	// Such a kind is alone in its step, which has neither read nor from. Progress of the setting is told of it while it
	// runs.
	Task func(ctx context.Context, v *Values, s Setting) (*pipeline.Task, error)
	// Seconds is an estimate of how long a Task takes with so many workers, 0 if nothing can be said. It may be nil.
	Seconds func(v *Values, workers int) float64
	// Reserve is how many bytes of memory the stages hold from beginning to end, such as models. It may be nil.
	Reserve func(v *Values, workers int) int64
	// Chunk is how many bytes of input a worker takes at a time at most, 0 for the engine's own: less for a stage that
	// is so slow that work would not spread, nor progress show.
	Chunk int
	// Stays says that what it reserves is not given back when its step is done.
	Stays bool
	// RecordCost is what the stages need as pipeline.Job.RecordCost, 0 for the usual.
	RecordCost int64
	// Cost is what they need where that depends on the values, in place of RecordCost. It may be nil.
	Cost func(v *Values) int64
	// Speed is how many MB (10^6 bytes) of JSON Lines a core takes a second, for estimates; Factor is how many times
	// its input it puts on disk in between.
	Speed, Factor float64
}

// Setting is what stages of a run have in common.
type Setting struct {
	Run       string // the run directory
	TextField record.Path
	Workers   int
	Memory    int64
	Log       *slog.Logger
	Inputs    []Input // of the step, in the order of its manifest
	// Rank is the number of this process among those that share the run; "" if it does it alone. What a stage keeps for
	// itself on a disk is then a rank's own.
	Rank string
	// Of a Task: the folder of its step, and what it keeps up to date while it runs.
	Dir      string
	Progress *pipeline.Progress
}

// Input is one of what a step reads: an earlier step, by its name, or a path or glob, as it is written.
type Input struct {
	Name  string
	Files int
}

// Type of a key's value.
type Type int

const (
	Text       Type = iota
	Integer         // a whole number
	Number          // any finite number
	Boolean         // true or false
	Texts           // a list of texts, or one
	Share           // "75%" or 0.75
	StepOrPath      // the name of an earlier step that makes a result, or a path
	RecordsOf       // the names of earlier steps that make records, and files, globs and directories of records: a list, or one
	Object          // keys of its own
	Objects         // a list of objects
)

func (t Type) String() string {
	return [...]string{"text", "a whole number", "a number", "true or false", "a list of texts", "a share such as 75%", "the name of an earlier step, or a path", "a list of names of earlier steps and paths", "keys with values", "a list of keys with values"}[t]
}

// Key is one setting of a kind.
type Key struct {
	Name     string
	Type     Type
	Default  any      // string, int64, float64, bool or []string, by Type; nil is no value
	Choices  []string // of a Text; nil is any
	Min, Max float64  // of a number, if Min < Max
	// Otherwise is for an Object that is in force, with its defaults, where none of the keys beside it is given.
	Otherwise bool
	Required  bool
	Keys      []Key // of an Object or Objects
	Help      string
}

// Values are the values of keys, checked against their types.
type Values struct {
	at    place
	keys  []Key
	given map[string]*value
}

type value struct {
	at      place
	text    string
	number  float64
	integer int64
	boolean bool
	texts   []string
	objects []*Values // one of an Object
	step    *Step     // that a StepOrPath names
	steps   []*Step   // that the texts of a RecordsOf name, nil for paths
}

// long is a value with its keys, where it may be written without.
func (k *Kind) long(n *node) *node {
	if k.Short == "" || n.kind == mapping || n.isNull() {
		return n
	}
	return &node{kind: mapping, at: n.at, keys: []entry{{name: k.Short, at: n.at, val: n}}}
}

func names(keys []Key) []string {
	var list []string
	for _, k := range keys {
		list = append(list, k.Name)
	}
	return list
}

// read checks a mapping against keys. A scalar null is a mapping without keys.
func read(n *node, keys []Key) (*Values, error) {
	v := &Values{at: n.at, keys: keys, given: map[string]*value{}}
	if n.isNull() {
		n = &node{kind: mapping, at: n.at}
	}
	if n.kind != mapping {
		return nil, n.at.errorf("here stand keys with values (%s), not %s", strings.Join(names(keys), ", "), n.kind)
	}
	for _, e := range n.keys {
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == e.name })
		if i < 0 {
			return nil, e.at.errorf("%v", stage.UnknownName("key", e.name, names(keys)))
		}
		val, err := readValue(e.val, &keys[i])
		if err != nil {
			return nil, err
		}
		v.given[e.name] = val
	}
	for _, k := range keys {
		if k.Required && v.given[k.Name] == nil {
			return nil, v.at.errorf("the key %q is missing: %s", k.Name, k.Help)
		}
	}
	return v, nil
}

func readValue(n *node, k *Key) (*value, error) {
	v := &value{at: n.at, text: n.text}
	wrong := func() error {
		is := n.kind.String()
		if n.kind == scalar {
			is = strconv.Quote(n.text)
		}
		return n.at.errorf("%q is %s, not %s", k.Name, k.Type, is)
	}
	if want := map[Type]nodeKind{Object: mapping, Objects: sequence}[k.Type]; k.Type != Texts && k.Type != RecordsOf && k.Type != Object && n.kind != want {
		return nil, wrong()
	}
	var err error
	switch k.Type {
	case Text, StepOrPath:
		if n.text == "" || n.isNull() {
			return nil, n.at.errorf("%q is empty; leave it out, or give it a value", k.Name)
		}
		if k.Choices != nil && !slices.Contains(k.Choices, n.text) {
			return nil, n.at.errorf("%v", stage.UnknownName(k.Name, n.text, k.Choices))
		}
	case Integer:
		if v.integer, err = strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 10, 64); err != nil || n.quoted {
			return nil, wrong()
		}
		v.number = float64(v.integer)
	case Number:
		if v.number, err = strconv.ParseFloat(n.text, 64); err != nil || n.quoted || v.number != v.number || v.number-v.number != 0 {
			return nil, wrong()
		}
	case Share:
		text, percent := strings.CutSuffix(n.text, "%")
		if v.number, err = strconv.ParseFloat(text, 64); err != nil {
			return nil, wrong()
		}
		if percent {
			v.number /= 100
		}
		if !(v.number >= 0 && v.number <= 1) {
			return nil, wrong()
		}
	case Boolean:
		if v.boolean = n.text == "true"; n.quoted || !v.boolean && n.text != "false" {
			return nil, wrong()
		}
	case Texts, RecordsOf:
		switch n.kind {
		case scalar:
			if n.isNull() {
				n.text = ""
			}
			v.texts = []string{n.text}
		case sequence:
			for _, item := range n.items {
				if item.kind != scalar {
					return nil, item.at.errorf("%q is %s, not a list of %s", k.Name, k.Type, item.kind)
				}
				if item.isNull() {
					return nil, item.at.errorf("%q holds an empty text", k.Name)
				}
				v.texts = append(v.texts, item.text)
			}
		default:
			return nil, wrong()
		}
		for _, t := range v.texts {
			if t == "" {
				return nil, n.at.errorf("%q holds an empty text", k.Name)
			}
			if k.Choices != nil && !slices.Contains(k.Choices, t) {
				return nil, n.at.errorf("%v", stage.UnknownName(k.Name, t, k.Choices))
			}
		}
		if len(v.texts) == 0 {
			return nil, n.at.errorf("%q is an empty list; leave it out, or name something", k.Name)
		}
	case Object:
		o, err := read(n, k.Keys)
		if err != nil {
			return nil, err
		}
		v.objects = []*Values{o}
	case Objects:
		for _, item := range n.items {
			o, err := read(item, k.Keys)
			if err != nil {
				return nil, err
			}
			v.objects = append(v.objects, o)
		}
	}
	if (k.Type == Integer || k.Type == Number) && k.Min < k.Max && (v.number < k.Min || v.number > k.Max) {
		return nil, n.at.errorf("%q is a number from %s to %s, not %s", k.Name, plain(k.Min), plain(k.Max), n.text)
	}
	return v, nil
}

// plain writes a number without an exponent.
func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (v *Values) key(name string, types ...Type) *Key {
	for i := range v.keys {
		if v.keys[i].Name == name && slices.Contains(types, v.keys[i].Type) {
			return &v.keys[i]
		}
	}
	panic(fmt.Sprintf("no key %q of these types %v is declared", name, types))
}

// Given says whether the recipe has the key, with another value than its default: one that says what holds anyway is the recipe without
// it, as what WriteConfig writes must be.
func (v *Values) Given(name string) bool {
	g := v.given[name]
	if g == nil {
		return false
	}
	i := slices.IndexFunc(v.keys, func(k Key) bool { return k.Name == name })
	switch d := v.keys[i].Default.(type) {
	case string:
		return g.text != d
	case int64:
		return g.integer != d
	case float64:
		return g.number != d
	case bool:
		return g.boolean != d
	case []string:
		return !slices.Equal(g.texts, d)
	}
	return true
}

// Text is a Text or StepOrPath, "" without value and default.
func (v *Values) Text(name string) string {
	k := v.key(name, Text, StepOrPath)
	if g := v.given[name]; g != nil {
		return g.text
	}
	s, _ := k.Default.(string)
	return s
}

// Integer is an Integer, 0 without value and default.
func (v *Values) Integer(name string) int64 {
	k := v.key(name, Integer)
	if g := v.given[name]; g != nil {
		return g.integer
	}
	n, _ := k.Default.(int64)
	return n
}

// Number is a Number, Share or Integer, 0 without value and default.
func (v *Values) Number(name string) float64 {
	k := v.key(name, Number, Share, Integer)
	if g := v.given[name]; g != nil {
		return g.number
	}
	switch d := k.Default.(type) {
	case float64:
		return d
	case int64:
		return float64(d)
	}
	return 0
}

// Boolean is a Boolean, false without value and default.
func (v *Values) Boolean(name string) bool {
	k := v.key(name, Boolean)
	if g := v.given[name]; g != nil {
		return g.boolean
	}
	b, _ := k.Default.(bool)
	return b
}

// Texts is a Texts, nil without value and default.
func (v *Values) Texts(name string) []string {
	k := v.key(name, Texts)
	if g := v.given[name]; g != nil {
		return g.texts
	}
	l, _ := k.Default.([]string)
	return l
}

// Object is an Object, nil if it is not given.
func (v *Values) Object(name string) *Values {
	v.key(name, Object)
	if g := v.given[name]; g != nil {
		return g.objects[0]
	}
	return nil
}

// Objects is a list of objects, nil if it is not given.
func (v *Values) Objects(name string) []*Values {
	v.key(name, Objects)
	if g := v.given[name]; g != nil {
		return g.objects
	}
	return nil
}

// Path is where a StepOrPath leads: the folder of the step in the run directory, or the path.
func (v *Values) Path(name string) string {
	v.key(name, StepOrPath)
	g := v.given[name]
	switch {
	case g == nil:
		return ""
	case g.step != nil:
		return g.step.Dir()
	}
	return g.text
}

// Paths are where a RecordsOf leads: the folders of steps in the run directory, and the paths.
func (v *Values) Paths(name string) []string {
	v.key(name, RecordsOf)
	g := v.given[name]
	if g == nil {
		return nil
	}
	paths := slices.Clone(g.texts)
	for i, s := range g.steps {
		if s != nil {
			paths[i] = s.Dir()
		}
	}
	return paths
}

// Errorf is an error at a key's value, or where the keys stand if it has none.
func (v *Values) Errorf(name, format string, args ...any) error {
	at := v.at
	if g := v.given[name]; g != nil {
		at = g.at
	}
	return at.errorf(format, args...)
}

// wrongUsage gives an error of a constructor the place of the stage that it is about.
func wrongUsage(at place, kind string, err error) error {
	if u, ok := err.(*pipeline.UsageError); ok {
		return u
	}
	return at.errorf("%s: %v", kind, err)
}
