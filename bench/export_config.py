"""Lets a trainer's own parser read what `curate shards export-config` wrote, and prints what it understood, a JSON line a file.

usage: export_config.py megatron|nanotron|trl|axolotl|llama-factory [--source CHECKOUT] FILE...

--source is a checkout of the trainer, for those that are not installed: Megatron-LM, nanotron, axolotl, LLaMA-Factory.
All need torch and transformers, but no GPU: modules that only a GPU can load and no parser looks into are stood in for.
"""
import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import types

import yaml


class Absent(types.ModuleType):
    """A module whose every name is a class: enough to be imported from."""

    __path__ = []
    __version__ = "2.8.3"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, *names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return Absent(spec.name)

    def exec_module(self, module):
        pass


def stand_in_for(*names):
    """Only for what is not installed."""
    missing = [n for n in names if not importlib.util.find_spec(n)]
    sys.meta_path.insert(0, StandIns(*missing))
    return missing


def read_megatron(file):
    import typing

    import typing_extensions

    if not hasattr(typing, "override"):  # Megatron wants Python 3.12
        typing.override = typing_extensions.override
    # The script runs what TORCHRUN says: here printf, with a NUL behind each argument.
    words = subprocess.run(["bash", file], env={**os.environ, "TORCHRUN": r"/usr/bin/printf %s\0"}, stdout=subprocess.PIPE, check=True).stdout
    script, *words = words.decode().split("\0")[:-1]
    from megatron.core.datasets.utils import get_blend_from_list
    from megatron.core.tokenizers.utils.build_tokenizer import build_tokenizer
    from megatron.training import arguments

    os.environ.setdefault("RANK", "0")
    os.environ.setdefault("WORLD_SIZE", "1")
    sys.argv = [script, *words]
    args = arguments.parse_args()
    arguments.validate_args(args, {})
    paths, weights = get_blend_from_list(args.data_path)
    tokenizer = build_tokenizer(args)
    understood = dict(
        parser="megatron.training.arguments.parse_args, validate_args",
        data=paths, weights=weights, split=args.split, length=args.seq_length, rows_per_step=args.global_batch_size,
        rows=args.train_samples, steps=args.train_samples // args.global_batch_size, decay_rows=args.lr_decay_samples,
        positions=args.max_position_embeddings, eod=tokenizer.eod, vocabulary=tokenizer.vocab_size, seed=args.seed,
        load=args.load, from_iteration=args.override_ckpt_iteration, scheduler=args.use_checkpoint_opt_param_scheduler,
        dataloader=args.dataloader_type, evaluation=args.eval_iters,
        training=dict(
            learning_rate=args.lr, least=args.min_lr, schedule=args.lr_decay_style, warmup_rows=args.lr_warmup_samples, betas=[args.adam_beta1, args.adam_beta2],
            epsilon=args.adam_eps, weight_decay=args.weight_decay, clip=args.clip_grad, layers=args.num_layers, width=args.hidden_size, ffn=args.ffn_hidden_size,
            mup=args.use_mup, positions=args.position_embedding_type,
        ),
    )
    if all(os.path.exists(p + ".idx") for p in paths):
        understood.update(megatron_samples(args, tokenizer, (paths, weights)))
    return understood


def megatron_samples(args, tokenizer, blend):
    """What the dataset holds that pretrain_gpt.py would build. It needs helpers_cpp: make -C megatron/core/datasets."""
    import tempfile

    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig

    with tempfile.TemporaryDirectory() as cache:
        config = GPTDatasetConfig(
            random_seed=args.seed, sequence_length=args.seq_length, blend=blend, split=args.split, tokenizer=tokenizer, path_to_cache=cache,
            reset_position_ids=args.reset_position_ids, reset_attention_mask=args.reset_attention_mask, eod_mask_loss=args.eod_mask_loss,
            create_attention_mask=False, num_dataset_builder_threads=1,
        )
        train, _, _ = BlendedMegatronDatasetBuilder(GPTDataset, [args.train_samples, 0, 0], lambda: True, config).build()
        seen = {train[i]["tokens"].numpy().tobytes() for i in range(len(train))}
    return dict(dataset=len(train), distinct=len(seen), tokens=len(train[0]["tokens"]))


def read_nanotron(file):
    stand_in_for("flash_attn", "grouped_gemm")
    from nanotron.config import Config, get_config_from_file

    c = get_config_from_file(file, config_class=Config)
    return dict(
        parser="nanotron.config.get_config_from_file",
        stages=[
            dict(
                name=s.name, first_step=s.start_training_step, length=s.sequence_length, data=s.data.dataset.dataset_folder,
                token_bytes=s.data.dataset.token_size_in_bytes, vocabulary=s.data.dataset.vocab_size, kind=type(s.data.dataset).__name__,
            )
            for s in c.data_stages
        ],
        length=c.tokens.sequence_length, rows_per_step=c.global_batch_size, steps=c.tokens.train_steps,
        tokenizer=c.tokenizer.tokenizer_name_or_path, model=type(c.model.model_config).__name__,
        decay_steps=c.optimizer.learning_rate_scheduler.lr_decay_steps, resume=str(c.checkpoints.resume_checkpoint_path),
    )


