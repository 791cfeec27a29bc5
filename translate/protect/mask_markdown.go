package protect

import "strings"

// link is what follows the text of a link or picture: ](target "title") or ][label]. The text before it is translated.
func link(s *scanner, i int) int {
	switch s.at(i + 1) {
	case '(':
		end := s.partner(i + 1)
		if end == 0 || end == i+2 {
			return 0
		}
		at := i + 2
		if s.text[at] == '<' {
			k := s.find(">", at)
			if k < 0 || k > end || strings.IndexByte(s.text[at:min(k, at+longestTarget)], '\n') >= 0 || k-at > longestTarget {
				return 0
			}
			at = k + 1
		} else {
			at = min(s.nextSpace(at), end)
		}
		if at == end {
			return end + 1
		}
		// A title, in quotes or parentheses.
		for at < end && s.text[at] == ' ' && at-i < longestTarget {
			at++
		}
		if q := s.text[at]; (q == '"' || q == '\'') && end-1 > at && s.text[end-1] == q || q == '(' && s.text[end-1] == ')' {
			return end + 1
		}
	case '[':
		end := s.partner(i + 1)
		if end > 0 && end-i < 100 && s.run(i+2, ident, " -./:#&'+") == end && (end == i+2 || s.letterAt(i+2)) && s.at(end+1) != '(' {
			return end + 1
		}
	}
	return 0
}

// longestTarget bounds a target in bytes where it may hold spaces.
const longestTarget = 2048

// nextSpace is the next white space of ASCII at or after i, or the end of the text.
func (s *scanner) nextSpace(i int) int {
	if s.spaces.from < 0 || i < s.spaces.from || s.spaces.at < i {
		s.spaces.from, s.spaces.at = i, i
		for s.spaces.at < len(s.text) && s.text[s.spaces.at] > ' ' {
			s.spaces.at++
		}
	}
	return s.spaces.at
}

// definition is [label]: target at the beginning of a line, with the label of a footnote too.
func definition(s *scanner, i int) int {
	for k := i - 1; k >= 0 && s.text[k] != '\n'; k-- {
		if s.text[k] != ' ' || i-k > 3 {
			return 0
		}
	}
	end := s.partner(i)
	if end <= i+1 || end-i > 100 || s.at(end+1) != ':' {
		return 0
	}
	if s.text[i+1] == '^' {
		return end + 2
	}
	at := end + 2
	for s.at(at) == ' ' && at-end < 100 {
		at++
	}
	stop := s.nextSpace(at)
	if target := s.text[at:stop]; strings.Contains(target, "://") || target != "" && strings.IndexByte("/#<.", target[0]) >= 0 {
		return stop
	}
	return 0
}

// autolink is <scheme:…> or <name@host>.
func autolink(s *scanner, i int) int {
	end := s.find(">", i)
	if end < 0 || end-i > longestTarget {
		return 0
	}
	if sp := s.nextSpace(i); sp < end || s.letterBefore(i) {
		return 0
	}
	scheme := s.run(i+1, alnum, "+.-")
	switch {
	case s.at(scheme) == ':' && scheme-i > 2 && scheme-i < 34 && s.at(scheme+1) != '>':
		return end + 1
	case s.at(s.run(i+1, ident, "+.-%")) == '@' && strings.IndexByte(s.text[i:end], '.') > 0:
		return end + 1
	}
	return 0
}

// footnote is [^label], or @key in brackets as Pandoc cites.
func footnote(s *scanner, i int) int {
	if s.at(i+1) != '^' && s.at(i+1) != '@' {
		return 0
	}
	end := s.run(i+2, ident, "-:.")
	if end > i+2 && s.at(end) == ']' {
		return end + 1
	}
	return 0
}

// mention is @name.
func mention(s *scanner, i int) int {
	if s.letterBefore(i) || i > 0 && s.text[i-1] == '@' || classes[s.at(i+1)]&(letter|under) == 0 {
		return 0
	}
	end := s.run(i+1, ident, ".-/")
	for strings.IndexByte(".-/", s.text[end-1]) >= 0 {
		end--
	}
	return end
}

// hashtag is #name with a letter in it: "#1" is "number 1" in many languages, and "# x" a heading. #ff8800 is a colour.
func hashtag(s *scanner, i int) int {
	if s.letterBefore(i) || i > 0 && (s.text[i-1] == '#' || s.text[i-1] == '&') || !s.letterAt(i+1) && s.at(i+1) != '_' {
		return 0
	}
	end, letters := i+1, false
	for end < len(s.text) {
		w := s.wordAt(end)
		if w.end == end {
			if !s.letterAt(end) {
				break
			}
			w = word{end: end + len(firstRune(s.text[end:])), class: other}
		}
		letters = letters || w.class&^(digit|under) != 0
		end = w.end
	}
	if !letters {
		return 0
	}
	return end
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// bbcode is the markup of forums: [b] if there is a [/b], [/quote], [url=…].
func bbcode(s *scanner, i int) int {
	at := i + 1
	if s.at(at) == '/' {
		at++
	}
	end := s.run(at, alnum, "*")
	if end-at > 8 || at == i+1 && s.latinBefore(i) {
		return 0
	}
	switch strings.ToLower(s.text[at:end]) {
	case "b", "i", "u", "s", "url", "img", "quote", "code", "size", "color", "center", "spoiler", "email", "youtube", "list", "*", "table", "tr", "td":
	default:
		return 0
	}
	if at == i+1 && s.text[at] != '*' && s.find("[/"+s.text[at:end]+"]", end) < 0 {
		return 0 // the [b] of a list
	}
	if s.at(end) == '=' {
		close := s.partner(i)
		if close == 0 || close-end > longestTarget {
			return 0
		}
		end = close
	}
	if s.at(end) != ']' || s.at(end+1) == '(' {
		return 0
	}
	return end + 1
}
