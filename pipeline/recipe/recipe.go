package recipe

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

// Recipe is a pipeline as it was written, checked.
type Recipe struct {
	File       string   // its name
	With       []string // names of the overlays that have changed it
	Run        string   // the run directory
	TextField  record.Path
	Quarantine pipeline.Allowance // of each step that says nothing else
	Steps      []*Step            // a step stands behind those that it reads

	kinds []Kind
}

// Step is one job of the pipeline.
type Step struct {
	Name  string
	Read  []string // files, globs, directories
	From  []*Step  // steps whose records it reads
	Uses  []Use    // what it does, in order
	Needs []*Step  // all steps that must be done before, From among them
	// Quarantine is how many of its records may be quarantined.
	Quarantine pipeline.Allowance
	Repair     record.Repairs
	recipe     *Recipe
	at         place
}

// Use is a kind with its values.
type Use struct {
	Kind   *Kind
	Values *Values
	at     place
}

// Dir is the step's folder in the run directory.
func (s *Step) Dir() string { return path.Join(s.recipe.Run, s.Name) }

// Result says whether it makes something else than records.
func (s *Step) Result() bool { return s.Uses[len(s.Uses)-1].Kind.Result }

// Version of recipes that this package reads.
const Version = 1

// topKeys are the keys of a recipe, stepKeys those of a step that are no kinds.
var (
	topKeys = []Key{
		{Name: "version", Type: Integer, Required: true, Help: "which form of recipe this is; write 1"},
		{Name: "run", Type: Text, Required: true, Help: "the run directory; each step has a folder in it"},
		{Name: "inputs", Type: Text, Help: "the folder that {inputs} stands for in values of the steps, such as read: \"{inputs}/raw\""},
		{Name: "text_field", Type: Text, Default: "text", Help: "dotted path of the text in a record"},
		{Name: "quarantine", Type: Object, Keys: quarantineKeys, Help: "records that cannot be read or processed"},
		{Name: "steps", Type: Objects, Required: true, Help: "what is done, each step behind those that it reads"},
	}
	stepKeys = []Key{
		{Name: "name", Type: Text, Required: true, Help: "of the step, and of its folder in the run directory"},
		{Name: "read", Type: Texts, Help: "files, globs and directories to read, relative to the working directory"},
		{Name: "from", Type: Texts, Help: "earlier steps whose records are read"},
		{Name: "quarantine", Type: Object, Keys: quarantineKeys, Help: "likewise, of this step alone"},
		{Name: "repair", Type: Texts, Help: "what is repaired in a line that is no strict JSON, and counted, instead of quarantined: nan (NaN, Infinity and -Infinity become null), surrogates (escapes of lone surrogates become \\ufffd)"},
	}
	quarantineKeys = []Key{
		{Name: "max", Type: Text, Default: "0", Help: "number or share (0.1%) of a step's records that may be quarantined; with more the run ends with exit code 3"},
	}
)

var stepName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Parse reads a recipe. with are overlays that change it, in order, and sets KEY=VALUE that change what these leave. Every
// error says where, and is a [pipeline.UsageError].
func Parse(file string, text []byte, with []Overlay, sets []string, kinds []Kind) (*Recipe, error) {
	root, err := parse(file, text)
	if err != nil {
		return nil, err
	}
	if root.kind != mapping {
		return nil, root.at.errorf("a recipe is keys with values (%s), not %s", strings.Join(names(topKeys), ", "), root.kind)
	}
	for i := range with {
		if err := with[i].apply(root); err != nil {
			return nil, err
		}
	}
	for _, s := range sets {
		if err := root.set(s); err != nil {
			return nil, err
		}
	}
	steps := root.get("steps")
	shallow := *root // the steps have keys that the kinds declare
	shallow.keys = slices.Clone(root.keys)
	for i := range shallow.keys {
		if e := &shallow.keys[i]; e.name == "steps" && e.val.kind == sequence {
			e.val = &node{kind: sequence, at: e.val.at}
		}
	}
	top, err := read(&shallow, topKeys)
	if err != nil {
		return nil, err
	}
	if v := top.Integer("version"); v != Version {
		return nil, top.Errorf("version", "version %d of recipes; this program reads version %d", v, Version)
	}
	r := &Recipe{File: file, Run: path.Clean(top.Text("run")), kinds: kinds}
	for i := range with {
		r.With = append(r.With, with[i].File)
	}
	if top.Given("inputs") {
		steps.fill("{inputs}", strings.TrimSuffix(top.Text("inputs"), "/"))
	}
	if r.TextField, err = record.ParsePath(top.Text("text_field")); err != nil {
		return nil, top.Errorf("text_field", "%v", err)
	}
	if q := top.Object("quarantine"); q != nil {
		if r.Quarantine, err = pipeline.ParseAllowance(q.Text("max")); err != nil {
			return nil, q.Errorf("max", "%v", err)
		}
	}
	if len(steps.items) == 0 {
		return nil, steps.at.errorf("there are no steps")
	}
	for _, n := range steps.items {
		s, err := r.step(n)
		if err != nil {
			return nil, err
		}
		r.Steps = append(r.Steps, s)
	}
	return r, nil
}

