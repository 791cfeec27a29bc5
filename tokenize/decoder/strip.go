package decoder

import (
	"math"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// Strip takes a character away at the ends of each token, up to so many times (decoders/strip.rs).
type Strip struct {
	content     string
	start, stop int
}

func readStrip(path string, v jsontext.Value) (Decoder, error) {
	var c struct {
		Type    string  `json:"type"`
		Content *string `json:"content"`
		Start   *uint64 `json:"start"`
		Stop    *uint64 `json:"stop"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	content, err := readChar(path, "content", c.Content)
	switch {
	case err != nil:
		return nil, err
	case c.Start == nil:
		return nil, component.Missing(path, "start")
	case c.Stop == nil:
		return nil, component.Missing(path, "stop")
	}
	return Strip{content, int(min(*c.Start, math.MaxInt)), int(min(*c.Stop, math.MaxInt))}, nil
}

// Type is "Strip".
func (Strip) Type() string { return "Strip" }

// Decode implements [Decoder].
func (d Strip) Decode(tokens []string) []string {
	for i, token := range tokens {
		// Where the two ends meet, the reference panics; here the token is empty.
		left := d.start
		for ; left > 0 && strings.HasPrefix(token, d.content); left-- {
			token = token[len(d.content):]
		}
		for right := d.stop; right > 0 && strings.HasSuffix(token, d.content); right-- {
			token = token[:len(token)-len(d.content)]
		}
		tokens[i] = token
	}
	return tokens
}
