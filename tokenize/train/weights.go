package train

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// Weight says how much documents of one source count: those whose field has the value.
type Weight struct {
	Field  record.Path
	Value  string // of a JSON string, decoded, or another scalar as it is written: 7, true, null
	Weight string // a decimal number, such as 3 or 0.25
}

// MarshalText is the form that ParseWeight reads.
func (w Weight) MarshalText() ([]byte, error) {
	return []byte(w.Field.String() + "=" + w.Value + ":" + w.Weight), nil
}

// ParseWeight reads FIELD=VALUE:WEIGHT. VALUE may hold colons and equals signs.
func ParseWeight(s string) (Weight, error) {
	field, rest, ok := strings.Cut(s, "=")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 0 || field == "" {
		return Weight{}, fmt.Errorf("the weight %q is not FIELD=VALUE:WEIGHT, such as meta.lang=eu:3", s)
	}
	path, err := record.ParsePath(field)
	if err != nil {
		return Weight{}, fmt.Errorf("the weight %q: %w", s, err)
	}
	w := Weight{path, rest[:colon], rest[colon+1:]}
	if _, err := parseDecimal(w.Weight); err != nil {
		return Weight{}, fmt.Errorf("the weight %q: %w", s, err)
	}
	return w, nil
}

// A weight is a decimal number: maxDecimals digits behind the point and maxWhole before it at most, so that counts of
// any corpus times a weight are whole numbers of 63 bits.
const (
	maxDecimals = 6
	maxWhole    = 6
)

// decimal is a number in units of 10^-maxDecimals.
type decimal uint64

const one = decimal(1_000_000)

func parseDecimal(s string) (decimal, error) {
	whole, fraction, point := strings.Cut(s, ".")
	digits := strings.TrimLeft(whole, "0") + fraction
	switch {
	case whole == "", point && fraction == "", strings.Trim(digits, "0123456789") != "":
		return 0, fmt.Errorf("%q is no decimal number such as 3 or 0.25", s)
	case len(strings.TrimLeft(whole, "0")) > maxWhole:
		return 0, fmt.Errorf("%s is too large; at most %s", s, strings.Repeat("9", maxWhole))
	case len(fraction) > maxDecimals:
		return 0, fmt.Errorf("%s has more than %d digits behind the point", s, maxDecimals)
	}
	n, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", maxDecimals-len(fraction)), 10, 64)
	return decimal(n), err
}

// weigher knows the weight of a record, as a whole number: of units, so many of which are one occurrence.
type weigher struct {
	unit    uint64
	rules   []weightRule
	others  uint64
	refuses bool // records of other sources
}

type weightRule struct {
	field  record.Path
	value  []byte
	weight uint64
}

// RefuseOthers, as Settings.OtherWeight, quarantines documents of no source that is named.
const RefuseOthers = "error"

// newWeigher makes whole numbers of weights. The unit is as small as can be, so that without fractions it is 1.
func newWeigher(weights []Weight, others string) (*weigher, error) {
	w := &weigher{unit: 1, others: 1}
	if len(weights) == 0 {
		if others != "" {
			return nil, errors.New("a weight of other sources, and no source has one; name sources with their weights")
		}
		return w, nil
	}
	list := make([]decimal, 0, len(weights)+1)
	seen := map[string]bool{}
	for _, x := range weights {
		d, err := parseDecimal(x.Weight)
		if err != nil {
			return nil, fmt.Errorf("the weight of %s=%s: %w", x.Field, x.Value, err)
		}
		if key := x.Field.String() + "=" + x.Value; seen[key] {
			return nil, fmt.Errorf("the weight of %s is given twice", key)
		} else {
			seen[key] = true
		}
		list = append(list, d)
	}
	other := one
	switch others {
	case "":
	case RefuseOthers:
		w.refuses = true
	default:
		var err error
		if other, err = parseDecimal(others); err != nil {
			return nil, fmt.Errorf("the weight of other sources: %w; or say %q", err, RefuseOthers)
		}
	}
	list = append(list, other)
	divisor := new(big.Int).SetUint64(uint64(one))
	for _, d := range list {
		divisor.GCD(nil, nil, divisor, new(big.Int).SetUint64(uint64(d)))
	}
	by := decimal(divisor.Uint64())
	w.unit, w.others = uint64(one/by), uint64(other/by)
	for i, x := range weights {
		w.rules = append(w.rules, weightRule{x.Field, []byte(x.Value), uint64(list[i] / by)})
	}
	return w, nil
}

// uses are the fields that weights ask for.
func (w *weigher) uses() []record.Path {
	var list []record.Path
	seen := map[string]bool{}
	for _, r := range w.rules {
		if !seen[r.field.String()] {
			seen[r.field.String()] = true
			list = append(list, r.field)
		}
	}
	return list
}

// of is the record's weight in units: that of the first rule that it fits. scratch is used for decoding.
func (w *weigher) of(r *record.Record, scratch *[]byte) (uint64, error) {
	var last string
	var value []byte
	for i := range w.rules {
		rule := &w.rules[i]
		if path := rule.field.String(); path != last {
			last, value = path, nil
			if v, ok := r.Value(rule.field); ok && v[0] != '{' && v[0] != '[' {
				if value = v; v[0] == '"' {
					unquoted, err := jsontext.AppendUnquote((*scratch)[:0], v)
					if err != nil {
						return 0, err
					}
					*scratch, value = unquoted, unquoted
				}
			}
		}
		if value != nil && bytes.Equal(value, rule.value) {
			return rule.weight, nil
		}
	}
	if w.refuses {
		return 0, &record.FieldError{Field: w.rules[0].field.String(), Problem: "names no source that has a weight"}
	}
	return w.others, nil
}
