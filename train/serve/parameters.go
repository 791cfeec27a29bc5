package serve

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// kind of a request: where it comes.
type kind uint8

const (
	onCompletions kind = 1 << iota
	onChat
	onBoth = onCompletions | onChat
)

// Limits of numbers in a request.
const (
	maxSamples = 128 // OpenAI's for n
	maxTop     = 20  // OpenAI's for top_logprobs
	maxStops   = 16
	maxStop    = 1 << 10 // bytes
	maxPrompts = 2048    // OpenAI's for lists
)

// parameter is one of a request. What is null is as if it were not there.
type parameter struct {
	name string
	on   kind
	read func(a *request, name string, v jsontext.Value) error
}

// parameters are those that a request may have, sorted. The names are OpenAI's, and vLLM's where OpenAI has none.
var parameters = []parameter{
	{"audio", onChat, unsupported()},
	{"best_of", onCompletions, func(a *request, name string, v jsontext.Value) error { return integer(&a.best, v, name, 1, maxSamples) }},
	{"chat_template_kwargs", onChat, func(a *request, name string, v jsontext.Value) error {
		if v.Kind() != '{' {
			return invalid(name, "an object with variables of the chat template")
		}
		a.variables = v
		return nil
	}},
	{"echo", onCompletions, func(a *request, name string, v jsontext.Value) error { return boolean(&a.echo, v, name) }},
	{"frequency_penalty", onBoth, unsupported("0")},
	{"function_call", onChat, unsupported(`"none"`, `"auto"`)},
	{"functions", onChat, unsupported("[]")},
	{"ignore_eos", onBoth, unsupported("false")},
	{"logit_bias", onBoth, unsupported("{}")},
	{"logprobs", onBoth, func(a *request, name string, v jsontext.Value) error {
		if a.on == onCompletions {
			a.scores = true
			return integer(&a.top, v, name, 0, maxTop)
		}
		return boolean(&a.scores, v, name)
	}},
	{"max_completion_tokens", onChat, func(a *request, name string, v jsontext.Value) error {
		return integer(&a.most, v, name, 0, math.MaxInt32)
	}},
	{"max_tokens", onBoth, func(a *request, name string, v jsontext.Value) error {
		return integer(&a.most, v, name, 0, math.MaxInt32)
	}},
	{"messages", onChat, func(a *request, name string, v jsontext.Value) (err error) {
		a.messages, err = messages(v, name)
		return err
	}},
	{"metadata", onBoth, nil},
	{"min_p", onBoth, func(a *request, name string, v jsontext.Value) error { return number(&a.sampling.MinP, v, name) }},
	{"modalities", onChat, unsupported(`["text"]`)},
	{"model", onBoth, func(a *request, name string, v jsontext.Value) error { return text(&a.model, v, name) }},
	{"n", onBoth, func(a *request, name string, v jsontext.Value) error {
		return integer(&a.samples, v, name, 1, maxSamples)
	}},
	{"parallel_tool_calls", onChat, nil},
	{"prediction", onChat, nil}, // makes another server faster
	{"presence_penalty", onBoth, unsupported("0")},
	{"prompt", onCompletions, func(a *request, name string, v jsontext.Value) (err error) {
		a.prompts, err = prompts(v, name)
		return err
	}},
	{"prompt_cache_key", onBoth, nil},
	{"reasoning_effort", onChat, unsupported()},
	{"repetition_penalty", onBoth, func(a *request, name string, v jsontext.Value) error {
		return number(&a.sampling.RepetitionPenalty, v, name)
	}},
	{"response_format", onChat, unsupported(`{"type":"text"}`)},
	{"safety_identifier", onBoth, nil},
	{"seed", onBoth, func(a *request, name string, v jsontext.Value) error {
		var seed int64
		if json.Unmarshal(v, &seed) != nil {
			return invalid(name, "a whole number of 64 bits")
		}
		a.seeded, a.sampling.Seed = true, uint64(seed)
		return nil
	}},
	{"service_tier", onBoth, nil},
	{"stop", onBoth, func(a *request, name string, v jsontext.Value) (err error) {
		a.stops, err = stops(v, name)
		return err
	}},
	{"store", onBoth, unsupported("false")},
	{"stream", onBoth, func(a *request, name string, v jsontext.Value) error { return boolean(&a.stream, v, name) }},
	{"stream_options", onBoth, func(a *request, name string, v jsontext.Value) error {
		var o struct {
			Usage bool           `json:"include_usage"`
			Other jsontext.Value `json:"include_obfuscation"`
		}
		if err := json.Unmarshal(v, &o, json.RejectUnknownMembers(true)); err != nil {
			return invalid(name, `an object with "include_usage", true or false`)
		}
		a.usage = o.Usage
		return nil
	}},
	{"suffix", onCompletions, unsupported(`""`)},
	{"temperature", onBoth, func(a *request, name string, v jsontext.Value) error { return number(&a.sampling.Temperature, v, name) }},
	{"tool_choice", onChat, unsupported(`"none"`, `"auto"`)},
	{"tools", onChat, unsupported("[]")},
	{"top_k", onBoth, func(a *request, name string, v jsontext.Value) error {
		if string(v) == "-1" { // vLLM's "all"
			v = jsontext.Value("0")
		}
		return integer(&a.sampling.TopK, v, name, 0, math.MaxInt32)
	}},
	{"top_logprobs", onChat, func(a *request, name string, v jsontext.Value) error {
		a.topGiven = true
		return integer(&a.top, v, name, 0, maxTop)
	}},
	{"top_p", onBoth, func(a *request, name string, v jsontext.Value) error { return number(&a.sampling.TopP, v, name) }},
	{"user", onBoth, nil},
	{"verbosity", onChat, unsupported(`"medium"`)},
	{"web_search_options", onChat, unsupported()},
}

