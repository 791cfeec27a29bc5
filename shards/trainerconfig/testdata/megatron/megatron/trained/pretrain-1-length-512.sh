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
  --max-position-embeddings 512
  --micro-batch-size 1
  --global-batch-size 16
  --train-samples 432 # steps: 27
  --lr-decay-samples 432 # of all stages

  # Documents of a packed row end with the EOD. To keep attention within them (needs the mask, which only these kernels
  # look at): --reset-position-ids --reset-attention-mask --eod-mask-loss
  #           --transformer-impl local --no-masked-softmax-fusion

  # The model.
  --num-layers 32
  --hidden-size 4096
  --num-attention-heads 32
  --group-query-attention
  --num-query-groups 8
  --ffn-hidden-size 14336
  --swiglu
  --untie-embeddings-and-output-weights
  --normalization RMSNorm
  --disable-bias-linear
  --position-embedding-type rope
  --rotary-base 500000
  --use-rope-scaling
  --attention-dropout 0
  --hidden-dropout 0

  # How it is trained.
  --lr 7.0e-06
  --min-lr 7.0e-07
  --lr-decay-style cosine
  --lr-warmup-samples 48 # steps: 3
  --adam-beta1 0.9
  --adam-beta2 0.95
  --adam-eps 1.0e-08
  --weight-decay 0.1
  --clip-grad 1
  --bf16
  # Adapters, noise on embeddings and preference pairs are not of pretrain_gpt.py: take another trainer for these.

  --save "${CHECKPOINTS:-checkpoints}/pretrain-1-length-512"
  --save-interval 1000
)
own="${CHECKPOINTS:-checkpoints}/pretrain-1-length-512"
if [ -e "$own/latest_checkpointed_iteration.txt" ]; then # after a break: where it was
  args+=(--load "$own")
else # /data/base, as a checkpoint of Megatron's: tools/checkpoint/convert.py makes one
  args+=(--load "${BASE:?the folder of the base model as a checkpoint of Megatron}" --finetune)
fi
exec ${TORCHRUN:-torchrun} pretrain_gpt.py "${args[@]}" "$@"
