package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
	"curate/tokenize"
)

// Config of the stage.
type Config struct {
	// Tokenizer encodes; there is no default.
	Tokenizer *tokenize.Tokenizer
	// TextField is where a document has its text; "text" by default.
	TextField record.Path
	tokenize.Options
	// Templates render chats. Without any, chats are bad records.
	Templates *Templates
	// Args are variables for all templates, beside special tokens and those of a row.
	Args []Arg
	// Date is what strftime_now knows; zero for an error where a template asks.
	Date time.Time
	// TrainOn, MaxLength and Truncate: see Options.
	TrainOn   TrainOn
	MaxLength int
	Truncate  Policy
	// JSON writes the tokens into the record: input_ids and, of chats, loss_mask; of pairs prompt_ids, chosen_ids and
	// rejected_ids, as TRL's DPOTrainer calls them. Without it they are in the batch alone, for the stages behind.
	JSON bool
	// Render writes the text that is encoded, and what of it is learnt, under curate.tokenize, and makes no tokens.
	Render bool
	// Annotate drops nothing and says what would go.
	Annotate bool
	// Verdicts writes under curate.tokenize of a dropped record why.
	Verdicts bool
}

// resolved is the configuration as the stage's identity has it: tokenizer and templates by what they are, not by where
// they lie.
type resolved struct {
	AddSpecialTokens bool              `json:"add_special_tokens"`
	Annotate         bool              `json:"annotate"`
	Args             map[string]string `json:"args,omitempty"`
	ChatTemplate     string            `json:"chat_template"` // digest
	Date             string            `json:"date"`
	JSON             bool              `json:"json"`
	MaxLength        int               `json:"max_length"`
	Render           bool              `json:"render"`
	SpecialsAsText   bool              `json:"specials_as_text"`
	TextField        string            `json:"text_field"`
	Tokenizer        string            `json:"tokenizer"` // fingerprint
	TrainOn          string            `json:"train_on"`
	Truncate         string            `json:"truncate"`
	Verdicts         bool              `json:"verdicts"`
}

// Names of the ledger's counters.
const (
	tallyTokens  = tokenize.Tally
	tallyLearnt  = "trained_tokens"
	tallyChats   = "chats"
	tallyPairs   = "pairs"
	tallyMoved   = "borders_moved"    // answers that begin with the last tokens of their prompt
	tallyNothing = "nothing_to_learn" // chats that hold nothing that is learnt, and stay
	tallyAlike   = "answers_alike"    // pairs whose answers are the same, and stay
	tallyLong    = "over_max_length"  // rows that stay, though they are longer
	tallyEnd     = "cut_end"
	tallyStart   = "cut_start"
	tallyTurns   = "cut_turns" // rows that have lost turns
)

// Rule is that of drops.
const Rule = "tokenize"

var (
	pathInputIDs    = record.MustPath("input_ids")
	pathLossMask    = record.MustPath("loss_mask")
	pathPromptIDs   = record.MustPath("prompt_ids")
	pathChosenIDs   = record.MustPath("chosen_ids")
	pathRejectedIDs = record.MustPath("rejected_ids")
	pathCurate      = record.MustPath("curate.tokenize")
)

// Stage gives each record its tokens: a document those of its text, a chat and a pair those of what the template makes
// of it, with what a model is to learn.
type Stage struct {
	cfg    Config
	format *Format
	spec   stage.Spec
}

