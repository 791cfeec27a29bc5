package segment

import "strings"

// Code without a fence is recognised by its lines alone, and only where hardly any line could be prose: a line of code that
// is translated is lost, but so is one of prose that is not.

type lineClass uint8

const (
	other   lineClass = iota
	neutral           // brackets, comments, lines that are code beside code
	weak              // begins like code
	strong            // is no prose
	sure              // is no prose even alone
)

// code is the line behind the code without a fence that begins with line i, or i. It begins a paragraph or follows a colon.
func (x *lexer) code(i int) int {
	if i < x.noCode {
		return i
	}
	depth, at := quoted(x.text, x.lines[i].start, x.lines[i].end)
	prompt := strings.HasPrefix(x.trimmed(i), ">>> ")
	if prompt {
		depth, at = 0, x.lines[i].start
	}
	base := x.indent(at, x.lines[i].end)
	column := base
	indented := column >= 4 && (x.list == 0 || column >= x.list+4)
	if x.list > 0 && column < x.list+4 && column > 0 {
		return i // a paragraph of a list item
	}
	if !indented && classify(x.trimmed(i)) == other {
		return i
	}
	var n [sure + 1]int
	lines, pending := 0, 0
	end, last := i, i // behind the lines looked at, and those that count
	for ; end < len(x.lines); end++ {
		l := x.lines[end]
		have, at := l.content(x.text, depth)
		s := strings.TrimSpace(x.text[at:l.end])
		if have < depth || s == "" && !indented {
			break
		}
		if s == "" {
			continue
		}
		column = x.indent(at, l.end)
		if _, _, fenced := x.opensFence(end); fenced || indented && column < 4 {
			break
		}
		c := classify(s)
		if c == other {
			run := wordRun(s)
			if column <= base && (run >= 4 || s[len(s)-1] == ':') && (run > 0 || !indented) {
				break // text goes on
			}
			if pending++; !indented && !(prompt && pending == 1 && run < 3) {
				continue // counts if code follows
			}
		}
		n[c]++
		lines++
		if c != other {
			n[other] += pending
			lines += pending
		}
		pending = 0
		last = end + 1
	}
	certain := n[strong] + n[sure]
	var ok bool
	switch {
	case prompt:
		ok = true // what it answers goes with it
	case indented:
		ok = certain > 0 && n[other]*2 <= lines
	case lines == 1:
		ok = n[sure] > 0
	case lines <= 4:
		ok = certain > 0 && n[other] == 0 && certain*2+n[weak] >= lines-n[neutral]
	default:
		ok = certain > 1 && n[other]*5 <= lines && certain*2+n[weak] >= lines-n[neutral]
	}
	if !ok {
		x.noCode = end
		return i
	}
	return last
}

// indent is the column in which the content of a line begins.
func (x *lexer) indent(at, end int) int {
	var p prefixed
	p.at = at
	p.advance(x.text, skipSpace(x.text, at, end))
	return p.column
}

