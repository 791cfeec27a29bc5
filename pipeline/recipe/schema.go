package recipe

import (
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"
)

// WriteSchema writes the JSON schema (draft 2020-12) of recipes with these kinds, for editors.
func WriteSchema(w io.Writer, kinds []Kind) error {
	step := object(stepKeys)
	props := step["properties"].(map[string]any)
	for i := range kinds {
		k := object(kinds[i].Keys)
		k["description"] = kinds[i].Summary
		if _, required := k["required"]; !required {
			k["type"] = []string{"object", "null"}
		}
		if short := kinds[i].Short; short != "" {
			at := slices.IndexFunc(kinds[i].Keys, func(k Key) bool { return k.Name == short })
			k = map[string]any{"anyOf": []any{k, property(&kinds[i].Keys[at])}}
		}
		props[kinds[i].Name] = k
	}
	root := object(topKeys)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "a recipe of curate"
	root["properties"].(map[string]any)["version"].(map[string]any)["const"] = Version
	root["properties"].(map[string]any)["steps"] = map[string]any{"type": "array", "minItems": 1, "items": step, "description": topKeys[len(topKeys)-1].Help}
	b, err := json.Marshal(root, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func object(keys []Key) map[string]any {
	props := map[string]any{}
	var required []string
	for _, k := range keys {
		props[k.Name] = property(&k)
		if k.Required {
			required = append(required, k.Name)
		}
	}
	o := map[string]any{"type": "object", "properties": props, "additionalProperties": false}
	if required != nil {
		o["required"] = required
	}
	return o
}

func property(k *Key) map[string]any {
	var p map[string]any
	switch k.Type {
	case Integer, Number:
		p = map[string]any{"type": map[Type]string{Integer: "integer", Number: "number"}[k.Type]}
		if k.Min < k.Max {
			p["minimum"], p["maximum"] = k.Min, k.Max
		}
	case Boolean:
		p = map[string]any{"type": "boolean"}
	case Texts, RecordsOf:
		item := map[string]any{"type": "string"}
		if k.Choices != nil {
			item["enum"] = k.Choices
		}
		p = map[string]any{"oneOf": []any{item, map[string]any{"type": "array", "minItems": 1, "items": item}}}
	case Share:
		p = map[string]any{"oneOf": []any{
			map[string]any{"type": "string", "pattern": `^[0-9.]+%$`},
			map[string]any{"type": "number", "minimum": 0, "maximum": 1},
		}}
	case Object:
		p = object(k.Keys)
		if _, required := p["required"]; !required {
			p["type"] = []string{"object", "null"}
		}
	case Objects:
		p = map[string]any{"type": "array", "items": object(k.Keys)}
	default:
		p = map[string]any{"type": []string{"string", "number", "boolean"}} // YAML reads 0.5 or true as such
		if k.Choices != nil {
			p = map[string]any{"enum": k.Choices}
		}
	}
	p["description"] = k.Help
	if k.Default != nil {
		p["default"] = k.Default
	}
	return p
}

// WriteConfig writes the recipe with every value in force, as YAML that is a recipe again.
func (r *Recipe) WriteConfig(w io.Writer) error {
	var steps []yaml.MapSlice
	for _, s := range r.Steps {
		step := yaml.MapSlice{{Key: "name", Value: s.Name}}
		if len(s.Read) > 0 {
			step = append(step, yaml.MapItem{Key: "read", Value: s.Read})
		}
		if len(s.From) > 0 {
			var from []string
			for _, f := range s.From {
				from = append(from, f.Name)
			}
			step = append(step, yaml.MapItem{Key: "from", Value: from})
		}
		if s.Quarantine.String() != r.Quarantine.String() {
			step = append(step, yaml.MapItem{Key: "quarantine", Value: yaml.MapSlice{{Key: "max", Value: s.Quarantine.String()}}})
		}
		for _, u := range s.Uses {
			step = append(step, yaml.MapItem{Key: u.Kind.Name, Value: u.Values.config()})
		}
		steps = append(steps, step)
	}
	b, err := yaml.MarshalWithOptions(yaml.MapSlice{
		{Key: "version", Value: Version},
		{Key: "run", Value: r.Run},
		{Key: "text_field", Value: r.TextField.String()},
		{Key: "quarantine", Value: yaml.MapSlice{{Key: "max", Value: r.Quarantine.String()}}},
		{Key: "steps", Value: steps},
	}, yaml.IndentSequence(true))
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// config are the values in force.
func (v *Values) config() yaml.MapSlice {
	list := yaml.MapSlice{}
	for i := range v.keys {
		k := &v.keys[i]
		g := v.given[k.Name]
		var val any
		switch {
		case g == nil && k.Otherwise && len(v.given) == 0:
			val = (&Values{keys: k.Keys}).config()
		case g == nil:
			val = k.Default
		case k.Type == Object:
			val = g.objects[0].config()
		case k.Type == Objects:
			var items []yaml.MapSlice
			for _, o := range g.objects {
				items = append(items, o.config())
			}
			val = items
		case k.Type == Integer:
			val = g.integer
		case k.Type == Number, k.Type == Share:
			val = g.number
		case k.Type == Boolean:
			val = g.boolean
		case k.Type == Texts, k.Type == RecordsOf:
			val = g.texts
		default:
			val = g.text
		}
		if val != nil {
			list = append(list, yaml.MapItem{Key: k.Name, Value: val})
		}
	}
	return list
}

// Help describes the keys of a recipe and of a step, then the kinds and their keys.
func Help(kinds []Kind) string {
	var b strings.Builder
	b.WriteString("A recipe has the keys\n")
	helpKeys(&b, "  ", topKeys)
	b.WriteString("A step has the keys\n")
	helpKeys(&b, "  ", stepKeys)
	b.WriteString("and one or more stages:\n")
	for _, k := range slices.SortedFunc(slices.Values(kinds), func(a, b Kind) int { return strings.Compare(a.Name, b.Name) }) {
		b.WriteString("  " + k.Name + ": " + k.Summary + "\n")
		if k.Short != "" {
			b.WriteString("    (" + k.Name + ": VALUE is " + k.Name + ": {" + k.Short + ": VALUE})\n")
		}
		helpKeys(&b, "    ", k.Keys)
	}
	return b.String()
}

func helpKeys(b *strings.Builder, indent string, keys []Key) {
	for _, k := range keys {
		b.WriteString(indent + k.Name + ": " + k.Help)
		if len(k.Choices) > 1 {
			b.WriteString("; one of " + strings.Join(k.Choices, ", "))
		}
		if k.Required {
			b.WriteString("; required")
		}
		switch d := k.Default.(type) {
		case nil:
		case string:
			b.WriteString("; default " + d)
		default:
			if j, err := json.Marshal(d); err == nil {
				b.WriteString("; default " + string(j))
			}
		}
		b.WriteByte('\n')
		helpKeys(b, indent+"  ", k.Keys)
	}
}
