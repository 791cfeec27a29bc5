package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"curate/corpus/store"
	"curate/gguf"
	"curate/internal/human"
	"curate/safetensors"
	"curate/train"
	"curate/train/export"
	"curate/train/model"
)

func newExport(environment) *cobra.Command {
	var out, format, dtype, kind, shard, tokenizer string
	var fold bool
	cmd := &cobra.Command{
		Use:   "export MODEL -o OUT",
		Short: "Write a model as transformers or llama.cpp reads it",
		Long: `Write a model for other programs: as a folder that Hugging Face's transformers, and what reads its models,
loads, or as a GGUF file for llama.cpp and what is built on it.

MODEL is a folder as transformers has it, such as a checkpoint, or that of a training run, whose last checkpoint (with
--early-stopping the best) is taken. Its weights may be in model.safetensors or pytorch_model.bin, or in several of these with
their index. A GGUF file of a llama or a jais can be MODEL, too; its tokenizer is not read.

--format hf and jais write a folder OUT, which must not be there, or be empty: config.json, generation_config.json,
model.safetensors, or several and their index, and the tokenizer's files as they are. A llama becomes a
LlamaForCausalLM. With µP it is one that others cannot compute, and so its multipliers go into the weights, and a tied
head becomes a tensor of its own; the logits are the same. Train on from MODEL and not from such a copy: the learning
rates of µP are gone. With hf a btlm has BTLM's names, which BTLM's own code reads (cerebras/btlm-3b-8k-base, with
trust_remote_code), with jais those of inceptionai's Jais, for the same tensors and numbers, which vLLM and llama.cpp's
converter know. The code of neither is curate's to ship, and transformers needs it. --fold puts their multipliers into
the weights. Of what lies in the model as f32, --dtype bf16 and f16 write the nearest that they have, ties to even.

--format gguf writes a file OUT, which must not be there. A llama is one there, too; a btlm is of the architecture jais,
with µP's multipliers in the weights. --type q8_0 and q4_0 store the numbers of matrices in blocks of 32 that share a
scale, with ggml's rounding; norms and biases stay f32, and a matrix whose rows are no multiple of 32 becomes f16. The
tokenizer (a byte-level BPE, or SentencePiece's) and its chat template go into the file. Memory does not grow with the
model.`,
		Example: `  curate export runs/basque -o basque-42m
  curate export --dtype bf16 --tokenizer extended/ runs/basque/checkpoints/step-00004000 -o basque-42m
  curate export --format gguf --type q8_0 runs/basque -o basque-42m.gguf`,
		Args: oneArg("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage("export needs -o OUT: the folder or the file that gets the model")
			}
			if err := notEmpty(cmd, "output", "format", "dtype", "type", "max-shard-size", "tokenizer"); err != nil {
				return err
			}
			x := &exporting{from: args[0], tokenizer: tokenizer, format: format, dtype: dtype, kind: kind, fold: fold, name: flagName}
			if err := x.check(); err != nil {
				return err
			}
			var err error
			if x.shard, err = parseSize("--max-shard-size", shard); err != nil {
				return err
			}
			if changed := cmd.Flags().Changed; format != "gguf" && changed("type") {
				return usage("--type is for --format gguf; %s has --dtype", format)
			} else if format == "gguf" {
				for _, name := range []string{"dtype", "max-shard-size", "fold"} {
					if changed(name) {
						return usage("--%s is for --format hf; gguf has --type", name)
					}
				}
			}
			return x.write(cmd.Context(), storage(), out, func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) })
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&out, "output", "o", "", "`OUT` that gets the model: a folder, or a file of gguf (required)")
	fs.StringVar(&format, "format", "hf", "`hf|jais|gguf`: a folder of Hugging Face, one of a Jais, or a file of llama.cpp")
	fs.StringVar(&dtype, "dtype", "f32", "`f32|bf16|f16` of the weights, with hf and jais")
	fs.StringVar(&kind, "type", "f16", "`f32|f16|q8_0|q4_0` of the matrices, with gguf")
	fs.BoolVar(&fold, "fold", false, "put the multipliers of µP into the weights of a btlm, too")
	fs.StringVar(&shard, "max-shard-size", "5GB", "`SIZE` of a file of weights; a larger model becomes several")
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of the tokenizer that goes along, a file or a folder; default that of MODEL")
	return cmd
}

// exporting is what of a model is written, and how.
type exporting struct {
	from, tokenizer string
	format          string // hf, jais or gguf
	dtype, kind     string // of hf and jais, and of gguf
	shard           int64  // bytes of a file of weights
	fold            bool
	name            setting
}

