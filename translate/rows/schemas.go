package rows

import (
	"fmt"
	"strings"

	"curate/record"
)

// schema is a kind of row.
type schema struct {
	name  string
	rank  int        // where several fit, the lowest is taken
	needs [][]string // a record that has all keys of one of these has the schema, whatever their values
	read  func(w *walk) error
}

const toolsSchema = "tools"

// schemas is sorted by name. Ranks: what says more about a row goes first. Two answers and their verdict are more than
// one (preference, kto); a list of turns is the whole conversation, of which a prompt beside it is a copy (chat, sharegpt);
// "text" beside other texts is most often the same rendered by a template; "tools" may stand in any row.
var schemas = []schema{
	{"alpaca", 6, [][]string{{"instruction", "output"}}, readAlpaca},
	{"chat", 3, [][]string{{"messages"}}, readChat},
	{"choice", 2, [][]string{{"question", "choices"}, {"question", "options"}}, readChoice},
	{"kto", 1, [][]string{{"prompt", "completion", "label"}}, readKTO},
	{"preference", 0, [][]string{{"chosen", "rejected"}, {"chosen_response", "rejected_response"}}, readPreference},
	{"prompt_completion", 5, [][]string{{"prompt", "completion"}}, readPromptCompletion},
	{"sharegpt", 4, [][]string{{"conversations"}}, readShareGPT},
	{"text", 7, [][]string{{"text"}}, readText},
	{toolsSchema, 8, [][]string{{"tools"}}, readTools},
}

func schemaNamed(name string) *schema {
	for i := range schemas {
		if schemas[i].name == name {
			return &schemas[i]
		}
	}
	return nil
}

func (s *schema) fits(rec *record.Record) bool {
alternatives:
	for _, keys := range s.needs {
		for _, k := range keys {
			if p, err := pathOf(k); err != nil || !rec.Has(p) {
				continue alternatives
			}
		}
		return true
	}
	return false
}

func (r *Reader) recognise(rec *record.Record) (*schema, error) {
	var best *schema
	for i := range schemas {
		s := &schemas[i]
		if s.name == toolsSchema && !r.o.ToolDescriptions {
			continue
		}
		if (best == nil || s.rank < best.rank) && s.fits(rec) {
			best = s
		}
	}
	if best != nil {
		return best, nil
	}
	var all []string
	for i := range schemas {
		s := &schemas[i]
		if s.name == toolsSchema && !r.o.ToolDescriptions {
			continue
		}
		var needs []string
		for _, keys := range s.needs {
			needs = append(needs, strings.Join(keys, ", "))
		}
		all = append(all, s.name+" ("+strings.Join(needs, "; or ")+")")
	}
	return nil, fmt.Errorf("the record has %s, which is no schema's row; name its texts with --fields '/KEY', or rename its keys to those of a schema: %s",
		keysSeen(rec), strings.Join(all, ", "))
}

// keysSeen lists the keys of a record for a message.
func keysSeen(rec *record.Record) string {
	names := rec.Names()
	if len(names) == 0 {
		return "no keys"
	}
	const most = 20
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	for i, n := range names {
		names[i] = quoted(n)
	}
	return "the keys " + strings.Join(names, ", ") + more
}

// enumerate is "a, b and c".
func enumerate(names []string) string {
	n := len(names)
	if n < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
}
