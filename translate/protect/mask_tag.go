package protect

import (
	"slices"
	"strings"
)

// tag is a tag of HTML or XML by the grammar of names and attributes, so that "3 < 5 and 7 > 6" is none. An attribute without a value
// must be one that HTML has, or stand beside one with a value: <your name here> is text in angles.
func tag(s *scanner, i int) int {
	at := i + 1
	closing := s.at(at) == '/'
	if closing {
		at++
	}
	if classes[s.at(at)]&letter == 0 {
		return 0
	}
	at = s.run(at, ident, "-:.")
	if s.at(at) == '=' && !closing { // <function=search>, of chat templates
		at = s.run(at+1, ident, "-.")
	}
	valued, bare := closing, false
	for n := 0; n < maxAttributes; n++ {
		before := at
		at = s.skipSpace(at)
		end := at
		if s.at(at) == '/' {
			end++
		}
		if s.at(end) == '>' {
			if bare && !valued {
				return 0
			}
			return end + 1
		}
		if at == before || closing {
			return 0
		}
		name := at
		at = s.run(at, ident, "-:.@*#")
		if at == name {
			return 0
		}
		word := s.text[name:at]
		value := s.skipSpace(at)
		if s.at(value) != '=' {
			bare = bare || !slices.Contains(boolean, strings.ToLower(word))
			continue
		}
		valued = true
		value = s.skipSpace(value + 1)
		switch q := s.at(value); q {
		case '"', '\'':
			end := s.quoteEnd(value + 1)
			if end < 0 {
				return 0
			}
			at = end + 1
		case 0:
			return 0
		default:
			for at = value; at < len(s.text) && s.text[at] > ' ' && strings.IndexByte("\"'<>`=", s.text[at]) < 0; at++ {
				if s.text[at] == '/' && s.at(at+1) == '>' {
					break
				}
			}
			if at == value {
				return 0
			}
		}
	}
	return 0
}

// maxAttributes bounds the attributes of a tag. No real one comes near.
const maxAttributes = 64

// boolean are the attributes of HTML that need no value (HTML Living Standard, index of attributes).
var boolean = []string{
	"allowfullscreen", "async", "autofocus", "autoplay", "checked", "controls", "default", "defer", "disabled", "download",
	"formnovalidate", "hidden", "inert", "ismap", "itemscope", "loop", "multiple", "muted", "nomodule", "novalidate",
	"nowrap", "open", "playsinline", "readonly", "required", "reversed", "selected",
}

// skipSpace passes white space, of which no tag has more than a line feed and an indent.
func (s *scanner) skipSpace(i int) int {
	for end := i + 200; i < end && i < len(s.text); i++ {
		if c := s.text[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			break
		}
	}
	return i
}

// quoteEnd is the quote that closes the one before i, -1 if there is none.
func (s *scanner) quoteEnd(i int) int {
	if s.text[i-1] == '"' {
		return s.find(`"`, i)
	}
	return s.find(`'`, i)
}

// comment is <!-- … -->, <![CDATA[ … ]]>, <!DOCTYPE …>, <? … ?>.
func comment(s *scanner, i int) int {
	for _, c := range [...][2]string{{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}, {"<!DOCTYPE", ">"}, {"<!doctype", ">"}} {
		if s.has(i, c[0]) {
			if end := s.find(c[1], i+len(c[0])); end >= 0 && (c[0] != "<?" || classes[s.at(i+2)]&letter != 0 || s.at(i+2) == '=') {
				return end + len(c[1])
			}
		}
	}
	return 0
}

// verbatimElements are elements whose content is no text in a human language. Translators that know HTML copy code, kbd, samp and var
// (Bergamot, html.cpp); tool calls are data.
var verbatimElements = []string{
	"code", "function_call", "kbd", "math", "pre", "samp", "script", "style", "svg", "tool_call", "tool_response", "tt", "var",
}

// verbatimElement is such an element whole, to the nearest end tag of its name.
func verbatimElement(s *scanner, i int) int {
	end := s.run(i+1, ident, "")
	name := s.text[i+1 : end]
	if len(name) < 2 || len(name) > 13 || !slices.Contains(verbatimElements, strings.ToLower(name)) {
		return 0
	}
	open := tag(s, i)
	if open == 0 || s.text[open-2] == '/' {
		return 0
	}
	closer := s.find("</"+name+">", open)
	if closer < 0 {
		return 0
	}
	return closer + len(name) + 3
}

// entity is &name; or &#number;.
func entity(s *scanner, i int) int {
	at := i + 1
	if s.at(at) == '#' {
		at++
		if c := s.at(at); c == 'x' || c == 'X' {
			at++
		}
	}
	for end := at; end < at+32; end++ {
		if c := s.at(end); c == ';' && end > at {
			return end + 1
		} else if classes[c]&alnum == 0 {
			break
		}
	}
	return 0
}

// chatToken is what chat templates are made of: <|im_start|>, <｜User｜>, [INST], <<SYS>>. Tokens such as <s> and <start_of_turn>
// are tags.
func chatToken(s *scanner, i int) int {
	switch {
	case s.has(i, "<|"):
		end := s.run(i+2, ident, "-.:/ ")
		if end > i+2 && end-i < 80 && s.has(end, "|>") {
			return end + 2
		}
	case s.has(i, "<｜"):
		rest := s.text[i+len("<｜") : min(len(s.text), i+100)]
		if k := strings.Index(rest, "｜>"); k > 0 && !strings.ContainsAny(rest[:k], "<>\n") {
			return i + len("<｜") + k + len("｜>")
		}
	case s.has(i, "<<SYS>>"):
		return i + len("<<SYS>>")
	case s.has(i, "<</SYS>>"):
		return i + len("<</SYS>>")
	case s.text[i] == '[':
		for _, name := range [...]string{"[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[gMASK]"} {
			if s.has(i, name) {
				return i + len(name)
			}
		}
	}
	return 0
}
