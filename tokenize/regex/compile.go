package regex

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"
)

// maxProgram is how many instructions a program has at most: each costs memory and, in the worst case, time for each
// byte of a text.
const maxProgram = 20_000

// maxBehind is how many characters a lookbehind looks back at most.
const maxBehind = 255

type op uint8

const (
	opMatch  op = iota // the end of the program, or of a lookahead's or an atomic group's
	opBytes            // text
	opSet              // a code point of set
	opRun              // as many of set as there are, at most max of them if it is not negative, giving back one by one
	opTake             // the same and nothing is given back; at least min
	opAlt              // to[0], else to[1], and so on
	opJump             // x
	opLoop             // begins a round of a loop whose body may be empty, depth deep in such loops
	opRound            // ends it: x is the loop; goes on behind it (y) if the round was empty
	opAnchor           // what
	opSee              // a code point of set is next, or is not
	opAhead            // the program at x matches here, or does not
	opBehind           // the program at x matches from min to max characters before to here, or does not
	opAtomic           // the program at x, of which nothing is given back
	opHere             // the end of a lookbehind's program
)

type inst struct {
	op    op
	what  byte // opAnchor
	not   bool
	depth uint8
	x, y  int32
	min   int32
	max   int32
	memo  int32 // opAlt, opRun: its states in the memo start there; it has depth+1
	set   *set
	text  string
	to    []int32
	by    *dispatch // opAlt
}

// dispatch is which of an opAlt's ways are worth a try, by the byte that is next; 256 is for the end of the text.
type dispatch struct {
	list  [257]uint8
	lists [][]int32
}

type program struct {
	insts  []inst
	first  *[256]bool // bytes that a match can begin with; nil for any, and for empty ones
	states int        // of the memo, for each byte of the text
}

type compiler struct {
	insts []inst
	sets  map[string]*set
	depth int
	ends  []int32 // for the ends of atomic groups: 1 + where the group stands
	err   error
}

func compile(pattern string, n *node) (*program, error) {
	c := &compiler{sets: map[string]*set{}}
	c.node(n, 0)
	c.emit(inst{op: opMatch})
	if c.err != nil {
		return nil, &SyntaxError{pattern, 0, c.err.Error()}
	}
	c.ends = make([]int32, len(c.insts))
	for pc, in := range c.insts {
		if in.op == opAtomic {
			c.ends[in.y-1] = int32(pc) + 1
		}
	}
	p := &program{insts: c.insts}
	for pc := range p.insts {
		in := &p.insts[pc]
		switch in.op {
		case opAlt:
			in.by = c.dispatch(in.to)
		case opRun:
			if !c.gives(in, int32(pc)+1) {
				in.op = opTake
				continue
			}
		default:
			continue
		}
		in.memo = int32(p.states)
		p.states += int(in.depth) + 1
	}
	for pc := range len(p.insts) - 1 {
		// One of a set and more of it is one instruction. The second one stays for those who jump there.
		if in, more := &p.insts[pc], &p.insts[pc+1]; in.op == opSet && more.op == opTake && more.min == 0 && more.set == in.set {
			in.op, in.min, in.max = opTake, 1, more.max
			if in.max != infinite {
				in.max++
			}
		}
	}
	var first [256]bool
	if w := (&walk{c: c, first: &first}); !w.from(0) {
		p.first = &first
	}
	return p, nil
}

func (c *compiler) emit(in inst) int32 {
	if len(c.insts) >= maxProgram && c.err == nil {
		c.err = fmt.Errorf("the pattern is too large: more than %d instructions", maxProgram)
	}
	if c.err != nil {
		return 0
	}
	in.depth = uint8(c.depth)
	c.insts = append(c.insts, in)
	return int32(len(c.insts) - 1)
}

func (c *compiler) next() int32 { return int32(len(c.insts)) }

func (c *compiler) set(r ranges) *set {
	key := keyOf(r)
	if c.sets[key] == nil {
		c.sets[key] = newSet(r)
	}
	return c.sets[key]
}

// keyOf is the numbers as a key of a map.
func keyOf(list []int32) string {
	key := make([]byte, 0, 4*len(list))
	for _, n := range list {
		key = binary.LittleEndian.AppendUint32(key, uint32(n))
	}
	return string(key)
}