// New makes the stage.
func New(cfg Config) (*Stage, error) {
	if cfg.Tokenizer == nil {
		return nil, errors.New("no tokenizer")
	}
	if cfg.TextField.String() == "" {
		cfg.TextField = record.MustPath("text")
	}
	for _, p := range []record.Path{pathInputIDs, pathLossMask, pathPromptIDs, pathChosenIDs, pathRejectedIDs} {
		if first := cfg.TextField.Names()[0]; cfg.JSON && first == p.String() {
			return nil, fmt.Errorf("the text field lies in %q, where tokens are to be written", first)
		}
	}
	if cfg.Templates == nil {
		cfg.Templates = &Templates{}
	}
	if cfg.MaxLength < 0 {
		return nil, fmt.Errorf("max length %d; it is at least 1 token", cfg.MaxLength)
	}
	if cfg.Truncate == "" {
		cfg.Truncate = None
	}
	if cfg.Truncate != None && cfg.MaxLength == 0 {
		return nil, fmt.Errorf("truncate %s needs a max length", cfg.Truncate)
	}
	format, err := NewFormat(cfg.Templates, cfg.Args, cfg.Date)
	if err != nil {
		return nil, err
	}
	r := resolved{
		AddSpecialTokens: cfg.AddSpecialTokens, Annotate: cfg.Annotate, ChatTemplate: cfg.Templates.Digest(), JSON: cfg.JSON, MaxLength: cfg.MaxLength,
		Render: cfg.Render, SpecialsAsText: cfg.SpecialsAsText, TextField: cfg.TextField.String(), Tokenizer: cfg.Tokenizer.Info().Fingerprint,
		TrainOn: string(cfg.TrainOn), Truncate: string(cfg.Truncate), Verdicts: cfg.Verdicts,
	}
	if !cfg.Date.IsZero() {
		r.Date = cfg.Date.Format(time.DateOnly)
	}
	for _, a := range cfg.Args {
		if r.Args == nil {
			r.Args = map[string]string{}
		}
		r.Args[a.Name] = string(a.Value)
	}
	s := &Stage{cfg: cfg, format: format}
	s.spec = stage.Spec{
		Name: "tokenize", Version: 2, Config: r,
		Accepts: func(r *record.Record) error {
			_, err := kindOf(r, cfg.TextField)
			return err
		},
		Uses: []record.Path{cfg.TextField, pathMessages, pathConversations, pathSystem, pathPrompt, pathCompletion, pathChosen, pathRejected, pathLabel, pathTools, pathDocuments, pathKwargs},
	}
	return s, nil
}

// Spec is the same at every call.
func (s *Stage) Spec() stage.Spec { return s.spec }

// NewWorker implements stage.Mapper.
func (s *Stage) NewWorker() stage.Worker {
	o := Options{
		TrainOn: s.cfg.TrainOn, MaxLength: s.cfg.MaxLength, Truncate: s.cfg.Truncate, AddSpecialTokens: s.cfg.AddSpecialTokens, EOS: s.cfg.Templates.Special("eos_token"),
		EncoderMemory: s.cfg.Memory,
	}
	w := &worker{cfg: &s.cfg, format: s.format}
	if s.cfg.SpecialsAsText { // there are no chats then
		w.encoder = &Encoder{f: s.format, o: o, plain: s.cfg.Tokenizer.NewEncoder(s.cfg.Options)}
	} else {
		w.encoder = NewEncoder(s.cfg.Tokenizer, s.format, o)
	}
	w.documents = w.encoder.plain
	return w
}

type worker struct {
	cfg       *Config
	format    *Format
	encoder   *Encoder
	documents *tokenize.Encoder
	text      []byte // decoded
	ids       []uint32
	json      []byte
	counts    counts
}

// counts are a batch's tallies.
type counts struct{ tokens, learnt, chats, pairs, moved, nothing, alike, long, end, start, turns int64 }

// Map implements stage.Worker.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.counts = counts{}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if i%256 == 255 { // a chat takes longer than a document
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if err := w.record(r); err != nil {
			r.QuarantineFor(err)
		}
	}
	c := &w.counts
	b.Tally(tallyTokens, c.tokens)
	for _, t := range [...]record.Tally{
		{Name: tallyLearnt, N: c.learnt}, {Name: tallyChats, N: c.chats}, {Name: tallyPairs, N: c.pairs}, {Name: tallyMoved, N: c.moved}, {Name: tallyNothing, N: c.nothing}, {Name: tallyAlike, N: c.alike},
		{Name: tallyLong, N: c.long}, {Name: tallyEnd, N: c.end}, {Name: tallyStart, N: c.start}, {Name: tallyTurns, N: c.turns},
	} {
		if t.N > 0 {
			b.Tally(t.Name, t.N)
		}
	}
	return nil
}

