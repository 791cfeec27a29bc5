package filter

import (
	"github.com/goccy/go-yaml"
)

// YAML is the profile as a file that ParseProfile reads: the same decisions, nothing extended. Lists stand in it, whatever
// files they came from.
func (p Profile) YAML() ([]byte, error) {
	root := yaml.MapSlice{{Key: "name", Value: p.Name}, {Key: "version", Value: p.Version}}
	add := func(key string, value any) { root = append(root, yaml.MapItem{Key: key, Value: value}) }
	for _, k := range []struct{ key, value string }{
		{"summary", p.Summary}, {"reproduces", p.Reproduces}, {"made_for", p.Language}, {"words", p.Words}, {"language", p.LanguageField},
	} {
		if k.value != "" {
			add(k.key, k.value)
		}
	}
	rules := []yaml.MapSlice{}
	for i := range p.Rules {
		u := &p.Rules[i]
		rule := yaml.MapSlice{{Key: "rule", Value: u.Rule}}
		why := yaml.MapSlice{}
		for _, s := range u.Set {
			if s.Why != "" {
				why = append(why, yaml.MapItem{Key: s.Param, Value: s.Why})
			}
		}
		if len(u.Set) > 0 {
			rule = append(rule, yaml.MapItem{Key: "set", Value: settingsYAML(u.Set)})
		}
		if len(why) > 0 {
			rule = append(rule, yaml.MapItem{Key: "why", Value: why})
		}
		rules = append(rules, rule)
	}
	add("rules", rules)
	if len(p.Languages) > 0 {
		languages := yaml.MapSlice{}
		for _, l := range p.Languages {
			of := yaml.MapSlice{}
			for _, u := range l.Rules {
				of = append(of, yaml.MapItem{Key: u.Rule, Value: settingsYAML(u.Set)})
			}
			languages = append(languages, yaml.MapItem{Key: l.Language, Value: of})
		}
		add("languages", languages)
	}
	for _, keep := range []bool{false, true} {
		conditions := yaml.MapSlice{}
		for _, c := range p.Conditions {
			if c.Keep == keep {
				conditions = append(conditions, yaml.MapItem{Key: c.Name, Value: c.Expression})
			}
		}
		if len(conditions) > 0 {
			add(map[bool]string{false: "drop_if", true: "keep_if"}[keep], conditions)
		}
	}
	return yaml.MarshalWithOptions(root, yaml.IndentSequence(true))
}

func settingsYAML(set []Setting) yaml.MapSlice {
	list := yaml.MapSlice{}
	for _, s := range set {
		v := s.Value
		if n, ok := asNumber(v); ok {
			if _, isBool := v.(bool); !isBool {
				v = n
				if n == float64(int64(n)) { // 25 and not 25.0
					v = int64(n)
				}
			}
		}
		list = append(list, yaml.MapItem{Key: s.Param, Value: v})
	}
	return list
}
