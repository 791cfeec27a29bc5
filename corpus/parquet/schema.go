package parquet

import (
	"fmt"
	"strings"

	"curate/record"
)

// shape is what a node of the schema becomes in JSON.
type shape uint8

const (
	shapeValue  shape = iota
	shapeObject       // a struct
	shapeList         // children[0] is repeated; element is what each repetition holds
	shapeMap          // children[0] is repeated and has key and value: an object
	shapePairs        // the same as an array of {"key":…,"value":…}: keys that are no strings
)

// node is a place in the tree of the schema.
type node struct {
	name     string
	key      []byte // `"name":`
	shape    shape
	optional bool
	repeated bool
	def, rep int // levels from which on it is there
	lo, hi   int // columns below it, among those that are read
	children []*node
	// element is what a repetition of children[0] holds in a list: children[0] itself, or the one field of it.
	element *node
	format  format
	isJSON  bool // a value that is text of JSON
	column  *column
}

// maxDepth is how deep a schema may be nested: far deeper than any is, and little to recurse over.
const maxDepth = 64

// schema is the tree of the top-level fields that are wanted.
type schema struct {
	root     *node
	columns  []*column
	columnAt []int // number of each column among all leaves of the file
	leaves   int   // of the file
}

func newSchema(f *footer, s *source, wanted []record.Path) (*schema, error) {
	names := make(map[string]bool, len(wanted))
	for _, p := range wanted {
		names[p.Names()[0]] = true
	}
	b := schemaBuilder{elements: f.schema, source: s, schema: &schema{}}
	// If a file has none of the fields, all are read, so that a message can name those that it has.
	b.all = wanted == nil || !b.any(names)
	if b.names = names; f.records {
		names[ExtraColumn] = true
	}
	root := f.schema[0]
	if root.physical >= 0 || root.children < 0 {
		return nil, damaged("the schema's root is no group")
	}
	n, err := b.node(nil, true)
	if err != nil {
		return nil, err
	}
	if b.next != len(f.schema) {
		return nil, damaged("the schema has %d elements, and %d are in its tree", len(f.schema), b.next)
	}
	b.schema.root = n
	return b.schema, nil
}

type schemaBuilder struct {
	elements []schemaElement
	next     int
	source   *source
	schema   *schema
	all      bool
	names    map[string]bool
	path     []string
}

// any says whether a top-level field is among the names.
func (b *schemaBuilder) any(names map[string]bool) bool {
	open := []int32{} // children to come, a level each
	for i, e := range b.elements {
		if len(open) == 1 && names[e.name] {
			return true
		}
		if i > 0 {
			if len(open) == 0 {
				return false
			}
			open[len(open)-1]--
		}
		if e.physical < 0 && e.children > 0 {
			open = append(open, e.children)
		}
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
	}
	return false
}

// node makes the next element and what is below it; nil if it is not wanted.
func (b *schemaBuilder) node(parent *node, wanted bool) (*node, error) {
	if b.next >= len(b.elements) {
		return nil, damaged("the schema ends in the middle")
	}
	e := b.elements[b.next]
	b.next++
	n := &node{name: e.name, lo: len(b.schema.columns)}
	n.key = append(appendString(nil, []byte(e.name)), ':')
	if parent != nil {
		b.path = append(b.path, e.name)
		defer func() { b.path = b.path[:len(b.path)-1] }()
		n.def, n.rep = parent.def, parent.rep
		switch e.repetition {
		case required:
		case optional:
			n.optional = true
			n.def++
		case repeated:
			n.repeated = true
			n.def++
			n.rep++
		default:
			return nil, damaged("field %q has repetition type %d", b.name(), e.repetition)
		}
	}
	if len(b.path) > maxDepth {
		return nil, fmt.Errorf("field %q is nested deeper than %d levels", b.name(), maxDepth)
	}
	if e.physical >= 0 {
		err := b.leaf(n, e, wanted)
		return n, err
	}
	if e.children <= 0 && parent != nil {
		return nil, fmt.Errorf("field %q is a struct without fields, which Parquet cannot hold; leave it out of the file", b.name())
	}
	for range e.children {
		// Top-level fields are read or left out as a whole.
		want := wanted && (parent != nil || b.all || b.next < len(b.elements) && b.names[b.elements[b.next].name])
		c, err := b.node(n, want)
		if err != nil {
			return nil, err
		}
		if want {
			n.children = append(n.children, c)
		}
	}
	n.hi = len(b.schema.columns)
	n.shape = shapeObject
	if parent != nil && wanted {
		n.resolve(e)
	}
	return n, nil
}

func (b *schemaBuilder) name() string { return strings.Join(b.path, ".") }

func (b *schemaBuilder) leaf(n *node, e schemaElement, wanted bool) error {
	at := b.schema.leaves
	b.schema.leaves++
	if !wanted {
		return nil
	}
	width := 0
	switch e.physical {
	case typeBoolean, typeByteArray:
	case typeInt32, typeFloat:
		width = 4
	case typeInt64, typeDouble:
		width = 8
	case typeInt96:
		width = 12
	case typeFixedLenByteArray:
		if width = int(e.length); width <= 0 {
			return damaged("field %q has values of %d bytes", b.name(), width)
		}
	default:
		return damaged("field %q has physical type %d", b.name(), e.physical)
	}
	f, err := formatOf(e)
	if err != nil {
		return fmt.Errorf("field %q: %w", b.name(), err)
	}
	n.format, n.isJSON = f, f.kind == formatString && e.annotation.logical == logicalJSON
	n.column = &column{s: b.source, path: b.name(), physical: e.physical, width: width, maxDef: n.def, maxRep: n.rep}
	b.schema.columns = append(b.schema.columns, n.column)
	b.schema.columnAt = append(b.schema.columnAt, at)
	n.hi = len(b.schema.columns)
	return nil
}

// resolve finds lists and maps: parquet-format, LogicalTypes.md, with its rules for files older than them. A
// group whose annotation does not fit its fields stays a struct.
func (n *node) resolve(e schemaElement) {
	switch e.annotation.logical {
	case logicalList:
		if len(n.children) == 1 && n.children[0].repeated {
			n.shape, n.element = shapeList, n.children[0].listElement(n.name)
		}
	case logicalMap, logicalMapKeyValue:
		if len(n.children) != 1 {
			return
		}
		kv := n.children[0]
		if !kv.repeated || kv.column != nil || len(kv.children) != 2 || kv.children[0].repeated {
			return
		}
		n.shape = shapePairs
		if k := kv.children[0]; k.column != nil && (k.format.kind == formatString || k.format.kind == formatText) {
			n.shape = shapeMap
		}
	}
}

// listElement is what a repetition of r holds, r being the one field of the list called list.
func (r *node) listElement(list string) *node {
	switch {
	case r.column != nil, // two levels: the repeated field is the element
		len(r.children) > 1,
		r.children[0].repeated,
		r.name == "array", r.name == list+"_tuple":
		return r
	}
	return r.children[0] // three levels, whatever they are called
}