func (w *worker) record(r *record.Record) error {
	kind, err := kindOf(r, w.cfg.TextField)
	if err != nil {
		return err
	}
	if kind == Document {
		return w.document(r)
	}
	if w.cfg.SpecialsAsText {
		return errors.New("special tokens are taken for text, and what a template writes are special tokens; encode chats without --specials-as-text")
	}
	row, err := read(r, kind)
	if err != nil {
		return err
	}
	if w.cfg.Render {
		return w.render(r, row)
	}
	x, err := w.encoder.Encode(row)
	if err != nil {
		return err
	}
	alike := x.Pair && slices.Equal(x.IDs[x.Prompt:x.Chosen], x.IDs[x.Chosen:])
	if err := w.write(r, x, true); err != nil || r.Outcome != record.Keep {
		return err
	}
	if x.Pair {
		w.counts.pairs++
	} else {
		w.counts.chats++
	}
	if x.Moved {
		w.counts.moved++
	}
	if x.nothing() {
		w.counts.nothing++
	}
	if alike {
		w.counts.alike++
	}
	return nil
}

func (w *worker) document(r *record.Record) error {
	text, err := r.Text(w.cfg.TextField, &w.text)
	if err != nil {
		return err
	}
	if w.cfg.Render {
		return w.rendered(r, nil, []part{{"text", text, nil}})
	}
	if w.ids, err = w.documents.Append(w.ids[:0], text); err != nil {
		return err
	}
	x := Encoded{IDs: w.ids}
	if limit := w.cfg.MaxLength; limit > 0 && len(x.IDs) > limit {
		if w.cfg.Truncate == Turns { // it has none
			x.Drop = ReasonTooLong
		} else {
			w.encoder.cut(&x)
		}
	}
	return w.write(r, &x, false)
}

// write puts a row's tokens into the batch and, for a pipe, into the record.
func (w *worker) write(r *record.Record, x *Encoded, masked bool) error {
	if x.Drop != "" {
		w.verdict(r, x)
		if !w.cfg.Annotate {
			r.DropFor(Rule, x.Drop)
			return nil
		}
		r.Flag(Rule, x.Drop)
	}
	n := len(x.IDs)
	r.SetTokens(x.IDs)
	if x.Mask != nil {
		r.SetMask(x.Mask)
	}
	if x.Pair {
		r.SetPair(x.Prompt, x.Chosen)
	}
	w.count(x)
	pair, prompt, chosen := x.Pair, x.Prompt, x.Chosen
	w.shrink() // a giant document's ids as numbers, copied, and as JSON, copied, are too much at a time
	if !w.cfg.JSON {
		return nil
	}
	ids, _ := r.Tokens()
	if pair {
		return w.setAll(r, []record.Path{pathPromptIDs, pathChosenIDs, pathRejectedIDs}, ids[:prompt], ids[prompt:chosen], ids[chosen:])
	}
	if err := w.setIDs(r, pathInputIDs, ids); err != nil || !masked {
		return err
	}
	mask := r.Mask()
	w.json = append(slices.Grow(w.json[:0], 2*n+2), '[')
	for i := range n {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		if len(mask) == 0 || mask[i] == 1 {
			w.json = append(w.json, '1')
		} else {
			w.json = append(w.json, '0')
		}
	}
	w.json = append(w.json, ']')
	err := r.Set(pathLossMask, w.json)
	w.shrink()
	return err
}

func (w *worker) count(x *Encoded) {
	w.counts.tokens += int64(len(x.IDs))
	switch {
	case x.Pair:
		w.counts.learnt += int64(len(x.IDs) - x.Prompt)
	case x.Mask != nil:
		for _, m := range x.Mask {
			w.counts.learnt += int64(m)
		}
	default:
		w.counts.learnt += int64(len(x.IDs))
	}
	switch x.Cut {
	case End:
		w.counts.end++
	case Start:
		w.counts.start++
	case Turns:
		w.counts.turns++
	}
	if x.Long {
		w.counts.long++
	}
}

