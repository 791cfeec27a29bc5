package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/langid"
	"curate/record"
	"curate/tokenize/chat"
	"curate/train/eval"
	"curate/train/eval/ifeval"
	"curate/train/generate"
)

// answerDefaults are how models answer prompt sets: the likeliest token, and as many as lm-eval's task ifeval has.
var answerDefaults = generate.Options{Sampling: generate.Greedy(), MaxTokens: 1280}

// answering is what a command line or a recipe says about models that answer prompt sets.
type answering struct {
	options generate.Options
	chats   chatSettings
	plain   bool   // prompts are no chats
	dir     string // of the answers; "": they are not kept
	name    setting
}

// check finds what is wrong before anything is opened.
func (a *answering) check() error {
	return (&generating{options: a.options, name: a.name}).check()
}

// answerLine is an answer as it is kept: docs/formats/eval.md.
type answerLine struct {
	Key      jsontext.Value `json:"key"`
	Lang     string         `json:"lang"`
	Prompt   string         `json:"prompt"`
	Response string         `json:"response"`
	Tokens   int            `json:"tokens"`
	End      string         `json:"end,omitzero"`
	Strict   []bool         `json:"strict,omitzero"`
	Loose    []bool         `json:"loose,omitzero"`
	Error    string         `json:"error,omitzero"`
	By       string         `json:"by"` // digest of model, template and settings
}

// answersFile is where the answers of a model to a prompt set are.
func answersFile(dir, model, set string) string {
	return filepath.Join(dir, fileName(model), filepath.FromSlash(fileName(set)+".jsonl"))
}

// fileName makes a name of a table one of a file. A slash parts folders, as in eu/arc.
func fileName(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		p = strings.Map(func(r rune) rune {
			if r < ' ' || strings.ContainsRune(`\:*?"<>|`, r) {
				return '_'
			}
			return r
		}, p)
		if strings.Trim(p, ".") == "" {
			p = "_" + p
		}
		parts[i] = p
	}
	return strings.Join(parts, "/")
}

// promptRow is a row of a prompt set, or why it cannot be used, or the end of all.
type promptRow struct {
	file   string
	line   int64
	number uint64
	prompt *ifeval.Prompt
	rec    record.Record // its line alone, with what is wrong with it
	end    error         // of all rows; io.EOF
}

// alone is a record's line, which outlives the batch, and what is wrong with it.
func alone(rec *record.Record, why error) record.Record {
	return record.Record{ID: rec.ID, LineNo: rec.LineNo, Line: bytes.Clone(rec.Raw()), Truncated: rec.Truncated, Err: why}
}