def trained(a):
    """What transformers' TrainingArguments hold of --train."""
    return dict(
        learning_rate=a.learning_rate, schedule=str(getattr(a.lr_scheduler_type, "value", a.lr_scheduler_type)), schedule_with=a.lr_scheduler_kwargs,
        warmup=a.warmup_steps, betas=[a.adam_beta1, a.adam_beta2], epsilon=a.adam_epsilon, weight_decay=a.weight_decay, clip=a.max_grad_norm,
        steps=a.max_steps, neftune=a.neftune_noise_alpha, bf16=a.bf16,
    )


def read_trl(file):
    from trl.scripts import dpo, sft

    kind = dpo if "preference" in os.path.basename(file) else sft
    # TRL's default is bfloat16, which its arguments refuse where there is neither a GPU nor leave to do without.
    script, train, model, data = kind.make_parser().parse_args_and_config(["--config", file, "--use_cpu", "true"], fail_with_unknown_args=True)
    return dict(
        parser=f"{kind.__name__}.make_parser().parse_args_and_config",
        data=[f for d in data.datasets for f in d.data_files], length=train.max_length, attention=model.attn_implementation,
        rows_per_step=train.per_device_train_batch_size * train.gradient_accumulation_steps, epochs=train.num_train_epochs,
        padding_free=getattr(train, "padding_free", None), packing=getattr(train, "packing", None), order=str(train.train_sampling_strategy),
        model=model.model_name_or_path, seed=train.seed, output=train.output_dir, training=trained(train),
        beta=getattr(train, "beta", None), loss=getattr(train, "loss_type", None), adapters=[model.lora_r, model.lora_alpha, model.lora_target_modules] if model.use_peft else None,
    )


def read_axolotl(file):
    stand_in_for("flash_attn")
    from axolotl.utils.config import validate_config
    from axolotl.utils.dict import DictDefault

    with open(file) as f:
        c = validate_config(DictDefault(yaml.safe_load(f)))
    return dict(
        parser="axolotl.utils.config.validate_config",
        data=[f for d in c.datasets for f in d.data_files], kind=[d.ds_type for d in c.datasets], type=[d.type for d in c.datasets],
        length=c.sequence_len, rows_per_step=c.micro_batch_size * c.gradient_accumulation_steps, epochs=c.num_epochs,
        packing=c.sample_packing, order="sequential" if c.curriculum_sampling else "random", model=c.base_model, seed=c.seed, output=c.output_dir,
        training=dict(
            learning_rate=c.learning_rate, schedule=c.lr_scheduler, schedule_with=c.lr_scheduler_kwargs, end=c.cosine_min_lr_ratio, warmup=c.warmup_steps or c.warmup_ratio,
            betas=[c.adam_beta1, c.adam_beta2], epsilon=c.adam_epsilon, weight_decay=c.weight_decay, clip=c.max_grad_norm, steps=c.max_steps,
            neftune=c.neftune_noise_alpha, adapter=c.adapter,
        ),
    )


def read_llama_factory(file):
    os.environ.setdefault("DISABLE_VERSION_CHECK", "1")
    from llamafactory.hparams.parser import get_train_args, read_args

    sys.argv = [sys.argv[0], file, "use_cpu=true"]  # or bf16 is refused where there is no GPU
    model, data, train, tuning, _ = get_train_args(read_args())
    understood = dict(
        parser="llamafactory.hparams.parser.get_train_args",
        data=data.tokenized_path, length=data.cutoff_len, rows_per_step=train.per_device_train_batch_size * train.gradient_accumulation_steps,
        epochs=train.num_train_epochs, stage=tuning.stage, packing=data.packing, within_documents=model.block_diag_attn,
        order="sequential" if tuning.disable_shuffling else "random", model=model.model_name_or_path, seed=train.seed, output=train.output_dir, training=trained(train), adapters=tuning.finetuning_type,
        beta=tuning.pref_beta, nll=tuning.pref_ftx, label_smoothing=tuning.dpo_label_smoothing,
    )
    if os.path.isdir(data.tokenized_path):
        stand_in_for("torchaudio", "torchvision", "av", "librosa")
        from llamafactory.data.loader import get_dataset

        rows = get_dataset(None, model, data, train, tuning.stage, None)["train_dataset"]
        understood["rows"], understood["columns"] = len(rows), rows.column_names
    return understood


READERS = {
    "axolotl": (read_axolotl, "src"),
    "llama-factory": (read_llama_factory, "src"),
    "megatron": (read_megatron, ""),
    "nanotron": (read_nanotron, "src"),
    "trl": (read_trl, ""),
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("trainer", choices=sorted(READERS))
    arguments.add_argument("--source")
    arguments.add_argument("files", nargs="+")
    a = arguments.parse_args()
    reader, below = READERS[a.trainer]
    if a.source:
        sys.path.insert(0, os.path.join(os.path.abspath(a.source), below))
    answer, sys.stdout = sys.stdout, sys.stderr  # parsers print
    for file in a.files:
        if file.endswith(".py"):
            continue
        print(json.dumps(dict(file=os.path.basename(file), **reader(file))), file=answer)


if __name__ == "__main__":
    main()