// step reads a step that stands behind r.Steps.
func (r *Recipe) step(n *node) (*Step, error) {
	if n.kind != mapping {
		return nil, n.at.errorf("a step is keys with values, not %s", n.kind)
	}
	all := names(stepKeys)
	for i := range r.kinds {
		all = append(all, r.kinds[i].Name)
	}
	own := &node{kind: mapping, at: n.at}
	s := &Step{recipe: r, at: n.at}
	for _, e := range n.keys {
		if slices.Contains(names(stepKeys), e.name) {
			own.keys = append(own.keys, e)
			continue
		}
		i := slices.IndexFunc(r.kinds, func(k Kind) bool { return k.Name == e.name })
		if i < 0 {
			return nil, e.at.errorf("%v", stage.UnknownName("key or stage of a step", e.name, all))
		}
		v, err := read(r.kinds[i].long(e.val), r.kinds[i].Keys)
		if err != nil {
			return nil, err
		}
		s.Uses = append(s.Uses, Use{&r.kinds[i], v, e.at})
	}
	v, err := read(own, stepKeys)
	if err != nil {
		return nil, err
	}
	s.Name, s.Read, s.Quarantine = v.Text("name"), v.Texts("read"), r.Quarantine
	if q := v.Object("quarantine"); q != nil {
		if s.Quarantine, err = pipeline.ParseAllowance(q.Text("max")); err != nil {
			return nil, q.Errorf("max", "%v", err)
		}
	}
	if s.Repair, err = record.ParseRepairs(v.Texts("repair")); err != nil {
		return nil, v.Errorf("repair", "%v", err)
	}
	if !stepName.MatchString(s.Name) {
		return nil, v.Errorf("name", "%q: a step's name has small letters, digits, \".\", \"-\" and \"_\", 64 at most, and begins with a letter or a digit", s.Name)
	}
	if r.named(s.Name) != nil {
		return nil, v.Errorf("name", "the step %q stands here twice", s.Name)
	}
	for _, name := range v.Texts("from") {
		from := r.named(name)
		if from == nil {
			return nil, v.Errorf("from", "%v", r.unknown(name))
		}
		if from.Result() {
			return nil, v.Errorf("from", "the step %q makes no records: its output is what %s found", name, from.Uses[len(from.Uses)-1].Kind.Name)
		}
		if slices.Contains(s.From, from) {
			return nil, v.Errorf("from", "the step %q is named twice", name)
		}
		s.From = append(s.From, from)
		s.need(from)
	}
	if err := s.alone(v); err != nil {
		return nil, err
	}
	if len(s.Read)+len(s.From) == 0 && s.task() == nil {
		return nil, n.at.errorf("the step %q reads nothing: name files under \"read\", or earlier steps under \"from\"", s.Name)
	}
	if len(s.Uses) == 0 {
		return nil, n.at.errorf("the step %q does nothing; there are: %s", s.Name, strings.Join(all[len(stepKeys):], ", "))
	}
	for i, u := range s.Uses {
		if u.Kind.Result && i < len(s.Uses)-1 {
			return nil, s.Uses[i+1].at.errorf("%s stands behind %s, which lets no records through; make it a step of its own", s.Uses[i+1].Kind.Name, u.Kind.Name)
		}
		if err := r.refer(s, u.Values); err != nil {
			return nil, err
		}
		if x := s.indexed(); x != nil && u.Kind.Result {
			return nil, u.at.errorf("%s stands in a step with an index, which would show it new files alone; make it a step of its own", u.Kind.Name)
		}
		if u.Kind.Check != nil {
			if err := u.Kind.Check(u.Values); err != nil {
				return nil, wrongUsage(u.at, u.Kind.Name, err)
			}
		}
		if u.Kind.CheckInputs != nil {
			inputs := slices.Clone(s.Read)
			for _, from := range s.From {
				inputs = append(inputs, from.Name)
			}
			if err := u.Kind.CheckInputs(u.Values, inputs); err != nil {
				return nil, wrongUsage(u.at, u.Kind.Name, err)
			}
		}
	}
	return s, nil
}

