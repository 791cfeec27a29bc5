#!/usr/bin/env bash
# Arguments of Megatron-LM's pretrain_gpt.py for pretrain-1-length-512.
# In a checkout of Megatron-LM: TORCHRUN="torchrun --nproc-per-node 8" bash pretrain-1-length-512.sh [more arguments, which win]
args=(
  # The shards, without weights: each sample once. Megatron shuffles samples within the stage.
  --data-path
    '/data/shards/length-512/shard-00000'
    '/data/shards/length-512/shard-00001'
  --split 100,0,0
  --eval-iters 0
  --dataloader-type single
  --seed 17

  # Ids are given: no text is tokenized.
  --tokenizer-type NullTokenizer
  --vocab-size 50257
  --null-tokenizer-eod-id 50256

  --seq-length 512
  --max-position-embeddings 2048
  --micro-batch-size 1
  --global-batch-size 16
  --train-samples 144 # steps: 9; 15 samples that do not fill a step are left over
  --lr-decay-samples 160 # of all stages

  # Documents of a packed row end with the EOD. To keep attention within them (needs the mask, which only these kernels
  # look at): --reset-position-ids --reset-attention-mask --eod-mask-loss
  #           --transformer-impl local --no-masked-softmax-fusion

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
