package filter

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"curate/stage"
)

// yamlKind of a node.
type yamlKind int

const (
	yamlScalar yamlKind = iota
	yamlMapping
	yamlList
)

func (k yamlKind) String() string { return [...]string{"a value", "keys with values", "a list"}[k] }

// yamlNode is a value of a profile's file with its place. Only plain data is accepted: no anchors, aliases, tags, merge keys.
type yamlNode struct {
	kind  yamlKind
	text  string // of a scalar, decoded
	style byte   // of a scalar: 0 plain, '"' or '\'' in quotes, '|' a block
	exact bool   // the scalar stands in the file letter by letter, from at on (behind its quote)
	keys  []yamlKey
	items []*yamlNode
	at    yamlPlace
}

type yamlKey struct {
	name string
	at   yamlPlace
	val  *yamlNode
}

// yamlPlace is a line and a column (in bytes, as editors of plain text count) of a file, both from 1.
type yamlPlace struct {
	file         string
	line, column int
}

func (p yamlPlace) String() string { return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column) }

// errorf is an error of the file's text.
func (p yamlPlace) errorf(format string, args ...any) error {
	return fmt.Errorf("%v: %s", p, fmt.Sprintf(format, args...))
}

// isNull says whether it is YAML's null, which is no value.
func (n *yamlNode) isNull() bool {
	return n.kind == yamlScalar && n.style == 0 && slices.Contains([]string{"", "~", "null", "Null", "NULL"}, n.text)
}

// is names what stands there, for messages.
func (n *yamlNode) is() string {
	if n.kind == yamlScalar {
		return strconv.Quote(n.text)
	}
	return n.kind.String()
}

// known refuses keys of a mapping that are not among names.
func (n *yamlNode) known(what string, names []string) error {
	if n.kind != yamlMapping {
		return n.at.errorf("here stand keys with values (%s), not %s", strings.Join(names, ", "), n.is())
	}
	for _, k := range n.keys {
		if !slices.Contains(names, k.name) {
			return k.at.errorf("%v", stage.UnknownName(what, k.name, names))
		}
	}
	return nil
}

// inside is the place of a column (from 1) of a scalar's text, as well as it is known.
func (n *yamlNode) inside(column int) yamlPlace {
	at := n.at
	if n.exact && column > 0 {
		at.column += column - 1
		if n.style != 0 {
			at.column++
		}
	}
	return at
}

// get is the value of a key of a mapping, nil if it has none.
func (n *yamlNode) get(name string) *yamlNode {
	for i := range n.keys {
		if n.keys[i].name == name {
			return n.keys[i].val
		}
	}
	return nil
}

// scalar is the text of a value that must be one and not be empty.
func (n *yamlNode) scalar(key string) (string, error) {
	if n.kind != yamlScalar {
		return "", n.at.errorf("%q is a text, not %s", key, n.kind)
	}
	if n.text == "" || n.isNull() {
		return "", n.at.errorf("%q is empty; leave it out, or give it a value", key)
	}
	return n.text, nil
}

// texts are a list of texts.
func (n *yamlNode) texts(key string) ([]string, error) {
	if n.kind != yamlList {
		return nil, n.at.errorf("%q is a list of texts, not %s", key, n.is())
	}
	list := []string{}
	for _, item := range n.items {
		s, err := item.scalar(key)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// Limits of a profile's text: it is written by people.
const (
	yamlMaxSize  = 1 << 20
	yamlMaxDepth = 20
	yamlMaxNodes = 100_000
)

// parseYAML reads YAML text. file is its name for messages.
func parseYAML(file string, text []byte) (n *yamlNode, err error) {
	start := yamlPlace{file, 1, 1}
	defer func() { // the library's parser has panicked on damaged text before
		if p := recover(); p != nil {
			n, err = nil, start.errorf("is not YAML that can be read: %v", p)
		}
	}()
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // YAML 1.2, 5.2: a byte order mark is no content
	if len(text) > yamlMaxSize || yamlTooDeep(text) {
		return nil, start.errorf("is no profile: it has more than %d bytes, or is nested too deeply", yamlMaxSize)
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, yamlSyntaxError(start, err)
	}
	var body ast.Node
	for _, d := range f.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, start.errorf("holds several YAML documents; a profile is one")
		}
		body = d.Body
	}
	if body == nil {
		return nil, start.errorf("is empty")
	}
	c := yamlReader{file: file}
	return c.read(body, start, 0)
}

