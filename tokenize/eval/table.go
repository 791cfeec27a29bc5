package eval

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table writes the result for people: a line a group and tokenizer, of each group the tokenizers in their order.
func (r *Result) Table(w io.Writer) error {
	rows := [][]string{{"", "tokenizer", "vocabulary", "documents", "tokens", "bytes/token", "tokens/word", "words cut", "unknown"}}
	if r.By != "" {
		rows[0][0] = r.By
	}
	for _, g := range r.Groups {
		name := "all"
		if g.Group != nil {
			name = *g.Group
		}
		for i, t := range g.Tokenizers {
			of := r.Tokenizers[i]
			unknown := ""
			if t.Unknown > 0 {
				unknown = strconv.FormatInt(t.Unknown, 10)
			}
			rows = append(rows, []string{
				cut(name), cut(of.Name), strconv.Itoa(of.VocabSize), strconv.FormatInt(g.Documents, 10), strconv.FormatInt(t.Tokens.Tokens, 10),
				where(t.Tokens.Tokens, "%.3f", t.BytesPerToken), where(g.Words, "%.3f", t.TokensPerWord), where(g.Words, "%.1f %%", 100*t.ContinuedShare), unknown,
			})
			name = ""
		}
	}
	const left = 2 // columns of words
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < left {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// where is a ratio of that format if there is something to divide by.
func where(by int64, format string, ratio float64) string {
	if by == 0 {
		return "–"
	}
	return fmt.Sprintf(format, ratio)
}

// maxCell is the widest name, in characters.
const maxCell = 40

// cut is a name as a table can show it.
func cut(name string) string {
	name = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, name)
	if r := []rune(name); len(r) > maxCell {
		name = string(r[:maxCell-1]) + "…"
	}
	return name
}
