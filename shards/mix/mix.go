// Package mix decides how often each document of each source is used, so that a mixture has the tokens that were asked
// for: exact epochs, budgets of tokens, shares of the whole. It sees sources as numbers and documents as IDs and
// lengths; tokens never come here.
//
//	Spec.Solve   what each source gives, in tokens and epochs, from what there is
//	Marks        which documents those are: borders in an order of digests
//	Position     where a copy of a document stands in the run
package mix

// Source is what is asked of one source. Exactly one of Epochs, Tokens and Share is set.
type Source struct {
	Name string
	// Epochs is how often each document is used: 4 means four times each, 1.5 once each and half of the tokens once more.
	Epochs float64
	// Tokens is how many are wanted, EOD included: part of the source, or several epochs.
	Tokens int64
	// Share of all tokens of the mixture, above 0 and below 1, or 1 if it is the only source.
	Share float64
	// MaxEpochs and MaxTokens are caps, 0 for none.
	MaxEpochs float64
	MaxTokens int64
}

// Any is the Source.Name that stands for each source that no other names.
const Any = "*"

// Spec is a mixture. Its zero value uses every document of every source once.
type Spec struct {
	Sources []Source
	// Tokens of the whole, which sources with a Share divide; 0 if it follows from the others.
	Tokens int64
}

// Available is what there is of a source.
type Available struct {
	Name              string
	Documents, Tokens int64
}

// Budget is what a source gives.
type Budget struct {
	Available
	Asked  Source
	Tokens int64   // wanted: as near to it as whole documents allow
	Epochs float64 // Tokens / Available.Tokens
	// Capped says that a cap, and not what was asked, has decided.
	Capped bool
}

// Solve says what each of the sources that there are gives, in their order.
//
// Sources with Epochs or Tokens are fixed. Sources with a Share take that share of the whole; if there are fixed ones
// and no Spec.Tokens, the whole is what makes the fixed ones the rest of it: fixed / (1 - sum of shares). Without fixed
// ones the shares add up to 1 (to 1e-9), and the whole is Spec.Tokens, or else the largest for which no source is used
// more than MaxEpochs (1 if not given) times and none gives more than MaxTokens.
//
// A cap lowers what a fixed source gives, before shares are taken. A cap on a source with a Share that binds, where the
// whole is given, is an error which says the largest whole that would do; so is more than a source without MaxEpochs
// has, if that takes more than MaxRepeats epochs. Other errors: a source that nothing is said of, one that is named and
// not there, two settings at once, shares above 1.
func (s Spec) Solve(have []Available) ([]Budget, error) { panic("unwritten") }

// Check finds what is wrong with a Spec whatever there is.
func (s Spec) Check() error { panic("unwritten") }

// MaxRepeats is how many epochs a source may have at most: copies are numbered in 16 bits.
const MaxRepeats = 1000

// Mark is a border in an order of digests: a document with digest d and ID id lies before it if d < Digest, or if
// d == Digest and id < ID.
type Mark struct{ Digest, ID uint64 }

// End is behind all documents.
var End = Mark{1<<64 - 1, 1<<64 - 1}

// Before says whether a document lies before the mark.
func (m Mark) Before(digest, id uint64) bool {
	return digest < m.Digest || digest == m.Digest && id < m.ID
}

// Each calls f for every document: the class that it belongs to, its digest and ID, and its tokens (EOD included). The
// order does not matter, and is called upon several times. An error of f ends it.
type Each func(f func(class int, digest, id uint64, tokens int64) error) error

// Marks finds, for each class, the borders that divide its documents, in the order of (digest, ID), at given sums of
// tokens: wants[class] rises, and the documents before mark k have as nearly wants[class][k] tokens as whole documents
// allow, the fewer of two that are as near. A want of all tokens or more gives End. got are the sums that the documents
// before each mark have.
//
// Memory is bounded by room, in bytes, however many documents there are: each pass counts tokens in bins of digests and
// looks closer at the bin that a border lies in, until the documents in those bins fit. Two passes do for a billion.
func Marks(each Each, wants [][]int64, room int) (marks [][]Mark, got [][]int64, err error) {
	panic("unwritten")
}

// Epochs is how often the documents of a class are used: Whole times each, and those before Part once more.
type Epochs struct {
	Whole int
	Part  Mark // in the order of the digests of copy Whole; the zero Mark for none
}

// Copies is how often a document is used whose copy number Whole has the given digest.
func (e Epochs) Copies(digest, id uint64) int {
	if e.Part.Before(digest, id) {
		return e.Whole + 1
	}
	return e.Whole
}

// Position is where copy number n of a document stands in a run of a source, which is 0 at its begin and 2^64 at its
// end: copy n has the n-th part of it, and its digest for that copy says where in that part, so that each source is
// spread evenly over the whole run, and no document comes again before all others of its source have come:
//
//	(n + digest/2^64) / (Whole + Part.Digest/2^64), times 2^64 and rounded down
//
// Where Whole is 1 and there is no Part that is the digest itself. Integers only: every machine gives the same.
func (e Epochs) Position(n int, digest uint64) uint64 { panic("unwritten") }
