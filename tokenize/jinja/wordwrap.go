package jinja

import (
	"strings"
	"unicode"
)

// filterWordwrap is jinja2's wordwrap, which wraps each line with Python's textwrap.
func filterWordwrap(r *run, v Value, args []Value) Value {
	s := r.wantString(v, "wordwrap's value")
	w := wrapper{run: r, width: 79, breakLong: true, breakHyphens: true}
	if args[0].k != kMissing {
		w.width = r.index(args[0])
	}
	if args[1].k != kMissing {
		w.breakLong = args[1].truth()
	}
	if args[3].k != kMissing {
		w.breakHyphens = args[3].truth()
	}
	separator := "\n"
	if args[2].k != kMissing && args[2].k != kNone {
		separator = r.wantString(args[2], "wrapstring")
	}
	var b strings.Builder
	for i, line := range splitLines(s, false) {
		if i > 0 {
			b.WriteString(separator)
		}
		for k, wrapped := range w.wrap(line) {
			if k > 0 {
				b.WriteString(separator)
			}
			b.WriteString(wrapped)
			r.room(len(wrapped) + len(separator))
		}
	}
	return text(b.String())
}

type wrapper struct {
	*run
	width                   int
	breakLong, breakHyphens bool
}

func isWrapSpace(c rune) bool { return c < 0x80 && strings.ContainsRune("\t\n\v\f\r ", c) }

// wrap is textwrap's _wrap_chunks.
func (w *wrapper) wrap(line string) []string {
	if w.width <= 0 {
		w.fail("invalid width %d (must be > 0)", w.width)
	}
	w.roomFor(len(line), 24)
	chunks := w.chunks([]rune(line))
	var lines []string
	for at := 0; at < len(chunks); {
		if len(lines) > 0 && isBlank(chunks[at]) {
			at++
			if at == len(chunks) {
				break
			}
		}
		var current [][]rune
		n := 0
		for at < len(chunks) && n+len(chunks[at]) <= w.width {
			n += len(chunks[at])
			current = append(current, chunks[at])
			at++
		}
		if at < len(chunks) && len(chunks[at]) > w.width {
			left := w.width - n
			switch {
			case w.breakLong:
				end := left
				if w.breakHyphens && len(chunks[at]) > left {
					hyphen := -1
					for i := range max(0, left) {
						if chunks[at][i] == '-' {
							hyphen = i
						}
					}
					if hyphen > 0 && strings.Trim(string(chunks[at][:hyphen]), "-") != "" {
						end = hyphen + 1
					}
				}
				if end > 0 {
					current = append(current, chunks[at][:end])
				}
				chunks[at] = chunks[at][end:]
			case len(current) == 0:
				current = append(current, chunks[at])
				at++
			}
		}
		if len(current) > 0 && isBlank(current[len(current)-1]) {
			current = current[:len(current)-1]
		}
		if len(current) > 0 {
			var b strings.Builder
			for _, chunk := range current {
				b.WriteString(string(chunk))
			}
			lines = append(lines, b.String())
			w.room(b.Len() + 16)
		}
		w.step()
	}
	return lines
}

func isBlank(chunk []rune) bool {
	for _, c := range chunk {
		if !isSpace(c) {
			return false
		}
	}
	return true
}

// chunks cuts a line where it may be wrapped: around whitespace and, with breakHyphens, behind hyphens in words and
// around dashes, as textwrap's wordsep_re does.
func (w *wrapper) chunks(s []rune) [][]rune {
	var chunks [][]rune
	for from := 0; from < len(s); {
		end := from + 1
		switch {
		case isWrapSpace(s[from]):
			for end < len(s) && isWrapSpace(s[end]) {
				end++
			}
		case !w.breakHyphens:
			for end < len(s) && !isWrapSpace(s[end]) {
				end++
			}
		default:
			end = wordEnd(s, from)
		}
		chunks = append(chunks, s[from:end])
		from = end
	}
	return chunks
}

func isWordChar(c rune) bool { return c == '_' || isAlnum(c) }

func isWordOrPunct(c rune) bool { return isWordChar(c) || strings.ContainsRune(`!"'&.,?`, c) }

func isWrapLetter(c rune) bool { return isWordChar(c) && !unicode.Is(unicode.Nd, c) }

// wordEnd is where the chunk ends that starts, without whitespace, at from.
func wordEnd(s []rune, from int) int {
	// A dash between words: two hyphens or more.
	dash := func(at int) int {
		if at == 0 || !isWordOrPunct(s[at-1]) {
			return 0
		}
		n := 0
		for at+n < len(s) && s[at+n] == '-' {
			n++
		}
		if n < 2 || at+n >= len(s) || !isWordChar(s[at+n]) {
			return 0
		}
		return n
	}
	if n := dash(from); n > 0 {
		return from + n
	}
	letter := func(i int) bool { return i >= 0 && i < len(s) && isWrapLetter(s[i]) }
	for end := from + 1; ; end++ {
		// s[from:end] is what the chunk has so far, and one more hyphen may belong to it.
		if end < len(s) && s[end] == '-' {
			before := letter(end-2) && letter(end-1) || end >= 3 && letter(end-1) && s[end-2] == '-' && letter(end-3)
			after := letter(end+1) && (letter(end+2) || end+2 < len(s) && s[end+2] == '-' && letter(end+3))
			if before && after {
				return end + 1
			}
		}
		if end >= len(s) || isWrapSpace(s[end]) || dash(end) > 0 {
			return end
		}
	}
}