// classify looks at a line without its outer white space. Lines of more than 400 bytes are not looked at.
func classify(s string) lineClass {
	n := len(s)
	if n == 0 || n > 400 {
		return other
	}
	if strings.Trim(s, "{}()[];, ") == "" {
		return neutral
	}
	last := s[n-1]
	switch {
	case strings.HasPrefix(s, ">>> "), strings.HasPrefix(s, "#include"), strings.HasPrefix(s, "#!/"), strings.HasPrefix(s, "#define "),
		strings.HasPrefix(s, "<?php"), strings.HasPrefix(s, "{'"), strings.HasPrefix(s, "$ ") && n > 2 && hasLetter(s[2:3]):
		return sure
	case s[0] == '"' && strings.Contains(s, "\":") && (strings.IndexByte(",{[\"]}", last) >= 0 || last-'0' < 10):
		return strong // a member of a JSON object
	case strings.HasPrefix(s, "//"), strings.HasPrefix(s, "/*"), strings.HasPrefix(s, "*/"):
		return strong
	case s[0] == '#' || s[0] == '@' || strings.HasPrefix(s, "--") || strings.HasPrefix(s, "... "):
		return neutral
	case strings.HasPrefix(s, `"""`), strings.HasPrefix(s, "'''"):
		return neutral
	case strings.Contains(s, " && "), strings.HasPrefix(s, "./"):
		return strong
	case s[0] == '=' && n > 4 && s[1] >= 'A' && s[1] <= 'Z' && last == ')' && strings.IndexByte(s, '(') > 0:
		return sure // a formula of a spreadsheet
	}
	w := 0
	for w < n && isWord(s[w]) {
		w++
	}
	word, rest := s[:w], s[w:]
	run := wordRun(s)
	brackets := strings.ContainsAny(s, "(){}[]=<>;\"'")
	if w > 0 {
		switch word {
		case "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "FROM", "WHERE", "JOIN", "GROUP", "ORDER", "VALUES", "HAVING", "LEFT", "INNER":
			switch {
			case smallWords(s) > 3:
				return other
			case last == ';' || word == "SELECT" && strings.Contains(s, " FROM "):
				return sure
			}
			return strong
		case "def", "func", "fn", "function", "async", "class", "fun":
			if strings.IndexByte(rest, '(') > 0 && (last == ':' || last == '{' || last == '}' || last == ')') {
				return sure
			}
			if run < 4 && (last == ':' || last == '{') {
				if word == "class" && strings.IndexByte(rest, ' ') == 0 && len(rest) > 1 && rest[1] >= 'A' && rest[1] <= 'Z' && strings.Count(s, " ") < 3 {
					return sure
				}
				return strong
			}
		case "import", "from", "package", "using", "namespace", "use", "require":
			if last == ';' || word == "from" && strings.Contains(s, " import ") || word == "import" && strings.Contains(s, " as ") && run < 5 {
				return sure
			}
			if run < 3 {
				return strong
			}
		case "if", "elif", "for", "while", "with", "except", "switch", "case", "catch", "foreach", "match":
			switch {
			case last == '{', last == ':' && run < 5 && (strings.ContainsAny(s, "()=<>[]") || strings.Contains(s, " in ")):
				return strong
			case brackets || run < 3:
				return weak
			}
		case "else", "try", "finally", "do", "pass", "break", "continue", "default", "end", "begin", "then", "fi", "done":
			if strings.Trim(rest, ":;{} ") == "" {
				return weak
			}
		case "return", "yield", "raise", "throw", "assert", "del", "await", "new":
			if run < 4 && brackets {
				return strong
			}
			return weak
		case "var", "let", "const", "int", "float", "double", "char", "bool", "boolean", "string", "String", "auto", "long",
			"static", "public", "private", "protected", "final", "struct", "enum", "interface", "type", "void", "export", "local":
			if run < 6 && (strings.IndexByte(s, '=') > 0 || last == ';' || last == '{') {
				return sure
			}
		case "Dim", "End", "Sub", "Function", "Option", "Next", "ReDim", "Private", "Public":
			if strings.HasPrefix(s, "Dim ") && strings.Contains(s, " As ") || s == "End Sub" || s == "End Function" || s == "End If" ||
				word != "Next" && w+1 < n && last == ')' && strings.IndexByte(s, '(') > w+1 && run < 4 {
				return strong
			}
			if run < 3 {
				return weak
			}
		case "sudo", "make", "npm", "pip", "pip3", "apt", "git", "mkdir", "docker", "kubectl", "curl", "wget", "brew", "conda", "yarn", "cargo", "chmod", "cd":
			if run < 4 && last != '.' && (strings.Contains(rest, " -") || strings.ContainsAny(rest, "/=") || strings.Contains(rest, " install ")) {
				return strong
			}
			if run < 4 {
				return weak
			}
		}
	}
	if run >= 5 {
		return other
	}
	// From here on: assignments, calls, statements that end in a semicolon or open a brace.
	t := 0
	for t < n && (isWord(s[t]) || strings.IndexByte(".[]$*&\"'->:", s[t]) >= 0) {
		t++
	}
	name, tail := s[:t], strings.TrimLeft(s[t:], " ")
	op := strings.TrimLeft(tail, "+-*/%|&^:")
	switch {
	case name == "" || !hasLetter(name) || name[0] == '[': // "[text](target)" is a link
	case len(op) > 1 && op[0] == '=' && op[1] != '=' && len(tail)-len(op) < 3 && strings.TrimSpace(op[1:]) != "" && run < 3:
		if last == ';' || op[1:] != strings.Trim(op[1:], "\"'([{)]}") {
			return sure
		}
		return strong
	case last == ';' && (strings.IndexByte(tail, '(') == 0 && tail == s[t:] || run < 3 && strings.IndexByte(name, ':') > 0):
		return sure
	case tail == s[t:] && strings.HasPrefix(tail, "(") && last == ')':
		if strings.ContainsAny(tail, "\",.=_'") || tail == "()" {
			return sure
		}
		if len(tail) > 4 {
			return strong
		}
		return weak // print(i), file(s)
	}
	if last == '{' && (strings.IndexByte(s, ')') > 0 || strings.Contains(s, "=>") || run < 4) {
		return strong
	}
	if strings.HasSuffix(s, ");") || strings.HasSuffix(s, "};") || strings.HasSuffix(s, "=> {") || strings.HasPrefix(s, "}") {
		return strong
	}
	if run < 3 && (last == ';' || strings.Contains(s, "->") || strings.Contains(s, "::") || strings.Contains(s, "==")) {
		return weak
	}
	return other
}

// wordRun is the greatest number of words of letters in s that follow each other with one space between them, outside of
// double quotes.
func wordRun(s string) int {
	best, run := 0, 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			n := strings.IndexByte(s[i+1:], '"')
			if n < 0 {
				return best
			}
			i += n + 2
			run = 0
		case c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80:
			n := i
			for i < len(s) && (s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] >= 0x80 || s[i] == '\'' || s[i] == ',') {
				i++
			}
			run++
			if i < len(s) && s[i] != ' ' && !strings.HasPrefix(s[i:], ". ") {
				run = 0
				if i == n {
					i++
				}
			}
			best = max(best, run)
		case c == ' ':
			i++
		default:
			run = 0
			i++
		}
	}
	return best
}

// smallWords is the greatest number of words in a row that are made of small letters alone.
func smallWords(s string) int {
	best, run := 0, 0
	for _, w := range strings.Fields(s) {
		if strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") == "" {
			run++
			best = max(best, run)
		} else {
			run = 0
		}
	}
	return best
}
