package translate

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"curate/translate/marian"
	"curate/translate/protect"
)

// atom is what is taken out of a sentence, and put back, as one: a hole, or several with no letter and no digit between, and
// the brackets, quotes and asterisks that stand around them as pairs.
type atom struct {
	template    protect.Template // holes as in the sentence, with what belongs to them
	left, right int              // in the sentence without atoms: its left neighbour ends at left, its right one begins at right
	// How it stood there: behind and before white space or the sentence's edge, or glued to a letter or digit, or neither.
	spaceLeft, spaceRight bool
	wordLeft, wordRight   bool
	first, last           bool // nothing stood before it, or behind it
	at                    int  // in the translation
}

// takeOut takes the holes out of a sentence: what is left reads as if they had never been there.
func takeOut(t protect.Template) (plain string, atoms []atom) {
	between := []string{t.Text[0]} // what stands before each atom, and behind the last
	for i, h := range t.Holes {
		if i > 0 && !strings.ContainsFunc(t.Text[i], wordOrNumber) {
			last := &atoms[len(atoms)-1].template
			last.Text[len(last.Text)-1] = t.Text[i]
			last.Holes, last.Text = append(last.Holes, h), append(last.Text, "")
			between[len(between)-1] = t.Text[i+1]
			continue
		}
		atoms = append(atoms, atom{template: protect.Template{Text: []string{"", ""}, Holes: []int{h}}})
		between = append(between, t.Text[i+1])
	}
	out := []byte(between[0])
	for i := range atoms {
		a := &atoms[i]
		l, r := string(out), between[i+1]
		first, last := &a.template.Text[0], &a.template.Text[len(a.template.Holes)]
		begin := 0 // of what may belong to the atom: not what stands before another one
		if i > 0 {
			begin = atoms[i-1].right
		}
		for len(l) > begin && r != "" {
			open, n := utf8.DecodeLastRuneInString(l)
			shut, m := utf8.DecodeRuneInString(r)
			if !partners(open, shut) {
				break
			}
			*first, *last = string(open)+*first, *last+string(shut)
			l, r = l[:len(l)-n], r[m:]
		}
		if n := plural(r); n > 0 {
			*last += r[:n]
			r = r[n:]
		}
		trimL, trimR := strings.TrimRightFunc(l, unicode.IsSpace), strings.TrimLeftFunc(r, unicode.IsSpace)
		before, _ := utf8.DecodeLastRuneInString(trimL)
		after, _ := utf8.DecodeRuneInString(trimR)
		a.first, a.last = trimL == "" && i == 0, trimR == "" && i == len(atoms)-1
		a.spaceLeft, a.spaceRight = trimL == "" || len(trimL) < len(l), trimR == "" || len(trimR) < len(r)
		a.wordLeft, a.wordRight = !a.spaceLeft && inWord(before), !a.spaceRight && inWord(after)
		gap := ""
		switch {
		case trimL == "" || trimR == "":
		case a.spaceLeft && a.spaceRight, a.spaceLeft && !shuts(after), a.spaceRight && !opens(before), a.wordLeft && a.wordRight:
			gap = " "
		}
		a.left, a.right = len(trimL), len(trimL)+len(gap)
		for k := i - 1; k >= 0 && atoms[k].right > a.left; k-- { // nothing was left between but the gap
			atoms[k].right = a.left
		}
		out = append(append(out[:len(trimL)], gap...), trimR...)
	}
	return string(out), atoms
}

// putBack puts each atom into the translation of the sentence without them, exactly once, whatever the alignment says.
//
// An atom goes before the word made from its right neighbour; one that was glued to its left neighbour alone (the target of a
// link, a closing tag) behind the word made from that; where that neighbour has none, by the other one. What neither places goes
// to the end, before the last punctuation. What began or ended the sentence still does. Never is it put inside a word.
func putBack(tr *marian.Translation, plain string, atoms []atom) protect.Template {
	target := strings.TrimSpace(tr.Text)
	skew := strings.Index(tr.Text, target)
	// Where the translation of a source's piece begins and ends; begin > end: nothing was made from it.
	type extent struct{ begin, end int }
	made := make([]extent, len(tr.Source))
	for k := range made {
		made[k] = extent{len(target) + 1, -1}
	}
	for _, p := range tr.Target {
		from, to := clamp(p.From-skew, target), clamp(p.To-skew, target)
		from += len(target[from:]) - len(strings.TrimLeftFunc(target[from:], unicode.IsSpace))
		if p.Source < 0 || p.Source >= len(made) || from >= to { // the end of the sentence, or white space
			continue
		}
		m := &made[p.Source]
		m.begin, m.end = min(m.begin, from), max(m.end, to)
	}
	of := func(from, to int) (e extent, ok bool) {
		e = extent{len(target) + 1, -1}
		for k, p := range tr.Source {
			if p.From < to && p.To > from && made[k].end >= 0 {
				e.begin, e.end = min(e.begin, made[k].begin), max(e.end, made[k].end)
			}
		}
		return e, e.end >= 0
	}
	ending := finalMarks(target)
	for i := range atoms {
		a := &atoms[i]
		right, okRight := of(a.right, wordEnd(plain, a.right))
		left, okLeft := of(wordBegin(plain, a.left), a.left)
		byLeft := !a.spaceLeft && a.spaceRight
		switch {
		case a.first:
			a.at = 0
		case a.last:
			a.at = len(target)
		case okRight && !(byLeft && okLeft):
			a.at = outOfWord(target, right.begin, -1)
		case okLeft:
			a.at = outOfWord(target, left.end, +1)
		default:
			a.at = ending
		}
		// What encloses words, such as a pair of tags, still does.
		if i > 0 && byLeft && !a.last {
			if o := &atoms[i-1]; o.spaceLeft && !o.spaceRight && a.at <= o.at {
				a.at = wordEnd(target, o.at)
			}
		}
	}
	slices.SortStableFunc(atoms, func(a, b atom) int { return cmp.Compare(a.at, b.at) })

	var whole protect.Template
	var open []byte
	for i, from := 0, 0; ; i++ {
		if i == len(atoms) {
			open = append(open, target[from:]...)
			break
		}
		a := &atoms[i]
		open = append(open, target[from:a.at]...)
		from = a.at
		behindAtom := i > 0 && atoms[i-1].at == a.at
		before, _ := utf8.DecodeLastRune(open)
		switch {
		case behindAtom:
			if len(open) == 0 || !unicode.IsSpace(before) {
				open = append(open, ' ')
			}
		case len(open) == 0 || unicode.IsSpace(before):
		case a.spaceLeft && !opens(before), !a.spaceLeft && !a.wordLeft && inWord(before):
			open = append(open, ' ')
		}
		for k, h := range a.template.Holes {
			whole.Text = append(whole.Text, string(open)+a.template.Text[k])
			whole.Holes = append(whole.Holes, h)
			open = open[:0]
		}
		open = append(open, a.template.Text[len(a.template.Holes)]...)
		after, n := utf8.DecodeRuneInString(target[from:])
		switch {
		case n == 0 || unicode.IsSpace(after) || i+1 < len(atoms) && atoms[i+1].at == a.at:
		case a.spaceRight && !shuts(after), !a.spaceRight && !a.wordRight && inWord(after):
			open = append(open, ' ')
		}
	}
	whole.Text = append(whole.Text, string(open))
	return whole
}

