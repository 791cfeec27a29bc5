package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"curate/internal/human"
	"curate/safetensors"
	"curate/train"
)

func newMerge(environment) *cobra.Command {
	var out, base, dtype, shard, tokenizer string
	cmd := &cobra.Command{
		Use:   "merge [--base BASE] MODEL[=WEIGHT]… -o DIR",
		Short: "Merge models into one, number by number",
		Long: `Merge models of the same shape and tokenizer into one, number by number, and write it as a folder that transformers
and curate read. WEIGHT is 1 where none is given.

With --base, which the models were trained from, what each of them has learnt is added to it (task arithmetic,
arXiv 2212.04089):

  BASE + Σ WEIGHT · (MODEL − BASE)

So a model that went on learning a language and one that learnt to follow instructions, both from BASE, give one that
does both, without a step of training (delta merge). Without --base the result is the models' weighted mean (arXiv
2203.05482).

A MODEL is what curate export takes. All must agree in every number of config.json that changes what is computed, but
for the length of rows, and in what each id of their tokenizers means. Special tokens, generation_config.json and the
tokenizer with its chat template are those of the first MODEL; --tokenizer takes them from elsewhere.

Sums are made in float64 and rounded once, so that the result does not depend on the machine. Memory does not grow with
the models. DIR/merge.json says what was merged, with the digests of the weights.`,
		Example: `  curate merge --base llama-3.1-8b llama-3.1-8b-instruct runs/basque -o basque-instruct
  curate merge --base base instruct=1 runs/basque=0.8 --dtype bf16 -o merged
  curate merge runs/a runs/b runs/c -o soup`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("MODEL is missing: a model's folder, or that of a training run; several of them")
			}
			if out == "" {
				return usage("merge needs -o DIR: the folder that gets the model")
			}
			if err := notEmpty(cmd, "output", "base", "dtype", "max-shard-size", "tokenizer"); err != nil {
				return err
			}
			o := train.MergeOptions{Base: filepath.ToSlash(base), Tokenizer: filepath.ToSlash(tokenizer), Program: program()}
			for _, arg := range args {
				m, err := mergeModel(arg)
				if err != nil {
					return err
				}
				o.Models = append(o.Models, m)
			}
			if len(o.Models) == 1 && base == "" {
				return usage("one model alone is nothing to merge: name others, or --base")
			}
			for _, name := range append(args, out, base, tokenizer) {
				if err := localOnly("merge", name); err != nil {
					return err
				}
			}
			known := map[string]safetensors.Dtype{"": "", "f32": safetensors.F32, "bf16": safetensors.BF16, "f16": safetensors.F16}
			var ok bool
			if o.Dtype, ok = known[dtype]; !ok {
				return usage("--dtype %q: f32, bf16 or f16", dtype)
			}
			var err error
			if o.MaxShard, err = parseSize("--max-shard-size", shard); err != nil {
				return err
			}
			if err := freshDir(cmd.Context(), storage(), out); err != nil {
				return err
			}
			c, err := train.Merge(cmd.Context(), storage(), filepath.ToSlash(out), o)
			if err != nil {
				return err
			}
			all, _ := c.Parameters()
			fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s: %s, %s parameters of %d models\n", out, c.Family, human.Thousands(all), len(args))
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&out, "output", "o", "", "`DIR` that gets the model (required)")
	fs.StringVar(&base, "base", "", "`MODEL` that the others were trained from; without it the result is their mean")
	fs.StringVar(&dtype, "dtype", "", "`f32|bf16|f16` of the weights; default that of the first MODEL's config.json")
	fs.StringVar(&shard, "max-shard-size", "5GB", "`SIZE` of a file of weights; a larger model becomes several")
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of the tokenizer that goes along, a file or a folder; default that of the first MODEL")
	return cmd
}

// mergeModel reads MODEL or MODEL=WEIGHT. A folder with = in its own name is given with a / behind it.
func mergeModel(arg string) (train.MergeModel, error) {
	m := train.MergeModel{Dir: filepath.ToSlash(arg), Weight: 1}
	if i := strings.LastIndexByte(arg, '='); i >= 0 && !strings.ContainsAny(arg[i:], `/\`) {
		w, err := strconv.ParseFloat(arg[i+1:], 64)
		if err != nil || w-w != 0 {
			return m, usage("%s: %q is no weight; give a number, such as %s=0.5", arg, arg[i+1:], arg[:i])
		}
		m.Dir, m.Weight = filepath.ToSlash(arg[:i]), w
	}
	if m.Dir == "" {
		return m, usage("%q names no model", arg)
	}
	return m, nil
}
