package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"curate/pipeline"
	"curate/train/eval"
)

func newEvalJudge(env environment) *cobra.Command {
	var f stageFlags
	j := judging{name: flagName}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "judge --base-url URL --model NAME --verdicts FILE [NAME=]BASELINE [NAME=]ANSWERS…",
		Short: "Let a language model on a server judge answers against a baseline's",
		Long: `Let a language model on an OpenAI-compatible server say which of two models' answers to the same prompt is better.
Each pair is judged twice, the second time with its sides swapped. The result is how often a model wins, with an interval,
and how often the judge contradicted itself.

BASELINE and ANSWERS are folders of answers as curate eval --instructions --answers DIR writes them (DIR/MODEL), or a file of
each; the first is the baseline. Rows of answers from elsewhere are {"prompt","response"}, in the same order.

Verdicts are kept in --verdicts, a line each, in order. The same command goes on behind a kill or a limit, and asks nothing
twice but what was on its way. The judge's own template is in English or Basque, by the prompt's "lang"; --template FILE
is another one, with {instruction}, {answer_a} and {answer_b}, that asks for [[A]], [[B]] or [[C]]. docs/eval.md says what such
numbers are worth.`,
		Example: `  curate eval judge answers/sft answers/dpo --base-url http://localhost:8000/v1 --model google/gemma-3-27b-it --verdicts verdicts.jsonl
  curate eval judge answers/base/eu.jsonl answers/sft/eu.jsonl --base-url http://localhost:8000/v1 --model judge --verdicts v.jsonl -o judge.json
  curate eval table eval.json judge.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage("give the answers of a baseline, and those of one or more models")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "base-url", "model", "api-key-env", "verdicts", "template", "judge-language", "output", "body"); err != nil {
				return err
			}
			if j.verdicts == "" {
				return usage("where are the verdicts kept? Give --verdicts FILE; the same command goes on from there")
			}
			if err := f.checkLog(); err != nil {
				return err
			}
			switch given := cmd.Flags().Changed; {
			case j.policy.Retries < 0:
				return usage("--retries %d: not below 0", j.policy.Retries)
			case given("retries") && j.policy.Retries == 0:
				j.policy.Retries = -1 // none; 0 would be the default
			case given("max-concurrency") && j.policy.MaxConcurrency < 1:
				return usage("--max-concurrency %d: at least 1", j.policy.MaxConcurrency)
			case given("verdict-tokens") && j.api.MaxTokens < 1:
				return usage("--verdict-tokens %d: at least 1", j.api.MaxTokens)
			}
			if err := j.check(); err != nil {
				return err
			}
			list, err := answerPaths(args)
			if err != nil {
				return err
			}
			ctx, st := cmd.Context(), storage()
			var all []contest
			for _, m := range list[1:] {
				c, err := contests(ctx, st, list[0], m)
				if err != nil {
					return err
				}
				all = append(all, c...)
			}
			files := []string{j.verdicts}
			if f.out != "" {
				files = append(files, f.out)
			}
			for _, out := range files {
				for _, c := range all {
					if err := outsideInputs(out, []string{c.answers, c.base}); err != nil {
						return err
					}
				}
			}
			show := newDisplay(env.stderr, &f)
			defer show.close()
			judge, err := j.open(ctx, st, show.log)
			if err != nil {
				return err
			}
			defer judge.close() // each verdict is durable, and an error is told by add
			p := &pipeline.Progress{}
			p.Tell = func() string { return count(judge.done.Load(), "verdict") }
			show.start(p, nil)
			report := &eval.Report{Version: eval.ReportVersion, Program: program()}
			for _, c := range all {
				res, err := judge.contest(ctx, c)
				if err != nil {
					show.stop()
					return err
				}
				report.Add(c.model, res)
			}
			show.stop()
			if err := judge.whole(); err != nil {
				return err
			}
			show.log.Info(judge.summary())
			return putReport(ctx, cmd.OutOrStdout(), report, f.out, asJSON)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&j.api.BaseURL, "base-url", "", "`URL` of the server, up to and with /v1 (required)")
	fs.StringVar(&j.api.Model, "model", "", "`NAME` of the judge (required)")
	fs.StringVar(&j.keyEnv, "api-key-env", defaultKeyEnv, "`NAME` of the environment variable with the key; it is in no output and no message")
	fs.StringVar(&j.verdicts, "verdicts", "", "`FILE` of verdicts, JSON Lines; what is there is not asked again (required)")
	fs.StringVarP(&f.out, "output", "o", "", "`FILE` for the result as JSON, beside what is printed")
	fs.BoolVar(&asJSON, "json", false, "print the result as JSON, and no table")
	fs.StringVar(&j.template, "template", "", "`FILE` of what the judge is asked, with {instruction}, {answer_a} and {answer_b}")
	fs.StringVar(&j.language, "judge-language", "", "`CODE` of the built-in template: "+strings.Join(eval.JudgeLanguages(), ", ")+"; default the prompt's \"lang\", or else en")
	fs.IntVar(&j.api.MaxTokens, "verdict-tokens", 512, "`N` tokens of a verdict at most, with its reason")
	fs.Uint64Var(&j.seed, "seed", defaultEvalSeed, "`N` that decides the resamples of the interval")
	fs.StringVar(&j.body, "body", "", "`JSON` object of more fields for each request, such as {\"top_k\":1}")
	fs.DurationVar(&j.policy.Timeout, "timeout", 0, "`TIME` for a verdict, such as 90s; default by --verdict-tokens, a minute at least")
	fs.IntVar(&j.policy.Retries, "retries", 5, "`N` times that a request is repeated which failed for a reason that may pass; 0 is never")
	fs.IntVar(&j.policy.MaxConcurrency, "max-concurrency", judgeConcurrency, "`N` requests at a time at most")
	fs.Int64Var(&j.policy.MaxRequests, "max-requests", 0, "`N` requests in one run, which then ends with exit code 1; the same command goes on; 0 is no limit")
	fs.Int64Var(&j.policy.MaxTokens, "max-tokens", 0, "`N` tokens, in and out, likewise")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "warnings and errors only")
	fs.StringVar(&f.logFormat, "log", "text", "`FORMAT` of messages: text or json")
	return cmd
}

// answerPaths reads [NAME=]PATH of answers. A file without a name is called as its folder, which is the model's.
func answerPaths(args []string) ([]namedPath, error) {
	var named []string
	for _, a := range args {
		if !strings.Contains(a, "=") && strings.HasSuffix(a, ".jsonl") {
			abs, err := filepath.Abs(a)
			if err != nil {
				return nil, err
			}
			a = fmt.Sprintf("%s=%s", filepath.Base(filepath.Dir(abs)), a)
		}
		named = append(named, a)
	}
	return namedPaths("ANSWERS", named, "answers of a model")
}
