package filter

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// An expression of a profile is a condition over signals and fields of the record, in the language of
// github.com/expr-lang/expr, less what would make an answer depend on anything else or cost without bound: no
// clock, no time zones, no JSON or base64, no variables, no predicate inside a predicate, no pattern out of a record.
//
// A name is a signal's if a signal is called so, and else a field's; record.NAME is always a field's. Signals are
// numbers. One that does not apply to the document makes each comparison with it false, as its test passes, equals
// nil, and gives way in "signal ?? 0". A field that the record does not have, at any depth, is nil, as is JSON's null:
// nil equals nil alone, is in no list that does not hold it, and contains and matches nothing. All else that is done
// with nil, such as nil > 3, is an error, and an error sets the record aside.

// ExpressionRule is the rule of conditions: its reasons are the names that a profile gives them.
const ExpressionRule = "expression"

// Condition is an expression of a profile.
type Condition struct {
	Name       string // the reason of the drop
	Expression string
	// Keep says that a document is dropped where the expression does not hold; else it is where it holds.
	Keep bool
}

// ExpressionError is what is wrong with an expression, or with what it was asked about.
type ExpressionError struct {
	Condition Condition
	Column    int // in characters, from 1; 0 if it is about all of it
	Problem   string
}

func (e *ExpressionError) Error() string {
	column := ""
	if e.Column > 0 {
		column = " column " + strconv.Itoa(e.Column) + ":"
	}
	return fmt.Sprintf("expression %q:%s %s; it is: %s", e.Condition.Name, column, e.Problem, e.Condition.Expression)
}

func (c Condition) errorf(column int, format string, args ...any) error {
	return &ExpressionError{c, column, fmt.Sprintf(format, args...)}
}

// fail takes the place out of an error of the library.
func (c Condition) fail(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		column := at.Column + 1
		if at.Line > 1 { // columns are counted through, as the expression is one value
			column = at.From + 1
		}
		return c.errorf(column, "%s", at.Message)
	}
	return c.errorf(0, "%v", err)
}

// Bounds of an expression and of what it is asked about.
const (
	expressionSize   = 4096      // bytes of its text
	expressionNodes  = 1000      // of its tree
	expressionMemory = 100_000   // elements of the lists that an evaluation makes
	expressionValue  = 64 << 10  // bytes of a list or an object of the record, as JSON
	expressionKeep   = 256       // bytes of a field up to which its value is kept for the next record
	recordRoot       = "record." // what a field's name begins with inside a program
)

// expressionFunctions are those of the library that answer the same wherever and whenever they are asked, in time and
// memory that grow with their arguments. Sorted.
var expressionFunctions = []string{
	"abs", "all", "any", "ceil", "count", "filter", "find", "findIndex", "first", "float", "floor", "hasPrefix", "hasSuffix",
	"indexOf", "int", "keys", "last", "lastIndexOf", "len", "lower", "map", "max", "mean", "min", "none", "one", "round", "split",
	"string", "sum", "trim", "trimPrefix", "trimSuffix", "type", "upper", "values",
}

// Names of our functions inside a program; with a space, since nobody can write them.
const (
	notApplicable = "not applicable" // whether a signal does not apply
	inConstants   = "in constants"
)

// program is a condition made ready. It is immutable.
type program struct {
	Condition
	code    *vm.Program
	signals []string // it asks for, sorted
	fields  []record.Path
	keys    []string // of fields, inside the program
}

