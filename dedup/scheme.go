package dedup

import (
	"sync"

	"curate/stage"
)

// MinHash in plain functions (Broder, On the resemblance and containment of documents, SEQUENCES 1997): scheme.go
// names the choices, shingle.go makes a text's shingles, permutations.go draws the hash functions, signature.go keeps
// their least values, minhash_generic.go is the loop that takes the time.

// Scheme says how a text becomes shingles and a signature. Signatures compare only within one scheme and version.
// It is immutable.
type Scheme struct {
	Name    string
	Version int // goes up with any change of a signature
	Bands   int
	Rows    int // values a band: two documents are candidates when all values of some band are equal
	About   string

	shingles     func(dst []uint64, text []byte, sc *Scratch) []uint64
	permutations func() permutations
}

// schemes is sorted by name.
var schemes = []*Scheme{
	{
		Name: "datatrove", Version: 1, Bands: 14, Rows: 8,
		About:        "signatures of datatrove 0.10 with its defaults: 5-grams of English words of the simplified text",
		shingles:     simplifiedShingles,
		permutations: sync.OnceValue(func() permutations { return drawPermutations(1, 14*8) }),
	},
	{
		Name: "words", Version: 1, Bands: 20, Rows: 5,
		About:        `the set of 5-grams of lower-cased words (\w+); a text of fewer words is one gram`,
		shingles:     wordShingles,
		permutations: sync.OnceValue(func() permutations { return drawPermutations(1, 20*5) }),
	},
}

// DefaultScheme is the one to use unless signatures must be those of another program.
const DefaultScheme = "words"

// Schemes are all, sorted by name.
func Schemes() []*Scheme { return schemes }

// LookupScheme finds a scheme by its name.
func LookupScheme(name string) (*Scheme, error) {
	names := make([]string, 0, len(schemes))
	for _, s := range schemes {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return nil, stage.UnknownName("MinHash scheme", name, names)
}
