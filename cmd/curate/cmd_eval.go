package main

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/pipeline"
	"curate/record"
	"curate/train/eval"
)

func newEval(env environment) *cobra.Command {
	var f stageFlags
	var c computing
	e := evaluating{answer: answering{options: answerDefaults, chats: chatSettings{truncate: "none"}, name: flagName}}
	var tasks [len(evalKinds)][]string
	var slope, batch string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "eval [NAME=]MODEL… (--bits | --choice | --preference | --instructions | …) [NAME=]PATH…",
		Short: "Measure what language models have learned",
		Long: `Measure language models side by side: bits a byte of texts, by group (--bits, --by) or by source of a shard set
(--shards), the loss by how much of a row a model has seen (--positions), questions with choices (--choice:
{"question","choices","answer"}) and minimal pairs (--pairs: {"good","bad"}). Whether a model does what it is told: preference
pairs (--preference: {"prompt","chosen","rejected"}, with --reference also DPO's rewards), and answers to prompts whose
instructions can be verified (--instructions, as IFEval's). The formulas are lm-eval's; see docs/eval.md.

MODEL is a folder as Hugging Face has it, a checkpoint, or the folder of a training run, whose last checkpoint (with --early-stopping
the best) is taken (./judge or ./table where it is called like a command below).
Each input may be given several times, and has a NAME in the table: --pairs eu=pairs.eu.jsonl --pairs en=pairs.en.jsonl
puts twins in two languages side by side. Accuracies have standard errors, and are marked where they lie within two of
them of chance.

Measure on what no model has seen: curate split parts a corpus by its texts. PATH is a file, a glob or a directory of
JSON Lines, Parquet or text, or - for standard input; of --shards it is a folder of shard sets.`,
		Example: `  curate eval runs/base --bits held-out.jsonl.zst --by meta.lang
  curate eval runs/base runs/continued --pairs eu=pairs.eu.jsonl --pairs en=pairs.en.jsonl --choice eu=choice.eu.jsonl
  curate eval runs/base --positions held-out.jsonl.zst --row 8192 --alibi-slope-scale dynamic
  curate eval runs/sft runs/dpo --reference runs/sft --preference held-out.jsonl --instructions eu=prompts.eu.jsonl --answers answers/
  curate eval hf/ --choice arc.jsonl --prompt $'Question: {question}\nAnswer:' --shots 5 --shots-from train.jsonl --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("MODEL is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "by", "tokenizer", "prefix-token", "shots-from", "prompt", "output", "alibi-slope-scale", "max-quarantined", "text-field",
				"question-field", "choices-field", "answer-field", "partial-field", "good-field", "bad-field", "reference", "answers", "chat-template", "date"); err != nil {
				return err
			}
			var err error
			if e.models, err = namedPaths("MODEL", args, "model"); err != nil {
				return err
			}
			e.tasks = nil
			for k, kind := range evalKinds {
				list, err := namedPaths("--"+kind, tasks[k], "input of --"+kind)
				if err != nil {
					return err
				}
				for _, in := range list {
					e.tasks = append(e.tasks, evalInput{kind: kind, namedPath: in})
				}
			}
			if len(e.tasks) == 0 {
				return usage("nothing to measure on: give %s or --%s PATH", "--"+strings.Join(evalKinds[:len(evalKinds)-1], ", --"), evalKinds[len(evalKinds)-1])
			}
			if err := e.check(cmd.Flags().Changed); err != nil {
				return err
			}
			for flag, to := range map[string]*record.Path{
				"by": &e.bits.By, "text-field": &e.bits.Text, "question-field": &e.choice.Question, "choices-field": &e.choice.Choices,
				"answer-field": &e.choice.Answer, "partial-field": &e.choice.Partial, "good-field": &e.pairs.Good, "bad-field": &e.pairs.Bad,
			} {
				text := cmd.Flags().Lookup(flag).Value.String()
				if text == "" { // by
					continue
				}
				if *to, err = record.ParsePath(text); err != nil {
					return usage("--%s: %v", flag, err)
				}
			}
			e.positions.Text = e.bits.Text
			if err := e.settle(flagName); err != nil {
				return err
			}
			if err := f.checkLog(); err != nil {
				return err
			}
			if batch != "" {
				n, err := parseTokens("--micro-batch", batch)
				if err != nil {
					return err
				}
				e.batch = int(min(n, 1<<24))
			}
			switch slope {
			case "":
			case "dynamic":
				e.dynamic = true
			default:
				if e.slope, err = strconv.ParseFloat(slope, 64); err != nil || !(e.slope > 0 && e.slope <= 1) {
					return usage("--alibi-slope-scale %q: a number above 0, up to 1, or dynamic", slope)
				}
			}
			if e.allowance, err = pipeline.ParseAllowance(f.maxQuarantined); err != nil {
				return usage("--max-quarantined: %v", err)
			}
			if f.out != "" {
				var inputs []string
				for _, in := range e.tasks {
					inputs = append(inputs, in.path)
				}
				for _, m := range e.models {
					inputs = append(inputs, m.path)
				}
				if err := outsideInputs(f.out, inputs); err != nil {
					return err
				}
			}
			report, err := e.run(cmd.Context(), env, &f, &c)
			if report == nil {
				return err
			}
			if perr := putReport(cmd.Context(), cmd.OutOrStdout(), report, f.out, asJSON); perr != nil {
				return perr
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	for k, kind := range evalKinds {
		fs.StringArrayVar(&tasks[k], kind, nil, map[string]string{
			eval.KindBits:           "`[NAME=]PATH` of texts whose bits a byte are measured",
			eval.KindShards:         "`[NAME=]DIR` of shard sets whose bits a byte are measured, by source",
			eval.KindPositions:      "`[NAME=]PATH` of texts whose loss is measured by how much of a row a prediction sees",
			eval.KindShardPositions: "`[NAME=]DIR` of shard sets whose loss is measured so, their rows one behind the other",
			eval.KindChoice:         "`[NAME=]PATH` of questions with choices",
			eval.KindPairs:          "`[NAME=]PATH` of minimal pairs",

			eval.KindPreference:   "`[NAME=]PATH` of preference pairs: prompt, chosen and rejected answer",
			eval.KindInstructions: "`[NAME=]PATH` of a prompt set with instructions that can be verified, as IFEval's",
		}[kind])
	}
	fs.StringVarP(&f.out, "output", "o", "", "`FILE` for the result as JSON, beside what is printed")
	fs.BoolVar(&asJSON, "json", false, "print the result as JSON, and no table")
	fs.StringVar(&e.tokenizer, "tokenizer", "", "`PATH` of the models' tokenizer; default that in each model's folder")
	fs.StringVar(&e.prefix, "prefix-token", "", "`TOKEN` before a text, which its first token is predicted from; default the model's BOS, or else its EOS")
	fs.IntVar(&e.length, "length", 0, "`N` tokens that a model is given at most; default what it was trained on")
	fs.IntVar(&e.bits.Stride, "stride", 0, "`N` tokens that each window of a long text after the first predicts: fewer see more; default all of it")
	fs.String("by", "", "dotted `FIELD` whose value is the group of a text, such as the language")
	fs.IntVar(&e.row, "row", 0, "`N` tokens of a row of --positions and --shard-positions; default four times what the model was trained on")
	fs.IntVar(&e.positions.Buckets, "buckets", 16, "`N` ranges of positions, of equal width; 0: 1, 2–3, 4–7, 8–15, …")
	fs.BoolVar(&e.positions.Bounds, "bounds", false, "in rows of --positions and --shard-positions a document sees only itself")
	fs.StringVar(&slope, "alibi-slope-scale", "", "`X|dynamic`: multiply ALiBi's slopes by X, or by trained length / length where rows are longer")
	fs.IntVar(&e.choice.Shots, "shots", 0, "`K` answered examples before each question")
	fs.StringVar(&e.shotsFrom, "shots-from", "", "`PATH` of rows that examples are drawn from; default the other rows of the same input")
	fs.Uint64Var(&e.choice.Seed, "seed", defaultEvalSeed, "`N` that decides which, and the draws of --temperature")
	fs.StringVar(&e.choice.Prompt, "prompt", "", "`TEXT` with {question} where the question stands; default the question alone")
	fs.BoolVar(&e.choice.MutualInfo, "mutual-info", false, "also acc_mutual_info: by how much the question makes a choice likelier. It doubles the work")
	fs.StringVar(&e.reference, "reference", "", "`MODEL` from which the rewards of --preference are measured, such as the one that DPO began with; default none")
	fs.Float64Var(&e.beta, "beta", eval.DefaultBeta, "`BETA` of these rewards")
	fs.StringVar(&e.answer.dir, "answers", "", "`DIR` for the answers to --instructions, DIR/MODEL/NAME.jsonl; a killed run goes on from there, and curate eval judge reads them")
	e.answer.chats.registerTemplate(fs)
	e.answer.chats.registerVariables(fs)
	fs.BoolVar(&e.answer.plain, "plain-prompts", false, "the prompts of --instructions are put to the model as they are, and not as a chat: for base models")
	fs.IntVar(&e.answer.options.MaxTokens, "max-tokens", answerDefaults.MaxTokens, "`N` tokens of an answer at most")
	fs.Float64Var(&e.answer.options.Temperature, "temperature", 0, "`T` of answers; 0 takes the likeliest token")
	fs.String("text-field", "text", "dotted `PATH` of a text in a record")
	for _, d := range []struct{ name, what string }{
		{"question", "the question"}, {"choices", "the choices, a list"}, {"answer", "the right one: number from 0, label, letter or text"},
		{"partial", "what follows each choice and is measured instead of it, if there is such a thing"}, {"good", "the good text of a pair"}, {"bad", "the bad one"},
	} {
		fs.String(d.name+"-field", d.name, "dotted `PATH` of "+d.what)
	}
	fs.StringVar(&batch, "micro-batch", "", "`N` tokens that are computed at once; default 4096")
	fs.StringVar(&f.maxQuarantined, "max-quarantined", "0", "`N` or P%: more rows that cannot be used end with exit code 3")
	e.flagsWeights(fs)
	c.flags(fs)
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "warnings and errors only")
	fs.StringVar(&f.logFormat, "log", "text", "`FORMAT` of messages: text or json")
	cmd.AddCommand(newEvalJudge(env), newEvalTable())
	return cmd
}

// evalKinds are the kinds of inputs, in the order in which they are measured.
var evalKinds = [...]string{eval.KindBits, eval.KindShards, eval.KindPositions, eval.KindShardPositions, eval.KindChoice, eval.KindPairs, eval.KindPreference, eval.KindInstructions}

// has says whether there is an input of one of the kinds.
func (e *evaluating) has(kinds ...string) bool {
	return slices.ContainsFunc(e.tasks, func(in evalInput) bool { return slices.Contains(kinds, in.kind) })
}

// check finds what does not go together on the command line; given says which flags are on it.
func (e *evaluating) check(given func(string) bool) error {
	byPosition := []string{eval.KindPositions, eval.KindShardPositions}
	for _, of := range []struct {
		flag  string
		kinds []string
	}{
		{"by", []string{eval.KindBits}}, {"stride", []string{eval.KindBits, eval.KindShards}}, {"row", byPosition}, {"buckets", byPosition},
		{"bounds", byPosition}, {"shots", []string{eval.KindChoice}}, {"shots-from", []string{eval.KindChoice}},
		{"prompt", []string{eval.KindChoice}}, {"mutual-info", []string{eval.KindChoice}}, {"reference", []string{eval.KindPreference}}, {"beta", []string{eval.KindPreference}},
		{"answers", []string{eval.KindInstructions}}, {"max-tokens", []string{eval.KindInstructions}}, {"temperature", []string{eval.KindInstructions}},
		{"plain-prompts", []string{eval.KindInstructions}}, {"chat-template", []string{eval.KindInstructions, eval.KindPreference}},
		{"template-arg", []string{eval.KindInstructions, eval.KindPreference}}, {"date", []string{eval.KindInstructions, eval.KindPreference}},
	} {
		if given(of.flag) && !e.has(of.kinds...) {
			return usage("--%s is for --%s, which is not given", of.flag, of.kinds[0])
		}
	}
	e.answer.options.Seed = e.choice.Seed
	if err := e.answer.check(); err != nil {
		return err
	}
	if !(e.beta > 0) || math.IsInf(e.beta, 0) {
		return usage("%s %v: a number above 0", e.answer.name("beta"), e.beta)
	}
	if e.choice.Shots < 0 || e.shotsFrom != "" && e.choice.Shots == 0 {
		return usage("--shots %d: how many examples are drawn from --shots-from?", e.choice.Shots)
	}
	for flag, n := range map[string]int{"length": e.length, "stride": e.bits.Stride, "row": e.row} {
		if given(flag) && n < 1 {
			return usage("--%s %d: at least 1", flag, n)
		}
	}
	streams := 0
	for _, in := range append([]evalInput{{namedPath: namedPath{path: e.shotsFrom}}}, e.tasks...) {
		if in.path != corpus.Stdin {
			continue
		}
		if streams++; streams > 1 || len(e.models) > 1 || in.kind == eval.KindChoice && e.choice.Shots > 0 && e.shotsFrom == "" {
			return usage("standard input can be read once only; give a file")
		}
		if in.ofShards() {
			return usage("--%s -: name a folder", in.kind)
		}
	}
	return nil
}