// instructions lets the current model answer a prompt set, and checks the answers.
func (r *evalRun) instructions(ctx context.Context, in evalInput) (*eval.Result, error) {
	m := &r.current
	g := &generating{
		model: m.loaded.Dir, tokenizer: m.tokenizer, options: r.answer.options, length: r.length, canLengthen: true, samples: 1, chats: r.answer.chats, name: r.answer.name,
		inferring: r.inferring, loaded: m.loaded,
	}
	w, err := g.open(ctx, r.st, r.pool, r.precision, r.memory)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if !r.answer.plain {
		if _, err := w.chats.Prompt(userTurn("a")); err != nil {
			return nil, usage("--%s: %s answers with its chat template: %v; a base model has prompts put to it as they are with %s", in.kind, m.name, err, r.answer.name("plain_prompts"))
		}
	}
	var kept *keptLines
	by := ""
	if r.answer.dir != "" {
		if by, err = r.answersBy(w); err != nil {
			return nil, err
		}
		if kept, err = openKept(ctx, r.st, answersFile(r.answer.dir, m.name, in.name)); err != nil {
			return nil, err
		}
		defer kept.close() // each line is durable, and an error is told by add
	}
	identify, err := identifyLanguage()
	if err != nil {
		return nil, err
	}
	checker := &ifeval.Checker{Identify: identify}
	counted := &eval.Instructions{}
	rows := evalRows{run: r}
	count := func(row *promptRow, a *answerLine) {
		a.Strict, a.Loose = checker.Strict(row.prompt, a.Response), checker.Loose(row.prompt, a.Response)
		counted.Add(row.prompt, a.Strict, a.Loose)
		counted.Tokens += int64(a.Tokens)
		r.now.Store(counted.Tokens)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	records := make(chan promptRow, 8)
	go r.prompts(ctx, in, records)
	// take gives the next row that has no answer yet, or nil: its error is that of the row, or of all.
	take := func() (*promptRow, error) {
		for {
			var row promptRow
			select {
			case row = <-records:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			if row.end != nil {
				if kept != nil && row.end == io.EOF {
					if line, err := kept.next(); err != nil || line != nil {
						return nil, errors.Join(err, fmt.Errorf("%s:%d: there are more answers than prompts; remove the file, or name another folder", kept.name, kept.line))
					}
				}
				return nil, row.end
			}
			rows.read++
			if row.rec.Err != nil {
				if err := rows.quarantine(ctx, unreadable, row.file, &row.rec); err != nil {
					return nil, err
				}
				continue
			}
			if kept == nil {
				return &row, nil
			}
			line, err := kept.next()
			if err != nil {
				return nil, err
			}
			if line == nil {
				return &row, nil
			}
			var a answerLine
			if err := json.Unmarshal(line, &a); err != nil {
				return nil, fmt.Errorf("%s:%d: this is no answer: %w; remove the file", kept.name, kept.line, err)
			}
			if a.Prompt != row.prompt.Text || string(a.Key) != row.prompt.Key || a.By != by {
				return nil, fmt.Errorf("%s:%d: the answer is not that of this model, with these settings, to %s:%d; remove the file, or name another folder with %s", kept.name, kept.line, row.file, row.line, r.answer.name("answers"))
			}
			if a.Error != "" {
				row.rec.Err = errors.New(a.Error)
				if err := rows.quarantine(ctx, unanswered, row.file, &row.rec); err != nil {
					return nil, err
				}
				continue
			}
			count(&row, &a)
		}
	}
	err = w.each(ctx, func(bool) (*generate.Job, error) {
		row, err := take()
		if err != nil {
			return nil, err
		}
		j := &generate.Job{Record: row.number, Name: fmt.Sprintf("%s:%d", row.file, row.line)}
		if r.answer.plain {
			j.Prompt, j.Err = w.prompts.Encode([]byte(row.prompt.Text))
		} else {
			j.Prompt, j.Err = w.chats.Prompt(userTurn(row.prompt.Text))
		}
		j.Done = func(list []generate.Completion, err error) error {
			a := &answerLine{Key: jsontext.Value(row.prompt.Key), Lang: row.prompt.Lang, Prompt: row.prompt.Text, By: by}
			if err != nil {
				a.Error = err.Error()
				row.rec.Err = err
				if err := rows.quarantine(ctx, unanswered, row.file, &row.rec); err != nil {
					return err
				}
			} else {
				a.Response, a.Tokens, a.End = list[0].Text, list[0].Tokens, list[0].End
				count(row, a)
			}
			if kept == nil {
				return nil
			}
			return kept.add(ctx, a)
		}
		return j, nil
	})
	if err != nil {
		return nil, err
	}
	res := counted.Result()
	if res.Context = g.length; res.Context == 0 {
		res.Context = m.loaded.Config.Context
	}
	if res.MaxTokens = r.answer.options.MaxTokens; r.answer.options.Temperature > 0 {
		res.Temperature, res.Seed = r.answer.options.Temperature, &r.answer.options.Seed
	}
	res.Quarantined = rows.bad
	return rows.result(res, in)
}

// prompts sends the rows of a prompt set, and then the end.
func (r *evalRun) prompts(ctx context.Context, in evalInput, to chan<- promptRow) {
	number := uint64(0)
	send := func(row promptRow) error {
		row.number = number
		number++
		select {
		case to <- row:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	look := looking{maxRecord: lookRecord, textField: "prompt", bad: func(file string, rec *record.Record) error {
		return send(promptRow{file: file, line: rec.LineNo, rec: alone(rec, rec.Err)})
	}}
	err := look.each(ctx, r.stdin, []string{in.path}, func(file string, rec *record.Record) error {
		p, err := ifeval.Read(bytes.Clone(rec.Line))
		return send(promptRow{file: file, line: rec.LineNo, prompt: p, rec: alone(rec, err)})
	})
	if err == nil {
		err = io.EOF
	}
	_ = send(promptRow{end: err}) // or nobody waits for it any more
}

// userTurn is a chat of one message.
func userTurn(text string) *record.Record {
	b, err := jsontext.AppendQuote([]byte(`{"messages":[{"role":"user","content":`), text)
	if err != nil {
		b = []byte(`{"messages":[]`) // not UTF-8; records are
	}
	var own record.Batch
	own.Append(record.MakeID(0, 0), 1, append(b, "}]}"...))
	own.Parse()
	return &own.Records[0]
}

// answersBy identifies all that the current model's answers depend on, but for the prompts.
func (r *evalRun) answersBy(w *generator) (string, error) {
	h := sha256.New()
	m := &r.current
	o := r.answer.options
	b, err := json.Marshal(struct {
		Config    any
		Tokenizer string
		Template  string
		Args      []string
		Date      string
		Plain     bool
		Options   generate.Options
		Length    int
		Kernels   string
		Precision int
	}{m.loaded.Config, m.fingerprint, w.template, r.answer.chats.args, r.answer.chats.date, r.answer.plain, o, r.length, r.pool.Set().Name(), int(r.precision)}, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	h.Write(b)
	var buf [4 << 10]byte
	numbers := func(rest []float32) {
		for len(rest) > 0 {
			n := min(len(rest), len(buf)/4)
			for i, x := range rest[:n] {
				binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(x))
			}
			h.Write(buf[:4*n])
			rest = rest[n:]
		}
	}
	if q := m.loaded.Quantized; q != nil {
		fmt.Fprint(h, q.Format)
		q.Each(numbers)
	} else {
		numbers(m.loaded.Params.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// identifyLanguage asks fastText's model, which is in this program. It is loaded when a text is first asked about.
func identifyLanguage() (func(text string) string, error) {
	cfg, err := langid.Config{Engine: "fasttext"}.Resolve()
	if err != nil {
		return nil, err
	}
	engine, err := langid.NewEngine(cfg)
	if err != nil {
		return nil, err
	}
	var id langid.Identifier
	return func(text string) string {
		if id == nil {
			id = engine.NewIdentifier()
		}
		if a := id.Identify([]byte(text)); a.Language != langid.Und {
			return a.Language
		}
		return ""
	}, nil
}

// pairEncoder gives the tokens of preference pairs as training has them: through the chat template, or as strings.
func (r *evalRun) pairEncoder() (func(rec *record.Record) (*eval.PairTokens, error), error) {
	m := &r.current
	cfg := chat.Config{}
	if err := r.answer.chats.apply(&cfg, m.tokenizer, r.answer.name); err != nil {
		return nil, usage("%v", err)
	}
	format, err := chat.NewFormat(cfg.Templates, cfg.Args, cfg.Date)
	if err != nil {
		return nil, usage("%v", err)
	}
	// What a tokenizer puts behind a text would stand between the answer and its EOS.
	_, after := m.tokens.Around()
	e := chat.NewEncoder(m.tokens, format, chat.Options{AddSpecialTokens: len(after) == 0, EOS: cfg.Templates.Special("eos_token")})
	return func(rec *record.Record) (*eval.PairTokens, error) {
		row, err := chat.ReadPair(rec)
		if err != nil {
			return nil, err
		}
		p, err := e.Encode(row)
		if err != nil {
			return nil, err
		}
		return &eval.PairTokens{IDs: p.IDs, Prompt: p.Prompt, Chosen: p.Chosen}, nil
	}, nil
}
