package mix

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"curate/internal/human"
)

// Solve says what each of the sources that there are gives, in their order.
//
// Sources with Epochs or Tokens are fixed. Sources with a Share take that share of the whole; if there are fixed ones
// and no Spec.Tokens, the whole is what makes the fixed ones the rest of it: fixed / (1 - sum of shares). Without fixed
// ones the shares add up to 1 (to 1e-9), and the whole is Spec.Tokens, or else the largest for which no source is used
// more than MaxEpochs (1 if not given) times and none gives more than MaxTokens. With fixed ones and Spec.Tokens, the
// fixed ones and the shares must come to Spec.Tokens, to a thousandth.
//
// A cap lowers what a fixed source gives, before shares are taken. But Tokens of a source that has fewer and no
// MaxEpochs are an error, and so is a cap on a source with a Share that binds, where the whole is given or follows from
// the fixed ones; the error says the largest whole that would do. Other errors: a source that nothing is said of, one
// that is named and not there, one without tokens that has Tokens or a Share, what Check finds.
//
// Targets are whole tokens: of a part that several sources divide, each gets its exact target rounded down, and the
// tokens that are left over go to the largest fractions, the earlier of two that are the same.
func (s Spec) Solve(have []Available) ([]Budget, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	asks, err := s.match(have)
	if err != nil {
		return nil, err
	}
	budgets := make([]Budget, len(have))
	for i := range have {
		budgets[i].Available = have[i]
	}
	var shared []*ask
	fixed := new(big.Int)
	for _, a := range asks {
		if a.Share > 0 {
			shared = append(shared, a)
			continue
		}
		if err := a.fix(); err != nil {
			return nil, err
		}
		fixed.Add(fixed, big.NewInt(a.gives))
	}
	if len(shared) > 0 {
		if err := s.share(shared, fixed); err != nil {
			return nil, err
		}
	}
	total := new(big.Int)
	for _, a := range asks {
		total.Add(total, big.NewInt(a.gives))
		for k, n := range a.divide() {
			b := &budgets[a.members[k]]
			b.Asked, b.Tokens, b.Capped = a.Source, n, a.capped
			if b.Available.Tokens > 0 {
				b.Epochs = float64(n) / float64(b.Available.Tokens)
			}
		}
	}
	if total.Cmp(big.NewInt(MaxTokens)) > 0 {
		return nil, fmt.Errorf("the mixture would have %s tokens, and 2^62 is the most; ask for fewer epochs or tokens", grouped(total))
	}
	return budgets, nil
}

// Check finds what is wrong with a Spec whatever there is.
func (s Spec) Check() error {
	if s.Tokens < 0 || s.Tokens > MaxTokens {
		return fmt.Errorf("tokens %s of the whole: a number from 1 to 2^62, or none", human.Thousands(s.Tokens))
	}
	named := map[string]bool{}
	sum, fixed := new(big.Rat), ""
	for _, src := range s.Sources {
		if err := src.check(); err != nil {
			return err
		}
		if named[src.Name] {
			return fmt.Errorf("source %s: is named twice; leave one of the two out", src.Name)
		}
		named[src.Name] = true
		if src.Share > 0 {
			sum.Add(sum, decimal(src.Share))
		} else {
			fixed = src.Name
		}
	}
	if len(s.Sources) == 0 {
		return nil
	}
	least, most := one(), one()
	least.Sub(least, tolerance())
	most.Add(most, tolerance())
	switch {
	case sum.Cmp(most) > 0:
		return fmt.Errorf("shares add up to %s, which is more than 100 %%; lower them", percent(sum))
	case sum.Sign() == 0 && s.Tokens > 0:
		return fmt.Errorf("%s tokens of the whole, and no source has a share of them; leave that out, or give a source a share", human.Thousands(s.Tokens))
	case sum.Sign() == 0:
	case fixed == "" && sum.Cmp(least) < 0:
		return fmt.Errorf("shares add up to %s, and no source gives the rest; make them add up to 100 %%, or give the rest to %q", percent(sum), Any)
	case fixed != "" && sum.Cmp(least) >= 0:
		return fmt.Errorf("source %s: gives a fixed number of tokens, and the shares of the others add up to %s; lower those, or give it a share", fixed, percent(sum))
	}
	return nil
}

