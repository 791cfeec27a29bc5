package regex

import (
	"fmt"
	"unicode/utf8"
)

// The matcher runs a program by backtracking, which is what the patterns mean: the first way that leads to the end
// counts. As long as that goes well it keeps no record. Once a text has taken more than easySteps for each of its
// bytes, it also notes from which instruction, at which byte, all ways have failed (Davis, Servant and Lee, Using
// Selective Memoization to Defeat Regular Expression Denial of Service, 2021), so that it goes none twice, neither in
// one search nor in the next ones. What is not bounded even so (an atomic group that matches far and in vain from every
// byte) ends at a limit, with an error.
//
// A step is one more try, one back, two instructions, or eight characters of a run, and takes 5 to 30 ns. The regexes of real tokenizers take up to
// 29 for each byte of texts made to be hard for them (testdata/patterns.json, TestRealPatterns).
const (
	easySteps  = 4
	spareSteps = 10_000 // for each text, in each search for its own
	mostSteps  = 44     // for each byte of the text
	// maxStack is how many entries the stack has at most for each byte of a text.
	maxStack = 32
)

type entryKind uint8

const (
	backAlt  entryKind = iota // other ways of an opAlt: a is the list and the index in it
	backRun                   // an opRun at pos can give back to a
	backMark                  // all ways from pc at pos have failed
)

type entry struct {
	pc    int32
	pos   int32
	a     int32
	round uint8
	kind  entryKind
}

// progressed is the round of a path that has just gone over a character: each loop around has.
const progressed = 255

func (m *Matcher) next(from int) (start, end int, ok bool) {
	p, text := m.re.program, m.text
	for pos := from; ; {
		if p.first != nil {
			for pos < len(text) && !p.first[text[pos]] {
				pos++ // over bytes within a character too: none begins with them, unless U+FFFD is wanted
			}
			if pos == len(text) {
				return 0, 0, false
			}
			if p.first[0x80] && pos > from && !utf8.RuneStart(text[pos]) && !boundary(text, pos) {
				pos++
				continue
			}
		}
		if end, ok = m.run(0, pos, 0, whole); ok || m.problem != "" {
			return pos, end, ok && m.problem == ""
		}
		if pos == len(text) {
			return 0, 0, false
		}
		m.steps++
		pos += width(text, pos)
	}
}

func width(text []byte, i int) int {
	if text[i] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRune(text[i:])
	return n
}

// boundary says whether a character begins at text[i], and none goes over it.
func boundary(text []byte, i int) bool {
	for j := i - 1; j >= 0 && j > i-utf8.UTFMax; j-- {
		if utf8.RuneStart(text[j]) {
			_, n := utf8.DecodeRune(text[j:])
			return j+n <= i
		}
	}
	return true
}

// A part is what a run is for: it says what may be noted.
type part uint8

const (
	whole     part = iota // failures
	lookahead             // and that it has matched
	atomic                // and where it has ended
	lookback              // nothing: where it has to end differs from run to run
)

