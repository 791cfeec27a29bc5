package filter

import "fmt"

// basqueStopWords are function words and auxiliary verbs that are frequent on the sample's Basque pages (each on at
// least 5 % of them) and not words of Spanish, French, English, Portuguese, Italian, German, Catalan or Galician: each
// occurs on at most 3 of 2,272 pages of any of these languages. That rules out da, du and den, which are
// frequent in Portuguese, French and German. The verb ends the sentence, so with words cut at white space the
// forms with a full stop are as frequent as those without.
var basqueStopWords = []string{
	"baina", "baino", "bat", "batean", "baten", "behar", "beste", "da.", "dago", "dagoen", "daiteke", "daiteke.", "dezakezu",
	"dezakezu.", "dira", "dira.", "diren", "ditu", "ditu.", "dituen", "du.", "duen", "dute", "dute.", "duzu", "duzun", "edo", "egin", "ere",
	"eta", "ez", "gisa", "hau", "hori", "izan", "izango", "nahi", "zein",
}

// stopWords is a set of at most 64 words that counts which of them occur.
type stopWords struct {
	words []string
	heads [256]uint8 // 1 + first word with this key
	nexts []uint8    // 1 + next word with the same key
}

func newStopWords(words []string) (*stopWords, error) {
	if len(words) > 64 {
		return nil, fmt.Errorf("%d stop words; 64 are possible", len(words))
	}
	s := &stopWords{words: words, nexts: make([]uint8, len(words))}
	for i, w := range words {
		if w == "" {
			return nil, fmt.Errorf("stop word %d is empty", i)
		}
		k := stopKey(w)
		s.nexts[i] = s.heads[k]
		s.heads[k] = uint8(i + 1)
	}
	return s, nil
}

func stopKey[T string | []byte](w T) uint8 {
	return w[0] + w[len(w)-1]*31 + uint8(len(w))*7
}

// bit of the word w, or 0. Nearly all words that are no stop word have no key of one.
func (s *stopWords) bit(w []byte) uint64 {
	i := s.heads[w[0]+w[len(w)-1]*31+uint8(len(w))*7]
	if i == 0 {
		return 0
	}
	return s.bitFrom(i, w)
}

func (s *stopWords) bitFrom(i uint8, w []byte) uint64 {
	for ; i > 0; i = s.nexts[i-1] {
		if string(w) == s.words[i-1] {
			return 1 << (i - 1)
		}
	}
	return 0
}
