package rows

import (
	"strconv"
	"strings"
	"unicode"
)

// readChoice: a question and what may be chosen for an answer. Choices are an array of strings or of {"text", "label"}, an object
// of labels ({"A": "…"}) or, as Hugging Face's sets have it, {"text": […], "label": […]}.
func readChoice(w *walk) error {
	c := choice{walk: w, labels: map[string]bool{}, texts: map[string]bool{}}
	if err := w.required("question", w.text("question")); err != nil {
		return err
	}
	options := w.open("options")
	if !options || w.open("choices") {
		if err := w.required("choices", c.choices); err != nil {
			return err
		}
	}
	if err := w.optional("options", c.choices); err != nil {
		return err
	}
	return w.optional("answer", c.answer)
}

type choice struct {
	*walk
	labels map[string]bool // names of the choices
	texts  map[string]bool // and what they say, white space at the ends cut
}

func (c *choice) choices(at int) error {
	switch kindAt(c.v, at) {
	case '[':
		return c.each(at, "", func(at int) error {
			if kindAt(c.v, at) != '{' {
				return c.one(at)
			}
			where := pick(c.v, at, "text", "label")
			if err := c.label(where[1]); err != nil {
				return err
			}
			if where[0] < 0 {
				return c.below("text", at, func(int) error { return c.problem("is missing") })
			}
			return c.below("text", where[0], c.one)
		})
	case '{':
		where := pick(c.v, at, "text", "label")
		if where[0] >= 0 && c.v[where[0]] == '[' {
			if where[1] >= 0 && c.v[where[1]] == '[' {
				for e := elementsOf(c.v, where[1]); e.next(); {
					if err := c.label(e.lo); err != nil {
						return err
					}
				}
			}
			return c.below("text", where[0], func(at int) error { return c.each(at, "", c.one) })
		}
		for e := entriesOf(c.v, at); e.next(); {
			name := nameOf(e.name)
			c.labels[strings.TrimSpace(name)] = true
			if c.v[e.lo] == 'n' { // a choice that this row does not have
				continue
			}
			if err := c.below(name, e.lo, c.one); err != nil {
				return err
			}
		}
		return nil
	}
	return c.not(at, "an array or an object of choices")
}

// one reads the text of a choice.
func (c *choice) one(at int) error {
	if err := c.walk.text("choice")(at); err != nil {
		return err
	}
	c.texts[strings.TrimSpace(c.row.Nodes[len(c.row.Nodes)-1].Text)] = true
	return nil
}

func (c *choice) label(at int) error {
	if at < 0 || c.v[at] != '"' {
		return nil
	}
	s, _, err := c.unquote(at)
	c.labels[strings.TrimSpace(s)] = true
	return err
}

// answer reads what is right: a label, an index, the text of a choice, or an array of such.
func (c *choice) answer(at int) error {
	switch kindAt(c.v, at) {
	case '0':
		c.index(at)
	case '"':
		return c.answered(at)
	case '[':
		return c.each(at, "", func(at int) error {
			switch c.v[at] {
			case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
				c.index(at)
			case '"':
				return c.answered(at)
			case '[', '{':
				return c.not(at, "a string or a number")
			}
			return nil
		})
	case '{':
		return c.not(at, "a string, a number or an array of such")
	}
	return nil
}

// answered makes a node of an answer that is the text of a choice, so that it becomes what the choice becomes. Labels
// stay. Any other text is an error: left alone it would stay in the source language, and translated by itself it would
// match its choice by chance alone.
func (c *choice) answered(at int) error {
	s, _, err := c.unquote(at)
	if err != nil {
		return err
	}
	s = strings.TrimSpace(s)
	if len(s) == 1 {
		if k := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ", s[0]&^0x20); k >= 0 {
			c.row.right = append(c.row.right, k)
		}
	}
	switch {
	case s == "", c.labels[s]:
		return nil
	case c.texts[s]:
		return c.walk.text("answer")(at)
	case isLabel(s, len(c.texts)):
		return nil
	}
	return c.problem("is " + quoted(s) + ", neither a label nor one of the choices; make it one of the two, or name the row's texts with --fields")
}

// index notes a number: some data sets count from 0, some from 1, so two choices may be meant.
func (c *choice) index(at int) {
	end := at
	for end < len(c.v) && c.v[end] >= '0' && c.v[end] <= '9' {
		end++
	}
	if n, err := strconv.Atoi(string(c.v[at:end])); err == nil {
		c.row.right = append(c.row.right, n-1, n)
	}
}

// isLabel says whether an answer only points at one of n choices, or has nothing to translate: no two letters side by
// side ("B", "(c)", "A, D", "3", "-1.5"), or the letters of several as "ACD".
func isLabel(s string, n int) bool {
	var last rune
	letters, word := true, false
	for _, r := range s {
		word = word || unicode.IsLetter(r) && unicode.IsLetter(last)
		letters = letters && r > last && 'A' <= r && r < 'A'+rune(min(n, 26))
		last = r
	}
	return !word || letters
}
