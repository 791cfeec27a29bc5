package score

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// charOrder is the longest n-gram of characters (Popović 2015), recallWeight is β² with β 2 (Popović 2016).
const (
	charOrder    = 6
	recallWeight = 4.0
)

// chrf is chrF, or with words of order 2 chrF++ (Popović 2017): case kept, white space left out, means over those orders which
// both hypothesis and reference have. Statistics, for each order of characters and then of words: n-grams of the hypothesis
// (0 if the reference has none), n-grams of the reference, matches.
type chrf struct {
	references string
	wordOrder  int
}

func (m chrf) Name() string { return "chrF" + strings.Repeat("+", m.wordOrder) }

func (m chrf) Signature() string {
	return "nrefs:" + m.references + "|case:mixed|eff:yes|nc:6|nw:" + strconv.Itoa(m.wordOrder) + "|space:no|version:" + version
}

func (m chrf) Segment(hypothesis string, references []string) []int64 {
	if len(references) == 0 {
		references = []string{""}
	}
	size := 3 * (charOrder + m.wordOrder)
	stats := make([]int64, size*len(references)) // of each reference
	c := counters.Get().(*counter)
	defer c.release()
	count := func(from, orders int, symbols func(dst []uint32, text string) []uint32) {
		c.start(1 + len(references))
		for i := range c.texts {
			text := hypothesis
			if i > 0 {
				text = references[i-1]
			}
			c.texts[i].symbols = symbols(c.texts[i].symbols, text)
		}
		for n := 1; n <= orders; n++ {
			c.next()
			for r := range references {
				at := stats[r*size+3*(from+n-1):]
				if at[1] = int64(c.texts[1+r].count(n)); at[1] > 0 {
					at[0], at[2] = int64(c.texts[0].count(n)), c.matches(r)
				}
			}
		}
	}
	count(0, charOrder, appendChars)
	if m.wordOrder > 0 {
		count(charOrder, m.wordOrder, c.appendWords)
	}
	// The reference with the best score counts, the first of equals.
	best := stats[:size:size]
	if len(references) > 1 {
		top := -1.0
		for r := range references {
			one := stats[r*size : (r+1)*size : (r+1)*size]
			if f := m.Score(one); f > top {
				best, top = one, f
			}
		}
		best = append([]int64(nil), best...)
	}
	return best
}

// appendChars appends the code points that are not white space.
func appendChars(dst []uint32, text string) []uint32 {
	for _, r := range text {
		if !isSpace(r) {
			dst = append(dst, uint32(r))
		}
	}
	return dst
}

// appendWords appends the numbers of the words. A word of two or more characters loses one ASCII punctuation mark: the last
// character if it is one, or else the first. "(hi)" is "(hi" and ")", as in the author's program and sacrebleu.
func (c *counter) appendWords(dst []uint32, text string) []uint32 {
	for w := range strings.FieldsFuncSeq(text, isSpace) {
		_, first := utf8.DecodeRuneInString(w)
		switch last := len(w) - 1; {
		case first == len(w):
			dst = append(dst, c.word(w))
		case isPunctuation(w[last]):
			dst = append(dst, c.word(w[:last]), c.word(w[last:]))
		case isPunctuation(w[0]):
			dst = append(dst, c.word(w[:1]), c.word(w[1:]))
		default:
			dst = append(dst, c.word(w))
		}
	}
	return dst
}

// isPunctuation tells ASCII punctuation: what is neither letter nor digit, space nor control.
func isPunctuation(b byte) bool {
	return b >= '!' && b <= '/' || b >= ':' && b <= '@' || b >= '[' && b <= '`' || b >= '{' && b <= '~'
}

func (m chrf) Score(sum []int64) float64 {
	precision, recall, orders := 0.0, 0.0, 0.0
	for ; len(sum) >= 3; sum = sum[3:] {
		if hypothesis, reference, matches := float64(sum[0]), float64(sum[1]), float64(sum[2]); hypothesis > 0 && reference > 0 {
			precision += matches / hypothesis
			recall += matches / reference
			orders++
		}
	}
	if precision+recall == 0 {
		return 0
	}
	precision /= orders
	recall /= orders
	// The conversions keep a compiler from fusing operations: which reference is best must not depend on the machine.
	return 100 * (float64((1+recallWeight)*precision) * recall / (float64(recallWeight*precision) + recall))
}