// unsupported reads a parameter that is not supported, unless its value is one that changes nothing.
func unsupported(neutral ...string) func(*request, string, jsontext.Value) error {
	return func(_ *request, name string, v jsontext.Value) error {
		c := v.Clone()
		if c.Canonicalize() == nil && slices.Contains(neutral, string(c)) {
			return nil
		}
		p := &problem{param: name, code: "unsupported_parameter", message: fmt.Sprintf("%s is not supported here; leave it out", name)}
		if len(neutral) > 0 {
			p.message += " (or give " + strings.Join(neutral, " or ") + ")"
		}
		return p
	}
}

func integer(to *int, v jsontext.Value, name string, least, most int) error {
	var n int
	if json.Unmarshal(v, &n) != nil || n < least || n > most {
		return invalid(name, "a whole number from %d to %d", least, most)
	}
	*to = n
	return nil
}

func number(to *float64, v jsontext.Value, name string) error {
	if json.Unmarshal(v, to) != nil {
		return invalid(name, "a number")
	}
	return nil
}

func boolean(to *bool, v jsontext.Value, name string) error {
	if json.Unmarshal(v, to) != nil {
		return invalid(name, "true or false")
	}
	return nil
}

func text(to *string, v jsontext.Value, name string) error {
	if json.Unmarshal(v, to) != nil {
		return invalid(name, "a string")
	}
	return nil
}

// stops is a text, or a list of them.
func stops(v jsontext.Value, name string) ([]string, error) {
	var one string
	var list []string
	if json.Unmarshal(v, &one) == nil && v.Kind() == '"' {
		list = []string{one}
	} else if json.Unmarshal(v, &list) != nil {
		return nil, invalid(name, "a string, or a list of strings")
	}
	if len(list) > maxStops {
		return nil, invalid(name, "%d texts; at most %d", len(list), maxStops)
	}
	for _, s := range list {
		if s == "" || len(s) > maxStop {
			return nil, invalid(name, "each text must have from 1 to %d bytes", maxStop)
		}
	}
	return list, nil
}

// messages are those of a chat, in which a content that is a list of texts is one text, for templates that know no other.
func messages(v jsontext.Value, name string) (jsontext.Value, error) {
	var list []map[string]jsontext.Value
	if v.Kind() != '[' || json.Unmarshal(v, &list) != nil {
		return nil, invalid(name, "a list of objects, each with a role and a content")
	}
	changed := false
	for i, m := range list {
		content, ok := m["content"]
		if !ok || content.Kind() != '[' {
			continue
		}
		var parts []struct {
			Type  string         `json:"type"`
			Text  *string        `json:"text"`
			Other map[string]any `json:",embed"`
		}
		if json.Unmarshal(content, &parts) != nil {
			return nil, invalid(fmt.Sprintf("%s[%d].content", name, i), "a string, or a list of objects with a type")
		}
		var all strings.Builder
		for k, p := range parts {
			if p.Type != "text" || p.Text == nil {
				return nil, &problem{param: fmt.Sprintf("%s[%d].content[%d]", name, i, k), code: "unsupported_content", message: fmt.Sprintf("%s[%d].content[%d] is of type %q, and the model reads text alone", name, i, k, shortened(p.Type))}
			}
			all.WriteString(*p.Text)
		}
		b, err := json.Marshal(all.String())
		if err != nil {
			return nil, invalid(name, "%v", err)
		}
		m["content"], changed = b, true
	}
	if !changed {
		return v, nil // as it came, with the order of its keys
	}
	b, err := json.Marshal(list, json.Deterministic(true))
	if err != nil {
		return nil, invalid(name, "%v", err)
	}
	return b, nil
}

// prompts are a text, token ids, or a list of either.
func prompts(v jsontext.Value, name string) ([]prompt, error) {
	var one string
	if v.Kind() == '"' {
		if json.Unmarshal(v, &one) != nil {
			return nil, invalid(name, "the text is not UTF-8")
		}
		return []prompt{{text: one, isText: true}}, nil
	}
	var ids []uint32
	if json.Unmarshal(v, &ids) == nil && len(ids) > 0 {
		return []prompt{{ids: ids}}, nil
	}
	var texts []string
	var lists [][]uint32
	var all []prompt
	if json.Unmarshal(v, &texts) == nil {
		for _, s := range texts {
			all = append(all, prompt{text: s, isText: true})
		}
	} else if json.Unmarshal(v, &lists) == nil {
		for _, l := range lists {
			all = append(all, prompt{ids: l})
		}
	} else {
		return nil, invalid(name, "a text, a list of token ids, or a list of either")
	}
	if len(all) == 0 || len(all) > maxPrompts {
		return nil, invalid(name, "%d prompts; from 1 to %d", len(all), maxPrompts)
	}
	return all, nil
}
