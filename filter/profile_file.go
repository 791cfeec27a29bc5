package filter

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"curate/record"
	"curate/stage"
)

// Keys of a profile's file and of what stands in it, in the order in which they are explained and written.
var (
	profileKeys = []string{"name", "version", "summary", "reproduces", "made_for", "extends", "words", "language", "rules", "languages", "drop_if", "keep_if"}
	ruleKeys    = []string{"rule", "set", "why"}
	listKeys    = []string{"file"}
)

// maxExtends is how many files may stand on each other's shoulders.
const maxExtends = 8

// ParseProfile reads a profile in YAML (docs/formats/profile.md). name is the file's, for messages, and what the paths in it
// begin from; open reads the files that it names. Errors name file, line and column.
func ParseProfile(name string, data []byte, open func(path string) ([]byte, error)) (Profile, error) {
	return parseProfile(name, data, open, nil)
}

// profileReader reads one file.
type profileReader struct {
	file string
	open func(path string) ([]byte, error)
	root *yamlNode
	p    Profile
}

func parseProfile(name string, data []byte, open func(path string) ([]byte, error), below []string) (Profile, error) {
	root, err := parseYAML(name, data)
	if err != nil {
		return Profile{}, err
	}
	if err := root.known("key of a profile", profileKeys); err != nil {
		return Profile{}, err
	}
	d := &profileReader{file: name, open: open, root: root}
	if root.get("extends") == nil && root.get("rules") == nil && root.get("drop_if") == nil && root.get("keep_if") == nil {
		return Profile{}, root.at.errorf("the profile decides nothing: it has none of extends, rules, drop_if, keep_if")
	}
	for _, read := range []func() error{
		func() error { return d.base(below) }, d.head, d.rules, d.languages, d.conditions,
	} {
		if err := read(); err != nil {
			return Profile{}, err
		}
	}
	return d.p, nil
}

// path is where a path of the file leads.
func (d *profileReader) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(d.file), filepath.FromSlash(p))
}