// task is what the step does if that reads no records; nil if it does.
func (s *Step) task() *Use {
	for i := range s.Uses {
		if s.Uses[i].Kind.Task != nil {
			return &s.Uses[i]
		}
	}
	return nil
}

// alone refuses a step in which something that reads no records stands beside something that does.
func (s *Step) alone(v *Values) error {
	t := s.task()
	if t == nil {
		return nil
	}
	for i := range s.Uses {
		if u := &s.Uses[i]; u != t {
			return u.at.errorf("%s stands beside %s, which reads no records; make it a step of its own", u.Kind.Name, t.Kind.Name)
		}
	}
	for _, key := range []string{"read", "from"} {
		if v.Given(key) {
			return v.Errorf(key, "%s reads no records: what it needs stands among its own keys; leave out %q", t.Kind.Name, key)
		}
	}
	return nil
}

// refer finds the steps that values name.
func (r *Recipe) refer(s *Step, v *Values) error {
	for _, k := range v.keys {
		g := v.given[k.Name]
		if g == nil {
			continue
		}
		for _, o := range g.objects {
			if err := r.refer(s, o); err != nil {
				return err
			}
		}
		if k.Type == RecordsOf {
			if err := r.referRecords(s, k.Name, g); err != nil {
				return err
			}
		}
		if k.Type != StepOrPath {
			continue
		}
		if to := r.named(g.text); to != nil {
			if !to.Result() {
				return g.at.errorf("the step %q makes records, and no %s", g.text, k.Name)
			}
			g.step = to
			s.need(to)
		} else if !strings.ContainsAny(g.text, "/.") {
			return g.at.errorf("%v. A path has a slash or a dot", r.unknown(g.text))
		}
	}
	return nil
}

// referRecords finds the steps among the texts of a RecordsOf.
func (r *Recipe) referRecords(s *Step, key string, g *value) error {
	g.steps = make([]*Step, len(g.texts))
	for i, text := range g.texts {
		to := r.named(text)
		switch {
		case to == nil && !strings.ContainsAny(text, "/.*?["):
			return g.at.errorf("%v. A path has a slash or a dot", r.unknown(text))
		case to == nil:
			continue
		case to.Result():
			return g.at.errorf("the step %q makes no records, which %s are", text, key)
		}
		g.steps[i] = to
		s.need(to)
	}
	return nil
}

func (r *Recipe) named(name string) *Step {
	for _, s := range r.Steps {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func (r *Recipe) unknown(name string) error {
	var all []string
	for _, s := range r.Steps {
		all = append(all, s.Name)
	}
	return stage.UnknownName("earlier step", name, all)
}

func (s *Step) need(other *Step) {
	if !slices.Contains(s.Needs, other) {
		s.Needs = append(s.Needs, other)
	}
}

// needsAny says whether the step reads from one of others, or from one that does.
func (s *Step) needsAny(others []*Step) bool {
	for _, n := range s.Needs {
		if slices.Contains(others, n) || n.needsAny(others) {
			return true
		}
	}
	return false
}
