package report

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Stretch is a piece of a text beside a nearly equal one.
type Stretch struct {
	// Kind is "same" for words of both, "dropped" or "kept" for words of that one alone, "skipped" for words that are not
	// shown.
	Kind  string `json:"kind"`
	Text  string `json:"text,omitzero"`
	Words int    `json:"words"`
}

const (
	kindSame    = "same"
	kindDropped = "dropped"
	kindKept    = "kept"
	kindSkipped = "skipped"
)

const (
	diffWords = 4000 // words of each text that are compared
	// diffEdits bounds time and memory, which grow with the square of it: 9 MB.
	diffEdits   = 1500
	diffContext = 8   // words shown before and behind what differs
	diffGap     = 6   // words that are shown rather than said to be left out
	diffRun     = 40  // words shown of a row that only one of the two has
	diffPieces  = 60  // stretches of a pair
	wordRunes   = 100 // characters shown of a word
)

// word is a piece of a text that is compared as a whole.
type word struct {
	text string
	// gap is what stands before it: nothing, a space, or a line feed for white space that has one.
	gap string
}

// unspaced are scripts that put no space between words: each letter is a word.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Khmer, unicode.Lao, unicode.Myanmar, unicode.Thai}

// words cuts a text: rows of letters, digits, marks and underscores are words, and so is every other character that is
// no white space. It stops after so many, and says whether that was all.
func words(text string, most int) (list []word, whole bool) {
	gap := ""
	open := false // the last word goes on
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		mark := unicode.Is(unicode.Mark, r)
		letter := r == '_' || unicode.In(r, unicode.Letter, unicode.Digit, unicode.Mark)
		switch {
		case unicode.IsSpace(r):
			if r == '\n' {
				gap = "\n"
			} else if gap == "" {
				gap = " "
			}
			open = false
		case len(list) > 0 && gap == "" && (mark || open && letter && !unicode.In(r, unspaced...)):
			last := &list[len(list)-1]
			last.text = text[i-len(last.text) : i+size]
		case len(list) == most:
			return list, false
		default:
			list = append(list, word{text[i : i+size], gap})
			gap, open = "", letter && (mark || !unicode.In(r, unspaced...))
		}
		i += size
	}
	return list, true
}

// edit is a row of words: of both texts, or of one.
type edit struct {
	kind string
	a, b int // where it begins in both
	n    int // words, in the text that has them
}

// edits turns a into b with the fewest words taken out and put in, in order. Between two rows of words of both there is
// at most one row of each one. Where more than most words differ it is coarse: from some word on, all up to the last
// difference counts as different.
func edits(a, b []word, most int) (list []edit, coarse bool) {
	number := map[string]int32{}
	numbers := func(list []word) []int32 {
		out := make([]int32, len(list))
		for i, w := range list {
			n, ok := number[w.text]
			if !ok {
				n = int32(len(number))
				number[w.text] = n
			}
			out[i] = n
		}
		return out
	}
	x, y := numbers(a), numbers(b)
	head := 0
	for head < min(len(x), len(y)) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < min(len(x), len(y))-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	same := func(a, b, n int) {
		if n > 0 {
			list = append(list, edit{kindSame, a, b, n})
		}
	}
	changed := func(a, b, gone, come int) {
		if gone > 0 {
			list = append(list, edit{kindDropped, a, b, gone})
		}
		if come > 0 {
			list = append(list, edit{kindKept, a + gone, b, come})
		}
	}
	same(0, 0, head)
	at, bt := head, head // behind what is in the list
	middle, ok := matches(x[head:len(x)-tail], y[head:len(y)-tail], most)
	for _, m := range middle {
		changed(at, bt, head+m.a-at, head+m.b-bt)
		same(head+m.a, head+m.b, m.n)
		at, bt = head+m.a+m.n, head+m.b+m.n
	}
	changed(at, bt, len(x)-tail-at, len(y)-tail-bt)
	same(len(x)-tail, len(y)-tail, tail)
	return list, !ok
}

// match is a row that both have.
type match struct{ a, b, n int }