func one() *big.Rat { return big.NewRat(1, 1) }

// tolerance of the sum of shares.
func tolerance() *big.Rat { return big.NewRat(1, 1_000_000_000) }

func (s Source) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("source %s: "+format, append([]any{s.Name}, args...)...)
	}
	var set []string
	for _, n := range []struct {
		name  string
		value float64
		limit float64
	}{
		{"epochs", s.Epochs, MaxRepeats}, {"tokens", float64(s.Tokens), MaxTokens}, {"share", s.Share, 1},
		{"max_epochs", s.MaxEpochs, MaxRepeats}, {"max_tokens", float64(s.MaxTokens), math.MaxInt64},
	} {
		if !(n.value >= 0 && n.value <= n.limit) { // not a number is neither
			limit := strconv.FormatFloat(n.limit, 'f', -1, 64)
			if n.limit >= MaxTokens {
				limit = "2^62"
			}
			return fail("%s %v: a number above 0, at most %s", n.name, n.value, limit)
		}
		if n.value > 0 && !strings.HasPrefix(n.name, "max_") {
			set = append(set, n.name)
		}
	}
	switch {
	case s.Name == "":
		return errors.New("a source without a name; name it, or write \"*\" for all that no other names")
	case len(set) == 0:
		return fail("nothing is asked of it; set epochs, tokens or share, or leave the source out of the inputs")
	case len(set) > 1:
		return fail("%s are set; leave all but one of them out", strings.Join(set, " and "))
	}
	return nil
}

// ask is a Source with the sources that it is about: one, or several that give something together.
type ask struct {
	Source
	label   string
	members []int       // of have
	have    []Available // of members
	tokens  *big.Int    // that they have
	gives   int64
	capped  bool
}

// match finds the sources that each Source is about.
func (s Spec) match(have []Available) ([]*ask, error) {
	sources := s.Sources
	if len(sources) == 0 {
		sources = []Source{{Name: Any, Epochs: 1}}
		if s.Tokens > 0 {
			sources = []Source{{Name: Any, Share: 1}}
		}
	}
	index := map[string]int{}
	total := new(big.Int)
	for i, h := range have {
		if h.Documents < 0 || h.Tokens < 0 {
			return nil, fmt.Errorf("source %s: has %d documents and %d tokens, which is no number of them", h.Name, h.Documents, h.Tokens)
		}
		if _, ok := index[h.Name]; ok {
			return nil, fmt.Errorf("source %s: there are two of that name; rename one", h.Name)
		}
		index[h.Name] = i
		total.Add(total, big.NewInt(h.Tokens))
	}
	if total.Cmp(big.NewInt(MaxTokens)) > 0 {
		return nil, fmt.Errorf("the sources have %s tokens, and 2^62 is the most", grouped(total))
	}
	taken := make([]bool, len(have))
	var rest *Source
	var asks []*ask
	for _, src := range sources {
		if src.Name == Any {
			rest = &src
			continue
		}
		i, ok := index[src.Name]
		if !ok {
			return nil, fmt.Errorf("source %s: is not there; %s", src.Name, thereAre(have))
		}
		taken[i] = true
		asks = append(asks, newAsk(src, have, i))
	}
	var others []int
	for i := range have {
		if !taken[i] {
			others = append(others, i)
		}
	}
	switch {
	case rest == nil && len(others) > 0:
		return nil, fmt.Errorf("source %s: nothing is said of it; name it, say what is asked of %q, or leave it out of the inputs", have[others[0]].Name, Any)
	case rest == nil:
	case rest.Epochs > 0:
		for _, i := range others {
			asks = append(asks, newAsk(*rest, have, i))
		}
	case len(others) == 0:
		return nil, fmt.Errorf("source %s: has %s, and all sources are named; leave it out", Any, rest.asked())
	default:
		asks = append(asks, newAsk(*rest, have, others...))
	}
	for _, a := range asks {
		if a.tokens.Sign() == 0 && a.Epochs == 0 {
			return nil, fmt.Errorf("source %s: has no tokens, and %s are asked of it; leave it out, or look at what was filtered out of it", a.label, a.asked())
		}
	}
	return asks, nil
}

