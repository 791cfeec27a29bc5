package filter

import (
	"unicode/utf8"

	"curate/text"
)

const datatroveSymbolLines = "datatrove 0.10.1, pipeline/formatters/symbol_lines_remover.py SymbolLinesFormatter"

// symbolLines takes lines out that are signs alone. It drops nothing.
var symbolLines = Rule{
	Name:    "symbol_lines",
	Version: 1,
	Summary: "takes out lines that consist of punctuation and symbols",
	Source:  datatroveSymbolLines,
	Texts: []Text{
		{Name: "replace_char", Source: datatroveSymbolLines, Help: "a line that is put in the place of each run of lines that go; nothing if it is empty"},
	},
	Edit: func(v *View, p Values) {
		replace := p.Text("replace_char")
		out, n, inRun := v.edit(), 0, false
		for _, l := range v.Lines() {
			line := l.Of(v.doc)
			if isSymbols(line) {
				if !inRun && replace != "" {
					if n++; n > 1 {
						out = append(out, '\n')
					}
					out = append(out, replace...)
				}
				inRun = true
				continue
			}
			inRun = false
			if n++; n > 1 {
				out = append(out, '\n')
			}
			out = append(out, line...)
		}
		v.setEdit(out)
	},
	Edits: "a line (of Python's splitlines) goes if it consists of spaces and characters of datatrove's PUNCTUATION_SET, not of spaces alone; what stays is joined by line feeds, and there is none at the end",
}

// isSymbols says whether a line is signs and spaces, and not white space alone.
func isSymbols(line []byte) bool {
	for i := 0; i < len(line); {
		r, w := rune(line[i]), 1
		if r >= utf8.RuneSelf {
			r, w = utf8.DecodeRune(line[i:])
		}
		if r != ' ' && !isPunctuation(r) {
			return false
		}
		i += w
	}
	return len(text.TrimLeft(line)) > 0
}
