package eval

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"curate/record"
)

// What stands between a question and its answer, and between examples: lm-eval's defaults.
const (
	targetDelimiter = " "
	shotDelimiter   = "\n\n"
)

// Question is the part of a prompt that the question takes the place of.
const Question = "{question}"

// maxShots is how many rows examples are drawn from at most: they are kept in memory.
const maxShots = 100_000

// ChoiceConfig says how rows with choices are asked.
type ChoiceConfig struct {
	// Fields; "question", "choices", "answer" and "partial" if they are zero.
	Question, Choices, Answer, Partial record.Path
	// Prompt has Question where the question stands; "" is the question alone.
	Prompt string
	// Shots is how many examples stand before each question. They are drawn from Pool.
	Shots int
	Pool  *Pool
	Seed  uint64
	// MutualInfo also asks for the choices without any question.
	MutualInfo bool
}

func (c *ChoiceConfig) defaults() error {
	c.Question, c.Choices = pathOr(c.Question, "question"), pathOr(c.Choices, "choices")
	c.Answer, c.Partial = pathOr(c.Answer, "answer"), pathOr(c.Partial, "partial")
	if c.Prompt == "" {
		c.Prompt = Question
	}
	if !strings.Contains(c.Prompt, Question) {
		return fmt.Errorf("the prompt %q has no %s in it", c.Prompt, Question)
	}
	return nil
}

// choiceRow is a question.
type choiceRow struct {
	question string
	choices  []string
	answer   int
	partial  string // what follows each choice, and alone is asked for; "": nothing does
}

// prompt is the question as it is asked.
func (c *ChoiceConfig) prompt(question string) string {
	return strings.ReplaceAll(c.Prompt, Question, question)
}

// shot is the row as an example.
func (c *ChoiceConfig) shot(r *choiceRow) string {
	if r.partial != "" {
		return c.prompt(r.question) + r.choices[r.answer] + targetDelimiter + r.partial
	}
	return c.prompt(r.question) + targetDelimiter + r.choices[r.answer]
}

// read reads a row. Choices are a list of strings, or an object with "text" and "label", as ARC has them. The answer is a
// number from 0, a label, the choice itself, or a letter.
func (c *ChoiceConfig) read(r *record.Record) (*choiceRow, error) {
	row := &choiceRow{}
	question, err := r.Text(c.Question, new([]byte))
	if err != nil {
		return nil, &RowError{err}
	}
	row.question = string(question)
	if v, ok := r.Value(c.Partial); ok && string(v) != "null" {
		partial, err := r.Text(c.Partial, new([]byte))
		if err != nil {
			return nil, &RowError{err}
		}
		row.partial = string(partial)
	}
	v, ok := r.Value(c.Choices)
	if !ok {
		return nil, &RowError{&record.FieldError{Field: c.Choices.String(), Problem: "is missing"}}
	}
	var labels []string
	if v[0] == '{' {
		var o struct {
			Text  []string `json:"text"`
			Label []string `json:"label"`
		}
		if err := json.Unmarshal(v, &o); err != nil || len(o.Text) != len(o.Label) {
			return nil, badRow("field %q is neither a list of strings nor an object with as many \"text\" as \"label\"", c.Choices)
		}
		row.choices, labels = o.Text, o.Label
	} else if err := json.Unmarshal(v, &row.choices); err != nil {
		return nil, badRow("field %q is no list of strings", c.Choices)
	}
	if len(row.choices) < 2 {
		return nil, badRow("field %q has %d choices; there must be two", c.Choices, len(row.choices))
	}
	if v, ok = r.Value(c.Answer); !ok {
		return nil, &RowError{&record.FieldError{Field: c.Answer.String(), Problem: "is missing"}}
	}
	var text string
	if json.Unmarshal(v, &row.answer) == nil {
		if row.answer < 0 || row.answer >= len(row.choices) {
			return nil, badRow("field %q is %d; the %d choices are counted from 0", c.Answer, row.answer, len(row.choices))
		}
		return row, nil
	}
	if err := json.Unmarshal(v, &text); err != nil {
		return nil, badRow("field %q is neither a whole number nor a string", c.Answer)
	}
	for _, list := range [][]string{labels, row.choices} {
		if row.answer = slices.Index(list, text); row.answer >= 0 {
			return row, nil
		}
	}
	if len(text) == 1 && text[0] >= 'A' && int(text[0]-'A') < len(row.choices) {
		row.answer = int(text[0] - 'A')
		return row, nil
	}
	return nil, badRow("field %q is %q, which is none of the choices, nor a letter from A on", c.Answer, text)
}

// Pool are rows that examples are drawn from.
type Pool struct {
	c    ChoiceConfig
	rows []*choiceRow
}

// NewPool makes an empty pool of rows as c describes them.
func NewPool(c ChoiceConfig) (*Pool, error) {
	p := &Pool{c: c}
	return p, p.c.defaults()
}

// Add puts a row in, unless there are enough. The error of a row that is none is a *RowError.
func (p *Pool) Add(r *record.Record) error {
	row, err := p.c.read(r)
	if err == nil && len(p.rows) < maxShots {
		p.rows = append(p.rows, row)
	}
	return err
}