func newAsk(src Source, have []Available, members ...int) *ask {
	a := &ask{Source: src, members: members, tokens: new(big.Int)}
	for _, i := range members {
		a.have = append(a.have, have[i])
		a.tokens.Add(a.tokens, big.NewInt(have[i].Tokens))
	}
	a.label = a.have[0].Name
	if len(members) > 1 {
		a.label = fmt.Sprintf("%s (%s)", src.Name, listed(a.have))
	}
	return a
}

// asked is the setting in words.
func (s Source) asked() string {
	switch {
	case s.Epochs > 0:
		return plain(s.Epochs) + " epochs"
	case s.Tokens > 0:
		return human.Thousands(s.Tokens) + " tokens"
	}
	return percent(decimal(s.Share)) + " of all tokens"
}

// epochs is so many epochs of the ask's sources, in tokens.
func (a *ask) epochs(n float64) *big.Int {
	sum := new(big.Int)
	for _, h := range a.have {
		sum.Add(sum, epochsOf(n, h.Tokens))
	}
	return sum
}

// epochsOf is n epochs of tokens, rounded to whole tokens, half of one up.
func epochsOf(n float64, tokens int64) *big.Int {
	r := decimal(n)
	return floor(r.Add(r.Mul(r, ratOf(big.NewInt(tokens))), big.NewRat(1, 2)))
}

// maxEpochs is the cap in force.
func (a *ask) maxEpochs() float64 {
	switch {
	case a.MaxEpochs > 0:
		return a.MaxEpochs
	case a.Epochs > 0:
		return MaxRepeats
	}
	return 1
}

// cap is what the caps allow, in tokens.
func (a *ask) cap() *big.Int {
	c := a.epochs(a.maxEpochs())
	if m := big.NewInt(a.Source.MaxTokens); a.Source.MaxTokens > 0 && m.Cmp(c) < 0 {
		return m
	}
	return c
}

// fix decides about a source with Epochs or Tokens.
func (a *ask) fix() error {
	want := big.NewInt(a.Source.Tokens)
	if a.Epochs > 0 {
		want = a.epochs(a.Epochs)
	} else if a.MaxEpochs == 0 && want.Cmp(a.tokens) > 0 {
		most, allow := human.Thousands(MaxRepeats)+" epochs are the most", "ask for at most "+grouped(a.tokens)
		if a.epochs(MaxRepeats).Cmp(want) >= 0 {
			most, allow = a.times(want)+" epochs", "allow them with max_epochs, or "+allow
		}
		return fmt.Errorf("source %s: %s tokens are asked of it, and it has %s: %s; %s", a.label, grouped(want), grouped(a.tokens), most, allow)
	}
	if c := a.cap(); want.Cmp(c) > 0 {
		want, a.capped = c, true
	}
	if !want.IsInt64() || want.Int64() > MaxTokens {
		return fmt.Errorf("source %s: %s are %s tokens, and 2^62 is the most of a mixture; ask for less", a.label, a.asked(), grouped(want))
	}
	a.gives = want.Int64()
	return nil
}

// times is want in epochs, in words.
func (a *ask) times(want *big.Int) string {
	r := ratOf(want)
	f, _ := r.Quo(r, ratOf(a.tokens)).Float64()
	return plain(f)
}

