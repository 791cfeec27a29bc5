package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"curate/pipeline"
	"curate/record"
	"curate/train/generate"
)

// maxSamples of a prompt are held until all are written.
const maxSamples = 1 << 16

// pathCompletion is where a record gets what was written.
var pathCompletion = record.MustPath("completion")

func newGenerate(env environment) *cobra.Command {
	var f stageFlags
	var c computing
	var prompt string
	g := generating{canLengthen: true, options: generateDefaults, chats: chatSettings{truncate: "none"}, name: flagName}
	cmd := &cobra.Command{
		Use:   "generate MODEL [--prompt TEXT | INPUT…]",
		Short: "Let a language model write",
		Long: `Let a language model write. With --prompt what follows TEXT goes to standard output as it comes, in whole
characters; with --prompt "" the model begins a text of its own, behind its BOS, or else its EOS.
Without --prompt each record gets what follows its "text" (--text-field) as "completion", in the order of the input, and
overwrites what is there; of a chat ("messages", ShareGPT's "conversations") that is the assistant's next turn, by the
model's chat template. With -n above 1 "completion" is a list.

MODEL is a folder as Hugging Face has it, a checkpoint, or the folder of a training run, whose last checkpoint (with --early-stopping the best) is taken.

Tokens are drawn as transformers has it: first --repetition-penalty, then --temperature, --top-k, --top-p, --min-p, and a
draw from what is left. By default that is temperature 0.8 and nothing else; --temperature 0 takes the likeliest token.
The draw is a function of --seed, the record's number in the input, the sample and the position, so that the same
command writes the same with the same kernels, whatever -j and -n. Up to 32 texts are written at a time, which is several
times as fast, as far as --memory has room for their keys and values; curate size says what those take. --weights and --cache hold a model,
and its keys and values, in fewer bits, at some cost in quality: docs/size.md.

A text ends where the model ends it (the EOS of config.json, generation_config.json and the tokenizer), before the first
--stop, after --max-tokens, or where prompt and completion fill the context, --length.

INPUT is a file, a glob or a directory of JSON Lines or text, plain or compressed (zstd, gzip, bzip2, xz), or of Parquet;
none or - is standard input, which is JSON Lines.`,
		Example: `  curate generate runs/base --prompt 'Egun on, '
  curate generate runs/base --prompt 'The capital of France is' --temperature 0 --max-tokens 10 --stop .
  curate generate runs/chat --top-p 0.9 -n 4 chats.jsonl > answers.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("MODEL is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "tokenizer", "text-field", "chat-template", "date", "max-quarantined", "memory"); err != nil {
				return err
			}
			given := cmd.Flags().Changed
			if given("length") && g.length < 1 {
				return usage("--length %d: at least 1", g.length)
			}
			if g.samples < 1 || g.samples > maxSamples {
				return usage("-n %d: from 1 to %d", g.samples, maxSamples)
			}
			g.model = args[0]
			if err := g.check(); err != nil {
				return err
			}
			text, err := record.ParsePath(f.textField)
			if err != nil {
				return usage("--text-field: %v", err)
			}
			allowance, err := pipeline.ParseAllowance(f.maxQuarantined)
			if err != nil {
				return usage("--max-quarantined: %v", err)
			}
			if given("prompt") {
				if len(args) > 1 {
					return usage("--prompt and %s: give a prompt, or records", args[1])
				}
				if !utf8.ValidString(prompt) {
					return usage("--prompt is not UTF-8")
				}
			} else if args, err = inputsOr(env.stdin, args[1:], "records or --prompt TEXT"); err != nil {
				return err
			}
			show := newDisplay(env.stderr, &f)
			defer show.close()
			_, memory, err := c.settle()
			if err != nil {
				return err
			}
			pool, precision, err := c.pool()
			if err != nil {
				return err
			}
			defer pool.Close()
			w, err := g.open(cmd.Context(), storage(), pool, precision, memory)
			if err != nil {
				return err
			}
			defer w.close()
			if given("prompt") {
				if err := w.one(cmd.Context(), prompt, cmd.OutOrStdout()); err != nil {
					return err
				}
				show.log.Info(w.summary())
				return nil
			}
			r := &generateRun{generator: w, text: text, out: cmd.OutOrStdout(), log: func(s string) { show.log.Warn(s) }}
			p := &pipeline.Progress{}
			p.Tell = func() string {
				return fmt.Sprintf("%s, %s written", count(r.done.Load(), "record"), count(w.tokens.Load(), "token"))
			}
			show.start(p, nil)
			err = r.all(cmd.Context(), env, args)
			show.stop()
			if err != nil {
				return err
			}
			show.log.Info(w.summary())
			if read := r.done.Load() + r.bad; allowance.Exceeded(r.bad, read) {
				return &pipeline.QuarantineError{Quarantined: r.bad, Read: read, Allowed: allowance, By: "--max-quarantined", Kept: "the messages above"}
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o := &g.options
	fs.StringVar(&prompt, "prompt", "", "`TEXT` to go on from, instead of records")
	fs.StringVar(&g.tokenizer, "tokenizer", "", "`PATH` of the model's tokenizer; default that in its folder")
	fs.IntVar(&o.MaxTokens, "max-tokens", o.MaxTokens, "`N` tokens of a completion at most")
	fs.Float64Var(&o.Temperature, "temperature", o.Temperature, "`T` that scores are divided by: less is more sure of itself; 0 takes the likeliest token")
	fs.IntVar(&o.TopK, "top-k", o.TopK, "draw from the `K` likeliest tokens; 0 is all")
	fs.Float64Var(&o.TopP, "top-p", o.TopP, "draw from the fewest tokens that have probability `P` together; 1 is all")
	fs.Float64Var(&o.MinP, "min-p", o.MinP, "draw from tokens at least `P` times as likely as the likeliest; 0 is all")
	fs.Float64Var(&o.RepetitionPenalty, "repetition-penalty", o.RepetitionPenalty, "`X` that scores of tokens which were there before are divided by, or multiplied with below 0; 1 is none")
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "`N` that decides the draws")
	fs.StringArrayVar(&o.Stop, "stop", nil, "`TEXT` before which a completion ends; again for each")
	fs.IntVarP(&g.samples, "samples", "n", 1, "`N` completions of each prompt; with --prompt, more than one are written as a record")
	fs.IntVar(&g.length, "length", 0, "`N` tokens that the model sees at most, prompt and completion; default what it was trained on. More is allowed, and mostly worse")
	fs.StringVar(&f.textField, "text-field", "text", "dotted `PATH` of the text in a record")
	g.chats.registerTemplate(fs)
	g.chats.registerVariables(fs)
	fs.StringVar(&f.maxQuarantined, "max-quarantined", "0", "`N` or P%: more records that cannot be used end with exit code 3")
	g.flags(fs)
	c.flags(fs)
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "warnings and errors only")
	fs.StringVar(&f.logFormat, "log", "text", "`FORMAT` of messages: text or json")
	return cmd
}

// one writes behind a prompt: a text as it comes, or several as a record.
func (g *generator) one(ctx context.Context, prompt string, out io.Writer) error {
	ids, err := g.prompts.Encode([]byte(prompt))
	if err != nil {
		return usage("--prompt: %v", err)
	}
	put := func(_ int, text string) error {
		_, err := io.WriteString(out, text)
		return err
	}
	if g.samples > 1 {
		put = nil
	}
	list, err := g.write(ctx, ids, put)
	if isPromptError(err) {
		return usage("--prompt: %v", err)
	}
	if put != nil && len(list) > 0 && (err == nil || ctx.Err() != nil) {
		_, werr := io.WriteString(out, "\n")
		return first(err, werr)
	}
	if err != nil {
		return err
	}
	return writeSample(out, prompt, completionOf(list, g.samples))
}

// writeSample writes a prompt and what was written behind it as a line.
func writeSample(out io.Writer, prompt string, completion any) error {
	line, err := json.Marshal(struct {
		Prompt     string `json:"prompt"`
		Completion any    `json:"completion"`
	}{prompt, completion})
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	return err
}

// generateRun goes through records.
type generateRun struct {
	*generator
	text record.Path
	out  io.Writer
	log  func(string)
	done atomic.Int64
	bad  int64
	held int // bytes of records that are being written behind
	line []byte
	dec  []byte // the reader's
}

// generateInput is a record, or why it cannot be used, or the end of all.
type generateInput struct {
	file   string
	record *record.Record
	number uint64
	prompt []uint32
	err    error
	end    error
}

// all writes behind all records. They are read beside the model's work, so that whoever sends one at a time gets its completion
// before the next, and otherwise several are written at once.
func (g *generateRun) all(ctx context.Context, env environment, inputs []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	records := make(chan generateInput, 8)
	go g.read(ctx, env, inputs, records)
	return g.each(ctx, func(wait bool) (*generate.Job, error) {
		var in generateInput
		if wait {
			select {
			case in = <-records:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		} else if g.held > lookRecord {
			return nil, nil
		} else {
			select {
			case in = <-records:
			default:
				return nil, nil
			}
		}
		if in.end != nil {
			return nil, in.end
		}
		g.held += len(in.record.Line)
		return &generate.Job{Prompt: in.prompt, Err: in.err, Record: in.number, Name: in.name(), Done: func(list []generate.Completion, err error) error {
			g.held -= len(in.record.Line)
			if err != nil {
				g.quarantine(&in, err)
				return nil
			}
			return g.put(in.record, list)
		}}, nil
	})
}

func (in *generateInput) name() string { return fmt.Sprintf("%s:%d", in.file, in.record.LineNo) }

// read sends all records, and then the end.
func (g *generateRun) read(ctx context.Context, env environment, inputs []string, to chan<- generateInput) {
	number := uint64(0)
	send := func(in generateInput) error {
		in.number = number
		number++
		select {
		case to <- in:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	look := looking{maxRecord: lookRecord, textField: g.text.Names()[0]}
	look.bad = func(file string, r *record.Record) error {
		return send(generateInput{file: file, record: &record.Record{LineNo: r.LineNo}, err: r.Err})
	}
	err := look.each(ctx, env.stdin, inputs, func(file string, r *record.Record) error {
		// What looking gives is gone afterwards.
		var own record.Batch
		in := generateInput{file: file, record: own.Append(r.ID, r.LineNo, bytes.Clone(r.Line))}
		own.Parse()
		if in.err = r.CanSet(pathCompletion); in.err == nil {
			in.prompt, in.err = g.prompt(in.record, g.text, &g.dec)
		}
		return send(in)
	})
	_ = send(generateInput{end: cmp.Or(err, io.EOF)}) // or nobody waits for it any more
}

func (g *generateRun) quarantine(in *generateInput, cause error) {
	if g.bad++; g.bad <= 20 {
		g.log(fmt.Sprintf("%s: %v; nothing is written", in.name(), cause))
	} else if g.bad == 21 {
		g.log("more records cannot be used; they are counted")
	}
}

func (g *generateRun) put(r *record.Record, list []generate.Completion) error {
	completion, err := json.Marshal(completionOf(list, g.samples))
	if err != nil {
		return err
	}
	if err := r.Set(pathCompletion, completion); err != nil {
		return err
	}
	g.line = r.AppendLine(g.line[:0])
	if _, err := g.out.Write(g.line); err != nil {
		return err
	}
	g.done.Add(1)
	return nil
}
