package filter

import "bytes"

// LineChange is a line that an edit has taken out of a text, or that it has put there.
type LineChange struct {
	Line int    `json:"line"` // from 1: of the text before for what went, of the text after for what came
	Old  string `json:"old,omitzero"`
	New  string `json:"new,omitzero"`
	// Gone and Came say which it is, since a line may be empty.
	Gone bool `json:"gone,omitzero"`
	Came bool `json:"came,omitzero"`
}

// diffWork bounds the search for the shortest difference: lines times edits.
const diffWork = 4 << 20

// lineDiff is the shortest list of lines that go from a and come to b, in order (Myers 1986, "An O(ND) Difference
// Algorithm and Its Variations"). Where it would take too long, all lines between the first and the last difference go
// and come.
func lineDiff(a, b []byte) []LineChange {
	x, y := splitLines(a), splitLines(b)
	head := 0
	for head < len(x) && head < len(y) && bytes.Equal(x[head], y[head]) {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && bytes.Equal(x[len(x)-1-tail], y[len(y)-1-tail]) {
		tail++
	}
	x, y = x[head:len(x)-tail], y[head:len(y)-tail]
	gone, came := shortestEdit(x, y)
	var list []LineChange
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && gone[i]:
			list = append(list, LineChange{Line: head + i + 1, Old: string(x[i]), Gone: true})
			i++
		case j < len(y) && came[j]:
			list = append(list, LineChange{Line: head + j + 1, New: string(y[j]), Came: true})
			j++
		default:
			i++
			j++
		}
	}
	return list
}

func splitLines(b []byte) [][]byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Split(b, []byte{'\n'})
}

// shortestEdit says which lines of x go and which of y come.
func shortestEdit(x, y [][]byte) (gone, came []bool) {
	gone, came = make([]bool, len(x)), make([]bool, len(y))
	n, m := len(x), len(y)
	most := n + m
	// furthest[d] holds, for each diagonal k from -d to d in steps of 2, how far d edits lead in x.
	var furthest [][]int32
	last := []int32{0} // of d-1, with a 0 before the first edit
	for d, work := 0, 0; d <= most; d++ {
		if work += d + 1; work > diffWork {
			break
		}
		row := make([]int32, d+1)
		done := false
		for i := 0; i <= d; i++ {
			k := 2*i - d
			var at int32
			switch {
			case d == 0:
			case i == 0 || i < d && last[i-1] < last[i]:
				at = last[i] // one of y comes
			default:
				at = last[i-1] + 1 // one of x goes
			}
			u, v := int(at), int(at)-k
			for u < n && v < m && u >= 0 && v >= 0 && bytes.Equal(x[u], y[v]) {
				u++
				v++
			}
			row[i] = int32(u)
			if u >= n && v >= m {
				done = true
				break
			}
		}
		furthest = append(furthest, row)
		if done {
			walkBack(furthest, gone, came)
			return gone, came
		}
		last = row
	}
	for i := range gone {
		gone[i] = true
	}
	for j := range came {
		came[j] = true
	}
	return gone, came
}

// walkBack marks the edits that led to the end.
func walkBack(furthest [][]int32, gone, came []bool) {
	u, v := len(gone), len(came)
	for d := len(furthest) - 1; d > 0; d-- {
		k := u - v
		i := (k + d) / 2
		last := furthest[d-1]
		if i == 0 || i < d && last[i-1] < last[i] {
			u = int(last[i])
			v = u - (k + 1)
			came[v] = true
		} else {
			u = int(last[i-1])
			v = u - (k - 1)
			gone[u] = true
		}
	}
}
