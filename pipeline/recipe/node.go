package recipe

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"curate/pipeline"
	"curate/stage"
)

// kind of a node.
type nodeKind int

const (
	scalar nodeKind = iota
	mapping
	sequence
)

func (k nodeKind) String() string { return [...]string{"a value", "keys with values", "a list"}[k] }

// node is a YAML value with its place. Only plain data is accepted: no anchors, aliases, tags, merge keys.
type node struct {
	kind   nodeKind
	text   string // of a scalar, decoded
	quoted bool   // the scalar is text, whatever it looks like
	keys   []entry
	items  []*node
	at     place
}

type entry struct {
	name string
	at   place
	val  *node
}

// place is where something stands: a line and column of the recipe, or a --set.
type place struct {
	file         string
	line, column int
	set          string // KEY=VALUE
}

// errorf is an error of the recipe's text: wrong usage.
func (p place) errorf(format string, args ...any) error {
	where := fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column)
	if p.set != "" {
		where = "--set " + p.set
	}
	return &pipeline.UsageError{Problem: where + ": " + fmt.Sprintf(format, args...)}
}

// isNull says whether it is YAML's null, which is no value.
func (n *node) isNull() bool {
	return n.kind == scalar && !n.quoted && slices.Contains([]string{"", "~", "null", "Null", "NULL"}, n.text)
}

// get is the value of a key of a mapping, nil if it has none.
func (n *node) get(name string) *node {
	for i := range n.keys {
		if n.keys[i].name == name {
			return n.keys[i].val
		}
	}
	return nil
}

// parse reads YAML text. file is its name for messages.
func parse(file string, text []byte) (n *node, err error) {
	start := place{file: file, line: 1, column: 1}
	defer func() { // the library's parser has panicked on damaged text before
		if p := recover(); p != nil {
			n, err = nil, start.errorf("is not YAML that can be read: %v", p)
		}
	}()
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // YAML 1.2, 5.2: a byte order mark is no content
	if len(text) > maxSize || tooDeep(text) {
		return nil, start.errorf("is no recipe: it has more than %d bytes, or is nested too deeply", maxSize)
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntaxError(start, err)
	}
	var body ast.Node
	for _, d := range f.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, start.errorf("holds several YAML documents; a recipe is one")
		}
		body = d.Body
	}
	if body == nil {
		return nil, start.errorf("is empty")
	}
	c := converter{file: file}
	return c.convert(body, start, 0)
}

// syntaxError takes the place out of the library's message, "[12:3] what is wrong" and an excerpt below.
func syntaxError(start place, err error) error {
	first, _, _ := strings.Cut(err.Error(), "\n")
	if where, what, ok := strings.Cut(strings.TrimPrefix(first, "["), "] "); ok {
		if l, c, ok := strings.Cut(where, ":"); ok {
			line, errL := strconv.Atoi(l)
			column, errC := strconv.Atoi(c)
			if errL == nil && errC == nil {
				start.line, start.column, first = line, column, what
			}
		}
	}
	return start.errorf("%s", first)
}

type converter struct {
	file  string
	nodes int
}

// tooDeep finds what the library's parser, which takes time with the square of the depth, would not come back from.
// Brackets in quotes count, too: no recipe has so many of them open.
func tooDeep(text []byte) bool {
	flow, dashes := 0, 0
	for i, b := range text {
		switch b {
		case '[', '{':
			flow++
		case ']', '}':
			flow = max(0, flow-1)
		case '-', '?':
			if i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\t') {
				dashes++
			}
		case '\n':
			dashes = 0
		}
		if flow > 10*maxDepth || dashes > 10*maxDepth {
			return true
		}
	}
	return false
}

// Limits of a recipe: it is written by people.
const (
	maxSize  = 1 << 20
	maxDepth = 50
	maxNodes = 100_000
)

func (c *converter) place(n ast.Node, or place) place {
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return or
	}
	return place{file: c.file, line: t.Position.Line, column: t.Position.Column}
}

