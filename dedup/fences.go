package dedup

import "bytes"

// fence follows a text line by line and tells which lines are a fenced code block of Markdown (CommonMark 0.31, 4.5):
// from a line of at least three ` or ~ to one of at least as many, or to the end of the text, or of the block quote that
// it is in. Lists are not followed, so a fence may stand behind any indentation and behind list markers; the closing one
// at most three columns farther to the right than the opening one.
type fence struct {
	mark   byte // ` or ~; 0 outside
	length int  // of the opening fence
	column int  // at which it stands
	depth  int  // of block quotes around it
}

// code says whether the next line belongs to a code block, its fences among it.
func (f *fence) code(line []byte) bool {
	if f.mark != 0 {
		depth, rest := cutQuotes(line, f.depth)
		if depth == f.depth {
			if f.closes(rest) {
				f.mark = 0
			}
			return true
		}
		f.mark = 0 // with its block quote
	}
	// Most lines have none: a glance at all that may stand before it.
	if bytes.IndexByte(line, '`') < 0 && bytes.IndexByte(line, '~') < 0 {
		return false
	}
	depth, rest := cutQuotes(line, len(line))
	column := 0
	for {
		var n int
		rest, n = cutIndent(rest, column)
		column = n
		marker := listMarker(rest)
		if marker == 0 {
			break
		}
		rest, column = rest[marker:], column+marker
	}
	if len(rest) == 0 || rest[0] != '`' && rest[0] != '~' {
		return false
	}
	n := run(rest)
	if n < 3 || rest[0] == '`' && bytes.IndexByte(rest[n:], '`') >= 0 {
		return false
	}
	*f = fence{mark: rest[0], length: n, column: column, depth: depth}
	return true
}

// closes says whether a line, behind its quotes, is a closing fence.
func (f *fence) closes(line []byte) bool {
	rest, column := cutIndent(line, 0)
	if len(rest) == 0 || rest[0] != f.mark || column > f.column+3 {
		return false
	}
	n := run(rest)
	return n >= f.length && isBlank(rest[n:])
}

// run is how often the first byte stands at the beginning.
func run(b []byte) int {
	n := 1
	for n < len(b) && b[n] == b[0] {
		n++
	}
	return n
}

// cutQuotes cuts off at most so many marks of block quotes, each with the blanks before it and one behind it.
func cutQuotes(line []byte, most int) (depth int, rest []byte) {
	for depth < most {
		i := 0
		for i < len(line) && line[i] == ' ' {
			i++
		}
		if i == len(line) || line[i] != '>' {
			break
		}
		depth++
		if i++; i < len(line) && line[i] == ' ' {
			i++
		}
		line = line[i:]
	}
	return depth, line
}

// cutIndent cuts off blanks and tabs, which reach to the next multiple of 4, and says at which column the rest stands.
func cutIndent(line []byte, column int) ([]byte, int) {
	for len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		if column++; line[0] == '\t' {
			column = (column + 3) &^ 3
		}
		line = line[1:]
	}
	return line, column
}

// listMarker is the length of the marker of a list item with the blank behind it, or 0 (CommonMark 0.31, 5.2).
func listMarker(b []byte) int {
	n := 0
	for n < len(b) && n < 9 && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	switch {
	case n == len(b):
		return 0
	case n == 0 && (b[0] == '-' || b[0] == '+' || b[0] == '*'), n > 0 && (b[n] == '.' || b[n] == ')'):
		n++
	default:
		return 0
	}
	if n < len(b) && b[n] == ' ' {
		return n + 1
	}
	return 0
}

// isBlank says whether a line holds nothing but blanks, tabs and the CR of its end.
func isBlank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}