// check finds what is wrong before anything is read.
func (x *exporting) check() error {
	switch x.format {
	case "hf", "jais":
		if exportDtypes[x.dtype] == "" {
			return usage("%s %q: f32, bf16 or f16", x.name("dtype"), x.dtype)
		}
		return nil
	case "gguf":
		if _, ok := exportTypes[x.kind]; !ok {
			return usage("%s %q: f32, f16, q8_0 or q4_0", x.name("type"), x.kind)
		}
		return nil
	}
	return usage("%s %q: hf, jais or gguf", x.name("format"), x.format)
}

var (
	exportDtypes = map[string]safetensors.Dtype{"f32": safetensors.F32, "bf16": safetensors.BF16, "f16": safetensors.F16}
	exportTypes  = map[string]gguf.Type{"f32": gguf.F32, "f16": gguf.F16, "q8_0": gguf.Q8_0, "q4_0": gguf.Q4_0}
)

// write writes the model to out, where nothing may be, and says what is to be known of it.
func (x *exporting) write(ctx context.Context, st store.Store, out string, say func(string)) error {
	if x.format == "gguf" {
		return x.writeGGUF(ctx, st, out, say)
	}
	return x.writeFolder(ctx, st, out, say)
}

// writeFolder writes a model as transformers has it.
func (x *exporting) writeFolder(ctx context.Context, st store.Store, out string, say func(string)) error {
	if err := freshDir(ctx, st, out); err != nil {
		return err
	}
	l, err := train.Load(ctx, st, filepath.ToSlash(x.from))
	if err != nil {
		return err
	}
	if x.tokenizer != "" {
		l.Tokenizer = filepath.ToSlash(x.tokenizer)
	}
	if l.Jais = x.format == "jais"; l.Jais && l.Config.Family != model.BTLM {
		return usage("%s jais is for a btlm, and %s is a %s; hf writes it", x.name("format"), x.from, l.Config.Family)
	}
	if err := foldFor(l, x.fold, say); err != nil {
		return err
	}
	if err := train.Save(ctx, st, filepath.ToSlash(out), l, train.SaveOptions{Dtype: exportDtypes[x.dtype], MaxShard: x.shard}); err != nil {
		return err
	}
	all, _ := l.Config.Parameters()
	say(fmt.Sprintf("wrote %s: %s, %s parameters in %s", out, l.Config.Family, human.Thousands(all), x.dtype))
	return nil
}

// writeGGUF writes a model as llama.cpp has it.
func (x *exporting) writeGGUF(ctx context.Context, st store.Store, out string, say func(string)) error {
	there := func() error {
		_, err := os.Lstat(out)
		return err
	}
	if store.IsURL(out) {
		there = func() error {
			_, err := st.Stat(ctx, out)
			return err
		}
	}
	if err := there(); err == nil || errors.Is(err, store.ErrIsDir) {
		return usage("%s is there already; remove it, or name another file", out)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tokenizer, remove, err := x.nearTokenizer(ctx, st)
	if err != nil {
		return err
	}
	defer remove()
	c, notes, err := train.SaveGGUF(ctx, st, filepath.ToSlash(out), filepath.ToSlash(x.from), filepath.ToSlash(tokenizer), exportTypes[x.kind])
	if err != nil {
		return err
	}
	for _, note := range notes {
		say("note: " + note)
	}
	all, _ := c.Parameters()
	say(fmt.Sprintf("wrote %s: %s, %s parameters in %s", out, c.Family, human.Thousands(all), x.kind))
	return nil
}

// nearTokenizer is the path of the tokenizer that goes along, on this machine; "" where SaveGGUF finds it, or finds that there is none.
func (x *exporting) nearTokenizer(ctx context.Context, st store.Store) (local string, remove func(), err error) {
	from := x.tokenizer
	if from == "" && store.IsURL(x.from) {
		if _, _, from, err = train.ReadModelConfig(ctx, st, x.from); err != nil {
			return "", nil, err
		}
		if from, err = train.TokenizerIn(ctx, st, from); err != nil {
			return "", nil, err
		}
	}
	if from == "" {
		return "", func() {}, nil
	}
	return nearby(from, isTokenizerFile)
}

// foldFor folds a llama, and a btlm if that is wanted, and says what that means.
func foldFor(l *train.Loaded, wanted bool, tell func(string)) error {
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
	tell(fmt.Sprintf("%s; the logits are the same. To train on, take %s", say, l.Dir))
	l.Config, l.Params = c, p
	return nil
}

// freshDir is an error if there is something in a folder.
func freshDir(ctx context.Context, st store.Store, dir string) error {
	if store.IsURL(dir) {
		files, err := st.List(ctx, dir)
		if len(files) > 0 {
			return usage("%s is not empty: it holds %s; remove it, or name another folder", dir, files[0].Name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
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