// yamlSyntaxError takes the place out of the library's message, "[12:3] what is wrong" with an excerpt below.
func yamlSyntaxError(at yamlPlace, err error) error {
	first, _, _ := strings.Cut(err.Error(), "\n")
	if where, what, ok := strings.Cut(strings.TrimPrefix(first, "["), "] "); ok {
		l, c, _ := strings.Cut(where, ":")
		line, errL := strconv.Atoi(l)
		column, errC := strconv.Atoi(c)
		if errL == nil && errC == nil {
			at.line, at.column, first = line, column, what
		}
	}
	return at.errorf("%s", first)
}

// yamlTooDeep finds what the library's parser, which takes time with the square of the depth, would not come back
// from. Brackets in quotes count, too: no profile has so many of them open.
func yamlTooDeep(text []byte) bool {
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
		if flow > 10*yamlMaxDepth || dashes > 10*yamlMaxDepth {
			return true
		}
	}
	return false
}

// yamlReader turns the library's tree into ours.
type yamlReader struct {
	file  string
	nodes int
}

func (c *yamlReader) place(n ast.Node, or yamlPlace) yamlPlace {
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return or
	}
	return yamlPlace{c.file, t.Position.Line, t.Position.Column}
}

func (c *yamlReader) read(n ast.Node, or yamlPlace, depth int) (*yamlNode, error) {
	at := c.place(n, or)
	if c.nodes++; depth > yamlMaxDepth || c.nodes > yamlMaxNodes {
		return nil, at.errorf("the profile is nested too deeply, or too long")
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		m := &yamlNode{kind: yamlMapping, at: at}
		if len(n.Values) > 0 { // the node's own token is the first colon
			m.at = c.place(n.Values[0].Key, at)
		}
		return m, c.pairs(m, n.Values, depth)
	case *ast.MappingValueNode:
		m := &yamlNode{kind: yamlMapping, at: c.place(n.Key, at)}
		return m, c.pairs(m, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		s := &yamlNode{kind: yamlList, at: at}
		for _, v := range n.Values {
			item, err := c.read(v, at, depth+1)
			if err != nil {
				return nil, err
			}
			s.items = append(s.items, item)
		}
		return s, nil
	case *ast.StringNode:
		s := &yamlNode{text: n.Value, at: at}
		origin := strings.Trim(n.Token.Origin, " \t\r\n")
		if strings.HasPrefix(origin, `"`) || strings.HasPrefix(origin, "'") {
			s.style = origin[0]
			origin = strings.Trim(origin, origin[:1])
		}
		s.exact = origin == s.text
		return s, nil
	case *ast.LiteralNode:
		return &yamlNode{text: n.Value.Value, style: '|', at: at}, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return &yamlNode{text: n.GetToken().Value, at: at}, nil
	}
	return nil, at.errorf("a profile is plain YAML: no %s", strings.ToLower(n.Type().YAMLName()))
}

func (c *yamlReader) pairs(m *yamlNode, values []*ast.MappingValueNode, depth int) error {
	for _, v := range values {
		at := c.place(v.Key, m.at)
		key, ok := v.Key.(ast.Node)
		if !ok {
			return at.errorf("is no key")
		}
		k, err := c.read(key, at, depth+1)
		if err != nil {
			return err
		}
		if k.kind != yamlScalar {
			return at.errorf("a key is a word")
		}
		if m.get(k.text) != nil {
			return at.errorf("the key %q stands here twice", k.text)
		}
		if v.Value == nil {
			return at.errorf("the key %q has no value", k.text)
		}
		val, err := c.read(v.Value, at, depth+1)
		if err != nil {
			return err
		}
		m.keys = append(m.keys, yamlKey{k.text, at, val})
	}
	return nil
}
