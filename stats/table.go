package stats

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/internal/human"
)

// maxLabel is the widest group name of a table, in characters: with five columns of ten digits and their
// separators the line stays below 120.
const maxLabel = 40

// row is a line of the result, read.
type row struct {
	label string
	Counts
}

// Table writes a result of Finish as an aligned table for a terminal: a line of heads, then the groups, most
// documents first and equal ones in the order of the result, and the total if there are several groups. Digits
// stand in groups of three. A name above 40 characters is cut and ends in "…"; a string that would read as
// another value, or cannot be shown, stands in quotes with escapes. Widths are counted in code points, so columns
// shift behind names in wide or combining characters. An error is one of w, or names the line of result that is
// not as Finish writes it.
func Table(w io.Writer, result []byte) error {
	head := ""
	grouped := false
	var rows []row
	var total Counts
	for n := 1; len(result) > 0; n++ {
		var line []byte
		line, result, _ = bytes.Cut(result, lineFeed)
		by, hasBy, r, err := readRow(line)
		if err == nil && n > 1 && (by != head || hasBy != grouped) {
			err = errors.New("it is grouped by another field than the first")
		} else if err == nil && n > 1 && !hasBy {
			err = errors.New("a second line without a group")
		}
		if err == nil {
			err = total.add(r.Counts)
		}
		if err != nil {
			return fmt.Errorf("stats: line %d of the result: %w", n, err)
		}
		head, grouped = by, hasBy
		rows = append(rows, r)
	}
	out := bufio.NewWriter(w)
	if len(rows) == 0 {
		out.WriteString("no documents\n")
		return out.Flush()
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		switch {
		case a.Documents > b.Documents:
			return -1
		case a.Documents < b.Documents:
			return 1
		}
		return 0
	})
	lines := [][]string{append([]string{cut(human.Printable(head))}, names[:]...)}
	if len(rows) > 1 {
		rows = append(rows, row{"total", total})
	}
	for _, r := range rows {
		cells := []string{cut(r.label)}
		for _, n := range r.list() {
			cells = append(cells, human.Thousands(n))
		}
		lines = append(lines, cells)
	}
	widths := make([]int, len(lines[0]))
	width := -2
	for i := range widths {
		for _, cells := range lines {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		width += widths[i] + 2
	}
	for i, cells := range lines {
		if len(rows) > 1 && i == len(lines)-1 {
			out.WriteString(strings.Repeat("-", width) + "\n")
		}
		for c, cell := range cells {
			pad := strings.Repeat(" ", widths[c]-utf8.RuneCountInString(cell))
			switch {
			case c == 0 && !grouped: // no column of names
			case c == 0:
				out.WriteString(cell + pad)
			case c == 1 && !grouped:
				out.WriteString(pad + cell)
			default:
				out.WriteString("  " + pad + cell)
			}
		}
		out.WriteByte('\n')
	}
	return out.Flush()
}

// readRow reads a line of the result: the group, if there is one, and the counts, in this order.
func readRow(line []byte) (by string, grouped bool, r row, err error) {
	bad := func(err error) (string, bool, row, error) { return "", false, row{}, err }
	d := jsontext.NewDecoder(bytes.NewReader(line))
	if t, err := d.ReadToken(); err != nil {
		return bad(err)
	} else if t.Kind() != '{' {
		return bad(errors.New("not an object"))
	}
	var list [len(names)]int64
	for i := 0; ; i++ {
		t, err := d.ReadToken()
		if err != nil {
			return bad(err)
		}
		if t.Kind() == '}' {
			if i < len(list) {
				return bad(fmt.Errorf("%q is missing", names[i]))
			}
			break
		}
		key := t.String()
		v, err := d.ReadValue()
		if err != nil {
			return bad(err)
		}
		if i == 0 && !grouped && key != names[0] {
			by, grouped, r.label = key, true, GroupLabel(v)
			i--
			continue
		}
		if i >= len(list) || key != names[i] {
			return bad(fmt.Errorf("the key %q is out of place", key))
		}
		if list[i], err = strconv.ParseInt(string(v), 10, 64); err != nil || list[i] < 0 {
			return bad(fmt.Errorf("%q is %s, not a count", key, v))
		}
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return bad(errors.New("something follows the object"))
	}
	r.Counts = fromList(list)
	return by, grouped, r, nil
}

// GroupLabel is the value of a group as people read it.
func GroupLabel(v jsontext.Value) string {
	if v[0] != '"' {
		return human.Printable(string(v))
	}
	b, err := jsontext.AppendUnquote(nil, v)
	s := string(b)
	if err != nil || s == "" || strings.TrimSpace(s) != s || jsontext.Value(s).IsValid() || human.Printable(s) != s {
		return strconv.Quote(s)
	}
	return s
}

func cut(s string) string {
	if utf8.RuneCountInString(s) <= maxLabel {
		return s
	}
	return string([]rune(s)[:maxLabel-1]) + "…"
}
