package score

import "math"

// bleuOrder is the longest n-gram of BLEU (Papineni et al. 2002).
const bleuOrder = 4

// bleu is BLEU over tokens of 13a, case kept, smoothed by "exp" (method 3 of Chen and Cherry 2014, that of mteval-v13a.pl).
// Statistics: length of the hypothesis, length of the reference, matches of order 1 to 4, n-grams of order 1 to 4.
type bleu struct{ references string }

func (bleu) Name() string { return "BLEU" }

func (m bleu) Signature() string {
	return "nrefs:" + m.references + "|case:mixed|eff:no|tok:13a|smooth:exp|version:" + version
}

func (bleu) Segment(hypothesis string, references []string) []int64 {
	if len(references) == 0 {
		references = []string{""}
	}
	c := counters.Get().(*counter)
	defer c.release()
	c.start(1 + len(references))
	for i := range c.texts {
		text := hypothesis
		if i > 0 {
			text = references[i-1]
		}
		t := &c.texts[i]
		c.tokens = appendTokens13a(c.tokens[:0], text)
		for _, w := range c.tokens {
			t.symbols = append(t.symbols, c.word(w))
		}
	}
	stats := make([]int64, 2+2*bleuOrder)
	length := len(c.texts[0].symbols)
	// The reference whose length is closest counts, the shorter one of two.
	closest := len(c.texts[1].symbols)
	for i := range c.texts[1:] {
		n := len(c.texts[1+i].symbols)
		if d, best := distance(length, n), distance(length, closest); d < best || d == best && n < closest {
			closest = n
		}
	}
	stats[0], stats[1] = int64(length), int64(closest)
	for n := 1; n <= bleuOrder && n <= length; n++ {
		c.next()
		stats[1+n] = c.matchesAny()
		stats[1+bleuOrder+n] = int64(c.texts[0].count(n))
	}
	return stats
}

func distance(a, b int) int { return max(a-b, b-a) }

func (bleu) Score(sum []int64) float64 {
	if len(sum) == 0 {
		return 0
	}
	length, reference := float64(sum[0]), float64(sum[1])
	matches, all := sum[2:2+bleuOrder], sum[2+bleuOrder:]
	// The sum of the logarithms of the precisions. Where there is no match, the precision is that of half a match at the
	// first such order, of a quarter at the next.
	logs, half, some := 0.0, 1.0, false
	for n := range matches {
		switch {
		case all[n] == 0: // no segment is that long: the precision is 0, and so is the score
			return 0
		case matches[n] == 0:
			half /= 2
			logs += math.Log(100 * half / float64(all[n]))
		default:
			some = true
			logs += math.Log(100 * float64(matches[n]) / float64(all[n]))
		}
	}
	if !some {
		return 0
	}
	brevity := 1.0
	if length < reference {
		brevity = math.Exp(1 - reference/length)
	}
	return brevity * math.Exp(logs/bleuOrder)
}