func (w *worker) setAll(r *record.Record, paths []record.Path, lists ...[]uint32) error {
	for i, p := range paths {
		if err := w.setIDs(r, p, lists[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) setIDs(r *record.Record, p record.Path, ids []uint32) error {
	w.json = tokenize.AppendJSON(slices.Grow(w.json[:0], tokenize.SizeJSON(ids)), ids)
	err := r.Set(p, w.json)
	w.shrink()
	return err
}

// verdict says in a record why it goes.
func (w *worker) verdict(r *record.Record, x *Encoded) {
	if !w.cfg.Annotate && !w.cfg.Verdicts {
		return
	}
	w.json = append(w.json[:0], `{"verdict":"drop","rule":"`+Rule+`","reason":"`+x.Drop+`","tokens":`...)
	w.json = append(strconv.AppendInt(w.json, int64(x.longest()), 10), '}')
	if err := r.Set(pathCurate, w.json); err != nil {
		r.QuarantineFor(err)
	}
}

// scratchLimit is the most bytes of a buffer that a worker keeps.
const scratchLimit = 1 << 20

// shrink lets go of what only giant rows need.
func (w *worker) shrink() {
	if cap(w.text) > scratchLimit || 4*cap(w.ids) > scratchLimit || cap(w.json) > scratchLimit {
		w.text, w.ids, w.json = nil, nil, nil
	}
}

// part is a text that is encoded, and what of it is learnt.
type part struct {
	name    string
	text    []byte
	trained [][2]int
}

// render writes what would be encoded, before anything is cut.
func (w *worker) render(r *record.Record, row *Row) error {
	n, err := w.format.templates.pick(row.Tools != nil || w.format.tools != nil)
	if err != nil && !row.Plain {
		return err
	}
	if row.Plain {
		n = nil
	}
	if row.Kind == Conversation || !row.Plain && row.Kind == PromptCompletion && w.cfg.TrainOn != Default && w.cfg.TrainOn != Completion {
		messages := row.Prompt
		if row.Kind == PromptCompletion {
			messages = slices.Concat(messages, row.Answers[0])
		}
		s, err := w.format.Spans(messages, &row.Params, w.cfg.TrainOn)
		if err == nil {
			err = w.encoder.found(s.Text)
		}
		if err != nil {
			return err
		}
		if s.All {
			s.Trained = [][2]int{{0, len(s.Text)}}
		}
		return w.rendered(r, n, []part{{"text", s.Text, s.Trained}})
	}
	_, texts, err := w.encoder.texts(row, row.Prompt)
	if err != nil {
		return err
	}
	border := len(texts[0])
	for _, t := range texts[1:] {
		border = commonBytes(texts[0][:border], t)
	}
	if row.Kind == PromptCompletion {
		from := border
		if w.cfg.TrainOn == All {
			from = 0
		}
		return w.rendered(r, n, []part{{"text", texts[1], [][2]int{{from, len(texts[1])}}}})
	}
	return w.rendered(r, n, []part{{"prompt", texts[0][:border], nil}, {"chosen", texts[1][border:], nil}, {"rejected", texts[2][border:], nil}})
}

// commonBytes is how many bytes two texts have in common at their beginning, whole characters.
func commonBytes(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return n
}

// rendered writes texts, with spans in characters, since that is how a reader of JSON cuts strings.
func (w *worker) rendered(r *record.Record, n *named, parts []part) error {
	w.json = append(w.json[:0], '{')
	if n != nil {
		w.json = append(w.json, `"template":`...)
		w.json = append(append(w.json, quote(n.origin)...), ',')
	}
	for i, p := range parts {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.json = append(append(append(w.json, '"'), p.name...), '"', ':')
		var err error
		if w.json, err = jsontext.AppendQuote(w.json, p.text); err != nil {
			return fmt.Errorf("the rendered text is not UTF-8: %w", err)
		}
		if p.name != "text" || p.trained == nil && n == nil {
			continue
		}
		w.json = append(w.json, `,"trained":[`...)
		at, chars := 0, 0
		for k, s := range p.trained {
			if k > 0 {
				w.json = append(w.json, ',')
			}
			for e, to := range s {
				chars += utf8.RuneCount(p.text[min(at, to):to])
				at = max(at, to)
				w.json = append(w.json, "[,"[e])
				w.json = strconv.AppendInt(w.json, int64(chars), 10)
			}
			w.json = append(w.json, ']')
		}
		w.json = append(w.json, ']')
	}
	w.json = append(w.json, '}')
	err := r.Set(pathCurate, w.json)
	w.shrink()
	return err
}