// compileCondition checks an expression. signals are the names that are signals.
func compileCondition(c Condition, signals []string) (*program, error) {
	if len(c.Expression) > expressionSize {
		return nil, c.errorf(0, "it has more than %d bytes", expressionSize)
	}
	env := map[string]any{}
	for _, s := range signals {
		env[s] = float64(0)
	}
	p := &patcher{condition: c, signals: signals, paths: map[string][]string{}, isSignal: env}
	code, err := expr.Compile(c.Expression,
		expr.Env(env), expr.AllowUndefinedVariables(), expr.AsBool(), expr.MaxNodes(expressionNodes), expr.Patch(p),
		expr.Function(notApplicable, func(args ...any) (any, error) { v, ok := args[0].(float64); return ok && v != v, nil }, new(func(any) bool)),
		expr.Function(inConstants, func(args ...any) (any, error) { return args[1].(*constants).holds(args[0]), nil }, new(func(any, any) bool)),
	)
	switch {
	case p.err != nil: // says more than what follows from it
		return nil, p.err
	case err != nil:
		return nil, c.fail(err)
	}
	prog := &program{Condition: c, code: code}
	used := &collector{}
	root := code.Node()
	ast.Walk(&root, used)
	for _, name := range used.names {
		if name == "record" {
			return nil, c.errorf(0, "record is the whole record; name a field of it, record.NAME")
		}
		if _, ok := env[name]; ok {
			prog.signals = append(prog.signals, name)
		} else if names, ok := p.paths[name]; ok {
			path, err := record.ParsePath(joinPath(names))
			if err != nil {
				return nil, c.errorf(0, "%v", err)
			}
			prog.fields = append(prog.fields, path)
			prog.keys = append(prog.keys, name)
		}
	}
	slices.Sort(prog.signals)
	return prog, nil
}