// share decides about the sources with a Share; fixed tokens are given by others.
func (s Spec) share(shared []*ask, fixed *big.Int) error {
	sum := new(big.Rat)
	for _, a := range shared {
		sum.Add(sum, decimal(a.Share))
	}
	rest := new(big.Rat).Sub(one(), sum)
	alone := rest.Cmp(tolerance()) <= 0 // no fixed ones, as Check has seen
	if alone {
		rest.SetInt64(0)
	}
	// The largest whole that no cap forbids.
	var most *big.Rat
	for _, a := range shared {
		r := ratOf(a.cap())
		if r.Quo(r, a.weight(sum, alone)); most == nil || r.Cmp(most) < 0 {
			most = r
		}
	}
	whole, given := ratOf(big.NewInt(s.Tokens)), true
	switch {
	case s.Tokens > 0 && !alone:
		all := new(big.Rat).Mul(whole, sum)
		all.Add(all, ratOf(fixed))
		off := new(big.Rat).Sub(all, whole)
		off.Quo(off.Abs(off), whole)
		if off.Cmp(big.NewRat(1, 1000)) > 0 {
			left := new(big.Rat).Sub(whole, ratOf(fixed))
			remedy := ""
			if left.Sign() > 0 {
				remedy = ", or make the shares add up to " + percent(left.Quo(left, whole))
			}
			then := ratOf(fixed)
			return fmt.Errorf("the fixed sources give %s tokens, and the shares %s of %s: together %s; leave out the tokens of the whole, which is then %s%s",
				grouped(fixed), percent(sum), human.Thousands(s.Tokens), grouped(floor(all)), grouped(floor(then.Quo(then, rest))), remedy)
		}
	case s.Tokens > 0:
	case !alone && fixed.Sign() == 0:
		return fmt.Errorf("the shares add up to %s, and the fixed sources, which are the rest, give no tokens; make the shares add up to 100 %%", percent(sum))
	case !alone:
		whole = ratOf(fixed)
		whole.Quo(whole, rest)
	default:
		whole, given = ratOf(floor(most)), false
	}
	weights, caps := make([]*big.Rat, len(shared)), make([]*big.Int, len(shared))
	part := new(big.Rat).Mul(whole, sum)
	if alone {
		part = whole
	}
	for i, a := range shared {
		weights[i], caps[i] = decimal(a.Share), a.cap()
	}
	for i, n := range divide(floor(part), weights, nil) {
		a := shared[i]
		switch {
		case given && n.Cmp(caps[i]) > 0:
			return a.overCap(n, whole, most, rest, s.Tokens > 0)
		case !n.IsInt64() || n.Int64() > MaxTokens:
			return fmt.Errorf("source %s: %s are %s, and 2^62 is the most of a mixture; give the whole a number of tokens", a.label, a.asked(), grouped(n))
		}
		a.gives = n.Int64()
		if !given {
			r := ratOf(caps[i])
			a.capped = r.Quo(r, a.weight(sum, alone)).Cmp(most) == 0
		}
	}
	return nil
}

// weight is the share of the whole: if all sources have shares, they are what they are in proportion to their sum.
func (a *ask) weight(sum *big.Rat, alone bool) *big.Rat {
	w := decimal(a.Share)
	if alone {
		w.Quo(w, sum)
	}
	return w
}

// overCap says why n tokens are too many, and what would do: a whole of most tokens.
func (a *ask) overCap(n *big.Int, whole, most, rest *big.Rat, given bool) error {
	var why, allow string
	switch c := a.cap(); {
	case a.epochs(a.maxEpochs()).Cmp(c) > 0: // c is less: MaxTokens
		why, allow = fmt.Sprintf("and its max_tokens are %s", grouped(c)), "raise that"
	case a.epochs(MaxRepeats).Cmp(n) < 0:
		why = fmt.Sprintf("and it has %s: %s epochs, and %s are the most", grouped(a.tokens), a.times(n), human.Thousands(MaxRepeats))
	case a.MaxEpochs > 0:
		why, allow = fmt.Sprintf("and it has %s: %s epochs, and its max_epochs are %s", grouped(a.tokens), a.times(n), plain(a.MaxEpochs)), "raise that"
	default:
		why, allow = fmt.Sprintf("and it has %s: %s epochs", grouped(a.tokens), a.times(n)), "allow them with max_epochs"
	}
	if allow != "" {
		allow += ", "
	}
	less := fmt.Sprintf("ask for at most %s tokens in all", grouped(floor(most)))
	if !given {
		less = fmt.Sprintf("ask the sources with epochs or tokens for at most %s together", grouped(floor(new(big.Rat).Mul(most, rest))))
	}
	return fmt.Errorf("source %s: %s of %s tokens are %s, %s; %s%s, or lower its share",
		a.label, percent(decimal(a.Share)), grouped(floor(whole)), grouped(n), why, allow, less)
}