// matches are the rows of a longest common subsequence; where more than most words are not in it, of the beginnings that
// so many reach farthest into both. E. W. Myers, An O(ND) Difference Algorithm and Its Variations, Algorithmica 1 (1986),
// the greedy algorithm of section 4.
func matches(x, y []int32, most int) (list []match, ok bool) {
	// reach[most+1+k] is the farthest that a path on diagonal k, which is a position in x less one in y, comes to in x.
	most = min(most, len(x)+len(y))
	reach := make([]int32, 2*most+3)
	var before [][]int32 // reach of the diagonals -d … d, before step d
	for d := range most + 1 {
		mid := most + 1
		before = append(before, append([]int32(nil), reach[mid-d:mid+d+1]...))
		for k := -d; k <= d; k += 2 {
			i := reach[mid+k-1] + 1
			if k == -d || k != d && reach[mid+k-1] < reach[mid+k+1] {
				i = reach[mid+k+1]
			}
			for int(i) < len(x) && int(i)-k < len(y) && x[i] == y[int(i)-k] {
				i++
			}
			reach[mid+k] = i
			if int(i) == len(x) && int(i)-k == len(y) {
				return trace(before, len(x), len(y)), true
			}
		}
	}
	best, at := 0, most
	for k := -most; k <= most; k += 2 {
		i := int(reach[most+1+k])
		if j := i - k; i <= len(x) && j <= len(y) && i+j > best {
			best, at = i+j, k
		}
	}
	if best == 0 {
		return nil, false
	}
	i := (best + at) / 2
	return trace(before, i, i-at), false
}

// trace goes back the way that matches has found.
func trace(before [][]int32, i, j int) (list []match) {
	for d := len(before) - 1; i > 0 || j > 0; d-- {
		k := i - j
		start, from := 0, 0 // of the match behind the word that is taken out or put in; the diagonal before that word
		if d > 0 {
			// As matches has chosen. Diagonals beyond -(d-1) … d-1 were not reached yet.
			if k == -d || k != d && before[d][d+k-1] < before[d][d+k+1] {
				from = k + 1
				start = int(before[d][d+from])
			} else {
				from = k - 1
				start = int(before[d][d+from]) + 1
			}
		}
		if n := i - start; n > 0 {
			list = append(list, match{start, start - k, n})
		}
		if d == 0 {
			break
		}
		i = int(before[d][d+from])
		j = i - from
	}
	slices.Reverse(list)
	return list
}

// words says in which words two texts, or the beginnings of them, differ, with some words around.
func (d *WordDiff) words(dropped, kept string, whole bool) {
	a, allA := words(dropped, diffWords)
	b, allB := words(kept, diffWords)
	d.DroppedWords, d.KeptWords = len(a), len(b)
	d.Cut = !allA || !allB || !whole
	list, coarse := edits(a, b, diffEdits)
	d.Coarse = coarse
	// What only one of them has at the end it may have only because the other was cut.
	if n := len(list); d.Cut && n > 1 && list[n-1].kind != kindSame && list[n-2].kind == kindSame {
		list = list[:n-1]
	}
	for _, e := range list {
		switch e.kind {
		case kindDropped:
			d.OnlyDropped += e.n
		case kindKept:
			d.OnlyKept += e.n
		}
	}
	if d.OnlyDropped+d.OnlyKept == 0 {
		return
	}
	skip := func(n int) {
		if n == 0 {
			return
		}
		if k := len(d.Stretches); k > 0 && d.Stretches[k-1].Kind == kindSkipped {
			d.Stretches[k-1].Words += n
			return
		}
		d.Stretches = append(d.Stretches, Stretch{Kind: kindSkipped, Words: n})
	}
	show := func(kind string, list []word) {
		if len(list) == 0 {
			return
		}
		var s strings.Builder
		for i, w := range list {
			if k := len(d.Stretches); i > 0 || k > 0 && d.Stretches[k-1].Kind != kindSkipped {
				s.WriteString(w.gap)
			}
			s.WriteString(cut(w.text, wordRunes))
		}
		d.Stretches = append(d.Stretches, Stretch{kind, s.String(), len(list)})
	}
	for i, e := range list {
		if len(d.Stretches) >= diffPieces {
			skip(e.n)
			continue
		}
		switch e.kind {
		case kindDropped:
			show(e.kind, a[e.a:e.a+min(e.n, diffRun)])
			skip(max(e.n-diffRun, 0))
		case kindKept:
			show(e.kind, b[e.b:e.b+min(e.n, diffRun)])
			skip(max(e.n-diffRun, 0))
		default:
			first, last := diffContext, diffContext // words behind the difference before, and before the next
			if i == 0 {
				first = 0
			}
			if i == len(list)-1 {
				last = 0
			}
			if e.n <= first+last+diffGap {
				show(e.kind, a[e.a:e.a+e.n])
				continue
			}
			show(e.kind, a[e.a:e.a+first])
			skip(e.n - first - last)
			show(e.kind, a[e.a+e.n-last:e.a+e.n])
		}
	}
}
