package filter

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ProfileSchema is the JSON schema (draft 2020-12) of profiles in YAML, for editors.
func ProfileSchema() ([]byte, error) {
	type object = map[string]any
	text := object{"type": "string"}
	var uses []any
	byRule := object{}
	for i := range rules {
		r := &rules[i]
		set := object{}
		for _, p := range r.Params {
			set[p.Name] = object{"type": []string{"number", "boolean"}, "minimum": 0, "default": p.Default, "description": p.Unit}
		}
		for _, t := range r.Texts {
			p := object{"type": "string", "description": t.Help}
			if len(t.Choices) > 0 {
				p["enum"] = t.Choices
			}
			set[t.Name] = p
		}
		for _, l := range r.Lists {
			set[l.Name] = object{"description": l.Help, "oneOf": []any{
				object{"type": "array", "items": text},
				object{"type": "object", "properties": object{"file": text}, "required": []string{"file"}, "additionalProperties": false},
			}}
		}
		settings := object{"type": []string{"object", "null"}, "properties": set, "additionalProperties": false}
		byRule[r.Name] = settings
		uses = append(uses, object{
			"type": "object", "required": []string{"rule"}, "additionalProperties": false, "description": r.Summary,
			"properties": object{"rule": object{"const": r.Name}, "set": settings, "why": object{"type": []string{"string", "object"}}},
		})
	}
	conditions := func(help string) object {
		return object{"description": help, "oneOf": []any{text, object{"type": "object", "propertyNames": object{"pattern": "^[a-z0-9_.-]+$"}, "additionalProperties": text}}}
	}
	root := object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "a profile of curate filter",
		"type": "object", "additionalProperties": false,
		"properties": object{
			"name": text, "summary": text, "reproduces": text, "made_for": text,
			"version":   object{"type": "integer", "minimum": 1, "default": 1},
			"extends":   object{"type": "string", "description": "a built-in profile, or another file"},
			"words":     object{"enum": wordCutNames(), "default": "whitespace", "description": "how words are cut"},
			"language":  object{"type": "string", "default": languageField, "description": "dotted path of the field with a record's language"},
			"rules":     object{"type": "array", "items": object{"oneOf": uses}},
			"languages": object{"type": "object", "description": "settings by language", "additionalProperties": object{"type": "object", "properties": byRule, "additionalProperties": false}},
			"drop_if":   conditions("a record for which an expression holds is dropped"),
			"keep_if":   conditions("a record for which an expression does not hold is dropped"),
		},
	}
	b, err := json.Marshal(root, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(b, '\n'), err
}
