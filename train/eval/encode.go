package eval

import (
	"slices"
	"strings"
	"unicode"

	"curate/tokenize"
)

// encoding turns texts into the tokens that a model sees, for one goroutine.
type encoding struct {
	plain  *tokenize.Encoder
	before []uint32 // what the tokenizer puts before each text, such as BOS
	prefix uint32
	most   int // tokens that the model is given
}

func newEncoding(s *Subject) (*encoding, error) {
	e := &encoding{plain: s.Tokenizer.NewEncoder(tokenize.Options{}), prefix: s.Prefix, most: s.Context}
	// What is put around a text is told from it by a text that is sure to be whole.
	const text = "a"
	inside, err := e.plain.Append(nil, []byte(text))
	if err != nil {
		return nil, err
	}
	whole, err := s.Tokenizer.NewEncoder(tokenize.Options{AddSpecialTokens: true}).Append(nil, []byte(text))
	if err != nil {
		return nil, err
	}
	for at := range len(whole) - len(inside) + 1 {
		if slices.Equal(whole[at:at+len(inside)], inside) {
			e.before = whole[:at]
			break
		}
	}
	return e, nil
}

// text gives the prefix and the tokens of a text.
func (e *encoding) text(text []byte) ([]uint32, error) {
	ids, err := e.plain.Append([]uint32{e.prefix}, text)
	if err != nil {
		return nil, &RowError{err}
	}
	return ids, nil
}

// pair encodes a context and what follows it, of which alone the log-probability is asked for. They are encoded together and
// cut where the context's own tokens end; white space at the end of the context belongs to what follows (TemplateLM's
// _encode_pair in lm_eval/api/model.py). cut says that tokens of the context fell away because all are more than the model
// is given.
func (e *encoding) pair(context, continuation string) (seq sequence, cut bool, err error) {
	head := strings.TrimRightFunc(context, isSpace)
	whole := append([]uint32{}, e.before...)
	if whole, err = e.plain.Append(whole, []byte(context+continuation)); err != nil {
		return sequence{}, false, &RowError{err}
	}
	from := 0
	if head != "" {
		of, err := e.plain.Append(nil, []byte(head))
		if err != nil {
			return sequence{}, false, &RowError{err}
		}
		from = len(e.before) + len(of)
	}
	if from == 0 || head == "" {
		// There is no context. If the text itself begins with the prefix, that is what the others follow.
		whole = whole[len(e.before):]
		if len(whole) == 0 || whole[0] != e.prefix {
			whole = slices.Insert(whole, 0, e.prefix)
		}
		from = 1
	}
	if from >= len(whole) {
		return sequence{}, false, badRow("%q has no tokens behind %q", continuation, context)
	}
	if n := len(whole) - from; n > e.most {
		return sequence{}, false, badRow("%q… has %d tokens, and the model is given %d at most", firstOf(continuation), n, e.most)
	}
	if over := len(whole) - 1 - e.most; over > 0 {
		whole, from, cut = whole[over:], from-over, true
	}
	return sequence{ids: whole, from: from}, cut, nil
}

// firstOf is the beginning of a text, for messages.
func firstOf(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 40)])
}

// windows cuts a text, of which ids are the prefix and the tokens, into sequences that a model with a context of most tokens
// can see, so that each token is predicted once: the first predicts most of them, each one after that stride more, and sees
// as many before them as there is room for (get_rolling_token_windows in lm_eval/utils.py, where stride is max_seq_len -
// context_len + 1). learnt, if not nil, has for each of ids whether it is asked for.
func windows(ids []uint32, learnt []byte, most, stride int, put func(sequence)) {
	cut := func(at, from, to int) {
		s := sequence{ids: ids[at:to], from: from - at}
		if learnt != nil {
			s.learnt = learnt[at:to]
		}
		put(s)
	}
	if len(ids) < 2 {
		return
	}
	done := min(len(ids), 1+most)
	cut(0, 1, done)
	for done < len(ids) {
		end := min(len(ids), done+stride)
		cut(end-most-1, done, end)
		done = end
	}
}

// isSpace is Python's str.isspace: unicode.IsSpace, and the four separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// words is len(re.split(r"\s+", text)), which lm-eval counts: one more than there are runs of white space.
func words(text []byte) int64 {
	n, in := int64(1), false
	for _, r := range string(text) {
		space := isSpace(r)
		if space && !in {
			n++
		}
		in = space
	}
	return n
}
