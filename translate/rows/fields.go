package rows

import (
	"fmt"
	"strconv"
	"strings"

	"curate/record"
)

// pattern is a JSON pointer, cut and decoded; a token "*" stands for any.
type pattern []token

type token struct {
	name  string
	index int // that the name spells, -1 if none
	any   bool
}

// parsePattern reads a JSON pointer (RFC 6901) in which a whole token * stands for any name or index.
func parsePattern(s string) (pattern, error) {
	if !strings.HasPrefix(s, "/") {
		return nil, fmt.Errorf("field %q: begin the JSON pointer with a slash, such as /messages/*/content", s)
	}
	var p pattern
	for _, t := range strings.Split(s[1:], "/") {
		name, err := unescapeToken(t)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", s, err)
		}
		index, err := strconv.Atoi(name)
		if err != nil || index < 0 || strconv.Itoa(index) != name { // no signs, no leading zeros
			index = -1
		}
		p = append(p, token{name: name, index: index, any: t == "*"})
	}
	if p[0].name == "" {
		return nil, fmt.Errorf("field %q: the empty name at its start cannot be edited; name another key", s)
	}
	return p, nil
}

func unescapeToken(t string) (string, error) {
	for i := 0; i < len(t); i++ {
		if t[i] == '~' {
			if i+1 == len(t) || t[i+1] != '0' && t[i+1] != '1' {
				return "", fmt.Errorf("a ~ stands before 0 (for ~) or 1 (for /) only")
			}
			i++
		}
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(t), nil
}

// is says whether the token names the member.
func (t token) is(name string) bool { return t.any || t.name == name }

// mostMembers is how many of a record's own members may hold texts that "/*" finds: each is an edit, and staging n edits
// takes n² steps.
const mostMembers = 4096

// fields reads the strings that the patterns name. What is null counts as absent.
func (w *walk) fields(patterns []pattern) error {
	star := false
	for _, p := range patterns {
		star = star || p[0].any
	}
	done := map[string]bool{}
	if star {
		line := w.rec.Line
		for e := entriesOf(line, skipSpace(line, 0)); e.next(); {
			name := nameOf(e.name)
			var active []pattern
			for _, p := range patterns {
				if p[0].is(name) && (!p[0].any || name != record.CurateKey) { // what curate itself found out is no text of the row
					active = append(active, p)
				}
			}
			if active == nil {
				continue
			}
			done[name] = true
			if err := w.field(name, line[e.lo:e.hi], active); err != nil {
				return err
			}
		}
	}
	for i, p := range patterns {
		if p[0].any || done[p[0].name] {
			continue
		}
		done[p[0].name] = true
		var active []pattern
		for _, q := range patterns[i:] {
			if !q[0].any && q[0].name == p[0].name {
				active = append(active, q)
			}
		}
		if err := w.field(p[0].name, nil, active); err != nil {
			return err
		}
	}
	return nil
}

// field looks at one member, of which the line says value unless an edit says something else.
func (w *walk) field(name string, value []byte, active []pattern) error {
	p, err := pathOf(name)
	if err != nil {
		w.pointer = appendToken(w.pointer[:0], name)
		return w.problem("has an empty name, so it cannot be edited")
	}
	if value == nil || w.rec.Edited(p) {
		v, ok := w.rec.Value(p)
		if !ok {
			return nil
		}
		value = v
	}
	if !w.enter(name, p, value) {
		return nil
	}
	if err := w.match(0, active, 1); err != nil {
		return err
	}
	if w.known && len(w.row.members) > mostMembers {
		return w.problem(fmt.Sprintf("is one of more than %d members of the record that hold texts; name fewer", mostMembers))
	}
	return nil
}

// match looks at the value at an index, to which the first depth tokens of the active patterns lead. It calls itself as
// deep as the patterns are long.
func (w *walk) match(at int, active []pattern, depth int) error {
	kind := kindAt(w.v, at)
	if kind == 'n' {
		return nil
	}
	ends, deeper := false, false
	for _, p := range active {
		ends = ends || len(p) == depth
		deeper = deeper || len(p) > depth
	}
	if ends {
		return w.text("text")(at)
	}
	if !deeper || kind != '{' && kind != '[' {
		return nil
	}
	var below []pattern // of this level alone, used again for each of its values
	n := len(w.pointer)
	if kind == '{' {
		for e := entriesOf(w.v, at); e.next(); {
			name := nameOf(e.name)
			below = below[:0]
			for _, p := range active {
				if len(p) > depth && p[depth].is(name) {
					below = append(below, p)
				}
			}
			if len(below) == 0 {
				continue
			}
			w.pointer = appendToken(w.pointer[:n], name)
			if err := w.match(e.lo, below, depth+1); err != nil {
				return err
			}
		}
	} else {
		for e := elementsOf(w.v, at); e.next(); {
			below = below[:0]
			for _, p := range active {
				if len(p) > depth && (p[depth].any || p[depth].index == e.n) {
					below = append(below, p)
				}
			}
			if len(below) == 0 {
				continue
			}
			w.pointer = appendIndex(w.pointer[:n], e.n)
			if err := w.match(e.lo, below, depth+1); err != nil {
				return err
			}
		}
	}
	w.pointer = w.pointer[:n]
	return nil
}