// joinPath is the dotted path of names.
func joinPath(names []string) string {
	escape := strings.NewReplacer(`\`, `\\`, `.`, `\.`)
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(escape.Replace(n))
	}
	return b.String()
}

// collector finds which names a program loads.
type collector struct{ names []string }

func (c *collector) Visit(node *ast.Node) {
	if n, ok := (*node).(*ast.IdentifierNode); ok && !slices.Contains(c.names, n.Value) {
		c.names = append(c.names, n.Value)
	}
}

// patcher turns the library's tree into one that asks for signals and fields alone. A tree is walked from its leaves to
// its root.
type patcher struct {
	condition Condition
	signals   []string
	isSignal  map[string]any
	paths     map[string][]string // names of a field by its name inside the program
	err       error
}

func (p *patcher) errorf(n ast.Node, format string, args ...any) {
	if p.err == nil {
		p.err = p.condition.errorf(n.Location().From+1, format, args...)
	}
}

func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		p.name(node, n)
	case *ast.MemberNode:
		p.member(node, n)
	case *ast.BuiltinNode:
		if !slices.Contains(expressionFunctions, n.Name) {
			p.errorf(n, "%v", stage.UnknownName("function", n.Name, expressionFunctions))
		}
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			p.errorf(n, "%v", stage.UnknownName("function", strings.TrimPrefix(id.Value, recordRoot), expressionFunctions))
		} else {
			p.errorf(n, "a value of a record cannot be called")
		}
	case *ast.VariableDeclaratorNode:
		p.errorf(n, "let is not possible here: write the value where it is needed")
	case *ast.SequenceNode:
		p.errorf(n, "an expression is one; write several conditions, or and")
	case *ast.PredicateNode:
		p.predicate(n)
	case *ast.BinaryNode:
		p.binary(node, n)
	}
}

// wellKnown are fields that records of the field's data sets have, however near they come to a signal's name.
var wellKnown = []string{"date", "dump", "id", "lang", "language", "license", "meta", "metadata", "source", "text", "title", "url"}

func (p *patcher) name(node *ast.Node, n *ast.IdentifierNode) {
	switch {
	case n.Value == "$env":
		p.errorf(n, "$env is not possible here; a field whose name is no word is record[\"its name\"]")
		return
	case n.Value == "record":
		return // its member is the field
	}
	if _, ok := p.isSignal[n.Value]; ok {
		return
	}
	if !slices.Contains(wellKnown, n.Value) {
		for _, s := range p.signals {
			if oneSlip(n.Value, s) {
				p.errorf(n, "no signal is called %q; did you mean %q? A field of the record with this name is record.%s", n.Value, s, n.Value)
				return
			}
		}
	}
	p.field(node, []string{n.Value})
}

// field puts a name for the field in the place of a node.
func (p *patcher) field(node *ast.Node, names []string) {
	key := recordRoot + joinPath(names)
	p.paths[key] = names
	ast.Patch(node, &ast.IdentifierNode{Value: key})
}

func (p *patcher) member(node *ast.Node, n *ast.MemberNode) {
	of := n.Node
	if c, ok := of.(*ast.ChainNode); ok {
		of = c.Node
	}
	id, ok := of.(*ast.IdentifierNode)
	if !ok {
		return // of a value that a predicate has at hand, for one
	}
	property, constant := n.Property.(*ast.StringNode)
	if constant && property.Value == "" {
		p.errorf(n, "a field has a name")
		return
	}
	if id.Value == "record" {
		if !constant {
			p.errorf(n, "record[…] takes the name of a field in quotes")
			return
		}
		p.field(node, []string{property.Value})
		return
	}
	if _, ok := p.isSignal[id.Value]; ok {
		p.errorf(n, "%q is a signal, a number; the field of this name is record.%s", id.Value, id.Value)
		return
	}
	if names, ok := p.paths[id.Value]; ok && constant {
		p.field(node, append(slices.Clip(names), property.Value))
	}
}

// predicate refuses what would take more than time in proportion to the list.
func (p *patcher) predicate(n *ast.PredicateNode) {
	inner := &innerCost{}
	ast.Walk(&n.Node, inner)
	if inner.found != nil {
		p.errorf(inner.found, "%s inside a predicate is not possible: its cost would grow with the square of the list", inner.what)
	}
}

type innerCost struct {
	found ast.Node
	what  string
}

func (c *innerCost) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		c.found, c.what = n, "a predicate"
	case *ast.BinaryNode:
		if n.Operator == "in" {
			c.found, c.what = n, "in a list of the record"
		}
	}
}

func (p *patcher) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "matches":
		if _, ok := n.Right.(*ast.StringNode); !ok {
			p.errorf(n, "the pattern of matches is a text in quotes")
		}
	case "in":
		if set := constantsOf(n.Right); set != nil {
			// The library's own set is of texts or of whole numbers alone, and panics about a value of another kind.
			ast.Patch(node, call(inConstants, n, n.Left, &ast.ConstantNode{Value: set}))
		}
	case "==", "!=":
		for _, side := range [][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
			if _, isNil := side[1].(*ast.NilNode); isNil && p.signal(side[0]) {
				var test ast.Node = call(notApplicable, n, side[0])
				if n.Operator == "!=" {
					test = &ast.UnaryNode{Operator: "!", Node: test}
				}
				ast.Patch(node, test)
				return
			}
		}
	case "??":
		if p.signal(n.Left) {
			ast.Patch(node, &ast.ConditionalNode{Cond: call(notApplicable, n, n.Left), Exp1: n.Right, Exp2: n.Left})
		}
	}
}

func (p *patcher) signal(n ast.Node) bool {
	id, ok := n.(*ast.IdentifierNode)
	if !ok {
		return false
	}
	_, ok = p.isSignal[id.Value]
	return ok
}

func call(name string, at ast.Node, args ...ast.Node) ast.Node {
	callee := &ast.IdentifierNode{Value: name}
	c := &ast.CallNode{Callee: callee, Arguments: args}
	for _, n := range append([]ast.Node{callee, c}, args...) {
		if n.Location() == (file.Location{}) {
			n.SetLocation(at.Location())
		}
	}
	return c
}

// constants are the values of a list that is written in an expression.
type constants struct {
	texts         map[string]bool
	numbers       map[float64]bool
	null, yes, no bool
}

// constantsOf are those of a list of constants, nil for anything else.
func constantsOf(n ast.Node) *constants {
	list, ok := n.(*ast.ArrayNode)
	if !ok {
		return nil
	}
	c := &constants{texts: map[string]bool{}, numbers: map[float64]bool{}}
	for _, item := range list.Nodes {
		sign := 1.0
		if u, ok := item.(*ast.UnaryNode); ok && u.Operator == "-" {
			item, sign = u.Node, -1
		}
		switch v := item.(type) {
		case *ast.IntegerNode:
			c.numbers[sign*float64(v.Value)] = true
			continue
		case *ast.FloatNode:
			c.numbers[sign*v.Value] = true
			continue
		}
		if sign < 0 {
			return nil
		}
		switch v := item.(type) {
		case *ast.StringNode:
			c.texts[v.Value] = true
		case *ast.BoolNode:
			c.yes, c.no = c.yes || v.Value, c.no || !v.Value
		case *ast.NilNode:
			c.null = true
		default:
			return nil
		}
	}
	return c
}

func (c *constants) holds(v any) bool {
	switch v := v.(type) {
	case nil:
		return c.null
	case string:
		return c.texts[v]
	case float64:
		return c.numbers[v]
	case int:
		return c.numbers[float64(v)]
	case bool:
		return v && c.yes || !v && c.no
	}
	return false
}

// oneSlip says whether a and b differ by one letter, or two that changed places.
func oneSlip(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if a == b || len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if a[i+1:] == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// evaluator is what a goroutine needs to ask programs about records.
type evaluator struct {
	vm     vm.VM
	env    map[string]any
	fields map[string]*lastValue // by its name inside programs
}

// lastValue of a field: records that stand together often agree in it.
type lastValue struct {
	raw   []byte
	value any
	known bool
}

func newEvaluator() *evaluator {
	return &evaluator{vm: vm.VM{MemoryBudget: expressionMemory}, env: map[string]any{}, fields: map[string]*lastValue{}}
}

// setSignal is for before eval. A signal that does not apply is not a number.
func (e *evaluator) setSignal(name string, v float64, ok bool) {
	if !ok {
		v = math.NaN()
	}
	e.env[name] = v
}

// eval says whether the expression holds for the record (nil: one without fields), after setSignal of each of p.signals.
func (e *evaluator) eval(p *program, r *record.Record) (bool, error) {
	for i, path := range p.fields {
		key := p.keys[i]
		var raw []byte
		if r != nil {
			raw, _ = r.Value(path)
		}
		v, err := e.value(key, raw)
		if err != nil {
			return false, p.errorf(0, "field %q %v", path, err)
		}
		e.env[key] = v
	}
	out, err := e.vm.Run(p.code, e.env)
	if err != nil {
		return false, p.fail(err)
	}
	holds, _ := out.(bool) // it was compiled to be one
	return holds, nil
}

// value decodes a field's JSON; none is nil.
func (e *evaluator) value(key string, raw []byte) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	last := e.fields[key]
	if last == nil {
		last = &lastValue{}
		e.fields[key] = last
	}
	if last.known && bytes.Equal(last.raw, raw) {
		return last.value, nil
	}
	v, err := decodeValue(raw)
	if last.known = err == nil && len(raw) <= expressionKeep; last.known {
		last.raw, last.value = append(last.raw[:0], raw...), v
	}
	return v, err
}

func decodeValue(raw []byte) (any, error) {
	switch raw[0] {
	case '"':
		if bytes.IndexByte(raw, '\\') < 0 && len(raw) >= 2 {
			return string(raw[1 : len(raw)-1]), nil
		}
		b, err := jsontext.AppendUnquote(nil, raw)
		return string(b), err
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case 'n':
		return nil, nil
	case '[', '{':
		if len(raw) > expressionValue {
			return nil, fmt.Errorf("has %d bytes; an expression looks at lists and objects up to %d", len(raw), expressionValue)
		}
	}
	var v any
	err := json.Unmarshal(raw, &v)
	return wholeNumbers(v), err
}

// wholeNumbers makes numbers without a fraction integers, of which an expression can take a remainder.
func wholeNumbers(v any) any {
	switch v := v.(type) {
	case float64:
		if n := int64(v); v > -1<<53 && v < 1<<53 && float64(n) == v {
			return int(n)
		}
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = wholeNumbers(v[k])
		}
	}
	return v
}
