package check

import (
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// most4gram is how often the most frequent run of four words stands in the text, case apart; 0 if there are fewer words.
func most4gram(words []uint64) (most int) {
	if len(words) < 4 {
		return 0
	}
	counts := make(map[uint64]int, len(words))
	for i := 0; i+4 <= len(words); i++ {
		h := uint64(0)
		for _, w := range words[i : i+4] {
			h = (h ^ w) * 0x9e3779b97f4a7c15
			h ^= h >> 29
		}
		counts[h]++
		most = max(most, counts[h])
	}
	return most
}

// appendTokens appends the hash of each piece between white space, in lower case, and says how long the longest is. A piece
// without a letter or digit is none: rulers of dashes repeat by nature.
func appendTokens(dst []uint64, text string) (tokens []uint64, longest int) {
	for piece := range strings.FieldsSeq(text) {
		h, any := uint64(14695981039346656037), false
		for _, r := range piece {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				h, any = (h^uint64(unicode.ToLower(r)))*1099511628211, true
			}
		}
		if any {
			dst = append(dst, h)
			longest = max(longest, len(piece))
		}
	}
	return dst, longest
}

func longestRun(tokens []uint64) (longest int) {
	run := 0
	for i, h := range tokens {
		if i > 0 && h != tokens[i-1] {
			run = 0
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// sentenceExcess: three of one sentence where the source has no two alike.
const sentenceExcess = 2

// mostSentence is how often the most frequent sentence of two words and 10 letters or more stands in the text, case apart.
func mostSentence(text string) (most int) {
	var counts map[string]int
	for s := range strings.FieldsFuncSeq(text, sentenceEnd) {
		if len(s) == len(text) {
			return 1
		}
		s = strings.ToLower(strings.TrimFunc(s, notWord))
		if strings.IndexByte(s, ' ') < 0 || countLetters(appendWords(nil, s)) < sameTargetLetters {
			continue
		}
		if counts == nil {
			counts = make(map[string]int)
		}
		counts[s]++
		most = max(most, counts[s])
	}
	return most
}

func sentenceEnd(r rune) bool { return strings.ContainsRune(".!?:。！？", r) }

func notWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

type byteCount int

func (n *byteCount) Write(b []byte) (int, error) { *n += byteCount(len(b)); return len(b), nil }

// deflated is the size of zlib's output for a byte of text.
func deflated(text string) float64 {
	var n byteCount
	w := zlib.NewWriter(&n)
	_, err := io.WriteString(w, text)
	if err == nil {
		err = w.Close()
	}
	if err != nil { // a byteCount takes everything
		return 1
	}
	return float64(n) / float64(len(text))
}

const (
	deflateBytes = 200 // below, zlib's header and first use of each letter weigh too much
	longToken    = 60  // bytes: no word, but perhaps one syllable for ever
)

func repetition(c *Checker, v *view) (Finding, bool) {
	p := &c.profile
	s, longestSource := appendTokens(nil, v.Source)
	t, longestTarget := appendTokens(nil, v.Target)
	excess := most4gram(t) - max(most4gram(s), 1)
	if most4gram(t) == 0 {
		excess = 0
	}
	run, runSource := longestRun(t), max(longestRun(s), 1)
	switch {
	case float64(excess) >= p.RepetitionExcess:
		return hard(float64(excess), fmt.Sprintf("four words %d times more often than in the source, at most %g", excess, p.RepetitionExcess-1))
	case mostSentence(v.Target)-max(mostSentence(v.Source), 1) >= sentenceExcess:
		return hard(float64(excess), fmt.Sprintf("a sentence %d times, at most %d in the source", mostSentence(v.Target), max(mostSentence(v.Source), 1)))
	case float64(run-runSource) >= p.RepetitionRun:
		return hard(float64(excess), fmt.Sprintf("a word %d times in a row, %d in the source", run, runSource))
	case len(v.Target) >= deflateBytes && (excess >= 2 || longestTarget >= longToken && longestTarget > 2*longestSource):
		if d := deflated(v.Target); d < p.CompressionMin && (len(v.Source) < deflateBytes || deflated(v.Source) >= p.CompressionMin) {
			return hard(float64(excess), fmt.Sprintf("deflates to %.2f, at least %g", d, p.CompressionMin))
		}
	}
	if excess >= 2 {
		return soft(float64(excess), fmt.Sprintf("four words %d times more often than in the source", excess))
	}
	return nothing, false
}
