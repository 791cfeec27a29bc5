package protect

import (
	"fmt"
	"strings"
)

// Markdown is docs/translate-masks.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# What translate protects

<!-- Made from the tables of package translate/protect; do not edit. To make it anew: go test ./translate/protect -run TestDocs -update -->

Before a text is translated, what must come out as it went in is taken out of it: code, URLs, formulas, names of programs.
A placeholder stands in its place, and a translation counts only if each placeholder stands in it exactly once; the order is
free. What is protected is decided by its shape alone, from left to right, and at each place the longest wins. Ordinary words,
acronyms (API), names of products (LibreOffice) and keys (Ctrl+S: a Basque keyboard has Maius, not Shift) are translated.

Spans that touch, or have only white space between, are one placeholder. At the beginning and the end of a text they are cut
off without any, with the white space and the punctuation between; but punctuation that ends the text keeps what is before it, so
that the object in "Open ` + "`a.txt`" + `." may move. Two texts that differ only in what is protected are one for the
translation memory.

`)
	b.WriteString("| kind | |\n|---|---|\n")
	for _, k := range table {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", k.Name, k.Name, strings.ReplaceAll(k.Summary, "|", `\|`))
	}
	b.WriteString(`
## Placeholder forms

How a placeholder is written decides whether it survives. The form is chosen for each backend by trying
(` + "`curate translate calibrate`" + `), and for each text so that nothing in it looks like one. The percentages are how often
two of them in a sentence came out exactly once each, in 200 real sentences through a small English–Portuguese model. In an
answer, other case, white space or backslashes inside, full-width characters, and a bracket or underscore too few are mended; a
suffix may be glued to a placeholder ("XQ0ren"), and a letter before it makes it a word ("MAX10").

| form | survived |
|---|---|
`)
	for _, f := range forms {
		survived := f.survived
		if survived == "" {
			survived = "not measured"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, survived)
	}
	b.WriteString("\n`" + aligned.Name + "`" + ` is no placeholder: a backend in this process, which knows which word of the source each word of the translation was made
from, is asked without what is masked, and each mask is put back exactly once, where the word beside it went. Nothing is lost; but
the sentence is translated without it, so a placeholder that survives is better for its grammar.
`)
	b.WriteString(`
## Glossary

` + "`--glossary FILE`" + ` names terms that stay, or that have one translation: lines "term, tab, translation", or the term alone.
A line that begins with # is a comment. A term of small letters is found with a capital and in capitals too, and its translation
follows; one with a capital (Writer) is found only as it is written. Terms are whole words, the longest wins, and a hyphen makes
another word: "mail" is not in "e-mail". Inflected forms are other terms.

## Kinds

In the examples ⟪ and ⟫ stand around what is protected.
`)
	for _, k := range table {
		fmt.Fprintf(&b, "\n### %s\n\n%s.\nAfter: %s.\n", k.Name, upperFirst(k.Summary), k.Source)
		if len(k.Examples) > 0 {
			b.WriteString("\n~~~text\n" + strings.Join(k.Examples, "\n") + "\n~~~\n")
		}
	}
	return b.String()
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
