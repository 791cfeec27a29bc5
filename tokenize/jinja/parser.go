package jinja

import (
	"slices"
	"strings"
)

// parser reads the statements and expressions of a template, with the grammar of jinja2's parser.py.
type parser struct {
	lex     *lexer
	token   token
	ahead   []token
	nesting int // of statements
	depth   int // of expressions
	// heights has how high the tree of each expression is that holds others.
	heights map[node]int
	open    []openTag
	// watching are the bodies that are being read of macros and loops: which special names do they use?
	watching []*watch
}

// openTag is a statement whose end is looked for.
type openTag struct {
	name string
	ends []string
}

// watch is what a body uses of the names that only exist if they are used. A name that the body sets first is not
// special in it.
type watch struct{ loop, caller, kwargs, varargs use }

type use uint8

const (
	unseen use = iota
	used
	set
)

func (w *watch) of(name string) *use {
	switch name {
	case "loop":
		return &w.loop
	case "caller":
		return &w.caller
	case "kwargs":
		return &w.kwargs
	case "varargs":
		return &w.varargs
	}
	return nil
}

func (p *parser) saw(name string, as use) {
	for _, w := range p.watching {
		if u := w.of(name); u != nil && *u == unseen {
			*u = as
		}
	}
}

func parse(source string) []statement {
	p := &parser{lex: newLexer(source), heights: map[node]int{}}
	p.advance()
	return p.statements(nil)
}

func (p *parser) advance() token {
	t := p.token
	if len(p.ahead) > 0 {
		p.token = p.ahead[0]
		p.ahead = p.ahead[1:]
	} else {
		p.token = p.lex.next()
	}
	return t
}

func (p *parser) peek() token {
	if len(p.ahead) == 0 {
		p.ahead = append(p.ahead, p.lex.next())
	}
	return p.ahead[0]
}

func (p *parser) fail(format string, args ...any) {
	raise(p.token.line, format, args...)
}

func (t token) String() string {
	switch t.kind {
	case tEnd:
		return "end of template"
	case tData:
		return "template data / text"
	case tVariableBegin:
		return "begin of print statement"
	case tVariableEnd:
		return "end of print statement"
	case tBlockBegin:
		return "begin of statement block"
	case tBlockEnd:
		return "end of statement block"
	case tString:
		return "string"
	case tNumber:
		if t.value.k == kFloat {
			return "float"
		}
		return "integer"
	}
	return t.text
}

func (p *parser) isName(name string) bool { return p.token.kind == tName && p.token.text == name }
func (p *parser) isOp(op string) bool     { return p.token.kind == tOperator && p.token.text == op }

