package train

import "curate/train/model"

// dpoSums are of the pairs of a step or a validation.
type dpoSums struct {
	loss, chosen, rejected    float64
	logChosen, logRejected    float64
	pairs, preferred, targets int64
}

// weigh makes the weights of a micro-batch of pairs (model.Batch.Weigh), so that the gradient of the weighed sum is that of
// the pairs' losses, added up. reference holds log-probabilities by the numbers of pairs.
func (s *dpoSums) weigh(o *model.DPO, reference []float64, m *microBatch) func(losses, weights []float32) {
	return func(losses, weights []float32) {
		for i := range m.pairs {
			p := &m.pairs[i]
			chosen, n := logProb(m, losses, p.chosen)
			rejected, n2 := logProb(m, losses, p.rejected)
			is := o.Of(chosen, rejected, reference[2*p.number], reference[2*p.number+1], n)
			weighAnswer(m, weights, p.chosen, is.ChosenWeight)
			weighAnswer(m, weights, p.rejected, is.RejectedWeight)
			s.loss += is.Loss
			s.chosen += is.Chosen
			s.rejected += is.Rejected
			s.logChosen += chosen
			s.logRejected += rejected
			s.pairs++
			s.targets += int64(n + n2)
			if is.Chosen > is.Rejected {
				s.preferred++
			}
		}
	}
}

// logProb is that of an answer, and how many tokens it has, from the loss of each token.
func logProb(m *microBatch, losses []float32, answer span) (sum float64, tokens int) {
	for t := answer.from; t < answer.to; t++ {
		if m.Targets[t] != model.Ignore {
			sum -= float64(losses[t])
			tokens++
		}
	}
	return sum, tokens
}

func weighAnswer(m *microBatch, weights []float32, answer span, w float64) {
	for t := answer.from; t < answer.to; t++ {
		if m.Targets[t] != model.Ignore {
			weights[t] = float32(w)
		}
	}
}

// metrics are the means; nil without pairs.
func (s *dpoSums) metrics() *DPOMetrics {
	if s.pairs == 0 {
		return nil
	}
	n := float64(s.pairs)
	return &DPOMetrics{
		Pairs: s.pairs, Loss: s.loss / n, Chosen: s.chosen / n, Rejected: s.rejected / n, Margin: (s.chosen - s.rejected) / n,
		Accuracy: float64(s.preferred) / n, LogChosen: s.logChosen / n, LogRejected: s.logRejected / n,
	}
}