func (c *converter) convert(n ast.Node, or place, depth int) (*node, error) {
	at := c.place(n, or)
	if c.nodes++; depth > maxDepth || c.nodes > maxNodes {
		return nil, at.errorf("the recipe is nested too deeply, or too long")
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		m := &node{kind: mapping, at: at}
		if len(n.Values) > 0 { // the node's own token is the first colon
			m.at = c.place(n.Values[0].Key, at)
		}
		return m, c.pairs(m, n.Values, depth)
	case *ast.MappingValueNode:
		m := &node{kind: mapping, at: c.place(n.Key, at)}
		return m, c.pairs(m, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		s := &node{kind: sequence, at: at}
		for _, v := range n.Values {
			item, err := c.convert(v, at, depth+1)
			if err != nil {
				return nil, err
			}
			s.items = append(s.items, item)
		}
		return s, nil
	case *ast.StringNode:
		quoted := strings.HasPrefix(n.Token.Origin, "'") || strings.HasPrefix(strings.TrimLeft(n.Token.Origin, " \t\r\n"), `"`) ||
			strings.HasPrefix(strings.TrimLeft(n.Token.Origin, " \t\r\n"), "'")
		return &node{text: n.Value, quoted: quoted, at: at}, nil
	case *ast.LiteralNode:
		return &node{text: n.Value.Value, quoted: true, at: at}, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return &node{text: n.GetToken().Value, at: at}, nil
	}
	return nil, at.errorf("a recipe is plain YAML: no %s", strings.ToLower(n.Type().YAMLName()))
}

func (c *converter) pairs(m *node, values []*ast.MappingValueNode, depth int) error {
	for _, v := range values {
		at := c.place(v.Key, m.at)
		key, ok := v.Key.(ast.Node)
		if !ok {
			return at.errorf("is no key")
		}
		k, err := c.convert(key, at, depth+1)
		if err != nil {
			return err
		}
		if k.kind != scalar {
			return at.errorf("a key is a word")
		}
		if m.get(k.text) != nil {
			return at.errorf("the key %q stands here twice", k.text)
		}
		if v.Value == nil {
			return at.errorf("the key %q has no value", k.text)
		}
		val, err := c.convert(v.Value, at, depth+1)
		if err != nil {
			return err
		}
		m.keys = append(m.keys, entry{k.text, at, val})
	}
	return nil
}

// set changes the value at a dotted path; a step stands below "steps" by its name. The value is YAML.
func (n *node) set(assignment string) error {
	at := place{set: assignment}
	key, text, ok := strings.Cut(assignment, "=")
	if !ok || key == "" {
		return at.errorf("give KEY=VALUE, such as run=DIR or steps.clean.filter.profile=basque")
	}
	val, err := parse("", []byte(text))
	if err != nil {
		val = &node{text: text} // such as an empty value, or @
	}
	val.move(at)
	return n.put(strings.Split(key, "."), val, at)
}

// put changes the value below names, which at gives; without a value it takes out what is there.
func (n *node) put(names []string, val *node, at place) error {
	for i, name := range names {
		last := i == len(names)-1
		if n.isNull() && val != nil { // such as "dedup:", which has no keys yet
			*n = node{kind: mapping, at: n.at}
		}
		switch n.kind {
		case scalar:
			return at.errorf("%s is a value and has no keys", strings.Join(names[:i], "."))
		case sequence:
			k := slices.IndexFunc(n.items, func(item *node) bool { is := item.get("name"); return is != nil && is.text == name })
			if k < 0 {
				for j := range n.items {
					if strconv.Itoa(j) == name {
						k = j
					}
				}
			}
			if k < 0 {
				return at.errorf("below %s: %v", strings.Join(names[:i], "."), stage.UnknownName("step", name, n.itemNames()))
			}
			switch {
			case last && val == nil:
				n.items = slices.Delete(n.items, k, k+1)
			case last:
				*n.items[k] = *val
			default:
				n = n.items[k]
			}
		case mapping:
			next := n.get(name)
			if next == nil {
				if val == nil {
					return at.errorf("there is no %s to take out", strings.Join(names[:i+1], "."))
				}
				next = &node{kind: mapping, at: at}
				n.keys = append(n.keys, entry{name, at, next})
			}
			switch {
			case last && val == nil:
				n.keys = slices.DeleteFunc(n.keys, func(e entry) bool { return e.name == name })
			case last:
				*next = *val
			default:
				n = next
			}
		}
	}
	return nil
}

// itemNames are what items of a list are called: by their key "name", or by their number.
func (n *node) itemNames() []string {
	var list []string
	for k, item := range n.items {
		if is := item.get("name"); is != nil {
			list = append(list, is.text)
		} else {
			list = append(list, strconv.Itoa(k))
		}
	}
	return list
}

// fill puts text in the place of name, wherever it stands in a value.
func (n *node) fill(name, text string) {
	if strings.Contains(n.text, name) {
		n.text, n.quoted = strings.ReplaceAll(n.text, name, text), true
	}
	for i := range n.keys {
		n.keys[i].val.fill(name, text)
	}
	for _, item := range n.items {
		item.fill(name, text)
	}
}

// move says that the value and all in it come from at.
func (n *node) move(at place) {
	n.at = at
	for i := range n.keys {
		n.keys[i].at = at
		n.keys[i].val.move(at)
	}
	for _, item := range n.items {
		item.move(at)
	}
}