// divide is what each of the ask's sources gives.
func (a *ask) divide() []int64 {
	if len(a.members) == 1 {
		return []int64{a.gives}
	}
	weights, caps := make([]*big.Rat, len(a.have)), make([]*big.Int, len(a.have))
	for i, h := range a.have {
		weights[i], caps[i] = ratOf(big.NewInt(h.Tokens)), epochsOf(a.maxEpochs(), h.Tokens)
	}
	parts := make([]int64, len(a.have))
	for i, n := range divide(big.NewInt(a.gives), weights, caps) {
		parts[i] = n.Int64()
	}
	return parts
}

// divide cuts total into whole parts in proportion to weights: each is rounded down, and what is left over goes one by
// one to the largest fractions, the first of those that are the same, and to none above its cap, if there are caps.
func divide(total *big.Int, weights []*big.Rat, caps []*big.Int) []*big.Int {
	sum := new(big.Rat)
	for _, w := range weights {
		sum.Add(sum, w)
	}
	parts, left := make([]*big.Int, len(weights)), new(big.Int).Set(total)
	fractions, order := make([]*big.Rat, len(weights)), make([]int, len(weights))
	for i, w := range weights {
		x := ratOf(total)
		x.Mul(x, w).Quo(x, sum)
		parts[i] = floor(x)
		if caps != nil && parts[i].Cmp(caps[i]) > 0 { // the caps of many small ones were rounded up, and most of that came here
			parts[i].Set(caps[i])
		}
		fractions[i], order[i] = x.Sub(x, ratOf(parts[i])), i
		left.Sub(left, parts[i])
	}
	slices.SortStableFunc(order, func(i, k int) int { return fractions[k].Cmp(fractions[i]) })
	for before := new(big.Int); left.Sign() > 0 && left.Cmp(before) != 0; { // twice around if caps stand in the way
		before.Set(left)
		for _, i := range order {
			if left.Sign() > 0 && (caps == nil || parts[i].Cmp(caps[i]) < 0) {
				parts[i].Add(parts[i], big.NewInt(1))
				left.Sub(left, big.NewInt(1))
			}
		}
	}
	return parts
}

// decimal is the number that f is written as.
func decimal(f float64) *big.Rat {
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok {
		return new(big.Rat) // not a number; check has refused it
	}
	return r
}

func ratOf(n *big.Int) *big.Rat { return new(big.Rat).SetInt(n) }

// floor of a number that is not negative.
func floor(r *big.Rat) *big.Int { return new(big.Int).Quo(r.Num(), r.Denom()) }

// plain has at most 4 digits that matter, and no exponent: "2.5", "0.3333", "1000".
func plain(f float64) string {
	if f >= 1000 {
		return human.Thousands(int64(math.Round(min(f, MaxTokens))))
	}
	s, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 4, 64), 64)
	if err != nil {
		return "0"
	}
	return strconv.FormatFloat(s, 'f', -1, 64)
}

// percent has at most 6 digits that matter.
func percent(r *big.Rat) string {
	f, _ := new(big.Rat).Mul(r, big.NewRat(100, 1)).Float64()
	return strconv.FormatFloat(f, 'g', 6, 64) + " %"
}

// grouped is 1,234,567.
func grouped(n *big.Int) string {
	s, sign := n.String(), ""
	if strings.HasPrefix(s, "-") {
		s, sign = s[1:], "-"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// listedMost is how many names an error lists.
const listedMost = 5

// listed are the names of sources.
func listed(have []Available) string {
	var names []string
	for _, h := range have[:min(len(have), listedMost)] {
		names = append(names, h.Name)
	}
	if more := len(have) - listedMost; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), more)
	}
	return strings.Join(names, ", ")
}

func thereAre(have []Available) string {
	if len(have) == 0 {
		return "there are no sources"
	}
	return "there are: " + listed(have)
}
