package jinja

// expression reads an expression with a condition, from the loosest operator to the tightest: if, or, and, not,
// comparisons, + -, ~, * / // %, **, signs, and what stands behind a value.
func (p *parser) expression() node {
	p.deeper()
	defer func() { p.depth-- }()
	line := p.token.line
	n := p.or()
	for p.skipName("if") {
		test := p.or()
		c := &conditionNode{test: test, yes: n, line: line}
		if p.skipName("else") {
			c.no = p.expression()
		}
		n = p.made(c)
		line = p.token.line
	}
	return n
}

func (p *parser) or() node {
	n := p.and()
	for p.skipName("or") {
		n = p.made(&logicNode{or: true, left: n, right: p.and()})
	}
	return n
}

func (p *parser) and() node {
	n := p.not()
	for p.skipName("and") {
		n = p.made(&logicNode{left: n, right: p.not()})
	}
	return n
}

func (p *parser) not() node {
	if !p.skipName("not") {
		return p.compare()
	}
	p.deeper()
	defer func() { p.depth-- }()
	return p.made(&notNode{p.not()})
}

func (p *parser) compare() node {
	first := p.sum()
	var rest []comparison
	for {
		switch {
		case p.token.kind == tOperator && isComparison(p.token.text):
			op := p.advance().text
			rest = append(rest, comparison{op, p.sum()})
		case p.skipName("in"):
			rest = append(rest, comparison{"in", p.sum()})
		case p.isName("not") && p.peek().kind == tName && p.peek().text == "in":
			p.advance()
			p.advance()
			rest = append(rest, comparison{"not in", p.sum()})
		default:
			if rest == nil {
				return first
			}
			return p.made(&compareNode{first, rest})
		}
	}
}

func isComparison(op string) bool {
	switch op {
	case "==", "!=", "<", "<=", ">", ">=":
		return true
	}
	return false
}

func (p *parser) sum() node {
	n := p.concat()
	for p.isOp("+") || p.isOp("-") {
		op := p.advance().text
		n = p.made(&binaryNode{op, n, p.concat()})
	}
	return n
}

func (p *parser) concat() node {
	n := p.product()
	if !p.isOp("~") {
		return n
	}
	parts := []node{n}
	for p.skipOp("~") {
		parts = append(parts, p.product())
	}
	return p.made(&concatNode{parts})
}

func (p *parser) product() node {
	n := p.power()
	for p.isOp("*") || p.isOp("/") || p.isOp("//") || p.isOp("%") {
		op := p.advance().text
		n = p.made(&binaryNode{op, n, p.power()})
	}
	return n
}

// power joins from the left, unlike Python's.
func (p *parser) power() node {
	n := p.unary(true)
	for p.isOp("**") {
		p.advance()
		n = p.made(&binaryNode{"**", n, p.unary(true)})
	}
	return n
}

func (p *parser) unary(filters bool) node {
	p.deeper()
	defer func() { p.depth-- }()
	var n node
	switch {
	case p.skipOp("-"):
		n = p.made(&unaryNode{'-', p.unary(false)})
	case p.skipOp("+"):
		n = p.made(&unaryNode{'+', p.unary(false)})
	default:
		n = p.primary()
	}
	n = p.postfix(n)
	if filters {
		n = p.filtersAndTests(n)
	}
	return n
}

func (p *parser) primary() node {
	t := p.token
	switch t.kind {
	case tName:
		p.advance()
		switch t.text {
		case "true", "True":
			return &constNode{boolean(true)}
		case "false", "False":
			return &constNode{boolean(false)}
		case "none", "None":
			return &constNode{none}
		}
		p.saw(t.text, used)
		return &nameNode{name: t.text}
	case tString:
		p.advance()
		if p.token.kind != tString {
			return &constNode{text(t.text)}
		}
		s := []byte(t.text)
		for p.token.kind == tString {
			s = append(s, p.advance().text...)
		}
		return &constNode{text(string(s))}
	case tNumber:
		p.advance()
		return &constNode{t.value}
	case tOperator:
		switch t.text {
		case "(":
			p.advance()
			items, isTuple := p.tupleItems(true)
			p.wantOp(")")
			if !isTuple && len(items) == 1 {
				return items[0]
			}
			return p.made(&sequenceNode{kTuple, items})
		case "[":
			return p.list()
		case "{":
			return p.dict()
		}
	}
	p.fail("unexpected '%s'", t)
	return nil
}

func (p *parser) list() node {
	p.advance()
	var items []node
	for !p.isOp("]") {
		if len(items) > 0 {
			p.wantOp(",")
		}
		if p.isOp("]") {
			break
		}
		items = append(items, p.expression())
	}
	p.wantOp("]")
	return p.made(&sequenceNode{kList, items})
}

func (p *parser) dict() node {
	p.advance()
	n := &dictNode{}
	for !p.isOp("}") {
		if len(n.keys) > 0 {
			p.wantOp(",")
		}
		if p.isOp("}") {
			break
		}
		n.keys = append(n.keys, p.expression())
		p.wantOp(":")
		n.values = append(n.values, p.expression())
	}
	p.wantOp("}")
	return p.made(n)
}

