package stage

import (
	"fmt"
	"strings"
)

// UnknownName is the error for a name (of a profile, a key, a flag) that is not among names: it says the
// nearest one, or all of them where none is near.
func UnknownName(kind, name string, names []string) error {
	best, at := len(name)/3+2, "" // a name that differs by more is not a slip
	for _, n := range names {
		if d := distance(name, n); d < best {
			best, at = d, n
		}
	}
	if at != "" {
		return fmt.Errorf("no %s is called %q; did you mean %q?", kind, name, at)
	}
	return fmt.Errorf("no %s is called %q; there are: %s", kind, name, strings.Join(names, ", "))
}

// distance is Levenshtein's, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
