package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"curate/safetensors"
	"curate/train"
	"curate/train/export"
	"curate/train/model"
)

func newExport(environment) *cobra.Command {
	var out, format, dtype, shard, tokenizer string
	var fold bool
	cmd := &cobra.Command{
		Use:   "export MODEL -o DIR",
		Short: "Write a model as Hugging Face's transformers reads it",
		Long: `Write a model as a folder that Hugging Face's transformers, and what reads its models, loads: config.json,
generation_config.json, model.safetensors, or several and their index, and the tokenizer's files as they are.

MODEL is a folder of that kind, such as a checkpoint, or that of a training run, whose last checkpoint is taken.
DIR must not be there, or be empty.

A llama becomes a LlamaForCausalLM. With µP it is one that others cannot compute, and so its multipliers go into
the weights, and a tied head becomes a tensor of its own; the logits are the same. Train on from MODEL and not
from such a copy: the learning rates of µP are gone. A btlm stays one, which BTLM's own code reads
(cerebras/btlm-3b-8k-base, with trust_remote_code); --fold puts its multipliers into the weights.

Of what lies in the model as f32, --dtype bf16 and f16 write the nearest that they have, ties to even.`,
		Example: `  curate export runs/basque -o basque-42m
  curate export --dtype bf16 --tokenizer extended/ runs/basque/checkpoints/step-00004000 -o basque-42m`,
		Args: oneArg("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage("export needs -o DIR: the folder that gets the model")
			}
			if err := notEmpty(cmd, "output", "format", "dtype", "max-shard-size", "tokenizer"); err != nil {
				return err
			}
			if format != "hf" {
				return usage("--format %q: hf is the only one", format)
			}
			o := train.SaveOptions{Dtype: map[string]safetensors.Dtype{"f32": safetensors.F32, "bf16": safetensors.BF16, "f16": safetensors.F16}[dtype]}
			if o.Dtype == "" {
				return usage("--dtype %q: f32, bf16 or f16", dtype)
			}
			var err error
			if o.MaxShard, err = parseSize("--max-shard-size", shard); err != nil {
				return err
			}
			for _, name := range []string{args[0], out, tokenizer} {
				if err := localOnly("export", name); err != nil {
					return err
				}
			}
			if err := freshDir(out); err != nil {
				return err
			}
			st := storage()
			l, err := train.Load(cmd.Context(), st, filepath.ToSlash(args[0]))
			if err != nil {
				return err
			}
			if tokenizer != "" {
				l.Tokenizer = filepath.ToSlash(tokenizer)
			}
			if err := foldFor(cmd, l, fold); err != nil {
				return err
			}
			if err := train.Save(cmd.Context(), st, filepath.ToSlash(out), l, o); err != nil {
				return err
			}
			all, _ := l.Config.Parameters()
			fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s: %s, %s parameters in %s\n", out, l.Config.Family, grouped(all), dtype)
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&out, "output", "o", "", "`DIR` that gets the model (required)")
	fs.StringVar(&format, "format", "hf", "`FORMAT`: hf is a folder of Hugging Face")
	fs.StringVar(&dtype, "dtype", "f32", "`f32|bf16|f16` of the weights")
	fs.BoolVar(&fold, "fold", false, "put the multipliers of µP into the weights of a btlm, too")
	fs.StringVar(&shard, "max-shard-size", "5GB", "`SIZE` of a file of weights; a larger model becomes several")
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of the tokenizer that goes along, a file or a folder; default that of MODEL")
	return cmd
}

// foldFor folds a llama, and a btlm if that is wanted, and says what that means.
func foldFor(cmd *cobra.Command, l *train.Loaded, wanted bool) error {
	if export.Neutral(l.Config) || l.Config.Family == model.BTLM && !wanted {
		return nil
	}
	c, p, err := export.Fold(l.Config, l.Params)
	if err != nil {
		return err
	}
	say := "the multipliers of µP went into the weights"
	if c.Tied != l.Config.Tied {
		say += ", and the head, which was tied to the embedding, is a tensor of its own"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s; the logits are the same. To train on, take %s\n", say, l.Dir)
	l.Config, l.Params = c, p
	return nil
}

// freshDir is an error if there is something in a folder.
func freshDir(dir string) error {
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(list) > 0:
		return usage("%s is not empty: it holds %s; remove it, or name another folder", dir, list[0].Name())
	}
	return nil
}