// node compiles n. behind is the number of lookbehinds around it.
func (c *compiler) node(n *node, behind int) {
	if c.err != nil {
		return
	}
	switch n.kind {
	case kLiteral:
		c.literal(n, behind)
	case kSet:
		c.emit(inst{op: opSet, set: c.set(n.set)})
	case kCat:
		for _, k := range n.kids {
			c.node(k, behind)
		}
	case kGroup:
		c.node(n.kids[0], behind)
	case kAlt:
		alt := c.emit(inst{op: opAlt})
		var to, jumps []int32
		for i, k := range n.kids {
			to = append(to, c.next())
			c.node(k, behind)
			if i < len(n.kids)-1 {
				jumps = append(jumps, c.emit(inst{op: opJump}))
			}
		}
		if c.err != nil {
			return
		}
		c.insts[alt].to = to
		for _, j := range jumps {
			c.insts[j].x = c.next()
		}
	case kRepeat:
		c.repeat(n, behind)
	case kAnchor:
		c.emit(inst{op: opAnchor, what: n.anchor})
	case kAtomic:
		k := n.kids[0]
		if r, ok := k.repeated(behind); ok {
			s := c.set(r)
			for i := 0; i < k.min && c.err == nil; i++ {
				c.emit(inst{op: opSet, set: s})
			}
			c.emit(inst{op: opTake, set: s, max: c.most(k)})
			return
		}
		c.part(inst{op: opAtomic}, n.kids[0], behind, opMatch)
	case kAhead:
		if k := n.kids[0]; k.kind == kSet {
			c.emit(inst{op: opSee, not: n.not, set: c.set(k.set)})
			return
		}
		c.part(inst{op: opAhead, not: n.not}, n.kids[0], behind, opMatch)
	case kBehind:
		lo, hi := n.kids[0].width(0)
		if hi > maxBehind {
			c.err = fmt.Errorf("a lookbehind that may look at more than %d characters is not known", maxBehind)
			return
		}
		c.part(inst{op: opBehind, not: n.not, min: int32(lo), max: int32(hi)}, n.kids[0], behind+1, opHere)
	}
}

// part compiles n as a program of its own, in which the empty rounds of loops around it do not count.
func (c *compiler) part(in inst, n *node, behind int, end op) {
	pc := c.emit(in)
	depth := c.depth
	c.depth = 0
	c.node(n, behind)
	c.emit(inst{op: end})
	c.depth = depth
	if c.err == nil {
		c.insts[pc].x, c.insts[pc].y = pc+1, c.next()
	}
}

func (c *compiler) literal(n *node, behind int) {
	if !n.fold {
		text := ""
		flush := func() {
			if text != "" {
				c.emit(inst{op: opBytes, text: text})
				text = ""
			}
		}
		for _, r := range n.lit {
			if r == utf8.RuneError { // a byte that is not UTF-8 is one too
				flush()
				c.emit(inst{op: opSet, set: c.set(ranges{r, r})})
				continue
			}
			text += string(r)
		}
		flush()
		return
	}
	fold := func(r rune) {
		o := orbit(r)
		if len(o) == 1 && r < utf8.RuneSelf {
			c.emit(inst{op: opBytes, text: string(r)})
			return
		}
		var s ranges
		for _, f := range o {
			s = append(s, f, f)
		}
		c.emit(inst{op: opSet, set: c.set(s.normal())})
	}
	seq := func(s []rune) {
		for _, r := range s {
			fold(r)
		}
	}
	either := func(s []rune, one string) {
		var r ranges
		for _, f := range one {
			r = append(r, f, f)
		}
		alt := c.emit(inst{op: opAlt})
		a := c.next()
		seq(s)
		jump := c.emit(inst{op: opJump})
		b := c.emit(inst{op: opSet, set: c.set(r.normal())})
		if c.err == nil {
			c.insts[alt].to = []int32{a, b}
			c.insts[jump].x = c.next()
		}
	}
	for i := 0; i < len(n.lit); {
		r := n.lit[i]
		if behind == 0 {
			if to := unfold(r); to != "" { // ß is ss too
				var one string
				for _, f := range orbit(r) {
					one += string(f)
				}
				either([]rune(to), one)
				i++
				continue
			}
			if k, from := multiFold(n.lit[i:]); k > 0 {
				either(n.lit[i:i+k], from)
				i += k
				continue
			}
		}
		fold(r)
		i++
	}
}