// draw gives n of the rows, each equally likely to be among them, other than one that equals row. It depends on seed and
// number alone: the first n of a Fisher-Yates shuffle by SplitMix64 (Steele, Lea and Flood 2014), which begins with seed and
// number.
func (p *Pool) draw(row *choiceRow, n int, seed, number uint64) ([]*choiceRow, error) {
	state := seed
	state = next(&state) ^ number
	moved := map[int]int{}
	at := func(i int) int {
		if j, ok := moved[i]; ok {
			return j
		}
		return i
	}
	var drawn []*choiceRow
	for i := 0; i < len(p.rows) && len(drawn) < n; i++ {
		j := i + int(next(&state)%uint64(len(p.rows)-i))
		k := at(j)
		moved[j] = at(i)
		r := p.rows[k]
		if r.question == row.question && r.answer == row.answer && r.partial == row.partial && slices.Equal(r.choices, row.choices) {
			continue
		}
		drawn = append(drawn, r)
	}
	if len(drawn) < n {
		return nil, fmt.Errorf("%d examples are wanted, and there are %d others to draw from", n, len(drawn))
	}
	return drawn, nil
}

// next is SplitMix64.
func next(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Choice measures how often a model finds the right one of several choices the likeliest (process_results of multiple_choice
// in lm_eval/api/task.py): by log p of the choice behind the question (acc), by log p a character (acc_norm) and a byte
// (acc_bytes) of it, and by how much likelier the question makes it (acc_mutual_info). Of equals the first wins. In rows
// with a partial text it is that which is asked for, behind question and choice, and only acc is measured of them.
type Choice struct {
	c      ChoiceConfig
	s      *Subject
	encode *encoding
	queue  *queue
	wait   []*choiceRow
	number uint64
	tokens int64
	cut    int64
	chance mean
	acc    [4]share // by metric
	whole  mean     // chance of rows without a partial text
}

var choiceMetrics = [4]string{"acc", "acc_norm", "acc_bytes", "acc_mutual_info"}

// NewChoice makes the task.
func NewChoice(s *Subject, c ChoiceConfig) (*Choice, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	if c.Shots < 0 || c.Shots > 0 && c.Pool == nil {
		return nil, fmt.Errorf("%d examples, and nothing to draw them from", c.Shots)
	}
	e, err := newEncoding(s)
	if err != nil {
		return nil, err
	}
	return &Choice{c: c, s: s, encode: e, queue: newQueue(s)}, nil
}

// Add implements Task.
func (c *Choice) Add(ctx context.Context, r *record.Record) error {
	c.number++
	row, err := c.c.read(r)
	if err != nil {
		return err
	}
	context := ""
	if c.c.Shots > 0 {
		shots, err := c.c.Pool.draw(row, c.c.Shots, c.c.Seed, c.number-1)
		if err != nil {
			return err
		}
		for _, s := range shots {
			context += c.c.shot(s) + shotDelimiter
		}
	}
	context += c.c.prompt(row.question)
	seqs := make([]sequence, 0, 2*len(row.choices))
	cuts := int64(0)
	put := func(context, continuation string) error {
		s, cut, err := c.encode.pair(context, continuation)
		if err != nil {
			return err
		}
		seqs = append(seqs, s)
		if cut {
			cuts++
		}
		return nil
	}
	for _, choice := range row.choices {
		var err error
		if row.partial != "" {
			err = put(context+choice, targetDelimiter+row.partial)
		} else {
			err = put(context, targetDelimiter+choice)
		}
		if err != nil {
			return err
		}
	}
	if c.c.MutualInfo && row.partial == "" {
		for _, choice := range row.choices {
			if err := put("", targetDelimiter+choice); err != nil {
				return err
			}
		}
	}
	c.cut += cuts
	for _, s := range seqs {
		c.tokens += int64(len(s.ids) - s.from)
		c.queue.add(s)
	}
	c.wait = append(c.wait, row)
	if c.queue.full() {
		return c.flush(ctx)
	}
	return nil
}

func (c *Choice) flush(ctx context.Context) error {
	sums, err := c.queue.score(ctx)
	if err != nil {
		return err
	}
	for _, row := range c.wait {
		n := len(row.choices)
		of := sums[:n]
		sums = sums[n:]
		right := func(by func(i int) float64) bool {
			best := 0
			for i := range n {
				if by(i) > by(best) {
					best = i
				}
			}
			return best == row.answer
		}
		c.chance.add(1 / float64(n))
		c.acc[0].add(right(func(i int) float64 { return of[i] }))
		if row.partial != "" {
			continue
		}
		c.whole.add(1 / float64(n))
		c.acc[1].add(right(func(i int) float64 { return of[i] / float64(utf8.RuneCountInString(row.choices[i])) }))
		c.acc[2].add(right(func(i int) float64 { return of[i] / float64(len(row.choices[i])) }))
		if c.c.MutualInfo {
			alone := sums[:n]
			sums = sums[n:]
			c.acc[3].add(right(func(i int) float64 { return of[i] - alone[i] }))
		}
	}
	c.queue.clear()
	c.wait = c.wait[:0]
	return nil
}

// Finish implements Task.
func (c *Choice) Finish(ctx context.Context) (*Result, error) {
	if err := c.flush(ctx); err != nil {
		return nil, err
	}
	r := &Result{Kind: KindChoice, Rows: c.acc[0].n, Tokens: c.tokens, Context: c.s.Context, Shots: c.c.Shots, Cut: c.cut}
	if c.c.Shots > 0 {
		r.Seed = &c.c.Seed
	}
	r.Metrics = []Metric{accuracy(choiceMetrics[0], &c.acc[0], c.chance.at)}
	for k := 1; k < len(c.acc); k++ {
		if c.acc[k].n > 0 {
			r.Metrics = append(r.Metrics, accuracy(choiceMetrics[k], &c.acc[k], c.whole.at))
		}
	}
	return r, nil
}
