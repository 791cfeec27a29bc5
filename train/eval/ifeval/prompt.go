package ifeval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// English is the language of prompts that name none.
const English = "en"

// Prompt is a row of a prompt set.
type Prompt struct {
	Key          string // JSON: what the row is known by, a number or a string
	Text         string
	Lang         string // ISO 639-1
	Instructions []Instruction
}

// Instruction is one that is verified.
type Instruction struct {
	ID    string
	check func(*answer) bool
}

// maxInstructions of a prompt; IFEval has three at most.
const maxInstructions = 64

// Read reads a row as IFEval has it: {"key", "prompt", "instruction_id_list", "kwargs"}, where kwargs has an object for each
// instruction, whose null members are not there. A "lang" says in which language words and sentences are counted.
func Read(line []byte) (*Prompt, error) {
	var row struct {
		Key    jsontext.Value              `json:"key"`
		Prompt string                      `json:"prompt"`
		Lang   string                      `json:"lang"`
		IDs    []string                    `json:"instruction_id_list"`
		Kwargs []map[string]jsontext.Value `json:"kwargs"`
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return nil, fmt.Errorf(`the row is none of a prompt set, {"key","prompt","instruction_id_list","kwargs"}: %w`, err)
	}
	switch {
	case trim(row.Prompt) == "":
		return nil, fmt.Errorf(`field "prompt" is missing or empty`)
	case len(row.IDs) == 0:
		return nil, fmt.Errorf(`field "instruction_id_list" is missing or empty: without an instruction nothing can be verified`)
	case len(row.IDs) > maxInstructions:
		return nil, fmt.Errorf(`field "instruction_id_list" has %d instructions; a prompt may have %d`, len(row.IDs), maxInstructions)
	case len(row.Kwargs) != len(row.IDs):
		return nil, fmt.Errorf(`field "kwargs" has %d objects, and there are %d instructions; write {} for one without parameters`, len(row.Kwargs), len(row.IDs))
	}
	p := &Prompt{Key: "null", Text: row.Prompt, Lang: row.Lang}
	if p.Lang == "" {
		p.Lang = English
	}
	if k := row.Key.Kind(); k == '"' || k == '0' {
		p.Key = string(row.Key)
	} else if len(row.Key) > 0 && k != 'n' {
		return nil, fmt.Errorf(`field "key" is neither a number nor a string`)
	}
	for i, id := range row.IDs {
		in, err := instruction(id, row.Kwargs[i])
		if err != nil {
			return nil, fmt.Errorf("instruction %d, %q: %w", i+1, id, err)
		}
		p.Instructions = append(p.Instructions, in)
	}
	return p, nil
}

func instruction(id string, kwargs map[string]jsontext.Value) (Instruction, error) {
	at, ok := slices.BinarySearchFunc(rules[:], id, func(r rule, id string) int { return strings.Compare(r.id, id) })
	if !ok {
		return Instruction{}, fmt.Errorf("there is no such instruction; the nearest is %q", nearest(id))
	}
	a := &args{given: kwargs}
	check := rules[at].make(a)
	for name, v := range kwargs {
		if a.err == nil && v.Kind() != 'n' && !slices.Contains(a.asked, name) {
			a.err = fmt.Errorf("it has no parameter %q; it takes %s", name, strings.Join(append(a.asked, "no others"), ", "))
		}
	}
	return Instruction{id, check}, a.err
}

// nearest is the first of the instructions that have the longest beginning in common with a name.
func nearest(id string) string {
	best, most := rules[0].id, -1
	for _, r := range rules {
		n := 0
		for n < min(len(id), len(r.id)) && id[n] == r.id[n] {
			n++
		}
		if n > most {
			best, most = r.id, n
		}
	}
	return best
}

// IDs are the names of all instructions, sorted.
func IDs() []string {
	var list []string
	for _, r := range rules {
		list = append(list, r.id)
	}
	return list
}

// args are an instruction's parameters as they are asked for; the first that is wrong is the error.
type args struct {
	given map[string]jsontext.Value
	asked []string
	err   error
}

func (a *args) value(name string) (jsontext.Value, bool) {
	a.asked = append(a.asked, name)
	v, ok := a.given[name]
	return v, ok && v.Kind() != 'n'
}

func (a *args) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, args...)
	}
}

// number is a whole number of least and above. The reference draws one at random where it is missing, and then checks what
// the prompt does not say.
func (a *args) number(name string, least int) int {
	v, ok := a.value(name)
	if !ok {
		a.fail("parameter %q is missing", name)
		return least
	}
	var f float64
	if err := json.Unmarshal(v, &f); err != nil || f != float64(int32(f)) || int(f) < least {
		a.fail("parameter %q is %s; it is a whole number of at least %d", name, v, least)
		return least
	}
	return int(f)
}

// text is a string that holds something.
func (a *args) text(name string) string {
	v, ok := a.value(name)
	if !ok {
		a.fail("parameter %q is missing", name)
		return ""
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil || trim(s) == "" {
		a.fail("parameter %q is %s; it is a text", name, v)
	}
	return s
}

// texts is a list of strings that hold something.
func (a *args) texts(name string) []string {
	v, ok := a.value(name)
	if !ok {
		a.fail("parameter %q is missing", name)
		return nil
	}
	return a.list(name, v)
}

func (a *args) list(name string, v jsontext.Value) []string {
	var list []string
	if err := json.Unmarshal(v, &list); err != nil || len(list) == 0 || slices.ContainsFunc(list, func(s string) bool { return trim(s) == "" }) {
		a.fail("parameter %q is %s; it is a list of texts", name, v)
	}
	return list
}

// Relations of a count to a number.
const (
	lessThan = "less than"
	atLeast  = "at least"
)

// relation compares with a number of least and above.
func (a *args) relation(number, relation string, least int) func(n int) bool {
	want := a.number(number, least)
	switch r := a.text(relation); r {
	case lessThan:
		return func(n int) bool { return n < want }
	case atLeast:
		return func(n int) bool { return n >= want }
	default:
		a.fail("parameter %q is %q; it is %q or %q", relation, r, lessThan, atLeast)
	}
	return func(int) bool { return false }
}
