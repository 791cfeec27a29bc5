package text

// cut appends the tokens of the chunk from lo to hi before special cases are mended: Tokenizer._split_affixes and
// _attach_tokens.
func (s *Spacy) cut(dst []Span, doc []byte, lo, hi int, scratch *SpacyScratch) []Span {
	suffixes := scratch.suffixes[:0] // where each begins, from the end
	end := hi
	digits := 0 // at lo
	if s.rules&prefixDegrees != 0 {
		digits = digitsAt(doc[lo:hi])
	}
	for last := 0; lo < hi && hi-lo != last; {
		c := doc[lo:hi]
		if s.known.isSpecial(c) {
			break
		}
		last = len(c)
		pre := s.prefix(c, digits)
		if pre > 0 && s.known.isSpecial(c[pre:]) {
			dst = append(dst, Span{int32(lo), int32(lo + pre)})
			lo += pre
			break
		}
		suf := s.suffix(c[pre:])
		if suf > 0 && s.known.isSpecial(c[:len(c)-suf]) {
			hi -= suf
			suffixes = append(suffixes, int32(hi))
			break
		}
		if pre > 0 {
			dst = append(dst, Span{int32(lo), int32(lo + pre)})
			lo += pre
			if s.rules&prefixDegrees != 0 {
				digits = digitsAt(doc[lo:hi])
			}
		}
		if suf > 0 {
			hi -= suf
			suffixes = append(suffixes, int32(hi))
		}
	}
	if lo < hi {
		dst = s.core(dst, doc, lo, hi)
	}
	for i := len(suffixes) - 1; i >= 0; i-- {
		to := int32(end)
		if i > 0 {
			to = suffixes[i-1]
		}
		dst = append(dst, Span{suffixes[i], to})
	}
	scratch.suffixes = suffixes
	return dst
}

func digitsAt(t []byte) int {
	n := 0
	for n < len(t) && isDigit(rune(t[n])) {
		n++
	}
	return n
}

// core appends the tokens of what is left between prefixes and suffixes.
func (s *Spacy) core(dst []Span, doc []byte, lo, hi int) []Span {
	c := doc[lo:hi]
	if k := s.known.of(c); k.special {
		return k.cuts.append(dst, lo, hi)
	}
	if isURL(c) {
		return append(dst, Span{int32(lo), int32(hi)})
	}
	at := lo
	f := infixSearch{rules: s.rules, t: c}
	for {
		from, to, ok := f.next()
		if !ok {
			break
		}
		if from == 0 {
			continue
		}
		if at < lo+from {
			dst = append(dst, Span{int32(at), int32(lo + from)})
		}
		if from < to {
			dst = append(dst, Span{int32(lo + from), int32(lo + to)})
		}
		at = lo + to
	}
	if at < hi {
		dst = append(dst, Span{int32(at), int32(hi)})
	}
	return dst
}
