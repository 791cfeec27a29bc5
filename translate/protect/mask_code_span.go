package protect

// codeSpan is a run of backticks, anything, and the next run of as many (CommonMark 0.31 §6.1); a blank line ends the paragraph
// and with it the hope of one.
func codeSpan(s *scanner, i int) int {
	if s.runs == nil {
		s.pairRuns()
	}
	return s.runs[i]
}

func (s *scanner) pairRuns() {
	s.runs = map[int]int{}
	open := map[int]int{} // length of a run -> where one begins that is not closed
	for i := 0; i < len(s.text); {
		switch s.text[i] {
		case '`':
			end := i
			for end < len(s.text) && s.text[end] == '`' {
				end++
			}
			if start, ok := open[end-i]; ok {
				// Whether the opening run is inside another code span is seen only when it is asked for; then this pair
				// is not used, and the closing run may open one of its own.
				s.runs[start] = end
			}
			if i > 0 && s.text[i-1] == '\\' {
				delete(open, end-i) // escaped: it closes, but opens nothing
			} else {
				open[end-i] = i
			}
			i = end
		case '\n':
			if s.at(i+1) == '\n' {
				clear(open)
			}
			i++
		default:
			i++
		}
	}
}
