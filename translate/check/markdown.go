package check

import (
	"fmt"
	"strconv"
	"strings"
)

// Markdown is docs/translate-checks.md, made from the tables.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, s := range signals {
		where := "segment"
		switch {
		case s.segment == nil:
			where = "row"
		case s.row != nil:
			where = "segment and row"
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s. Measured of a %s.\n\n", s.Name, upperFirst(s.Measure), where)
		if s.Hard != "" {
			fmt.Fprintf(&b, "* Hard: %s.\n", s.Hard)
		}
		if s.Soft != "" {
			fmt.Fprintf(&b, "* Soft: %s.\n", s.Soft)
		}
		fmt.Fprintf(&b, "* Source: %s.\n", s.Source)
	}
	b.WriteString(markdownProfiles)
	b.WriteString("\n| key | unit |")
	profiles := []Profile{general("", "")}
	for _, c := range calibrated {
		p := general("", "")
		p.Name = c.name
		p.set(c.thresholds)
		profiles = append(profiles, p)
	}
	for _, p := range profiles {
		fmt.Fprintf(&b, " %s |", p.Name)
	}
	b.WriteString(" the general value is from |\n|---|---|" + strings.Repeat("---|", len(profiles)+1) + "\n")
	unit := ""
	for _, t := range thresholds {
		if t.help != "the same" {
			unit = t.help
		}
		fmt.Fprintf(&b, "| `%s` | %s |", t.key, cell(unit))
		for i := range profiles {
			fmt.Fprintf(&b, " %s |", strconv.FormatFloat(*t.field(&profiles[i]), 'g', -1, 64))
		}
		fmt.Fprintf(&b, " %s |\n", cell(t.source))
	}
	for _, c := range calibrated {
		fmt.Fprintf(&b, "\nWhere %s has another value, it is from %s.\n", c.name, c.source)
	}
	b.WriteString(markdownMeasured)
	b.WriteString(markdownRepairs)
	for _, r := range repairs {
		fmt.Fprintf(&b, "* %s: %s.\n", r.name, r.what)
	}
	b.WriteString(markdownTasks)
	for _, t := range tasks {
		fmt.Fprintf(&b, "| `%s` | %s |\n", t.name, cell(t.what))
	}
	return b.String()
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// cell is text that may stand in a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

const markdownHead = `# Checks of translations

<!-- Made from the tables of package translate/check; do not edit. To make it anew: go test ./translate/check -run TestDocs -update -->

Every answer of a backend is measured by the signals below, without a model. A signal beyond a hard threshold means that the answer
is not accepted: it is repaired, asked for again, and if nothing helps its row is quarantined with the signal's name. A soft one
is only noted. Protected spans (code, URLs, placeholders) are taken out before anything is measured, so that a length is that of
words, and a language that of prose.

## Signals
`

const markdownProfiles = `
## Profiles

A profile is a set of thresholds. There is one for English to Basque; any other pair has the general one, whose bounds of length
are scaled where one side is Chinese, Japanese or Korean, and in which copied words do not count between ca, es, fr, gl, it and pt.
` + "`curate translate calibrate` fits one to a parallel sample. It is a JSON object of these keys; what is" + `
left out has the general value.
`

const markdownMeasured = `
## What that gives

` + "`" + `go test ./translate/check -run TestMeasure -v -lohelp FOLDER` + "`" + ` prints what is said here.

On 39,704 paragraphs of the LibreOffice help, English and Basque, of which 4,519 are the same on both sides and left out. The
first column is of pages that had no part in thresholds or word tables.

| | 4,106 on held-out pages | 31,079 on others |
|---|---|---|
| hard findings on human translations | 0.68 % | 0.18 % |
| of these numbers | 0.63 % | 0.13 % |
| soft findings | 6.1 % | 5.8 % |

The numbers found there do differ: most of these texts are translations of an older edition of the page. What language finds is English
left in Basque paragraphs, a path and a formula.

300 paragraphs of held-out pages, changed as backends do (` + "`TestCorruptions`" + `):

| | some finding | a hard one |
|---|---|---|
| second half lost | 99.3 % | 85.3 % |
| two thirds lost | 99.7 % | 96.7 % |
| the whole four times | 100 % | 100 % |
| the last three words eight times more | 100 % | 100 % |
| text of another row | 81.0 % | 41.3 % |
| English left | 100 % | 98.7 % |
| English left but for a word | 100 % | 98.3 % |
| English in the second half | 99.3 % | 62.7 % |
| Spanish words | 99.0 % | 99.0 % |
| each digit another | 100 % | 100 % |

The text of another row is what these signals cannot see: both are Basque, and of a length.

### Language

Tables of 864 words and 499 trigrams, and lists of function words, decide for ca, de, en, es, eu, fr, gl, it and pt; an engine is
asked only where they do not and the text is long enough. On held-out pages, of 3,400 Basque segments with 20 letters or more 98.5 % are surely Basque and one is
rejected (it is half English); of 1,857 with 60 or more one is left to the engine. All 3,482 rows of an instruction set
are decided. As a translation into Basque are rejected, of segments with

| | 20 letters or more | 60 or more |
|---|---|---|
| ca | 98.0 % | 100 % |
| de | 92.3 % | 100 % |
| en | 92.6 % | 99.95 % |
| es | 97.2 % | 100 % |
| fr | 98.2 % | 100 % |
| gl | 97.6 % | 100 % |
| it | 96.0 % | 100 % |
| pt | 96.7 % | 100 % |

and every one of the 3,482 rows that was left in English. Between neighbours the tables know less: of Spanish segments with 60 letters
or more 3 in 1,924 are rejected as Spanish and 48 left to the engine, of 926 Galician ones 5 and 76.

### Short echoes

"See you tomorrow." must not come back as it was, LibreOffice Writer may. Of the 4,519 paragraphs that are the same on both sides, nearly
all are names, formulas and code; 79 are found echoes. These are English prose (most of them comments of programs), with some dozen
commands and signatures among it. What is missed is single words, and two or three words without a function word or a full stop
("blue sky").

### Rows

Of the 3,482 rows of the instruction set in human Basque 8 have a hard finding, length_ratio: their translation is that of another
text. With one sentence in place of every unit, same_target finds 3,478. Of 32,790 pairs of neighbouring paragraphs with different
sources 1 has the same translation and would be found.
`

const markdownRepairs = `
## Repairs

Made before placeholders are read and anything is measured. None takes away a digit, so none a placeholder.

`

const markdownTasks = `
## Tasks bound to a language

Requests that make sense in their own language only. They are recognised by expressions for English requests: 71 that must be
recognised and 68 that must not are in the tests, and none of the 3,482 questions of an instruction set about LibreOffice is
taken for one. What is in double quotes is not looked at.
A request for a program is about the letters of its input, and only its translation, its grammar or the name of its language bind it.

| task | what it is about |
|---|---|
`
