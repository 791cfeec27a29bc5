package jinja

// node is an expression.
type node interface {
	eval(r *run, f *frame) Value
	// each calls visit with the expressions inside.
	each(visit func(node))
}

// statement is what stands between expressions.
type statement interface {
	exec(r *run, f *frame) control
}

// control is how a statement ended.
type control uint8

const (
	goOn control = iota
	breakLoop
	continueLoop
)

// slot is where a variable lives: in the frame that is up levels above the current one.
type slot struct{ up, at int }

type constNode struct{ value Value }

type nameNode struct {
	name string
	slot slot
}

// sequenceNode is a list or a tuple.
type sequenceNode struct {
	kind  kind
	items []node
}

type dictNode struct{ keys, values []node }

type attributeNode struct {
	of   node
	name string
	// The methods of that name, looked up once.
	ofString, ofDict, ofList *method
}

type itemNode struct{ of, key node }

type sliceNode struct{ of, start, stop, step node }

type keyword struct {
	name  string
	value node
}

// arguments are those of a call, a filter or a test.
type arguments struct {
	args   []node
	named  []keyword
	list   node // *list
	mapped node // **mapped
}

type callNode struct {
	of   node
	args arguments
	line int
}

type filterNode struct {
	of     node // nil for the body of a block
	name   string
	filter *builtin // nil if there is no such filter
	args   arguments
	line   int
}

type testNode struct {
	of   node
	name string
	test *builtin
	args arguments
	line int
}

type notNode struct{ of node }

type unaryNode struct {
	op byte
	of node
}

type logicNode struct {
	or          bool
	left, right node
}

type binaryNode struct {
	op          string
	left, right node
}

type concatNode struct{ parts []node }

type comparison struct {
	op string // == != < <= > >= in, or not in
	of node
}

type compareNode struct {
	first node
	rest  []comparison
}

type conditionNode struct {
	test, yes, no node // no may be nil
	line          int
}

func (n *constNode) each(func(node)) {}
func (n *nameNode) each(func(node))  {}

func (n *sequenceNode) each(visit func(node)) {
	for _, item := range n.items {
		visit(item)
	}
}

func (n *dictNode) each(visit func(node)) {
	for i := range n.keys {
		visit(n.keys[i])
		visit(n.values[i])
	}
}

func (n *attributeNode) each(visit func(node)) { visit(n.of) }

func (n *itemNode) each(visit func(node)) {
	visit(n.of)
	visit(n.key)
}

func (n *sliceNode) each(visit func(node)) {
	for _, x := range [...]node{n.of, n.start, n.stop, n.step} {
		if x != nil {
			visit(x)
		}
	}
}

func (a *arguments) each(visit func(node)) {
	for _, x := range a.args {
		visit(x)
	}
	for _, x := range a.named {
		visit(x.value)
	}
	if a.list != nil {
		visit(a.list)
	}
	if a.mapped != nil {
		visit(a.mapped)
	}
}

func (n *callNode) each(visit func(node)) {
	visit(n.of)
	n.args.each(visit)
}

func (n *filterNode) each(visit func(node)) {
	if n.of != nil {
		visit(n.of)
	}
	n.args.each(visit)
}

func (n *testNode) each(visit func(node)) {
	visit(n.of)
	n.args.each(visit)
}

func (n *notNode) each(visit func(node))   { visit(n.of) }
func (n *unaryNode) each(visit func(node)) { visit(n.of) }

func (n *logicNode) each(visit func(node)) {
	visit(n.left)
	visit(n.right)
}

func (n *binaryNode) each(visit func(node)) {
	visit(n.left)
	visit(n.right)
}

func (n *concatNode) each(visit func(node)) {
	for _, x := range n.parts {
		visit(x)
	}
}

func (n *compareNode) each(visit func(node)) {
	visit(n.first)
	for _, x := range n.rest {
		visit(x.of)
	}
}

func (n *conditionNode) each(visit func(node)) {
	visit(n.test)
	visit(n.yes)
	if n.no != nil {
		visit(n.no)
	}
}

// target is what is assigned to: a name, an attribute of a namespace, or a tuple of targets.
type target struct {
	name  *nameNode
	attr  string // with name: the attribute of the namespace in that variable
	items []*target
	line  int
}

type outputNode struct {
	parts []node // strings that are constants are text of the template
	lines []int  // of the parts
}

type assignNode struct {
	to    *target
	value node
	line  int
}

type assignBlockNode struct {
	to     *target
	filter *filterNode // or nil
	body   []statement
	scope  scope
	line   int
}

type ifNode struct {
	tests []node
	then  [][]statement // one more than tests if there is an else
	line  int
}

type forNode struct {
	to        *target
	over      node
	test      node    // or nil
	testTo    *target // the target again, in the function of the test
	body      []statement
	orElse    []statement
	recursive bool
	usesLoop  bool
	line      int

	loop      slot
	scope     scope
	elseScope scope
	testFunc  function
	testScope scope
	bodyFunc  function // of a recursive loop
}

type parameter struct {
	name  *nameNode
	value node // the default, or nil
}

// macroNode is a macro, or the body of a call block.
type macroNode struct {
	name       string // "" for the body of a call block
	to         *nameNode
	params     []parameter
	body       []statement
	usesCaller bool
	usesKwargs bool
	usesVargs  bool
	line       int

	explicitCaller bool
	caller         slot
	kwargs, vargs  slot
	function       function
	scope          scope
}

type callBlockNode struct {
	macro macroNode
	call  *callNode // nil for {% generation %}
	line  int
}

type filterBlockNode struct {
	filter *filterNode
	body   []statement
	scope  scope
	line   int
}

type withNode struct {
	to    []*target
	value []node
	body  []statement
	scope scope
	line  int
}

type jumpNode struct {
	control control
	line    int
}
