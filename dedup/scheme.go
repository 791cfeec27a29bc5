package dedup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"curate/stage"
)

// MinHash in plain functions (Broder, On the resemblance and containment of documents, SEQUENCES 1997). A scheme is a
// line of data in schemes.go, whose parts are names: normal.go has the normal forms of a text, shingle.go cuts them into
// grams, hash.go hashes these, permutations.go draws the hash functions of a signature, signature.go keeps their least
// values by the loops of minhash_generic.go and minhash_families.go, and bands.go says how many make a band.

// Scheme says how a text becomes shingles and a signature. Signatures compare only within one scheme and version, and
// with the same Values. It is immutable.
type Scheme struct {
	Name    string
	Version int // goes up with any change of a signature

	Normal string // the normal form of a text, and its words
	Gram   Gram   // what a shingle is made of,
	Length int    // and how many of it
	Hash   string // of a shingle

	Permutations string // the family of hash functions,
	Seed         uint32 // what they are drawn from,
	Precision    int    // bits of their values,
	Values       int    // and how many they are: Bands*Rows at least, and 0 is just that
	Bands        int
	Rows         int // values a band: two documents are candidates when all values of some band are equal

	// ByThreshold says that another threshold than DefaultThreshold has other Bands and Rows, by BandsFor.
	ByThreshold bool
	// Least is how many words a text must have to have shingles at all.
	Least int
	// Short is what becomes of a text that has fewer words, or characters, than a shingle has: one of ShortPolicies.
	Short string

	About string

	normal       func(sc *Scratch, text []byte)
	hash         func(gram []byte) uint64
	family       family
	permutations func() permutations
}

// Gram is what a shingle is made of.
type Gram string

const (
	Words      Gram = "words"
	Characters Gram = "characters"
)

// DefaultScheme is the one to use unless signatures must be those of another program.
const DefaultScheme = "words"

// MaxValues is the most values that a signature has here, and maxRows a band.
const (
	MaxValues = 1024
	maxRows   = 64
)

var resolvedSchemes = sync.OnceValue(func() []*Scheme {
	list := make([]*Scheme, len(schemes))
	for i := range schemes {
		list[i] = schemes[i].resolve()
	}
	return list
})

// Schemes are all, sorted by name.
func Schemes() []*Scheme { return resolvedSchemes() }

// LookupScheme finds a scheme by its name.
func LookupScheme(name string) (*Scheme, error) {
	names := make([]string, 0, len(schemes))
	for _, s := range Schemes() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return nil, stage.UnknownName("MinHash scheme", name, names)
}

// resolve makes what the names of s stand for. The functions are drawn when a signature is asked for.
func (s Scheme) resolve() *Scheme {
	if s.Values == 0 {
		s.Values = s.Bands * s.Rows
	}
	s.normal = normals[slices.IndexFunc(normals, func(n normal) bool { return n.name == s.Normal })].cut
	s.hash = hashes[slices.IndexFunc(hashes, func(h hashing) bool { return h.name == s.Hash })].sum
	d := &drawings[slices.IndexFunc(drawings, func(d drawing) bool { return d.name == s.Permutations })]
	s.family = d.family
	if s.family == mersenne61 && s.Precision == 32 {
		s.family = mersenne61Low
	}
	s.permutations = sync.OnceValue(func() permutations { return d.draw(newMersenneTwister(s.Seed), s.Values) })
	return &s
}

// SchemeOptions are what of a scheme may be chosen. The zero value changes nothing.
type SchemeOptions struct {
	// Threshold is the similarity that bands are for: of a scheme with ByThreshold, and wherever Values are given
	// without Bands and Rows. 0 is DefaultThreshold.
	Threshold float64
	// Bands and Rows; both or neither.
	Bands, Rows int
	// Values is how many hash functions there are, num_perm of datasketch and text-dedup.
	Values int
	// Short takes the place of the scheme's own policy.
	Short string
}

// With is the scheme with other numbers. It is the scheme itself if none differs.
func (s *Scheme) With(o SchemeOptions) (*Scheme, error) {
	c := *s
	if o.Short != "" {
		if !slices.Contains(ShortPolicies(), o.Short) {
			return nil, stage.UnknownName("policy for short documents", o.Short, ShortPolicies())
		}
		c.Short = o.Short
	}
	if o.Threshold == 0 {
		o.Threshold = DefaultThreshold
	}
	switch {
	case o.Values < 0 || o.Values > MaxValues:
		return nil, fmt.Errorf("a signature of %d values: give 1 to %d", o.Values, MaxValues)
	case (o.Bands == 0) != (o.Rows == 0):
		return nil, fmt.Errorf("%d bands of %d rows: give both bands and rows, or neither", o.Bands, o.Rows)
	case o.Bands != 0:
		if o.Bands < 1 || o.Bands > maxBuckets || o.Rows < 1 || o.Rows > maxRows || o.Bands*o.Rows > MaxValues {
			return nil, fmt.Errorf("%d bands of %d rows: give up to %d bands of up to %d rows, and %d values in all", o.Bands, o.Rows, maxBuckets, maxRows, MaxValues)
		}
		if o.Values > 0 && o.Bands*o.Rows > o.Values {
			return nil, fmt.Errorf("%d bands of %d rows are %d values, and a signature has %d; give fewer, or %[3]d values", o.Bands, o.Rows, o.Bands*o.Rows, o.Values)
		}
		// A scheme of as many functions as it needs keeps to that; one of a number of its own has more only if it must.
		if own := schemeValues(s.Name); o.Values == 0 {
			o.Values = max(own, o.Bands*o.Rows)
		}
		c.Bands, c.Rows, c.Values = o.Bands, o.Rows, o.Values
	case o.Values > 0, s.ByThreshold && o.Threshold != DefaultThreshold:
		if o.Values > 0 {
			c.Values = o.Values
		}
		c.Bands, c.Rows = BandsFor(o.Threshold, c.Values)
		if c.Bands > maxBuckets || c.Rows > maxRows {
			return nil, fmt.Errorf("a threshold of %v asks for %d bands of %d rows; there are up to %d bands of up to %d rows: give both, or fewer values", o.Threshold, c.Bands, c.Rows, maxBuckets, maxRows)
		}
	}
	if c.Bands == s.Bands && c.Rows == s.Rows && c.Values == s.Values && c.Short == s.Short {
		return s, nil
	}
	return c.resolve(), nil
}

// schemeValues is the number that the line of the table has.
func schemeValues(name string) int {
	for i := range schemes {
		if schemes[i].Name == name {
			return schemes[i].Values
		}
	}
	return 0
}

// ShortPolicies are the names of what becomes of short documents, sorted. Whatever it is, no two of them ever share a
// signature that says nothing of their texts.
func ShortPolicies() []string { return []string{"characters", "none", "whole"} }

// Describe says in a line what the numbers and names are.
func (s *Scheme) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d-grams of %s, %s, %s with seed %d, %d bits, ", s.Normal, s.Length, s.Gram, s.Hash, s.Permutations, s.Seed, s.Precision)
	if s.Values != s.Bands*s.Rows {
		b.WriteString(strconv.Itoa(s.Values) + " values, ")
	}
	fmt.Fprintf(&b, "%d bands of %d, short: %s", s.Bands, s.Rows, s.Short)
	return b.String()
}
