package segment

import "strings"

// yaml is the line behind a YAML mapping without a fence that begins with line i, or i. "Name: Ann" is text as often, so one is
// recognised by what text has not: keys of small letters alone, three or more, one of which has others below it.
func (x *lexer) yaml(i int) int {
	if i < x.noYAML {
		return i
	}
	keys, nested, open := 0, false, -1 // open: the indent of the key before that has no value
	first, end, last := -1, i, i
	for ; end < len(x.lines); end++ {
		s := strings.TrimRight(x.text[x.lines[end].start:x.lines[end].end], " \r")
		t := strings.TrimLeft(s, " ")
		if t == "" {
			continue
		}
		indent := len(s) - len(t)
		if first < 0 {
			first = indent
		}
		item := false
		for strings.HasPrefix(t, "- ") {
			item = true
			t = strings.TrimLeft(t[2:], " ")
		}
		key, value := yamlKey(t)
		switch {
		case indent < first, key == 0 && !item && t[0] != '#':
			if end > i && !x.blank(end-1) {
				last = i // text goes on in the same paragraph
			}
			end++
		case key > 0:
			keys++
			nested = nested || open >= 0 && (indent > open || item && indent == open)
			open = -1
			if value == "" {
				open = indent
			}
			last = end + 1
			continue
		default:
			open = -1
			last = end + 1
			continue
		}
		break
	}
	if keys < 3 || !nested || last == i {
		x.noYAML = end
		return i
	}
	return last
}

// yamlKey is the length of a key of small letters, with digits, - _ . and / behind the first, and what stands behind its colon.
func yamlKey(s string) (n int, value string) {
	for n < len(s) && (s[n] >= 'a' && s[n] <= 'z' || n > 0 && (s[n]-'0' < 10 || strings.IndexByte("-_./", s[n]) >= 0 || s[n] >= 'A' && s[n] <= 'Z')) {
		n++
	}
	if n == 0 || n == len(s) || s[n] != ':' || n+1 < len(s) && s[n+1] != ' ' {
		return 0, ""
	}
	return n, strings.TrimSpace(s[n+1:])
}
