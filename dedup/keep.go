package dedup

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"curate/record"
)

// Which of the duplicates stay, as Keep of a configuration names them.
const (
	KeepFirst       = "first"        // the smallest record ID: the first in the order of the inputs
	KeepLongest     = "longest"      // the text of most bytes
	KeepBest        = "best:"        // with a dotted path: the greatest number there
	KeepSourceOrder = "source-order" // the first source of Priority
)

// KeepUsage says what Keep may be.
const KeepUsage = "first, longest, best:FIELD or source-order"

// keepOrder says in which order documents are looked at. It is immutable. Equal ones go by their IDs.
type keepOrder struct {
	name     string
	field    record.Path // of best
	priority []string
}

// newKeepOrder reads a Keep. not are kinds that the method has no use for.
func newKeepOrder(keep string, priority []string, method string, not ...string) (keepOrder, error) {
	k := keepOrder{name: keep, priority: slices.Clone(priority)}
	if field, ok := strings.CutPrefix(keep, KeepBest); ok {
		if field == "" {
			return k, errors.New("dedup: keep best: names no field; write best:FIELD, such as best:curate.quality.score")
		}
		path, err := record.ParsePath(field)
		if err != nil {
			return k, fmt.Errorf("dedup: keep %s: %w", keep, err)
		}
		k.name, k.field = KeepBest, path
	}
	all := []string{KeepFirst, KeepLongest, KeepBest, KeepSourceOrder}
	all = slices.DeleteFunc(all, func(s string) bool { return slices.Contains(not, s) })
	if !slices.Contains(all, k.name) {
		for i := range all {
			if all[i] == KeepBest {
				all[i] = "best:FIELD"
			}
			all[i] = strconv.Quote(all[i])
		}
		return k, fmt.Errorf("dedup: keep %q is not possible with method %s; %s and %s are", keep, method, strings.Join(all[:len(all)-1], ", "), all[len(all)-1])
	}
	switch {
	case k.name == KeepSourceOrder && len(priority) == 0:
		return k, errors.New("dedup: keep source-order needs the sources in their order: a priority such as wiki,books,web")
	case k.name != KeepSourceOrder && len(priority) > 0:
		return k, fmt.Errorf("dedup: a priority of sources belongs to keep source-order, and this is keep %s", keep)
	}
	for i, name := range priority {
		if name == "" || len(name) > maxSource {
			return k, fmt.Errorf("dedup: the priority has a source %q, which no record can have", name)
		}
		if slices.Contains(priority[:i], name) {
			return k, fmt.Errorf("dedup: the priority has the source %q twice", name)
		}
	}
	return k, nil
}

// uses are the fields that it looks at.
func (k *keepOrder) uses() []record.Path {
	if k.name == KeepBest {
		return []record.Path{k.field}
	}
	return nil
}

// lastOrder is the order of a document that has nothing to be ordered by: behind all that do.
const lastOrder = math.MaxUint64

// of is a record's place, the smallest first. source is its source's name, textBytes the length of its text.
func (k *keepOrder) of(r *record.Record, source []byte, textBytes uint32) uint64 {
	switch k.name {
	case KeepLongest:
		return uint64(math.MaxUint32 - textBytes)
	case KeepBest:
		if v, ok := r.Value(k.field); ok && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
			// What is beyond a float64 is infinite, which is an order, too.
			if f, err := strconv.ParseFloat(string(v), 64); err == nil || errors.Is(err, strconv.ErrRange) {
				return greatestFirst(f)
			}
		}
		return lastOrder
	case KeepSourceOrder:
		for i, name := range k.priority {
			if name == string(source) {
				return uint64(i)
			}
		}
		return uint64(len(k.priority))
	}
	return 0
}

// greatestFirst orders numbers from the greatest to the smallest. IEEE 754 orders those above zero as their bits, and
// those below against them; no number is last.
func greatestFirst(f float64) uint64 {
	bits := math.Float64bits(f + 0) // -0 is 0
	if bits>>63 == 1 {
		return bits
	}
	return ^(bits | 1<<63)
}

// width is how many bytes the order takes of a document that is held in memory.
func (k *keepOrder) width() int64 {
	switch k.name {
	case KeepFirst:
		return 0
	case KeepBest:
		return 8
	}
	return 4
}
