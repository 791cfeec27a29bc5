package check

import (
	"fmt"
	"math"
	"slices"
)

// FitMin is the smallest sample of which percentiles are worth anything.
const FitMin = 200

// Fit makes a profile from parallel texts in hand. Each pair takes some 80 bytes.
type Fit struct {
	lengths  []lengths
	samples  map[string][]float64
	from, to string
}

type lengths struct{ source, target float64 }

// Add takes in one pair. Pairs without a letter on either side, and those that were not translated (echo), are passed over:
// they would teach that nothing need be translated.
func (f *Fit) Add(p Pair) {
	v := newView(p)
	if v.sourceLetters == 0 || v.targetLetters == 0 || sameText(p.Source, p.Target) {
		return
	}
	if f.samples == nil {
		f.samples = make(map[string][]float64)
	}
	f.from, f.to = p.From, p.To
	f.lengths = append(f.lengths, lengths{float64(v.sourceLetters), float64(v.targetLetters)})
	add := func(name string, x float64) { f.samples[name] = append(f.samples[name], x) }
	if v.sourceLetters >= ratioLetters {
		add("length_ratio", float64(v.targetLetters)/float64(v.sourceLetters))
	}
	if rate, words := copyShare(v); words >= 3 {
		add("copy_rate", rate)
	}
	if v.sourceLetters >= chrfLetters && v.targetLetters >= chrfLetters {
		add("chrf", chrf(p.Target, p.Source))
	}
	if len(p.Target) >= deflateBytes {
		add("compression", deflated(p.Target))
	}
	add("punctuation", float64(markDifference(p.Source, p.Target)))
	s, _ := appendTokens(nil, p.Source)
	t, _ := appendTokens(nil, p.Target)
	add("repetition", float64(max(0, most4gram(t)-max(most4gram(s), 1))))
	lost, added, _ := numberDifference(p.Source, p.Target)
	add("numbers", float64(len(lost)+len(added)))
}

// pairs is how many pairs were taken in.
func (f *Fit) pairs() int { return len(f.lengths) }

// galeChurch is the mean and variance of the lengths: the mean is that of all letters, the variance that of the differences,
// each divided by the source's length, so that it grows with it as the model says.
func (f *Fit) galeChurch() (mean, variance float64) {
	var s, t float64
	for _, l := range f.lengths {
		s, t = s+l.source, t+l.target
	}
	mean = t / s
	for _, l := range f.lengths {
		d := l.target - mean*l.source
		variance += d * d / l.source
	}
	return mean, variance / float64(len(f.lengths))
}

// Profile gives thresholds at the percentiles of what was added; an error with fewer than 200 pairs whose source has 40 letters.
// Soft bounds are at p1 and p99, those of long texts at p0.1 and p99.9. A hard bound is never tighter than a soft one, and what
// a sample cannot say (languages, echoes) is that of ProfileFor.
func (f *Fit) Profile(name string) (Profile, error) {
	ratios := slices.Clone(f.samples["length_ratio"])
	if len(ratios) < FitMin {
		return Profile{}, fmt.Errorf("%s: %d pairs with a source of %d letters or more; thresholds need %d", name, len(ratios), ratioLetters, FitMin)
	}
	slices.Sort(ratios)
	p := ProfileFor(f.from, f.to)
	p.Name = name
	p.GaleChurchMean, p.GaleChurchVariance = f.galeChurch()
	p.GaleChurchVariance = max(p.GaleChurchVariance, 0.01)
	z := f.z()
	p.GaleChurchMax = percentile(z, 99)
	p.LengthRatioMin, p.LengthRatioMax = percentile(ratios, 1), percentile(ratios, 99)
	p.LengthRatioMinLong, p.LengthRatioMaxLong = percentile(ratios, 0.1), percentile(ratios, 99.9)
	// Short texts vary more: room of a third on either side of the long ones' bounds.
	p.LengthRatioMinShort, p.LengthRatioMaxShort = p.LengthRatioMinLong*0.75, p.LengthRatioMaxLong/0.75
	set := func(x *float64, signal string, q, floor, ceiling float64) {
		if list := slices.Clone(f.samples[signal]); len(list) >= FitMin {
			slices.Sort(list)
			*x = min(max(percentile(list, q), floor), ceiling)
		}
	}
	set(&p.CopyRateMax, "copy_rate", 99, 0.05, 1)
	p.CopyRateMaxHard = max(p.CopyRateMaxHard, p.CopyRateMax)
	set(&p.ChrfMax, "chrf", 99, 1, 100)
	set(&p.PunctuationMax, "punctuation", 99, 0, 1000)
	excess := p.RepetitionExcess
	set(&excess, "repetition", 99.9, 0, 1000)
	p.RepetitionExcess = max(p.RepetitionExcess, excess+1)
	var compression float64 = 1
	set(&compression, "compression", 0.1, 0, 1)
	p.CompressionMin = min(p.CompressionMin, compression)
	for _, t := range thresholds { // three digits are all that a sample can say
		x := t.field(&p)
		*x = math.Round(*x*1000) / 1000
	}
	return p, p.Validate()
}

// z are the distances from the expected length, without sign, sorted.
func (f *Fit) z() []float64 {
	mean, variance := f.galeChurch()
	z := make([]float64, len(f.lengths))
	for i, l := range f.lengths {
		z[i] = math.Abs(l.target-mean*l.source) / math.Sqrt(max(variance, 0.01)*l.source)
	}
	slices.Sort(z)
	return z
}

// PercentilesOf are those that Percentiles gives.
var PercentilesOf = [...]float64{0.1, 1, 5, 50, 95, 99, 99.9}

// Percentiles are what `translate calibrate` prints: for each signal p0.1, p1, p5, p50, p95, p99, p99.9. gale_church is |z|.
func (f *Fit) Percentiles() map[string][]float64 {
	out := make(map[string][]float64)
	put := func(name string, sorted []float64) {
		if len(sorted) == 0 {
			return
		}
		for _, q := range PercentilesOf {
			out[name] = append(out[name], percentile(sorted, q))
		}
	}
	for name, list := range f.samples {
		list = slices.Clone(list)
		slices.Sort(list)
		put(name, list)
	}
	if f.pairs() > 0 {
		put("gale_church", f.z())
	}
	return out
}

// percentile interpolates between the two nearest of a sorted list (type 7 of Hyndman and Fan 1996, as NumPy does).
func percentile(sorted []float64, q float64) float64 {
	at := q / 100 * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