// clamp makes a place in s of any number, at the beginning of a character.
func clamp(i int, s string) int {
	i = max(0, min(i, len(s)))
	for i > 0 && i < len(s) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}

func wordOrNumber(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// inWord says of the characters of words in scripts that have spaces between words.
func inWord(r rune) bool {
	if r == '_' {
		return true
	}
	return (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)) && !unicode.In(r, unspaced...)
}

// unspaced are the scripts without spaces between words (Unicode Line Breaking, UAX 14, classes ID and SA, the common ones).
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// within says whether i is inside a word of s: between its letters, or beside a mark between them, as in 3,5 and l'eau.
func within(s string, i int) bool {
	before, n := utf8.DecodeLastRuneInString(s[:i])
	after, m := utf8.DecodeRuneInString(s[i:])
	if n == 0 || m == 0 {
		return false
	}
	switch {
	case inWord(before) && inWord(after):
		return true
	case inWord(before) && joins(after):
		next, _ := utf8.DecodeRuneInString(s[i+m:])
		return inWord(next)
	case joins(before) && inWord(after):
		last, _ := utf8.DecodeLastRuneInString(s[:i-n])
		return inWord(last)
	}
	return false
}

func joins(r rune) bool { return strings.ContainsRune("'’-‐.,:/@", r) }

// outOfWord is the nearest place to i in direction step that is inside no word.
func outOfWord(s string, i, step int) int {
	for i = clamp(i, s); within(s, i); {
		if step < 0 {
			_, n := utf8.DecodeLastRuneInString(s[:i])
			i -= n
		} else {
			_, n := utf8.DecodeRuneInString(s[i:])
			i += n
		}
	}
	return i
}

// wordEnd is where the word, or the mark, ends that begins at i; wordBegin where the one begins that ends there.
func wordEnd(s string, i int) int {
	if _, n := utf8.DecodeRuneInString(s[i:]); n > 0 {
		return outOfWord(s, i+n, +1)
	}
	return i
}

func wordBegin(s string, i int) int {
	if _, n := utf8.DecodeLastRuneInString(s[:i]); n > 0 {
		return outOfWord(s, i-n, -1)
	}
	return i
}

// finalMarks is where the marks begin that end a sentence.
func finalMarks(s string) int {
	for len(s) > 0 {
		r, n := utf8.DecodeLastRuneInString(s)
		if !unicode.Is(unicode.STerm, r) && !shuts(r) && !strings.ContainsRune("\"'*", r) {
			break
		}
		s = s[:len(s)-n]
	}
	return len(s)
}

// pairs are what stands around something: the first of two opens.
var pairs = [...]string{"()", "[]", "{}", "<>", "“”", "‘’", "«»", "‹›", "（）", "「」", "『』", `""`, "''", "**", "__", "~~", "``", "||"}

func partners(open, shut rune) bool {
	return slices.Contains(pairs[:], string(open)+string(shut))
}

func opens(r rune) bool { return unicode.In(r, unicode.Ps, unicode.Pi) || r == '¿' || r == '¡' }

func shuts(r rune) bool {
	return unicode.In(r, unicode.Pe, unicode.Pf) || strings.ContainsRune(".,;:!?…%", r) || unicode.Is(unicode.STerm, r) || strings.ContainsRune("，、；：", r)
}

// plural is the length of what English glues to a name: "`x`s", "`x`'s". It is no word that could be translated alone.
func plural(s string) int {
	rest := strings.TrimPrefix(strings.TrimPrefix(s, "'"), "’")
	if !strings.HasPrefix(rest, "s") {
		return 0
	}
	if r, n := utf8.DecodeRuneInString(rest[1:]); n > 0 && inWord(r) {
		return 0
	}
	return len(s) - len(rest) + 1
}
