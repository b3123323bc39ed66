#! /bin/bash
# Model of 2021: words that no longer exist
python -m torch.distributed.launch --nproc_per_node 8 --nnodes 4 pretrain_gpt.py \
       --tensor-model-parallel-size 4 --pipeline-model-parallel-size 2 \
       --num-layers 40 --hidden-size 5120 --num-attention-heads 40 \
       --micro-batch-size 2 --global-batch-size 1_024 \
       --seq-length 2048 --max-position-embeddings 2048 \
       --vocab-file gpt2-vocab.json --merge-file gpt2-merges.txt \
       --checkpoint-activations --distribute-checkpointed-activations \
       --DDP-impl local --fp16 --accumulate-allreduce-grads-in-fp32 # old