// IsProfilePath says whether a name is that of a file, and not of a profile of the table.
func IsProfilePath(name string) bool {
	if slices.Contains(profileNames(), name) {
		return false
	}
	return strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// base takes over what the profile extends.
func (d *profileReader) base(below []string) error {
	n := d.root.get("extends")
	if n == nil {
		return nil
	}
	name, err := n.scalar("extends")
	if err != nil {
		return err
	}
	if !IsProfilePath(name) {
		d.p, err = Lookup(name)
	} else {
		file := d.path(name)
		below = append(below, filepath.Clean(d.file))
		if slices.Contains(below, file) || len(below) > maxExtends {
			return n.at.errorf("%s extends itself, by way of %s", below[0], strings.Join(below[1:], ", "))
		}
		var data []byte
		if data, err = d.open(file); err == nil {
			if d.p, err = parseProfile(file, data, d.open, below); err != nil {
				return err // it says where
			}
		}
	}
	if err != nil {
		return n.at.errorf("%v", err)
	}
	d.p.Rules, d.p.Conditions, d.p.Languages = slices.Clone(d.p.Rules), slices.Clone(d.p.Conditions), slices.Clone(d.p.Languages)
	d.p.Summary, d.p.Reproduces = "made after "+d.p.Name, "nobody's decisions: made after "+d.p.Name
	return nil
}

// head reads what is a text or a number.
func (d *profileReader) head() error {
	file := filepath.Base(d.file)
	d.p.Name = strings.TrimSuffix(file, filepath.Ext(file))
	if d.p.Version == 0 || d.root.get("extends") != nil {
		d.p.Version = 1
	}
	for _, k := range []struct {
		key string
		to  *string
	}{{"name", &d.p.Name}, {"summary", &d.p.Summary}, {"reproduces", &d.p.Reproduces}, {"made_for", &d.p.Language}, {"words", &d.p.Words}, {"language", &d.p.LanguageField}} {
		n := d.root.get(k.key)
		if n == nil {
			continue
		}
		var err error
		if *k.to, err = n.scalar(k.key); err != nil {
			return err
		}
		switch k.key {
		case "name":
			if strings.ContainsAny(n.text, ",\n") {
				return n.at.errorf("a profile's name has no comma: %q", n.text)
			}
		case "words":
			if _, err := wordCutNamed(n.text); err != nil {
				return n.at.errorf("%v", err)
			}
		case "language":
			if _, err := record.ParsePath(n.text); err != nil {
				return n.at.errorf("%v", err)
			}
		}
	}
	if d.p.Words == "" {
		d.p.Words = "whitespace"
	}
	if n := d.root.get("version"); n != nil {
		v, err := strconv.Atoi(n.text)
		if n.kind != yamlScalar || n.style != 0 || err != nil || v < 1 {
			return n.at.errorf("\"version\" is a whole number from 1 on, not %s", n.is())
		}
		d.p.Version = v
	}
	return nil
}

// rules reads the list of rules: one that the base has gets more settings, another comes behind.
func (d *profileReader) rules() error {
	n := d.root.get("rules")
	if n == nil {
		return nil
	}
	if n.kind != yamlList {
		return n.at.errorf("\"rules\" is a list of rules (- rule: NAME), not %s", n.is())
	}
	inherited := len(d.p.Rules)
	for _, item := range n.items {
		if err := item.known("key of a rule", ruleKeys); err != nil {
			return err
		}
		named := item.get("rule")
		if named == nil {
			return item.at.errorf("the key \"rule\" is missing: which rule it is")
		}
		u, err := d.use(named)
		if err != nil {
			return err
		}
		if set := item.get("set"); set != nil {
			if u.Set, err = d.settings(u.Rule, set); err != nil {
				return err
			}
		}
		if why := item.get("why"); why != nil {
			if err := d.why(&u, why); err != nil {
				return err
			}
		}
		at := -1
		for i := range d.p.Rules[:inherited] {
			if d.p.Rules[i].Rule != u.Rule {
				continue
			}
			if at >= 0 {
				return named.at.errorf("%s stands twice in what the profile extends, and it is open which one is meant; leave \"extends\" out and list the rules", u.Rule)
			}
			at = i
		}
		if at >= 0 {
			d.p.Rules[at].Set = mergeSettings(d.p.Rules[at].Set, u.Set)
		} else {
			d.p.Rules = append(d.p.Rules, u)
		}
	}
	return nil
}

// use is a rule by its name, with its defaults.
func (d *profileReader) use(named *yamlNode) (RuleUse, error) {
	name, err := named.scalar("rule")
	if err != nil {
		return RuleUse{}, err
	}
	u := RuleUse{Rule: name}
	if _, err := u.values(); err != nil {
		return u, named.at.errorf("%v", err)
	}
	return u, nil
}

// mergeSettings are those of base and more; more wins.
func mergeSettings(base, more []Setting) []Setting {
	all := slices.Clone(base)
	for _, s := range more {
		if i := slices.IndexFunc(all, func(x Setting) bool { return x.Param == s.Param }); i >= 0 {
			all[i] = s
		} else {
			all = append(all, s)
		}
	}
	return all
}

// settings reads {param: value}.
func (d *profileReader) settings(rule string, n *yamlNode) ([]Setting, error) {
	r, _ := ruleNamed(rule)
	if n.isNull() {
		return nil, nil
	}
	if n.kind != yamlMapping {
		return nil, n.at.errorf("here stand parameters of %s with values (%s), not %s", rule, strings.Join(r.names(), ", "), n.is())
	}
	var list []Setting
	for _, k := range n.keys {
		if !slices.Contains(r.names(), k.name) {
			return nil, k.at.errorf("%v", stage.UnknownName("parameter of "+rule, k.name, r.names()))
		}
		v, err := d.value(r, k)
		if err != nil {
			return nil, err
		}
		s := Setting{Param: k.name, Value: v}
		p, err := (&RuleUse{Rule: rule}).values()
		if err == nil {
			err = p.set(s)
		}
		if err != nil {
			return nil, k.val.at.errorf("%v", err)
		}
		list = append(list, s)
	}
	return list, nil
}

// value of a parameter: a number, true or false; a text; a list of texts or {file: PATH}.
func (d *profileReader) value(r *Rule, k yamlKey) (any, error) {
	n := k.val
	if _, ok := r.param(k.name); ok {
		if n.kind == yamlScalar && n.style == 0 {
			switch n.text {
			case "true":
				return true, nil
			case "false":
				return false, nil
			}
			if v, err := strconv.ParseFloat(n.text, 64); err == nil && v >= 0 && v-v == 0 {
				return v, nil
			}
		}
		return nil, n.at.errorf("%s.%s is a number from 0 on, or true or false, not %s", r.Name, k.name, n.is())
	}
	for _, t := range r.Texts {
		if t.Name == k.name {
			v, err := n.scalar(k.name)
			if err == nil && t.File {
				v = d.path(v)
			}
			return v, err
		}
	}
	if n.kind == yamlMapping {
		return d.listFile(r.Name+"."+k.name, n)
	}
	return n.texts(k.name)
}

// listFile reads the lines of a file.
func (d *profileReader) listFile(what string, n *yamlNode) ([]string, error) {
	if err := n.known("key of a list", listKeys); err != nil {
		return nil, err
	}
	of := n.get("file")
	if of == nil {
		return nil, n.at.errorf("%s is a list of texts, or {file: PATH}", what)
	}
	name, err := of.scalar("file")
	if err != nil {
		return nil, err
	}
	name = d.path(name)
	data, err := d.open(name)
	if err != nil {
		return nil, of.at.errorf("%v", err)
	}
	list := []string{}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	for no := 1; len(data) > 0; no++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		if !utf8.Valid(line) {
			return nil, of.at.errorf("%s:%d: is not UTF-8", name, no)
		}
		if s := strings.TrimSpace(string(line)); s != "" {
			list = append(list, s)
		}
	}
	return list, nil
}