func (c *compiler) most(n *node) int32 {
	if n.max == infinite {
		return infinite
	}
	return int32(n.max - n.min)
}

func (c *compiler) repeat(n *node, behind int) {
	k := n.kids[0]
	set, isSet := n.repeated(behind)
	for range n.min {
		if c.err != nil {
			return
		}
		at := c.next()
		if c.node(k, behind); c.next() == at { // nothing is nothing, however often
			return
		}
	}
	switch {
	case n.max == n.min:
	case isSet:
		c.emit(inst{op: opRun, set: c.set(set), max: c.most(n)})
	case n.max == infinite:
		c.loop(n, behind)
	default: // (k(k(k)?)?)?
		var alts []int32
		for range n.max - n.min {
			if c.err != nil {
				return
			}
			alts = append(alts, c.emit(inst{op: opAlt}))
			at := c.next()
			if c.node(k, behind); c.next() == at {
				break
			}
		}
		if c.err != nil {
			return
		}
		for _, pc := range alts {
			c.insts[pc].to = ways(n.lazy, pc+1, c.next())
		}
	}
}

// repeated is the set that n, greedily, repeats.
func (n *node) repeated(behind int) (r ranges, ok bool) {
	if n.kind != kRepeat || n.lazy {
		return nil, false
	}
	switch k := n.kids[0]; {
	case k.kind == kSet:
		return k.set, true
	case k.kind == kLiteral && len(k.lit) == 1 && !k.fold:
		return ranges{k.lit[0], k.lit[0]}, true
	case k.kind == kLiteral && len(k.lit) == 1 && (behind > 0 || unfold(k.lit[0]) == ""):
		for _, f := range orbit(k.lit[0]) {
			r = append(r, f, f)
		}
		return r.normal(), true
	}
	return nil, false
}

func ways(lazy bool, body, end int32) []int32 {
	if lazy {
		return []int32{end, body}
	}
	return []int32{body, end}
}

func (c *compiler) loop(n *node, behind int) {
	alt := c.emit(inst{op: opAlt})
	lo, _ := n.kids[0].width(0)
	if lo > 0 {
		c.node(n.kids[0], behind)
		c.emit(inst{op: opJump, x: alt})
	} else {
		c.emit(inst{op: opLoop})
		if c.depth++; c.depth > 200 && c.err == nil {
			c.err = fmt.Errorf("loops in more than 200 others")
		}
		c.node(n.kids[0], behind)
		c.depth--
		c.emit(inst{op: opRound, x: alt, y: c.next() + 1})
	}
	if c.err == nil {
		c.insts[alt].to = ways(n.lazy, alt+1, c.next())
	}
}

// width is how many characters n matches, at least and at most.
func (n *node) width(depth int) (lo, hi int) {
	const many = 1 << 30
	switch n.kind {
	case kLiteral:
		lo, hi = len(n.lit), len(n.lit)
		if n.fold { // ß and ss
			lo, hi = (lo+2)/3, 3*hi
		}
	case kSet:
		return 1, 1
	case kCat:
		for _, k := range n.kids {
			l, h := k.width(depth + 1)
			lo, hi = min(lo+l, many), min(hi+h, many)
		}
	case kAlt:
		lo = many
		for _, k := range n.kids {
			l, h := k.width(depth + 1)
			lo, hi = min(lo, l), max(hi, h)
		}
	case kGroup, kAtomic:
		return n.kids[0].width(depth + 1)
	case kRepeat:
		l, h := n.kids[0].width(depth + 1)
		lo, hi = min(l*n.min, many), many
		if h == 0 {
			hi = 0
		} else if n.max != infinite {
			hi = min(h*n.max, many)
		}
	}
	return lo, hi
}

// walk finds the bytes that what starts at an instruction can begin with.
type walk struct {
	c     *compiler
	first *[256]bool
	seen  map[int32]bool
}

