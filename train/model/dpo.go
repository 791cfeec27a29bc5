package model

import "curate/kernel"

// DPO is direct preference optimization (arXiv 2305.18290, equation 7): an answer y to a prompt x has the reward
//
//	r(y) = β (log π(y|x) - log π_ref(y|x)),  log π(y|x) = Σ log π(y_t|x, y_<t) over the answer's tokens alone
//
// and the loss of a pair of a chosen and a rejected answer is, with h = r(chosen) - r(rejected),
//
//	-(1-ε) log σ(h) - ε log σ(-h) - α log π(chosen|x) / |chosen|
//
// ε is the share of pairs that are taken to be the wrong way round (Mitchell's "conservative" DPO, https://ericmitchell.ai/cdpo.pdf;
// TRL's label_smoothing with loss_type "sigmoid"). α is the weight of the likelihood of the chosen answer, a mean over its tokens (arXiv
// 2404.19733, section 2; TRL's rpo_alpha, whose mean is over the tokens of a batch).
type DPO struct {
	Beta           float64 // β, above 0
	NLL            float64 // α, at least 0
	LabelSmoothing float64 // ε, at least 0, below 0.5
}

// Preference is what DPO makes of a pair, of which the losses are in nats.
type Preference struct {
	Loss             float64 // with the term of the likelihood
	Chosen, Rejected float64 // rewards
	// Weights of -log π of each token of the two answers, with which the gradient of their sum is that of Loss.
	ChosenWeight, RejectedWeight float64
}

// Of is the loss of a pair, from the log-probabilities of its answers under the policy and the reference, and how many tokens
// the chosen one has. An answer without tokens has the log-probability 0.
func (o *DPO) Of(chosen, rejected, refChosen, refRejected float64, chosenTokens int) Preference {
	p := Preference{Chosen: o.Beta * (chosen - refChosen), Rejected: o.Beta * (rejected - refRejected)}
	h := p.Chosen - p.Rejected
	p.Loss = float64((1-o.LabelSmoothing)*softplus(-h)) + float64(o.LabelSmoothing*softplus(h))
	// d loss / dh = ε - σ(-h), of which h has β log π(chosen) - β log π(rejected).
	slope := o.LabelSmoothing - sigmoid(-h)
	p.ChosenWeight, p.RejectedWeight = float64(-o.Beta*slope), float64(o.Beta*slope)
	if o.NLL > 0 && chosenTokens > 0 {
		each := o.NLL / float64(chosenTokens)
		p.Loss -= float64(each * chosen)
		p.ChosenWeight += each
	}
	return p
}

// softplus is log(1 + e^x) = -log σ(-x).
func softplus(x float64) float64 {
	if x > 0 {
		return x + log1p(expOr0(-x))
	}
	return log1p(expOr0(x))
}

// sigmoid is 1 / (1 + e^-x).
func sigmoid(x float64) float64 {
	if x < 0 {
		e := expOr0(x)
		return e / (1 + e)
	}
	return 1 / (1 + expOr0(-x))
}

// expOr0 is e^x of an x of at most 0: exp wants a normal result.
func expOr0(x float64) float64 {
	if x < -700 {
		return 0
	}
	return exp(x)
}

// log1p is log(1+x), for x from 0 to 1, by Kahan's correction of what the sum has rounded off.
func log1p(x float64) float64 {
	u := 1 + x
	if u == 1 {
		return x
	}
	return float64(kernel.Log(u) * x / (u - 1))
}