// why gives the settings their reasons: one text for all, or a text by parameter.
func (d *profileReader) why(u *RuleUse, n *yamlNode) error {
	if n.kind != yamlMapping {
		s, err := n.scalar("why")
		if err != nil {
			return err
		}
		for i := range u.Set {
			u.Set[i].Why = s
		}
		return nil
	}
	var names []string
	for _, s := range u.Set {
		names = append(names, s.Param)
	}
	if err := n.known("parameter that is set here", names); err != nil {
		return err
	}
	for i := range u.Set {
		if w := n.get(u.Set[i].Param); w != nil {
			var err error
			if u.Set[i].Why, err = w.scalar("why"); err != nil {
				return err
			}
		}
	}
	return nil
}

// languages reads thresholds by language.
func (d *profileReader) languages() error {
	n := d.root.get("languages")
	if n == nil {
		return nil
	}
	if n.kind != yamlMapping {
		return n.at.errorf("\"languages\" has a key for each language (eu: {RULE: {PARAM: VALUE}}), not %s", n.is())
	}
	var names []string
	for _, u := range d.p.Rules {
		names = append(names, u.Rule)
	}
	for _, lang := range n.keys {
		if err := lang.val.known("rule of the profile", names); err != nil {
			return err
		}
		at := slices.IndexFunc(d.p.Languages, func(l LanguageUse) bool { return l.Language == lang.name })
		l := LanguageUse{Language: lang.name}
		if at >= 0 {
			l.Rules = slices.Clone(d.p.Languages[at].Rules)
		}
		for _, rule := range lang.val.keys {
			set, err := d.settings(rule.name, rule.val)
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(l.Rules, func(u RuleUse) bool { return u.Rule == rule.name }); i >= 0 {
				l.Rules[i].Set = mergeSettings(l.Rules[i].Set, set)
			} else {
				l.Rules = append(l.Rules, RuleUse{rule.name, set})
			}
		}
		if at >= 0 {
			d.p.Languages[at] = l
		} else {
			d.p.Languages = append(d.p.Languages, l)
		}
	}
	slices.SortFunc(d.p.Languages, func(a, b LanguageUse) int { return cmp.Compare(a.Language, b.Language) })
	return nil
}

// conditions reads expressions: one text, whose name is the key's, or texts by name.
func (d *profileReader) conditions() error {
	for _, key := range []string{"drop_if", "keep_if"} {
		n := d.root.get(key)
		if n == nil {
			continue
		}
		of := []yamlKey{{key, n.at, n}}
		if n.kind == yamlMapping {
			of = n.keys
		} else if n.kind == yamlList {
			return n.at.errorf("%q is an expression, or expressions by name (no_license: 'license == nil'), not a list", key)
		}
		for _, k := range of {
			if !conditionName(k.name) {
				return k.at.errorf("%q becomes a reason: it is made of letters a to z, digits, _, - and .", k.name)
			}
			if k.val.kind != yamlScalar || k.val.isNull() {
				return k.val.at.errorf("%q is an expression, not %s", k.name, k.val.is())
			}
			c := Condition{Name: k.name, Expression: strings.TrimRight(k.val.text, " \n"), Keep: key == "keep_if"}
			prog, err := compileCondition(c, signalNames())
			if err != nil {
				if e, ok := err.(*ExpressionError); ok {
					return k.val.inside(e.Column).errorf("%v", e)
				}
				return k.val.at.errorf("%v", err)
			}
			for _, s := range prog.signals {
				if !d.p.hasSignal(s) && ruleWithSignal(s) == nil {
					return k.val.at.errorf("%v", noSignal(s))
				}
			}
			if i := slices.IndexFunc(d.p.Conditions, func(x Condition) bool { return x.Name == c.Name }); i >= 0 {
				d.p.Conditions[i] = c
			} else {
				d.p.Conditions = append(d.p.Conditions, c)
			}
		}
	}
	slices.SortStableFunc(d.p.Conditions, func(a, b Condition) int { return int(one(a.Keep) - one(b.Keep)) })
	return nil
}

func conditionName(s string) bool {
	return s != "" && len(s) <= 100 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == ""
}

// hasSignal says whether a rule of the profile has the signal.
func (p *Profile) hasSignal(signal string) bool {
	return slices.ContainsFunc(p.Rules, func(u RuleUse) bool {
		r, ok := ruleNamed(u.Rule)
		return ok && slices.ContainsFunc(r.Tests, func(t Test) bool { return t.Signal == signal })
	})
}