// run runs the program at pc from pos on, up to its end; here is where a lookback has to end.
func (m *Matcher) run(pc int32, pos int, here int, part part) (end int, ok bool) {
	insts, text := m.re.program.insts, m.text
	base := len(m.stack)
	round := uint8(0)
	ran := 0 // instructions that are not yet among the steps
	if m.steps++; m.steps > m.easy && !m.harder(base) {
		return 0, false
	}
	for {
		in := &insts[pc]
		ran++
		switch in.op {
		case opMatch:
			m.steps += ran >> 1
			if m.memo != nil && (part == lookahead || part == atomic) {
				m.succeeded(m.stack[base:], part, pos)
			}
			m.stack = m.stack[:base]
			return pos, true
		case opHere:
			if pos == here {
				m.stack = m.stack[:base]
				return pos, true
			}
		case opBytes:
			if len(text)-pos >= len(in.text) && string(text[pos:pos+len(in.text)]) == in.text {
				pos += len(in.text)
				round = progressed
				pc++
				continue
			}
		case opSet:
			if pos < len(text) {
				if n := in.set.width(text, pos); n > 0 {
					pos += n
					round = progressed
					pc++
					continue
				}
			}
		case opTake:
			if j := m.take(in, pc, pos); j > pos {
				pos, round = j, progressed
			} else if in.min > 0 {
				break
			}
			pc += 1 + in.min
			continue
		case opRun:
			m.steps++
			if m.memo != nil && part != lookback {
				e := entry{pc: pc, pos: int32(pos), round: min(round, in.depth), kind: backMark}
				if known, end := m.look(&e, part); known {
					if end >= 0 {
						m.stack = m.stack[:base]
						return end, true
					}
					break
				}
				m.stack = append(m.stack, e)
				if in.max == infinite {
					// One character at a time, so that each byte's failure is noted.
					if pos < len(text) {
						if n := in.set.width(text, pos); n > 0 {
							m.stack = append(m.stack, entry{pc: pc, pos: int32(pos), a: int32(pos), round: round, kind: backRun})
							pos += n
							round = progressed
							continue
						}
					}
					pc++
					continue
				}
			}
			j := in.set.run(text, pos, int(in.max))
			m.steps += (j - pos) >> 3
			if j > pos {
				m.stack = append(m.stack, entry{pc: pc, pos: int32(j), a: int32(pos), round: round, kind: backRun})
				pos, round = j, progressed
			}
			pc++
			continue
		case opAlt:
			m.steps++
			next := 256
			if pos < len(text) {
				next = int(text[pos])
			}
			n := in.by.list[next]
			list := in.by.lists[n]
			if m.memo != nil && part != lookback {
				e := entry{pc: pc, pos: int32(pos), round: min(round, in.depth), kind: backMark}
				if known, end := m.look(&e, part); known {
					if end >= 0 {
						m.stack = m.stack[:base]
						return end, true
					}
					break
				}
				m.stack = append(m.stack, e)
			}
			if len(list) > 1 {
				m.stack = append(m.stack, entry{pc: pc, pos: int32(pos), a: int32(n)<<16 | 1, round: round, kind: backAlt})
			}
			if len(list) > 0 {
				pc = list[0]
				continue
			}
		case opJump:
			pc = in.x
			continue
		case opLoop:
			round = min(round, in.depth)
			pc++
			continue
		case opRound:
			if pc = in.x; round <= in.depth {
				pc = in.y
			}
			continue
		case opAnchor:
			if m.anchor(in.what, pos) {
				pc++
				continue
			}
		case opSee:
			if (pos < len(text) && in.set.width(text, pos) > 0) != in.not {
				pc++
				continue
			}
		case opAhead:
			if _, ok := m.run(in.x, pos, 0, lookahead); ok != in.not && m.problem == "" {
				pc = in.y
				continue
			}
		case opBehind:
			if m.behind(in, pos) != in.not && m.problem == "" {
				pc = in.y
				continue
			}
		case opAtomic:
			if j, ok := m.run(in.x, pos, 0, atomic); ok {
				if j > pos {
					pos, round = j, progressed
				}
				pc = in.y
				continue
			}
		}
		// This way has failed: back to the last one that is left.
		m.steps += 1 + ran>>1
		ran &= 1
		if m.steps > m.easy && !m.harder(base) {
			return 0, false
		}
		for {
			if len(m.stack) == base {
				return 0, false
			}
			e := &m.stack[len(m.stack)-1]
			if e.kind == backMark {
				m.memo.set(&m.memo.failed, m.state(e), int(e.pos))
				m.stack = m.stack[:len(m.stack)-1]
				continue
			}
			in = &insts[e.pc]
			round = e.round
			if e.kind == backAlt {
				list := in.by.lists[e.a>>16]
				k := e.a & 0xffff
				pc, pos = list[k], int(e.pos)
				if int(k)+1 == len(list) {
					m.stack = m.stack[:len(m.stack)-1]
				} else {
					e.a++
				}
				break
			}
			pos = int(e.pos)
			if pos > int(e.a) {
				_, n := utf8.DecodeLastRune(text[e.a:pos])
				pos -= n
			}
			pc = e.pc + 1
			if pos > int(e.a) {
				round = progressed
				e.pos = int32(pos)
			} else {
				m.stack = m.stack[:len(m.stack)-1]
			}
			break
		}
	}
}