func (p *parser) postfix(n node) node {
	for {
		switch {
		case p.isOp("."):
			n = p.attribute(n)
		case p.isOp("["):
			n = p.item(n)
		case p.isOp("("):
			n = p.call(n)
		default:
			return n
		}
	}
}

func (p *parser) filtersAndTests(n node) node {
	for {
		switch {
		case p.isOp("|"):
			n = p.filters(n, false)
		case p.isName("is"):
			n = p.test(n)
		case p.isOp("("):
			n = p.call(n)
		default:
			return n
		}
	}
}

func (p *parser) attribute(of node) node {
	p.advance()
	t := p.advance()
	switch {
	case t.kind == tName:
		n := &attributeNode{of: of, name: t.text}
		n.ofString, n.ofDict, n.ofList = findMethod(stringMethods, t.text), findMethod(dictMethods, t.text), findMethod(listMethods, t.text)
		return p.made(n)
	case t.kind == tNumber && t.value.k != kFloat:
		return p.made(&itemNode{of, &constNode{t.value}})
	}
	raise(t.line, "expected name or number")
	return nil
}

func (p *parser) item(of node) node {
	p.advance()
	var keys []node
	for !p.isOp("]") {
		if len(keys) > 0 {
			p.wantOp(",")
		}
		var key node
		if !p.isOp(":") {
			key = p.expression()
		}
		if p.isOp(":") {
			n := p.sliceFrom(of, key)
			if len(keys) > 0 || !p.isOp("]") {
				p.fail("a slice inside of a tuple")
			}
			p.advance()
			return n
		}
		keys = append(keys, key)
	}
	p.advance()
	if len(keys) == 1 {
		return p.made(&itemNode{of, keys[0]})
	}
	return p.made(&itemNode{of, p.made(&sequenceNode{kTuple, keys})})
}

func (p *parser) sliceFrom(of, start node) node {
	p.wantOp(":")
	n := &sliceNode{of: of, start: start}
	ends := func() bool { return p.isOp("]") || p.isOp(",") }
	if !p.isOp(":") && !ends() {
		n.stop = p.expression()
	}
	if p.skipOp(":") && !ends() {
		n.step = p.expression()
	}
	return p.made(n)
}

func (p *parser) call(of node) node {
	line := p.token.line
	return p.made(&callNode{of: of, args: p.arguments(), line: line})
}

func (p *parser) arguments() arguments {
	line := p.token.line
	p.wantOp("(")
	var a arguments
	for first := true; !p.isOp(")"); first = false {
		if !first {
			p.wantOp(",")
			if p.isOp(")") {
				break
			}
		}
		ok := true
		switch {
		case p.isOp("*"):
			ok = a.list == nil && a.mapped == nil
			p.advance()
			a.list = p.expression()
		case p.isOp("**"):
			ok = a.mapped == nil
			p.advance()
			a.mapped = p.expression()
		case p.token.kind == tName && p.peek().kind == tOperator && p.peek().text == "=":
			ok = a.mapped == nil
			name := p.advance().text
			p.advance()
			for _, other := range a.named {
				if other.name == name {
					p.fail("keyword argument repeated: %s", name)
				}
			}
			a.named = append(a.named, keyword{name, p.expression()})
			if len(a.named) > 255 {
				p.fail("more than 255 keyword arguments")
			}
		default:
			ok = a.list == nil && a.mapped == nil && a.named == nil
			a.args = append(a.args, p.expression())
		}
		if !ok {
			raise(line, "invalid syntax for function call expression")
		}
	}
	p.wantOp(")")
	return a
}

// filters reads |name, |name(arguments) and so on; inline is for the tag filter, whose first name has no | in front.
func (p *parser) filters(of node, inline bool) node {
	for inline || p.isOp("|") {
		if !inline {
			p.advance()
		}
		inline = false
		line := p.token.line
		n := &filterNode{of: of, name: p.dottedName(), line: line}
		if p.isOp("(") {
			n.args = p.arguments()
		}
		n.filter = findBuiltin(filters[:], n.name)
		of = p.made(n)
	}
	return of
}

func (p *parser) dottedName() string {
	name := p.wantName().text
	for p.skipOp(".") {
		name += "." + p.wantName().text
		if len(name) > 1000 {
			p.fail("a name of more than 1000 bytes")
		}
	}
	return name
}

func (p *parser) test(of node) node {
	line := p.advance().line
	negated := p.skipName("not")
	n := &testNode{of: of, name: p.dottedName(), line: line}
	switch p.token.kind {
	case tName, tString, tNumber, tOperator:
		switch {
		case p.isOp("("):
			n.args = p.arguments()
		case p.token.kind == tOperator && !p.isOp("[") && !p.isOp("{"):
		case p.isName("else") || p.isName("or") || p.isName("and"):
		case p.isName("is"):
			p.fail("You cannot chain multiple tests with is")
		default:
			p.deeper()
			n.args.args = []node{p.postfix(p.primary())}
			p.depth--
		}
	}
	n.test = findBuiltin(tests[:], n.name)
	if negated {
		return p.made(&notNode{p.made(n)})
	}
	return p.made(n)
}
