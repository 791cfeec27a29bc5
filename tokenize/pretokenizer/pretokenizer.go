// Package pretokenizer cuts text into the pieces (pretokens) that a BPE model encodes one by one: the component
// pre_tokenizer of tokenizer.json.
//
// Real models state where to cut as a regex with look-ahead and Unicode classes. A [Scanner] is one such regex, or
// several that cut one behind the other, written by hand; scanners.go holds most of them, with the regex each stands
// for, and is the file to read first.
// classes.go is what they know of characters, unicode16.go the table behind it. The tests compare every scanner
// with a backtracking matcher of its regex, and with the engine.
package pretokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// Scanner is a regex of a pre-tokenizer, or the regexes of a Sequence, written by hand. It is immutable and may be
// shared.
type Scanner struct {
	name    string
	pattern string   // of one regex
	regexes []string // of a Sequence
	next    func(t *classes, text []byte, i int) int
	blocks  scheme // what cuts blocks as next cuts pieces, or 0
	classes *classes
}

// scanners are those of one regex, sorted by name.
var scanners = []Scanner{
	{name: "cl100k", pattern: cl100kPattern, next: cl100k, blocks: schemeCL100K}, // cl100k_base, Llama 3
	{name: "gpt2", pattern: gpt2Pattern, next: gpt2, blocks: schemeGPT2},         // GPT-2, r50k_base; ByteLevel's own regex
	{name: "o200k", pattern: o200kPattern, next: o200k, blocks: schemeO200K},     // o200k_base, gpt-oss
	{name: "qwen2", pattern: qwen2Pattern, next: qwen2, blocks: schemeQwen2},     // Qwen2 to Qwen3
	{name: "qwen35", pattern: qwen35Pattern, next: qwen35},                       // Qwen3.5
	{name: "tekken", pattern: tekkenPattern, next: tekken},                       // Mistral Nemo and later
}

// sequences are those of Sequences, sorted by name: of regexes that each cut what the one before has left, at its
// matches and between them. Digits and ByteLevel's own regex are regexes too; see regexesOf.
var sequences = []Scanner{
	{name: "deepseek3", regexes: deepSeek3Regexes, next: deepSeek3, blocks: schemeDeepSeek3},      // DeepSeek-V3, R1 and later
	{name: "digits_gpt2", regexes: digitsGPT2Regexes, next: digitsGPT2, blocks: schemeDigitsGPT2}, // StarCoder, SmolLM, Command R
}

// Names are the names of the scanners of one regex.
func Names() []string {
	names := make([]string, len(scanners))
	for i := range scanners {
		names[i] = scanners[i].name
	}
	return names
}

func (s Scanner) ready() *Scanner {
	s.classes = theClasses()
	return &s
}

// NewScanner makes the scanner of that name: one of [Names], or one of a Sequence as [Fast] gives it.
func NewScanner(name string) (*Scanner, error) {
	for _, list := range [][]Scanner{scanners, sequences} {
		for _, s := range list {
			if s.name == name {
				return s.ready(), nil
			}
		}
	}
	return nil, fmt.Errorf("no scanner is called %q; there are: %s", name, strings.Join(Names(), ", "))
}

// ForPattern is the scanner of a regex as tokenizer.json writes it, or nil if there is none for it.
func ForPattern(regex string) *Scanner {
	for _, s := range scanners {
		if s.pattern == regex {
			return s.ready()
		}
	}
	return nil
}

// Name is the scanner's name.
func (s *Scanner) Name() string { return s.name }

// Pattern is the regex that it stands for, as tokenizer.json writes it; "" if it stands for several.
func (s *Scanner) Pattern() string { return s.pattern }

// Regexes are the regexes that it stands for, in the order in which they cut.
func (s *Scanner) Regexes() []string {
	if s.pattern != "" {
		return []string{s.pattern}
	}
	return slices.Clone(s.regexes)
}

// Next is where the piece that starts at text[at] ends; at is below len(text). Pieces follow each other without
// gaps, from 0 to len(text), and each has at least one code point. What stands before at does not count; what
// stands behind the piece does. A byte that is not UTF-8 is punctuation.
func (s *Scanner) Next(text []byte, at int) int { return s.next(s.classes, text, at) }