// state is the number of an instruction, with the loops around it that have progressed, in the memo.
func (m *Matcher) state(e *entry) int { return int(m.re.program.insts[e.pc].memo) + int(e.round) }

// look says whether it is known what becomes of e: where it ends, or -1 if it fails. A lookahead's end does not count.
func (m *Matcher) look(e *entry, part part) (known bool, end int) {
	s := m.state(e)
	switch {
	case m.memo.has(&m.memo.failed, s, int(e.pos)):
		return true, -1
	case part == lookahead:
		return m.memo.has(&m.memo.matched, s, int(e.pos)), int(e.pos)
	case part == atomic:
		if p := m.memo.ends[e.pos>>6]; p != nil {
			end := int(p[s<<6|int(e.pos&63)]) - 1
			return end >= 0, end
		}
	}
	return false, -1
}

// succeeded notes that the ways on the stack have led to an end.
func (m *Matcher) succeeded(stack []entry, part part, end int) {
	for i := range stack {
		e := &stack[i]
		switch {
		case e.kind != backMark:
		case part == lookahead:
			m.memo.set(&m.memo.matched, m.state(e), int(e.pos))
		default:
			m.memo.setEnd(m.state(e), int(e.pos), end)
		}
	}
}

// take is the end of an opTake at pc. The end of a long run is kept: a search may come into its midst, or before it,
// again and again.
func (m *Matcher) take(in *inst, pc int32, pos int) int {
	if in.max != infinite {
		end := in.set.run(m.text, pos, int(in.max))
		m.steps += (end - pos) >> 3
		return end
	}
	if m.takes == nil {
		end := in.set.run(m.text, pos, infinite)
		if end-pos > longTake {
			m.steps += (end - pos) >> 3
			m.takes = make([]taken, len(m.re.program.insts))
			m.takes[pc] = taken{int32(pos), int32(end)}
		}
		return end
	}
	t := m.takes[pc]
	if int(t.from) <= pos && pos < int(t.to) {
		return int(t.to)
	}
	limit := len(m.text)
	if pos < int(t.from) {
		limit = int(t.from)
	}
	end := in.set.run(m.text[:limit], pos, infinite)
	m.steps += (end - pos) >> 3
	if end == limit && limit < len(m.text) {
		end = int(t.to)
	}
	if end-pos > longTake {
		m.takes[pc] = taken{int32(pos), int32(end)}
	}
	return end
}

// longTake is from how many bytes on.
const longTake = 64

type taken struct{ from, to int32 }

// harder turns the memo on, or says that there has been enough.
func (m *Matcher) harder(base int) bool {
	if m.memo == nil {
		m.memo = newMemo(m.re.program.states, len(m.text))
	}
	m.easy = m.steps + len(m.text)/4 + 1000
	switch {
	case m.problem != "":
	case m.steps > m.most:
		m.problem = fmt.Sprintf("regex %q takes more than %d steps for a text of %d bytes", m.re.pattern, m.most, len(m.text))
	case len(m.stack) > maxStack*len(m.text)+spareSteps:
		m.problem = fmt.Sprintf("regex %q remembers more than %d ways for a text of %d bytes", m.re.pattern, len(m.stack)-1, len(m.text))
	default:
		return true
	}
	m.easy = -1 // so that all who wait for this run come here too
	m.stack = m.stack[:base]
	return false
}

