package filter

import (
	"strings"

	"curate/internal/human"
)

// YAML is the profile as a file: what it does in comments, each threshold with its reason.
func (p *Proposal) YAML(m Measured) ([]byte, error) {
	var b strings.Builder
	b.WriteString("# Proposed by curate filter fit. Look at texts on both sides of each threshold before you trust it:\n")
	b.WriteString("#   curate filter --profile FILE --annotate TEXTS, or curate filter compare.\n")
	b.WriteString("# Of " + human.Thousands(m.Texts) + " texts it keeps " + human.Thousands(m.Kept) + " (" + part(m.Kept, m.Texts) + "). Dropped as the first test that fails:\n")
	for _, t := range m.Tests {
		if t.First > 0 {
			b.WriteString("#   " + t.Rule + ":" + t.Reason + " " + human.Thousands(t.First) + " (" + part(t.First, m.Texts) + ")\n")
		}
	}
	y, err := p.Profile.YAML()
	return append([]byte(b.String()), y...), err
}
