package chat

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"curate/tokenize"
)

// Options of an Encoder.
type Options struct {
	TrainOn TrainOn
	// MaxLength is the most tokens of a row, of a pair those of the prompt and either answer; 0 for any number.
	MaxLength int
	// Truncate says what is done to rows that have more; "" is None.
	Truncate Policy
	// AddSpecialTokens puts around texts that no template has made what the tokenizer's post-processor says.
	AddSpecialTokens bool
	// EOS ends answers that are strings, as TRL's trainers have it; nothing is added to one that ends so.
	EOS string
	// EncoderMemory is what each of the tokenizer's encoders may remember, in bytes; 0 is tokenize.EncoderMemory.
	EncoderMemory int64
}

// Reasons for which a row is dropped.
const (
	ReasonTooLong   = "too_long"          // it has more tokens than it may, also after what the policy can cut
	ReasonNothing   = "nothing_to_learn"  // the cut has taken all tokens that were to be learnt
	ReasonNoAnswers = "answers_alike_now" // the cut has taken what told the answers of a pair apart
)

// Encoded are a row's tokens.
type Encoded struct {
	// IDs are the tokens; of a pair those of the prompt, the chosen and the rejected answer.
	IDs []uint32
	// Mask has a 1 for each token that is learnt and else a 0; nil if all are, and for a pair.
	Mask []byte
	// Prompt and Chosen are where a pair's parts end.
	Pair           bool
	Prompt, Chosen int
	// Drop is why the row goes; "" if it stays.
	Drop string
	// Cut is the policy that has cut it, and Turns how many it has left out.
	Cut   Policy
	Turns int
	// Long says that the row has more tokens than MaxLength, and stays so.
	Long bool
	// Moved says that the tokens of the prompt alone are not the first tokens of prompt and answer: its last ones belong
	// to the answer.
	Moved bool
}

// Encoder encodes rows for one goroutine.
type Encoder struct {
	f        *Format
	o        Options
	rendered *tokenize.Encoder // texts that templates have made: nothing is added
	plain    *tokenize.Encoder
	offsets  []tokenize.Span
	unfound  []string // special tokens that the tokenizer takes for text
}

// NewEncoder makes an encoder. It holds what one or, with AddSpecialTokens, two of the tokenizer's hold.
func NewEncoder(t *tokenize.Tokenizer, f *Format, o Options) *Encoder {
	e := &Encoder{f: f, o: o, rendered: t.NewEncoder(tokenize.Options{Memory: o.EncoderMemory}), unfound: unfound(t)}
	e.plain = e.rendered
	if o.AddSpecialTokens {
		e.plain = t.NewEncoder(tokenize.Options{AddSpecialTokens: true, Memory: o.EncoderMemory})
	}
	return e
}

// unfound are the special tokens that are not found in texts: those of SentencePiece's own models, which encode them
// as the characters they are written with.
func unfound(t *tokenize.Tokenizer) []string {
	in := t.Info()
	if in.Format != "SentencePiece" {
		return nil
	}
	var list []string
	for _, s := range in.Special {
		list = append(list, s.Content)
	}
	return list
}

// found is an error if a template has written a special token that would be encoded as text: no model has learnt that.
func (e *Encoder) found(text []byte) error {
	for _, s := range e.unfound {
		if bytes.Contains(text, []byte(s)) {
			return fmt.Errorf("the chat has %q, which is a token of the model, and a SentencePiece model encodes it as text; take the model's tokenizer.json", s)
		}
	}
	return nil
}

// Encode makes the tokens of a row that is no document. Its error is about the row.
func (e *Encoder) Encode(row *Row) (*Encoded, error) {
	starts := turnStarts(row.Prompt)
	out, err := e.without(row, starts, 0)
	if err != nil || e.o.MaxLength <= 0 || out.longest() <= e.o.MaxLength {
		return out, err
	}
	if e.o.Truncate != Turns {
		e.cut(out)
		return out, nil
	}
	// The fewest turns without which the rest is short enough. A chat without more turns is taken to be shorter.
	var fits *Encoded
	for lo, hi := 1, len(starts)-1; lo <= hi; {
		k := (lo + hi) / 2
		short, err := e.without(row, starts, k)
		if err != nil {
			return nil, fmt.Errorf("without the oldest %d turns: %w", k, err)
		}
		if short.longest() <= e.o.MaxLength {
			fits, hi = short, k-1
			fits.Turns = k
		} else {
			lo = k + 1
		}
	}
	if fits == nil {
		out.Drop = ReasonTooLong
		return out, nil
	}
	fits.Cut = Turns
	if fits.nothing() && !out.nothing() {
		fits.Drop = ReasonNothing
	}
	return fits, nil
}

// turnStarts is where turns begin: with the first message that is no system's, and with each of the user.
func turnStarts(messages []Message) []int {
	var starts []int
	for i, m := range messages {
		if m.Role == "user" || len(starts) == 0 && m.Role != "system" && m.Role != "developer" {
			starts = append(starts, i)
		}
	}
	return starts
}

// without encodes a row without its oldest k turns. What comes before the first turn stays.
func (e *Encoder) without(row *Row, starts []int, k int) (*Encoded, error) {
	messages := row.Prompt
	if k > 0 {
		messages = slices.Concat(messages[:starts[0]], messages[starts[k]:])
	}
	switch row.Kind {
	case Conversation:
		return e.conversation(messages, &row.Params, e.o.TrainOn)
	case PromptCompletion:
		return e.completion(row, messages)
	case Preference:
		return e.pair(row, messages)
	}
	return nil, errors.New("a document is no chat")
}

