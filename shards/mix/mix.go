// Package mix decides how often each document of each source is used, so that a mixture has the tokens that were asked
// for: exact epochs, budgets of tokens, shares of the whole. It sees sources as numbers and documents as IDs and
// lengths; tokens never come here.
//
//	Spec.Solve   what each source gives, in tokens and epochs, from what there is
//	Marks        which documents those are: borders in an order of digests
//	Position     where a copy of a document stands in the run
package mix

// Source is what is asked of one source. Exactly one of Epochs, Tokens and Share is set.
//
// Epochs, Share and MaxEpochs are taken for the shortest decimal that is read as them: 1.1 epochs of 2^60 tokens are
// 1.1 of them, and not what the nearest binary fraction makes of it.
type Source struct {
	// Name of a source, or Any.
	Name string `json:"source"`
	// Epochs is how often each document is used: 4 means four times each, 1.5 once each and half of the tokens once more.
	// At most MaxRepeats. Under Any: of each source.
	Epochs float64 `json:"epochs,omitzero"`
	// Tokens is how many are wanted, EOD included: part of the source, or several epochs if MaxEpochs allows them. Under
	// Any: of the sources together, in proportion to the tokens that they have.
	Tokens int64 `json:"tokens,omitzero"`
	// Share of all tokens of the mixture, above 0 and below 1, or 1 if no other source gives anything. Under Any: of the
	// sources together, in proportion to the tokens that they have.
	Share float64 `json:"share,omitzero"`
	// MaxEpochs and MaxTokens are caps, 0 if nothing is said. Then MaxTokens is no cap; MaxEpochs is 1 for a source with
	// Tokens or a Share, so that nothing is silently repeated, and no cap for one with Epochs, which is permission itself.
	// Under Any MaxTokens is, as what it limits, of each source with Epochs, and else of all together.
	MaxEpochs float64 `json:"max_epochs,omitzero"`
	MaxTokens int64   `json:"max_tokens,omitzero"`
}

// Any is the Source.Name that stands for each source that no other names. It may stand for none, unless it has Tokens
// or a Share.
const Any = "*"

// Spec is a mixture. Its zero value uses every document of every source once; with nothing but Tokens, every source
// gives the same part of what it has.
type Spec struct {
	Sources []Source `json:"sources"`
	// Tokens of the whole, of which sources with a Share take theirs; 0 if it follows from the others. At most MaxTokens.
	Tokens int64 `json:"tokens,omitzero"`
}

// MaxTokens is how many tokens there may be of all sources, and of a mixture.
const MaxTokens = 1 << 62

// MaxRepeats is how many epochs a source may have at most: copies are numbered in 16 bits.
const MaxRepeats = 1000

// Available is what there is of a source.
type Available struct {
	Name              string
	Documents, Tokens int64
}

// Budget is what a source gives.
type Budget struct {
	Available
	Asked  Source  // as in the Spec: its Name may be Any
	Tokens int64   // wanted: as near to it as whole documents allow
	Epochs float64 // Tokens / Available.Tokens; 0 of a source without tokens
	// Capped says that a cap, and not what was asked, has decided: a fixed source gives less than was asked, or the whole
	// was not given and is as large as it is because of this source.
	Capped bool
}

// Whole is how often every document is used, and rest how many tokens are wanted once more.
func (b Budget) Whole() (epochs int, rest int64) {
	if b.Available.Tokens == 0 {
		return 0, 0
	}
	return int(b.Tokens / b.Available.Tokens), b.Tokens % b.Available.Tokens
}