func (p *parser) skipName(name string) bool {
	if p.isName(name) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expected(what string) {
	if p.token.kind == tEnd {
		p.fail("unexpected end of template, expected '%s'.", what)
	}
	p.fail("expected token '%s', got '%s'", what, p.token)
}

func (p *parser) wantOp(op string) {
	if !p.skipOp(op) {
		p.expected(op)
	}
}

func (p *parser) wantName() token {
	if p.token.kind != tName {
		p.expected("name")
	}
	return p.advance()
}

func (p *parser) want(kind tokenKind) {
	if p.token.kind != kind {
		p.expected(token{kind: kind}.String())
	}
	p.advance()
}

// deeper counts one level of an expression; the caller defers or calls the answer.
func (p *parser) deeper() {
	if p.depth++; p.depth > maxHeight {
		p.fail("an expression nested deeper than %d", maxHeight)
	}
}

// made is called for each node that holds others: trees must not be higher than maxHeight.
func (p *parser) made(n node) node {
	height := 0
	n.each(func(inner node) { height = max(height, p.heights[inner]) })
	if height++; height > maxHeight {
		p.fail("an expression nested deeper than %d", maxHeight)
	}
	p.heights[n] = height
	return n
}

// statements reads up to one of the tags that end it, whose name is then the current token; nil reads to the end of
// the template.
func (p *parser) statements(ends []string) []statement {
	if p.nesting++; p.nesting > maxNesting {
		p.fail("statements nested deeper than %d", maxNesting)
	}
	defer func() { p.nesting-- }()
	var body []statement
	var output *outputNode
	add := func(n node, line int) {
		if output == nil {
			output = &outputNode{}
			body = append(body, output)
		}
		output.parts = append(output.parts, n)
		output.lines = append(output.lines, line)
	}
	for {
		switch p.token.kind {
		case tData:
			t := p.advance()
			add(&constNode{text(t.text)}, t.line)
		case tVariableBegin:
			line := p.advance().line
			add(printed(p.tuple(true), line), line)
			p.want(tVariableEnd)
		case tBlockBegin:
			output = nil
			p.advance()
			if p.token.kind == tName && slices.Contains(ends, p.token.text) {
				return body
			}
			if s := p.statement(); s != nil {
				body = append(body, s)
			}
			p.want(tBlockEnd)
		default:
			if ends != nil {
				p.unclosed("Unexpected end of template.")
			}
			return body
		}
	}
}

// printed is an expression in an outputNode, where constants are text already.
func printed(n node, line int) node {
	c, ok := n.(*constNode)
	if !ok || c.value.k == kString {
		return n
	}
	r := &run{line: line, steps: 1000, maxOutput: maxSource, maxValue: maxSource, built: maxSource}
	return &constNode{text(r.str(c.value))}
}

func (p *parser) unclosed(problem string) {
	if n := len(p.open); n > 0 {
		p.fail("%s Jinja was looking for the following tags: '%s'. The innermost block that needs to be closed is '%s'.",
			problem, strings.Join(p.open[n-1].ends, "' or '"), p.open[n-1].name)
	}
	p.fail("%s", problem)
}

// block reads the rest of a tag and what follows up to one of the ends.
func (p *parser) block(name string, ends ...string) []statement {
	p.skipOp(":")
	p.want(tBlockEnd)
	p.open = append(p.open, openTag{name, ends})
	body := p.statements(ends)
	p.open = p.open[:len(p.open)-1]
	return body
}

// watched is block for a body whose use of special names matters.
func (p *parser) watched(w *watch, name string, ends ...string) []statement {
	p.watching = append(p.watching, w)
	body := p.block(name, ends...)
	p.watching = p.watching[:len(p.watching)-1]
	return body
}

func (p *parser) statement() statement {
	if p.token.kind != tName {
		p.fail("tag name expected")
	}
	line := p.token.line
	switch p.token.text {
	case "if":
		return p.parseIf(line)
	case "for":
		return p.parseFor(line)
	case "set":
		return p.parseSet(line)
	case "macro":
		return p.parseMacro(line)
	case "call":
		return p.parseCall(line)
	case "generation":
		p.advance()
		n := &callBlockNode{line: line}
		n.macro.line = line
		w := &watch{}
		n.macro.body = p.watched(w, "generation", "endgeneration")
		p.advance()
		n.macro.uses(w)
		return n
	case "filter":
		p.advance()
		n := &filterBlockNode{line: line}
		n.filter = p.filters(nil, true).(*filterNode)
		n.body = p.block("filter", "endfilter")
		p.advance()
		return n
	case "with":
		return p.parseWith(line)
	case "print":
		p.advance()
		n := &outputNode{}
		for p.token.kind != tBlockEnd {
			if len(n.parts) > 0 {
				p.wantOp(",")
			}
			n.lines = append(n.lines, p.token.line)
			n.parts = append(n.parts, printed(p.expression(), line))
		}
		return n
	case "break", "continue":
		n := &jumpNode{control: breakLoop, line: line}
		if p.advance().text == "continue" {
			n.control = continueLoop
		}
		return n
	case "block", "extends", "include", "import", "from":
		p.fail("'%s' is not supported: a chat template stands alone", p.token.text)
	case "autoescape":
		p.fail("'autoescape' is not supported: chats are no HTML")
	}
	p.unclosed("Encountered unknown tag '" + p.token.text + "'.")
	return nil
}

func (p *parser) parseIf(line int) statement {
	p.advance()
	n := &ifNode{line: line}
	for {
		n.tests = append(n.tests, p.tuple(false))
		n.then = append(n.then, p.block("if", "elif", "else", "endif"))
		switch p.advance().text {
		case "elif":
			continue
		case "else":
			n.then = append(n.then, p.block("if", "endif"))
			p.advance()
		}
		return n
	}
}

func (p *parser) parseFor(line int) statement {
	p.advance()
	n := &forNode{line: line}
	n.to = p.target(true, false)
	if !p.skipName("in") {
		p.expected("in")
	}
	n.over = p.tuple(false)
	if p.skipName("if") {
		n.test = p.expression()
		n.testTo = n.to.copy()
	}
	n.recursive = p.skipName("recursive")
	w := &watch{}
	n.body = p.watched(w, "for", "endfor", "else")
	n.usesLoop = w.loop == used || n.recursive
	if p.advance().text == "else" {
		n.orElse = p.block("for", "endfor")
		p.advance()
	}
	return n
}

func (p *parser) parseSet(line int) statement {
	p.advance()
	to := p.target(true, true)
	if p.skipOp("=") {
		return &assignNode{to: to, value: p.tuple(true), line: line}
	}
	n := &assignBlockNode{to: to, line: line}
	if p.isOp("|") {
		n.filter = p.filters(nil, false).(*filterNode)
	}
	n.body = p.block("set", "endset")
	p.advance()
	return n
}

func (m *macroNode) uses(w *watch) {
	m.usesCaller, m.usesKwargs, m.usesVargs = w.caller == used, w.kwargs == used, w.varargs == used
}

func (p *parser) parseMacro(line int) statement {
	p.advance()
	n := &macroNode{line: line}
	n.to = p.target(false, false).name
	n.name = n.to.name
	p.signature(n)
	w := &watch{}
	n.body = p.watched(w, "macro", "endmacro")
	p.advance()
	n.uses(w)
	p.checkCaller(n)
	return n
}

func (p *parser) parseCall(line int) statement {
	p.advance()
	n := &callBlockNode{line: line}
	n.macro.line = line
	if p.isOp("(") {
		p.signature(&n.macro)
	}
	call, ok := p.expression().(*callNode)
	if !ok {
		raise(line, "expected call")
	}
	n.call = call
	w := &watch{}
	n.macro.body = p.watched(w, "call", "endcall")
	p.advance()
	n.macro.uses(w)
	p.checkCaller(&n.macro)
	return n
}

func (p *parser) checkCaller(m *macroNode) {
	for _, param := range m.params {
		if param.name.name != "caller" {
			continue
		}
		m.explicitCaller = true
		if m.usesCaller && param.value == nil {
			raise(m.line, `When defining macros or call blocks the special "caller" argument must be omitted or be given a default.`)
		}
	}
}

func (p *parser) signature(m *macroNode) {
	p.wantOp("(")
	defaults := false
	for !p.isOp(")") {
		if len(m.params) > 0 {
			p.wantOp(",")
		}
		param := parameter{name: p.target(false, false).name}
		for _, other := range m.params {
			if other.name.name == param.name.name {
				p.fail("duplicate argument '%s'", param.name.name)
			}
		}
		if p.skipOp("=") {
			param.value = p.expression()
			defaults = true
		} else if defaults {
			p.fail("non-default argument follows default argument")
		}
		m.params = append(m.params, param)
		if len(m.params) > 255 {
			p.fail("more than 255 arguments")
		}
	}
	p.wantOp(")")
}

func (p *parser) parseWith(line int) statement {
	p.advance()
	n := &withNode{line: line}
	for p.token.kind != tBlockEnd {
		if len(n.to) > 0 {
			p.wantOp(",")
		}
		n.to = append(n.to, p.target(true, false))
		p.wantOp("=")
		n.value = append(n.value, p.expression())
	}
	n.body = p.block("with", "endwith")
	p.advance()
	return n
}

// target reads what is assigned to: a name; with tuple also several; with attributes also name.attribute.
func (p *parser) target(tuple, attributes bool) *target {
	line := p.token.line
	if !tuple {
		name := p.wantName().text
		if isConstantName(name) {
			raise(line, "can't assign to 'name'")
		}
		p.saw(name, set)
		return &target{name: &nameNode{name: name}, line: line}
	}
	var items []*target
	isTuple := false
	for {
		if len(items) > 0 {
			p.wantOp(",")
		}
		if p.tupleEnds() {
			break
		}
		items = append(items, p.oneTarget(attributes))
		if !p.isOp(",") {
			break
		}
		isTuple = true
	}
	if isTuple {
		return &target{items: items, line: line}
	}
	if len(items) == 0 {
		p.fail("Expected an expression, got '%s'", p.token)
	}
	return items[0]
}

func (p *parser) oneTarget(attributes bool) *target {
	line := p.token.line
	p.deeper()
	defer func() { p.depth-- }()
	switch {
	case p.token.kind == tName && !isConstantName(p.token.text):
		name := p.advance().text
		t := &target{name: &nameNode{name: name}, line: line}
		if attributes && p.skipOp(".") {
			t.attr = p.wantName().text
			return t
		}
		p.saw(name, set)
		return t
	case p.skipOp("("):
		// Inside of parentheses attributes of namespaces are expressions, and cannot be assigned to.
		t := &target{line: line}
		isTuple := false
		for {
			if len(t.items) > 0 {
				p.wantOp(",")
			}
			if p.isOp(")") {
				break
			}
			t.items = append(t.items, p.oneTarget(false))
			if !p.isOp(",") {
				break
			}
			isTuple = true
		}
		p.wantOp(")")
		if !isTuple && len(t.items) == 1 {
			return t.items[0]
		}
		return t
	}
	p.fail("can't assign to '%s'", p.token)
	return nil
}

func (t *target) copy() *target {
	c := &target{attr: t.attr, line: t.line}
	if t.name != nil {
		c.name = &nameNode{name: t.name.name}
	}
	for _, item := range t.items {
		c.items = append(c.items, item.copy())
	}
	return c
}

func isConstantName(name string) bool {
	switch name {
	case "true", "false", "none", "True", "False", "None":
		return true
	}
	return false
}

func (p *parser) tupleEnds() bool {
	return p.token.kind == tVariableEnd || p.token.kind == tBlockEnd || p.isOp(")")
}

// tuple reads an expression, or several with commas between them. Without conditions, "if" ends it.
func (p *parser) tuple(conditions bool) node {
	items, isTuple := p.tupleItems(conditions)
	if isTuple {
		return p.made(&sequenceNode{kTuple, items})
	}
	if len(items) == 0 {
		p.fail("Expected an expression, got '%s'", p.token)
	}
	return items[0]
}

func (p *parser) tupleItems(conditions bool) (items []node, isTuple bool) {
	for {
		if len(items) > 0 {
			p.wantOp(",")
		}
		if p.tupleEnds() {
			return items, isTuple
		}
		if conditions {
			items = append(items, p.expression())
		} else {
			p.deeper()
			items = append(items, p.or())
			p.depth--
		}
		if !p.isOp(",") {
			return items, isTuple
		}
		isTuple = true
	}
}