func (e *Encoder) conversation(messages []Message, p *Params, on TrainOn) (*Encoded, error) {
	s, err := e.f.Spans(messages, p, on)
	if err != nil {
		return nil, err
	}
	if err := e.found(s.Text); err != nil {
		return nil, err
	}
	out := &Encoded{}
	if s.All {
		out.IDs, err = e.rendered.Append(nil, s.Text)
		return out, err
	}
	if out.IDs, e.offsets, err = e.rendered.AppendOffsets(nil, e.offsets[:0], s.Text); err != nil {
		return nil, err
	}
	out.Mask = s.AppendMask(make([]byte, 0, len(out.IDs)), e.offsets)
	if cap(e.offsets) > 1<<18 {
		e.offsets = nil
	}
	return out, nil
}

// completion learns what follows the prompt, unless something else was asked for.
func (e *Encoder) completion(row *Row, prompt []Message) (*Encoded, error) {
	if !row.Plain && e.o.TrainOn != Default && e.o.TrainOn != Completion {
		return e.conversation(slices.Concat(prompt, row.Answers[0]), &row.Params, e.o.TrainOn)
	}
	encoder, texts, err := e.texts(row, prompt)
	if err != nil {
		return nil, err
	}
	out := &Encoded{}
	if out.IDs, err = encoder.Append(nil, texts[1]); err != nil || e.o.TrainOn == All {
		return out, err
	}
	alone, err := encoder.Append(nil, texts[0])
	if err != nil {
		return nil, err
	}
	n := commonLength(alone, out.IDs)
	out.Moved = n < len(alone)
	out.Mask = make([]byte, len(out.IDs))
	for i := n; i < len(out.Mask); i++ {
		out.Mask[i] = 1
	}
	return out, nil
}

// pair is TRL's DPOTrainer: prompt, prompt with chosen and prompt with rejected are encoded, each as a whole, and the
// answers begin where either of the latter differs from the prompt's tokens. Encoding prompt and answer apart would give
// tokens at the border that a model never sees when it answers, and cutting at the prompt's last character other
// prompts for the two sides where a token reaches over it.
func (e *Encoder) pair(row *Row, prompt []Message) (*Encoded, error) {
	encoder, texts, err := e.texts(row, prompt)
	if err != nil {
		return nil, err
	}
	var ids [3][]uint32
	for i := range ids {
		if ids[i], err = encoder.Append(nil, texts[i]); err != nil {
			return nil, err
		}
	}
	n := min(commonLength(ids[0], ids[1]), commonLength(ids[0], ids[2]))
	out := &Encoded{Pair: true, Moved: n < len(ids[0]), Prompt: n, Chosen: len(ids[1])}
	out.IDs = slices.Concat(ids[1], ids[2][n:])
	if n == len(ids[1]) || n == len(ids[2]) {
		return nil, errors.New("an answer of the pair adds no token to the prompt")
	}
	return out, nil
}

// texts are that of the prompt and those of the prompt with each answer, and what encodes them.
func (e *Encoder) texts(row *Row, prompt []Message) (*tokenize.Encoder, [][]byte, error) {
	if row.Plain {
		texts := [][]byte{[]byte(row.PromptText)}
		for _, a := range row.AnswerTexts {
			if !strings.HasSuffix(a, e.o.EOS) {
				if slices.Contains(e.unfound, e.o.EOS) {
					return nil, nil, fmt.Errorf("%q is to end the answer, and a SentencePiece model encodes it as text; take the model's tokenizer.json", e.o.EOS)
				}
				a += e.o.EOS
			}
			texts = append(texts, []byte(row.PromptText+a))
		}
		return e.plain, texts, nil
	}
	texts, err := e.f.Answers(prompt, row.Answers, &row.Params)
	for _, t := range texts {
		if err == nil {
			err = e.found(t)
		}
	}
	return e.rendered, texts, err
}

// Answers renders a prompt, ended by the generation prompt, and the chats that begin with it, one an answer. The prompt
// must be the beginning of each; only of the generation prompt an end may be missing, as where a template opens a
// thought that no answer in a data set has (DeepSeek-R1's).
func (f *Format) Answers(prompt []Message, answers [][]Message, p *Params) ([][]byte, error) {
	if len(prompt) == 0 {
		return nil, errors.New("there is no prompt: chosen and rejected differ in their first message")
	}
	q := *p
	q.AddGenerationPrompt = true
	alone, err := f.Render(prompt, &q)
	if err != nil {
		return nil, err
	}
	texts := [][]byte{alone.Text}
	q.AddGenerationPrompt = false
	var bare []byte
	for _, a := range answers {
		whole, err := f.Render(slices.Concat(prompt, a), &q)
		if err != nil {
			return nil, err
		}
		texts = append(texts, whole.Text)
		if bytes.HasPrefix(whole.Text, alone.Text) {
			continue
		}
		if bare == nil {
			r, err := f.Render(prompt, &q)
			if err != nil {
				return nil, err
			}
			bare = append([]byte{}, r.Text...)
		}
		if !bytes.HasPrefix(whole.Text, bare) || !bytes.HasPrefix(alone.Text, bare) {
			return nil, errors.New("the template writes the prompt otherwise with an answer behind it than alone, so that nothing tells where the answer begins; use another template")
		}
	}
	return texts, nil
}

func commonLength(a, b []uint32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
