package pretokenizer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// PreTokenizer is a component pre_tokenizer of tokenizer.json. It is immutable and may be shared.
type PreTokenizer interface {
	// Type is the component's type as the file names it.
	Type() string
	// Split cuts each piece of p, and may change its text, as HF tokenizers does, offsets included. An error is about a
	// text on which a regex takes more time than it may.
	Split(p *Pieces) error

	// split is Split. last says that nothing behind it looks at characters: ByteLevel may leave bytes as they are.
	split(p *Pieces, last bool) error
}

// types are all there are, sorted by name.
var types = []struct {
	name string
	read func(path string, v jsontext.Value, depth int) (PreTokenizer, error)
}{
	{"BertPreTokenizer", readBert},
	{"ByteLevel", readByteLevel},
	{"CharDelimiterSplit", readCharDelimiter},
	{"Digits", readDigits},
	{"FixedLength", readFixedLength},
	{"Metaspace", readMetaspace},
	{"Punctuation", readPunctuation},
	{"Sequence", nil}, // readSequence: a Sequence has all of these in it
	{"Split", readSplit},
	{"UnicodeScripts", readUnicodeScripts},
	{"Whitespace", readWhitespace},
	{"WhitespaceSplit", readWhitespaceSplit},
}

// Types are the types of pre-tokenizers that there are.
func Types() []string {
	names := make([]string, len(types))
	for i := range types {
		names[i] = types[i].name
	}
	return names
}

// New reads the component at path in the file. A Sequence has pre-tokenizers one behind the other. An error is a
// *component.UnsupportedError where the type, or a regex, is not known.
func New(path string, v jsontext.Value) (PreTokenizer, error) { return read(path, v, 0) }

func read(path string, v jsontext.Value, depth int) (PreTokenizer, error) {
	name, err := component.Type(path, v)
	if err != nil {
		return nil, err
	}
	if name == "Sequence" {
		return readSequence(path, v, depth)
	}
	for _, t := range types {
		if t.name == name {
			return t.read(path, v, depth)
		}
	}
	return nil, &component.UnsupportedError{Path: path, Problem: fmt.Sprintf("pre-tokenizer %q; there are %s", name, strings.Join(Types(), ", "))}
}

// alone is Split of all pre-tokenizers: at its end the text is bytes.
func alone(t PreTokenizer, p *Pieces) error {
	if err := t.split(p, true); err != nil {
		return err
	}
	p.toBytes()
	return nil
}

// Fast says whether p cuts a text into the pieces of one scanner and does nothing else to it, but that it puts a space
// before a text that does not begin with one if prefixSpace. That is what byte-level BPE models have: ByteLevel with
// its own regex, or Splits by regexes that are known and ByteLevel.
func Fast(p PreTokenizer) (s *Scanner, prefixSpace, ok bool) {
	parts := flat(nil, p)
	if len(parts) == 0 {
		return nil, false, false
	}
	if last, is := parts[len(parts)-1].(*byteLevel); is {
		if len(parts) == 1 && last.useRegex {
			return last.scanner, last.prefixSpace, true
		}
		regexes, known := regexesOf(parts)
		if !known || last.prefixSpace {
			return nil, false, false
		}
		s = forRegexes(regexes)
	}
	return s, false, s != nil
}

// Scanners are the names of the scanners that p cuts with, and the regexes that it runs through the engine for the lack
// of one, in p's order.
func Scanners(p PreTokenizer) (names, regexes []string) {
	if s, _, ok := Fast(p); ok {
		return []string{s.Name()}, nil
	}
	for _, part := range flat(nil, p) {
		switch part := part.(type) {
		case *split:
			switch {
			case part.scanner != nil:
				names = append(names, part.scanner.Name())
			case part.regex != nil:
				regexes = append(regexes, part.regex.Pattern())
			}
		case *byteLevel:
			if part.useRegex {
				names = append(names, part.scanner.Name())
			}
		}
	}
	return slices.Compact(names), regexes
}

// regexesOf is parts, of which the last is ByteLevel, as regexes that cut at their matches and between them, if they
// are no more than that.
func regexesOf(parts []PreTokenizer) (regexes []string, ok bool) {
	for i, part := range parts {
		last := i == len(parts)-1
		switch part := part.(type) {
		case *split:
			switch {
			case part.behavior == isolated:
			case part.behavior == removed && part.invert && part.scanner != nil: // which matches every text whole
			default:
				return nil, false
			}
			switch {
			case part.scanner != nil:
				regexes = append(regexes, part.scanner.Pattern())
			case part.regex != nil:
				regexes = append(regexes, part.regex.Pattern())
			default:
				return nil, false
			}
		case *digits:
			if part.behavior != isolated {
				return nil, false
			}
			regexes = append(regexes, numericPattern)
		case *byteLevel:
			if !last {
				return nil, false
			}
			if part.useRegex {
				regexes = append(regexes, part.scanner.Pattern())
			}
		default:
			return nil, false
		}
	}
	return regexes, true
}

// forRegexes is the scanner of the regexes, or nil if there is none for them.
func forRegexes(regexes []string) *Scanner {
	if len(regexes) == 1 {
		return ForPattern(regexes[0])
	}
	for _, s := range sequences {
		if slices.Equal(s.regexes, regexes) {
			return s.ready()
		}
	}
	return nil
}

// flat is p without Sequences.
func flat(out []PreTokenizer, p PreTokenizer) []PreTokenizer {
	if s, ok := p.(*sequence); ok {
		for _, part := range s.parts {
			out = flat(out, part)
		}
		return out
	}
	return append(out, p)
}
