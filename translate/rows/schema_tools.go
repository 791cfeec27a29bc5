package rows

// readTools: a record that describes tools, and nothing else. tools may accompany the rows of all other schemas.
func readTools(w *walk) error { return w.required("tools", w.tools) }

// What JSON Schema's keywords (draft 2020-12) hold, as far as it is no schema.
var (
	toolData  = map[string]bool{"const": true, "default": true, "enum": true, "example": true, "examples": true, "required": true}
	toolNames = map[string]bool{"$defs": true, "definitions": true, "dependentSchemas": true, "patternProperties": true, "properties": true}
)

// tools reads the descriptions of functions and of their parameters at each depth. A parameter that is called
// "description" is none, and values that a parameter may have are data.
func (w *walk) tools(at int) error {
	if err := w.each(at, "an array of tools", func(at int) error {
		if kindAt(w.v, at) != '{' {
			return w.not(at, "an object")
		}
		return nil
	}); err != nil {
		return err
	}
	type level struct {
		object  bool
		names   bool // its keys are names of parameters, no keywords
		index   int
		pointer int // length of the pointer to it
	}
	// Each byte is passed once, however deep: no skipValue over what is then entered.
	levels := []level{{pointer: len(w.pointer), index: -1}}
	for i := at + 1; len(levels) > 0; {
		l := &levels[len(levels)-1]
		i = skipSpace(w.v, i)
		switch kindAt(w.v, i) {
		case 0:
			return w.problem("is cut off")
		case ',':
			i++
			continue
		case ']', '}':
			w.pointer = w.pointer[:l.pointer]
			levels = levels[:len(levels)-1]
			i++
			continue
		}
		w.pointer = w.pointer[:l.pointer]
		keyword := ""
		if l.object {
			if w.v[i] != '"' {
				return w.problem("is not whole")
			}
			end := skipString(w.v, i)
			name := nameOf(w.v[i:end])
			w.pointer = appendToken(w.pointer, name)
			if !l.names {
				keyword = name
			}
			i = skipSpace(w.v, skipSpace(w.v, end)+1)
		} else {
			l.index++
			w.pointer = appendIndex(w.pointer, l.index)
		}
		kind := kindAt(w.v, i)
		if (kind == '{' || kind == '[' && keyword != "description") && !toolData[keyword] {
			levels = append(levels, level{object: kind == '{', names: kind == '{' && toolNames[keyword], index: -1, pointer: len(w.pointer)})
			i++
			continue
		}
		if keyword == "description" && kind != 'n' {
			if err := w.text("description")(i); err != nil {
				return err
			}
		}
		end := skipValue(w.v, i)
		if end == i {
			return w.problem("is not whole")
		}
		i = end
	}
	return nil
}
