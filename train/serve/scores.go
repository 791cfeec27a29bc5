package serve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize"
	"curate/train/generate"
)

// scored is a token that was seen, and the likeliest in its place.
type scored struct {
	generate.Candidate
	top   []generate.Candidate
	first bool // of a prompt: nothing was thought of it
}

// scribe writes what was thought of the tokens of one text, in order.
type scribe struct {
	t      *tokenize.Tokenizer
	bytes  bool
	text   *generate.Text
	at     int      // code points of the text before what is to come
	before []uint32 // the last tokens, by which those of some tokenizers have their spaces
}

func newScribe(t *tokenize.Tokenizer) *scribe {
	x := &scribe{t: t, bytes: t.Info().Decoder == "ByteLevel", text: generate.NewText(t)}
	x.text.Begin(nil)
	return x
}

// follow goes on behind a prompt, of which so many code points are in the text.
func (x *scribe) follow(prompt []uint32, at int) {
	x.text.Begin(prompt)
	x.before = append(x.before[:0], prompt[max(0, len(prompt)-utf8.UTFMax):]...)
	x.at = at
}

// add goes on by a token.
func (x *scribe) add(id uint32) {
	x.at += utf8.RuneCountInString(x.text.Add(id))
	if x.before = append(x.before, id); len(x.before) > utf8.UTFMax {
		x.before = slices.Delete(x.before, 0, 1)
	}
}

// bytesOf are a token's, where it stands.
func (x *scribe) bytesOf(id uint32) []byte {
	if x.bytes {
		return x.t.AppendDecoded(nil, []uint32{id})
	}
	before := x.t.Decode(x.before, tokenize.DecodeOptions{})
	all := x.t.Decode(append(slices.Clip(x.before), id), tokenize.DecodeOptions{})
	if more, ok := strings.CutPrefix(all, before); ok {
		return []byte(more)
	}
	return x.t.AppendDecoded(nil, []uint32{id})
}

// nameOf is a token as OpenAI's API writes it: its text, or, where its bytes are no UTF-8, prefix and those.
func nameOf(b []byte, prefix string) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	s.WriteString(prefix)
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

// completionScores is "logprobs" of a completion: of each token its name, its log-probability (null: nothing stands before it), the
// likeliest in its place, itself among them, and how many code points of "text" stand before it.
type completionScores struct {
	Tokens  []string         `json:"tokens"`
	Probs   []*float32       `json:"token_logprobs"`
	Top     []jsontext.Value `json:"top_logprobs"`
	Offsets []int            `json:"text_offset"`
}

// bytesPrefix is that of names of tokens which are no text.
const bytesPrefix = "bytes:"

// completion adds tokens. Those that are not in the text stand where it begins.
func (x *scribe) completion(to *completionScores, tokens []scored, head int) {
	for i, s := range tokens {
		to.Tokens = append(to.Tokens, nameOf(x.bytesOf(s.Token), bytesPrefix))
		to.Offsets = append(to.Offsets, x.at)
		if s.first {
			to.Probs, to.Top = append(to.Probs, nil), append(to.Top, jsontext.Value("null"))
		} else {
			to.Probs, to.Top = append(to.Probs, &s.LogProb), append(to.Top, x.top(s))
		}
		if i >= head {
			x.add(s.Token)
		}
	}
}

// top is an object; of several tokens of one name it has the likeliest.
func (x *scribe) top(s scored) jsontext.Value {
	b := []byte{'{'}
	var names []string
	list := s.top
	if !slices.ContainsFunc(list, func(c generate.Candidate) bool { return c.Token == s.Token }) {
		list = append(slices.Clip(list), s.Candidate)
	}
	for _, c := range list {
		name := nameOf(x.bytesOf(c.Token), bytesPrefix)
		if slices.Contains(names, name) {
			continue
		}
		if len(names) > 0 {
			b = append(b, ',')
		}
		names = append(names, name)
		b, _ = jsontext.AppendQuote(b, name) // which is UTF-8
		b = strconv.AppendFloat(append(b, ':'), float64(c.LogProb), 'g', -1, 32)
	}
	return append(b, '}')
}

// chatScores is "logprobs" of a turn.
type chatScores struct {
	Content []chatScore `json:"content"`
	Refusal *string     `json:"refusal"`
}

type chatScore struct {
	chatToken
	Top []chatToken `json:"top_logprobs"`
}

type chatToken struct {
	Token   string  `json:"token"`
	LogProb float32 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

func (x *scribe) chatToken(c generate.Candidate) chatToken {
	b := x.bytesOf(c.Token)
	t := chatToken{nameOf(b, ""), c.LogProb, make([]int, len(b))}
	for i, v := range b {
		t.Bytes[i] = int(v)
	}
	return t
}

func (x *scribe) chat(to *chatScores, tokens []scored) {
	for _, s := range tokens {
		c := chatScore{chatToken: x.chatToken(s.Candidate)}
		for _, t := range s.top {
			c.Top = append(c.Top, x.chatToken(t))
		}
		to.Content = append(to.Content, c)
		x.add(s.Token)
	}
}