// from says whether it can begin with any byte, or with none.
func (w *walk) from(pc int32) (any bool) {
	if w.seen == nil {
		w.seen = map[int32]bool{}
	}
	for {
		if w.seen[pc] {
			return false
		}
		if w.seen[pc] = true; len(w.seen) > 64 {
			return true
		}
		switch in := &w.c.insts[pc]; in.op {
		case opBytes:
			w.first[in.text[0]] = true
			return false
		case opSet:
			in.set.addFirst(w.first)
			return false
		case opRun, opTake:
			in.set.addFirst(w.first)
			if in.min > 0 {
				return false
			}
			pc++
		case opAlt:
			for _, to := range in.to {
				if w.from(to) {
					return true
				}
			}
			return false
		case opJump:
			pc = in.x
		case opRound:
			if w.from(in.x) {
				return true
			}
			pc = in.y
		case opLoop, opAnchor, opSee:
			pc++
		case opAhead, opBehind:
			pc = in.y
		case opAtomic:
			pc = in.x
		case opMatch, opHere:
			group := w.c.ends[pc] - 1
			if group < 0 || !w.seen[group] {
				return true // from within a group, its end is a match, whatever follows
			}
			pc = w.c.insts[group].y
		}
	}
}

// gives says whether it may help that the opRun in, before pc, gives back something: not if nothing behind it fails, and
// not if nothing behind it can begin with what it has taken.
func (c *compiler) gives(in *inst, pc int32) bool {
	if !c.fails(pc) {
		return false
	}
	f := follow{c: c}
	return !f.from(pc) || len(f.set.normal().and(in.set.ranges)) > 0
}

// fails says whether what starts at pc may fail.
func (c *compiler) fails(pc int32) bool {
	for range 100 {
		switch in := &c.insts[pc]; in.op {
		case opMatch:
			return false
		case opRun, opTake:
			pc++
		case opJump:
			pc = in.x
		default:
			return true
		}
	}
	return true
}

// follow finds the characters that what starts at an instruction can begin with, or more.
type follow struct {
	c    *compiler
	set  ranges
	seen []int32
}

// from is false if it can be empty, or if there is too much to look at.
func (f *follow) from(pc int32) bool {
	for {
		if slices.Contains(f.seen, pc) {
			return true
		}
		if f.seen = append(f.seen, pc); len(f.seen) > 16 {
			return false
		}
		switch in := &f.c.insts[pc]; in.op {
		case opBytes:
			r, _ := utf8.DecodeRuneInString(in.text)
			f.set = append(f.set, r, r)
			return true
		case opSet:
			f.set = append(f.set, in.set.ranges...)
			return true
		case opRun, opTake:
			f.set = append(f.set, in.set.ranges...)
			pc++
		case opAlt:
			for _, to := range in.to {
				if !f.from(to) {
					return false
				}
			}
			return true
		case opJump:
			pc = in.x
		case opAnchor, opSee:
			pc++
		default:
			return false
		}
	}
}

func (c *compiler) dispatch(to []int32) *dispatch {
	d := &dispatch{}
	firsts := make([]*[256]bool, len(to))
	for i, pc := range to {
		var first [256]bool
		if w := (&walk{c: c, first: &first}); !w.from(pc) {
			firsts[i] = &first
		}
	}
	seen := map[string]uint8{}
	var list, last []int32
	for b := range d.list {
		list = list[:0]
		for i, pc := range to {
			if firsts[i] == nil || b < 256 && firsts[i][b] {
				list = append(list, pc)
			}
		}
		if b > 0 && slices.Equal(list, last) {
			d.list[b] = d.list[b-1]
			continue
		}
		last = append(last[:0], list...)
		key := keyOf(list)
		n, ok := seen[key]
		if !ok {
			if len(d.lists) == 255 { // the last one is for all that have no list of their own
				d.list[b] = 255
				continue
			}
			n = uint8(len(d.lists))
			seen[key] = n
			d.lists = append(d.lists, slices.Clone(list))
		}
		d.list[b] = n
	}
	for len(d.lists) < 256 && d.uses(255) {
		d.lists = append(d.lists, to)
	}
	return d
}

func (d *dispatch) uses(n uint8) bool { return slices.Contains(d.list[:], n) }