func (m *Matcher) behind(in *inst, pos int) bool {
	at := pos
	for n := int32(0); n <= in.max; n++ {
		if n >= in.min {
			if _, ok := m.run(in.x, at, pos, lookback); ok {
				return true
			}
		}
		if at == 0 {
			break
		}
		_, w := utf8.DecodeLastRune(m.text[:at])
		at -= w
	}
	return false
}

func (m *Matcher) anchor(what byte, pos int) bool {
	text := m.text
	end := pos == len(text)
	newline := pos > 0 && text[pos-1] == '\n' // before pos
	switch what {
	case '^': // not behind a newline that is the text's end
		return pos == 0 || newline && !end
	case 'A':
		return pos == 0
	case 'z':
		return end
	case '$':
		return end || text[pos] == '\n'
	case 'Z':
		return end || pos == len(text)-1 && text[pos] == '\n'
	}
	word := m.re.word
	before, after := false, !end && word.width(text, pos) > 0
	if pos > 0 {
		r, _ := utf8.DecodeLastRune(text[:pos])
		before = word.has(r)
	}
	return (before != after) == (what == 'b')
}

// A memo has a bit for each state of a program and each byte of a text, in pages of 64 bytes of text.
type memo struct {
	states  int
	failed  []page
	matched []page
	ends    [][]int32 // of atomic groups: 1 + where a state at a byte leads; 0 if that is not known
	free    []page
	words   int // that may still be made
	from    int // pages before it have been given back
}

type page []uint64

// newMemo makes a memo for a text of size bytes. Once it has four words for each byte it notes no more.
func newMemo(states, size int) *memo {
	m := &memo{states: states, words: 4*size + 1<<16}
	n := size>>6 + 1
	m.failed, m.matched, m.ends = make([]page, n), make([]page, n), make([][]int32, n)
	return m
}

func (m *memo) has(in *[]page, state, pos int) bool {
	p := (*in)[pos>>6]
	return p != nil && p[state]>>(pos&63)&1 != 0
}

func (m *memo) set(in *[]page, state, pos int) {
	p := (*in)[pos>>6]
	if p == nil {
		if n := len(m.free); n > 0 {
			p, m.free = m.free[n-1], m.free[:n-1]
			clear(p)
		} else {
			if m.words < m.states {
				return
			}
			m.words -= m.states
			p = make(page, m.states)
		}
		(*in)[pos>>6] = p
	}
	p[state] |= 1 << (pos & 63)
}

func (m *memo) setEnd(state, pos, end int) {
	p := m.ends[pos>>6]
	if p == nil {
		if m.words < 32*m.states {
			return
		}
		m.words -= 32 * m.states
		p = make([]int32, 64*m.states)
		m.ends[pos>>6] = p
	}
	p[state<<6|pos&63] = int32(end) + 1
}

// forget gives back what is about bytes before from: nobody goes there again.
func (m *memo) forget(from int) {
	for ; m.from < from>>6; m.from++ {
		if m.ends[m.from] != nil {
			m.ends[m.from] = nil
			m.words += 32 * m.states
		}
		for _, in := range []*[]page{&m.failed, &m.matched} {
			if p := (*in)[m.from]; p != nil {
				m.free = append(m.free, p)
				(*in)[m.from] = nil
			}
		}
	}
}

// reset begins a text.
func (m *Matcher) reset(text []byte) {
	m.text = text
	if m.shared {
		m.left = max(0, m.left-m.steps)
		m.most = m.left
	} else {
		m.most = mostOf(len(text))
	}
	m.steps, m.problem = 0, ""
	m.easy = min(easySteps*len(text)+spareSteps, m.most)
	m.memo = nil
	clear(m.takes)
	if cap(m.stack) > 1<<16 {
		m.stack = nil
	}
	m.stack = m.stack[:0]
}

func mostOf(size int) int { return mostSteps*size + 100*spareSteps }
