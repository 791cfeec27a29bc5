#!/usr/bin/env bash
# Arguments of Megatron-LM's pretrain_gpt.py for pretrain-1-length-512.
# In a checkout of Megatron-LM: TORCHRUN="torchrun --nproc-per-node 8" bash pretrain-1-length-512.sh [more arguments, which win]
args=(
  # The shards, without weights: each sample once. Megatron shuffles samples within the stage.
  --data-path
    '/data/it'\''s "mine" \ €/length-512/shard-00000'
  --split 100,0,0
  --eval-iters 0
  --dataloader-type single
  --seed 513

  # Ids are given: no text is tokenized.
  --tokenizer-type NullTokenizer
  --vocab-size 50257

  --seq-length 512
  --max-position-embeddings 512
  --micro-batch-size 1
  --global-batch-size 1 # choose: the shards were built without tokens a step
  --train-samples 4 # steps: 4
  --lr-decay-samples 4 # of all stages

  # Choose the model and how it is trained; these are small.
  --num-layers 12
  --hidden-size 768
  --num-attention-heads 12
  --lr 3e-4
  --bf16

  --save "${CHECKPOINTS:-checkpoints}/pretrain-1-length-512"
  --save-interval 1000
)
own="${CHECKPOINTS:-checkpoints}/pretrain-1-length-512"
args+=(--load "$own") # for after a break; at first there is none
exec ${TORCHRUN:-torchrun} pretrain_gpt.py "${args[@]}" "$@"
