#!/usr/bin/env bash
# Arguments of Megatron-LM's pretrain_gpt.py for pretrain-1-length-512.
# In a checkout of Megatron-LM: TORCHRUN="torchrun --nproc-per-node 8" bash pretrain-1-length-512.sh [more arguments, which win]
shards=('/data/shards/length-512'/*.idx)
args=(
  # The shards, without weights: each sample once. Megatron shuffles samples within the stage.
  # They are not built yet; these are all that there will be.
  --data-path "${shards[@]%.idx}"
  --split 100,0,0
  --eval-iters 0
  --dataloader-type single
  --seed 17

  # Ids are given: no text is tokenized.
  --tokenizer-type NullTokenizer
  --vocab-size "${VOCABULARY:?the size of the tokenizer, which was not here}"

  --seq-length 512
  --max-position-embeddings 2048
  --micro-batch-size 1
  --global-batch-size 16
  --train-samples 12016 # steps: 751
  --lr-decay-samples 13016 # of all stages

  # The model.
  --num-layers 32
  --hidden-size 2560
  --num-attention-heads 32
  --ffn-hidden-size 6826
  --swiglu
  --normalization LayerNorm
  --position-embedding-type none # Megatron has no ALiBi: a model with it needs an attention of your own
  --attention-dropout 0
  --hidden-dropout 0
  --init-method-std 0.073
  --use-mup
  --mup-base-hidden-size 256
  --mup-embedding-mult 14.6
  --mup-output-mult 0.222 # 2.22 × base width / width

  # How it is trained.
  --lr 0.012
  --min-lr 0.000102
  --lr-decay-style linear
  --lr-warmup-samples 1520 # steps: 95
  --adam-beta1 0.9
  --adam-beta2 0.95
  --adam-eps 1.0e-08
  --weight-decay 0.1
  --clip-grad 0

  --save "${CHECKPOINTS:-checkpoints}/pretrain-1-length-512"
  --save-interval 1000
)
own="${CHECKPOINTS:-checkpoints}/pretrain-1-length-512"
args+=(--load "$own") # for after a break; at first there is none
exec ${TORCHRUN:-torchrun} pretrain_gpt.py "${args[@]}" "$@"
