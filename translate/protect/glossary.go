package protect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Glossary is terms that stay, or that have one translation. A term of small letters is found also with a capital or in capitals,
// and its translation follows; a term with a capital (Writer) is found only as it is written. Terms are whole words, the longest
// wins, and one space stands for any white space. The form must be that of the glossary: inflected ones are others.
type Glossary struct {
	tokens map[string]int32 // folded word, space, or other rune
	steps  map[step]int32   // a trie of tokens
	terms  map[int32][]term // those that end at a node: with capitals first, then the one of small letters
	digest string
}

type step struct{ node, token int32 }

type term struct {
	text, target string
	stays        bool // target is what stands in the text
	exact        bool // it has a capital
	line         int
}

// longestTerm bounds a term, in words, spaces and punctuation marks.
const longestTerm = 64

// ReadGlossary reads lines "term TAB translation", or "term" alone for one that stays; a line that begins with # is a comment. name
// is for errors, which say name:line.
func ReadGlossary(name string, text []byte) (*Glossary, error) {
	g := &Glossary{tokens: map[string]int32{}, steps: map[step]int32{}, terms: map[int32][]term{}}
	var lines []string
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for n := 1; len(text) > 0; n++ {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		bad := func(cause, remedy string) error { return fmt.Errorf("%s:%d: %s; %s", name, n, cause, remedy) }
		if !utf8.Valid(line) {
			return nil, bad("invalid UTF-8", "convert the file")
		}
		l := strings.TrimRight(string(line), " \t\r")
		if strings.TrimSpace(l) == "" || l[0] == '#' {
			continue
		}
		source, target, has := strings.Cut(l, "\t")
		source, target = strings.Join(strings.Fields(source), " "), strings.TrimSpace(target)
		switch {
		case strings.Contains(target, "\t"):
			return nil, bad("more than two columns", "write a term, a tab, and its translation")
		case strings.IndexFunc(source, isWordRune) < 0:
			return nil, bad(fmt.Sprintf("no term in %q", source), "write a term before the tab")
		}
		t := term{text: source, target: target, stays: !has, exact: strings.IndexFunc(source, unicode.IsUpper) >= 0, line: n}
		if t.stays {
			t.target = ""
		}
		node, count := int32(0), 0
		for rest := source; rest != ""; count++ {
			var token string
			token, rest = cutToken(rest)
			token = fold(token)
			id, ok := g.tokens[token]
			if !ok {
				id = int32(len(g.tokens))
				g.tokens[token] = id
			}
			next, ok := g.steps[step{node, id}]
			if !ok {
				next = int32(len(g.steps)) + 1
				g.steps[step{node, id}] = next
			}
			node = next
		}
		if count > longestTerm {
			return nil, bad(fmt.Sprintf("a term of %d words and marks, at most %d", count, longestTerm), "split it")
		}
		if k := slices.IndexFunc(g.terms[node], func(u term) bool { return u.text == t.text }); k >= 0 {
			if u := g.terms[node][k]; u.target != t.target || u.stays != t.stays {
				return nil, bad(fmt.Sprintf("%q has another translation in line %d", source, u.line), "keep one of them")
			}
			continue
		}
		g.terms[node] = append(g.terms[node], t)
		slices.SortFunc(g.terms[node], func(a, b term) int {
			if a.exact != b.exact {
				if a.exact {
					return -1
				}
				return 1
			}
			return strings.Compare(a.text, b.text)
		})
		lines = append(lines, fmt.Sprintf("%q %q %v\n", t.text, t.target, t.stays))
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	g.digest = hex.EncodeToString(sum[:16])
	return g, nil
}

// Digest identifies its content, whatever the order of lines and the comments. That of no glossary is "".
func (g *Glossary) Digest() string {
	if g == nil {
		return ""
	}
	return g.digest
}

// isWordRune says whether r is part of a word.
func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return classes[r] != 0
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
}

// cutToken cuts the first word, run of white space, or other rune off s, which is not empty. White space is " ".
func cutToken(s string) (token, rest string) {
	end := 0
	space := false
	for k, r := range s {
		switch {
		case isWordRune(r) && !space:
		case unicode.IsSpace(r) && (k == 0 || space):
			space = true
		case k == 0:
			n := utf8.RuneLen(r)
			if r == utf8.RuneError {
				n = 1
			}
			return s[:n], s[n:]
		default:
			end = k
		}
		if end > 0 {
			break
		}
	}
	if end == 0 {
		end = len(s)
	}
	if space {
		return " ", s[end:]
	}
	return s[:end], s[end:]
}

// fold is strings.ToLower without work for what is small already.
func fold(s string) string {
	for k := range len(s) {
		if classes[s[k]]&upper != 0 || s[k] >= utf8.RuneSelf {
			return strings.ToLower(s)
		}
	}
	return s
}

// match finds the longest term that begins at the beginning of a word, text[i:].
func (g *Glossary) match(text string, i int) (end int, found term, ok bool) {
	node := int32(0)
	for rest := text[i:]; rest != ""; {
		var token string
		token, rest = cutToken(rest)
		id, known := g.tokens[fold(token)]
		if !known {
			break
		}
		if node, known = g.steps[step{node, id}]; !known {
			break
		}
		at := len(text) - len(rest)
		for _, t := range g.terms[node] {
			if t.exact && strings.Join(strings.Fields(text[i:at]), " ") != t.text || !wordEnds(text, at, t.stays) {
				continue
			}
			end, found, ok = at, t, true
			break
		}
	}
	return end, found, ok
}

// wordEnds says whether a word can end at i: no letter follows, nor a hyphen and a letter ("mail-order" is not "mail"). A term
// that stays may have a suffix ("Writer-en").
func wordEnds(text string, i int, stays bool) bool {
	if i == len(text) {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	r, size := utf8.DecodeRuneInString(text[i:])
	if isWordRune(before) && isWordRune(r) {
		return false
	}
	if r == '-' && !stays && i+size < len(text) {
		r, _ := utf8.DecodeRuneInString(text[i+size:])
		return !unicode.IsLetter(r)
	}
	return true
}

// tryGlossary is the term at i.
func (s *scanner) tryGlossary(i int) (kind, end int) {
	// "e-mail" holds no "mail".
	if i > 1 && s.text[i-1] == '-' {
		if r, _ := utf8.DecodeLastRuneInString(s.text[:i-1]); isWordRune(r) {
			return -1, i
		}
	}
	end, _, ok := s.o.Glossary.match(s.text, i)
	if !ok {
		return -1, i
	}
	return glossaryKind, end
}

// target is what goes into a translation for what stands in the source: its case follows.
func (t term) targetOf(source string) string {
	if t.stays {
		return source
	}
	if t.exact {
		return t.target
	}
	first, _ := utf8.DecodeRuneInString(source)
	if !unicode.IsUpper(first) {
		return t.target
	}
	if len(source) > 1 && source == strings.ToUpper(source) {
		return strings.ToUpper(t.target)
	}
	r, size := utf8.DecodeRuneInString(t.target)
	return string(unicode.ToUpper(r)) + t.target[size:]
}
